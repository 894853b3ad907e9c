/* Inside of esk_value: a tensor with a name and an owner. */
#ifndef ESK_RUN_VALUE_H
#define ESK_RUN_VALUE_H

#include "compile/compile.h"
#include "ir/provider.h"
#include "ir/tensor.h"

#include <pthread.h>

struct esk_env;
struct esk_open_device;

struct esk_value {
    struct esk_tensor tensor; /* no data while it is on a device */
    char *name;               /* owned; NULL: none */
    void *owned; /* the block that tensor.data lies in, 64-byte aligned; NULL: borrowed */
    esk_release_fn release; /* of borrowed memory; may be NULL */
    void *user;
    struct esk_on_device *on; /* owned; NULL: on the host */
};

/* Where a value on a device lies. */
struct esk_on_device {
    const struct esk_provider *provider;
    struct esk_env *env;          /* borrowed */
    struct esk_open_device *open; /* a reference: the device stays open */
    struct esk_device *device;
    struct esk_device_tensor *tensor; /* owned */
    uint64_t serial;      /* of all values that were ever made on devices of the env */
    bool foreign;         /* over a buffer that the caller may write to at any time */
    pthread_mutex_t lock; /* guards what follows */
    void *mirror;         /* owned; its bytes on the host, for what must be known there */
    bool fresh;           /* the mirror has what the tensor has */
};

/* A value in the memory of `open`; `gl_buffer` 0: memory of its own. */
esk_status esk_value_make_on(struct esk_env *env, struct esk_open_device *open,
                             const struct esk_tensor *shape, uint32_t gl_buffer,
                             uint64_t gl_bytes, esk_value **value, esk_error *error);
/* Whether one can be copied to the other: type and shape. */
esk_status esk_value_check_copy(const esk_value *from, const esk_value *to,
                                esk_error *error);
/* Something was written to it on the device. */
void esk_value_changed(esk_value *value);
/* For esk_bind_input: `user` is a value on a device. */
esk_status esk_value_fetch(void *user, const void **data, esk_error *error);
/* An input of a bind from a value. `device`: that of the session; what lies on another is
 * fetched. */
esk_status esk_value_as_input(esk_value *value, const struct esk_device *device,
                              struct esk_bind_input *input, esk_error *error);
/* The tensor of an input that is on the device; NULL: it is not. */
struct esk_device_tensor *esk_input_tensor(const struct esk_bind_input *input);

#endif
