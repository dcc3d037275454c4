/* An operator as the front end sees it: what all operators share. */
#ifndef FV_OP_H
#define FV_OP_H

#include <fovea/op.h>

#include "device.h"

typedef struct fv_op_class {
    const char *name;
    size_t size; /* of the operator's own struct */
    /* Validates, plans, makes kernels, sets workspace_size. What a failure leaves, `destroy` releases. */
    fovea_status (*init)(fovea_op *op, const void *params);
    void (*report)(fovea_op *op, double create_s); /* completes the report; device->lock is held */
    fovea_status (*run)(fovea_op *op, const fovea_op_args *args);
    fovea_status (*prefer)(const fovea_op *op);
    void (*destroy)(fovea_op *op); /* frees the op itself too */
} fv_op_class;

struct fovea_op { /* first member of each operator's own struct */
    const fv_op_class *type;
    fovea_device *device;
    uint64_t workspace_size;
    fovea_op_report report; /* complete after create */
};

/* A tensor bound for a run: the range that a kernel binds, and where in it the first element lies. */
typedef struct fv_bound {
    fv_range range;
    uint32_t first_element;
    uint64_t begin, end; /* bytes of the view in its buffer */
} fv_bound;

/* What every fovea_<operator>_create does. */
fovea_status fv_op_create(fovea_device *device, const fv_op_class *type, const void *params, fovea_op **out_op);

/* Checks a binding of a view against its buffer and the device's limits. `name` is for messages. */
fovea_status fv_bind(const fovea_op *op, const char *name, const fovea_tensor *tensor, const fovea_binding *binding,
                     fv_bound *out_bound);

/* Whether the bytes of two bound views meet. */
bool fv_overlap(const fv_bound *a, const fv_bound *b);

/* A bound view with its name for messages. */
typedef struct fv_place {
    const char *name;
    const fv_bound *bound; /* one without a buffer overlaps nothing */
    bool output;
} fv_place;

/* INVALID where an output overlaps any other place. */
fovea_status fv_check_overlaps(fv_host *host, const fv_place *places, uint32_t count);

/* A size of a run: as given, or for FOVEA_MAXIMUM the most. */
fovea_status fv_resolve_size(fv_host *host, const char *name, uint32_t given, uint32_t most, uint32_t *out_size);

/* Memory that a run carries something in: the caller's workspace or the device's own. `size`: bytes that hold the least part
 * of the work; 0 where the run needs none, and the caller's is checked all the same. */
fovea_status fv_bind_workspace(const fovea_op *op, const fovea_op_args *args, uint64_t size, fv_bound *out_bound);

/* Folds `groups` workgroups into a grid. */
void fv_fold(const fovea_device *device, uint64_t groups, uint32_t grid[3]);

/* Adds a line to the report's notes, cut to fit. */
void fv_note(fovea_op_report *report, const char *format, ...) FV_PRINTF(2, 3);

#endif
