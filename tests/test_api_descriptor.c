/* Softmax descriptors that break a rule, one rule each, and legal ones at the rules' borders. */
#include "test_api.h"

#include <math.h>

#define P(field, value) PATCH(fovea_softmax_params, field, value)
#define BIG             ((uint64_t)1 << 40)

static const struct {
    const char *name;
    api_patch patches[6];
    fovea_status status;
    const char *reason; /* part of the message; NULL: any */
} broken[] = {
    {"q of rank 3", {P(q.rank, 3)}, FOVEA_INVALID, "q"},
    {"no q", {P(q.rank, 0)}, FOVEA_INVALID, "q"},
    {"no o", {P(o.rank, 0)}, FOVEA_INVALID, "o"},
    {"k of rank 5", {P(k.rank, 5)}, FOVEA_INVALID, "rank 5"},
    {"v of rank 7", {P(v.rank, 7)}, FOVEA_INVALID, "v"},
    {"lse of rank 2", {P(lse.rank, 2)}, FOVEA_INVALID, "lse"},
    {"lse of rank 4", {P(lse.rank, 4)}, FOVEA_INVALID, "lse"},
    {"q of no dtype", {P(q.dtype, 3)}, FOVEA_INVALID, "dtype"},
    {"o of no dtype", {P(o.dtype, 99)}, FOVEA_INVALID, "dtype"},
    {"lse of f16", {P(lse.dtype, FOVEA_F16)}, FOVEA_INVALID, "lse"},
    {"no batch", {P(q.extents[0], 0)}, FOVEA_INVALID, "q"},
    {"no heads", {P(q.extents[1], 0)}, FOVEA_INVALID, "q"},
    {"no dim", {P(q.extents[3], 0)}, FOVEA_INVALID, "q"},
    {"no dim of v", {P(v.extents[3], 0), P(o.extents[3], 0)}, FOVEA_INVALID, NULL},
    {"dim_qk 1025", {P(q.extents[3], 1025), P(k.extents[3], 1025)}, FOVEA_INVALID, "1024"},
    {"dim_v 1025", {P(v.extents[3], 1025), P(o.extents[3], 1025)}, FOVEA_INVALID, "1024"},
    {"dims of q and k", {P(q.extents[3], 9)}, FOVEA_INVALID, "9"},
    {"batch of k", {P(k.extents[0], 3)}, FOVEA_INVALID, "3"},
    {"batch of v", {P(v.extents[0], 1)}, FOVEA_INVALID, "1"},
    {"batch of o", {P(o.extents[0], 3)}, FOVEA_INVALID, "3"},
    {"heads of k do not divide", {P(k.extents[1], 3)}, FOVEA_INVALID, "3"},
    {"heads of v do not divide", {P(v.extents[1], 3)}, FOVEA_INVALID, "3"},
    {"more heads of k than of q", {P(k.extents[1], 8)}, FOVEA_INVALID, "8"},
    {"heads of o", {P(o.extents[1], 2)}, FOVEA_INVALID, "o"},
    {"keys of v", {P(v.extents[2], 18)}, FOVEA_INVALID, "18"},
    {"queries of o", {P(o.extents[2], 8)}, FOVEA_INVALID, "o"},
    {"dim of o", {P(o.extents[3], 8)}, FOVEA_INVALID, "o"},
    {"batch of lse", {P(lse.extents[0], 1)}, FOVEA_INVALID, "lse"},
    {"heads of lse", {P(lse.extents[1], 2)}, FOVEA_INVALID, "lse"},
    {"queries of lse", {P(lse.extents[2], 10)}, FOVEA_INVALID, "lse"},
    {"last stride of q",
     {P(q.strides[3], 2), P(q.strides[2], 16), P(q.strides[1], 144), P(q.strides[0], 576)},
     FOVEA_INVALID,
     "stride"},
    {"last stride of q is 0", {P(q.strides[2], 8), P(q.strides[1], 72), P(q.strides[0], 288)}, FOVEA_INVALID, "stride"},
    {"o repeats along queries", {P(o.strides[3], 1), P(o.strides[1], 54), P(o.strides[0], 216)}, FOVEA_INVALID, "o"},
    {"o repeats along the batch", {P(o.strides[3], 1), P(o.strides[2], 6), P(o.strides[1], 54)}, FOVEA_INVALID, "o"},
    {"o overlaps itself",
     {P(o.strides[3], 1), P(o.strides[2], 5), P(o.strides[1], 54), P(o.strides[0], 216)},
     FOVEA_INVALID,
     "o"},
    {"lse repeats along heads", {P(lse.strides[2], 1), P(lse.strides[0], 36)}, FOVEA_INVALID, "lse"},
    {"reserved[0]", {P(reserved[0], 1)}, FOVEA_INVALID, "reserved"},
    {"reserved[10]", {P(reserved[10], 1)}, FOVEA_INVALID, "reserved"},
    {"sinks of too few heads", {P(sinks.rank, 1), P(sinks.extents[0], 2)}, FOVEA_INVALID, "sinks"},
    {"sinks of rank 2", {P(sinks.rank, 2), P(sinks.extents[0], 4), P(sinks.extents[1], 1)}, FOVEA_INVALID, "sinks"},
    {"sinks of f16", {P(sinks.rank, 1), P(sinks.dtype, FOVEA_F16), P(sinks.extents[0], 4)}, FOVEA_INVALID, "f32"},
    {"negative cap", {P(soft_cap, 0xbf800000)}, FOVEA_INVALID, "soft_cap"},
    {"cap too small", {P(soft_cap, 1)}, FOVEA_INVALID, "soft_cap"},
    {"cap is NaN", {P(soft_cap, 0x7fc00000)}, FOVEA_INVALID, "soft_cap"},
    {"cap is infinite", {P(soft_cap, 0x7f800000)}, FOVEA_INVALID, "soft_cap"},
    {"q.reserved", {P(q.reserved[1], 1)}, FOVEA_INVALID, "reserved"},
    {"lse.reserved", {P(lse.reserved[0], 1)}, FOVEA_INVALID, "reserved"},
    {"scale is NaN", {P(scale, 0x7fc00000)}, FOVEA_INVALID, "scale"},
    {"scale is infinite", {P(scale, 0xff800000)}, FOVEA_INVALID, "scale"},
    {"top-left without causal", {P(causal_top_left, 1)}, FOVEA_INVALID, "causal"},
    {"border without window", {P(window_left, 1)}, FOVEA_INVALID, "window"},
    {"right border without window", {P(causal, 1), P(window_right, 1)}, FOVEA_INVALID, "window"},
    {"operands are no operands", {P(operands, 3)}, FOVEA_INVALID, "operands"},
    {"min_tier is no tier", {P(min_tier, 77)}, FOVEA_INVALID, "min_tier"},
    {"seq_q_max above q", {P(seq_q_max, 10)}, FOVEA_INVALID, "seq_q_max"},
    {"seq_k_max above k", {P(seq_k_max, 18)}, FOVEA_INVALID, "seq_k_max"},
    {"tile beyond the candidates", {P(tile, 100000)}, FOVEA_INVALID, "tile"},
    {"matrix tier", {P(min_tier, FOVEA_TIER_MATRIX)}, FOVEA_UNSUPPORTED, "tier"},
    {"2^40 queries x 2^40",
     {P(q.extents[2], BIG), P(o.extents[2], BIG), P(lse.extents[2], BIG), P(q.strides[3], 1), P(q.strides[2], BIG)},
     FOVEA_INVALID,
     "overflow"},
    {"2^40 keys", {P(k.extents[2], BIG), P(v.extents[2], BIG)}, FOVEA_UNSUPPORTED, "2^32"},
    {"2^40 heads", {P(q.extents[1], BIG), P(o.extents[1], BIG), P(lse.extents[1], BIG)}, FOVEA_UNSUPPORTED, "2^32"},
    {"2^63 batch",
     {P(q.extents[0], (uint64_t)1 << 63), P(k.extents[0], (uint64_t)1 << 63), P(v.extents[0], (uint64_t)1 << 63),
      P(o.extents[0], (uint64_t)1 << 63), P(lse.extents[0], (uint64_t)1 << 63)},
     FOVEA_INVALID,
     NULL},
    {"a stride of 2^62",
     {P(k.strides[3], 1), P(k.strides[2], (uint64_t)1 << 62), P(k.strides[1], 8), P(k.strides[0], 16)},
     FOVEA_INVALID,
     "k"},
};

START_TEST(broken_descriptor)
{
    fovea_softmax_params params = api_params();
    fovea_op *op = (fovea_op *)(void *)&params;
    for (int n = 0; n < 6; n++)
        api_apply(&params, &broken[_i].patches[n]);
    const fovea_status status = fovea_softmax_create(test.opened, &params, &op);
    ck_assert_msg(status == broken[_i].status, "%s: %s, not %s: %s", broken[_i].name, fovea_status_name(status),
                  fovea_status_name(broken[_i].status), api_error());
    ck_assert_ptr_null(op);
    if (broken[_i].reason)
        ck_assert_msg(strstr(api_error(), broken[_i].reason), "%s: no '%s' in '%s'", broken[_i].name, broken[_i].reason,
                      api_error());
    test_forget_messages();
}
END_TEST

START_TEST(null_arguments)
{
    fovea_softmax_params params = api_params();
    fovea_op *op = (fovea_op *)(void *)&params;
    ck_assert_int_eq(fovea_softmax_create(NULL, &params, &op), FOVEA_INVALID);
    ck_assert_ptr_null(op);
    op = (fovea_op *)(void *)&params;
    ck_assert_int_eq(fovea_softmax_create(test.opened, NULL, &op), FOVEA_INVALID);
    ck_assert_ptr_null(op);
    ck_assert_int_eq(fovea_softmax_create(test.opened, &params, NULL), FOVEA_INVALID);
    test_forget_messages();
}
END_TEST

static const struct {
    const char *name;
    api_patch patches[6];
} legal[] = {
    {"as it is", {{0, 0, 0}}},
    {"no lse", {P(lse.rank, 0)}},
    {"extents beyond the rank are not read", {P(lse.extents[3], 77), P(q.extents[5], 0)}},
    {"scale 0 written out", {P(scale_literal, 1)}},
    {"any nonzero flag", {P(causal, 0x80000000), P(causal_top_left, 2), P(scale_literal, 77)}},
    {"top-left", {P(causal, 1), P(causal_top_left, 1)}},
    {"unbounded budget", {P(cost_budget_us, FOVEA_UNBOUNDED)}},
    {"one microsecond", {P(cost_budget_us, 1)}},
    {"the maxima", {P(seq_q_max, 9), P(seq_k_max, 17)}},
    {"portable tier", {P(min_tier, FOVEA_TIER_PORTABLE)}},
    {"first tile", {P(tile, 1)}},
    {"dim_v 1024", {P(v.extents[3], 1024), P(o.extents[3], 1024)}},
    {"dim_qk 1024", {P(q.extents[3], 1024), P(k.extents[3], 1024)}},
    {"q repeats along queries", {P(q.strides[3], 1), P(q.strides[1], 8), P(q.strides[0], 32)}},
};

START_TEST(legal_descriptor)
{
    fovea_softmax_params params = api_params();
    fovea_op *op = NULL;
    if (!test_takes_number(_i))
        return;
    for (int n = 0; n < 6; n++)
        api_apply(&params, &legal[_i].patches[n]);
    const fovea_status status = fovea_softmax_create(test.opened, &params, &op);
    ck_assert_msg(status == FOVEA_OK, "%s: %s: %s", legal[_i].name, fovea_status_name(status), api_error());
    ck_assert_ptr_nonnull(op);
    test_keep_op(op);
}
END_TEST

/* min_tier is served or refused, never undercut. */
START_TEST(tiers_are_floors)
{
    for (int tier = FOVEA_TIER_PORTABLE; tier <= FOVEA_TIER_MATRIX; tier++) {
        fovea_softmax_params params = api_params();
        fovea_op *op = NULL;
        fovea_op_report report;
        params.min_tier = (fovea_tier)tier;
        const fovea_status status = fovea_softmax_create(test.opened, &params, &op);
        if (status != FOVEA_OK) {
            ck_assert_int_eq(status, FOVEA_UNSUPPORTED);
            test_contains(api_error(), fovea_tier_name((fovea_tier)tier));
            continue;
        }
        test_ok(fovea_op_get_report(op, &report));
        ck_assert_int_ge((int)report.tier, tier);
        if (test.params.max_tier)
            ck_assert_int_le((int)report.tier, (int)test.params.max_tier);
        fovea_op_destroy(op);
    }
    test_forget_messages();
}
END_TEST

/* The CPU attends at most 8 rows of a unit by vector code, and does not call that matrices. */
START_TEST(few_rows_are_no_matrix)
{
    const bool offered = test_is_cpu() && test.info.tier == FOVEA_TIER_MATRIX &&
                         (!test.params.max_tier || test.params.max_tier == FOVEA_TIER_MATRIX);
    for (uint32_t seq_q = 4; seq_q <= 5 && offered; seq_q++) { /* of two heads */
        fovea_softmax_params params = api_params();
        fovea_op *op = NULL;
        params.min_tier = FOVEA_TIER_MATRIX;
        params.seq_q_max = seq_q;
        params.q.dtype = params.k.dtype = params.v.dtype = FOVEA_BF16;
        const fovea_status status = fovea_softmax_create(test.opened, &params, &op);
        ck_assert_int_eq(status, seq_q == 4 ? FOVEA_UNSUPPORTED : FOVEA_OK);
        if (status == FOVEA_UNSUPPORTED)
            test_contains(api_error(), "8 rows");
        fovea_op_destroy(op);
    }
    test_forget_messages();
}
END_TEST

void add_descriptor_tests(Suite *suite)
{
    TCase *c = tcase_create("descriptor");
    tcase_add_loop_test(c, broken_descriptor, 0, (int)(sizeof broken / sizeof broken[0]));
    tcase_add_test(c, null_arguments);
    tcase_add_loop_test(c, legal_descriptor, 0, (int)(sizeof legal / sizeof legal[0]));
    tcase_add_test(c, tiers_are_floors);
    tcase_add_test(c, few_rows_are_no_matrix);
    suite_add_tcase(suite, c);
}
