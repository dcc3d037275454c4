/* The descriptor of softmax attention, checked and completed. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "softmax.h"
#include "util/math.h"
#include "view.h"

enum {
    DIM_MOST = 1024,
    DEFAULT_BUDGET_US = 50000,
    SPLITS_MOST = 256,
};

static const float CAP_LEAST = 1e-30f, CAP_MOST = 1e30f;
static const double log2_e = 1.4426950408889634074;

static fovea_status complete_views(fv_host *host, const fovea_softmax_params *params, softmax_shape *shape)
{
    fovea_status status = FOVEA_OK;
    fv_try(fv_view_complete(host, "q", &params->q, 4, false, &shape->q));
    fv_try(fv_view_complete(host, "k", &params->k, 4, false, &shape->k));
    fv_try(fv_view_complete(host, "v", &params->v, 4, false, &shape->v));
    fv_try(fv_view_complete(host, "o", &params->o, 4, true, &shape->o));
    fv_try(fv_view_check_distinct(host, "o", &shape->o));
    shape->lse_wanted = params->lse.rank != 0;
    if (shape->lse_wanted) {
        fv_try(fv_view_complete(host, "lse", &params->lse, 3, true, &shape->lse));
        fv_require(host, shape->lse.dtype == FOVEA_F32, FOVEA_INVALID, "lse: dtype %s; it is always f32",
                   fovea_dtype_name(shape->lse.dtype));
        fv_try(fv_view_check_distinct(host, "lse", &shape->lse));
    }
    if (params->sinks.rank != 0) {
        fv_try(fv_view_complete(host, "sinks", &params->sinks, 1, false, &shape->sinks));
        fv_require(host, shape->sinks.dtype == FOVEA_F32, FOVEA_INVALID, "sinks: dtype %s; it is always f32",
                   fovea_dtype_name(shape->sinks.dtype));
    }
fail:
    return status;
}

static fovea_status check_extents(fv_host *host, const softmax_shape *shape)
{
    fovea_status status = FOVEA_OK;
    const uint64_t *q = shape->q.extents, *k = shape->k.extents, *v = shape->v.extents, *o = shape->o.extents;
    fv_try(fv_view_check_extent(host, "batch of k", k[0], "batch of q", q[0]));
    fv_try(fv_view_check_extent(host, "batch of v", v[0], "batch of q", q[0]));
    fv_try(fv_view_check_extent(host, "batch of o", o[0], "batch of q", q[0]));
    fv_try(fv_view_check_extent(host, "heads of o", o[1], "heads of q", q[1]));
    fv_try(fv_view_check_extent(host, "seq of o", o[2], "seq of q", q[2]));
    fv_try(fv_view_check_extent(host, "seq of v", v[2], "seq of k", k[2]));
    fv_try(fv_view_check_extent(host, "dim of k", k[3], "dim of q", q[3]));
    fv_try(fv_view_check_extent(host, "dim of o", o[3], "dim of v", v[3]));
    fv_require(host, q[1] % k[1] == 0, FOVEA_INVALID, "heads of k (%llu) do not divide heads of q (%llu)",
               (unsigned long long)k[1], (unsigned long long)q[1]);
    fv_require(host, q[1] % v[1] == 0, FOVEA_INVALID, "heads of v (%llu) do not divide heads of q (%llu)",
               (unsigned long long)v[1], (unsigned long long)q[1]);
    fv_require(host, q[3] <= DIM_MOST, FOVEA_INVALID, "dim_qk = %llu; at most %d", (unsigned long long)q[3], DIM_MOST);
    fv_require(host, v[3] <= DIM_MOST, FOVEA_INVALID, "dim_v = %llu; at most %d", (unsigned long long)v[3], DIM_MOST);
    fv_require(host, q[0] * q[1] <= INT32_MAX && q[2] <= INT32_MAX && k[2] <= INT32_MAX, FOVEA_UNSUPPORTED,
               "batch * heads = %llu, seq_q = %llu, seq_k = %llu: each at most 2^31 - 1",
               (unsigned long long)(q[0] * q[1]), (unsigned long long)q[2], (unsigned long long)k[2]);
    if (shape->sinks.rank != 0)
        fv_try(fv_view_check_extent(host, "heads of sinks", shape->sinks.extents[0], "heads of q", q[1]));
    if (shape->lse_wanted) {
        const uint64_t *lse = shape->lse.extents;
        fv_try(fv_view_check_extent(host, "batch of lse", lse[0], "batch of q", q[0]));
        fv_try(fv_view_check_extent(host, "heads of lse", lse[1], "heads of q", q[1]));
        fv_try(fv_view_check_extent(host, "seq of lse", lse[2], "seq of q", q[2]));
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
    fv_require(host, params->soft_cap == 0.0f || (params->soft_cap >= CAP_LEAST && params->soft_cap <= CAP_MOST),
               FOVEA_INVALID, "softmax: soft_cap = %g; 0 for none, or from %g to %g", (double)params->soft_cap,
               (double)CAP_LEAST, (double)CAP_MOST);
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
