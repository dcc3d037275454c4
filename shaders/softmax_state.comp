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
    const uint state_acc = PARAM(state_offset) + slot * SOFTMAX_STATE_FLOATS(ROWS, COLS);
    const uint state_max = state_acc + ROWS * COLS;
    const uint state_sum = state_max + ROWS;
    const uint split_first = slot % PARAM(splits) * PARAM(split_tiles);
    const uint split_end = MINU(split_first + PARAM(split_tiles), split_first + PARAM(tile_end));
    const uint first_tile = split_first + PARAM(tile_begin);
    const uint end_tile = MINU(split_end, list_end(CTX_IN row0));
    UNROLL for (uint m = 0u; m < MICRO_M; m++) {
        row_max[m] = NEG_MAX;
        row_sum[m] = 0.0f;
        UNROLL for (uint t = 0u; t < COL_GROUPS; t++)
            acc[m * COL_GROUPS + t] = SPLAT4(0.0f);
    }
    if (PARAM(fresh) == 0u) {
        UNROLL for (uint m = 0u; m < MICRO_M; m++) {
            row_max[m] = state_read(CTX_IN state_max + ROW_OF(m));
            row_sum[m] = state_read(CTX_IN state_sum + ROW_OF(m));
            UNROLL for (uint t = 0u; t < COL_GROUPS; t++) {
                const uint i = state_acc + ROW_OF(m) * COLS + (t * LANE_COLS + col_lane) * 4u;
                acc[m * COL_GROUPS + t] = FLOAT4(state_read(CTX_IN i), state_read(CTX_IN i + 1u),
                                                 state_read(CTX_IN i + 2u), state_read(CTX_IN i + 3u));
            }
        }
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
