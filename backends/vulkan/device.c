/* Opens and closes a device: instance, physical device, logical device, functions, slots. */
#include "internal.h"

#include <string.h>

bool fv_vk_device_lost(const fv_device *base)
{
    const fv_vk_device *device = (const fv_vk_device *)base;
    return atomic_load(&device->lost);
}

fovea_status fv_vk_device_fail(fv_vk_device *device, VkResult result, const char *what)
{
    if (result == VK_ERROR_DEVICE_LOST)
        atomic_store(&device->lost, true);
    const fovea_status status = fv_vk_result_status(result);
    if (status == FOVEA_TIMEOUT)
        return fv_fail(device->base.host, status, "%s: the device was not done within %u ms", what, device->timeout_ms);
    return fv_fail(device->base.host, status, "%s: %s (%d)", what, fv_vk_result_name(result), result);
}

fovea_status fv_vk_device_check(fv_vk_device *device)
{
    if (atomic_load(&device->lost))
        return fv_fail(device->base.host, FOVEA_DEVICE_LOST, "the device was lost by an earlier call");
    return FOVEA_OK;
}

/* ---- the steps of open ----------------------------------------------------------------------- */

typedef struct open_request {
    const fovea_device_params *params;
    uint32_t index;
    fv_vk_reason reason; /* set by a step that fails */
} open_request;

static fovea_status open_instance(fv_vk_device *device, open_request *request)
{
    return fv_vk_instance_open(&device->instance, device->base.host, request->params->validation, &request->reason);
}

/* Takes usable device number `index`, in the order of enumerate. */
static fovea_status pick_physical(fv_vk_device *device, open_request *request)
{
    VkPhysicalDevice handles[FV_VK_PHYSICAL_MAX];
    uint32_t count, usable = 0;
    fv_vk_reason passed_over = {""};
    fovea_status status = fv_vk_physical_list(&device->instance, handles, &count, &request->reason);
    if (status != FOVEA_OK)
        return status;
    for (uint32_t i = 0; i < count; i++) {
        status = fv_vk_physical_query(&device->instance, handles[i], &device->physical, &passed_over);
        if (status == FOVEA_OK && usable++ == request->index) {
            const fovea_tier most = request->params->max_tier;
            fv_vk_matrices_choose(&device->physical, most == FOVEA_TIER_DEFAULT || most >= FOVEA_TIER_MATRIX);
            return FOVEA_OK;
        }
        if (status == FOVEA_UNSUPPORTED)
            fv_log(device->base.host, FOVEA_LOG_INFO, "vulkan: %s", passed_over.text);
        else if (status != FOVEA_OK)
            return fv_vk_reason_set(&request->reason, status, "%s", passed_over.text);
    }
    if (usable == 0 && passed_over.text[0])
        return fv_vk_reason_set(&request->reason, FOVEA_UNSUPPORTED, "%s", passed_over.text);
    return fv_vk_reason_set(&request->reason, FOVEA_NO_DEVICE, "number %u of %u usable devices", request->index,
                            usable);
}

/* Core features that GPU-assisted validation needs in order to report from inside shaders. */
static void ask_assisted_features(const VkPhysicalDeviceFeatures *have, VkPhysicalDeviceFeatures *ask)
{
    ask->fragmentStoresAndAtomics = have->fragmentStoresAndAtomics;
    ask->vertexPipelineStoresAndAtomics = have->vertexPipelineStoresAndAtomics;
    ask->shaderInt64 = have->shaderInt64;
}

/* Only what the query said to be there: the structures are passed back as they were filled. */
static void chain_features(fv_vk_physical *physical, bool assisted, VkPhysicalDeviceFeatures2 *features)
{
    void *const structures[] = {
        &physical->size_control, &physical->executables,  &physical->matrix,    &physical->float16,
        &physical->bfloat16,     &physical->memory_model, &physical->matrix_nv, assisted ? &physical->addresses : NULL,
    };
    if (assisted)
        ask_assisted_features(&physical->features, &features->features);
    for (size_t i = 0; i < sizeof structures / sizeof structures[0]; i++) {
        VkBaseOutStructure *structure = structures[i];
        if (!structure || structure->sType == 0)
            continue;
        structure->pNext = features->pNext;
        features->pNext = structure;
    }
}

static fovea_status create_logical(fv_vk_device *device, open_request *request)
{
    fv_vk_physical *physical = &device->physical;
    const bool assisted = request->params->validation >= 2;
    const float priority = 1.0f;
    const char *names[FV_VK_EXTENSION_COUNT];
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
    chain_features(physical, assisted, &features);
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = physical->queue_family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &features,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = fv_vk_physical_extensions(physical, names),
        .ppEnabledExtensionNames = names,
    };
    const VkResult result = device->instance.vk.CreateDevice(physical->handle, &info, NULL, &device->handle);
    if (result == VK_SUCCESS)
        return FOVEA_OK;
    device->handle = VK_NULL_HANDLE;
    return fv_vk_reason_set(&request->reason, fv_vk_result_status(result), "%s: vkCreateDevice: %s",
                            physical->properties.deviceName, fv_vk_result_name(result));
}

static const char *missing_function(fv_vk_device *device)
{
    const PFN_vkGetDeviceProcAddr get = device->instance.vk.GetDeviceProcAddr;
#define LOAD(name) device->vk.name = (PFN_vk##name)get(device->handle, "vk" #name);
#define LOAD_REQUIRED(name) \
    LOAD(name)              \
    if (!device->vk.name)   \
        return "vk" #name;
    FV_VK_DEVICE_OPTIONAL(LOAD)
    FV_VK_DEVICE_FUNCTIONS(LOAD_REQUIRED)
#undef LOAD_REQUIRED
#undef LOAD
    return NULL;
}

static fovea_status load_functions(fv_vk_device *device, open_request *request)
{
    const char *missing = missing_function(device);
    if (missing) {
        /* Without vkDestroyDevice the device cannot be given back. */
        if (!device->vk.DestroyDevice)
            device->handle = VK_NULL_HANDLE;
        return fv_vk_reason_set(&request->reason, FOVEA_INTERNAL, "the driver lacks %s", missing);
    }
    device->vk.GetDeviceQueue(device->handle, device->physical.queue_family, 0, &device->queue);
    return FOVEA_OK;
}

static fovea_status fill_caps(fv_vk_device *device, open_request *request)
{
    fv_caps *caps = &device->base.caps;
    fv_vk_caps_fill(&device->physical, request->index, caps);
    caps->pipeline_statistics = caps->pipeline_statistics && device->vk.GetPipelineExecutablePropertiesKHR &&
                                device->vk.GetPipelineExecutableStatisticsKHR;
    /* GPU-assisted validation takes pushed descriptors for uninitialised ones. */
    device->push_descriptors = device->vk.CmdPushDescriptorSetKHR && request->params->validation < 2 &&
                               device->physical.push.maxPushDescriptors >= FV_BINDINGS_MAX;
    return FOVEA_OK;
}

static fovea_status create_slots(fv_vk_device *device, open_request *request)
{
    const uint32_t wanted = request->params->slots;
    device->slot_count = wanted < FV_VK_SLOTS_MAX ? wanted : FV_VK_SLOTS_MAX;
    for (uint32_t i = 0; i < device->slot_count; i++) {
        const fovea_status status = fv_vk_list_create(device, &device->slots[i]);
        if (status != FOVEA_OK)
            return status;
    }
    return FOVEA_OK;
}

typedef fovea_status open_step(fv_vk_device *device, open_request *request);

/* In this order; fv_vk_device_close undoes as many as were done. */
static open_step *const open_steps[] = {open_instance,  pick_physical, create_logical,
                                        load_functions, fill_caps,     create_slots};

fovea_status fv_vk_device_open(fv_host *host, const fovea_device_params *params, uint32_t index, fv_device **out_device)
{
    open_request request = {.params = params, .index = index};
    *out_device = NULL;
    fv_vk_device *device = fv_alloc(host, 1, sizeof *device);
    if (!device)
        return fv_fail(host, FOVEA_OUT_OF_HOST_MEMORY, "vulkan:%u: no host memory for a device", index);
    device->base.backend = &fv_backend_vulkan;
    device->base.host = host;
    device->timeout_ms = params->timeout_ms;
    atomic_init(&device->lost, false);
    atomic_init(&device->pipelines_added, 0);
    pthread_mutex_init(&device->lock, NULL);
    pthread_mutex_init(&device->late_lock, NULL);
    for (size_t i = 0; i < sizeof open_steps / sizeof open_steps[0]; i++) {
        const fovea_status status = open_steps[i](device, &request);
        if (status == FOVEA_OK)
            continue;
        if (request.reason.text[0]) /* else the step has raised it */
            fv_fail(host, status, "vulkan:%u: %s", index, request.reason.text);
        fv_vk_device_close(&device->base);
        return status;
    }
    *out_device = &device->base;
    return FOVEA_OK;
}

/* ---- close ----------------------------------------------------------------------------------- */

/* Waits for all that is in flight. False: work is still running, so that nothing may be destroyed. */
static bool settle(fv_vk_device *device)
{
    const fovea_status slots = fv_vk_list_wait(device, device->slots, device->slot_count);
    const fovea_status late = fv_vk_late_reap(device, slots == FOVEA_OK);
    return (slots == FOVEA_OK && late == FOVEA_OK) || atomic_load(&device->lost);
}

static void destroy_logical(fv_vk_device *device)
{
    for (uint32_t i = 0; i < device->slot_count; i++)
        fv_vk_list_release(device, &device->slots[i]);
    if (device->stamps)
        device->vk.DestroyQueryPool(device->handle, device->stamps, NULL);
    if (device->pipelines)
        device->vk.DestroyPipelineCache(device->handle, device->pipelines, NULL);
    device->vk.DestroyDevice(device->handle, NULL);
}

void fv_vk_device_close(fv_device *base)
{
    fv_vk_device *device = (fv_vk_device *)base;
    fv_host *host = base->host;
    if (!device->handle || settle(device)) {
        if (device->handle)
            destroy_logical(device);
        fv_vk_instance_close(&device->instance);
    } else {
        /* To destroy what still runs would be undefined; to leave it is a leak, but a safe one. */
        fv_log(host, FOVEA_LOG_ERROR, "vulkan: the device still works after %u ms; it is left behind",
               device->timeout_ms);
        fv_vk_late_abandon(device);
        if (device->instance.messenger)
            device->instance.vk.DestroyDebugUtilsMessengerEXT(device->instance.handle, device->instance.messenger,
                                                              NULL);
    }
    pthread_mutex_destroy(&device->late_lock);
    pthread_mutex_destroy(&device->lock);
    fv_free(host, device);
}
