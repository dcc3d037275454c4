#include "ref.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- storage ----------------------------------------------------------------------------------------------- */

static double decode_half(uint16_t bits)
{
    const double sign = bits & 0x8000 ? -1.0 : 1.0;
    const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    if (exponent == 31)
        return mantissa ? NAN : sign * INFINITY;
    if (exponent == 0)
        return sign * ldexp(mantissa, -24);
    return sign * ldexp(1024 + mantissa, exponent - 25);
}

static uint16_t encode_half(double value)
{
    const uint16_t sign = signbit(value) ? 0x8000 : 0;
    if (isnan(value))
        return 0x7e00;
    const double size = fabs(value);
    if (size >= 65520.0) /* halfway between the largest number and the next power of two */
        return sign | 0x7c00;
    int exponent;
    frexp(size, &exponent);
    const int step = exponent - 11 < -24 ? -24 : exponent - 11; /* weight of the last bit */
    const uint16_t units = (uint16_t)nearbyint(ldexp(size, -step));
    return (uint16_t)(sign + units + (step + 24) * 1024 * (size != 0.0));
}

static float float_from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint16_t encode_bf16(double value)
{
    const float single = (float)value; /* test values need no care for double rounding */
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    if (isnan(value))
        return 0x7fc0;
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

double ref_decode(const unsigned char *data, fovea_dtype dtype)
{
    if (dtype == FOVEA_F32) {
        float value;
        memcpy(&value, data, sizeof value);
        return value;
    }
    uint16_t bits;
    memcpy(&bits, data, sizeof bits);
    return dtype == FOVEA_F16 ? decode_half(bits) : (double)float_from_bits((uint32_t)bits << 16);
}

void ref_encode(unsigned char *data, fovea_dtype dtype, double value)
{
    if (dtype == FOVEA_F32) {
        const float single = (float)value;
        memcpy(data, &single, sizeof single);
        return;
    }
    const uint16_t bits = dtype == FOVEA_F16 ? encode_half(value) : encode_bf16(value);
    memcpy(data, &bits, sizeof bits);
}

static uint32_t element_size(fovea_dtype dtype)
{
    return dtype == FOVEA_F32 ? 4 : 2;
}

static void load_rows(double *rows, const ref_view *view, uint64_t first, uint32_t count, uint32_t dim)
{
    const uint32_t size = element_size(view->dtype);
    for (uint32_t j = 0; j < count; j++)
        for (uint32_t c = 0; c < dim; c++)
            rows[(size_t)j * dim + c] = ref_decode(view->data + (first + j * view->row + c) * size, view->dtype);
}

/* ---- comparing ---------------------------------------------------------------------------------------------- */

double ref_miss(double got, double wanted, double bound)
{
    if (isnan(wanted) || isnan(got))
        return isnan(wanted) && isnan(got) ? 0.0 : INFINITY;
    if (got == wanted)
        return 0.0;
    if (!isfinite(wanted) || !isfinite(got))
        return INFINITY;
    return bound > 0.0 ? fabs(got - wanted) / bound : INFINITY;
}

/* ---- one row ------------------------------------------------------------------------------------------------ */

typedef struct row_work {
    const ref_problem *problem;
    double *q, *k, *v;      /* one query; all keys and values of its heads */
    double *score, *weight; /* of each key */
} row_work;

ref_range ref_visible(ref_mask mask, ref_window window, uint32_t seq_q, uint32_t seq_k, uint32_t i)
{
    const bool top_left = mask == REF_CAUSAL_TOP_LEFT || (mask == REF_FULL && window.top_left);
    const int64_t position = top_left ? (int64_t)i : (int64_t)i + (int64_t)seq_k - (int64_t)seq_q;
    ref_range seen = {seq_k, seq_k};
    bool any = false;
    for (uint32_t j = 0; j < seq_k; j++) {
        bool visible = mask == REF_FULL || j <= position;
        if (window.given && window.left != REF_UNBOUNDED)
            visible = visible && j >= position - (int64_t)window.left;
        if (window.given && window.right != REF_UNBOUNDED)
            visible = visible && j <= position + (int64_t)window.right;
        if (visible && !any)
            seen.begin = j;
        if (visible)
            seen.end = j + 1;
        any = any || visible;
    }
    return any ? seen : (ref_range){0, 0};
}

/* What an operand's rounding may change a stored number by. f16 has 11 bits from SMALLEST on, below which a matrix unit may
 * take it for 0; of two parts the low one is 2048 times as large, and drivers may round it either way. */
#define SMALLEST 0x1p-14

static double operand_error(const ref_problem *p, fovea_dtype stored, double x)
{
    const double size = fabs(x);
    if (p->operand == FOVEA_F32 || (p->parts == 1 && stored == p->operand))
        return 0.0;
    if (p->parts == 1)
        return size < SMALLEST ? size : 0x1p-11 * size;
    if (size < SMALLEST / 2048)
        return size;
    return (size < SMALLEST ? 0x1p-10 : 0x1p-21) * size;
}

/* What products of low parts leave out. */
static double low_size(const ref_problem *p, double x)
{
    return p->parts != 2 ? 0.0 : fabs(x) < SMALLEST ? fabs(x) : 0x1p-11 * fabs(x);
}

/* The most that a product of two operands differs from that of the numbers. */
static double product_error(const ref_problem *p, double q, double k)
{
    const double error_q = operand_error(p, p->q.dtype, q), error_k = operand_error(p, p->k.dtype, k);
    return error_q * fabs(k) + error_k * fabs(q) + error_q * error_k + low_size(p, q) * low_size(p, k);
}

/* Scores of the keys that are seen. Returns E, the error bound of a score. */
static double score_keys(const row_work *w, ref_range seen)
{
    const ref_problem *p = w->problem;
    const uint32_t dim = p->dim_qk;
    const double terms =
        p->parts == 2 ? dim + dim / 8.0 + 4.0 : dim + 3.0; /* low products are added by eights at least */
    double largest = 0.0, highest = 0.0;
    for (uint32_t j = seen.begin; j < seen.end; j++) {
        double sum = 0.0, size = 0.0, error = 0.0;
        for (uint32_t c = 0; c < dim; c++) {
            const double k = w->k[(size_t)j * dim + c], product = w->q[c] * k;
            sum += product;
            size += fabs(product);
            error += product_error(p, w->q[c], k);
        }
        w->score[j] = p->cap > 0.0 ? p->cap * tanh(p->scale * sum / p->cap) : p->scale * sum;
        highest = fmax(highest, fabs(w->score[j]));
        if (w->score[j] != -INFINITY) /* a removed key has no error */
            largest = fmax(largest, terms * 0x1p-24 * size + error);
    }
    /* A capped score is wrong by some units in its own last place; on a GPU by those that Vulkan grants an exponential and a
     * division besides. A cap makes no error of a score larger. */
    const double capped = p->cap > 0.0 ? highest * (p->gpu ? 0x1p-18 : 0x1p-20) : 0.0;
    return fabs(p->scale) * largest + capped;
}

typedef struct row_sums {
    double error, maximum, total, exp_error; /* E_i, m_i, sum of weights, u_exp */
    bool finite;
} row_sums;

static row_sums weigh_keys(const row_work *w, ref_range seen)
{
    row_sums r = {.error = score_keys(w, seen), .maximum = -INFINITY, .finite = true};
    for (uint32_t j = seen.begin; j < seen.end; j++) {
        r.maximum = fmax(r.maximum, w->score[j]);
        r.finite = r.finite && !isnan(w->score[j]) && w->score[j] != INFINITY;
    }
    for (uint32_t j = seen.begin; j < seen.end; j++) {
        const double below = w->score[j] - r.maximum;
        w->weight[j] = w->score[j] == -INFINITY ? 0.0 : exp(below);
        r.total += w->weight[j];
        if (w->weight[j] > 0.0)
            r.exp_error += w->weight[j] * (3.0 + 2.0 * fabs(below)) * 0x1p-23;
    }
    r.exp_error /= r.total;
    return r;
}

/* Relative. To nearest; a GPU may round either way. */
static double unit_roundoff(fovea_dtype dtype, bool gpu)
{
    const double nearest = dtype == FOVEA_BF16 ? 0x1p-8 : dtype == FOVEA_F16 ? 0x1p-11 : 0.0;
    return gpu ? 2.0 * nearest : nearest;
}

double ref_store_bound(fovea_dtype dtype, bool gpu, double value)
{
    switch (dtype) {
    case FOVEA_F16: return (gpu ? 0x1p-10 : 0x1p-11) * fabs(value) + 0x1p-14;
    case FOVEA_BF16: return 0x1p-8 * fabs(value);
    case FOVEA_F32:
    case FOVEA_DTYPE_COUNT: break;
    }
    return 0x1p-24 * fabs(value);
}

/* What rounding a weight and its value to operands changes their product by. A weight of 1, the largest, is 2^7 at the
 * least when it is rounded to f16. */
static double weighed_error(const ref_problem *p, double weight, double v)
{
    const double value_error = operand_error(p, p->v.dtype, v);
    const double error = p->parts == 2 ? operand_error(p, FOVEA_F32, 0x1p7 * weight) * 0x1p-7
                                       : unit_roundoff(p->operand, p->gpu) * weight;
    const double lows = low_size(p, 0x1p7 * weight) * 0x1p-7 * low_size(p, v);
    return weight * value_error + error * (fabs(v) + value_error) + lows;
}

/* Below it weights, values and results may be flushed to zero, or, in f16, be rounded to less than their precision. */
static double smallest(const ref_problem *p)
{
    return p->operand != FOVEA_F16 ? 0x1p-126 : p->parts == 2 ? 0x1p-32 : 0x1p-25;
}

static void sum_values(const row_work *w, ref_range seen, const row_sums *r, double *o, double *o_bound)
{
    const ref_problem *p = w->problem;
    const double computed = expm1(2.0 * r->error) + p->seq_k * 0x1p-24 + r->exp_error;
    for (uint32_t c = 0; c < p->dim_v; c++) {
        double sum = 0.0, size = 0.0, error = 0.0,
               largest = 0.0; /* errors of the numerator alone: sums add exact weights */
        for (uint32_t j = seen.begin; j < seen.end; j++) {
            const double v = w->v[(size_t)j * p->dim_v + c];
            sum += w->weight[j] * v;
            size += w->weight[j] * fabs(v);
            error += weighed_error(p, w->weight[j], v);
            largest = fmax(largest, fabs(v));
        }
        o[c] = r->finite ? sum / r->total : NAN;
        const double relative = computed * size + (1.0 + computed) * error;
        o_bound[c] =
            relative / r->total + ref_store_bound(p->o_dtype, p->gpu, o[c]) + p->seq_k * smallest(p) * (largest + 1.0);
    }
}

/* A sink joins the sum: one more exponential, one that brings the row's weights down to it, and its own rounding. */
static void add_sink(double sink, row_sums *r)
{
    const double away = fabs(sink - r->maximum);
    r->total += exp(sink - r->maximum);
    r->exp_error += (8.0 + 4.0 * away + 2.0 * fabs(sink)) * 0x1p-23;
}

/* `sink`: -inf where there is none. */
static void solve_row(const row_work *w, uint32_t i, double sink, const ref_result *result, size_t row)
{
    const ref_problem *p = w->problem;
    const ref_range seen = ref_visible(p->mask, p->window, p->seq_q, p->seq_k, i);
    double *o = result->o + row * p->dim_v, *o_bound = result->o_bound + row * p->dim_v;
    row_sums r = {.total = 0.0};
    if (seen.begin < seen.end)
        r = weigh_keys(w, seen);
    if (seen.begin == seen.end || (r.finite && r.total == 0.0)) {
        memset(o, 0, p->dim_v * sizeof *o);
        memset(o_bound, 0, p->dim_v * sizeof *o_bound);
        result->lse[row] = sink;
        result->lse_bound[row] = sink == -INFINITY ? 0.0 : 0x1p-21 * fabs(sink);
        return;
    }
    if (sink != -INFINITY)
        add_sink(sink, &r);
    sum_values(w, seen, &r, o, o_bound);
    const double total = isinf(r.total) ? sink : r.maximum + log(r.total); /* a sink may be beyond all keys */
    const double lse = r.finite ? total : NAN;
    result->lse[row] = lse;
    result->lse_bound[row] = r.error + r.exp_error + p->seq_k * 0x1p-24 + 0x1p-23 * fabs(lse);
}

/* ---- all rows ----------------------------------------------------------------------------------------------- */

static void load_head(row_work *w, uint32_t b, uint32_t h)
{
    const ref_problem *p = w->problem;
    const uint64_t k_head = h / (p->heads_q / p->heads_k), v_head = h / (p->heads_q / p->heads_v);
    load_rows(w->k, &p->k, b * p->k.batch + k_head * p->k.head, p->seq_k, p->dim_qk);
    load_rows(w->v, &p->v, b * p->v.batch + v_head * p->v.head, p->seq_k, p->dim_v);
}

/* Query i of the head that was loaded, into row `row` of the result. */
static void solve_query(row_work *w, uint32_t b, uint32_t h, uint32_t i, const ref_result *result, size_t row)
{
    const ref_problem *p = w->problem;
    load_rows(w->q, &p->q, b * p->q.batch + h * p->q.head + i * p->q.row, 1, p->dim_qk);
    solve_row(w, i, p->sinks ? (double)p->sinks[h] : -INFINITY, result, row);
}

static double *array_of(size_t count)
{
    return calloc(count + 1, sizeof(double));
}

static bool begin_work(row_work *w, const ref_problem *p)
{
    *w = (row_work){.problem = p,
                    .q = array_of(p->dim_qk),
                    .k = array_of((size_t)p->seq_k * p->dim_qk),
                    .v = array_of((size_t)p->seq_k * p->dim_v),
                    .score = array_of(p->seq_k),
                    .weight = array_of(p->seq_k)};
    return w->q && w->k && w->v && w->score && w->weight;
}

static void end_work(row_work *w)
{
    free(w->q);
    free(w->k);
    free(w->v);
    free(w->score);
    free(w->weight);
}

bool ref_softmax(const ref_problem *problem, ref_result *out_result)
{
    const ref_problem *p = problem;
    const size_t rows = (size_t)p->batch * p->heads_q * p->seq_q;
    row_work w;
    *out_result = (ref_result){array_of(rows * p->dim_v), array_of(rows * p->dim_v), array_of(rows), array_of(rows)};
    const bool begun = begin_work(&w, p);
    const bool ok = begun && out_result->o && out_result->o_bound && out_result->lse && out_result->lse_bound;
    for (uint32_t b = 0; ok && b < p->batch; b++)
        for (uint32_t h = 0; h < p->heads_q; h++) {
            load_head(&w, b, h);
            for (uint32_t i = 0; i < p->seq_q; i++)
                solve_query(&w, b, h, i, out_result, ((size_t)b * p->heads_q + h) * p->seq_q + i);
        }
    end_work(&w);
    if (!ok)
        ref_release(out_result);
    return ok;
}

bool ref_softmax_row(const ref_problem *problem, ref_row *row)
{
    row_work w;
    const ref_result result = {row->o, row->o_bound, &row->lse, &row->lse_bound};
    const bool ok = begin_work(&w, problem);
    if (ok) {
        load_head(&w, row->batch, row->head);
        solve_query(&w, row->batch, row->head, row->query, &result, 0);
    }
    end_work(&w);
    return ok;
}

void ref_release(ref_result *result)
{
    free(result->o);
    free(result->o_bound);
    free(result->lse);
    free(result->lse_bound);
    *result = (ref_result){0};
}
