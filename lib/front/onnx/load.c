/* ModelProto to model. In: bytes of a file; out: graph, functions, opset imports,
 * metadata. The message lives only here: what stays is copied, or a range of the bytes.
 */
#include "front/onnx/reader.h"

#include "base/mem.h"
#include "front/onnx/wire.h"

#include <inttypes.h>
#include <string.h>

enum { IR_OLDEST = 3, IR_NEWEST = 14, IR_WITH_DEFAULTS = 4 };

/* protobuf-c's memory; remembers whether a failure was one of memory. */
struct pool {
    bool failed;
};

static void *pool_alloc(void *user, size_t size) {
    void *memory = esk_malloc(size);
    if (!memory)
        ((struct pool *)user)->failed = true;
    return memory;
}

static void pool_free(void *user, void *memory) {
    (void)user;
    esk_free(memory);
}

/* The message of type `top` in the bytes. */
static esk_status unpack(const ProtobufCMessageDescriptor *top, const void *bytes,
                         size_t size, ProtobufCMessage **message, esk_error *error) {
    uint8_t *copy;
    size_t copy_size;
    struct pool pool = {0};
    ProtobufCAllocator allocator = {pool_alloc, pool_free, &pool};
    ESK_TRY(esk_wire_compact(top, bytes, size, &copy, &copy_size, error));
    *message = protobuf_c_message_unpack(top, &allocator, copy_size,
                                         copy ? copy : (const uint8_t *)"");
    esk_free(copy);
    if (*message)
        return ESK_OK;
    return pool.failed ? esk_fail_memory(error, "a model")
                       : esk_fail(error, ESK_INVALID_MODEL, "broken protobuf message");
}

static void unpacked_free(ProtobufCMessage *message) {
    struct pool pool = {0};
    ProtobufCAllocator allocator = {pool_alloc, pool_free, &pool};
    protobuf_c_message_free_unpacked(message, &allocator);
}

static bool copy_opsets(struct esk_arena *arena, Esker__Onnx__OperatorSet *const *list,
                        size_t n, struct esk_function *f) {
    f->opsets = ESK_ARENA_ARRAY(arena, struct esk_opset, n);
    for (size_t i = 0; f->opsets && i < n; i++) {
        f->opsets[i].domain = esk_arena_strdup(arena, esk_onnx_domain(list[i]->domain));
        f->opsets[i].version = list[i]->version;
        if (!f->opsets[i].domain)
            return false;
    }
    f->n_opsets = n;
    return f->opsets;
}

static esk_status read_function(struct esk_onnx_reader *r, struct esk_model *model,
                                const Esker__Onnx__Function *proto) {
    struct esk_arena *arena = &model->arena;
    struct esk_function f = {0};
    if (!*esk_pb_text(proto->name))
        return esk_fail(r->error, ESK_INVALID_MODEL, "a function without name");
    if (!esk_grow((void **)&model->functions, &model->cap_functions,
                  model->n_functions + 1, sizeof *model->functions))
        return esk_fail_memory(r->error, "a function");
    f.domain = esk_arena_strdup(arena, esk_onnx_domain(proto->domain));
    f.name = esk_arena_strdup(arena, proto->name);
    f.overload = esk_arena_strdup(arena, esk_pb_text(proto->overload));
    f.attributes = ESK_ARENA_ARRAY(arena, const char *, proto->n_attribute);
    f.defaults = ESK_ARENA_ARRAY(arena, struct esk_attr, proto->n_attribute_proto);
    if (!f.domain || !f.name || !f.overload || !f.attributes || !f.defaults ||
        !copy_opsets(arena, proto->opset_import, proto->n_opset_import, &f))
        return esk_fail_memory(r->error, "a function");
    for (size_t i = 0; i < proto->n_attribute; i++)
        if (!(f.attributes[f.n_attributes++] =
                  esk_arena_strdup(arena, proto->attribute[i])))
            return esk_fail_memory(r->error, "a function");
    ESK_TRY(esk_onnx_function_of(r, proto, &f.graph));
    model->functions[model->n_functions++] = f; /* owns the graph from here */
    for (size_t i = 0; i < proto->n_attribute_proto; i++) {
        ESK_AT(r->error,
               esk_onnx_attr_of(r, f.graph, proto->attribute_proto[i], &f.defaults[i]),
               "function '%s'", f.name);
        model->functions[model->n_functions - 1].n_defaults++;
    }
    return ESK_OK;
}

static esk_status read_facts(struct esk_onnx_reader *r, struct esk_model *model,
                             const esk_pb_model *m) {
    struct esk_text number = {0};
    bool fine = true;
    for (size_t i = 0; i < m->n_opset_import; i++)
        fine &= esk_model_add_opset(model, esk_onnx_domain(m->opset_import[i]->domain),
                                    m->opset_import[i]->version);
    for (size_t i = 0; i < m->n_metadata_props; i++)
        fine &= esk_model_add_metadata(model, esk_pb_text(m->metadata_props[i]->key),
                                       esk_pb_text(m->metadata_props[i]->value));
    fine &= esk_model_add_fact(model, "producer_name", esk_pb_text(m->producer_name));
    fine &=
        esk_model_add_fact(model, "producer_version", esk_pb_text(m->producer_version));
    fine &= esk_model_add_fact(model, "domain", esk_pb_text(m->domain));
    fine &= esk_model_add_fact(model, "description", esk_pb_text(m->doc_string));
    fine &= esk_model_add_fact(model, "graph_name", esk_pb_text(m->graph->name));
    esk_text_add(&number, "%" PRId64, m->ir_version);
    fine &=
        !number.failed && esk_model_add_fact(model, "ir_version", esk_text_str(&number));
    for (size_t i = 0; i < model->n_opsets; i++)
        if (!*model->opsets[i].domain) {
            esk_text_clear(&number);
            esk_text_add(&number, "%" PRId64, model->opsets[i].version);
            fine &= !number.failed &&
                    esk_model_add_fact(model, "opset", esk_text_str(&number));
        }
    esk_text_finish(&number);
    return fine ? ESK_OK : esk_fail_memory(r->error, "a model");
}

/* Before IR version 4 an initializer had to be listed among the inputs and was constant
 * all the same; since then it is listed where it may be fed. */
static void drop_listed_constants(struct esk_graph *graph) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < graph->n_inputs; i++) {
        struct esk_var *var = graph->vars[graph->inputs[i]];
        if (var->flags & ESK_VAR_INITIALIZER)
            var->flags &= ~(uint32_t)ESK_VAR_INPUT;
        else
            graph->inputs[n++] = graph->inputs[i];
    }
    graph->n_formal = graph->n_inputs = n;
}

static esk_status read_model(struct esk_onnx_reader *r, struct esk_model *model,
                             const esk_pb_model *m) {
    if (!m->has_ir_version || !m->graph)
        return esk_fail(r->error, ESK_INVALID_MODEL,
                        "this is no ONNX model: it has no %s",
                        m->graph ? "IR version" : "graph");
    if (m->ir_version < IR_OLDEST || m->ir_version > IR_NEWEST)
        return esk_fail(r->error, ESK_UNSUPPORTED,
                        "IR version %" PRId64 "; versions %d to %d are supported",
                        m->ir_version, IR_OLDEST, IR_NEWEST);
    model->ir_version = m->ir_version;
    ESK_TRY(read_facts(r, model, m));
    ESK_TRY(esk_onnx_graph_of(r, m->graph, &model->graph));
    struct esk_graph *graph = model->graph;
    if (m->ir_version < IR_WITH_DEFAULTS)
        drop_listed_constants(graph);
    for (uint32_t i = 0; i < graph->n_inputs; i++)
        if (!graph->vars[graph->inputs[i]]->dtype)
            return esk_fail(r->error, ESK_INVALID_MODEL,
                            "graph '%s': input '%s' has no type", graph->name,
                            graph->vars[graph->inputs[i]]->name);
    for (size_t i = 0; i < m->n_functions; i++)
        ESK_TRY(read_function(r, model, m->functions[i]));
    return esk_model_describe(model, r->error);
}

esk_status esk_onnx_load(struct esk_model *model, struct esk_blob *bytes,
                         const char *directory, const struct esk_given *given,
                         esk_error *error) {
    struct esk_onnx_reader r = {.model = model,
                                .bytes = bytes,
                                .directory = directory,
                                .given = given,
                                .error = error};
    ProtobufCMessage *message;
    model->bytes = esk_blob_ref(bytes);
    ESK_TRY(unpack(&esker__onnx__model__descriptor, bytes->data, bytes->size, &message,
                   error));
    esk_status status = ESK_OK;
    for (size_t i = 0; given && i < given->n_files && status == ESK_OK; i++)
        status = esk_onnx_reader_give(&r, &given->files[i]);
    if (status == ESK_OK)
        status = read_model(&r, model, (const esk_pb_model *)message);
    unpacked_free(message);
    esk_onnx_reader_finish(&r);
    return status;
}

esk_status esk_onnx_read_tensor(const void *bytes, size_t size,
                                struct esk_onnx_tensor *read, esk_error *error) {
    ProtobufCMessage *message;
    ESK_TRY(unpack(&esker__onnx__tensor__descriptor, bytes, size, &message, error));
    const esk_pb_tensor *t = (const esk_pb_tensor *)message;
    const char *name = esk_pb_text(t->name);
    struct esk_blob *home = esk_blob_create((void *)(uintptr_t)bytes, size, NULL, NULL);
    struct esk_onnx_reader r = {.bytes = home, .error = error};
    struct esk_onnx_tensor made = {0};
    esk_status status = home ? esk_onnx_tensor_of(&r, t, &made.tensor, &made.blob)
                             : esk_fail_memory(error, "a tensor");
    if (status == ESK_OK && !(made.name = esk_strdup(name)))
        status = esk_fail_memory(error, "a tensor");
    if (status == ESK_OK)
        *read = made;
    else {
        if (*name && home)
            esk_error_prefix(error, "tensor '%s'", name);
        esk_onnx_tensor_finish(&made);
    }
    esk_blob_unref(home);
    esk_onnx_reader_finish(&r);
    unpacked_free(message);
    return status;
}

void esk_onnx_tensor_finish(struct esk_onnx_tensor *read) {
    esk_blob_unref(read->blob);
    esk_free(read->name);
    *read = (struct esk_onnx_tensor){0};
}
