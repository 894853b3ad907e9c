/* One pass over untrusted protobuf bytes. In: bytes and the schema's descriptors; out: a
 * compact copy with weights cut out, every length proven to lie in its message. Must not
 * know ONNX beyond the names raw_data and Graph. */
#include "front/onnx/wire.h"

#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

enum { FIELDS = 24, LENGTH_BYTES = 5 }; /* fields that are counted; a padded varint */

struct frame {
    const struct frame *outer; /* NULL at the top */
    const ProtobufCMessageDescriptor *type;
    const ProtobufCFieldDescriptor *field; /* being read; NULL: none yet */
    uint32_t count[FIELDS];                /* of each field so far, by index */
    int depth, graphs;
};

struct walk {
    const uint8_t *bytes;
    uint8_t *out;
    size_t out_size, out_capacity;
    esk_error *error;
};

static void path_of(const struct frame *frame, struct esk_text *text) {
    if (frame->outer) {
        path_of(frame->outer, text);
        esk_text_add(text, ".");
    }
    const ProtobufCFieldDescriptor *field = frame->field;
    if (!field)
        return;
    esk_text_add(text, "%s", field->name);
    ptrdiff_t index = field - frame->type->fields;
    if (field->label == PROTOBUF_C_LABEL_REPEATED && index < FIELDS &&
        frame->count[index])
        esk_text_add(text, "[%u]", frame->count[index] - 1);
}

static esk_status bad(struct walk *w, const struct frame *frame, size_t at,
                      const char *what) {
    struct esk_text path = {0};
    path_of(frame, &path);
    esk_status status =
        esk_fail(w->error, ESK_INVALID_MODEL, "%s at byte %zu, in %s%s%s", what, at,
                 frame->outer || frame->field ? "'" : "the file", esk_text_str(&path),
                 frame->outer || frame->field ? "'" : "");
    esk_text_finish(&path);
    return status;
}

static esk_status put(struct walk *w, const void *data, size_t size) {
    if (size > INT_MAX || w->out_size + size > INT_MAX)
        return esk_fail(w->error, ESK_UNSUPPORTED,
                        "the model without its weights is larger than 2 GiB");
    if (!esk_grow((void **)&w->out, &w->out_capacity, w->out_size + size, 1))
        return esk_fail_memory(w->error, "a model");
    if (size)
        memcpy(w->out + w->out_size, data, size);
    w->out_size += size;
    return ESK_OK;
}

static esk_status put_tag(struct walk *w, uint32_t id, unsigned wire) {
    uint8_t tag[5];
    size_t n = 0;
    for (uint64_t value = (uint64_t)id << 3 | wire; n == 0 || value; value >>= 7)
        tag[n++] = (uint8_t)((value & 0x7f) | (value >> 7 ? 0x80 : 0));
    return put(w, tag, n);
}

/* A length as a varint of always five bytes, so that it can be written afterwards. */
static void set_length(uint8_t *at, size_t length) {
    for (int i = 0; i < LENGTH_BYTES; i++, length >>= 7)
        at[i] = (uint8_t)((length & 0x7f) | (i < LENGTH_BYTES - 1 ? 0x80 : 0));
}

/* A varint at *at, before `end`; false if it does not end or has more than 64 bits. */
static bool varint(const uint8_t *bytes, size_t *at, size_t end, uint64_t *value) {
    uint64_t result = 0;
    for (unsigned shift = 0; shift < 70 && *at < end; shift += 7) {
        uint8_t byte = bytes[(*at)++];
        if (shift == 63 && byte > 1)
            return false;
        result |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *value = result;
            return true;
        }
    }
    return false;
}

static unsigned wire_of(ProtobufCType type) {
    switch (type) {
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return 5;
    case PROTOBUF_C_TYPE_DOUBLE:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return 1;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return 2;
    default:
        return 0;
    }
}

static esk_status message(struct walk *w, struct frame *frame, size_t at, size_t end);

/* A field of wire type 2 whose payload is bytes[at, end). */
static esk_status length_delimited(struct walk *w, struct frame *frame, size_t at,
                                   size_t end) {
    const ProtobufCFieldDescriptor *field = frame->field;
    ESK_TRY(put_tag(w, field->id, 2));
    size_t patch = w->out_size;
    const uint8_t none[LENGTH_BYTES] = {0};
    ESK_TRY(put(w, none, LENGTH_BYTES));
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        struct frame inner = {.outer = frame,
                              .type = field->descriptor,
                              .depth = frame->depth + 1,
                              .graphs = frame->graphs};
        inner.graphs += strcmp(inner.type->short_name, "Graph") == 0;
        if (inner.depth > ESK_WIRE_DEPTH || inner.graphs > ESK_WIRE_GRAPHS)
            return bad(w, frame, at,
                       inner.graphs > ESK_WIRE_GRAPHS
                           ? "more than 32 graphs in each other"
                           : "more than 128 messages in each other");
        ESK_TRY(message(w, &inner, at, end));
    } else if (strcmp(field->name, "raw_data") == 0) {
        struct esk_wire_range range = {at, end - at};
        ESK_TRY(put(w, &range, sizeof range));
    } else {
        size_t unit = field->type == PROTOBUF_C_TYPE_FLOAT    ? 4
                      : field->type == PROTOBUF_C_TYPE_DOUBLE ? 8
                                                              : 1;
        if ((end - at) % unit)
            return bad(w, frame, at, "a packed list that does not end with an element");
        uint64_t value;
        for (size_t i = at; wire_of(field->type) == 0 && i < end;)
            if (!varint(w->bytes, &i, end, &value))
                return bad(w, frame, i, "a broken number");
        ESK_TRY(put(w, w->bytes + at, end - at));
    }
    set_length(w->out + patch, w->out_size - patch - LENGTH_BYTES);
    return ESK_OK;
}

/* Reads one field that starts at *at. */
static esk_status one_field(struct walk *w, struct frame *frame, size_t *at, size_t end) {
    size_t start = *at, from;
    uint64_t tag, value;
    frame->field = NULL;
    if (!varint(w->bytes, at, end, &tag) || tag >> 3 == 0 || tag > UINT32_MAX)
        return bad(w, frame, start, "a broken field tag");
    unsigned wire = tag & 7;
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(frame->type, (unsigned)(tag >> 3));
    frame->field = field;
    if (field && field - frame->type->fields < FIELDS)
        frame->count[field - frame->type->fields]++;

    from = *at;
    switch (wire) {
    case 0:
        if (!varint(w->bytes, at, end, &value))
            return bad(w, frame, from, "a broken number");
        break;
    case 1:
    case 5:
        if (end - from < (wire == 1 ? 8 : 4))
            return bad(w, frame, from, "a number that does not end in its message");
        *at += wire == 1 ? 8 : 4;
        break;
    case 2:
        if (!varint(w->bytes, at, end, &value))
            return bad(w, frame, from, "a broken length");
        if (value > end - *at)
            return bad(w, frame, from, "a length past the end of the message around it");
        from = *at;
        *at += (size_t)value;
        break;
    default:
        return bad(w, frame, start, "a wire type that ONNX does not use");
    }
    if (!field)
        return ESK_OK; /* nothing that we read */

    bool list = field->label == PROTOBUF_C_LABEL_REPEATED;
    if (wire != wire_of(field->type) && !(wire == 2 && list))
        return bad(w, frame, start, "a wire type that the field does not have");
    /* protobuf would merge the two; no writer of ONNX does this */
    if (field->type == PROTOBUF_C_TYPE_MESSAGE && !list &&
        field - frame->type->fields < FIELDS &&
        frame->count[field - frame->type->fields] > 1)
        return bad(w, frame, start, "a single message that is there twice");
    if (wire == 2)
        return length_delimited(w, frame, from, *at);
    ESK_TRY(put_tag(w, field->id, wire));
    return put(w, w->bytes + from, *at - from);
}

static esk_status message(struct walk *w, struct frame *frame, size_t at, size_t end) {
    while (at < end)
        ESK_TRY(one_field(w, frame, &at, end));
    return ESK_OK;
}

esk_status esk_wire_compact(const ProtobufCMessageDescriptor *top, const void *bytes,
                            size_t size, uint8_t **copy, size_t *copy_size,
                            esk_error *error) {
    struct walk w = {.bytes = bytes, .error = error};
    struct frame frame = {.type = top};
    esk_status status = message(&w, &frame, 0, size);
    if (status) {
        esk_free(w.out);
        return status;
    }
    *copy = w.out; /* NULL when nothing is left */
    *copy_size = w.out_size;
    return ESK_OK;
}
