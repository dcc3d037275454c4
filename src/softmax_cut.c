/* Bounded work: how a run of given sizes is cut into dispatches.
 *
 * Cuts go by head and query range first, then by key range with the state carried; parallel splits over keys serve
 * occupancy alone. Everything here is a pure function of the plan and of host sizes. */
#include <math.h>

#include "softmax.h"
#include "util/math.h"

#include "abi/softmax.h"

enum {
    LEAST_SLOTS = 64,          /* state slots of one dispatch at the least */
    LEAST_TILES_PER_SPLIT = 4, /* so that a merge stays cheap beside its parts */
    MOST_SPLITS = 64,          /* by the planner's own rule */
};

/* Workgroups that run at once: known, or a sober guess by the kind of device. */
static uint32_t capacity(const fovea_device *device)
{
    if (device->limits.compute_units > 0)
        return device->limits.compute_units;
    switch (device->driver->caps.info.kind) {
    case FOVEA_DEVICE_CPU: return 1;
    case FOVEA_DEVICE_INTEGRATED: return 8;
    case FOVEA_DEVICE_DISCRETE: return 64;
    case FOVEA_DEVICE_OTHER:
    case FOVEA_DEVICE_VIRTUAL: break;
    }
    return 16;
}

double softmax_seconds(const fovea_device *device, const softmax_shape *shape, const softmax_tile *tile, uint64_t items,
                       uint64_t key_tiles)
{
    const double rate = device->driver->caps.assumed_flops_per_s;
    const double tile_flops = 2.0 * softmax_products(tile) * softmax_rows(tile) * softmax_keys(tile) *
                              ((double)shape->dim_qk + softmax_cols(tile));
    const double busy = fmax((double)items, capacity(device)); /* fewer items leave part of the device idle */
    return busy * (double)key_tiles * tile_flops / rate;
}

uint64_t softmax_slot_bytes(const softmax_tile *tile)
{
    return sizeof(float) *
           (uint64_t)SOFTMAX_STATE_FLOATS((uint64_t)softmax_rows(tile), softmax_cols(tile), softmax_sums(tile));
}

uint32_t softmax_slots(const fovea_device *device, const softmax_shape *shape, const softmax_tile *tile)
{
    const uint64_t wanted = fv_max(fv_max(LEAST_SLOTS, 2 * (uint64_t)capacity(device)), shape->split_count);
    return (uint32_t)fv_max(1, fv_min(wanted, device->limits.storage_range / softmax_slot_bytes(tile)));
}

/* Most splits that one invocation of softmax_finish may merge before the device's loop limit. */
static uint32_t mergeable(const fovea_device *device, const softmax_tile *tile)
{
    const uint32_t limit = device->limits.loop_iterations;
    if (limit == FOVEA_UNBOUNDED || device->driver->caps.native)
        return UINT32_MAX;
    const uint32_t none = SOFTMAX_FINISH_TRIPS(softmax_rows(tile), softmax_cols(tile), 0);
    const uint32_t each = SOFTMAX_FINISH_TRIPS(softmax_rows(tile), softmax_cols(tile), 1) - none;
    return limit > none + each ? (limit - none) / each : 1;
}

/* The smallest split count with at least 85 % of the best wave efficiency; 1 where the device is 0.8 full. */
static uint32_t choose_splits(const fovea_device *device, const softmax_shape *shape, const softmax_tile *tile,
                              uint64_t items, uint32_t key_tiles)
{
    const uint64_t full = capacity(device);
    const uint64_t grid = (uint64_t)device->limits.group_count_x * device->limits.group_count_y;
    const uint32_t slots = (uint32_t)fv_min(fv_min(softmax_slots(device, shape, tile), grid), mergeable(device, tile));
    const uint32_t most = (uint32_t)fv_min(fv_min(MOST_SPLITS, slots), key_tiles / LEAST_TILES_PER_SPLIT);
    if (shape->split_count > 0)
        return (uint32_t)fv_max(1, fv_min(fv_min(shape->split_count, slots), key_tiles));
    if ((double)items >= 0.8 * (double)full)
        return 1;
    double best = 0.0;
    for (uint32_t splits = 1; splits <= most; splits++)
        best = fmax(best, (double)(items * splits) / (double)(fv_divide_up(items * splits, full) * full));
    for (uint32_t splits = 1; splits <= most; splits++)
        if ((double)(items * splits) / (double)(fv_divide_up(items * splits, full) * full) >= 0.85 * best)
            return splits;
    return 1;
}

uint32_t softmax_tiles_most(const fovea_device *device, const softmax_shape *shape, const softmax_tile *tile)
{
    const uint32_t limit = device->limits.loop_iterations;
    if (limit == FOVEA_UNBOUNDED || device->driver->caps.native)
        return UINT32_MAX;
    if (tile->matrix.m > 0) /* no device that has matrices has such a limit */
        return 0;
    const uint32_t fixed = SOFTMAX_TRIPS_FIXED(tile->lane_rows, tile->lane_cols, tile->tm, tile->tn, tile->tv,
                                               tile->chunk, tile->subgroup_size);
    const uint32_t each = SOFTMAX_TRIPS_PER_TILE(tile->lane_rows, tile->lane_cols, tile->tm, tile->tn, tile->tv,
                                                 tile->chunk, shape->dim_qk, tile->subgroup_size);
    return limit > fixed ? (limit - fixed) / each : 0;
}

/* Key tiles in the longest list. */
static uint32_t longest_list(const softmax_shape *shape, const softmax_tile *tile, uint32_t seq_k)
{
    const uint64_t keys = softmax_keys(tile), all = fv_divide_up(seq_k, keys);
    if (shape->left == FOVEA_UNBOUNDED || shape->right == FOVEA_UNBOUNDED)
        return (uint32_t)all;
    const uint64_t queries = fv_divide_up(softmax_rows(tile) - 1, shape->group) + 1;
    const uint64_t seen = queries + shape->left + shape->right;
    return (uint32_t)fv_min(all, (seen + 2 * keys - 2) / keys); /* the first tile may hold one of them */
}

softmax_cut softmax_cut_make(const fovea_device *device, const softmax_shape *shape, const softmax_tile *tile,
                             uint32_t seq_q, uint32_t seq_k)
{
    const fovea_device_limits *limits = &device->limits;
    softmax_cut cut = {
        .rows = (uint64_t)seq_q * shape->group,
        .blocks = (uint32_t)fv_divide_up(shape->dim_v, softmax_cols(tile)),
        .key_tiles = longest_list(shape, tile, seq_k),
    };
    cut.row_tiles = fv_divide_up(cut.rows, softmax_rows(tile));
    cut.items = shape->units * cut.blocks * cut.row_tiles;
    cut.splits = choose_splits(device, shape, tile, cut.items, cut.key_tiles);
    cut.split_tiles = (uint32_t)fv_max(1, fv_divide_up(cut.key_tiles, cut.splits));
    const uint64_t grid = (uint64_t)limits->group_count_x * limits->group_count_y;
    const uint64_t together = fv_max(1, fv_min(cut.items, capacity(device) / cut.splits));
    const double tile_s = softmax_seconds(device, shape, tile, together * cut.splits, 1);
    const double affordable = fmax(1.0, floor(shape->budget_s / tile_s));
    cut.slice_tiles = (uint32_t)fv_min(cut.split_tiles, softmax_tiles_most(device, shape, tile));
    if ((double)cut.slice_tiles > affordable)
        cut.slice_tiles = (uint32_t)affordable;
    cut.direct =
        cut.splits == 1 && cut.slice_tiles >= cut.key_tiles && limits->storage_buffers >= SOFTMAX_DIRECT_BINDINGS;
    const double waves = fmax(1.0, floor(affordable / fmax(1, cut.slice_tiles)));
    cut.slice_items = waves * (double)together >= (double)cut.items ? cut.items : (uint64_t)waves * together;
    if (!cut.direct)
        cut.slice_items = fv_min(cut.slice_items, softmax_slots(device, shape, tile) / cut.splits);
    cut.slice_items = fv_max(1, fv_min(cut.slice_items, grid / cut.splits));
    return cut;
}

softmax_range softmax_visible(const softmax_shape *shape, uint32_t seq_q, uint32_t seq_k, uint64_t query)
{
    const int64_t position = (int64_t)query + (shape->top_left ? 0 : (int64_t)seq_k - seq_q);
    const int64_t begin = shape->left == FOVEA_UNBOUNDED ? 0 : position - shape->left;
    const int64_t end = shape->right == FOVEA_UNBOUNDED ? seq_k : position + shape->right + 1;
    return (softmax_range){begin < 0 ? 0 : (uint64_t)begin, end < 0 ? 0 : fv_min((uint64_t)end, seq_k)};
}

/* Sum over queries i of the keys j <= i + diagonal. */
/* Sum over queries i of the keys j <= i + diagonal. */
static uint64_t visible_pairs(uint32_t seq_q, uint32_t seq_k, int64_t diagonal)
{
    const int64_t last = (int64_t)seq_q + diagonal; /* keys that the last query would see */
    const uint64_t ramp_begin = diagonal > 0 ? (uint64_t)diagonal : 0;
    if (last <= 0)
        return 0;
    if (ramp_begin >= seq_k)
        return (uint64_t)seq_q * seq_k;
    const uint64_t ramp_end = fv_min((uint64_t)last, seq_k); /* queries see ramp_begin + 1 to ramp_end keys, then all */
    const uint64_t ramp = (ramp_end * (ramp_end + 1) - ramp_begin * (ramp_begin + 1)) / 2;
    return ramp + ((uint64_t)last - ramp_end) * seq_k;
}

/* Of all queries, each in one row. */
static uint64_t count_pairs(const softmax_shape *shape, uint32_t seq_q, uint32_t seq_k)
{
    const int64_t diagonal = shape->top_left ? 0 : (int64_t)seq_k - seq_q;
    const uint64_t up_to_right = shape->right == FOVEA_UNBOUNDED ? (uint64_t)seq_q * seq_k
                                                                 : visible_pairs(seq_q, seq_k, diagonal + shape->right);
    if (shape->left == FOVEA_UNBOUNDED)
        return up_to_right;
    return up_to_right - fv_min(up_to_right, visible_pairs(seq_q, seq_k, diagonal - shape->left - 1));
}

softmax_visits softmax_count_visits(const softmax_shape *shape, const softmax_tile *tile, uint32_t seq_q,
                                    uint32_t seq_k)
{
    const uint64_t rows = (uint64_t)seq_q * shape->group, tile_rows = softmax_rows(tile), keys = softmax_keys(tile);
    const uint64_t row_tiles = fv_divide_up(rows, tile_rows), key_tiles = fv_divide_up(seq_k, keys);
    softmax_visits visits = {.total = row_tiles * key_tiles, .pairs = shape->group * count_pairs(shape, seq_q, seq_k)};
    if (shape->left == FOVEA_UNBOUNDED && shape->right == FOVEA_UNBOUNDED) {
        visits.visited = visits.total;
        visits.full = row_tiles * (seq_k / keys);
        return visits;
    }
    for (uint64_t t = 0; t < row_tiles; t++) {
        const uint64_t last_row = fv_min(rows, (t + 1) * tile_rows) - 1;
        const softmax_range first = softmax_visible(shape, seq_q, seq_k, t * tile_rows / shape->group);
        const softmax_range last = softmax_visible(shape, seq_q, seq_k, last_row / shape->group);
        const uint64_t begin = first.begin / keys, end = fv_divide_up(last.end, keys);
        const uint64_t full_begin = fv_divide_up(last.begin, keys), full_end = first.end / keys;
        visits.visited += end > begin ? end - begin : 0;
        visits.full += full_end > full_begin ? full_end - full_begin : 0;
    }
    return visits;
}
