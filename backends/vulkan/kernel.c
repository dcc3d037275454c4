/* Kernels: a compute pipeline with its layouts, made in named steps from a kernel descriptor. */
#include "internal.h"

#include <assert.h>

typedef struct kernel_request {
    const fv_kernel_desc *desc;
    bool sized; /* the subgroup size is asked for */
    VkShaderModule module;
} kernel_request;

/* A failure of a driver's compiler is COMPILE_FAILED, unless it ran out of memory or the device was lost. */
static fovea_status refuse(fv_vk_device *device, VkResult result, const char *call, const fv_kernel_desc *desc)
{
    const fovea_status status = fv_vk_result_status(result);
    if (status == FOVEA_OUT_OF_HOST_MEMORY || status == FOVEA_OUT_OF_DEVICE_MEMORY || status == FOVEA_DEVICE_LOST)
        return fv_vk_device_fail(device, result, call);
    return fv_fail(device->base.host, FOVEA_COMPILE_FAILED, "kernel %s: %s: %s", desc->module, call,
                   result == VK_SUCCESS ? "success, but no handle" : fv_vk_result_name(result));
}

/* A required subgroup size needs size control, or a device that has that size alone. */
static fovea_status check_subgroups(fv_vk_device *device, kernel_request *request)
{
    const fv_kernel_desc *desc = request->desc;
    const fovea_device_limits *limits = &device->base.caps.limits;
    const uint32_t size = desc->subgroup_size;
    fovea_status status = FOVEA_OK;
    if (size == 0)
        return FOVEA_OK;
    fv_require(device->base.host, size >= limits->subgroup_size_min && size <= limits->subgroup_size_max,
               FOVEA_UNSUPPORTED, "kernel %s: subgroups of %u; the device has %u to %u", desc->module, size,
               limits->subgroup_size_min, limits->subgroup_size_max);
    fv_require(device->base.host, desc->invocations % size == 0, FOVEA_UNSUPPORTED,
               "kernel %s: %u invocations are not whole subgroups of %u", desc->module, desc->invocations, size);
    request->sized = device->base.caps.subgroup_size_control;
    if (request->sized)
        fv_require(device->base.host, desc->invocations / size <= device->physical.sizes.maxComputeWorkgroupSubgroups,
                   FOVEA_UNSUPPORTED, "kernel %s: %u subgroups in a workgroup; the device has at most %u", desc->module,
                   desc->invocations / size, device->physical.sizes.maxComputeWorkgroupSubgroups);
    else
        fv_require(device->base.host, limits->subgroup_size_min == limits->subgroup_size_max, FOVEA_UNSUPPORTED,
                   "kernel %s: subgroups of %u cannot be asked for on this device", desc->module, size);
fail:
    return status;
}

static fovea_status create_module(fv_vk_device *device, fv_vk_kernel *kernel, kernel_request *request)
{
    (void)kernel;
    const VkShaderModuleCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = request->desc->word_count * sizeof(uint32_t),
        .pCode = request->desc->words,
    };
    const VkResult result = device->vk.CreateShaderModule(device->handle, &info, NULL, &request->module);
    if (result == VK_SUCCESS && request->module)
        return FOVEA_OK;
    request->module = VK_NULL_HANDLE;
    return refuse(device, result, "vkCreateShaderModule", request->desc);
}

static fovea_status create_set_layout(fv_vk_device *device, fv_vk_kernel *kernel, kernel_request *request)
{
    VkDescriptorSetLayoutBinding bindings[FV_BINDINGS_MAX];
    for (uint32_t i = 0; i < request->desc->binding_count; i++)
        bindings[i] = (VkDescriptorSetLayoutBinding){
            .binding = i,
            .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
            .descriptorCount = 1,
            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
        };
    const VkDescriptorSetLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .flags = device->push_descriptors ? VK_DESCRIPTOR_SET_LAYOUT_CREATE_PUSH_DESCRIPTOR_BIT_KHR : 0,
        .bindingCount = request->desc->binding_count,
        .pBindings = bindings,
    };
    const VkResult result = device->vk.CreateDescriptorSetLayout(device->handle, &info, NULL, &kernel->set_layout);
    if (result == VK_SUCCESS)
        return FOVEA_OK;
    kernel->set_layout = VK_NULL_HANDLE;
    return fv_vk_device_fail(device, result, "vkCreateDescriptorSetLayout");
}

static fovea_status create_layout(fv_vk_device *device, fv_vk_kernel *kernel, kernel_request *request)
{
    const VkPushConstantRange range = {VK_SHADER_STAGE_COMPUTE_BIT, 0, request->desc->parameter_bytes};
    const VkPipelineLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = 1,
        .pSetLayouts = &kernel->set_layout,
        .pushConstantRangeCount = range.size != 0,
        .pPushConstantRanges = &range,
    };
    const VkResult result = device->vk.CreatePipelineLayout(device->handle, &info, NULL, &kernel->layout);
    if (result == VK_SUCCESS)
        return FOVEA_OK;
    kernel->layout = VK_NULL_HANDLE;
    return fv_vk_device_fail(device, result, "vkCreatePipelineLayout");
}

static fovea_status create_pipeline(fv_vk_device *device, fv_vk_kernel *kernel, kernel_request *request)
{
    const fv_kernel_desc *desc = request->desc;
    VkSpecializationMapEntry entries[FV_CONSTANTS_MAX];
    for (uint32_t i = 0; i < desc->constant_count; i++)
        entries[i] = (VkSpecializationMapEntry){i, i * (uint32_t)sizeof(uint32_t), sizeof(uint32_t)};
    const VkSpecializationInfo constants = {
        .mapEntryCount = desc->constant_count,
        .pMapEntries = entries,
        .dataSize = desc->constant_count * sizeof(uint32_t),
        .pData = desc->constants,
    };
    VkPipelineShaderStageRequiredSubgroupSizeCreateInfo size = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO,
        .requiredSubgroupSize = desc->subgroup_size,
    };
    const bool statistics = device->base.caps.pipeline_statistics;
    const VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .flags = statistics ? VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR : 0,
        .stage =
            {
                .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                .pNext = request->sized ? &size : NULL,
                .flags = request->sized ? VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT : 0,
                .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                .module = request->module,
                .pName = "main",
                .pSpecializationInfo = desc->constant_count ? &constants : NULL,
            },
        .layout = kernel->layout,
    };
    const VkResult result =
        device->vk.CreateComputePipelines(device->handle, device->pipelines, 1, &info, NULL, &kernel->pipeline);
    /* Some drivers report success and give no pipeline. */
    if (result == VK_SUCCESS && kernel->pipeline) {
        atomic_fetch_add(&device->pipelines_added, 1);
        return FOVEA_OK;
    }
    if (result != VK_SUCCESS)
        kernel->pipeline = VK_NULL_HANDLE;
    return refuse(device, result, "vkCreateComputePipelines", desc);
}

typedef fovea_status kernel_step(fv_vk_device *device, fv_vk_kernel *kernel, kernel_request *request);

/* In this order; fv_vk_kernel_destroy undoes as many as were done. */
static kernel_step *const kernel_steps[] = {create_module, create_set_layout, create_layout, create_pipeline};

static fovea_status take_steps(fv_vk_device *device, fv_vk_kernel *kernel, kernel_request *request)
{
    fovea_status status = FOVEA_OK;
    for (size_t i = 0; i < sizeof kernel_steps / sizeof kernel_steps[0] && status == FOVEA_OK; i++)
        status = kernel_steps[i](device, kernel, request);
    if (request->module)
        device->vk.DestroyShaderModule(device->handle, request->module, NULL);
    return status;
}

fovea_status fv_vk_kernel_create(fv_device *base, const fv_kernel_desc *desc, fv_kernel **out_kernel)
{
    fv_vk_device *device = (fv_vk_device *)base;
    fv_vk_kernel *kernel = NULL;
    kernel_request request = {.desc = desc};
    fovea_status status;
    assert(desc->words && desc->binding_count <= FV_BINDINGS_MAX && desc->constant_count <= FV_CONSTANTS_MAX);
    assert(desc->parameter_bytes % 4 == 0 && desc->parameter_bytes <= FV_PARAMETERS_MAX * sizeof(uint32_t));
    *out_kernel = NULL;
    fv_try(fv_vk_device_check(device));
    fv_try(check_subgroups(device, &request));
    kernel = fv_alloc(base->host, 1, sizeof *kernel);
    fv_require(base->host, kernel, FOVEA_OUT_OF_HOST_MEMORY, "kernel %s: no host memory", desc->module);
    kernel->base.device = base;
    kernel->base.binding_count = desc->binding_count;
    kernel->base.parameter_bytes = desc->parameter_bytes;
    fv_try(take_steps(device, kernel, &request));
    *out_kernel = &kernel->base;
    return FOVEA_OK;
fail:
    fv_vk_kernel_destroy(kernel ? &kernel->base : NULL);
    return status;
}

static void release(fv_vk_device *device, void *object)
{
    fv_vk_kernel *kernel = object;
    if (kernel->pipeline)
        device->vk.DestroyPipeline(device->handle, kernel->pipeline, NULL);
    if (kernel->layout)
        device->vk.DestroyPipelineLayout(device->handle, kernel->layout, NULL);
    if (kernel->set_layout)
        device->vk.DestroyDescriptorSetLayout(device->handle, kernel->set_layout, NULL);
    fv_free(device->base.host, kernel);
}

void fv_vk_kernel_destroy(fv_kernel *base)
{
    if (!base)
        return;
    fv_vk_kernel *kernel = (fv_vk_kernel *)base;
    kernel->doomed = (fv_vk_doomed){.object = kernel, .release = release};
    fv_vk_late_release((fv_vk_device *)base->device, &kernel->doomed);
}
