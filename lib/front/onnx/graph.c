/* GraphProto to graph: vars by name, nodes, attributes, bodies. In: messages; out: a
 * graph whose names may still be unsorted or of the graph around it (esk_model_verify
 * resolves them). Must not know operators. */
#include "front/onnx/reader.h"

#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

/* A graph under construction. */
struct scope {
    struct esk_onnx_reader *r;
    struct esk_graph *graph;
    struct esk_map names; /* var names to ids; keys are the vars' own */
};

const char *esk_onnx_domain(const char *domain) {
    domain = esk_pb_text(domain);
    return strcmp(domain, "ai.onnx") == 0 ? "" : domain;
}

static esk_status no_memory(struct esk_onnx_reader *r) {
    return esk_fail_memory(r->error, "a graph");
}

/* ---- Types ---- */

static const char *type_name(const esk_pb_type *type) {
    return type->sequence_type        ? "a sequence"
           : type->map_type           ? "a map"
           : type->optional_type      ? "an optional"
           : type->sparse_tensor_type ? "a sparse tensor"
           : type->opaque_type        ? "an opaque type"
                                      : "no tensor";
}

/* Names of dimensions, or denotations; NULL when there are none. */
static bool read_names(struct esk_graph *graph, const Esker__Onnx__Shape *shape,
                       bool denotation, const char *const **names) {
    const char **list = NULL;
    for (size_t i = 0; i < shape->n_dim; i++) {
        const Esker__Onnx__Dimension *dim = shape->dim[i];
        const char *text = denotation ? dim->denotation
                           : dim->value_case == ESKER__ONNX__DIMENSION__VALUE_DIM_PARAM
                               ? dim->dim_param
                               : NULL;
        if (!text || !*text)
            continue;
        if (!list && !(list = ESK_ARENA_ARRAY(&graph->arena, const char *, shape->n_dim)))
            return false;
        if (!(list[i] = esk_arena_strdup(&graph->arena, text)))
            return false;
    }
    *names = list;
    return true;
}

static esk_status read_type(struct scope *s, const esk_pb_type *type,
                            struct esk_var *var) {
    if (!type)
        return ESK_OK;
    if (!type->tensor_type) {
        bool empty = !type->sequence_type && !type->map_type && !type->optional_type &&
                     !type->sparse_tensor_type && !type->opaque_type;
        return empty ? ESK_OK
                     : esk_fail(s->r->error, ESK_UNSUPPORTED,
                                "it is %s; only tensors are "
                                "supported",
                                type_name(type));
    }
    const Esker__Onnx__Shape *shape = type->tensor_type->shape;
    int32_t dtype = type->tensor_type->elem_type;
    if (dtype && !esk_dtype_bits((esk_dtype)dtype) && dtype != ESK_STRING)
        return esk_fail(s->r->error, ESK_UNSUPPORTED, "element type %d is not known",
                        dtype);
    if (shape && shape->n_dim > ESK_MAX_RANK)
        return esk_fail(s->r->error, ESK_UNSUPPORTED, "rank %zu, the limit is %d",
                        shape->n_dim, ESK_MAX_RANK);
    var->dtype = (esk_dtype)dtype;
    if (!shape)
        return ESK_OK;
    var->rank = (int)shape->n_dim;
    for (size_t i = 0; i < shape->n_dim; i++) {
        const Esker__Onnx__Dimension *dim = shape->dim[i];
        bool given = dim->value_case == ESKER__ONNX__DIMENSION__VALUE_DIM_VALUE;
        var->dim[i] = given && dim->dim_value >= 0 ? dim->dim_value : -1;
    }
    if (!read_names(s->graph, shape, false, &var->dim_name) ||
        !read_names(s->graph, shape, true, &var->dim_denotation))
        return no_memory(s->r);
    return ESK_OK;
}

/* ---- Vars ---- */

/* The var of that name; made if there is none. */
static esk_status var_of(struct scope *s, const char *name, esk_id *id) {
    uint32_t found;
    if (esk_map_get(&s->names, name, &found)) {
        *id = found;
        return ESK_OK;
    }
    *id = esk_graph_add_var(s->graph, name);
    if (*id == ESK_NONE || !esk_map_put(&s->names, s->graph->vars[*id]->name, *id))
        return no_memory(s->r);
    return ESK_OK;
}

static bool is_defined(const struct esk_var *var) {
    return var->producer != ESK_NONE ||
           (var->flags & (ESK_VAR_INPUT | ESK_VAR_INITIALIZER));
}

static esk_status read_input(struct scope *s, const char *name, const esk_pb_type *type) {
    esk_id id;
    if (!*name)
        return esk_fail(s->r->error, ESK_INVALID_MODEL, "an input without name");
    ESK_TRY(var_of(s, name, &id));
    if (is_defined(s->graph->vars[id]))
        return esk_fail(s->r->error, ESK_INVALID_MODEL, "input '%s' is there twice",
                        name);
    ESK_AT(s->r->error, read_type(s, type, s->graph->vars[id]), "input '%s'", name);
    return esk_graph_add_input(s->graph, id) ? ESK_OK : no_memory(s->r);
}

/* Its bytes are in another file, and others are given in their place. */
static bool is_given(const struct esk_onnx_reader *r, const char *name,
                     const esk_pb_tensor *t) {
    if (!r->given || r->inside || !t || t->data_location != 1)
        return false;
    for (size_t i = 0; i < r->given->n_initializers; i++)
        if (strcmp(r->given->initializers[i].name, name) == 0)
            return true;
    return false;
}

static esk_status read_initializer(struct scope *s, const char *name,
                                   const esk_pb_tensor *t, const esk_pb_sparse *sparse) {
    if (!*name)
        return esk_fail(s->r->error, ESK_INVALID_MODEL, "an initializer without name");
    esk_id id;
    ESK_TRY(var_of(s, name, &id));
    struct esk_var *var = s->graph->vars[id];
    if (var->flags & ESK_VAR_INITIALIZER)
        return esk_fail(s->r->error, ESK_INVALID_MODEL, "initializer '%s' is there twice",
                        name);
    struct esk_tensor tensor;
    struct esk_blob *blob = NULL;
    ESK_AT(s->r->error,
           sparse ? esk_onnx_sparse_in(s->r, s->graph, sparse, &tensor, &blob)
           : is_given(s->r, name, t)
               ? esk_onnx_tensor_facts(s->r, t, &tensor)
               : esk_onnx_tensor_in(s->r, s->graph, t, &tensor, &blob),
           "initializer '%s'", name);
    bool fits = !(var->flags & ESK_VAR_INPUT) || var->dtype == ESK_DTYPE_UNDEFINED ||
                var->dtype == tensor.dtype;
    fits &= var->rank < 0 || var->rank == tensor.rank;
    for (int i = 0; fits && i < var->rank; i++)
        fits = var->dim[i] < 0 || var->dim[i] == tensor.dim[i];
    if (!fits)
        return esk_fail(
            s->r->error, ESK_INVALID_MODEL,
            "initializer '%s' is not of the type that the input of that name has", name);
    var->flags |= ESK_VAR_INITIALIZER;
    var->dtype = tensor.dtype;
    var->rank = tensor.rank;
    memcpy(var->dim, tensor.dim, sizeof var->dim);
    for (int i = tensor.rank; i < ESK_MAX_RANK; i++)
        var->dim[i] = -1;
    var->data = tensor.data;
    var->bytes = tensor.bytes;
    var->blob = blob;
    return ESK_OK;
}

static esk_status read_output(struct scope *s, const char *name,
                              const esk_pb_type *type) {
    esk_id id;
    if (!*name)
        return esk_fail(s->r->error, ESK_INVALID_MODEL, "an output without name");
    ESK_TRY(var_of(s, name, &id));
    struct esk_var *var = s->graph->vars[id];
    struct esk_var facts = *var;
    ESK_AT(s->r->error, read_type(s, type, &facts), "output '%s'", name);
    if (!(var->flags & (ESK_VAR_INPUT | ESK_VAR_INITIALIZER)))
        *var = facts;
    return esk_graph_add_output(s->graph, id) ? ESK_OK : no_memory(s->r);
}

/* What the model says of values inside; only a hint, so what we cannot say is left out.
 */
static esk_status read_hints(struct scope *s, Esker__Onnx__ValueInfo *const *infos,
                             size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t id;
        if (!esk_map_get(&s->names, esk_pb_text(infos[i]->name), &id))
            continue;
        struct esk_var *var = s->graph->vars[id];
        if (var->dtype || var->flags & (ESK_VAR_INPUT | ESK_VAR_INITIALIZER))
            continue;
        struct esk_var facts = *var;
        esk_status status = read_type(s, infos[i]->type, &facts);
        if (status == ESK_OK)
            *var = facts;
        else if (status != ESK_UNSUPPORTED)
            return status;
        else
            esk_error_clear(s->r->error);
    }
    return ESK_OK;
}

/* ---- Attributes ---- */

static enum esk_attr_kind kind_of(const esk_pb_attribute *a) {
    if (a->type)
        return (enum esk_attr_kind)a->type;
    /* the discriminator came with IR 2 */
    return a->has_f           ? ESK_ATTR_FLOAT
           : a->has_i         ? ESK_ATTR_INT
           : a->has_s         ? ESK_ATTR_STRING
           : a->t             ? ESK_ATTR_TENSOR
           : a->g             ? ESK_ATTR_GRAPH
           : a->n_floats      ? ESK_ATTR_FLOATS
           : a->n_ints        ? ESK_ATTR_INTS
           : a->n_strings     ? ESK_ATTR_STRINGS
           : a->n_tensors     ? ESK_ATTR_TENSORS
           : a->n_graphs      ? ESK_ATTR_GRAPHS
           : a->sparse_tensor ? ESK_ATTR_SPARSE_TENSOR
                              : ESK_ATTR_INTS; /* an empty list */
}

static bool read_string(struct esk_graph *graph, const ProtobufCBinaryData *bytes,
                        struct esk_string *string) {
    string->length = bytes->len;
    string->data =
        esk_arena_strndup(&graph->arena, (const char *)bytes->data, bytes->len);
    return string->data;
}

static esk_status read_tensors(struct esk_onnx_reader *r, struct esk_graph *graph,
                               esk_pb_tensor *const *list, size_t n,
                               struct esk_attr *attr) {
    struct esk_tensor *tensors = ESK_ARENA_ARRAY(&graph->arena, struct esk_tensor, n);
    if (!tensors)
        return no_memory(r);
    for (size_t i = 0; i < n; i++) {
        struct esk_blob *blob;
        ESK_TRY(esk_onnx_tensor_in(r, graph, list[i], &tensors[i], &blob));
    }
    attr->tensors = tensors;
    attr->count = n;
    return ESK_OK;
}

static esk_status read_graphs(struct esk_onnx_reader *r, struct esk_graph *graph,
                              esk_pb_graph *const *list, size_t n,
                              struct esk_attr *attr) {
    struct esk_graph **graphs = ESK_ARENA_ARRAY(&graph->arena, struct esk_graph *, n);
    if (!graphs)
        return no_memory(r);
    for (size_t i = 0; i < n; i++) {
        ESK_TRY(esk_onnx_graph_of(r, list[i], &graphs[i]));
        if (!esk_graph_add_body(graph, graphs[i])) {
            esk_graph_destroy(graphs[i]);
            return no_memory(r);
        }
    }
    attr->graphs = graphs;
    attr->count = n;
    return ESK_OK;
}

static esk_status read_payload(struct esk_onnx_reader *r, struct esk_graph *graph,
                               const esk_pb_attribute *a, struct esk_attr *attr) {
    struct esk_arena *arena = &graph->arena;
    switch (attr->kind) {
    case ESK_ATTR_FLOAT:
        attr->f = a->f;
        return ESK_OK;
    case ESK_ATTR_INT:
        attr->i = a->i;
        return ESK_OK;
    case ESK_ATTR_STRING:
        return read_string(graph, &a->s, &attr->s) ? ESK_OK : no_memory(r);
    case ESK_ATTR_TENSOR:
        if (!a->t)
            return esk_fail(r->error, ESK_INVALID_MODEL, "no tensor in it");
        return read_tensors(r, graph, &a->t, 1, attr);
    case ESK_ATTR_GRAPH:
        if (!a->g)
            return esk_fail(r->error, ESK_INVALID_MODEL, "no graph in it");
        return read_graphs(r, graph, &a->g, 1, attr);
    case ESK_ATTR_FLOATS:
        attr->count = a->n_floats;
        attr->floats = esk_arena_copy(arena, a->floats, a->n_floats * sizeof *a->floats);
        return attr->floats ? ESK_OK : no_memory(r);
    case ESK_ATTR_INTS:
        attr->count = a->n_ints;
        attr->ints = esk_arena_copy(arena, a->ints, a->n_ints * sizeof *a->ints);
        return attr->ints ? ESK_OK : no_memory(r);
    case ESK_ATTR_STRINGS: {
        struct esk_string *strings =
            ESK_ARENA_ARRAY(arena, struct esk_string, a->n_strings);
        for (size_t i = 0; strings && i < a->n_strings; i++)
            if (!read_string(graph, &a->strings[i], &strings[i]))
                return no_memory(r);
        attr->strings = strings;
        attr->count = a->n_strings;
        return strings ? ESK_OK : no_memory(r);
    }
    case ESK_ATTR_TENSORS:
        return read_tensors(r, graph, a->tensors, a->n_tensors, attr);
    case ESK_ATTR_GRAPHS:
        return read_graphs(r, graph, a->graphs, a->n_graphs, attr);
    case ESK_ATTR_SPARSE_TENSOR: /* kept by name and kind: operators refuse them */
    case ESK_ATTR_SPARSE_TENSORS:
    case ESK_ATTR_TYPE_PROTO:
    case ESK_ATTR_TYPE_PROTOS:
        attr->count = 0;
        return ESK_OK;
    }
    return ESK_OK;
}

esk_status esk_onnx_attr_of(struct esk_onnx_reader *r, struct esk_graph *graph,
                            const esk_pb_attribute *a, struct esk_attr *attr) {
    const char *name = esk_pb_text(a->name), *ref = esk_pb_text(a->ref_attr_name);
    if (!*name)
        return esk_fail(r->error, ESK_INVALID_MODEL, "an attribute without name");
    *attr = (struct esk_attr){.kind = kind_of(a), .count = 1};
    if (a->type < 0 || a->type > ESK_ATTR_TYPE_PROTOS)
        return esk_fail(r->error, ESK_UNSUPPORTED, "attribute '%s': kind %d is not known",
                        name, a->type);
    attr->name = esk_arena_strdup(&graph->arena, name);
    if (!attr->name)
        return no_memory(r);
    if (*ref) {
        attr->count = 0;
        attr->ref = esk_arena_strdup(&graph->arena, ref);
        return attr->ref ? ESK_OK : no_memory(r);
    }
    ESK_AT(r->error, read_payload(r, graph, a, attr), "attribute '%s'", name);
    return ESK_OK;
}

static esk_status read_attributes(struct scope *s, const esk_pb_node *n,
                                  struct esk_node *node) {
    struct esk_attr *attrs =
        ESK_ARENA_ARRAY(&s->graph->arena, struct esk_attr, n->n_attribute);
    if (!attrs)
        return no_memory(s->r);
    struct esk_map seen = {0};
    esk_status status = ESK_OK;
    for (uint32_t i = 0; i < n->n_attribute && status == ESK_OK; i++) {
        uint32_t other;
        status = esk_onnx_attr_of(s->r, s->graph, n->attribute[i], &attrs[i]);
        if (status == ESK_OK && esk_map_get(&seen, attrs[i].name, &other))
            status = esk_fail(s->r->error, ESK_INVALID_MODEL,
                              "attribute '%s' is there twice", attrs[i].name);
        else if (status == ESK_OK && n->n_attribute > 1 &&
                 !esk_map_put(&seen, attrs[i].name, i))
            status = no_memory(s->r);
    }
    esk_map_finish(&seen);
    node->attrs = attrs;
    node->n_attrs = status ? 0 : (uint32_t)n->n_attribute;
    return status;
}

/* ---- Nodes ---- */

static esk_status read_node_names(struct scope *s, const esk_pb_node *n, esk_id *in,
                                  esk_id *out) {
    for (size_t i = 0; i < n->n_input; i++) {
        in[i] = ESK_NONE;
        if (*n->input[i])
            ESK_TRY(var_of(s, n->input[i], &in[i]));
    }
    for (size_t i = 0; i < n->n_output; i++) {
        out[i] = ESK_NONE;
        if (!*n->output[i])
            continue;
        ESK_TRY(var_of(s, n->output[i], &out[i]));
        struct esk_var *var = s->graph->vars[out[i]];
        if (is_defined(var))
            return esk_fail(s->r->error, ESK_INVALID_MODEL,
                            "output '%s' is made more than once", n->output[i]);
        var->producer = s->graph->n_nodes; /* the node to come */
    }
    return ESK_OK;
}

static esk_status read_node(struct scope *s, const esk_pb_node *n) {
    const char *op_type = esk_pb_text(n->op_type);
    struct esk_graph *graph = s->graph;
    if (!*op_type)
        return esk_fail(s->r->error, ESK_INVALID_MODEL, "no operator name");
    if (n->n_input >= ESK_NONE || n->n_output >= ESK_NONE || n->n_attribute >= ESK_NONE)
        return esk_fail(s->r->error, ESK_INVALID_MODEL, "more inputs than 32 bits count");
    esk_id *in = esk_calloc(n->n_input, sizeof *in);
    esk_id *out = esk_calloc(n->n_output, sizeof *out);
    esk_id id = ESK_NONE;
    esk_status status = in && out ? read_node_names(s, n, in, out) : no_memory(s->r);
    if (status == ESK_OK) {
        id = esk_graph_add_node(graph, esk_onnx_domain(n->domain), op_type,
                                esk_pb_text(n->name), (uint32_t)n->n_input, in,
                                (uint32_t)n->n_output, out);
        if (id == ESK_NONE)
            status = no_memory(s->r);
    }
    esk_free(in);
    esk_free(out);
    if (status)
        return status;
    const char *overload = esk_pb_text(n->overload);
    if (*overload &&
        !(graph->nodes[id]->overload = esk_arena_strdup(&graph->arena, overload)))
        return no_memory(s->r);
    return read_attributes(s, n, graph->nodes[id]);
}

static esk_status read_nodes(struct scope *s, esk_pb_node *const *nodes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const char *name = esk_pb_text(nodes[i]->name);
        if (*name)
            ESK_AT(s->r->error, read_node(s, nodes[i]), "node '%s'", name);
        else
            ESK_AT(s->r->error, read_node(s, nodes[i]), "node %zu (%s)", i,
                   esk_pb_text(nodes[i]->op_type));
    }
    return ESK_OK;
}

/* ---- Graphs ---- */

static esk_status read_graph(struct scope *s, const esk_pb_graph *g) {
    for (size_t i = 0; i < g->n_input; i++)
        ESK_TRY(read_input(s, esk_pb_text(g->input[i]->name), g->input[i]->type));
    for (size_t i = 0; i < g->n_initializer; i++)
        ESK_TRY(read_initializer(s, esk_pb_text(g->initializer[i]->name),
                                 g->initializer[i], NULL));
    for (size_t i = 0; i < g->n_sparse_initializer; i++) {
        const esk_pb_sparse *sparse = g->sparse_initializer[i];
        ESK_TRY(read_initializer(
            s, sparse->values ? esk_pb_text(sparse->values->name) : "", NULL, sparse));
    }
    s->r->inside = true;
    ESK_TRY(read_nodes(s, g->node, g->n_node));
    for (size_t i = 0; i < g->n_output; i++)
        ESK_TRY(read_output(s, esk_pb_text(g->output[i]->name), g->output[i]->type));
    return read_hints(s, g->value_info, g->n_value_info);
}

static esk_status read_function(struct scope *s, const Esker__Onnx__Function *f) {
    for (size_t i = 0; i < f->n_input; i++)
        ESK_TRY(read_input(s, f->input[i], NULL));
    ESK_TRY(read_nodes(s, f->node, f->n_node));
    for (size_t i = 0; i < f->n_output; i++)
        ESK_TRY(read_output(s, f->output[i], NULL));
    return ESK_OK;
}

/* Makes the graph and fills it from one of the two messages. */
static esk_status build(struct esk_onnx_reader *r, const char *name,
                        const esk_pb_graph *g, const Esker__Onnx__Function *f,
                        struct esk_graph **graph) {
    struct scope s = {.r = r, .graph = esk_graph_create(*name ? name : "graph")};
    if (!s.graph)
        return no_memory(r);
    esk_status status = g ? read_graph(&s, g) : read_function(&s, f);
    esk_map_finish(&s.names);
    if (status) {
        esk_error_prefix(r->error, "%s '%s'", g ? "graph" : "function", s.graph->name);
        esk_graph_destroy(s.graph);
        return status;
    }
    *graph = s.graph;
    return ESK_OK;
}

esk_status esk_onnx_graph_of(struct esk_onnx_reader *r, const esk_pb_graph *g,
                             struct esk_graph **graph) {
    return build(r, esk_pb_text(g->name), g, NULL, graph);
}

esk_status esk_onnx_function_of(struct esk_onnx_reader *r, const Esker__Onnx__Function *f,
                                struct esk_graph **graph) {
    return build(r, esk_pb_text(f->name), NULL, f, graph);
}
