/* oneDNN's scaled dot-product attention on the CPU: the graph MatMul, Multiply (scale), Add (mask, where causal), SoftMax,
 * MatMul of its Graph API, which the library fuses into one partition. Scores are float32, weights have the storage of
 * the keys, as its documentation draws the graph. Grouped heads are a fifth dim. A graph that is cut into several
 * partitions is refused: it would no longer be its attention. OMP_NUM_THREADS sets the threads. */
#include "contender.h"

#include <dnnl.h>
#include <oneapi/dnnl/dnnl_graph.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ids of the graph's tensors. */
enum { Q, K, SCORES, SCALE, SCALED, MASK, MASKED, WEIGHTS, V, O, TENSORS };

enum { INPUTS_MAX = 5, KEPT = 16 };

typedef struct state {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    const problem *p;
    dnnl_graph_logical_tensor_t logical[TENSORS];
    void *bytes[TENSORS];
    dnnl_graph_graph_t graph;
    dnnl_graph_partition_t partition;
    dnnl_graph_compiled_partition_t compiled;
    dnnl_graph_tensor_t inputs[INPUTS_MAX], output;
    size_t input_count;
} state;

/* ---- memory that the library asks for in every run: kept, so that no run pays for fresh pages ---------------- */

typedef struct block {
    size_t size, alignment;
    void *start;
} block;

static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;
static block kept[KEPT];

/* The block's description lies just before what the library sees. */
static void *take(size_t size, size_t alignment)
{
    block b = {size, alignment < 64 ? 64 : alignment, NULL};
    pthread_mutex_lock(&kept_lock);
    for (int i = 0; i < KEPT && !b.start; i++)
        if (kept[i].start && kept[i].size == size && kept[i].alignment == b.alignment) {
            b = kept[i];
            kept[i].start = NULL;
        }
    pthread_mutex_unlock(&kept_lock);
    if (!b.start && posix_memalign(&b.start, b.alignment, size + b.alignment) != 0)
        return NULL;
    unsigned char *const seen = (unsigned char *)b.start + b.alignment;
    memcpy(seen - sizeof b, &b, sizeof b);
    return seen;
}

static void give(void *seen)
{
    block b;
    if (!seen)
        return;
    memcpy(&b, (unsigned char *)seen - sizeof b, sizeof b);
    pthread_mutex_lock(&kept_lock);
    for (int i = 0; i < KEPT && b.start; i++)
        if (!kept[i].start) {
            kept[i] = b;
            b.start = NULL;
        }
    pthread_mutex_unlock(&kept_lock);
    free(b.start);
}

static void forget_kept(void)
{
    for (int i = 0; i < KEPT; i++) {
        free(kept[i].start);
        kept[i].start = NULL;
    }
}

/* ---- the graph ------------------------------------------------------------------------------------------------ */

static dnnl_data_type_t type_of(storage as)
{
    switch (as) {
    case STORAGE_F16: return dnnl_f16;
    case STORAGE_BF16: return dnnl_bf16;
    case STORAGE_F32: break;
    }
    return dnnl_f32;
}

/* A dense tensor; `heads` 1 or those of k: broadcast over all heads, or over the heads of a group. */
static bool describe(state *s, size_t id, storage as, const uint32_t shape[3])
{
    const uint32_t groups = s->p->heads_k, ratio = s->p->heads_q / groups, heads = shape[0];
    const bool grouped = ratio > 1;
    const dnnl_dims_t flat = {1, heads, shape[1], shape[2]};
    const dnnl_dims_t nested = {1, heads == 1 ? 1 : groups, heads == s->p->heads_q ? ratio : 1, shape[1], shape[2]};
    return dnnl_graph_logical_tensor_init_with_dims(&s->logical[id], id, type_of(as), grouped ? 5 : 4,
                                                    grouped ? nested : flat, dnnl_graph_layout_type_strided,
                                                    dnnl_graph_tensor_property_undef) == dnnl_success;
}

static bool describe_all(state *s)
{
    const problem *const p = s->p;
    const dnnl_dims_t one = {1};
    const uint32_t q[] = {p->heads_q, p->seq_q, p->dim}, k[] = {p->heads_k, p->seq_k, p->dim};
    const uint32_t scores[] = {p->heads_q, p->seq_q, p->seq_k}, mask[] = {1, p->seq_q, p->seq_k};
    return describe(s, Q, p->q_storage, q) && describe(s, K, p->kv_storage, k) && describe(s, V, p->kv_storage, k) &&
           describe(s, O, p->q_storage, q) && describe(s, SCORES, STORAGE_F32, scores) &&
           describe(s, SCALED, STORAGE_F32, scores) && describe(s, MASKED, STORAGE_F32, scores) &&
           describe(s, WEIGHTS, p->kv_storage, scores) && describe(s, MASK, STORAGE_F32, mask) &&
           dnnl_graph_logical_tensor_init_with_dims(&s->logical[SCALE], SCALE, dnnl_f32, 1, one,
                                                    dnnl_graph_layout_type_strided,
                                                    dnnl_graph_tensor_property_undef) == dnnl_success;
}

typedef struct node {
    dnnl_graph_op_kind_t kind;
    size_t a, b, result; /* b equal to a: one operand */
} node;

static bool add_node(state *s, size_t id, const node *n)
{
    const uint8_t yes = 1;
    const int64_t last = -1;
    dnnl_graph_op_t op = NULL;
    bool done = dnnl_graph_op_create(&op, id, n->kind, "op") == dnnl_success &&
                dnnl_graph_op_add_input(op, &s->logical[n->a]) == dnnl_success &&
                (n->b == n->a || dnnl_graph_op_add_input(op, &s->logical[n->b]) == dnnl_success) &&
                dnnl_graph_op_add_output(op, &s->logical[n->result]) == dnnl_success;
    if (done && n->b == K)
        done = dnnl_graph_op_set_attr_bool(op, dnnl_graph_op_attr_transpose_b, &yes, 1) == dnnl_success;
    if (done && n->kind == dnnl_graph_op_softmax)
        done = dnnl_graph_op_set_attr_s64(op, dnnl_graph_op_attr_axis, &last, 1) == dnnl_success;
    done = done && dnnl_graph_add_op(s->graph, op) == dnnl_success;
    dnnl_graph_op_destroy(op);
    return done;
}

static bool build_graph(state *s)
{
    const size_t seen = s->p->causal ? MASKED : SCALED;
    const node nodes[] = {{dnnl_graph_op_matmul, Q, K, SCORES},
                          {dnnl_graph_op_multiply, SCORES, SCALE, SCALED},
                          {dnnl_graph_op_softmax, seen, seen, WEIGHTS},
                          {dnnl_graph_op_matmul, WEIGHTS, V, O},
                          {dnnl_graph_op_add, SCALED, MASK, MASKED}};
    const size_t count = s->p->causal ? 5 : 4;
    bool done = dnnl_graph_graph_create(&s->graph, dnnl_cpu) == dnnl_success;
    for (size_t i = 0; done && i < count; i++)
        done = add_node(s, 100 + i, &nodes[i]);
    return done && dnnl_graph_graph_finalize(s->graph) == dnnl_success &&
           dnnl_graph_graph_filter(s->graph, dnnl_graph_partition_policy_fusion) == dnnl_success;
}

/* ---- numbers -------------------------------------------------------------------------------------------------- */

static float *mask_numbers(const problem *p)
{
    float *values = malloc((size_t)p->seq_q * p->seq_k * sizeof *values);
    for (size_t i = 0; values && i < p->seq_q; i++)
        for (size_t j = 0; j < p->seq_k; j++)
            values[i * p->seq_k + j] = j + p->seq_q <= i + p->seq_k ? 0.0f : -INFINITY;
    return values;
}

static bool fill(state *s, const inputs *in)
{
    const problem *const p = s->p;
    const float scale = 1.0f / sqrtf((float)p->dim);
    s->bytes[Q] = stored(in->q, q_count(p), p->q_storage);
    s->bytes[K] = stored(in->k, kv_count(p), p->kv_storage);
    s->bytes[V] = stored(in->v, kv_count(p), p->kv_storage);
    s->bytes[SCALE] = stored(&scale, 1, STORAGE_F32);
    s->bytes[O] = calloc(q_count(p), storage_size(p->q_storage));
    s->bytes[MASK] = p->causal ? mask_numbers(p) : calloc(1, 1);
    return s->bytes[Q] && s->bytes[K] && s->bytes[V] && s->bytes[SCALE] && s->bytes[O] && s->bytes[MASK];
}

/* ---- the contender -------------------------------------------------------------------------------------------- */

/* The inputs in the partition's own order. */
static bool compile(state *s)
{
    dnnl_graph_logical_tensor_t ports[INPUTS_MAX];
    const dnnl_graph_logical_tensor_t *in[INPUTS_MAX], *out = &s->logical[O];
    bool done = dnnl_graph_partition_get_input_ports_num(s->partition, &s->input_count) == dnnl_success &&
                s->input_count <= INPUTS_MAX &&
                dnnl_graph_partition_get_input_ports(s->partition, s->input_count, ports) == dnnl_success;
    for (size_t i = 0; done && i < s->input_count; i++)
        in[i] = &s->logical[ports[i].id];
    done =
        done && dnnl_graph_compiled_partition_create(&s->compiled, s->partition) == dnnl_success &&
        dnnl_graph_partition_compile(s->partition, s->compiled, s->input_count, in, 1, &out, s->engine) == dnnl_success;
    for (size_t i = 0; done && i < s->input_count; i++)
        done = dnnl_graph_tensor_create(&s->inputs[i], in[i], s->engine, s->bytes[in[i]->id]) == dnnl_success;
    return done && dnnl_graph_tensor_create(&s->output, out, s->engine, s->bytes[O]) == dnnl_success;
}

static verdict prepare(void *self, const problem *p, const inputs *in, char *reason)
{
    state *const s = self;
    size_t partitions = 0;
    uint8_t supported = 0;
    s->p = p;
    if (p->q_storage != p->kv_storage)
        return refuse(NOT_SUPPORTED, reason, "its attention has one storage for all tensors");
    if (!fill(s, in))
        return refuse(FAILED, reason, "out of memory");
    if (!describe_all(s) || !build_graph(s) ||
        dnnl_graph_graph_get_partition_num(s->graph, &partitions) != dnnl_success)
        return refuse(FAILED, reason, "the graph could not be built");
    if (partitions != 1)
        return refuse(NOT_SUPPORTED, reason, "the graph falls into %zu partitions on this processor", partitions);
    if (dnnl_graph_graph_get_partitions(s->graph, 1, &s->partition) != dnnl_success ||
        dnnl_graph_partition_is_supported(s->partition, &supported) != dnnl_success || !supported)
        return refuse(NOT_SUPPORTED, reason, "the partition is not supported");
    return compile(s) ? READY : refuse(NOT_SUPPORTED, reason, "the partition does not compile");
}

static bool run(void *self)
{
    state *const s = self;
    const_dnnl_graph_tensor_t in[INPUTS_MAX], out = s->output;
    for (size_t i = 0; i < s->input_count; i++)
        in[i] = s->inputs[i];
    return dnnl_graph_compiled_partition_execute(s->compiled, s->stream, s->input_count, in, 1, &out) == dnnl_success &&
           dnnl_stream_wait(s->stream) == dnnl_success;
}

static bool read_row(void *self, uint64_t row, double *o)
{
    const state *const s = self;
    for (size_t d = 0; d < s->p->dim; d++)
        o[d] = (double)loaded(s->bytes[O], row * s->p->dim + d, s->p->q_storage);
    return true;
}

static void release(void *self)
{
    state *const s = self;
    for (size_t i = 0; i < INPUTS_MAX; i++)
        dnnl_graph_tensor_destroy(s->inputs[i]);
    dnnl_graph_tensor_destroy(s->output);
    dnnl_graph_compiled_partition_destroy(s->compiled);
    dnnl_graph_partition_destroy(s->partition);
    dnnl_graph_graph_destroy(s->graph);
    for (size_t i = 0; i < TENSORS; i++)
        free(s->bytes[i]);
    forget_kept();
    *s = (state){.engine = s->engine, .stream = s->stream};
}

int main(void)
{
    static const contender calls = {.prepare = prepare, .run = run, .read = read_row, .release = release};
    dnnl_graph_allocator_t allocator = NULL;
    state s = {0};
    if (dnnl_graph_allocator_create(&allocator, take, give) != dnnl_success ||
        dnnl_graph_make_engine_with_allocator(&s.engine, dnnl_cpu, 0, allocator) != dnnl_success ||
        dnnl_stream_create(&s.stream, s.engine, dnnl_stream_default_flags) != dnnl_success)
        return 1;
    const dnnl_version_t *const version = dnnl_version();
    char text[REASON_SIZE];
    snprintf(text, sizeof text, "oneDNN %d.%d.%d, Graph API attention", version->major, version->minor, version->patch);
    const int exit_status = serve(&calls, &s, text);
    dnnl_stream_destroy(s.stream);
    dnnl_engine_destroy(s.engine);
    dnnl_graph_allocator_destroy(allocator);
    return exit_status;
}
