/* Merge, second step: o = sum_r w_r o_r, in ascending order of r. The weights are those of merge_weigh, which sum to 1, or
 * the caller's coefficients.
 *
 *            part 0   part 1 ..  of source a, then those of source b
 *           +-------+-------+---
 *   row     |qqqqqqq|       |      a quad q is MERGE_COLUMNS columns: a lane reads the same one of every part, and keeps
 *   row + 1 |       |       |      the sum in registers; lanes of a workgroup own consecutive quads, row after row
 *
 * Two sources a dispatch, so that four storage buffers are enough. More of them take several dispatches, each of which goes
 * on with the float32 sums that the one before left in `work`: the same bits as if there were one.
 * A part of weight 0 adds nothing, NaN and infinity in it included. No shared memory, no barrier. */
#include "abi/merge.h"
#define PARAMS(P) MERGE_SUM_PARAMS(P)
#define BUFFERS(IN, OUT, IO) MERGE_SUM_BUFFERS(IN, OUT, IO)
#define SHARED(S)
#define KERNEL_INVOCATIONS MERGE_LANES

KERNEL_CONSTANTS(MERGE_CONSTANTS)
KERNEL_DECL(merge_sum, BUFFERS, PARAMS, SHARED)
#include "include/elements.inc"
#include "include/store.inc"
ELEMENTS_READER(a_wide, a_narrow, a, A_DTYPE, DIM_V, false)
ELEMENTS_READER(b_wide, b_narrow, b, B_DTYPE, DIM_V, false)

FN float4 add_part(float4 sum, float weight, float4 part)
{
    return weight == 0.0f ? sum : FMA4(SPLAT4(weight), part, sum);
}

FN float4 add_a(CTX_ float4 sum, uint row, uint column, uint weight)
{
    const uint wide = PARAM(a_offset) % 4u == 0u ? A_WIDE : 0u;
    for (uint r = 0u; r < PARAM(a_parts); r++) {
        const uint part = row + r * PARAM(a_part);
        const float w = AS_FLOAT(LOAD1(work, weight + r * PARAM(weight_part)));
        sum = add_part(sum, w, elements_unpack(wide != 0u ? a_wide(CTX_IN part, column)
                                                          : a_narrow(CTX_IN part, column), A_DTYPE));
    }
    return sum;
}

FN float4 add_b(CTX_ float4 sum, uint row, uint column, uint weight)
{
    const uint wide = PARAM(b_offset) % 4u == 0u ? B_WIDE : 0u;
    for (uint r = 0u; r < PARAM(b_parts); r++) {
        const uint part = row + r * PARAM(b_part);
        const float w = AS_FLOAT(LOAD1(work, weight + r * PARAM(weight_part)));
        sum = add_part(sum, w, elements_unpack(wide != 0u ? b_wide(CTX_IN part, column)
                                                          : b_narrow(CTX_IN part, column), B_DTYPE));
    }
    return sum;
}

FN float4 carried(CTX_ uint i)
{
    return FLOAT4(AS_FLOAT(LOAD1(work, i)), AS_FLOAT(LOAD1(work, i + 1u)), AS_FLOAT(LOAD1(work, i + 2u)),
                  AS_FLOAT(LOAD1(work, i + 3u)));
}

FN void carry(CTX_ uint i, float4 sum)
{
    STORE1(work, i, AS_UINT(sum.x));
    STORE1(work, i + 1u, AS_UINT(sum.y));
    STORE1(work, i + 2u, AS_UINT(sum.z));
    STORE1(work, i + 3u, AS_UINT(sum.w));
}

KERNEL_BODY(merge_sum, BUFFERS, PARAMS, SHARED)
{
    LOCALS(BUFFERS, SHARED)
    const uint quad = GROUP * MERGE_LANES + LOCAL_X;
    const uint place = quad / MERGE_QUADS(DIM_V);
    if (place >= PARAM(row_count))
        return;
    const uint column = quad % MERGE_QUADS(DIM_V) * MERGE_COLUMNS;
    const uint row = PARAM(first_row) + place;
    const uint query = row % PARAM(seq_q);
    const uint head = row / PARAM(seq_q) % PARAM(heads);
    const uint batch = row / PARAM(seq_q) / PARAM(heads);
    const uint weight = PARAM(weight_offset) + batch * PARAM(weight_batch) + head * PARAM(weight_head) +
                        query * PARAM(weight_row);
    const uint a_row = PARAM(a_offset) + batch * PARAM(a_batch) + head * PARAM(a_head) + query * PARAM(a_row);
    const uint b_row = PARAM(b_offset) + batch * PARAM(b_batch) + head * PARAM(b_head) + query * PARAM(b_row);
    const uint at = PARAM(sum_offset) + quad * MERGE_COLUMNS;
    float4 sum = SPLAT4(0.0f);
    if (PARAM(fresh) == 0u)
        sum = carried(CTX_IN at);
    sum = add_a(CTX_IN sum, a_row, column, weight);
    sum = add_b(CTX_IN sum, b_row, column, weight + PARAM(a_parts) * PARAM(weight_part));
    if (PARAM(last) != 0u)
        store_columns(CTX_IN PARAM(o_offset) + batch * PARAM(o_batch) + head * PARAM(o_head) + query * PARAM(o_row),
                      column, sum);
    else
        carry(CTX_IN at, sum);
}
