/* One case on one device: tensors between guards with poison in every place that must not be read, one run or
 * several, and the comparison with the reference. */
#ifndef TESTS_TRIAL_H
#define TESTS_TRIAL_H

#include "harness.h"

enum { TRIAL_Q, TRIAL_K, TRIAL_V, TRIAL_O, TRIAL_LSE, TRIAL_TENSORS };

/* A tensor in a buffer of its own. `image` is what the buffer held before the run. */
typedef struct trial_tensor {
    fovea_tensor view; /* as the descriptor gets it */
    uint64_t strides[4];
    uint64_t offset, size; /* bytes: of the first element, of the buffer */
    unsigned char *image, *after;
    fovea_buffer *buffer;
} trial_tensor;

typedef enum trial_workspace {
    TRIAL_OWN = 0,   /* the device's */
    TRIAL_EXACT,     /* the caller's, exactly as large as asked for, between guards */
    TRIAL_TOO_SMALL, /* the caller's, 4 bytes only */
    TRIAL_LARGER     /* the caller's, with room to spare that must stay untouched */
} trial_workspace;

/* What a run may differ in. All zero: the defaults. */
typedef struct trial_options {
    uint32_t cost_budget_us, split_count, tile;
    fovea_tier min_tier;
    trial_workspace workspace;
} trial_options;

typedef struct trial {
    fovea_device *device;
    test_case c;
    uint64_t seed;
    uint32_t rotate; /* units of heads by which the contents are rotated; the reference follows */
    uint32_t run_q, run_k;
    trial_tensor tensors[TRIAL_TENSORS];
    float *sinks; /* of each query head; NULL: none. In a buffer of their own, among NaN. */
    fovea_buffer *sink_buffer;
    ref_result expected;
    fovea_dtype operand;    /* of a matrix unit, that `expected` was bounded for, */
    uint32_t parts;         /* and of how many parts */
    fovea_op_report report; /* of the last run */
} trial;

/* Makes and fills the tensors and their buffers. Fails the test on any error, as do the others. */
void trial_begin(trial *t, fovea_device *device, const test_case *c, uint32_t rotate);
void trial_end(trial *t);

fovea_softmax_params trial_params(const trial *t, const trial_options *options);
fovea_op_args trial_args(const trial *t);

/* Changes one element of an input in the image and on the device: index {batch, head, row, column}. */
void trial_poke(trial *t, int tensor, const uint32_t index[4], double value);

/* Puts the outputs back to poison, creates the op, runs it once and fetches the outputs. */
void trial_run(trial *t, const trial_options *options);
/* The same with an op that exists; `workspace` as in trial_options. */
void trial_run_op(trial *t, fovea_op *op, trial_workspace workspace);
/* Fetches the outputs after a run that the caller made with `op`. */
void trial_fetch(trial *t, const fovea_op *op);
void trial_reset_outputs(trial *t);

/* Outputs within the bound of the reference; nothing else of any buffer changed. */
void trial_check(trial *t);
/* Begin, run, check, end. */
void trial_case(const test_case *c, const trial_options *options);

/* Bytes of an output of the last run: o or lse, elements alone, dense. Freed by the caller. */
unsigned char *trial_output(const trial *t, int tensor, size_t *out_size);
/* Fails unless the outputs of the last run equal those bytes. */
void trial_same(const trial *t, const unsigned char *o, const unsigned char *lse, const char *what);

/* The case as text for messages. Static storage of the caller: at least 256 bytes. */
const char *trial_text(const trial *t, char *text);

#endif
