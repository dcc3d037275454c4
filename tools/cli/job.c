#include "job.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DIMS_MAX 32

/* The extent of each named dim, and the tensor that gave it. */
typedef struct dim_binding {
    const char *name;
    uint64_t extent;
    const char *from;
} dim_binding;

typedef struct dim_bindings {
    dim_binding rows[DIMS_MAX];
    size_t count;
} dim_bindings;

static int load_description(job *j)
{
    const char *path = j->options->description;
    keys_reset(j->spec->keys, j->spec->key_count, &j->request);
    if (!path)
        return CLI_DONE;
    uint8_t *bytes;
    size_t size;
    int code = file_read("--desc", path, &bytes, &size);
    if (code != CLI_DONE)
        return code;
    json_error_t error;
    json_t *object = json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
    free(bytes);
    if (!object)
        return cli_fail(CLI_USAGE, "%s:%d:%d: %s", path, error.line, error.column, error.text);
    code = keys_parse(j->spec->keys, j->spec->key_count, path, object, &j->request);
    json_decref(object);
    return code;
}

static uint32_t tensor_rank(const tensor_row *row)
{
    uint32_t rank = 0;
    while (row->dims[rank])
        rank++;
    return rank;
}

/* The axis of the array that dim `dim` of the tensor lies along. */
static uint32_t stored_axis(const job *j, uint32_t rank, uint32_t dim)
{
    const bool swapped = j->request.layout == LAYOUT_BSHD && rank == 4 && (dim == 1 || dim == 2);
    return swapped ? 3 - dim : dim;
}

static npy_type stored_type(fovea_dtype dtype)
{
    return dtype == FOVEA_F32 ? NPY_F32 : dtype == FOVEA_F16 ? NPY_F16 : NPY_U16;
}

/* The dtype of an input: the array's, or what the description calls it. */
static int input_dtype(const job *j, const tensor_row *row, fovea_dtype *out)
{
    const npy_type type = j->arrays[row->slot].type;
    const char *path = j->options->paths[row->slot];
    const uint32_t said = j->request.dtypes[row->slot];
    if (!said && type == NPY_U16)
        return cli_fail(CLI_USAGE, "--%s %s: uint16 data needs \"%s_dtype\": \"bf16\" in the description", row->option,
                        path, row->name);
    *out = said ? (fovea_dtype)(said - 1) : type == NPY_F32 ? FOVEA_F32 : FOVEA_F16;
    if (stored_type(*out) != type)
        return cli_fail(CLI_USAGE, "%s_dtype is %s, but %s holds %s", row->name, fovea_dtype_name(*out), path,
                        npy_type_name(type));
    return CLI_DONE;
}

static int bind_dim(dim_bindings *dims, const job *j, const tensor_row *row, const char *name, uint64_t extent)
{
    for (size_t i = 0; i < dims->count; i++) {
        const dim_binding *known = &dims->rows[i];
        if (strcmp(known->name, name) != 0)
            continue;
        if (known->extent == extent)
            return CLI_DONE;
        return cli_fail(CLI_USAGE, "--%s %s: wrong shape: %s is %" PRIu64 ", but %" PRIu64 " in %s", row->option,
                        j->options->paths[row->slot], name, extent, known->extent, known->from);
    }
    if (dims->count == DIMS_MAX)
        return cli_fail(CLI_FAILED, "operator table: too many dims");
    dims->rows[dims->count++] = (dim_binding){name, extent, row->name};
    return CLI_DONE;
}

static uint64_t bound_extent(const dim_bindings *dims, const char *name)
{
    for (size_t i = 0; i < dims->count; i++) {
        if (!strcmp(dims->rows[i].name, name))
            return dims->rows[i].extent;
    }
    return 0;
}

static fovea_tensor *tensor_of(job *j, const tensor_row *row)
{
    return (fovea_tensor *)(void *)((char *)&j->request + row->offset);
}

/* The view of a tensor of these extents, stored in the layout. */
static fovea_tensor make_view(const job *j, fovea_dtype dtype, uint32_t rank, const uint64_t *extents)
{
    if (rank == 4 && j->request.layout == LAYOUT_BSHD)
        return fovea_tensor_bshd(dtype, extents[0], extents[1], extents[2], extents[3]);
    fovea_tensor tensor = {.dtype = dtype, .rank = rank};
    memcpy(tensor.extents, extents, rank * sizeof *extents);
    return tensor;
}

static int load_input(job *j, const tensor_row *row, dim_bindings *dims)
{
    const char *path = j->options->paths[row->slot];
    npy_array *array = &j->arrays[row->slot];
    const uint32_t rank = tensor_rank(row);
    char option[40], reason[256];
    size_t size;
    snprintf(option, sizeof option, "--%s", row->option);
    int code = file_read(option, path, &j->memory[row->slot], &size);
    if (code != CLI_DONE)
        return code;
    if (!npy_parse(j->memory[row->slot], size, array, reason, sizeof reason))
        return cli_fail(CLI_USAGE, "%s %s: %s", option, path, reason);
    if (array->rank != rank)
        return cli_fail(CLI_USAGE, "%s %s: wrong shape: %u-D, must be %u-D", option, path, (unsigned)array->rank,
                        (unsigned)rank);
    fovea_dtype dtype = FOVEA_F32;
    code = input_dtype(j, row, &dtype);
    uint64_t extents[TENSOR_RANK] = {0};
    for (uint32_t dim = 0; code == CLI_DONE && dim < rank; dim++) {
        extents[dim] = array->shape[stored_axis(j, rank, dim)];
        code = bind_dim(dims, j, row, row->dims[dim], extents[dim]);
    }
    if (code == CLI_DONE)
        *tensor_of(j, row) = make_view(j, dtype, rank, extents);
    return code;
}

static const tensor_row *find_slot(const operator_row *spec, fovea_slot slot)
{
    for (size_t i = 0; i < spec->tensor_count; i++) {
        if (spec->tensors[i].slot == slot)
            return &spec->tensors[i];
    }
    return NULL;
}

static int shape_output(job *j, const tensor_row *row, const dim_bindings *dims)
{
    const tensor_row *model = find_slot(j->spec, row->dtype_as);
    const uint32_t said = j->request.dtypes[row->slot];
    const fovea_dtype dtype = said ? (fovea_dtype)(said - 1) : model ? tensor_of(j, model)->dtype : FOVEA_F32;
    const uint32_t rank = tensor_rank(row);
    npy_array *array = &j->arrays[row->slot];
    uint64_t extents[TENSOR_RANK] = {0};
    array->type = stored_type(dtype);
    array->rank = rank;
    for (uint32_t dim = 0; dim < rank; dim++) {
        extents[dim] = bound_extent(dims, row->dims[dim]);
        array->shape[stored_axis(j, rank, dim)] = extents[dim];
    }
    *tensor_of(j, row) = make_view(j, dtype, rank, extents);
    array->data_size = fovea_tensor_bytes(tensor_of(j, row));
    if (array->data_size >= SIZE_MAX)
        return cli_fail(CLI_USAGE, "--%s %s: its size overflows", row->option, j->options->paths[row->slot]);
    j->memory[row->slot] = calloc(1, array->data_size ? (size_t)array->data_size : 1);
    array->data = j->memory[row->slot];
    if (!array->data)
        return cli_fail(CLI_FAILED, "--%s: out of memory (%" PRIu64 " bytes)", row->option, array->data_size);
    return output_check(j->options->paths[row->slot]);
}

/* Two outputs under one name would leave one of them. */
static int check_distinct(const job *j, const tensor_row *row)
{
    for (size_t i = 0; i < j->spec->tensor_count; i++) {
        const tensor_row *other = &j->spec->tensors[i];
        const char *path = j->options->paths[other->slot];
        if (other == row || other->role != TENSOR_OUTPUT || !path || !output_same(path, j->options->paths[row->slot]))
            continue;
        return cli_fail(CLI_USAGE, "--%s and --%s name the same file %s", row->option, other->option, path);
    }
    return CLI_DONE;
}

int job_load(job *j)
{
    dim_bindings dims = {.count = 0};
    int code = load_description(j);
    for (int role = TENSOR_INPUT; role <= TENSOR_OUTPUT; role++) {
        for (size_t i = 0; code == CLI_DONE && i < j->spec->tensor_count; i++) {
            const tensor_row *row = &j->spec->tensors[i];
            if ((int)row->role != role || !j->options->paths[row->slot])
                continue;
            if (role == TENSOR_OUTPUT)
                code = check_distinct(j, row);
            if (code == CLI_DONE)
                code = role == TENSOR_INPUT ? load_input(j, row, &dims) : shape_output(j, row, &dims);
        }
    }
    return code;
}

static int store_one(job *j, const tensor_row *row)
{
    output_file *file = &j->outputs[row->slot];
    const int code = output_open(file, j->options->paths[row->slot]);
    if (code != CLI_DONE)
        return code;
    npy_write(file->stream, &j->arrays[row->slot]);
    return output_close(file);
}

int job_store(job *j)
{
    int code = CLI_DONE;
    for (size_t i = 0; code == CLI_DONE && i < j->spec->tensor_count; i++) {
        const tensor_row *row = &j->spec->tensors[i];
        if (row->role == TENSOR_OUTPUT && j->options->paths[row->slot])
            code = store_one(j, row);
    }
    for (size_t slot = 0; code == CLI_DONE && slot < FOVEA_SLOT_MAX; slot++)
        code = output_commit(&j->outputs[slot]);
    return code;
}

void job_release(job *j)
{
    fovea_op_destroy(j->op);
    for (size_t slot = 0; slot < FOVEA_SLOT_MAX; slot++) {
        fovea_buffer_destroy(j->buffers[slot]);
        output_release(&j->outputs[slot]);
        free(j->memory[slot]);
    }
    session_close(&j->session);
}
