/* Tier 1: tensors are strided views of buffers. A descriptor says dtype, extents and strides; the buffer and
 * a byte offset come with each run. */
#ifndef FOVEA_TENSOR_H
#define FOVEA_TENSOR_H

#include <fovea/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FOVEA_RANK_MAX 6

typedef enum fovea_dtype {
    FOVEA_F32 = 0,
    FOVEA_F16,  /* IEEE binary16 */
    FOVEA_BF16, /* upper half of binary32 */
    FOVEA_DTYPE_COUNT
} fovea_dtype;

/* The name of a dtype, such as "bf16". Static storage; never NULL. */
FOVEA_API const char *fovea_dtype_name(fovea_dtype dtype);

/* Bytes of one element; 0 for a value that is no dtype. */
FOVEA_API uint32_t fovea_dtype_size(fovea_dtype dtype);

/* A view. `rank` 0 means "no such tensor" (an optional output not wanted).
 * Strides in elements. All strides 0: dense, the last dim fastest. Else the last dim's stride is 1, any other
 * stride is free, and 0 repeats an input along that dim (an output may not repeat). */
typedef struct fovea_tensor {
    fovea_dtype dtype;
    uint32_t rank;
    uint64_t extents[FOVEA_RANK_MAX];
    uint64_t strides[FOVEA_RANK_MAX];
    uint32_t reserved[2];
} fovea_tensor;

/* A dense [batch, heads, seq, dim] tensor in that order. */
FOVEA_API fovea_tensor fovea_tensor_bhsd(fovea_dtype dtype, uint64_t batch, uint64_t heads, uint64_t seq, uint64_t dim);

/* The same dims [batch, heads, seq, dim], stored densely as [batch, seq, heads, dim]. */
FOVEA_API fovea_tensor fovea_tensor_bshd(fovea_dtype dtype, uint64_t batch, uint64_t heads, uint64_t seq, uint64_t dim);

/* Bytes from the view's first element to the end of its last one, which its buffer must hold beyond the
 * byte offset; 0 for rank 0 or an empty extent; UINT64_MAX where the product overflows. */
FOVEA_API uint64_t fovea_tensor_bytes(const fovea_tensor *tensor);

#ifdef __cplusplus
}
#endif

#endif
