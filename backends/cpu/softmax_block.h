/* The inner loops of softmax attention for one block of rows and one tile of keys.
 *
 * Rows lie in the lanes: a block is `vectors` vectors of rows wide (1 or 2, a literal in both copies of
 * this code). Every array is stored with rows fastest and the block's width as its stride:
 *
 *      q [dim_qk][width]   the queries, transposed, times scale
 *      s [keys][width]     scores, then weights
 *      acc [dim_v][width]  the output's numerator, transposed
 *
 *      scores   s[j][rows]   = sum_d k[j][d] * q[d][rows]      8 keys x 2 vectors in registers (AVX-512)
 *      weigh    s[j][rows]   = 2^(s - m), maxima, sums and the rescale rule, lane by lane
 *      values   acc[c][rows] += sum_j v[j][c] * s[j][rows]     8 columns x 2 vectors in registers
 *
 * Both products broadcast one element of K or V, which are read row by row as they are stored, and nothing is
 * ever reduced across lanes. Each element of acc is one chain of fused operations in the order of the keys,
 * so that no cut of the key range on a tile border changes a bit.
 *
 * Visibility: row r sees the keys begins[r] to limits[r] - 1 of the tile. Keys below `full` are seen by all rows of the
 * block, keys from `some` on by none. A key that is hidden from a row, or whose score is -inf, gets the
 * weight -0, and where such a weight can occur `values` keeps acc instead of adding: 0 * NaN would be NaN.
 */
#ifndef FV_CPU_SOFTMAX_BLOCK_H
#define FV_CPU_SOFTMAX_BLOCK_H

#include <float.h>
#include <math.h>

#include "vector.h"

/* Register blocking: ROW_VECTORS vectors of rows by KEYS_AT_ONCE keys, or columns of V: half of the
 * registers. */
#if defined(__AVX512F__) || defined(__aarch64__)
enum { ROW_VECTORS = 2, KEYS_AT_ONCE = 8 };
#else
enum { ROW_VECTORS = 2, KEYS_AT_ONCE = 4 };
#endif

enum { BLOCK_ROWS = ROW_VECTORS * LANES };

/* A rise of the maximum that is let stand: weights stay below 2^8. Exact, for m is whatever was subtracted.
 */
#define RESCALE_AT 8.0f

typedef struct softmax_block {
    uint32_t dim_qk, dim_v;
    const float *q;
    float *acc;
    float *m, *l;                   /* [rows]: m in log2 units */
    const int32_t *begins, *limits; /* [rows] */
    float *s;
    float cap; /* of scores, in log2 units; 0: none */
} softmax_block;

typedef struct softmax_tile {
    const float *k, *v; /* rows of keys: f32, element stride 1 */
    size_t k_row, v_row;
    uint32_t full, some;
} softmax_tile;

/* ---- scores ----------------------------------------------------------------------------------------- */

INLINE void scores_of(const int vectors, const int keys, const softmax_block *block, const float *k, size_t k_row,
                      float *s)
{
    const float *q = block->q;
    const uint32_t dim = block->dim_qk;
    vfloat sum[KEYS_AT_ONCE][ROW_VECTORS];
    UNROLL
    for (int i = 0; i < keys; i++) {
        UNROLL
        for (int n = 0; n < vectors; n++)
            sum[i][n] = (vfloat){0};
    }
    for (uint32_t d = 0; d < dim; d++, q += vectors * LANES) {
        vfloat rows[ROW_VECTORS];
        UNROLL
        for (int n = 0; n < vectors; n++)
            rows[n] = v_load(q + n * LANES);
        UNROLL
        for (int i = 0; i < keys; i++) {
            const vfloat element = v_splat(k[(size_t)i * k_row + d]);
            UNROLL
            for (int n = 0; n < vectors; n++)
                sum[i][n] = v_fma(element, rows[n], sum[i][n]);
        }
    }
    UNROLL
    for (int i = 0; i < keys; i++) {
        UNROLL
        for (int n = 0; n < vectors; n++)
            v_store(s + (i * vectors + n) * LANES, sum[i][n]);
    }
}

INLINE void scores(const int vectors, const softmax_block *block, const softmax_tile *tile)
{
    const size_t width = (size_t)vectors * LANES;
    const uint32_t count = tile->some;
    uint32_t j = 0;
    for (; j + KEYS_AT_ONCE <= count; j += KEYS_AT_ONCE)
        scores_of(vectors, KEYS_AT_ONCE, block, tile->k + j * tile->k_row, tile->k_row, block->s + j * width);
    for (; j + 3 <= count; j += 3)
        scores_of(vectors, 3, block, tile->k + j * tile->k_row, tile->k_row, block->s + j * width);
    for (; j < count; j++)
        scores_of(vectors, 1, block, tile->k + j * tile->k_row, tile->k_row, block->s + j * width);
}

/* ---- weights ---------------------------------------------------------------------------------------- */

/* Hides what a row does not see; finds each row's maximum. Returns from which key on a weight may be -0. */
INLINE uint32_t hide_and_find_maxima(const int vectors, const softmax_block *block, const softmax_tile *tile,
                                     vfloat *highest)
{
    const int width = vectors * LANES;
    vfloat lowest[ROW_VECTORS];
    for (int n = 0; n < vectors; n++) {
        highest[n] = v_splat(-FLT_MAX);
        lowest[n] = v_splat(FLT_MAX);
    }
    float *s = block->s;
    for (uint32_t j = 0; j < tile->full; j++, s += width)
        UNROLL
    for (int n = 0; n < vectors; n++) {
        const vfloat score = v_load(s + n * LANES);
        highest[n] = v_max(score, highest[n]);
        lowest[n] = v_min(score, lowest[n]);
    }
    for (uint32_t j = tile->full; j < tile->some; j++, s += width)
        for (int n = 0; n < vectors; n++) {
            const vint key = v_splat_int((int32_t)j);
            const vint seen =
                (key >= v_load_int(block->begins + n * LANES)) & (key < v_load_int(block->limits + n * LANES));
            const vfloat score = v_select(seen, v_load(s + n * LANES), v_splat(-INFINITY));
            v_store(s + n * LANES, score);
            highest[n] = v_max(score, highest[n]);
        }
    vint removed = {0};
    for (int n = 0; n < vectors; n++)
        removed |= lowest[n] < v_splat(-FLT_MAX);
    return v_any(removed) ? 0 : tile->full;
}

/* Raises m where a maximum rose by more than RESCALE_AT; gives the factor that l and acc are owed.
 * Returns whether any factor is not 1. */
INLINE int raise_maxima(const int vectors, const softmax_block *block, const vfloat *highest, vfloat *factor)
{
    int any = 0;
    for (int n = 0; n < vectors; n++) {
        const vfloat m = v_load(block->m + n * LANES);
        const vint rises = highest[n] > m + RESCALE_AT;
        const vfloat raised = v_select(rises, highest[n], m);
        factor[n] = v_select(rises, v_exp2(m - raised), v_splat(1.0f));
        v_store(block->m + n * LANES, raised);
        any |= v_any(rises);
    }
    return any;
}

/* s = 2^(s - m), added to sum. `marked`: weights of -inf become -0. */
INLINE void weigh_keys(const int vectors, const int marked, float *s, uint32_t count, const vfloat *m, vfloat *sum)
{
    for (uint32_t j = 0; j < count; j++, s += vectors * LANES)
        UNROLL
    for (int n = 0; n < vectors; n++) {
        const vfloat x = v_load(s + n * LANES);
        vfloat p = v_exp2(x - m[n]);
        if (marked)
            p = v_select(x < v_splat(-FLT_MAX), v_splat(-0.0f), p);
        sum[n] += p;
        v_store(s + n * LANES, p);
    }
}

INLINE void rescale(const int vectors, const softmax_block *block, const vfloat *factor)
{
    float *acc = block->acc;
    for (uint32_t c = 0; c < block->dim_v; c++, acc += vectors * LANES)
        UNROLL
    for (int n = 0; n < vectors; n++)
        v_store(acc + n * LANES, v_load(acc + n * LANES) * factor[n]);
}

/* Scores to weights; l brought up to date; acc rescaled. Returns from which key on a weight may be -0. */
INLINE uint32_t weigh(const int vectors, const softmax_block *block, const softmax_tile *tile)
{
    const int width = vectors * LANES;
    vfloat highest[ROW_VECTORS], factor[ROW_VECTORS], m[ROW_VECTORS], sum[ROW_VECTORS];
    const uint32_t plain = hide_and_find_maxima(vectors, block, tile, highest);
    if (raise_maxima(vectors, block, highest, factor))
        rescale(vectors, block, factor);
    for (int n = 0; n < vectors; n++) {
        m[n] = v_load(block->m + n * LANES);
        sum[n] = (vfloat){0};
    }
    weigh_keys(vectors, 0, block->s, plain, m, sum);
    weigh_keys(vectors, 1, block->s + plain * (size_t)width, tile->some - plain, m, sum);
    for (int n = 0; n < vectors; n++)
        v_store(block->l + n * LANES, v_load(block->l + n * LANES) * factor[n] + sum[n]);
    return plain;
}

/* ---- values ----------------------------------------------------------------------------------------- */

/* sum + p * v, but sum itself where p is -0 and `marked`. */
INLINE vfloat add_value(const int marked, vfloat p, vfloat v, vfloat sum)
{
    const vfloat added = v_fma(p, v, sum);
    return marked ? v_select((vint)p == v_splat_int(INT32_MIN), sum, added) : added;
}

/* Keys whose values are added to acc. */
typedef struct weighted_keys {
    const float *p; /* weights */
    const float *v;
    size_t v_row;
    uint32_t count;
} weighted_keys;

/* acc[first .. first + columns) += values times weights. */
INLINE void values_of(const int vectors, const int columns, const int marked, const weighted_keys *keys, float *acc,
                      uint32_t first)
{
    vfloat sum[KEYS_AT_ONCE][ROW_VECTORS];
    const float *p = keys->p, *v = keys->v + first;
    acc += (size_t)first * (size_t)vectors * LANES;
    UNROLL
    for (int i = 0; i < columns; i++) {
        UNROLL
        for (int n = 0; n < vectors; n++)
            sum[i][n] = v_load(acc + (i * vectors + n) * LANES);
    }
    for (uint32_t j = 0; j < keys->count; j++, p += vectors * LANES, v += keys->v_row) {
        vfloat rows[ROW_VECTORS];
        UNROLL
        for (int n = 0; n < vectors; n++)
            rows[n] = v_load(p + n * LANES);
        UNROLL
        for (int i = 0; i < columns; i++) {
            const vfloat element = v_splat(v[i]);
            UNROLL
            for (int n = 0; n < vectors; n++)
                sum[i][n] = add_value(marked, rows[n], element, sum[i][n]);
        }
    }
    UNROLL
    for (int i = 0; i < columns; i++) {
        UNROLL
        for (int n = 0; n < vectors; n++)
            v_store(acc + (i * vectors + n) * LANES, sum[i][n]);
    }
}

INLINE void values(const int vectors, const int marked, const softmax_block *block, const softmax_tile *tile,
                   uint32_t begin, uint32_t end)
{
    const weighted_keys keys = {block->s + begin * (size_t)vectors * LANES, tile->v + begin * tile->v_row, tile->v_row,
                                end - begin};
    uint32_t c = 0;
    for (; c + KEYS_AT_ONCE <= block->dim_v; c += KEYS_AT_ONCE)
        values_of(vectors, KEYS_AT_ONCE, marked, &keys, block->acc, c);
    for (; c + 3 <= block->dim_v; c += 3)
        values_of(vectors, 3, marked, &keys, block->acc, c);
    for (; c < block->dim_v; c++)
        values_of(vectors, 1, marked, &keys, block->acc, c);
}

/* ---- the block -------------------------------------------------------------------------------------- */

INLINE void attend(const int vectors, const softmax_block *block, const softmax_tile *tile)
{
    scores(vectors, block, tile);
    if (block->cap > 0.0f)
        v_soft_cap_all(block->s, (size_t)tile->some * (size_t)vectors * LANES, block->cap);
    const uint32_t plain = weigh(vectors, block, tile);
    if (plain > 0)
        values(vectors, 0, block, tile, 0, plain);
    if (plain < tile->some)
        values(vectors, 1, block, tile, plain, tile->some);
}

static void attend_1(const softmax_block *block, const softmax_tile *tile)
{
    attend(1, block, tile);
}

static void attend_2(const softmax_block *block, const softmax_tile *tile)
{
    attend(2, block, tile);
}

static void (*const attend_block[ROW_VECTORS])(const softmax_block *, const softmax_tile *) = {attend_1, attend_2};

#endif
