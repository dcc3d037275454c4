/* White-box conformance of src/backend.h: what the cases share. */
#ifndef TESTS_BACKEND_SUITE_H
#define TESTS_BACKEND_SUITE_H

#include <check.h>

#include "backend.h"

#include "counting.h"
#include "fault.h"

enum { SKIPPED = 77 };

/* The backend and device under test; set by main before the first case. */
typedef struct subject {
    const fv_backend *backend;
    uint32_t index;
    fovea_device_info info;
    fovea_device_params params; /* complete: what open takes */
    bool kernels;               /* the suite has a kernel for this backend */
    bool faults;                /* the fault layer is there */
    fault_control fault;
    counting memory;
    fv_host host;
    /* Warnings and errors with "validation: " in front since the start, and the last message of any kind. */
    uint32_t validation_messages;
    bool provoked; /* such messages are wanted just now */
    char last_message[1024];
} subject;

extern subject under_test;

/* One device with the kernel, its buffers and a view of all that can be read back. */
typedef struct bench {
    fv_device *device;
    fv_kernel *step;
    fv_buffer *source, *target; /* BENCH_WORDS words */
    fv_buffer *staging;
} bench;

enum { BENCH_WORDS = 1024, STEP_INVOCATIONS = 64 };

/* Opens a device with these parameters and makes all of the bench. Cleans up where it fails. */
fovea_status bench_open(bench *b, const fovea_device_params *params);
/* Waits for the work, as the library's front end does, and releases all. */
void bench_close(bench *b);
/* Makes the kernel with these constants. */
fovea_status bench_kernel(fv_device *device, uint32_t factor, fv_kernel **out_kernel);
/* The commands; ranges in words. */
fv_command command_step(fv_kernel *kernel, fv_range source, fv_range target, uint32_t addend);
fv_command command_copy(fv_buffer *source, fv_buffer *target, uint64_t bytes);
fv_command command_fill(fv_buffer *buffer, uint64_t offset, uint64_t bytes, uint32_t value);
fv_command command_barrier(void);
/* Copies a buffer to staging memory by execute and gives word `index`. */
uint32_t bench_read(bench *b, fv_buffer *buffer, uint32_t index);

void add_device_cases(Suite *suite);
void add_buffer_cases(Suite *suite);
void add_kernel_cases(Suite *suite);
void add_list_cases(Suite *suite);
void add_cache_cases(Suite *suite);
void add_fault_cases(Suite *suite);
void add_validation_cases(Suite *suite); /* last: judges the messages of all others */

#endif
