/* What the planner prefers, as data: the first row that fits device and run counts. */
#include "softmax_tuning.h"

const softmax_preference softmax_preferences[] = {
    {.few_rows = true, .micro_tiles = {{1, 4, 4}, {4, 4, 4}, {8, 8, 8}}, .lanes = 128},
    /* A software driver with vectors of 4 lanes has 16 registers for what a GPU keeps in 256. */
    {.kind = FOVEA_DEVICE_CPU, .subgroup_most = 4, .micro_tiles = {{4, 4, 4}, {8, 8, 8}, {1, 4, 4}}, .lanes = 128},
    {.micro_tiles = {{8, 8, 8}, {4, 4, 4}, {1, 4, 4}}, .lanes = 128},
};

const softmax_preference *softmax_preference_of(const fovea_device_info *info, const fovea_device_limits *limits,
                                                bool few_rows)
{
    const softmax_preference *row = softmax_preferences;
    while ((row->few_rows && !few_rows) || (row->kind != FOVEA_DEVICE_OTHER && row->kind != info->kind) ||
           (row->subgroup_most > 0 && limits->subgroup_size_max > row->subgroup_most))
        row++; /* the last row fits all */
    return row;
}

/* Measured on no GPU yet: solved from what RADV's compiler says of registers and from the number of reads. A turned V is
 * read in vectors where a lane holds a column of the operand, as on AMD; drivers that turn on their own prefer the other. */
const softmax_matrix_layout softmax_matrix_layouts[SOFTMAX_MATRIX_LAYOUTS] = {
    {.lane_rows = 4, .lane_cols = 1, .rows = 16, .keys = 64, .v_turned = true},
    {.lane_rows = 4, .lane_cols = 1, .rows = 32, .keys = 32, .v_turned = true},
    {.lane_rows = 4, .lane_cols = 1, .rows = 16, .keys = 64, .v_turned = false},
    {.lane_rows = 8, .lane_cols = 1, .rows = 16, .keys = 64, .v_turned = true},
    {.lane_rows = 2, .lane_cols = 2, .rows = 16, .keys = 64, .v_turned = true},
    {.lane_rows = 1, .lane_cols = 4, .rows = 16, .keys = 128, .v_turned = true},
    {.lane_rows = 1, .lane_cols = 4, .rows = 16, .keys = 64, .v_turned = false},
};
