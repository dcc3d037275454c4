/* Descriptor sets of a command list: taken one after another, given back all at once. */
#include "internal.h"

static uint32_t pool_sets(uint32_t pool)
{
    return (uint32_t)FV_VK_POOL_SETS << pool;
}

void fv_vk_sets_init(fv_vk_sets *sets, const fv_vk_device *device)
{
    *sets = (fv_vk_sets){
        .device = device->handle, .vk = &device->vk, .push = device->push_descriptors, .stamps = &device->stamps};
}

void fv_vk_sets_release(fv_vk_sets *sets)
{
    for (uint32_t i = 0; i < FV_VK_POOLS_MAX && sets->pools[i]; i++) {
        sets->vk->DestroyDescriptorPool(sets->device, sets->pools[i], NULL);
        sets->pools[i] = VK_NULL_HANDLE;
    }
}

VkResult fv_vk_sets_reset(fv_vk_sets *sets)
{
    sets->current = 0;
    sets->used = 0;
    for (uint32_t i = 0; i < FV_VK_POOLS_MAX && sets->pools[i]; i++) {
        const VkResult result = sets->vk->ResetDescriptorPool(sets->device, sets->pools[i], 0);
        if (result != VK_SUCCESS)
            return result;
    }
    return VK_SUCCESS;
}

static VkResult create_pool(fv_vk_sets *sets, uint32_t pool)
{
    const VkDescriptorPoolSize size = {
        .type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
        .descriptorCount = pool_sets(pool) * FV_BINDINGS_MAX,
    };
    const VkDescriptorPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = pool_sets(pool),
        .poolSizeCount = 1,
        .pPoolSizes = &size,
    };
    const VkResult result = sets->vk->CreateDescriptorPool(sets->device, &info, NULL, &sets->pools[pool]);
    if (result != VK_SUCCESS)
        sets->pools[pool] = VK_NULL_HANDLE;
    return result;
}

VkResult fv_vk_sets_reserve(fv_vk_sets *sets, uint32_t count)
{
    if (sets->push)
        return VK_SUCCESS;
    uint64_t room = 0;
    for (uint32_t i = sets->current; i < FV_VK_POOLS_MAX; i++) {
        if (room >= count)
            return VK_SUCCESS;
        if (!sets->pools[i]) {
            const VkResult result = create_pool(sets, i);
            if (result != VK_SUCCESS)
                return result;
        }
        room += pool_sets(i) - (i == sets->current ? sets->used : 0);
    }
    return room >= count ? VK_SUCCESS : VK_ERROR_OUT_OF_POOL_MEMORY;
}

VkResult fv_vk_sets_take(fv_vk_sets *sets, VkDescriptorSetLayout layout, VkDescriptorSet *out_set)
{
    if (sets->used == pool_sets(sets->current)) {
        sets->current++;
        sets->used = 0;
    }
    if (sets->current >= FV_VK_POOLS_MAX || !sets->pools[sets->current])
        return VK_ERROR_OUT_OF_POOL_MEMORY;
    const VkDescriptorSetAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = sets->pools[sets->current],
        .descriptorSetCount = 1,
        .pSetLayouts = &layout,
    };
    const VkResult result = sets->vk->AllocateDescriptorSets(sets->device, &info, out_set);
    if (result == VK_SUCCESS)
        sets->used++;
    return result;
}
