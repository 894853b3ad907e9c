/* Which kernel takes which convolution, and the kernel for any window. In: windows,
 * shapes, limits; out: recipes. Must not know devices by name. */
#include "recipes/conv_kernels.h"
#include "recipes/elementwise.h"
#include "recipes/lanes.h"

struct esk_conv_tiling esk_conv_tiling(const struct esk_limits *limits,
                                       const struct esk_conv_form *f, bool grouped,
                                       int64_t positions) {
    struct esk_conv_tiling t = {.lanes = esk_lanes(limits)};
    t.nv = grouped || f->block == 1 ? 1 : 2;
    t.lo = (uint32_t)f->block / t.nv;
    /* hardware has few registers a lane; a software renderer's are the stack */
    int64_t most = limits->software ? 14 : 4;
    t.tile = positions >= 8 ? most : positions > 1 ? 4 : 1;
    return t;
}

void esk_conv_define_tiling(struct esk_kernel *k, const struct esk_conv_tiling *t,
                            const struct esk_conv_form *f) {
    esk_kernel_define(k, "TILE", t->tile);
    esk_kernel_define(k, "NV", t->nv);
    if (f->oc % 4)
        esk_kernel_define(k, "MASK", 1);
    esk_kernel_local(k, t->lanes, 1, 1);
    esk_kernel_lanes(k, t->lo);
}

void esk_conv_volume_params(struct esk_kernel *k, const struct esk_window *w) {
    esk_kernel_define(k, "VOLUME", 1);
    esk_kernel_int(k, "d", w->in[0]);
    esk_kernel_int(k, "od", w->out[0]);
    esk_kernel_int(k, "sz", w->stride[0]);
    esk_kernel_int(k, "dz", w->dilation[0]);
    esk_kernel_int(k, "pz", w->begin[0]);
}

void esk_conv_window_params(struct esk_kernel *k, const struct esk_window *w,
                            bool volume) {
    esk_kernel_int(k, "w", w->in[2]);
    esk_kernel_int(k, "h", w->in[1]);
    esk_kernel_int(k, "ow", w->out[2]);
    esk_kernel_int(k, "oh", w->out[1]);
    esk_kernel_int(k, "kw", w->kernel[2]);
    esk_kernel_int(k, "kh", w->kernel[1]);
    esk_kernel_int(k, "kd", w->kernel[0]);
    esk_kernel_int(k, "sx", w->stride[2]);
    esk_kernel_int(k, "sy", w->stride[1]);
    esk_kernel_int(k, "dx", w->dilation[2]);
    esk_kernel_int(k, "dy", w->dilation[1]);
    esk_kernel_int(k, "px", w->begin[2]);
    esk_kernel_int(k, "py", w->begin[1]);
    if (volume)
        esk_conv_volume_params(k, w);
}

enum { HALF = 7 }; /* half of a software renderer's tile */

static void any_window(struct esk_ctx *c, const struct esk_window *w,
                       const struct esk_conv_form *f, int64_t batch, int64_t group) {
    bool volume = w->kernel[0] > 1 || w->in[0] > 1 || w->out[0] > 1;
    int64_t kw = w->kernel[2], sx = w->stride[2], ow = w->out[2], oh = w->out[1];
    bool unrolled = (kw == 1 || kw == 3 || kw == 5 || kw == 7) &&
                    (sx == 1 || (sx == 2 && w->dilation[2] == 1));
    /* a phase's rows share fewer inputs and have a tail of their own: long ones pay */
    if (w->dilation[2] > 1)
        unrolled = unrolled && (kw - 1) * w->dilation[2] * 2 < ow;
    int64_t phases = unrolled ? w->dilation[2] : 1;
    struct esk_recipe *r = esk_add_recipe(c, group > 1  ? "conv grouped"
                                             : unrolled ? "conv row"
                                                        : "conv loop");
    r->in_layout[0] = r->out_layout[0] = ESK_LAYOUT_C4;
    struct esk_ref_to weights = esk_conv_weights(c, r, f, 1, 2);
    struct esk_conv_tiling t = esk_conv_tiling(c->limits, f, group > 1, ow * oh);
    /* one tap has few multiplications a load: more channels share an input */
    if (!unrolled && c->limits->software && group == 1 && f->block >= 8) {
        t.nv = 4;
        t.lo = (uint32_t)f->block / 4;
    }
    if (unrolled && kw >= 5 && t.tile > 7)
        t.tile = 7;
    /* rows end to end, with room for what the last window of a row reads, or each row of
     * its own tiles */
    int64_t length = esk_divide_up(ow, phases);
    int64_t reach = unrolled ? esk_divide_up(sx * (length - 1) + kw, sx) : length;
    int64_t alone = esk_divide_up(length, t.tile) * t.tile, run = t.tile;
    bool apart = alone <= reach;
    int64_t row = apart ? alone : reach;
    /* short rows: pieces of half a tile, each read by itself, waste less */
    int64_t halves = esk_divide_up(length, HALF) * HALF;
    if (unrolled && t.tile == 2 * HALF && halves * 104 < row * 100) {
        run = HALF;
        row = halves;
        apart = true;
    }
    int64_t tiles = esk_divide_up(row * phases * oh, t.tile);
    struct esk_kernel *k = esk_recipe_kernel(r, "conv");
    esk_conv_define_tiling(k, &t, f);
    esk_kernel_define(k, "KW", unrolled ? kw : 0);
    if (unrolled)
        esk_kernel_define(k, "SX", sx);
    esk_kernel_define(k, "RUN", run);
    esk_kernel_define(k, "CIN", group == 1 && f->icg < 4 ? f->icg : 4);
    if (group > 1)
        esk_kernel_define(k, "GROUPED", 1);
    esk_kernel_in(c, r, k, "X", 0, ESK_VEC4);
    esk_kernel_ref(k, "W", r, weights, ESK_READ, ESK_VEC4);
    esk_kernel_out(c, r, k, "Y", 0, ESK_VEC4);
    esk_conv_window_params(k, w, volume);
    esk_kernel_int(k, "step", f->ic4);
    esk_kernel_int(k, "span", f->span);
    esk_kernel_int(k, "icg", f->icg);
    esk_kernel_int(k, "ocg", f->ocg);
    esk_kernel_int(k, "oc", f->oc);
    esk_kernel_int(k, "oc4", f->oc4);
    esk_kernel_int(k, "run", run);
    esk_kernel_int(k, "row", row);
    esk_kernel_int(k, "wrap", apart ? INT32_MAX : row * sx);
    /* what is larger is read once: blocks of weights, or pieces of the input */
    bool turn =
        f->blocks > 1 && esk_conv_form_vec4s(f) > batch * esk_window_in(w) * f->ic4;
    esk_kernel_int(k, "turn", turn);
    esk_kernel_int(k, "bias", esk_conv_bias_at(f));
    esk_epilogue_emit(c, r, k, ESK_VEC4);
    uint64_t across = (uint64_t)esk_divide_up(tiles, t.lanes / t.lo),
             blocks = (uint64_t)f->blocks;
    esk_kernel_groups(k, turn ? across : blocks, turn ? blocks : across,
                      (uint64_t)(batch * w->out[0]));
    k->loop_iterations =
        (uint64_t)(w->kernel[0] *
                       (1 + w->kernel[1] * (1 + (unrolled ? 1 : kw) * (1 + f->span))) +
                   run);
    double pixels = (double)batch * (double)esk_window_out(w);
    k->flops = 2.0 * pixels * (double)esk_window_taps(w) * (double)f->icg * (double)f->oc;
    k->bytes = 16.0 * ((double)batch * (double)esk_window_in(w) * (double)f->ic4 +
                       pixels * (double)f->oc4 + (double)esk_conv_form_vec4s(f));
}

static bool winograd_window(const struct esk_window *w) {
    bool flat = w->kernel[0] == 1 && w->in[0] == 1 && w->out[0] == 1;
    for (int i = 1; i < 3; i++)
        flat = flat && w->kernel[i] == 3 && w->stride[i] == 1 && w->dilation[i] == 1;
    return flat;
}

/* Drops the kernel's outer items along an axis that meet padding alone, as those of large
 * dilations do; returns how many in front. */
static int64_t trim(struct esk_window *w, int axis) {
    int64_t front = 0, step = w->dilation[axis];
    int64_t last = (w->out[axis] - 1) * w->stride[axis] - w->begin[axis];
    for (; w->kernel[axis] > 1 && last < 0; w->kernel[axis]--, front++) {
        w->begin[axis] -= step;
        last += step;
    }
    while (w->kernel[axis] > 1 &&
           (w->kernel[axis] - 1) * step - w->begin[axis] >= w->in[axis])
        w->kernel[axis]--;
    if (w->kernel[axis] == 1)
        w->dilation[axis] = 1;
    return front;
}

/* One item, always inside, and no strides along three axes. */
static bool is_pointwise(const struct esk_window *w) {
    bool inside = esk_window_taps(w) == 1;
    for (int i = 0; i < 3; i++)
        inside = inside && w->begin[i] == 0 && (w->out[i] - 1) * w->stride[i] < w->in[i];
    bool flat = w->in[0] == 1 && w->out[0] == 1 && w->kernel[0] == 1;
    return inside && (flat || esk_window_out(w) == esk_window_in(w));
}

esk_status esk_conv_scaled_recipes(struct esk_ctx *c, const struct esk_window *window,
                                   uint32_t factors) {
    const struct esk_var *x = esk_in(c, 0), *y = esk_out(c, 0);
    struct esk_window w = esk_window_three(window);
    if (c->limits->planes)
        return esk_unsupported(c, "planes, which have no kernel with factors");
    if (!esk_vec4_indices(x) || !esk_vec4_indices(y) || !is_pointwise(&w))
        return esk_unsupported(c, "a kernel of more than one item");
    struct esk_conv_form f = esk_conv_form(y->dim[1], x->dim[1], 1, 1, 1, ESK_CONV_EVEN);
    esk_conv_1x1_form(&f, c->limits, esk_window_out(&w));
    esk_conv_1x1(c, &w, &f, 1, factors);
    return ESK_OK;
}

esk_status esk_conv_recipes(struct esk_ctx *c, const struct esk_window *window,
                            int64_t group) {
    const struct esk_var *x = esk_in(c, 0), *y = esk_out(c, 0);
    if (!esk_vec4_indices(x) || !esk_vec4_indices(y))
        return esk_unsupported(c, "a tensor of more than 2^28 vec4s");
    struct esk_window w = esk_window_three(window);
    int64_t taps = esk_window_taps(&w), ic = x->dim[1], oc = y->dim[1];
    int64_t pitch = w.kernel[2], tap = 0;
    if (ic == 1 && esk_conv_signal(c, &w, oc, x->dim[0]))
        return ESK_OK;
    if (group == 1 && esk_conv_patches(c, &w, oc, x->dim[0]))
        return ESK_OK;
    if (w.kernel[0] == 1) {
        tap = trim(&w, 1) * pitch;
        tap += trim(&w, 2);
    }
    bool flat = w.in[0] == 1 && w.out[0] == 1 && w.kernel[0] == 1;
    bool pointwise = group == 1 && is_pointwise(&w);
    /* depthwise kernels have two axes; those of volumes count as groups */
    bool deep = group == ic && ic == oc && flat;
    uint32_t kind = deep && group > 1 ? ESK_CONV_DEPTHWISE : 0;
    struct esk_conv_form f;
    for (int planes = c->limits->planes; planes >= 0; planes--) {
        bool even = !planes && pointwise && ic > 4;
        f = esk_conv_form(oc, ic, group, w.kernel[0] * w.kernel[1], w.kernel[2],
                          kind   ? kind
                          : even ? ESK_CONV_EVEN
                                 : 0);
        if (even)
            esk_conv_1x1_form(&f, c->limits, x->dim[0] * esk_window_out(&w));
        f.taps = taps;
        f.tap = tap;
        f.pitch = pitch;
        if (planes && (f.depthwise ? esk_conv_planes_depthwise(c, &w, &f, x->dim[0])
                                   : esk_conv_planes(c, &w, &f, x->dim[0], group)))
            return ESK_OK;
    }
    if (winograd_window(&w) && taps == 9 && group == 1)
        esk_conv_winograd(c, &w, oc, ic, x->dim[0]);
    if (group == 1 && ic <= 4 && esk_conv_dense(c, &w, &f, x->dim[0]))
        return ESK_OK;
    if (group > 1 && !deep && is_pointwise(&w) &&
        esk_conv_1x1_groups(c, &w, x->dim[0], group))
        return ESK_OK;
    if (pointwise)
        esk_conv_1x1(c, &w, &f, x->dim[0], 0);
    else if (f.depthwise)
        esk_conv_depthwise(c, &w, &f, x->dim[0]);
    else
        any_window(c, &w, &f, x->dim[0], group);
    return ESK_OK;
}
