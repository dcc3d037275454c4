#include "values.h"

#include <fovea/fovea.h>

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TEXT_MAX   512
#define PREFIX_MAX 128
#define DIGITS     9

json_t *values_string(const char *text)
{
    json_t *string = json_string(text);
    if (string)
        return string;
    char ascii[TEXT_MAX];
    snprintf(ascii, sizeof ascii, "%s", text);
    for (char *c = ascii; *c; c++) {
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    }
    return json_string(ascii);
}

static json_t *lines_value(const char *text)
{
    json_t *lines = json_array();
    while (*text) {
        const size_t length = strcspn(text, "\n");
        char line[TEXT_MAX];
        snprintf(line, sizeof line, "%.*s", (int)length, text);
        if (length)
            json_array_append_new(lines, values_string(line));
        text += length + (text[length] == '\n');
    }
    return lines;
}

static json_t *u32_value(value_kind kind, uint32_t value)
{
    if (kind == VALUE_BOUND && value == FOVEA_UNBOUNDED)
        return json_string("unbounded");
    if (kind == VALUE_KNOWN && value == UINT32_MAX)
        return json_null();
    if (kind == VALUE_FLAG)
        return json_boolean(value != 0);
    return json_integer(value);
}

static json_t *row_value(const value_row *row, const void *base)
{
    const char *member = (const char *)base + row->offset;
    switch (row->kind) {
    case VALUE_TEXT: return values_string(member);
    case VALUE_LINES: return lines_value(member);
    case VALUE_TIER: {
        fovea_tier tier;
        memcpy(&tier, member, sizeof tier);
        return json_string(fovea_tier_name(tier));
    }
    case VALUE_DTYPE: {
        fovea_dtype dtype;
        memcpy(&dtype, member, sizeof dtype);
        return json_string(fovea_dtype_name(dtype));
    }
    case VALUE_REAL: {
        double real;
        memcpy(&real, member, sizeof real);
        return json_real(real);
    }
    case VALUE_U64: {
        uint64_t value;
        memcpy(&value, member, sizeof value);
        return value > INT64_MAX ? json_real((double)value) : json_integer((json_int_t)value);
    }
    case VALUE_U32:
    case VALUE_BOUND:
    case VALUE_KNOWN:
    case VALUE_FLAG: break;
    }
    uint32_t value;
    memcpy(&value, member, sizeof value);
    return u32_value(row->kind, value);
}

void values_add(json_t *object, const value_row *rows, size_t count, const void *base)
{
    for (size_t i = 0; i < count; i++)
        json_object_set_new(object, rows[i].name, row_value(&rows[i], base));
}

void values_print_json(const json_t *object)
{
    json_dumpf(object, stdout, JSON_REAL_PRECISION(DIGITS));
    putchar('\n');
}

static void print_scalar(const json_t *value)
{
    if (json_is_string(value))
        fputs(json_string_value(value), stdout);
    else
        json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_REAL_PRECISION(DIGITS));
}

/* A list of scalars on one line, words apart. */
static void print_list(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (i)
            putchar(' ');
        print_scalar(json_array_get(list, i));
    }
}

void values_print_lines(json_t *object, const char *prefix)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        char path[PREFIX_MAX];
        snprintf(path, sizeof path, "%s%s%s", prefix, prefix[0] ? "." : "", key);
        if (json_is_object(value)) {
            values_print_lines(value, path);
            continue;
        }
        if (json_is_array(value) && json_array_size(value) == 0)
            continue;
        printf("%s: ", path);
        if (json_is_array(value))
            print_list(value);
        else
            print_scalar(value);
        putchar('\n');
    }
}

const char *values_kind_name(fovea_device_kind kind)
{
    switch (kind) {
    case FOVEA_DEVICE_CPU: return "cpu";
    case FOVEA_DEVICE_INTEGRATED: return "integrated";
    case FOVEA_DEVICE_DISCRETE: return "discrete";
    case FOVEA_DEVICE_VIRTUAL: return "virtual";
    case FOVEA_DEVICE_OTHER: break;
    }
    return "other";
}

json_t *values_api_version(uint32_t version)
{
    return version ? json_sprintf("%u.%u.%u", (version >> 22) & 0x7fu, (version >> 12) & 0x3ffu, version & 0xfffu)
                   : json_null();
}

double values_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
