/* What a kernel text sees when it is read as C11 (shaders/preludes/c11.h): the machine that runs one
 * workgroup.
 *
 * Every access of a buffer or of a shared array passes through the functions below. They check bounds,
 * declared access and, by who touched a word last and when, races. The first fault ends the dispatch: the
 * lane that found it never resumes, and its message becomes the status of the submit (schedule.c, list.c).
 *
 * Rules that they check
 *   shared array  Between two BARRIER() lies one interval. In one interval an element is read by any lanes or
 * written by one, never both. No element is read before it was written since the group's start. buffer
 * Between two barrier commands a word is read by any lanes or written by one, of one dispatch or of several;
 * no BARRIER() orders buffers. Words may be shared by atomics with atomics.
 */
#ifndef FV_EMU_MACHINE_H
#define FV_EMU_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend.h"

enum {
    FV_EMU_SHARED_MAX = 8, /* shared arrays of a kernel */
    FV_EMU_SHARED_BYTES = 1 << 15,
    FV_EMU_LANES_MAX = 256, /* lanes of a workgroup */
    FV_EMU_SUBGROUP = 8     /* lanes of a subgroup where the kernel asks for no size */
};

typedef struct fv_emu_place { /* in a kernel text */
    const char *file;
    int line;
} fv_emu_place;

/* Who touched a word or an element last. Tokens name lanes: 1 and up. */
#define FV_EMU_MANY   UINT32_MAX        /* as a reader: several lanes */
#define FV_EMU_ATOMIC (UINT32_MAX - 1u) /* as a writer: atomics alone */

typedef struct fv_emu_cell {
    uint32_t writer, written; /* token, and the interval (shared) or epoch (buffers) of the write; 0: none */
    uint32_t reader, read;
} fv_emu_cell;

typedef struct fv_emu_view { /* a binding */
    const char *name;
    uint32_t *words;
    fv_emu_cell *cells; /* one a word */
    uint64_t count;     /* words */
    fv_access access;
} fv_emu_view;

typedef struct fv_emu_array { /* a shared array */
    const char *name;
    uint32_t size, count, most; /* bytes of an element; elements; their declared upper bound */
    unsigned char *memory;
    fv_emu_cell *cells; /* one an element */
} fv_emu_array;

struct fv_emu_lanes;

typedef struct fv_emu_machine {
    uint32_t lane, group[3]; /* who runs now */
    uint32_t groups_x;       /* of the dispatch */
    uint32_t lane_count, subgroup_size;
    uint32_t interval, group_start; /* intervals are counted through a whole dispatch, from 1 */
    uint32_t epoch;                 /* counts barrier commands, from 1 */
    uint32_t dispatch_token;        /* first token of this dispatch */
    uint32_t group_token;           /* token of this group's lane 0 */
    fv_emu_view views[FV_BINDINGS_MAX];
    fv_emu_array arrays[FV_EMU_SHARED_MAX];
    const char *module;
    struct fv_emu_lanes *lanes;
    bool faulty;
    char fault[768];
} fv_emu_machine;

/* ---- kernel texts ---------------------------------------------------------------------------- */

typedef struct fv_emu_name { /* a constant and its id, or a buffer and its access */
    const char *name;
    uint32_t number, access;
} fv_emu_name;

/* One module: a text, its tier and micro-tile. Each is a translation unit that c11.h turns into this. */
typedef struct fv_emu_text {
    const char *module;
    const fv_emu_name *constants, *buffers; /* each ends with a NULL name */
    uint32_t parameter_bytes;
    bool subgroup; /* whether it uses subgroup words */
    /* The functions work on values that `load` set in the calling thread. */
    void (*load)(fv_emu_machine *machine, const uint32_t *constants, const uint32_t *parameters);
    uint32_t (*invocations)(void);
    uint32_t (*arrays)(fv_emu_array arrays[FV_EMU_SHARED_MAX]); /* name, size, count, most; returns how many */
    void (*body)(void);                                         /* one lane */
} fv_emu_text;

/* The modules of this build, in a generated file. */
extern const fv_emu_text *const fv_emu_texts[];
extern const uint32_t fv_emu_text_count;

/* ---- called by kernel texts ------------------------------------------------------------------ */

/* Latches the first fault and ends the lane. `place`: in the kernel text. */
_Noreturn void fv_emu_fault(fv_emu_machine *machine, fv_emu_place place, const char *format, ...) FV_PRINTF(3, 4);
_Noreturn void fv_emu_fault_buffer(fv_emu_machine *machine, uint32_t binding, uint64_t word, const char *what,
                                   fv_emu_place place);
_Noreturn void fv_emu_fault_shared(fv_emu_machine *machine, uint32_t array, uint32_t index, const char *what,
                                   fv_emu_place place);
void fv_emu_barrier(fv_emu_machine *machine, fv_emu_place place);
uint32_t fv_emu_shuffle_xor(fv_emu_machine *machine, uint32_t bits, uint32_t mask, fv_emu_place place);

static inline uint32_t fv_emu_token(const fv_emu_machine *machine)
{
    return machine->group_token + machine->lane;
}

/* Notes a read; whether it is free of races. */
static inline bool fv_emu_note_read(fv_emu_cell *cell, uint32_t token, uint32_t now)
{
    if (cell->written == now && cell->writer != token)
        return false;
    cell->reader = cell->read == now && cell->reader != token ? FV_EMU_MANY : token;
    cell->read = now;
    return true;
}

/* Notes a write; whether it is free of races. */
static inline bool fv_emu_note_write(fv_emu_cell *cell, uint32_t token, uint32_t now)
{
    if ((cell->written == now && cell->writer != token) || (cell->read == now && cell->reader != token))
        return false;
    cell->writer = token;
    cell->written = now;
    return true;
}

/* Word `word` of a binding, and the width - 1 words behind it, for reading. */
static inline const uint32_t *fv_emu_read(fv_emu_machine *machine, uint32_t binding, uint64_t word, uint32_t width,
                                          fv_emu_place place)
{
    const fv_emu_view *view = &machine->views[binding];
    if (!(view->access & FV_READ) || (width > 1 && view->access != FV_READ))
        fv_emu_fault_buffer(machine, binding, word, "is declared otherwise than it is read", place);
    if (word + width > view->count)
        fv_emu_fault_buffer(machine, binding, word, "is read beyond the end", place);
    for (uint32_t i = 0; i < width; i++)
        if (!fv_emu_note_read(&view->cells[word + i], fv_emu_token(machine), machine->epoch))
            fv_emu_fault_buffer(machine, binding, word + i, "is read, race", place);
    return view->words + word;
}

static inline uint32_t *fv_emu_reach(fv_emu_machine *machine, uint32_t binding, uint64_t word, fv_emu_place place)
{
    const fv_emu_view *view = &machine->views[binding];
    if (!(view->access & FV_WRITE))
        fv_emu_fault_buffer(machine, binding, word, "is read-only but written", place);
    if (word >= view->count)
        fv_emu_fault_buffer(machine, binding, word, "is written beyond the end", place);
    return view->words + word;
}

static inline void fv_emu_write(fv_emu_machine *machine, uint32_t binding, uint64_t word, uint32_t value,
                                fv_emu_place place)
{
    uint32_t *target = fv_emu_reach(machine, binding, word, place);
    if (!fv_emu_note_write(&machine->views[binding].cells[word], fv_emu_token(machine), machine->epoch))
        fv_emu_fault_buffer(machine, binding, word, "is written, race", place);
    *target = value;
}

static inline void fv_emu_atomic(fv_emu_machine *machine, uint32_t binding, uint64_t word, uint32_t keep, uint32_t set,
                                 fv_emu_place place)
{
    uint32_t *target = fv_emu_reach(machine, binding, word, place);
    if (!fv_emu_note_write(&machine->views[binding].cells[word], FV_EMU_ATOMIC, machine->epoch))
        fv_emu_fault_buffer(machine, binding, word, "is written by an atomic, race", place);
    *target = (*target & keep) | set;
}

/* Element `index` of a shared array, for reading or for writing. */
static inline void *fv_emu_shared(fv_emu_machine *machine, uint32_t array, uint32_t index, bool write,
                                  fv_emu_place place)
{
    const fv_emu_array *shared = &machine->arrays[array];
    if (index >= shared->count)
        fv_emu_fault_shared(machine, array, index, "lies beyond the end", place);
    fv_emu_cell *cell = &shared->cells[index];
    if (write) {
        if (!fv_emu_note_write(cell, machine->lane + 1u, machine->interval))
            fv_emu_fault_shared(machine, array, index, "is written, race", place);
    } else {
        if (cell->written < machine->group_start)
            fv_emu_fault_shared(machine, array, index, "is read before it was written", place);
        if (!fv_emu_note_read(cell, machine->lane + 1u, machine->interval))
            fv_emu_fault_shared(machine, array, index, "is read, race", place);
    }
    return shared->memory + (size_t)index * shared->size;
}

#endif
