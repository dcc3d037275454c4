/* Merge: create, run, destroy. */
#include <string.h>

#include "merge.h"
#include "util/math.h"

enum { WORK_BYTES = 16 << 20 /* of rows that are merged at once, at the most, where one row needs no more */ };

#define NAMES(tensor)                                                                                            \
    {                                                                                                            \
        "sources[0]" tensor, "sources[1]" tensor, "sources[2]" tensor, "sources[3]" tensor, "sources[4]" tensor, \
            "sources[5]" tensor, "sources[6]" tensor, "sources[7]" tensor                                        \
    }
static const char *const part_names[] = NAMES(".o"), *const part_lse_names[] = NAMES(".lse");
_Static_assert(sizeof part_names / sizeof part_names[0] == FOVEA_MERGE_SOURCES, "names of sources");

/* ---- runs -------------------------------------------------------------------------------------------------------- */

/* The caller's side of a run. */
typedef struct run_arguments {
    const merge_op *op;
    const fovea_op_args *args;
    uint32_t seq_q;
} run_arguments;

/* Binds a view of the run's own length, which is that of dim `seq_dim`. */
static fovea_status bind_view(const run_arguments *run, const char *name, const fovea_tensor *view, uint32_t seq_dim,
                              uint32_t slot, fv_bound *out_bound)
{
    fovea_tensor run_view = *view;
    if (seq_dim < view->rank)
        run_view.extents[seq_dim] = run->seq_q;
    return fv_bind(&run->op->base, name, &run_view, &run->args->tensors[slot], out_bound);
}

static fovea_status bind_inputs(const run_arguments *run, merge_bound *bound)
{
    fovea_status status = FOVEA_OK;
    const merge_shape *shape = &run->op->shape;
    for (uint32_t s = 0; s < shape->source_count; s++) {
        const merge_source *source = &shape->sources[s];
        fv_try(bind_view(run, part_names[s], &source->o, 3, FOVEA_O_PARTS + s, &bound->parts[s]));
        if (shape->by_lse)
            fv_try(bind_view(run, part_lse_names[s], &source->lse, 3, FOVEA_LSE_PARTS + s, &bound->part_lse[s]));
    }
    if (!shape->by_lse)
        fv_try(bind_view(run, "coefficients", &shape->factors, 3, FOVEA_COEFFICIENTS, &bound->factors));
    else if (shape->factors.rank != 0)
        fv_try(bind_view(run, "offsets", &shape->factors, 3, FOVEA_OFFSETS, &bound->factors));
fail:
    return status;
}

static fovea_status bind_outputs(const run_arguments *run, merge_bound *bound)
{
    fovea_status status = FOVEA_OK;
    const merge_shape *shape = &run->op->shape;
    fv_try(bind_view(run, "o", &shape->o, 2, FOVEA_O, &bound->o));
    if (shape->lse.rank != 0)
        fv_try(bind_view(run, "lse", &shape->lse, 2, FOVEA_LSE, &bound->lse));
    fv_try(fv_bind_workspace(&run->op->base, run->args, merge_row_bytes(shape), &bound->work));
fail:
    return status;
}

static fovea_status check_overlaps(const merge_op *op, const merge_bound *bound)
{
    fv_place places[4 + 2 * FOVEA_MERGE_SOURCES] = {
        {"o", &bound->o, true},
        {"lse", &bound->lse, true},
        {"workspace", &bound->work, true},
        {op->shape.by_lse ? "offsets" : "coefficients", &bound->factors, false}};
    uint32_t count = 4;
    for (uint32_t s = 0; s < op->shape.source_count; s++) {
        places[count++] = (fv_place){part_names[s], &bound->parts[s], false};
        places[count++] = (fv_place){part_lse_names[s], &bound->part_lse[s], false};
    }
    return fv_check_overlaps(&op->base.device->host, places, count);
}

static fovea_status run(fovea_op *base, const fovea_op_args *args)
{
    fovea_status status = FOVEA_OK;
    const merge_op *op = (const merge_op *)base;
    fovea_device *device = base->device;
    run_arguments arguments = {.op = op, .args = args};
    merge_bound bound;
    memset(&bound, 0, sizeof bound);
    fv_try(fv_resolve_size(&device->host, "seq_q", args->seq_q, op->shape.seq_q_max, &arguments.seq_q));
    if (arguments.seq_q == 0)
        return FOVEA_OK;
    fv_try(bind_inputs(&arguments, &bound));
    fv_try(bind_outputs(&arguments, &bound));
    fv_try(check_overlaps(op, &bound));
    const uint32_t slice_rows = merge_slice_rows(device, &op->shape, arguments.seq_q, bound.work.range.size);
    fv_try(merge_emit(&(merge_emission){device, &op->shape, &op->kernels, &bound, arguments.seq_q, slice_rows,
                                        device->backend->record}));
fail:
    return status;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static void destroy(fovea_op *base)
{
    merge_op *op = (merge_op *)base;
    fovea_device *device = base->device;
    pthread_mutex_lock(&device->lock);
    merge_kernels_release(device, &op->kernels);
    pthread_mutex_unlock(&device->lock);
    fv_free(&device->host, op);
}

static fovea_status prefer(const fovea_op *base)
{
    return fv_fail(&base->device->host, FOVEA_INVALID, "merge: it has no tiles to prefer one of");
}

/* Room for the rows of the largest dispatch. */
static uint64_t workspace_size(const fovea_device *device, const merge_shape *shape)
{
    const uint64_t row_bytes = merge_row_bytes(shape);
    const uint64_t most = fv_max(row_bytes, fv_min(WORK_BYTES, device->limits.storage_range));
    return row_bytes * merge_slice_rows(device, shape, shape->seq_q_max, most);
}

static fovea_status init(fovea_op *base, const void *params)
{
    fovea_status status = FOVEA_OK;
    merge_op *op = (merge_op *)base;
    fv_try(merge_shape_init(base->device, params, &op->shape));
    fv_try(merge_kernels_init(base->device, &op->shape, &op->kernels));
    base->workspace_size = workspace_size(base->device, &op->shape);
fail:
    return status;
}

static const fv_op_class merge_class = {"merge", sizeof(merge_op), init, merge_fill_report, run, prefer, destroy};

fovea_status fovea_merge_create(fovea_device *device, const fovea_merge_params *params, fovea_op **out_op)
{
    return fv_op_create(device, &merge_class, params, out_op);
}
