/* ggml's flash_attn_ext and its matrix product through the back ends of libggml.   ggml [DEVICE [THREADS]]   "CPU"
 *
 * Queries and outputs are float32 whatever the case says, for ggml takes and gives no other: of an f16 case the queries
 * are the same numbers, already rounded. Precision is asked for as its own programs ask for attention: F32. */
#include "contender.h"

#include <ggml-alloc.h>
#include <ggml-backend.h>
#include <ggml.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct state {
    ggml_backend_dev_t device;
    ggml_backend_t backend;
    struct ggml_context *context;
    ggml_backend_buffer_t buffer;
    struct ggml_cgraph *graph;
    struct ggml_tensor *o;
    const problem *p;
} state;

static enum ggml_type type_of(storage as)
{
    switch (as) {
    case STORAGE_F16: return GGML_TYPE_F16;
    case STORAGE_BF16: return GGML_TYPE_BF16;
    case STORAGE_F32: break;
    }
    return GGML_TYPE_F32;
}

static bool upload(struct ggml_tensor *tensor, const float *values, size_t count, storage as)
{
    void *bytes = stored(values, count, as);
    if (bytes)
        ggml_backend_tensor_set(tensor, bytes, 0, count * storage_size(as));
    free(bytes);
    return bytes != NULL;
}

/* What a query sees is a tensor here: 0 for yes, -inf for no. */
static bool upload_mask(struct ggml_tensor *mask, const problem *p)
{
    const size_t count = (size_t)p->seq_q * p->seq_k;
    uint16_t *bits = calloc(count, sizeof *bits);
    for (size_t i = 0; bits && i < p->seq_q; i++)
        for (size_t j = 0; j < p->seq_k; j++)
            bits[i * p->seq_k + j] = j + p->seq_q <= i + p->seq_k ? 0 : 0xfc00;
    if (bits)
        ggml_backend_tensor_set(mask, bits, 0, count * sizeof *bits);
    free(bits);
    return bits != NULL;
}

static bool open_context(state *s)
{
    s->context = ggml_init((struct ggml_init_params){
        .mem_size = 16 * ggml_tensor_overhead() + ggml_graph_overhead(), .mem_buffer = NULL, .no_alloc = true});
    s->graph = s->context ? ggml_new_graph(s->context) : NULL;
    return s->graph != NULL;
}

/* A graph of the one node `o`, and memory for all its tensors. */
static verdict close_graph(state *s, char *reason)
{
    if (!ggml_backend_dev_supports_op(s->device, s->o))
        return refuse(NOT_SUPPORTED, reason, "%s does not support it", ggml_backend_dev_name(s->device));
    ggml_build_forward_expand(s->graph, s->o);
    s->buffer = ggml_backend_alloc_ctx_tensors(s->context, s->backend);
    return s->buffer ? READY : refuse(FAILED, reason, "out of memory");
}

static verdict prepare(void *self, const problem *p, const inputs *in, char *reason)
{
    state *const s = self;
    const enum ggml_type type = type_of(p->kv_storage);
    s->p = p;
    if (!open_context(s))
        return refuse(FAILED, reason, "no context");
    struct ggml_tensor *q = ggml_new_tensor_3d(s->context, GGML_TYPE_F32, p->dim, p->seq_q, p->heads_q);
    struct ggml_tensor *k = ggml_new_tensor_3d(s->context, type, p->dim, p->seq_k, p->heads_k);
    struct ggml_tensor *v = ggml_new_tensor_3d(s->context, type, p->dim, p->seq_k, p->heads_k);
    struct ggml_tensor *mask = p->causal ? ggml_new_tensor_2d(s->context, GGML_TYPE_F16, p->seq_k, p->seq_q) : NULL;
    s->o = ggml_flash_attn_ext(s->context, q, k, v, mask, 1.0f / sqrtf((float)p->dim), 0.0f, 0.0f);
    ggml_prec_set_acc(s->o, GGML_PREC_F32);
    const verdict done = close_graph(s, reason);
    if (done != READY)
        return done;
    const bool filled = upload(q, in->q, q_count(p), STORAGE_F32) && upload(k, in->k, kv_count(p), p->kv_storage) &&
                        upload(v, in->v, kv_count(p), p->kv_storage) && (!mask || upload_mask(mask, p));
    return filled ? READY : refuse(FAILED, reason, "out of memory");
}

static verdict prepare_matmul(void *self, const uint32_t mnk[3], char *reason)
{
    state *const s = self;
    if (!open_context(s))
        return refuse(FAILED, reason, "no context");
    struct ggml_tensor *a = ggml_new_tensor_2d(s->context, GGML_TYPE_F32, mnk[2], mnk[0]);
    struct ggml_tensor *b = ggml_new_tensor_2d(s->context, GGML_TYPE_F32, mnk[2], mnk[1]);
    s->o = ggml_mul_mat(s->context, a, b);
    const verdict done = close_graph(s, reason);
    if (done == READY)
        ggml_backend_buffer_clear(s->buffer, 0x3f); /* 0.747 everywhere */
    return done;
}

static bool run(void *self)
{
    const state *const s = self;
    return ggml_backend_graph_compute(s->backend, s->graph) == GGML_STATUS_SUCCESS;
}

/* The result is [seq_q, heads_q, dim]. */
static bool read_row(void *self, uint64_t row, double *o)
{
    const state *const s = self;
    const size_t dim = s->p->dim, place = row % s->p->seq_q * s->p->heads_q + row / s->p->seq_q;
    float *values = malloc(dim * sizeof *values);
    if (values)
        ggml_backend_tensor_get(s->o, values, place * dim * sizeof *values, dim * sizeof *values);
    for (size_t d = 0; values && d < dim; d++)
        o[d] = (double)values[d];
    free(values);
    return values != NULL;
}

static void release(void *self)
{
    state *const s = self;
    ggml_backend_buffer_free(s->buffer);
    ggml_free(s->context);
    *s = (state){.device = s->device, .backend = s->backend};
}

/* What its back ends say goes to the standard error stream already; less of it. */
static void print_errors(enum ggml_log_level level, const char *text, void *user)
{
    (void)user;
    if (level == GGML_LOG_LEVEL_ERROR)
        fputs(text, stderr);
}

static void set_threads(const state *s, int threads)
{
    ggml_backend_set_n_threads_t set;
    void *const address =
        ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(s->device), "ggml_backend_set_n_threads");
    memcpy(&set, &address, sizeof set); /* C has no cast from a pointer to data */
    if (set && threads > 0)
        set(s->backend, threads);
}

int main(int argc, char **argv)
{
    static const contender calls = {prepare, prepare_matmul, run, read_row, release};
    const char *const name = argc > 1 ? argv[1] : "CPU";
    char text[REASON_SIZE];
    ggml_log_set(print_errors, NULL);
    ggml_backend_load_all();
    state s = {.device = ggml_backend_dev_by_name(name)};
    if (!s.device) {
        snprintf(text, sizeof text, "ggml has no device %s here (package libggml0-backend-vulkan for Vulkan0)", name);
        return missing(text);
    }
    s.backend = ggml_backend_dev_init(s.device, NULL);
    if (!s.backend)
        return 1;
    set_threads(&s, argc > 2 ? (int)strtol(argv[2], NULL, 10) : 0);
    snprintf(text, sizeof text, "ggml %s, %s", ggml_version(), ggml_backend_dev_description(s.device));
    const int exit_status = serve(&calls, &s, text);
    ggml_backend_free(s.backend);
    return exit_status;
}
