/* What fails, fails with its status, leaves nothing behind, and leaves the device usable. */
#include "suite.h"

#include <string.h>

/* The results that are provoked; the values are Vulkan's. */
enum { NOT_READY = 1, TIMEOUT = 2, OUT_OF_HOST_MEMORY = -1, OUT_OF_DEVICE_MEMORY = -2, LOST = -4, UNKNOWN = -13 };

/* Work that meets every part of a backend. Stops at the first failure. */
static fovea_status use(bench *b)
{
    const fv_backend *backend = under_test.backend;
    const fv_command commands[] = {
        command_fill(b->source, 0, b->source->size, 1), command_barrier(),
        command_copy(b->source, b->target, b->source->size), command_barrier(),
        /* left out below where there is no kernel */
        command_step(b->step, (fv_range){b->source, 0, 64}, (fv_range){b->target, 0, 64}, 1)};
    const uint32_t count = under_test.kernels ? 5 : 3;
    void *memory;
    fovea_status status;
    for (int i = 0; i < 5; i++) { /* more than slots */
        fv_try(backend->record(b->device, commands, count));
        fv_try(backend->submit(b->device));
    }
    fv_try(backend->wait(b->device));
    fv_try(backend->execute(b->device, commands, count));
    fv_try(backend->buffer_map(b->staging, 0, 16, &memory));
    backend->buffer_unmap(b->staging, 0, 16);
    if (under_test.kernels) {
        fv_kernel_stats stats;
        backend->kernel_stats(b->step, &stats);
    }
fail:
    return status;
}

static fovea_status open_and_use(bench *b)
{
    const fovea_status status = bench_open(b, &under_test.params);
    return status == FOVEA_OK ? use(b) : status;
}

/* After a failure: gives up what was half recorded, waits for what was sent, and works again. */
static void recover(bench *b)
{
    under_test.backend->submit(b->device);
    ck_assert_int_eq(under_test.backend->wait(b->device), FOVEA_OK);
    ck_assert_int_eq(use(b), FOVEA_OK);
}

/* ---- host memory ----------------------------------------------------------------------------- */

START_TEST(every_host_allocation_may_fail)
{
    const long before = atomic_load(&under_test.memory.live);
    fovea_status status = FOVEA_OUT_OF_HOST_MEMORY;
    int failures = 0;
    for (; status != FOVEA_OK; failures++) {
        bench b;
        ck_assert_int_lt(failures, 1000);
        atomic_store(&under_test.memory.fail_at, atomic_load(&under_test.memory.calls) + failures);
        status = open_and_use(&b);
        atomic_store(&under_test.memory.fail_at, -1);
        ck_assert_msg(status == FOVEA_OK || status == FOVEA_OUT_OF_HOST_MEMORY, "allocation %d: status %d: %s",
                      failures, (int)status, under_test.host.error);
        if (b.device && status != FOVEA_OK)
            recover(&b);
        bench_close(&b);
        ck_assert_int_eq(atomic_load(&under_test.memory.live), before);
    }
    ck_assert_int_gt(failures, 3);
    ck_assert(!atomic_load(&under_test.memory.misused));
}
END_TEST

START_TEST(every_host_allocation_of_enumerate_may_fail)
{
    const long before = atomic_load(&under_test.memory.live);
    fovea_status status = FOVEA_OUT_OF_HOST_MEMORY;
    for (int failures = 0; status != FOVEA_OK; failures++) {
        uint32_t count = 0;
        ck_assert_int_lt(failures, 1000);
        atomic_store(&under_test.memory.fail_at, atomic_load(&under_test.memory.calls) + failures);
        status = under_test.backend->enumerate(&under_test.host, NULL, 0, &count);
        atomic_store(&under_test.memory.fail_at, -1);
        ck_assert(status == FOVEA_OK || status == FOVEA_OUT_OF_HOST_MEMORY);
        ck_assert_int_eq(atomic_load(&under_test.memory.live), before);
    }
}
END_TEST

START_TEST(record_and_submit_allocate_nothing)
{
    bench b;
    ck_assert_int_eq(open_and_use(&b), FOVEA_OK);
    const long before = atomic_load(&under_test.memory.calls);
    const fv_command fill = command_fill(b.source, 0, b.source->size, 1);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(under_test.backend->record(b.device, &fill, 1), FOVEA_OK);
        ck_assert_int_eq(under_test.backend->submit(b.device), FOVEA_OK);
    }
    ck_assert_int_eq(under_test.backend->wait(b.device), FOVEA_OK);
    ck_assert_int_eq(atomic_load(&under_test.memory.calls), before);
    bench_close(&b);
}
END_TEST

/* ---- driver calls ---------------------------------------------------------------------------- */

typedef struct provoked {
    int32_t result;
    fovea_status status;
} provoked;

static const provoked memory_failures[] = {
    {OUT_OF_DEVICE_MEMORY, FOVEA_OUT_OF_DEVICE_MEMORY},
    {OUT_OF_HOST_MEMORY, FOVEA_OUT_OF_HOST_MEMORY},
};

START_TEST(every_driver_call_may_run_out_of_memory)
{
    const provoked *failure = &memory_failures[_i];
    const fault_control *fault = &under_test.fault;
    const int32_t objects = fault->live();
    const long before = atomic_load(&under_test.memory.live);
    uint32_t struck = 1;
    for (uint32_t skip = 0; struck != 0; skip++) {
        bench b;
        ck_assert_uint_lt(skip, 1000);
        fault->arm(FAULT_ANY, skip, failure->result, 1);
        const fovea_status status = open_and_use(&b);
        struck = fault->fired();
        fault->disarm();
        ck_assert_msg(status == (struck ? failure->status : FOVEA_OK), "call %u: status %d: %s", skip, (int)status,
                      under_test.host.error);
        if (b.device && struck)
            recover(&b);
        bench_close(&b);
        ck_assert_int_eq(fault->live(), objects);
        ck_assert_int_eq(atomic_load(&under_test.memory.live), before);
    }
}
END_TEST

static const fault_call losing_calls[] = {FAULT_AllocateMemory, FAULT_CreateComputePipelines, FAULT_QueueSubmit,
                                          FAULT_WaitForFences};

enum { LOSING_COUNT = sizeof losing_calls / sizeof losing_calls[0] };

static fovea_status provoke_loss(bench *b)
{
    fv_kernel *kernel = NULL;
    fv_buffer *buffer = NULL;
    fovea_status status;
    fv_try(under_test.backend->buffer_create(b->device, 64, FV_MEMORY_DEVICE, &buffer));
    fv_try(bench_kernel(b->device, 5, &kernel));
    fv_try(use(b));
fail:
    if (buffer)
        under_test.backend->buffer_destroy(buffer);
    if (kernel)
        under_test.backend->kernel_destroy(kernel);
    return status;
}

START_TEST(a_lost_device_stays_lost_and_can_be_destroyed)
{
    bench b;
    const fv_backend *backend = under_test.backend;
    const int32_t objects = under_test.fault.live();
    ck_assert_int_eq(open_and_use(&b), FOVEA_OK);
    ck_assert(!backend->lost(b.device));
    under_test.fault.arm(losing_calls[_i], 0, LOST, 1);
    ck_assert_int_eq(provoke_loss(&b), FOVEA_DEVICE_LOST);
    ck_assert_uint_eq(under_test.fault.fired(), 1);
    ck_assert(backend->lost(b.device));

    fv_buffer *buffer = NULL;
    fv_kernel *kernel = NULL;
    void *memory;
    const fv_command fill = command_fill(b.source, 0, 4, 0);
    ck_assert_int_eq(backend->buffer_create(b.device, 4, FV_MEMORY_DEVICE, &buffer), FOVEA_DEVICE_LOST);
    ck_assert_int_eq(bench_kernel(b.device, 5, &kernel), FOVEA_DEVICE_LOST);
    ck_assert_int_eq(backend->buffer_map(b.staging, 0, 4, &memory), FOVEA_DEVICE_LOST);
    ck_assert_int_eq(backend->record(b.device, &fill, 1), FOVEA_DEVICE_LOST);
    ck_assert_int_eq(backend->submit(b.device), FOVEA_DEVICE_LOST);
    ck_assert_int_eq(backend->wait(b.device), FOVEA_DEVICE_LOST);
    ck_assert_int_eq(backend->execute(b.device, &fill, 1), FOVEA_DEVICE_LOST);
    bench_close(&b);
    ck_assert_int_eq(under_test.fault.live(), objects);
}
END_TEST

START_TEST(a_refused_pipeline_is_compile_failed)
{
    bench b;
    fv_kernel *kernel = NULL;
    ck_assert_int_eq(open_and_use(&b), FOVEA_OK);
    under_test.fault.arm(FAULT_CreateComputePipelines, 0, UNKNOWN, 1);
    ck_assert_int_eq(bench_kernel(b.device, 5, &kernel), FOVEA_COMPILE_FAILED);
    ck_assert_ptr_null(kernel);
    ck_assert_ptr_nonnull(strstr(under_test.host.error, "step.test"));
    ck_assert_ptr_nonnull(strstr(under_test.host.error, "VK_ERROR_UNKNOWN"));
    ck_assert_int_eq(bench_kernel(b.device, 5, &kernel), FOVEA_OK);
    under_test.backend->kernel_destroy(kernel);
    bench_close(&b);
}
END_TEST

/* ---- timeouts -------------------------------------------------------------------------------- */

START_TEST(submit_that_times_out_keeps_the_work)
{
    bench b;
    const fv_backend *backend = under_test.backend;
    fovea_device_params params = under_test.params;
    params.slots = 1;
    ck_assert_int_eq(bench_open(&b, &params), FOVEA_OK);
    const fv_command fill = command_fill(b.source, 0, 4, 77);
    ck_assert_int_eq(backend->record(b.device, &fill, 1), FOVEA_OK);
    under_test.fault.arm(FAULT_WaitForFences, 0, TIMEOUT, 1);
    ck_assert_int_eq(backend->submit(b.device), FOVEA_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(under_test.host.error, "20000 ms"));
    /* recording never waits: with every slot in flight it says so */
    under_test.fault.arm(FAULT_GetFenceStatus, 0, NOT_READY, 1);
    ck_assert_int_eq(backend->record(b.device, &fill, 1), FOVEA_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(under_test.host.error, "in flight"));
    ck_assert_int_eq(backend->wait(b.device), FOVEA_OK);
    ck_assert_uint_eq(bench_read(&b, b.source, 0), 77);
    bench_close(&b);
}
END_TEST

/* The list of an execute that timed out is kept until it is done. */
START_TEST(execute_that_times_out_leaks_nothing)
{
    bench b;
    const fv_backend *backend = under_test.backend;
    const int32_t objects = under_test.fault.live();
    ck_assert_int_eq(open_and_use(&b), FOVEA_OK);
    const fv_command fill = command_fill(b.source, 0, 4, 78);
    under_test.fault.arm(FAULT_WaitForFences, 0, TIMEOUT, 1);
    ck_assert_int_eq(backend->execute(b.device, &fill, 1), FOVEA_TIMEOUT);
    ck_assert(!backend->lost(b.device));
    /* waited for by the next destroy or wait, or by close */
    if (_i == 0)
        ck_assert_int_eq(backend->wait(b.device), FOVEA_OK);
    if (_i == 1)
        ck_assert_uint_eq(bench_read(&b, b.source, 0), 78);
    bench_close(&b);
    ck_assert_int_eq(under_test.fault.live(), objects);
}
END_TEST

/* Work that never ends: close gives up after the timeout and frees the host's memory all the same. */
START_TEST(close_gives_up_after_the_timeout)
{
    bench b;
    const fv_backend *backend = under_test.backend;
    const long before = atomic_load(&under_test.memory.live);
    ck_assert_int_eq(open_and_use(&b), FOVEA_OK);
    const fv_command fill = command_fill(b.source, 0, 4, 79);
    ck_assert_int_eq(backend->record(b.device, &fill, 1), FOVEA_OK);
    ck_assert_int_eq(backend->submit(b.device), FOVEA_OK);
    ck_assert_int_eq(backend->execute(b.device, &fill, 1), FOVEA_OK); /* both are done now, in truth */
    under_test.fault.arm(FAULT_WaitForFences, 0, TIMEOUT, 1);
    backend->buffer_destroy(b.source);
    backend->buffer_destroy(b.target);
    backend->buffer_destroy(b.staging);
    backend->kernel_destroy(b.step);
    backend->close(b.device);
    under_test.fault.disarm();
    ck_assert_ptr_nonnull(strstr(under_test.last_message, "left behind"));
    ck_assert_int_eq(atomic_load(&under_test.memory.live), before);
}
END_TEST

/* What is destroyed while an execute's list is late waits for it, and goes with the device where that gives up. */
START_TEST(close_gives_up_on_late_lists)
{
    bench b;
    const fv_backend *backend = under_test.backend;
    const long before = atomic_load(&under_test.memory.live);
    fovea_device_params params = under_test.params;
    params.timeout_ms = 50;
    ck_assert_int_eq(bench_open(&b, &params), FOVEA_OK);
    const fv_command fill = command_fill(b.source, 0, 4, 80);
    const int32_t objects = under_test.fault.live();
    under_test.fault.stall(true);
    const fovea_status status = backend->execute(b.device, &fill, 1);
    backend->buffer_destroy(b.source);
    backend->buffer_destroy(b.target);
    backend->buffer_destroy(b.staging);
    backend->kernel_destroy(b.step);
    const int32_t kept = under_test.fault.live();
    backend->close(b.device);
    under_test.fault.stall(false);
    ck_assert_int_eq(status, FOVEA_TIMEOUT);
    ck_assert_int_ge(kept, objects);
    ck_assert_ptr_nonnull(strstr(under_test.last_message, "left behind"));
    ck_assert_int_eq(atomic_load(&under_test.memory.live), before);
}
END_TEST

/* ---- memory that is not coherent ------------------------------------------------------------- */

START_TEST(memory_without_coherence_is_flushed_and_invalidated)
{
    bench b;
    void *memory;
    const fault_control *fault = &under_test.fault;
    fault->hide_coherent(true);
    ck_assert_int_eq(open_and_use(&b), FOVEA_OK);
    fault->hide_coherent(false);
    const uint32_t flushes = fault->calls(FAULT_FlushMappedMemoryRanges);
    const uint32_t invalidations = fault->calls(FAULT_InvalidateMappedMemoryRanges);
    /* the validation layer judges whether the ranges are whole atoms */
    for (uint64_t offset = 0; offset < b.staging->size; offset += 509) {
        ck_assert_int_eq(under_test.backend->buffer_map(b.staging, offset, 1, &memory), FOVEA_OK);
        under_test.backend->buffer_unmap(b.staging, offset, 1);
    }
    ck_assert_uint_gt(fault->calls(FAULT_FlushMappedMemoryRanges), flushes);
    ck_assert_uint_gt(fault->calls(FAULT_InvalidateMappedMemoryRanges), invalidations);
    fault->arm(FAULT_InvalidateMappedMemoryRanges, 0, OUT_OF_HOST_MEMORY, 1);
    ck_assert_int_eq(under_test.backend->buffer_map(b.staging, 0, 1, &memory), FOVEA_OUT_OF_HOST_MEMORY);
    bench_close(&b);
}
END_TEST

void add_fault_cases(Suite *suite)
{
    TCase *tcase = tcase_create("faults");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, every_host_allocation_may_fail);
    tcase_add_test(tcase, every_host_allocation_of_enumerate_may_fail);
    tcase_add_test(tcase, record_and_submit_allocate_nothing);
    if (under_test.faults) {
        tcase_add_loop_test(tcase, every_driver_call_may_run_out_of_memory, 0, 2);
        tcase_add_loop_test(tcase, a_lost_device_stays_lost_and_can_be_destroyed, 0, LOSING_COUNT);
        tcase_add_test(tcase, a_refused_pipeline_is_compile_failed);
        tcase_add_test(tcase, submit_that_times_out_keeps_the_work);
        tcase_add_loop_test(tcase, execute_that_times_out_leaks_nothing, 0, 3);
        tcase_add_test(tcase, memory_without_coherence_is_flushed_and_invalidated);
        tcase_add_test(tcase, close_gives_up_after_the_timeout); /* leaves objects behind: last */
        tcase_add_test(tcase, close_gives_up_on_late_lists);     /* leaves objects behind: last */
    }
    suite_add_tcase(suite, tcase);
}
