/* The softmax suite's parts, one file each. */
#ifndef TESTS_TEST_SOFTMAX_H
#define TESTS_TEST_SOFTMAX_H

#include "trial.h"

void add_table_tests(Suite *suite);  /* the case table and random cases */
void add_size_tests(Suite *suite);   /* tile edges and sizes of a run */
void add_slice_tests(Suite *suite);  /* budgets, splits, tiles, workspaces, repetition, threads */
void add_poison_tests(Suite *suite); /* visible NaN and infinity, extreme scores, permutations */

#endif
