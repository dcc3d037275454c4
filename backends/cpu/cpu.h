/* The CPU backend's own objects. */
#ifndef FV_CPU_CPU_H
#define FV_CPU_CPU_H

#include "backend.h"
#include "native.h"
#include "pool.h"

/* Commands that the open list holds. A list that is full is executed before more is recorded: on the CPU work
 * is done in order at submit or earlier, and the reader of a buffer waits for submit anyway. */
enum { LIST_COMMANDS = 1024 };

extern const fv_backend fv_backend_cpu;

/* Memory of kernels, grown by kernel_create. */
typedef struct cpu_memory {
    unsigned char *memory;
    size_t size; /* bytes of one of its parts, a multiple of 64 */
} cpu_memory;

typedef struct cpu_device {
    fv_device base;
    const cpu_isa *isa;
    uint32_t threads;
    cpu_pool *pool;
    fv_command *list; /* [LIST_COMMANDS] */
    uint32_t list_count;
    double stamps[FV_STAMPS_MAX]; /* seconds */
    pthread_mutex_t run_lock;     /* one list runs at a time; guards pool, scratch and panels */
    cpu_memory scratch;           /* for each thread */
    cpu_memory panels;            /* for all of them */
} cpu_device;

typedef struct cpu_buffer {
    fv_buffer base;
    unsigned char *memory;
} cpu_buffer;

typedef struct cpu_kernel {
    fv_kernel base;
    const cpu_native *native;
    uint32_t constants[FV_CONSTANTS_MAX];
} cpu_kernel;

/* commands.c: the calls of fv_backend that carry commands. */
fovea_status fv_cpu_record(fv_device *device, const fv_command *commands, uint32_t count);
fovea_status fv_cpu_submit(fv_device *device);
fovea_status fv_cpu_wait(fv_device *device);
fovea_status fv_cpu_execute(fv_device *device, const fv_command *commands, uint32_t count);
fovea_status fv_cpu_read_stamps(fv_device *device, uint32_t first, uint32_t count, double *out_seconds);

#endif
