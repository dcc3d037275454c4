/* The kernels that measure rates, read as OpenCL C: what each lane leaves is known beforehand. */
#include "measure_case.h"

#include "abi/measure.h"
#include "abi/softmax.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LANES = 8, GROUPS = 3, GRID_X = 2, ROUNDS = 8, WORDS = 2 * LANES * MEASURE_COPIES + 5, MOST = 1024 };

typedef struct measure_case {
    const char *name, *kernel, *options;
    uint32_t source[2 * MEASURE_SIDE];
    float left;      /* in every lane's word; 0: the source's words are copied */
    float tolerance; /* relative */
} measure_case;

#define F32(n)     0x3e000000u + ((n)-1) * 0x00800000u /* 1/8, 1/4, 1/2, 1 for n = 1, 2, 3, 4 */
#define F16(n)     (0x3000u + ((n)-1) * 0x0400u)
#define BF16(n)    (0x3e00u + ((n)-1) * 0x0080u)
#define PAIR(a, b) ((a) | (b) << 16)

/* Operands 1/8, 1/4, 1/2 and 1 on both sides of a 4 x 4 tile: 1.875 squared a pass. */
static const float sums = 1.875f * 1.875f * ROUNDS * MEASURE_PASSES;
static const uint32_t values[8] = {0u,          0x3f800000u, 0x40000000u, 0x40400000u,
                                   0x40800000u, 0x40a00000u, 0x40c00000u, 0x40e00000u};

static bool run(cl_host *host, const char *shaders, const measure_case *c, uint32_t *words)
{
    const uint32_t parameters[] = {ROUNDS, 0, WORDS, GROUPS};
    uint32_t source[MOST] = {0};
    memcpy(source, c->source, sizeof c->source);
    memset(words, 0xff, MOST * sizeof *words);
    const cl_mem buffers[] = {cl_host_buffer(host, source, MOST), cl_host_buffer(host, words, MOST)};
    const cl_kernel kernel = cl_host_build(host, c->kernel, shaders, c->options);
    const cl_launch launch = {.kernel = kernel,
                              .buffers = buffers,
                              .buffer_count = 2,
                              .parameters = parameters,
                              .parameter_count = 4,
                              .lanes = LANES,
                              .groups_x = GRID_X,
                              .groups_y = 2}; /* one group more than there is work for */
    const bool ran =
        kernel && buffers[0] && buffers[1] && cl_host_run(host, &launch) && cl_host_read(host, buffers[1], words, MOST);
    for (int i = 0; i < 2; i++)
        if (buffers[i])
            clReleaseMemObject(buffers[i]);
    if (kernel)
        clReleaseKernel(kernel);
    return ran;
}

static bool right_word(const measure_case *c, uint32_t i, uint32_t word)
{
    const uint32_t count = c->left == 0.0f ? WORDS : LANES * GROUPS;
    float value;
    memcpy(&value, &word, sizeof value);
    if (i >= count)
        return word == 0xffffffffu; /* nobody's */
    if (c->left == 0.0f)
        return word == (i < 2 * MEASURE_SIDE ? c->source[i] : 0u);
    return fabsf(value - c->left) <= c->tolerance * c->left;
}

static bool run_case(cl_host *host, const char *shaders, const measure_case *c)
{
    uint32_t words[MOST];
    if (!run(host, shaders, c, words))
        return false;
    for (uint32_t i = 0; i < MOST; i++)
        if (!right_word(c, i, words[i])) {
            printf("%s on %s: word %u is %08x\n", c->name, host->name, (unsigned)i, (unsigned)words[i]);
            return false;
        }
    return true;
}

#define TILE  "-DMICRO_M=4u -DMICRO_N=4u -DMICRO_V=4u -DGROUP_LANES=8u -DDTYPE="
#define PLAIN "-DGROUP_LANES=8u -DDTYPE=0u"

bool measure_cases_run(cl_host *host, const char *shaders, const char *only, uint32_t *ran)
{
    const measure_case cases[] = {
        {"fma_f32",
         "measure_fma",
         TILE "0u",
         {F32(1), F32(2), F32(3), F32(4), 0, 0, 0, 0, F32(1), F32(2), F32(3), F32(4)},
         sums,
         0.0f},
        {"fma_f16",
         "measure_fma",
         TILE "1u",
         {PAIR(F16(1), F16(2)), PAIR(F16(3), F16(4)), 0, 0, PAIR(F16(1), F16(2)), PAIR(F16(3), F16(4))},
         sums,
         0.0f},
        {"fma_bf16",
         "measure_fma",
         TILE "2u",
         {PAIR(BF16(1), BF16(2)), PAIR(BF16(3), BF16(4)), 0, 0, PAIR(BF16(1), BF16(2)), PAIR(BF16(3), BF16(4))},
         sums,
         0.0f},
        {"exp2", "measure_exp2", PLAIN, {0}, 0.6411857445f * MEASURE_CHAINS, 1e-5f},
        {"shared",
         "measure_shared",
         PLAIN,
         {values[0], values[1], values[2], values[3], values[4], values[5], values[6], values[7]},
         28.0f * ROUNDS * MEASURE_PASSES,
         0.0f},
        {"copy", "measure_copy", PLAIN, {7, 6, 5, 4, 3, 2, 1, 9}, 0.0f, 0.0f},
    };
    bool right = true;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (only && strcmp(only, cases[i].name) != 0)
            continue;
        ++*ran;
        right = run_case(host, shaders, &cases[i]) && right;
    }
    return right;
}
