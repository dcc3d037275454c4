/* Which tiles a device can run for a shape, best first. Solved from limits: never a vendor's name. */
#include <stdio.h>

#include "modules.h"
#include "softmax.h"
#include "softmax_tuning.h"
#include "util/math.h"

#include "abi/softmax.h"

uint32_t softmax_shared_bytes(const softmax_tile *tile)
{
    if (tile->matrix.m > 0)
        return softmax_matrix_shared_bytes(tile);
    return SOFTMAX_SHARED_BYTES(tile->lane_rows, tile->lane_cols, tile->tm, tile->tn, tile->tv, tile->chunk,
                                tile->subgroup_size);
}

uint32_t softmax_planned_subgroup(const fovea_device *device)
{
    const fv_caps *caps = &device->driver->caps;
    const fovea_device_limits *limits = &device->limits;
    enum { PREFERRED = 32 };
    if (device->tier < FOVEA_TIER_SUBGROUP || !caps->subgroup_shuffle || limits->subgroup_size_max == 0)
        return 0;
    if (limits->subgroup_size_min == limits->subgroup_size_max)
        return limits->subgroup_size_max;
    if (!caps->subgroup_size_control)
        return 0;
    return (uint32_t)fv_min(limits->subgroup_size_max, fv_max(limits->subgroup_size_min, PREFERRED));
}

static bool module_exists(fovea_tier tier, const softmax_micro_tile *micro)
{
    for (uint32_t i = 0; i < fv_module_count; i++) {
        const fv_module *module = &fv_modules[i];
        if (module->tier == tier && module->tm == micro->tm && module->tn == micro->tn && module->tv == micro->tv)
            return true;
    }
    return false;
}

static bool fits(const fovea_device *device, const softmax_shape *shape, const softmax_tile *tile)
{
    const fovea_device_limits *limits = &device->limits;
    const uint32_t lanes = tile->lane_rows * tile->lane_cols;
    return SOFTMAX_TILE_FITS(tile->lane_rows, tile->lane_cols, tile->tm, tile->tn, tile->tv, tile->chunk,
                             tile->subgroup_size) &&
           lanes <= limits->workgroup_invocations && lanes <= limits->workgroup_size_x &&
           softmax_shared_bytes(tile) <= limits->shared_memory && softmax_tiles_most(device, shape, tile) > 0;
}

/* Work per pair of row and key, padding included: S once per column block, and all columns of the blocks. With few rows
 * those of one query count, whole tiles of them. */
static uint64_t work(const softmax_tile *tile, const softmax_shape *shape, bool few)
{
    const uint32_t cols = softmax_cols(tile), rows = softmax_rows(tile);
    const uint64_t pair = fv_divide_up(shape->dim_v, cols) * (shape->dim_qk + cols);
    return few ? pair * fv_divide_up(shape->group, rows) * rows : pair;
}

/* Less is better: work first, then the preferred size of a workgroup, then the longest chunk. */
static uint64_t cost(const softmax_tile *tile, const softmax_shape *shape, bool few, uint32_t preferred_lanes)
{
    const uint32_t lanes = tile->lane_rows * tile->lane_cols;
    const uint64_t size = lanes == preferred_lanes ? 0 : lanes > preferred_lanes ? 1 : preferred_lanes / lanes;
    return work(tile, shape, few) * 4096 + size * 64 + (tile->chunk < 64 ? 64 - tile->chunk : 0);
}

/* The best shape of a workgroup for one micro-tile and tier, both given in *tile. */
static bool solve(const fovea_device *device, const softmax_shape *shape, bool few, uint32_t preferred_lanes,
                  softmax_tile *tile)
{
    static const uint32_t columns[] = {4, 8, 16, 32, 64}, lane_counts[] = {256, 128, 64, 32}, chunks[] = {16, 8, 4};
    enum { COLUMNS = sizeof columns / sizeof columns[0], LANES = sizeof lane_counts / sizeof lane_counts[0] };
    enum { CHUNKS = sizeof chunks / sizeof chunks[0] };
    uint64_t best = UINT64_MAX;
    for (uint32_t i = 0; i < COLUMNS * LANES * CHUNKS; i++) {
        softmax_tile candidate = *tile;
        candidate.lane_cols = columns[i % COLUMNS];
        candidate.lane_rows = lane_counts[i / COLUMNS % LANES] / candidate.lane_cols;
        candidate.chunk = chunks[i / COLUMNS / LANES];
        if (!fits(device, shape, &candidate) || cost(&candidate, shape, few, preferred_lanes) >= best)
            continue;
        best = cost(&candidate, shape, few, preferred_lanes);
        *tile = candidate;
    }
    return best < UINT64_MAX;
}

/* Native kernels: one call a workgroup, tiles sized for the first two caches. */
static void add_native_tiles(const softmax_shape *shape, fovea_tier tier, softmax_tile_list *list)
{
    static const uint32_t rows[] = {128, 64, 256};
    static const uint32_t keys[] = {128, 64, 256};
    const uint32_t row_sizes = tier == FOVEA_TIER_MATRIX ? 2 : 3; /* the list is short */
    for (uint32_t r = 0; r < row_sizes; r++)
        for (uint32_t n = 0; n < sizeof keys / sizeof keys[0]; n++)
            list->tiles[list->count++] = (softmax_tile){.tier = tier,
                                                        .lane_rows = 1,
                                                        .lane_cols = 1,
                                                        .tm = rows[r],
                                                        .tn = keys[n],
                                                        .tv = shape->dim_v,
                                                        .chunk = 4};
}

/* Why native kernels of this shape have no matrix tier; NULL: they have one. */
static const char *native_matrix_refusal(const fovea_device *device, const softmax_shape *shape)
{
    const fovea_tier most = device->params.max_tier;
    if (most != FOVEA_TIER_DEFAULT && most < FOVEA_TIER_MATRIX) /* the backend then may leave out instruction sets */
        return "max_tier";
    if (device->tier < FOVEA_TIER_MATRIX)
        return "the instruction set in use has no bf16 products (AVX512-BF16, AMX-BF16)";
    if (shape->operands != FOVEA_OPERANDS_STORED)
        return "its operands are bf16 as they are stored, and `operands` asks for others";
    if (shape->q.dtype != FOVEA_BF16 || shape->k.dtype != FOVEA_BF16 || shape->v.dtype != FOVEA_BF16)
        return "its operands are bf16, and q, k and v are not all stored so";
    return NULL;
}

/* Matrix tiles first; none for few rows, which kernels of any tier attend by vector code, as fast as it can read keys and
 * values. */
static softmax_tile_list native_tiles(const fovea_device *device, const softmax_shape *shape, fovea_op_report *report)
{
    softmax_tile_list list = {.count = 0};
    const fovea_tier vector = (fovea_tier)fv_min(device->tier, FOVEA_TIER_SUBGROUP);
    const char *refusal = native_matrix_refusal(device, shape);
    const bool few = softmax_few_rows(device, shape);
    if (refusal)
        fv_note(report, "matrix tier refused: %s", refusal);
    else if (few)
        fv_note(report, "matrix tier refused: at most %u rows of a unit, which vector code attends",
                SOFTMAX_NATIVE_FEW_ROWS);
    if (!refusal && !few)
        add_native_tiles(shape, FOVEA_TIER_MATRIX, &list);
    add_native_tiles(shape, vector, &list);
    return list;
}

/* Adds the tiles of one tier to the list. */
static void tier_tiles(const fovea_device *device, const softmax_shape *shape, bool few, fovea_tier tier,
                       softmax_tile_list *list, fovea_op_report *report)
{
    const uint32_t subgroup = tier == FOVEA_TIER_SUBGROUP ? softmax_planned_subgroup(device) : 0;
    if (tier == FOVEA_TIER_SUBGROUP && subgroup == 0) {
        if (!few)
            fv_note(report, "subgroup tier refused: no subgroup shuffle of a known size, or a clamp to a lower tier");
        return;
    }
    const softmax_preference *preference = softmax_preference_of(&device->driver->caps.info, &device->limits, few);
    for (uint32_t i = 0; i < SOFTMAX_MICRO_TILES; i++) {
        const softmax_micro_tile *micro = &preference->micro_tiles[i];
        softmax_tile tile = {
            .tier = tier, .tm = micro->tm, .tn = micro->tn, .tv = micro->tv, .subgroup_size = subgroup};
        if (!module_exists(tier, micro))
            continue;
        if (solve(device, shape, few, preference->lanes, &tile))
            list->tiles[list->count++] = tile;
        else if (!few)
            fv_note(report,
                    "micro-tile %ux%ux%u of the %s tier refused: %u bytes of shared memory, %u invocations and "
                    "%u loop iterations hold no such tile",
                    micro->tm, micro->tn, micro->tv, fovea_tier_name(tier), device->limits.shared_memory,
                    device->limits.workgroup_invocations, device->limits.loop_iterations);
    }
}

uint32_t softmax_few_limit(const fovea_device *device, const softmax_shape *shape)
{
    fovea_op_report unread = {.kernel_count = 0};
    if (device->driver->caps.native)
        return SOFTMAX_NATIVE_FEW_ROWS;
    const softmax_tile_list few = softmax_tiles(device, shape, true, &unread);
    return few.count > 0 ? softmax_rows(&few.tiles[0]) : 0;
}

softmax_tile_list softmax_tiles(const fovea_device *device, const softmax_shape *shape, bool few,
                                fovea_op_report *report)
{
    if (device->driver->caps.native && device->tier < FOVEA_TIER_SUBGROUP)
        fv_note(report, "subgroup tier refused: the baseline instruction set is in use, for want of a better one or by "
                        "max_tier");
    if (device->driver->caps.native)
        return native_tiles(device, shape, report);
    softmax_tile_list list = {.count = 0};
    const bool last = softmax_preference_of(&device->driver->caps.info, &device->limits, few)->matrix_last;
    if (!few && !last) /* a few rows leave most of a matrix empty */
        softmax_matrix_tiles(device, shape, &list, report);
    tier_tiles(device, shape, few, FOVEA_TIER_SUBGROUP, &list, report);
    tier_tiles(device, shape, few, FOVEA_TIER_PORTABLE, &list, report);
    if (!few && last)
        softmax_matrix_tiles(device, shape, &list, report);
    return list;
}
