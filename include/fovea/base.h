/* Tier 0: status codes, logging, host memory, and the rules that hold everywhere.
 *
 * Rules of the whole API
 *   - Every struct is plain data. All bytes zero means every default. Structs end in reserved
 *     words that must be zero; they are checked.
 *   - A parameter struct and all it points to needs to live until the call returns, no longer.
 *   - `create` and `open` give a handle through the last parameter, NULL on failure. `destroy` accepts NULL.
 *   - A call that can fail returns fovea_status. The reason, with the offending values, goes to the
 *     log callback and is kept for fovea_last_error.
 *   - The library never aborts, prints, reads the environment, changes the locale or keeps globals.
 */
#ifndef FOVEA_BASE_H
#define FOVEA_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(FOVEA_STATIC)
#define FOVEA_API
#elif defined(_WIN32) && defined(FOVEA_BUILD)
#define FOVEA_API __declspec(dllexport)
#elif defined(_WIN32)
#define FOVEA_API __declspec(dllimport)
#elif defined(__GNUC__)
#define FOVEA_API __attribute__((visibility("default")))
#else
#define FOVEA_API
#endif

/* "No limit" in a descriptor, where 0 already means the default. */
#define FOVEA_UNBOUNDED UINT32_MAX
/* "As many as the descriptor says" in a run argument, where 0 already means none. */
#define FOVEA_MAXIMUM UINT32_MAX

typedef enum fovea_status {
    FOVEA_OK = 0,
    FOVEA_INVALID,              /* an argument breaks its documented rule; the message names it */
    FOVEA_UNSUPPORTED,          /* legal, but this device or build cannot; the message says why */
    FOVEA_NO_DEVICE,            /* no such device, driver or loader on this machine */
    FOVEA_OUT_OF_HOST_MEMORY,   /* the allocator returned NULL, or the driver ran out of host memory */
    FOVEA_OUT_OF_DEVICE_MEMORY, /* the device has no such amount of memory left */
    FOVEA_COMPILE_FAILED,       /* a kernel did not compile, or the driver refused its pipeline */
    FOVEA_DEVICE_LOST,          /* the device is gone; every later call on it says so too */
    FOVEA_TIMEOUT,              /* a wait outlasted the device's timeout */
    FOVEA_CACHE,                /* a cache entry or pack could not be read or written */
    FOVEA_INTERNAL              /* a fault of the library or of the driver */
} fovea_status;

/* The name of a status, such as "FOVEA_INVALID". Static storage; never NULL, whatever the value. */
FOVEA_API const char *fovea_status_name(fovea_status status);

typedef enum fovea_log_level {
    FOVEA_LOG_ERROR = 0, /* a call failed; this is its reason */
    FOVEA_LOG_WARNING,   /* something is slower or less exact than it could be, and why */
    FOVEA_LOG_INFO,      /* what was chosen */
    FOVEA_LOG_DEBUG      /* details for those who work on the library */
} fovea_log_level;

/* Where messages go. `message` NULL: nowhere. `text` is UTF-8 without a trailing newline and lives
 * until the callback returns. May be called from any thread that calls the library; must not call it. */
typedef struct fovea_log {
    void *user;
    void (*message)(void *user, fovea_log_level level, const char *text);
    fovea_log_level level; /* messages above it are not formatted; 0: errors only */
    uint32_t reserved[3];
} fovea_log;

/* Where host memory comes from. Both functions NULL: the C library. Both set: all host memory of a
 * device and its children comes from here; the callbacks must be thread-safe.
 * `alignment` is a power of two. `allocate` returns NULL when there is no more. `release` gets the size
 * and alignment of the allocation back and is never given NULL. */
typedef struct fovea_allocator {
    void *user;
    void *(*allocate)(void *user, size_t size, size_t alignment);
    void (*release)(void *user, void *memory, size_t size, size_t alignment);
    uint64_t reserved[2];
} fovea_allocator;

/* Where a device keeps what takes long to make, for the next device of its kind; the library itself touches no file. Both
 * functions NULL: nowhere. Both set: entries, each a block of bytes under a key. What an entry holds is checked before it
 * is used, and made again where it is missing or damaged; so both may forget anything, at any time, and report no failure.
 * But who can write entries can hand bytes to the driver: keep them where only their user writes. docs/caches.md says more.
 *
 * key: a short text that is legal as a file name everywhere, "<kind>-<32 hexadecimal digits>", 44 bytes at most. Kinds:
 * "pipelines", what the driver made of the kernels; "selftest", what a known-answer test of kernels found; "tuning", which tile
 * is preferred. Borrowed.
 * get: returns the size in bytes of the whole entry, 0 for none, and copies it to `data` where it fits into `room`; `data`
 * is NULL where `room` is 0. set: keeps the `size` bytes at `data`, borrowed, in place of an older entry of that key.
 * Called while devices are opened and destroyed and operators created, never by a run, submit or wait. May be called from
 * any thread that calls the library, from several at once; must not call it. */
typedef struct fovea_cache {
    void *user;
    size_t (*get)(void *user, const char *key, void *data, size_t room);
    void (*set)(void *user, const char *key, const void *data, size_t size);
    uint64_t reserved[2];
} fovea_cache;

#ifdef __cplusplus
}
#endif

#endif
