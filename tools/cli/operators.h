/* The operators that `fovea run` knows: one row each. A new operator is a member of request.params, its
 * tensors, its keys and its row, all in operators.c but the first. */
#ifndef FOVEA_CLI_OPERATORS_H
#define FOVEA_CLI_OPERATORS_H

#include "params.h"

#define TENSOR_RANK  5 /* most dims of a tensor of an operator */
#define TENSOR_FORMS 3 /* most lists of dims that it may have */

typedef enum tensor_role { TENSOR_INPUT, TENSOR_OUTPUT } tensor_role;

typedef struct tensor_row {
    const char *name;   /* the field's */
    const char *option; /* of the command line, --option FILE */
    fovea_slot slot;
    tensor_role role;
    bool optional;
    fovea_slot dtype_as; /* output: its default dtype is that tensor's; FOVEA_SLOT_MAX: f32 */
    size_t offset;       /* of its fovea_tensor in a request */
    /* Lists of different ranks, any of which an input may have. Equal names have equal extents; NULL ends a list. */
    const char *dims[TENSOR_FORMS][TENSOR_RANK + 1];
    const char *help;
} tensor_row;

typedef struct operator_row {
    const char *name;
    const char *summary;
    fovea_status (*create)(fovea_device *device, const request *r, fovea_op **out_op);
    const tensor_row *tensors;
    size_t tensor_count;
    const key_table *keys;
    size_t key_count;
} operator_row;

extern const operator_row operators[];
extern const size_t operator_count;

/* NULL: no such operator. */
const operator_row *operator_find(const char *name);

#endif
