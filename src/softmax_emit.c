/* From a cut to commands: one dispatch after the other, for a device's own list or another's. */
#include <string.h>

#include "softmax.h"
#include "util/math.h"

#include "abi/softmax.h"

typedef uint32_t uint;
#define MEMBER(type, name) type name;
typedef struct common_params {
    SOFTMAX_COMMON_PARAMS(MEMBER)
} common_params;
typedef struct direct_params {
    SOFTMAX_DIRECT_PARAMS(MEMBER)
} direct_params;
typedef struct state_params {
    SOFTMAX_STATE_PARAMS(MEMBER)
} state_params;
typedef struct finish_params {
    SOFTMAX_FINISH_PARAMS(MEMBER)
} finish_params;
#undef MEMBER

_Static_assert(sizeof(direct_params) <= 4 * FV_PARAMETERS_MAX, "parameters of softmax_direct");
_Static_assert(sizeof(state_params) <= 4 * FV_PARAMETERS_MAX, "parameters of softmax_state");
_Static_assert(sizeof(finish_params) <= 4 * FV_PARAMETERS_MAX, "parameters of softmax_finish");

static uint32_t stride(const fovea_tensor *view, uint32_t dim)
{
    return (uint32_t)view->strides[dim];
}

static common_params common(const softmax_emission *run, uint64_t first_item, uint64_t item_count)
{
    const softmax_shape *shape = run->shape;
    const softmax_bound *bound = run->bound;
    return (common_params){
        .q_offset = bound->q.first_element,
        .q_batch = stride(&shape->q, 0),
        .q_head = stride(&shape->q, 1),
        .q_row = stride(&shape->q, 2),
        .k_offset = bound->k.first_element,
        .k_batch = stride(&shape->k, 0),
        .k_head = stride(&shape->k, 1),
        .k_row = stride(&shape->k, 2),
        .v_offset = bound->v.first_element,
        .v_batch = stride(&shape->v, 0),
        .v_head = stride(&shape->v, 1),
        .v_row = stride(&shape->v, 2),
        .scale = shape->scale_log2,
        .heads = shape->heads,
        .group = shape->group,
        .k_ratio = shape->k_ratio,
        .v_ratio = shape->v_ratio,
        .seq_q = run->seq_q,
        .seq_k = run->seq_k,
        .diagonal = shape->top_left ? 0 : (int32_t)((int64_t)run->seq_k - run->seq_q),
        .first_item = (uint32_t)first_item,
        .item_count = (uint32_t)item_count,
        .tile_begin = 0,
        .tile_end = run->cut->slice_tiles,
    };
}

static fovea_status barrier(const softmax_emission *run)
{
    const fv_command command = {.kind = FV_COMMAND_BARRIER};
    return run->record(run->device->driver, &command, 1);
}

/* After a dispatch over `items` items: where device time adds up, the submission is cut. */
static fovea_status spend(const softmax_emission *run, uint64_t items)
{
    const softmax_cut *cut = run->cut;
    if (run->record != run->device->backend->record)
        return FOVEA_OK; /* executed at once */
    return fv_device_spend(run->device, softmax_seconds(run->device, run->shape, &run->variant->tile,
                                                        items * cut->splits, cut->slice_tiles));
}

static fovea_status emit_direct(const softmax_emission *run, uint64_t first_item, uint64_t item_count)
{
    const softmax_bound *bound = run->bound;
    const fovea_tensor *o = &run->shape->o, *lse = &run->shape->lse;
    const bool lse_wanted = run->shape->lse_wanted, sinks = run->shape->sinks.rank != 0;
    fv_command command = {.kind = FV_COMMAND_DISPATCH};
    fv_dispatch *dispatch = &command.dispatch;
    const common_params shared = common(run, first_item, item_count);
    direct_params params = {0};
    memcpy(&params, &shared, sizeof shared);
    params.o_offset = bound->o.first_element;
    params.o_batch = stride(o, 0), params.o_head = stride(o, 1), params.o_row = stride(o, 2);
    params.lse_offset = lse_wanted ? bound->lse.first_element : 0;
    params.lse_batch = stride(lse, 0), params.lse_head = stride(lse, 1);
    params.sink_offset = sinks ? bound->sinks.first_element : SOFTMAX_NO_SINKS;
    fv_fold(run->device, item_count, dispatch->groups);
    memcpy(dispatch->parameters, &params, sizeof params);
    dispatch->kernel = run->variant->direct->kernel;
    dispatch->bindings[0] = bound->q.range;
    dispatch->bindings[1] = bound->k.range;
    dispatch->bindings[2] = bound->v.range;
    dispatch->bindings[3] = bound->o.range;
    dispatch->bindings[4] = lse_wanted ? bound->lse.range : bound->o.range;
    dispatch->bindings[5] = sinks ? bound->sinks.range : bound->q.range;
    return run->record(run->device->driver, &command, 1);
}

static fovea_status emit_state(const softmax_emission *run, uint64_t first_item, uint64_t item_count,
                               uint32_t tile_begin)
{
    const softmax_bound *bound = run->bound;
    const softmax_cut *cut = run->cut;
    fv_command command = {.kind = FV_COMMAND_DISPATCH};
    fv_dispatch *dispatch = &command.dispatch;
    const common_params shared = common(run, first_item, item_count);
    state_params params = {0};
    memcpy(&params, &shared, sizeof shared);
    params.tile_begin = tile_begin;
    params.tile_end = (uint32_t)fv_min(cut->split_tiles, (uint64_t)tile_begin + cut->slice_tiles);
    params.state_offset = bound->state.first_element;
    params.splits = cut->splits;
    params.split_tiles = cut->split_tiles;
    params.fresh = tile_begin == 0;
    fv_fold(run->device, item_count * cut->splits, dispatch->groups);
    memcpy(dispatch->parameters, &params, sizeof params);
    dispatch->kernel = run->variant->state->kernel;
    dispatch->bindings[0] = bound->q.range;
    dispatch->bindings[1] = bound->k.range;
    dispatch->bindings[2] = bound->v.range;
    dispatch->bindings[3] = bound->state.range;
    return run->record(run->device->driver, &command, 1);
}

static fovea_status emit_finish(const softmax_emission *run, uint64_t first_item, uint64_t item_count)
{
    const softmax_bound *bound = run->bound;
    const softmax_shape *shape = run->shape;
    const bool sinks = shape->sinks.rank != 0;
    fv_command command = {.kind = FV_COMMAND_DISPATCH};
    fv_dispatch *dispatch = &command.dispatch;
    finish_params params = {
        .state_offset = bound->state.first_element,
        .splits = run->cut->splits,
        .heads = shape->heads,
        .group = shape->group,
        .seq_q = run->seq_q,
        .first_item = (uint32_t)first_item,
        .item_count = (uint32_t)item_count,
        .o_offset = bound->o.first_element,
        .o_batch = stride(&shape->o, 0),
        .o_head = stride(&shape->o, 1),
        .o_row = stride(&shape->o, 2),
        .lse_offset = shape->lse_wanted ? bound->lse.first_element : 0,
        .lse_batch = stride(&shape->lse, 0),
        .lse_head = stride(&shape->lse, 1),
        .sink_offset = sinks ? bound->sinks.first_element : SOFTMAX_NO_SINKS,
    };
    fv_fold(run->device, item_count, dispatch->groups);
    memcpy(dispatch->parameters, &params, sizeof params);
    dispatch->kernel = run->variant->finish->kernel;
    dispatch->bindings[0] = bound->state.range;
    dispatch->bindings[1] = bound->o.range;
    dispatch->bindings[2] = shape->lse_wanted ? bound->lse.range : bound->o.range;
    dispatch->bindings[3] = sinks ? bound->sinks.range : bound->state.range;
    return run->record(run->device->driver, &command, 1);
}

/* One query slice: key slices one after another, each after the one whose state it reads, then the merge. */
static fovea_status emit_carried(const softmax_emission *run, uint64_t first_item, uint64_t item_count)
{
    fovea_status status = FOVEA_OK;
    const softmax_cut *cut = run->cut;
    for (uint64_t begin = 0; begin < cut->split_tiles; begin += cut->slice_tiles) {
        fv_try(emit_state(run, first_item, item_count, (uint32_t)begin));
        fv_try(barrier(run));
        fv_try(spend(run, item_count));
    }
    fv_try(emit_finish(run, first_item, item_count));
    if (first_item + item_count < cut->items)
        fv_try(barrier(run)); /* the next slice reuses the state */
fail:
    return status;
}

fovea_status softmax_emit(const softmax_emission *run)
{
    fovea_status status = FOVEA_OK;
    const softmax_cut *cut = run->cut;
    fv_try(barrier(run)); /* after all that was recorded before */
    for (uint64_t first = 0; first < cut->items; first += cut->slice_items) {
        const uint64_t count = fv_min(cut->slice_items, cut->items - first);
        fv_try(cut->direct ? emit_direct(run, first, count) : emit_carried(run, first, count));
        if (cut->direct)
            fv_try(spend(run, count));
    }
fail:
    return status;
}
