/* Merge, first step: the weights of the parts of each row, made of their LSE, and the LSE of the whole (Dao et al.,
 * "Flash-Decoding", 2023).
 *
 *   a_r = lse_r + offset_r, -inf if either is    m = max_r a_r    w_r = exp(a_r - m) / sum_r exp(a_r - m)
 *   lse = m + log sum_r exp(a_r - m)
 *
 *        place ->                      A dispatch of one source writes its a_r; that of the last source, whose lanes have
 *   part 0 | a a a a ... |             waited for the others at the end of their dispatches, turns all a_r into w_r.
 *   part 1 | a a a a ... |   work      Parts are added in ascending order, whatever source they are of.
 *     ...
 *
 * A lane owns a row; what it reads of `work` it, or an earlier dispatch, has written. Neighbouring lanes read neighbouring
 * words. Coefficients are brought into the same form by a dispatch that is not the last. No shared memory, no barrier. */
#include "abi/merge.h"
#define PARAMS(P) MERGE_WEIGH_PARAMS(P)
#define BUFFERS(IN, OUT, IO) MERGE_WEIGH_BUFFERS(IN, OUT, IO)
#define SHARED(S)
#define KERNEL_INVOCATIONS MERGE_LANES

KERNEL_CONSTANTS(MERGE_CONSTANTS)
KERNEL_DECL(merge_weigh, BUFFERS, PARAMS, SHARED)

#define NAN_BITS 0x7fc00000u
#define NEG_INF_BITS 0xff800000u
#define LOG2_E 1.44269504088896f
#define LN_2 0.693147180559945f
#define LEAST (-200.0f) /* exp of it is 0 */

/* -inf if either is. NaN by bits, as drivers may lose it in arithmetic. */
FN uint shifted(uint lse, uint shift)
{
    if (lse == NEG_INF_BITS || shift == NEG_INF_BITS)
        return NEG_INF_BITS;
    if ((lse & 0x7fffffffu) > 0x7f800000u || (shift & 0x7fffffffu) > 0x7f800000u)
        return NAN_BITS;
    return AS_UINT(AS_FLOAT(lse) + AS_FLOAT(shift));
}

/* NaN and +inf, which break a row. */
FN bool breaks(uint bits)
{
    return (bits & 0x7fffffffu) >= 0x7f800000u && bits != NEG_INF_BITS;
}

FN float weight_of(uint bits, float maximum)
{
    return bits == NEG_INF_BITS ? 0.0f : EXP2(MAX(AS_FLOAT(bits) - maximum, LEAST) * LOG2_E);
}

/* Turns the a_r from word `first` on into weights; returns the LSE's bits. */
FN uint weigh(CTX_ uint first)
{
    const uint step = PARAM(row_count);
    bool broken = false;
    float maximum = NEG_MAX;
    for (uint r = 0u; r < PARAM(parts); r++) {
        const uint bits = LOAD1(work, first + r * step);
        broken = broken || breaks(bits);
        maximum = breaks(bits) || bits == NEG_INF_BITS ? maximum : MAX(maximum, AS_FLOAT(bits));
    }
    float sum = 0.0f;
    for (uint r = 0u; r < PARAM(parts); r++) {
        const float weight = broken ? 1.0f : weight_of(LOAD1(work, first + r * step), maximum);
        sum = sum + weight;
        STORE1(work, first + r * step, AS_UINT(weight));
    }
    const float inverse = sum == 0.0f ? 0.0f : 1.0f / sum;
    for (uint r = 0u; r < PARAM(parts); r++) {
        const float weight = AS_FLOAT(LOAD1(work, first + r * step)) * inverse;
        STORE1(work, first + r * step, broken ? NAN_BITS : AS_UINT(weight));
    }
    if (broken)
        return NAN_BITS;
    return sum == 0.0f ? NEG_INF_BITS : AS_UINT(FMA(LOG2(sum), LN_2, maximum));
}

KERNEL_BODY(merge_weigh, BUFFERS, PARAMS, SHARED)
{
    LOCALS(BUFFERS, SHARED)
    const uint place = GROUP * MERGE_LANES + LOCAL_X;
    if (place >= PARAM(row_count))
        return;
    const uint row = PARAM(first_row) + place;
    const uint query = row % PARAM(seq_q);
    const uint head = row / PARAM(seq_q) % PARAM(heads);
    const uint batch = row / PARAM(seq_q) / PARAM(heads);
    const uint from_row = PARAM(from_offset) + batch * PARAM(from_batch) + head * PARAM(from_head) +
                          query * PARAM(from_row);
    const uint shift_row = PARAM(shift_offset) + batch * PARAM(shift_batch) + head * PARAM(shift_head) +
                           query * PARAM(shift_row);
    const uint first = PARAM(work_offset) + place;
    for (uint r = 0u; r < PARAM(from_parts); r++) {
        uint bits = LOAD1(from, from_row + r * PARAM(from_part));
        if (OFFSETS != 0u)
            bits = shifted(bits, LOAD1(shifts, shift_row + (PARAM(first_part) + r) * PARAM(shift_part)));
        STORE1(work, first + (PARAM(first_part) + r) * PARAM(row_count), bits);
    }
    if (PARAM(last) == 0u)
        return;
    const uint lse_bits = weigh(CTX_IN first);
    if (LSE != 0u)
        STORE1(lse, PARAM(lse_offset) + batch * PARAM(lse_batch) + head * PARAM(lse_head) + query, lse_bits);
}
