/* The kernel modules that were embedded at build time: the table that shaders/ generates. */
#ifndef FV_MODULES_H
#define FV_MODULES_H

#include <fovea/device.h>
#include <fovea/tensor.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A module is one kernel text compiled for one tier and one shape: of a lane's micro-tile or of a matrix. Modules of the
 * matrix tier are missing where the tools of the build could not compile them. */
typedef struct fv_module {
    const char *name;   /* "softmax_direct.8x8x8.subgroup"; without a shape "softmax_finish.portable"; with matrices
                           "softmax_direct.16x16x16.f16.matrix" */
    const char *kernel; /* "softmax_direct" */
    fovea_tier tier;
    uint32_t tm, tn, tv;   /* micro-tile: rows, keys, columns; matrix: M, N, K; 0 where the kernel has none */
    fovea_dtype operand;   /* of matrices; else FOVEA_F32 */
    uint32_t needs;        /* fovea_matrix_feature bits that the device must have enabled */
    const char *source;    /* flattened GLSL, defines included, ready for a compiler */
    const uint32_t *words; /* SPIR-V for Vulkan 1.1, or 1.3 where it needs conversions */
    size_t word_count;
    const char *probe; /* least text that needs of a compiler what `source` needs; NULL: any compiler does */
} fv_module;

extern const fv_module fv_modules[];
extern const uint32_t fv_module_count;

/* Whether it is one of the matrix tier, for that shape and any device that has it. */
static inline bool fv_module_serves(const fv_module *module, const fovea_matrix_shape *shape)
{
    const bool any_shape = module->tm == 0; /* constants of the kernel say it */
    const bool same_shape = module->tm == shape->m && module->tn == shape->n && module->tv == shape->k;
    return module->tier == FOVEA_TIER_MATRIX && module->needs == 0 && module->operand == shape->operand &&
           (any_shape || same_shape);
}

#endif
