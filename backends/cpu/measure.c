/* The kernels that measure rates, for one instruction set. shaders/measure_*.comp say what they compute and why; here
 * one call does the work of GROUP_LANES lanes, and shared memory is the first cache. */
#include "abi/measure.h"

#include "convert.h"
#include "native.h"
#include "product.h"
#include "vector.h"

#define ID(id, name) MEASURE_##name = id,
enum measure_constant { MEASURE_CONSTANTS(ID) MEASURE_CONSTANT_COUNT };
#undef ID

#define FIELD(type, name) type name;
typedef uint32_t uint;
typedef struct measure_params {
    MEASURE_PARAMS(FIELD)
} measure_params;
#undef FIELD

/* A call's part of the work; group_count 0: none. */
typedef struct work {
    measure_params params;
    uint32_t group, lanes;
    const unsigned char *source;
    float *target; /* of this group's lanes */
} work;

static int take(const cpu_call *call, work *out)
{
    memcpy(&out->params, call->parameters, sizeof out->params);
    out->group = (uint32_t)call->group;
    out->lanes = call->constants[MEASURE_GROUP_LANES];
    out->source = call->bindings[0];
    out->target = (float *)(void *)call->bindings[1] + (size_t)out->group * out->lanes;
    return out->group < out->params.group_count;
}

static void give(const work *w, float result)
{
    for (uint32_t lane = 0; lane < w->lanes; lane++)
        w->target[lane] = result;
}

/* Columns j and j + 1 of the tile for one vector of lanes: twelve chains. A round unpacks one vector of operands for its
 * 48 multiply-adds and uses two of them. */
INLINE vfloat fma_columns(const work *w, const uint32_t dtype, const float *operands, int j)
{
    enum { ROWS = MEASURE_NATIVE_ROWS };
    vfloat left[ROWS], right[ROWS], a[ROWS];
    const vfloat b0 = v_splat(operands[MEASURE_SIDE + j]), b1 = v_splat(operands[MEASURE_SIDE + j + 1]);
    UNROLL
    for (int i = 0; i < ROWS; i++) {
        left[i] = right[i] = v_splat(0.0f);
        a[i] = v_splat(operands[i]);
    }
    const unsigned char *memory = w->source;
    for (uint32_t n = 0; n < w->params.rounds; n++) {
        float fresh[LANES];
        memory += w->params.step;
        load_row(fresh, memory, dtype, LANES); /* the source is longer than the operands */
        a[0] = v_splat(fresh[0]);
        a[1] = v_splat(fresh[1]);
        UNROLL
        for (int pass = 0; pass < MEASURE_PASSES; pass++) {
            UNROLL
            for (int i = 0; i < ROWS; i++) {
                left[i] = v_fma(a[i], b0, left[i]);
                right[i] = v_fma(a[i], b1, right[i]);
            }
        }
    }
    vfloat sum = left[0] + right[0];
    UNROLL
    for (int i = 1; i < ROWS; i++)
        sum += left[i] + right[i];
    return sum;
}

INLINE void fma_lanes(const work *w, const uint32_t dtype)
{
    float operands[2 * MEASURE_SIDE];
    load_row(operands, w->source, dtype, 2 * MEASURE_SIDE);
    for (uint32_t lane = 0; lane < w->lanes; lane += LANES) {
        vfloat sum = v_splat(0.0f);
        for (int j = 0; j < MEASURE_SIDE; j += 2)
            sum += fma_columns(w, dtype, operands, j);
        for (uint32_t i = 0; i < LANES && lane + i < w->lanes; i++)
            w->target[lane + i] = sum[i];
    }
}

static void run_fma(const cpu_call *call)
{
    work w;
    if (!take(call, &w))
        return;
    switch ((fovea_dtype)call->constants[MEASURE_DTYPE]) {
    case FOVEA_F16: fma_lanes(&w, FOVEA_F16); break;
    case FOVEA_BF16: fma_lanes(&w, FOVEA_BF16); break;
    case FOVEA_F32:
    case FOVEA_DTYPE_COUNT: fma_lanes(&w, FOVEA_F32); break;
    }
}

#if defined(FV_CPU_PRODUCTS)

/* Operands and sums of a call, in its scratch: what stays in the first cache. */
typedef struct matrices {
    uint16_t a[MEASURE_MATRIX_ROWS][2 * MEASURE_MATRIX_PAIRS];
    uint16_t b[MEASURE_MATRIX_PAIRS][2 * LANES][2];
    float c[MEASURE_MATRIX_ROWS][2 * LANES];
} matrices;

static void fill_matrices(const work *w, matrices *to)
{
    uint16_t operands[MEASURE_SIDE];
    memcpy(operands, w->source, sizeof operands);
    for (int i = 0; i < MEASURE_MATRIX_ROWS; i++)
        for (int k = 0; k < 2 * MEASURE_MATRIX_PAIRS; k++)
            to->a[i][k] = operands[i % MEASURE_SIDE];
    for (int k = 0; k < 2 * MEASURE_MATRIX_PAIRS; k++)
        for (int lane = 0; lane < 2 * LANES; lane++)
            to->b[k / 2][lane][k % 2] = operands[k % MEASURE_SIDE];
    memset(to->c, 0, sizeof to->c);
}

static void run_matrix(const cpu_call *call)
{
    work w;
    matrices *m = call->scratch;
    if (!take(call, &w))
        return;
    begin_products();
    for (uint32_t lane = 0; lane < w.lanes; lane += 2 * LANES) {
        fill_matrices(&w, m);
        const matrix_product product = {(unsigned char *)m->a, sizeof m->a[0],           MEASURE_MATRIX_ROWS,
                                        MEASURE_MATRIX_PAIRS,  (uint32_t *)(void *)m->b, m->c[0]};
        for (uint32_t n = 0; n < w.params.rounds; n++)
            multiply(2, 1, &product);
        for (uint32_t i = 0; i < 2 * LANES && lane + i < w.lanes; i++) {
            w.target[lane + i] = 0.0f;
            for (int row = 0; row < MEASURE_MATRIX_ROWS; row++)
                w.target[lane + i] += m->c[row][i];
        }
    }
    end_products();
}

static size_t matrix_scratch(const uint32_t *constants)
{
    (void)constants;
    return sizeof(matrices);
}

#endif

static void run_exp2(const cpu_call *call)
{
    work w;
    if (!take(call, &w))
        return;
    for (uint32_t lane = 0; lane < w.lanes; lane += LANES) {
        vfloat x[MEASURE_CHAINS], sum = v_splat(0.0f);
        UNROLL
        for (int i = 0; i < MEASURE_CHAINS; i++)
            x[i] = v_splat(((const float *)(const void *)w.source)[i]);
        for (uint32_t n = 0; n < w.params.rounds * MEASURE_PASSES; n++) {
            UNROLL
            for (int i = 0; i < MEASURE_CHAINS; i++)
                x[i] = v_exp2(-x[i]);
        }
        UNROLL
        for (int i = 0; i < MEASURE_CHAINS; i++)
            sum += x[i];
        for (uint32_t i = 0; i < LANES && lane + i < w.lanes; i++)
            w.target[lane + i] = sum[i];
    }
}

/* Reads the array again and again until the bytes of all lanes are read. A chain of sums ends with what a lane of the
 * kernel text ends with: passes times the sum of eight neighbours. */
static void run_shared(const cpu_call *call)
{
    work w;
    enum { FLOATS = 4 * MEASURE_SHARED_FLOAT4, STRIDE = MEASURE_READS * LANES };
    if (!take(call, &w))
        return;
    float *tile = call->scratch;
    for (uint32_t i = 0; i < FLOATS; i++)
        tile[i] = ((const float *)(const void *)w.source)[i / 4 % 8];
    const uint64_t floats = (uint64_t)w.lanes * w.params.rounds * MEASURE_PASSES * MEASURE_READS * 4;
    vfloat sums[MEASURE_READS];
    UNROLL
    for (int k = 0; k < MEASURE_READS; k++)
        sums[k] = v_splat(0.0f);
    for (uint64_t n = 0; n < floats; n += STRIDE) {
        const float *place = tile + n % FLOATS;
        UNROLL
        for (int k = 0; k < MEASURE_READS; k++)
            sums[k] += v_load(place + k * LANES);
    }
    double sum = 0.0;
    for (int k = 0; k < MEASURE_READS; k++)
        for (int i = 0; i < LANES; i++)
            sum += sums[k][i];
    give(&w, (float)(sum / (4.0 * w.lanes)));
}

static size_t shared_scratch(const uint32_t *constants)
{
    (void)constants;
    return 16 * MEASURE_SHARED_FLOAT4;
}

static void run_copy(const cpu_call *call)
{
    work w;
    if (!take(call, &w))
        return;
    const uint64_t each = (uint64_t)w.lanes * MEASURE_COPIES, first = w.group * each;
    if (first >= w.params.words)
        return;
    const uint64_t count = w.params.words - first < each ? w.params.words - first : each;
    memcpy(call->bindings[1] + 4 * first, w.source + 4 * first, (size_t)(4 * count));
}

#define MEASURED(kernel, scratch, run)                                                            \
    {                                                                                             \
        kernel, MEASURE_CONSTANT_COUNT, 2, sizeof(measure_params), scratch, run, NULL, NULL, NULL \
    }

const cpu_native FV_CPU_TABLE(measure)[] = {
    MEASURED("measure_fma", NULL, run_fma),
    MEASURED("measure_exp2", NULL, run_exp2),
    MEASURED("measure_shared", shared_scratch, run_shared),
    MEASURED("measure_copy", NULL, run_copy),
#if defined(FV_CPU_PRODUCTS)
    MEASURED("measure_matrix", matrix_scratch, run_matrix),
#endif
    {0},
};
