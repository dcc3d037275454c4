/* Rate of float32 multiply-adds: acc[i][j] += a[i] * b[j] over a tile of MICRO_M x MICRO_N accumulators, all in registers.
 *
 *           b0 b1 ..
 *       a0 [        ]     8 x 8 for devices with many registers, 4 x 4 for those with few: independent chains, more
 *       a1 [  acc   ]     than pipelines are deep. Operands of 16 bits are unpacked once a round, that is once for
 *       .. [        ]     MEASURE_PASSES * MICRO_N multiply-adds, about as often as a tile of 32 x 32 does it.
 *
 * A lane owns its tile; lanes share nothing. No shared memory, no barrier. After n passes acc[i][j] = n a[i] b[j],
 * exactly: operands are multiples of 1/8 up to 1. */
#include "abi/softmax.h"
#include "abi/measure.h"
#define PARAMS(P) MEASURE_PARAMS(P)
#define BUFFERS(IN, OUT, IO) MEASURE_BUFFERS(IN, OUT, IO)
#define SHARED(S)
#define KERNEL_INVOCATIONS GROUP_LANES

KERNEL_CONSTANTS(MEASURE_CONSTANTS)
KERNEL_DECL(measure_fma, BUFFERS, PARAMS, SHARED)

/* Operand i out of its word: one of 32 bits, or one of two of 16. */
FN float unpack(uint word, uint i)
{
    const uint bits = (word >> (i % 2u * 16u)) & 0xffffu;
    return DTYPE == SOFTMAX_F32 ? AS_FLOAT(word) : DTYPE == SOFTMAX_F16 ? UNPACK_HALF(bits) : UNPACK_BF16(bits);
}

FN uint word_of(CTX_ uint i)
{
    return LOAD1(source, DTYPE == SOFTMAX_F32 ? i : i / 2u);
}

FN float4 operands(CTX_ uint i)
{
    return FLOAT4(unpack(word_of(CTX_IN i), i), unpack(word_of(CTX_IN i + 1u), i + 1u),
                  unpack(word_of(CTX_IN i + 2u), i + 2u), unpack(word_of(CTX_IN i + 3u), i + 3u));
}

KERNEL_BODY(measure_fma, BUFFERS, PARAMS, SHARED)
{
    LOCALS(BUFFERS, SHARED)
    PRIVATE(float4, acc, MICRO_M * MICRO_N / 4, MICRO_M * MICRO_N / 4);
    PRIVATE(uint, words, MICRO_M, MICRO_M);
    PRIVATE(float, a, MICRO_M, MICRO_M);
    PRIVATE(float4, b, MICRO_N / 4, MICRO_N / 4);
    const uint group = GROUP;
    if (group >= PARAM(group_count))
        return;
    UNROLL for (uint i = 0u; i < MICRO_M; i++)
        words[i] = word_of(CTX_IN i);
    UNROLL for (uint j = 0u; j < MICRO_N / 4; j++)
        b[j] = operands(CTX_IN MEASURE_SIDE + 4u * j);
    UNROLL for (uint k = 0u; k < MICRO_M * MICRO_N / 4; k++)
        acc[k] = SPLAT4(0.0f);
    ROLLED for (uint n = 0u; n < PARAM(rounds); n++) {
        UNROLL for (uint i = 0u; i < MICRO_M; i++) {
            words[i] += PARAM(step);
            a[i] = unpack(words[i], i);
        }
        UNROLL for (uint pass = 0u; pass < MEASURE_PASSES; pass++) {
            UNROLL for (uint i = 0u; i < MICRO_M; i++) {
                UNROLL for (uint j = 0u; j < MICRO_N / 4; j++)
                    acc[i * (MICRO_N / 4) + j] = FMA4(SPLAT4(a[i]), b[j], acc[i * (MICRO_N / 4) + j]);
            }
        }
    }
    float4 sum = SPLAT4(0.0f);
    UNROLL for (uint k = 0u; k < MICRO_M * MICRO_N / 4; k++)
        sum = ADD4(sum, acc[k]);
    STORE1(target, group * GROUP_LANES + LOCAL_X, AS_UINT(sum.x + sum.y + (sum.z + sum.w)));
}
