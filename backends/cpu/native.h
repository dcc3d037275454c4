/* What a native kernel is: the seam between the backend and the code that is compiled once per instruction
 * set. */
#ifndef FV_CPU_NATIVE_H
#define FV_CPU_NATIVE_H

#include <fovea/device.h>

#include <stddef.h>
#include <stdint.h>

/* A stretch of a dispatch whose workgroups share operands that are packed before them. */
typedef struct cpu_stage {
    uint64_t first, count; /* workgroups */
    uint64_t packs;        /* calls of pack; 0: nothing to share */
    uint32_t unit;         /* the kernel's own: where the panels begin */
} cpu_stage;

/* One workgroup of a dispatch, or one call of pack. */
typedef struct cpu_call {
    const uint32_t *constants;      /* of the kernel descriptor */
    const uint32_t *parameters;     /* of the dispatch */
    unsigned char *const *bindings; /* first byte of each */
    uint64_t group;                 /* number of the workgroup, or of the pack */
    uint32_t threads;               /* of the device */
    void *scratch;                  /* this thread's, 64-byte aligned, contents undefined */
    unsigned char *panels;          /* packed operands, shared by all threads */
    const cpu_stage *stage;
} cpu_call;

typedef struct cpu_native {
    const char *kernel;                                      /* the key of a kernel descriptor */
    uint32_t constant_count, binding_count, parameter_bytes; /* what its descriptor must say */
    size_t (*scratch)(const uint32_t *constants);            /* bytes that a call needs; NULL: none */
    void (*run)(const cpu_call *call);
    /* Where workgroups share packed operands, else NULL: bytes of the panels of one stage, 0 for none; the stage that begins
     * with workgroup stage->first, which has at most stage->count of them; number `x` of its packs. */
    size_t (*panels)(const uint32_t *constants);
    void (*plan)(const cpu_call *call, cpu_stage *stage);
    void (*pack)(const cpu_call *call);
} cpu_native;

enum { CPU_FAMILIES = 3 };

/* An instruction set: its kernels and what is known of it. */
typedef struct cpu_isa {
    const char *name;
    fovea_tier tier;
    double flops_per_s;                     /* of one thread in the softmax kernel, a cautious figure */
    const cpu_native *tables[CPU_FAMILIES]; /* each ended by kernel NULL */
    int (*permit)(void);                    /* asks the system for leave, for the whole process; NULL: no need */
} cpu_isa;

/* The kernels of a family for each instruction set: a translation unit defines FV_CPU_TABLE(family)[], and is compiled
 * once for each with FV_CPU_ISA as its name. */
#define FV_CPU_PASTE_(family, isa) fv_cpu_##family##_##isa
#define FV_CPU_PASTE(family, isa)  FV_CPU_PASTE_(family, isa)
#define FV_CPU_TABLE(family)       FV_CPU_PASTE(family, FV_CPU_ISA)
#define FV_CPU_DECLARE(isa)        extern const cpu_native fv_cpu_softmax_##isa[], fv_cpu_merge_##isa[], fv_cpu_measure_##isa[]

FV_CPU_DECLARE(baseline);
#ifdef FV_CPU_WITH_AVX2
FV_CPU_DECLARE(avx2);
#endif
#ifdef FV_CPU_WITH_AVX512
FV_CPU_DECLARE(avx512);
#endif
#ifdef FV_CPU_WITH_AVX512BF16
FV_CPU_DECLARE(avx512bf16);
#endif
#ifdef FV_CPU_WITH_AMXBF16
FV_CPU_DECLARE(amxbf16);
#endif
#ifdef FV_CPU_WITH_TILESINC /* for the tests: a tile unit of C functions */
FV_CPU_DECLARE(tilesinc);
#endif

/* Instruction sets that this machine runs, best first, the baseline last. `index` beyond them: NULL. */
const cpu_isa *fv_cpu_isa(uint32_t index);
uint32_t fv_cpu_isa_count(void);
/* The one that every CPU of this architecture runs. */
const cpu_isa *fv_cpu_plain_isa(void);
/* The CPU's own name, terminated, cut to fit. */
void fv_cpu_name(char *text, size_t size);

#endif
