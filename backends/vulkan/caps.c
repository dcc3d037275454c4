/* A physical device in Fovea's words: info, limits, capabilities, and what is known to be wrong with drivers.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

/* ---- quirks ---------------------------------------------------------------------------------- */

/* Drivers that end an invocation, and report success, after a number of loop iterations over all its loops.
 * The version in driverInfo tells whether it was repaired; one that cannot be read was not. */
typedef struct loop_quirk {
    uint32_t driver_id;
    const char *version_prefix;
    uint32_t repaired_major, repaired_minor;
    uint32_t iterations;
} loop_quirk;

static const loop_quirk loop_quirks[] = {
    {VK_DRIVER_ID_MESA_LLVMPIPE, "Mesa ", 25, 0, 65535},
};

/* Reads "<prefix><major>.<minor>" anywhere in `text`. */
static bool read_version(const char *text, const char *prefix, uint32_t version[2])
{
    const char *at = strstr(text, prefix);
    if (!at)
        return false;
    at += strlen(prefix);
    for (int part = 0; part < 2; part++) {
        if (*at < '0' || *at > '9')
            return false;
        version[part] = 0;
        for (; *at >= '0' && *at <= '9' && version[part] < 100000; at++)
            version[part] = version[part] * 10 + (uint32_t)(*at - '0');
        if (part == 0 && *at++ != '.')
            return false;
    }
    return true;
}

static bool repaired(const loop_quirk *quirk, const char *driver_info)
{
    uint32_t version[2];
    if (!read_version(driver_info, quirk->version_prefix, version))
        return false;
    return version[0] > quirk->repaired_major ||
           (version[0] == quirk->repaired_major && version[1] >= quirk->repaired_minor);
}

static uint32_t loop_iterations(const fovea_device_info *info)
{
    for (size_t i = 0; i < sizeof loop_quirks / sizeof loop_quirks[0]; i++) {
        const loop_quirk *quirk = &loop_quirks[i];
        /* a software driver that does not name itself may be any of them */
        const bool unnamed = info->driver_id == 0 && info->kind == FOVEA_DEVICE_CPU;
        if ((info->driver_id == quirk->driver_id || unnamed) && !repaired(quirk, info->driver_info))
            return quirk->iterations;
    }
    return FOVEA_UNBOUNDED;
}

/* ---- device classes -------------------------------------------------------------------------- */

typedef struct device_class {
    VkPhysicalDeviceType type;
    fovea_device_kind kind;
    double flops_per_s; /* assumed until measured */
} device_class;

static const device_class classes[] = {
    {VK_PHYSICAL_DEVICE_TYPE_OTHER, FOVEA_DEVICE_OTHER, 1e11}, /* also what matches none below */
    {VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU, FOVEA_DEVICE_INTEGRATED, 3e11},
    {VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU, FOVEA_DEVICE_DISCRETE, 3e12},
    {VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU, FOVEA_DEVICE_VIRTUAL, 1e11},
    {VK_PHYSICAL_DEVICE_TYPE_CPU, FOVEA_DEVICE_CPU, 2e10},
};

static const device_class *class_of(VkPhysicalDeviceType type)
{
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (classes[i].type == type)
            return &classes[i];
    return &classes[0];
}

/* ---- filling --------------------------------------------------------------------------------- */

static uint32_t min32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t max32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static void fill_info(const fv_vk_physical *physical, uint32_t index, fovea_device_info *info)
{
    const VkPhysicalDeviceProperties *properties = &physical->properties;
    const bool named = fv_vk_physical_has(physical, FV_VK_DRIVER_PROPERTIES);
    snprintf(info->id, sizeof info->id, "vulkan:%u", index);
    snprintf(info->name, sizeof info->name, "%s", properties->deviceName);
    snprintf(info->driver, sizeof info->driver, "%.63s", named ? physical->driver.driverName : "unknown");
    snprintf(info->driver_info, sizeof info->driver_info, "%s", named ? physical->driver.driverInfo : "");
    info->kind = class_of(properties->deviceType)->kind;
    info->vendor_id = properties->vendorID;
    info->device_id = properties->deviceID;
    info->api_version = properties->apiVersion;
    info->driver_version = properties->driverVersion;
    info->driver_id = named ? (uint32_t)physical->driver.driverID : 0;
}

static uint32_t compute_units(const fv_vk_physical *physical)
{
    const VkPhysicalDeviceShaderCorePropertiesAMD *amd = &physical->cores_amd;
    if (physical->listed[FV_VK_CORES_AMD])
        return amd->shaderEngineCount * amd->shaderArraysPerEngineCount * amd->computeUnitsPerShaderArray;
    if (physical->listed[FV_VK_CORES_NV])
        return physical->cores_nv.shaderSMCount;
    if (physical->listed[FV_VK_CORES_ARM])
        return physical->cores_arm.shaderCoreCount;
    return 0;
}

static void fill_subgroup_sizes(const fv_vk_physical *physical, fovea_device_limits *limits)
{
    if (!(physical->subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT))
        return;
    limits->subgroup_size_min = limits->subgroup_size_max = physical->subgroup.subgroupSize;
    /* without control a driver may still choose any size of the range */
    if (fv_vk_physical_has(physical, FV_VK_SUBGROUP_SIZE_CONTROL) && physical->sizes.minSubgroupSize != 0) {
        limits->subgroup_size_min = physical->sizes.minSubgroupSize;
        limits->subgroup_size_max = physical->sizes.maxSubgroupSize;
    }
}

/* Every power of two of the range. */
static uint32_t askable_sizes(const fv_caps *caps)
{
    uint32_t sizes = 0;
    for (uint32_t size = 1; size != 0 && size <= caps->limits.subgroup_size_max && caps->subgroup_size_control;
         size *= 2)
        sizes |= size >= caps->limits.subgroup_size_min ? size : 0;
    return sizes;
}

static void fill_limits(const fv_vk_physical *physical, const fv_caps *caps, fovea_device_limits *limits)
{
    const VkPhysicalDeviceLimits *own = &physical->properties.limits;
    limits->shared_memory = own->maxComputeSharedMemorySize;
    limits->workgroup_invocations = own->maxComputeWorkGroupInvocations;
    limits->workgroup_size_x = own->maxComputeWorkGroupSize[0];
    limits->group_count_x = own->maxComputeWorkGroupCount[0];
    limits->group_count_y = own->maxComputeWorkGroupCount[1];
    limits->group_count_z = own->maxComputeWorkGroupCount[2];
    limits->storage_buffers = min32(own->maxPerStageResources, min32(own->maxPerStageDescriptorStorageBuffers,
                                                                     own->maxDescriptorSetStorageBuffers));
    limits->storage_offset_alignment = max32((uint32_t)own->minStorageBufferOffsetAlignment, 4);
    limits->storage_range = own->maxStorageBufferRange;
    limits->parameter_bytes = own->maxPushConstantsSize;
    limits->loop_iterations = loop_iterations(&caps->info);
    limits->compute_units = compute_units(physical);
    fill_subgroup_sizes(physical, limits);
}

static void fill_matrices(const fv_vk_physical *physical, fv_caps *caps)
{
    const size_t size = physical->matrix_count * sizeof physical->matrices[0];
    memcpy(caps->info.matrices, physical->matrices, size);
    caps->info.matrix_count = physical->matrix_count;
    caps->info.matrix_features = physical->matrix_features;
    if (physical->matrices_used) {
        memcpy(caps->matrices, physical->matrices, size);
        caps->matrix_count = physical->matrix_count;
        caps->matrix_features = physical->matrix_nv.cooperativeMatrixConversions ? FOVEA_MATRIX_NV_CONVERSIONS : 0;
    }
    if (physical->matrices_fit)
        caps->info.tier = FOVEA_TIER_MATRIX;
}

static void fill_identity(const fv_vk_physical *physical, fv_caps *caps)
{
    const uint8_t *const parts[] = {physical->properties.pipelineCacheUUID, physical->ids.driverUUID,
                                    physical->ids.deviceUUID};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        memcpy(caps->identity + i * VK_UUID_SIZE, parts[i], VK_UUID_SIZE);
}

void fv_vk_caps_fill(const fv_vk_physical *physical, uint32_t index, fv_caps *caps)
{
    const VkPhysicalDeviceSubgroupProperties *subgroup = &physical->subgroup;
    *caps = (fv_caps){.assumed_flops_per_s = class_of(physical->properties.deviceType)->flops_per_s};
    fill_info(physical, index, &caps->info);
    fill_identity(physical, caps);
    caps->subgroup_shuffle = (subgroup->supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) &&
                             (subgroup->supportedOperations & VK_SUBGROUP_FEATURE_SHUFFLE_BIT);
    caps->subgroup_size_control = fv_vk_physical_sizes_subgroups(physical);
    caps->nan_preserved =
        fv_vk_physical_has(physical, FV_VK_FLOAT_CONTROLS) && physical->floats.shaderSignedZeroInfNanPreserveFloat32;
    caps->stamps = physical->stamp_bits > 0;
    caps->pipeline_statistics = physical->executables.pipelineExecutableInfo;
    fill_limits(physical, caps, &caps->limits);
    const bool subgroups = caps->subgroup_shuffle && caps->limits.subgroup_size_min != 0;
    caps->info.tier = subgroups ? FOVEA_TIER_SUBGROUP : FOVEA_TIER_PORTABLE;
    caps->subgroup_sizes = askable_sizes(caps);
    caps->subgroup_size = subgroup->subgroupSize;
    fill_matrices(physical, caps);
}
