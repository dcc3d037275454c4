/* softmax_direct, softmax_state and softmax_finish as native code: shaders/abi/softmax.h says what a
 * workgroup owns.
 *
 * One call is one (row tile, split) of the work order. Its rows are cut into blocks of up to BLOCK_ROWS rows,
 * whose queries are transposed once; then, key tile by key tile, K and V are brought into per-thread scratch
 * as f32 (not copied where they already are) and every block attends the tile (softmax_block.h). An item of
 * few rows goes another way, without transposing and converting (softmax_few.h). Which way is a matter of the
 * item's rows alone.
 */
#include "softmax_block.h"
#include "softmax_few.h"
#include "softmax_item.h"
#include "softmax_panels.h"

/* ---- rows in lanes ---------------------------------------------------------------------------------- */

static uint32_t block_vectors(const item *it, uint32_t first)
{
    const uint32_t rows = it->rows - first < BLOCK_ROWS ? it->rows - first : BLOCK_ROWS;
    return (rows + LANES - 1) / LANES;
}

/* to[d * stride] = the queries of row `row` times scale; zeros for a row that does not exist. */
static void load_query(const item *it, uint32_t row, float *to, size_t stride)
{
    const uint32_t dim = it->constants[DIM_QK];
    float *from = it->scratch.row;
    if (row < it->rows)
        load_row(from, query_row(it, row), it->constants[Q_DTYPE], dim);
    else
        memset(from, 0, sizeof *from * dim);
    for (uint32_t d = 0; d < dim; d++)
        to[d * stride] = from[d] * it->common.scale;
}

static void load_queries(const item *it)
{
    const uint32_t dim = it->constants[DIM_QK], padded = whole_vectors(dim);
    if (it->few) {
        memset(it->scratch.q, 0, sizeof(float) * padded * few_slots(it->rows));
        for (uint32_t row = 0; row < it->rows; row++)
            load_query(it, row, it->scratch.q + (size_t)row * padded, 1);
        return;
    }
    for (uint32_t first = 0; first < it->rows; first += BLOCK_ROWS) {
        const uint32_t width = block_vectors(it, first) * LANES;
        float *q = it->scratch.q + (size_t)first * padded;
        for (uint32_t lane = 0; lane < width && it->words; lane += LANES)
            load_words(it, first + lane, (uint32_t *)(void *)q + lane, width);
        for (uint32_t lane = 0; lane < width && !it->words; lane++)
            load_query(it, first + lane, q + lane, width);
    }
}

/* Where the numerator of row `row` lies, and the distance from column to column. */
static float *acc_of(const item *it, uint32_t row, size_t *stride)
{
    if (it->few) {
        *stride = 1;
        return it->scratch.acc + (size_t)row * whole_vectors(it->columns);
    }
    const uint32_t first = row / BLOCK_ROWS * BLOCK_ROWS;
    *stride = block_vectors(it, first) * LANES;
    return it->scratch.acc + (size_t)first * whole_vectors(it->columns) + (row - first);
}

/* The numerator of row `row`, gathered into scratch.row. */
static const float *gather_row(const item *it, uint32_t row)
{
    size_t stride;
    const float *acc = acc_of(it, row, &stride);
    for (uint32_t c = 0; c < it->columns; c++)
        it->scratch.row[c] = acc[c * stride];
    return it->scratch.row;
}

/* ---- the state -------------------------------------------------------------------------------------- */

static void clear_state(item *it)
{
    const uint32_t rows = (it->rows + LANES - 1) / LANES * LANES;
    memset(it->scratch.acc, 0, sizeof(float) * rows * whole_vectors(it->columns));
    for (uint32_t row = 0; row < rows; row++) {
        it->scratch.m[row] = -FLT_MAX;
        it->scratch.l[row] = 0.0f;
    }
}

/* Slot of a workgroup: acc[ROWS][COLS], m[ROWS], l[ROWS]; COLS is the tile's, whether the item fills it or
 * not. */
typedef struct slot {
    float *acc, *m, *l;
    size_t columns;
} slot;

static slot slot_of(const uint32_t *constants, unsigned char *binding, uint32_t offset, uint64_t group)
{
    const size_t rows = rows_of(constants), columns = (size_t)constants[LANE_COLS] * constants[TV];
    float *acc = (float *)(void *)binding + offset + group * SOFTMAX_STATE_FLOATS(rows, columns, 1);
    return (slot){acc, acc + rows * columns, acc + rows * columns + rows, columns};
}

static void read_state(item *it, const slot *from)
{
    for (uint32_t row = 0; row < it->rows; row++) {
        size_t stride;
        float *acc = acc_of(it, row, &stride);
        for (uint32_t c = 0; c < it->columns; c++)
            acc[c * stride] = from->acc[row * from->columns + c];
        it->scratch.m[row] = from->m[row];
        it->scratch.l[row] = from->l[row];
    }
}

static void write_state(const item *it, const slot *to)
{
    for (uint32_t row = 0; row < it->rows; row++) {
        memcpy(to->acc + row * to->columns, gather_row(it, row), sizeof(float) * it->columns);
        to->m[row] = it->scratch.m[row];
        to->l[row] = it->scratch.l[row];
    }
}

/* ---- output ----------------------------------------------------------------------------------------- */

typedef struct output {
    const uint32_t *constants;
    const output_params *params;
    unsigned char *o, *lse;
    const unsigned char *sinks;
    uint32_t batch, first_column, columns;
} output;

/* The sink of a head, in log2 units; -inf: none. */
static float sink_of(const output *out, uint32_t head)
{
    if (out->params->sink_offset == SOFTMAX_NO_SINKS)
        return -INFINITY;
    return ((const float *)(const void *)out->sinks)[out->params->sink_offset + head] * 1.442695040888963f;
}

/* Adds a sink to the sum l of a row with maximum m, and gives what its accumulators are multiplied by then. A row without
 * keys takes the sink for its maximum. */
static float add_sink(float sink, float *m, float *l)
{
    if (sink == -INFINITY)
        return 1.0f;
    const float top = *l == 0.0f || sink > *m ? sink : *m;
    const float shrink = *m == top ? 1.0f : v_exp2(v_splat(*m - top))[0];
    *l = *l * shrink + v_exp2(v_splat(sink - top))[0];
    *m = top;
    return shrink;
}

/* o = acc / l and lse = ln(2) m + ln(l) of one row; without a visible key 0 and -inf. `acc` is overwritten.
 */
static void write_row(const output *out, uint32_t head, uint32_t query, float *acc, float m, float l)
{
    const output_params *p = out->params;
    const uint32_t dtype = out->constants[O_DTYPE];
    const float shrink = add_sink(sink_of(out, head), &m, &l);
    const float factor = l == 0.0f ? 0.0f : shrink / l;
    for (uint32_t c = 0; c < out->columns; c++)
        acc[c] *= factor;
    const size_t element = p->o_offset + (size_t)out->batch * p->o_batch + (size_t)head * p->o_head +
                           (size_t)query * p->o_row + out->first_column;
    store_row(out->o + element * element_size(dtype), acc, dtype, out->columns);
    if (!out->constants[LSE] || out->first_column != 0)
        return;
    const double ln2 = 0.693147180559945309;
    const float lse = l == 0.0f ? -INFINITY : (float)((double)m * ln2 + log((double)l));
    ((float *)(void *)
         out->lse)[p->lse_offset + (size_t)out->batch * p->lse_batch + (size_t)head * p->lse_head + query] = lse;
}

static void write_output(const item *it, const output_params *params)
{
    const output out = {it->constants,         params,    it->call->bindings[3], it->call->bindings[4],
                        it->call->bindings[5], it->batch, it->first_column,      it->columns};
    for (uint32_t row = 0; row < it->rows; row++) {
        gather_row(it, row);
        write_row(&out, head_of(it, row), query_of(it, row), it->scratch.row, it->scratch.m[row], it->scratch.l[row]);
    }
}

/* ---- the walk over key tiles ------------------------------------------------------------------------ */

/* Rows of a tile in memory or in a panel. */
typedef struct key_rows {
    const unsigned char *data;
    size_t row; /* bytes */
    uint32_t dtype;
} key_rows;

/* Converts `count` rows of `dim` elements to f32, each padded with zeros to whole vectors. */
static void to_panel(key_rows *rows, uint32_t count, uint32_t dim, float *panel)
{
    const size_t stride = panel_row(dim);
    const uint32_t padded = whole_vectors(dim);
    for (uint32_t j = 0; j < count; j++) {
        load_row(panel + j * stride, rows->data + j * rows->row, rows->dtype, dim);
        for (uint32_t d = dim; d < padded; d++)
            panel[j * stride + d] = 0.0f;
    }
    *rows = (key_rows){(const unsigned char *)panel, stride * sizeof *panel, FOVEA_F32};
}

/* Blocks read f32 rows, and not so far apart that those read side by side share a cache set. */
static bool block_takes(const key_rows *rows)
{
    return rows->dtype == FOVEA_F32 && rows->row % 4096 != 0;
}

static void attend_blocks(const item *it, key_range *range, key_rows k, key_rows v)
{
    const uint32_t dim = it->constants[DIM_QK];
    const unsigned char *panel = it->words ? find_panel(it, range->tile_key / keys_of(it->constants)) : NULL;
    if (!it->words && !block_takes(&k))
        to_panel(&k, range->tile_keys, dim, it->scratch.k);
    if (!it->words && !block_takes(&v))
        to_panel(&v, range->tile_keys, it->columns, it->scratch.v);
    for (uint32_t first = 0; first < it->rows; first += BLOCK_ROWS) {
        const uint32_t vectors = block_vectors(it, first);
        find_limits(it, first, vectors * LANES, range);
        if (range->some == 0)
            continue;
        const softmax_block block = {.dim_qk = dim,
                                     .dim_v = it->columns,
                                     .q = it->scratch.q + (size_t)first * whole_vectors(dim),
                                     .acc = it->scratch.acc + (size_t)first * whole_vectors(it->columns),
                                     .m = it->scratch.m + first,
                                     .l = it->scratch.l + first,
                                     .begins = it->scratch.begins + first,
                                     .limits = it->scratch.limits + first,
                                     .s = it->scratch.s,
                                     .cap = cap_of(it)};
        if (it->words) {
            attend_panel(it, panel, vectors, &block, range);
            continue;
        }
        const softmax_tile tile = {.k = (const float *)(const void *)k.data,
                                   .k_row = k.row / sizeof(float),
                                   .v = (const float *)(const void *)v.data,
                                   .v_row = v.row / sizeof(float),
                                   .full = range->full,
                                   .some = range->some};
        attend_block[vectors - 1](&block, &tile);
    }
}

static void attend_few_rows(const item *it, key_range *range, key_rows k, key_rows v)
{
    const uint32_t dim = it->constants[DIM_QK];
    find_limits(it, 0, it->rows, range);
    if (dim % LANES != 0)
        to_panel(&k, range->some, dim, it->scratch.k);
    if (it->columns % LANES != 0)
        to_panel(&v, range->some, it->columns, it->scratch.v);
    const softmax_few few = {.rows = it->rows,
                             .slots = few_slots(it->rows),
                             .dim_qk = whole_vectors(dim),
                             .dim_v = whole_vectors(it->columns),
                             .q = it->scratch.q,
                             .acc = it->scratch.acc,
                             .m = it->scratch.m,
                             .l = it->scratch.l,
                             .begins = it->scratch.begins,
                             .limits = it->scratch.limits,
                             .s = it->scratch.s,
                             .cap = cap_of(it)};
    const few_tile tile = {.k = k.data,
                           .v = v.data,
                           .k_row = k.row,
                           .v_row = v.row,
                           .k_dtype = k.dtype,
                           .v_dtype = v.dtype,
                           .full = range->full,
                           .some = range->some};
    attend_few(&few, &tile);
}

static void attend_tile(const item *it, uint32_t number)
{
    const uint32_t keys = keys_of(it->constants), first_key = number * keys;
    const uint32_t last_sees = end_visible(it, it->rows - 1);
    key_range range = {.tile_key = first_key, .tile_keys = last_sees - first_key < keys ? last_sees - first_key : keys};
    const key_rows k = {it->k + first_key * it->k_row, it->k_row, it->constants[K_DTYPE]};
    const key_rows v = {it->v + first_key * it->v_row, it->v_row, it->constants[V_DTYPE]};
    if (it->few)
        attend_few_rows(it, &range, k, v);
    else
        attend_blocks(it, &range, k, v);
}

/* Attends numbers begin .. end - 1 of the row tile's list. */
static void attend_tiles(const item *it, uint64_t begin, uint64_t end)
{
    const uint32_t keys = keys_of(it->constants);
    const uint64_t list_begin = first_visible(it, 0) / keys;
    const uint64_t list_end = ((uint64_t)end_visible(it, it->rows - 1) + keys - 1) / keys;
    if (list_begin >= list_end)
        return;
    begin += list_begin;
    end = end < list_end - list_begin ? list_begin + end : list_end;
    if (begin >= end)
        return;
    load_queries(it);
    if (it->words)
        begin_products();
    for (uint64_t number = begin; number < end; number++)
        attend_tile(it, (uint32_t)number);
    if (it->words)
        end_products();
}

/* ---- entry points ----------------------------------------------------------------------------------- */

static void start_item(item *it, const cpu_call *call, uint64_t work)
{
    it->constants = call->constants;
    it->call = call;
    memcpy(&it->common, call->parameters, sizeof it->common);
    lay_out(call->constants, call->scratch, &it->scratch);
    place_item(it, work);
    place_keys(it);
}

static void run_direct(const cpu_call *call)
{
    direct_params params;
    memcpy(&params, call->parameters, sizeof params);
    const uint64_t group = call->group;
    if (group >= params.item_count)
        return;
    item it;
    start_item(&it, call, params.first_item + group);
    clear_state(&it);
    attend_tiles(&it, 0, UINT64_MAX);
    output_params out;
    memcpy(&out, (const char *)&params + offsetof(direct_params, o_offset), sizeof out);
    write_output(&it, &out);
}

static void run_state(const cpu_call *call)
{
    state_params params;
    memcpy(&params, call->parameters, sizeof params);
    const uint64_t group = call->group;
    const uint64_t split = group % params.splits;
    if (group / params.splits >= params.item_count)
        return;
    item it;
    start_item(&it, call, params.first_item + group / params.splits);
    const slot state = slot_of(call->constants, call->bindings[3], params.state_offset, group);
    clear_state(&it);
    if (!params.fresh)
        read_state(&it, &state);
    const uint64_t base = split * params.split_tiles, limit = base + params.split_tiles;
    const uint64_t end = base + params.tile_end;
    attend_tiles(&it, base + params.tile_begin, end < limit ? end : limit);
    write_state(&it, &state);
}

/* The states of one item's splits, one slot after the other. */
typedef struct split_states {
    slot first;
    size_t slot_floats;
    uint32_t splits;
} split_states;

/* Merges row `row` of the splits into `acc`; gives its m and l. One split comes out as it is, bit for bit. */
static void merge_row(const split_states *states, uint32_t row, uint32_t columns, float *acc, float *m, float *l)
{
    const slot *first = &states->first;
    *m = first->m[row];
    for (uint32_t r = 1; r < states->splits; r++) {
        const float other = first->m[r * states->slot_floats + row];
        *m = other > *m ? other : *m;
    }
    *l = -0.0f;
    for (uint32_t c = 0; c < columns; c++)
        acc[c] = -0.0f; /* the zero that changes no summand */
    for (uint32_t r = 0; r < states->splits; r++) {
        const size_t from = r * states->slot_floats;
        const float weight = v_exp2(v_splat(first->m[from + row] - *m))[0];
        const float *part = first->acc + from + row * first->columns;
        *l += weight * first->l[from + row];
        for (uint32_t c = 0; c < columns; c++)
            acc[c] += weight * part[c];
    }
}

static void run_finish(const cpu_call *call)
{
    finish_params params;
    memcpy(&params, call->parameters, sizeof params);
    const uint64_t group = call->group;
    if (group >= params.item_count)
        return;
    item it = {.constants = call->constants, .call = call};
    it.common = (common_params){.heads = params.heads, .group = params.group, .seq_q = params.seq_q};
    place_item(&it, params.first_item + group);
    output_params out_params;
    memcpy(&out_params, (const char *)&params + offsetof(finish_params, o_offset), sizeof out_params);
    const output out = {call->constants,   &out_params, call->bindings[1], call->bindings[2],
                        call->bindings[3], it.batch,    it.first_column,   it.columns};
    const split_states states = {
        .first = slot_of(call->constants, call->bindings[0], params.state_offset, group * params.splits),
        .slot_floats = SOFTMAX_STATE_FLOATS((size_t)rows_of(call->constants),
                                            (size_t)call->constants[LANE_COLS] * call->constants[TV], 1),
        .splits = params.splits};
    for (uint32_t row = 0; row < it.rows; row++) {
        float m, l;
        merge_row(&states, row, it.columns, call->scratch, &m, &l);
        write_row(&out, head_of(&it, row), query_of(&it, row), call->scratch, m, l);
    }
}

static size_t finish_scratch(const uint32_t *constants)
{
    return columns_of(constants) * sizeof(float);
}

const cpu_native FV_CPU_TABLE(softmax)[] = {
    {"softmax_direct", CONSTANT_COUNT, 6, sizeof(direct_params), scratch_size, run_direct, panels_size, plan_direct,
     pack_direct},
    {"softmax_state", CONSTANT_COUNT, 4, sizeof(state_params), scratch_size, run_state, panels_size, plan_state,
     pack_state},
    {"softmax_finish", CONSTANT_COUNT, 4, sizeof(finish_params), finish_scratch, run_finish, NULL, NULL, NULL},
    {0},
};
