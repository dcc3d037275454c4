/* One run of an operator: its arrays in host memory, its outputs' files. */
#ifndef FOVEA_CLI_JOB_H
#define FOVEA_CLI_JOB_H

#include "cli.h"
#include "files.h"
#include "npy.h"
#include "operators.h"

/* What the command line asks for. Strings are borrowed. */
typedef struct run_options {
    const char *device, *description;
    const char *paths[FOVEA_SLOT_MAX]; /* of the tensors; NULL: not given */
    bool explain, json, no_cache;
    uint32_t repeat; /* 0: no timing */
} run_options;

typedef struct job {
    const operator_row *spec;
    const run_options *options;
    request request;
    npy_array arrays[FOVEA_SLOT_MAX];
    uint8_t *memory[FOVEA_SLOT_MAX]; /* inputs: the whole file; outputs: the data */
    output_file outputs[FOVEA_SLOT_MAX];
    fovea_buffer *buffers[FOVEA_SLOT_MAX];
    fovea_op *op;
    session session;
} job;

/* Reads the description and the input arrays, checks them and shapes the outputs. */
int job_load(job *j);

/* Writes the outputs' files: all of them, or none. */
int job_store(job *j);

/* Opens the device, builds the operator, uploads, runs once, downloads; with options also explains and times.
 */
int job_run(job *j);

void job_release(job *j);

/* Prints what the operator decided. */
int report_print(const session *s, const fovea_op *op, bool as_json);

#endif
