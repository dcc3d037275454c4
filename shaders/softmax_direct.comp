/* Softmax attention, from q, k and v to o and lse at once:
 *
 *   S = scale Q K^T      P = exp2(S - m)      l = row sums of P      O = P V / l        m: what was subtracted
 *
 * in one pass over tiles of keys with a running maximum (Milakov and Gimelshein, "Online normalizer calculation for
 * softmax", 2018; Dao, "FlashAttention-2", 2023). m follows the row maximum only where that rose by more than 8 in
 * log2 units, so that O is seldom rescaled; any m is exact, for l and O carry the same factor.
 *
 *                        KEYS = LANE_COLS * TN                      COLS = LANE_COLS * TV
 *                        key tile n   key tile n + 1                column block b
 *                      +------------+------------+               +--------------------+
 *   ROWS =             | S, P       |            |               | O                  |
 *   LANE_ROWS * TM     |            |    ->      |               |                    |
 *                      +------------+------------+               +--------------------+
 *
 * A workgroup owns one row tile of a unit (queries times the heads that share a key head) and one column block, and
 * walks the tile list from its first tile to its last. A lane (row_lane, col_lane) owns, in registers,
 *   TM rows: groups of ROW_PACK adjacent rows, LANE_ROWS groups apart (ROW_OF)
 *   TN keys of S and P, LANE_COLS apart, so that the lanes' n-th keys are adjacent
 *   TV columns of O as float4s, LANE_COLS float4s apart
 * Q and K pass through shared memory in chunks of CHUNK head dims, P and V in steps of V_KEYS keys. 8x8x8 does 4
 * multiply-adds per word read from there, 4x4x4 does 2.
 *
 * Shared memory: SOFTMAX_SHARED_FLOAT4 in abi/softmax.h. Barriers: include/softmax_core.inc numbers them. */
#include "abi/softmax.h"
#define PARAMS(P) SOFTMAX_DIRECT_PARAMS(P)
#define BUFFERS(IN, OUT, IO) SOFTMAX_DIRECT_BUFFERS(IN, OUT, IO)
#define SHARED(S) SOFTMAX_SHARED(S)
#define KERNEL_INVOCATIONS (LANE_ROWS * LANE_COLS)
#define SPLITS 1u

KERNEL_CONSTANTS(SOFTMAX_CONSTANTS)
#include "include/softmax_sizes.inc"
KERNEL_DECL(softmax_direct, BUFFERS, PARAMS, SHARED)
#include "include/elements.inc"
#include "include/softmax_tile.inc"
#include "include/softmax_steps.inc"
#include "include/softmax_output.inc"

KERNEL_BODY(softmax_direct, BUFFERS, PARAMS, SHARED)
{
    LOCALS(BUFFERS, SHARED)
#include "include/softmax_item.inc"
    PRIVATE(float4, acc, MICRO_M * COL_GROUPS, 16);
    PRIVATE(float, row_max, MICRO_M, 8);
    PRIVATE(float, row_sum, MICRO_M, 8);
    const uint first_tile = list_begin(CTX_IN row0) + PARAM(tile_begin);
    const uint end_tile = MINU(list_begin(CTX_IN row0) + PARAM(tile_end), list_end(CTX_IN row0));
    UNROLL for (uint m = 0u; m < MICRO_M; m++) {
        row_max[m] = NEG_MAX;
        row_sum[m] = 0.0f;
        UNROLL for (uint t = 0u; t < COL_GROUPS; t++)
            acc[m * COL_GROUPS + t] = SPLAT4(0.0f);
    }
#include "include/softmax_core.inc"
    UNROLL for (uint m = 0u; m < MICRO_M; m++) {
        const uint r = row0 + ROW_OF(m);
        if (r < rows) {
            const uint row = PARAM(o_offset) + batch * PARAM(o_batch) +
                             row_element(CTX_IN r, head, PARAM(o_head), PARAM(o_row));
            const float sink = sink_of(CTX_IN row_head(CTX_IN r, head));
            const float factor = row_factor(row_max[m], row_sum[m], sink);
            UNROLL for (uint t = 0u; t < COL_GROUPS; t++)
                store_columns(CTX_IN row, col0 + (t * LANE_COLS + col_lane) * 4u,
                              MUL4(acc[m * COL_GROUPS + t], SPLAT4(factor)));
            if (LSE != 0u && block == 0u && col_lane == 0u)
                STORE1(lse, PARAM(lse_offset) + batch * PARAM(lse_batch) +
                       row_element(CTX_IN r, head, PARAM(lse_head), 1u),
                       AS_UINT(row_lse(row_max[m], row_sum[m], sink)));
        }
    }
}
