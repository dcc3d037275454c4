/* Buffers: sizes, mapping, fill and copy. */
#include "suite.h"

#include <string.h>

static fv_device *device;

static void setup(void)
{
    ck_assert_int_eq(under_test.backend->open(&under_test.host, &under_test.params, under_test.index, &device),
                     FOVEA_OK);
}

static void teardown(void)
{
    under_test.backend->close(device);
}

static fv_buffer *make(uint64_t size, fv_memory memory)
{
    fv_buffer *buffer = NULL;
    ck_assert_int_eq(under_test.backend->buffer_create(device, size, memory, &buffer), FOVEA_OK);
    ck_assert_ptr_nonnull(buffer);
    ck_assert_ptr_eq(buffer->device, device);
    return buffer;
}

static unsigned char *map(fv_buffer *buffer, uint64_t offset, uint64_t size)
{
    void *memory = NULL;
    ck_assert_int_eq(under_test.backend->buffer_map(buffer, offset, size, &memory), FOVEA_OK);
    ck_assert_ptr_nonnull(memory);
    return memory;
}

static void run(const fv_command *commands, uint32_t count)
{
    ck_assert_int_eq(under_test.backend->record(device, commands, count), FOVEA_OK);
    ck_assert_int_eq(under_test.backend->submit(device), FOVEA_OK);
    ck_assert_int_eq(under_test.backend->wait(device), FOVEA_OK);
}

static const uint64_t sizes[] = {1, 3, 15, 16, 17, 4093, 4096, 65537, 1 << 20};

enum { SIZE_COUNT = sizeof sizes / sizeof sizes[0] };

static unsigned char pattern(uint64_t i)
{
    return (unsigned char)(i * 31 + (i >> 8) + 7);
}

START_TEST(bytes_travel_through_device_memory)
{
    const uint64_t size = sizes[_i], whole = (size + 3) / 4 * 4;
    fv_buffer *in = make(size, FV_MEMORY_STAGING), *middle = make(size, FV_MEMORY_DEVICE);
    fv_buffer *out = make(size, FV_MEMORY_STAGING);
    ck_assert(in->mappable && out->mappable);
    ck_assert_uint_eq(middle->size, (size + 15) / 16 * 16);
    unsigned char *bytes = map(in, 0, in->size);
    for (uint64_t i = 0; i < in->size; i++)
        bytes[i] = pattern(i);
    under_test.backend->buffer_unmap(in, 0, in->size);
    const fv_command commands[] = {command_copy(in, middle, whole), command_barrier(),
                                   command_copy(middle, out, whole)};
    run(commands, 3);
    bytes = map(out, 0, size);
    for (uint64_t i = 0; i < size; i++)
        ck_assert_uint_eq(bytes[i], pattern(i));
    under_test.backend->buffer_unmap(out, 0, 0);
    under_test.backend->buffer_destroy(in);
    under_test.backend->buffer_destroy(middle);
    under_test.backend->buffer_destroy(out);
}
END_TEST

START_TEST(fill_writes_its_range_alone)
{
    enum { SIZE = 4096, START = 52, LENGTH = 1004 };
    fv_buffer *middle = make(SIZE, FV_MEMORY_DEVICE), *out = make(SIZE, FV_MEMORY_STAGING);
    const fv_command commands[] = {command_fill(middle, 0, SIZE, 0xa5a5a5a5), command_barrier(),
                                   command_fill(middle, START, LENGTH, 0x01020304), command_barrier(),
                                   command_copy(middle, out, SIZE)};
    run(commands, 5);
    const uint32_t *words = (const uint32_t *)(const void *)map(out, 0, SIZE);
    for (uint32_t i = 0; i < SIZE / 4; i++)
        ck_assert_uint_eq(words[i], i >= START / 4 && i < (START + LENGTH) / 4 ? 0x01020304 : 0xa5a5a5a5);
    under_test.backend->buffer_unmap(out, 0, 0);
    under_test.backend->buffer_destroy(middle);
    under_test.backend->buffer_destroy(out);
}
END_TEST

/* Any byte offset and size where both buffers are mappable, and map's own offset. */
START_TEST(copies_between_mappable_buffers_need_no_alignment)
{
    fv_buffer *in = make(100, FV_MEMORY_STAGING), *out = make(100, FV_MEMORY_STAGING);
    unsigned char *bytes = map(in, 7, 13);
    for (uint64_t i = 0; i < 13; i++)
        bytes[i] = pattern(i);
    under_test.backend->buffer_unmap(in, 7, 13);
    const fv_command commands[] = {command_fill(out, 0, 100, 0),
                                   command_barrier(),
                                   {.kind = FV_COMMAND_COPY, .copy = {{in, 7, 13}, {out, 3, 13}}}};
    run(commands, 3);
    bytes = map(out, 0, 100);
    for (uint64_t i = 0; i < 100; i++)
        ck_assert_uint_eq(bytes[i], i >= 3 && i < 16 ? pattern(i - 3) : 0);
    under_test.backend->buffer_unmap(out, 0, 0);
    under_test.backend->buffer_destroy(in);
    under_test.backend->buffer_destroy(out);
}
END_TEST

/* Device memory that is mappable is the same memory for both sides. */
START_TEST(mappable_device_memory_is_seen_by_both_sides)
{
    fv_buffer *buffer = make(64, FV_MEMORY_DEVICE);
    if (buffer->mappable) {
        unsigned char *bytes = map(buffer, 0, 64);
        memset(bytes, 0x11, 64);
        under_test.backend->buffer_unmap(buffer, 0, 64);
        const fv_command fill = command_fill(buffer, 16, 16, 0x22222222);
        run(&fill, 1);
        bytes = map(buffer, 8, 56);
        ck_assert_uint_eq(bytes[0], 0x11);
        ck_assert_uint_eq(bytes[8], 0x22);
        ck_assert_uint_eq(bytes[23], 0x22);
        ck_assert_uint_eq(bytes[24], 0x11);
        under_test.backend->buffer_unmap(buffer, 8, 0);
    }
    under_test.backend->buffer_destroy(buffer);
}
END_TEST

START_TEST(a_size_beyond_the_device_is_refused)
{
    static const uint64_t huge[] = {UINT64_MAX, UINT64_MAX - 15, UINT64_MAX / 2, (uint64_t)1 << 60};
    for (int i = 0; i < 4; i++) {
        fv_buffer *buffer = NULL;
        const fovea_status status = under_test.backend->buffer_create(device, huge[i], FV_MEMORY_DEVICE, &buffer);
        ck_assert(status == FOVEA_UNSUPPORTED || status == FOVEA_OUT_OF_DEVICE_MEMORY ||
                  status == FOVEA_OUT_OF_HOST_MEMORY);
        ck_assert_ptr_null(buffer);
    }
}
END_TEST

START_TEST(many_buffers_live_at_once)
{
    enum { COUNT = 300 };
    fv_buffer *buffers[COUNT];
    for (int i = 0; i < COUNT; i++)
        buffers[i] = make(64, FV_MEMORY_DEVICE);
    for (int i = 0; i < COUNT; i++)
        under_test.backend->buffer_destroy(buffers[i]);
}
END_TEST

void add_buffer_cases(Suite *suite)
{
    TCase *tcase = tcase_create("buffers");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, bytes_travel_through_device_memory, 0, SIZE_COUNT);
    tcase_add_test(tcase, fill_writes_its_range_alone);
    tcase_add_test(tcase, copies_between_mappable_buffers_need_no_alignment);
    tcase_add_test(tcase, mappable_device_memory_is_seen_by_both_sides);
    tcase_add_test(tcase, a_size_beyond_the_device_is_refused);
    tcase_add_test(tcase, many_buffers_live_at_once);
    suite_add_tcase(suite, tcase);
}
