#include "trial_tensors.h"

#include <math.h>
#include <stdlib.h>

static fovea_dtype dtype_of(const test_case *c, int tensor)
{
    const fovea_dtype dtypes[] = {c->dtypes.q, c->dtypes.k, c->dtypes.v, c->dtypes.o, FOVEA_F32};
    return dtypes[tensor];
}

static void extents_of(const test_case *c, int tensor, uint32_t extents[4])
{
    const uint32_t heads[] = {c->heads_q, c->heads_k, c->heads_v, c->heads_q, c->heads_q};
    const uint32_t rows[] = {c->seq_q, c->seq_k, c->seq_k, c->seq_q, 1};
    const uint32_t columns[] = {c->dim_qk, c->dim_qk, c->dim_v, c->dim_v, c->seq_q};
    extents[0] = c->batch;
    extents[1] = heads[tensor];
    extents[2] = rows[tensor];
    extents[3] = columns[tensor];
}

void tensors_run_extents(const trial *t, int tensor, uint32_t extents[4])
{
    extents_of(&t->c, tensor, extents);
    if (tensor == TRIAL_LSE)
        extents[3] = t->run_q;
    else
        extents[2] = tensor == TRIAL_K || tensor == TRIAL_V ? t->run_k : t->run_q;
}

/* ---- strides ------------------------------------------------------------------------------------------------ */

static void dense_strides(const uint32_t e[4], uint64_t row_gap, uint64_t head_gap, uint64_t s[4])
{
    s[3] = 1;
    s[2] = e[3] + row_gap;
    s[1] = e[2] * s[2] + head_gap;
    s[0] = e[1] * s[1] + head_gap;
}

static void layout_strides(case_layout layout, int tensor, const uint32_t e[4], uint64_t s[4])
{
    const bool keys = tensor == TRIAL_K || tensor == TRIAL_V, input = keys || tensor == TRIAL_Q;
    dense_strides(e, 0, 0, s);
    switch (layout) {
    case LAYOUT_BHSD: break;
    case LAYOUT_BSHD:
        s[1] = e[3];
        s[2] = e[1] * s[1];
        s[0] = e[2] * s[2];
        break;
    case LAYOUT_SBHD:
        s[1] = e[3];
        s[0] = e[1] * s[1];
        s[2] = e[0] * s[0];
        break;
    case LAYOUT_ODD_GAPS: dense_strides(e, 3, 5, s); break;
    case LAYOUT_WIDE_GAPS: dense_strides(e, 4 + (4 - e[3] % 4) % 4, 8, s); break;
    case LAYOUT_BROADCAST_BATCH: s[0] = input ? 0 : s[0]; break;
    case LAYOUT_BROADCAST_HEADS: s[1] = keys ? 0 : s[1]; break;
    case LAYOUT_BROADCAST_ROWS: s[2] = keys ? 0 : s[2]; break;
    }
}

/* LSE has no rows: [batch, heads, seq], its last dim's stride is 1 in any layout. */
static void shape_tensor(const trial *t, int tensor, trial_tensor *x)
{
    const case_layout layout = t->c.layout;
    uint32_t e[4];
    extents_of(&t->c, tensor, e);
    layout_strides(tensor == TRIAL_LSE && (layout == LAYOUT_BSHD || layout == LAYOUT_SBHD) ? LAYOUT_BHSD : layout,
                   tensor, e, x->strides);
    x->view = (fovea_tensor){.dtype = dtype_of(&t->c, tensor), .rank = tensor == TRIAL_LSE ? 3 : 4};
    for (uint32_t i = 0, n = 0; i < 4; i++) {
        if (tensor == TRIAL_LSE && i == 2)
            continue;
        x->view.extents[n] = e[i];
        x->view.strides[n++] = layout == LAYOUT_BHSD ? 0 : x->strides[i];
    }
    uint64_t last = 0;
    for (uint32_t i = 0; i < 4; i++)
        last += (e[i] - 1) * x->strides[i];
    const uint32_t size = x->view.dtype == FOVEA_F32 ? 4 : 2;
    const bool guarded = tensor >= TRIAL_O || t->c.shift; /* an input may end where its buffer ends */
    x->offset = TRIAL_GUARD + (uint64_t)t->c.shift * (uint64_t)(tensor + 1) * size;
    x->size = x->offset + (last + 1) * size + (guarded ? TRIAL_GUARD : 0);
}

/* ---- contents ----------------------------------------------------------------------------------------------- */

void tensors_guard(unsigned char *memory, uint64_t size)
{
    for (uint64_t i = 0; i < size; i++)
        memory[i] = i % 2 ? 0xff : (unsigned char)(0xc0 | (i * 0x9e37u >> 7 & 0x3f));
}

void tensors_poison(unsigned char *memory, uint64_t size, fovea_dtype dtype)
{
    const double values[] = {NAN, -INFINITY, NAN, INFINITY};
    const uint32_t step = dtype == FOVEA_F32 ? 4 : 2;
    for (uint64_t i = 0; i + step <= size; i += step)
        ref_encode(memory + i, dtype, values[i / step % 4]);
}

uint64_t tensors_difference(const unsigned char *a, const unsigned char *b, uint64_t size)
{
    uint64_t i = 0;
    while (i < size && a[i] == b[i])
        i++;
    return i;
}

void tensors_shape(trial *t)
{
    for (int n = 0; n < TRIAL_TENSORS; n++) {
        trial_tensor *x = &t->tensors[n];
        shape_tensor(t, n, x);
        if (n == TRIAL_LSE && t->c.no_lse)
            x->view = (fovea_tensor){0};
        x->image = calloc(1, x->size);
        x->after = calloc(1, x->size);
        ck_assert(x->image && x->after);
        if (n >= TRIAL_O)
            tensors_guard(x->image, x->size);
        else
            tensors_poison(x->image, x->size, x->view.dtype);
    }
}

uint64_t tensors_place(const trial_tensor *x, const uint32_t index[4])
{
    uint64_t element = 0;
    for (uint32_t i = 0; i < 4; i++)
        element += index[i] * x->strides[i];
    return x->offset + element * (x->view.dtype == FOVEA_F32 ? 4 : 2);
}

static double unit_random(uint64_t hash)
{
    return (double)(hash >> 11) * 0x1p-52 - 1.0;
}

/* The column of a value that is not 0. Keys of a whole tile apart, of two heads or of two batches, differ in it. */
static uint32_t hot_column(uint32_t dim, const uint32_t i[4])
{
    return (i[2] + i[2] / dim + 3 * i[1] + 5 * i[0]) % dim;
}

static double value_of(const trial *t, int tensor, const uint32_t i[4])
{
    const test_case *c = &t->c;
    const uint64_t key = (((uint64_t)i[0] * 4099 + i[1]) * 1048583 + i[2]) * 1031 + i[3];
    const double u = unit_random(case_hash(t->seed + (uint64_t)tensor * 7919, key));
    const double scale = c->scale_literal || c->scale != 0.0f ? 1.0 : 1.0 / sqrt(c->dim_qk);
    if (tensor == TRIAL_V && c->values == VALUES_ONE_HOT)
        return i[3] == hot_column(c->dim_v, i) ? 1.0 : 0.0;
    if (tensor == TRIAL_V)
        return u;
    switch (c->values) {
    case VALUES_UNIT:
    case VALUES_ONE_HOT: break;
    case VALUES_HIGH_LOGITS: return tensor == TRIAL_Q ? 2e4 * u : u;
    case VALUES_LOW_LOGITS: {
        const double size = sqrt(1e4 / (scale * c->dim_qk));
        return tensor == TRIAL_Q ? size * (1.0 + u / 500.0) : -size;
    }
    case VALUES_RISING: return tensor == TRIAL_Q ? 1.0 + u / 8.0 : 3.0 * i[2] / (scale * c->dim_qk);
    }
    return u;
}

/* Heads rotate by whole units, so that query heads stay with their key and value heads. */
static uint32_t rotated_head(const trial *t, uint32_t heads, uint32_t head)
{
    const uint32_t units = t->c.heads_k;
    return (head + t->rotate * (heads / units)) % heads;
}

static ref_range visible_to(const trial *t, uint32_t i)
{
    return ref_visible(t->c.mask, t->c.window, t->run_q, t->run_k, i);
}

void tensors_fill(trial *t)
{
    ref_range seen = {UINT32_MAX, 0}; /* by any query */
    for (uint32_t i = 0; i < t->run_q; i++) {
        const ref_range own = visible_to(t, i);
        if (own.begin < own.end && own.begin < seen.begin)
            seen.begin = own.begin;
        if (own.end > seen.end)
            seen.end = own.end;
    }
    for (int n = TRIAL_Q; n <= TRIAL_V; n++) {
        trial_tensor *x = &t->tensors[n];
        uint32_t e[4], i[4];
        tensors_run_extents(t, n, e);
        for (i[0] = 0; i[0] < e[0]; i[0]++)
            for (i[1] = 0; i[1] < e[1]; i[1]++)
                for (i[2] = 0; i[2] < e[2]; i[2]++) {
                    if (n == TRIAL_Q ? visible_to(t, i[2]).end == 0 : i[2] < seen.begin || i[2] >= seen.end)
                        continue;
                    for (i[3] = 0; i[3] < e[3]; i[3]++) {
                        const uint32_t from[4] = {i[0], rotated_head(t, e[1], i[1]), i[2], i[3]};
                        ref_encode(x->image + tensors_place(x, i), x->view.dtype, value_of(t, n, from));
                    }
                }
    }
}
