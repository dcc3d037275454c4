/* merge_weigh and merge_sum as native code: shaders/merge_weigh.comp and merge_sum.comp say what they compute,
 * shaders/abi/merge.h where. One call works on MERGE_NATIVE_ROWS rows: weights with rows in lanes, sums with columns in
 * lanes. */
#include <math.h>

#include "abi/merge.h"

#include "convert.h"
#include "native.h"
#include "vector.h"

#define CONSTANT_ID(id, name) name = id,
enum { MERGE_CONSTANTS(CONSTANT_ID) CONSTANT_COUNT };
#undef CONSTANT_ID

typedef uint32_t uint;
#define FIELD(type, name) type name;
typedef struct weigh_params {
    MERGE_WEIGH_PARAMS(FIELD)
} weigh_params;
typedef struct sum_params {
    MERGE_SUM_PARAMS(FIELD)
} sum_params;
#undef FIELD

enum { ROWS = MERGE_NATIVE_ROWS };
_Static_assert(ROWS % LANES == 0, "rows of a call are whole vectors");
_Static_assert(CONSTANT_COUNT == LSE + 1, "constant ids are not in order");

/* Rows of a call. `place` counts from the first row of the dispatch. */
typedef struct rows {
    uint32_t place, count;
    uint32_t batch[ROWS], head[ROWS], query[ROWS];
} rows;

typedef struct row_space {
    uint32_t heads, seq_q, first_row, row_count;
} row_space;

/* The rows of workgroup `group`; none where it lies beyond the last row. */
static rows find_rows(const row_space *space, uint64_t group)
{
    rows r = {.count = 0};
    const uint64_t place = group * ROWS;
    if (place >= space->row_count)
        return r;
    r.place = (uint32_t)place;
    r.count = space->row_count - r.place < ROWS ? space->row_count - r.place : ROWS;
    for (uint32_t i = 0; i < r.count; i++) {
        const uint32_t row = space->first_row + r.place + i;
        r.query[i] = row % space->seq_q;
        r.head[i] = row / space->seq_q % space->heads;
        r.batch[i] = row / space->seq_q / space->heads;
    }
    return r;
}

/* ---- weights ---------------------------------------------------------------------------------------- */

static float shifted(float lse, float shift)
{
    return lse == -INFINITY || shift == -INFINITY ? -INFINITY : lse + shift;
}

/* What the source's parts bring, into `work`: a row of the call in each column. */
static void bring_parts(const cpu_call *call, const weigh_params *p, const rows *r, float *work)
{
    const float *from = (const float *)(const void *)call->bindings[0];
    const float *shifts = (const float *)(const void *)call->bindings[1];
    for (uint32_t i = 0; i < r->count; i++) {
        const size_t row = p->from_offset + (size_t)r->batch[i] * p->from_batch + (size_t)r->head[i] * p->from_head +
                           (size_t)r->query[i] * p->from_row;
        const size_t shift_row = p->shift_offset + (size_t)r->batch[i] * p->shift_batch +
                                 (size_t)r->head[i] * p->shift_head + (size_t)r->query[i] * p->shift_row;
        for (uint32_t part = 0; part < p->from_parts; part++) {
            const size_t number = (size_t)p->first_part + part;
            float *to = work + number * p->row_count + i;
            *to = from[row + (size_t)part * p->from_part];
            if (call->constants[OFFSETS])
                *to = shifted(*to, shifts[shift_row + number * p->shift_part]);
        }
    }
}

/* Up to LANES floats; what is not there is 0. */
static vfloat load_lanes(const float *memory, uint32_t count)
{
    float lanes[LANES] = {0};
    if (count >= LANES)
        return v_load(memory);
    memcpy(lanes, memory, count * sizeof *memory);
    return v_load(lanes);
}

static void store_lanes(float *memory, vfloat x, uint32_t count)
{
    float lanes[LANES];
    v_store(lanes, x);
    memcpy(memory, lanes, (count < LANES ? count : LANES) * sizeof *memory);
}

/* Turns the a_r of up to LANES rows into weights; gives their maxima and sums, NaN in a broken row. */
static void weigh_lanes(float *work, const weigh_params *p, uint32_t count, vfloat *out_maximum, vfloat *out_sum)
{
    const vfloat least = v_splat(-200.0f), zero = v_splat(0.0f), minus = v_splat(-INFINITY);
    const vfloat log2_e = v_splat(1.44269504088896f);
    vfloat maximum = v_splat(-3.402823466e+38f), sum = zero;
    vint whole = zero == zero;
    for (uint32_t part = 0; part < p->parts; part++) {
        const vfloat a = load_lanes(work + (size_t)part * p->row_count, count);
        whole &= a < v_splat(INFINITY); /* false for NaN */
        maximum = v_max(a, maximum);
    }
    for (uint32_t part = 0; part < p->parts; part++) {
        float *place = work + (size_t)part * p->row_count;
        const vfloat a = load_lanes(place, count);
        const vfloat x = v_max(a - maximum, least) * log2_e;
        const vfloat weight = v_select(a == minus, zero, v_exp2(x));
        sum += weight;
        store_lanes(place, weight, count);
    }
    sum = v_select(whole, sum, v_splat(NAN));
    const vfloat inverse = v_select(sum == zero, zero, 1.0f / sum);
    for (uint32_t part = 0; part < p->parts; part++) {
        float *place = work + (size_t)part * p->row_count;
        store_lanes(place, v_select(whole, load_lanes(place, count) * inverse, v_splat(NAN)), count);
    }
    *out_maximum = maximum;
    *out_sum = sum;
}

static float lse_of(float maximum, float sum)
{
    return sum == 0.0f ? -INFINITY : (float)((double)maximum + log((double)sum));
}

static void run_weigh(const cpu_call *call)
{
    weigh_params p;
    memcpy(&p, call->parameters, sizeof p);
    const row_space space = {p.heads, p.seq_q, p.first_row, p.row_count};
    const rows r = find_rows(&space, call->group);
    float *work = (float *)(void *)call->bindings[2] + p.work_offset + r.place;
    float *lse = (float *)(void *)call->bindings[3];
    bring_parts(call, &p, &r, work);
    for (uint32_t first = 0; p.last && first < r.count; first += LANES) {
        const uint32_t count = r.count - first < LANES ? r.count - first : LANES;
        vfloat maximum, sum;
        weigh_lanes(work + first, &p, count, &maximum, &sum);
        for (uint32_t i = 0; i < count && call->constants[LSE]; i++)
            lse[p.lse_offset + (size_t)r.batch[first + i] * p.lse_batch + (size_t)r.head[first + i] * p.lse_head +
                r.query[first + i]] = lse_of(maximum[i], sum[i]);
    }
}

/* ---- sums ------------------------------------------------------------------------------------------- */

/* A source of a dispatch, and where it is for one row. */
typedef struct source {
    const unsigned char *row;
    size_t part; /* bytes */
    uint32_t dtype, parts;
} source;

/* sum[0 .. count) += weight * part[0 .. count). */
static void add_part(float *restrict sum, const float *restrict part, float weight, uint32_t count)
{
    const vfloat w = v_splat(weight);
    uint32_t c = 0;
    for (; c + LANES <= count; c += LANES)
        v_store(sum + c, v_fma(w, v_load(part + c), v_load(sum + c)));
    for (; c < count; c++)
        sum[c] += weight * part[c];
}

/* Adds the parts of a source; `weights` steps from part to part. `row` is room for one part. */
static void add_source(const source *s, const float *weights, size_t step, uint32_t columns, float *sum, float *row)
{
    for (uint32_t part = 0; part < s->parts; part++) {
        const unsigned char *from = s->row + part * s->part;
        const float weight = weights[part * step];
        if (weight == 0.0f)
            continue;
        if (s->dtype != FOVEA_F32)
            load_row(row, from, s->dtype, columns);
        add_part(sum, s->dtype == FOVEA_F32 ? (const float *)(const void *)from : row, weight, columns);
    }
}

/* Row i of the call. The offset of the weights may lie in front of their binding, as far as the first row of the dispatch
 * lies behind row 0: it is a number of 32 bits that wraps, as in the other readings. */
static void sum_row(const cpu_call *call, const sum_params *p, const rows *r, uint32_t i)
{
    const uint32_t *constants = call->constants;
    const uint32_t columns = constants[DIM_V], padded = MERGE_QUADS(columns) * MERGE_COLUMNS;
    const uint32_t batch = r->batch[i], head = r->head[i], query = r->query[i];
    const size_t a_row = p->a_offset + (size_t)batch * p->a_batch + (size_t)head * p->a_head + (size_t)query * p->a_row;
    const size_t b_row = p->b_offset + (size_t)batch * p->b_batch + (size_t)head * p->b_head + (size_t)query * p->b_row;
    const size_t o_row = p->o_offset + (size_t)batch * p->o_batch + (size_t)head * p->o_head + (size_t)query * p->o_row;
    const size_t a_size = element_size(constants[A_DTYPE]), b_size = element_size(constants[B_DTYPE]);
    const source a = {call->bindings[2] + a_row * a_size, p->a_part * a_size, constants[A_DTYPE], p->a_parts};
    const source b = {call->bindings[3] + b_row * b_size, p->b_part * b_size, constants[B_DTYPE], p->b_parts};
    float *work = (float *)(void *)call->bindings[0], *sum = call->scratch, *row = sum + padded;
    const float *weights =
        work + (uint32_t)(p->weight_offset + batch * p->weight_batch + head * p->weight_head + query * p->weight_row);
    float *carried = work + p->sum_offset + (size_t)(r->place + i) * padded;
    memset(sum, 0, columns * sizeof *sum);
    if (!p->fresh)
        memcpy(sum, carried, columns * sizeof *sum);
    add_source(&a, weights, p->weight_part, columns, sum, row);
    add_source(&b, weights + (size_t)p->a_parts * p->weight_part, p->weight_part, columns, sum, row);
    if (p->last)
        store_row(call->bindings[1] + o_row * element_size(constants[O_DTYPE]), sum, constants[O_DTYPE], columns);
    else
        memcpy(carried, sum, columns * sizeof *sum);
}

static void run_sum(const cpu_call *call)
{
    sum_params p;
    memcpy(&p, call->parameters, sizeof p);
    const row_space space = {p.heads, p.seq_q, p.first_row, p.row_count};
    const rows r = find_rows(&space, call->group);
    for (uint32_t i = 0; i < r.count; i++)
        sum_row(call, &p, &r, i);
}

static size_t sum_scratch(const uint32_t *constants)
{
    return 2 * sizeof(float) * MERGE_QUADS(constants[DIM_V]) * MERGE_COLUMNS;
}

const cpu_native FV_CPU_TABLE(merge)[] = {
    {"merge_weigh", CONSTANT_COUNT, 4, sizeof(weigh_params), NULL, run_weigh, NULL, NULL, NULL},
    {"merge_sum", CONSTANT_COUNT, 4, sizeof(sum_params), sum_scratch, run_sum, NULL, NULL, NULL},
    {0},
};
