/* FusedMatMul and TransposeMatMul of com.microsoft: alpha * A' * B', where A' and B' are
 * A and B with their last two axes swapped (transA, transB), or with the first axis moved
 * to the last but one (transBatchA, transBatchB). One recipe: the GEMM with strides. */
#include "recipes/facts.h"
#include "recipes/gemm.h"

/* An operand's axes in the order that the product takes them. */
struct operand {
    int rank;
    int64_t dim[ESK_MAX_RANK], stride[ESK_MAX_RANK];
};

static void swap(struct operand *x, int i, int j) {
    int64_t dim = x->dim[i], stride = x->stride[i];
    x->dim[i] = x->dim[j], x->stride[i] = x->stride[j];
    x->dim[j] = dim, x->stride[j] = stride;
}

static struct operand view(int rank, const int64_t *dims, bool trans, bool batch) {
    struct operand x = {.rank = rank};
    int64_t strides[ESK_MAX_RANK];
    esk_shape_strides(rank, dims, strides);
    for (int i = 0; i < rank; i++)
        x.dim[i] = dims[i], x.stride[i] = strides[i];
    for (int i = 0; batch && i + 2 < rank; i++)
        swap(&x, i, i + 1);
    if (trans && rank > 1)
        swap(&x, rank - 1, rank - 2);
    return x;
}

static bool describe(const struct esk_facts *f, struct esk_gemm *g, int *rank,
                     int64_t *dims) {
    const struct esk_node *node = f->node;
    struct operand a = view(f->rank[0], f->dim[0], esk_attr_int(node, "transA", 0),
                            esk_attr_int(node, "transBatchA", 0));
    struct operand b = view(f->rank[1], f->dim[1], esk_attr_int(node, "transB", 0),
                            esk_attr_int(node, "transBatchB", 0));
    if (a.rank < 1 || b.rank < 1)
        return false;
    int a_batch = a.rank > 2 ? a.rank - 2 : 0, b_batch = b.rank > 2 ? b.rank - 2 : 0;
    int64_t a_dim[ESK_MAX_RANK], b_dim[ESK_MAX_RANK];
    *g = (struct esk_gemm){
        .b = 1,
        .c = ESK_NONE,
        .m = a.rank > 1 ? a.dim[a.rank - 2] : 1,
        .n = b.rank > 1 ? b.dim[b.rank - 1] : 1,
        .k = a.dim[a.rank - 1],
        .a_row = a.rank > 1 ? a.stride[a.rank - 2] : 0,
        .a_col = a.stride[a.rank - 1],
        .b_row = b.rank > 1 ? b.stride[b.rank - 2] : b.stride[0],
        .b_col = b.rank > 1 ? b.stride[b.rank - 1] : 0,
        .alpha = esk_attr_float(node, "alpha", 1),
        .beta = 1,
    };
    if (b.dim[b.rank > 1 ? b.rank - 2 : 0] != g->k)
        return false;
    for (int i = 0; i < a_batch; i++)
        a_dim[i] = a.dim[i];
    for (int i = 0; i < b_batch; i++)
        b_dim[i] = b.dim[i];
    if (!esk_shape_broadcast(a_batch, a_dim, b_batch, b_dim, rank, dims))
        return false;
    g->n_batch = *rank;
    for (int i = 0; i < g->n_batch; i++) {
        int from_a = i - (g->n_batch - a_batch), from_b = i - (g->n_batch - b_batch);
        g->batch[i] = dims[i];
        g->a_batch[i] = from_a < 0 || a.dim[from_a] == 1 ? 0 : a.stride[from_a];
        g->b_batch[i] = from_b < 0 || b.dim[from_b] == 1 ? 0 : b.stride[from_b];
    }
    if (a.rank > 1)
        dims[(*rank)++] = g->m;
    if (b.rank > 1)
        dims[(*rank)++] = g->n;
    return true;
}

static esk_status infer(struct esk_ctx *c) {
    struct esk_facts f = esk_facts_of_vars(c);
    struct esk_gemm g;
    int rank;
    int64_t dims[ESK_MAX_RANK + 2];
    if (!describe(&f, &g, &rank, dims))
        return esk_node_fail(c, ESK_INVALID_MODEL, "A and B do not fit");
    return esk_set_out(c, 0, f.dtype[0], rank, dims);
}

static esk_status cpu(struct esk_cpu *c) {
    struct esk_facts f = esk_facts_of_tensors(c);
    struct esk_gemm g;
    int rank;
    int64_t dims[ESK_MAX_RANK + 2];
    describe(&f, &g, &rank, dims);
    return esk_gemm_cpu(c, &g);
}

static esk_status gpu(struct esk_ctx *c) {
    struct esk_facts f = esk_facts_of_vars(c);
    struct esk_gemm g;
    int rank;
    int64_t dims[ESK_MAX_RANK + 2];
    describe(&f, &g, &rank, dims);
    return esk_gemm_gpu(c, &g);
}

#define OP(title)                             \
    const struct esk_op esk_op_ms_##title = { \
        .domain = "com.microsoft",            \
        .name = #title,                       \
        .since = (const uint8_t[]){1, 0},     \
        .flags = ESK_OP_EPILOGUE,             \
        .min_in = 2,                          \
        .alike = 7,                           \
        .min_out = 1,                         \
        .infer = infer,                       \
        .cpu = cpu,                           \
        .gpu = gpu,                           \
    }

OP(FusedMatMul);
OP(TransposeMatMul);
