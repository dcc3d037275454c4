/* A list's life: idle, open while commands are recorded, in flight until its fence says done. */
#include "internal.h"

#include <assert.h>

static VkResult make_part(fv_vk_device *device, fv_vk_list *list, uint32_t part)
{
    const VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = list->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    return device->vk.AllocateCommandBuffers(device->handle, &info, &list->parts[part]);
}

fovea_status fv_vk_list_create(fv_vk_device *device, fv_vk_list *list)
{
    const fv_vk_device_functions *vk = &device->vk;
    const VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT,
        .queueFamilyIndex = device->physical.queue_family,
    };
    *list = (fv_vk_list){.state = FV_VK_LIST_IDLE};
    fv_vk_sets_init(&list->sets, device);

    VkResult result = vk->CreateCommandPool(device->handle, &pool, NULL, &list->pool);
    if (result != VK_SUCCESS) {
        list->pool = VK_NULL_HANDLE;
        return fv_vk_device_fail(device, result, "vkCreateCommandPool");
    }
    result = make_part(device, list, 0);
    return result == VK_SUCCESS ? FOVEA_OK : fv_vk_device_fail(device, result, "vkAllocateCommandBuffers");
}

void fv_vk_list_release(fv_vk_device *device, fv_vk_list *list)
{
    if (list->fence)
        device->vk.DestroyFence(device->handle, list->fence, NULL);
    if (list->pool) {
        device->vk.DestroyCommandPool(device->handle, list->pool, NULL);
        fv_vk_sets_release(&list->sets);
    }
    *list = (fv_vk_list){.state = FV_VK_LIST_IDLE};
}

/* Makes the fence at the list's first use, so that a driver without hardware, which has none, still compiles
 * kernels and tells about them. */
static VkResult ready_fence(fv_vk_device *device, fv_vk_list *list)
{
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    if (list->fence)
        return device->vk.ResetFences(device->handle, 1, &list->fence);
    const VkResult result = device->vk.CreateFence(device->handle, &info, NULL, &list->fence);
    if (result != VK_SUCCESS)
        list->fence = VK_NULL_HANDLE;
    return result;
}

static VkResult begin_part(fv_vk_device *device, fv_vk_list *list, uint32_t part)
{
    const VkCommandBufferBeginInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };
    list->part = part;
    return device->vk.BeginCommandBuffer(list->parts[part], &info);
}

/* Every part ends with a barrier that shows its writes to the host; the barriers that its commands begin with order
 * it after earlier submissions of the queue. */
static VkResult end_part(fv_vk_device *device, fv_vk_list *list)
{
    fv_vk_record_end(&device->vk, list->parts[list->part]);
    return device->vk.EndCommandBuffer(list->parts[list->part]);
}

static fovea_status begin(fv_vk_device *device, fv_vk_list *list)
{
    const fv_vk_device_functions *vk = &device->vk;
    VkResult result = ready_fence(device, list);
    if (result != VK_SUCCESS)
        return fv_vk_device_fail(device, result, "vkCreateFence");
    result = vk->ResetCommandPool(device->handle, list->pool, 0);
    if (result != VK_SUCCESS)
        return fv_vk_device_fail(device, result, "vkResetCommandPool");
    result = fv_vk_sets_reset(&list->sets);
    if (result != VK_SUCCESS)
        return fv_vk_device_fail(device, result, "vkResetDescriptorPool");
    result = begin_part(device, list, 0);
    if (result != VK_SUCCESS)
        return fv_vk_device_fail(device, result, "vkBeginCommandBuffer");
    list->state = FV_VK_LIST_OPEN;
    list->broken = FOVEA_OK;
    return FOVEA_OK;
}

fovea_status fv_vk_list_record(fv_vk_device *device, fv_vk_list *list, const fv_command *commands, uint32_t count)
{
    assert(list->state != FV_VK_LIST_IN_FLIGHT);
    if (list->state == FV_VK_LIST_OPEN && list->broken != FOVEA_OK)
        return list->broken; /* until submit has dropped the list */
    if (list->state == FV_VK_LIST_IDLE) {
        const fovea_status status = begin(device, list);
        if (status != FOVEA_OK)
            return status;
    }
    VkResult result = fv_vk_stamps_ready(device, commands, count);
    if (result != VK_SUCCESS) /* nothing is half recorded */
        return fv_vk_device_fail(device, result, "vkCreateQueryPool");
    result = fv_vk_record_commands(&device->vk, list->parts[list->part], &list->sets, commands, count);
    if (result == VK_SUCCESS)
        return FOVEA_OK;
    list->broken = fv_vk_device_fail(device, result, "recording: descriptor sets");
    return list->broken;
}

fovea_status fv_vk_list_cut(fv_vk_device *device, fv_vk_list *list)
{
    if (list->state != FV_VK_LIST_OPEN || list->broken != FOVEA_OK || list->part + 1 == FV_VK_PARTS_MAX)
        return FOVEA_OK;
    VkResult result = end_part(device, list);
    if (result == VK_SUCCESS && !list->parts[list->part + 1])
        result = make_part(device, list, list->part + 1);
    if (result == VK_SUCCESS)
        result = begin_part(device, list, list->part + 1);
    if (result != VK_SUCCESS)
        list->broken = fv_vk_device_fail(device, result, "vkBeginCommandBuffer");
    return list->broken;
}

/* One submission a part: drivers may run the command buffers of one submission as one job. */
static VkResult submit_parts(fv_vk_device *device, const fv_vk_list *list)
{
    VkResult result = VK_SUCCESS;
    for (uint32_t part = 0; part <= list->part && result == VK_SUCCESS; part++) {
        const VkSubmitInfo info = {
            .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
            .commandBufferCount = 1,
            .pCommandBuffers = &list->parts[part],
        };
        const VkFence fence = part == list->part ? list->fence : VK_NULL_HANDLE;
        result = device->vk.QueueSubmit(device->queue, 1, &info, fence);
        if (result != VK_SUCCESS && part > 0)
            atomic_store(&device->lost, true); /* earlier parts run, and no fence tells when they end */
    }
    return result;
}

fovea_status fv_vk_list_send(fv_vk_device *device, fv_vk_list *list)
{
    assert(list->state == FV_VK_LIST_OPEN);
    list->state = FV_VK_LIST_IDLE; /* whatever fails from here on drops what was recorded */
    if (list->broken != FOVEA_OK)
        return fv_fail(device->base.host, list->broken,
                       "the commands recorded since the last submit were dropped: recording failed");
    VkResult result = end_part(device, list);
    if (result != VK_SUCCESS)
        return fv_vk_device_fail(device, result, "vkEndCommandBuffer");
    pthread_mutex_lock(&device->lock);
    result = submit_parts(device, list);
    pthread_mutex_unlock(&device->lock);
    if (result != VK_SUCCESS)
        return fv_vk_device_fail(device, result, "vkQueueSubmit");
    list->state = FV_VK_LIST_IN_FLIGHT;
    return FOVEA_OK;
}

fovea_status fv_vk_list_wait(fv_vk_device *device, fv_vk_list *lists, uint32_t count)
{
    VkFence fences[FV_VK_SLOTS_MAX];
    uint32_t fence_count = 0;
    assert(count <= FV_VK_SLOTS_MAX);
    for (uint32_t i = 0; i < count; i++)
        if (lists[i].state == FV_VK_LIST_IN_FLIGHT)
            fences[fence_count++] = lists[i].fence;
    if (fence_count == 0)
        return FOVEA_OK;
    const uint64_t timeout_ns = (uint64_t)device->timeout_ms * 1000000u;
    const VkResult result = device->vk.WaitForFences(device->handle, fence_count, fences, VK_TRUE, timeout_ns);
    if (result != VK_SUCCESS)
        return fv_vk_device_fail(device, result, "vkWaitForFences");
    for (uint32_t i = 0; i < count; i++)
        if (lists[i].state == FV_VK_LIST_IN_FLIGHT)
            lists[i].state = FV_VK_LIST_IDLE;
    return FOVEA_OK;
}

fovea_status fv_vk_list_poll(fv_vk_device *device, fv_vk_list *list)
{
    if (list->state != FV_VK_LIST_IN_FLIGHT)
        return FOVEA_OK;
    const VkResult result = device->vk.GetFenceStatus(device->handle, list->fence);
    if (result == VK_NOT_READY)
        return FOVEA_TIMEOUT;
    if (result != VK_SUCCESS)
        return fv_vk_device_fail(device, result, "vkGetFenceStatus");
    list->state = FV_VK_LIST_IDLE;
    return FOVEA_OK;
}
