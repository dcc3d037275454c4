#include "test_api.h"

fovea_softmax_params api_params(void)
{
    return (fovea_softmax_params){.q = {.rank = 4, .extents = {2, 4, 9, 8}},
                                  .k = {.rank = 4, .extents = {2, 2, 17, 8}},
                                  .v = {.rank = 4, .extents = {2, 2, 17, 6}},
                                  .o = {.rank = 4, .extents = {2, 4, 9, 6}},
                                  .lse = {.rank = 3, .extents = {2, 4, 9}}};
}

void api_apply(void *memory, const api_patch *patch)
{
    unsigned char *place = (unsigned char *)memory + patch->offset;
    const uint32_t small = (uint32_t)patch->value;
    if (patch->size == sizeof patch->value)
        memcpy(place, &patch->value, sizeof patch->value);
    else if (patch->size == sizeof small)
        memcpy(place, &small, sizeof small);
}

const char *api_error(void)
{
    static char text[1024];
    fovea_last_error(test.opened, text, sizeof text);
    return text;
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
