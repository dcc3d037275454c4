/* Buffers: create, upload, download. */
#include <fovea/buffer.h>

#include <string.h>

#include "device.h"
#include "util/math.h"

enum { STAGING_BYTES = 4 << 20 };

fovea_status fovea_buffer_create(fovea_device *device, uint64_t size, fovea_buffer **out_buffer)
{
    if (out_buffer)
        *out_buffer = NULL;
    if (!device)
        return FOVEA_INVALID;
    fovea_status status = FOVEA_OK;
    fovea_buffer *buffer = NULL;
    fv_host *host = &device->host;
    fv_require(host, out_buffer, FOVEA_INVALID, "fovea_buffer_create: out_buffer is NULL");
    fv_require(host, size > 0, FOVEA_INVALID, "fovea_buffer_create: size is 0");
    fv_require(host, size <= UINT64_MAX - 64, FOVEA_OUT_OF_DEVICE_MEMORY, "fovea_buffer_create: size %llu",
               (unsigned long long)size);
    buffer = fv_alloc(host, 1, sizeof *buffer);
    fv_require(host, buffer, FOVEA_OUT_OF_HOST_MEMORY, "no host memory for a buffer");
    fv_try(device->backend->buffer_create(device->driver, size, FV_MEMORY_DEVICE, &buffer->memory));
    buffer->device = device;
    buffer->size = size;
    *out_buffer = buffer;
    return FOVEA_OK;
fail:
    fv_free(host, buffer);
    return status;
}

void fovea_buffer_destroy(fovea_buffer *buffer)
{
    if (!buffer)
        return;
    fovea_device *device = buffer->device;
    device->backend->buffer_destroy(buffer->memory);
    fv_free(&device->host, buffer);
}

uint64_t fovea_buffer_size(const fovea_buffer *buffer)
{
    return buffer ? buffer->size : 0;
}

/* A copy in pieces through staging memory. */
typedef struct staged_copy {
    fovea_device *device;
    fv_buffer *buffer, *staging;
    bool upload;
} staged_copy;

/* One piece. Where it does not begin and end on a word it is widened: the words around it are read first and
 * written back. */
static fovea_status copy_piece(const staged_copy *copy, uint64_t offset, void *data, uint64_t size)
{
    const fv_backend *backend = copy->device->backend;
    fv_device *driver = copy->device->driver;
    const uint64_t begin = offset & ~(uint64_t)3, end = fv_round_up(offset + size, 4);
    const fv_range there = {copy->buffer, begin, end - begin}, here = {copy->staging, 0, end - begin};
    const fv_command fetch = {.kind = FV_COMMAND_COPY, .copy = {.source = there, .target = here}};
    const fv_command store = {.kind = FV_COMMAND_COPY, .copy = {.source = here, .target = there}};
    fovea_status status = FOVEA_OK;
    if (!copy->upload || begin != offset || end != offset + size)
        fv_try(backend->execute(driver, &fetch, 1));
    void *mapped = NULL;
    fv_try(backend->buffer_map(copy->staging, 0, end - begin, &mapped));
    unsigned char *bytes = (unsigned char *)mapped + (offset - begin);
    if (copy->upload)
        memcpy(bytes, data, size);
    else
        memcpy(data, bytes, size);
    backend->buffer_unmap(copy->staging, 0, end - begin);
    if (copy->upload)
        fv_try(backend->execute(driver, &store, 1));
fail:
    return status;
}

static fovea_status copy_staged(fovea_device *device, fv_buffer *buffer, uint64_t offset, void *data, uint64_t size,
                                bool upload)
{
    fovea_status status = FOVEA_OK;
    staged_copy copy = {.device = device, .buffer = buffer, .upload = upload};
    fv_try(device->backend->buffer_create(device->driver, STAGING_BYTES, FV_MEMORY_STAGING, &copy.staging));
    for (uint64_t done = 0; done < size;) {
        const uint64_t piece = fv_min(size - done, STAGING_BYTES - 8);
        fv_try(copy_piece(&copy, offset + done, (unsigned char *)data + done, piece));
        done += piece;
    }
fail:
    if (copy.staging)
        device->backend->buffer_destroy(copy.staging);
    return status;
}

fovea_status fv_upload(fovea_device *device, fv_buffer *buffer, uint64_t offset, const void *data, uint64_t size)
{
    if (!buffer->mappable)
        return copy_staged(device, buffer, offset, (void *)(uintptr_t)data, size, true);
    void *mapped = NULL;
    const fovea_status status = device->backend->buffer_map(buffer, offset, size, &mapped);
    if (status != FOVEA_OK)
        return status;
    memcpy(mapped, data, size);
    device->backend->buffer_unmap(buffer, offset, size);
    return FOVEA_OK;
}

fovea_status fv_download(fovea_device *device, fv_buffer *buffer, uint64_t offset, void *data, uint64_t size)
{
    if (!buffer->mappable)
        return copy_staged(device, buffer, offset, data, size, false);
    void *mapped = NULL;
    const fovea_status status = device->backend->buffer_map(buffer, offset, size, &mapped);
    if (status != FOVEA_OK)
        return status;
    memcpy(data, mapped, size);
    device->backend->buffer_unmap(buffer, offset, size);
    return FOVEA_OK;
}

/* What upload and download share: checks, then all earlier work done. */
static fovea_status prepare_access(const fovea_buffer *buffer, uint64_t offset, const void *data, uint64_t size)
{
    fovea_status status = FOVEA_OK;
    fv_host *host = &buffer->device->host;
    fv_require(host, data || size == 0, FOVEA_INVALID, "data is NULL");
    fv_require(host, offset <= buffer->size && size <= buffer->size - offset, FOVEA_INVALID,
               "bytes %llu to %llu of a buffer of %llu bytes", (unsigned long long)offset,
               (unsigned long long)offset + size, (unsigned long long)buffer->size);
    fv_try(fovea_device_wait(buffer->device));
fail:
    return status;
}

fovea_status fovea_buffer_upload(fovea_buffer *buffer, uint64_t offset, const void *data, uint64_t size)
{
    if (!buffer)
        return FOVEA_INVALID;
    const fovea_status status = prepare_access(buffer, offset, data, size);
    return status == FOVEA_OK && size > 0 ? fv_upload(buffer->device, buffer->memory, offset, data, size) : status;
}

fovea_status fovea_buffer_download(fovea_buffer *buffer, uint64_t offset, void *data, uint64_t size)
{
    if (!buffer)
        return FOVEA_INVALID;
    const fovea_status status = prepare_access(buffer, offset, data, size);
    return status == FOVEA_OK && size > 0 ? fv_download(buffer->device, buffer->memory, offset, data, size) : status;
}
