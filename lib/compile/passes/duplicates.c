/* Common subexpressions. In: a graph in order; out: of nodes with equal operators, inputs
 * and attributes the first one, used instead of the others. Must not know operators. */
#include "base/mem.h"
#include "compile/match.h"

#include <string.h>

enum { SMALL = 256 }; /* bytes of constants that are compared */

static bool same_value(const struct esk_graph *graph, esk_id a, esk_id b) {
    if (a == b)
        return true;
    if (a == ESK_NONE || b == ESK_NONE)
        return false;
    const struct esk_var *x = graph->vars[a], *y = graph->vars[b];
    return x->data && y->data && !((x->flags | y->flags) & ESK_VAR_INPUT) &&
           x->dtype == y->dtype && x->bytes == y->bytes && x->bytes <= SMALL &&
           esk_shape_equal(x->rank, x->dim, y->rank, y->dim) &&
           memcmp(x->data, y->data, x->bytes) == 0;
}

static bool same_attr(const struct esk_attr *a, const struct esk_attr *b) {
    if (a->kind != b->kind || a->count != b->count || a->ref || b->ref)
        return false;
    switch (a->kind) {
    case ESK_ATTR_FLOAT:
        return memcmp(&a->f, &b->f, sizeof a->f) == 0;
    case ESK_ATTR_INT:
        return a->i == b->i;
    case ESK_ATTR_STRING:
        return a->s.length == b->s.length &&
               memcmp(a->s.data, b->s.data, a->s.length) == 0;
    case ESK_ATTR_INTS:
        return !a->count || memcmp(a->ints, b->ints, a->count * sizeof *a->ints) == 0;
    case ESK_ATTR_FLOATS:
        return !a->count ||
               memcmp(a->floats, b->floats, a->count * sizeof *a->floats) == 0;
    default:
        return false;
    }
}

static bool same_node(const struct esk_graph *graph, const struct esk_node *a,
                      const struct esk_node *b) {
    if (a->op != b->op || a->since != b->since || a->n_in != b->n_in ||
        a->n_out != b->n_out || a->n_attrs != b->n_attrs)
        return false;
    for (uint32_t i = 0; i < a->n_in; i++)
        if (!same_value(graph, a->in[i], b->in[i]))
            return false;
    for (uint32_t i = 0; i < a->n_out; i++) /* both have it, and b's may go */
        if ((a->out[i] == ESK_NONE) != (b->out[i] == ESK_NONE) ||
            (b->out[i] != ESK_NONE && graph->vars[b->out[i]]->flags & ESK_VAR_OUTPUT))
            return false;
    for (uint32_t i = 0; i < a->n_attrs; i++) {
        const struct esk_attr *other = esk_node_attr(b, a->attrs[i].name);
        if (!other || !same_attr(&a->attrs[i], other))
            return false;
    }
    return true;
}

static bool can_merge(const struct esk_node *node) {
    return !node->dead && node->op && !node->op->control && !node->n_captures &&
           !(node->op->flags & ESK_OP_IMPURE) && node->n_in && node->in[0] != ESK_NONE;
}

esk_status esk_merge_duplicates(struct esk_graph *graph,
                                const struct esk_compile_options *options,
                                esk_error *error) {
    (void)options;
    /* for each var the nodes whose input 0 it is, first to last */
    esk_id *first = esk_calloc(graph->n_vars + 1u, sizeof *first);
    esk_id *next = esk_calloc(graph->n_nodes + 1u, sizeof *next);
    if (!first || !next) {
        esk_free(first);
        esk_free(next);
        return esk_fail_memory(error, "equal nodes");
    }
    memset(first, 0xff, graph->n_vars * sizeof *first);
    for (uint32_t at = 0; at < graph->n_order; at++) {
        esk_id id = graph->order[at];
        struct esk_node *node = graph->nodes[id];
        if (!can_merge(node))
            continue;
        esk_id other = first[node->in[0]];
        while (other != ESK_NONE && !same_node(graph, graph->nodes[other], node))
            other = next[other];
        if (other == ESK_NONE) {
            next[id] = first[node->in[0]];
            first[node->in[0]] = id;
            continue;
        }
        for (uint32_t i = 0; i < node->n_out; i++)
            if (node->out[i] != ESK_NONE)
                esk_graph_replace_uses(graph, node->out[i], graph->nodes[other]->out[i]);
        node->dead = true;
    }
    esk_free(first);
    esk_free(next);
    return ESK_OK;
}
