/* Known-answer tests of kernels: what the operators' tests share. A chain is what one test runs together. */
#ifndef FV_SELFTEST_H
#define FV_SELFTEST_H

#include "cache.h"

/* Whether each kernel of the chain was tested on this device object, or the cache said so. */
bool fv_chain_is_tested(const fv_chain *chain);
/* Keeps what came of a test in its kernels; the first one carries the verdict. */
void fv_chain_mark(const fv_chain *chain, bool right, bool cached);
/* Whether the chain is tested, or the cache knows what came of it. */
bool fv_chain_is_known(fovea_device *device, const fv_chain *chain);

#endif
