/* The fovea command line: a table of subcommands. */
#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct subcommand {
    const char *name;
    int (*main)(int argc, char **argv); /* argv[0] is the subcommand's name */
    const char *help;
} subcommand;

static const subcommand subcommands[] = {
    {"bench", bench_main, "measure speed, and what it could be, on this machine's devices"},
    {"info", info_main, "devices, drivers, tiers and limits of this machine"},
    {"run", run_main, "run an operator on .npy files"},
    {"page", page_main, "make one HTML page of result files"},
};

int cli_fail(int code, const char *format, ...)
{
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (char *c = text; *c; c++) {
        const unsigned char byte = (unsigned char)*c;
        if ((byte < 0x20 && byte != '\n') || byte == 0x7f)
            *c = '?';
    }
    fprintf(stderr, "fovea: %s\n", text);
    return code;
}

int cli_status_code(fovea_status status)
{
    switch (status) {
    case FOVEA_OK: return CLI_DONE;
    case FOVEA_INVALID: return CLI_USAGE;
    case FOVEA_UNSUPPORTED: return CLI_UNSUPPORTED;
    case FOVEA_NO_DEVICE: return CLI_NO_DEVICE;
    case FOVEA_OUT_OF_HOST_MEMORY:
    case FOVEA_OUT_OF_DEVICE_MEMORY:
    case FOVEA_COMPILE_FAILED:
    case FOVEA_DEVICE_LOST:
    case FOVEA_TIMEOUT:
    case FOVEA_CACHE:
    case FOVEA_INTERNAL: break;
    }
    return CLI_FAILED;
}

static void print_help(FILE *file)
{
    fputs("Usage: fovea COMMAND [option ...]\n"
          "       fovea COMMAND --help\n"
          "       fovea --version\n"
          "\n"
          "Commands:\n",
          file);
    for (size_t i = 0; i < sizeof subcommands / sizeof *subcommands; i++)
        fprintf(file, "  %-6s %s\n", subcommands[i].name, subcommands[i].help);
    fputs("\n" CLI_EXIT_CODES, file);
}

static int run_subcommand(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return CLI_USAGE;
    }
    const char *name = argv[1];
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
        print_help(stdout);
        return CLI_DONE;
    }
    if (!strcmp(name, "--version")) {
        puts("fovea " FOVEA_VERSION_STRING);
        return CLI_DONE;
    }
    for (size_t i = 0; i < sizeof subcommands / sizeof *subcommands; i++) {
        if (!strcmp(name, subcommands[i].name))
            return subcommands[i].main(argc - 1, argv + 1);
    }
    return cli_fail(CLI_USAGE, "unknown command \"%s\"; fovea --help lists them", name);
}

int main(int argc, char **argv)
{
    const int code = run_subcommand(argc, argv);
    const bool lost = fflush(stdout) != 0 || ferror(stdout);
    return lost && code == CLI_DONE ? cli_fail(CLI_FAILED, "standard output: write failed") : code;
}
