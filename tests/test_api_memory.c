/* Host memory: every allocation fails once, nothing leaks, and a run asks for none. */
#include "test_api.h"

#include "counting.h"
#include "trial.h"

/* Fails call after call of an action until it succeeds untouched; each failure must say so and leave nothing. */
typedef struct failing {
    counting memory;
    fovea_device_params params;
    fovea_device *device; /* NULL while opening */
} failing;

typedef fovea_status failing_action(failing *f, void **out_object);

static fovea_status open_device(failing *f, void **out_object)
{
    return fovea_device_open(&f->params, (fovea_device **)out_object);
}

static fovea_status create_buffer(failing *f, void **out_object)
{
    return fovea_buffer_create(f->device, 5000, (fovea_buffer **)out_object);
}

static fovea_status create_op(failing *f, void **out_object)
{
    fovea_softmax_params params = api_params();
    params.split_count = 2;
    return fovea_softmax_create(f->device, &params, (fovea_op **)out_object);
}

/* Three sources: weights, and sums that are carried. */
static fovea_status create_merge(failing *f, void **out_object)
{
    fovea_merge_params params = {.o = {.rank = 4, .extents = {1, 2, 3, 4}}};
    for (int s = 0; s < 3; s++)
        params.sources[s] = (fovea_merge_source){params.o, {.rank = 3, .extents = {1, 2, 3}}};
    return fovea_merge_create(f->device, &params, (fovea_op **)out_object);
}

static void failing_begin(failing *f)
{
    counting_init(&f->memory);
    f->params = test.params;
    f->params.allocator = counting_allocator(&f->memory);
    f->device = NULL;
}

/* An op made beforehand, so that what the device keeps of it (its workspace) is there before anything is counted.
 * Where kernels are dear and this is not the long run it stays, and the ops that fail share its kernels. */
static fovea_op *warm_up(failing *f, failing_action *action)
{
    void *op = NULL;
    test_status(f->device, FOVEA_OK, action(f, &op));
    if (strncmp(test.info.id, "vulkan", 6) == 0 && test.level < CASE_FULL)
        return op;
    fovea_op_destroy(op);
    return NULL;
}

static void *fail_each(failing *f, failing_action *action, const char *what)
{
    void *object = NULL;
    for (long n = 0; n < 2000; n++) {
        const long live = atomic_load(&f->memory.live);
        const char dummy = 0;
        object = (void *)(uintptr_t)&dummy;
        atomic_store(&f->memory.calls, 0);
        atomic_store(&f->memory.fail_at, n);
        const fovea_status status = action(f, &object);
        const long calls = atomic_load(&f->memory.calls);
        atomic_store(&f->memory.fail_at, -1);
        if (status == FOVEA_OK && calls <= n)
            return object;
        ck_assert_msg(status == FOVEA_OUT_OF_HOST_MEMORY, "%s, allocation %ld of %ld failed: %s", what, n, calls,
                      fovea_status_name(status));
        ck_assert_msg(object == NULL, "%s, allocation %ld failed: the handle is not NULL", what, n);
        ck_assert_msg(atomic_load(&f->memory.live) == live, "%s, allocation %ld failed: %ld blocks leaked", what, n,
                      atomic_load(&f->memory.live) - live);
    }
    ck_abort_msg("%s: no end of allocations", what);
    return NULL;
}

START_TEST(every_allocation_fails_once)
{
    failing_action *const create = _i ? create_merge : create_op;
    failing f;
    failing_begin(&f);
    f.device = fail_each(&f, open_device, "open");
    fovea_buffer *buffer = fail_each(&f, create_buffer, "buffer");
    fovea_op *warm = warm_up(&f, create), *op = fail_each(&f, create, "create");
    ck_assert_ptr_nonnull(op);
    fovea_op_destroy(op);
    fovea_op_destroy(warm);
    fovea_buffer_destroy(buffer);
    fovea_device_destroy(f.device);
    ck_assert_int_eq(atomic_load(&f.memory.live), 0);
    ck_assert(!atomic_load(&f.memory.misused));
    ck_assert(!atomic_load(&f.memory.unaligned));
    test_forget_messages();
}
END_TEST

START_TEST(enumerate_fails_once_at_each_allocation)
{
    failing f;
    failing_begin(&f);
    for (long n = 0; n < 200; n++) {
        fovea_device_info infos[32];
        uint32_t count = 32;
        atomic_store(&f.memory.calls, 0);
        atomic_store(&f.memory.fail_at, n);
        const fovea_status status = fovea_device_enumerate(&f.params, infos, &count);
        ck_assert_int_eq(atomic_load(&f.memory.live), 0);
        if (atomic_load(&f.memory.calls) <= n) {
            ck_assert_int_eq(status, FOVEA_OK);
            break;
        }
        ck_assert_int_eq(status, FOVEA_OUT_OF_HOST_MEMORY);
    }
    ck_assert(!atomic_load(&f.memory.misused));
    test_forget_messages();
}
END_TEST

/* Runs, submits and waits: not one call of the allocator, whatever the plan. */
START_TEST(run_allocates_nothing)
{
    static const trial_options plans[] = {{.tile = 0}, {.split_count = 3}, {.cost_budget_us = 1}};
    const test_case c = {.name = "no_allocation",
                         .batch = 1,
                         .heads_q = 2,
                         .heads_k = 1,
                         .heads_v = 1,
                         .seq_q = 40,
                         .seq_k = 130,
                         .dim_qk = 16,
                         .dim_v = 16,
                         .mask = REF_CAUSAL};
    failing f;
    trial t;
    failing_begin(&f);
    test_status(NULL, FOVEA_OK, fovea_device_open(&f.params, &f.device));
    trial_begin(&t, f.device, &c, 0);
    for (size_t n = 0; n < sizeof plans / sizeof plans[0]; n++) {
        const fovea_softmax_params params = trial_params(&t, &plans[n]);
        fovea_op *op = NULL;
        test_status(f.device, FOVEA_OK, fovea_softmax_create(f.device, &params, &op));
        const fovea_op_args args = trial_args(&t);
        const long before = atomic_load(&f.memory.calls);
        for (int repeat = 0; repeat < 10; repeat++)
            test_status(f.device, FOVEA_OK, fovea_op_run(op, &args));
        const long after = atomic_load(&f.memory.calls);
        ck_assert_msg(after == before, "plan %zu: ten runs made %ld allocations", n, after - before);
        trial_fetch(&t, op);
        trial_check(&t);
        fovea_op_destroy(op);
    }
    trial_end(&t);
    fovea_device_destroy(f.device);
    ck_assert_int_eq(atomic_load(&f.memory.live), 0);
    ck_assert(!atomic_load(&f.memory.misused));
}
END_TEST

/* A failed create leaves a device that works. */
START_TEST(results_after_failures)
{
    failing f;
    trial t;
    failing_begin(&f);
    test_status(NULL, FOVEA_OK, fovea_device_open(&f.params, &f.device));
    fovea_op *warm = warm_up(&f, create_op);
    fovea_op_destroy(fail_each(&f, create_op, "create"));
    const trial_options split = {.split_count = 2};
    trial_begin(&t, f.device, &test_cases[5], 0);
    trial_run(&t, &split);
    trial_check(&t);
    trial_end(&t);
    fovea_op_destroy(warm);
    fovea_device_destroy(f.device);
    ck_assert_int_eq(atomic_load(&f.memory.live), 0);
    test_forget_messages();
}
END_TEST

void add_memory_tests(Suite *suite)
{
    TCase *c = tcase_create("memory");
    tcase_add_loop_test(c, every_allocation_fails_once, 0, 2);
    tcase_add_test(c, enumerate_fails_once_at_each_allocation);
    tcase_add_test(c, run_allocates_nothing);
    tcase_add_test(c, results_after_failures);
    suite_add_tcase(suite, c);
}
