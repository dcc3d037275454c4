/* A short table of softmax attention's speed and error on every device of this machine.
 *
 * The size of the problem follows the kind of device, so that each takes a few seconds. Rows sampled from the
 * very buffers that were timed are checked against double precision; `of_bound` is the largest error over
 * what float32 arithmetic allows for that element, so anything above 1 is a fault. */
#include <fovea/fovea.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DIM          64u
#define DEVICES_MAX  16u
#define ROWS_CHECKED 24u
#define RUNS_LEAST   3u
#define RUNS_MOST    50u
#define SECONDS_MOST 1.0
#define TIMEOUT_MS   600000u
#define NO_DEVICE    77 /* exit code */

enum { TENSORS = FOVEA_O + 1 };

typedef struct problem {
    uint32_t heads, seq;
    fovea_dtype dtype;
} problem;

typedef struct trial {
    problem size;
    fovea_device *device;
    fovea_op *op;
    fovea_buffer *buffers[TENSORS];
    float *host[TENSORS]; /* as f32 */
    void *stored;         /* as the dtype */
    double seconds[RUNS_MOST];
    uint32_t runs;
    double max_error, of_bound;
} trial;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void print_reason(void *user, fovea_log_level level, const char *text)
{
    (void)user;
    (void)level;
    fprintf(stderr, "speed: %s\n", text);
}

static size_t elements(const problem *p)
{
    return (size_t)p->heads * p->seq * DIM;
}

/* Multiples of 1/256 in [-2, 2), which every dtype here holds exactly. */
static float next_value(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)((int32_t)(*state >> 22) - 512) / 256.0f;
}

/* binary16 of a value of next_value. */
static uint16_t to_half(float value)
{
    int exponent;
    const float fraction = frexpf(fabsf(value), &exponent);
    const uint32_t sign = value < 0.0f ? 0x8000u : 0u;
    if (value == 0.0f)
        return 0;
    return (uint16_t)(sign | (uint32_t)(exponent + 14) << 10 | ((uint32_t)(fraction * 2048.0f) & 0x3ffu));
}

static float from_half(uint16_t bits)
{
    const int exponent = bits >> 10 & 31;
    const int fraction = bits & 0x3ff;
    const float size = exponent == 31 ? (fraction ? NAN : INFINITY)
                       : exponent     ? ldexpf((float)(fraction + 1024), exponent - 25)
                                      : ldexpf((float)fraction, -24);
    return bits & 0x8000 ? -size : size;
}

static void store(const problem *p, const float *values, void *out)
{
    if (p->dtype == FOVEA_F32) {
        memcpy(out, values, elements(p) * sizeof *values);
        return;
    }
    for (size_t i = 0; i < elements(p); i++)
        ((uint16_t *)out)[i] = to_half(values[i]);
}

static void load(const problem *p, const void *stored, float *out)
{
    if (p->dtype == FOVEA_F32) {
        memcpy(out, stored, elements(p) * sizeof *out);
        return;
    }
    for (size_t i = 0; i < elements(p); i++)
        out[i] = from_half(((const uint16_t *)stored)[i]);
}

/* The problem for a kind of device; software drivers are slow. */
static problem choose(const fovea_device_info *info, fovea_dtype dtype)
{
    if (info->kind == FOVEA_DEVICE_CPU)
        return strncmp(info->id, "cpu", 3) == 0 ? (problem){8, 1024, dtype} : (problem){4, 512, dtype};
    return (problem){32, 2048, dtype};
}

static bool allocate(trial *t)
{
    t->stored = malloc(elements(&t->size) * sizeof(float));
    bool done = t->stored != NULL;
    for (int i = 0; i < TENSORS; i++) {
        t->host[i] = malloc(elements(&t->size) * sizeof(float));
        done = done && t->host[i];
    }
    return done;
}

static fovea_status prepare(trial *t)
{
    const fovea_tensor view = fovea_tensor_bhsd(t->size.dtype, 1, t->size.heads, t->size.seq, DIM);
    const fovea_softmax_params params = {.q = view, .k = view, .v = view, .o = view};
    const uint64_t bytes = fovea_tensor_bytes(&view);
    uint32_t state = 1;
    fovea_status status = fovea_softmax_create(t->device, &params, &t->op);
    for (int i = 0; status == FOVEA_OK && i < TENSORS; i++) {
        for (size_t e = 0; e < elements(&t->size); e++)
            t->host[i][e] = next_value(&state);
        store(&t->size, t->host[i], t->stored);
        status = fovea_buffer_create(t->device, bytes, &t->buffers[i]);
        if (status == FOVEA_OK)
            status = fovea_buffer_upload(t->buffers[i], 0, t->stored, bytes);
    }
    return status;
}

static fovea_status run_once(trial *t)
{
    fovea_op_args args = {.seq_q = FOVEA_MAXIMUM, .seq_k = FOVEA_MAXIMUM};
    for (int i = 0; i < TENSORS; i++)
        args.tensors[i].buffer = t->buffers[i];
    const fovea_status status = fovea_op_run(t->op, &args);
    return status == FOVEA_OK ? fovea_device_wait(t->device) : status;
}

static int compare_doubles(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static fovea_status measure(trial *t)
{
    fovea_status status = run_once(t); /* warms up */
    const double start = now();
    while (status == FOVEA_OK && t->runs < RUNS_MOST && (t->runs < RUNS_LEAST || now() - start < SECONDS_MOST)) {
        const double begin = now();
        status = run_once(t);
        t->seconds[t->runs++] = now() - begin;
    }
    qsort(t->seconds, t->runs, sizeof *t->seconds, compare_doubles);
    if (status == FOVEA_OK)
        status = fovea_buffer_download(t->buffers[FOVEA_O], 0, t->stored,
                                       elements(&t->size) * fovea_dtype_size(t->size.dtype));
    load(&t->size, t->stored, t->host[FOVEA_O]);
    return status;
}

/* Scores of one row and their maximum. Returns the largest sum of |q k|, which bounds a score's error. */
static double row_scores(const trial *t, size_t head, const float *q, double *scores, double *maximum)
{
    const double scale = 1.0 / sqrt(DIM);
    double largest = 0.0;
    *maximum = -INFINITY;
    for (size_t j = 0; j < t->size.seq; j++) {
        const float *k = t->host[FOVEA_K] + (head * t->size.seq + j) * DIM;
        double dot = 0.0, sizes = 0.0;
        for (size_t d = 0; d < DIM; d++) {
            dot += (double)q[d] * k[d];
            sizes += fabs((double)q[d] * k[d]);
        }
        scores[j] = dot * scale;
        largest = fmax(largest, sizes * scale);
        *maximum = fmax(*maximum, scores[j]);
    }
    return largest;
}

/* Turns scores into weights of sum 1. Returns the mean error that a GPU's exp may add to one. */
static double row_weights(const trial *t, double *scores, double maximum)
{
    double sum = 0.0, error = 0.0;
    for (size_t j = 0; j < t->size.seq; j++) {
        const double weight = exp(scores[j] - maximum);
        error += weight * (3.0 + 2.0 * (maximum - scores[j])) * 0x1p-23;
        scores[j] = weight;
        sum += weight;
    }
    for (size_t j = 0; j < t->size.seq; j++)
        scores[j] /= sum;
    return error / sum;
}

/* NaN is larger than all. */
static double larger(double a, double b)
{
    return isnan(a) || a >= b ? a : b;
}

static void check_row(trial *t, size_t row, double *weights)
{
    const size_t head = row / t->size.seq;
    const float *values = t->host[FOVEA_V] + head * t->size.seq * DIM;
    const bool half = t->size.dtype == FOVEA_F16;
    double maximum;
    const double sizes = row_scores(t, head, t->host[FOVEA_Q] + row * DIM, weights, &maximum);
    const double exp_error = row_weights(t, weights, maximum);
    const double score_error = (DIM + 3) * 0x1p-24 * sizes;
    const double relative = exp(2.0 * score_error) - 1.0 + t->size.seq * 0x1p-24 + exp_error;
    for (size_t d = 0; d < DIM; d++) {
        double reference = 0.0, magnitude = 0.0;
        for (size_t j = 0; j < t->size.seq; j++) {
            reference += weights[j] * values[j * DIM + d];
            magnitude += weights[j] * fabs((double)values[j * DIM + d]);
        }
        const double stored = half ? 0x1p-10 * fabs(reference) + 0x1p-14 : 0x1p-24 * fabs(reference);
        const double error = fabs(t->host[FOVEA_O][row * DIM + d] - reference);
        const double share = error / (relative * magnitude + stored);
        t->max_error = larger(t->max_error, error);
        t->of_bound = larger(t->of_bound, share);
    }
}

static bool check(trial *t)
{
    const size_t rows = (size_t)t->size.heads * t->size.seq;
    double *weights = malloc(t->size.seq * sizeof *weights);
    if (!weights)
        return false;
    for (size_t i = 0; i < ROWS_CHECKED; i++)
        check_row(t, i * (rows - 1) / (ROWS_CHECKED - 1), weights);
    free(weights);
    return t->of_bound <= 1.0;
}

static void print_row(const trial *t, const char *id, bool good)
{
    const double flops = 4.0 * DIM * t->size.heads * (double)t->size.seq * t->size.seq;
    const double median = t->seconds[t->runs / 2];
    char shape[48];
    snprintf(shape, sizeof shape, "%ux%ux%ux%u", (unsigned)t->size.heads, (unsigned)t->size.seq, (unsigned)t->size.seq,
             DIM);
    printf("%-10s %-5s %-16s %10.3f %9.1f %10.2e %9.3f%s\n", id, fovea_dtype_name(t->size.dtype), shape, median * 1e3,
           flops / median * 1e-9, t->max_error, t->of_bound, good ? "" : "  WRONG");
    fflush(stdout);
}

static void release(trial *t)
{
    fovea_op_destroy(t->op);
    for (int i = 0; i < TENSORS; i++) {
        fovea_buffer_destroy(t->buffers[i]);
        free(t->host[i]);
    }
    free(t->stored);
}

static bool try_dtype(fovea_device *device, const fovea_device_info *info, fovea_dtype dtype)
{
    trial t = {.device = device, .size = choose(info, dtype)};
    bool good = false;
    if (!allocate(&t)) {
        fprintf(stderr, "speed: out of memory\n");
    } else {
        fovea_status status = prepare(&t);
        if (status == FOVEA_OK)
            status = measure(&t);
        good = status == FOVEA_OK && check(&t);
        if (status == FOVEA_OK)
            print_row(&t, info->id, good);
        else
            printf("%-10s %-5s %s\n", info->id, fovea_dtype_name(dtype), fovea_status_name(status));
    }
    release(&t);
    return good;
}

static bool try_device(const fovea_device_info *info)
{
    const fovea_device_params params = {.device = info->id, .log = {.message = print_reason}, .timeout_ms = TIMEOUT_MS};
    fovea_device *device;
    if (fovea_device_open(&params, &device) != FOVEA_OK)
        return false;
    const bool good_f32 = try_dtype(device, info, FOVEA_F32);
    const bool good_f16 = try_dtype(device, info, FOVEA_F16);
    fovea_device_destroy(device);
    return good_f32 && good_f16;
}

int main(int argc, char **argv)
{
    const char *only = argc == 3 && strcmp(argv[1], "--device") == 0 ? argv[2] : NULL;
    fovea_device_info infos[DEVICES_MAX];
    uint32_t count = DEVICES_MAX, tried = 0;
    bool good = true;
    if (argc != 1 && !only) {
        const bool asked = argc == 2 && strcmp(argv[1], "--help") == 0;
        fprintf(asked ? stdout : stderr, "Usage: speed [--device ID]\n\nSoftmax attention's speed and error on "
                                         "every device, or on one.\n");
        return asked ? 0 : 2;
    }
    if (fovea_device_enumerate(NULL, infos, &count) != FOVEA_OK)
        return 1;
    printf("%-10s %-5s %-16s %10s %9s %10s %9s\n", "device", "dtype", "heads,q,k,dim", "median_ms", "GFLOP/s",
           "max_error", "of_bound");
    for (uint32_t i = 0; i < count && i < DEVICES_MAX; i++) {
        if (only && strcmp(only, infos[i].id) != 0)
            continue;
        tried++;
        good = try_device(&infos[i]) && good;
    }
    if (!tried)
        fprintf(stderr, "speed: no such device\n");
    return !tried ? NO_DEVICE : good ? 0 : 1;
}
