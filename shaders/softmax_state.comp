/* Softmax attention, part of the key tiles: reads the carried state (m, l, O before the division) and writes it:
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
 * walks the tile list from the slice's first tile to its last, ascending, so that any cut into slices gives the bits
 * of one pass. A lane (row_lane, col_lane) owns, in registers,
 *   TM rows: groups of ROW_PACK adjacent rows, LANE_ROWS groups apart (ROW_OF)
 *   TN keys of S and P, LANE_COLS apart, so that the lanes' n-th keys are adjacent
 *   TV columns of O as float4s, LANE_COLS float4s apart
 * Q and K pass through shared memory in chunks of CHUNK head dims, P and V in steps of V_KEYS keys. 8x8x8 does 4
 * multiply-adds per word read from there, 4x4x4 does 2.
 *
 * Shared memory: SOFTMAX_SHARED_FLOAT4 in abi/softmax.h. Barriers: include/softmax_core.inc numbers those of a key tile;
 * two more pass the carried m and l from the lane that owns them in the buffer to the row's lanes: the first before the
 * lanes read them in shared memory, the second before the core reuses that. */
#include "abi/softmax.h"
#define PARAMS(P) SOFTMAX_STATE_PARAMS(P)
#define BUFFERS(IN, OUT, IO) SOFTMAX_STATE_BUFFERS(IN, OUT, IO)
#define SHARED(S) SOFTMAX_SHARED(S)
#define KERNEL_INVOCATIONS (LANE_ROWS * LANE_COLS)
#define SPLITS PARAM(splits)

KERNEL_CONSTANTS(SOFTMAX_CONSTANTS)
#include "include/softmax_sizes.inc"
KERNEL_DECL(softmax_state, BUFFERS, PARAMS, SHARED)
#include "include/elements.inc"
#include "include/softmax_tile.inc"
#include "include/softmax_steps.inc"

FN float state_read(CTX_ uint i)
{
    return AS_FLOAT(LOAD1(state, i));
}

FN void state_write(CTX_ uint i, float x)
{
    STORE1(state, i, AS_UINT(x));
}

KERNEL_BODY(softmax_state, BUFFERS, PARAMS, SHARED)
{
    LOCALS(BUFFERS, SHARED)
#include "include/softmax_item.inc"
    PRIVATE(float4, acc, MICRO_M * COL_GROUPS, 16);
    PRIVATE(float, row_max, MICRO_M, 8);
    PRIVATE(float, row_sum, MICRO_M, 8);
    const uint state_acc = PARAM(state_offset) + slot * SOFTMAX_STATE_FLOATS(ROWS, COLS, 1u);
    const uint state_max = state_acc + ROWS * COLS;
    const uint state_sum = state_max + ROWS;
    const uint split_first = list_begin(CTX_IN row0) + slot % PARAM(splits) * PARAM(split_tiles);
    const uint split_end = MINU(split_first + PARAM(split_tiles), split_first + PARAM(tile_end));
    const uint first_tile = split_first + PARAM(tile_begin);
    const uint end_tile = MINU(split_end, list_end(CTX_IN row0));
    UNROLL for (uint m = 0u; m < MICRO_M; m++) {
        row_max[m] = NEG_MAX;
        row_sum[m] = 0.0f;
        UNROLL for (uint t = 0u; t < COL_GROUPS; t++)
            acc[m * COL_GROUPS + t] = SPLAT4(0.0f);
    }
    /* No barrier orders buffers, so the lane that will write a row's m and l is the one that reads them. */
    if (PARAM(fresh) == 0u) {
        if (col_lane == 0u) {
            UNROLL for (uint m = 0u; m < MICRO_M; m++)
                SH_STORE(stage, ROW_OF(m), FLOAT4(state_read(CTX_IN state_max + ROW_OF(m)),
                                                  state_read(CTX_IN state_sum + ROW_OF(m)), 0.0f, 0.0f));
        }
        BARRIER();
        UNROLL for (uint m = 0u; m < MICRO_M; m++) {
            const float4 carried = SH_LOAD(stage, ROW_OF(m));
            row_max[m] = carried.x;
            row_sum[m] = carried.y;
            UNROLL for (uint t = 0u; t < COL_GROUPS; t++) {
                const uint i = state_acc + ROW_OF(m) * COLS + (t * LANE_COLS + col_lane) * 4u;
                acc[m * COL_GROUPS + t] = FLOAT4(state_read(CTX_IN i), state_read(CTX_IN i + 1u),
                                                 state_read(CTX_IN i + 2u), state_read(CTX_IN i + 3u));
            }
        }
        BARRIER();
    }
#include "include/softmax_core.inc"
    UNROLL for (uint m = 0u; m < MICRO_M; m++) {
        UNROLL for (uint t = 0u; t < COL_GROUPS; t++) {
            const uint i = state_acc + ROW_OF(m) * COLS + (t * LANE_COLS + col_lane) * 4u;
            state_write(CTX_IN i, acc[m * COL_GROUPS + t].x);
            state_write(CTX_IN i + 1u, acc[m * COL_GROUPS + t].y);
            state_write(CTX_IN i + 2u, acc[m * COL_GROUPS + t].z);
            state_write(CTX_IN i + 3u, acc[m * COL_GROUPS + t].w);
        }
        if (col_lane == 0u) {
            state_write(CTX_IN state_max + ROW_OF(m), row_max[m]);
            state_write(CTX_IN state_sum + ROW_OF(m), row_sum[m]);
        }
    }
}
