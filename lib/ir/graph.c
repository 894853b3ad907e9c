/* The graph's arrays: vars, nodes, order, blobs, bodies. In: facts from loaders, passes
 * and upgrades; out: ids. Attributes are in graph_attr.c, copies in graph_copy.c, storage
 * and printing in graph_storage.c. Must not know operators. */
#include "ir/graph.h"

#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct esk_blob *esk_blob_create(void *data, size_t size,
                                 void (*release)(void *, void *, size_t), void *user) {
    struct esk_blob *blob = esk_calloc(1, sizeof *blob);
    if (!blob)
        return NULL;
    atomic_init(&blob->refs, 1);
    blob->data = data;
    blob->size = size;
    blob->release = release;
    blob->user = user;
    return blob;
}

static void release_heap(void *user, void *data, size_t size) {
    (void)data;
    (void)size;
    esk_free(user);
}

struct esk_blob *esk_blob_heap(size_t size) {
    enum { ALIGN = 64 };
    size_t bytes;
    char *memory = esk_add_size(size, ALIGN, &bytes) ? esk_calloc(1, bytes) : NULL;
    if (!memory)
        return NULL;
    char *data = memory + (ALIGN - (uintptr_t)memory % ALIGN) % ALIGN;
    struct esk_blob *blob = esk_blob_create(data, size, release_heap, memory);
    if (!blob)
        esk_free(memory);
    return blob;
}

struct esk_blob *esk_blob_ref(struct esk_blob *blob) {
    atomic_fetch_add_explicit(&blob->refs, 1, memory_order_relaxed);
    return blob;
}

void esk_blob_unref(struct esk_blob *blob) {
    if (!blob || atomic_fetch_sub_explicit(&blob->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (blob->release)
        blob->release(blob->user, blob->data, blob->size);
    esk_free(blob);
}

struct esk_graph *esk_graph_create(const char *name) {
    struct esk_graph *graph = esk_calloc(1, sizeof *graph);
    if (!graph)
        return NULL;
    esk_arena_init(&graph->arena);
    graph->name = esk_arena_strdup(&graph->arena, name);
    if (!graph->name) {
        esk_graph_destroy(graph);
        return NULL;
    }
    return graph;
}

void esk_graph_destroy(struct esk_graph *graph) {
    if (!graph)
        return;
    for (size_t i = 0; i < graph->n_bodies; i++)
        esk_graph_destroy(graph->bodies[i]);
    for (size_t i = 0; i < graph->n_blobs; i++)
        esk_blob_unref(graph->blobs[i]);
    esk_free(graph->bodies);
    esk_free(graph->blobs);
    esk_free(graph->vars);
    esk_free(graph->nodes);
    esk_free(graph->order);
    esk_free(graph->inputs);
    esk_free(graph->outputs);
    esk_arena_finish(&graph->arena);
    esk_free(graph);
}

static esk_id add_var_named(struct esk_graph *graph, const char *name) {
    struct esk_var *var = name ? ESK_ARENA_NEW(&graph->arena, struct esk_var) : NULL;
    if (!var || graph->n_vars == ESK_NONE ||
        !esk_grow((void **)&graph->vars, &graph->cap_vars, (size_t)graph->n_vars + 1,
                  sizeof *graph->vars))
        return ESK_NONE;
    var->name = name;
    var->rank = -1;
    for (int i = 0; i < ESK_MAX_RANK; i++)
        var->dim[i] = -1;
    var->producer = ESK_NONE;
    var->outer = ESK_NONE;
    graph->vars[graph->n_vars] = var;
    return graph->n_vars++;
}

esk_id esk_graph_add_var(struct esk_graph *graph, const char *name) {
    return add_var_named(graph, esk_arena_strdup(&graph->arena, name));
}

/* '#' and the id: no other temp has it, and exporters do not write it. */
esk_id esk_graph_add_temp(struct esk_graph *graph, const char *stem) {
    return add_var_named(graph,
                         esk_arena_printf(&graph->arena, "%s#%u", stem, graph->n_vars));
}

esk_id esk_graph_add_node(struct esk_graph *graph, const char *domain,
                          const char *op_type, const char *name, uint32_t n_in,
                          const esk_id *in, uint32_t n_out, const esk_id *out) {
    struct esk_arena *arena = &graph->arena;
    struct esk_node *node = ESK_ARENA_NEW(arena, struct esk_node);
    if (!node || graph->n_nodes == ESK_NONE)
        return ESK_NONE;
    node->domain = domain && *domain ? esk_arena_strdup(arena, domain) : "";
    node->op_type = esk_arena_strdup(arena, op_type);
    node->overload = "";
    node->name = name && *name
                     ? esk_arena_strdup(arena, name)
                     : esk_arena_printf(arena, "%s_%u", op_type, graph->n_nodes);
    node->n_in = n_in;
    node->n_out = n_out;
    node->in = esk_arena_copy(arena, in, n_in * sizeof *in);
    node->out = esk_arena_copy(arena, out, n_out * sizeof *out);
    if (!node->domain || !node->op_type || !node->name || !node->in || !node->out ||
        !esk_grow((void **)&graph->nodes, &graph->cap_nodes, (size_t)graph->n_nodes + 1,
                  sizeof *graph->nodes) ||
        !esk_grow((void **)&graph->order, &graph->cap_order, (size_t)graph->n_order + 1,
                  sizeof *graph->order))
        return ESK_NONE;
    esk_id id = graph->n_nodes++;
    graph->nodes[id] = node;
    graph->order[graph->n_order++] = id;
    for (uint32_t i = 0; i < n_out; i++)
        if (out[i] != ESK_NONE)
            graph->vars[out[i]]->producer = id;
    return id;
}

bool esk_graph_add_input(struct esk_graph *graph, esk_id var) {
    if (!esk_grow((void **)&graph->inputs, &graph->cap_inputs,
                  (size_t)graph->n_inputs + 1, sizeof *graph->inputs))
        return false;
    graph->inputs[graph->n_inputs++] = var;
    if (!(graph->vars[var]->flags & ESK_VAR_CAPTURE)) {
        assert(graph->n_formal == graph->n_inputs - 1);
        graph->n_formal = graph->n_inputs;
    }
    graph->vars[var]->flags |= ESK_VAR_INPUT;
    return true;
}

bool esk_graph_add_output(struct esk_graph *graph, esk_id var) {
    if (!esk_grow((void **)&graph->outputs, &graph->cap_outputs,
                  (size_t)graph->n_outputs + 1, sizeof *graph->outputs))
        return false;
    graph->outputs[graph->n_outputs++] = var;
    graph->vars[var]->flags |= ESK_VAR_OUTPUT;
    return true;
}

bool esk_graph_hold(struct esk_graph *graph, struct esk_blob *blob) {
    if (!esk_grow((void **)&graph->blobs, &graph->cap_blobs, graph->n_blobs + 1,
                  sizeof *graph->blobs))
        return false;
    graph->blobs[graph->n_blobs++] = blob;
    return true;
}

struct esk_blob *esk_graph_blob_of(const struct esk_graph *graph, const void *data) {
    uintptr_t at = (uintptr_t)data;
    for (size_t i = graph->n_blobs; i-- > 0;) {
        uintptr_t from = (uintptr_t)graph->blobs[i]->data;
        if (at >= from && at - from < graph->blobs[i]->size)
            return graph->blobs[i];
    }
    return NULL;
}

bool esk_graph_add_body(struct esk_graph *graph, struct esk_graph *body) {
    if (!esk_grow((void **)&graph->bodies, &graph->cap_bodies, graph->n_bodies + 1,
                  sizeof *graph->bodies))
        return false;
    graph->bodies[graph->n_bodies++] = body;
    body->is_body = true;
    return true;
}

esk_id esk_graph_add_const(struct esk_graph *graph, const char *stem, esk_dtype dtype,
                           int rank, const int64_t *dims, const void *data) {
    int64_t count;
    size_t bytes;
    if (!esk_shape_count(rank, dims, &count) || !esk_dtype_bytes(dtype, count, &bytes))
        return ESK_NONE;
    void *copy = esk_arena_copy(&graph->arena, data, bytes);
    esk_id id = copy ? esk_graph_add_temp(graph, stem) : ESK_NONE;
    if (id == ESK_NONE)
        return ESK_NONE;
    struct esk_var *var = graph->vars[id];
    var->dtype = dtype;
    var->rank = rank;
    for (int i = 0; i < rank; i++)
        var->dim[i] = dims[i];
    var->data = copy;
    var->bytes = bytes;
    return id;
}

static void reverse(esk_id *from, esk_id *to) {
    for (; from < to && from < --to; from++) {
        esk_id kept = *from;
        *from = *to;
        *to = kept;
    }
}

void esk_graph_order_move(struct esk_graph *graph, uint32_t from, uint32_t at) {
    assert(at <= from && from <= graph->n_order);
    /* a rotation by three reversals needs no memory */
    esk_id *order = graph->order;
    reverse(order + at, order + from);
    reverse(order + from, order + graph->n_order);
    reverse(order + at, order + graph->n_order);
}

/* The bodies of a node now take `to` where they took `from`. Bodies that are shared keep
 * their names for it, which capture_keys has; others are changed. */
static void replace_capture(struct esk_node *node, esk_id from, esk_id to) {
    uint32_t at = 0, n = 0;
    while (at < node->n_captures && node->captures[at] != from)
        at++;
    for (uint32_t i = at; node->capture_keys && i < node->n_captures; i++)
        if (node->captures[i] == from)
            node->captures[i] = to;
    if (at == node->n_captures || node->capture_keys)
        return;
    node->captures[at] = to;
    for (uint32_t i = 0; i < node->n_captures; i++) {
        bool twice = false;
        for (uint32_t j = 0; j < n; j++)
            twice |= node->captures[j] == node->captures[i];
        if (!twice)
            node->captures[n++] = node->captures[i];
    }
    node->n_captures = n;
    for (uint32_t a = 0; a < node->n_attrs; a++) {
        const struct esk_attr *attr = &node->attrs[a];
        if (attr->kind != ESK_ATTR_GRAPH && attr->kind != ESK_ATTR_GRAPHS)
            continue;
        for (size_t g = 0; g < attr->count; g++) {
            struct esk_graph *body = attr->graphs[g];
            for (uint32_t i = body->n_formal; i < body->n_inputs; i++)
                if (body->vars[body->inputs[i]]->outer == from)
                    body->vars[body->inputs[i]]->outer = to;
        }
    }
}

void esk_graph_replace_uses(struct esk_graph *graph, esk_id from, esk_id to) {
    for (uint32_t n = 0; n < graph->n_nodes; n++) {
        struct esk_node *node = graph->nodes[n];
        for (uint32_t i = 0; i < node->n_in; i++)
            if (node->in[i] == from)
                node->in[i] = to;
        replace_capture(node, from, to);
    }
    for (uint32_t i = 0; i < graph->n_outputs; i++)
        if (graph->outputs[i] == from) {
            graph->outputs[i] = to;
            graph->vars[to]->flags |= ESK_VAR_OUTPUT;
            graph->vars[from]->flags &= ~(uint32_t)ESK_VAR_OUTPUT;
        }
}

static uint32_t occurrences(const esk_id *ids, uint32_t n, esk_id id) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < n; i++)
        found += ids[i] == id;
    return found;
}

uint32_t esk_graph_count_uses(const struct esk_graph *graph, esk_id var) {
    uint32_t uses = occurrences(graph->outputs, graph->n_outputs, var);
    for (uint32_t n = 0; n < graph->n_nodes; n++) {
        const struct esk_node *node = graph->nodes[n];
        if (!node->dead)
            uses += occurrences(node->in, node->n_in, var) +
                    occurrences(node->captures, node->n_captures, var);
    }
    return uses;
}

esk_id esk_graph_only_user(const struct esk_graph *graph, esk_id var) {
    if (occurrences(graph->outputs, graph->n_outputs, var))
        return ESK_NONE;
    esk_id user = ESK_NONE;
    for (uint32_t n = 0; n < graph->n_nodes; n++) {
        const struct esk_node *node = graph->nodes[n];
        if (node->dead)
            continue;
        if (occurrences(node->captures, node->n_captures, var))
            return ESK_NONE;
        if (!occurrences(node->in, node->n_in, var))
            continue;
        if (user != ESK_NONE)
            return ESK_NONE;
        user = n;
    }
    return user;
}

struct esk_tensor esk_var_tensor(const struct esk_var *var) {
    struct esk_tensor tensor = {
        .dtype = var->dtype, .rank = var->rank, .bytes = var->bytes};
    tensor.data = (void *)(uintptr_t)var->data; /* readers take it as const */
    for (int i = 0; i < var->rank; i++)
        tensor.dim[i] = var->dim[i];
    return tensor;
}

int64_t esk_var_count(const struct esk_var *var) {
    return esk_shape_product(var->dim, 0, var->rank);
}

void esk_graph_set_caches(struct esk_graph *graph, int64_t rotary_split, int kv_bits) {
    graph->rotary_split = rotary_split;
    graph->kv_bits = kv_bits;
    for (size_t i = 0; i < graph->n_bodies; i++)
        esk_graph_set_caches(graph->bodies[i], rotary_split, kv_bits);
}
