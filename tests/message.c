/* Writing small ONNX models as bytes: tags, lengths, payloads. Must not know Esker. */
#include "message.h"

#include <assert.h>
#include <string.h>

static void varint(struct message *message, uint64_t value) {
    assert(message->size + 10 <= sizeof(message->bytes));
    for (; value > 127; value >>= 7)
        message->bytes[message->size++] = (unsigned char)(value | 128);
    message->bytes[message->size++] = (unsigned char)value;
}

static void payload(struct message *message, unsigned field, const void *data,
                    size_t size) {
    varint(message, field << 3 | 2);
    varint(message, size);
    assert(message->size + size <= sizeof(message->bytes));
    memcpy(message->bytes + message->size, data, size);
    message->size += size;
}

void message_int(struct message *message, unsigned field, uint64_t value) {
    varint(message, field << 3);
    varint(message, value);
}

void message_text(struct message *message, unsigned field, const char *text) {
    payload(message, field, text, strlen(text));
}

void message_add(struct message *message, unsigned field, const struct message *inner) {
    payload(message, field, inner->bytes, inner->size);
}

struct message message_value(const char *name, int dtype, int rank, const int64_t *dims) {
    struct message shape = {.size = 0}, tensor = {.size = 0}, type = {.size = 0};
    struct message value = {.size = 0};

    for (int i = 0; i < rank; i++) {
        struct message dim = {.size = 0};

        if (dims[i] >= 0)
            message_int(&dim, 1, (uint64_t)dims[i]);
        message_add(&shape, 1, &dim);
    }
    message_int(&tensor, 1, (uint64_t)dtype);
    message_add(&tensor, 2, &shape);
    message_add(&type, 1, &tensor);
    message_text(&value, 1, name);
    message_add(&value, 2, &type);
    return value;
}

struct message message_tensor(const char *name, int rank, const int64_t *dims,
                              const float *data) {
    struct message tensor = {.size = 0};
    size_t count = 1;

    for (int i = 0; i < rank; i++) {
        message_int(&tensor, 1, (uint64_t)dims[i]);
        count *= (size_t)dims[i];
    }
    message_int(&tensor, 2, 1);
    message_text(&tensor, 8, name);
    payload(&tensor, 9, data, count * sizeof(*data));
    return tensor;
}

struct message message_node(const char *op, const char *in, const char *out) {
    struct message node = {.size = 0};

    for (const char *at = in; *at; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");

        payload(&node, 1, at, length);
        at += length;
    }
    message_text(&node, 2, out);
    message_text(&node, 3, out); /* named as its output */
    message_text(&node, 4, op);
    return node;
}

void message_body(struct message *node, const char *name, const struct message *graph) {
    struct message attribute = {.size = 0};

    message_text(&attribute, 1, name);
    message_add(&attribute, 6, graph);
    message_int(&attribute, 20, 5);
    message_add(node, 5, &attribute);
}

struct message message_model(const struct message *graph) {
    struct message model = {.size = 0}, opset = {.size = 0};

    message_int(&model, 1, 8);
    message_text(&model, 2, "esker tests");
    message_add(&model, 7, graph);
    message_text(&opset, 1, "");
    message_int(&opset, 2, 17);
    message_add(&model, 8, &opset);
    return model;
}

struct message message_if_model(bool on_device) {
    enum { FLOAT = 1, BOOL = 9 };
    const int64_t dims[] = {2, 3}, one[] = {1, 1};
    const float zero[] = {0};
    struct message graph = {.size = 0}, part, body, node;

    if (on_device) {
        part = message_node("ReduceMax", "x", "most");
        message_add(&graph, 1, &part);
        part = message_node("Greater", "most zero", "cond");
        message_add(&graph, 1, &part);
        part = message_tensor("zero", 2, one, zero);
        message_add(&graph, 5, &part);
    }
    node = message_node("If", "cond", "y");
    for (int i = 0; i < 2; i++) {
        body = (struct message){.size = 0};
        part = message_node(i ? "Neg" : "Exp", "t", i ? "neg" : "exp");
        message_add(&body, 1, &part);
        message_text(&body, 2, "body");
        part = message_value(i ? "neg" : "exp", FLOAT, 2, dims);
        message_add(&body, 12, &part);
        message_body(&node, i ? "else_branch" : "then_branch", &body);
    }
    part = message_node("Identity", "x", "t"); /* a capture that a node makes */
    message_add(&graph, 1, &part);
    message_add(&graph, 1, &node);
    message_text(&graph, 2, "main");
    part = message_value("x", FLOAT, 2, dims);
    message_add(&graph, 11, &part);
    if (!on_device) {
        part = message_value("cond", BOOL, 0, NULL);
        message_add(&graph, 11, &part);
    }
    part = message_value("y", FLOAT, 2, dims);
    message_add(&graph, 12, &part);
    return message_model(&graph);
}
