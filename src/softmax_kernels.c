/* Kernel descriptors of softmax attention, and the choice of the best tile that passes its test. */
#include <stdio.h>
#include <string.h>

#include "modules.h"
#include "softmax.h"
#include "util/math.h"

#include "abi/softmax.h"

enum constant_id {
#define ID(id, name) CONSTANT_##name = id,
    SOFTMAX_CONSTANTS(ID)
#undef ID
};

#define ONE_WORD(type, name) +4
enum {
    DIRECT_BYTES = 0 SOFTMAX_DIRECT_PARAMS(ONE_WORD),
    STATE_BYTES = 0 SOFTMAX_STATE_PARAMS(ONE_WORD),
    FINISH_BYTES = 0 SOFTMAX_FINISH_PARAMS(ONE_WORD),
};
#undef ONE_WORD

/* What differs between the three kernels. */
typedef struct kernel_row {
    const char *name;
    bool has_micro_tile; /* its module depends on tier and micro-tile */
    uint32_t parameter_bytes, binding_count;
    fv_access access[FV_BINDINGS_MAX];
} kernel_row;

enum { DIRECT, STATE, FINISH };
static const kernel_row kernel_rows[] = {
#define IN(binding, name)  [binding] = FV_READ,
#define OUT(binding, name) [binding] = FV_WRITE,
#define IO(binding, name)  [binding] = FV_READ_WRITE,
    [DIRECT] = {"softmax_direct", true, DIRECT_BYTES, SOFTMAX_DIRECT_BINDINGS, {SOFTMAX_DIRECT_BUFFERS(IN, OUT, IO)}},
    [STATE] = {"softmax_state", true, STATE_BYTES, 4, {SOFTMAX_STATE_BUFFERS(IN, OUT, IO)}},
    [FINISH] = {"softmax_finish", false, FINISH_BYTES, 4, {SOFTMAX_FINISH_BUFFERS(IN, OUT, IO)}},
#undef IN
#undef OUT
#undef IO
};

static bool in_steps_of(const fovea_tensor *view, uint32_t elements)
{
    return view->extents[3] % elements == 0 && view->strides[0] % elements == 0 && view->strides[1] % elements == 0 &&
           view->strides[2] % elements == 0;
}

/* Whether rows can be read 4 elements at once, in the matrix tier 8. */
static uint32_t wide(const fovea_tensor *view, const softmax_tile *tile)
{
    return in_steps_of(view, tile->matrix.m > 0 ? 8 : 4);
}

static uint32_t whole_words(const fovea_tensor *view)
{
    return view->dtype == FOVEA_F32 || (view->extents[3] % 2 == 0 && view->strides[0] % 2 == 0 &&
                                        view->strides[1] % 2 == 0 && view->strides[2] % 2 == 0);
}

/* Room for what native matrix kernels pack: a run's keys, or those of a known-answer test, and the units whose work items
 * share what is packed. */
static void fill_panels(const softmax_shape *shape, const softmax_tile *tile, fv_kernel_desc *desc)
{
    const bool shared = (uint64_t)shape->seq_q_max * shape->group > softmax_rows(tile);
    desc->constants[SOFTMAX_PANEL_KEYS_ID] = (uint32_t)fv_max(shape->seq_k_max, 2 * softmax_keys(tile));
    desc->constants[SOFTMAX_PANEL_UNITS_ID] = shared ? shape->units : 0;
}

static void fill_constants(const softmax_shape *shape, const softmax_tile *tile, fv_kernel_desc *desc)
{
    uint32_t *constants = desc->constants;
    constants[CONSTANT_LANE_ROWS] = tile->lane_rows;
    constants[CONSTANT_LANE_COLS] = tile->lane_cols;
    constants[CONSTANT_TM] = tile->tm;
    constants[CONSTANT_TN] = tile->tn;
    constants[CONSTANT_TV] = tile->tv;
    constants[CONSTANT_CHUNK] = tile->chunk;
    constants[CONSTANT_DIM_QK] = shape->dim_qk;
    constants[CONSTANT_DIM_V] = shape->dim_v;
    constants[CONSTANT_Q_DTYPE] = shape->q.dtype;
    constants[CONSTANT_K_DTYPE] = shape->k.dtype;
    constants[CONSTANT_V_DTYPE] = shape->v.dtype;
    constants[CONSTANT_O_DTYPE] = shape->o.dtype;
    constants[CONSTANT_Q_WIDE] = wide(&shape->q, tile);
    constants[CONSTANT_K_WIDE] = wide(&shape->k, tile);
    constants[CONSTANT_V_WIDE] = wide(&shape->v, tile);
    constants[CONSTANT_O_WORDS] = whole_words(&shape->o);
    constants[CONSTANT_CAUSAL] = shape->causal;
    constants[CONSTANT_LSE] = shape->lse_wanted;
    constants[CONSTANT_SUBGROUP] = tile->subgroup_size;
    constants[CONSTANT_SUMS] = softmax_sums(tile);
    constants[CONSTANT_V_STEP] = tile->v_step;
    constants[CONSTANT_V_TURNED] = tile->v_turned;
    constants[CONSTANT_Q_KEPT] = tile->q_kept;
    constants[CONSTANT_POLYNOMIAL] = tile->polynomial;
    constants[CONSTANT_MATRIX_M] = tile->matrix.m;
    constants[CONSTANT_MATRIX_N] = tile->matrix.n;
    constants[CONSTANT_MATRIX_K] = tile->matrix.k;
    constants[CONSTANT_OPERAND_PARTS] = tile->parts;
    constants[CONSTANT_LEFT] = shape->left;
    constants[CONSTANT_RIGHT] = shape->right;
    memcpy(&constants[CONSTANT_CAP], &shape->cap_log2, sizeof shape->cap_log2);
    constants[SOFTMAX_INVOCATIONS_ID] = desc->invocations;
    desc->constant_count = FV_CONSTANTS_MAX;
}

/* The module table's own copy of a name; native kernels have no module and go by the kernel's name. */
static const char *module_name(const kernel_row *row, const softmax_tile *tile)
{
    char name[96];
    if (row->has_micro_tile && tile->matrix.m > 0)
        snprintf(name, sizeof name, "%s.%s%s.%s", row->name, fovea_dtype_name(tile->matrix.operand),
                 tile->converts ? ".nv2" : "", fovea_tier_name(tile->tier));
    else if (row->has_micro_tile)
        snprintf(name, sizeof name, "%s.%ux%ux%u.%s", row->name, tile->tm, tile->tn, tile->tv,
                 fovea_tier_name(tile->tier));
    else
        snprintf(name, sizeof name, "%s.%s", row->name, fovea_tier_name(FOVEA_TIER_PORTABLE));
    for (uint32_t i = 0; i < fv_module_count; i++)
        if (strcmp(fv_modules[i].name, name) == 0)
            return fv_modules[i].name;
    return row->name;
}

static void forget_inputs(fv_kernel_desc *desc)
{
    static const uint8_t unused[] = {CONSTANT_CHUNK,         CONSTANT_DIM_QK,   CONSTANT_Q_DTYPE,  CONSTANT_K_DTYPE,
                                     CONSTANT_V_DTYPE,       CONSTANT_Q_WIDE,   CONSTANT_K_WIDE,   CONSTANT_V_WIDE,
                                     CONSTANT_SUBGROUP,      CONSTANT_V_STEP,   CONSTANT_V_TURNED, CONSTANT_Q_KEPT,
                                     CONSTANT_POLYNOMIAL,    CONSTANT_MATRIX_M, CONSTANT_MATRIX_N, CONSTANT_MATRIX_K,
                                     CONSTANT_OPERAND_PARTS, CONSTANT_LEFT,     CONSTANT_CAP,      CONSTANT_RIGHT};
    for (uint32_t i = 0; i < sizeof unused / sizeof unused[0]; i++)
        desc->constants[unused[i]] = 0;
}

static fovea_status get_kernel(fovea_device *device, const softmax_shape *shape, const softmax_tile *tile, int which,
                               fv_pipeline **out_pipeline)
{
    const kernel_row *row = &kernel_rows[which];
    const bool native = device->driver->caps.native;
    fv_kernel_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.kernel = row->name;
    desc.module = module_name(row, tile);
    desc.invocations = native ? 1 : row->has_micro_tile ? softmax_invocations(tile) : SOFTMAX_FINISH_LANES;
    desc.subgroup_size = row->has_micro_tile ? tile->subgroup_size : 0;
    desc.parameter_bytes = row->parameter_bytes;
    desc.binding_count = row->binding_count;
    memcpy(desc.access, row->access, sizeof desc.access);
    fill_constants(shape, tile, &desc);
    if (native && row->has_micro_tile && tile->tier == FOVEA_TIER_MATRIX)
        fill_panels(shape, tile, &desc);
    if (which == FINISH) /* shared by ops that differ in what it does not use */
        forget_inputs(&desc);
    if (!native && desc.invocations > fv_min(device->limits.workgroup_invocations, device->limits.workgroup_size_x))
        return fv_fail(&device->host, FOVEA_UNSUPPORTED, "%s needs %u invocations a workgroup; this device allows %u",
                       desc.module, desc.invocations,
                       (uint32_t)fv_min(device->limits.workgroup_invocations, device->limits.workgroup_size_x));
    return fv_pipeline_get(device, &desc, out_pipeline);
}

void softmax_variant_release(fovea_device *device, softmax_variant *variant)
{
    fv_pipeline_put(device, variant->direct);
    fv_pipeline_put(device, variant->state);
    fv_pipeline_put(device, variant->finish);
    variant->direct = variant->state = variant->finish = NULL;
}

/* Creates and tests the kernels of one tile. */
static fovea_status try_tile(fovea_device *device, const softmax_shape *shape, bool state_needed,
                             softmax_variant *variant, softmax_verdict *out_verdict)
{
    fovea_status status = FOVEA_OK;
    if (device->limits.storage_buffers >= kernel_rows[DIRECT].binding_count)
        fv_try(get_kernel(device, shape, &variant->tile, DIRECT, &variant->direct));
    if (state_needed) { /* asked here, for a verdict of the cache runs no test that would bind it */
        fv_require(&device->host, softmax_slot_bytes(&variant->tile) <= device->limits.storage_range, FOVEA_UNSUPPORTED,
                   "softmax: a carried state of %llu bytes, one binding of this device holds %llu",
                   (unsigned long long)softmax_slot_bytes(&variant->tile),
                   (unsigned long long)device->limits.storage_range);
        fv_try(get_kernel(device, shape, &variant->tile, STATE, &variant->state));
        fv_try(get_kernel(device, shape, &variant->tile, FINISH, &variant->finish));
    }
    fv_try(softmax_self_test(device, shape, variant, out_verdict));
fail:
    return status;
}

/* A failure that another tile may not have. */
static bool worth_another(fovea_status status)
{
    return status == FOVEA_COMPILE_FAILED || status == FOVEA_UNSUPPORTED || status == FOVEA_INTERNAL;
}

static const char *refusal(fovea_status status, softmax_verdict verdict)
{
    if (status != FOVEA_OK)
        return fovea_status_name(status);
    return verdict == SOFTMAX_WRONG_CACHED ? "its known-answer test gave a wrong result (cached)"
                                           : "its known-answer test gave a wrong result";
}

fovea_status softmax_variant_init(fovea_device *device, const softmax_shape *shape, const softmax_tile_list *list,
                                  bool state_needed, softmax_variant *out_variant, fovea_op_report *report)
{
    fovea_status status = FOVEA_UNSUPPORTED;
    pthread_mutex_lock(&device->lock);
    for (uint32_t i = 0; i < list->count; i++) {
        const softmax_tile *tile = &list->tiles[i];
        softmax_verdict verdict = SOFTMAX_WRONG;
        *out_variant = (softmax_variant){.tile = *tile};
        status = try_tile(device, shape, state_needed, out_variant, &verdict);
        if (status == FOVEA_OK && verdict == SOFTMAX_RIGHT)
            break;
        softmax_variant_release(device, out_variant);
        const char *reason = refusal(status, verdict);
        fv_note(report, "tile %u (%s, %ux%ux%u) refused: %s", tile->index, fovea_tier_name(tile->tier), tile->tm,
                tile->tn, tile->tv, reason);
        fv_log(&device->host, FOVEA_LOG_WARNING, "softmax: tile %u of the %s tier refused: %s", tile->index,
               fovea_tier_name(tile->tier), reason);
        if (status != FOVEA_OK && !worth_another(status))
            break;
        if (status == FOVEA_OK)
            status =
                fv_fail(&device->host, FOVEA_INTERNAL, "softmax: no tile passed its known-answer test: %s", reason);
    }
    pthread_mutex_unlock(&device->lock);
    return status;
}
