/* Panels: which of them a stretch of a dispatch needs, where they lie, and how they are packed.
 *
 * A stage is as many units as fit into PANELS_BYTES. Its panels are packed by all threads before its work items run, each
 * once: number x of a stage is key tile x % key_tiles of unit x / key_tiles. Where a unit is one work item, or does not
 * fit, or where stages would be too short to keep all threads busy, nothing is shared, and an item packs a tile when it
 * comes to it, into its thread's scratch: what was just packed is in a cache then. Work items of few rows read keys and
 * values in place. */
#ifndef FV_CPU_SOFTMAX_PANELS_H
#define FV_CPU_SOFTMAX_PANELS_H

#include "softmax_item.h"
#include "softmax_matrix.h"

#if defined(FV_CPU_PRODUCTS)

/* STAGE_ITEMS: workgroups of a stage at the least, for each thread, where a dispatch has several stages. */
#if defined(FV_CPU_PANELS_BYTES) /* of tests, for more stages */
enum { PANELS_BYTES = FV_CPU_PANELS_BYTES, STAGE_ITEMS = 0 };
#else
enum { PANELS_BYTES = 64 << 20, STAGE_ITEMS = 2 };
#endif

static panel_layout panels_of(const uint32_t *constants)
{
    return panel_layout_of(keys_of(constants), constants[DIM_QK], constants[DIM_V]);
}

/* Of the longest run. */
static size_t unit_bytes(const uint32_t *constants)
{
    const size_t keys = keys_of(constants);
    return round_up(constants[PANEL_KEYS_MOST], keys) / keys * panels_of(constants).size;
}

/* Units of a stage at the most, whatever a run's length; 0: nothing is shared. */
static size_t units_at_once(const uint32_t *constants)
{
    const size_t fit = PANELS_BYTES / unit_bytes(constants), units = constants[PANEL_UNITS_MOST];
    return fit < units ? fit : units;
}

static size_t panels_size(const uint32_t *constants)
{
    return constants[PANEL_KEYS_MOST] > 0 ? units_at_once(constants) * unit_bytes(constants) : 0;
}

static uint32_t key_tiles_of(const item *it)
{
    return (uint32_t)(round_up(it->common.seq_k, keys_of(it->constants)) / keys_of(it->constants));
}

/* Key tile `number` of unit `unit`. */
static unsigned char *panel_of(const item *it, uint32_t unit, uint32_t number)
{
    const size_t place = (size_t)(unit - it->call->stage->unit) * key_tiles_of(it) + number;
    return it->call->panels + place * panels_of(it->constants).size;
}

/* An item that stands for a whole unit: for its keys. */
static item unit_of(const cpu_call *call, uint32_t unit)
{
    item it = {.constants = call->constants, .call = call};
    memcpy(&it.common, call->parameters, sizeof it.common);
    const uint32_t units = it.common.heads / it.common.group;
    it.batch = unit / units;
    it.unit_head = unit % units;
    it.columns = call->constants[DIM_V];
    return it;
}

/* `splits`: workgroups of one work item. */
static void plan_stage(const cpu_call *call, uint32_t splits, cpu_stage *stage)
{
    const item it = unit_of(call, 0);
    const uint64_t rows = (uint64_t)it.common.seq_q * it.common.group;
    const uint64_t row_tiles = round_up(rows, rows_of(call->constants)) / rows_of(call->constants);
    const uint64_t item_first = stage->first / splits;
    stage->packs = 0;
    if (call->constants[PANEL_KEYS_MOST] == 0 || row_tiles <= 1 || item_first >= it.common.item_count)
        return;
    const uint64_t units = units_at_once(call->constants);
    const uint64_t end = it.common.first_item + (uint64_t)it.common.item_count;
    const uint64_t units_end = (end + row_tiles - 1) / row_tiles, units_begin = it.common.first_item / row_tiles;
    const bool starved = units * row_tiles * splits < (uint64_t)STAGE_ITEMS * call->threads;
    if (units == 0 || (starved && units_end - units_begin > units))
        return;
    stage->unit = (uint32_t)((it.common.first_item + item_first) / row_tiles);
    const uint64_t last = stage->unit + units < units_end ? stage->unit + units : units_end;
    const uint64_t items_end = last * row_tiles < end ? last * row_tiles : end;
    stage->count = (items_end - it.common.first_item - item_first) * splits;
    stage->packs = (last - stage->unit) * key_tiles_of(&it);
}

/* Keys that the last row of the item's unit sees. */
static uint32_t unit_keys(const item *it)
{
    return end_visible(it, it->common.seq_q * it->common.group - 1 - it->first_row);
}

/* Packs a tile as far as any row of the unit sees it, whoever packs: whether its values are all finite decides how they
 * are added, and so the bits of a result. */
static void pack_tile(const item *it, uint32_t number, unsigned char *panel)
{
    const uint32_t keys = keys_of(it->constants), first_key = number * keys;
    const uint32_t seen = unit_keys(it);
    if (seen <= first_key)
        return;
    const uint32_t count = seen - first_key < keys ? seen - first_key : keys;
    const panel_layout layout = panels_of(it->constants);
    const value_rows k = {it->k + first_key * it->k_row, it->k_row, count, it->constants[DIM_QK]};
    const value_rows v = {it->v + first_key * it->v_row, it->v_row, count, it->columns};
    pack_keys(&k, panel + PANEL_HEADER, layout.k_row);
    const uint32_t special = !pack_values(&v, panel + layout.v, layout.v_row);
    memcpy(panel, &special, sizeof special);
}

static void pack_panel(const cpu_call *call, uint32_t unit, uint32_t number)
{
    item it = unit_of(call, unit);
    place_keys(&it);
    pack_tile(&it, number, panel_of(&it, unit, number));
}

static void plan_direct(const cpu_call *call, cpu_stage *stage)
{
    plan_stage(call, 1, stage);
}

static void pack_direct(const cpu_call *call)
{
    const item it = unit_of(call, 0);
    const uint32_t key_tiles = key_tiles_of(&it);
    pack_panel(call, call->stage->unit + (uint32_t)call->group / key_tiles, (uint32_t)call->group % key_tiles);
}

static void plan_state(const cpu_call *call, cpu_stage *stage)
{
    state_params params;
    memcpy(&params, call->parameters, sizeof params);
    plan_stage(call, params.splits, stage);
}

/* The key tiles of this slice alone, where the lists of all row tiles begin with the first key. */
static void pack_state(const cpu_call *call)
{
    state_params params;
    memcpy(&params, call->parameters, sizeof params);
    const item it = unit_of(call, 0);
    const uint32_t key_tiles = key_tiles_of(&it), number = (uint32_t)call->group % key_tiles;
    const uint32_t place = number % params.split_tiles;
    const bool elsewhere = call->constants[LEFT] != SOFTMAX_UNBOUNDED;
    if (elsewhere || (place >= params.tile_begin && place < params.tile_end))
        pack_panel(call, call->stage->unit + (uint32_t)call->group / key_tiles, number);
}

/* ---- work items ----------------------------------------------------------------------------------------------- */

static query_factor factor_of(const item *it)
{
    const float scale = it->common.scale;
    return scale < 0.0f ? QUERY_NEGATED : scale == 0.0f ? QUERY_TIMES_ZERO : QUERY_AS_IS;
}

/* What scores are multiplied by besides. */
static float score_scale(const item *it)
{
    const float scale = it->common.scale;
    return scale == 0.0f ? 1.0f : fabsf(scale);
}

/* 16 queries from row `first` on. */
static void load_words(const item *it, uint32_t first, uint32_t *to, size_t width)
{
    const unsigned char *rows[LANES];
    for (uint32_t lane = 0; lane < LANES; lane++)
        rows[lane] = first + lane < it->rows ? query_row(it, first + lane) : NULL;
    pack_queries(rows, it->constants[DIM_QK], factor_of(it), to, width);
}

/* Key tile `number` packed. */
static const unsigned char *find_panel(const item *it, uint32_t number)
{
    if (it->call->stage->packs > 0)
        return panel_of(it, it->batch * (it->common.heads / it->common.group) + it->unit_head, number);
    pack_tile(it, number, it->scratch.panel);
    return it->scratch.panel;
}

static void attend_panel(const item *it, const unsigned char *panel, uint32_t vectors, const softmax_block *block,
                         const key_range *range)
{
    const panel_layout layout = panels_of(it->constants);
    uint32_t special;
    memcpy(&special, panel, sizeof special);
    const matrix_tile tile = {.k = panel + PANEL_HEADER,
                              .v = panel + layout.v,
                              .k_row = layout.k_row,
                              .v_row = layout.v_row,
                              .full = range->full,
                              .some = range->some,
                              .scale = score_scale(it),
                              .finite = !special};
    attend_matrix[vectors - 1](block, &tile);
}

#else /* no matrix tier in this instruction set: no kernel has panels */

static size_t panels_size(const uint32_t *constants)
{
    (void)constants;
    return 0;
}

#define plan_direct NULL
#define plan_state  NULL
#define pack_direct NULL
#define pack_state  NULL

static void load_words(const item *it, uint32_t first, uint32_t *to, size_t width)
{
    (void)it, (void)first, (void)to, (void)width;
}

static const unsigned char *find_panel(const item *it, uint32_t number)
{
    (void)it, (void)number;
    return NULL;
}

static void attend_panel(const item *it, const unsigned char *panel, uint32_t vectors, const softmax_block *block,
                         const key_range *range)
{
    (void)it, (void)panel, (void)vectors, (void)block, (void)range;
}

static void begin_products(void)
{
}

static void end_products(void)
{
}

#endif

#endif
