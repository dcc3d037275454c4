/* Names of the public enums. */
#include <fovea/fovea.h>

const char *fovea_status_name(fovea_status status)
{
    switch (status) {
    case FOVEA_OK: return "FOVEA_OK";
    case FOVEA_INVALID: return "FOVEA_INVALID";
    case FOVEA_UNSUPPORTED: return "FOVEA_UNSUPPORTED";
    case FOVEA_NO_DEVICE: return "FOVEA_NO_DEVICE";
    case FOVEA_OUT_OF_HOST_MEMORY: return "FOVEA_OUT_OF_HOST_MEMORY";
    case FOVEA_OUT_OF_DEVICE_MEMORY: return "FOVEA_OUT_OF_DEVICE_MEMORY";
    case FOVEA_COMPILE_FAILED: return "FOVEA_COMPILE_FAILED";
    case FOVEA_DEVICE_LOST: return "FOVEA_DEVICE_LOST";
    case FOVEA_TIMEOUT: return "FOVEA_TIMEOUT";
    case FOVEA_CACHE: return "FOVEA_CACHE";
    case FOVEA_INTERNAL: return "FOVEA_INTERNAL";
    }
    return "not a fovea_status";
}

const char *fovea_tier_name(fovea_tier tier)
{
    switch (tier) {
    case FOVEA_TIER_DEFAULT: return "default";
    case FOVEA_TIER_PORTABLE: return "portable";
    case FOVEA_TIER_SUBGROUP: return "subgroup";
    case FOVEA_TIER_MATRIX: return "matrix";
    }
    return "not a fovea_tier";
}

const char *fovea_rate_name(fovea_rate rate)
{
    switch (rate) {
    case FOVEA_RATE_FMA_F32: return "fma_f32";
    case FOVEA_RATE_FMA_F16: return "fma_f16";
    case FOVEA_RATE_FMA_BF16: return "fma_bf16";
    case FOVEA_RATE_EXP2: return "exp2";
    case FOVEA_RATE_SHARED: return "shared";
    case FOVEA_RATE_COPY: return "copy";
    case FOVEA_RATE_DISPATCH: return "dispatch";
    case FOVEA_RATE_BARRIER: return "barrier";
    case FOVEA_RATE_SUBMIT: return "submit";
    case FOVEA_RATE_MATRIX_F16: return "matrix_f16";
    case FOVEA_RATE_MATRIX_BF16: return "matrix_bf16";
    case FOVEA_RATE_COUNT: break;
    }
    return "not a fovea_rate";
}

const char *fovea_dtype_name(fovea_dtype dtype)
{
    switch (dtype) {
    case FOVEA_F32: return "f32";
    case FOVEA_F16: return "f16";
    case FOVEA_BF16: return "bf16";
    case FOVEA_DTYPE_COUNT: break;
    }
    return "not a fovea_dtype";
}

uint32_t fovea_dtype_size(fovea_dtype dtype)
{
    switch (dtype) {
    case FOVEA_F32: return 4;
    case FOVEA_F16:
    case FOVEA_BF16: return 2;
    case FOVEA_DTYPE_COUNT: break;
    }
    return 0;
}
