/* However a run is cut, spread and repeated, the result holds: budgets and threads to the bit, splits and tiles
 * within the bound. */
#include "test_softmax.h"

#include "counting.h"

#include <math.h>
#include <stdlib.h>

#define HEADS(b, q, k, v) .batch = b, .heads_q = q, .heads_k = k, .heads_v = v

static const test_case sliced[] = {
    {.name = "sliced", HEADS(1, 2, 1, 1), .seq_q = 37, .seq_k = 150, .dim_qk = 16, .dim_v = 16},
    {.name = "sliced_causal_f16",
     HEADS(1, 4, 2, 1),
     .seq_q = 41,
     .seq_k = 133,
     .dim_qk = 24,
     .dim_v = 40,
     .dtypes = {FOVEA_F16, FOVEA_F16, FOVEA_F16, FOVEA_F16},
     .mask = REF_CAUSAL,
     .shift = 1},
    {.name = "sliced_rising",
     HEADS(1, 1, 1, 1),
     .seq_q = 3,
     .seq_k = 260,
     .dim_qk = 8,
     .dim_v = 8,
     .values = VALUES_RISING,
     .layout = LAYOUT_ODD_GAPS},
    {.name = "sliced_empty_rows",
     HEADS(2, 2, 1, 2),
     .seq_q = 90,
     .seq_k = 70,
     .dim_qk = 33,
     .dim_v = 7,
     .dtypes = {FOVEA_F32, FOVEA_BF16, FOVEA_F16, FOVEA_BF16},
     .mask = REF_CAUSAL},
    {.name = "sliced_window",
     HEADS(1, 2, 1, 1),
     .seq_q = 60,
     .seq_k = 230,
     .dim_qk = 16,
     .dim_v = 24,
     .dtypes = {FOVEA_F16, FOVEA_F16, FOVEA_F16, FOVEA_F32},
     .window = {.given = true, .left = 130, .right = 9}},
    {.name = "sliced_dim_64",
     HEADS(1, 2, 1, 1),
     .seq_q = 130,
     .seq_k = 390,
     .dim_qk = 64,
     .dim_v = 64,
     .mask = REF_CAUSAL,
     .level = CASE_QUICK},
    {.name = "sliced_one_hot",
     HEADS(1, 2, 1, 1),
     .seq_q = 130,
     .seq_k = 513,
     .dim_qk = 64,
     .dim_v = 64,
     .mask = REF_CAUSAL,
     .values = VALUES_ONE_HOT,
     .level = CASE_QUICK},
    {.name = "sliced_dim_256",
     HEADS(1, 2, 1, 1),
     .seq_q = 20,
     .seq_k = 200,
     .dim_qk = 256,
     .dim_v = 256,
     .dtypes = {FOVEA_F16, FOVEA_F16, FOVEA_F16, FOVEA_F32},
     .level = CASE_QUICK},
    {.name = "sliced_long",
     HEADS(1, 4, 2, 2),
     .seq_q = 300,
     .seq_k = 1100,
     .dim_qk = 64,
     .dim_v = 64,
     .dtypes = {FOVEA_F32, FOVEA_F16, FOVEA_F16, FOVEA_F32},
     .mask = REF_CAUSAL,
     .level = CASE_FULL},
};
enum { SLICED = sizeof sliced / sizeof sliced[0] };

/* Two outputs of a run, to compare later runs with. */
typedef struct outputs {
    unsigned char *o, *lse;
} outputs;

static outputs keep(const trial *t)
{
    size_t size;
    return (outputs){trial_output(t, TRIAL_O, &size), trial_output(t, TRIAL_LSE, &size)};
}

static void drop(outputs *x)
{
    free(x->o);
    free(x->lse);
}

START_TEST(budgets_equal_to_the_bit)
{
    static const uint32_t budgets[] = {1, 7, 100, 0};
    const test_case *c = &sliced[_i];
    trial t;
    if (!test_takes(c))
        return;
    trial_begin(&t, test.opened, c, 0);
    trial_options options = {.cost_budget_us = FOVEA_UNBOUNDED, .split_count = 1};
    trial_run(&t, &options);
    trial_check(&t);
    outputs whole = keep(&t);
    for (size_t n = 0; n < sizeof budgets / sizeof budgets[0]; n++) {
        options.cost_budget_us = budgets[n];
        options.workspace = n % 2 ? TRIAL_OWN : TRIAL_EXACT;
        trial_run(&t, &options);
        trial_check(&t);
        trial_same(&t, whole.o, whole.lse, "another budget");
    }
    drop(&whole);
    trial_end(&t);
}
END_TEST

/* With the planner's own split rule too: the budget alone may change no bit. */
START_TEST(budgets_with_splits_equal_to_the_bit)
{
    static const uint32_t splits[] = {0, 3};
    trial t;
    if (!test_takes(&sliced[_i]))
        return;
    for (int n = 0; n < 2; n++) {
        trial_options options = {.cost_budget_us = FOVEA_UNBOUNDED, .split_count = splits[n]};
        trial_begin(&t, test.opened, &sliced[_i], 0);
        trial_run(&t, &options);
        outputs whole = keep(&t);
        options.cost_budget_us = 1;
        options.workspace = TRIAL_EXACT;
        trial_run(&t, &options);
        trial_check(&t);
        trial_same(&t, whole.o, whole.lse, "budget of 1 us");
        drop(&whole);
        trial_end(&t);
    }
}
END_TEST

START_TEST(splits_within_the_bound)
{
    static const uint32_t counts[] = {1, 2, 3, 5, 64};
    const test_case *c = &sliced[_i];
    trial t;
    if (!test_takes(c))
        return;
    trial_begin(&t, test.opened, c, 0);
    for (size_t n = 0; n < sizeof counts / sizeof counts[0]; n++) {
        const trial_options options = {.split_count = counts[n], .workspace = n % 2 ? TRIAL_OWN : TRIAL_EXACT};
        trial_run(&t, &options);
        trial_check(&t);
        ck_assert_uint_le(t.report.split_count, counts[n]);
    }
    trial_end(&t);
}
END_TEST

START_TEST(every_tile)
{
    const test_case *c = &sliced[_i];
    trial t;
    uint32_t tiles = 1;
    if (!test_takes(c))
        return;
    trial_begin(&t, test.opened, c, 0);
    for (uint32_t n = 0; n <= tiles && n <= 32; n++) {
        const trial_options options = {.tile = n};
        trial_run(&t, &options);
        tiles = t.report.tile_candidates;
        trial_check(&t);
    }
    trial_end(&t);
}
END_TEST

/* A split run wants workspace; less than it wants is refused or answered with fewer splits, never overrun. */
START_TEST(small_workspace)
{
    trial t;
    if (!test_takes(&sliced[1]))
        return;
    trial_begin(&t, test.opened, &sliced[1], 0);
    const trial_options options = {.split_count = 3};
    const fovea_softmax_params params = trial_params(&t, &options);
    fovea_op *op = NULL;
    test_ok(fovea_softmax_create(test.opened, &params, &op));
    trial_run_op(&t, op, TRIAL_TOO_SMALL);
    test_forget_messages();
    trial_run_op(&t, op, TRIAL_LARGER);
    trial_check(&t);
    test_keep_op(op);
    trial_end(&t);
}
END_TEST

START_TEST(repeated_runs_equal)
{
    trial t;
    if (!test_takes(&sliced[_i]))
        return;
    trial_begin(&t, test.opened, &sliced[_i], 0);
    const trial_options options = {.split_count = _i % 2 ? 3 : 0};
    const fovea_softmax_params params = trial_params(&t, &options);
    fovea_op *op = NULL;
    test_ok(fovea_softmax_create(test.opened, &params, &op));
    trial_run_op(&t, op, TRIAL_OWN);
    outputs first = keep(&t);
    for (int n = 0; n < 4; n++) {
        trial_run_op(&t, op, n % 2 ? TRIAL_EXACT : TRIAL_OWN);
        trial_same(&t, first.o, first.lse, "a repeated run");
    }
    drop(&first);
    test_keep_op(op);
    trial_end(&t);
}
END_TEST

/* Many runs recorded before one submit, more submits than slots, runs of two ops in turn on the same workspace. */
START_TEST(recorded_back_to_back)
{
    trial a, b;
    const trial_options split = {.split_count = 3}, budget = {.cost_budget_us = 1};
    if (!test_takes(&sliced[0]))
        return;
    trial_begin(&a, test.opened, &sliced[0], 0);
    trial_begin(&b, test.opened, &sliced[1], 0);
    fovea_op *op_a = NULL, *op_b = NULL;
    const fovea_softmax_params params_a = trial_params(&a, &split), params_b = trial_params(&b, &budget);
    test_ok(fovea_softmax_create(test.opened, &params_a, &op_a));
    test_ok(fovea_softmax_create(test.opened, &params_b, &op_b));
    const fovea_op_args args_a = trial_args(&a), args_b = trial_args(&b);
    for (int n = 0; n < 12; n++) {
        test_ok(fovea_op_run(op_a, &args_a));
        test_ok(fovea_op_run(op_b, &args_b));
        if (n % 2)
            test_ok(fovea_device_submit(test.opened));
    }
    trial_fetch(&a, op_a);
    trial_fetch(&b, op_b);
    trial_check(&a);
    trial_check(&b);
    test_keep_op(op_a);
    test_keep_op(op_b);
    trial_end(&a);
    trial_end(&b);
}
END_TEST

/* Rows of several tiles share what kernels pack of keys and values. What another operator packed lies there before every
 * run, so that a slice, a split or a stage which packs too little shows. */
START_TEST(packed_by_others)
{
    static const trial_options options[] = {
        {.tile = 0}, {.split_count = 3}, {.cost_budget_us = 20}, {.split_count = 2, .cost_budget_us = 20}};
    test_case c = {.name = "packed", HEADS(2, 3, 3, 3), .seq_q = 300, .seq_k = 700, .dim_qk = 20, .dim_v = 20};
    trial t[2];
    if (!test_is_cpu())
        return;
    c.mask = _i % 2 ? REF_CAUSAL : REF_FULL;
    c.values = _i < 2 ? VALUES_UNIT : VALUES_ONE_HOT;
    for (int n = 0; n < 2; n++)
        trial_begin(&t[n], test.opened, &c, (uint32_t)n); /* heads rotated: other data */
    for (size_t n = 0; n < 2 * sizeof options / sizeof options[0]; n++) {
        trial_run(&t[n % 2], &options[n / 2]);
        trial_check(&t[n % 2]);
    }
    for (int n = 0; n < 2; n++)
        trial_end(&t[n]);
}
END_TEST

/* Runs with a descriptor of so many keys; fewer of them are the run's. Gives the largest block that it took. */
static size_t run_of_longest(trial *t, counting *memory, const trial_options *options, uint64_t keys)
{
    fovea_softmax_params params = trial_params(t, options);
    fovea_op *op = NULL;
    params.k.extents[2] = params.v.extents[2] = keys; /* dense, and of one head: no stride changes */
    atomic_store(&memory->largest, 0);
    test_status(t->device, FOVEA_OK, fovea_softmax_create(t->device, &params, &op));
    trial_run_op(t, op, TRIAL_OWN);
    fovea_op_destroy(op);
    return atomic_load(&memory->largest);
}

/* Rows of several tiles share what is packed, but for an operator whose longest run needs more than 64 MiB for that: there
 * each work item packs for itself, as far as its whole unit sees, and no bit differs; nor where a value is not finite, which
 * rows of the other tile alone may see. */
START_TEST(packed_alone_or_together)
{
    static const trial_options options[] = {
        {.split_count = 1}, {.split_count = 3}, {.split_count = 2, .cost_budget_us = 20}};
    static const struct {
        uint32_t key;
        double value;
    } places[] = {{0, 0.5}, {490, NAN}, {512, INFINITY}, {3, -INFINITY}};
    enum { KEYS_BEYOND = 1000000, BLOCK_MOST = 8 << 20 };
    test_case c = {.name = "packed_alone", HEADS(1, 2, 1, 1), .seq_q = 100, .seq_k = 700, .dim_qk = 20, .dim_v = 24};
    fovea_device_params params = test.params;
    fovea_device *device = NULL;
    counting memory;
    trial t;
    if (!test_is_cpu())
        return;
    c.mask = _i % 2 ? REF_CAUSAL : REF_FULL;
    c.run_k = 513;
    c.dtypes = (case_dtypes){FOVEA_BF16, FOVEA_BF16, FOVEA_BF16, FOVEA_F32};
    counting_init(&memory);
    params.allocator = counting_allocator(&memory);
    test_status(NULL, FOVEA_OK, fovea_device_open(&params, &device));
    trial_begin(&t, device, &c, 0);
    trial_poke(&t, TRIAL_V, (const uint32_t[4]){0, 0, places[_i / 2].key, 7}, places[_i / 2].value);
    for (size_t n = 0; n < sizeof options / sizeof options[0]; n++) {
        run_of_longest(&t, &memory, &options[n], c.seq_k);
        trial_check(&t);
        outputs together = keep(&t);
        const size_t largest = run_of_longest(&t, &memory, &options[n], KEYS_BEYOND);
        trial_check(&t);
        trial_same(&t, together.o, together.lse, "each work item packs its own");
        ck_assert_msg(largest <= BLOCK_MOST, "a block of %zu bytes", largest);
        drop(&together);
    }
    trial_end(&t);
    fovea_device_destroy(device);
    ck_assert_int_eq(atomic_load(&memory.live), 0);
}
END_TEST

/* The output of one run is the input of the next: ordered without a wait between. */
START_TEST(chained_runs)
{
    test_case c = {.name = "chained", HEADS(1, 2, 2, 2), .seq_q = 23, .seq_k = 23, .dim_qk = 12, .dim_v = 12};
    const trial_options defaults = {.tile = 0};
    trial first, second;
    if (!test_takes(&c))
        return;
    if (test.dtype != FOVEA_DTYPE_COUNT)
        c.dtypes.o = test.dtype; /* v's */
    trial_begin(&first, test.opened, &c, 0);
    trial_begin(&second, test.opened, &c, 0);
    const fovea_softmax_params params = trial_params(&first, &defaults);
    fovea_op *op = NULL;
    test_ok(fovea_softmax_create(test.opened, &params, &op));
    fovea_op_args args = trial_args(&first);
    test_ok(fovea_op_run(op, &args));
    args = trial_args(&second);
    args.tensors[FOVEA_V] = (fovea_binding){first.tensors[TRIAL_O].buffer, first.tensors[TRIAL_O].offset};
    test_ok(fovea_op_run(op, &args));
    trial_fetch(&first, op);
    trial_check(&first);
    trial_tensor *v = &second.tensors[TRIAL_V];
    const trial_tensor *o = &first.tensors[TRIAL_O];
    memcpy(v->image + v->offset, o->after + o->offset, v->size - v->offset);
    trial_fetch(&second, op);
    memcpy(v->after, v->image, v->size); /* this buffer itself was not used */
    trial_check(&second);
    test_keep_op(op);
    trial_end(&first);
    trial_end(&second);
}
END_TEST

START_TEST(threads_equal)
{
    static const uint32_t counts[] = {1, 2, 5};
    outputs one = {NULL, NULL};
    if (!test_is_cpu())
        return;
    for (int n = 0; n < 3; n++) {
        fovea_device_params params = test.params;
        fovea_device *device = NULL;
        trial t;
        params.threads = counts[n];
        test_status(NULL, FOVEA_OK, fovea_device_open(&params, &device));
        trial_begin(&t, device, &sliced[_i], 0);
        const trial_options options = {.split_count = 2, .cost_budget_us = 50};
        trial_run(&t, &options);
        trial_check(&t);
        if (n == 0)
            one = keep(&t);
        trial_same(&t, one.o, one.lse, "another thread count");
        trial_end(&t);
        fovea_device_destroy(device);
    }
    drop(&one);
}
END_TEST

void add_slice_tests(Suite *suite)
{
    TCase *c = tcase_create("slices");
    tcase_add_loop_test(c, budgets_equal_to_the_bit, 0, SLICED);
    tcase_add_loop_test(c, budgets_with_splits_equal_to_the_bit, 0, 4);
    tcase_add_loop_test(c, splits_within_the_bound, 0, SLICED);
    tcase_add_loop_test(c, every_tile, 0, SLICED);
    tcase_add_test(c, small_workspace);
    tcase_add_loop_test(c, repeated_runs_equal, 0, 4);
    tcase_add_test(c, recorded_back_to_back);
    tcase_add_loop_test(c, packed_by_others, 0, 2 * 2);
    tcase_add_loop_test(c, packed_alone_or_together, 0, 2 * 4);
    tcase_add_test(c, chained_runs);
    tcase_add_loop_test(c, threads_equal, 0, 4);
    suite_add_tcase(suite, c);
}
