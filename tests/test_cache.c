/* Caches through the public API: what a second device gains, and that no entry, however damaged, costs more than that. */
#include "counting.h"
#include "keeper.h"
#include "trial.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Of an entry, as docs/caches.md tells: a head with these in it, the key, the payload from a multiple of 16. */
enum { KEY_SIZE_AT = 12, HASH_AT = 24, HEAD_SIZE = 48 };

static const test_case shape = {.name = "cache",
                                .batch = 1,
                                .heads_q = 2,
                                .heads_k = 1,
                                .heads_v = 1,
                                .seq_q = 5,
                                .seq_k = 150,
                                .dim_qk = 8,
                                .dim_v = 8,
                                .mask = REF_CAUSAL};
/* One variant, with its direct and its carried kernels where the device binds enough for both. */
static const trial_options plan = {.tile = 2, .split_count = 2};
static const trial_options plan_on_cpu = {.split_count = 2};

static keeper kept, model;                                 /* model: what a first device leaves behind, made once */
static atomic_uint warnings, pipeline_hits, selftest_hits; /* messages about entries */

static void on_message(void *user, fovea_log_level level, const char *text)
{
    (void)user;
    if (strncmp(text, "cache: ", 7) != 0 && strncmp(text, "softmax: tile", 13) != 0 && !strstr(text, "of pipelines")) {
        test.params.log.message(test.params.log.user, level, text);
        return;
    }
    atomic_fetch_add(&warnings, level <= FOVEA_LOG_WARNING);
    atomic_fetch_add(&pipeline_hits, level == FOVEA_LOG_INFO && strncmp(text, "cache: pipelines-", 17) == 0);
    atomic_fetch_add(&selftest_hits, level == FOVEA_LOG_INFO && strncmp(text, "cache: selftest-", 16) == 0);
}

static void count_anew(void)
{
    atomic_store(&warnings, 0);
    atomic_store(&pipeline_hits, 0);
    atomic_store(&selftest_hits, 0);
    kept.gets = kept.sets = 0;
}

static fovea_device_params params_with(keeper *k)
{
    fovea_device_params params = test.params;
    params.cache = keeper_cache(k);
    params.log = (fovea_log){.message = on_message, .level = FOVEA_LOG_INFO};
    return params;
}

static fovea_device *open_device(void)
{
    const fovea_device_params params = params_with(&kept);
    fovea_device *device = NULL;
    test_status(NULL, FOVEA_OK, fovea_device_open(&params, &device));
    return device;
}

/* One op, one run, the right result. */
static fovea_op_report use(fovea_device *device)
{
    trial t;
    trial_begin(&t, device, &shape, 0);
    trial_run(&t, test_is_cpu() ? &plan_on_cpu : &plan);
    trial_check(&t);
    const fovea_op_report report = t.report;
    trial_end(&t);
    return report;
}

static fovea_op_report use_new_device(void)
{
    fovea_device *device = open_device();
    const fovea_op_report report = use(device);
    fovea_device_destroy(device);
    return report;
}

/* As if a device had been there before. */
static void begin_warm(void)
{
    if (model.count == 0) {
        use_new_device();
        for (uint32_t n = 0; n < kept.count; n++)
            keeper_put(&model, kept.entries[n].key, kept.entries[n].data, kept.entries[n].size);
    }
    for (uint32_t n = 0; n < model.count; n++)
        keeper_put(&kept, model.entries[n].key, model.entries[n].data, model.entries[n].size);
    count_anew();
}

static uint32_t cached_kernels(const fovea_op_report *report)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < report->kernel_count; i++) {
        ck_assert_uint_eq(report->kernels[i].tested, 1);
        ck_assert(!report->kernels[i].cached || report->kernels[i].self_test_s == 0.0);
        count += report->kernels[i].cached;
    }
    return count;
}

static void setup(void)
{
    keeper_init(&kept);
    count_anew();
}

static void teardown(void)
{
    ck_assert(!kept.misused);
    keeper_release(&kept);
}

/* ---- any device -------------------------------------------------------------------------------------------------- */

START_TEST(half_a_cache_is_refused)
{
    fovea_device_params params = test.params;
    fovea_device *device = test.opened;
    uint32_t count = 0;
    params.cache = keeper_cache(&kept);
    if (_i == 0)
        params.cache.get = NULL;
    else if (_i == 1)
        params.cache.set = NULL;
    else
        params.cache.reserved[_i - 2] = 1;
    ck_assert_int_eq(fovea_device_open(&params, &device), FOVEA_INVALID);
    ck_assert_ptr_null(device);
    ck_assert_int_eq(fovea_device_enumerate(&params, NULL, &count), FOVEA_INVALID);
    test_forget_messages();
}
END_TEST

/* Where no driver compiles, nothing is kept, and every self-test runs. */
START_TEST(native_and_emulated_kernels_are_not_kept)
{
    for (int n = 0; n < 2; n++) {
        const fovea_op_report report = use_new_device();
        ck_assert_uint_eq(cached_kernels(&report), 0);
    }
    ck_assert_uint_eq(kept.sets, 0); /* what is asked for is tuning */
}
END_TEST

/* ---- drivers ------------------------------------------------------------------------------------------------------- */

START_TEST(the_second_device_tests_nothing)
{
    const fovea_op_report cold = use_new_device();
    ck_assert_uint_eq(cached_kernels(&cold), 0);
    ck_assert_uint_ge(cold.kernel_count, 2);
    ck_assert_uint_eq(pipeline_hits + selftest_hits + warnings, 0);
    ck_assert_ptr_nonnull(keeper_find(&kept, "pipelines-", 0));
    ck_assert_ptr_null(keeper_find(&kept, "pipelines-", 1));
    ck_assert_ptr_nonnull(keeper_find(&kept, "selftest-", 0));
    ck_assert_ptr_null(keeper_find(&kept, "selftest-", 2));

    count_anew();
    fovea_device *device = open_device();
    ck_assert_uint_eq(pipeline_hits, 1);
    const fovea_op_report warm = use(device);
    ck_assert_uint_eq(warm.kernel_count, cold.kernel_count);
    ck_assert_uint_eq(cached_kernels(&warm), warm.kernel_count);
    ck_assert_uint_ge(selftest_hits, 1);
    ck_assert_uint_eq(warnings, 0);
    fovea_device_destroy(device);
    ck_assert_uint_le(kept.sets, 1); /* pipelines, where the driver has put them into another order; no verdict */
}
END_TEST

START_TEST(a_run_does_not_touch_the_cache)
{
    fovea_device *device = open_device();
    trial t;
    trial_begin(&t, device, &shape, 0);
    const fovea_softmax_params params = trial_params(&t, &plan);
    fovea_op *op = NULL;
    test_status(device, FOVEA_OK, fovea_softmax_create(device, &params, &op));
    ck_assert_uint_ge(kept.sets, 1); /* pipelines are kept when create ends, not only with the device */
    ck_assert_ptr_nonnull(keeper_find(&kept, "pipelines-", 0));
    count_anew();
    trial_run_op(&t, op, TRIAL_OWN);
    trial_check(&t);
    ck_assert_uint_eq(kept.gets + kept.sets, 0);
    fovea_op_destroy(op);
    trial_end(&t);
    fovea_device_destroy(device);
    ck_assert_uint_eq(kept.gets + kept.sets, 0); /* nothing is new */
}
END_TEST

/* Every byte of the real entry changed, or everything from there on gone: the device opens without it. */
START_TEST(damaged_pipelines)
{
    begin_warm();
    const keeper_entry *real = keeper_find(&kept, "pipelines-", 0);
    const size_t size = real->size, stride = test.level == CASE_FULL ? 1 : size / 24 + 1;
    unsigned char *copy = malloc(size);
    char key[KEEPER_KEY];
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, real->data, size);
    memcpy(key, real->key, sizeof key);
    for (size_t at = _i ? 1 : 0; at < size; at += at < HEAD_SIZE && !_i ? 3 : stride) {
        keeper_put(&kept, key, copy, _i ? at : size);
        if (!_i)
            keeper_find(&kept, "pipelines-", 0)->data[at] ^= 0x11;
        count_anew();
        fovea_device_destroy(open_device());
        ck_assert_msg(warnings == 1 && pipeline_hits == 0, "byte %zu of %zu: %u warnings", at, size, warnings);
    }
    free(copy);
    if (_i)
        return;
    use_new_device(); /* and puts a good one in its place */
    count_anew();
    fovea_device_destroy(open_device());
    ck_assert_uint_eq(pipeline_hits, 1);
}
END_TEST

START_TEST(damaged_self_tests)
{
    fovea_op_report report;
    begin_warm();
    for (int n = 0; n < 8; n++) {
        if (!test_takes_number(n))
            continue;
        keeper_entry *entry = keeper_find(&kept, "selftest-", 0);
        const size_t size = entry->size;
        const size_t places[] = {0, 9, KEY_SIZE_AT, 16, HASH_AT, HEAD_SIZE + 5, size - 1};
        if (n < 7)
            entry->data[places[n]] ^= 3;
        else
            entry->size /= 2;
        count_anew();
        report = use_new_device();
        ck_assert_uint_eq(warnings, 1);
        ck_assert_uint_lt(cached_kernels(&report), report.kernel_count);
        ck_assert_uint_eq(keeper_find(&kept, "selftest-", 0)->size, size); /* tested and written anew */
    }
    count_anew();
    report = use_new_device();
    ck_assert_uint_eq(cached_kernels(&report), report.kernel_count);
    ck_assert_uint_eq(warnings, 0);
}
END_TEST

/* Gives an entry another payload, and its hash, as who knows the format can. */
static void forge(keeper_entry *entry, size_t at, unsigned char byte)
{
    const unsigned char *size = entry->data + KEY_SIZE_AT;
    const size_t key = (size_t)size[0] | (size_t)size[1] << 8 | (size_t)size[2] << 16;
    const size_t lead = HEAD_SIZE + (key + 15) / 16 * 16;
    XXH128_canonical_t canonical;
    ck_assert_uint_lt(lead + at, entry->size);
    entry->data[lead + at] = byte;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(entry->data + lead, entry->size - lead));
    memcpy(entry->data + HASH_AT, canonical.digest, sizeof canonical.digest);
}

START_TEST(a_failed_test_is_remembered)
{
    begin_warm();
    forge(keeper_find(&kept, "selftest-", 0), 0, 2);
    keeper_find(&kept, "pipelines-", 0)->size = 0; /* as if it were not there */
    fovea_device *device = open_device();
    trial t;
    char reason[1024];
    fovea_op *op = NULL;
    trial_begin(&t, device, &shape, 0);
    const fovea_softmax_params params = trial_params(&t, &plan);
    ck_assert_int_eq(fovea_softmax_create(device, &params, &op), FOVEA_INTERNAL);
    ck_assert_ptr_null(op);
    fovea_last_error(device, reason, sizeof reason);
    test_contains(reason, "known-answer test gave a wrong result (cached)");
    ck_assert_uint_ge(selftest_hits, 1);
    trial_end(&t);
    ck_assert_uint_eq(kept.sets, 0);
    fovea_device_destroy(device); /* which keeps the pipelines of a create that failed */
    ck_assert_uint_eq(kept.sets, 1);
    ck_assert_uint_gt(keeper_find(&kept, "pipelines-", 0)->size, 0);
    test_forget_messages();
}
END_TEST

/* An entry that is whole, of this very key, but whose content another driver wrote: the backend's own check. */
/* A verdict from a device without clamps does not lift those of another. */
START_TEST(limits_hold_beside_a_verdict)
{
    const trial_options sliced = {.tile = plan.tile, .split_count = plan.split_count, .cost_budget_us = 1};
    begin_warm();
    fovea_device_params params = params_with(&kept);
    fovea_device *device = NULL;
    fovea_op *op = NULL;
    trial t;
    params.limits.storage_range = 256;
    test_status(NULL, FOVEA_OK, fovea_device_open(&params, &device));
    trial_begin(&t, device, &shape, 0);
    const fovea_softmax_params softmax = trial_params(&t, &sliced);
    test_status(device, FOVEA_UNSUPPORTED, fovea_softmax_create(device, &softmax, &op));
    fovea_op_destroy(op);
    trial_end(&t);
    fovea_device_destroy(device);
    test_forget_messages();
}
END_TEST

START_TEST(foreign_pipelines)
{
    begin_warm();
    keeper_entry *entry = keeper_find(&kept, "pipelines-", 0);
    forge(entry, 16, 0xee); /* in the UUID of Vulkan's header */
    forge(entry, 17, 0xee);
    count_anew();
    fovea_device *device = open_device();
    ck_assert_uint_eq(warnings, 1);
    use(device);
    fovea_device_destroy(device);
    count_anew();
    fovea_device_destroy(open_device()); /* it was replaced */
    ck_assert_uint_eq(warnings, 0);
}
END_TEST

START_TEST(callbacks_that_misbehave)
{
    if (!test_takes_number(_i))
        return;
    begin_warm();
    kept.mode = (keeper_mode)_i;
    const fovea_op_report report = use_new_device();
    ck_assert_uint_eq(cached_kernels(&report), _i == KEEPER_HONEST ? report.kernel_count : 0);
    ck_assert_int_eq(warnings > 0, _i != KEEPER_HONEST && _i != KEEPER_FORGETS);
}
END_TEST

/* Every allocation of an open with a warm cache. */
START_TEST(allocations_of_an_open_fail)
{
    counting memory;
    counting_init(&memory);
    begin_warm();
    fovea_device_params params = params_with(&kept);
    params.allocator = counting_allocator(&memory);
    uint32_t opened = 0;
    for (long n = 0; n < 1000; n++) {
        fovea_device *device = NULL;
        atomic_store(&memory.calls, 0);
        atomic_store(&memory.fail_at, n);
        const fovea_status status = fovea_device_open(&params, &device);
        const long calls = atomic_load(&memory.calls);
        atomic_store(&memory.fail_at, -1);
        opened += status == FOVEA_OK;
        ck_assert_msg(status == FOVEA_OK || status == FOVEA_OUT_OF_HOST_MEMORY, "%s", fovea_status_name(status));
        fovea_device_destroy(device);
        ck_assert_int_eq(atomic_load(&memory.live), 0);
        if (status == FOVEA_OK && calls <= n)
            break;
    }
    ck_assert_uint_eq(opened, 2); /* without memory for the entry, and with all */
    test_forget_messages();
}
END_TEST

/* ---- threads ------------------------------------------------------------------------------------------------------ */

typedef struct maker {
    fovea_device *device;
    fovea_softmax_params params;
    fovea_op *op;
    fovea_status status;
} maker;

static void *make(void *argument)
{
    maker *m = argument;
    m->status = fovea_softmax_create(m->device, &m->params, &m->op);
    return NULL;
}

START_TEST(two_ops_are_created_at_once)
{
    for (int round = 0; round < 2; round++) { /* cold, warm */
        fovea_device *device = open_device();
        trial t;
        pthread_t threads[2];
        maker makers[2];
        trial_begin(&t, device, &shape, 0);
        for (int n = 0; n < 2; n++) {
            makers[n] = (maker){.device = device, .params = trial_params(&t, &plan)};
            makers[n].params.lse.rank = n ? 0 : makers[n].params.lse.rank; /* kernels of its own */
            ck_assert_int_eq(pthread_create(&threads[n], NULL, make, &makers[n]), 0);
        }
        for (int n = 0; n < 2; n++) {
            pthread_join(threads[n], NULL);
            test_status(device, FOVEA_OK, makers[n].status);
        }
        trial_run_op(&t, makers[0].op, TRIAL_OWN);
        trial_check(&t);
        for (int n = 0; n < 2; n++)
            fovea_op_destroy(makers[n].op);
        trial_end(&t);
        fovea_device_destroy(device);
        ck_assert_uint_eq(warnings, 0);
        ck_assert(round == 0 || (pipeline_hits == 1 && selftest_hits >= 2));
        count_anew();
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *c = tcase_create("cache");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_loop_test(c, half_a_cache_is_refused, 0, 4);
    if (test_compiles_kernels()) {
        tcase_add_test(c, the_second_device_tests_nothing);
        tcase_add_test(c, a_run_does_not_touch_the_cache);
        tcase_add_loop_test(c, damaged_pipelines, 0, 2);
        tcase_add_test(c, damaged_self_tests);
        tcase_add_test(c, a_failed_test_is_remembered);
        tcase_add_test(c, limits_hold_beside_a_verdict);
        tcase_add_test(c, foreign_pipelines);
        tcase_add_loop_test(c, callbacks_that_misbehave, 0, KEEPER_MODES);
        tcase_add_test(c, allocations_of_an_open_fail);
        tcase_add_test(c, two_ops_are_created_at_once);
    } else {
        tcase_add_test(c, native_and_emulated_kernels_are_not_kept);
    }
    suite_add_tcase(suite, c);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv, "cache", add);
}
