#include "softmax_case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define F32  SOFTMAX_F32
#define F16  SOFTMAX_F16
#define BF16 SOFTMAX_BF16

/* Lanes are few, so that an interpreter gets through: 4 or 8 in a workgroup. */
/* clang-format off */
const softmax_case SOFTMAX_CASES[] = {
    /* name               b  hq hk hv  nq  nk  dqk dv    q    k    v    o  causal lse pad off sp sl  lr lc tm tn tv ch sg */
    {"f32",               1, 1, 1, 1,   9, 21,  8,  8, F32, F32, F32, F32,  0, 1, 0, 0,  0, 0,  2, 2, 4, 4, 4,  8, 0},
    {"tail_narrow",       1, 2, 1, 2,   5, 13,  5,  3, F32, F32, F32, F32,  1, 1, 2, 1,  0, 0,  2, 2, 4, 4, 4,  8, 0},
    {"grouped_f16",       2, 4, 2, 1,   3, 11, 12, 20, F16, F16, F16, F16,  1, 1, 0, 0,  0, 0,  2, 2, 4, 4, 4,  8, 0},
    {"odd_f16",           1, 2, 2, 2,   6,  9,  7,  5, F16, F16, F16, F16,  0, 0, 0, 1,  0, 0,  2, 2, 4, 4, 4,  8, 0},
    {"mixed_top_left",    1, 3, 3, 3,   7, 19,  8, 12, F32, F16, BF16, BF16, 2, 1, 4, 4, 0, 0,  2, 4, 4, 4, 4,  4, 0},
    {"rows_without_keys", 1, 1, 1, 1,  14,  5,  4,  4, F32, F32, F32, F16,  1, 1, 0, 0,  0, 0,  2, 2, 4, 4, 4,  4, 0},
    {"decode_one_row",    1, 4, 2, 2,   1, 37, 16,  8, F32, F16, F16, F32,  1, 1, 0, 0,  0, 0,  2, 4, 1, 4, 4,  8, 0},
    {"large_tile",        1, 1, 1, 1,  19, 35, 12, 20, F32, F32, F32, F32,  1, 1, 0, 0,  0, 0,  2, 2, 8, 8, 8,  8, 0},
    {"carried",           1, 2, 1, 1,   5, 37,  8, 12, F32, F16, F16, F32,  1, 1, 0, 0,  1, 3,  2, 2, 4, 4, 4,  8, 0},
    {"split",             1, 2, 2, 1,   3, 41,  6,  5, F32, F32, BF16, F16, 0, 1, 1, 0,  3, 1,  2, 2, 4, 4, 4,  8, 0},
    {"split_carried",     2, 1, 1, 1,   9, 50,  8,  8, F16, F16, F16, F16,  2, 1, 0, 0,  2, 2,  2, 2, 4, 4, 4,  4, 0},
    {"split_one_row",     1, 2, 1, 1,   1, 70,  8,  4, F32, F32, F32, F32,  0, 0, 0, 0,  4, 1,  1, 4, 1, 4, 4,  8, 0},
    {"window",            1, 2, 1, 1,  21, 40,  8,  4, F32, F32, F32, F32,  0, 1, 0, 0,  0, 0,  2, 2, 4, 4, 4,  8, 0, 1, 6, 3},
    {"window_carried",    1, 1, 1, 1,  13, 61,  8,  8, F32, F16, F16, F32,  1, 1, 0, 0,  2, 2,  2, 2, 4, 4, 4,  8, 0, 1, 30, 0},
    {"sinks",             1, 4, 2, 1,  11, 23,  8,  8, F32, F32, F32, F32,  1, 1, 0, 0,  0, 0,  2, 2, 4, 4, 4,  8, 0, 0, 0, 0, 1},
    {"sinks_split",       1, 4, 4, 4,   3, 41,  8,  4, F32, F32, F32, F32,  1, 1, 0, 0,  3, 1,  2, 2, 4, 4, 4,  8, 0, 0, 0, 0, 1},
};
/* clang-format on */
const uint32_t SOFTMAX_CASE_COUNT = sizeof SOFTMAX_CASES / sizeof SOFTMAX_CASES[0];

#define NAME(id, name) [id] = #name,
const char *const CASE_CONSTANT_NAMES[CASE_CONSTANTS] = {SOFTMAX_CONSTANTS(NAME)};

/* ---- elements -------------------------------------------------------------------------------- */

static uint32_t float_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float bits_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static double half_value(uint32_t half)
{
    const int exponent = (int)(half >> 10 & 31u);
    const double mantissa = (double)(half & 1023u);
    double x = exponent ? ldexp(mantissa + 1024.0, exponent - 25) : ldexp(mantissa, -24);
    if (exponent == 31)
        x = half & 1023u ? (double)NAN : (double)INFINITY;
    return half & 0x8000u ? -x : x;
}

static double get(const case_tensor *t, uint32_t element)
{
    if (t->dtype == F32)
        return (double)bits_float(t->words[element]);
    const uint32_t bits = t->words[element / 2] >> (element % 2 * 16) & 0xffffu;
    return t->dtype == F16 ? half_value(bits) : (double)bits_float(bits << 16);
}

/* `x` must be exact in the dtype. */
static void put(const case_tensor *t, uint32_t element, float x)
{
    const uint32_t bits = float_bits(x);
    uint32_t value = bits;
    if (t->dtype == F16)
        value = x == 0.0f ? 0 : (bits >> 16 & 0x8000u) | ((bits & 0x7fffffffu) - 0x38000000u) >> 13;
    if (t->dtype == BF16)
        value = bits >> 16;
    if (t->dtype == F32) {
        t->words[element] = value;
        return;
    }
    const uint32_t shift = element % 2 * 16;
    t->words[element / 2] = (t->words[element / 2] & ~(0xffffu << shift)) | value << shift;
}

static uint32_t place(const case_tensor *t, uint32_t b, uint32_t h, uint32_t row)
{
    return t->offset + b * t->batch + h * t->head + row * t->row;
}

/* ---- data ------------------------------------------------------------------------------------ */

static case_tensor create_tensor(const softmax_case *c, uint32_t heads, uint32_t rows, uint32_t dim, uint32_t dtype)
{
    case_tensor t = {.dtype = dtype, .offset = c->offset, .row = dim + c->pad};
    t.head = t.row * rows;
    t.batch = t.head * heads;
    const uint32_t elements = t.offset + t.batch * c->batch;
    t.word_count = ((dtype == F32 ? elements : (elements + 1) / 2) + 4) / 4 * 4; /* at least one word behind the end */
    t.words = malloc(t.word_count * sizeof *t.words);
    memset(t.words, 0xff, t.word_count * sizeof *t.words);
    return t;
}

/* Values with 6 significant bits in [-2, 2], exact in every dtype. */
static void fill_tensor(const softmax_case *c, const case_tensor *t, uint32_t heads, uint32_t rows, uint32_t dim,
                        uint32_t seed)
{
    for (uint32_t b = 0; b < c->batch; b++)
        for (uint32_t h = 0; h < heads; h++)
            for (uint32_t r = 0; r < rows; r++)
                for (uint32_t d = 0; d < dim; d++) {
                    seed = seed * 1664525u + 1013904223u;
                    put(t, place(t, b, h, r) + d, (float)((int)(seed >> 26) - 32) / 16.0f);
                }
}

static uint32_t divisor(uint32_t a, uint32_t b)
{
    while (b) {
        const uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static bool wide(const case_tensor *t, uint32_t dim)
{
    return t->batch % 4 == 0 && t->head % 4 == 0 && t->row % 4 == 0 && dim % 4 == 0;
}

static void fill_constants(case_data *data)
{
    const softmax_case *c = data->c;
    const bool words = c->o_dtype == F32 || (data->o.row % 2 == 0 && data->o.head % 2 == 0 && c->dim_v % 2 == 0);
    const uint32_t values[CASE_CONSTANTS] = {c->lane_rows,
                                             c->lane_cols,
                                             c->tm,
                                             c->tn,
                                             c->tv,
                                             c->chunk,
                                             c->dim_qk,
                                             c->dim_v,
                                             c->q_dtype,
                                             c->k_dtype,
                                             c->v_dtype,
                                             c->o_dtype,
                                             wide(&data->q, c->dim_qk),
                                             wide(&data->k, c->dim_qk),
                                             wide(&data->v, c->dim_v),
                                             words,
                                             c->causal != 0,
                                             c->lse,
                                             c->subgroup,
                                             1}; /* SUMS; the rest is of the matrix tier, but for the last two */
    memcpy(data->constants, values, sizeof values);
    data->constants[28] = c->window ? c->left : SOFTMAX_UNBOUNDED;
    data->constants[29] = c->causal ? 0 : c->window ? c->right : SOFTMAX_UNBOUNDED;
}

static void fill_counts(case_data *data)
{
    const softmax_case *c = data->c;
    const uint32_t rows = c->lane_rows * c->tm, keys = c->lane_cols * c->tn, cols = c->lane_cols * c->tv;
    data->group = divisor(c->heads_q / c->heads_k, c->heads_q / c->heads_v);
    const uint32_t row_tiles = (c->seq_q * data->group + rows - 1) / rows, blocks = (c->dim_v + cols - 1) / cols;
    data->items = c->batch * (c->heads_q / data->group) * blocks * row_tiles;
    data->tiles = (c->seq_k + keys - 1) / keys;
    data->split_tiles = c->splits ? (data->tiles + c->splits - 1) / c->splits : data->tiles;
    data->lanes = c->lane_rows * c->lane_cols;
    data->state.word_count =
        (data->items * (c->splits ? c->splits : 1) * SOFTMAX_STATE_FLOATS(rows, cols, 1) + 3) / 4 * 4;
    data->state.words = malloc(data->state.word_count * sizeof *data->state.words);
    memset(data->state.words, 0xff, data->state.word_count * sizeof *data->state.words);
}

void case_create(const softmax_case *c, case_data *data)
{
    *data = (case_data){.c = c};
    data->q = create_tensor(c, c->heads_q, c->seq_q, c->dim_qk, c->q_dtype);
    data->k = create_tensor(c, c->heads_k, c->seq_k, c->dim_qk, c->k_dtype);
    data->v = create_tensor(c, c->heads_v, c->seq_k, c->dim_v, c->v_dtype);
    data->o = create_tensor(c, c->heads_q, c->seq_q, c->dim_v, c->o_dtype);
    data->lse = create_tensor(c, c->heads_q, c->seq_q, 1, F32);
    data->lse.row = 1;
    data->lse.head = c->seq_q;
    data->lse.batch = c->seq_q * c->heads_q;
    fill_tensor(c, &data->q, c->heads_q, c->seq_q, c->dim_qk, 1);
    fill_tensor(c, &data->k, c->heads_k, c->seq_k, c->dim_qk, 2);
    fill_tensor(c, &data->v, c->heads_v, c->seq_k, c->dim_v, 3);
    fill_counts(data);
    fill_constants(data);
}

void case_destroy(case_data *data)
{
    free(data->q.words);
    free(data->k.words);
    free(data->v.words);
    free(data->o.words);
    free(data->lse.words);
    free(data->state.words);
}

/* ---- parameters ------------------------------------------------------------------------------ */

/* The parameter structs as the kernels have them, so that a list that changes is followed. */
typedef uint32_t uint;
#define MEMBER(type, name) type name;
typedef struct direct_parameters {
    SOFTMAX_DIRECT_PARAMS(MEMBER)
} direct_parameters;
typedef struct state_parameters {
    SOFTMAX_STATE_PARAMS(MEMBER)
} state_parameters;
typedef struct finish_parameters {
    SOFTMAX_FINISH_PARAMS(MEMBER)
} finish_parameters;

static float log2_scale(const softmax_case *c)
{
    return (float)(1.4426950408889634 / sqrt((double)c->dim_qk));
}

static int32_t diagonal(const softmax_case *c)
{
    return c->causal < 2 ? (int32_t)c->seq_k - (int32_t)c->seq_q : 0;
}

#define FILL_COMMON(p, data, begin, end)                                                                  \
    do {                                                                                                  \
        const softmax_case *common = (data)->c;                                                           \
        (p).q_offset = (data)->q.offset, (p).q_batch = (data)->q.batch;                                   \
        (p).q_head = (data)->q.head, (p).q_row = (data)->q.row;                                           \
        (p).k_offset = (data)->k.offset, (p).k_batch = (data)->k.batch;                                   \
        (p).k_head = (data)->k.head, (p).k_row = (data)->k.row;                                           \
        (p).v_offset = (data)->v.offset, (p).v_batch = (data)->v.batch;                                   \
        (p).v_head = (data)->v.head, (p).v_row = (data)->v.row;                                           \
        (p).scale = log2_scale(common), (p).heads = common->heads_q, (p).group = (data)->group;           \
        (p).k_ratio = common->heads_q / common->heads_k, (p).v_ratio = common->heads_q / common->heads_v; \
        (p).seq_q = common->seq_q, (p).seq_k = common->seq_k, (p).diagonal = diagonal(common);            \
        (p).first_item = 0, (p).item_count = (data)->items;                                               \
        (p).tile_begin = (begin), (p).tile_end = (end);                                                   \
    } while (0)

#define FILL_OUTPUT(p, data)                                                    \
    do {                                                                        \
        (p).o_offset = (data)->o.offset, (p).o_batch = (data)->o.batch;         \
        (p).o_head = (data)->o.head, (p).o_row = (data)->o.row;                 \
        (p).lse_offset = (data)->lse.offset, (p).lse_batch = (data)->lse.batch; \
        (p).lse_head = (data)->lse.head;                                        \
        (p).sink_offset = (data)->c->sinks ? 0 : SOFTMAX_NO_SINKS;              \
    } while (0)

uint32_t case_direct_parameters(const case_data *data, uint32_t words[CASE_PARAMETERS])
{
    direct_parameters p = {0};
    FILL_COMMON(p, data, 0, data->tiles);
    FILL_OUTPUT(p, data);
    memcpy(words, &p, sizeof p);
    return sizeof p / 4;
}

uint32_t case_state_parameters(const case_data *data, uint32_t slice, uint32_t words[CASE_PARAMETERS])
{
    const uint32_t slices = data->c->slices;
    state_parameters p = {0};
    FILL_COMMON(p, data, data->split_tiles * slice / slices, data->split_tiles * (slice + 1) / slices);
    p.state_offset = 0;
    p.splits = data->c->splits;
    p.split_tiles = data->split_tiles;
    p.fresh = slice == 0;
    memcpy(words, &p, sizeof p);
    return sizeof p / 4;
}

uint32_t case_finish_parameters(const case_data *data, uint32_t words[CASE_PARAMETERS])
{
    finish_parameters p = {0};
    p.state_offset = 0;
    p.splits = data->c->splits;
    p.heads = data->c->heads_q;
    p.group = data->group;
    p.seq_q = data->c->seq_q;
    p.first_item = 0;
    p.item_count = data->items;
    FILL_OUTPUT(p, data);
    memcpy(words, &p, sizeof p);
    return sizeof p / 4;
}

/* ---- reference ------------------------------------------------------------------------------- */

typedef struct row {
    uint32_t b, h, i;
} row;

static bool is_visible(const softmax_case *c, uint32_t i, uint32_t j)
{
    const int64_t position = (int64_t)i + (c->causal || c->window ? diagonal(c) : 0);
    const bool not_late = (!c->causal && !c->window) || (int64_t)j <= position + (c->causal ? 0 : (int64_t)c->right);
    return not_late && (!c->window || (int64_t)j >= position - (int64_t)c->left);
}

/* Scores of all keys into `scores`, -inf of those that the row does not see; the number of keys. */
static uint32_t row_scores(const case_data *data, row r, double *scores)
{
    const softmax_case *c = data->c;
    const uint32_t keys = c->seq_k;
    const uint32_t head = r.h / (c->heads_q / c->heads_k);
    for (uint32_t j = 0; j < keys; j++) {
        scores[j] = is_visible(c, r.i, j) ? 0.0 : -(double)INFINITY;
        for (uint32_t d = 0; d < c->dim_qk; d++)
            scores[j] += get(&data->q, place(&data->q, r.b, r.h, r.i) + d) *
                         get(&data->k, place(&data->k, r.b, head, j) + d) / sqrt((double)c->dim_qk);
    }
    return keys;
}

float case_sink(const softmax_case *c, uint32_t head)
{
    static const float sinks[] = {0.7f, -INFINITY, 9.0f, -30.0f};
    return c->sinks ? sinks[head % 4] : -INFINITY;
}

/* exp(score - maximum) in place; the log of the row's sum, `sink` included. */
static double row_weights(double *scores, uint32_t keys, double sink)
{
    double top = sink, sum;
    for (uint32_t j = 0; j < keys; j++)
        top = fmax(top, scores[j]);
    sum = isfinite(sink) ? exp(sink - top) : 0.0;
    const bool any = isfinite(top);
    for (uint32_t j = 0; j < keys; j++)
        sum += scores[j] = any ? exp(scores[j] - top) : 0.0;
    for (uint32_t j = 0; j < keys && any; j++)
        scores[j] /= sum;
    return any ? top + log(sum) : (double)-INFINITY;
}

/* Half a unit of the stored type's last place, and what float32 accumulation may lose; infinity must be met.
 */
static double bound(uint32_t dtype, double expected)
{
    if (isinf(expected))
        return 0.0;
    const double place = dtype == F16 ? 0x1p-11 : dtype == BF16 ? 0x1p-8 : 0.0;
    return fabs(expected) * (place * 1.01 + 4e-6) + 8e-6;
}

/* One element of o or lse. */
static bool close_enough(const case_data *data, const case_tensor *t, uint32_t element, row r, double expected,
                         double *worst)
{
    const double got = get(t, element), error = got == expected ? 0.0 : fabs(got - expected);
    if (error <= bound(t->dtype, expected)) { /* false for NaN */
        *worst = fmax(*worst, error);
        return true;
    }
    printf("%s: %s of batch %u, head %u, query %u is %g, not %g (bound %g)\n", data->c->name,
           t == &data->lse ? "lse" : "o", (unsigned)r.b, (unsigned)r.h, (unsigned)r.i, got, expected,
           bound(t->dtype, expected));
    return false;
}

static bool check_row(const case_data *data, row r, double *scores, double *worst)
{
    const softmax_case *c = data->c;
    const uint32_t keys = row_scores(data, r, scores), head = r.h / (c->heads_q / c->heads_v);
    const double lse = row_weights(scores, keys, (double)case_sink(c, r.h));
    if (c->lse && !close_enough(data, &data->lse, place(&data->lse, r.b, r.h, r.i), r, lse, worst))
        return false;
    for (uint32_t d = 0; d < c->dim_v; d++) {
        double expected = 0.0;
        for (uint32_t j = 0; j < keys; j++)
            expected += scores[j] * get(&data->v, place(&data->v, r.b, head, j) + d);
        if (!close_enough(data, &data->o, place(&data->o, r.b, r.h, r.i) + d, r, expected, worst))
            return false;
    }
    return true;
}

/* Elements that are no part of the tensor hold NaN still: so many of them are not NaN. */
static uint32_t touched_around(const case_data *data)
{
    const case_tensor *o = &data->o;
    const uint32_t elements = o->word_count * (o->dtype == F32 ? 1 : 2), dim = data->c->dim_v;
    const uint32_t end = o->offset + o->batch * data->c->batch;
    uint32_t touched = 0;
    for (uint32_t i = 0; i < elements; i++) {
        const bool inside = i >= o->offset && i < end && (i - o->offset) % o->row < dim;
        touched += !inside && !isnan(get(o, i));
    }
    return touched;
}

bool case_check(const case_data *data, const char *device)
{
    const softmax_case *c = data->c;
    double *scores = malloc((c->seq_k + 1) * sizeof *scores);
    double worst = 0.0;
    bool good = true;
    for (row r = {0}; good && r.b < c->batch; r.b++)
        for (r.h = 0; good && r.h < c->heads_q; r.h++)
            for (r.i = 0; good && r.i < c->seq_q; r.i++)
                good = check_row(data, r, scores, &worst);
    free(scores);
    const uint32_t touched = touched_around(data);
    if (touched)
        printf("%s: %u elements around o were written\n", c->name, (unsigned)touched);
    printf("%-18s %s on %s, worst error %.2g\n", c->name, good && !touched ? "right" : "WRONG", device, worst);
    return good && !touched;
}
