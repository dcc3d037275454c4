/* Rates and time stamps. */
#include "test_api.h"

#include "trial.h"

#include <math.h>

static const test_case timed = {.name = "timed",
                                .batch = 1,
                                .heads_q = 2,
                                .heads_k = 1,
                                .heads_v = 1,
                                .seq_q = 65,
                                .seq_k = 129,
                                .dim_qk = 40,
                                .dim_v = 24};

static bool is_cost(fovea_rate rate)
{
    return rate >= FOVEA_RATE_DISPATCH && rate <= FOVEA_RATE_SUBMIT;
}

/* Whether the device under test multiplies matrices of that rate's type in kernels of this build. */
static bool has_matrices(fovea_rate rate)
{
    const fovea_dtype operand = rate == FOVEA_RATE_MATRIX_F16 ? FOVEA_F16 : FOVEA_BF16;
    if (test.info.tier != FOVEA_TIER_MATRIX ||
        (test.params.max_tier != FOVEA_TIER_DEFAULT && test.params.max_tier < FOVEA_TIER_MATRIX))
        return false;
    if (test_is_cpu())
        return operand == FOVEA_BF16;
    for (uint32_t i = 0; i < test.info.matrix_count; i++)
        if (test.info.matrices[i].operand == operand)
            return true;
    return false;
}

/* The library checks what its kernels leave; a figure is only asked to be one. */
START_TEST(every_rate)
{
    const fovea_rate rate = (fovea_rate)_i;
    const bool cost = is_cost(rate);
    double value = -1.0;
    if (!test_takes_number(_i))
        return;
    const fovea_status status = fovea_device_measure(test.opened, rate, &value);
    if ((rate == FOVEA_RATE_MATRIX_F16 || rate == FOVEA_RATE_MATRIX_BF16) && !has_matrices(rate)) {
        ck_assert_int_eq(status, FOVEA_UNSUPPORTED);
        ck_assert(value == 0.0);
        test_contains(api_error(), "matri" /* "matrix unit", "matrices" or a rate of them */);
        test_forget_messages();
        return;
    }
    ck_assert_msg(status == FOVEA_OK, "%s: %s: %s", fovea_rate_name(rate), fovea_status_name(status), api_error());
    ck_assert_msg(isfinite(value) && value < (cost ? 1.0 : 1e17) && (cost ? value >= 0.0 : value > 1.0), "%s: %g",
                  fovea_rate_name(rate), value);
}
END_TEST

START_TEST(measure_refusals)
{
    double value = 1.0;
    ck_assert_int_eq(fovea_device_measure(NULL, FOVEA_RATE_EXP2, &value), FOVEA_INVALID);
    test_status(test.opened, FOVEA_INVALID, fovea_device_measure(test.opened, FOVEA_RATE_EXP2, NULL));
    test_status(test.opened, FOVEA_INVALID, fovea_device_measure(test.opened, FOVEA_RATE_COUNT, &value));
    ck_assert(value == 0.0);
    test_status(test.opened, FOVEA_INVALID, fovea_device_measure(test.opened, (fovea_rate)-1, &value));
    test_contains(api_error(), "rate");
    test_forget_messages();
}
END_TEST

static const struct {
    const char *name;
    api_patch patches[2];
} clamps[] = {
    {"8191 bytes of shared memory", {PATCH(fovea_device_limits, shared_memory, 8191)}},
    {"1000 loop iterations", {PATCH(fovea_device_limits, loop_iterations, 1000)}},
    {"1400 loop iterations", {PATCH(fovea_device_limits, loop_iterations, 1400)}},
    {"2000 loop iterations", {PATCH(fovea_device_limits, loop_iterations, 2000)}},
    {"2400 loop iterations", {PATCH(fovea_device_limits, loop_iterations, 2400)}},
    {"one workgroup", {PATCH(fovea_device_limits, group_count_x, 1), PATCH(fovea_device_limits, group_count_y, 1)}},
    {"2^48 workgroups",
     {PATCH(fovea_device_limits, group_count_x, 1 << 24), PATCH(fovea_device_limits, group_count_y, 1 << 24)}},
    {"a range of 1000", {PATCH(fovea_device_limits, storage_range, 1000)}},
    {"a range of 300", {PATCH(fovea_device_limits, storage_range, 300)}},
    {"a range of 100", {PATCH(fovea_device_limits, storage_range, 100)}},
    {"one lane", {PATCH(fovea_device_limits, workgroup_invocations, 1)}},
};

/* Whatever the limits: a rate, or UNSUPPORTED; never a rate of nothing. */
START_TEST(measure_within_limits)
{
    fovea_device_params params = test.params;
    fovea_device *device = NULL;
    if (!test_takes_number(_i))
        return;
    for (int n = 0; n < 2; n++)
        api_apply(&params.limits, &clamps[_i].patches[n]);
    if (fovea_device_open(&params, &device) == FOVEA_OK)
        for (int rate = 0; rate < FOVEA_RATE_COUNT; rate += rate == FOVEA_RATE_FMA_F32 ? 3 : 1) {
            double value = -1.0;
            char reason[TEST_MESSAGE_SIZE];
            const fovea_status status = fovea_device_measure(device, (fovea_rate)rate, &value);
            fovea_last_error(device, reason, sizeof reason);
            const bool cost = is_cost((fovea_rate)rate);
            ck_assert_msg((status == FOVEA_OK && (cost ? value >= 0.0 : value > 1.0)) ||
                              (status == FOVEA_UNSUPPORTED && value == 0.0),
                          "%s: %s: %s, %g: %s", clamps[_i].name, fovea_rate_name((fovea_rate)rate),
                          fovea_status_name(status), value, reason);
        }
    fovea_device_destroy(device);
    test_forget_messages();
}
END_TEST

START_TEST(rate_names)
{
    for (int a = 0; a < FOVEA_RATE_COUNT; a++)
        for (int b = 0; b < a; b++)
            ck_assert_str_ne(fovea_rate_name((fovea_rate)a), fovea_rate_name((fovea_rate)b));
    ck_assert_str_eq(fovea_rate_name((fovea_rate)99), "not a fovea_rate");
}
END_TEST

/* Stamps lie in the order of recording, across submits, and around work there is time. */
START_TEST(stamps_around_runs)
{
    const trial_options options = {.tile = 0};
    double s[4], again[2];
    trial t;
    trial_begin(&t, test.opened, &timed, 0);
    const fovea_softmax_params params = trial_params(&t, &options);
    const fovea_op_args args = trial_args(&t);
    fovea_op *op = NULL;
    test_ok(fovea_softmax_create(test.opened, &params, &op));
    test_ok(fovea_device_stamp(test.opened, 0));
    test_ok(fovea_op_run(op, &args));
    test_ok(fovea_device_stamp(test.opened, 1));
    test_ok(fovea_device_submit(test.opened));
    test_ok(fovea_device_stamp(test.opened, 2));
    for (int n = 0; n < 3; n++)
        test_ok(fovea_op_run(op, &args));
    test_ok(fovea_device_stamp(test.opened, 3));
    test_ok(fovea_device_get_stamps(test.opened, 0, 4, s));
    ck_assert_msg(s[0] < s[1] && s[1] <= s[2] && s[2] < s[3], "%.9f %.9f %.9f %.9f", s[0], s[1], s[2], s[3]);
    ck_assert_msg(s[3] - s[0] < 60.0, "%.9f to %.9f", s[0], s[3]);
    test_ok(fovea_device_stamp(test.opened, 0)); /* replaces the first */
    test_ok(fovea_device_get_stamps(test.opened, 0, 2, again));
    ck_assert_msg(again[0] >= s[3] && again[1] == s[1], "%.9f %.9f", again[0], again[1]);
    test_ok(fovea_device_get_stamps(test.opened, FOVEA_STAMPS, 0, NULL));
    trial_fetch(&t, op);
    trial_check(&t);
    test_keep_op(op);
    trial_end(&t);
}
END_TEST

START_TEST(stamp_refusals)
{
    double s[2];
    fovea_device *device = NULL;
    test_status(NULL, FOVEA_OK, fovea_device_open(&test.params, &device));
    ck_assert_int_eq(fovea_device_stamp(NULL, 0), FOVEA_INVALID);
    ck_assert_int_eq(fovea_device_get_stamps(NULL, 0, 1, s), FOVEA_INVALID);
    test_status(device, FOVEA_INVALID, fovea_device_stamp(device, FOVEA_STAMPS));
    test_status(device, FOVEA_INVALID, fovea_device_get_stamps(device, 0, 1, s)); /* never recorded */
    test_status(device, FOVEA_OK, fovea_device_stamp(device, 0));
    test_status(device, FOVEA_INVALID, fovea_device_get_stamps(device, 0, 2, s));
    test_status(device, FOVEA_INVALID, fovea_device_get_stamps(device, 0, 1, NULL));
    test_status(device, FOVEA_INVALID, fovea_device_get_stamps(device, 1, UINT32_MAX, s));
    test_status(device, FOVEA_INVALID, fovea_device_get_stamps(device, UINT32_MAX, 2, s));
    test_status(device, FOVEA_OK, fovea_device_get_stamps(device, 0, 1, s));
    fovea_device_destroy(device);
    test_forget_messages();
}
END_TEST

void add_measure_tests(Suite *suite)
{
    TCase *c = tcase_create("measure");
    tcase_add_loop_test(c, every_rate, 0, FOVEA_RATE_COUNT);
    tcase_add_test(c, measure_refusals);
    tcase_add_loop_test(c, measure_within_limits, 0, (int)(sizeof clamps / sizeof clamps[0]));
    tcase_add_test(c, rate_names);
    tcase_add_test(c, stamps_around_runs);
    tcase_add_test(c, stamp_refusals);
    suite_add_tcase(suite, c);
}
