/* fovea info: what devices this machine has, and what each can do. */
#include "cli.h"
#include "values.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INFO(kind, member)                                 \
    {                                                      \
#member, kind, offsetof(fovea_device_info, member) \
    }
#define LIMIT(kind, member)                                  \
    {                                                        \
#member, kind, offsetof(fovea_device_limits, member) \
    }

static const value_row info_rows[] = {
    INFO(VALUE_TEXT, id),
    INFO(VALUE_TEXT, name),
    INFO(VALUE_TEXT, driver),
    INFO(VALUE_TEXT, driver_info),
};

static const value_row number_rows[] = {
    INFO(VALUE_U32, vendor_id), INFO(VALUE_U32, device_id), INFO(VALUE_U32, driver_version),
    INFO(VALUE_U32, driver_id), INFO(VALUE_TIER, tier),
};

static const value_row limit_rows[] = {
    LIMIT(VALUE_BOUND, shared_memory),    LIMIT(VALUE_BOUND, workgroup_invocations),
    LIMIT(VALUE_BOUND, workgroup_size_x), LIMIT(VALUE_BOUND, group_count_x),
    LIMIT(VALUE_BOUND, group_count_y),    LIMIT(VALUE_BOUND, group_count_z),
    LIMIT(VALUE_BOUND, storage_buffers),  LIMIT(VALUE_U32, storage_offset_alignment),
    LIMIT(VALUE_U64, storage_range),      LIMIT(VALUE_BOUND, parameter_bytes),
    LIMIT(VALUE_U32, subgroup_size_min),  LIMIT(VALUE_U32, subgroup_size_max),
    LIMIT(VALUE_BOUND, loop_iterations),  LIMIT(VALUE_U32, compute_units),
};

/* Bits of matrix_features. */
static const struct {
    fovea_matrix_feature feature;
    const char *name;
} feature_rows[] = {
    {FOVEA_MATRIX_NV_WORKGROUP_SCOPE, "nv_workgroup_scope"},
    {FOVEA_MATRIX_NV_FLEXIBLE_DIMENSIONS, "nv_flexible_dimensions"},
    {FOVEA_MATRIX_NV_REDUCTIONS, "nv_reductions"},
    {FOVEA_MATRIX_NV_CONVERSIONS, "nv_conversions"},
    {FOVEA_MATRIX_NV_PER_ELEMENT, "nv_per_element"},
    {FOVEA_MATRIX_NV_TENSOR_ADDRESSING, "nv_tensor_addressing"},
    {FOVEA_MATRIX_NV_BLOCK_LOADS, "nv_block_loads"},
    {FOVEA_MATRIX_EXT_PROPERTIES_2, "ext_properties_2"},
    {FOVEA_MATRIX_EXT_REDUCTIONS, "ext_reductions"},
    {FOVEA_MATRIX_EXT_CONVERSIONS, "ext_conversions"},
    {FOVEA_MATRIX_EXT_PER_ELEMENT, "ext_per_element"},
    {FOVEA_MATRIX_EXT_COORDINATES, "ext_coordinates"},
    {FOVEA_MATRIX_QCOM_CONVERSION, "qcom_conversion"},
};

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))

static void print_help(void)
{
    fputs(
        "Usage: fovea info [--json] [--device ID] [--no-cache]\n"
        "\n"
        "Lists the devices of this machine: name, driver, versions, tiers, matrix shapes and limits; and which kernels for\n"
        "matrix units this build has.\n"
        "\n"
        "  --json       one JSON object instead of `key: value` lines\n"
        "  --device ID  this device alone, such as cpu or vulkan:0\n"
        "  --no-cache   open devices without the entries of earlier runs (in ~/.cache/fovea/entries)\n"
        "  --help       this text\n"
        "\n" CLI_EXIT_CODES,
        stdout);
}

static json_t *tier_list(fovea_tier best)
{
    json_t *list = json_array();
    for (int tier = FOVEA_TIER_PORTABLE; tier <= (int)best; tier++)
        json_array_append_new(list, json_string(fovea_tier_name((fovea_tier)tier)));
    return list;
}

static json_t *shape_list(const fovea_device_info *info)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < info->matrix_count; i++) {
        const fovea_matrix_shape *shape = &info->matrices[i];
        json_array_append_new(
            list, json_sprintf("%ux%ux%u.%s", shape->m, shape->n, shape->k, fovea_dtype_name(shape->operand)));
    }
    return list;
}

static json_t *feature_list(uint32_t features)
{
    json_t *list = json_array();
    for (size_t i = 0; i < COUNT(feature_rows); i++)
        if (features & (uint32_t)feature_rows[i].feature)
            json_array_append_new(list, json_string(feature_rows[i].name));
    return list;
}

/* Shapes of the matrix unit, what else it can do, and why no kernel uses it where none does. */
static void add_matrices(json_t *object, const fovea_device_info *info)
{
    json_object_set_new(object, "matrices", shape_list(info));
    json_object_set_new(object, "matrix_count", json_integer(info->matrix_count));
    json_object_set_new(object, "matrix_features", feature_list(info->matrix_features));
    if (info->matrix_count == 0 || info->tier == FOVEA_TIER_MATRIX)
        return;
    if (strncmp(CLI_MATRIX_KERNELS, "none: ", 6) == 0)
        json_object_set_new(object, "matrix",
                            json_string("not in this build (" CLI_MATRIX_KERNELS "; see README.md, Matrix units)"));
    else
        json_object_set_new(object, "matrix",
                            json_string("no kernels of this build for its shapes, or subgroups of no fixed size"));
}

static json_t *describe(const fovea_device_info *info)
{
    json_t *object = json_object();
    values_add(object, info_rows, COUNT(info_rows), info);
    json_object_set_new(object, "kind", json_string(values_kind_name(info->kind)));
    json_object_set_new(object, "api_version", values_api_version(info->api_version));
    values_add(object, number_rows, COUNT(number_rows), info);
    json_object_set_new(object, "tiers", tier_list(info->tier));
    add_matrices(object, info);
    return object;
}

/* Adds the limits of the device `id` to `object`; it must be opened for that. */
static int add_limits(json_t *object, const char *id, bool cached)
{
    session s = {0};
    int code = session_open(&s, id, cached);
    fovea_device_limits limits;
    if (code == CLI_DONE) {
        const fovea_status status = fovea_device_get_limits(s.device, &limits);
        code = status == FOVEA_OK ? CLI_DONE : session_fail(&s, status, id);
    }
    if (code == CLI_DONE) {
        json_t *members = json_object();
        values_add(members, limit_rows, COUNT(limit_rows), &limits);
        json_object_set_new(object, "limits", members);
    } else {
        json_object_set_new(object, "error", values_string(s.error));
    }
    session_close(&s);
    return code;
}

/* One device, by its id. */
static int add_one(json_t *devices, const char *id, bool cached)
{
    session s = {0};
    int code = session_open(&s, id, false);
    if (code != CLI_DONE)
        return code;
    fovea_device_info info;
    const fovea_status status = fovea_device_get_info(s.device, &info);
    if (status != FOVEA_OK)
        code = session_fail(&s, status, id);
    session_close(&s);
    if (code != CLI_DONE)
        return code;
    json_t *object = describe(&info);
    json_array_append_new(devices, object);
    return add_limits(object, info.id, cached);
}

/* All devices. One that does not open is listed with its error. */
static int add_all(json_t *devices, bool cached)
{
    session s = {0};
    const fovea_device_params params = session_params(&s, NULL);
    uint32_t count = 0;
    fovea_status status = fovea_device_enumerate(&params, NULL, &count);
    if (status != FOVEA_OK)
        return session_fail(&s, status, "devices");
    fovea_device_info *infos = calloc(count ? count : 1, sizeof *infos);
    if (!infos)
        return cli_fail(CLI_FAILED, "out of memory");
    status = fovea_device_enumerate(&params, infos, &count);
    for (uint32_t i = 0; status == FOVEA_OK && i < count; i++) {
        json_t *object = describe(&infos[i]);
        json_array_append_new(devices, object);
        add_limits(object, infos[i].id, cached);
    }
    free(infos);
    return status == FOVEA_OK ? CLI_DONE : session_fail(&s, status, "devices");
}

static void print_lines(const json_t *devices)
{
    puts("version: " FOVEA_VERSION_STRING);
    puts("matrix_kernels: " CLI_MATRIX_KERNELS);
    for (size_t i = 0; i < json_array_size(devices); i++) {
        putchar('\n');
        values_print_lines(json_array_get(devices, i), "");
    }
}

static int show(const char *device, bool as_json, bool cached)
{
    json_t *devices = json_array();
    const int code = device ? add_one(devices, device, cached) : add_all(devices, cached);
    if (code == CLI_DONE && as_json) {
        json_t *object = json_object();
        json_object_set_new(object, "version", json_string(FOVEA_VERSION_STRING));
        json_object_set_new(object, "matrix_kernels", json_string(CLI_MATRIX_KERNELS));
        json_object_set(object, "devices", devices);
        values_print_json(object);
        json_decref(object);
    } else if (code == CLI_DONE) {
        print_lines(devices);
    }
    json_decref(devices);
    return code;
}

int info_main(int argc, char **argv)
{
    enum { OPTION_JSON = 1, OPTION_DEVICE, OPTION_NO_CACHE, OPTION_HELP };
    static const struct option options[] = {
        {"json", no_argument, NULL, OPTION_JSON},
        {"device", required_argument, NULL, OPTION_DEVICE},
        {"no-cache", no_argument, NULL, OPTION_NO_CACHE},
        {"help", no_argument, NULL, OPTION_HELP},
        {0},
    };
    const char *device = NULL;
    bool as_json = false, cached = true;
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        switch (option) {
        case OPTION_JSON: as_json = true; break;
        case OPTION_DEVICE: device = optarg; break;
        case OPTION_NO_CACHE: cached = false; break;
        case OPTION_HELP: print_help(); return CLI_DONE;
        default: return cli_bad_option(option, argv, "info");
        }
    }
    if (optind < argc)
        return cli_fail(CLI_USAGE, "unexpected argument \"%s\"; see fovea info --help", argv[optind]);
    return show(device, as_json, cached);
}
