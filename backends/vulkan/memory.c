/* Device memory: which type, allocation, mapping, and host caches where memory is not coherent. */
#include "internal.h"

/* Never chosen: each of them needs a feature that is not enabled, or cannot hold a buffer. */
static const VkMemoryPropertyFlags refused_flags =
    VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT | VK_MEMORY_PROPERTY_PROTECTED_BIT |
    VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD | VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD |
    VK_MEMORY_PROPERTY_RDMA_CAPABLE_BIT_NV;

/* What a use needs, and what each property is worth to it. */
typedef struct memory_preference {
    VkMemoryPropertyFlags required;
    int device_local, host_visible, host_cached, host_coherent;
} memory_preference;

/* Memory that the device does not share with the host: its host-visible window is small and slow to read. */
static const memory_preference prefer_separate = {0, 16, -4, 0, 0};
/* One memory for both: kernels' buffers can be written and read in place. */
static const memory_preference prefer_shared = {0, 16, 8, 2, 1};
static const memory_preference prefer_staging = {VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT, -1, 0, 8, 4};

static const memory_preference *preference_of(const fv_vk_device *device, fv_memory use)
{
    if (use == FV_MEMORY_STAGING)
        return &prefer_staging;
    const fovea_device_kind kind = device->base.caps.info.kind;
    const bool shared = kind == FOVEA_DEVICE_INTEGRATED || kind == FOVEA_DEVICE_CPU;
    return shared ? &prefer_shared : &prefer_separate;
}

static int score(const memory_preference *preference, VkMemoryPropertyFlags flags)
{
    int sum = 0;
    sum += flags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT ? preference->device_local : 0;
    sum += flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT ? preference->host_visible : 0;
    sum += flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT ? preference->host_cached : 0;
    sum += flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT ? preference->host_coherent : 0;
    return sum;
}

/* The best type of `allowed` whose heap can hold `size` at all; VK_MAX_MEMORY_TYPES: none. */
static uint32_t best_type(const fv_vk_device *device, const memory_preference *preference, uint32_t allowed,
                          uint64_t size)
{
    const VkPhysicalDeviceMemoryProperties *memory = &device->physical.memory;
    uint32_t best = VK_MAX_MEMORY_TYPES;
    int best_score = 0;
    for (uint32_t i = 0; i < memory->memoryTypeCount; i++) {
        const VkMemoryPropertyFlags flags = memory->memoryTypes[i].propertyFlags;
        if (!(allowed & (1u << i)) || (flags & refused_flags) ||
            (flags & preference->required) != preference->required ||
            memory->memoryHeaps[memory->memoryTypes[i].heapIndex].size < size)
            continue;
        const int here = score(preference, flags);
        if (best == VK_MAX_MEMORY_TYPES || here > best_score) {
            best = i;
            best_score = here;
        }
    }
    return best;
}

static VkResult map(fv_vk_device *device, fv_vk_memory *memory)
{
    void *bytes = NULL;
    const VkResult result = device->vk.MapMemory(device->handle, memory->handle, 0, VK_WHOLE_SIZE, 0, &bytes);
    memory->bytes = result == VK_SUCCESS ? bytes : NULL;
    return result;
}

fovea_status fv_vk_memory_create(fv_vk_device *device, const VkMemoryRequirements *needs, fv_memory use,
                                 fv_vk_memory *memory)
{
    const uint32_t type = best_type(device, preference_of(device, use), needs->memoryTypeBits, needs->size);
    if (type == VK_MAX_MEMORY_TYPES)
        return fv_fail(device->base.host, FOVEA_OUT_OF_DEVICE_MEMORY,
                       "no memory heap of the device holds a buffer of %llu bytes", (unsigned long long)needs->size);
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = needs->size,
        .memoryTypeIndex = type,
    };
    const VkMemoryPropertyFlags flags = device->physical.memory.memoryTypes[type].propertyFlags;
    VkResult result = device->vk.AllocateMemory(device->handle, &info, NULL, &memory->handle);
    if (result != VK_SUCCESS) {
        memory->handle = VK_NULL_HANDLE;
        return fv_vk_device_fail(device, result, "vkAllocateMemory");
    }
    memory->size = needs->size;
    memory->coherent = (flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) != 0;
    if (!(flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT))
        return FOVEA_OK;
    result = map(device, memory);
    return result == VK_SUCCESS ? FOVEA_OK : fv_vk_device_fail(device, result, "vkMapMemory");
}

void fv_vk_memory_destroy(fv_vk_device *device, fv_vk_memory *memory)
{
    if (memory->bytes)
        device->vk.UnmapMemory(device->handle, memory->handle);
    if (memory->handle)
        device->vk.FreeMemory(device->handle, memory->handle, NULL);
    *memory = (fv_vk_memory){0};
}

/* The range widened to whole atoms, as far as the allocation goes. */
static VkMappedMemoryRange atoms(const fv_vk_device *device, const fv_vk_memory *memory, uint64_t offset, uint64_t size)
{
    const uint64_t atom = device->physical.properties.limits.nonCoherentAtomSize;
    const uint64_t start = offset / atom * atom;
    const uint64_t end = (offset + size + atom - 1) / atom * atom;
    return (VkMappedMemoryRange){
        .sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE,
        .memory = memory->handle,
        .offset = start,
        .size = end < memory->size ? end - start : VK_WHOLE_SIZE,
    };
}

VkResult fv_vk_memory_flush(fv_vk_device *device, const fv_vk_memory *memory, uint64_t offset, uint64_t size)
{
    if (memory->coherent || size == 0)
        return VK_SUCCESS;
    const VkMappedMemoryRange range = atoms(device, memory, offset, size);
    return device->vk.FlushMappedMemoryRanges(device->handle, 1, &range);
}

VkResult fv_vk_memory_invalidate(fv_vk_device *device, const fv_vk_memory *memory, uint64_t offset, uint64_t size)
{
    if (memory->coherent || size == 0)
        return VK_SUCCESS;
    const VkMappedMemoryRange range = atoms(device, memory, offset, size);
    return device->vk.InvalidateMappedMemoryRanges(device->handle, 1, &range);
}
