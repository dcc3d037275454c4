/* fovea bench: what its files share. A plan is a list of (device, case); each becomes a result. */
#ifndef FOVEA_CLI_BENCH_H
#define FOVEA_CLI_BENCH_H

#include "cli.h"

#include "cases.h"

#include <jansson.h>
#include <regex.h>

enum { BENCH_DEVICES = 32 };

typedef struct bench_options {
    const char *devices[BENCH_DEVICES]; /* ids; none: every device of the machine */
    size_t device_count;
    const char *json, *html, *baseline;
    case_bench suite;
    bool filtered, uncached, tune;
    regex_t filter;
    double seconds; /* that a case is timed for */
    double longest; /* seconds of one run beyond which a case is left out */
} bench_options;

/* The rates of a device; NAN: it could not be measured. */
typedef struct bench_device {
    fovea_device_info info;
    double rates[FOVEA_RATE_COUNT];
} bench_device;

/* Times of one run, in seconds. */
typedef struct bench_times {
    double median, least, p10, p90;
} bench_times;

typedef struct bench_result {
    char name[160]; /* operator/case/device */
    const test_case *c;
    uint32_t tile; /* forced: as in the descriptor; 0: the planner's choice */
    const bench_device *device;
    bool timed, checked;          /* what is left out has a reason instead */
    bool on_device;               /* `own` is known */
    bench_times wall, own;        /* the host's clock, submit and wait included; the device's clock */
    double cpu;                   /* median seconds of this process' threads */
    uint32_t samples, iterations; /* runs of a sample: more than one where a run is short */
    fovea_op_report report;
    double max_error, of_bound;
    uint32_t rows_checked;
    char reason[512];
} bench_result;

typedef struct bench_list {
    bench_device *devices;
    size_t device_count;
    bench_result *results;
    size_t count;
    bool interrupted;
    char date[40];
} bench_list;

/* ---- bench.c */

/* The name of a suite, as --suite takes it. */
const char *bench_suite_name(case_bench suite);

/* ---- bench_time.c: cases on a device */

enum { BENCH_GROUP = 8 }; /* cases that are timed in turn */

/* Times and checks `count` results of one device, at most BENCH_GROUP, in turn; fills them. The exit code says that the
 * session can go on. */
int bench_time_group(session *s, const bench_options *options, bench_result *results, size_t count);

/* Set by an interrupt: whatever runs ends after the sample at hand. */
bool bench_interrupted(void);
void bench_catch_interrupts(void);

/* ---- bench_tune.c: the tiles of a device */

/* Times every candidate tile for every kind of case of the suite, and makes the one of bench_faster_tile the planner's
 * choice, through the device's cache. */
int bench_tune(session *s, const bench_options *options, bench_result *results, size_t count);

/* The operator of a case. */
fovea_status bench_make_op(session *s, const bench_result *result, fovea_op **out_op);

/* ---- bench_data.c: inputs, and the check of outputs */

/* Fills a tensor's bytes with numbers uniform in [-1, 1], the same ones on every machine. */
void bench_fill(unsigned char *bytes, uint64_t size, fovea_dtype dtype, uint64_t seed);

/* Checks sampled rows of `o` against double precision; the views are dense. False without memory. */
bool bench_check(const test_case *c, unsigned char *const data[FOVEA_O + 1], bool gpu, bench_result *result);

/* ---- bench_report.c: figures made of times */

/* The times that count: the device's clock, where it is known. */
const bench_times *bench_clock(const bench_result *result);

/* Of `count` tiles that were tried for one case, the one to prefer: the planner's (its `tile` is `chosen`), unless the
 * median of the fastest lies below the planner's 10th percentile, beyond what its own runs differ by, or the planner's
 * was not timed. NULL: none was timed. */
const bench_result *bench_faster_tile(const bench_result *tried, uint32_t count, uint32_t chosen);

/* FLOP/s, by the device's clock where it is known. */
double bench_flops_per_s(const bench_result *result);

/* The peak that a case is compared with: multiply-adds of its keys' dtype, by matrix units where its kernel uses them. NAN
 * where it is not known. */
double bench_peak(const bench_result *result);

/* FLOP/s that the measured rates allow, and the rate that bounds it ("fma", "matrix", "exp2", "shared", "copy"); NAN where one is
 * not known. */
double bench_attainable(const bench_result *result, const char **out_bound);

/* The kernel that the timed runs used. */
const fovea_kernel_report *bench_kernel(const bench_result *result);

void bench_print_device(const bench_device *device);
void bench_print_heading(void);
void bench_print_result(const bench_result *result);

/* ---- bench_json.c */

/* Google Benchmark's format. New reference; NULL without memory. */
json_t *bench_json(const bench_list *list, const bench_options *options);

/* The older results that a run is to be compared with; times in us count. NULL, said why: the file is none. */
json_t *bench_load_baseline(const char *path);

/* Prints each case beside the same case of older results. */
void bench_compare(const json_t *now, const json_t *old);

#endif
