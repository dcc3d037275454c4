/* The compiler seam of a build without a run-time compiler. */
#include "compile.h"

bool fv_compile_knows(const char *probe)
{
    (void)probe;
    return false;
}

fovea_status fv_compile(fv_host *host, const char *name, const char *source, uint32_t **out_words,
                        size_t *out_word_count)
{
    (void)source;
    *out_words = NULL;
    *out_word_count = 0;
    return fv_fail(host, FOVEA_UNSUPPORTED, "kernel %s must be compiled at run time, and this build has no compiler",
                   name);
}
