/* Devices: enumerate, open, ask, submit, wait. */
#include "device.h"

#include <string.h>

#include "cache.h"
#include "matrix.h"
#include "util/math.h"

enum {
    DEFAULT_SLOTS = 3,
    MOST_SLOTS = 16,
    DEFAULT_TIMEOUT_MS = 60000,
    LEAST_STORAGE_BUFFERS = 4,
};

static bool params_valid(const fovea_device_params *params)
{
    const fovea_device_limits *limits = &params->limits;
    return fv_all_zero(params->reserved, sizeof params->reserved) &&
           fv_all_zero(limits->reserved, sizeof limits->reserved) &&
           fv_all_zero(params->allocator.reserved, sizeof params->allocator.reserved) &&
           fv_all_zero(params->log.reserved, sizeof params->log.reserved) &&
           fv_all_zero(params->cache.reserved, sizeof params->cache.reserved) &&
           !params->allocator.allocate == !params->allocator.release && !params->cache.get == !params->cache.set;
}

fovea_status fovea_device_enumerate(const fovea_device_params *params, fovea_device_info *infos, uint32_t *count)
{
    fv_host host;
    fovea_status status = FOVEA_OK;
    fv_host_init(&host, params ? &params->allocator : NULL, params ? &params->log : NULL);
    fv_require(&host, count, FOVEA_INVALID, "fovea_device_enumerate: count is NULL");
    fv_require(&host, !params || params_valid(params), FOVEA_INVALID,
               "fovea_device_enumerate: a reserved word of params is not zero, or one of two callbacks is missing");
    const uint32_t room = infos ? *count : 0;
    uint32_t found = 0;
    for (uint32_t i = 0; i < fv_backend_count; i++) {
        const uint32_t left = found < room ? room - found : 0;
        uint32_t here = 0;
        fv_try(fv_backends[i]->enumerate(&host, left ? infos + found : NULL, left, &here));
        for (uint32_t n = 0; n < left && n < here; n++)
            infos[found + n].tier = fv_matrix_tier(fv_backends[i], &infos[found + n]);
        found += here;
    }
    *count = found;
fail:
    fv_host_release(&host);
    return status;
}

/* Splits "vulkan:1" into a backend and an index. */
static fovea_status find_backend(fv_host *host, const char *id, const fv_backend **out_backend, uint32_t *out_index)
{
    const size_t length = strcspn(id, ":");
    uint32_t index = 0;
    if (id[length] == ':') {
        const char *digits = id + length + 1;
        if (*digits == '\0' || strlen(digits) > 4 || strspn(digits, "0123456789") != strlen(digits))
            return fv_fail(host, FOVEA_INVALID, "device \"%s\": after the colon comes the device's number", id);
        for (; *digits; digits++)
            index = index * 10 + (uint32_t)(*digits - '0');
    }
    for (uint32_t i = 0; i < fv_backend_count; i++) {
        const char *name = fv_backends[i]->name;
        if (strlen(name) == length && memcmp(name, id, length) == 0) {
            *out_backend = fv_backends[i];
            *out_index = index;
            return FOVEA_OK;
        }
    }
    return fv_fail(host, FOVEA_NO_DEVICE, "device \"%s\": this build has no backend of that name", id);
}

static uint32_t clamp32(uint32_t own, uint32_t wanted)
{
    return wanted != 0 && wanted < own ? wanted : own;
}

static void clamp_limits(fovea_device_limits *own, const fovea_device_limits *wanted)
{
    own->shared_memory = clamp32(own->shared_memory, wanted->shared_memory);
    own->workgroup_invocations = clamp32(own->workgroup_invocations, wanted->workgroup_invocations);
    own->workgroup_size_x = clamp32(own->workgroup_size_x, wanted->workgroup_size_x);
    own->group_count_x = clamp32(own->group_count_x, wanted->group_count_x);
    own->group_count_y = clamp32(own->group_count_y, wanted->group_count_y);
    own->group_count_z = clamp32(own->group_count_z, wanted->group_count_z);
    own->storage_buffers = clamp32(own->storage_buffers, wanted->storage_buffers);
    if (wanted->storage_offset_alignment > own->storage_offset_alignment)
        own->storage_offset_alignment = wanted->storage_offset_alignment;
    if (wanted->storage_range != 0 && wanted->storage_range < own->storage_range)
        own->storage_range = wanted->storage_range;
    own->parameter_bytes = clamp32(own->parameter_bytes, wanted->parameter_bytes);
    own->subgroup_size_max = clamp32(own->subgroup_size_max, wanted->subgroup_size_max);
    own->subgroup_size_min = clamp32(own->subgroup_size_min, own->subgroup_size_max);
    own->loop_iterations = clamp32(own->loop_iterations, wanted->loop_iterations);
    own->compute_units = clamp32(own->compute_units, wanted->compute_units);
}

static fovea_status check_limits(fv_host *host, const fovea_device_limits *limits)
{
    fovea_status status = FOVEA_OK;
    const uint32_t alignment = limits->storage_offset_alignment;
    fv_require(host, alignment >= 4 && (alignment & (alignment - 1)) == 0, FOVEA_INVALID,
               "limits.storage_offset_alignment = %u is not a power of two of at least 4", alignment);
    fv_require(host, limits->storage_buffers >= LEAST_STORAGE_BUFFERS, FOVEA_UNSUPPORTED,
               "%u storage buffers per kernel; %u are the least", limits->storage_buffers, LEAST_STORAGE_BUFFERS);
    fv_require(host, limits->parameter_bytes >= 4 * FV_PARAMETERS_MAX, FOVEA_UNSUPPORTED,
               "%u bytes of push constants; %u are the least", limits->parameter_bytes, 4 * FV_PARAMETERS_MAX);
fail:
    return status;
}

static fovea_status complete_params(fv_host *host, fovea_device_params *params)
{
    fovea_status status = FOVEA_OK;
    fv_require(host, params_valid(params), FOVEA_INVALID,
               "fovea_device_open: a reserved word is not zero, or one of two callbacks is missing");
    fv_require(host, params->slots <= MOST_SLOTS, FOVEA_INVALID, "slots = %u; at most %u", params->slots, MOST_SLOTS);
    fv_require(host, params->max_tier <= FOVEA_TIER_MATRIX, FOVEA_INVALID, "max_tier = %u is no fovea_tier",
               (unsigned)params->max_tier);
    fv_require(host, params->validation <= 2, FOVEA_INVALID, "validation = %u; 0, 1 or 2", params->validation);
    fv_require(host, params->threads <= 4096, FOVEA_INVALID, "threads = %u; at most 4096", params->threads);
    if (!params->device)
        params->device = "cpu";
    if (params->slots == 0)
        params->slots = DEFAULT_SLOTS;
    if (params->timeout_ms == 0)
        params->timeout_ms = DEFAULT_TIMEOUT_MS;
fail:
    return status;
}

static fovea_status open_driver(fovea_device *device)
{
    fovea_status status = FOVEA_OK;
    fv_host *host = &device->host;
    uint32_t index = 0;
    fv_try(find_backend(host, device->params.device, &device->backend, &index));
    fv_try(device->backend->open(host, &device->params, index, &device->driver));
    device->limits = device->driver->caps.limits;
    clamp_limits(&device->limits, &device->params.limits);
    fv_try(check_limits(host, &device->limits));
    fovea_device_info *info = &device->driver->caps.info;
    info->tier = fv_matrix_tier(device->backend, info);
    device->tier = info->tier;
    if (device->params.max_tier != FOVEA_TIER_DEFAULT && device->params.max_tier < device->tier)
        device->tier = device->params.max_tier;
    fv_matrix_settle(device);
    fv_cache_open(device);
fail:
    return status;
}

fovea_status fovea_device_open(const fovea_device_params *params, fovea_device **out_device)
{
    static const fovea_device_params defaults = {0};
    const fovea_device_params *given = params ? params : &defaults;
    fovea_status status = FOVEA_OK;
    fovea_device *device = NULL;
    fv_host early; /* until there is a device to carry one */
    fv_host_init(&early, given->allocator.release ? &given->allocator : NULL, &given->log);
    if (out_device)
        *out_device = NULL;
    fv_require(&early, out_device, FOVEA_INVALID, "fovea_device_open: out_device is NULL");
    fovea_device_params complete = *given;
    fv_try(complete_params(&early, &complete));
    device = fv_alloc(&early, 1, sizeof *device);
    fv_require(&early, device, FOVEA_OUT_OF_HOST_MEMORY, "no host memory for a device");
    fv_host_init(&device->host, &complete.allocator, &complete.log);
    pthread_mutex_init(&device->lock, NULL);
    pthread_mutex_init(&device->cache_lock, NULL);
    pthread_mutex_init(&device->workspace_lock, NULL);
    device->params = complete;
    fv_try(open_driver(device));
    device->params.device = NULL;
    *out_device = device;
    device = NULL;
fail:
    fovea_device_destroy(device);
    fv_host_release(&early);
    return status;
}

/* After the device's work is done; where it is not, the memory is left to it. */
static void release_workspaces(fovea_device *device)
{
    const fv_backend *backend = device->backend;
    const bool done = backend->submit(device->driver) == FOVEA_OK && backend->wait(device->driver) == FOVEA_OK;
    if (!done && !backend->lost(device->driver)) {
        fv_log(&device->host, FOVEA_LOG_ERROR, "the device still works; its workspace is left behind");
        return;
    }
    for (uint32_t i = 0; i < device->retired_count; i++)
        backend->buffer_destroy(device->retired[i]);
    if (device->workspace)
        backend->buffer_destroy(device->workspace);
}

void fovea_device_destroy(fovea_device *device)
{
    if (!device)
        return;
    if (device->driver) {
        release_workspaces(device);
        fv_cache_keep(device);
        device->backend->close(device->driver);
    }
    pthread_mutex_destroy(&device->lock);
    pthread_mutex_destroy(&device->cache_lock);
    pthread_mutex_destroy(&device->workspace_lock);
    fv_host host = device->host; /* frees the memory that it lies in */
    fv_free(&host, device);
    fv_host_release(&host);
}

fovea_status fovea_device_get_info(const fovea_device *device, fovea_device_info *out_info)
{
    if (!device || !out_info)
        return FOVEA_INVALID;
    *out_info = device->driver->caps.info;
    return FOVEA_OK;
}

fovea_status fovea_device_get_limits(const fovea_device *device, fovea_device_limits *out_limits)
{
    if (!device || !out_limits)
        return FOVEA_INVALID;
    *out_limits = device->limits;
    return FOVEA_OK;
}

fovea_status fovea_device_submit(fovea_device *device)
{
    if (!device)
        return FOVEA_INVALID;
    device->unsent_s = 0.0;
    const fovea_status status = device->backend->submit(device->driver);
    if (status != FOVEA_OK && status != FOVEA_TIMEOUT) /* a timeout drops nothing */
        device->stamped = 0;                           /* those of a list that was dropped hold nothing */
    return status;
}

fovea_status fv_device_spend(fovea_device *device, double seconds)
{
    const double most_s = 0.5; /* of one submission; the strictest watchdog known to us allows 2 */
    device->unsent_s += seconds;
    if (device->unsent_s < most_s || !device->backend->cut)
        return FOVEA_OK;
    device->unsent_s = 0.0;
    return device->backend->cut(device->driver);
}

fovea_status fovea_device_wait(fovea_device *device)
{
    const fovea_status status = fovea_device_submit(device);
    return status == FOVEA_OK ? device->backend->wait(device->driver) : status;
}

size_t fovea_last_error(const fovea_device *device, char *text, size_t size)
{
    if (text && size > 0)
        text[0] = '\0';
    if (!device)
        return 0;
    fv_host *host = (fv_host *)&device->host; /* the lock is no part of what const promises */
    pthread_mutex_lock(&host->lock);
    const size_t length = strlen(host->error);
    if (text && size > 0) {
        const size_t copied = length < size ? length : size - 1;
        memcpy(text, host->error, copied);
        text[copied] = '\0';
    }
    pthread_mutex_unlock(&host->lock);
    return length;
}

fovea_status fv_device_reserve(fovea_device *device, uint64_t size)
{
    fovea_status status = FOVEA_OK;
    enum { ROOM = sizeof device->retired / sizeof device->retired[0] };
    pthread_mutex_lock(&device->workspace_lock);
    const uint64_t old_size = device->workspace ? device->workspace->size : 0;
    if (size > old_size) {
        fv_require(&device->host, device->retired_count < ROOM, FOVEA_OUT_OF_DEVICE_MEMORY,
                   "the workspace grew %d times on this device; destroy it and open it anew", ROOM);
        fv_buffer *grown = NULL;
        status = device->backend->buffer_create(device->driver, fv_max(size, 2 * old_size), FV_MEMORY_DEVICE, &grown);
        if (status != FOVEA_OK && size < 2 * old_size)
            status = device->backend->buffer_create(device->driver, size, FV_MEMORY_DEVICE, &grown);
        fv_try(status);
        if (device->workspace)
            device->retired[device->retired_count++] = device->workspace;
        device->workspace = grown;
    }
fail:
    pthread_mutex_unlock(&device->workspace_lock);
    return status;
}
