/* 128-bit hashes for keys and for finding damage; no protection against who forges data. */
#ifndef FV_UTIL_HASH_H
#define FV_UTIL_HASH_H

#include <stddef.h>

enum { FV_HASH_BYTES = 16 };

/* XXH3_128bits in its canonical form: the same bytes on every machine. */
typedef struct fv_hash {
    unsigned char bytes[FV_HASH_BYTES];
} fv_hash;

fv_hash fv_hash_of(const void *data, size_t size);

#endif
