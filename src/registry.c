/* The compiled-in backends: the one place in src/ that names them. */
#include "backend.h"

#ifdef FV_WITH_CPU
extern const fv_backend fv_backend_cpu;
#endif
#ifdef FV_WITH_VULKAN
extern const fv_backend fv_backend_vulkan;
#endif
#ifdef FV_WITH_EMULATOR
extern const fv_backend fv_backend_emulator;
#endif

const fv_backend *const fv_backends[] = {
#ifdef FV_WITH_CPU
    &fv_backend_cpu,
#endif
#ifdef FV_WITH_VULKAN
    &fv_backend_vulkan,
#endif
#ifdef FV_WITH_EMULATOR
    &fv_backend_emulator,
#endif
    NULL,
};

const uint32_t fv_backend_count = sizeof fv_backends / sizeof fv_backends[0] - 1;
