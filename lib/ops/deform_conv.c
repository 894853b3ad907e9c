/* DeformConv (2-D): a convolution whose taps are moved by offsets that are data. In: X
 * [N, C, H, W], W, offset [N, offset groups * taps * 2, OH, OW], B, mask; out: Y. */
#include "recipes/map.h"
#include "recipes/rows.h"
#include "recipes/window.h"

#include <math.h>

enum { X, W, OFFSET, B, MASK };

static esk_status window_of(const struct esk_node *node, esk_error *error,
                            const int64_t *x, const int64_t *w,
                            struct esk_window *window) {
    return esk_window_read(node, error, 2, x + 2, w + 2, window);
}

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, X), *w = esk_in(c, W), *o = esk_in(c, OFFSET);
    int64_t group = esk_attr_int(c->node, "group", 1);
    int64_t groups = esk_attr_int(c->node, "offset_group", 1);
    struct esk_window window;
    if (x->rank != 4 || w->rank != 4 || o->rank != 4)
        return esk_node_fail(c, ESK_UNSUPPORTED, "ranks %d, %d, %d, not 4", x->rank,
                             w->rank, o->rank);
    ESK_TRY(window_of(c->node, c->error, x->dim, w->dim, &window));
    int64_t taps = w->dim[2] * w->dim[3];
    const struct esk_var *b = esk_in(c, B), *m = esk_in(c, MASK);
    if (group < 1 || groups < 1 || x->dim[1] != w->dim[1] * group || w->dim[0] % group ||
        x->dim[1] % groups || o->dim[0] != x->dim[0] || o->dim[1] != groups * taps * 2 ||
        o->dim[2] != window.out[0] || o->dim[3] != window.out[1])
        return esk_node_fail(c, ESK_INVALID_MODEL, "X, W and offset do not fit");
    if ((b && (b->rank != 1 || b->dim[0] != w->dim[0])) ||
        (m && (m->rank != 4 || m->dim[0] != x->dim[0] || m->dim[1] != groups * taps ||
               m->dim[2] != o->dim[2] || m->dim[3] != o->dim[3])))
        return esk_node_fail(c, ESK_INVALID_MODEL, "B or mask do not fit");
    return esk_set_out(
        c, 0, x->dtype, 4,
        (const int64_t[]){x->dim[0], w->dim[0], window.out[0], window.out[1]});
}

static double at(const double *v, int64_t h, int64_t w, double y, double x) {
    if (!(y > -1 && x > -1 && y < (double)h && x < (double)w))
        return 0;
    double fy = floor(y), fx = floor(x), ty = y - fy, tx = x - fx, sum = 0;
    int64_t y0 = (int64_t)fy, x0 = (int64_t)fx;
    for (int64_t i = 0; i < 2; i++)
        for (int64_t j = 0; j < 2; j++)
            if (y0 + i >= 0 && y0 + i < h && x0 + j >= 0 && x0 + j < w)
                sum += v[(y0 + i) * w + x0 + j] * (i ? ty : 1 - ty) * (j ? tx : 1 - tx);
    return sum;
}

static double *load(struct esk_cpu *c, uint32_t i) {
    const struct esk_tensor *t = i < c->n_in ? c->in[i] : NULL;
    int64_t count = t ? esk_shape_product(t->dim, 0, t->rank) : 0;
    double *v = ESK_ARENA_ARRAY(c->scratch, double, (size_t)count);
    if (v && t)
        esk_rows_load_doubles(t, 0, 1, count, v);
    return v;
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[X], *w = c->in[W], *y = c->out[0];
    int64_t group = esk_attr_int(c->node, "group", 1);
    int64_t groups = esk_attr_int(c->node, "offset_group", 1);
    struct esk_window win;
    ESK_TRY(window_of(c->node, c->error, x->dim, w->dim, &win));
    int64_t h = x->dim[2], wide = x->dim[3], taps = w->dim[2] * w->dim[3];
    int64_t out = y->dim[2] * y->dim[3], per = w->dim[1], ocs = w->dim[0] / group;
    bool has_b = c->n_in > B && c->in[B], has_m = c->n_in > MASK && c->in[MASK];
    double *xs = load(c, X), *ws = load(c, W), *os = load(c, OFFSET), *bs = load(c, B);
    double *ms = load(c, MASK);
    double *column = ESK_ARENA_ARRAY(c->scratch, double, (size_t)(x->dim[1] * taps));
    if (!xs || !ws || !os || !bs || !ms || !column)
        return esk_fail_memory(c->error, c->node->name);
    for (int64_t n = 0; n < x->dim[0]; n++)
        for (int64_t o = 0; o < out; o++) {
            for (int64_t i = 0; i < x->dim[1] * taps; i++) {
                int64_t ch = i / taps, tap = i % taps;
                int64_t t = (n * groups + ch / (x->dim[1] / groups)) * taps + tap;
                int64_t ky = tap / w->dim[3], kx = tap % w->dim[3];
                double py = (double)(o / y->dim[3] * win.stride[0] - win.begin[0] +
                                     ky * win.dilation[0]) +
                            os[t * 2 * out + o];
                double px = (double)(o % y->dim[3] * win.stride[1] - win.begin[1] +
                                     kx * win.dilation[1]) +
                            os[(t * 2 + 1) * out + o];
                column[i] = at(xs + (n * x->dim[1] + ch) * h * wide, h, wide, py, px) *
                            (has_m ? ms[t * out + o] : 1);
            }
            for (int64_t oc = 0; oc < w->dim[0]; oc++) {
                const double *from = column + oc / ocs * per * taps;
                double sum = has_b ? bs[oc] : 0;
                for (int64_t i = 0; i < per * taps; i++)
                    sum += from[i] * ws[oc * per * taps + i];
                esk_rows_store_doubles(c->out[0], (n * w->dim[0] + oc) * out + o, 1,
                                       &sum);
            }
        }
    return ESK_OK;
}

static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, X), *w = esk_in(c, W), *y = esk_out(c, 0), *who;
    const struct esk_var *offset = esk_in(c, OFFSET);
    struct esk_window win;
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "%s is not kept on the device",
                               esk_dtype_name(who->dtype));
    ESK_TRY(window_of(c->node, c->error, x->dim, w->dim, &win));
    int64_t taps = w->dim[2] * w->dim[3], terms = taps * w->dim[1];
    int64_t groups = esk_attr_int(c->node, "offset_group", 1);
    int64_t columns = x->dim[0] * x->dim[1] * taps * win.out[0] * win.out[1];
    uint64_t most = c->limits->max_iterations;
    if ((most && (uint64_t)terms * 4 > most) || columns > 1 << 29 || !columns ||
        esk_var_count(x) > INT32_MAX || esk_var_count(offset) > INT32_MAX ||
        esk_var_count(y) > INT32_MAX || esk_var_count(w) > INT32_MAX)
        return esk_unsupported(c, "%lld terms", (long long)terms);
    struct esk_recipe *r = esk_add_recipe(c, "deformed columns");
    struct esk_ref_to at_ =
        esk_recipe_scratch(r, (size_t)(columns + 3) / 4 * 16, ESK_STORAGE_F32);
    struct esk_kernel *k = esk_recipe_kernel(r, "deform_columns");
    esk_kernel_in(c, r, k, "X", X, ESK_ELEMENT);
    esk_kernel_in(c, r, k, "O", OFFSET, ESK_ELEMENT);
    if (esk_in(c, MASK)) {
        esk_kernel_define(k, "MASK", 1);
        esk_kernel_in(c, r, k, "M", MASK, ESK_ELEMENT);
    }
    esk_kernel_ref(k, "Y", r, at_, ESK_WRITE, ESK_ELEMENT);
    esk_kernel_int(k, "count", columns);
    esk_kernel_int(k, "channels", x->dim[1]);
    esk_kernel_int(k, "groups", groups);
    esk_kernel_int(k, "taps", taps);
    esk_kernel_int(k, "kernel_w", w->dim[3]);
    esk_kernel_int(k, "h", x->dim[2]);
    esk_kernel_int(k, "w", x->dim[3]);
    esk_kernel_int(k, "out_h", win.out[0]);
    esk_kernel_int(k, "out_w", win.out[1]);
    esk_kernel_ints(k, "stride", 2, win.stride);
    esk_kernel_ints(k, "dilation", 2, win.dilation);
    esk_kernel_ints(k, "begin", 2, win.begin);
    esk_kernel_flat(k, c->limits, (uint64_t)columns);
    k->bytes = 24.0 * (double)columns;
    k = esk_recipe_kernel(r, "deform_conv");
    esk_kernel_ref(k, "X", r, at_, ESK_READ, ESK_ELEMENT);
    esk_kernel_in(c, r, k, "W", W, ESK_ELEMENT);
    if (esk_in(c, B)) {
        esk_kernel_define(k, "BIAS", 1);
        esk_kernel_in(c, r, k, "B", B, ESK_ELEMENT);
    }
    esk_kernel_int(k, "outputs", w->dim[0]);
    esk_kernel_int(k, "per_group", w->dim[0] / esk_attr_int(c->node, "group", 1));
    esk_kernel_int(k, "all_terms", x->dim[1] * taps);
    esk_kernel_int(k, "terms", terms);
    esk_kernel_int(k, "places", win.out[0] * win.out[1]);
    esk_kernel_map(c, r, k, 0, true);
    k->loop_iterations = (uint64_t)terms * 4;
    k->flops = 2.0 * (double)terms * (double)esk_var_count(y);
    k->bytes = 4 * k->flops;
    return ESK_OK;
}

const struct esk_op esk_op_DeformConv = {
    .domain = "",
    .name = "DeformConv",
    .since = (const uint8_t[]){19, 22, 0},
    .min_in = 3,
    .real = 0x1f,
    .max_in = 5,
    .min_out = 1,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
