/* What every suite shares: the device under test, its limits profile, what the library logged, and the runner.
 *
 * A suite is run as
 *   test_x [device=cpu] [profile=desktop] [level=quick] [part=0/1] [validation=0] [compile=0] [planner=0] [seed=1]
 *          [dtype=bf16] [tier=matrix] [operands=f16]
 * Exit 0 passed, 1 failed, 77 the device is not on this machine (0 where FOVEA_TEST_TAP is set: a reader of TAP takes the
 * skip from the plan, and any other status for an error). The environment variable FOVEA_TEST_REQUIRE, a
 * list such as "lavapipe,swiftshader", makes an absent device a failure instead. */
#ifndef TESTS_HARNESS_H
#define TESTS_HARNESS_H

#include <check.h>

#include <fovea/fovea.h>

#include "cases.h"

#include <string.h>

enum { TEST_SKIP = 77, TEST_MESSAGES_MAX = 64, TEST_MESSAGE_SIZE = 2048 };

/* Limits of a class of devices, as a clamp. */
typedef struct test_profile {
    const char *name;
    fovea_device_limits limits;
    fovea_tier max_tier;
} test_profile;

extern const test_profile test_profiles[];
extern const uint32_t test_profile_count;

typedef struct test_message {
    fovea_log_level level;
    char text[TEST_MESSAGE_SIZE];
} test_message;

/* Everything about this process' device. Set by test_main before the first test. */
typedef struct test_context {
    const char *device; /* as named on the command line */
    const test_profile *profile;
    case_level level;     /* cases above it are left out */
    uint32_t part, parts; /* this process takes every parts-th group of cases, beginning with part */
    uint32_t validation, compile, planner;
    fovea_dtype dtype;       /* of q, k and v in every case; FOVEA_DTYPE_COUNT: as the case says */
    fovea_tier tier;         /* the best one in force, which the device has; FOVEA_TIER_DEFAULT: whatever it has */
    fovea_operands operands; /* in every case, where it is not STORED */
    uint64_t seed;
    fovea_device_info info;
    fovea_device_params params;               /* opens the device under test again */
    fovea_device *opened;                     /* the one that most tests use */
    test_message messages[TEST_MESSAGES_MAX]; /* warnings and errors since test_forget_messages */
    uint32_t message_count;                   /* may exceed the array */
} test_context;

extern test_context test;

/* Parses the command line, opens the device and runs the suites that `add` puts into the runner. */
int test_main(int argc, char **argv, const char *name, void (*add)(Suite *suite));

/* Whether a case belongs to this process: its level, and its part. Cases that need the same kernels share a part. */
bool test_takes(const test_case *c);
/* The same for tests that are not cases: number n of its kind. */
bool test_takes_number(int n);

/* The tier that an operator of the case must have. With tier=matrix: MATRIX where the matrix unit has the case's dtypes, for
 * the planner does not prefer it on software drivers. Else DEFAULT. */
fovea_tier test_least_tier(const test_case *c);
/* With tier=matrix: fails unless the kernels of many rows are of that tier, where the matrix unit has the case's dtypes. */
void test_expect_matrices(const test_case *c, const fovea_op_report *report);

/* Whether the device is the CPU itself, where kernels cost nothing to make. */
bool test_is_cpu(void);
bool test_compiles_kernels(void); /* in a driver, for seconds each */

/* Keeps an op of test.opened for a while and destroys it later: ops of the same kind made meanwhile share its kernels,
 * which drivers take seconds to compile. */
void test_keep_op(fovea_op *op);

/* Drops the messages so far: for tests that provoke errors. */
void test_forget_messages(void);

/* The device of `device=` in a list of names, found by id or by its driver's name. */
bool test_find_device(const char *name, fovea_device_info *out_info);

/* Says why nothing runs; what main then returns. */
int test_skip(const char *what);

/* Whether FOVEA_TEST_REQUIRE names it. */
bool test_required(const char *name);

/* Fails the test with the device's last error unless `status` is `wanted`. */
#define test_status(device, wanted, status) test_status_at(device, wanted, status, #status, __FILE__, __LINE__)
void test_status_at(fovea_device *device, fovea_status wanted, fovea_status status, const char *call, const char *file,
                    int line);
#define test_ok(status) test_status(test.opened, FOVEA_OK, status)

/* Whether text that the library wrote holds `part`; fails the test with both where it does not. */
#define test_contains(text, part) ck_assert_msg(strstr(text, part) != NULL, "no '%s' in '%s'", part, text)

#endif
