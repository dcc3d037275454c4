/* A reversal through shared memory, right as it stands; each PLANT_ spoils one thing. */
#define PLANTED_CONSTANTS(C) C(0, LANES)
#define BUFFERS(IN, OUT, IO) IN(0, source) OUT(1, result)
#define PARAMS(P) P(uint, count)
#ifdef PLANT_SHORT_ARRAY
#define SHARED(S) S(uint, tile, LANES - 1u, 64)
#else
#define SHARED(S) S(uint, tile, LANES, 64)
#endif

KERNEL_CONSTANTS(PLANTED_CONSTANTS)
#define KERNEL_INVOCATIONS LANES
KERNEL_DECL(planted, BUFFERS, PARAMS, SHARED)

FN uint partner(uint lane)
{
    return LANES - 1u - lane;
}

KERNEL_BODY(planted, BUFFERS, PARAMS, SHARED)
{
    LOCALS(BUFFERS, SHARED)
    const uint lane = LOCAL_X;
    const uint place = GROUP * LANES + lane;
    uint value = LOAD1(source, place);
#ifdef PLANT_BEYOND_BUFFER
    value += LOAD1(source, place + 1u);
#endif
#ifdef PLANT_UNWRITTEN
    if (lane != 3u)
#endif
        SH_STORE(tile, lane, value);
#ifdef PLANT_TWO_WRITERS
    if (lane == 5u)
        SH_STORE(tile, 4u, value);
#endif
#ifdef PLANT_DIVERGENT
    if (lane < LANES / 2u) {
        BARRIER();
    } else {
        BARRIER();
    }
#elif defined(PLANT_EARLY_END)
    if (lane == 7u)
        return;
    BARRIER();
#elif !defined(PLANT_NO_BARRIER)
    BARRIER();
#endif
    value = SH_LOAD(tile, partner(lane));
#ifdef PLANT_LATE_WRITE
    SH_STORE(tile, lane, value);
#endif
#ifdef PLANT_DIVERGENT_SHUFFLE
    if (lane != 2u)
        value += SHUFFLE_XOR(value, 1u);
#endif
#ifdef PLANT_WIDE_SHUFFLE
    value += SHUFFLE_XOR(value, SUBGROUP_SIZE);
#endif
#ifdef PLANT_ONE_WORD
    STORE1(result, 0u, value);
#elif defined(PLANT_GROUP_OVERLAP)
    STORE1(result, lane, value);
#else
    STORE1(result, place, value);
#endif
}
