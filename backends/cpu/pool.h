/* A set of threads that share the workgroups of one dispatch at a time. */
#ifndef FV_CPU_POOL_H
#define FV_CPU_POOL_H

#include "util/host.h"

typedef struct cpu_pool cpu_pool;

/* Work item `item`, run by `thread` of 0 .. threads - 1 (0 is the caller of fv_cpu_pool_run). */
typedef void cpu_pool_work(void *context, uint64_t item, uint32_t thread);

/* Starts threads - 1 workers. NULL where memory or threads are lacking; nothing is left behind. */
cpu_pool *fv_cpu_pool_create(fv_host *host, uint32_t threads);
void fv_cpu_pool_destroy(cpu_pool *pool);

/* Runs items 0 .. count - 1, each once, in any order on any thread; returns when all are done. No allocation.
 * One call at a time. */
void fv_cpu_pool_run(cpu_pool *pool, uint64_t count, cpu_pool_work *work, void *context);

#endif
