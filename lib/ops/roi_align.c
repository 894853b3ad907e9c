/* RoiAlign. In: X [N, C, H, W], regions [R, 4] and the item of the batch of each; out:
 * [R, C, output_height, output_width]: X within each region, sampled in bins. */
#include "recipes/map.h"
#include "recipes/rows.h"

#include <math.h>
#include <string.h>

static esk_status upgrade(struct esk_ctx *c) {
    if (c->node->since < 16 &&
        !esk_node_set_string(c->graph, c->node, "coordinate_transformation_mode",
                             "output_half_pixel"))
        return esk_fail_memory(c->error, c->node->name);
    return ESK_OK;
}

static bool half_pixel(const struct esk_node *node) {
    return strcmp(esk_attr_string(node, "coordinate_transformation_mode", "half_pixel"),
                  "half_pixel") == 0;
}

static bool is_max(const struct esk_node *node) {
    return strcmp(esk_attr_string(node, "mode", "avg"), "max") == 0;
}

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *rois = esk_in(c, 1), *items = esk_in(c, 2);
    int64_t h = esk_attr_int(c->node, "output_height", 1);
    int64_t w = esk_attr_int(c->node, "output_width", 1);
    if (x->rank != 4 || rois->rank != 2 || rois->dim[1] != 4 || items->rank != 1 ||
        items->dim[0] != rois->dim[0] || h < 1 || w < 1)
        return esk_node_fail(c, ESK_INVALID_MODEL, "X, regions and indices do not fit");
    return esk_set_out(c, 0, x->dtype, 4,
                       (const int64_t[]){rois->dim[0], x->dim[1], h, w});
}

struct region {
    float y, x, bin_h, bin_w;
    int64_t grid_h, grid_w;
};

/* In floats: a double would take a bin of 2.5 * 0.8f for more than 2 and sample it
 * thrice. */
static struct region region_of(const struct esk_node *node, const double *roi, float h,
                               float w) {
    float scale = esk_attr_float(node, "spatial_scale", 1), at[4];
    float offset = half_pixel(node) ? 0.5f : 0.0f;
    int64_t ratio = esk_attr_int(node, "sampling_ratio", 0);
    for (int i = 0; i < 4; i++)
        at[i] = (float)roi[i] * scale - offset;
    float height = at[3] - at[1], width = at[2] - at[0];
    if (!half_pixel(node))
        height = fmaxf(height, 1), width = fmaxf(width, 1);
    struct region r = {at[1], at[0], height / h, width / w, ratio, ratio};
    if (ratio <= 0) {
        r.grid_h = (int64_t)fminf(fmaxf(ceilf(r.bin_h), 0), 1e6f);
        r.grid_w = (int64_t)fminf(fmaxf(ceilf(r.bin_w), 0), 1e6f);
    }
    return r;
}

/* X at (y, x): the weighted neighbours' sum, or the greatest of them. */
static double sample(const double *v, int64_t h, int64_t w, double y, double x,
                     bool max) {
    if (!(y >= -1 && y <= (double)h && x >= -1 && x <= (double)w))
        return 0;
    y = fmax(y, 0), x = fmax(x, 0);
    int64_t y0 = (int64_t)y, x0 = (int64_t)x, y1 = y0 + 1, x1 = x0 + 1;
    if (y0 >= h - 1)
        y0 = y1 = h - 1, y = (double)y0;
    if (x0 >= w - 1)
        x0 = x1 = w - 1, x = (double)x0;
    double ty = y - (double)y0, tx = x - (double)x0;
    double a = v[y0 * w + x0] * (1 - ty) * (1 - tx), b = v[y0 * w + x1] * (1 - ty) * tx;
    double d = v[y1 * w + x0] * ty * (1 - tx), e = v[y1 * w + x1] * ty * tx;
    return max ? fmax(fmax(a, b), fmax(d, e)) : a + b + d + e;
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0], *y = c->out[0];
    int64_t h = x->dim[2], w = x->dim[3], out = y->dim[2] * y->dim[3];
    bool max = is_max(c->node);
    double *v = ESK_ARENA_ARRAY(c->scratch, double, (size_t)(h * w));
    double *to = ESK_ARENA_ARRAY(c->scratch, double, (size_t)out);
    if (!v || !to)
        return esk_fail_memory(c->error, c->node->name);
    for (int64_t n = 0; n < y->dim[0]; n++) {
        double roi[4];
        int64_t item = esk_tensor_int(c->in[2], n);
        if (item < 0 || item >= x->dim[0])
            return esk_cpu_fail(c, ESK_INVALID_ARGUMENT, "batch index %lld of %lld",
                                (long long)item, (long long)x->dim[0]);
        esk_rows_load_doubles(c->in[1], n * 4, 1, 4, roi);
        struct region r = region_of(c->node, roi, (float)y->dim[2], (float)y->dim[3]);
        double many = (double)(r.grid_h * r.grid_w);
        for (int64_t ch = 0; ch < x->dim[1]; ch++) {
            esk_rows_load_doubles(x, (item * x->dim[1] + ch) * h * w, 1, h * w, v);
            for (int64_t o = 0; o < out; o++) {
                float top = r.y + (float)(o / y->dim[3]) * r.bin_h;
                float left = r.x + (float)(o % y->dim[3]) * r.bin_w;
                double sum = 0, most = 0;
                for (int64_t i = 0; i < r.grid_h; i++)
                    for (int64_t j = 0; j < r.grid_w; j++) {
                        double s = sample(
                            v, h, w,
                            (double)(top + ((float)i + 0.5f) * r.bin_h / (float)r.grid_h),
                            (double)(left +
                                     ((float)j + 0.5f) * r.bin_w / (float)r.grid_w),
                            max);
                        sum += s;
                        most = i + j == 0 || s > most ? s : most;
                    }
                to[o] = max ? most : sum / fmax(many, 1);
            }
            esk_rows_store_doubles(c->out[0], (n * x->dim[1] + ch) * out, out, to);
        }
    }
    return ESK_OK;
}

static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *y = esk_out(c, 0), *who;
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "%s is not kept on the device",
                               esk_dtype_name(who->dtype));
    if (!esk_var_count(x) || esk_var_count(x) > INT32_MAX || esk_var_count(y) > INT32_MAX)
        return esk_unsupported(c, "X is empty, or there are too many elements");
    int64_t ratio = esk_attr_int(c->node, "sampling_ratio", 0);
    uint64_t loop =
        ratio > 0
            ? (uint64_t)(ratio * ratio * 4)
            : (uint64_t)((x->dim[2] / y->dim[2] + 2) * (x->dim[3] / y->dim[3] + 2) * 4);
    uint64_t most = c->limits->max_iterations;
    if (ratio > 1 << 10 || (most && loop > most))
        return esk_unsupported(c, "%llu samples a bin", (unsigned long long)loop / 4);
    struct esk_recipe *r = esk_add_recipe(c, "roi align");
    struct esk_kernel *k = esk_recipe_kernel(r, "roi_align");
    esk_kernel_in(c, r, k, "X", 0, ESK_ELEMENT);
    esk_kernel_in(c, r, k, "R", 1, ESK_ELEMENT);
    esk_kernel_in(c, r, k, "I", 2, ESK_ELEMENT);
    if (esk_in(c, 2)->dtype == ESK_INT64)
        esk_kernel_define(k, "INDEX64", 1);
    if (is_max(c->node))
        esk_kernel_define(k, "MAX", 1);
    if (half_pixel(c->node))
        esk_kernel_define(k, "HALF_PIXEL", 1);
    esk_kernel_int(k, "batch", x->dim[0]);
    esk_kernel_int(k, "channels", x->dim[1]);
    esk_kernel_int(k, "h", x->dim[2]);
    esk_kernel_int(k, "w", x->dim[3]);
    esk_kernel_int(k, "out_h", y->dim[2]);
    esk_kernel_int(k, "out_w", y->dim[3]);
    esk_kernel_int(k, "ratio", ratio > 0 ? ratio : 0);
    esk_kernel_float(k, "scale", esk_attr_float(c->node, "spatial_scale", 1));
    esk_kernel_map(c, r, k, 0, true);
    k->loop_iterations = loop;
    k->flops = 8.0 * (double)loop * (double)esk_var_count(y);
    k->bytes = 16.0 * (double)esk_var_count(y);
    return ESK_OK;
}

const struct esk_op esk_op_RoiAlign = {
    .domain = "",
    .name = "RoiAlign",
    .since = (const uint8_t[]){10, 16, 22, 0},
    .min_in = 3,
    .real = 0x3,
    .min_out = 1,
    .upgrade = upgrade,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
