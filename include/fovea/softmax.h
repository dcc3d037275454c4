/* Tier 3: softmax attention, o = softmax(scale * q k^T + mask) v, exact, in one pass, with float32 scores,
 * maxima, sums and outputs (Milakov and Gimelshein 2018; Dao 2023).
 *
 * Named dims: q [batch, heads_q, seq_q, dim_qk], k [batch, heads_k, seq_k, dim_qk], v [batch, heads_v, seq_k, dim_v],
 * o [batch, heads_q, seq_q, dim_v], lse [batch, heads_q, seq_q].
 */
#ifndef FOVEA_SOFTMAX_H
#define FOVEA_SOFTMAX_H

#include <fovea/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a matrix unit multiplies, where the planner uses one that can: `operand` and `operand_parts` of a report's kernels
 * say what came of it. Other tiers multiply in float32 whatever is said here. */
typedef enum fovea_operands {
    FOVEA_OPERANDS_STORED = 0, /* what is stored, where q, k and v are all f16 or all bf16; else the unit is not used */
    FOVEA_OPERANDS_F16,   /* q, k and v of any storage, each number rounded to f16. The caller's promise: those of q
                                  and k, and the visible ones of v, are at most 65504 in size or NaN. Below 6.1e-5 they
                                  may count as 0. */
    FOVEA_OPERANDS_F16_X3 /* under the same promise, numbers and weights as sums of two f16, multiplied in three
                                  products: relative errors of 2^-21 for each number, and of 2^-10 below 6.1e-5 */
} fovea_operands;

typedef struct fovea_softmax_params {
    /* Views; extents as above, dims 1 to 1024, heads_k and heads_v divide heads_q: query head h uses head
     * h / (heads_q / heads_k) of k, and likewise of v. Batch of k and v equals that of q. */
    fovea_tensor q, k, v, o;
    fovea_tensor lse; /* optional, f32: natural log of the sum of exp(score); -inf for a row without keys */
    /* Optional, f32 [heads_q]: a logit of each head that adds exp(sink) to the sum of its rows, and no value: o of a row
     * without keys is 0, its lse the sink. -inf adds nothing. */
    fovea_tensor sinks;

    float scale;              /* factor of q.k; 0 means 1 / sqrt(dim_qk) unless scale_literal */
    uint32_t scale_literal;   /* nonzero: scale as written, 0 included */
    float soft_cap;           /* c from 1e-30 to 1e30: a score s becomes c tanh(s / c); 0: it stays */
    uint32_t causal;          /* nonzero: query i sees key j where j <= i + (seq_k - seq_q), of the run's sizes */
    uint32_t causal_top_left; /* nonzero, with causal or window: query i is at position i, not at i + (seq_k - seq_q) */
    uint32_t window;       /* nonzero: a query at position p sees the keys p - window_left to p + window_right alone */
    uint32_t window_left;  /* keys before the query's own; or FOVEA_UNBOUNDED */
    uint32_t window_right; /* keys after it; or FOVEA_UNBOUNDED */

    uint32_t cost_budget_us; /* most device time of one dispatch, estimated; 0: 50,000; or FOVEA_UNBOUNDED.
                                Results do not depend on it, bit for bit. */
    fovea_tier min_tier;     /* create is UNSUPPORTED below it */
    uint32_t split_count;    /* parallel splits over keys; 0: the planner's rule; results depend on it */
    uint32_t seq_q_max;      /* most queries of a run; 0: q's extent */
    uint32_t seq_k_max;      /* most keys of a run; 0: k's extent */
    uint32_t tile;           /* 0: the planner's choice; n: candidate n - 1 of report.tile_candidates, for all runs */
    fovea_operands operands; /* of a matrix unit */
    uint32_t reserved[11];
} fovea_softmax_params;

/* Plans and builds softmax attention for these shapes.
 *
 * params: borrowed until the return.
 * out_op: the handle; the caller's, until fovea_op_destroy, before the device's end.
 * Blocks: compiles, and runs each kernel's known-answer test once per device.
 * Slots of a run: FOVEA_Q, FOVEA_K, FOVEA_V, FOVEA_O, FOVEA_LSE if lse is described, FOVEA_SINKS if sinks are.
 * Errors: INVALID, UNSUPPORTED (with the limit or capability that is missing), both out-of-memory,
 * COMPILE_FAILED, DEVICE_LOST, TIMEOUT. */
FOVEA_API fovea_status fovea_softmax_create(fovea_device *device, const fovea_softmax_params *params,
                                            fovea_op **out_op);

#ifdef __cplusplus
}
#endif

#endif
