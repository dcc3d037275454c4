/* Recording: commands into any command buffer. Knows nothing of submitting, waiting or slots. */
#include "internal.h"

typedef struct recording {
    const fv_vk_device_functions *vk;
    VkCommandBuffer target;
    fv_vk_sets *sets;
    const fv_vk_kernel *bound; /* the kernel whose pipeline was bound last */
} recording;

static const VkPipelineStageFlags own_stages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
static const VkAccessFlags own_writes = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
static const VkAccessFlags own_accesses =
    VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;

static void barrier(const fv_vk_device_functions *vk, VkCommandBuffer target, VkPipelineStageFlags more_stages,
                    VkAccessFlags more_accesses)
{
    const VkMemoryBarrier memory = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = own_writes,
        .dstAccessMask = own_accesses | more_accesses,
    };
    vk->CmdPipelineBarrier(target, own_stages, own_stages | more_stages, 0, 1, &memory, 0, NULL, 0, NULL);
}

static VkBuffer handle_of(const fv_range *range)
{
    return ((const fv_vk_buffer *)range->buffer)->handle;
}

/* Binds the buffers of a dispatch, by push descriptors or in a set of their own. */
static VkResult bind_buffers(recording *recorder, const fv_vk_kernel *kernel, const fv_dispatch *dispatch)
{
    const uint32_t count = kernel->base.binding_count;
    VkDescriptorBufferInfo ranges[FV_BINDINGS_MAX];
    VkWriteDescriptorSet writes[FV_BINDINGS_MAX];
    VkDescriptorSet set = VK_NULL_HANDLE;
    if (count == 0)
        return VK_SUCCESS;
    if (!recorder->sets->push) {
        const VkResult result = fv_vk_sets_take(recorder->sets, kernel->set_layout, &set);
        if (result != VK_SUCCESS)
            return result;
    }
    for (uint32_t i = 0; i < count; i++) {
        const fv_range *range = &dispatch->bindings[i];
        ranges[i] = (VkDescriptorBufferInfo){handle_of(range), range->offset, range->size};
        writes[i] = (VkWriteDescriptorSet){
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .dstSet = set,
            .dstBinding = i,
            .descriptorCount = 1,
            .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
            .pBufferInfo = &ranges[i],
        };
    }
    const VkPipelineBindPoint point = VK_PIPELINE_BIND_POINT_COMPUTE;
    if (recorder->sets->push) {
        recorder->vk->CmdPushDescriptorSetKHR(recorder->target, point, kernel->layout, 0, count, writes);
    } else {
        recorder->vk->UpdateDescriptorSets(recorder->sets->device, count, writes, 0, NULL);
        recorder->vk->CmdBindDescriptorSets(recorder->target, point, kernel->layout, 0, 1, &set, 0, NULL);
    }
    return VK_SUCCESS;
}

static VkResult record_dispatch(recording *recorder, const fv_command *command)
{
    const fv_dispatch *dispatch = &command->dispatch;
    const fv_vk_kernel *kernel = (const fv_vk_kernel *)dispatch->kernel;
    if (recorder->bound != kernel)
        recorder->vk->CmdBindPipeline(recorder->target, VK_PIPELINE_BIND_POINT_COMPUTE, kernel->pipeline);
    recorder->bound = kernel;
    const VkResult result = bind_buffers(recorder, kernel, dispatch);
    if (result != VK_SUCCESS)
        return result;
    if (kernel->base.parameter_bytes != 0)
        recorder->vk->CmdPushConstants(recorder->target, kernel->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                                       kernel->base.parameter_bytes, dispatch->parameters);
    recorder->vk->CmdDispatch(recorder->target, dispatch->groups[0], dispatch->groups[1], dispatch->groups[2]);
    return VK_SUCCESS;
}

static VkResult record_copy(recording *recorder, const fv_command *command)
{
    const fv_copy *copy = &command->copy;
    const VkBufferCopy region = {copy->source.offset, copy->target.offset, copy->target.size};
    if (region.size != 0)
        recorder->vk->CmdCopyBuffer(recorder->target, handle_of(&copy->source), handle_of(&copy->target), 1, &region);
    return VK_SUCCESS;
}

static VkResult record_fill(recording *recorder, const fv_command *command)
{
    const fv_fill *fill = &command->fill;
    if (fill->target.size != 0)
        recorder->vk->CmdFillBuffer(recorder->target, handle_of(&fill->target), fill->target.offset, fill->target.size,
                                    fill->value);
    return VK_SUCCESS;
}

static VkResult record_barrier(recording *recorder, const fv_command *command)
{
    (void)command;
    barrier(recorder->vk, recorder->target, 0, 0);
    return VK_SUCCESS;
}

static VkResult record_stamp(recording *recorder, const fv_command *command)
{
    const VkQueryPool pool = *recorder->sets->stamps;
    recorder->vk->CmdResetQueryPool(recorder->target, pool, command->stamp, 1);
    recorder->vk->CmdWriteTimestamp(recorder->target, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, pool, command->stamp);
    return VK_SUCCESS;
}

static VkResult (*const record_kind[])(recording *recorder, const fv_command *command) = {
    [FV_COMMAND_DISPATCH] = record_dispatch, [FV_COMMAND_COPY] = record_copy,   [FV_COMMAND_FILL] = record_fill,
    [FV_COMMAND_BARRIER] = record_barrier,   [FV_COMMAND_STAMP] = record_stamp,
};

VkResult fv_vk_record_commands(const fv_vk_device_functions *vk, VkCommandBuffer target, fv_vk_sets *sets,
                               const fv_command *commands, uint32_t count)
{
    recording recorder = {.vk = vk, .target = target, .sets = sets};
    uint32_t dispatches = 0;
    for (uint32_t i = 0; i < count; i++)
        dispatches += commands[i].kind == FV_COMMAND_DISPATCH;
    VkResult result = fv_vk_sets_reserve(sets, dispatches);
    for (uint32_t i = 0; i < count && result == VK_SUCCESS; i++)
        result = record_kind[commands[i].kind](&recorder, &commands[i]);
    return result;
}

void fv_vk_record_end(const fv_vk_device_functions *vk, VkCommandBuffer target)
{
    barrier(vk, target, VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
}
