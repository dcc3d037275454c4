/* The command line's cache: one file an entry, in a folder that is its user's alone. */
#ifndef FOVEA_CLI_STORE_H
#define FOVEA_CLI_STORE_H

#include <fovea/base.h>

#include <pthread.h>
#include <stdbool.h>

typedef struct store {
    pthread_mutex_t lock; /* guards all below */
    bool looked;          /* for the folder: at the first use, so that a run that needs none makes none */
    int folder;           /* open; -1: no cache */
    unsigned files;
} store;

void store_init(store *s);
void store_release(store *s);

/* Callbacks that read and write $XDG_CACHE_HOME/fovea/entries, else ~/.cache/fovea/entries. A folder that somebody else may
 * write is refused with a warning, and then, as without a home, nothing is kept. `s` outlives the device. */
fovea_cache store_callbacks(store *s);

#endif
