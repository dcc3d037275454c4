/* ABI of the softmax kernels: constant ids, bindings, parameters and sizes, read by C and by the kernels alike.
 *
 * C(id, name)       specialisation constant, a uint
 * P(type, name)     parameter (push constant), 4 bytes each, in this order
 * IN, OUT, IO(i, name)  storage buffer at binding i of set 0, an array of 32-bit words
 *
 * A tensor's parameters are the element offset of its first element from the start of its binding and the strides,
 * in elements, of batch, head and row (query or key); the last dim's stride is 1.
 */
#ifndef FV_ABI_SOFTMAX_H
#define FV_ABI_SOFTMAX_H

/* A workgroup is LANE_ROWS x LANE_COLS lanes, lane = row_lane * LANE_COLS + col_lane. Lane micro-tile: TM rows by TN
 * keys of S, TM rows by TV columns of O, literals of the module (MICRO_M, MICRO_N, MICRO_V), repeated here for
 * native kernels, where LANE_ROWS = LANE_COLS = 1.
 *   rows of a tile     ROWS = LANE_ROWS * TM         (query, head) pairs of one key head
 *   keys of a tile     KEYS = LANE_COLS * TN
 *   columns of a tile  COLS = LANE_COLS * TV         of dim_v; ceil(DIM_V / COLS) column blocks
 * *_DTYPE: fovea_dtype. *_WIDE: 1 where offset, strides and dim allow reads of 4 elements at once.
 * O_WORDS: 1 where every 32-bit word of o belongs to one lane (f32, or offset, strides and dim_v even). */
#define SOFTMAX_CONSTANTS(C) \
    C(0, LANE_ROWS)          \
    C(1, LANE_COLS)          \
    C(2, TM)                 \
    C(3, TN)                 \
    C(4, TV)                 \
    C(5, CHUNK) /* head dims staged in shared memory at once, a multiple of 4 */ \
    C(6, DIM_QK)             \
    C(7, DIM_V)              \
    C(8, Q_DTYPE)            \
    C(9, K_DTYPE)            \
    C(10, V_DTYPE)           \
    C(11, O_DTYPE)           \
    C(12, Q_WIDE)            \
    C(13, K_WIDE)            \
    C(14, V_WIDE)            \
    C(15, O_WORDS)           \
    C(16, CAUSAL)            \
    C(17, LSE)               \
    C(18, SUBGROUP) /* subgroup size that the tile was planned for; 0 in the portable tier */

/* Shared by softmax_direct and softmax_state.
 * Row r of a unit: query r / group, head unit_head * group + r % group. A unit is one (batch, unit_head), the query
 * heads that share one k head and one v head; heads / group units a batch entry.
 * Work item w, the one order:
 *   w = ((unit * column_blocks) + column_block) * row_tiles + place,
 *   row tile = row_tiles - 1 - place under CAUSAL (longest first), else place; row_tiles = ceil(seq_q * group / ROWS).
 * Workgroup g (grid folded: g = x + y * grid_x) runs (item, split) = (first_item + g / splits, g % splits), idle
 * where g / splits >= item_count. Direct kernels have splits = 1.
 * Key tiles: number n of a row tile's list holds keys n * KEYS ...; a split s visits n in
 *   [s * split_tiles + tile_begin, min(s * split_tiles + tile_end, (s + 1) * split_tiles)) and below the list's end.
 * Causal: query i sees key j iff j <= i + diagonal (signed). */
#define SOFTMAX_COMMON_PARAMS(P)                                             \
    P(uint, q_offset) P(uint, q_batch) P(uint, q_head) P(uint, q_row)        \
    P(uint, k_offset) P(uint, k_batch) P(uint, k_head) P(uint, k_row)        \
    P(uint, v_offset) P(uint, v_batch) P(uint, v_head) P(uint, v_row)        \
    P(float, scale) /* times log2(e) */                                      \
    P(uint, heads)                                                           \
    P(uint, group)   /* query heads of a unit */                             \
    P(uint, k_ratio) /* query heads of a k head */                           \
    P(uint, v_ratio) /* query heads of a v head */                           \
    P(uint, seq_q) P(uint, seq_k)                                            \
    P(int, diagonal)                                                         \
    P(uint, first_item) P(uint, item_count)                                  \
    P(uint, tile_begin) P(uint, tile_end)                                    \
    P(uint, grid_x)

#define SOFTMAX_OUTPUT_PARAMS(P)                                             \
    P(uint, o_offset) P(uint, o_batch) P(uint, o_head) P(uint, o_row)        \
    P(uint, lse_offset) P(uint, lse_batch) P(uint, lse_head)

/* softmax_direct: the whole list of key tiles at once, o and lse written. Without LSE binding 4 is bound to o. */
#define SOFTMAX_DIRECT_PARAMS(P) SOFTMAX_COMMON_PARAMS(P) SOFTMAX_OUTPUT_PARAMS(P)
#define SOFTMAX_DIRECT_BUFFERS(IN, OUT, IO) IN(0, q) IN(1, k) IN(2, v) OUT(3, o) OUT(4, lse)

/* softmax_state: part of the list; carries (m, l, acc) in `state`. Slot of workgroup g: floats from
 * state_offset + g * SOFTMAX_STATE_FLOATS: acc[ROWS][COLS], then m[ROWS] (log2 units), then l[ROWS].
 * fresh: start from the empty state (m = -FLT_MAX, l = 0, acc = 0) instead of reading it. */
#define SOFTMAX_STATE_PARAMS(P) \
    SOFTMAX_COMMON_PARAMS(P) P(uint, state_offset) P(uint, splits) P(uint, split_tiles) P(uint, fresh)
#define SOFTMAX_STATE_BUFFERS(IN, OUT, IO) IN(0, q) IN(1, k) IN(2, v) IO(3, state)
#define SOFTMAX_STATE_FLOATS(rows, cols) ((rows) * ((cols) + 2u))

/* softmax_finish: merges the splits of each item in ascending order and writes o and lse. Uses the constants LANE_ROWS to
 * TV (sizes of the tile that wrote the states), DIM_V, O_DTYPE, O_WORDS, CAUSAL and LSE. Workgroup of
 * SOFTMAX_FINISH_LANES lanes; g = item - first_item; each workgroup finishes one item. Without LSE binding 2 is o. */
#define SOFTMAX_FINISH_PARAMS(P)                                                       \
    P(uint, state_offset) P(uint, splits) P(uint, heads) P(uint, group) P(uint, seq_q) \
    P(uint, first_item) P(uint, item_count) P(uint, grid_x) SOFTMAX_OUTPUT_PARAMS(P)
#define SOFTMAX_FINISH_BUFFERS(IN, OUT, IO) IN(0, state) OUT(1, o) OUT(2, lse)
#define SOFTMAX_FINISH_LANES 64

#endif
