/* The smallest OpenCL host that runs a kernel text through preludes/opencl.h: one device, one queue in order.
 * Every function prints what went wrong and returns false or NULL. */
#ifndef CL_HOST_H
#define CL_HOST_H

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct cl_host {
    cl_device_id device;
    cl_context context;
    cl_command_queue queue;
    char name[128];
} cl_host;

/* Opens the first device. False without any. */
bool cl_host_open(cl_host *host);
void cl_host_close(cl_host *host);

/* The kernel `name` of shaders/<name>.comp; `options` holds its constants. NULL on a failure or any warning.
 */
cl_kernel cl_host_build(cl_host *host, const char *name, const char *shaders, const char *options);

cl_mem cl_host_buffer(cl_host *host, const uint32_t *words, uint32_t count);
bool cl_host_read(cl_host *host, cl_mem buffer, uint32_t *words, uint32_t count);

/* Runs groups_x * groups_y workgroups of `lanes`; the arguments are the buffers, then the parameters. Waits.
 */
typedef struct cl_launch {
    cl_kernel kernel;
    const cl_mem *buffers;
    uint32_t buffer_count, parameter_count, lanes, groups_x, groups_y;
    const uint32_t *parameters;
} cl_launch;
bool cl_host_run(cl_host *host, const cl_launch *launch);

#endif
