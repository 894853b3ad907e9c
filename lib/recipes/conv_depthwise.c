/* Depthwise convolution: each channel has a kernel of its own. In: a window, a form; out:
 * a recipe. Must not know devices by name. */
#include "recipes/conv_kernels.h"
#include "recipes/elementwise.h"
#include "recipes/lanes.h"

enum {
    MOST_TAPS = 7,    /* of a kernel along an axis that is unrolled: as in the template */
    MOST_ROWS = 1024, /* of a tile: loops are bounded */
    ENOUGH = 16       /* groups that threads share evenly */
};

/* How the outputs are cut up. A tile has tx of those in a row that lie a dilation apart,
 * and `rows` such rows. */
struct tiles {
    int64_t tx, rows;
    int64_t wide, tall, across, down; /* tiles of a phase, of a row and of a column */
};

/* Rows of outputs side by side, each a tile's, for the kernel of loops. */
static struct tiles single_rows(const struct esk_window *w, bool software) {
    struct tiles t = {.tx = software ? 4 : 2, .rows = 1};
    t.wide = t.across = esk_divide_up(w->out[2], t.tx);
    t.tall = t.down = w->out[1];
    return t;
}

/* What a row of tiles takes, in cycles of llvmpipe with 8 lanes of vec4s: a load 11, a
 * multiply-add 3, a store 45, a sum that is carried to the next row 4; besides, as much
 * as two loads for the row. `step`: tiles that lanes take at once. */
static int64_t cost(const struct esk_window *w, int64_t outputs, int64_t tx,
                    int64_t step) {
    int64_t kw = w->kernel[2], kh = w->kernel[1], sx = w->stride[2], sy = w->stride[1];
    int64_t loads = sy * (((tx - 1) * sx + kw) * 11 + 22);
    int64_t each = kw * kh * 3 + 45 + (kh - 1) / sy * 4;
    int64_t tiles = esk_divide_up(outputs, tx) * w->dilation[2];
    return esk_divide_up(tiles, step) * step * (loads + tx * each);
}

/* More outputs of a tile share more of their inputs, but fit fewer widths; their number
 * is one of two (another size seldom compiles another program). Long columns begin least
 * often, but all threads need some. */
static struct tiles cut(const struct esk_window *w, const struct esk_limits *limits,
                        int64_t others, int64_t step) {
    int64_t x = esk_divide_up(w->out[2], w->dilation[2]),
            y = esk_divide_up(w->out[1], w->dilation[1]);
    struct tiles t = {.tx = 2};
    int64_t pieces = esk_divide_up(y, 4); /* hardware wants many invocations */
    if (limits->software) {
        bool sevens = x % 7 == 0 || x <= 16;
        t.tx = sevens && cost(w, x, 7, step) <= cost(w, x, 4, step) ? 7 : 4;
        int64_t columns = others * w->dilation[1] *
                          esk_divide_up(esk_divide_up(x, t.tx) * w->dilation[2], step);
        int64_t most = esk_divide_up(y, 8);
        pieces = esk_divide_up(ENOUGH, columns);
        /* each thread its own rows: the kernel before left these in the core's cache */
        if (pieces < limits->pool_threads)
            pieces = limits->pool_threads;
        pieces = pieces < most ? pieces : most;
    }
    if (pieces < esk_divide_up(y, MOST_ROWS))
        pieces = esk_divide_up(y, MOST_ROWS);
    t.rows = esk_divide_up(y, pieces);
    t.wide = esk_divide_up(x, t.tx);
    t.tall = esk_divide_up(y, t.rows);
    t.across = t.wide * w->dilation[2];
    t.down = t.tall * w->dilation[1];
    return t;
}

/* Strides and dilations that matter. */
static struct esk_window plain(const struct esk_window *window) {
    struct esk_window w = *window;
    for (int i = 1; i < 3; i++) {
        w.stride[i] = w.out[i] == 1 ? 1 : w.stride[i];
        w.dilation[i] = w.kernel[i] == 1 ? 1 : w.dilation[i];
    }
    return w;
}

void esk_conv_depthwise(struct esk_ctx *c, const struct esk_window *window,
                        const struct esk_conv_form *f, int64_t batch) {
    const struct esk_window plain_window = plain(window), *w = &plain_window;
    int64_t kw = w->kernel[2], kh = w->kernel[1], sx = w->stride[2], sy = w->stride[1];
    int64_t dx = w->dilation[2], dy = w->dilation[1];
    uint32_t lo = esk_channel_lanes(f->oc4), lanes = esk_lanes(c->limits);
    bool unrolled = kw <= MOST_TAPS && kh <= MOST_TAPS && sx <= 2 && sy <= 2 &&
                    (sx == 1 || dx == 1) && (sy == 1 || dy == 1);
    struct tiles t = cut(w, c->limits, batch * esk_divide_up(f->oc4, lo), lanes / lo);
    /* phases shorter than a tile leave most of it idle */
    if (dx > 1 && t.across * t.tx > 2 * w->out[2])
        unrolled = false;
    if (!unrolled)
        t = single_rows(w, c->limits->software);
    struct esk_recipe *r =
        esk_add_recipe(c, unrolled ? "conv depthwise" : "conv depthwise loop");
    r->in_layout[0] = r->out_layout[0] = ESK_LAYOUT_C4;
    struct esk_ref_to weights = esk_conv_weights(c, r, f, 1, 2);
    struct esk_kernel *k = esk_recipe_kernel(r, "conv_depthwise");
    esk_kernel_define(k, "TX", t.tx);
    esk_kernel_lanes(k, lo);
    esk_kernel_define(k, "KW", unrolled ? kw : 0);
    if (unrolled) {
        esk_kernel_define(k, "KH", kh);
        esk_kernel_define(k, "SX", sx);
        esk_kernel_define(k, "SY", sy);
    }
    if (f->oc % 4)
        esk_kernel_define(k, "MASK", 1);
    esk_kernel_local(k, lanes, 1, 1);
    esk_kernel_in(c, r, k, "X", 0, ESK_VEC4);
    esk_kernel_ref(k, "W", r, weights, ESK_READ, ESK_VEC4);
    esk_kernel_out(c, r, k, "Y", 0, ESK_VEC4);
    esk_conv_window_params(k, w, false);
    esk_kernel_int(k, "oc", f->oc);
    esk_kernel_int(k, "c4", f->oc4);
    esk_kernel_int(k, "bias", esk_conv_bias_at(f));
    esk_kernel_int(k, "wide", t.wide);
    esk_kernel_int(k, "tall", t.tall);
    esk_kernel_int(k, "rows", t.rows);
    esk_kernel_int(k, "down", t.down);
    esk_epilogue_emit(c, r, k, ESK_VEC4);
    esk_kernel_groups(k, (uint64_t)esk_divide_up(f->oc4, lo),
                      (uint64_t)esk_divide_up(t.across, lanes / lo),
                      (uint64_t)(batch * t.down));
    k->loop_iterations = (uint64_t)(unrolled ? t.rows + kh : kh * (1 + kw));
    double pixels = (double)batch * (double)esk_window_out(w);
    k->flops = 2.0 * pixels * (double)(kh * kw) * (double)f->oc;
    k->bytes =
        16.0 * (double)f->oc4 * ((double)batch * (double)esk_window_in(w) + pixels);
}
