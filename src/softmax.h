/* Softmax attention inside the front end: shape, tiles, cuts, kernels. */
#ifndef FV_SOFTMAX_H
#define FV_SOFTMAX_H

#include <fovea/softmax.h>

#include "kernels.h"
#include "op.h"

/* ---- what is asked: the descriptor, checked and completed -------------------------------------------------- */

typedef struct softmax_shape {
    fovea_tensor q, k, v, o, lse, sinks; /* with explicit strides; lse.rank, sinks.rank 0: none */
    uint32_t batch, heads, dim_qk, dim_v;
    uint32_t group;            /* query heads that share one k head and one v head */
    uint32_t k_ratio, v_ratio; /* query heads per k head, per v head */
    uint32_t units;            /* batch * heads / group */
    uint32_t seq_q_max, seq_k_max;
    bool causal, top_left, lse_wanted;
    uint32_t left, right; /* of a query's position, keys that it sees; or FOVEA_UNBOUNDED */
    float scale_log2;     /* scale * log2(e) */
    float cap_log2;       /* soft_cap * log2(e); 0: none */
    double budget_s;      /* of one dispatch; HUGE_VAL: none */
    uint32_t split_count;
    fovea_tier min_tier;
    uint32_t tile; /* 0: the planner's choice */
    fovea_operands operands;
} softmax_shape;

fovea_status softmax_shape_init(fovea_device *device, const fovea_softmax_params *params, softmax_shape *out_shape);

/* ---- tiles --------------------------------------------------------------------------------------------------- */

typedef struct softmax_tile {
    fovea_tier tier;
    uint32_t lane_rows, lane_cols, tm, tn, tv;
    uint32_t chunk;         /* head dims staged at once */
    uint32_t subgroup_size; /* 0 in the portable tier */
    fv_matrix matrix;       /* kernels in the matrix tier, as the rest: lane_rows x lane_cols are subgroups there */
    uint32_t v_step;        /* keys of V staged at once */
    uint32_t v_turned;      /* V is staged with the keys of a column adjacent */
    uint32_t q_kept;        /* Q stays in registers */
    uint32_t polynomial;    /* of four exponentials, so many by multiply-adds */
    uint32_t converts;      /* P becomes an operand in registers: FOVEA_MATRIX_NV_CONVERSIONS */
    uint32_t parts;         /* of an operand: 1, or 2 of f16 that make a float32; kernels in the matrix tier alone */
    uint32_t index;         /* among the candidates of a descriptor */
} softmax_tile;

enum { SOFTMAX_TILES_MAX = 32 };

typedef struct softmax_tile_list {
    softmax_tile tiles[SOFTMAX_TILES_MAX];
    uint32_t count;
} softmax_tile_list;

static inline uint32_t softmax_rows(const softmax_tile *tile)
{
    return tile->lane_rows * tile->tm;
}

static inline uint32_t softmax_keys(const softmax_tile *tile)
{
    return tile->lane_cols * tile->tn;
}

static inline uint32_t softmax_cols(const softmax_tile *tile)
{
    return tile->lane_cols * tile->tv;
}

/* Invocations of a workgroup. */
static inline uint32_t softmax_invocations(const softmax_tile *tile)
{
    return tile->lane_rows * tile->lane_cols * (tile->matrix.m > 0 ? tile->subgroup_size : 1);
}

/* Parts of a row's sum in a carried state. */
static inline uint32_t softmax_sums(const softmax_tile *tile)
{
    return tile->matrix.m > 0 ? tile->lane_cols * tile->matrix.n : 1;
}

/* Products of matrices for one of numbers. */
static inline uint32_t softmax_products(const softmax_tile *tile)
{
    return tile->parts == 2 ? 3 : 1;
}

/* The type that a matrix unit multiplies in kernels of this tile, which is one of the matrix tier. */
static inline fovea_dtype softmax_operand(const softmax_tile *tile)
{
    return tile->matrix.m > 0 ? tile->matrix.operand : FOVEA_BF16; /* native kernels have no other */
}

/* Adds the tiles of the matrix tier to the list, best first. Notes why there are none. */
void softmax_matrix_tiles(const fovea_device *device, const softmax_shape *shape, softmax_tile_list *list,
                          fovea_op_report *report);

/* The subgroup size that kernels are planned for; 0: no subgroup operations. Where a driver may choose among several sizes
 * and cannot be told which, none is safe. */
uint32_t softmax_planned_subgroup(const fovea_device *device);

uint32_t softmax_matrix_shared_bytes(const softmax_tile *tile);

/* All tiles that this device can run, best first. `few`: the best for at most a handful of rows come first.
 * Notes why better ones are refused. */
softmax_tile_list softmax_tiles(const fovea_device *device, const softmax_shape *shape, bool few,
                                fovea_op_report *report);

uint32_t softmax_shared_bytes(const softmax_tile *tile);

/* How many rows of a unit are few: those of the planner's own first tile for few rows, whichever is preferred. */
uint32_t softmax_few_limit(const fovea_device *device, const softmax_shape *shape);

/* Whether runs up to the maxima all have few rows. */
static inline bool softmax_few_rows(const fovea_device *device, const softmax_shape *shape)
{
    return (uint64_t)shape->seq_q_max * shape->group <= softmax_few_limit(device, shape);
}

/* Puts the tile that was preferred for such a shape on this device first in `list`, a part of `all` candidates, if it is
 * any of them. */
void softmax_prefer_tuned(fovea_device *device, const softmax_shape *shape, bool few, const softmax_tile_list *all,
                          softmax_tile_list *list, fovea_op_report *report);
/* Keeps a tile as the preferred one. */
void softmax_keep_tuned(fovea_device *device, const softmax_shape *shape, bool few, const softmax_tile *tile);

/* ---- cuts: how a run of given sizes becomes dispatches --------------------------------------------------------- */

typedef struct softmax_cut {
    uint64_t rows;      /* seq_q * group */
    uint64_t row_tiles; /* of a unit */
    uint64_t items;     /* units * column blocks * row tiles */
    uint32_t blocks;    /* column blocks */
    uint32_t key_tiles; /* in the longest list */
    uint32_t splits, split_tiles;
    uint32_t slice_tiles; /* key tiles of one dispatch, of each split */
    uint64_t slice_items; /* items of one dispatch */
    bool direct;          /* one pass over the keys, no carried state */
} softmax_cut;

softmax_cut softmax_cut_make(const fovea_device *device, const softmax_shape *shape, const softmax_tile *tile,
                             uint32_t seq_q, uint32_t seq_k);

/* Most key tiles that one invocation may visit before the limit of its loops; 0: not even one. */
uint32_t softmax_tiles_most(const fovea_device *device, const softmax_shape *shape, const softmax_tile *tile);

/* Most state slots (workgroups in flight with a carried state) of any run: those that one binding holds, at least 1. */
uint32_t softmax_slots(const fovea_device *device, const softmax_shape *shape, const softmax_tile *tile);

/* Bytes of one state slot. */
uint64_t softmax_slot_bytes(const softmax_tile *tile);

/* The keys begin to end - 1; none where that is no range. */
typedef struct softmax_range {
    uint64_t begin, end;
} softmax_range;

/* What a query sees in a run of these sizes. */
softmax_range softmax_visible(const softmax_shape *shape, uint32_t seq_q, uint32_t seq_k, uint64_t query);

/* Visible key tiles over all row tiles of one unit and column block. */
typedef struct softmax_visits {
    uint64_t total, visited, full;
    uint64_t pairs; /* visible (row, key) pairs */
} softmax_visits;

softmax_visits softmax_count_visits(const softmax_shape *shape, const softmax_tile *tile, uint32_t seq_q,
                                    uint32_t seq_k);

double softmax_seconds(const fovea_device *device, const softmax_shape *shape, const softmax_tile *tile, uint64_t items,
                       uint64_t key_tiles);

enum { SOFTMAX_DIRECT_BINDINGS = 6 };

/* ---- kernels ----------------------------------------------------------------------------------------------------- */

typedef struct softmax_variant {
    softmax_tile tile;
    fv_pipeline *direct, *state, *finish; /* NULL: no run needs it */
} softmax_variant;

/* Creates and tests the kernels of a variant on the best tile that passes, from `list` in order. */
fovea_status softmax_variant_init(fovea_device *device, const softmax_shape *shape, const softmax_tile_list *list,
                                  bool state_needed, softmax_variant *out_variant, fovea_op_report *report);
void softmax_variant_release(fovea_device *device, softmax_variant *variant);

/* What known-answer tests say of a variant's kernels. */
typedef enum softmax_verdict { SOFTMAX_RIGHT, SOFTMAX_WRONG, SOFTMAX_WRONG_CACHED } softmax_verdict;

/* Runs the variant's kernels on a small problem with a known answer, unless that was done on this device object or the
 * device's cache knows what came of it. */
fovea_status softmax_self_test(fovea_device *device, const softmax_shape *shape, const softmax_variant *variant,
                               softmax_verdict *out_verdict);

/* ---- the operator -------------------------------------------------------------------------------------------------- */

typedef struct softmax_op {
    fovea_op base;
    softmax_shape shape;
    softmax_variant many, few; /* few.direct and few.state NULL: not made */
    uint32_t few_rows;         /* runs of at most so many rows a unit use `few`; 0: it was not made */
} softmax_op;

/* Views bound for a run. */
typedef struct softmax_bound {
    fv_bound q, k, v, o, lse, sinks, state;
} softmax_bound;

/* One run, ready to become commands. */
typedef struct softmax_emission {
    fovea_device *device;
    const softmax_shape *shape;
    const softmax_variant *variant;
    const softmax_cut *cut;
    const softmax_bound *bound;
    uint32_t seq_q, seq_k;
    /* where the commands go: the backend's record or execute */
    fovea_status (*record)(fv_device *driver, const fv_command *commands, uint32_t count);
} softmax_emission;

fovea_status softmax_emit(const softmax_emission *run);

/* Completes base.report, for a run with the descriptor's maxima. */
void softmax_fill_report(fovea_op *base, double create_s);

#endif
