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

static uint32_t rank_of(const char *const *dims)
{
    uint32_t rank = 0;
    while (dims[rank])
        rank++;
    return rank;
}

/* The list of dims that an array of this rank has; NULL: it may not have so many. */
static const char *const *dims_of(const tensor_row *row, uint32_t rank)
{
    for (size_t form = 0; form < TENSOR_FORMS && row->dims[form][0]; form++) {
        if (rank_of(row->dims[form]) == rank)
            return row->dims[form];
    }
    return NULL;
}

/* Whether an array with these dims has its heads inside the sequence. */
static bool is_swapped(const job *j, const char *const *dims)
{
    const uint32_t rank = rank_of(dims);
    return j->request.layout == LAYOUT_BSHD && rank >= 4 && !strncmp(dims[rank - 1], "dim_", 4);
}

/* The axis of the array that dim `dim` of the tensor lies along. */
static uint32_t stored_axis(const job *j, const char *const *dims, uint32_t dim)
{
    const uint32_t rank = rank_of(dims);
    const bool swapped = is_swapped(j, dims) && (dim == rank - 3 || dim == rank - 2);
    return swapped ? 2 * rank - 5 - dim : dim;
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
static fovea_tensor make_view(const job *j, fovea_dtype dtype, const char *const *dims, const uint64_t *extents)
{
    const uint32_t rank = rank_of(dims);
    fovea_tensor tensor = {.dtype = dtype, .rank = rank};
    memcpy(tensor.extents, extents, rank * sizeof *extents);
    uint64_t stride = 1;
    for (uint32_t axis = rank; is_swapped(j, dims) && axis-- > 0;) {
        const uint32_t dim = stored_axis(j, dims, axis);
        tensor.strides[dim] = stride;
        stride *= extents[dim];
    }
    return tensor;
}

static int refuse_rank(const tensor_row *row, const char *path, uint32_t rank)
{
    char legal[40] = "";
    for (size_t form = 0, length = 0; form < TENSOR_FORMS && row->dims[form][0]; form++)
        length += (size_t)snprintf(legal + length, sizeof legal - length, form ? " or %u-D" : "%u-D",
                                   (unsigned)rank_of(row->dims[form]));
    return cli_fail(CLI_USAGE, "--%s %s: wrong shape: %u-D, must be %s", row->option, path, (unsigned)rank, legal);
}

static int load_input(job *j, const tensor_row *row, dim_bindings *dims)
{
    const char *path = j->options->paths[row->slot];
    npy_array *array = &j->arrays[row->slot];
    char option[40], reason[256];
    size_t size;
    snprintf(option, sizeof option, "--%s", row->option);
    int code = file_read(option, path, &j->memory[row->slot], &size);
    if (code != CLI_DONE)
        return code;
    if (!npy_parse(j->memory[row->slot], size, array, reason, sizeof reason))
        return cli_fail(CLI_USAGE, "%s %s: %s", option, path, reason);
    const char *const *names = dims_of(row, array->rank);
    if (!names)
        return refuse_rank(row, path, array->rank);
    fovea_dtype dtype = FOVEA_F32;
    code = input_dtype(j, row, &dtype);
    uint64_t extents[TENSOR_RANK] = {0};
    for (uint32_t dim = 0; code == CLI_DONE && dim < array->rank; dim++) {
        extents[dim] = array->shape[stored_axis(j, names, dim)];
        code = bind_dim(dims, j, row, names[dim], extents[dim]);
    }
    if (code == CLI_DONE)
        *tensor_of(j, row) = make_view(j, dtype, names, extents);
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
    const char *const *names = row->dims[0];
    const uint32_t rank = rank_of(names);
    npy_array *array = &j->arrays[row->slot];
    uint64_t extents[TENSOR_RANK] = {0};
    array->type = stored_type(dtype);
    array->rank = rank;
    for (uint32_t dim = 0; dim < rank; dim++) {
        extents[dim] = bound_extent(dims, names[dim]);
        array->shape[stored_axis(j, names, dim)] = extents[dim];
    }
    *tensor_of(j, row) = make_view(j, dtype, names, extents);
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
