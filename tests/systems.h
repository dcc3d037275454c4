/* What the tests of catalogue systems share: arrays on host and device, one attention over views of them, and one row of
 * softmax in double precision with the bound of docs/numerics.md. Shares no code with the library or with ref.c. */
#ifndef TESTS_SYSTEMS_H
#define TESTS_SYSTEMS_H

#include "harness.h"

enum { SYSTEMS_KEYS = 256 }; /* most keys of a row */

/* Numbers on the host, NaN until they are written, and a buffer for them on the device. Released after each test. */
typedef struct array {
    float *data;
    size_t count;
    fovea_buffer *buffer;
} array;

array *array_empty(size_t count);
/* Uniform in [-size, size]. `stream`: a different one for each array of a test. */
array *array_random(uint64_t stream, size_t count, double size);
void arrays_release(void);

/* y[rows, out] = x[rows, in] w[in, out], in double, rounded once. */
array *project(const array *x, const array *w, uint32_t in, uint32_t out);

double sigmoid(double x);

/* A view of an array, in elements. */
typedef struct side {
    array *a;
    uint64_t at;         /* its first element */
    uint64_t extents[4]; /* batch, heads, rows, dim */
    uint64_t strides[3]; /* of the first three */
} side;

typedef struct attention {
    side q, k, v, o;
    fovea_softmax_params params;    /* all but the views */
    uint32_t run_queries, run_keys; /* of this run; 0: as the views */
} attention;

/* Runs with what the arrays hold now; o's array then holds what came back. */
void attend(const attention *a);
/* The same in two steps, for several runs of one operator. */
fovea_op *attend_create(const attention *a);
void attend_run(const attention *a, fovea_op *op);

/* One row of an attention: keys are added one by one. */
typedef struct row {
    uint32_t dim;  /* of the dot products on the device, */
    uint32_t more; /* and roundings to float32 that the host made of each product's factors */
    uint32_t keys;
    double score[SYSTEMS_KEYS], size[SYSTEMS_KEYS]; /* size: scale * sum_c |q_c k_c| of the device's numbers */
    double weight[SYSTEMS_KEYS];                    /* softmax of the scores, by row_weigh */
    double value[SYSTEMS_KEYS];                     /* of one column, the caller's */
    double computed;                                /* relative error that the weights and their sums may have */
} row;

/* An empty row, for dot products of `dim` numbers. */
void row_begin(row *r, uint32_t dim);
/* Adds a key with the score scale * q.k, */
void row_key(row *r, const float *q, const float *k, double scale);
/* or with a score of another form, which the device gets by products of that size. */
void row_score(row *r, double score, double size);
/* Weights from scores, and their error. */
void row_weigh(row *r);
/* The sum of weights times values. */
double row_sum(const row *r);
/* The most that the device's sum may differ from it. */
double row_bound(const row *r);

/* Takes the column c of a matrix as values; the row of key j begins at v[j * step]. */
void row_values(row *r, const float *v, size_t step, uint32_t c);
/* Expects an output row to be the sum of each of its `dim` columns. at: indices for the message. */
void row_compare(row *r, const uint32_t at[3], const float *o, const float *v, size_t step, uint32_t dim);

/* Fails the test unless `got` lies within the bound. at: indices for the message. */
void expect(const uint32_t at[4], double got, double wanted, double bound);

void add_layout_systems(Suite *suite);  /* axes, sources, parts of tensors */
void add_scoring_systems(Suite *suite); /* scores, heads, normalisers */
void add_systems(Suite *suite, const char *name, const TTest *const *tests, int count);

#endif
