/* Which of the compiled instruction sets this machine runs, and what the CPU is called. */
#if defined(__linux__)
#define _DEFAULT_SOURCE /* syscall */
#endif
#include "native.h"

#include <string.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif
#if defined(FV_CPU_WITH_AMXBF16) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#if defined(FV_CPU_WITH_AVX512) || defined(FV_CPU_WITH_AVX512BF16) || defined(FV_CPU_WITH_AMXBF16)
static int runs_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx2") &&
           __builtin_cpu_supports("fma");
}
#endif

#if defined(FV_CPU_WITH_AVX512BF16) || defined(FV_CPU_WITH_AMXBF16)
/* Registers that the system saves, as bits of XCR0: a CPU's instruction is of use where its registers are among them. */
static uint64_t saved_registers(void)
{
    enum { OSXSAVE = 1u << 27 }; /* of leaf 1, ecx: XCR0 can be read */
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & OSXSAVE) == 0)
        return 0;
    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return (uint64_t)d << 32 | a;
}

static int saves(unsigned first, unsigned last)
{
    const uint64_t wanted = (UINT64_C(2) << last) - (UINT64_C(1) << first);
    return (saved_registers() & wanted) == wanted;
}

static int runs_avx512bf16(void)
{
    enum { AVX512_BF16 = 1u << 5, MASKS = 5, UPPER_VECTORS = 7 };
    unsigned a, b, c, d;
    return runs_avx512() && saves(1, 2) && saves(MASKS, UPPER_VECTORS) && __get_cpuid_count(7, 1, &a, &b, &c, &d) &&
           (a & AVX512_BF16) != 0;
}
#endif

#if defined(FV_CPU_WITH_AMXBF16)
enum { TILE_CONFIG = 17, TILE_DATA = 18 }; /* in XCR0 */

static int runs_amxbf16(void)
{
    enum { AMX_BF16 = 1u << 22, AMX_TILE = 1u << 24 };
    unsigned a, b, c, d;
    return runs_avx512bf16() && saves(TILE_CONFIG, TILE_DATA) && __get_cpuid_count(7, 0, &a, &b, &c, &d) &&
           (d & AMX_BF16) != 0 && (d & AMX_TILE) != 0;
}

/* Linux makes room for tiles in a process' signal frames when it is asked to, once and for all of its threads. */
static int permit_tiles(void)
{
#if defined(__linux__)
    enum { ARCH_REQ_XCOMP_PERM = 0x1023 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0;
#else
    return 0;
#endif
}
#endif

#if defined(FV_CPU_WITH_AVX2)
static int runs_avx2(void)
{
    enum { F16C = 1u << 29 }; /* of leaf 1, ecx; not every compiler's __builtin_cpu_supports knows it */
    unsigned a, b, c, d;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __get_cpuid(1, &a, &b, &c, &d) &&
           (c & F16C) != 0;
}
#endif

static int runs_always(void)
{
    return 1;
}

#define TABLES(isa)                                                    \
    {                                                                  \
        fv_cpu_softmax_##isa, fv_cpu_merge_##isa, fv_cpu_measure_##isa \
    }

typedef struct candidate {
    cpu_isa isa;
    int (*runs)(void);
} candidate;

static const candidate candidates[] = {
#if defined(FV_CPU_WITH_AMXBF16)
    {{"amx-bf16", FOVEA_TIER_MATRIX, 60e9, TABLES(amxbf16), permit_tiles}, runs_amxbf16},
#endif
#if defined(FV_CPU_WITH_AVX512BF16)
    {{"avx512-bf16", FOVEA_TIER_MATRIX, 60e9, TABLES(avx512bf16), NULL}, runs_avx512bf16},
#endif
#if defined(FV_CPU_WITH_AVX512)
    {{"avx512f", FOVEA_TIER_SUBGROUP, 60e9, TABLES(avx512), NULL}, runs_avx512},
#endif
#if defined(FV_CPU_WITH_AVX2)
    {{"avx2+fma+f16c", FOVEA_TIER_SUBGROUP, 40e9, TABLES(avx2), NULL}, runs_avx2},
#endif
#if defined(__aarch64__)
    {{"neon", FOVEA_TIER_SUBGROUP, 12e9, TABLES(baseline), NULL}, runs_always},
#else
    {{"baseline", FOVEA_TIER_PORTABLE, 10e9, TABLES(baseline), NULL}, runs_always},
#endif
#if defined(FV_CPU_WITH_TILESINC) /* behind the others, for it is slow */
    {{"cpu-tiles", FOVEA_TIER_MATRIX, 1e9, TABLES(tilesinc), NULL}, runs_avx512bf16},
#endif
};

enum { CANDIDATES = sizeof candidates / sizeof candidates[0] };

const cpu_isa *fv_cpu_isa(uint32_t index)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_cpu_init();
#endif
    uint32_t found = 0;
    for (uint32_t i = 0; i < CANDIDATES; i++)
        if (candidates[i].runs() && found++ == index)
            return &candidates[i].isa;
    return NULL;
}

uint32_t fv_cpu_isa_count(void)
{
    uint32_t count = 0;
    while (fv_cpu_isa(count))
        count++;
    return count;
}

const cpu_isa *fv_cpu_plain_isa(void)
{
    uint32_t plain = 0;
    while (candidates[plain].runs != runs_always)
        plain++;
    return &candidates[plain].isa;
}

void fv_cpu_name(char *text, size_t size)
{
    char name[49] = "CPU";
#if defined(__x86_64__) || defined(__i386__)
    unsigned words[12];
    const unsigned brand = 0x80000002u; /* three leaves of 16 characters each */
    if ((unsigned)__get_cpuid_max(0x80000000u, NULL) >= 0x80000004u) {
        for (unsigned leaf = 0; leaf < 3; leaf++)
            __cpuid(brand + leaf, words[4 * leaf], words[4 * leaf + 1], words[4 * leaf + 2], words[4 * leaf + 3]);
        memcpy(name, words, 48);
        name[48] = 0;
    }
#elif defined(__aarch64__)
    memcpy(name, "arm64 CPU", 10);
#endif
    const char *start = name + strspn(name, " "); /* some vendors pad on the left, some on the right */
    size_t length = strlen(start);
    while (length > 0 && start[length - 1] == ' ')
        length--;
    if (length >= size)
        length = size - 1;
    memcpy(text, start, length);
    text[length] = 0;
}
