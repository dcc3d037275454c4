/* Preferred tiles: kept through the cache, first among the candidates of the next device, and never trusted blindly. */
#include "keeper.h"
#include "trial.h"

#include <stdio.h>
#include <string.h>

static const test_case many = {.name = "tuned",
                               .batch = 1,
                               .heads_q = 2,
                               .heads_k = 1,
                               .heads_v = 1,
                               .seq_q = 150,
                               .seq_k = 170,
                               .dim_qk = 16,
                               .dim_v = 16};

static keeper kept;
static uint32_t warnings;

static void on_message(void *user, fovea_log_level level, const char *text)
{
    (void)user;
    (void)level;
    warnings += strstr(text, "cache: tuning-") != NULL || strstr(text, "tuning entry") != NULL;
}

static fovea_device *open_device(bool with_cache)
{
    fovea_device_params params = test.params;
    fovea_device *device = NULL;
    if (with_cache)
        params.cache = keeper_cache(&kept);
    params.log = (fovea_log){.message = on_message, .level = FOVEA_LOG_WARNING};
    test_status(NULL, FOVEA_OK, fovea_device_open(&params, &device));
    return device;
}

static fovea_status prefer(fovea_device *device, const test_case *c, uint32_t tile)
{
    const trial_options options = {.tile = tile, .split_count = 1};
    trial t;
    fovea_op *op = NULL;
    trial_begin(&t, device, c, 0);
    const fovea_softmax_params params = trial_params(&t, &options);
    test_status(device, FOVEA_OK, fovea_softmax_create(device, &params, &op));
    const fovea_status status = fovea_op_prefer(op);
    fovea_op_destroy(op);
    trial_end(&t);
    return status;
}

/* Runs what the planner makes of a case on a new device, right, and tells about it. */
static fovea_op_report use(const test_case *c)
{
    const trial_options options = {.split_count = 1};
    fovea_device *device = open_device(true);
    trial t;
    trial_begin(&t, device, c, 0);
    trial_run(&t, &options);
    trial_check(&t);
    const fovea_op_report report = t.report;
    trial_end(&t);
    fovea_device_destroy(device);
    return report;
}

/* The tile of the kernel that a report lists for so many rows. */
static bool uses_tile(const fovea_op_report *report, uint32_t tile)
{
    for (uint32_t i = 0; i < report->kernel_count; i++)
        if (report->kernels[i].tile == tile && strstr(report->kernels[i].name, "finish") == NULL)
            return true;
    return false;
}

static void setup(void)
{
    keeper_init(&kept);
    warnings = 0;
}

static void teardown(void)
{
    ck_assert(!kept.misused);
    keeper_release(&kept);
    test_forget_messages();
}

START_TEST(a_preferred_tile_goes_first)
{
    test_case other = many;
    other.dim_v = 12;
    const fovea_op_report before = use(&many);
    ck_assert(!uses_tile(&before, 1) && !strstr(before.notes, "preferred"));
    fovea_device *device = open_device(true);
    test_status(device, FOVEA_OK, prefer(device, &many, 2));
    fovea_device_destroy(device);
    const fovea_op_report after = use(&many), beside = use(&other);
    ck_assert_msg(uses_tile(&after, 1) && strstr(after.notes, "preferred"), "%s", after.notes);
    ck_assert_uint_eq(after.tile_candidates, before.tile_candidates);
    ck_assert(!uses_tile(&beside, 1) && !strstr(beside.notes, "preferred"));
    ck_assert_uint_eq(warnings, 0);
}
END_TEST

/* Any candidate will do, those for the other number of rows too. */
START_TEST(any_candidate_can_be_preferred)
{
    test_case few = many;
    const test_case *c = _i ? &few : &many;
    few.name = "tuned_few";
    few.seq_q = 1;
    const uint32_t last = use(c).tile_candidates;
    fovea_device *device = open_device(true);
    for (uint32_t tile = 1; tile <= last; tile += last > 3 ? last / 3 : 1) {
        test_status(device, FOVEA_OK, prefer(device, c, tile));
        const fovea_op_report report = use(c);
        ck_assert_msg(uses_tile(&report, tile - 1), "tile %u of %u: %s", tile, last, report.notes);
    }
    fovea_device_destroy(device);
    ck_assert_uint_eq(warnings, 0);
}
END_TEST

/* What a descriptor with this tile reports, of the device's own plan where it is 0; untuned. */
static fovea_op_report plan(const test_case *c, uint32_t tile)
{
    const trial_options options = {.tile = tile, .split_count = 1};
    trial t;
    fovea_op *op = NULL;
    fovea_op_report report;
    trial_begin(&t, test.opened, c, 0);
    const fovea_softmax_params params = trial_params(&t, &options);
    test_ok(fovea_softmax_create(test.opened, &params, &op));
    test_ok(fovea_op_get_report(op, &report));
    test_keep_op(op);
    trial_end(&t);
    return report;
}

/* How many rows are few; 0: this device has no kernels for them. */
static uint32_t few_limit(const fovea_op_report *report)
{
    unsigned limit = 0;
    for (uint32_t i = 0; i < report->kernel_count && limit == 0; i++)
        if (sscanf(report->kernels[i].use, "at most %u rows", &limit) != 1)
            limit = 0;
    return limit;
}

/* The smallest, or the largest, tile of a case as its descriptor names it. */
static uint32_t extreme_tile(const test_case *c, bool largest)
{
    uint32_t found = 0, rows = 0;
    const uint32_t last = plan(c, 0).tile_candidates;
    for (uint32_t tile = 1; tile <= last; tile++) {
        const uint32_t own = plan(c, tile).kernels[0].rows;
        if (found > 0 && (largest ? own <= rows : own >= rows))
            continue;
        found = tile;
        rows = own;
    }
    return found;
}

/* A small tile preferred for many rows leaves the kernels for few rows, and the numbers of the candidates, alone. */
START_TEST(small_tile_for_many_rows)
{
    const uint32_t smallest = extreme_tile(&many, false);
    const fovea_op_report before = plan(&many, 0);
    fovea_device *device = open_device(true);
    test_status(device, FOVEA_OK, prefer(device, &many, smallest));
    fovea_device_destroy(device);
    const fovea_op_report after = use(&many);
    ck_assert_msg(uses_tile(&after, smallest - 1), "tile %u: %s", smallest, after.notes);
    ck_assert_uint_eq(after.tile_candidates, before.tile_candidates);
    ck_assert_uint_eq(few_limit(&after), few_limit(&before));
    for (uint32_t i = 0; i < after.kernel_count; i++)
        ck_assert_msg(after.kernels[i].tile < after.tile_candidates, "tile %u of %u", after.kernels[i].tile,
                      after.tile_candidates);
}
END_TEST

/* A large tile preferred for few rows serves as many as the planner's: more rows have what was preferred for many. */
START_TEST(large_tile_for_few_rows)
{
    test_case few = many, more = many;
    const fovea_op_report before = plan(&many, 0);
    few.seq_q = 1;
    more.seq_q = 8; /* 16 rows */
    const uint32_t large = extreme_tile(&few, true), other = extreme_tile(&more, false);
    const bool apart = few_limit(&before) > 0;
    ck_assert(!apart || (few_limit(&before) < 16 && large != other));
    fovea_device *device = open_device(true);
    test_status(device, FOVEA_OK, prefer(device, &few, large));
    test_status(device, FOVEA_OK, prefer(device, &more, other));
    fovea_device_destroy(device);
    const fovea_op_report after = use(&many), of_few = use(&few), of_more = use(&more);
    ck_assert_uint_eq(few_limit(&after), few_limit(&before));
    ck_assert_uint_eq(few_limit(&of_more), few_limit(&before));
    ck_assert_msg(uses_tile(&of_few, large - 1), "tile %u: %s", large, of_few.notes);
    ck_assert_msg(uses_tile(&of_more, other - 1), "tile %u: %s", other, of_more.notes);
    ck_assert_uint_eq(warnings, 0);
}
END_TEST

/* Few rows and many rows are tuned apart, and few rows of shared heads apart from few rows of single ones. */
START_TEST(kinds_are_apart)
{
    test_case few = many, shared = many;
    few.seq_q = shared.seq_q = 1;
    shared.heads_q = 4;
    fovea_device *device = open_device(true);
    test_status(device, FOVEA_OK, prefer(device, &many, 2));
    test_status(device, FOVEA_OK, prefer(device, &few, 3));
    test_status(device, FOVEA_OK, prefer(device, &shared, 1));
    fovea_device_destroy(device);
    const fovea_op_report a = use(&many), b = use(&few), c = use(&shared);
    ck_assert_msg(uses_tile(&a, 1) && uses_tile(&b, 2) && uses_tile(&c, 0), "%s%s%s", a.notes, b.notes, c.notes);
    ck_assert_uint_eq(warnings, 0);
}
END_TEST

START_TEST(prefer_refusals)
{
    fovea_device *cached = open_device(true), *plain = open_device(false);
    ck_assert_int_eq(fovea_op_prefer(NULL), FOVEA_INVALID);
    test_status(cached, FOVEA_INVALID, prefer(cached, &many, 0));
    test_status(plain, FOVEA_UNSUPPORTED, prefer(plain, &many, 1));
    ck_assert_ptr_null(keeper_find(&kept, "tuning-", 0));
    fovea_device_destroy(cached);
    fovea_device_destroy(plain);
}
END_TEST

/* A damaged entry is a warning and no more. */
START_TEST(damaged_tuning)
{
    fovea_device *device = open_device(true);
    test_status(device, FOVEA_OK, prefer(device, &many, 2));
    fovea_device_destroy(device);
    keeper_entry *entry = keeper_find(&kept, "tuning-", 0);
    ck_assert_ptr_nonnull(entry);
    if (_i == 0)
        entry->data[entry->size - 1] ^= 1;
    else if (_i == 1)
        entry->size -= 4;
    else
        entry->data[0] ^= 0x80;
    const fovea_op_report report = use(&many);
    ck_assert(!uses_tile(&report, 1) && !strstr(report.notes, "preferred"));
    ck_assert_uint_ge(warnings, 1);
}
END_TEST

static void add(Suite *suite)
{
    TCase *c = tcase_create("tuning");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_preferred_tile_goes_first);
    tcase_add_loop_test(c, any_candidate_can_be_preferred, 0, 2);
    tcase_add_test(c, small_tile_for_many_rows);
    tcase_add_test(c, large_tile_for_few_rows);
    tcase_add_test(c, kinds_are_apart);
    tcase_add_test(c, prefer_refusals);
    tcase_add_loop_test(c, damaged_tuning, 0, 3);
    suite_add_tcase(suite, c);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv, "tuning", add);
}
