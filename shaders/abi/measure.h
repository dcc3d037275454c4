/* ABI of the kernels that measure a device's rates: constants, bindings, parameters and sizes, read by C and by the
 * kernels alike. shaders/abi/softmax.h says how such a list is read.
 *
 * Every kernel has the same constants, bindings and parameters. A lane runs `rounds` rounds of MEASURE_PASSES passes and
 * writes one word, from which the host sees that the work was done. */
#ifndef FV_ABI_MEASURE_H
#define FV_ABI_MEASURE_H

/* DTYPE: fovea_dtype of the operands. Native kernels do the work of GROUP_LANES lanes in one call. */
#define MEASURE_CONSTANTS(C) C(0, GROUP_LANES) C(1, DTYPE)

/* source: operands, or what is copied; target: a word of each lane (word g * GROUP_LANES + lane), or the copy. */
#define MEASURE_BUFFERS(IN, OUT, IO) IN(0, source) OUT(1, target)

/* step: 0, which no compiler knows, so that nothing is taken out of a loop. words: those to copy. Workgroups beyond
 * group_count are idle. */
#define MEASURE_PARAMS(P) P(uint, rounds) P(uint, step) P(uint, words) P(uint, group_count)

#define MEASURE_PASSES 4
/* measure_fma: operands a[SIDE], then b[SIDE], 32-bit words or packed pairs; a tile uses as many as it has rows and
 * columns. Native kernels have NATIVE_ROWS x SIDE, two columns at a time: as many chains as 16 registers hold. */
#define MEASURE_SIDE 8
#define MEASURE_NATIVE_ROWS 6
/* measure_matrix: matrices of a subgroup, and words of the source that they are read from, for 16 rows and 16 columns at
 * the most: each begins 8 elements behind the one before, and its rows too. DTYPE is that of the module's name. */
#define MEASURE_MATRIX_LEFTS 2
#define MEASURE_MATRIX_RIGHTS 4
#define MEASURE_MATRIX_WORDS 88
/* measure_matrix (native): a round is one product of MATRIX_ROWS rows and 2 * MATRIX_PAIRS neighbours with the lanes' own
 * columns, both made of the operands of measure_fma, b in words of two neighbours; a lane leaves the sum of its column. */
#define MEASURE_MATRIX_ROWS 32
#define MEASURE_MATRIX_PAIRS 64
/* measure_exp2: independent chains. */
#define MEASURE_CHAINS 8
/* measure_shared: float4s of the shared array, and reads of a lane in a pass. */
#define MEASURE_SHARED_FLOAT4 512
#define MEASURE_READS 8
/* measure_copy: words of a lane. */
#define MEASURE_COPIES 16

/* Loop iterations of a round at the most, with no loop unrolled, and besides. */
#define MEASURE_TRIPS 320
#define MEASURE_TRIPS_FIXED 1024

#endif
