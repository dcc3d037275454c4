/* Kernels of a device, created once and shared by its ops. */
#ifndef FV_KERNELS_H
#define FV_KERNELS_H

#include <fovea/op.h>

#include "backend.h"
#include "device.h"

struct fv_pipeline {
    fv_pipeline *next;
    uint32_t users;
    fv_kernel_desc desc; /* `words` is NULL: they are needed only while creating */
    fv_kernel *kernel;
    fv_hash words_hash;      /* of the SPIR-V that it was made from; zero where there is none */
    bool tested, failed;     /* by a known-answer test */
    bool cached;             /* that is known from the device's cache */
    double create_s, test_s; /* seconds */
};

/* Finds or creates the kernel that `desc` describes; its words are found by desc->module. The caller holds
 * device->lock, and gives the pipeline back with fv_pipeline_put, holding the lock again. */
fovea_status fv_pipeline_get(fovea_device *device, const fv_kernel_desc *desc, fv_pipeline **out_pipeline);
void fv_pipeline_put(fovea_device *device, fv_pipeline *pipeline);

/* What a report says of any kernel; tier and tile are the operator's to add. The caller holds device->lock. */
fovea_kernel_report fv_pipeline_report(const fovea_device *device, const fv_pipeline *pipeline, const char *use);

#endif
