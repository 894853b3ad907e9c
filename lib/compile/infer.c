/* Shapes and values of single nodes, and what is needed. In: a graph whose inputs have
 * shapes; out: facts in its vars. Must not know devices. */
#include "base/mem.h"
#include "compile/compile.h"

#include <string.h>

static esk_status check_types(const struct esk_ctx *c) {
    uint32_t alike = c->node->op->alike, real = c->node->op->real, first = UINT32_MAX;
    for (uint32_t i = 0; i < 32 && (alike | real) >> i && i < c->node->n_in; i++) {
        const struct esk_var *v = esk_in(c, i);
        if (!v)
            continue;
        if (real >> i & 1 && !esk_dtype_is_float(v->dtype))
            return esk_node_fail(c, ESK_INVALID_MODEL,
                                 "input %u is %s, it must be a float type", i,
                                 esk_dtype_name(v->dtype));
        if (!(alike >> i & 1))
            continue;
        if (first == UINT32_MAX)
            first = i;
        else if (v->dtype != esk_in(c, first)->dtype)
            return esk_node_fail(
                c, ESK_INVALID_MODEL,
                "input %u is %s, input %u is %s, both must be of one type", i,
                esk_dtype_name(v->dtype), first, esk_dtype_name(esk_in(c, first)->dtype));
    }
    return ESK_OK;
}

esk_status esk_infer_node(struct esk_graph *graph, struct esk_node *node,
                          esk_error *error) {
    struct esk_ctx c = {.graph = graph, .node = node, .error = error};
    if (!node->op->infer)
        return esk_node_fail(&c, ESK_INTERNAL, "the operator has no shape inference");
    ESK_TRY(check_types(&c));
    ESK_TRY(node->op->infer(&c));
    for (uint32_t i = 0; i < node->n_out; i++)
        if (node->out[i] != ESK_NONE && graph->vars[node->out[i]]->rank < 0)
            return esk_node_fail(&c, ESK_INTERNAL, "output %u got no shape", i);
    return ESK_OK;
}

static esk_status make_known(void *user, uint32_t i, esk_dtype dtype, int rank,
                             const int64_t *dims, struct esk_tensor *tensor,
                             esk_error *error) {
    struct esk_graph *graph = user;
    int64_t count;
    size_t bytes;
    if (rank > ESK_MAX_RANK || !esk_shape_count(rank, dims, &count) ||
        !esk_dtype_bytes(dtype, count, &bytes))
        return esk_fail(error, ESK_INVALID_MODEL, "output %u: a shape too large", i);
    void *data = esk_arena_alloc(&graph->arena, bytes);
    if (!data)
        return esk_fail_memory(error, "a known value");
    *tensor =
        (struct esk_tensor){.dtype = dtype, .rank = rank, .data = data, .bytes = bytes};
    if (rank)
        memcpy(tensor->dim, dims, (size_t)rank * sizeof *dims);
    return ESK_OK;
}

/* The same in a blob of its own that the graph holds: a constant that forms can share. */
static esk_status make_held(void *user, uint32_t i, esk_dtype dtype, int rank,
                            const int64_t *dims, struct esk_tensor *tensor,
                            esk_error *error) {
    struct esk_graph *graph = user;
    int64_t count;
    size_t bytes;
    if (rank > ESK_MAX_RANK || !esk_shape_count(rank, dims, &count) ||
        !esk_dtype_bytes(dtype, count, &bytes))
        return esk_fail(error, ESK_INVALID_MODEL, "output %u: a shape too large", i);
    struct esk_blob *blob = esk_blob_heap(bytes);
    if (!blob || !esk_graph_hold(graph, blob)) {
        esk_blob_unref(blob);
        return esk_fail_memory(error, "a folded constant");
    }
    *tensor = (struct esk_tensor){
        .dtype = dtype, .rank = rank, .data = blob->data, .bytes = bytes};
    if (rank)
        memcpy(tensor->dim, dims, (size_t)rank * sizeof *dims);
    return ESK_OK;
}

static esk_status eval(struct esk_graph *graph, struct esk_node *node, esk_make_fn make,
                       struct esk_arena *scratch, esk_error *error) {
    struct esk_tensor *in = ESK_ARENA_ARRAY(scratch, struct esk_tensor, node->n_in);
    struct esk_tensor *out = ESK_ARENA_ARRAY(scratch, struct esk_tensor, node->n_out);
    if (!in || !out)
        return esk_fail_memory(error, node->name);
    bool sized = node->op->flags & ESK_OP_DATA_SIZED, from_input = false;
    for (uint32_t i = 0; i < node->n_in; i++)
        if (node->in[i] != ESK_NONE) {
            in[i] = esk_var_tensor(graph->vars[node->in[i]]);
            from_input |= graph->vars[node->in[i]]->flags & ESK_VAR_FROM_INPUT;
        }
    for (uint32_t i = 0; i < node->n_out && !sized; i++) {
        if (node->out[i] == ESK_NONE)
            continue;
        const struct esk_var *var = graph->vars[node->out[i]];
        ESK_TRY(make(graph, i, var->dtype, var->rank, var->dim, &out[i], error));
    }
    ESK_TRY(esk_cpu_run(graph, node, in, out, make, graph, scratch, error));
    for (uint32_t i = 0; i < node->n_out; i++) {
        if (node->out[i] == ESK_NONE || !out[i].data)
            continue;
        struct esk_var *var = graph->vars[node->out[i]];
        var->dtype = out[i].dtype;
        var->rank = out[i].rank;
        memcpy(var->dim, out[i].dim, sizeof var->dim);
        var->data = out[i].data;
        var->bytes = out[i].bytes;
        if (from_input)
            var->flags |= ESK_VAR_FROM_INPUT;
    }
    return ESK_OK;
}

esk_status esk_eval_node(struct esk_graph *graph, struct esk_node *node,
                         esk_error *error) {
    struct esk_arena scratch = {0};
    esk_status status = eval(graph, node, make_known, &scratch, error);
    esk_arena_finish(&scratch);
    return status;
}

esk_status esk_fold_node(struct esk_graph *graph, struct esk_node *node,
                         esk_error *error) {
    struct esk_arena scratch = {0};
    esk_status status = eval(graph, node, make_held, &scratch, error);
    esk_arena_finish(&scratch);
    ESK_TRY(status);
    for (uint32_t i = 0; i < node->n_out; i++) {
        if (node->out[i] == ESK_NONE)
            continue;
        struct esk_var *var = graph->vars[node->out[i]];
        for (size_t j = graph->n_blobs; j-- > 0 && !var->blob;)
            if (graph->blobs[j]->data == var->data)
                var->blob = graph->blobs[j];
        var->flags |= ESK_VAR_INITIALIZER;
        var->producer = ESK_NONE;
    }
    node->dead = true;
    return ESK_OK;
}

esk_status esk_sweep(struct esk_graph *graph, const bool *keep, esk_error *error) {
    bool *needed = esk_calloc(graph->n_vars, sizeof *needed);
    if (!needed && graph->n_vars)
        return esk_fail_memory(error, "liveness");
    for (uint32_t i = 0; i < graph->n_outputs; i++)
        needed[graph->outputs[i]] = true;
    for (uint32_t i = 0; keep && i < graph->n_vars; i++)
        needed[i] |= keep[i];
    for (uint32_t at = graph->n_order; at-- > 0;) {
        struct esk_node *node = graph->nodes[graph->order[at]];
        bool wanted = false;
        for (uint32_t i = 0; i < node->n_out; i++)
            wanted |= node->out[i] != ESK_NONE && needed[node->out[i]] &&
                      !graph->vars[node->out[i]]->data;
        if (!wanted)
            node->dead = true;
        if (node->dead)
            continue;
        for (uint32_t i = node->op ? node->op->min_out : node->n_out; i < node->n_out;
             i++)
            if (node->out[i] != ESK_NONE && !needed[node->out[i]])
                node->out[i] = ESK_NONE; /* an optional output that nobody reads */
        for (uint32_t i = 0; i < node->n_in; i++)
            if (node->in[i] != ESK_NONE)
                needed[node->in[i]] = true;
        for (uint32_t i = 0; i < node->n_captures; i++)
            needed[node->captures[i]] = true;
    }
    esk_free(needed);
    return ESK_OK;
}

/* The body's vars as vars of the graph: an inlined input, the node's own output where the
 * body's output is made inside, or a new one. */
static esk_status map_vars(struct esk_graph *graph, const struct esk_node *node,
                           const struct esk_graph *body, uint32_t n_in, const esk_id *in,
                           esk_id *map, esk_error *error) {
    for (uint32_t i = 0; i < body->n_vars; i++)
        map[i] = ESK_NONE;
    for (uint32_t i = 0; i < body->n_inputs && i < n_in; i++)
        map[body->inputs[i]] = in[i];
    for (uint32_t i = 0; i < body->n_outputs && i < node->n_out; i++) {
        const struct esk_var *var = body->vars[body->outputs[i]];
        if (node->out[i] != ESK_NONE && map[body->outputs[i]] == ESK_NONE && !var->data)
            map[body->outputs[i]] = node->out[i];
    }
    for (uint32_t i = 0; i < body->n_vars; i++) {
        if (map[i] != ESK_NONE)
            continue;
        const struct esk_var *from = body->vars[i];
        esk_id id = map[i] = esk_graph_add_temp(graph, from->name);
        if (id == ESK_NONE)
            return esk_fail_memory(error, "an inlined body");
        struct esk_var *to = graph->vars[id];
        const char *name = to->name;
        *to = *from;
        to->name = name;
        to->producer = ESK_NONE;
        to->flags &= ESK_VAR_INITIALIZER;
    }
    return ESK_OK;
}

static esk_id *map_ids(struct esk_graph *graph, const esk_id *ids, uint32_t n,
                       const esk_id *map) {
    esk_id *mapped = esk_arena_copy(&graph->arena, ids, n * sizeof *ids);
    for (uint32_t i = 0; mapped && i < n; i++)
        if (ids[i] != ESK_NONE)
            mapped[i] = map[ids[i]];
    return mapped;
}

static esk_status copy_nodes(struct esk_graph *graph, const struct esk_node *node,
                             const struct esk_graph *body, const esk_id *map,
                             esk_error *error) {
    for (uint32_t at = 0; at < body->n_order; at++) {
        const struct esk_node *from = body->nodes[body->order[at]];
        if (from->dead)
            continue;
        esk_id *in = map_ids(graph, from->in, from->n_in, map);
        esk_id *out = map_ids(graph, from->out, from->n_out, map);
        const char *name =
            esk_arena_printf(&graph->arena, "%s/%s", node->name, from->name);
        esk_id id = in && out && name
                        ? esk_graph_add_node(graph, from->domain, from->op_type, name,
                                             from->n_in, in, from->n_out, out)
                        : ESK_NONE;
        if (id == ESK_NONE)
            return esk_fail_memory(error, "an inlined body");
        struct esk_node *to = graph->nodes[id];
        to->op = from->op;
        to->opset = from->opset;
        to->since = from->since;
        to->n_attrs = from->n_attrs;
        to->attrs = from->attrs;
        to->n_captures = from->n_captures;
        to->captures = map_ids(graph, from->captures, from->n_captures, map);
        to->capture_keys = from->capture_keys ? from->capture_keys : from->captures;
        if (!to->captures)
            return esk_fail_memory(error, "an inlined body");
    }
    return ESK_OK;
}

/* Outputs of the node that the body does not make itself: inputs or constants passed on.
 */
static esk_status pass_on(struct esk_graph *graph, const struct esk_node *node,
                          const struct esk_graph *body, const esk_id *map,
                          esk_error *error) {
    const struct esk_op *identity = esk_op_find("", "Identity");
    for (uint32_t i = 0; i < node->n_out && i < body->n_outputs; i++) {
        esk_id from = map[body->outputs[i]];
        if (node->out[i] == ESK_NONE || node->out[i] == from)
            continue;
        esk_id id = identity ? esk_graph_add_node(graph, "", identity->name, node->name,
                                                  1, &from, 1, &node->out[i])
                             : ESK_NONE;
        if (id == ESK_NONE)
            return esk_fail_memory(error, "an inlined body");
        graph->nodes[id]->op = identity;
        graph->nodes[id]->since = ESK_OPSET_NEWEST;
        graph->nodes[id]->opset = ESK_OPSET_NEWEST;
    }
    return ESK_OK;
}

esk_status esk_inline_body(struct esk_graph *graph, struct esk_node *node,
                           const struct esk_graph *body, uint32_t n_in, const esk_id *in,
                           esk_error *error) {
    esk_id *map = esk_calloc(body->n_vars, sizeof *map);
    if (!map)
        return esk_fail_memory(error, "an inlined body");
    uint32_t at = 0, first = graph->n_order;
    while (at < graph->n_order && graph->nodes[graph->order[at]] != node)
        at++;
    node->dead = true;
    esk_status status = map_vars(graph, node, body, n_in, in, map, error);
    if (status == ESK_OK)
        status = copy_nodes(graph, node, body, map, error);
    if (status == ESK_OK)
        status = pass_on(graph, node, body, map, error);
    if (status == ESK_OK)
        esk_graph_order_move(graph, first, at + 1);
    esk_free(map);
    return status;
}
