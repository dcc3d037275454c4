/* The tensors of a merge trial: shapes, layouts, values. */
#include "merge_trial.h"
#include "trial_tensors.h"

#include <math.h>
#include <stdlib.h>

enum { PART, BATCH, HEAD, QUERY, COLUMN, DIMS };

/* ---- strides ------------------------------------------------------------------------------------------------ */

/* Dims from the innermost out, and unused elements behind each. */
typedef struct storage {
    uint32_t order[DIMS];
    uint64_t gaps[DIMS];
} storage;

static storage storage_of(merge_layout layout, const uint32_t extents[DIMS])
{
    const uint64_t wide = 4 + (4 - extents[COLUMN] % 4) % 4;
    storage s = {{COLUMN, QUERY, HEAD, BATCH, PART}, {0}};
    switch (layout) {
    case MERGE_DENSE:
    case MERGE_SHARED_HEADS:
    case MERGE_LAYOUTS: break;
    case MERGE_BSHD: s = (storage){{COLUMN, HEAD, QUERY, BATCH, PART}, {0}}; break;
    case MERGE_PARTS_INSIDE: s = (storage){{COLUMN, PART, QUERY, HEAD, BATCH}, {0}}; break;
    case MERGE_ODD_GAPS: s = (storage){{COLUMN, QUERY, HEAD, BATCH, PART}, {3, 5, 0, 7, 0}}; break;
    case MERGE_WIDE_GAPS: s = (storage){{COLUMN, QUERY, HEAD, BATCH, PART}, {wide, 8, 0, 12, 0}}; break;
    }
    return s;
}

/* Of tensors without columns, whose queries lie side by side. */
static storage storage_of_rows(merge_layout layout)
{
    storage s = {{COLUMN, QUERY, HEAD, BATCH, PART}, {0}};
    if (layout == MERGE_BSHD)
        s = (storage){{COLUMN, QUERY, BATCH, HEAD, PART}, {0}};
    if (layout == MERGE_PARTS_INSIDE)
        s = (storage){{COLUMN, QUERY, PART, HEAD, BATCH}, {0}};
    if (layout == MERGE_ODD_GAPS || layout == MERGE_WIDE_GAPS)
        s = (storage){{COLUMN, QUERY, HEAD, BATCH, PART}, {0, 3, 1, 0, 5}};
    return s;
}

static void set_strides(merge_tensor *x, const storage *s)
{
    uint64_t stride = 1;
    for (uint32_t i = 0; i < DIMS; i++) {
        x->strides[s->order[i]] = stride;
        stride = stride * x->extents[s->order[i]] + s->gaps[i];
    }
}

/* ---- shapes ------------------------------------------------------------------------------------------------- */

/* Dims of a tensor for the descriptor, outermost first; `count` of them. */
static void set_view(merge_tensor *x, fovea_dtype dtype, const uint32_t *dims, uint32_t count, bool dense)
{
    x->view = (fovea_tensor){.dtype = dtype, .rank = count};
    for (uint32_t i = 0; i < count; i++) {
        x->view.extents[i] = x->extents[dims[i]];
        x->view.strides[i] = dense ? 0 : x->strides[dims[i]];
    }
    if (!dense)
        x->view.strides[count - 1] = 1;
}

static void shape_parts(merge_trial *t, uint32_t s)
{
    static const uint32_t dims[] = {PART, BATCH, HEAD, QUERY, COLUMN};
    const merge_case *c = &t->c;
    const uint32_t skip = c->flat && c->parts[s] == 1;
    const bool dense = c->layout == MERGE_DENSE;
    merge_tensor *o = &t->tensors[MERGE_PART_O + s], *lse = &t->tensors[MERGE_PART_LSE + s];
    memcpy(o->extents, (uint32_t[]){c->parts[s], c->batch, c->heads, c->seq_q, c->dim_v}, sizeof o->extents);
    memcpy(lse->extents, (uint32_t[]){c->parts[s], c->batch, c->heads, c->seq_q, 1}, sizeof lse->extents);
    const storage of_o = storage_of(c->layout, o->extents), of_lse = storage_of_rows(c->layout);
    set_strides(o, &of_o);
    set_strides(lse, &of_lse);
    if (c->layout == MERGE_SHARED_HEADS)
        o->strides[HEAD] = lse->strides[BATCH] = 0;
    set_view(o, c->dtypes[s % 2], dims + skip, 5 - skip, dense);
    if (!c->coefficients)
        set_view(lse, FOVEA_F32, dims + skip, 4 - skip, dense);
}

static void shape_factors(merge_trial *t)
{
    static const uint32_t dims[][4] = {{PART}, {PART, HEAD}, {PART, BATCH, HEAD, QUERY}}, counts[] = {1, 2, 4};
    const merge_case *c = &t->c;
    merge_tensor *x = &t->tensors[MERGE_FACTOR];
    const bool of_head = c->form >= MERGE_OF_HEAD, of_row = c->form == MERGE_OF_ROW;
    memcpy(x->extents, (uint32_t[]){t->parts, of_row ? c->batch : 1, of_head ? c->heads : 1, of_row ? c->seq_q : 1, 1},
           sizeof x->extents);
    const storage plain = {{COLUMN, QUERY, HEAD, BATCH, PART}, {0}},
                  gaps = {{COLUMN, QUERY, HEAD, BATCH, PART}, {0, 0, 3}}, of_layout = storage_of_rows(c->layout);
    set_strides(x, of_row ? &of_layout : of_head && c->layout == MERGE_ODD_GAPS ? &gaps : &plain);
    if (c->form != MERGE_NONE)
        set_view(x, FOVEA_F32, dims[c->form - 1], counts[c->form - 1], c->layout == MERGE_DENSE);
}

static void shape_outputs(merge_trial *t)
{
    static const uint32_t dims[] = {BATCH, HEAD, QUERY, COLUMN};
    const merge_case *c = &t->c;
    const bool dense = c->layout == MERGE_DENSE;
    merge_tensor *o = &t->tensors[MERGE_O], *lse = &t->tensors[MERGE_LSE];
    memcpy(o->extents, (uint32_t[]){1, c->batch, c->heads, c->seq_q, c->dim_v}, sizeof o->extents);
    memcpy(lse->extents, (uint32_t[]){1, c->batch, c->heads, c->seq_q, 1}, sizeof lse->extents);
    const storage of_o = storage_of(c->layout, o->extents), of_lse = storage_of_rows(c->layout);
    set_strides(o, &of_o);
    set_strides(lse, &of_lse);
    set_view(o, c->o_dtype, dims, 4, dense);
    if (!c->no_lse && !c->coefficients)
        set_view(lse, FOVEA_F32, dims, 3, dense);
}

static uint32_t element_size(const merge_tensor *x)
{
    return x->view.dtype == FOVEA_F32 ? 4 : 2;
}

static void make_image(merge_trial *t, int n)
{
    merge_tensor *x = &t->tensors[n];
    uint64_t last = 0;
    for (uint32_t d = 0; d < DIMS; d++)
        last += (x->extents[d] ? x->extents[d] - 1 : 0) * x->strides[d];
    const bool guarded = n >= MERGE_O || t->c.shift; /* an input may end where its buffer ends */
    x->offset = TRIAL_GUARD + (uint64_t)t->c.shift * (uint64_t)(n + 1) * element_size(x);
    x->size = x->offset + (last + 1) * element_size(x) + (guarded ? TRIAL_GUARD : 0);
    x->image = calloc(1, x->size);
    x->after = calloc(1, x->size);
    ck_assert(x->image && x->after);
    if (n >= MERGE_O)
        tensors_guard(x->image, x->size);
    else
        tensors_poison(x->image, x->size, x->view.dtype);
}

uint64_t merge_place(const merge_tensor *x, const uint32_t index[5])
{
    uint64_t element = 0;
    for (uint32_t d = 0; d < DIMS; d++)
        element += x->extents[d] > 1 ? index[d] * x->strides[d] : 0;
    return x->offset + element * element_size(x);
}

/* ---- values ------------------------------------------------------------------------------------------------- */

enum { OF_LSE = 1, OF_FACTOR, OF_O };

/* In [-1, 1), the same wherever a layout repeats. */
static double random_of(const merge_trial *t, uint32_t what, const uint32_t i[5])
{
    const uint64_t key = ((((uint64_t)i[0] * 4099 + i[1]) * 1031 + i[2]) * 1048583 + i[3]) * 1033 + i[4];
    return (double)(case_hash(t->seed + what * 7919u, key) >> 11) * 0x1p-52 - 1.0;
}

double merge_factor(const merge_trial *t, const uint32_t index[5])
{
    const merge_case *c = &t->c;
    const bool of_head = c->form >= MERGE_OF_HEAD, of_row = c->form == MERGE_OF_ROW;
    const uint32_t i[5] = {index[PART], of_row ? index[BATCH] : 0, of_head ? index[HEAD] : 0, of_row ? index[QUERY] : 0,
                           0};
    const double u = random_of(t, OF_FACTOR, i);
    if (c->form == MERGE_NONE)
        return 0.0;
    switch (c->factors) {
    case MERGE_CLOSED:
        if ((i[PART] + i[HEAD] + i[QUERY]) % 3 == 1)
            return c->coefficients ? 0.0 : -INFINITY;
        break;
    case MERGE_HUGE: return c->coefficients ? (float)(500.0 * u) : (float)1e30;
    case MERGE_SMALL:
    case MERGE_FACTORS: break;
    }
    return (float)(2.0 * u);
}

double merge_lse(const merge_trial *t, const uint32_t index[5])
{
    const merge_layout layout = t->c.layout;
    const uint32_t i[5] = {index[PART], layout == MERGE_SHARED_HEADS ? 0 : index[BATCH], index[HEAD], index[QUERY], 0};
    const uint32_t row = i[BATCH] + i[HEAD] + i[QUERY], chosen = row % t->parts;
    const double u = random_of(t, OF_LSE, i);
    switch (t->c.values) {
    case MERGE_UNIT: break;
    case MERGE_FAR: return (float)(1e4 * u);
    case MERGE_HIGH: return (float)(1e4 + u);
    case MERGE_LOW: return (float)(-1e4 + u);
    case MERGE_EMPTY:
        if (row % 3 == 2 || u < 0.0)
            return -INFINITY;
        break;
    case MERGE_BROKEN:
        if (row % 3 > 0 && i[PART] == chosen)
            return row % 3 == 1 ? NAN : INFINITY;
        break;
    case MERGE_TINY:
    case MERGE_VALUES: return (float)(u * 0x1p-130);
    }
    return (float)(3.0 * u);
}

static double o_value(const merge_trial *t, const uint32_t index[5])
{
    const uint32_t i[5] = {index[PART], index[BATCH], t->c.layout == MERGE_SHARED_HEADS ? 0 : index[HEAD], index[QUERY],
                           index[COLUMN]};
    return random_of(t, OF_O, i) * (t->c.values == MERGE_TINY ? 0x1p-128 : 1.0);
}

bool merge_is_closed(const merge_trial *t, const uint32_t index[5])
{
    if (t->c.coefficients)
        return merge_factor(t, index) == 0.0;
    return merge_lse(t, index) == -INFINITY || merge_factor(t, index) == -INFINITY;
}

uint32_t merge_source_of(const merge_trial *t, uint32_t part)
{
    uint32_t s = 0;
    while (s + 1 < t->sources && part >= t->first[s + 1])
        s++;
    return s;
}

/* A row of a part that no row of the result weighs stays poison. Where heads repeat, another head's may. */
static void fill_row(merge_trial *t, const uint32_t index[5])
{
    const uint32_t s = merge_source_of(t, index[PART]);
    merge_tensor *o = &t->tensors[MERGE_PART_O + s], *lse = &t->tensors[MERGE_PART_LSE + s];
    merge_tensor *factors = &t->tensors[MERGE_FACTOR];
    uint32_t i[5] = {index[PART] - t->first[s], index[BATCH], index[HEAD], index[QUERY], 0}, whole[5];
    memcpy(whole, index, sizeof whole);
    if (lse->view.rank)
        ref_encode(lse->image + merge_place(lse, i), FOVEA_F32, merge_lse(t, index));
    if (factors->view.rank)
        ref_encode(factors->image + merge_place(factors, index), FOVEA_F32, merge_factor(t, index));
    for (uint32_t c = 0; c < t->c.dim_v && !merge_is_closed(t, index); c++) {
        i[COLUMN] = whole[COLUMN] = c;
        ref_encode(o->image + merge_place(o, i), o->view.dtype, o_value(t, whole));
    }
}

void merge_tensors_make(merge_trial *t)
{
    const merge_case *c = &t->c;
    for (uint32_t s = 0; s < t->sources; s++)
        shape_parts(t, s);
    shape_factors(t);
    shape_outputs(t);
    for (int n = 0; n < MERGE_TENSORS; n++)
        make_image(t, n);
    uint32_t i[5] = {0};
    for (i[PART] = 0; i[PART] < t->parts; i[PART]++)
        for (i[BATCH] = 0; i[BATCH] < c->batch; i[BATCH]++)
            for (i[HEAD] = 0; i[HEAD] < c->heads; i[HEAD]++)
                for (i[QUERY] = 0; i[QUERY] < t->run_q; i[QUERY]++)
                    fill_row(t, i);
}
