/* NumPy's .npy format, versions 1.0 to 3.0: little-endian arrays in C order, out of and into memory.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#ifndef FOVEA_CLI_NPY_H
#define FOVEA_CLI_NPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define NPY_RANK_MAX 32 /* NumPy's own limit before 2.0 */

typedef enum npy_type {
    NPY_F32, /* '<f4' */
    NPY_F16, /* '<f2' */
    NPY_U16, /* '<u2' */
    NPY_TYPE_COUNT
} npy_type;

typedef struct npy_array {
    npy_type type;
    uint32_t rank;
    uint64_t shape[NPY_RANK_MAX];
    uint64_t data_size;  /* bytes */
    const uint8_t *data; /* inside the bytes that were parsed */
} npy_array;

/* NumPy's name of a type, such as "float32". */
const char *npy_type_name(npy_type type);

/* Reads a whole file at `bytes`. False: not such a file; `reason` (`room` bytes) says why. Never trusts a
 * number of the file beyond `size`. */
bool npy_parse(const uint8_t *bytes, size_t size, npy_array *out_array, char *reason, size_t room);

/* Writes a version 1.0 file: header, then the data. Errors stay in the stream. */
void npy_write(FILE *stream, const npy_array *array);

#endif
