/* The reference: naive softmax attention in double precision, and the largest error that float32 arithmetic may
 * make per element. Written from the definitions alone; shares no code with the library. */
#ifndef TESTS_REF_H
#define TESTS_REF_H

#include <fovea/tensor.h>

#include <stdbool.h>
#include <stdint.h>

/* A [batch, heads, seq, dim] tensor in host memory; strides in elements. */
typedef struct ref_view {
    const unsigned char *data; /* the first element */
    fovea_dtype dtype;
    uint64_t batch, head, row;
} ref_view;

typedef enum ref_mask { REF_FULL = 0, REF_CAUSAL, REF_CAUSAL_TOP_LEFT } ref_mask;

typedef struct ref_problem {
    uint32_t batch, heads_q, heads_k, heads_v, seq_q, seq_k, dim_qk, dim_v;
    ref_view q, k, v;
    double scale; /* as applied */
    ref_mask mask;
    fovea_dtype o_dtype;
    fovea_dtype weight_dtype; /* what weights are rounded to before they meet values; F32: they are not */
    bool gpu;                 /* o of f16 may be rounded either way */
} ref_problem;

/* Dense arrays: o and o_bound [batch, heads_q, seq_q, dim_v], lse and lse_bound [batch, heads_q, seq_q]. */
typedef struct ref_result {
    double *o, *o_bound, *lse, *lse_bound;
} ref_result;

/* One row: o and its bound [dim_v], lse and its bound. False without memory. */
typedef struct ref_row {
    uint32_t batch, head, query;
    double *o, *o_bound;
    double lse, lse_bound;
} ref_row;
bool ref_softmax_row(const ref_problem *problem, ref_row *row);

/* Fills `out_result` with arrays that ref_release frees. False without memory. */
bool ref_softmax(const ref_problem *problem, ref_result *out_result);
void ref_release(ref_result *result);

/* The number of keys that query i sees: always the first ones. */
uint32_t ref_visible(ref_mask mask, uint32_t seq_q, uint32_t seq_k, uint32_t i);

/* The error of rounding a result to its storage; a GPU may round f16 either way. */
double ref_store_bound(fovea_dtype dtype, bool gpu, double value);

/* How far a value is out, in bounds; infinite where one of the two is not finite and the other is, or differs. */
double ref_miss(double got, double wanted, double bound);

/* One stored element as a number, and back by round to nearest even. */
double ref_decode(const unsigned char *data, fovea_dtype dtype);
void ref_encode(unsigned char *data, fovea_dtype dtype, double value);

#endif
