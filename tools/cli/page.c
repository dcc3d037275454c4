/* fovea page: one HTML page of result files. */
#include "page.h"

#include "cli.h"
#include "files.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define REASON_MAX    1024
#define NUMBER_DIGITS 12

static void print_help(FILE *file)
{
    fputs("Usage: fovea page OUT.html RESULT.json ...\n"
          "\n"
          "Makes one HTML page of result files, as fovea bench --json writes them: tables, rooflines, and\n"
          "devices beside each other where there are several. Speeds are compared with the first device of the\n"
          "first file. The page is complete in itself and loads nothing.\n"
          "\n"
          "  --help  this text\n"
          "\n" CLI_EXIT_CODES,
          file);
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* JSON may stand inside a script element if it holds no '<', which occurs in its strings alone. */
static int write_escaped(const char *bytes, size_t size, void *user)
{
    FILE *file = user;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '<')
            fputs("\\u003c", file);
        else
            putc(bytes[i], file);
    }
    return 0; /* write errors are the stream's */
}

/* A name may come from a command line: bytes that are no UTF-8 become '?'. */
static json_t *name_value(const char *name)
{
    if (!name)
        return json_null();
    json_t *value = json_string(name);
    if (value)
        return value;
    char ascii[REASON_MAX];
    snprintf(ascii, sizeof ascii, "%s", name);
    for (char *c = ascii; *c; c++) {
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    }
    return json_string(ascii);
}

int page_write(FILE *file, json_t *const *results, const char *const *names, size_t count)
{
    json_t *data = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *entry = json_object();
        json_object_set_new(entry, "name", name_value(names ? names[i] : NULL));
        json_object_set(entry, "result", results[i]);
        json_array_append_new(data, entry);
    }
    fwrite(page_head, 1, page_head_size, file);
    const bool written = json_array_size(data) == count &&
                         json_dump_callback(data, write_escaped, file,
                                            JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(NUMBER_DIGITS)) == 0;
    fwrite(page_tail, 1, page_tail_size, file);
    json_decref(data);
    return written ? CLI_DONE : cli_fail(CLI_FAILED, "the page: out of memory");
}

/* ---- the command ----------------------------------------------------------------------------------------------- */

/* Forgetting OUT must not cost a result. */
static int check_paths(const char *out, char *const *inputs, size_t count)
{
    const size_t length = strlen(out);
    if (length >= 5 && !strcmp(out + length - 5, ".json"))
        return cli_fail(CLI_USAGE, "the page comes first, but %s is a result; see fovea page --help", out);
    for (size_t i = 0; i < count; i++) {
        if (output_same(out, inputs[i]))
            return cli_fail(CLI_USAGE, "%s is both the page and a result", out);
    }
    return output_check(out);
}

int page_write_file(const char *path, json_t *const *results, const char *const *names, size_t count)
{
    output_file file = {0};
    int code = output_open(&file, path);
    if (code == CLI_DONE)
        code = page_write(file.stream, results, names, count);
    if (code == CLI_DONE)
        code = output_close(&file);
    if (code == CLI_DONE)
        code = output_commit(&file);
    output_release(&file);
    return code;
}

/* Loads all files, then writes: `results` has `count` zeroed places. */
static int load_and_write(const char *out, char *const *inputs, json_t **results, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char reason[REASON_MAX];
        results[i] = page_load(inputs[i], reason, sizeof reason);
        if (!results[i])
            return cli_fail(CLI_USAGE, "%s", reason);
    }
    return page_write_file(out, results, (const char *const *)inputs, count);
}

static int make_page(const char *out, char *const *inputs, size_t count)
{
    json_t **results = calloc(count, sizeof *results);
    if (!results)
        return cli_fail(CLI_FAILED, "out of memory");
    int code = check_paths(out, inputs, count);
    if (code == CLI_DONE)
        code = load_and_write(out, inputs, results, count);
    for (size_t i = 0; i < count; i++)
        json_decref(results[i]);
    free(results);
    return code;
}

int page_main(int argc, char **argv)
{
    enum { OPTION_HELP = 1 };
    static const struct option options[] = {{"help", no_argument, NULL, OPTION_HELP}, {0}};
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (option != OPTION_HELP)
            return cli_bad_option(option, argv, "page");
        print_help(stdout);
        return CLI_DONE;
    }
    if (argc - optind < 2) {
        print_help(stderr);
        return CLI_USAGE;
    }
    return make_page(argv[optind], argv + optind + 1, (size_t)(argc - optind - 1));
}
