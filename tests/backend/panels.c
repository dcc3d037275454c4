/* What the CPU's matrix kernels share of packed keys and values, from the inside: the memory that it takes. Runs no kernel. */
#include "../../backends/cpu/native.h"

#include "abi/softmax.h"
#include "runner.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum constant_id {
#define ID(id, name) name = id,
    SOFTMAX_CONSTANTS(ID)
#undef ID
        CONSTANTS = 32,
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
    suite_add_tcase(suite, c);
    return !run_suite(suite);
}
