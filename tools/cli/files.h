/* Whole files in, whole files out: an output appears complete under its name, or not at all. */
#ifndef FOVEA_CLI_FILES_H
#define FOVEA_CLI_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Reads the file, or pipe, at `path` into memory that the caller frees. `name` says in messages what it is
 * for. */
int file_read(const char *name, const char *path, uint8_t **out_bytes, size_t *out_size);

/* A file being written. All zero: none. */
typedef struct output_file {
    const char *path; /* as the user wrote it; borrowed */
    char *target;     /* where it goes, links resolved */
    char *temporary;  /* its name until output_commit; NULL: written in place, for a device or a pipe */
    FILE *stream;
} output_file;

/* Says early what would prevent an output at `path`. */
int output_check(const char *path);

/* Whether one file would take the place of the other, whatever the spelling. Devices and pipes take both. */
bool output_same(const char *a, const char *b);

/* Whether it is where standard output goes: a file, a pipe or a device. */
bool output_is_stdout(const char *path);

/* Opens it beside its place. `path` lives until the end. */
int output_open(output_file *file, const char *path);

/* Closes it and checks that all of it was written. */
int output_close(output_file *file);

/* Gives a closed file its name. */
int output_commit(output_file *file);

/* Releases it; without output_commit nothing is left behind. */
void output_release(output_file *file);

#endif
