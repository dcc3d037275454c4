/* What is known of chains of kernels: on this device object, and from the device's cache. */
#include "selftest.h"

bool fv_chain_is_tested(const fv_chain *chain)
{
    for (uint32_t i = 0; i < chain->count; i++)
        if (!chain->kernels[i]->tested)
            return false;
    return true;
}

void fv_chain_mark(const fv_chain *chain, bool right, bool cached)
{
    for (uint32_t i = 0; i < chain->count; i++) {
        fv_pipeline *kernel = chain->kernels[i];
        kernel->cached = cached && (kernel->cached || !kernel->tested); /* a test on this object counts for more */
        kernel->tested = true;
    }
    chain->kernels[0]->failed = !right;
}

/* Whether the chain is tested, or the cache knows what came of it. */
bool fv_chain_is_known(fovea_device *device, const fv_chain *chain)
{
    if (fv_chain_is_tested(chain))
        return true;
    const fv_verdict verdict = fv_cache_recall(device, chain);
    if (verdict != FV_UNTESTED)
        fv_chain_mark(chain, verdict == FV_PASSED, true);
    return verdict != FV_UNTESTED;
}
