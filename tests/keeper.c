#include "keeper.h"

#include <stdlib.h>
#include <string.h>

/* "<kind>-<32 hexadecimal digits>", in lower case. */
static bool legal(const char *key)
{
    const size_t kind = strspn(key, "abcdefghijklmnopqrstuvwxyz");
    return kind > 0 && key[kind] == '-' && strspn(key + kind + 1, "0123456789abcdef") == 32 &&
           strlen(key) == kind + 33 && strlen(key) < KEEPER_KEY;
}

static keeper_entry *find(keeper *k, const char *key)
{
    for (uint32_t i = 0; i < k->count; i++)
        if (strcmp(k->entries[i].key, key) == 0)
            return &k->entries[i];
    return NULL;
}

static size_t told(keeper_mode mode, size_t size, bool again)
{
    switch (mode) {
    case KEEPER_FORGETS: return 0;
    case KEEPER_TOO_LARGE: return SIZE_MAX;
    case KEEPER_LARGE: return ((size_t)64 << 20) + 1;
    case KEEPER_SHRINKS: return again ? size - 1 : size;
    case KEEPER_GROWS: return again ? size + 1 : size;
    case KEEPER_VANISHES: return again ? 0 : size;
    case KEEPER_HONEST:
    case KEEPER_WRITES_NOTHING:
    case KEEPER_MODES: break;
    }
    return size;
}

static size_t get(void *user, const char *key, void *data, size_t room)
{
    keeper *k = user;
    pthread_mutex_lock(&k->lock);
    k->gets++;
    k->misused |= !legal(key) || (room > 0 && !data);
    const keeper_entry *entry = find(k, key);
    const size_t size = entry ? told(k->mode, entry->size, data != NULL) : 0;
    if (entry && data && entry->size <= room && k->mode != KEEPER_WRITES_NOTHING)
        memcpy(data, entry->data, entry->size);
    pthread_mutex_unlock(&k->lock);
    return size;
}

static void put(keeper *k, const char *key, const void *data, size_t size)
{
    keeper_entry *entry = find(k, key);
    if (!entry && k->count < KEEPER_ENTRIES) {
        entry = &k->entries[k->count++];
        memset(entry, 0, sizeof *entry);
        memcpy(entry->key, key, strlen(key) + 1);
    }
    unsigned char *copy = malloc(size ? size : 1);
    k->misused |= !entry || !copy;
    if (!entry || !copy) {
        free(copy);
        return;
    }
    memcpy(copy, data, size);
    free(entry->data);
    entry->data = copy;
    entry->size = size;
}

static void set(void *user, const char *key, const void *data, size_t size)
{
    keeper *k = user;
    pthread_mutex_lock(&k->lock);
    k->sets++;
    k->misused |= !legal(key) || !data || size == 0;
    if (!k->misused)
        put(k, key, data, size);
    pthread_mutex_unlock(&k->lock);
}

void keeper_init(keeper *k)
{
    memset(k, 0, sizeof *k);
    pthread_mutex_init(&k->lock, NULL);
}

void keeper_forget(keeper *k)
{
    for (uint32_t i = 0; i < k->count; i++)
        free(k->entries[i].data);
    k->count = 0;
}

void keeper_release(keeper *k)
{
    keeper_forget(k);
    pthread_mutex_destroy(&k->lock);
}

fovea_cache keeper_cache(keeper *k)
{
    return (fovea_cache){.user = k, .get = get, .set = set};
}

keeper_entry *keeper_find(keeper *k, const char *kind, uint32_t n)
{
    for (uint32_t i = 0; i < k->count; i++)
        if (strncmp(k->entries[i].key, kind, strlen(kind)) == 0 && n-- == 0)
            return &k->entries[i];
    return NULL;
}

void keeper_put(keeper *k, const char *key, const void *data, size_t size)
{
    put(k, key, data, size);
}
