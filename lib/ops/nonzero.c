/* NonZero, Compress, Unique: how much comes out depends on the data, so the host computes
 * them at a stage's border. */
#include "recipes/move.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- NonZero ---- */

/* Whether element i is not zero (-0 is zero, NaN is not). */
static bool is_set(const struct esk_tensor *x, int64_t i) {
    switch (x->dtype) {
    case ESK_FLOAT:
        return ((const float *)x->data)[i] != 0;
    case ESK_DOUBLE:
        return ((const double *)x->data)[i] != 0;
    case ESK_FLOAT16:
    case ESK_BFLOAT16:
        return ((const uint16_t *)x->data)[i] & 0x7fff;
    case ESK_BOOL:
    case ESK_UINT8:
    case ESK_INT8:
        return ((const uint8_t *)x->data)[i];
    case ESK_UINT16:
    case ESK_INT16:
        return ((const uint16_t *)x->data)[i];
    case ESK_UINT32:
    case ESK_INT32:
        return ((const uint32_t *)x->data)[i];
    case ESK_UINT64:
    case ESK_INT64:
        return ((const uint64_t *)x->data)[i];
    default:
        return false;
    }
}

static esk_status nonzero_cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0];
    int64_t count = esk_shape_product(x->dim, 0, x->rank), n = 0;
    if (!esk_dtype_is_float(x->dtype) && !esk_dtype_is_int(x->dtype) &&
        x->dtype != ESK_BOOL)
        return esk_cpu_fail(c, ESK_UNSUPPORTED, "type %s", esk_dtype_name(x->dtype));
    for (int64_t i = 0; i < count; i++)
        n += is_set(x, i);
    int rank = x->rank ? x->rank : 1;
    int64_t dims[2] = {rank, n}, at = 0;
    ESK_TRY(c->make(c, 0, ESK_INT64, 2, dims));
    if (!c->out[0])
        return ESK_OK;
    int64_t *out = c->out[0]->data, index[ESK_MAX_RANK] = {0};
    for (int64_t i = 0; i < count; i++) {
        if (is_set(x, i)) {
            for (int k = 0; k < rank; k++)
                out[k * n + at] = index[k];
            at++;
        }
        for (int k = x->rank - 1; k >= 0 && ++index[k] == x->dim[k]; k--)
            index[k] = 0;
    }
    return ESK_OK;
}

/* ---- Compress ---- */

static esk_status compress_cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0], *condition = c->in[1];
    bool flat = !esk_node_attr(c->node, "axis");
    int axis = 0;
    size_t element = esk_move_element(x->dtype);
    if (!flat && !esk_shape_axis(esk_attr_int(c->node, "axis", 0), x->rank, &axis))
        return esk_cpu_fail(c, ESK_INVALID_MODEL,
                            "axis %" PRId64 " out of range for rank %d",
                            esk_attr_int(c->node, "axis", 0), x->rank);
    if (!element || condition->dtype != ESK_BOOL || condition->rank != 1)
        return esk_cpu_fail(c, ESK_UNSUPPORTED,
                            "data of %s, or a condition that is no list of bools",
                            esk_dtype_name(x->dtype));
    int64_t dims[ESK_MAX_RANK], n = 0, at = 0;
    int64_t length = flat ? esk_shape_product(x->dim, 0, x->rank) : x->dim[axis];
    int64_t outer = flat ? 1 : esk_shape_product(x->dim, 0, axis);
    size_t inner =
        (flat ? 1 : (size_t)esk_shape_product(x->dim, axis + 1, x->rank)) * element;
    const uint8_t *keep = condition->data;
    int64_t listed = condition->dim[0] < length ? condition->dim[0] : length;
    for (int64_t i = 0; i < listed; i++)
        n += keep[i] != 0;
    for (int k = 0; k < x->rank; k++)
        dims[k] = x->dim[k];
    dims[axis] = n;
    ESK_TRY(c->make(c, 0, x->dtype, flat ? 1 : x->rank, flat ? &n : dims));
    if (!c->out[0] || !inner)
        return ESK_OK;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < listed; i++)
            if (keep[i])
                memcpy((char *)c->out[0]->data + (size_t)at++ * inner,
                       (const char *)x->data + (size_t)(o * length + i) * inner, inner);
    return ESK_OK;
}

/* ---- Unique ---- */

/* Items: elements, or slices along an axis, one element after the other. */
struct items {
    const struct esk_tensor *x;
    int64_t n, size, inner, outer; /* item i: for o, element (o * n + i) * inner + … */
};

static int compare_elements(const struct esk_tensor *x, int64_t a, int64_t b) {
    if (esk_dtype_is_float(x->dtype)) {
        double va = esk_tensor_double(x, a), vb = esk_tensor_double(x, b);
        bool na = va != va, nb = vb != vb; /* NaNs last, all alike */
        return na || nb ? na - nb : (va > vb) - (va < vb);
    }
    int64_t va = esk_tensor_int(x, a), vb = esk_tensor_int(x, b);
    if (x->dtype == ESK_UINT64)
        return ((uint64_t)va > (uint64_t)vb) - ((uint64_t)va < (uint64_t)vb);
    return (va > vb) - (va < vb);
}

static int compare_items(const struct items *items, int64_t a, int64_t b) {
    for (int64_t o = 0; o < items->outer; o++)
        for (int64_t i = 0; i < items->inner; i++) {
            int order = compare_elements(items->x, (o * items->n + a) * items->inner + i,
                                         (o * items->n + b) * items->inner + i);
            if (order)
                return order;
        }
    return 0;
}

static int by_value(const void *a, const void *b, void *user) {
    int64_t ia = *(const int64_t *)a, ib = *(const int64_t *)b;
    int order = compare_items(user, ia, ib);
    return order ? order : (ia > ib) - (ia < ib);
}

static int by_index(const void *a, const void *b, void *user) {
    const int64_t *first = user;
    int64_t ia = first[*(const int64_t *)a], ib = first[*(const int64_t *)b];
    return (ia > ib) - (ia < ib);
}

static esk_status unique_out(struct esk_cpu *c, const struct items *items, bool flat,
                             int axis, int64_t n, const int64_t *order,
                             const int64_t *first) {
    const struct esk_tensor *x = items->x;
    size_t element = esk_move_element(x->dtype), inner = (size_t)items->inner * element;
    int64_t dims[ESK_MAX_RANK];
    for (int k = 0; k < x->rank; k++)
        dims[k] = x->dim[k];
    dims[axis] = n;
    ESK_TRY(c->make(c, 0, x->dtype, flat ? 1 : x->rank, flat ? &n : dims));
    if (!c->out[0])
        return ESK_OK;
    char *to = c->out[0]->data;
    for (int64_t o = 0; o < items->outer; o++)
        for (int64_t i = 0; i < n; i++, to += inner)
            memcpy(to,
                   (const char *)x->data +
                       (size_t)(o * items->n + first[order[i]]) * inner,
                   inner);
    return ESK_OK;
}

static esk_status unique_cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0];
    bool flat = !esk_node_attr(c->node, "axis");
    bool sorted = esk_attr_int(c->node, "sorted", 1) != 0;
    int axis = 0;
    if (!flat && !esk_shape_axis(esk_attr_int(c->node, "axis", 0), x->rank, &axis))
        return esk_cpu_fail(c, ESK_INVALID_MODEL,
                            "axis %" PRId64 " out of range for rank %d",
                            esk_attr_int(c->node, "axis", 0), x->rank);
    if (!esk_dtype_is_float(x->dtype) && !esk_dtype_is_int(x->dtype) &&
        x->dtype != ESK_BOOL)
        return esk_cpu_fail(c, ESK_UNSUPPORTED, "type %s", esk_dtype_name(x->dtype));
    struct items items = {.x = x, .outer = 1, .inner = 1};
    items.n = flat ? esk_shape_product(x->dim, 0, x->rank) : x->dim[axis];
    if (!flat) {
        items.outer = esk_shape_product(x->dim, 0, axis);
        items.inner = esk_shape_product(x->dim, axis + 1, x->rank);
    }
    int64_t n = 0;
    int64_t *by = ESK_ARENA_ARRAY(c->scratch, int64_t, (size_t)items.n);
    int64_t *group = ESK_ARENA_ARRAY(c->scratch, int64_t, (size_t)items.n);
    int64_t *first = ESK_ARENA_ARRAY(c->scratch, int64_t, (size_t)items.n);
    int64_t *count = ESK_ARENA_ARRAY(c->scratch, int64_t, (size_t)items.n);
    int64_t *order = ESK_ARENA_ARRAY(c->scratch, int64_t, (size_t)items.n);
    int64_t *rank = ESK_ARENA_ARRAY(c->scratch, int64_t, (size_t)items.n);
    if (!by || !group || !first || !count || !order || !rank)
        return esk_fail_memory(c->error, "lists of items");
    for (int64_t i = 0; i < items.n; i++)
        by[i] = i;
    qsort_r(by, (size_t)items.n, sizeof *by, by_value, &items);
    for (int64_t i = 0; i < items.n; i++) {
        if (i == 0 || compare_items(&items, by[i - 1], by[i]))
            first[n++] = by[i];
        group[by[i]] = n - 1;
        count[n - 1]++;
    }
    for (int64_t i = 0; i < n; i++)
        order[i] = i;
    if (!sorted)
        qsort_r(order, (size_t)n, sizeof *order, by_index, first);
    for (int64_t i = 0; i < n; i++)
        rank[order[i]] = i;
    ESK_TRY(unique_out(c, &items, flat, axis, n, order, first));
    const int64_t sizes[4] = {0, n, items.n, n};
    for (uint32_t i = 1; i < 4 && i < c->n_out; i++) {
        ESK_TRY(c->make(c, i, ESK_INT64, 1, &sizes[i]));
        int64_t *to = c->out[i] ? c->out[i]->data : NULL;
        for (int64_t k = 0; to && k < sizes[i]; k++)
            to[k] = i == 1 ? first[order[k]] : i == 2 ? rank[group[k]] : count[order[k]];
    }
    return ESK_OK;
}

const struct esk_op esk_op_NonZero = {
    .domain = "",
    .name = "NonZero",
    .since = (const uint8_t[]){9, 13, 0},
    .flags = ESK_OP_DATA_SIZED,
    .min_in = 1,
    .min_out = 1,
    .cpu = nonzero_cpu,
};

const struct esk_op esk_op_Compress = {
    .domain = "",
    .name = "Compress",
    .since = (const uint8_t[]){9, 11, 28, 0},
    .flags = ESK_OP_DATA_SIZED,
    .min_in = 2,
    .min_out = 1,
    .cpu = compress_cpu,
};

const struct esk_op esk_op_Unique = {
    .domain = "",
    .name = "Unique",
    .since = (const uint8_t[]){11, 28, 0},
    .flags = ESK_OP_DATA_SIZED,
    .min_in = 1,
    .min_out = 1,
    .max_out = 4,
    .cpu = unique_cpu,
};
