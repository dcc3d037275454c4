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
 * *_DTYPE: fovea_dtype. *_WIDE: 1 where strides and dim are multiples of 4: with an offset that is one too (a uniform
 * branch, since offsets come with a run) a kernel reads 4 elements at once; bindings start on 16 bytes.
 * In the matrix tier multiples of 8, for reads of 8.
 * O_WORDS: 1 where every 32-bit word of o belongs to one lane (f32; or strides and dim_v even, and o_offset even too,
 * which a kernel checks at run time). */
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
    C(18, SUBGROUP) /* subgroup size that the tile was planned for; 0 in the portable tier */ \
    C(19, SUMS)     /* partial sums of a row in a carried state; 1 but for the matrix tier */ \
    C(20, V_STEP)   /* this and the rest: matrix tier. Keys of V staged at once */            \
    C(21, V_TURNED) /* 1: V is staged with the keys of a column adjacent */                   \
    C(22, Q_KEPT)   /* 1: Q stays in registers; one chunk holds all its dims */               \
    C(23, POLYNOMIAL) /* of four exponentials, so many by multiply-adds */                    \
    C(24, MATRIX_M)   /* a product is m x k by k x n */                                       \
    C(25, MATRIX_N)                                                                           \
    C(26, MATRIX_K)                                                                           \
    C(27, OPERAND_PARTS) /* of an operand: 1, or 2 of f16, a high and a low one, that make a float32 */ \
    C(28, LEFT)          /* of all tiers. A query at position p sees the keys p - LEFT to p + RIGHT; */ \
    C(29, RIGHT)         /* SOFTMAX_UNBOUNDED: no border on that side; under CAUSAL 0 */              \
    C(30, CAP)           /* bits of a float c, in log2 units: a score s becomes c tanh(s / c); 0: it stays */
#define SOFTMAX_UNBOUNDED 0xffffffffu
/* Constant 31 of every kernel is its local size x, which fv_kernel_desc.invocations says: SPIR-V takes it so. */
#define SOFTMAX_INVOCATIONS_ID 31
/* Of native kernels in the matrix tier, which pack keys and values; 0 elsewhere: the most keys of a run, and the most units
 * of those whose work items share what is packed, 0 where a unit is one work item. */
#define SOFTMAX_PANEL_KEYS_ID  32
#define SOFTMAX_PANEL_UNITS_ID 33
/* Rows of a work item that native kernels of the matrix tier attend by vector code, at the most. */
#define SOFTMAX_NATIVE_FEW_ROWS 8u

/* Values of *_DTYPE, those of fovea_dtype. */
#define SOFTMAX_F32 0u
#define SOFTMAX_F16 1u
#define SOFTMAX_BF16 2u

/* Sizes of softmax_direct and softmax_state that the planner and the kernels share; arguments are uints, and the
 * results are constant expressions in C and in the kernels. `subgroup` is the constant SUBGROUP.
 *
 * Shared memory is one array of float4, used by one phase at a time:
 *   scores    q[CHUNK / 4][ROWS + pad], k[CHUNK / 4][KEYS + pad]   four head dims an element
 *   products  maxima[parts][stride], sums[parts][stride],
 *             p[LANE_COLS][stride]                                 four rows an element (one if tm < 4)
 *             v[V_KEYS][COLS / 4]                                  four columns an element
 * parts: lanes of a row that must meet in shared memory; none where a subgroup holds the row. */
#define SOFTMAX_V_KEYS(lane_cols) ((lane_cols) < 8u ? (lane_cols) : 8u) /* keys of V staged at once */
#define SOFTMAX_PAD(chunk) ((chunk) < 32u ? 32u / (chunk) : 1u)
#define SOFTMAX_PARTS(lane_cols, subgroup) \
    ((subgroup) == 0u ? (lane_cols) : ((lane_cols) > (subgroup) ? (lane_cols) / (subgroup) : 1u))
#define SOFTMAX_STRIDE(lane_rows, tm) (((lane_rows) * ((tm) < 4u ? 1u : (tm) / 4u)) | 1u)
#define SOFTMAX_SCORES_FLOAT4(lane_rows, lane_cols, tm, tn, chunk) \
    ((chunk) / 4u * ((lane_rows) * (tm) + (lane_cols) * (tn) + 2u * SOFTMAX_PAD(chunk)))
#define SOFTMAX_PRODUCTS_FLOAT4(lane_rows, lane_cols, tm, tv, subgroup)                       \
    ((2u * SOFTMAX_PARTS(lane_cols, subgroup) + (lane_cols)) * SOFTMAX_STRIDE(lane_rows, tm) + \
     SOFTMAX_V_KEYS(lane_cols) * ((lane_cols) * (tv) / 4u))
#define SOFTMAX_SHARED_FLOAT4(lane_rows, lane_cols, tm, tn, tv, chunk, subgroup) \
    (SOFTMAX_SCORES_FLOAT4(lane_rows, lane_cols, tm, tn, chunk) >                \
             SOFTMAX_PRODUCTS_FLOAT4(lane_rows, lane_cols, tm, tv, subgroup)     \
         ? SOFTMAX_SCORES_FLOAT4(lane_rows, lane_cols, tm, tn, chunk)            \
         : SOFTMAX_PRODUCTS_FLOAT4(lane_rows, lane_cols, tm, tv, subgroup))
#define SOFTMAX_SHARED_MOST 4096 /* of SOFTMAX_SHARED_FLOAT4 */
#define SOFTMAX_SHARED_BYTES(lane_rows, lane_cols, tm, tn, tv, chunk, subgroup) \
    (16u * SOFTMAX_SHARED_FLOAT4(lane_rows, lane_cols, tm, tn, tv, chunk, subgroup))

/* Reads that a lane has in flight: float4s of a chunk of q and of k, and of V_KEYS keys of v; at most SLOTS_MOST. */
#define SOFTMAX_Q_SLOTS(lane_cols, tm, chunk) (((tm) * ((chunk) / 4u) + (lane_cols) - 1u) / (lane_cols))
#define SOFTMAX_K_SLOTS(lane_rows, tn, chunk) (((tn) * ((chunk) / 4u) + (lane_rows) - 1u) / (lane_rows))
#define SOFTMAX_V_SLOTS(lane_rows, lane_cols, tv) \
    ((SOFTMAX_V_KEYS(lane_cols) * ((tv) / 4u) + (lane_rows) - 1u) / (lane_rows))
#define SOFTMAX_SLOTS_MOST 16

/* Whether softmax_direct and softmax_state take a tile: lane_cols a power of two from 2, the chunk and tv multiples
 * of 4, slots and shared memory within the bounds above, and, with subgroups (a power of two too), whole ones. */
#define SOFTMAX_TILE_FITS(lane_rows, lane_cols, tm, tn, tv, chunk, subgroup)                  \
    ((lane_rows) > 0u && (lane_cols) > 1u && ((lane_cols) & ((lane_cols) - 1u)) == 0u &&      \
     (chunk) > 0u && (chunk) % 4u == 0u && (tv) % 4u == 0u &&                                 \
     SOFTMAX_Q_SLOTS(lane_cols, tm, chunk) <= SOFTMAX_SLOTS_MOST &&                           \
     SOFTMAX_K_SLOTS(lane_rows, tn, chunk) <= SOFTMAX_SLOTS_MOST &&                           \
     SOFTMAX_V_SLOTS(lane_rows, lane_cols, tv) <= SOFTMAX_SLOTS_MOST &&                       \
     SOFTMAX_SHARED_FLOAT4(lane_rows, lane_cols, tm, tn, tv, chunk, subgroup) <= SOFTMAX_SHARED_MOST && \
     ((subgroup) == 0u || (lane_rows) * (lane_cols) % (subgroup) == 0u))

/* Upper bounds of the loop iterations of one invocation, over all its loops and with none of them unrolled: for a key
 * tile of its list (scores, softmax, meetings of lanes, products), and besides. */
#define SOFTMAX_GROUPS(tm) (((tm) + 3u) / 4u)
#define SOFTMAX_TRIPS_SCORES(lane_rows, lane_cols, tm, tn, chunk, dim_qk)                                     \
    (((dim_qk) + (chunk) - 1u) / (chunk) *                                                                    \
     (1u + 2u * (SOFTMAX_Q_SLOTS(lane_cols, tm, chunk) + SOFTMAX_K_SLOTS(lane_rows, tn, chunk)) +             \
      (chunk) / 4u * (1u + (tm) + (tn) * (1u + (tm)))))
#define SOFTMAX_TRIPS_SOFTMAX(tm, tn, tv) ((tm) * (9u + 5u * (tn) + (tv) / 4u))
#define SOFTMAX_TRIPS_MEET(lane_cols, tm, subgroup) \
    (2u * (SOFTMAX_PARTS(lane_cols, subgroup) + 8u) * (1u + (tm)))
#define SOFTMAX_TRIPS_PRODUCTS(lane_rows, lane_cols, tm, tn, tv)                                              \
    ((lane_cols) * (tn) / SOFTMAX_V_KEYS(lane_cols) *                                                         \
         (1u + (tn) * (1u + SOFTMAX_GROUPS(tm)) + 2u * SOFTMAX_V_SLOTS(lane_rows, lane_cols, tv)) +           \
     (lane_cols) * (tn) * (2u + SOFTMAX_GROUPS(tm) + (tv) / 4u * (1u + SOFTMAX_GROUPS(tm))))
#define SOFTMAX_TRIPS_PER_TILE(lane_rows, lane_cols, tm, tn, tv, chunk, dim_qk, subgroup)                      \
    (1u + SOFTMAX_TRIPS_SCORES(lane_rows, lane_cols, tm, tn, chunk, dim_qk) + SOFTMAX_TRIPS_SOFTMAX(tm, tn, tv) + \
     SOFTMAX_TRIPS_MEET(lane_cols, tm, subgroup) + SOFTMAX_TRIPS_PRODUCTS(lane_rows, lane_cols, tm, tn, tv))
#define SOFTMAX_TRIPS_FIXED(lane_rows, lane_cols, tm, tn, tv, chunk, subgroup)                                 \
    (2u * SOFTMAX_Q_SLOTS(lane_cols, tm, chunk) + SOFTMAX_K_SLOTS(lane_rows, tn, chunk) + 4u * (tm) * (1u + (tv) / 4u))
/* softmax_finish: the iterations of one invocation. */
#define SOFTMAX_FINISH_TRIPS(rows, cols, splits) \
    (((rows) * ((cols) / 4u) + SOFTMAX_FINISH_LANES - 1u) / SOFTMAX_FINISH_LANES * (1u + 2u * (splits)))

/* The matrix tier. A workgroup is LANE_ROWS x LANE_COLS subgroups; a subgroup owns TM rows by TN keys of S and TM rows by
 * TV columns of O as matrices of m x n sums; k is the depth of a product:
 *   tm a multiple of m; tn and tv of n and of 8; chunk, v_step and the keys of a tile of k and of 8.
 * Shared memory, in eights of 16 bytes (rows are padded by one), q, k and v once for each part of an operand:
 *   q[ROWS][chunk / 8] (not with Q_KEPT), k[KEYS][chunk / 8], v[V_STEP][COLS / 8] or, turned, v[COLS][V_STEP / 8],
 *   places[m * n] (floats); before and after the walk over keys q, k and v hold Q, sums of rows or a matrix of each
 *   subgroup instead.
 * Beside it the weights P[ROWS][KEYS / 8], again of each part (not where they become operands in registers), tops[ROWS]
 * and flags[4], each of a multiple of 16 bytes. */
#define SOFTMAX_MATRIX_SLOTS(eights, lanes) (((eights) + (lanes) - 1u) / (lanes))
#define SOFTMAX_MATRIX_Q(rows, chunk, q_kept) ((q_kept) != 0u ? 0u : (rows) * ((chunk) / 8u + 1u))
#define SOFTMAX_MATRIX_K(keys, chunk) ((keys) * ((chunk) / 8u + 1u))
#define SOFTMAX_MATRIX_V(cols, v_step, v_turned) \
    ((v_turned) != 0u ? (cols) * ((v_step) / 8u + 1u) : (v_step) * ((cols) / 8u + 1u))
#define SOFTMAX_MATRIX_LOOP(rows, keys, cols, chunk, v_step, v_turned, q_kept)                 \
    (SOFTMAX_MATRIX_Q(rows, chunk, q_kept) + SOFTMAX_MATRIX_K(keys, chunk) +                   \
     SOFTMAX_MATRIX_V(cols, v_step, v_turned))
#define SOFTMAX_MATRIX_STAGE(rows, keys, cols, chunk, v_step, v_turned, q_kept, parts)         \
    ((parts) * (SOFTMAX_MATRIX_LOOP(rows, keys, cols, chunk, v_step, v_turned, q_kept) >       \
                        (rows) * ((chunk) / 8u + 1u)                                           \
                    ? SOFTMAX_MATRIX_LOOP(rows, keys, cols, chunk, v_step, v_turned, q_kept)   \
                    : (rows) * ((chunk) / 8u + 1u)))
#define SOFTMAX_MATRIX_WEIGHTS(rows, keys, parts) ((parts) * 2u * (rows) * ((keys) / 8u + 1u)) /* fours of 8 bytes */
#define SOFTMAX_MATRIX_SHARED_BYTES(rows, keys, cols, chunk, v_step, v_turned, q_kept, m, n, converted, parts) \
    (16u * (SOFTMAX_MATRIX_STAGE(rows, keys, cols, chunk, v_step, v_turned, q_kept, parts) + (m) * (n) / 4u) + \
     8u * ((converted) ? 1u : SOFTMAX_MATRIX_WEIGHTS(rows, keys, parts)) + 4u * ((rows) + 4u))

/* Shared by softmax_direct and softmax_state.
 * Row r of a unit: query r / group, head unit_head * group + r % group. A unit is one (batch, unit_head), the query
 * heads that share one k head and one v head; heads / group units a batch entry.
 * Work item w, the one order:
 *   w = ((unit * column_blocks) + column_block) * row_tiles + place,
 *   row tile = row_tiles - 1 - place under CAUSAL (longest first), else place; row_tiles = ceil(seq_q * group / ROWS).
 * Workgroup g (of a grid that may be folded) runs (item, split) = (first_item + g / splits, g % splits), idle
 * where g / splits >= item_count. Direct kernels have splits = 1.
 * Key tiles: tile n holds keys n * KEYS ...; a row tile's list are those from the one with the first key that its rows see to
 *   the one with the last. A split s visits of the list's numbers, which begin with 0,
 *   [s * split_tiles + tile_begin, min(s * split_tiles + tile_end, (s + 1) * split_tiles)).
 * Query i lies at the position i + diagonal (signed) among the keys: LEFT and RIGHT. */
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
    P(uint, tile_begin) P(uint, tile_end)

/* sink_offset: of the sink of head 0, in elements; SOFTMAX_NO_SINKS: there are none. */
#define SOFTMAX_NO_SINKS 0xffffffffu
#define SOFTMAX_OUTPUT_PARAMS(P)                                             \
    P(uint, o_offset) P(uint, o_batch) P(uint, o_head) P(uint, o_row)        \
    P(uint, lse_offset) P(uint, lse_batch) P(uint, lse_head) P(uint, sink_offset)

/* softmax_direct: the whole list of key tiles at once, o and lse written. Without LSE binding 4 is bound to o, without sinks
 * binding 5 to q. */
#define SOFTMAX_DIRECT_PARAMS(P) SOFTMAX_COMMON_PARAMS(P) SOFTMAX_OUTPUT_PARAMS(P)
#define SOFTMAX_DIRECT_BUFFERS(IN, OUT, IO) IN(0, q) IN(1, k) IN(2, v) OUT(3, o) OUT(4, lse) IN(5, sinks)

/* softmax_state: part of the list; carries (m, l, acc) in `state`. Slot of workgroup g: floats from
 * state_offset + g * SOFTMAX_STATE_FLOATS: acc[ROWS][COLS], then m[ROWS] (log2 units), then l[ROWS][SUMS], the sum of
 * a row in parts that are added in ascending order at the end.
 * fresh: start from the empty state (m = -FLT_MAX, l = 0, acc = 0) instead of reading it. */
#define SOFTMAX_STATE_PARAMS(P) \
    SOFTMAX_COMMON_PARAMS(P) P(uint, state_offset) P(uint, splits) P(uint, split_tiles) P(uint, fresh)
#define SOFTMAX_STATE_BUFFERS(IN, OUT, IO) IN(0, q) IN(1, k) IN(2, v) IO(3, state)
#define SOFTMAX_STATE_FLOATS(rows, cols, sums) ((rows) * ((cols) + 1u + (sums)))

/* softmax_finish: merges the splits of each item in ascending order and writes o and lse. Uses the constants LANE_ROWS to
 * TV (sizes of the tile that wrote the states), SUMS, DIM_V, O_DTYPE, O_WORDS, CAUSAL and LSE. Workgroup of
 * SOFTMAX_FINISH_LANES lanes; g = item - first_item; each workgroup finishes one item. Without LSE binding 2 is o, without
 * sinks binding 3 the state. */
#define SOFTMAX_FINISH_PARAMS(P)                                                       \
    P(uint, state_offset) P(uint, splits) P(uint, heads) P(uint, group) P(uint, seq_q) \
    P(uint, first_item) P(uint, item_count) SOFTMAX_OUTPUT_PARAMS(P)
#define SOFTMAX_FINISH_BUFFERS(IN, OUT, IO) IN(0, state) OUT(1, o) OUT(2, lse) IN(3, sinks)
#define SOFTMAX_FINISH_LANES 64u

#endif
