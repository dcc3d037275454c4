/* The reference of merges: double precision, and the largest error that float32 arithmetic may make per element. Written from
 * the definitions alone; shares no code with the library. */
#ifndef TESTS_REF_MERGE_H
#define TESTS_REF_MERGE_H

#include "ref.h"

/* Dense arrays; rows are (batch, head, query) triples. */
typedef struct ref_merge_problem {
    uint32_t parts, rows, dim_v;
    const double *o;       /* [parts, rows, dim_v] */
    const double *lse;     /* [parts, rows]; NULL: by coefficients */
    const double *factors; /* [parts, rows]: offsets, or coefficients; NULL: no offsets */
    fovea_dtype o_dtype;
    bool gpu; /* o of f16 may be rounded either way */
} ref_merge_problem;

/* Merges one row: o and its bound [dim_v]; lse and its bound, which coefficients leave alone.
 *
 * With u = 2^-24, R parts, a_r = lse_r + offset_r, d_r = a_r - m and p_r the weights that sum to 1:
 *   E    = u max |a_r|, the sum that makes a_r; 0 without offsets
 *   e_r  = (3 + 4.5 |d_r|) 2^-23: Vulkan grants exp2(x) (3 + 2 |x|) 2^-23, x = d log2(e); d, log2(e) and their product
 *          are rounded, u |d| each
 *   |o - ref| <= sum p_r |o_r| (exp(2 E) - 1 + e_r + sum p_s e_s + (2 R + 8) u) + R (max |o_r| + 1) 2^-126 + store
 *          the second e: it enters through the sum too; 2 R u: adding weights and products; 8 u: a reciprocal of 2.5 ulp,
 *          products; what underflows
 *   |lse - ref| <= E + sum p_r e_r + (R + 1) u + 2^-21 + 2^-21 |log sum| + 2^-23 |ref|
 *          2^-21: what Vulkan grants log2 near 1, and more than its 3 ulp elsewhere
 * By coefficients: |o - ref| <= (R + 2) u sum |c_r o_r| + R (max |o_r| + 1) 2^-126 + store. */
typedef struct ref_merge_row {
    double *o, *o_bound;
    double lse, lse_bound;
} ref_merge_row;
void ref_merge(const ref_merge_problem *problem, uint32_t row, ref_merge_row *out_row);

#endif
