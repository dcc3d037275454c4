/* Times softmax attention through the public API, case by case as asked on standard input.
 *
 *   cpu_softmax [DEVICE [THREADS]]     "cpu", as many threads as cores
 *
 * A line in:  DTYPE HEADS_Q HEADS_K SEQ_Q SEQ_K DIM CAUSAL SECONDS    such as  f32 16 16 1024 1024 64 0 0.5
 * A line out: MEDIAN_S MIN_S RUNS                                      of whole runs, submit and wait
 * included
 *
 * bench/cpu_peers.py keeps this program and a peer's open and asks them in turn.
 */
#include <fovea/fovea.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RUNS_MAX = 100000, RUNS_MIN = 3 };

typedef struct job {
    fovea_dtype dtype;
    unsigned heads_q, heads_k, seq_q, seq_k, dim, causal;
    double seconds;
} job;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_message(void *user, fovea_log_level level, const char *text)
{
    (void)user;
    (void)level;
    fprintf(stderr, "%s\n", text);
}

static bool read_job(job *out)
{
    char dtype[8];
    if (scanf("%7s %u %u %u %u %u %u %lf", dtype, &out->heads_q, &out->heads_k, &out->seq_q, &out->seq_k, &out->dim,
              &out->causal, &out->seconds) != 8)
        return false;
    for (int i = 0; i < FOVEA_DTYPE_COUNT; i++)
        if (strcmp(dtype, fovea_dtype_name((fovea_dtype)i)) == 0) {
            out->dtype = (fovea_dtype)i;
            return true;
        }
    return false;
}

/* Numbers in about [-1.7, 1.7], as 16 bits where the dtype has 16: bit patterns of a narrow range of
 * exponents. */
static void fill(unsigned char *bytes, uint64_t size, fovea_dtype dtype)
{
    uint32_t state = 2463534242u;
    const uint32_t each = fovea_dtype_size(dtype);
    for (uint64_t i = 0; i + each <= size; i += each) {
        state ^= state << 13, state ^= state >> 17, state ^= state << 5;
        if (dtype == FOVEA_F32) {
            const float x = ((float)(state >> 8) / 8388608.0f - 1.0f) * 1.7f;
            memcpy(bytes + i, &x, 4);
        } else {
            const uint16_t exponent = dtype == FOVEA_F16 ? 0x3800u : 0x3f00u; /* of 1/2 */
            const uint16_t mantissa = dtype == FOVEA_F16 ? 0x03ffu : 0x007fu;
            const uint16_t x = (uint16_t)((state & 0x8000u) | exponent | (state & mantissa));
            memcpy(bytes + i, &x, 2);
        }
    }
}

static fovea_buffer *make_buffer(fovea_device *device, const fovea_tensor *view)
{
    const uint64_t size = fovea_tensor_bytes(view);
    fovea_buffer *buffer = NULL;
    unsigned char *bytes = malloc(size);
    if (bytes && fovea_buffer_create(device, size, &buffer) == FOVEA_OK) {
        fill(bytes, size, view->dtype);
        if (fovea_buffer_upload(buffer, 0, bytes, size) != FOVEA_OK) {
            fovea_buffer_destroy(buffer);
            buffer = NULL;
        }
    }
    free(bytes);
    return buffer;
}

/* Runs the operator until the time is over; prints the answer. */
static bool time_runs(fovea_device *device, fovea_op *op, const fovea_op_args *args, double seconds)
{
    static double times[RUNS_MAX];
    int runs = 0;
    if (fovea_op_run(op, args) != FOVEA_OK || fovea_device_wait(device) != FOVEA_OK)
        return false;
    const double end = now() + seconds;
    while (runs < RUNS_MAX && (runs < RUNS_MIN || now() < end)) {
        const double start = now();
        if (fovea_op_run(op, args) != FOVEA_OK || fovea_device_wait(device) != FOVEA_OK)
            return false;
        times[runs++] = now() - start;
    }
    qsort(times, (size_t)runs, sizeof times[0], ascending);
    printf("%.9f %.9f %d\n", times[runs / 2], times[0], runs);
    fflush(stdout);
    return true;
}

static bool run_job(fovea_device *device, const job *todo)
{
    const fovea_tensor q = fovea_tensor_bhsd(todo->dtype, 1, todo->heads_q, todo->seq_q, todo->dim);
    const fovea_tensor k = fovea_tensor_bhsd(todo->dtype, 1, todo->heads_k, todo->seq_k, todo->dim);
    const fovea_softmax_params params = {.q = q, .k = k, .v = k, .o = q, .causal = todo->causal};
    fovea_buffer *const buffers[] = {make_buffer(device, &q), make_buffer(device, &k), make_buffer(device, &k),
                                     make_buffer(device, &q)};
    const fovea_slot slots[] = {FOVEA_Q, FOVEA_K, FOVEA_V, FOVEA_O};
    fovea_op *op = NULL;
    fovea_op_args args = {.seq_q = FOVEA_MAXIMUM, .seq_k = FOVEA_MAXIMUM};
    bool done = fovea_softmax_create(device, &params, &op) == FOVEA_OK;
    for (int i = 0; i < 4; i++) {
        args.tensors[slots[i]] = (fovea_binding){buffers[i], 0};
        done = done && buffers[i];
    }
    done = done && time_runs(device, op, &args, todo->seconds);
    fovea_op_destroy(op);
    for (int i = 0; i < 4; i++)
        fovea_buffer_destroy(buffers[i]);
    return done;
}

int main(int argc, char **argv)
{
    const fovea_device_params params = {.device = argc > 1 ? argv[1] : "cpu",
                                        .threads = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0,
                                        .log = {.message = print_message}};
    fovea_device *device = NULL;
    if (fovea_device_open(&params, &device) != FOVEA_OK)
        return 1;
    job todo;
    bool done = true;
    while (done && read_job(&todo))
        done = run_job(device, &todo);
    fovea_device_destroy(device);
    return done ? 0 : 1;
}
