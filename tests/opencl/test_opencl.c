/* The kernels, read as OpenCL C, against a reference in double precision, on whatever OpenCL there
 * is. Under Oclgrind the same program is a check for races, bounds and uninitialised reads (run_oclgrind.sh).
 *
 * test_opencl SHADERS [CASE]: the folder of the kernel texts; one case only. Exit 77 without OpenCL. */
#include "cl_host.h"
#include "measure_case.h"
#include "merge_case.h"
#include "softmax_case.h"

#include <stdio.h>
#include <string.h>

enum { GRID_X = 3 }; /* so that the grid is folded */

typedef struct case_run {
    cl_host *host;
    const char *shaders;
    case_data data;
    cl_mem q, k, v, o, lse, state, sinks;
    char options[1024];
} case_run;

static void write_options(case_run *r)
{
    const softmax_case *c = r->data.c;
    size_t length = (size_t)snprintf(r->options, sizeof r->options, "-DMICRO_M=%uu -DMICRO_N=%uu -DMICRO_V=%uu",
                                     (unsigned)c->tm, (unsigned)c->tn, (unsigned)c->tv);
    for (uint32_t i = 0; i < CASE_CONSTANTS; i++)
        length += (size_t)snprintf(r->options + length, sizeof r->options - length, " -D%s=%uu", CASE_CONSTANT_NAMES[i],
                                   (unsigned)r->data.constants[i]);
}

static bool create_buffers(case_run *r)
{
    const case_data *data = &r->data;
    r->q = cl_host_buffer(r->host, data->q.words, data->q.word_count);
    r->k = cl_host_buffer(r->host, data->k.words, data->k.word_count);
    r->v = cl_host_buffer(r->host, data->v.words, data->v.word_count);
    r->o = cl_host_buffer(r->host, data->o.words, data->o.word_count);
    r->lse = cl_host_buffer(r->host, data->lse.words, data->lse.word_count);
    r->state = cl_host_buffer(r->host, data->state.words, data->state.word_count);
    uint32_t sinks[CASE_HEADS_MOST];
    for (uint32_t h = 0; h < data->c->heads_q; h++) {
        const float sink = case_sink(data->c, h);
        memcpy(&sinks[h], &sink, sizeof sink);
    }
    r->sinks = cl_host_buffer(r->host, sinks, data->c->heads_q);
    return r->q && r->k && r->v && r->o && r->lse && r->state && r->sinks;
}

static void release_buffers(case_run *r)
{
    const cl_mem buffers[] = {r->q, r->k, r->v, r->o, r->lse, r->state, r->sinks};
    for (uint32_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++)
        if (buffers[i])
            clReleaseMemObject(buffers[i]);
}

static bool launch(case_run *r, cl_kernel kernel, const cl_mem *buffers, uint32_t buffer_count, uint32_t groups,
                   cl_launch sizes)
{
    sizes.kernel = kernel;
    sizes.buffers = buffers;
    sizes.buffer_count = buffer_count;
    sizes.groups_x = GRID_X;
    sizes.groups_y = (groups + GRID_X - 1) / GRID_X;
    return cl_host_run(r->host, &sizes);
}

static bool run_direct(case_run *r)
{
    uint32_t words[CASE_PARAMETERS];
    const uint32_t count = case_direct_parameters(&r->data, words);
    const cl_mem buffers[] = {r->q, r->k, r->v, r->o, r->data.c->lse ? r->lse : r->o, r->sinks};
    const cl_kernel kernel = cl_host_build(r->host, "softmax_direct", r->shaders, r->options);
    if (!kernel)
        return false;
    const cl_launch sizes = {.parameters = words, .parameter_count = count, .lanes = r->data.lanes};
    const bool ran = launch(r, kernel, buffers, 6, r->data.items, sizes);
    clReleaseKernel(kernel);
    return ran;
}

static bool run_state(case_run *r)
{
    const cl_mem buffers[] = {r->q, r->k, r->v, r->state};
    const cl_kernel kernel = cl_host_build(r->host, "softmax_state", r->shaders, r->options);
    if (!kernel)
        return false;
    bool ran = true;
    for (uint32_t slice = 0; ran && slice < r->data.c->slices; slice++) {
        uint32_t words[CASE_PARAMETERS];
        const uint32_t count = case_state_parameters(&r->data, slice, words);
        const cl_launch sizes = {.parameters = words, .parameter_count = count, .lanes = r->data.lanes};
        ran = launch(r, kernel, buffers, 4, r->data.items * r->data.c->splits, sizes);
    }
    clReleaseKernel(kernel);
    return ran;
}

static bool run_finish(case_run *r)
{
    uint32_t words[CASE_PARAMETERS];
    const uint32_t count = case_finish_parameters(&r->data, words);
    const cl_mem buffers[] = {r->state, r->o, r->data.c->lse ? r->lse : r->o, r->sinks};
    const cl_kernel kernel = cl_host_build(r->host, "softmax_finish", r->shaders, r->options);
    if (!kernel)
        return false;
    const cl_launch sizes = {.parameters = words, .parameter_count = count, .lanes = SOFTMAX_FINISH_LANES};
    const bool ran = launch(r, kernel, buffers, 4, r->data.items, sizes);
    clReleaseKernel(kernel);
    return ran;
}

static bool run_case(cl_host *host, const char *shaders, const softmax_case *c)
{
    case_run r = {.host = host, .shaders = shaders};
    case_create(c, &r.data);
    write_options(&r);
    bool right = create_buffers(&r) && (c->splits ? run_state(&r) && run_finish(&r) : run_direct(&r)) &&
                 cl_host_read(host, r.o, r.data.o.words, r.data.o.word_count) &&
                 cl_host_read(host, r.lse, r.data.lse.words, r.data.lse.word_count) && case_check(&r.data, host->name);
    release_buffers(&r);
    case_destroy(&r.data);
    return right;
}

int main(int count, char **arguments)
{
    if (count < 2) {
        fprintf(stderr, "usage: test_opencl SHADERS [CASE]\n");
        return 2;
    }
    cl_host host;
    if (!cl_host_open(&host)) {
        printf("no OpenCL device\n");
        return 77;
    }
    uint32_t wrong = 0, ran = 0;
    for (uint32_t i = 0; i < SOFTMAX_CASE_COUNT; i++) {
        if (count > 2 && strcmp(SOFTMAX_CASES[i].name, arguments[2]) != 0)
            continue;
        ran++;
        wrong += !run_case(&host, arguments[1], &SOFTMAX_CASES[i]);
    }
    wrong += !measure_cases_run(&host, arguments[1], count > 2 ? arguments[2] : NULL, &ran);
    wrong += !merge_cases_run(&host, arguments[1], count > 2 ? arguments[2] : NULL, &ran);
    cl_host_close(&host);
    printf("%u of %u cases right\n", (unsigned)(ran - wrong), (unsigned)ran);
    return wrong || !ran;
}
