/* Views of a descriptor: checked once, with explicit strides from then on. */
#include "view.h"

#include "util/math.h"

fovea_status fv_view_complete(fv_host *host, const char *name, const fovea_tensor *given, uint32_t rank, bool output,
                              fovea_tensor *out_view)
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

fovea_status fv_view_check_distinct(fv_host *host, const char *name, const fovea_tensor *view)
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

fovea_status fv_view_check_extent(fv_host *host, const char *a, uint64_t extent_a, const char *b, uint64_t extent_b)
{
    if (extent_a == extent_b)
        return FOVEA_OK;
    return fv_fail(host, FOVEA_INVALID, "%s is %llu, but %s is %llu", a, (unsigned long long)extent_a, b,
                   (unsigned long long)extent_b);
}
