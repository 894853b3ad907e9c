/* Reading ONNX: bytes of a ModelProto into a model, of a TensorProto into a tensor. */
#ifndef ESK_FRONT_ONNX_ONNX_H
#define ESK_FRONT_ONNX_ONNX_H

#include "front/model.h"

/* Fills a fresh model (esk_model_new) from a serialized ModelProto. Takes a reference of
 * `bytes`, into which initializers point. directory: where external data lie; NULL: they
 * are refused, but for files and initializers that are given (may be NULL). Errors:
 * INVALID_MODEL with the place, UNSUPPORTED, IO, OUT_OF_MEMORY. */
esk_status esk_onnx_load(struct esk_model *model, struct esk_blob *bytes,
                         const char *directory, const struct esk_given *given,
                         esk_error *error);

/* One tensor with its owners. */
struct esk_onnx_tensor {
    struct esk_tensor tensor; /* data lie in `blob` */
    struct esk_blob *blob;    /* one reference; not the owner of the message's bytes */
    char *name;               /* heap; "" if the message has none */
};

/* Reads a serialized TensorProto; data may point into `bytes`. */
esk_status esk_onnx_read_tensor(const void *bytes, size_t size,
                                struct esk_onnx_tensor *read, esk_error *error);
void esk_onnx_tensor_finish(struct esk_onnx_tensor *read);

#endif
