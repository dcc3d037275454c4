/* The CPU as a device: enumeration, open and close, buffers in host memory, kernels by name.
 *
 * "cpu" is the machine's best instruction set; "cpu:1" and so on are the others that were compiled and that
 * it runs, down to the baseline. A device of max_tier PORTABLE uses the baseline whatever its number.
 *
 * Kernels find their per-thread scratch in the device: kernel_create grows it, so a run allocates nothing.
 */
#include "cpu.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- devices ---------------------------------------------------------------------------------------- */

static void describe(const cpu_isa *isa, uint32_t index, fovea_device_info *info)
{
    memset(info, 0, sizeof *info);
    if (index == 0)
        snprintf(info->id, sizeof info->id, "cpu");
    else
        snprintf(info->id, sizeof info->id, "cpu:%u", (unsigned)index);
    fv_cpu_name(info->name, sizeof info->name);
    snprintf(info->driver, sizeof info->driver, "native");
    snprintf(info->driver_info, sizeof info->driver_info, "%s", isa->name);
    info->kind = FOVEA_DEVICE_CPU;
    info->tier = isa->tier;
}

static fovea_status enumerate(fv_host *host, fovea_device_info *infos, uint32_t room, uint32_t *count)
{
    (void)host;
    *count = fv_cpu_isa_count();
    for (uint32_t i = 0; i < *count && i < room; i++)
        describe(fv_cpu_isa(i), i, &infos[i]);
    return FOVEA_OK;
}

static fovea_device_limits native_limits(uint32_t threads)
{
    return (fovea_device_limits){
        .workgroup_invocations = 1,
        .workgroup_size_x = 1,
        .group_count_x = UINT32_MAX / 2,
        .group_count_y = UINT32_MAX / 2,
        .group_count_z = 1,
        .storage_buffers = FV_BINDINGS_MAX,
        .storage_offset_alignment = 64,
        .storage_range = UINT32_MAX * UINT64_C(4),
        .parameter_bytes = 4 * FV_PARAMETERS_MAX,
        .loop_iterations = FOVEA_UNBOUNDED,
        .compute_units = threads,
    };
}

static uint32_t thread_count(const fovea_device_params *params)
{
    if (params->threads > 0)
        return params->threads;
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (uint32_t)online : 1;
}

static void close_device(fv_device *base)
{
    cpu_device *device = (cpu_device *)base;
    fv_cpu_pool_destroy(device->pool);
    pthread_mutex_destroy(&device->run_lock);
    fv_free(base->host, device->panels.memory);
    fv_free(base->host, device->scratch.memory);
    fv_free(base->host, device->list);
    fv_free(base->host, device);
}

/* Number `index`, or the next one that may be used: the system can refuse registers that the CPU has. A device below the
 * matrix tier does not ask for them. */
static const cpu_isa *choose_isa(fovea_tier max_tier, uint32_t index)
{
    if (max_tier == FOVEA_TIER_PORTABLE)
        return fv_cpu_plain_isa();
    const bool matrix = max_tier == FOVEA_TIER_DEFAULT || max_tier >= FOVEA_TIER_MATRIX;
    const cpu_isa *isa = fv_cpu_isa(index);
    while (isa->permit && matrix && !isa->permit())
        isa = fv_cpu_isa(++index);
    return isa;
}

static fovea_status open_device(fv_host *host, const fovea_device_params *params, uint32_t index,
                                fv_device **out_device)
{
    *out_device = NULL;
    fovea_status status = FOVEA_OK;
    cpu_device *device = NULL;
    const uint32_t count = fv_cpu_isa_count();
    fv_require(host, index < count, FOVEA_NO_DEVICE, "no device cpu:%u: there are %u instruction sets", (unsigned)index,
               (unsigned)count);
    device = fv_alloc(host, 1, sizeof *device);
    fv_require(host, device, FOVEA_OUT_OF_HOST_MEMORY, "no memory for a CPU device");
    pthread_mutex_init(&device->run_lock, NULL);
    device->base.backend = &fv_backend_cpu;
    device->base.host = host;
    device->isa = choose_isa(params->max_tier, index);
    device->threads = thread_count(params);
    device->list = fv_alloc(host, LIST_COMMANDS, sizeof *device->list);
    fv_require(host, device->list, FOVEA_OUT_OF_HOST_MEMORY, "no memory for a command list");
    device->pool = fv_cpu_pool_create(host, device->threads);
    fv_require(host, device->pool, FOVEA_OUT_OF_HOST_MEMORY, "no memory for %u threads", (unsigned)device->threads);

    fv_caps *caps = &device->base.caps;
    describe(device->isa, index, &caps->info);
    caps->limits = native_limits(device->threads);
    caps->native = true;
    caps->nan_preserved = true;
    caps->stamps = true;
    caps->assumed_flops_per_s = device->isa->flops_per_s * device->threads;
    *out_device = &device->base;
    return FOVEA_OK;
fail:
    if (device)
        close_device(&device->base);
    return status;
}

/* ---- buffers ---------------------------------------------------------------------------------------- */

static void buffer_destroy(fv_buffer *base)
{
    fv_free(base->device->host, ((cpu_buffer *)base)->memory);
    fv_free(base->device->host, base);
}

static fovea_status buffer_create(fv_device *device, uint64_t size, fv_memory memory, fv_buffer **out_buffer)
{
    (void)memory; /* every kind is host memory */
    *out_buffer = NULL;
    fovea_status status = FOVEA_OK;
    cpu_buffer *buffer = NULL;
    fv_require(device->host, size <= SIZE_MAX / 2, FOVEA_OUT_OF_HOST_MEMORY, "no memory for a buffer of %llu bytes",
               (unsigned long long)size);
    buffer = fv_alloc(device->host, 1, sizeof *buffer);
    fv_require(device->host, buffer, FOVEA_OUT_OF_HOST_MEMORY, "no memory for a buffer");
    buffer->base = (fv_buffer){.device = device, .size = (size + 15) / 16 * 16, .mappable = true};
    buffer->memory = fv_alloc(device->host, 1, (size_t)buffer->base.size);
    fv_require(device->host, buffer->memory, FOVEA_OUT_OF_HOST_MEMORY, "no memory for a buffer of %llu bytes",
               (unsigned long long)size);
    *out_buffer = &buffer->base;
    return FOVEA_OK;
fail:
    if (buffer)
        buffer_destroy(&buffer->base);
    return status;
}

static fovea_status buffer_map(fv_buffer *base, uint64_t offset, uint64_t size, void **out_memory)
{
    (void)size;
    *out_memory = ((cpu_buffer *)base)->memory + offset;
    return FOVEA_OK;
}

static void buffer_unmap(fv_buffer *base, uint64_t offset, uint64_t size)
{
    (void)base;
    (void)offset;
    (void)size;
}

/* ---- kernels ---------------------------------------------------------------------------------------- */

static const cpu_native *find_native(const cpu_isa *isa, const char *kernel)
{
    for (uint32_t family = 0; family < CPU_FAMILIES; family++)
        for (const cpu_native *native = isa->tables[family]; native->kernel; native++)
            if (strcmp(native->kernel, kernel) == 0)
                return native;
    return NULL;
}

static bool agrees(const cpu_native *native, const fv_kernel_desc *desc)
{
    return desc->constant_count >= native->constant_count && desc->binding_count == native->binding_count &&
           desc->parameter_bytes == native->parameter_bytes;
}

/* Makes each of `parts` parts of kernels' memory at least `size` bytes. Waits for a list that runs. */
static fovea_status grow(cpu_device *device, cpu_memory *memory, uint32_t parts, size_t size)
{
    fovea_status status = FOVEA_OK;
    size = (size + 63) / 64 * 64;
    pthread_mutex_lock(&device->run_lock);
    if (size > memory->size) {
        unsigned char *larger = fv_alloc(device->base.host, parts, size);
        fv_require(device->base.host, larger, FOVEA_OUT_OF_HOST_MEMORY,
                   "no memory for %u times %llu bytes of kernel scratch", (unsigned)parts, (unsigned long long)size);
        fv_free(device->base.host, memory->memory);
        *memory = (cpu_memory){larger, size};
    }
fail:
    pthread_mutex_unlock(&device->run_lock);
    return status;
}

static fovea_status kernel_create(fv_device *base, const fv_kernel_desc *desc, fv_kernel **out_kernel)
{
    *out_kernel = NULL;
    fovea_status status = FOVEA_OK;
    cpu_device *device = (cpu_device *)base;
    cpu_kernel *kernel = NULL;
    const cpu_native *native = find_native(device->isa, desc->kernel);
    fv_require(base->host, native, FOVEA_UNSUPPORTED, "the CPU has no kernel \"%s\"", desc->kernel);
    fv_require(base->host, agrees(native, desc), FOVEA_INTERNAL,
               "kernel \"%s\" is described with %u constants, %u bindings and %u parameter bytes", desc->kernel,
               (unsigned)desc->constant_count, (unsigned)desc->binding_count, (unsigned)desc->parameter_bytes);
    kernel = fv_alloc(base->host, 1, sizeof *kernel);
    fv_require(base->host, kernel, FOVEA_OUT_OF_HOST_MEMORY, "no memory for kernel \"%s\"", desc->kernel);
    kernel->base = (fv_kernel){base, desc->binding_count, desc->parameter_bytes};
    kernel->native = native;
    memcpy(kernel->constants, desc->constants, sizeof kernel->constants);
    if (native->scratch)
        fv_try(grow(device, &device->scratch, device->threads, native->scratch(kernel->constants)));
    if (native->panels)
        fv_try(grow(device, &device->panels, 1, native->panels(kernel->constants)));
    *out_kernel = &kernel->base;
    return FOVEA_OK;
fail:
    fv_free(base->host, kernel);
    return status;
}

static void kernel_destroy(fv_kernel *kernel)
{
    fv_free(kernel->device->host, kernel);
}

static void kernel_stats(fv_kernel *kernel, fv_kernel_stats *out_stats)
{
    (void)kernel;
    *out_stats = (fv_kernel_stats){UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
}

static bool lost(const fv_device *device)
{
    (void)device; /* a CPU does not go away */
    return false;
}

const fv_backend fv_backend_cpu = {
    .name = "cpu",
    .enumerate = enumerate,
    .open = open_device,
    .close = close_device,
    .buffer_create = buffer_create,
    .buffer_destroy = buffer_destroy,
    .buffer_map = buffer_map,
    .buffer_unmap = buffer_unmap,
    .kernel_create = kernel_create,
    .kernel_destroy = kernel_destroy,
    .kernel_stats = kernel_stats,
    .record = fv_cpu_record,
    .submit = fv_cpu_submit,
    .wait = fv_cpu_wait,
    .execute = fv_cpu_execute,
    .read_stamps = fv_cpu_read_stamps,
    .lost = lost,
};
