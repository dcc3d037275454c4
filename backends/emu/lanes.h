/* Lanes of a workgroup as coroutines on one thread, on stacks that live as long as the device. */
#ifndef FV_EMU_LANES_H
#define FV_EMU_LANES_H

#include "machine.h"

#include <setjmp.h>
#include <ucontext.h>

typedef enum fv_emu_state { FV_EMU_READY, FV_EMU_AT_BARRIER, FV_EMU_AT_SHUFFLE, FV_EMU_ENDED } fv_emu_state;

typedef struct fv_emu_lane {
    ucontext_t entry; /* where it starts, on its stack */
    jmp_buf jump;     /* where it left */
    bool idle;        /* it left at its end: the next resume runs the body anew */
    bool entered;
    unsigned char *stack;
    void *fake_stack; /* the address sanitizer's */
    fv_emu_state state;
    fv_emu_place place;          /* where it waits */
    uint32_t bits, mask, result; /* of a shuffle */
} fv_emu_lane;

typedef struct fv_emu_lanes {
    fv_emu_lane *lanes; /* FV_EMU_LANES_MAX */
    uint32_t count;     /* that have a stack */
    void (*body)(void);
    ucontext_t scheduler_context; /* one of the two, see lanes.c */
    jmp_buf scheduler_jump;
    void *fake_stack;
    const void *scheduler_stack; /* the address sanitizer's view of the thread's own stack */
    size_t scheduler_stack_size;
} fv_emu_lanes;

fovea_status fv_emu_lanes_open(fv_host *host, fv_emu_lanes *lanes);
void fv_emu_lanes_close(fv_host *host, fv_emu_lanes *lanes);
/* Gives stacks to lanes 0 .. count - 1. */
fovea_status fv_emu_lanes_reserve(fv_host *host, fv_emu_lanes *lanes, uint32_t count);

/* Makes the lane ready to run `lanes->body` from its start; a lane that never ended is forgotten. */
void fv_emu_lane_start(fv_emu_lanes *lanes, uint32_t lane);
/* Runs the lane until it leaves or ends. False if it ran over its stack. */
bool fv_emu_lane_resume(fv_emu_lanes *lanes, uint32_t lane);
/* Called on the lane: back to the scheduler. Returns at the next resume, or never. */
void fv_emu_lane_leave(fv_emu_lanes *lanes, uint32_t lane);

#endif
