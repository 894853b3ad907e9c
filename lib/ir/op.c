/* The helpers of the operator contract that speak of graph facts: inputs, outputs, known
 * values, errors that name the node. The half that builds recipes is in kernel.c. Must
 * not know any operator. */
#include "ir/op.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

esk_id esk_in_id(const struct esk_ctx *c, uint32_t i) {
    return i < c->node->n_in ? c->node->in[i] : ESK_NONE;
}

const struct esk_var *esk_in(const struct esk_ctx *c, uint32_t i) {
    esk_id id = esk_in_id(c, i);
    return id == ESK_NONE ? NULL : c->graph->vars[id];
}

esk_id esk_out_id(const struct esk_ctx *c, uint32_t i) {
    if (i == 0 && c->group)
        return c->group->output;
    return i < c->node->n_out ? c->node->out[i] : ESK_NONE;
}

struct esk_var *esk_out(const struct esk_ctx *c, uint32_t i) {
    esk_id id = esk_out_id(c, i);
    return id == ESK_NONE ? NULL : c->graph->vars[id];
}

bool esk_is_known(const struct esk_ctx *c, uint32_t i) {
    const struct esk_var *var = esk_in(c, i);
    return var && var->data;
}

/* "Op 'name': text", or the text alone without a node. */
static esk_status fail_at(esk_error *error, const struct esk_node *node,
                          esk_status status, const char *format, va_list list) {
    if (!error)
        return status;
    va_list again;
    va_copy(again, list);
    int length = vsnprintf(NULL, 0, format, list);
    char *text = length < 0 ? NULL : esk_malloc((size_t)length + 1);
    if (text)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    if (!text)
        esk_fail(error, status, "%s", node ? node->name : "");
    else if (node)
        esk_fail(error, status, "%s '%s': %s", node->op_type, node->name, text);
    else
        esk_fail(error, status, "%s", text);
    esk_free(text);
    return status;
}

esk_status esk_node_fail(const struct esk_ctx *c, esk_status status, const char *format,
                         ...) {
    va_list list;
    va_start(list, format);
    fail_at(c->error, c->node, status, format, list);
    va_end(list);
    return status;
}

esk_status esk_unsupported(const struct esk_ctx *c, const char *format, ...) {
    va_list list;
    va_start(list, format);
    fail_at(c->error, NULL, ESK_UNSUPPORTED, format, list);
    va_end(list);
    return ESK_UNSUPPORTED;
}

esk_status esk_cpu_fail(const struct esk_cpu *c, esk_status status, const char *format,
                        ...) {
    va_list list;
    va_start(list, format);
    fail_at(c->error, c->node, status, format, list);
    va_end(list);
    return status;
}

esk_status esk_set_out(const struct esk_ctx *c, uint32_t i, esk_dtype dtype, int rank,
                       const int64_t *dims) {
    struct esk_var *var = i < c->node->n_out && c->node->out[i] != ESK_NONE
                              ? c->graph->vars[c->node->out[i]]
                              : NULL;
    if (!var)
        return ESK_OK;
    if (rank < 0 || rank > ESK_MAX_RANK)
        return esk_node_fail(c, ESK_UNSUPPORTED, "output %u has rank %d, the limit is %d",
                             i, rank, ESK_MAX_RANK);
    int64_t count;
    size_t bytes;
    for (int k = 0; k < rank; k++)
        if (dims[k] < 0)
            return esk_node_fail(c, ESK_INVALID_MODEL,
                                 "dimension %d of output %u would be %" PRId64, k, i,
                                 dims[k]);
    if (!esk_shape_count(rank, dims, &count) || !esk_dtype_bytes(dtype, count, &bytes))
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "output %u has more bytes than 63 bits count", i);
    if (var->rank != rank) {
        var->dim_name = NULL; /* they were for the declared rank */
        var->dim_denotation = NULL;
    }
    var->dtype = dtype;
    var->rank = rank;
    for (int k = 0; k < ESK_MAX_RANK; k++)
        var->dim[k] = k < rank ? dims[k] : -1;
    return ESK_OK;
}

esk_status esk_set_out_like(const struct esk_ctx *c, uint32_t i, uint32_t j) {
    const struct esk_var *var = esk_in(c, j);
    if (!var)
        return esk_node_fail(c, ESK_INVALID_MODEL, "input %u is absent", j);
    return esk_set_out(c, i, var->dtype, var->rank, var->dim);
}

/* The known input i as a list of at most `most` items. */
static esk_status known_list(const struct esk_ctx *c, uint32_t i, uint32_t most,
                             struct esk_tensor *tensor, uint32_t *count) {
    const struct esk_var *var = esk_in(c, i);
    if (!var->data)
        return esk_node_fail(c, ESK_UNSUPPORTED, "input %u ('%s') is not known yet", i,
                             var->name);
    if (var->rank < 0 || var->rank > 1)
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "input %u ('%s') has rank %d, it must be a list", i,
                             var->name, var->rank);
    int64_t n = esk_var_count(var);
    if (n > (int64_t)most)
        return esk_node_fail(c, ESK_UNSUPPORTED,
                             "input %u ('%s') has %" PRId64 " items, the limit is %u", i,
                             var->name, n, most);
    *tensor = esk_var_tensor(var);
    *count = (uint32_t)n;
    return ESK_OK;
}

esk_status esk_in_ints(const struct esk_ctx *c, uint32_t i, int64_t *values,
                       uint32_t most, uint32_t *count) {
    const struct esk_var *var = esk_in(c, i);
    if (!var) {
        *count = 0;
        return ESK_OK;
    }
    if (var->dtype != ESK_INT64 && var->dtype != ESK_INT32)
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "input %u ('%s') is %s, it must be int64 or int32", i,
                             var->name, esk_dtype_name(var->dtype));
    struct esk_tensor tensor;
    uint32_t n;
    ESK_TRY(known_list(c, i, most, &tensor, &n));
    for (uint32_t k = 0; k < n; k++)
        values[k] = esk_tensor_int(&tensor, k);
    *count = n;
    return ESK_OK;
}

esk_status esk_in_floats(const struct esk_ctx *c, uint32_t i, float *values,
                         uint32_t most, uint32_t *count) {
    const struct esk_var *var = esk_in(c, i);
    if (!var) {
        *count = 0;
        return ESK_OK;
    }
    if (!esk_dtype_is_float(var->dtype))
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "input %u ('%s') is %s, it must be a float type", i,
                             var->name, esk_dtype_name(var->dtype));
    struct esk_tensor tensor;
    uint32_t n;
    ESK_TRY(known_list(c, i, most, &tensor, &n));
    for (uint32_t k = 0; k < n; k++)
        values[k] = (float)esk_tensor_double(&tensor, k);
    *count = n;
    return ESK_OK;
}

esk_status esk_check_axis(const struct esk_ctx *c, int64_t axis, int rank, int *result) {
    if (!esk_shape_axis(axis, rank, result))
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "axis %" PRId64 " out of range for rank %d", axis, rank);
    return ESK_OK;
}

esk_status esk_upgrade_set_input(struct esk_ctx *c, uint32_t i, esk_id var) {
    struct esk_node *node = c->node;
    if (i >= node->n_in) {
        if (var == ESK_NONE)
            return ESK_OK;
        esk_id *in = ESK_ARENA_ARRAY(&c->graph->arena, esk_id, (size_t)i + 1);
        if (!in)
            return esk_fail_memory(c->error, "a node's inputs");
        for (uint32_t k = 0; k <= i; k++)
            in[k] = k < node->n_in ? node->in[k] : ESK_NONE;
        node->in = in;
        node->n_in = i + 1;
    }
    node->in[i] = var;
    return ESK_OK;
}

esk_status esk_upgrade_ints_to_input(struct esk_ctx *c, const char *name, uint32_t i) {
    const struct esk_attr *attr = esk_node_attr(c->node, name);
    if (!attr)
        return ESK_OK;
    if (attr->kind != ESK_ATTR_INTS && attr->kind != ESK_ATTR_INT)
        return esk_node_fail(c, ESK_INVALID_MODEL, "attribute '%s' must be ints", name);
    int64_t dims[] = {attr->kind == ESK_ATTR_INTS ? (int64_t)attr->count : 1};
    char *stem = esk_arena_printf(&c->graph->arena, "%s.%s", c->node->name, name);
    esk_id var =
        stem ? esk_graph_add_const(c->graph, stem, ESK_INT64, 1, dims,
                                   attr->kind == ESK_ATTR_INTS ? attr->ints : &attr->i)
             : ESK_NONE;
    if (var == ESK_NONE)
        return esk_fail_memory(c->error, "a constant");
    ESK_TRY(esk_upgrade_set_input(c, i, var));
    esk_node_remove_attr(c->node, name);
    return ESK_OK;
}
