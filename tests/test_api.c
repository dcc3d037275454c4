#include "test_api.h"

fovea_softmax_params api_params(void)
{
    return (fovea_softmax_params){.q = {.rank = 4, .extents = {2, 4, 9, 8}},
                                  .k = {.rank = 4, .extents = {2, 2, 17, 8}},
                                  .v = {.rank = 4, .extents = {2, 2, 17, 6}},
                                  .o = {.rank = 4, .extents = {2, 4, 9, 6}},
                                  .lse = {.rank = 3, .extents = {2, 4, 9}}};
}

static void add(Suite *suite)
{
    add_name_tests(suite);
    add_device_tests(suite);
    add_descriptor_tests(suite);
    add_run_tests(suite);
    add_explain_tests(suite);
    add_limit_tests(suite);
    add_measure_tests(suite);
    add_memory_tests(suite);
}

int main(int argc, char **argv)
{
    return test_main(argc, argv, "api", add);
}
