/* Fovea through its public API.   fovea [DEVICE [THREADS]]   "cpu", as many threads as cores */
#include "contender.h"

#include <fovea/fovea.h>

#include <stdio.h>
#include <stdlib.h>

#define TIMEOUT_MS 600000u

enum { TENSORS = FOVEA_O + 1 };

typedef struct state {
    fovea_device *device;
    fovea_op *op;
    fovea_op_args args;
    fovea_buffer *buffers[TENSORS];
    storage o_storage;
    uint32_t dim;
} state;

static void print_message(void *user, fovea_log_level level, const char *text)
{
    (void)user;
    (void)level;
    fprintf(stderr, "%s\n", text);
}

static fovea_dtype dtype_of(storage as)
{
    switch (as) {
    case STORAGE_F16: return FOVEA_F16;
    case STORAGE_BF16: return FOVEA_BF16;
    case STORAGE_F32: break;
    }
    return FOVEA_F32;
}

/* A buffer for `slot`, with these numbers where there are some. */
static fovea_status bind(state *s, fovea_slot slot, const fovea_tensor *view, const float *values, storage as)
{
    const uint64_t size = fovea_tensor_bytes(view);
    fovea_status status = fovea_buffer_create(s->device, size, &s->buffers[slot]);
    s->args.tensors[slot] = (fovea_binding){s->buffers[slot], 0};
    if (status != FOVEA_OK || !values)
        return status;
    void *bytes = stored(values, size / storage_size(as), as);
    status = bytes ? fovea_buffer_upload(s->buffers[slot], 0, bytes, size) : FOVEA_OUT_OF_HOST_MEMORY;
    free(bytes);
    return status;
}

static verdict prepare(void *self, const problem *p, const inputs *in, char *reason)
{
    state *const s = self;
    const fovea_tensor q = fovea_tensor_bhsd(dtype_of(p->q_storage), 1, p->heads_q, p->seq_q, p->dim);
    const fovea_tensor k = fovea_tensor_bhsd(dtype_of(p->kv_storage), 1, p->heads_k, p->seq_k, p->dim);
    const fovea_softmax_params params = {.q = q, .k = k, .v = k, .o = q, .causal = p->causal};
    s->args = (fovea_op_args){.seq_q = FOVEA_MAXIMUM, .seq_k = FOVEA_MAXIMUM};
    s->o_storage = p->q_storage;
    s->dim = p->dim;
    fovea_status status = fovea_softmax_create(s->device, &params, &s->op);
    if (status == FOVEA_OK)
        status = bind(s, FOVEA_Q, &q, in->q, p->q_storage);
    if (status == FOVEA_OK)
        status = bind(s, FOVEA_K, &k, in->k, p->kv_storage);
    if (status == FOVEA_OK)
        status = bind(s, FOVEA_V, &k, in->v, p->kv_storage);
    if (status == FOVEA_OK)
        status = bind(s, FOVEA_O, &q, NULL, p->q_storage);
    if (status == FOVEA_OK)
        return READY;
    return refuse(status == FOVEA_UNSUPPORTED ? NOT_SUPPORTED : FAILED, reason, "%s", fovea_status_name(status));
}

static bool run(void *self)
{
    const state *const s = self;
    return fovea_op_run(s->op, &s->args) == FOVEA_OK && fovea_device_wait(s->device) == FOVEA_OK;
}

static bool read_row(void *self, uint64_t row, double *o)
{
    const state *const s = self;
    const size_t size = s->dim * storage_size(s->o_storage);
    void *bytes = malloc(size);
    const bool done = bytes && fovea_buffer_download(s->buffers[FOVEA_O], row * size, bytes, size) == FOVEA_OK;
    for (uint32_t d = 0; done && d < s->dim; d++)
        o[d] = (double)loaded(bytes, d, s->o_storage);
    free(bytes);
    return done;
}

static void release(void *self)
{
    state *const s = self;
    fovea_device_wait(s->device);
    fovea_op_destroy(s->op);
    for (int i = 0; i < TENSORS; i++)
        fovea_buffer_destroy(s->buffers[i]);
    *s = (state){.device = s->device};
}

int main(int argc, char **argv)
{
    static const contender calls = {.prepare = prepare, .run = run, .read = read_row, .release = release};
    const fovea_device_params params = {.device = argc > 1 ? argv[1] : "cpu",
                                        .threads = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0,
                                        .log = {.message = print_message},
                                        .timeout_ms = TIMEOUT_MS};
    state s = {0};
    char text[1024];
    const fovea_status status = fovea_device_open(&params, &s.device);
    if (status == FOVEA_NO_DEVICE || status == FOVEA_UNSUPPORTED) {
        snprintf(text, sizeof text, "Fovea has no device %s here", params.device);
        return missing(text);
    }
    if (status != FOVEA_OK)
        return 1;
    fovea_device_info info;
    fovea_device_get_info(s.device, &info);
    snprintf(text, sizeof text, "Fovea %s, %s %s", FOVEA_VERSION_STRING, info.name, info.driver_info);
    const int exit_status = serve(&calls, &s, text);
    fovea_device_destroy(s.device);
    return exit_status;
}
