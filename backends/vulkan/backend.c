/* The Vulkan backend's table of functions, and the list of the machine's devices. */
#include "internal.h"

/* Writes the usable devices of an open instance. */
static fovea_status list_devices(const fv_vk_instance *instance, fovea_device_info *infos, uint32_t room,
                                 uint32_t *count)
{
    VkPhysicalDevice handles[FV_VK_PHYSICAL_MAX];
    uint32_t handle_count;
    fv_vk_physical physical;
    fv_vk_reason reason;
    fv_caps caps;
    fovea_status status = fv_vk_physical_list(instance, handles, &handle_count, &reason);
    for (uint32_t i = 0; i < handle_count; i++) {
        status = fv_vk_physical_query(instance, handles[i], &physical, &reason);
        if (status == FOVEA_OUT_OF_HOST_MEMORY)
            break;
        if (status != FOVEA_OK) {
            fv_log(instance->host, FOVEA_LOG_INFO, "vulkan: passed over: %s", reason.text);
            continue;
        }
        if (*count < room) {
            fv_vk_caps_fill(&physical, *count, &caps);
            infos[*count] = caps.info;
        }
        ++*count;
    }
    if (status == FOVEA_OUT_OF_HOST_MEMORY)
        return fv_fail(instance->host, status, "vulkan: %s", reason.text);
    return FOVEA_OK;
}

static fovea_status enumerate(fv_host *host, fovea_device_info *infos, uint32_t room, uint32_t *count)
{
    fv_vk_instance instance = {0};
    fv_vk_reason reason = {""};
    *count = 0;
    fovea_status status = fv_vk_instance_open(&instance, host, 0, &reason);
    if (status == FOVEA_OUT_OF_HOST_MEMORY)
        return fv_fail(host, status, "vulkan: %s", reason.text);
    if (status != FOVEA_OK) {
        fv_log(host, FOVEA_LOG_INFO, "vulkan: %s", reason.text);
        return FOVEA_OK;
    }
    status = list_devices(&instance, infos, room, count);
    fv_vk_instance_close(&instance);
    return status;
}

const fv_backend fv_backend_vulkan = {
    .name = "vulkan",
    .modules = true,
    .enumerate = enumerate,
    .open = fv_vk_device_open,
    .close = fv_vk_device_close,
    .buffer_create = fv_vk_buffer_create,
    .buffer_destroy = fv_vk_buffer_destroy,
    .buffer_map = fv_vk_buffer_map,
    .buffer_unmap = fv_vk_buffer_unmap,
    .kernel_create = fv_vk_kernel_create,
    .kernel_destroy = fv_vk_kernel_destroy,
    .kernel_stats = fv_vk_kernel_stats,
    .record = fv_vk_record,
    .cut = fv_vk_cut,
    .submit = fv_vk_submit,
    .wait = fv_vk_wait,
    .execute = fv_vk_execute,
    .read_stamps = fv_vk_read_stamps,
    .lost = fv_vk_device_lost,
    .cache_load = fv_vk_cache_load,
    .cache_store = fv_vk_cache_store,
};
