/* ConvInteger and QLinearConv. After upgrade ConvInteger has inputs X [N, C, spatial…]
 * and W [M, C / group, kernel…], int32 and free of zero points, and perhaps a bias B [M],
 * int32; out: Y, int32, sums that wrap. QLinearConv becomes it and what is around it. */
#include "recipes/map.h"
#include "recipes/quantize.h"
#include "recipes/rows.h"
#include "recipes/window.h"

#include <string.h>

/* W - zero as int32; several zero points are one for each output channel. */
static esk_status centered_weights(struct esk_rewrite *w, esk_id weights, esk_id zero,
                                   esk_id *y) {
    const struct esk_graph *graph = w->c->graph;
    if (zero != ESK_NONE && graph->vars[zero]->rank != 0) {
        int rank = graph->vars[weights]->rank;
        int64_t dims[ESK_MAX_RANK] = {-1, 1, 1, 1, 1, 1, 1, 1};
        if (rank < 1)
            return esk_node_fail(w->c, ESK_UNSUPPORTED,
                                 "zero points for weights of unknown rank");
        zero =
            esk_rewrite_2(w, "Reshape", zero, esk_rewrite_ints(w, (uint32_t)rank, dims));
    }
    *y = esk_rewrite_centered(w, weights, zero);
    return ESK_OK;
}

static esk_status upgrade_integer(struct esk_ctx *c) {
    struct esk_rewrite w = {.c = c};
    esk_id in[2] = {esk_rewrite_centered(&w, c->node->in[0], esk_rewrite_in(&w, 2))};
    ESK_TRY(centered_weights(&w, c->node->in[1], esk_rewrite_in(&w, 3), &in[1]));
    return esk_rewrite_end(&w, "ConvInteger", 2, in, true);
}

/* Channels' factors go along axis 1 as scales of a DequantizeLinear. */
static esk_status upgrade_qlinear(struct esk_ctx *c) {
    struct esk_rewrite w = {.c = c};
    struct esk_node *node = c->node;
    esk_id *in = node->in, bias = esk_rewrite_in(&w, 8);
    esk_id args[3] = {esk_rewrite_centered(&w, in[0], in[2]), ESK_NONE, bias};
    ESK_TRY(centered_weights(&w, in[3], in[5], &args[1]));
    esk_id sum = esk_rewrite_n(&w, "ConvInteger", bias == ESK_NONE ? 2 : 3, args);
    if (w.failed)
        return esk_fail_memory(c->error, "nodes of an upgrade");
    w.last->attrs = node->attrs;
    w.last->n_attrs = node->n_attrs;
    node->attrs = NULL;
    node->n_attrs = 0;
    esk_id scale = esk_rewrite_2(&w, "Mul", esk_rewrite_cast(&w, in[1], ESK_FLOAT),
                                 esk_rewrite_cast(&w, in[4], ESK_FLOAT));
    scale = esk_rewrite_2(&w, "Div", scale, esk_rewrite_cast(&w, in[6], ESK_FLOAT));
    esk_id end[] = {esk_rewrite_dequantize(&w, sum, scale, ESK_NONE),
                    esk_rewrite_float(&w, 1), in[7]};
    return esk_rewrite_end(&w, "QuantizeLinear", 3, end, false);
}

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *w = esk_in(c, 1), *b = esk_in(c, 2);
    int64_t group = esk_attr_int(c->node, "group", 1);
    if (x->rank < 3 || w->rank != x->rank)
        return esk_node_fail(
            c, ESK_INVALID_MODEL,
            "X has rank %d and W rank %d, both must be the same, 3 or more", x->rank,
            w->rank);
    if (x->rank > 5)
        return esk_node_fail(c, ESK_UNSUPPORTED, "%d spatial axes", x->rank - 2);
    if (x->dtype != ESK_INT32 || w->dtype != ESK_INT32 || (b && b->dtype != ESK_INT32))
        return esk_node_fail(c, ESK_INVALID_MODEL, "inputs of type %s and %s",
                             esk_dtype_name(x->dtype), esk_dtype_name(w->dtype));
    if (group < 1 || w->dim[0] % group || x->dim[1] % group ||
        w->dim[1] != x->dim[1] / group)
        return esk_node_fail(
            c, ESK_INVALID_MODEL,
            "%lld channels, %lld groups and weights of %lld x %lld do not fit",
            (long long)x->dim[1], (long long)group, (long long)w->dim[0],
            (long long)w->dim[1]);
    if (b && esk_var_count(b) != w->dim[0])
        return esk_node_fail(c, ESK_INVALID_MODEL, "the bias must have %lld items",
                             (long long)w->dim[0]);
    struct esk_window window;
    ESK_TRY(
        esk_window_read(c->node, c->error, x->rank - 2, x->dim + 2, w->dim + 2, &window));
    int64_t dims[ESK_MAX_RANK] = {x->dim[0], w->dim[0]};
    memcpy(dims + 2, window.out, sizeof(int64_t) * (size_t)window.dims);
    return esk_set_out(c, 0, ESK_INT32, x->rank, dims);
}

/* The first output along an axis whose input tap * dilation + o * stride - begin is
 * there, and the one behind the last. */
static void valid(const struct esk_window *w, int axis, int64_t tap, int64_t *from,
                  int64_t *to) {
    int64_t start = tap * w->dilation[axis] - w->begin[axis], stride = w->stride[axis];
    int64_t first = start < 0 ? (-start + stride - 1) / stride : 0;
    int64_t left = w->in[axis] - start;
    int64_t end = left <= 0 ? 0 : (left + stride - 1) / stride;
    *to = end < w->out[axis] ? end : w->out[axis];
    *from = first < *to ? first : *to;
}

/* One weight's share of a plane of Y. */
static void add_tap(const struct esk_window *w, const int64_t *tap, uint32_t weight,
                    const int32_t *x, int32_t *y) {
    int64_t from[3], to[3];
    for (int i = 0; i < 3; i++)
        valid(w, i, tap[i], &from[i], &to[i]);
    int64_t along = w->stride[2], x0 = tap[2] * w->dilation[2] - w->begin[2];
    for (int64_t oz = from[0]; oz < to[0]; oz++)
        for (int64_t oy = from[1]; oy < to[1]; oy++) {
            int64_t z = oz * w->stride[0] + tap[0] * w->dilation[0] - w->begin[0];
            int64_t line = oy * w->stride[1] + tap[1] * w->dilation[1] - w->begin[1];
            const int32_t *a = x + (z * w->in[1] + line) * w->in[2];
            int32_t *b = y + (oz * w->out[1] + oy) * w->out[2];
            for (int64_t ox = from[2]; ox < to[2]; ox++)
                b[ox] =
                    (int32_t)((uint32_t)b[ox] + weight * (uint32_t)a[ox * along + x0]);
        }
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0], *w = c->in[1], *y = c->out[0];
    const struct esk_tensor *b = c->n_in > 2 ? c->in[2] : NULL;
    struct esk_window flat;
    if (!y)
        return ESK_OK;
    ESK_TRY(
        esk_window_read(c->node, c->error, x->rank - 2, x->dim + 2, w->dim + 2, &flat));
    struct esk_window window = esk_window_three(&flat);
    int64_t group = esk_attr_int(c->node, "group", 1), oc = w->dim[0], icg = w->dim[1];
    int64_t in = esk_window_in(&flat), out = esk_window_out(&flat);
    int64_t taps = esk_window_taps(&flat);
    const int32_t *weights = w->data;
    for (int64_t plane = 0; plane < x->dim[0] * oc; plane++) {
        int64_t n = plane / oc, m = plane % oc;
        int32_t *sums = (int32_t *)y->data + plane * out;
        int32_t start = b ? ((const int32_t *)b->data)[m] : 0;
        for (int64_t i = 0; i < out; i++)
            sums[i] = start;
        for (int64_t i = 0; i < icg * taps; i++) {
            int64_t ic = i / taps, t = i % taps;
            int64_t channel = n * x->dim[1] + m / (oc / group) * icg + ic;
            int64_t tap[3] = {t / (window.kernel[1] * window.kernel[2]),
                              t / window.kernel[2] % window.kernel[1],
                              t % window.kernel[2]};
            uint32_t weight = (uint32_t)weights[m * icg * taps + i];
            if (weight)
                add_tap(&window, tap, weight, (const int32_t *)x->data + channel * in,
                        sums);
        }
    }
    return ESK_OK;
}

static esk_status gpu(struct esk_ctx *c) {
    static const char *const names[9] = {"id", "ih", "iw", "od", "oh",
                                         "ow", "kd", "kh", "kw"};
    static const char *const steps[9] = {"sz", "sy", "sx", "dz", "dy",
                                         "dx", "pz", "py", "px"};
    const struct esk_var *x = esk_in(c, 0), *w = esk_in(c, 1), *y = esk_out(c, 0);
    struct esk_window flat;
    ESK_TRY(
        esk_window_read(c->node, c->error, x->rank - 2, x->dim + 2, w->dim + 2, &flat));
    struct esk_window window = esk_window_three(&flat);
    int64_t taps = esk_window_taps(&flat), loops = w->dim[1] * taps;
    if (esk_var_count(x) == 0 || loops == 0)
        return esk_unsupported(c, "an empty input");
    int64_t turns = loops + 2 * (loops / window.kernel[2]); /* the outer loops' too */
    if (c->limits->max_iterations && turns > c->limits->max_iterations)
        return esk_unsupported(c, "%lld products a sum", (long long)loops);
    if (esk_var_count(x) > INT32_MAX || esk_var_count(w) > INT32_MAX ||
        esk_var_count(y) > INT32_MAX)
        return esk_unsupported(c, "a tensor of more than 2^31 elements");
    struct esk_recipe *r = esk_add_recipe(c, "conv integer");
    struct esk_kernel *k = esk_recipe_kernel(r, "conv_integer");
    if (esk_in(c, 2))
        esk_kernel_define(k, "BIAS", 1);
    esk_kernel_in(c, r, k, "X", 0, ESK_ELEMENT);
    esk_kernel_in(c, r, k, "W", 1, ESK_ELEMENT);
    if (esk_in(c, 2))
        esk_kernel_in(c, r, k, "B", 2, ESK_ELEMENT);
    esk_kernel_map(c, r, k, 0, false);
    esk_kernel_int(k, "ic", x->dim[1]);
    esk_kernel_int(k, "icg", w->dim[1]);
    esk_kernel_int(k, "oc", w->dim[0]);
    esk_kernel_int(k, "ocg", w->dim[0] / esk_attr_int(c->node, "group", 1));
    for (int i = 0; i < 3; i++) {
        esk_kernel_int(k, names[i], window.in[i]);
        esk_kernel_int(k, names[3 + i], window.out[i]);
        esk_kernel_int(k, names[6 + i], window.kernel[i]);
        esk_kernel_int(k, steps[i], window.stride[i]);
        esk_kernel_int(k, steps[3 + i], window.dilation[i]);
        esk_kernel_int(k, steps[6 + i], window.begin[i]);
    }
    k->loop_iterations = (uint64_t)turns;
    k->flops = 2 * (double)esk_var_count(y) * (double)loops;
    k->bytes = 4 * ((double)esk_var_count(x) + (double)esk_var_count(y));
    return ESK_OK;
}

const struct esk_op esk_op_ConvInteger = {
    .domain = "",
    .name = "ConvInteger",
    .since = ESK_SINCE(10),
    .min_in = 2,
    .max_in = 4,
    .min_out = 1,
    .upgrade = upgrade_integer,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};

const struct esk_op esk_op_QLinearConv = {
    .domain = "",
    .name = "QLinearConv",
    .since = ESK_SINCE(10),
    .min_in = 8,
    .max_in = 9,
    .min_out = 1,
    .upgrade = upgrade_qlinear,
};
