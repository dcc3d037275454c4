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

#define REF_UNBOUNDED UINT32_MAX

/* A query sees the keys position - left to position + right. */
typedef struct ref_window {
    bool given;
    uint32_t left, right; /* or REF_UNBOUNDED */
    bool top_left;        /* without causal: query i is at position i */
} ref_window;

/* The keys begin to end - 1; begin <= end. */
typedef struct ref_range {
    uint32_t begin, end;
} ref_range;

typedef struct ref_problem {
    uint32_t batch, heads_q, heads_k, heads_v, seq_q, seq_k, dim_qk, dim_v;
    ref_view q, k, v;
    double scale;       /* as applied */
    double cap;         /* of scores: c tanh(s / c); 0: none */
    const float *sinks; /* of each query head; NULL: none */
    ref_mask mask;
    ref_window window;
    fovea_dtype o_dtype;
    fovea_dtype operand; /* what a matrix unit multiplies; F32: none is used */
    uint32_t parts;      /* of an operand: 1, or 2 of f16 */
    bool gpu;            /* o of f16 may be rounded either way */
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

/* The keys that query i sees. */
ref_range ref_visible(ref_mask mask, ref_window window, uint32_t seq_q, uint32_t seq_k, uint32_t i);

/* The error of rounding a result to its storage; a GPU may round f16 either way. */
double ref_store_bound(fovea_dtype dtype, bool gpu, double value);

/* How far a value is out, in bounds; infinite where one of the two is not finite and the other is, or differs. */
double ref_miss(double got, double wanted, double bound);

/* One stored element as a number, and back by round to nearest even. */
double ref_decode(const unsigned char *data, fovea_dtype dtype);
void ref_encode(unsigned char *data, fovea_dtype dtype, double value);

#endif
