/* In: windows, shapes, limits; out: recipes over glsl/pool*.glsl and
 * glsl/global_pool.glsl. */
#include "recipes/pool.h"

#include "recipes/lanes.h"
#include "recipes/map.h"
#include "recipes/reduce.h"

/* Planes stay as they are: each is an image of one channel, in elements. Packed halves
 * are no elements. */
static bool in_planes(const struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *y = esk_out(c, 0);
    return c->limits->planes && esk_var_count(x) < 1 << 28 && esk_element_indices(y) &&
           esk_storage_of(y->dtype, y->rank, y->dim, ESK_LAYOUT_DENSE) !=
               ESK_STORAGE_F16X2;
}

static struct esk_recipe *c4_recipe(struct esk_ctx *c, const char *label) {
    struct esk_recipe *r = esk_add_recipe(c, label);
    r->in_layout[0] = r->out_layout[0] = ESK_LAYOUT_C4;
    return r;
}

static void window_params(struct esk_kernel *k, const struct esk_window *w) {
    static const char *const
        in[] = {"d", "h", "w"},
        *const out[] = {"od", "oh", "ow"}, *const kernel[] = {"kd", "kh", "kw"},
        *const stride[] = {"sz", "sy", "sx"}, *const dilation[] = {"dz", "dy", "dx"},
        *const begin[] = {"pz", "py", "px"}, *const end[] = {"ez", "ey", "ex"};
    for (int i = 0; i < 3; i++) {
        esk_kernel_int(k, in[i], w->in[i]);
        esk_kernel_int(k, out[i], w->out[i]);
        esk_kernel_int(k, kernel[i], w->kernel[i]);
        esk_kernel_int(k, stride[i], w->stride[i]);
        esk_kernel_int(k, dilation[i], w->dilation[i]);
        esk_kernel_int(k, begin[i], w->begin[i]);
        esk_kernel_int(k, end[i], w->end[i]);
    }
}

esk_status esk_pool_recipes(struct esk_ctx *c, enum esk_pool kind,
                            const struct esk_window *window, bool padded, float power) {
    static const char *const names[] = {"MAX", "AVERAGE", "LP"};
    const struct esk_var *x = esk_in(c, 0);
    struct esk_window w = esk_window_three(window);
    int64_t k0 = w.kernel[2], s = w.stride[2], c4 = esk_divide_up(x->dim[1], 4);
    bool all = true, small = w.in[0] == 1 && w.kernel[0] == 1 && w.out[0] == 1 &&
                             w.kernel[1] == k0 && w.stride[1] == s &&
                             (k0 == 2 || k0 == 3) && (s == 1 || s == 2) &&
                             kind != ESK_POOL_LP;
    for (int i = 0; i < 3; i++) {
        /* each window has a pixel */
        small = small && w.dilation[i] == 1 && w.begin[i] >= 0 && w.end[i] >= 0 &&
                w.begin[i] < w.kernel[i] && w.end[i] < w.kernel[i];
        all = all && w.kernel[i] == w.in[i] && w.out[i] == 1 && w.begin[i] == 0 &&
              w.end[i] == 0 && w.dilation[i] == 1;
    }
    /* AveragePool is summed item after item, as ONNX Runtime's is: its rounding is
     * visible where a model cancels large numbers behind it. GlobalAveragePool is summed
     * in parts. */
    if (all && kind != ESK_POOL_AVERAGE && x->dtype != ESK_UINT8 && x->dtype != ESK_INT8)
        return esk_pool_all_recipes(c, kind, power);
    bool planes = in_planes(c) && kind != ESK_POOL_LP;
    if (!planes && (!esk_vec4_indices(x) || !esk_vec4_indices(esk_out(c, 0))))
        return esk_unsupported(c, "a tensor of more than 2^28 vec4s");
    int64_t batch = x->dim[0] * (planes ? x->dim[1] : 1);
    c4 = planes ? 1 : c4;
    double taps = (double)esk_window_taps(&w);
    uint64_t iterations = (uint64_t)(w.kernel[0] * (1 + w.kernel[1] * (1 + w.kernel[2])));
    if (!small && c->limits->max_iterations && iterations > c->limits->max_iterations)
        return esk_unsupported(c, "a window of %.0f items", taps);
    struct esk_recipe *r =
        planes ? esk_add_recipe(c, small ? "pool planes tile" : "pool planes")
               : c4_recipe(c, small ? "pool tile" : "pool");
    enum esk_view view = planes ? ESK_ELEMENT : ESK_VEC4;
    struct esk_kernel *k = esk_recipe_kernel(r, small ? "pool" : "pool_any");
    uint32_t lanes = esk_lanes(c->limits), lo = esk_channel_lanes(c4);
    int64_t tx = small ? 4 : 1, ty = small ? 2 : 1, down = esk_divide_up(w.out[1], ty);
    esk_kernel_define(k, names[kind], 1);
    esk_kernel_lanes(k, lo);
    if (kind == ESK_POOL_AVERAGE && padded)
        esk_kernel_define(k, "PADDED", 1);
    if (small) {
        esk_kernel_define(k, "TX", tx);
        esk_kernel_define(k, "TY", ty);
        esk_kernel_define(k, "K", k0);
        esk_kernel_define(k, "S", s);
    }
    esk_kernel_local(k, lanes, 1, 1);
    esk_kernel_in(c, r, k, "X", 0, view);
    esk_kernel_out(c, r, k, "Y", 0, view);
    window_params(k, &w);
    esk_kernel_int(k, "c4", c4);
    if (small)
        esk_kernel_int(k, "down", down);
    if (kind == ESK_POOL_LP)
        esk_kernel_float(k, "power", power);
    esk_kernel_groups(k, (uint64_t)esk_divide_up(c4, lo),
                      (uint64_t)esk_divide_up(esk_divide_up(w.out[2], tx), lanes / lo),
                      (uint64_t)(batch * w.out[0] * down));
    k->loop_iterations = small ? 0 : iterations;
    double pixels = (double)batch * (double)c4 * (double)esk_window_out(&w);
    double lanes_each = planes ? 1 : 4;
    k->flops = pixels * lanes_each * taps;
    k->bytes = 4.0 * lanes_each *
               (pixels + (double)batch * (double)c4 * (double)esk_window_in(&w));
    return ESK_OK;
}

int64_t esk_pool_parts(int64_t pixels, int64_t *length) {
    *length = pixels;
    if (pixels <= 256)
        return 1;
    *length = 64;
    while (*length * *length < pixels)
        *length *= 2;
    return esk_divide_up(pixels, *length);
}

static struct esk_kernel *reduce(struct esk_ctx *c, struct esk_recipe *r,
                                 enum esk_pool kind, int64_t batch, int64_t c4,
                                 int64_t pixels, int64_t parts, int64_t length,
                                 const char *before, const char *after) {
    struct esk_kernel *k = esk_recipe_kernel(r, "global_pool");
    uint32_t lanes = esk_lanes(c->limits), lo = esk_channel_lanes(c4);
    if (kind == ESK_POOL_MAX)
        esk_kernel_define(k, "MAX", 1);
    esk_kernel_lanes(k, lo);
    esk_kernel_define_text(k, "BEFORE", before);
    esk_kernel_define_text(k, "AFTER", after);
    esk_kernel_local(k, lanes, 1, 1);
    esk_kernel_int(k, "c4", c4);
    esk_kernel_int(k, "pixels", pixels);
    esk_kernel_int(k, "parts", parts);
    esk_kernel_int(k, "length", length);
    esk_kernel_groups(k, (uint64_t)esk_divide_up(c4, lo),
                      (uint64_t)esk_divide_up(parts, lanes / lo), (uint64_t)batch);
    k->loop_iterations = (uint64_t)(length / 4 + 4);
    k->flops = 4.0 * (double)(batch * c4) * (double)pixels;
    k->bytes = 4.0 * k->flops;
    return k;
}

esk_status esk_pool_all_recipes(struct esk_ctx *c, enum esk_pool kind, float power) {
    const struct esk_var *x = esk_in(c, 0);
    static const struct esk_reduction joins[] = {
        [ESK_POOL_MAX] = {ESK_MAP_NONE, ESK_JOIN_MAX, ESK_LAST_NONE},
        [ESK_POOL_AVERAGE] = {ESK_MAP_NONE, ESK_JOIN_ADD, ESK_LAST_MEAN},
    };
    if (c->limits->planes && kind != ESK_POOL_LP && x->layout != ESK_LAYOUT_C4)
        return esk_reduce_gpu(c, &joins[kind], ((1u << x->rank) - 1) & ~3u);
    if (!esk_vec4_indices(x))
        return esk_unsupported(c, "a tensor of more than 2^28 vec4s");
    int64_t pixels = esk_shape_product(x->dim, 2, x->rank),
            c4 = esk_divide_up(x->dim[1], 4);
    int64_t length, batch = x->dim[0], parts = esk_pool_parts(pixels, &length);
    const char *before = kind == ESK_POOL_LP ? "power(v, p_power)" : "v";
    const char *after = kind == ESK_POOL_LP        ? "power(v, 1.0 / p_power)"
                        : kind == ESK_POOL_AVERAGE ? "v * p_scale"
                                                   : "v";
    struct esk_recipe *r =
        c4_recipe(c, parts > 1 ? "pool of all, two steps" : "pool of all");
    struct esk_ref_to scratch = {0};
    struct esk_kernel *k;
    if (parts > 1) {
        scratch =
            esk_recipe_scratch(r, (size_t)(batch * parts * c4) * 16, ESK_STORAGE_F32);
        k = reduce(c, r, kind, batch, c4, pixels, parts, length, before, "v");
        esk_kernel_in(c, r, k, "X", 0, ESK_VEC4);
        esk_kernel_ref(k, "Y", r, scratch, ESK_WRITE, ESK_VEC4);
        if (kind == ESK_POOL_LP)
            esk_kernel_float(k, "power", power);
        k = reduce(c, r, kind, batch, c4, parts, 1, parts, "v", after);
        esk_kernel_ref(k, "X", r, scratch, ESK_READ, ESK_VEC4);
    } else {
        k = reduce(c, r, kind, batch, c4, pixels, 1, pixels, before, after);
        esk_kernel_in(c, r, k, "X", 0, ESK_VEC4);
    }
    esk_kernel_out(c, r, k, "Y", 0, ESK_VEC4);
    if (kind == ESK_POOL_LP)
        esk_kernel_float(k, "power", power);
    if (kind == ESK_POOL_AVERAGE)
        esk_kernel_float(k, "scale", 1.0f / (float)pixels);
    return ESK_OK;
}

esk_status esk_pool_index_recipes(struct esk_ctx *c, const struct esk_window *window,
                                  bool columns) {
    struct esk_window w = esk_window_three(window);
    int64_t iterations = esk_window_taps(&w) * 4; /* all loops, two elements a unit */
    if (!esk_element_indices(esk_in(c, 0)) ||
        (c->limits->max_iterations && iterations > c->limits->max_iterations))
        return esk_unsupported(c, "a window of %lld items, or a tensor of over 2^31",
                               (long long)esk_window_taps(&w));
    struct esk_recipe *r = esk_add_recipe(c, "pool with indices");
    for (uint32_t i = 0; i < 2; i++) {
        if (!esk_out(c, i))
            continue;
        struct esk_kernel *k = esk_recipe_kernel(r, "pool_index");
        if (i == 1)
            esk_kernel_define(k, "INDEX", 1);
        if (i == 1 && columns)
            esk_kernel_define(k, "COLUMNS", 1);
        esk_kernel_in(c, r, k, "X", 0, ESK_ELEMENT);
        window_params(k, &w);
        esk_kernel_map(c, r, k, i, false);
        k->loop_iterations = (uint64_t)iterations;
    }
    return ESK_OK;
}
