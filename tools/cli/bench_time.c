/* Times cases on a device: those of a group in turn, so that what else the machine does hits all of them alike. */
#include "bench.h"
#include "values.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    SAMPLES_LEAST = 5,
    SAMPLES_MOST = 400,
    ITERATIONS_MOST = 64,
    TENSORS = FOVEA_O + 1,
    GUARD = 0xa5,
    GUARD_BYTES = 4096
};

static const double sample_s = 2e-3; /* a sample is no shorter, if more iterations help */

/* A case that is being timed. */
typedef struct live {
    bench_result *result;
    fovea_op *op;
    fovea_buffer *buffers[TENSORS];
    unsigned char *images[TENSORS]; /* of the buffers, guards included */
    unsigned char *data[TENSORS];   /* of the tensors, inside */
    uint64_t sizes[TENSORS];        /* of the buffers */
    double wall[SAMPLES_MOST], own[SAMPLES_MOST], cpu[SAMPLES_MOST];
    uint32_t count;
} live;

static volatile sig_atomic_t interrupted;

static void note_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

void bench_catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = note_interrupt, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool bench_interrupted(void)
{
    return interrupted != 0;
}

static double cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- one case -------------------------------------------------------------------------------------------------- */

/* Notes why a case has no time. */
static void leave_out(session *s, bench_result *result, fovea_status status, const char *what)
{
    char text[400] = "";
    fovea_last_error(s->device, text, sizeof text);
    snprintf(result->reason, sizeof result->reason, "%s: %s: %s", what, fovea_status_name(status), text);
}

static void views_of(const test_case *c, fovea_tensor views[TENSORS])
{
    const fovea_tensor own[TENSORS] = {
        [FOVEA_Q] = fovea_tensor_bhsd(c->dtypes.q, c->batch, c->heads_q, c->seq_q, c->dim_qk),
        [FOVEA_K] = fovea_tensor_bhsd(c->dtypes.k, c->batch, c->heads_k, c->seq_k, c->dim_qk),
        [FOVEA_V] = fovea_tensor_bhsd(c->dtypes.v, c->batch, c->heads_v, c->seq_k, c->dim_v),
        [FOVEA_O] = fovea_tensor_bhsd(c->dtypes.o, c->batch, c->heads_q, c->seq_q, c->dim_v),
    };
    memcpy(views, own, sizeof own);
}

fovea_status bench_make_op(session *s, const bench_result *result, fovea_op **out_op)
{
    const test_case *c = result->c;
    fovea_tensor views[TENSORS];
    views_of(c, views);
    const fovea_softmax_params params = {.q = views[FOVEA_Q],
                                         .k = views[FOVEA_K],
                                         .v = views[FOVEA_V],
                                         .o = views[FOVEA_O],
                                         .causal = c->mask == REF_CAUSAL || c->mask == REF_CAUSAL_TOP_LEFT,
                                         .causal_top_left = c->mask == REF_CAUSAL_TOP_LEFT,
                                         .soft_cap = c->soft_cap,
                                         .window = c->window.given,
                                         .window_left = c->window.left,
                                         .window_right = c->window.right,
                                         .operands = c->operands,
                                         .tile = result->tile};
    return fovea_softmax_create(s->device, &params, out_op);
}

/* A buffer whose tensor lies between two guards. */
static fovea_status make_buffer(session *s, live *l, int t)
{
    const test_case *c = l->result->c;
    const fovea_dtype dtypes[TENSORS] = {c->dtypes.q, c->dtypes.k, c->dtypes.v, c->dtypes.o};
    fovea_tensor views[TENSORS];
    views_of(c, views);
    const uint64_t size = fovea_tensor_bytes(&views[t]);
    l->sizes[t] = size + 2 * GUARD_BYTES;
    l->images[t] = malloc(l->sizes[t]);
    if (!l->images[t])
        return FOVEA_OUT_OF_HOST_MEMORY;
    memset(l->images[t], GUARD, l->sizes[t]);
    l->data[t] = l->images[t] + GUARD_BYTES;
    if (t == FOVEA_O)
        memset(l->data[t], 0xff, size); /* NaN: what no run writes fails the check */
    else
        bench_fill(l->data[t], size, dtypes[t], (uint64_t)t + 1);
    const fovea_status status = fovea_buffer_create(s->device, l->sizes[t], &l->buffers[t]);
    return status == FOVEA_OK ? fovea_buffer_upload(l->buffers[t], 0, l->images[t], l->sizes[t]) : status;
}

static bool guards_hold(const live *l, int t)
{
    const unsigned char *image = l->images[t];
    for (uint64_t i = 0; i < GUARD_BYTES; i++)
        if (image[i] != GUARD || image[l->sizes[t] - 1 - i] != GUARD)
            return false;
    return true;
}

static fovea_status run_some(session *s, live *l, uint32_t iterations)
{
    fovea_op_args args = {.seq_q = FOVEA_MAXIMUM, .seq_k = FOVEA_MAXIMUM};
    for (int t = 0; t < TENSORS; t++)
        args.tensors[t] = (fovea_binding){l->buffers[t], GUARD_BYTES};
    fovea_status status = l->result->on_device ? fovea_device_stamp(s->device, 0) : FOVEA_OK;
    for (uint32_t i = 0; i < iterations && status == FOVEA_OK; i++)
        status = fovea_op_run(l->op, &args);
    if (status == FOVEA_OK && l->result->on_device)
        status = fovea_device_stamp(s->device, 1);
    return status == FOVEA_OK ? fovea_device_wait(s->device) : status;
}

/* One sample: seconds of a run on three clocks. */
static fovea_status take_sample(session *s, live *l)
{
    const uint32_t iterations = l->result->iterations;
    double stamps[2] = {0.0, 0.0};
    const double cpu_begin = cpu_now(), begin = values_seconds();
    fovea_status status = run_some(s, l, iterations);
    const double end = values_seconds(), cpu_end = cpu_now();
    if (status == FOVEA_OK && l->result->on_device)
        status = fovea_device_get_stamps(s->device, 0, 2, stamps);
    l->wall[l->count] = (end - begin) / iterations;
    l->cpu[l->count] = (cpu_end - cpu_begin) / iterations;
    l->own[l->count] = (stamps[1] - stamps[0]) / iterations;
    l->count += status == FOVEA_OK;
    return status;
}

/* Whether the device keeps time; asking changes nothing. */
static bool keeps_time(session *s)
{
    return fovea_device_stamp(s->device, 0) == FOVEA_OK && fovea_device_wait(s->device) == FOVEA_OK;
}

/* The first runs: they warm up, and tell how many runs make a sample. */
static fovea_status warm_up(session *s, live *l)
{
    l->result->iterations = 1;
    fovea_status status = FOVEA_OK;
    for (int run = 0; run < 2 && status == FOVEA_OK; run++) {
        l->count = 0;
        status = take_sample(s, l);
    }
    const double s_per_run = l->wall[0];
    if (status == FOVEA_OK && s_per_run < sample_s)
        l->result->iterations = (uint32_t)fmin(ITERATIONS_MOST, ceil(sample_s / fmax(s_per_run, 1e-9)));
    l->count = 0;
    /* What warmed up has written the output: poison it again, so that the runs that are timed have to. */
    return status == FOVEA_OK ? fovea_buffer_upload(l->buffers[FOVEA_O], 0, l->images[FOVEA_O], l->sizes[FOVEA_O])
                              : status;
}

/* Whether a run may be too long, by the measured multiply-adds: a kernel reaches a tenth of them at the least. */
static bool too_long(const bench_options *options, const bench_result *result)
{
    const double peak = result->device->rates[FOVEA_RATE_FMA_F32];
    return (double)result->report.flops / (0.1 * peak) > options->longest;
}

static bool begin(session *s, const bench_options *options, live *l)
{
    bench_result *result = l->result;
    fovea_status status = bench_make_op(s, result, &l->op);
    if (status == FOVEA_OK)
        status = fovea_op_get_report(l->op, &result->report);
    if (status == FOVEA_OK && too_long(options, result)) {
        snprintf(result->reason, sizeof result->reason, "left out: a run may take longer than %g s (--longest)",
                 options->longest);
        return false;
    }
    for (int t = 0; t < TENSORS && status == FOVEA_OK; t++)
        status = make_buffer(s, l, t);
    result->on_device = keeps_time(s);
    if (status == FOVEA_OK)
        status = warm_up(s, l);
    if (status != FOVEA_OK)
        leave_out(s, result, status, "before timing");
    return status == FOVEA_OK;
}

static int ascending(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double quantile(const double *sorted, uint32_t count, double share)
{
    const double place = share * (count - 1);
    const uint32_t below = (uint32_t)place, above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

static bench_times times_of(double *seconds, uint32_t count)
{
    qsort(seconds, count, sizeof *seconds, ascending);
    return (bench_times){quantile(seconds, count, 0.5), seconds[0], quantile(seconds, count, 0.1),
                         quantile(seconds, count, 0.9)};
}

/* The very buffers that were timed are checked. */
static void finish(session *s, live *l)
{
    bench_result *result = l->result;
    const bool gpu = strncmp(result->device->info.id, "cpu", 3) != 0;
    if (l->count == 0)
        return;
    const fovea_status status = fovea_buffer_download(l->buffers[FOVEA_O], 0, l->images[FOVEA_O], l->sizes[FOVEA_O]);
    if (status != FOVEA_OK) {
        leave_out(s, result, status, "download");
        return;
    }
    if (!guards_hold(l, FOVEA_O)) {
        snprintf(result->reason, sizeof result->reason, "wrong: it wrote beside its output");
        return;
    }
    if (!bench_check(result->c, l->data, gpu, result)) {
        snprintf(result->reason, sizeof result->reason, "no memory to check it");
        return;
    }
    if (!(result->of_bound <= 1.0)) {
        snprintf(result->reason, sizeof result->reason, "wrong: an error of %.3g, %.3g times its bound",
                 result->max_error, result->of_bound);
        return;
    }
    result->samples = l->count;
    result->wall = times_of(l->wall, l->count);
    result->own = times_of(l->own, l->count);
    result->cpu = times_of(l->cpu, l->count).median;
    result->on_device = result->on_device && result->own.least > 0.0;
    result->checked = result->timed = true;
}

static void release(live *l)
{
    fovea_op_destroy(l->op);
    for (int t = 0; t < TENSORS; t++) {
        fovea_buffer_destroy(l->buffers[t]);
        free(l->images[t]);
    }
}

/* ---- a group --------------------------------------------------------------------------------------------------- */

static bool enough(const live *l, double seconds)
{
    double sum = 0.0;
    if (l->count < SAMPLES_LEAST)
        return false;
    for (uint32_t i = 0; i < l->count; i++)
        sum += l->wall[i] * l->result->iterations;
    return l->count == SAMPLES_MOST || sum >= seconds;
}

/* Rounds of one sample of each case that needs more. */
static void time_rounds(session *s, const bench_options *options, live *lives, size_t count)
{
    for (bool more = true; more && !bench_interrupted();) {
        more = false;
        for (size_t i = 0; i < count && !bench_interrupted(); i++) {
            live *l = &lives[i];
            if (l->result->reason[0] || enough(l, options->seconds))
                continue;
            const fovea_status status = take_sample(s, l);
            if (status != FOVEA_OK)
                leave_out(s, l->result, status, "while timing");
            more = true;
        }
    }
}

int bench_time_group(session *s, const bench_options *options, bench_result *results, size_t count)
{
    live *lives = calloc(count, sizeof *lives);
    if (!lives)
        return cli_fail(CLI_FAILED, "bench: out of memory");
    for (size_t i = 0; i < count && !bench_interrupted(); i++) {
        lives[i].result = &results[i];
        begin(s, options, &lives[i]);
    }
    for (size_t i = 0; i < count; i++)
        lives[i].result = &results[i];
    time_rounds(s, options, lives, count);
    for (size_t i = 0; i < count; i++) {
        if (!results[i].reason[0])
            finish(s, &lives[i]);
        release(&lives[i]);
    }
    free(lives);
    return CLI_DONE;
}
