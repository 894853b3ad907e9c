/* Writing small ONNX models as bytes: what the builder cannot say (bodies, inputs that
 * are initializers too). In: parts. Out: protobuf messages. Must not know Esker. */
#ifndef ESKER_TESTS_MESSAGE_H
#define ESKER_TESTS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed memory is an empty message. */
struct message {
    unsigned char bytes[4096];
    size_t size;
};

void message_int(struct message *message, unsigned field, uint64_t value);
void message_text(struct message *message, unsigned field, const char *text);
void message_add(struct message *message, unsigned field, const struct message *inner);

/* A tensor's ValueInfoProto, of a TensorProto.DataType; a dimension of -1 is free. */
struct message message_value(const char *name, int dtype, int rank, const int64_t *dims);
/* A float TensorProto. */
struct message message_tensor(const char *name, int rank, const int64_t *dims,
                              const float *data);
/* A NodeProto; `in` and `out` are names with spaces between. */
struct message message_node(const char *op, const char *in, const char *out);
/* Adds attribute `name`: a graph. */
void message_body(struct message *node, const char *name, const struct message *graph);
/* A ModelProto of IR 8, opset 17. */
struct message message_model(const struct message *graph);

/* y = If(cond) { Exp(x) } else { Neg(x) }, x float[2,3]; cond is a run input, or
 * ReduceMax(x) > 0. */
struct message message_if_model(bool on_device);

#endif
