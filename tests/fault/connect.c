#include "fault.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* POSIX lets dlsym's pointer hold a function; C has no cast for it. */
static bool find(void *library, const char *name, void *out_function)
{
    void *const symbol = dlsym(library, name);
    memcpy(out_function, &symbol, sizeof symbol);
    return symbol != NULL;
}

bool fault_connect(fault_control *control)
{
    const char *path = getenv("FOVEA_TEST_FAULT_LAYER");
    const char *layers = getenv("VK_INSTANCE_LAYERS");
    if (!path || !layers || !strstr(layers, "VK_LAYER_FOVEA_fault"))
        return false;
    /* The Vulkan loader gets the same library, by the same path, and this handle keeps it loaded. */
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    return library && find(library, "fault_arm", &control->arm) && find(library, "fault_disarm", &control->disarm) &&
           find(library, "fault_fired", &control->fired) && find(library, "fault_calls", &control->calls) &&
           find(library, "fault_cached", &control->cached) && find(library, "fault_live", &control->live) &&
           find(library, "fault_stall", &control->stall) && find(library, "fault_garble", &control->garble) &&
           find(library, "fault_hide_coherent", &control->hide_coherent);
}
