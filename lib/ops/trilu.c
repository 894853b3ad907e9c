/* Trilu: one triangle of matrices stays, the other becomes zero. The diagonal may be
 * known as late as the run. */
#include "recipes/move.h"

#include <string.h>

static esk_status infer(struct esk_ctx *c) {
    if (esk_in(c, 0)->rank < 2)
        return esk_node_fail(c, ESK_INVALID_MODEL, "the input has rank %d, less than 2",
                             esk_in(c, 0)->rank);
    return esk_set_out_like(c, 0, 0);
}

static esk_status cpu(struct esk_cpu *c) {
    struct esk_tensor *y = c->out[0];
    if (!y || !y->bytes)
        return ESK_OK;
    size_t element = esk_move_element(y->dtype);
    if (!element)
        return esk_cpu_fail(c, ESK_UNSUPPORTED, "elements of type %s are not moved",
                            esk_dtype_name(y->dtype));
    bool upper = esk_attr_int(c->node, "upper", 1) != 0;
    int64_t rows = y->dim[y->rank - 2], columns = y->dim[y->rank - 1], k = 0;
    int64_t n = esk_shape_product(y->dim, 0, y->rank - 2);
    if (c->n_in > 1 && c->in[1])
        k = esk_tensor_int(c->in[1], 0);
    k = k < -rows ? -rows : k > columns ? columns : k;
    memcpy(y->data, c->in[0]->data, y->bytes);
    for (int64_t r = 0; r < n * rows; r++) {
        /* upper: columns before row + k go; lower: those behind it */
        int64_t at = r % rows + k + (upper ? 0 : 1);
        at = at < 0 ? 0 : at > columns ? columns : at;
        char *row = (char *)y->data + (size_t)(r * columns) * element;
        if (upper)
            memset(row, 0, (size_t)at * element);
        else
            memset(row + (size_t)at * element, 0, (size_t)(columns - at) * element);
    }
    return ESK_OK;
}

static esk_status gpu(struct esk_ctx *c) {
    ESK_TRY(esk_move_ready(c));
    const struct esk_var *y = esk_out(c, 0), *diagonal = esk_in(c, 1);
    int64_t rows = y->dim[y->rank - 2], columns = y->dim[y->rank - 1];
    bool wide =
        esk_storage_of(y->dtype, y->rank, y->dim, ESK_LAYOUT_DENSE) == ESK_STORAGE_I64X2;
    struct esk_recipe *r = esk_add_recipe(c, "trilu");
    struct esk_kernel *k = esk_recipe_kernel(r, "trilu");
    enum esk_view view = wide ? ESK_ELEMENT : ESK_VEC4;
    esk_kernel_in(c, r, k, "X", 0, view);
    esk_kernel_out(c, r, k, "Y", 0, view);
    if (esk_attr_int(c->node, "upper", 1))
        esk_kernel_define(k, "UPPER", 1);
    int64_t count = esk_var_count(y), units = wide ? count : (count + 3) / 4;
    esk_kernel_int(k, "count", units);
    esk_kernel_int(k, "matrix", rows * columns);
    esk_kernel_int(k, "columns", columns);
    if (diagonal && !diagonal->data)
        esk_kernel_host_int(k, "given", esk_in_id(c, 1), 0);
    else {
        int64_t value = 0;
        if (diagonal) {
            struct esk_tensor tensor = esk_var_tensor(diagonal);
            value = esk_tensor_int(&tensor, 0);
        }
        esk_kernel_int(k, "given", value);
    }
    esk_kernel_flat(k, c->limits, (uint64_t)units);
    k->bytes = (double)count * 8;
    return ESK_OK;
}

static uint32_t second_in(const struct esk_graph *graph, const struct esk_node *node) {
    (void)graph;
    (void)node;
    return 1 << 1;
}

const struct esk_op esk_op_Trilu = {
    .domain = "",
    .name = "Trilu",
    .since = (const uint8_t[]){14, 0},
    .min_in = 1,
    .max_in = 2,
    .min_out = 1,
    .host_in = second_in,
    .host_late = second_in,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
