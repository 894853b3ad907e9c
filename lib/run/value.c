/* Values: tensors that go into a run and come out of it. In: types, shapes, bytes; out:
 * aligned host memory with its facts. Must not know sessions or graphs. */
#include "run/value.h"

#include "base/mem.h"
#include "front/onnx/onnx.h"

#include <inttypes.h>
#include <string.h>

enum { VALUE_ALIGN = 64 };

static esk_status make(esk_dtype dtype, int rank, const int64_t *dims, esk_value **value,
                       esk_error *error) {
    if (!esk_dtype_bits(dtype))
        return esk_fail(error, ESK_INVALID_ARGUMENT, "no tensor of element type %d (%s)",
                        (int)dtype, esk_dtype_name(dtype));
    if (rank < 0 || rank > ESK_MAX_RANK)
        return esk_fail(error, ESK_INVALID_ARGUMENT, "rank %d is not in 0..%d", rank,
                        ESK_MAX_RANK);
    for (int i = 0; i < rank; i++)
        if (dims[i] < 0)
            return esk_fail(error, ESK_INVALID_ARGUMENT, "dimension %d is %" PRId64, i,
                            dims[i]);
    int64_t count;
    size_t bytes;
    if (!esk_shape_count(rank, dims, &count) || !esk_dtype_bytes(dtype, count, &bytes))
        return esk_fail(error, ESK_INVALID_ARGUMENT,
                        "the tensor has more bytes than 63 bits count");
    esk_value *made = esk_calloc(1, sizeof *made);
    if (!made)
        return esk_fail_memory(error, "a value");
    made->tensor.dtype = dtype;
    made->tensor.rank = rank;
    for (int i = 0; i < rank; i++)
        made->tensor.dim[i] = dims[i];
    made->tensor.bytes = bytes;
    *value = made;
    return ESK_OK;
}

esk_status esk_value_create(esk_dtype dtype, int rank, const int64_t *dims,
                            esk_value **value, esk_error *error) {
    esk_value *made;
    ESK_TRY(make(dtype, rank, dims, &made, error));
    size_t size;
    made->owned =
        esk_add_size(made->tensor.bytes, VALUE_ALIGN, &size) ? esk_calloc(1, size) : NULL;
    if (!made->owned) {
        size = made->tensor.bytes;
        esk_free(made);
        return esk_fail(error, ESK_OUT_OF_MEMORY,
                        "out of memory for a tensor of %zu bytes", size);
    }
    uintptr_t over = (uintptr_t)made->owned % VALUE_ALIGN;
    made->tensor.data = (char *)made->owned + (VALUE_ALIGN - over) % VALUE_ALIGN;
    *value = made;
    return ESK_OK;
}

esk_status esk_value_borrow(esk_dtype dtype, int rank, const int64_t *dims, void *data,
                            size_t size, esk_release_fn release, void *user,
                            esk_value **value, esk_error *error) {
    esk_value *made;
    ESK_TRY(make(dtype, rank, dims, &made, error));
    size_t align = esk_dtype_bits(dtype) / 8, bytes = made->tensor.bytes;
    if (align > 8)
        align = 8; /* complex128 is two doubles */
    esk_status status = ESK_OK;
    if (size != bytes)
        status = esk_fail(error, ESK_INVALID_ARGUMENT,
                          "%zu bytes given for a tensor of %zu bytes", size, bytes);
    else if (!data && size)
        status = esk_fail(error, ESK_INVALID_ARGUMENT, "no memory given");
    else if (align > 1 && (uintptr_t)data % align)
        status = esk_fail(error, ESK_INVALID_ARGUMENT,
                          "memory of a %s tensor is not aligned to %zu bytes",
                          esk_dtype_name(dtype), align);
    if (status) {
        esk_free(made);
        return status;
    }
    made->tensor.data = data;
    made->release = release;
    made->user = user;
    *value = made;
    return ESK_OK;
}

esk_status esk_value_from_onnx(const void *bytes, size_t size, esk_value **value,
                               const char **name, esk_error *error) {
    struct esk_onnx_tensor read;
    ESK_TRY(esk_onnx_read_tensor(bytes, size, &read, error));
    esk_value *made;
    esk_status status = esk_value_create(read.tensor.dtype, read.tensor.rank,
                                         read.tensor.dim, &made, error);
    if (status == ESK_OK) {
        if (read.tensor.bytes)
            memcpy(made->tensor.data, read.tensor.data, read.tensor.bytes);
        made->name = read.name;
        read.name = NULL;
        if (name)
            *name = made->name;
        *value = made;
    }
    esk_onnx_tensor_finish(&read);
    return status;
}

esk_dtype esk_value_dtype(const esk_value *value) {
    return value->tensor.dtype;
}

int esk_value_rank(const esk_value *value) {
    return value->tensor.rank;
}

const int64_t *esk_value_dims(const esk_value *value) {
    return value->tensor.dim;
}

int64_t esk_value_count(const esk_value *value) {
    int64_t count = 0; /* the shape was checked when the value was made */
    esk_shape_count(value->tensor.rank, value->tensor.dim, &count);
    return count;
}

size_t esk_value_size(const esk_value *value) {
    return value->tensor.bytes;
}

void *esk_value_data(esk_value *value) {
    return value->tensor.data;
}

const void *esk_value_const_data(const esk_value *value) {
    return value->tensor.data;
}

void esk_value_destroy(esk_value *value) {
    if (!value)
        return;
    if (!value->owned && value->release)
        value->release(value->user, value->tensor.data);
    esk_free(value->owned);
    esk_free(value->name);
    esk_free(value);
}
