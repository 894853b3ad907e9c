/* OneHot: indices become vectors of off with one on. */
#include "recipes/map.h"
#include "recipes/move.h"

#include <inttypes.h>
#include <string.h>

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *indices = esk_in(c, 0), *depth = esk_in(c, 1),
                         *v = esk_in(c, 2);
    int64_t dims[ESK_MAX_RANK + 1];
    int axis, rank = indices->rank + 1;
    ESK_TRY(esk_check_axis(c, esk_attr_int(c->node, "axis", -1), rank, &axis));
    if (!depth->data || esk_var_count(depth) != 1)
        return esk_node_fail(c, ESK_INVALID_MODEL, "depth must be a known scalar");
    if (esk_var_count(v) != 2)
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "values must be off and on, they are %" PRId64,
                             esk_var_count(v));
    struct esk_tensor tensor = esk_var_tensor(depth);
    for (int k = 0, at = 0; k < rank; k++)
        dims[k] = k != axis ? indices->dim[at++]
                  : esk_dtype_is_float(depth->dtype)
                      ? (int64_t)esk_tensor_double(&tensor, 0)
                      : esk_tensor_int(&tensor, 0);
    if (dims[axis] < 0)
        return esk_node_fail(c, ESK_INVALID_MODEL, "depth is %" PRId64, dims[axis]);
    return esk_set_out(c, 0, v->dtype, rank, dims);
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *indices = c->in[0], *v = c->in[2], *y = c->out[0];
    int axis;
    if (!y || !y->bytes)
        return ESK_OK;
    size_t element = esk_move_element(y->dtype);
    if (!element || !esk_shape_axis(esk_attr_int(c->node, "axis", -1), y->rank, &axis))
        return esk_cpu_fail(c, ESK_UNSUPPORTED, "values of type %s",
                            esk_dtype_name(y->dtype));
    struct esk_move off = {0};
    esk_move_push(&off, esk_shape_product(y->dim, 0, y->rank), 0);
    esk_move_cpu(&off, element, y->data, v->data);
    int64_t depth = y->dim[axis], inner = esk_shape_product(y->dim, axis + 1, y->rank);
    int64_t outer = esk_shape_product(y->dim, 0, axis);
    bool is_float = esk_dtype_is_float(indices->dtype);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            double real = is_float ? esk_tensor_double(indices, o * inner + i) : 0;
            int64_t at = !is_float ? esk_tensor_int(indices, o * inner + i)
                         : !(real > -1e18 && real < 1e18) ? INT64_MIN
                                                          : (int64_t)real;
            if (at < -depth || at >= depth)
                continue;
            at += at < 0 ? depth : 0;
            memcpy((char *)y->data + (size_t)((o * depth + at) * inner + i) * element,
                   (const char *)v->data + element, element);
        }
    return ESK_OK;
}

static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *indices = esk_in(c, 0), *y = esk_out(c, 0);
    enum esk_storage from =
        esk_storage_of(indices->dtype, indices->rank, indices->dim, ESK_LAYOUT_DENSE);
    if (from == ESK_STORAGE_HOST ||
        esk_storage_of(y->dtype, y->rank, y->dim, ESK_LAYOUT_DENSE) == ESK_STORAGE_HOST)
        return esk_unsupported(c, "indices of %s or values of %s have no device storage",
                               esk_dtype_name(indices->dtype), esk_dtype_name(y->dtype));
    if (esk_var_count(y) > INT32_MAX - 65536)
        return esk_unsupported(c, "%" PRId64 " elements, indices are 32 bit",
                               esk_var_count(y));
    int axis;
    ESK_TRY(esk_check_axis(c, esk_attr_int(c->node, "axis", -1), y->rank, &axis));
    struct esk_recipe *r = esk_add_recipe(c, "one hot");
    struct esk_kernel *k = esk_recipe_kernel(r, "one_hot");
    esk_kernel_in(c, r, k, "I", 0, ESK_ELEMENT);
    esk_kernel_in(c, r, k, "V", 2, ESK_ELEMENT);
    esk_kernel_define(k, "KIND",
                      from == ESK_STORAGE_I64X2 ? 3
                      : from == ESK_STORAGE_U32 ? 2
                      : from == ESK_STORAGE_I32 ? 1
                                                : 0);
    esk_kernel_int(k, "depth", y->dim[axis]);
    esk_kernel_int(k, "inner", esk_shape_product(y->dim, axis + 1, y->rank));
    esk_kernel_map(c, r, k, 0, true);
    k->bytes = (double)esk_var_count(y) * 4;
    return ESK_OK;
}

static uint32_t host_in(const struct esk_graph *graph, const struct esk_node *node) {
    (void)graph;
    (void)node;
    return 1 << 1;
}

const struct esk_op esk_op_OneHot = {
    .domain = "",
    .name = "OneHot",
    .since = (const uint8_t[]){9, 11, 28, 0},
    .min_in = 3,
    .min_out = 1,
    .host_in = host_in,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
