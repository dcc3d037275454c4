/* An allocator that counts, checks what is given back, and fails where it is told to. */
#ifndef TESTS_COUNTING_H
#define TESTS_COUNTING_H

#include <fovea/base.h>

#include <stdatomic.h>
#include <stdbool.h>

typedef struct counting {
    atomic_long live;      /* blocks not yet released */
    atomic_long calls;     /* allocations asked for so far */
    atomic_size_t largest; /* bytes of the largest block so far */
    atomic_long fail_at;   /* the call of this number, from 0, fails; -1: none */
    atomic_bool misused;   /* a release did not match its allocation */
    atomic_bool unaligned; /* an alignment was no power of two */
} counting;

/* Starts over: nothing live, no failure. */
void counting_init(counting *c);
/* The callbacks; `c` outlives what is made with them. */
fovea_allocator counting_allocator(counting *c);

#endif
