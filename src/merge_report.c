/* What a merge reports of its plan. */
#include <stdio.h>

#include "merge.h"
#include "util/math.h"

#include "abi/merge.h"

static void describe_kernel(const merge_op *op, const fv_pipeline *pipeline, const char *use)
{
    const fovea_device *device = op->base.device;
    fovea_op_report *report = (fovea_op_report *)&op->base.report;
    fovea_kernel_report *out = &report->kernels[report->kernel_count++];
    *out = fv_pipeline_report(device, pipeline, use);
    out->tier = op->shape.tier;
    out->rows = device->driver->caps.native ? MERGE_NATIVE_ROWS : 1;
}

/* Sources of the same storage share a kernel: it is listed once. */
static void describe_kernels(const merge_op *op)
{
    const merge_kernels *kernels = &op->kernels;
    if (kernels->weigh)
        describe_kernel(op, kernels->weigh, op->shape.by_lse ? "weights and lse" : "coefficients, for several passes");
    for (uint32_t pass = 0; pass < merge_passes(&op->shape); pass++) {
        char use[sizeof op->base.report.kernels[0].use];
        bool listed = false;
        for (uint32_t before = 0; before < pass; before++)
            listed |= kernels->sums[before] == kernels->sums[pass];
        snprintf(use, sizeof use, "sums, sources from %u on", 2 * pass);
        if (!listed)
            describe_kernel(op, kernels->sums[pass], use);
    }
}

/* Each element once, but for factors of several rows. */
static uint64_t algorithmic_bytes(const merge_shape *shape, uint64_t rows)
{
    const uint64_t factors = (uint64_t)shape->by_lse + (shape->factors.rank == 4); /* of each row and part */
    const uint64_t floats = factors * shape->parts + (shape->lse.rank != 0);
    uint64_t bytes = rows * (shape->dim_v * (uint64_t)fovea_dtype_size(shape->o.dtype) + floats * sizeof(float));
    for (uint32_t s = 0; s < shape->source_count; s++)
        bytes += rows * shape->sources[s].parts * shape->dim_v * fovea_dtype_size(shape->sources[s].o.dtype);
    return bytes;
}

void merge_fill_report(fovea_op *base, double create_s)
{
    merge_op *op = (merge_op *)base;
    const merge_shape *shape = &op->shape;
    const fovea_device *device = op->base.device;
    fovea_op_report *report = &op->base.report;
    const uint64_t rows = merge_rows(shape, shape->seq_q_max);
    const uint64_t slices =
        fv_divide_up(rows, merge_slice_rows(device, shape, shape->seq_q_max, op->base.workspace_size));
    const uint64_t weighs = merge_weighs(shape) ? (shape->by_lse ? shape->source_count : 1) : 0;
    const uint64_t dispatches = slices * (weighs + merge_passes(shape));
    snprintf(report->name, sizeof report->name, "%s", op->base.type->name);
    report->tier = shape->tier;
    describe_kernels(op);
    report->dispatches = (uint32_t)fv_min(dispatches, UINT32_MAX);
    report->barriers = report->dispatches; /* one before each */
    report->query_slices = (uint32_t)fv_min(slices, UINT32_MAX);
    report->key_slices = 1;
    report->split_count = 1;
    report->tile_candidates = 1;
    report->flops = 2 * rows * shape->parts * shape->dim_v;
    report->bytes = algorithmic_bytes(shape, rows);
    report->exponentials = shape->by_lse ? rows * shape->parts : 0;
    report->workspace_size = op->base.workspace_size;
    report->assumed_flops_per_s = device->driver->caps.assumed_flops_per_s;
    report->estimated_s = merge_seconds(device, shape, rows);
    report->create_s = create_s;
    if (merge_carries(shape))
        fv_note(report, "one pass refused: %u sources; a kernel binds two", shape->source_count);
    if (!device->driver->caps.nan_preserved)
        fv_note(report, "NaN among the parts: the driver does not promise that NaN reaches the output");
}
