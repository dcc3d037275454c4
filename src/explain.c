/* A report as text. */
#include <fovea/op.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "op.h"

/* Text that is counted beyond the room it has. */
typedef struct text_out {
    char *text;
    size_t size, length;
} text_out;

static void put(text_out *out, const char *format, ...) FV_PRINTF(2, 3);

static void put(text_out *out, const char *format, ...)
{
    const size_t left = out->length < out->size ? out->size - out->length : 0;
    va_list list;
    va_start(list, format);
    const int written = vsnprintf(left ? out->text + out->length : NULL, left, format, list);
    va_end(list);
    if (written > 0)
        out->length += (size_t)written;
}

static void put_count(text_out *out, uint32_t index, const char *name, uint32_t value)
{
    if (value == UINT32_MAX)
        put(out, "kernel.%u.%s: unknown\n", index, name);
    else
        put(out, "kernel.%u.%s: %u\n", index, name, value);
}

/* Seconds in whole microseconds: no decimal point, whatever the locale. */
static void put_seconds(text_out *out, const char *name, double seconds)
{
    put(out, "%s: %" PRIu64 "\n", name, (uint64_t)(seconds * 1e6 + 0.5));
}

static void put_kernel(text_out *out, uint32_t index, const fovea_kernel_report *kernel)
{
    char name[64];
    put(out, "kernel.%u.name: %s\n", index, kernel->name);
    put(out, "kernel.%u.use: %s\n", index, kernel->use);
    put(out, "kernel.%u.tier: %s\n", index, fovea_tier_name(kernel->tier));
    put(out, "kernel.%u.tile: %u (%u rows x %u keys)\n", index, kernel->tile, kernel->rows, kernel->keys);
    put(out, "kernel.%u.operand: %s%s\n", index, fovea_dtype_name(kernel->operand),
        kernel->operand_parts > 1 ? ", in two parts" : "");
    put_count(out, index, "invocations", kernel->invocations);
    put_count(out, index, "shared_memory", kernel->shared_memory);
    put_count(out, index, "registers", kernel->registers);
    put_count(out, index, "spills", kernel->spills);
    put_count(out, index, "subgroups_per_simd", kernel->subgroups_per_simd);
    put_count(out, index, "scratch", kernel->scratch);
    put(out, "kernel.%u.tested: %s%s\n", index, kernel->tested ? "yes" : "no", kernel->cached ? " (cached)" : "");
    snprintf(name, sizeof name, "kernel.%u.self_test_us", index);
    put_seconds(out, name, kernel->self_test_s);
    snprintf(name, sizeof name, "kernel.%u.create_us", index);
    put_seconds(out, name, kernel->create_s);
}

static void put_notes(text_out *out, const char *notes)
{
    while (*notes) {
        const size_t length = strcspn(notes, "\n");
        put(out, "note: %.*s\n", (int)length, notes);
        notes += length + (notes[length] == '\n');
    }
}

size_t fovea_op_explain(const fovea_op *op, char *text, size_t size)
{
    text_out out = {text, text ? size : 0, 0};
    if (out.size > 0)
        text[0] = '\0';
    if (!op)
        return 0;
    const fovea_op_report *report = &op->report;
    put(&out, "operator: %s\n", report->name);
    put(&out, "device: %s\n", op->device->driver->caps.info.name);
    put(&out, "tier: %s\n", fovea_tier_name(report->tier));
    put(&out, "tile_candidates: %u\n", report->tile_candidates);
    for (uint32_t i = 0; i < report->kernel_count; i++)
        put_kernel(&out, i, &report->kernels[i]);
    put(&out, "dispatches: %u\n", report->dispatches);
    put(&out, "copies: %u\n", report->copies);
    put(&out, "barriers: %u\n", report->barriers);
    put(&out, "query_slices: %u\n", report->query_slices);
    put(&out, "key_slices: %u\n", report->key_slices);
    put(&out, "split_count: %u\n", report->split_count);
    put(&out, "tiles_total: %" PRIu64 "\n", report->tiles_total);
    put(&out, "tiles_visited: %" PRIu64 "\n", report->tiles_visited);
    put(&out, "tiles_full: %" PRIu64 "\n", report->tiles_full);
    put(&out, "flops: %" PRIu64 "\n", report->flops);
    put(&out, "bytes: %" PRIu64 "\n", report->bytes);
    put(&out, "exponentials: %" PRIu64 "\n", report->exponentials);
    put(&out, "shared_bytes: %" PRIu64 "\n", report->shared_bytes);
    put(&out, "workspace_size: %" PRIu64 "\n", report->workspace_size);
    put(&out, "assumed_mflops_per_s: %" PRIu64 "\n", (uint64_t)(report->assumed_flops_per_s / 1e6));
    put_seconds(&out, "estimated_us", report->estimated_s);
    put_seconds(&out, "create_us", report->create_s);
    put_notes(&out, report->notes);
    return out.length;
}
