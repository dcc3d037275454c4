/* The device's pool of kernels. */
#include "kernels.h"

#include <stdio.h>
#include <string.h>

#include "compile.h"
#include "modules.h"

static bool same_desc(const fv_kernel_desc *a, const fv_kernel_desc *b)
{
    return strcmp(a->module, b->module) == 0 && a->constant_count == b->constant_count &&
           memcmp(a->constants, b->constants, a->constant_count * sizeof a->constants[0]) == 0 &&
           a->subgroup_size == b->subgroup_size && a->invocations == b->invocations;
}

static const fv_module *find_module(const char *name)
{
    for (uint32_t i = 0; i < fv_module_count; i++)
        if (strcmp(fv_modules[i].name, name) == 0)
            return &fv_modules[i];
    return NULL;
}

/* SPIR-V of a module's text, made now; *out_words is released with fv_free. */
static fovea_status compile(fovea_device *device, const fv_module *module, uint32_t **out_words, size_t *out_count)
{
    if (module->probe && !fv_compile_knows(module->probe))
        return fv_fail(&device->host, FOVEA_UNSUPPORTED, "kernel %s: no run-time compiler that knows matrices of %s",
                       module->name, fovea_dtype_name(module->operand));
    return fv_compile(&device->host, module->name, module->source, out_words, out_count);
}

/* Creates the backend's kernel, from embedded words or from the text compiled now. */
static fovea_status create_kernel(fovea_device *device, fv_pipeline *pipeline)
{
    fovea_status status = FOVEA_OK;
    const fv_caps *caps = &device->driver->caps;
    uint32_t *compiled = NULL;
    fv_kernel_desc desc = pipeline->desc;
    if (!caps->native && !caps->emulated) {
        const fv_module *module = find_module(desc.module);
        fv_require(&device->host, module, FOVEA_UNSUPPORTED, "this build has no kernel module %s", desc.module);
        desc.words = module->words;
        desc.word_count = module->word_count;
        if (device->params.compile_at_run_time || !desc.words) {
            fv_try(compile(device, module, &compiled, &desc.word_count));
            desc.words = compiled;
        }
    }
    if (desc.words)
        pipeline->words_hash = fv_hash_of(desc.words, desc.word_count * sizeof desc.words[0]);
    fv_try(device->backend->kernel_create(device->driver, &desc, &pipeline->kernel));
fail:
    fv_free(&device->host, compiled);
    return status;
}

fovea_status fv_pipeline_get(fovea_device *device, const fv_kernel_desc *desc, fv_pipeline **out_pipeline)
{
    fovea_status status = FOVEA_OK;
    *out_pipeline = NULL;
    for (fv_pipeline *known = device->pipelines; known; known = known->next) {
        if (same_desc(&known->desc, desc)) {
            known->users++;
            *out_pipeline = known;
            return FOVEA_OK;
        }
    }
    const double start = fv_seconds();
    fv_pipeline *pipeline = fv_alloc(&device->host, 1, sizeof *pipeline);
    fv_require(&device->host, pipeline, FOVEA_OUT_OF_HOST_MEMORY, "no host memory for kernel %s", desc->module);
    pipeline->desc = *desc;
    pipeline->users = 1;
    fv_try(create_kernel(device, pipeline));
    pipeline->create_s = fv_seconds() - start;
    pipeline->next = device->pipelines;
    device->pipelines = pipeline;
    *out_pipeline = pipeline;
    return FOVEA_OK;
fail:
    fv_free(&device->host, pipeline);
    return status;
}

void fv_pipeline_put(fovea_device *device, fv_pipeline *pipeline)
{
    if (!pipeline || --pipeline->users > 0)
        return;
    fv_pipeline **link = &device->pipelines;
    while (*link != pipeline)
        link = &(*link)->next;
    *link = pipeline->next;
    device->backend->kernel_destroy(pipeline->kernel);
    fv_free(&device->host, pipeline);
}

fovea_kernel_report fv_pipeline_report(const fovea_device *device, const fv_pipeline *pipeline, const char *use)
{
    fv_kernel_stats stats = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
    device->backend->kernel_stats(pipeline->kernel, &stats);
    fovea_kernel_report report = {.operand_parts = 1,
                                  .invocations = pipeline->desc.invocations,
                                  .registers = stats.registers,
                                  .spills = stats.spills,
                                  .subgroups_per_simd = stats.subgroups_per_simd,
                                  .scratch = stats.scratch,
                                  .tested = pipeline->tested && !pipeline->failed,
                                  .cached = pipeline->cached,
                                  .self_test_s = pipeline->test_s,
                                  .create_s = pipeline->create_s};
    snprintf(report.name, sizeof report.name, "%s", pipeline->desc.module);
    snprintf(report.use, sizeof report.use, "%s", use);
    return report;
}
