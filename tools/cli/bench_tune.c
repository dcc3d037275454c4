/* fovea bench --tune: which candidate tile to prefer, for each kind of case. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CANDIDATES_MOST = 32 };

/* Whether a tile preferred for one case is preferred for the other. */
static bool same_kind(const test_case *a, const test_case *b)
{
    return a->dim_qk == b->dim_qk && a->dim_v == b->dim_v && a->dtypes.q == b->dtypes.q && a->dtypes.k == b->dtypes.k &&
           a->dtypes.v == b->dtypes.v && a->dtypes.o == b->dtypes.o && a->mask == b->mask &&
           memcmp(&a->window, &b->window, sizeof a->window) == 0 && a->operands == b->operands &&
           (a->seq_q == 1) == (b->seq_q == 1) && a->heads_q / a->heads_k == b->heads_q / b->heads_k;
}

static bool is_first_of_its_kind(const bench_result *results, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (same_kind(results[i].c, results[n].c))
            return false;
    return true;
}

/* The candidates that the planner has for a case, and which one it takes untold or as tuned before. */
static int count_candidates(session *s, const bench_result *result, uint32_t *out_count, uint32_t *out_chosen)
{
    fovea_op *op = NULL;
    bench_result asked = *result;
    fovea_status status = bench_make_op(s, result, &op);
    if (status == FOVEA_OK)
        status = fovea_op_get_report(op, &asked.report);
    *out_count = asked.report.tile_candidates < CANDIDATES_MOST ? asked.report.tile_candidates : CANDIDATES_MOST;
    *out_chosen = status == FOVEA_OK ? bench_kernel(&asked)->tile + 1 : 0;
    fovea_op_destroy(op);
    return status == FOVEA_OK ? CLI_DONE : session_fail(s, status, result->name);
}

static int prefer(session *s, const bench_result *kept)
{
    fovea_op *op = NULL;
    fovea_status status = bench_make_op(s, kept, &op);
    if (status == FOVEA_OK)
        status = fovea_op_prefer(op);
    fovea_op_destroy(op);
    return status == FOVEA_OK ? CLI_DONE : session_fail(s, status, kept->name);
}

static void print_candidates(const bench_result *tried, uint32_t count, uint32_t chosen, const bench_result *kept)
{
    for (uint32_t i = 0; i < count; i++) {
        const bench_result *t = &tried[i];
        printf("%-44s tile %2u ", t->name, t->tile);
        if (!t->timed) {
            printf("%s\n", t->reason[0] ? t->reason : "not timed");
            continue;
        }
        const fovea_kernel_report *kernel = bench_kernel(t);
        printf("%4ux%-4u %-9s %12.1f us%s%s\n", kernel->rows, kernel->keys, fovea_tier_name(kernel->tier),
               bench_clock(t)->median * 1e6, t->tile == chosen ? "  the planner's" : "", t == kept ? "  kept" : "");
    }
    fflush(stdout);
}

/* Candidates are timed in turn, BENCH_GROUP at a time. */
static int tune_case(session *s, const bench_options *options, const bench_result *result)
{
    static bench_result tried[CANDIDATES_MOST];
    uint32_t count = 0, chosen = 0;
    int code = count_candidates(s, result, &count, &chosen);
    for (uint32_t i = 0; i < count; i++) {
        tried[i] = *result;
        tried[i].tile = i + 1;
    }
    for (uint32_t i = 0; i < count && code == CLI_DONE; i += BENCH_GROUP)
        code = bench_time_group(s, options, &tried[i], count - i < BENCH_GROUP ? count - i : BENCH_GROUP);
    if (code != CLI_DONE)
        return code;
    const bench_result *kept = bench_faster_tile(tried, count, chosen);
    print_candidates(tried, count, chosen, kept);
    return kept && !bench_interrupted() ? prefer(s, kept) : CLI_DONE;
}

int bench_tune(session *s, const bench_options *options, bench_result *results, size_t count)
{
    int code = CLI_DONE;
    for (size_t i = 0; i < count && !bench_interrupted(); i++) {
        if (!is_first_of_its_kind(results, i))
            continue;
        const int own = tune_case(s, options, &results[i]); /* one that fails has said so; the others go on */
        code = code == CLI_DONE ? own : code;
    }
    return code;
}
