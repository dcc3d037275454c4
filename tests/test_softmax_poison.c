/* Visible NaN and infinity stay in the rows that see them; extreme scores; permuted and repeated heads. */
#include "test_softmax.h"

#include <math.h>
#include <stdlib.h>

enum { MANY_ROWS = 19 }; /* too many for the kernels that the CPU has for few */

static const test_case visible = {.name = "visible_nan",
                                  .batch = 2,
                                  .heads_q = 4,
                                  .heads_k = 2,
                                  .heads_v = 1,
                                  .seq_q = 21,
                                  .seq_k = 33,
                                  .dim_qk = 12,
                                  .dim_v = 10,
                                  .mask = REF_CAUSAL};

static void run_and_check(trial *t)
{
    static const trial_options options[] = {{.tile = 0}, {.split_count = 3}, {.cost_budget_us = 1}};
    for (size_t n = 0; n < sizeof options / sizeof options[0]; n++) {
        trial_run(t, &options[n]);
        trial_check(t);
    }
}

/* The reference says which rows see the element; all others must come out finite and right. */
START_TEST(nan_in_one_place)
{
    static const struct {
        int tensor;
        uint32_t index[4];
        double value;
    } places[] = {
        {TRIAL_Q, {1, 2, 7, 3}, NAN},   {TRIAL_Q, {0, 0, 20, 11}, INFINITY}, {TRIAL_K, {0, 1, 25, 0}, NAN},
        {TRIAL_K, {1, 0, 32, 11}, NAN}, {TRIAL_V, {0, 0, 25, 4}, NAN},       {TRIAL_V, {1, 0, 32, 9}, INFINITY},
        {TRIAL_V, {1, 0, 0, 0}, NAN},   {TRIAL_V, {0, 0, 31, 5}, -INFINITY},
    };
    test_case c = visible;
    trial t;
    if (_i >= 16)
        c.window = (ref_window){.given = true, .left = 6};
    if (_i >= 8)
        c.dtypes = (case_dtypes){FOVEA_F16, FOVEA_BF16, FOVEA_F16, FOVEA_F16};
    if (!test_takes(&c))
        return;
    trial_begin(&t, test.opened, &c, 0);
    trial_poke(&t, places[_i % 8].tensor, places[_i % 8].index, places[_i % 8].value);
    run_and_check(&t);
    trial_end(&t);
}
END_TEST

/* A key whose scores are all -inf is a key removed, and a row of such keys alone is an empty row. */
START_TEST(minus_infinity_scores)
{
    const int kind = _i % 3;
    const test_case c = {.name = "minus_infinity",
                         .batch = 1,
                         .heads_q = 1,
                         .heads_k = 1,
                         .heads_v = 1,
                         .seq_q = _i < 3 ? 5 : MANY_ROWS,
                         .seq_k = 37,
                         .dim_qk = 1,
                         .dim_v = 6,
                         .mask = kind ? REF_FULL : REF_CAUSAL_TOP_LEFT};
    trial t;
    if (!test_takes(&c) || test.operands == FOVEA_OPERANDS_F16_X3) /* which promises that there are none */
        return;
    trial_begin(&t, test.opened, &c, 0);
    for (uint32_t i = 0; i < c.seq_q; i++)
        trial_poke(&t, TRIAL_Q, (const uint32_t[4]){0, 0, i, 0}, 1.0 + i);
    const uint32_t first = kind == 2 ? 0 : 1; /* without a finite key: all rows empty */
    for (uint32_t j = 0; j < c.seq_k; j++) {
        trial_poke(&t, TRIAL_V, (const uint32_t[4]){0, 0, j, 2}, 0.5 + j);
        trial_poke(&t, TRIAL_K, (const uint32_t[4]){0, 0, j, 0}, j < first ? 0.3 : -INFINITY);
    }
    if (kind == 0) /* hidden from all: stays poison */
        for (uint32_t j = c.seq_q; j < c.seq_k; j++) {
            trial_poke(&t, TRIAL_V, (const uint32_t[4]){0, 0, j, 2}, NAN);
            trial_poke(&t, TRIAL_K, (const uint32_t[4]){0, 0, j, 0}, NAN);
        }
    run_and_check(&t);
    trial_end(&t);
}
END_TEST

/* Scores far below every weight's range still are scores: equal keys share the row, whatever their size. */
START_TEST(equal_scores_of_any_size)
{
    static const double sizes[] = {0.0, 1e4, 1e15, 1e18};
    const double size = sizes[_i / 2 % 4], sign = _i / 8 % 2 ? -1.0 : 1.0;
    const bool halves = test.dtype == FOVEA_F16 || test.operands != FOVEA_OPERANDS_STORED;
    const double stored = halves ? fmin(size, 1e4) : size; /* the scale has what f16 cannot hold */
    const test_case c = {.name = "equal_scores",
                         .batch = 1,
                         .heads_q = 1,
                         .heads_k = 1,
                         .heads_v = 1,
                         .seq_q = _i < 16 ? 3 : MANY_ROWS,
                         .seq_k = _i % 2 ? 1 : 64,
                         .dim_qk = 1,
                         .dim_v = 3,
                         .scale_literal = true,
                         .scale = size > stored ? (float)(size * size / (stored * stored)) : 1.0f};
    const trial_options defaults = {.tile = 0};
    trial t;
    size_t bytes;
    if (!test_takes(&c))
        return;
    trial_begin(&t, test.opened, &c, 0);
    for (uint32_t i = 0; i < c.seq_q; i++)
        trial_poke(&t, TRIAL_Q, (const uint32_t[4]){0, 0, i, 0}, stored);
    for (uint32_t j = 0; j < c.seq_k; j++) {
        trial_poke(&t, TRIAL_K, (const uint32_t[4]){0, 0, j, 0}, sign * stored);
        for (uint32_t v = 0; v < c.dim_v; v++)
            trial_poke(&t, TRIAL_V, (const uint32_t[4]){0, 0, j, v}, 0.25 * (v + 1));
    }
    trial_run(&t, &defaults);
    float *o = (float *)(void *)trial_output(&t, TRIAL_O, &bytes);
    for (uint32_t n = 0; n < c.seq_q * c.dim_v; n++)
        ck_assert_msg(fabs(o[n] - 0.25 * (n % c.dim_v + 1)) <= 1e-5, "scores of %g: o[%u] is %g", sign * size * size, n,
                      (double)o[n]);
    free(o);
    trial_end(&t);
}
END_TEST

START_TEST(permuted_heads)
{
    const test_case c = {.name = "permuted_heads",
                         .batch = 2,
                         .heads_q = 6,
                         .heads_k = 3,
                         .heads_v = 3,
                         .seq_q = 19,
                         .seq_k = 45,
                         .dim_qk = 16,
                         .dim_v = 12,
                         .mask = (ref_mask)_i};
    const trial_options defaults = {.split_count = 1};
    const size_t outer = c.heads_q * c.seq_q * c.dim_v * 4, inner = c.seq_q * c.dim_v * 4;
    trial plain, turned;
    size_t size;
    if (!test_takes(&c))
        return;
    trial_begin(&plain, test.opened, &c, 0);
    trial_begin(&turned, test.opened, &c, 1);
    trial_run(&plain, &defaults);
    trial_run(&turned, &defaults);
    trial_check(&turned);
    unsigned char *a = trial_output(&plain, TRIAL_O, &size), *b = trial_output(&turned, TRIAL_O, &size);
    for (uint32_t n = 0; n < c.batch * c.heads_q; n++) {
        const uint32_t batch = n / c.heads_q, head = n % c.heads_q, from = (head + 2) % c.heads_q;
        ck_assert_msg(memcmp(b + batch * outer + head * inner, a + batch * outer + from * inner, inner) == 0,
                      "head %u of the permuted run differs from head %u", head, from);
    }
    free(a);
    free(b);
    trial_end(&plain);
    trial_end(&turned);
}
END_TEST

/* Heads that repeat by stride 0 give what copied heads give. */
START_TEST(broadcast_equals_copies)
{
    test_case c = {.name = "broadcast_copies",
                   .batch = 2,
                   .heads_q = 4,
                   .heads_k = 4,
                   .heads_v = 4,
                   .seq_q = 9,
                   .seq_k = 21,
                   .dim_qk = 8,
                   .dim_v = 8,
                   .layout = LAYOUT_BROADCAST_HEADS};
    const trial_options defaults = {.split_count = 1};
    trial repeated, copied;
    if (!test_takes(&c))
        return;
    trial_begin(&repeated, test.opened, &c, 0);
    c.layout = LAYOUT_BHSD;
    trial_begin(&copied, test.opened, &c, 0);
    for (int n = TRIAL_K; n <= TRIAL_V; n++) {
        const trial_tensor *from = &repeated.tensors[n];
        trial_tensor *to = &copied.tensors[n];
        const uint64_t head = (uint64_t)21 * 8 * fovea_dtype_size(to->view.dtype);
        for (uint32_t h = 0; h < 8; h++)
            memcpy(to->image + to->offset + h * head, from->image + from->offset + h / 4 * (4 * head), head);
        test_ok(fovea_buffer_upload(to->buffer, 0, to->image, to->size));
    }
    size_t size;
    trial_run(&repeated, &defaults);
    trial_run(&copied, &defaults);
    unsigned char *o = trial_output(&repeated, TRIAL_O, &size), *lse = trial_output(&repeated, TRIAL_LSE, &size);
    trial_same(&copied, o, lse, "copied heads");
    trial_check(&copied);
    free(o);
    free(lse);
    trial_end(&repeated);
    trial_end(&copied);
}
END_TEST

void add_poison_tests(Suite *suite)
{
    TCase *c = tcase_create("poison");
    tcase_add_loop_test(c, nan_in_one_place, 0, 3 * 8);
    tcase_add_loop_test(c, minus_infinity_scores, 0, 2 * 3);
    tcase_add_loop_test(c, equal_scores_of_any_size, 0, 2 * 16);
    tcase_add_loop_test(c, permuted_heads, 0, 3);
    tcase_add_test(c, broadcast_equals_copies);
    suite_add_tcase(suite, c);
}
