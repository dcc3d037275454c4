/* What a physical device is: its extensions, properties, features and the queue family to use. */
#include "internal.h"

#include <stddef.h>
#include <string.h>

typedef struct extension_row {
    const char *name;
    uint32_t core;  /* the version that took it in; 0: none */
    bool enable;    /* at device creation, while it is not core; else it only tells properties */
    size_t feature; /* the member of fv_vk_physical without which it is not enabled; 0: none */
} extension_row;

#define FEATURE(member) offsetof(fv_vk_physical, member)

static const extension_row extension_rows[FV_VK_EXTENSION_COUNT] = {
    [FV_VK_PUSH_DESCRIPTOR] = {VK_KHR_PUSH_DESCRIPTOR_EXTENSION_NAME, 0, true},
    [FV_VK_SUBGROUP_SIZE_CONTROL] = {VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME, VK_API_VERSION_1_3, true},
    [FV_VK_FLOAT_CONTROLS] = {VK_KHR_SHADER_FLOAT_CONTROLS_EXTENSION_NAME, VK_API_VERSION_1_2, true},
    [FV_VK_DRIVER_PROPERTIES] = {VK_KHR_DRIVER_PROPERTIES_EXTENSION_NAME, VK_API_VERSION_1_2, false},
    [FV_VK_MAINTENANCE4] = {VK_KHR_MAINTENANCE_4_EXTENSION_NAME, VK_API_VERSION_1_3, false},
    [FV_VK_EXECUTABLE_PROPERTIES] = {VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME, 0, true},
    /* must be enabled where it is listed; its name is in vulkan_beta.h */
    [FV_VK_PORTABILITY_SUBSET] = {"VK_KHR_portability_subset", 0, true},
    [FV_VK_CORES_AMD] = {VK_AMD_SHADER_CORE_PROPERTIES_EXTENSION_NAME, 0, false},
    [FV_VK_CORES_NV] = {VK_NV_SHADER_SM_BUILTINS_EXTENSION_NAME, 0, false},
    [FV_VK_CORES_ARM] = {VK_ARM_SHADER_CORE_BUILTINS_EXTENSION_NAME, 0, false},
    [FV_VK_COOPERATIVE_MATRIX] = {VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME, 0, true, FEATURE(matrix)},
    [FV_VK_FLOAT16_INT8] = {VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME, VK_API_VERSION_1_2, true, FEATURE(float16)},
    [FV_VK_BFLOAT16] = {VK_KHR_SHADER_BFLOAT16_EXTENSION_NAME, 0, true, FEATURE(bfloat16)},
    [FV_VK_MEMORY_MODEL] = {VK_KHR_VULKAN_MEMORY_MODEL_EXTENSION_NAME, VK_API_VERSION_1_2, true, FEATURE(memory_model)},
    [FV_VK_MATRIX_NV] = {VK_NV_COOPERATIVE_MATRIX_2_EXTENSION_NAME, 0, true, FEATURE(matrix_nv)},
    [FV_VK_MATRIX_EXT] = {VK_EXT_COOPERATIVE_MATRIX_MAINTENANCE_1_EXTENSION_NAME, 0, false},
    [FV_VK_MATRIX_QCOM] = {VK_QCOM_COOPERATIVE_MATRIX_CONVERSION_EXTENSION_NAME, 0, false},
};

#undef FEATURE

bool fv_vk_physical_has(const fv_vk_physical *physical, fv_vk_extension extension)
{
    const uint32_t core = extension_rows[extension].core;
    return physical->listed[extension] || (core != 0 && physical->api_version >= core);
}

bool fv_vk_physical_sizes_subgroups(const fv_vk_physical *physical)
{
    return physical->size_control.subgroupSizeControl && physical->size_control.computeFullSubgroups &&
           (physical->sizes.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT);
}

uint32_t fv_vk_physical_extensions(const fv_vk_physical *physical, const char *names[FV_VK_EXTENSION_COUNT])
{
    uint32_t count = 0;
    for (int i = 0; i < FV_VK_EXTENSION_COUNT; i++) {
        const extension_row *row = &extension_rows[i];
        const bool core = row->core != 0 && physical->api_version >= row->core;
        const VkBaseOutStructure *feature = (const void *)((const char *)physical + row->feature);
        const bool wanted = row->enable && (row->feature == 0 || feature->sType != 0);
        if (wanted && physical->listed[i] && !core)
            names[count++] = row->name;
    }
    return count;
}

static VkResult list_extensions(const fv_vk_instance *instance, fv_vk_physical *physical)
{
    const PFN_vkEnumerateDeviceExtensionProperties enumerate = instance->vk.EnumerateDeviceExtensionProperties;
    uint32_t count = 0;
    VkResult result = enumerate(physical->handle, NULL, &count, NULL);
    if (result != VK_SUCCESS || count == 0)
        return result;
    VkExtensionProperties *list = fv_alloc(instance->host, count, sizeof *list);
    if (!list)
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    result = enumerate(physical->handle, NULL, &count, list);
    for (uint32_t i = 0; i < count && result >= 0; i++)
        for (int e = 0; e < FV_VK_EXTENSION_COUNT; e++)
            if (strcmp(list[i].extensionName, extension_rows[e].name) == 0)
                physical->listed[e] = true;
    fv_free(instance->host, list);
    return result == VK_INCOMPLETE ? VK_SUCCESS : result;
}

/* A structure that may be chained into a query, and what must be there for it. */
typedef struct link {
    void *structure;
    VkStructureType type;
    int extension; /* fv_vk_extension; -1: part of 1.1 */
} link;

/* Chains the structures that the device knows, the last row first. Returns the head. */
static void *chain(const fv_vk_physical *physical, const link *links, size_t count)
{
    VkBaseOutStructure *head = NULL;
    for (size_t i = 0; i < count; i++) {
        if (links[i].extension >= 0 && !fv_vk_physical_has(physical, (fv_vk_extension)links[i].extension))
            continue;
        VkBaseOutStructure *structure = links[i].structure;
        structure->sType = links[i].type;
        structure->pNext = head;
        head = structure;
    }
    return head;
}

#define LINK(member, type, extension)                                          \
    {                                                                          \
        &physical->member, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_##type, extension \
    }

static void query_properties(const fv_vk_instance *instance, fv_vk_physical *physical)
{
    const link links[] = {
        LINK(ids, ID_PROPERTIES, -1),
        LINK(subgroup, SUBGROUP_PROPERTIES, -1),
        LINK(maintenance3, MAINTENANCE_3_PROPERTIES, -1),
        LINK(maintenance4, MAINTENANCE_4_PROPERTIES, FV_VK_MAINTENANCE4),
        LINK(driver, DRIVER_PROPERTIES, FV_VK_DRIVER_PROPERTIES),
        LINK(floats, FLOAT_CONTROLS_PROPERTIES, FV_VK_FLOAT_CONTROLS),
        LINK(sizes, SUBGROUP_SIZE_CONTROL_PROPERTIES, FV_VK_SUBGROUP_SIZE_CONTROL),
        LINK(push, PUSH_DESCRIPTOR_PROPERTIES_KHR, FV_VK_PUSH_DESCRIPTOR),
        LINK(cores_amd, SHADER_CORE_PROPERTIES_AMD, FV_VK_CORES_AMD),
        LINK(cores_nv, SHADER_SM_BUILTINS_PROPERTIES_NV, FV_VK_CORES_NV),
        LINK(cores_arm, SHADER_CORE_BUILTINS_PROPERTIES_ARM, FV_VK_CORES_ARM),
        LINK(matrix_stages, COOPERATIVE_MATRIX_PROPERTIES_KHR, FV_VK_COOPERATIVE_MATRIX),
    };
    VkPhysicalDeviceProperties2 all = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = chain(physical, links, sizeof links / sizeof links[0]),
    };
    instance->vk.GetPhysicalDeviceProperties2(physical->handle, &all);
    physical->properties = all.properties;
}

static void query_features(const fv_vk_instance *instance, fv_vk_physical *physical)
{
    const link links[] = {
        LINK(size_control, SUBGROUP_SIZE_CONTROL_FEATURES, FV_VK_SUBGROUP_SIZE_CONTROL),
        LINK(executables, PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR, FV_VK_EXECUTABLE_PROPERTIES),
        LINK(matrix, COOPERATIVE_MATRIX_FEATURES_KHR, FV_VK_COOPERATIVE_MATRIX),
        LINK(float16, SHADER_FLOAT16_INT8_FEATURES, FV_VK_FLOAT16_INT8),
        LINK(bfloat16, SHADER_BFLOAT16_FEATURES_KHR, FV_VK_BFLOAT16),
        LINK(memory_model, VULKAN_MEMORY_MODEL_FEATURES, FV_VK_MEMORY_MODEL),
        LINK(matrix_nv, COOPERATIVE_MATRIX_2_FEATURES_NV, FV_VK_MATRIX_NV),
        LINK(matrix_ext, COOPERATIVE_MATRIX_MAINTENANCE_1_FEATURES_EXT, FV_VK_MATRIX_EXT),
        LINK(matrix_qcom, COOPERATIVE_MATRIX_CONVERSION_FEATURES_QCOM, FV_VK_MATRIX_QCOM),
        LINK(addresses, BUFFER_DEVICE_ADDRESS_FEATURES, -1),
    };
    /* buffer device addresses, the last row, are of use to the validation layer alone: core or nothing */
    const size_t count = sizeof links / sizeof links[0] - (physical->api_version < VK_API_VERSION_1_2);
    VkPhysicalDeviceFeatures2 all = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
        .pNext = chain(physical, links, count),
    };
    instance->vk.GetPhysicalDeviceFeatures2(physical->handle, &all);
    physical->features = all.features;
}

/* A compute family that does no graphics does not wait for the desktop's frames; else any that computes. */
static bool pick_queue_family(const fv_vk_instance *instance, fv_vk_physical *physical)
{
    VkQueueFamilyProperties families[32];
    uint32_t count = sizeof families / sizeof families[0];
    bool found = false;
    instance->vk.GetPhysicalDeviceQueueFamilyProperties(physical->handle, &count, families);
    for (uint32_t i = 0; i < count; i++) {
        const VkQueueFlags flags = families[i].queueFlags;
        if (!(flags & VK_QUEUE_COMPUTE_BIT) || families[i].queueCount == 0)
            continue;
        if (found && (flags & VK_QUEUE_GRAPHICS_BIT))
            continue;
        physical->queue_family = i;
        physical->stamp_bits = families[i].timestampValidBits;
        if (!(flags & VK_QUEUE_GRAPHICS_BIT))
            return true;
        found = true;
    }
    return found;
}

fovea_status fv_vk_physical_query(const fv_vk_instance *instance, VkPhysicalDevice handle, fv_vk_physical *physical,
                                  fv_vk_reason *reason)
{
    *physical = (fv_vk_physical){.handle = handle};
    VkPhysicalDeviceProperties plain;
    instance->vk.GetPhysicalDeviceProperties(handle, &plain);
    if (plain.apiVersion < VK_API_VERSION_1_1)
        return fv_vk_reason_set(reason, FOVEA_UNSUPPORTED, "%s has Vulkan %u.%u; 1.1 is needed", plain.deviceName,
                                VK_API_VERSION_MAJOR(plain.apiVersion), VK_API_VERSION_MINOR(plain.apiVersion));
    physical->api_version = plain.apiVersion < instance->api_version ? plain.apiVersion : instance->api_version;
    if (!pick_queue_family(instance, physical))
        return fv_vk_reason_set(reason, FOVEA_UNSUPPORTED, "%s has no compute queue", plain.deviceName);
    const VkResult result = list_extensions(instance, physical);
    if (result != VK_SUCCESS)
        return fv_vk_reason_set(reason, fv_vk_result_status(result), "%s: vkEnumerateDeviceExtensionProperties: %s",
                                plain.deviceName, fv_vk_result_name(result));
    instance->vk.GetPhysicalDeviceMemoryProperties(handle, &physical->memory);
    query_properties(instance, physical);
    query_features(instance, physical);
    return fv_vk_matrices_query(instance, physical, reason);
}

fovea_status fv_vk_physical_list(const fv_vk_instance *instance, VkPhysicalDevice *handles, uint32_t *count,
                                 fv_vk_reason *reason)
{
    *count = FV_VK_PHYSICAL_MAX;
    const VkResult result = instance->vk.EnumeratePhysicalDevices(instance->handle, count, handles);
    if (result == VK_SUCCESS || result == VK_INCOMPLETE)
        return FOVEA_OK;
    *count = 0;
    return fv_vk_reason_set(reason, fv_vk_result_status(result), "vkEnumeratePhysicalDevices: %s",
                            fv_vk_result_name(result));
}
