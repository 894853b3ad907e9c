/* Gemm. In: matrices A and B, each may be transposed, and C, which is broadcast to the
 * product's shape; out: Y = alpha * A * B + beta * C. Before opset 7 C's axes could start
 * at `axis`; only the default, the trailing axes, is taken. */
#include "recipes/gemm.h"

static esk_status upgrade(struct esk_ctx *c) {
    esk_node_remove_attr(c->node, "broadcast");
    return ESK_OK;
}

/* The product of these shapes; false if they do not fit. C may be NULL. */
static bool describe(const struct esk_node *node, const int64_t *a, const int64_t *b,
                     int rank_c, const int64_t *dims_c, struct esk_gemm *g) {
    bool a_t = esk_attr_int(node, "transA", 0), b_t = esk_attr_int(node, "transB", 0);
    *g = (struct esk_gemm){
        .b = 1,
        .c = ESK_NONE,
        .m = a[a_t],
        .n = b[!b_t],
        .k = a[!a_t],
        .a_row = a_t ? 1 : a[1],
        .a_col = a_t ? a[1] : 1,
        .b_row = b_t ? 1 : b[1],
        .b_col = b_t ? b[1] : 1,
        .alpha = esk_attr_float(node, "alpha", 1),
        .beta = esk_attr_float(node, "beta", 1),
    };
    if (b[b_t] != g->k)
        return false;
    if (dims_c) {
        int64_t y[2] = {g->m, g->n}, all[ESK_MAX_RANK], strides[2];
        int rank;
        if (rank_c > 2 || !esk_shape_broadcast(2, y, rank_c, dims_c, &rank, all) ||
            !esk_shape_equal(rank, all, 2, y))
            return false;
        esk_shape_broadcast_strides(rank_c, dims_c, 2, y, strides);
        g->c = 2, g->c_row = strides[0], g->c_col = strides[1];
    }
    return true;
}

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *a = esk_in(c, 0), *b = esk_in(c, 1), *t = esk_in(c, 2);
    struct esk_gemm g;
    if (a->rank != 2 || b->rank != 2)
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "A has rank %d and B %d, they must be 2", a->rank, b->rank);
    if (!describe(c->node, a->dim, b->dim, t ? t->rank : 0, t ? t->dim : NULL, &g)) {
        struct esk_text text = {0};
        esk_shape_print(&text, a->dtype, a->rank, a->dim);
        esk_text_add(&text, ", ");
        esk_shape_print(&text, b->dtype, b->rank, b->dim);
        if (t) {
            esk_text_add(&text, ", ");
            esk_shape_print(&text, t->dtype, t->rank, t->dim);
        }
        esk_node_fail(c, ESK_INVALID_MODEL, "%s do not fit", esk_text_str(&text));
        esk_text_finish(&text);
        return ESK_INVALID_MODEL;
    }
    return esk_set_out(c, 0, a->dtype, 2, (int64_t[]){g.m, g.n});
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *t = c->n_in > 2 ? c->in[2] : NULL;
    struct esk_gemm g;
    describe(c->node, c->in[0]->dim, c->in[1]->dim, t ? t->rank : 0, t ? t->dim : NULL,
             &g);
    return esk_gemm_cpu(c, &g);
}

static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *t = esk_in(c, 2);
    struct esk_gemm g;
    describe(c->node, esk_in(c, 0)->dim, esk_in(c, 1)->dim, t ? t->rank : 0,
             t ? t->dim : NULL, &g);
    esk_gemm_walk(c, &g, esk_attr_int(c->node, "transA", 0),
                  esk_attr_int(c->node, "transB", 0));
    return esk_gemm_gpu(c, &g);
}

const struct esk_op esk_op_Gemm = {
    .domain = "",
    .name = "Gemm",
    .since = (const uint8_t[]){1, 6, 7, 9, 11, 13, 0},
    .flags = ESK_OP_EPILOGUE | ESK_OP_WALKS,
    .min_in = 2,
    .max_in = 3,
    .alike = 7,
    .min_out = 1,
    .upgrade = upgrade,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
