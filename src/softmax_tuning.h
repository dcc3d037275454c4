/* The planner's built-in preferences. */
#ifndef FV_SOFTMAX_TUNING_H
#define FV_SOFTMAX_TUNING_H

#include <fovea/device.h>

#include <stdbool.h>

enum { SOFTMAX_MICRO_TILES = 3 };

/* Rows of S, keys of S and columns of O that a lane owns; shaders/modules.txt has the same. */
typedef struct softmax_micro_tile {
    uint32_t tm, tn, tv;
} softmax_micro_tile;

typedef struct softmax_preference {
    const char *measured_on;                             /* device and driver; NULL: on none */
    bool few_rows;                                       /* for runs of few rows alone */
    fovea_device_kind kind;                              /* OTHER: any */
    uint32_t subgroup_most;                              /* for devices whose subgroups are no larger; 0: any */
    softmax_micro_tile micro_tiles[SOFTMAX_MICRO_TILES]; /* best first */
    uint32_t lanes;                                      /* of a workgroup, where the work is the same */
    bool matrix_last;                                    /* the matrix tier is the slowest */
} softmax_preference;

/* How a workgroup of the matrix tier is laid out. */
typedef struct softmax_matrix_layout {
    const char *measured_on;       /* device and driver; NULL: on none, the planner's estimate alone orders them */
    uint32_t lane_rows, lane_cols; /* subgroups along rows; along keys of S and columns of O */
    uint32_t rows;                 /* of a subgroup, at least one matrix */
    uint32_t keys;                 /* of a tile, at most */
} softmax_matrix_layout;

enum { SOFTMAX_MATRIX_LAYOUTS = 12 };
extern const softmax_matrix_layout softmax_matrix_layouts[SOFTMAX_MATRIX_LAYOUTS];

/* The row for a device and for runs of few or of many rows. Never NULL. */
const softmax_preference *softmax_preference_of(const fovea_device_info *info, const fovea_device_limits *limits,
                                                bool few_rows);

#endif
