/* Few kernels, many runs, in silence: for checks so dear that each new kernel takes minutes (GPU-assisted validation on a
 * software driver). One op each for the direct and the carried path, run at many sizes on poisoned, guarded tensors. */
#include "trial.h"

static const test_case cases[] = {
    {.name = "validated",
     .batch = 2,
     .heads_q = 2,
     .heads_k = 1,
     .heads_v = 1,
     .seq_q = 9,
     .seq_k = 150,
     .dim_qk = 8,
     .dim_v = 8,
     .mask = REF_CAUSAL},
    {.name = "validated_f16",
     .batch = 1,
     .heads_q = 2,
     .heads_k = 1,
     .heads_v = 1,
     .seq_q = 9,
     .seq_k = 150,
     .dim_qk = 5,
     .dim_v = 7,
     .mask = REF_CAUSAL,
     .shift = 1,
     .layout = LAYOUT_ODD_GAPS,
     .dtypes = {FOVEA_F16, FOVEA_F16, FOVEA_F16, FOVEA_F16}},
};
enum { CASES = sizeof cases / sizeof cases[0] };

START_TEST(runs_in_silence)
{
    static const uint32_t sizes[][2] = {{9, 150}, {1, 150}, {9, 3}, {2, 65}, {9, 64}, {1, 1}, {8, 127}};
    static const trial_options plans[] = {{.tile = 0}, {.cost_budget_us = 1}, {.split_count = 3}};
    test_case c = cases[_i % CASES];
    trial t;
    if (!test_takes_number(_i % CASES))
        return;
    trial_begin(&t, test.opened, &c, 0);
    const fovea_softmax_params params = trial_params(&t, &plans[_i / CASES]);
    fovea_op *op = NULL;
    test_ok(fovea_softmax_create(test.opened, &params, &op));
    trial_end(&t);
    for (size_t n = 0; n < sizeof sizes / sizeof sizes[0]; n++) {
        c.run_q = sizes[n][0];
        c.run_k = sizes[n][1];
        trial_begin(&t, test.opened, &c, 0);
        trial_run_op(&t, op, n % 2 ? TRIAL_EXACT : TRIAL_OWN);
        trial_check(&t);
        trial_end(&t);
    }
    test_keep_op(op);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("validation");
    tcase_add_loop_test(tests, runs_in_silence, 0, 3 * CASES);
    suite_add_tcase(suite, tests);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv, "validation", add);
}
