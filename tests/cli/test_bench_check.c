/* What the benchmark decides: right outputs pass, and one wrong element in a sampled row does not; and which tile it
 * prefers. */
#include "bench.h"

#include "ref.h"
#include "runner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 7 };

static const test_case small = {.name = "small",
                                .batch = 1,
                                .heads_q = 4,
                                .heads_k = 2,
                                .heads_v = 1,
                                .seq_q = 5,
                                .seq_k = 11,
                                .dim_qk = 9,
                                .dim_v = DIM,
                                .mask = REF_CAUSAL,
                                .dtypes = {FOVEA_F16, FOVEA_BF16, FOVEA_F32, FOVEA_F32}};

static unsigned char *data[FOVEA_O + 1];

static ref_view view(int t, fovea_dtype dtype, uint32_t heads, uint32_t seq, uint32_t dim)
{
    return (ref_view){data[t], dtype, (uint64_t)heads * seq * dim, (uint64_t)seq * dim, dim};
}

static void setup(void)
{
    const test_case *c = &small;
    const uint64_t sizes[] = {2u * 4 * 5 * 9, 2u * 2 * 11 * 9, 4u * 11 * DIM, 4u * 4 * 5 * DIM};
    const fovea_dtype dtypes[] = {c->dtypes.q, c->dtypes.k, c->dtypes.v, c->dtypes.o};
    for (int t = 0; t <= FOVEA_O; t++) {
        data[t] = malloc(sizes[t]);
        ck_assert_ptr_nonnull(data[t]);
        bench_fill(data[t], sizes[t], dtypes[t], (uint64_t)t + 1);
    }
    const ref_problem problem = {.batch = 1,
                                 .heads_q = 4,
                                 .heads_k = 2,
                                 .heads_v = 1,
                                 .seq_q = 5,
                                 .seq_k = 11,
                                 .dim_qk = 9,
                                 .dim_v = DIM,
                                 .q = view(FOVEA_Q, c->dtypes.q, 4, 5, 9),
                                 .k = view(FOVEA_K, c->dtypes.k, 2, 11, 9),
                                 .v = view(FOVEA_V, c->dtypes.v, 1, 11, DIM),
                                 .scale = 1.0 / 3.0,
                                 .mask = REF_CAUSAL};
    ref_result result;
    ck_assert(ref_softmax(&problem, &result));
    for (size_t i = 0; i < (size_t)4 * 5 * DIM; i++)
        ref_encode(data[FOVEA_O] + 4 * i, FOVEA_F32, result.o[i]);
    ref_release(&result);
}

static void teardown(void)
{
    for (int t = 0; t <= FOVEA_O; t++)
        free(data[t]);
}

START_TEST(right_output_passes)
{
    bench_result result = {.c = &small};
    ck_assert(bench_check(&small, data, true, &result));
    ck_assert_msg(result.of_bound <= 1.0, "%g", result.of_bound);
    ck_assert_uint_eq(result.rows_checked, 4 * 5);
}
END_TEST

/* The last row and the first are always looked at. */
START_TEST(wrong_output_fails)
{
    static const double wrong[] = {1e-3, NAN, INFINITY};
    const size_t last = ((size_t)4 * 5 - 1) * DIM + 3, place = _i % 2 ? last : 0;
    bench_result result = {.c = &small};
    unsigned char *element = data[FOVEA_O] + 4 * place;
    ref_encode(element, FOVEA_F32, ref_decode(element, FOVEA_F32) + wrong[_i / 2]);
    ck_assert(bench_check(&small, data, true, &result));
    ck_assert_msg(!(result.of_bound <= 1.0), "%g", result.of_bound);
}
END_TEST

START_TEST(inputs_are_uniform_and_the_same)
{
    enum { COUNT = 4096 };
    float a[COUNT], b[COUNT], other[COUNT];
    double sum = 0.0, squares = 0.0;
    bench_fill((unsigned char *)a, sizeof a, FOVEA_F32, 1);
    bench_fill((unsigned char *)b, sizeof b, FOVEA_F32, 1);
    bench_fill((unsigned char *)other, sizeof other, FOVEA_F32, 2);
    ck_assert_mem_eq(a, b, sizeof a);
    ck_assert(memcmp(a, other, sizeof a) != 0);
    for (int i = 0; i < COUNT; i++) {
        ck_assert_msg(a[i] >= -1.0f && a[i] < 1.0f, "%g", a[i]);
        sum += a[i];
        squares += (double)a[i] * a[i];
    }
    ck_assert_msg(fabs(sum / COUNT) < 0.05 && fabs(squares / COUNT - 1.0 / 3.0) < 0.03, "%g %g", sum / COUNT,
                  squares / COUNT);
}
END_TEST

static bench_result a_tile(uint32_t tile, double p10, double median)
{
    return (bench_result){.tile = tile, .timed = true, .wall = {.p10 = p10, .median = median}};
}

/* Tile 2 is the planner's: its runs differ by 10 %. */
START_TEST(a_faster_tile_is_clearly_faster)
{
    bench_result tried[] = {a_tile(1, 1.3, 1.4), a_tile(2, 0.9, 1.0), a_tile(3, 0.5, 0.95), a_tile(4, 0.8, 0.93)};
    ck_assert_ptr_eq(bench_faster_tile(tried, 4, 2), &tried[1]);
    tried[3].wall.median = 0.9;
    ck_assert_ptr_eq(bench_faster_tile(tried, 4, 2), &tried[1]);
    tried[3].wall.median = 0.89;
    ck_assert_ptr_eq(bench_faster_tile(tried, 4, 2), &tried[3]);
    tried[0].wall.median = 0.88;
    ck_assert_ptr_eq(bench_faster_tile(tried, 4, 2), &tried[0]);
    tried[0].timed = tried[3].timed = false;
    ck_assert_ptr_eq(bench_faster_tile(tried, 4, 2), &tried[1]);
}
END_TEST

START_TEST(a_tile_that_was_not_timed_is_not_kept)
{
    bench_result tried[] = {a_tile(1, 1.3, 1.4), a_tile(2, 0.9, 1.0), a_tile(3, 1.1, 1.2)};
    tried[1].timed = false; /* its times are stale */
    ck_assert_ptr_eq(bench_faster_tile(tried, 3, 2), &tried[2]);
    ck_assert_ptr_eq(bench_faster_tile(tried, 3, 9), &tried[2]);
    tried[0].timed = tried[2].timed = false;
    ck_assert_ptr_null(bench_faster_tile(tried, 3, 2));
    ck_assert_ptr_null(bench_faster_tile(NULL, 0, 2));
}
END_TEST

/* Where the device keeps time its clock counts, and the host's does not. */
START_TEST(the_devices_clock_counts)
{
    bench_result tried[] = {a_tile(1, 0.9, 1.0), a_tile(2, 0.1, 0.1)};
    for (int i = 0; i < 2; i++) {
        tried[i].on_device = true;
        tried[i].own = (bench_times){.p10 = 1.0, .median = i + 1.0};
    }
    ck_assert_ptr_eq(bench_faster_tile(tried, 2, 1), &tried[0]);
    tried[1].own.median = 0.5;
    ck_assert_ptr_eq(bench_faster_tile(tried, 2, 1), &tried[1]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bench");
    TCase *c = tcase_create("check");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, right_output_passes);
    tcase_add_loop_test(c, wrong_output_fails, 0, 6);
    tcase_add_test(c, inputs_are_uniform_and_the_same);
    suite_add_tcase(suite, c);
    c = tcase_create("tune");
    tcase_add_test(c, a_faster_tile_is_clearly_faster);
    tcase_add_test(c, a_tile_that_was_not_timed_is_not_kept);
    tcase_add_test(c, the_devices_clock_counts);
    suite_add_tcase(suite, c);
    return !run_suite(suite);
}
