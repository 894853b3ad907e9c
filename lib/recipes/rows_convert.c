/* Conversions between host element types, a row at a time. In: elements of one type; out:
 * of another. Must not know nodes. */
#include "base/half.h"
#include "recipes/rows.h"

#define INT_TYPES(X)    \
    X(INT8, int8_t)     \
    X(INT16, int16_t)   \
    X(INT32, int32_t)   \
    X(INT64, int64_t)   \
    X(UINT8, uint8_t)   \
    X(UINT16, uint16_t) \
    X(UINT32, uint32_t) \
    X(UINT64, uint64_t)

bool esk_rows_has_type(esk_dtype dtype) {
    return esk_dtype_is_float(dtype) || esk_dtype_is_int(dtype) || dtype == ESK_BOOL;
}

void esk_rows_load_doubles(const struct esk_tensor *x, int64_t from, int64_t step,
                           int64_t n, double *to) {
    switch (x->dtype) {
#define ROW(name, type)                               \
    case ESK_##name: {                                \
        const type *a = (const type *)x->data + from; \
        for (int64_t i = 0; i < n; i++)               \
            to[i] = (double)a[i * step];              \
        break;                                        \
    }
        INT_TYPES(ROW)
        ROW(BOOL, uint8_t)
        ROW(FLOAT, float)
        ROW(DOUBLE, double)
#undef ROW
    case ESK_FLOAT16:
        for (int64_t i = 0; i < n; i++)
            to[i] = esk_half_to_float(((const uint16_t *)x->data)[from + i * step]);
        break;
    case ESK_BFLOAT16:
        for (int64_t i = 0; i < n; i++)
            to[i] = esk_bfloat_to_float(((const uint16_t *)x->data)[from + i * step]);
        break;
    default:
        for (int64_t i = 0; i < n; i++)
            to[i] = 0;
    }
}

void esk_rows_load_ints(const struct esk_tensor *x, int64_t from, int64_t step, int64_t n,
                        int64_t *to) {
    switch (x->dtype) {
#define ROW(name, type)                               \
    case ESK_##name: {                                \
        const type *a = (const type *)x->data + from; \
        for (int64_t i = 0; i < n; i++)               \
            to[i] = (int64_t)a[i * step];             \
        break;                                        \
    }
        INT_TYPES(ROW)
        ROW(BOOL, uint8_t)
#undef ROW
    default:
        for (int64_t i = 0; i < n; i++)
            to[i] = 0;
    }
}

static int32_t to_int32(double v) {
    return v >= 0x1p31    ? INT32_MAX
           : v > -0x1p31  ? (int32_t)v
           : v <= -0x1p31 ? INT32_MIN
                          : 0;
}

static int64_t to_int64(double v) {
    return v >= 0x1p63    ? INT64_MAX
           : v > -0x1p63  ? (int64_t)v
           : v <= -0x1p63 ? INT64_MIN
                          : 0;
}

static uint32_t to_uint32(double v) {
    return v >= 0x1p32 ? UINT32_MAX : v >= 0 ? (uint32_t)v : (uint32_t)to_int32(v);
}

static uint64_t to_uint64(double v) {
    return v >= 0x1p64 ? UINT64_MAX : v >= 0 ? (uint64_t)v : (uint64_t)to_int64(v);
}

void esk_rows_store_doubles(struct esk_tensor *y, int64_t at, int64_t n,
                            const double *from) {
    switch (y->dtype) {
#define ROW(name, type, value)                         \
    case ESK_##name:                                   \
        for (int64_t i = 0; i < n; i++)                \
            ((type *)y->data)[at + i] = (type)(value); \
        break;
        ROW(FLOAT, float, from[i])
        ROW(DOUBLE, double, from[i])
        ROW(FLOAT16, uint16_t, esk_double_to_half(from[i]))
        ROW(BFLOAT16, uint16_t, esk_float_to_bfloat((float)from[i]))
        ROW(BOOL, uint8_t, from[i] != 0)
        ROW(INT8, int8_t, to_int32(from[i]))
        ROW(INT16, int16_t, to_int32(from[i]))
        ROW(INT32, int32_t, to_int32(from[i]))
        ROW(INT64, int64_t, to_int64(from[i]))
        ROW(UINT8, uint8_t, to_int32(from[i]))
        ROW(UINT16, uint16_t, to_int32(from[i]))
        ROW(UINT32, uint32_t, to_uint32(from[i]))
        ROW(UINT64, uint64_t, to_uint64(from[i]))
#undef ROW
    default:
        break;
    }
}

void esk_rows_store_ints(struct esk_tensor *y, int64_t at, int64_t n, const int64_t *from,
                         bool is_unsigned) {
    switch (y->dtype) {
#define ROW(name, type)                                \
    case ESK_##name:                                   \
        for (int64_t i = 0; i < n; i++)                \
            ((type *)y->data)[at + i] = (type)from[i]; \
        break;
#define ROW_FLOAT(name, type, convert, wide)                                    \
    case ESK_##name:                                                            \
        for (int64_t i = 0; i < n; i++)                                         \
            ((type *)y->data)[at + i] =                                         \
                convert(is_unsigned ? (wide)(uint64_t)from[i] : (wide)from[i]); \
        break;
        INT_TYPES(ROW)
        ROW_FLOAT(FLOAT, float, , float)
        ROW_FLOAT(DOUBLE, double, , double)
        ROW_FLOAT(FLOAT16, uint16_t, esk_double_to_half, double)
        ROW_FLOAT(BFLOAT16, uint16_t, esk_float_to_bfloat, float)
#undef ROW_FLOAT
#undef ROW
    case ESK_BOOL:
        for (int64_t i = 0; i < n; i++)
            ((uint8_t *)y->data)[at + i] = from[i] != 0;
        break;
    default:
        break;
    }
}
