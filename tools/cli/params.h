/* The keys of a description: one table per operator parses them, gives their defaults and prints the help. */
#ifndef FOVEA_CLI_PARAMS_H
#define FOVEA_CLI_PARAMS_H

#include <fovea/fovea.h>

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* How arrays whose last dims are [heads, seq, dim] are stored. */
enum { LAYOUT_BHSD = 0, LAYOUT_BSHD };

/* All that a description says, defaults filled in. */
typedef struct request {
    union { /* of the operator that runs */
        fovea_softmax_params softmax;
        fovea_merge_params merge;
    } params;
    fovea_op_args args;
    uint32_t layout;
    uint32_t dtypes[FOVEA_SLOT_MAX]; /* dtype + 1; 0: not said */
} request;

typedef enum key_kind {
    KEY_FLAG,  /* uint32_t: false, true, 0 or 1 */
    KEY_COUNT, /* uint32_t: a whole number, or one of `names` */
    KEY_REAL,  /* float */
    KEY_CHOICE /* uint32_t or an enum: one of `names` */
} key_kind;

typedef struct key_name {
    const char *name; /* NULL ends the list */
    uint32_t value;
} key_name;

typedef struct key_row {
    const char *name;
    key_kind kind;
    size_t offset;         /* in a request */
    const char *initial;   /* default, as JSON; NULL: not set, and `absent` says in the help what then holds */
    const key_name *names; /* CHOICE: all values; COUNT: legal beside numbers, or NULL */
    const char *help;
    const char *absent;
} key_row;

typedef struct key_table {
    const key_row *rows;
    size_t count;
} key_table;

/* Sets every key of the tables to its default. */
void keys_reset(const key_table *tables, size_t count, request *out);

/* Reads a description. `path` is its file, for messages. The first fault is printed, with the key's name. */
int keys_parse(const key_table *tables, size_t count, const char *path, const json_t *object, request *out);

/* Prints every key with type, default and meaning. */
void keys_print(const key_table *table, FILE *file);

#endif
