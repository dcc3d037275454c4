/* Systems of the catalogue that change scores, heads or normalisers and still are softmax attention of numbers that the
 * host prepares, or a mix of two of them. */
#include "systems.h"

#include <math.h>

enum { HEAD = 16 };

static const double scale = 0.25; /* HEAD^-0.5 */
static row r;

/* A [rows, heads, HEAD] array as a view. */
#define TOKENS(array, heads, rows)                    \
    {                                                 \
        array, 0, {1, heads, rows, HEAD},             \
        {                                             \
            (rows) * (heads)*HEAD, HEAD, (heads)*HEAD \
        }                                             \
    }

/* The column c of head h of a [keys, heads, HEAD] array. */
static void values(const array *v, uint32_t heads, uint32_t h, uint32_t c)
{
    for (uint32_t j = 0; j < r.keys; j++)
        r.value[j] = v->data[((size_t)j * heads + h) * HEAD + c];
}

/* The row of query i and head h over the keys 0 to count - 1, all of `heads` heads. */
static void weigh(const array *q, const array *k, uint32_t heads, const uint32_t at[2], uint32_t count)
{
    row_begin(&r, HEAD);
    for (uint32_t j = 0; j < count; j++)
        row_key(&r, q->data + ((size_t)at[0] * heads + at[1]) * HEAD, k->data + ((size_t)j * heads + at[1]) * HEAD,
                scale);
    row_weigh(&r);
}

/* ---- affine-scaled-attention ----------------------------------------------------------------------------------- */

enum { AFFINE_HEADS = 2, AFFINE_TOKENS = 19 };

/* O_i = [alpha_i softmax(s_i) + beta_i 1] V. N_i: the visible keys, under a causal mask. The sum of visible values is that
 * of an attention whose scores are all 0, times N_i. */
START_TEST(system_affine_scaled_attention)
{
    const uint32_t size = AFFINE_TOKENS * AFFINE_HEADS * HEAD;
    const double alpha_ma = 0.4;
    array *q = array_random(0, size, 2.0), *k = array_random(1, size, 2.0), *v = array_random(2, size, 1.0),
          *soft = array_empty(size), *mean = array_empty(size),
          *gate = array_random(3, AFFINE_TOKENS * AFFINE_HEADS, 8.0); /* W_a x */
    attention a = {.q = TOKENS(q, AFFINE_HEADS, AFFINE_TOKENS),
                   .k = TOKENS(k, AFFINE_HEADS, AFFINE_TOKENS),
                   .v = TOKENS(v, AFFINE_HEADS, AFFINE_TOKENS),
                   .o = TOKENS(soft, AFFINE_HEADS, AFFINE_TOKENS),
                   .params = {.causal = 1}};
    attend(&a);
    a.o.a = mean;
    a.params.scale_literal = 1;
    attend(&a);
    for (uint32_t n = 0; n < AFFINE_TOKENS * AFFINE_HEADS; n++) {
        const uint32_t i = n / AFFINE_HEADS, h = n % AFFINE_HEADS, visible = i + 1;
        const double alpha = fmin(fmax(0.1 * gate->data[n] + 0.5, 0.0), 1.0), beta = (alpha_ma - alpha) / visible;
        weigh(q, k, AFFINE_HEADS, (const uint32_t[2]){i, h}, visible);
        row zeros = {.dim = HEAD};
        for (uint32_t j = 0; j < visible; j++)
            row_score(&zeros, 0.0, 0.0);
        row_weigh(&zeros);
        for (uint32_t c = 0; c < HEAD; c++) {
            const size_t e = (size_t)n * HEAD + c;
            double wanted = 0.0;
            values(v, AFFINE_HEADS, h, c);
            memcpy(zeros.value, r.value, sizeof r.value);
            for (uint32_t j = 0; j < visible; j++)
                wanted += (alpha * r.weight[j] + beta) * r.value[j];
            expect((const uint32_t[4]){0, h, i, c}, alpha * soft->data[e] + beta * visible * mean->data[e], wanted,
                   alpha * row_bound(&r) + fabs(beta) * visible * row_bound(&zeros));
        }
    }
}
END_TEST

/* ---- convit-gpsa ----------------------------------------------------------------------------------------------- */

enum {
    GPSA_SIDE = 4,
    GPSA_TOKENS = GPSA_SIDE * GPSA_SIDE,
    GPSA_HEADS = 4,
    GPSA_SIZE = GPSA_TOKENS * GPSA_HEADS * HEAD
};

/* w_h: near alpha (2 Dx, 2 Dy, -1), in steps that make its products with places on the grid exact. */
static void gpsa_weights(double w[GPSA_HEADS][3])
{
    const array *noise = array_random(4, GPSA_HEADS * 3, 0.5);
    for (int h = 0; h < GPSA_HEADS; h++) {
        const double start[3] = {2.0 * (h % 2), 2.0 * (h / 2), -1.0};
        for (int n = 0; n < 3; n++)
            w[h][n] = 0.5 * start[n] + floor(256.0 * noise->data[h * 3 + n]) / 256.0;
    }
}

/* w.r_ij + b as a dot product of what i and j know of themselves; terms that all keys of a row share are left out. */
static void gpsa_factors(double w[GPSA_HEADS][3], array *q, array *k)
{
    for (size_t e = 0; e < GPSA_SIZE; e++)
        q->data[e] = k->data[e] = 0.0f;
    for (uint32_t n = 0; n < GPSA_TOKENS * GPSA_HEADS; n++) {
        const double x = n / GPSA_HEADS % GPSA_SIDE, y = n / GPSA_HEADS / GPSA_SIDE, *own = w[n % GPSA_HEADS];
        const double factors[2][3] = {{own[0] - 2.0 * own[2] * x, own[1] - 2.0 * own[2] * y, own[2]},
                                      {x, y, x * x + y * y}};
        for (int c = 0; c < 3; c++) {
            q->data[n * HEAD + c] = (float)factors[0][c];
            k->data[n * HEAD + c] = (float)factors[1][c];
        }
    }
}

/* softmax_j(w.r_ij + b), r_ij = (x_j - x_i, y_j - y_i, the square of the distance). */
static void gpsa_weigh_places(row *places, const uint32_t at[2], const double w[3], const array *q, const array *k)
{
    const double xi = at[0] % GPSA_SIDE, yi = at[0] / GPSA_SIDE, b = 0.125;
    row_begin(places, HEAD);
    for (uint32_t j = 0; j < GPSA_TOKENS; j++) {
        const double x = j % GPSA_SIDE - xi, y = j / GPSA_SIDE - yi;
        double size = 0.0;
        for (uint32_t c = 0; c < 3; c++)
            size += fabs((double)q->data[(at[0] * GPSA_HEADS + at[1]) * HEAD + c] *
                         k->data[(j * GPSA_HEADS + at[1]) * HEAD + c]);
        row_score(places, w[0] * x + w[1] * y + w[2] * (x * x + y * y) + b, size);
    }
    row_weigh(places);
}

/* A gated sum of two softmaxes, of content and of positions. */
START_TEST(system_convit_gpsa)
{
    array *q = array_random(0, GPSA_SIZE, 2.0), *k = array_random(1, GPSA_SIZE, 2.0),
          *v = array_random(2, GPSA_SIZE, 1.0), *o = array_empty(GPSA_SIZE), *pq = array_empty(GPSA_SIZE),
          *pk = array_empty(GPSA_SIZE), *po = array_empty(GPSA_SIZE);
    const array *lambda = array_random(3, GPSA_HEADS, 2.0);
    double w[GPSA_HEADS][3];
    static row places;
    gpsa_weights(w);
    gpsa_factors(w, pq, pk);
#define GPSA_TENSOR(array) TOKENS(array, GPSA_HEADS, GPSA_TOKENS)
    attend(&(attention){.q = GPSA_TENSOR(q), .k = GPSA_TENSOR(k), .v = GPSA_TENSOR(v), .o = GPSA_TENSOR(o)});
    attend(&(attention){.q = GPSA_TENSOR(pq),
                        .k = GPSA_TENSOR(pk),
                        .v = GPSA_TENSOR(v),
                        .o = GPSA_TENSOR(po),
                        .params = {.scale = 1.0f, .scale_literal = 1}});
    for (uint32_t n = 0; n < GPSA_TOKENS * GPSA_HEADS; n++) {
        const uint32_t at[2] = {n / GPSA_HEADS, n % GPSA_HEADS};
        const double gate = sigmoid(lambda->data[at[1]]);
        weigh(q, k, GPSA_HEADS, at, GPSA_TOKENS);
        gpsa_weigh_places(&places, at, w[at[1]], pq, pk);
        for (uint32_t c = 0; c < HEAD; c++) {
            const size_t e = (size_t)n * HEAD + c;
            double wanted = 0.0;
            values(v, GPSA_HEADS, at[1], c);
            memcpy(places.value, r.value, sizeof r.value);
            for (uint32_t j = 0; j < GPSA_TOKENS; j++)
                wanted += ((1.0 - gate) * r.weight[j] + gate * places.weight[j]) * r.value[j];
            expect((const uint32_t[4]){0, at[1], at[0], c}, (1.0 - gate) * o->data[e] + gate * po->data[e], wanted,
                   (1.0 - gate) * row_bound(&r) + gate * row_bound(&places));
        }
    }
}
END_TEST

/* ---- pvchat-remoh ---------------------------------------------------------------------------------------------- */

enum { REMOH_TOKENS = 12, REMOH_HEADS = 4, REMOH_SHARED = 2, REMOH_MODEL = 24, REMOH_INNER = REMOH_HEADS * HEAD };

static double clamped(double x, double low, double high)
{
    return fmin(fmax(x, low), high);
}

/* Weight of head h for a token: alpha_1, or alpha_2 relu of its own logit. The published form, without the factor 2. */
static double remoh_weight(const float *mix, const float *route, uint32_t h)
{
    const double first = exp(clamped(mix[0], -1.0, 1.0)), second = exp(clamped(mix[1], -1.0, 1.0));
    if (h < REMOH_SHARED)
        return first / (first + second);
    return second / (first + second) * fmax(clamped(route[h - REMOH_SHARED], -1.0, 10.0), 0.0);
}

/* O_t = sum_h w_h(x_t) head_h W_O^h over causal heads. */
START_TEST(system_pvchat_remoh)
{
    array *x = array_random(0, REMOH_TOKENS * REMOH_MODEL, 1.0), *p[3], *o = array_empty(REMOH_TOKENS * REMOH_INNER);
    for (uint64_t n = 0; n < 3; n++)
        p[n] = project(x, array_random(1 + n, REMOH_MODEL * REMOH_INNER, 0.5), REMOH_MODEL, REMOH_INNER);
    const array *mix = project(x, array_random(4, REMOH_MODEL * 2, 0.5), REMOH_MODEL, 2),
                *route = project(x, array_random(5, REMOH_MODEL * (REMOH_HEADS - REMOH_SHARED), 0.5), REMOH_MODEL,
                                 REMOH_HEADS - REMOH_SHARED),
                *w_o = array_random(6, REMOH_INNER * REMOH_MODEL, 0.5);
    attend(&(attention){.q = TOKENS(p[0], REMOH_HEADS, REMOH_TOKENS),
                        .k = TOKENS(p[1], REMOH_HEADS, REMOH_TOKENS),
                        .v = TOKENS(p[2], REMOH_HEADS, REMOH_TOKENS),
                        .o = TOKENS(o, REMOH_HEADS, REMOH_TOKENS),
                        .params = {.causal = 1}});
    for (uint32_t t = 0; t < REMOH_TOKENS; t++) {
        double got[REMOH_MODEL] = {0}, wanted[REMOH_MODEL] = {0}, bound[REMOH_MODEL] = {0};
        for (uint32_t e = 0; e < REMOH_INNER; e++) {
            const uint32_t h = e / HEAD;
            const double weight = remoh_weight(mix->data + t * 2, route->data + t * (REMOH_HEADS - REMOH_SHARED), h);
            weigh(p[0], p[1], REMOH_HEADS, (const uint32_t[2]){t, h}, t + 1);
            values(p[2], REMOH_HEADS, h, e % HEAD);
            for (uint32_t c = 0; c < REMOH_MODEL; c++) {
                const double out = weight * w_o->data[e * REMOH_MODEL + c];
                got[c] += out * o->data[t * REMOH_INNER + e];
                wanted[c] += out * row_sum(&r);
                bound[c] += fabs(out) * row_bound(&r);
            }
        }
        for (uint32_t c = 0; c < REMOH_MODEL; c++)
            expect((const uint32_t[4]){0, 0, t, c}, got[c], wanted[c], bound[c]);
    }
}
END_TEST

/* ---- super-attention ------------------------------------------------------------------------------------------- */

enum { SUPER_TOKENS = 18, SUPER_HEADS = 3, SUPER_MODEL = SUPER_HEADS * HEAD };

/* The softmax is over keys, as in the paper. Heads without W_K or W_V read slices of X where it lies. */
START_TEST(system_super_attention)
{
    array *x = array_random(0, SUPER_TOKENS * SUPER_MODEL, 1.5), *aligned = array_empty(x->count),
          *q = project(x, array_random(1, SUPER_MODEL * SUPER_MODEL, 0.5), SUPER_MODEL, SUPER_MODEL),
          *k = project(x, array_random(2, SUPER_MODEL * SUPER_MODEL, 0.5), SUPER_MODEL, SUPER_MODEL),
          *o = array_empty(x->count);
    const array *w_a = array_random(3, SUPER_TOKENS * SUPER_TOKENS, 0.5);
    for (size_t e = 0; e < x->count; e++) {
        double sum = 0.0;
        for (uint32_t j = 0; j < SUPER_TOKENS; j++)
            sum += (double)w_a->data[e / SUPER_MODEL * SUPER_TOKENS + j] * x->data[j * SUPER_MODEL + e % SUPER_MODEL];
        aligned->data[e] = (float)sum;
    }
    array *const kinds[][2] = {{k, x}, {x, x}, {x, aligned}}; /* keys and values: optimised, efficient, super */
    for (uint32_t n = 0; n < 3; n++) {
        attend(&(attention){.q = TOKENS(q, SUPER_HEADS, SUPER_TOKENS),
                            .k = TOKENS(kinds[n][0], SUPER_HEADS, SUPER_TOKENS),
                            .v = TOKENS(kinds[n][1], SUPER_HEADS, SUPER_TOKENS),
                            .o = TOKENS(o, SUPER_HEADS, SUPER_TOKENS)});
        for (uint32_t e = 0; e < SUPER_TOKENS * SUPER_MODEL; e++) {
            const uint32_t i = e / SUPER_MODEL, h = e % SUPER_MODEL / HEAD;
            if (e % HEAD == 0)
                weigh(q, kinds[n][0], SUPER_HEADS, (const uint32_t[2]){i, h}, SUPER_TOKENS);
            values(kinds[n][1], SUPER_HEADS, h, e % HEAD);
            expect((const uint32_t[4]){n, h, i, e % HEAD}, o->data[e], row_sum(&r), row_bound(&r));
        }
    }
}
END_TEST

/* ---- mhe-head-embeddings --------------------------------------------------------------------------------------- */

enum { MHE_TOKENS = 14, MHE_HEADS = 3 };

typedef struct mhe {
    bool multiply;
    array *q, *k, *v;       /* shared by all heads: [tokens, HEAD] */
    array *eq, *ek, *ev;    /* [heads, HEAD] */
    array *head_q, *head_o; /* [tokens, heads, HEAD] */
} mhe;

static double mhe_join(const mhe *m, double x, double e)
{
    return m->multiply ? x * (1.0 + e) : x + e;
}

/* Row (i, h) by its definition: normal attention of q^h, k^h, v^h. */
static void mhe_compare(const mhe *m, uint32_t i, uint32_t h)
{
    const size_t own = ((size_t)i * MHE_HEADS + h) * HEAD, e = (size_t)h * HEAD;
    row_begin(&r, HEAD);
    r.more = 1; /* head_q is rounded */
    for (uint32_t j = 0; j < MHE_TOKENS; j++) {
        double score = 0.0, size = 0.0;
        for (uint32_t c = 0; c < HEAD; c++) {
            score += mhe_join(m, m->q->data[i * HEAD + c], m->eq->data[e + c]) *
                     mhe_join(m, m->k->data[j * HEAD + c], m->ek->data[e + c]);
            size += fabs((double)m->head_q->data[own + c] * m->k->data[j * HEAD + c]);
        }
        row_score(&r, scale * score, scale * size);
    }
    row_weigh(&r);
    for (uint32_t c = 0; c < HEAD; c++) {
        double wanted = 0.0;
        for (uint32_t j = 0; j < MHE_TOKENS; j++)
            wanted += r.weight[j] * mhe_join(m, m->v->data[j * HEAD + c], m->ev->data[e + c]);
        values(m->v, 1, 0, c);
        expect((const uint32_t[4]){m->multiply, h, i, c}, mhe_join(m, m->head_o->data[own + c], m->ev->data[e + c]),
               wanted, row_bound(&r) * (m->multiply ? fabs(1.0 + m->ev->data[e + c]) : 1.0));
    }
}

/* One key and one value head for all. The key's vector is moved to the query (what ADD then lacks is the same for all keys
 * of a row), the value's to the output: weights add up to 1. */
START_TEST(system_mhe_head_embeddings)
{
    mhe m = {.q = array_random(0, MHE_TOKENS * HEAD, 2.0),
             .k = array_random(1, MHE_TOKENS * HEAD, 2.0),
             .v = array_random(2, MHE_TOKENS * HEAD, 1.0),
             .eq = array_random(3, MHE_HEADS * HEAD, 1.0),
             .ek = array_random(4, MHE_HEADS * HEAD, 1.0),
             .ev = array_random(5, MHE_HEADS * HEAD, 1.0),
             .head_q = array_empty(MHE_TOKENS * MHE_HEADS * HEAD),
             .head_o = array_empty(MHE_TOKENS * MHE_HEADS * HEAD)};
    for (int kind = 0; kind < 2; kind++) {
        m.multiply = kind == 1;
        for (size_t e = 0; e < m.head_q->count; e++) {
            const size_t own = e % (MHE_HEADS * HEAD);
            const double q = mhe_join(&m, m.q->data[e / (MHE_HEADS * HEAD) * HEAD + e % HEAD], m.eq->data[own]);
            m.head_q->data[e] = (float)(m.multiply ? q * (1.0 + m.ek->data[own]) : q);
        }
        attend(&(attention){.q = TOKENS(m.head_q, MHE_HEADS, MHE_TOKENS),
                            .k = TOKENS(m.k, 1, MHE_TOKENS),
                            .v = TOKENS(m.v, 1, MHE_TOKENS),
                            .o = TOKENS(m.head_o, MHE_HEADS, MHE_TOKENS)});
        for (uint32_t n = 0; n < MHE_TOKENS * MHE_HEADS; n++)
            mhe_compare(&m, n / MHE_HEADS, n % MHE_HEADS);
    }
}
END_TEST

/* ---- coca ------------------------------------------------------------------------------------------------------ */

enum { COCA_TOKENS = 17, COCA_PAIRS = HEAD / 2 };

static double coca_angle(uint32_t position, uint32_t l)
{
    return position * pow(10000.0, -2.0 * l / HEAD);
}

/* The paper's form: score(m, n) = sum_l t_nl (q_ml^2 + q_m,l+d/2^2) cos((m - n) theta_l), which Q' and K' factorise. */
START_TEST(system_coca)
{
    array *q = array_random(0, COCA_TOKENS * HEAD, 1.5), *t = array_random(1, COCA_TOKENS * COCA_PAIRS, 2.0),
          *v = array_random(2, COCA_TOKENS * HEAD, 1.0), *o = array_empty(COCA_TOKENS * HEAD),
          *qq = array_empty(COCA_TOKENS * HEAD), *kk = array_empty(COCA_TOKENS * HEAD);
    for (uint32_t e = 0; e < COCA_TOKENS * COCA_PAIRS; e++) {
        const uint32_t i = e / COCA_PAIRS, l = e % COCA_PAIRS;
        const double a = q->data[i * HEAD + l], b = q->data[i * HEAD + l + COCA_PAIRS], angle = coca_angle(i, l);
        t->data[e] = fmaxf(t->data[e], 0.0f);
        qq->data[2 * e] = (float)((a * a + b * b) * cos(angle));
        qq->data[2 * e + 1] = (float)((a * a + b * b) * sin(angle));
        kk->data[2 * e] = (float)(t->data[e] * cos(angle));
        kk->data[2 * e + 1] = (float)(t->data[e] * sin(angle));
    }
    attend(&(attention){.q = TOKENS(qq, 1, COCA_TOKENS),
                        .k = TOKENS(kk, 1, COCA_TOKENS),
                        .v = TOKENS(v, 1, COCA_TOKENS),
                        .o = TOKENS(o, 1, COCA_TOKENS),
                        .params = {.causal = 1}});
    for (uint32_t m = 0; m < COCA_TOKENS; m++) {
        row_begin(&r, HEAD);
        r.more = 2; /* Q' and K' are rounded */
        for (uint32_t n = 0; n <= m; n++) {
            double score = 0.0, size = 0.0;
            for (uint32_t l = 0; l < COCA_PAIRS; l++) {
                const double a = q->data[m * HEAD + l], b = q->data[m * HEAD + l + COCA_PAIRS];
                score += t->data[n * COCA_PAIRS + l] * (a * a + b * b) * cos(coca_angle(m, l) - coca_angle(n, l));
            }
            for (uint32_t c = 0; c < HEAD; c++)
                size += fabs((double)qq->data[m * HEAD + c] * kk->data[n * HEAD + c]);
            row_score(&r, scale * score, scale * size);
        }
        row_weigh(&r);
        for (uint32_t c = 0; c < HEAD; c++) {
            values(v, 1, 0, c);
            expect((const uint32_t[4]){0, 0, m, c}, o->data[m * HEAD + c], row_sum(&r), row_bound(&r));
        }
    }
}
END_TEST

/* ---- label-attention-layer ------------------------------------------------------------------------------------- */

enum { LABEL_BATCH = 2, LABELS = 7, LABEL_TOKENS = HEAD, LABEL_INNER = LABELS * HEAD };

/* A head for each label, with one learned query for all sentences. Its keys and values hold a half for content and one for
 * positions. Rows of attention come out where the values are the unit matrix. */
START_TEST(system_label_attention_layer)
{
    array *q = array_random(0, LABEL_INNER, 2.0), *k = array_random(1, LABEL_BATCH * LABEL_TOKENS * LABEL_INNER, 2.0),
          *v = array_random(2, LABEL_BATCH * LABEL_TOKENS * LABEL_INNER, 1.0), *unit = array_empty(LABEL_TOKENS * HEAD),
          *o = array_empty(LABEL_BATCH * LABEL_INNER), *rows = array_empty(LABEL_BATCH * LABEL_INNER);
    for (uint32_t e = 0; e < unit->count; e++)
        unit->data[e] = e / HEAD == e % HEAD ? 1.0f : 0.0f;
#define LABEL_SIDE(array, n, batch)               \
    {                                             \
        array, 0, {LABEL_BATCH, LABELS, n, HEAD}, \
        {                                         \
            batch, HEAD, LABEL_INNER              \
        }                                         \
    }
    attention a = {.q = LABEL_SIDE(q, 1, 0),
                   .k = LABEL_SIDE(k, LABEL_TOKENS, LABEL_TOKENS * LABEL_INNER),
                   .v = LABEL_SIDE(v, LABEL_TOKENS, LABEL_TOKENS * LABEL_INNER),
                   .o = LABEL_SIDE(o, 1, LABEL_INNER)};
    attend(&a);
    a.v = (side){unit, 0, {LABEL_BATCH, LABELS, LABEL_TOKENS, HEAD}, {0, 0, HEAD}};
    a.o.a = rows;
    attend(&a);
    for (uint32_t e = 0; e < LABEL_BATCH * LABEL_INNER; e++) {
        const uint32_t b = e / LABEL_INNER, l = e % LABEL_INNER / HEAD, c = e % HEAD;
        const size_t first = (size_t)b * LABEL_TOKENS * LABEL_INNER + l * HEAD;
        row_begin(&r, HEAD);
        for (uint32_t j = 0; j < LABEL_TOKENS; j++) {
            row_key(&r, q->data + l * HEAD, k->data + first + j * LABEL_INNER, scale);
            r.value[j] = v->data[first + j * LABEL_INNER + c];
        }
        row_weigh(&r);
        expect((const uint32_t[4]){b, l, 0, c}, o->data[e], row_sum(&r), row_bound(&r));
        for (uint32_t j = 0; j < LABEL_TOKENS; j++)
            r.value[j] = j == c;
        expect((const uint32_t[4]){b, l, 1, c}, rows->data[e], r.weight[c], row_bound(&r));
    }
}
END_TEST

void add_scoring_systems(Suite *suite)
{
    const TTest *const tests[] = {system_affine_scaled_attention, system_convit_gpsa,         system_pvchat_remoh,
                                  system_super_attention,         system_mhe_head_embeddings, system_coca,
                                  system_label_attention_layer};
    add_systems(suite, "scoring", tests, sizeof tests / sizeof tests[0]);
}
