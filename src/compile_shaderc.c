/* The compiler seam on shaderc. */
#include "compile.h"

#include <shaderc/shaderc.h>
#include <string.h>

static shaderc_compilation_result_t compile_text(shaderc_compiler_t compiler, const char *name, const char *source)
{
    shaderc_compile_options_t options = shaderc_compile_options_initialize();
    if (!options)
        return NULL;
    shaderc_compile_options_set_target_env(options, shaderc_target_env_vulkan, shaderc_env_version_vulkan_1_1);
    shaderc_compile_options_set_target_spirv(options, shaderc_spirv_version_1_3);
    shaderc_compile_options_set_optimization_level(options, shaderc_optimization_level_zero);
    shaderc_compilation_result_t result =
        shaderc_compile_into_spv(compiler, source, strlen(source), shaderc_compute_shader, name, "main", options);
    shaderc_compile_options_release(options);
    return result;
}

static fovea_status take_words(fv_host *host, const char *name, shaderc_compilation_result_t result,
                               uint32_t **out_words, size_t *out_word_count)
{
    if (shaderc_result_get_compilation_status(result) != shaderc_compilation_status_success)
        return fv_fail(host, FOVEA_COMPILE_FAILED, "kernel %s: %.900s", name, shaderc_result_get_error_message(result));
    const size_t size = shaderc_result_get_length(result);
    uint32_t *words = fv_alloc(host, size, 1);
    if (!words)
        return fv_fail(host, FOVEA_OUT_OF_HOST_MEMORY, "no host memory for the SPIR-V of kernel %s", name);
    memcpy(words, shaderc_result_get_bytes(result), size);
    *out_words = words;
    *out_word_count = size / sizeof *words;
    return FOVEA_OK;
}

fovea_status fv_compile(fv_host *host, const char *name, const char *source, uint32_t **out_words,
                        size_t *out_word_count)
{
    *out_words = NULL;
    *out_word_count = 0;
    fovea_status status = FOVEA_OUT_OF_HOST_MEMORY;
    shaderc_compiler_t compiler = shaderc_compiler_initialize();
    shaderc_compilation_result_t result = compiler ? compile_text(compiler, name, source) : NULL;
    if (result)
        status = take_words(host, name, result, out_words, out_word_count);
    else
        fv_fail(host, status, "shaderc gave no result for kernel %s", name);
    shaderc_result_release(result);
    shaderc_compiler_release(compiler);
    return status;
}

bool fv_compile_knows(const char *probe)
{
    shaderc_compiler_t compiler = shaderc_compiler_initialize();
    shaderc_compilation_result_t result = compiler ? compile_text(compiler, "probe", probe) : NULL;
    const bool knows = result && shaderc_result_get_compilation_status(result) == shaderc_compilation_status_success;
    shaderc_result_release(result);
    shaderc_compiler_release(compiler);
    return knows;
}
