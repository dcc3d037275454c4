/* What the planner prefers, as data: the first row that fits device and run counts. */
#include "softmax_tuning.h"

const softmax_preference softmax_preferences[] = {
    {.measured_on = "llvmpipe (LLVM 22.1.8, 256 bits), Mesa 26.2",
     .few_rows = true,
     .micro_tiles = {{1, 4, 4}, {4, 4, 4}, {8, 8, 8}},
     .lanes = 128},
    /* A software driver with vectors of 4 lanes has 16 registers for what a GPU keeps in 256. */
    {.measured_on = "SwiftShader Device (Subzero)",
     .kind = FOVEA_DEVICE_CPU,
     .subgroup_most = 4,
     .micro_tiles = {{4, 4, 4}, {8, 8, 8}, {1, 4, 4}},
     .lanes = 128,
     .matrix_last = true},
    /* llvmpipe of Mesa 26: its matrices make 5.5 GFLOP/s in this operator, 8x8x8 makes 27. */
    {.measured_on = "llvmpipe (LLVM 22.1.8, 256 bits), Mesa 26.2",
     .kind = FOVEA_DEVICE_CPU,
     .micro_tiles = {{8, 8, 8}, {4, 4, 4}, {1, 4, 4}},
     .lanes = 128,
     .matrix_last = true},
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

/* From one subgroup to eight, along rows and along columns. Measured on no GPU yet: the planner's estimate orders them. */
const softmax_matrix_layout softmax_matrix_layouts[SOFTMAX_MATRIX_LAYOUTS] = {
    {.lane_rows = 4, .lane_cols = 1, .rows = 32, .keys = 64},  {.lane_rows = 4, .lane_cols = 1, .rows = 16, .keys = 64},
    {.lane_rows = 8, .lane_cols = 1, .rows = 16, .keys = 64},  {.lane_rows = 4, .lane_cols = 2, .rows = 32, .keys = 64},
    {.lane_rows = 4, .lane_cols = 2, .rows = 16, .keys = 64},  {.lane_rows = 2, .lane_cols = 2, .rows = 16, .keys = 64},
    {.lane_rows = 2, .lane_cols = 1, .rows = 16, .keys = 64},  {.lane_rows = 1, .lane_cols = 2, .rows = 16, .keys = 64},
    {.lane_rows = 1, .lane_cols = 4, .rows = 16, .keys = 128}, {.lane_rows = 1, .lane_cols = 1, .rows = 8, .keys = 64},
    {.lane_rows = 2, .lane_cols = 4, .rows = 32, .keys = 64},  {.lane_rows = 2, .lane_cols = 4, .rows = 16, .keys = 64},
};
