/* Workers wait for a job by spinning a little, then on a condition. A job is open while it has items left to
 * hand out: a worker that wakes late finds it closed and goes back to wait, so nobody waits for a sleeper. */
#include "pool.h"

#include <stdatomic.h>

enum { SPINS = 4000 }; /* about 20 to 100 us */

typedef struct worker {
    cpu_pool *pool;
    uint32_t thread;
    pthread_t handle;
} worker;

struct cpu_pool {
    fv_host *host;
    worker *workers;
    uint32_t worker_count; /* running ones */
    pthread_mutex_t lock;  /* guards open, stop, active and the job's description */
    pthread_cond_t wake;   /* a job opened, or stop */
    pthread_cond_t idle;   /* the last active worker left */
    bool open, stop;
    uint32_t active;
    cpu_pool_work *work;
    void *context;
    uint64_t count;
    atomic_uint_fast32_t generation; /* counts jobs; written under the lock, read without it while spinning */
    atomic_uint_fast64_t next;       /* first item not handed out */
};

static void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void run_items(cpu_pool *pool, cpu_pool_work *work, void *context, uint64_t count, uint32_t thread)
{
    for (;;) {
        const uint64_t item = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (item >= count)
            return;
        work(context, item, thread);
    }
}

/* Waits for a job newer than *seen and joins it. False: the pool stops. */
static bool join_next_job(cpu_pool *pool, uint_fast32_t *seen)
{
    for (int i = 0; i < SPINS && atomic_load_explicit(&pool->generation, memory_order_relaxed) == *seen; i++)
        pause_briefly();
    pthread_mutex_lock(&pool->lock);
    while (!pool->stop && !(pool->open && atomic_load_explicit(&pool->generation, memory_order_relaxed) != *seen))
        pthread_cond_wait(&pool->wake, &pool->lock);
    const bool joined = !pool->stop;
    if (joined) {
        *seen = atomic_load_explicit(&pool->generation, memory_order_relaxed);
        pool->active++;
    }
    pthread_mutex_unlock(&pool->lock);
    return joined;
}

static void *worker_main(void *argument)
{
    worker *self = argument;
    cpu_pool *pool = self->pool;
    uint_fast32_t seen = 0;
    while (join_next_job(pool, &seen)) {
        run_items(pool, pool->work, pool->context, pool->count, self->thread);
        pthread_mutex_lock(&pool->lock);
        if (--pool->active == 0)
            pthread_cond_signal(&pool->idle);
        pthread_mutex_unlock(&pool->lock);
    }
    return NULL;
}

static void stop_workers(cpu_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->worker_count; i++)
        pthread_join(pool->workers[i].handle, NULL);
}

static bool start_workers(cpu_pool *pool, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        pool->workers[i] = (worker){.pool = pool, .thread = i + 1};
        if (pthread_create(&pool->workers[i].handle, NULL, worker_main, &pool->workers[i]) != 0)
            return false;
        pool->worker_count++;
    }
    return true;
}

cpu_pool *fv_cpu_pool_create(fv_host *host, uint32_t threads)
{
    cpu_pool *pool = fv_alloc(host, 1, sizeof *pool);
    if (!pool)
        return NULL;
    pool->host = host;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->idle, NULL);
    pool->workers = fv_alloc(host, threads, sizeof *pool->workers);
    if (pool->workers && start_workers(pool, threads - 1))
        return pool;
    fv_cpu_pool_destroy(pool);
    return NULL;
}

void fv_cpu_pool_destroy(cpu_pool *pool)
{
    if (!pool)
        return;
    stop_workers(pool);
    pthread_cond_destroy(&pool->idle);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    fv_free(pool->host, pool->workers);
    fv_free(pool->host, pool);
}

static void open_job(cpu_pool *pool, uint64_t count, cpu_pool_work *work, void *context)
{
    pthread_mutex_lock(&pool->lock);
    pool->work = work;
    pool->context = context;
    pool->count = count;
    pool->open = true;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&pool->generation, 1, memory_order_relaxed);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
}

/* No item is left to hand out: keeps further workers away and waits for those that still compute. */
static void close_job(cpu_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->open = false;
    while (pool->active > 0)
        pthread_cond_wait(&pool->idle, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

void fv_cpu_pool_run(cpu_pool *pool, uint64_t count, cpu_pool_work *work, void *context)
{
    if (pool->worker_count == 0 || count == 1) {
        for (uint64_t item = 0; item < count; item++)
            work(context, item, 0);
        return;
    }
    open_job(pool, count, work, context);
    run_items(pool, work, context, count, 0);
    close_job(pool);
}
