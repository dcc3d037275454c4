#include "operators.h"

#include <string.h>

#define COUNT(rows)     (sizeof(rows) / sizeof *(rows))
#define SOFTMAX(member) offsetof(request, params.softmax.member)
#define MERGE(member)   offsetof(request, params.merge.member)
#define DTYPE(slot)     (offsetof(request, dtypes) + (slot) * sizeof(uint32_t))

/* clang-format off */
static const key_name tier_names[] = {
    {"default", FOVEA_TIER_DEFAULT}, {"portable", FOVEA_TIER_PORTABLE}, {"subgroup", FOVEA_TIER_SUBGROUP},
    {"matrix", FOVEA_TIER_MATRIX},   {NULL, 0},
};

static const key_name operands_names[] = {
    {"stored", FOVEA_OPERANDS_STORED}, {"f16", FOVEA_OPERANDS_F16}, {"f16_x3", FOVEA_OPERANDS_F16_X3}, {NULL, 0}};
static const key_name dtype_names[] = {
    {"f32", FOVEA_F32 + 1}, {"f16", FOVEA_F16 + 1}, {"bf16", FOVEA_BF16 + 1}, {NULL, 0}};
static const key_name layout_names[] = {{"bhsd", LAYOUT_BHSD}, {"bshd", LAYOUT_BSHD}, {NULL, 0}};
static const key_name unbounded_names[] = {{"unbounded", FOVEA_UNBOUNDED}, {NULL, 0}};
static const key_name maximum_names[] = {{"maximum", FOVEA_MAXIMUM}, {NULL, 0}};

static const tensor_row softmax_tensors[] = {
    {"q", "q", FOVEA_Q, TENSOR_INPUT, false, FOVEA_SLOT_MAX, SOFTMAX(q),
     {{"batch", "heads_q", "seq_q", "dim_qk"}}, "queries"},
    {"k", "k", FOVEA_K, TENSOR_INPUT, false, FOVEA_SLOT_MAX, SOFTMAX(k),
     {{"batch", "heads_k", "seq_k", "dim_qk"}}, "keys; heads_k divides heads_q"},
    {"v", "v", FOVEA_V, TENSOR_INPUT, false, FOVEA_SLOT_MAX, SOFTMAX(v),
     {{"batch", "heads_v", "seq_k", "dim_v"}}, "values; heads_v divides heads_q"},
    {"sinks", "sinks", FOVEA_SINKS, TENSOR_INPUT, true, FOVEA_SLOT_MAX, SOFTMAX(sinks), {{"heads_q"}},
     "a logit of each head that joins the sums of its rows, float32"},
    {"o", "out", FOVEA_O, TENSOR_OUTPUT, false, FOVEA_Q, SOFTMAX(o),
     {{"batch", "heads_q", "seq_q", "dim_v"}}, "result"},
    {"lse", "lse", FOVEA_LSE, TENSOR_OUTPUT, true, FOVEA_SLOT_MAX, SOFTMAX(lse),
     {{"batch", "heads_q", "seq_q"}}, "natural log of each row's sum of exp(score), float32"},
};

static const key_row softmax_keys[] = {
    {"scale", KEY_REAL, SOFTMAX(scale), "0", NULL, "factor of q.k; 0 is 1 / sqrt(dim_qk) unless scale_literal"},
    {"scale_literal", KEY_FLAG, SOFTMAX(scale_literal), "false", NULL, "scale as written, 0 included"},
    {"soft_cap", KEY_REAL, SOFTMAX(soft_cap), "0", NULL, "c > 0: a score s becomes c tanh(s / c)"},
    {"causal", KEY_FLAG, SOFTMAX(causal), "false", NULL, "query i sees key j where j <= i + (seq_k - seq_q)"},
    {"causal_top_left", KEY_FLAG, SOFTMAX(causal_top_left), "false", NULL,
     "with causal or window: query i is at position i, not at i + (seq_k - seq_q)"},
    {"window", KEY_FLAG, SOFTMAX(window), "false", NULL,
     "a query at position p sees the keys p - window_left to p + window_right alone"},
    {"window_left", KEY_COUNT, SOFTMAX(window_left), "0", unbounded_names, "keys before the query's own"},
    {"window_right", KEY_COUNT, SOFTMAX(window_right), "0", unbounded_names, "keys after it"},
    {"cost_budget_us", KEY_COUNT, SOFTMAX(cost_budget_us), "0", unbounded_names,
     "most estimated device time of one dispatch; 0 is 50,000; results do not depend on it"},
    {"min_tier", KEY_CHOICE, SOFTMAX(min_tier), "\"default\"", tier_names, "unsupported below this tier"},
    {"operands", KEY_CHOICE, SOFTMAX(operands), "\"stored\"", operands_names,
     "what a matrix unit multiplies; f16 and f16_x3 (two f16 for a number) for inputs of at most 65504 in size"},
    {"split_count", KEY_COUNT, SOFTMAX(split_count), "0", NULL,
     "parallel splits over keys; 0 is the planner's rule"},
    {"seq_q_max", KEY_COUNT, SOFTMAX(seq_q_max), "0", NULL, "most queries of a run; 0 is q's extent"},
    {"seq_k_max", KEY_COUNT, SOFTMAX(seq_k_max), "0", NULL, "most keys of a run; 0 is k's extent"},
    {"tile", KEY_COUNT, SOFTMAX(tile), "0", NULL,
     "0 is the planner's choice; n is candidate n - 1 of the report"},
    {"q_dtype", KEY_CHOICE, DTYPE(FOVEA_Q), NULL, dtype_names, "dtype of q", "the array's"},
    {"k_dtype", KEY_CHOICE, DTYPE(FOVEA_K), NULL, dtype_names, "dtype of k", "the array's"},
    {"v_dtype", KEY_CHOICE, DTYPE(FOVEA_V), NULL, dtype_names, "dtype of v", "the array's"},
    {"o_dtype", KEY_CHOICE, DTYPE(FOVEA_O), NULL, dtype_names, "dtype of o", "as q"},
};

/* Parts and LSE of source `s`. The first one's parts are needed. */
#define MERGE_SOURCE(s, others) \
    {"o" #s, "o" #s, (fovea_slot)(FOVEA_O_PARTS + (s)), TENSOR_INPUT, others, FOVEA_SLOT_MAX, MERGE(sources[s].o), \
     {{"parts" #s, "batch", "heads", "seq_q", "dim_v"}, {"batch", "heads", "seq_q", "dim_v"}}, "partial results"}, \
    {"lse" #s, "lse" #s, (fovea_slot)(FOVEA_LSE_PARTS + (s)), TENSOR_INPUT, true, FOVEA_SLOT_MAX, \
     MERGE(sources[s].lse), {{"parts" #s, "batch", "heads", "seq_q"}, {"batch", "heads", "seq_q"}}, \
     "their lse; not with coefficients"}

#define MERGE_FACTORS {{"parts", "batch", "heads", "seq_q"}, {"parts", "heads"}, {"parts"}}

static const tensor_row merge_tensors[] = {
    MERGE_SOURCE(0, false), MERGE_SOURCE(1, true), MERGE_SOURCE(2, true), MERGE_SOURCE(3, true), MERGE_SOURCE(4, true),
    MERGE_SOURCE(5, true),  MERGE_SOURCE(6, true), MERGE_SOURCE(7, true),
    {"offsets", "offsets", FOVEA_OFFSETS, TENSOR_INPUT, true, FOVEA_SLOT_MAX, MERGE(offsets), MERGE_FACTORS,
     "added to the lse of all parts, in order"},
    {"coefficients", "coefficients", FOVEA_COEFFICIENTS, TENSOR_INPUT, true, FOVEA_SLOT_MAX, MERGE(coefficients),
     MERGE_FACTORS, "weights of all parts instead of lse, in order"},
    {"o", "out", FOVEA_O, TENSOR_OUTPUT, false, FOVEA_O_PARTS, MERGE(o), {{"batch", "heads", "seq_q", "dim_v"}},
     "result"},
    {"lse", "lse", FOVEA_LSE, TENSOR_OUTPUT, true, FOVEA_SLOT_MAX, MERGE(lse), {{"batch", "heads", "seq_q"}},
     "lse of all parts, float32; not with coefficients"},
};

#define MERGE_DTYPE(s) \
    {"o" #s "_dtype", KEY_CHOICE, DTYPE(FOVEA_O_PARTS + (s)), NULL, dtype_names, "dtype of o" #s, "the array's"}

static const key_row merge_keys[] = {
    {"cost_budget_us", KEY_COUNT, MERGE(cost_budget_us), "0", unbounded_names,
     "most estimated device time of one dispatch; 0 is 50,000; results do not depend on it"},
    {"min_tier", KEY_CHOICE, MERGE(min_tier), "\"default\"", tier_names, "unsupported below this tier"},
    {"seq_q_max", KEY_COUNT, MERGE(seq_q_max), "0", NULL, "most queries of a run; 0 is o's extent"},
    MERGE_DTYPE(0), MERGE_DTYPE(1), MERGE_DTYPE(2), MERGE_DTYPE(3),
    MERGE_DTYPE(4), MERGE_DTYPE(5), MERGE_DTYPE(6), MERGE_DTYPE(7),
    {"o_dtype", KEY_CHOICE, DTYPE(FOVEA_O), NULL, dtype_names, "dtype of o", "as o0"},
};

/* Run arguments and storage, of every operator ... */
static const key_row common_keys[] = {
    {"seq_q", KEY_COUNT, offsetof(request, args.seq_q), "\"maximum\"", maximum_names,
     "queries of this run; rows of the outputs beyond them are 0"},
    {"layout", KEY_CHOICE, offsetof(request, layout), "\"bhsd\"", layout_names,
     "order of an array's last dims, if the last one is dim: [heads, seq, dim] or [seq, heads, dim]"},
};

/* ... and of those that see keys. */
static const key_row keys_keys[] = {
    {"seq_k", KEY_COUNT, offsetof(request, args.seq_k), "\"maximum\"", maximum_names, "keys of this run"},
};
/* clang-format on */

static const key_table softmax_tables[] = {
    {softmax_keys, COUNT(softmax_keys)},
    {keys_keys, COUNT(keys_keys)},
    {common_keys, COUNT(common_keys)},
};
static const key_table merge_tables[] = {
    {merge_keys, COUNT(merge_keys)},
    {common_keys, COUNT(common_keys)},
};

static fovea_status create_softmax(fovea_device *device, const request *r, fovea_op **out_op)
{
    return fovea_softmax_create(device, &r->params.softmax, out_op);
}

static fovea_status create_merge(fovea_device *device, const request *r, fovea_op **out_op)
{
    return fovea_merge_create(device, &r->params.merge, out_op);
}

const operator_row operators[] = {
    {"softmax", "exact softmax attention, o = softmax(scale * q k^T + mask) v", create_softmax, softmax_tensors,
     COUNT(softmax_tensors), softmax_tables, COUNT(softmax_tables)},
    {"merge", "partial results over disjoint keys become one, by their lse or by coefficients", create_merge,
     merge_tensors, COUNT(merge_tensors), merge_tables, COUNT(merge_tables)},
};
const size_t operator_count = COUNT(operators);

const operator_row *operator_find(const char *name)
{
    for (size_t i = 0; i < operator_count; i++) {
        if (!strcmp(name, operators[i].name))
            return &operators[i];
    }
    return NULL;
}
