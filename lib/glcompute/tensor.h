/* Device tensors: memory that outlives runs. In: shapes, host bytes, buffers of callers;
 * out: a buffer on the screen that a plan runs on. Must not know plans. */
#ifndef ESK_GLCOMPUTE_TENSOR_H
#define ESK_GLCOMPUTE_TENSOR_H

#include "glcompute/device.h"

/* The tensor's buffer on `screen`, made if there is none. To read: with its bytes,
 * brought over the host from the other screen if they lie there. To write: the bytes on
 * the other screen are void from now on. Takes the screens' locks. */
esk_status esk_gl_tensor_at(struct esk_device_tensor *tensor,
                            struct esk_gl_screen *screen, bool write,
                            struct esk_gl_buffer **buffer, esk_error *error);
uint64_t esk_gl_tensor_bytes(const struct esk_device_tensor *tensor);

/* The provider's functions. */
esk_status esk_gl_tensor_create(struct esk_device *device, const struct esk_tensor *shape,
                                struct esk_device_tensor **tensor, esk_error *error);
esk_status esk_gl_tensor_wrap(struct esk_device *device, const struct esk_tensor *shape,
                              uint32_t name, uint64_t bytes,
                              struct esk_device_tensor **tensor, esk_error *error);
void esk_gl_tensor_destroy(struct esk_device_tensor *tensor);
esk_status esk_gl_tensor_write(struct esk_device_tensor *tensor,
                               const struct esk_tensor *from, esk_error *error);
esk_status esk_gl_tensor_read(struct esk_device_tensor *tensor, struct esk_tensor *to,
                              esk_error *error);
esk_status esk_gl_tensor_copy(struct esk_device_tensor *from,
                              struct esk_device_tensor *to, esk_error *error);

#endif
