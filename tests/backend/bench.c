#include "suite.h"

#ifdef FV_WITH_VULKAN
#include "step_spirv.h"
#endif

fovea_status bench_kernel(fv_device *device, uint32_t factor, fv_kernel **out_kernel)
{
    fv_kernel_desc desc = {
        .kernel = "step",
        .module = "step.test",
        .constants = {STEP_INVOCATIONS, factor},
        .constant_count = 2,
        .access = {FV_READ, FV_READ_WRITE},
        .binding_count = 2,
        .parameter_bytes = 12,
        .invocations = STEP_INVOCATIONS,
    };
#ifdef FV_WITH_VULKAN
    desc.words = step_spirv;
    desc.word_count = sizeof step_spirv / sizeof step_spirv[0];
#endif
    return device->backend->kernel_create(device, &desc, out_kernel);
}

static fovea_status make(bench *b, const fovea_device_params *params)
{
    const fv_backend *backend = under_test.backend;
    const uint64_t size = BENCH_WORDS * sizeof(uint32_t);
    fovea_status status;
    fv_try(backend->open(&under_test.host, params, under_test.index, &b->device));
    fv_try(backend->buffer_create(b->device, size, FV_MEMORY_DEVICE, &b->source));
    fv_try(backend->buffer_create(b->device, size, FV_MEMORY_DEVICE, &b->target));
    fv_try(backend->buffer_create(b->device, size, FV_MEMORY_STAGING, &b->staging));
    if (under_test.kernels)
        fv_try(bench_kernel(b->device, 1, &b->step));
    return FOVEA_OK;
fail:
    return status;
}

fovea_status bench_open(bench *b, const fovea_device_params *params)
{
    *b = (bench){0};
    const fovea_status status = make(b, params);
    if (status != FOVEA_OK)
        bench_close(b);
    return status;
}

void bench_close(bench *b)
{
    const fv_backend *backend = under_test.backend;
    if (!b->device)
        return;
    backend->submit(b->device);
    backend->wait(b->device);
    fv_buffer *const buffers[] = {b->source, b->target, b->staging};
    for (int i = 0; i < 3; i++)
        if (buffers[i])
            backend->buffer_destroy(buffers[i]);
    if (b->step)
        backend->kernel_destroy(b->step);
    backend->close(b->device);
    *b = (bench){0};
}

fv_command command_step(fv_kernel *kernel, fv_range source, fv_range target, uint32_t addend)
{
    const uint32_t words = (uint32_t)(target.size / sizeof(uint32_t));
    return (fv_command){
        .kind = FV_COMMAND_DISPATCH,
        .dispatch =
            {
                .kernel = kernel,
                .bindings = {source, target},
                .parameters = {words, addend, 1},
                .groups = {(words + STEP_INVOCATIONS - 1) / STEP_INVOCATIONS, 1, 1},
            },
    };
}

fv_command command_copy(fv_buffer *source, fv_buffer *target, uint64_t bytes)
{
    return (fv_command){.kind = FV_COMMAND_COPY, .copy = {{source, 0, bytes}, {target, 0, bytes}}};
}

fv_command command_fill(fv_buffer *buffer, uint64_t offset, uint64_t bytes, uint32_t value)
{
    return (fv_command){.kind = FV_COMMAND_FILL, .fill = {{buffer, offset, bytes}, value}};
}

fv_command command_barrier(void)
{
    return (fv_command){.kind = FV_COMMAND_BARRIER};
}

uint32_t bench_read(bench *b, fv_buffer *buffer, uint32_t index)
{
    const fv_backend *backend = under_test.backend;
    const fv_command copy = command_copy(buffer, b->staging, BENCH_WORDS * sizeof(uint32_t));
    void *memory;
    ck_assert_int_eq(backend->execute(b->device, &copy, 1), FOVEA_OK);
    ck_assert_int_eq(backend->buffer_map(b->staging, 0, b->staging->size, &memory), FOVEA_OK);
    const uint32_t word = ((const uint32_t *)memory)[index];
    backend->buffer_unmap(b->staging, 0, 0);
    return word;
}
