/* Clamped devices: what is too little is refused with the reason, what is odd but enough gives right results. */
#include "test_api.h"

#include "trial.h"

#include <stdio.h>

#define L(field, value) PATCH(fovea_device_limits, field, value)

/* A GPU kernel needs these; native kernels of the CPU do not ask. */
static const struct {
    const char *name;
    api_patch patch;
    const char *reason;
} too_little[] = {
    {"64 bytes of shared memory", L(shared_memory, 64), "shared memory"},
    {"1 invocation", L(workgroup_invocations, 1), "invocation"},
    {"2 storage buffers", L(storage_buffers, 2), "storage buffers"},
    {"32 bytes of parameters", L(parameter_bytes, 32), "push constants"},
    {"10 loop iterations", L(loop_iterations, 10), "loop iterations"},
};

static fovea_status open_and_create(const fovea_device_params *params, char *reason, size_t size)
{
    fovea_device *device = NULL;
    fovea_op *op = NULL;
    const fovea_softmax_params softmax = api_params();
    fovea_status status = fovea_device_open(params, &device);
    snprintf(reason, size, "%.*s", (int)size - 1, test.message_count ? test.messages[0].text : "");
    if (status == FOVEA_OK) {
        status = fovea_softmax_create(device, &softmax, &op);
        fovea_last_error(device, reason, size);
    }
    fovea_op_destroy(op);
    fovea_device_destroy(device);
    return status;
}

START_TEST(too_little_is_unsupported)
{
    char reason[TEST_MESSAGE_SIZE];
    fovea_device_params params = test.params;
    if (test_is_cpu())
        return;
    api_apply(&params.limits, &too_little[_i].patch);
    test_forget_messages();
    const fovea_status status = open_and_create(&params, reason, sizeof reason);
    ck_assert_msg(status == FOVEA_UNSUPPORTED, "%s: %s: %s", too_little[_i].name, fovea_status_name(status), reason);
    test_contains(reason, too_little[_i].reason);
    test_forget_messages();
}
END_TEST

START_TEST(too_small_a_range_is_unsupported)
{
    fovea_device_params params = test.params;
    fovea_device *device = NULL;
    char reason[TEST_MESSAGE_SIZE];
    params.limits.storage_range = 1024;
    test_status(NULL, FOVEA_OK, fovea_device_open(&params, &device));
    const test_case c = {.name = "range",
                         .batch = 1,
                         .heads_q = 1,
                         .heads_k = 1,
                         .heads_v = 1,
                         .seq_q = 3,
                         .seq_k = 99,
                         .dim_qk = 8,
                         .dim_v = 8};
    trial t;
    const trial_options defaults = {.split_count = 1};
    trial_begin(&t, device, &c, 0);
    const fovea_softmax_params softmax = trial_params(&t, &defaults);
    fovea_op *op = NULL;
    fovea_status status = fovea_softmax_create(device, &softmax, &op);
    if (status == FOVEA_OK) {
        const fovea_op_args args = trial_args(&t);
        status = fovea_op_run(op, &args);
    }
    fovea_last_error(device, reason, sizeof reason);
    ck_assert_msg(status == FOVEA_UNSUPPORTED, "%s: %s", fovea_status_name(status), reason);
    test_contains(reason, "1024");
    test_forget_messages();
    fovea_op_destroy(op);
    trial_end(&t);
    fovea_device_destroy(device);
}
END_TEST

static const struct {
    const char *name;
    api_patch patches[3];
    bool may_refuse; /* UNSUPPORTED is an answer too */
} odd[] = {
    {"grid of 3 x 1 x 1", {L(group_count_x, 3), L(group_count_y, 1), L(group_count_z, 1)}, false},
    {"grid of 1 x 2 x 1", {L(group_count_x, 1), L(group_count_y, 2), L(group_count_z, 1)}, false},
    {"offsets of 4096", {L(storage_offset_alignment, 4096)}, false},
    {"4 storage buffers", {L(storage_buffers, 4)}, true},
    {"3000 loop iterations", {L(loop_iterations, 3000)}, true},
    {"12,001 loop iterations", {L(loop_iterations, 12001)}, true},
    {"8,000 bytes of shared memory", {L(shared_memory, 8000)}, true},
    {"15 KiB and 100 invocations", {L(shared_memory, 15 << 10), L(workgroup_invocations, 100)}, true},
    {"32 invocations", {L(workgroup_invocations, 32), L(workgroup_size_x, 32)}, true},
    {"x of 64", {L(workgroup_size_x, 64)}, true},
    {"one unit", {L(compute_units, 1)}, false},
    {"no limit to loops", {L(loop_iterations, FOVEA_UNBOUNDED)}, false},
};

START_TEST(odd_limits_give_right_results)
{
    static const test_case c = {.name = "odd_limits",
                                .batch = 2,
                                .heads_q = 4,
                                .heads_k = 2,
                                .heads_v = 1,
                                .seq_q = 25,
                                .seq_k = 90,
                                .dim_qk = 40,
                                .dim_v = 33,
                                .mask = REF_CAUSAL};
    const trial_options runs[] = {{.tile = 0}, {.split_count = 3}, {.cost_budget_us = 1, .workspace = TRIAL_EXACT}};
    fovea_device_params params = test.params;
    fovea_device *device = NULL;
    if (!test_takes_number(_i))
        return;
    for (int n = 0; n < 3; n++)
        api_apply(&params.limits, &odd[_i].patches[n]);
    fovea_status status = fovea_device_open(&params, &device);
    if (status != FOVEA_UNSUPPORTED || !odd[_i].may_refuse)
        test_status(NULL, FOVEA_OK, status);
    trial t;
    for (size_t n = 0; n < 3 && status == FOVEA_OK; n++) {
        trial_begin(&t, device, &c, 0);
        const fovea_softmax_params softmax = trial_params(&t, &runs[n]);
        fovea_op *op = NULL;
        status = fovea_softmax_create(device, &softmax, &op);
        if (status != FOVEA_UNSUPPORTED || !odd[_i].may_refuse)
            test_status(device, FOVEA_OK, status);
        if (op) {
            trial_run_op(&t, op, runs[n].workspace);
            trial_check(&t);
        }
        fovea_op_destroy(op);
        trial_end(&t);
    }
    test_forget_messages();
    fovea_device_destroy(device);
}
END_TEST

/* A clamp never raises a limit. */
START_TEST(clamps_only_lower)
{
    fovea_device_params params = test.params;
    fovea_device_limits own, limits;
    fovea_device *device = NULL;
    params.limits = (fovea_device_limits){.shared_memory = UINT32_MAX,
                                          .workgroup_invocations = UINT32_MAX,
                                          .group_count_x = UINT32_MAX,
                                          .storage_buffers = UINT32_MAX,
                                          .storage_offset_alignment = 4,
                                          .storage_range = UINT64_MAX,
                                          .loop_iterations = UINT32_MAX};
    test_status(NULL, FOVEA_OK, fovea_device_open(&params, &device));
    test_ok(fovea_device_get_limits(device, &limits));
    fovea_device_destroy(device);
    params.limits = (fovea_device_limits){0};
    test_status(NULL, FOVEA_OK, fovea_device_open(&params, &device));
    test_ok(fovea_device_get_limits(device, &own));
    fovea_device_destroy(device);
    ck_assert_mem_eq(&own, &limits, sizeof own);
}
END_TEST

START_TEST(alignment_must_be_a_power_of_two)
{
    fovea_device_params params = test.params;
    fovea_device *device = NULL;
    params.limits.storage_offset_alignment = 768;
    const fovea_status status = fovea_device_open(&params, &device);
    ck_assert_msg(status == FOVEA_INVALID || status == FOVEA_UNSUPPORTED, "%s", fovea_status_name(status));
    test_forget_messages();
}
END_TEST

void add_limit_tests(Suite *suite)
{
    TCase *c = tcase_create("limits");
    tcase_add_loop_test(c, too_little_is_unsupported, 0, (int)(sizeof too_little / sizeof too_little[0]));
    tcase_add_test(c, too_small_a_range_is_unsupported);
    tcase_add_loop_test(c, odd_limits_give_right_results, 0, (int)(sizeof odd / sizeof odd[0]));
    tcase_add_test(c, clamps_only_lower);
    tcase_add_test(c, alignment_must_be_a_power_of_two);
    suite_add_tcase(suite, c);
}
