/* Winograd's F(4×4, 3×3): a 3 × 3 convolution of stride 1 as 36 products of matrices over
 * pieces of 4 × 4 outputs, a quarter of the multiplications. In: a window, shapes; out: a
 * recipe, and the rule when it pays. Must not know devices by name. */
#include "base/half.h"
#include "recipes/conv_kernels.h"
#include "recipes/elementwise.h"
#include "recipes/lanes.h"

#include <string.h>

enum { SIDE = 6, POINTS = SIDE * SIDE, NV = 4, MAX_DEPTH = 2 };

/* The weights U = G g Gᵀ in vec4s over output channels, [36][blocks][deep * 4][block],
 * then the bias, [blocks * block]. Channels that are none are zeros. */
struct form {
    int64_t oc, ic, oc4, ic4;
    int64_t deep; /* input vec4s in the form: a multiple of MAX_DEPTH */
    int64_t block, blocks;
    int64_t product, bias; /* vec4s of one of the 36; of all */
};

static struct form form_of(int64_t oc, int64_t ic, int64_t block) {
    struct form f = {.oc = oc, .ic = ic, .block = block};
    f.oc4 = esk_divide_up(oc, 4);
    f.ic4 = esk_divide_up(ic, 4);
    f.deep = esk_divide_up(f.ic4, MAX_DEPTH) * MAX_DEPTH;
    f.blocks = esk_divide_up(f.oc4, block);
    f.product = f.blocks * f.deep * 4 * block;
    f.bias = POINTS * f.product;
    return f;
}

/* How the pieces are cut up: convolutions of one channel count differ in nothing else. */
struct pieces {
    int64_t across, each, all; /* in a row, in an image, in the batch */
    int64_t tile, depth;       /* of an invocation; input vec4s a step */
};

/* Large tiles have fewer loads a sum, small ones fit few pieces: by class, so that
 * another size seldom compiles another program. Hardware has few registers a lane. */
static void choose_tile(struct pieces *p, bool software) {
    p->tile = !software || p->all < 8 ? 4 : p->all < 40 ? 8 : 14;
    p->depth = p->tile == 14 ? 1 : 2;
}

enum { P_OC, P_IC, P_BLOCK, P_COUNT };

/* G applied to three values: g[x], apart by `from`, makes six, apart by `to`. The points
 * are 0, ±√½, ±√2 and ∞: see glsl/conv_winograd_in.glsl. */
static inline void six(const double *w, int from, double *u, int to) {
    const double s = 2.0 / 3.0, t = 1.0 / 6, r = 0.70710678118654752440;
    double a = -s * w[0], b = s * r * w[from], c = s / 2 * w[2 * from];
    double d = t * w[0], e = r / 3 * w[from], f = 1.0 / 3 * w[2 * from];
    u[0] = w[0];
    u[to] = a - b - c;
    u[2 * to] = a + b - c;
    u[3 * to] = d + e + f;
    u[4 * to] = d - e + f;
    u[5 * to] = w[2 * from];
}

static float item(const struct esk_tensor *t, int64_t i) {
    return t->dtype == ESK_FLOAT16 ? esk_half_to_float(((const uint16_t *)t->data)[i])
                                   : ((const float *)t->data)[i];
}

enum { LANES = 4 }; /* output channels of a vec4 */

/* The kernels of LANES output channels, w[9][LANES], at the 36 points, `apart` in `out`.
 */
static void transform(const double *w, float *out, int64_t apart) {
    double half[SIDE * 3 * LANES], u[POINTS * LANES];
    for (int x = 0; x < 3; x++) /* half[i][x] */
        for (int j = 0; j < LANES; j++)
            six(w + x * LANES + j, 3 * LANES, half + x * LANES + j, 3 * LANES);
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < LANES; j++)
            six(half + i * 3 * LANES + j, LANES, u + i * SIDE * LANES + j, LANES);
    for (int i = 0; i < POINTS; i++)
        for (int j = 0; j < LANES; j++)
            out[i * apart + j] = (float)u[i * LANES + j];
}

/* A block of output channels at a time: what they make for a point lies together. */
static void pack(void *dst, size_t bytes, const struct esk_tensor *const *src,
                 const int64_t *params) {
    struct form f = form_of(params[P_OC], params[P_IC], params[P_BLOCK]);
    float *out = dst, *bias = out + f.bias * 4;
    (void)bytes;
    for (int64_t block = 0; block < f.blocks; block++)
        for (int64_t ic = 0; ic < f.ic; ic++)
            for (int64_t lane = 0; lane < f.block; lane++) {
                int64_t oc = (block * f.block + lane) * LANES;
                int64_t many = f.oc - oc < LANES ? f.oc - oc : LANES;
                double w[9 * LANES] = {0};
                for (int64_t j = 0; j < many; j++)
                    for (int i = 0; i < 9; i++)
                        w[i * LANES + j] =
                            (double)item(src[0], ((oc + j) * f.ic + ic) * 9 + i);
                if (many > 0)
                    transform(w, out + ((block * f.deep * 4 + ic) * f.block + lane) * 4,
                              f.product * 4);
            }
    for (int64_t oc = 0; src[1] && oc < f.oc; oc++)
        bias[oc] = item(src[1], oc);
}

/* Whether three kernels and four times the weights beat the direct kernel, in its
 * multiplications (about 30 a nanosecond on the machine that this was measured on). A
 * GPU's answer is not known: nothing there. */
static bool pays(const struct esk_limits *limits, const struct esk_window *w,
                 const struct form *f, const struct pieces *p, int64_t batch) {
    enum { IN = 900, OUT = 530, WEIGHT = 12 }; /* of a piece and channel; of a weight */
    /* worth: less than this of the direct time, or it does not repay the memory, the two
     * more commands and the rounding */
    const double dispatches = 1e6, rate = 1.33, worth = 0.85;
    if (limits->winograd != ESK_WHEN_AUTO)
        return limits->winograd == ESK_WHEN_ALWAYS;
    double ic = (double)f->ic, oc = (double)f->oc, weights = ic * oc;
    double outputs = (double)(batch * w->out[1] * w->out[2]);
    double direct = weights * 9 * (outputs + WEIGHT);
    double tiled = (double)(esk_divide_up(p->all, p->tile) * p->tile);
    double padded = ic * (double)(f->blocks * f->block * 4);
    double three = POINTS * (padded * tiled * rate + weights * WEIGHT) +
                   (double)p->all * (IN * ic + OUT * oc) + dispatches;
    return limits->software && three < direct * worth;
}

static void input_kernel(struct esk_ctx *c, struct esk_recipe *r,
                         const struct esk_window *w, const struct form *f,
                         const struct pieces *p, int64_t batch, struct esk_ref_to to) {
    struct esk_kernel *k = esk_recipe_kernel(r, "conv_winograd_in");
    uint32_t lo = esk_channel_lanes(f->ic4), lanes = esk_lanes(c->limits);
    esk_kernel_local(k, lanes, 1, 1);
    esk_kernel_lanes(k, lo);
    esk_kernel_in(c, r, k, "X", 0, ESK_VEC4);
    esk_kernel_ref(k, "V", r, to, ESK_WRITE, ESK_VEC4);
    esk_kernel_int(k, "c4", f->ic4);
    esk_kernel_int(k, "w", w->in[2]);
    esk_kernel_int(k, "h", w->in[1]);
    esk_kernel_int(k, "px", w->begin[2]);
    esk_kernel_int(k, "py", w->begin[1]);
    esk_kernel_int(k, "across", p->across);
    esk_kernel_int(k, "each", p->each);
    esk_kernel_int(k, "pieces", p->all);
    esk_kernel_groups(k, (uint64_t)esk_divide_up(f->ic4, lo),
                      (uint64_t)esk_divide_up(p->each, lanes / lo), (uint64_t)batch);
    k->flops = (double)p->all * (double)f->ic * 12 * 14;
    k->bytes = 16.0 * (double)f->ic4 *
               ((double)batch * (double)esk_window_in(w) + POINTS * (double)p->all);
}

static void products(struct esk_ctx *c, struct esk_recipe *r, const struct form *f,
                     const struct pieces *p, uint32_t lo, struct esk_ref_to in,
                     struct esk_ref_to weights, struct esk_ref_to out) {
    struct esk_kernel *k = esk_recipe_kernel(r, "conv_winograd_mul");
    uint32_t lanes = esk_lanes(c->limits);
    esk_kernel_define(k, "TILE", p->tile);
    esk_kernel_define(k, "NV", NV);
    esk_kernel_define(k, "DEPTH", p->depth);
    esk_kernel_local(k, lanes, 1, 1);
    esk_kernel_lanes(k, lo);
    esk_kernel_ref(k, "V", r, in, ESK_READ, ESK_VEC4);
    esk_kernel_ref(k, "U", r, weights, ESK_READ, ESK_VEC4);
    esk_kernel_ref(k, "M", r, out, ESK_WRITE, ESK_VEC4);
    esk_kernel_int(k, "pieces", p->all);
    esk_kernel_int(k, "ic4", f->ic4);
    esk_kernel_int(k, "deep", f->deep);
    esk_kernel_int(k, "oc4", f->oc4);
    esk_kernel_int(k, "product", f->product);
    int64_t tiles = esk_divide_up(p->all, p->tile);
    esk_kernel_groups(k, (uint64_t)f->blocks, (uint64_t)esk_divide_up(tiles, lanes / lo),
                      POINTS);
    k->loop_iterations = (uint64_t)f->ic4;
    k->flops = 2.0 * POINTS * (double)p->all * (double)f->ic * (double)f->oc;
    k->bytes =
        16.0 * POINTS * ((double)p->all * (double)(f->ic4 + f->oc4) + (double)f->product);
}

static void output_kernel(struct esk_ctx *c, struct esk_recipe *r,
                          const struct esk_window *w, const struct form *f,
                          const struct pieces *p, int64_t batch, struct esk_ref_to from,
                          struct esk_ref_to weights) {
    struct esk_kernel *k = esk_recipe_kernel(r, "conv_winograd_out");
    uint32_t lo = esk_channel_lanes(f->oc4), lanes = esk_lanes(c->limits);
    if (f->oc % 4)
        esk_kernel_define(k, "MASK", 1);
    esk_kernel_local(k, lanes, 1, 1);
    esk_kernel_lanes(k, lo);
    esk_kernel_ref(k, "M", r, from, ESK_READ, ESK_VEC4);
    esk_kernel_ref(k, "W", r, weights, ESK_READ, ESK_VEC4);
    esk_kernel_out(c, r, k, "Y", 0, ESK_VEC4);
    esk_kernel_int(k, "c", f->oc);
    esk_kernel_int(k, "c4", f->oc4);
    esk_kernel_int(k, "ow", w->out[2]);
    esk_kernel_int(k, "oh", w->out[1]);
    esk_kernel_int(k, "across", p->across);
    esk_kernel_int(k, "each", p->each);
    esk_kernel_int(k, "pieces", p->all);
    esk_kernel_int(k, "bias", f->bias);
    esk_epilogue_emit(c, r, k, ESK_VEC4);
    esk_kernel_groups(k, (uint64_t)esk_divide_up(f->oc4, lo),
                      (uint64_t)esk_divide_up(p->each, lanes / lo), (uint64_t)batch);
    k->flops += (double)p->all * (double)f->oc * 10 * 11;
    k->bytes = 16.0 * (double)f->oc4 *
               ((double)batch * (double)esk_window_out(w) + POINTS * (double)p->all);
}

void esk_conv_winograd(struct esk_ctx *c, const struct esk_window *w, int64_t oc,
                       int64_t ic, int64_t batch) {
    bool has_bias = esk_in(c, 2) != NULL;
    if (!esk_is_known(c, 1) || (has_bias && !esk_is_known(c, 2)))
        return;
    /* lanes over channels: fewer where 64 channels a block would be many that are none */
    int64_t oc4 = esk_divide_up(oc, 4);
    uint32_t lo = esk_divide_up(oc4, 4 * NV) * 2 <= esk_divide_up(oc4, 2 * NV) ? 4 : 2;
    struct form f = form_of(oc, ic, NV * lo);
    struct pieces p = {.across = esk_divide_up(w->out[2], 4)};
    p.each = p.across * esk_divide_up(w->out[1], 4);
    p.all = p.each * batch;
    choose_tile(&p, c->limits->software);

    /* kernels count vec4s in int32; a tensor has to fit one binding */
    int64_t most = (int64_t)(c->limits->max_slab / 16),
            vec4s = f.bias + f.blocks * f.block;
    int64_t v = POINTS * p.all * f.ic4, m = POINTS * p.all * f.oc4;
    if (v > most || m > most || vec4s > most || v > (1 << 27) || m > (1 << 27) ||
        vec4s > (1 << 27) || !pays(c->limits, w, &f, &p, batch))
        return;

    struct esk_recipe *r = esk_add_recipe(c, "conv winograd");
    r->in_layout[0] = r->out_layout[0] = ESK_LAYOUT_C4;
    esk_id src[2] = {esk_in_id(c, 1), has_bias ? esk_in_id(c, 2) : ESK_NONE};
    int64_t params[P_COUNT] = {[P_OC] = oc, [P_IC] = ic, [P_BLOCK] = f.block};
    struct esk_ref_to weights =
        esk_recipe_form(r, "conv_winograd", pack, 2, src, P_COUNT, params,
                        (size_t)vec4s * 16, ESK_STORAGE_F32, ESK_FLOAT);
    struct esk_ref_to in = esk_recipe_scratch(r, (size_t)v * 16, ESK_STORAGE_F32),
                      out = esk_recipe_scratch(r, (size_t)m * 16, ESK_STORAGE_F32);
    input_kernel(c, r, w, &f, &p, batch, in);
    products(c, r, &f, &p, lo, in, weights, out);
    output_kernel(c, r, w, &f, &p, batch, out, weights);
}
