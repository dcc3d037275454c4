/* What a device carries for all its children: allocator, log and the last error. Thread-safe. */
#ifndef FV_UTIL_HOST_H
#define FV_UTIL_HOST_H

#include <fovea/base.h>

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct fv_host {
    fovea_allocator allocator;
    fovea_log log;
    pthread_mutex_t lock; /* guards `error` */
    char error[1024];
} fv_host;

/* Fills a host from the caller's callbacks (NULL: defaults). */
void fv_host_init(fv_host *host, const fovea_allocator *allocator, const fovea_log *log);
void fv_host_release(fv_host *host);

/* `count` * `size` zeroed bytes, aligned to 64; NULL without memory or on overflow (no message). */
void *fv_alloc(fv_host *host, size_t count, size_t size);
void fv_free(fv_host *host, void *memory); /* NULL is ignored */

/* Keeps the message as the last error, logs it as an error, and returns `status`. */
#if defined(__GNUC__)
#define FV_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define FV_PRINTF(text, first)
#endif
fovea_status fv_fail(fv_host *host, fovea_status status, const char *format, ...) FV_PRINTF(3, 4);
/* Logs where the level is wanted. */
void fv_log(fv_host *host, fovea_log_level level, const char *format, ...) FV_PRINTF(3, 4);

/* Validation: on a false expression sets `status`, keeps the message and goes to `fail`. */
#define fv_require(host, expression, failure, ...)            \
    do {                                                      \
        if (!(expression)) {                                  \
            status = fv_fail((host), (failure), __VA_ARGS__); \
            goto fail;                                        \
        }                                                     \
    } while (0)

/* Propagation: on a status other than OK goes to `fail` with it. */
#define fv_try(call)            \
    do {                        \
        status = (call);        \
        if (status != FOVEA_OK) \
            goto fail;          \
    } while (0)

/* Seconds of a clock that only goes forward. */
double fv_seconds(void);

#endif
