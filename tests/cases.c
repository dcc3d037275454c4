#include "cases.h"

#include <stdio.h>

/* clang-format off */
#define F32 {FOVEA_F32, FOVEA_F32, FOVEA_F32, FOVEA_F32}
#define F16 {FOVEA_F16, FOVEA_F16, FOVEA_F16, FOVEA_F16}
#define B16 {FOVEA_BF16, FOVEA_BF16, FOVEA_BF16, FOVEA_BF16}
/* Mixes that between them pair every type with every other one. */
#define MIX1 {FOVEA_F32, FOVEA_F16, FOVEA_F16, FOVEA_F32}
#define MIX2 {FOVEA_F16, FOVEA_BF16, FOVEA_F32, FOVEA_BF16}
#define MIX3 {FOVEA_BF16, FOVEA_F32, FOVEA_F16, FOVEA_F16}
#define MIX4 {FOVEA_F32, FOVEA_BF16, FOVEA_BF16, FOVEA_F16}
#define MIX5 {FOVEA_F16, FOVEA_F32, FOVEA_BF16, FOVEA_F32}
/* clang-format on */

#define CAUSAL                .mask = REF_CAUSAL
#define WINDOW(before, after) .window = {.given = true, .left = (before), .right = (after)}
#define TOP_LEFT              .mask = REF_CAUSAL_TOP_LEFT

/* name, level, batch, heads of q k v, seq q k, dims qk v, dtypes */
const test_case test_cases[] = {
    /* sizes */
    {"one", CASE_TINY, 1, 1, 1, 1, 1, 1, 1, 1, F32},
    {"one_f16", CASE_TINY, 1, 1, 1, 1, 1, 1, 1, 1, F16},
    {"one_bf16", CASE_TINY, 1, 1, 1, 1, 1, 1, 1, 1, B16},
    {"two", CASE_TINY, 2, 2, 2, 2, 2, 2, 3, 3, F32},
    {"two_keys_one_query", CASE_TINY, 1, 1, 1, 1, 1, 2, 8, 8, F32},
    {"primes", CASE_TINY, 1, 3, 1, 1, 7, 13, 8, 8, F32},
    {"primes_f16", CASE_TINY, 1, 3, 3, 1, 5, 11, 3, 3, F16, .shift = 1},
    {"primes_bf16", CASE_TINY, 2, 2, 1, 2, 5, 11, 3, 5, B16, .shift = 1},
    {"partial_tiles", CASE_TINY, 1, 1, 1, 1, 17, 37, 40, 24, F32},
    {"partial_tiles_causal", CASE_TINY, 1, 2, 1, 1, 17, 37, 40, 24, MIX1, CAUSAL},
    {"one_query_many_keys", CASE_TINY, 1, 4, 1, 1, 1, 131, 16, 16, F32},
    {"one_key_many_queries", CASE_TINY, 1, 1, 1, 1, 67, 1, 16, 16, F32},
    {"no_keys", CASE_TINY, 1, 2, 1, 1, 5, 3, 8, 8, F32, .no_keys = true},
    {"no_queries", CASE_TINY, 1, 2, 1, 1, 5, 3, 8, 8, F32, .no_queries = true},
    {"shorter_run", CASE_TINY, 2, 2, 1, 1, 9, 23, 8, 8, F32, .run_q = 4, .run_k = 10},
    {"shorter_run_causal", CASE_TINY, 1, 2, 1, 1, 9, 40, 8, 8, F16, CAUSAL, .run_q = 5, .run_k = 29},
    {"shorter_run_top_left", CASE_TINY, 1, 1, 1, 1, 40, 40, 8, 8, F32, TOP_LEFT, .run_q = 33, .run_k = 34},

    /* rows without keys */
    {"empty_rows", CASE_TINY, 1, 2, 1, 1, 9, 4, 8, 8, F32, CAUSAL},
    {"empty_rows_f16", CASE_TINY, 1, 1, 1, 1, 19, 2, 8, 6, F16, CAUSAL, .shift = 1},
    {"empty_row_tiles", CASE_QUICK, 1, 2, 1, 1, 150, 3, 16, 16, F32, CAUSAL},
    {"hidden_keys_top_left", CASE_TINY, 1, 2, 2, 1, 4, 40, 8, 8, MIX2, TOP_LEFT},
    {"hidden_key_tiles", CASE_QUICK, 1, 2, 1, 1, 7, 300, 16, 16, F32, TOP_LEFT},

    /* windows */
    {"window", CASE_TINY, 1, 2, 1, 1, 33, 61, 8, 8, F32, WINDOW(9, 4)},
    {"window_of_one", CASE_TINY, 1, 1, 1, 1, 19, 19, 8, 8, F32, WINDOW(0, 0)},
    {"window_left", CASE_TINY, 2, 2, 1, 1, 21, 50, 16, 8, F16, WINDOW(5, REF_UNBOUNDED), .shift = 1},
    {"window_right", CASE_TINY, 1, 2, 2, 1, 40, 29, 8, 12, MIX1, WINDOW(REF_UNBOUNDED, 3)},
    {"window_causal", CASE_TINY, 1, 4, 2, 2, 37, 70, 24, 24, MIX3, CAUSAL, WINDOW(16, 7)},
    {"window_causal_bf16", CASE_TINY, 1, 2, 1, 1, 45, 45, 8, 8, B16, CAUSAL, WINDOW(6, 0)},
    {"window_top_left", CASE_TINY, 1, 1, 1, 1, 50, 20, 8, 8, F32, TOP_LEFT, WINDOW(4, 0)},
    {"window_full_top_left", CASE_TINY, 1, 2, 1, 1, 14, 40, 8, 8, F32,
     .window = {.given = true, .left = 3, .right = 5, .top_left = true}},
    {"window_empty_rows", CASE_TINY, 1, 1, 1, 1, 30, 9, 8, 8, F32, WINDOW(2, 1)},
    {"window_decode", CASE_TINY, 1, 4, 1, 1, 1, 131, 16, 16, F32, CAUSAL, WINDOW(40, 0)},
    {"window_shorter_run", CASE_TINY, 1, 2, 1, 1, 30, 64, 8, 8, F32, WINDOW(7, 2), .run_q = 11, .run_k = 50},
    {"window_tiles", CASE_QUICK, 1, 2, 1, 1, 300, 700, 64, 64, F16, CAUSAL, WINDOW(150, 0)},
    {"window_tiles_both", CASE_QUICK, 1, 2, 2, 1, 270, 520, 40, 72, B16, WINDOW(64, 130)},
    {"window_beyond", CASE_QUICK, 1, 1, 1, 1, 65, 200, 64, 64, F32, WINDOW(4000000000u, 300)},
    {"window_decode_512", CASE_QUICK, 1, 8, 2, 2, 1, 900, 128, 128, F16, CAUSAL, WINDOW(511, 0)},

    /* sinks */
    {"sinks", CASE_TINY, 1, 5, 5, 1, 17, 37, 24, 24, F32, .sinks = true},
    {"sinks_causal_f16", CASE_TINY, 2, 10, 2, 2, 21, 45, 8, 16, F16, CAUSAL, .sinks = true},
    {"sinks_empty_rows", CASE_TINY, 1, 5, 1, 1, 9, 4, 8, 8, F32, CAUSAL, .sinks = true},
    {"sinks_no_keys", CASE_TINY, 1, 5, 1, 1, 5, 3, 8, 8, F32, .no_keys = true, .sinks = true},
    {"sinks_window_bf16", CASE_TINY, 1, 5, 5, 1, 30, 61, 16, 8, B16, CAUSAL, WINDOW(20, 0), .sinks = true},
    {"sinks_decode", CASE_TINY, 1, 10, 2, 1, 1, 90, 16, 16, MIX1, .sinks = true},
    {"sinks_low", CASE_TINY, 1, 5, 1, 1, 7, 33, 8, 8, F32, .values = VALUES_LOW_LOGITS, .sinks = true},
    {"sinks_64", CASE_QUICK, 1, 5, 5, 1, 70, 140, 64, 64, F16, CAUSAL, .sinks = true},

    /* scores capped */
    {"cap", CASE_TINY, 1, 2, 1, 1, 17, 37, 24, 24, F32, .soft_cap = 0.3f},
    {"cap_causal_f16", CASE_TINY, 1, 2, 1, 1, 21, 45, 8, 16, F16, CAUSAL, .soft_cap = 30.0f},
    {"cap_high", CASE_TINY, 1, 2, 1, 1, 13, 35, 8, 16, F32, .soft_cap = 50.0f, .values = VALUES_HIGH_LOGITS},
    {"cap_window_bf16", CASE_TINY, 1, 2, 2, 1, 30, 61, 16, 8, B16, CAUSAL, WINDOW(20, 0), .soft_cap = 5.0f},
    {"cap_far", CASE_TINY, 1, 2, 1, 1, 17, 37, 24, 24, F32, .soft_cap = 1e9f},
    {"cap_decode", CASE_TINY, 1, 4, 1, 1, 1, 90, 16, 16, MIX1, .soft_cap = 2.0f},
    {"cap_64", CASE_QUICK, 1, 2, 1, 1, 70, 140, 64, 64, F16, .soft_cap = 50.0f},

    /* operands of a matrix unit that are not what is stored */
    {"f16_of_f32", CASE_TINY, 1, 2, 1, 1, 21, 37, 24, 24, F32, CAUSAL, .operands = FOVEA_OPERANDS_F16},
    {"f16_of_mix2", CASE_TINY, 1, 3, 3, 1, 17, 40, 33, 20, MIX2, .shift = 1, .operands = FOVEA_OPERANDS_F16},
    {"f16_of_bf16", CASE_QUICK, 1, 2, 1, 1, 70, 130, 64, 80, B16, .operands = FOVEA_OPERANDS_F16},
    {"x3_of_f32", CASE_TINY, 1, 1, 1, 1, 33, 70, 40, 40, F32, .operands = FOVEA_OPERANDS_F16_X3},
    {"x3_of_mix3", CASE_TINY, 2, 2, 1, 1, 19, 35, 5, 24, MIX3, CAUSAL, .shift = 1, .operands = FOVEA_OPERANDS_F16_X3},
    {"x3_of_f32_128", CASE_QUICK, 1, 2, 2, 1, 66, 300, 128, 128, F32, CAUSAL, .operands = FOVEA_OPERANDS_F16_X3},

    /* head dims */
    {"dim_1", CASE_TINY, 1, 2, 1, 1, 9, 21, 1, 1, F32},
    {"dim_3", CASE_TINY, 1, 2, 1, 1, 9, 21, 3, 3, MIX3},
    {"dim_8", CASE_QUICK, 2, 4, 2, 2, 33, 65, 8, 8, MIX4, CAUSAL},
    {"dim_40", CASE_QUICK, 1, 3, 3, 3, 65, 129, 40, 40, F16, CAUSAL},
    {"dim_60", CASE_QUICK, 1, 2, 1, 2, 31, 70, 60, 60, B16},
    {"dim_64", CASE_QUICK, 1, 4, 2, 2, 77, 100, 64, 64, F32},
    {"dim_64_f16", CASE_QUICK, 1, 4, 1, 1, 64, 128, 64, 64, F16, CAUSAL},
    {"dim_64_mix", CASE_QUICK, 2, 2, 2, 1, 63, 127, 64, 64, MIX1},
    {"dim_80", CASE_QUICK, 1, 2, 1, 1, 33, 66, 80, 80, MIX5},
    {"dim_96", CASE_QUICK, 1, 3, 1, 1, 31, 65, 96, 96, F16},
    {"dim_100", CASE_QUICK, 1, 2, 2, 2, 29, 61, 100, 100, F32, CAUSAL},
    {"dim_128", CASE_QUICK, 1, 4, 1, 1, 40, 97, 128, 128, F16},
    {"dim_128_f32", CASE_QUICK, 1, 2, 1, 1, 33, 65, 128, 128, F32},
    {"dim_256", CASE_QUICK, 1, 2, 1, 1, 19, 67, 256, 256, F32},
    {"dim_256_mix", CASE_QUICK, 1, 2, 1, 1, 17, 33, 256, 256, MIX3, CAUSAL},
    {"dim_576_512", CASE_QUICK, 1, 4, 1, 1, 5, 41, 576, 512, MIX1},
    {"dim_1024", CASE_QUICK, 1, 1, 1, 1, 9, 35, 1024, 1024, F16},
    {"dim_1024_f32", CASE_QUICK, 1, 2, 1, 1, 3, 18, 1024, 1024, F32, CAUSAL},
    {"dim_1_1024", CASE_QUICK, 1, 1, 1, 1, 9, 19, 1, 1024, F32},
    {"dim_1024_1", CASE_QUICK, 1, 1, 1, 1, 9, 19, 1024, 1, MIX4},
    {"dim_64_128", CASE_QUICK, 1, 2, 1, 1, 35, 67, 64, 128, F32, CAUSAL},
    {"dim_128_64", CASE_QUICK, 1, 2, 1, 1, 35, 67, 128, 64, MIX2},
    {"dim_7_13_odd", CASE_TINY, 1, 1, 1, 1, 11, 29, 7, 13, F16, .shift = 1},
    {"dim_48_33", CASE_TINY, 1, 1, 1, 1, 5, 34, 48, 33, F32},

    /* heads */
    {"heads_8_1", CASE_TINY, 1, 8, 1, 1, 3, 33, 8, 8, F32},
    {"heads_7", CASE_QUICK, 2, 7, 1, 7, 10, 34, 16, 16, F32},
    {"heads_6_2_3", CASE_TINY, 1, 6, 2, 3, 5, 19, 8, 8, F32, CAUSAL},
    {"heads_12_4_6", CASE_QUICK, 2, 12, 4, 6, 11, 35, 20, 12, MIX5, CAUSAL},
    {"heads_8_8_2", CASE_QUICK, 1, 8, 8, 2, 9, 35, 16, 24, B16},
    {"heads_8_1_4", CASE_QUICK, 1, 8, 1, 4, 9, 35, 16, 24, F16},
    {"heads_3_ratio", CASE_QUICK, 1, 9, 3, 3, 23, 35, 32, 32, F32, CAUSAL},
    {"batch_5", CASE_QUICK, 5, 2, 2, 2, 13, 17, 12, 12, F32},

    /* layouts */
    {"bshd", CASE_TINY, 2, 2, 1, 1, 7, 19, 8, 8, F32, .layout = LAYOUT_BSHD},
    {"bshd_f16_causal", CASE_QUICK, 2, 4, 2, 2, 35, 67, 64, 64, F16, CAUSAL, .layout = LAYOUT_BSHD},
    {"sbhd", CASE_TINY, 2, 2, 1, 2, 7, 19, 8, 6, MIX2, .layout = LAYOUT_SBHD},
    {"odd_gaps", CASE_TINY, 2, 2, 2, 1, 7, 19, 6, 6, F32, .layout = LAYOUT_ODD_GAPS},
    {"odd_gaps_f16", CASE_TINY, 2, 2, 1, 1, 7, 19, 6, 6, F16, .layout = LAYOUT_ODD_GAPS},
    {"odd_gaps_f16_odd_offset", CASE_TINY, 1, 2, 1, 1, 9, 19, 5, 7, F16, .layout = LAYOUT_ODD_GAPS, .shift = 1},
    {"odd_gaps_bf16_causal", CASE_QUICK, 1, 3, 1, 1, 33, 45, 33, 31, B16, CAUSAL, .layout = LAYOUT_ODD_GAPS,
     .shift = 3},
    {"wide_gaps", CASE_TINY, 1, 2, 1, 1, 7, 19, 16, 16, F32, .layout = LAYOUT_WIDE_GAPS},
    {"wide_gaps_f16", CASE_QUICK, 2, 2, 1, 1, 21, 43, 64, 64, F16, CAUSAL, .layout = LAYOUT_WIDE_GAPS, .shift = 4},
    {"shift_1", CASE_TINY, 1, 2, 1, 1, 7, 19, 8, 8, F32, .shift = 1},
    {"shift_2_f16", CASE_TINY, 1, 2, 1, 1, 7, 19, 8, 8, F16, .shift = 2},
    {"shift_1_f16_dim_64", CASE_QUICK, 1, 2, 1, 1, 33, 66, 64, 64, F16, CAUSAL, .shift = 1},
    {"shift_67", CASE_QUICK, 1, 2, 1, 1, 9, 35, 64, 64, MIX1, .shift = 67},
    {"broadcast_batch", CASE_TINY, 3, 2, 1, 1, 7, 19, 8, 8, F32, .layout = LAYOUT_BROADCAST_BATCH},
    {"broadcast_heads", CASE_TINY, 1, 4, 4, 2, 7, 19, 8, 8, MIX1, .layout = LAYOUT_BROADCAST_HEADS},
    {"broadcast_rows", CASE_TINY, 1, 2, 1, 1, 7, 19, 8, 8, F32, CAUSAL, .layout = LAYOUT_BROADCAST_ROWS},
    {"no_lse", CASE_TINY, 1, 2, 1, 1, 7, 19, 8, 8, F32, .no_lse = true},
    {"no_lse_f16_odd", CASE_TINY, 1, 2, 1, 1, 7, 19, 5, 5, F16, CAUSAL, .no_lse = true, .shift = 1},

    /* values and scales */
    {"high_logits", CASE_TINY, 1, 2, 1, 1, 9, 37, 16, 16, F32, .values = VALUES_HIGH_LOGITS},
    {"high_logits_f16", CASE_QUICK, 1, 2, 1, 1, 33, 97, 64, 64, F16, CAUSAL, .values = VALUES_HIGH_LOGITS},
    {"low_logits", CASE_TINY, 1, 2, 1, 1, 9, 37, 16, 16, F32, .values = VALUES_LOW_LOGITS},
    {"low_logits_mix", CASE_QUICK, 1, 2, 1, 1, 33, 97, 64, 64, MIX3, CAUSAL, .values = VALUES_LOW_LOGITS},
    {"rising", CASE_TINY, 1, 2, 1, 1, 5, 70, 8, 8, F32, .values = VALUES_RISING},
    {"rising_causal", CASE_QUICK, 1, 2, 1, 1, 65, 200, 32, 32, F32, CAUSAL, .values = VALUES_RISING},
    {"rising_long", CASE_QUICK, 1, 2, 1, 1, 9, 900, 8, 8, F32, .values = VALUES_RISING},
    {"high_logits_long", CASE_QUICK, 1, 2, 1, 1, 9, 900, 16, 16, F32, .values = VALUES_HIGH_LOGITS},
    {"one_hot_513", CASE_QUICK, 1, 4, 2, 2, 70, 513, 60, 60, B16, .values = VALUES_ONE_HOT},
    {"one_hot_700_causal", CASE_QUICK, 2, 3, 1, 1, 50, 700, 33, 31, B16, CAUSAL, .values = VALUES_ONE_HOT, .shift = 1},
    {"scale_zero", CASE_TINY, 1, 2, 1, 1, 5, 21, 8, 8, F32, .scale_literal = true, .scale = 0.0f},
    {"scale_negative", CASE_TINY, 1, 2, 1, 1, 5, 21, 8, 8, F32, CAUSAL, .scale_literal = true, .scale = -0.7f},
    {"scale_given", CASE_TINY, 1, 2, 1, 1, 5, 21, 8, 8, F32, .scale = 0.31f},

    /* long */
    {"keys_5000", CASE_QUICK, 1, 2, 1, 1, 3, 5000, 64, 64, F32, .every_part = true},
    {"keys_5000_f16_causal", CASE_QUICK, 1, 4, 1, 1, 2, 5000, 64, 64, F16, CAUSAL},
    {"queries_1500", CASE_QUICK, 1, 1, 1, 1, 1500, 33, 32, 32, F32, CAUSAL},
    {"square_256", CASE_FULL, 1, 4, 2, 2, 256, 256, 64, 64, F32, CAUSAL},
    {"square_512_f16", CASE_FULL, 1, 2, 2, 2, 512, 512, 64, 64, F16},
    {"square_511_mix", CASE_FULL, 1, 2, 1, 1, 511, 513, 80, 96, MIX1, CAUSAL},
    {"keys_20000", CASE_FULL, 1, 2, 1, 1, 5, 20000, 64, 64, MIX1, CAUSAL},
    {"keys_66000", CASE_FULL, 1, 1, 1, 1, 1, 66000, 16, 16, F32},
    {"queries_20000", CASE_FULL, 1, 1, 1, 1, 20000, 17, 16, 16, F16},
    {"batch_heads_512", CASE_FULL, 16, 32, 8, 8, 3, 9, 16, 16, F32, CAUSAL},
    {"dim_1024_long", CASE_FULL, 1, 2, 1, 1, 33, 257, 1024, 1024, MIX1, CAUSAL},
    {"dim_256_long", CASE_FULL, 1, 4, 2, 2, 65, 513, 256, 256, F16, CAUSAL},

    /* timed: prefill and decode, head dims, storage, masks, shared heads, lengths */
    {"prefill_d64_f32", CASE_TIMED, 1, 8, 8, 8, 1024, 1024, 64, 64, F32, .bench = BENCH_QUICK},
    {"prefill_d64_f16", CASE_TIMED, 1, 8, 8, 8, 1024, 1024, 64, 64, F16, .bench = BENCH_QUICK},
    {"prefill_d64_bf16", CASE_TIMED, 1, 8, 8, 8, 1024, 1024, 64, 64, B16, .bench = BENCH_STANDARD},
    {"prefill_d64_f16_causal", CASE_TIMED, 1, 8, 8, 8, 1024, 1024, 64, 64, F16, CAUSAL, .bench = BENCH_QUICK},
    {"prefill_d64_f16_gqa", CASE_TIMED, 1, 8, 2, 2, 1024, 1024, 64, 64, F16, .bench = BENCH_STANDARD},
    {"prefill_d128_f32", CASE_TIMED, 1, 8, 8, 8, 1024, 1024, 128, 128, F32, .bench = BENCH_STANDARD},
    {"prefill_d128_f16", CASE_TIMED, 1, 8, 8, 8, 1024, 1024, 128, 128, F16, .bench = BENCH_STANDARD},
    {"prefill_d128_bf16", CASE_TIMED, 1, 8, 8, 8, 1024, 1024, 128, 128, B16, .bench = BENCH_STANDARD},
    {"prefill_d128_f16_causal_gqa", CASE_TIMED, 1, 8, 2, 2, 1024, 1024, 128, 128, F16, CAUSAL, .bench = BENCH_QUICK},
    {"prefill_d128_f32_as_f16", CASE_TIMED, 1, 8, 8, 8, 1024, 1024, 128, 128, F32, .bench = BENCH_STANDARD,
     .operands = FOVEA_OPERANDS_F16},
    {"prefill_d128_f32_as_f16_x3", CASE_TIMED, 1, 8, 8, 8, 1024, 1024, 128, 128, F32, .bench = BENCH_STANDARD,
     .operands = FOVEA_OPERANDS_F16_X3},
    {"prefill_d256_f32", CASE_TIMED, 1, 4, 4, 4, 1024, 1024, 256, 256, F32, .bench = BENCH_FULL},
    {"prefill_d256_f16", CASE_TIMED, 1, 4, 4, 4, 1024, 1024, 256, 256, F16, .bench = BENCH_STANDARD},
    {"prefill_d256_bf16", CASE_TIMED, 1, 4, 4, 4, 1024, 1024, 256, 256, B16, .bench = BENCH_FULL},
    {"prefill_d512_f32", CASE_TIMED, 1, 4, 4, 4, 1024, 1024, 512, 512, F32, .bench = BENCH_FULL},
    {"prefill_d512_f16", CASE_TIMED, 1, 4, 4, 4, 1024, 1024, 512, 512, F16, .bench = BENCH_STANDARD},
    {"prefill_d512_bf16", CASE_TIMED, 1, 4, 4, 4, 1024, 1024, 512, 512, B16, .bench = BENCH_FULL},
    {"prefill_d576_512_f16", CASE_TIMED, 1, 16, 1, 1, 256, 1024, 576, 512, F16, CAUSAL, .bench = BENCH_STANDARD},
    {"prefill_d64_f16_causal_256", CASE_TIMED, 1, 8, 8, 8, 256, 256, 64, 64, F16, CAUSAL, .bench = BENCH_STANDARD},
    {"prefill_d64_f16_causal_512", CASE_TIMED, 1, 8, 8, 8, 512, 512, 64, 64, F16, CAUSAL, .bench = BENCH_STANDARD},
    {"prefill_d64_f16_causal_2048", CASE_TIMED, 1, 8, 8, 8, 2048, 2048, 64, 64, F16, CAUSAL, .bench = BENCH_STANDARD},
    {"prefill_d64_f16_causal_4096", CASE_TIMED, 1, 8, 8, 8, 4096, 4096, 64, 64, F16, CAUSAL, .bench = BENCH_STANDARD},
    {"prefill_d64_f16_causal_8192", CASE_TIMED, 1, 8, 8, 8, 8192, 8192, 64, 64, F16, CAUSAL, .bench = BENCH_FULL},
    {"prefill_d64_f16_causal_16384", CASE_TIMED, 1, 8, 8, 8, 16384, 16384, 64, 64, F16, CAUSAL, .bench = BENCH_FULL},
    {"prefill_d64_f16_causal_32768", CASE_TIMED, 1, 8, 8, 8, 32768, 32768, 64, 64, F16, CAUSAL, .bench = BENCH_FULL},
    {"prefill_d64_f16_causal_8192_window_256", CASE_TIMED, 1, 8, 8, 8, 8192, 8192, 64, 64, F16, CAUSAL, WINDOW(255, 0),
     .bench = BENCH_STANDARD},
    {"decode_d128_f32", CASE_TIMED, 1, 32, 8, 8, 1, 4096, 128, 128, F32, .bench = BENCH_STANDARD},
    {"decode_d128_f16", CASE_TIMED, 1, 32, 8, 8, 1, 4096, 128, 128, F16, .bench = BENCH_QUICK},
    {"decode_d128_bf16", CASE_TIMED, 1, 32, 8, 8, 1, 4096, 128, 128, B16, .bench = BENCH_STANDARD},
    {"decode_d64_f32", CASE_TIMED, 1, 32, 32, 32, 1, 4096, 64, 64, F32, .bench = BENCH_STANDARD},
    {"decode_d64_f16", CASE_TIMED, 1, 32, 32, 32, 1, 4096, 64, 64, F16, .bench = BENCH_STANDARD},
    {"decode_d256_f16", CASE_TIMED, 1, 16, 4, 4, 1, 4096, 256, 256, F16, .bench = BENCH_STANDARD},
    {"decode_d512_f16", CASE_TIMED, 1, 16, 4, 4, 1, 4096, 512, 512, F16, .bench = BENCH_STANDARD},
    {"decode_d128_f16_1024", CASE_TIMED, 1, 32, 8, 8, 1, 1024, 128, 128, F16, .bench = BENCH_STANDARD},
    {"decode_d128_f16_16384", CASE_TIMED, 1, 32, 8, 8, 1, 16384, 128, 128, F16, .bench = BENCH_STANDARD},
    {"decode_d128_f16_65536", CASE_TIMED, 1, 32, 8, 8, 1, 65536, 128, 128, F16, .bench = BENCH_FULL},
    {"decode_d128_f16_131072", CASE_TIMED, 1, 32, 8, 8, 1, 131072, 128, 128, F16, .bench = BENCH_FULL},
    {"decode_d128_f16_batch_16", CASE_TIMED, 16, 32, 8, 8, 1, 4096, 128, 128, F16, .bench = BENCH_FULL},
};

const uint32_t test_case_count = sizeof test_cases / sizeof test_cases[0];

/* ---- random cases ------------------------------------------------------------------------------------------- */

static const uint32_t dims[] = {1, 3, 8, 40, 60, 64, 80, 96, 100, 128, 256, 576, 1024, 2, 4, 5, 12, 16, 31, 32, 33, 65};
static const uint32_t sizes[] = {1,  2,  3,  5,  7,  8,   9,   15,  16,  17,  31,  32,
                                 33, 61, 63, 64, 65, 127, 128, 129, 257, 511, 1025};
static const uint32_t ratios[] = {1, 2, 3, 7, 8};

#define NEXT(limit) (uint32_t)(case_hash(seed, (*state)++) % (limit))

uint64_t case_hash(uint64_t seed, uint64_t n)
{
    uint64_t x = seed * 0xd1342543de82ef95u + n * 0x9e3779b97f4a7c15u + 0x2545f4914f6cdd1du;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

uint64_t case_work(const test_case *c)
{
    return (uint64_t)c->batch * c->heads_q * c->seq_q * c->seq_k * (c->dim_qk + c->dim_v);
}

static uint32_t pick(const uint32_t *list, size_t count, uint64_t seed, uint64_t *state)
{
    return list[NEXT(count)];
}

static fovea_dtype pick_dtype(uint64_t seed, uint64_t *state)
{
    return (fovea_dtype)NEXT(FOVEA_DTYPE_COUNT);
}

#define LENGTH(list) (sizeof list / sizeof list[0])

static void pick_shape(test_case *c, uint64_t seed, uint64_t *state)
{
    const uint32_t k_ratio = pick(ratios, LENGTH(ratios), seed, state);
    const uint32_t v_ratio = NEXT(3) ? k_ratio : pick(ratios, LENGTH(ratios), seed, state);
    const uint32_t common = k_ratio == v_ratio ? k_ratio : k_ratio * v_ratio;
    c->heads_q = common * (1 + NEXT(2));
    c->heads_k = c->heads_q / k_ratio;
    c->heads_v = c->heads_q / v_ratio;
    c->batch = 1 + NEXT(3);
    c->seq_q = pick(sizes, LENGTH(sizes), seed, state);
    c->seq_k = pick(sizes, LENGTH(sizes), seed, state);
    c->dim_qk = pick(dims, LENGTH(dims), seed, state);
    c->dim_v = NEXT(2) ? c->dim_qk : pick(dims, LENGTH(dims), seed, state);
}

static void pick_options(test_case *c, uint64_t seed, uint64_t *state)
{
    const fovea_dtype first = pick_dtype(seed, state);
    c->dtypes = (case_dtypes){first, first, first, first};
    if (NEXT(2))
        c->dtypes = (case_dtypes){first, pick_dtype(seed, state), pick_dtype(seed, state), pick_dtype(seed, state)};
    c->mask = (ref_mask)NEXT(3);
    if (NEXT(3) == 0)
        c->window = (ref_window){.given = true,
                                 .left = NEXT(4) ? NEXT(c->seq_k + 1) : REF_UNBOUNDED,
                                 .right = NEXT(4) ? NEXT(c->seq_k + 1) : REF_UNBOUNDED,
                                 .top_left = NEXT(4) == 0};
    c->sinks = NEXT(4) == 0;
    if (NEXT(4) == 0)
        c->soft_cap = NEXT(2) ? 50.0f : 1.5f;
    c->layout = (case_layout)NEXT(LAYOUT_BROADCAST_ROWS + 1);
    c->values = NEXT(4) ? VALUES_UNIT : (case_values)NEXT(VALUES_ONE_HOT + 1);
    c->shift = NEXT(2) ? 0 : NEXT(9);
    c->no_lse = NEXT(4) == 0;
    c->run_q = NEXT(4) ? 0 : 1 + NEXT(c->seq_q);
    c->run_k = NEXT(4) ? 0 : 1 + NEXT(c->seq_k);
}

test_case case_random(uint64_t seed, uint32_t index, uint64_t work, char *name)
{
    uint64_t place = (uint64_t)index << 20;
    uint64_t *state = &place;
    test_case c = {.name = name, .level = CASE_FULL};
    do
        pick_shape(&c, seed, state);
    while (case_work(&c) > work);
    pick_options(&c, seed, state);
    snprintf(name, 64, "random_%llu_%u", (unsigned long long)seed, index);
    return c;
}
