/* The commands of a merge, from the inside: no dispatch may touch what one since the last barrier wrote, nor write what one
 * has read. Synchronization checks of drivers' layers see only a part of this, and software drivers run in order. */
#include "merge.h"
#include "runner.h"

#include <string.h>

enum { RANGES_MOST = 64, BUFFERS = 24 };

typedef struct touched {
    fv_range range;
    bool written;
} touched;

/* What was recorded since the last barrier, and over all. */
typedef struct recorder {
    const merge_op *op;
    touched since[RANGES_MOST];
    uint32_t count, dispatches, barriers;
} recorder;

static recorder recorded;

static const fv_pipeline *pipeline_of(const fv_kernel *kernel)
{
    const merge_kernels *kernels = &recorded.op->kernels;
    if (kernels->weigh && kernels->weigh->kernel == kernel)
        return kernels->weigh;
    for (uint32_t pass = 0; pass < merge_passes(&recorded.op->shape); pass++)
        if (kernels->sums[pass]->kernel == kernel)
            return kernels->sums[pass];
    ck_abort_msg("a dispatch of another kernel");
    return NULL;
}

static bool meet(const fv_range *a, const fv_range *b)
{
    return a->buffer == b->buffer && a->offset < b->offset + b->size && b->offset < a->offset + a->size;
}

static void note_dispatch(const fv_dispatch *dispatch)
{
    const fv_pipeline *pipeline = pipeline_of(dispatch->kernel);
    const uint32_t before = recorded.count;
    recorded.dispatches++;
    for (uint32_t i = 0; i < pipeline->desc.binding_count; i++) {
        const touched now = {dispatch->bindings[i], (pipeline->desc.access[i] & FV_WRITE) != 0};
        for (uint32_t n = 0; n < before; n++)
            if (meet(&now.range, &recorded.since[n].range) && (now.written || recorded.since[n].written))
                ck_abort_msg("dispatch %u, binding %u of %s: no barrier since it was %s", recorded.dispatches, i,
                             pipeline->desc.kernel, recorded.since[n].written ? "written" : "read");
        ck_assert_uint_lt(recorded.count, RANGES_MOST);
        recorded.since[recorded.count++] = now;
    }
}

static fovea_status record(fv_device *driver, const fv_command *commands, uint32_t count)
{
    (void)driver;
    for (uint32_t i = 0; i < count; i++) {
        if (commands[i].kind == FV_COMMAND_DISPATCH)
            note_dispatch(&commands[i].dispatch);
        if (commands[i].kind == FV_COMMAND_BARRIER) {
            recorded.count = 0;
            recorded.barriers++;
        }
    }
    return FOVEA_OK;
}

/* Each view in a buffer of its own; nothing is run. */
static merge_bound bind(const merge_shape *shape, fv_buffer buffers[BUFFERS])
{
    merge_bound bound;
    fv_bound *all[BUFFERS] = {&bound.factors, &bound.o, &bound.lse, &bound.work};
    uint32_t count = 4;
    memset(&bound, 0, sizeof bound);
    for (uint32_t s = 0; s < shape->source_count; s++) {
        all[count++] = &bound.parts[s];
        all[count++] = &bound.part_lse[s];
    }
    for (uint32_t i = 0; i < count; i++)
        all[i]->range = (fv_range){&buffers[i], 0, 4096};
    return bound;
}

static const struct {
    uint32_t sources;
    bool coefficients;
} merges[] = {{1, false}, {2, false}, {3, false}, {8, false}, {2, true}, {5, true}};

START_TEST(barriers_where_they_are_due)
{
    fovea_device *device = NULL;
    fovea_op *op = NULL;
    fv_buffer buffers[BUFFERS];
    fovea_merge_params params = {.o = {.rank = 4, .extents = {1, 1, 8, 4}}};
    for (uint32_t s = 0; s < merges[_i].sources; s++) {
        params.sources[s].o = params.o;
        if (!merges[_i].coefficients)
            params.sources[s].lse = (fovea_tensor){.rank = 3, .extents = {1, 1, 8}};
    }
    if (merges[_i].coefficients)
        params.coefficients = (fovea_tensor){.rank = 1, .extents = {merges[_i].sources}};
    else
        params.lse = params.sources[0].lse;
    ck_assert_int_eq(fovea_device_open(NULL, &device), FOVEA_OK);
    ck_assert_int_eq(fovea_merge_create(device, &params, &op), FOVEA_OK);
    recorded = (recorder){.op = (const merge_op *)op};
    const merge_bound bound = bind(&recorded.op->shape, buffers);
    const merge_emission run = {device, &recorded.op->shape, &recorded.op->kernels, &bound, 8, 3, record};
    ck_assert_int_eq(merge_emit(&run), FOVEA_OK); /* three slices */
    ck_assert_int_eq(merge_emit(&run), FOVEA_OK); /* the same buffers again */
    const uint32_t passes = (merges[_i].sources + 1) / 2;
    const uint32_t weighs = merges[_i].coefficients ? passes > 1 : merges[_i].sources;
    ck_assert_uint_eq(recorded.dispatches, 6 * (weighs + passes));
    fovea_op_destroy(op);
    fovea_device_destroy(device);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("merge order");
    TCase *c = tcase_create("commands");
    tcase_add_loop_test(c, barriers_where_they_are_due, 0, (int)(sizeof merges / sizeof merges[0]));
    suite_add_tcase(suite, c);
    return !run_suite(suite);
}
