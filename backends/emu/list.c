/* Runs a command list: dispatches group by group, copies and fills at once. Every word that a command touches
 * is noted with a token, so that a missing barrier command shows like a race between lanes. */
#include "emu.h"

#include <string.h>

/* Tokens left before an epoch must end: far above what a list can use in a lifetime. */
#define TOKENS_MAX 0xf0000000u

static bool range_legal(const fv_range *range, uint64_t alignment)
{
    return range->buffer && range->offset % alignment == 0 && range->size <= range->buffer->size &&
           range->offset <= range->buffer->size - range->size;
}

static fovea_status check_range(fv_emu_device *device, const char *what, const fv_range *range, uint64_t alignment)
{
    if (range_legal(range, alignment))
        return FOVEA_OK;
    return fv_fail(device->base.host, FOVEA_INTERNAL,
                   "%s: bytes %llu + %llu of a buffer of %llu; the offset must be a multiple of %llu", what,
                   (unsigned long long)range->offset, (unsigned long long)range->size,
                   (unsigned long long)(range->buffer ? range->buffer->size : 0), (unsigned long long)alignment);
}

/* What a binding must be, besides: not empty, within the device's range, in memory for kernels. */
static fovea_status check_binding(fv_emu_device *device, const char *what, const fv_range *range)
{
    const fovea_device_limits *limits = &device->limits;
    const fovea_status status = check_range(device, what, range, limits->storage_offset_alignment);
    if (status != FOVEA_OK)
        return status;
    if (range->size == 0 || range->size > limits->storage_range)
        return fv_fail(device->base.host, FOVEA_INTERNAL, "%s: a binding of %llu bytes; the device takes 1 to %llu",
                       what, (unsigned long long)range->size, (unsigned long long)limits->storage_range);
    if (!((const fv_emu_buffer *)range->buffer)->cells)
        return fv_fail(device->base.host, FOVEA_INTERNAL, "%s: staging memory is bound to a kernel", what);
    return FOVEA_OK;
}

/* ---- dispatch -------------------------------------------------------------------------------- */

static fovea_status bind_views(fv_emu_device *device, const fv_emu_kernel *kernel, const fv_dispatch *dispatch)
{
    for (const fv_emu_name *name = kernel->text->buffers; name->name; name++) {
        const fv_range *range = &dispatch->bindings[name->number];
        const fovea_status status = check_binding(device, name->name, range);
        if (status != FOVEA_OK)
            return status;
        const fv_emu_buffer *buffer = (const fv_emu_buffer *)range->buffer;
        device->machine.views[name->number] = (fv_emu_view){.name = name->name,
                                                            .words = buffer->words + range->offset / 4,
                                                            .cells = buffer->cells + range->offset / 4,
                                                            .count = range->size / 4,
                                                            .access = (fv_access)name->access};
    }
    return FOVEA_OK;
}

static fovea_status check_groups(fv_emu_device *device, const fv_emu_kernel *kernel, const fv_dispatch *dispatch)
{
    const uint32_t *groups = dispatch->groups;
    const fovea_device_limits *limits = &device->limits;
    if (groups[0] && groups[1] && groups[2] && groups[0] <= limits->group_count_x &&
        groups[1] <= limits->group_count_y && groups[2] <= limits->group_count_z)
        return FOVEA_OK;
    return fv_fail(device->base.host, FOVEA_INTERNAL, "%s: %u x %u x %u groups", kernel->text->module,
                   (unsigned)groups[0], (unsigned)groups[1], (unsigned)groups[2]);
}

static void poison_shared(const fv_emu_kernel *kernel)
{
    for (uint32_t i = 0; i < kernel->array_count; i++)
        memset(kernel->arrays[i].memory, 0xff, (size_t)kernel->arrays[i].count * kernel->arrays[i].size);
}

static void clear_cells(const fv_emu_kernel *kernel)
{
    for (uint32_t i = 0; i < kernel->array_count; i++)
        memset(kernel->arrays[i].cells, 0, kernel->arrays[i].count * sizeof *kernel->arrays[i].cells);
}

/* Takes `count` tokens of the epoch; a new epoch where they are used up. Returns the first. */
static uint32_t take_tokens(fv_emu_device *device, uint32_t *next, uint64_t count)
{
    if (count > TOKENS_MAX - *next) {
        device->machine.epoch++;
        *next = 1;
    }
    const uint32_t first = *next;
    *next += (uint32_t)(count < TOKENS_MAX ? count : TOKENS_MAX - 1);
    return first;
}

static fovea_status run_groups(fv_emu_device *device, const fv_emu_kernel *kernel, const uint32_t groups[3])
{
    fv_emu_machine *machine = &device->machine;
    machine->group_token = machine->dispatch_token;
    machine->groups_x = groups[0];
    for (uint32_t z = 0; z < groups[2]; z++)
        for (uint32_t y = 0; y < groups[1]; y++)
            for (uint32_t x = 0; x < groups[0]; x++) {
                machine->group[0] = x;
                machine->group[1] = y;
                machine->group[2] = z;
                poison_shared(kernel);
                if (!fv_emu_run_group(machine))
                    return fv_fail(device->base.host, FOVEA_INTERNAL, "%s", machine->fault);
                machine->group_token += machine->lane_count;
            }
    return FOVEA_OK;
}

static fovea_status run_dispatch(fv_emu_device *device, const fv_dispatch *dispatch, uint32_t *next_token)
{
    fv_emu_machine *machine = &device->machine;
    const fv_emu_kernel *kernel = (const fv_emu_kernel *)dispatch->kernel;
    fovea_status status = FOVEA_OK;
    fv_try(check_groups(device, kernel, dispatch));
    fv_try(bind_views(device, kernel, dispatch));
    machine->faulty = false;
    machine->fault[0] = 0;
    machine->module = kernel->text->module;
    machine->lane_count = kernel->invocations;
    machine->subgroup_size = kernel->subgroup_size;
    machine->interval = 0;
    memcpy(machine->arrays, kernel->arrays, sizeof machine->arrays);
    clear_cells(kernel);
    const uint64_t groups = (uint64_t)dispatch->groups[0] * dispatch->groups[1] * dispatch->groups[2];
    machine->dispatch_token = take_tokens(device, next_token, groups * kernel->invocations);
    kernel->text->load(machine, kernel->constants, dispatch->parameters);
    device->lanes.body = kernel->text->body;
    status = run_groups(device, kernel, dispatch->groups);
fail:
    return status;
}

/* ---- copy and fill --------------------------------------------------------------------------- */

/* Notes the words of a range as read or written by one command. */
static fovea_status note_range(fv_emu_device *device, const char *what, const fv_range *range, uint32_t token,
                               bool write)
{
    const fv_emu_buffer *buffer = (const fv_emu_buffer *)range->buffer;
    const uint64_t end = buffer->cells ? (range->offset + range->size + 3) / 4 : 0;
    for (uint64_t i = range->offset / 4; i < end; i++) {
        const bool legal = write ? fv_emu_note_write(&buffer->cells[i], token, device->machine.epoch)
                                 : fv_emu_note_read(&buffer->cells[i], token, device->machine.epoch);
        if (!legal)
            return fv_fail(device->base.host, FOVEA_INTERNAL,
                           "%s: word %llu of a buffer is in use by an earlier command "
                           "without a barrier command since",
                           what, (unsigned long long)i);
    }
    return FOVEA_OK;
}

static fovea_status run_copy(fv_emu_device *device, const fv_copy *copy, uint32_t token)
{
    const fv_range *source = &copy->source, *target = &copy->target;
    const bool bytes = source->buffer && target->buffer && source->buffer->mappable && target->buffer->mappable;
    const uint64_t alignment = bytes ? 1 : 4;
    fovea_status status = FOVEA_OK;
    fv_try(check_range(device, "copy source", source, alignment));
    fv_try(check_range(device, "copy target", target, alignment));
    fv_require(device->base.host, source->size == target->size && source->size % alignment == 0, FOVEA_INTERNAL,
               "copy of %llu bytes to %llu", (unsigned long long)source->size, (unsigned long long)target->size);
    fv_try(note_range(device, "copy source", source, token, false));
    fv_try(note_range(device, "copy target", target, token, true));
    memmove((unsigned char *)((const fv_emu_buffer *)target->buffer)->words + target->offset,
            (const unsigned char *)((const fv_emu_buffer *)source->buffer)->words + source->offset, source->size);
fail:
    return status;
}

static fovea_status run_fill(fv_emu_device *device, const fv_fill *fill, uint32_t token)
{
    const fv_range *target = &fill->target;
    fovea_status status = FOVEA_OK;
    fv_try(check_range(device, "fill", target, 4));
    fv_require(device->base.host, target->size % 4 == 0, FOVEA_INTERNAL, "fill of %llu bytes",
               (unsigned long long)target->size);
    fv_try(note_range(device, "fill", target, token, true));
    uint32_t *words = ((const fv_emu_buffer *)target->buffer)->words + target->offset / 4;
    for (uint64_t i = 0; i < target->size / 4; i++)
        words[i] = fill->value;
fail:
    return status;
}

/* ---- the list -------------------------------------------------------------------------------- */

static fovea_status run_command(fv_emu_device *device, const fv_command *command, uint32_t *next_token)
{
    switch (command->kind) {
    case FV_COMMAND_DISPATCH: return run_dispatch(device, &command->dispatch, next_token);
    case FV_COMMAND_COPY: return run_copy(device, &command->copy, take_tokens(device, next_token, 1));
    case FV_COMMAND_FILL: return run_fill(device, &command->fill, take_tokens(device, next_token, 1));
    case FV_COMMAND_BARRIER:
        device->machine.epoch++;
        *next_token = 1;
        return FOVEA_OK;
    case FV_COMMAND_STAMP: device->stamps[command->stamp] = fv_seconds(); return FOVEA_OK;
    }
    return fv_fail(device->base.host, FOVEA_INTERNAL, "command of unknown kind %d", (int)command->kind);
}

fovea_status fv_emu_run_list(fv_emu_device *device, const fv_command *commands, uint32_t count)
{
    fovea_status status = FOVEA_OK;
    pthread_mutex_lock(&device->lock);
    device->machine.epoch++; /* one list after another is ordered */
    uint32_t next_token = 1;
    for (uint32_t i = 0; i < count && status == FOVEA_OK; i++)
        status = run_command(device, &commands[i], &next_token);
    pthread_mutex_unlock(&device->lock);
    return status;
}
