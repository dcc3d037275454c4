/* Vulkan's results: their names, and the status that each one means to a caller. */
#include "internal.h"

typedef struct result_row {
    VkResult result;
    fovea_status status;
    const char *name;
} result_row;

#define ROW(name, status)   \
    {                       \
        name, status, #name \
    }

static const result_row rows[] = {
    ROW(VK_SUCCESS, FOVEA_OK),
    ROW(VK_NOT_READY, FOVEA_TIMEOUT),
    ROW(VK_TIMEOUT, FOVEA_TIMEOUT),
    ROW(VK_INCOMPLETE, FOVEA_INTERNAL),
    ROW(VK_ERROR_OUT_OF_HOST_MEMORY, FOVEA_OUT_OF_HOST_MEMORY),
    ROW(VK_ERROR_OUT_OF_DEVICE_MEMORY, FOVEA_OUT_OF_DEVICE_MEMORY),
    ROW(VK_ERROR_INITIALIZATION_FAILED, FOVEA_NO_DEVICE),
    ROW(VK_ERROR_DEVICE_LOST, FOVEA_DEVICE_LOST),
    ROW(VK_ERROR_MEMORY_MAP_FAILED, FOVEA_OUT_OF_HOST_MEMORY),
    ROW(VK_ERROR_LAYER_NOT_PRESENT, FOVEA_UNSUPPORTED),
    ROW(VK_ERROR_EXTENSION_NOT_PRESENT, FOVEA_UNSUPPORTED),
    ROW(VK_ERROR_FEATURE_NOT_PRESENT, FOVEA_UNSUPPORTED),
    ROW(VK_ERROR_INCOMPATIBLE_DRIVER, FOVEA_NO_DEVICE),
    ROW(VK_ERROR_TOO_MANY_OBJECTS, FOVEA_OUT_OF_DEVICE_MEMORY),
    ROW(VK_ERROR_FORMAT_NOT_SUPPORTED, FOVEA_INTERNAL),
    ROW(VK_ERROR_FRAGMENTED_POOL, FOVEA_OUT_OF_DEVICE_MEMORY),
    ROW(VK_ERROR_UNKNOWN, FOVEA_INTERNAL),
    ROW(VK_ERROR_OUT_OF_POOL_MEMORY, FOVEA_OUT_OF_DEVICE_MEMORY),
    ROW(VK_ERROR_INVALID_EXTERNAL_HANDLE, FOVEA_INTERNAL),
    ROW(VK_ERROR_FRAGMENTATION, FOVEA_OUT_OF_DEVICE_MEMORY),
    ROW(VK_ERROR_INVALID_SHADER_NV, FOVEA_COMPILE_FAILED),
    ROW(VK_ERROR_VALIDATION_FAILED_EXT, FOVEA_INTERNAL),
    ROW(VK_PIPELINE_COMPILE_REQUIRED, FOVEA_COMPILE_FAILED),
};

#undef ROW

static const result_row *find(VkResult result)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].result == result)
            return &rows[i];
    return NULL;
}

const char *fv_vk_result_name(VkResult result)
{
    const result_row *row = find(result);
    return row ? row->name : "an unknown VkResult";
}

fovea_status fv_vk_result_status(VkResult result)
{
    const result_row *row = find(result);
    return row ? row->status : FOVEA_INTERNAL;
}
