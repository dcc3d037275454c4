/* One HTML page of benchmark results. It is complete in itself: style, script and the results as JSON. */
#ifndef FOVEA_CLI_PAGE_H
#define FOVEA_CLI_PAGE_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

/* The page's text before and after its data; generated from page/. */
extern const unsigned char page_head[];
extern const size_t page_head_size;
extern const unsigned char page_tail[];
extern const size_t page_tail_size;

/* Writes the page of `count` results as `fovea bench --json` prints them. The first device of the first one is what
 * others are compared with. names[i] says on the page which result it is, such as its file's name; `names` and each
 * of them may be NULL. Texts inside the results may be anything. Write errors stay in `file`, for output_close. */
int page_write(FILE *file, json_t *const *results, const char *const *names, size_t count);

/* The same into a file that appears complete under its name, or not at all. */
int page_write_file(const char *path, json_t *const *results, const char *const *names, size_t count);

/* The result in the file at `path`, checked to be what the page needs; fields that it does not know may be there.
 * NULL with `reason` filled: no such file, no JSON, or what is missing where. The caller owns it. */
json_t *page_load(const char *path, char *reason, size_t size);

#endif
