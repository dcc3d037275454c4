/* Merge on one device under one limits profile: the case table against the reference. */
#include "test_merge.h"

#include <stdio.h>

#define F16S              .dtypes = {FOVEA_F16, FOVEA_F16}
#define SHAPE(b, h, q, d) .batch = b, .heads = h, .seq_q = q, .dim_v = d
#define EIGHT             .parts = {1, 1, 1, 1, 1, 1, 1, 1}
#define COEFFICIENTS(of)  .coefficients = true, .form = MERGE_OF_##of
#define OFFSETS(of)       .form = MERGE_OF_##of

static const merge_case table[] = {
    {"one_part", .parts = {1}, SHAPE(1, 1, 1, 1)},
    {"one_part_f16", .parts = {1}, SHAPE(2, 3, 5, 33), F16S, .o_dtype = FOVEA_F16, .flat = true},
    {"two_parts", .parts = {2}, SHAPE(2, 3, 5, 64)},
    {"two_sources", .parts = {1, 1}, SHAPE(2, 3, 5, 64), .flat = true},
    {"two_sources_bshd", .parts = {1, 2}, SHAPE(2, 3, 5, 40), .layout = MERGE_BSHD},
    {"three_sources", .parts = {2, 1, 3}, SHAPE(1, 2, 7, 65), .o_dtype = FOVEA_BF16},
    {"eight_sources", EIGHT, SHAPE(1, 2, 9, 12), .dtypes = {FOVEA_F32, FOVEA_F16}, .flat = true},
    {"eight_sources_of_many", .parts = {3, 1, 2, 5, 1, 4, 2, 1}, SHAPE(2, 2, 3, 20), OFFSETS(ROW)},
    {"parts_65", .parts = {65}, SHAPE(1, 3, 4, 16), .values = MERGE_FAR},
    {"parts_65_spread", .parts = {1, 31, 2, 31}, SHAPE(1, 3, 4, 5), .layout = MERGE_ODD_GAPS, .shift = 1},
    {"parts_17_inside", .parts = {17}, SHAPE(2, 2, 3, 8), .layout = MERGE_PARTS_INSIDE},
    {"parts_inside_odd", .parts = {5, 4}, SHAPE(2, 2, 3, 3), F16S, .o_dtype = FOVEA_F16, .layout = MERGE_PARTS_INSIDE},
    {"dim_1", .parts = {3}, SHAPE(2, 3, 37, 1), F16S, .o_dtype = FOVEA_F16},
    {"dim_2", .parts = {3, 2}, SHAPE(2, 3, 11, 2), F16S, .o_dtype = FOVEA_F16},
    {"dim_3", .parts = {2}, SHAPE(1, 5, 23, 3), .o_dtype = FOVEA_BF16, .shift = 1},
    {"dim_33_shifted", .parts = {2, 2, 2}, SHAPE(1, 2, 5, 33), F16S, .o_dtype = FOVEA_BF16, .shift = 3},
    {"dim_64_gaps", .parts = {4}, SHAPE(2, 2, 6, 64), F16S, .layout = MERGE_WIDE_GAPS},
    {"dim_65", .parts = {4}, SHAPE(1, 2, 6, 65), .dtypes = {FOVEA_BF16}, .o_dtype = FOVEA_F16},
    {"dim_512", .parts = {5}, SHAPE(1, 2, 3, 512), F16S, .o_dtype = FOVEA_F16, .level = CASE_QUICK},
    {"dim_1023", .parts = {2, 3}, SHAPE(1, 2, 3, 1023), .o_dtype = FOVEA_F16, .level = CASE_QUICK},
    {"dim_1024", .parts = {7}, SHAPE(1, 1, 5, 1024), .dtypes = {FOVEA_BF16}, .o_dtype = FOVEA_BF16,
     .level = CASE_QUICK},
    {"shared_heads", .parts = {3, 2}, SHAPE(2, 4, 3, 16), .layout = MERGE_SHARED_HEADS},
    {"no_lse", .parts = {3}, SHAPE(1, 2, 5, 8), .no_lse = true},
    {"far", .parts = {4, 1, 4}, SHAPE(1, 2, 9, 8), .values = MERGE_FAR},
    {"high", .parts = {6}, SHAPE(1, 2, 9, 8), .values = MERGE_HIGH, OFFSETS(HEAD)},
    {"low", .parts = {6}, SHAPE(1, 2, 9, 8), .values = MERGE_LOW},
    {"empty", .parts = {3, 2, 1}, SHAPE(2, 3, 9, 8), .values = MERGE_EMPTY},
    {"empty_f16", .parts = {2}, SHAPE(2, 3, 9, 7), F16S, .o_dtype = FOVEA_F16, .values = MERGE_EMPTY},
    {"broken", .parts = {3}, SHAPE(2, 3, 23, 8), .values = MERGE_BROKEN},
    {"broken_f16", .parts = {2, 2, 2}, SHAPE(1, 3, 23, 7), .o_dtype = FOVEA_F16, .values = MERGE_BROKEN, OFFSETS(PART)},
    {"broken_and_closed", .parts = {3}, SHAPE(2, 3, 9, 8), .values = MERGE_BROKEN, OFFSETS(ROW),
     .factors = MERGE_CLOSED},
    {"tiny", .parts = {3}, SHAPE(1, 2, 9, 8), .dtypes = {FOVEA_BF16}, .values = MERGE_TINY},
    {"offsets_of_parts", .parts = {5}, SHAPE(2, 3, 9, 8), OFFSETS(PART)},
    {"offsets_of_heads", .parts = {2, 3}, SHAPE(2, 3, 9, 8), OFFSETS(HEAD), .layout = MERGE_ODD_GAPS},
    {"offsets_of_rows", .parts = {2, 3}, SHAPE(2, 3, 9, 8), OFFSETS(ROW), .layout = MERGE_BSHD, .shift = 1},
    {"offsets_closed", .parts = {2, 3}, SHAPE(2, 3, 9, 8), OFFSETS(ROW), .factors = MERGE_CLOSED},
    {"offsets_closed_parts", .parts = {4}, SHAPE(2, 3, 9, 8), OFFSETS(PART), .factors = MERGE_CLOSED},
    {"offsets_huge", .parts = {4}, SHAPE(2, 3, 9, 8), OFFSETS(HEAD), .factors = MERGE_HUGE},
    {"differential", .parts = {1, 1}, SHAPE(2, 3, 9, 64), COEFFICIENTS(HEAD), .flat = true},
    {"coefficients_of_parts", .parts = {5}, SHAPE(2, 3, 9, 8), COEFFICIENTS(PART), .o_dtype = FOVEA_F16},
    {"coefficients_of_rows", .parts = {5}, SHAPE(2, 3, 9, 7), COEFFICIENTS(ROW), .layout = MERGE_ODD_GAPS, .shift = 1},
    {"coefficients_closed", .parts = {2, 2}, SHAPE(2, 3, 9, 7), COEFFICIENTS(ROW), .factors = MERGE_CLOSED, F16S},
    {"coefficients_huge", .parts = {3}, SHAPE(1, 2, 5, 16), COEFFICIENTS(ROW), .factors = MERGE_HUGE},
    {"three_branches", .parts = {1, 1, 1}, SHAPE(2, 3, 9, 20), COEFFICIENTS(ROW), .flat = true},
    {"eight_branches", EIGHT, SHAPE(1, 3, 9, 20), COEFFICIENTS(HEAD), F16S, .o_dtype = FOVEA_BF16},
    {"branches_of_parts", .parts = {2, 1, 4, 1, 3}, SHAPE(1, 3, 9, 6), COEFFICIENTS(PART),
     .layout = MERGE_PARTS_INSIDE},
    {"shorter_run", .parts = {2, 2, 1}, SHAPE(2, 3, 19, 10), OFFSETS(ROW), .run_q = 7},
    {"shorter_run_branches", .parts = {2, 2, 1}, SHAPE(2, 3, 19, 10), COEFFICIENTS(ROW), .run_q = 7},
    {"one_query", .parts = {9}, SHAPE(3, 5, 19, 10), F16S, .o_dtype = FOVEA_F16, .run_q = 1},
    {"no_queries", .parts = {2, 2, 1}, SHAPE(2, 3, 19, 10), .no_queries = true},
    {"many_rows", .parts = {2, 1}, SHAPE(2, 8, 700, 33), F16S, .o_dtype = FOVEA_F16, .level = CASE_QUICK},
    {"long", .parts = {8, 4}, SHAPE(1, 16, 4096, 64), F16S, .o_dtype = FOVEA_F16, .level = CASE_FULL},
};
enum { TABLE = sizeof table / sizeof table[0] };

/* Cases are so small that what takes time is a driver's compiler: a part takes every parts-th. */
bool merge_takes(const merge_case *c, int n)
{
    return c->level <= test.level && test_takes_number(n);
}

START_TEST(cases)
{
    if (merge_takes(&table[_i], _i))
        merge_case_run(&table[_i]);
}
END_TEST

/* Every mix of storage. */
START_TEST(dtypes)
{
    static const fovea_dtype all[] = {FOVEA_F32, FOVEA_F16, FOVEA_BF16};
    char name[64];
    const merge_case c = {.name = name,
                          .parts = {2, 1},
                          SHAPE(2, 2, 5, 20 + (uint32_t)_i % 2),
                          .dtypes = {all[_i % 3], all[_i / 3 % 3]},
                          .o_dtype = all[_i / 9],
                          .shift = (uint32_t)_i % 4 == 3};
    snprintf(name, sizeof name, "dtypes %d", _i);
    if (test_takes_number(_i))
        merge_case_run(&c);
}
END_TEST

static uint32_t pick(uint64_t *state, uint32_t count)
{
    *state = case_hash(*state, 1);
    return (uint32_t)(*state >> 33) % count;
}

/* Case number n of an endless list. */
static merge_case random_case(int n, char name[64])
{
    static const uint32_t dims[] = {1, 2, 3, 4, 5, 7, 8, 16, 20, 31, 33, 40, 64, 65, 96, 128};
    uint64_t s = case_hash(test.seed, 1000u + (uint32_t)n);
    merge_case c = {.name = name,
                    SHAPE(1 + pick(&s, 3), 1 + pick(&s, 4), 1 + pick(&s, 40), dims[pick(&s, 16)]),
                    .dtypes = {(fovea_dtype)pick(&s, 3), (fovea_dtype)pick(&s, 3)},
                    .o_dtype = (fovea_dtype)pick(&s, 3),
                    .coefficients = pick(&s, 3) == 0,
                    .no_lse = pick(&s, 4) == 0,
                    .flat = pick(&s, 2),
                    .form = (merge_form)pick(&s, MERGE_FORMS),
                    .factors = (merge_factors)pick(&s, MERGE_FACTORS),
                    .values = (merge_values)pick(&s, MERGE_VALUES),
                    .layout = (merge_layout)pick(&s, MERGE_LAYOUTS),
                    .shift = pick(&s, 4),
                    .budget = pick(&s, 3)};
    const uint32_t sources = 1 + pick(&s, FOVEA_MERGE_SOURCES);
    for (uint32_t i = 0; i < sources; i++)
        c.parts[i] = 1 + (pick(&s, 2) ? 0 : pick(&s, 9));
    if (c.coefficients && c.form == MERGE_NONE)
        c.form = MERGE_OF_ROW;
    if (pick(&s, 3) == 0)
        c.run_q = 1 + pick(&s, c.seq_q);
    snprintf(name, 64, "random %d", n);
    return c;
}

static const int random_count[] = {12, 60, 400}, random_count_compiled[] = {4, 12, 80};

START_TEST(random_cases)
{
    char name[64];
    if (!test_takes_number(_i))
        return;
    const merge_case c = random_case(_i, name);
    merge_case_run(&c);
}
END_TEST

void add_merge_table_tests(Suite *suite)
{
    TCase *c = tcase_create("table");
    tcase_add_loop_test(c, cases, 0, TABLE);
    tcase_add_loop_test(c, dtypes, 0, 27);
    tcase_add_loop_test(c, random_cases, 0,
                        (test_compiles_kernels() ? random_count_compiled : random_count)[test.level]);
    suite_add_tcase(suite, c);
}

static void add(Suite *suite)
{
    add_merge_api_tests(suite); /* first: it drops the messages that it provokes, and the others must cause none */
    add_merge_table_tests(suite);
    add_merge_run_tests(suite);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv, "merge", add);
}
