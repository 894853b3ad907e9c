/* What rewrites of patterns need: facts of the match, new nodes and constants. Must not
 * know operators by name. */
#include "ir/pattern.h"

#include "base/mem.h"

#include <string.h>

esk_id esk_match_id(const struct esk_match *m, char letter) {
    return m->var[letter - 'a'];
}

const struct esk_var *esk_match_var(const struct esk_match *m, char letter) {
    esk_id id = esk_match_id(m, letter);
    return id == ESK_NONE ? NULL : m->graph->vars[id];
}

const struct esk_node *esk_match_node(const struct esk_match *m, char letter) {
    esk_id id = m->node[letter - 'a'];
    return id == ESK_NONE ? NULL : m->graph->nodes[id];
}

double esk_match_number(const struct esk_match *m, char letter) {
    struct esk_tensor tensor = esk_var_tensor(esk_match_var(m, letter));
    return esk_tensor_double(&tensor, 0);
}

bool esk_match_ints(const struct esk_match *m, const struct esk_node *node, uint32_t i,
                    const char *name, int64_t *values, uint32_t most, uint32_t *count) {
    *count = 0;
    if (i < node->n_in && node->in[i] != ESK_NONE) {
        const struct esk_var *var = m->graph->vars[node->in[i]];
        if (!var->data || !esk_dtype_is_int(var->dtype) || esk_var_count(var) > most)
            return false;
        struct esk_tensor tensor = esk_var_tensor(var);
        *count = (uint32_t)esk_var_count(var);
        for (uint32_t k = 0; k < *count; k++)
            values[k] = esk_tensor_int(&tensor, k);
        return true;
    }
    const struct esk_attr *attr = name ? esk_node_attr(node, name) : NULL;
    if (!attr || attr->kind != ESK_ATTR_INTS || attr->count > most)
        return false;
    *count = (uint32_t)esk_attr_ints(node, name, values, most);
    return true;
}

struct esk_node *esk_match_add(struct esk_match *m, const char *domain, const char *op,
                               uint32_t n_in, const esk_id *in, esk_id out) {
    const struct esk_op *known = esk_op_find(domain, op);
    if (out == ESK_NONE)
        out = m->root->out[0];
    esk_id id = known ? esk_graph_add_node(m->graph, domain, known->name, m->root->name,
                                           n_in, in, 1, &out)
                      : ESK_NONE;
    if (id == ESK_NONE)
        return NULL;
    struct esk_node *node = m->graph->nodes[id];
    node->op = known;
    node->opset = node->since = ESK_OPSET_NEWEST;
    return node;
}

bool esk_match_copy_attrs(struct esk_match *m, struct esk_node *to,
                          const struct esk_node *from) {
    to->attrs = esk_arena_copy(&m->graph->arena, from->attrs,
                               from->n_attrs * sizeof *from->attrs);
    to->n_attrs = from->n_attrs;
    return to->attrs || !from->n_attrs;
}

esk_id esk_match_temp(struct esk_match *m) {
    return esk_graph_add_temp(m->graph, m->graph->vars[m->root->out[0]]->name);
}

esk_id esk_match_floats(struct esk_match *m, int rank, const int64_t *dims,
                        float **data) {
    int64_t count;
    size_t bytes;
    if (!esk_shape_count(rank, dims, &count) ||
        !esk_dtype_bytes(ESK_FLOAT, count, &bytes))
        return ESK_NONE;
    /* a clone lives with its plan: what forms are shared by must outlive that */
    struct esk_blob *blob = NULL;
    void *memory = NULL;
    if (m->graph->frozen_blobs)
        memory = esk_arena_alloc(&m->graph->arena, bytes);
    else if ((blob = esk_blob_heap(bytes ? bytes : 1)) && esk_graph_hold(m->graph, blob))
        memory = blob->data;
    else
        esk_blob_unref(blob);
    esk_id id = memory ? esk_match_temp(m) : ESK_NONE;
    if (id == ESK_NONE)
        return ESK_NONE;
    struct esk_var *var = m->graph->vars[id];
    var->dtype = ESK_FLOAT;
    var->rank = rank;
    for (int i = 0; i < rank; i++)
        var->dim[i] = dims[i];
    var->flags |= blob ? ESK_VAR_INITIALIZER : 0;
    var->data = *data = memory;
    var->blob = blob;
    var->bytes = bytes;
    return id;
}

esk_id esk_match_int_list(struct esk_match *m, uint32_t count, const int64_t *values) {
    int64_t dim = count;
    return esk_graph_add_const(m->graph, m->root->name, ESK_INT64, 1, &dim, values);
}
