/* What a backend implements, and what it receives: kernel descriptors and command lists.
 *
 * A backend knows nothing of operators: validation, planning, tiling and hashing happen in front of it. It may
 * assert that its input is legal. It includes this header and src/util only.
 *
 * Threads: record, submit, wait and read_stamps come from one thread at a time. kernel_create, kernel_destroy, buffer_create,
 * buffer_destroy, execute and cache_store may come from other threads beside them; a backend locks what they share.
 */
#ifndef FV_BACKEND_H
#define FV_BACKEND_H

#include <fovea/device.h>

#include <stdbool.h>

#include "util/host.h"

enum {
    FV_BINDINGS_MAX = 8,
    FV_MATRICES_MAX = FOVEA_MATRICES_MAX,
    FV_CONSTANTS_MAX = 40,
    FV_PARAMETERS_MAX = 32, /* 32-bit words: the 128 bytes that every Vulkan device has */
    FV_STAMPS_OWN = 2,      /* time stamps of the library itself, behind the caller's */
    FV_STAMPS_MAX = FOVEA_STAMPS + FV_STAMPS_OWN,
};

/* ---- capabilities ---------------------------------------------------------------------------------------- */

typedef fovea_matrix_shape fv_matrix;

typedef struct fv_caps {
    fovea_device_info info;
    fovea_device_limits limits; /* the device's own, before any clamp */
    bool native;                /* kernels are C functions (CPU): a workgroup is one call */
    bool emulated;              /* kernel texts read as C11 */
    bool subgroup_shuffle;      /* subgroupShuffleXor in compute shaders */
    bool subgroup_size_control; /* a kernel may ask for a subgroup size and for full subgroups: */
    uint32_t subgroup_sizes;    /* the sizes that it may ask for, each a power of two, all in one word; 0: none */
    uint32_t subgroup_size;     /* what a kernel usually gets that does not ask; 0: unknown */
    fv_matrix matrices[FV_MATRICES_MAX]; /* shapes that kernels may use; info has all that the device offers */
    uint32_t matrix_count;
    uint32_t matrix_features;   /* fovea_matrix_feature bits that kernels may use */
    bool nan_preserved;         /* shaderSignedZeroInfNanPreserveFloat32 */
    bool pipeline_statistics;   /* kernel_stats tells registers and spills */
    bool stamps;                /* the device keeps time */
    double assumed_flops_per_s; /* what the planner assumes until a rate is measured */
    uint8_t identity[48];       /* UUIDs of the driver and of the device, where there are such: for keys of caches */
} fv_caps;

/* ---- objects; each backend embeds these as the first member of its own struct ------------------------------ */

typedef struct fv_backend fv_backend;

typedef struct fv_device {
    const fv_backend *backend;
    fv_host *host;
    fv_caps caps; /* filled by open */
} fv_device;

typedef enum fv_memory {
    FV_MEMORY_DEVICE, /* for kernels; fastest there; may be mappable (integrated and software devices) */
    FV_MEMORY_STAGING /* always mappable; only copied from and to */
} fv_memory;

typedef struct fv_buffer {
    fv_device *device;
    uint64_t size; /* rounded up to 16 bytes: a whole-word read of the last element stays inside */
    bool mappable;
} fv_buffer;

typedef enum fv_access { FV_READ = 1, FV_WRITE = 2, FV_READ_WRITE = 3 } fv_access;

typedef struct fv_kernel_desc {
    const char *kernel;    /* what it computes, such as "softmax_direct": the key of native kernels */
    const char *module;    /* which module of its texts, such as "softmax_direct.8x8x8.subgroup" */
    const uint32_t *words; /* SPIR-V, or NULL for native and emulated backends; borrowed for the call */
    size_t word_count;
    uint32_t constants[FV_CONSTANTS_MAX]; /* value of constant_id i */
    uint32_t constant_count;
    fv_access access[FV_BINDINGS_MAX]; /* of storage buffer binding i in set 0 */
    uint32_t binding_count;
    uint32_t parameter_bytes; /* push constants; a multiple of 4, at most 128 */
    uint32_t invocations;     /* local size x */
    uint32_t subgroup_size;   /* 0: any; else required, with full subgroups */
} fv_kernel_desc;

typedef struct fv_kernel {
    fv_device *device;
    uint32_t binding_count;
    uint32_t parameter_bytes;
} fv_kernel;

typedef struct fv_kernel_stats { /* UINT32_MAX: unknown */
    uint32_t registers, spills, subgroups_per_simd, scratch;
} fv_kernel_stats;

/* ---- command lists ---------------------------------------------------------------------------------------- */

typedef struct fv_range {
    fv_buffer *buffer;
    uint64_t offset, size; /* bytes; a binding's offset obeys the device's storage_offset_alignment */
} fv_range;

typedef enum fv_command_kind {
    FV_COMMAND_DISPATCH,
    FV_COMMAND_COPY,
    FV_COMMAND_FILL,
    FV_COMMAND_BARRIER, /* all earlier writes are seen by all later commands */
    FV_COMMAND_STAMP    /* the time when all earlier commands have ended */
} fv_command_kind;

typedef struct fv_dispatch {
    fv_kernel *kernel;
    fv_range bindings[FV_BINDINGS_MAX];
    uint32_t parameters[FV_PARAMETERS_MAX];
    uint32_t groups[3]; /* each at least 1 and within the limits */
} fv_dispatch;

typedef struct fv_copy { /* offsets and size are multiples of 4 unless both buffers are mappable */
    fv_range source, target;
} fv_copy;

typedef struct fv_fill { /* offset and size are multiples of 4 */
    fv_range target;
    uint32_t value;
} fv_fill;

typedef struct fv_command {
    fv_command_kind kind;
    union {
        fv_dispatch dispatch;
        fv_copy copy;
        fv_fill fill;
        uint32_t stamp; /* below FV_STAMPS_MAX */
    };
} fv_command;

/* ---- the interface ---------------------------------------------------------------------------------------- */

struct fv_backend {
    const char *name; /* the part of a device id before the colon */
    bool modules;     /* kernels come to it as SPIR-V: a tier needs modules in this build */

    /* Counts this backend's devices in *count and writes those that fit into infos[0 .. room). A machine without
     * the driver has none; that is no error. */
    fovea_status (*enumerate)(fv_host *host, fovea_device_info *infos, uint32_t room, uint32_t *count);

    /* Opens device number `index`. params: the caller's, complete (slots, threads, timeout_ms, ... are not 0). */
    fovea_status (*open)(fv_host *host, const fovea_device_params *params, uint32_t index, fv_device **out_device);
    void (*close)(fv_device *device); /* waits, within the timeout, first */

    fovea_status (*buffer_create)(fv_device *device, uint64_t size, fv_memory memory, fv_buffer **out_buffer);
    void (*buffer_destroy)(fv_buffer *buffer);
    /* Host access to a mappable buffer while no work uses it. unmap makes writes visible to the device,
     * map makes the device's writes visible to the host. */
    fovea_status (*buffer_map)(fv_buffer *buffer, uint64_t offset, uint64_t size, void **out_memory);
    void (*buffer_unmap)(fv_buffer *buffer, uint64_t offset, uint64_t size);

    fovea_status (*kernel_create)(fv_device *device, const fv_kernel_desc *desc, fv_kernel **out_kernel);
    void (*kernel_destroy)(fv_kernel *kernel);
    void (*kernel_stats)(fv_kernel *kernel, fv_kernel_stats *out_stats);

    /* Appends to the device's open list; copies what it needs. No allocation from the host's allocator, no wait. */
    fovea_status (*record)(fv_device *device, const fv_command *commands, uint32_t count);
    /* Marks a border of the open list where its submission is cut in two, so that a watchdog that times submissions
     * sees shorter ones. Best effort: a list has a fixed number of parts. NULL: no watchdog to fear. */
    fovea_status (*cut)(fv_device *device);
    /* Sends the open list; waits, within the timeout, only while all slots are in flight. */
    fovea_status (*submit)(fv_device *device);
    /* Waits, within the timeout, for all that was submitted. */
    fovea_status (*wait)(fv_device *device);
    /* Runs a list of its own at once and waits for it, within the timeout, without touching the open list. */
    /* After a TIMEOUT its buffers and kernels may be destroyed, which does not wait for the list either. */
    fovea_status (*execute)(fv_device *device, const fv_command *commands, uint32_t count);
    /* Reads stamps that were recorded, of work that is done: seconds of the device's own clock. TIMEOUT: not done yet.
     * NULL: caps.stamps is false. */
    fovea_status (*read_stamps)(fv_device *device, uint32_t first, uint32_t count, double *out_seconds);
    /* Whether the device is lost. Once true, always true; every call above then returns DEVICE_LOST. */
    bool (*lost)(const fv_device *device);

    /* Both or neither. NULL: no driver compiles this backend's kernels, and nothing of it is kept beyond the device.
     * cache_load comes at most once, before the first kernel_create: from now on what the driver makes of kernels is
     * gathered, beginning with the `size` bytes that cache_store of an earlier device gave; size 0: with nothing. False:
     * the bytes are not this device's, and were not used. */
    bool (*cache_load)(fv_device *device, const void *data, size_t size);
    /* The size of what was gathered; copies it to `data` where it fits into `room`. 0: no kernel was created since it
     * was last copied, nothing is gathered, or the driver failed. It may grow between two calls. */
    size_t (*cache_store)(fv_device *device, void *data, size_t room);
};

/* The compiled-in backends, the CPU first (registry.c). */
extern const fv_backend *const fv_backends[];
extern const uint32_t fv_backend_count;

#endif
