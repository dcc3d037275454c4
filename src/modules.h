/* The kernel modules that were embedded at build time: the table that shaders/ generates. */
#ifndef FV_MODULES_H
#define FV_MODULES_H

#include <fovea/device.h>

#include <stddef.h>
#include <stdint.h>

/* A module is one kernel text compiled for one tier and one micro-tile shape. */
typedef struct fv_module {
    const char *name;   /* "softmax_direct.8x8x8.subgroup"; without a shape "softmax_finish.portable" */
    const char *kernel; /* "softmax_direct" */
    fovea_tier tier;
    uint32_t tm, tn, tv;   /* micro-tile: rows, keys, columns; 0 where the kernel has none */
    const char *source;    /* flattened GLSL, defines included, ready for a compiler */
    const uint32_t *words; /* SPIR-V for Vulkan 1.1 */
    size_t word_count;
} fv_module;

extern const fv_module fv_modules[];
extern const uint32_t fv_module_count;

#endif
