/* The merge kernels, read as OpenCL C: parts of several sources by LSE, against the reference of the tests. */
#include "merge_case.h"

#include "../ref_merge.h"

#include "abi/merge.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SOURCES = 3, GRID_X = 2, GUARD = 8 /* elements around o */, WORDS_MOST = 1 << 14 };

typedef struct merge_case {
    const char *name;
    uint32_t sources, parts, heads, seq, dim; /* parts of each source */
    fovea_dtype dtype, o_dtype;
    uint32_t offsets; /* of each part */
} merge_case;

static const merge_case cases[] = {
    {"merge_f32", 1, 3, 2, 5, 8, FOVEA_F32, FOVEA_F32, 0},
    {"merge_odd_f16", 2, 2, 3, 7, 5, FOVEA_F16, FOVEA_F16, 1},
    {"merge_carried", 3, 1, 2, 37, 6, FOVEA_BF16, FOVEA_F16, 1},
    {"merge_carried_wide", 3, 2, 1, 33, 12, FOVEA_F16, FOVEA_F32, 0},
};

/* Images of the buffers; o and lse of one part after another, dense. */
typedef struct merge_data {
    const merge_case *c;
    uint32_t rows, parts, quads;
    uint32_t o[SOURCES][WORDS_MOST], lse[SOURCES][WORDS_MOST], offsets[WORDS_MOST], result[WORDS_MOST],
        result_lse[WORDS_MOST], work[WORDS_MOST];
    double o_in[WORDS_MOST], lse_in[WORDS_MOST], offsets_in[WORDS_MOST]; /* the same for the reference */
} merge_data;

typedef struct merge_buffers {
    cl_mem o[SOURCES], lse[SOURCES], offsets, result, result_lse, work;
} merge_buffers;

typedef uint32_t uint;
#define MEMBER(type, name) type name;
typedef struct weigh_parameters {
    MERGE_WEIGH_PARAMS(MEMBER)
} weigh_parameters;
typedef struct sum_parameters {
    MERGE_SUM_PARAMS(MEMBER)
} sum_parameters;
#undef MEMBER

/* ---- data ---------------------------------------------------------------------------------------------------- */

static size_t size_of(fovea_dtype dtype)
{
    return dtype == FOVEA_F32 ? 4 : 2;
}

static void put(uint32_t *words, fovea_dtype dtype, size_t element, double value)
{
    ref_encode((unsigned char *)words + element * size_of(dtype), dtype, value);
}

static double get(const uint32_t *words, fovea_dtype dtype, size_t element)
{
    return ref_decode((const unsigned char *)words + element * size_of(dtype), dtype);
}

/* A multiple of 1/16 in [-2, 2], exact in every dtype. */
static double next_value(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (double)((int)(*state >> 26) - 32) / 16.0;
}

/* Part n: one row of three is empty, and its o is NaN. */
static void fill_part(merge_data *data, uint32_t n, uint32_t *state)
{
    const merge_case *c = data->c;
    const uint32_t s = n / c->parts, part = n % c->parts;
    data->offsets_in[(size_t)n * data->rows] = next_value(state);
    put(data->offsets, FOVEA_F32, n, data->offsets_in[(size_t)n * data->rows]);
    for (uint32_t row = 0; row < data->rows; row++) {
        const size_t place = (size_t)n * data->rows + row, in_source = (size_t)part * data->rows + row;
        const bool empty = (row + n) % 3 == 0;
        data->offsets_in[place] = data->offsets_in[(size_t)n * data->rows];
        data->lse_in[place] = empty ? -INFINITY : 3.0 * next_value(state);
        put(data->lse[s], FOVEA_F32, in_source, data->lse_in[place]);
        for (uint32_t column = 0; column < c->dim; column++) {
            const double value = empty ? (double)NAN : next_value(state);
            data->o_in[place * c->dim + column] = value;
            put(data->o[s], c->dtype, in_source * c->dim + column, value);
        }
    }
}

static merge_data *create_data(const merge_case *c)
{
    uint32_t state = 7;
    merge_data *data = calloc(1, sizeof *data);
    if (!data)
        return NULL;
    data->c = c;
    data->rows = c->heads * c->seq;
    data->parts = c->sources * c->parts;
    data->quads = MERGE_QUADS(c->dim);
    for (uint32_t n = 0; n < data->parts; n++)
        fill_part(data, n, &state);
    memset(data->result, 0xff, sizeof data->result);
    memset(data->result_lse, 0xff, sizeof data->result_lse);
    memset(data->work, 0xff, sizeof data->work);
    return data;
}

/* ---- launches ------------------------------------------------------------------------------------------------ */

static bool launch(cl_host *host, cl_kernel kernel, const cl_mem buffers[4], const uint32_t *parameters, uint32_t count,
                   uint32_t lanes)
{
    const uint32_t groups = (lanes + MERGE_LANES - 1) / MERGE_LANES;
    const cl_launch sizes = {.kernel = kernel,
                             .buffers = buffers,
                             .buffer_count = 4,
                             .parameters = parameters,
                             .parameter_count = count,
                             .lanes = MERGE_LANES,
                             .groups_x = GRID_X,
                             .groups_y = (groups + GRID_X - 1) / GRID_X};
    return kernel && cl_host_run(host, &sizes);
}

static bool run_weigh(cl_host *host, cl_kernel kernel, const merge_data *data, const merge_buffers *b)
{
    const merge_case *c = data->c;
    bool ran = true;
    for (uint32_t s = 0; s < c->sources && ran; s++) {
        const weigh_parameters p = {.from_part = data->rows,
                                    .from_head = c->seq,
                                    .from_row = 1,
                                    .shift_part = 1,
                                    .lse_head = c->seq,
                                    .first_part = s * c->parts,
                                    .from_parts = c->parts,
                                    .parts = data->parts,
                                    .last = s + 1 == c->sources,
                                    .heads = c->heads,
                                    .seq_q = c->seq,
                                    .row_count = data->rows};
        const cl_mem buffers[] = {b->lse[s], b->offsets, b->work, b->result_lse};
        uint32_t words[sizeof p / 4];
        memcpy(words, &p, sizeof p);
        ran = launch(host, kernel, buffers, words, sizeof p / 4, data->rows);
    }
    return ran;
}

static bool run_sum(cl_host *host, cl_kernel kernel, const merge_data *data, const merge_buffers *b)
{
    const merge_case *c = data->c;
    bool ran = true;
    for (uint32_t first = 0; first < c->sources && ran; first += 2) {
        const uint32_t second = first + 1 < c->sources ? first + 1 : first;
        const uint32_t part = data->rows * c->dim, head = c->seq * c->dim;
        const sum_parameters p = {.weight_offset = first * c->parts * data->rows,
                                  .weight_part = data->rows,
                                  .weight_head = c->seq,
                                  .weight_row = 1,
                                  .a_part = part,
                                  .a_head = head,
                                  .a_row = c->dim,
                                  .b_part = part,
                                  .b_head = head,
                                  .b_row = c->dim,
                                  .o_offset = GUARD,
                                  .o_head = head,
                                  .o_row = c->dim,
                                  .a_parts = c->parts,
                                  .b_parts = second > first ? c->parts : 0,
                                  .sum_offset = data->parts * data->rows,
                                  .fresh = first == 0,
                                  .last = first + 2 >= c->sources,
                                  .heads = c->heads,
                                  .seq_q = c->seq,
                                  .row_count = data->rows};
        const cl_mem buffers[] = {b->work, b->result, b->o[first], b->o[second]};
        uint32_t words[sizeof p / 4];
        memcpy(words, &p, sizeof p);
        ran = launch(host, kernel, buffers, words, sizeof p / 4, data->rows * data->quads);
    }
    return ran;
}

static bool run_kernels(cl_host *host, const char *shaders, merge_data *data, const merge_buffers *b)
{
    const merge_case *c = data->c;
    char options[512];
    snprintf(
        options, sizeof options,
        "-DDIM_V=%uu -DA_DTYPE=%uu -DB_DTYPE=%uu -DO_DTYPE=%uu -DA_WIDE=%uu -DB_WIDE=%uu -DO_WORDS=%uu -DOFFSETS=%uu "
        "-DLSE=1u",
        (unsigned)c->dim, (unsigned)c->dtype, (unsigned)c->dtype, (unsigned)c->o_dtype, c->dim % 4 == 0,
        c->dim % 4 == 0, c->o_dtype == FOVEA_F32 || c->dim % 2 == 0, (unsigned)c->offsets);
    const cl_kernel weigh = cl_host_build(host, "merge_weigh", shaders, options);
    const cl_kernel sum = cl_host_build(host, "merge_sum", shaders, options);
    const bool ran = run_weigh(host, weigh, data, b) && run_sum(host, sum, data, b) &&
                     cl_host_read(host, b->result, data->result, WORDS_MOST) &&
                     cl_host_read(host, b->result_lse, data->result_lse, WORDS_MOST);
    if (weigh)
        clReleaseKernel(weigh);
    if (sum)
        clReleaseKernel(sum);
    return ran;
}

/* ---- checks -------------------------------------------------------------------------------------------------- */

/* How far the worst element is out, in bounds; infinite where something beside o was written. */
static double worst_miss(const merge_data *data)
{
    const merge_case *c = data->c;
    const ref_merge_problem problem = {data->parts, data->rows,   c->dim,
                                       data->o_in,  data->lse_in, c->offsets ? data->offsets_in : NULL,
                                       c->o_dtype,  true};
    double o[64], o_bound[64], worst = 0.0;
    ref_merge_row row = {o, o_bound, 0.0, 0.0};
    for (uint32_t n = 0; n < data->rows; n++) {
        ref_merge(&problem, n, &row);
        for (uint32_t column = 0; column < c->dim; column++)
            worst = fmax(worst, ref_miss(get(data->result, c->o_dtype, GUARD + (size_t)n * c->dim + column), o[column],
                                         o_bound[column]));
        worst = fmax(worst, ref_miss(get(data->result_lse, FOVEA_F32, n), row.lse, row.lse_bound));
    }
    for (uint32_t n = 0; n < GUARD; n++)
        if (!isnan(get(data->result, c->o_dtype, n)) ||
            !isnan(get(data->result, c->o_dtype, GUARD + (size_t)data->rows * c->dim + n)))
            return INFINITY;
    return isnan(get(data->result_lse, FOVEA_F32, data->rows)) ? worst : INFINITY;
}

static bool run_case(cl_host *host, const char *shaders, const merge_case *c)
{
    merge_buffers b = {.offsets = NULL};
    merge_data *data = create_data(c);
    if (!data)
        return false;
    cl_mem *const all[] = {&b.o[0],   &b.o[1],    &b.o[2],   &b.lse[0],     &b.lse[1],
                           &b.lse[2], &b.offsets, &b.result, &b.result_lse, &b.work};
    const uint32_t *const images[] = {data->o[0],   data->o[1],    data->o[2],   data->lse[0],     data->lse[1],
                                      data->lse[2], data->offsets, data->result, data->result_lse, data->work};
    bool right = true;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        right = (*all[i] = cl_host_buffer(host, images[i], WORDS_MOST)) != NULL && right;
    right = right && run_kernels(host, shaders, data, &b);
    const double worst = right ? worst_miss(data) : INFINITY;
    printf("%-18s %s on %s, worst error %.2g of its bound\n", c->name, worst <= 1.0 ? "right" : "WRONG", host->name,
           worst);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (*all[i])
            clReleaseMemObject(*all[i]);
    free(data);
    return worst <= 1.0;
}

bool merge_cases_run(cl_host *host, const char *shaders, const char *only, uint32_t *ran)
{
    bool right = true;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (only && strcmp(only, cases[i].name) != 0)
            continue;
        ++*ran;
        right = run_case(host, shaders, &cases[i]) && right;
    }
    return right;
}
