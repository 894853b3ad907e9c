/* GlobalAveragePool, GlobalMaxPool, GlobalLpPool. In: X [N, C, spatial…]; out: the same
 * with spatial axes of size 1. */
#include "recipes/floats.h"
#include "recipes/pool.h"

#include <math.h>

/* The family's own record. */
struct kind {
    enum esk_pool pool;
};

static enum esk_pool pool_of(const struct esk_node *node) {
    return ((const struct kind *)node->op->data)->pool;
}

/* GlobalLpPool 1 has a float p, later ones an int. */
static float power_of(const struct esk_node *node) {
    const struct esk_attr *p = esk_node_attr(node, "p");
    return !p ? 2.0f : p->kind == ESK_ATTR_FLOAT ? p->f : (float)p->i;
}

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    if (!esk_dtype_is_float(x->dtype))
        return esk_node_fail(c, ESK_INVALID_MODEL, "X is %s, it must be a float type",
                             esk_dtype_name(x->dtype));
    if (x->rank < 2)
        return esk_node_fail(c, ESK_INVALID_MODEL, "X has rank %d, it must be 2 or more",
                             x->rank);
    if (pool_of(c->node) == ESK_POOL_LP && !(power_of(c->node) > 0))
        return esk_node_fail(c, ESK_INVALID_MODEL, "p is %g, it must be positive",
                             (double)power_of(c->node));
    int64_t dims[ESK_MAX_RANK] = {x->dim[0], x->dim[1]};
    for (int i = 2; i < x->rank; i++)
        dims[i] = 1;
    return esk_set_out(c, 0, x->dtype, x->rank, dims);
}

static double reduce(const struct esk_tensor *t, const float *floats, int64_t at,
                     int64_t count, enum esk_pool pool, double power) {
    const double *doubles = t->data;
    double sum = pool == ESK_POOL_MAX ? -INFINITY : 0.0;
    for (int64_t i = at; i < at + count; i++) {
        double v = floats ? (double)floats[i] : doubles[i];
        if (pool == ESK_POOL_MAX)
            sum = v > sum ? v : sum;
        else
            sum += pool == ESK_POOL_LP ? pow(fabs(v), power) : v;
    }
    return pool == ESK_POOL_LP        ? pow(sum, 1.0 / power)
           : pool == ESK_POOL_AVERAGE ? sum / (double)count
                                      : sum;
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0];
    bool doubles = x->dtype == ESK_DOUBLE;
    int64_t planes = x->dim[0] * x->dim[1],
            pixels = esk_shape_product(x->dim, 2, x->rank);
    const float *from = doubles ? NULL : esk_floats_in(c->scratch, x);
    float *to = doubles ? NULL : esk_floats_out(c->scratch, c->out[0]);
    if (!doubles && (!from || !to))
        return esk_fail_memory(c->error, c->node->name);
    for (int64_t i = 0; i < planes; i++) {
        double v = reduce(x, from, i * pixels, pixels, pool_of(c->node),
                          (double)power_of(c->node));
        if (doubles)
            ((double *)c->out[0]->data)[i] = v;
        else
            to[i] = (float)v;
    }
    if (!doubles)
        esk_floats_done(c->out[0], to);
    return ESK_OK;
}

static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    if (x->dtype != ESK_FLOAT && x->dtype != ESK_FLOAT16)
        return esk_unsupported(c, "type %s", esk_dtype_name(x->dtype));
    if (x->rank < 3 || esk_var_count(x) == 0)
        return esk_unsupported(c, "no spatial axes, or empty ones");
    return esk_pool_all_recipes(c, pool_of(c->node), power_of(c->node));
}

#define GLOBAL_POOL(NAME, KIND, ...)                \
    const struct esk_op esk_op_##NAME = {           \
        .domain = "",                               \
        .name = #NAME,                              \
        .since = (const uint8_t[]){__VA_ARGS__, 0}, \
        .min_in = 1,                                \
        .min_out = 1,                               \
        .infer = infer,                             \
        .cpu = cpu,                                 \
        .gpu = gpu,                                 \
        .data = &(const struct kind){KIND},         \
    }
GLOBAL_POOL(GlobalAveragePool, ESK_POOL_AVERAGE, 1, 22);
GLOBAL_POOL(GlobalMaxPool, ESK_POOL_MAX, 1, 22);
GLOBAL_POOL(GlobalLpPool, ESK_POOL_LP, 1, 2, 22);
