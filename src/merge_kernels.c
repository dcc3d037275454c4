/* Kernel descriptors of a merge. */
#include <string.h>

#include "merge.h"
#include "modules.h"
#include "util/math.h"

#include "abi/merge.h"

enum constant_id {
#define ID(id, name) CONSTANT_##name = id,
    MERGE_CONSTANTS(ID)
#undef ID
};

#define ONE_WORD(type, name) +4
enum {
    WEIGH_BYTES = 0 MERGE_WEIGH_PARAMS(ONE_WORD),
    SUM_BYTES = 0 MERGE_SUM_PARAMS(ONE_WORD),
};
#undef ONE_WORD

/* What differs between the two kernels. */
typedef struct kernel_row {
    const char *name, *module;
    uint32_t parameter_bytes, binding_count;
    fv_access access[FV_BINDINGS_MAX];
} kernel_row;

enum { WEIGH, SUM };
static const kernel_row kernel_rows[] = {
#define IN(binding, name)  [binding] = FV_READ,
#define OUT(binding, name) [binding] = FV_WRITE,
#define IO(binding, name)  [binding] = FV_READ_WRITE,
    [WEIGH] = {"merge_weigh", "merge_weigh.portable", WEIGH_BYTES, 4, {MERGE_WEIGH_BUFFERS(IN, OUT, IO)}},
    [SUM] = {"merge_sum", "merge_sum.portable", SUM_BYTES, 4, {MERGE_SUM_BUFFERS(IN, OUT, IO)}},
#undef IN
#undef OUT
#undef IO
};

/* Whether strides and the last extent are multiples of `elements`. */
static bool in_steps_of(const fovea_tensor *view, uint32_t elements)
{
    bool whole = view->extents[view->rank - 1] % elements == 0;
    for (uint32_t dim = 0; dim + 1 < view->rank; dim++)
        whole &= view->strides[dim] % elements == 0;
    return whole;
}

static fovea_status get_kernel(fovea_device *device, const uint32_t *constants, int which, fv_pipeline **out_pipeline)
{
    fovea_status status = FOVEA_OK;
    const kernel_row *row = &kernel_rows[which];
    const fovea_device_limits *limits = &device->limits;
    const bool native = device->driver->caps.native;
    fv_kernel_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.kernel = row->name;
    desc.module = row->module;
    desc.invocations = native ? 1 : MERGE_LANES;
    desc.parameter_bytes = row->parameter_bytes;
    desc.binding_count = row->binding_count;
    memcpy(desc.access, row->access, sizeof desc.access);
    memcpy(desc.constants, constants, sizeof desc.constants);
    desc.constants[SOFTMAX_INVOCATIONS_ID] = desc.invocations;
    desc.constant_count = FV_CONSTANTS_MAX;
    fv_require(&device->host,
               native || desc.invocations <= fv_min(limits->workgroup_invocations, limits->workgroup_size_x),
               FOVEA_UNSUPPORTED, "%s needs %u invocations a workgroup; this device allows %u", row->name,
               desc.invocations, (uint32_t)fv_min(limits->workgroup_invocations, limits->workgroup_size_x));
    fv_try(fv_pipeline_get(device, &desc, out_pipeline));
fail:
    return status;
}

static fovea_status get_weigh(fovea_device *device, const merge_shape *shape, fv_pipeline **out_pipeline)
{
    uint32_t constants[FV_CONSTANTS_MAX] = {0};
    constants[CONSTANT_OFFSETS] = shape->by_lse && shape->factors.rank != 0;
    constants[CONSTANT_LSE] = shape->lse.rank != 0;
    return get_kernel(device, constants, WEIGH, out_pipeline);
}

/* Of the pass over sources 2 * pass and, where there is one, the next. */
static fovea_status get_sum(fovea_device *device, const merge_shape *shape, uint32_t pass, fv_pipeline **out_pipeline)
{
    const uint32_t first = 2 * pass, second = first + 1 < shape->source_count ? first + 1 : first;
    const fovea_tensor *a = &shape->sources[first].o, *b = &shape->sources[second].o, *o = &shape->o;
    uint32_t constants[FV_CONSTANTS_MAX] = {0};
    constants[CONSTANT_DIM_V] = shape->dim_v;
    constants[CONSTANT_A_DTYPE] = a->dtype;
    constants[CONSTANT_B_DTYPE] = b->dtype;
    constants[CONSTANT_O_DTYPE] = o->dtype;
    constants[CONSTANT_A_WIDE] = in_steps_of(a, MERGE_COLUMNS);
    constants[CONSTANT_B_WIDE] = in_steps_of(b, MERGE_COLUMNS);
    constants[CONSTANT_O_WORDS] = o->dtype == FOVEA_F32 || in_steps_of(o, 2);
    return get_kernel(device, constants, SUM, out_pipeline);
}

void merge_kernels_release(fovea_device *device, merge_kernels *kernels)
{
    fv_pipeline_put(device, kernels->weigh);
    for (uint32_t pass = 0; pass < MERGE_PASSES_MAX; pass++)
        fv_pipeline_put(device, kernels->sums[pass]);
    memset(kernels, 0, sizeof *kernels);
}

fovea_status merge_kernels_init(fovea_device *device, const merge_shape *shape, merge_kernels *out_kernels)
{
    fovea_status status = FOVEA_OK;
    bool right = false;
    memset(out_kernels, 0, sizeof *out_kernels);
    pthread_mutex_lock(&device->lock);
    if (merge_weighs(shape))
        fv_try(get_weigh(device, shape, &out_kernels->weigh));
    for (uint32_t pass = 0; pass < merge_passes(shape); pass++)
        fv_try(get_sum(device, shape, pass, &out_kernels->sums[pass]));
    fv_try(merge_self_test(device, shape, out_kernels, &right));
    fv_require(&device->host, right, FOVEA_INTERNAL, "merge: its kernels' known-answer test gave a wrong result%s",
               out_kernels->sums[0]->cached ? " (cached)" : "");
fail:
    if (status != FOVEA_OK)
        merge_kernels_release(device, out_kernels);
    pthread_mutex_unlock(&device->lock);
    return status;
}
