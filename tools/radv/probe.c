/* Compiles one embedded kernel for the first Vulkan device and prints what the driver says of it: one line
 * `stat NAME VALUE` per statistic, then the machine code. With RADV_FORCE_FAMILY that device need not be there.
 *
 *   probe MODULE PARAMETER_BYTES BINDINGS SUBGROUP ID=VALUE...
 *
 * SUBGROUP: required subgroup size, or 0. Exit 77: the driver has no device, or no matrices of the module's type. Built
 * with the generated modules.c; see radv.py. */
#include "modules.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vulkan/vulkan.h>

#include "../../backends/vulkan/vkmatrix.h"

enum { CONSTANTS = 32, BINDINGS_MAX = 8, LIST_MAX = 64 };

static void check(VkResult result, const char *what)
{
    if (result == VK_SUCCESS || result == VK_INCOMPLETE)
        return;
    fprintf(stderr, "probe: %s gives %d\n", what, (int)result);
    exit(1);
}

static const fv_module *find_module(const char *name)
{
    for (uint32_t i = 0; i < fv_module_count; i++) {
        if (strcmp(fv_modules[i].name, name) == 0)
            return &fv_modules[i];
    }
    fprintf(stderr, "probe: no module %s\n", name);
    exit(1);
}

static bool listed(VkPhysicalDevice physical, const char *name)
{
    uint32_t count = 0;
    bool found = false;
    check(vkEnumerateDeviceExtensionProperties(physical, NULL, &count, NULL), "vkEnumerateDeviceExtensionProperties");
    VkExtensionProperties *list = calloc(count, sizeof *list);
    if (!list)
        exit(1);
    check(vkEnumerateDeviceExtensionProperties(physical, NULL, &count, list), "vkEnumerateDeviceExtensionProperties");
    for (uint32_t i = 0; i < count && !found; i++)
        found = strcmp(list[i].extensionName, name) == 0;
    free(list);
    return found;
}

/* What a module of the matrix tier needs besides. */
typedef struct matrix_features {
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrix;
    VkPhysicalDeviceShaderFloat16Int8Features float16;
    VkPhysicalDeviceVulkanMemoryModelFeatures memory_model;
    VkPhysicalDeviceShaderBfloat16FeaturesKHR bfloat16;
} matrix_features;

/* Puts it in front of `chain`, which it returns, and adds the extensions. */
static void *chain_matrices(VkPhysicalDevice physical, const fv_module *module, matrix_features *features, void *chain,
                            const char *extensions[], uint32_t *extension_count)
{
    const bool bf16 = module->operand == FOVEA_BF16;
    if (!listed(physical, VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME) ||
        (bf16 && !listed(physical, VK_KHR_SHADER_BFLOAT16_EXTENSION_NAME))) {
        fprintf(stderr, "probe: this driver has no matrices of %s\n", bf16 ? "bf16" : "f16");
        exit(77);
    }
    *features = (matrix_features){
        .matrix = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR, chain, VK_TRUE, VK_FALSE},
        .float16 = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES, &features->matrix, VK_TRUE,
                    VK_FALSE},
        .memory_model = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES, &features->float16, VK_TRUE,
                         VK_TRUE, VK_FALSE},
        .bfloat16 = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_BFLOAT16_FEATURES_KHR, &features->memory_model, VK_TRUE,
                     VK_FALSE, VK_TRUE}};
    extensions[(*extension_count)++] = VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME;
    if (!bf16)
        return &features->memory_model;
    extensions[(*extension_count)++] = VK_KHR_SHADER_BFLOAT16_EXTENSION_NAME;
    return &features->bfloat16;
}

static VkDevice open_device(const fv_module *module)
{
    const VkApplicationInfo application = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                           .apiVersion = VK_API_VERSION_1_3};
    const VkInstanceCreateInfo instance_info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                                .pApplicationInfo = &application};
    VkInstance instance;
    check(vkCreateInstance(&instance_info, NULL, &instance), "vkCreateInstance");
    VkPhysicalDevice physical;
    uint32_t count = 1;
    check(vkEnumeratePhysicalDevices(instance, &count, &physical), "vkEnumeratePhysicalDevices");
    if (count == 0) {
        fprintf(stderr, "probe: no device\n");
        exit(77);
    }
    VkPhysicalDeviceDriverProperties driver = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
    VkPhysicalDeviceProperties2 properties = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                              .pNext = &driver};
    vkGetPhysicalDeviceProperties2(physical, &properties);
    printf("device %s\ndriver %s\n", properties.properties.deviceName, driver.driverInfo);

    const float priority = 1.0f;
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO, .queueCount = 1, .pQueuePriorities = &priority};
    VkPhysicalDeviceSubgroupSizeControlFeatures sizes = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES,
        .subgroupSizeControl = VK_TRUE,
        .computeFullSubgroups = VK_TRUE};
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR executables = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR,
        .pNext = &sizes,
        .pipelineExecutableInfo = VK_TRUE};
    const char *extensions[3] = {"VK_KHR_pipeline_executable_properties"};
    uint32_t extension_count = 1;
    matrix_features matrices;
    void *chain = &executables;
    if (module->tier == FOVEA_TIER_MATRIX)
        chain = chain_matrices(physical, module, &matrices, chain, extensions, &extension_count);
    const VkDeviceCreateInfo device_info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                            .pNext = chain,
                                            .queueCreateInfoCount = 1,
                                            .pQueueCreateInfos = &queue,
                                            .enabledExtensionCount = extension_count,
                                            .ppEnabledExtensionNames = extensions};
    VkDevice device;
    check(vkCreateDevice(physical, &device_info, NULL, &device), "vkCreateDevice");
    return device;
}

static VkPipelineLayout create_layout(VkDevice device, uint32_t bindings, uint32_t parameter_bytes)
{
    VkDescriptorSetLayoutBinding list[BINDINGS_MAX];
    for (uint32_t i = 0; i < bindings; i++)
        list[i] = (VkDescriptorSetLayoutBinding){.binding = i,
                                                 .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                                 .descriptorCount = 1,
                                                 .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
    const VkDescriptorSetLayoutCreateInfo set_info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO, .bindingCount = bindings, .pBindings = list};
    VkDescriptorSetLayout set;
    check(vkCreateDescriptorSetLayout(device, &set_info, NULL, &set), "vkCreateDescriptorSetLayout");
    const VkPushConstantRange range = {VK_SHADER_STAGE_COMPUTE_BIT, 0, parameter_bytes};
    const VkPipelineLayoutCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                             .setLayoutCount = 1,
                                             .pSetLayouts = &set,
                                             .pushConstantRangeCount = 1,
                                             .pPushConstantRanges = &range};
    VkPipelineLayout layout;
    check(vkCreatePipelineLayout(device, &info, NULL, &layout), "vkCreatePipelineLayout");
    return layout;
}

static VkPipeline create_pipeline(VkDevice device, const fv_module *module, VkPipelineLayout layout, uint32_t subgroup,
                                  const uint32_t constants[CONSTANTS])
{
    VkSpecializationMapEntry entries[CONSTANTS];
    for (uint32_t i = 0; i < CONSTANTS; i++)
        entries[i] = (VkSpecializationMapEntry){i, i * 4, 4};
    const VkSpecializationInfo specialization = {CONSTANTS, entries, CONSTANTS * 4, constants};
    const VkShaderModuleCreateInfo module_info = {.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
                                                  .codeSize = module->word_count * 4,
                                                  .pCode = module->words};
    VkShaderModule shader;
    check(vkCreateShaderModule(device, &module_info, NULL, &shader), "vkCreateShaderModule");
    const VkPipelineShaderStageRequiredSubgroupSizeCreateInfo required = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO,
        .requiredSubgroupSize = subgroup};
    const VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .flags =
            VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR | VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .pNext = subgroup ? &required : NULL,
                  .flags = subgroup ? VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT : 0,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .module = shader,
                  .pName = "main",
                  .pSpecializationInfo = &specialization},
        .layout = layout};
    VkPipeline pipeline;
    check(vkCreateComputePipelines(device, VK_NULL_HANDLE, 1, &info, NULL, &pipeline), "vkCreateComputePipelines");
    return pipeline;
}

static void print_statistics(VkDevice device, const VkPipelineExecutableInfoKHR *executable)
{
    const PFN_vkGetPipelineExecutableStatisticsKHR get =
        (PFN_vkGetPipelineExecutableStatisticsKHR)vkGetDeviceProcAddr(device, "vkGetPipelineExecutableStatisticsKHR");
    VkPipelineExecutableStatisticKHR list[LIST_MAX];
    for (uint32_t i = 0; i < LIST_MAX; i++)
        list[i] = (VkPipelineExecutableStatisticKHR){.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR};
    uint32_t count = LIST_MAX;
    check(get(device, executable, &count, list), "vkGetPipelineExecutableStatisticsKHR");
    for (uint32_t i = 0; i < count; i++) {
        if (list[i].format == VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR)
            printf("stat %llu %s\n", (unsigned long long)list[i].value.u64, list[i].name);
    }
}

/* The representation called "Assembly" or the like; drivers list it last. */
static void print_code(VkDevice device, const VkPipelineExecutableInfoKHR *executable)
{
    const PFN_vkGetPipelineExecutableInternalRepresentationsKHR get =
        (PFN_vkGetPipelineExecutableInternalRepresentationsKHR)vkGetDeviceProcAddr(
            device, "vkGetPipelineExecutableInternalRepresentationsKHR");
    VkPipelineExecutableInternalRepresentationKHR list[LIST_MAX];
    for (uint32_t i = 0; i < LIST_MAX; i++)
        list[i] = (VkPipelineExecutableInternalRepresentationKHR){
            .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INTERNAL_REPRESENTATION_KHR};
    uint32_t count = LIST_MAX;
    check(get(device, executable, &count, list), "vkGetPipelineExecutableInternalRepresentationsKHR");
    if (count == 0)
        return;
    for (uint32_t i = 0; i < count; i++) {
        list[i].pData = calloc(1, list[i].dataSize + 1);
        if (!list[i].pData)
            exit(1);
    }
    check(get(device, executable, &count, list), "vkGetPipelineExecutableInternalRepresentationsKHR");
    printf("code %s\n%s\n", list[count - 1].name, (const char *)list[count - 1].pData);
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: probe MODULE PARAMETER_BYTES BINDINGS SUBGROUP ID=VALUE...\n");
        return 2;
    }
    const fv_module *module = find_module(argv[1]);
    const uint32_t parameter_bytes = (uint32_t)atoi(argv[2]), bindings = (uint32_t)atoi(argv[3]);
    const uint32_t subgroup = (uint32_t)atoi(argv[4]);
    uint32_t constants[CONSTANTS] = {0};
    for (int i = 5; i < argc; i++) {
        unsigned id = 0, value = 0;
        if (bindings > BINDINGS_MAX || sscanf(argv[i], "%u=%u", &id, &value) != 2 || id >= CONSTANTS)
            return 2;
        constants[id] = value;
    }
    const VkDevice device = open_device(module);
    const VkPipelineLayout layout = create_layout(device, bindings, parameter_bytes);
    const VkPipeline pipeline = create_pipeline(device, module, layout, subgroup, constants);
    const VkPipelineExecutableInfoKHR executable = {.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR,
                                                    .pipeline = pipeline};
    print_statistics(device, &executable);
    print_code(device, &executable);
    return 0; /* the process's end releases the rest */
}
