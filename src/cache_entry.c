/* Keys and entries as bytes. Numbers are little-endian and read byte by byte, so that no alignment is needed. */
#include "cache.h"

#include <fovea/version.h>

#include <stdio.h>
#include <string.h>

#include "util/math.h"

/* An entry: this head, the key, zeros up to a multiple of 16, the payload. */
enum { MAGIC = 0, FORMAT = 8, KEY_SIZE = 12, PAYLOAD_SIZE = 16, PAYLOAD_HASH = 24, ZERO = 40 };

static const unsigned char magic[8] = {'F', 'o', 'v', 'e', 'a', 0x1a, '\r', '\n'};

static void store(unsigned char *to, uint64_t number, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (unsigned char)(number >> 8 * i);
}

static uint64_t load(const unsigned char *from, size_t size)
{
    uint64_t number = 0;
    for (size_t i = 0; i < size; i++)
        number |= (uint64_t)from[i] << 8 * i;
    return number;
}

uint32_t fv_entry_number(const unsigned char *bytes)
{
    return (uint32_t)load(bytes, 4);
}

void fv_entry_put_number(unsigned char *bytes, uint32_t number)
{
    store(bytes, number, 4);
}

/* ---- keys -------------------------------------------------------------------------------------------------- */

void fv_key_begin(fv_key *key, const char *kind)
{
    memset(key, 0, sizeof *key);
    key->kind = kind;
    fv_key_add_text(key, kind);
    fv_key_add_text(key, FOVEA_VERSION_STRING);
    fv_key_add_number(key, sizeof(void *));
}

/* Each field carries its size, so that no two lists of fields have the same bytes. */
void fv_key_add(fv_key *key, const void *data, size_t size)
{
    if (key->overflow || size > FV_KEY_BYTES - 4 || key->size > FV_KEY_BYTES - 4 - size) {
        key->overflow = true;
        return;
    }
    store(key->bytes + key->size, size, 4);
    memcpy(key->bytes + key->size + 4, data, size);
    key->size += 4 + size;
}

void fv_key_add_text(fv_key *key, const char *text)
{
    fv_key_add(key, text, strlen(text));
}

void fv_key_add_number(fv_key *key, uint32_t number)
{
    unsigned char bytes[4];
    store(bytes, number, sizeof bytes);
    fv_key_add(key, bytes, sizeof bytes);
}

void fv_key_name(const fv_key *key, char name[FV_KEY_NAME])
{
    const fv_hash hash = fv_hash_of(key->bytes, key->size);
    size_t length = (size_t)snprintf(name, FV_KEY_NAME, "%.12s-", key->kind);
    for (size_t i = 0; i < sizeof hash.bytes; i++, length += 2)
        snprintf(name + length, FV_KEY_NAME - length, "%02x", hash.bytes[i]);
}

/* ---- entries ----------------------------------------------------------------------------------------------- */

size_t fv_entry_lead(const fv_key *key)
{
    return FV_ENTRY_HEAD + (size_t)fv_round_up(key->size, 16);
}

void fv_entry_seal(const fv_key *key, unsigned char *entry, size_t size)
{
    const size_t lead = fv_entry_lead(key);
    const fv_hash hash = fv_hash_of(entry + lead, size);
    memset(entry, 0, FV_ENTRY_HEAD);
    memcpy(entry + MAGIC, magic, sizeof magic);
    store(entry + FORMAT, FV_ENTRY_FORMAT, 4);
    store(entry + KEY_SIZE, key->size, 4);
    store(entry + PAYLOAD_SIZE, size, 8);
    memcpy(entry + PAYLOAD_HASH, hash.bytes, sizeof hash.bytes);
    memcpy(entry + FV_ENTRY_HEAD, key->bytes, lead - FV_ENTRY_HEAD);
}

const char *fv_entry_fault(const fv_key *key, const unsigned char *entry, size_t size)
{
    const size_t lead = fv_entry_lead(key);
    if (size < lead)
        return "it is too short";
    if (memcmp(entry + MAGIC, magic, sizeof magic) != 0)
        return "it does not begin as an entry does";
    if (load(entry + FORMAT, 4) != FV_ENTRY_FORMAT)
        return "its format is of another version";
    if (load(entry + KEY_SIZE, 4) != key->size || memcmp(entry + FV_ENTRY_HEAD, key->bytes, lead - FV_ENTRY_HEAD) != 0)
        return "its key is another";
    if (load(entry + PAYLOAD_SIZE, 8) != size - lead)
        return "its size is not what it says";
    if (!fv_all_zero(entry + ZERO, FV_ENTRY_HEAD - ZERO))
        return "its reserved bytes are not zero";
    const fv_hash hash = fv_hash_of(entry + lead, size - lead);
    if (memcmp(entry + PAYLOAD_HASH, hash.bytes, sizeof hash.bytes) != 0)
        return "its content is damaged";
    return NULL;
}
