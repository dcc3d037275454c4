/* What an operator says of itself: counted by hand here, read there. */
#include "test_api.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static fovea_op *create(const fovea_softmax_params *params, fovea_op_report *report)
{
    fovea_op *op = NULL;
    test_ok(fovea_softmax_create(test.opened, params, &op));
    memset(report, 0x5a, sizeof *report);
    test_ok(fovea_op_get_report(op, report));
    return op;
}

static fovea_op_report report_of(const fovea_softmax_params *params)
{
    fovea_op_report report;
    test_keep_op(create(params, &report));
    return report;
}

static fovea_softmax_params square(uint32_t heads, uint64_t queries, uint64_t keys, uint64_t dim)
{
    return (fovea_softmax_params){.q = fovea_tensor_bhsd(FOVEA_F32, 1, heads, queries, dim),
                                  .k = fovea_tensor_bhsd(FOVEA_F16, 1, heads, keys, dim),
                                  .v = fovea_tensor_bhsd(FOVEA_F16, 1, heads, keys, dim),
                                  .o = fovea_tensor_bhsd(FOVEA_F32, 1, heads, queries, dim)};
}

START_TEST(work_is_counted)
{
    fovea_softmax_params params = square(3, 50, 70, 16);
    const fovea_op_report full = report_of(&params);
    ck_assert_str_eq(full.name, "softmax");
    ck_assert_uint_eq(full.exponentials, 3u * 50 * 70);
    ck_assert(test_is_cpu() ? full.shared_bytes == 0 : full.shared_bytes > 4 * full.exponentials);
    ck_assert_uint_eq(full.flops, 3u * 50 * 70 * 2 * 32);
    ck_assert_uint_eq(full.bytes, 3u * (50 * 16 * 4 + 2 * 70 * 16 * 2 + 50 * 16 * 4));
    params.causal = 1; /* query i sees i + 21 keys */
    const fovea_op_report causal = report_of(&params);
    ck_assert_uint_eq(causal.exponentials, 3u * (50 * 20 + 50 * 51 / 2));
    ck_assert_uint_eq(causal.flops, causal.exponentials * 2 * 32);
    params.causal_top_left = 1; /* query i sees i + 1 keys: 20 keys are seen by none */
    const fovea_op_report corner = report_of(&params);
    ck_assert_uint_eq(corner.exponentials, 3u * (50 * 51 / 2));
    ck_assert_uint_eq(corner.bytes, 3u * (50 * 16 * 4 + 2 * 50 * 16 * 2 + 50 * 16 * 4));
    params.lse = (fovea_tensor){.dtype = FOVEA_F32, .rank = 3, .extents = {1, 3, 50}};
    ck_assert_uint_eq(report_of(&params).bytes, corner.bytes + 3u * 50 * 4);
}
END_TEST

START_TEST(causal_skips_tiles)
{
    fovea_softmax_params params = square(1, 700, 700, 16);
    const fovea_op_report full = report_of(&params);
    ck_assert_uint_eq(full.tiles_visited, full.tiles_total);
    ck_assert_uint_gt(full.tiles_total, 0);
    ck_assert_uint_le(full.tiles_full, full.tiles_visited);
    params.causal = 1;
    const fovea_op_report causal = report_of(&params);
    ck_assert_uint_eq(causal.tiles_total, full.tiles_total);
    ck_assert_uint_lt(causal.tiles_visited, causal.tiles_total);
    ck_assert_uint_gt(causal.tiles_visited, causal.tiles_total / 3);
    ck_assert_uint_lt(causal.tiles_full, causal.tiles_visited);
}
END_TEST

enum { QUERIES = 300, KEYS = 500 };

/* How many of the rows from row0 on see the key. */
static uint32_t rows_that_see(ref_window window, uint32_t row0, uint32_t rows, uint32_t key)
{
    uint32_t count = 0;
    for (uint32_t i = row0; i < row0 + rows && i < QUERIES; i++) {
        const ref_range seen = ref_visible(REF_FULL, window, QUERIES, KEYS, i);
        count += key >= seen.begin && key < seen.end;
    }
    return count;
}

/* Tiles of a window, counted one by one. */
START_TEST(windows_skip_tiles)
{
    static const ref_window windows[] = {
        {true, 100, 0, false}, {true, 20, 260, false}, {true, REF_UNBOUNDED, 40, true}};
    const ref_window window = windows[_i];
    fovea_softmax_params params = square(1, QUERIES, KEYS, 16);
    params.window = 1;
    params.window_left = window.left;
    params.window_right = window.right;
    params.causal_top_left = window.top_left;
    const fovea_op_report report = report_of(&params);
    const fovea_kernel_report *kernel = &report.kernels[report.kernel_count - 1];
    uint64_t visited = 0, full = 0, pairs = 0;
    for (uint32_t row0 = 0; row0 < QUERIES; row0 += kernel->rows)
        for (uint32_t key0 = 0; key0 < KEYS; key0 += kernel->keys) {
            uint32_t some = 0, all = 0;
            for (uint32_t key = key0; key < key0 + kernel->keys && key < KEYS; key++) {
                const uint32_t rows = QUERIES - row0 < kernel->rows ? QUERIES - row0 : kernel->rows;
                const uint32_t seeing = rows_that_see(window, row0, rows, key);
                some += seeing > 0;
                all += seeing == rows;
            }
            visited += some > 0;
            full += all == kernel->keys;
        }
    for (uint32_t i = 0; i < QUERIES; i++) {
        const ref_range seen = ref_visible(REF_FULL, window, QUERIES, KEYS, i);
        pairs += seen.end - seen.begin;
    }
    ck_assert_uint_eq(report.tiles_visited, visited);
    ck_assert_uint_eq(report.tiles_full, full);
    ck_assert_uint_eq(report.exponentials, pairs);
    ck_assert_uint_eq(report.flops, pairs * 2 * 32);
    ck_assert_uint_lt(visited, report.tiles_total);
}
END_TEST

START_TEST(budgets_raise_dispatches)
{
    fovea_softmax_params params = square(2, 300, 900, 16);
    params.cost_budget_us = FOVEA_UNBOUNDED;
    params.split_count = 1;
    const fovea_op_report whole = report_of(&params);
    params.cost_budget_us = 200;
    const fovea_op_report some = report_of(&params);
    params.cost_budget_us = 1;
    const fovea_op_report many = report_of(&params);
    ck_assert_uint_ge(whole.dispatches, 1);
    ck_assert_uint_ge(some.dispatches, whole.dispatches);
    ck_assert_uint_gt(many.dispatches, whole.dispatches);
    ck_assert_uint_ge(many.dispatches, some.dispatches);
    ck_assert_uint_gt((uint64_t)many.key_slices * many.query_slices, (uint64_t)whole.key_slices * whole.query_slices);
}
END_TEST

START_TEST(splits_are_reported)
{
    fovea_softmax_params params = square(1, 1, 2000, 16);
    params.split_count = 4;
    const fovea_op_report report = report_of(&params);
    ck_assert_uint_ge(report.split_count, 2);
    ck_assert_uint_le(report.split_count, 4);
    ck_assert_uint_gt(report.workspace_size, 0);
    params.split_count = 1;
    ck_assert_uint_le(report_of(&params).split_count, 1);
}
END_TEST

START_TEST(kernels_are_described)
{
    const fovea_softmax_params params = square(2, 64, 64, 16);
    fovea_op_report report;
    fovea_device_limits limits;
    fovea_op *op = create(&params, &report);
    test_ok(fovea_device_get_limits(test.opened, &limits));
    ck_assert_uint_ge(report.kernel_count, 1);
    ck_assert_uint_le(report.kernel_count, FOVEA_REPORT_KERNELS);
    ck_assert_uint_ge(report.tile_candidates, 1);
    for (uint32_t n = 0; n < report.kernel_count; n++) {
        const fovea_kernel_report *k = &report.kernels[n];
        ck_assert_int_eq(strncmp(k->name, "softmax_", 8), 0);
        ck_assert_uint_gt(strlen(k->use), 0);
        ck_assert_uint_eq(k->tested, 1);
        ck_assert_uint_ge(k->invocations, 1);
        ck_assert_uint_le(k->invocations, limits.workgroup_invocations);
        ck_assert_uint_le(k->shared_memory, limits.shared_memory);
        ck_assert(k->create_s >= 0.0 && k->self_test_s >= 0.0);
        for (size_t i = 0; i < sizeof k->reserved / sizeof k->reserved[0]; i++)
            ck_assert_uint_eq(k->reserved[i], 0);
    }
    ck_assert_uint_eq(report.workspace_size, fovea_op_workspace_size(op));
    ck_assert(report.estimated_s > 0.0 && report.assumed_flops_per_s > 0.0 && report.create_s >= 0.0);
    test_keep_op(op);
}
END_TEST

/* Reads the value of a line "key: value"; fails the test where the line is missing. */
static uint64_t number_of(const char *text, const char *key)
{
    char line[64];
    snprintf(line, sizeof line, "\n%s: ", key);
    const char *place = strstr(text, line);
    ck_assert_msg(place != NULL, "no line '%s' in: %s", key, text);
    return strtoull(place + strlen(line), NULL, 10);
}

START_TEST(explain_says_what_the_report_says)
{
    fovea_softmax_params params = square(2, 100, 130, 16);
    params.causal = 1;
    params.split_count = 2;
    fovea_op_report report;
    char text[16384];
    fovea_op *op = create(&params, &report);
    const size_t length = fovea_op_explain(op, text, sizeof text);
    ck_assert_uint_eq(length, strlen(text));
    ck_assert_uint_eq(number_of(text, "dispatches"), report.dispatches);
    ck_assert_uint_eq(number_of(text, "tiles_total"), report.tiles_total);
    ck_assert_uint_eq(number_of(text, "tiles_visited"), report.tiles_visited);
    ck_assert_uint_eq(number_of(text, "tiles_full"), report.tiles_full);
    ck_assert_uint_eq(number_of(text, "flops"), report.flops);
    ck_assert_uint_eq(number_of(text, "bytes"), report.bytes);
    ck_assert_uint_eq(number_of(text, "workspace_size"), report.workspace_size);
    ck_assert_uint_eq(number_of(text, "split_count"), report.split_count);
    test_contains(text, report.kernels[0].name);
    test_contains(text, fovea_tier_name(report.tier));
    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        const size_t end = strcspn(line, "\n");
        ck_assert_msg(line[end] == '\n', "the last line has no end: %s", line);
        ck_assert_msg(strcspn(line, ":") < end && line[strcspn(line, ":") + 1] == ' ', "no 'key: value': %.*s",
                      (int)end, line);
    }
    test_keep_op(op);
}
END_TEST

START_TEST(explain_is_cut_to_fit)
{
    static char whole[16384], text[16384];
    const fovea_softmax_params params = api_params();
    fovea_op_report report;
    fovea_op *op = create(&params, &report);
    const size_t length = fovea_op_explain(op, whole, sizeof whole);
    ck_assert_uint_lt(length, sizeof whole);
    ck_assert_uint_eq(fovea_op_explain(op, NULL, 0), length);
    for (size_t size = 0; size <= length + 1; size += size < 100 ? 1 : 97) {
        memset(text, 0x5a, sizeof text);
        ck_assert_uint_eq(fovea_op_explain(op, text, size), length);
        const size_t kept = size == 0 ? 0 : size <= length ? size - 1 : length;
        ck_assert_int_eq(memcmp(text, whole, kept), 0);
        ck_assert(size == 0 || text[kept] == '\0');
        ck_assert_int_eq(text[size], 0x5a);
    }
    test_keep_op(op);
}
END_TEST

/* What the device refuses is said, with the reason. */
START_TEST(notes_name_refused_tiers)
{
    const fovea_softmax_params params = square(1, 33, 65, 16);
    const fovea_op_report report = report_of(&params);
    if (test.params.max_tier == FOVEA_TIER_PORTABLE) {
        ck_assert_int_eq((int)report.tier, FOVEA_TIER_PORTABLE);
        test_contains(report.notes, "subgroup");
    }
    ck_assert_ptr_nonnull(memchr(report.notes, '\0', sizeof report.notes));
}
END_TEST

/* The CPU says why it has no matrix kernels, for each of the reasons, and uses them where there is none. */
START_TEST(matrix_tier_is_explained)
{
    static const struct {
        fovea_dtype dtype;
        fovea_tier max_tier;
        uint32_t queries;
        const char *reason;
    } rows[] = {
        {FOVEA_F32, FOVEA_TIER_DEFAULT, 33, "stored"},     {FOVEA_F16, FOVEA_TIER_DEFAULT, 33, "stored"},
        {FOVEA_BF16, FOVEA_TIER_SUBGROUP, 33, "max_tier"}, {FOVEA_BF16, FOVEA_TIER_DEFAULT, 8, "rows"},
        {FOVEA_BF16, FOVEA_TIER_DEFAULT, 9, NULL},
    };
    if (!test_is_cpu() || test.params.max_tier)
        return;
    fovea_device_params device_params = test.params;
    fovea_device *device = NULL;
    fovea_op *op = NULL;
    fovea_op_report report;
    fovea_softmax_params params = square(1, rows[_i].queries, 65, 16);
    params.q.dtype = params.k.dtype = params.v.dtype = rows[_i].dtype;
    device_params.max_tier = rows[_i].max_tier;
    test_status(NULL, FOVEA_OK, fovea_device_open(&device_params, &device));
    test_status(device, FOVEA_OK, fovea_softmax_create(device, &params, &op));
    test_status(device, FOVEA_OK, fovea_op_get_report(op, &report));
    const bool has = test.info.tier == FOVEA_TIER_MATRIX;
    ck_assert_int_eq(report.tier == FOVEA_TIER_MATRIX, has && !rows[_i].reason);
    if (!has || rows[_i].reason) {
        test_contains(report.notes, "matrix tier refused: ");
        const bool limited = rows[_i].max_tier != FOVEA_TIER_DEFAULT;
        test_contains(report.notes, has || limited ? rows[_i].reason : "instruction set");
    }
    fovea_op_destroy(op);
    fovea_device_destroy(device);
}
END_TEST

void add_explain_tests(Suite *suite)
{
    TCase *c = tcase_create("explain");
    tcase_add_test(c, work_is_counted);
    tcase_add_test(c, causal_skips_tiles);
    tcase_add_loop_test(c, windows_skip_tiles, 0, 3);
    tcase_add_test(c, budgets_raise_dispatches);
    tcase_add_test(c, splits_are_reported);
    tcase_add_test(c, kernels_are_described);
    tcase_add_test(c, explain_says_what_the_report_says);
    tcase_add_test(c, explain_is_cut_to_fit);
    tcase_add_test(c, notes_name_refused_tiers);
    tcase_add_loop_test(c, matrix_tier_is_explained, 0, 5);
    suite_add_tcase(suite, c);
}
