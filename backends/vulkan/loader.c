/* Finds the Vulkan loader at run time, so that a machine without it runs everything else. */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#if defined(_WIN32)
#include <windows.h>
#else
#include <dlfcn.h>
#endif

#if defined(_WIN32)

static const char *const library_names[] = {"vulkan-1.dll"};

static void *library_open(const char *name)
{
    return (void *)LoadLibraryA(name);
}

static void library_close(void *library)
{
    FreeLibrary((HMODULE)library);
}

static PFN_vkGetInstanceProcAddr library_entry(void *library)
{
    return (PFN_vkGetInstanceProcAddr)(void (*)(void))GetProcAddress((HMODULE)library, "vkGetInstanceProcAddr");
}

#else

#if defined(__APPLE__)
static const char *const library_names[] = {"libvulkan.1.dylib", "libvulkan.dylib", "libMoltenVK.dylib"};
#else
static const char *const library_names[] = {"libvulkan.so.1", "libvulkan.so"};
#endif

static void *library_open(const char *name)
{
    return dlopen(name, RTLD_NOW | RTLD_LOCAL);
}

static void library_close(void *library)
{
    dlclose(library);
}

static PFN_vkGetInstanceProcAddr library_entry(void *library)
{
    /* POSIX lets dlsym's pointer hold a function; C has no cast for it. */
    PFN_vkGetInstanceProcAddr entry = NULL;
    void *const symbol = dlsym(library, "vkGetInstanceProcAddr");
    memcpy(&entry, &symbol, sizeof entry);
    return entry;
}

#endif

fovea_status fv_vk_reason_set(fv_vk_reason *reason, fovea_status status, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(reason->text, sizeof reason->text, format, list);
    va_end(list);
    return status;
}

/* The name of the first missing function, or NULL. */
static const char *load_functions(fv_vk_loader *loader)
{
#define LOAD(name)                                                 \
    loader->vk.name = (PFN_vk##name)loader->get(NULL, "vk" #name); \
    if (!loader->vk.name)                                          \
        return "vk" #name;
    FV_VK_GLOBAL_FUNCTIONS(LOAD)
#undef LOAD
    return NULL;
}

fovea_status fv_vk_loader_open(fv_vk_loader *loader, fv_vk_reason *reason)
{
    const size_t name_count = sizeof library_names / sizeof library_names[0];
    for (size_t i = 0; i < name_count && !loader->library; i++)
        loader->library = library_open(library_names[i]);
    if (!loader->library)
        return fv_vk_reason_set(reason, FOVEA_NO_DEVICE, "no Vulkan loader: %s was not found", library_names[0]);
    loader->get = library_entry(loader->library);
    if (!loader->get)
        return fv_vk_reason_set(reason, FOVEA_NO_DEVICE, "the Vulkan loader lacks vkGetInstanceProcAddr");
    const char *missing = load_functions(loader);
    if (missing)
        return fv_vk_reason_set(reason, FOVEA_NO_DEVICE, "the Vulkan loader is older than 1.1: it lacks %s", missing);
    return FOVEA_OK;
}

void fv_vk_loader_close(fv_vk_loader *loader)
{
    if (loader->library)
        library_close(loader->library);
    loader->library = NULL;
}
