/* The one seam to a GLSL compiler. */
#ifndef FV_COMPILE_H
#define FV_COMPILE_H

#include "util/host.h"

#include <stdbool.h>

/* Compiles a flattened GLSL text to SPIR-V for Vulkan 1.1. *out_words is released with fv_free.
 * UNSUPPORTED in a build without a compiler; COMPILE_FAILED with the compiler's message. */
fovea_status fv_compile(fv_host *host, const char *name, const char *source, uint32_t **out_words,
                        size_t *out_word_count);

/* Whether the compiler knows what a text needs: whether it compiles that least one of its kind. Raises no error. */
bool fv_compile_knows(const char *probe);

#endif
