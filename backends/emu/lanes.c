/* The C library's check of longjmp knows one stack alone. */
#undef _FORTIFY_SOURCE

#include "lanes.h"

#include <string.h>

#if defined(__has_feature)
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
#define ADDRESS_SANITIZER 1
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define ADDRESS_SANITIZER 0
#endif

enum {
    STACK_BYTES = ADDRESS_SANITIZER ? 512 << 10 : 64 << 10,
    GUARD_BYTES = 256 /* at a stack's low end, to be found as it was */
};
static const unsigned char GUARD = 0xa5;

/* ---- what the address sanitizer wants to know about a switch --------------------------------- */

static void before_switch(void **fake_stack, const void *stack, size_t size)
{
#if ADDRESS_SANITIZER
    __sanitizer_start_switch_fiber(fake_stack, stack, size);
#else
    (void)fake_stack;
    (void)stack;
    (void)size;
#endif
}

static void after_switch(void *fake_stack, const void **old_stack, size_t *old_size)
{
#if ADDRESS_SANITIZER
    __sanitizer_finish_switch_fiber(fake_stack, old_stack, old_size);
#else
    (void)fake_stack;
    (void)old_stack;
    (void)old_size;
#endif
}

/* A forgotten lane leaves its frames' red zones behind. */
static void clear_stack(unsigned char *stack)
{
#if ADDRESS_SANITIZER
    __asan_unpoison_memory_region(stack, STACK_BYTES);
#else
    (void)stack;
#endif
}

/* ---- life ------------------------------------------------------------------------------------ */

fovea_status fv_emu_lanes_open(fv_host *host, fv_emu_lanes *lanes)
{
    lanes->lanes = fv_alloc(host, FV_EMU_LANES_MAX, sizeof *lanes->lanes);
    return lanes->lanes ? FOVEA_OK : fv_fail(host, FOVEA_OUT_OF_HOST_MEMORY, "no memory for the emulator's lanes");
}

void fv_emu_lanes_close(fv_host *host, fv_emu_lanes *lanes)
{
    for (uint32_t i = 0; i < lanes->count; i++) {
        clear_stack(lanes->lanes[i].stack);
        fv_free(host, lanes->lanes[i].stack);
    }
    fv_free(host, lanes->lanes);
}

fovea_status fv_emu_lanes_reserve(fv_host *host, fv_emu_lanes *lanes, uint32_t count)
{
    for (; lanes->count < count; lanes->count++) {
        unsigned char *stack = fv_alloc(host, 1, STACK_BYTES);
        if (!stack)
            return fv_fail(host, FOVEA_OUT_OF_HOST_MEMORY, "no memory for the stacks of %u lanes", (unsigned)count);
        memset(stack, GUARD, GUARD_BYTES);
        lanes->lanes[lanes->count].stack = stack;
    }
    return FOVEA_OK;
}

/* ---- switching -------------------------------------------------------------------------------- */

/* A lane enters its stack by setcontext and from then on switches by setjmp and longjmp, which make no system
 * call. The address sanitizer takes a longjmp for an unwinding, and swapcontext for an unannounced switch;
 * with it, both ways are a getcontext and a setcontext. */
#if ADDRESS_SANITIZER

static void switch_context(ucontext_t *from, const ucontext_t *to)
{
    volatile bool back = false;
    getcontext(from);
    if (!back) {
        back = true;
        setcontext(to);
    }
}

static void switch_to_lane(fv_emu_lanes *lanes, fv_emu_lane *lane)
{
    switch_context(&lanes->scheduler_context, &lane->entry);
}

static void switch_to_scheduler(fv_emu_lanes *lanes, fv_emu_lane *lane)
{
    switch_context(&lane->entry, &lanes->scheduler_context);
}

#else

static void switch_to_lane(fv_emu_lanes *lanes, fv_emu_lane *lane)
{
    if (setjmp(lanes->scheduler_jump) != 0)
        return;
    if (lane->entered)
        longjmp(lane->jump, 1);
    lane->entered = true;
    setcontext(&lane->entry);
}

static void switch_to_scheduler(fv_emu_lanes *lanes, fv_emu_lane *lane)
{
    if (setjmp(lane->jump) == 0)
        longjmp(lanes->scheduler_jump, 1);
}

#endif

/* makecontext passes no pointers; the thread that starts a lane leaves them here. */
static _Thread_local fv_emu_lanes *starting;
static _Thread_local uint32_t starting_lane;

static void enter(void)
{
    fv_emu_lanes *lanes = starting;
    const uint32_t lane = starting_lane;
    fv_emu_lane *self = &lanes->lanes[lane];
    after_switch(NULL, &lanes->scheduler_stack, &lanes->scheduler_stack_size);
    for (;;) {
        lanes->body();
        self->state = FV_EMU_ENDED;
        self->idle = true;
        fv_emu_lane_leave(lanes, lane);
    }
}

void fv_emu_lane_start(fv_emu_lanes *lanes, uint32_t lane)
{
    fv_emu_lane *self = &lanes->lanes[lane];
    self->state = FV_EMU_READY;
    if (self->idle)
        return;
    clear_stack(self->stack);
    getcontext(&self->entry);
    self->entry.uc_stack.ss_sp = self->stack + GUARD_BYTES;
    self->entry.uc_stack.ss_size = STACK_BYTES - GUARD_BYTES;
    self->entry.uc_link = NULL;
    makecontext(&self->entry, enter, 0);
    self->entered = false;
    self->fake_stack = NULL;
}

static bool guard_intact(const unsigned char *stack)
{
    for (uint32_t i = 0; i < GUARD_BYTES; i++)
        if (stack[i] != GUARD)
            return false;
    return true;
}

bool fv_emu_lane_resume(fv_emu_lanes *lanes, uint32_t lane)
{
    fv_emu_lane *self = &lanes->lanes[lane];
    starting = lanes;
    starting_lane = lane;
    self->idle = false;
    before_switch(&lanes->fake_stack, self->stack + GUARD_BYTES, STACK_BYTES - GUARD_BYTES);
    switch_to_lane(lanes, self);
    after_switch(lanes->fake_stack, NULL, NULL);
    return !self->idle || guard_intact(self->stack);
}

void fv_emu_lane_leave(fv_emu_lanes *lanes, uint32_t lane)
{
    fv_emu_lane *self = &lanes->lanes[lane];
    before_switch(&self->fake_stack, lanes->scheduler_stack, lanes->scheduler_stack_size);
    switch_to_scheduler(lanes, self);
    after_switch(self->fake_stack, &lanes->scheduler_stack, &lanes->scheduler_stack_size);
}
