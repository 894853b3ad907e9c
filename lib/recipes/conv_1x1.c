/* Convolution with a kernel of one pixel, or of a row of a signal: a product of matrices.
 * In: a form, pixels; out: a recipe. Must not know devices by name. */
#include "recipes/conv_kernels.h"
#include "recipes/elementwise.h"
#include "recipes/lanes.h"

enum {
    MOST_SHALLOW = 6,  /* input vec4s of a shallow product: at 8 it takes longer */
    LEAST_SHALLOW = 4, /* output vec4s of it: they share the inputs */
    MOST_TURNS = 4096,
    MANY = 25, /* pixels for which tiles of 14 are taken */
    MOST_TILE = 14,
    MOST_MERGED =
        4, /* groups together cost as many times the products: up to three pay */
    LEAST_GROUP = 12, /* channels of them */
    FEW = 448 /* pixels that a group's tiles waste too many of, with one lane a tile */
};

/* What an invocation of a tile with nv vec4s of channels takes on llvmpipe, in loads of a
 * vec4: with what it carries over the loop's end, an input vec4 times four vec4s of
 * weights takes as much as one load; a store takes 9.5. Fits 12 tiles of two products to
 * 4 %. */
static double cost(int64_t nv, int64_t steps) {
    int64_t cells = MOST_TILE * nv;
    return (double)(steps * (cells + MOST_TILE + 4 * nv)) + 9.5 * (double)cells + 15;
}

/* Vec4s of output channels in a block, nv of an invocation: what takes least. `least`
 * lanes along channels. The size of images decides no nv: another size compiles nothing.
 */
static double block_of(int64_t oc4, int64_t steps, int64_t nv, int64_t least,
                       int64_t *block) {
    double best = 0;
    for (int64_t lo = 8; lo >= least; lo /= 2) {
        if (nv * lo > 16)
            continue;
        double all = (double)(esk_divide_up(oc4, nv * lo) * lo) * cost(nv, steps);
        /* wider blocks read the input less often */
        for (int64_t wide = nv * lo; wide < 16; wide *= 2)
            all *= 1.015;
        if (best == 0 || all < best)
            best = all, *block = nv * lo;
    }
    return best;
}

/* The kernel of few input channels takes it. */
static bool is_shallow(const struct esk_conv_form *f, int64_t pixels) {
    return f->ic4 > 1 && f->span <= MOST_SHALLOW && pixels >= MANY &&
           f->oc4 >= LEAST_SHALLOW && f->oc4 <= MOST_TURNS;
}

void esk_conv_1x1_form(struct esk_conv_form *f, const struct esk_limits *limits,
                       int64_t pixels) {
    if (!limits->software || pixels < MANY || is_shallow(f, pixels))
        return;
    int64_t nv = 4, block = 1;
    double least = block_of(f->oc4, f->ic4, 4, 1, &block);
    for (int64_t n = 3; n >= 1; n--) {
        double all = block_of(f->oc4, f->ic4, n, 1, &block);
        if (all < least)
            least = all, nv = n;
    }
    /* a group of one lane along channels has 112 pixels */
    block_of(f->oc4, f->ic4, nv, pixels < FEW ? 2 : 1, &f->block);
    f->blocks = esk_divide_up(f->oc4, f->block);
}

static const char *label_1x1(bool known) {
    return known ? "conv 1x1" : "conv 1x1, packed";
}

/* How a product differs from the plain one. */
struct kind {
    int signal;             /* see the kernel */
    uint32_t factors;       /* the input that has one for each channel; 0: none */
    int64_t groups, merged; /* groups of whole vec4s, each made of so many; 0: one */
};

static void product(struct esk_ctx *c, struct esk_recipe *r, const struct esk_window *w,
                    const struct esk_conv_form *f, int64_t batch, struct kind kind) {
    int64_t pixels = batch * esk_window_out(w), groups = kind.groups ? kind.groups : 1;
    int signal = kind.signal;
    struct esk_ref_to weights = kind.groups
                                    ? esk_conv_group_weights(c, r, f, groups, kind.merged)
                                    : esk_conv_weights(c, r, f, 1, 2);
    struct esk_conv_tiling t = esk_conv_tiling(c->limits, f, false, pixels);
    if (pixels < MANY && t.tile > 4)
        t.tile = 4;
    /* large tiles take three or four vec4s of channels: most multiply-adds a load */
    if (t.tile == MOST_TILE && f->block > 2) {
        t.nv = f->block % 3 ? 4 : 3;
        t.lo = (uint32_t)f->block / t.nv;
    }
    /* deeper steps carry sums over fewer ends of the loop, but long bodies do not gain */
    int64_t depth = !signal && !kind.groups && f->ic4 > 1 && t.tile < MOST_TILE ? 2 : 1;
    struct esk_kernel *k = esk_recipe_kernel(r, "conv_1x1");
    esk_kernel_define(k, "TILE", t.tile);
    esk_kernel_define(k, "NV", t.nv);
    esk_kernel_define(k, "DEPTH", depth);
    if (t.tile == MOST_TILE)
        esk_kernel_define(k, "PUT_AT_ONCE", 2);
    bool every = !signal && esk_window_out(w) == esk_window_in(w);
    esk_kernel_define(k, "SIGNAL", signal);
    if (!every)
        esk_kernel_define(k, "STRIDED", 1);
    if (f->oc % 4)
        esk_kernel_define(k, "MASK", 1);
    esk_kernel_local(k, t.lanes, 1, 1);
    esk_kernel_lanes(k, t.lo);
    int64_t each = t.lanes / t.lo * t.tile; /* pixels of a group */
    esk_kernel_in(c, r, k, "X", 0, signal == 1 ? ESK_ELEMENT : ESK_VEC4);
    if (every)
        esk_kernel_step(k, 1, each * f->ic4 * 4, each * f->ic4 * 4);
    esk_kernel_ref(k, "W", r, weights, ESK_READ, ESK_VEC4);
    if (kind.factors) {
        esk_kernel_define(k, "SCALED", 1);
        esk_kernel_in(c, r, k, "S", kind.factors, ESK_VEC4);
    }
    esk_kernel_out(c, r, k, "Y", 0, ESK_VEC4);
    esk_kernel_step(k, 1, each * f->oc4 * 4, each * f->oc4 * 4);
    esk_kernel_int(k, "pixels", pixels);
    esk_kernel_int(k, "ic4", f->ic4);
    esk_kernel_int(k, "span", f->span);
    esk_kernel_int(k, "oc", f->oc);
    esk_kernel_int(k, "oc4", f->oc4);
    esk_kernel_int(k, "bias", groups * esk_conv_bias_at(f));
    if (kind.groups) {
        esk_kernel_define(k, "GROUPED", 1);
        esk_kernel_int(k, "blocks", f->blocks);
        esk_kernel_int(k, "ocg4", f->ocg / 4);
    }
    if (!every)
        esk_conv_window_params(k, w, false);
    esk_epilogue_emit(c, r, k, ESK_VEC4);
    int64_t tiles = esk_divide_up(pixels, t.tile);
    esk_kernel_groups(k, (uint64_t)(groups * f->blocks),
                      (uint64_t)esk_divide_up(tiles, t.lanes / t.lo), 1);
    k->loop_iterations = (uint64_t)f->ic4;
    k->flops = 2.0 * (double)pixels * (double)f->icg * (double)f->oc;
    if (kind.groups)
        k->flops /= (double)kind.merged;
    double read =
        signal ? (double)(batch * esk_window_in(w)) / 4 : (double)pixels * (double)f->ic4;
    k->bytes =
        16.0 * (read + (double)pixels * (double)f->oc4 + (double)esk_conv_form_vec4s(f));
}

/* Few input channels: what a step of the product's loop adds to its sums is little beside
 * what it takes to carry these over the loop's end, on a software renderer. All inputs of
 * a tile are kept instead, and sums leave at once. */
static void shallow(struct esk_ctx *c, const struct esk_window *w,
                    const struct esk_conv_form *f, int64_t batch) {
    int64_t pixels = batch * esk_window_out(w), tile = 14;
    uint32_t lo = 1, lanes = esk_lanes(c->limits);
    /* four vec4s of channels an invocation or more: they share the inputs */
    while (lo < 8 && lo * 8 <= f->oc4)
        lo *= 2;
    struct esk_recipe *r = esk_add_recipe(c, "conv 1x1, shallow");
    r->in_layout[0] = r->out_layout[0] = ESK_LAYOUT_C4;
    struct esk_ref_to weights = esk_conv_weights(c, r, f, 1, 2);
    struct esk_kernel *k = esk_recipe_kernel(r, "conv_shallow");
    esk_kernel_define(k, "TILE", tile);
    esk_kernel_define(k, "DEPTH", f->span);
    if (f->oc % 4)
        esk_kernel_define(k, "MASK", 1);
    esk_kernel_local(k, lanes, 1, 1);
    esk_kernel_lanes(k, lo);
    int64_t each = lanes / lo * tile; /* pixels of a group */
    esk_kernel_in(c, r, k, "X", 0, ESK_VEC4);
    esk_kernel_step(k, 1, each * f->ic4 * 4, each * f->ic4 * 4);
    esk_kernel_ref(k, "W", r, weights, ESK_READ, ESK_VEC4);
    esk_kernel_out(c, r, k, "Y", 0, ESK_VEC4);
    esk_kernel_step(k, 1, each * f->oc4 * 4, each * f->oc4 * 4);
    int64_t turns = esk_divide_up(f->oc4, lo), log = 0;
    while ((int64_t)1 << log < f->block)
        log++;
    esk_kernel_int(k, "pixels", pixels);
    esk_kernel_int(k, "ic4", f->ic4);
    esk_kernel_int(k, "oc", f->oc);
    esk_kernel_int(k, "oc4", f->oc4);
    esk_kernel_int(k, "bias", esk_conv_bias_at(f));
    esk_kernel_int(k, "turns", turns);
    esk_kernel_int(k, "block", log);
    esk_epilogue_emit(c, r, k, ESK_VEC4);
    esk_kernel_groups(
        k, 1, (uint64_t)esk_divide_up(esk_divide_up(pixels, tile), lanes / lo), 1);
    k->loop_iterations = (uint64_t)turns;
    k->flops = 2.0 * (double)pixels * (double)f->icg * (double)f->oc;
    k->bytes = 16.0 * ((double)pixels * (double)(f->ic4 + f->oc4) +
                       (double)esk_conv_form_vec4s(f));
}

void esk_conv_1x1(struct esk_ctx *c, const struct esk_window *w,
                  const struct esk_conv_form *f, int64_t batch, uint32_t factors) {
    int64_t pixels = batch * esk_window_out(w);
    bool every = esk_window_out(w) == esk_window_in(w);
    if (c->limits->software && every && !factors && is_shallow(f, pixels)) {
        shallow(c, w, f, batch);
        return;
    }
    struct esk_recipe *r = esk_add_recipe(c, label_1x1(esk_is_known(c, 1)));
    r->in_layout[0] = r->in_layout[factors] = r->out_layout[0] = ESK_LAYOUT_C4;
    product(c, r, w, f, batch, (struct kind){.factors = factors});
}

bool esk_conv_1x1_groups(struct esk_ctx *c, const struct esk_window *w, int64_t batch,
                         int64_t group) {
    int64_t ic = esk_in(c, 0)->dim[1], oc = esk_out(c, 0)->dim[1], merged = 1;
    while (merged < MOST_MERGED &&
           (group % merged || ic / group * merged % 4 || oc / group * merged % 4))
        merged++;
    int64_t groups = group / merged, icg = ic / group * merged, ocg = oc / group * merged;
    bool known = esk_is_known(c, 1) && (!esk_in(c, 2) || esk_is_known(c, 2));
    if (merged == MOST_MERGED || groups < 2 || ocg < LEAST_GROUP || !known)
        return false;
    struct esk_conv_form f = esk_conv_form(ocg, icg, 1, 1, 1, 0);
    esk_conv_1x1_form(&f, c->limits, batch * esk_window_out(w));
    f.ic4 = ic / 4, f.oc4 = oc / 4, f.oc = oc;
    struct esk_recipe *r = esk_add_recipe(c, "conv 1x1, groups");
    r->in_layout[0] = r->out_layout[0] = ESK_LAYOUT_C4;
    product(c, r, w, &f, batch, (struct kind){.groups = groups, .merged = merged});
    return true;
}

bool esk_conv_patches(struct esk_ctx *c, const struct esk_window *window, int64_t oc,
                      int64_t batch) {
    const struct esk_var *x = esk_in(c, 0);
    struct esk_window w = *window;
    int64_t ic = x->dim[1], taps = w.kernel[1] * w.kernel[2];
    bool inside = w.begin[1] == 0 && w.begin[2] == 0 && w.dilation[2] == 1;
    for (int i = 1; i < 3; i++)
        inside =
            inside &&
            (w.out[i] - 1) * w.stride[i] + (w.kernel[i] - 1) * w.dilation[i] < w.in[i];
    if (w.in[0] != 1 || w.out[0] != 1 || w.kernel[0] != 1 || !inside || ic * taps < 16 ||
        x->layout != ESK_LAYOUT_DENSE || w.kernel[2] % 4 || w.stride[2] % 4 ||
        w.in[2] % 4)
        return false;
    struct esk_conv_form f = esk_conv_form(oc, ic * taps, 1, 1, 1, ESK_CONV_EVEN);
    struct esk_recipe *r = esk_add_recipe(c, "conv of patches");
    r->out_layout[0] = ESK_LAYOUT_C4;
    w.in[2] /= 4, w.stride[2] /= 4;
    int64_t row = w.in[2], line = w.kernel[2] / 4, plane = row * w.in[1];
    w.in[1] *= ic;
    product(c, r, &w, &f, batch, (struct kind){.signal = 3});
    struct esk_kernel *k = &r->kernels[r->n_kernels - 1];
    esk_kernel_int(k, "line", line);
    esk_kernel_int(k, "lines", w.kernel[1]);
    esk_kernel_int(k, "gap", row * w.dilation[1] - line);
    esk_kernel_int(k, "jump", plane - w.kernel[1] * w.dilation[1] * row);
    return true;
}

bool esk_conv_signal(struct esk_ctx *c, const struct esk_window *window, int64_t oc,
                     int64_t batch) {
    struct esk_window w = *window;
    if (w.in[2] == 1 && w.kernel[2] == 1) { /* one column lies as one row does */
        const int64_t in = w.in[1], kernel = w.kernel[1], stride = w.stride[1];
        w.in[2] = in, w.kernel[2] = kernel, w.stride[2] = stride;
        w.dilation[2] = w.dilation[1], w.begin[2] = w.begin[1], w.out[2] = w.out[1];
        w.in[1] = w.kernel[1] = w.stride[1] = w.dilation[1] = w.out[1] = 1;
        w.begin[1] = 0;
    }
    int64_t taps = w.kernel[2];
    bool inside = (w.out[2] - 1) * w.stride[2] + taps <= w.in[2] &&
                  (w.out[1] - 1) * w.stride[1] < w.in[1];
    if (w.in[0] != 1 || w.out[0] != 1 || w.kernel[0] != 1 || w.kernel[1] != 1 ||
        w.dilation[2] != 1 || w.begin[1] || w.begin[2] || !inside || taps < 16 ||
        taps % 4)
        return false;
    struct esk_conv_form f = esk_conv_form(oc, taps, 1, 1, 1, ESK_CONV_EVEN);
    struct esk_recipe *r = esk_add_recipe(c, "conv of a signal");
    r->out_layout[0] = ESK_LAYOUT_C4;
    bool whole = w.stride[2] % 4 == 0 && (w.in[2] % 4 == 0 || batch * w.in[1] == 1);
    if (whole)
        w.in[2] /= 4, w.stride[2] /= 4;
    product(c, r, &w, &f, batch, (struct kind){.signal = whole ? 2 : 1});
    return true;
}
