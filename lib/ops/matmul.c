/* MatMul, as numpy's matmul. In: A and B; out: Y. And esker.Linear, a MatMul by a matrix
 * with a value for each column added (input 2), which a pattern makes
 * (patterns_products.c). */
#include "recipes/gemm.h"

/* The columns' values are C of the product. */
static void add_columns(struct esk_gemm *g, uint32_t n_in) {
    if (n_in > 2)
        g->c = 2, g->c_col = 1;
}

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *a = esk_in(c, 0), *b = esk_in(c, 1);
    struct esk_gemm gemm;
    int rank;
    int64_t dims[ESK_MAX_RANK];
    if (!esk_gemm_of_shapes(a->rank, a->dim, b->rank, b->dim, &gemm, &rank, dims)) {
        struct esk_text text = {0};
        esk_shape_print(&text, a->dtype, a->rank, a->dim);
        esk_text_add(&text, " and ");
        esk_shape_print(&text, b->dtype, b->rank, b->dim);
        esk_node_fail(c, ESK_INVALID_MODEL, "%s do not fit", esk_text_str(&text));
        esk_text_finish(&text);
        return ESK_INVALID_MODEL;
    }
    return esk_set_out(c, 0, a->dtype, rank, dims);
}

static esk_status cpu(struct esk_cpu *c) {
    struct esk_gemm gemm;
    int rank;
    int64_t dims[ESK_MAX_RANK];
    esk_gemm_of_shapes(c->in[0]->rank, c->in[0]->dim, c->in[1]->rank, c->in[1]->dim,
                       &gemm, &rank, dims);
    add_columns(&gemm, c->n_in);
    return esk_gemm_cpu(c, &gemm);
}

static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *a = esk_in(c, 0), *b = esk_in(c, 1);
    struct esk_gemm gemm;
    int rank;
    int64_t dims[ESK_MAX_RANK];
    esk_gemm_of_shapes(a->rank, a->dim, b->rank, b->dim, &gemm, &rank, dims);
    add_columns(&gemm, c->node->n_in);
    esk_gemm_walk(c, &gemm, false, false);
    return esk_gemm_gpu(c, &gemm);
}

const struct esk_op esk_op_MatMul = {
    .domain = "",
    .name = "MatMul",
    .since = (const uint8_t[]){1, 9, 13, 0},
    .flags = ESK_OP_EPILOGUE | ESK_OP_WALKS,
    .min_in = 2,
    .min_out = 1,
    .alike = 3,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};

const struct esk_op esk_op_Linear = {
    .domain = "esker",
    .name = "Linear",
    .since = (const uint8_t[]){1, 0},
    .flags = ESK_OP_EPILOGUE | ESK_OP_WALKS,
    .min_in = 3,
    .min_out = 1,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
