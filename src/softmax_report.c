/* What softmax attention reports of its plan. */
#include <math.h>
#include <stdio.h>

#include "softmax.h"
#include "util/math.h"

static void describe_kernel(const softmax_op *op, const softmax_variant *variant, const fv_pipeline *pipeline,
                            const char *use)
{
    fovea_op_report *report = (fovea_op_report *)&op->base.report;
    if (!pipeline || report->kernel_count == FOVEA_REPORT_KERNELS)
        return;
    fovea_kernel_report *out = &report->kernels[report->kernel_count++];
    const softmax_tile *tile = &variant->tile;
    fovea_device *device = op->base.device;
    const bool finish = pipeline == variant->finish;
    *out = fv_pipeline_report(device, pipeline, use);
    out->tier = finish && !device->driver->caps.native ? FOVEA_TIER_PORTABLE : tile->tier;
    out->tile = variant->tile.index;
    out->rows = softmax_rows(tile);
    out->keys = softmax_keys(tile);
    out->shared_memory = finish || device->driver->caps.native ? 0 : softmax_shared_bytes(tile);
    out->operand = out->tier == FOVEA_TIER_MATRIX ? softmax_operand(tile) : FOVEA_F32;
    out->operand_parts = tile->parts == 2 && !finish ? 2 : 1;
}

static void describe_variant(const softmax_op *op, const softmax_variant *variant, const char *rows)
{
    char use[sizeof op->base.report.kernels[0].use];
    snprintf(use, sizeof use, "%s, all keys in one pass", rows);
    describe_kernel(op, variant, variant->direct, use);
    snprintf(use, sizeof use, "%s, keys sliced or split", rows);
    describe_kernel(op, variant, variant->state, use);
    snprintf(use, sizeof use, "%s, after slices and splits", rows);
    describe_kernel(op, variant, variant->finish, use);
}

static void count_commands(const softmax_cut *cut, fovea_op_report *report)
{
    const uint64_t query_slices = fv_divide_up(cut->items, cut->slice_items);
    const uint64_t key_slices = fv_divide_up(cut->split_tiles, cut->slice_tiles);
    report->query_slices = (uint32_t)fv_min(query_slices, UINT32_MAX);
    report->key_slices = cut->direct ? 1 : (uint32_t)key_slices;
    report->split_count = cut->splits;
    const uint64_t carried = query_slices * (key_slices + 1);
    report->dispatches = (uint32_t)fv_min(cut->direct ? query_slices : carried, UINT32_MAX);
    report->barriers = (uint32_t)fv_min(cut->direct ? 1 : carried, UINT32_MAX);
}

/* Each visible element of q, k, v once, o and lse once. */
static uint64_t algorithmic_bytes(const softmax_shape *shape, uint64_t keys_seen)
{
    const uint64_t q_rows = (uint64_t)shape->batch * shape->heads * shape->seq_q_max;
    const uint64_t k_rows = shape->batch * shape->k.extents[1] * keys_seen;
    const uint64_t v_rows = shape->batch * shape->v.extents[1] * keys_seen;
    return q_rows * shape->dim_qk * fovea_dtype_size(shape->q.dtype) +
           k_rows * shape->dim_qk * fovea_dtype_size(shape->k.dtype) +
           v_rows * shape->dim_v * fovea_dtype_size(shape->v.dtype) +
           q_rows * shape->dim_v * fovea_dtype_size(shape->o.dtype) + (shape->lse_wanted ? q_rows * sizeof(float) : 0);
}

/* Of one visit of a key tile on matrix units: a subgroup reads each operand once, Q only where it does not keep it. */
static uint64_t matrix_bytes_per_tile(const softmax_shape *shape, const softmax_tile *tile)
{
    const uint64_t subgroups = (uint64_t)tile->lane_rows * tile->lane_cols;
    const uint64_t scores = ((tile->q_kept ? 0 : (uint64_t)tile->tm) + tile->tn) * shape->dim_qk;
    const uint64_t products = ((tile->converts ? 0 : (uint64_t)tile->tm) + tile->tv) * softmax_keys(tile);
    return subgroups * tile->parts * (scores + products) * sizeof(uint16_t);
}

/* Of one visit of a key tile: for scores a lane reads TM rows and TN keys of all head dims, for values P of its rows and
 * TV columns of V for every key. */
static uint64_t shared_bytes_per_tile(const softmax_shape *shape, const softmax_tile *tile)
{
    if (tile->matrix.m > 0)
        return matrix_bytes_per_tile(shape, tile);
    const uint64_t lanes = (uint64_t)tile->lane_rows * tile->lane_cols;
    const uint64_t scores = ((uint64_t)tile->tm + tile->tn) * shape->dim_qk;
    const uint64_t products = ((uint64_t)tile->tm + tile->tv) * softmax_keys(tile);
    return lanes * (scores + products) * sizeof(float);
}

void softmax_fill_report(fovea_op *base, double create_s)
{
    softmax_op *op = (softmax_op *)base;
    const softmax_shape *shape = &op->shape;
    const fovea_device *device = op->base.device;
    fovea_op_report *report = &op->base.report;
    const bool few = (uint64_t)shape->seq_q_max * shape->group <= op->few_rows;
    const softmax_variant *variant = few ? &op->few : &op->many;
    const softmax_cut cut = softmax_cut_make(device, shape, &variant->tile, shape->seq_q_max, shape->seq_k_max);
    const softmax_visits visits = softmax_count_visits(shape, &variant->tile, shape->seq_q_max, shape->seq_k_max);
    char rows[48];
    snprintf(report->name, sizeof report->name, "%s", op->base.type->name);
    report->tier = variant->tile.tier;
    if (op->few_rows > 0) {
        snprintf(rows, sizeof rows, "at most %u rows", op->few_rows);
        describe_variant(op, &op->few, rows);
        snprintf(rows, sizeof rows, "more than %u rows", op->few_rows);
        describe_variant(op, &op->many, rows);
    } else {
        describe_variant(op, &op->many, "any number of rows");
    }
    count_commands(&cut, report);
    const uint64_t lists = (uint64_t)shape->units * cut.blocks;
    report->tiles_total = lists * visits.total;
    report->tiles_visited = lists * visits.visited;
    report->tiles_full = lists * visits.full;
    const uint64_t pairs = shape->units * visits.pairs;
    report->flops = 2 * pairs * ((uint64_t)shape->dim_qk + shape->dim_v);
    report->exponentials = pairs;
    if (!device->driver->caps.native)
        report->shared_bytes = report->tiles_visited * shared_bytes_per_tile(shape, &variant->tile);
    const softmax_range first = softmax_visible(shape, shape->seq_q_max, shape->seq_k_max, 0);
    const softmax_range last = softmax_visible(shape, shape->seq_q_max, shape->seq_k_max, shape->seq_q_max - 1);
    report->bytes = algorithmic_bytes(shape, last.end > first.begin ? last.end - first.begin : 0);
    report->workspace_size = op->base.workspace_size;
    report->assumed_flops_per_s = device->driver->caps.assumed_flops_per_s;
    report->estimated_s = (double)report->flops / report->assumed_flops_per_s;
    report->create_s = create_s;
    if (!cut.direct && device->limits.storage_buffers < SOFTMAX_DIRECT_BINDINGS)
        fv_note(report, "one pass refused: %u storage buffers per kernel; it binds %d", device->limits.storage_buffers,
                SOFTMAX_DIRECT_BINDINGS);
    if (!device->driver->caps.nan_preserved)
        fv_note(report, "NaN among visible inputs: the driver does not promise that NaN reaches the output");
}
