/* Tables of broken arguments: each row changes a legal struct in a few places. */
#ifndef TESTS_PATCH_H
#define TESTS_PATCH_H

#include "harness.h"

/* Changes a struct at a place of it: one row of the tables of broken arguments. */
typedef struct api_patch {
    size_t offset, size; /* size 0: no patch */
    uint64_t value;
} api_patch;

void api_apply(void *memory, const api_patch *patch);
#define PATCH(type, field, value)                                \
    {                                                            \
        offsetof(type, field), sizeof((type *)0)->field, (value) \
    }

/* The reason of the last failure on the device under test. */
const char *api_error(void);

#endif
