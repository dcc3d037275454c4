#include "cl_host.h"

#include <stdio.h>
#include <string.h>

static bool good(cl_int status, const char *what)
{
    if (status == CL_SUCCESS)
        return true;
    printf("OpenCL: %s failed with %d\n", what, (int)status);
    return false;
}

/* ---- device ---------------------------------------------------------------------------------- */

static bool first_device(cl_device_id *device)
{
    cl_platform_id platforms[8];
    cl_uint count = 0;
    if (clGetPlatformIDs(8, platforms, &count) != CL_SUCCESS)
        return false;
    for (cl_uint i = 0; i < count && i < 8; i++)
        if (clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, 1, device, NULL) == CL_SUCCESS)
            return true;
    return false;
}

bool cl_host_open(cl_host *host)
{
    memset(host, 0, sizeof *host);
    if (!first_device(&host->device))
        return false;
    cl_int status;
    clGetDeviceInfo(host->device, CL_DEVICE_NAME, sizeof host->name - 1, host->name, NULL);
    host->context = clCreateContext(NULL, 1, &host->device, NULL, NULL, &status);
    if (!good(status, "clCreateContext"))
        return false;
    host->queue = clCreateCommandQueue(host->context, host->device, 0, &status);
    return good(status, "clCreateCommandQueue");
}

void cl_host_close(cl_host *host)
{
    if (host->queue)
        clReleaseCommandQueue(host->queue);
    if (host->context)
        clReleaseContext(host->context);
}

/* ---- programs -------------------------------------------------------------------------------- */

static bool build(cl_host *host, cl_program program, const char *name, const char *options)
{
    static char log[1 << 14];
    const cl_int status = clBuildProgram(program, 1, &host->device, options, NULL, NULL);
    log[0] = 0;
    clGetProgramBuildInfo(program, host->device, CL_PROGRAM_BUILD_LOG, sizeof log - 1, log, NULL);
    if (strstr(log, "warning:") || status != CL_SUCCESS) {
        printf("%s, built with %s:\n%s\n", name, options, log);
        return false;
    }
    return true;
}

cl_kernel cl_host_build(cl_host *host, const char *name, const char *shaders, const char *options)
{
    char source[256], all[2048];
    snprintf(source, sizeof source, "#include \"preludes/opencl.h\"\n#include \"%s.comp\"\n", name);
    const int length = snprintf(all, sizeof all, "-cl-std=CL1.2 -I%s %s", shaders, options);
    if (length < 0 || (size_t)length >= sizeof all) {
        printf("%s: the options are too long\n", name);
        return NULL;
    }
    const char *text = source;
    cl_int status;
    const cl_program program = clCreateProgramWithSource(host->context, 1, &text, NULL, &status);
    if (!good(status, "clCreateProgramWithSource"))
        return NULL;
    cl_kernel kernel = NULL;
    if (build(host, program, name, all)) {
        kernel = clCreateKernel(program, name, &status);
        if (!good(status, "clCreateKernel"))
            kernel = NULL;
    }
    clReleaseProgram(program);
    return kernel;
}

/* ---- memory and launches --------------------------------------------------------------------- */

cl_mem cl_host_buffer(cl_host *host, const uint32_t *words, uint32_t count)
{
    cl_int status;
    const cl_mem buffer = clCreateBuffer(host->context, CL_MEM_READ_WRITE, count * sizeof *words, NULL, &status);
    if (!good(status, "clCreateBuffer"))
        return NULL;
    status = clEnqueueWriteBuffer(host->queue, buffer, CL_TRUE, 0, count * sizeof *words, words, 0, NULL, NULL);
    return good(status, "clEnqueueWriteBuffer") ? buffer : NULL;
}

bool cl_host_read(cl_host *host, cl_mem buffer, uint32_t *words, uint32_t count)
{
    return good(clEnqueueReadBuffer(host->queue, buffer, CL_TRUE, 0, count * sizeof *words, words, 0, NULL, NULL),
                "clEnqueueReadBuffer");
}

bool cl_host_run(cl_host *host, const cl_launch *launch)
{
    cl_uint argument = 0;
    for (; argument < launch->buffer_count; argument++)
        if (!good(clSetKernelArg(launch->kernel, argument, sizeof(cl_mem), &launch->buffers[argument]),
                  "clSetKernelArg of a buffer"))
            return false;
    if (!good(clSetKernelArg(launch->kernel, argument, launch->parameter_count * sizeof(uint32_t), launch->parameters),
              "clSetKernelArg of the parameters"))
        return false;
    const size_t local[2] = {launch->lanes, 1};
    const size_t global[2] = {(size_t)launch->lanes * launch->groups_x, launch->groups_y};
    return good(clEnqueueNDRangeKernel(host->queue, launch->kernel, 2, NULL, global, local, 0, NULL, NULL),
                "clEnqueueNDRangeKernel") &&
           good(clFinish(host->queue), "clFinish");
}
