/* Tensors from and to files: .npy and .pb; pictures are image.c's.
 * In: paths or bytes. Out: values of the public API. Must not know sessions' state. */
#include "tensor_io.h"

#include "element.h"
#include "image.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

bool file_read(const char *path, void **bytes, size_t *size, struct fault *fault) {
    FILE *file = fopen(path, "rb");
    struct stat status;
    char *data = NULL;
    size_t length = 0, room;

    if (!file)
        return fault_set(fault, "%s: %s", path, strerror(errno));
    if (fstat(fileno(file), &status) || !S_ISREG(status.st_mode)) {
        fclose(file);
        return fault_set(fault, "%s: not a regular file", path);
    }
    room = (size_t)status.st_size + 1;
    data = malloc(room);
    if (data)
        length = fread(data, 1, room, file);
    if (!data || ferror(file) || length >= room) {
        fault_set(fault, "%s: %s", path,
                  !data            ? "out of memory"
                  : length >= room ? "grew while being read"
                                   : strerror(errno));
        free(data);
        fclose(file);
        return false;
    }
    fclose(file);
    *bytes = data;
    *size = length;
    return true;
}

/* ---- .npy: "\x93NUMPY", major, minor, header length, a Python dict, the elements ----
 */

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define HOST_ORDER  '<'
#define OTHER_ORDER '>'
#else
#define HOST_ORDER  '>'
#define OTHER_ORDER '<'
#endif

/* NumPy's kinds and bytes of an element; one row a type. */
static const struct npy_type {
    char kind;
    int bytes;
    esk_dtype dtype;
} npy_types[] = {
    {'b', 1, ESK_BOOL},    {'c', 16, ESK_COMPLEX128}, {'c', 8, ESK_COMPLEX64},
    {'f', 2, ESK_FLOAT16}, {'f', 4, ESK_FLOAT},       {'f', 8, ESK_DOUBLE},
    {'i', 1, ESK_INT8},    {'i', 2, ESK_INT16},       {'i', 4, ESK_INT32},
    {'i', 8, ESK_INT64},   {'u', 1, ESK_UINT8},       {'u', 2, ESK_UINT16},
    {'u', 4, ESK_UINT32},  {'u', 8, ESK_UINT64},
};
enum { NPY_TYPES = sizeof(npy_types) / sizeof(npy_types[0]) };

/* What the dict says. */
struct npy_header {
    esk_dtype dtype;
    bool fortran, has_descr, has_order, has_shape;
    int rank;
    int64_t dims[ESK_MAX_RANK];
};

/* A place in the dict's text. */
struct cursor {
    const char *at, *end;
};

static void skip_space(struct cursor *cursor) {
    while (cursor->at < cursor->end && isspace((unsigned char)*cursor->at))
        cursor->at++;
}

static bool eat(struct cursor *cursor, const char *text) {
    size_t length = strlen(text);

    skip_space(cursor);
    if ((size_t)(cursor->end - cursor->at) < length || memcmp(cursor->at, text, length))
        return false;
    cursor->at += length;
    return true;
}

/* A quoted text without escapes, into `text`. */
static bool eat_quoted(struct cursor *cursor, char *text, size_t size) {
    const char *from, *to;
    char quote;

    skip_space(cursor);
    if (cursor->at >= cursor->end || (*cursor->at != '\'' && *cursor->at != '"'))
        return false;
    quote = *cursor->at;
    from = cursor->at + 1;
    to = memchr(from, quote, (size_t)(cursor->end - from));
    if (!to || (size_t)(to - from) >= size)
        return false;
    memcpy(text, from, (size_t)(to - from));
    text[to - from] = 0;
    cursor->at = to + 1;
    return true;
}

static bool eat_size(struct cursor *cursor, int64_t *size) {
    int64_t number = 0;

    skip_space(cursor);
    if (cursor->at >= cursor->end || !isdigit((unsigned char)*cursor->at))
        return false;
    for (; cursor->at < cursor->end && isdigit((unsigned char)*cursor->at);
         cursor->at++) {
        if (number > (INT64_MAX - 9) / 10)
            return false;
        number = 10 * number + (*cursor->at - '0');
    }
    *size = number;
    return true;
}

static bool parse_type(const char *text, esk_dtype *dtype, struct fault *fault) {
    char order = text[0];

    if (strlen(text) >= 3 && order == OTHER_ORDER && text[2] != '1')
        return fault_set(fault,
                         ".npy: byte order '%c' of type '%s' is not this machine's; "
                         "save it with the other one",
                         order, text);
    for (size_t i = 0; i < NPY_TYPES && order && strchr("<>|=", order); i++) {
        char name[8];

        snprintf(name, sizeof(name), "%c%d", npy_types[i].kind, npy_types[i].bytes);
        if (!strcmp(name, text + 1)) {
            *dtype = npy_types[i].dtype;
            return true;
        }
    }
    return fault_set(fault,
                     ".npy: type '%s' has no counterpart; take bool, integers, "
                     "float16/32/64 or complex",
                     text);
}

static bool parse_shape(struct cursor *cursor, struct npy_header *header,
                        struct fault *fault) {
    if (!eat(cursor, "("))
        return fault_set(fault, ".npy: 'shape' is no tuple");
    while (!eat(cursor, ")")) {
        int64_t size;

        if (!eat_size(cursor, &size))
            return fault_set(fault, ".npy: bad size in 'shape'");
        if (header->rank == ESK_MAX_RANK)
            return fault_set(fault, ".npy: more than %d dimensions", ESK_MAX_RANK);
        header->dims[header->rank++] = size;
        if (!eat(cursor, ",") && !(cursor->at < cursor->end && *cursor->at == ')'))
            return fault_set(fault, ".npy: 'shape' does not end");
    }
    return true;
}

static bool parse_header(struct cursor cursor, struct npy_header *header,
                         struct fault *fault) {
    char key[32], type[32];

    if (!eat(&cursor, "{"))
        return fault_set(fault, ".npy: the header is no dict");
    while (!eat(&cursor, "}")) {
        if (!eat_quoted(&cursor, key, sizeof(key)) || !eat(&cursor, ":"))
            return fault_set(fault, ".npy: bad key in the header");
        if (!strcmp(key, "descr") && !header->has_descr) {
            if (!eat_quoted(&cursor, type, sizeof(type)))
                return fault_set(fault, ".npy: 'descr' is no plain type");
            if (!parse_type(type, &header->dtype, fault))
                return false;
            header->has_descr = true;
        } else if (!strcmp(key, "fortran_order") && !header->has_order) {
            header->fortran = eat(&cursor, "True");
            if (!header->fortran && !eat(&cursor, "False"))
                return fault_set(fault,
                                 ".npy: 'fortran_order' is neither True nor False");
            header->has_order = true;
        } else if (!strcmp(key, "shape") && !header->has_shape) {
            if (!parse_shape(&cursor, header, fault))
                return false;
            header->has_shape = true;
        } else {
            return fault_set(fault, ".npy: unexpected key '%s'", key);
        }
        if (!eat(&cursor, ",") && !(cursor.at < cursor.end && *cursor.at == '}'))
            return fault_set(fault, ".npy: the header does not end");
    }
    if (!header->has_descr || !header->has_order || !header->has_shape)
        return fault_set(fault, ".npy: the header lacks '%s'",
                         !header->has_descr   ? "descr"
                         : !header->has_order ? "fortran_order"
                                              : "shape");
    return true;
}

/* Copies elements of `width` bytes from column-major to row-major order. */
static void copy_fortran(const struct npy_header *header, const char *from, char *to,
                         size_t count, size_t width) {
    int64_t index[ESK_MAX_RANK] = {0};
    size_t stride[ESK_MAX_RANK], step = 1, offset = 0;

    for (int i = 0; i < header->rank; i++) {
        stride[i] = step;
        step *= (size_t)header->dims[i];
    }
    for (size_t n = 0; n < count; n++) {
        memcpy(to + n * width, from + offset * width, width);
        for (int i = header->rank - 1; i >= 0; i--) {
            offset += stride[i];
            if (++index[i] < header->dims[i])
                break;
            offset -= stride[i] * (size_t)header->dims[i];
            index[i] = 0;
        }
    }
}

bool npy_decode(const void *bytes, size_t size, esk_value **value, struct fault *fault) {
    const uint8_t *data = bytes;
    struct npy_header header = {0};
    size_t start, length, need;
    esk_error error = ESK_ERROR_INIT;
    esk_value *made;

    if (size < 10 || memcmp(data, "\x93NUMPY", 6))
        return fault_set(fault, ".npy: no NumPy file");
    if (data[6] < 1 || data[6] > 3)
        return fault_set(fault, ".npy: format %d.%d; known are 1.0 to 3.0", data[6],
                         data[7]);
    start = data[6] == 1 ? 10 : 12;
    if (size < start)
        return fault_set(fault, ".npy: the file ends in its header");
    length = data[8] | (size_t)data[9] << 8;
    if (data[6] > 1)
        length |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
    if (length > size - start)
        return fault_set(fault, ".npy: the header says %zu bytes, the file has %zu",
                         length, size - start);
    if (!parse_header((struct cursor){(const char *)data + start,
                                      (const char *)data + start + length},
                      &header, fault))
        return false;
    start += length;
    need = esk_dtype_bits(header.dtype) / 8;
    for (int i = 0; i < header.rank; i++)
        if (__builtin_mul_overflow(need, (size_t)header.dims[i], &need))
            need = SIZE_MAX;
    if (need == SIZE_MAX || need != size - start) /* before memory is asked for */
        return fault_set(fault, ".npy: the shape needs %zu bytes, the file has %zu", need,
                         size - start);
    if (esk_value_create(header.dtype, header.rank, header.dims, &made, &error) != ESK_OK)
        return fault_take(fault, ".npy", &error);
    if (need && header.fortran && header.rank > 1)
        copy_fortran(&header, (const char *)data + start, esk_value_data(made),
                     (size_t)esk_value_count(made), esk_dtype_bits(header.dtype) / 8);
    else if (need)
        memcpy(esk_value_data(made), data + start, need);
    for (size_t i = 0; header.dtype == ESK_BOOL && i < need; i++) {
        uint8_t *flag = (uint8_t *)esk_value_data(made) + i;

        *flag = *flag != 0; /* NumPy takes any byte but 0 as true */
    }
    *value = made;
    return true;
}

/* The type that NumPy gets for `dtype`. */
static esk_dtype npy_dtype(esk_dtype dtype) {
    if (dtype == ESK_INT4 || dtype == ESK_INT2)
        return ESK_INT8;
    if (dtype == ESK_UINT4 || dtype == ESK_UINT2)
        return ESK_UINT8;
    return element_is_narrow_float(dtype) && dtype != ESK_FLOAT16 ? ESK_FLOAT : dtype;
}

/* The header's text, padded so that the elements begin at a multiple of 64 bytes. Returns
 * its length from the start of the file. */
static size_t print_header(const struct npy_type *type, const esk_value *value,
                           char *text, size_t size) {
    int rank = esk_value_rank(value);
    const int64_t *dims = esk_value_dims(value);
    size_t length, total;

    length =
        (size_t)snprintf(text, size,
                         "{'descr': '%c%c%d', 'fortran_order': False, "
                         "'shape': (",
                         type->bytes == 1 ? '|' : HOST_ORDER, type->kind, type->bytes);
    for (int i = 0; i < rank; i++)
        length += (size_t)snprintf(text + length, size - length, "%s%" PRId64,
                                   i ? ", " : "", dims[i]);
    length +=
        (size_t)snprintf(text + length, size - length, "%s), }", rank == 1 ? "," : "");
    total = (10 + length + 1 + 63) / 64 * 64;
    while (10 + length + 1 < total)
        text[length++] = ' ';
    text[length++] = '\n';
    return total;
}

bool npy_encode(const esk_value *value, void **bytes, size_t *size, struct fault *fault) {
    esk_dtype from = esk_value_dtype(value), to = npy_dtype(from);
    const struct npy_type *type = NULL;
    size_t count = (size_t)esk_value_count(value), width = esk_dtype_bits(to) / 8, header;
    char text[512]; /* 8 sizes of 19 digits fit, so format 1.0 does */
    const void *data = esk_value_const_data(value);
    char *made, *body;

    for (size_t i = 0; i < NPY_TYPES; i++)
        if (npy_types[i].dtype == to)
            type = &npy_types[i];
    if (!type)
        return fault_set(fault, ".npy: type %s cannot be written", esk_dtype_name(from));
    header = print_header(type, value, text, sizeof(text));
    made = malloc(header + count * width);
    if (!made)
        return fault_set(fault, "out of memory");
    memcpy(made, "\x93NUMPY\1\0", 8);
    made[8] = (char)((header - 10) & 0xff);
    made[9] = (char)((header - 10) >> 8);
    memcpy(made + 10, text, header - 10);
    body = made + header;
    if (from == to && count)
        memcpy(body, data, count * width);
    for (size_t i = 0; i < count && from != to; i++)
        element_store(to, body, i, element_real(from, data, i, 0));
    *bytes = made;
    *size = header + count * width;
    return true;
}

bool npy_save(const char *path, const esk_value *value, struct fault *fault) {
    void *bytes;
    size_t size;
    FILE *file;
    bool done;

    if (!npy_encode(value, &bytes, &size, fault))
        return fault_prefix(fault, path);
    file = fopen(path, "wb");
    done = file && fwrite(bytes, 1, size, file) == size;
    if (file && fclose(file))
        done = false;
    free(bytes);
    return done || fault_set(fault, "%s: %s", path, strerror(errno));
}

/* ---- The other kinds ---- */

bool pb_load(const char *path, esk_value **value, const char **name,
             struct fault *fault) {
    esk_error error = ESK_ERROR_INIT;
    const char *inside = NULL;
    void *bytes;
    size_t size;
    esk_status status;

    if (!file_read(path, &bytes, &size, fault))
        return false;
    status = esk_value_from_onnx(bytes, size, value, &inside, &error);
    free(bytes);
    if (status != ESK_OK)
        return fault_take(fault, path, &error);
    if (name)
        *name = inside ? inside : "";
    return true;
}

static bool npy_load(const char *path, esk_value **value, struct fault *fault) {
    void *bytes;
    size_t size;
    bool done;

    if (!file_read(path, &bytes, &size, fault))
        return false;
    done = npy_decode(bytes, size, value, fault);
    free(bytes);
    return done || fault_prefix(fault, path);
}

static bool image_load(const char *path, const esk_value_info *info, esk_value **value,
                       struct fault *fault) {
    void *bytes;
    size_t size;
    bool done;

    if (!file_read(path, &bytes, &size, fault))
        return false;
    done = image_decode(bytes, size, info, value, fault);
    free(bytes);
    return done || fault_prefix(fault, path);
}

bool tensor_load(const char *path, const esk_value_info *info, esk_value **value,
                 struct fault *fault) {
    const char *dot = strrchr(path, '.');

    if (dot && !strcasecmp(dot, ".npy"))
        return npy_load(path, value, fault);
    if (dot && !strcasecmp(dot, ".pb"))
        return pb_load(path, value, NULL, fault);
    if (dot && (!strcasecmp(dot, ".png") || !strcasecmp(dot, ".jpg") ||
                !strcasecmp(dot, ".jpeg")))
        return image_load(path, info, value, fault);
    return fault_set(fault, "%s: the name ends in none of .npy, .pb, .png, .jpg", path);
}

/* Appends to text[*used], as far as it fits. */
static void add(char *text, size_t size, size_t *used, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void add(char *text, size_t size, size_t *used, const char *format, ...) {
    va_list list;
    int length;

    if (*used >= size)
        return;
    va_start(list, format);
    length = vsnprintf(text + *used, size - *used, format, list);
    va_end(list);
    if (length > 0)
        *used += (size_t)length;
}

char *dims_print(int rank, const int64_t *dims, const char *const *names, char *text,
                 size_t size) {
    size_t used = 0;

    if (rank < 0) {
        snprintf(text, size, "[...]");
        return text;
    }
    add(text, size, &used, "[");
    for (int i = 0; i < rank; i++) {
        const char *comma = i ? "," : "";

        if (dims[i] >= 0)
            add(text, size, &used, "%s%" PRId64, comma, dims[i]);
        else
            add(text, size, &used, "%s%s", comma, names && names[i] ? names[i] : "?");
    }
    add(text, size, &used, "]");
    return text;
}
