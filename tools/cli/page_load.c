/* Result files: what a page needs of them, as tables, and a message for each way to fall short. */
#include "page.h"

#include <stdbool.h>
#include <string.h>

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))
#define PLACE_MAX   64

typedef enum member_kind {
    MEMBER_TEXT,
    MEMBER_NUMBER,
    MEMBER_FLAG,
    MEMBER_NUMBERS, /* an object or array of numbers */
    MEMBER_LIST     /* an array of objects */
} member_kind;

typedef struct member {
    const char *name;
    member_kind kind;
    bool needed;
} member;

/* The file that is checked and where its fault is told. */
typedef struct checker {
    const char *path;
    char *reason;
    size_t size;
} checker;

static const member root_members[] = {
    {"benchmarks", MEMBER_LIST, true},
};

static const member context_members[] = {
    {"date", MEMBER_TEXT, false},          {"host_name", MEMBER_TEXT, false},
    {"executable", MEMBER_TEXT, false},    {"library_version", MEMBER_TEXT, false},
    {"fovea_commit", MEMBER_TEXT, false},  {"library_build_type", MEMBER_TEXT, false},
    {"suite", MEMBER_TEXT, false},         {"num_cpus", MEMBER_NUMBER, false},
    {"mhz_per_cpu", MEMBER_NUMBER, false}, {"cpu_scaling_enabled", MEMBER_FLAG, false},
    {"interrupted", MEMBER_FLAG, false},   {"load_avg", MEMBER_NUMBERS, false},
    {"devices", MEMBER_LIST, false},       {"failures", MEMBER_LIST, false},
};

static const member device_members[] = {
    {"id", MEMBER_TEXT, true},           {"name", MEMBER_TEXT, false},
    {"kind", MEMBER_TEXT, false},        {"vendor_id", MEMBER_NUMBER, false},
    {"device_id", MEMBER_NUMBER, false}, {"driver", MEMBER_TEXT, false},
    {"driver_info", MEMBER_TEXT, false}, {"driver_version", MEMBER_NUMBER, false},
    {"api_version", MEMBER_TEXT, false}, {"tier", MEMBER_TEXT, false},
    {"rates", MEMBER_NUMBERS, false},
};

static const member failure_members[] = {
    {"name", MEMBER_TEXT, true},
    {"message", MEMBER_TEXT, true},
};

static const member benchmark_members[] = {
    {"name", MEMBER_TEXT, true},
    {"operator", MEMBER_TEXT, true},
    {"case", MEMBER_TEXT, true},
    {"device", MEMBER_TEXT, true},
    {"real_time", MEMBER_NUMBER, true},
    {"time_unit", MEMBER_TEXT, true},
    {"kind", MEMBER_TEXT, false},
    {"dtype", MEMBER_TEXT, false},
    {"mask", MEMBER_TEXT, false},
    {"bound", MEMBER_TEXT, false},
    {"kernel", MEMBER_TEXT, false},
    {"kernel_tier", MEMBER_TEXT, false},
    {"tile", MEMBER_TEXT, false},
    {"dense_case", MEMBER_TEXT, false},
    {"iterations", MEMBER_NUMBER, false},
    {"wall_min", MEMBER_NUMBER, false},
    {"wall_p10", MEMBER_NUMBER, false},
    {"wall_p90", MEMBER_NUMBER, false},
    {"device_time", MEMBER_NUMBER, false},
    {"device_min", MEMBER_NUMBER, false},
    {"device_p10", MEMBER_NUMBER, false},
    {"device_p90", MEMBER_NUMBER, false},
    {"batch", MEMBER_NUMBER, false},
    {"heads_q", MEMBER_NUMBER, false},
    {"heads_k", MEMBER_NUMBER, false},
    {"heads_v", MEMBER_NUMBER, false},
    {"seq_q", MEMBER_NUMBER, false},
    {"seq_k", MEMBER_NUMBER, false},
    {"dim_qk", MEMBER_NUMBER, false},
    {"dim_v", MEMBER_NUMBER, false},
    {"flops", MEMBER_NUMBER, false},
    {"bytes", MEMBER_NUMBER, false},
    {"exponentials", MEMBER_NUMBER, false},
    {"flops_per_second", MEMBER_NUMBER, false},
    {"percent_of_peak", MEMBER_NUMBER, false},
    {"percent_of_attainable", MEMBER_NUMBER, false},
    {"splits", MEMBER_NUMBER, false},
    {"registers", MEMBER_NUMBER, false},
    {"spills", MEMBER_NUMBER, false},
    {"max_error", MEMBER_NUMBER, false},
    {"of_bound", MEMBER_NUMBER, false},
};

static const char *const time_units[] = {"ns", "us", "ms", "s"};

static bool fault(const checker *c, const char *place, const char *name, const char *what)
{
    snprintf(c->reason, c->size, "%s: %s%s%s%s", c->path, place, place[0] ? "." : "", name, what);
    return false;
}

static bool all_numbers(json_t *value)
{
    size_t index;
    const char *key;
    json_t *one;
    if (!json_is_object(value) && !json_is_array(value))
        return false;
    json_array_foreach(value, index, one)
    {
        if (!json_is_number(one))
            return false;
    }
    json_object_foreach(value, key, one)
    {
        if (!json_is_number(one))
            return false;
    }
    return true;
}

static bool all_objects(json_t *value)
{
    size_t index;
    json_t *one;
    if (!json_is_array(value))
        return false;
    json_array_foreach(value, index, one)
    {
        if (!json_is_object(one))
            return false;
    }
    return true;
}

static bool is_kind(json_t *value, member_kind kind, const char **out_what)
{
    switch (kind) {
    case MEMBER_TEXT: *out_what = " must be a string"; return json_is_string(value);
    case MEMBER_NUMBER: *out_what = " must be a number"; return json_is_number(value);
    case MEMBER_FLAG: *out_what = " must be true or false"; return json_is_boolean(value);
    case MEMBER_NUMBERS: *out_what = " must hold numbers alone"; return all_numbers(value);
    case MEMBER_LIST: *out_what = " must be an array of objects"; return all_objects(value);
    }
    return false;
}

/* Null counts as absent. */
static bool check_members(const checker *c, const char *place, json_t *object, const member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *what = "";
        json_t *value = json_object_get(object, members[i].name);
        if (json_is_null(value))
            value = NULL;
        if (!value && members[i].needed)
            return fault(c, place, members[i].name, " is missing");
        if (value && !is_kind(value, members[i].kind, &what))
            return fault(c, place, members[i].name, what);
    }
    return true;
}

/* Every object of the list `name`, if it is there. */
static bool check_list(const checker *c, json_t *parent, const char *name, const member *members, size_t count)
{
    size_t index;
    json_t *one;
    json_array_foreach(json_object_get(parent, name), index, one)
    {
        char place[PLACE_MAX];
        snprintf(place, sizeof place, "%s[%zu]", name, index);
        if (!check_members(c, place, one, members, count))
            return false;
    }
    return true;
}

static bool check_times(const checker *c, json_t *benchmarks)
{
    size_t index;
    json_t *one;
    json_array_foreach(benchmarks, index, one)
    {
        const char *unit = json_string_value(json_object_get(one, "time_unit"));
        bool known = false;
        char place[PLACE_MAX];
        snprintf(place, sizeof place, "benchmarks[%zu]", index);
        for (size_t i = 0; i < COUNT(time_units); i++)
            known = known || !strcmp(unit, time_units[i]);
        if (!known)
            return fault(c, place, "time_unit", " must be ns, us, ms or s");
        if (!(json_number_value(json_object_get(one, "real_time")) > 0))
            return fault(c, place, "real_time", " must be positive");
    }
    return true;
}

static bool check_result(const checker *c, json_t *root)
{
    json_t *context = json_object_get(root, "context");
    if (!json_is_object(root))
        return fault(c, "", "", "holds no JSON object");
    if (!json_is_object(context))
        return fault(c, "", "context", " must be an object: this is no result of fovea bench");
    return check_members(c, "", root, root_members, COUNT(root_members)) &&
           check_members(c, "context", context, context_members, COUNT(context_members)) &&
           check_list(c, context, "devices", device_members, COUNT(device_members)) &&
           check_list(c, context, "failures", failure_members, COUNT(failure_members)) &&
           check_list(c, root, "benchmarks", benchmark_members, COUNT(benchmark_members)) &&
           check_times(c, json_object_get(root, "benchmarks"));
}

json_t *page_load(const char *path, char *reason, size_t size)
{
    const checker c = {path, reason, size};
    json_error_t error;
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!root && error.line < 0)
        snprintf(reason, size, "%s", error.text); /* names the file */
    else if (!root)
        snprintf(reason, size, "%s: line %d, column %d: %s", path, error.line, error.column, error.text);
    if (!root || check_result(&c, root))
        return root;
    json_decref(root);
    return NULL;
}
