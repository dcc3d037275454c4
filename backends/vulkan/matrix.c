/* The device's matrix unit: which shapes it offers to kernels, and which features they need. */
#include "internal.h"

#include <string.h>

#define CALL "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR"

/* Kernels ask for full subgroups of one size, shuffle, vote and reduce in them, and are written for Vulkan's memory model, with
 * atomics on storage buffers, which have the device's scope. */
static bool can_run(const fv_vk_physical *physical)
{
    const VkSubgroupFeatureFlags operations =
        VK_SUBGROUP_FEATURE_SHUFFLE_BIT | VK_SUBGROUP_FEATURE_VOTE_BIT | VK_SUBGROUP_FEATURE_ARITHMETIC_BIT;
    const VkPhysicalDeviceSubgroupProperties *subgroup = &physical->subgroup;
    return (subgroup->supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) &&
           (subgroup->supportedOperations & operations) == operations && fv_vk_physical_sizes_subgroups(physical) &&
           physical->memory_model.vulkanMemoryModel && physical->memory_model.vulkanMemoryModelDeviceScope;
}

/* False: the component type is none that kernels multiply, or the device has no arithmetic on it. */
static bool operand_of(const fv_vk_physical *physical, VkComponentTypeKHR type, fovea_dtype *out_operand)
{
    if (!physical->float16.shaderFloat16) /* compilers ask for it where they meet either type in shared memory */
        return false;
    *out_operand = type == VK_COMPONENT_TYPE_FLOAT16_KHR ? FOVEA_F16 : FOVEA_BF16;
    return type == VK_COMPONENT_TYPE_FLOAT16_KHR ||
           (type == VK_COMPONENT_TYPE_BFLOAT16_KHR && physical->bfloat16.shaderBFloat16Type &&
            physical->bfloat16.shaderBFloat16CooperativeMatrix);
}

/* Keeps a row that kernels can use: a matrix of the subgroup, operands of 16 bits, sums of float32. */
static void keep(fv_vk_physical *physical, const VkCooperativeMatrixPropertiesKHR *row)
{
    fovea_matrix_shape shape = {.m = row->MSize, .n = row->NSize, .k = row->KSize};
    if (shape.m == 0 || shape.n == 0 || shape.k == 0 || row->scope != VK_SCOPE_SUBGROUP_KHR ||
        row->saturatingAccumulation || row->AType != row->BType || row->CType != VK_COMPONENT_TYPE_FLOAT32_KHR ||
        row->ResultType != VK_COMPONENT_TYPE_FLOAT32_KHR || !operand_of(physical, row->AType, &shape.operand))
        return;
    for (uint32_t i = 0; i < physical->matrix_count; i++)
        if (memcmp(&physical->matrices[i], &shape, sizeof shape) == 0)
            return;
    if (physical->matrix_count < FOVEA_MATRICES_MAX)
        physical->matrices[physical->matrix_count++] = shape;
}

static VkResult list_shapes(const fv_vk_instance *instance, fv_vk_physical *physical)
{
    const PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR get =
        instance->vk.GetPhysicalDeviceCooperativeMatrixPropertiesKHR;
    uint32_t count = 0;
    VkResult result = get(physical->handle, &count, NULL);
    if (result < 0 || count == 0)
        return result;
    VkCooperativeMatrixPropertiesKHR *rows = fv_alloc(instance->host, count, sizeof *rows);
    if (!rows)
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        rows[i].sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR;
    result = get(physical->handle, &count, rows); /* incomplete: those that were there are as good as any */
    for (uint32_t i = 0; i < count && result >= 0; i++)
        keep(physical, &rows[i]);
    fv_free(instance->host, rows);
    return result;
}

/* What a matrix unit offers besides, before anything of it is chosen. */
static uint32_t features_of(const fv_vk_physical *physical)
{
    const VkPhysicalDeviceCooperativeMatrix2FeaturesNV *nv = &physical->matrix_nv;
    const VkPhysicalDeviceCooperativeMatrixMaintenance1FeaturesEXT *ext = &physical->matrix_ext;
    const struct {
        VkBool32 there;
        fovea_matrix_feature feature;
    } rows[] = {
        {nv->cooperativeMatrixWorkgroupScope, FOVEA_MATRIX_NV_WORKGROUP_SCOPE},
        {nv->cooperativeMatrixFlexibleDimensions, FOVEA_MATRIX_NV_FLEXIBLE_DIMENSIONS},
        {nv->cooperativeMatrixReductions, FOVEA_MATRIX_NV_REDUCTIONS},
        {nv->cooperativeMatrixConversions, FOVEA_MATRIX_NV_CONVERSIONS},
        {nv->cooperativeMatrixPerElementOperations, FOVEA_MATRIX_NV_PER_ELEMENT},
        {nv->cooperativeMatrixTensorAddressing, FOVEA_MATRIX_NV_TENSOR_ADDRESSING},
        {nv->cooperativeMatrixBlockLoads, FOVEA_MATRIX_NV_BLOCK_LOADS},
        {ext->cooperativeMatrixProperties2, FOVEA_MATRIX_EXT_PROPERTIES_2},
        {ext->cooperativeMatrixReductions, FOVEA_MATRIX_EXT_REDUCTIONS},
        {ext->cooperativeMatrixConversions, FOVEA_MATRIX_EXT_CONVERSIONS},
        {ext->cooperativeMatrixPerElementOperations, FOVEA_MATRIX_EXT_PER_ELEMENT},
        {ext->cooperativeMatrixGetCoordinate, FOVEA_MATRIX_EXT_COORDINATES},
        {physical->matrix_qcom.cooperativeMatrixConversion, FOVEA_MATRIX_QCOM_CONVERSION},
    };
    uint32_t features = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        features |= rows[i].there ? (uint32_t)rows[i].feature : 0;
    return features;
}

fovea_status fv_vk_matrices_query(const fv_vk_instance *instance, fv_vk_physical *physical, fv_vk_reason *reason)
{
    const char *name = physical->properties.deviceName;
    const bool known =
        instance->vk.GetPhysicalDeviceCooperativeMatrixPropertiesKHR && physical->matrix.cooperativeMatrix;
    if (known && (physical->matrix_stages.cooperativeMatrixSupportedStages & VK_SHADER_STAGE_COMPUTE_BIT)) {
        const VkResult result = list_shapes(instance, physical);
        /* For want of memory it may succeed the next time, and two runs would differ. */
        if (result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY)
            return fv_vk_reason_set(reason, fv_vk_result_status(result), "%s: " CALL ": %s", name,
                                    fv_vk_result_name(result));
        if (result < 0)
            fv_log(instance->host, FOVEA_LOG_WARNING, "vulkan: %s: its matrix unit is not used: " CALL ": %s", name,
                   fv_vk_result_name(result));
    }
    physical->matrices_fit = physical->matrix_count > 0 && can_run(physical);
    physical->matrix_features = features_of(physical);
    fv_vk_matrices_choose(physical, true);
    return FOVEA_OK;
}

void fv_vk_matrices_choose(fv_vk_physical *physical, bool wanted)
{
    bool used[FOVEA_DTYPE_COUNT] = {false};
    physical->matrices_used = physical->matrices_fit && wanted;
    for (uint32_t i = 0; i < physical->matrix_count && physical->matrices_used; i++)
        used[physical->matrices[i].operand] = true;
    /* What kernels have no use for stays off, and so does an extension whose structure is empty. */
    physical->matrix.cooperativeMatrixRobustBufferAccess = VK_FALSE;
    physical->float16.shaderInt8 = VK_FALSE;
    physical->bfloat16.shaderBFloat16DotProduct = VK_FALSE;
    physical->memory_model.vulkanMemoryModelAvailabilityVisibilityChains = VK_FALSE;
    /* Kernels that convert are SPIR-V of Vulkan 1.3. */
    const bool converts = physical->matrices_used && physical->api_version >= VK_API_VERSION_1_3 &&
                          physical->matrix_nv.cooperativeMatrixConversions;
    const VkStructureType nv_type = physical->matrix_nv.sType;
    memset(&physical->matrix_nv, 0, sizeof physical->matrix_nv);
    if (converts) {
        physical->matrix_nv.sType = nv_type;
        physical->matrix_nv.cooperativeMatrixConversions = VK_TRUE;
    }
    if (!physical->matrices_used) {
        memset(&physical->matrix, 0, sizeof physical->matrix);
        memset(&physical->memory_model, 0, sizeof physical->memory_model);
    }
    if (!used[FOVEA_F16] && !used[FOVEA_BF16])
        memset(&physical->float16, 0, sizeof physical->float16);
    if (!used[FOVEA_BF16])
        memset(&physical->bfloat16, 0, sizeof physical->bfloat16);
}
