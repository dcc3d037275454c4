/* The Vulkan fault layer itself; fault.h tells what it does. Loaded by the Vulkan loader, never linked. */
#define VK_NO_PROTOTYPES
#include "fault.h"

#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

#include "../../backends/vulkan/vkmatrix.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXPORT __attribute__((visibility("default")))

/* ---- the armed fault ------------------------------------------------------------------------- */

static struct {
    pthread_mutex_t lock; /* guards what follows */
    fault_call call;      /* meaningful while times is not 0 */
    uint32_t skip, times, fired;
    VkResult result;
    uint32_t calls[FAULT_CALL_COUNT];
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Each on its own. */
static atomic_bool hiding_coherent, stalled, garbling;
static atomic_uint_least32_t cached;
static atomic_int_least32_t live;

EXPORT void fault_arm(fault_call call, uint32_t skip, int32_t result, uint32_t times);
EXPORT void fault_disarm(void);
EXPORT uint32_t fault_fired(void);
EXPORT uint32_t fault_calls(fault_call call);
EXPORT uint32_t fault_cached(void);
EXPORT int32_t fault_live(void);
EXPORT void fault_hide_coherent(bool hide);
EXPORT void fault_stall(bool on);
EXPORT void fault_garble(bool on);

void fault_arm(fault_call call, uint32_t skip, int32_t result, uint32_t times)
{
    pthread_mutex_lock(&state.lock);
    state.call = call;
    state.skip = skip;
    state.result = (VkResult)result;
    state.times = times;
    state.fired = 0;
    pthread_mutex_unlock(&state.lock);
}

void fault_disarm(void)
{
    pthread_mutex_lock(&state.lock);
    state.times = 0;
    pthread_mutex_unlock(&state.lock);
}

uint32_t fault_fired(void)
{
    pthread_mutex_lock(&state.lock);
    const uint32_t fired = state.fired;
    pthread_mutex_unlock(&state.lock);
    return fired;
}

uint32_t fault_calls(fault_call call)
{
    uint32_t sum = 0;
    pthread_mutex_lock(&state.lock);
    for (int i = 0; i < FAULT_CALL_COUNT; i++)
        sum += call == FAULT_ANY || (int)call == i ? state.calls[i] : 0;
    pthread_mutex_unlock(&state.lock);
    return sum;
}

uint32_t fault_cached(void)
{
    return cached;
}

int32_t fault_live(void)
{
    return live;
}

void fault_hide_coherent(bool hide)
{
    hiding_coherent = hide;
}

void fault_stall(bool on)
{
    stalled = on;
}

void fault_garble(bool on)
{
    garbling = on;
}

/* Counts a call and says whether it fails, and how. */
static bool strikes(fault_call call, VkResult *result)
{
    bool strike = false;
    pthread_mutex_lock(&state.lock);
    state.calls[call]++;
    if (state.times != 0 && (state.call == FAULT_ANY || state.call == call)) {
        if (state.skip > 0) {
            state.skip--;
        } else {
            strike = true;
            state.times--;
            state.fired++;
            *result = state.result;
        }
    }
    pthread_mutex_unlock(&state.lock);
    return strike;
}

/* ---- the next layer's functions, per instance and per device --------------------------------- */

enum { TABLES_MAX = 64 };

typedef struct instance_table {
    void *key; /* what the loader writes into every handle of an instance */
    VkInstance handle;
    PFN_vkGetInstanceProcAddr get;
    PFN_vkDestroyInstance DestroyInstance;
    PFN_vkEnumeratePhysicalDevices EnumeratePhysicalDevices;
    PFN_vkGetPhysicalDeviceMemoryProperties GetPhysicalDeviceMemoryProperties;
    PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR GetPhysicalDeviceCooperativeMatrixPropertiesKHR;
    bool hide_coherent;
} instance_table;

#define DEVICE_FUNCTIONS(X)         \
    X(DestroyDevice)                \
    X(DeviceWaitIdle)               \
    X(AllocateMemory)               \
    X(FreeMemory)                   \
    X(MapMemory)                    \
    X(FlushMappedMemoryRanges)      \
    X(InvalidateMappedMemoryRanges) \
    X(BindBufferMemory)             \
    X(CreateBuffer)                 \
    X(DestroyBuffer)                \
    X(CreateShaderModule)           \
    X(DestroyShaderModule)          \
    X(CreateDescriptorSetLayout)    \
    X(DestroyDescriptorSetLayout)   \
    X(CreatePipelineLayout)         \
    X(DestroyPipelineLayout)        \
    X(CreatePipelineCache)          \
    X(DestroyPipelineCache)         \
    X(GetPipelineCacheData)         \
    X(CreateComputePipelines)       \
    X(DestroyPipeline)              \
    X(CreateDescriptorPool)         \
    X(DestroyDescriptorPool)        \
    X(AllocateDescriptorSets)       \
    X(CreateCommandPool)            \
    X(DestroyCommandPool)           \
    X(ResetCommandPool)             \
    X(AllocateCommandBuffers)       \
    X(BeginCommandBuffer)           \
    X(EndCommandBuffer)             \
    X(CreateFence)                  \
    X(DestroyFence)                 \
    X(CreateQueryPool)              \
    X(DestroyQueryPool)             \
    X(GetQueryPoolResults)          \
    X(ResetFences)                  \
    X(GetFenceStatus)               \
    X(WaitForFences)                \
    X(QueueSubmit)

typedef struct device_table {
    void *key;
    VkDevice handle;
    PFN_vkGetDeviceProcAddr get;
#define MEMBER(name) PFN_vk##name name;
    DEVICE_FUNCTIONS(MEMBER)
#undef MEMBER
    PFN_vkCreateShaderModule sound_module; /* the driver's own */
} device_table;

static instance_table instances[TABLES_MAX];
static device_table devices[TABLES_MAX];
static pthread_mutex_t tables_lock = PTHREAD_MUTEX_INITIALIZER;

static void *key_of(const void *handle)
{
    void *key;
    memcpy(&key, handle, sizeof key);
    return key;
}

/* The entry of a key; key NULL: a free one. */
static instance_table *find_instance(void *key)
{
    instance_table *found = NULL;
    pthread_mutex_lock(&tables_lock);
    for (int i = 0; i < TABLES_MAX && !found; i++)
        found = instances[i].key == key ? &instances[i] : NULL;
    pthread_mutex_unlock(&tables_lock);
    return found;
}

static device_table *find_device(void *key)
{
    device_table *found = NULL;
    pthread_mutex_lock(&tables_lock);
    for (int i = 0; i < TABLES_MAX && !found; i++)
        found = devices[i].key == key ? &devices[i] : NULL;
    pthread_mutex_unlock(&tables_lock);
    return found;
}

/* The table of a device-level handle. A call that loses the device first lets it finish. */
static device_table *enter(const void *handle, fault_call call, VkResult *result)
{
    device_table *next = find_device(key_of(handle));
    *result = VK_SUCCESS;
    if (strikes(call, result) && *result == VK_ERROR_DEVICE_LOST)
        next->DeviceWaitIdle(next->handle);
    return next;
}

/* ---- calls on devices ------------------------------------------------------------------------ */

#define ENTER(handle, call)                                    \
    VkResult result;                                           \
    device_table *next = enter(handle, FAULT_##call, &result); \
    if (result != VK_SUCCESS)                                  \
    return result

/* A call that fails or goes on as it is. */
#define FORWARD(name, handle, parameters, arguments)           \
    static VKAPI_ATTR VkResult VKAPI_CALL on_##name parameters \
    {                                                          \
        ENTER(handle, name);                                   \
        return next->name arguments;                           \
    }

#define CREATE_AS(create, destroy, Type, Info)                                                           \
    static VKAPI_ATTR VkResult VKAPI_CALL on_##create(VkDevice device, const Info *info,                 \
                                                      const VkAllocationCallbacks *callbacks, Type *out) \
    {                                                                                                    \
        ENTER(device, create);                                                                           \
        result = next->create(device, info, callbacks, out);                                             \
        live += result == VK_SUCCESS;                                                                    \
        return result;                                                                                   \
    }                                                                                                    \
    static VKAPI_ATTR void VKAPI_CALL on_##destroy(VkDevice device, Type object,                         \
                                                   const VkAllocationCallbacks *callbacks)               \
    {                                                                                                    \
        live -= object != VK_NULL_HANDLE;                                                                \
        find_device(key_of(device))->destroy(device, object, callbacks);                                 \
    }

#define CREATE(noun) CREATE_AS(Create##noun, Destroy##noun, Vk##noun, Vk##noun##CreateInfo)

FAULT_CREATES(CREATE)
CREATE_AS(AllocateMemory, FreeMemory, VkDeviceMemory, VkMemoryAllocateInfo)

static VKAPI_ATTR VkResult VKAPI_CALL on_CreateComputePipelines(VkDevice device, VkPipelineCache cache, uint32_t count,
                                                                const VkComputePipelineCreateInfo *infos,
                                                                const VkAllocationCallbacks *callbacks, VkPipeline *out)
{
    cached += cache != VK_NULL_HANDLE;
    ENTER(device, CreateComputePipelines);
    result = next->CreateComputePipelines(device, cache, count, infos, callbacks, out);
    for (uint32_t i = 0; i < count; i++)
        live += out[i] != VK_NULL_HANDLE;
    return result;
}

FORWARD(GetPipelineCacheData, device, (VkDevice device, VkPipelineCache cache, size_t *size, void *out),
        (device, cache, size, out))
static VKAPI_ATTR void VKAPI_CALL on_DestroyPipeline(VkDevice device, VkPipeline pipeline,
                                                     const VkAllocationCallbacks *callbacks)
{
    live -= pipeline != VK_NULL_HANDLE;
    find_device(key_of(device))->DestroyPipeline(device, pipeline, callbacks);
}

FORWARD(MapMemory, device,
        (VkDevice device, VkDeviceMemory memory, VkDeviceSize offset, VkDeviceSize size, VkMemoryMapFlags flags,
         void **out),
        (device, memory, offset, size, flags, out))
FORWARD(FlushMappedMemoryRanges, device, (VkDevice device, uint32_t count, const VkMappedMemoryRange *ranges),
        (device, count, ranges))
FORWARD(InvalidateMappedMemoryRanges, device, (VkDevice device, uint32_t count, const VkMappedMemoryRange *ranges),
        (device, count, ranges))
FORWARD(BindBufferMemory, device, (VkDevice device, VkBuffer buffer, VkDeviceMemory memory, VkDeviceSize offset),
        (device, buffer, memory, offset))
FORWARD(AllocateDescriptorSets, device,
        (VkDevice device, const VkDescriptorSetAllocateInfo *info, VkDescriptorSet *out), (device, info, out))
FORWARD(ResetCommandPool, device, (VkDevice device, VkCommandPool pool, VkCommandPoolResetFlags flags),
        (device, pool, flags))
FORWARD(AllocateCommandBuffers, device,
        (VkDevice device, const VkCommandBufferAllocateInfo *info, VkCommandBuffer *out), (device, info, out))
FORWARD(BeginCommandBuffer, commands, (VkCommandBuffer commands, const VkCommandBufferBeginInfo *info),
        (commands, info))
FORWARD(EndCommandBuffer, commands, (VkCommandBuffer commands), (commands))
FORWARD(ResetFences, device, (VkDevice device, uint32_t count, const VkFence *fences), (device, count, fences))
FORWARD(GetQueryPoolResults, device,
        (VkDevice device, VkQueryPool pool, uint32_t first, uint32_t count, size_t size, void *out, VkDeviceSize stride,
         VkQueryResultFlags flags),
        (device, pool, first, count, size, out, stride, flags))
FORWARD(QueueSubmit, queue, (VkQueue queue, uint32_t count, const VkSubmitInfo *infos, VkFence fence),
        (queue, count, infos, fence))
static VKAPI_ATTR VkResult VKAPI_CALL on_GetFenceStatus(VkDevice device, VkFence fence)
{
    ENTER(device, GetFenceStatus);
    return stalled ? VK_NOT_READY : next->GetFenceStatus(device, fence);
}

static VKAPI_ATTR VkResult VKAPI_CALL on_WaitForFences(VkDevice device, uint32_t count, const VkFence *fences,
                                                       VkBool32 all, uint64_t timeout)
{
    ENTER(device, WaitForFences);
    const struct timespec whole = {.tv_sec = (time_t)(timeout / 1000000000u), .tv_nsec = (long)(timeout % 1000000000u)};
    if (!stalled)
        return next->WaitForFences(device, count, fences, all, timeout);
    nanosleep(&whole, NULL);
    return VK_TIMEOUT;
}

/* ---- devices and instances ------------------------------------------------------------------- */

/* The loader's link to the next layer, within what the application chained. */
static VkLayerInstanceCreateInfo *instance_link(const VkInstanceCreateInfo *info)
{
    VkLayerInstanceCreateInfo *link = (VkLayerInstanceCreateInfo *)info->pNext;
    while (link &&
           !(link->sType == VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO && link->function == VK_LAYER_LINK_INFO))
        link = (VkLayerInstanceCreateInfo *)link->pNext;
    return link;
}

static VkLayerDeviceCreateInfo *device_link(const VkDeviceCreateInfo *info)
{
    VkLayerDeviceCreateInfo *link = (VkLayerDeviceCreateInfo *)info->pNext;
    while (link &&
           !(link->sType == VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO && link->function == VK_LAYER_LINK_INFO))
        link = (VkLayerDeviceCreateInfo *)link->pNext;
    return link;
}

static VKAPI_ATTR VkResult VKAPI_CALL on_CreateInstance(const VkInstanceCreateInfo *info,
                                                        const VkAllocationCallbacks *callbacks, VkInstance *out)
{
    VkResult result;
    if (strikes(FAULT_CreateInstance, &result))
        return result;
    VkLayerInstanceCreateInfo *link = instance_link(info);
    instance_table *table = find_instance(NULL);
    if (!link || !table)
        return VK_ERROR_INITIALIZATION_FAILED;
    const PFN_vkGetInstanceProcAddr get = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    const PFN_vkCreateInstance create = (PFN_vkCreateInstance)get(VK_NULL_HANDLE, "vkCreateInstance");
    result = create(info, callbacks, out);
    if (result != VK_SUCCESS)
        return result;
    *table = (instance_table){
        .key = key_of(*out),
        .handle = *out,
        .get = get,
        .DestroyInstance = (PFN_vkDestroyInstance)get(*out, "vkDestroyInstance"),
        .EnumeratePhysicalDevices = (PFN_vkEnumeratePhysicalDevices)get(*out, "vkEnumeratePhysicalDevices"),
        .GetPhysicalDeviceMemoryProperties =
            (PFN_vkGetPhysicalDeviceMemoryProperties)get(*out, "vkGetPhysicalDeviceMemoryProperties"),
        .GetPhysicalDeviceCooperativeMatrixPropertiesKHR = (PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR)get(
            *out, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR"),
        .hide_coherent = hiding_coherent,
    };
    live++;
    return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL on_DestroyInstance(VkInstance instance, const VkAllocationCallbacks *callbacks)
{
    if (!instance)
        return;
    instance_table *table = find_instance(key_of(instance));
    const PFN_vkDestroyInstance destroy = table->DestroyInstance;
    table->key = NULL;
    live--;
    destroy(instance, callbacks);
}

static VKAPI_ATTR VkResult VKAPI_CALL on_EnumeratePhysicalDevices(VkInstance instance, uint32_t *count,
                                                                  VkPhysicalDevice *out)
{
    VkResult result;
    if (strikes(FAULT_EnumeratePhysicalDevices, &result))
        return result;
    return find_instance(key_of(instance))->EnumeratePhysicalDevices(instance, count, out);
}

static VKAPI_ATTR VkResult VKAPI_CALL on_GetPhysicalDeviceCooperativeMatrixPropertiesKHR(
    VkPhysicalDevice physical, uint32_t *count, VkCooperativeMatrixPropertiesKHR *out)
{
    VkResult result;
    const instance_table *table = find_instance(key_of(physical));
    if (strikes(FAULT_GetPhysicalDeviceCooperativeMatrixPropertiesKHR, &result))
        return result;
    if (!table->GetPhysicalDeviceCooperativeMatrixPropertiesKHR)
        return VK_ERROR_EXTENSION_NOT_PRESENT;
    return table->GetPhysicalDeviceCooperativeMatrixPropertiesKHR(physical, count, out);
}

static VKAPI_ATTR void VKAPI_CALL on_GetPhysicalDeviceMemoryProperties(VkPhysicalDevice physical,
                                                                       VkPhysicalDeviceMemoryProperties *out)
{
    const instance_table *table = find_instance(key_of(physical));
    table->GetPhysicalDeviceMemoryProperties(physical, out);
    for (uint32_t i = 0; i < out->memoryTypeCount && table->hide_coherent; i++)
        out->memoryTypes[i].propertyFlags &= ~(VkMemoryPropertyFlags)VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
}

/* Makes Log2 of every Exp2 of a module that declares cooperative matrices: valid, and wrong. */
static void garble(uint32_t *words, size_t count)
{
    enum { OP_CAPABILITY = 17, OP_EXT_INST = 12, COOPERATIVE_MATRIX = 6022, EXP2 = 29, LOG2 = 30, HEADER = 5 };
    bool on_matrices = false;
    for (size_t at = HEADER; at < count && words[at] >> 16 > 0; at += words[at] >> 16) {
        const uint32_t op = words[at] & 0xffff;
        on_matrices = on_matrices || (op == OP_CAPABILITY && words[at + 1] == COOPERATIVE_MATRIX);
        if (on_matrices && op == OP_EXT_INST && words[at + 4] == EXP2)
            words[at + 4] = LOG2;
    }
}

static VKAPI_ATTR VkResult VKAPI_CALL create_module(VkDevice device, const VkShaderModuleCreateInfo *info,
                                                    const VkAllocationCallbacks *callbacks, VkShaderModule *out)
{
    const PFN_vkCreateShaderModule create = find_device(key_of(device))->sound_module;
    if (!garbling)
        return create(device, info, callbacks, out);
    VkShaderModuleCreateInfo wrong = *info;
    uint32_t *words = malloc(info->codeSize);
    if (!words)
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    memcpy(words, info->pCode, info->codeSize);
    garble(words, info->codeSize / sizeof words[0]);
    wrong.pCode = words;
    const VkResult result = create(device, &wrong, callbacks, out);
    free(words);
    return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL on_CreateDevice(VkPhysicalDevice physical, const VkDeviceCreateInfo *info,
                                                      const VkAllocationCallbacks *callbacks, VkDevice *out)
{
    VkResult result;
    if (strikes(FAULT_CreateDevice, &result))
        return result;
    VkLayerDeviceCreateInfo *link = device_link(info);
    const instance_table *instance = find_instance(key_of(physical));
    device_table *table = find_device(NULL);
    if (!link || !instance || !table)
        return VK_ERROR_INITIALIZATION_FAILED;
    const PFN_vkGetDeviceProcAddr get = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
    const PFN_vkCreateDevice create =
        (PFN_vkCreateDevice)link->u.pLayerInfo->pfnNextGetInstanceProcAddr(instance->handle, "vkCreateDevice");
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    result = create(physical, info, callbacks, out);
    if (result != VK_SUCCESS)
        return result;
    *table = (device_table){.handle = *out, .get = get};
#define LOAD(name) table->name = (PFN_vk##name)get(*out, "vk" #name);
    DEVICE_FUNCTIONS(LOAD)
#undef LOAD
    table->sound_module = table->CreateShaderModule;
    table->CreateShaderModule = create_module;
    table->key = key_of(*out);
    live++;
    return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL on_DestroyDevice(VkDevice device, const VkAllocationCallbacks *callbacks)
{
    if (!device)
        return;
    device_table *table = find_device(key_of(device));
    const PFN_vkDestroyDevice destroy = table->DestroyDevice;
    table->key = NULL;
    live--;
    destroy(device, callbacks);
}

/* ---- what the loader asks for ---------------------------------------------------------------- */

typedef struct entry {
    const char *name;
    PFN_vkVoidFunction function;
} entry;

#define ENTRY(name)         {"vk" #name, (PFN_vkVoidFunction)on_##name},
#define DESTROY_ENTRY(noun) ENTRY(Destroy##noun)

static const entry entries[] = {FAULT_CALLS(ENTRY) FAULT_CREATES(DESTROY_ENTRY) ENTRY(FreeMemory) ENTRY(
    DestroyPipeline) ENTRY(GetPhysicalDeviceMemoryProperties) ENTRY(DestroyDevice) ENTRY(DestroyInstance)};

static PFN_vkVoidFunction find_entry(const char *name)
{
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++)
        if (strcmp(entries[i].name, name) == 0)
            return entries[i].function;
    return NULL;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_device_function(VkDevice device, const char *name)
{
    if (strcmp(name, "vkGetDeviceProcAddr") == 0)
        return (PFN_vkVoidFunction)get_device_function;
    const PFN_vkVoidFunction own = find_entry(name);
    return own ? own : find_device(key_of(device))->get(device, name);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_instance_function(VkInstance instance, const char *name)
{
    if (strcmp(name, "vkGetInstanceProcAddr") == 0)
        return (PFN_vkVoidFunction)get_instance_function;
    if (strcmp(name, "vkGetDeviceProcAddr") == 0)
        return (PFN_vkVoidFunction)get_device_function;
    const PFN_vkVoidFunction own = find_entry(name);
    if (own || !instance)
        return own;
    return find_instance(key_of(instance))->get(instance, name);
}

EXPORT VKAPI_ATTR VkResult VKAPI_CALL vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *negotiation)
{
    if (negotiation->loaderLayerInterfaceVersion > 2)
        negotiation->loaderLayerInterfaceVersion = 2;
    negotiation->pfnGetInstanceProcAddr = get_instance_function;
    negotiation->pfnGetDeviceProcAddr = get_device_function;
    negotiation->pfnGetPhysicalDeviceProcAddr = NULL;
    return VK_SUCCESS;
}
