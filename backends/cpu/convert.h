/* Rows of elements to and from float: f32, f16 and bf16 storage, round to nearest even on the way out. */
#ifndef FV_CPU_CONVERT_H
#define FV_CPU_CONVERT_H

#include <fovea/tensor.h>

#include "vector.h"

INLINE uint32_t float_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

INLINE float bits_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

INLINE size_t element_size(uint32_t dtype)
{
    return dtype == FOVEA_F32 ? 4 : 2;
}

/* ---- one element ------------------------------------------------------------------------------------ */

INLINE float float_from_half(uint16_t half)
{
    const uint32_t magnitude = (uint32_t)(half & 0x7fffu) << 13;
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t bits = float_bits(bits_float(magnitude) * 0x1p112f); /* exact, subnormals included */
    if (magnitude >= 0x7c00u << 13)
        bits = magnitude | 0x7f800000u;
    return bits_float(bits | sign);
}

INLINE uint16_t half_from_float(float x)
{
    const uint32_t sign = (float_bits(x) >> 16) & 0x8000u;
    const uint32_t magnitude = float_bits(x) & 0x7fffffffu;
    uint32_t half;
    if (magnitude > 0x7f800000u)
        half = 0x7e00u; /* NaN */
    else if (magnitude >= 0x477ff000u)
        half = 0x7c00u; /* 65520 and more: infinity */
    else if (magnitude < 0x38800000u)
        half = float_bits(bits_float(magnitude) + 0.5f) - 0x3f000000u; /* subnormal: 0.5's ulp is its unit */
    else
        half = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
    return (uint16_t)(half | sign);
}

INLINE uint16_t bf16_from_float(float x)
{
    const uint32_t bits = float_bits(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

/* ---- a vector --------------------------------------------------------------------------------------- */

INLINE vfloat v_load_half(const uint16_t *memory)
{
#if defined(__AVX512F__)
    return (vfloat)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)memory));
#elif defined(__AVX2__)
    return (vfloat)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)memory));
#elif defined(__aarch64__)
    return (vfloat)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(memory)));
#else
    const vuint half = __builtin_convertvector(*(const vhalf_memory *)memory, vuint);
    const vuint magnitude = (half & 0x7fffu) << 13;
    const vuint scaled = (vuint)((vfloat)magnitude * 0x1p112f);
    const vuint special = (vuint)((vint)magnitude >= (0x7c00 << 13));
    const vuint bits = (special & (magnitude | 0x7f800000u)) | (~special & scaled);
    return (vfloat)(bits | (half & 0x8000u) << 16);
#endif
}

INLINE void v_store_half(uint16_t *memory, vfloat x)
{
#if defined(__AVX512F__)
    _mm256_storeu_si256((__m256i *)(void *)memory,
                        _mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#elif defined(__AVX2__)
    _mm_storeu_si128((__m128i *)(void *)memory,
                     _mm256_cvtps_ph((__m256)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#elif defined(__aarch64__)
    vst1_u16(memory, vreinterpret_u16_f16(vcvt_f16_f32((float32x4_t)x)));
#else
    for (int i = 0; i < LANES; i++)
        memory[i] = half_from_float(x[i]);
#endif
}

INLINE vfloat v_load_bf16(const uint16_t *memory)
{
    return (vfloat)(__builtin_convertvector(*(const vhalf_memory *)memory, vuint) << 16);
}

INLINE void v_store_bf16(uint16_t *memory, vfloat x)
{
    const vuint bits = (vuint)x;
    const vuint rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const vuint nan = (vuint)((bits & 0x7fffffffu) > 0x7f800000u);
    const vuint stored = (nan & (bits >> 16 | 0x40u)) | (~nan & rounded);
    *(vhalf_memory *)memory = __builtin_convertvector(stored, vhalf);
}

/* ---- a row ------------------------------------------------------------------------------------------ */

/* to[0 .. count) = from[0 .. count) of storage `dtype`. */
static inline void load_row(float *restrict to, const unsigned char *restrict from, uint32_t dtype, uint32_t count)
{
    const uint16_t *halves = (const uint16_t *)(const void *)from;
    uint32_t i = 0;
    switch ((fovea_dtype)dtype) {
    case FOVEA_F16:
        for (; i + LANES <= count; i += LANES)
            v_store(to + i, v_load_half(halves + i));
        for (; i < count; i++)
            to[i] = float_from_half(halves[i]);
        break;
    case FOVEA_BF16:
        for (; i + LANES <= count; i += LANES)
            v_store(to + i, v_load_bf16(halves + i));
        for (; i < count; i++)
            to[i] = bits_float((uint32_t)halves[i] << 16);
        break;
    case FOVEA_F32:
    case FOVEA_DTYPE_COUNT: memcpy(to, from, sizeof *to * count); break;
    }
}

/* to[0 .. count) of storage `dtype` = from[0 .. count). */
static inline void store_row(unsigned char *restrict to, const float *restrict from, uint32_t dtype, uint32_t count)
{
    uint16_t *halves = (uint16_t *)(void *)to;
    uint32_t i = 0;
    switch ((fovea_dtype)dtype) {
    case FOVEA_F16:
        for (; i + LANES <= count; i += LANES)
            v_store_half(halves + i, v_load(from + i));
        for (; i < count; i++)
            halves[i] = half_from_float(from[i]);
        break;
    case FOVEA_BF16:
        for (; i + LANES <= count; i += LANES)
            v_store_bf16(halves + i, v_load(from + i));
        for (; i < count; i++)
            halves[i] = bf16_from_float(from[i]);
        break;
    case FOVEA_F32:
    case FOVEA_DTYPE_COUNT: memcpy(to, from, sizeof *from * count); break;
    }
}

#endif
