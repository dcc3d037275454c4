/* Rate of a copy from buffer to buffer, and with no words a dispatch of nothing.
 *
 * A workgroup owns GROUP_LANES * MEASURE_COPIES neighbouring words; a lane takes every GROUP_LANES-th of them, so that neighbouring
 * lanes touch neighbouring words. No shared memory, no barrier. */
#include "abi/measure.h"
#define PARAMS(P) MEASURE_PARAMS(P)
#define BUFFERS(IN, OUT, IO) MEASURE_BUFFERS(IN, OUT, IO)
#define SHARED(S)
#define KERNEL_INVOCATIONS GROUP_LANES

KERNEL_CONSTANTS(MEASURE_CONSTANTS)
KERNEL_DECL(measure_copy, BUFFERS, PARAMS, SHARED)

KERNEL_BODY(measure_copy, BUFFERS, PARAMS, SHARED)
{
    LOCALS(BUFFERS, SHARED)
    const uint group = GROUP;
    if (group >= PARAM(group_count))
        return;
    const uint first = group * GROUP_LANES * MEASURE_COPIES + LOCAL_X;
    UNROLL for (uint n = 0u; n < MEASURE_COPIES; n++) {
        const uint i = first + n * GROUP_LANES;
        if (i < PARAM(words))
            STORE1(target, i, LOAD1(source, i));
    }
}
