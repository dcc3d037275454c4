#include "systems.h"

#include <math.h>
#include <stdlib.h>

enum { ARRAYS = 48 };

static array arrays[ARRAYS];
static uint32_t array_count;

array *array_empty(size_t count)
{
    ck_assert(array_count < ARRAYS);
    array *a = &arrays[array_count++];
    *a = (array){malloc(count * sizeof(float)), count, NULL};
    ck_assert(a->data != NULL);
    for (size_t i = 0; i < count; i++)
        a->data[i] = NAN;
    test_ok(fovea_buffer_create(test.opened, count * sizeof(float), &a->buffer));
    return a;
}

array *array_random(uint64_t stream, size_t count, double size)
{
    array *a = array_empty(count);
    for (size_t i = 0; i < count; i++) {
        const uint64_t hash = case_hash(test.seed + 7919 * (stream + 1), i);
        a->data[i] = (float)(size * ((double)(hash >> 11) * 0x1p-52 - 1.0));
    }
    return a;
}

void arrays_release(void)
{
    while (array_count > 0) {
        array *a = &arrays[--array_count];
        free(a->data);
        fovea_buffer_destroy(a->buffer);
    }
}

array *project(const array *x, const array *w, uint32_t in, uint32_t out)
{
    const size_t rows = x->count / in;
    array *y = array_empty(rows * out);
    for (size_t i = 0; i < rows; i++)
        for (uint32_t c = 0; c < out; c++) {
            double sum = 0.0;
            for (uint32_t n = 0; n < in; n++)
                sum += (double)x->data[i * in + n] * w->data[(size_t)n * out + c];
            y->data[i * out + c] = (float)sum;
        }
    return y;
}

double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

/* ---- the device ---------------------------------------------------------------------------------------------- */

static fovea_tensor view_of(const side *s)
{
    fovea_tensor t = {.dtype = FOVEA_F32, .rank = 4};
    for (int i = 0; i < 4; i++) {
        t.extents[i] = s->extents[i];
        t.strides[i] = i < 3 ? s->strides[i] : 1;
    }
    return t;
}

fovea_op *attend_create(const attention *a)
{
    fovea_softmax_params p = a->params;
    fovea_op *op = NULL;
    p.q = view_of(&a->q);
    p.k = view_of(&a->k);
    p.v = view_of(&a->v);
    p.o = view_of(&a->o);
    /* A driver compiles small tiles in less time. */
    p.tile = test_compiles_kernels() && !test.planner ? 2 : 0;
    test_ok(fovea_softmax_create(test.opened, &p, &op));
    return op;
}

void attend_run(const attention *a, fovea_op *op)
{
    const side *sides[] = {&a->q, &a->k, &a->v, &a->o};
    static const fovea_slot slots[] = {FOVEA_Q, FOVEA_K, FOVEA_V, FOVEA_O};
    fovea_op_args args = {.seq_q = a->run_queries ? a->run_queries : FOVEA_MAXIMUM,
                          .seq_k = a->run_keys ? a->run_keys : FOVEA_MAXIMUM};
    for (int n = 0; n < 4; n++) {
        array *x = sides[n]->a;
        test_ok(fovea_buffer_upload(x->buffer, 0, x->data, x->count * sizeof(float)));
        args.tensors[slots[n]] = (fovea_binding){x->buffer, sides[n]->at * sizeof(float)};
    }
    test_ok(fovea_op_run(op, &args));
    test_ok(fovea_buffer_download(a->o.a->buffer, 0, a->o.a->data, a->o.a->count * sizeof(float)));
}

void attend(const attention *a)
{
    fovea_op *op = attend_create(a);
    attend_run(a, op);
    test_keep_op(op);
}

/* ---- one row ------------------------------------------------------------------------------------------------- */

void row_begin(row *r, uint32_t dim)
{
    r->dim = dim;
    r->more = 0;
    r->keys = 0;
}

void row_score(row *r, double score, double size)
{
    ck_assert(r->keys < SYSTEMS_KEYS);
    r->score[r->keys] = score;
    r->size[r->keys++] = size;
}

void row_key(row *r, const float *q, const float *k, double scale)
{
    double sum = 0.0, size = 0.0;
    for (uint32_t c = 0; c < r->dim; c++) {
        const double product = (double)q[c] * k[c];
        sum += product;
        size += fabs(product);
    }
    row_score(r, scale * sum, fabs(scale) * size);
}

void row_weigh(row *r)
{
    double maximum = -INFINITY, largest = 0.0, total = 0.0, exp_error = 0.0;
    for (uint32_t j = 0; j < r->keys; j++) {
        maximum = fmax(maximum, r->score[j]);
        largest = fmax(largest, r->size[j]);
    }
    for (uint32_t j = 0; j < r->keys; j++) {
        r->weight[j] = exp(r->score[j] - maximum);
        total += r->weight[j];
        exp_error += r->weight[j] * (3.0 + 2.0 * fabs(r->score[j] - maximum)) * 0x1p-23;
    }
    for (uint32_t j = 0; j < r->keys; j++)
        r->weight[j] /= total;
    const double error = (r->dim + 3.0 + r->more) * 0x1p-24 * largest;
    r->computed = expm1(2.0 * error) + r->keys * 0x1p-24 + exp_error / total;
}

double row_sum(const row *r)
{
    double sum = 0.0;
    for (uint32_t j = 0; j < r->keys; j++)
        sum += r->weight[j] * r->value[j];
    return sum;
}

double row_bound(const row *r)
{
    double size = 0.0, largest = 0.0;
    for (uint32_t j = 0; j < r->keys; j++) {
        size += r->weight[j] * fabs(r->value[j]);
        largest = fmax(largest, fabs(r->value[j]));
    }
    return r->computed * size + 0x1p-24 * fabs(row_sum(r)) + r->keys * 0x1p-126 * (largest + 1.0);
}

void expect(const uint32_t at[4], double got, double wanted, double bound)
{
    if (!(fabs(got - wanted) <= bound))
        ck_abort_msg("seed %llu: [%u, %u, %u, %u] is %.9g, not %.9g, bound %.3g", (unsigned long long)test.seed, at[0],
                     at[1], at[2], at[3], got, wanted, bound);
}

void row_values(row *r, const float *v, size_t step, uint32_t c)
{
    for (uint32_t j = 0; j < r->keys; j++)
        r->value[j] = v[j * step + c];
}

void row_compare(row *r, const uint32_t at[3], const float *o, const float *v, size_t step, uint32_t dim)
{
    for (uint32_t c = 0; c < dim; c++) {
        row_values(r, v, step, c);
        expect((const uint32_t[4]){at[0], at[1], at[2], c}, o[c], row_sum(r), row_bound(r));
    }
}

/* ---- the suite ----------------------------------------------------------------------------------------------- */

void add_systems(Suite *suite, const char *name, const TTest *const *tests, int count)
{
    TCase *c = tcase_create(name);
    tcase_add_checked_fixture(c, NULL, arrays_release);
    for (int n = 0; n < count; n++)
        if (test_takes_number(n))
            tcase_add_test(c, tests[n]);
    suite_add_tcase(suite, c);
}
