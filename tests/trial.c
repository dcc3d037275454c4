#include "trial.h"

#include "trial_tensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const tensor_names[] = {"q", "k", "v", "o", "lse"};

const char *trial_text(const trial *t, char *text)
{
    static const char *const masks[] = {"full", "causal", "top-left"};
    const test_case *c = &t->c;
    snprintf(
        text, 256,
        "%s: seed %llu batch %u heads %u/%u/%u seq %u(%u)x%u(%u) dim %u/%u %s/%s/%s/%s %s window %d %u %u layout %d "
        "shift %u",
        c->name, (unsigned long long)t->seed, c->batch, c->heads_q, c->heads_k, c->heads_v, c->seq_q, t->run_q,
        c->seq_k, t->run_k, c->dim_qk, c->dim_v, fovea_dtype_name(c->dtypes.q), fovea_dtype_name(c->dtypes.k),
        fovea_dtype_name(c->dtypes.v), fovea_dtype_name(c->dtypes.o), masks[c->mask], c->window.given, c->window.left,
        c->window.right, (int)c->layout, c->shift);
    return text;
}

/* ---- life --------------------------------------------------------------------------------------------------- */

static uint64_t seed_of(const char *name)
{
    uint64_t seed = test.seed;
    for (; *name; name++)
        seed = case_hash(seed, (unsigned char)*name);
    return seed >> 16;
}

static uint32_t run_size(uint32_t size, uint32_t most, bool none)
{
    return none ? 0 : size ? size : most;
}

enum { SINK_PLACE = 3 }; /* of the first one, in elements */

/* Some heads have a sink above all scores, some far below, some none. */
static void make_sinks(trial *t)
{
    static const float kinds[] = {1.5f, 12.0f, -INFINITY, -40.0f, 0.0f};
    const uint32_t heads = t->c.heads_q, units = t->c.heads_k, count = heads + 2 * SINK_PLACE;
    float *image = malloc(count * sizeof *image);
    t->sinks = malloc(heads * sizeof *t->sinks);
    ck_assert(image && t->sinks);
    for (uint32_t i = 0; i < count; i++)
        image[i] = NAN;
    for (uint32_t h = 0; h < heads; h++)
        t->sinks[h] = image[SINK_PLACE + h] = kinds[(h + t->rotate * (heads / units)) % heads % 5];
    test_status(t->device, FOVEA_OK, fovea_buffer_create(t->device, count * sizeof *image, &t->sink_buffer));
    test_status(t->device, FOVEA_OK, fovea_buffer_upload(t->sink_buffer, 0, image, count * sizeof *image));
    free(image);
}

void trial_begin(trial *t, fovea_device *device, const test_case *c, uint32_t rotate)
{
    *t = (trial){.device = device, .c = *c, .seed = seed_of(c->name), .rotate = rotate};
    if (test.dtype != FOVEA_DTYPE_COUNT)
        t->c.dtypes.q = t->c.dtypes.k = t->c.dtypes.v = test.dtype;
    if (test.operands != FOVEA_OPERANDS_STORED)
        t->c.operands = test.operands;
    t->run_q = run_size(c->run_q, c->seq_q, c->no_queries);
    t->run_k = run_size(c->run_k, c->seq_k, c->no_keys);
    tensors_shape(t);
    tensors_fill(t);
    for (int n = 0; n < TRIAL_TENSORS; n++) {
        trial_tensor *x = &t->tensors[n];
        test_status(device, FOVEA_OK, fovea_buffer_create(device, x->size, &x->buffer));
        test_status(device, FOVEA_OK, fovea_buffer_upload(x->buffer, 0, x->image, x->size));
    }
    if (c->sinks)
        make_sinks(t);
}

void trial_end(trial *t)
{
    fovea_buffer_destroy(t->sink_buffer);
    free(t->sinks);
    for (int n = 0; n < TRIAL_TENSORS; n++) {
        fovea_buffer_destroy(t->tensors[n].buffer);
        free(t->tensors[n].image);
        free(t->tensors[n].after);
    }
    ref_release(&t->expected);
    *t = (trial){0};
}

void trial_poke(trial *t, int tensor, const uint32_t index[4], double value)
{
    trial_tensor *x = &t->tensors[tensor];
    const uint64_t place = tensors_place(x, index);
    ref_encode(x->image + place, x->view.dtype, value);
    test_status(t->device, FOVEA_OK, fovea_buffer_upload(x->buffer, 0, x->image, x->size));
    ref_release(&t->expected);
}

/* ---- running ------------------------------------------------------------------------------------------------ */

fovea_softmax_params trial_params(const trial *t, const trial_options *options)
{
    const bool asked = options->min_tier != FOVEA_TIER_DEFAULT || options->tile > 0;
    return (fovea_softmax_params){
        .q = t->tensors[TRIAL_Q].view,
        .k = t->tensors[TRIAL_K].view,
        .v = t->tensors[TRIAL_V].view,
        .o = t->tensors[TRIAL_O].view,
        .lse = t->tensors[TRIAL_LSE].view,
        .sinks = {.dtype = FOVEA_F32, .rank = t->sinks ? 1 : 0, .extents = {t->sinks ? t->c.heads_q : 0}},
        .scale = t->c.scale,
        .scale_literal = t->c.scale_literal,
        .causal = t->c.mask != REF_FULL,
        .causal_top_left = t->c.mask == REF_CAUSAL_TOP_LEFT || (t->c.mask == REF_FULL && t->c.window.top_left),
        .soft_cap = t->c.soft_cap,
        .window = t->c.window.given,
        .window_left = t->c.window.left,
        .window_right = t->c.window.right,
        .cost_budget_us = options->cost_budget_us,
        .min_tier = asked ? options->min_tier : test_least_tier(&t->c),
        .split_count = options->split_count,
        .operands = t->c.operands,
        .tile = options->tile};
}

fovea_op_args trial_args(const trial *t)
{
    fovea_op_args args = {.seq_q = t->run_q == t->c.seq_q ? FOVEA_MAXIMUM : t->run_q,
                          .seq_k = t->run_k == t->c.seq_k ? FOVEA_MAXIMUM : t->run_k};
    const fovea_slot slots[] = {FOVEA_Q, FOVEA_K, FOVEA_V, FOVEA_O, FOVEA_LSE};
    for (int n = 0; n < TRIAL_TENSORS; n++)
        if (t->tensors[n].view.rank)
            args.tensors[slots[n]] = (fovea_binding){t->tensors[n].buffer, t->tensors[n].offset};
    args.tensors[FOVEA_SINKS] = (fovea_binding){t->sink_buffer, SINK_PLACE * sizeof(float)};
    return args;
}

void trial_reset_outputs(trial *t)
{
    for (int n = TRIAL_O; n < TRIAL_TENSORS; n++) {
        trial_tensor *x = &t->tensors[n];
        test_status(t->device, FOVEA_OK, fovea_buffer_upload(x->buffer, 0, x->image, x->size));
    }
}

void trial_fetch(trial *t, const fovea_op *op)
{
    test_status(t->device, FOVEA_OK, fovea_op_get_report(op, &t->report));
    for (int n = 0; n < TRIAL_TENSORS; n++) {
        trial_tensor *x = &t->tensors[n];
        test_status(t->device, FOVEA_OK, fovea_buffer_download(x->buffer, 0, x->after, x->size));
    }
}

void trial_run(trial *t, const trial_options *options)
{
    const fovea_softmax_params params = trial_params(t, options);
    fovea_op *op = NULL;
    char text[256];
    const fovea_status status = fovea_softmax_create(t->device, &params, &op);
    if (status != FOVEA_OK) {
        char reason[1024];
        fovea_last_error(t->device, reason, sizeof reason);
        ck_abort_msg("%s: create gave %s: %s", trial_text(t, text), fovea_status_name(status), reason);
    }
    trial_run_op(t, op, options->workspace);
    if (t->device == test.opened && options->tile == 0)
        test_expect_matrices(&t->c, &t->report);
    if (t->device == test.opened)
        test_keep_op(op);
    else
        fovea_op_destroy(op);
}

/* A workspace between guards, all of it NaN before the run. */
typedef struct guarded {
    fovea_buffer *buffer;
    unsigned char *before, *after;
    uint64_t offset, size, total;
} guarded;

static guarded guarded_begin(const trial *t, uint64_t size, uint64_t spare)
{
    fovea_device_limits limits;
    test_status(t->device, FOVEA_OK, fovea_device_get_limits(t->device, &limits));
    const uint64_t offset = limits.storage_offset_alignment > 256 ? limits.storage_offset_alignment : 256;
    guarded g = {.offset = offset, .size = size, .total = offset + size + spare + TRIAL_GUARD};
    g.before = malloc(g.total);
    g.after = malloc(g.total);
    ck_assert(g.before && g.after);
    tensors_guard(g.before, g.total);
    test_status(t->device, FOVEA_OK, fovea_buffer_create(t->device, g.total, &g.buffer));
    test_status(t->device, FOVEA_OK, fovea_buffer_upload(g.buffer, 0, g.before, g.total));
    return g;
}

static void guarded_end(const trial *t, guarded *g)
{
    char text[256];
    test_status(t->device, FOVEA_OK, fovea_buffer_download(g->buffer, 0, g->after, g->total));
    memcpy(g->before + g->offset, g->after + g->offset, g->size);
    const uint64_t i = tensors_difference(g->before, g->after, g->total);
    if (i < g->total)
        ck_abort_msg("%s: byte %lld of a workspace of %llu written", trial_text(t, text),
                     (long long)i - (long long)g->offset, (unsigned long long)g->size);
    fovea_buffer_destroy(g->buffer);
    free(g->before);
    free(g->after);
}

void trial_run_op(trial *t, fovea_op *op, trial_workspace workspace)
{
    const uint64_t need = fovea_op_workspace_size(op);
    const bool own = workspace == TRIAL_OWN || need == 0;
    guarded g = {0};
    fovea_op_args args = trial_args(t);
    trial_reset_outputs(t);
    if (!own) {
        const uint64_t size = workspace == TRIAL_TOO_SMALL ? 4 : need;
        g = guarded_begin(t, size, workspace == TRIAL_LARGER ? 4096 : 0);
        args.workspace = (fovea_binding){g.buffer, g.offset};
        args.workspace_size = size + (workspace == TRIAL_LARGER ? 4096 : 0);
    }
    const fovea_status status = fovea_op_run(op, &args);
    if (workspace == TRIAL_TOO_SMALL && need > 4)
        ck_assert_msg(status == FOVEA_OK || status == FOVEA_INVALID, "%s", fovea_status_name(status));
    else
        test_status(t->device, FOVEA_OK, status);
    test_status(t->device, FOVEA_OK, fovea_device_wait(t->device));
    trial_fetch(t, op);
    if (!own)
        guarded_end(t, &g);
}

/* ---- comparing ---------------------------------------------------------------------------------------------- */

/* Whether the last run, of so many rows, may have used a kernel of the report. */
static bool may_have_run(const trial *t, const fovea_kernel_report *kernel)
{
    const uint32_t units = t->c.heads_k > t->c.heads_v ? t->c.heads_k : t->c.heads_v;
    const uint64_t rows = (uint64_t)t->run_q * (t->c.heads_q / units);
    unsigned border;
    if (sscanf(kernel->use, "at most %u rows", &border) == 1)
        return rows <= border;
    return sscanf(kernel->use, "more than %u rows", &border) != 1 || rows > border;
}

/* What the kernels of the last run multiply. */
static void find_operand(const trial *t, fovea_dtype *out_operand, uint32_t *out_parts)
{
    *out_operand = FOVEA_F32, *out_parts = 1;
    for (uint32_t i = 0; i < t->report.kernel_count; i++) {
        const fovea_kernel_report *kernel = &t->report.kernels[i];
        if (kernel->operand != FOVEA_F32 && may_have_run(t, kernel))
            *out_operand = kernel->operand, *out_parts = kernel->operand_parts;
    }
}

static void solve(trial *t)
{
    const test_case *c = &t->c;
    const double scale = c->scale_literal || c->scale != 0.0f ? c->scale : 1.0 / sqrt(c->dim_qk);
    ref_problem p = {.batch = c->batch,
                     .heads_q = c->heads_q,
                     .heads_k = c->heads_k,
                     .heads_v = c->heads_v,
                     .seq_q = t->run_q,
                     .seq_k = t->run_k,
                     .dim_qk = c->dim_qk,
                     .dim_v = c->dim_v,
                     .scale = scale,
                     .mask = c->mask,
                     .window = c->window,
                     .cap = c->soft_cap,
                     .sinks = t->sinks,
                     .o_dtype = c->dtypes.o,
                     .operand = t->operand,
                     .parts = t->parts,
                     .gpu = !test_is_cpu()};
    ref_view *views[] = {&p.q, &p.k, &p.v};
    for (int n = TRIAL_Q; n <= TRIAL_V; n++) {
        const trial_tensor *x = &t->tensors[n];
        *views[n] = (ref_view){x->image + x->offset, x->view.dtype, x->strides[0], x->strides[1], x->strides[2]};
    }
    ck_assert(ref_softmax(&p, &t->expected));
}

typedef struct worst {
    double ratio, got, wanted, bound;
    uint32_t index[4];
} worst;

/* Copies the elements of the run from `after` into `image_copy`, so that what still differs was written beside it. */
static worst compare(const trial *t, int tensor, unsigned char *image_copy)
{
    const trial_tensor *x = &t->tensors[tensor];
    const double *wanted = tensor == TRIAL_O ? t->expected.o : t->expected.lse;
    const double *bound = tensor == TRIAL_O ? t->expected.o_bound : t->expected.lse_bound;
    worst w = {.ratio = 0.0};
    uint32_t e[4], i[4];
    size_t n = 0;
    tensors_run_extents(t, tensor, e);
    for (i[0] = 0; i[0] < e[0]; i[0]++)
        for (i[1] = 0; i[1] < e[1]; i[1]++)
            for (i[2] = 0; i[2] < e[2]; i[2]++)
                for (i[3] = 0; i[3] < e[3]; i[3]++, n++) {
                    const uint64_t place = tensors_place(x, i);
                    const double got = ref_decode(x->after + place, x->view.dtype);
                    const double ratio = ref_miss(got, wanted[n], bound[n]);
                    memcpy(image_copy + place, x->after + place, x->view.dtype == FOVEA_F32 ? 4 : 2);
                    if (ratio > w.ratio)
                        w = (worst){ratio, got, wanted[n], bound[n], {i[0], i[1], i[2], i[3]}};
                }
    return w;
}

static void check_tensor(const trial *t, int tensor)
{
    const trial_tensor *x = &t->tensors[tensor];
    char text[256];
    unsigned char *copy = malloc(x->size);
    ck_assert(copy != NULL);
    memcpy(copy, x->image, x->size);
    if (tensor >= TRIAL_O && x->view.rank) {
        const worst w = compare(t, tensor, copy);
        ck_assert_msg(w.ratio <= 1.0, "%s: %s[%u, %u, %u, %u] is %.9g, not %.9g, bound %.3g (%.3g times)",
                      trial_text(t, text), tensor_names[tensor], w.index[0], w.index[1], w.index[2], w.index[3], w.got,
                      w.wanted, w.bound, w.ratio);
    }
    const uint64_t i = tensors_difference(copy, x->after, x->size);
    if (i < x->size)
        ck_abort_msg("%s: byte %llu of %s's buffer (tensor from %llu, buffer of %llu) changed from %02x to %02x",
                     trial_text(t, text), (unsigned long long)i, tensor_names[tensor], (unsigned long long)x->offset,
                     (unsigned long long)x->size, copy[i], x->after[i]);
    free(copy);
}

void trial_check(trial *t)
{
    fovea_dtype operand;
    uint32_t parts;
    find_operand(t, &operand, &parts);
    if (t->expected.o && (operand != t->operand || parts != t->parts))
        ref_release(&t->expected);
    t->operand = operand;
    t->parts = parts;
    if (!t->expected.o)
        solve(t);
    for (int n = 0; n < TRIAL_TENSORS; n++)
        check_tensor(t, n);
}

void trial_case(const test_case *c, const trial_options *options)
{
    trial t;
    trial_begin(&t, test.opened, c, 0);
    trial_run(&t, options);
    trial_check(&t);
    trial_end(&t);
}

unsigned char *trial_output(const trial *t, int tensor, size_t *out_size)
{
    const trial_tensor *x = &t->tensors[tensor];
    const size_t size = x->view.dtype == FOVEA_F32 ? 4 : 2;
    uint32_t e[4], i[4];
    tensors_run_extents(t, tensor, e);
    unsigned char *bytes = malloc((size_t)e[0] * e[1] * e[2] * e[3] * size + 1), *next = bytes;
    ck_assert(bytes != NULL);
    for (i[0] = 0; i[0] < e[0]; i[0]++)
        for (i[1] = 0; i[1] < e[1]; i[1]++)
            for (i[2] = 0; i[2] < e[2]; i[2]++)
                for (i[3] = 0; i[3] < e[3]; i[3]++, next += size)
                    memcpy(next, x->after + tensors_place(x, i), size);
    *out_size = (size_t)(next - bytes);
    return bytes;
}

void trial_same(const trial *t, const unsigned char *o, const unsigned char *lse, const char *what)
{
    const unsigned char *wanted[] = {o, lse};
    for (int n = 0; n < 2; n++) {
        size_t size;
        char text[256];
        unsigned char *got = trial_output(t, TRIAL_O + n, &size);
        const uint64_t i = tensors_difference(got, wanted[n], size);
        if (i < size)
            ck_abort_msg("%s: %s: byte %llu of %s differs: %02x, not %02x", trial_text(t, text), what,
                         (unsigned long long)i, tensor_names[TRIAL_O + n], got[i], wanted[n][i]);
        free(got);
    }
}
