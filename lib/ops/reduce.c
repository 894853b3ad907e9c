/* ReduceSum and its family. In: data and axes (a known list; empty or absent: all, or
 * none with noop_with_empty_axes); out: data reduced. */
#include "recipes/reduce.h"

static uint32_t axes_on_host(const struct esk_graph *graph, const struct esk_node *node) {
    (void)graph, (void)node;
    return 1 << 1;
}

static esk_status upgrade(struct esk_ctx *c) {
    return esk_upgrade_ints_to_input(c, "axes", 1);
}

/* The mask of reduced axes. */
static esk_status axes_mask(const struct esk_ctx *c, int rank, uint32_t *mask) {
    int64_t axes[32];
    uint32_t n;
    ESK_TRY(esk_in_ints(c, 1, axes, 32, &n));
    *mask = 0;
    for (uint32_t i = 0; i < n; i++) {
        int axis;
        ESK_TRY(esk_check_axis(c, axes[i], rank, &axis));
        *mask |= 1u << axis;
    }
    if (n == 0 && !esk_attr_int(c->node, "noop_with_empty_axes", 0))
        *mask = (1u << rank) - 1;
    return ESK_OK;
}

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    bool keep = esk_attr_int(c->node, "keepdims", 1);
    uint32_t mask;
    ESK_TRY(axes_mask(c, x->rank, &mask));
    int64_t dims[ESK_MAX_RANK];
    int rank = 0;
    for (int a = 0; a < x->rank; a++)
        if (!(mask >> a & 1))
            dims[rank++] = x->dim[a];
        else if (keep)
            dims[rank++] = 1;
    return esk_set_out(c, 0, x->dtype, rank, dims);
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0], *axes = c->n_in > 1 ? c->in[1] : NULL;
    int64_t n = axes ? esk_shape_product(axes->dim, 0, axes->rank) : 0;
    uint32_t mask = 0;
    for (int64_t i = 0; i < n; i++) {
        int axis;
        if (!esk_shape_axis(esk_tensor_int(axes, i), x->rank, &axis))
            return esk_cpu_fail(c, ESK_INVALID_MODEL,
                                "axis %lld out of range for rank %d",
                                (long long)esk_tensor_int(axes, i), x->rank);
        mask |= 1u << axis;
    }
    if (n == 0 && !esk_attr_int(c->node, "noop_with_empty_axes", 0))
        mask = (1u << x->rank) - 1;
    return esk_reduce_cpu(c, c->node->op->data, mask);
}

static esk_status gpu(struct esk_ctx *c) {
    uint32_t mask;
    ESK_TRY(axes_mask(c, esk_in(c, 0)->rank, &mask));
    return esk_reduce_gpu(c, c->node->op->data, mask);
}

#define REDUCE(title, map_, join_, last_, ...)                                  \
    const struct esk_op esk_op_##title = {                                      \
        .domain = "",                                                           \
        .name = #title,                                                         \
        .since = (const uint8_t[]){__VA_ARGS__, 0},                             \
        .min_in = 1,                                                            \
        .max_in = 2,                                                            \
        .min_out = 1,                                                           \
        .host_in = axes_on_host,                                                \
        .upgrade = upgrade,                                                     \
        .infer = infer,                                                         \
        .cpu = cpu,                                                             \
        .gpu = gpu,                                                             \
        .data = &(const struct esk_reduction){ESK_MAP_##map_, ESK_JOIN_##join_, \
                                              ESK_LAST_##last_},                \
    }

REDUCE(ReduceSum, NONE, ADD, NONE, 1, 11, 13);
REDUCE(ReduceMean, NONE, ADD, MEAN, 1, 11, 13, 18);
REDUCE(ReduceProd, NONE, MUL, NONE, 1, 11, 13, 18);
REDUCE(ReduceMax, NONE, MAX, NONE, 1, 11, 12, 13, 18, 20);
REDUCE(ReduceMin, NONE, MIN, NONE, 1, 11, 12, 13, 18, 20);
REDUCE(ReduceL1, ABS, ADD, NONE, 1, 11, 13, 18);
REDUCE(ReduceL2, SQUARE, ADD, SQRT, 1, 11, 13, 18);
REDUCE(ReduceSumSquare, SQUARE, ADD, NONE, 1, 11, 13, 18);
REDUCE(ReduceLogSum, NONE, ADD, LOG, 1, 11, 13, 18, 28);
REDUCE(ReduceLogSumExp, NONE, LSE, NONE, 1, 11, 13, 18, 28);
