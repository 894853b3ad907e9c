/* MaxUnpool. In: X, the flat places (in the output that the attributes tell) of its
 * elements, perhaps a greater output's shape; out: X at these places, zeros elsewhere. */
#include "ir/op.h"
#include "recipes/move.h"

#include <string.h>

static uint32_t on_host(const struct esk_graph *graph, const struct esk_node *node) {
    (void)graph, (void)node;
    return 4;
}

/* The output as the attributes tell. */
static esk_status own_dims(const struct esk_node *node, esk_error *error, int rank,
                           const int64_t *x, int64_t *dims) {
    int64_t kernel[ESK_MAX_RANK], strides[ESK_MAX_RANK], pads[2 * ESK_MAX_RANK];
    size_t n = esk_attr_ints(node, "kernel_shape", kernel, ESK_MAX_RANK);
    size_t n_strides = esk_attr_ints(node, "strides", strides, ESK_MAX_RANK);
    size_t n_pads = esk_attr_ints(node, "pads", pads, 2 * ESK_MAX_RANK);
    if (rank < 3 || n != (size_t)rank - 2 || (n_strides && n_strides != n) ||
        (n_pads && n_pads != 2 * n))
        return esk_fail(error, ESK_INVALID_MODEL,
                        "MaxUnpool '%s': attributes do not fit rank %d", node->name,
                        rank);
    dims[0] = x[0], dims[1] = x[1];
    for (size_t k = 0; k < n; k++) {
        const int64_t sizes[] = {x[2 + k], n_strides ? strides[k] : 1, kernel[k],
                                 n_pads ? pads[k] : 0, n_pads ? pads[n + k] : 0};
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            if (sizes[i] < -INT32_MAX || sizes[i] > INT32_MAX) /* products fit 63 bits */
                return esk_fail(error, ESK_INVALID_MODEL,
                                "MaxUnpool '%s': axis %zu: %lld, the limit is 2147483647",
                                node->name, k + 2, (long long)sizes[i]);
        dims[2 + k] = (x[2 + k] - 1) * (n_strides ? strides[k] : 1) + kernel[k] -
                      (n_pads ? pads[k] + pads[n + k] : 0);
        if (dims[2 + k] < 0)
            return esk_fail(error, ESK_INVALID_MODEL, "MaxUnpool '%s': axis %zu: pads",
                            node->name, k + 2);
    }
    return ESK_OK;
}

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *at = esk_in(c, 1);
    int64_t own[ESK_MAX_RANK], dims[ESK_MAX_RANK];
    uint32_t count;
    ESK_TRY(own_dims(c->node, c->error, x->rank, x->dim, own));
    if (!esk_shape_equal(x->rank, x->dim, at->rank, at->dim) || at->dtype != ESK_INT64)
        return esk_node_fail(c, ESK_INVALID_MODEL, "indices are not int64 of X's shape");
    ESK_TRY(esk_in_ints(c, 2, dims, ESK_MAX_RANK, &count));
    if (!count)
        return esk_set_out(c, 0, x->dtype, x->rank, own);
    for (int k = 0; k < x->rank; k++)
        if (count != (uint32_t)x->rank || dims[k] < own[k])
            return esk_node_fail(c, ESK_INVALID_MODEL,
                                 "output_shape is smaller than what pooling tells");
    return esk_set_out(c, 0, x->dtype, x->rank, dims);
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0], *y = c->out[0];
    const int64_t *places = c->in[1]->data;
    int64_t own[ESK_MAX_RANK], strides[ESK_MAX_RANK];
    size_t element = esk_move_element(x->dtype);
    ESK_TRY(own_dims(c->node, c->error, x->rank, x->dim, own));
    if (!element)
        return esk_cpu_fail(c, ESK_UNSUPPORTED, "type %s", esk_dtype_name(x->dtype));
    esk_shape_strides(y->rank, y->dim, strides);
    int64_t count = esk_shape_product(x->dim, 0, x->rank);
    int64_t all = esk_shape_product(own, 0, x->rank);
    memset(y->data, 0, y->bytes);
    for (int64_t i = 0; i < count; i++) {
        int64_t rest = places[i], at = 0;
        if (rest < 0 || rest >= all)
            return esk_cpu_fail(c, ESK_INVALID_ARGUMENT, "index %lld of %lld",
                                (long long)rest, (long long)all);
        for (int k = x->rank - 1; k >= 0; k--) {
            at += rest % own[k] * strides[k];
            rest /= own[k];
        }
        memcpy((char *)y->data + (size_t)at * element,
               (const char *)x->data + (size_t)i * element, element);
    }
    return ESK_OK;
}

static esk_status gpu(struct esk_ctx *c) {
    ESK_TRY(esk_move_ready(c));
    const struct esk_var *x = esk_in(c, 0), *y = esk_out(c, 0);
    enum esk_storage storage =
        esk_storage_of(y->dtype, y->rank, y->dim, ESK_LAYOUT_DENSE);
    int64_t own[ESK_MAX_RANK], strides[ESK_MAX_RANK], count = esk_var_count(x);
    if (storage != ESK_STORAGE_F32)
        return esk_unsupported(c, "Y is kept as %s", esk_storage_name(storage));
    ESK_TRY(own_dims(c->node, c->error, x->rank, x->dim, own));
    esk_shape_strides(y->rank, y->dim, strides);
    struct esk_recipe *r = esk_add_recipe(c, "zeros, then scattered");
    struct esk_kernel *k = esk_recipe_kernel(r, "max_unpool");
    esk_kernel_define(k, "ZEROS", 1);
    esk_kernel_out(c, r, k, "Y", 0, ESK_ELEMENT);
    esk_kernel_int(k, "count", esk_var_count(y));
    esk_kernel_flat(k, c->limits, (uint64_t)esk_var_count(y));
    if (!count)
        return ESK_OK;
    k = esk_recipe_kernel(r, "max_unpool");
    esk_kernel_in(c, r, k, "X", 0, ESK_ELEMENT);
    esk_kernel_in(c, r, k, "I", 1, ESK_ELEMENT);
    esk_kernel_out(c, r, k, "Y", 0, ESK_ELEMENT);
    esk_kernel_define(k, "RANK", x->rank);
    esk_kernel_int(k, "count", count);
    esk_kernel_int(k, "all", esk_shape_product(own, 0, x->rank));
    esk_kernel_ints(k, "own", (uint32_t)x->rank, own);
    esk_kernel_ints(k, "stride", (uint32_t)x->rank, strides);
    esk_kernel_flat(k, c->limits, (uint64_t)count);
    k->bytes = 16.0 * (double)count;
    return ESK_OK;
}

const struct esk_op esk_op_MaxUnpool = {
    .domain = "",
    .name = "MaxUnpool",
    .since = (const uint8_t[]){9, 11, 22, 0},
    .min_in = 2,
    .real = 0x1,
    .max_in = 3,
    .min_out = 1,
    .host_in = on_host,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
