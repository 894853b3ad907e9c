/* Shape arithmetic and element access. In: shapes, bytes; out: numbers. Must not know
 * graphs or devices. */
#include "ir/tensor.h"

#include "base/half.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

const char *esk_dtype_name(esk_dtype dtype) {
    switch (dtype) {
#define ROW(name, number, bits, text) \
    case ESK_##name:                  \
        return text;
        ESK_DTYPE_LIST(ROW)
#undef ROW
    default:
        return "undefined";
    }
}

unsigned esk_dtype_bits(esk_dtype dtype) {
    switch (dtype) {
#define ROW(name, number, bits, text) \
    case ESK_##name:                  \
        return bits;
        ESK_DTYPE_LIST(ROW)
#undef ROW
    default:
        return 0;
    }
}

bool esk_shape_count(int rank, const int64_t *dims, int64_t *count) {
    int64_t product = 1;
    bool empty = false;
    for (int i = 0; i < rank; i++) {
        if (dims[i] < 0)
            return false;
        empty |= dims[i] == 0;
    }
    for (int i = 0; i < rank && !empty; i++)
        if (__builtin_mul_overflow(product, dims[i], &product))
            return false;
    *count = empty ? 0 : product;
    return true;
}

bool esk_dtype_bytes(esk_dtype dtype, int64_t count, size_t *bytes) {
    int64_t bits;
    if (count < 0 || __builtin_mul_overflow(count, (int64_t)esk_dtype_bits(dtype), &bits))
        return false;
    *bytes = (size_t)(bits / 8 + (bits % 8 != 0));
    return true;
}

int64_t esk_shape_product(const int64_t *dims, int from, int to) {
    int64_t product = 1;
    for (int i = from; i < to; i++)
        product *= dims[i];
    return product;
}

void esk_shape_strides(int rank, const int64_t *dims, int64_t *strides) {
    int64_t stride = 1;
    for (int i = rank - 1; i >= 0; i--) {
        strides[i] = stride;
        stride *= dims[i];
    }
}

bool esk_shape_equal(int rank_a, const int64_t *a, int rank_b, const int64_t *b) {
    return rank_a == rank_b &&
           (rank_a <= 0 || memcmp(a, b, (size_t)rank_a * sizeof *a) == 0);
}

bool esk_shape_axis(int64_t axis, int rank, int *result) {
    if (axis < -rank || axis >= rank)
        return false;
    *result = (int)(axis < 0 ? axis + rank : axis);
    return true;
}

bool esk_shape_broadcast(int rank_a, const int64_t *a, int rank_b, const int64_t *b,
                         int *rank_out, int64_t *out) {
    int rank = rank_a > rank_b ? rank_a : rank_b;
    int64_t result[ESK_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        int ia = i - (rank - rank_a), ib = i - (rank - rank_b);
        int64_t da = ia < 0 ? 1 : a[ia], db = ib < 0 ? 1 : b[ib];
        if (da != db && da != 1 && db != 1)
            return false;
        result[i] = da == 1 ? db : da;
    }
    memcpy(out, result, (size_t)rank * sizeof *out);
    *rank_out = rank;
    return true;
}

void esk_shape_broadcast_strides(int rank, const int64_t *dims, int out_rank,
                                 const int64_t *out_dims, int64_t *strides) {
    int64_t stride = 1;
    for (int i = out_rank - 1; i >= 0; i--) {
        int k = i - (out_rank - rank);
        int64_t size = k < 0 ? 1 : dims[k];
        strides[i] = size == 1 && out_dims[i] != 1 ? 0 : k < 0 ? 0 : stride;
        stride *= size;
    }
}

void esk_shape_print(struct esk_text *text, esk_dtype dtype, int rank,
                     const int64_t *dims) {
    esk_text_add(text, "%s", esk_dtype_name(dtype));
    if (rank < 0) {
        esk_text_add(text, "[...]");
        return;
    }
    long long wide[ESK_MAX_RANK];
    for (int i = 0; i < rank; i++)
        wide[i] = dims[i];
    esk_text_dims(text, rank, wide);
}

/* Every numeric type with a plain C type: number, C type. */
#define PLAIN_TYPES(X)  \
    X(FLOAT, float)     \
    X(DOUBLE, double)   \
    X(INT8, int8_t)     \
    X(UINT8, uint8_t)   \
    X(INT16, int16_t)   \
    X(UINT16, uint16_t) \
    X(INT32, int32_t)   \
    X(UINT32, uint32_t) \
    X(INT64, int64_t)   \
    X(UINT64, uint64_t) \
    X(BOOL, uint8_t)

double esk_tensor_double(const struct esk_tensor *tensor, int64_t i) {
    switch (tensor->dtype) {
#define ROW(name, type) \
    case ESK_##name:    \
        return (double)((const type *)tensor->data)[i];
        PLAIN_TYPES(ROW)
#undef ROW
    case ESK_FLOAT16:
        return esk_half_to_float(((const uint16_t *)tensor->data)[i]);
    case ESK_BFLOAT16:
        return esk_bfloat_to_float(((const uint16_t *)tensor->data)[i]);
    default:
        return 0;
    }
}

int64_t esk_tensor_find_nan(const struct esk_tensor *tensor) {
    bool floats = tensor->dtype == ESK_FLOAT || tensor->dtype == ESK_DOUBLE ||
                  tensor->dtype == ESK_FLOAT16 || tensor->dtype == ESK_BFLOAT16;
    int64_t count =
        tensor->rank < 0 ? 0 : esk_shape_product(tensor->dim, 0, tensor->rank);
    for (int64_t i = 0; floats && tensor->data && i < count; i++) {
        double value = esk_tensor_double(tensor, i);
        if (value != value)
            return i;
    }
    return -1;
}

int64_t esk_tensor_int(const struct esk_tensor *tensor, int64_t i) {
    switch (tensor->dtype) {
    case ESK_FLOAT:
    case ESK_DOUBLE:
    case ESK_FLOAT16:
    case ESK_BFLOAT16: {
        double value = esk_tensor_double(tensor, i);
        if (value != value)
            return 0;
        return value >= 0x1p63 ? INT64_MAX : value < -0x1p63 ? INT64_MIN : (int64_t)value;
    }
#define ROW(name, type) \
    case ESK_##name:    \
        return (int64_t)((const type *)tensor->data)[i];
#define ROW_INT(X)                                                            \
    X(INT8, int8_t)                                                           \
    X(UINT8, uint8_t) X(INT16, int16_t) X(UINT16, uint16_t) X(INT32, int32_t) \
        X(UINT32, uint32_t) X(INT64, int64_t) X(UINT64, uint64_t) X(BOOL, uint8_t)
        ROW_INT(ROW)
#undef ROW
    default:
        return 0;
    }
}

void esk_tensor_set_double(struct esk_tensor *tensor, int64_t i, double value) {
    switch (tensor->dtype) {
    case ESK_FLOAT:
        ((float *)tensor->data)[i] = (float)value;
        break;
    case ESK_DOUBLE:
        ((double *)tensor->data)[i] = value;
        break;
    case ESK_FLOAT16:
        ((uint16_t *)tensor->data)[i] = esk_double_to_half(value);
        break;
    case ESK_BFLOAT16:
        ((uint16_t *)tensor->data)[i] = esk_float_to_bfloat((float)value);
        break;
    default: {
        struct esk_tensor one = {.dtype = ESK_DOUBLE, .data = &value};
        esk_tensor_set_int(tensor, i, esk_tensor_int(&one, 0));
    }
    }
}

void esk_tensor_set_int(struct esk_tensor *tensor, int64_t i, int64_t value) {
    switch (tensor->dtype) {
    case ESK_FLOAT:
    case ESK_DOUBLE:
    case ESK_FLOAT16:
    case ESK_BFLOAT16:
        esk_tensor_set_double(tensor, i, (double)value);
        break;
    case ESK_BOOL:
        ((uint8_t *)tensor->data)[i] = value != 0;
        break;
#define ROW(name, type)                          \
    case ESK_##name:                             \
        ((type *)tensor->data)[i] = (type)value; \
        break;
        ROW(INT8, int8_t)
        ROW(UINT8, uint8_t)
        ROW(INT16, int16_t)
        ROW(UINT16, uint16_t)
        ROW(INT32, int32_t)
        ROW(UINT32, uint32_t)
        ROW(INT64, int64_t)
        ROW(UINT64, uint64_t)
#undef ROW
    default:
        break;
    }
}

bool esk_dtype_is_float(esk_dtype dtype) {
    return dtype == ESK_FLOAT || dtype == ESK_DOUBLE || dtype == ESK_FLOAT16 ||
           dtype == ESK_BFLOAT16;
}

bool esk_dtype_is_signed(esk_dtype dtype) {
    return dtype == ESK_INT8 || dtype == ESK_INT16 || dtype == ESK_INT32 ||
           dtype == ESK_INT64;
}

bool esk_dtype_is_int(esk_dtype dtype) {
    return esk_dtype_is_signed(dtype) || dtype == ESK_UINT8 || dtype == ESK_UINT16 ||
           dtype == ESK_UINT32 || dtype == ESK_UINT64;
}
