/* Shape and Size: known as soon as the input's shape is; infer writes the bytes, nothing
 * is ever computed from data. */
#include "ir/op.h"

#include <string.h>

/* The output becomes a known list (rank 1) or scalar of int64. */
static esk_status know(struct esk_ctx *c, int rank, const int64_t *values,
                       int64_t count) {
    ESK_TRY(esk_set_out(c, 0, ESK_INT64, rank, &count));
    struct esk_var *y = esk_out(c, 0);
    if (!y)
        return ESK_OK;
    size_t bytes = (size_t)count * sizeof *values;
    y->data = esk_arena_copy(&c->graph->arena, values, bytes);
    if (!y->data)
        return esk_fail_memory(c->error, "a shape");
    y->bytes = bytes;
    return ESK_OK;
}

/* start and end of rank: clamped, negative ones from the end. */
static void range_of(const struct esk_node *node, int rank, int64_t *start,
                     int64_t *count) {
    int64_t from = esk_attr_int(node, "start", 0), to = esk_attr_int(node, "end", rank);
    from += from < 0 ? rank : 0;
    to += to < 0 ? rank : 0;
    from = from < 0 ? 0 : from > rank ? rank : from;
    to = to < 0 ? 0 : to > rank ? rank : to;
    *start = from;
    *count = to > from ? to - from : 0;
}

static esk_status shape_infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    int64_t start, count;
    range_of(c->node, x->rank, &start, &count);
    return know(c, 1, x->dim + start, count);
}

static esk_status size_infer(struct esk_ctx *c) {
    int64_t count = esk_var_count(esk_in(c, 0));
    return know(c, 0, &count, 1);
}

static esk_status shape_cpu(struct esk_cpu *c) {
    int64_t start, count;
    range_of(c->node, c->in[0]->rank, &start, &count);
    if (c->out[0] && count)
        memcpy(c->out[0]->data, c->in[0]->dim + start, (size_t)count * sizeof(int64_t));
    return ESK_OK;
}

static esk_status size_cpu(struct esk_cpu *c) {
    if (c->out[0])
        *(int64_t *)c->out[0]->data = esk_shape_product(c->in[0]->dim, 0, c->in[0]->rank);
    return ESK_OK;
}

const struct esk_op esk_op_Shape = {
    .domain = "",
    .name = "Shape",
    .since = (const uint8_t[]){1, 13, 15, 19, 21, 23, 24, 25, 0},
    .min_in = 1,
    .min_out = 1,
    .infer = shape_infer,
    .cpu = shape_cpu,
};

const struct esk_op esk_op_Size = {
    .domain = "",
    .name = "Size",
    .since = (const uint8_t[]){1, 13, 19, 21, 23, 24, 25, 0},
    .min_in = 1,
    .min_out = 1,
    .infer = size_infer,
    .cpu = size_cpu,
};
