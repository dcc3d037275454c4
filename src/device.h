/* A device as the front end sees it: a backend's device, the limits in force, and what ops share. */
#ifndef FV_DEVICE_H
#define FV_DEVICE_H

#include <fovea/device.h>

#include "backend.h"
#include "util/hash.h"

typedef struct fv_pipeline fv_pipeline; /* kernels.h */

struct fovea_device {
    fv_host host;
    const fv_backend *backend;
    fv_device *driver;
    fovea_device_params params; /* complete; strings are not kept */
    fovea_device_limits limits; /* clamped */
    fovea_tier tier;            /* the best one in force */
    uint64_t stamped;           /* bit i: time stamp i was recorded */
    double unsent_s;            /* estimated device time recorded since the last submit or cut */
    pthread_mutex_t lock;       /* guards `pipelines`; held while kernels are created and tested, so never by a run */
    fv_pipeline *pipelines;     /* shared between ops */
    pthread_mutex_t cache_lock; /* guards `kept`; held while pipelines go to the cache */
    fv_hash kept;               /* of the pipelines that the cache has; zero: unknown */
    pthread_mutex_t workspace_lock; /* guards the members below; never held for long */
    fv_buffer *workspace;           /* shared by all runs: the queue orders them */
    fv_buffer *retired[64];         /* outgrown workspaces that work in flight may still use */
    uint32_t retired_count;
};

struct fovea_buffer {
    fovea_device *device;
    fv_buffer *memory;
    uint64_t size;
};

/* Tells that `seconds` of estimated device time were recorded, and cuts the submission where they add up. */
fovea_status fv_device_spend(fovea_device *device, double seconds);

/* Grows the device's workspace to at least `size` bytes. */
fovea_status fv_device_reserve(fovea_device *device, uint64_t size);

/* Copies between host memory and a buffer that no work uses, through staging memory where needed. Blocks. */
fovea_status fv_upload(fovea_device *device, fv_buffer *buffer, uint64_t offset, const void *data, uint64_t size);
fovea_status fv_download(fovea_device *device, fv_buffer *buffer, uint64_t offset, void *data, uint64_t size);

#endif
