/* The descriptor of softmax attention, checked and completed. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "softmax.h"
#include "util/math.h"

enum {
    DIM_MOST = 1024,
    DEFAULT_BUDGET_US = 50000,
    SPLITS_MOST = 256,
};

static const float CAP_MOST = 1e30f;
static const double log2_e = 1.4426950408889634074;

/* Checks one view and fills in its strides. */
static fovea_status complete_view(fv_host *host, const char *name, const fovea_tensor *given, uint32_t rank,
                                  bool output, fovea_tensor *out_view)
{
    fovea_status status = FOVEA_OK;
    fovea_tensor view = *given;
    const bool dense = fv_all_zero(view.strides, sizeof view.strides);
    fv_require(host, view.rank == rank, FOVEA_INVALID, "%s: rank %u; it needs %u dims", name, view.rank, rank);
    fv_require(host, fovea_dtype_size(view.dtype) > 0, FOVEA_INVALID, "%s: dtype %u is no fovea_dtype", name,
               (unsigned)view.dtype);
    fv_require(host, fv_all_zero(view.reserved, sizeof view.reserved), FOVEA_INVALID, "%s: a reserved word is not zero",
               name);
    uint64_t dense_stride = 1;
    for (uint32_t dim = rank; dim-- > 0;) {
        fv_require(host, view.extents[dim] > 0, FOVEA_INVALID, "%s: extent %u is 0", name, dim);
        fv_require(host, dense || dim + 1 < rank || view.strides[dim] == 1, FOVEA_INVALID,
                   "%s: the last dim's stride is %llu; it must be 1", name, (unsigned long long)view.strides[dim]);
        fv_require(host, dense || !output || view.strides[dim] > 0 || view.extents[dim] == 1, FOVEA_INVALID,
                   "%s: stride %u is 0; an output cannot repeat", name, dim);
        if (dense)
            view.strides[dim] = dense_stride;
        fv_multiply(dense_stride, view.extents[dim], &dense_stride);
    }
    fv_require(host, fovea_tensor_bytes(&view) != UINT64_MAX, FOVEA_INVALID, "%s: its size overflows 64 bits", name);
    for (uint32_t dim = 0; dim < rank; dim++) {
        if (view.extents[dim] == 1 && dim + 1 < rank)
            view.strides[dim] = 0; /* never stepped over */
        fv_require(host, view.extents[dim] <= UINT32_MAX && view.strides[dim] <= UINT32_MAX, FOVEA_UNSUPPORTED,
                   "%s: extent %llu or stride %llu of dim %u is 2^32 or more", name,
                   (unsigned long long)view.extents[dim], (unsigned long long)view.strides[dim], dim);
    }
    *out_view = view;
fail:
    return status;
}

static fovea_status check_outputs_distinct(fv_host *host, const char *name, const fovea_tensor *view)
{
    /* An output's elements must be distinct: sorted by stride, each dim steps over all that the faster dims span. */
    fovea_status status = FOVEA_OK;
    bool used[FOVEA_RANK_MAX] = {false};
    uint64_t span = 0; /* distance from the first to the last element of the dims so far */
    for (uint32_t turn = 0; turn < view->rank; turn++) {
        uint32_t next = FOVEA_RANK_MAX;
        for (uint32_t dim = 0; dim < view->rank; dim++)
            if (!used[dim] && (next == FOVEA_RANK_MAX || view->strides[dim] < view->strides[next]))
                next = dim;
        used[next] = true;
        if (view->extents[next] == 1)
            continue;
        fv_require(host, view->strides[next] > span, FOVEA_INVALID,
                   "%s: stride %llu of dim %u makes elements of the output overlap", name,
                   (unsigned long long)view->strides[next], next);
        span += (view->extents[next] - 1) * view->strides[next];
    }
fail:
    return status;
}

static fovea_status complete_views(fv_host *host, const fovea_softmax_params *params, softmax_shape *shape)
{
    fovea_status status = FOVEA_OK;
    fv_try(complete_view(host, "q", &params->q, 4, false, &shape->q));
    fv_try(complete_view(host, "k", &params->k, 4, false, &shape->k));
    fv_try(complete_view(host, "v", &params->v, 4, false, &shape->v));
    fv_try(complete_view(host, "o", &params->o, 4, true, &shape->o));
    fv_try(check_outputs_distinct(host, "o", &shape->o));
    shape->lse_wanted = params->lse.rank != 0;
    if (shape->lse_wanted) {
        fv_try(complete_view(host, "lse", &params->lse, 3, true, &shape->lse));
        fv_require(host, shape->lse.dtype == FOVEA_F32, FOVEA_INVALID, "lse: dtype %s; it is always f32",
                   fovea_dtype_name(shape->lse.dtype));
        fv_try(check_outputs_distinct(host, "lse", &shape->lse));
    }
fail:
    return status;
}

static fovea_status check_extent(fv_host *host, const char *a, uint64_t extent_a, const char *b, uint64_t extent_b)
{
    if (extent_a == extent_b)
        return FOVEA_OK;
    return fv_fail(host, FOVEA_INVALID, "%s is %llu, but %s is %llu", a, (unsigned long long)extent_a, b,
                   (unsigned long long)extent_b);
}

static fovea_status check_extents(fv_host *host, const softmax_shape *shape)
{
    fovea_status status = FOVEA_OK;
    const uint64_t *q = shape->q.extents, *k = shape->k.extents, *v = shape->v.extents, *o = shape->o.extents;
    fv_try(check_extent(host, "batch of k", k[0], "batch of q", q[0]));
    fv_try(check_extent(host, "batch of v", v[0], "batch of q", q[0]));
    fv_try(check_extent(host, "batch of o", o[0], "batch of q", q[0]));
    fv_try(check_extent(host, "heads of o", o[1], "heads of q", q[1]));
    fv_try(check_extent(host, "seq of o", o[2], "seq of q", q[2]));
    fv_try(check_extent(host, "seq of v", v[2], "seq of k", k[2]));
    fv_try(check_extent(host, "dim of k", k[3], "dim of q", q[3]));
    fv_try(check_extent(host, "dim of o", o[3], "dim of v", v[3]));
    fv_require(host, q[1] % k[1] == 0, FOVEA_INVALID, "heads of k (%llu) do not divide heads of q (%llu)",
               (unsigned long long)k[1], (unsigned long long)q[1]);
    fv_require(host, q[1] % v[1] == 0, FOVEA_INVALID, "heads of v (%llu) do not divide heads of q (%llu)",
               (unsigned long long)v[1], (unsigned long long)q[1]);
    fv_require(host, q[3] <= DIM_MOST, FOVEA_INVALID, "dim_qk = %llu; at most %d", (unsigned long long)q[3], DIM_MOST);
    fv_require(host, v[3] <= DIM_MOST, FOVEA_INVALID, "dim_v = %llu; at most %d", (unsigned long long)v[3], DIM_MOST);
    fv_require(host, q[0] * q[1] <= INT32_MAX && q[2] <= INT32_MAX && k[2] <= INT32_MAX, FOVEA_UNSUPPORTED,
               "batch * heads = %llu, seq_q = %llu, seq_k = %llu: each at most 2^31 - 1",
               (unsigned long long)(q[0] * q[1]), (unsigned long long)q[2], (unsigned long long)k[2]);
    if (shape->lse_wanted) {
        const uint64_t *lse = shape->lse.extents;
        fv_try(check_extent(host, "batch of lse", lse[0], "batch of q", q[0]));
        fv_try(check_extent(host, "heads of lse", lse[1], "heads of q", q[1]));
        fv_try(check_extent(host, "seq of lse", lse[2], "seq of q", q[2]));
    }
fail:
    return status;
}

static fovea_status check_options(fv_host *host, const fovea_softmax_params *params, const softmax_shape *shape)
{
    fovea_status status = FOVEA_OK;
    fv_require(host, fv_all_zero(params->reserved, sizeof params->reserved), FOVEA_INVALID,
               "softmax: a reserved word is not zero");
    fv_require(host, isfinite(params->scale), FOVEA_INVALID, "softmax: scale is not finite");
    fv_require(host, params->soft_cap >= 0.0f && params->soft_cap <= CAP_MOST, FOVEA_INVALID,
               "softmax: soft_cap = %g; 0, or at most %g", (double)params->soft_cap, (double)CAP_MOST);
    fv_require(host, params->causal || params->window || !params->causal_top_left, FOVEA_INVALID,
               "softmax: causal_top_left is set without causal or window");
    fv_require(host, params->window || (params->window_left == 0 && params->window_right == 0), FOVEA_INVALID,
               "softmax: window_left = %u and window_right = %u without window", params->window_left,
               params->window_right);
    fv_require(host, params->min_tier <= FOVEA_TIER_MATRIX, FOVEA_INVALID, "softmax: min_tier = %u is no fovea_tier",
               (unsigned)params->min_tier);
    fv_require(host, params->operands <= FOVEA_OPERANDS_F16_X3, FOVEA_INVALID,
               "softmax: operands = %u is no fovea_operands", (unsigned)params->operands);
    fv_require(host, params->split_count <= SPLITS_MOST, FOVEA_INVALID, "softmax: split_count = %u; at most %u",
               params->split_count, SPLITS_MOST);
    fv_require(host, params->seq_q_max <= shape->q.extents[2], FOVEA_INVALID, "softmax: seq_q_max = %u, q has %llu",
               params->seq_q_max, (unsigned long long)shape->q.extents[2]);
    fv_require(host, params->seq_k_max <= shape->k.extents[2], FOVEA_INVALID, "softmax: seq_k_max = %u, k has %llu",
               params->seq_k_max, (unsigned long long)shape->k.extents[2]);
fail:
    return status;
}

/* A border further away than any key is none. */
static uint32_t border(const softmax_shape *shape, bool given, uint32_t distance)
{
    const uint64_t furthest = (uint64_t)shape->seq_q_max + shape->seq_k_max;
    return given && distance < furthest ? distance : FOVEA_UNBOUNDED;
}

static void derive(const fovea_softmax_params *params, softmax_shape *shape)
{
    const uint32_t heads_k = (uint32_t)shape->k.extents[1], heads_v = (uint32_t)shape->v.extents[1];
    shape->batch = (uint32_t)shape->q.extents[0];
    shape->heads = (uint32_t)shape->q.extents[1];
    shape->dim_qk = (uint32_t)shape->q.extents[3];
    shape->dim_v = (uint32_t)shape->v.extents[3];
    shape->k_ratio = shape->heads / heads_k;
    shape->v_ratio = shape->heads / heads_v;
    shape->group = fv_gcd(shape->k_ratio, shape->v_ratio);
    shape->units = shape->batch * (shape->heads / shape->group);
    shape->seq_q_max = params->seq_q_max ? params->seq_q_max : (uint32_t)shape->q.extents[2];
    shape->seq_k_max = params->seq_k_max ? params->seq_k_max : (uint32_t)shape->k.extents[2];
    shape->causal = params->causal != 0;
    shape->top_left = params->causal_top_left != 0;
    shape->left = border(shape, params->window != 0, params->window_left);
    shape->right = shape->causal ? 0 : border(shape, params->window != 0, params->window_right);
    const bool literal = params->scale_literal || params->scale != 0.0f;
    const double scale = literal ? (double)params->scale : 1.0 / sqrt((double)shape->dim_qk);
    shape->scale_log2 = (float)(scale * log2_e);
    shape->cap_log2 = (float)(params->soft_cap * log2_e);
    const uint32_t budget = params->cost_budget_us ? params->cost_budget_us : DEFAULT_BUDGET_US;
    shape->budget_s = budget == FOVEA_UNBOUNDED ? HUGE_VAL : 1e-6 * budget;
    shape->split_count = params->split_count;
    shape->min_tier = params->min_tier;
    shape->tile = params->tile;
    shape->operands = params->operands;
}

fovea_status softmax_shape_init(fovea_device *device, const fovea_softmax_params *params, softmax_shape *out_shape)
{
    fovea_status status = FOVEA_OK;
    fv_host *host = &device->host;
    softmax_shape shape;
    memset(&shape, 0, sizeof shape);
    fv_try(complete_views(host, params, &shape));
    fv_try(check_extents(host, &shape));
    fv_try(check_options(host, params, &shape));
    derive(params, &shape);
    fv_require(host, isfinite(shape.scale_log2), FOVEA_INVALID, "softmax: scale = %g is too large",
               (double)params->scale);
    fv_require(host, !params->window || 2 * ((uint64_t)shape.seq_q_max + shape.seq_k_max) <= INT32_MAX,
               FOVEA_UNSUPPORTED, "softmax: a window over %u queries and %u keys; together at most 2^30 - 1",
               shape.seq_q_max, shape.seq_k_max);
    fv_require(host, (uint64_t)shape.seq_q_max * shape.group <= INT32_MAX, FOVEA_UNSUPPORTED,
               "softmax: seq_q_max * query heads of a key head = %llu; at most 2^31 - 1",
               (unsigned long long)shape.seq_q_max * shape.group);
    *out_shape = shape;
fail:
    return status;
}
