/* Inputs of the benchmark, and the check of its outputs. */
#include "bench.h"

#include "ref.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS_CHECKED = 24 };

void bench_fill(unsigned char *bytes, uint64_t size, fovea_dtype dtype, uint64_t seed)
{
    enum { STEPS = 1 << 20 };
    const uint32_t element = fovea_dtype_size(dtype);
    uint64_t state = case_hash(seed, 0);
    for (uint64_t i = 0; i + element <= size; i += element) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const double value = (double)(state >> 44) * (2.0 / STEPS) - 1.0;
        ref_encode(bytes + i, dtype, value);
    }
}

static ref_view dense(const unsigned char *data, fovea_dtype dtype, uint32_t heads, uint64_t seq, uint64_t dim)
{
    return (ref_view){data, dtype, heads * seq * dim, seq * dim, dim};
}

static ref_problem problem_of(const test_case *c, unsigned char *const data[FOVEA_O + 1], bool gpu,
                              const fovea_kernel_report *kernel)
{
    return (ref_problem){.batch = c->batch,
                         .heads_q = c->heads_q,
                         .heads_k = c->heads_k,
                         .heads_v = c->heads_v,
                         .seq_q = c->seq_q,
                         .seq_k = c->seq_k,
                         .dim_qk = c->dim_qk,
                         .dim_v = c->dim_v,
                         .q = dense(data[FOVEA_Q], c->dtypes.q, c->heads_q, c->seq_q, c->dim_qk),
                         .k = dense(data[FOVEA_K], c->dtypes.k, c->heads_k, c->seq_k, c->dim_qk),
                         .v = dense(data[FOVEA_V], c->dtypes.v, c->heads_v, c->seq_k, c->dim_v),
                         .scale = 1.0 / sqrt(c->dim_qk),
                         .mask = c->mask,
                         .window = c->window,
                         .cap = c->soft_cap,
                         .o_dtype = c->dtypes.o,
                         .operand = kernel->operand,
                         .parts = kernel->operand_parts,
                         .gpu = gpu};
}

/* NaN is larger than all. */
static double larger(double a, double b)
{
    return isnan(a) || a >= b ? a : b;
}

static void compare_row(const ref_problem *p, const unsigned char *o, const ref_row *row, bench_result *result)
{
    const uint64_t first = (((uint64_t)row->batch * p->heads_q + row->head) * p->seq_q + row->query) * p->dim_v;
    for (uint32_t c = 0; c < p->dim_v; c++) {
        const double got = ref_decode(o + (first + c) * fovea_dtype_size(p->o_dtype), p->o_dtype);
        const double error = fabs(got - row->o[c]);
        const double share = error == 0.0 ? 0.0 : error / row->o_bound[c];
        result->max_error = larger(result->max_error, error);
        result->of_bound = larger(result->of_bound, share);
    }
}

bool bench_check(const test_case *c, unsigned char *const data[FOVEA_O + 1], bool gpu, bench_result *result)
{
    const ref_problem problem = problem_of(c, data, gpu, bench_kernel(result));
    const uint64_t rows = (uint64_t)c->batch * c->heads_q * c->seq_q;
    const uint64_t count = rows < ROWS_CHECKED ? rows : ROWS_CHECKED;
    double *o = calloc((size_t)c->dim_v * 2, sizeof *o);
    bool ok = o != NULL;
    for (uint64_t n = 0; ok && n < count; n++) {
        /* First and last rows, and some at places that no tile size divides. */
        const uint64_t place = n == 0 ? 0 : n == 1 ? rows - 1 : case_hash(n, rows) % rows;
        ref_row row = {.o = o, .o_bound = o + c->dim_v};
        row.query = (uint32_t)(place % c->seq_q);
        row.head = (uint32_t)(place / c->seq_q % c->heads_q);
        row.batch = (uint32_t)(place / c->seq_q / c->heads_q);
        ok = ref_softmax_row(&problem, &row);
        if (ok)
            compare_row(&problem, data[FOVEA_O], &row, result);
    }
    result->rows_checked = (uint32_t)count;
    free(o);
    return ok;
}
