/* Resize on the device. In: struct esk_resize; out: recipes over glsl/resize*.glsl. */
#include "ops/resize.h"

#include "recipes/lanes.h"
#include "recipes/map.h"

#include <math.h>

/* lib/resize's lists for axes list[0, count). */
static void axis_params(struct esk_kernel *k, const struct esk_resize *r, const int *list,
                        uint32_t count) {
    int64_t in[ESK_MAX_RANK];
    float p[ESK_MAX_RANK], q[ESK_MAX_RANK], d[ESK_MAX_RANK], s[ESK_MAX_RANK];
    for (uint32_t i = 0; i < count; i++) {
        static const struct resize_axis still = {.in = 1, .p = 1.0f, .d = 1.0f};
        const struct resize_axis *a = list[i] < 0 ? &still : &r->axis[list[i]];
        in[i] = a->in;
        p[i] = a->p, q[i] = a->q, d[i] = a->d, s[i] = a->r;
    }
    esk_kernel_ints(k, "in", count, in);
    esk_kernel_floats(k, "pp", count, p);
    esk_kernel_floats(k, "pq", count, q);
    esk_kernel_floats(k, "pd", count, d);
    esk_kernel_floats(k, "pr", count, s);
    esk_kernel_float(k, "cubic", r->cubic);
    esk_kernel_int(k, "exclude", r->exclude_outside);
    if (r->crop) {
        esk_kernel_define(k, "CROP", 1);
        esk_kernel_float(k, "extrapolation", r->extrapolation);
    }
}

static void define_taps(struct esk_kernel *k, const struct esk_resize *r,
                        enum resize_round round) {
    esk_kernel_define(k, "TAPS",
                      r->mode == RESIZE_NEAREST  ? 1
                      : r->mode == RESIZE_LINEAR ? 2
                                                 : 4);
    if (r->mode == RESIZE_NEAREST)
        esk_kernel_define(k, "ROUND", round);
}

static void spatial(struct esk_ctx *c, const struct esk_resize *r,
                    enum resize_round round) {
    const struct esk_var *x = esk_in(c, 0), *y = esk_out(c, 0);
    /* planes stay as they are, images of one channel in elements; packed halves are none
     */
    bool planes =
        c->limits->planes &&
        esk_storage_of(y->dtype, y->rank, y->dim, ESK_LAYOUT_DENSE) != ESK_STORAGE_F16X2;
    struct esk_recipe *recipe = esk_add_recipe(c, planes ? "resize planes" : "resize");
    if (!planes)
        recipe->in_layout[0] = recipe->out_layout[0] = ESK_LAYOUT_C4;
    enum esk_view view = planes ? ESK_ELEMENT : ESK_VEC4;
    struct esk_kernel *k = esk_recipe_kernel(recipe, "resize");
    int64_t c4 = planes ? 1 : esk_divide_up(x->dim[1], 4), out[3];
    int64_t batch = x->dim[0] * (planes ? x->dim[1] : 1);
    uint32_t lanes = esk_lanes(c->limits), lo = esk_channel_lanes(c4);
    enum { PX = 4 };
    int axes[3];
    for (int i = 0; i < 3; i++) {
        axes[i] = x->rank - 3 + i < 2 ? -1 : x->rank - 3 + i;
        out[i] = axes[i] < 0 ? 1 : y->dim[axes[i]];
    }
    esk_kernel_lanes(k, lo);
    esk_kernel_define(k, "PX", PX);
    define_taps(k, r, round);
    if (axes[0] >= 0 && r->axis[axes[0]].moves)
        esk_kernel_define(k, "VOLUME", 1);
    if (!planes && x->dim[1] % 4)
        esk_kernel_define(k, "MASK", 1);
    esk_kernel_local(k, lanes, 1, 1);
    esk_kernel_in(c, recipe, k, "X", 0, view);
    esk_kernel_out(c, recipe, k, "Y", 0, view);
    esk_kernel_int(k, "c", x->dim[1]);
    esk_kernel_int(k, "c4", c4);
    esk_kernel_int(k, "od", out[0]);
    esk_kernel_int(k, "oh", out[1]);
    esk_kernel_int(k, "ow", out[2]);
    uint64_t wide = (uint64_t)esk_divide_up(c4, lo),
             across = (uint64_t)esk_divide_up(out[2], PX * (lanes / lo)),
             images = (uint64_t)(batch * out[0]);
    /* A group of a software renderer costs more than a few outputs: long ones, but as
     * many as a pool of threads shares evenly. A GPU wants many. */
    int64_t rows = c->limits->software ? 16 : 1;
    while (rows > 1 &&
           wide * across * images * (uint64_t)esk_divide_up(out[1], rows) < 64)
        rows /= 2;
    int64_t down = esk_divide_up(out[1], rows);
    esk_kernel_int(k, "rows", rows);
    esk_kernel_int(k, "down", down);
    axis_params(k, r, axes, 3);
    esk_kernel_groups(k, wide, across, images * (uint64_t)down);
    k->loop_iterations = (uint64_t)rows;
    k->bytes = 4.0 * (double)(esk_var_count(x) + esk_var_count(y));
}

esk_status esk_resize_gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *y = esk_out(c, 0);
    struct esk_resize r;
    ESK_TRY(esk_resize_of(c, &r));
    enum esk_storage storage =
        esk_storage_of(x->dtype, x->rank, x->dim, ESK_LAYOUT_DENSE);
    if (storage == ESK_STORAGE_HOST)
        return esk_unsupported(c, "type %s", esk_dtype_name(x->dtype));
    bool is_float = x->dtype == ESK_FLOAT || x->dtype == ESK_FLOAT16;
    if (!is_float && (r.mode != RESIZE_NEAREST || r.crop))
        return esk_unsupported(c, "%s with interpolation or crop",
                               esk_dtype_name(x->dtype));
    if (!esk_element_indices(x) || !esk_element_indices(y))
        return esk_unsupported(c, "a tensor of more than 2^31 elements");
    int axes[ESK_MAX_RANK];
    uint32_t count = 0;
    bool is_spatial = x->rank >= 3 && x->rank <= 5 && storage != ESK_STORAGE_I64X2;
    enum resize_round round = ROUND_FLOOR;
    for (int i = 0; i < r.rank; i++)
        if (r.axis[i].moves) {
            bool both = count && r.axis[i].round != round; /* version 10's */
            round = both ? ROUND_BY_AXIS : r.axis[i].round;
            axes[count++] = i;
            is_spatial = is_spatial && i >= 2;
        }
    if (count == 0) {
        esk_add_alias(c, 0);
        return ESK_OK;
    }
    if (is_spatial && !r.antialias) {
        spatial(c, &r, round);
        return ESK_OK;
    }
    uint64_t corners = 1; /* items of input that an element takes */
    for (uint32_t i = 0; i < count; i++)
        corners *= r.mode == RESIZE_NEAREST ? 1 : r.mode == RESIZE_LINEAR ? 2 : 4;
    if ((r.antialias && count > 2) || corners > 1024)
        return esk_unsupported(c, "%u axes are resized", count);
    if (r.antialias && r.crop)
        return esk_unsupported(c, "antialias and crop");
    int64_t strides[ESK_MAX_RANK], steps[ESK_MAX_RANK], list[ESK_MAX_RANK];
    esk_shape_strides(x->rank, x->dim, strides);
    for (uint32_t i = 0; i < count; i++) {
        list[i] = axes[i];
        steps[i] = strides[axes[i]];
        strides[axes[i]] = 0;
    }
    struct esk_recipe *recipe =
        esk_add_recipe(c, r.antialias ? "resize smooth" : "resize any");
    struct esk_kernel *k =
        esk_recipe_kernel(recipe, r.antialias ? "resize_smooth" : "resize_map");
    esk_kernel_define(k, "RANK", x->rank);
    esk_kernel_define(k, "AXES", count);
    esk_kernel_in(c, recipe, k, "X", 0, ESK_ELEMENT);
    esk_kernel_map(c, recipe, k, 0, false);
    esk_kernel_ints(k, "dims", (uint32_t)x->rank, y->dim);
    esk_kernel_ints(k, "strides", (uint32_t)x->rank, strides);
    esk_kernel_ints(k, "axis", count, list);
    esk_kernel_ints(k, "step", count, steps);
    axis_params(k, &r, axes, count);
    k->loop_iterations =
        2 * corners * (count + 1) + 64; /* two elements a unit, perhaps */
    if (r.antialias) {
        float stretch[2];
        int64_t start[2], taps = 1;
        if (r.mode == RESIZE_CUBIC)
            esk_kernel_define(k, "CUBIC", 1);
        for (uint32_t i = 0; i < count; i++) {
            const struct resize_axis *a = &r.axis[axes[i]];
            stretch[i] = a->scale < 1.0f ? a->scale : 1.0f;
            start[i] = 1 - esk_resize_taps(&r, a) / 2;
            taps *= 1 + esk_resize_taps(&r, a);
        }
        esk_kernel_floats(k, "stretch", count, stretch);
        esk_kernel_ints(k, "start", count, start);
        k->loop_iterations = (uint64_t)taps * 2 + 64;
        if (c->limits->max_iterations && k->loop_iterations > c->limits->max_iterations)
            return esk_unsupported(c, "a filter of %lld items", (long long)taps);
    } else {
        define_taps(k, &r, round);
    }
    return ESK_OK;
}
