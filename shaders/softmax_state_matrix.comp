/* Softmax attention on matrix units, part of the key tiles: reads the carried state (m, l in parts, O before the
 * division) and writes it:
 *
 *   S = scale Q K^T      P = exp2(S - m)      l = row sums of P      O = P V / l        m: what was subtracted
 *
 * The walk is that of softmax_direct_matrix.comp, which says what a workgroup and a subgroup own, from the slice's first
 * tile to its last; a row's sum stays in the parts that its lanes hold, so that any cut into slices gives the bits of
 * one pass.
 *
 *      tiles of split s                state of the row tile
 *   +------+------+-- --+------+      +------+---+------+
 *   |      |slice |     |      | <->  | acc  | m | l    |  ROWS x COLS, ROWS, ROWS x SUMS
 *   +------+------+-- --+------+      +------+---+------+
 *
 * Shared memory: SOFTMAX_MATRIX_SHARED_BYTES in abi/softmax.h. Barriers: include/softmax_matrix_core.inc numbers those of
 * a key tile; one more parts the reads of a state that several lanes share from the writes, of m and l. */
#include "abi/softmax.h"
#define PARAMS(P) SOFTMAX_STATE_PARAMS(P)
#define BUFFERS(IN, OUT, IO) SOFTMAX_STATE_BUFFERS(IN, OUT, IO)
#define SHARED(S) SOFTMAX_MATRIX_SHARED(S)
#define SPLITS PARAM(splits)

KERNEL_CONSTANTS(SOFTMAX_CONSTANTS)
#include "include/softmax_matrix_sizes.inc"
KERNEL_DECL(softmax_state, BUFFERS, PARAMS, SHARED)
#include "include/elements.inc"
#include "include/softmax_tile.inc"
#include "include/softmax_matrix_tile.inc"
#include "include/softmax_matrix_steps.inc"
#include "include/softmax_matrix_scratch.inc"

float state_read(uint i)
{
    return AS_FLOAT(LOAD1(state, i));
}

KERNEL_BODY(softmax_state, BUFFERS, PARAMS, SHARED)
{
#include "include/softmax_item.inc"
    const uint state_acc = PARAM(state_offset) + slot * SOFTMAX_STATE_FLOATS(ROWS, COLS, SUMS);
    const uint state_max = state_acc + ROWS * COLS;
    const uint state_sum = state_max + ROWS;
    const uint split_first = list_begin(row0) + slot % PARAM(splits) * PARAM(split_tiles);
    const uint split_end = MINU(split_first + PARAM(split_tiles), split_first + PARAM(tile_end));
    const uint first_tile = split_first + PARAM(tile_begin);
    const uint end_tile = MINU(split_end, list_end(row0));
#include "include/softmax_matrix_begin.inc"
    const uint own_acc = state_acc + sub_row * TM * COLS + sub_col * TV;
    if (PARAM(fresh) == 0u) {
        LOAD_PLACE(place)
        unset = false;
        UNROLL for (uint m = 0u; m < ROW_BLOCKS; m++) {
            UNROLL for (uint i = 0u; i < place.length(); i++) {
                const uint row = BLOCK_ROW(m, place, i) - row0;
                const float maximum = state_read(state_max + row);
                row_max[m][i] = maximum == NEG_MAX ? AS_FLOAT(UNSET) : maximum;
                row_sum[m][i] = state_read(state_sum + row * SUMS + sub_col * MATRIX_N + PLACE_COL(place, i));
                unset = unset || maximum == NEG_MAX;
            }
            UNROLL for (uint c = 0u; c < COL_BLOCKS; c++)
                coopMatLoad(acc[m * COL_BLOCKS + c], b1_state, own_acc + m * MATRIX_M * COLS + c * MATRIX_N, COLS,
                            gl_CooperativeMatrixLayoutRowMajor);
        }
        unset = subgroupAny(unset);
    }
#include "include/softmax_matrix_core.inc"
    memoryBarrierBuffer(); /* m and l: several lanes have read what one will write */
#include "include/softmax_matrix_end.inc"
    for (uint r = lane; r < ROWS; r += LANES)
        STORE1(state, state_max + r, s_tops[r] == UNSET ? AS_UINT(NEG_MAX) : s_tops[r]);
    for (uint e = lane; e < ROWS * SUMS; e += LANES)
        STORE1(state, state_sum + e, s_stage[K_PLACE + e / 4u][e % 4u]);
    UNROLL for (uint m = 0u; m < ROW_BLOCKS; m++) {
        UNROLL for (uint c = 0u; c < COL_BLOCKS; c++)
            coopMatStore(acc[m * COL_BLOCKS + c], b1_state, own_acc + m * MATRIX_M * COLS + c * MATRIX_N, COLS,
                         gl_CooperativeMatrixLayoutRowMajor);
    }
}
