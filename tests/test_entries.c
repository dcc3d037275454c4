/* The cache from the inside: every damaged entry, every field of a key, verdicts that are remembered, and drivers and
 * allocators that fail. On a made-up driver and on the emulator; no other device is needed. */
#include "cache.h"
#include "counting.h"
#include "keeper.h"
#include "op.h"
#include "runner.h"

#include <fovea/softmax.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a made-up driver ---------------------------------------------------------------------------------------- */

static keeper kept;
static counting memory;
static uint32_t warnings;
static char last_warning[256];

/* What the driver gathered, and how it behaves. */
static struct {
    uint32_t loads;
    size_t loaded, size; /* bytes */
    bool changed, grows, refuses, lost;
} driver;

static void on_message(void *user, fovea_log_level level, const char *text)
{
    (void)user;
    warnings += level <= FOVEA_LOG_WARNING;
    if (level <= FOVEA_LOG_WARNING)
        snprintf(last_warning, sizeof last_warning, "%s", text);
}

static bool cache_load(fv_device *device, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    (void)device;
    driver.loads++;
    driver.loaded = size;
    for (size_t i = 0; i < size; i++)
        ck_assert_int_eq(bytes[i], (unsigned char)(i * 7));
    return !driver.refuses;
}

static size_t cache_store(fv_device *device, void *data, size_t room)
{
    (void)device;
    unsigned char *bytes = data;
    const size_t size = driver.changed ? driver.size : 0;
    driver.size += driver.grows && driver.changed;
    if (size > room)
        return size;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i * 7);
    driver.changed = false;
    return size;
}

static bool lost(const fv_device *device)
{
    (void)device;
    return driver.lost;
}

static const fv_backend made_up = {
    .name = "made-up", .lost = lost, .cache_load = cache_load, .cache_store = cache_store};

/* A device that has a name, a host and a cache, and nothing else. */
typedef struct fixture {
    fv_device driver;
    fovea_device device;
    fv_pipeline kernels[2];
    fv_chain chain;
} fixture;

static fixture f;

static fv_pipeline a_kernel(const char *module)
{
    fv_pipeline kernel = {.desc = {.kernel = "a", .module = module, .constant_count = 5, .invocations = 64}};
    kernel.desc.binding_count = 3;
    return kernel;
}

static void setup(void)
{
    memset(&driver, 0, sizeof driver);
    driver.size = 100;
    warnings = 0;
    last_warning[0] = '\0';
    keeper_init(&kept);
    counting_init(&memory);
    const fovea_allocator allocator = counting_allocator(&memory);
    const fovea_log log = {.message = on_message, .level = FOVEA_LOG_WARNING};
    memset(&f, 0, sizeof f);
    fv_host_init(&f.device.host, &allocator, &log);
    pthread_mutex_init(&f.device.cache_lock, NULL);
    f.driver.backend = f.device.backend = &made_up;
    f.device.driver = &f.driver;
    f.device.params.cache = keeper_cache(&kept);
    fovea_device_info *info = &f.driver.caps.info;
    snprintf(info->name, sizeof info->name, "card");
    snprintf(info->driver, sizeof info->driver, "driver");
    snprintf(info->driver_info, sizeof info->driver_info, "1.2.3");
    f.kernels[0] = a_kernel("first.portable");
    f.kernels[1] = a_kernel("second.portable");
    f.chain = (fv_chain){{&f.kernels[0], &f.kernels[1]}, 2, 1};
}

static void teardown(void)
{
    ck_assert_int_eq(atomic_load(&memory.live), 0);
    ck_assert(!atomic_load(&memory.misused));
    ck_assert(!kept.misused);
    keeper_release(&kept);
    pthread_mutex_destroy(&f.device.cache_lock);
    fv_host_release(&f.device.host);
}

/* ---- entries --------------------------------------------------------------------------------------------------- */

/* Bytes at the very end of an allocation, so that a sanitizer sees a read beyond them. */
static const char *fault_of(const fv_key *key, const unsigned char *entry, size_t size)
{
    unsigned char *tight = malloc(size ? size : 1);
    ck_assert_ptr_nonnull(tight);
    memcpy(tight, entry, size);
    const char *fault = fv_entry_fault(key, tight, size);
    free(tight);
    return fault;
}

START_TEST(every_damage_is_found)
{
    static const size_t sizes[] = {0, 1, 15, 16, 33, 1000};
    static unsigned char entry[FV_ENTRY_HEAD + FV_KEY_BYTES + 1001];
    const size_t payload = sizes[_i];
    fv_key key;
    fv_key_begin(&key, "test");
    for (int i = 0; i <= _i; i++)
        fv_key_add_text(&key, "a field"); /* keys of several sizes, with and without padding */
    const size_t lead = fv_entry_lead(&key), size = lead + payload;
    ck_assert_uint_eq(lead % 16, 0);
    for (size_t i = 0; i < payload; i++)
        entry[lead + i] = (unsigned char)(i * 31 + 5);
    fv_entry_seal(&key, entry, payload);
    ck_assert_ptr_null(fault_of(&key, entry, size));
    for (size_t bit = 0; bit < 8 * size; bit++) {
        entry[bit / 8] ^= (unsigned char)(1u << bit % 8);
        ck_assert_msg(fault_of(&key, entry, size) != NULL, "bit %zu of byte %zu", bit % 8, bit / 8);
        entry[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    for (size_t cut = 0; cut < size; cut++)
        ck_assert_msg(fault_of(&key, entry, cut) != NULL, "cut to %zu", cut);
    entry[size] = 0;
    ck_assert_ptr_nonnull(fault_of(&key, entry, size + 1));
}
END_TEST

/* Sizes in the head that would overflow whatever they are added to. */
START_TEST(sizes_that_overflow)
{
    static const uint64_t sizes[] = {UINT64_MAX, UINT64_MAX - 47, UINT64_MAX / 2 + 1, UINT32_MAX, 1ull << 32};
    unsigned char entry[FV_ENTRY_HEAD + 64 + 32] = {0};
    fv_key key;
    fv_key_begin(&key, "test");
    const size_t lead = fv_entry_lead(&key);
    ck_assert_uint_le(lead + 16, sizeof entry);
    fv_entry_seal(&key, entry, 16);
    ck_assert_ptr_null(fault_of(&key, entry, lead + 16));
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unsigned char broken[sizeof entry];
        memcpy(broken, entry, sizeof entry);
        for (int byte = 0; byte < 8; byte++)
            broken[16 + byte] = (unsigned char)(sizes[i] >> 8 * byte);
        ck_assert_ptr_nonnull(fault_of(&key, broken, lead + 16));
        memcpy(broken, entry, sizeof entry);
        for (int byte = 0; byte < 4; byte++)
            broken[12 + byte] = (unsigned char)(sizes[i] >> 8 * byte);
        ck_assert_ptr_nonnull(fault_of(&key, broken, lead + 16));
    }
}
END_TEST

START_TEST(keys_that_are_too_long_are_none)
{
    static char text[FV_KEY_BYTES + 1];
    fv_key key;
    for (size_t length = FV_KEY_BYTES - 100; length < FV_KEY_BYTES; length++) {
        memset(text, 'x', length);
        text[length] = '\0';
        fv_key_begin(&key, "test");
        const size_t before = key.size;
        fv_key_add_text(&key, text);
        ck_assert_int_eq(key.overflow, before + 4 + length > FV_KEY_BYTES);
        ck_assert_uint_le(key.size, FV_KEY_BYTES);
        ck_assert_uint_le(fv_entry_lead(&key), FV_ENTRY_HEAD + FV_KEY_BYTES);
    }
    fv_key_add_number(&key, 1);
    ck_assert(key.overflow);
    f.kernels[0].desc.module = text;
    fv_cache_remember(&f.device, &f.chain, FV_PASSED);
    ck_assert_int_eq(fv_cache_recall(&f.device, &f.chain), FV_UNTESTED);
    ck_assert_uint_eq(kept.sets + kept.gets, 0);
}
END_TEST

/* Two lists of fields with the same bytes in another division are two keys. */
START_TEST(fields_do_not_run_together)
{
    fv_key a, b;
    char name_a[FV_KEY_NAME], name_b[FV_KEY_NAME];
    fv_key_begin(&a, "test");
    fv_key_begin(&b, "test");
    fv_key_add(&a, "x\0\0\0\0y", 6);
    fv_key_add_text(&b, "x");
    fv_key_add_text(&b, "y");
    fv_key_name(&a, name_a);
    fv_key_name(&b, name_b);
    ck_assert_str_ne(name_a, name_b);
    ck_assert_uint_eq(strlen(name_a), strlen("test-") + 32);
}
END_TEST

/* ---- what a verdict depends on ----------------------------------------------------------------------------------- */

/* Everything that makes it another test, driver or kernel. */
#define AT(place)              \
    {                          \
#place, (char *)&place \
    }
static const struct {
    const char *name;
    char *byte; /* one that is changed */
} dependencies[] = {
    AT(f.driver.caps.info.vendor_id),      AT(f.driver.caps.info.device_id),      AT(f.driver.caps.info.api_version),
    AT(f.driver.caps.info.driver_version), AT(f.driver.caps.info.driver_id),      AT(f.driver.caps.info.name[0]),
    AT(f.driver.caps.info.driver[5]),      AT(f.driver.caps.info.driver_info[4]), AT(f.driver.caps.identity[0]),
    AT(f.driver.caps.identity[16]),        AT(f.driver.caps.identity[47]),        AT(f.chain.revision),
    AT(f.kernels[0].words_hash.bytes[0]),  AT(f.kernels[1].words_hash.bytes[15]), AT(f.kernels[0].desc.constants[0]),
    AT(f.kernels[0].desc.constants[4]),    AT(f.kernels[1].desc.constants[2]),    AT(f.kernels[0].desc.invocations),
    AT(f.kernels[1].desc.subgroup_size),   AT(f.kernels[0].desc.binding_count),   AT(f.kernels[1].desc.parameter_bytes),
};
#undef AT
enum { DEPENDENCIES = sizeof dependencies / sizeof dependencies[0] };

START_TEST(another_driver_text_or_constant_is_a_miss)
{
    char *byte = dependencies[_i].byte;
    fv_cache_remember(&f.device, &f.chain, FV_PASSED);
    ck_assert_uint_eq(kept.sets, 1);
    ck_assert_int_eq(fv_cache_recall(&f.device, &f.chain), FV_PASSED);
    *byte ^= 1;
    ck_assert_msg(fv_cache_recall(&f.device, &f.chain) == FV_UNTESTED, "%s", dependencies[_i].name);
    ck_assert_uint_eq(warnings, 0); /* not even of the same name */
    fv_cache_remember(&f.device, &f.chain, FV_FAILED);
    ck_assert_uint_eq(kept.count, 2);
    /* were the names the same, the whole key would tell them apart */
    const keeper_entry first = kept.entries[0];
    keeper_put(&kept, kept.entries[1].key, first.data, first.size);
    ck_assert_int_eq(fv_cache_recall(&f.device, &f.chain), FV_UNTESTED);
    ck_assert_uint_eq(warnings, 1);
    ck_assert_ptr_nonnull(strstr(last_warning, kept.entries[1].key));
    *byte ^= 1;
    ck_assert_int_eq(fv_cache_recall(&f.device, &f.chain), FV_PASSED);
}
END_TEST

START_TEST(the_place_in_the_list_of_devices_does_not_count)
{
    fv_cache_remember(&f.device, &f.chain, FV_FAILED);
    snprintf(f.driver.caps.info.id, sizeof f.driver.caps.info.id, "made-up:3");
    ck_assert_int_eq(fv_cache_recall(&f.device, &f.chain), FV_FAILED);
    f.chain.count = 1; /* fewer kernels are another test */
    ck_assert_int_eq(fv_cache_recall(&f.device, &f.chain), FV_UNTESTED);
}
END_TEST

START_TEST(a_verdict_is_one_of_two)
{
    for (unsigned verdict = 0; verdict < 256; verdict++) {
        fv_cache_remember(&f.device, &f.chain, (fv_verdict)verdict);
        const fv_verdict wanted = verdict == FV_PASSED || verdict == FV_FAILED ? (fv_verdict)verdict : FV_UNTESTED;
        ck_assert_int_eq(fv_cache_recall(&f.device, &f.chain), wanted);
    }
    ck_assert_uint_eq(warnings, 254);
}
END_TEST

START_TEST(verdicts_of_bad_callbacks)
{
    fv_cache_remember(&f.device, &f.chain, FV_PASSED);
    for (int mode = 0; mode < KEEPER_MODES; mode++) {
        const long calls = atomic_load(&memory.calls);
        kept.mode = (keeper_mode)mode;
        warnings = 0;
        ck_assert_msg(fv_cache_recall(&f.device, &f.chain) == (mode == KEEPER_HONEST ? FV_PASSED : FV_UNTESTED),
                      "mode %d", mode);
        ck_assert_uint_eq(warnings, mode != KEEPER_HONEST && mode != KEEPER_FORGETS);
        if (mode == KEEPER_LARGE || mode == KEEPER_TOO_LARGE)
            ck_assert_int_eq(atomic_load(&memory.calls), calls); /* no memory is asked for */
    }
    kept.mode = KEEPER_HONEST;
    atomic_store(&memory.fail_at, atomic_load(&memory.calls));
    ck_assert_int_eq(fv_cache_recall(&f.device, &f.chain), FV_UNTESTED);
    atomic_store(&memory.fail_at, -1);
    ck_assert_int_eq(fv_cache_recall(&f.device, &f.chain), FV_PASSED);
}
END_TEST

/* ---- pipelines --------------------------------------------------------------------------------------------------- */

START_TEST(pipelines_come_back)
{
    fv_cache_open(&f.device);
    ck_assert_uint_eq(driver.loads, 1);
    ck_assert_uint_eq(driver.loaded, 0);
    fv_cache_keep(&f.device); /* nothing is new */
    ck_assert_uint_eq(kept.sets, 0);
    driver.changed = true;
    fv_cache_keep(&f.device);
    fv_cache_keep(&f.device);
    ck_assert_uint_eq(kept.sets, 1);
    driver.changed = true; /* new kernels, the same bytes */
    fv_cache_keep(&f.device);
    ck_assert_uint_eq(kept.sets, 1);
    fv_cache_open(&f.device);
    ck_assert_uint_eq(driver.loaded, 100);
    driver.changed = true;
    fv_cache_keep(&f.device);
    ck_assert_uint_eq(kept.sets, 1);
    driver.changed = true;
    driver.size = 5000;
    fv_cache_keep(&f.device);
    ck_assert_uint_eq(kept.sets, 2);
    ck_assert_uint_eq(kept.count, 1);
    ck_assert_uint_eq(warnings, 0);
}
END_TEST

/* Whatever becomes of the entry, the driver sees its own bytes (cache_load checks them) or none. */
START_TEST(pipelines_of_damaged_entries)
{
    driver.changed = true;
    fv_cache_keep(&f.device);
    keeper_entry *entry = keeper_find(&kept, "pipelines-", 0);
    ck_assert_ptr_nonnull(entry);
    const size_t size = entry->size;
    for (size_t i = 0; i < 2 * size; i++) {
        entry->data[i % size] ^= i < size ? 1 : 0;
        entry->size = i < size ? size : i - size;
        fv_cache_open(&f.device);
        ck_assert_msg(driver.loaded == 0, "case %zu", i);
        entry->data[i % size] ^= i < size ? 1 : 0;
    }
    ck_assert_uint_eq(driver.loads, 2 * size);
    ck_assert_uint_eq(warnings, 2 * size - 1); /* an entry without a byte is none */
    entry->size = size;
    driver.refuses = true;
    fv_cache_open(&f.device);
    ck_assert_uint_eq(driver.loaded, 100);
    driver.refuses = false;
    driver.changed = true; /* what the driver refused is replaced, though it be the same */
    fv_cache_keep(&f.device);
    ck_assert_uint_eq(kept.sets, 2);
}
END_TEST

START_TEST(a_driver_that_grows_and_an_allocator_that_fails)
{
    driver.changed = driver.grows = true;
    fv_cache_keep(&f.device); /* always a byte too late: given up */
    ck_assert_uint_eq(kept.sets, 0);
    driver.grows = false;
    const size_t size = driver.size;
    atomic_store(&memory.fail_at, atomic_load(&memory.calls));
    fv_cache_keep(&f.device);
    ck_assert_uint_eq(kept.sets, 0);
    ck_assert_uint_eq(warnings, 1);
    atomic_store(&memory.fail_at, -1);
    driver.lost = true;
    fv_cache_keep(&f.device);
    ck_assert_uint_eq(kept.sets, 0);
    driver.lost = false;
    fv_cache_keep(&f.device); /* still new */
    ck_assert_uint_eq(kept.sets, 1);
    atomic_store(&memory.fail_at, atomic_load(&memory.calls));
    fv_cache_open(&f.device);
    ck_assert_uint_eq(driver.loaded, 0);
    atomic_store(&memory.fail_at, -1);
    fv_cache_open(&f.device);
    ck_assert_uint_eq(driver.loaded, size);
}
END_TEST

START_TEST(without_callbacks_nothing_is_asked)
{
    memset(&f.device.params.cache, 0, sizeof f.device.params.cache);
    driver.changed = true;
    fv_cache_open(&f.device);
    fv_cache_keep(&f.device);
    fv_cache_remember(&f.device, &f.chain, FV_PASSED);
    ck_assert_int_eq(fv_cache_recall(&f.device, &f.chain), FV_UNTESTED);
    ck_assert_uint_eq(driver.loads, 0);
    ck_assert(driver.changed);
}
END_TEST

/* ---- self-tests on the emulator ---------------------------------------------------------------------------------- */

/* The emulator as if a driver compiled for it; its lists may do nothing at all. */
static fv_backend emulated;
static uint32_t executions;
static bool idle;
static fovea_status (*execute_list)(fv_device *device, const fv_command *commands, uint32_t count);

static fovea_status execute(fv_device *device, const fv_command *commands, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        executions += commands[i].kind == FV_COMMAND_DISPATCH;
    if (idle && commands[0].kind == FV_COMMAND_DISPATCH)
        return FOVEA_OK;
    return execute_list(device, commands, count);
}

static fovea_device *open_emulated(void)
{
    const fovea_device_params params = {.device = "emulator:0",
                                        .allocator = counting_allocator(&memory),
                                        .log = {.message = on_message, .level = FOVEA_LOG_WARNING}};
    fovea_device *device = NULL;
    ck_assert_int_eq(fovea_device_open(&params, &device), FOVEA_OK);
    emulated = *device->backend;
    execute_list = emulated.execute;
    emulated.execute = execute;
    emulated.cache_load = cache_load;
    emulated.cache_store = cache_store;
    device->backend = &emulated;
    device->params.cache = keeper_cache(&kept);
    executions = 0;
    return device;
}

static fovea_status create(fovea_device *device, uint32_t split_count, fovea_op **out_op)
{
    const fovea_softmax_params params = {.q = {.rank = 4, .extents = {1, 1, 3, 4}},
                                         .k = {.rank = 4, .extents = {1, 1, 40, 4}},
                                         .v = {.rank = 4, .extents = {1, 1, 40, 4}},
                                         .o = {.rank = 4, .extents = {1, 1, 3, 4}},
                                         .split_count = split_count,
                                         .tile = 1};
    return fovea_softmax_create(device, &params, out_op);
}

START_TEST(a_pass_is_remembered)
{
    fovea_device *device = open_emulated();
    fovea_op *op = NULL;
    char text[4096];
    ck_assert_int_eq(create(device, 2, &op), FOVEA_OK);
    ck_assert_uint_gt(executions, 0);
    for (uint32_t i = 0; i < op->report.kernel_count; i++)
        ck_assert(op->report.kernels[i].tested == 1 && op->report.kernels[i].cached == 0);
    fovea_op_destroy(op);
    executions = 0;
    ck_assert_int_eq(create(device, 2, &op), FOVEA_OK);
    ck_assert_uint_eq(executions, 0);
    ck_assert_uint_ge(op->report.kernel_count, 2);
    for (uint32_t i = 0; i < op->report.kernel_count; i++)
        ck_assert(op->report.kernels[i].tested == 1 && op->report.kernels[i].cached == 1 &&
                  op->report.kernels[i].self_test_s == 0.0);
    fovea_op_explain(op, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "kernel.0.tested: yes (cached)\n"));
    fovea_op_destroy(op);
    fovea_device_destroy(device);
    ck_assert_uint_eq(warnings, 0);
}
END_TEST

START_TEST(a_failure_is_remembered)
{
    fovea_device *device = open_emulated();
    fovea_op *op = NULL;
    char fresh[1024], cached[1024];
    idle = true;
    ck_assert_int_eq(create(device, 1, &op), FOVEA_INTERNAL);
    idle = false;
    ck_assert_uint_gt(executions, 0);
    fovea_last_error(device, fresh, sizeof fresh);
    ck_assert_ptr_nonnull(strstr(fresh, "known-answer"));
    ck_assert_ptr_null(strstr(fresh, "(cached)"));
    executions = 0;
    ck_assert_int_eq(create(device, 1, &op), FOVEA_INTERNAL); /* although it would pass now */
    ck_assert_uint_eq(executions, 0);
    fovea_last_error(device, cached, sizeof cached);
    ck_assert_uint_eq(strlen(cached), strlen(fresh) + strlen(" (cached)"));
    ck_assert_int_eq(strncmp(cached, fresh, strlen(fresh)), 0);
    ck_assert_str_eq(cached + strlen(fresh), " (cached)");
    ck_assert_int_eq(create(device, 2, &op),
                     FOVEA_INTERNAL); /* one that is wrong condemns the tile, untested ones too */
    ck_assert_uint_eq(executions, 0);
    kept.mode = KEEPER_FORGETS;
    ck_assert_int_eq(create(device, 1, &op), FOVEA_OK);
    fovea_op_destroy(op);
    fovea_device_destroy(device);
}
END_TEST

/* Every allocation of a create with a cold and with a warm cache: the op is made or there is no memory; nothing leaks. */
START_TEST(allocations_of_a_create_fail)
{
    fovea_device *device = open_emulated();
    fovea_op *op = NULL;
    uint32_t survived = 0;
    ck_assert_int_eq(create(device, 2, &op), FOVEA_OK); /* so that the device has its workspace */
    fovea_op_destroy(op);
    const long live = atomic_load(&memory.live);
    for (long n = 0; n < 1000; n++) {
        if (_i == 0) /* cold */
            keeper_forget(&kept);
        driver.changed = true;
        driver.size = 100 + (size_t)n;
        atomic_store(&memory.calls, 0);
        atomic_store(&memory.fail_at, n);
        const fovea_status status = create(device, 2, &op);
        const long calls = atomic_load(&memory.calls);
        atomic_store(&memory.fail_at, -1);
        ck_assert_msg(status == FOVEA_OK || status == FOVEA_OUT_OF_HOST_MEMORY, "allocation %ld: %s", n,
                      fovea_status_name(status));
        survived += status == FOVEA_OK;
        fovea_op_destroy(op);
        if (status == FOVEA_OK && calls <= n)
            break;
        ck_assert_int_eq(atomic_load(&memory.live), live);
    }
    ck_assert_uint_gt(survived, 1); /* what the cache asks for is not needed */
    fovea_device_destroy(device);
}
END_TEST

/* ---- runner ------------------------------------------------------------------------------------------------------ */

static bool emulator_is_built(void)
{
    for (uint32_t i = 0; i < fv_backend_count; i++)
        if (strcmp(fv_backends[i]->name, "emulator") == 0)
            return true;
    return false;
}

static Suite *make_suite(void)
{
    Suite *suite = suite_create("entries");
    TCase *c = tcase_create("entries");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, every_damage_is_found, 0, 6);
    tcase_add_test(c, sizes_that_overflow);
    tcase_add_test(c, keys_that_are_too_long_are_none);
    tcase_add_test(c, fields_do_not_run_together);
    tcase_add_loop_test(c, another_driver_text_or_constant_is_a_miss, 0, DEPENDENCIES);
    tcase_add_test(c, the_place_in_the_list_of_devices_does_not_count);
    tcase_add_test(c, a_verdict_is_one_of_two);
    tcase_add_test(c, verdicts_of_bad_callbacks);
    tcase_add_test(c, pipelines_come_back);
    tcase_add_test(c, pipelines_of_damaged_entries);
    tcase_add_test(c, a_driver_that_grows_and_an_allocator_that_fails);
    tcase_add_test(c, without_callbacks_nothing_is_asked);
    if (emulator_is_built()) {
        tcase_add_test(c, a_pass_is_remembered);
        tcase_add_test(c, a_failure_is_remembered);
        tcase_add_loop_test(c, allocations_of_a_create_fail, 0, 2);
    }
    suite_add_tcase(suite, c);
    return suite;
}

int main(void)
{
    return !run_suite(make_suite());
}
