/* Preferred tiles: kept through the cache, first among the candidates of the next device, and never trusted blindly. */
#include "keeper.h"
#include "trial.h"

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
    tcase_add_test(c, kinds_are_apart);
    tcase_add_test(c, prefer_refusals);
    tcase_add_loop_test(c, damaged_tuning, 0, 3);
    suite_add_tcase(suite, c);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv, "tuning", add);
}
