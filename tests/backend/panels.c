/* What the CPU's matrix kernels share of packed keys and values, from the inside: the memory that it takes, and the stages
 * in which it is packed. Runs no kernel. */
#include "../../backends/cpu/native.h"

#include "abi/softmax.h"
#include "runner.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint32_t uint;
typedef struct state_params {
#define FIELD(type, name) type name;
    SOFTMAX_STATE_PARAMS(FIELD)
#undef FIELD
} state_params;

enum constant_id {
#define ID(id, name) name = id,
    SOFTMAX_CONSTANTS(ID)
#undef ID
        CONSTANTS = SOFTMAX_PANEL_UNITS_ID + 1,
};

enum { BOUND = 64 << 20, ROWS = 128, KEYS = 128 };

static const cpu_native *kernel; /* softmax_state of an instruction set with matrices */

typedef struct shape {
    uint32_t dim_qk, dim_v, keys, units;
} shape;

static void fill_constants(const shape *s, uint32_t constants[CONSTANTS])
{
    memset(constants, 0, CONSTANTS * sizeof constants[0]);
    constants[LANE_ROWS] = constants[LANE_COLS] = 1;
    constants[TM] = ROWS;
    constants[TN] = KEYS;
    constants[TV] = constants[DIM_V] = s->dim_v;
    constants[DIM_QK] = s->dim_qk;
    constants[LEFT] = constants[RIGHT] = SOFTMAX_UNBOUNDED;
    constants[SOFTMAX_PANEL_KEYS_ID] = s->keys;
    constants[SOFTMAX_PANEL_UNITS_ID] = s->units;
}

static size_t bytes_of(uint32_t dim_qk, uint32_t dim_v, size_t keys, uint32_t units)
{
    uint32_t constants[CONSTANTS];
    fill_constants(&(shape){dim_qk, dim_v, (uint32_t)keys, units}, constants);
    return kernel->panels(constants);
}

static const uint32_t dims[][2] = {{1, 1}, {1, 1024}, {64, 64}, {80, 96}, {128, 128}, {576, 512}, {1024, 1024}};
static const uint32_t unit_counts[] = {1, 2, 3, 7, 1000, UINT32_MAX};
enum { DIMS = sizeof dims / sizeof dims[0], UNITS = sizeof unit_counts / sizeof unit_counts[0] };

/* As many units as fit, whole ones; none where one does not. */
START_TEST(memory_is_bounded)
{
    const uint32_t dim_qk = dims[_i][0], dim_v = dims[_i][1];
    const size_t tile = bytes_of(dim_qk, dim_v, KEYS, 1), most = BOUND / tile;
    const size_t lengths[] = {1, 2, most / 3, most / 2, most / 2 + 1, most, most + 1};
    ck_assert_uint_ge(tile, (size_t)KEYS * (dim_qk + dim_v) * 2);
    for (size_t n = 0; n < sizeof lengths / sizeof lengths[0] * UNITS; n++) {
        const uint32_t wanted = unit_counts[n % UNITS];
        const size_t unit = lengths[n / UNITS] * tile, fit = BOUND / unit;
        for (size_t less = 0; less < KEYS; less += KEYS - 1)
            ck_assert_uint_eq(bytes_of(dim_qk, dim_v, lengths[n / UNITS] * KEYS - less, wanted),
                              (fit < wanted ? fit : wanted) * unit);
    }
    ck_assert_uint_eq(bytes_of(dim_qk, dim_v, KEYS, 0), 0);
    ck_assert_uint_eq(bytes_of(dim_qk, dim_v, 0, 7), 0);
}
END_TEST

/* A dispatch over work items of units whose keys and values fit `fit` at a time, on so many threads. */
typedef struct dispatch {
    uint32_t fit, units, row_tiles, splits, threads;
    uint32_t first_item, items; /* 0: all of the units */
    bool shares;
} dispatch;

static const dispatch dispatches[] = {
    /* two workgroups of a stage for each thread, or all of them in one stage */
    {3, 4, 2, 1, 3, .shares = true},
    {3, 4, 2, 1, 4, .shares = false},
    {3, 4, 2, 2, 6, .shares = true},
    {3, 4, 2, 2, 7, .shares = false},
    {1, 2, 128, 1, 64, .shares = true},
    {1, 2, 127, 1, 64, .shares = false},
    {5, 100, 13, 3, 97, .shares = true},
    {5, 100, 13, 3, 98, .shares = false},
    {3, 3, 2, 1, 64, .shares = true},
    {1, 1, 2, 1, 64, .shares = true},
    {3, 4, 1, 1, 1, .shares = false}, /* a unit of one work item shares nothing */
    /* a part of the units, its first and last ones in part: units 1 to 3, 1 to 4 */
    {3, 10, 2, 1, 64, .first_item = 3, .items = 4, .shares = true},
    {3, 10, 2, 1, 64, .first_item = 3, .items = 5, .shares = true},
    {3, 10, 2, 1, 64, .first_item = 3, .items = 6, .shares = false},
    {3, 10, 2, 1, 3, .first_item = 3, .items = 6, .shares = true},
};
enum { DISPATCHES = sizeof dispatches / sizeof dispatches[0] };

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Stages follow each other without a gap; each has as many units as fit, and packs all key tiles of them. */
static void check_stages(const dispatch *d, const cpu_call *call, uint32_t items, uint32_t key_tiles)
{
    const uint64_t groups = (uint64_t)items * d->splits, end = d->first_item + items;
    cpu_stage stage;
    for (uint64_t first = 0; first < groups; first += stage.count) {
        stage = (cpu_stage){.first = first, .count = groups - first, .packs = 99};
        kernel->plan(call, &stage);
        if (!d->shares) {
            ck_assert(stage.packs == 0 && stage.count == groups);
            return;
        }
        const uint64_t unit = (d->first_item + first / d->splits) / d->row_tiles;
        const uint64_t units = least(d->fit, (end + d->row_tiles - 1) / d->row_tiles - unit);
        const uint64_t stage_end = least((unit + units) * d->row_tiles, end) - d->first_item;
        ck_assert_uint_eq(stage.unit, unit);
        ck_assert_uint_eq(stage.packs, units * key_tiles);
        ck_assert_uint_eq(stage.first + stage.count, stage_end * d->splits);
    }
}

START_TEST(stages_keep_threads_busy)
{
    enum { DIM = 64, FEWER = 5 }; /* keys and queries of the last tile that are not there */
    const dispatch *d = &dispatches[_i];
    const uint32_t key_tiles = (uint32_t)(BOUND / bytes_of(DIM, DIM, KEYS, 1) / d->fit);
    const uint32_t items = d->items ? d->items : d->units * d->row_tiles;
    const state_params params = {.heads = d->units,
                                 .group = 1,
                                 .k_ratio = 1,
                                 .v_ratio = 1,
                                 .seq_q = d->row_tiles * ROWS - FEWER,
                                 .seq_k = key_tiles * KEYS - FEWER,
                                 .first_item = d->first_item,
                                 .item_count = items,
                                 .splits = d->splits,
                                 .split_tiles = key_tiles / d->splits + 1};
    uint32_t constants[CONSTANTS], words[sizeof params / sizeof(uint32_t)];
    fill_constants(&(shape){DIM, DIM, params.seq_k, d->units}, constants);
    memcpy(words, &params, sizeof params);
    const cpu_call call = {.constants = constants, .parameters = words, .threads = d->threads};
    check_stages(d, &call, items, key_tiles);
}
END_TEST

/* The tests' own instruction set has a bound of its own. */
static bool find_kernel(void)
{
    const cpu_isa *isa;
    for (uint32_t i = 0; !kernel && (isa = fv_cpu_isa(i)); i++)
        for (const cpu_native *native = isa->tables[0]; native->kernel; native++)
            if (isa->tier == FOVEA_TIER_MATRIX && strcmp(isa->name, "cpu-tiles") != 0 &&
                strcmp(native->kernel, "softmax_state") == 0)
                kernel = native;
    return kernel != NULL;
}

int main(void)
{
    if (!find_kernel()) {
        printf("1..0 # SKIP no instruction set with matrices\n");
        return getenv("FOVEA_TEST_TAP") ? EXIT_SUCCESS : 77;
    }
    Suite *suite = suite_create("panels");
    TCase *c = tcase_create("panels");
    tcase_add_loop_test(c, memory_is_bounded, 0, DIMS);
    tcase_add_loop_test(c, stages_keep_threads_busy, 0, DISPATCHES);
    suite_add_tcase(suite, c);
    return !run_suite(suite);
}
