/* Copies of a graph: the clone that a bind fills with shapes (borrows whatever does not
 * change), the copy that stands alone, and the splice of a body into another graph. */
#include "ir/graph.h"

#include "base/mem.h"

#include <assert.h>
#include <string.h>

struct copier {
    const struct esk_graph *from;
    struct esk_graph *to;
    bool deep; /* strings, bytes and bodies too */
};

static bool copy_text(struct copier *c, const char **text) {
    if (c->deep && *text)
        return (*text = esk_arena_strdup(&c->to->arena, *text));
    return true;
}

/* The target holds the blob; false: memory. */
static bool share_blob(struct copier *c, struct esk_blob *blob) {
    for (size_t i = 0; i < c->to->n_blobs; i++)
        if (c->to->blobs[i] == blob)
            return true;
    if (!esk_graph_hold(c->to, blob))
        return false;
    esk_blob_ref(blob);
    return true;
}

static bool copy_bytes(struct copier *c, const void **data, size_t bytes) {
    if (!c->deep || !*data || esk_graph_blob_of(c->to, *data))
        return true;
    struct esk_blob *blob = esk_graph_blob_of(c->from, *data);
    if (blob)
        return share_blob(c, blob);
    return (*data = esk_arena_copy(&c->to->arena, *data, bytes));
}

static bool copy_names(struct copier *c, const char *const **names, int rank) {
    if (!c->deep || !*names || rank <= 0)
        return true;
    const char **copy = ESK_ARENA_ARRAY(&c->to->arena, const char *, (size_t)rank);
    for (int i = 0; copy && i < rank; i++) {
        copy[i] = (*names)[i];
        if (!copy_text(c, &copy[i]))
            return false;
    }
    *names = copy;
    return copy;
}

static bool copy_attr_deep(struct copier *c, struct esk_attr *attr) {
    struct esk_arena *arena = &c->to->arena;
    if (!copy_text(c, &attr->name) || !copy_text(c, &attr->ref))
        return false;
    switch (attr->kind) {
    case ESK_ATTR_STRING:
        return (attr->s.data = esk_arena_strndup(arena, attr->s.data, attr->s.length));
    case ESK_ATTR_INTS:
        return (attr->ints =
                    esk_arena_copy(arena, attr->ints, attr->count * sizeof *attr->ints));
    case ESK_ATTR_FLOATS:
        return (attr->floats = esk_arena_copy(arena, attr->floats,
                                              attr->count * sizeof *attr->floats));
    case ESK_ATTR_STRINGS: {
        struct esk_string *copy =
            esk_arena_copy(arena, attr->strings, attr->count * sizeof *copy);
        for (size_t i = 0; copy && i < attr->count; i++)
            if (!(copy[i].data = esk_arena_strndup(arena, copy[i].data, copy[i].length)))
                return false;
        return (attr->strings = copy);
    }
    case ESK_ATTR_TENSOR:
    case ESK_ATTR_TENSORS: {
        struct esk_tensor *copy =
            esk_arena_copy(arena, attr->tensors, attr->count * sizeof *copy);
        for (size_t i = 0; copy && i < attr->count; i++) {
            const void *data = copy[i].data;
            if (!copy_bytes(c, &data, copy[i].bytes))
                return false;
            copy[i].data = (void *)(uintptr_t)data;
        }
        return (attr->tensors = copy);
    }
    case ESK_ATTR_GRAPH:
    case ESK_ATTR_GRAPHS: {
        struct esk_graph **copy = ESK_ARENA_ARRAY(arena, struct esk_graph *, attr->count);
        for (size_t i = 0; copy && i < attr->count; i++) {
            copy[i] = esk_graph_copy(attr->graphs[i]);
            if (!copy[i])
                return false;
            if (!esk_graph_add_body(c->to, copy[i])) {
                esk_graph_destroy(copy[i]);
                return false;
            }
        }
        return (attr->graphs = copy);
    }
    default:
        return true;
    }
}

static bool copy_node(struct copier *c, struct esk_node *node) {
    struct esk_arena *arena = &c->to->arena;
    if (!c->deep && !node->capture_keys)
        node->capture_keys = node->captures; /* the bodies are shared */
    else if (node->capture_keys && !(node->capture_keys = esk_arena_copy(
                                         arena, node->capture_keys,
                                         node->n_captures * sizeof *node->capture_keys)))
        return false;
    node->in = esk_arena_copy(arena, node->in, node->n_in * sizeof *node->in);
    node->out = esk_arena_copy(arena, node->out, node->n_out * sizeof *node->out);
    node->captures =
        esk_arena_copy(arena, node->captures, node->n_captures * sizeof *node->captures);
    node->attrs = esk_arena_copy(arena, node->attrs, node->n_attrs * sizeof *node->attrs);
    if (!node->in || !node->out || !node->captures || !node->attrs ||
        !copy_text(c, &node->name) || !copy_text(c, &node->domain) ||
        !copy_text(c, &node->op_type) || !copy_text(c, &node->overload) ||
        !copy_text(c, &node->reason) || !copy_text(c, &node->label))
        return false;
    for (uint32_t i = 0; c->deep && i < node->n_attrs; i++)
        if (!copy_attr_deep(c, &node->attrs[i]))
            return false;
    return true;
}

static bool copy_ids(esk_id **to, size_t *capacity, uint32_t *n, const esk_id *from,
                     uint32_t count) {
    if (!count)
        return true;
    if (!esk_grow((void **)to, capacity, count, sizeof **to))
        return false;
    memcpy(*to, from, count * sizeof **to);
    *n = count;
    return true;
}

static bool copy_all(struct copier *c) {
    const struct esk_graph *from = c->from;
    struct esk_graph *to = c->to;
    for (size_t i = 0; c->deep && i < from->n_blobs; i++) {
        if (!esk_graph_hold(to, from->blobs[i]))
            return false;
        esk_blob_ref(from->blobs[i]);
    }
    struct esk_var *vars = ESK_ARENA_ARRAY(&to->arena, struct esk_var, from->n_vars);
    struct esk_node *nodes = ESK_ARENA_ARRAY(&to->arena, struct esk_node, from->n_nodes);
    if (!vars || !nodes ||
        !esk_grow((void **)&to->vars, &to->cap_vars, from->n_vars, sizeof *to->vars) ||
        !esk_grow((void **)&to->nodes, &to->cap_nodes, from->n_nodes, sizeof *to->nodes))
        return false;
    for (; to->n_vars < from->n_vars; to->n_vars++) {
        struct esk_var *var = to->vars[to->n_vars] = &vars[to->n_vars];
        *var = *from->vars[to->n_vars];
        if (!copy_text(c, &var->name) ||
            (!var->blob && !copy_bytes(c, &var->data, var->bytes)) ||
            !copy_names(c, &var->dim_name, var->rank) ||
            !copy_names(c, &var->dim_denotation, var->rank))
            return false;
    }
    for (; to->n_nodes < from->n_nodes; to->n_nodes++) {
        struct esk_node *node = to->nodes[to->n_nodes] = &nodes[to->n_nodes];
        *node = *from->nodes[to->n_nodes];
        if (!copy_node(c, node))
            return false;
    }
    to->n_formal = from->n_formal;
    to->rotary_split = from->rotary_split;
    to->kv_bits = from->kv_bits;
    to->is_body = from->is_body;
    return copy_ids(&to->order, &to->cap_order, &to->n_order, from->order,
                    from->n_order) &&
           copy_ids(&to->inputs, &to->cap_inputs, &to->n_inputs, from->inputs,
                    from->n_inputs) &&
           copy_ids(&to->outputs, &to->cap_outputs, &to->n_outputs, from->outputs,
                    from->n_outputs);
}

static struct esk_graph *copy_graph(const struct esk_graph *graph, bool deep) {
    struct copier c = {.from = graph, .to = esk_graph_create(graph->name), .deep = deep};
    if (c.to && !copy_all(&c)) {
        esk_graph_destroy(c.to);
        return NULL;
    }
    if (c.to)
        c.to->frozen_blobs = !deep;
    return c.to;
}

struct esk_graph *esk_graph_clone(const struct esk_graph *graph) {
    return copy_graph(graph, false);
}

struct esk_graph *esk_graph_copy(const struct esk_graph *graph) {
    assert(!graph->frozen_blobs);
    return copy_graph(graph, true);
}

bool esk_attr_copy(struct esk_graph *to, const struct esk_graph *from,
                   const struct esk_attr *attr, struct esk_attr *copy) {
    struct copier c = {.from = from, .to = to, .deep = true};
    *copy = *attr;
    return copy_attr_deep(&c, copy);
}

/* Nothing where the body has an input that is not there. */
static bool splice_var(struct copier *c, const char *prefix, esk_id id, esk_id *map) {
    const struct esk_var *var = c->from->vars[id];
    if (map[id] != ESK_NONE || ((var->flags & ESK_VAR_INPUT) && !var->data))
        return true;
    char *stem = esk_arena_printf(&c->to->arena, "%s/%s", prefix, var->name);
    if (!stem || (map[id] = esk_graph_add_temp(c->to, stem)) == ESK_NONE)
        return false;
    struct esk_var *made = c->to->vars[map[id]];
    made->dtype = var->dtype;
    made->rank = var->rank;
    memcpy(made->dim, var->dim, sizeof made->dim);
    made->flags = var->flags & ESK_VAR_INITIALIZER;
    made->data = var->data;
    made->bytes = var->bytes;
    made->blob = var->blob;
    return var->blob ? share_blob(c, var->blob) : copy_bytes(c, &made->data, made->bytes);
}

static esk_id mapped(const esk_id *map, esk_id id) {
    return id == ESK_NONE ? ESK_NONE : map[id];
}

/* What a body of `node` calls `outer` is this var around the node. */
static esk_id around(const struct esk_node *node, esk_id outer) {
    for (uint32_t k = 0; node->capture_keys && k < node->n_captures; k++)
        if (node->capture_keys[k] == outer)
            return node->captures[k];
    return outer;
}

/* Bodies that came along name their outer vars by the new ids. */
static void remap_bodies(struct esk_node *node, const struct esk_node *from,
                         const esk_id *map) {
    for (uint32_t a = 0; a < node->n_attrs; a++) {
        const struct esk_attr *attr = &node->attrs[a];
        if (attr->kind != ESK_ATTR_GRAPH && attr->kind != ESK_ATTR_GRAPHS)
            continue;
        for (size_t g = 0; g < attr->count; g++) {
            struct esk_graph *body = attr->graphs[g];
            for (uint32_t i = body->n_formal; i < body->n_inputs; i++) {
                struct esk_var *var = body->vars[body->inputs[i]];
                var->outer = mapped(map, around(from, var->outer));
            }
        }
    }
}

static bool splice_node(struct copier *c, const char *prefix, const struct esk_node *node,
                        const esk_id *map) {
    struct esk_arena *arena = &c->to->arena;
    char *name = esk_arena_printf(arena, "%s/%s", prefix, node->name);
    esk_id *in = ESK_ARENA_ARRAY(arena, esk_id, node->n_in);
    esk_id *out = ESK_ARENA_ARRAY(arena, esk_id, node->n_out);
    esk_id *captures = ESK_ARENA_ARRAY(arena, esk_id, node->n_captures);
    struct esk_attr *attrs = ESK_ARENA_ARRAY(arena, struct esk_attr, node->n_attrs);
    if (!name || !in || !out || !captures || !attrs)
        return false;
    for (uint32_t i = 0; i < node->n_in; i++)
        in[i] = mapped(map, node->in[i]);
    for (uint32_t i = 0; i < node->n_out; i++)
        out[i] = mapped(map, node->out[i]);
    for (uint32_t i = 0; i < node->n_captures; i++)
        captures[i] = mapped(map, node->captures[i]);
    esk_id id = esk_graph_add_node(c->to, node->domain, node->op_type, name, node->n_in,
                                   in, node->n_out, out);
    if (id == ESK_NONE)
        return false;
    struct esk_node *made = c->to->nodes[id];
    made->op = node->op;
    made->opset = node->opset;
    made->since = node->since;
    made->captures = captures;
    made->n_captures = node->n_captures;
    made->overload = esk_arena_strdup(arena, node->overload);
    made->attrs = attrs;
    for (uint32_t i = 0; i < node->n_attrs; i++) {
        if (!esk_attr_copy(c->to, c->from, &node->attrs[i], &attrs[i]))
            return false;
        made->n_attrs++;
    }
    remap_bodies(made, node, map);
    return made->overload;
}

bool esk_graph_splice(struct esk_graph *graph, const struct esk_graph *body,
                      const char *prefix, esk_id *map) {
    struct copier c = {.from = body, .to = graph, .deep = true};
    for (esk_id i = 0; i < body->n_vars; i++)
        if (!splice_var(&c, prefix, i, map))
            return false;
    for (uint32_t i = 0; i < body->n_order; i++) {
        const struct esk_node *node = body->nodes[body->order[i]];
        if (!node->dead && !splice_node(&c, prefix, node, map))
            return false;
    }
    return true;
}
