/* Merge descriptors and run arguments that break a rule, one rule each, legal ones at the rules' borders, and reports. */
#include "test_merge.h"

#include "patch.h"

#define P(field, value)       PATCH(fovea_merge_params, field, value)
#define A(field, value)       PATCH(fovea_op_args, field, value)
#define BIG                   ((uint64_t)1 << 40)
#define COEFFICIENTS_OF_PARTS P(coefficients.rank, 1), P(coefficients.extents[0], 4)
#define BY_COEFFICIENTS       P(sources[0].lse.rank, 0), P(sources[1].lse.rank, 0), P(lse.rank, 0), COEFFICIENTS_OF_PARTS

/* Two sources of 3 parts and of 1, batch 2, 4 heads, 9 queries, dim 6, f32, with lse; all strides 0. */
static fovea_merge_params plain_params(void)
{
    return (fovea_merge_params){
        .sources = {{{.rank = 5, .extents = {3, 2, 4, 9, 6}}, {.rank = 4, .extents = {3, 2, 4, 9}}},
                    {{.rank = 4, .extents = {2, 4, 9, 6}}, {.rank = 3, .extents = {2, 4, 9}}}},
        .o = {.rank = 4, .extents = {2, 4, 9, 6}},
        .lse = {.rank = 3, .extents = {2, 4, 9}}};
}

static const struct {
    const char *name;
    api_patch patches[8];
    fovea_status status;
    const char *reason; /* part of the message */
} broken[] = {
    {"no source", {P(sources[0].o.rank, 0)}, FOVEA_INVALID, "sources[0]"},
    {"a gap between sources", {P(sources[3].o.rank, 4)}, FOVEA_INVALID, "sources[2]"},
    {"an lse without a part", {P(sources[2].lse.rank, 3)}, FOVEA_INVALID, "sources[2]"},
    {"a stride behind the last source", {P(sources[7].lse.strides[5], 1)}, FOVEA_INVALID, "sources[2]"},
    {"parts of rank 3", {P(sources[0].o.rank, 3)}, FOVEA_INVALID, "rank 3"},
    {"parts of rank 6", {P(sources[1].o.rank, 6)}, FOVEA_INVALID, "sources[1].o"},
    {"parts of rank 7", {P(sources[1].o.rank, 7)}, FOVEA_INVALID, "sources[1].o"},
    {"parts of rank 2^32 - 1", {P(sources[1].o.rank, UINT32_MAX)}, FOVEA_INVALID, "sources[1].o"},
    {"parts of no dtype", {P(sources[0].o.dtype, 3)}, FOVEA_INVALID, "dtype"},
    {"no parts", {P(sources[0].o.extents[0], 0)}, FOVEA_INVALID, "extent"},
    {"batch of parts", {P(sources[0].o.extents[1], 3)}, FOVEA_INVALID, "batch of sources[0].o is 3"},
    {"heads of parts", {P(sources[1].o.extents[1], 2)}, FOVEA_INVALID, "heads of sources[1].o is 2"},
    {"queries of parts", {P(sources[1].o.extents[2], 8)}, FOVEA_INVALID, "seq of sources[1].o is 8"},
    {"dim of parts", {P(sources[0].o.extents[4], 7)}, FOVEA_INVALID, "dim of sources[0].o is 7"},
    {"last stride of parts", {P(sources[1].o.strides[3], 2)}, FOVEA_INVALID, "stride"},
    {"reserved word of parts", {P(sources[1].o.reserved[1], 2)}, FOVEA_INVALID, "reserved"},
    {"no lse of parts", {P(sources[1].lse.rank, 0)}, FOVEA_INVALID, "sources[1].lse is missing"},
    {"lse of rank 2", {P(sources[0].lse.rank, 2)}, FOVEA_INVALID, "sources[0].lse"},
    {"lse of rank 5", {P(sources[0].lse.rank, 5)}, FOVEA_INVALID, "sources[0].lse"},
    {"lse of f16", {P(sources[0].lse.dtype, FOVEA_F16)}, FOVEA_INVALID, "always f32"},
    {"parts of lse", {P(sources[0].lse.extents[0], 2)}, FOVEA_INVALID, "2 parts"},
    {"parts of lse without the dim", {P(sources[0].lse.rank, 3)}, FOVEA_INVALID, "sources[0].lse"},
    {"batch of lse", {P(sources[0].lse.extents[1], 1)}, FOVEA_INVALID, "batch of sources[0].lse"},
    {"queries of lse", {P(sources[1].lse.extents[2], 1)}, FOVEA_INVALID, "seq of sources[1].lse"},
    {"no o", {P(o.rank, 0)}, FOVEA_INVALID, "o"},
    {"o of rank 5", {P(o.rank, 5)}, FOVEA_INVALID, "o: rank 5"},
    {"o of no dtype", {P(o.dtype, 99)}, FOVEA_INVALID, "dtype"},
    {"o repeats", {P(o.strides[3], 1), P(o.strides[1], 54), P(o.strides[0], 216)}, FOVEA_INVALID, "cannot repeat"},
    {"o overlaps itself",
     {P(o.strides[3], 1), P(o.strides[2], 5), P(o.strides[1], 54), P(o.strides[0], 216)},
     FOVEA_INVALID,
     "overlap"},
    {"dim_v 1025",
     {P(o.extents[3], 1025), P(sources[0].o.extents[4], 1025), P(sources[1].o.extents[3], 1025)},
     FOVEA_INVALID,
     "1024"},
    {"dim_v 0", {P(o.extents[3], 0), P(sources[0].o.extents[4], 0), P(sources[1].o.extents[3], 0)}, FOVEA_INVALID, "o"},
    {"result lse of f16", {P(lse.dtype, FOVEA_F16)}, FOVEA_INVALID, "lse"},
    {"result lse of rank 4", {P(lse.rank, 4)}, FOVEA_INVALID, "lse"},
    {"heads of the result's lse", {P(lse.extents[1], 3)}, FOVEA_INVALID, "heads of lse is 3"},
    {"result lse repeats", {P(lse.strides[2], 1), P(lse.strides[0], 36)}, FOVEA_INVALID, "lse"},
    {"offsets of rank 3",
     {P(offsets.rank, 3), P(offsets.extents[0], 4), P(offsets.extents[1], 2), P(offsets.extents[2], 4)},
     FOVEA_INVALID,
     "offsets: rank 3"},
    {"offsets of 3 parts", {P(offsets.rank, 1), P(offsets.extents[0], 3)}, FOVEA_INVALID, "together have 4"},
    {"offsets of 3 heads",
     {P(offsets.rank, 2), P(offsets.extents[0], 4), P(offsets.extents[1], 3)},
     FOVEA_INVALID,
     "heads of offsets is 3"},
    {"offsets of bf16",
     {P(offsets.rank, 1), P(offsets.extents[0], 4), P(offsets.dtype, FOVEA_BF16)},
     FOVEA_INVALID,
     "offsets: dtype bf16"},
    {"offsets of 8 queries",
     {P(offsets.rank, 4), P(offsets.extents[0], 4), P(offsets.extents[1], 2), P(offsets.extents[2], 4),
      P(offsets.extents[3], 8)},
     FOVEA_INVALID,
     "seq of offsets is 8"},
    {"coefficients and lse of parts", {COEFFICIENTS_OF_PARTS, P(lse.rank, 0)}, FOVEA_INVALID, "sources[0].lse"},
    {"coefficients and lse of the result",
     {COEFFICIENTS_OF_PARTS, P(sources[0].lse.rank, 0), P(sources[1].lse.rank, 0)},
     FOVEA_INVALID,
     "lse"},
    {"coefficients and offsets",
     {BY_COEFFICIENTS, P(offsets.rank, 1), P(offsets.extents[0], 4)},
     FOVEA_INVALID,
     "leave out either"},
    {"coefficients of 5 parts", {BY_COEFFICIENTS, P(coefficients.extents[0], 5)}, FOVEA_INVALID, "coefficients: 5"},
    {"reserved[0]", {P(reserved[0], 1)}, FOVEA_INVALID, "reserved"},
    {"reserved[16]", {P(reserved[16], 1)}, FOVEA_INVALID, "reserved"},
    {"min_tier is no tier", {P(min_tier, 77)}, FOVEA_INVALID, "min_tier"},
    {"matrix tier", {P(min_tier, FOVEA_TIER_MATRIX)}, FOVEA_UNSUPPORTED, "tier"},
    {"seq_q_max above o", {P(seq_q_max, 10)}, FOVEA_INVALID, "seq_q_max"},
    {"2^63 parts", {P(sources[0].o.extents[0], (uint64_t)1 << 63)}, FOVEA_INVALID, "overflow"},
    {"2^40 parts", {P(sources[0].o.extents[0], BIG)}, FOVEA_UNSUPPORTED, "2^32"},
    {"2^31 parts", {P(sources[0].o.extents[0], (uint64_t)1 << 31)}, FOVEA_UNSUPPORTED, "2^31 parts"},
    {"a stride of 2^62",
     {P(sources[1].o.strides[3], 1), P(sources[1].o.strides[2], (uint64_t)1 << 62), P(sources[1].o.strides[1], 8)},
     FOVEA_INVALID,
     "overflow"},
    {"2^40 batch entries",
     {P(sources[0].o.extents[1], BIG), P(sources[0].lse.extents[1], BIG), P(sources[1].o.extents[0], BIG),
      P(sources[1].lse.extents[0], BIG), P(o.extents[0], BIG), P(lse.extents[0], BIG)},
     FOVEA_UNSUPPORTED,
     "2^32"},
};

START_TEST(broken_descriptor)
{
    fovea_merge_params params = plain_params();
    fovea_op *op = (fovea_op *)(void *)&params;
    for (int n = 0; n < 8; n++)
        api_apply(&params, &broken[_i].patches[n]);
    const fovea_status status = fovea_merge_create(test.opened, &params, &op);
    ck_assert_msg(status == broken[_i].status, "%s: %s, not %s: %s", broken[_i].name, fovea_status_name(status),
                  fovea_status_name(broken[_i].status), api_error());
    ck_assert_ptr_null(op);
    ck_assert_msg(strstr(api_error(), broken[_i].reason), "%s: no '%s' in '%s'", broken[_i].name, broken[_i].reason,
                  api_error());
    test_forget_messages();
}
END_TEST

static const struct {
    const char *name;
    api_patch patches[8];
} legal[] = {
    {"as it is", {{0, 0, 0}}},
    {"no lse", {P(lse.rank, 0)}},
    {"coefficients", {BY_COEFFICIENTS}},
    {"extents beyond the rank are not read",
     {P(lse.extents[3], 77), P(o.extents[5], 3), P(sources[1].o.extents[4], 1025)}},
    {"unbounded budget", {P(cost_budget_us, FOVEA_UNBOUNDED)}},
    {"the maximum", {P(seq_q_max, 9)}},
    {"portable tier", {P(min_tier, FOVEA_TIER_PORTABLE)}},
    {"parts repeat along heads",
     {P(sources[1].o.strides[3], 1), P(sources[1].o.strides[2], 6), P(sources[1].o.strides[0], 54)}},
    {"parts repeat",
     {P(sources[0].lse.strides[3], 1), P(sources[0].lse.strides[2], 9), P(sources[0].lse.strides[1], 36)}},
    {"dim_v 1024", {P(o.extents[3], 1024), P(sources[0].o.extents[4], 1024), P(sources[1].o.extents[3], 1024)}},
};

START_TEST(legal_descriptor)
{
    fovea_merge_params params = plain_params();
    fovea_op *op = NULL;
    for (int n = 0; n < 8; n++)
        api_apply(&params, &legal[_i].patches[n]);
    const fovea_status status = fovea_merge_create(test.opened, &params, &op);
    ck_assert_msg(status == FOVEA_OK, "%s: %s: %s", legal[_i].name, fovea_status_name(status), api_error());
    test_keep_op(op);
}
END_TEST

/* More rows than kernels count, though every stride is small. */
START_TEST(too_many_rows)
{
    fovea_merge_params params = plain_params();
    fovea_op *op = NULL;
    params.sources[0] = params.sources[1];
    memset(&params.sources[1], 0, sizeof params.sources[1]);
    params.o.extents[0] = params.lse.extents[0] = 1 << 30;
    params.sources[0].o.extents[0] = params.sources[0].lse.extents[0] = 1 << 30;
    ck_assert_int_eq(fovea_merge_create(test.opened, &params, &op), FOVEA_UNSUPPORTED);
    test_contains(api_error(), "38654705664 rows");
    test_forget_messages();
}
END_TEST

START_TEST(null_arguments)
{
    fovea_merge_params params = plain_params();
    fovea_op *op = (fovea_op *)(void *)&params;
    ck_assert_int_eq(fovea_merge_create(NULL, &params, &op), FOVEA_INVALID);
    ck_assert_ptr_null(op);
    op = (fovea_op *)(void *)&params;
    ck_assert_int_eq(fovea_merge_create(test.opened, NULL, &op), FOVEA_INVALID);
    ck_assert_ptr_null(op);
    ck_assert_int_eq(fovea_merge_create(test.opened, &params, NULL), FOVEA_INVALID);
    test_contains(api_error(), "fovea_merge_create");
    test_forget_messages();
}
END_TEST

/* ---- limits ------------------------------------------------------------------------------------------------- */

#define L(field, value) PATCH(fovea_device_limits, field, value)

static const struct {
    const char *name;
    api_patch patch;
    fovea_status kernels, native; /* of a GPU, of the CPU itself */
    const char *reason;
} limited[] = {
    {"4 storage buffers", L(storage_buffers, 4), FOVEA_OK, FOVEA_OK, ""},
    {"63 invocations", L(workgroup_invocations, 63), FOVEA_UNSUPPORTED, FOVEA_OK, "invocations"},
    {"15 loop iterations", L(loop_iterations, 15), FOVEA_UNSUPPORTED, FOVEA_OK,
     "4 parts; the loop limit of this device allows 3"},
    {"16 loop iterations", L(loop_iterations, 16), FOVEA_OK, FOVEA_OK, ""},
    {"12 bytes of a binding", L(storage_range, 12), FOVEA_UNSUPPORTED, FOVEA_UNSUPPORTED, "bytes of workspace"},
};

START_TEST(limits_are_obeyed)
{
    fovea_device_params device_params = test.params;
    const fovea_merge_params params = plain_params();
    fovea_device *device = NULL;
    fovea_op *op = NULL;
    char reason[TEST_MESSAGE_SIZE];
    api_apply(&device_params.limits, &limited[_i].patch);
    test_status(NULL, FOVEA_OK, fovea_device_open(&device_params, &device));
    const fovea_status status = fovea_merge_create(device, &params, &op);
    fovea_last_error(device, reason, sizeof reason);
    ck_assert_msg(status == (test_is_cpu() ? limited[_i].native : limited[_i].kernels), "%s: %s: %s", limited[_i].name,
                  fovea_status_name(status), reason);
    if (status != FOVEA_OK)
        test_contains(reason, limited[_i].reason);
    fovea_op_destroy(op);
    fovea_device_destroy(device);
    test_forget_messages();
}
END_TEST

/* ---- runs --------------------------------------------------------------------------------------------------- */

static const merge_case plain = {
    .name = "api", .parts = {2, 1}, .batch = 2, .heads = 2, .seq_q = 9, .dim_v = 6, .form = MERGE_OF_ROW};

static const struct {
    const char *name;
    api_patch patch;
    const char *reason;
} refused[] = {
    {"no parts", A(tensors[FOVEA_O_PARTS].buffer, 0), "sources[0].o: no buffer"},
    {"no parts of source 1", A(tensors[FOVEA_O_PARTS + 1].buffer, 0), "sources[1].o: no buffer"},
    {"no lse of source 1", A(tensors[FOVEA_LSE_PARTS + 1].buffer, 0), "sources[1].lse: no buffer"},
    {"no offsets", A(tensors[FOVEA_OFFSETS].buffer, 0), "offsets: no buffer"},
    {"no o", A(tensors[FOVEA_O].buffer, 0), "o: no buffer"},
    {"no lse", A(tensors[FOVEA_LSE].buffer, 0), "lse: no buffer"},
    {"misaligned parts", A(tensors[FOVEA_O_PARTS].offset, 66), "multiple of 4"},
    {"misaligned offsets", A(tensors[FOVEA_OFFSETS].offset, 65), "multiple of 4"},
    {"parts beyond their buffer", A(tensors[FOVEA_O_PARTS + 1].offset, 4096), "its buffer has"},
    {"10 queries", A(seq_q, 10), "maximum is 9"},
    {"a reserved word", A(reserved[0], 1), "reserved"},
};

static void expect_refusal(fovea_op *op, const fovea_op_args *args, const char *name, const char *reason)
{
    const fovea_status status = fovea_op_run(op, args);
    ck_assert_msg(status == FOVEA_INVALID && strstr(api_error(), reason), "%s: %s, no '%s' in '%s'", name,
                  fovea_status_name(status), reason, api_error());
}

/* Whatever was refused, the op still runs, and runs right. */
START_TEST(refused_runs)
{
    merge_trial t;
    fovea_op *op = NULL;
    merge_begin(&t, test.opened, &plain);
    const fovea_merge_params params = merge_params(&t);
    test_ok(fovea_merge_create(test.opened, &params, &op));
    for (size_t n = 0; n < sizeof refused / sizeof refused[0]; n++) {
        fovea_op_args args = merge_args(&t);
        api_apply(&args, &refused[n].patch);
        expect_refusal(op, &args, refused[n].name, refused[n].reason);
    }
    ck_assert_int_ne(fovea_op_prefer(op), FOVEA_OK);
    test_forget_messages();
    merge_run_op(&t, op, 0);
    merge_check(&t);
    test_keep_op(op);
    merge_end(&t);
}
END_TEST

/* o, lse and the workspace may lie where any other tensor lies only if their bytes do not meet. */
START_TEST(overlaps_are_refused)
{
    static const int slots[] = {FOVEA_O_PARTS, FOVEA_O_PARTS + 1, FOVEA_LSE_PARTS, FOVEA_LSE_PARTS + 1, FOVEA_OFFSETS};
    merge_trial t;
    fovea_op *op = NULL;
    merge_begin(&t, test.opened, &plain);
    const fovea_merge_params params = merge_params(&t);
    test_ok(fovea_merge_create(test.opened, &params, &op));
    for (size_t n = 0; n < sizeof slots / sizeof slots[0]; n++) {
        fovea_op_args args = merge_args(&t);
        args.tensors[FOVEA_LSE] = args.tensors[slots[n]];
        expect_refusal(op, &args, "lse on an input", "lse overlaps");
    }
    fovea_op_args args = merge_args(&t);
    args.tensors[FOVEA_O] = args.tensors[FOVEA_O_PARTS];
    expect_refusal(op, &args, "in place", "o overlaps sources[0].o");
    args.tensors[FOVEA_O].offset += t.tensors[MERGE_O].size - 2 * (uint64_t)64 - 4; /* meets the next part's rows */
    expect_refusal(op, &args, "in place, further on", "o overlaps sources[0].o");
    args = merge_args(&t);
    args.tensors[FOVEA_LSE] = args.tensors[FOVEA_O];
    expect_refusal(op, &args, "lse on o", "o overlaps lse");
    args = merge_args(&t);
    args.workspace = (fovea_binding){args.tensors[FOVEA_O].buffer, 0};
    args.workspace_size = fovea_op_workspace_size(op);
    expect_refusal(op, &args, "workspace on o", "overlaps workspace");
    args.workspace_size = 8;
    expect_refusal(op, &args, "workspace of 8 bytes", "needs at least");
    test_forget_messages();
    test_keep_op(op);
    merge_end(&t);
}
END_TEST

/* ---- reports ------------------------------------------------------------------------------------------------ */

START_TEST(report_tells_the_plan)
{
    merge_trial t;
    char text[4096];
    fovea_op *op = NULL;
    merge_case c = plain;
    const uint32_t rows = c.batch * c.heads * c.seq_q;
    if (_i)
        memcpy(c.parts, (uint32_t[]){1, 1, 1}, 3 * sizeof c.parts[0]);
    merge_begin(&t, test.opened, &c);
    merge_run(&t);
    const fovea_op_report *r = &t.report;
    ck_assert_str_eq(r->name, "merge");
    ck_assert_uint_eq(r->kernel_count, 2); /* of the same storage: shared */
    ck_assert_str_eq(r->kernels[0].name, "merge_weigh.portable");
    ck_assert(r->kernels[0].tested && r->kernels[1].tested);
    ck_assert_uint_eq(r->dispatches, _i ? 5 : 3);
    ck_assert_uint_eq(r->flops, 2u * rows * 3 * c.dim_v);
    ck_assert_uint_eq(r->exponentials, rows * 3);
    ck_assert_uint_eq(r->bytes, 4 * rows * (4 * c.dim_v + 2 * 3 + 1));
    ck_assert_uint_eq(r->workspace_size, 4 * rows * (3 + (_i ? 8 : 0)));
    const fovea_merge_params params = merge_params(&t);
    test_ok(fovea_merge_create(test.opened, &params, &op));
    fovea_op_explain(op, text, sizeof text);
    test_contains(text, "operator: merge\n");
    if (_i)
        test_contains(text, "a kernel binds two");
    test_keep_op(op);
    merge_end(&t);
}
END_TEST

void add_merge_api_tests(Suite *suite)
{
    TCase *c = tcase_create("api");
    tcase_add_loop_test(c, broken_descriptor, 0, (int)(sizeof broken / sizeof broken[0]));
    tcase_add_loop_test(c, legal_descriptor, 0, (int)(sizeof legal / sizeof legal[0]));
    tcase_add_test(c, too_many_rows);
    tcase_add_test(c, null_arguments);
    tcase_add_loop_test(c, limits_are_obeyed, 0, (int)(sizeof limited / sizeof limited[0]));
    tcase_add_test(c, refused_runs);
    tcase_add_test(c, overlaps_are_refused);
    tcase_add_loop_test(c, report_tells_the_plan, 0, 2);
    suite_add_tcase(suite, c);
}
