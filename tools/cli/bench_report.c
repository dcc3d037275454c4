/* Figures and choices made of times, and the tables that show them. */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const bench_times *bench_clock(const bench_result *result)
{
    return result->on_device ? &result->own : &result->wall;
}

double bench_flops_per_s(const bench_result *result)
{
    return (double)result->report.flops / bench_clock(result)->median;
}

const bench_result *bench_faster_tile(const bench_result *tried, uint32_t count, uint32_t chosen)
{
    const bench_result *own = NULL, *fastest = NULL;
    for (uint32_t i = 0; i < count; i++) {
        if (!tried[i].timed)
            continue;
        if (!fastest || bench_clock(&tried[i])->median < bench_clock(fastest)->median)
            fastest = &tried[i];
        if (tried[i].tile == chosen)
            own = &tried[i];
    }
    return own && !(bench_clock(fastest)->median < bench_clock(own)->p10) ? own : fastest;
}

/* Whether the matrix unit does its multiply-adds. */
static bool on_matrices(const bench_result *result)
{
    return bench_kernel(result)->tier == FOVEA_TIER_MATRIX;
}

double bench_peak(const bench_result *result)
{
    static const fovea_rate fma[FOVEA_DTYPE_COUNT] = {
        [FOVEA_F32] = FOVEA_RATE_FMA_F32, [FOVEA_F16] = FOVEA_RATE_FMA_F16, [FOVEA_BF16] = FOVEA_RATE_FMA_BF16};
    const fovea_kernel_report *kernel = bench_kernel(result);
    const double *rates = result->device->rates;
    if (!on_matrices(result))
        return rates[fma[result->c->dtypes.k]];
    const double matrix = rates[kernel->operand == FOVEA_BF16 ? FOVEA_RATE_MATRIX_BF16 : FOVEA_RATE_MATRIX_F16];
    return kernel->operand_parts == 2 ? matrix / 3.0 : matrix; /* three products for one */
}

double bench_attainable(const bench_result *result, const char **out_bound)
{
    const fovea_op_report *report = &result->report;
    const double *rates = result->device->rates;
    const struct {
        const char *name;
        double seconds;
    } roofs[] = {
        {on_matrices(result) ? "matrix" : "fma", (double)report->flops / bench_peak(result)},
        {"exp2", (double)report->exponentials / rates[FOVEA_RATE_EXP2]},
        {"shared", (double)report->shared_bytes / rates[FOVEA_RATE_SHARED]},
        {"copy", (double)report->bytes / rates[FOVEA_RATE_COPY]},
    };
    double longest = 0.0;
    for (size_t i = 0; i < sizeof roofs / sizeof roofs[0]; i++) {
        if (!(roofs[i].seconds > longest) && !isnan(roofs[i].seconds))
            continue;
        longest = roofs[i].seconds;
        *out_bound = roofs[i].name;
        if (isnan(longest))
            return NAN;
    }
    return (double)report->flops / longest;
}

/* The last one: a report lists the kernels for few rows first, and others only where the most rows are more. */
const fovea_kernel_report *bench_kernel(const bench_result *result)
{
    const fovea_op_report *report = &result->report;
    const bool direct = report->dispatches == report->query_slices;
    const fovea_kernel_report *found = &report->kernels[0];
    for (uint32_t i = 0; i < report->kernel_count; i++) {
        const fovea_kernel_report *kernel = &report->kernels[i];
        if (strstr(kernel->name, direct ? "direct" : "state"))
            found = kernel;
    }
    return found;
}

/* 1.23e9 with "FLOP/s" as "1.23 GFLOP/s". */
static void print_rate(const char *name, double value, const char *unit)
{
    static const char prefixes[] = " kMGTP";
    int power = 0;
    if (isnan(value)) {
        printf("  %-11s not known\n", name);
        return;
    }
    while (value >= 1000.0 && prefixes[power + 1]) {
        value /= 1000.0;
        power++;
    }
    printf("  %-11s %8.2f %c%s\n", name, value, prefixes[power], unit);
}

void bench_print_device(const bench_device *device)
{
    static const char *const units[FOVEA_RATE_COUNT] = {
        [FOVEA_RATE_FMA_F32] = "FLOP/s",     [FOVEA_RATE_FMA_F16] = "FLOP/s",
        [FOVEA_RATE_FMA_BF16] = "FLOP/s",    [FOVEA_RATE_MATRIX_F16] = "FLOP/s",
        [FOVEA_RATE_MATRIX_BF16] = "FLOP/s", [FOVEA_RATE_EXP2] = "/s",
        [FOVEA_RATE_SHARED] = "B/s",         [FOVEA_RATE_COPY] = "B/s"}; /* else seconds */
    printf("%s: %s, %s %s\n", device->info.id, device->info.name, device->info.driver, device->info.driver_info);
    for (int rate = 0; rate < FOVEA_RATE_COUNT; rate++) {
        if (units[rate])
            print_rate(fovea_rate_name((fovea_rate)rate), device->rates[rate], units[rate]);
        else
            printf("  %-11s %8.2f us\n", fovea_rate_name((fovea_rate)rate), device->rates[rate] * 1e6);
    }
    fflush(stdout);
}

void bench_print_heading(void)
{
    printf("%-44s %10s %10s %10s %4s %9s %6s %6s %-6s %s\n", "name", "median_us", "min_us", "device_us", "n", "GFLOP/s",
           "peak%", "att.%", "bound", "tile");
    fflush(stdout);
}

void bench_print_result(const bench_result *result)
{
    const char *bound = "";
    if (!result->timed) {
        printf("%-44s %s\n", result->name, result->reason[0] ? result->reason : "not timed");
        fflush(stdout);
        return;
    }
    const double rate = bench_flops_per_s(result), attainable = bench_attainable(result, &bound);
    const fovea_kernel_report *kernel = bench_kernel(result);
    printf("%-44s %10.1f %10.1f ", result->name, result->wall.median * 1e6, result->wall.least * 1e6);
    if (result->on_device)
        printf("%10.1f ", result->own.median * 1e6);
    else
        printf("%10s ", "-");
    printf("%4u %9.2f %6.1f %6.1f %-6s %ux%u %s\n", result->samples, rate * 1e-9, 100.0 * rate / bench_peak(result),
           100.0 * rate / attainable, bound, kernel->rows, kernel->keys, fovea_tier_name(kernel->tier));
    fflush(stdout);
}
