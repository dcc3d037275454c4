#include "util/host.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ALIGNMENT = 64 };

/* Each allocation starts with its own size, which `release` gets back. */
typedef struct block_header {
    size_t size;
} block_header;

static void *default_allocate(void *user, size_t size, size_t alignment)
{
    (void)user;
    return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void default_release(void *user, void *memory, size_t size, size_t alignment)
{
    (void)user;
    (void)size;
    (void)alignment;
    free(memory);
}

void fv_host_init(fv_host *host, const fovea_allocator *allocator, const fovea_log *log)
{
    memset(host, 0, sizeof *host);
    if (allocator && allocator->allocate)
        host->allocator = *allocator;
    else
        host->allocator = (fovea_allocator){.allocate = default_allocate, .release = default_release};
    if (log)
        host->log = *log;
    pthread_mutex_init(&host->lock, NULL);
}

void fv_host_release(fv_host *host)
{
    pthread_mutex_destroy(&host->lock);
}

void *fv_alloc(fv_host *host, size_t count, size_t size)
{
    if (size != 0 && count > (SIZE_MAX - ALIGNMENT) / size)
        return NULL;
    const size_t total = count * size + ALIGNMENT;
    unsigned char *memory = host->allocator.allocate(host->allocator.user, total, ALIGNMENT);
    if (!memory)
        return NULL;
    memset(memory, 0, total);
    ((block_header *)(void *)memory)->size = total;
    return memory + ALIGNMENT;
}

void fv_free(fv_host *host, void *memory)
{
    if (!memory)
        return;
    unsigned char *start = (unsigned char *)memory - ALIGNMENT;
    const size_t total = ((block_header *)(void *)start)->size;
    host->allocator.release(host->allocator.user, start, total, ALIGNMENT);
}

static void emit(fv_host *host, fovea_log_level level, const char *text)
{
    if (host->log.message && level <= host->log.level)
        host->log.message(host->log.user, level, text);
}

fovea_status fv_fail(fv_host *host, fovea_status status, const char *format, ...)
{
    char text[sizeof host->error];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    pthread_mutex_lock(&host->lock);
    memcpy(host->error, text, sizeof text);
    pthread_mutex_unlock(&host->lock);
    emit(host, FOVEA_LOG_ERROR, text);
    return status;
}

void fv_log(fv_host *host, fovea_log_level level, const char *format, ...)
{
    if (!host->log.message || level > host->log.level)
        return;
    char text[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    emit(host, level, text);
}

double fv_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
