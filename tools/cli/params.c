#include "params.h"

#include "cli.h"

#include <assert.h>
#include <math.h>
#include <string.h>

_Static_assert(sizeof(fovea_tier) == sizeof(uint32_t), "a choice is stored as 32 bits");

#define TYPE_ROOM 96

static const char *json_type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER:
    case JSON_REAL: return "a number";
    case JSON_TRUE:
    case JSON_FALSE: return "a boolean";
    case JSON_NULL: break;
    }
    return "null";
}

/* "bhsd | bshd", or with `quoted` "\"bhsd\" | \"bshd\"". */
static void list_names(const key_name *names, char *text, size_t room)
{
    size_t length = 0;
    text[0] = 0;
    for (const key_name *n = names; n && n->name && length < room; n++)
        length += (size_t)snprintf(text + length, room - length, "%s\"%s\"", n == names ? "" : " | ", n->name);
}

/* What a value of this key looks like. */
static void describe_type(const key_row *row, char *text, size_t room)
{
    char names[TYPE_ROOM];
    list_names(row->names, names, sizeof names);
    switch (row->kind) {
    case KEY_FLAG: snprintf(text, room, "true | false | 1 | 0"); return;
    case KEY_COUNT:
        snprintf(text, room, "integer 0..%lu%s%s", (unsigned long)UINT32_MAX, names[0] ? " | " : "", names);
        return;
    case KEY_REAL: snprintf(text, room, "number"); return;
    case KEY_CHOICE: snprintf(text, room, "%s", names); return;
    }
}

static int refuse_type(const key_row *row, const char *path, const json_t *value)
{
    char type[2 * TYPE_ROOM];
    describe_type(row, type, sizeof type);
    return cli_fail(CLI_USAGE, "%s: %s must be %s, not %s", path, row->name, type, json_type_name(value));
}

static int refuse_value(const key_row *row, const char *path, const char *written)
{
    char type[2 * TYPE_ROOM];
    describe_type(row, type, sizeof type);
    return cli_fail(CLI_USAGE, "%s: %s must be %s, not %s", path, row->name, type, written);
}

static int refuse_number(const key_row *row, const char *path, double number)
{
    char written[40];
    snprintf(written, sizeof written, "%.17g", number);
    return refuse_value(row, path, written);
}

static int parse_name(const key_row *row, const char *path, const char *name, uint32_t *out)
{
    for (const key_name *n = row->names; n && n->name; n++) {
        if (!strcmp(name, n->name)) {
            *out = n->value;
            return CLI_DONE;
        }
    }
    char written[256];
    snprintf(written, sizeof written, "\"%s\"", name);
    return refuse_value(row, path, written);
}

static int parse_word(const key_row *row, const char *path, const json_t *value, uint32_t *out)
{
    if (json_is_string(value) && row->names)
        return parse_name(row, path, json_string_value(value), out);
    if (row->kind == KEY_FLAG && json_is_boolean(value)) {
        *out = json_is_true(value);
        return CLI_DONE;
    }
    if (row->kind == KEY_CHOICE || !json_is_number(value))
        return refuse_type(row, path, value);
    const double number = json_number_value(value);
    const double most = row->kind == KEY_FLAG ? 1.0 : (double)UINT32_MAX;
    if (!(number >= 0.0 && number <= most) || number != floor(number))
        return refuse_number(row, path, number);
    *out = (uint32_t)number;
    return CLI_DONE;
}

static int parse_real(const key_row *row, const char *path, const json_t *value, float *out)
{
    if (!json_is_number(value))
        return refuse_type(row, path, value);
    const double number = json_number_value(value);
    /* A number that float32 would round to 0 might come to mean the default. */
    if (!(fabs(number) <= 3.4028234663852886e38) || (number != 0.0 && (float)number == 0.0f))
        return cli_fail(CLI_USAGE, "%s: %s is %g, which float32 cannot hold", path, row->name, number);
    *out = (float)number;
    return CLI_DONE;
}

static int parse_key(const key_row *row, const char *path, const json_t *value, request *out)
{
    char *member = (char *)out + row->offset;
    if (row->kind == KEY_REAL) {
        float real = 0.0f;
        const int code = parse_real(row, path, value, &real);
        if (code == CLI_DONE)
            memcpy(member, &real, sizeof real);
        return code;
    }
    uint32_t word = 0;
    const int code = parse_word(row, path, value, &word);
    if (code == CLI_DONE)
        memcpy(member, &word, sizeof word);
    return code;
}

static void reset_table(const key_table *table, request *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const key_row *row = &table->rows[i];
        json_t *value = row->initial ? json_loads(row->initial, JSON_DECODE_ANY, NULL) : NULL;
        if (row->initial) {
            const int code = value ? parse_key(row, "default", value, out) : CLI_FAILED;
            assert(code == CLI_DONE); /* else the table is wrong */
            (void)code;
        }
        json_decref(value);
    }
}

void keys_reset(const key_table *tables, size_t count, request *out)
{
    *out = (request){0};
    for (size_t i = 0; i < count; i++)
        reset_table(&tables[i], out);
}

static const key_row *find_key(const key_table *tables, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < tables[i].count; j++) {
            if (!strcmp(name, tables[i].rows[j].name))
                return &tables[i].rows[j];
        }
    }
    return NULL;
}

int keys_parse(const key_table *tables, size_t count, const char *path, const json_t *object, request *out)
{
    if (!json_is_object(object))
        return cli_fail(CLI_USAGE, "%s: a description is a JSON object, not %s", path, json_type_name(object));
    void *at = json_object_iter((json_t *)(uintptr_t)object);
    for (; at; at = json_object_iter_next((json_t *)(uintptr_t)object, at)) {
        const char *name = json_object_iter_key(at);
        const key_row *row = find_key(tables, count, name);
        if (!row)
            return cli_fail(CLI_USAGE, "%s: unknown key \"%s\"; the operator's --help lists all keys", path, name);
        const int code = parse_key(row, path, json_object_iter_value(at), out);
        if (code != CLI_DONE)
            return code;
    }
    return CLI_DONE;
}

void keys_print(const key_table *table, FILE *file)
{
    for (size_t i = 0; i < table->count; i++) {
        const key_row *row = &table->rows[i];
        char type[2 * TYPE_ROOM];
        describe_type(row, type, sizeof type);
        fprintf(file, "  %-16s %s (default %s)\n  %-16s %s\n", row->name, type,
                row->initial ? row->initial : row->absent, "", row->help);
    }
}
