/* Systems of the catalogue that attend along any axis, over several sources or over parts of a tensor: softmax attention of
 * strided views. Where one attention follows another, the next begins from what the device returned. */
#include "systems.h"

#include <math.h>

enum { HEAD = 16 }; /* channels of a head, where the system leaves them open: one kernel serves many tests */

static const double scale = 0.25; /* HEAD^-0.5 */
static row r;

/* ---- yourmt3-perceivertf --------------------------------------------------------------------------------------- */

enum { MT3_B = 2, MT3_T = 3, MT3_F = 20, MT3_K = 5, MT3_H = 2, MT3_D = MT3_H * HEAD };

/* One attention that adds to the latents z[B, T, K, D]: projections of z and of what it looks at. */
typedef struct mt3_step {
    array *z, *q, *k, *v, *o;
} mt3_step;

static mt3_step mt3_begin(array *z, const array *seen, uint64_t stream)
{
    const double size = 2.0 / sqrt(MT3_D);
    mt3_step s = {.z = z, .o = array_empty(z->count)};
    s.q = project(z, array_random(stream, MT3_D * MT3_D, size), MT3_D, MT3_D);
    s.k = project(seen, array_random(stream + 1, MT3_D * MT3_D, size), MT3_D, MT3_D);
    s.v = project(seen, array_random(stream + 2, MT3_D * MT3_D, size), MT3_D, MT3_D);
    return s;
}

/* Latent (b, t, k) looked at `count` places, the first at element `first` and the next ones `step` further on. */
static void mt3_latent(const mt3_step *s, const uint32_t at[3], size_t first, size_t step, uint32_t count)
{
    const size_t own = (((size_t)at[0] * MT3_T + at[1]) * MT3_K + at[2]) * MT3_D;
    for (uint32_t h = 0; h < MT3_H; h++) {
        row_begin(&r, HEAD);
        for (uint32_t j = 0; j < count; j++)
            row_key(&r, s->q->data + own + h * HEAD, s->k->data + first + j * step + h * HEAD, scale);
        row_weigh(&r);
        row_compare(&r, at, s->o->data + own + h * HEAD, s->v->data + first + h * HEAD, step, HEAD);
    }
}

typedef enum mt3_axis { MT3_OVER_F, MT3_OVER_K, MT3_OVER_T } mt3_axis;

static void mt3_end(const mt3_step *s, mt3_axis axis)
{
    const size_t sizes[3] = {MT3_F, MT3_K, MT3_T};
    for (uint32_t b = 0; b < MT3_B; b++)
        for (uint32_t t = 0; t < MT3_T; t++)
            for (uint32_t k = 0; k < MT3_K; k++) {
                const size_t frame = (size_t)b * MT3_T + t;
                const size_t first =
                    axis == MT3_OVER_T ? (size_t)(b * MT3_T * MT3_K + k) * MT3_D : frame * sizes[axis] * MT3_D;
                mt3_latent(s, (const uint32_t[3]){b, t, k}, first, axis == MT3_OVER_T ? MT3_K * MT3_D : MT3_D,
                           (uint32_t)sizes[axis]);
            }
    for (size_t e = 0; e < s->z->count; e++)
        s->z->data[e] = (float)((double)s->z->data[e] + s->o->data[e]);
}

/* Keys along F, positions by the trainable table, which is added to x. B and T are one dim in memory, K and heads too. */
START_TEST(system_yourmt3_perceivertf)
{
    array *x = array_random(0, MT3_B * MT3_T * MT3_F * MT3_D, 1.0), *table = array_random(1, MT3_F * MT3_D, 1.0),
          *z = array_random(2, MT3_B * MT3_T * MT3_K * MT3_D, 1.0);
    for (size_t e = 0; e < x->count; e++)
        x->data[e] = (float)((double)x->data[e] + table->data[e % table->count]);
#define MT3_FRAMES(array, n)                       \
    {                                              \
        array, 0, {MT3_B * MT3_T, MT3_H, n, HEAD}, \
        {                                          \
            (n) * MT3_D, HEAD, MT3_D               \
        }                                          \
    }
#define MT3_LATENTS(array)                             \
    {                                                  \
        array, 0, {MT3_B, MT3_K * MT3_H, MT3_T, HEAD}, \
        {                                              \
            MT3_T *MT3_K *MT3_D, HEAD, MT3_K *MT3_D    \
        }                                              \
    }
    mt3_step s = mt3_begin(z, x, 3);
    attend(&(attention){.q = MT3_FRAMES(s.q, MT3_K),
                        .k = MT3_FRAMES(s.k, MT3_F),
                        .v = MT3_FRAMES(s.v, MT3_F),
                        .o = MT3_FRAMES(s.o, MT3_K)});
    mt3_end(&s, MT3_OVER_F);
    s = mt3_begin(z, z, 6);
    attend(&(attention){.q = MT3_FRAMES(s.q, MT3_K),
                        .k = MT3_FRAMES(s.k, MT3_K),
                        .v = MT3_FRAMES(s.v, MT3_K),
                        .o = MT3_FRAMES(s.o, MT3_K)});
    mt3_end(&s, MT3_OVER_K);
    s = mt3_begin(z, z, 9);
    attend(&(attention){.q = MT3_LATENTS(s.q), .k = MT3_LATENTS(s.k), .v = MT3_LATENTS(s.v), .o = MT3_LATENTS(s.o)});
    mt3_end(&s, MT3_OVER_T);
}
END_TEST

/* ---- multi-source-decoder -------------------------------------------------------------------------------------- */

enum { MSD_BATCH = 2, MSD_HEADS = 2, MSD_D = MSD_HEADS * HEAD, MSD_QUERIES = 6, MSD_SOURCES = 3, MSD_KEYS = 28 };
enum { MSD_SIZE = MSD_BATCH * MSD_QUERIES * MSD_D };
static const uint32_t msd_first[MSD_SOURCES + 1] = {0, 9, 23, MSD_KEYS}; /* sources lie one behind the other */

typedef struct msd {
    array *k, *v; /* [batch, keys of all sources, D] */
} msd;

/* o = att(q, keys from .. to), the output from its element `at` on. */
static void msd_attend(const msd *m, array *q, array *o, uint64_t at, const uint32_t keys[2])
{
    const uint64_t count = keys[1] - keys[0], first = (uint64_t)keys[0] * MSD_D;
    attend(&(attention){.q = {q, 0, {MSD_BATCH, MSD_HEADS, MSD_QUERIES, HEAD}, {MSD_QUERIES * MSD_D, HEAD, MSD_D}},
                        .k = {m->k, first, {MSD_BATCH, MSD_HEADS, count, HEAD}, {MSD_KEYS * MSD_D, HEAD, MSD_D}},
                        .v = {m->v, first, {MSD_BATCH, MSD_HEADS, count, HEAD}, {MSD_KEYS * MSD_D, HEAD, MSD_D}},
                        .o = {o, at, {MSD_BATCH, MSD_HEADS, MSD_QUERIES, HEAD}, {MSD_QUERIES * MSD_D, HEAD, MSD_D}}});
}

/* att(q, ..) and its bound, added to sums of the same shape as q. */
static void msd_add(const msd *m, const array *q, const uint32_t keys[2], double *sum, double *bound)
{
    for (uint32_t n = 0; n < MSD_BATCH * MSD_QUERIES * MSD_HEADS; n++) {
        const uint32_t b = n / (MSD_QUERIES * MSD_HEADS), h = n % MSD_HEADS;
        const size_t keys_of = (size_t)b * MSD_KEYS * MSD_D + h * HEAD;
        row_begin(&r, HEAD);
        for (uint32_t j = keys[0]; j < keys[1]; j++)
            row_key(&r, q->data + n * HEAD, m->k->data + keys_of + j * MSD_D, scale);
        row_weigh(&r);
        for (uint32_t c = 0; c < HEAD; c++) {
            row_values(&r, m->v->data + keys_of + keys[0] * MSD_D, MSD_D, c);
            sum[n * HEAD + c] += row_sum(&r);
            bound[n * HEAD + c] += row_bound(&r);
        }
    }
}

static void msd_compare(const double *got, const double *sum, const double *bound)
{
    for (uint32_t e = 0; e < MSD_SIZE; e++)
        expect((const uint32_t[4]){0, 0, e / MSD_D, e % MSD_D}, got[e], sum[e], bound[e]);
}

/* The keys keys[0] to keys[1] - 1 of every batch entry, as one source. */
static void msd_one(const msd *m, array *q, array *o, const uint32_t keys[2])
{
    double got[MSD_SIZE], sum[MSD_SIZE] = {0}, bound[MSD_SIZE] = {0};
    msd_attend(m, q, o, 0, keys);
    msd_add(m, q, keys, sum, bound);
    for (uint32_t e = 0; e < MSD_SIZE; e++)
        got[e] = o->data[e];
    msd_compare(got, sum, bound);
}

/* The contexts lie behind each other; their sum, and a second attention of q over them. */
static void msd_parallel_and_hierarchical(const msd *m, array *q)
{
    array *contexts = array_empty(MSD_SOURCES * MSD_SIZE), *o = array_empty(MSD_SIZE);
    double got[MSD_SIZE] = {0}, sum[MSD_SIZE] = {0}, bound[MSD_SIZE] = {0};
    for (uint32_t n = 0; n < MSD_SOURCES; n++) {
        msd_attend(m, q, contexts, (uint64_t)n * MSD_SIZE, msd_first + n);
        msd_add(m, q, msd_first + n, sum, bound);
        for (uint32_t e = 0; e < MSD_SIZE; e++)
            got[e] += contexts->data[n * MSD_SIZE + e];
    }
    msd_compare(got, sum, bound);
    const uint64_t rows = MSD_BATCH * MSD_QUERIES;
    attend(&(attention){.q = {q, 0, {rows, MSD_HEADS, 1, HEAD}, {MSD_D, HEAD, MSD_D}},
                        .k = {contexts, 0, {rows, MSD_HEADS, MSD_SOURCES, HEAD}, {MSD_D, HEAD, MSD_SIZE}},
                        .v = {contexts, 0, {rows, MSD_HEADS, MSD_SOURCES, HEAD}, {MSD_D, HEAD, MSD_SIZE}},
                        .o = {o, 0, {rows, MSD_HEADS, 1, HEAD}, {MSD_D, HEAD, MSD_D}}});
    for (uint32_t n = 0; n < rows * MSD_HEADS; n++) {
        row_begin(&r, HEAD);
        for (uint32_t j = 0; j < MSD_SOURCES; j++)
            row_key(&r, q->data + n * HEAD, contexts->data + j * MSD_SIZE + n * HEAD, scale);
        row_weigh(&r);
        row_compare(&r, (const uint32_t[3]){1, 0, n}, o->data + n * HEAD, contexts->data + n * HEAD, MSD_SIZE, HEAD);
    }
}

/* Serial, flat, parallel, hierarchical. q stands for projected queries, and serial passes c on as it is. */
START_TEST(system_multi_source_decoder)
{
    const msd m = {array_random(0, MSD_BATCH * MSD_KEYS * MSD_D, 2.0),
                   array_random(1, MSD_BATCH * MSD_KEYS * MSD_D, 1.0)};
    array *q = array_random(2, MSD_SIZE, 2.0), *c = array_empty(MSD_SIZE), *o = array_empty(MSD_SIZE);
    memcpy(c->data, q->data, MSD_SIZE * sizeof(float));
    for (uint32_t n = 0; n < MSD_SOURCES; n++) {
        msd_one(&m, c, o, msd_first + n);
        for (size_t e = 0; e < MSD_SIZE; e++)
            c->data[e] = (float)((double)c->data[e] + o->data[e]);
    }
    msd_one(&m, q, o, (const uint32_t[2]){0, MSD_KEYS});
    msd_parallel_and_hierarchical(&m, q);
}
END_TEST

/* ---- lsm-latent-spectral --------------------------------------------------------------------------------------- */

enum { LSM_PATCHES = 6, LSM_HEADS = 8, LSM_C = LSM_HEADS * HEAD, LSM_TOKENS = 12, LSM_LATENTS = 4, LSM_MODES = 3 };

/* z += sum over m of a_m sin(m pi z / M) + b_m cos(m pi z / M), with a and b of each channel. */
static void lsm_spectral(array *z, const array *sines, const array *cosines)
{
    for (size_t e = 0; e < z->count; e++) {
        const double old = z->data[e], step = acos(-1.0) * old / LSM_MODES;
        double sum = old;
        for (uint32_t m = 1; m <= LSM_MODES; m++) {
            const size_t weight = (m - 1) * LSM_C + e % LSM_C;
            sum += sines->data[weight] * sin(m * step) + cosines->data[weight] * cos(m * step);
        }
        z->data[e] = (float)sum;
    }
}

/* Row i of patch p: queries from q[i], with `count` keys and values of the patch; scores are dot products alone. */
static void lsm_compare(const attention *a, uint32_t p, uint32_t i, const float *q)
{
    const uint32_t count = (uint32_t)a->k.extents[2], rows = (uint32_t)a->o.extents[2];
    for (uint32_t h = 0; h < LSM_HEADS; h++) {
        const size_t keys = (size_t)p * count * LSM_C + h * HEAD;
        row_begin(&r, HEAD);
        for (uint32_t j = 0; j < count; j++)
            row_key(&r, q + h * HEAD, a->k.a->data + keys + j * LSM_C, 1.0);
        row_weigh(&r);
        row_compare(&r, (const uint32_t[3]){p, h, i}, a->o.a->data + ((size_t)p * rows + i) * LSM_C + h * HEAD,
                    a->v.a->data + keys, LSM_C, HEAD);
    }
}

START_TEST(system_lsm_latent_spectral)
{
    array *k = array_random(0, LSM_PATCHES * LSM_TOKENS * LSM_C, 1.0), *v = array_random(1, k->count, 1.0),
          *z0 = array_random(2, LSM_LATENTS * LSM_C, 1.0), *z = array_empty(LSM_PATCHES * LSM_LATENTS * LSM_C),
          *xq = array_random(3, k->count, 1.0), *x = array_empty(k->count);
#define LSM_SIDE(array, n)                           \
    {                                                \
        array, 0, {LSM_PATCHES, LSM_HEADS, n, HEAD}, \
        {                                            \
            (n) * LSM_C, HEAD, LSM_C                 \
        }                                            \
    }
    const fovea_softmax_params plain = {.scale = 1.0f, .scale_literal = 1};
    attention encode = {.q = LSM_SIDE(z0, LSM_LATENTS), /* learned: the same for every patch */
                        .k = LSM_SIDE(k, LSM_TOKENS),
                        .v = LSM_SIDE(v, LSM_TOKENS),
                        .o = LSM_SIDE(z, LSM_LATENTS),
                        .params = plain};
    encode.q.strides[0] = 0;
    attend(&encode);
    for (uint32_t n = 0; n < LSM_PATCHES * LSM_LATENTS; n++)
        lsm_compare(&encode, n / LSM_LATENTS, n % LSM_LATENTS, z0->data + n % LSM_LATENTS * LSM_C);
    for (size_t e = 0; e < z->count; e++)
        z->data[e] = (float)((double)z->data[e] + z0->data[e % z0->count]);
    lsm_spectral(z, array_random(4, LSM_MODES * LSM_C, 0.3), array_random(5, LSM_MODES * LSM_C, 0.3));
    const attention decode = {.q = LSM_SIDE(xq, LSM_TOKENS),
                              .k = LSM_SIDE(z, LSM_LATENTS),
                              .v = LSM_SIDE(z, LSM_LATENTS),
                              .o = LSM_SIDE(x, LSM_TOKENS),
                              .params = plain};
    attend(&decode);
    for (uint32_t n = 0; n < LSM_PATCHES * LSM_TOKENS; n++)
        lsm_compare(&decode, n / LSM_TOKENS, n % LSM_TOKENS, xq->data + (size_t)n * LSM_C);
}
END_TEST

/* ---- fit5 ------------------------------------------------------------------------------------------------------ */

enum { FIT_QUERIES = 3, FIT_DOCUMENTS = 7, FIT_LENGTH = 5, FIT_HEADS = 2, FIT_D = FIT_HEADS * HEAD };
enum { FIT_DOCUMENT = FIT_LENGTH * FIT_D, FIT_SIZE = FIT_QUERIES * FIT_DOCUMENTS * FIT_DOCUMENT };

/* First-token states of the documents of one query: row 0 of each [length, D], everything else of which is NaN. */
static array *fit_states(uint64_t stream, double size)
{
    array *a = array_empty(FIT_SIZE);
    const array *first = array_random(stream, FIT_QUERIES * FIT_DOCUMENTS * FIT_D, size);
    for (size_t e = 0; e < first->count; e++)
        a->data[e / FIT_D * FIT_DOCUMENT + e % FIT_D] = first->data[e];
    return a;
}

START_TEST(system_fit5)
{
    array *q = fit_states(0, 2.0), *k = fit_states(1, 2.0), *v = fit_states(2, 1.0), *o = array_empty(FIT_SIZE);
#define FIT_SIDE(array)                                          \
    {                                                            \
        array, 0, {FIT_QUERIES, FIT_HEADS, FIT_DOCUMENTS, HEAD}, \
        {                                                        \
            FIT_DOCUMENTS *FIT_DOCUMENT, HEAD, FIT_DOCUMENT      \
        }                                                        \
    }
    attend(&(attention){.q = FIT_SIDE(q), .k = FIT_SIDE(k), .v = FIT_SIDE(v), .o = FIT_SIDE(o)});
    for (uint32_t n = 0; n < FIT_QUERIES * FIT_DOCUMENTS; n++)
        for (uint32_t h = 0; h < FIT_HEADS; h++) {
            const size_t own = (size_t)n * FIT_DOCUMENT + h * HEAD;
            const size_t group = (size_t)(n / FIT_DOCUMENTS) * FIT_DOCUMENTS * FIT_DOCUMENT + h * HEAD;
            row_begin(&r, HEAD);
            for (uint32_t m = 0; m < FIT_DOCUMENTS; m++)
                row_key(&r, q->data + own, k->data + group + m * FIT_DOCUMENT, scale);
            row_weigh(&r);
            row_compare(&r, (const uint32_t[3]){n / FIT_DOCUMENTS, h, n % FIT_DOCUMENTS}, o->data + own,
                        v->data + group, FIT_DOCUMENT, HEAD);
        }
    for (size_t e = 0; e < FIT_SIZE; e++)
        if (e % FIT_DOCUMENT >= FIT_D && !isnan(o->data[e]))
            ck_abort_msg("element %zu, of a later token, was written", e);
}
END_TEST

void add_layout_systems(Suite *suite)
{
    const TTest *const tests[] = {system_yourmt3_perceivertf, system_multi_source_decoder, system_lsm_latent_spectral,
                                  system_fit5};
    add_systems(suite, "layouts", tests, sizeof tests / sizeof tests[0]);
}
