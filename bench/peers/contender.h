/* One side of the protocol of README.md: a contender fills in what it can, `serve` reads requests, makes the inputs,
 * keeps time and answers. */
#ifndef BENCH_PEERS_CONTENDER_H
#define BENCH_PEERS_CONTENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REASON_SIZE 256

typedef enum storage { STORAGE_F32 = 0, STORAGE_F16, STORAGE_BF16 } storage;

/* Softmax attention with scale 1 / sqrt(dim): q and o [heads_q, seq_q, dim], k and v [heads_k, seq_k, dim], all dense.
 * Causal: query i sees key j where j <= i + seq_k - seq_q. */
typedef struct problem {
    storage q_storage, kv_storage; /* of q and o; of k and v */
    uint32_t heads_q, heads_k, seq_q, seq_k, dim;
    bool causal;
} problem;

/* Numbers that their storage holds exactly. */
typedef struct inputs {
    float *q, *k, *v;
} inputs;

/* What may fail writes its reason and returns one of these. */
typedef enum verdict { READY = 0, NOT_SUPPORTED, FAILED } verdict;

typedef struct contender {
    /* Makes one run possible. The inputs are there until `release`, which follows whatever the verdict is. */
    verdict (*prepare)(void *self, const problem *p, const inputs *in, char *reason);
    /* The same for a product of float32 matrices, [m, k] by [k, n]. NULL: not supported. */
    verdict (*prepare_matmul)(void *self, const uint32_t mnk[3], char *reason);
    bool (*run)(void *self);                           /* one whole run, waited for */
    bool (*read)(void *self, uint64_t row, double *o); /* row = head * seq_q + query, of the last run */
    void (*release)(void *self);                       /* what prepare made */
} contender;

/* Says "ready DESCRIPTION", then answers requests until the input ends. Returns an exit status. */
int serve(const contender *c, void *self, const char *description);

/* Says "missing REASON", which is no failure: nothing to ask here. Returns the exit status. */
int missing(const char *reason);

/* `count` numbers as they are stored; free() them. NULL without memory. */
void *stored(const float *values, size_t count, storage as);
float loaded(const void *bytes, size_t index, storage as);
size_t storage_size(storage as);

/* What a reason says; returns `v`. */
verdict refuse(verdict v, char *reason, const char *format, ...);

size_t q_count(const problem *p);
size_t kv_count(const problem *p);

#endif
