/* Buffers: one allocation each, mapped for all their life where the memory allows it. */
#include "internal.h"

#include <assert.h>

enum { ROUNDING = 16 };

static uint64_t min64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The largest buffer that the device makes at once. */
static uint64_t size_max(const fv_vk_physical *physical)
{
    const uint64_t allocation = physical->maintenance3.maxMemoryAllocationSize;
    return physical->maintenance4.maxBufferSize ? min64(allocation, physical->maintenance4.maxBufferSize) : allocation;
}

static fovea_status create_handle(fv_vk_device *device, fv_vk_buffer *buffer)
{
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = buffer->base.size,
        .usage =
            VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
        .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
    };
    const VkResult result = device->vk.CreateBuffer(device->handle, &info, NULL, &buffer->handle);
    if (result == VK_SUCCESS)
        return FOVEA_OK;
    buffer->handle = VK_NULL_HANDLE;
    return fv_vk_device_fail(device, result, "vkCreateBuffer");
}

static fovea_status bind_memory(fv_vk_device *device, fv_vk_buffer *buffer, fv_memory use)
{
    VkMemoryRequirements needs;
    device->vk.GetBufferMemoryRequirements(device->handle, buffer->handle, &needs);
    const fovea_status status = fv_vk_memory_create(device, &needs, use, &buffer->memory);
    if (status != FOVEA_OK)
        return status;
    buffer->base.mappable = buffer->memory.bytes != NULL;
    const VkResult result = device->vk.BindBufferMemory(device->handle, buffer->handle, buffer->memory.handle, 0);
    return result == VK_SUCCESS ? FOVEA_OK : fv_vk_device_fail(device, result, "vkBindBufferMemory");
}

fovea_status fv_vk_buffer_create(fv_device *base, uint64_t size, fv_memory memory, fv_buffer **out_buffer)
{
    fv_vk_device *device = (fv_vk_device *)base;
    fv_vk_buffer *buffer = NULL;
    fovea_status status;
    *out_buffer = NULL;
    fv_try(fv_vk_device_check(device));
    const uint64_t most = size_max(&device->physical);
    fv_require(base->host, most >= ROUNDING && size <= most - ROUNDING, FOVEA_UNSUPPORTED,
               "a buffer of %llu bytes: the device makes at most %llu at once", (unsigned long long)size,
               (unsigned long long)most);
    buffer = fv_alloc(base->host, 1, sizeof *buffer);
    fv_require(base->host, buffer, FOVEA_OUT_OF_HOST_MEMORY, "no host memory for a buffer");
    buffer->base.device = base;
    buffer->base.size = (size + ROUNDING - 1) / ROUNDING * ROUNDING;
    fv_try(create_handle(device, buffer));
    fv_try(bind_memory(device, buffer, memory));
    *out_buffer = &buffer->base;
    return FOVEA_OK;
fail:
    fv_vk_buffer_destroy(buffer ? &buffer->base : NULL);
    return status;
}

static void release(fv_vk_device *device, void *object)
{
    fv_vk_buffer *buffer = object;
    if (buffer->handle)
        device->vk.DestroyBuffer(device->handle, buffer->handle, NULL);
    fv_vk_memory_destroy(device, &buffer->memory);
    fv_free(device->base.host, buffer);
}

void fv_vk_buffer_destroy(fv_buffer *base)
{
    if (!base)
        return;
    fv_vk_buffer *buffer = (fv_vk_buffer *)base;
    buffer->doomed = (fv_vk_doomed){.object = buffer, .release = release};
    fv_vk_late_release((fv_vk_device *)base->device, &buffer->doomed);
}

fovea_status fv_vk_buffer_map(fv_buffer *base, uint64_t offset, uint64_t size, void **out_memory)
{
    fv_vk_buffer *buffer = (fv_vk_buffer *)base;
    fv_vk_device *device = (fv_vk_device *)base->device;
    assert(base->mappable && offset <= base->size && size <= base->size - offset);
    *out_memory = NULL;
    const fovea_status status = fv_vk_device_check(device);
    if (status != FOVEA_OK)
        return status;
    const VkResult result = fv_vk_memory_invalidate(device, &buffer->memory, offset, size);
    if (result != VK_SUCCESS)
        return fv_vk_device_fail(device, result, "vkInvalidateMappedMemoryRanges");
    *out_memory = buffer->memory.bytes + offset;
    return FOVEA_OK;
}

void fv_vk_buffer_unmap(fv_buffer *base, uint64_t offset, uint64_t size)
{
    fv_vk_buffer *buffer = (fv_vk_buffer *)base;
    fv_vk_device *device = (fv_vk_device *)base->device;
    const VkResult result = fv_vk_memory_flush(device, &buffer->memory, offset, size);
    if (result != VK_SUCCESS)
        fv_vk_device_fail(device, result, "vkFlushMappedMemoryRanges");
}
