/* Transposed convolution, by the phases of the stride. In: a window, shapes; out: a
 * recipe. Must not know devices by name. */
#include "recipes/conv_kernels.h"
#include "recipes/elementwise.h"
#include "recipes/lanes.h"

/* The phases of one axis of a transposed convolution: (k0, count, i0) each. */
static void phases(const struct esk_window *w, int axis, int64_t *list, int64_t *kstep,
                   int64_t *istep, int64_t *most) {
    int64_t s = w->stride[axis], d = w->dilation[axis], k = w->kernel[axis], g = s;
    for (int64_t b = d; b;) {
        int64_t t = g % b;
        g = b, b = t;
    }
    *kstep = s / g;
    *istep = d / g;
    *most = 0;
    for (int64_t p = 0; p < s; p++) {
        int64_t at = p + w->begin[axis], k0 = 0;
        while (k0 < k && k0 < s && (at - k0 * d) % s)
            k0++;
        bool any = k0 < k && k0 < s;
        list[p * 3] = any ? k0 : 0;
        list[p * 3 + 1] = any ? esk_divide_up(k - k0, *kstep) : 0;
        list[p * 3 + 2] = any ? (at - k0 * d) / s : 0;
        if (list[p * 3 + 1] > *most)
            *most = list[p * 3 + 1];
    }
}

enum { MAX_STRIDE = 128 }; /* of transposed axes: three params a phase */

esk_status esk_conv_transposed_recipes(struct esk_ctx *c, const struct esk_window *window,
                                       int64_t group) {
    static const char *const lists[] = {"zs", "ys", "xs"},
                             *const ks[] = {"kz", "ky", "kx"},
                             *const is[] = {"iz", "iy", "ix"};
    const struct esk_var *x = esk_in(c, 0), *y = esk_out(c, 0);
    struct esk_window w = esk_window_three(window);
    if (!esk_vec4_indices(x) || !esk_vec4_indices(y))
        return esk_unsupported(c, "a tensor of more than 2^28 vec4s");
    for (int i = 0; i < 3; i++)
        if (w.stride[i] > MAX_STRIDE)
            return esk_unsupported(c, "stride %d, the limit is %d", (int)w.stride[i],
                                   MAX_STRIDE);
    struct esk_conv_form f =
        esk_conv_form(y->dim[1], x->dim[1], group, w.kernel[0] * w.kernel[1], w.kernel[2],
                      ESK_CONV_TRANSPOSED);
    struct esk_recipe *r = esk_add_recipe(c, "conv transposed");
    r->in_layout[0] = r->out_layout[0] = ESK_LAYOUT_C4;
    struct esk_ref_to weights = esk_conv_weights(c, r, &f, 1, 2);
    int64_t row = esk_divide_up(w.out[2], w.stride[2]),
            rows = esk_divide_up(w.out[1], w.stride[1]);
    struct esk_conv_tiling t = esk_conv_tiling(c->limits, &f, group > 1, row * rows);
    struct esk_kernel *k = esk_recipe_kernel(r, "conv_transpose");
    esk_conv_define_tiling(k, &t, &f);
    esk_kernel_define(k, "CIN", group == 1 && f.icg < 4 ? f.icg : 4);
    if (group > 1)
        esk_kernel_define(k, "GROUPED", 1);
    esk_kernel_in(c, r, k, "X", 0, ESK_VEC4);
    esk_kernel_ref(k, "W", r, weights, ESK_READ, ESK_VEC4);
    esk_kernel_out(c, r, k, "Y", 0, ESK_VEC4);
    const struct {
        const char *name;
        int64_t value;
    } ints[] = {
        {"step", f.ic4},
        {"span", f.span},
        {"icg", f.icg},
        {"ocg", f.ocg},
        {"oc", f.oc},
        {"oc4", f.oc4},
        {"bias", esk_conv_bias_at(&f)},
        {"row", row},
        {"rows", rows},
        {"d", w.in[0]},
        {"h", w.in[1]},
        {"w", w.in[2]},
        {"od", w.out[0]},
        {"oh", w.out[1]},
        {"ow", w.out[2]},
        {"kd", w.kernel[0]},
        {"kh", w.kernel[1]},
        {"kw", w.kernel[2]},
        {"sz", w.stride[0]},
        {"sy", w.stride[1]},
        {"sx", w.stride[2]},
    };
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++)
        esk_kernel_int(k, ints[i].name, ints[i].value);
    uint64_t iterations = (uint64_t)f.span;
    for (int i = 2; i >= 0; i--) {
        int64_t list[3 * MAX_STRIDE], kstep, istep, most;
        phases(&w, i, list, &kstep, &istep, &most);
        esk_kernel_int(k, ks[i], kstep);
        esk_kernel_int(k, is[i], istep);
        esk_kernel_ints(k, lists[i], (uint32_t)(3 * w.stride[i]), list);
        iterations = (uint64_t)most * (1 + iterations);
    }
    esk_epilogue_emit(c, r, k, ESK_VEC4);
    int64_t tiles = esk_divide_up(row * rows, t.tile);
    esk_kernel_groups(k, (uint64_t)f.blocks,
                      (uint64_t)esk_divide_up(tiles, t.lanes / t.lo),
                      (uint64_t)(x->dim[0] * w.out[0] * w.stride[1] * w.stride[2]));
    k->loop_iterations = iterations;
    double pixels = (double)x->dim[0] * (double)esk_window_in(&w);
    k->flops = 2.0 * pixels * (double)esk_window_taps(&w) * (double)f.icg * (double)f.oc;
    k->bytes = 16.0 * (pixels * (double)f.ic4 + (double)esk_conv_form_vec4s(&f) +
                       (double)x->dim[0] * (double)esk_window_out(&w) * (double)f.oc4);
    return ESK_OK;
}
