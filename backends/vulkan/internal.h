/* What the files of the Vulkan backend share, one section per file. */
#ifndef FV_VK_INTERNAL_H
#define FV_VK_INTERNAL_H

#include "backend.h"
#include "vkfuncs.h"

#include <pthread.h>
#include <stdatomic.h>

extern const fv_backend fv_backend_vulkan; /* backend.c */

/* ---- loader.c: the Vulkan loader, found at run time ------------------------------------------ */

typedef struct fv_vk_loader {
    void *library;
    PFN_vkGetInstanceProcAddr get;
    fv_vk_global_functions vk;
} fv_vk_loader;

/* Why a step failed, for the caller to log or to raise as an error. */
typedef struct fv_vk_reason {
    char text[320];
} fv_vk_reason;

fovea_status fv_vk_reason_set(fv_vk_reason *reason, fovea_status status, const char *format, ...) FV_PRINTF(3, 4);

fovea_status fv_vk_loader_open(fv_vk_loader *loader, fv_vk_reason *reason);
void fv_vk_loader_close(fv_vk_loader *loader);

/* ---- result.c -------------------------------------------------------------------------------- */

const char *fv_vk_result_name(VkResult result);
fovea_status fv_vk_result_status(VkResult result);

/* ---- instance.c ------------------------------------------------------------------------------ */

typedef struct fv_vk_instance {
    fv_host *host;
    fv_vk_loader loader;
    uint32_t api_version; /* at least 1.1 */
    VkInstance handle;
    VkDebugUtilsMessengerEXT messenger;
    fv_vk_instance_functions vk;
} fv_vk_instance;

/* validation: as in fovea_device_params. */
fovea_status fv_vk_instance_open(fv_vk_instance *instance, fv_host *host, uint32_t validation, fv_vk_reason *reason);
void fv_vk_instance_close(fv_vk_instance *instance); /* closes what is open */

/* ---- physical.c: what a physical device is --------------------------------------------------- */

enum { FV_VK_PHYSICAL_MAX = 64 };

typedef enum fv_vk_extension {
    FV_VK_PUSH_DESCRIPTOR,
    FV_VK_SUBGROUP_SIZE_CONTROL,
    FV_VK_FLOAT_CONTROLS,
    FV_VK_DRIVER_PROPERTIES,
    FV_VK_MAINTENANCE4,
    FV_VK_EXECUTABLE_PROPERTIES,
    FV_VK_PORTABILITY_SUBSET,
    FV_VK_CORES_AMD,
    FV_VK_CORES_NV,
    FV_VK_CORES_ARM,
    FV_VK_COOPERATIVE_MATRIX,
    FV_VK_FLOAT16_INT8,
    FV_VK_BFLOAT16,
    FV_VK_MEMORY_MODEL,
    FV_VK_MATRIX_NV,
    FV_VK_MATRIX_EXT,
    FV_VK_MATRIX_QCOM,
    FV_VK_EXTENSION_COUNT
} fv_vk_extension;

typedef struct fv_vk_physical {
    VkPhysicalDevice handle;
    uint32_t api_version; /* what may be used: the lower of the device's and the instance's */
    uint32_t queue_family;
    uint32_t stamp_bits;                /* of the queue family's clock; 0: none */
    bool listed[FV_VK_EXTENSION_COUNT]; /* extension strings of the device */
    VkPhysicalDeviceProperties properties;
    VkPhysicalDeviceMemoryProperties memory;
    VkPhysicalDeviceIDProperties ids;
    VkPhysicalDeviceSubgroupProperties subgroup;
    VkPhysicalDeviceMaintenance3Properties maintenance3;
    VkPhysicalDeviceMaintenance4Properties maintenance4;
    VkPhysicalDeviceDriverProperties driver;
    VkPhysicalDeviceFloatControlsProperties floats;
    VkPhysicalDeviceSubgroupSizeControlProperties sizes;
    VkPhysicalDevicePushDescriptorPropertiesKHR push;
    VkPhysicalDeviceShaderCorePropertiesAMD cores_amd;
    VkPhysicalDeviceShaderSMBuiltinsPropertiesNV cores_nv;
    VkPhysicalDeviceShaderCoreBuiltinsPropertiesARM cores_arm;
    VkPhysicalDeviceFeatures features;
    VkPhysicalDeviceSubgroupSizeControlFeatures size_control;
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR executables;
    VkPhysicalDeviceBufferDeviceAddressFeatures addresses;
    VkPhysicalDeviceCooperativeMatrixPropertiesKHR matrix_stages;
    /* Of kernels for the matrix unit; empty where those are not to run. */
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrix;
    VkPhysicalDeviceShaderFloat16Int8Features float16;
    VkPhysicalDeviceShaderBfloat16FeaturesKHR bfloat16;
    VkPhysicalDeviceVulkanMemoryModelFeatures memory_model;
    VkPhysicalDeviceCooperativeMatrix2FeaturesNV matrix_nv;
    /* Told, and not used yet. */
    VkPhysicalDeviceCooperativeMatrixMaintenance1FeaturesEXT matrix_ext;
    VkPhysicalDeviceCooperativeMatrixConversionFeaturesQCOM matrix_qcom;
    fovea_matrix_shape matrices[FOVEA_MATRICES_MAX]; /* what the matrix unit offers */
    uint32_t matrix_count;
    uint32_t matrix_features; /* what else it offers, as fovea_matrix_feature bits */
    bool matrices_fit;        /* the device has all that their kernels need */
    bool matrices_used;       /* it is enabled too */
} fv_vk_physical;

/* UNSUPPORTED with a reason: this device is passed over. */
fovea_status fv_vk_physical_query(const fv_vk_instance *instance, VkPhysicalDevice handle, fv_vk_physical *physical,
                                  fv_vk_reason *reason);
/* Whether what the extension brings is there, by its string or by the version that took it in. */
bool fv_vk_physical_has(const fv_vk_physical *physical, fv_vk_extension extension);
/* Whether a kernel may ask for a subgroup size and for full subgroups. */
bool fv_vk_physical_sizes_subgroups(const fv_vk_physical *physical);
/* The strings to enable at device creation. Returns their count; `names` has room for all. */
uint32_t fv_vk_physical_extensions(const fv_vk_physical *physical, const char *names[FV_VK_EXTENSION_COUNT]);
/* Handles of the machine's physical devices, unfiltered; room for FV_VK_PHYSICAL_MAX. */
fovea_status fv_vk_physical_list(const fv_vk_instance *instance, VkPhysicalDevice *handles, uint32_t *count,
                                 fv_vk_reason *reason);

/* ---- matrix.c: the matrix unit --------------------------------------------------------------- */

/* Asks for its shapes; the features are known. A driver that fails has none, unless for want of memory:
 * then a status with a reason. */
fovea_status fv_vk_matrices_query(const fv_vk_instance *instance, fv_vk_physical *physical, fv_vk_reason *reason);
/* Keeps what device creation must enable for it; without `wanted`, nothing. */
void fv_vk_matrices_choose(fv_vk_physical *physical, bool wanted);

/* ---- caps.c ---------------------------------------------------------------------------------- */

void fv_vk_caps_fill(const fv_vk_physical *physical, uint32_t index, fv_caps *caps);

/* ---- device.c -------------------------------------------------------------------------------- */

/* What a command list's commands refer to: descriptor sets, or push descriptors, and the stamps. Pools double in size; none is ever freed early.
 */
enum { FV_VK_POOLS_MAX = 16, FV_VK_POOL_SETS = 64 };

typedef struct fv_vk_sets {
    VkDevice device;
    const fv_vk_device_functions *vk;
    bool push;                 /* push descriptors: the pools stay empty */
    const VkQueryPool *stamps; /* the device's */
    VkDescriptorPool pools[FV_VK_POOLS_MAX];
    uint32_t current, used; /* the pool in use, and the sets taken from it */
} fv_vk_sets;

typedef enum fv_vk_list_state { FV_VK_LIST_IDLE, FV_VK_LIST_OPEN, FV_VK_LIST_IN_FLIGHT } fv_vk_list_state;

enum { FV_VK_PARTS_MAX = 32 }; /* of a list */

/* Command buffers with all that must live as long as it is in flight. */
typedef struct fv_vk_list {
    fv_vk_list_state state;
    fovea_status broken; /* a record failed half-way: the list is dropped, not sent */
    VkCommandPool pool;
    VkCommandBuffer parts[FV_VK_PARTS_MAX]; /* made when first needed; submitted in order */
    uint32_t part;                          /* the one that records */
    VkFence fence;
    fv_vk_sets sets;
    struct fv_vk_list *next; /* of the lists that outlived their execute */
} fv_vk_list;

enum { FV_VK_SLOTS_MAX = 16 };

struct fv_vk_device;

/* Part of an object that can be destroyed while a late list may still use it. */
typedef struct fv_vk_doomed {
    struct fv_vk_doomed *next;
    void *object; /* the beginning of its host memory */
    void (*release)(struct fv_vk_device *device, void *object);
} fv_vk_doomed;

typedef struct fv_vk_device {
    fv_device base;
    fv_vk_instance instance;
    fv_vk_physical physical;
    VkDevice handle;
    fv_vk_device_functions vk;
    VkQueue queue;
    bool push_descriptors;
    uint32_t timeout_ms;
    atomic_bool lost;
    VkPipelineCache pipelines;   /* NULL: nothing is gathered */
    atomic_uint pipelines_added; /* since its content was last copied */
    fv_vk_list slots[FV_VK_SLOTS_MAX];
    uint32_t slot_count, open; /* `open`: the slot that records next or now */
    pthread_mutex_t lock;      /* guards the queue */
    pthread_mutex_t late_lock; /* guards `late` and `doomed`, and is held while somebody waits for the lists */
    VkQueryPool stamps;        /* made when first needed */
    bool stamps_begun;         /* one was read: */
    uint64_t newest_ticks;     /* the newest of them, */
    double newest;             /* and its distance in ticks from the first */
    fv_vk_list *late;          /* lists of execute calls that ran into the timeout */
    fv_vk_doomed *doomed;      /* objects that were destroyed since; NULL where no list is late */
} fv_vk_device;

fovea_status fv_vk_device_open(fv_host *host, const fovea_device_params *params, uint32_t index,
                               fv_device **out_device);
void fv_vk_device_close(fv_device *device);
bool fv_vk_device_lost(const fv_device *device);
/* Raises "<what>: <name of the result>" with the result's status, and latches a lost device. */
fovea_status fv_vk_device_fail(fv_vk_device *device, VkResult result, const char *what);
/* OK, or the error that every call on a lost device gives. */
fovea_status fv_vk_device_check(fv_vk_device *device);

/* ---- memory.c -------------------------------------------------------------------------------- */

typedef struct fv_vk_memory {
    VkDeviceMemory handle;
    uint64_t size;        /* of the allocation */
    unsigned char *bytes; /* where it is mapped, for all its life; NULL: not mappable */
    bool coherent;
} fv_vk_memory;

fovea_status fv_vk_memory_create(fv_vk_device *device, const VkMemoryRequirements *needs, fv_memory use,
                                 fv_vk_memory *memory);
void fv_vk_memory_destroy(fv_vk_device *device, fv_vk_memory *memory);
/* After host writes (flush) and before host reads (invalidate); nothing to do in coherent memory. */
VkResult fv_vk_memory_flush(fv_vk_device *device, const fv_vk_memory *memory, uint64_t offset, uint64_t size);
VkResult fv_vk_memory_invalidate(fv_vk_device *device, const fv_vk_memory *memory, uint64_t offset, uint64_t size);

/* ---- buffer.c -------------------------------------------------------------------------------- */

typedef struct fv_vk_buffer {
    fv_buffer base;
    VkBuffer handle;
    fv_vk_memory memory;
    fv_vk_doomed doomed;
} fv_vk_buffer;

fovea_status fv_vk_buffer_create(fv_device *device, uint64_t size, fv_memory memory, fv_buffer **out_buffer);
void fv_vk_buffer_destroy(fv_buffer *buffer);
fovea_status fv_vk_buffer_map(fv_buffer *buffer, uint64_t offset, uint64_t size, void **out_memory);
void fv_vk_buffer_unmap(fv_buffer *buffer, uint64_t offset, uint64_t size);

/* ---- kernel.c, stats.c ----------------------------------------------------------------------- */

typedef struct fv_vk_kernel {
    fv_kernel base;
    VkDescriptorSetLayout set_layout;
    VkPipelineLayout layout;
    VkPipeline pipeline;
    fv_vk_doomed doomed;
} fv_vk_kernel;

fovea_status fv_vk_kernel_create(fv_device *device, const fv_kernel_desc *desc, fv_kernel **out_kernel);
void fv_vk_kernel_destroy(fv_kernel *kernel);
void fv_vk_kernel_stats(fv_kernel *kernel, fv_kernel_stats *out_stats);

/* ---- cache.c --------------------------------------------------------------------------------- */

bool fv_vk_cache_load(fv_device *device, const void *data, size_t size);
size_t fv_vk_cache_store(fv_device *device, void *data, size_t room);

/* ---- sets.c ---------------------------------------------------------------------------------- */

void fv_vk_sets_init(fv_vk_sets *sets, const fv_vk_device *device);
void fv_vk_sets_release(fv_vk_sets *sets);
VkResult fv_vk_sets_reset(fv_vk_sets *sets); /* none of its sets is in use any more */
/* Makes sure that `count` more sets can be taken. */
VkResult fv_vk_sets_reserve(fv_vk_sets *sets, uint32_t count);
VkResult fv_vk_sets_take(fv_vk_sets *sets, VkDescriptorSetLayout layout, VkDescriptorSet *out_set);

/* ---- record.c -------------------------------------------------------------------------------- */

/* Appends to any command buffer that is being recorded: the backend's own or a guest's. Only vkCmd* functions
 * and descriptor writes into `sets`, whose owner keeps them until the work is done. The commands neither
 * begin nor end with a barrier. On a failure (descriptor memory) the commands before the failing one are
 * recorded. */
VkResult fv_vk_record_commands(const fv_vk_device_functions *vk, VkCommandBuffer target, fv_vk_sets *sets,
                               const fv_command *commands, uint32_t count);
/* What the end of a submitted list needs: its writes are seen by the host and by later submissions. */
void fv_vk_record_end(const fv_vk_device_functions *vk, VkCommandBuffer target);

/* ---- list.c: one command buffer's life ------------------------------------------------------- */

fovea_status fv_vk_list_create(fv_vk_device *device, fv_vk_list *list);
void fv_vk_list_release(fv_vk_device *device, fv_vk_list *list);
fovea_status fv_vk_list_record(fv_vk_device *device, fv_vk_list *list, const fv_command *commands, uint32_t count);
/* Ends the part that records and begins the next one; does nothing where none is left or nothing was recorded. */
fovea_status fv_vk_list_cut(fv_vk_device *device, fv_vk_list *list);
fovea_status fv_vk_list_send(fv_vk_device *device, fv_vk_list *list);
/* Waits for `count` lists, at most FV_VK_SLOTS_MAX; those not in flight are done. */
fovea_status fv_vk_list_wait(fv_vk_device *device, fv_vk_list *lists, uint32_t count);
/* Asks without waiting; TIMEOUT while in flight. */
fovea_status fv_vk_list_poll(fv_vk_device *device, fv_vk_list *list);

/* ---- stamps.c -------------------------------------------------------------------------------- */

/* Makes the query pool where the commands have a stamp. */
VkResult fv_vk_stamps_ready(fv_vk_device *device, const fv_command *commands, uint32_t count);
fovea_status fv_vk_read_stamps(fv_device *device, uint32_t first, uint32_t count, double *out_seconds);

/* ---- submit.c -------------------------------------------------------------------------------- */

fovea_status fv_vk_record(fv_device *device, const fv_command *commands, uint32_t count);
fovea_status fv_vk_cut(fv_device *device);
fovea_status fv_vk_submit(fv_device *device);
fovea_status fv_vk_wait(fv_device *device);
fovea_status fv_vk_execute(fv_device *device, const fv_command *commands, uint32_t count);
/* Releases late lists that are done, and where none is left what was destroyed meanwhile; with `wait`, waits for them
 * first, for one timeout in all. The first failure, if any is left. Without `wait` it never blocks: where another thread
 * is at it, it leaves the lists to that one. */
fovea_status fv_vk_late_reap(fv_vk_device *device, bool wait);
/* Releases an object, by the function in its `doomed`: at once, or when the late lists are done. Waits for none: an
 * execute has done so for a whole timeout. */
void fv_vk_late_release(fv_vk_device *device, fv_vk_doomed *doomed);
/* Frees the host's memory of late lists and of what waits for them, where the device itself is left behind. */
void fv_vk_late_abandon(fv_vk_device *device);

#endif
