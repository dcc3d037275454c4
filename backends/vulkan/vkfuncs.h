/* Every Vulkan function that the backend calls, by the handle it is loaded from. X(name) without the "vk".
 * The lists make the members of the function tables and the loops that fill them. */
#ifndef FV_VK_FUNCS_H
#define FV_VK_FUNCS_H

#ifndef VK_NO_PROTOTYPES
#define VK_NO_PROTOTYPES
#endif
#include <vulkan/vulkan.h>

#include "vkmatrix.h"

/* vkGetInstanceProcAddr(NULL, ...) */
#define FV_VK_GLOBAL_FUNCTIONS(X)                                                                            \
    X(EnumerateInstanceVersion)                                                                              \
    X(EnumerateInstanceExtensionProperties)                                                                  \
    X(EnumerateInstanceLayerProperties)                                                                      \
    X(CreateInstance)

/* vkGetInstanceProcAddr(instance, ...) */
#define FV_VK_INSTANCE_FUNCTIONS(X)                                                                          \
    X(DestroyInstance)                                                                                       \
    X(EnumeratePhysicalDevices)                                                                              \
    X(GetPhysicalDeviceProperties)                                                                           \
    X(GetPhysicalDeviceProperties2)                                                                          \
    X(GetPhysicalDeviceFeatures2)                                                                            \
    X(GetPhysicalDeviceMemoryProperties)                                                                     \
    X(GetPhysicalDeviceQueueFamilyProperties)                                                                \
    X(EnumerateDeviceExtensionProperties)                                                                    \
    X(CreateDevice)                                                                                          \
    X(GetDeviceProcAddr)

/* As above; NULL where the extension is not enabled or no driver has it. */
#define FV_VK_INSTANCE_OPTIONAL(X)                                                                           \
    X(GetPhysicalDeviceCooperativeMatrixPropertiesKHR)                                                       \
    X(CreateDebugUtilsMessengerEXT)                                                                          \
    X(DestroyDebugUtilsMessengerEXT)

/* vkGetDeviceProcAddr(device, ...) */
#define FV_VK_DEVICE_FUNCTIONS(X)                                                                            \
    X(DestroyDevice)                                                                                         \
    X(GetDeviceQueue)                                                                                        \
    X(AllocateMemory)                                                                                        \
    X(FreeMemory)                                                                                            \
    X(MapMemory)                                                                                             \
    X(UnmapMemory)                                                                                           \
    X(FlushMappedMemoryRanges)                                                                               \
    X(InvalidateMappedMemoryRanges)                                                                          \
    X(CreateBuffer)                                                                                          \
    X(DestroyBuffer)                                                                                         \
    X(GetBufferMemoryRequirements)                                                                           \
    X(BindBufferMemory)                                                                                      \
    X(CreateShaderModule)                                                                                    \
    X(DestroyShaderModule)                                                                                   \
    X(CreateDescriptorSetLayout)                                                                             \
    X(DestroyDescriptorSetLayout)                                                                            \
    X(CreatePipelineLayout)                                                                                  \
    X(DestroyPipelineLayout)                                                                                 \
    X(CreatePipelineCache)                                                                                   \
    X(DestroyPipelineCache)                                                                                  \
    X(GetPipelineCacheData)                                                                                  \
    X(CreateComputePipelines)                                                                                \
    X(DestroyPipeline)                                                                                       \
    X(CreateDescriptorPool)                                                                                  \
    X(DestroyDescriptorPool)                                                                                 \
    X(ResetDescriptorPool)                                                                                   \
    X(AllocateDescriptorSets)                                                                                \
    X(UpdateDescriptorSets)                                                                                  \
    X(CreateCommandPool)                                                                                     \
    X(DestroyCommandPool)                                                                                    \
    X(ResetCommandPool)                                                                                      \
    X(AllocateCommandBuffers)                                                                                \
    X(BeginCommandBuffer)                                                                                    \
    X(EndCommandBuffer)                                                                                      \
    X(CreateFence)                                                                                           \
    X(DestroyFence)                                                                                          \
    X(ResetFences)                                                                                           \
    X(GetFenceStatus)                                                                                        \
    X(WaitForFences)                                                                                         \
    X(QueueSubmit)                                                                                           \
    X(CmdBindPipeline)                                                                                       \
    X(CmdBindDescriptorSets)                                                                                 \
    X(CmdPushConstants)                                                                                      \
    X(CmdDispatch)                                                                                           \
    X(CmdCopyBuffer)                                                                                         \
    X(CmdFillBuffer)                                                                                         \
    X(CmdResetQueryPool)                                                                                     \
    X(CmdWriteTimestamp)                                                                                     \
    X(CreateQueryPool)                                                                                       \
    X(DestroyQueryPool)                                                                                      \
    X(GetQueryPoolResults)                                                                                   \
    X(CmdPipelineBarrier)

/* As above; NULL where the extension is not enabled. */
#define FV_VK_DEVICE_OPTIONAL(X)                                                                             \
    X(CmdPushDescriptorSetKHR)                                                                               \
    X(GetPipelineExecutablePropertiesKHR)                                                                    \
    X(GetPipelineExecutableStatisticsKHR)

#define FV_VK_MEMBER(name) PFN_vk##name name;

typedef struct fv_vk_global_functions {
    FV_VK_GLOBAL_FUNCTIONS(FV_VK_MEMBER)
} fv_vk_global_functions;

typedef struct fv_vk_instance_functions {
    FV_VK_INSTANCE_FUNCTIONS(FV_VK_MEMBER)
    FV_VK_INSTANCE_OPTIONAL(FV_VK_MEMBER)
} fv_vk_instance_functions;

typedef struct fv_vk_device_functions {
    FV_VK_DEVICE_FUNCTIONS(FV_VK_MEMBER)
    FV_VK_DEVICE_OPTIONAL(FV_VK_MEMBER)
} fv_vk_device_functions;

#undef FV_VK_MEMBER

#endif
