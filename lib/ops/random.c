/* RandomNormal, RandomUniform, their Like forms, Bernoulli, Multinomial: host only. With
 * the attribute `seed` every run gives the same values; without it each run others. */
#include "ir/op.h"

#include <math.h>
#include <time.h>

enum kind { UNIFORM, NORMAL, BERNOULLI, MULTINOMIAL };

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t next(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static double uniform(uint64_t *state) { /* [0, 1) */
    return (double)(next(state) >> 11) * 0x1p-53;
}

static double normal(uint64_t *state) { /* Box and Muller 1958 */
    double r = sqrt(-2 * log(1 - uniform(state)));
    return r * cos(6.283185307179586 * uniform(state));
}

static uint64_t seed_of(const struct esk_cpu *c) {
    union {
        float f;
        uint32_t bits;
    } seed;
    const struct esk_attr *attr = esk_node_attr(c->node, "seed");
    if (attr) {
        seed.f = esk_attr_float(c->node, "seed", 0);
        return seed.bits;
    }
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (uint64_t)now.tv_sec * UINT64_C(1000000007) ^ (uint64_t)now.tv_nsec ^
           (uint64_t)(uintptr_t)c->out[0]->data << 32;
}

static enum kind kind_of(const struct esk_node *node) {
    return *(const enum kind *)node->op->data;
}

static bool is_numeric(int64_t dtype) {
    return esk_dtype_is_float((esk_dtype)dtype) || esk_dtype_is_int((esk_dtype)dtype) ||
           dtype == ESK_BOOL;
}

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    enum kind kind = kind_of(c->node);
    int64_t dtype = esk_attr_int(c->node, "dtype",
                                 kind == MULTINOMIAL ? ESK_INT32
                                 : x && (kind == BERNOULLI || is_numeric(x->dtype))
                                     ? (int64_t)x->dtype
                                     : ESK_FLOAT);
    if (!is_numeric(dtype) || (kind < BERNOULLI && !esk_dtype_is_float((esk_dtype)dtype)))
        return esk_node_fail(c, ESK_UNSUPPORTED, "dtype %lld", (long long)dtype);
    if (kind == MULTINOMIAL) {
        int64_t dims[2] = {x->rank == 2 ? x->dim[0] : 0,
                           esk_attr_int(c->node, "sample_size", 1)};
        if (x->rank != 2 || dims[1] < 0 || !esk_dtype_is_float(x->dtype) || x->dim[1] < 1)
            return esk_node_fail(
                c, ESK_INVALID_MODEL,
                "sample_size %lld of an input of rank %d, which must be 2 "
                "with at least one class",
                (long long)dims[1], x->rank);
        return esk_set_out(c, 0, (esk_dtype)dtype, 2, dims);
    }
    if (x)
        return esk_set_out(c, 0, (esk_dtype)dtype, x->rank, x->dim);
    const struct esk_attr *shape = esk_node_attr(c->node, "shape");
    if (!shape || shape->kind != ESK_ATTR_INTS || shape->count > ESK_MAX_RANK)
        return esk_node_fail(c, ESK_INVALID_MODEL, "shape is missing, or of rank over %d",
                             ESK_MAX_RANK);
    for (size_t i = 0; i < shape->count; i++)
        if (shape->ints[i] < 0)
            return esk_node_fail(c, ESK_INVALID_MODEL, "shape[%zu] is %lld", i,
                                 (long long)shape->ints[i]);
    return esk_set_out(c, 0, (esk_dtype)dtype, (int)shape->count, shape->ints);
}

static void set(struct esk_tensor *y, int64_t i, double value) {
    if (esk_dtype_is_float(y->dtype))
        esk_tensor_set_double(y, i, value);
    else
        esk_tensor_set_int(y, i, (int64_t)value);
}

/* A class of row `at` of unnormalised log-probabilities. */
static int64_t pick(const struct esk_tensor *x, int64_t at, uint64_t *state) {
    int64_t classes = x->dim[1];
    double most = -INFINITY, sum = 0;
    for (int64_t i = 0; i < classes; i++)
        most = fmax(most, esk_tensor_double(x, at * classes + i));
    for (int64_t i = 0; i < classes; i++)
        sum += exp(esk_tensor_double(x, at * classes + i) - most);
    double left = uniform(state) * sum;
    for (int64_t i = 0; i + 1 < classes; i++) {
        left -= exp(esk_tensor_double(x, at * classes + i) - most);
        if (left < 0)
            return i;
    }
    return classes - 1;
}

static esk_status cpu(struct esk_cpu *c) {
    struct esk_tensor *y = c->out[0];
    enum kind kind = kind_of(c->node);
    if (!y)
        return ESK_OK;
    uint64_t state = seed_of(c);
    bool is_normal = kind == NORMAL;
    double low = esk_attr_float(c->node, is_normal ? "mean" : "low", 0);
    double span = is_normal ? esk_attr_float(c->node, "scale", 1)
                            : esk_attr_float(c->node, "high", 1) - low;
    int64_t count = esk_shape_product(y->dim, 0, y->rank);
    for (int64_t i = 0; i < count; i++)
        switch (kind) {
        case UNIFORM:
            set(y, i, low + span * uniform(&state));
            break;
        case NORMAL:
            set(y, i, low + span * normal(&state));
            break;
        case BERNOULLI:
            set(y, i, uniform(&state) < esk_tensor_double(c->in[0], i));
            break;
        case MULTINOMIAL:
            set(y, i, (double)pick(c->in[0], i / y->dim[1], &state));
            break;
        }
    return ESK_OK;
}

#define RANDOM(title, which, least, most, ...)      \
    const struct esk_op esk_op_##title = {          \
        .domain = "",                               \
        .name = #title,                             \
        .since = (const uint8_t[]){__VA_ARGS__, 0}, \
        .flags = ESK_OP_IMPURE,                     \
        .min_in = least,                            \
        .max_in = most,                             \
        .min_out = 1,                               \
        .infer = infer,                             \
        .cpu = cpu,                                 \
        .data = &(const enum kind){which},          \
    }

RANDOM(Bernoulli, BERNOULLI, 1, 1, 15, 22);
RANDOM(Multinomial, MULTINOMIAL, 1, 1, 7, 22);
RANDOM(RandomNormal, NORMAL, 0, 0, 1, 22);
RANDOM(RandomNormalLike, NORMAL, 1, 1, 1, 22);
RANDOM(RandomUniform, UNIFORM, 0, 0, 1, 22);
RANDOM(RandomUniformLike, UNIFORM, 1, 1, 1, 22);
