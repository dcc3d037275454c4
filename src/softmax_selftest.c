/* The known-answer test of softmax kernels: three queries and, for native kernels and those on matrix units, a tile of them
 * besides. The former attend few rows in another way than many and share what they pack among work items; of the latter
 * nobody says which lane holds which row. One tile of keys and a partial one; on each pipeline before its first use. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "selftest.h"
#include "softmax.h"
#include "util/half.h"
#include "util/math.h"

enum {
    QUERIES = 3,
    EXTRA_KEYS = 3,
    TEST_REVISION = 6, /* raised with every change of the test, or of softmax_emit, that may change its verdict */
};

static const float SINK = 0.5f; /* of the one head */

/* Where each tensor lies in the one buffer of the test. */
typedef struct test_problem {
    softmax_shape shape;
    uint32_t queries, keys;
    bool all_rows;       /* are compared */
    fovea_dtype weights; /* what a kernel rounds weights to; FOVEA_F32: nothing */
    bool split;          /* operands have two parts */
    uint64_t alignment;  /* of the tensors' places */
    softmax_bound bound;
    unsigned char *host; /* image of the buffer */
    fv_buffer *memory;
    uint64_t size;
} test_problem;

/* Element `index` of tensor `tensor`. A float32 that becomes two parts is a little more than the others, by what the low
 * part has to hold. */
static float value(const test_problem *problem, const fovea_tensor *view, uint32_t tensor, uint64_t index)
{
    return fv_test_value(tensor, index) + (problem->split && view->dtype == FOVEA_F32 ? 0x1.cp-13f : 0.0f);
}

static void fill(test_problem *problem, uint64_t offset, const fovea_tensor *view, uint32_t tensor)
{
    const uint64_t count = view->extents[2] * view->extents[3];
    for (uint64_t i = 0; i < count; i++)
        fv_store_element(problem->host + offset, view->dtype, i, value(problem, view, tensor, i));
}

static fv_bound place(test_problem *problem, uint64_t bytes)
{
    return fv_test_place(&problem->size, problem->alignment, bytes);
}

static void describe(const softmax_shape *shape, const softmax_tile *tile, bool native, test_problem *problem)
{
    softmax_shape *small = &problem->shape;
    *small = *shape;
    const bool whole = native || tile->matrix.m > 0;
    const uint32_t queries = whole ? softmax_rows(tile) + QUERIES : QUERIES;
    problem->queries = queries;
    problem->all_rows = tile->matrix.m > 0;
    problem->keys = softmax_keys(tile) + EXTRA_KEYS;
    problem->split = tile->parts == 2;
    problem->weights = tile->tier == FOVEA_TIER_MATRIX && !problem->split ? softmax_operand(tile) : FOVEA_F32;
    small->batch = small->heads = small->group = small->k_ratio = small->v_ratio = small->units = 1;
    small->seq_q_max = queries;
    small->seq_k_max = problem->keys;
    small->top_left = problem->keys < queries; /* every query sees a key, and the last one all keys */
    small->scale_log2 = (float)(1.4426950408889634 / sqrt((double)shape->dim_qk));
    small->q = fovea_tensor_bhsd(shape->q.dtype, 1, 1, queries, shape->dim_qk);
    small->k = fovea_tensor_bhsd(shape->k.dtype, 1, 1, problem->keys, shape->dim_qk);
    small->v = fovea_tensor_bhsd(shape->v.dtype, 1, 1, problem->keys, shape->dim_v);
    small->sinks = (fovea_tensor){.dtype = FOVEA_F32, .rank = 1, .extents = {1}, .strides = {1}};
    small->o = fovea_tensor_bhsd(shape->o.dtype, 1, 1, queries, shape->dim_v);
    problem->bound.q = place(problem, fovea_tensor_bytes(&small->q));
    problem->bound.k = place(problem, fovea_tensor_bytes(&small->k));
    problem->bound.v = place(problem, fovea_tensor_bytes(&small->v));
    problem->bound.o = place(problem, fovea_tensor_bytes(&small->o));
    problem->bound.lse = place(problem, queries * sizeof(float));
    problem->bound.sinks = place(problem, sizeof(float));
    const uint64_t blocks = fv_divide_up(shape->dim_v, softmax_cols(tile));
    const uint64_t row_tiles = fv_divide_up(queries, softmax_rows(tile));
    problem->bound.state = place(problem, blocks * row_tiles * softmax_slot_bytes(tile));
}

static fovea_status prepare(fovea_device *device, test_problem *problem)
{
    fovea_status status = FOVEA_OK;
    softmax_bound *bound = &problem->bound;
    fv_bound *all[] = {&bound->q, &bound->k, &bound->v, &bound->o, &bound->lse, &bound->sinks, &bound->state};
    problem->host = fv_alloc(&device->host, problem->size, 1);
    fv_require(&device->host, problem->host, FOVEA_OUT_OF_HOST_MEMORY, "no host memory for a known-answer test");
    fv_try(device->backend->buffer_create(device->driver, problem->size, FV_MEMORY_DEVICE, &problem->memory));
    for (uint32_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const uint64_t size = all[i]->range.size, most = device->limits.storage_range;
        fv_require(&device->host, size <= most, FOVEA_UNSUPPORTED,
                   "softmax: a tile's known-answer test binds %llu bytes, one binding of this device holds %llu",
                   (unsigned long long)size, (unsigned long long)most);
        all[i]->range.buffer = problem->memory;
    }
    fill(problem, bound->q.range.offset, &problem->shape.q, 0);
    fill(problem, bound->k.range.offset, &problem->shape.k, 1);
    fill(problem, bound->v.range.offset, &problem->shape.v, 2);
fail:
    return status;
}

/* Scores of one query; returns the log of the sum of exp(score) and exp(SINK). */
static double answer_scores(const test_problem *problem, uint32_t query, softmax_range seen, double *scores)
{
    const softmax_shape *shape = &problem->shape;
    const double ln_2 = 0.69314718055994530942, scale = shape->scale_log2 * ln_2, cap = shape->cap_log2 * ln_2;
    double most = -HUGE_VAL, sum = 0.0;
    for (uint64_t key = seen.begin; key < seen.end; key++) {
        double dot = 0.0;
        for (uint32_t d = 0; d < shape->dim_qk; d++)
            dot += (double)value(problem, &shape->q, 0, (uint64_t)query * shape->dim_qk + d) *
                   value(problem, &shape->k, 1, key * shape->dim_qk + d);
        scores[key] = scale * dot;
        if (cap > 0.0)
            scores[key] = cap * tanh(scores[key] / cap);
        most = fmax(most, scores[key]);
    }
    for (uint64_t key = seen.begin; key < seen.end; key++)
        sum += exp(scores[key] - most);
    return sum > 0.0 ? most + log(sum + exp(SINK - most)) : SINK;
}

/* Of many queries of native kernels the first ones, the last of a full tile and those behind it: an answer takes longer than a result. */
static bool is_compared(const test_problem *problem, uint32_t query)
{
    return problem->all_rows || query < QUERIES || query + QUERIES + 1 >= problem->queries;
}

/* Whether the output image agrees with the answer. Values are at most 1, so one tolerance serves all. */
static bool agrees(const test_problem *problem, double *scores)
{
    const softmax_shape *shape = &problem->shape;
    const softmax_bound *bound = &problem->bound;
    const double exact = problem->split ? 2e-5 : 1e-4; /* less than the low parts are worth */
    const double tolerance = exact + fv_test_unit(shape->o.dtype) + fv_test_unit(problem->weights);
    for (uint32_t query = 0; query < problem->queries; query++) {
        if (!is_compared(problem, query))
            continue;
        const softmax_range seen = softmax_visible(shape, problem->queries, problem->keys, query);
        const double lse = answer_scores(problem, query, seen, scores);
        for (uint64_t key = seen.begin; key < seen.end; key++)
            scores[key] = exp(scores[key] - lse);
        for (uint32_t c = 0; c < shape->dim_v; c++) {
            double sum = 0.0;
            for (uint64_t key = seen.begin; key < seen.end; key++)
                sum += scores[key] * value(problem, &shape->v, 2, key * shape->dim_v + c);
            const float got = fv_load_element(problem->host + bound->o.range.offset, shape->o.dtype,
                                              (uint64_t)query * shape->dim_v + c);
            if (!(fabs(got - sum) <= tolerance))
                return false;
        }
        const float got_lse = fv_load_element(problem->host + bound->lse.range.offset, FOVEA_F32, query);
        if (shape->lse_wanted && !(fabs(got_lse - lse) <= exact * (1.0 + fabs(lse))))
            return false;
    }
    return true;
}

/* Runs either the direct kernel or state and finish, with poisoned outputs, and compares. */
static fovea_status run_once(fovea_device *device, const softmax_variant *variant, bool direct, test_problem *problem,
                             double *scores, bool *out_right)
{
    fovea_status status = FOVEA_OK;
    const softmax_bound *bound = &problem->bound;
    const uint64_t outputs = bound->o.range.offset;
    const uint32_t blocks = (uint32_t)fv_divide_up(problem->shape.dim_v, softmax_cols(&variant->tile));
    const uint64_t row_tiles = fv_divide_up(problem->queries, softmax_rows(&variant->tile));
    const softmax_cut cut = {.rows = problem->queries,
                             .row_tiles = row_tiles,
                             .items = blocks * row_tiles,
                             .blocks = blocks,
                             .key_tiles = 2,
                             .splits = 1,
                             .split_tiles = 2,
                             .slice_tiles = direct ? 2 : 1,
                             .slice_items = blocks * row_tiles,
                             .direct = direct};
    memset(problem->host + outputs, 0xff, problem->size - outputs); /* NaN */
    fv_store_element(problem->host + bound->sinks.range.offset, FOVEA_F32, 0, SINK);
    fv_try(fv_upload(device, problem->memory, 0, problem->host, problem->size));
    fv_try(softmax_emit(&(softmax_emission){device, &problem->shape, variant, &cut, bound, problem->queries,
                                            problem->keys, device->backend->execute}));
    fv_try(fv_download(device, problem->memory, 0, problem->host, problem->size));
    *out_right = agrees(problem, scores);
fail:
    return status;
}

/* ---- what is known already ------------------------------------------------------------------------------------- */

/* The direct kernel, or state and finish, whose verdict the first of them carries. Empty: no run needs them. */
static fv_chain chain_of(const softmax_variant *variant, bool direct)
{
    if (direct)
        return (fv_chain){{variant->direct}, variant->direct != NULL, TEST_REVISION};
    return (fv_chain){{variant->state, variant->finish}, variant->state ? 2 : 0, TEST_REVISION};
}

static softmax_verdict verdict_of(const fv_pipeline *direct, const fv_pipeline *state)
{
    const fv_pipeline *failed = direct && direct->failed ? direct : state && state->failed ? state : NULL;
    return !failed ? SOFTMAX_RIGHT : failed->cached ? SOFTMAX_WRONG_CACHED : SOFTMAX_WRONG;
}

/* ---- the test -------------------------------------------------------------------------------------------------- */

static fovea_status test_chain(fovea_device *device, const softmax_variant *variant, bool direct, test_problem *problem,
                               double *scores)
{
    const fv_chain chain = chain_of(variant, direct);
    if (fv_chain_is_tested(&chain))
        return FOVEA_OK;
    const double start = fv_seconds();
    bool right = false;
    const fovea_status status = run_once(device, variant, direct, problem, scores, &right);
    if (status == FOVEA_OK) {
        fv_chain_mark(&chain, right, false);
        chain.kernels[0]->test_s = fv_seconds() - start;
        fv_cache_remember(device, &chain, right ? FV_PASSED : FV_FAILED);
    }
    return status;
}

static fovea_status run_tests(fovea_device *device, const softmax_shape *shape, const softmax_variant *variant)
{
    fovea_status status = FOVEA_OK;
    test_problem problem;
    memset(&problem, 0, sizeof problem);
    problem.alignment = fv_max(256, device->limits.storage_offset_alignment);
    describe(shape, &variant->tile, device->driver->caps.native, &problem);
    double *scores = fv_alloc(&device->host, problem.keys, sizeof *scores);
    fv_require(&device->host, scores, FOVEA_OUT_OF_HOST_MEMORY, "no host memory for a known-answer test");
    fv_try(prepare(device, &problem));
    fv_try(test_chain(device, variant, true, &problem, scores));
    fv_try(test_chain(device, variant, false, &problem, scores));
fail:
    if (problem.memory)
        device->backend->buffer_destroy(problem.memory);
    fv_free(&device->host, problem.host);
    fv_free(&device->host, scores);
    return status;
}

fovea_status softmax_self_test(fovea_device *device, const softmax_shape *shape, const softmax_variant *variant,
                               softmax_verdict *out_verdict)
{
    fovea_status status = FOVEA_OK;
    const fv_chain direct = chain_of(variant, true), carried = chain_of(variant, false);
    const bool direct_known = fv_chain_is_known(device, &direct), carried_known = fv_chain_is_known(device, &carried);
    const bool refused = verdict_of(variant->direct, variant->state) != SOFTMAX_RIGHT;
    if (!refused && (!direct_known || !carried_known))
        status = run_tests(device, shape, variant);
    if (status == FOVEA_OK)
        *out_verdict = verdict_of(variant->direct, variant->state);
    return status;
}
