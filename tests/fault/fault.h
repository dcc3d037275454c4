/* The Vulkan fault layer: makes chosen driver calls fail, and counts the objects that are alive.
 *
 * A layer between the library and the driver, so that the library needs no hook for tests. It is on where the
 * environment of the test has
 *     VK_ADD_LAYER_PATH=<folder of the manifest>   VK_INSTANCE_LAYERS=VK_LAYER_FOVEA_fault
 *     FOVEA_TEST_FAULT_LAYER=<path of the layer's library>
 * (tests/fault/meson.build: fault_environment). A test calls fault_connect once, before the first device:
 *
 *     fault_control fault;
 *     if (!fault_connect(&fault)) skip
 *     fault.arm(FAULT_AllocateMemory, 2, VK_ERROR_OUT_OF_DEVICE_MEMORY, 1);   the third allocation fails
 *     ... fault.fired() ... fault.disarm() ... fault.live() == 0
 *
 * The control functions are thread-safe. One fault is armed at a time. */
#ifndef TESTS_FAULT_H
#define TESTS_FAULT_H

#include <stdbool.h>
#include <stdint.h>

/* Calls that can be made to fail; FAULT_<name> is vk<name>. */
#define FAULT_CREATES(X)   \
    X(Buffer)              \
    X(ShaderModule)        \
    X(DescriptorSetLayout) \
    X(PipelineLayout)      \
    X(PipelineCache)       \
    X(DescriptorPool)      \
    X(CommandPool)         \
    X(Fence)               \
    X(QueryPool)

#define FAULT_CALLS(X)                                 \
    X(CreateInstance)                                  \
    X(EnumeratePhysicalDevices)                        \
    X(CreateDevice)                                    \
    X(GetPhysicalDeviceCooperativeMatrixPropertiesKHR) \
    X(AllocateMemory)                                  \
    X(FlushMappedMemoryRanges)                         \
    X(InvalidateMappedMemoryRanges)                    \
    X(MapMemory)                                       \
    X(BindBufferMemory)                                \
    X(CreateBuffer)                                    \
    X(CreateShaderModule)                              \
    X(CreateDescriptorSetLayout)                       \
    X(CreatePipelineLayout)                            \
    X(CreatePipelineCache)                             \
    X(GetPipelineCacheData)                            \
    X(CreateComputePipelines)                          \
    X(CreateDescriptorPool)                            \
    X(AllocateDescriptorSets)                          \
    X(CreateCommandPool)                               \
    X(ResetCommandPool)                                \
    X(AllocateCommandBuffers)                          \
    X(BeginCommandBuffer)                              \
    X(EndCommandBuffer)                                \
    X(CreateFence)                                     \
    X(CreateQueryPool)                                 \
    X(GetQueryPoolResults)                             \
    X(ResetFences)                                     \
    X(GetFenceStatus)                                  \
    X(WaitForFences)                                   \
    X(QueueSubmit)

typedef enum fault_call {
#define FAULT_ENUMERATE(name) FAULT_##name,
    FAULT_CALLS(FAULT_ENUMERATE)
#undef FAULT_ENUMERATE
        FAULT_CALL_COUNT,
    FAULT_ANY = FAULT_CALL_COUNT /* whichever of them comes */
} fault_call;

typedef struct fault_control {
    /* From now on, `skip` calls of this kind pass, then `times` calls return `result` (a VkResult) without
     * reaching the driver, then all pass again. A lost device first finishes its work, as a driver's does:
     * nothing is in use any more. A wait that times out does not wait. */
    void (*arm)(fault_call call, uint32_t skip, int32_t result, uint32_t times);
    void (*disarm)(void);
    uint32_t (*fired)(void);            /* how often the armed fault has struck since `arm` */
    uint32_t (*calls)(fault_call call); /* calls since the library was loaded */
    uint32_t (*cached)(void);           /* vkCreateComputePipelines with a pipeline cache, of all calls of it */
    void (*stall)(bool on);             /* while on no work ends: waits last their whole timeout */
    void (*garble)(bool on);            /* while on, modules for matrix units compute 2^x wrong */
    void (*hide_coherent)(bool hide);   /* instances made from now on show no host-coherent memory */
    int32_t (*live)(void);              /* Vulkan objects alive, instances and devices included */
} fault_control;

/* False: the layer is not in use in this process. */
bool fault_connect(fault_control *out_control);

#endif
