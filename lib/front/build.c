/* The builder: public calls into the same graph calls that the loader uses. In: names and
 * values of the caller, copied; out: a model. Must not know operators. */
#include "front/model.h"

#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

static esk_status no_memory(esk_error *error) {
    return esk_fail_memory(error, "a model");
}

static const char *fold(const char *domain) {
    return !domain || strcmp(domain, "ai.onnx") == 0 ? "" : domain;
}

esk_status esk_model_create(const char *name, int opset, esk_model **model,
                            esk_error *error) {
    if (opset < 1)
        return esk_fail(error, ESK_INVALID_ARGUMENT, "opset %d is less than 1", opset);
    name = name && *name ? name : "graph";
    struct esk_model *made = esk_model_new();
    struct esk_text number = {0};
    esk_text_add(&number, "%d", opset);
    bool fine = made && (made->graph = esk_graph_create(name)) && !number.failed &&
                esk_model_add_opset(made, "", opset) &&
                esk_model_add_fact(made, "graph_name", name) &&
                esk_model_add_fact(made, "opset", esk_text_str(&number));
    esk_text_finish(&number);
    esk_status status = fine ? esk_model_describe(made, error) : no_memory(error);
    if (status) {
        esk_model_destroy(made);
        return status;
    }
    *model = made;
    return ESK_OK;
}

/* A new var under a name that nothing has yet. */
static esk_status new_var(esk_model *model, const char *name, esk_id *id,
                          esk_error *error) {
    uint32_t found;
    if (!name || !*name)
        return esk_fail(error, ESK_INVALID_ARGUMENT, "a value needs a name");
    if (esk_map_get(&model->names, name, &found))
        return esk_fail(error, ESK_INVALID_ARGUMENT, "there is a value '%s' already",
                        name);
    *id = esk_graph_add_var(model->graph, name);
    if (*id == ESK_NONE ||
        !esk_map_put(&model->names, model->graph->vars[*id]->name, *id))
        return no_memory(error);
    return ESK_OK;
}

esk_status esk_model_add_input(esk_model *model, const char *name, esk_dtype dtype,
                               int rank, const int64_t *dims, esk_error *error) {
    if (!esk_dtype_bits(dtype))
        return esk_fail(error, ESK_INVALID_ARGUMENT,
                        "input '%s': no tensor of type %d (%s)", name ? name : "",
                        (int)dtype, esk_dtype_name(dtype));
    if (rank < -1 || rank > ESK_MAX_RANK)
        return esk_fail(error, ESK_INVALID_ARGUMENT,
                        "input '%s': rank %d is not in -1..%d", name ? name : "", rank,
                        ESK_MAX_RANK);
    esk_id id;
    ESK_TRY(new_var(model, name, &id, error));
    struct esk_var *var = model->graph->vars[id];
    var->dtype = dtype;
    var->rank = rank;
    for (int i = 0; i < rank; i++)
        var->dim[i] = dims[i] < 0 ? -1 : dims[i];
    if (!esk_graph_add_input(model->graph, id))
        return no_memory(error);
    return esk_model_describe(model, error);
}

/* The value's bytes in a blob that the graph holds. */
static esk_status copy_value(struct esk_graph *graph, const esk_value *value,
                             struct esk_tensor *tensor, struct esk_blob **blob,
                             esk_error *error) {
    *tensor = (struct esk_tensor){.dtype = esk_value_dtype(value),
                                  .rank = esk_value_rank(value),
                                  .bytes = esk_value_size(value)};
    for (int i = 0; i < tensor->rank; i++)
        tensor->dim[i] = esk_value_dims(value)[i];
    *blob = esk_blob_heap(tensor->bytes);
    if (!*blob || !esk_graph_hold(graph, *blob)) {
        esk_blob_unref(*blob);
        return no_memory(error);
    }
    tensor->data = (*blob)->data;
    if (tensor->bytes)
        memcpy(tensor->data, esk_value_const_data(value), tensor->bytes);
    return ESK_OK;
}

esk_status esk_model_add_constant(esk_model *model, const char *name,
                                  const esk_value *value, esk_error *error) {
    struct esk_tensor tensor;
    struct esk_blob *blob;
    esk_id id;
    if (!value)
        return esk_fail(error, ESK_INVALID_ARGUMENT, "constant '%s': no value",
                        name ? name : "");
    ESK_TRY(new_var(model, name, &id, error));
    ESK_TRY(copy_value(model->graph, value, &tensor, &blob, error));
    struct esk_var *var = model->graph->vars[id];
    var->flags |= ESK_VAR_INITIALIZER;
    var->dtype = tensor.dtype;
    var->rank = tensor.rank;
    for (int i = 0; i < tensor.rank; i++)
        var->dim[i] = tensor.dim[i];
    var->data = tensor.data;
    var->bytes = tensor.bytes;
    var->blob = blob;
    return ESK_OK;
}

static esk_status check_attributes(const esk_attribute *attributes, size_t n,
                                   esk_error *error) {
    for (size_t i = 0; i < n; i++) {
        const esk_attribute *a = &attributes[i];
        if (!a->name || !*a->name)
            return esk_fail(error, ESK_INVALID_ARGUMENT, "an attribute without name");
        for (size_t j = 0; j < i; j++)
            if (strcmp(a->name, attributes[j].name) == 0)
                return esk_fail(error, ESK_INVALID_ARGUMENT,
                                "attribute '%s' is there twice", a->name);
        if (!a->kind || !strchr("ifsIFt", a->kind))
            return esk_fail(error, ESK_INVALID_ARGUMENT,
                            "attribute '%s': kind %d is none of i, f, s, I, F, t",
                            a->name, a->kind);
        if (a->kind == 't' && !a->tensor)
            return esk_fail(error, ESK_INVALID_ARGUMENT, "attribute '%s': no tensor",
                            a->name);
        if (a->count && ((a->kind == 'I' && !a->ints) || (a->kind == 'F' && !a->floats)))
            return esk_fail(error, ESK_INVALID_ARGUMENT, "attribute '%s': no numbers",
                            a->name);
    }
    return ESK_OK;
}

static bool set_floats(struct esk_graph *graph, struct esk_node *node,
                       const esk_attribute *a) {
    float *copy = ESK_ARENA_ARRAY(&graph->arena, float, a->count);
    struct esk_attr *attr = copy ? esk_node_add_attr(graph, node, a->name) : NULL;
    if (!attr)
        return false;
    if (a->count)
        memcpy(copy, a->floats, a->count * sizeof *copy);
    attr->kind = ESK_ATTR_FLOATS;
    attr->count = a->count;
    attr->floats = copy;
    return true;
}

static bool set_tensor(struct esk_graph *graph, struct esk_node *node,
                       const esk_attribute *a) {
    struct esk_blob *blob;
    struct esk_tensor *tensor = ESK_ARENA_NEW(&graph->arena, struct esk_tensor);
    if (!tensor || copy_value(graph, a->tensor, tensor, &blob, NULL) != ESK_OK)
        return false;
    struct esk_attr *attr = esk_node_add_attr(graph, node, a->name);
    if (!attr)
        return false;
    attr->kind = ESK_ATTR_TENSOR;
    attr->tensors = tensor;
    return true;
}

static bool set_attribute(struct esk_graph *graph, struct esk_node *node,
                          const esk_attribute *a) {
    switch (a->kind) {
    case 'i':
        return esk_node_set_int(graph, node, a->name, a->i);
    case 'f':
        return esk_node_set_float(graph, node, a->name, a->f);
    case 's':
        return esk_node_set_string(graph, node, a->name, a->s ? a->s : "");
    case 'I':
        return esk_node_set_ints(graph, node, a->name, a->count, a->ints);
    case 'F':
        return set_floats(graph, node, a);
    default:
        return set_tensor(graph, node, a);
    }
}

/* Checks all names before anything is made, so that a failed call changes nothing. */
static esk_status check_names(esk_model *model, const char *const *inputs,
                              size_t n_inputs, const char *const *outputs,
                              size_t n_outputs, esk_id *in, esk_error *error) {
    for (size_t i = 0; i < n_inputs; i++) {
        uint32_t id = ESK_NONE;
        if (inputs[i] && *inputs[i] && !esk_map_get(&model->names, inputs[i], &id))
            return esk_fail(error, ESK_INVALID_ARGUMENT, "nothing made input '%s' yet",
                            inputs[i]);
        in[i] = id;
    }
    for (size_t i = 0; i < n_outputs; i++) {
        uint32_t id;
        bool twice = false;
        if (!outputs[i] || !*outputs[i])
            continue;
        for (size_t j = 0; j < i; j++)
            twice |= outputs[j] && strcmp(outputs[i], outputs[j]) == 0;
        if (twice || esk_map_get(&model->names, outputs[i], &id))
            return esk_fail(error, ESK_INVALID_ARGUMENT, "there is a value '%s' already",
                            outputs[i]);
    }
    return ESK_OK;
}

esk_status esk_model_add_node(esk_model *model, const char *domain, const char *op_type,
                              const char *name, const char *const *inputs,
                              size_t n_inputs, const char *const *outputs,
                              size_t n_outputs, const esk_attribute *attributes,
                              size_t n_attributes, esk_error *error) {
    if (!op_type || !*op_type)
        return esk_fail(error, ESK_INVALID_ARGUMENT, "a node needs an operator");
    if (n_inputs >= ESK_NONE || n_outputs >= ESK_NONE)
        return esk_fail(error, ESK_INVALID_ARGUMENT, "more inputs than 32 bits count");
    struct esk_graph *graph = model->graph;
    esk_id *in = esk_calloc(n_inputs, sizeof *in),
           *out = esk_calloc(n_outputs, sizeof *out);
    esk_id id = ESK_NONE;
    esk_status status =
        in && out ? check_names(model, inputs, n_inputs, outputs, n_outputs, in, error)
                  : no_memory(error);
    if (status == ESK_OK)
        status = check_attributes(attributes, n_attributes, error);
    for (size_t i = 0; i < n_outputs && status == ESK_OK; i++) {
        out[i] = ESK_NONE;
        if (outputs[i] && *outputs[i])
            status = new_var(model, outputs[i], &out[i], error);
    }
    domain = fold(domain);
    bool imported = false;
    for (size_t i = 0; i < model->n_opsets; i++)
        imported |= strcmp(model->opsets[i].domain, domain) == 0;
    if (status == ESK_OK && !imported && !esk_model_add_opset(model, domain, 1))
        status = no_memory(error);
    if (status == ESK_OK) {
        id = esk_graph_add_node(graph, domain, op_type, name, (uint32_t)n_inputs, in,
                                (uint32_t)n_outputs, out);
        if (id == ESK_NONE)
            status = no_memory(error);
    }
    for (size_t i = 0; i < n_attributes && status == ESK_OK; i++)
        if (!set_attribute(graph, graph->nodes[id], &attributes[i]))
            status = no_memory(error);
    esk_free(in);
    esk_free(out);
    if (status) {
        esk_error_prefix(error, "%s '%s'", op_type, name ? name : "");
        return status;
    }
    return esk_model_describe(model, error);
}

esk_status esk_model_add_output(esk_model *model, const char *name, esk_error *error) {
    uint32_t id;
    if (!name || !esk_map_get(&model->names, name, &id))
        return esk_fail(error, ESK_INVALID_ARGUMENT, "nothing made output '%s' yet",
                        name ? name : "");
    if (model->graph->vars[id]->flags & ESK_VAR_OUTPUT)
        return esk_fail(error, ESK_INVALID_ARGUMENT, "'%s' is an output already", name);
    if (!esk_graph_add_output(model->graph, id))
        return no_memory(error);
    return esk_model_describe(model, error);
}
