/* Concats that begin alike: the longer one begins with the shorter one. DenseNets hand
 * all that came before to each layer; so made, each result is the beginning of the next
 * one and can lie in its place (compile/parts). */
#include "ir/pattern.h"

#include <string.h>

/* How many inputs of `node` are the first ones of `whole`: all of its own, or 0. */
static uint32_t begins(const struct esk_node *node, const struct esk_node *whole) {
    const struct esk_attr *a = esk_node_attr(node, "axis"),
                          *b = esk_node_attr(whole, "axis");
    if (node->dead || node->op != whole->op || node->n_in < 2 ||
        node->n_in >= whole->n_in || !a || !b || a->i != b->i ||
        memcmp(node->in, whole->in, node->n_in * sizeof *node->in) != 0)
        return 0;
    return node->n_in;
}

/* The longest of the Concats before this one. */
static esk_status concat(struct esk_match *m, bool *done) {
    const struct esk_graph *graph = m->graph;
    esk_id prefix = ESK_NONE;
    uint32_t most = 0;
    for (uint32_t at = 0; at < graph->n_order; at++) {
        const struct esk_node *node = graph->nodes[graph->order[at]];
        if (node == m->root)
            break;
        uint32_t n = begins(node, m->root);
        if (n > most) {
            most = n;
            prefix = node->out[0];
        }
    }
    if (!most)
        return ESK_OK;
    uint32_t n_in = m->root->n_in - most + 1;
    esk_id *in = ESK_ARENA_ARRAY(&m->graph->arena, esk_id, n_in);
    if (!in)
        return esk_fail_memory(m->error, "a Concat");
    in[0] = prefix;
    memcpy(in + 1, m->root->in + most, (n_in - 1) * sizeof *in);
    struct esk_node *node = esk_match_add(m, "", "Concat", n_in, in, ESK_NONE);
    if (!node || !esk_match_copy_attrs(m, node, m->root))
        return esk_fail_memory(m->error, "a Concat");
    *done = true;
    return ESK_OK;
}

const struct esk_pattern esk_patterns_concat[] = {
    {"share_prefixes", "Concat(x,..)", concat},
    {0},
};
