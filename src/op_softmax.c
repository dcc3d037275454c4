/* Softmax attention: create, run, destroy. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "softmax.h"
#include "util/math.h"

/* Whether any run up to the maxima carries a state: sliced, split, or too few bindings for one pass. */
static bool state_needed(const fovea_device *device, const softmax_shape *shape, const softmax_tile *tile)
{
    const uint32_t key_tiles = (uint32_t)fv_divide_up(shape->seq_k_max, softmax_keys(tile));
    if (!softmax_cut_make(device, shape, tile, shape->seq_q_max, shape->seq_k_max).direct)
        return true;
    if (shape->split_count == 1 || key_tiles < 2)
        return false;
    /* Fewer queries fill fewer workgroups: the rule may split then. */
    return !softmax_cut_make(device, shape, tile, 1, shape->seq_k_max).direct;
}

static uint64_t state_bytes(const fovea_device *device, const softmax_shape *shape, const softmax_tile *tile)
{
    return softmax_slots(device, shape, tile) * softmax_slot_bytes(tile);
}

/* All candidates of a descriptor in the order in which they are counted: those for many rows, then those for few. */
typedef struct candidates {
    softmax_tile_list all;
    uint32_t many; /* how many are for many rows; the native ones are for any number */
} candidates;

static candidates list_candidates(softmax_op *op)
{
    const fovea_device *device = op->base.device;
    fovea_op_report unread = {.kernel_count = 0};
    candidates list = {.all = softmax_tiles(device, &op->shape, false, &op->base.report)};
    list.many = list.all.count;
    if (!device->driver->caps.native) {
        const softmax_tile_list few = softmax_tiles(device, &op->shape, true, &unread);
        for (uint32_t i = 0; i < few.count && list.all.count < SOFTMAX_TILES_MAX; i++)
            list.all.tiles[list.all.count++] = few.tiles[i];
    }
    for (uint32_t i = 0; i < list.all.count; i++)
        list.all.tiles[i].index = i;
    op->base.report.tile_candidates = list.all.count;
    return list;
}

/* The candidates for few or for many rows that the descriptor allows, best first: preferred ones go before the
 * planner's. A forced tile may be any. */
static fovea_status select_tiles(softmax_op *op, const candidates *from, bool few, softmax_tile_list *list)
{
    fovea_status status = FOVEA_OK;
    fovea_device *device = op->base.device;
    const softmax_shape *shape = &op->shape;
    fv_host *host = &device->host;
    const bool few_native = device->driver->caps.native && softmax_few_rows(device, shape);
    const bool forced = shape->tile > 0;
    const uint32_t first = forced ? shape->tile - 1 : few ? from->many : 0;
    const uint32_t end = forced ? shape->tile : few ? from->all.count : from->many;
    fv_require(host, from->all.count > 0 && end > first, FOVEA_UNSUPPORTED,
               "softmax: no tile fits dim_qk %u, dim_v %u into %u bytes of shared memory, %u invocations and %u loop "
               "iterations",
               shape->dim_qk, shape->dim_v, device->limits.shared_memory, device->limits.workgroup_invocations,
               device->limits.loop_iterations);
    fv_require(host, shape->tile <= from->all.count, FOVEA_INVALID,
               "softmax: tile = %u; this device has candidates 1 to %u", shape->tile, from->all.count);
    list->count = end - first;
    memcpy(list->tiles, &from->all.tiles[first], list->count * sizeof list->tiles[0]);
    if (!forced)
        softmax_prefer_tuned(device, shape, few || few_native, &from->all, list, &op->base.report);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < list->count; i++)
        if (list->tiles[i].tier >= shape->min_tier)
            list->tiles[kept++] = list->tiles[i];
    const char *notes = few_native && !forced ? op->base.report.notes : "";
    fv_require(host, kept > 0, FOVEA_UNSUPPORTED, "softmax: min_tier is %s; %s has tier %s%s%.*s",
               fovea_tier_name(shape->min_tier), forced ? "the tile asked for" : "the best tile here",
               fovea_tier_name(list->tiles[0].tier), *notes ? ": " : "", (int)strcspn(notes, "\n"), notes);
    list->count = kept;
fail:
    return status;
}

static fovea_status make_variant(softmax_op *op, const candidates *from, bool few, softmax_variant *out_variant)
{
    fovea_status status = FOVEA_OK;
    fovea_device *device = op->base.device;
    softmax_tile_list list;
    fv_try(select_tiles(op, from, few, &list));
    bool state = false;
    for (uint32_t i = 0; i < list.count; i++)
        state |= state_needed(device, &op->shape, &list.tiles[i]);
    fv_try(softmax_variant_init(device, &op->shape, &list, state, out_variant, &op->base.report));
    if (state)
        op->base.workspace_size = fv_max(op->base.workspace_size, state_bytes(device, &op->shape, &out_variant->tile));
fail:
    return status;
}

/* Kernels for few rows serve where the planner's tile for many would be mostly empty, whichever is preferred to it. */
static fovea_status make_variants(softmax_op *op)
{
    enum { ROWS_SMALL = 8 };
    fovea_status status = FOVEA_OK;
    const candidates from = list_candidates(op);
    fv_try(make_variant(op, &from, false, &op->many));
    const softmax_shape *shape = &op->shape;
    if (op->base.device->driver->caps.native || shape->tile > 0 || softmax_rows(&from.all.tiles[0]) <= ROWS_SMALL)
        return FOVEA_OK;
    if (from.all.tiles[from.many].tier < shape->min_tier) /* the best for few rows: those for many have to do */
        return FOVEA_OK;
    fv_try(make_variant(op, &from, true, &op->few));
    op->few_rows = softmax_few_limit(op->base.device, shape);
    if (softmax_few_rows(op->base.device, shape)) { /* every run has few rows: the others are not needed */
        pthread_mutex_lock(&op->base.device->lock);
        softmax_variant_release(op->base.device, &op->many);
        pthread_mutex_unlock(&op->base.device->lock);
    }
fail:
    return status;
}

static const softmax_variant *choose_variant(const softmax_op *op, uint32_t seq_q)
{
    const uint64_t rows = (uint64_t)seq_q * op->shape.group;
    return rows <= op->few_rows ? &op->few : &op->many;
}

/* A view of the run's own length; an empty one binds whatever is there. */
static fovea_status bind_view(const fovea_op *op, const char *name, const fovea_tensor *view, uint32_t seq,
                              const fovea_binding *binding, fv_bound *out_bound)
{
    fovea_tensor run_view = *view;
    run_view.extents[2] = seq;
    return fv_bind(op, name, &run_view, binding, out_bound);
}

static fovea_status check_aliasing(const softmax_op *op, const softmax_bound *bound)
{
    const fv_place places[] = {
        {"o", &bound->o, true},         {"lse", &bound->lse, true}, {"workspace", &bound->state, true},
        {"q", &bound->q, false},        {"k", &bound->k, false},    {"v", &bound->v, false},
        {"sinks", &bound->sinks, false}};
    return fv_check_overlaps(&op->base.device->host, places, sizeof places / sizeof places[0]);
}

static fovea_status bind_all(const softmax_op *op, const fovea_op_args *args, uint32_t seq_q, uint32_t seq_k,
                             softmax_bound *bound)
{
    fovea_status status = FOVEA_OK;
    const softmax_shape *shape = &op->shape;
    const fovea_binding *tensors = args->tensors;
    fv_try(bind_view(&op->base, "q", &shape->q, seq_q, &tensors[FOVEA_Q], &bound->q));
    fv_try(bind_view(&op->base, "k", &shape->k, seq_k, &tensors[FOVEA_K], &bound->k));
    fv_try(bind_view(&op->base, "v", &shape->v, seq_k, &tensors[FOVEA_V], &bound->v));
    fv_try(bind_view(&op->base, "o", &shape->o, seq_q, &tensors[FOVEA_O], &bound->o));
    if (shape->lse_wanted)
        fv_try(bind_view(&op->base, "lse", &shape->lse, seq_q, &tensors[FOVEA_LSE], &bound->lse));
    if (shape->sinks.rank != 0)
        fv_try(fv_bind(&op->base, "sinks", &shape->sinks, &tensors[FOVEA_SINKS], &bound->sinks));
fail:
    return status;
}

static fovea_status run(fovea_op *base, const fovea_op_args *args)
{
    fovea_status status = FOVEA_OK;
    const softmax_op *op = (const softmax_op *)base;
    const softmax_shape *shape = &op->shape;
    fovea_device *device = base->device;
    softmax_bound bound;
    memset(&bound, 0, sizeof bound);
    uint32_t seq_q = 0, seq_k = 0;
    fv_try(fv_resolve_size(&device->host, "seq_q", args->seq_q, shape->seq_q_max, &seq_q));
    fv_try(fv_resolve_size(&device->host, "seq_k", args->seq_k, shape->seq_k_max, &seq_k));
    if (seq_q == 0)
        return FOVEA_OK;
    fv_try(bind_all(op, args, seq_q, seq_k, &bound));
    const softmax_variant *variant = choose_variant(op, seq_q);
    softmax_cut cut = softmax_cut_make(device, shape, &variant->tile, seq_q, seq_k);
    fv_require(&device->host, cut.items * cut.splits <= UINT32_MAX, FOVEA_UNSUPPORTED,
               "softmax: %llu workgroups; at most 2^32 - 1", (unsigned long long)(cut.items * cut.splits));
    fv_require(&device->host, cut.direct ? variant->direct != NULL : variant->state != NULL, FOVEA_INTERNAL,
               "softmax: no kernel was made for seq_q %u, seq_k %u", seq_q, seq_k);
    const uint64_t item_bytes = cut.direct ? 0 : cut.splits * softmax_slot_bytes(&variant->tile);
    fv_try(fv_bind_workspace(base, args, item_bytes, &bound.state));
    if (!cut.direct)
        cut.slice_items = fv_max(1, fv_min(cut.slice_items, bound.state.range.size / item_bytes));
    fv_try(check_aliasing(op, &bound));
    fv_try(
        softmax_emit(&(softmax_emission){device, shape, variant, &cut, &bound, seq_q, seq_k, device->backend->record}));
fail:
    return status;
}

static void destroy(fovea_op *base)
{
    softmax_op *op = (softmax_op *)base;
    fovea_device *device = base->device;
    pthread_mutex_lock(&device->lock);
    softmax_variant_release(device, &op->few);
    softmax_variant_release(device, &op->many);
    pthread_mutex_unlock(&device->lock);
    fv_free(&device->host, op);
}

static fovea_status prefer(const fovea_op *base)
{
    fovea_status status = FOVEA_OK;
    const softmax_op *op = (const softmax_op *)base;
    fv_require(&base->device->host, op->shape.tile > 0, FOVEA_INVALID,
               "softmax: the planner chose this operator's tile; prefer one that was created with `tile`");
    softmax_keep_tuned(base->device, &op->shape, softmax_few_rows(base->device, &op->shape), &op->many.tile);
fail:
    return status;
}

static fovea_status init(fovea_op *base, const void *params)
{
    fovea_status status = FOVEA_OK;
    softmax_op *op = (softmax_op *)base;
    fv_try(softmax_shape_init(base->device, params, &op->shape));
    fv_try(make_variants(op));
fail:
    return status;
}

static const fv_op_class softmax_class = {"softmax", sizeof(softmax_op), init, softmax_fill_report, run, prefer,
                                          destroy};

fovea_status fovea_softmax_create(fovea_device *device, const fovea_softmax_params *params, fovea_op **out_op)
{
    return fv_op_create(device, &softmax_class, params, out_op);
}
