/* Plain structs of the library as JSON objects, by tables; JSON objects as `key: value` lines. */
#ifndef FOVEA_CLI_VALUES_H
#define FOVEA_CLI_VALUES_H

#include <fovea/fovea.h>

#include <jansson.h>
#include <stddef.h>

typedef enum value_kind {
    VALUE_U32,
    VALUE_U64,
    VALUE_BOUND, /* uint32_t; FOVEA_UNBOUNDED is written "unbounded" */
    VALUE_KNOWN, /* uint32_t; UINT32_MAX means unknown and is written null */
    VALUE_FLAG,  /* uint32_t; written false or true */
    VALUE_REAL,  /* double */
    VALUE_TEXT,  /* char array */
    VALUE_LINES, /* char array of lines, written as an array of strings */
    VALUE_TIER,  /* fovea_tier */
    VALUE_DTYPE  /* fovea_dtype */
} value_kind;

typedef struct value_row {
    const char *name;
    value_kind kind;
    size_t offset;
} value_row;

/* A string whose bytes may be no UTF-8 (a device's name, cut): what is not ASCII then becomes '?'. */
json_t *values_string(const char *text);

/* The name of a device's kind, such as "integrated". */
const char *values_kind_name(fovea_device_kind kind);

/* VK_MAKE_API_VERSION's packing as "1.3.275"; null where the device has none. */
json_t *values_api_version(uint32_t version);

/* Seconds of a clock that only goes forward. */
double values_seconds(void);

/* Adds the members of the struct at `base` to `object`. */
void values_add(json_t *object, const value_row *rows, size_t count, const void *base);

/* Prints `object` to standard output: as one JSON line, or as `prefix.key: value` lines, without empty lists. */
void values_print_json(const json_t *object);
void values_print_lines(json_t *object, const char *prefix);

#endif
