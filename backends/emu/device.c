/* The emulator as a backend: one device, "emulator:0", for the tests alone. Lists execute at submit. Buffers
 * are host memory; device memory cannot be mapped, so that uploads take the way through staging that a
 * discrete GPU needs. */
#include "emu.h"

#include <stdio.h>
#include <string.h>

/* ---- capabilities ---------------------------------------------------------------------------- */

static void fill_info(fovea_device_info *info)
{
    memset(info, 0, sizeof *info);
    snprintf(info->id, sizeof info->id, "emulator:0");
    snprintf(info->name, sizeof info->name, "Fovea kernel emulator");
    snprintf(info->driver, sizeof info->driver, "emulator");
    snprintf(info->driver_info, sizeof info->driver_info, "kernel texts read as C11");
    info->kind = FOVEA_DEVICE_CPU;
    info->tier = FOVEA_TIER_SUBGROUP;
}

static void fill_limits(fovea_device_limits *limits)
{
    *limits = (fovea_device_limits){
        .shared_memory = FV_EMU_SHARED_BYTES,
        .workgroup_invocations = FV_EMU_LANES_MAX,
        .workgroup_size_x = FV_EMU_LANES_MAX,
        .group_count_x = 65535,
        .group_count_y = 65535,
        .group_count_z = 65535,
        .storage_buffers = 16,
        .storage_offset_alignment = 16,
        .storage_range = (uint64_t)1 << 27,
        .parameter_bytes = 4 * FV_PARAMETERS_MAX,
        .subgroup_size_min = FV_EMU_SUBGROUP,
        .subgroup_size_max = FV_EMU_SUBGROUP,
        .loop_iterations = FOVEA_UNBOUNDED,
        .compute_units = 1,
    };
}

static void fill_caps(fv_caps *caps)
{
    fill_info(&caps->info);
    fill_limits(&caps->limits);
    caps->emulated = true;
    caps->subgroup_shuffle = true;
    caps->subgroup_size_control = true;
    caps->nan_preserved = true;
    caps->stamps = true;
    caps->assumed_flops_per_s = 1e10; /* a GPU's way of cutting work, not the emulator's own speed */
}

static void clamp(uint32_t *limit, uint32_t to)
{
    if (to != 0 && to < *limit)
        *limit = to;
}

static void clamp_limits(fovea_device_limits *limits, const fovea_device_limits *to)
{
    clamp(&limits->shared_memory, to->shared_memory);
    clamp(&limits->workgroup_invocations, to->workgroup_invocations);
    clamp(&limits->workgroup_size_x, to->workgroup_size_x);
    clamp(&limits->group_count_x, to->group_count_x);
    clamp(&limits->group_count_y, to->group_count_y);
    clamp(&limits->group_count_z, to->group_count_z);
    clamp(&limits->storage_buffers, to->storage_buffers);
    clamp(&limits->parameter_bytes, to->parameter_bytes);
    if (to->storage_offset_alignment > limits->storage_offset_alignment)
        limits->storage_offset_alignment = to->storage_offset_alignment;
    if (to->storage_range != 0 && to->storage_range < limits->storage_range)
        limits->storage_range = to->storage_range;
}

/* ---- device ---------------------------------------------------------------------------------- */

static fovea_status enumerate(fv_host *host, fovea_device_info *infos, uint32_t room, uint32_t *count)
{
    (void)host;
    *count = 1;
    if (infos && room >= 1)
        fill_info(&infos[0]);
    return FOVEA_OK;
}

static void close_device(fv_device *base)
{
    fv_emu_device *device = (fv_emu_device *)base;
    fv_host *host = base->host;
    if (device->lanes.lanes)
        fv_emu_lanes_close(host, &device->lanes);
    fv_free(host, device->shared);
    fv_free(host, device->cells);
    fv_free(host, device->commands);
    pthread_mutex_destroy(&device->lock);
    fv_free(host, device);
}

static fovea_status open_device(fv_host *host, const fovea_device_params *params, uint32_t index,
                                fv_device **out_device)
{
    *out_device = NULL;
    if (index != 0)
        return fv_fail(host, FOVEA_NO_DEVICE, "there is one emulator, number 0; not number %u", (unsigned)index);
    fv_emu_device *device = fv_alloc(host, 1, sizeof *device);
    if (!device)
        return fv_fail(host, FOVEA_OUT_OF_HOST_MEMORY, "no memory for the emulator");
    fovea_status status = FOVEA_OK;
    device->base.backend = &fv_backend_emulator;
    device->base.host = host;
    fill_caps(&device->base.caps);
    device->limits = device->base.caps.limits;
    clamp_limits(&device->limits, &params->limits);
    pthread_mutex_init(&device->lock, NULL);
    fv_try(fv_emu_lanes_open(host, &device->lanes));
    device->machine.lanes = &device->lanes;
    device->shared = fv_alloc(host, 1, FV_EMU_SHARED_BYTES);
    device->cells = fv_alloc(host, FV_EMU_SHARED_BYTES / 4, sizeof *device->cells);
    device->commands = fv_alloc(host, FV_EMU_COMMANDS, sizeof *device->commands);
    fv_require(host, device->shared && device->cells && device->commands, FOVEA_OUT_OF_HOST_MEMORY,
               "no memory for the emulator's command list");
    *out_device = &device->base;
    return FOVEA_OK;
fail:
    close_device(&device->base);
    return status;
}

/* ---- buffers --------------------------------------------------------------------------------- */

static void buffer_destroy(fv_buffer *base)
{
    if (!base)
        return;
    fv_emu_buffer *buffer = (fv_emu_buffer *)base;
    fv_host *host = base->device->host;
    fv_free(host, buffer->words);
    fv_free(host, buffer->cells);
    fv_free(host, buffer);
}

static fovea_status buffer_create(fv_device *device, uint64_t size, fv_memory memory, fv_buffer **out_buffer)
{
    fv_host *host = device->host;
    fovea_status status = FOVEA_OK;
    *out_buffer = NULL;
    fv_emu_buffer *buffer = fv_alloc(host, 1, sizeof *buffer);
    if (!buffer)
        return fv_fail(host, FOVEA_OUT_OF_HOST_MEMORY, "no memory for a buffer");
    buffer->base.device = device;
    fv_require(host, size <= SIZE_MAX / 8, FOVEA_OUT_OF_HOST_MEMORY, "no memory for a buffer of %llu bytes",
               (unsigned long long)size);
    buffer->base.size = size ? (size + 15) / 16 * 16 : 16;
    buffer->base.mappable = memory == FV_MEMORY_STAGING;
    buffer->words = fv_alloc(host, (size_t)buffer->base.size, 1);
    if (memory == FV_MEMORY_DEVICE)
        buffer->cells = fv_alloc(host, (size_t)(buffer->base.size / 4), sizeof *buffer->cells);
    fv_require(host, buffer->words && (buffer->cells || memory == FV_MEMORY_STAGING), FOVEA_OUT_OF_HOST_MEMORY,
               "no memory for a buffer of %llu bytes", (unsigned long long)size);
    memset(buffer->words, 0xff, (size_t)buffer->base.size); /* NaN in every dtype */
    *out_buffer = &buffer->base;
    return FOVEA_OK;
fail:
    buffer_destroy(&buffer->base);
    return status;
}

static fovea_status buffer_map(fv_buffer *base, uint64_t offset, uint64_t size, void **out_memory)
{
    const fv_emu_buffer *buffer = (const fv_emu_buffer *)base;
    *out_memory = NULL;
    if (!base->mappable || offset > base->size || size > base->size - offset)
        return fv_fail(base->device->host, FOVEA_INTERNAL, "cannot map bytes %llu + %llu of a buffer of %llu",
                       (unsigned long long)offset, (unsigned long long)size, (unsigned long long)base->size);
    *out_memory = (unsigned char *)buffer->words + offset;
    return FOVEA_OK;
}

static void buffer_unmap(fv_buffer *base, uint64_t offset, uint64_t size)
{
    (void)base;
    (void)offset;
    (void)size;
}

/* ---- lists ----------------------------------------------------------------------------------- */

static fovea_status submit(fv_device *base)
{
    fv_emu_device *device = (fv_emu_device *)base;
    if (device->command_count == 0)
        return FOVEA_OK;
    device->outcome = fv_emu_run_list(device, device->commands, device->command_count);
    device->command_count = 0;
    return device->outcome;
}

static fovea_status record(fv_device *base, const fv_command *commands, uint32_t count)
{
    fv_emu_device *device = (fv_emu_device *)base;
    for (uint32_t i = 0; i < count; i++) {
        if (device->command_count == FV_EMU_COMMANDS) {
            const fovea_status status = submit(base);
            if (status != FOVEA_OK)
                return status;
        }
        device->commands[device->command_count++] = commands[i];
    }
    return FOVEA_OK;
}

/* All work ended in submit; what is left is its outcome. */
static fovea_status wait_for_work(fv_device *base)
{
    return ((const fv_emu_device *)base)->outcome;
}

static fovea_status execute(fv_device *base, const fv_command *commands, uint32_t count)
{
    return fv_emu_run_list((fv_emu_device *)base, commands, count);
}

static fovea_status read_stamps(fv_device *base, uint32_t first, uint32_t count, double *out_seconds)
{
    memcpy(out_seconds, ((const fv_emu_device *)base)->stamps + first, count * sizeof *out_seconds);
    return FOVEA_OK;
}

static bool lost(const fv_device *base)
{
    (void)base;
    return false;
}

const fv_backend fv_backend_emulator = {
    .name = "emulator",
    .enumerate = enumerate,
    .open = open_device,
    .close = close_device,
    .buffer_create = buffer_create,
    .buffer_destroy = buffer_destroy,
    .buffer_map = buffer_map,
    .buffer_unmap = buffer_unmap,
    .kernel_create = fv_emu_kernel_create,
    .kernel_destroy = fv_emu_kernel_destroy,
    .kernel_stats = fv_emu_kernel_stats,
    .record = record,
    .submit = submit,
    .wait = wait_for_work,
    .execute = execute,
    .read_stamps = read_stamps,
    .lost = lost,
};
