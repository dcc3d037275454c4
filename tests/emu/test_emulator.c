/* The emulator's own tests: every word of the dialect gives the right answer, and every planted fault is
 * reported with the kernel, the place and the reason. */
#include "emu.h"

#include "runner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 16, GROUPS = 3, ROWS = 2, WORDS_OUT = 16, PLACES = LANES * GROUPS };

typedef struct bench {
    fv_host host;
    fv_device *device;
} bench;

static void open_bench(bench *b, const fovea_device_limits *limits)
{
    fv_host_init(&b->host, NULL, NULL);
    fovea_device_params params = {.slots = 3, .threads = 1, .timeout_ms = 1000};
    if (limits)
        params.limits = *limits;
    ck_assert_int_eq(fv_backend_emulator.open(&b->host, &params, 0, &b->device), FOVEA_OK);
}

static void close_bench(bench *b)
{
    fv_backend_emulator.close(b->device);
    fv_host_release(&b->host);
}

/* Copies words between a kernel's buffer and memory, through staging. */
static void transfer(bench *b, fv_buffer *buffer, uint32_t *words, uint64_t bytes, bool upload)
{
    fv_buffer *staging;
    void *memory;
    ck_assert_int_eq(fv_backend_emulator.buffer_create(b->device, bytes, FV_MEMORY_STAGING, &staging), FOVEA_OK);
    ck_assert_int_eq(fv_backend_emulator.buffer_map(staging, 0, bytes, &memory), FOVEA_OK);
    const fv_range kernels = {buffer, 0, bytes}, hosts = {staging, 0, bytes};
    const fv_command command = {.kind = FV_COMMAND_COPY, .copy = {upload ? hosts : kernels, upload ? kernels : hosts}};
    if (upload)
        memcpy(memory, words, bytes);
    ck_assert_int_eq(fv_backend_emulator.execute(b->device, &command, 1), FOVEA_OK);
    if (!upload)
        memcpy(words, memory, bytes);
    fv_backend_emulator.buffer_unmap(staging, 0, bytes);
    fv_backend_emulator.buffer_destroy(staging);
}

/* A buffer for kernels with these words, or zeroes. */
static fv_buffer *make_buffer(bench *b, const uint32_t *words, uint64_t count)
{
    uint32_t copy[PLACES * WORDS_OUT] = {0};
    fv_buffer *buffer;
    ck_assert_int_eq(fv_backend_emulator.buffer_create(b->device, count * 4, FV_MEMORY_DEVICE, &buffer), FOVEA_OK);
    if (words)
        memcpy(copy, words, count * 4);
    transfer(b, buffer, copy, count * 4, true);
    return buffer;
}

static fv_range whole(fv_buffer *buffer, uint64_t words)
{
    return (fv_range){buffer, 0, words * 4};
}

/* ---- every word ------------------------------------------------------------------------------ */

static float as_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

static uint32_t as_uint(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return bits;
}

static float half_value(uint32_t half)
{
    const int exponent = (int)(half >> 10 & 31u);
    const float mantissa = (float)(half & 1023u);
    const float x = exponent ? ldexpf(mantissa + 1024.0f, exponent - 25) : ldexpf(mantissa, -24);
    return half & 0x8000u ? -x : x;
}

typedef struct words_case {
    uint32_t source[8 * LANES], sums[PLACES], marks[PLACES / 2];
    float factor;
} words_case;

static void fill_words_case(words_case *c)
{
    for (uint32_t i = 0; i < 4 * LANES; i++) /* pairs of halves; no infinity, no NaN, subnormals among them */
        c->source[i] = ((i * 2654435761u) & 0x7bff7bffu) ^ (i % 3 == 0 ? 0x80000000u : 0u);
    for (uint32_t i = 4 * LANES; i < 8 * LANES; i++)
        c->source[i] = as_uint((float)i * 0.25f);
    for (uint32_t i = 0; i < PLACES; i++)
        c->sums[i] = 100u * i;
    for (uint32_t i = 0; i < PLACES / 2; i++)
        c->marks[i] = 0xdeadbeefu;
    c->factor = 3.0f;
}

static const float *value_row(const words_case *c, uint32_t lane, float row[4])
{
    for (uint32_t i = 0; i < 4; i++)
        row[i] = as_float(c->source[4 * LANES + 4 * lane + i]);
    return row;
}

/* The words that lane `lane` of any group writes, as floats. */
static void expect_words(const words_case *c, uint32_t lane, float out[WORDS_OUT])
{
    float own[4], next[4], beside[4];
    value_row(c, lane, own);
    value_row(c, (lane + 1) % LANES, next);
    value_row(c, lane ^ 1u, beside);
    for (uint32_t i = 0; i < 4; i++)
        out[i] = 0.5f * (2.0f * next[i] + own[i] + (float)(i + 1));
    for (uint32_t i = 0; i < 4; i++) {
        const uint32_t word = c->source[2 * lane + i / 2];
        out[4 + i] = half_value(i % 2 ? word >> 16 : word & 0xffffu);
        out[8 + i] = as_float(i % 2 ? word & 0xffff0000u : word << 16);
    }
    out[12] = c->factor * beside[0] + c->factor * (beside[0] + 1.0f);
    out[13] = 9.0f;
    out[14] = beside[0];
    out[15] = -1.0f;
}

static void check_words(bench *b, const words_case *c, fv_buffer *buffers[4])
{
    uint32_t words[PLACES * WORDS_OUT], sums[PLACES], marks[PLACES / 2];
    transfer(b, buffers[1], words, sizeof words, false);
    transfer(b, buffers[2], sums, sizeof sums, false);
    transfer(b, buffers[3], marks, sizeof marks, false);
    for (uint32_t place = 0; place < PLACES; place++) {
        const uint32_t lane = place % LANES;
        float expected[WORDS_OUT], row[4];
        expect_words(c, lane, expected);
        for (uint32_t i = 0; i < WORDS_OUT; i++)
            ck_assert_msg(words[place * WORDS_OUT + i] == as_uint(expected[i]), "place %u, word %u: %g, not %g", place,
                          i, (double)as_float(words[place * WORDS_OUT + i]), (double)expected[i]);
        ck_assert_uint_eq(sums[place], 100u * place + 2u * lane);
        const uint32_t mark = marks[place / 2] >> (place % 2 * 16) & 0xffffu;
        ck_assert(half_value(mark) == value_row(c, lane, row)[1]);
    }
}

/* Two dispatches of the module, over three groups on a 2 x 2 grid's first row and a half. */
static void run_words(const char *module, bool subgroup)
{
    bench b;
    open_bench(&b, NULL);
    words_case c;
    fill_words_case(&c);
    fv_buffer *buffers[4] = {make_buffer(&b, c.source, 8 * LANES), make_buffer(&b, NULL, PLACES * WORDS_OUT),
                             make_buffer(&b, c.sums, PLACES), make_buffer(&b, c.marks, PLACES / 2)};
    const fv_kernel_desc desc = {.kernel = "words_test",
                                 .module = module,
                                 .constants = {LANES, ROWS, subgroup ? 8 : 0},
                                 .constant_count = 3,
                                 .access = {FV_READ, FV_WRITE, FV_READ_WRITE, FV_READ_WRITE},
                                 .binding_count = 4,
                                 .parameter_bytes = 12,
                                 .invocations = LANES};
    fv_kernel *kernel;
    ck_assert_int_eq(fv_backend_emulator.kernel_create(b.device, &desc, &kernel), FOVEA_OK);
    fv_command commands[3] = {{.kind = FV_COMMAND_DISPATCH}, {.kind = FV_COMMAND_BARRIER}};
    fv_dispatch *dispatch = &commands[0].dispatch;
    *dispatch = (fv_dispatch){
        .kernel = kernel, .parameters = {LANES, as_uint(c.factor), (uint32_t)-3}, .groups = {1, GROUPS, 1}};
    const uint64_t lengths[4] = {8 * LANES, PLACES * WORDS_OUT, PLACES, PLACES / 2};
    for (uint32_t i = 0; i < 4; i++)
        dispatch->bindings[i] = whole(buffers[i], lengths[i]);
    commands[2] = commands[0];
    ck_assert_int_eq(fv_backend_emulator.record(b.device, commands, 3), FOVEA_OK);
    ck_assert_msg(fv_backend_emulator.submit(b.device) == FOVEA_OK, "%s", b.host.error);
    check_words(&b, &c, buffers);
    fv_backend_emulator.kernel_destroy(kernel);
    for (uint32_t i = 0; i < 4; i++)
        fv_backend_emulator.buffer_destroy(buffers[i]);
    close_bench(&b);
}

START_TEST(words_portable)
{
    run_words("words.portable", false);
}
END_TEST

START_TEST(words_subgroup)
{
    run_words("words.subgroup", true);
}
END_TEST

/* ---- planted faults -------------------------------------------------------------------------- */

typedef struct plant {
    const char *module, *message; /* a part of the message; NULL: no fault */
} plant;

static const plant PLANTS[] = {
    {"planted.none", NULL},
    {"planted.no_barrier", "shared array tile, element 15 of 16 is read before it was written"},
    {"planted.beyond_buffer", "buffer source (binding 0), word 48 of 48 is read beyond the end"},
    {"planted.short_array", "shared array tile, element 15 of 15 lies beyond the end"},
    {"planted.unwritten", "shared array tile, element 3 of 16 is read before it was written"},
    {"planted.two_writers", "shared array tile, element 4 of 16 is written, race in one interval: lane 4"},
    {"planted.late_write", "element 7 of 16 is read, race in one interval: lane 7 wrote it"},
    {"planted.divergent", "divergence: lane 0 waits at the barrier planted.comp:"},
    {"planted.early_end", "lane 7 has ended"},
    {"planted.divergent_shuffle", "lane 2 has ended"},
    {"planted.wide_shuffle", "shuffle by 8 leaves the subgroup of 8"},
    {"planted.one_word", "buffer result (binding 1), word 0 of 48 is written, race: lane 0 of group number 0"},
    {"planted.group_overlap", "word 0 of 48 is written, race: lane 0 of group number 0 wrote it"},
};

typedef struct planted_run {
    bench b;
    fv_buffer *source, *result;
    fv_kernel *kernel;
    fv_command command;
} planted_run;

static void prepare_planted(planted_run *r, const char *module)
{
    open_bench(&r->b, NULL);
    uint32_t words[PLACES];
    for (uint32_t i = 0; i < PLACES; i++)
        words[i] = i * i;
    r->source = make_buffer(&r->b, words, PLACES);
    r->result = make_buffer(&r->b, NULL, PLACES);
    const fv_kernel_desc desc = {.kernel = "planted",
                                 .module = module,
                                 .constants = {LANES},
                                 .constant_count = 1,
                                 .access = {FV_READ, FV_WRITE},
                                 .binding_count = 2,
                                 .parameter_bytes = 4,
                                 .invocations = LANES};
    ck_assert_int_eq(fv_backend_emulator.kernel_create(r->b.device, &desc, &r->kernel), FOVEA_OK);
    r->command = (fv_command){.kind = FV_COMMAND_DISPATCH,
                              .dispatch = {.kernel = r->kernel,
                                           .groups = {GROUPS, 1, 1},
                                           .bindings = {whole(r->source, PLACES), whole(r->result, PLACES)}}};
}

static void release_planted(planted_run *r)
{
    fv_backend_emulator.kernel_destroy(r->kernel);
    fv_backend_emulator.buffer_destroy(r->source);
    fv_backend_emulator.buffer_destroy(r->result);
    close_bench(&r->b);
}

START_TEST(planted_faults)
{
    const plant *p = &PLANTS[_i];
    planted_run r;
    prepare_planted(&r, p->module);
    ck_assert_int_eq(fv_backend_emulator.record(r.b.device, &r.command, 1), FOVEA_OK);
    const fovea_status status = fv_backend_emulator.submit(r.b.device);
    if (!p->message) {
        uint32_t words[PLACES];
        ck_assert_msg(status == FOVEA_OK, "%s", r.b.host.error);
        transfer(&r.b, r.result, words, sizeof words, false);
        for (uint32_t i = 0; i < PLACES; i++) {
            const uint32_t from = i / LANES * LANES + LANES - 1 - i % LANES;
            ck_assert_uint_eq(words[i], from * from);
        }
    } else {
        ck_assert_int_eq(status, FOVEA_INTERNAL);
        ck_assert_msg(strstr(r.b.host.error, p->module) && strstr(r.b.host.error, p->message), "%s", r.b.host.error);
        ck_assert_int_eq(fv_backend_emulator.wait(r.b.device), FOVEA_INTERNAL);
    }
    release_planted(&r);
}
END_TEST

/* The device stays usable: a fault is the status of its own list. */
START_TEST(fault_then_right)
{
    planted_run r;
    prepare_planted(&r, "planted.none");
    fv_command wrong = r.command;
    wrong.dispatch.bindings[0].size -= 4;
    ck_assert_int_eq(fv_backend_emulator.execute(r.b.device, &wrong, 1), FOVEA_INTERNAL);
    ck_assert_ptr_nonnull(strstr(r.b.host.error, "word 47 of 47 is read beyond the end"));
    ck_assert_int_eq(fv_backend_emulator.execute(r.b.device, &r.command, 1), FOVEA_OK);
    release_planted(&r);
}
END_TEST

/* ---- lists and descriptors ------------------------------------------------------------------- */

START_TEST(missing_barrier_command)
{
    planted_run r;
    prepare_planted(&r, "planted.none");
    fv_command commands[3] = {r.command, {.kind = FV_COMMAND_BARRIER}, r.command};
    ck_assert_int_eq(fv_backend_emulator.execute(r.b.device, commands, 3), FOVEA_OK);
    commands[1] = (fv_command){.kind = FV_COMMAND_FILL, .fill = {.target = {r.source, 64, 16}}};
    ck_assert_int_eq(fv_backend_emulator.execute(r.b.device, commands, 3), FOVEA_INTERNAL);
    ck_assert_ptr_nonnull(strstr(r.b.host.error, "without a barrier command"));
    commands[1] = r.command;
    ck_assert_int_eq(fv_backend_emulator.execute(r.b.device, commands, 2), FOVEA_INTERNAL);
    ck_assert_ptr_nonnull(strstr(r.b.host.error, "an earlier command wrote it"));
    release_planted(&r);
}
END_TEST

/* A list that outgrows its room is executed on the way. */
START_TEST(long_list)
{
    bench b;
    open_bench(&b, NULL);
    fv_buffer *buffer = make_buffer(&b, NULL, 4);
    for (uint32_t i = 0; i <= FV_EMU_COMMANDS; i++) {
        const fv_command commands[2] = {{.kind = FV_COMMAND_FILL, .fill = {whole(buffer, 4), i}},
                                        {.kind = FV_COMMAND_BARRIER}};
        ck_assert_int_eq(fv_backend_emulator.record(b.device, commands, 2), FOVEA_OK);
    }
    ck_assert_int_eq(fv_backend_emulator.submit(b.device), FOVEA_OK);
    uint32_t words[4];
    transfer(&b, buffer, words, sizeof words, false);
    ck_assert_uint_eq(words[3], FV_EMU_COMMANDS);
    fv_backend_emulator.buffer_destroy(buffer);
    close_bench(&b);
}
END_TEST

static void expect_refusal(bench *b, const fv_kernel_desc *desc, const char *message)
{
    fv_kernel *kernel;
    ck_assert_int_eq(fv_backend_emulator.kernel_create(b->device, desc, &kernel), FOVEA_INTERNAL);
    ck_assert_ptr_null(kernel);
    ck_assert_msg(strstr(b->host.error, message) != NULL, "%s", b->host.error);
}

START_TEST(wrong_descriptors)
{
    bench b;
    open_bench(&b, &(fovea_device_limits){.workgroup_invocations = 32, .shared_memory = 64});
    const fv_kernel_desc right = {.kernel = "planted",
                                  .module = "planted.none",
                                  .constants = {LANES},
                                  .constant_count = 1,
                                  .access = {FV_READ, FV_WRITE},
                                  .binding_count = 2,
                                  .parameter_bytes = 4,
                                  .invocations = LANES};
    fv_kernel_desc wrong = right;
    wrong.module = "planted.nowhere";
    expect_refusal(&b, &wrong, "no module planted.nowhere");
    wrong = right;
    wrong.constant_count = 0;
    expect_refusal(&b, &wrong, "constant LANES has id 0");
    wrong = right;
    wrong.access[1] = FV_READ;
    expect_refusal(&b, &wrong, "buffer result (binding 1");
    wrong = right;
    wrong.parameter_bytes = 8;
    expect_refusal(&b, &wrong, "8 bytes of parameters");
    wrong = right;
    wrong.invocations = 8;
    expect_refusal(&b, &wrong, "8 invocations, the text 16");
    wrong = right;
    wrong.constants[0] = wrong.invocations = 64;
    expect_refusal(&b, &wrong, "64 invocations, the device allows 32");
    wrong.constants[0] = wrong.invocations = 32;
    expect_refusal(&b, &wrong, "shared array tile ends at byte 128, the device has 64");
    close_bench(&b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("emulator");
    TCase *cases = tcase_create("emulator");
    tcase_add_test(cases, words_portable);
    tcase_add_test(cases, words_subgroup);
    tcase_add_loop_test(cases, planted_faults, 0, (int)(sizeof PLANTS / sizeof PLANTS[0]));
    tcase_add_test(cases, fault_then_right);
    tcase_add_test(cases, missing_barrier_command);
    tcase_add_test(cases, long_list);
    tcase_add_test(cases, wrong_descriptors);
    suite_add_tcase(suite, cases);
    return !run_suite(suite);
}
