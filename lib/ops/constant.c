/* Constant: a value written in the model. upgrade makes its output known and drops the
 * node, so there is nothing to infer or run. */
#include "ir/op.h"

#include <string.h>

/* The output takes the bytes as they are: the graph holds them or they are in its arena.
 */
static esk_status become(struct esk_ctx *c, esk_dtype dtype, int rank,
                         const int64_t *dims, const void *data, size_t bytes) {
    struct esk_var *var = esk_out(c, 0);
    c->node->dead = true;
    if (!var)
        return ESK_OK;
    var->dtype = dtype;
    var->rank = rank;
    var->dim_name = NULL;
    var->dim_denotation = NULL;
    for (int i = 0; i < ESK_MAX_RANK; i++)
        var->dim[i] = i < rank ? dims[i] : -1;
    var->producer = ESK_NONE;
    var->data = data;
    var->bytes = bytes;
    var->blob = esk_graph_blob_of(c->graph, data);
    if (var->blob)
        var->flags |= ESK_VAR_INITIALIZER;
    return ESK_OK;
}

static esk_status upgrade(struct esk_ctx *c) {
    const struct esk_node *node = c->node;
    if (node->n_attrs != 1)
        return esk_node_fail(c, ESK_INVALID_MODEL, "%u attributes, it takes one",
                             node->n_attrs);
    const struct esk_attr *attr = &node->attrs[0];
    bool is_list = attr->kind == ESK_ATTR_INTS || attr->kind == ESK_ATTR_FLOATS;
    int64_t count = (int64_t)attr->count;
    switch (attr->kind) {
    case ESK_ATTR_TENSOR:
        return become(c, attr->tensors->dtype, attr->tensors->rank, attr->tensors->dim,
                      attr->tensors->data, attr->tensors->bytes);
    case ESK_ATTR_INT:
    case ESK_ATTR_INTS:
        return become(c, ESK_INT64, is_list, &count, is_list ? attr->ints : &attr->i,
                      attr->count * sizeof(int64_t));
    case ESK_ATTR_FLOAT:
    case ESK_ATTR_FLOATS:
        return become(c, ESK_FLOAT, is_list, &count, is_list ? attr->floats : &attr->f,
                      attr->count * sizeof(float));
    default:
        return esk_node_fail(c, ESK_UNSUPPORTED, "attribute '%s' is not supported",
                             attr->name);
    }
}

const struct esk_op esk_op_Constant = {
    .domain = "",
    .name = "Constant",
    .since = (const uint8_t[]){1, 9, 11, 12, 13, 19, 21, 23, 24, 25, 0},
    .min_out = 1,
    .upgrade = upgrade,
};
