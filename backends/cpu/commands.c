/* Command lists on the CPU: recorded into memory that open reserved, run command by command, each dispatch
 * spread over the pool. A command ends before the next begins, so barriers have nothing to do. */
#include "cpu.h"

#include <string.h>

typedef struct dispatch_job {
    const cpu_device *device;
    const cpu_kernel *kernel;
    const fv_dispatch *dispatch;
    unsigned char *bindings[FV_BINDINGS_MAX];
    cpu_stage stage;
} dispatch_job;

static unsigned char *range_start(const fv_range *range)
{
    return ((const cpu_buffer *)range->buffer)->memory + range->offset;
}

static cpu_call call_of(const dispatch_job *job, uint32_t thread)
{
    const cpu_device *device = job->device;
    return (cpu_call){
        .constants = job->kernel->constants,
        .parameters = job->dispatch->parameters,
        .bindings = job->bindings,
        .threads = device->threads,
        .scratch = device->scratch.memory + thread * device->scratch.size,
        .panels = device->panels.memory,
        .stage = &job->stage,
    };
}

static void run_group(void *context, uint64_t item, uint32_t thread)
{
    const dispatch_job *job = context;
    cpu_call call = call_of(job, thread);
    call.group = job->stage.first + item;
    job->kernel->native->run(&call);
}

static void run_pack(void *context, uint64_t item, uint32_t thread)
{
    const dispatch_job *job = context;
    cpu_call call = call_of(job, thread);
    call.group = item;
    job->kernel->native->pack(&call);
}

/* Stage by stage; a kernel that packs nothing has one. */
static void run_dispatch(cpu_device *device, const fv_dispatch *dispatch)
{
    dispatch_job job = {device, (const cpu_kernel *)dispatch->kernel, dispatch, {NULL}, {0}};
    for (uint32_t i = 0; i < job.kernel->base.binding_count; i++)
        job.bindings[i] = range_start(&dispatch->bindings[i]);
    const uint64_t groups = (uint64_t)dispatch->groups[0] * dispatch->groups[1];
    const cpu_native *native = job.kernel->native;
    for (uint64_t first = 0; first < groups; first += job.stage.count) {
        job.stage = (cpu_stage){.first = first, .count = groups - first};
        if (native->plan) {
            const cpu_call call = call_of(&job, 0);
            native->plan(&call, &job.stage);
        }
        if (job.stage.packs > 0)
            fv_cpu_pool_run(device->pool, job.stage.packs, run_pack, &job);
        fv_cpu_pool_run(device->pool, job.stage.count, run_group, &job);
    }
}

static void run_fill(const fv_fill *fill)
{
    unsigned char *memory = range_start(&fill->target);
    for (uint64_t byte = 0; byte + 4 <= fill->target.size; byte += 4)
        memcpy(memory + byte, &fill->value, 4);
}

static void run_commands(cpu_device *device, const fv_command *commands, uint32_t count)
{
    pthread_mutex_lock(&device->run_lock);
    for (uint32_t i = 0; i < count; i++) {
        const fv_command *command = &commands[i];
        switch (command->kind) {
        case FV_COMMAND_DISPATCH: run_dispatch(device, &command->dispatch); break;
        case FV_COMMAND_COPY:
            memmove(range_start(&command->copy.target), range_start(&command->copy.source),
                    (size_t)command->copy.source.size);
            break;
        case FV_COMMAND_FILL: run_fill(&command->fill); break;
        case FV_COMMAND_BARRIER: break;
        case FV_COMMAND_STAMP: device->stamps[command->stamp] = fv_seconds(); break;
        }
    }
    pthread_mutex_unlock(&device->run_lock);
}

fovea_status fv_cpu_submit(fv_device *base)
{
    cpu_device *device = (cpu_device *)base;
    run_commands(device, device->list, device->list_count);
    device->list_count = 0;
    return FOVEA_OK;
}

fovea_status fv_cpu_record(fv_device *base, const fv_command *commands, uint32_t count)
{
    cpu_device *device = (cpu_device *)base;
    while (count > 0) {
        if (device->list_count == LIST_COMMANDS)
            fv_cpu_submit(base);
        const uint32_t room = LIST_COMMANDS - device->list_count;
        const uint32_t taken = count < room ? count : room;
        memcpy(device->list + device->list_count, commands, taken * sizeof *commands);
        device->list_count += taken;
        commands += taken;
        count -= taken;
    }
    return FOVEA_OK;
}

fovea_status fv_cpu_wait(fv_device *base)
{
    (void)base; /* submit returned when the work was done */
    return FOVEA_OK;
}

fovea_status fv_cpu_execute(fv_device *base, const fv_command *commands, uint32_t count)
{
    run_commands((cpu_device *)base, commands, count);
    return FOVEA_OK;
}

fovea_status fv_cpu_read_stamps(fv_device *base, uint32_t first, uint32_t count, double *out_seconds)
{
    memcpy(out_seconds, ((cpu_device *)base)->stamps + first, count * sizeof *out_seconds);
    return FOVEA_OK;
}
