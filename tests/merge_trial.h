/* One merge on one device: tensors between guards with poison in every place that must not be read or that weighs nothing,
 * one run or several, and the comparison with the reference. */
#ifndef TESTS_MERGE_TRIAL_H
#define TESTS_MERGE_TRIAL_H

#include "harness.h"

typedef enum merge_layout {
    MERGE_DENSE = 0,    /* strides left 0 */
    MERGE_BSHD,         /* heads inside the sequence */
    MERGE_PARTS_INSIDE, /* the parts of a row are neighbours */
    MERGE_ODD_GAPS,     /* odd numbers of unused elements after rows, heads and parts */
    MERGE_WIDE_GAPS,    /* gaps that are multiples of 4 elements */
    MERGE_SHARED_HEADS, /* the heads of a part repeat, and so do batch entries of its lse */
    MERGE_LAYOUTS
} merge_layout;

typedef enum merge_values {
    MERGE_UNIT = 0, /* lse up to 3 in size */
    MERGE_FAR,      /* up to 1e4, far from each other */
    MERGE_HIGH,     /* all close to 1e4 */
    MERGE_LOW,      /* all close to -1e4 */
    MERGE_EMPTY,    /* half of the parts have an lse of -inf, every third row none else */
    MERGE_BROKEN,   /* a NaN in every third row, +inf in the next */
    MERGE_TINY,     /* lse and o below the normal range */
    MERGE_VALUES
} merge_values;

typedef enum merge_form { MERGE_NONE = 0, MERGE_OF_PART, MERGE_OF_HEAD, MERGE_OF_ROW, MERGE_FORMS } merge_form;

typedef enum merge_factors {
    MERGE_SMALL = 0, /* up to 2 in size */
    MERGE_CLOSED,    /* offsets: every third is -inf; coefficients: every third is 0 */
    MERGE_HUGE,      /* offsets: all 1e30; coefficients: up to 500 */
    MERGE_FACTORS
} merge_factors;

typedef struct merge_case {
    const char *name;
    case_level level;
    uint32_t parts[FOVEA_MERGE_SOURCES]; /* of each source; 0 ends the list */
    uint32_t batch, heads, seq_q, dim_v;
    fovea_dtype dtypes[2], o_dtype;  /* of even and odd sources, of the result */
    bool coefficients, no_lse, flat; /* flat: sources of one part are described without the dim of parts */
    merge_form form;                 /* of offsets, or of coefficients, which are never NONE */
    merge_factors factors;
    merge_values values;
    merge_layout layout;
    uint32_t shift;  /* elements that tensor t starts after an aligned place: shift * (t + 1) */
    uint32_t run_q;  /* queries of the run; 0: the descriptor's */
    bool no_queries; /* the run has none */
    uint32_t budget;
} merge_case;

enum {
    MERGE_PART_O = 0, /* + source */
    MERGE_PART_LSE = FOVEA_MERGE_SOURCES,
    MERGE_FACTOR = 2 * FOVEA_MERGE_SOURCES,
    MERGE_O,
    MERGE_LSE,
    MERGE_TENSORS
};

/* A tensor in a buffer of its own. Dims are {part, batch, head, query, column}; those it lacks have extent 1. `image` is what
 * the buffer held before the run. */
typedef struct merge_tensor {
    fovea_tensor view; /* as the descriptor gets it; rank 0: none */
    uint32_t extents[5];
    uint64_t strides[5];
    uint64_t offset, size; /* bytes: of the first element, of the buffer */
    unsigned char *image, *after;
    fovea_buffer *buffer;
} merge_tensor;

typedef struct merge_trial {
    fovea_device *device;
    merge_case c;
    uint64_t seed;
    uint32_t sources, parts, run_q;
    uint32_t first[FOVEA_MERGE_SOURCES]; /* part of each source */
    merge_tensor tensors[MERGE_TENSORS];
    fovea_op_report report; /* of the last run */
} merge_trial;

/* Makes and fills the tensors and their buffers. Fails the test on any error, as do the others. Contents depend on the seed
 * and on the part's number in the whole, not on the source that it is of. */
void merge_begin(merge_trial *t, fovea_device *device, const merge_case *c);
void merge_end(merge_trial *t);

fovea_merge_params merge_params(const merge_trial *t);
fovea_op_args merge_args(const merge_trial *t);

/* Puts the outputs back to poison, creates the op, runs it once and fetches the outputs. */
void merge_run(merge_trial *t);
/* The same with an op that exists and a workspace of so many bytes between guards; 0: the device's own. */
void merge_run_op(merge_trial *t, fovea_op *op, uint64_t workspace);
/* Fetches the outputs after a run that the caller made. */
void merge_fetch(merge_trial *t);

/* Outputs within the bound of the reference; nothing else of any buffer changed. */
void merge_check(const merge_trial *t);
/* Begin, run, check, end. */
void merge_case_run(const merge_case *c);

/* Fails unless both trials' outputs are equal bit for bit; their layouts may differ. */
void merge_same(const merge_trial *a, const merge_trial *b, const char *what);

/* ---- merge_tensors.c ------------------------------------------------------------------------------------------------- */

/* Makes views, strides, places and images of all tensors, and fills the inputs. */
void merge_tensors_make(merge_trial *t);
/* The byte of element {part, batch, head, query, column} in the image; dims that the tensor lacks count nothing. */
uint64_t merge_place(const merge_tensor *x, const uint32_t index[5]);
/* What factor and lse of a part of a row are. */
double merge_factor(const merge_trial *t, const uint32_t index[5]);
double merge_lse(const merge_trial *t, const uint32_t index[5]);
/* Whether the part weighs nothing in that row. */
bool merge_is_closed(const merge_trial *t, const uint32_t index[5]);
/* The part of a source that has that number in the whole; and the source. */
uint32_t merge_source_of(const merge_trial *t, uint32_t part);

#endif
