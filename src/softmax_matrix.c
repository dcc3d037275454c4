/* Tiles of the matrix tier: layouts of a workgroup solved for a matrix shape, head dims and limits. */
#include <stdio.h>

#include "modules.h"
#include "softmax.h"
#include "softmax_tuning.h"
#include "util/math.h"

#include "abi/softmax.h"

enum {
    MATRIX_TILES_MOST = 24,       /* so that the other tiers have room in the list */
    SUMS_MOST = 128,              /* accumulators of O that a lane holds */
    SCORES_MOST = 64,             /* of S */
    SLOTS_MOST = 16,              /* eights of K or V that a lane has in flight */
    KEPT_MOST = 64,               /* words of Q that a lane keeps, where an operand is held once */
    CHUNK_WHOLE = 128,            /* head dims that one chunk may hold */
    SHARED_PREFERRED = 32 * 1024, /* so that several workgroups share a unit */
};

uint32_t softmax_matrix_shared_bytes(const softmax_tile *tile)
{
    return SOFTMAX_MATRIX_SHARED_BYTES(tile->lane_rows, softmax_rows(tile), softmax_keys(tile), softmax_cols(tile),
                                       tile->chunk, tile->v_step, tile->v_turned, tile->q_kept, tile->matrix.m,
                                       tile->matrix.n);
}

/* Words of shared memory that scratch matrices and sums of rows take, in the place of K and V. */
static bool scratch_fits(const softmax_tile *tile)
{
    const uint32_t rows = softmax_rows(tile), keys = softmax_keys(tile), cols = softmax_cols(tile);
    const uint32_t k_eights = SOFTMAX_MATRIX_K(keys, tile->chunk);
    const uint32_t v_eights = SOFTMAX_MATRIX_V(cols, tile->v_step, tile->v_turned);
    const uint32_t matrices = tile->lane_rows * tile->lane_cols * tile->matrix.m * tile->matrix.n / 4;
    return matrices <= k_eights && rows * softmax_sums(tile) / 4 <= k_eights + v_eights;
}

static bool in_flight_fits(const softmax_tile *tile)
{
    const uint32_t lanes = softmax_invocations(tile), chunk8 = tile->chunk / 8;
    return SOFTMAX_MATRIX_SLOTS(softmax_keys(tile) * chunk8, lanes) <= SLOTS_MOST &&
           SOFTMAX_MATRIX_SLOTS(softmax_rows(tile) * chunk8, lanes) <= SLOTS_MOST &&
           SOFTMAX_MATRIX_SLOTS(tile->v_step * softmax_cols(tile) / 8, lanes) <= SLOTS_MOST;
}

/* Chooses how much of K and V is staged at once: the most that fits into `shared` bytes. */
static bool solve_steps(const softmax_shape *shape, uint32_t shared, softmax_tile *tile)
{
    static const uint32_t chunks[] = {0, 64, 32, 16}, steps[] = {128, 64, 32, 16, 8};
    const uint32_t whole = (uint32_t)fv_round_up(shape->dim_qk, fv_max(tile->matrix.k, 8));
    for (uint32_t c = 0; c < sizeof chunks / sizeof chunks[0]; c++) {
        tile->chunk = chunks[c] == 0 ? whole : chunks[c];
        if (tile->chunk > CHUNK_WHOLE || tile->chunk > whole || tile->chunk % tile->matrix.k != 0)
            continue;
        const uint32_t kept = tile->tm * tile->chunk / 2 / tile->subgroup_size;
        tile->q_kept = tile->chunk == whole && kept <= KEPT_MOST;
        for (uint32_t v = 0; v < sizeof steps / sizeof steps[0]; v++) {
            tile->v_step = steps[v];
            if (softmax_keys(tile) % tile->v_step == 0 && tile->v_step % tile->matrix.k == 0 && in_flight_fits(tile) &&
                scratch_fits(tile) && softmax_matrix_shared_bytes(tile) <= shared)
                return true;
        }
    }
    return false;
}

/* The tile of a layout, with as many keys as fit. */
static bool solve(const fovea_device *device, const softmax_shape *shape, const softmax_matrix_layout *layout,
                  softmax_tile *tile)
{
    const fovea_device_limits *limits = &device->limits;
    const fv_matrix *matrix = &tile->matrix;
    const uint32_t unit = (uint32_t)fv_max(matrix->n, 8);
    tile->lane_rows = layout->lane_rows;
    tile->lane_cols = layout->lane_cols;
    tile->tm = (uint32_t)fv_round_up(fv_max(layout->rows, matrix->m), matrix->m);
    tile->tv = (uint32_t)fv_round_up(fv_divide_up(shape->dim_v, layout->lane_cols), unit);
    tile->v_turned = layout->v_turned;
    tile->polynomial = layout->polynomial;
    const uint32_t lanes = softmax_invocations(tile);
    if (lanes > limits->workgroup_invocations || lanes > limits->workgroup_size_x ||
        tile->tm * tile->tv > SUMS_MOST * tile->subgroup_size)
        return false;
    for (uint32_t pass = 0; pass < 2; pass++) {
        const uint32_t shared = pass == 0 ? (uint32_t)fv_min(SHARED_PREFERRED, limits->shared_memory) : limits->shared_memory;
        for (uint32_t keys = layout->keys; keys >= 16; keys /= 2) {
            tile->tn = keys / layout->lane_cols;
            if (tile->tn % unit == 0 && keys % matrix->k == 0 && tile->tm * tile->tn <= SCORES_MOST * tile->subgroup_size &&
                solve_steps(shape, shared, tile))
                return true;
        }
    }
    return false;
}

static bool module_exists(fovea_dtype operand)
{
    for (uint32_t i = 0; i < fv_module_count; i++)
        if (fv_modules[i].tier == FOVEA_TIER_MATRIX && fv_modules[i].operand == operand)
            return true;
    return false;
}

static const char *refusal(const fovea_device *device, const softmax_shape *shape)
{
    const fovea_dtype operand = shape->k.dtype;
    if (device->driver->caps.matrix_count == 0)
        return "the device has no matrices of 16-bit operands and float32 sums";
    if (device->tier < FOVEA_TIER_MATRIX)
        return "a clamp to a lower tier";
    if (operand == FOVEA_F32 || shape->q.dtype != operand || shape->v.dtype != operand)
        return "q, k and v are not all f16 or all bf16";
    if (!module_exists(operand))
        return "this build has no such kernels";
    if (device->limits.loop_iterations != FOVEA_UNBOUNDED)
        return "the device limits loops";
    return NULL;
}

/* Layouts whose rows are mostly used come first. */
static bool is_roomy(const softmax_shape *shape, const softmax_tile *tile)
{
    return softmax_rows(tile) >= 2 * fv_max(tile->matrix.m, (uint64_t)shape->seq_q_max * shape->group);
}

static void add(softmax_tile_list *list, const softmax_tile *tile)
{
    if (list->count < MATRIX_TILES_MOST)
        list->tiles[list->count++] = *tile;
}

/* The tiles of one matrix shape. */
static void shape_tiles(const fovea_device *device, const softmax_shape *shape, const softmax_tile *bare, bool roomy,
                        softmax_tile_list *list)
{
    for (uint32_t i = 0; i < SOFTMAX_MATRIX_LAYOUTS; i++) {
        softmax_tile tile = *bare;
        if (solve(device, shape, &softmax_matrix_layouts[i], &tile) && is_roomy(shape, &tile) == roomy)
            add(list, &tile);
    }
}

void softmax_matrix_tiles(const fovea_device *device, const softmax_shape *shape, softmax_tile_list *list,
                          fovea_op_report *report)
{
    const fv_caps *caps = &device->driver->caps;
    const char *reason = refusal(device, shape);
    const uint32_t before = list->count;
    for (uint32_t i = 0; i < 2 * caps->matrix_count && !reason; i++) {
        const fv_matrix *matrix = &caps->matrices[i % caps->matrix_count];
        const softmax_tile bare = {
            .tier = FOVEA_TIER_MATRIX, .matrix = *matrix, .subgroup_size = softmax_planned_subgroup(device)};
        if (matrix->operand == shape->k.dtype && bare.subgroup_size > 0)
            shape_tiles(device, shape, &bare, i >= caps->matrix_count, list);
    }
    if (reason)
        fv_note(report, "matrix tier refused: %s", reason);
    else if (list->count == before)
        fv_note(report, "matrix tier refused: %u bytes of shared memory and %u invocations hold no tile",
                device->limits.shared_memory, device->limits.workgroup_invocations);
}
