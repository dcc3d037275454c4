/* However parts are spread and a run is cut, the result holds to the bit; and beside softmax attention. */
#include "test_merge.h"

#include "trial.h"

/* Runs a case on a device of its own and on the one under test; both must be right and equal. */
static void same_on(const fovea_device_params *params, const merge_case *c, const char *what)
{
    fovea_device *device = NULL;
    merge_trial here, there;
    test_status(NULL, FOVEA_OK, fovea_device_open(params, &device));
    merge_begin(&here, test.opened, c);
    merge_begin(&there, device, c);
    merge_run(&here);
    merge_run(&there);
    merge_check(&here);
    merge_check(&there);
    merge_same(&here, &there, what);
    merge_end(&there);
    merge_end(&here);
    fovea_device_destroy(device);
}

static const merge_case cut[] = {
    {.name = "cut",
     .parts = {3, 1, 2},
     .batch = 2,
     .heads = 3,
     .seq_q = 11,
     .dim_v = 7,
     .dtypes = {FOVEA_F16, FOVEA_F16},
     .o_dtype = FOVEA_F16,
     .form = MERGE_OF_ROW},
    {.name = "cut_one_source", .parts = {9}, .batch = 1, .heads = 2, .seq_q = 33, .dim_v = 20, .values = MERGE_EMPTY},
    {.name = "cut_coefficients",
     .parts = {2},
     .batch = 2,
     .heads = 3,
     .seq_q = 11,
     .dim_v = 5,
     .coefficients = true,
     .o_dtype = FOVEA_F16,
     .form = MERGE_OF_HEAD},
    {.name = "cut_branches",
     .parts = {1, 1, 1, 1},
     .batch = 1,
     .heads = 3,
     .seq_q = 30,
     .dim_v = 8,
     .coefficients = true,
     .form = MERGE_OF_PART},
};
enum { CUT = sizeof cut / sizeof cut[0] };

/* Budgets from one that affords a row a dispatch to none at all. */
START_TEST(budgets_equal_to_the_bit)
{
    static const uint32_t budgets[] = {1, 2, 0};
    merge_trial whole, part;
    merge_case c = cut[_i];
    c.budget = FOVEA_UNBOUNDED;
    merge_begin(&whole, test.opened, &c);
    merge_run(&whole);
    merge_check(&whole);
    ck_assert_uint_eq(whole.report.query_slices, 1);
    for (int n = 0; n < 3; n++) {
        c.budget = budgets[n];
        merge_begin(&part, test.opened, &c);
        merge_run(&part);
        merge_check(&part);
        merge_same(&part, &whole, "another budget");
        merge_end(&part);
    }
    merge_end(&whole);
}
END_TEST

/* So many rows that a microsecond is not enough on any device. */
START_TEST(a_budget_cuts)
{
    const merge_case c = {
        .name = "cuts", .parts = {16}, .batch = 1, .heads = 4, .seq_q = 500, .dim_v = 128, .budget = 1};
    merge_trial t;
    if (test.level == CASE_TINY)
        return;
    merge_begin(&t, test.opened, &c);
    merge_run(&t);
    merge_check(&t);
    ck_assert_uint_gt(t.report.query_slices, 1);
    ck_assert_uint_eq(t.report.dispatches, 2 * t.report.query_slices);
    merge_end(&t);
}
END_TEST

/* How parts are spread over sources changes no bit. */
START_TEST(sources_equal_to_the_bit)
{
    static const uint32_t spreads[][FOVEA_MERGE_SOURCES] = {
        {17}, {1, 16}, {8, 9}, {5, 5, 7}, {1, 1, 1, 1, 1, 1, 1, 10}, {4, 1, 3, 1, 2, 2, 1, 3}};
    static const merge_values values[] = {MERGE_UNIT, MERGE_FAR, MERGE_EMPTY};
    merge_trial whole, spread;
    merge_case c = {.name = "spread", .batch = 2, .heads = 2, .seq_q = 5, .dim_v = 9};
    c.coefficients = _i == 3;
    c.form = _i == 0 ? MERGE_NONE : MERGE_OF_ROW;
    c.values = values[_i % 3];
    for (size_t n = 0; n < sizeof spreads / sizeof spreads[0]; n++) {
        merge_trial *t = n == 0 ? &whole : &spread;
        memcpy(c.parts, spreads[n], sizeof c.parts);
        merge_begin(t, test.opened, &c);
        merge_run(t);
        merge_check(t);
        merge_same(t, &whole, "another spread of parts");
        if (n > 0)
            merge_end(t);
    }
    merge_end(&whole);
}
END_TEST

/* From the workspace of one row to one larger than asked for. */
START_TEST(workspaces_equal_to_the_bit)
{
    merge_trial own, given;
    const merge_case *c = &cut[_i];
    fovea_op *op = NULL;
    merge_begin(&own, test.opened, c);
    merge_begin(&given, test.opened, c);
    merge_run(&own);
    const fovea_merge_params params = merge_params(&given);
    test_ok(fovea_merge_create(test.opened, &params, &op));
    const uint64_t size = fovea_op_workspace_size(op), rows = (uint64_t)c->batch * c->heads * c->seq_q;
    const uint64_t sizes[] = {size / rows, 3 * (size / rows) + 2, size, size + 4096};
    for (int n = 0; n < 4 && size > 0; n++) {
        merge_run_op(&given, op, sizes[n]);
        merge_check(&given);
        merge_same(&given, &own, "another workspace");
    }
    ck_assert_uint_eq(size == 0, c->coefficients && !c->parts[2]);
    test_keep_op(op);
    merge_end(&given);
    merge_end(&own);
}
END_TEST

/* Runs of growing and shrinking sizes with one op. */
START_TEST(one_op_many_sizes)
{
    static const uint32_t sizes[] = {1, 11, 0, 4, 10, 3};
    merge_trial t;
    fovea_op *op = NULL;
    merge_case c = cut[_i];
    c.seq_q = 11;
    merge_begin(&t, test.opened, &c);
    fovea_merge_params params = merge_params(&t);
    params.seq_q_max = _i == 0 ? 11 : 0;
    test_ok(fovea_merge_create(test.opened, &params, &op));
    merge_end(&t);
    for (size_t n = 0; n < sizeof sizes / sizeof sizes[0]; n++) {
        c.run_q = sizes[n];
        c.no_queries = sizes[n] == 0;
        merge_begin(&t, test.opened, &c);
        merge_run_op(&t, op, 0);
        merge_check(&t);
        merge_end(&t);
    }
    test_keep_op(op);
}
END_TEST

START_TEST(recorded_back_to_back)
{
    merge_trial a, b;
    fovea_op *op_a = NULL, *op_b = NULL;
    merge_begin(&a, test.opened, &cut[0]);
    merge_begin(&b, test.opened, &cut[1]);
    const fovea_merge_params params_a = merge_params(&a), params_b = merge_params(&b);
    test_ok(fovea_merge_create(test.opened, &params_a, &op_a));
    test_ok(fovea_merge_create(test.opened, &params_b, &op_b));
    const fovea_op_args args_a = merge_args(&a), args_b = merge_args(&b);
    for (int n = 0; n < 12; n++) {
        test_ok(fovea_op_run(op_a, &args_a));
        test_ok(fovea_op_run(op_b, &args_b));
        if (n % 2)
            test_ok(fovea_device_submit(test.opened));
    }
    merge_fetch(&a);
    merge_fetch(&b);
    merge_check(&a);
    merge_check(&b);
    test_keep_op(op_a);
    test_keep_op(op_b);
    merge_end(&a);
    merge_end(&b);
}
END_TEST

START_TEST(threads_equal_to_the_bit)
{
    static const uint32_t counts[] = {1, 2, 5};
    const merge_case c = {.name = "threads", .parts = {5, 1, 2}, .batch = 2, .heads = 3, .seq_q = 100, .dim_v = 33};
    for (int n = 0; n < 3 && test_is_cpu(); n++) {
        fovea_device_params params = test.params;
        params.threads = counts[n];
        same_on(&params, &c, "another number of threads");
    }
}
END_TEST

/* A narrow grid folds; where two rows are all that one dispatch holds, there are more of them. */
START_TEST(folded_grid)
{
    static const uint32_t widths[][2] = {{3, 65535}, {1, 2}, {2, 1}};
    fovea_device_params params = test.params;
    merge_case c = cut[_i == 2 ? 2 : 0];
    c.dim_v = 130;
    params.limits.group_count_x = widths[_i][0];
    params.limits.group_count_y = widths[_i][1];
    same_on(&params, &c, "another grid");
}
END_TEST

/* ---- beside softmax ----------------------------------------------------------------------------------------- */

/* A device whose runs of softmax over parts of the keys are merged: views of k and v are moved along their keys. */
typedef struct halves {
    trial whole;
    merge_trial merged; /* its inputs are what softmax leaves */
    uint32_t split;     /* keys of the first half */
} halves;

static void attend(halves *h, uint32_t half)
{
    trial *t = &h->whole;
    const trial_options defaults = {.tile = 0};
    fovea_softmax_params params = trial_params(t, &defaults);
    fovea_op_args args = trial_args(t);
    fovea_op *op = NULL;
    const uint32_t keys = half ? t->c.seq_k - h->split : h->split;
    params.k.extents[2] = params.v.extents[2] = keys;
    args.seq_k = keys;
    for (int n = TRIAL_K; n <= TRIAL_V; n++) {
        fovea_tensor *view = n == TRIAL_K ? &params.k : &params.v;
        memcpy(view->strides, t->tensors[n].strides, 4 * sizeof view->strides[0]);
        args.tensors[n == TRIAL_K ? FOVEA_K : FOVEA_V].offset +=
            half * h->split * t->tensors[n].strides[2] * fovea_dtype_size(view->dtype);
    }
    const merge_tensor *o = &h->merged.tensors[MERGE_PART_O + half], *lse = &h->merged.tensors[MERGE_PART_LSE + half];
    params.o = o->view;
    params.lse = lse->view;
    args.tensors[FOVEA_O] = (fovea_binding){o->buffer, o->offset};
    args.tensors[FOVEA_LSE] = (fovea_binding){lse->buffer, lse->offset};
    test_ok(fovea_softmax_create(test.opened, &params, &op));
    test_ok(fovea_op_run(op, &args));
    test_keep_op(op);
}

/* Split keys and merged parts are one pass (SEMANTICS.md, section 7), within the bound of the one pass: the bound of what is
 * stored between is small beside it where parts are f32. No wait between the runs. */
START_TEST(split_keys_are_one_pass)
{
    static const uint32_t splits[] = {1, 16, 40};
    const test_case c = {.name = "split_keys",
                         .batch = 2,
                         .heads_q = 4,
                         .heads_k = 2,
                         .heads_v = 2,
                         .seq_q = 5,
                         .seq_k = 41,
                         .dim_qk = 16,
                         .dim_v = 12,
                         .values = (case_values)_i};
    const merge_case m = {
        .name = "split_keys", .parts = {1, 1}, .batch = 2, .heads = 4, .seq_q = 5, .dim_v = 12, .flat = true};
    halves h;
    for (int n = 0; n < 3; n++) {
        fovea_op *op = NULL;
        h.split = splits[n];
        trial_begin(&h.whole, test.opened, &c, 0);
        merge_begin(&h.merged, test.opened, &m);
        attend(&h, 0);
        attend(&h, 1);
        const fovea_merge_params params = merge_params(&h.merged);
        fovea_op_args args = merge_args(&h.merged);
        trial_tensor *o = &h.whole.tensors[TRIAL_O], *lse = &h.whole.tensors[TRIAL_LSE];
        args.tensors[FOVEA_O] = (fovea_binding){o->buffer, o->offset};
        args.tensors[FOVEA_LSE] = (fovea_binding){lse->buffer, lse->offset};
        test_ok(fovea_merge_create(test.opened, &params, &op));
        test_ok(fovea_op_run(op, &args));
        trial_fetch(&h.whole, op);
        trial_check(&h.whole);
        test_keep_op(op);
        merge_end(&h.merged);
        trial_end(&h.whole);
    }
}
END_TEST

void add_merge_run_tests(Suite *suite)
{
    TCase *c = tcase_create("runs");
    tcase_add_loop_test(c, budgets_equal_to_the_bit, 0, CUT);
    tcase_add_test(c, a_budget_cuts);
    tcase_add_loop_test(c, sources_equal_to_the_bit, 0, 4);
    tcase_add_loop_test(c, workspaces_equal_to_the_bit, 0, CUT);
    tcase_add_loop_test(c, one_op_many_sizes, 0, CUT);
    tcase_add_test(c, recorded_back_to_back);
    tcase_add_test(c, threads_equal_to_the_bit);
    tcase_add_loop_test(c, folded_grid, 0, 3);
    tcase_add_loop_test(c, split_keys_are_one_pass, 0, 4);
    suite_add_tcase(suite, c);
}
