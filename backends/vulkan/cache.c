/* The driver's own cache of pipelines: filled with what an earlier device gathered, read back, and read again.
 *
 * vkCreateComputePipelines and vkGetPipelineCacheData synchronise what they do to it; nothing here merges caches. */
#include "internal.h"

#include <string.h>

/* VkPipelineCacheHeaderVersionOne as bytes, the least significant first. */
enum { HEADER_SIZE = 0, HEADER_VERSION = 4, VENDOR = 8, DEVICE = 12, UUID = 16, HEADER_BYTES = 32 };

static uint32_t load(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* What a driver is to check by itself; not all have done so in every version. */
static bool is_own(const fv_vk_device *device, const unsigned char *data, size_t size)
{
    const VkPhysicalDeviceProperties *properties = &device->physical.properties;
    return size >= HEADER_BYTES && load(data + HEADER_SIZE) == HEADER_BYTES &&
           load(data + HEADER_VERSION) == VK_PIPELINE_CACHE_HEADER_VERSION_ONE &&
           load(data + VENDOR) == properties->vendorID && load(data + DEVICE) == properties->deviceID &&
           memcmp(data + UUID, properties->pipelineCacheUUID, VK_UUID_SIZE) == 0;
}

static bool create(fv_vk_device *device, const void *data, size_t size)
{
    const VkPipelineCacheCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
        .initialDataSize = size,
        .pInitialData = data,
    };
    const VkResult result = device->vk.CreatePipelineCache(device->handle, &info, NULL, &device->pipelines);
    if (result == VK_SUCCESS)
        return true;
    device->pipelines = VK_NULL_HANDLE;
    fv_log(device->base.host, FOVEA_LOG_WARNING, "vulkan: vkCreatePipelineCache with %zu bytes: %s", size,
           fv_vk_result_name(result));
    return false;
}

bool fv_vk_cache_load(fv_device *base, const void *data, size_t size)
{
    fv_vk_device *device = (fv_vk_device *)base;
    const bool own = size > 0 && is_own(device, data, size);
    if (size > 0 && !own)
        fv_log(base->host, FOVEA_LOG_WARNING, "vulkan: %zu bytes of pipelines are not this driver's; not used", size);
    if (own && create(device, data, size))
        return true;
    return create(device, NULL, 0) && size == 0;
}

static size_t refuse(const fv_vk_device *device, VkResult result)
{
    fv_log(device->base.host, FOVEA_LOG_WARNING, "vulkan: vkGetPipelineCacheData: %s", fv_vk_result_name(result));
    return 0;
}

size_t fv_vk_cache_store(fv_device *base, void *data, size_t room)
{
    fv_vk_device *device = (fv_vk_device *)base;
    const unsigned added = atomic_load(&device->pipelines_added);
    size_t size = 0;
    if (!device->pipelines || added == 0 || atomic_load(&device->lost))
        return 0;
    VkResult result = device->vk.GetPipelineCacheData(device->handle, device->pipelines, &size, NULL);
    if (result != VK_SUCCESS)
        return refuse(device, result);
    if (size == 0 || size > room)
        return size;
    size = room;
    result = device->vk.GetPipelineCacheData(device->handle, device->pipelines, &size, data);
    if (result == VK_INCOMPLETE && room < SIZE_MAX)
        return room + 1; /* another thread's kernel came in between */
    if (result != VK_SUCCESS)
        return refuse(device, result);
    atomic_fetch_sub(&device->pipelines_added, added);
    return size;
}
