/* Tier 3: merge, partial attention outputs over disjoint key sets become one, by their LSE or by given coefficients, with
 * float32 weights and sums (Dao et al., "Flash-Decoding", 2023; Ye et al., "Cascade inference", 2024).
 *
 * Named dims: parts of a source [parts, batch, heads, seq_q, dim_v], their LSE [parts, batch, heads, seq_q],
 * o [batch, heads, seq_q, dim_v], lse [batch, heads, seq_q].
 *
 * By LSE, over all parts r in ascending order:
 *   a_r = lse_r + offset_r    m = max a_r    w_r = exp(a_r - m)    o = sum w_r o_r / sum w_r    lse = m + log sum w_r
 *   - A part with a_r = -inf, which it is where lse_r or offset_r is -inf, has weight 0, and its o is not read into
 *     arithmetic: it may be NaN, or never written. So is a weight that float32 rounds to 0. All -inf: o = 0, lse = -inf.
 *   - a_r of NaN or +inf (a sum that float32 cannot hold included) makes its own row NaN, o and lse, and no other row.
 *   - Differences are taken before the exponential: offsets of any size do not overflow.
 * By coefficients: o = sum c_r o_r, c_r of any sign. A part whose c_r is 0 is not read into arithmetic.
 */
#ifndef FOVEA_MERGE_H
#define FOVEA_MERGE_H

#include <fovea/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Most sources of a merge: parts that lie in buffers, or at strides, of their own. */
#define FOVEA_MERGE_SOURCES 8

/* Parts in one tensor: as many as its leading dim says, or one part without that dim, which is the view that another
 * operator's descriptor has for its own o and lse. Parts count on from source to source. */
typedef struct fovea_merge_source {
    fovea_tensor o; /* [parts, batch, heads, seq_q, dim_v] or [batch, heads, seq_q, dim_v]; dim_v 1 to 1024 */
    fovea_tensor
        lse; /* f32, natural log, [parts, batch, heads, seq_q] or [batch, heads, seq_q]; none with coefficients */
} fovea_merge_source;

typedef struct fovea_merge_params {
    fovea_merge_source sources[FOVEA_MERGE_SOURCES]; /* up to the first whose o has rank 0; those behind are all zero */
    fovea_tensor offsets;      /* optional, f32, added to the LSE of all parts: [parts], [parts, heads] or
                                  [parts, batch, heads, seq_q], where parts are those of all sources */
    fovea_tensor coefficients; /* instead of LSE and offsets; f32, the same three forms */
    fovea_tensor o;            /* extents as above, any dtype */
    fovea_tensor lse;          /* optional, f32: natural log; not with coefficients */
    uint32_t cost_budget_us;   /* most device time of one dispatch, estimated; 0: 50,000; or FOVEA_UNBOUNDED.
                                  Results do not depend on it, bit for bit. */
    fovea_tier min_tier;       /* create is UNSUPPORTED below it */
    uint32_t seq_q_max;        /* most queries of a run; 0: o's extent */
    uint32_t reserved[17];
} fovea_merge_params;

/* Plans and builds a merge of these shapes.
 *
 * params: borrowed until the return.
 * out_op: the handle; the caller's, until fovea_op_destroy, before the device's end.
 * Blocks: compiles, and runs each kernel's known-answer test once per device.
 * Slots of a run: FOVEA_O_PARTS + s and, by LSE, FOVEA_LSE_PARTS + s of source s; FOVEA_OFFSETS or FOVEA_COEFFICIENTS if
 * described; FOVEA_O, and FOVEA_LSE if lse is described. A run has seq_q queries; its seq_k is not looked at. Results do not
 * depend on how parts are spread over sources. A merge in place is refused: no output may overlap an input.
 * Errors: INVALID, UNSUPPORTED (with the limit or capability that is missing), both out-of-memory,
 * COMPILE_FAILED, DEVICE_LOST, TIMEOUT. */
FOVEA_API fovea_status fovea_merge_create(fovea_device *device, const fovea_merge_params *params, fovea_op **out_op);

#ifdef __cplusplus
}
#endif

#endif
