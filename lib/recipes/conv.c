/* Weight packing and the choice of kernels for convolutions. In: windows, shapes, limits;
 * out: recipes. Must not know devices by name. */
#include "recipes/conv.h"

#include "base/half.h"
#include "recipes/elementwise.h"
#include "recipes/lanes.h"

#include <string.h>

/* ---- weight forms ---- */

/* Vec4s of output channels in a block: the padding is least, larger blocks first. */
static int64_t block_of(int64_t oc4) {
    int64_t best = 1;
    double least = 0, more = 1;
    for (int64_t b = 16; b >= 1; b /= 2, more *= 1.1) {
        /* each halving must win 10 % to make up for more loads a sum */
        double cost = (double)(esk_divide_up(oc4, b) * b) * more;
        if (least == 0 || cost < least)
            best = b, least = cost;
    }
    return best;
}

int64_t esk_conv_start(const struct esk_conv_form *f, int64_t oc4) {
    int64_t start = oc4 * 4 / f->ocg * f->icg / 4, last = f->ic4 - f->span;
    return last < 0 ? 0 : start < last ? start : last;
}

struct esk_conv_form esk_conv_form(int64_t oc, int64_t ic, int64_t group, int64_t rows,
                                   int64_t kw, uint32_t flags) {
    struct esk_conv_form f = {
        .oc = oc,
        .icg = ic / group,
        .ocg = oc / group,
        .ic4 = esk_divide_up(ic, 4),
        .oc4 = esk_divide_up(oc, 4),
        .rows = rows,
        .kw = kw,
        .transposed = flags & ESK_CONV_TRANSPOSED,
        .depthwise = flags & ESK_CONV_DEPTHWISE,
    };
    if (f.depthwise) {
        f.span = f.block = 1;
        f.blocks = f.oc4;
        return f;
    }
    f.span = 1;
    for (int64_t o = 0; o < f.oc4; o++) {
        int64_t last = o * 4 + 3 < oc ? o * 4 + 3 : oc - 1;
        int64_t from = o * 4 / f.ocg * f.icg / 4,
                to = ((last / f.ocg + 1) * f.icg - 1) / 4;
        if (to - from + 1 > f.span)
            f.span = to - from + 1;
    }
    if (flags & ESK_CONV_EVEN)
        f.span = esk_divide_up(f.span, 2) * 2;
    f.block = block_of(f.oc4);
    if (group > 1 && f.block > 8)
        f.block = 8;
    f.blocks = esk_divide_up(f.oc4, f.block);
    return f;
}

int64_t esk_conv_bias_at(const struct esk_conv_form *f) {
    return f->depthwise ? f->rows * f->kw * f->oc4
                        : f->blocks * f->rows * f->span * f->kw * 4 * f->block;
}

static int64_t form_vec4s(const struct esk_conv_form *f) {
    return esk_conv_bias_at(f) + (f->depthwise ? f->oc4 : f->blocks * f->block);
}

enum {
    P_OC,
    P_ICG,
    P_OCG,
    P_IC4,
    P_OC4,
    P_ROWS,
    P_KW,
    P_SPAN,
    P_BLOCK,
    P_BLOCKS,
    P_FLAGS,
    P_COUNT
};

static float item(const struct esk_tensor *t, int64_t i) {
    return t->dtype == ESK_FLOAT16 ? esk_half_to_float(((const uint16_t *)t->data)[i])
                                   : ((const float *)t->data)[i];
}

/* Where packed items go: floats, or halves. */
static void put(void *out, bool half, int64_t i, float value) {
    if (half)
        ((uint16_t *)out)[i] = esk_float_to_half(value);
    else
        ((float *)out)[i] = value;
}

static void pack_depthwise(void *out, bool half, const struct esk_conv_form *f,
                           const struct esk_tensor *w) {
    int64_t taps = f->rows * f->kw, at = 0;
    for (int64_t t = 0; t < taps; t++)
        for (int64_t c = 0; c < f->oc4 * 4; c++)
            put(out, half, at++, c < f->oc ? item(w, c * taps + t) : 0.0f);
}

static void pack_blocks(void *out, bool half, const struct esk_conv_form *f,
                        const struct esk_tensor *w) {
    int64_t taps = f->rows * f->kw;
    for (int64_t oc = 0; oc < f->blocks * f->block * 4; oc++) {
        int64_t o4 = oc / 4, group = oc / f->ocg;
        /* where channel oc's items start; they are 4 * block apart */
        int64_t to =
            o4 / f->block * (taps * f->span * 16 * f->block) + o4 % f->block * 4 + oc % 4;
        int64_t start = esk_conv_start(f, o4) * 4 - group * f->icg;
        for (int64_t row = 0; row < f->rows; row++)
            for (int64_t s = 0; s < f->span; s++)
                for (int64_t kx = 0; kx < f->kw; kx++)
                    for (int64_t q = 0; q < 4; q++, to += 4 * f->block) {
                        int64_t ic = start + s * 4 + q; /* in its group */
                        float value = 0.0f;
                        if (oc < f->oc && ic >= 0 && ic < f->icg) {
                            int64_t at = f->transposed ? (group * f->icg + ic) * f->ocg +
                                                             oc - group * f->ocg
                                                       : oc * f->icg + ic;
                            value = item(w, at * taps + row * f->kw + kx);
                        }
                        put(out, half, to, value);
                    }
    }
}

enum { FLAG_TRANSPOSED = 1, FLAG_DEPTHWISE = 2, FLAG_HALF = 4 };

static void pack(void *dst, size_t bytes, const struct esk_tensor *const *src,
                 const int64_t *params) {
    struct esk_conv_form f = {
        .oc = params[P_OC],
        .icg = params[P_ICG],
        .ocg = params[P_OCG],
        .ic4 = params[P_IC4],
        .oc4 = params[P_OC4],
        .rows = params[P_ROWS],
        .kw = params[P_KW],
        .span = params[P_SPAN],
        .block = params[P_BLOCK],
        .blocks = params[P_BLOCKS],
        .transposed = params[P_FLAGS] & FLAG_TRANSPOSED,
        .depthwise = params[P_FLAGS] & FLAG_DEPTHWISE,
    };
    bool half = params[P_FLAGS] & FLAG_HALF;
    (void)bytes;
    if (f.depthwise)
        pack_depthwise(dst, half, &f, src[0]);
    else
        pack_blocks(dst, half, &f, src[0]);
    int64_t bias = esk_conv_bias_at(&f) * 4;
    for (int64_t i = 0; i < f.blocks * f.block * 4; i++)
        put(dst, half, bias + i, src[1] && i < f.oc ? item(src[1], i) : 0.0f);
}

struct esk_ref_to esk_conv_weights(struct esk_ctx *c, struct esk_recipe *r,
                                   const struct esk_conv_form *f, uint32_t w,
                                   uint32_t b) {
    bool has_bias = esk_in(c, b) != NULL;
    int64_t vec4s = form_vec4s(f);
    int64_t params[P_COUNT] = {
        [P_OC] = f->oc,
        [P_ICG] = f->icg,
        [P_OCG] = f->ocg,
        [P_IC4] = f->ic4,
        [P_OC4] = f->oc4,
        [P_ROWS] = f->rows,
        [P_KW] = f->kw,
        [P_SPAN] = f->span,
        [P_BLOCK] = f->block,
        [P_BLOCKS] = f->blocks,
        [P_FLAGS] =
            (f->transposed ? FLAG_TRANSPOSED : 0) | (f->depthwise ? FLAG_DEPTHWISE : 0),
    };
    if (esk_is_known(c, w) && (!has_bias || esk_is_known(c, b))) {
        esk_id src[2] = {esk_in_id(c, w), has_bias ? esk_in_id(c, b) : ESK_NONE};
        /* a software renderer reads floats faster than it unpacks halves */
        bool half = esk_in(c, w)->dtype == ESK_FLOAT16 && !c->limits->software;
        params[P_FLAGS] |= half ? FLAG_HALF : 0;
        return esk_recipe_form(
            r, "conv", pack, 2, src, P_COUNT, params, (size_t)vec4s * (half ? 8 : 16),
            half ? ESK_STORAGE_F16X2 : ESK_STORAGE_F32, half ? ESK_FLOAT16 : ESK_FLOAT);
    }
    struct esk_ref_to to = esk_recipe_scratch(r, (size_t)vec4s * 16, ESK_STORAGE_F32);
    struct esk_kernel *k = esk_recipe_kernel(r, "conv_pack");
    esk_kernel_in(c, r, k, "W", w, ESK_ELEMENT);
    if (has_bias) {
        esk_kernel_define(k, "BIAS", 1);
        esk_kernel_in(c, r, k, "B", b, ESK_ELEMENT);
    }
    esk_kernel_ref(k, "Y", r, to, ESK_WRITE, ESK_VEC4);
    if (f->transposed)
        esk_kernel_define(k, "TRANSPOSED", 1);
    if (f->depthwise)
        esk_kernel_define(k, "DEPTHWISE", 1);
    static const char *const names[] = {"oc",   "icg", "ocg",  "ic4",  "oc4",
                                        "rows", "kw",  "span", "block"};
    for (int i = 0; i <= P_BLOCK; i++)
        esk_kernel_int(k, names[i], params[i]);
    esk_kernel_int(k, "bias", esk_conv_bias_at(f));
    esk_kernel_int(k, "count", vec4s);
    esk_kernel_flat(k, c->limits, (uint64_t)vec4s);
    k->bytes = (double)vec4s * 32;
    return to;
}

/* ---- kernels ---- */

/* What the kernels of blocks have in common: lanes, tiles, channels. */
struct tiling {
    uint32_t lanes;  /* invocations of a group */
    uint32_t lo, nv; /* vec4s of channels: of a group's lanes, of an invocation */
    int64_t tile;
};

static struct tiling tiling_of(const struct esk_limits *limits,
                               const struct esk_conv_form *f, bool grouped,
                               int64_t positions) {
    struct tiling t = {.lanes = esk_lanes(limits)};
    t.nv = grouped || f->block == 1 ? 1 : 2;
    t.lo = (uint32_t)f->block / t.nv;
    /* hardware has few registers a lane; a software renderer's are the stack */
    int64_t most = limits->software ? 14 : 4;
    t.tile = positions >= 8 ? most : positions > 1 ? 4 : 1;
    return t;
}

static void define_tiling(struct esk_kernel *k, const struct tiling *t,
                          const struct esk_conv_form *f) {
    esk_kernel_define(k, "TILE", t->tile);
    esk_kernel_define(k, "LO", t->lo);
    esk_kernel_define(k, "NV", t->nv);
    if (f->oc % 4)
        esk_kernel_define(k, "MASK", 1);
    esk_kernel_local(k, t->lanes, 1, 1);
}

static const char *label_1x1(bool known) {
    return known ? "conv 1x1" : "conv 1x1, packed";
}

static void conv_1x1(struct esk_ctx *c, const struct esk_conv_form *f, int64_t pixels) {
    struct esk_recipe *r = esk_add_recipe(c, label_1x1(esk_is_known(c, 1)));
    r->in_layout[0] = r->out_layout[0] = ESK_LAYOUT_C4;
    struct esk_ref_to weights = esk_conv_weights(c, r, f, 1, 2);
    struct tiling t = tiling_of(c->limits, f, false, pixels);
    struct esk_kernel *k = esk_recipe_kernel(r, "conv_1x1");
    define_tiling(k, &t, f);
    esk_kernel_define(k, "DEPTH", f->ic4 > 1 ? 2 : 1);
    esk_kernel_in(c, r, k, "X", 0, ESK_VEC4);
    esk_kernel_ref(k, "W", r, weights, ESK_READ, ESK_VEC4);
    esk_kernel_out(c, r, k, "Y", 0, ESK_VEC4);
    esk_kernel_int(k, "pixels", pixels);
    esk_kernel_int(k, "ic4", f->ic4);
    esk_kernel_int(k, "oc", f->oc);
    esk_kernel_int(k, "oc4", f->oc4);
    esk_kernel_int(k, "bias", esk_conv_bias_at(f));
    esk_epilogue_emit(c, r, k, ESK_VEC4);
    int64_t tiles = esk_divide_up(pixels, t.tile);
    esk_kernel_groups(k, (uint64_t)f->blocks,
                      (uint64_t)esk_divide_up(tiles, t.lanes / t.lo), 1);
    k->loop_iterations = (uint64_t)f->ic4;
    k->flops = 2.0 * (double)pixels * (double)f->icg * (double)f->oc;
    k->bytes =
        16.0 * ((double)pixels * (double)(f->ic4 + f->oc4) + (double)form_vec4s(f));
}

static void window_params(struct esk_kernel *k, const struct esk_window *w, bool volume) {
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
    if (volume) {
        esk_kernel_define(k, "VOLUME", 1);
        esk_kernel_int(k, "d", w->in[0]);
        esk_kernel_int(k, "od", w->out[0]);
        esk_kernel_int(k, "sz", w->stride[0]);
        esk_kernel_int(k, "dz", w->dilation[0]);
        esk_kernel_int(k, "pz", w->begin[0]);
    }
}

static void conv_blocks(struct esk_ctx *c, const struct esk_window *w,
                        const struct esk_conv_form *f, int64_t batch, int64_t group) {
    bool volume = w->kernel[0] > 1 || w->in[0] > 1 || w->out[0] > 1;
    int64_t kw = w->kernel[2], sx = w->stride[2], ow = w->out[2], oh = w->out[1];
    bool unrolled = (kw == 1 || kw == 3 || kw == 5 || kw == 7) && w->dilation[2] == 1 &&
                    (sx == 1 || sx == 2);
    struct esk_recipe *r = esk_add_recipe(c, group > 1  ? "conv grouped"
                                             : unrolled ? "conv row"
                                                        : "conv loop");
    r->in_layout[0] = r->out_layout[0] = ESK_LAYOUT_C4;
    struct esk_ref_to weights = esk_conv_weights(c, r, f, 1, 2);
    struct tiling t = tiling_of(c->limits, f, group > 1, ow * oh);
    if (unrolled && kw >= 5 && t.tile > 7)
        t.tile = 7;
    struct esk_kernel *k = esk_recipe_kernel(r, "conv");
    define_tiling(k, &t, f);
    esk_kernel_define(k, "KW", unrolled ? kw : 0);
    if (unrolled)
        esk_kernel_define(k, "SX", sx);
    esk_kernel_define(k, "CIN", group == 1 && f->icg < 4 ? f->icg : 4);
    if (group > 1)
        esk_kernel_define(k, "GROUPED", 1);
    /* rows end to end, with room for what the last window of a row reads, or each row of
     * its own tiles */
    int64_t reach = unrolled ? esk_divide_up(sx * (ow - 1) + kw, sx) : ow;
    int64_t alone = esk_divide_up(ow, t.tile) * t.tile;
    bool apart = alone <= reach;
    int64_t row = apart ? alone : reach;
    int64_t tiles = esk_divide_up(row * oh, t.tile);
    esk_kernel_in(c, r, k, "X", 0, ESK_VEC4);
    esk_kernel_ref(k, "W", r, weights, ESK_READ, ESK_VEC4);
    esk_kernel_out(c, r, k, "Y", 0, ESK_VEC4);
    window_params(k, w, volume);
    esk_kernel_int(k, "step", f->ic4);
    esk_kernel_int(k, "span", f->span);
    esk_kernel_int(k, "icg", f->icg);
    esk_kernel_int(k, "ocg", f->ocg);
    esk_kernel_int(k, "oc", f->oc);
    esk_kernel_int(k, "oc4", f->oc4);
    esk_kernel_int(k, "row", row);
    esk_kernel_int(k, "wrap", apart ? INT32_MAX : row * sx);
    esk_kernel_int(k, "bias", esk_conv_bias_at(f));
    esk_epilogue_emit(c, r, k, ESK_VEC4);
    esk_kernel_groups(k, (uint64_t)f->blocks,
                      (uint64_t)esk_divide_up(tiles, t.lanes / t.lo),
                      (uint64_t)(batch * w->out[0]));
    k->loop_iterations =
        (uint64_t)(w->kernel[0] *
                   (1 + w->kernel[1] * (1 + (unrolled ? 1 : kw) * (1 + f->span))));
    double pixels = (double)batch * (double)esk_window_out(w);
    k->flops = 2.0 * pixels * (double)esk_window_taps(w) * (double)f->icg * (double)f->oc;
    k->bytes = 16.0 * ((double)batch * (double)esk_window_in(w) * (double)f->ic4 +
                       pixels * (double)f->oc4 + (double)form_vec4s(f));
}

static void depthwise(struct esk_ctx *c, const struct esk_window *w,
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
    uint32_t lo = esk_channel_lanes(f->oc4), lanes = esk_lanes(c->limits);
    esk_kernel_define(k, "TX", tx);
    esk_kernel_define(k, "TY", ty);
    esk_kernel_define(k, "LO", lo);
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
    window_params(k, w, false);
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

/* UNSUPPORTED if a kernel of the recipe just made would loop longer than the device can.
 */
static esk_status check_loops(const struct esk_ctx *c) {
    uint32_t most = c->limits->max_iterations;
    const struct esk_recipe_list *list = c->recipes;
    const struct esk_recipe *r = list->count ? list->items[list->count - 1] : NULL;
    for (uint32_t i = 0; most && r && i < r->n_kernels; i++)
        if (r->kernels[i].loop_iterations > most)
            return esk_unsupported(c, "%llu loop iterations, the limit is %u",
                                   (unsigned long long)r->kernels[i].loop_iterations,
                                   most);
    return ESK_OK;
}

esk_status esk_conv_recipes(struct esk_ctx *c, const struct esk_window *window,
                            int64_t group) {
    const struct esk_var *x = esk_in(c, 0), *y = esk_out(c, 0);
    if (!esk_vec4_indices(x) || !esk_vec4_indices(y))
        return esk_unsupported(c, "a tensor of more than 2^28 vec4s");
    struct esk_window w = esk_window_three(window);
    int64_t taps = esk_window_taps(&w), ic = x->dim[1], oc = y->dim[1];
    bool pointwise = taps == 1 && group == 1;
    for (int i = 0; i < 3; i++)
        pointwise = pointwise && w.stride[i] == 1 && w.begin[i] == 0 && w.end[i] == 0;
    /* depthwise kernels have two axes; those of volumes count as groups */
    bool deep =
        group == ic && ic == oc && w.kernel[0] == 1 && w.in[0] == 1 && w.out[0] == 1;
    struct esk_conv_form f =
        esk_conv_form(oc, ic, group, w.kernel[0] * w.kernel[1], w.kernel[2],
                      deep && group > 1     ? ESK_CONV_DEPTHWISE
                      : pointwise && ic > 4 ? ESK_CONV_EVEN
                                            : 0);
    if (pointwise)
        conv_1x1(c, &f, x->dim[0] * esk_window_out(&w));
    else if (f.depthwise)
        depthwise(c, &w, &f, x->dim[0]);
    else
        conv_blocks(c, &w, &f, x->dim[0], group);
    return check_loops(c);
}

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
    struct tiling t = tiling_of(c->limits, &f, group > 1, row * rows);
    struct esk_kernel *k = esk_recipe_kernel(r, "conv_transpose");
    define_tiling(k, &t, &f);
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
    k->bytes = 16.0 * (pixels * (double)f.ic4 + (double)form_vec4s(&f) +
                       (double)x->dim[0] * (double)esk_window_out(&w) * (double)f.oc4);
    return check_loops(c);
}
