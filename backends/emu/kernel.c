/* Kernels: finds the module's text, checks the descriptor against what the text declares, and the text
 * against the limits in force. What a driver would leave undefined is an error here, with a message that
 * names it. */
#include "emu.h"

#include <string.h>

enum { SIZE_ID = 31 }; /* the constant that tells SPIR-V the local size; the C11 reading does not see it */

static const fv_emu_text *find_text(const char *module)
{
    for (uint32_t i = 0; i < fv_emu_text_count; i++)
        if (strcmp(fv_emu_texts[i]->module, module) == 0)
            return fv_emu_texts[i];
    return NULL;
}

static fovea_status check_constants(fv_host *host, const fv_kernel_desc *desc, const fv_emu_text *text)
{
    for (const fv_emu_name *name = text->constants; name->name; name++)
        if (name->number >= desc->constant_count)
            return fv_fail(host, FOVEA_INTERNAL, "%s: constant %s has id %u, the descriptor holds %u", desc->module,
                           name->name, (unsigned)name->number, (unsigned)desc->constant_count);
    return FOVEA_OK;
}

static fovea_status check_interface(fv_host *host, const fv_kernel_desc *desc, const fv_emu_text *text)
{
    uint32_t count = 0;
    for (const fv_emu_name *name = text->buffers; name->name; name++, count++)
        if (name->number >= desc->binding_count || (uint32_t)desc->access[name->number] != name->access)
            return fv_fail(host, FOVEA_INTERNAL, "%s: buffer %s (binding %u, access %u) is not as the descriptor says",
                           desc->module, name->name, (unsigned)name->number, (unsigned)name->access);
    if (count != desc->binding_count)
        return fv_fail(host, FOVEA_INTERNAL, "%s: the descriptor has %u bindings, the text %u", desc->module,
                       (unsigned)desc->binding_count, (unsigned)count);
    if (text->parameter_bytes != desc->parameter_bytes)
        return fv_fail(host, FOVEA_INTERNAL, "%s: the descriptor has %u bytes of parameters, the text %u", desc->module,
                       (unsigned)desc->parameter_bytes, (unsigned)text->parameter_bytes);
    return FOVEA_OK;
}

/* The size that the kernel was specialised for (its constant SUBGROUP), that its descriptor asks for, or the
 * device's; 0 where the first two disagree. */
static uint32_t subgroup_size(const fv_kernel_desc *desc, const fv_emu_text *text)
{
    uint32_t planned = 0;
    for (const fv_emu_name *name = text->constants; name->name; name++)
        if (strcmp(name->name, "SUBGROUP") == 0)
            planned = desc->constants[name->number];
    if (planned && desc->subgroup_size && planned != desc->subgroup_size)
        return 0;
    if (planned || desc->subgroup_size)
        return planned ? planned : desc->subgroup_size;
    return FV_EMU_SUBGROUP;
}

static fovea_status check_lanes(fv_emu_device *device, const fv_kernel_desc *desc, fv_emu_kernel *kernel)
{
    fv_host *host = device->base.host;
    const uint32_t declared = kernel->text->invocations(), size = kernel->subgroup_size;
    if (declared != desc->invocations)
        return fv_fail(host, FOVEA_INTERNAL, "%s: the descriptor has %u invocations, the text %u", desc->module,
                       (unsigned)desc->invocations, (unsigned)declared);
    if (desc->constant_count > SIZE_ID && desc->constants[SIZE_ID] != declared)
        return fv_fail(host, FOVEA_INTERNAL, "%s: constant %d, the local size, is %u; the text has %u invocations",
                       desc->module, (int)SIZE_ID, (unsigned)desc->constants[SIZE_ID], (unsigned)declared);
    if (declared == 0 || declared > device->limits.workgroup_invocations || declared > device->limits.workgroup_size_x)
        return fv_fail(host, FOVEA_INTERNAL, "%s: %u invocations, the device allows %u", desc->module,
                       (unsigned)declared, (unsigned)device->limits.workgroup_invocations);
    const bool legal = size >= device->limits.subgroup_size_min && size <= device->limits.subgroup_size_max &&
                       size != 0 && (size & (size - 1)) == 0 && declared % size == 0;
    if (kernel->text->subgroup && !legal)
        return fv_fail(host, FOVEA_INTERNAL, "%s: %u invocations in subgroups of %u, the device has %u to %u",
                       desc->module, (unsigned)declared, (unsigned)size, (unsigned)device->limits.subgroup_size_min,
                       (unsigned)device->limits.subgroup_size_max);
    if (!kernel->text->subgroup)
        kernel->subgroup_size = declared; /* no shuffle will look at it */
    return FOVEA_OK;
}

/* Lays the shared arrays out, 16-byte aligned as a driver would. */
static fovea_status place_arrays(fv_emu_device *device, const char *module, fv_emu_kernel *kernel)
{
    fv_host *host = device->base.host;
    uint64_t offset = 0;
    for (uint32_t i = 0; i < kernel->array_count; i++) {
        fv_emu_array *array = &kernel->arrays[i];
        if (array->count == 0 || array->count > array->most)
            return fv_fail(host, FOVEA_INTERNAL, "%s: shared array %s has %u elements, declared at most %u", module,
                           array->name, (unsigned)array->count, (unsigned)array->most);
        const uint64_t end = offset + (uint64_t)array->count * array->size;
        if (end > device->limits.shared_memory)
            return fv_fail(host, FOVEA_INTERNAL, "%s: shared array %s ends at byte %llu, the device has %u", module,
                           array->name, (unsigned long long)end, (unsigned)device->limits.shared_memory);
        array->memory = device->shared + offset;
        array->cells = device->cells + offset / 4;
        offset = (end + 15) / 16 * 16;
    }
    return FOVEA_OK;
}

static fovea_status fill_kernel(fv_emu_device *device, const fv_kernel_desc *desc, fv_emu_kernel *kernel)
{
    fv_host *host = device->base.host;
    fovea_status status = FOVEA_OK;
    const fv_emu_text *text = kernel->text;
    fv_try(check_constants(host, desc, text));
    fv_try(check_interface(host, desc, text));
    fv_require(host, desc->binding_count <= device->limits.storage_buffers, FOVEA_INTERNAL,
               "%s: %u buffers, the device allows %u", desc->module, (unsigned)desc->binding_count,
               (unsigned)device->limits.storage_buffers);
    fv_require(host, desc->parameter_bytes <= device->limits.parameter_bytes, FOVEA_INTERNAL,
               "%s: %u bytes of parameters, the device allows %u", desc->module, (unsigned)desc->parameter_bytes,
               (unsigned)device->limits.parameter_bytes);
    memcpy(kernel->constants, desc->constants, sizeof kernel->constants);
    text->load(NULL, kernel->constants, NULL);
    kernel->subgroup_size = subgroup_size(desc, text);
    fv_try(check_lanes(device, desc, kernel));
    kernel->invocations = desc->invocations;
    kernel->array_count = text->arrays(kernel->arrays);
    fv_try(place_arrays(device, desc->module, kernel));
    pthread_mutex_lock(&device->lock);
    status = fv_emu_lanes_reserve(host, &device->lanes, kernel->invocations);
    pthread_mutex_unlock(&device->lock);
fail:
    return status;
}

fovea_status fv_emu_kernel_create(fv_device *base, const fv_kernel_desc *desc, fv_kernel **out_kernel)
{
    fv_emu_device *device = (fv_emu_device *)base;
    *out_kernel = NULL;
    const fv_emu_text *text = find_text(desc->module);
    if (!text)
        return fv_fail(base->host, FOVEA_INTERNAL, "the emulator has no module %s", desc->module);
    fv_emu_kernel *kernel = fv_alloc(base->host, 1, sizeof *kernel);
    if (!kernel)
        return fv_fail(base->host, FOVEA_OUT_OF_HOST_MEMORY, "no memory for kernel %s", desc->module);
    kernel->base =
        (fv_kernel){.device = base, .binding_count = desc->binding_count, .parameter_bytes = desc->parameter_bytes};
    kernel->text = text;
    const fovea_status status = fill_kernel(device, desc, kernel);
    if (status != FOVEA_OK) {
        fv_free(base->host, kernel);
        return status;
    }
    *out_kernel = &kernel->base;
    return FOVEA_OK;
}

void fv_emu_kernel_destroy(fv_kernel *kernel)
{
    if (kernel)
        fv_free(kernel->device->host, kernel);
}

void fv_emu_kernel_stats(fv_kernel *kernel, fv_kernel_stats *out_stats)
{
    (void)kernel;
    *out_stats = (fv_kernel_stats){UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
}
