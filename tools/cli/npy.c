#include "npy.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define MAGIC        "\x93NUMPY"
#define MAGIC_SIZE   6u
#define ALIGNMENT    64u
#define SHOWN_LENGTH 40 /* most characters of a file's own text in a message */

typedef struct npy_type_row {
    const char *name;
    const char *descr;
    uint32_t size;
} npy_type_row;

static const npy_type_row types[NPY_TYPE_COUNT] = {
    [NPY_F32] = {"float32", "<f4", 4},
    [NPY_F16] = {"float16", "<f2", 2},
    [NPY_U16] = {"uint16", "<u2", 2},
};

/* Position in the header, a Python dict literal, and where a reason goes. */
typedef struct parser {
    const char *at, *end;
    char *reason;
    size_t room;
    bool has_descr, has_order, has_shape;
} parser;

typedef struct text_range {
    const char *start;
    int length;
} text_range;

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static bool
refuse(const parser *p, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(p->reason, p->room, format, arguments);
    va_end(arguments);
    return false;
}

const char *npy_type_name(npy_type type)
{
    return types[type].name;
}

static void skip_space(parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r'))
        p->at++;
}

static bool accept(parser *p, char c)
{
    skip_space(p);
    if (p->at == p->end || *p->at != c)
        return false;
    p->at++;
    return true;
}

static bool accept_word(parser *p, const char *word)
{
    const size_t length = strlen(word);
    skip_space(p);
    if ((size_t)(p->end - p->at) < length || memcmp(p->at, word, length) != 0)
        return false;
    p->at += length;
    return true;
}

/* A string literal of printable ASCII without escapes, as NumPy writes them. */
static bool parse_string(parser *p, text_range *out)
{
    skip_space(p);
    if (p->at == p->end || (*p->at != '\'' && *p->at != '"'))
        return false;
    const char quote = *p->at++;
    const char *start = p->at;
    while (p->at < p->end && *p->at != quote && *p->at != '\\' && *p->at >= ' ' && *p->at < 0x7f)
        p->at++;
    if (p->at == p->end || *p->at != quote || p->at - start > SHOWN_LENGTH)
        return false;
    *out = (text_range){start, (int)(p->at - start)};
    p->at++;
    return true;
}

static bool equal(text_range text, const char *word)
{
    return (size_t)text.length == strlen(word) && memcmp(text.start, word, (size_t)text.length) == 0;
}

static bool parse_descr(parser *p, npy_array *array)
{
    text_range descr;
    if (accept(p, '['))
        return refuse(p, "structured arrays are not read; dtypes are float32, float16 and uint16");
    if (!parse_string(p, &descr))
        return refuse(p, "malformed header: descr is no string");
    for (int t = 0; t < NPY_TYPE_COUNT; t++) {
        if (equal(descr, types[t].descr)) {
            array->type = (npy_type)t;
            return true;
        }
    }
    if (descr.length > 1 && descr.start[0] == '>')
        return refuse(p, "big-endian data ('%.*s') is not read; store it with dtype.newbyteorder('<')", descr.length,
                      descr.start);
    return refuse(p, "dtype '%.*s' is not read; dtypes are float32, float16 and uint16", descr.length, descr.start);
}

static bool parse_order(parser *p)
{
    if (accept_word(p, "True"))
        return refuse(p, "Fortran order is not read; store it with numpy.ascontiguousarray");
    if (!accept_word(p, "False"))
        return refuse(p, "malformed header: fortran_order is neither True nor False");
    return true;
}

static bool parse_extent(parser *p, uint64_t *out)
{
    uint64_t value = 0;
    const char *start = p->at;
    while (p->at < p->end && *p->at >= '0' && *p->at <= '9') {
        const uint64_t digit = (uint64_t)(*p->at - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return refuse(p, "an extent of the shape overflows 64 bits");
        value = value * 10 + digit;
        p->at++;
    }
    if (p->at == start)
        return refuse(p, "malformed header: the shape is no tuple of whole numbers");
    if (p->at < p->end && *p->at == 'L') /* written by Python 2 */
        p->at++;
    *out = value;
    return true;
}

static bool parse_shape(parser *p, npy_array *array)
{
    if (!accept(p, '('))
        return refuse(p, "malformed header: the shape is no tuple");
    bool separated = true;
    array->rank = 0;
    while (!accept(p, ')')) {
        if (!separated)
            return refuse(p, "malformed header: the shape is no tuple of whole numbers");
        if (array->rank == NPY_RANK_MAX)
            return refuse(p, "the shape has more than %d dims", NPY_RANK_MAX);
        if (!parse_extent(p, &array->shape[array->rank++]))
            return false;
        separated = accept(p, ',');
    }
    if (array->rank == 1 && !separated)
        return refuse(p, "malformed header: the shape is no tuple");
    return true;
}

static bool parse_member(parser *p, npy_array *array)
{
    text_range key;
    if (!parse_string(p, &key) || !accept(p, ':'))
        return refuse(p, "malformed header: no Python dict");
    skip_space(p);
    bool *seen = equal(key, "descr")           ? &p->has_descr
                 : equal(key, "fortran_order") ? &p->has_order
                 : equal(key, "shape")         ? &p->has_shape
                                               : NULL;
    if (!seen)
        return refuse(p, "malformed header: unknown key '%.*s'", key.length, key.start);
    if (*seen)
        return refuse(p, "malformed header: key '%.*s' is given twice", key.length, key.start);
    *seen = true;
    if (seen == &p->has_descr)
        return parse_descr(p, array);
    return seen == &p->has_order ? parse_order(p) : parse_shape(p, array);
}

static bool parse_header(parser *p, npy_array *array)
{
    if (!accept(p, '{'))
        return refuse(p, "malformed header: no Python dict");
    bool separated = true;
    while (!accept(p, '}')) {
        if (!separated)
            return refuse(p, "malformed header: no Python dict");
        if (!parse_member(p, array))
            return false;
        separated = accept(p, ',');
    }
    skip_space(p);
    if (p->at != p->end)
        return refuse(p, "malformed header: text after the dict");
    if (!p->has_descr || !p->has_order || !p->has_shape)
        return refuse(p, "malformed header: key '%s' is missing",
                      !p->has_descr  ? "descr"
                      : p->has_order ? "shape"
                                     : "fortran_order");
    return true;
}

/* The byte count of the shape; an extent 0 makes it 0 whatever the others are. */
static bool count_bytes(const parser *p, npy_array *array)
{
    uint64_t size = types[array->type].size;
    for (uint32_t i = 0; i < array->rank; i++) {
        if (array->shape[i] == 0)
            size = 0;
    }
    for (uint32_t i = 0; size && i < array->rank; i++) {
        if (array->shape[i] > UINT64_MAX / size)
            return refuse(p, "the shape's size overflows 64 bits");
        size *= array->shape[i];
    }
    array->data_size = size;
    return true;
}

static bool check_data(const parser *p, const npy_array *array, uint64_t available)
{
    if (available < array->data_size)
        return refuse(p, "truncated: the shape needs %" PRIu64 " bytes of data, the file has %" PRIu64,
                      array->data_size, available);
    if (available > array->data_size)
        return refuse(p, "%" PRIu64 " bytes follow the data", available - array->data_size);
    return true;
}

bool npy_parse(const uint8_t *bytes, size_t size, npy_array *out_array, char *reason, size_t room)
{
    parser p = {.reason = reason, .room = room};
    *out_array = (npy_array){0};
    if (size < MAGIC_SIZE || memcmp(bytes, MAGIC, MAGIC_SIZE) != 0)
        return refuse(&p, "no .npy file (its magic bytes are missing)");
    if (size < MAGIC_SIZE + 4)
        return refuse(&p, "truncated header");
    const unsigned major = bytes[6], minor = bytes[7];
    if (major < 1 || major > 3 || minor != 0)
        return refuse(&p, "format version %u.%u is not read; versions are 1.0, 2.0 and 3.0", major, minor);
    const size_t start = major == 1 ? 10 : 12;
    if (size < start)
        return refuse(&p, "truncated header");
    uint64_t length = bytes[8] | (uint64_t)bytes[9] << 8;
    if (major > 1)
        length |= (uint64_t)bytes[10] << 16 | (uint64_t)bytes[11] << 24;
    if (length > size - start)
        return refuse(&p, "truncated header: it claims %" PRIu64 " bytes, the file has %zu more", length, size - start);
    p.at = (const char *)bytes + start;
    p.end = p.at + length;
    if (!parse_header(&p, out_array) || !count_bytes(&p, out_array))
        return false;
    out_array->data = bytes + start + length;
    return check_data(&p, out_array, size - start - length);
}

void npy_write(FILE *stream, const npy_array *array)
{
    char header[1024];
    size_t length = 0;
    const size_t prefix = MAGIC_SIZE + 4;
    length += (size_t)snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                               types[array->type].descr);
    for (uint32_t i = 0; i < array->rank; i++)
        length +=
            (size_t)snprintf(header + length, sizeof header - length, i ? ", %" PRIu64 : "%" PRIu64, array->shape[i]);
    length += (size_t)snprintf(header + length, sizeof header - length, array->rank == 1 ? ",), }" : "), }");
    while ((prefix + length + 1) % ALIGNMENT)
        header[length++] = ' ';
    header[length++] = '\n';
    const uint8_t lead[] = {1, 0, (uint8_t)(length & 0xff), (uint8_t)(length >> 8)};
    fwrite(MAGIC, 1, MAGIC_SIZE, stream);
    fwrite(lead, 1, sizeof lead, stream);
    fwrite(header, 1, length, stream);
    if (array->data_size)
        fwrite(array->data, 1, (size_t)array->data_size, stream);
}
