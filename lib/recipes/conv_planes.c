/* Convolution between dense tensors: nothing changes its layout. In: a window, a form;
 * out: a recipe. Must not know devices by name. */
#include "recipes/conv_kernels.h"
#include "recipes/elementwise.h"
#include "recipes/lanes.h"

enum {
    MOST = 32,         /* turns of a loop that Mesa unrolls */
    MOST_CODE = 11000, /* machine instructions that llvmpipe compiles in about 0.3 s */
};

/* What the program is made for: see the kernel. */
struct shape {
    int64_t tx, nv, cin, off, units;
    bool unrolled, element;
};

/* A unit of Y along a row. */
enum unit { UNIT_VEC4, UNIT_PAIR, UNIT_ELEMENT };

/* Windows of one item that meet every pixel: the planes are rows of pixels. */
static struct esk_window in_one_row(const struct esk_window *window) {
    struct esk_window w = *window;
    for (int i = 0; i < 3; i++)
        if (w.kernel[i] != 1 || w.stride[i] != 1 || w.begin[i] != 0 ||
            w.in[i] != w.out[i])
            return w;
    w.in[2] = w.out[2] = esk_window_in(window);
    w.in[0] = w.in[1] = w.out[0] = w.out[1] = 1;
    return w;
}

static enum unit unit_of(const struct esk_var *y, int64_t wide) {
    if (wide % 4 == 0)
        return UNIT_VEC4;
    return esk_storage_of(y->dtype, y->rank, y->dim, ESK_LAYOUT_DENSE) ==
                   ESK_STORAGE_F16X2
               ? UNIT_PAIR
               : UNIT_ELEMENT;
}

/* Cycles of an output vec4 and a step, as in conv_dense.c; 0: the kernel is not to be
 * had. */
static double cost_of(const struct esk_window *w, const struct shape *s, enum unit unit,
                      int64_t wide, bool software) {
    double outputs = (double)(s->tx * s->nv);
    double taps = (double)(s->cin * (s->unrolled ? w->kernel[2] : 1));
    double loads = (double)(s->cin * s->units), weights = taps * (double)s->nv;
    if (s->units > MOST || taps > MOST)
        return 0;
    double code = (loads + weights) * 47 + taps * outputs * 11 + 16 * (double)s->nv * 75;
    if (software && code > MOST_CODE)
        return 0;
    double step =
        loads * (s->element ? 6 : 11) + weights * 11 + 20 + outputs * (taps * 2.7 + 10);
    /* a store for every few steps; what lies behind a row is computed in vain */
    double idle = (double)(esk_divide_up(wide, s->tx) * s->tx) / (double)wide;
    return (step / outputs + (unit == UNIT_VEC4 ? 5 : 8)) * idle;
}

static struct shape shape_of(const struct esk_ctx *c, const struct esk_window *w,
                             const struct esk_conv_form *f, enum unit unit, bool grouped,
                             uint32_t lanes) {
    static const int64_t lengths[] = {4, 8, 12, 16, 1, 2}, depths[] = {1, 2, 4};
    int64_t kw = w->kernel[2], wide = w->out[2];
    bool software = c->limits->software, vec4 = w->in[2] % 4 == 0;
    struct shape best = {0};
    double least = 0;
    if (c->graph->open_shapes && wide > 4) /* a new size compiles nothing */
        wide = 48;
    for (int unrolled = 1; unrolled >= 0 && least == 0; unrolled--)
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
            for (size_t j = 0; j < sizeof depths / sizeof *depths; j++) {
                struct shape s = {.tx = lengths[i],
                                  .nv = depths[j],
                                  .cin = !grouped && f->icg < 4 ? f->icg : 4,
                                  .unrolled = unrolled,
                                  .element = !unrolled || !vec4 ||
                                             lengths[i] * w->stride[2] % 4 != 0};
                if ((unit == UNIT_VEC4 && s.tx % 4) || (unit == UNIT_PAIR && s.tx % 2) ||
                    s.nv > f->block || f->block / s.nv > lanes || (grouped && s.nv > 1) ||
                    (!software && (s.tx > 4 || (s.nv > 1 && f->block / lanes < s.nv))) ||
                    (s.tx < 4 && wide >= 4))
                    continue;
                int64_t size = s.element ? 1 : 4;
                s.off = (-w->begin[2] % size + size) % size;
                s.units = !unrolled ? s.tx
                                    : esk_divide_up(s.off + (s.tx - 1) * w->stride[2] +
                                                        (kw - 1) * w->dilation[2] + 1,
                                                    size);
                double cost = cost_of(w, &s, unit, wide, software);
                if (cost > 0 && (least == 0 || cost < least))
                    least = cost, best = s;
            }
    return best;
}

/* Parameters of rows that both kernels have, and how rows lie in X and Y. */
static void row_params(struct esk_kernel *k, const struct esk_window *w,
                       const struct shape *s, enum unit unit) {
    int64_t size = s->element ? 1 : 4;
    esk_kernel_define(k, "TX", s->tx);
    esk_kernel_define(k, "KW", s->unrolled ? w->kernel[2] : 0);
    if (s->unrolled) {
        esk_kernel_define(k, "SX", w->stride[2]);
        esk_kernel_define(k, "DX", w->dilation[2]);
        esk_kernel_define(k, "OFF", s->off);
    }
    if (s->element)
        esk_kernel_define(k, "X_ELEMENT", 1);
    if (unit != UNIT_VEC4)
        esk_kernel_define(k, unit == UNIT_PAIR ? "Y_PAIRS" : "Y_ELEMENT", 1);
    esk_kernel_int(k, "wide", esk_divide_up(w->out[2], s->tx));
    esk_kernel_int(k, "w", w->in[2] / size);
    esk_kernel_int(k, "h", w->in[1]);
    esk_kernel_int(k, "oh", w->out[1]);
    esk_kernel_int(k, "ow", w->out[2] / (unit == UNIT_VEC4 ? 4 : 1));
    esk_kernel_int(k, "step", s->tx * w->stride[2] / size);
    esk_kernel_int(k, "left", (w->begin[2] + s->off) / size);
    esk_kernel_int(k, "sy", w->stride[1]);
    esk_kernel_int(k, "dy", w->dilation[1]);
    esk_kernel_int(k, "py", w->begin[1]);
    if (!s->unrolled) {
        esk_kernel_int(k, "sx", w->stride[2]);
        esk_kernel_int(k, "dx", w->dilation[2]);
        esk_kernel_int(k, "px", w->begin[2]);
    }
}

bool esk_conv_planes(struct esk_ctx *c, const struct esk_window *window,
                     const struct esk_conv_form *f, int64_t batch, int64_t group) {
    const struct esk_var *x = esk_in(c, 0), *y = esk_out(c, 0);
    const struct esk_window row = in_one_row(window), *w = &row;
    /* "nowhere" must stay that */
    if (esk_var_count(x) >= 1 << 28 || !esk_element_indices(y))
        return false;
    enum unit unit = unit_of(y, w->out[2]);
    uint32_t lanes = esk_lanes(c->limits);
    struct shape s = shape_of(c, w, f, unit, group > 1, lanes);
    if (s.tx == 0)
        return false;
    int64_t kw = w->kernel[2], kh = w->kernel[1], kd = w->kernel[0];
    int64_t turns = s.tx / (unit == UNIT_VEC4 ? 4 : unit == UNIT_PAIR ? 2 : 1);
    int64_t steps = kd * (1 + kh * (1 + (s.unrolled ? 1 : kw) * (1 + f->span))) + turns;
    if (c->limits->max_iterations && steps > c->limits->max_iterations)
        return false;
    uint32_t lo = (uint32_t)(f->block / s.nv);
    int64_t wide = esk_divide_up(w->out[2], s.tx);
    struct esk_recipe *r = esk_add_recipe(c, group > 1    ? "conv planes grouped"
                                             : s.unrolled ? "conv planes"
                                                          : "conv planes loop");
    struct esk_ref_to weights = esk_conv_weights(c, r, f, 1, 2);
    struct esk_kernel *k = esk_recipe_kernel(r, "conv_planes");
    esk_kernel_define(k, "NV", s.nv);
    esk_kernel_define(k, "CIN", s.cin);
    row_params(k, w, &s, unit);
    if (group > 1)
        esk_kernel_define(k, "GROUPED", 1);
    esk_kernel_local(k, lanes, 1, 1);
    esk_kernel_lanes(k, lo);
    esk_kernel_in(c, r, k, "X", 0, s.element ? ESK_ELEMENT : ESK_VEC4);
    esk_kernel_ref(k, "W", r, weights, ESK_READ, ESK_VEC4);
    enum esk_view view = unit == UNIT_VEC4 ? ESK_VEC4 : ESK_ELEMENT;
    esk_kernel_out(c, r, k, "Y", 0, view);
    esk_kernel_int(k, "turns", turns);
    esk_kernel_int(k, "plane", esk_window_in(w) / (s.element ? 1 : 4));
    esk_kernel_int(k, "ic", x->dim[1]);
    esk_kernel_int(k, "out_plane", esk_window_out(w) / (unit == UNIT_VEC4 ? 4 : 1));
    esk_kernel_int(k, "kd", kd);
    esk_kernel_int(k, "kh", kh);
    esk_kernel_int(k, "kw", kw);
    if (w->in[0] > 1 || w->out[0] > 1 || kd > 1)
        esk_conv_volume_params(k, w);
    esk_kernel_int(k, "span", f->span);
    if (group > 1) {
        esk_kernel_int(k, "icg", f->icg);
        esk_kernel_int(k, "ocg", f->ocg);
        esk_kernel_int(k, "ic4", f->ic4);
    }
    esk_kernel_int(k, "oc", f->oc);
    esk_kernel_int(k, "oc4", f->oc4);
    esk_kernel_int(k, "bias", esk_conv_bias_at(f));
    esk_epilogue_emit(c, r, k, view);
    esk_kernel_groups(k, (uint64_t)f->blocks,
                      (uint64_t)esk_divide_up(wide * w->out[1], lanes / lo),
                      (uint64_t)(batch * w->out[0]));
    k->loop_iterations = (uint64_t)steps;
    double pixels = (double)batch * (double)esk_window_out(w);
    k->flops = 2.0 * pixels * (double)esk_window_taps(w) * (double)f->icg * (double)f->oc;
    k->bytes = 4.0 * (double)(esk_var_count(x) + esk_var_count(y)) +
               16.0 * (double)esk_conv_form_vec4s(f);
    return true;
}

/* Outputs of a row: as many as fit it without waste, of few lengths. */
static struct shape depthwise_shape(const struct esk_window *w, enum unit unit,
                                    bool software) {
    enum { MOST_TAPS = 7 };
    static const int64_t lengths[] = {16, 8, 4, 2, 1};
    int64_t kw = w->kernel[2], wide = w->out[2];
    struct shape best = {0};
    int64_t least = INT64_MAX;
    bool small = kw <= MOST_TAPS && w->kernel[1] <= MOST_TAPS;
    for (int unrolled = small; unrolled >= 0 && !best.tx; unrolled--)
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            struct shape s = {.tx = lengths[i], .unrolled = unrolled};
            s.element = !unrolled || w->in[2] % 4 || s.tx * w->stride[2] % 4;
            int64_t size = s.element ? 1 : 4;
            s.off = (-w->begin[2] % size + size) % size;
            s.units = esk_divide_up(
                s.off + (s.tx - 1) * w->stride[2] + (kw - 1) * w->dilation[2] + 1, size);
            if ((unit == UNIT_VEC4 && s.tx % 4) || (unit == UNIT_PAIR && s.tx % 2) ||
                (s.tx < 4 && wide >= 4) || (s.tx > (software ? 16 : 4)) ||
                (!unrolled && s.tx > 4) || (unrolled && s.units > MOST) ||
                (unrolled && w->kernel[1] * (s.units * 47 + s.tx * kw * 3) > MOST_CODE))
                continue;
            int64_t cost = esk_divide_up(wide, s.tx) *
                           (s.units * (s.element ? 6 : 11) * w->kernel[1] + 30 +
                            s.tx * (kw * w->kernel[1] + 12));
            if (cost < least)
                least = cost, best = s;
        }
    return best;
}

bool esk_conv_planes_depthwise(struct esk_ctx *c, const struct esk_window *w,
                               const struct esk_conv_form *f, int64_t batch) {
    const struct esk_var *x = esk_in(c, 0), *y = esk_out(c, 0);
    enum { ENOUGH = 64 }; /* groups, before an invocation takes more rows */
    if (esk_var_count(x) >= 1 << 28 || !esk_element_indices(y))
        return false;
    enum unit unit = unit_of(y, w->out[2]);
    struct shape s = depthwise_shape(w, unit, c->limits->software);
    if (s.tx == 0)
        return false;
    uint32_t lanes = esk_lanes(c->limits);
    int64_t wide = esk_divide_up(w->out[2], s.tx), rows = 1;
    if (c->limits->software)
        for (rows = 16; rows > 1; rows /= 2)
            if (rows <= w->out[1] &&
                batch * f->oc * wide * esk_divide_up(w->out[1], rows) >=
                    (int64_t)lanes * ENOUGH)
                break;
    int64_t down = esk_divide_up(w->out[1], rows), count = batch * f->oc * wide * down;
    int64_t steps = rows * (1 + (s.unrolled ? 0 : w->kernel[1] * (1 + w->kernel[2])));
    if (count > INT32_MAX ||
        (c->limits->max_iterations && steps > c->limits->max_iterations))
        return false;
    struct esk_recipe *r = esk_add_recipe(c, s.unrolled ? "conv planes depthwise"
                                                        : "conv planes depthwise loop");
    struct esk_ref_to weights = esk_conv_weights(c, r, f, 1, 2);
    struct esk_kernel *k = esk_recipe_kernel(r, "conv_planes_depthwise");
    row_params(k, w, &s, unit);
    if (s.unrolled)
        esk_kernel_define(k, "KH", w->kernel[1]);
    esk_kernel_local(k, lanes, 1, 1);
    esk_kernel_in(c, r, k, "X", 0, s.element ? ESK_ELEMENT : ESK_VEC4);
    esk_kernel_ref(k, "W", r, weights, ESK_READ, ESK_ELEMENT);
    enum esk_view view = unit == UNIT_VEC4 ? ESK_VEC4 : ESK_ELEMENT;
    esk_kernel_out(c, r, k, "Y", 0, view);
    esk_kernel_int(k, "count", count);
    esk_kernel_int(k, "down", down);
    esk_kernel_int(k, "rows", rows);
    esk_kernel_int(k, "c", f->oc);
    esk_kernel_int(k, "c4", f->oc4);
    esk_kernel_int(k, "bias", esk_conv_bias_at(f));
    if (!s.unrolled) {
        esk_kernel_int(k, "kw", w->kernel[2]);
        esk_kernel_int(k, "kh", w->kernel[1]);
    }
    esk_epilogue_emit(c, r, k, view);
    esk_kernel_groups(k, (uint64_t)esk_divide_up(count, lanes), 1, 1);
    k->loop_iterations = (uint64_t)steps;
    k->flops = 2.0 * (double)batch * (double)esk_window_out(w) *
               (double)esk_window_taps(w) * (double)f->oc;
    k->bytes = 4.0 * (double)(esk_var_count(x) + esk_var_count(y));
    return true;
}
