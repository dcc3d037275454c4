/* test_backend [device] [validation=0|1|2]: the conformance of one backend's device with src/backend.h.
 * device: an id such as "vulkan:0", or part of a driver's name such as "lavapipe" or "SwiftShader"; default
 * cpu. Exit 0 passed, 1 failed, 77 no such device here (1 where FOVEA_TEST_REQUIRE names it). */
#include "runner.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DEVICES_MAX = 16 };

subject under_test;

static void on_message(void *user, fovea_log_level level, const char *text)
{
    subject *t = user;
    if (level <= FOVEA_LOG_WARNING && strncmp(text, "validation: ", 12) == 0) {
        t->validation_messages++;
        if (!t->provoked)
            printf("# %s\n", text);
    } else {
        snprintf(t->last_message, sizeof t->last_message, "%s", text);
    }
}

static bool contains(const char *text, const char *part)
{
    for (; *text; text++)
        if (strncasecmp(text, part, strlen(part)) == 0)
            return true;
    return false;
}

static bool matches(const fovea_device_info *info, const char *name)
{
    /* Mesa's software driver has two names */
    const char *part = strcasecmp(name, "lavapipe") == 0 ? "llvmpipe" : name;
    return strcmp(info->id, name) == 0 || contains(info->driver, part);
}

static bool find_in(const fv_backend *backend, const char *name)
{
    fovea_device_info infos[DEVICES_MAX];
    uint32_t count = 0;
    if (backend->enumerate(&under_test.host, infos, DEVICES_MAX, &count) != FOVEA_OK)
        return false;
    for (uint32_t i = 0; i < count && i < DEVICES_MAX; i++) {
        if (!matches(&infos[i], name))
            continue;
        under_test.backend = backend;
        under_test.index = i;
        under_test.info = infos[i];
        return true;
    }
    return false;
}

static bool find(const char *name)
{
    for (uint32_t i = 0; i < fv_backend_count; i++)
        if (find_in(fv_backends[i], name))
            return true;
    return false;
}

static int absent(const char *name)
{
    const char *required = getenv("FOVEA_TEST_REQUIRE");
    const bool failed = required && contains(required, name);
    printf("1..0 # SKIP no device \"%s\"%s\n", name, failed ? ", though FOVEA_TEST_REQUIRE names it" : "");
    if (failed)
        return EXIT_FAILURE;
    return getenv("FOVEA_TEST_TAP") ? EXIT_SUCCESS : SKIPPED; /* under TAP the plan says it */
}

static Suite *make_suite(void)
{
    Suite *suite = suite_create("backend");
    add_device_cases(suite);
    add_buffer_cases(suite);
    add_kernel_cases(suite);
    add_list_cases(suite);
    add_cache_cases(suite);
    add_fault_cases(suite);
    add_validation_cases(suite);
    return suite;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "cpu";
    uint32_t validation = 0;
    if (argc > 2 && strncmp(argv[2], "validation=", 11) == 0)
        validation = (uint32_t)(argv[2][11] - '0');
    counting_init(&under_test.memory);
    const fovea_allocator allocator = counting_allocator(&under_test.memory);
    const fovea_log log = {.user = &under_test, .message = on_message, .level = FOVEA_LOG_INFO};
    fv_host_init(&under_test.host, &allocator, &log);
    if (!find(name))
        return absent(name);
    under_test.params = (fovea_device_params){.slots = 3, .timeout_ms = 20000, .threads = 2, .validation = validation};
    under_test.kernels = strcmp(under_test.backend->name, "vulkan") == 0;
    under_test.faults = under_test.kernels && fault_connect(&under_test.fault);
    printf("# %s: %s, %s %s%s\n", under_test.info.id, under_test.info.name, under_test.info.driver,
           under_test.info.driver_info, under_test.faults ? ", with the fault layer" : "");
    const bool passed = run_suite(make_suite());
    fv_host_release(&under_test.host);
    return passed ? EXIT_SUCCESS : EXIT_FAILURE;
}
