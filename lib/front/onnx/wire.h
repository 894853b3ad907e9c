/* The walk over the bytes of a model before protobuf-c sees them. */
#ifndef ESK_FRONT_ONNX_WIRE_H
#define ESK_FRONT_ONNX_WIRE_H

#include "base/error.h"

#include <protobuf-c/protobuf-c.h>

enum {
    ESK_WIRE_DEPTH = 128, /* messages in messages */
    ESK_WIRE_GRAPHS = 32, /* graphs in graphs */
};

/* What a compacted message has in place of a raw_data field's bytes: where they are. */
struct esk_wire_range {
    uint64_t offset, length; /* in the original bytes */
};

/* Copies the message `top` that fills bytes[0, size) to the heap, without the bytes of
 * fields named raw_data (a struct esk_wire_range is there instead) and without fields
 * that the schema does not name. Checks every tag, wire type and length against the
 * message around it, and the nesting: what comes out is a message that protobuf-c can
 * read. The copy is freed with esk_free. Errors: INVALID_MODEL with path and offset,
 * UNSUPPORTED (the copy passes 2 GiB), OUT_OF_MEMORY. */
esk_status esk_wire_compact(const ProtobufCMessageDescriptor *top, const void *bytes,
                            size_t size, uint8_t **copy, size_t *copy_size,
                            esk_error *error);

#endif
