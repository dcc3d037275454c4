/* A work item of the softmax kernels: the ABI as C, the per-thread scratch, and where the item lies. */
#ifndef FV_CPU_SOFTMAX_ITEM_H
#define FV_CPU_SOFTMAX_ITEM_H

#include <stdbool.h>

#include "abi/softmax.h"
#include "convert.h"
#include "native.h"
#include "softmax_block.h"
#include "softmax_few.h"
#include "softmax_words.h"

/* ---- the ABI as C ----------------------------------------------------------------------------------- */

typedef uint32_t uint;
#define FIELD(type, name) type name;
typedef struct direct_params {
    SOFTMAX_DIRECT_PARAMS(FIELD)
} direct_params;
typedef struct state_params {
    SOFTMAX_STATE_PARAMS(FIELD)
} state_params;
typedef struct finish_params {
    SOFTMAX_FINISH_PARAMS(FIELD)
} finish_params;
typedef struct common_params {
    SOFTMAX_COMMON_PARAMS(FIELD)
} common_params;
typedef struct output_params {
    SOFTMAX_OUTPUT_PARAMS(FIELD)
} output_params;
#undef FIELD

#define CONSTANT_ID(id, name) name = id,
enum { SOFTMAX_CONSTANTS(CONSTANT_ID) CONSTANT_COUNT };
enum { PANEL_KEYS_MOST = SOFTMAX_PANEL_KEYS_ID, PANEL_UNITS_MOST = SOFTMAX_PANEL_UNITS_ID };
#undef CONSTANT_ID

#if defined(__AVX512F__) /* all instruction sets of the matrix tier */
_Static_assert(FEW_ROWS == SOFTMAX_NATIVE_FEW_ROWS, "few rows");
#endif
_Static_assert(CONSTANT_COUNT == CAP + 1, "constant ids are not in order");
_Static_assert(sizeof(direct_params) == sizeof(common_params) + sizeof(output_params), "layout of parameters");
_Static_assert(sizeof(direct_params) <= 128 && sizeof(state_params) <= 128, "parameters too large");

static uint32_t rows_of(const uint32_t *constants)
{
    return constants[LANE_ROWS] * constants[TM];
}

static uint32_t keys_of(const uint32_t *constants)
{
    return constants[LANE_COLS] * constants[TN];
}

static uint32_t columns_of(const uint32_t *constants)
{
    const uint32_t columns = constants[LANE_COLS] * constants[TV];
    return columns < constants[DIM_V] ? columns : constants[DIM_V];
}

/* ---- scratch ---------------------------------------------------------------------------------------- */

typedef struct scratch {
    float *q, *acc, *m, *l, *s, *k, *v, *row;
    int32_t *begins, *limits;
    unsigned char *panel; /* of words; none outside the matrix tier */
} scratch;

static uint32_t whole_vectors(uint32_t dim)
{
    return (dim + LANES - 1) / LANES * LANES;
}

/* Floats from one key's row to the next in scratch: padded so that rows do not meet in one cache set. */
static size_t panel_row(uint32_t dim)
{
    return (dim + 15) / 16 * 16 + 16;
}

/* Sets the arrays of `to` from `base`, each on a 64-byte border; returns the bytes they take. */
static size_t lay_out(const uint32_t *constants, unsigned char *base, scratch *to)
{
    const size_t rows = (rows_of(constants) + LANES - 1) / LANES * LANES;
    const size_t keys = keys_of(constants), dim_qk = constants[DIM_QK], columns = columns_of(constants);
    const size_t widest = dim_qk > columns ? dim_qk : columns;
    const size_t floats[] = {rows * whole_vectors((uint32_t)dim_qk),
                             rows * whole_vectors((uint32_t)columns),
                             rows,
                             rows,
                             rows,
                             rows,
                             keys * BLOCK_ROWS,
                             keys * panel_row((uint32_t)dim_qk),
                             keys * panel_row((uint32_t)columns),
                             widest,
                             constants[PANEL_KEYS_MOST] > 0 ? panel_layout_of(keys, dim_qk, columns).size / 4 : 0};
    enum { ARRAYS = sizeof floats / sizeof floats[0] };
    unsigned char *array[ARRAYS];
    size_t used = 0;
    for (int i = 0; i < ARRAYS; i++) {
        array[i] = base ? base + used : NULL;
        used += (floats[i] * sizeof(float) + 63) / 64 * 64;
    }
    *to = (scratch){.q = (void *)array[0],
                    .acc = (void *)array[1],
                    .m = (void *)array[2],
                    .l = (void *)array[3],
                    .begins = (void *)array[4],
                    .limits = (void *)array[5],
                    .s = (void *)array[6],
                    .k = (void *)array[7],
                    .v = (void *)array[8],
                    .row = (void *)array[9],
                    .panel = array[10]};
    return used;
}

static size_t scratch_size(const uint32_t *constants)
{
    scratch unused;
    return lay_out(constants, NULL, &unused);
}

/* ---- the work item ---------------------------------------------------------------------------------- */

typedef struct item {
    const uint32_t *constants;
    const cpu_call *call;
    common_params common;
    scratch scratch;
    uint32_t batch, unit_head;
    uint32_t first_column, columns; /* of V and O */
    uint32_t first_row, rows;       /* rows of the unit */
    bool few;                       /* at most FEW_ROWS rows */
    bool words;                     /* 16-bit operands, from panels */
    const unsigned char *k, *v;     /* key 0 of the unit's heads */
    size_t k_row, v_row;            /* bytes from key to key */
} item;

/* Where work item `work` lies (the ABI's one order). */
static void place_item(item *it, uint64_t work)
{
    const common_params *p = &it->common;
    const uint32_t tile_rows = rows_of(it->constants), columns = columns_of(it->constants);
    const uint32_t dim_v = it->constants[DIM_V];
    const uint64_t all_rows = (uint64_t)p->seq_q * p->group;
    const uint64_t row_tiles = (all_rows + tile_rows - 1) / tile_rows;
    const uint32_t column_blocks = (dim_v + columns - 1) / columns;
    const uint64_t place = work % row_tiles, unit = work / row_tiles / column_blocks;
    const uint64_t tile = it->constants[CAUSAL] ? row_tiles - 1 - place : place;
    const uint32_t units = p->heads / p->group;
    it->first_column = (uint32_t)(work / row_tiles % column_blocks) * columns;
    it->columns = dim_v - it->first_column < columns ? dim_v - it->first_column : columns;
    it->batch = (uint32_t)(unit / units);
    it->unit_head = (uint32_t)(unit % units);
    it->first_row = (uint32_t)(tile * tile_rows);
    it->rows = (uint32_t)(all_rows - it->first_row < tile_rows ? all_rows - it->first_row : tile_rows);
    it->few = it->rows <= FEW_ROWS;
    it->words = !it->few && it->constants[PANEL_KEYS_MOST] > 0;
}

/* Query and head of row `row` of the item. */
static uint32_t query_of(const item *it, uint32_t row)
{
    return (it->first_row + row) / it->common.group;
}

static uint32_t head_of(const item *it, uint32_t row)
{
    return it->unit_head * it->common.group + (it->first_row + row) % it->common.group;
}

static void place_keys(item *it)
{
    const common_params *p = &it->common;
    const size_t k_size = element_size(it->constants[K_DTYPE]), v_size = element_size(it->constants[V_DTYPE]);
    const uint32_t head = it->unit_head * p->group;
    it->k_row = p->k_row * k_size;
    it->v_row = p->v_row * v_size;
    it->k = it->call->bindings[1] +
            (p->k_offset + (size_t)it->batch * p->k_batch + (size_t)(head / p->k_ratio) * p->k_head) * k_size;
    it->v = it->call->bindings[2] + (p->v_offset + (size_t)it->batch * p->v_batch +
                                     (size_t)(head / p->v_ratio) * p->v_head + it->first_column) *
                                        v_size;
}

/* Row `row` sees the keys first_visible to end_visible - 1; none where that is no range. Neither falls from row to row. */
static uint32_t first_visible(const item *it, uint32_t row)
{
    if (it->constants[LEFT] == SOFTMAX_UNBOUNDED)
        return 0;
    const int64_t first = (int64_t)query_of(it, row) + it->common.diagonal - it->constants[LEFT];
    return first < 0 ? 0 : (uint32_t)first;
}

static uint32_t end_visible(const item *it, uint32_t row)
{
    const common_params *p = &it->common;
    if (it->constants[RIGHT] == SOFTMAX_UNBOUNDED)
        return p->seq_k;
    const int64_t end = (int64_t)query_of(it, row) + p->diagonal + it->constants[RIGHT] + 1;
    return end < 0 ? 0 : end > p->seq_k ? p->seq_k : (uint32_t)end;
}

/* What scores are capped by, in log2 units; 0: nothing. */
static float cap_of(const item *it)
{
    float cap;
    memcpy(&cap, &it->constants[CAP], sizeof cap);
    return cap;
}

/* The elements of the query of row `row`. */
static const unsigned char *query_row(const item *it, uint32_t row)
{
    const common_params *p = &it->common;
    const size_t element = p->q_offset + (size_t)it->batch * p->q_batch + (size_t)head_of(it, row) * p->q_head +
                           (size_t)query_of(it, row) * p->q_row;
    return it->call->bindings[0] + element * element_size(it->constants[Q_DTYPE]);
}

/* Keys of the tile that starts at `tile_key`, which of them the rows first .. first + lanes - 1 see, and the range in which
 * these rows differ. Lanes without a row see what the last row sees. */
typedef struct key_range {
    uint32_t tile_key, tile_keys; /* of the tile, as far as any row of the item sees it */
    uint32_t full, some;          /* keys below `full` are seen by all rows, those from `some` on by none */
} key_range;

/* A key's place in the tile, cut to it. */
static uint32_t place_in(const key_range *range, uint32_t key)
{
    const uint32_t place = key <= range->tile_key ? 0 : key - range->tile_key;
    return place < range->tile_keys ? place : range->tile_keys;
}

static void find_limits(const item *it, uint32_t first, uint32_t lanes, key_range *range)
{
    const uint32_t last = first + lanes < it->rows ? first + lanes - 1 : it->rows - 1;
    range->full = range->some = range->tile_keys;
    if (end_visible(it, first) >= range->tile_key + range->tile_keys && first_visible(it, last) <= range->tile_key)
        return; /* the rows between see no less; nobody asks for limits */
    range->some = 0;
    for (uint32_t lane = 0; lane < lanes; lane++) {
        const uint32_t row = first + lane < it->rows ? first + lane : it->rows - 1;
        const uint32_t begin = place_in(range, first_visible(it, row)), end = place_in(range, end_visible(it, row));
        it->scratch.begins[first + lane] = (int32_t)begin;
        it->scratch.limits[first + lane] = (int32_t)end;
        range->full = begin > 0 ? 0 : end < range->full ? end : range->full;
        range->some = begin < end && end > range->some ? end : range->some;
    }
}

#endif
