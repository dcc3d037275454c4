/* Diagnostics and exit codes of the program. */
#ifndef DENOISE_COMPLAIN_H
#define DENOISE_COMPLAIN_H

#include <stdbool.h>

enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,      /* the machine failed: a write, memory, a driver */
    EXIT_USAGE = 2,       /* bad usage or input */
    EXIT_UNSUPPORTED = 3, /* legal, but this device or build cannot */
    EXIT_NO_DEVICE = 77
};

#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
/* Prints "denoise: ..." and a newline to standard error. Returns false. */
bool complain(const char *format, ...);

#endif
