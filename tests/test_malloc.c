/* No heap allocation in fovea_op_run, by the C library's own functions: this program replaces them and counts. */
#include "merge_trial.h"
#include "trial.h"

#include <stdatomic.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__GLIBC__) && !defined(SANITIZED) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTS_MALLOC 1
#else
#define COUNTS_MALLOC 0
#endif

static atomic_long calls;
static atomic_bool counting_now;

#if COUNTS_MALLOC
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static void count_call(void)
{
    if (atomic_load_explicit(&counting_now, memory_order_relaxed))
        atomic_fetch_add(&calls, 1);
}

void *malloc(size_t size)
{
    count_call();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    count_call();
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    count_call();
    return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    count_call();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    count_call();
    *memory = __libc_memalign(alignment, size);
    return *memory ? 0 : 12;
}
#endif

static const test_case c = {.name = "malloc",
                            .batch = 1,
                            .heads_q = 4,
                            .heads_k = 2,
                            .heads_v = 1,
                            .seq_q = 70,
                            .seq_k = 300,
                            .dim_qk = 24,
                            .dim_v = 40,
                            .mask = REF_CAUSAL,
                            .dtypes = {FOVEA_F16, FOVEA_BF16, FOVEA_F32, FOVEA_F16},
                            .shift = 1};
static const trial_options plans[] = {{.tile = 0}, {.split_count = 3}, {.cost_budget_us = 1}, {.tile = 1}};
enum { PLANS = sizeof plans / sizeof plans[0] };

static void run_counted(fovea_op *op, const fovea_op_args *args)
{
    fovea_status status = FOVEA_OK;
    atomic_store(&calls, 0);
    atomic_store(&counting_now, true);
    for (int n = 0; n < 20 && status == FOVEA_OK; n++) {
        status = fovea_op_run(op, args);
        if (status == FOVEA_OK && n % 4 == 3)
            status = fovea_device_submit(test.opened);
    }
    if (status == FOVEA_OK)
        status = fovea_device_wait(test.opened);
    atomic_store(&counting_now, false);
    const long made = atomic_load(&calls);
    test_ok(status);
    ck_assert_msg(made == 0, "20 runs made %ld heap allocations", made);
}

START_TEST(run_and_wait)
{
    trial t;
    test_case with_dtypes = c;
    if (_i >= PLANS) /* kernels of bf16 operands pack them */
        with_dtypes.dtypes = (case_dtypes){FOVEA_BF16, FOVEA_BF16, FOVEA_BF16, FOVEA_BF16};
    trial_begin(&t, test.opened, &with_dtypes, 0);
    const fovea_softmax_params params = trial_params(&t, &plans[_i % PLANS]);
    fovea_op *op = NULL;
    test_ok(fovea_softmax_create(test.opened, &params, &op));
    const fovea_op_args args = trial_args(&t);
    run_counted(op, &args);
    trial_fetch(&t, op);
    trial_check(&t);
    fovea_op_destroy(op);
    trial_end(&t);
}
END_TEST

START_TEST(merge_and_wait)
{
    const merge_case merged = {.name = "malloc",
                               .parts = {2, 1, 3},
                               .batch = 1,
                               .heads = 3,
                               .seq_q = 50,
                               .dim_v = 7,
                               .dtypes = {FOVEA_F16, FOVEA_BF16},
                               .budget = (uint32_t)_i};
    merge_trial t;
    merge_begin(&t, test.opened, &merged);
    const fovea_merge_params params = merge_params(&t);
    fovea_op *op = NULL;
    test_ok(fovea_merge_create(test.opened, &params, &op));
    const fovea_op_args args = merge_args(&t);
    run_counted(op, &args);
    merge_fetch(&t);
    merge_check(&t);
    fovea_op_destroy(op);
    merge_end(&t);
}
END_TEST

/* The counter itself works. */
START_TEST(counter_counts)
{
    atomic_store(&calls, 0);
    atomic_store(&counting_now, true);
    void *volatile memory = malloc(100);
    atomic_store(&counting_now, false);
    free(memory);
    ck_assert_int_eq(atomic_load(&calls), COUNTS_MALLOC);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("malloc");
    tcase_add_test(tests, counter_counts);
    tcase_add_loop_test(tests, run_and_wait, 0, 2 * PLANS);
    tcase_add_loop_test(tests, merge_and_wait, 0, 2);
    suite_add_tcase(suite, tests);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv, "malloc", add);
}
