/* Tiles that were measured on this device go before what the planner's table says. */
#include <string.h>

#include "cache.h"
#include "softmax.h"

enum { FIELDS = 21, WORDS = 17 };

/* What a tile is preferred for: kernels that meet the same roofs, under the same limits. */
static void class_of(const fovea_device *device, const softmax_shape *shape, bool few, uint32_t fields[FIELDS])
{
    const fovea_device_limits *limits = &device->limits;
    const uint32_t own[FIELDS] = {few,
                                  few ? shape->group : 0, /* tiles for few rows depend on it */
                                  shape->dim_qk,
                                  shape->dim_v,
                                  shape->q.dtype,
                                  shape->k.dtype,
                                  shape->v.dtype,
                                  shape->o.dtype,
                                  shape->causal,
                                  shape->left,
                                  shape->right,
                                  shape->cap_log2 > 0.0f,
                                  shape->operands,
                                  device->tier,
                                  limits->shared_memory,
                                  limits->workgroup_invocations,
                                  limits->workgroup_size_x,
                                  limits->subgroup_size_min,
                                  limits->subgroup_size_max,
                                  limits->storage_buffers,
                                  limits->loop_iterations};
    memcpy(fields, own, sizeof own);
}

static void words_of(const softmax_tile *tile, uint32_t words[WORDS])
{
    const uint32_t own[WORDS] = {tile->tier,     tile->lane_rows, tile->lane_cols,     tile->tm,       tile->tn,
                                 tile->tv,       tile->chunk,     tile->subgroup_size, tile->matrix.m, tile->matrix.n,
                                 tile->matrix.k, tile->v_step,    tile->v_turned,      tile->q_kept,   tile->polynomial,
                                 tile->converts, tile->parts};
    memcpy(words, own, sizeof own);
}

/* The place of the tile with these words; the list's count where it has none. */
static uint32_t find(const softmax_tile_list *list, const uint32_t wanted[WORDS])
{
    uint32_t words[WORDS], i = 0;
    for (; i < list->count; i++) {
        words_of(&list->tiles[i], words);
        if (memcmp(words, wanted, sizeof words) == 0)
            break;
    }
    return i;
}

void softmax_prefer_tuned(fovea_device *device, const softmax_shape *shape, bool few, const softmax_tile_list *all,
                          softmax_tile_list *list, fovea_op_report *report)
{
    uint32_t fields[FIELDS], wanted[WORDS];
    class_of(device, shape, few, fields);
    if (!fv_cache_recall_numbers(device, "softmax", fields, FIELDS, wanted, WORDS))
        return;
    const uint32_t own = find(list, wanted), any = find(all, wanted);
    if (any == all->count) {
        fv_log(&device->host, FOVEA_LOG_WARNING, "softmax: a tuning entry is not used: its tile is no candidate here");
        return;
    }
    const softmax_tile tile = own < list->count ? list->tiles[own] : all->tiles[any];
    list->count += own == list->count; /* there is room: the list is a part of all that lacks one */
    memmove(&list->tiles[1], &list->tiles[0], own * sizeof tile);
    list->tiles[0] = tile;
    fv_note(report, "tile %u goes first for %s rows: it was preferred on this device", tile.index,
            few ? "few" : "many");
}

void softmax_keep_tuned(fovea_device *device, const softmax_shape *shape, bool few, const softmax_tile *tile)
{
    uint32_t fields[FIELDS], words[WORDS];
    class_of(device, shape, few, fields);
    words_of(tile, words);
    fv_cache_remember_numbers(device, "softmax", fields, FIELDS, words, WORDS);
}
