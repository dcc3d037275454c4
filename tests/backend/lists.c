/* Lists: slots in flight, execute beside an open list, timeouts. */
#include "suite.h"

#include <pthread.h>
#include <string.h>

static bench b;

static void setup(void)
{
    ck_assert_int_eq(bench_open(&b, &under_test.params), FOVEA_OK);
}

static void teardown(void)
{
    bench_close(&b);
}

static void record(const fv_command *commands, uint32_t count)
{
    ck_assert_int_eq(under_test.backend->record(b.device, commands, count), FOVEA_OK);
}

static void submit(void)
{
    ck_assert_int_eq(under_test.backend->submit(b.device), FOVEA_OK);
}

static void wait(void)
{
    ck_assert_int_eq(under_test.backend->wait(b.device), FOVEA_OK);
}

START_TEST(submit_without_commands_does_nothing)
{
    for (int i = 0; i < 10; i++)
        submit();
    wait();
    wait();
}
END_TEST

/* Later submissions see what earlier ones wrote, with more of them than slots. */
START_TEST(submissions_follow_each_other)
{
    enum { COUNT = 40 };
    const uint32_t slots[] = {1, 2, 3, 16};
    bench_close(&b);
    fovea_device_params params = under_test.params;
    params.slots = slots[_i];
    ck_assert_int_eq(bench_open(&b, &params), FOVEA_OK);
    for (uint32_t i = 0; i < COUNT; i++) {
        /* word i of source becomes i; the whole travels to target and back */
        const fv_command commands[] = {command_fill(b.source, 4 * i, 4, i), command_barrier(),
                                       command_copy(b.source, b.target, b.source->size), command_barrier(),
                                       command_copy(b.target, b.source, b.source->size)};
        record(commands, 5);
        submit();
    }
    wait();
    for (uint32_t i = 0; i < COUNT; i += 13)
        ck_assert_uint_eq(bench_read(&b, b.target, i), i);
}
END_TEST

START_TEST(one_list_can_be_recorded_in_many_calls)
{
    for (uint32_t i = 0; i < BENCH_WORDS; i++) {
        const fv_command fill = command_fill(b.target, 4 * i, 4, i + 1);
        record(&fill, 1);
    }
    submit();
    wait();
    ck_assert_uint_eq(bench_read(&b, b.target, 0), 1);
    ck_assert_uint_eq(bench_read(&b, b.target, BENCH_WORDS - 1), BENCH_WORDS);
}
END_TEST

/* What is recorded but not submitted does not run, whatever execute does. */
START_TEST(execute_leaves_the_open_list_alone)
{
    const fv_command zero = command_fill(b.target, 0, b.target->size, 0);
    const fv_command one = command_fill(b.target, 0, b.target->size, 1);
    ck_assert_int_eq(under_test.backend->execute(b.device, &zero, 1), FOVEA_OK);
    record(&one, 1);
    ck_assert_uint_eq(bench_read(&b, b.target, 5), 0);
    submit();
    wait();
    ck_assert_uint_eq(bench_read(&b, b.target, 5), 1);
}
END_TEST

enum { THREAD_ROUNDS = 50 };

typedef struct worker {
    fovea_status status;
    uint32_t wrong;
} worker;

/* Makes a buffer, and a kernel where there is one, executes and destroys them, over and over. */
static void *work(void *user)
{
    worker *w = user;
    const fv_backend *backend = under_test.backend;
    for (uint32_t i = 0; i < THREAD_ROUNDS && w->status == FOVEA_OK; i++) {
        fv_buffer *buffer = NULL;
        fv_kernel *kernel = NULL;
        w->status = backend->buffer_create(b.device, 64, FV_MEMORY_STAGING, &buffer);
        if (w->status == FOVEA_OK && under_test.kernels)
            w->status = bench_kernel(b.device, i, &kernel);
        if (w->status == FOVEA_OK) {
            const fv_command fill = command_fill(buffer, 0, 64, i);
            w->status = backend->execute(b.device, &fill, 1);
        }
        void *memory;
        if (w->status == FOVEA_OK)
            w->status = backend->buffer_map(buffer, 0, 64, &memory);
        if (w->status == FOVEA_OK)
            w->wrong += ((const uint32_t *)memory)[7] != i;
        if (kernel)
            backend->kernel_destroy(kernel);
        if (buffer)
            backend->buffer_destroy(buffer);
    }
    return NULL;
}

START_TEST(execute_runs_beside_record_and_submit)
{
    worker w = {FOVEA_OK, 0};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, work, &w), 0);
    for (uint32_t i = 0; i < 4 * THREAD_ROUNDS; i++) {
        const fv_command commands[] = {command_fill(b.source, 0, b.source->size, i), command_barrier(),
                                       command_copy(b.source, b.target, b.source->size)};
        record(commands, 3);
        submit();
    }
    wait();
    pthread_join(thread, NULL);
    ck_assert_int_eq(w.status, FOVEA_OK);
    ck_assert_uint_eq(w.wrong, 0);
    ck_assert_uint_eq(bench_read(&b, b.target, 0), 4 * THREAD_ROUNDS - 1);
}
END_TEST

/* A kernel that works for longer than a timeout of 1 ms: the wait says so, and a later wait succeeds. */
START_TEST(a_wait_that_outlasts_its_timeout_says_so)
{
    bench_close(&b);
    fovea_device_params params = under_test.params;
    params.timeout_ms = 1;
    ck_assert_int_eq(bench_open(&b, &params), FOVEA_OK);
    const uint64_t size = b.source->size;
    fv_command command = command_step(b.step, (fv_range){b.source, 0, size}, (fv_range){b.target, 0, size}, 1);
    command.dispatch.parameters[2] = 50000; /* rounds, below llvmpipe's limit */
    for (int i = 0; i < 20; i++) {
        const fv_command commands[] = {command, command_barrier()};
        record(commands, 2);
    }
    fovea_status status = under_test.backend->submit(b.device);
    ck_assert_int_eq(status, FOVEA_OK);
    status = under_test.backend->wait(b.device);
    ck_assert_int_eq(status, FOVEA_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(under_test.host.error, "1 ms"));
    ck_assert(!under_test.backend->lost(b.device));
    for (int i = 0; i < 100000 && status == FOVEA_TIMEOUT; i++)
        status = under_test.backend->wait(b.device);
    ck_assert_int_eq(status, FOVEA_OK);
}
END_TEST

void add_list_cases(Suite *suite)
{
    TCase *tcase = tcase_create("lists");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, submit_without_commands_does_nothing);
    tcase_add_loop_test(tcase, submissions_follow_each_other, 0, 4);
    tcase_add_test(tcase, one_list_can_be_recorded_in_many_calls);
    tcase_add_test(tcase, execute_leaves_the_open_list_alone);
    tcase_add_test(tcase, execute_runs_beside_record_and_submit);
    /* GPU-assisted validation waits inside vkQueueSubmit, so that no wait of ours is ever long */
    if (under_test.kernels && under_test.params.validation < 2)
        tcase_add_test(tcase, a_wait_that_outlasts_its_timeout_says_so);
    suite_add_tcase(suite, tcase);
}
