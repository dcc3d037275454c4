/* Tier 2: the life of an operator: created once, run often, explained, destroyed.
 *
 * fovea_<operator>_create does all the expensive work: validate, plan, compile, create pipelines, test them.
 * fovea_op_run appends to the device's open command list: no compilation, no allocation, no wait.
 *
 * Thread safety of fovea_op: run as fovea_device says; create, destroy, explain, report and prefer from any
 * thread.
 */
#ifndef FOVEA_OP_H
#define FOVEA_OP_H

#include <fovea/buffer.h>
#include <fovea/device.h>
#include <fovea/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fovea_op fovea_op;

/* Which tensor of an operator a binding is for. */
typedef enum fovea_slot {
    FOVEA_Q = 0,
    FOVEA_K,
    FOVEA_V,
    FOVEA_O,
    FOVEA_LSE,
    FOVEA_SINKS,        /* softmax */
    FOVEA_OFFSETS = 14, /* this and the rest: merge */
    FOVEA_COEFFICIENTS,
    FOVEA_O_PARTS,        /* + source, 0 to 7 */
    FOVEA_LSE_PARTS = 24, /* + source, 0 to 7 */
    FOVEA_SLOT_MAX = 32
} fovea_slot;

/* A tensor's memory: the byte `offset` of its first element, a multiple of the dtype's size. */
typedef struct fovea_binding {
    fovea_buffer *buffer;
    uint64_t offset;
} fovea_binding;

/* Arguments of one run. All zero means: nothing bound, no queries and no keys. */
typedef struct fovea_op_args {
    fovea_binding tensors[FOVEA_SLOT_MAX]; /* indexed by fovea_slot; borrowed until the work is done */
    uint32_t seq_q;                        /* queries of this run, 0 to seq_q_max; FOVEA_MAXIMUM: seq_q_max */
    uint32_t seq_k;                        /* keys of this run, 0 to seq_k_max; FOVEA_MAXIMUM: seq_k_max */
    fovea_binding workspace;               /* buffer NULL: the device's own. Contents undefined before and after.
                                The offset is a multiple of 16 and of limits.storage_offset_alignment. */
    uint64_t workspace_size; /* bytes at `workspace`: best fovea_op_workspace_size. Fewer mean more dispatches and the
                                same bits; too few for one workgroup of the run are INVALID. Ignored where NULL. */
    uint32_t reserved[14];
} fovea_op_args;

/* Appends one run of the operator to the device's open command list. Work recorded earlier on this device
 * is ordered before it.
 *
 * args: borrowed until the return; the buffers it names until the work is done.
 * Never allocates, never compiles, and never waits but here: the CPU's list holds 1,024 commands, and a run that finds
 * it full does the work that is in it first.
 * Errors: INVALID (a missing, misaligned, foreign or too small binding, outputs that overlap an input or each
 * other, sizes beyond the maxima), UNSUPPORTED (a binding beyond the device's storage range), DEVICE_LOST, TIMEOUT (all
 * slots are still in flight after a submit that timed out; call fovea_device_wait),
 * OUT_OF_DEVICE_MEMORY (the driver could not grow the command list). */
FOVEA_API fovea_status fovea_op_run(fovea_op *op, const fovea_op_args *args);

/* Releases the operator. Its submitted and recorded work must be done: call fovea_device_wait before.
 * NULL is ignored. */
FOVEA_API void fovea_op_destroy(fovea_op *op);

/* Bytes of workspace that a run with the descriptor's maxima needs; 0 where none is needed or op is NULL. */
FOVEA_API uint64_t fovea_op_workspace_size(const fovea_op *op);

#define FOVEA_REPORT_KERNELS 8

/* One kernel of an operator. */
typedef struct fovea_kernel_report {
    char name[48]; /* such as "softmax_direct" */
    char use[96];  /* which runs use it */
    fovea_tier tier;
    uint32_t tile;                /* index of its tile among the candidates */
    uint32_t rows, keys;          /* tile: rows (query, head) by keys */
    uint32_t invocations;         /* per workgroup; CPU: 1 */
    uint32_t shared_memory;       /* bytes per workgroup */
    uint32_t registers, spills;   /* per invocation, where the driver tells; else UINT32_MAX */
    uint32_t subgroups_per_simd;  /* resident at once, where the driver tells; else UINT32_MAX */
    uint32_t scratch;             /* bytes per invocation, where the driver tells; else UINT32_MAX */
    uint32_t tested;              /* 1: its known-answer test passed on this device */
    uint32_t cached;              /* 1: as the device's cache says; no test was run, and self_test_s is 0 */
    double self_test_s, create_s; /* seconds that its test and its creation took */
    fovea_dtype operand;          /* of a matrix unit's products; f32: the kernel multiplies in float32 */
    uint32_t operand_parts;       /* numbers of that type that make one operand: 1, or 2 */
    uint32_t reserved[6];
} fovea_kernel_report;

/* What fovea_op_explain says, as a struct. Counts are of a run with the descriptor's maxima. */
typedef struct fovea_op_report {
    char name[32];    /* operator, such as "softmax" */
    char notes[1536]; /* why each faster choice was refused, one reason a line */
    fovea_tier tier;
    uint32_t kernel_count;
    fovea_kernel_report kernels[FOVEA_REPORT_KERNELS];
    uint32_t dispatches, copies, barriers;           /* commands of one run */
    uint32_t key_slices, query_slices;               /* cuts made by the cost budget or by a limit */
    uint32_t split_count;                            /* parallel splits over keys */
    uint32_t tile_candidates;                        /* how many tiles this device could run */
    uint64_t tiles_total, tiles_visited, tiles_full; /* key tiles over all row tiles; full: no mask needed */
    uint64_t flops;                                  /* of the visible (query, key) pairs: 2 (dim_qk + dim_v) each */
    uint64_t bytes;          /* algorithmic: each visible element of q, k, v once, o and lse once */
    uint64_t exponentials;   /* visible pairs */
    uint64_t shared_bytes;   /* that lanes read from shared memory; 0: kernels of the CPU itself */
    uint64_t workspace_size; /* bytes */
    double estimated_s;      /* by the rate that the planner assumes */
    double assumed_flops_per_s;
    double create_s; /* whole create, kernels and tests included */
    uint32_t reserved[16];
} fovea_op_report;

/* Fills a report. out_report: the caller's. Does not block. Errors: INVALID (NULL). */
FOVEA_API fovea_status fovea_op_get_report(const fovea_op *op, fovea_op_report *out_report);

/* Makes the tile that this operator was created with (`tile` of its descriptor) the planner's first choice for operators of
 * the same head dims, storage and mask, with few or with many rows as this one (where few, as many query heads of a key
 * head), on this device and driver: an entry
 * "tuning" of the device's cache says so to every later create. Nothing is measured here; fovea bench --tune does that.
 * Does not block beyond the cache's own call. Errors: INVALID (NULL, an operator whose tile the planner chose), UNSUPPORTED
 * (the device has no cache). */
FOVEA_API fovea_status fovea_op_prefer(const fovea_op *op);

/* Writes the report as `key: value` lines of UTF-8 into `text` (`size` bytes, terminated, cut to fit).
 * Returns the length of the whole text as snprintf does; 0 for NULL op. Does not block. */
FOVEA_API size_t fovea_op_explain(const fovea_op *op, char *text, size_t size);

#ifdef __cplusplus
}
#endif

#endif
