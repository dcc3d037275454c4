/* Rate of reads from shared memory: float4s, neighbouring lanes at neighbouring places, summed.
 *
 *   tile[512]: 0 1 .. 7 0 1 .. 7 ...      any eight neighbours add up to 28
 *
 * The workgroup fills the array once; a lane then reads MEASURE_READS neighbours a pass from its own place on, and
 * moves on. Shared memory: 16 * MEASURE_SHARED_FLOAT4 bytes. One barrier: reads follow all lanes' writes. */
#include "abi/measure.h"
#define PARAMS(P) MEASURE_PARAMS(P)
#define BUFFERS(IN, OUT, IO) MEASURE_BUFFERS(IN, OUT, IO)
#define SHARED(S) S(float4, tile, MEASURE_SHARED_FLOAT4, MEASURE_SHARED_FLOAT4)
#define KERNEL_INVOCATIONS GROUP_LANES

KERNEL_CONSTANTS(MEASURE_CONSTANTS)
KERNEL_DECL(measure_shared, BUFFERS, PARAMS, SHARED)

KERNEL_BODY(measure_shared, BUFFERS, PARAMS, SHARED)
{
    LOCALS(BUFFERS, SHARED)
    PRIVATE(float4, sums, MEASURE_READS, MEASURE_READS);
    const uint group = GROUP;
    const uint rounds = group < PARAM(group_count) ? PARAM(rounds) : 0u;
    for (uint i = LOCAL_X; i < MEASURE_SHARED_FLOAT4; i += GROUP_LANES)
        SH_STORE(tile, i, SPLAT4(AS_FLOAT(LOAD1(source, i % 8u))));
    BARRIER();
    UNROLL for (uint k = 0u; k < MEASURE_READS; k++)
        sums[k] = SPLAT4(0.0f);
    uint place = LOCAL_X;
    ROLLED for (uint n = 0u; n < rounds; n++) {
        UNROLL for (uint pass = 0u; pass < MEASURE_PASSES; pass++) {
            UNROLL for (uint k = 0u; k < MEASURE_READS; k++)
                sums[k] = ADD4(sums[k], SH_LOAD(tile, (place + k) % MEASURE_SHARED_FLOAT4));
            place += MEASURE_READS;
        }
    }
    float4 sum = SPLAT4(0.0f);
    UNROLL for (uint k = 0u; k < MEASURE_READS; k++)
        sum = ADD4(sum, sums[k]);
    if (group < PARAM(group_count))
        STORE1(target, group * GROUP_LANES + LOCAL_X, AS_UINT(MAX(MAX(sum.x, sum.y), MAX(sum.z, sum.w))));
}
