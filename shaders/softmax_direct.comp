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
    const uint first_tile = PARAM(tile_begin);
    const uint end_tile = MINU(PARAM(tile_end), list_end(CTX_IN row0));
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
            const float inverse = sum_inverse(row_sum[m]);
            UNROLL for (uint t = 0u; t < COL_GROUPS; t++)
                store_columns(CTX_IN row, col0 + (t * LANE_COLS + col_lane) * 4u,
                              MUL4(acc[m * COL_GROUPS + t], SPLAT4(inverse)));
            if (LSE != 0u && block == 0u && col_lane == 0u)
                STORE1(lse, PARAM(lse_offset) + batch * PARAM(lse_batch) +
                       row_element(CTX_IN r, head, PARAM(lse_head), 1u),
                       AS_UINT(sum_lse(row_max[m], row_sum[m])));
        }
    }
}
