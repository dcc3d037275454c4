/* Enumerate, open, close, capabilities. */
#include "suite.h"

#include <stdio.h>
#include <string.h>

START_TEST(enumerate_counts_without_room)
{
    uint32_t count = 0;
    ck_assert_int_eq(under_test.backend->enumerate(&under_test.host, NULL, 0, &count), FOVEA_OK);
    ck_assert_uint_gt(count, under_test.index);
}
END_TEST

START_TEST(enumerate_writes_no_more_than_the_room)
{
    fovea_device_info infos[2];
    uint32_t count = 0;
    memset(infos, 0xa5, sizeof infos);
    ck_assert_int_eq(under_test.backend->enumerate(&under_test.host, infos, 1, &count), FOVEA_OK);
    char first[32];
    snprintf(first, sizeof first, "%s:0", under_test.backend->name);
    ck_assert(strcmp(infos[0].id, first) == 0 || strcmp(infos[0].id, under_test.backend->name) == 0);
    for (size_t i = 0; i < sizeof infos[1]; i++)
        ck_assert_uint_eq(((const unsigned char *)&infos[1])[i], 0xa5);
}
END_TEST

START_TEST(open_beyond_the_last_device_is_no_device)
{
    uint32_t count = 0;
    fv_device *device = NULL;
    ck_assert_int_eq(under_test.backend->enumerate(&under_test.host, NULL, 0, &count), FOVEA_OK);
    ck_assert_int_eq(under_test.backend->open(&under_test.host, &under_test.params, count, &device), FOVEA_NO_DEVICE);
    ck_assert_ptr_null(device);
}
END_TEST

START_TEST(open_twice_gives_two_devices)
{
    fv_device *a, *b;
    const fv_backend *backend = under_test.backend;
    ck_assert_int_eq(backend->open(&under_test.host, &under_test.params, under_test.index, &a), FOVEA_OK);
    ck_assert_int_eq(backend->open(&under_test.host, &under_test.params, under_test.index, &b), FOVEA_OK);
    ck_assert_ptr_ne(a, b);
    backend->close(a);
    ck_assert(!backend->lost(b));
    ck_assert_int_eq(backend->wait(b), FOVEA_OK);
    backend->close(b);
}
END_TEST

START_TEST(caps_agree_with_enumerate_and_are_usable)
{
    fv_device *device;
    const fv_backend *backend = under_test.backend;
    ck_assert_int_eq(backend->open(&under_test.host, &under_test.params, under_test.index, &device), FOVEA_OK);
    const fovea_device_limits *limits = &device->caps.limits;
    ck_assert_str_eq(device->caps.info.id, under_test.info.id);
    ck_assert_str_eq(device->caps.info.name, under_test.info.name);
    if (!device->caps.native) /* a native kernel's workgroup is one call: it shares nothing */
        ck_assert_uint_ge(limits->shared_memory, 16384);
    ck_assert_uint_ge(limits->workgroup_invocations, 1);
    ck_assert_uint_ge(limits->group_count_x, 65535);
    ck_assert_uint_ge(limits->group_count_y, 65535);
    ck_assert_uint_ge(limits->storage_buffers, 4);
    ck_assert_uint_ge(limits->parameter_bytes, FV_PARAMETERS_MAX * sizeof(uint32_t));
    ck_assert_uint_ge(limits->storage_range, 1u << 27);
    const uint32_t alignment = limits->storage_offset_alignment;
    ck_assert(alignment >= 4 && (alignment & (alignment - 1)) == 0);
    ck_assert_uint_le(limits->subgroup_size_min, limits->subgroup_size_max);
    ck_assert(device->caps.assumed_flops_per_s > 0.0);
    if (device->caps.info.tier >= FOVEA_TIER_SUBGROUP && !device->caps.native)
        ck_assert(device->caps.subgroup_shuffle && limits->subgroup_size_min != 0);
    backend->close(device);
}
END_TEST

/* Kernels may ask for powers of two of the range alone; what they may use of a matrix unit is all of it or nothing. */
START_TEST(sizes_and_matrices_of_kernels)
{
    static const fovea_tier most[] = {FOVEA_TIER_DEFAULT, FOVEA_TIER_SUBGROUP, FOVEA_TIER_PORTABLE};
    const fv_backend *backend = under_test.backend;
    for (size_t i = 0; i < sizeof most / sizeof most[0]; i++) {
        fv_device *device;
        fovea_device_params params = under_test.params;
        params.max_tier = most[i];
        ck_assert_int_eq(backend->open(&under_test.host, &params, under_test.index, &device), FOVEA_OK);
        const fv_caps *caps = &device->caps;
        const bool used = backend->modules && most[i] == FOVEA_TIER_DEFAULT && caps->info.tier == FOVEA_TIER_MATRIX;
        if (backend->modules) {
            ck_assert_int_eq(caps->subgroup_sizes != 0, caps->subgroup_size_control);
            ck_assert_uint_eq(caps->matrix_count, used ? caps->info.matrix_count : 0);
        }
        for (uint32_t size = 1; size != 0; size *= 2)
            if (caps->subgroup_sizes & size)
                ck_assert(size >= caps->limits.subgroup_size_min && size <= caps->limits.subgroup_size_max);
        ck_assert_int_eq(memcmp(caps->matrices, caps->info.matrices, caps->matrix_count * sizeof caps->matrices[0]), 0);
        backend->close(device);
    }
}
END_TEST

/* llvmpipe ends an invocation after 65,535 iterations until Mesa 25.0. */
START_TEST(loop_limit_follows_the_driver_version)
{
    fv_device *device;
    unsigned major = 0;
    const fv_backend *backend = under_test.backend;
    if (strcmp(backend->name, "vulkan") != 0)
        return;
    ck_assert_int_eq(backend->open(&under_test.host, &under_test.params, under_test.index, &device), FOVEA_OK);
    const bool mesa = sscanf(device->caps.info.driver_info, "Mesa %u.", &major) == 1;
    const bool limited = strcmp(device->caps.info.driver, "llvmpipe") == 0 && (!mesa || major < 25);
    ck_assert_uint_eq(device->caps.limits.loop_iterations, limited ? 65535 : FOVEA_UNBOUNDED);
    backend->close(device);
}
END_TEST

void add_device_cases(Suite *suite)
{
    TCase *tcase = tcase_create("device");
    tcase_add_test(tcase, enumerate_counts_without_room);
    tcase_add_test(tcase, enumerate_writes_no_more_than_the_room);
    tcase_add_test(tcase, open_beyond_the_last_device_is_no_device);
    tcase_add_test(tcase, open_twice_gives_two_devices);
    tcase_add_test(tcase, caps_agree_with_enumerate_and_are_usable);
    tcase_add_test(tcase, sizes_and_matrices_of_kernels);
    tcase_add_test(tcase, loop_limit_follows_the_driver_version);
    suite_add_tcase(suite, tcase);
}
