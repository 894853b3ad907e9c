/* Convolution with a kernel of one pixel: a product of matrices. In: a form, pixels; out:
 * a recipe. Must not know devices by name. */
#include "recipes/conv_kernels.h"
#include "recipes/elementwise.h"
#include "recipes/lanes.h"

static const char *label_1x1(bool known) {
    return known ? "conv 1x1" : "conv 1x1, packed";
}

void esk_conv_1x1(struct esk_ctx *c, const struct esk_window *w,
                  const struct esk_conv_form *f, int64_t batch) {
    int64_t pixels = batch * esk_window_out(w);
    struct esk_recipe *r = esk_add_recipe(c, label_1x1(esk_is_known(c, 1)));
    r->in_layout[0] = r->out_layout[0] = ESK_LAYOUT_C4;
    struct esk_ref_to weights = esk_conv_weights(c, r, f, 1, 2);
    struct esk_conv_tiling t = esk_conv_tiling(c->limits, f, false, pixels);
    /* tiles of 14 pixels take four vec4s of channels: most multiply-adds a load, and no
     * deeper steps, their body is long enough (see gemm.c) */
    if (t.tile >= 14 && f->block >= 4)
        t.nv = 4, t.lo = (uint32_t)f->block / 4;
    int64_t depth = f->ic4 > 1 && t.tile * t.nv < 56 ? 2 : 1;
    struct esk_kernel *k = esk_recipe_kernel(r, "conv_1x1");
    esk_kernel_define(k, "TILE", t.tile);
    esk_kernel_define(k, "NV", t.nv);
    esk_kernel_define(k, "DEPTH", depth);
    bool every = esk_window_out(w) == esk_window_in(w);
    if (!every)
        esk_kernel_define(k, "STRIDED", 1);
    if (f->oc % 4)
        esk_kernel_define(k, "MASK", 1);
    esk_kernel_local(k, t.lanes, 1, 1);
    esk_kernel_lanes(k, t.lo);
    esk_kernel_in(c, r, k, "X", 0, ESK_VEC4);
    esk_kernel_ref(k, "W", r, weights, ESK_READ, ESK_VEC4);
    esk_kernel_out(c, r, k, "Y", 0, ESK_VEC4);
    esk_kernel_int(k, "pixels", pixels);
    esk_kernel_int(k, "ic4", f->ic4);
    esk_kernel_int(k, "span", f->span);
    esk_kernel_int(k, "oc", f->oc);
    esk_kernel_int(k, "oc4", f->oc4);
    esk_kernel_int(k, "bias", esk_conv_bias_at(f));
    if (!every)
        esk_conv_window_params(k, w, false);
    esk_epilogue_emit(c, r, k, ESK_VEC4);
    int64_t tiles = esk_divide_up(pixels, t.tile);
    esk_kernel_groups(k, (uint64_t)f->blocks,
                      (uint64_t)esk_divide_up(tiles, t.lanes / t.lo), 1);
    k->loop_iterations = (uint64_t)f->ic4;
    k->flops = 2.0 * (double)pixels * (double)f->icg * (double)f->oc;
    k->bytes = 16.0 * ((double)pixels * (double)(f->ic4 + f->oc4) +
                       (double)esk_conv_form_vec4s(f));
}
