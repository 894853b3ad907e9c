/* Convolution of few channels that reads its input as it lies in memory, [N, C, H, W] or
 * [N, H, W, C]: the first layer of a model of images. In: a window, a form; out: a
 * recipe. Must not know devices by name. */
#include "recipes/conv_kernels.h"
#include "recipes/elementwise.h"
#include "recipes/lanes.h"

/* How the input lies: the var that is in memory, elements from pixel to pixel (1: each
 * channel has a plane of its own). */
struct input {
    esk_id id;
    int64_t pixel;
};

/* What the program is made for: see the kernel. */
struct shape {
    int64_t tx, nv, rows, cin, off, lines, units;
    bool element, whole;
};

enum {
    MOST = 32,         /* turns of a loop that Mesa unrolls */
    MOST_CODE = 11000, /* machine instructions that llvmpipe compiles in about 0.3 s */
    FOR_ONE = 250,     /* so many less are worth a cycle of an output vec4 */
};

/* [N, H, W, C] in memory, walked as [N, C, H, W]. */
static bool interleaved(const struct esk_var *x) {
    const struct esk_walk *w = x->walk;
    int64_t c = x->dim[1], size = c, seen[ESK_MAX_RANK] = {0};
    if (!w || w->layout != ESK_LAYOUT_DENSE || w->offset || c == 1)
        return false;
    for (int i = 0; i < w->n; i++) {
        int axis = w->axis[i];
        if (w->dim[i] == 1)
            continue;
        if (seen[axis] || w->dim[i] != x->dim[axis])
            return false;
        seen[axis] = w->stride[i];
    }
    for (int axis = x->rank - 1; axis >= 0; axis--) {
        int64_t stride = axis == 1 ? 1 : size;
        if (x->dim[axis] > 1 && seen[axis] != stride)
            return false;
        size *= axis == 1 ? 1 : x->dim[axis];
    }
    return true;
}

static struct input input_of(const struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    if (interleaved(x))
        return (struct input){x->walk->base, x->dim[1]};
    return (struct input){esk_in_id(c, 0), 1};
}

/* Of an output vec4, in cycles of llvmpipe as in gemm.c, and what compiling weighs beside
 * them; sums that a loop carries take 10 a turn here. 0: the kernel is not to be had so.
 */
static double cost_of(const struct esk_window *w, const struct shape *s, int64_t ic,
                      bool software) {
    int64_t kw = w->kernel[2], kh = w->kernel[1];
    double outputs = (double)(s->tx * s->nv), taps = (double)(s->rows * s->cin * kw);
    double steps = (double)(kh * ic) / (double)(s->rows * s->cin);
    double loads = (double)(s->lines * s->units), weights = taps * (double)s->nv;
    double one = s->element ? 6 : 11;
    if (s->units > MOST || kw > MOST || s->rows * s->cin > MOST)
        return 0;
    double code = loads * 47 + weights * 47 + taps * outputs * 11 + outputs * 75;
    if (software && code > MOST_CODE)
        return 0;
    double each = loads * one + taps * outputs * 2.7,
           price = software ? code / FOR_ONE : 0;
    if (s->whole)
        return (each + weights * 11 / 8 + 60) / outputs + 45 + price;
    return steps * (each + weights * 11 + 20) / outputs + 10 * steps + 45 + price;
}

/* The shape of least cost. It does not follow sizes: another size compiles nothing.
 * Hardware has few registers a lane. */
static struct shape shape_of(const struct esk_window *w, const struct input *in,
                             const struct esk_conv_form *f, int64_t ic, bool software,
                             bool element, uint32_t lanes, double *least) {
    static const struct {
        int64_t tx, nv;
    } tiles[] = {{4, 1}, {4, 2}, {4, 4}, {8, 1}, {8, 2}, {12, 2}, {16, 1}, {16, 2}};
    struct shape best = {0};
    int64_t kw = w->kernel[2], kh = w->kernel[1];
    size_t many = software ? sizeof tiles / sizeof *tiles : 1;
    *least = 0;
    for (size_t i = 0; i < many; i++)
        for (int how = 0; how < 3; how++) {
            bool whole = how == 2;
            if ((how && !software) || tiles[i].nv > f->block ||
                f->block / tiles[i].nv > lanes || (how == 0 && in->pixel > 1) ||
                (i > 2 && w->out[2] < 8))
                continue;
            struct shape s = {.tx = tiles[i].tx,
                              .nv = tiles[i].nv,
                              .rows = whole ? kh : 1,
                              .cin = how ? ic : 1,
                              .element = element,
                              .whole = whole};
            int64_t before = w->begin[2] * in->pixel, unit = element ? 1 : 4;
            s.off = ((-before) % unit + unit) % unit;
            s.lines = s.rows * (in->pixel > 1 ? 1 : s.cin);
            s.units = esk_divide_up(
                s.off + ((s.tx - 1) * w->stride[2] + (kw - 1) * w->dilation[2] + 1) *
                            in->pixel,
                unit);
            double cost = cost_of(w, &s, ic, software);
            if (cost && (*least == 0 || cost < *least))
                *least = cost, best = s;
        }
    return best;
}

bool esk_conv_dense(struct esk_ctx *c, const struct esk_window *w,
                    const struct esk_conv_form *f, int64_t batch) {
    const struct esk_var *x = esk_in(c, 0);
    int64_t kw = w->kernel[2], kh = w->kernel[1], ic = x->dim[1];
    struct input in = input_of(c);
    bool walked = in.id != esk_in_id(c, 0);
    if (w->kernel[0] > 1 || w->in[0] > 1 || w->out[0] > 1 ||
        (!walked && x->layout != ESK_LAYOUT_DENSE))
        return false;
    bool element = w->in[2] * in.pixel % 4 != 0;
    if (element && esk_var_count(x) >= 1 << 28) /* "nowhere" must stay that */
        return false;
    uint32_t lanes = esk_lanes(c->limits);
    double least;
    struct shape s = shape_of(w, &in, f, ic, c->limits->software, element, lanes, &least);
    int64_t turns = s.whole ? 1 : 1 + kh * (1 + ic), most = c->limits->max_iterations;
    if (least == 0 || (most && turns > most))
        return false;
    uint32_t lo = (uint32_t)(f->block / s.nv);
    int64_t unit = element ? 1 : 4, row = w->in[2] * in.pixel / unit;
    int64_t wide = esk_divide_up(w->out[2], s.tx), tiles = wide * w->out[1], reps = 1;
    /* more tiles an invocation share weights and the start of a group */
    if (c->limits->software) {
        int64_t groups = f->blocks * esk_divide_up(tiles, lanes / lo) * batch;
        reps = groups / 64 < 1 ? 1 : groups / 64 > 16 ? 16 : groups / 64;
        if (most && reps * turns > most)
            reps = 1;
    }
    struct esk_recipe *r = esk_add_recipe(c, s.whole ? "conv dense" : "conv dense rows");
    r->out_layout[0] = ESK_LAYOUT_C4;
    struct esk_ref_to weights = esk_conv_weights(c, r, f, 1, 2);
    struct esk_kernel *k = esk_recipe_kernel(r, "conv_dense");
    esk_kernel_define(k, "TX", s.tx);
    esk_kernel_define(k, "NV", s.nv);
    esk_kernel_define(k, "KW", kw);
    esk_kernel_define(k, "SX", w->stride[2]);
    esk_kernel_define(k, "DX", w->dilation[2]);
    esk_kernel_define(k, "OFF", s.off);
    esk_kernel_define(k, "PIXEL", in.pixel);
    esk_kernel_define(k, "ROWS", s.rows);
    esk_kernel_define(k, "CIN", s.cin);
    if (s.whole)
        esk_kernel_define(k, "WHOLE", 1);
    if (element)
        esk_kernel_define(k, "X_ELEMENT", 1);
    if (f->oc % 4)
        esk_kernel_define(k, "MASK", 1);
    esk_kernel_local(k, lanes, 1, 1);
    esk_kernel_lanes(k, lo);
    esk_kernel_var(k, "X", c->graph, in.id, ESK_LAYOUT_DENSE, ESK_READ,
                   element ? ESK_ELEMENT : ESK_VEC4);
    esk_kernel_ref(k, "W", r, weights, ESK_READ, ESK_VEC4);
    esk_kernel_out(c, r, k, "Y", 0, ESK_VEC4);
    esk_kernel_int(k, "wide", wide);
    esk_kernel_int(k, "reps", reps);
    esk_kernel_int(k, "w", row);
    esk_kernel_int(k, "h", w->in[1]);
    esk_kernel_int(k, "plane", in.pixel > 1 ? 0 : row * w->in[1]);
    esk_kernel_int(k, "image", row * w->in[1] * ic / in.pixel);
    esk_kernel_int(k, "ic", ic);
    esk_kernel_int(k, "oh", w->out[1]);
    esk_kernel_int(k, "ow", w->out[2]);
    esk_kernel_int(k, "sy", w->stride[1]);
    esk_kernel_int(k, "dy", w->dilation[1]);
    esk_kernel_int(k, "py", w->begin[1]);
    esk_kernel_int(k, "kh", kh);
    esk_kernel_int(k, "left", (w->begin[2] * in.pixel + s.off) / unit);
    esk_kernel_int(k, "step", s.tx * w->stride[2] * in.pixel / unit);
    esk_kernel_int(k, "span", f->span);
    esk_kernel_int(k, "oc", f->oc);
    esk_kernel_int(k, "oc4", f->oc4);
    esk_kernel_int(k, "bias", esk_conv_bias_at(f));
    esk_epilogue_emit(c, r, k, ESK_VEC4);
    esk_kernel_groups(k, (uint64_t)f->blocks,
                      (uint64_t)esk_divide_up(esk_divide_up(tiles, reps), lanes / lo),
                      (uint64_t)batch);
    k->loop_iterations = (uint64_t)(reps * turns);
    double pixels = (double)batch * (double)esk_window_out(w);
    k->flops = 2.0 * pixels * (double)(kh * kw * ic) * (double)f->oc;
    k->bytes = 4.0 * (double)batch * (double)(esk_window_in(w) * ic) +
               16.0 * (pixels * (double)f->oc4 + (double)esk_conv_form_vec4s(f));
    return true;
}
