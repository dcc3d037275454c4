/* The kernel dialect read as C11, for the emulator. shaders/README.md says what each word means.
 *
 * A module is one translation unit:
 *     #define FV_MODULE softmax_direct_8x8x8_portable
 *     #define FV_MODULE_NAME "softmax_direct.8x8x8.portable"
 *     #define MICRO_M 8u ...
 *     #include "preludes/c11.h"
 *     #include "softmax_direct.comp"
 * It defines one object, an fv_emu_text named fv_emu_text_<FV_MODULE>. Constants and parameters are values of the
 * thread that runs the lanes, set by the text's `load`. Every buffer and shared access goes through machine.h.
 */
#ifndef FV_PRELUDE_C11_H
#define FV_PRELUDE_C11_H

#include <math.h>
#include <string.h>

#include "machine.h"

typedef unsigned int uint;
typedef struct { uint x, y; } uint2;
typedef struct { uint x, y, z, w; } uint4;
typedef struct { float x, y, z, w; } float4;

static _Thread_local fv_emu_machine *fv_machine;

#define FV_HERE ((fv_emu_place){__FILE__, __LINE__})
#define FV_PASTE_(a, b) a##b
#define FV_PASTE(a, b) FV_PASTE_(a, b)

/* ---- declarations ---------------------------------------------------------------------------- */

#define FN static inline
#define CTX_
#define CTX_IN
#define CTX_ONLY void
#define CTX_IN_ONLY
#define UNROLL
#define ROLLED

#define FV_CONSTANT(id, name) static _Thread_local uint name;
#define FV_CONSTANT_NAME(id, name) {#name, id, 0},
#define FV_CONSTANT_LOAD(id, name) name = values[id];
#define KERNEL_CONSTANTS(LIST)                                                                  \
    LIST(FV_CONSTANT)                                                                           \
    static const fv_emu_name fv_constants[] = {LIST(FV_CONSTANT_NAME) {NULL, 0, 0}};            \
    static inline void fv_load_constants(const uint32_t *values)                                \
    {                                                                                           \
        LIST(FV_CONSTANT_LOAD)                                                                  \
    }

#define FV_BUFFER(i, name) enum { fv_b_##name = i };
#define FV_BUFFER_IN(i, name) {#name, i, FV_READ},
#define FV_BUFFER_OUT(i, name) {#name, i, FV_WRITE},
#define FV_BUFFER_IO(i, name) {#name, i, FV_READ_WRITE},
#define FV_PARAMETER(type, name) type name;
#define FV_SHARED_TYPE(type, name, count, most) typedef type fv_t_##name;
#define FV_SHARED_NUMBER(type, name, count, most) fv_s_##name,
#define FV_SHARED_FILL(type, array, length, limit)              \
    arrays[fv_s_##array].name = #array;                         \
    arrays[fv_s_##array].size = (uint32_t)sizeof(type);         \
    arrays[fv_s_##array].count = (length);                      \
    arrays[fv_s_##array].most = (limit);

#define KERNEL_DECL(kernel, BUFFERS, PARAMS, SHARED)                                                        \
    BUFFERS(FV_BUFFER, FV_BUFFER, FV_BUFFER)                                                                \
    static const fv_emu_name fv_buffers[] = {BUFFERS(FV_BUFFER_IN, FV_BUFFER_OUT, FV_BUFFER_IO) {NULL, 0, 0}}; \
    static _Thread_local struct {                                                                           \
        PARAMS(FV_PARAMETER)                                                                                \
    } fv_parameters;                                                                                        \
    SHARED(FV_SHARED_TYPE)                                                                                  \
    enum { SHARED(FV_SHARED_NUMBER) fv_s_count };

#define KERNEL_BODY(kernel, BUFFERS, PARAMS, SHARED)                                                        \
    static void fv_load(fv_emu_machine *machine, const uint32_t *constants, const uint32_t *parameters)     \
    {                                                                                                       \
        fv_machine = machine;                                                                               \
        fv_load_constants(constants);                                                                       \
        if (parameters)                                                                                     \
            memcpy(&fv_parameters, parameters, sizeof fv_parameters);                                       \
    }                                                                                                       \
    static uint32_t fv_invocations(void)                                                                    \
    {                                                                                                       \
        return KERNEL_INVOCATIONS;                                                                          \
    }                                                                                                       \
    static uint32_t fv_arrays(fv_emu_array arrays[FV_EMU_SHARED_MAX])                                       \
    {                                                                                                       \
        _Static_assert((int)fv_s_count <= (int)FV_EMU_SHARED_MAX, "shared arrays");                         \
        (void)arrays;                                                                                       \
        SHARED(FV_SHARED_FILL)                                                                              \
        return fv_s_count;                                                                                  \
    }                                                                                                       \
    static void fv_body(void);                                                                              \
    extern const fv_emu_text FV_PASTE(fv_emu_text_, FV_MODULE);                                             \
    const fv_emu_text FV_PASTE(fv_emu_text_, FV_MODULE) = {                                                 \
        FV_MODULE_NAME, fv_constants,   fv_buffers, sizeof fv_parameters, FV_USES_SUBGROUP,                 \
        fv_load,        fv_invocations, fv_arrays,  fv_body};                                               \
    static void fv_body(void)

#define LOCALS(BUFFERS, SHARED)

/* ---- memory ---------------------------------------------------------------------------------- */

static inline uint2 fv_words2(const uint32_t *word)
{
    return (uint2){word[0], word[1]};
}

static inline uint4 fv_words4(const uint32_t *word)
{
    return (uint4){word[0], word[1], word[2], word[3]};
}

/* Never-written private elements are NaN, so that they show in a result. */
static inline void fv_private(void *memory, size_t size, const char *name, uint count, uint most,
                              fv_emu_place place)
{
    if (count > most)
        fv_emu_fault(fv_machine, place, "private array %s has %u elements, declared at most %u", name, count,
                     most);
    memset(memory, 0xff, size);
}

#define PARAM(name) fv_parameters.name
#define LOAD1(b, i) (*fv_emu_read(fv_machine, fv_b_##b, (i), 1u, FV_HERE))
#define LOAD2(b, i) fv_words2(fv_emu_read(fv_machine, fv_b_##b, (uint64_t)(i)*2u, 2u, FV_HERE))
#define LOAD4(b, i) fv_words4(fv_emu_read(fv_machine, fv_b_##b, (uint64_t)(i)*4u, 4u, FV_HERE))
#define STORE1(b, i, word) fv_emu_write(fv_machine, fv_b_##b, (i), (word), FV_HERE)
#define ATOMIC_AND(b, i, word) fv_emu_atomic(fv_machine, fv_b_##b, (i), (word), 0u, FV_HERE)
#define ATOMIC_OR(b, i, word) fv_emu_atomic(fv_machine, fv_b_##b, (i), ~0u, (word), FV_HERE)
#define SH_LOAD(name, i) (*(const fv_t_##name *)fv_emu_shared(fv_machine, fv_s_##name, (i), false, FV_HERE))
#define SH_STORE(name, i, x) (*(fv_t_##name *)fv_emu_shared(fv_machine, fv_s_##name, (i), true, FV_HERE) = (x))
#define PRIVATE(type, name, count, most) \
    type name[most];                     \
    fv_private(name, sizeof name, #name, (count), (most), FV_HERE)

/* ---- lanes ----------------------------------------------------------------------------------- */

#define LOCAL_X (fv_machine->lane)
#define GROUP (fv_machine->group[0] + fv_machine->group[1] * fv_machine->groups_x)
#define BARRIER() fv_emu_barrier(fv_machine, FV_HERE)

#ifdef TIER_SUBGROUP
#define FV_USES_SUBGROUP true
#define SUBGROUP_SIZE (fv_machine->subgroup_size)
#define SUBGROUP_ID (fv_machine->lane / fv_machine->subgroup_size)
#define SUBGROUP_LANE (fv_machine->lane % fv_machine->subgroup_size)
#define SHUFFLE_XOR(x, mask) \
    _Generic((x), float: fv_shuffle_float, uint: fv_shuffle_uint, int: fv_shuffle_int)((x), (mask), FV_HERE)
#else
#define FV_USES_SUBGROUP false
#endif

/* ---- bits and numbers ------------------------------------------------------------------------ */

static inline float fv_as_float(uint bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint fv_as_uint(float x)
{
    uint bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float4 fv_as_float4(uint4 u)
{
    return (float4){fv_as_float(u.x), fv_as_float(u.y), fv_as_float(u.z), fv_as_float(u.w)};
}

/* A half's exponent and mantissa, moved into place, are the value times 2^-112: exact, subnormals included. */
static inline float fv_unpack_half(uint word)
{
    const uint sign = (word & 0x8000u) << 16, rest = (word & 0x7fffu) << 13;
    if (rest >= 0x0f800000u) /* infinity and NaN */
        return fv_as_float(sign | rest | 0x7f800000u);
    const float magnitude = fv_as_float(rest) * fv_as_float(0x77800000u); /* times 2^112 */
    return fv_as_float(sign | fv_as_uint(magnitude));
}

static inline uint fv_pack_half(float x)
{
    const uint bits = fv_as_uint(x), sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
    if (rest > 0x7f800000u)
        return sign | 0x7e00u;
    if (rest >= 0x477ff000u) /* rounds to 65536 or more */
        return sign | 0x7c00u;
    if (rest < 0x38800000u) /* subnormal: the sum's last place is 2^-24, so the addition rounds */
        return sign | (fv_as_uint(fv_as_float(rest) + 0.5f) - 0x3f000000u);
    return sign | ((rest - 0x38000000u + 0xfffu + (rest >> 13 & 1u)) >> 13);
}

static inline uint fv_pack_bf16(float x)
{
    const uint bits = fv_as_uint(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (bits >> 16 | 0x40u) & 0xffffu;
    return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}

static inline float4 fv_half4(uint2 w)
{
    return (float4){fv_unpack_half(w.x), fv_unpack_half(w.x >> 16), fv_unpack_half(w.y), fv_unpack_half(w.y >> 16)};
}

static inline float4 fv_bf16_4(uint2 w)
{
    return (float4){fv_as_float(w.x << 16), fv_as_float(w.x & 0xffff0000u), fv_as_float(w.y << 16),
                    fv_as_float(w.y & 0xffff0000u)};
}

static inline float4 fv_splat4(float x)
{
    return (float4){x, x, x, x};
}

static inline float4 fv_add4(float4 a, float4 b)
{
    return (float4){a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w};
}

static inline float4 fv_mul4(float4 a, float4 b)
{
    return (float4){a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w};
}

static inline float4 fv_fma4(float4 a, float4 b, float4 c)
{
    return (float4){fmaf(a.x, b.x, c.x), fmaf(a.y, b.y, c.y), fmaf(a.z, b.z, c.z), fmaf(a.w, b.w, c.w)};
}

/* Apart, so that no compiler fuses the product into a sum. */
static inline float fv_mul(float a, float b)
{
    const float product = a * b;
    return product;
}

/* As GLSL defines them: the first operand where the comparison with NaN is false. */
static inline float fv_max(float a, float b)
{
    return a < b ? b : a;
}

static inline float fv_min(float a, float b)
{
    return b < a ? b : a;
}

static inline uint fv_maxu(uint a, uint b)
{
    return a < b ? b : a;
}

static inline uint fv_minu(uint a, uint b)
{
    return b < a ? b : a;
}

#ifdef TIER_SUBGROUP
static inline float fv_shuffle_float(float x, uint mask, fv_emu_place place)
{
    return fv_as_float(fv_emu_shuffle_xor(fv_machine, fv_as_uint(x), mask, place));
}

static inline uint fv_shuffle_uint(uint x, uint mask, fv_emu_place place)
{
    return fv_emu_shuffle_xor(fv_machine, x, mask, place);
}

static inline int fv_shuffle_int(int x, uint mask, fv_emu_place place)
{
    return (int)fv_emu_shuffle_xor(fv_machine, (uint)x, mask, place);
}
#endif

#define AS_FLOAT(u) fv_as_float(u)
#define AS_UINT(f) fv_as_uint(f)
#define AS_FLOAT4(u4) fv_as_float4(u4)
#define UNPACK_HALF(u) fv_unpack_half(u)
#define UNPACK_HALF4(u2) fv_half4(u2)
#define UNPACK_BF16(u) fv_as_float((u) << 16)
#define UNPACK_BF16_4(u2) fv_bf16_4(u2)
#define PACK_HALF(f) fv_pack_half(f)
#define PACK_BF16(f) fv_pack_bf16(f)
#define FLOAT4(x, y, z, w) ((float4){(x), (y), (z), (w)})
#define SPLAT4(x) fv_splat4(x)
#define ADD4(a, b) fv_add4((a), (b))
#define MUL4(a, b) fv_mul4((a), (b))
#define FMA4(a, b, c) fv_fma4((a), (b), (c))
#define FMA(a, b, c) fmaf((a), (b), (c))
#define MUL(a, b) fv_mul((a), (b))
#define MAX(a, b) fv_max((a), (b))
#define MIN(a, b) fv_min((a), (b))
#define MAXU(a, b) fv_maxu((a), (b))
#define MINU(a, b) fv_minu((a), (b))
#define EXP2(x) exp2f(x)
#define LOG2(x) log2f(x)
#define NEG_INF fv_as_float(0xff800000u)
#define NEG_MAX (-3.402823466e+38f)

#endif
