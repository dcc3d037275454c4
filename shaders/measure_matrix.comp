/* Rate of matrix multiply-adds: sums[r] += left * right, MEASURE_MATRIX_SUMS independent chains of a subgroup, all in
 * registers. Plain GLSL: matrices exist in Vulkan alone.
 *
 *                  right                 Every row of `left` and every column of `right` is 1/8, 2/8, ... 8/8 over and
 *                  [    ]  K x N         over: they begin MEASURE_SIDE elements apart in a source of that period, `right`
 *      left [    ] [sums]                one row later, so that the two are not one. All components of all sums are
 *           M x K   M x N                equal: n times sum over k of (k % 8 + 1)^2 / 64, exactly.
 *
 * A subgroup owns its matrices, a lane its components, whichever they are; lanes write one component, or NaN where two
 * differ. `step` is 0, which no compiler knows, so that no two chains are one. No shared memory, no barrier. */
#include "abi/measure.h"
#define PARAMS(P) MEASURE_PARAMS(P)
#define BUFFERS(IN, OUT, IO) MEASURE_BUFFERS(IN, OUT, IO)
#define SHARED(S)

KERNEL_CONSTANTS(MEASURE_CONSTANTS)
KERNEL_DECL(measure_matrix, BUFFERS, PARAMS, SHARED)

KERNEL_BODY(measure_matrix, BUFFERS, PARAMS, SHARED)
{
    MATRIX_LEFT left;
    MATRIX_RIGHT right;
    MATRIX_SUM sums[MEASURE_MATRIX_SUMS];
    const uint group = GROUP_X + GROUP_Y * PARAM(grid_x);
    if (group >= PARAM(group_count))
        return;
    coopMatLoad(left, b1_source, 0u, MEASURE_SIDE / 2u, gl_CooperativeMatrixLayoutRowMajor);
    coopMatLoad(right, b1_source, MEASURE_SIDE / 2u, MEASURE_SIDE / 2u, gl_CooperativeMatrixLayoutColumnMajor);
    UNROLL for (uint r = 0u; r < MEASURE_MATRIX_SUMS; r++)
        sums[r] = MATRIX_SUM(float(r * PARAM(step)));
    ROLLED for (uint n = 0u; n < PARAM(rounds); n++) {
        UNROLL for (uint pass = 0u; pass < MEASURE_PASSES; pass++) {
            UNROLL for (uint r = 0u; r < MEASURE_MATRIX_SUMS; r++)
                sums[r] = coopMatMulAdd(left, right, sums[r]);
        }
    }
    const float first = sums[0][0];
    bool equal = true;
    UNROLL for (uint r = 0u; r < MEASURE_MATRIX_SUMS; r++) {
        for (int i = 0; i < sums[r].length(); i++)
            equal = equal && sums[r][i] == first;
    }
    STORE1(target, group * GROUP_LANES + LOCAL_X, equal ? AS_UINT(first) : 0x7fc00000u);
}
