/* Vectors of float for the instruction set that this translation unit is compiled for.
 *
 * LANES floats to a vector. Arithmetic is written with operators (GCC and Clang vector extensions); here are
 * the few operations that need an intrinsic to become one instruction, each with a plain fallback of the same
 * meaning.
 */
#ifndef FV_CPU_VECTOR_H
#define FV_CPU_VECTOR_H

#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#define VECTOR_BYTES    64
#define FV_HAS_F16_LOAD 1
#elif defined(__AVX2__)
#include <immintrin.h>
#define VECTOR_BYTES    32
#define FV_HAS_F16_LOAD 1
#elif defined(__SSE2__)
#include <emmintrin.h>
#define VECTOR_BYTES 16
#elif defined(__aarch64__)
#include <arm_neon.h>
#define VECTOR_BYTES    16
#define FV_HAS_F16_LOAD 1
#else
#define VECTOR_BYTES 16
#endif

enum { LANES = VECTOR_BYTES / 4 };

typedef float vfloat __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t vint __attribute__((vector_size(VECTOR_BYTES)));
typedef uint32_t vuint __attribute__((vector_size(VECTOR_BYTES)));
typedef uint16_t vhalf __attribute__((vector_size(VECTOR_BYTES / 2)));
typedef float vfloat_memory __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
typedef int32_t vint_memory __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
typedef uint16_t vhalf_memory __attribute__((vector_size(VECTOR_BYTES / 2), aligned(2), may_alias));

/* For helpers that must become straight-line code around constant arguments. */
#define INLINE static inline __attribute__((always_inline, unused))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

INLINE vfloat v_load(const float *memory)
{
    return *(const vfloat_memory *)memory;
}

INLINE void v_store(float *memory, vfloat x)
{
    *(vfloat_memory *)memory = x;
}

INLINE vint v_load_int(const int32_t *memory)
{
    return *(const vint_memory *)memory;
}

INLINE vfloat v_splat(float x)
{
    return x - (vfloat){0}; /* -0 stays -0 */
}

INLINE vint v_splat_int(int32_t x)
{
    return x - (vint){0};
}

/* a * b + c, rounded once where the machine can. */
INLINE vfloat v_fma(vfloat a, vfloat b, vfloat c)
{
#if defined(__AVX512F__)
    return (vfloat)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
    return (vfloat)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
    return (vfloat)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}

/* mask ? a : b; every lane of mask is 0 or -1. */
INLINE vfloat v_select(vint mask, vfloat a, vfloat b)
{
#if defined(__AVX512F__)
    return (vfloat)_mm512_mask_mov_ps((__m512)b, _mm512_movepi32_mask((__m512i)mask), (__m512)a);
#else
    return (vfloat)((mask & (vint)a) | (~mask & (vint)b));
#endif
}

/* a > b ? a : b: a NaN in a is passed over. */
INLINE vfloat v_max(vfloat a, vfloat b)
{
#if defined(__AVX512F__)
    return (vfloat)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (vfloat)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
    return (vfloat)_mm_max_ps((__m128)a, (__m128)b);
#else
    return v_select(a > b, a, b);
#endif
}

/* a < b ? a : b. */
INLINE vfloat v_min(vfloat a, vfloat b)
{
#if defined(__AVX512F__)
    return (vfloat)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (vfloat)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
    return (vfloat)_mm_min_ps((__m128)a, (__m128)b);
#else
    return v_select(a < b, a, b);
#endif
}

/* x < limit ? 0 : value; a NaN in x keeps value. */
INLINE vfloat v_zero_below(vfloat x, vfloat limit, vfloat value)
{
    return (vfloat)(~(x < limit) & (vint)value);
}

/* Whether any lane of a comparison's result holds. */
INLINE int v_any(vint mask)
{
#if defined(__AVX512F__)
    return _mm512_movepi32_mask((__m512i)mask) != 0;
#elif defined(__AVX2__)
    return _mm256_movemask_ps((__m256)mask) != 0;
#elif defined(__SSE2__)
    return _mm_movemask_ps((__m128)mask) != 0;
#else
    int32_t any = 0;
    for (int i = 0; i < LANES; i++)
        any |= mask[i];
    return any != 0;
#endif
}

/* 2 to the power of x for x <= 64: about 1 ulp; 0 for -inf, and 0 or less than 2^-126 below -126; NaN for NaN; 1 exactly for
 * 0. x = n + f with n whole, 2^f by a minimax polynomial (relative error 2.6e-9): f in [0, 1] where one instruction
 * multiplies by 2^n, else |f| <= 1/2 and 2^n as exponent bits. */
INLINE vfloat v_exp2(vfloat x)
{
#if defined(__AVX512DQ__)
    const float terms[] = {0.000216129149548f,
                           0.0012467846446f,
                           0.00967545156693f,
                           0.0554852806186f,
                           0.240229305552f,
                           0.693147044443f,
                           1.0f};
    const vfloat f = (vfloat)_mm512_reduce_ps((__m512)x, _MM_FROUND_TO_NEG_INF);
#else
    const float terms[] = {0.000155946770151f,
                           0.00134066438475f,
                           0.00961769297614f,
                           0.0555031055121f,
                           0.240226527829f,
                           0.693147214968f,
                           1.0f};
    const float to_whole = 12582912.0f; /* 1.5 * 2^23: adding it leaves n in the lowest bits */
    const vfloat shifted = x + to_whole;
    const vfloat f = x - (shifted - to_whole);
#endif
    vfloat p = v_splat(terms[0]);
    UNROLL
    for (int i = 1; i < 7; i++)
        p = v_fma(p, f, v_splat(terms[i]));
#if defined(__AVX512DQ__)
    return (vfloat)_mm512_scalef_ps((__m512)p, (__m512)x);
#else
    const vfloat power = (vfloat)(((vuint)shifted << 23) + 0x3f800000u);
    return v_zero_below(x, v_splat(-126.0f), p * power);
#endif
}

/* c tanh(x / c) of x and c in log2 units: by an exponential that is at most 1, and by the series where that would cancel. */
INLINE vfloat v_soft_cap(vfloat x, float c)
{
    const vuint sign = (vuint)x & 0x80000000u;
    const vfloat y = (vfloat)((vuint)x & 0x7fffffffu) * v_splat(1.0f / c), square = y * y;
    const vfloat e = v_exp2(y * v_splat(-2.885390081777927f)); /* 2 log2(e) */
    const vfloat high = v_fma(v_splat(-0.0539682540f), square, v_splat(0.1333333333f));
    const vfloat series = v_fma(y * square, v_fma(high, square, v_splat(-0.3333333333f)), y);
    const vfloat tangent = v_select(y < v_splat(0.1f), series, (v_splat(1.0f) - e) / (v_splat(1.0f) + e));
    return (vfloat)((vuint)(v_splat(c) * tangent) | sign);
}

INLINE void v_soft_cap_all(float *x, size_t count, float c)
{
    for (size_t i = 0; i < count; i += LANES)
        v_store(x + i, v_soft_cap(v_load(x + i), c));
}

#endif
