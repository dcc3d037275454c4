#include "util/half.h"

#include <math.h>
#include <string.h>

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float bits_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

float fv_half_to_float(uint16_t bits)
{
    const uint32_t sign = (uint32_t)(bits & 0x8000u) << 16, exponent = bits >> 10 & 31u, mantissa = bits & 1023u;
    if (exponent == 31u)
        return bits_float(sign | 0x7f800000u | mantissa << 13);
    if (exponent > 0)
        return bits_float(sign | (exponent + 112u) << 23 | mantissa << 13);
    const float magnitude = ldexpf((float)mantissa, -24);
    return sign ? -magnitude : magnitude;
}

uint16_t fv_float_to_half(float value)
{
    const uint32_t bits = float_bits(value), magnitude = bits & 0x7fffffffu;
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    if (magnitude > 0x7f800000u)
        return sign | 0x7e00u; /* NaN */
    if (magnitude >= 0x477ff000u)
        return sign | 0x7c00u;   /* rounds to infinity */
    if (magnitude < 0x38800000u) /* subnormal or zero: the addition rounds at the right bit */
        return sign | (uint16_t)(float_bits(bits_float(magnitude) + 0.5f) - 0x3f000000u);
    const uint32_t odd = magnitude >> 13 & 1u;
    return sign | (uint16_t)((magnitude - (112u << 23) + 0xfffu + odd) >> 13);
}

float fv_bf16_to_float(uint16_t bits)
{
    return bits_float((uint32_t)bits << 16);
}

uint16_t fv_float_to_bf16(float value)
{
    const uint32_t bits = float_bits(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40u); /* NaN stays NaN */
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

float fv_load_element(const void *bytes, fovea_dtype dtype, uint64_t index)
{
    const unsigned char *place = (const unsigned char *)bytes + index * fovea_dtype_size(dtype);
    if (dtype == FOVEA_F32) {
        float value;
        memcpy(&value, place, sizeof value);
        return value;
    }
    uint16_t bits;
    memcpy(&bits, place, sizeof bits);
    return dtype == FOVEA_F16 ? fv_half_to_float(bits) : fv_bf16_to_float(bits);
}

void fv_store_element(void *bytes, fovea_dtype dtype, uint64_t index, float value)
{
    unsigned char *place = (unsigned char *)bytes + index * fovea_dtype_size(dtype);
    if (dtype == FOVEA_F32) {
        memcpy(place, &value, sizeof value);
        return;
    }
    const uint16_t bits = dtype == FOVEA_F16 ? fv_float_to_half(value) : fv_float_to_bf16(value);
    memcpy(place, &bits, sizeof bits);
}
