/* MaxPool, AveragePool, LpPool. In: X [N, C, spatial…]; out: Y, of MaxPool the indices
 * too. Windows are recipes/window's, kernels recipes/pool's. */
#include "recipes/floats.h"
#include "recipes/pool.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* The family's own record. */
struct kind {
    enum esk_pool pool;
};

static enum esk_pool pool_of(const struct esk_node *node) {
    return ((const struct kind *)node->op->data)->pool;
}

/* LpPool 1 has a float p, later ones an int. */
static float power_of(const struct esk_node *node) {
    const struct esk_attr *p = esk_node_attr(node, "p");
    return !p ? 2.0f : p->kind == ESK_ATTR_FLOAT ? p->f : (float)p->i;
}

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    enum esk_pool pool = pool_of(c->node);
    bool ints = pool == ESK_POOL_MAX && (x->dtype == ESK_UINT8 || x->dtype == ESK_INT8);
    if (!esk_dtype_is_float(x->dtype) && !ints)
        return esk_node_fail(c, ESK_INVALID_MODEL, "X is %s", esk_dtype_name(x->dtype));
    if (pool == ESK_POOL_LP && !(power_of(c->node) > 0))
        return esk_node_fail(c, ESK_INVALID_MODEL, "p is %g, it must be positive",
                             (double)power_of(c->node));
    struct esk_window w;
    ESK_TRY(esk_window_read(c->node, c->error, x->rank - 2, x->dim + 2, NULL, &w));
    int64_t dims[ESK_MAX_RANK] = {x->dim[0], x->dim[1]};
    memcpy(dims + 2, w.out, sizeof(int64_t) * (size_t)w.dims);
    ESK_TRY(esk_set_out(c, 0, x->dtype, x->rank, dims));
    return pool == ESK_POOL_MAX ? esk_set_out(c, 1, ESK_INT64, x->rank, dims) : ESK_OK;
}

/* One plane: the window of each output as a block of input positions, then the pool's sum
 * over it. `index` (may be NULL) gets the position of the greatest in its plane. */
struct plane {
    const struct esk_window *w;
    enum esk_pool pool;
    bool padded; /* averages: pads count */
    double power;
    int64_t in_stride[ESK_WINDOW_DIMS]; /* elements */
    int64_t index_stride[ESK_WINDOW_DIMS];
    int64_t index_base;
};

/* Items [*from, *to) of axis i's window at output `o` that lie inside; returns how many
 * count in an average. */
static int64_t items(const struct plane *p, int i, int64_t o, int64_t *from,
                     int64_t *to) {
    const struct esk_window *w = p->w;
    int64_t start = o * w->stride[i] - w->begin[i], d = w->dilation[i];
    int64_t last = w->in[i] - start <= 0 ? 0 : (w->in[i] - start + d - 1) / d;
    *from = start < 0 ? (-start + d - 1) / d : 0;
    *to = last < w->kernel[i] ? last : w->kernel[i];
    if (*from > *to)
        *from = *to;
    if (!p->padded)
        return *to - *from;
    last = (w->in[i] + w->end[i] - start + d - 1) / d;
    return last < w->kernel[i] ? last : w->kernel[i];
}

#define POOL_PLANE(T, name, LOWEST, POW, ABS)                                           \
    static void name(const struct plane *p, const T *x, T *y, int64_t *index) {         \
        const struct esk_window *w = p->w;                                              \
        int last = w->dims - 1;                                                         \
        int64_t at[ESK_WINDOW_DIMS] = {0}, count = esk_window_out(w);                   \
        int64_t from[ESK_WINDOW_DIMS], to[ESK_WINDOW_DIMS], k[ESK_WINDOW_DIMS];         \
        for (int64_t out = 0; out < count; out++) {                                     \
            int64_t base = 0, index_at = p->index_base, counted = 1;                    \
            bool any = true;                                                            \
            for (int i = 0; i <= last; i++) {                                           \
                counted *= items(p, i, at[i], &from[i], &to[i]);                        \
                any = any && from[i] < to[i];                                           \
                int64_t start = at[i] * w->stride[i] - w->begin[i];                     \
                k[i] = from[i];                                                         \
                base += (start + from[i] * w->dilation[i]) * p->in_stride[i];           \
                index_at += (start + from[i] * w->dilation[i]) * p->index_stride[i];    \
            }                                                                           \
            T sum = p->pool == ESK_POOL_MAX ? LOWEST : (T)0;                            \
            int64_t best = index_at;                                                    \
            int64_t step = w->dilation[last] * p->in_stride[last];                      \
            int64_t index_step = w->dilation[last] * p->index_stride[last];             \
            while (any) {                                                               \
                const T *from_x = x + base;                                             \
                int64_t n = to[last] - from[last];                                      \
                if (p->pool == ESK_POOL_MAX) {                                          \
                    for (int64_t j = 0; j < n; j++)                                     \
                        if (from_x[j * step] > sum)                                     \
                            sum = from_x[j * step], best = index_at + j * index_step;   \
                } else if (p->pool == ESK_POOL_AVERAGE) {                               \
                    for (int64_t j = 0; j < n; j++)                                     \
                        sum += from_x[j * step];                                        \
                } else {                                                                \
                    for (int64_t j = 0; j < n; j++)                                     \
                        sum += POW(ABS(from_x[j * step]), (T)p->power);                 \
                }                                                                       \
                int i = last - 1;                                                       \
                for (; i >= 0; i--) {                                                   \
                    base += w->dilation[i] * p->in_stride[i];                           \
                    index_at += w->dilation[i] * p->index_stride[i];                    \
                    if (++k[i] < to[i])                                                 \
                        break;                                                          \
                    base -= (k[i] - from[i]) * w->dilation[i] * p->in_stride[i];        \
                    index_at -= (k[i] - from[i]) * w->dilation[i] * p->index_stride[i]; \
                    k[i] = from[i];                                                     \
                }                                                                       \
                any = i >= 0;                                                           \
            }                                                                           \
            if (p->pool == ESK_POOL_AVERAGE)                                            \
                sum = counted > 0 ? sum / (T)counted : (T)0;                            \
            if (p->pool == ESK_POOL_LP)                                                 \
                sum = POW(sum, (T)(1 / p->power));                                      \
            y[out] = sum;                                                               \
            if (index)                                                                  \
                index[out] = best;                                                      \
            for (int i = last; i >= 0 && ++at[i] == w->out[i]; i--)                     \
                at[i] = 0;                                                              \
        }                                                                               \
    }
POOL_PLANE(float, plane_float, -INFINITY, powf, fabsf)
POOL_PLANE(double, plane_double, (double)-INFINITY, pow, fabs)

/* int8 and uint8 are exact as floats. */
static const float *bytes_in(struct esk_cpu *c, int64_t count) {
    float *x = ESK_ARENA_ARRAY(c->scratch, float, (size_t)count);
    for (int64_t i = 0; x && i < count; i++)
        x[i] = c->in[0]->dtype == ESK_INT8 ? (float)((const int8_t *)c->in[0]->data)[i]
                                           : (float)((const uint8_t *)c->in[0]->data)[i];
    return x;
}

static void bytes_done(struct esk_tensor *t, const float *y) {
    int64_t count = esk_shape_product(t->dim, 0, t->rank);
    for (int64_t i = 0; i < count; i++) /* -infinity: a window without items */
        if (t->dtype == ESK_INT8)
            ((int8_t *)t->data)[i] = y[i] < -128.0f ? INT8_MIN : (int8_t)y[i];
        else
            ((uint8_t *)t->data)[i] = y[i] < 0.0f ? 0 : (uint8_t)y[i];
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0];
    bool bytes = x->dtype == ESK_UINT8 || x->dtype == ESK_INT8;
    bool doubles = x->dtype == ESK_DOUBLE;
    struct esk_window w;
    ESK_TRY(esk_window_read(c->node, c->error, x->rank - 2, x->dim + 2, NULL, &w));
    struct plane p = {
        .w = &w,
        .pool = pool_of(c->node),
        .padded = esk_attr_int(c->node, "count_include_pad", 0) != 0,
        .power = (double)power_of(c->node),
    };
    bool columns = esk_attr_int(c->node, "storage_order", 0) != 0;
    int64_t step = 1, in = esk_window_in(&w), out = esk_window_out(&w);
    for (int i = w.dims - 1; i >= 0; i--, step *= w.in[i + 1])
        p.in_stride[i] = p.index_stride[i] = step;
    step = 1;
    for (int i = 0; columns && i < w.dims; step *= w.in[i], i++)
        p.index_stride[i] = step;
    int64_t planes = x->dim[0] * x->dim[1], *index = NULL;
    struct esk_tensor nowhere = {0}, *y = c->out[0];
    if (!y) { /* only the indices are wanted */
        nowhere = *c->out[1];
        nowhere.dtype = x->dtype;
        if (!esk_dtype_bytes(x->dtype, planes * out, &nowhere.bytes) ||
            !(nowhere.data = esk_arena_alloc(c->scratch, nowhere.bytes)))
            return esk_fail_memory(c->error, c->node->name);
        y = &nowhere;
    }
    const float *from = bytes     ? bytes_in(c, planes * in)
                        : doubles ? NULL
                                  : esk_floats_in(c->scratch, x);
    float *to = bytes     ? ESK_ARENA_ARRAY(c->scratch, float, (size_t)(planes * out))
                : doubles ? NULL
                          : esk_floats_out(c->scratch, y);
    if (!doubles && (!from || !to))
        return esk_fail_memory(c->error, c->node->name);
    if (c->n_out > 1 && c->out[1])
        index = c->out[1]->data;
    for (int64_t i = 0; i < planes; i++) {
        p.index_base = i * in;
        int64_t *own = index ? index + i * out : NULL;
        if (doubles)
            plane_double(&p, (const double *)x->data + i * in,
                         (double *)y->data + i * out, own);
        else
            plane_float(&p, from + i * in, to + i * out, own);
    }
    if (bytes)
        bytes_done(y, to);
    else if (!doubles)
        esk_floats_done(y, to);
    return ESK_OK;
}

static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *who;
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "type %s", esk_dtype_name(who->dtype));
    if (x->rank > 5)
        return esk_unsupported(c, "%d spatial axes", x->rank - 2);
    if (esk_var_count(x) == 0)
        return esk_unsupported(c, "an empty input");
    struct esk_window w;
    ESK_TRY(esk_window_read(c->node, c->error, x->rank - 2, x->dim + 2, NULL, &w));
    if (esk_out(c, 1))
        return esk_pool_index_recipes(c, &w,
                                      esk_attr_int(c->node, "storage_order", 0) != 0);
    return esk_pool_recipes(c, pool_of(c->node), &w,
                            esk_attr_int(c->node, "count_include_pad", 0) != 0,
                            power_of(c->node));
}

#define POOL(NAME, KIND, ...)                       \
    const struct esk_op esk_op_##NAME = {           \
        .domain = "",                               \
        .name = #NAME,                              \
        .since = (const uint8_t[]){__VA_ARGS__, 0}, \
        .min_in = 1,                                \
        .min_out = 1,                               \
        .max_out = KIND == ESK_POOL_MAX ? 2 : 1,    \
        .infer = infer,                             \
        .cpu = cpu,                                 \
        .gpu = gpu,                                 \
        .data = &(const struct kind){KIND},         \
    }
POOL(MaxPool, ESK_POOL_MAX, 1, 8, 10, 11, 12, 22);
POOL(AveragePool, ESK_POOL_AVERAGE, 1, 7, 10, 11, 19, 22);
POOL(LpPool, ESK_POOL_LP, 1, 2, 11, 18, 22);
