/* From names to meaning. In: a graph as it was read; out: the same with operators and
 * captures resolved and nodes sorted, or an error that names the place. Must not know
 * what any operator does. */
#include "front/verify.h"

#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

struct verifier {
    struct esk_model *model;
    esk_error *error;
    unsigned char *functions; /* NEW, OPEN or DONE, one each */
    struct esk_text missing;  /* operators that nothing runs, listed */
    struct esk_map seen;      /* their names */
};
enum { NEW, OPEN, DONE };

/* One graph and the graphs around it. */
struct scope {
    const struct scope *outer; /* NULL: a main graph or a function */
    struct esk_graph *graph;
    struct esk_map *names;
    const struct esk_opset *opsets;
    size_t n_opsets;
    int depth, graphs;
};

static esk_status no_memory(struct verifier *v) {
    return esk_fail_memory(v->error, "checking a model");
}

/* ---- What a node means ---- */

struct esk_function *esk_model_function(const struct esk_model *model,
                                        const struct esk_node *node) {
    for (size_t i = 0; i < model->n_functions; i++) {
        struct esk_function *f = &model->functions[i];
        if (strcmp(f->name, node->op_type) == 0 && strcmp(f->domain, node->domain) == 0 &&
            strcmp(f->overload, node->overload) == 0)
            return f;
    }
    return NULL;
}

int esk_op_newest(const struct esk_op *op) {
    int newest = 0;
    for (const uint8_t *since = op->since; since && *since; since++)
        newest = *since;
    return newest;
}

static esk_status wrong_count(const struct esk_graph *graph, const struct esk_node *node,
                              const char *what, uint32_t n, uint32_t least, uint32_t most,
                              esk_error *error) {
    if (most == UINT32_MAX)
        return esk_fail(error, ESK_INVALID_MODEL,
                        "graph '%s': %s '%s': %u %s, it takes at least %u", graph->name,
                        node->op_type, node->name, n, what, least);
    return esk_fail(error, ESK_INVALID_MODEL,
                    "graph '%s': %s '%s': %u %s, it takes %u to %u", graph->name,
                    node->op_type, node->name, n, what, least, most);
}

static void drop_absent(struct esk_node *node) {
    while (node->n_in && node->in[node->n_in - 1] == ESK_NONE)
        node->n_in--;
}

esk_status esk_verify_arity(const struct esk_graph *graph, struct esk_node *node,
                            esk_error *error) {
    const struct esk_op *op = node->op;
    uint32_t max_in = op->max_in ? op->max_in : op->min_in;
    uint32_t max_out = op->max_out ? op->max_out : op->min_out;
    drop_absent(node);
    if (node->n_in < op->min_in || node->n_in > max_in)
        return wrong_count(graph, node, "inputs", node->n_in, op->min_in, max_in, error);
    if (node->n_out < op->min_out || node->n_out > max_out)
        return wrong_count(graph, node, "outputs", node->n_out, op->min_out, max_out,
                           error);
    for (uint32_t i = 0; i < op->min_in; i++)
        if (node->in[i] == ESK_NONE)
            return esk_fail(error, ESK_INVALID_MODEL,
                            "graph '%s': %s '%s': input %u must not be absent",
                            graph->name, node->op_type, node->name, i);
    return ESK_OK;
}

static esk_status verify_graph(struct verifier *v, struct scope *s);

static esk_status verify_function(struct verifier *v, const struct scope *from,
                                  struct esk_function *f) {
    unsigned char *state = &v->functions[f - v->model->functions];
    if (*state == DONE)
        return ESK_OK;
    if (*state == OPEN)
        return esk_fail(v->error, ESK_INVALID_MODEL, "function '%s' calls itself",
                        f->name);
    struct scope s = {.graph = f->graph,
                      .opsets = f->opsets,
                      .n_opsets = f->n_opsets,
                      .depth = from->depth + 1};
    *state = OPEN;
    ESK_TRY(verify_graph(v, &s));
    *state = DONE;
    return ESK_OK;
}

static esk_status resolve_call(struct verifier *v, const struct scope *s,
                               struct esk_node *node, struct esk_function *f) {
    drop_absent(node);
    if (node->n_in > f->graph->n_formal)
        return wrong_count(s->graph, node, "inputs", node->n_in, 0, f->graph->n_formal,
                           v->error);
    if (node->n_out > f->graph->n_outputs)
        return wrong_count(s->graph, node, "outputs", node->n_out, 0, f->graph->n_outputs,
                           v->error);
    return verify_function(v, s, f);
}

static esk_status note_missing(struct verifier *v, const struct esk_node *node) {
    uint32_t at = (uint32_t)v->missing.length, seen;
    esk_text_add(&v->missing, "%s%s%s%s%s%s", v->missing.length ? ", " : "", node->domain,
                 *node->domain ? "." : "", node->op_type, *node->overload ? ":" : "",
                 node->overload);
    if (v->missing.failed)
        return no_memory(v);
    char *name = esk_arena_strdup(&v->model->arena, v->missing.data + at + (at ? 2 : 0));
    if (!name)
        return no_memory(v);
    if (esk_map_get(&v->seen, name, &seen)) {
        v->missing.length = at; /* listed already */
        v->missing.data[at] = 0;
        return ESK_OK;
    }
    return esk_map_put(&v->seen, name, 0) ? ESK_OK : no_memory(v);
}

static esk_status resolve_op(struct verifier *v, const struct scope *s,
                             struct esk_node *node) {
    int64_t version = -1;
    for (size_t i = 0; i < s->n_opsets; i++)
        if (strcmp(s->opsets[i].domain, node->domain) == 0)
            version = s->opsets[i].version;
    /* "esker" is the house's own domain: choose fills what its operators need */
    bool own = strcmp(node->domain, "esker") == 0;
    node->op = *node->overload || own ? NULL : esk_op_find(node->domain, node->op_type);
    node->opset = version < 0 ? 0 : version > INT32_MAX ? INT32_MAX : (int)version;
    if (!node->op) {
        struct esk_function *f = esk_model_function(v->model, node);
        return f ? resolve_call(v, s, node, f) : note_missing(v, node);
    }
    if (version < 0)
        return esk_fail(
            v->error, ESK_INVALID_MODEL,
            "graph '%s': %s '%s': the model imports no version of domain '%s'",
            s->graph->name, node->op_type, node->name, node->domain);
    node->since = 0;
    for (const uint8_t *since = node->op->since; *since && *since <= version; since++)
        node->since = *since;
    if (!node->since)
        return esk_fail(v->error, ESK_UNSUPPORTED,
                        "graph '%s': %s '%s': opset %" PRId64
                        " is older than the oldest version known, %d",
                        s->graph->name, node->op_type, node->name, version,
                        node->op->since[0]);
    /* older versions may take other numbers of inputs: upgrade checks again */
    return node->since == esk_op_newest(node->op)
               ? esk_verify_arity(s->graph, node, v->error)
               : ESK_OK;
}

/* ---- Names ---- */

static bool is_defined(const struct esk_var *var) {
    return var->producer != ESK_NONE ||
           (var->flags & (ESK_VAR_INPUT | ESK_VAR_INITIALIZER | ESK_VAR_CAPTURE));
}

/* The var of that name in the graph, taken from graphs around it if need be; *id is
 * ESK_NONE when nobody has it. */
static esk_status lookup(struct verifier *v, const struct scope *s, const char *name,
                         esk_id *id) {
    struct esk_graph *graph = s->graph;
    esk_id outer;
    bool here = esk_map_get(s->names, name, id);
    if (here && is_defined(graph->vars[*id]))
        return ESK_OK;
    esk_id mine = here ? *id : ESK_NONE;
    *id = ESK_NONE;
    if (!s->outer)
        return ESK_OK;
    ESK_TRY(lookup(v, s->outer, name, &outer));
    if (outer == ESK_NONE)
        return ESK_OK;
    if (mine == ESK_NONE && ((mine = esk_graph_add_var(graph, name)) == ESK_NONE ||
                             !esk_map_put(s->names, graph->vars[mine]->name, mine)))
        return no_memory(v);
    struct esk_var *var = graph->vars[mine];
    const struct esk_var *from = s->outer->graph->vars[outer];
    var->flags |= ESK_VAR_CAPTURE;
    var->outer = outer;
    var->dtype = from->dtype;
    var->rank = from->rank;
    memcpy(var->dim, from->dim, sizeof var->dim);
    if (!esk_graph_add_input(graph, mine))
        return no_memory(v);
    *id = mine;
    return ESK_OK;
}

/* Who uses a name that nothing makes. */
static esk_status unknown_name(struct verifier *v, const struct esk_graph *graph,
                               esk_id id) {
    const char *name = graph->vars[id]->name;
    for (uint32_t n = 0; n < graph->n_nodes; n++)
        for (uint32_t i = 0; i < graph->nodes[n]->n_in; i++)
            if (graph->nodes[n]->in[i] == id)
                return esk_fail(v->error, ESK_INVALID_MODEL,
                                "graph '%s': %s '%s': nothing makes input %u, '%s'",
                                graph->name, graph->nodes[n]->op_type,
                                graph->nodes[n]->name, i, name);
    return esk_fail(v->error, ESK_INVALID_MODEL, "graph '%s': nothing makes '%s'",
                    graph->name, name);
}

static esk_status verify_names(struct verifier *v, const struct scope *s) {
    struct esk_graph *graph = s->graph;
    for (esk_id i = 0; i < graph->n_vars; i++) {
        uint32_t other;
        if (esk_map_get(s->names, graph->vars[i]->name, &other))
            return esk_fail(v->error, ESK_INVALID_MODEL, "graph '%s': two values '%s'",
                            graph->name, graph->vars[i]->name);
        if (!esk_map_put(s->names, graph->vars[i]->name, i))
            return no_memory(v);
    }
    for (esk_id i = 0; i < graph->n_vars; i++) {
        esk_id found;
        if (is_defined(graph->vars[i]))
            continue;
        ESK_TRY(lookup(v, s, graph->vars[i]->name, &found));
        if (found == ESK_NONE)
            return unknown_name(v, graph, i);
    }
    return ESK_OK;
}

static esk_status verify_vars(struct verifier *v, const struct esk_graph *graph) {
    for (esk_id i = 0; i < graph->n_vars; i++) {
        const struct esk_var *var = graph->vars[i];
        int64_t count;
        size_t bytes;
        if (var->dtype == ESK_STRING && (var->flags & ESK_VAR_INPUT))
            return esk_fail(
                v->error, ESK_UNSUPPORTED,
                "graph '%s': input '%s' is of strings, which are not supported",
                graph->name, var->name);
        if (!(var->flags & ESK_VAR_INITIALIZER))
            continue;
        if (!var->data || !esk_shape_count(var->rank, var->dim, &count) ||
            !esk_dtype_bytes(var->dtype, count, &bytes) || bytes != var->bytes)
            return esk_fail(
                v->error, ESK_INVALID_MODEL,
                "graph '%s': initializer '%s' has %zu bytes, not what its shape "
                "needs",
                graph->name, var->name, var->bytes);
    }
    return ESK_OK;
}

/* ---- Bodies ---- */

static esk_status verify_body(struct verifier *v, const struct scope *outer,
                              struct esk_graph *body) {
    struct scope s = {.outer = outer,
                      .graph = body,
                      .opsets = outer->opsets,
                      .n_opsets = outer->n_opsets,
                      .depth = outer->depth + 1,
                      .graphs = outer->graphs + 1};
    return verify_graph(v, &s);
}

/* Adds what the body takes from this graph to the node's captures. marks: one a var, the
 * node that took it last, plus one. */
static esk_status take_captures(struct verifier *v, struct esk_graph *graph, esk_id id,
                                const struct esk_graph *body, uint32_t **marks,
                                size_t *cap_marks) {
    struct esk_node *node = graph->nodes[id];
    if (!esk_grow((void **)marks, cap_marks, graph->n_vars, sizeof **marks))
        return no_memory(v);
    uint32_t n = node->n_captures;
    esk_id *captures = ESK_ARENA_ARRAY(&graph->arena, esk_id,
                                       (size_t)n + body->n_inputs - body->n_formal);
    if (!captures)
        return no_memory(v);
    if (n)
        memcpy(captures, node->captures, n * sizeof *captures);
    for (uint32_t i = body->n_formal; i < body->n_inputs; i++) {
        esk_id outer = body->vars[body->inputs[i]]->outer;
        if ((*marks)[outer] == id + 1)
            continue;
        (*marks)[outer] = id + 1;
        captures[n++] = outer;
    }
    node->captures = captures;
    node->n_captures = n;
    return ESK_OK;
}

static esk_status verify_attrs(struct verifier *v, const struct scope *s, esk_id id,
                               uint32_t **marks, size_t *cap_marks) {
    struct esk_node *node = s->graph->nodes[id];
    node->n_captures = 0;
    for (uint32_t a = 0; a < node->n_attrs; a++) {
        const struct esk_attr *attr = &node->attrs[a];
        if (attr->kind < ESK_ATTR_FLOAT || attr->kind > ESK_ATTR_TYPE_PROTOS)
            return esk_fail(v->error, ESK_INVALID_MODEL,
                            "graph '%s': %s '%s': attribute '%s' has no kind",
                            s->graph->name, node->op_type, node->name, attr->name);
        if (attr->kind != ESK_ATTR_GRAPH && attr->kind != ESK_ATTR_GRAPHS)
            continue;
        for (size_t g = 0; g < attr->count; g++) {
            esk_status status = verify_body(v, s, attr->graphs[g]);
            if (status) {
                esk_error_prefix(v->error, "graph '%s': %s '%s'", s->graph->name,
                                 node->op_type, node->name);
                return status;
            }
            ESK_TRY(take_captures(v, s->graph, id, attr->graphs[g], marks, cap_marks));
        }
    }
    return ESK_OK;
}

static esk_status verify_nodes(struct verifier *v, const struct scope *s) {
    uint32_t *marks = NULL;
    size_t cap_marks = 0;
    esk_status status = ESK_OK;
    for (esk_id i = 0; i < s->graph->n_nodes && status == ESK_OK; i++) {
        status = verify_attrs(v, s, i, &marks, &cap_marks);
        if (status == ESK_OK)
            status = resolve_op(v, s, s->graph->nodes[i]);
    }
    esk_free(marks);
    return status;
}

/* ---- Order ---- */

/* Depth first without recursion: `path` holds the nodes being visited, next[] where each
 * one's search goes on. Nodes keep the file's order where it is free. */
struct sorter {
    uint32_t *next; /* 0: new; else 1 + the dependency to look at; DONE_NODE: sorted */
    esk_id *path, *order;
    uint32_t n_path, n_order;
};
#define DONE_NODE UINT32_MAX

static esk_id dependency(const struct esk_graph *graph, const struct esk_node *node,
                         uint32_t i) {
    esk_id var = i < node->n_in ? node->in[i] : node->captures[i - node->n_in];
    return var == ESK_NONE ? ESK_NONE : graph->vars[var]->producer;
}

/* False when the node's values need the node. */
static bool visit(const struct esk_graph *graph, struct sorter *s, esk_id root) {
    if (s->next[root])
        return true;
    s->next[root] = 1;
    s->path[s->n_path++] = root;
    while (s->n_path) {
        esk_id id = s->path[s->n_path - 1];
        const struct esk_node *node = graph->nodes[id];
        if (s->next[id] - 1 == node->n_in + node->n_captures) {
            s->next[id] = DONE_NODE;
            s->order[s->n_order++] = id;
            s->n_path--;
            continue;
        }
        esk_id needs = dependency(graph, node, s->next[id]++ - 1);
        if (needs == ESK_NONE || s->next[needs] == DONE_NODE)
            continue;
        if (s->next[needs])
            return false;
        s->next[needs] = 1;
        s->path[s->n_path++] = needs;
    }
    return true;
}

static esk_status sort_nodes(struct verifier *v, struct esk_graph *graph) {
    struct sorter s = {0};
    s.next = esk_calloc(graph->n_nodes, sizeof *s.next);
    s.path = esk_calloc(graph->n_nodes, sizeof *s.path);
    s.order = esk_calloc(graph->n_nodes, sizeof *s.order);
    esk_status status = s.next && s.path && s.order ? ESK_OK : no_memory(v);
    for (uint32_t i = 0; i < graph->n_order && status == ESK_OK; i++)
        if (!visit(graph, &s, graph->order[i])) {
            const struct esk_node *node = graph->nodes[s.path[s.n_path - 1]];
            status = esk_fail(v->error, ESK_INVALID_MODEL,
                              "graph '%s': %s '%s': its inputs need its outputs",
                              graph->name, node->op_type, node->name);
        }
    if (status == ESK_OK && graph->n_order)
        memcpy(graph->order, s.order, graph->n_order * sizeof *s.order);
    esk_free(s.next);
    esk_free(s.path);
    esk_free(s.order);
    return status;
}

/* ---- Graphs ---- */

static esk_status verify_opsets(struct verifier *v, const struct scope *s) {
    for (size_t i = 0; i < s->n_opsets; i++)
        if (!*s->opsets[i].domain && s->opsets[i].version > ESK_OPSET_NEWEST)
            return esk_fail(v->error, ESK_UNSUPPORTED,
                            "graph '%s': opset %" PRId64
                            " of the default domain is newer than the newest known, %d",
                            s->graph->name, s->opsets[i].version, ESK_OPSET_NEWEST);
    return ESK_OK;
}

static esk_status verify_graph(struct verifier *v, struct scope *s) {
    if (s->depth > ESK_MODEL_DEPTH || s->graphs > ESK_MODEL_GRAPHS)
        return esk_fail(v->error, ESK_INVALID_MODEL,
                        "graph '%s': more than %d graphs or %d functions in each other",
                        s->graph->name, ESK_MODEL_GRAPHS, ESK_MODEL_DEPTH);
    struct esk_map names = {0};
    s->names = &names;
    esk_status status = s->outer ? ESK_OK : verify_opsets(v, s);
    if (status == ESK_OK)
        status = verify_vars(v, s->graph);
    if (status == ESK_OK)
        status = verify_names(v, s);
    if (status == ESK_OK)
        status = verify_nodes(v, s);
    if (status == ESK_OK)
        status = sort_nodes(v, s->graph);
    esk_map_finish(&names);
    return status;
}

esk_status esk_model_verify(struct esk_model *model, esk_error *error) {
    struct verifier v = {.model = model, .error = error};
    struct scope s = {.graph = model->graph,
                      .opsets = model->opsets,
                      .n_opsets = model->n_opsets,
                      .depth = 1,
                      .graphs = 1};
    v.functions = esk_calloc(model->n_functions, 1);
    esk_status status = v.functions ? verify_graph(&v, &s) : no_memory(&v);
    if (status == ESK_OK && v.missing.length)
        status = esk_fail(error, ESK_UNSUPPORTED, "no operator or function: %s",
                          esk_text_str(&v.missing));
    esk_text_finish(&v.missing);
    esk_map_finish(&v.seen);
    esk_free(v.functions);
    return status;
}
