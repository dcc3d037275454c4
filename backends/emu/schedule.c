/* Runs the lanes of a workgroup in lock step between barriers, and of a subgroup between shuffles.
 *
 * All lanes run until each waits at a barrier or has ended; a legal kernel then has all of them at the same
 * barrier or all at their end. A shuffle is a barrier of its subgroup that hands values over. */
#include "emu.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { NOTE = 96 }; /* bytes of a part of a message */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* ---- faults ---------------------------------------------------------------------------------- */

/* Keeps the first fault: where the kernel is, then what it did. */
static void latch(fv_emu_machine *machine, const char *where, const char *format, va_list list)
{
    if (machine->faulty)
        return;
    machine->faulty = true;
    const size_t room = sizeof machine->fault;
    const int length =
        snprintf(machine->fault, room, "kernel %s, group (%u, %u, %u), %s: ", machine->module,
                 (unsigned)machine->group[0], (unsigned)machine->group[1], (unsigned)machine->group[2], where);
    if (length > 0 && (size_t)length < room)
        vsnprintf(machine->fault + length, room - (size_t)length, format, list);
}

static bool fail_group(fv_emu_machine *machine, const char *format, ...) FV_PRINTF(2, 3);
static bool fail_group(fv_emu_machine *machine, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    latch(machine, "scheduler", format, list);
    va_end(list);
    return false;
}

_Noreturn void fv_emu_fault(fv_emu_machine *machine, fv_emu_place place, const char *format, ...)
{
    char where[NOTE];
    snprintf(where, sizeof where, "lane %u, %s:%d", (unsigned)machine->lane, base_name(place.file), place.line);
    va_list list;
    va_start(list, format);
    latch(machine, where, format, list);
    va_end(list);
    for (;;) /* a faulty dispatch resumes no lane */
        fv_emu_lane_leave(machine->lanes, machine->lane);
}

/* Who holds a cell now, where that is not `self`: "lane 3 of group number 0 wrote it". `first` is the token
 * of the first lane of the dispatch, 0 where tokens are lanes of one group. */
static void describe_cell(const fv_emu_machine *machine, const fv_emu_cell *cell, uint32_t self, uint32_t now,
                          uint32_t first, char text[NOTE])
{
    const bool wrote = cell->written == now && cell->writer != self;
    if (!wrote && (cell->read != now || cell->reader == self))
        return;
    const uint32_t token = wrote ? cell->writer : cell->reader;
    const char *verb = wrote ? "wrote" : "read";
    if (token == FV_EMU_MANY)
        snprintf(text, NOTE, "several lanes %s it", verb);
    else if (token == FV_EMU_ATOMIC)
        snprintf(text, NOTE, "an atomic %s it", verb);
    else if (first == 0)
        snprintf(text, NOTE, "lane %u %s it", (unsigned)(token - 1), verb);
    else if (token < first)
        snprintf(text, NOTE, "an earlier command %s it without a barrier command since", verb);
    else
        snprintf(text, NOTE, "lane %u of group number %u %s it", (unsigned)((token - first) % machine->lane_count),
                 (unsigned)((token - first) / machine->lane_count), verb);
}

void fv_emu_fault_buffer(fv_emu_machine *machine, uint32_t binding, uint64_t word, const char *what, fv_emu_place place)
{
    const fv_emu_view *view = &machine->views[binding];
    char other[NOTE] = "";
    if (word < view->count)
        describe_cell(machine, &view->cells[word], fv_emu_token(machine), machine->epoch, machine->dispatch_token,
                      other);
    fv_emu_fault(machine, place, "buffer %s (binding %u), word %llu of %llu %s%s%s", view->name, (unsigned)binding,
                 (unsigned long long)word, (unsigned long long)view->count, what, other[0] ? ": " : "", other);
}

void fv_emu_fault_shared(fv_emu_machine *machine, uint32_t array, uint32_t index, const char *what, fv_emu_place place)
{
    const fv_emu_array *shared = &machine->arrays[array];
    char other[NOTE] = "";
    if (index < shared->count && shared->cells[index].written >= machine->group_start)
        describe_cell(machine, &shared->cells[index], machine->lane + 1u, machine->interval, 0u, other);
    fv_emu_fault(machine, place, "shared array %s, element %u of %u %s%s%s", shared->name, (unsigned)index,
                 (unsigned)shared->count, what, other[0] ? " in one interval: " : "", other);
}

/* ---- called by lanes ------------------------------------------------------------------------- */

static void wait_at(fv_emu_machine *machine, fv_emu_state state, fv_emu_place place)
{
    fv_emu_lane *self = &machine->lanes->lanes[machine->lane];
    self->state = state;
    self->place = place;
    fv_emu_lane_leave(machine->lanes, machine->lane);
}

void fv_emu_barrier(fv_emu_machine *machine, fv_emu_place place)
{
    wait_at(machine, FV_EMU_AT_BARRIER, place);
}

uint32_t fv_emu_shuffle_xor(fv_emu_machine *machine, uint32_t bits, uint32_t mask, fv_emu_place place)
{
    fv_emu_lane *self = &machine->lanes->lanes[machine->lane];
    if (mask >= machine->subgroup_size)
        fv_emu_fault(machine, place, "shuffle by %u leaves the subgroup of %u", (unsigned)mask,
                     (unsigned)machine->subgroup_size);
    self->bits = bits;
    self->mask = mask;
    wait_at(machine, FV_EMU_AT_SHUFFLE, place);
    return self->result;
}

/* ---- the scheduler --------------------------------------------------------------------------- */

static bool same_place(const fv_emu_lane *a, const fv_emu_lane *b)
{
    if (a->state != b->state)
        return false;
    return a->state == FV_EMU_ENDED || (a->place.line == b->place.line &&
                                        (a->place.file == b->place.file || strcmp(a->place.file, b->place.file) == 0));
}

static void place_of(const fv_emu_lane *lane, char text[NOTE])
{
    static const char *const words[] = {"runs", "waits at the barrier", "waits at the shuffle", "has ended"};
    if (lane->state == FV_EMU_ENDED)
        snprintf(text, NOTE, "has ended");
    else
        snprintf(text, NOTE, "%s %s:%d", words[lane->state], base_name(lane->place.file), lane->place.line);
}

/* Whether lanes begin .. end - 1 all wait at one place, or have all ended. */
static bool together(fv_emu_machine *machine, uint32_t begin, uint32_t end)
{
    const fv_emu_lane *lanes = machine->lanes->lanes;
    for (uint32_t i = begin + 1; i < end; i++) {
        if (same_place(&lanes[begin], &lanes[i]))
            continue;
        char first[NOTE], other[NOTE];
        place_of(&lanes[begin], first);
        place_of(&lanes[i], other);
        return fail_group(machine, "divergence: lane %u %s, lane %u %s", (unsigned)begin, first, (unsigned)i, other);
    }
    return true;
}

/* Hands the values over and makes the lanes ready. */
static bool exchange(fv_emu_machine *machine, uint32_t begin, uint32_t end)
{
    fv_emu_lane *lanes = machine->lanes->lanes;
    if (!together(machine, begin, end))
        return false;
    for (uint32_t i = begin; i < end; i++) {
        if (lanes[i].mask != lanes[begin].mask)
            return fail_group(machine, "lanes %u and %u shuffle at %s:%d by masks %u and %u", (unsigned)begin,
                              (unsigned)i, base_name(lanes[i].place.file), lanes[i].place.line,
                              (unsigned)lanes[begin].mask, (unsigned)lanes[i].mask);
        lanes[i].result = lanes[begin + ((i - begin) ^ lanes[i].mask)].bits;
        lanes[i].state = FV_EMU_READY;
    }
    return true;
}

/* Runs a subgroup until none of its lanes can go on without the others of the group. */
static bool run_subgroup(fv_emu_machine *machine, uint32_t begin, uint32_t end)
{
    fv_emu_lane *lanes = machine->lanes->lanes;
    for (;;) {
        bool shuffles = false;
        for (uint32_t i = begin; i < end; i++) {
            if (lanes[i].state == FV_EMU_READY) {
                machine->lane = i;
                if (!fv_emu_lane_resume(machine->lanes, i))
                    return fail_group(machine, "lane %u ran over its stack", (unsigned)i);
                if (machine->faulty)
                    return false;
            }
            shuffles |= lanes[i].state == FV_EMU_AT_SHUFFLE;
        }
        if (!shuffles)
            return true;
        if (!exchange(machine, begin, end))
            return false;
    }
}

bool fv_emu_run_group(fv_emu_machine *machine)
{
    fv_emu_lane *lanes = machine->lanes->lanes;
    const uint32_t count = machine->lane_count;
    machine->group_start = ++machine->interval;
    for (uint32_t i = 0; i < count; i++)
        fv_emu_lane_start(machine->lanes, i);
    for (;;) {
        for (uint32_t i = 0; i < count; i += machine->subgroup_size) {
            const uint32_t end = i + machine->subgroup_size < count ? i + machine->subgroup_size : count;
            if (!run_subgroup(machine, i, end))
                return false;
        }
        if (!together(machine, 0, count))
            return false;
        if (lanes[0].state == FV_EMU_ENDED)
            return true;
        machine->interval++;
        for (uint32_t i = 0; i < count; i++)
            lanes[i].state = FV_EMU_READY;
    }
}
