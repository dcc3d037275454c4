/* The product of product.h on a tile unit (AMX-BF16): 32 rows by up to 32 lanes of c in four tiles, two tiles of the
 * left operand, two of the right one; a step sums over 16 pairs. Denormal operands and results count as zero.
 *
 *               b: 6   b: 7            tile: 16 rows of 64 bytes
 *      a: 4     c: 0   c: 1
 *      a: 5     c: 2   c: 3
 *
 * TILE(loadd) and so on are the compiler's intrinsics, or, for tests on machines without such a unit, functions that do the
 * same on ordinary memory. */
#ifndef FV_CPU_PRODUCT_TILES_H
#define FV_CPU_PRODUCT_TILES_H

#if defined(FV_CPU_TILES_IN_C)
#include "tiles_in_c.h"
#define TILE(operation) c_tile_##operation
#else
#define TILE(operation) _tile_##operation
#endif

enum { PRODUCT_PAIRS = 16, PRODUCT_ROWS = 16, TILE_ROWS = PRODUCT_ROWS, TILE_BYTES = 64 };

/* The intrinsics do not say which memory they touch: what `used` points to, and all that others can reach. */
INLINE void settle_memory(const void *used)
{
    __asm__ volatile("" : : "r"(used) : "memory");
}

/* Before the first product of a work item, and after the last. */
INLINE void begin_products(void)
{
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } shape = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        shape.row_bytes[i] = TILE_BYTES;
        shape.rows[i] = TILE_ROWS;
    }
    settle_memory(&shape);
    TILE(loadconfig)(&shape);
}

INLINE void end_products(void)
{
    TILE(release)();
}

/* Rows first .. first + 16 * halves - 1 of c. */
INLINE void multiply_tiles(const int vectors, const int halves, const int accumulate, const matrix_product *x,
                           uint32_t first)
{
    const size_t row = (size_t)vectors * TILE_BYTES;
    const unsigned char *a = x->a + first * x->a_row, *b = (const unsigned char *)x->b;
    unsigned char *c = (unsigned char *)x->c + first * row, *lower = c + TILE_ROWS * row;
    TILE(zero)(0);
    TILE(zero)(1);
    TILE(zero)(2);
    TILE(zero)(3);
    if (accumulate) {
        TILE(loadd)(0, c, row);
        if (vectors == 2)
            TILE(loadd)(1, c + TILE_BYTES, row);
        if (halves == 2)
            TILE(loadd)(2, lower, row);
        if (halves == 2 && vectors == 2)
            TILE(loadd)(3, lower + TILE_BYTES, row);
    }
    for (uint32_t pair = 0; pair < x->pairs; pair += PRODUCT_PAIRS, a += TILE_BYTES, b += PRODUCT_PAIRS * row) {
        TILE(loadd)(4, a, x->a_row);
        TILE(loadd)(6, b, row);
        TILE(dpbf16ps)(0, 4, 6);
        if (halves == 2) {
            TILE(loadd)(5, a + TILE_ROWS * x->a_row, x->a_row);
            TILE(dpbf16ps)(2, 5, 6);
        }
        if (vectors == 2) {
            TILE(loadd)(7, b + TILE_BYTES, row);
            TILE(dpbf16ps)(1, 4, 7);
        }
        if (halves == 2 && vectors == 2)
            TILE(dpbf16ps)(3, 5, 7);
    }
    TILE(stored)(0, c, row);
    if (vectors == 2)
        TILE(stored)(1, c + TILE_BYTES, row);
    if (halves == 2)
        TILE(stored)(2, lower, row);
    if (halves == 2 && vectors == 2)
        TILE(stored)(3, lower + TILE_BYTES, row);
}

/* Rows and pairs are padded to whole tiles: memory of all operands reaches so far. */
INLINE void multiply(const int vectors, const int accumulate, const matrix_product *x)
{
    uint32_t i = 0;
    settle_memory(x->c);
    for (; i + TILE_ROWS < x->rows; i += 2 * TILE_ROWS)
        multiply_tiles(vectors, 2, accumulate, x, i);
    if (i < x->rows)
        multiply_tiles(vectors, 1, accumulate, x, i);
    settle_memory(x->c);
}

#endif
