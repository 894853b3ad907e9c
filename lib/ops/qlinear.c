/* com.microsoft's QLinear operators: each becomes DequantizeLinear, the float operator,
 * QuantizeLinear. An absent zero point is 0 of the input's type. */
#include "recipes/quantize.h"
#include "recipes/rows.h"

/* c->node becomes the QuantizeLinear of y; its own attributes have been used. */
static esk_status end(struct esk_rewrite *w, esk_id y, uint32_t scale) {
    struct esk_node *node = w->c->node;
    esk_id zero = esk_rewrite_in(w, scale + 1);
    if (zero == ESK_NONE)
        zero = esk_rewrite_2(w, "CastLike", esk_rewrite_float(w, 0), node->in[0]);
    esk_id in[] = {y, esk_rewrite_in(w, scale), zero};
    return esk_rewrite_end(w, "QuantizeLinear", 3, in, false);
}

static esk_id input(struct esk_rewrite *w, uint32_t i) {
    return esk_rewrite_dequantize(w, esk_rewrite_in(w, i), esk_rewrite_in(w, i + 1),
                                  esk_rewrite_in(w, i + 2));
}

/* The float operator `op` of x with the node's attributes. */
static esk_id apply(struct esk_rewrite *w, const char *op, esk_id x) {
    esk_id y = esk_rewrite_2(w, op, x, ESK_NONE);
    if (w->failed)
        return y;
    w->last->attrs = w->c->node->attrs;
    w->last->n_attrs = w->c->node->n_attrs;
    w->c->node->attrs = NULL;
    w->c->node->n_attrs = 0;
    return y;
}

static esk_status binary(struct esk_ctx *c, const char *op) {
    struct esk_rewrite w = {.c = c};
    esk_id a = input(&w, 0);
    return end(&w, esk_rewrite_2(&w, op, a, input(&w, 3)), 6);
}

static esk_status upgrade_add(struct esk_ctx *c) {
    return binary(c, "Add");
}

static esk_status upgrade_mul(struct esk_ctx *c) {
    return binary(c, "Mul");
}

static esk_status unary(struct esk_ctx *c, const char *op) {
    struct esk_rewrite w = {.c = c};
    return end(&w, apply(&w, op, input(&w, 0)), 3);
}

static esk_status upgrade_sigmoid(struct esk_ctx *c) {
    return unary(c, "Sigmoid");
}

static esk_status upgrade_leaky(struct esk_ctx *c) {
    return unary(c, "LeakyRelu");
}

/* The axes of a channels-last tensor in front of a pool, or back behind it. */
static esk_id turn(struct esk_rewrite *w, esk_id x, int rank, bool back) {
    int64_t perm[ESK_MAX_RANK] = {0};
    for (int i = 1; i < rank; i++)
        perm[i] = back ? (i == rank - 1 ? 1 : i + 1) : (i == 1 ? rank - 1 : i - 1);
    x = esk_rewrite_2(w, "Transpose", x, ESK_NONE);
    if (!w->failed &&
        !esk_node_set_ints(w->c->graph, w->last, "perm", (size_t)rank, perm))
        w->failed = true;
    return x;
}

static esk_status pool(struct esk_ctx *c, const char *op) {
    struct esk_rewrite w = {.c = c};
    bool last = esk_attr_int(c->node, "channels_last", 0) != 0;
    int rank = c->graph->vars[c->node->in[0]]->rank;
    int64_t kernel[ESK_MAX_RANK];
    size_t dims = esk_attr_ints(c->node, "kernel_shape", kernel, ESK_MAX_RANK);
    if (dims && dims <= ESK_MAX_RANK - 2)
        rank = (int)dims + 2;
    if (last && rank < 3)
        return esk_node_fail(c, ESK_UNSUPPORTED, "channels_last of an unknown rank");
    esk_node_remove_attr(c->node, "channels_last");
    esk_id x = input(&w, 0);
    if (last)
        x = turn(&w, x, rank, false);
    x = apply(&w, op, x);
    if (last)
        x = turn(&w, x, rank, true);
    return end(&w, x, 3);
}

static esk_status upgrade_average(struct esk_ctx *c) {
    return pool(c, "AveragePool");
}

static esk_status upgrade_global(struct esk_ctx *c) {
    return pool(c, "GlobalAveragePool");
}

static esk_status upgrade_concat(struct esk_ctx *c) {
    struct esk_rewrite w = {.c = c};
    uint32_t parts = (c->node->n_in - 2) / 3;
    if (c->node->n_in < 5 || (c->node->n_in - 2) % 3)
        return esk_node_fail(c, ESK_INVALID_MODEL, "%u inputs", c->node->n_in);
    esk_id *list = esk_arena_array(&c->graph->arena, parts, sizeof *list);
    if (!list)
        return esk_fail_memory(c->error, "nodes of an upgrade");
    for (uint32_t i = 0; i < parts; i++)
        list[i] = input(&w, 2 + 3 * i);
    int64_t axis = esk_attr_int(c->node, "axis", 0);
    esk_id y = esk_rewrite_n(&w, "Concat", parts, list);
    esk_rewrite_int(&w, "axis", axis);
    esk_id in[] = {y, esk_rewrite_in(&w, 0), esk_rewrite_in(&w, 1)};
    return esk_rewrite_end(&w, "QuantizeLinear", 3, in, false);
}

static esk_status upgrade_softmax(struct esk_ctx *c) {
    struct esk_rewrite w = {.c = c};
    bool flat = esk_attr_int(c->node, "opset", 13) < 13;
    int64_t axis = esk_attr_int(c->node, "axis", flat ? 1 : -1);
    esk_id y = esk_rewrite_2(&w, "Softmax", input(&w, 0), ESK_NONE);
    esk_rewrite_int(&w, "axis", axis);
    if (flat)
        esk_rewrite_int(&w, "esk_flat", 1);
    return end(&w, y, 3);
}

#define OP(Name, least, most, fn)         \
    const struct esk_op esk_op_##Name = { \
        .domain = "com.microsoft",        \
        .name = #Name,                    \
        .since = ESK_SINCE(1),            \
        .min_in = least,                  \
        .max_in = most,                   \
        .min_out = 1,                     \
        .upgrade = fn,                    \
    }

OP(QLinearAdd, 7, 8, upgrade_add);
OP(QLinearMul, 7, 8, upgrade_mul);
OP(QLinearSigmoid, 4, 5, upgrade_sigmoid);
OP(QLinearLeakyRelu, 4, 5, upgrade_leaky);
OP(QLinearAveragePool, 4, 5, upgrade_average);
OP(QLinearGlobalAveragePool, 4, 5, upgrade_global);
OP(QLinearConcat, 5, UINT32_MAX, upgrade_concat);
OP(QLinearSoftmax, 5, 5, upgrade_softmax);
