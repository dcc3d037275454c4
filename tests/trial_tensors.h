/* The tensors of a trial: shapes and layouts of a case, values, poison, guards. Internal to trial*.c. */
#ifndef TESTS_TRIAL_TENSORS_H
#define TESTS_TRIAL_TENSORS_H

#include "trial.h"

enum { TRIAL_GUARD = 64 }; /* bytes before and after a tensor */

/* Makes the view, strides, place and image (all poison) of every tensor of the case. */
void tensors_shape(trial *t);
/* Writes the values that the run may read. */
void tensors_fill(trial *t);

/* The byte of element {batch, head, row, column} in the image. */
uint64_t tensors_place(const trial_tensor *x, const uint32_t index[4]);
/* Extents of a tensor in the run: those of the view cut to the run's sizes; four of them. */
void tensors_run_extents(const trial *t, int tensor, uint32_t extents[4]);

/* Fills with words that are NaN in every dtype, a different one at each place. */
void tensors_guard(unsigned char *memory, uint64_t size);
/* Fills with NaN and infinities of a dtype. */
void tensors_poison(unsigned char *memory, uint64_t size, fovea_dtype dtype);
/* The first byte that differs, or `size`. An assertion per byte would be slow: each one is a system call. */
uint64_t tensors_difference(const unsigned char *a, const unsigned char *b, uint64_t size);

#endif
