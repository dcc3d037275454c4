/* The kernel dialect read as GLSL for Vulkan 1.1. shaders/README.md says what each word means.
 *
 * Local size x is specialisation constant 31, because GLSL takes no expression there; the host sets it to the value
 * of KERNEL_INVOCATIONS. Constants default to 4: no kernel runs with the defaults, but they make a legal module. */
#version 450
#extension GL_EXT_control_flow_attributes : require
#ifdef TIER_SUBGROUP
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#endif

layout(local_size_x_id = 31) in;

#define uint2 uvec2
#define uint4 uvec4
#define float4 vec4

/* ---- declarations ---- */
#define FN
#define CTX_
#define CTX_IN
#define CTX_ONLY
#define CTX_IN_ONLY
/* Drivers for GPUs unroll loops of this size over private arrays unasked. SwiftShader does so only where the hint is given:
 * twice as fast for small micro-tiles, but a hundred times the code, and minutes of compiling, for the largest. */
#if MICRO_M * (MICRO_N + MICRO_V) <= 32
#define UNROLL [[unroll]]
#else
#define UNROLL
#endif
#define ROLLED [[dont_unroll]]

#define FV_CONSTANT(id, name) layout(constant_id = id) const uint name = 4u;
#define KERNEL_CONSTANTS(LIST) LIST(FV_CONSTANT)

/* One binding, three views of it. */
#define FV_IN(i, name) \
    layout(std430, set = 0, binding = i) restrict readonly buffer FV_B1_##name { uint b1_##name[]; }; \
    layout(std430, set = 0, binding = i) restrict readonly buffer FV_B2_##name { uvec2 b2_##name[]; }; \
    layout(std430, set = 0, binding = i) restrict readonly buffer FV_B4_##name { uvec4 b4_##name[]; };
#define FV_OUT(i, name) layout(std430, set = 0, binding = i) buffer FV_B1_##name { uint b1_##name[]; };
#define FV_PARAMETER(type, name) type name;
#define FV_SHARED(type, name, count, most) shared type s_##name[count];
#define KERNEL_DECL(kernel, BUFFERS, PARAMS, SHARED) \
    BUFFERS(FV_IN, FV_OUT, FV_OUT) \
    layout(push_constant) uniform FV_Parameters { PARAMS(FV_PARAMETER) } fv_parameters; \
    SHARED(FV_SHARED)
#define KERNEL_BODY(kernel, BUFFERS, PARAMS, SHARED) void main()
#define LOCALS(BUFFERS, SHARED)

/* ---- memory ---- */
#define PARAM(name) fv_parameters.name
#define LOAD1(b, i) b1_##b[i]
#define LOAD2(b, i) b2_##b[i]
#define LOAD4(b, i) b4_##b[i]
#define STORE1(b, i, word) b1_##b[i] = (word)
#define ATOMIC_AND(b, i, word) atomicAnd(b1_##b[i], (word))
#define ATOMIC_OR(b, i, word) atomicOr(b1_##b[i], (word))
#define SH_LOAD(name, i) s_##name[i]
#define SH_STORE(name, i, x) s_##name[i] = (x)
#define PRIVATE(type, name, count, most) type name[count]

/* ---- lanes ---- */
#define LOCAL_X gl_LocalInvocationID.x
#define GROUP (gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x)
#define BARRIER() barrier()
#ifdef TIER_SUBGROUP
#define SUBGROUP_SIZE gl_SubgroupSize
#define SUBGROUP_ID gl_SubgroupID
#define SUBGROUP_LANE gl_SubgroupInvocationID
#define SHUFFLE_XOR(x, mask) subgroupShuffleXor(x, mask)
#endif

/* ---- bits and numbers ---- */
#define AS_FLOAT(u) uintBitsToFloat(u)
#define AS_UINT(f) floatBitsToUint(f)
#define AS_FLOAT4(u4) uintBitsToFloat(u4)
#define UNPACK_HALF(u) unpackHalf2x16(u).x
#define UNPACK_HALF4(u2) vec4(unpackHalf2x16((u2).x), unpackHalf2x16((u2).y))
#define UNPACK_BF16(u) uintBitsToFloat((u) << 16)
#define UNPACK_BF16_4(u2) \
    uintBitsToFloat(uvec4((u2).x << 16, (u2).x & 0xffff0000u, (u2).y << 16, (u2).y & 0xffff0000u))
#define FLOAT4(x, y, z, w) vec4(x, y, z, w)
#define SPLAT4(x) vec4(x)
#define ADD4(a, b) ((a) + (b))
#define MUL4(a, b) ((a) * (b))
#define FMA4(a, b, c) fma(a, b, c)
#define FMA(a, b, c) fma(a, b, c)
#define MUL(a, b) fv_mul(a, b)
#define MAX(a, b) max(a, b)
#define MIN(a, b) min(a, b)
#define MAXU(a, b) max(a, b)
#define MINU(a, b) min(a, b)
#define EXP2(x) exp2(x)
#define LOG2(x) log2(x)
#define NEG_INF uintBitsToFloat(0xff800000u)
#define NEG_MAX (-3.402823466e+38)
#define PACK_HALF(f) fv_pack_half(f)
#define PACK_BF16(f) fv_pack_bf16(f)

/* A product of its own: no driver may fuse it into a sum. */
float fv_mul(float a, float b)
{
    precise float product = a * b;
    return product;
}

/* By integers, since packHalf2x16 may round as it likes. */
uint fv_pack_half(float x)
{
    const uint bits = floatBitsToUint(x), sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
    if (rest > 0x7f800000u)
        return sign | 0x7e00u;
    if (rest >= 0x477ff000u) /* rounds to 65536 or more */
        return sign | 0x7c00u;
    if (rest >= 0x38800000u)
        return sign | (rest - 0x38000000u + 0xfffu + (rest >> 13 & 1u)) >> 13;
    if (rest < 0x33000000u) /* below half of the smallest subnormal */
        return sign;
    const uint shift = 126u - (rest >> 23), mantissa = (rest & 0x7fffffu) | 0x800000u;
    const uint half_place = 1u << (shift - 1u), quotient = mantissa >> shift;
    const uint lost = mantissa - (quotient << shift);
    return sign | (quotient + uint(lost > half_place || (lost == half_place && (quotient & 1u) != 0u)));
}

uint fv_pack_bf16(float x)
{
    const uint bits = floatBitsToUint(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (bits >> 16 | 0x40u) & 0xffffu;
    return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}
