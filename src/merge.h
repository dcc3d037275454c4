/* Merge inside the front end: shape, kernels, dispatches. */
#ifndef FV_MERGE_H
#define FV_MERGE_H

#include <fovea/merge.h>

#include "kernels.h"
#include "op.h"

/* ---- what is asked: the descriptor, checked and completed -------------------------------------------------- */

typedef struct merge_source {
    fovea_tensor o, lse;   /* with a leading dim of parts and explicit strides; lse.rank 0: by coefficients */
    uint32_t parts, first; /* its parts are first .. first + parts - 1 of the merge */
} merge_source;

/* Strides of a value per part, batch entry, head and row, 0 where it does not depend on one. */
typedef struct merge_strides {
    uint32_t part, batch, head, row;
} merge_strides;

typedef struct merge_shape {
    merge_source sources[FOVEA_MERGE_SOURCES];
    uint32_t source_count, parts;
    bool by_lse;
    fovea_tensor factors; /* offsets, or coefficients; rank 0: no offsets */
    merge_strides factor_strides;
    fovea_tensor o, lse; /* with explicit strides; lse.rank 0: none */
    uint32_t batch, heads, dim_v, seq_q_max;
    double budget_s; /* of one dispatch; HUGE_VAL: none */
    fovea_tier tier; /* of its kernels */
} merge_shape;

fovea_status merge_shape_init(fovea_device *device, const fovea_merge_params *params, merge_shape *out_shape);

/* A dispatch of merge_sum takes two sources; so many of them make a run. */
enum { MERGE_PASSES_MAX = FOVEA_MERGE_SOURCES / 2 };

static inline uint32_t merge_passes(const merge_shape *shape)
{
    return (shape->source_count + 1) / 2;
}

/* Whether sums are carried from pass to pass. */
static inline bool merge_carries(const merge_shape *shape)
{
    return merge_passes(shape) > 1;
}

/* Whether a first kernel writes weights; else merge_sum reads the caller's coefficients. */
static inline bool merge_weighs(const merge_shape *shape)
{
    return shape->by_lse || merge_carries(shape);
}

/* Bytes of workspace that a row needs; 0: none. */
uint64_t merge_row_bytes(const merge_shape *shape);

/* ---- kernels ----------------------------------------------------------------------------------------------------- */

typedef struct merge_kernels {
    fv_pipeline *weigh;                  /* NULL: no run needs it */
    fv_pipeline *sums[MERGE_PASSES_MAX]; /* of each pass */
} merge_kernels;

/* Creates and tests the kernels. */
fovea_status merge_kernels_init(fovea_device *device, const merge_shape *shape, merge_kernels *out_kernels);
void merge_kernels_release(fovea_device *device, merge_kernels *kernels);

/* Runs the kernels on a small problem with a known answer, unless that was done on this device object or the device's
 * cache knows what came of it. The caller holds device->lock. */
fovea_status merge_self_test(fovea_device *device, const merge_shape *shape, const merge_kernels *kernels,
                             bool *out_right);

/* ---- runs -------------------------------------------------------------------------------------------------------- */

/* Views bound for a run. */
typedef struct merge_bound {
    fv_bound parts[FOVEA_MERGE_SOURCES], part_lse[FOVEA_MERGE_SOURCES], factors, o, lse, work;
} merge_bound;

/* One run, ready to become commands. */
typedef struct merge_emission {
    fovea_device *device;
    const merge_shape *shape;
    const merge_kernels *kernels;
    const merge_bound *bound;
    uint32_t seq_q;
    uint32_t slice_rows; /* of one dispatch */
    /* where the commands go: the backend's record or execute */
    fovea_status (*record)(fv_device *driver, const fv_command *commands, uint32_t count);
} merge_emission;

fovea_status merge_emit(const merge_emission *run);

/* Estimated device time of so many rows. */
double merge_seconds(const fovea_device *device, const merge_shape *shape, uint64_t rows);

/* Rows of a run of so many queries. */
uint64_t merge_rows(const merge_shape *shape, uint32_t seq_q);

/* The most rows of one dispatch by budget, grid and the workspace's bytes, at least 1. */
uint32_t merge_slice_rows(const fovea_device *device, const merge_shape *shape, uint32_t seq_q, uint64_t work_bytes);

/* ---- the operator -------------------------------------------------------------------------------------------------- */

typedef struct merge_op {
    fovea_op base;
    merge_shape shape;
    merge_kernels kernels;
} merge_op;

/* Completes base.report, for a run with the descriptor's maxima. */
void merge_fill_report(fovea_op *base, double create_s);

#endif
