/* The case table: shapes, types, layouts and values that every device has to survive. Data alone; the suites and
 * the benchmark both read it. */
#ifndef TESTS_CASES_H
#define TESTS_CASES_H

#include <fovea/softmax.h>

#include "ref.h"

/* How dear a case is: TINY runs even where kernel texts are interpreted, QUICK on every software driver in every
 * run, FULL in the long run only, TIMED in none. */
typedef enum case_level { CASE_TINY = 0, CASE_QUICK, CASE_FULL, CASE_TIMED } case_level;

/* Which suites of the benchmark time a case: this one and those after it. TIMED is the level of cases that are there for
 * that alone; the benchmark checks what it times. */
typedef enum case_bench { BENCH_NOT = 0, BENCH_QUICK, BENCH_STANDARD, BENCH_FULL } case_bench;

typedef enum case_layout {
    LAYOUT_BHSD = 0,        /* dense, strides left 0 */
    LAYOUT_BSHD,            /* dense, heads inside the sequence */
    LAYOUT_SBHD,            /* dense, sequence outermost */
    LAYOUT_ODD_GAPS,        /* an odd number of unused elements after each row, and more after each head */
    LAYOUT_WIDE_GAPS,       /* gaps that are multiples of 4 elements */
    LAYOUT_BROADCAST_BATCH, /* inputs repeat along the batch; the output is dense */
    LAYOUT_BROADCAST_HEADS, /* k and v repeat along their heads */
    LAYOUT_BROADCAST_ROWS   /* k and v repeat along the keys */
} case_layout;

typedef enum case_values {
    VALUES_UNIT = 0,    /* uniform in [-1, 1] */
    VALUES_HIGH_LOGITS, /* scores up to 1e4 in size, of both signs */
    VALUES_LOW_LOGITS,  /* every score close to -1e4 */
    VALUES_RISING,      /* the maximum rises with every key, so that each tile rescales */
    VALUES_ONE_HOT      /* a value is 1 in one column, 0 elsewhere, so that each key shows where it went */
} case_values;

typedef struct case_dtypes {
    fovea_dtype q, k, v, o;
} case_dtypes;

typedef struct test_case {
    const char *name;
    case_level level;
    uint32_t batch, heads_q, heads_k, heads_v, seq_q, seq_k, dim_qk, dim_v;
    case_dtypes dtypes;
    ref_mask mask;
    ref_window window;
    float soft_cap;
    case_layout layout;
    case_values values;
    uint32_t shift;           /* elements that each tensor starts after an aligned place; tensor t: shift * (t + 1) */
    uint32_t run_q, run_k;    /* sizes of the run; 0: the descriptor's */
    bool no_queries, no_keys; /* the run has none */
    bool no_lse;
    bool sinks; /* a logit of each head joins the sum */
    case_bench bench;
    bool every_part;         /* too important to be left to one part of a divided run */
    fovea_operands operands; /* of a matrix unit */
    bool scale_literal;
    float scale; /* of the descriptor */
} test_case;

extern const test_case test_cases[];
extern const uint32_t test_case_count;

/* Case number `index` of an endless list drawn from the same values; multiply-adds at most `work`. The name lies
 * in `name` (64 bytes). */
test_case case_random(uint64_t seed, uint32_t index, uint64_t work, char *name);

/* Multiply-adds of a case without its mask. */
uint64_t case_work(const test_case *c);

/* Number `n` of the endless random sequence of `seed`. */
uint64_t case_hash(uint64_t seed, uint64_t n);

#endif
