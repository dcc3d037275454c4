#include "merge_trial.h"

#include "ref_merge.h"
#include "trial_tensors.h"

#include <stdio.h>
#include <stdlib.h>

static const char *trial_name(const merge_trial *t, char text[256])
{
    const merge_case *c = &t->c;
    int length = snprintf(text, 256, "%s: seed %llu parts", c->name, (unsigned long long)t->seed);
    for (uint32_t s = 0; s < t->sources; s++)
        length += snprintf(text + length, 256 - (size_t)length, " %u", c->parts[s]);
    snprintf(text + length, 256 - (size_t)length,
             " batch %u heads %u seq %u(%u) dim %u %s/%s/%s %s form %d/%d values %d layout %d shift %u budget %u",
             c->batch, c->heads, c->seq_q, t->run_q, c->dim_v, fovea_dtype_name(c->dtypes[0]),
             fovea_dtype_name(c->dtypes[1]), fovea_dtype_name(c->o_dtype), c->coefficients ? "coefficients" : "lse",
             (int)c->form, (int)c->factors, (int)c->values, (int)c->layout, c->shift, c->budget);
    return text;
}

/* ---- life --------------------------------------------------------------------------------------------------- */

void merge_begin(merge_trial *t, fovea_device *device, const merge_case *c)
{
    *t = (merge_trial){.device = device, .c = *c, .seed = case_hash(test.seed, 3)};
    while (t->sources < FOVEA_MERGE_SOURCES && c->parts[t->sources]) {
        t->first[t->sources] = t->parts;
        t->parts += c->parts[t->sources++];
    }
    t->run_q = c->no_queries ? 0 : c->run_q ? c->run_q : c->seq_q;
    merge_tensors_make(t);
    for (int n = 0; n < MERGE_TENSORS; n++) {
        merge_tensor *x = &t->tensors[n];
        test_status(device, FOVEA_OK, fovea_buffer_create(device, x->size, &x->buffer));
        test_status(device, FOVEA_OK, fovea_buffer_upload(x->buffer, 0, x->image, x->size));
    }
}

void merge_end(merge_trial *t)
{
    for (int n = 0; n < MERGE_TENSORS; n++) {
        fovea_buffer_destroy(t->tensors[n].buffer);
        free(t->tensors[n].image);
        free(t->tensors[n].after);
    }
    *t = (merge_trial){0};
}

/* ---- running ------------------------------------------------------------------------------------------------ */

fovea_merge_params merge_params(const merge_trial *t)
{
    fovea_merge_params params = {
        .o = t->tensors[MERGE_O].view, .lse = t->tensors[MERGE_LSE].view, .cost_budget_us = t->c.budget};
    for (uint32_t s = 0; s < t->sources; s++)
        params.sources[s] =
            (fovea_merge_source){t->tensors[MERGE_PART_O + s].view, t->tensors[MERGE_PART_LSE + s].view};
    if (t->c.coefficients)
        params.coefficients = t->tensors[MERGE_FACTOR].view;
    else
        params.offsets = t->tensors[MERGE_FACTOR].view;
    return params;
}

static int slot_of(const merge_trial *t, int tensor)
{
    if (tensor < MERGE_PART_LSE)
        return FOVEA_O_PARTS + tensor;
    if (tensor < MERGE_FACTOR)
        return FOVEA_LSE_PARTS + tensor - MERGE_PART_LSE;
    if (tensor == MERGE_FACTOR)
        return t->c.coefficients ? FOVEA_COEFFICIENTS : FOVEA_OFFSETS;
    return tensor == MERGE_O ? FOVEA_O : FOVEA_LSE;
}

fovea_op_args merge_args(const merge_trial *t)
{
    fovea_op_args args = {.seq_q = t->run_q == t->c.seq_q ? FOVEA_MAXIMUM : t->run_q};
    for (int n = 0; n < MERGE_TENSORS; n++)
        if (t->tensors[n].view.rank)
            args.tensors[slot_of(t, n)] = (fovea_binding){t->tensors[n].buffer, t->tensors[n].offset};
    return args;
}

void merge_fetch(merge_trial *t)
{
    for (int n = 0; n < MERGE_TENSORS; n++) {
        merge_tensor *x = &t->tensors[n];
        test_status(t->device, FOVEA_OK, fovea_buffer_download(x->buffer, 0, x->after, x->size));
    }
}

/* What the workspace's buffer held before and after a run: only the workspace itself may differ. */
static void check_workspace(const merge_trial *t, fovea_buffer *buffer, unsigned char *before, uint64_t offset,
                            uint64_t size)
{
    char text[256];
    const uint64_t total = offset + size + TRIAL_GUARD;
    unsigned char *after = malloc(total);
    ck_assert(after != NULL);
    test_status(t->device, FOVEA_OK, fovea_buffer_download(buffer, 0, after, total));
    memcpy(before + offset, after + offset, size);
    const uint64_t i = tensors_difference(before, after, total);
    ck_assert_msg(i == total, "%s: byte %lld of a workspace of %llu written", trial_name(t, text),
                  (long long)i - (long long)offset, (unsigned long long)size);
    free(after);
}

void merge_run_op(merge_trial *t, fovea_op *op, uint64_t workspace)
{
    fovea_op_args args = merge_args(t);
    const uint64_t offset = 256, total = offset + workspace + TRIAL_GUARD;
    unsigned char *before = NULL;
    for (int n = MERGE_O; n < MERGE_TENSORS; n++)
        test_status(t->device, FOVEA_OK,
                    fovea_buffer_upload(t->tensors[n].buffer, 0, t->tensors[n].image, t->tensors[n].size));
    if (workspace > 0) {
        before = malloc(total);
        ck_assert(before != NULL);
        tensors_guard(before, total);
        test_status(t->device, FOVEA_OK, fovea_buffer_create(t->device, total, &args.workspace.buffer));
        test_status(t->device, FOVEA_OK, fovea_buffer_upload(args.workspace.buffer, 0, before, total));
        args.workspace.offset = offset;
        args.workspace_size = workspace;
    }
    test_status(t->device, FOVEA_OK, fovea_op_run(op, &args));
    test_status(t->device, FOVEA_OK, fovea_device_wait(t->device));
    merge_fetch(t);
    if (workspace > 0)
        check_workspace(t, args.workspace.buffer, before, offset, workspace);
    fovea_buffer_destroy(args.workspace.buffer);
    free(before);
}

void merge_run(merge_trial *t)
{
    const fovea_merge_params params = merge_params(t);
    fovea_op *op = NULL;
    char text[256], reason[1024];
    const fovea_status status = fovea_merge_create(t->device, &params, &op);
    if (status != FOVEA_OK) {
        fovea_last_error(t->device, reason, sizeof reason);
        ck_abort_msg("%s: create gave %s: %s", trial_name(t, text), fovea_status_name(status), reason);
    }
    merge_run_op(t, op, 0);
    test_status(t->device, FOVEA_OK, fovea_op_get_report(op, &t->report));
    if (t->device == test.opened)
        test_keep_op(op);
    else
        fovea_op_destroy(op);
}

/* ---- comparing ---------------------------------------------------------------------------------------------- */

static double *doubles(size_t count)
{
    double *array = calloc(count + 1, sizeof *array);
    ck_assert(array != NULL);
    return array;
}

/* Inputs of the reference, as the images hold them. */
typedef struct answer {
    double *o, *lse, *factors;
    ref_merge_problem problem;
} answer;

static void gather_row(const merge_trial *t, const uint32_t index[5], uint32_t row, const answer *a)
{
    const uint32_t s = merge_source_of(t, index[0]), rows = a->problem.rows;
    const merge_tensor *o = &t->tensors[MERGE_PART_O + s], *lse = &t->tensors[MERGE_PART_LSE + s];
    const merge_tensor *factors = &t->tensors[MERGE_FACTOR];
    const size_t place = (size_t)index[0] * rows + row;
    uint32_t i[5] = {index[0] - t->first[s], index[1], index[2], index[3], 0};
    if (lse->view.rank)
        a->lse[place] = ref_decode(lse->image + merge_place(lse, i), FOVEA_F32);
    if (factors->view.rank)
        a->factors[place] = ref_decode(factors->image + merge_place(factors, index), FOVEA_F32);
    for (i[4] = 0; i[4] < t->c.dim_v; i[4]++)
        a->o[place * t->c.dim_v + i[4]] = ref_decode(o->image + merge_place(o, i), o->view.dtype);
}

static void next_row(const merge_trial *t, uint32_t index[5])
{
    if (++index[3] < t->run_q)
        return;
    index[3] = 0;
    if (++index[2] < t->c.heads)
        return;
    index[2] = 0;
    index[1]++;
}

static answer gather(const merge_trial *t)
{
    const uint32_t rows = t->c.batch * t->c.heads * t->run_q;
    answer a = {.o = doubles((size_t)t->parts * rows * t->c.dim_v),
                .lse = doubles((size_t)t->parts * rows),
                .factors = doubles((size_t)t->parts * rows)};
    a.problem = (ref_merge_problem){.parts = t->parts,
                                    .rows = rows,
                                    .dim_v = t->c.dim_v,
                                    .o = a.o,
                                    .lse = t->c.coefficients ? NULL : a.lse,
                                    .factors = t->tensors[MERGE_FACTOR].view.rank ? a.factors : NULL,
                                    .o_dtype = t->c.o_dtype,
                                    .gpu = !test_is_cpu()};
    for (uint32_t part = 0; part < t->parts; part++) {
        uint32_t index[5] = {part};
        for (uint32_t row = 0; row < rows; row++, next_row(t, index))
            gather_row(t, index, row, &a);
    }
    return a;
}

/* Compares one element, and copies it into `copy`, so that what still differs there was written beside the run. */
static void check_element(const merge_trial *t, int tensor, const uint32_t i[5], const double wanted[2],
                          unsigned char *copy)
{
    const merge_tensor *x = &t->tensors[tensor];
    const uint64_t place = merge_place(x, i);
    const double got = ref_decode(x->after + place, x->view.dtype);
    const double ratio = ref_miss(got, wanted[0], wanted[1]);
    char text[256];
    if (!(ratio <= 1.0))
        ck_abort_msg("%s: %s[%u, %u, %u, %u] is %.9g, not %.9g, bound %.3g (%.3g times)", trial_name(t, text),
                     tensor == MERGE_O ? "o" : "lse", i[1], i[2], i[3], i[4], got, wanted[0], wanted[1], ratio);
    memcpy(copy + place, x->after + place, x->view.dtype == FOVEA_F32 ? 4 : 2);
}

static void check_rows(const merge_trial *t, unsigned char *o_copy, unsigned char *lse_copy)
{
    answer a = gather(t);
    ref_merge_row row = {doubles(t->c.dim_v), doubles(t->c.dim_v), 0.0, 0.0};
    uint32_t i[5] = {0};
    for (uint32_t n = 0; n < a.problem.rows; n++, next_row(t, i)) {
        ref_merge(&a.problem, n, &row);
        for (i[4] = 0; i[4] < t->c.dim_v; i[4]++)
            check_element(t, MERGE_O, i, (double[]){row.o[i[4]], row.o_bound[i[4]]}, o_copy);
        i[4] = 0;
        if (t->tensors[MERGE_LSE].view.rank)
            check_element(t, MERGE_LSE, i, (double[]){row.lse, row.lse_bound}, lse_copy);
    }
    free(row.o);
    free(row.o_bound);
    free(a.o);
    free(a.lse);
    free(a.factors);
}

void merge_check(const merge_trial *t)
{
    unsigned char *copies[MERGE_TENSORS];
    char text[256];
    for (int n = 0; n < MERGE_TENSORS; n++) {
        copies[n] = malloc(t->tensors[n].size);
        ck_assert(copies[n] != NULL);
        memcpy(copies[n], t->tensors[n].image, t->tensors[n].size);
    }
    check_rows(t, copies[MERGE_O], copies[MERGE_LSE]);
    for (int n = 0; n < MERGE_TENSORS; n++) {
        const merge_tensor *x = &t->tensors[n];
        const uint64_t i = tensors_difference(copies[n], x->after, x->size);
        ck_assert_msg(i == x->size, "%s: byte %llu of tensor %d's buffer (from %llu, of %llu) changed",
                      trial_name(t, text), (unsigned long long)i, n, (unsigned long long)x->offset,
                      (unsigned long long)x->size);
        free(copies[n]);
    }
}

void merge_case_run(const merge_case *c)
{
    merge_trial t;
    merge_begin(&t, test.opened, c);
    merge_run(&t);
    merge_check(&t);
    merge_end(&t);
}

void merge_same(const merge_trial *a, const merge_trial *b, const char *what)
{
    char text[256];
    for (int n = MERGE_O; n < MERGE_TENSORS; n++) {
        const merge_tensor *x = &a->tensors[n], *y = &b->tensors[n];
        const uint32_t columns = n == MERGE_O ? a->c.dim_v : 1, rows = a->c.batch * a->c.heads * a->run_q;
        const size_t size = x->view.dtype == FOVEA_F32 ? 4 : 2;
        uint32_t i[5] = {0};
        for (uint32_t row = 0; row < rows && x->view.rank; row++, next_row(a, i))
            for (i[4] = 0; i[4] < columns; i[4]++)
                if (memcmp(x->after + merge_place(x, i), y->after + merge_place(y, i), size) != 0)
                    ck_abort_msg("%s: %s: %s[%u, %u, %u, %u] differs", trial_name(a, text), what,
                                 n == MERGE_O ? "o" : "lse", i[1], i[2], i[3], i[4]);
    }
}
