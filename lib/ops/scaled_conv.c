/* esker.ScaledConv: a convolution of one item whose input's channels have a factor each,
 * as squeeze-and-excitation blocks end. In: X [1, C, spatial…], W [M, C, 1…], B [M] or
 * absent, S [1, C, 1…]; out: Y [1, M, spatial…] = Conv(X * S, W, B). Patterns make it. */
#include "recipes/conv.h"
#include "recipes/conv_cpu.h"

#include <string.h>

enum { X, W, B, S };

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, X), *w = esk_in(c, W), *s = esk_in(c, S);
    struct esk_window window;
    bool fits = x->rank >= 3 && w->rank == x->rank && s && s->rank == x->rank &&
                x->dtype == ESK_FLOAT && w->dtype == ESK_FLOAT && s->dtype == ESK_FLOAT &&
                x->dim[0] == 1 && w->dim[1] == x->dim[1] && s->dim[1] == x->dim[1] &&
                esk_var_count(s) == s->dim[1];
    if (!fits)
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "X must be floats [1, C, …], W [M, C, 1…] and S [1, C, 1…]");
    ESK_TRY(
        esk_window_read(c->node, c->error, x->rank - 2, x->dim + 2, w->dim + 2, &window));
    int64_t dims[ESK_MAX_RANK] = {1, w->dim[0]};
    memcpy(dims + 2, window.out, sizeof(int64_t) * (size_t)window.dims);
    return esk_set_out(c, 0, x->dtype, x->rank, dims);
}

static esk_status cpu(struct esk_cpu *c) {
    struct esk_tensor x = *c->in[X];
    const struct esk_tensor *in[] = {&x, c->in[W], c->in[B]};
    const float *from = x.data, *s = c->in[S]->data;
    int64_t rest = esk_shape_product(x.dim, 2, x.rank);
    float *to = esk_arena_alloc(c->scratch, x.bytes);
    if (!to)
        return esk_fail_memory(c->error, "a convolution's input");
    for (int64_t i = 0; i < x.dim[1] * rest; i++)
        to[i] = from[i] * s[i / rest];
    x.data = to;
    struct esk_cpu conv = *c;
    conv.in = in;
    conv.n_in = 3;
    struct esk_window window;
    ESK_TRY(esk_window_read(c->node, c->error, x.rank - 2, x.dim + 2, in[W]->dim + 2,
                            &window));
    return esk_conv_cpu(&conv, &window, 1);
}

static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, X), *w = esk_in(c, W);
    struct esk_window window;
    if (x->rank > 5)
        return esk_unsupported(c, "%d spatial axes", x->rank - 2);
    if (esk_var_count(x) == 0)
        return esk_unsupported(c, "an empty input");
    ESK_TRY(
        esk_window_read(c->node, c->error, x->rank - 2, x->dim + 2, w->dim + 2, &window));
    return esk_conv_scaled_recipes(c, &window, S);
}

const struct esk_op esk_op_ScaledConv = {
    .domain = "esker",
    .name = "ScaledConv",
    .since = (const uint8_t[]){1, 0},
    .flags = ESK_OP_EPILOGUE,
    .min_in = 4,
    .min_out = 1,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
