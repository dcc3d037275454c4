/* Small merges for a host that launches the kernels by hand. */
#ifndef MERGE_CASE_H
#define MERGE_CASE_H

#include "cl_host.h"

/* Runs the cases, or the one called `only`, and counts them. Whether all are right. */
bool merge_cases_run(cl_host *host, const char *shaders, const char *only, uint32_t *ran);

#endif
