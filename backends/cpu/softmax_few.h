/* The inner loops of softmax attention for a few rows (decode): at most FEW_ROWS, too few to fill the lanes.
 *
 * Here the head dims lie in the lanes, K and V are read once, in place and as they are stored, and everything
 * else stays in registers and the first cache, so that the speed is that of memory:
 *
 *      q [slots][row]      the queries times scale, rows padded with zeros to whole vectors
 *      s [keys][slots]     scores, then weights; slots: rows rounded up to a power of two, so that a vector
 * holds whole keys and the exponentials waste no lane acc [slots][row]    the output's numerator
 *
 *      dots    s[j][row]    = sum_d k[j][d] * q[row][d]      up to 4 keys x 4 rows in registers, then folded
 *      weigh   s[j][row]    = 2^(s - m), maxima and sums; the rescale rule of softmax_block.h
 *      values  acc[row][c] += sum_j s[j][row] * v[j][c]      up to 4 rows x 4 vectors in registers
 *
 * Meaning of full, some, limits and of the weight -0, and the order of additions over keys: as in
 * softmax_block.h.
 */
#ifndef FV_CPU_SOFTMAX_FEW_H
#define FV_CPU_SOFTMAX_FEW_H

#include "convert.h"
#include "softmax_block.h"

enum { FEW_ROWS = LANES / 2 };

typedef struct softmax_few {
    uint32_t rows, slots;
    uint32_t dim_qk, dim_v; /* rounded up to whole vectors */
    const float *q;
    float *acc;
    float *m, *l;                   /* [rows] */
    const int32_t *begins, *limits; /* [rows] */
    float *s;
    float cap; /* of scores, in log2 units; 0: none */
} softmax_few;

typedef struct few_tile {
    const unsigned char *k, *v; /* rows of whole vectors */
    size_t k_row, v_row;        /* bytes */
    uint32_t k_dtype, v_dtype;
    uint32_t full, some;
} few_tile;

INLINE uint32_t few_slots(uint32_t rows)
{
    return rows <= 1 ? 1 : rows <= 2 ? 2 : rows <= 4 ? 4 : 8;
}

INLINE vfloat v_load_as(const uint32_t dtype, const unsigned char *row, size_t element)
{
    if (dtype == FOVEA_F16)
        return v_load_half((const uint16_t *)(const void *)row + element);
    if (dtype == FOVEA_BF16)
        return v_load_bf16((const uint16_t *)(const void *)row + element);
    return v_load((const float *)(const void *)row + element);
}

/* ---- scores ----------------------------------------------------------------------------------------- */

typedef float vquad __attribute__((vector_size(16)));

/* A vector folded to four lanes: halves onto halves. */
INLINE vquad fold(vfloat x)
{
#if VECTOR_BYTES == 64
    typedef float voct __attribute__((vector_size(32)));
    const voct half = __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7) +
                      __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
    return __builtin_shufflevector(half, half, 0, 1, 2, 3) + __builtin_shufflevector(half, half, 4, 5, 6, 7);
#elif VECTOR_BYTES == 32
    return __builtin_shufflevector(x, x, 0, 1, 2, 3) + __builtin_shufflevector(x, x, 4, 5, 6, 7);
#else
    return x;
#endif
}

/* The sums of four vectors' lanes. */
INLINE vquad sums_of_four(vquad a, vquad b, vquad c, vquad d)
{
    const vquad ab = __builtin_shufflevector(a, b, 0, 4, 1, 5) + __builtin_shufflevector(a, b, 2, 6, 3, 7);
    const vquad cd = __builtin_shufflevector(c, d, 0, 4, 1, 5) + __builtin_shufflevector(c, d, 2, 6, 3, 7);
    return __builtin_shufflevector(ab, cd, 0, 1, 4, 5) + __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}

/* Rows and keys whose scores are wanted: s[key * slots + row] = k[key] . q[row]. */
typedef struct dot_range {
    const float *q;
    const unsigned char *k;
    size_t k_row; /* bytes */
    uint32_t dim, slots;
    float *s;
} dot_range;

/* `rows` x `keys` dots; the product is a multiple of 4, at most 16. */
INLINE void dots_of(const int rows, const int keys, const uint32_t dtype, const dot_range *range)
{
    const uint32_t dim = range->dim;
    vfloat sum[16]; /* [key][row] */
    UNROLL
    for (int i = 0; i < keys * rows; i++)
        sum[i] = (vfloat){0};
    for (uint32_t d = 0; d < dim; d += LANES) {
        vfloat query[4];
        UNROLL
        for (int r = 0; r < rows; r++)
            query[r] = v_load(range->q + (size_t)r * dim + d);
        UNROLL
        for (int i = 0; i < keys; i++) {
            const vfloat element = v_load_as(dtype, range->k + (size_t)i * range->k_row, d);
            UNROLL
            for (int r = 0; r < rows; r++)
                sum[i * rows + r] = v_fma(element, query[r], sum[i * rows + r]);
        }
    }
    UNROLL
    for (int i = 0; i < keys * rows; i += 4) {
        const vquad quad = sums_of_four(fold(sum[i]), fold(sum[i + 1]), fold(sum[i + 2]), fold(sum[i + 3]));
        UNROLL
        for (int e = 0; e < 4; e++)
            range->s[(uint32_t)((i + e) / rows) * range->slots + (uint32_t)((i + e) % rows)] = quad[e];
    }
}

/* Asks for the tile's V while its K is at work. */
INLINE void prefetch_values(const few_tile *tile, uint32_t key, int keys, size_t v_bytes)
{
    enum { CACHE_LINE = 64 };
    for (int i = 0; i < keys; i++)
        for (size_t byte = 0; byte < v_bytes; byte += CACHE_LINE)
            __builtin_prefetch(tile->v + (key + (uint32_t)i) * tile->v_row + byte);
}

/* Scores of `rows` (1, 2 or 4) rows from `first` on with all keys of the tile. */
INLINE void dots(const int rows, const uint32_t dtype, const softmax_few *few, const few_tile *tile, uint32_t first)
{
    const int keys = rows == 1 ? 8 : 4;
    const size_t v_bytes = few->dim_v * element_size(tile->v_dtype);
    dot_range range = {.q = few->q + (size_t)first * few->dim_qk, .dim = few->dim_qk};
    uint32_t j = 0;
    for (; j + (uint32_t)keys <= tile->some; j += (uint32_t)keys) {
        if (first == 0)
            prefetch_values(tile, j, keys, v_bytes);
        range.k = tile->k + j * tile->k_row, range.k_row = tile->k_row;
        range.s = few->s + j * few->slots + first, range.slots = few->slots;
        dots_of(rows, keys, dtype, &range);
    }
    for (; j < tile->some; j++) { /* the last keys one by one: the same key in all places */
        float same[16];
        range.k = tile->k + j * tile->k_row, range.k_row = 0;
        range.s = same, range.slots = (uint32_t)rows;
        dots_of(rows, 4, dtype, &range);
        memcpy(few->s + j * few->slots + first, same, sizeof(float) * (size_t)rows);
    }
}

/* ---- weights ---------------------------------------------------------------------------------------- */

/* Hides what a row does not see and what lies between the last key and the end of the last vector.
 * Returns from which key on a weight may be -0. */
INLINE uint32_t hide_few(const softmax_few *few, const few_tile *tile)
{
    const uint32_t slots = few->slots, used = tile->some * slots;
    float *s = few->s;
    for (uint32_t j = tile->full; j < tile->some; j++)
        for (uint32_t r = 0; r < few->rows; r++)
            if ((int32_t)j < few->begins[r] || (int32_t)j >= few->limits[r])
                s[j * slots + r] = -INFINITY;
    for (uint32_t i = used; i < (used + LANES - 1) / LANES * LANES; i++)
        s[i] = -INFINITY;
    vint removed = {0};
    uint32_t i = 0;
    for (; i + LANES <= tile->full * slots; i += LANES)
        removed |= v_load(s + i) < v_splat(-FLT_MAX);
    int any = v_any(removed);
    for (; i < tile->full * slots; i++)
        any |= s[i] < -FLT_MAX;
    return any ? 0 : tile->full;
}

/* Highest score of each row, by lanes first. */
INLINE void maxima_few(const softmax_few *few, uint32_t used, float *highest)
{
    vfloat most = v_splat(-FLT_MAX);
    for (uint32_t i = 0; i < used; i += LANES)
        most = v_max(v_load(few->s + i), most);
    float lane[LANES];
    v_store(lane, most);
    for (uint32_t r = 0; r < few->rows; r++) {
        highest[r] = -FLT_MAX;
        for (uint32_t i = r; i < LANES; i += few->slots)
            highest[r] = lane[i] > highest[r] ? lane[i] : highest[r];
    }
}

/* The rescale rule for one row; returns its m. */
INLINE float raise_row(const softmax_few *few, uint32_t row, float highest)
{
    if (highest > few->m[row] + RESCALE_AT) {
        const vfloat factor = v_exp2(v_splat(few->m[row] - highest));
        float *acc = few->acc + (size_t)row * few->dim_v;
        for (uint32_t c = 0; c < few->dim_v; c += LANES)
            v_store(acc + c, v_load(acc + c) * factor);
        few->l[row] *= factor[0];
        few->m[row] = highest;
    }
    return few->m[row];
}

/* Scores to weights; l and acc brought up to date. Returns from which key on a weight may be -0. */
INLINE uint32_t weigh_few(const softmax_few *few, const few_tile *tile)
{
    const uint32_t used = tile->some * few->slots;
    const uint32_t plain = hide_few(few, tile);
    float highest[LANES], lane[LANES] = {0};
    maxima_few(few, used, highest);
    for (uint32_t r = 0; r < few->rows; r++) {
        const float m = raise_row(few, r, highest[r]);
        for (uint32_t i = r; i < LANES; i += few->slots)
            lane[i] = m;
    }
    const vfloat m = v_load(lane);
    vfloat sum = {0};
    for (uint32_t i = 0; i < used; i += LANES) {
        const vfloat x = v_load(few->s + i);
        const vfloat p = v_select(x < v_splat(-FLT_MAX), v_splat(-0.0f), v_exp2(x - m));
        sum += p;
        v_store(few->s + i, p);
    }
    v_store(lane, sum);
    for (uint32_t r = 0; r < few->rows; r++) {
        float row_sum = 0.0f;
        for (uint32_t i = r; i < LANES; i += few->slots)
            row_sum += lane[i];
        few->l[r] += row_sum;
    }
    return plain;
}

/* ---- values ----------------------------------------------------------------------------------------- */

/* Rows and keys whose values are added: acc[row] += sum of p[key][row] * v[key]. */
typedef struct value_range {
    const float *p;
    const unsigned char *v;
    size_t v_row; /* bytes */
    float *acc;
    uint32_t slots, count, columns;
} value_range;

INLINE value_range values_range(const softmax_few *few, const few_tile *tile, uint32_t first, uint32_t begin,
                                uint32_t end)
{
    return (value_range){.p = few->s + begin * few->slots + first,
                         .v = tile->v + begin * tile->v_row,
                         .v_row = tile->v_row,
                         .acc = few->acc + (size_t)first * few->dim_v,
                         .slots = few->slots,
                         .count = end - begin,
                         .columns = few->dim_v};
}

/* `rows` rows by `vectors` vectors of columns from column `c` on. */
INLINE void values_few_of(const int rows, const int vectors, const int marked, const uint32_t dtype,
                          const value_range *range, uint32_t c)
{
    vfloat sum[4][4];
    const float *p = range->p;
    const unsigned char *v = range->v;
    float *acc = range->acc + c;
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int n = 0; n < vectors; n++)
            sum[r][n] = v_load(acc + (size_t)r * range->columns + (size_t)n * LANES);
    }
    for (uint32_t j = 0; j < range->count; j++, p += range->slots, v += range->v_row) {
        if (marked && float_bits(p[0]) == 0x80000000u)
            continue;
        vfloat element[4];
        UNROLL
        for (int n = 0; n < vectors; n++)
            element[n] = v_load_as(dtype, v, c + (size_t)n * LANES);
        UNROLL
        for (int r = 0; r < rows; r++) {
            const vfloat weight = v_splat(p[r]);
            UNROLL
            for (int n = 0; n < vectors; n++)
                sum[r][n] = v_fma(weight, element[n], sum[r][n]);
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int n = 0; n < vectors; n++)
            v_store(acc + (size_t)r * range->columns + (size_t)n * LANES, sum[r][n]);
    }
}

/* Adds a range of keys to `rows` (1, 2 or 4) rows. `marked` needs rows = 1. */
INLINE void values_few(const int rows, const int marked, const uint32_t dtype, const value_range range)
{
    uint32_t c = 0;
    for (; c + 4 * LANES <= range.columns; c += 4 * LANES)
        values_few_of(rows, 4, marked, dtype, &range, c);
    for (; c < range.columns; c += LANES)
        values_few_of(rows, 1, marked, dtype, &range, c);
}

/* ---- by storage and row count ------------------------------------------------------------------------- */

INLINE void dots_by_rows(const uint32_t dtype, const softmax_few *few, const few_tile *tile)
{
    if (few->slots == 1)
        dots(1, dtype, few, tile, 0);
    else if (few->slots == 2)
        dots(2, dtype, few, tile, 0);
    else
        for (uint32_t first = 0; first < few->slots; first += 4)
            dots(4, dtype, few, tile, first);
}

INLINE void values_by_rows(const uint32_t dtype, const softmax_few *few, const few_tile *tile, uint32_t plain)
{
    if (few->slots == 1)
        values_few(1, 0, dtype, values_range(few, tile, 0, 0, plain));
    else if (few->slots == 2)
        values_few(2, 0, dtype, values_range(few, tile, 0, 0, plain));
    else
        for (uint32_t first = 0; first < few->slots; first += 4)
            values_few(4, 0, dtype, values_range(few, tile, first, 0, plain));
    if (plain < tile->some)
        for (uint32_t row = 0; row < few->rows; row++)
            values_few(1, 1, dtype, values_range(few, tile, row, plain, tile->some));
}

static void attend_few(const softmax_few *few, const few_tile *tile)
{
    switch ((fovea_dtype)tile->k_dtype) {
    case FOVEA_F16: dots_by_rows(FOVEA_F16, few, tile); break;
    case FOVEA_BF16: dots_by_rows(FOVEA_BF16, few, tile); break;
    case FOVEA_F32:
    case FOVEA_DTYPE_COUNT: dots_by_rows(FOVEA_F32, few, tile); break;
    }
    if (few->cap > 0.0f)
        v_soft_cap_all(few->s, (size_t)tile->some * few->slots, few->cap);
    const uint32_t plain = weigh_few(few, tile);
    switch ((fovea_dtype)tile->v_dtype) {
    case FOVEA_F16: values_by_rows(FOVEA_F16, few, tile, plain); break;
    case FOVEA_BF16: values_by_rows(FOVEA_BF16, few, tile, plain); break;
    case FOVEA_F32:
    case FOVEA_DTYPE_COUNT: values_by_rows(FOVEA_F32, few, tile, plain); break;
    }
}

#endif
