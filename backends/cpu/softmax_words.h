/* 16-bit operands as matrix instructions take them: words of two neighbours along the summed dim.
 *
 * A panel is what work items read of one key tile of a unit:
 *
 *      header                  1 where a value is not finite, else 0
 *      k [keys][k_row]         keys as they are stored, rows padded with zeros
 *      v [columns][v_row]      values transposed: a row is one column, its elements are keys
 *
 * Both are left operands of a product whose right operand has the queries of a block in its lanes.
 */
#ifndef FV_CPU_SOFTMAX_WORDS_H
#define FV_CPU_SOFTMAX_WORDS_H

#include "vector.h"

enum {
    PANEL_HEADER = 64,
    PANEL_PAIRS = 16,             /* pairs that a row is padded to */
    PANEL_KEYS = 2 * PANEL_PAIRS, /* keys, columns and dims in one step of packing */
    PANEL_COLUMNS = LANES,        /* columns that values are padded to */
    BF16_EXPONENT = 0x7f80,       /* all ones: infinity or NaN */
    BF16_NAN = 0x7fc0,
};

static inline size_t round_up(size_t value, size_t unit)
{
    return (value + unit - 1) / unit * unit;
}

/* Bytes of a row of `count` elements: whole cache lines, and rows read side by side do not share a cache set. */
static inline size_t panel_stride(size_t count)
{
    const size_t bytes = round_up(2 * count, 64);
    return bytes % 512 == 0 ? bytes + 64 : bytes;
}

typedef struct panel_layout {
    size_t k_row, v_row, v, size; /* bytes; v: where values begin */
} panel_layout;

static inline panel_layout panel_layout_of(size_t keys, size_t dim_qk, size_t dim_v)
{
    panel_layout layout = {.k_row = panel_stride(dim_qk), .v_row = panel_stride(keys)};
    layout.v = PANEL_HEADER + keys * layout.k_row;
    layout.size = layout.v + round_up(dim_v, PANEL_COLUMNS) * layout.v_row;
    return layout;
}

#if defined(__AVX512BF16__)

/* The first `count` of 32 elements; the others, and all where count <= 0, are zero and not read. */
INLINE __m512i load_elements(const unsigned char *from, int64_t count)
{
    const __mmask32 mask = count >= 32 ? 0xffffffffu : count <= 0 ? 0 : (1u << count) - 1u;
    return _mm512_maskz_loadu_epi16(mask, from);
}

/* Row i, lane j to row j, lane i. */
INLINE void transpose_words(__m512i x[16])
{
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    UNROLL
    for (int stage = 0; stage < 4; stage++) {
        __m512i y[16];
        UNROLL
        for (int i = 0; i < 8; i++) {
            y[2 * i] = _mm512_permutex2var_epi32(x[i], low, x[i + 8]);
            y[2 * i + 1] = _mm512_permutex2var_epi32(x[i], high, x[i + 8]);
        }
        UNROLL
        for (int i = 0; i < 16; i++)
            x[i] = y[i];
    }
}

/* Values of a tile as rows: `count` keys of `columns` elements, `row` bytes from key to key. */
typedef struct value_rows {
    const unsigned char *data;
    size_t row;
    uint32_t count, columns;
} value_rows;

/* Keys first_key .. first_key + 31 and 16 columns from `column` on, transposed to rows of 64 bytes. Returns whether all are
 * finite. */
INLINE int transpose_values(const value_rows *from, uint32_t first_key, uint32_t column, unsigned char *to,
                            size_t to_row)
{
    const uint32_t left = from->columns - column;
    const __mmask16 mask = left >= 16 ? 0xffffu : (__mmask16)((1u << left) - 1u);
    const __m512i exponent = _mm512_set1_epi16(BF16_EXPONENT);
    __mmask32 special = 0;
    __m512i x[16];
    UNROLL
    for (int i = 0; i < 16; i++) {
        __m512i pair[2];
        UNROLL
        for (uint32_t n = 0; n < 2; n++) {
            const uint32_t key = first_key + 2 * (uint32_t)i + n;
            const unsigned char *place = from->data + key * from->row + 2 * (size_t)column;
            pair[n] = key < from->count ? _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, place))
                                        : _mm512_setzero_si512();
        }
        x[i] = _mm512_or_si512(pair[0], _mm512_slli_epi32(pair[1], 16));
        special |= _mm512_cmpeq_epi16_mask(_mm512_and_si512(x[i], exponent), exponent);
    }
    transpose_words(x);
    UNROLL
    for (int i = 0; i < 16; i++)
        _mm512_storeu_si512(to + (size_t)i * to_row, x[i]);
    return special == 0;
}

/* Keys beyond `count` become zeros, as far as a product may read them. */
static void pack_keys(const value_rows *from, unsigned char *to, size_t to_row)
{
    for (uint32_t j = 0; j < round_up(from->count, PANEL_KEYS); j++)
        for (uint32_t d = 0; d < round_up(from->columns, PANEL_KEYS); d += 32) {
            const int64_t count = j < from->count ? (int64_t)from->columns - d : 0;
            const unsigned char *place = count > 0 ? from->data + j * from->row + 2 * (size_t)d : to;
            _mm512_storeu_si512(to + j * to_row + 2 * (size_t)d, load_elements(place, count));
        }
}

/* Returns whether all values are finite. */
static int pack_values(const value_rows *from, unsigned char *to, size_t to_row)
{
    int finite = 1;
    for (uint32_t c = 0; c < from->columns; c += PANEL_COLUMNS)
        for (uint32_t j = 0; j < from->count; j += PANEL_KEYS)
            finite &= transpose_values(from, j, c, to + c * to_row + 2 * (size_t)j, to_row);
    return finite;
}

/* What queries are multiplied by before they become operands: a sign, or 0. */
typedef enum query_factor { QUERY_AS_IS, QUERY_NEGATED, QUERY_TIMES_ZERO } query_factor;

INLINE __m512i times_factor(__m512i x, query_factor factor)
{
    const __m512i exponent = _mm512_set1_epi16(BF16_EXPONENT);
    if (factor == QUERY_TIMES_ZERO)
        return _mm512_maskz_set1_epi16(_mm512_cmpeq_epi16_mask(_mm512_and_si512(x, exponent), exponent), BF16_NAN);
    return factor == QUERY_NEGATED ? _mm512_xor_si512(x, _mm512_set1_epi16(INT16_MIN)) : x;
}

/* 16 queries of `dim` elements to words [pair][width]; `to`: the first one's lane. NULL: a query of zeros. */
static void pack_queries(const unsigned char *const from[16], uint32_t dim, query_factor factor, uint32_t *to,
                         size_t width)
{
    for (uint32_t d = 0; d < dim; d += PANEL_KEYS) {
        __m512i x[16];
        UNROLL
        for (int i = 0; i < 16; i++)
            x[i] = from[i] ? times_factor(load_elements(from[i] + 2 * (size_t)d, (int64_t)dim - d), factor)
                           : _mm512_setzero_si512();
        transpose_words(x);
        UNROLL
        for (uint32_t i = 0; i < PANEL_PAIRS; i++)
            _mm512_storeu_si512(to + (d / 2 + i) * width, x[i]);
    }
}

#endif

#endif
