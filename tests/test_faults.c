/* Failing drivers, seen through the public API: every kind of driver call fails once with each memory error, the status
 * is right, the device still works, nothing leaks; and a lost device stays lost. Needs the fault layer. */
#include "fault/fault.h"
#include "keeper.h"
#include "trial.h"

#include <time.h>

enum { HOST_MEMORY = -1, DEVICE_MEMORY = -2, LOST = -4, NOT_READY = 1, TIMED_OUT = 2 }; /* VkResult */

static fault_control fault;

static const test_case c = {.name = "faults",
                            .batch = 1,
                            .heads_q = 2,
                            .heads_k = 1,
                            .heads_v = 1,
                            .seq_q = 7,
                            .seq_k = 19,
                            .dim_qk = 8,
                            .dim_v = 8};

/* Calls that work in an opened device meets, and those that open meets. */
static const struct {
    fault_call call;
    const char *name;
    bool opening;
} calls[] = {
#define ROW(call, opening)           \
    {                                \
        FAULT_##call, #call, opening \
    }
    ROW(CreateInstance, true),        ROW(EnumeratePhysicalDevices, true),
    ROW(CreateDevice, true),          ROW(GetPhysicalDeviceCooperativeMatrixPropertiesKHR, true),
    ROW(CreateCommandPool, true),     ROW(AllocateCommandBuffers, true),
    ROW(CreateFence, true),           ROW(AllocateMemory, false),
    ROW(CreateBuffer, false),         ROW(BindBufferMemory, false),
    ROW(CreateShaderModule, false),   ROW(CreateDescriptorSetLayout, false),
    ROW(CreatePipelineLayout, false), ROW(CreateComputePipelines, false),
    ROW(QueueSubmit, false),          ROW(BeginCommandBuffer, false),
    ROW(EndCommandBuffer, false),
#undef ROW
};
enum { CALLS = sizeof calls / sizeof calls[0] };

/* Buffers, an op, a run, its result. Stops at the first failure and gives its status. */
static fovea_status use(fovea_device *device, fovea_op *spare)
{
    const uint64_t size = 4096;
    unsigned char bytes[4096] = {0};
    const fovea_softmax_params params = {.q = {.rank = 4, .extents = {1, 2, 7, 8}},
                                         .k = {.rank = 4, .extents = {1, 1, 19, 8}},
                                         .v = {.rank = 4, .extents = {1, 1, 19, 8}},
                                         .o = {.rank = 4, .extents = {1, 2, 7, 8}}};
    fovea_buffer *buffers[4] = {NULL};
    fovea_op *op = NULL;
    fovea_op_args args = {.seq_q = FOVEA_MAXIMUM, .seq_k = FOVEA_MAXIMUM};
    fovea_status status = FOVEA_OK;
    for (int n = 0; n < 4 && status == FOVEA_OK; n++) {
        status = fovea_buffer_create(device, size, &buffers[n]);
        if (status == FOVEA_OK)
            status = fovea_buffer_upload(buffers[n], 0, bytes, size);
        args.tensors[n].buffer = buffers[n];
    }
    if (status == FOVEA_OK)
        status = spare ? FOVEA_OK : fovea_softmax_create(device, &params, &op);
    if (status == FOVEA_OK)
        status = fovea_op_run(spare ? spare : op, &args);
    if (status == FOVEA_OK)
        status = fovea_buffer_download(buffers[FOVEA_O], 0, bytes, size);
    const fovea_status waited = fovea_device_wait(device);
    fovea_op_destroy(op);
    for (int n = 0; n < 4; n++)
        fovea_buffer_destroy(buffers[n]);
    return status == FOVEA_OK ? waited : status;
}

static fovea_status open_and_use(void)
{
    fovea_device *device = NULL;
    fovea_status status = fovea_device_open(&test.params, &device);
    if (status != FOVEA_OK)
        ck_assert_ptr_null(device);
    else
        status = use(device, NULL);
    fovea_device_destroy(device);
    return status;
}

static bool names_memory(fovea_status status, int32_t result)
{
    return status == (result == HOST_MEMORY ? FOVEA_OUT_OF_HOST_MEMORY : FOVEA_OUT_OF_DEVICE_MEMORY);
}

/* Each call of each kind, once with every memory error. */
START_TEST(every_call_fails_once)
{
    static const int32_t results[] = {DEVICE_MEMORY, HOST_MEMORY};
    const int32_t live = fault.live(), result = results[_i % 2];
    const uint32_t most = test.level == CASE_FULL ? 40 : 3;
    const char *name = calls[_i / 2].name;
    if (!test_takes_number(_i / 2))
        return;
    for (uint32_t n = 0; n < most; n++) {
        fault.arm(calls[_i / 2].call, n, result, 1);
        const fovea_status status = open_and_use();
        const uint32_t fired = fault.fired();
        fault.disarm();
        ck_assert_msg(fault.live() == live, "%s, call %u: %d objects leaked", name, n, (int)(fault.live() - live));
        if (fired == 0) {
            ck_assert_msg(status == FOVEA_OK, "%s: %s", name, fovea_status_name(status));
            break;
        }
        /* Where enumeration fails there may be no device to name, and a self-test may choose another kernel. */
        ck_assert_msg(names_memory(status, result) || status == FOVEA_NO_DEVICE || status == FOVEA_OK,
                      "%s, call %u: %s", name, n, fovea_status_name(status));
        ck_assert_msg(status != FOVEA_NO_DEVICE || calls[_i / 2].opening, "%s, call %u: %s", name, n,
                      fovea_status_name(status));
    }
    test_forget_messages();
}
END_TEST

/* After a failed call the same device, not a new one, gives right results. */
START_TEST(device_survives)
{
    static const fault_call kinds[] = {FAULT_AllocateMemory, FAULT_CreateBuffer, FAULT_CreateComputePipelines};
    trial t;
    const trial_options defaults = {.tile = 0};
    fault.arm(kinds[_i], 0, DEVICE_MEMORY, 1);
    const fovea_status status = use(test.opened, NULL);
    ck_assert_uint_eq(fault.fired(), 1);
    fault.disarm();
    ck_assert_int_eq(status, FOVEA_OUT_OF_DEVICE_MEMORY);
    trial_begin(&t, test.opened, &c, 0);
    trial_run(&t, &defaults);
    trial_check(&t);
    trial_end(&t);
    test_forget_messages();
}
END_TEST

/* Once lost, always lost, in every call, and the last error says so; destroying all is clean. */
START_TEST(lost_is_latched)
{
    fovea_device *device = NULL;
    const int32_t live = fault.live();
    char reason[1024];
    trial t;
    const trial_options defaults = {.tile = 0};
    test_status(NULL, FOVEA_OK, fovea_device_open(&test.params, &device));
    trial_begin(&t, device, &c, 0);
    const fovea_softmax_params params = trial_params(&t, &defaults);
    const fovea_op_args args = trial_args(&t);
    fovea_op *op = NULL, *another = NULL;
    fovea_buffer *buffer = NULL;
    test_status(device, FOVEA_OK, fovea_softmax_create(device, &params, &op));
    test_status(device, FOVEA_OK, fovea_op_run(op, &args));
    fault.arm(_i ? FAULT_WaitForFences : FAULT_QueueSubmit, 0, LOST, 1);
    fovea_status status = fovea_device_wait(device);
    ck_assert_uint_ge(fault.fired(), 1);
    fault.disarm();
    ck_assert_int_eq(status, FOVEA_DEVICE_LOST);
    ck_assert_uint_gt(fovea_last_error(device, reason, sizeof reason), 0);
    ck_assert_int_eq(fovea_op_run(op, &args), FOVEA_DEVICE_LOST);
    ck_assert_int_eq(fovea_device_submit(device), FOVEA_DEVICE_LOST);
    ck_assert_int_eq(fovea_device_wait(device), FOVEA_DEVICE_LOST);
    ck_assert_int_eq(fovea_softmax_create(device, &params, &another), FOVEA_DEVICE_LOST);
    ck_assert_ptr_null(another);
    ck_assert_int_eq(fovea_buffer_upload(t.tensors[0].buffer, 0, reason, 4), FOVEA_DEVICE_LOST);
    ck_assert_int_eq(fovea_buffer_download(t.tensors[0].buffer, 0, reason, 4), FOVEA_DEVICE_LOST);
    ck_assert_int_eq(fovea_buffer_create(device, 64, &buffer), FOVEA_DEVICE_LOST);
    ck_assert_ptr_null(buffer);
    fovea_op_destroy(op);
    trial_end(&t);
    fovea_device_destroy(device);
    ck_assert_msg(fault.live() == live, "%d objects leaked", (int)(fault.live() - live));
    test_forget_messages();
}
END_TEST

START_TEST(timeout_is_a_status)
{
    trial t;
    const trial_options defaults = {.tile = 0};
    trial_begin(&t, test.opened, &c, 0);
    const fovea_softmax_params params = trial_params(&t, &defaults);
    const fovea_op_args args = trial_args(&t);
    fovea_op *op = NULL;
    test_ok(fovea_softmax_create(test.opened, &params, &op));
    test_ok(fovea_op_run(op, &args));
    fault.arm(FAULT_WaitForFences, 0, TIMED_OUT, 1);
    ck_assert_int_eq(fovea_device_wait(test.opened), FOVEA_TIMEOUT);
    fault.disarm();
    test_ok(fovea_device_wait(test.opened)); /* a timeout is not the end */
    trial_run_op(&t, op, TRIAL_OWN);
    trial_check(&t);
    test_keep_op(op);
    trial_end(&t);
    test_forget_messages();
}
END_TEST

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* A measurement on a device whose work does not end waits once: the memory and the kernels of what still runs are let
 * go when it has ended, by the next wait, by the next measurement or at the latest with the device. */
START_TEST(measuring_waits_for_one_timeout)
{
    enum { TIMEOUT_MS = 1000 };
    fovea_device_params params = test.params;
    fovea_device *device = NULL;
    const int32_t live = fault.live();
    double value = 1.0;
    params.timeout_ms = TIMEOUT_MS;
    test_status(NULL, FOVEA_OK, fovea_device_open(&params, &device));
    fault.stall(true);
    const double begin = seconds();
    const fovea_status status = fovea_device_measure(device, FOVEA_RATE_SUBMIT, &value);
    const double lasted = seconds() - begin;
    const int32_t kept = fault.live();
    fault.stall(false);
    ck_assert_int_eq(status, FOVEA_TIMEOUT);
    ck_assert_msg(lasted < 2e-3 * TIMEOUT_MS && value == 0.0, "%g s, %g", lasted, value);
    if (_i == 0)
        test_status(device, FOVEA_OK, fovea_device_wait(device));
    if (_i == 1)
        test_status(device, FOVEA_OK, fovea_device_measure(device, FOVEA_RATE_SUBMIT, &value));
    if (_i < 2)
        ck_assert_int_lt(fault.live(), kept);
    fovea_device_destroy(device);
    ck_assert_int_eq(fault.live(), live);
    test_forget_messages();
}
END_TEST

/* Whether the device's last error has this text. */
static bool says(fovea_device *device, const char *text)
{
    char error[1024];
    fovea_last_error(device, error, sizeof error);
    return strstr(error, text) != NULL;
}

static fovea_status stamp_twice(fovea_device *device, double s[2])
{
    fovea_status status = fovea_device_stamp(device, 0);
    if (status == FOVEA_OK)
        status = fovea_device_stamp(device, 1);
    return status == FOVEA_OK ? fovea_device_get_stamps(device, 0, 2, s) : status;
}

/* The query pool is made with the first stamp: where that fails, a later one makes it. */
START_TEST(stamps_without_memory)
{
    static const int32_t results[] = {DEVICE_MEMORY, HOST_MEMORY};
    fovea_device *device = NULL;
    const int32_t live = fault.live();
    double s[2];
    test_status(NULL, FOVEA_OK, fovea_device_open(&test.params, &device));
    fault.arm(FAULT_CreateQueryPool, 0, results[_i], 1);
    const fovea_status status = stamp_twice(device, s);
    ck_assert_uint_eq(fault.fired(), 1);
    fault.disarm();
    ck_assert_msg(names_memory(status, results[_i]), "%s", fovea_status_name(status));
    ck_assert(says(device, "vkCreateQueryPool"));
    ck_assert_int_eq(fovea_device_get_stamps(device, 0, 1, s), FOVEA_INVALID); /* it was never recorded */
    test_status(device, FOVEA_OK, stamp_twice(device, s));
    ck_assert_msg(s[1] >= s[0], "%g %g", s[0], s[1]);
    fovea_device_destroy(device);
    ck_assert_int_eq(fault.live(), live);
    test_forget_messages();
}
END_TEST

/* Stamps that are not there yet are a timeout, and are read later. */
START_TEST(stamps_that_are_not_ready)
{
    fovea_device *device = NULL;
    double s[2] = {-1.0, -1.0};
    test_status(NULL, FOVEA_OK, fovea_device_open(&test.params, &device));
    fault.arm(FAULT_GetQueryPoolResults, 0, NOT_READY, 1);
    ck_assert_int_eq(stamp_twice(device, s), FOVEA_TIMEOUT);
    ck_assert_uint_eq(fault.fired(), 1);
    fault.disarm();
    ck_assert(says(device, "time stamps 0 to 1"));
    test_status(device, FOVEA_OK, fovea_device_get_stamps(device, 0, 2, s));
    ck_assert_msg(s[0] >= 0.0 && s[1] >= s[0], "%g %g", s[0], s[1]);
    fovea_device_destroy(device);
    test_forget_messages();
}
END_TEST

START_TEST(stamps_of_a_lost_device)
{
    fovea_device *device = NULL;
    const int32_t live = fault.live();
    double s[2];
    test_status(NULL, FOVEA_OK, fovea_device_open(&test.params, &device));
    fault.arm(FAULT_GetQueryPoolResults, 0, LOST, 1);
    ck_assert_int_eq(stamp_twice(device, s), FOVEA_DEVICE_LOST);
    ck_assert_uint_eq(fault.fired(), 1);
    fault.disarm();
    ck_assert(says(device, "vkGetQueryPoolResults"));
    ck_assert_int_eq(fovea_device_get_stamps(device, 0, 1, s), FOVEA_DEVICE_LOST);
    ck_assert_int_eq(fovea_device_stamp(device, 0), FOVEA_DEVICE_LOST);
    ck_assert_int_eq(fovea_device_wait(device), FOVEA_DEVICE_LOST);
    fovea_device_destroy(device);
    ck_assert_int_eq(fault.live(), live);
    test_forget_messages();
}
END_TEST

/* A driver that fails to tell its matrix shapes has none, and works as before; but want of memory is a status. tests/backend/matrices.c
 * has more, with a driver of its own. */
START_TEST(matrix_shapes_fail)
{
    static const int32_t results[] = {-3 /* initialization failed */, DEVICE_MEMORY, 5 /* incomplete */, HOST_MEMORY};
    const int32_t live = fault.live(), result = results[_i / 2];
    fovea_device *device = NULL;
    fovea_device_info info;
    if (test.info.matrix_count == 0)
        return;
    fault.arm(FAULT_GetPhysicalDeviceCooperativeMatrixPropertiesKHR, (uint32_t)_i % 2, result, 1);
    const fovea_status status = fovea_device_open(&test.params, &device);
    ck_assert_uint_eq(fault.fired(), 1);
    fault.disarm();
    if (result == HOST_MEMORY || result == DEVICE_MEMORY) {
        ck_assert(names_memory(status, result));
        ck_assert_ptr_null(device);
    } else {
        ck_assert_int_eq(status, FOVEA_OK);
        test_status(device, FOVEA_OK, fovea_device_get_info(device, &info));
        ck_assert_uint_eq(info.matrix_count, 0);
        ck_assert_int_lt((int)info.tier, FOVEA_TIER_MATRIX);
        ck_assert_int_eq(use(device, NULL), FOVEA_OK);
        fovea_device_destroy(device);
    }
    ck_assert_int_eq(fault.live(), live);
    test_forget_messages();
}
END_TEST

/* An operator, and with a tile of it, from 1 on, that tile before the planner's choice from now on. */
static fovea_status attend_f16(fovea_device *device, fovea_tier least, uint32_t tile, fovea_op_report *report)
{
    const fovea_tensor view = fovea_tensor_bhsd(FOVEA_F16, 1, 1, 40, 16);
    const fovea_softmax_params params = {.q = view, .k = view, .v = view, .o = view, .min_tier = least, .tile = tile};
    fovea_op *op = NULL;
    fovea_status status = fovea_softmax_create(device, &params, &op);
    if (status == FOVEA_OK)
        status = fovea_op_get_report(op, report);
    if (status == FOVEA_OK && tile > 0)
        status = fovea_op_prefer(op);
    fovea_op_destroy(op);
    return status;
}

/* A driver whose matrices are wrong: no kernel of that tier passes its test; asked for, it is refused, and preferred, the
 * next tier takes its place and says so. */
START_TEST(wrong_matrices_are_demoted)
{
    static keeper sound, wrong; /* what a device leaves behind, and of that its tuning alone */
    static fovea_op_report report;
    fovea_device_params params = test.params;
    fovea_device *device = NULL;
    if (test.info.tier != FOVEA_TIER_MATRIX)
        return;
    keeper_init(&sound);
    keeper_init(&wrong);
    params.cache = keeper_cache(&sound);
    test_status(NULL, FOVEA_OK, fovea_device_open(&params, &device));
    test_status(device, FOVEA_OK, attend_f16(device, FOVEA_TIER_MATRIX, 0, &report));
    ck_assert_int_eq((int)report.tier, FOVEA_TIER_MATRIX);
    const uint32_t tile = report.kernels[0].tile + 1;
    test_status(device, FOVEA_OK, attend_f16(device, FOVEA_TIER_DEFAULT, tile, &report));
    fovea_device_destroy(device);
    const keeper_entry *tuning = keeper_find(&sound, "tuning-", 0);
    ck_assert_ptr_nonnull(tuning);
    keeper_put(&wrong, tuning->key, tuning->data, tuning->size);
    params.cache = keeper_cache(&wrong);
    fault.garble(true);
    test_status(NULL, FOVEA_OK, fovea_device_open(&params, &device));
    ck_assert_int_ne(attend_f16(device, FOVEA_TIER_MATRIX, 0, &report), FOVEA_OK);
    ck_assert(says(device, "known-answer test"));
    test_status(device, FOVEA_OK, attend_f16(device, FOVEA_TIER_DEFAULT, 0, &report));
    ck_assert_int_lt((int)report.tier, FOVEA_TIER_MATRIX);
    test_contains(report.notes, "refused: its known-answer test gave a wrong result");
    fovea_device_destroy(device);
    fault.garble(false);
    keeper_release(&sound);
    keeper_release(&wrong);
    test_forget_messages();
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("faults");
    tcase_add_loop_test(tests, every_call_fails_once, 0, 2 * CALLS);
    tcase_add_loop_test(tests, device_survives, 0, 3);
    tcase_add_loop_test(tests, lost_is_latched, 0, 2);
    tcase_add_test(tests, timeout_is_a_status);
    tcase_add_loop_test(tests, measuring_waits_for_one_timeout, 0, 3);
    tcase_add_loop_test(tests, stamps_without_memory, 0, 2);
    tcase_add_test(tests, stamps_that_are_not_ready);
    tcase_add_test(tests, stamps_of_a_lost_device);
    tcase_add_loop_test(tests, matrix_shapes_fail, 0, 8);
    tcase_add_test(tests, wrong_matrices_are_demoted);
    suite_add_tcase(suite, tests);
}

int main(int argc, char **argv)
{
    if (!fault_connect(&fault))
        return test_skip("the fault layer is not in this process");
    return test_main(argc, argv, "faults", add);
}
