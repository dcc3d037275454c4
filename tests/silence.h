/* Messages that say nothing about the library: texts internal to a validation layer or forced by this machine. */
#ifndef TESTS_SILENCE_H
#define TESTS_SILENCE_H

#include <fovea/base.h>

#include <stdbool.h>

/* Whether a warning is on the committed list. Errors never are. */
bool silence_is_expected(fovea_log_level level, const char *text);

#endif
