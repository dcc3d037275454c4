/* The kernels that measure rates, as cases of the OpenCL host. */
#ifndef MEASURE_CASE_H
#define MEASURE_CASE_H

#include "cl_host.h"

/* Runs all of them, or the one named `only`, and adds their number to *ran. False, with a line, where one is wrong. */
bool measure_cases_run(cl_host *host, const char *shaders, const char *only, uint32_t *ran);

#endif
