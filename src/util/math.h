/* Overflow-checked and rounding arithmetic on sizes. */
#ifndef FV_UTIL_MATH_H
#define FV_UTIL_MATH_H

#include <stdbool.h>
#include <stdint.h>

/* *out = a * b or a + b, saturated to UINT64_MAX on overflow; false on overflow (or where an input was saturated). */
static inline bool fv_multiply(uint64_t a, uint64_t b, uint64_t *out)
{
    const bool fits = a == 0 || b <= UINT64_MAX / a;
    *out = fits ? a * b : UINT64_MAX;
    return fits;
}

static inline bool fv_add(uint64_t a, uint64_t b, uint64_t *out)
{
    const bool fits = b <= UINT64_MAX - a;
    *out = fits ? a + b : UINT64_MAX;
    return fits;
}

static inline uint64_t fv_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t fv_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static inline uint64_t fv_divide_up(uint64_t a, uint64_t b)
{
    return a / b + (a % b != 0);
}

/* `unit` is a power of two. */
static inline uint64_t fv_round_up(uint64_t a, uint64_t unit)
{
    return (a + unit - 1) & ~(unit - 1);
}

static inline uint32_t fv_gcd(uint32_t a, uint32_t b)
{
    while (b != 0) {
        const uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Whether `size` bytes at `words` are all zero: reserved fields. */
static inline bool fv_all_zero(const void *words, uint64_t size)
{
    const unsigned char *bytes = words;
    for (uint64_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

#endif
