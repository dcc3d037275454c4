/* --explain: what the operator decided, as the library's own lines or as one JSON object. */
#include "job.h"
#include "values.h"

#include <stdlib.h>

#define REPORT(kind, member)                             \
    {                                                    \
#member, kind, offsetof(fovea_op_report, member) \
    }
#define KERNEL(kind, member)                                 \
    {                                                        \
#member, kind, offsetof(fovea_kernel_report, member) \
    }
#define COUNT(rows) (sizeof(rows) / sizeof *(rows))

static const value_row report_rows[] = {
    REPORT(VALUE_TEXT, name),
    REPORT(VALUE_TIER, tier),
    REPORT(VALUE_U32, dispatches),
    REPORT(VALUE_U32, copies),
    REPORT(VALUE_U32, barriers),
    REPORT(VALUE_U32, key_slices),
    REPORT(VALUE_U32, query_slices),
    REPORT(VALUE_U32, split_count),
    REPORT(VALUE_U32, tile_candidates),
    REPORT(VALUE_U64, tiles_total),
    REPORT(VALUE_U64, tiles_visited),
    REPORT(VALUE_U64, tiles_full),
    REPORT(VALUE_U64, flops),
    REPORT(VALUE_U64, bytes),
    REPORT(VALUE_U64, exponentials),
    REPORT(VALUE_U64, shared_bytes),
    REPORT(VALUE_U64, workspace_size),
    REPORT(VALUE_REAL, estimated_s),
    REPORT(VALUE_REAL, assumed_flops_per_s),
    REPORT(VALUE_REAL, create_s),
    REPORT(VALUE_LINES, notes),
};

static const value_row kernel_rows[] = {
    KERNEL(VALUE_TEXT, name),
    KERNEL(VALUE_TEXT, use),
    KERNEL(VALUE_TIER, tier),
    KERNEL(VALUE_U32, tile),
    KERNEL(VALUE_U32, rows),
    KERNEL(VALUE_U32, keys),
    KERNEL(VALUE_DTYPE, operand),
    KERNEL(VALUE_U32, operand_parts),
    KERNEL(VALUE_U32, invocations),
    KERNEL(VALUE_U32, shared_memory),
    KERNEL(VALUE_KNOWN, registers),
    KERNEL(VALUE_KNOWN, spills),
    KERNEL(VALUE_KNOWN, subgroups_per_simd),
    KERNEL(VALUE_KNOWN, scratch),
    KERNEL(VALUE_FLAG, tested),
    KERNEL(VALUE_FLAG, cached),
    KERNEL(VALUE_REAL, self_test_s),
    KERNEL(VALUE_REAL, create_s),
};

static int print_object(const session *s, const fovea_op *op)
{
    fovea_op_report report;
    const fovea_status status = fovea_op_get_report(op, &report);
    if (status != FOVEA_OK)
        return session_fail(s, status, "--explain");
    json_t *object = json_object();
    json_t *kernels = json_array();
    values_add(object, report_rows, COUNT(report_rows), &report);
    for (uint32_t i = 0; i < report.kernel_count && i < FOVEA_REPORT_KERNELS; i++) {
        json_t *kernel = json_object();
        values_add(kernel, kernel_rows, COUNT(kernel_rows), &report.kernels[i]);
        json_array_append_new(kernels, kernel);
    }
    json_object_set_new(object, "kernels", kernels);
    values_print_json(object);
    json_decref(object);
    return CLI_DONE;
}

int report_print(const session *s, const fovea_op *op, bool as_json)
{
    if (as_json)
        return print_object(s, op);
    const size_t length = fovea_op_explain(op, NULL, 0);
    char *text = malloc(length + 1);
    if (!text)
        return cli_fail(CLI_FAILED, "--explain: out of memory");
    fovea_op_explain(op, text, length + 1);
    fputs(text, stdout);
    if (length && text[length - 1] != '\n')
        putchar('\n');
    free(text);
    return CLI_DONE;
}
