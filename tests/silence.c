#include "silence.h"

#include <string.h>

/* Each entry: a part of the message, and why it is no fault of the library's. */
static const struct {
    const char *part, *reason;
} expected[] = {
    {"UNASSIGNED-GPU-Assisted Validation Setup Error", "the layer enables features for its own instrumentation"},
    {"validation option was enabled, but", "the layer adjusts its own settings"},
};

bool silence_is_expected(fovea_log_level level, const char *text)
{
    if (level == FOVEA_LOG_ERROR)
        return false;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        if (strstr(text, expected[i].part))
            return true;
    return false;
}
