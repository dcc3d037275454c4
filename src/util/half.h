/* 16-bit floats by integer arithmetic, and elements of any dtype. Round to nearest even. */
#ifndef FV_UTIL_HALF_H
#define FV_UTIL_HALF_H

#include <fovea/tensor.h>

float fv_half_to_float(uint16_t bits);
uint16_t fv_float_to_half(float value);
float fv_bf16_to_float(uint16_t bits);
uint16_t fv_float_to_bf16(float value);

/* Element `index` of a dense array at `bytes`. */
float fv_load_element(const void *bytes, fovea_dtype dtype, uint64_t index);
void fv_store_element(void *bytes, fovea_dtype dtype, uint64_t index, float value);

#endif
