/* Elements of host tensors as numbers.
 * In: a dtype and bytes. Out: numbers, text. Must not know files or sessions. */
#include "element.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum element_class element_class(esk_dtype dtype) {
    switch (dtype) {
    case ESK_BOOL:
        return ELEMENT_BOOL;
    case ESK_INT8:
    case ESK_INT16:
    case ESK_INT32:
    case ESK_INT64:
    case ESK_INT4:
    case ESK_INT2:
        return ELEMENT_INT;
    case ESK_UINT8:
    case ESK_UINT16:
    case ESK_UINT32:
    case ESK_UINT64:
    case ESK_UINT4:
    case ESK_UINT2:
        return ELEMENT_UINT;
    case ESK_FLOAT:
    case ESK_DOUBLE:
    case ESK_FLOAT16:
    case ESK_BFLOAT16:
    case ESK_FLOAT8E4M3FN:
    case ESK_FLOAT8E4M3FNUZ:
    case ESK_FLOAT8E5M2:
    case ESK_FLOAT8E5M2FNUZ:
    case ESK_FLOAT4E2M1:
    case ESK_FLOAT8E8M0:
        return ELEMENT_REAL;
    case ESK_COMPLEX64:
    case ESK_COMPLEX128:
        return ELEMENT_COMPLEX;
    default:
        return ELEMENT_NONE;
    }
}

bool element_is_narrow_float(esk_dtype dtype) {
    return element_class(dtype) == ELEMENT_REAL && dtype != ESK_FLOAT &&
           dtype != ESK_DOUBLE;
}

/* A small float of `exponent` and `mantissa` bits. Without `special`, the largest
 * exponent is an ordinary one. */
static double small_float(unsigned bits, int exponent, int mantissa, int bias,
                          bool special) {
    int e = (int)(bits >> mantissa) & ((1 << exponent) - 1);
    int m = (int)(bits & ((1u << mantissa) - 1));
    double sign = bits >> (exponent + mantissa) & 1 ? -1 : 1;

    if (special && e == (1 << exponent) - 1)
        return m ? (double)NAN : sign * (double)INFINITY;
    if (!e)
        return sign * ldexp(m, 1 - bias - mantissa);
    return sign * ldexp((1 << mantissa) + m, e - bias - mantissa);
}

/* Reads and writes go through memcpy: files give no alignment. */
#define READ(type, data, index)                                                         \
    __extension__({                                                                     \
        type element_;                                                                  \
        memcpy(&element_, (const char *)(data) + (index) * sizeof(type), sizeof(type)); \
        element_;                                                                       \
    })
#define WRITE(type, data, index, value)                                           \
    do {                                                                          \
        type element_ = (type)(value);                                            \
        memcpy((char *)(data) + (index) * sizeof(type), &element_, sizeof(type)); \
    } while (0)

/* The bits of an element of a packed type. */
static unsigned packed(const void *data, size_t index, unsigned bits) {
    size_t at = index * bits;

    return ((const uint8_t *)data)[at / 8] >> (at % 8) & ((1u << bits) - 1);
}

double element_real(esk_dtype dtype, const void *data, size_t index, int part) {
    unsigned byte;
    uint32_t word;
    float wide;

    switch (dtype) {
    case ESK_FLOAT:
        return READ(float, data, index);
    case ESK_DOUBLE:
        return READ(double, data, index);
    case ESK_FLOAT16:
        return small_float(READ(uint16_t, data, index), 5, 10, 15, true);
    case ESK_BFLOAT16:
        word = (uint32_t)READ(uint16_t, data, index) << 16;
        memcpy(&wide, &word, sizeof(wide));
        return wide;
    case ESK_COMPLEX64:
        return READ(float, data, 2 * index + (size_t)part);
    case ESK_COMPLEX128:
        return READ(double, data, 2 * index + (size_t)part);
    case ESK_FLOAT8E4M3FN:
        byte = READ(uint8_t, data, index);
        return (byte & 0x7f) == 0x7f ? (double)NAN : small_float(byte, 4, 3, 7, false);
    case ESK_FLOAT8E4M3FNUZ:
        byte = READ(uint8_t, data, index);
        return byte == 0x80 ? (double)NAN : small_float(byte, 4, 3, 8, false);
    case ESK_FLOAT8E5M2:
        return small_float(READ(uint8_t, data, index), 5, 2, 15, true);
    case ESK_FLOAT8E5M2FNUZ:
        byte = READ(uint8_t, data, index);
        return byte == 0x80 ? (double)NAN : small_float(byte, 5, 2, 16, false);
    case ESK_FLOAT8E8M0:
        byte = READ(uint8_t, data, index);
        return byte == 0xff ? (double)NAN : ldexp(1, (int)byte - 127);
    case ESK_FLOAT4E2M1:
        return small_float(packed(data, index, 4), 2, 1, 1, false);
    case ESK_UINT64:
        return (double)READ(uint64_t, data, index);
    default:
        if (element_class(dtype) == ELEMENT_NONE)
            return (double)NAN;
        return (double)element_int(dtype, data, index);
    }
}

int64_t element_int(esk_dtype dtype, const void *data, size_t index) {
    switch (dtype) {
    case ESK_BOOL:
        return READ(uint8_t, data, index) != 0;
    case ESK_UINT8:
        return READ(uint8_t, data, index);
    case ESK_INT8:
        return READ(int8_t, data, index);
    case ESK_UINT16:
        return READ(uint16_t, data, index);
    case ESK_INT16:
        return READ(int16_t, data, index);
    case ESK_UINT32:
        return READ(uint32_t, data, index);
    case ESK_INT32:
        return READ(int32_t, data, index);
    case ESK_UINT64:
    case ESK_INT64:
        return READ(int64_t, data, index);
    case ESK_UINT4:
        return packed(data, index, 4);
    case ESK_INT4:
        return (int)(packed(data, index, 4) ^ 8) - 8;
    case ESK_UINT2:
        return packed(data, index, 2);
    case ESK_INT2:
        return (int)(packed(data, index, 2) ^ 2) - 2;
    default:
        return 0;
    }
}

/* Round to nearest, ties to even, from a double in one step. */
static uint16_t to_half(double value) {
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    double magnitude = fabs(value), unit;
    int exponent;

    if (isnan(value))
        return 0x7e00;
    if (magnitude >= 65520)
        return sign | 0x7c00;
    if (magnitude < ldexp(1, -14))
        return (uint16_t)(sign + (uint16_t)nearbyint(ldexp(magnitude, 24)));
    frexp(magnitude, &exponent); /* magnitude = [0.5, 1) · 2^exponent */
    unit = nearbyint(ldexp(magnitude, 11 - exponent)); /* 1024..2048 */
    return (uint16_t)(sign + ((exponent + 13) << 10) + (uint16_t)unit);
}

static uint16_t to_bfloat(double value) {
    float narrow = (float)value;
    uint32_t word;

    memcpy(&word, &narrow, sizeof(word));
    if (isnan(value))
        return 0x7fc0;
    return (uint16_t)((word + 0x7fff + (word >> 16 & 1)) >> 16);
}

static double clamp(double value, double low, double high) {
    if (isnan(value))
        return 0;
    value = nearbyint(value);
    return value < low ? low : value > high ? high : value;
}

bool element_store(esk_dtype dtype, void *data, size_t index, double value) {
    switch (dtype) {
    case ESK_FLOAT:
        WRITE(float, data, index, value);
        return true;
    case ESK_DOUBLE:
        WRITE(double, data, index, value);
        return true;
    case ESK_FLOAT16:
        WRITE(uint16_t, data, index, to_half(value));
        return true;
    case ESK_BFLOAT16:
        WRITE(uint16_t, data, index, to_bfloat(value));
        return true;
    case ESK_BOOL:
        WRITE(uint8_t, data, index, value != 0);
        return true;
    case ESK_UINT8:
        WRITE(uint8_t, data, index, clamp(value, 0, UINT8_MAX));
        return true;
    case ESK_INT8:
        WRITE(int8_t, data, index, clamp(value, INT8_MIN, INT8_MAX));
        return true;
    case ESK_UINT16:
        WRITE(uint16_t, data, index, clamp(value, 0, UINT16_MAX));
        return true;
    case ESK_INT16:
        WRITE(int16_t, data, index, clamp(value, INT16_MIN, INT16_MAX));
        return true;
    case ESK_UINT32:
        WRITE(uint32_t, data, index, clamp(value, 0, UINT32_MAX));
        return true;
    case ESK_INT32:
        WRITE(int32_t, data, index, clamp(value, INT32_MIN, INT32_MAX));
        return true;
    case ESK_UINT64: /* the largest doubles that fit */
        WRITE(uint64_t, data, index, clamp(value, 0, 18446744073709549568.0));
        return true;
    case ESK_INT64:
        WRITE(int64_t, data, index,
              clamp(value, -9223372036854775808.0, 9223372036854774784.0));
        return true;
    default:
        return false;
    }
}

char *element_print(esk_dtype dtype, const void *data, size_t index, char *text,
                    size_t size) {
    int digits = dtype == ESK_DOUBLE ? 12 : 7;

    switch (element_class(dtype)) {
    case ELEMENT_BOOL:
        snprintf(text, size, "%s", element_int(dtype, data, index) ? "true" : "false");
        break;
    case ELEMENT_INT:
        snprintf(text, size, "%" PRId64, element_int(dtype, data, index));
        break;
    case ELEMENT_UINT:
        snprintf(text, size, "%" PRIu64, (uint64_t)element_int(dtype, data, index));
        break;
    case ELEMENT_REAL:
        snprintf(text, size, "%.*g", digits, element_real(dtype, data, index, 0));
        break;
    case ELEMENT_COMPLEX:
        snprintf(text, size, "%.7g%+.7gi", element_real(dtype, data, index, 0),
                 element_real(dtype, data, index, 1));
        break;
    default:
        snprintf(text, size, "?");
        break;
    }
    return text;
}
