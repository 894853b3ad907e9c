/* GridSample and AffineGrid. In: X and places in it, in [-1, 1], last axis first; out: X
 * at these places. */
#include "recipes/map.h"
#include "recipes/rows.h"

#include <math.h>
#include <string.h>

enum { AXES = 3 };
enum mode { NEAREST, LINEAR, CUBIC };
enum padding { ZEROS, BORDER, REFLECTION };

static bool modes_of(const struct esk_node *node, enum mode *mode,
                     enum padding *padding) {
    const char *m = esk_attr_string(node, "mode", "linear");
    const char *p = esk_attr_string(node, "padding_mode", "zeros");
    *mode = strcmp(m, "nearest") == 0                              ? NEAREST
            : strcmp(m, "cubic") == 0 || strcmp(m, "bicubic") == 0 ? CUBIC
                                                                   : LINEAR;
    *padding = strcmp(p, "border") == 0       ? BORDER
               : strcmp(p, "reflection") == 0 ? REFLECTION
                                              : ZEROS;
    return (*mode != LINEAR || strcmp(m, "linear") == 0 || strcmp(m, "bilinear") == 0) &&
           (*padding != ZEROS || strcmp(p, "zeros") == 0);
}

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *grid = esk_in(c, 1);
    int64_t dims[ESK_MAX_RANK];
    enum mode mode;
    enum padding padding;
    if (!modes_of(c->node, &mode, &padding))
        return esk_node_fail(c, ESK_INVALID_MODEL, "mode '%s', padding_mode '%s'",
                             esk_attr_string(c->node, "mode", "linear"),
                             esk_attr_string(c->node, "padding_mode", "zeros"));
    if (x->rank < 3 || x->rank > AXES + 2 || grid->rank != x->rank ||
        grid->dim[0] != x->dim[0] || grid->dim[x->rank - 1] != x->rank - 2)
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "X has rank %d, the grid %d and %lld "
                             "coordinates",
                             x->rank, grid->rank,
                             (long long)(grid->rank ? grid->dim[grid->rank - 1] : 0));
    if (mode == CUBIC && x->rank != 4)
        return esk_node_fail(c, ESK_INVALID_MODEL, "mode cubic with rank %d", x->rank);
    dims[0] = x->dim[0], dims[1] = x->dim[1];
    for (int k = 2; k < x->rank; k++)
        dims[k] = grid->dim[k - 1];
    return esk_set_out(c, 0, x->dtype, x->rank, dims);
}

static double reflect(double x, double low, double high) {
    double range = high - low;
    if (!(range > 0) || !isfinite(x))
        return low > 0 ? low : 0;
    double by = x < low ? low - x : x > high ? x - high : -1;
    if (by < 0)
        return x;
    double times = floor(by / range), rest = by - times * range;
    bool even = fmod(times, 2) == 0;
    return (x < low) == even ? low + rest : high - rest;
}

/* The places along one axis of `size` that coordinate x reads, with weights; places of -1
 * are zeros. Returns how many. */
static int places_of(double x, int64_t size, enum mode mode, enum padding padding,
                     bool align, int64_t *places, double *weights) {
    double n = (double)size, low = align ? 0 : -0.5, high = align ? n - 1 : n - 0.5;
    x = align ? (x + 1) / 2 * (n - 1) : ((x + 1) * n - 1) / 2;
    if (mode == NEAREST)
        x = nearbyint(x);
    /* cubic (as PyTorch's): its places are clamped, x keeps its fraction */
    if (padding == BORDER)
        x = mode == CUBIC ? fmin(fmax(x, -3), n + 2) : fmin(fmax(x, 0), n - 1);
    else if (padding == REFLECTION)
        x = reflect(x, low, high);
    if (!(x > -4 && x < n + 4)) { /* far outside, or NaN */
        places[0] = -1, weights[0] = x != x ? x : 1;
        return 1;
    }
    double first = mode == NEAREST ? nearbyint(x) : floor(x), t = x - first;
    int taps = mode == NEAREST ? 1 : mode == LINEAR ? 2 : 4;
    if (mode == NEAREST)
        weights[0] = 1;
    else if (mode == LINEAR)
        weights[0] = 1 - t, weights[1] = t;
    else
        for (int k = 0; k < 4; k++) {
            double d = fabs(t + 1 - k), a = -0.75;
            weights[k] = d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1
                                : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
        }
    for (int k = 0; k < taps; k++) {
        double at = first + k - (mode == CUBIC);
        if (padding == BORDER)
            at = fmin(fmax(at, 0), n - 1);
        else if (padding == REFLECTION)
            at = fmin(fmax(trunc(reflect(at, low, high)), 0), n - 1);
        places[k] = at >= 0 && at < n ? (int64_t)at : -1;
    }
    return taps;
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0], *grid = c->in[1], *y = c->out[0];
    enum mode mode;
    enum padding padding;
    modes_of(c->node, &mode, &padding);
    bool align = esk_attr_int(c->node, "align_corners", 0) != 0;
    int axes = x->rank - 2;
    int64_t in = esk_shape_product(x->dim, 2, x->rank), channels = x->dim[1];
    int64_t out = esk_shape_product(y->dim, 2, y->rank);
    double *v = ESK_ARENA_ARRAY(c->scratch, double, (size_t)in);
    double *to = ESK_ARENA_ARRAY(c->scratch, double, (size_t)out);
    double *g = ESK_ARENA_ARRAY(c->scratch, double, (size_t)(out * axes));
    if (!v || !to || !g)
        return esk_fail_memory(c->error, c->node->name);
    for (int64_t n = 0; n < x->dim[0]; n++) {
        esk_rows_load_doubles(grid, n * out * axes, 1, out * axes, g);
        for (int64_t ch = 0; ch < channels; ch++) {
            esk_rows_load_doubles(x, (n * channels + ch) * in, 1, in, v);
            for (int64_t o = 0; o < out; o++) {
                int64_t places[AXES][4] = {{0}};
                double weights[AXES][4] = {{1, 0, 0, 0}, {1, 0, 0, 0}, {1, 0, 0, 0}};
                int taps[AXES] = {1, 1, 1};
                for (int k = 0; k < axes; k++)
                    taps[AXES - axes + k] = places_of(
                        g[o * axes + axes - 1 - k], x->dim[2 + k], mode, padding, align,
                        places[AXES - axes + k], weights[AXES - axes + k]);
                int64_t h = axes > 1 ? x->dim[x->rank - 2] : 1, w = x->dim[x->rank - 1];
                double sum = 0;
                for (int a = 0; a < taps[0]; a++)
                    for (int b = 0; b < taps[1]; b++)
                        for (int e = 0; e < taps[2]; e++) {
                            int64_t i = places[0][a], j = places[1][b], l = places[2][e];
                            double value =
                                i < 0 || j < 0 || l < 0 ? 0 : v[(i * h + j) * w + l];
                            sum += value * weights[0][a] * weights[1][b] * weights[2][e];
                        }
                to[o] = sum;
            }
            esk_rows_store_doubles(c->out[0], (n * channels + ch) * out, out, to);
        }
    }
    return ESK_OK;
}

static esk_status storable(const struct esk_ctx *c) {
    const struct esk_var *who;
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "%s is not kept on the device",
                               esk_dtype_name(who->dtype));
    if (esk_var_count(esk_in(c, 0)) > INT32_MAX ||
        esk_var_count(esk_out(c, 0)) > INT32_MAX)
        return esk_unsupported(c, "more than 2147483647 elements");
    return ESK_OK;
}

static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *y = esk_out(c, 0), *grid = esk_in(c, 1);
    enum mode mode;
    enum padding padding;
    modes_of(c->node, &mode, &padding);
    ESK_TRY(storable(c));
    if (!(x->dtype == ESK_FLOAT || x->dtype == ESK_FLOAT16))
        return esk_unsupported(c, "X is %s", esk_dtype_name(x->dtype));
    if (!esk_var_count(x) || esk_var_count(grid) > INT32_MAX)
        return esk_unsupported(c, "X has no elements, or the grid too many");
    struct esk_recipe *r = esk_add_recipe(c, "grid sample");
    struct esk_kernel *k = esk_recipe_kernel(r, "grid_sample");
    int axes = x->rank - 2;
    esk_kernel_in(c, r, k, "X", 0, ESK_ELEMENT);
    esk_kernel_in(c, r, k, "G", 1, ESK_ELEMENT);
    esk_kernel_define(k, "AXES", axes);
    esk_kernel_define(k, "TAPS", mode == NEAREST ? 1 : mode == LINEAR ? 2 : 4);
    esk_kernel_define(k, "PADDING", padding);
    if (esk_attr_int(c->node, "align_corners", 0))
        esk_kernel_define(k, "ALIGN", 1);
    esk_kernel_int(k, "channels", x->dim[1]);
    esk_kernel_int(k, "places", esk_shape_product(y->dim, 2, y->rank));
    int64_t sizes[AXES] = {1, 1, 1};
    for (int a = 0; a < axes; a++)
        sizes[AXES - axes + a] = x->dim[2 + a];
    esk_kernel_ints(k, "size", AXES, sizes);
    esk_kernel_map(c, r, k, 0, true);
    k->flops = 60.0 * (double)esk_var_count(y);
    k->bytes = 24.0 * (double)esk_var_count(y);
    return ESK_OK;
}

/* ---- AffineGrid: theta [N, 2, 3] or [N, 3, 4]; size [N, C, (D,) H, W] */

static uint32_t size_on_host(const struct esk_graph *graph, const struct esk_node *node) {
    (void)graph, (void)node;
    return 2;
}

static esk_status affine_infer(struct esk_ctx *c) {
    const struct esk_var *theta = esk_in(c, 0);
    int64_t size[5], dims[5];
    uint32_t count;
    ESK_TRY(esk_in_ints(c, 1, size, 5, &count));
    int axes = (int)count - 2;
    if (count < 4 || theta->rank != 3 || theta->dim[0] != size[0] ||
        theta->dim[1] != axes || theta->dim[2] != axes + 1)
        return esk_node_fail(c, ESK_INVALID_MODEL, "theta does not fit %u sizes", count);
    dims[0] = size[0];
    for (int k = 0; k < axes; k++)
        dims[1 + k] = size[2 + k];
    dims[1 + axes] = axes;
    return esk_set_out(c, 0, theta->dtype, axes + 2, dims);
}

static esk_status affine_cpu(struct esk_cpu *c) {
    const struct esk_tensor *y = c->out[0];
    bool align = esk_attr_int(c->node, "align_corners", 0) != 0;
    int axes = y->rank - 2;
    int64_t places = esk_shape_product(y->dim, 1, 1 + axes), to = 0;
    for (int64_t n = 0; n < y->dim[0]; n++) {
        double theta[12];
        esk_rows_load_doubles(c->in[0], n * axes * (axes + 1), 1, axes * (axes + 1),
                              theta);
        for (int64_t o = 0; o < places; o++, to += axes) {
            double at[AXES], v[AXES];
            int64_t rest = o;
            for (int k = axes - 1; k >= 0; k--) { /* the last axis is x */
                int64_t size = y->dim[1 + k], i = rest % size;
                rest /= size;
                at[axes - 1 - k] =
                    align ? (size > 1 ? 2 * (double)i / (double)(size - 1) - 1 : -1)
                          : (2 * (double)i + 1) / (double)size - 1;
            }
            for (int k = 0; k < axes; k++) {
                v[k] = theta[k * (axes + 1) + axes];
                for (int j = 0; j < axes; j++)
                    v[k] += theta[k * (axes + 1) + j] * at[j];
            }
            esk_rows_store_doubles(c->out[0], to, axes, v);
        }
    }
    return ESK_OK;
}

static esk_status affine_gpu(struct esk_ctx *c) {
    const struct esk_var *y = esk_out(c, 0);
    ESK_TRY(storable(c));
    int axes = y->rank - 2;
    struct esk_recipe *r = esk_add_recipe(c, "affine grid");
    struct esk_kernel *k = esk_recipe_kernel(r, "affine_grid");
    esk_kernel_in(c, r, k, "X", 0, ESK_ELEMENT);
    esk_kernel_define(k, "AXES", axes);
    if (esk_attr_int(c->node, "align_corners", 0))
        esk_kernel_define(k, "ALIGN", 1);
    esk_kernel_ints(k, "size", (uint32_t)axes, y->dim + 1);
    esk_kernel_map(c, r, k, 0, true);
    k->flops = 12.0 * (double)esk_var_count(y);
    k->bytes = 16.0 * (double)esk_var_count(y);
    return ESK_OK;
}

const struct esk_op esk_op_GridSample = {
    .domain = "",
    .name = "GridSample",
    .since = (const uint8_t[]){16, 20, 22, 0},
    .min_in = 2,
    .real = 0x2,
    .min_out = 1,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};

const struct esk_op esk_op_AffineGrid = {
    .domain = "",
    .name = "AffineGrid",
    .since = (const uint8_t[]){20, 0},
    .min_in = 2,
    .real = 0x1,
    .min_out = 1,
    .host_in = size_on_host,
    .infer = affine_infer,
    .cpu = affine_cpu,
    .gpu = affine_gpu,
};
