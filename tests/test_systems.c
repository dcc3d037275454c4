/* Systems of the catalogue that run on softmax attention, each by its own published formula: dense cores. Where one attention follows another, the next begins from what the device returned. Arrays are written
 * as [batch, token, head, channel], and the device reads them where they lie. */
#include "systems.h"

#include <math.h>

enum { HEAD = 16 }; /* channels of a head, where the system leaves them open: one kernel serves many tests */

static const double scale = 0.25; /* HEAD^-0.5 */
static row r;

/* ---- fusemax: 1, 2 and 3 passes over key tiles ------------------------------------------------------------------- */

enum { FUSE_TILE = 32, FUSE_QUERIES = 5, FUSE_KEYS = 150 };

static double fuse_one_pass(void)
{
    double rm = -INFINITY, rd = 0.0, rnv = 0.0;
    for (uint32_t t = 0; t < r.keys; t += FUSE_TILE) {
        const uint32_t end = t + FUSE_TILE < r.keys ? t + FUSE_TILE : r.keys;
        double lm = -INFINITY;
        for (uint32_t j = t; j < end; j++)
            lm = fmax(lm, r.score[j]);
        const double rm_new = fmax(rm, lm), c = exp(rm - rm_new);
        rd *= c;
        rnv *= c;
        for (uint32_t j = t; j < end; j++) {
            rd += exp(r.score[j] - rm_new);
            rnv += exp(r.score[j] - rm_new) * r.value[j];
        }
        rm = rm_new;
    }
    return rnv / rd;
}

static double fuse_two_passes(void)
{
    double lm[FUSE_KEYS / FUSE_TILE + 1], ld[FUSE_KEYS / FUSE_TILE + 1], m = -INFINITY, d = 0.0, o = 0.0;
    const uint32_t tiles = (r.keys + FUSE_TILE - 1) / FUSE_TILE;
    for (uint32_t t = 0; t < tiles; t++) {
        lm[t] = -INFINITY;
        ld[t] = 0.0;
        for (uint32_t j = t * FUSE_TILE; j < r.keys && j < (t + 1) * FUSE_TILE; j++)
            lm[t] = fmax(lm[t], r.score[j]);
        for (uint32_t j = t * FUSE_TILE; j < r.keys && j < (t + 1) * FUSE_TILE; j++)
            ld[t] += exp(r.score[j] - lm[t]);
        m = fmax(m, lm[t]);
    }
    for (uint32_t t = 0; t < tiles; t++)
        d += ld[t] * exp(lm[t] - m);
    for (uint32_t j = 0; j < r.keys; j++)
        o += exp(r.score[j] - m) * r.value[j] / d;
    return o;
}

static double fuse_three_passes(void)
{
    double m = -INFINITY, d = 0.0, o = 0.0;
    for (uint32_t j = 0; j < r.keys; j++)
        m = fmax(m, r.score[j]);
    for (uint32_t j = 0; j < r.keys; j++)
        d += exp(r.score[j] - m);
    for (uint32_t j = 0; j < r.keys; j++)
        o += exp(r.score[j] - m) * r.value[j];
    return o / d;
}

/* The core takes one pass; all three give the same numbers. One operator, whatever N: on-chip buffers do not depend on it. */
START_TEST(system_fusemax)
{
    static const uint32_t sizes[] = {1, 37, 64, FUSE_KEYS};
    array *q = array_random(0, FUSE_QUERIES * HEAD, 4.0), *k = array_random(1, FUSE_KEYS * HEAD, 4.0),
          *v = array_random(2, FUSE_KEYS * HEAD, 1.0), *o = array_empty(FUSE_QUERIES * HEAD);
    attention a = {.q = {q, 0, {1, 1, FUSE_QUERIES, HEAD}, {0, 0, HEAD}},
                   .k = {k, 0, {1, 1, FUSE_KEYS, HEAD}, {0, 0, HEAD}},
                   .v = {v, 0, {1, 1, FUSE_KEYS, HEAD}, {0, 0, HEAD}},
                   .o = {o, 0, {1, 1, FUSE_QUERIES, HEAD}, {FUSE_QUERIES * HEAD, FUSE_QUERIES * HEAD, HEAD}}};
    fovea_op *op = attend_create(&a);
    for (size_t n = 0; n < sizeof sizes / sizeof sizes[0]; n++) {
        a.run_keys = sizes[n];
        attend_run(&a, op);
        for (uint32_t i = 0; i < FUSE_QUERIES; i++) {
            row_begin(&r, HEAD);
            for (uint32_t j = 0; j < sizes[n]; j++)
                row_key(&r, q->data + i * HEAD, k->data + j * HEAD, scale);
            row_weigh(&r);
            for (uint32_t c = 0; c < HEAD; c++) {
                const uint32_t at[4] = {sizes[n], 0, i, c};
                row_values(&r, v->data, HEAD, c);
                expect(at, o->data[i * HEAD + c], fuse_one_pass(), row_bound(&r));
                expect(at, o->data[i * HEAD + c], fuse_two_passes(), row_bound(&r));
                expect(at, o->data[i * HEAD + c], fuse_three_passes(), row_bound(&r));
            }
        }
    }
    test_keep_op(op);
}
END_TEST

/* ---- harmony-cascade ------------------------------------------------------------------------------------------- */

enum {
    HARMONY_BATCH = 2,
    HARMONY_TOKENS = 24,
    HARMONY_LEVELS = 3,
    HARMONY_SIZE = HARMONY_BATCH * HARMONY_TOKENS * HEAD
};

typedef struct harmony {
    int level[HARMONY_BATCH * HARMONY_TOKENS]; /* -1: a token of every level */
    array *x[3], *xl[3], *out, *prev;          /* q, k and v of all tokens, and those of a level */
} harmony;

static double harmony_mask(const harmony *m, size_t token, int l)
{
    return m->level[token] == l || m->level[token] == -1 ? 1.0 : 0.0;
}

/* X_l = m_l (*) X (+ prev_{l-1} when l > 1), X being q, k or v. */
static void harmony_states(const harmony *m, int l, float *states, int n)
{
    for (size_t e = 0; e < HARMONY_SIZE; e++)
        states[e] = (float)(harmony_mask(m, e / HEAD, l) * m->x[n]->data[e] + (l > 1 ? m->prev->data[e] : 0.0));
}

static void harmony_compare(const harmony *m, int l)
{
    static float x[3][HARMONY_SIZE];
    for (int n = 0; n < 3; n++)
        harmony_states(m, l, x[n], n);
    for (uint32_t b = 0; b < HARMONY_BATCH; b++)
        for (uint32_t i = 0; i < HARMONY_TOKENS; i++) {
            const size_t first = (size_t)b * HARMONY_TOKENS * HEAD;
            row_begin(&r, HEAD);
            for (uint32_t j = 0; j < HARMONY_TOKENS; j++)
                row_key(&r, x[0] + first + i * HEAD, x[1] + first + j * HEAD, scale);
            row_weigh(&r);
            row_compare(&r, (const uint32_t[3]){b, (uint32_t)l, i}, m->out->data + first + i * HEAD, x[2] + first, HEAD,
                        HEAD);
        }
}

/* What the device is given: the residue of the level before, on which the tokens of the level are added. */
static void harmony_prepare(const harmony *m, int l)
{
    for (int n = 0; n < 3; n++)
        for (size_t e = 0; e < HARMONY_SIZE; e++) {
            const int level = m->level[e / HEAD];
            m->xl[n]->data[e] = l > 1 ? m->prev->data[e] : 0.0f;
            if (level == l || level < 0)
                m->xl[n]->data[e] += m->x[n]->data[e];
        }
}

/* The form of the code: tokens of other levels are zeroed, not masked, and each adds exp(0) to every denominator. */
START_TEST(system_harmony_cascade)
{
    harmony m = {.out = array_empty(HARMONY_SIZE), .prev = array_empty(HARMONY_SIZE)};
    for (size_t t = 0; t < HARMONY_BATCH * HARMONY_TOKENS; t++) {
        const int n = (int)(case_hash(test.seed, t) % (HARMONY_LEVELS + 1));
        m.level[t] = n ? n : -1;
    }
    for (uint64_t n = 0; n < 3; n++) {
        m.x[n] = array_random(n, HARMONY_SIZE, 2.0);
        m.xl[n] = array_empty(HARMONY_SIZE);
    }
    const uint64_t whole = HARMONY_TOKENS * HEAD;
#define HARMONY_SIDE(array)                                 \
    {                                                       \
        array, 0, {HARMONY_BATCH, 1, HARMONY_TOKENS, HEAD}, \
        {                                                   \
            whole, whole, HEAD                              \
        }                                                   \
    }
    const attention a = {
        .q = HARMONY_SIDE(m.xl[0]), .k = HARMONY_SIDE(m.xl[1]), .v = HARMONY_SIDE(m.xl[2]), .o = HARMONY_SIDE(m.out)};
    for (int l = 1; l <= HARMONY_LEVELS; l++) {
        harmony_prepare(&m, l);
        attend(&a);
        harmony_compare(&m, l);
        for (size_t e = 0; e < HARMONY_SIZE; e++)
            m.prev->data[e] = (float)(harmony_mask(&m, e / HEAD, l) * m.out->data[e]);
    }
}
END_TEST

/* ---- sha-rnn --------------------------------------------------------------------------------------------------- */

enum { SHA_D = 256, SHA_QUERIES = 4, SHA_MEMORY = 10, SHA_SEGMENTS = 5, SHA_TOTAL = SHA_QUERIES * SHA_SEGMENTS };

/* Queries of the tokens h: sigmoid(a_q) (*) LN(W_q h). */
static array *sha_queries(const array *h, const array *a_q)
{
    array *q = project(h, array_random(2, SHA_D * SHA_D, 0.1), SHA_D, SHA_D);
    for (float *y = q->data; y < q->data + q->count; y += SHA_D) {
        double mean = 0.0, variance = 0.0;
        for (uint32_t c = 0; c < SHA_D; c++)
            mean += y[c] / (double)SHA_D;
        for (uint32_t c = 0; c < SHA_D; c++)
            variance += (y[c] - mean) * (y[c] - mean) / SHA_D;
        for (uint32_t c = 0; c < SHA_D; c++)
            y[c] = (float)(sigmoid(a_q->data[c]) * (y[c] - mean) / sqrt(variance + 1e-12));
    }
    return q;
}

/* One buffer m, scaled channel by channel: sigmoid(a_k) for keys; sigmoid(f) tanh(c), [c; f] = W sigmoid(a_v), for values. */
static void sha_scale(const array *m, array *k, array *v)
{
    const array *a_k = array_random(3, SHA_D, 2.0), *a_v = array_random(4, SHA_D, 2.0);
    array *gate = array_empty(SHA_D);
    for (uint32_t c = 0; c < SHA_D; c++)
        gate->data[c] = (float)sigmoid(a_v->data[c]);
    const array *cf = project(gate, array_random(5, 2 * SHA_D * SHA_D, 0.1), SHA_D, 2 * SHA_D);
    for (size_t e = 0; e < m->count; e++) {
        const size_t c = e % SHA_D;
        k->data[e] = (float)(sigmoid(a_k->data[c]) * m->data[e]);
        v->data[e] = (float)(sigmoid(cf->data[SHA_D + c]) * tanh(cf->data[c]) * m->data[e]);
    }
}

/* Segment by segment: at most SHA_MEMORY states of the past and the segment's own, which is causal. The window of the rolling
 * memory moves along one buffer. */
START_TEST(system_sha_rnn)
{
    array *h = array_random(0, SHA_TOTAL * SHA_D, 8.0), *k = array_empty(h->count), *v = array_empty(h->count),
          *o = array_empty(h->count), *q = sha_queries(h, array_random(1, SHA_D, 2.0));
    sha_scale(h, k, v);
    attention a = {.q = {q, 0, {1, 1, SHA_QUERIES, SHA_D}, {0, 0, SHA_D}},
                   .k = {k, 0, {1, 1, SHA_MEMORY + SHA_QUERIES, SHA_D}, {0, 0, SHA_D}},
                   .v = {v, 0, {1, 1, SHA_MEMORY + SHA_QUERIES, SHA_D}, {0, 0, SHA_D}},
                   .o = {o, 0, {1, 1, SHA_QUERIES, SHA_D}, {SHA_QUERIES * SHA_D, SHA_QUERIES * SHA_D, SHA_D}},
                   .params = {.causal = 1}};
    fovea_op *op = attend_create(&a);
    for (uint32_t past = 0; past < SHA_TOTAL; past += SHA_QUERIES) {
        const uint32_t memory = past < SHA_MEMORY ? past : SHA_MEMORY, first = past - memory;
        a.q.at = a.o.at = (uint64_t)past * SHA_D;
        a.k.at = a.v.at = (uint64_t)first * SHA_D;
        a.run_keys = memory + SHA_QUERIES;
        attend_run(&a, op);
        for (uint32_t i = past; i < past + SHA_QUERIES; i++) {
            row_begin(&r, SHA_D);
            for (uint32_t j = first; j <= i; j++)
                row_key(&r, q->data + i * SHA_D, k->data + j * SHA_D, 1.0 / sqrt(SHA_D));
            row_weigh(&r);
            row_compare(&r, (const uint32_t[3]){0, past, i}, o->data + i * SHA_D, v->data + first * SHA_D, SHA_D,
                        SHA_D);
        }
    }
    test_keep_op(op);
}
END_TEST

/* ---- low-rank-bottleneck --------------------------------------------------------------------------------------- */

enum { LOW_MODEL = 32, LOW_HEADS = 2, LOW_DP = 512, LOW_TOKENS = 13 };

/* The head size d_p has nothing to do with d_model / heads, and is no less than N. concat(heads) is how o lies. */
START_TEST(system_low_rank_bottleneck)
{
    const uint64_t line = LOW_HEADS * LOW_DP;
    array *x = array_random(0, LOW_TOKENS * LOW_MODEL, 1.0), *p[3], *o = array_empty(LOW_TOKENS * line);
    for (uint64_t n = 0; n < 3; n++)
        p[n] = project(x, array_random(1 + n, LOW_MODEL * line, 0.5), LOW_MODEL, (uint32_t)line);
#define LOW_SIDE(array)                               \
    {                                                 \
        array, 0, {1, LOW_HEADS, LOW_TOKENS, LOW_DP}, \
        {                                             \
            LOW_TOKENS *line, LOW_DP, line            \
        }                                             \
    }
    attend(&(attention){.q = LOW_SIDE(p[0]), .k = LOW_SIDE(p[1]), .v = LOW_SIDE(p[2]), .o = LOW_SIDE(o)});
    for (uint32_t h = 0; h < LOW_HEADS; h++)
        for (uint32_t i = 0; i < LOW_TOKENS; i++) {
            row_begin(&r, LOW_DP);
            for (uint32_t j = 0; j < LOW_TOKENS; j++)
                row_key(&r, p[0]->data + i * line + h * LOW_DP, p[1]->data + j * line + h * LOW_DP, 1.0 / sqrt(LOW_DP));
            row_weigh(&r);
            row_compare(&r, (const uint32_t[3]){0, h, i}, o->data + i * line + h * LOW_DP, p[2]->data + h * LOW_DP,
                        line, LOW_DP);
        }
}
END_TEST

static void add_core_systems(Suite *suite)
{
    const TTest *const tests[] = {system_fusemax, system_harmony_cascade, system_sha_rnn, system_low_rank_bottleneck};
    add_systems(suite, "core", tests, sizeof tests / sizeof tests[0]);
}

static void add(Suite *suite)
{
    add_core_systems(suite);
    add_layout_systems(suite);
    add_scoring_systems(suite);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv, "systems", add);
}
