/* Softmax attention on matrix units, from q, k and v to o and lse at once:
 *
 *   S = scale Q K^T      P = exp2(S - m)      l = row sums of P      O = P V / l        m: what was subtracted
 *
 * in one pass over tiles of keys with a running maximum (Milakov and Gimelshein, "Online normalizer calculation for
 * softmax", 2018; Dao, "FlashAttention-2", 2023). Operands are 16-bit; S, m, l and O are float32, and O stays in
 * accumulators. m follows the row maximum only where that rose by more than RISE, so that whole tiles pass without one
 * lane asking another for its maximum: the one vote a tile is whether any element rose.
 *
 *                        KEYS = LANE_COLS * TN                      COLS = LANE_COLS * TV
 *                        key tile n   key tile n + 1                column block b
 *                      +------------+------------+               +--------------------+
 *   ROWS =             | S, P       |            |               | O                  |
 *   LANE_ROWS * TM     |            |    ->      |               |                    |
 *                      +------------+------------+               +--------------------+
 *
 * A workgroup of LANE_ROWS x LANE_COLS subgroups owns one row tile of a unit and one column block. A subgroup owns TM
 * rows, of S the TN keys and of O the TV columns of its place, as MATRIX_M x MATRIX_N matrices. Where LANE_COLS is
 * above 1, the subgroups of a row share their parts of P, for which no scores are computed twice.
 *
 * Shared memory holds chunks of Q and K, steps of V and P, which no operand can be made of in registers.
 * SOFTMAX_MATRIX_SHARED_BYTES in abi/softmax.h. Barriers: include/softmax_matrix_core.inc numbers those of a key tile;
 * here, one before and one after the sums and maxima of rows meet, and one before O overwrites them. */
#include "abi/softmax.h"
#define PARAMS(P) SOFTMAX_DIRECT_PARAMS(P)
#define BUFFERS(IN, OUT, IO) SOFTMAX_DIRECT_BUFFERS(IN, OUT, IO)
#define SHARED(S) SOFTMAX_MATRIX_SHARED(S)
#define SPLITS 1u

KERNEL_CONSTANTS(SOFTMAX_CONSTANTS)
#include "include/softmax_matrix_sizes.inc"
KERNEL_DECL(softmax_direct, BUFFERS, PARAMS, SHARED)
#include "include/elements.inc"
#include "include/softmax_tile.inc"
#include "include/softmax_matrix_tile.inc"
#include "include/softmax_matrix_steps.inc"
#include "include/softmax_matrix_scratch.inc"
#include "include/softmax_output.inc"

/* A row's l, of its parts in ascending order. */
float shared_sum(uint row)
{
    float sum = 0.0;
    for (uint part = 0u; part < SUMS; part++) {
        const float x = AS_FLOAT(s_stage[K_PLACE + (row * SUMS + part) / 4u][part % 4u]);
        sum = part == 0u ? x : sum + x;
    }
    return sum;
}

KERNEL_BODY(softmax_direct, BUFFERS, PARAMS, SHARED)
{
#include "include/softmax_item.inc"
    const uint first_tile = list_begin(row0) + PARAM(tile_begin);
    const uint end_tile = MINU(list_begin(row0) + PARAM(tile_end), list_end(row0));
#include "include/softmax_matrix_begin.inc"
#include "include/softmax_matrix_core.inc"
#include "include/softmax_matrix_end.inc"
    for (uint r = lane; r < ROWS; r += LANES) {
        const float sum = shared_sum(r);
        const float maximum = AS_FLOAT(s_tops[r]);
        const float sink = sink_of(row_head(MINU(row0 + r, rows - 1u), head));
        s_tops[r] = AS_UINT(row_factor(maximum, sum, sink));
        if (LSE != 0u && block == 0u && row0 + r < rows)
            STORE1(lse, PARAM(lse_offset) + batch * PARAM(lse_batch) +
                   row_element(row0 + r, head, PARAM(lse_head), 1u), AS_UINT(row_lse(maximum, sum, sink)));
    }
    BARRIER();
    ROLLED for (uint b = 0u; b < ROW_BLOCKS * COL_BLOCKS; b++) {
        TAKE_ACC(b)
        for (uint e = SUBGROUP_LANE; e < MATRIX_M * MATRIX_N / 4u; e += SUBGROUP) {
            const uint r = sub_first + b / COL_BLOCKS * MATRIX_M + e / (MATRIX_N / 4u);
            const uint column = col0 + sub_col * TV + b % COL_BLOCKS * MATRIX_N + e % (MATRIX_N / 4u) * 4u;
            if (r < rows)
                store_columns(PARAM(o_offset) + batch * PARAM(o_batch) +
                                  row_element(r, head, PARAM(o_head), PARAM(o_row)), column,
                              uintBitsToFloat(s_stage[SCRATCH + e]) * AS_FLOAT(s_tops[r - row0]));
        }
        subgroupBarrier(); /* before the next matrix overwrites this one */
    }
}
