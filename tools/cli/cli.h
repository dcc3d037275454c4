/* What every part of the command line shares: exit codes, diagnostics, subcommands. */
#ifndef FOVEA_CLI_H
#define FOVEA_CLI_H

#include <fovea/fovea.h>

#include <stdbool.h>
#include <stddef.h>

#include "store.h"

/* The exit codes of every subcommand. Functions that can fail return one; 0 is success. */
enum {
    CLI_DONE = 0,
    CLI_FAILED = 1,      /* the machine failed: a write, memory, a driver, a lost device */
    CLI_USAGE = 2,       /* bad usage or bad input */
    CLI_UNSUPPORTED = 3, /* legal, but this device or build cannot */
    CLI_NO_DEVICE = 77   /* no such device on this machine */
};

#define CLI_EXIT_CODES                                                                                 \
    "Exit codes: 0 done, 1 failed, 2 bad usage or input, 3 unsupported by the device or this build,\n" \
    "77 no such device. Results go to standard output, diagnostics to standard error.\n"

#if defined(__GNUC__)
#define CLI_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define CLI_PRINTF(text, first)
#endif

/* Prints "fovea: ..." and a newline to standard error, control characters replaced. Returns `code`. */
CLI_PRINTF(2, 3) int cli_fail(int code, const char *format, ...);

/* The exit code that a status of the library ends in. */
int cli_status_code(fovea_status status);

/* Reports what getopt_long refused (':' or '?') of argv, with where to find help. Returns CLI_USAGE. */
int cli_bad_option(int refused, char *const *argv, const char *command);

/* A device, its cache, and the last error that the library logged for it. */
typedef struct session {
    fovea_device *device;
    bool cached; /* `cache` is in use */
    store cache;
    char error[1024];
} session;

/* Parameters whose log goes to `s`: errors are kept for session_fail, warnings are printed. */
fovea_device_params session_params(session *s, const char *device);

/* Opens a device into `s`, zeroed by the caller; NULL: the CPU. `cached`: with the user's cache. Prints the reason of a
 * failure. */
int session_open(session *s, const char *device, bool cached);

/* Prints "fovea: what: reason" of a failed call and returns its exit code. */
int session_fail(const session *s, fovea_status status, const char *what);

void session_close(session *s);

int bench_main(int argc, char **argv);
int info_main(int argc, char **argv);
int run_main(int argc, char **argv);
int page_main(int argc, char **argv);

#endif
