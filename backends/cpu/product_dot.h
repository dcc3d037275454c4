/* The product of product.h by dot products of pairs (AVX512-BF16): a word of the left operand is broadcast, and each
 * lane adds its two products to a float32 sum. Denormal operands and results count as zero, whatever the thread's mode. */
#ifndef FV_CPU_PRODUCT_DOT_H
#define FV_CPU_PRODUCT_DOT_H

enum { PRODUCT_PAIRS = 1, PRODUCT_ROWS = 1 }; /* nothing to pad */
enum { DOT_ROWS = 8 };                        /* half of the registers hold sums */

INLINE void begin_products(void)
{
}

INLINE void end_products(void)
{
}

/* `rows` rows of c, all of its width. */
INLINE void multiply_rows(const int vectors, const int rows, const int accumulate, const matrix_product *x,
                          uint32_t first)
{
    const size_t width = (size_t)vectors * LANES;
    const unsigned char *a = x->a + first * x->a_row;
    const uint32_t *b = x->b;
    float *c = x->c + first * width;
    __m512 sum[DOT_ROWS][PRODUCT_VECTORS];
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int n = 0; n < vectors; n++)
            sum[i][n] = accumulate ? (__m512)v_load(c + (i * vectors + n) * LANES) : _mm512_setzero_ps();
    }
    for (uint32_t pair = 0; pair < x->pairs; pair++, a += 4, b += width) {
        __m512bh lanes[PRODUCT_VECTORS];
        UNROLL
        for (int n = 0; n < vectors; n++)
            lanes[n] = (__m512bh)_mm512_loadu_si512(b + n * LANES);
        UNROLL
        for (int i = 0; i < rows; i++) {
            int32_t word;
            memcpy(&word, a + (size_t)i * x->a_row, sizeof word);
            const __m512bh element = (__m512bh)_mm512_set1_epi32(word);
            UNROLL
            for (int n = 0; n < vectors; n++)
                sum[i][n] = _mm512_dpbf16_ps(sum[i][n], element, lanes[n]);
        }
    }
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int n = 0; n < vectors; n++)
            v_store(c + (i * vectors + n) * LANES, (vfloat)sum[i][n]);
    }
}

INLINE void multiply(const int vectors, const int accumulate, const matrix_product *x)
{
    uint32_t i = 0;
    for (; i + DOT_ROWS <= x->rows; i += DOT_ROWS)
        multiply_rows(vectors, DOT_ROWS, accumulate, x, i);
    for (; i + 3 <= x->rows; i += 3)
        multiply_rows(vectors, 3, accumulate, x, i);
    for (; i < x->rows; i++)
        multiply_rows(vectors, 1, accumulate, x, i);
}

#endif
