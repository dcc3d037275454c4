/* A device's entries: what the driver made of the kernels, and what known-answer tests found. */
#include "cache.h"

#include <string.h>

#include "modules.h"

/* Larger entries are not read: a driver's cache only grows, and so it starts afresh now and then. */
enum { MOST_BYTES = 64 << 20 };

/* ---- keys ---------------------------------------------------------------------------------------------------- */

/* What the device is. Its number among the machine's devices is no part of that. */
static void add_device(fv_key *key, const fovea_device *device)
{
    const fv_caps *caps = &device->driver->caps;
    const fovea_device_info *info = &caps->info;
    fv_key_add_text(key, device->backend->name);
    fv_key_add_number(key, info->vendor_id);
    fv_key_add_number(key, info->device_id);
    fv_key_add_number(key, info->api_version);
    fv_key_add_number(key, info->driver_version);
    fv_key_add_number(key, info->driver_id);
    fv_key_add_text(key, info->name);
    fv_key_add_text(key, info->driver);
    fv_key_add_text(key, info->driver_info);
    fv_key_add(key, caps->identity, sizeof caps->identity);
}

/* All kernel texts: pipelines of others would be dead weight in the driver's cache. */
static fv_hash hash_modules(void)
{
    fv_hash pair[2] = {{{0}}, {{0}}};
    for (uint32_t i = 0; i < fv_module_count; i++) {
        pair[1] = fv_hash_of(fv_modules[i].words, fv_modules[i].word_count * sizeof fv_modules[i].words[0]);
        pair[0] = fv_hash_of(pair, sizeof pair);
    }
    return pair[0];
}

static void pipelines_key(const fovea_device *device, fv_key *key)
{
    const fv_hash modules = hash_modules();
    fv_key_begin(key, "pipelines");
    add_device(key, device);
    fv_key_add(key, modules.bytes, sizeof modules.bytes);
}

static void add_kernel(fv_key *key, const fv_pipeline *pipeline)
{
    const fv_kernel_desc *desc = &pipeline->desc;
    fv_key_add_text(key, desc->module);
    fv_key_add(key, pipeline->words_hash.bytes, sizeof pipeline->words_hash.bytes);
    fv_key_add_number(key, desc->invocations);
    fv_key_add_number(key, desc->subgroup_size);
    fv_key_add_number(key, desc->binding_count);
    fv_key_add_number(key, desc->parameter_bytes);
    for (uint32_t i = 0; i < desc->constant_count; i++)
        fv_key_add_number(key, desc->constants[i]);
}

static void selftest_key(const fovea_device *device, const fv_chain *chain, fv_key *key)
{
    fv_key_begin(key, "selftest");
    add_device(key, device);
    fv_key_add_number(key, chain->revision);
    for (uint32_t i = 0; i < chain->count; i++)
        add_kernel(key, chain->kernels[i]);
}

/* ---- through the callbacks ----------------------------------------------------------------------------------- */

static bool in_use(const fovea_device *device)
{
    return device->params.cache.get && device->backend->cache_load;
}

/* The bytes that the caller has under a name; NULL: none that can be used. */
static unsigned char *fetch_bytes(fovea_device *device, const char *name, size_t *out_size)
{
    const fovea_cache *cache = &device->params.cache;
    const size_t size = cache->get(cache->user, name, NULL, 0);
    if (size == 0)
        return NULL;
    if (size > MOST_BYTES) {
        fv_log(&device->host, FOVEA_LOG_WARNING, "cache: %s is not used: %zu bytes; at most %d", name, size,
               (int)MOST_BYTES);
        return NULL;
    }
    unsigned char *bytes = fv_alloc(&device->host, size, 1);
    if (!bytes) {
        fv_log(&device->host, FOVEA_LOG_WARNING, "cache: %s is not used: no host memory for %zu bytes", name, size);
        return NULL;
    }
    const size_t again = cache->get(cache->user, name, bytes, size);
    if (again != size) {
        fv_log(&device->host, FOVEA_LOG_WARNING, "cache: %s is not used: %zu bytes became %zu", name, size, again);
        fv_free(&device->host, bytes);
        return NULL;
    }
    *out_size = size;
    return bytes;
}

/* A whole entry that was checked, payload behind its lead; NULL: a miss. The caller frees it. */
static unsigned char *fetch(fovea_device *device, const fv_key *key, size_t *out_payload)
{
    char name[FV_KEY_NAME];
    size_t size = 0;
    if (key->overflow)
        return NULL;
    fv_key_name(key, name);
    unsigned char *entry = fetch_bytes(device, name, &size);
    if (!entry)
        return NULL;
    const char *fault = fv_entry_fault(key, entry, size);
    if (fault) {
        fv_log(&device->host, FOVEA_LOG_WARNING, "cache: %s is not used: %s", name, fault);
        fv_free(&device->host, entry);
        return NULL;
    }
    *out_payload = size - fv_entry_lead(key);
    fv_log(&device->host, FOVEA_LOG_INFO, "cache: %s: %zu bytes", name, *out_payload);
    return entry;
}

/* Hands an entry with its payload in place to the caller. */
static void give(fovea_device *device, const fv_key *key, unsigned char *entry, size_t payload)
{
    char name[FV_KEY_NAME];
    const fovea_cache *cache = &device->params.cache;
    if (key->overflow)
        return;
    fv_key_name(key, name);
    fv_entry_seal(key, entry, payload);
    cache->set(cache->user, name, entry, fv_entry_lead(key) + payload);
}

/* ---- pipelines ------------------------------------------------------------------------------------------------ */

void fv_cache_open(fovea_device *device)
{
    fv_key key;
    size_t size = 0;
    if (!in_use(device))
        return;
    pipelines_key(device, &key);
    unsigned char *entry = fetch(device, &key, &size);
    const unsigned char *payload = entry ? entry + fv_entry_lead(&key) : NULL;
    const bool taken = device->backend->cache_load(device->driver, payload, size) && entry;
    device->kept = taken ? fv_hash_of(payload, size) : (fv_hash){{0}};
    fv_free(&device->host, entry);
}

/* A new entry with what the driver has now; NULL: nothing new, or no memory. */
static unsigned char *collect(fovea_device *device, size_t lead, size_t *out_size)
{
    for (int attempt = 0; attempt < 4; attempt++) {
        const size_t size = device->backend->cache_store(device->driver, NULL, 0);
        if (size == 0 || size > SIZE_MAX - lead)
            return NULL;
        unsigned char *entry = fv_alloc(&device->host, lead + size, 1);
        if (!entry) {
            fv_log(&device->host, FOVEA_LOG_WARNING, "cache: no host memory for %zu bytes of pipelines", size);
            return NULL;
        }
        const size_t written = device->backend->cache_store(device->driver, entry + lead, size);
        if (written > 0 && written <= size) {
            *out_size = written;
            return entry;
        }
        fv_free(&device->host, entry); /* it grew by another thread's kernel, or that thread took it */
    }
    return NULL;
}

void fv_cache_keep(fovea_device *device)
{
    fv_key key;
    size_t size = 0;
    if (!in_use(device) || device->backend->lost(device->driver) ||
        device->backend->cache_store(device->driver, NULL, 0) == 0)
        return;
    pipelines_key(device, &key);
    pthread_mutex_lock(&device->cache_lock); /* so that the newest is stored last */
    const size_t lead = fv_entry_lead(&key);
    unsigned char *entry = collect(device, lead, &size);
    if (entry) {
        const fv_hash hash = fv_hash_of(entry + lead, size);
        if (memcmp(&hash, &device->kept, sizeof hash) != 0)
            give(device, &key, entry, size);
        device->kept = hash;
    }
    fv_free(&device->host, entry);
    pthread_mutex_unlock(&device->cache_lock);
}

/* ---- self-tests ------------------------------------------------------------------------------------------------ */

fv_verdict fv_cache_recall(fovea_device *device, const fv_chain *chain)
{
    fv_key key;
    size_t size = 0;
    if (!in_use(device))
        return FV_UNTESTED;
    selftest_key(device, chain, &key);
    unsigned char *entry = fetch(device, &key, &size);
    if (!entry)
        return FV_UNTESTED;
    const unsigned verdict = size == 1 ? entry[fv_entry_lead(&key)] : FV_UNTESTED;
    fv_free(&device->host, entry);
    if (verdict == FV_PASSED || verdict == FV_FAILED)
        return (fv_verdict)verdict;
    fv_log(&device->host, FOVEA_LOG_WARNING, "cache: a self-test's entry is not used: it holds no verdict");
    return FV_UNTESTED;
}

void fv_cache_remember(fovea_device *device, const fv_chain *chain, fv_verdict verdict)
{
    fv_key key;
    unsigned char entry[FV_ENTRY_HEAD + FV_KEY_BYTES + 1];
    if (!in_use(device))
        return;
    selftest_key(device, chain, &key);
    entry[fv_entry_lead(&key)] = (unsigned char)verdict;
    give(device, &key, entry, 1);
}

/* ---- tuning ---------------------------------------------------------------------------------------------------- */

static void tuning_key(const fovea_device *device, const char *what, const uint32_t *fields, uint32_t field_count,
                       fv_key *key)
{
    fv_key_begin(key, "tuning");
    add_device(key, device);
    fv_key_add_text(key, what);
    for (uint32_t i = 0; i < field_count; i++)
        fv_key_add_number(key, fields[i]);
}

bool fv_cache_recall_numbers(fovea_device *device, const char *what, const uint32_t *fields, uint32_t field_count,
                             uint32_t *numbers, uint32_t count)
{
    fv_key key;
    size_t size = 0;
    if (!device->params.cache.get)
        return false;
    tuning_key(device, what, fields, field_count, &key);
    unsigned char *entry = fetch(device, &key, &size);
    if (!entry)
        return false;
    const bool whole = size == 4 * (size_t)count;
    for (uint32_t i = 0; whole && i < count; i++)
        numbers[i] = fv_entry_number(entry + fv_entry_lead(&key) + 4 * i);
    if (!whole)
        fv_log(&device->host, FOVEA_LOG_WARNING, "cache: a tuning entry of %s is not used: %zu bytes, not %zu", what,
               size, 4 * (size_t)count);
    fv_free(&device->host, entry);
    return whole;
}

void fv_cache_remember_numbers(fovea_device *device, const char *what, const uint32_t *fields, uint32_t field_count,
                               const uint32_t *numbers, uint32_t count)
{
    fv_key key;
    unsigned char entry[FV_ENTRY_HEAD + FV_KEY_BYTES + 4 * FV_NUMBERS_MAX];
    if (!device->params.cache.set || count > FV_NUMBERS_MAX)
        return;
    tuning_key(device, what, fields, field_count, &key);
    for (uint32_t i = 0; i < count; i++)
        fv_entry_put_number(entry + fv_entry_lead(&key) + 4 * i, numbers[i]);
    give(device, &key, entry, 4 * (size_t)count);
}
