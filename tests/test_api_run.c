/* Arguments of a run: every binding that breaks a rule, and runs that go on after a refused one. */
#include "test_api.h"

#include "trial.h"

#include <pthread.h>
#include <stdatomic.h>

static const test_case plain = {.name = "api",
                                .batch = 2,
                                .heads_q = 4,
                                .heads_k = 2,
                                .heads_v = 2,
                                .seq_q = 9,
                                .seq_k = 17,
                                .dim_qk = 8,
                                .dim_v = 6};
static const test_case plain_f16 = {.name = "api_f16",
                                    .batch = 1,
                                    .heads_q = 2,
                                    .heads_k = 1,
                                    .heads_v = 1,
                                    .seq_q = 5,
                                    .seq_k = 9,
                                    .dim_qk = 8,
                                    .dim_v = 6,
                                    .dtypes = {FOVEA_F16, FOVEA_F16, FOVEA_F16, FOVEA_F16}};

/* A trial with an op, and a spare buffer of another device. */
typedef struct bench {
    trial t;
    fovea_op *op;
    fovea_device *other;
    fovea_buffer *foreign;
} bench;

static void bench_begin(bench *b, const test_case *c, const trial_options *options)
{
    trial_begin(&b->t, test.opened, c, 0);
    const fovea_softmax_params params = trial_params(&b->t, options);
    b->op = NULL;
    test_ok(fovea_softmax_create(test.opened, &params, &b->op));
    test_status(NULL, FOVEA_OK, fovea_device_open(NULL, &b->other));
    test_status(b->other, FOVEA_OK, fovea_buffer_create(b->other, 65536, &b->foreign));
}

/* Whatever was refused, the op still runs, and runs right. */
static void bench_end(bench *b)
{
    test_forget_messages();
    trial_run_op(&b->t, b->op, TRIAL_OWN);
    trial_check(&b->t);
    test_keep_op(b->op);
    trial_end(&b->t);
    fovea_buffer_destroy(b->foreign);
    fovea_device_destroy(b->other);
}

#define A(field, value) PATCH(fovea_op_args, field, value)

static const struct {
    const char *name;
    api_patch patch;
    const char *reason;
} broken[] = {
    {"no q", A(tensors[FOVEA_Q].buffer, 0), "q"},
    {"no k", A(tensors[FOVEA_K].buffer, 0), "k"},
    {"no v", A(tensors[FOVEA_V].buffer, 0), "v"},
    {"no o", A(tensors[FOVEA_O].buffer, 0), "o"},
    {"no lse", A(tensors[FOVEA_LSE].buffer, 0), "lse"},
    {"misaligned q", A(tensors[FOVEA_Q].offset, 66), "66"},
    {"misaligned lse", A(tensors[FOVEA_LSE].offset, 1), "1"},
    {"q beyond its buffer", A(tensors[FOVEA_Q].offset, 1024), "q"},
    {"k beyond its buffer by one element", A(tensors[FOVEA_K].offset, 68), "k"},
    {"o far beyond its buffer", A(tensors[FOVEA_O].offset, UINT64_MAX - 3), "o"},
    {"lse beyond its buffer", A(tensors[FOVEA_LSE].offset, 1 << 20), "lse"},
    {"seq_q above the maximum", A(seq_q, 10), "seq_q"},
    {"seq_k above the maximum", A(seq_k, 18), "seq_k"},
    {"seq_k far above", A(seq_k, FOVEA_MAXIMUM - 1), "seq_k"},
    {"reserved[0]", A(reserved[0], 1), "reserved"},
    {"reserved[13]", A(reserved[13], 1), "reserved"},
};

START_TEST(broken_arguments)
{
    bench b;
    const trial_options defaults = {.tile = 0};
    bench_begin(&b, &plain, &defaults);
    for (size_t n = 0; n < sizeof broken / sizeof broken[0]; n++) {
        fovea_op_args args = trial_args(&b.t);
        api_apply(&args, &broken[n].patch);
        const fovea_status status = fovea_op_run(b.op, &args);
        ck_assert_msg(status == FOVEA_INVALID, "%s: %s: %s", broken[n].name, fovea_status_name(status), api_error());
        ck_assert_msg(strstr(api_error(), broken[n].reason), "%s: no '%s' in '%s'", broken[n].name, broken[n].reason,
                      api_error());
    }
    ck_assert_int_eq(fovea_op_run(b.op, NULL), FOVEA_INVALID);
    bench_end(&b);
}
END_TEST

START_TEST(foreign_buffers)
{
    bench b;
    const trial_options split = {.split_count = 3};
    bench_begin(&b, &plain, &split);
    static const fovea_slot slots[] = {FOVEA_Q, FOVEA_K, FOVEA_V, FOVEA_O, FOVEA_LSE};
    for (size_t n = 0; n < 5; n++) {
        fovea_op_args args = trial_args(&b.t);
        args.tensors[slots[n]] = (fovea_binding){b.foreign, 0};
        ck_assert_int_eq(fovea_op_run(b.op, &args), FOVEA_INVALID);
        test_contains(api_error(), "device");
    }
    fovea_op_args args = trial_args(&b.t);
    args.workspace = (fovea_binding){b.foreign, 0};
    args.workspace_size = 65536;
    if (fovea_op_workspace_size(b.op) > 0)
        ck_assert_int_eq(fovea_op_run(b.op, &args), FOVEA_INVALID);
    bench_end(&b);
}
END_TEST

START_TEST(misaligned_halves)
{
    bench b;
    const trial_options defaults = {.tile = 0};
    bench_begin(&b, &plain_f16, &defaults);
    static const fovea_slot slots[] = {FOVEA_Q, FOVEA_K, FOVEA_V, FOVEA_O};
    for (size_t n = 0; n < 4; n++) {
        fovea_op_args args = trial_args(&b.t);
        args.tensors[slots[n]].offset -= 1;
        ck_assert_int_eq(fovea_op_run(b.op, &args), FOVEA_INVALID);
    }
    bench_end(&b);
}
END_TEST

/* Outputs that meet an input, each other or the workspace are refused; tensors that lie beside each other in one
 * buffer, and inputs that share memory, are legal. */
START_TEST(overlaps)
{
    bench b;
    const trial_options split = {.split_count = 2};
    bench_begin(&b, &plain, &split);
    fovea_buffer *pool = NULL;
    const uint64_t o_bytes = fovea_tensor_bytes(&b.t.tensors[TRIAL_O].view), need = fovea_op_workspace_size(b.op);
    test_ok(fovea_buffer_create(test.opened, 65536 + need, &pool));
    static const fovea_slot slots[] = {FOVEA_Q, FOVEA_K, FOVEA_V, FOVEA_LSE};
    for (size_t n = 0; n < 4; n++) {
        fovea_op_args args = trial_args(&b.t);
        args.tensors[FOVEA_O] = (fovea_binding){pool, 16384};
        args.tensors[slots[n]] = (fovea_binding){pool, 16384 + o_bytes - 4};
        ck_assert_int_eq(fovea_op_run(b.op, &args), FOVEA_INVALID);
        test_contains(api_error(), "overlap");
        args.tensors[slots[n]].offset += 4;
        test_ok(fovea_op_run(b.op, &args));
    }
    fovea_op_args args = trial_args(&b.t);
    args.tensors[FOVEA_V] = args.tensors[FOVEA_K];
    test_ok(fovea_op_run(b.op, &args));
    args.workspace = (fovea_binding){pool, 16384};
    args.workspace_size = need;
    args.tensors[FOVEA_O] = (fovea_binding){pool, 16384 + 16};
    if (need > 16)
        ck_assert_int_eq(fovea_op_run(b.op, &args), FOVEA_INVALID);
    test_ok(fovea_device_wait(test.opened));
    fovea_buffer_destroy(pool);
    bench_end(&b);
}
END_TEST

START_TEST(broken_workspaces)
{
    bench b;
    const trial_options split = {.split_count = 3};
    bench_begin(&b, &plain, &split);
    const uint64_t need = fovea_op_workspace_size(b.op);
    fovea_buffer *buffer = NULL;
    test_ok(fovea_buffer_create(test.opened, need + 1024, &buffer));
    fovea_op_args args = trial_args(&b.t);
    args.workspace = (fovea_binding){buffer, 2048};
    args.workspace_size = need; /* ends beyond the buffer */
    if (need > 0) {
        ck_assert_int_eq(fovea_op_run(b.op, &args), FOVEA_INVALID);
        args.workspace = (fovea_binding){buffer, 1};
        ck_assert_int_eq(fovea_op_run(b.op, &args), FOVEA_INVALID);
        args.workspace = (fovea_binding){buffer, 0};
        args.workspace_size = UINT64_MAX;
        ck_assert_int_eq(fovea_op_run(b.op, &args), FOVEA_INVALID);
    }
    fovea_buffer_destroy(buffer);
    bench_end(&b);
}
END_TEST

/* All zero arguments but the tensors: no queries and no keys. Nothing is written; that is no error. */
START_TEST(zero_means_none)
{
    bench b;
    const trial_options defaults = {.tile = 0};
    test_case c = plain;
    c.no_keys = c.no_queries = true;
    bench_begin(&b, &c, &defaults);
    fovea_op_args args = trial_args(&b.t);
    ck_assert_uint_eq(args.seq_q, 0);
    ck_assert_uint_eq(args.seq_k, 0);
    test_ok(fovea_op_run(b.op, &args));
    bench_end(&b);
}
END_TEST

/* ---- create, explain and destroy on one thread beside runs on another ------------------------------------------ */

typedef struct beside {
    int rounds;
    atomic_int failed;
    atomic_bool stop;
} beside;

static void *make_and_explain(void *argument)
{
    beside *shared = argument;
    for (int n = 0; n < shared->rounds && !atomic_load(&shared->stop); n++) {
        fovea_softmax_params params = api_params();
        fovea_op *op = NULL;
        fovea_buffer *buffer = NULL;
        char text[512];
        params.causal = n % 2;
        params.split_count = (uint32_t)n % 3;
        bool ok = fovea_softmax_create(test.opened, &params, &op) == FOVEA_OK;
        ok = ok && fovea_op_explain(op, text, sizeof text) > 0;
        ok = ok && fovea_buffer_create(test.opened, 100 + (uint64_t)n, &buffer) == FOVEA_OK;
        fovea_buffer_destroy(buffer);
        fovea_op_destroy(op);
        if (!ok)
            atomic_fetch_add(&shared->failed, 1);
    }
    return NULL;
}

START_TEST(create_beside_run)
{
    beside shared;
    bench b;
    pthread_t thread;
    const trial_options split = {.split_count = 2};
    shared.rounds = test_is_cpu() ? 60 : 6; /* elsewhere each one compiles */
    atomic_init(&shared.failed, 0);
    atomic_init(&shared.stop, false);
    bench_begin(&b, &plain, &split);
    ck_assert_int_eq(pthread_create(&thread, NULL, make_and_explain, &shared), 0);
    bool ran = true;
    const fovea_op_args args = trial_args(&b.t);
    for (int n = 0; n < 40 && ran; n++)
        ran = fovea_op_run(b.op, &args) == FOVEA_OK && (n % 4 || fovea_device_wait(test.opened) == FOVEA_OK);
    atomic_store(&shared.stop, !ran);
    pthread_join(thread, NULL);
    ck_assert(ran);
    ck_assert_int_eq(atomic_load(&shared.failed), 0);
    bench_end(&b);
}
END_TEST

void add_run_tests(Suite *suite)
{
    TCase *c = tcase_create("run");
    tcase_add_test(c, broken_arguments);
    tcase_add_test(c, foreign_buffers);
    tcase_add_test(c, misaligned_halves);
    tcase_add_test(c, overlaps);
    tcase_add_test(c, broken_workspaces);
    tcase_add_test(c, zero_means_none);
    tcase_add_test(c, create_beside_run);
    suite_add_tcase(suite, c);
}
