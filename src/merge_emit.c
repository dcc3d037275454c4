/* From a run to commands: rows in slices, and for each the weights, then the sums of two sources after another. */
#include "merge.h"

#include <math.h>
#include <string.h>

#include "util/math.h"

#include "abi/merge.h"

enum { ELEMENT_FLOPS = 16 /* a device multiplies and adds so often while its memory brings one element */ };

typedef uint32_t uint;
#define MEMBER(type, name) type name;
typedef struct weigh_params {
    MERGE_WEIGH_PARAMS(MEMBER)
} weigh_params;
typedef struct sum_params {
    MERGE_SUM_PARAMS(MEMBER)
} sum_params;
#undef MEMBER

_Static_assert(sizeof(weigh_params) <= 4 * FV_PARAMETERS_MAX, "parameters of merge_weigh");
_Static_assert(sizeof(sum_params) <= 4 * FV_PARAMETERS_MAX, "parameters of merge_sum");

/* ---- slices ------------------------------------------------------------------------------------------------------ */

uint64_t merge_rows(const merge_shape *shape, uint32_t seq_q)
{
    return (uint64_t)shape->batch * shape->heads * seq_q;
}

double merge_seconds(const fovea_device *device, const merge_shape *shape, uint64_t rows)
{
    const double elements = (double)shape->parts * ((double)shape->dim_v + 8.0) + shape->dim_v; /* of a row */
    return (double)rows * elements * ELEMENT_FLOPS / device->driver->caps.assumed_flops_per_s;
}

uint32_t merge_slice_rows(const fovea_device *device, const merge_shape *shape, uint32_t seq_q, uint64_t work_bytes)
{
    const fovea_device_limits *limits = &device->limits;
    const uint64_t row_bytes = merge_row_bytes(shape);
    const double affordable = shape->budget_s / merge_seconds(device, shape, 1);
    uint64_t rows = fv_max(1, merge_rows(shape, seq_q));
    if ((double)rows > affordable)
        rows = (uint64_t)affordable;
    if (row_bytes > 0)
        rows = fv_min(rows, work_bytes / row_bytes);
    const uint64_t grid = fv_min((uint64_t)limits->group_count_x * limits->group_count_y, INT32_MAX / MERGE_LANES);
    rows = fv_min(rows, grid * MERGE_LANES / MERGE_QUADS(shape->dim_v));
    return (uint32_t)fv_max(1, rows);
}

/* ---- commands ---------------------------------------------------------------------------------------------------- */

/* Rows of one dispatch. */
typedef struct row_slice {
    uint32_t first, count;
} row_slice;

static uint32_t stride(const fovea_tensor *view, uint32_t dim)
{
    return (uint32_t)view->strides[dim];
}

static fovea_status barrier(const merge_emission *run)
{
    const fv_command command = {.kind = FV_COMMAND_BARRIER};
    return run->record(run->device->driver, &command, 1);
}

/* Workgroups for `lanes` invocations over the rows of a slice; native kernels count rows. */
static void set_grid(const merge_emission *run, row_slice rows, uint64_t lanes, uint32_t groups[3])
{
    const bool native = run->device->driver->caps.native;
    fv_fold(run->device, native ? fv_divide_up(rows.count, MERGE_NATIVE_ROWS) : fv_divide_up(lanes, MERGE_LANES),
            groups);
}

/* A dispatch of merge_weigh over parts first .. first + count - 1, which lie in `from`. */
static fovea_status emit_weigh(const merge_emission *run, row_slice rows, const fv_bound *from, weigh_params params)
{
    const merge_bound *bound = run->bound;
    const merge_shape *shape = run->shape;
    const bool shifted = shape->by_lse && shape->factors.rank != 0;
    const bool lse_wanted = shape->lse.rank != 0;
    fv_command command = {.kind = FV_COMMAND_DISPATCH};
    fv_dispatch *dispatch = &command.dispatch;
    params.from_offset = from->first_element;
    if (shifted) {
        params.shift_offset = bound->factors.first_element;
        params.shift_part = shape->factor_strides.part, params.shift_batch = shape->factor_strides.batch;
        params.shift_head = shape->factor_strides.head, params.shift_row = shape->factor_strides.row;
    }
    params.lse_offset = lse_wanted ? bound->lse.first_element : 0;
    params.lse_batch = stride(&shape->lse, 0), params.lse_head = stride(&shape->lse, 1);
    params.work_offset = bound->work.first_element;
    params.parts = shape->parts;
    params.heads = shape->heads;
    params.seq_q = run->seq_q;
    params.first_row = rows.first;
    params.row_count = rows.count;
    set_grid(run, rows, rows.count, dispatch->groups);
    memcpy(dispatch->parameters, &params, sizeof params);
    dispatch->kernel = run->kernels->weigh->kernel;
    dispatch->bindings[0] = from->range;
    dispatch->bindings[1] = shifted ? bound->factors.range : from->range;
    dispatch->bindings[2] = bound->work.range;
    dispatch->bindings[3] = lse_wanted ? bound->lse.range : bound->work.range;
    return run->record(run->device->driver, &command, 1);
}

/* Weights of all parts into the workspace, source by source: the last one reads what the others wrote. */
static fovea_status emit_weights(const merge_emission *run, row_slice rows)
{
    fovea_status status = FOVEA_OK;
    const merge_shape *shape = run->shape;
    for (uint32_t s = 0; s < shape->source_count && shape->by_lse; s++) {
        const merge_source *source = &shape->sources[s];
        if (s > 0)
            fv_try(barrier(run));
        fv_try(emit_weigh(run, rows, &run->bound->part_lse[s],
                          (weigh_params){.from_part = stride(&source->lse, 0),
                                         .from_batch = stride(&source->lse, 1),
                                         .from_head = stride(&source->lse, 2),
                                         .from_row = stride(&source->lse, 3),
                                         .first_part = source->first,
                                         .from_parts = source->parts,
                                         .last = s + 1 == shape->source_count}));
    }
    if (!shape->by_lse)
        fv_try(emit_weigh(run, rows, &run->bound->factors,
                          (weigh_params){.from_part = shape->factor_strides.part,
                                         .from_batch = shape->factor_strides.batch,
                                         .from_head = shape->factor_strides.head,
                                         .from_row = shape->factor_strides.row,
                                         .from_parts = shape->parts}));
    fv_try(barrier(run));
fail:
    return status;
}

/* Where the weights of part `first` are: in the workspace, whose offset may wrap below 0, or the caller's. */
static void set_weights(const merge_emission *run, row_slice rows, uint32_t first, sum_params *params)
{
    const merge_shape *shape = run->shape;
    merge_strides strides = {rows.count, shape->heads * run->seq_q, run->seq_q, 1};
    uint32_t offset = run->bound->work.first_element - rows.first;
    if (!merge_weighs(shape)) {
        strides = shape->factor_strides;
        offset = run->bound->factors.first_element;
    }
    params->weight_offset = offset + first * strides.part;
    params->weight_part = strides.part, params->weight_batch = strides.batch;
    params->weight_head = strides.head, params->weight_row = strides.row;
}

static fovea_status emit_sum(const merge_emission *run, row_slice rows, uint32_t pass)
{
    const merge_shape *shape = run->shape;
    const merge_bound *bound = run->bound;
    const uint32_t first = 2 * pass, second = first + 1 < shape->source_count ? first + 1 : first;
    const merge_source *a = &shape->sources[first], *b = &shape->sources[second];
    fv_command command = {.kind = FV_COMMAND_DISPATCH};
    fv_dispatch *dispatch = &command.dispatch;
    sum_params params = {
        .a_offset = bound->parts[first].first_element,
        .a_part = stride(&a->o, 0),
        .a_batch = stride(&a->o, 1),
        .a_head = stride(&a->o, 2),
        .a_row = stride(&a->o, 3),
        .b_offset = bound->parts[second].first_element,
        .b_part = stride(&b->o, 0),
        .b_batch = stride(&b->o, 1),
        .b_head = stride(&b->o, 2),
        .b_row = stride(&b->o, 3),
        .o_offset = bound->o.first_element,
        .o_batch = stride(&shape->o, 0),
        .o_head = stride(&shape->o, 1),
        .o_row = stride(&shape->o, 2),
        .a_parts = a->parts,
        .b_parts = second > first ? b->parts : 0,
        .sum_offset = bound->work.first_element + shape->parts * rows.count,
        .fresh = pass == 0,
        .last = pass + 1 == merge_passes(shape),
        .heads = shape->heads,
        .seq_q = run->seq_q,
        .first_row = rows.first,
        .row_count = rows.count,
    };
    set_weights(run, rows, a->first, &params);
    set_grid(run, rows, (uint64_t)rows.count * MERGE_QUADS(shape->dim_v), dispatch->groups);
    memcpy(dispatch->parameters, &params, sizeof params);
    dispatch->kernel = run->kernels->sums[pass]->kernel;
    dispatch->bindings[0] = merge_weighs(shape) ? bound->work.range : bound->factors.range;
    dispatch->bindings[1] = bound->o.range;
    dispatch->bindings[2] = bound->parts[first].range;
    dispatch->bindings[3] = bound->parts[second].range;
    return run->record(run->device->driver, &command, 1);
}

static fovea_status emit_slice(const merge_emission *run, row_slice rows)
{
    fovea_status status = FOVEA_OK;
    if (merge_weighs(run->shape))
        fv_try(emit_weights(run, rows));
    for (uint32_t pass = 0; pass < merge_passes(run->shape); pass++) {
        if (pass > 0)
            fv_try(barrier(run));
        fv_try(emit_sum(run, rows, pass));
    }
    if (run->record == run->device->backend->record) /* else executed at once */
        fv_try(fv_device_spend(run->device, merge_seconds(run->device, run->shape, rows.count)));
fail:
    return status;
}

fovea_status merge_emit(const merge_emission *run)
{
    fovea_status status = FOVEA_OK;
    const uint64_t rows = merge_rows(run->shape, run->seq_q);
    for (uint64_t first = 0; first < rows; first += run->slice_rows) {
        fv_try(barrier(run)); /* after all that was recorded before; a slice uses the workspace of the one before */
        fv_try(emit_slice(run, (row_slice){(uint32_t)first, (uint32_t)fv_min(run->slice_rows, rows - first)}));
    }
fail:
    return status;
}
