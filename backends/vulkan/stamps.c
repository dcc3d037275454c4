/* Time stamps: one query pool of the device, made when the first stamp is recorded. */
#include "internal.h"

/* A driver without hardware has no queries to give, hence no pool before one is asked for. */
VkResult fv_vk_stamps_ready(fv_vk_device *device, const fv_command *commands, uint32_t count)
{
    const VkQueryPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
        .queryType = VK_QUERY_TYPE_TIMESTAMP,
        .queryCount = FV_STAMPS_MAX,
    };
    bool wanted = false;
    for (uint32_t i = 0; i < count; i++)
        wanted |= commands[i].kind == FV_COMMAND_STAMP;
    if (!wanted)
        return VK_SUCCESS;
    VkResult result = VK_SUCCESS;
    pthread_mutex_lock(&device->lock);
    if (!device->stamps)
        result = device->vk.CreateQueryPool(device->handle, &info, NULL, &device->stamps);
    if (result != VK_SUCCESS)
        device->stamps = VK_NULL_HANDLE;
    pthread_mutex_unlock(&device->lock);
    return result;
}

/* Ticks since the first stamp that was read. Counters wrap: a stamp lies within half a turn of the newest one read. */
static double unwrap(fv_vk_device *device, uint64_t ticks, uint64_t mask)
{
    if (!device->stamps_begun)
        device->newest_ticks = ticks;
    device->stamps_begun = true;
    const uint64_t after = (ticks - device->newest_ticks) & mask;
    if (after > mask / 2)
        return device->newest - (double)((device->newest_ticks - ticks) & mask);
    device->newest += (double)after;
    device->newest_ticks = ticks;
    return device->newest;
}

fovea_status fv_vk_read_stamps(fv_device *base, uint32_t first, uint32_t count, double *out_seconds)
{
    fv_vk_device *device = (fv_vk_device *)base;
    const uint32_t bits = device->physical.stamp_bits;
    const uint64_t mask = bits < 64 ? (UINT64_C(1) << bits) - 1 : UINT64_MAX;
    uint64_t ticks[FV_STAMPS_MAX];
    fovea_status status;
    fv_try(fv_vk_device_check(device));
    fv_require(base->host, device->stamps, FOVEA_INVALID, "no time stamp was recorded");
    const VkResult result = device->vk.GetQueryPoolResults(device->handle, device->stamps, first, count, sizeof ticks,
                                                           ticks, sizeof ticks[0], VK_QUERY_RESULT_64_BIT);
    fv_require(base->host, result != VK_NOT_READY, FOVEA_TIMEOUT, "the work before time stamps %u to %u is not done",
               first, first + count - 1);
    if (result != VK_SUCCESS)
        return fv_vk_device_fail(device, result, "vkGetQueryPoolResults");
    for (uint32_t i = 0; i < count; i++)
        out_seconds[i] =
            1e-9 * device->physical.properties.limits.timestampPeriod * unwrap(device, ticks[i] & mask, mask);
fail:
    return status;
}
