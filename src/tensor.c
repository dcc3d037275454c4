/* Tensor views: makers and sizes. */
#include <fovea/tensor.h>

#include "util/math.h"

fovea_tensor fovea_tensor_bhsd(fovea_dtype dtype, uint64_t batch, uint64_t heads, uint64_t seq, uint64_t dim)
{
    const fovea_tensor tensor = {
        .dtype = dtype,
        .rank = 4,
        .extents = {batch, heads, seq, dim},
        .strides = {heads * seq * dim, seq * dim, dim, 1},
    };
    return tensor;
}

fovea_tensor fovea_tensor_bshd(fovea_dtype dtype, uint64_t batch, uint64_t heads, uint64_t seq, uint64_t dim)
{
    const fovea_tensor tensor = {
        .dtype = dtype,
        .rank = 4,
        .extents = {batch, heads, seq, dim},
        .strides = {seq * heads * dim, dim, heads * dim, 1},
    };
    return tensor;
}

uint64_t fovea_tensor_bytes(const fovea_tensor *tensor)
{
    if (!tensor || tensor->rank == 0 || tensor->rank > FOVEA_RANK_MAX)
        return 0;
    const bool dense = fv_all_zero(tensor->strides, sizeof tensor->strides);
    uint64_t stride = 1, last = 0;
    bool fits = true;
    for (uint32_t dim = tensor->rank; dim-- > 0;) {
        const uint64_t extent = tensor->extents[dim];
        if (extent == 0)
            return 0;
        uint64_t reach;
        fits &= fv_multiply(extent - 1, dense ? stride : tensor->strides[dim], &reach);
        fits &= fv_add(last, reach, &last);
        if (dense)
            fits &= fv_multiply(stride, extent, &stride);
    }
    uint64_t elements, bytes;
    fits &= fv_add(last, 1, &elements);
    fits &= fv_multiply(elements, fovea_dtype_size(tensor->dtype), &bytes);
    return fits ? bytes : UINT64_MAX;
}
