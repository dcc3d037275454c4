/* The descriptor of a merge, checked and completed. */
#include "merge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "util/math.h"
#include "view.h"

#include "abi/merge.h"

enum { DIM_MOST = 1024, DEFAULT_BUDGET_US = 50000, NAME_MOST = 32 };

/* "sources[2].o" and the like, in `text`. */
static const char *source_name(char text[NAME_MOST], uint32_t source, const char *tensor)
{
    snprintf(text, NAME_MOST, "sources[%u].%s", source, tensor);
    return text;
}

/* Completes a view that may leave out its first dim, of parts, and adds that dim. */
static fovea_status complete_parts(fv_host *host, const char *name, const fovea_tensor *given, uint32_t rank,
                                   fovea_tensor *out_view)
{
    fovea_status status = FOVEA_OK;
    fovea_tensor view;
    fv_require(host, given->rank == rank || given->rank == rank - 1, FOVEA_INVALID,
               "%s: rank %u; it needs %u dims, or %u for one part", name, given->rank, rank, rank - 1);
    fv_try(fv_view_complete(host, name, given, given->rank, false, &view));
    *out_view = view;
    if (given->rank == rank)
        return FOVEA_OK;
    out_view->rank = rank;
    out_view->extents[0] = 1;
    out_view->strides[0] = 0;
    memcpy(out_view->extents + 1, view.extents, (rank - 1) * sizeof view.extents[0]);
    memcpy(out_view->strides + 1, view.strides, (rank - 1) * sizeof view.strides[0]);
fail:
    return status;
}

static fovea_status check_f32(fv_host *host, const char *name, const fovea_tensor *view)
{
    if (view->dtype == FOVEA_F32)
        return FOVEA_OK;
    return fv_fail(host, FOVEA_INVALID, "%s: dtype %s; it is always f32", name, fovea_dtype_name(view->dtype));
}

/* The dims of `view` from `dim` on are those of o, as far as it has any. */
static fovea_status check_dims(fv_host *host, const char *name, const fovea_tensor *view, uint32_t dim,
                               const merge_shape *shape)
{
    fovea_status status = FOVEA_OK;
    static const char *const dims[] = {"batch", "heads", "seq", "dim"};
    char of_view[NAME_MOST + 16], of_o[16];
    for (uint32_t i = 0; dim + i < view->rank; i++) {
        snprintf(of_view, sizeof of_view, "%s of %s", dims[i], name);
        snprintf(of_o, sizeof of_o, "%s of o", dims[i]);
        fv_try(fv_view_check_extent(host, of_view, view->extents[dim + i], of_o, shape->o.extents[i]));
    }
fail:
    return status;
}

static fovea_status add_source(fv_host *host, const fovea_merge_source *given, merge_shape *shape)
{
    fovea_status status = FOVEA_OK;
    const uint32_t index = shape->source_count;
    merge_source *source = &shape->sources[index];
    char name[NAME_MOST];
    fv_try(complete_parts(host, source_name(name, index, "o"), &given->o, 5, &source->o));
    fv_try(check_dims(host, name, &source->o, 1, shape));
    source->parts = (uint32_t)source->o.extents[0];
    source->first = shape->parts;
    fv_require(host, source->parts <= INT32_MAX - shape->parts, FOVEA_UNSUPPORTED, "merge: 2^31 parts or more");
    shape->parts += source->parts;
    shape->source_count++;
    source_name(name, index, "lse");
    if (!shape->by_lse) {
        fv_require(host, given->lse.rank == 0, FOVEA_INVALID, "%s is described, and coefficients too: leave out either",
                   name);
        return FOVEA_OK;
    }
    fv_require(host, given->lse.rank != 0, FOVEA_INVALID, "%s is missing: describe it, or coefficients", name);
    fv_try(complete_parts(host, name, &given->lse, 4, &source->lse));
    fv_try(check_f32(host, name, &source->lse));
    fv_try(check_dims(host, name, &source->lse, 1, shape));
    fv_require(host, source->lse.extents[0] == source->parts, FOVEA_INVALID, "%s has %llu parts, but sources[%u].o %u",
               name, (unsigned long long)source->lse.extents[0], index, source->parts);
fail:
    return status;
}

static fovea_status add_sources(fv_host *host, const fovea_merge_params *params, merge_shape *shape)
{
    fovea_status status = FOVEA_OK;
    while (shape->source_count < FOVEA_MERGE_SOURCES && params->sources[shape->source_count].o.rank != 0)
        fv_try(add_source(host, &params->sources[shape->source_count], shape));
    const uint32_t count = shape->source_count;
    fv_require(host, count > 0, FOVEA_INVALID, "merge: sources[0].o is missing: there is nothing to merge");
    fv_require(host, fv_all_zero(params->sources + count, (FOVEA_MERGE_SOURCES - count) * sizeof params->sources[0]),
               FOVEA_INVALID, "merge: sources[%u].o has rank 0 and ends the list; it and those behind must be all zero",
               count);
fail:
    return status;
}

/* Offsets or coefficients, in one of three forms. */
static fovea_status add_factors(fv_host *host, const char *name, const fovea_tensor *given, merge_shape *shape)
{
    fovea_status status = FOVEA_OK;
    const fovea_tensor *view = &shape->factors;
    const uint64_t *strides = view->strides;
    merge_strides *out = &shape->factor_strides;
    fv_require(host, given->rank == 1 || given->rank == 2 || given->rank == 4, FOVEA_INVALID,
               "%s: rank %u; it is [parts], [parts, heads] or [parts, batch, heads, seq_q]", name, given->rank);
    fv_try(fv_view_complete(host, name, given, given->rank, false, &shape->factors));
    fv_try(check_f32(host, name, view));
    fv_require(host, view->extents[0] == shape->parts, FOVEA_INVALID, "%s: %llu parts; all sources together have %u",
               name, (unsigned long long)view->extents[0], shape->parts);
    out->part = (uint32_t)strides[0];
    if (view->rank == 2) {
        fv_require(host, view->extents[1] == shape->o.extents[1], FOVEA_INVALID,
                   "heads of %s is %llu, but heads of o %llu", name, (unsigned long long)view->extents[1],
                   (unsigned long long)shape->o.extents[1]);
        out->head = (uint32_t)strides[1];
    }
    if (view->rank == 4) {
        fv_try(check_dims(host, name, view, 1, shape));
        *out = (merge_strides){(uint32_t)strides[0], (uint32_t)strides[1], (uint32_t)strides[2], (uint32_t)strides[3]};
    }
fail:
    return status;
}

static fovea_status add_outputs(fv_host *host, const fovea_merge_params *params, merge_shape *shape)
{
    fovea_status status = FOVEA_OK;
    fv_try(fv_view_complete(host, "o", &params->o, 4, true, &shape->o));
    fv_try(fv_view_check_distinct(host, "o", &shape->o));
    fv_require(host, shape->o.extents[3] <= DIM_MOST, FOVEA_INVALID, "dim_v = %llu; at most %d",
               (unsigned long long)shape->o.extents[3], DIM_MOST);
    if (params->lse.rank == 0)
        return FOVEA_OK;
    fv_require(host, shape->by_lse, FOVEA_INVALID, "lse: a merge by coefficients has none; leave it out");
    fv_try(fv_view_complete(host, "lse", &params->lse, 3, true, &shape->lse));
    fv_try(check_f32(host, "lse", &shape->lse));
    fv_try(fv_view_check_distinct(host, "lse", &shape->lse));
    fv_try(check_dims(host, "lse", &shape->lse, 0, shape));
fail:
    return status;
}

static fovea_status check_options(fv_host *host, const fovea_merge_params *params, const merge_shape *shape)
{
    fovea_status status = FOVEA_OK;
    fv_require(host, fv_all_zero(params->reserved, sizeof params->reserved), FOVEA_INVALID,
               "merge: a reserved word is not zero");
    fv_require(host, params->offsets.rank == 0 || params->coefficients.rank == 0, FOVEA_INVALID,
               "merge: offsets shift the LSE, which coefficients replace: leave out either");
    fv_require(host, params->min_tier <= FOVEA_TIER_MATRIX, FOVEA_INVALID, "merge: min_tier = %u is no fovea_tier",
               (unsigned)params->min_tier);
    fv_require(host, params->min_tier <= shape->tier, FOVEA_UNSUPPORTED,
               "merge: min_tier is %s; its kernels on this device have tier %s", fovea_tier_name(params->min_tier),
               fovea_tier_name(shape->tier));
    fv_require(host, params->seq_q_max <= shape->o.extents[2], FOVEA_INVALID, "merge: seq_q_max = %u, o has %llu",
               params->seq_q_max, (unsigned long long)shape->o.extents[2]);
fail:
    return status;
}

/* What the kernels count in 32 bits, and a device's limits. */
static fovea_status check_sizes(const fovea_device *device, fv_host *host, const merge_shape *shape)
{
    fovea_status status = FOVEA_OK;
    const fovea_device_limits *limits = &device->limits;
    uint64_t rows = 0;
    const bool fits = fv_multiply((uint64_t)shape->batch * shape->heads, shape->seq_q_max, &rows);
    fv_require(host, fits && rows <= INT32_MAX, FOVEA_UNSUPPORTED,
               "merge: batch * heads * seq_q_max = %llu rows; at most 2^31 - 1", (unsigned long long)rows);
    fv_require(host, merge_row_bytes(shape) <= limits->storage_range, FOVEA_UNSUPPORTED,
               "merge: a row of %u parts needs %llu bytes of workspace, one binding of this device holds %llu",
               shape->parts, (unsigned long long)merge_row_bytes(shape), (unsigned long long)limits->storage_range);
    const uint64_t row_groups = fv_divide_up(MERGE_QUADS(shape->dim_v), MERGE_LANES);
    fv_require(host, row_groups <= (uint64_t)limits->group_count_x * limits->group_count_y, FOVEA_UNSUPPORTED,
               "merge: a row of dim_v %u needs %llu workgroups; a dispatch of this device has %u x %u", shape->dim_v,
               (unsigned long long)row_groups, limits->group_count_x, limits->group_count_y);
    fv_require(host,
               device->driver->caps.native || limits->loop_iterations == FOVEA_UNBOUNDED ||
                   MERGE_TRIPS((uint64_t)shape->parts) <= limits->loop_iterations,
               FOVEA_UNSUPPORTED, "merge: %u parts; the loop limit of this device allows %u", shape->parts,
               limits->loop_iterations / (uint32_t)MERGE_TRIPS(1));
fail:
    return status;
}

static void derive(const fovea_device *device, const fovea_merge_params *params, merge_shape *shape)
{
    const uint32_t budget = params->cost_budget_us ? params->cost_budget_us : DEFAULT_BUDGET_US;
    shape->batch = (uint32_t)shape->o.extents[0];
    shape->heads = (uint32_t)shape->o.extents[1];
    shape->dim_v = (uint32_t)shape->o.extents[3];
    shape->seq_q_max = params->seq_q_max ? params->seq_q_max : (uint32_t)shape->o.extents[2];
    shape->budget_s = budget == FOVEA_UNBOUNDED ? HUGE_VAL : 1e-6 * budget;
    shape->tier = FOVEA_TIER_PORTABLE;
    if (device->driver->caps.native && device->tier >= FOVEA_TIER_SUBGROUP)
        shape->tier = FOVEA_TIER_SUBGROUP;
}

uint64_t merge_row_bytes(const merge_shape *shape)
{
    const uint64_t weights = merge_weighs(shape) ? shape->parts : 0;
    const uint64_t sums = merge_carries(shape) ? MERGE_QUADS(shape->dim_v) * MERGE_COLUMNS : 0;
    return sizeof(float) * (weights + sums);
}

fovea_status merge_shape_init(fovea_device *device, const fovea_merge_params *params, merge_shape *out_shape)
{
    fovea_status status = FOVEA_OK;
    fv_host *host = &device->host;
    merge_shape shape;
    memset(&shape, 0, sizeof shape);
    shape.by_lse = params->coefficients.rank == 0;
    fv_try(add_outputs(host, params, &shape));
    fv_try(add_sources(host, params, &shape));
    derive(device, params, &shape);
    fv_try(check_options(host, params, &shape));
    if (!shape.by_lse)
        fv_try(add_factors(host, "coefficients", &params->coefficients, &shape));
    else if (params->offsets.rank != 0)
        fv_try(add_factors(host, "offsets", &params->offsets, &shape));
    fv_try(check_sizes(device, host, &shape));
    *out_shape = shape;
fail:
    return status;
}
