/* The device's part of a run: buffers, the operator, timing. */
#include "job.h"
#include "values.h"

#include <stdlib.h>

/* Device memory for one tensor, filled with the input or, for an output, with zeros. */
static int bind_tensor(job *j, const tensor_row *row)
{
    const npy_array *array = &j->arrays[row->slot];
    fovea_buffer **buffer = &j->buffers[row->slot];
    fovea_status status = fovea_buffer_create(j->session.device, array->data_size ? array->data_size : 1, buffer);
    if (status == FOVEA_OK && array->data_size)
        status = fovea_buffer_upload(*buffer, 0, array->data, array->data_size);
    j->request.args.tensors[row->slot].buffer = *buffer;
    return status == FOVEA_OK ? CLI_DONE : session_fail(&j->session, status, row->name);
}

static int bind_tensors(job *j)
{
    int code = CLI_DONE;
    for (size_t i = 0; code == CLI_DONE && i < j->spec->tensor_count; i++) {
        const tensor_row *row = &j->spec->tensors[i];
        if (j->options->paths[row->slot])
            code = bind_tensor(j, row);
    }
    return code;
}

static fovea_status run_and_wait(job *j)
{
    fovea_status status = fovea_op_run(j->op, &j->request.args);
    if (status == FOVEA_OK)
        status = fovea_device_submit(j->session.device);
    if (status == FOVEA_OK)
        status = fovea_device_wait(j->session.device);
    return status;
}

static int fetch_outputs(job *j)
{
    for (size_t i = 0; i < j->spec->tensor_count; i++) {
        const tensor_row *row = &j->spec->tensors[i];
        const npy_array *array = &j->arrays[row->slot];
        if (row->role != TENSOR_OUTPUT || !j->buffers[row->slot] || !array->data_size)
            continue;
        const fovea_status status =
            fovea_buffer_download(j->buffers[row->slot], 0, j->memory[row->slot], array->data_size);
        if (status != FOVEA_OK)
            return session_fail(&j->session, status, row->name);
    }
    return CLI_DONE;
}

static int compare_doubles(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void print_times(double *seconds, uint32_t n)
{
    qsort(seconds, n, sizeof *seconds, compare_doubles);
    json_t *object = json_object();
    json_object_set_new(object, "median_s", json_real((seconds[(n - 1) / 2] + seconds[n / 2]) / 2));
    json_object_set_new(object, "min_s", json_real(seconds[0]));
    json_object_set_new(object, "n", json_integer(n));
    values_print_json(object);
    json_decref(object);
}

/* Runs `repeat` times, each from the call to the end of the work. The first run, done before, warmed it up.
 */
static int measure(job *j)
{
    const uint32_t n = j->options->repeat;
    double *seconds = calloc(n, sizeof *seconds);
    if (!seconds)
        return cli_fail(CLI_FAILED, "--repeat: out of memory");
    fovea_status status = FOVEA_OK;
    for (uint32_t i = 0; status == FOVEA_OK && i < n; i++) {
        const double start = values_seconds();
        status = run_and_wait(j);
        seconds[i] = values_seconds() - start;
    }
    if (status == FOVEA_OK)
        print_times(seconds, n);
    free(seconds);
    return status == FOVEA_OK ? CLI_DONE : session_fail(&j->session, status, j->spec->name);
}

int job_run(job *j)
{
    const char *name = j->spec->name;
    int code = session_open(&j->session, j->options->device, !j->options->no_cache);
    if (code != CLI_DONE)
        return code;
    fovea_status status = j->spec->create(j->session.device, &j->request, &j->op);
    if (status != FOVEA_OK)
        return session_fail(&j->session, status, name);
    code = bind_tensors(j);
    if (code != CLI_DONE)
        return code;
    status = run_and_wait(j);
    if (status != FOVEA_OK)
        return session_fail(&j->session, status, name);
    if (j->options->explain)
        code = report_print(&j->session, j->op, j->options->json);
    if (code == CLI_DONE && j->options->repeat)
        code = measure(j);
    return code == CLI_DONE ? fetch_outputs(j) : code;
}
