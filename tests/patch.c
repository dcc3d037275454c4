#include "patch.h"

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
