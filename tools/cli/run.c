/* fovea run: the command line of one operator, made from its row in operators.c. */
#include "job.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define REPEAT_MAX    1000000
#define TENSOR_OPTION 256 /* + slot */

enum { OPTION_DESC = 1, OPTION_DEVICE, OPTION_EXPLAIN, OPTION_JSON, OPTION_REPEAT, OPTION_NO_CACHE, OPTION_HELP };

static const struct option fixed_options[] = {
    {"desc", required_argument, NULL, OPTION_DESC},     {"device", required_argument, NULL, OPTION_DEVICE},
    {"explain", no_argument, NULL, OPTION_EXPLAIN},     {"json", no_argument, NULL, OPTION_JSON},
    {"repeat", required_argument, NULL, OPTION_REPEAT}, {"no-cache", no_argument, NULL, OPTION_NO_CACHE},
    {"help", no_argument, NULL, OPTION_HELP},
};

#define FIXED_COUNT (sizeof fixed_options / sizeof *fixed_options)

static void print_operators(FILE *file)
{
    fputs("Usage: fovea run OPERATOR [option ...]\n"
          "       fovea run OPERATOR --help\n"
          "\n"
          "Runs an operator on .npy files.\n"
          "\n"
          "Operators:\n",
          file);
    for (size_t i = 0; i < operator_count; i++)
        fprintf(file, "  %-10s %s\n", operators[i].name, operators[i].summary);
    fputs("\n" CLI_EXIT_CODES, file);
}

static void print_tensor(const tensor_row *row)
{
    char option[40];
    snprintf(option, sizeof option, "--%s FILE", row->option);
    printf("  %-14s %s %s: ", option, row->role == TENSOR_INPUT ? "in, " : "out,", row->name);
    for (size_t form = 0; form < TENSOR_FORMS && row->dims[form][0]; form++) {
        printf(form ? " or [" : "[");
        for (size_t i = 0; row->dims[form][i]; i++)
            printf(i ? ", %s" : "%s", row->dims[form][i]);
        printf("]");
    }
    printf(" %s%s\n", row->help, row->optional ? " (optional)" : "");
}

static void print_help(const operator_row *spec)
{
    bool more = false;
    printf("Usage: fovea run %s", spec->name);
    for (size_t i = 0; i < spec->tensor_count; i++) {
        const tensor_row *row = &spec->tensors[i];
        if (row->optional && row->role == TENSOR_INPUT)
            more = true;
        else
            printf(row->optional ? " [--%s FILE]" : " --%s FILE", row->option);
    }
    if (more)
        printf(" [--ARRAY FILE ...]");
    printf(" [option ...]\n\n%s\n\nArrays, .npy files (version 1 to 3, C order, little-endian):\n", spec->summary);
    for (size_t i = 0; i < spec->tensor_count; i++)
        print_tensor(&spec->tensors[i]);
    fputs("  dtypes: float32; float16; bfloat16 as uint16, with the key x_dtype \"bf16\"\n"
          "\n"
          "Options:\n"
          "  --desc FILE    description: a JSON object of the keys below; without it, all defaults\n"
          "  --device ID    such as cpu (the default) or vulkan:0; fovea info lists them\n"
          "  --explain      print what the operator decided as `key: value` lines\n"
          "  --json         with --explain: one JSON object instead\n"
          "  --repeat N     run N more times; print {\"median_s\", \"min_s\", \"n\"}, each timed from call "
          "to end\n"
          "  --no-cache     read and write no entries of earlier runs (in ~/.cache/fovea/entries)\n"
          "  --help         this text\n"
          "\n"
          "Keys of the description:\n",
          stdout);
    for (size_t i = 0; i < spec->key_count; i++)
        keys_print(&spec->keys[i], stdout);
    fputs("\n" CLI_EXIT_CODES, stdout);
}

static int parse_repeat(const char *text, uint32_t *out)
{
    char *end;
    errno = 0;
    const long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < 1 || value > REPEAT_MAX)
        return cli_fail(CLI_USAGE, "--repeat must be a whole number from 1 to %d, not %s", REPEAT_MAX, text);
    *out = (uint32_t)value;
    return CLI_DONE;
}

static int apply_option(int option, run_options *out)
{
    switch (option) {
    case OPTION_DESC: out->description = optarg; return CLI_DONE;
    case OPTION_DEVICE: out->device = optarg; return CLI_DONE;
    case OPTION_EXPLAIN: out->explain = true; return CLI_DONE;
    case OPTION_NO_CACHE: out->no_cache = true; return CLI_DONE;
    case OPTION_JSON: out->json = true; return CLI_DONE;
    case OPTION_REPEAT: return parse_repeat(optarg, &out->repeat);
    default: out->paths[option - TENSOR_OPTION] = optarg; return CLI_DONE;
    }
}

/* Fixed options and one per tensor; the array ends zeroed. */
static void list_options(const operator_row *spec, struct option *options)
{
    memcpy(options, fixed_options, sizeof fixed_options);
    for (size_t i = 0; i < spec->tensor_count; i++) {
        const tensor_row *row = &spec->tensors[i];
        options[FIXED_COUNT + i] =
            (struct option){row->option, required_argument, NULL, TENSOR_OPTION + (int)row->slot};
    }
}

static int check_required(const operator_row *spec, const run_options *options)
{
    for (size_t i = 0; i < spec->tensor_count; i++) {
        const tensor_row *row = &spec->tensors[i];
        if (!row->optional && !options->paths[row->slot])
            return cli_fail(CLI_USAGE, "--%s FILE is missing; see fovea run %s --help", row->option, spec->name);
    }
    return CLI_DONE;
}

static int run_operator(const operator_row *spec, const run_options *options)
{
    job *j = calloc(1, sizeof *j);
    if (!j)
        return cli_fail(CLI_FAILED, "out of memory");
    j->spec = spec;
    j->options = options;
    int code = job_load(j);
    if (code == CLI_DONE)
        code = job_run(j);
    if (code == CLI_DONE)
        code = job_store(j);
    job_release(j);
    free(j);
    return code;
}

static int operator_main(const operator_row *spec, int argc, char **argv)
{
    struct option options[FIXED_COUNT + FOVEA_SLOT_MAX + 1] = {0};
    run_options asked = {0};
    char command[64];
    int option;
    list_options(spec, options);
    snprintf(command, sizeof command, "run %s", spec->name);
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (option == ':' || option == '?')
            return cli_bad_option(option, argv, command);
        if (option == OPTION_HELP) {
            print_help(spec);
            return CLI_DONE;
        }
        const int code = apply_option(option, &asked);
        if (code != CLI_DONE)
            return code;
    }
    if (optind < argc)
        return cli_fail(CLI_USAGE, "unexpected argument \"%s\"; see fovea %s --help", argv[optind], command);
    const int code = check_required(spec, &asked);
    return code == CLI_DONE ? run_operator(spec, &asked) : code;
}

int run_main(int argc, char **argv)
{
    if (argc < 2) {
        print_operators(stderr);
        return CLI_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        print_operators(stdout);
        return CLI_DONE;
    }
    const operator_row *spec = operator_find(argv[1]);
    if (!spec)
        return cli_fail(CLI_USAGE, "unknown operator \"%s\"; fovea run --help lists them", argv[1]);
    return operator_main(spec, argc - 1, argv + 1);
}
