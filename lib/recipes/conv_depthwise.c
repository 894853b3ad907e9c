/* Depthwise convolution: each channel has a kernel of its own. In: a window, a form; out:
 * a recipe. Must not know devices by name. */
#include "recipes/conv_kernels.h"
#include "recipes/elementwise.h"
#include "recipes/lanes.h"

/* How the outputs are cut up: a tile has tx × ty of those that lie a dilation apart. */
struct tiles {
    int64_t tx, ty;
    int64_t wide, tall, across, down; /* tiles of a phase, of a row and of a column */
};

/* On a software renderer more outputs of an invocation share more of their inputs (7 x 7
 * takes 0.88 of 4 x 4's time where both fit), but compile for long at stride 2. Tiles do
 * not follow the extent further: another size is not to compile another program. */
static struct tiles cut(const struct esk_window *w, bool software) {
    bool strided = w->stride[2] > 1 || w->stride[1] > 1;
    bool line = w->kernel[1] == 1 && w->out[1] == 1;
    int64_t x = esk_divide_up(w->out[2], w->dilation[2]),
            y = esk_divide_up(w->out[1], w->dilation[1]);
    struct tiles t = {.tx = software ? 4 : 2};
    t.ty = line ? 1 : w->kernel[2] == 7 ? 2 : t.tx;
    if (software && !line && w->kernel[2] == 3 && x >= 7 && y >= 7) {
        t.tx = 7;
        t.ty = strided ? 2 : 7;
    }
    t.wide = esk_divide_up(x, t.tx);
    t.tall = esk_divide_up(y, t.ty);
    t.across = t.wide * w->dilation[2];
    t.down = t.tall * w->dilation[1];
    return t;
}

/* Rows of outputs side by side, for the kernel of loops. */
static struct tiles rows(const struct esk_window *w, bool software) {
    struct tiles t = {.tx = software ? 4 : 2, .ty = 1};
    t.wide = t.across = esk_divide_up(w->out[2], t.tx);
    t.tall = t.down = w->out[1];
    return t;
}

void esk_conv_depthwise(struct esk_ctx *c, const struct esk_window *w,
                        const struct esk_conv_form *f, int64_t batch) {
    int64_t kw = w->kernel[2], kh = w->kernel[1], sx = w->stride[2], sy = w->stride[1];
    bool line = kh == 1 && w->out[1] == 1;
    int64_t dx = w->dilation[2], dy = w->dilation[1];
    bool unrolled = (kw == 3 || kw == 5 || kw == 7) && (kh == kw || line) && sx <= 2 &&
                    (sy <= 2 || line) && (sx == 1 || dx == 1) && (sy == 1 || dy == 1);
    struct tiles t = cut(w, c->limits->software);
    /* phases shorter than a tile leave most of it idle */
    if ((dx > 1 || dy > 1) && t.across * t.tx * t.down * t.ty > 2 * esk_window_out(w))
        unrolled = false;
    if (!unrolled)
        t = rows(w, c->limits->software);
    struct esk_recipe *r =
        esk_add_recipe(c, unrolled ? "conv depthwise" : "conv depthwise loop");
    r->in_layout[0] = r->out_layout[0] = ESK_LAYOUT_C4;
    struct esk_ref_to weights = esk_conv_weights(c, r, f, 1, 2);
    struct esk_kernel *k = esk_recipe_kernel(r, "conv_depthwise");
    uint32_t lo = esk_channel_lanes(f->oc4), lanes = esk_lanes(c->limits);
    esk_kernel_define(k, "TX", t.tx);
    esk_kernel_define(k, "TY", t.ty);
    esk_kernel_lanes(k, lo);
    esk_kernel_define(k, "KW", unrolled ? kw : 0);
    esk_kernel_define(k, "KH", kh);
    if (unrolled) {
        esk_kernel_define(k, "SX", sx);
        esk_kernel_define(k, "SY", line ? 1 : sy);
    }
    if (f->oc % 4)
        esk_kernel_define(k, "MASK", 1);
    esk_kernel_local(k, lanes, 1, 1);
    esk_kernel_in(c, r, k, "X", 0, ESK_VEC4);
    esk_kernel_ref(k, "W", r, weights, ESK_READ, ESK_VEC4);
    esk_kernel_out(c, r, k, "Y", 0, ESK_VEC4);
    esk_conv_window_params(k, w, false);
    esk_kernel_int(k, "c", f->oc);
    esk_kernel_int(k, "c4", f->oc4);
    esk_kernel_int(k, "bias", esk_conv_bias_at(f));
    esk_kernel_int(k, "wide", t.wide);
    esk_kernel_int(k, "tall", t.tall);
    esk_kernel_int(k, "down", t.down);
    esk_epilogue_emit(c, r, k, ESK_VEC4);
    esk_kernel_groups(k, (uint64_t)esk_divide_up(f->oc4, lo),
                      (uint64_t)esk_divide_up(t.across, lanes / lo),
                      (uint64_t)(batch * t.down));
    k->loop_iterations = unrolled ? 0 : (uint64_t)(kh * (1 + kw));
    double pixels = (double)batch * (double)esk_window_out(w);
    k->flops = 2.0 * pixels * (double)(kh * kw) * (double)f->oc;
    k->bytes =
        16.0 * (double)f->oc4 * ((double)batch * (double)esk_window_in(w) + pixels);
}
