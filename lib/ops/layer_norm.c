/* LayerNormalization, RMSNormalization. In: X, scale, bias; out: Y,
 * and of LayerNormalization mean and 1/deviation. Sums on the host are in double. */
#include "recipes/lines.h"
#include "recipes/norm.h"

static bool is_rms(const struct esk_node *node) {
    return *(const bool *)node->op->data;
}

/* ---- LayerNormalization and RMSNormalization: rows are the axes from `axis` on */

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    int axis, rank;
    int64_t dims[ESK_MAX_RANK];
    ESK_TRY(esk_check_axis(c, esk_attr_int(c->node, "axis", -1), x->rank, &axis));
    for (uint32_t i = 1; i < 3; i++) {
        const struct esk_var *v = esk_in(c, i);
        if (!v)
            continue;
        if (!esk_shape_broadcast(x->rank, x->dim, v->rank, v->dim, &rank, dims) ||
            !esk_shape_equal(rank, dims, x->rank, x->dim))
            return esk_node_fail(c, ESK_INVALID_MODEL,
                                 "input %u cannot be broadcast to the shape of X", i);
    }
    ESK_TRY(esk_set_out_like(c, 0, 0));
    for (int a = 0; a < x->rank; a++)
        dims[a] = a < axis ? x->dim[a] : 1;
    esk_dtype stash = (esk_dtype)esk_attr_int(c->node, "stash_type", ESK_FLOAT);
    for (uint32_t i = 1; i < 3; i++)
        ESK_TRY(esk_set_out(c, i, x->dtype == ESK_DOUBLE ? ESK_DOUBLE : stash, x->rank,
                            dims));
    return ESK_OK;
}

/* A tensor to be read as one of x's shape: its values, and the strides of x's axes. */
struct wide {
    double *values;
    int64_t strides[ESK_MAX_RANK];
    int64_t *along; /* offset of each element of a row */
};

static bool widen(struct esk_cpu *c, uint32_t i, const struct esk_tensor *x, int axis,
                  int64_t size, struct wide *w) {
    const struct esk_tensor *t = i < c->n_in ? c->in[i] : NULL;
    *w = (struct wide){0};
    if (!t)
        return true;
    int64_t count = esk_shape_product(t->dim, 0, t->rank);
    w->values = ESK_ARENA_ARRAY(c->scratch, double, (size_t)count);
    w->along = ESK_ARENA_ARRAY(c->scratch, int64_t, (size_t)size);
    if (!w->values || !w->along)
        return false;
    esk_read_doubles(t, 0, 1, count, w->values);
    esk_shape_broadcast_strides(t->rank, t->dim, x->rank, x->dim, w->strides);
    for (int64_t k = 0; k < size; k++) {
        int64_t rest = k;
        for (int a = x->rank - 1; a >= axis; a--) {
            w->along[k] += rest % x->dim[a] * w->strides[a];
            rest /= x->dim[a];
        }
    }
    return true;
}

static const double *wide_row(const struct wide *w, const struct esk_tensor *x, int axis,
                              int64_t row) {
    int64_t at = 0;
    for (int a = axis - 1; a >= 0; a--) {
        at += row % x->dim[a] * w->strides[a];
        row /= x->dim[a];
    }
    return w->values + at;
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0];
    double epsilon = (double)esk_attr_float(c->node, "epsilon", 1e-5f);
    bool rms = is_rms(c->node);
    int axis = 0;
    esk_shape_axis(esk_attr_int(c->node, "axis", -1), x->rank, &axis);
    struct esk_lines l = esk_lines_from(x->rank, x->dim, axis);
    double *v = ESK_ARENA_ARRAY(c->scratch, double, (size_t)l.size), mean, inverse;
    struct wide scale, bias;
    if (!v || !widen(c, 1, x, axis, l.size, &scale) ||
        !widen(c, 2, x, axis, l.size, &bias))
        return esk_fail_memory(c->error, c->node->name);
    for (int64_t row = 0; row < l.outer && l.size; row++) {
        esk_read_doubles(x, row * l.size, 1, l.size, v);
        esk_norm_measure(v, l.size, epsilon, rms, &mean, &inverse);
        const double *s = scale.values ? wide_row(&scale, x, axis, row) : NULL;
        const double *b = bias.values ? wide_row(&bias, x, axis, row) : NULL;
        for (int64_t k = 0; k < l.size; k++)
            v[k] = (v[k] - mean) * inverse * (s ? s[scale.along[k]] : 1) +
                   (b ? b[bias.along[k]] : 0);
        if (c->out[0])
            esk_write_doubles(c->out[0], row * l.size, 1, l.size, v);
        if (c->n_out > 1 && c->out[1])
            esk_write_doubles(c->out[1], row, 1, 1, &mean);
        if (c->n_out > 2 && c->out[2])
            esk_write_doubles(c->out[2], row, 1, 1, &inverse);
    }
    return ESK_OK;
}

static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    int axis;
    ESK_TRY(esk_check_axis(c, esk_attr_int(c->node, "axis", -1), x->rank, &axis));
    struct esk_lines l = esk_lines_from(x->rank, x->dim, axis);
    for (uint32_t i = 1; i < 3; i++) { /* a scale that is repeated must be one value */
        const struct esk_var *v = esk_in(c, i);
        int64_t count = v ? esk_var_count(v) : 1;
        for (int a = 1; v && count != 1 && a <= x->rank - axis; a++)
            if (a > v->rank || v->dim[v->rank - a] != x->dim[x->rank - a])
                return esk_unsupported(c, "input %u is broadcast within a row", i);
    }
    struct esk_norm norm = {
        .rows = l.outer,
        .channels = 1,
        .spatial = l.size,
        .epsilon = esk_attr_float(c->node, "epsilon", 1e-5f),
        .rms = is_rms(c->node),
        .affine = ESK_NORM_ELEMENTS,
    };
    return esk_norm_gpu(c, &norm);
}

const struct esk_op esk_op_LayerNormalization = {
    .domain = "",
    .name = "LayerNormalization",
    .since = (const uint8_t[]){17, 0},
    .min_in = 2,
    .real = 0x7,
    .max_in = 3,
    .min_out = 1,
    .max_out = 3,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
    .data = &(const bool){false},
};

const struct esk_op esk_op_RMSNormalization = {
    .domain = "",
    .name = "RMSNormalization",
    .since = (const uint8_t[]){23, 0},
    .min_in = 2,
    .real = 0x3,
    .min_out = 1,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
    .data = &(const bool){true},
};
