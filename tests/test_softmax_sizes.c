/* Sizes around the borders of tiles, and runs smaller than the descriptor. */
#include "test_softmax.h"

/* Rows and keys of the tile that the planner takes for a shape. */
static void tile_of(const test_case *c, uint32_t *rows, uint32_t *keys)
{
    trial t;
    const trial_options defaults = {.tile = 0};
    trial_begin(&t, test.opened, c, 0);
    trial_run(&t, &defaults);
    *rows = t.report.kernels[0].rows;
    *keys = t.report.kernels[0].keys;
    trial_end(&t);
    ck_assert_uint_gt(*rows, 0);
    ck_assert_uint_gt(*keys, 0);
}

/* One op, every pair of run sizes one below, at and one above one and two tiles. */
static void run_around_tiles(const test_case *base, uint32_t rows, uint32_t keys)
{
    test_case c = *base;
    const uint32_t group = c.heads_q / c.heads_k, queries = rows / group ? rows / group : 1;
    const uint32_t q_sizes[] = {queries - 1, queries, queries + 1},
                   k_sizes[] = {keys - 1, keys, keys + 1, 2 * keys + 1};
    c.seq_q = queries + 1;
    c.seq_k = 2 * keys + 1;
    for (int q = 0; q < 3; q++)
        for (int k = 0; k < 4; k++) {
            const trial_options options = {.workspace = TRIAL_EXACT};
            if (q_sizes[q] == 0 || k_sizes[k] == 0)
                continue;
            c.run_q = q_sizes[q];
            c.run_k = k_sizes[k];
            trial_case(&c, &options);
        }
}

static const test_case edges[] = {
    {.name = "edges", .batch = 1, .heads_q = 1, .heads_k = 1, .heads_v = 1, .dim_qk = 64, .dim_v = 64},
    {.name = "edges_causal",
     .batch = 1,
     .heads_q = 4,
     .heads_k = 2,
     .heads_v = 2,
     .dim_qk = 24,
     .dim_v = 40,
     .dtypes = {FOVEA_F16, FOVEA_F16, FOVEA_F16, FOVEA_F16},
     .mask = REF_CAUSAL,
     .values = VALUES_ONE_HOT},
    {.name = "edges_top_left",
     .batch = 1,
     .heads_q = 3,
     .heads_k = 1,
     .heads_v = 1,
     .dim_qk = 128,
     .dim_v = 128,
     .mask = REF_CAUSAL_TOP_LEFT},
};

START_TEST(tile_edges)
{
    test_case c = edges[_i];
    uint32_t rows, keys;
    if (test.level == CASE_TINY)
        c.dim_qk = c.dim_v = 8;
    c.seq_q = 40;
    c.seq_k = 40;
    if (!test_takes(&c))
        return;
    tile_of(&c, &rows, &keys);
    run_around_tiles(&c, rows, keys);
}
END_TEST

/* One op serves all its sizes: the same op object runs growing and shrinking sizes, each run checked alone. */
START_TEST(one_op_many_sizes)
{
    const uint32_t sizes[][2] = {{1, 1}, {13, 29}, {13, 1}, {0, 29}, {1, 29}, {13, 0}, {7, 17}, {12, 28}};
    test_case c = {.name = "many_sizes",
                   .batch = 2,
                   .heads_q = 2,
                   .heads_k = 1,
                   .heads_v = 1,
                   .seq_q = 13,
                   .seq_k = 29,
                   .dim_qk = 16,
                   .dim_v = 8,
                   .mask = (ref_mask)_i};
    trial t;
    const trial_options defaults = {.tile = 0};
    if (!test_takes(&c))
        return;
    trial_begin(&t, test.opened, &c, 0);
    const fovea_softmax_params params = trial_params(&t, &defaults);
    fovea_op *op = NULL;
    test_ok(fovea_softmax_create(test.opened, &params, &op));
    trial_end(&t);
    for (size_t n = 0; n < sizeof sizes / sizeof sizes[0]; n++) {
        c.run_q = sizes[n][0];
        c.run_k = sizes[n][1];
        c.no_queries = sizes[n][0] == 0;
        c.no_keys = sizes[n][1] == 0;
        trial_begin(&t, test.opened, &c, 0);
        trial_run_op(&t, op, TRIAL_OWN);
        trial_check(&t);
        trial_end(&t);
    }
    test_keep_op(op);
}
END_TEST

/* The maxima may lie below or above the extents' sizes: a descriptor for a cache of which a run uses a part. */
START_TEST(maxima_below_extents)
{
    const test_case c = {.name = "maxima",
                         .batch = 1,
                         .heads_q = 2,
                         .heads_k = 1,
                         .heads_v = 1,
                         .seq_q = 9,
                         .seq_k = 31,
                         .dim_qk = 8,
                         .dim_v = 8,
                         .mask = REF_CAUSAL,
                         .run_q = 5,
                         .run_k = 20};
    trial t;
    const trial_options defaults = {.tile = 0};
    trial_begin(&t, test.opened, &c, 0);
    fovea_softmax_params params = trial_params(&t, &defaults);
    params.seq_q_max = 5;
    params.seq_k_max = 20;
    fovea_op *op = NULL;
    test_ok(fovea_softmax_create(test.opened, &params, &op));
    fovea_op_args args = trial_args(&t);
    args.seq_q = args.seq_k = FOVEA_MAXIMUM; /* the descriptor's maxima, not the extents */
    test_ok(fovea_op_run(op, &args));
    trial_fetch(&t, op);
    trial_check(&t);
    args.seq_q = 6;
    ck_assert_int_eq(fovea_op_run(op, &args), FOVEA_INVALID);
    args.seq_q = 5;
    args.seq_k = 21;
    ck_assert_int_eq(fovea_op_run(op, &args), FOVEA_INVALID);
    test_forget_messages();
    test_ok(fovea_device_wait(test.opened));
    test_keep_op(op);
    trial_end(&t);
}
END_TEST

void add_size_tests(Suite *suite)
{
    TCase *c = tcase_create("sizes");
    tcase_add_loop_test(c, tile_edges, 0, (int)(sizeof edges / sizeof edges[0]));
    tcase_add_loop_test(c, one_op_many_sizes, 0, 3);
    tcase_add_test(c, maxima_below_extents);
    suite_add_tcase(suite, c);
}
