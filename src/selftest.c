/* What is known of chains of kernels, on this device object and from the device's cache, and what their tests are made of. */
#include "selftest.h"

#include "util/math.h"

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

float fv_test_value(uint32_t tensor, uint64_t index)
{
    uint32_t hash = (uint32_t)index * 2654435761u + tensor * 40503u;
    hash ^= hash >> 15;
    hash *= 2246822519u;
    return (float)(int)((hash >> 20) % 17u) / 8.0f - 1.0f;
}

double fv_test_unit(fovea_dtype dtype)
{
    return dtype == FOVEA_BF16 ? 1.0 / 128 : dtype == FOVEA_F16 ? 1.0 / 512 : 0.0;
}

fv_bound fv_test_place(uint64_t *used, uint64_t alignment, uint64_t bytes)
{
    const uint64_t offset = *used;
    *used = offset + fv_round_up(fv_max(bytes, 16), alignment);
    return (fv_bound){.range = {NULL, offset, fv_round_up(fv_max(bytes, 4), 4)}};
}
