/* esker.ScaledDotProduct: softmax(scale * Q K' (+ bias)) V as one operator, what a
 * pattern makes of attention spelled out (patterns_attention.c). In: Q [.., s, d], K'
 * [.., d, t] (turned already, as products have it), V [.., t, dv], one or two batch axes
 * or none, equal in all; bias, added to the scores, and mask (bool), both broadcast to
 * them. Out: Y [.., s, dv], permuted by `perm`. fill: what scores become where the mask
 * is false, or with `turned` where it is true, before the bias is added. nan_zero: rows
 * of NaN (all keys at -inf) become zeros. */
#include "recipes/attention.h"
#include "recipes/facts.h"
#include "recipes/walk.h"

enum { Q, K, V, BIAS, MASK };

/* Strides of four axes (batch, head, and the matrix) of a tensor that has fewer. */
static void spread(int rank, const int64_t *from, int64_t none, int64_t *to) {
    to[0] = to[1] = none;
    for (int i = 0; i < rank; i++)
        to[rank == 3 && i == 0 ? 0 : i + 4 - rank] = from[i];
}

static struct esk_heads heads_of(uint32_t input, const int64_t *s, bool turned) {
    return (struct esk_heads){.input = input,
                              .batch = s[0],
                              .head = s[1],
                              .row = s[turned ? 3 : 2],
                              .col = s[turned ? 2 : 3],
                              .bias = ESK_NONE};
}

/* The input in memory in ONNX's order. */
static struct esk_heads plain(const struct esk_facts *f, uint32_t i) {
    int64_t own[ESK_MAX_RANK], strides[4];
    esk_shape_strides(f->rank[i], f->dim[i], own);
    spread(f->rank[i], own, 0, strides);
    return heads_of(i, strides, i == K);
}

static bool mask_of(const struct esk_facts *f, const struct esk_attention *a, uint32_t i,
                    int64_t *strides, int64_t *width) {
    int64_t dims[4] = {1, 1, 1, 1};
    int rank = f->rank[i], full = f->rank[Q];
    for (int j = 0; j < rank; j++) {
        int at = j + full - rank; /* the axis of the scores */
        if (at < 0)
            return false;
        dims[full == 3 && at == 0 ? 0 : at + 4 - full] = f->dim[i][j];
    }
    return esk_attention_mask(a, 4, dims, strides, width) && *width == a->total;
}

/* false: the shapes do not fit. `dims`: of Y. */
static bool describe(const struct esk_facts *f, struct esk_attention *a, int64_t *dims) {
    const struct esk_attr *perm = esk_node_attr(f->node, "perm");
    int rank = f->rank[Q];
    if (rank < 2 || rank > 4 || f->rank[K] != rank || f->rank[V] != rank || !perm ||
        perm->count != (size_t)rank || perm->ints[rank - 1] != rank - 1)
        return false;
    int64_t q[4], k[4], v[4], strides[ESK_MAX_RANK], y[4] = {0};
    spread(rank, f->dim[Q], 1, q);
    spread(rank, f->dim[K], 1, k);
    spread(rank, f->dim[V], 1, v);
    for (int i = 0; i < 2; i++)
        if (q[i] != k[i] || q[i] != v[i])
            return false;
    if (q[3] != k[2] || k[3] != v[2])
        return false;
    *a = esk_attention_none();
    a->batch = q[0];
    a->heads = a->kv_heads = q[1];
    a->length = q[2];
    a->fresh = a->total = a->present = k[3];
    a->dim = q[3];
    a->v_dim = v[3];
    a->q = plain(f, Q);
    a->k = plain(f, K);
    a->v = plain(f, V);
    a->scale = esk_attr_float(f->node, "scale", 1);
    a->empty_nan = true;
    a->nan_zero = esk_attr_int(f->node, "nan_zero", 0);
    if (f->has[BIAS]) {
        a->bias = BIAS;
        if (!mask_of(f, a, BIAS, a->bias_stride, &a->bias_width))
            return false;
    }
    if (f->has[MASK]) {
        a->mask = MASK;
        a->fill = esk_attr_float(f->node, "fill", 0);
        a->fill_sets = true;
        a->mask_turned = esk_attr_int(f->node, "turned", 0);
        if (!mask_of(f, a, MASK, a->mask_stride, &a->mask_width))
            return false;
    }
    /* where batch, head and row lie in Y: one of the two orders that attention has */
    for (int i = 0; i < rank; i++) {
        if (perm->ints[i] < 0 || perm->ints[i] >= rank)
            return false;
        dims[i] = perm->ints[i] == rank - 1 ? a->v_dim : f->dim[Q][perm->ints[i]];
    }
    esk_shape_strides(rank, dims, strides);
    for (int i = 0; i < rank; i++) {
        int axis = (int)perm->ints[i];
        y[rank == 3 && axis == 0 ? 0 : axis + 4 - rank] = strides[i];
    }
    int64_t all = a->heads * a->length * a->v_dim;
    bool batch = a->batch == 1 || y[0] == all;
    bool major = (a->heads == 1 || y[1] == a->length * a->v_dim) &&
                 (a->length == 1 || y[2] == a->v_dim);
    bool rows = (a->heads == 1 || y[1] == a->v_dim) &&
                (a->length == 1 || y[2] == a->heads * a->v_dim);
    if (rank == 3 && !(batch && major)) { /* batches are heads then */
        struct esk_heads *heads[] = {&a->q, &a->k, &a->v};
        for (int i = 0; i < 3; i++) {
            heads[i]->head = heads[i]->batch;
            heads[i]->batch = 0;
        }
        a->bias_stride[1] = a->bias_stride[0], a->bias_stride[0] = 0;
        a->mask_stride[1] = a->mask_stride[0], a->mask_stride[0] = 0;
        a->heads = a->kv_heads = a->batch;
        a->batch = 1;
        batch = true;
        major = false;
        rows = (a->heads == 1 || y[0] == a->v_dim) &&
               (a->length == 1 || y[2] == a->heads * a->v_dim);
    }
    a->y_major = major;
    return batch && (major || rows);
}

static esk_status infer(struct esk_ctx *c) {
    struct esk_facts f = esk_facts_of_vars(c);
    struct esk_attention a;
    int64_t dims[4];
    if (!describe(&f, &a, dims))
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "shapes of ranks %d, %d and %d do not fit", f.rank[Q],
                             f.rank[K], f.rank[V]);
    return esk_set_out(c, 0, f.dtype[Q], f.rank[Q], dims);
}

static esk_status cpu(struct esk_cpu *c) {
    struct esk_facts f = esk_facts_of_tensors(c);
    struct esk_attention a;
    int64_t dims[4];
    describe(&f, &a, dims);
    return esk_attention_cpu(c, &a);
}

/* Over what the input walks, where each axis is one digit. */
static void walk(const struct esk_ctx *c, uint32_t i, bool joined, struct esk_heads *x) {
    const struct esk_var *v = esk_in(c, i);
    int64_t own[ESK_MAX_RANK] = {0}, strides[4];
    if (!v->walk || v->data)
        return;
    for (int d = 0; d < v->walk->n; d++) {
        if (v->walk->dim[d] == 1)
            continue;
        if (v->walk->dim[d] != v->dim[v->walk->axis[d]])
            return;
        own[v->walk->axis[d]] = v->walk->stride[d];
    }
    spread(v->rank, own, 0, strides);
    if (joined)
        strides[1] = strides[0], strides[0] = 0;
    *x = heads_of(i, strides, i == K);
    x->walked = true;
    x->base = v->walk->base;
    x->layout = v->walk->layout;
    x->offset = v->walk->offset;
}

static esk_status gpu(struct esk_ctx *c) {
    struct esk_facts f = esk_facts_of_vars(c);
    struct esk_attention a;
    int64_t dims[4];
    describe(&f, &a, dims);
    bool joined = f.rank[Q] == 3 && a.batch != f.dim[Q][0];
    walk(c, Q, joined, &a.q);
    walk(c, K, joined, &a.k);
    walk(c, V, joined, &a.v);
    return esk_attention_gpu(c, &a);
}

const struct esk_op esk_op_ScaledDotProduct = {
    .domain = "esker",
    .name = "ScaledDotProduct",
    .since = (const uint8_t[]){1, 0},
    .flags = ESK_OP_WALKS,
    .min_in = 3,
    .max_in = 5,
    .min_out = 1,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
