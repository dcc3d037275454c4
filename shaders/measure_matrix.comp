/* Rate of matrix multiply-adds: sums[i][j] += left[i] * right[j], all in registers, as a tile of attention has them. Plain
 * GLSL: matrices exist in Vulkan alone.
 *
 *                  right[0] .. [3]       Every row of a left and every column of a right is 1/8, 2/8, ... 8/8 over and over:
 *      left[0] [                   ]     they begin MEASURE_SIDE elements apart in a source of that period, and so do the
 *      left[1] [  sums, M x N each ]     matrices, lest one serve for another. All components of all sums are equal: n
 *        M x K                           times sum over k of (k % 8 + 1)^2 / 64, exactly.
 *
 * Eight independent chains: more than matrix units are deep. The lefts are read anew each round, that is once for
 * MEASURE_PASSES * MEASURE_MATRIX_RIGHTS multiply-adds, so that no product is taken out of the loop; `step` is 0, which no
 * compiler knows.
 *
 * A subgroup owns its matrices, a lane its components, whichever they are; lanes write one component, or NaN where two
 * differ. No shared memory, no barrier. */
#include "abi/measure.h"
#define PARAMS(P) MEASURE_PARAMS(P)
#define BUFFERS(IN, OUT, IO) MEASURE_BUFFERS(IN, OUT, IO)
#define SHARED(S)
#define LEFTS MEASURE_MATRIX_LEFTS
#define RIGHTS MEASURE_MATRIX_RIGHTS
#define ROW (MEASURE_SIDE / 2) /* words from one to the next */

KERNEL_CONSTANTS(MEASURE_CONSTANTS)
KERNEL_DECL(measure_matrix, BUFFERS, PARAMS, SHARED)

KERNEL_BODY(measure_matrix, BUFFERS, PARAMS, SHARED)
{
    MATRIX_LEFT left[LEFTS];
    MATRIX_RIGHT right[RIGHTS];
    MATRIX_SUM sums[LEFTS * RIGHTS];
    const uint group = GROUP;
    if (group >= PARAM(group_count))
        return;
    UNROLL for (uint j = 0u; j < RIGHTS; j++)
        coopMatLoad(right[j], b1_source, (LEFTS + j) * ROW, ROW, gl_CooperativeMatrixLayoutColumnMajor);
    UNROLL for (uint r = 0u; r < LEFTS * RIGHTS; r++)
        sums[r] = MATRIX_SUM(0.0);
    ROLLED for (uint n = 0u; n < PARAM(rounds); n++) {
        UNROLL for (uint i = 0u; i < LEFTS; i++)
            coopMatLoad(left[i], b1_source, i * ROW + n * PARAM(step), ROW, gl_CooperativeMatrixLayoutRowMajor);
        UNROLL for (uint pass = 0u; pass < MEASURE_PASSES; pass++) {
            UNROLL for (uint r = 0u; r < LEFTS * RIGHTS; r++)
                sums[r] = coopMatMulAdd(left[r / RIGHTS], right[r % RIGHTS], sums[r]);
        }
    }
    const float first = sums[0][0];
    bool equal = true;
    UNROLL for (uint r = 0u; r < LEFTS * RIGHTS; r++) {
        for (int i = 0; i < sums[r].length(); i++)
            equal = equal && sums[r][i] == first;
    }
    STORE1(target, group * GROUP_LANES + LOCAL_X, equal ? AS_UINT(first) : 0x7fc00000u);
}
