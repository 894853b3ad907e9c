/* Resize and Upsample. In: X, and roi, scales or sizes, which the host needs; out: Y.
 * Axis by axis: each output position is a weighted sum of input positions. Upsample
 * becomes Resize. */
#include "ops/resize.h"

#include "recipes/floats.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static esk_status upgrade(struct esk_ctx *c) {
    struct esk_node *node = c->node;
    if (node->since >= 11)
        return ESK_OK;
    /* version 10: X, scales */
    esk_id scales = esk_in_id(c, 1);
    ESK_TRY(esk_upgrade_set_input(c, 2, scales));
    node->in[1] = ESK_NONE;
    if (!esk_node_set_string(c->graph, node, "coordinate_transformation_mode",
                             "asymmetric") ||
        !esk_node_set_string(c->graph, node, "nearest_mode", "esk_simple"))
        return esk_fail_memory(c->error, node->name);
    node->since = 19;
    return ESK_OK;
}

static esk_status upgrade_upsample(struct esk_ctx *c) {
    struct esk_node *node = c->node;
    const struct esk_attr *scales = esk_node_attr(node, "scales");
    if (scales && scales->kind == ESK_ATTR_FLOATS) { /* version 7 */
        int64_t dims[] = {(int64_t)scales->count};
        esk_id id =
            esk_graph_add_const(c->graph, node->name, ESK_FLOAT, 1, dims, scales->floats);
        if (id == ESK_NONE)
            return esk_fail_memory(c->error, node->name);
        ESK_TRY(esk_upgrade_set_input(c, 1, id));
        esk_node_remove_attr(node, "scales");
    }
    if (esk_in_id(c, 1) == ESK_NONE)
        return esk_node_fail(c, ESK_INVALID_MODEL, "scales are missing");
    node->op_type = "Resize";
    node->op = esk_op_find("", "Resize");
    node->since = 10;
    return upgrade(c);
}

static uint32_t host_in(const struct esk_graph *graph, const struct esk_node *node) {
    (void)graph;
    uint32_t mask = 0;
    for (uint32_t i = 1; i < node->n_in && i < 4; i++)
        if (node->in[i] != ESK_NONE)
            mask |= 1u << i;
    return mask;
}

static bool one_of(const char *text, const char *const *names, int *index) {
    for (int i = 0; names[i]; i++)
        if (strcmp(text, names[i]) == 0) {
            *index = i;
            return true;
        }
    return false;
}

enum coordinates {
    HALF_PIXEL,
    SYMMETRIC,
    PYTORCH,
    ALIGN_CORNERS,
    ASYMMETRIC,
    TF_NN,
    TF_CROP
};

/* The scale is over / under: a ratio of sizes stays exact, so that places on whole or
 * half positions are there. */
static void transform(struct resize_axis *a, enum coordinates how, float over,
                      float under, float start, float end) {
    float in = (float)a->in, width = (float)((double)over * (double)in / (double)under);
    a->p = a->d = 1.0f;
    a->q = a->r = 0.0f;
    switch (how) {
    case HALF_PIXEL:
    case SYMMETRIC:
    case PYTORCH:
        if (how == PYTORCH && a->out <= 1) {
            a->p = 0.0f;
            break;
        }
        a->p = under;
        a->q = 0.5f * under;
        a->d = over;
        a->r = -0.5f;
        if (how == SYMMETRIC) { /* the middles of both lie on each other */
            a->q = (0.5f - (float)a->out / 2.0f) * under;
            a->r = in / 2.0f - 0.5f;
        }
        break;
    case ALIGN_CORNERS:
        a->p = width == 1.0f ? 0.0f : in - 1.0f;
        a->d = width == 1.0f ? 1.0f : width - 1.0f;
        break;
    case ASYMMETRIC:
        a->p = under;
        a->d = over;
        break;
    case TF_NN:
        a->p = under;
        a->q = 0.5f * under;
        a->d = over;
        break;
    case TF_CROP:
        if (width == 1.0f) {
            a->p = 0.0f;
            a->r = 0.5f * (start + end) * (in - 1.0f);
        } else {
            a->p = (end - start) * (in - 1.0f);
            a->d = width - 1.0f;
            a->r = start * (in - 1.0f);
        }
        break;
    }
}

#define FAIL(...) return esk_fail(error, ESK_INVALID_MODEL, "Resize '%s': " __VA_ARGS__)

/* The axes that roi, scales and sizes speak of. */
static esk_status read_axes(const struct esk_node *node, esk_error *error, int rank,
                            int *axes, int *count) {
    int64_t list[ESK_MAX_RANK];
    size_t n = esk_attr_ints(node, "axes", list, ESK_MAX_RANK);
    *count = n ? (int)n : rank;
    if (n > (size_t)rank)
        FAIL("%zu axes for rank %d", node->name, n, rank);
    uint32_t seen = 0;
    for (int i = 0; i < *count; i++) {
        axes[i] = i;
        if (n && !esk_shape_axis(list[i], rank, &axes[i]))
            FAIL("axis %" PRId64 " out of range for rank %d", node->name, list[i], rank);
        if (seen >> axes[i] & 1)
            FAIL("axis %d is named twice", node->name, axes[i]);
        seen |= 1u << axes[i];
    }
    return ESK_OK;
}

static int64_t common_factor(int64_t a, int64_t b) {
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a ? a : 1;
}

static bool empty(const struct esk_tensor *t) {
    return !t || esk_shape_product(t->dim, 0, t->rank) == 0;
}

esk_status esk_resize_read(const struct esk_node *node, esk_error *error, int rank,
                           const int64_t *dims, const struct esk_tensor *roi,
                           const struct esk_tensor *scales,
                           const struct esk_tensor *sizes, struct esk_resize *r) {
    static const char *const modes[] = {"nearest", "linear", "cubic", NULL};
    static const char *const rounds[] = {
        "round_prefer_floor", "round_prefer_ceil", "floor", "ceil", "esk_simple", NULL};
    static const char *const hows[] = {
        "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
        "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize", NULL};
    static const char *const policies[] = {"stretch", "not_larger", "not_smaller", NULL};
    int mode = 0, round = 0, how = 0, policy = 0, axes[ESK_MAX_RANK], count;
    const char *text = esk_attr_string(node, "mode", "nearest");
    if (!one_of(text, modes, &mode))
        FAIL("mode '%s' is unknown", node->name, text);
    text = esk_attr_string(node, "nearest_mode", "round_prefer_floor");
    if (!one_of(text, rounds, &round))
        FAIL("nearest_mode '%s' is unknown", node->name, text);
    text = esk_attr_string(node, "coordinate_transformation_mode", "half_pixel");
    if (!one_of(text, hows, &how))
        FAIL("coordinate_transformation_mode '%s' is unknown", node->name, text);
    text = esk_attr_string(node, "keep_aspect_ratio_policy", "stretch");
    if (!one_of(text, policies, &policy))
        FAIL("keep_aspect_ratio_policy '%s' is unknown", node->name, text);
    *r = (struct esk_resize){
        .rank = rank,
        .mode = (enum resize_mode)mode,
        .antialias = mode != RESIZE_NEAREST && esk_attr_int(node, "antialias", 0) != 0,
        .exclude_outside = esk_attr_int(node, "exclude_outside", 0) != 0,
        .crop = how == TF_CROP,
        .cubic = esk_attr_float(node, "cubic_coeff_a", -0.75f),
        .extrapolation = esk_attr_float(node, "extrapolation_value", 0.0f),
    };
    ESK_TRY(read_axes(node, error, rank, axes, &count));
    const struct esk_tensor *given = empty(scales) ? sizes : scales;
    if (empty(given) && rank > 0)
        FAIL("needs scales or sizes", node->name);
    bool by_size = given == sizes;
    if (given && esk_shape_product(given->dim, 0, given->rank) != count)
        FAIL("%s have %" PRId64 " items, %d are needed", node->name,
             by_size ? "sizes" : "scales", esk_shape_product(given->dim, 0, given->rank),
             count);
    if (r->crop && (empty(roi) || esk_shape_product(roi->dim, 0, roi->rank) != 2 * count))
        FAIL("roi must have %d items", node->name, 2 * count);
    for (int i = 0; i < rank; i++)
        r->axis[i] = (struct resize_axis){
            .in = dims[i], .out = dims[i], .scale = 1.0f, .p = 1.0f, .d = 1.0f};
    float common = 0.0f;
    int rules = 0; /* the axis whose scale is the common one */
    for (int i = 0; i < count; i++) {
        struct resize_axis *a = &r->axis[axes[i]];
        if (a->in > INT32_MAX)
            FAIL("axis %d has %" PRId64 " items", node->name, axes[i], a->in);
        if (by_size) {
            a->out = esk_tensor_int(given, i);
            if (a->out < 0 || a->out > INT32_MAX || (a->in == 0 && a->out > 0))
                FAIL("axis %d of %" PRId64 " items cannot get %" PRId64, node->name,
                     axes[i], a->in, a->out);
            a->scale = a->in ? (float)a->out / (float)a->in : 1.0f;
            if (i == 0 || (policy == 1 ? a->scale < common : a->scale > common))
                common = a->scale, rules = axes[i];
            continue;
        }
        a->scale = (float)esk_tensor_double(given, i);
        float out = floorf((float)a->in * a->scale);
        if (!(a->scale > 0.0f) || !(out >= 0.0f && out < 2147483648.0f))
            FAIL("scale %g of axis %d", node->name, (double)a->scale, axes[i]);
        a->out = (int64_t)out;
    }
    int64_t common_in = r->axis[rules].in, common_out = r->axis[rules].out;
    for (int i = 0; i < count; i++) {
        struct resize_axis *a = &r->axis[axes[i]];
        float over = a->scale, under = 1.0f;
        if (by_size && a->in > 0) {
            int64_t in = policy ? common_in : a->in, out = policy ? common_out : a->out;
            int64_t factor = common_factor(in, out);
            over = (float)(out / factor), under = (float)(in / factor);
        }
        if (by_size && policy != 0) {
            a->scale = common;
            a->out = (int64_t)(common * (float)a->in + 0.5f);
        }
        float start = 0.0f, end = 1.0f;
        if (r->crop) {
            start = (float)esk_tensor_double(roi, i);
            end = (float)esk_tensor_double(roi, count + i);
        }
        a->round = round < 4         ? (enum resize_round)round
                   : a->scale < 1.0f ? ROUND_CEIL /* version 10's */
                                     : ROUND_FLOOR;
        a->moves = a->in != a->out || a->scale != 1.0f || start != 0.0f || end != 1.0f;
        if (a->moves)
            transform(a, (enum coordinates)how, over, under, start, end);
    }
    return ESK_OK;
}

esk_status esk_resize_of(const struct esk_ctx *c, struct esk_resize *r) {
    const struct esk_var *x = esk_in(c, 0);
    struct esk_tensor tensors[4];
    const struct esk_tensor *in[4] = {0};
    for (uint32_t i = 1; i < 4; i++) {
        const struct esk_var *v = esk_in(c, i);
        if (!v)
            continue;
        bool ints = v->dtype == ESK_INT64 || v->dtype == ESK_INT32;
        if (i == 3 ? !ints : !esk_dtype_is_float(v->dtype))
            return esk_node_fail(c, ESK_INVALID_MODEL, "input %u is %s", i,
                                 esk_dtype_name(v->dtype));
        if (!v->data && esk_var_count(v) > 0)
            return esk_node_fail(c, ESK_UNSUPPORTED, "input %u is not known", i);
        tensors[i] = esk_var_tensor(v);
        in[i] = &tensors[i];
    }
    return esk_resize_read(c->node, c->error, x->rank, x->dim, in[1], in[2], in[3], r);
}

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    struct esk_resize r;
    ESK_TRY(esk_resize_of(c, &r));
    int64_t dims[ESK_MAX_RANK];
    for (int i = 0; i < r.rank; i++)
        dims[i] = r.axis[i].out;
    if (r.mode != RESIZE_NEAREST && !esk_dtype_is_float(x->dtype) &&
        !esk_dtype_is_int(x->dtype))
        return esk_node_fail(c, ESK_INVALID_MODEL, "X is %s", esk_dtype_name(x->dtype));
    return esk_set_out(c, 0, x->dtype, r.rank, dims);
}

/* ---- weights ---- */

/* How far the filter of a shrinking axis reaches, in input positions. */
static double stretch(const struct esk_resize *r, const struct resize_axis *a) {
    return r->antialias && a->scale < 1.0f ? (double)a->scale : 1.0;
}

/* The first position of the filter, from the floor of the place on. */
static int64_t filter_start(const struct esk_resize *r, const struct resize_axis *a) {
    double reach = r->mode == RESIZE_CUBIC ? 2.0 : 1.0;
    return (int64_t)floor(-reach / stretch(r, a)) + 1;
}

int64_t esk_resize_taps(const struct esk_resize *r, const struct resize_axis *a) {
    return r->mode == RESIZE_NEAREST ? 1 : 2 - 2 * filter_start(r, a);
}

static double filter(const struct esk_resize *r, double x) {
    double t = fabs(x), a = (double)r->cubic;
    if (r->mode == RESIZE_LINEAR)
        return t < 1.0 ? 1.0 - t : 0.0;
    if (t <= 1.0)
        return ((a + 2) * t - (a + 3)) * t * t + 1;
    return t < 2.0 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0.0;
}

int64_t esk_resize_weights(const struct esk_resize *r, const struct resize_axis *a,
                           int64_t i, int64_t *index, float *weight, bool *outside) {
    float place = ((float)i * a->p + a->q) / a->d + a->r;
    int64_t last = a->in - 1;
    *outside = r->crop && !(place >= 0.0f && place <= (float)last);
    if (!(place > -1e9f && place < 1e9f)) /* a roi may say anything */
        place = 0.0f;
    if (r->mode == RESIZE_NEAREST) {
        float at = a->round == ROUND_FLOOR         ? floorf(place)
                   : a->round == ROUND_CEIL        ? ceilf(place)
                   : a->round == ROUND_PREFER_CEIL ? floorf(place + 0.5f)
                                                   : ceilf(place - 0.5f);
        index[0] = at < 0.0f ? 0 : at > (float)last ? last : (int64_t)at;
        weight[0] = 1.0f;
        return 1;
    }
    int64_t taps = esk_resize_taps(r, a), base = (int64_t)floorf(place);
    int64_t first = base + filter_start(r, a);
    double ratio = (double)place - (double)base, sum = 0, scale = stretch(r, a);
    for (int64_t t = 0; t < taps; t++) {
        int64_t at = first + t;
        double w = filter(r, scale * ((double)(at - base) - ratio));
        if (r->exclude_outside && (at < 0 || at > last))
            w = 0;
        index[t] = at < 0 ? 0 : at > last ? last : at;
        weight[t] = (float)w;
        sum += w;
    }
    if ((r->antialias || r->exclude_outside) && sum != 0)
        for (int64_t t = 0; t < taps; t++)
            weight[t] = (float)((double)weight[t] / sum);
    return taps;
}

/* ---- cpu ---- */

/* The table of an axis: `taps` places and weights for each output position. */
struct table {
    int64_t taps, *index;
    float *weight;
    bool *outside;
};

static bool make_table(struct esk_arena *scratch, const struct esk_resize *r,
                       const struct resize_axis *a, struct table *t) {
    t->taps = esk_resize_taps(r, a);
    size_t items = (size_t)t->taps * (size_t)a->out;
    t->index = ESK_ARENA_ARRAY(scratch, int64_t, items);
    t->weight = ESK_ARENA_ARRAY(scratch, float, items);
    t->outside = ESK_ARENA_ARRAY(scratch, bool, (size_t)a->out);
    if (!t->index || !t->weight || !t->outside)
        return false;
    for (int64_t i = 0; i < a->out; i++)
        esk_resize_weights(r, a, i, t->index + i * t->taps, t->weight + i * t->taps,
                           &t->outside[i]);
    return true;
}

/* x [outer, in, inner] → y [outer, out, inner] */
#define ALONG(T, name)                                                         \
    static void name(const T *x, T *y, int64_t outer, int64_t in, int64_t out, \
                     int64_t inner, const struct table *t) {                   \
        for (int64_t o = 0; o < outer; o++, x += in * inner)                   \
            for (int64_t i = 0; i < out; i++, y += inner) {                    \
                const int64_t *index = t->index + i * t->taps;                 \
                const float *weight = t->weight + i * t->taps;                 \
                for (int64_t j = 0; j < inner; j++)                            \
                    y[j] = 0;                                                  \
                for (int64_t k = 0; k < t->taps; k++) {                        \
                    const T *row = x + index[k] * inner;                       \
                    if (weight[k] != 0.0f)                                     \
                        for (int64_t j = 0; j < inner; j++)                    \
                            y[j] += (T)weight[k] * row[j];                     \
                }                                                              \
            }                                                                  \
    }
ALONG(float, along_float)
ALONG(double, along_double)

/* Nearest: elements are moved as they are. */
static void move(const uint8_t *x, uint8_t *y, int64_t outer, int64_t in, int64_t out,
                 size_t inner, const struct table *t) {
    for (int64_t o = 0; o < outer; o++, x += (size_t)in * inner)
        for (int64_t i = 0; i < out; i++, y += inner)
            memcpy(y, x + (size_t)t->index[i] * inner, inner);
}

/* Runs the axes; `wide`: double, else float, else (size > 0) elements of that size. */
static esk_status run_axes(struct esk_cpu *c, const struct esk_resize *r,
                           const struct table *tables, const void *x, void *y,
                           size_t size, bool wide, bool nearest) {
    int64_t dims[ESK_MAX_RANK];
    int left = 0;
    for (int i = 0; i < r->rank; i++) {
        dims[i] = r->axis[i].in;
        left += r->axis[i].moves;
    }
    size_t total = (size_t)esk_shape_product(dims, 0, r->rank) * size;
    if (left == 0 && total)
        memcpy(y, x, total);
    for (int i = r->rank - 1; i >= 0; i--) {
        const struct resize_axis *a = &r->axis[i];
        if (!a->moves)
            continue;
        int64_t outer = esk_shape_product(dims, 0, i);
        int64_t inner = esk_shape_product(dims, i + 1, r->rank);
        size_t bytes;
        void *to = y;
        if (--left > 0) {
            if (!esk_dtype_bytes(ESK_UINT8, outer * inner * a->out, &bytes) ||
                !(to = esk_arena_array(c->scratch, bytes, size)))
                return esk_fail_memory(c->error, c->node->name);
        }
        if (nearest)
            move(x, to, outer, a->in, a->out, (size_t)inner * size, &tables[i]);
        else if (wide)
            along_double(x, to, outer, a->in, a->out, inner, &tables[i]);
        else
            along_float(x, to, outer, a->in, a->out, inner, &tables[i]);
        x = to;
        dims[i] = a->out;
    }
    return ESK_OK;
}

/* Positions outside the input, in any axis, get the extrapolation value. */
static void extrapolate(struct esk_tensor *y, const struct esk_resize *r,
                        const struct table *tables) {
    int64_t at[ESK_MAX_RANK] = {0}, count = esk_shape_product(y->dim, 0, y->rank);
    bool ints = esk_dtype_is_int(y->dtype);
    for (int64_t i = 0; i < count; i++) {
        bool outside = false;
        for (int k = 0; k < r->rank; k++)
            outside = outside || (r->axis[k].moves && tables[k].outside[at[k]]);
        if (outside && ints)
            esk_tensor_set_int(y, i, (int64_t)r->extrapolation);
        else if (outside)
            esk_tensor_set_double(y, i, (double)r->extrapolation);
        for (int k = r->rank - 1; k >= 0 && ++at[k] == y->dim[k]; k--)
            at[k] = 0;
    }
}

/* Integers go through doubles: rounded, ties to even, and saturated. */
static void store_ints(struct esk_tensor *y, const double *values) {
    unsigned bits = esk_dtype_bits(y->dtype);
    bool sign = esk_dtype_is_signed(y->dtype);
    double high = ldexp(1.0, (int)bits - (sign ? 1 : 0)), low = sign ? -high : 0.0;
    int64_t count = esk_shape_product(y->dim, 0, y->rank);
    for (int64_t i = 0; i < count; i++) {
        double v = nearbyint(values[i]);
        if (v >= high)
            esk_tensor_set_int(y, i,
                               bits == 64 ? sign ? INT64_MAX : -1 : (int64_t)high - 1);
        else if (!(v > low))
            esk_tensor_set_int(y, i, bits == 64 && sign ? INT64_MIN : (int64_t)low);
        else if (v >= 9223372036854775808.0)
            esk_tensor_set_int(y, i, (int64_t)(uint64_t)v);
        else
            esk_tensor_set_int(y, i, (int64_t)v);
    }
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0];
    struct esk_tensor *y = c->out[0];
    struct esk_resize r;
    struct table tables[ESK_MAX_RANK];
    ESK_TRY(esk_resize_read(c->node, c->error, x->rank, x->dim,
                            c->n_in > 1 ? c->in[1] : NULL, c->n_in > 2 ? c->in[2] : NULL,
                            c->n_in > 3 ? c->in[3] : NULL, &r));
    int64_t count = esk_shape_product(y->dim, 0, y->rank);
    if (count == 0)
        return ESK_OK;
    for (int i = 0; i < r.rank; i++)
        if (r.axis[i].moves && !make_table(c->scratch, &r, &r.axis[i], &tables[i]))
            return esk_fail_memory(c->error, c->node->name);
    size_t size = esk_dtype_bits(x->dtype) / 8;
    if (size == 0)
        return esk_cpu_fail(c, ESK_UNSUPPORTED, "type %s", esk_dtype_name(x->dtype));
    if (r.mode == RESIZE_NEAREST) {
        ESK_TRY(run_axes(c, &r, tables, x->data, y->data, size, false, true));
    } else if (x->dtype == ESK_DOUBLE) {
        ESK_TRY(run_axes(c, &r, tables, x->data, y->data, 8, true, false));
    } else if (esk_dtype_is_float(x->dtype)) {
        const float *from = esk_floats_in(c->scratch, x);
        float *to = esk_floats_out(c->scratch, y);
        if (!from || !to)
            return esk_fail_memory(c->error, c->node->name);
        ESK_TRY(run_axes(c, &r, tables, from, to, 4, false, false));
        esk_floats_done(y, to);
    } else {
        int64_t n = esk_shape_product(x->dim, 0, x->rank);
        double *from = ESK_ARENA_ARRAY(c->scratch, double, (size_t)n);
        double *to = ESK_ARENA_ARRAY(c->scratch, double, (size_t)count);
        if (!from || !to)
            return esk_fail_memory(c->error, c->node->name);
        for (int64_t i = 0; i < n; i++)
            from[i] = esk_tensor_double(x, i);
        ESK_TRY(run_axes(c, &r, tables, from, to, 8, true, false));
        store_ints(y, to);
    }
    if (r.crop)
        extrapolate(y, &r, tables);
    return ESK_OK;
}

const struct esk_op esk_op_Resize = {
    .domain = "",
    .name = "Resize",
    .since = (const uint8_t[]){10, 11, 13, 18, 19, 0},
    .min_in = 1,
    .max_in = 4,
    .min_out = 1,
    .host_in = host_in,
    .upgrade = upgrade,
    .infer = infer,
    .cpu = cpu,
    .gpu = esk_resize_gpu,
};

/* Deprecated since opset 10. */
const struct esk_op esk_op_Upsample = {
    .domain = "",
    .name = "Upsample",
    .since = (const uint8_t[]){7, 9, 0},
    .min_in = 1,
    .max_in = 2,
    .min_out = 1,
    .host_in = host_in,
    .upgrade = upgrade_upsample,
};
