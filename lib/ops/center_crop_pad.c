/* CenterCropPad. In: X and sizes for axes; out: X cut or padded with zeros about its
 * middle. */
#include "recipes/map.h"
#include "recipes/move.h"

#include <string.h>

static uint32_t on_host(const struct esk_graph *graph, const struct esk_node *node) {
    (void)graph, (void)node;
    return 2;
}

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    int64_t sizes[ESK_MAX_RANK], axes[ESK_MAX_RANK], dims[ESK_MAX_RANK];
    uint32_t count;
    ESK_TRY(esk_in_ints(c, 1, sizes, ESK_MAX_RANK, &count));
    size_t n_axes = esk_attr_ints(c->node, "axes", axes, ESK_MAX_RANK);
    for (int k = 0; k < x->rank; k++)
        dims[k] = x->dim[k];
    if (!n_axes)
        for (n_axes = 0; n_axes < (size_t)x->rank; n_axes++)
            axes[n_axes] = (int64_t)n_axes;
    if (count != n_axes)
        return esk_node_fail(c, ESK_INVALID_MODEL, "%u sizes for %zu axes", count,
                             n_axes);
    for (uint32_t i = 0; i < count; i++) {
        int axis;
        ESK_TRY(esk_check_axis(c, axes[i], x->rank, &axis));
        if (sizes[i] < 0)
            return esk_node_fail(c, ESK_INVALID_MODEL, "size %lld", (long long)sizes[i]);
        dims[axis] = sizes[i];
    }
    return esk_set_out(c, 0, x->dtype, x->rank, dims);
}

/* Where X's index 0 is in the output; negative: what is cut off. */
static int64_t start_of(int64_t x, int64_t y) {
    return y >= x ? (y - x) / 2 : -((x - y) / 2);
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0], *y = c->out[0];
    size_t element = esk_move_element(x->dtype);
    int64_t strides[ESK_MAX_RANK], y_strides[ESK_MAX_RANK], from = 0, to = 0, rows = 1;
    int64_t many[ESK_MAX_RANK] = {0};
    if (!element)
        return esk_cpu_fail(c, ESK_UNSUPPORTED, "type %s", esk_dtype_name(x->dtype));
    esk_shape_strides(x->rank, x->dim, strides);
    esk_shape_strides(y->rank, y->dim, y_strides);
    memset(y->data, 0, y->bytes);
    for (int k = 0; k < x->rank; k++) {
        int64_t start = start_of(x->dim[k], y->dim[k]);
        from += start < 0 ? -start * strides[k] : 0;
        to += start > 0 ? start * y_strides[k] : 0;
        many[k] = x->dim[k] < y->dim[k] ? x->dim[k] : y->dim[k];
        rows *= k < x->rank - 1 ? many[k] : 1;
    }
    size_t bytes = (x->rank ? (size_t)many[x->rank - 1] : 1) * element;
    for (int64_t row = 0; row < rows && bytes; row++) {
        int64_t rest = row, at = from, at_y = to;
        for (int k = x->rank - 2; k >= 0; k--) {
            at += rest % many[k] * strides[k];
            at_y += rest % many[k] * y_strides[k];
            rest /= many[k];
        }
        memcpy((char *)y->data + (size_t)at_y * element,
               (const char *)x->data + (size_t)at * element, bytes);
    }
    return ESK_OK;
}

static esk_status gpu(struct esk_ctx *c) {
    ESK_TRY(esk_move_ready(c));
    const struct esk_var *x = esk_in(c, 0), *y = esk_out(c, 0);
    int64_t strides[ESK_MAX_RANK] = {1}, starts[ESK_MAX_RANK] = {0};
    int64_t in[ESK_MAX_RANK] = {1}, out[ESK_MAX_RANK] = {1};
    uint32_t rank = x->rank ? (uint32_t)x->rank : 1;
    esk_shape_strides(x->rank, x->dim, strides);
    for (int k = 0; k < x->rank; k++) {
        starts[k] = start_of(x->dim[k], y->dim[k]);
        in[k] = x->dim[k], out[k] = y->dim[k];
    }
    struct esk_recipe *r = esk_add_recipe(c, "center crop or pad");
    struct esk_kernel *k = esk_recipe_kernel(r, "center_crop_pad");
    esk_kernel_in(c, r, k, "X", 0, ESK_ELEMENT);
    esk_kernel_define(k, "RANK", rank);
    esk_kernel_ints(k, "in", rank, in);
    esk_kernel_ints(k, "out", rank, out);
    esk_kernel_ints(k, "start", rank, starts);
    esk_kernel_ints(k, "stride", rank, strides);
    esk_kernel_map(c, r, k, 0, true);
    k->bytes = 8.0 * (double)esk_var_count(y);
    return ESK_OK;
}

const struct esk_op esk_op_CenterCropPad = {
    .domain = "",
    .name = "CenterCropPad",
    .since = (const uint8_t[]){18, 0},
    .min_in = 2,
    .min_out = 1,
    .host_in = on_host,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
