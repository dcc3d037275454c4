#include "contender.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RUNS_MAX = 100000, RUNS_MIN = 3, ROWS_MAX = 4096, LINE_SIZE = 256 };

/* ---- numbers -------------------------------------------------------------------------------------------------- */

/* A mixer of 32 bits (Wellons 2018, "lowbias32"). */
static uint32_t mix(uint32_t x)
{
    x = (x ^ x >> 16) * 0x7feb352du;
    x = (x ^ x >> 15) * 0x846ca68bu;
    return x ^ x >> 16;
}

/* To `bits` of precision with a last bit of at least `least`, halves to even. */
static float rounded(float value, int bits, float least)
{
    int exponent;
    frexpf(value, &exponent);
    const float step = fmaxf(ldexpf(1.0f, exponent - bits), least);
    return nearbyintf(value / step) * step;
}

static float *numbers(uint32_t tensor, size_t count, storage as)
{
    float *values = malloc((count ? count : 1) * sizeof *values);
    for (size_t i = 0; values && i < count; i++) {
        const int32_t hashed = (int32_t)(mix((uint32_t)i + tensor * 0x9e3779b9u) >> 8);
        const float value = (float)(hashed - 0x800000) / 0x800000;
        values[i] = as == STORAGE_F32   ? value
                    : as == STORAGE_F16 ? rounded(value, 11, 0x1p-24f)
                                        : rounded(value, 8, 0x1p-126f);
    }
    return values;
}

size_t storage_size(storage as)
{
    return as == STORAGE_F32 ? 4 : 2;
}

static uint16_t half_bits(float value)
{
    const uint16_t sign = signbit(value) ? 0x8000 : 0;
    const float size = fabsf(value);
    int exponent;
    if (size < 0x1p-14f)
        return (uint16_t)(sign + (unsigned)ldexpf(size, 24));
    const unsigned fraction = (unsigned)(frexpf(size, &exponent) * 2048.0f); /* 1024 to 2047 */
    return (uint16_t)(sign + ((unsigned)(exponent + 14) << 10) + (fraction - 1024));
}

static float half_value(uint16_t bits)
{
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    const float size = exponent == 31 ? (fraction ? NAN : INFINITY)
                       : exponent     ? ldexpf((float)(fraction + 1024), exponent - 25)
                                      : ldexpf((float)fraction, -24);
    return bits & 0x8000 ? -size : size;
}

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

void *stored(const float *values, size_t count, storage as)
{
    void *bytes = malloc((count ? count : 1) * storage_size(as));
    if (bytes && as == STORAGE_F32)
        memcpy(bytes, values, count * sizeof *values);
    for (size_t i = 0; bytes && as != STORAGE_F32 && i < count; i++)
        ((uint16_t *)bytes)[i] = as == STORAGE_F16 ? half_bits(values[i]) : (uint16_t)(float_bits(values[i]) >> 16);
    return bytes;
}

float loaded(const void *bytes, size_t index, storage as)
{
    if (as == STORAGE_F32)
        return ((const float *)bytes)[index];
    const uint16_t bits = ((const uint16_t *)bytes)[index];
    if (as == STORAGE_F16)
        return half_value(bits);
    const uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

size_t q_count(const problem *p)
{
    return (size_t)p->heads_q * p->seq_q * p->dim;
}

size_t kv_count(const problem *p)
{
    return (size_t)p->heads_k * p->seq_k * p->dim;
}

/* ---- one case after the other --------------------------------------------------------------------------------- */

typedef struct server {
    const contender *c;
    void *self;
    char current[LINE_SIZE]; /* the case that is prepared; "" for none */
    problem p;
    inputs in;
} server;

verdict refuse(verdict v, char *reason, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, REASON_SIZE, format, arguments);
    va_end(arguments);
    return v;
}

static void drop(server *s)
{
    if (s->current[0])
        s->c->release(s->self);
    s->current[0] = '\0';
    free(s->in.q);
    free(s->in.k);
    free(s->in.v);
    s->in = (inputs){0};
}

static bool parse_storage(const char *name, problem *p)
{
    static const struct {
        char name[8];
        storage q, kv;
    } known[] = {{"f32", STORAGE_F32, STORAGE_F32},
                 {"f16", STORAGE_F16, STORAGE_F16},
                 {"bf16", STORAGE_BF16, STORAGE_BF16},
                 {"f16kv", STORAGE_F32, STORAGE_F16}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(name, known[i].name) == 0) {
            p->q_storage = known[i].q;
            p->kv_storage = known[i].kv;
            return true;
        }
    return false;
}

static bool parse_problem(const char *text, problem *p)
{
    char dtype[8];
    unsigned causal;
    *p = (problem){0};
    if (sscanf(text, "%7s %u %u %u %u %u %u", dtype, &p->heads_q, &p->heads_k, &p->seq_q, &p->seq_k, &p->dim,
               &causal) != 7)
        return false;
    p->causal = causal != 0;
    return parse_storage(dtype, p) && p->heads_q && p->heads_k && p->heads_q % p->heads_k == 0 && p->seq_q &&
           p->seq_k && p->dim;
}

static verdict prepare_problem(server *s, const char *what, char *reason)
{
    if (!parse_problem(what, &s->p))
        return refuse(FAILED, reason, "no such case: %s", what);
    s->in = (inputs){numbers(0, q_count(&s->p), s->p.q_storage), numbers(1, kv_count(&s->p), s->p.kv_storage),
                     numbers(2, kv_count(&s->p), s->p.kv_storage)};
    if (!s->in.q || !s->in.k || !s->in.v)
        return refuse(FAILED, reason, "out of memory");
    strcpy(s->current, what);
    return s->c->prepare(s->self, &s->p, &s->in, reason);
}

static verdict prepare_matmul(server *s, const char *what, char *reason)
{
    uint32_t mnk[3];
    if (sscanf(what, "matmul %" SCNu32 " %" SCNu32 " %" SCNu32, &mnk[0], &mnk[1], &mnk[2]) != 3)
        return refuse(FAILED, reason, "no such product: %s", what);
    if (!s->c->prepare_matmul)
        return refuse(NOT_SUPPORTED, reason, "not asked for products");
    strcpy(s->current, what);
    return s->c->prepare_matmul(s->self, mnk, reason);
}

/* Leaves the case prepared, or none. */
static verdict prepare(server *s, const char *what, char *reason)
{
    if (strcmp(what, s->current) == 0)
        return READY;
    drop(s);
    const verdict v =
        strncmp(what, "matmul ", 7) == 0 ? prepare_matmul(s, what, reason) : prepare_problem(s, what, reason);
    if (v != READY)
        drop(s);
    return v;
}

/* ---- requests ------------------------------------------------------------------------------------------------- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static verdict answer_time(server *s, double seconds, char *reason)
{
    static double times[RUNS_MAX];
    int runs = 0;
    if (!s->c->run(s->self)) /* warms up */
        return refuse(FAILED, reason, "the run failed");
    const double end = now() + seconds;
    while (runs < RUNS_MAX && (runs < RUNS_MIN || now() < end)) {
        const double start = now();
        if (!s->c->run(s->self))
            return refuse(FAILED, reason, "run %d failed", runs);
        times[runs++] = now() - start;
    }
    qsort(times, (size_t)runs, sizeof times[0], ascending);
    printf("time %.9f %.9f %d\n", times[runs / 2], times[0], runs);
    return READY;
}

static uint64_t checksum(const server *s)
{
    const float *const tensors[] = {s->in.q, s->in.k, s->in.v};
    const size_t counts[] = {q_count(&s->p), kv_count(&s->p), kv_count(&s->p)};
    uint64_t sum = 0, index = 0;
    for (int t = 0; t < 3; t++)
        for (size_t i = 0; i < counts[t]; i++)
            sum += float_bits(tensors[t][i]) * (2 * index++ + 1);
    return sum;
}

static verdict answer_rows(server *s, unsigned wanted, char *reason)
{
    static double o[LINE_SIZE * 16];
    const uint64_t total = (uint64_t)s->p.heads_q * s->p.seq_q;
    const uint64_t rows = wanted < total ? wanted : total;
    if (s->p.dim > sizeof o / sizeof o[0] || wanted < 1 || wanted > ROWS_MAX)
        return refuse(FAILED, reason, "rows or dim out of bounds");
    if (!s->c->run(s->self))
        return refuse(FAILED, reason, "the run failed");
    printf("rows %" PRIu64, checksum(s));
    for (uint64_t i = 0; i < rows; i++) {
        if (!s->c->read(s->self, rows > 1 ? i * (total - 1) / (rows - 1) : 0, o)) {
            printf("\n");
            return refuse(FAILED, reason, "the result could not be read");
        }
        for (uint32_t d = 0; d < s->p.dim; d++)
            printf(" %a", o[d]);
    }
    printf("\n");
    return READY;
}

/* A line is a request's name, its case, and one number. */
static verdict answer(server *s, char *line, char *reason)
{
    char *const last = strrchr(line, ' ');
    if (!last || strlen(line) < 6)
        return refuse(FAILED, reason, "no such request: %s", line);
    *last = '\0';
    const bool timed = strncmp(line, "time ", 5) == 0;
    if (!timed && strncmp(line, "rows ", 5) != 0)
        return refuse(FAILED, reason, "no such request: %s", line);
    const verdict v = prepare(s, line + 5, reason);
    if (v != READY)
        return v;
    if (timed)
        return answer_time(s, strtod(last + 1, NULL), reason);
    return answer_rows(s, (unsigned)strtoul(last + 1, NULL, 10), reason);
}

int serve(const contender *c, void *self, const char *description)
{
    server s = {.c = c, .self = self};
    char line[LINE_SIZE], reason[REASON_SIZE];
    verdict v = READY;
    printf("ready %s\n", description);
    fflush(stdout);
    while (v != FAILED && fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        v = answer(&s, line, reason);
        if (v == NOT_SUPPORTED)
            printf("none %s\n", reason);
        if (v == FAILED)
            printf("failed %s\n", reason);
        fflush(stdout);
    }
    drop(&s);
    return v == FAILED ? 1 : 0;
}

int missing(const char *reason)
{
    printf("missing %s\n", reason);
    fflush(stdout);
    return 0;
}
