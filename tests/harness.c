#include "harness.h"

#include "runner.h"
#include "silence.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

test_context test;
static pthread_mutex_t message_lock = PTHREAD_MUTEX_INITIALIZER;

/* The least that devices of a class promise (Khronos profiles VP_ANDROID_baseline_2022, VP_ANDROID_15_minimums,
 * VP_KHR_roadmap_2022). The first has no promise about subgroups, hence its tier. */
const test_profile test_profiles[] = {
    {.name = "desktop"},
    {.name = "android-2022",
     .limits = {.shared_memory = 16384,
                .workgroup_invocations = 128,
                .workgroup_size_x = 128,
                .group_count_x = 65535,
                .group_count_y = 65535,
                .group_count_z = 65535,
                .storage_buffers = 4,
                .storage_offset_alignment = 256,
                .storage_range = 1u << 27,
                .parameter_bytes = 128},
     .max_tier = FOVEA_TIER_PORTABLE},
    {.name = "android-15",
     .limits = {.shared_memory = 16384,
                .workgroup_invocations = 128,
                .workgroup_size_x = 128,
                .group_count_x = 65535,
                .group_count_y = 65535,
                .group_count_z = 65535,
                .storage_buffers = 12,
                .storage_offset_alignment = 256,
                .storage_range = 1u << 27,
                .parameter_bytes = 128}},
    {.name = "roadmap-2022",
     .limits = {.shared_memory = 16384,
                .workgroup_invocations = 256,
                .workgroup_size_x = 256,
                .group_count_x = 65535,
                .group_count_y = 65535,
                .group_count_z = 65535,
                .storage_offset_alignment = 256,
                .storage_range = 1u << 27,
                .parameter_bytes = 128}},
};
const uint32_t test_profile_count = sizeof test_profiles / sizeof test_profiles[0];

static const struct {
    const char *name, *driver;
} drivers[] = {
    {"lavapipe", "llvmpipe"},
    {"swiftshader", "SwiftShader"},
    {"radv", "radv"},
};

/* ---- messages ----------------------------------------------------------------------------------------------- */

static void keep_message(void *user, fovea_log_level level, const char *text)
{
    (void)user;
    if (level > FOVEA_LOG_WARNING || silence_is_expected(level, text))
        return;
    pthread_mutex_lock(&message_lock);
    if (test.message_count < TEST_MESSAGES_MAX) {
        test.messages[test.message_count].level = level;
        snprintf(test.messages[test.message_count].text, TEST_MESSAGE_SIZE, "%s", text);
    }
    test.message_count++;
    pthread_mutex_unlock(&message_lock);
}

void test_forget_messages(void)
{
    pthread_mutex_lock(&message_lock);
    test.message_count = 0;
    pthread_mutex_unlock(&message_lock);
}

void test_status_at(fovea_device *device, fovea_status wanted, fovea_status status, const char *call, const char *file,
                    int line)
{
    if (status == wanted)
        return;
    char reason[TEST_MESSAGE_SIZE];
    fovea_last_error(device, reason, sizeof reason);
    if (!device)
        snprintf(reason, sizeof reason, "%s", test.message_count ? test.messages[0].text : "no message");
    ck_abort_msg("%s:%d: %s gave %s, not %s: %s", file, line, call, fovea_status_name(status),
                 fovea_status_name(wanted), reason);
}

/* ---- what this process takes --------------------------------------------------------------------------------- */

bool test_is_cpu(void)
{
    return strncmp(test.info.id, "cpu", 3) == 0;
}

bool test_compiles_kernels(void)
{
    return strncmp(test.info.id, "vulkan", 6) == 0;
}

bool test_takes_number(int n)
{
    return (uint32_t)n % test.parts == test.part;
}

/* What kernels are specialised on, roughly: two cases that differ here need kernels of their own. */
static uint64_t kernels_of(const test_case *c)
{
    const bool wide = c->shift % 4 == 0 && c->layout != LAYOUT_ODD_GAPS;
    const uint64_t options = (uint64_t)(c->mask != REF_FULL) << 2 | (uint64_t)c->no_lse << 1 | wide;
    const uint64_t dtypes = ((c->dtypes.q * 4u + c->dtypes.k) * 4u + c->dtypes.v) * 4u + c->dtypes.o;
    const uint64_t window = c->window.given ? 1 + c->window.left * 131u + c->window.right : 0;
    return (((c->dim_qk * 1031u + c->dim_v) * (uint64_t)256 + dtypes) * 8 + options) + window * 65537u +
           (uint64_t)(c->soft_cap * 1000.0f) * 257u;
}

bool test_takes(const test_case *c)
{
    return c->level <= test.level && (c->every_part || case_hash(5, kernels_of(c)) % test.parts == test.part);
}

/* ---- the tier under test ------------------------------------------------------------------------------------- */

static bool all_of(const test_case *c, fovea_dtype dtype)
{
    return c->dtypes.q == dtype && c->dtypes.k == dtype && c->dtypes.v == dtype;
}

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
    return b ? common_divisor(b, a % b) : a;
}

/* Query heads that share one k head and one v head are rows of one unit. */
static uint64_t unit_rows(const test_case *c)
{
    return (uint64_t)c->seq_q * common_divisor(c->heads_q / c->heads_k, c->heads_q / c->heads_v);
}

/* A CPU lists no matrices: it multiplies bf16, and attends up to 8 rows by vector code. */
static bool multiplies(const test_case *c)
{
    const bool converts = c->operands != FOVEA_OPERANDS_STORED || test.operands != FOVEA_OPERANDS_STORED;
    if (test_is_cpu())
        return !converts && all_of(c, FOVEA_BF16) && unit_rows(c) > 8;
    for (uint32_t i = 0; i < test.info.matrix_count; i++)
        if (converts ? test.info.matrices[i].operand == FOVEA_F16 : all_of(c, test.info.matrices[i].operand))
            return true;
    return false;
}

fovea_tier test_least_tier(const test_case *c)
{
    return test.tier == FOVEA_TIER_MATRIX && multiplies(c) ? FOVEA_TIER_MATRIX : FOVEA_TIER_DEFAULT;
}

void test_expect_matrices(const test_case *c, const fovea_op_report *report)
{
    if (test.tier != FOVEA_TIER_MATRIX || !multiplies(c))
        return;
    for (uint32_t i = 0; i < report->kernel_count; i++) {
        const fovea_kernel_report *kernel = &report->kernels[i];
        if (strstr(kernel->use, "at most") || strstr(kernel->name, "finish"))
            continue; /* few rows leave most of a matrix empty; what merges multiplies nothing */
        ck_assert_msg(kernel->tier == FOVEA_TIER_MATRIX, "%s: %s, %s: not of the matrix tier: %s", c->name,
                      kernel->name, kernel->use, report->notes);
    }
}

/* ---- ops that stay for a while ------------------------------------------------------------------------------- */

enum { KEPT = 24 };
static fovea_op *kept[KEPT];
static uint32_t kept_next;

void test_keep_op(fovea_op *op)
{
    fovea_op_destroy(kept[kept_next]);
    kept[kept_next] = op;
    kept_next = (kept_next + 1) % KEPT;
}

static void destroy_kept(void)
{
    for (int i = 0; i < KEPT; i++)
        test_keep_op(NULL);
}

/* ---- the device --------------------------------------------------------------------------------------------- */

bool test_required(const char *name)
{
    const char *list = getenv("FOVEA_TEST_REQUIRE");
    const size_t length = strlen(name);
    while (list && *list) {
        const size_t part = strcspn(list, ", ");
        if (part == length && strncmp(list, name, length) == 0)
            return true;
        list += part + (list[part] != '\0');
    }
    return false;
}

static bool device_matches(const fovea_device_info *info, const char *name)
{
    if (strcmp(info->id, name) == 0 || strcmp(info->driver_info, name) == 0)
        return true;
    const size_t base = strcspn(info->id, ":");
    if (strncmp(info->id, name, base) == 0 && name[base] == '\0')
        return true;
    for (size_t i = 0; i < sizeof drivers / sizeof drivers[0]; i++)
        if (strcmp(drivers[i].name, name) == 0 &&
            (strstr(info->driver, drivers[i].driver) || strstr(info->name, drivers[i].driver)))
            return true;
    return false;
}

bool test_find_device(const char *name, fovea_device_info *out_info)
{
    fovea_device_info infos[32];
    uint32_t count = 32;
    if (fovea_device_enumerate(NULL, infos, &count) != FOVEA_OK)
        return false;
    for (uint32_t i = 0; i < count && i < 32; i++)
        if (device_matches(&infos[i], name)) {
            *out_info = infos[i];
            return true;
        }
    return false;
}

/* ---- the command line --------------------------------------------------------------------------------------- */

static const char *value_of(const char *argument, const char *key)
{
    const size_t length = strlen(key);
    return strncmp(argument, key, length) == 0 && argument[length] == '=' ? argument + length + 1 : NULL;
}

static bool parse_profile(const char *value)
{
    for (uint32_t i = 0; i < test_profile_count; i++)
        if (strcmp(test_profiles[i].name, value) == 0)
            test.profile = &test_profiles[i];
    return test.profile && strcmp(test.profile->name, value) == 0;
}

static bool parse_level(const char *value)
{
    static const char *const levels[] = {"tiny", "quick", "full"};
    for (uint32_t i = 0; i < 3; i++)
        if (strcmp(levels[i], value) == 0) {
            test.level = (case_level)i;
            return true;
        }
    return false;
}

static bool parse_dtype(const char *value)
{
    int dtype = FOVEA_F32;
    while (dtype < FOVEA_DTYPE_COUNT && strcmp(fovea_dtype_name((fovea_dtype)dtype), value) != 0)
        dtype++;
    test.dtype = (fovea_dtype)dtype;
    return dtype < FOVEA_DTYPE_COUNT;
}

static bool parse_tier(const char *value)
{
    int tier = FOVEA_TIER_MATRIX;
    while (tier > FOVEA_TIER_DEFAULT && strcmp(fovea_tier_name((fovea_tier)tier), value) != 0)
        tier--;
    test.tier = (fovea_tier)tier;
    return tier > FOVEA_TIER_DEFAULT;
}

static bool parse_operands(const char *value)
{
    const bool split = strcmp(value, "f16_x3") == 0;
    test.operands = split ? FOVEA_OPERANDS_F16_X3 : FOVEA_OPERANDS_F16;
    return split || strcmp(value, "f16") == 0;
}

static bool parse_part(const char *value)
{
    char *end;
    test.part = (uint32_t)strtoul(value, &end, 10);
    test.parts = *end == '/' ? (uint32_t)strtoul(end + 1, NULL, 10) : 0;
    return test.part < test.parts;
}

static bool parse_argument(const char *argument)
{
    const char *value;
    if ((value = value_of(argument, "device")))
        test.device = value;
    else if ((value = value_of(argument, "profile")))
        return parse_profile(value);
    else if ((value = value_of(argument, "level")))
        return parse_level(value);
    else if ((value = value_of(argument, "part")))
        return parse_part(value);
    else if ((value = value_of(argument, "dtype")))
        return parse_dtype(value);
    else if ((value = value_of(argument, "validation")))
        test.validation = (uint32_t)strtoul(value, NULL, 10);
    else if ((value = value_of(argument, "compile")))
        test.compile = (uint32_t)strtoul(value, NULL, 10);
    else if ((value = value_of(argument, "planner")))
        test.planner = (uint32_t)strtoul(value, NULL, 10);
    else if ((value = value_of(argument, "tier")))
        return parse_tier(value);
    else if ((value = value_of(argument, "operands")))
        return parse_operands(value);
    else if ((value = value_of(argument, "seed")))
        test.seed = strtoull(value, NULL, 10);
    else
        return false;
    return true;
}

static bool parse_arguments(int argc, char **argv)
{
    test = (test_context){.device = "cpu",
                          .profile = &test_profiles[0],
                          .level = CASE_QUICK,
                          .parts = 1,
                          .dtype = FOVEA_DTYPE_COUNT,
                          .seed = 1};
    for (int i = 1; i < argc; i++)
        if (!parse_argument(argv[i])) {
            fprintf(stderr, "unknown argument '%s'\n", argv[i]);
            return false;
        }
    return true;
}

/* ---- the runner --------------------------------------------------------------------------------------------- */

int test_skip(const char *what)
{
    printf("1..0 # SKIP %s\n", what);
    return getenv("FOVEA_TEST_TAP") ? 0 : TEST_SKIP;
}

static int absent_unless(const char *required, const char *what)
{
    if (test_required(required)) {
        printf("1..1\nnot ok 1 - %s: %s, but FOVEA_TEST_REQUIRE names %s\n", test.device, what, required);
        return 1;
    }
    char text[128];
    snprintf(text, sizeof text, "%s: %s", test.device, what);
    return test_skip(text);
}

static int absent(const char *what)
{
    return absent_unless(test.device, what);
}

static int refused(fovea_status status)
{
    if (test.validation && status == FOVEA_UNSUPPORTED && !test_required("validation"))
        return absent("no validation layer");
    printf("1..1\nnot ok 1 - open %s: %s: %s\n", test.device, fovea_status_name(status),
           test.message_count ? test.messages[0].text : "no message");
    return 1;
}

START_TEST(silent)
{
    char text[TEST_MESSAGE_SIZE] = "";
    if (test.message_count)
        snprintf(text, sizeof text, "%s", test.messages[0].text);
    for (char *c = text; *c; c++)
        if (*c == '\n')
            *c = ' ';
    ck_assert_msg(test.message_count == 0, "%u messages, the first: %s", test.message_count, text);
}
END_TEST

/* A failed test leaves its objects. */
static bool run(const char *name, void (*add)(Suite *suite))
{
    Suite *suite = suite_create(name);
    add(suite);
    TCase *last = tcase_create("silent");
    tcase_add_test(last, silent);
    suite_add_tcase(suite, last);
    return run_suite(suite);
}

int test_main(int argc, char **argv, const char *name, void (*add)(Suite *suite))
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!parse_arguments(argc, argv))
        return 2;
#ifndef TEST_WITH_SHADERC
    if (test.compile)
        return absent("built without a run-time compiler");
#endif
    if (!test_find_device(test.device, &test.info))
        return absent("not on this machine");
    if (test.info.tier < test.tier) {
        char what[64];
        snprintf(what, sizeof what, "its best tier is %s", fovea_tier_name(test.info.tier));
        return absent_unless(fovea_tier_name(test.tier), what);
    }
    test.params = (fovea_device_params){.device = test.info.id,
                                        .log = {.message = keep_message, .level = FOVEA_LOG_WARNING},
                                        .limits = test.profile->limits,
                                        .max_tier = test.tier ? test.tier : test.profile->max_tier,
                                        .compile_at_run_time = test.compile,
                                        .validation = test.validation,
                                        .timeout_ms = 120000};
    const fovea_status status = fovea_device_open(&test.params, &test.opened);
    if (status != FOVEA_OK)
        return refused(status);
    const bool passed = run(name, add);
    if (passed) {
        destroy_kept();
        fovea_device_destroy(test.opened);
    }
    return !passed;
}
