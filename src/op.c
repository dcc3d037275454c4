/* What all operators share: run, destroy, report, bindings. */
#include "op.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cache.h"
#include "util/math.h"

enum { LEAST_ALIGNMENT = 16 }; /* kernels read up to 16 bytes at once, aligned to the start of a binding */

fovea_status fv_op_create(fovea_device *device, const fv_op_class *type, const void *params, fovea_op **out_op)
{
    if (out_op)
        *out_op = NULL;
    if (!device)
        return FOVEA_INVALID;
    fovea_status status = FOVEA_OK;
    fovea_op *op = NULL;
    fv_host *host = &device->host;
    const double start = fv_seconds();
    fv_require(host, params && out_op, FOVEA_INVALID, "fovea_%s_create: params or out_op is NULL", type->name);
    fv_require(host, !device->backend->lost(device->driver), FOVEA_DEVICE_LOST, "fovea_%s_create: device lost",
               type->name);
    op = fv_alloc(host, 1, type->size);
    fv_require(host, op, FOVEA_OUT_OF_HOST_MEMORY, "no host memory for an op");
    op->type = type;
    op->device = device;
    fv_try(type->init(op, params));
    fv_try(fv_device_reserve(device, op->workspace_size));
    fv_cache_keep(device);
    pthread_mutex_lock(&device->lock);
    type->report(op, fv_seconds() - start);
    pthread_mutex_unlock(&device->lock);
    *out_op = op;
    return FOVEA_OK;
fail:
    if (op)
        type->destroy(op);
    return status;
}

fovea_status fovea_op_run(fovea_op *op, const fovea_op_args *args)
{
    if (!op)
        return FOVEA_INVALID;
    fv_host *host = &op->device->host;
    if (!args)
        return fv_fail(host, FOVEA_INVALID, "fovea_op_run: args is NULL");
    if (!fv_all_zero(args->reserved, sizeof args->reserved))
        return fv_fail(host, FOVEA_INVALID, "fovea_op_run: a reserved word of args is not zero");
    if (op->device->backend->lost(op->device->driver))
        return fv_fail(host, FOVEA_DEVICE_LOST, "fovea_op_run: the device is lost");
    return op->type->run(op, args);
}

void fovea_op_destroy(fovea_op *op)
{
    if (op)
        op->type->destroy(op);
}

uint64_t fovea_op_workspace_size(const fovea_op *op)
{
    return op ? op->workspace_size : 0;
}

fovea_status fovea_op_prefer(const fovea_op *op)
{
    if (!op)
        return FOVEA_INVALID;
    if (!op->device->params.cache.set)
        return fv_fail(&op->device->host, FOVEA_UNSUPPORTED, "fovea_op_prefer: the device was opened without a cache");
    return op->type->prefer(op);
}

fovea_status fovea_op_get_report(const fovea_op *op, fovea_op_report *out_report)
{
    if (!op || !out_report)
        return FOVEA_INVALID;
    *out_report = op->report;
    return FOVEA_OK;
}

fovea_status fv_bind(const fovea_op *op, const char *name, const fovea_tensor *tensor, const fovea_binding *binding,
                     fv_bound *out_bound)
{
    fovea_status status = FOVEA_OK;
    const fovea_device *device = op->device;
    fv_host *host = &op->device->host;
    const uint32_t element = fovea_dtype_size(tensor->dtype);
    const uint64_t bytes = fovea_tensor_bytes(tensor);
    fv_require(host, binding->buffer, FOVEA_INVALID, "%s: no buffer is bound", name);
    fv_require(host, binding->buffer->device == device, FOVEA_INVALID, "%s: its buffer belongs to another device",
               name);
    fv_require(host, binding->offset % element == 0, FOVEA_INVALID, "%s: offset %llu is not a multiple of %u bytes",
               name, (unsigned long long)binding->offset, element);
    const uint64_t size = binding->buffer->size;
    fv_require(host, binding->offset <= size && bytes <= size - binding->offset, FOVEA_INVALID,
               "%s: the view needs %llu bytes from offset %llu, its buffer has %llu", name, (unsigned long long)bytes,
               (unsigned long long)binding->offset, (unsigned long long)size);
    const uint64_t alignment = fv_max(LEAST_ALIGNMENT, device->limits.storage_offset_alignment);
    const uint64_t start = fv_min(binding->offset, size - 1) / alignment * alignment;
    const uint64_t lead = binding->offset - start;
    const uint64_t bound = fv_max(4, fv_round_up(lead + bytes, 4));
    fv_require(host, bound <= device->limits.storage_range, FOVEA_UNSUPPORTED,
               "%s: the view spans %llu bytes, one binding of this device at most %llu", name,
               (unsigned long long)bound, (unsigned long long)device->limits.storage_range);
    fv_require(host, bound / element <= UINT32_MAX, FOVEA_UNSUPPORTED, "%s: the view spans more than 2^32 elements",
               name);
    *out_bound = (fv_bound){.range = {binding->buffer->memory, start, bound},
                            .first_element = (uint32_t)(lead / element),
                            .begin = binding->offset,
                            .end = binding->offset + bytes};
fail:
    return status;
}

bool fv_overlap(const fv_bound *a, const fv_bound *b)
{
    return a->range.buffer == b->range.buffer && a->begin < b->end && b->begin < a->end;
}

fovea_status fv_check_overlaps(fv_host *host, const fv_place *places, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < count && places[i].output; j++)
            if (i != j && places[i].bound->range.buffer && fv_overlap(places[i].bound, places[j].bound))
                return fv_fail(host, FOVEA_INVALID, "%s overlaps %s in one buffer", places[i].name, places[j].name);
    return FOVEA_OK;
}

fovea_status fv_resolve_size(fv_host *host, const char *name, uint32_t given, uint32_t most, uint32_t *out_size)
{
    if (given != FOVEA_MAXIMUM && given > most)
        return fv_fail(host, FOVEA_INVALID, "%s = %u; the descriptor's maximum is %u", name, given, most);
    *out_size = given == FOVEA_MAXIMUM ? most : given;
    return FOVEA_OK;
}

fovea_status fv_bind_workspace(const fovea_op *op, const fovea_op_args *args, uint64_t size, fv_bound *out_bound)
{
    fovea_status status = FOVEA_OK;
    fovea_device *device = op->device;
    fv_host *host = &device->host;
    const fovea_buffer *own = args->workspace.buffer;
    const uint64_t offset = args->workspace.offset;
    if (!own && size == 0)
        return FOVEA_OK;
    if (!own) {
        pthread_mutex_lock(&device->workspace_lock);
        *out_bound = (fv_bound){.range = {device->workspace, 0, op->workspace_size}, .end = op->workspace_size};
        pthread_mutex_unlock(&device->workspace_lock);
        return FOVEA_OK;
    }
    fv_require(host, own->device == device, FOVEA_INVALID, "workspace: its buffer belongs to another device");
    fv_require(host, offset % device->limits.storage_offset_alignment == 0 && offset % 16 == 0, FOVEA_INVALID,
               "workspace: offset %llu is not a multiple of %u", (unsigned long long)offset,
               (uint32_t)fv_max(16, device->limits.storage_offset_alignment));
    fv_require(host, offset <= own->size && args->workspace_size <= own->size - offset, FOVEA_INVALID,
               "workspace: %llu bytes from offset %llu of a buffer of %llu", (unsigned long long)args->workspace_size,
               (unsigned long long)offset, (unsigned long long)own->size);
    fv_require(host, args->workspace_size >= size, FOVEA_INVALID,
               "workspace: %llu bytes; this run needs at least %llu, best %llu",
               (unsigned long long)args->workspace_size, (unsigned long long)size,
               (unsigned long long)op->workspace_size);
    *out_bound = (fv_bound){.range = {own->memory, offset, fv_min(args->workspace_size, op->workspace_size) & ~3ull},
                            .begin = offset,
                            .end = offset + args->workspace_size};
fail:
    return status;
}

void fv_fold(const fovea_device *device, uint64_t groups, uint32_t grid[3])
{
    const uint64_t width = fv_min(groups, device->limits.group_count_x);
    grid[0] = (uint32_t)width;
    grid[1] = (uint32_t)fv_divide_up(groups, width);
    grid[2] = 1;
}

void fv_note(fovea_op_report *report, const char *format, ...)
{
    const size_t used = strlen(report->notes);
    va_list list;
    va_start(list, format);
    vsnprintf(report->notes + used, sizeof report->notes - used, format, list);
    va_end(list);
    const size_t length = strlen(report->notes);
    if (length + 1 < sizeof report->notes) {
        report->notes[length] = '\n';
        report->notes[length + 1] = '\0';
    }
}
