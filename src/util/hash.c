#include "util/hash.h"

#include <string.h>

/* All of it in this file: the library needs no libxxhash when it runs. */
#define XXH_INLINE_ALL
#include <xxhash.h>

fv_hash fv_hash_of(const void *data, size_t size)
{
    fv_hash hash;
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, size));
    memcpy(hash.bytes, canonical.digest, sizeof hash.bytes);
    return hash;
}
