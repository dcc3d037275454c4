/* What a driver made of kernels, carried from one device to the next. */
#include "suite.h"

#include <stdlib.h>
#include <string.h>

enum { OUT_OF_HOST_MEMORY = -1, OUT_OF_DEVICE_MEMORY = -2, INCOMPLETE = 5 }; /* VkResult */

static fv_device *device;
static int32_t objects;

static void open_device(void)
{
    const fv_backend *backend = under_test.backend;
    objects = under_test.faults ? under_test.fault.live() : 0;
    ck_assert_int_eq(backend->open(&under_test.host, &under_test.params, under_test.index, &device), FOVEA_OK);
}

static void close_device(void)
{
    under_test.backend->close(device);
    ck_assert_int_eq(under_test.faults ? under_test.fault.live() : 0, objects);
}

static void make_kernel(uint32_t factor)
{
    fv_kernel *kernel = NULL;
    ck_assert_int_eq(bench_kernel(device, factor, &kernel), FOVEA_OK);
    under_test.backend->kernel_destroy(kernel);
}

/* All that the driver has, on a device of its own. Freed by the caller. */
static unsigned char *gather(size_t *out_size)
{
    const fv_backend *backend = under_test.backend;
    open_device();
    ck_assert(backend->cache_load(device, NULL, 0));
    make_kernel(3);
    const size_t size = backend->cache_store(device, NULL, 0);
    ck_assert_uint_ge(size, 32); /* the header at the least */
    unsigned char *bytes = malloc(size + 1);
    ck_assert_ptr_nonnull(bytes);
    bytes[size] = 0x5a;
    ck_assert_uint_eq(backend->cache_store(device, bytes, size), size);
    ck_assert_uint_eq(bytes[size], 0x5a);
    close_device();
    *out_size = size;
    return bytes;
}

START_TEST(both_or_neither)
{
    ck_assert(!under_test.backend->cache_load == !under_test.backend->cache_store);
    ck_assert(!under_test.kernels || under_test.backend->cache_load);
}
END_TEST

START_TEST(there_is_something_new_after_a_kernel)
{
    const fv_backend *backend = under_test.backend;
    unsigned char little[8];
    open_device();
    make_kernel(2);
    ck_assert_uint_eq(backend->cache_store(device, NULL, 0), 0); /* before cache_load nothing is gathered */
    close_device();
    open_device();
    ck_assert(backend->cache_load(device, NULL, 0));
    ck_assert_uint_eq(backend->cache_store(device, NULL, 0), 0);
    make_kernel(2);
    memset(little, 0x5a, sizeof little);
    const size_t size = backend->cache_store(device, little, sizeof little);
    ck_assert_uint_gt(size, sizeof little);
    ck_assert_int_eq(little[0], 0x5a);
    ck_assert_uint_eq(backend->cache_store(device, NULL, 0), size); /* still new: it was not copied */
    unsigned char *bytes = malloc(size);
    ck_assert_uint_eq(backend->cache_store(device, bytes, size), size);
    ck_assert_uint_eq(backend->cache_store(device, bytes, size), 0);
    make_kernel(3);
    ck_assert_uint_gt(backend->cache_store(device, NULL, 0), 0);
    free(bytes);
    close_device();
}
END_TEST

START_TEST(the_next_device_takes_it)
{
    size_t size;
    unsigned char *bytes = gather(&size);
    open_device();
    ck_assert(under_test.backend->cache_load(device, bytes, size));
    free(bytes); /* borrowed for the call */
    ck_assert_uint_eq(under_test.backend->cache_store(device, NULL, 0), 0);
    make_kernel(3);
    make_kernel(4);
    ck_assert_uint_gt(under_test.backend->cache_store(device, NULL, 0), 0);
    close_device();
}
END_TEST

/* The header names driver and device: whatever is wrong in it, the driver never sees a byte. */
START_TEST(a_foreign_header_is_refused)
{
    size_t size;
    unsigned char *bytes = gather(&size);
    const uint32_t creates = under_test.faults ? under_test.fault.calls(FAULT_CreatePipelineCache) : 0;
    for (uint32_t i = 0; i < 64; i++) {
        const size_t kept = i < 32 ? size : i - 32; /* one byte changed; or cut short */
        open_device();
        bytes[i % 32] ^= i < 32 ? 0x40 : 0;
        ck_assert_msg(under_test.backend->cache_load(device, bytes, kept) == (kept == 0), "byte %u", i);
        bytes[i % 32] ^= i < 32 ? 0x40 : 0;
        if (i % 16 == 0)
            make_kernel(2);
        close_device();
    }
    ck_assert(!under_test.faults || under_test.fault.calls(FAULT_CreatePipelineCache) == creates + 64);
    free(bytes);
}
END_TEST

START_TEST(every_pipeline_is_made_with_the_cache)
{
    const fault_control *fault = &under_test.fault;
    open_device();
    const uint32_t calls = fault->calls(FAULT_CreateComputePipelines), cached = fault->cached();
    make_kernel(2);
    ck_assert_uint_eq(fault->calls(FAULT_CreateComputePipelines), calls + 1);
    ck_assert_uint_eq(fault->cached(), cached);
    ck_assert(under_test.backend->cache_load(device, NULL, 0));
    make_kernel(2);
    make_kernel(3);
    ck_assert_uint_eq(fault->calls(FAULT_CreateComputePipelines), calls + 3);
    ck_assert_uint_eq(fault->cached(), cached + 2);
    close_device();
}
END_TEST

START_TEST(a_driver_that_fails_is_done_without)
{
    const fv_backend *backend = under_test.backend;
    const fault_control *fault = &under_test.fault;
    open_device();
    fault->arm(FAULT_CreatePipelineCache, 0, _i ? OUT_OF_HOST_MEMORY : OUT_OF_DEVICE_MEMORY, 1);
    ck_assert(!backend->cache_load(device, NULL, 0));
    fault->disarm();
    make_kernel(2);
    ck_assert_uint_eq(backend->cache_store(device, NULL, 0), 0);
    close_device();

    open_device();
    ck_assert(backend->cache_load(device, NULL, 0));
    make_kernel(2);
    unsigned char bytes[4096];
    for (uint32_t skip = 0; skip < 2; skip++) {
        fault->arm(FAULT_GetPipelineCacheData, skip, OUT_OF_HOST_MEMORY, 1);
        ck_assert_uint_eq(backend->cache_store(device, bytes, sizeof bytes), 0);
        ck_assert_uint_eq(fault->fired(), 1);
    }
    fault->arm(FAULT_GetPipelineCacheData, 1, INCOMPLETE, 1); /* grown since its size was asked for */
    ck_assert_uint_gt(backend->cache_store(device, bytes, sizeof bytes), sizeof bytes);
    fault->disarm();
    const size_t size = backend->cache_store(device, NULL, 0); /* nothing of it is forgotten */
    ck_assert_uint_ge(size, 32);
    close_device();
}
END_TEST

/* Good bytes that the driver has no memory for: it begins with nothing. */
START_TEST(a_driver_without_memory_begins_with_nothing)
{
    size_t size;
    unsigned char *bytes = gather(&size);
    open_device();
    under_test.fault.arm(FAULT_CreatePipelineCache, 0, OUT_OF_HOST_MEMORY, 1);
    ck_assert(!under_test.backend->cache_load(device, bytes, size));
    under_test.fault.disarm();
    make_kernel(2);
    ck_assert_uint_gt(under_test.backend->cache_store(device, NULL, 0), 0);
    close_device();
    free(bytes);
}
END_TEST

void add_cache_cases(Suite *suite)
{
    TCase *tcase = tcase_create("caches");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, both_or_neither);
    if (under_test.kernels) {
        tcase_add_test(tcase, there_is_something_new_after_a_kernel);
        tcase_add_test(tcase, the_next_device_takes_it);
        tcase_add_test(tcase, a_foreign_header_is_refused);
        if (under_test.faults) {
            tcase_add_test(tcase, every_pipeline_is_made_with_the_cache);
            tcase_add_loop_test(tcase, a_driver_that_fails_is_done_without, 0, 2);
            tcase_add_test(tcase, a_driver_without_memory_begins_with_nothing);
        }
    }
    suite_add_tcase(suite, tcase);
}
