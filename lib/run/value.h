/* Inside of esk_value: a tensor with a name and an owner. */
#ifndef ESK_RUN_VALUE_H
#define ESK_RUN_VALUE_H

#include "ir/tensor.h"

struct esk_value {
    struct esk_tensor tensor;
    char *name;  /* owned; NULL: none */
    void *owned; /* the block that tensor.data lies in, 64-byte aligned; NULL: borrowed */
    esk_release_fn release; /* of borrowed memory; may be NULL */
    void *user;
};

#endif
