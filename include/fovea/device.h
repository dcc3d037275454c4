/* Tier 1: devices. Find one, open one, ask what it can do, submit to it and wait for it.
 *
 * Thread safety of fovea_device: run, submit, wait, stamp, get_stamps, measure, upload and download of one device from
 * one thread at a time; create, destroy, explain and report of its children may run beside them on other threads.
 * Two devices share nothing.
 */
#ifndef FOVEA_DEVICE_H
#define FOVEA_DEVICE_H

#include <fovea/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fovea_device fovea_device;

/* How a kernel reaches the hardware, slowest first. A tier is chosen by capability, never by vendor. */
typedef enum fovea_tier {
    FOVEA_TIER_DEFAULT = 0, /* in a descriptor: any */
    FOVEA_TIER_PORTABLE,    /* no subgroup operation; 16 KiB of shared memory, 128 invocations suffice */
    FOVEA_TIER_SUBGROUP,    /* subgroup shuffles; on the CPU: vector code for an extended instruction set */
    FOVEA_TIER_MATRIX       /* matrix units */
} fovea_tier;

/* The name of a tier, such as "subgroup". Static storage; never NULL. */
FOVEA_API const char *fovea_tier_name(fovea_tier tier);

typedef enum fovea_device_kind {
    FOVEA_DEVICE_OTHER = 0,
    FOVEA_DEVICE_CPU,        /* the CPU itself, or a software driver on it */
    FOVEA_DEVICE_INTEGRATED, /* shares memory with the CPU */
    FOVEA_DEVICE_DISCRETE,
    FOVEA_DEVICE_VIRTUAL
} fovea_device_kind;

/* Limits that the planner obeys. In fovea_device_params a nonzero value clamps the device's own down;
 * it never raises it. Sizes in bytes unless the name says otherwise. */
typedef struct fovea_device_limits {
    uint32_t shared_memory;         /* per workgroup */
    uint32_t workgroup_invocations; /* total */
    uint32_t workgroup_size_x;
    uint32_t group_count_x, group_count_y, group_count_z; /* workgroups per dispatch and axis */
    uint32_t storage_buffers;                             /* storage buffers bound to one kernel */
    uint32_t storage_offset_alignment;                    /* clamping raises this one: the larger value holds */
    uint64_t storage_range;                               /* bytes of one storage buffer binding */
    uint32_t parameter_bytes;                             /* push constants */
    uint32_t subgroup_size_min, subgroup_size_max;        /* 0: no subgroup operations */
    uint32_t loop_iterations; /* in one invocation, over all its loops; FOVEA_UNBOUNDED: no such limit */
    uint32_t compute_units;   /* workgroups that run at once at the least; 0: unknown */
    uint32_t reserved[9];
} fovea_device_limits;

/* The most shapes of a matrix unit that are told. */
#define FOVEA_MATRICES_MAX 8

/* A shape in which a matrix unit multiplies: sums of m x n, in float32, plus m x k times k x n of `operand`. */
typedef struct fovea_matrix_shape {
    uint32_t m, n, k;
    fovea_dtype operand; /* FOVEA_F16 or FOVEA_BF16 */
} fovea_matrix_shape;

/* What else the matrix unit of a Vulkan device can do, as bits; kernels use NV_CONVERSIONS. By the extension that
 * brings it: VK_NV_cooperative_matrix2, VK_EXT_cooperative_matrix_maintenance1,
 * VK_QCOM_cooperative_matrix_conversion. */
typedef enum fovea_matrix_feature {
    FOVEA_MATRIX_NV_WORKGROUP_SCOPE = 1 << 0, /* matrices of a workgroup */
    FOVEA_MATRIX_NV_FLEXIBLE_DIMENSIONS = 1 << 1,
    FOVEA_MATRIX_NV_REDUCTIONS = 1 << 2,
    FOVEA_MATRIX_NV_CONVERSIONS = 1 << 3, /* between types and between operands and sums, in registers */
    FOVEA_MATRIX_NV_PER_ELEMENT = 1 << 4, /* a function of each element, its row and its column */
    FOVEA_MATRIX_NV_TENSOR_ADDRESSING = 1 << 5,
    FOVEA_MATRIX_NV_BLOCK_LOADS = 1 << 6,
    FOVEA_MATRIX_EXT_PROPERTIES_2 = 1 << 8, /* shapes told per subgroup size */
    FOVEA_MATRIX_EXT_REDUCTIONS = 1 << 9,
    FOVEA_MATRIX_EXT_CONVERSIONS = 1 << 10,
    FOVEA_MATRIX_EXT_PER_ELEMENT = 1 << 11,
    FOVEA_MATRIX_EXT_COORDINATES = 1 << 12, /* row and column of a component */
    FOVEA_MATRIX_QCOM_CONVERSION = 1 << 16
} fovea_matrix_feature;

/* One device of this machine. Strings are UTF-8, terminated, cut to fit. */
typedef struct fovea_device_info {
    char id[32];           /* what fovea_device_params.device takes: "cpu", "vulkan:0" */
    char name[256];        /* the device's own name */
    char driver[64];       /* such as "llvmpipe", "SwiftShader driver", "radv" */
    char driver_info[256]; /* the driver's own version text */
    fovea_device_kind kind;
    uint32_t vendor_id, device_id; /* PCI ids where there are such; else 0 */
    uint32_t api_version;          /* Vulkan: as VK_MAKE_API_VERSION packs it; else 0 */
    uint32_t driver_version;       /* the driver's own packing */
    uint32_t driver_id;            /* Vulkan: VkDriverId; 0 unknown */
    fovea_tier tier;               /* the best tier that the hardware offers and this build has kernels for */
    fovea_matrix_shape matrices[FOVEA_MATRICES_MAX]; /* what its matrix unit offers, kernels or not */
    uint32_t matrix_count;
    uint32_t matrix_features; /* fovea_matrix_feature bits */
    uint32_t reserved[8];
} fovea_device_info;

typedef struct fovea_device_params {
    const char *device; /* an id of fovea_device_enumerate; "vulkan" means "vulkan:0"; NULL means "cpu" */
    fovea_allocator allocator;
    fovea_log log;
    fovea_cache cache;            /* both functions NULL: nothing is kept */
    fovea_device_limits limits;   /* clamp the device's limits down, for tests and for sharing a device */
    fovea_tier max_tier;          /* use no tier above it; DEFAULT: all. On a CPU with AMX the matrix tier asks
                                     Linux for tile registers, which enlarge this process' signal frames. */
    uint32_t threads;             /* CPU: threads that compute, the caller's included; 0: one per core */
    uint32_t slots;               /* command buffers in flight; 0: 3; at most 16 */
    uint32_t timeout_ms;          /* of every wait; 0: 60,000 */
    uint32_t compile_at_run_time; /* nonzero: compile kernels from their texts, not from embedded SPIR-V */
    uint32_t validation;          /* nonzero: Vulkan's validation layer with synchronization checks, into
                                     the log; 2: GPU-assisted checks too. UNSUPPORTED without the layer. */
    uint32_t reserved[10];
} fovea_device_params;

/* Lists the devices of this machine in a stable order, the CPU first.
 *
 * params: allocator and log are used, the rest is ignored; NULL: defaults. Borrowed.
 * infos: room for *count entries, or NULL to learn the number alone. Caller's.
 * count: in: room in `infos`; out: devices found (written up to the room).
 * A backend without a driver adds no entry; that is no error. Blocks while drivers load.
 * Errors: INVALID (count NULL, reserved not zero), OUT_OF_HOST_MEMORY. */
FOVEA_API fovea_status fovea_device_enumerate(const fovea_device_params *params, fovea_device_info *infos,
                                              uint32_t *count);

/* Opens a device.
 *
 * params: NULL: the CPU with defaults. Borrowed.
 * out_device: the handle; the caller's, until fovea_device_destroy.
 * Blocks while the driver loads. The reason of a failure goes to params->log, for there is no device yet to ask.
 * Errors: INVALID, NO_DEVICE, UNSUPPORTED (the device lacks Vulkan 1.1, or a clamp leaves no legal device),
 * OUT_OF_HOST_MEMORY, OUT_OF_DEVICE_MEMORY, INTERNAL. */
FOVEA_API fovea_status fovea_device_open(const fovea_device_params *params, fovea_device **out_device);

/* Waits for the device's work, within its timeout, and releases it. Ops and buffers of the device must be
 * destroyed before. NULL is ignored. */
FOVEA_API void fovea_device_destroy(fovea_device *device);

/* What the device is. Does not block. Errors: INVALID (NULL). */
FOVEA_API fovea_status fovea_device_get_info(const fovea_device *device, fovea_device_info *out_info);

/* The limits in force, clamps included. Does not block. Errors: INVALID (NULL). */
FOVEA_API fovea_status fovea_device_get_limits(const fovea_device *device, fovea_device_limits *out_limits);

/* Sends what was recorded since the last submit. Does nothing where nothing was recorded.
 * Blocks only while all slots are in flight, with the device's timeout; on the CPU, until the work is done.
 * Errors: DEVICE_LOST, TIMEOUT, OUT_OF_HOST_MEMORY, OUT_OF_DEVICE_MEMORY. */
FOVEA_API fovea_status fovea_device_submit(fovea_device *device);

/* Submits, then blocks until all work of the device is done or its timeout has passed.
 * Errors: those of fovea_device_submit. */
FOVEA_API fovea_status fovea_device_wait(fovea_device *device);

/* Time stamps of a device: indices 0 to FOVEA_STAMPS - 1. */
#define FOVEA_STAMPS 32

/* Records time stamp `index` behind the work recorded so far: the moment when all of it has ended. Recorded again, it
 * replaces the older one. Blocks no more than fovea_op_run. Errors: INVALID (NULL, index), UNSUPPORTED (the device
 * keeps no time), those of fovea_op_run, OUT_OF_HOST_MEMORY. */
FOVEA_API fovea_status fovea_device_stamp(fovea_device *device, uint32_t index);

/* Reads `count` time stamps from `first` on, in seconds of the device's own clock: differences alone mean something.
 *
 * out_seconds: room for `count` values; the caller's.
 * Submits and waits first. Errors: INVALID (NULL, a stamp that was never recorded), UNSUPPORTED, those of
 * fovea_device_wait. */
FOVEA_API fovea_status fovea_device_get_stamps(fovea_device *device, uint32_t first, uint32_t count,
                                               double *out_seconds);

/* What fovea_device_measure measures. Each rate is the best that kernels of this library could reach here. */
typedef enum fovea_rate {
    FOVEA_RATE_FMA_F32 = 0, /* FLOP/s: float32 multiply-adds, 2 each, operands in registers */
    FOVEA_RATE_FMA_F16,     /* FLOP/s: float32 multiply-adds whose operands are unpacked from f16, 8 x 8 a tile */
    FOVEA_RATE_FMA_BF16,    /* FLOP/s: the same from bf16 */
    FOVEA_RATE_EXP2,        /* 1/s: exp2 of float32, as the kernels compute it */
    FOVEA_RATE_SHARED,      /* bytes/s read from shared memory, 16 at once; CPU: from the first cache */
    FOVEA_RATE_COPY,        /* bytes/s read plus bytes/s written, from device memory to device memory */
    FOVEA_RATE_DISPATCH,    /* s: one more dispatch of nothing */
    FOVEA_RATE_BARRIER,     /* s: one more barrier between two dispatches */
    FOVEA_RATE_SUBMIT,      /* s: submit and wait for one dispatch of nothing, on the host's clock */
    FOVEA_RATE_MATRIX_F16,  /* FLOP/s of the matrix unit: f16 operands, f32 accumulators */
    FOVEA_RATE_MATRIX_BF16, /* FLOP/s of the matrix unit: bf16 operands, f32 accumulators */
    FOVEA_RATE_COUNT
} fovea_rate;

/* The name of a rate, such as "fma_f32". Static storage; never NULL, whatever the value. */
FOVEA_API const char *fovea_rate_name(fovea_rate rate);

/* Measures one rate by a kernel of its own, whose results are checked: the best of several runs of some milliseconds,
 * on the device's clock where it keeps time, else on the host's. Work of this device that runs beside it shows in the
 * figure.
 *
 * out_value: in the unit that fovea_rate says; the caller's.
 * Blocks for a second or so, on slow devices for some, and while kernels compile. Errors: INVALID (NULL, no such rate),
 * UNSUPPORTED (the device's limits hold no such kernel, it has no such matrix unit, or max_tier forbids it), INTERNAL
 * (a result was wrong), COMPILE_FAILED, those of fovea_device_wait. */
FOVEA_API fovea_status fovea_device_measure(fovea_device *device, fovea_rate rate, double *out_value);

/* Copies the message of the last call that failed on this device or on its children into `text`
 * (`size` bytes, terminated, cut to fit). "" where none failed. Does not block.
 * Returns the length that the whole message has, as snprintf does; 0 for a NULL device. */
FOVEA_API size_t fovea_last_error(const fovea_device *device, char *text, size_t size);

#ifdef __cplusplus
}
#endif

#endif
