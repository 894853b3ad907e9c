/* In: a recipe that has made scale and shift; out: one more kernel. */
#include "recipes/scale_shift.h"

#include "recipes/elementwise.h"
#include "recipes/lanes.h"
#include "recipes/map.h"

void esk_scale_shift(struct esk_ctx *c, struct esk_recipe *r, struct esk_ref_to params,
                     bool each) {
    const struct esk_var *x = esk_in(c, 0);
    int64_t channels = x->rank > 1 ? x->dim[1] : 1, c4 = esk_divide_up(channels, 4);
    int64_t pixels = esk_shape_product(x->dim, 2, x->rank);
    if (r->in_layout[0] != ESK_LAYOUT_C4) {
        struct esk_kernel *k = esk_recipe_kernel(r, "scale_shift_map");
        esk_kernel_in(c, r, k, "X", 0, ESK_ELEMENT);
        esk_kernel_ref(k, "P", r, params, ESK_READ, ESK_ELEMENT);
        esk_kernel_map(c, r, k, 0, false);
        esk_kernel_int(k, "c", channels);
        esk_kernel_int(k, "inner", pixels);
        esk_kernel_int(k, "at", c4 * 4);
        esk_epilogue_emit(c, r, k, ESK_ELEMENT);
        return;
    }
    struct esk_kernel *k = esk_recipe_kernel(r, "scale_shift");
    uint32_t lanes = esk_lanes(c->limits), lo = esk_channel_lanes(c4);
    enum { PIXELS = 4 };
    esk_kernel_lanes(k, lo);
    esk_kernel_define(k, "PIXELS", PIXELS);
    if (channels % 4)
        esk_kernel_define(k, "MASK", 1);
    esk_kernel_local(k, lanes, 1, 1);
    esk_kernel_in(c, r, k, "X", 0, ESK_VEC4);
    esk_kernel_ref(k, "P", r, params, ESK_READ, ESK_VEC4);
    esk_kernel_out(c, r, k, "Y", 0, ESK_VEC4);
    esk_kernel_int(k, "c", channels);
    esk_kernel_int(k, "c4", c4);
    esk_kernel_int(k, "pixels", pixels);
    esk_kernel_int(k, "batch", each ? 2 * c4 : 0);
    esk_epilogue_emit(c, r, k, ESK_VEC4);
    esk_kernel_groups(k, (uint64_t)esk_divide_up(c4, lo),
                      (uint64_t)esk_divide_up(pixels, PIXELS * (lanes / lo)),
                      (uint64_t)x->dim[0]);
    k->flops = 2.0 * (double)esk_var_count(x);
    k->bytes = 8.0 * (double)esk_var_count(x);
}
