/* Non-local means (Buades, Coll and Morel 2005) over the whole image, as one softmax attention. */
#ifndef DENOISE_NLM_H
#define DENOISE_NLM_H

#include "image.h"

typedef struct nlm_params {
    const char *device; /* NULL: the CPU */
    uint32_t patch;     /* side of a patch in pixels, odd */
    double strength;    /* h per sample, of full scale: two patches whose samples differ by it weigh 1 / e */
} nlm_params;

/* Every pixel of `out` becomes the mean of all pixels of `noisy`, weighted by how alike their patches are.
 * Progress and the reason of a failure go to standard error. Returns an exit code. */
int nlm_run(const nlm_params *params, const image *noisy, image *out);

#endif
