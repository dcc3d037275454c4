/* Rates of a device, measured by kernels of its own. Every result is checked: a rate of work that was not done would be
 * the best of all. */
#include <math.h>
#include <string.h>

#include "device.h"
#include "kernels.h"
#include "modules.h"
#include "util/half.h"
#include "util/math.h"

#include "abi/measure.h"
#include "abi/softmax.h"

#define ID(id, name) CONSTANT_##name = id,
enum constant_id { MEASURE_CONSTANTS(ID) };
#undef ID

#define FIELD(type, name) field_##type name;
typedef uint32_t field_uint;
typedef struct measure_params {
    MEASURE_PARAMS(FIELD)
} measure_params;
#undef FIELD

enum {
    STAMP_BEGIN = FOVEA_STAMPS,
    STAMP_END,
    LANES_MOST = 128,
    ROUNDS_MOST = 1024,  /* sums stay whole numbers of eighths that float32 holds */
    ROUNDS_EMULATED = 8, /* enough for exp2 to settle */
    GROUPS_FIRST = 16,   /* of the first trial */
    GROUPS_MOST = 1 << 20,
    COPY_BYTES = 64 << 20,  /* beyond the caches of most devices */
    SOURCE_WORDS = 64,      /* what kernels other than the copy and those of matrices read */
    RUNS = 6,               /* of which the best counts */
    COMMANDS_MOST = 2 * 256 /* of a list that measures commands */
};

static const double run_s = 0.02;   /* one run, about */
static const double trial_s = 0.25; /* a run longer than that is not repeated */

/* How a rate is measured: a kernel, and what one round of one lane does. */
typedef struct measure_probe {
    fovea_rate rate;
    enum { ANY, TEXT, NATIVE } kernels; /* which ones the probe is for */
    const char *kernel, *module;
    fovea_dtype dtype;
    double work;      /* in the unit of the rate; 0: it copies words */
    double word;      /* what a round adds to the word that the lane leaves */
    double tolerance; /* relative; above 0, the word is what all rounds end with */
    uint32_t rounds_least, shared_bytes;
    uint32_t subgroup; /* required size; 0: any */
} measure_probe;

#define OPERANDS(n) ((n) * ((n) + 1) / 16.0) /* 1/8 + 2/8 + ... + n/8 */
#define FMA(rate, kernels, dtype, m, n, module)                                                                 \
    {                                                                                                           \
        rate, kernels, "measure_fma", "measure_fma." module ".portable", dtype, 2.0 * (m) * (n)*MEASURE_PASSES, \
            OPERANDS(m) * OPERANDS(n) * MEASURE_PASSES, 0.0, 1, 0                                               \
    }
#define FMA_TILES(rate, dtype)                                                    \
    FMA(rate, TEXT, dtype, 8, 8, "8x8x8"), FMA(rate, TEXT, dtype, 4, 4, "4x4x4"), \
        FMA(rate, NATIVE, dtype, MEASURE_NATIVE_ROWS, MEASURE_SIDE, "8x8x8")

/* Operands 1/8 to SIDE/8 again and again: a row's times its neighbours', summed. */
#define MATRIX(rate, dtype)                                                                                       \
    {                                                                                                             \
        rate, NATIVE, "measure_matrix", "measure_matrix", dtype, 4.0 * MEASURE_MATRIX_ROWS *MEASURE_MATRIX_PAIRS, \
            OPERANDS(MEASURE_SIDE) * MEASURE_MATRIX_ROWS / MEASURE_SIDE *OPERANDS(MEASURE_SIDE) * 2.0 *           \
                MEASURE_MATRIX_PAIRS / MEASURE_SIDE,                                                              \
            0.0, 1, 0                                                                                             \
    }

/* Several of one rate: the best counts. */
static const measure_probe probes[] = {
    FMA_TILES(FOVEA_RATE_FMA_F32, FOVEA_F32),
    FMA_TILES(FOVEA_RATE_FMA_F16, FOVEA_F16),
    FMA_TILES(FOVEA_RATE_FMA_BF16, FOVEA_BF16),
    {FOVEA_RATE_EXP2, ANY, "measure_exp2", "measure_exp2.portable", FOVEA_F32, MEASURE_CHAINS *MEASURE_PASSES,
     0.6411857445 * MEASURE_CHAINS, 1e-5, 4, 0}, /* four rounds settle to 1e-6 */
    {FOVEA_RATE_SHARED, ANY, "measure_shared", "measure_shared.portable", FOVEA_F32,
     16.0 * MEASURE_READS *MEASURE_PASSES, 28.0 * MEASURE_PASSES, 0.0, 1, 16 * MEASURE_SHARED_FLOAT4},
    MATRIX(FOVEA_RATE_MATRIX_F16, FOVEA_F16),
    MATRIX(FOVEA_RATE_MATRIX_BF16, FOVEA_BF16),
    {FOVEA_RATE_COPY, ANY, "measure_copy", "measure_copy.portable", FOVEA_F32, 0.0, 0.0, 0.0, 1, 0},
};

/* Seconds of commands, not work in a second. */
static bool is_cost(fovea_rate rate)
{
    return rate >= FOVEA_RATE_DISPATCH && rate <= FOVEA_RATE_SUBMIT;
}

static bool is_of_matrices(fovea_rate rate)
{
    return rate == FOVEA_RATE_MATRIX_F16 || rate == FOVEA_RATE_MATRIX_BF16;
}

enum { PROBES = sizeof probes / sizeof probes[0], COPY_PROBE = PROBES - 1 };

/* A kernel that is being measured, and its memory. */
typedef struct measurement {
    fovea_device *device;
    const measure_probe *probe;
    fv_pipeline *pipeline;
    fv_buffer *source, *target;
    uint64_t source_size, target_size; /* bytes that the kernel binds */
    uint32_t lanes, rounds, words;
} measurement;

/* ---- setting up ------------------------------------------------------------------------------------------------ */

static uint32_t choose_lanes(const fovea_device *device, const measure_probe *probe)
{
    const fovea_device_limits *limits = &device->limits;
    if (device->driver->caps.native) /* of one call; a copy's are its words */
        return probe->work > 0.0 ? 64 : 4096;
    const uint32_t lanes =
        (uint32_t)fv_min(LANES_MOST, fv_min(limits->workgroup_invocations, limits->workgroup_size_x));
    return probe->subgroup ? lanes / probe->subgroup * probe->subgroup : lanes;
}

/* 0: not even one. */
static uint32_t choose_rounds(const fovea_device *device)
{
    const uint32_t limit = device->limits.loop_iterations;
    const uint32_t most = device->driver->caps.emulated ? ROUNDS_EMULATED : ROUNDS_MOST;
    if (limit == FOVEA_UNBOUNDED)
        return most;
    return limit > MEASURE_TRIPS_FIXED ? (uint32_t)fv_min(most, (limit - MEASURE_TRIPS_FIXED) / MEASURE_TRIPS) : 0;
}

static fovea_status get_pipeline(measurement *m)
{
    fovea_device *device = m->device;
    fv_kernel_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.kernel = m->probe->kernel;
    desc.module = m->probe->module;
    desc.invocations = device->driver->caps.native ? 1 : m->lanes;
    desc.subgroup_size = m->probe->subgroup;
    desc.parameter_bytes = sizeof(measure_params);
    desc.binding_count = 2;
    desc.access[0] = FV_READ;
    desc.access[1] = FV_WRITE;
    desc.constants[CONSTANT_GROUP_LANES] = m->lanes;
    desc.constants[CONSTANT_DTYPE] = m->probe->dtype;
    desc.constants[SOFTMAX_INVOCATIONS_ID] = desc.invocations;
    desc.constant_count = FV_CONSTANTS_MAX;
    pthread_mutex_lock(&device->lock);
    const fovea_status status = fv_pipeline_get(device, &desc, &m->pipeline);
    pthread_mutex_unlock(&device->lock);
    return status;
}

/* Element n (0 to SIDE - 1, twice, or over and over for matrices): an operand of multiply-adds, a start of exp2, a value of
 * the shared array. */
static float source_element(const measure_probe *probe, uint32_t n)
{
    if (probe->rate <= FOVEA_RATE_FMA_BF16 || is_of_matrices(probe->rate))
        return (float)(n + 1) / 8.0f;
    return probe->rate == FOVEA_RATE_EXP2 ? (float)n / 8.0f : (float)n;
}

static uint32_t source_words(const measure_probe *probe)
{
    return is_of_matrices(probe->rate) ? MEASURE_MATRIX_WORDS : SOURCE_WORDS;
}

/* What the source holds behind its first words, and the target everywhere, before a kernel runs. */
enum { SOURCE_FILL = 0x3f9d7035, TARGET_FILL = 0x7fc00001 };

static fovea_status make_memory(measurement *m, uint32_t groups)
{
    fovea_status status = FOVEA_OK;
    fovea_device *device = m->device;
    const fv_backend *backend = device->backend;
    uint32_t words[MEASURE_MATRIX_WORDS] = {0};
    const uint32_t count = source_words(m->probe);
    const uint32_t elements = is_of_matrices(m->probe->rate) ? 2 * count : 2 * MEASURE_SIDE;
    m->source_size = fv_max(m->words, count) * sizeof(uint32_t);
    m->target_size = m->probe->work == 0.0 ? m->source_size : (uint64_t)groups * m->lanes * sizeof(uint32_t);
    for (uint32_t i = 0; i < elements; i++)
        fv_store_element(words, m->probe->dtype, i, source_element(m->probe, i % MEASURE_SIDE));
    fv_try(backend->buffer_create(device->driver, m->source_size, FV_MEMORY_DEVICE, &m->source));
    fv_try(backend->buffer_create(device->driver, m->target_size, FV_MEMORY_DEVICE, &m->target));
    const fv_command fills[] = {
        {.kind = FV_COMMAND_FILL, .fill = {{m->source, 0, m->source_size}, SOURCE_FILL}},
        {.kind = FV_COMMAND_FILL, .fill = {{m->target, 0, m->target_size}, TARGET_FILL}},
    };
    fv_try(backend->execute(device->driver, fills, 2));
    fv_try(fv_upload(device, m->source, 0, words, count * sizeof words[0]));
fail:
    return status;
}

static void drop_memory(measurement *m)
{
    if (m->source)
        m->device->backend->buffer_destroy(m->source);
    if (m->target)
        m->device->backend->buffer_destroy(m->target);
    m->source = m->target = NULL;
}

static void end(measurement *m)
{
    drop_memory(m);
    pthread_mutex_lock(&m->device->lock);
    fv_pipeline_put(m->device, m->pipeline);
    pthread_mutex_unlock(&m->device->lock);
}

/* ---- running --------------------------------------------------------------------------------------------------- */

/* Runs a list between two stamps. Seconds by the device's clock, or by the host's where the device keeps no time. */
static fovea_status time_list(fovea_device *device, fv_command *commands, uint32_t count, double *out_s)
{
    fovea_status status = FOVEA_OK;
    const bool stamps = device->driver->caps.stamps;
    double s[2];
    commands[0] = (fv_command){.kind = stamps ? FV_COMMAND_STAMP : FV_COMMAND_BARRIER, .stamp = STAMP_BEGIN};
    commands[count - 1] = (fv_command){.kind = stamps ? FV_COMMAND_STAMP : FV_COMMAND_BARRIER, .stamp = STAMP_END};
    const double begin = fv_seconds();
    fv_try(device->backend->execute(device->driver, commands, count));
    *out_s = fv_seconds() - begin;
    if (stamps) {
        fv_try(device->backend->read_stamps(device->driver, STAMP_BEGIN, 2, s));
        if (s[1] > s[0]) /* some drivers give one time twice */
            *out_s = s[1] - s[0];
    }
fail:
    return status;
}

static fv_command dispatch_of(const measurement *m, uint32_t groups)
{
    const fovea_device_limits *limits = &m->device->limits;
    const uint32_t x = (uint32_t)fv_min(fv_max(groups, 1), limits->group_count_x);
    const measure_params params = {.rounds = m->rounds, .words = m->words, .group_count = groups};
    fv_command command = {.kind = FV_COMMAND_DISPATCH,
                          .dispatch = {.kernel = m->pipeline->kernel,
                                       .bindings = {{m->source, 0, m->source_size}, {m->target, 0, m->target_size}},
                                       .groups = {x, (uint32_t)fv_divide_up(fv_max(groups, 1), x), 1}}};
    memcpy(command.dispatch.parameters, &params, sizeof params);
    return command;
}

static fovea_status time_groups(const measurement *m, uint32_t groups, double *out_s)
{
    fv_command commands[3];
    commands[1] = dispatch_of(m, groups);
    return time_list(m->device, commands, 3, out_s);
}

/* Whether word i was copied, or is what the work of lane i leaves. */
static bool right(const measurement *m, uint64_t i, float word)
{
    const measure_probe *probe = m->probe;
    uint32_t bits;
    memcpy(&bits, &word, sizeof bits);
    if (probe->work == 0.0 && i >= SOURCE_WORDS)
        return bits == SOURCE_FILL;
    if (probe->work == 0.0)
        return word == (i < 2 * MEASURE_SIDE ? source_element(probe, (uint32_t)i % MEASURE_SIDE) : 0.0f);
    if (probe->tolerance > 0.0)
        return fabs(word - probe->word) <= probe->tolerance * probe->word;
    return word == (float)(probe->word * m->rounds);
}

/* Every word of the target. */
static fovea_status verify(const measurement *m, uint32_t groups)
{
    fovea_status status = FOVEA_OK;
    fv_host *host = &m->device->host;
    const uint64_t count = m->probe->work > 0.0 ? (uint64_t)groups * m->lanes : m->words;
    float *words = fv_alloc(host, count, sizeof *words);
    fv_require(host, words, FOVEA_OUT_OF_HOST_MEMORY, "no host memory for the results of %s", m->probe->kernel);
    fv_try(fv_download(m->device, m->target, 0, words, count * sizeof *words));
    for (uint64_t i = 0; i < count; i++)
        fv_require(host, right(m, i, words[i]), FOVEA_INTERNAL, "%s: word %llu is %.9g: its work was not done",
                   m->probe->module, (unsigned long long)i, words[i]);
fail:
    fv_free(host, words);
    return status;
}

/* As many groups as take about run_s, with memory for them. */
static fovea_status choose_groups(measurement *m, uint32_t *out_groups)
{
    fovea_status status = FOVEA_OK;
    const fovea_device *device = m->device;
    const uint64_t room = device->limits.storage_range / (m->lanes * sizeof(uint32_t));
    const uint64_t grid = (uint64_t)device->limits.group_count_x * device->limits.group_count_y;
    const uint64_t most = fv_min(fv_min(room, grid), device->driver->caps.emulated ? 2 : GROUPS_MOST);
    uint64_t groups = fv_min(most, GROUPS_FIRST);
    for (;;) {
        double s = 0.0;
        fv_try(make_memory(m, (uint32_t)groups));
        fv_try(time_groups(m, (uint32_t)groups, &s));
        if (s >= run_s / 4 || groups >= most)
            break;
        groups = fv_min(most, (uint64_t)(fmin(run_s / s, 64.0) * (double)groups) + 1);
        drop_memory(m);
    }
    *out_groups = (uint32_t)groups;
fail:
    return status;
}

/* The groups of a copy follow from its words. */
static fovea_status choose_words(measurement *m, uint32_t *out_groups)
{
    const fovea_device_limits *limits = &m->device->limits;
    const uint64_t each = (uint64_t)m->lanes * MEASURE_COPIES;
    const uint64_t grid = fv_min((uint64_t)limits->group_count_x * limits->group_count_y, UINT32_MAX);
    const uint64_t bytes = m->device->driver->caps.emulated ? 16 * each : COPY_BYTES;
    m->words = (uint32_t)fv_min(fv_min(bytes, limits->storage_range) / sizeof(uint32_t), grid * each);
    *out_groups = (uint32_t)fv_divide_up(m->words, each);
    return make_memory(m, *out_groups);
}

static fovea_status measure_kernel(measurement *m, double *out_rate)
{
    fovea_status status = FOVEA_OK;
    uint32_t groups = 0;
    double best = INFINITY;
    fv_try(m->probe->work > 0.0 ? choose_groups(m, &groups) : choose_words(m, &groups));
    for (uint32_t run = 0; run < RUNS; run++) {
        double s = 0.0;
        fv_try(time_groups(m, groups, &s));
        best = fmin(best, s);
        if (s > trial_s)
            break;
    }
    fv_try(verify(m, groups));
    *out_rate = m->probe->work > 0.0 ? m->probe->work * m->rounds * groups * m->lanes / best
                                     : 2.0 * sizeof(uint32_t) * m->words / best;
fail:
    return status;
}

/* ---- commands -------------------------------------------------------------------------------------------------- */

/* Seconds of a list of `count` dispatches of nothing, with barriers between or not: the best of several. */
static fovea_status time_dispatches(const measurement *m, fv_command *commands, uint32_t count, bool barriers,
                                    double *out_s)
{
    fovea_status status = FOVEA_OK;
    uint32_t last = 1;
    *out_s = INFINITY;
    for (uint32_t i = 0; i < count; i++) {
        if (barriers && i > 0)
            commands[last++] = (fv_command){.kind = FV_COMMAND_BARRIER};
        commands[last++] = dispatch_of(m, 0);
    }
    for (uint32_t run = 0; run < RUNS; run++) {
        double s = 0.0;
        fv_try(time_list(m->device, commands, last + 1, &s));
        *out_s = fmin(*out_s, s);
    }
fail:
    return status;
}

/* Submit and wait, on the host's clock. */
static fovea_status measure_submit(measurement *m, double *out_s)
{
    fovea_status status = FOVEA_OK;
    const fv_backend *backend = m->device->backend;
    fv_try(make_memory(m, 1));
    const fv_command command = dispatch_of(m, 0);
    *out_s = INFINITY;
    for (uint32_t run = 0; run < 4 * RUNS; run++) {
        const double begin = fv_seconds();
        fv_try(backend->execute(m->device->driver, &command, 1));
        *out_s = fmin(*out_s, fv_seconds() - begin);
    }
fail:
    return status;
}

static fovea_status measure_commands(measurement *m, bool barriers, double *out_s)
{
    enum { FEW = 8, MANY = 200 };
    fovea_status status = FOVEA_OK;
    fv_host *host = &m->device->host;
    double few = 0.0, many = 0.0, bare = 0.0;
    fv_command *commands = fv_alloc(host, COMMANDS_MOST, sizeof *commands);
    fv_require(host, commands, FOVEA_OUT_OF_HOST_MEMORY, "no host memory for a command list");
    fv_try(make_memory(m, 1));
    fv_try(time_dispatches(m, commands, FEW, barriers, &few));
    fv_try(time_dispatches(m, commands, MANY, barriers, &many));
    if (barriers)
        fv_try(time_dispatches(m, commands, MANY, false, &bare));
    *out_s = fmax(0.0, barriers ? (many - bare) / (MANY - 1) : (many - few) / (MANY - FEW));
fail:
    fv_free(host, commands);
    return status;
}

/* Whether the device's limits hold the probe. */
static bool holds(const fovea_device *device, const measurement *m)
{
    const fovea_device_limits *limits = &device->limits;
    return m->rounds >= m->probe->rounds_least && m->lanes > 0 &&
           limits->storage_range >= sizeof(uint32_t) * fv_max(source_words(m->probe), m->lanes) &&
           (device->driver->caps.native || limits->shared_memory >= m->probe->shared_bytes);
}

static fovea_status measure_probe_once(fovea_device *device, const measure_probe *probe, fovea_rate rate,
                                       double *out_value)
{
    fovea_status status = FOVEA_OK;
    measurement m = {.device = device, .probe = probe, .rounds = choose_rounds(device)};
    m.lanes = choose_lanes(device, probe);
    fv_require(&device->host, holds(device, &m), FOVEA_UNSUPPORTED,
               "%s needs %u bytes of shared memory, %u loop iterations and bindings of %u bytes", probe->kernel,
               probe->shared_bytes, MEASURE_TRIPS_FIXED + probe->rounds_least * MEASURE_TRIPS,
               (uint32_t)sizeof(uint32_t) * (uint32_t)fv_max(source_words(probe), m.lanes));
    fv_try(get_pipeline(&m));
    if (!is_cost(rate))
        status = measure_kernel(&m, out_value);
    else if (rate == FOVEA_RATE_SUBMIT)
        status = measure_submit(&m, out_value);
    else
        status = measure_commands(&m, rate == FOVEA_RATE_BARRIER, out_value);
fail:
    end(&m);
    return status;
}

/* ---- the rates of kernels ------------------------------------------------------------------------------------------ */

/* The best of several measurements that may each be impossible: one is enough. */
typedef struct best_rate {
    double value;
    fovea_status first; /* why the first one failed that did */
} best_rate;

/* Adds one. A device that is lost or hangs ends it all. */
static fovea_status add_rate(fovea_device *device, const measure_probe *probe, best_rate *best)
{
    double value = 0.0;
    const fovea_status status = measure_probe_once(device, probe, probe->rate, &value);
    if (status == FOVEA_OK)
        best->value = fmax(best->value, value);
    else if (best->first == FOVEA_OK)
        best->first = status;
    return status == FOVEA_DEVICE_LOST || status == FOVEA_TIMEOUT ? status : FOVEA_OK;
}

static fovea_status measure_tiles(fovea_device *device, fovea_rate rate, best_rate *best)
{
    const int other = device->driver->caps.native ? TEXT : NATIVE;
    fovea_status status = FOVEA_OK;
    for (uint32_t i = 0; i < PROBES && status == FOVEA_OK; i++)
        if (probes[i].rate == rate && (int)probes[i].kernels != other)
            status = add_rate(device, &probes[i], best);
    return status;
}

/* In every size of a subgroup that a kernel may ask for. */
static fovea_status measure_module(fovea_device *device, fovea_rate rate, const fv_module *module, best_rate *best)
{
    const uint32_t sizes = device->driver->caps.subgroup_sizes;
    const double flops = 2.0 * module->tm * module->tn * module->tv * MEASURE_MATRIX_LEFTS * MEASURE_MATRIX_RIGHTS *
                         MEASURE_PASSES; /* of a subgroup in a round */
    fovea_status status = FOVEA_OK;
    measure_probe probe = {.rate = rate, .kernel = module->kernel, .module = module->name, .dtype = module->operand};
    for (uint32_t k = 0; k < module->tv; k++)
        probe.word +=
            MEASURE_PASSES * source_element(&probe, k % MEASURE_SIDE) * source_element(&probe, k % MEASURE_SIDE);
    for (uint32_t size = 1; size != 0 && size <= device->limits.subgroup_size_max && status == FOVEA_OK; size *= 2) {
        if (!(sizes & size))
            continue;
        probe.subgroup = size;
        probe.work = flops / size;
        status = add_rate(device, &probe, best);
    }
    return status;
}

static fovea_status measure_matrices(fovea_device *device, fovea_rate rate, best_rate *best)
{
    const fv_caps *caps = &device->driver->caps;
    const fovea_dtype operand = rate == FOVEA_RATE_MATRIX_F16 ? FOVEA_F16 : FOVEA_BF16;
    fovea_status status = FOVEA_OK;
    for (uint32_t i = 0; i < caps->matrix_count * fv_module_count && status == FOVEA_OK; i++) {
        const fv_matrix *shape = &caps->matrices[i / fv_module_count];
        const fv_module *module = &fv_modules[i % fv_module_count];
        if (shape->operand == operand && fv_module_serves(module, shape) &&
            strcmp(module->kernel, "measure_matrix") == 0)
            status = measure_module(device, rate, module, best);
    }
    if (status == FOVEA_OK && best->value == 0.0 && best->first == FOVEA_OK)
        return fv_fail(&device->host, FOVEA_UNSUPPORTED,
                       "this device has no matrix unit for %s, or this build no kernel", fovea_dtype_name(operand));
    return status;
}

/* The CPU's: matrix kernels are native code there, and no instruction used multiplies f16 and adds in float32. */
static fovea_status measure_native_matrices(fovea_device *device, fovea_rate rate, best_rate *best)
{
    fovea_status status = FOVEA_OK;
    fv_host *host = &device->host;
    fv_require(host, device->tier >= FOVEA_TIER_MATRIX, FOVEA_UNSUPPORTED, "%s: the best tier in force here is %s",
               fovea_rate_name(rate), fovea_tier_name(device->tier));
    fv_require(host, rate != FOVEA_RATE_MATRIX_F16, FOVEA_UNSUPPORTED,
               "%s: no instruction that is used here multiplies f16 and adds in float32", fovea_rate_name(rate));
    fv_try(measure_tiles(device, rate, best));
fail:
    return status;
}

fovea_status fovea_device_measure(fovea_device *device, fovea_rate rate, double *out_value)
{
    if (!device)
        return FOVEA_INVALID;
    fovea_status status = FOVEA_OK;
    fv_host *host = &device->host;
    if (!out_value)
        return fv_fail(host, FOVEA_INVALID, "fovea_device_measure: out_value is NULL");
    *out_value = 0.0;
    fv_require(host, (unsigned)rate < FOVEA_RATE_COUNT, FOVEA_INVALID, "rate %d; there are %d", (int)rate,
               (int)FOVEA_RATE_COUNT);
    if (is_cost(rate))
        return measure_probe_once(device, &probes[COPY_PROBE], rate, out_value);
    best_rate best = {.first = FOVEA_OK};
    if (!is_of_matrices(rate))
        fv_try(measure_tiles(device, rate, &best));
    else if (device->driver->caps.native)
        fv_try(measure_native_matrices(device, rate, &best));
    else
        fv_try(measure_matrices(device, rate, &best));
    *out_value = best.value;
    return best.value > 0.0 ? FOVEA_OK : best.first;
fail:
    *out_value = 0.0;
    return status;
}
