/* The whole vendor-neutral API. */
#ifndef FOVEA_FOVEA_H
#define FOVEA_FOVEA_H

#include <fovea/base.h>
#include <fovea/buffer.h>
#include <fovea/device.h>
#include <fovea/merge.h>
#include <fovea/op.h>
#include <fovea/softmax.h>
#include <fovea/tensor.h>
#include <fovea/version.h>

#endif
