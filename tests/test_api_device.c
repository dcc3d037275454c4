/* Devices and buffers: found, opened, refused; every byte range of an upload. */
#include "test_api.h"

#include <stdio.h>
#include <stdlib.h>

START_TEST(enumerate_lists_the_cpu_first)
{
    fovea_device_info infos[32], again[32];
    uint32_t count = 0, room = 32;
    test_ok(fovea_device_enumerate(NULL, NULL, &count));
    ck_assert_uint_ge(count, 1);
    ck_assert_uint_le(count, 32);
    memset(infos, 0, sizeof infos);
    memset(again, 0, sizeof again);
    test_ok(fovea_device_enumerate(NULL, infos, &room));
    ck_assert_uint_eq(room, count);
    ck_assert_int_eq(strncmp(infos[0].id, "cpu", 3), 0);
    room = 32;
    test_ok(fovea_device_enumerate(NULL, again, &room));
    for (uint32_t i = 0; i < count; i++) {
        ck_assert_str_eq(infos[i].id, again[i].id);
        ck_assert_str_eq(infos[i].name, again[i].name);
        for (uint32_t j = 0; j < i; j++)
            ck_assert_str_ne(infos[i].id, infos[j].id);
    }
}
END_TEST

START_TEST(enumerate_into_little_room)
{
    fovea_device_info infos[2];
    uint32_t count = 0, room = 1;
    test_ok(fovea_device_enumerate(NULL, NULL, &count));
    memset(infos, 0x5a, sizeof infos);
    test_ok(fovea_device_enumerate(NULL, infos, &room));
    ck_assert_uint_eq(room, count);
    ck_assert_int_eq(strncmp(infos[0].id, "cpu", 3), 0);
    for (size_t i = 0; i < sizeof infos[1]; i++)
        ck_assert_int_eq(((unsigned char *)&infos[1])[i], 0x5a);
}
END_TEST

START_TEST(enumerate_refuses)
{
    uint32_t count = 0;
    fovea_device_params params = {.reserved = {1}};
    ck_assert_int_eq(fovea_device_enumerate(NULL, NULL, NULL), FOVEA_INVALID);
    ck_assert_int_eq(fovea_device_enumerate(&params, NULL, &count), FOVEA_INVALID);
}
END_TEST

static void *no_memory(void *user, size_t size, size_t alignment)
{
    (void)user;
    (void)size;
    (void)alignment;
    return NULL;
}

#define P(field, value) PATCH(fovea_device_params, field, value)

static const struct {
    const char *name;
    api_patch patch;
    fovea_status status;
} broken_params[] = {
    {"reserved[0]", P(reserved[0], 1), FOVEA_INVALID},
    {"reserved[9]", P(reserved[9], 1), FOVEA_INVALID},
    {"log.reserved[2]", P(log.reserved[2], 1), FOVEA_INVALID},
    {"allocator.reserved[1]", P(allocator.reserved[1], 1), FOVEA_INVALID},
    {"limits.reserved[0]", P(limits.reserved[0], 1), FOVEA_INVALID},
    {"limits.reserved[8]", P(limits.reserved[8], 1), FOVEA_INVALID},
    {"slots", P(slots, 17), FOVEA_INVALID},
    {"max_tier", P(max_tier, 77), FOVEA_INVALID},
    {"validation", P(validation, 3), FOVEA_INVALID},
};

START_TEST(open_refuses)
{
    fovea_device_params params = test.params;
    fovea_device *device = test.opened;
    api_apply(&params, &broken_params[_i].patch);
    test_forget_messages();
    ck_assert_msg(fovea_device_open(&params, &device) == broken_params[_i].status, "%s", broken_params[_i].name);
    ck_assert_ptr_null(device);
    ck_assert_uint_ge(test.message_count, 1); /* the reason goes to the log */
    test_forget_messages();
}
END_TEST

START_TEST(open_refuses_half_an_allocator)
{
    fovea_device_params params = test.params;
    fovea_device *device = test.opened;
    params.allocator.allocate = no_memory;
    ck_assert_int_eq(fovea_device_open(&params, &device), FOVEA_INVALID);
    ck_assert_ptr_null(device);
    ck_assert_int_eq(fovea_device_open(&test.params, NULL), FOVEA_INVALID);
    test_forget_messages();
}
END_TEST

START_TEST(open_of_unknown_devices)
{
    static const char *const ids[] = {
        "nonsense", "vulkan:999", "cpu:999", "", ":", "cpu:", "cpu:x", "vulkan:-1", "vulkan:4294967296", "cpuu"};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        fovea_device_params params = test.params;
        fovea_device *device = test.opened;
        params.device = ids[i];
        const fovea_status status = fovea_device_open(&params, &device);
        ck_assert_msg(status == FOVEA_NO_DEVICE || status == FOVEA_INVALID, "'%s': %s", ids[i],
                      fovea_status_name(status));
        if (i < 3)
            ck_assert_int_eq(status, FOVEA_NO_DEVICE);
        ck_assert_ptr_null(device);
    }
    test_forget_messages();
}
END_TEST

START_TEST(defaults_open_the_cpu)
{
    fovea_device *device = NULL;
    fovea_device_info info, cpu;
    test_status(NULL, FOVEA_OK, fovea_device_open(NULL, &device));
    test_status(device, FOVEA_OK, fovea_device_get_info(device, &info));
    ck_assert(test_find_device("cpu", &cpu));
    ck_assert_str_eq(info.id, cpu.id);
    ck_assert_int_eq(info.kind, FOVEA_DEVICE_CPU);
    test_status(device, FOVEA_OK, fovea_device_submit(device));
    test_status(device, FOVEA_OK, fovea_device_wait(device));
    char text[8] = "x";
    ck_assert_uint_eq(fovea_last_error(device, text, sizeof text), 0);
    ck_assert_str_eq(text, "");
    fovea_device_destroy(device);
}
END_TEST

START_TEST(null_handles)
{
    fovea_device_info info;
    fovea_device_limits limits;
    fovea_op_report report;
    fovea_buffer *buffer = (fovea_buffer *)(void *)&info;
    char text[4] = "x";
    fovea_device_destroy(NULL);
    fovea_buffer_destroy(NULL);
    fovea_op_destroy(NULL);
    ck_assert_int_eq(fovea_device_get_info(NULL, &info), FOVEA_INVALID);
    ck_assert_int_eq(fovea_device_get_info(test.opened, NULL), FOVEA_INVALID);
    ck_assert_int_eq(fovea_device_get_limits(NULL, &limits), FOVEA_INVALID);
    ck_assert_int_eq(fovea_device_get_limits(test.opened, NULL), FOVEA_INVALID);
    ck_assert_int_eq(fovea_device_submit(NULL), FOVEA_INVALID);
    ck_assert_int_eq(fovea_device_wait(NULL), FOVEA_INVALID);
    ck_assert_uint_eq(fovea_last_error(NULL, text, sizeof text), 0);
    ck_assert_int_eq(fovea_buffer_create(NULL, 16, &buffer), FOVEA_INVALID);
    ck_assert_ptr_null(buffer);
    ck_assert_uint_eq(fovea_buffer_size(NULL), 0);
    ck_assert_int_eq(fovea_buffer_upload(NULL, 0, text, 1), FOVEA_INVALID);
    ck_assert_int_eq(fovea_buffer_download(NULL, 0, text, 1), FOVEA_INVALID);
    ck_assert_int_eq(fovea_op_run(NULL, NULL), FOVEA_INVALID);
    ck_assert_int_eq(fovea_op_get_report(NULL, &report), FOVEA_INVALID);
    ck_assert_uint_eq(fovea_op_explain(NULL, text, sizeof text), 0);
    ck_assert_uint_eq(fovea_op_workspace_size(NULL), 0);
    test_forget_messages();
}
END_TEST

START_TEST(limits_are_those_of_the_profile)
{
    fovea_device_limits limits;
    const fovea_device_limits *clamp = &test.profile->limits;
    test_ok(fovea_device_get_limits(test.opened, &limits));
    ck_assert_uint_ge(limits.storage_buffers, 4);
    ck_assert_uint_ge(limits.parameter_bytes, 128);
    if (!clamp->shared_memory)
        return;
    ck_assert_uint_le(limits.shared_memory, clamp->shared_memory);
    ck_assert_uint_le(limits.workgroup_invocations, clamp->workgroup_invocations);
    ck_assert_uint_le(limits.group_count_x, clamp->group_count_x);
    ck_assert_uint_le(limits.storage_range, clamp->storage_range);
    ck_assert_uint_le(limits.parameter_bytes, clamp->parameter_bytes);
    ck_assert_uint_ge(limits.storage_offset_alignment, clamp->storage_offset_alignment);
}
END_TEST

START_TEST(error_text_is_cut_to_fit)
{
    fovea_op *op = NULL;
    char whole[1024], text[1024];
    fovea_softmax_params params = api_params();
    params.k.rank = 5;
    ck_assert_int_eq(fovea_softmax_create(test.opened, &params, &op), FOVEA_INVALID);
    const size_t length = fovea_last_error(test.opened, whole, sizeof whole);
    ck_assert_uint_eq(length, strlen(whole));
    ck_assert_uint_gt(length, 8);
    for (size_t size = 0; size < length + 3; size++) {
        memset(text, 0x5a, sizeof text);
        ck_assert_uint_eq(fovea_last_error(test.opened, text, size), length);
        const size_t kept = size == 0 ? 0 : size <= length ? size - 1 : length;
        ck_assert_int_eq(memcmp(text, whole, kept), 0);
        if (size > 0)
            ck_assert_int_eq(text[kept], '\0');
        ck_assert_int_eq(text[size], 0x5a);
    }
    ck_assert_uint_eq(fovea_last_error(test.opened, NULL, 0), length);
    test_forget_messages();
}
END_TEST

START_TEST(buffer_sizes)
{
    static const uint64_t sizes[] = {1, 2, 3, 15, 16, 17, 255, 4099};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        fovea_buffer *buffer = NULL;
        test_ok(fovea_buffer_create(test.opened, sizes[i], &buffer));
        ck_assert_uint_eq(fovea_buffer_size(buffer), sizes[i]);
        fovea_buffer_destroy(buffer);
    }
    fovea_buffer *none = (fovea_buffer *)(void *)&none;
    ck_assert_int_eq(fovea_buffer_create(test.opened, 0, &none), FOVEA_INVALID);
    ck_assert_ptr_null(none);
    ck_assert_int_eq(fovea_buffer_create(test.opened, 16, NULL), FOVEA_INVALID);
    const fovea_status status = fovea_buffer_create(test.opened, UINT64_MAX - 3, &none);
    ck_assert_msg(status == FOVEA_UNSUPPORTED || status == FOVEA_OUT_OF_DEVICE_MEMORY ||
                      status == FOVEA_OUT_OF_HOST_MEMORY,
                  "%s", fovea_status_name(status));
    ck_assert_ptr_null(none);
    test_forget_messages();
}
END_TEST

/* Any offset and any size, against a copy kept on the host. */
START_TEST(uploads_of_every_alignment)
{
    enum { SIZE = 301 };
    unsigned char host[SIZE], got[SIZE], part[SIZE];
    fovea_buffer *buffer = NULL;
    uint64_t seed = 1;
    test_ok(fovea_buffer_create(test.opened, SIZE, &buffer));
    memset(host, 7, sizeof host);
    test_ok(fovea_buffer_upload(buffer, 0, host, SIZE));
    for (uint32_t n = 0; n < 60; n++) {
        const uint64_t offset = case_hash(seed, n * 3) % SIZE, size = case_hash(seed, n * 3 + 1) % (SIZE - offset + 1);
        for (uint64_t i = 0; i < size; i++)
            part[i] = host[offset + i] = (unsigned char)case_hash(seed + n, i);
        test_ok(fovea_buffer_upload(buffer, offset, part, size));
        memset(got, 0, sizeof got);
        test_ok(fovea_buffer_download(buffer, 0, got, SIZE));
        ck_assert_msg(memcmp(got, host, SIZE) == 0, "upload of %u bytes at %u", (unsigned)size, (unsigned)offset);
        memset(got, 0x33, sizeof got);
        test_ok(fovea_buffer_download(buffer, offset, got, size));
        ck_assert(memcmp(got, host + offset, size) == 0);
        ck_assert(size == SIZE || got[size] == 0x33);
    }
    fovea_buffer_destroy(buffer);
}
END_TEST

START_TEST(uploads_outside_are_refused)
{
    static const uint64_t ranges[][2] = {
        {0, 17}, {16, 1}, {17, 0}, {1, 16}, {UINT64_MAX, 1}, {8, UINT64_MAX - 4}, {UINT64_MAX - 7, 8}};
    unsigned char bytes[32] = {0};
    fovea_buffer *buffer = NULL;
    test_ok(fovea_buffer_create(test.opened, 16, &buffer));
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        ck_assert_int_eq(fovea_buffer_upload(buffer, ranges[i][0], bytes, ranges[i][1]), FOVEA_INVALID);
        ck_assert_int_eq(fovea_buffer_download(buffer, ranges[i][0], bytes, ranges[i][1]), FOVEA_INVALID);
    }
    ck_assert_int_eq(fovea_buffer_upload(buffer, 0, NULL, 4), FOVEA_INVALID);
    ck_assert_int_eq(fovea_buffer_download(buffer, 0, NULL, 4), FOVEA_INVALID);
    test_ok(fovea_buffer_upload(buffer, 16, bytes, 0)); /* an empty range at the end is a range */
    test_forget_messages();
    fovea_buffer_destroy(buffer);
}
END_TEST

/* Larger than any staging memory that a backend may keep. */
START_TEST(large_upload)
{
    const size_t size = test.level == CASE_TINY ? 300001 : 9000001;
    unsigned char *bytes = malloc(size), *got = malloc(size);
    fovea_buffer *buffer = NULL;
    ck_assert(bytes && got);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i * 2654435761u >> 13);
    test_ok(fovea_buffer_create(test.opened, size, &buffer));
    test_ok(fovea_buffer_upload(buffer, 0, bytes, size));
    test_ok(fovea_buffer_download(buffer, 0, got, size));
    ck_assert(memcmp(bytes, got, size) == 0);
    fovea_buffer_destroy(buffer);
    free(bytes);
    free(got);
}
END_TEST

/* Every shape makes sense and is told once; words behind the last one are zero. */
static void check_shapes(const fovea_device_info *info)
{
    static const fovea_matrix_shape none = {0};
    ck_assert_uint_le(info->matrix_count, FOVEA_MATRICES_MAX);
    for (uint32_t i = 0; i < FOVEA_MATRICES_MAX; i++) {
        const fovea_matrix_shape *shape = &info->matrices[i];
        if (i >= info->matrix_count) {
            ck_assert_int_eq(memcmp(shape, &none, sizeof none), 0);
            continue;
        }
        ck_assert_msg(shape->m && shape->n && shape->k && shape->operand != FOVEA_F32 &&
                          shape->operand < FOVEA_DTYPE_COUNT,
                      "%s: %ux%ux%u of type %d", info->id, shape->m, shape->n, shape->k, (int)shape->operand);
        for (uint32_t j = 0; j < i; j++)
            ck_assert_int_ne(memcmp(shape, &info->matrices[j], sizeof *shape), 0);
    }
    if (info->tier == FOVEA_TIER_MATRIX && strncmp(info->id, "vulkan", 6) == 0)
        ck_assert_uint_gt(info->matrix_count, 0);
    ck_assert_int_ge((int)info->tier, FOVEA_TIER_PORTABLE);
    ck_assert_int_le((int)info->tier, FOVEA_TIER_MATRIX);
}

/* What the hardware offers is told alike by enumerate and by an open device, whatever tier that one may use. */
START_TEST(matrix_shapes)
{
    static const fovea_tier most[] = {FOVEA_TIER_DEFAULT, FOVEA_TIER_PORTABLE, FOVEA_TIER_SUBGROUP, FOVEA_TIER_MATRIX};
    check_shapes(&test.info);
    if (test_is_cpu()) /* a lower tier is another instruction set, which a device of its own stands for */
        return;
    for (size_t i = 0; i < sizeof most / sizeof most[0]; i++) {
        fovea_device_params params = test.params;
        fovea_device *device = NULL;
        fovea_device_info info;
        params.max_tier = most[i];
        test_status(NULL, FOVEA_OK, fovea_device_open(&params, &device));
        test_status(device, FOVEA_OK, fovea_device_get_info(device, &info));
        ck_assert_int_eq((int)info.tier, (int)test.info.tier);
        ck_assert_uint_eq(info.matrix_count, test.info.matrix_count);
        ck_assert_uint_eq(info.matrix_features, test.info.matrix_features);
        ck_assert_int_eq(memcmp(info.matrices, test.info.matrices, sizeof info.matrices), 0);
        fovea_device_destroy(device);
    }
}
END_TEST

void add_device_tests(Suite *suite)
{
    TCase *c = tcase_create("device");
    tcase_add_test(c, enumerate_lists_the_cpu_first);
    tcase_add_test(c, enumerate_into_little_room);
    tcase_add_test(c, enumerate_refuses);
    tcase_add_loop_test(c, open_refuses, 0, (int)(sizeof broken_params / sizeof broken_params[0]));
    tcase_add_test(c, open_refuses_half_an_allocator);
    tcase_add_test(c, open_of_unknown_devices);
    tcase_add_test(c, defaults_open_the_cpu);
    tcase_add_test(c, null_handles);
    tcase_add_test(c, limits_are_those_of_the_profile);
    tcase_add_test(c, matrix_shapes);
    tcase_add_test(c, error_text_is_cut_to_fit);
    tcase_add_test(c, buffer_sizes);
    tcase_add_test(c, uploads_of_every_alignment);
    tcase_add_test(c, uploads_outside_are_refused);
    tcase_add_test(c, large_upload);
    suite_add_tcase(suite, c);
}
