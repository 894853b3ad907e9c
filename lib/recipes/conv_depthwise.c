/* Depthwise convolution: each channel has a kernel of its own. In: a window, a form; out:
 * a recipe. Must not know devices by name. */
#include "recipes/conv_kernels.h"
#include "recipes/elementwise.h"
#include "recipes/lanes.h"

/* Outputs of an invocation on a software renderer: more share more of their inputs (7 x 7
 * takes 0.88 of 4 x 4's time where both fit), but compile for long at stride 2. Tiles do
 * not follow the extent further: another size is not to compile another program. */
static void choose_tile(const struct esk_window *w, int64_t *tx, int64_t *ty) {
    bool strided = w->stride[2] > 1 || w->stride[1] > 1;
    if (w->out[2] >= 7 && w->out[1] >= 7) {
        *tx = 7;
        *ty = strided ? 2 : 7;
    }
}

void esk_conv_depthwise(struct esk_ctx *c, const struct esk_window *w,
                        const struct esk_conv_form *f, int64_t batch) {
    int64_t kw = w->kernel[2], kh = w->kernel[1], sx = w->stride[2], sy = w->stride[1];
    bool line = kh == 1 && w->out[1] == 1;
    bool unrolled = (kw == 3 || kw == 5 || kw == 7) && (kh == kw || line) && sx <= 2 &&
                    (sy <= 2 || line) && w->dilation[2] == 1 && w->dilation[1] == 1;
    struct esk_recipe *r =
        esk_add_recipe(c, unrolled ? "conv depthwise" : "conv depthwise loop");
    r->in_layout[0] = r->out_layout[0] = ESK_LAYOUT_C4;
    struct esk_ref_to weights = esk_conv_weights(c, r, f, 1, 2);
    struct esk_kernel *k = esk_recipe_kernel(r, "conv_depthwise");
    int64_t tx = c->limits->software ? 4 : 2;
    int64_t ty = !unrolled || line ? 1 : kw == 7 ? 2 : tx;
    if (unrolled && !line && kw == 3 && c->limits->software)
        choose_tile(w, &tx, &ty);
    uint32_t lo = esk_channel_lanes(f->oc4), lanes = esk_lanes(c->limits);
    esk_kernel_define(k, "TX", tx);
    esk_kernel_define(k, "TY", ty);
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
    int64_t down = esk_divide_up(w->out[1], ty);
    esk_kernel_int(k, "c", f->oc);
    esk_kernel_int(k, "c4", f->oc4);
    esk_kernel_int(k, "bias", esk_conv_bias_at(f));
    esk_kernel_int(k, "down", down);
    esk_epilogue_emit(c, r, k, ESK_VEC4);
    esk_kernel_groups(k, (uint64_t)esk_divide_up(f->oc4, lo),
                      (uint64_t)esk_divide_up(esk_divide_up(w->out[2], tx), lanes / lo),
                      (uint64_t)(batch * down));
    k->loop_iterations = unrolled ? 0 : (uint64_t)(kh * (1 + kw));
    double pixels = (double)batch * (double)esk_window_out(w);
    k->flops = 2.0 * pixels * (double)(kh * kw) * (double)f->oc;
    k->bytes =
        16.0 * (double)f->oc4 * ((double)batch * (double)esk_window_in(w) + pixels);
}
