/* The parts of the API suite, one file each: every documented rule and every way to break it. */
#ifndef TESTS_TEST_API_H
#define TESTS_TEST_API_H

#include "harness.h"
#include "patch.h"

void add_device_tests(Suite *suite);     /* enumerate, open, buffers */
void add_name_tests(Suite *suite);       /* names, tensors */
void add_descriptor_tests(Suite *suite); /* softmax descriptors */
void add_run_tests(Suite *suite);        /* run arguments */
void add_explain_tests(Suite *suite);    /* report and explain */
void add_limit_tests(Suite *suite);      /* clamps, the odd and the impossible */
void add_measure_tests(Suite *suite);    /* rates and time stamps */
void add_memory_tests(Suite *suite);     /* host allocations that fail, and those that must not happen */

/* A legal descriptor: batch 2, heads 4 / 2 / 2, 9 queries, 17 keys, dims 8 and 6, f32, with lse; all
 * strides 0. */
fovea_softmax_params api_params(void);

#endif
