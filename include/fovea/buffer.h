/* Tier 1: device memory.
 *
 * Thread safety of fovea_buffer: create and destroy from any thread; upload and download as fovea_device says.
 */
#ifndef FOVEA_BUFFER_H
#define FOVEA_BUFFER_H

#include <fovea/device.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fovea_buffer fovea_buffer;

/* Makes a buffer of `size` bytes on the device, contents undefined.
 *
 * size: 1 or more; any size is legal.
 * out_buffer: the handle; the caller's, until fovea_buffer_destroy, before the device's end.
 * Does not wait for the device. Errors: INVALID (size 0, NULL), OUT_OF_HOST_MEMORY,
 * OUT_OF_DEVICE_MEMORY, UNSUPPORTED (larger than the device allocates at once), DEVICE_LOST. */
FOVEA_API fovea_status fovea_buffer_create(fovea_device *device, uint64_t size, fovea_buffer **out_buffer);

/* Releases a buffer. Work that uses it must be done: call fovea_device_wait before. NULL is ignored. */
FOVEA_API void fovea_buffer_destroy(fovea_buffer *buffer);

/* The size in bytes that the buffer was made with; 0 for NULL. */
FOVEA_API uint64_t fovea_buffer_size(const fovea_buffer *buffer);

/* Copies `size` bytes at `data` into the buffer at byte `offset`. Any offset and size in the buffer is legal.
 * Submits and waits first, so that work recorded before sees the old contents; blocks until `data` is
 * free for reuse. Errors: INVALID (NULL, outside the buffer), DEVICE_LOST, TIMEOUT, and both out-of-memory. */
FOVEA_API fovea_status fovea_buffer_upload(fovea_buffer *buffer, uint64_t offset, const void *data, uint64_t size);

/* Copies `size` bytes of the buffer at byte `offset` to `data`. Submits and waits first, so that the result of
 * work recorded before is seen. Errors: as fovea_buffer_upload. */
FOVEA_API fovea_status fovea_buffer_download(fovea_buffer *buffer, uint64_t offset, void *data, uint64_t size);

#ifdef __cplusplus
}
#endif

#endif
