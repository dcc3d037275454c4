/* What outlives a device: entries that the caller's callbacks keep. docs/caches.md shows the format. */
#ifndef FV_CACHE_H
#define FV_CACHE_H

#include "kernels.h"

/* ---- cache_entry.c: keys and the bytes of an entry; touches no device ----------------------------------------- */

enum {
    FV_KEY_BYTES = 2048,
    FV_KEY_NAME = 48,    /* room for a name */
    FV_ENTRY_HEAD = 48,  /* bytes in front of the key */
    FV_ENTRY_FORMAT = 1, /* raised with every change of the format or of a key's fields */
};

/* All that the content of an entry depends on, field by field. */
typedef struct fv_key {
    const char *kind; /* "pipelines"; static storage */
    size_t size;
    bool overflow;                     /* a field did not fit: no entry can be had */
    unsigned char bytes[FV_KEY_BYTES]; /* zero behind `size` */
} fv_key;

void fv_key_begin(fv_key *key, const char *kind); /* with the fields that every kind has */
void fv_key_add(fv_key *key, const void *data, size_t size);
void fv_key_add_text(fv_key *key, const char *text);
void fv_key_add_number(fv_key *key, uint32_t number);
/* What the callbacks get: "<kind>-<32 hex digits>". */
void fv_key_name(const fv_key *key, char name[FV_KEY_NAME]);

/* Bytes of an entry in front of its payload; a multiple of 16. */
size_t fv_entry_lead(const fv_key *key);
/* Completes an entry whose payload, `size` bytes, lies behind its lead already. */
void fv_entry_seal(const fv_key *key, unsigned char *entry, size_t size);
/* A number of a payload: 4 bytes, little-endian. */
uint32_t fv_entry_number(const unsigned char *bytes);
void fv_entry_put_number(unsigned char *bytes, uint32_t number);
/* Why bytes from outside are no entry of this key; NULL: they are, and the payload is what follows the lead. */
const char *fv_entry_fault(const fv_key *key, const unsigned char *entry, size_t size);

/* ---- cache.c: a device's entries. Where there is no cache, or the backend keeps nothing, all of this does nothing. ---- */

/* After the backend's open: hands it the pipelines of an earlier device. */
void fv_cache_open(fovea_device *device);
/* Stores the pipelines where there are new ones. Never fails: what cannot be stored is lost. */
void fv_cache_keep(fovea_device *device);

typedef enum fv_verdict { FV_UNTESTED = 0, FV_PASSED = 1, FV_FAILED = 2 } fv_verdict;

/* Kernels that one known-answer test runs together. */
typedef struct fv_chain {
    fv_pipeline *kernels[2];
    uint32_t count;
    uint32_t revision; /* of the test itself */
} fv_chain;

/* The verdict of the same test on the same kernels, device and driver. */
fv_verdict fv_cache_recall(fovea_device *device, const fv_chain *chain);
void fv_cache_remember(fovea_device *device, const fv_chain *chain, fv_verdict verdict);

/* Numbers that were measured on this device, under the fields of what they are for; at most FV_NUMBERS_MAX of either.
 * Whatever the backend, if the caller keeps entries. False: none are known. */
enum { FV_NUMBERS_MAX = 32 };
bool fv_cache_recall_numbers(fovea_device *device, const char *what, const uint32_t *fields, uint32_t field_count,
                             uint32_t *numbers, uint32_t count);
void fv_cache_remember_numbers(fovea_device *device, const char *what, const uint32_t *fields, uint32_t field_count,
                               const uint32_t *numbers, uint32_t count);

#endif
