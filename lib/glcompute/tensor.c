/* Device tensors. A tensor has a buffer on each screen where it was used; those whose
 * bytes are the newest are fresh. */
#include "glcompute/tensor.h"

#include "base/error.h"
#include "base/mem.h"

#include <string.h>

enum { SCREENS = 2 };

struct esk_device_tensor {
    struct esk_device *device;
    struct esk_tensor shape; /* no data */
    enum esk_storage storage;
    uint64_t bytes;
    bool foreign;         /* the caller's buffer, on the device's first screen */
    pthread_mutex_t lock; /* of what follows; taken before a screen's */
    struct at {
        struct esk_gl_screen *screen; /* NULL: free */
        struct esk_gl_buffer *buffer;
        bool fresh;
    } at[SCREENS];
    uint32_t latest; /* where it was used last */
};

uint64_t esk_gl_tensor_bytes(const struct esk_device_tensor *tensor) {
    return tensor->bytes;
}

/* ---- with a screen current ---- */

static esk_status enter(struct esk_gl_screen *screen, struct esk_egl_saved *saved,
                        esk_error *error) {
    *saved = (struct esk_egl_saved){0};
    pthread_mutex_lock(&screen->lock);
    esk_status status = esk_gl_screen_current(screen, saved, error);
    if (status != ESK_OK)
        pthread_mutex_unlock(&screen->lock);
    return status;
}

static esk_status leave(struct esk_gl_screen *screen, const struct esk_egl_saved *saved,
                        esk_status status) {
    esk_gl_screen_restore(screen, saved);
    if (status == ESK_DEVICE_LOST)
        screen->lost = true;
    pthread_mutex_unlock(&screen->lock);
    return status;
}

static esk_status map(struct esk_gl *gl, struct esk_gl_buffer *buffer, uint64_t bytes,
                      GLbitfield access, void **mapped, esk_error *error) {
    return esk_gl_buffer_map(gl, buffer, 0, bytes, access, "mapping a device tensor",
                             mapped, error);
}

static esk_status unmap(struct esk_gl *gl, struct esk_gl_buffer *buffer,
                        esk_error *error) {
    return esk_gl_buffer_unmap(gl, buffer, "unmapping a device tensor", error);
}

/* ---- places; under the tensor's lock ---- */

static struct at *place(struct esk_device_tensor *tensor, struct esk_gl_screen *screen) {
    uint32_t i = 0;
    while (i < SCREENS - 1 && tensor->at[i].screen && tensor->at[i].screen != screen)
        i++;
    tensor->at[i].screen = screen;
    tensor->latest = i;
    return &tensor->at[i];
}

static struct at *fresh(struct esk_device_tensor *tensor) {
    if (tensor->at[tensor->latest].fresh)
        return &tensor->at[tensor->latest];
    for (uint32_t i = 0; i < SCREENS; i++)
        if (tensor->at[i].fresh)
            return &tensor->at[i];
    return NULL;
}

static void set_fresh(struct esk_device_tensor *tensor, struct at *at) {
    for (uint32_t i = 0; i < SCREENS; i++)
        tensor->at[i].fresh = &tensor->at[i] == at;
}

/* With the screen current. */
static esk_status make_buffer(struct esk_device_tensor *tensor, struct at *at,
                              esk_error *error) {
    struct esk_gl_memory *memory = &at->screen->memory;
    if (at->buffer)
        return ESK_OK;
    ESK_TRY(esk_gl_buffer_create(memory, tensor->bytes, GL_DYNAMIC_COPY, "tensor",
                                 &at->buffer, error));
    return tensor->device->options.poison
               ? esk_gl_buffer_poison(memory, at->buffer, error)
               : ESK_OK;
}

/* Zeros, for who reads it before anybody wrote. With the screen current. */
static esk_status clear(struct esk_device_tensor *tensor, struct at *at,
                        esk_error *error) {
    void *zeros = esk_calloc(1, tensor->bytes);
    if (!zeros)
        return esk_fail_memory(error, "a tensor's first content");
    esk_status status = esk_gl_buffer_write(&at->screen->memory, at->buffer, 0,
                                            tensor->bytes, zeros, error);
    esk_free(zeros);
    return status;
}

/* The other screen's bytes, as they are, over the host. */
static esk_status bring(struct esk_device_tensor *tensor, struct at *from, struct at *to,
                        esk_error *error) {
    struct esk_egl_saved saved;
    void *bytes = esk_malloc(tensor->bytes), *mapped;
    if (!bytes)
        return esk_fail_memory(error, "a tensor between screens");
    esk_status status = enter(from->screen, &saved, error);
    if (status == ESK_OK) {
        struct esk_gl *gl = &from->screen->gl;
        status = map(gl, from->buffer, tensor->bytes, GL_MAP_READ_BIT, &mapped, error);
        if (status == ESK_OK) {
            memcpy(bytes, mapped, tensor->bytes);
            from->screen->counters.readbacks++;
            from->screen->counters.readback_bytes += tensor->bytes;
            status = unmap(gl, from->buffer, error);
        }
        status = leave(from->screen, &saved, status);
    }
    if (status == ESK_OK)
        status = enter(to->screen, &saved, error);
    else {
        esk_free(bytes);
        return status;
    }
    if (status == ESK_OK) {
        status = make_buffer(tensor, to, error);
        if (status == ESK_OK)
            status = esk_gl_buffer_write(&to->screen->memory, to->buffer, 0,
                                         tensor->bytes, bytes, error);
        to->screen->counters.uploads++;
        to->screen->counters.upload_bytes += tensor->bytes;
        status = leave(to->screen, &saved, status);
    }
    to->fresh = status == ESK_OK;
    esk_free(bytes);
    return status;
}

esk_status esk_gl_tensor_at(struct esk_device_tensor *tensor,
                            struct esk_gl_screen *screen, bool write,
                            struct esk_gl_buffer **buffer, esk_error *error) {
    pthread_mutex_lock(&tensor->lock);
    esk_status status = ESK_OK;
    struct at *at = place(tensor, screen), *from = fresh(tensor);
    if (!write && !at->fresh && from)
        status = bring(tensor, from, at, error);
    else if (!at->buffer || !from) {
        struct esk_egl_saved saved;
        status = enter(screen, &saved, error);
        if (status == ESK_OK) {
            status = make_buffer(tensor, at, error);
            if (status == ESK_OK && !write)
                status = clear(tensor, at, error);
            status = leave(screen, &saved, status);
        }
    }
    if (status == ESK_OK && (write || !from))
        set_fresh(tensor, at);
    *buffer = at->buffer;
    pthread_mutex_unlock(&tensor->lock);
    return status;
}

/* ---- the provider's functions ---- */

static esk_status make(struct esk_device *device, const struct esk_tensor *shape,
                       struct esk_device_tensor **tensor, esk_error *error) {
    enum esk_storage storage =
        esk_storage_of(shape->dtype, shape->rank, shape->dim, ESK_LAYOUT_DENSE);
    if (storage == ESK_STORAGE_HOST)
        return esk_fail(error, ESK_UNSUPPORTED, "a tensor of %s: the device stores none",
                        esk_dtype_name(shape->dtype));
    uint64_t bytes =
        esk_storage_bytes(storage, ESK_LAYOUT_DENSE, shape->rank, shape->dim);
    if (bytes > device->limits.max_slab)
        return esk_fail(error, ESK_UNSUPPORTED,
                        "a tensor takes %llu bytes, one binding of the device holds %llu",
                        (unsigned long long)bytes,
                        (unsigned long long)device->limits.max_slab);
    struct esk_device_tensor *made = esk_calloc(1, sizeof *made);
    if (!made || pthread_mutex_init(&made->lock, NULL)) {
        esk_free(made);
        return esk_fail_memory(error, "a device tensor");
    }
    made->device = device;
    made->shape = *shape;
    made->shape.data = NULL;
    made->storage = storage;
    made->bytes = bytes ? bytes : 16;
    *tensor = made;
    return ESK_OK;
}

esk_status esk_gl_tensor_create(struct esk_device *device, const struct esk_tensor *shape,
                                struct esk_device_tensor **tensor, esk_error *error) {
    return make(device, shape, tensor, error);
}

/* With the first screen current: that it is a buffer of the share group, large enough. */
static esk_status check_foreign(struct esk_gl *gl, uint32_t name, uint64_t bytes,
                                uint64_t needed, GLint64 *size, esk_error *error) {
    GLboolean is_buffer;
    ESK_GL_SET(gl, is_buffer, IsBuffer(name));
    if (!is_buffer)
        return esk_fail(
            error, ESK_INVALID_ARGUMENT,
            "GL buffer %u: the device's context does not see it; it must share "
            "with the context of the option eglContext",
            name);
    ESK_GL(gl, BindBuffer(GL_COPY_WRITE_BUFFER, name));
    ESK_GL(gl, GetBufferParameteri64v(GL_COPY_WRITE_BUFFER, GL_BUFFER_SIZE, size));
    ESK_TRY(esk_gl_status(gl, "a caller's buffer", error));
    if (*size < 0 || (uint64_t)*size < needed || bytes < needed ||
        bytes > (uint64_t)*size)
        return esk_fail(
            error, ESK_INVALID_ARGUMENT,
            "GL buffer %u has %lld bytes and was given as %llu; the tensor takes "
            "%llu (a multiple of 16)",
            name, (long long)*size, (unsigned long long)bytes,
            (unsigned long long)needed);
    return ESK_OK;
}

esk_status esk_gl_tensor_wrap(struct esk_device *device, const struct esk_tensor *shape,
                              uint32_t name, uint64_t bytes,
                              struct esk_device_tensor **tensor, esk_error *error) {
    struct esk_device_tensor *made;
    struct esk_egl_saved saved;
    GLint64 size = 0;
    ESK_TRY(make(device, shape, &made, error));
    esk_status status = enter(device->screen, &saved, error);
    if (status == ESK_OK)
        status = leave(
            device->screen, &saved,
            check_foreign(&device->screen->gl, name, bytes, made->bytes, &size, error));
    struct esk_gl_buffer *buffer =
        status == ESK_OK ? esk_calloc(1, sizeof *buffer) : NULL;
    if (status == ESK_OK && !buffer)
        status = esk_fail_memory(error, "a device tensor");
    if (status != ESK_OK) {
        esk_gl_tensor_destroy(made);
        return status;
    }
    buffer->id = name;
    buffer->bytes = (uint64_t)size;
    made->foreign = true;
    made->at[0] = (struct at){device->screen, buffer, true};
    *tensor = made;
    return ESK_OK;
}

void esk_gl_tensor_destroy(struct esk_device_tensor *tensor) {
    if (!tensor)
        return;
    for (uint32_t i = 0; i < SCREENS; i++) {
        struct at *at = &tensor->at[i];
        if (!at->buffer)
            continue;
        struct esk_egl_saved saved = {0};
        pthread_mutex_lock(&at->screen->lock);
        esk_gl_screen_current_to_free(at->screen, &saved);
        if (tensor->foreign && i == 0) {
            for (int v = 0; v < ESK_GL_VIEWS; v++)
                if (at->buffer->views[v])
                    ESK_GL(&at->screen->gl, DeleteTextures(1, &at->buffer->views[v]));
            esk_free(at->buffer);
        } else
            esk_gl_buffer_destroy(&at->screen->memory, at->buffer);
        esk_gl_screen_restore(at->screen, &saved);
        pthread_mutex_unlock(&at->screen->lock);
    }
    pthread_mutex_destroy(&tensor->lock);
    esk_free(tensor);
}

esk_status esk_gl_tensor_write(struct esk_device_tensor *tensor,
                               const struct esk_tensor *from, esk_error *error) {
    struct esk_gl_screen *screen = tensor->at[tensor->latest].screen;
    struct esk_gl_buffer *buffer;
    struct esk_egl_saved saved;
    void *mapped;
    screen = screen ? screen : tensor->device->screen;
    ESK_TRY(esk_gl_tensor_at(tensor, screen, true, &buffer, error));
    ESK_TRY(enter(screen, &saved, error));
    esk_status status =
        map(&screen->gl, buffer, tensor->bytes,
            GL_MAP_WRITE_BIT | GL_MAP_INVALIDATE_RANGE_BIT, &mapped, error);
    if (status == ESK_OK) {
        esk_storage_pack(mapped, tensor->bytes, tensor->storage, ESK_LAYOUT_DENSE, from);
        screen->counters.uploads++;
        screen->counters.upload_bytes += tensor->bytes;
        status = unmap(&screen->gl, buffer, error);
    }
    return leave(screen, &saved, status);
}

esk_status esk_gl_tensor_read(struct esk_device_tensor *tensor, struct esk_tensor *to,
                              esk_error *error) {
    struct esk_egl_saved saved;
    void *mapped;
    esk_status status = ESK_OK;
    pthread_mutex_lock(&tensor->lock);
    struct at *at = fresh(tensor);
    if (!at) { /* nothing was ever written */
        memset(to->data, 0, to->bytes);
        pthread_mutex_unlock(&tensor->lock);
        return ESK_OK;
    }
    status = enter(at->screen, &saved, error);
    if (status == ESK_OK) {
        struct esk_gl *gl = &at->screen->gl;
        status = map(gl, at->buffer, tensor->bytes, GL_MAP_READ_BIT, &mapped, error);
        if (status == ESK_OK) {
            esk_storage_unpack(mapped, tensor->storage, to);
            at->screen->counters.readbacks++;
            at->screen->counters.readback_bytes += tensor->bytes;
            status = unmap(gl, at->buffer, error);
        }
        status = leave(at->screen, &saved, status);
    }
    pthread_mutex_unlock(&tensor->lock);
    return status;
}

esk_status esk_gl_tensor_copy(struct esk_device_tensor *from,
                              struct esk_device_tensor *to, esk_error *error) {
    struct esk_gl_screen *screen = from->at[from->latest].screen;
    struct esk_gl_buffer *source, *target;
    struct esk_egl_saved saved;
    screen = to->foreign || !screen ? from->device->screen : screen;
    ESK_TRY(esk_gl_tensor_at(from, screen, false, &source, error));
    ESK_TRY(esk_gl_tensor_at(to, screen, true, &target, error));
    ESK_TRY(enter(screen, &saved, error));
    struct esk_gl *gl = &screen->gl;
    ESK_GL(gl, BindBuffer(GL_COPY_READ_BUFFER, source->id));
    ESK_GL(gl, BindBuffer(GL_COPY_WRITE_BUFFER, target->id));
    ESK_GL(gl, CopyBufferSubData(GL_COPY_READ_BUFFER, GL_COPY_WRITE_BUFFER, 0, 0,
                                 (GLsizeiptr)to->bytes));
    /* another context of the share group may read it next */
    if (from->foreign || to->foreign)
        ESK_GL(gl, Finish());
    return leave(screen, &saved, esk_gl_status(gl, "copying a device tensor", error));
}
