/* Matrix units: what this build's modules can do with those that a device offers. */
#ifndef FV_MATRIX_H
#define FV_MATRIX_H

#include "backend.h"
#include "device.h"

/* The tier of a device in this build: one that takes modules needs one for a shape of its matrix unit. */
fovea_tier fv_matrix_tier(const fv_backend *backend, const fovea_device_info *info);

/* Takes from the capabilities of an open device the shapes that no module serves: none is in the build, or the run-time
 * compiler that the device uses is too old. The tier in force follows. */
void fv_matrix_settle(fovea_device *device);

#endif
