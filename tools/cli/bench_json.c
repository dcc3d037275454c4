/* The benchmark's results in Google Benchmark's format, and the comparison with an older file. */
#include "bench.h"
#include "values.h"

#include "commit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double us = 1e6; /* the time unit of a file */

static void put_number(json_t *object, const char *key, double value)
{
    if (isfinite(value)) /* JSON has no other */
        json_object_set_new(object, key, json_real(value));
}

static void put_count(json_t *object, const char *key, uint64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void put_text(json_t *object, const char *key, const char *text)
{
    json_object_set_new(object, key, values_string(text));
}

/* ---- context --------------------------------------------------------------------------------------------------- */

static json_t *device_json(const bench_device *device)
{
    const fovea_device_info *info = &device->info;
    json_t *object = json_object(), *rates = json_object();
    put_text(object, "id", info->id);
    put_text(object, "name", info->name);
    put_text(object, "kind", values_kind_name(info->kind));
    put_count(object, "vendor_id", info->vendor_id);
    put_count(object, "device_id", info->device_id);
    put_text(object, "driver", info->driver);
    put_count(object, "driver_id", info->driver_id);
    put_text(object, "driver_info", info->driver_info);
    put_count(object, "driver_version", info->driver_version);
    json_object_set_new(object, "api_version", values_api_version(info->api_version));
    put_text(object, "tier", fovea_tier_name(info->tier));
    for (int rate = 0; rate < FOVEA_RATE_COUNT; rate++) {
        char key[48];
        const bool cost = rate >= FOVEA_RATE_DISPATCH && rate <= FOVEA_RATE_SUBMIT;
        snprintf(key, sizeof key, cost ? "%s_s" : "%s", fovea_rate_name((fovea_rate)rate));
        put_number(rates, key, device->rates[rate]);
    }
    json_object_set_new(object, "rates", rates);
    return object;
}

/* Clock of the first core in MHz as the kernel tells it; 0 where it does not. */
static double clock_mhz(void)
{
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[256];
    double mhz = 0.0;
    while (file && mhz == 0.0 && fgets(line, sizeof line, file))
        if (strncmp(line, "cpu MHz", 7) == 0 && strchr(line, ':'))
            mhz = strtod(strchr(line, ':') + 1, NULL);
    if (file)
        fclose(file);
    return mhz;
}

/* Whether a governor may lower the first core's clock. */
static bool clock_varies(void)
{
    FILE *file = fopen("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "r");
    char governor[64] = "performance";
    if (file) {
        if (fscanf(file, "%63s", governor) != 1)
            governor[0] = '\0';
        fclose(file);
    }
    return strcmp(governor, "performance") != 0;
}

static json_t *load_averages(void)
{
    json_t *list = json_array();
    FILE *file = fopen("/proc/loadavg", "r");
    double load[3];
    if (file && fscanf(file, "%lf %lf %lf", &load[0], &load[1], &load[2]) == 3)
        for (int i = 0; i < 3; i++)
            json_array_append_new(list, json_real(load[i]));
    if (file)
        fclose(file);
    return list;
}

static json_t *context_json(const bench_list *list, const bench_options *options)
{
    json_t *context = json_object(), *devices = json_array(), *failures = json_array();
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    put_text(context, "date", list->date);
    put_text(context, "host_name", host);
    put_text(context, "executable", "fovea");
    put_count(context, "num_cpus", (uint64_t)fmax(1.0, (double)sysconf(_SC_NPROCESSORS_ONLN)));
    put_number(context, "mhz_per_cpu", clock_mhz());
    json_object_set_new(context, "cpu_scaling_enabled", json_boolean(clock_varies()));
    json_object_set_new(context, "load_avg", load_averages());
#ifdef NDEBUG
    put_text(context, "library_build_type", "release");
#else
    put_text(context, "library_build_type", "debug");
#endif
    put_text(context, "library_version", FOVEA_VERSION_STRING);
    put_count(context, "json_schema_version", 1);
    put_text(context, "fovea_commit", FOVEA_COMMIT);
    put_text(context, "suite", bench_suite_name(options->suite));
    json_object_set_new(context, "interrupted", json_boolean(list->interrupted));
    for (size_t i = 0; i < list->device_count; i++)
        json_array_append_new(devices, device_json(&list->devices[i]));
    for (size_t i = 0; i < list->count; i++) {
        if (list->results[i].timed || !list->results[i].reason[0])
            continue;
        json_t *failure = json_object();
        put_text(failure, "name", list->results[i].name);
        put_text(failure, "message", list->results[i].reason);
        json_array_append_new(failures, failure);
    }
    json_object_set_new(context, "devices", devices);
    json_object_set_new(context, "failures", failures);
    return context;
}

/* ---- results --------------------------------------------------------------------------------------------------- */

static void put_shape(json_t *object, const test_case *c)
{
    static const char *const masks[] = {"none", "causal", "causal_top_left"};
    put_text(object, "kind", c->seq_q == 1 ? "decode" : "prefill");
    put_count(object, "batch", c->batch);
    put_count(object, "heads_q", c->heads_q);
    put_count(object, "heads_k", c->heads_k);
    put_count(object, "heads_v", c->heads_v);
    put_count(object, "seq_q", c->seq_q);
    put_count(object, "seq_k", c->seq_k);
    put_count(object, "dim_qk", c->dim_qk);
    put_count(object, "dim_v", c->dim_v);
    put_text(object, "dtype", fovea_dtype_name(c->dtypes.k));
    put_text(object, "mask", masks[c->mask]);
    if (c->window.given && c->window.left != REF_UNBOUNDED)
        put_count(object, "window_left", c->window.left);
    if (c->window.given && c->window.right != REF_UNBOUNDED)
        put_count(object, "window_right", c->window.right);
}

static void put_times(json_t *object, const bench_result *result)
{
    put_number(object, "real_time", result->wall.median * us);
    put_number(object, "cpu_time", result->cpu * us);
    put_text(object, "time_unit", "us");
    put_number(object, "wall_min", result->wall.least * us);
    put_number(object, "wall_p10", result->wall.p10 * us);
    put_number(object, "wall_p90", result->wall.p90 * us);
    put_count(object, "iterations_per_sample", result->iterations);
    if (!result->on_device)
        return;
    put_number(object, "device_time", result->own.median * us);
    put_number(object, "device_min", result->own.least * us);
    put_number(object, "device_p10", result->own.p10 * us);
    put_number(object, "device_p90", result->own.p90 * us);
}

static void put_figures(json_t *object, const bench_result *result)
{
    const char *bound = "";
    const fovea_op_report *report = &result->report;
    const double rate = bench_flops_per_s(result), attainable = bench_attainable(result, &bound);
    put_count(object, "flops", report->flops);
    put_count(object, "bytes", report->bytes);
    put_count(object, "exponentials", report->exponentials);
    put_number(object, "flops_per_second", rate);
    put_number(object, "bytes_per_second", rate * (double)report->bytes / (double)report->flops);
    put_number(object, "percent_of_peak", 100.0 * rate / bench_peak(result));
    put_number(object, "attainable_flops_per_second", attainable);
    put_number(object, "percent_of_attainable", 100.0 * rate / attainable);
    put_text(object, "bound", bound);
    put_number(object, "max_error", result->max_error);
    put_number(object, "of_bound", result->of_bound);
    put_count(object, "rows_checked", result->rows_checked);
}

static void put_kernel(json_t *object, const bench_result *result)
{
    const fovea_kernel_report *kernel = bench_kernel(result);
    put_text(object, "kernel", kernel->name);
    put_text(object, "kernel_tier", fovea_tier_name(kernel->tier));
    put_text(object, "operand", fovea_dtype_name(kernel->operand));
    put_count(object, "operand_parts", kernel->operand_parts);
    json_object_set_new(object, "tile", json_sprintf("%ux%u", kernel->rows, kernel->keys));
    put_count(object, "tile_index", kernel->tile);
    put_count(object, "splits", result->report.split_count);
    put_count(object, "dispatches", result->report.dispatches);
    if (kernel->registers != UINT32_MAX)
        put_count(object, "registers", kernel->registers);
    if (kernel->spills != UINT32_MAX)
        put_count(object, "spills", kernel->spills);
}

static json_t *result_json(const bench_result *result)
{
    json_t *object = json_object();
    put_text(object, "name", result->name);
    put_text(object, "run_name", result->name);
    put_text(object, "run_type", "iteration");
    put_count(object, "repetitions", 1);
    put_count(object, "repetition_index", 0);
    put_count(object, "threads", 1);
    put_count(object, "iterations", result->samples);
    put_times(object, result);
    put_text(object, "operator", "softmax");
    put_text(object, "case", result->c->name);
    put_text(object, "device", result->device->info.id);
    put_shape(object, result->c);
    put_figures(object, result);
    put_kernel(object, result);
    return object;
}

json_t *bench_json(const bench_list *list, const bench_options *options)
{
    json_t *root = json_object(), *benchmarks = json_array();
    json_object_set_new(root, "context", context_json(list, options));
    for (size_t i = 0; i < list->count; i++)
        if (list->results[i].timed)
            json_array_append_new(benchmarks, result_json(&list->results[i]));
    json_object_set_new(root, "benchmarks", benchmarks);
    return root;
}

/* ---- comparison ------------------------------------------------------------------------------------------------ */

static double time_of(const json_t *rows, const char *name)
{
    size_t i;
    const json_t *row;
    json_array_foreach(rows, i, row)
    {
        const char *found = json_string_value(json_object_get(row, "name"));
        const char *unit = json_string_value(json_object_get(row, "time_unit"));
        if (found && unit && strcmp(found, name) == 0 && strcmp(unit, "us") == 0)
            return json_number_value(json_object_get(row, "real_time"));
    }
    return NAN;
}

json_t *bench_load_baseline(const char *path)
{
    json_error_t error;
    json_t *old = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!old) {
        cli_fail(CLI_USAGE, "--baseline %s: %s", path, error.text);
    } else if (!json_is_array(json_object_get(old, "benchmarks"))) {
        cli_fail(CLI_USAGE, "--baseline %s: it has no array \"benchmarks\"", path);
        json_decref(old);
        old = NULL;
    }
    return old;
}

void bench_compare(const json_t *now, const json_t *old)
{
    const json_t *rows = json_object_get(now, "benchmarks"), *row;
    size_t i;
    printf("\n%-44s %12s %12s %8s\n", "name", "before_us", "now_us", "ratio");
    json_array_foreach(rows, i, row)
    {
        const char *name = json_string_value(json_object_get(row, "name"));
        const double before = time_of(json_object_get(old, "benchmarks"), name);
        const double after = json_number_value(json_object_get(row, "real_time"));
        if (before > 0.0)
            printf("%-44s %12.1f %12.1f %8.3f\n", name, before, after, after / before);
        else
            printf("%-44s %12s %12.1f %8s\n", name, "-", after, "-");
    }
}
