/* Products of matrices of bf16 with float32 sums, where this instruction set has them: by dot products of pairs, or on a tile
 * unit. FV_CPU_PRODUCTS says that it has.
 *
 *      c [rows][width] = or += a [rows][2 * pairs] b [pairs][width]        width: 1 to PRODUCT_VECTORS vectors
 *
 * Rows of a hold neighbours of the summed dim side by side; a word of b holds the two that meet them. Between begin_products
 * and end_products, on one thread, multiply(vectors, accumulate, product) may be called; the first two are literals. What
 * PRODUCT_PAIRS pads has to be readable, and c writable, up to whole steps of pairs and PRODUCT_ROWS rows; it does no harm
 * where the pairs of b beyond the last are zero and those of a finite. */
#ifndef FV_CPU_PRODUCT_H
#define FV_CPU_PRODUCT_H

#include "vector.h"

#if defined(__AVX512BF16__)
#define FV_CPU_PRODUCTS 1

enum { PRODUCT_VECTORS = 2 };

typedef struct matrix_product {
    const unsigned char *a;
    size_t a_row; /* bytes */
    uint32_t rows, pairs;
    const uint32_t *b;
    float *c;
} matrix_product;

#if defined(FV_CPU_TILES)
#include "product_tiles.h"
#else
#include "product_dot.h"
#endif

#endif

#endif
