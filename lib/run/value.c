/* Values: tensors that go into a run and come out of it. In: types, shapes, bytes; out:
 * aligned host memory, or a device's, with its facts. Must not know sessions or graphs.
 */
#include "run/value.h"

#include "base/mem.h"
#include "esker/binding.h"
#include "front/onnx/onnx.h"
#include "run/env.h"

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

esk_location esk_value_location(const esk_value *value) {
    return value->on ? ESK_ON_DEVICE : ESK_ON_HOST;
}

static void leave_device(struct esk_on_device *on) {
    if (!on)
        return;
    on->provider->tensor_destroy(on->tensor);
    esk_env_release(on->env, on->open);
    pthread_mutex_destroy(&on->lock);
    esk_free(on->mirror);
    esk_free(on);
}

void esk_value_destroy(esk_value *value) {
    if (!value)
        return;
    leave_device(value->on);
    if (!value->owned && value->release)
        value->release(value->user, value->tensor.data);
    esk_free(value->owned);
    esk_free(value->name);
    esk_free(value);
}

/* ---- on a device ---- */

esk_status esk_value_make_on(struct esk_env *env, struct esk_open_device *open,
                             const struct esk_tensor *shape, uint32_t gl_buffer,
                             uint64_t gl_bytes, esk_value **value, esk_error *error) {
    esk_value *made;
    ESK_TRY(make(shape->dtype, shape->rank, shape->dim, &made, error));
    struct esk_on_device *on = esk_calloc(1, sizeof *on);
    if (!on || pthread_mutex_init(&on->lock, NULL)) {
        esk_free(on);
        esk_free(made);
        return esk_fail_memory(error, "a value on a device");
    }
    on->provider = open->provider;
    on->device = open->device;
    esk_status status =
        gl_buffer
            ? on->provider->tensor_wrap(on->device, &made->tensor, gl_buffer, gl_bytes,
                                        &on->tensor, error)
            : on->provider->tensor_create(on->device, &made->tensor, &on->tensor, error);
    if (status != ESK_OK) {
        pthread_mutex_destroy(&on->lock);
        esk_free(on);
        esk_free(made);
        return status;
    }
    on->env = env;
    on->open = open;
    on->serial = esk_env_share(env, open);
    on->foreign = gl_buffer != 0;
    made->on = on;
    *value = made;
    return ESK_OK;
}

void esk_value_changed(esk_value *value) {
    if (!value->on)
        return;
    pthread_mutex_lock(&value->on->lock);
    value->on->fresh = false;
    pthread_mutex_unlock(&value->on->lock);
}

esk_status esk_value_fetch(void *user, const void **data, esk_error *error) {
    esk_value *value = user;
    struct esk_on_device *on = value->on;
    esk_status status = ESK_OK;
    pthread_mutex_lock(&on->lock);
    if (!on->mirror)
        on->mirror = esk_malloc(value->tensor.bytes ? value->tensor.bytes : 1);
    if (!on->mirror)
        status = esk_fail_memory(error, "a value's bytes on the host");
    if (status == ESK_OK && !on->fresh) {
        struct esk_tensor to = value->tensor;
        to.data = on->mirror;
        status = on->provider->tensor_read(on->tensor, &to, error);
        on->fresh = status == ESK_OK;
    }
    *data = on->mirror;
    pthread_mutex_unlock(&on->lock);
    return status;
}

esk_status esk_value_as_input(esk_value *value, const struct esk_device *device,
                              struct esk_bind_input *input, esk_error *error) {
    *input = (struct esk_bind_input){.tensor = value->tensor};
    if (!value->on)
        return ESK_OK;
    if (value->on->foreign)
        esk_value_changed(value); /* by its owner, perhaps: each run looks anew */
    input->fetch = esk_value_fetch;
    input->user = value;
    if (value->on->device == device)
        return ESK_OK;
    const void *data;
    ESK_TRY(esk_value_fetch(value, &data, error));
    input->tensor.data = (void *)(uintptr_t)data;
    return ESK_OK;
}

struct esk_device_tensor *esk_input_tensor(const struct esk_bind_input *input) {
    return input->fetch == esk_value_fetch && !input->tensor.data
               ? ((esk_value *)input->user)->on->tensor
               : NULL;
}

/* ---- copies ---- */

esk_status esk_value_check_copy(const esk_value *from, const esk_value *to,
                                esk_error *error) {
    const struct esk_tensor *a = &from->tensor, *b = &to->tensor;
    if (a->dtype == b->dtype && esk_shape_equal(a->rank, a->dim, b->rank, b->dim))
        return ESK_OK;
    struct esk_text text = {0};
    esk_shape_print(&text, a->dtype, a->rank, a->dim);
    esk_text_add(&text, " cannot be copied to ");
    esk_shape_print(&text, b->dtype, b->rank, b->dim);
    esk_fail(error, ESK_INVALID_ARGUMENT, "%s", esk_text_str(&text));
    esk_text_finish(&text);
    return ESK_INVALID_ARGUMENT;
}

esk_status esk_value_copy(const esk_value *from, esk_value *to, esk_error *error) {
    if (!from || !to)
        return esk_fail(error, ESK_INVALID_ARGUMENT, "esk_value_copy: a value is NULL");
    ESK_TRY(esk_value_check_copy(from, to, error));
    const struct esk_tensor *a = &from->tensor;
    if (!a->bytes || from == to)
        return ESK_OK;
    esk_status status;
    if (from->on && to->on && from->on->device == to->on->device)
        status = to->on->provider->tensor_copy(from->on->tensor, to->on->tensor, error);
    else if (from->on && !to->on)
        return from->on->provider->tensor_read(from->on->tensor, &to->tensor, error);
    else if (from->on) { /* two devices: by the host */
        const void *data;
        if (from->on->foreign)
            esk_value_changed((esk_value *)(uintptr_t)from);
        ESK_TRY(esk_value_fetch((esk_value *)(uintptr_t)from, &data, error));
        struct esk_tensor host = *a;
        host.data = (void *)(uintptr_t)data;
        status = to->on->provider->tensor_write(to->on->tensor, &host, error);
    } else if (to->on)
        status = to->on->provider->tensor_write(to->on->tensor, a, error);
    else {
        memmove(to->tensor.data, a->data, a->bytes);
        return ESK_OK;
    }
    esk_value_changed(to);
    return status;
}
