/* Known-answer tests of kernels: what the operators' tests share. A chain is what one test runs together. */
#ifndef FV_SELFTEST_H
#define FV_SELFTEST_H

#include "cache.h"
#include "op.h"

/* Whether each kernel of the chain was tested on this device object, or the cache said so. */
bool fv_chain_is_tested(const fv_chain *chain);
/* Keeps what came of a test in its kernels; the first one carries the verdict. */
void fv_chain_mark(const fv_chain *chain, bool right, bool cached);
/* Whether the chain is tested, or the cache knows what came of it. */
bool fv_chain_is_known(fovea_device *device, const fv_chain *chain);

/* Element `index` of a tensor of a test: a multiple of 1/8 in [-1, 1], exact in every dtype. */
float fv_test_value(uint32_t tensor, uint64_t index);
/* Rounding to a format changes numbers up to 1 by no more than this. */
double fv_test_unit(fovea_dtype dtype);
/* Room for `bytes` behind the `used` ones of a test's buffer; the range's buffer is still to be set. */
fv_bound fv_test_place(uint64_t *used, uint64_t alignment, uint64_t bytes);

#endif
