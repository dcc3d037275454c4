/* The known-answer test of the merge kernels: two parts of each source, a few rows more than a call of a native kernel takes,
 * one part that weighs nothing; on each pipeline before its first use. */
#include <math.h>
#include <string.h>

#include "merge.h"
#include "selftest.h"
#include "util/half.h"
#include "util/math.h"

#include "abi/merge.h"

enum {
    QUERIES = MERGE_NATIVE_ROWS + 3,
    PARTS = 2, /* of each source */
    PARTS_MOST = PARTS * FOVEA_MERGE_SOURCES,
    EMPTY_QUERY = 1,   /* whose part 0 has an LSE of -inf */
    TEST_REVISION = 1, /* raised with every change of the test, or of merge_emit, that may change its verdict */
};

/* Numbers of tensors for fv_test_value. */
enum { TENSOR_FACTORS, TENSOR_LSE, TENSOR_O = TENSOR_LSE + FOVEA_MERGE_SOURCES };

typedef struct test_problem {
    merge_shape shape;
    merge_bound bound;
    uint64_t alignment, size;
    unsigned char *host; /* image of the buffer */
    fv_buffer *memory;
} test_problem;

/* Dense, one batch entry, one head. */
static fovea_tensor small_view(fovea_dtype dtype, uint32_t parts, uint32_t dim)
{
    return (fovea_tensor){dtype, 5, {parts, 1, 1, QUERIES, dim}, {(uint64_t)QUERIES * dim, 0, 0, dim, 1}, {0}};
}

static fv_bound place(test_problem *problem, const fovea_tensor *view)
{
    return fv_test_place(&problem->size, problem->alignment, fovea_tensor_bytes(view));
}

static void describe(const merge_shape *shape, test_problem *problem)
{
    merge_shape *small = &problem->shape;
    merge_bound *bound = &problem->bound;
    *small = *shape;
    small->batch = small->heads = 1;
    small->seq_q_max = QUERIES;
    small->budget_s = HUGE_VAL;
    small->parts = PARTS * shape->source_count;
    for (uint32_t s = 0; s < shape->source_count; s++) {
        merge_source *source = &small->sources[s];
        source->parts = PARTS;
        source->first = s * PARTS;
        source->o = small_view(source->o.dtype, PARTS, shape->dim_v);
        source->lse = small_view(FOVEA_F32, PARTS, 1);
        bound->parts[s] = place(problem, &source->o);
        bound->part_lse[s] = place(problem, &source->lse);
    }
    const fovea_tensor factors = small_view(FOVEA_F32, small->parts, 1), lse = small_view(FOVEA_F32, 1, 1);
    small->factor_strides = (merge_strides){QUERIES, 0, 0, 1};
    small->o = fovea_tensor_bhsd(shape->o.dtype, 1, 1, QUERIES, shape->dim_v);
    bound->factors = place(problem, &factors);
    bound->o = place(problem, &small->o);
    bound->lse = place(problem, &lse);
    bound->work = fv_test_place(&problem->size, problem->alignment, QUERIES * merge_row_bytes(small));
}

/* ---- contents -------------------------------------------------------------------------------------------------- */

static float lse_value(uint32_t source, uint32_t part, uint32_t query)
{
    if (query == EMPTY_QUERY && source == 0 && part == 0)
        return -INFINITY;
    return fv_test_value(TENSOR_LSE + source, part * QUERIES + query);
}

static float factor_value(const merge_shape *shape, uint32_t number, uint32_t query)
{
    return shape->factors.rank != 0 ? fv_test_value(TENSOR_FACTORS, number * QUERIES + query) : 0.0f;
}

static void fill(const test_problem *problem)
{
    const merge_shape *shape = &problem->shape;
    const merge_bound *bound = &problem->bound;
    for (uint32_t s = 0; s < shape->source_count; s++) {
        unsigned char *o = problem->host + bound->parts[s].range.offset;
        unsigned char *lse = problem->host + bound->part_lse[s].range.offset;
        for (uint32_t i = 0; i < PARTS * QUERIES * shape->dim_v; i++)
            fv_store_element(o, shape->sources[s].o.dtype, i, fv_test_value(TENSOR_O + s, i));
        for (uint32_t i = 0; i < PARTS * QUERIES; i++)
            fv_store_element(lse, FOVEA_F32, i, lse_value(s, i / QUERIES, i % QUERIES));
    }
    for (uint32_t i = 0; i < shape->parts * QUERIES; i++)
        fv_store_element(problem->host + bound->factors.range.offset, FOVEA_F32, i,
                         factor_value(shape, i / QUERIES, i % QUERIES));
}

static fovea_status prepare(fovea_device *device, test_problem *problem)
{
    fovea_status status = FOVEA_OK;
    merge_bound *bound = &problem->bound;
    fv_bound *all[2 * FOVEA_MERGE_SOURCES + 4] = {&bound->factors, &bound->o, &bound->lse, &bound->work};
    uint32_t count = 4;
    for (uint32_t s = 0; s < problem->shape.source_count; s++) {
        all[count++] = &bound->parts[s];
        all[count++] = &bound->part_lse[s];
    }
    problem->host = fv_alloc(&device->host, problem->size, 1);
    fv_require(&device->host, problem->host, FOVEA_OUT_OF_HOST_MEMORY, "no host memory for a known-answer test");
    fv_try(device->backend->buffer_create(device->driver, problem->size, FV_MEMORY_DEVICE, &problem->memory));
    for (uint32_t i = 0; i < count; i++) {
        fv_require(&device->host, all[i]->range.size <= device->limits.storage_range, FOVEA_UNSUPPORTED,
                   "merge: the known-answer test binds %llu bytes, one binding of this device holds %llu",
                   (unsigned long long)all[i]->range.size, (unsigned long long)device->limits.storage_range);
        all[i]->range.buffer = problem->memory;
    }
    memset(problem->host, 0xff, problem->size); /* NaN */
    fill(problem);
fail:
    return status;
}

/* ---- the answer ------------------------------------------------------------------------------------------------ */

/* Weights of all parts for one query; returns the LSE, 0 by coefficients. */
static double answer_weights(const merge_shape *shape, uint32_t query, double weights[PARTS_MOST])
{
    double most = -HUGE_VAL, sum = 0.0;
    for (uint32_t r = 0; r < shape->parts; r++) {
        weights[r] = factor_value(shape, r, query);
        if (shape->by_lse)
            weights[r] += lse_value(r / PARTS, r % PARTS, query);
        most = fmax(most, weights[r]);
    }
    for (uint32_t r = 0; r < shape->parts && shape->by_lse; r++) {
        weights[r] = exp(weights[r] - most);
        sum += weights[r];
    }
    for (uint32_t r = 0; r < shape->parts && shape->by_lse; r++)
        weights[r] /= sum;
    return shape->by_lse ? most + log(sum) : 0.0;
}

static bool agrees(const test_problem *problem)
{
    const merge_shape *shape = &problem->shape;
    const merge_bound *bound = &problem->bound;
    const double tolerance = 1e-4 + fv_test_unit(shape->o.dtype);
    for (uint32_t query = 0; query < QUERIES; query++) {
        double weights[PARTS_MOST];
        const double lse = answer_weights(shape, query, weights);
        for (uint32_t c = 0; c < shape->dim_v; c++) {
            double sum = 0.0;
            for (uint32_t r = 0; r < shape->parts; r++)
                sum +=
                    weights[r] * fv_test_value(TENSOR_O + r / PARTS, (r % PARTS * QUERIES + query) * shape->dim_v + c);
            const float got =
                fv_load_element(problem->host + bound->o.range.offset, shape->o.dtype, query * shape->dim_v + c);
            if (!(fabs(got - sum) <= tolerance * (1.0 + fabs(sum))))
                return false;
        }
        const float got = fv_load_element(problem->host + bound->lse.range.offset, FOVEA_F32, query);
        if (shape->lse.rank != 0 && !(fabs(got - lse) <= tolerance))
            return false;
    }
    return true;
}

static fovea_status run_test(fovea_device *device, const merge_shape *shape, const merge_kernels *kernels,
                             bool *out_right)
{
    fovea_status status = FOVEA_OK;
    test_problem problem;
    memset(&problem, 0, sizeof problem);
    problem.alignment = fv_max(256, device->limits.storage_offset_alignment);
    describe(shape, &problem);
    fv_try(prepare(device, &problem));
    fv_try(fv_upload(device, problem.memory, 0, problem.host, problem.size));
    const uint32_t slice_rows = merge_slice_rows(device, &problem.shape, QUERIES, problem.bound.work.range.size);
    fv_try(merge_emit(&(merge_emission){device, &problem.shape, kernels, &problem.bound, QUERIES, slice_rows,
                                        device->backend->execute}));
    fv_try(fv_download(device, problem.memory, 0, problem.host, problem.size));
    *out_right = agrees(&problem);
fail:
    if (problem.memory)
        device->backend->buffer_destroy(problem.memory);
    fv_free(&device->host, problem.host);
    return status;
}

/* ---- verdicts -------------------------------------------------------------------------------------------------- */

/* The sum of one pass, which carries the verdict, and the weights before it. */
static fv_chain chain_of(const merge_kernels *kernels, uint32_t pass)
{
    return (fv_chain){{kernels->sums[pass], kernels->weigh}, kernels->weigh ? 2 : 1, TEST_REVISION};
}

fovea_status merge_self_test(fovea_device *device, const merge_shape *shape, const merge_kernels *kernels,
                             bool *out_right)
{
    fovea_status status = FOVEA_OK;
    bool known = true, right = true;
    for (uint32_t pass = 0; pass < merge_passes(shape); pass++) {
        const fv_chain chain = chain_of(kernels, pass);
        known &= fv_chain_is_known(device, &chain);
        right &= !kernels->sums[pass]->failed;
    }
    *out_right = right;
    if (known || !right)
        return FOVEA_OK;
    const double start = fv_seconds();
    fv_try(run_test(device, shape, kernels, out_right));
    kernels->sums[0]->test_s = fv_seconds() - start;
    for (uint32_t pass = 0; pass < merge_passes(shape); pass++) {
        const fv_chain chain = chain_of(kernels, pass);
        fv_chain_mark(&chain, *out_right, false);
        fv_cache_remember(device, &chain, *out_right ? FV_PASSED : FV_FAILED);
    }
fail:
    return status;
}
