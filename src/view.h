/* Views of a descriptor, checked and completed, as every operator needs it. `name` is for messages. */
#ifndef FV_VIEW_H
#define FV_VIEW_H

#include <fovea/tensor.h>

#include "util/host.h"

/* Checks one view of `rank` dims and fills in its strides. A dim of one element has stride 0 but for the last. */
fovea_status fv_view_complete(fv_host *host, const char *name, const fovea_tensor *given, uint32_t rank, bool output,
                              fovea_tensor *out_view);

/* INVALID where elements of a completed output overlap. */
fovea_status fv_view_check_distinct(fv_host *host, const char *name, const fovea_tensor *view);

/* INVALID where two extents differ that must be equal; `a` and `b` say of what they are. */
fovea_status fv_view_check_extent(fv_host *host, const char *a, uint64_t extent_a, const char *b, uint64_t extent_b);

#endif
