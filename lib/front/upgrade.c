/* To the one dialect of the house. In: a verified model; out: every node an operator in
 * its newest form, functions expanded, constants known. Must not know what any operator
 * does. */
#include "front/verify.h"

#include "base/mem.h"

#include <string.h>

/* The most bytes that expanding functions may add: calls of calls multiply. */
static const size_t EXPANDED_MOST = (size_t)256 << 20;

struct upgrader {
    struct esk_model *model;
    const struct esk_logger *log;
    esk_error *error;
    size_t expanded; /* bytes so far */
};

static esk_status no_memory(struct upgrader *u) {
    return esk_fail_memory(u->error, "upgrading a model");
}

static bool has_graphs(const struct esk_attr *attr) {
    return (attr->kind == ESK_ATTR_GRAPH || attr->kind == ESK_ATTR_GRAPHS) && !attr->ref;
}

/* ---- Functions ---- */

static size_t graph_cost(const struct esk_graph *graph) {
    size_t cost = graph->arena.total + graph->n_nodes + graph->n_vars;
    for (size_t i = 0; i < graph->n_bodies; i++)
        cost += graph_cost(graph->bodies[i]);
    return cost;
}

static const struct esk_attr *argument(const struct esk_function *f,
                                       const struct esk_node *call, const char *name) {
    const struct esk_attr *attr = esk_node_attr(call, name);
    for (size_t i = 0; !attr && i < f->n_defaults; i++)
        if (strcmp(f->defaults[i].name, name) == 0)
            attr = &f->defaults[i];
    return attr;
}

/* Attributes that refer to the call's become theirs, in the node and its bodies. from:
 * the graph of the call. */
static esk_status bind_attrs(struct upgrader *u, struct esk_graph *graph,
                             struct esk_node *node, const struct esk_function *f,
                             const struct esk_graph *from, const struct esk_node *call) {
    for (uint32_t a = 0; a < node->n_attrs; a++) {
        struct esk_attr *attr = &node->attrs[a];
        for (size_t g = 0; has_graphs(attr) && g < attr->count; g++) {
            struct esk_graph *body = attr->graphs[g];
            for (esk_id i = 0; i < body->n_nodes; i++)
                ESK_TRY(bind_attrs(u, body, body->nodes[i], f, from, call));
        }
        if (!attr->ref)
            continue;
        const struct esk_attr *given = argument(f, call, attr->ref);
        if (!given) { /* neither given nor with default: as if it was not written */
            esk_node_remove_attr(node, attr->name);
            a--;
            continue;
        }
        if (has_graphs(given) || given->ref)
            return esk_fail(u->error, ESK_UNSUPPORTED,
                            "%s '%s': attribute '%s' of a function must be a value",
                            call->op_type, call->name, attr->ref);
        bool is_default = given >= f->defaults && given < f->defaults + f->n_defaults;
        const char *name = attr->name;
        if (!esk_attr_copy(graph, is_default ? f->graph : from, given, attr))
            return no_memory(u);
        attr->name = name;
    }
    return ESK_OK;
}

/* Which var of the caller each var of the function is, before its nodes are copied.
 * plain[j]: output j is not made by a node of its own and needs a copy. */
static esk_status map_call(struct upgrader *u, const struct esk_function *f,
                           const struct esk_node *call, esk_id *map, bool *plain) {
    const struct esk_graph *body = f->graph;
    for (esk_id i = 0; i < body->n_vars; i++)
        map[i] = ESK_NONE;
    for (uint32_t i = 0; i < body->n_formal && i < call->n_in; i++)
        map[body->inputs[i]] = call->in[i];
    for (uint32_t j = 0; j < body->n_outputs && j < call->n_out; j++) {
        esk_id id = body->outputs[j];
        if (call->out[j] == ESK_NONE)
            continue;
        plain[j] = body->vars[id]->producer == ESK_NONE || map[id] != ESK_NONE;
        if (!plain[j])
            map[id] = call->out[j];
        else if (body->vars[id]->producer == ESK_NONE && map[id] == ESK_NONE)
            return esk_fail(u->error, ESK_INVALID_MODEL,
                            "%s '%s': output %u is an input that is absent",
                            call->op_type, call->name, j);
    }
    for (esk_id n = 0; n < body->n_nodes; n++)
        for (uint32_t i = 0; i < body->nodes[n]->n_captures; i++) {
            const struct esk_var *var = body->vars[body->nodes[n]->captures[i]];
            if (var->producer == ESK_NONE && map[body->nodes[n]->captures[i]] == ESK_NONE)
                return esk_fail(u->error, ESK_UNSUPPORTED,
                                "%s '%s': input '%s' is absent, but a body takes it",
                                call->op_type, call->name, var->name);
        }
    return ESK_OK;
}

static esk_status add_copy(struct upgrader *u, struct esk_graph *graph,
                           const struct esk_node *call, esk_id from, esk_id to) {
    const struct esk_op *op = esk_op_find("", "Identity");
    if (!op)
        return esk_fail(u->error, ESK_UNSUPPORTED, "%s '%s': an output that is an input",
                        call->op_type, call->name);
    esk_id id = esk_graph_add_node(graph, "", op->name, call->name, 1, &from, 1, &to);
    if (id == ESK_NONE)
        return no_memory(u);
    graph->nodes[id]->op = op;
    graph->nodes[id]->opset = ESK_OPSET_NEWEST;
    graph->nodes[id]->since = esk_op_newest(op);
    return ESK_OK;
}

/* The nodes of the function take the place of the call at position `at`. */
static esk_status expand(struct upgrader *u, struct esk_graph *graph, uint32_t at,
                         esk_id *map, bool *plain, const struct esk_function *f) {
    struct esk_node *call = graph->nodes[graph->order[at]];
    uint32_t from = graph->n_order;
    ESK_TRY(map_call(u, f, call, map, plain));
    if (!esk_graph_splice(graph, f->graph, call->name, map))
        return no_memory(u);
    for (uint32_t i = from; i < graph->n_order; i++)
        ESK_TRY(bind_attrs(u, graph, graph->nodes[graph->order[i]], f, graph, call));
    for (uint32_t j = 0; j < call->n_out; j++)
        if (plain[j])
            ESK_TRY(add_copy(u, graph, call, map[f->graph->outputs[j]], call->out[j]));
    call->dead = true;
    esk_graph_order_move(graph, from, at);
    return ESK_OK;
}

static esk_status expand_call(struct upgrader *u, struct esk_graph *graph, uint32_t at) {
    struct esk_node *call = graph->nodes[graph->order[at]];
    struct esk_function *f = esk_model_function(u->model, call);
    if (!f)
        return esk_fail(u->error, ESK_UNSUPPORTED, "no operator or function: %s",
                        call->op_type);
    u->expanded += graph_cost(f->graph);
    if (u->expanded > EXPANDED_MOST)
        return esk_fail(u->error, ESK_UNSUPPORTED,
                        "%s '%s': expanded functions pass %zu bytes", call->op_type,
                        call->name, EXPANDED_MOST);
    esk_log(u->log, ESK_LOG_VERBOSE, "%s '%s': function expanded", call->op_type,
            call->name);
    esk_id *map = esk_calloc(f->graph->n_vars, sizeof *map);
    bool *plain = esk_calloc(call->n_out, sizeof *plain);
    esk_status status = map && plain ? expand(u, graph, at, map, plain, f) : no_memory(u);
    esk_free(map);
    esk_free(plain);
    return status;
}

/* ---- Bodies ---- */

/* What is known around a body is a constant in it. */
static esk_status share_constants(struct upgrader *u, const struct esk_graph *graph,
                                  struct esk_graph *body) {
    uint32_t n = body->n_formal;
    for (uint32_t i = body->n_formal; i < body->n_inputs; i++) {
        struct esk_var *var = body->vars[body->inputs[i]];
        const struct esk_var *outer = graph->vars[var->outer];
        if (!outer->data || (outer->flags & ESK_VAR_INPUT)) {
            body->inputs[n++] = body->inputs[i];
            continue;
        }
        if (outer->blob && !esk_graph_blob_of(body, outer->data)) {
            if (!esk_graph_hold(body, outer->blob))
                return no_memory(u);
            esk_blob_ref(outer->blob);
        }
        var->flags &= ~(uint32_t)(ESK_VAR_CAPTURE | ESK_VAR_INPUT);
        var->flags |= outer->flags & ESK_VAR_INITIALIZER;
        var->outer = ESK_NONE;
        var->dtype = outer->dtype;
        var->rank = outer->rank;
        memcpy(var->dim, outer->dim, sizeof var->dim);
        var->data = outer->data;
        var->bytes = outer->bytes;
        var->blob = outer->blob;
    }
    body->n_inputs = n;
    return ESK_OK;
}

static esk_status upgrade_graph(struct upgrader *u, struct esk_graph *graph);

static esk_status upgrade_bodies(struct upgrader *u, const struct esk_graph *graph,
                                 struct esk_node *node) {
    for (uint32_t a = 0; a < node->n_attrs; a++) {
        const struct esk_attr *attr = &node->attrs[a];
        for (size_t g = 0; has_graphs(attr) && g < attr->count; g++) {
            ESK_TRY(share_constants(u, graph, attr->graphs[g]));
            ESK_TRY(upgrade_graph(u, attr->graphs[g]));
        }
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < node->n_captures; i++) {
        const struct esk_var *var = graph->vars[node->captures[i]];
        if (!var->data || (var->flags & ESK_VAR_INPUT))
            node->captures[n++] = node->captures[i];
    }
    node->n_captures = n;
    return ESK_OK;
}

/* ---- Nodes ---- */

static esk_status settle(struct upgrader *u, const struct esk_graph *graph,
                         struct esk_node *node) {
    if (!node->op || strcmp(node->op->name, node->op_type) != 0 ||
        strcmp(node->op->domain, node->domain) != 0) {
        node->op = esk_op_find(node->domain, node->op_type);
        if (!node->op)
            return esk_fail(u->error, ESK_UNSUPPORTED, "no operator: %s%s%s ('%s')",
                            node->domain, *node->domain ? "." : "", node->op_type,
                            node->name);
    }
    if (!node->opset)
        node->opset = ESK_OPSET_NEWEST;
    node->since = esk_op_newest(node->op);
    return esk_verify_arity(graph, node, u->error);
}

/* Upgrades the node at *at, which moves behind the nodes that the upgrade added. */
static esk_status upgrade_node(struct upgrader *u, struct esk_graph *graph,
                               uint32_t *at) {
    struct esk_node *node = graph->nodes[graph->order[*at]];
    uint32_t from = graph->n_order;
    struct esk_ctx c = {.graph = graph, .node = node, .error = u->error};
    ESK_TRY(upgrade_bodies(u, graph, node));
    if (node->op->upgrade) {
        esk_status status = node->op->upgrade(&c);
        if (status) {
            esk_error_prefix(u->error, "graph '%s'", graph->name);
            return status;
        }
    }
    for (uint32_t i = from; i < graph->n_order; i++)
        ESK_TRY(settle(u, graph, graph->nodes[graph->order[i]]));
    if (!node->dead)
        ESK_TRY(settle(u, graph, node));
    uint32_t added = graph->n_order - from;
    if (node->dead && added) {
        node->home = ESK_HOME_HEIR;
        node->heir = graph->order[graph->n_order - 1];
    }
    esk_graph_order_move(graph, from, *at);
    *at += added;
    return ESK_OK;
}

static esk_status upgrade_graph(struct upgrader *u, struct esk_graph *graph) {
    for (uint32_t i = 0; i < graph->n_order; i++) {
        const struct esk_node *node = graph->nodes[graph->order[i]];
        if (node->dead)
            continue;
        if (node->op)
            ESK_TRY(upgrade_node(u, graph, &i));
        else {
            ESK_TRY(expand_call(u, graph, i));
            i--; /* the first node of the function is here now */
        }
    }
    return ESK_OK;
}

esk_status esk_model_upgrade(struct esk_model *model, const struct esk_logger *log,
                             esk_error *error) {
    struct upgrader u = {.model = model, .log = log, .error = error};
    return upgrade_graph(&u, model->graph);
}
