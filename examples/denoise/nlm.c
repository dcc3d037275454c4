/* The weight of pixel j in the mean for pixel i is exp(-|p_i - p_j|^2 / h^2), p a patch of samples. Up to a
 * factor that depends on i alone, and so cancels in the mean, this is exp(q_i . k_j) with
 *
 *     q_i = [p_i, 1]        k_j = [2 p_j / h^2, -|p_j|^2 / h^2]        v_j = the pixel j
 *
 * and the mean is softmax attention with a scale of 1. Patches are taken relative to the image's mean colour,
 * which changes no difference and keeps the products small. Queries go in slices, so that progress is seen.
 */
#include "nlm.h"

#include "complain.h"

#include <fovea/fovea.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SLICES       32u /* about; each is at least SLICE_LEAST queries and at most SLICE_MOST */
#define SLICE_LEAST  1024u
#define SLICE_MOST   4096u
#define TIMEOUT_MS   3600000u
#define TICK_PERCENT 10u /* between two lines of progress where it is no terminal */

typedef struct nlm {
    const image *noisy;
    uint32_t pixels, patch, dim, slice;
    float mean[IMAGE_CHANNELS];
    float inverse_h2; /* of summed squared differences */
    float *rows;      /* host: one slice of queries or keys */
    fovea_device *device;
    fovea_buffer *q, *k, *v, *o;
    fovea_op *op;
    char error[512];
} nlm;

static void keep_error(void *user, fovea_log_level level, const char *text)
{
    nlm *n = user;
    if (level == FOVEA_LOG_ERROR)
        snprintf(n->error, sizeof n->error, "%s", text);
    else
        complain("warning: %s", text);
}

static int fail(const nlm *n, fovea_status status, const char *what)
{
    complain("%s: %s (%s)", what, n->error, fovea_status_name(status));
    if (status == FOVEA_NO_DEVICE)
        return EXIT_NO_DEVICE;
    return status == FOVEA_UNSUPPORTED ? EXIT_UNSUPPORTED : status == FOVEA_INVALID ? EXIT_USAGE : EXIT_FAILED;
}

/* The index `at` reflected into 0 .. count - 1, the border pixels not repeated. */
static uint32_t mirror(int64_t at, uint32_t count)
{
    const int64_t period = count > 1 ? 2 * ((int64_t)count - 1) : 1;
    const int64_t inside = ((at % period) + period) % period;
    return (uint32_t)(inside < count ? inside : period - inside);
}

/* Writes the patch around a pixel, less the mean colour. Returns its squared length. */
static float take_patch(const nlm *n, uint32_t pixel, float *out)
{
    const int64_t x = pixel % n->noisy->width, y = pixel / n->noisy->width, radius = n->patch / 2;
    float squares = 0.0f;
    for (uint32_t i = 0; i < n->patch * n->patch; i++) {
        const uint32_t row = mirror(y + i / n->patch - radius, n->noisy->height);
        const uint32_t column = mirror(x + i % n->patch - radius, n->noisy->width);
        const float *sample = n->noisy->samples + ((size_t)row * n->noisy->width + column) * IMAGE_CHANNELS;
        for (uint32_t c = 0; c < IMAGE_CHANNELS; c++) {
            const float value = sample[c] - n->mean[c];
            out[i * IMAGE_CHANNELS + c] = value;
            squares += value * value;
        }
    }
    return squares;
}

static void make_queries(const nlm *n, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        float *q = n->rows + (size_t)i * n->dim;
        take_patch(n, first + i, q);
        q[n->dim - 1] = 1.0f;
    }
}

static void make_keys(const nlm *n, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        float *k = n->rows + (size_t)i * n->dim;
        const float squares = take_patch(n, first + i, k);
        for (uint32_t d = 0; d + 1 < n->dim; d++)
            k[d] *= 2.0f * n->inverse_h2;
        k[n->dim - 1] = -squares * n->inverse_h2;
    }
}

static uint32_t slice_at(const nlm *n, uint32_t first)
{
    return n->pixels - first < n->slice ? n->pixels - first : n->slice;
}

static void find_mean(nlm *n)
{
    double sum[IMAGE_CHANNELS] = {0};
    for (size_t i = 0; i < (size_t)n->pixels * IMAGE_CHANNELS; i++)
        sum[i % IMAGE_CHANNELS] += n->noisy->samples[i];
    for (size_t c = 0; c < IMAGE_CHANNELS; c++)
        n->mean[c] = (float)(sum[c] / n->pixels);
}

static void plan(nlm *n, const nlm_params *params, const image *noisy)
{
    n->noisy = noisy;
    n->pixels = noisy->width * noisy->height;
    n->patch = params->patch;
    n->dim = params->patch * params->patch * IMAGE_CHANNELS + 1;
    n->inverse_h2 = (float)(1.0 / (params->strength * params->strength * (n->dim - 1)));
    n->slice = (n->pixels / SLICES + 63) / 64 * 64;
    n->slice = n->slice < SLICE_LEAST ? SLICE_LEAST : n->slice > SLICE_MOST ? SLICE_MOST : n->slice;
    n->slice = n->slice < n->pixels ? n->slice : n->pixels;
    find_mean(n);
}

static int open_device(nlm *n, const char *name)
{
    const fovea_device_params params = {
        .device = name,
        .log = {.user = n, .message = keep_error, .level = FOVEA_LOG_WARNING},
        .timeout_ms = TIMEOUT_MS,
    };
    const fovea_status status = fovea_device_open(&params, &n->device);
    return status == FOVEA_OK ? EXIT_DONE : fail(n, status, name ? name : "cpu");
}

static int make_buffers(nlm *n)
{
    const uint64_t row = n->dim * sizeof(float), pixel = IMAGE_CHANNELS * sizeof(float);
    fovea_status status = fovea_buffer_create(n->device, n->slice * row, &n->q);
    if (status == FOVEA_OK)
        status = fovea_buffer_create(n->device, n->pixels * row, &n->k);
    if (status == FOVEA_OK)
        status = fovea_buffer_create(n->device, n->pixels * pixel, &n->v);
    if (status == FOVEA_OK)
        status = fovea_buffer_create(n->device, n->slice * pixel, &n->o);
    return status == FOVEA_OK ? EXIT_DONE : fail(n, status, "device memory");
}

static int make_op(nlm *n)
{
    const fovea_softmax_params params = {
        .q = fovea_tensor_bhsd(FOVEA_F32, 1, 1, n->slice, n->dim),
        .k = fovea_tensor_bhsd(FOVEA_F32, 1, 1, n->pixels, n->dim),
        .v = fovea_tensor_bhsd(FOVEA_F32, 1, 1, n->pixels, IMAGE_CHANNELS),
        .o = fovea_tensor_bhsd(FOVEA_F32, 1, 1, n->slice, IMAGE_CHANNELS),
        .scale = 1.0f,
        .scale_literal = 1,
    };
    const fovea_status status = fovea_softmax_create(n->device, &params, &n->op);
    return status == FOVEA_OK ? EXIT_DONE : fail(n, status, "softmax");
}

static int upload(nlm *n)
{
    const uint64_t row = n->dim * sizeof(float);
    fovea_status status =
        fovea_buffer_upload(n->v, 0, n->noisy->samples, (uint64_t)n->pixels * IMAGE_CHANNELS * sizeof(float));
    for (uint32_t first = 0; status == FOVEA_OK && first < n->pixels; first += n->slice) {
        const uint32_t count = slice_at(n, first);
        make_keys(n, first, count);
        status = fovea_buffer_upload(n->k, first * row, n->rows, count * row);
    }
    return status == FOVEA_OK ? EXIT_DONE : fail(n, status, "upload");
}

static fovea_status run_slice(nlm *n, uint32_t first, float *out)
{
    const uint32_t count = slice_at(n, first);
    const fovea_op_args args = {
        .tensors = {[FOVEA_Q] = {n->q, 0}, [FOVEA_K] = {n->k, 0}, [FOVEA_V] = {n->v, 0}, [FOVEA_O] = {n->o, 0}},
        .seq_q = count,
        .seq_k = FOVEA_MAXIMUM,
    };
    make_queries(n, first, count);
    fovea_status status = fovea_buffer_upload(n->q, 0, n->rows, (uint64_t)count * n->dim * sizeof(float));
    if (status == FOVEA_OK)
        status = fovea_op_run(n->op, &args);
    if (status == FOVEA_OK)
        status = fovea_buffer_download(n->o, 0, out + (size_t)first * IMAGE_CHANNELS,
                                       (uint64_t)count * IMAGE_CHANNELS * sizeof(float));
    return status;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* One line that is rewritten on a terminal; elsewhere a line every TICK_PERCENT. */
static void show_progress(const nlm *n, uint32_t before, uint32_t done, double start)
{
    const unsigned percent = (unsigned)(100ull * done / n->pixels);
    const unsigned previous = (unsigned)(100ull * before / n->pixels);
    const double elapsed = now() - start;
    const double left = elapsed * (n->pixels - done) / done;
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\rdenoise: %3u %%, %.1f s, %.0f s left  %s", percent, elapsed, left,
                done == n->pixels ? "\n" : "");
    else if (percent / TICK_PERCENT != previous / TICK_PERCENT)
        fprintf(stderr, "denoise: %u %%, %.1f s, %.0f s left\n", percent, elapsed, left);
}

static int run_slices(nlm *n, image *out)
{
    const double start = now();
    for (uint32_t first = 0; first < n->pixels; first += n->slice) {
        const fovea_status status = run_slice(n, first, out->samples);
        if (status != FOVEA_OK)
            return fail(n, status, "softmax");
        show_progress(n, first, first + slice_at(n, first), start);
    }
    return EXIT_DONE;
}

static void release(nlm *n)
{
    fovea_op_destroy(n->op);
    fovea_buffer_destroy(n->q);
    fovea_buffer_destroy(n->k);
    fovea_buffer_destroy(n->v);
    fovea_buffer_destroy(n->o);
    fovea_device_destroy(n->device);
    free(n->rows);
}

/* What the image needs on the host and, at the CPU, in the device's memory, which is the same. */
static bool fits_memory(const nlm *n)
{
    const double need = (double)n->pixels * (n->dim + 4.0 * IMAGE_CHANNELS) * sizeof(float);
    const double have = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    if (have <= 0.0 || need <= have)
        return true;
    return complain("%u x %u pixels need %.1f GB of memory, this machine has %.1f GB; --crop takes a part",
                    (unsigned)n->noisy->width, (unsigned)n->noisy->height, need * 1e-9, have * 1e-9);
}

int nlm_run(const nlm_params *params, const image *noisy, image *out)
{
    nlm n = {0};
    if ((uint64_t)noisy->width * noisy->height >= FOVEA_UNBOUNDED) {
        complain("%u x %u pixels are too many", (unsigned)noisy->width, (unsigned)noisy->height);
        return EXIT_USAGE;
    }
    plan(&n, params, noisy);
    if (!fits_memory(&n))
        return EXIT_USAGE;
    n.rows = malloc((size_t)n.slice * n.dim * sizeof(float));
    if (!n.rows) {
        complain("out of memory");
        return EXIT_FAILED;
    }
    int code = open_device(&n, params->device);
    if (code == EXIT_DONE)
        code = make_buffers(&n);
    if (code == EXIT_DONE)
        code = make_op(&n);
    if (code == EXIT_DONE)
        code = upload(&n);
    if (code == EXIT_DONE)
        code = run_slices(&n, out);
    release(&n);
    return code;
}
