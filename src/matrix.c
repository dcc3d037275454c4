#include "matrix.h"

#include "compile.h"
#include "modules.h"

/* A module of the matrix tier for that shape; NULL: there is none. */
static const fv_module *module_of(const fv_matrix *shape)
{
    for (uint32_t i = 0; i < fv_module_count; i++)
        if (fv_module_serves(&fv_modules[i], shape))
            return &fv_modules[i];
    return NULL;
}

fovea_tier fv_matrix_tier(const fv_backend *backend, const fovea_device_info *info)
{
    if (info->tier != FOVEA_TIER_MATRIX || !backend->modules)
        return info->tier;
    for (uint32_t i = 0; i < info->matrix_count; i++)
        if (module_of(&info->matrices[i]))
            return FOVEA_TIER_MATRIX;
    return FOVEA_TIER_SUBGROUP;
}

void fv_matrix_settle(fovea_device *device)
{
    fv_caps *caps = &device->driver->caps;
    const char *known = NULL, *unknown = NULL; /* the probe that the compiler was last seen to know, or not */
    uint32_t kept = 0;
    if (!device->backend->modules)
        return;
    for (uint32_t i = 0; i < caps->matrix_count; i++) {
        const fv_module *module = module_of(&caps->matrices[i]);
        if (module && device->params.compile_at_run_time && module->probe != known) {
            if (module->probe == unknown || !fv_compile_knows(module->probe)) {
                unknown = module->probe;
                continue;
            }
            known = module->probe;
        }
        if (module)
            caps->matrices[kept++] = caps->matrices[i];
    }
    if (unknown)
        fv_log(&device->host, FOVEA_LOG_INFO, "the run-time compiler is too old for kernels of the matrix unit");
    caps->matrix_count = kept;
    if (device->tier == FOVEA_TIER_MATRIX && kept == 0)
        device->tier = FOVEA_TIER_SUBGROUP;
}
