/* Reading and writing runs of elements of any numeric type. In: a tensor, a first element
 * and a stride; out: doubles or 64-bit integers. Must not know what they are for. */
#include "recipes/lines.h"

#include "base/half.h"

#include <assert.h>
#include <string.h>

struct esk_lines esk_lines_along(int rank, const int64_t *dims, int axis) {
    if (rank == 0)
        return (struct esk_lines){1, 1, 1};
    return (struct esk_lines){esk_shape_product(dims, 0, axis), dims[axis],
                              esk_shape_product(dims, axis + 1, rank)};
}

struct esk_lines esk_lines_from(int rank, const int64_t *dims, int axis) {
    return (struct esk_lines){esk_shape_product(dims, 0, axis),
                              esk_shape_product(dims, axis, rank), 1};
}

#define READ(type, expression)                              \
    {                                                       \
        const type *p = (const type *)tensor->data + first; \
        for (int64_t i = 0; i < n; i++) {                   \
            type v = p[i * stride];                         \
            values[i] = expression;                         \
        }                                                   \
    }                                                       \
    break

void esk_read_doubles(const struct esk_tensor *tensor, int64_t first, int64_t stride,
                      int64_t n, double *values) {
    if (n <= 0)
        return;
    switch (tensor->dtype) {
    case ESK_FLOAT:
        READ(float, (double)v);
    case ESK_DOUBLE:
        READ(double, v);
    case ESK_FLOAT16:
        READ(uint16_t, (double)esk_half_to_float(v));
    case ESK_BFLOAT16:
        READ(uint16_t, (double)esk_bfloat_to_float(v));
    case ESK_INT8:
        READ(int8_t, v);
    case ESK_UINT8:
        READ(uint8_t, v);
    case ESK_BOOL:
        READ(uint8_t, v != 0);
    case ESK_INT16:
        READ(int16_t, v);
    case ESK_UINT16:
        READ(uint16_t, v);
    case ESK_INT32:
        READ(int32_t, v);
    case ESK_UINT32:
        READ(uint32_t, v);
    case ESK_INT64:
        READ(int64_t, (double)v);
    case ESK_UINT64:
        READ(uint64_t, (double)v);
    default:
        assert(!"a type without numbers");
    }
}

void esk_read_ints(const struct esk_tensor *tensor, int64_t first, int64_t stride,
                   int64_t n, int64_t *values) {
    if (n <= 0)
        return;
    switch (tensor->dtype) {
    case ESK_INT8:
        READ(int8_t, v);
    case ESK_UINT8:
        READ(uint8_t, v);
    case ESK_BOOL:
        READ(uint8_t, v != 0);
    case ESK_INT16:
        READ(int16_t, v);
    case ESK_UINT16:
        READ(uint16_t, v);
    case ESK_INT32:
        READ(int32_t, v);
    case ESK_UINT32:
        READ(uint32_t, v);
    case ESK_INT64:
        READ(int64_t, v);
    case ESK_UINT64:
        READ(uint64_t, (int64_t)v);
    default:
        assert(!"a type without integers");
    }
}

#define WRITE(type, expression)                 \
    {                                           \
        type *p = (type *)tensor->data + first; \
        for (int64_t i = 0; i < n; i++)         \
            p[i * stride] = expression;         \
    }                                           \
    break

/* A double as integer: truncated; saturated where C leaves it open, NaN as 0. */
static int64_t whole(double v) {
    if (!(v >= -9223372036854775808.0))
        return v != v ? 0 : INT64_MIN;
    return v >= 9223372036854775808.0 ? INT64_MAX : (int64_t)v;
}

static uint64_t whole_unsigned(double v) {
    if (v >= 18446744073709551616.0)
        return UINT64_MAX;
    return v >= 9223372036854775808.0 ? (uint64_t)v : (uint64_t)whole(v);
}

void esk_write_doubles(struct esk_tensor *tensor, int64_t first, int64_t stride,
                       int64_t n, const double *values) {
    if (n <= 0)
        return;
    switch (tensor->dtype) {
    case ESK_FLOAT:
        WRITE(float, (float)values[i]);
    case ESK_DOUBLE:
        WRITE(double, values[i]);
    case ESK_FLOAT16:
        WRITE(uint16_t, esk_double_to_half(values[i]));
    case ESK_BFLOAT16:
        WRITE(uint16_t, esk_float_to_bfloat((float)values[i]));
    case ESK_INT8:
        WRITE(int8_t, (int8_t)whole(values[i]));
    case ESK_UINT8:
        WRITE(uint8_t, (uint8_t)whole(values[i]));
    case ESK_BOOL:
        WRITE(uint8_t, values[i] != 0);
    case ESK_INT16:
        WRITE(int16_t, (int16_t)whole(values[i]));
    case ESK_UINT16:
        WRITE(uint16_t, (uint16_t)whole(values[i]));
    case ESK_INT32:
        WRITE(int32_t, (int32_t)whole(values[i]));
    case ESK_UINT32:
        WRITE(uint32_t, (uint32_t)whole(values[i]));
    case ESK_INT64:
        WRITE(int64_t, whole(values[i]));
    case ESK_UINT64:
        WRITE(uint64_t, whole_unsigned(values[i]));
    default:
        assert(!"a type without numbers");
    }
}

void esk_write_ints(struct esk_tensor *tensor, int64_t first, int64_t stride, int64_t n,
                    const int64_t *values) {
    if (n <= 0)
        return;
    switch (tensor->dtype) {
    case ESK_INT8:
    case ESK_UINT8:
        WRITE(uint8_t, (uint8_t)values[i]);
    case ESK_BOOL:
        WRITE(uint8_t, values[i] != 0);
    case ESK_INT16:
    case ESK_UINT16:
        WRITE(uint16_t, (uint16_t)values[i]);
    case ESK_INT32:
    case ESK_UINT32:
        WRITE(uint32_t, (uint32_t)values[i]);
    case ESK_INT64:
    case ESK_UINT64:
        WRITE(uint64_t, (uint64_t)values[i]);
    default:
        assert(!"a type without integers");
    }
}
