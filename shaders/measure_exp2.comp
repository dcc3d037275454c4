/* Rate of exp2: x <- exp2(-x), eight chains a lane, from any start in [0, 1] towards the one x with x = exp2(-x),
 * 0.641186: each step brings it nearer by a factor of 0.44.
 *
 * A lane owns its chains; lanes share nothing. No shared memory, no barrier. */
#include "abi/measure.h"
#define PARAMS(P) MEASURE_PARAMS(P)
#define BUFFERS(IN, OUT, IO) MEASURE_BUFFERS(IN, OUT, IO)
#define SHARED(S)
#define KERNEL_INVOCATIONS GROUP_LANES

KERNEL_CONSTANTS(MEASURE_CONSTANTS)
KERNEL_DECL(measure_exp2, BUFFERS, PARAMS, SHARED)

KERNEL_BODY(measure_exp2, BUFFERS, PARAMS, SHARED)
{
    LOCALS(BUFFERS, SHARED)
    PRIVATE(float, x, MEASURE_CHAINS, MEASURE_CHAINS);
    const uint group = GROUP;
    if (group >= PARAM(group_count))
        return;
    UNROLL for (uint i = 0u; i < MEASURE_CHAINS; i++)
        x[i] = AS_FLOAT(LOAD1(source, i));
    ROLLED for (uint n = 0u; n < PARAM(rounds); n++) {
        UNROLL for (uint pass = 0u; pass < MEASURE_PASSES; pass++) {
            UNROLL for (uint i = 0u; i < MEASURE_CHAINS; i++)
                x[i] = EXP2(-x[i]);
        }
    }
    float sum = 0.0f;
    UNROLL for (uint i = 0u; i < MEASURE_CHAINS; i++)
        sum = sum + x[i];
    STORE1(target, group * GROUP_LANES + LOCAL_X, AS_UINT(sum));
}
