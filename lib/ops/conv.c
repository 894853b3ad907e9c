/* Conv and ConvTranspose. In: X [N, C, spatial…], W [M, C / group, kernel…] (transposed:
 * [C, M / group, kernel…]), B [M]; out: Y [N, M, spatial…]. How is in recipes/conv
 * (device) and recipes/conv_cpu. */
#include "recipes/conv.h"
#include "recipes/conv_cpu.h"

#include <inttypes.h>
#include <string.h>

/* The family's own record. */
struct direction {
    bool transposed;
};

static bool transposed(const struct esk_node *node) {
    return ((const struct direction *)node->op->data)->transposed;
}

static esk_status window_of(const struct esk_node *node, esk_error *error, int rank,
                            const int64_t *x, const int64_t *w,
                            struct esk_window *window) {
    return (transposed(node) ? esk_window_transposed : esk_window_read)(
        node, error, rank - 2, x + 2, w + 2, window);
}

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *w = esk_in(c, 1), *b = esk_in(c, 2);
    int64_t group = esk_attr_int(c->node, "group", 1);
    bool back = transposed(c->node);
    if (x->rank < 3 || w->rank != x->rank)
        return esk_node_fail(
            c, ESK_INVALID_MODEL,
            "X has rank %d and W rank %d, both must be the same, 3 or more", x->rank,
            w->rank);
    if (!esk_dtype_is_float(x->dtype) || w->dtype != x->dtype ||
        (b && b->dtype != x->dtype))
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "X is %s and W is %s, both must be the "
                             "same float type",
                             esk_dtype_name(x->dtype), esk_dtype_name(w->dtype));
    bool fits = group >= 1 && w->dim[0] % group == 0 && x->dim[1] % group == 0 &&
                (back ? w->dim[0] == x->dim[1] : w->dim[1] == x->dim[1] / group);
    if (!fits)
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "%" PRId64 " channels, %" PRId64
                             " groups and weights of %" PRId64 " x %" PRId64
                             " do not fit",
                             x->dim[1], group, w->dim[0], w->dim[1]);
    int64_t channels = back ? w->dim[1] * group : w->dim[0];
    if (b && (b->rank != 1 || b->dim[0] != channels))
        return esk_node_fail(c, ESK_INVALID_MODEL, "the bias must have %" PRId64 " items",
                             channels);
    struct esk_window window;
    ESK_TRY(window_of(c->node, c->error, x->rank, x->dim, w->dim, &window));
    int64_t dims[ESK_MAX_RANK] = {x->dim[0], channels};
    memcpy(dims + 2, window.out, sizeof(int64_t) * (size_t)window.dims);
    return esk_set_out(c, 0, x->dtype, x->rank, dims);
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0], *w = c->in[1];
    int64_t group = esk_attr_int(c->node, "group", 1);
    struct esk_window window;
    ESK_TRY(window_of(c->node, c->error, x->rank, x->dim, w->dim, &window));
    return transposed(c->node) ? esk_conv_cpu_transposed(c, &window, group)
                               : esk_conv_cpu(c, &window, group);
}

static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *w = esk_in(c, 1);
    int64_t group = esk_attr_int(c->node, "group", 1);
    if (x->dtype != ESK_FLOAT && x->dtype != ESK_FLOAT16)
        return esk_unsupported(c, "type %s", esk_dtype_name(x->dtype));
    if (x->rank > 5)
        return esk_unsupported(c, "%d spatial axes", x->rank - 2);
    if (esk_var_count(x) == 0)
        return esk_unsupported(c, "an empty input");
    struct esk_window window;
    ESK_TRY(window_of(c->node, c->error, x->rank, x->dim, w->dim, &window));
    return transposed(c->node) ? esk_conv_transposed_recipes(c, &window, group)
                               : esk_conv_recipes(c, &window, group);
}

const struct esk_op esk_op_Conv = {
    .domain = "",
    .name = "Conv",
    .since = (const uint8_t[]){1, 11, 22, 0},
    .flags = ESK_OP_EPILOGUE,
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
    .data = &(const struct direction){false},
};

const struct esk_op esk_op_ConvTranspose = {
    .domain = "",
    .name = "ConvTranspose",
    .since = (const uint8_t[]){1, 11, 22, 0},
    .flags = ESK_OP_EPILOGUE,
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
    .data = &(const struct direction){true},
};
