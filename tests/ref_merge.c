#include "ref_merge.h"

#include <math.h>

static const double unit = 0x1p-24;

static double at(const double *array, const ref_merge_problem *p, uint32_t part, uint32_t row)
{
    return array ? array[(size_t)part * p->rows + row] : 0.0;
}

/* a_r: -inf if either is. */
static double shifted(const ref_merge_problem *p, uint32_t part, uint32_t row)
{
    const double lse = at(p->lse, p, part, row), offset = at(p->factors, p, part, row);
    return lse == -INFINITY || offset == -INFINITY ? -INFINITY : lse + offset;
}

typedef struct weights {
    double maximum, sum; /* of exp(a_r - maximum) */
    double error;        /* E */
    double exp_error;    /* sum p_r e_r */
    bool broken;         /* a NaN or +inf among the a_r */
} weights;

static double exp_error(double d)
{
    return (3.0 + 4.5 * fabs(d)) * 0x1p-23;
}

static weights weigh(const ref_merge_problem *p, uint32_t row)
{
    weights w = {.maximum = -INFINITY};
    for (uint32_t r = 0; r < p->parts; r++) {
        const double a = shifted(p, r, row);
        w.broken = w.broken || isnan(a) || a == INFINITY;
        w.maximum = fmax(w.maximum, a);
    }
    for (uint32_t r = 0; r < p->parts; r++) {
        const double a = shifted(p, r, row);
        if (a == -INFINITY)
            continue;
        if (p->factors)
            w.error = fmax(w.error, unit * fabs(a));
        w.sum += exp(a - w.maximum);
        w.exp_error += exp(a - w.maximum) * exp_error(a - w.maximum);
    }
    if (w.sum > 0.0)
        w.exp_error /= w.sum;
    return w;
}

/* One column: adds up weights times parts, leaves out those of weight 0. */
static void sum_column(const ref_merge_problem *p, uint32_t row, uint32_t column, const weights *w,
                       const ref_merge_row *out)
{
    double sum = 0.0, error = 0.0, largest = 0.0;
    for (uint32_t r = 0; r < p->parts; r++) {
        const double a = p->lse ? shifted(p, r, row) : 0.0;
        const double weight = p->lse ? exp(a - w->maximum) / w->sum : at(p->factors, p, r, row);
        const double value = p->o[((size_t)r * p->rows + row) * p->dim_v + column];
        if (p->lse ? a == -INFINITY : weight == 0.0)
            continue;
        const double by_lse =
            expm1(2.0 * w->error) + exp_error(a - w->maximum) + w->exp_error + (2 * p->parts + 8) * unit;
        sum += weight * value;
        if (value != 0.0) /* however large the error of its weight */
            error += fabs(weight * value) * (p->lse ? by_lse : (p->parts + 2) * unit);
        largest = fmax(largest, fabs(value));
    }
    out->o[column] = w->broken ? NAN : sum;
    out->o_bound[column] = error + p->parts * (largest + 1.0) * 0x1p-126 + ref_store_bound(p->o_dtype, p->gpu, sum);
}

void ref_merge(const ref_merge_problem *problem, uint32_t row, ref_merge_row *out_row)
{
    const ref_merge_problem *p = problem;
    weights w = {.sum = 0.0};
    if (p->lse)
        w = weigh(p, row);
    for (uint32_t c = 0; c < p->dim_v; c++)
        sum_column(p, row, c, &w, out_row);
    const double log_sum = log(w.sum);
    out_row->lse = w.broken ? NAN : w.sum > 0.0 ? w.maximum + log_sum : -INFINITY;
    out_row->lse_bound =
        w.error + w.exp_error + (p->parts + 1) * unit + 0x1p-21 * (1.0 + fabs(log_sum)) + 0x1p-23 * fabs(out_row->lse);
}
