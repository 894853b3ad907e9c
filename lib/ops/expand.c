/* Expand and Tile: elements repeated along axes. Out: strided copies with strides of 0.
 */
#include "recipes/walk.h"

#include <inttypes.h>

/* ---- upgrade ---- */

static esk_status tile_upgrade(struct esk_ctx *c) {
    if (c->node->since < 6)
        return esk_node_fail(c, ESK_UNSUPPORTED,
                             "Tile of opset %d (tiles and axis) is not "
                             "known, from 6 on it is",
                             c->node->since);
    return ESK_OK;
}

/* ---- infer ---- */

static esk_status expand_infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    int64_t shape[ESK_MAX_RANK], dims[ESK_MAX_RANK];
    uint32_t n;
    int rank;
    ESK_TRY(esk_in_ints(c, 1, shape, ESK_MAX_RANK, &n));
    for (uint32_t i = 0; i < n; i++)
        if (shape[i] < 0)
            return esk_node_fail(c, ESK_INVALID_MODEL, "shape[%u] is %" PRId64, i,
                                 shape[i]);
    if (!esk_shape_broadcast(x->rank, x->dim, (int)n, shape, &rank, dims)) {
        struct esk_text text = {0};
        esk_shape_print(&text, x->dtype, x->rank, x->dim);
        esk_status status = esk_node_fail(c, ESK_INVALID_MODEL,
                                          "%s cannot be expanded to the %u given sizes",
                                          esk_text_str(&text), n);
        esk_text_finish(&text);
        return status;
    }
    return esk_set_out(c, 0, x->dtype, rank, dims);
}

static esk_status tile_infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    int64_t repeats[ESK_MAX_RANK], dims[ESK_MAX_RANK];
    uint32_t n;
    ESK_TRY(esk_in_ints(c, 1, repeats, ESK_MAX_RANK, &n));
    if ((int)n != x->rank)
        return esk_node_fail(c, ESK_INVALID_MODEL, "%u repeats for rank %d", n, x->rank);
    for (int k = 0; k < x->rank; k++)
        if (repeats[k] < 0 || __builtin_mul_overflow(x->dim[k], repeats[k], &dims[k]))
            return esk_node_fail(c, ESK_INVALID_MODEL, "repeats[%d] is %" PRId64, k,
                                 repeats[k]);
    return esk_set_out(c, 0, x->dtype, x->rank, dims);
}

/* ---- cpu ---- */

static esk_status expand_cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0], *y = c->out[0];
    int64_t strides[ESK_MAX_RANK];
    struct esk_move m = {0};
    if (!y)
        return ESK_OK;
    esk_shape_broadcast_strides(x->rank, x->dim, y->rank, y->dim, strides);
    for (int k = 0; k < y->rank; k++)
        esk_move_push(&m, y->dim[k], strides[k]);
    return esk_move_cpu_call(c, 0, 0, &m);
}

static void push_tile(struct esk_move *m, int rank, const int64_t *x, const int64_t *y,
                      const int64_t *strides) {
    for (int k = 0; k < rank; k++) {
        esk_move_push(m, x[k] ? y[k] / x[k] : 0, 0);
        esk_move_push(m, x[k], strides[k]);
    }
}

static esk_status tile_cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0], *y = c->out[0];
    int64_t strides[ESK_MAX_RANK];
    struct esk_move m = {0};
    if (!y)
        return ESK_OK;
    esk_shape_strides(x->rank, x->dim, strides);
    push_tile(&m, x->rank, x->dim, y->dim, strides);
    return esk_move_cpu_call(c, 0, 0, &m);
}

/* ---- gpu ---- */

static esk_status expand_gpu(struct esk_ctx *c) {
    ESK_TRY(esk_move_ready(c));
    const struct esk_var *x = esk_in(c, 0), *y = esk_out(c, 0);
    int64_t dims[ESK_MAX_RANK];
    for (int k = 0; k < y->rank; k++)
        dims[k] = k < y->rank - x->rank ? 1 : x->dim[k - (y->rank - x->rank)];
    struct esk_walk w = esk_walk_of(c, 0);
    if (!esk_walk_reshape(&w, y->rank, dims) || !esk_walk_expand(&w, y->rank, y->dim)) {
        w = esk_walk_over(c, 0);
        esk_walk_reshape(&w, y->rank, dims);
        esk_walk_expand(&w, y->rank, y->dim);
    }
    esk_walk_recipe(c, "expand", &w);
    return ESK_OK;
}

static esk_status tile_gpu(struct esk_ctx *c) {
    ESK_TRY(esk_move_ready(c));
    const struct esk_var *x = esk_in(c, 0), *y = esk_out(c, 0);
    if (esk_shape_equal(x->rank, x->dim, y->rank, y->dim)) {
        struct esk_recipe *r = esk_add_recipe(c, "view");
        r->in_layout[0] = r->out_layout[0] = esk_move_layout(c, 0);
        r->alias = 0;
        return ESK_OK;
    }
    struct esk_recipe *r = esk_add_recipe(c, "tile");
    int64_t strides[ESK_MAX_RANK];
    struct esk_move m = {0};
    r->in_layout[0] = esk_move_layout(c, 0);
    esk_move_strides(r->in_layout[0], x->rank, x->dim, strides);
    push_tile(&m, x->rank, x->dim, y->dim, strides);
    esk_move_kernel(c, r, &m, 0, 0);
    return ESK_OK;
}

static uint32_t second_in(const struct esk_graph *graph, const struct esk_node *node) {
    (void)graph;
    (void)node;
    return 1 << 1;
}

const struct esk_op esk_op_Expand = {
    .domain = "",
    .name = "Expand",
    .flags = ESK_OP_WALKS,
    .since = (const uint8_t[]){8, 13, 0},
    .min_in = 2,
    .min_out = 1,
    .host_in = second_in,
    .infer = expand_infer,
    .cpu = expand_cpu,
    .gpu = expand_gpu,
};

const struct esk_op esk_op_Tile = {
    .domain = "",
    .name = "Tile",
    .since = (const uint8_t[]){1, 6, 13, 0},
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .host_in = second_in,
    .upgrade = tile_upgrade,
    .infer = tile_infer,
    .cpu = tile_cpu,
    .gpu = tile_gpu,
};
