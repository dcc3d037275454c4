/* The merge suite's parts, one file each. */
#ifndef TESTS_TEST_MERGE_H
#define TESTS_TEST_MERGE_H

#include "merge_trial.h"

void add_merge_table_tests(Suite *suite); /* the case table and random cases */
void add_merge_run_tests(Suite *suite);   /* budgets, sources, workspaces, sizes, threads, limits, beside softmax */
void add_merge_api_tests(Suite *suite);   /* descriptors and arguments that break a rule, reports */

/* Whether this process takes a case. */
bool merge_takes(const merge_case *c, int n);

#endif
