/* Small cases of softmax attention for hosts that launch the kernels by hand: data, constants, parameters,
 * and a reference in double precision. No planner: a case says its own tile, splits and slices. */
#ifndef SOFTMAX_CASE_H
#define SOFTMAX_CASE_H

#include "abi/softmax.h"

#include <stdbool.h>
#include <stdint.h>

enum { CASE_HEADS_MOST = 8, CASE_CONSTANTS = 31, CASE_PARAMETERS = 32 };

typedef struct softmax_case {
    const char *name;
    uint32_t batch, heads_q, heads_k, heads_v, seq_q, seq_k, dim_qk, dim_v;
    uint32_t q_dtype, k_dtype, v_dtype, o_dtype; /* SOFTMAX_F32, ... */
    uint32_t causal;                             /* 0, 1 bottom-right, 2 top-left */
    uint32_t lse, pad, offset; /* pad: elements between rows; offset: of each tensor's first element */
    uint32_t splits;           /* 0: softmax_direct; else softmax_state and softmax_finish */
    uint32_t slices;           /* carried slices of each split; at least 1 with splits */
    uint32_t lane_rows, lane_cols, tm, tn, tv, chunk, subgroup;
    uint32_t window, left,
        right;      /* nonzero: a query sees `left` keys before its own, and `right` after it without causal */
    uint32_t sinks; /* nonzero: case_sink of each head joins the sum */
} softmax_case;

extern const softmax_case SOFTMAX_CASES[];
extern const uint32_t SOFTMAX_CASE_COUNT;

typedef struct case_tensor {
    uint32_t *words;                                      /* pads and what lies around are NaN */
    uint32_t word_count, dtype, offset, batch, head, row; /* strides in elements */
} case_tensor;

typedef struct case_data {
    const softmax_case *c;
    case_tensor q, k, v, o, lse, state;
    uint32_t constants[CASE_CONSTANTS];
    uint32_t group, items, tiles, split_tiles, lanes;
} case_data;

void case_create(const softmax_case *c, case_data *data);
void case_destroy(case_data *data);
/* Names of the constants, by id. */
extern const char *const CASE_CONSTANT_NAMES[CASE_CONSTANTS];

/* Parameters of each kernel; the number of words. `slice` counts from 0 in 0 .. slices - 1. */
float case_sink(const softmax_case *c, uint32_t head);
uint32_t case_direct_parameters(const case_data *data, uint32_t words[CASE_PARAMETERS]);
uint32_t case_state_parameters(const case_data *data, uint32_t slice, uint32_t words[CASE_PARAMETERS]);
uint32_t case_finish_parameters(const case_data *data, uint32_t words[CASE_PARAMETERS]);

/* Compares o and lse, as they stand in `data`, with the reference; what lies around them must be as it was.
 * Prints the first deviation, or the worst error. */
bool case_check(const case_data *data, const char *device);

#endif
