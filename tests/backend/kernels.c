/* Kernels: constants, parameters, bindings, statistics, and refusals. */
#include "suite.h"

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

static fv_range words(fv_buffer *buffer, uint64_t first, uint64_t count)
{
    return (fv_range){buffer, first * sizeof(uint32_t), count * sizeof(uint32_t)};
}

static void record(const fv_command *commands, uint32_t count)
{
    ck_assert_int_eq(under_test.backend->record(b.device, commands, count), FOVEA_OK);
}

static void finish(void)
{
    ck_assert_int_eq(under_test.backend->submit(b.device), FOVEA_OK);
    ck_assert_int_eq(under_test.backend->wait(b.device), FOVEA_OK);
}

START_TEST(parameters_reach_the_kernel)
{
    const fv_command commands[] = {
        command_fill(b.source, 0, b.source->size, 5), command_fill(b.target, 0, b.target->size, 0), command_barrier(),
        command_step(b.step, words(b.source, 0, BENCH_WORDS), words(b.target, 0, BENCH_WORDS), 37)};
    record(commands, 4);
    finish();
    ck_assert_uint_eq(bench_read(&b, b.target, 0), 42);
    ck_assert_uint_eq(bench_read(&b, b.target, BENCH_WORDS - 1), 42);
}
END_TEST

START_TEST(constants_specialise_the_kernel)
{
    fv_kernel *twice, *thrice;
    ck_assert_int_eq(bench_kernel(b.device, 2, &twice), FOVEA_OK);
    ck_assert_int_eq(bench_kernel(b.device, 3, &thrice), FOVEA_OK);
    const fv_range source = words(b.source, 0, BENCH_WORDS), target = words(b.target, 0, BENCH_WORDS);
    /* two kernels, and one of them twice in a row, in one list: ((1 * 2 + 1) * 2 + 1) * 3 + 10 = 31 */
    const fv_command commands[] = {command_fill(b.source, 0, b.source->size, 1), command_barrier(),
                                   command_step(twice, source, target, 1),       command_barrier(),
                                   command_step(twice, target, source, 1),       command_barrier(),
                                   command_step(thrice, source, target, 10)};
    record(commands, 7);
    finish();
    ck_assert_uint_eq(bench_read(&b, b.target, 3), 31);
    under_test.backend->kernel_destroy(twice);
    under_test.backend->kernel_destroy(thrice);
}
END_TEST

/* A binding starts at its offset, and the words around it stay as they were. */
START_TEST(bindings_start_at_their_offset)
{
    const uint64_t step = b.device->caps.limits.storage_offset_alignment / sizeof(uint32_t);
    const fv_command commands[] = {command_fill(b.source, 0, b.source->size, 7),
                                   command_fill(b.target, 0, b.target->size, 9), command_barrier(),
                                   command_step(b.step, words(b.source, step, 5), words(b.target, 2 * step, 5), 1)};
    record(commands, 4);
    finish();
    ck_assert_uint_eq(bench_read(&b, b.target, (uint32_t)(2 * step - 1)), 9);
    ck_assert_uint_eq(bench_read(&b, b.target, (uint32_t)(2 * step)), 8);
    ck_assert_uint_eq(bench_read(&b, b.target, (uint32_t)(2 * step + 4)), 8);
    ck_assert_uint_eq(bench_read(&b, b.target, (uint32_t)(2 * step + 5)), 9);
}
END_TEST

/* More dispatches than the first pools hold, each with buffers of its own, in one list; twice, so that the
 * pools are reset and used again. */
START_TEST(many_dispatches_each_have_their_own_bindings)
{
    enum { COUNT = 600, SPREAD = 30 };
    fv_buffer *buffers[SPREAD];
    for (int i = 0; i < SPREAD; i++)
        ck_assert_int_eq(under_test.backend->buffer_create(b.device, 64, FV_MEMORY_DEVICE, &buffers[i]), FOVEA_OK);
    for (uint32_t round = 0; round < 2; round++) {
        fv_command first = command_fill(buffers[0], 0, 64, round);
        record(&first, 1);
        for (uint32_t i = 0; i < COUNT; i++) {
            const fv_command commands[] = {command_barrier(), command_step(b.step, words(buffers[i % SPREAD], 0, 16),
                                                                           words(buffers[(i + 1) % SPREAD], 0, 16), 1)};
            record(commands, 2);
        }
        finish();
        const fv_command copy = command_copy(buffers[COUNT % SPREAD], b.target, 64);
        ck_assert_int_eq(under_test.backend->execute(b.device, &copy, 1), FOVEA_OK);
        ck_assert_uint_eq(bench_read(&b, b.target, 0), COUNT + round);
        ck_assert_uint_eq(bench_read(&b, b.target, 15), COUNT + round);
    }
    for (int i = 0; i < SPREAD; i++)
        under_test.backend->buffer_destroy(buffers[i]);
}
END_TEST

START_TEST(statistics_are_told_or_unknown)
{
    fv_kernel_stats stats = {0};
    under_test.backend->kernel_stats(b.step, &stats);
    if (b.device->caps.pipeline_statistics)
        ck_assert_uint_ne(stats.registers, 0);
    else
        ck_assert(stats.registers == UINT32_MAX && stats.spills == UINT32_MAX &&
                  stats.subgroups_per_simd == UINT32_MAX && stats.scratch == UINT32_MAX);
}
END_TEST

void add_kernel_cases(Suite *suite)
{
    if (!under_test.kernels)
        return;
    TCase *tcase = tcase_create("kernels");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, parameters_reach_the_kernel);
    tcase_add_test(tcase, constants_specialise_the_kernel);
    tcase_add_test(tcase, bindings_start_at_their_offset);
    tcase_add_test(tcase, many_dispatches_each_have_their_own_bindings);
    tcase_add_test(tcase, statistics_are_told_or_unknown);
    suite_add_tcase(suite, tcase);
}
