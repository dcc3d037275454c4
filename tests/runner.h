/* How every test program in C runs its suite. */
#ifndef TESTS_RUNNER_H
#define TESTS_RUNNER_H

#include <check.h>
#include <stdbool.h>

/* Runs the suite in this process, tells about it on standard output in TAP, and frees it. Whether all of it passed. */
bool run_suite(Suite *suite);

#endif
