/* The validation layer was silent so far, and would not have been, had there been something to say. */
#include "suite.h"

#include <string.h>

/* Runs commands that break a rule, and takes back what the layer says to them. */
static uint32_t complaints(bench *b, const fv_command *commands, uint32_t count)
{
    const uint32_t before = under_test.validation_messages;
    under_test.provoked = true;
    ck_assert_int_eq(under_test.backend->record(b->device, commands, count), FOVEA_OK);
    ck_assert_int_eq(under_test.backend->submit(b->device), FOVEA_OK);
    ck_assert_int_eq(under_test.backend->wait(b->device), FOVEA_OK);
    under_test.provoked = false;
    const uint32_t found = under_test.validation_messages - before;
    under_test.validation_messages = before;
    return found;
}

START_TEST(validation_was_silent)
{
    ck_assert_uint_eq(under_test.validation_messages, 0);
}
END_TEST

START_TEST(a_missing_barrier_is_reported)
{
    bench b;
    ck_assert_int_eq(bench_open(&b, &under_test.params), FOVEA_OK);
    const fv_command commands[] = {command_fill(b.source, 0, 64, 1), command_copy(b.source, b.target, 64)};
    ck_assert_uint_gt(complaints(&b, commands, 2), 0);
    bench_close(&b);
}
END_TEST

/* Beyond the buffer: the layer of 1.3.239 does not look at the range of a binding inside it. */
START_TEST(a_read_beyond_a_buffer_is_reported)
{
    bench b;
    ck_assert_int_eq(bench_open(&b, &under_test.params), FOVEA_OK);
    const fv_range source = {b.source, 0, b.source->size}, target = {b.target, 0, b.target->size};
    fv_command command = command_step(b.step, source, target, 1);
    command.dispatch.parameters[0] += STEP_INVOCATIONS;
    command.dispatch.groups[0]++;
    ck_assert_uint_gt(complaints(&b, &command, 1), 0);
    bench_close(&b);
}
END_TEST

void add_validation_cases(Suite *suite)
{
    TCase *tcase = tcase_create("validation");
    tcase_add_test(tcase, validation_was_silent);
    if (under_test.kernels && under_test.params.validation >= 1)
        tcase_add_test(tcase, a_missing_barrier_is_reported);
    if (under_test.kernels && under_test.params.validation >= 2)
        tcase_add_test(tcase, a_read_beyond_a_buffer_is_reported);
    suite_add_tcase(suite, tcase);
}
