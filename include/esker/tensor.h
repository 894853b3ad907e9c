/* Tensors and values: what goes into a run and comes out of it. */
#ifndef ESKER_TENSOR_H
#define ESKER_TENSOR_H

#include "esker/status.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Element types: names and numbers are those of ONNX's TensorProto.DataType.
 * One row a type: name, number, bits of an element, text. */
#define ESK_DTYPE_LIST(X)                      \
    X(FLOAT, 1, 32, "float")                   \
    X(UINT8, 2, 8, "uint8")                    \
    X(INT8, 3, 8, "int8")                      \
    X(UINT16, 4, 16, "uint16")                 \
    X(INT16, 5, 16, "int16")                   \
    X(INT32, 6, 32, "int32")                   \
    X(INT64, 7, 64, "int64")                   \
    X(STRING, 8, 0, "string")                  \
    X(BOOL, 9, 8, "bool")                      \
    X(FLOAT16, 10, 16, "float16")              \
    X(DOUBLE, 11, 64, "double")                \
    X(UINT32, 12, 32, "uint32")                \
    X(UINT64, 13, 64, "uint64")                \
    X(COMPLEX64, 14, 64, "complex64")          \
    X(COMPLEX128, 15, 128, "complex128")       \
    X(BFLOAT16, 16, 16, "bfloat16")            \
    X(FLOAT8E4M3FN, 17, 8, "float8e4m3fn")     \
    X(FLOAT8E4M3FNUZ, 18, 8, "float8e4m3fnuz") \
    X(FLOAT8E5M2, 19, 8, "float8e5m2")         \
    X(FLOAT8E5M2FNUZ, 20, 8, "float8e5m2fnuz") \
    X(UINT4, 21, 4, "uint4")                   \
    X(INT4, 22, 4, "int4")                     \
    X(FLOAT4E2M1, 23, 4, "float4e2m1")         \
    X(FLOAT8E8M0, 24, 8, "float8e8m0")         \
    X(UINT2, 25, 2, "uint2")                   \
    X(INT2, 26, 2, "int2")

typedef enum esk_dtype {
    ESK_DTYPE_UNDEFINED = 0,
#define ESK_DTYPE_ENUM(name, number, bits, text) ESK_##name = number,
    ESK_DTYPE_LIST(ESK_DTYPE_ENUM)
#undef ESK_DTYPE_ENUM
} esk_dtype;

/* The most dimensions a tensor may have. */
#define ESK_MAX_RANK 8

/* Static text ("float16"); "undefined" for a number that is no type. */
ESK_API const char *esk_dtype_name(esk_dtype dtype);

/* Bits of one element; 0 for string and unknown types. Types under 8 bits are packed,
 * first element in the low bits, as in ONNX. */
ESK_API unsigned esk_dtype_bits(esk_dtype dtype);

/* A value: one tensor, in host memory (owned or borrowed) or in a device's
 * (esker/binding.h). Immutable facts (type, shape, location) may be read from any thread;
 * its bytes belong to one thread at a time, except while several runs only read them. */
typedef struct esk_value esk_value;

typedef enum esk_location {
    ESK_ON_HOST = 0,
    ESK_ON_DEVICE = 1,
} esk_location;

/* Called once when Esker no longer needs borrowed memory. May be called from any thread.
 */
typedef void (*esk_release_fn)(void *user, void *data);

/* A zero-filled tensor. dims: `rank` sizes (0 ≤ rank ≤ ESK_MAX_RANK), each ≥ 0; elements
 * are dense, row-major, in the host's byte order.
 * Errors: INVALID_ARGUMENT (type, rank, size overflow), OUT_OF_MEMORY. */
ESK_API esk_status esk_value_create(esk_dtype dtype, int rank, const int64_t *dims,
                                    esk_value **value, esk_error *error);

/* A tensor over the caller's memory, `size` bytes, not copied: it must be aligned to its
 * element and stay valid until `release` (may be NULL) is called, or, without one, until
 * the value is destroyed. Errors: INVALID_ARGUMENT when `size` is not what type and dims
 * need, or the memory is not aligned. */
ESK_API esk_status esk_value_borrow(esk_dtype dtype, int rank, const int64_t *dims,
                                    void *data, size_t size, esk_release_fn release,
                                    void *user, esk_value **value, esk_error *error);

/* Reads a serialized ONNX TensorProto (a test set's .pb file). The name, if asked for, is
 * owned by the value. Errors: INVALID_MODEL with the place. */
ESK_API esk_status esk_value_from_onnx(const void *bytes, size_t size, esk_value **value,
                                       const char **name, esk_error *error);

/* Facts of a value. None fails; the pointers live as long as the value. */
ESK_API esk_dtype esk_value_dtype(const esk_value *value);
ESK_API int esk_value_rank(const esk_value *value);
ESK_API const int64_t *esk_value_dims(const esk_value *value);
ESK_API int64_t esk_value_count(const esk_value *value); /* elements */
ESK_API size_t esk_value_size(const esk_value *value);   /* bytes */
ESK_API esk_location esk_value_location(const esk_value *value);
/* The bytes; NULL for a value on a device: esk_value_copy brings them. */
ESK_API void *esk_value_data(esk_value *value);
ESK_API const void *esk_value_const_data(const esk_value *value);

/* Frees the value and, if it owns them, its bytes. NULL is allowed. */
ESK_API void esk_value_destroy(esk_value *value);

#ifdef __cplusplus
}
#endif
#endif
