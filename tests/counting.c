#include "counting.h"

#include <stdlib.h>

/* In front of every block, as far as its alignment asks; the block follows on an aligned address. */
typedef struct block {
    size_t size, alignment;
    void *start;
} block;

static void *allocate(void *user, size_t size, size_t alignment)
{
    counting *c = user;
    const long call = atomic_fetch_add(&c->calls, 1);
    if (alignment == 0 || (alignment & (alignment - 1)) != 0)
        atomic_store(&c->unaligned, true);
    if (call == atomic_load(&c->fail_at))
        return NULL;
    size_t largest = atomic_load(&c->largest);
    while (size > largest && !atomic_compare_exchange_weak(&c->largest, &largest, size))
        continue;
    unsigned char *start = malloc(size + alignment + sizeof(block));
    if (!start)
        return NULL;
    const uintptr_t first = (uintptr_t)(start + sizeof(block) + alignment - 1) / alignment * alignment;
    block *b = (block *)(void *)(start + (first - (uintptr_t)start) - sizeof(block));
    *b = (block){size, alignment, start};
    atomic_fetch_add(&c->live, 1);
    return (void *)first;
}

static void release(void *user, void *memory, size_t size, size_t alignment)
{
    counting *c = user;
    const block *b = (const block *)memory - 1;
    if (!memory || b->size != size || b->alignment != alignment)
        atomic_store(&c->misused, true);
    if (!memory)
        return;
    atomic_fetch_sub(&c->live, 1);
    free(b->start);
}

void counting_init(counting *c)
{
    atomic_init(&c->live, 0);
    atomic_init(&c->calls, 0);
    atomic_init(&c->largest, 0);
    atomic_init(&c->fail_at, -1);
    atomic_init(&c->misused, false);
    atomic_init(&c->unaligned, false);
}

fovea_allocator counting_allocator(counting *c)
{
    return (fovea_allocator){.user = c, .allocate = allocate, .release = release};
}
