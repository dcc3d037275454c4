/* Every word of the kernel dialect once, each with an answer that a test can foretell.
 *
 * A workgroup is LANES lanes. Lane l writes `words` at WORDS_OUT * (group * LANES + l), see test_emulator.c; all
 * lanes of all groups combine halves of `marks` by atomics and carry `sums` from one dispatch to the next. */
#define WORDS_CONSTANTS(C) C(0, LANES) C(1, ROWS) C(2, SUBGROUP)
#define WORDS_OUT 16u
#define BUFFERS(IN, OUT, IO) IN(0, source) OUT(1, words) IO(2, sums) IO(3, marks)
#define PARAMS(P) P(uint, first) P(float, factor) P(int, shift)
#define SHARED(S) S(float4, tile, LANES, 64) S(uint, flags, LANES + 1u, 65) S(float, line, LANES* ROWS, 256)

KERNEL_CONSTANTS(WORDS_CONSTANTS)
#define KERNEL_INVOCATIONS LANES
KERNEL_DECL(words_test, BUFFERS, PARAMS, SHARED)

FN uint group_index(CTX_ONLY)
{
    return GROUP;
}

FN float4 next_of(CTX_ uint lane)
{
    return SH_LOAD(tile, (lane + 1u) % LANES);
}

FN void put(CTX_ uint index, float x)
{
    STORE1(words, index, AS_UINT(x));
}

FN void put4(CTX_ uint index, float4 x)
{
    put(CTX_IN index, x.x);
    put(CTX_IN index + 1u, x.y);
    put(CTX_IN index + 2u, x.z);
    put(CTX_IN index + 3u, x.w);
}

/* Halves of one word by two lanes. */
FN void mark(CTX_ uint place, uint bits)
{
    const uint shift = (place & 1u) * 16u;
    ATOMIC_AND(marks, place / 2u, ~(0xffffu << shift));
    ATOMIC_OR(marks, place / 2u, bits << shift);
}

FN float total(CTX_ uint lane)
{
    PRIVATE(float, parts, ROWS, 4);
    UNROLL for (uint r = 0u; r < ROWS; r++)
        parts[r] = SH_LOAD(line, r * LANES + (lane ^ 1u));
    float sum = 0.0f;
    UNROLL for (uint r = 0u; r < ROWS; r++)
        sum = FMA(parts[r], PARAM(factor), sum);
    return sum;
}

KERNEL_BODY(words_test, BUFFERS, PARAMS, SHARED)
{
    LOCALS(BUFFERS, SHARED)
    const uint lane = LOCAL_X;
    const uint place = group_index(CTX_IN_ONLY) * LANES + lane;
    const uint4 wide = LOAD4(source, PARAM(first) + lane);
    const uint2 pair = LOAD2(source, lane);
    const float4 values = AS_FLOAT4(wide);
    SH_STORE(tile, lane, values);
    SH_STORE(flags, lane, LOAD1(source, lane));
    if (lane == 0u)
        SH_STORE(flags, LANES, 7u);
    ROLLED for (uint r = 0u; r < ROWS; r++)
        SH_STORE(line, r * LANES + lane, values.x + AS_FLOAT(r == 0u ? 0u : 0x3f800000u));
    BARRIER();
    const float4 other = FMA4(next_of(CTX_IN lane), SPLAT4(2.0f), ADD4(values, FLOAT4(1.0f, 2.0f, 3.0f, 4.0f)));
    put4(CTX_IN place * WORDS_OUT, MUL4(other, SPLAT4(0.5f)));
    put4(CTX_IN place * WORDS_OUT + 4u, UNPACK_HALF4(pair));
    put4(CTX_IN place * WORDS_OUT + 8u, UNPACK_BF16_4(pair));
    put(CTX_IN place * WORDS_OUT + 12u, total(CTX_IN lane));
    const uint low = MINU(SH_LOAD(flags, lane) & 0xffffu, MAXU(SH_LOAD(flags, LANES), 1u));
    put(CTX_IN place * WORDS_OUT + 13u,
        MAX(MIN(EXP2(LOG2(8.0f)), MUL(10.0f, 10.0f)), NEG_MAX) + UNPACK_HALF(0x3c00u << low / 8u));
#ifdef TIER_SUBGROUP
    const float seen = SHUFFLE_XOR(values.x, 1u) + AS_FLOAT(SHUFFLE_XOR(0u, 2u));
    const uint where = SUBGROUP_ID * SUBGROUP_SIZE + SUBGROUP_LANE;
#else
    const float seen = SH_LOAD(line, lane ^ 1u);
    const uint where = lane;
#endif
    put(CTX_IN place * WORDS_OUT + 14u, seen);
    put(CTX_IN place * WORDS_OUT + 15u, NEG_INF < NEG_MAX && PARAM(shift) < 0 ? UNPACK_BF16(PACK_BF16(-1.0f)) : 0.0f);
    STORE1(sums, place, LOAD1(sums, place) + where);
    mark(CTX_IN place, PACK_HALF(values.y));
}
