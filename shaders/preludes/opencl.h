/* The kernel dialect read as OpenCL C 1.2. shaders/README.md says what each word means. Portable tier only.
 *
 * A program is this file and a kernel text behind it, built with one -D for each constant of its list, such as
 * -DDIM_QK=64u, and for MICRO_M, MICRO_N, MICRO_V. The kernel takes the buffers in the order of their list, then the
 * parameters as one struct. Helpers get buffers, shared arrays and parameters through a struct, by value: compilers
 * take it apart when they inline.
 */
#ifndef FV_PRELUDE_OPENCL_H
#define FV_PRELUDE_OPENCL_H

/* Clang warns of `a == b && CONSTANT == c`, where OpenCL C has a bool but comparisons are ints. */
#ifdef __clang__
#pragma clang diagnostic ignored "-Wconstant-logical-operand"
#endif

/* ---- declarations ---------------------------------------------------------------------------- */

#define FN static __attribute__((unused))
#define CTX_ const fv_context fv_cx,
#define CTX_IN fv_cx,
#define CTX_ONLY const fv_context fv_cx
#define CTX_IN_ONLY fv_cx
#ifdef __clang__
#define UNROLL _Pragma("unroll")
#define ROLLED _Pragma("nounroll")
#else
#define UNROLL
#define ROLLED
#endif

#define KERNEL_CONSTANTS(LIST)

#define FV_MEMBER_IN(i, name) __global const uint *b_##name;
#define FV_MEMBER_OUT(i, name) __global uint *b_##name;
#define FV_ARGUMENT_IN(i, name) __global const uint *b_##name,
#define FV_ARGUMENT_OUT(i, name) __global uint *b_##name,
#define FV_SET_BUFFER(i, name) fv_cx.b_##name = b_##name;
#define FV_PARAMETER(type, name) type name;
#define FV_SHARED_MEMBER(type, name, count, most) __local type *s_##name;
#define FV_SHARED_ARRAY(type, name, count, most) __local type fv_s_##name[count];
#define FV_SHARED_SET(type, name, count, most) fv_cx.s_##name = fv_s_##name;

#define KERNEL_DECL(name, BUFFERS, PARAMS, SHARED)                  \
    typedef struct {                                                \
        PARAMS(FV_PARAMETER)                                        \
    } fv_parameters;                                                \
    typedef struct {                                                \
        BUFFERS(FV_MEMBER_IN, FV_MEMBER_OUT, FV_MEMBER_OUT)         \
        SHARED(FV_SHARED_MEMBER)                                    \
        fv_parameters parameters;                                   \
    } fv_context;

#define KERNEL_BODY(name, BUFFERS, PARAMS, SHARED)                              \
    __kernel __attribute__((reqd_work_group_size(KERNEL_INVOCATIONS, 1, 1))) void name( \
        BUFFERS(FV_ARGUMENT_IN, FV_ARGUMENT_OUT, FV_ARGUMENT_OUT) const fv_parameters fv_arguments)

#define LOCALS(BUFFERS, SHARED)                                 \
    fv_context fv_cx;                                           \
    BUFFERS(FV_SET_BUFFER, FV_SET_BUFFER, FV_SET_BUFFER)        \
    SHARED(FV_SHARED_ARRAY)                                     \
    SHARED(FV_SHARED_SET)                                       \
    fv_cx.parameters = fv_arguments;

/* ---- memory ---------------------------------------------------------------------------------- */

#define PARAM(name) fv_cx.parameters.name
#define LOAD1(b, i) fv_cx.b_##b[i]
#define LOAD2(b, i) vload2((i), fv_cx.b_##b)
#define LOAD4(b, i) vload4((i), fv_cx.b_##b)
#define STORE1(b, i, word) fv_cx.b_##b[i] = (word)
#define ATOMIC_AND(b, i, word) atomic_and(&fv_cx.b_##b[i], (word))
#define ATOMIC_OR(b, i, word) atomic_or(&fv_cx.b_##b[i], (word))
#define SH_LOAD(name, i) fv_cx.s_##name[i]
#define SH_STORE(name, i, x) fv_cx.s_##name[i] = (x)
#define PRIVATE(type, name, count, most) type name[count]

/* ---- lanes ----------------------------------------------------------------------------------- */

#define LOCAL_X ((uint)get_local_id(0))
#define GROUP ((uint)(get_group_id(0) + get_group_id(1) * get_num_groups(0)))
#define BARRIER() barrier(CLK_LOCAL_MEM_FENCE)

/* ---- bits and numbers ------------------------------------------------------------------------ */

/* Halves without cl_khr_fp16: by the loads and stores that every OpenCL C has. */
FN float fv_unpack_half(uint word)
{
    const ushort bits = (ushort)(word & 0xffffu);
    return vload_half(0, (const __private half *)&bits);
}

FN float4 fv_half4(uint2 words)
{
    return vload_half4(0, (const __private half *)&words);
}

FN uint fv_pack_half(float x)
{
    ushort bits;
    vstore_half_rte(x, 0, (__private half *)&bits);
    return bits;
}

FN uint fv_pack_bf16(float x)
{
    const uint bits = as_uint(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (bits >> 16 | 0x40u) & 0xffffu;
    return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}

/* Apart, so that no compiler fuses the product into a sum. */
FN float fv_mul(float a, float b)
{
#pragma OPENCL FP_CONTRACT OFF
    const float product = a * b;
    return product;
}

FN float4 fv_bf16_4(uint2 w)
{
    return as_float4((uint4)(w.x << 16, w.x & 0xffff0000u, w.y << 16, w.y & 0xffff0000u));
}

#define AS_FLOAT(u) as_float(u)
#define AS_UINT(f) as_uint(f)
#define AS_FLOAT4(u4) as_float4(u4)
#define UNPACK_HALF(u) fv_unpack_half(u)
#define UNPACK_HALF4(u2) fv_half4(u2)
#define UNPACK_BF16(u) as_float((u) << 16)
#define UNPACK_BF16_4(u2) fv_bf16_4(u2)
#define PACK_HALF(f) fv_pack_half(f)
#define PACK_BF16(f) fv_pack_bf16(f)
#define FLOAT4(x, y, z, w) ((float4)((x), (y), (z), (w)))
#define SPLAT4(x) ((float4)(x))
#define ADD4(a, b) ((a) + (b))
#define MUL4(a, b) ((a) * (b))
#define FMA4(a, b, c) fma((a), (b), (c))
#define FMA(a, b, c) fma((a), (b), (c))
#define MUL(a, b) fv_mul((a), (b))
#define MAX(a, b) max((a), (b))
#define MIN(a, b) min((a), (b))
#define MAXU(a, b) max((uint)(a), (uint)(b))
#define MINU(a, b) min((uint)(a), (uint)(b))
#define EXP2(x) exp2(x)
#define LOG2(x) log2(x)
#define NEG_INF as_float(0xff800000u)
#define NEG_MAX (-3.402823466e+38f)

#endif
