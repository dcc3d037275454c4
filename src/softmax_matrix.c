/* Tiles of the matrix tier: how a workgroup is laid out, solved for a matrix shape, head dims and limits, and ordered by
 * an estimate of what a pair of row and key costs. */
#include <math.h>

#include "modules.h"
#include "softmax.h"
#include "softmax_tuning.h"
#include "util/math.h"

#include "abi/softmax.h"

enum {
    TILES_MOST = 16,      /* and one more while they are ordered; the other tiers need room in the list too */
    SHAPES_MOST = 3,      /* matrix shapes of one operand type that are tried */
    SCORES_MOST = 64,     /* accumulators of S that a lane holds */
    REGISTERS_MOST = 178, /* by the count of `registers`: RADV spills from 185 on, where there are 256 */
    IN_FLIGHT_MOST = 8,   /* eights of K or V */
    Q_SLOTS_MOST = 16,
    CHUNK_MOST = 128, /* head dims */
    BLOCKS_MOST = 64,
};

/* What a tile is solved from. */
typedef struct problem {
    const fovea_device *device;
    const softmax_shape *shape;
    const softmax_matrix_layout *layout;
    uint64_t rows; /* of a unit, at most */
} problem;

uint32_t softmax_matrix_shared_bytes(const softmax_tile *tile)
{
    return SOFTMAX_MATRIX_SHARED_BYTES(softmax_rows(tile), softmax_keys(tile), softmax_cols(tile), tile->chunk,
                                       tile->v_step, tile->v_turned, tile->q_kept, tile->matrix.m, tile->matrix.n,
                                       tile->converts != 0, tile->parts);
}

static uint32_t slots(const softmax_tile *tile, uint32_t rows, uint32_t elements)
{
    return SOFTMAX_MATRIX_SLOTS(rows * elements / 8, softmax_invocations(tile));
}

/* Sixteens of bytes that an eight takes in registers, as it is stored and as parts of an operand. */
static uint32_t raws(const softmax_tile *tile, const fovea_tensor *view)
{
    return view->dtype == FOVEA_F32 || tile->parts == 2 ? 2 : 1;
}

/* ---- what fits ------------------------------------------------------------------------------------------------- */

/* Sums of O and S, maxima and sums of rows, places of weights; Q, for which some hardware holds each element twice; reads in
 * flight. The rest, some 70, is alike for all tiles. */
static uint32_t registers(const softmax_shape *shape, const softmax_tile *tile)
{
    const uint32_t low_matrices = tile->parts == 1 ? 0 : tile->q_kept ? 3 : 4; /* low operands and their sums */
    const uint32_t sums =
        tile->tm * (tile->tv + tile->tn + 2 * tile->matrix.n) + (1 + low_matrices) * tile->matrix.m * tile->matrix.n;
    const uint32_t kept = tile->q_kept ? tile->parts * tile->tm * tile->chunk : 0;
    const uint32_t q_slots = tile->q_kept ? 0 : slots(tile, softmax_rows(tile), tile->chunk);
    const uint32_t q_flight = q_slots * raws(tile, &shape->q);
    const uint32_t k_flight = slots(tile, softmax_keys(tile), tile->chunk) * raws(tile, &shape->k);
    const uint32_t v_flight = slots(tile, tile->v_step, softmax_cols(tile)) * raws(tile, &shape->v);
    return (sums + kept) / tile->subgroup_size + 4 * (uint32_t)fv_max(k_flight + q_flight, v_flight) + q_slots;
}

/* Scratch matrices and the sums of rows lie in the place of K and V. */
static bool scratch_fits(const softmax_tile *tile)
{
    const uint32_t k_eights = SOFTMAX_MATRIX_K(softmax_keys(tile), tile->chunk);
    const uint32_t v_eights = SOFTMAX_MATRIX_V(softmax_cols(tile), tile->v_step, tile->v_turned);
    const uint32_t matrices = tile->lane_rows * tile->lane_cols * tile->matrix.m * tile->matrix.n / 4;
    return matrices <= k_eights && softmax_rows(tile) * softmax_sums(tile) / 4 <= k_eights + v_eights;
}

static bool fits(const problem *p, const softmax_tile *tile)
{
    const fovea_device_limits *limits = &p->device->limits;
    const uint32_t lanes = softmax_invocations(tile), keys = softmax_keys(tile), k = tile->matrix.k;
    return lanes <= limits->workgroup_invocations && lanes <= limits->workgroup_size_x && keys % k == 0 &&
           tile->tn % fv_max(tile->matrix.n, 8) == 0 && tile->tn > 0 && tile->chunk % k == 0 &&
           keys % tile->v_step == 0 && tile->v_step % k == 0 &&
           tile->tm * tile->tn <= SCORES_MOST * tile->subgroup_size && registers(p->shape, tile) <= REGISTERS_MOST &&
           slots(tile, keys, tile->chunk) <= IN_FLIGHT_MOST &&
           slots(tile, tile->v_step, softmax_cols(tile)) <= IN_FLIGHT_MOST &&
           slots(tile, softmax_rows(tile), tile->chunk) <= Q_SLOTS_MOST && scratch_fits(tile) &&
           (!tile->converts ||
            (tile->parts == 1 && tile->lane_cols == 1 && tile->v_step == keys && tile->matrix.n == k)) &&
           softmax_matrix_shared_bytes(tile) <= limits->shared_memory;
}

/* ---- what it costs --------------------------------------------------------------------------------------------- */

/* Estimates, in cycles of a subgroup. A product of 16 x 16 x 16 takes 16, on most hardware; the rest is counted from the
 * instructions that compilers make of the kernel. */
static const struct {
    double product, operand, operand_turned, score, eight, converted, barrier, bytes_per_cycle;
} cost = {.product = 16,
          .operand = 8,
          .operand_turned = 32,
          .score = 6,
          .eight = 8,
          .converted = 40, /* more, for an eight of another type than the operands' or of two parts */
          .barrier = 30,
          .bytes_per_cycle = 16};

/* Of one subgroup in one key tile. */
static double tile_cycles(const softmax_shape *shape, const softmax_tile *tile)
{
    const double lanes = softmax_invocations(tile), keys = softmax_keys(tile);
    const double chunks = (double)fv_divide_up(shape->dim_qk, tile->chunk), dims = chunks * tile->chunk;
    const double steps = keys / tile->v_step;
    const double multiplied = tile->tm * (tile->tn * dims + keys * tile->tv);
    const double by_row = tile->q_kept ? 0.0 : tile->tm * dims;
    const double by_key = tile->tn * dims + (tile->converts ? 0.0 : 2.0 * tile->tm * keys); /* P: out and in */
    const double by_value = keys * tile->tv;
    const double staged = keys * dims + keys * softmax_cols(tile) * (tile->v_turned ? 2 : 1) +
                          (chunks > 1 ? softmax_rows(tile) * dims : 0.0);
    const double barriers = 2 * chunks - 1 + 2 * steps - 1 + (tile->lane_cols > 1);
    const bool converted = tile->parts == 2 || shape->k.dtype != tile->matrix.operand;
    const double loads =
        cost.operand * (by_row + by_key) + (tile->v_turned ? cost.operand : cost.operand_turned) * by_value;
    const double an_eight = tile->parts * cost.eight + (converted ? tile->parts * cost.converted : 0.0);
    return softmax_products(tile) * cost.product * multiplied / 4096 + tile->parts * loads / 256 +
           cost.score * tile->tm * tile->tn / tile->subgroup_size + an_eight * staged / 8 / lanes +
           cost.barrier * barriers;
}

/* Of a pair of row and key, all column blocks, empty rows and few workgroups at once counted. */
static double pair_cycles(const problem *p, const softmax_tile *tile)
{
    const double rows = softmax_rows(tile), keys = softmax_keys(tile), cols = softmax_cols(tile);
    const double blocks = (double)fv_divide_up(p->shape->dim_v, softmax_cols(tile));
    const double subgroups = tile->lane_rows * tile->lane_cols;
    const double own = tile_cycles(p->shape, tile) * subgroups / (rows * keys);
    const double fetched = 2 * (p->shape->dim_qk + cols) / rows / cost.bytes_per_cycle;
    const double tiles = (double)fv_divide_up(p->rows, softmax_rows(tile));
    const uint32_t shared = softmax_matrix_shared_bytes(tile);
    const double crowding = shared <= 32 * 1024 ? 1.0 : shared <= 48 * 1024 ? 1.1 : 1.2;
    return blocks * (own + fetched) * crowding * tiles * rows / (double)p->rows;
}

/* ---- the search ------------------------------------------------------------------------------------------------ */

/* Tries how much is staged at once, for the tile's keys and columns. */
static void try_steps(const problem *p, softmax_tile *tile, softmax_tile *best, double *best_cycles)
{
    static const uint32_t chunks[] = {0, 128, 64, 32, 16}, steps[] = {128, 64, 32, 16, 8};
    const uint32_t whole = (uint32_t)fv_round_up(p->shape->dim_qk, fv_max(tile->matrix.k, 8));
    for (uint32_t c = 0; c < sizeof chunks / sizeof chunks[0]; c++) {
        tile->chunk = chunks[c] == 0 ? whole : chunks[c];
        tile->q_kept = tile->chunk == whole;
        if (tile->chunk > CHUNK_MOST || (chunks[c] != 0 && tile->chunk >= whole))
            continue;
        for (uint32_t keep = 0; keep < 2; keep++, tile->q_kept = 0)
            for (uint32_t v = 0; v < sizeof steps / sizeof steps[0]; v++) {
                tile->v_step = steps[v];
                if (!fits(p, tile))
                    continue;
                const double cycles = pair_cycles(p, tile);
                if (cycles < *best_cycles) {
                    *best_cycles = cycles;
                    *best = *tile;
                }
            }
    }
}

/* The best tile of a layout; HUGE_VAL: none fits. */
static double solve(const problem *p, const softmax_tile *bare, softmax_tile *best)
{
    const softmax_matrix_layout *layout = p->layout;
    const uint32_t unit = (uint32_t)fv_max(bare->matrix.n, 8);
    double best_cycles = HUGE_VAL;
    softmax_tile tile = *bare;
    tile.lane_rows = layout->lane_rows;
    tile.lane_cols = layout->lane_cols;
    tile.tm = (uint32_t)fv_round_up(fv_max(layout->rows, bare->matrix.m), bare->matrix.m);
    for (uint32_t blocks = 1; blocks <= BLOCKS_MOST; blocks *= 2) {
        tile.tv = (uint32_t)fv_round_up(fv_divide_up(p->shape->dim_v, layout->lane_cols * blocks), unit);
        for (uint32_t keys = layout->keys; keys >= 8 * layout->lane_cols; keys /= 2) {
            tile.tn = keys / layout->lane_cols;
            try_steps(p, &tile, best, &best_cycles);
        }
        if (best_cycles < HUGE_VAL || tile.tv == unit)
            break; /* more blocks compute the scores more often */
    }
    return best_cycles;
}

/* Puts a tile in its place by cost; of more than TILES_MOST, the dearest is dropped. */
static void insert(softmax_tile_list *list, double *cycles, uint32_t first, const softmax_tile *tile, double own)
{
    uint32_t at = list->count;
    if (own == HUGE_VAL)
        return;
    for (; at > first && cycles[at - 1 - first] > own; at--) {
        cycles[at - first] = cycles[at - 1 - first];
        list->tiles[at] = list->tiles[at - 1];
    }
    cycles[at - first] = own;
    list->tiles[at] = *tile;
    list->count += list->count - first < TILES_MOST;
}

/* ---- the list -------------------------------------------------------------------------------------------------- */

/* Whether the build has kernels for operands of that type that need just those features of a device. */
static bool module_exists(fovea_dtype operand, uint32_t needs)
{
    for (uint32_t i = 0; i < fv_module_count; i++)
        if (fv_modules[i].tier == FOVEA_TIER_MATRIX && fv_modules[i].tm == 0 && fv_modules[i].operand == operand &&
            fv_modules[i].needs == needs)
            return true;
    return false;
}

/* What a matrix unit is to multiply; FOVEA_F32: nothing. */
static fovea_dtype wanted_operand(const softmax_shape *shape)
{
    const fovea_dtype stored = shape->k.dtype;
    if (shape->operands != FOVEA_OPERANDS_STORED)
        return FOVEA_F16;
    return shape->q.dtype == stored && shape->v.dtype == stored ? stored : FOVEA_F32;
}

/* Why no tile of this tier may run; NULL: some may. */
static const char *refusal(const fovea_device *device, const softmax_shape *shape)
{
    const fovea_dtype operand = wanted_operand(shape);
    if (device->tier < device->driver->caps.info.tier)
        return "a clamp to a lower tier";
    if (device->driver->caps.matrix_count == 0)
        return "the device has no matrices of 16-bit operands and float32 sums, or this build no kernels for them";
    if (operand == FOVEA_F32)
        return "q, k and v are neither all f16 nor all bf16, and `operands` allows no other type";
    if (!module_exists(operand, 0))
        return "this build has no such kernels for their type";
    if (device->limits.loop_iterations != FOVEA_UNBOUNDED)
        return "the device ends an invocation after a number of loop iterations";
    if (softmax_planned_subgroup(device) == 0)
        return "no subgroups of a known size";
    return NULL;
}

static bool can_convert(const fovea_device *device, fovea_dtype operand)
{
    return (device->driver->caps.matrix_features & FOVEA_MATRIX_NV_CONVERSIONS) &&
           !device->params.compile_at_run_time && module_exists(operand, FOVEA_MATRIX_NV_CONVERSIONS);
}

/* The tiles of every layout for one matrix shape: V turned and not, P converted and not. */
static void shape_tiles(const fovea_device *device, const softmax_shape *shape, const fv_matrix *matrix, uint32_t first,
                        double *cycles, softmax_tile_list *list)
{
    const bool whole = shape->operands != FOVEA_OPERANDS_F16_X3;
    const uint32_t variants = whole && can_convert(device, matrix->operand) ? 4 : 2;
    for (uint32_t i = 0; i < variants * SOFTMAX_MATRIX_LAYOUTS; i++) {
        const problem p = {device, shape, &softmax_matrix_layouts[i / variants],
                           (uint64_t)shape->seq_q_max * shape->group};
        const softmax_tile bare = {.tier = FOVEA_TIER_MATRIX,
                                   .matrix = *matrix,
                                   .subgroup_size = softmax_planned_subgroup(device),
                                   .parts = shape->operands == FOVEA_OPERANDS_F16_X3 ? 2 : 1,
                                   .v_turned = i % 2 == 0,
                                   .converts = i % variants >= 2};
        softmax_tile tile;
        insert(list, cycles, first, &tile, solve(&p, &bare, &tile));
    }
}

/* The best two tiles once more with a quarter of the exponentials by multiply-adds, for tuning to choose: what the units for
 * either have to spare, no limit tells. */
static void add_polynomials(uint32_t first, softmax_tile_list *list)
{
    const uint32_t found = list->count - first;
    for (uint32_t i = 0; i < 2 && i < found; i++) {
        list->tiles[list->count] = list->tiles[first + i];
        list->tiles[list->count++].polynomial = 1;
    }
}

void softmax_matrix_tiles(const fovea_device *device, const softmax_shape *shape, softmax_tile_list *list,
                          fovea_op_report *report)
{
    const fv_caps *caps = &device->driver->caps;
    const char *reason = refusal(device, shape);
    const uint32_t first = list->count;
    double cycles[TILES_MOST + 1];
    uint32_t tried = 0;
    for (uint32_t i = 0; i < caps->matrix_count && tried < SHAPES_MOST && !reason; i++) {
        const fv_matrix *matrix = &caps->matrices[i];
        const uint32_t before = list->count;
        if (matrix->operand == wanted_operand(shape) && matrix->n % 8 == 0 && matrix->k % 8 == 0) /* eights are read */
            shape_tiles(device, shape, matrix, first, cycles, list);
        tried += list->count > before;
    }
    add_polynomials(first, list);
    if (!reason && list->count == first)
        reason = "the device's limits and registers hold no tile";
    if (reason)
        fv_note(report, "matrix tier refused: %s", reason);
}
