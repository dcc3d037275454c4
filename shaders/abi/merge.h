/* ABI of the merge kernels: constant ids, bindings, parameters and sizes, read by C and by the kernels alike.
 * shaders/abi/softmax.h says how such a list is read, and has the values of *_DTYPE.
 *
 * Row n of a merge is query n % seq_q of head n / seq_q % heads of batch entry n / seq_q / heads. A dispatch works on the
 * row_count rows from first_row on; `place` is a row's number among them. A tensor's parameters are the element offset of
 * its first element from the start of its binding and the strides, in elements, of part, batch, head and row. */
#ifndef FV_ABI_MERGE_H
#define FV_ABI_MERGE_H

#include "abi/softmax.h"

/* merge_sum: DIM_V to O_WORDS, as in abi/softmax.h; A and B are the sources of a dispatch. merge_weigh: OFFSETS, 1 where
 * there are some, and LSE, 1 where it is written. */
#define MERGE_CONSTANTS(C) \
    C(0, DIM_V)            \
    C(1, A_DTYPE)          \
    C(2, B_DTYPE)          \
    C(3, O_DTYPE)          \
    C(4, A_WIDE)           \
    C(5, B_WIDE)           \
    C(6, O_WORDS)          \
    C(7, OFFSETS)          \
    C(8, LSE)

/* Invocations of a workgroup, and the rows of a call of native kernels. */
#define MERGE_LANES 64u
#define MERGE_NATIVE_ROWS 16u
/* Loop iterations of one invocation at the most, where there are so many parts. */
#define MERGE_TRIPS(parts) (4u * (parts))

/* merge_weigh: workgroup g (of a grid that may be folded) owns rows from place g * MERGE_LANES on, a lane one of them.
 * Part first_part + r of `work` becomes part r of `from`, plus offset first_part + r. With `last`, the weights of all
 * `parts` parts are made of what is there, and lse is written.
 * Part r of the row at `place` lies in `work` at word work_offset + r * row_count + place. */
#define MERGE_WEIGH_PARAMS(P)                                                                         \
    P(uint, from_offset) P(uint, from_part) P(uint, from_batch) P(uint, from_head) P(uint, from_row)  \
    P(uint, shift_offset) P(uint, shift_part) P(uint, shift_batch) P(uint, shift_head) P(uint, shift_row) \
    P(uint, lse_offset) P(uint, lse_batch) P(uint, lse_head)                                          \
    P(uint, work_offset) P(uint, first_part) P(uint, from_parts) P(uint, parts) P(uint, last)         \
    P(uint, heads) P(uint, seq_q) P(uint, first_row) P(uint, row_count)
/* Without OFFSETS binding 1 is bound to `from`, and without LSE binding 3 to `work`. */
#define MERGE_WEIGH_BUFFERS(IN, OUT, IO) IN(0, from) IN(1, shifts) IO(2, work) OUT(3, lse)

/* Columns of a lane of merge_sum; the sums of a row in `work` are padded to them. */
#define MERGE_COLUMNS 4u
#define MERGE_QUADS(dim_v) (((dim_v) + MERGE_COLUMNS - 1u) / MERGE_COLUMNS)

/* merge_sum: adds a_parts parts of source a and b_parts of source b, times their weights, to a sum that starts from 0 with
 * `fresh` and else from `work`; with `last` it goes to o, else to `work`. Workgroup g owns MERGE_LANES times MERGE_COLUMNS
 * columns of consecutive rows. The weights are those of parts 0 .. a_parts + b_parts - 1 at weight_offset, in `work`, or
 * they are the caller's coefficients, which are bound there where nothing else is.
 * The sum of columns 4 q to 4 q + 3 of the row at `place` lies at word
 * sum_offset + (place * MERGE_QUADS(DIM_V) + q) * MERGE_COLUMNS. */
#define MERGE_SUM_PARAMS(P)                                                                              \
    P(uint, weight_offset) P(uint, weight_part) P(uint, weight_batch) P(uint, weight_head) P(uint, weight_row) \
    P(uint, a_offset) P(uint, a_part) P(uint, a_batch) P(uint, a_head) P(uint, a_row)                    \
    P(uint, b_offset) P(uint, b_part) P(uint, b_batch) P(uint, b_head) P(uint, b_row)                    \
    P(uint, o_offset) P(uint, o_batch) P(uint, o_head) P(uint, o_row)                                    \
    P(uint, a_parts) P(uint, b_parts) P(uint, sum_offset) P(uint, fresh) P(uint, last)                   \
    P(uint, heads) P(uint, seq_q) P(uint, first_row) P(uint, row_count)
/* Without a source b binding 3 is bound to a. */
#define MERGE_SUM_BUFFERS(IN, OUT, IO) IO(0, work) OUT(1, o) IN(2, a) IN(3, b)

#endif
