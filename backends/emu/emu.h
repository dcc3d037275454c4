/* The emulator backend's own types: a device that runs kernel texts, read as C11, on host memory. */
#ifndef FV_EMU_H
#define FV_EMU_H

#include "lanes.h"
#include "machine.h"

enum { FV_EMU_COMMANDS = 4096 }; /* room of the open list; a full list is executed */

typedef struct fv_emu_device {
    fv_device base;
    fovea_device_limits limits; /* in force: the device's own and the caller's clamps */
    pthread_mutex_t lock;       /* guards the machine, its lanes and its shared memory */
    fv_emu_machine machine;
    fv_emu_lanes lanes;
    unsigned char *shared; /* FV_EMU_SHARED_BYTES */
    fv_emu_cell *cells;    /* one for each 4 bytes of it */
    fv_command *commands;  /* the open list */
    uint32_t command_count;
    double stamps[FV_STAMPS_MAX];
    fovea_status outcome; /* of the list that ran last: what wait reports */
} fv_emu_device;

typedef struct fv_emu_buffer {
    fv_buffer base;
    uint32_t *words;
    fv_emu_cell *cells; /* one a word; NULL in staging memory, which no kernel may touch */
} fv_emu_buffer;

typedef struct fv_emu_kernel {
    fv_kernel base;
    const fv_emu_text *text;
    uint32_t constants[FV_CONSTANTS_MAX];
    uint32_t invocations, subgroup_size, array_count;
    fv_emu_array arrays[FV_EMU_SHARED_MAX]; /* memory and cells are the device's */
} fv_emu_kernel;

/* device.c */
extern const fv_backend fv_backend_emulator;

/* kernel.c */
fovea_status fv_emu_kernel_create(fv_device *device, const fv_kernel_desc *desc, fv_kernel **out_kernel);
void fv_emu_kernel_destroy(fv_kernel *kernel);
void fv_emu_kernel_stats(fv_kernel *kernel, fv_kernel_stats *out_stats);

/* list.c: runs commands in order, as one list. INTERNAL with a message at the first fault; the rest is
 * dropped. */
fovea_status fv_emu_run_list(fv_emu_device *device, const fv_command *commands, uint32_t count);

/* schedule.c: runs the lanes of the machine's group. False: machine->fault says why. */
bool fv_emu_run_group(fv_emu_machine *machine);

#endif
