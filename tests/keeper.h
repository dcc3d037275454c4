/* A cache in memory, that misbehaves where it is told to. */
#ifndef TESTS_KEEPER_H
#define TESTS_KEEPER_H

#include <fovea/base.h>

#include <pthread.h>
#include <stdbool.h>

enum { KEEPER_ENTRIES = 64, KEEPER_KEY = 48 };

typedef struct keeper_entry {
    char key[KEEPER_KEY];
    unsigned char *data; /* of malloc; a test may change it, and `size` too */
    size_t size;
} keeper_entry;

typedef enum keeper_mode {
    KEEPER_HONEST = 0,
    KEEPER_FORGETS,        /* takes everything, has nothing */
    KEEPER_TOO_LARGE,      /* says that entries have SIZE_MAX bytes */
    KEEPER_LARGE,          /* says that entries have a byte more than is read */
    KEEPER_SHRINKS,        /* has a byte less when it is asked again */
    KEEPER_GROWS,          /* has a byte more when it is asked again */
    KEEPER_VANISHES,       /* has nothing when it is asked again */
    KEEPER_WRITES_NOTHING, /* says that it has copied an entry, and has not */
    KEEPER_MODES
} keeper_mode;

typedef struct keeper {
    pthread_mutex_t lock;
    keeper_mode mode;
    keeper_entry entries[KEEPER_ENTRIES];
    uint32_t count;
    uint32_t gets, sets; /* calls */
    bool misused;        /* a key that is no legal name, or a call without what it needs */
} keeper;

void keeper_init(keeper *k);
void keeper_forget(keeper *k);
void keeper_release(keeper *k);
/* The callbacks; `k` outlives the device. */
fovea_cache keeper_cache(keeper *k);
/* The n-th entry whose key begins so; NULL: there are fewer. */
keeper_entry *keeper_find(keeper *k, const char *kind, uint32_t n);
void keeper_put(keeper *k, const char *key, const void *data, size_t size);

#endif
