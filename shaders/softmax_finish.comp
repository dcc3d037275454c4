/* Softmax attention, last step of a run with splits or slices: merges the states (m, l, acc) that softmax_state left
 * for each split of an item, in ascending order, and writes o and lse.
 *
 *   m = max_s m_s    w_s = exp2(m_s - m)    l = sum_s w_s l_s    acc = sum_s w_s acc_s    o = acc / l
 *
 * (Dao et al., "Flash-Decoding", 2023.) One state passes unchanged: its weight is exactly 1.
 *
 *      states of an item               o
 *   +------+------+-- --+------+      +------+
 *   | 0    | 1    |     | n-1  |  ->  |      |  ROWS x COLS
 *   +------+------+-- --+------+      +------+
 *
 * A workgroup finishes one item with SOFTMAX_FINISH_LANES lanes. A lane owns four columns of a row, then the four that
 * lie SOFTMAX_FINISH_LANES places on, and so forth; it works the row's weights out by itself. No shared memory, no
 * barrier. */
#include "abi/softmax.h"
#define PARAMS(P) SOFTMAX_FINISH_PARAMS(P)
#define BUFFERS(IN, OUT, IO) SOFTMAX_FINISH_BUFFERS(IN, OUT, IO)
#define SHARED(S)
#define KERNEL_INVOCATIONS SOFTMAX_FINISH_LANES

KERNEL_CONSTANTS(SOFTMAX_CONSTANTS)
KERNEL_DECL(softmax_finish, BUFFERS, PARAMS, SHARED)
#include "include/softmax_output.inc"

#define ROWS (LANE_ROWS * TM)
#define COLS (LANE_COLS * TV)
#define COLS4 (COLS / 4u)

FN float state_read(CTX_ uint i)
{
    return AS_FLOAT(LOAD1(state, i));
}

FN float4 state_read4(CTX_ uint i)
{
    return FLOAT4(state_read(CTX_IN i), state_read(CTX_IN i + 1u), state_read(CTX_IN i + 2u),
                  state_read(CTX_IN i + 3u));
}

/* A row's l, of its parts. */
FN float state_sum(CTX_ uint i)
{
    float sum = state_read(CTX_IN i);
    for (uint part = 1u; part < SUMS; part++)
        sum = sum + state_read(CTX_IN i + part);
    return sum;
}

KERNEL_BODY(softmax_finish, BUFFERS, PARAMS, SHARED)
{
    LOCALS(BUFFERS, SHARED)
    const uint index = GROUP;
    if (index >= PARAM(item_count))
        return;
    const uint rows = PARAM(seq_q) * PARAM(group);
    const uint row_tiles = (rows + ROWS - 1u) / ROWS;
    const uint blocks = (DIM_V + COLS - 1u) / COLS;
    const uint units = PARAM(heads) / PARAM(group);
    const uint item = PARAM(first_item) + index;
    const uint place = item % row_tiles;
    const uint block = item / row_tiles % blocks;
    const uint unit = item / row_tiles / blocks;
    const uint row0 = (CAUSAL != 0u ? row_tiles - 1u - place : place) * ROWS;
    const uint head0 = unit % units * PARAM(group);
    const uint floats = SOFTMAX_STATE_FLOATS(ROWS, COLS, SUMS);
    const uint states = PARAM(state_offset) + index * PARAM(splits) * floats;

    for (uint e = LOCAL_X; e < ROWS * COLS4; e += SOFTMAX_FINISH_LANES) {
        const uint row = e / COLS4;
        const uint r = row0 + row;
        const uint column = block * COLS + e % COLS4 * 4u;
        if (r >= rows || column >= DIM_V)
            continue;
        float maximum = NEG_MAX;
        for (uint split = 0u; split < PARAM(splits); split++)
            maximum = MAX(maximum, state_read(CTX_IN states + split * floats + ROWS * COLS + row));
        float sum = 0.0f;
        float4 acc = SPLAT4(0.0f);
        for (uint split = 0u; split < PARAM(splits); split++) {
            const uint at = states + split * floats;
            const float m = state_read(CTX_IN at + ROWS * COLS + row);
            const float weight = m == maximum ? 1.0f : EXP2(m - maximum);
            sum = FMA(weight, state_sum(CTX_IN at + ROWS * COLS + ROWS + row * SUMS), sum);
            acc = FMA4(SPLAT4(weight), state_read4(CTX_IN at + e * 4u), acc);
        }
        const uint query = r / PARAM(group);
        const uint head = head0 + r - query * PARAM(group);
        const float sink = sink_of(CTX_IN head);
        store_columns(CTX_IN PARAM(o_offset) + unit / units * PARAM(o_batch) + head * PARAM(o_head) +
                          query * PARAM(o_row), column, MUL4(acc, SPLAT4(row_factor(maximum, sum, sink))));
        if (LSE != 0u && column == 0u)
            STORE1(lse, PARAM(lse_offset) + unit / units * PARAM(lse_batch) + head * PARAM(lse_head) + query,
                   AS_UINT(row_lse(maximum, sum, sink)));
    }
}
