/* The embedded modules: what their SPIR-V declares is what the ABI headers say, and they stay few and small. */
#include "abi/measure.h"
#include "abi/merge.h"
#include "abi/softmax.h"
#include "compile.h"
#include "modules.h"
#include "runner.h"

#include <spirv_cross_c.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { MODULES_MAX = 48, MODULE_BYTES_MAX = 2 << 20, LOCAL_SIZE_ID = 31 /* shaders/README.md */ };

/* ---- the ABI as tables ------------------------------------------------------------------------------------------ */

typedef enum access { ACCESS_IN, ACCESS_OUT, ACCESS_IO } access;

typedef struct abi_buffer {
    uint32_t binding;
    const char *name;
    access kind;
} abi_buffer;

typedef struct abi_parameter {
    const char *type, *name;
} abi_parameter;

typedef struct abi_constant {
    uint32_t id;
    const char *name;
} abi_constant;

typedef struct abi_kernel {
    const char *name;
    const abi_buffer *buffers;
    uint32_t buffer_count;
    const abi_parameter *parameters;
    uint32_t parameter_count;
    const abi_constant *constants;
    uint32_t constant_count;
} abi_kernel;

#define ROW_IN(i, n)    {i, #n, ACCESS_IN},
#define ROW_OUT(i, n)   {i, #n, ACCESS_OUT},
#define ROW_IO(i, n)    {i, #n, ACCESS_IO},
#define ROW_PARAM(t, n) {#t, #n},
#define ROW_CONST(i, n) {i, #n},

static const abi_constant softmax_constants[] = {SOFTMAX_CONSTANTS(ROW_CONST)};
static const abi_constant measure_constants[] = {MEASURE_CONSTANTS(ROW_CONST)};
static const abi_buffer direct_buffers[] = {SOFTMAX_DIRECT_BUFFERS(ROW_IN, ROW_OUT, ROW_IO)};
static const abi_buffer state_buffers[] = {SOFTMAX_STATE_BUFFERS(ROW_IN, ROW_OUT, ROW_IO)};
static const abi_buffer finish_buffers[] = {SOFTMAX_FINISH_BUFFERS(ROW_IN, ROW_OUT, ROW_IO)};
static const abi_parameter direct_parameters[] = {SOFTMAX_DIRECT_PARAMS(ROW_PARAM)};
static const abi_parameter state_parameters[] = {SOFTMAX_STATE_PARAMS(ROW_PARAM)};
static const abi_parameter finish_parameters[] = {SOFTMAX_FINISH_PARAMS(ROW_PARAM)};

static const abi_constant merge_constants[] = {MERGE_CONSTANTS(ROW_CONST)};
static const abi_buffer weigh_buffers[] = {MERGE_WEIGH_BUFFERS(ROW_IN, ROW_OUT, ROW_IO)};
static const abi_buffer sum_buffers[] = {MERGE_SUM_BUFFERS(ROW_IN, ROW_OUT, ROW_IO)};
static const abi_parameter weigh_parameters[] = {MERGE_WEIGH_PARAMS(ROW_PARAM)};
static const abi_parameter sum_parameters[] = {MERGE_SUM_PARAMS(ROW_PARAM)};

static const abi_buffer measure_buffers[] = {MEASURE_BUFFERS(ROW_IN, ROW_OUT, ROW_IO)};
static const abi_parameter measure_parameters[] = {MEASURE_PARAMS(ROW_PARAM)};

#define COUNT(list) (uint32_t)(sizeof list / sizeof list[0])
#define KERNEL(text, name, constants)                                                                        \
    {                                                                                                        \
        text, name##_buffers, COUNT(name##_buffers), name##_parameters, COUNT(name##_parameters), constants, \
            COUNT(constants)                                                                                 \
    }
static const abi_kernel kernels[] = {
    KERNEL("softmax_direct", direct, softmax_constants), KERNEL("softmax_state", state, softmax_constants),
    KERNEL("softmax_finish", finish, softmax_constants), KERNEL("measure_fma", measure, measure_constants),
    KERNEL("measure_exp2", measure, measure_constants),  KERNEL("measure_shared", measure, measure_constants),
    KERNEL("merge_weigh", weigh, merge_constants),       KERNEL("merge_sum", sum, merge_constants),
    KERNEL("measure_copy", measure, measure_constants),  KERNEL("measure_matrix", measure, measure_constants),
};

static const abi_kernel *abi_of(const fv_module *module)
{
    for (uint32_t i = 0; i < COUNT(kernels); i++)
        if (strcmp(kernels[i].name, module->kernel) == 0)
            return &kernels[i];
    ck_abort_msg("%s: its kernel has no table here", module->name);
    return NULL;
}

/* ---- reflection ------------------------------------------------------------------------------------------------- */

typedef struct reflection {
    spvc_context context;
    spvc_compiler compiler;
    spvc_resources resources;
} reflection;

#define spvc_ok(call) ck_assert_int_eq((int)(call), SPVC_SUCCESS)

enum opcode {
    OP_ENTRY_POINT = 15,
    OP_TYPE_VECTOR = 23,
    OP_CONSTANT_COMPOSITE = 44,
    OP_CONSTANT_NULL = 46,
    OP_FUNCTION = 54,
    OP_FUNCTION_END = 56,
    OP_LABEL = 248,
    OP_RETURN = 253,
    OP_TYPE_MATRIX = 4456, /* OpTypeCooperativeMatrixKHR */
    HEADER_WORDS = 5,
    IDS_MOST = 1 << 16
};

static bool is_matrix[IDS_MOST]; /* ids of the types that were replaced */

/* Writes an instruction as one that older readers know: a matrix is a vector of two. Returns the words written. */
static size_t plain_instruction(const uint32_t *from, uint32_t opcode, uint32_t count, uint32_t *to)
{
    if (opcode == OP_TYPE_MATRIX) {
        is_matrix[from[1] % IDS_MOST] = true;
        memcpy(to, (const uint32_t[]){4u << 16 | OP_TYPE_VECTOR, from[1], from[2], 2}, 16);
        return 4;
    }
    if (opcode == OP_CONSTANT_COMPOSITE && is_matrix[from[1] % IDS_MOST]) {
        memcpy(to, (const uint32_t[]){3u << 16 | OP_CONSTANT_NULL, from[1], from[2]}, 12);
        return 3;
    }
    memcpy(to, from, count * sizeof *to);
    return count;
}

/* spirv-cross of the distributions knows no matrices: the same interface with an empty body. Returns the new count. */
static size_t without_matrices(const uint32_t *words, size_t word_count, uint32_t *out)
{
    uint32_t entry = 0;
    size_t written = HEADER_WORDS, label = 0;
    memset(is_matrix, 0, sizeof is_matrix);
    memcpy(out, words, HEADER_WORDS * sizeof *out);
    for (size_t at = HEADER_WORDS; at < word_count; at += words[at] >> 16) {
        const uint32_t opcode = words[at] & 0xffff, count = words[at] >> 16;
        if (opcode == OP_ENTRY_POINT)
            entry = words[at + 2];
        if (opcode == OP_FUNCTION && words[at + 2] == entry)
            label = at + count;
        if (opcode == OP_FUNCTION && !label) { /* of a helper: to its end */
            while ((words[at] & 0xffff) != OP_FUNCTION_END)
                at += words[at] >> 16;
            continue;
        }
        written += plain_instruction(words + at, opcode, count, out + written);
        if (at == label) {
            ck_assert_uint_eq(opcode, OP_LABEL);
            out[written++] = 1u << 16 | OP_RETURN;
            out[written++] = 1u << 16 | OP_FUNCTION_END;
            return written;
        }
    }
    ck_abort_msg("no entry point");
    return 0;
}

static reflection reflect(const fv_module *module, const uint32_t *words, size_t word_count)
{
    static uint32_t plain[MODULE_BYTES_MAX / 4];
    reflection r;
    if (module->tier == FOVEA_TIER_MATRIX) {
        ck_assert_uint_le(word_count + 2, MODULE_BYTES_MAX / 4);
        word_count = without_matrices(words, word_count, plain);
        words = plain;
    }
    spvc_parsed_ir ir;
    spvc_ok(spvc_context_create(&r.context));
    spvc_ok(spvc_context_parse_spirv(r.context, words, word_count, &ir));
    spvc_ok(
        spvc_context_create_compiler(r.context, SPVC_BACKEND_NONE, ir, SPVC_CAPTURE_MODE_TAKE_OWNERSHIP, &r.compiler));
    spvc_ok(spvc_compiler_create_shader_resources(r.compiler, &r.resources));
    return r;
}

static bool writable(const reflection *r, spvc_variable_id id)
{
    const SpvDecoration *list = NULL;
    size_t count = 0;
    spvc_ok(spvc_compiler_get_buffer_block_decorations(r->compiler, id, &list, &count));
    for (size_t i = 0; i < count; i++)
        if (list[i] == SpvDecorationNonWritable)
            return false;
    return true;
}

/* A buffer that is read 1, 2 and 4 words wide is declared once for each width, at the same binding. */
static void check_buffers(const reflection *r, const fv_module *module, const abi_kernel *abi)
{
    const spvc_reflected_resource *list = NULL;
    size_t count = 0;
    uint32_t found = 0, written = 0;
    spvc_ok(spvc_resources_get_resource_list_for_type(r->resources, SPVC_RESOURCE_TYPE_STORAGE_BUFFER, &list, &count));
    for (size_t i = 0; i < count; i++) {
        const uint32_t binding = spvc_compiler_get_decoration(r->compiler, list[i].id, SpvDecorationBinding);
        ck_assert_msg(spvc_compiler_get_decoration(r->compiler, list[i].id, SpvDecorationDescriptorSet) == 0,
                      "%s: binding %u lies outside set 0", module->name, binding);
        ck_assert_msg(binding < abi->buffer_count, "%s: the ABI has no binding %u", module->name, binding);
        found |= 1u << binding;
        written |= (uint32_t)writable(r, list[i].id) << binding;
    }
    for (uint32_t n = 0; n < abi->buffer_count; n++) {
        ck_assert_uint_eq(abi->buffers[n].binding, n);
        ck_assert_msg(found >> n & 1, "%s: no binding %u (%s)", module->name, n, abi->buffers[n].name);
        ck_assert_msg((written >> n & 1) == (abi->buffers[n].kind != ACCESS_IN),
                      "%s: binding %u (%s): read-only in one of SPIR-V and ABI", module->name, n, abi->buffers[n].name);
    }
}

static spvc_basetype base_of(const char *type)
{
    return strcmp(type, "float") == 0 ? SPVC_BASETYPE_FP32
           : strcmp(type, "int") == 0 ? SPVC_BASETYPE_INT32
                                      : SPVC_BASETYPE_UINT32;
}

static void check_parameters(const reflection *r, const fv_module *module, const abi_kernel *abi)
{
    const spvc_reflected_resource *list = NULL;
    size_t count = 0, size = 0;
    spvc_ok(spvc_resources_get_resource_list_for_type(r->resources, SPVC_RESOURCE_TYPE_PUSH_CONSTANT, &list, &count));
    ck_assert_uint_eq(count, 1);
    const spvc_type block = spvc_compiler_get_type_handle(r->compiler, list[0].base_type_id);
    ck_assert_uint_eq(spvc_type_get_num_member_types(block), abi->parameter_count);
    spvc_ok(spvc_compiler_get_declared_struct_size(r->compiler, block, &size));
    ck_assert_uint_eq(size, abi->parameter_count * 4);
    ck_assert_uint_le(size, 128);
    for (uint32_t i = 0; i < abi->parameter_count; i++) {
        unsigned offset = 0;
        const spvc_type type = spvc_compiler_get_type_handle(r->compiler, spvc_type_get_member_type(block, i));
        const char *name = spvc_compiler_get_member_name(r->compiler, list[0].base_type_id, i);
        spvc_ok(spvc_compiler_type_struct_member_offset(r->compiler, block, i, &offset));
        ck_assert_msg(offset == 4 * i, "%s: %s lies at %u", module->name, abi->parameters[i].name, offset);
        ck_assert_msg(spvc_type_get_basetype(type) == base_of(abi->parameters[i].type), "%s: type of %s", module->name,
                      abi->parameters[i].name);
        ck_assert_msg(!name || !*name || strcmp(name, abi->parameters[i].name) == 0, "%s: member %u is %s, not %s",
                      module->name, i, name, abi->parameters[i].name);
    }
}

static void check_constants(const reflection *r, const fv_module *module, const abi_kernel *abi)
{
    const spvc_specialization_constant *list = NULL;
    size_t count = 0;
    spvc_ok(spvc_compiler_get_specialization_constants(r->compiler, &list, &count));
    ck_assert_uint_gt(count, 0);
    for (size_t i = 0; i < count; i++) {
        const uint32_t id = list[i].constant_id;
        if (id == LOCAL_SIZE_ID)
            continue;
        const char *name = spvc_compiler_get_name(r->compiler, list[i].id);
        ck_assert_msg(id < abi->constant_count, "%s: constant id %u", module->name, id);
        ck_assert_uint_eq(abi->constants[id].id, id);
        ck_assert_msg(!name || !*name || strcmp(name, abi->constants[id].name) == 0, "%s: constant %u is %s, not %s",
                      module->name, id, name, abi->constants[id].name);
    }
}

static void check_module(const fv_module *module, const uint32_t *words, size_t word_count)
{
    const abi_kernel *abi = abi_of(module);
    reflection r = reflect(module, words, word_count);
    check_buffers(&r, module, abi);
    check_parameters(&r, module, abi);
    check_constants(&r, module, abi);
    spvc_context_destroy(r.context);
}

/* ---- tests -------------------------------------------------------------------------------------------------------- */

START_TEST(reflection_equals_abi)
{
    check_module(&fv_modules[_i], fv_modules[_i].words, fv_modules[_i].word_count);
}
END_TEST

START_TEST(compiles_at_run_time)
{
    fv_host host;
    uint32_t *words = NULL;
    size_t word_count = 0;
    const fovea_allocator none = {0};
    const fovea_log quiet = {0};
    fv_host_init(&host, &none, &quiet);
    const fovea_status status = fv_compile(&host, fv_modules[_i].name, fv_modules[_i].source, &words, &word_count);
#ifdef TEST_WITH_SHADERC
    if (fv_modules[_i].probe && !fv_compile_knows(fv_modules[_i].probe)) {
        ck_assert_int_eq(status, FOVEA_COMPILE_FAILED); /* too old for matrices, as the probe says */
        fv_host_release(&host);
        return;
    }
    ck_assert_msg(status == FOVEA_OK, "%s: %s: %s", fv_modules[_i].name, fovea_status_name(status), host.error);
    check_module(&fv_modules[_i], words, word_count);
#else
    ck_assert_int_eq(status, FOVEA_UNSUPPORTED);
    ck_assert_ptr_null(words);
#endif
    fv_free(&host, words);
    fv_host_release(&host);
}
END_TEST

/* A text with a mistake is refused with the compiler's words. */
START_TEST(mistakes_are_reported)
{
    fv_host host;
    uint32_t *words = NULL;
    size_t word_count = 0;
    const fovea_allocator none = {0};
    const fovea_log quiet = {0};
    fv_host_init(&host, &none, &quiet);
    const fovea_status status =
        fv_compile(&host, "mistake", "#version 450\nvoid main() { nonsense; }\n", &words, &word_count);
    ck_assert_ptr_null(words);
#ifdef TEST_WITH_SHADERC
    ck_assert_int_eq(status, FOVEA_COMPILE_FAILED);
    ck_assert_msg(strstr(host.error, "nonsense"), "%s", host.error);
#else
    ck_assert_int_eq(status, FOVEA_UNSUPPORTED);
#endif
    fv_host_release(&host);
}
END_TEST

START_TEST(few_and_small)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < fv_module_count; i++)
        bytes += fv_modules[i].word_count * 4;
    ck_assert_uint_gt(fv_module_count, 0);
    ck_assert_uint_le(fv_module_count, MODULES_MAX);
    ck_assert_uint_le(bytes, MODULE_BYTES_MAX);
}
END_TEST

START_TEST(names_are_unique_and_speak)
{
    for (uint32_t i = 0; i < fv_module_count; i++) {
        const fv_module *m = &fv_modules[i];
        char name[96], kind[32];
        snprintf(kind, sizeof kind, "%s%s.matrix", fovea_dtype_name(m->operand), m->needs ? ".nv2" : "");
        if (m->tier == FOVEA_TIER_MATRIX && m->tm)
            snprintf(name, sizeof name, "%s.%ux%ux%u.%s", m->kernel, m->tm, m->tn, m->tv, kind);
        else if (m->tier == FOVEA_TIER_MATRIX)
            snprintf(name, sizeof name, "%s.%s", m->kernel, kind);
        else if (m->tm)
            snprintf(name, sizeof name, "%s.%ux%ux%u.%s", m->kernel, m->tm, m->tn, m->tv, fovea_tier_name(m->tier));
        else
            snprintf(name, sizeof name, "%s.%s", m->kernel, fovea_tier_name(m->tier));
        ck_assert_str_eq(m->name, name);
        for (uint32_t j = 0; j < i; j++)
            ck_assert_str_ne(m->name, fv_modules[j].name);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("modules");
    TCase *c = tcase_create("modules");
    tcase_add_loop_test(c, reflection_equals_abi, 0, (int)fv_module_count);
    tcase_add_loop_test(c, compiles_at_run_time, 0, (int)fv_module_count);
    tcase_add_test(c, mistakes_are_reported);
    tcase_add_test(c, few_and_small);
    tcase_add_test(c, names_are_unique_and_speak);
    suite_add_tcase(suite, c);
    return !run_suite(suite);
}
