/* Softmax attention in double precision by its definition: what the errors of all others are measured against.
 * Computes a row when it is read; its times mean nothing. */
#include "contender.h"

#include <math.h>
#include <stdlib.h>

typedef struct exact {
    const problem *p;
    const inputs *in;
    double *weights;
} exact;

static verdict prepare(void *self, const problem *p, const inputs *in, char *reason)
{
    exact *const e = self;
    *e = (exact){p, in, malloc(p->seq_k * sizeof *e->weights)};
    return e->weights ? READY : refuse(FAILED, reason, "out of memory");
}

static bool run(void *self)
{
    (void)self;
    return true;
}

/* Turns scores into weights; returns their sum. */
static double weigh(double *scores, size_t count)
{
    double maximum = -INFINITY, sum = 0.0;
    for (size_t j = 0; j < count; j++)
        maximum = fmax(maximum, scores[j]);
    for (size_t j = 0; j < count; j++)
        sum += scores[j] = exp(scores[j] - maximum);
    return sum;
}

static bool read_row(void *self, uint64_t row, double *o)
{
    const exact *const e = self;
    const problem *const p = e->p;
    const size_t dim = p->dim, head = row / p->seq_q / (p->heads_q / p->heads_k);
    const float *const q = e->in->q + row * dim;
    const float *const k = e->in->k + head * p->seq_k * dim, *const v = e->in->v + head * p->seq_k * dim;
    const int64_t last = p->causal ? (int64_t)(row % p->seq_q) + p->seq_k - p->seq_q : (int64_t)p->seq_k - 1;
    const size_t count = (size_t)(last + 1 > 0 ? last + 1 : 0);
    for (size_t j = 0; j < count; j++) {
        double dot = 0.0;
        for (size_t d = 0; d < dim; d++)
            dot += (double)q[d] * (double)k[j * dim + d];
        e->weights[j] = dot / sqrt((double)dim);
    }
    const double sum = weigh(e->weights, count);
    for (size_t d = 0; d < dim; d++) {
        o[d] = 0.0;
        for (size_t j = 0; j < count; j++)
            o[d] += e->weights[j] / sum * (double)v[j * dim + d];
    }
    return true;
}

static void release(void *self)
{
    exact *const e = self;
    free(e->weights);
    *e = (exact){0};
}

int main(void)
{
    static const contender calls = {.prepare = prepare, .run = run, .read = read_row, .release = release};
    exact e = {0};
    return serve(&calls, &e, "double precision");
}
