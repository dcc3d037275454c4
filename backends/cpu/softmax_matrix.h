/* The inner loops of softmax attention on 16-bit operands, for one block of rows and one tile of keys.
 *
 * As in softmax_block.h rows lie in the lanes, `vectors` vectors of them, and every array has the block's width as its
 * stride. Words hold two bf16 neighbours along the dim that a product sums over:
 *
 *      q [dim_qk / 2][width]   words of two head dims, as stored
 *      s [keys][width]         scores, float; then in the same place
 *      p [keys / 2][width]     words of two keys' weights
 *      acc [dim_v][width]      the output's numerator, transposed, float
 *
 *      scores   s   = K q        K: rows of a panel, [keys][dim_qk]
 *      weigh    p   = 2^(scale s - m), rounded to bf16; maxima; l sums the weights before they are rounded
 *      values   acc += V^T p     V^T: rows of a panel, [dim_v][keys]
 *
 * Both products are one routine (product.h), whose sums are float32, in the order of the keys.
 *
 * A key that is hidden from a row has the score -inf and so the weight 0. That is enough where all values of the tile are
 * finite; where one is not, values are added key by key, and rows that do not see a key keep their sums.
 */
#ifndef FV_CPU_SOFTMAX_MATRIX_H
#define FV_CPU_SOFTMAX_MATRIX_H

#include "product.h"
#include "softmax_block.h"
#include "softmax_words.h"

#if defined(FV_CPU_PRODUCTS)

typedef struct matrix_tile {
    const unsigned char *k, *v; /* of a panel */
    size_t k_row, v_row;        /* bytes */
    uint32_t full, some;
    float scale; /* at least 0 */
    int finite;  /* all values are */
} matrix_tile;

/* ---- weights ------------------------------------------------------------------------------------------------- */

/* Hides what a row does not see, and the keys that fill the last step of a product; finds each row's maximum. */
INLINE void hide_scores(const int vectors, const softmax_block *block, const matrix_tile *tile, vfloat *highest)
{
    const uint32_t width = (uint32_t)vectors * LANES, padded = (uint32_t)round_up(tile->some, 2 * PRODUCT_PAIRS);
    const vfloat hidden = v_splat(-INFINITY);
    for (int n = 0; n < vectors; n++)
        highest[n] = hidden;
    float *s = block->s;
    for (uint32_t j = 0; j < tile->full; j++, s += width)
        UNROLL
    for (int n = 0; n < vectors; n++)
        highest[n] = v_max(v_load(s + n * LANES), highest[n]);
    for (uint32_t j = tile->full; j < tile->some; j++, s += width)
        for (int n = 0; n < vectors; n++) {
            const vint key = v_splat_int((int32_t)j);
            const vint seen =
                (key >= v_load_int(block->begins + n * LANES)) & (key < v_load_int(block->limits + n * LANES));
            const vfloat score = v_select(seen, v_load(s + n * LANES), hidden);
            v_store(s + n * LANES, score);
            highest[n] = v_max(score, highest[n]);
        }
    for (uint32_t j = tile->some; j < padded; j++, s += width)
        for (int n = 0; n < vectors; n++)
            v_store(s + n * LANES, hidden);
    for (int n = 0; n < vectors; n++)
        highest[n] *= tile->scale; /* -inf, which raises no maximum, where a row sees no score */
}

/* Words of two vectors of weights, rounded to nearest even. */
INLINE __m512i round_pair(vfloat even, vfloat odd)
{
    const __m512i order = _mm512_set_epi32(0x001f000f, 0x001e000e, 0x001d000d, 0x001c000c, 0x001b000b, 0x001a000a,
                                           0x00190009, 0x00180008, 0x00170007, 0x00160006, 0x00150005, 0x00140004,
                                           0x00130003, 0x00120002, 0x00110001, 0x00100000);
    return _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh((__m512)odd, (__m512)even));
}

/* The weight of a score. `marked`: that of -inf is -0. */
INLINE vfloat weight_of(const int marked, vfloat score, float scale, vfloat m)
{
    const vfloat p = v_exp2(score * scale - m);
    return marked ? v_select(score < v_splat(-FLT_MAX), v_splat(-0.0f), p) : p;
}

INLINE void weigh_pairs(const int vectors, const int marked, const softmax_block *block, const matrix_tile *tile,
                        vfloat *sum)
{
    const uint32_t pairs = (uint32_t)round_up(tile->some, 2 * PRODUCT_PAIRS) / 2, width = (uint32_t)vectors * LANES;
    const float *s = block->s;
    float *p = block->s;
    vfloat m[ROW_VECTORS];
    for (int n = 0; n < vectors; n++) {
        m[n] = v_load(block->m + n * LANES);
        sum[n] = (vfloat){0};
    }
    for (uint32_t j = 0; j < pairs; j++, s += 2 * width, p += width)
        UNROLL
    for (int n = 0; n < vectors; n++) {
        const vfloat even = weight_of(marked, v_load(s + n * LANES), tile->scale, m[n]);
        const vfloat odd = weight_of(marked, v_load(s + width + n * LANES), tile->scale, m[n]);
        sum[n] += even;
        sum[n] += odd;
        v_store(p + n * LANES, (vfloat)round_pair(even, odd));
    }
}

/* Scores to weights; l and acc brought up to date. */
INLINE void weigh_matrix(const int vectors, const softmax_block *block, const matrix_tile *tile)
{
    vfloat highest[ROW_VECTORS], factor[ROW_VECTORS], sum[ROW_VECTORS];
    hide_scores(vectors, block, tile, highest);
    if (raise_maxima(vectors, block, highest, factor))
        rescale(vectors, block, factor);
    if (tile->finite)
        weigh_pairs(vectors, 0, block, tile, sum);
    else
        weigh_pairs(vectors, 1, block, tile, sum);
    for (int n = 0; n < vectors; n++)
        v_store(block->l + n * LANES, v_load(block->l + n * LANES) * factor[n] + sum[n]);
}

/* ---- values -------------------------------------------------------------------------------------------------- */

/* Adds values key by key: a weight of -0 leaves its row's sums as they are. */
INLINE void values_by_key(const int vectors, const softmax_block *block, const matrix_tile *tile)
{
    const uint32_t width = (uint32_t)vectors * LANES;
    for (uint32_t j = 0; j < tile->some; j++)
        for (int n = 0; n < vectors; n++) {
            const vuint words = (vuint)v_load(block->s + j / 2 * width + n * LANES);
            const vfloat p = (vfloat)(j % 2 ? words & 0xffff0000u : words << 16);
            for (uint32_t c = 0; c < block->dim_v; c++) {
                uint16_t element;
                memcpy(&element, tile->v + c * tile->v_row + 2 * (size_t)j, sizeof element);
                float *acc = block->acc + c * width + n * LANES;
                const vfloat v = (vfloat)(v_splat_int(element) << 16);
                v_store(acc, add_value(1, p, v, v_load(acc)));
            }
        }
}

/* ---- the block ----------------------------------------------------------------------------------------------- */

/* Scores as they come from a product, times the scale and capped. */
INLINE void cap_products(const softmax_block *block, size_t count, float scale)
{
    for (size_t i = 0; i < count; i += LANES)
        v_store(block->s + i, v_soft_cap(v_load(block->s + i) * v_splat(scale), block->cap));
}

INLINE void attend_words(const int vectors, const softmax_block *block, const matrix_tile *tile)
{
    const uint32_t *words = (const uint32_t *)(const void *)block->q;
    multiply(vectors, 0, &(matrix_product){tile->k, tile->k_row, tile->some, (block->dim_qk + 1) / 2, words, block->s});
    matrix_tile scaled = *tile;
    if (block->cap > 0.0f) {
        cap_products(block, (size_t)tile->some * (size_t)vectors * LANES, tile->scale);
        scaled.scale = 1.0f;
    }
    weigh_matrix(vectors, block, &scaled);
    words = (const uint32_t *)(const void *)block->s;
    if (tile->finite)
        multiply(vectors, 1,
                 &(matrix_product){tile->v, tile->v_row, block->dim_v, (tile->some + 1) / 2, words, block->acc});
    else
        values_by_key(vectors, block, tile);
}

static void attend_words_1(const softmax_block *block, const matrix_tile *tile)
{
    attend_words(1, block, tile);
}

static void attend_words_2(const softmax_block *block, const matrix_tile *tile)
{
    attend_words(2, block, tile);
}

static void (*const attend_matrix[ROW_VECTORS])(const softmax_block *, const matrix_tile *) = {attend_words_1,
                                                                                               attend_words_2};

#endif

#endif
