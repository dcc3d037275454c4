/* Softmax attention on one device under one limits profile: the case table against the reference. */
#include "test_softmax.h"

/* Drivers compile kernels for seconds, those for many rows longest. One case of four is left to the planner, which makes
 * kernels for many and for few rows; the others force a smaller candidate. planner=1 leaves all to it. */
static uint32_t tile_of(int n)
{
    static const uint32_t tiles[] = {0, 2, 3, 2};
    return test_compiles_kernels() && !test.planner ? tiles[n % 4] : 0;
}

START_TEST(table)
{
    const test_case *c = &test_cases[_i];
    if (!test_takes(c))
        return;
    /* Half of the cases bring their own workspace. */
    const trial_options options = {.workspace = _i % 2 ? TRIAL_EXACT : TRIAL_OWN, .tile = tile_of(_i)};
    trial_case(c, &options);
}
END_TEST

/* Multiply-adds of a random case, and how many of them: nearly every one needs kernels of its own. */
static const uint64_t random_work[] = {40000, 2000000, 30000000};
static const int random_count[] = {8, 24, 150}, random_count_compiled[] = {4, 8, 24};

START_TEST(random_cases)
{
    char name[64];
    if (!test_takes_number(_i))
        return;
    const uint64_t work = _i % 8 ? random_work[test.level] / 4 : random_work[test.level];
    const test_case c = case_random(test.seed, (uint32_t)_i, work, name);
    const trial_options options = {.workspace = _i % 2 ? TRIAL_LARGER : TRIAL_OWN, .tile = tile_of(_i)};
    trial_case(&c, &options);
}
END_TEST

/* A run that names tier and storage tests kernels of that tier, where it has any for them. */
START_TEST(tier_in_use)
{
    const test_case c = {.name = "tier_in_use",
                         .batch = 1,
                         .heads_q = 2,
                         .heads_k = 2,
                         .heads_v = 2,
                         .seq_q = 33,
                         .seq_k = 70,
                         .dim_qk = 24,
                         .dim_v = 20};
    const trial_options defaults = {.tile = 0};
    trial t;
    if (!test.tier || test.dtype == FOVEA_DTYPE_COUNT)
        return;
    trial_begin(&t, test.opened, &c, 0);
    trial_run(&t, &defaults);
    trial_check(&t);
    ck_assert_msg(t.report.tier == test.tier, "%s, not %s: %s", fovea_tier_name(t.report.tier),
                  fovea_tier_name(test.tier), t.report.notes);
    trial_end(&t);
}
END_TEST

void add_table_tests(Suite *suite)
{
    TCase *c = tcase_create("table");
    tcase_add_test(c, tier_in_use);
    tcase_add_loop_test(c, table, 0, (int)test_case_count);
    tcase_add_loop_test(c, random_cases, 0,
                        (test_compiles_kernels() ? random_count_compiled : random_count)[test.level]);
    suite_add_tcase(suite, c);
}

static void add(Suite *suite)
{
    add_table_tests(suite);
    add_size_tests(suite);
    add_slice_tests(suite);
    add_poison_tests(suite);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv, "softmax", add);
}
