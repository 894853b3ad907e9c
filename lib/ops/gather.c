/* Gather, GatherElements, GatherND: output elements at places that data says. Out: one kernel
 * that reads indices on the device; a slice where a single index is known. */
#include "recipes/move.h"

#include <inttypes.h>
#include <string.h>

/* ---- infer ---- */

static esk_status check_indices(const struct esk_ctx *c) {
    const struct esk_var *indices = esk_in(c, 1);
    if (!indices || (indices->dtype != ESK_INT64 && indices->dtype != ESK_INT32))
        return esk_node_fail(c, ESK_INVALID_MODEL, "indices are %s, not int32 or int64",
                             indices ? esk_dtype_name(indices->dtype) : "absent");
    return ESK_OK;
}

static esk_status gather_infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *indices = esk_in(c, 1);
    int64_t dims[2 * ESK_MAX_RANK];
    int axis, rank = 0;
    ESK_TRY(check_indices(c));
    ESK_TRY(esk_check_axis(c, esk_attr_int(c->node, "axis", 0), x->rank, &axis));
    for (int k = 0; k < axis; k++)
        dims[rank++] = x->dim[k];
    for (int k = 0; k < indices->rank; k++)
        dims[rank++] = indices->dim[k];
    for (int k = axis + 1; k < x->rank; k++)
        dims[rank++] = x->dim[k];
    return esk_set_out(c, 0, x->dtype, rank, dims);
}

static esk_status elements_infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *indices = esk_in(c, 1);
    int axis;
    ESK_TRY(check_indices(c));
    ESK_TRY(esk_check_axis(c, esk_attr_int(c->node, "axis", 0), x->rank, &axis));
    if (indices->rank != x->rank)
        return esk_node_fail(c, ESK_INVALID_MODEL, "indices have rank %d, the data %d",
                             indices->rank, x->rank);
    for (int k = 0; k < x->rank; k++)
        if (k != axis && indices->dim[k] > x->dim[k])
            return esk_node_fail(c, ESK_INVALID_MODEL,
                                 "axis %d of the indices is %" PRId64
                                 ", that of the data %" PRId64,
                                 k, indices->dim[k], x->dim[k]);
    return esk_set_out(c, 0, x->dtype, x->rank, indices->dim);
}

static esk_status nd_infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *indices = esk_in(c, 1);
    int64_t dims[2 * ESK_MAX_RANK], batch = esk_attr_int(c->node, "batch_dims", 0);
    int rank = 0;
    ESK_TRY(check_indices(c));
    if (batch < 0 || indices->rank < 1 || batch >= indices->rank || batch > x->rank)
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "batch_dims %" PRId64 " for ranks %d and %d", batch, x->rank,
                             indices->rank);
    int64_t tuple = indices->dim[indices->rank - 1];
    if (tuple > x->rank - batch)
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "index tuples of %" PRId64 " for rank %d, batch_dims %" PRId64,
                             tuple, x->rank, batch);
    for (int k = 0; k < batch; k++)
        if (x->dim[k] != indices->dim[k])
            return esk_node_fail(c, ESK_INVALID_MODEL,
                                 "batch axis %d is %" PRId64 " in the data, %" PRId64
                                 " in the indices",
                                 k, x->dim[k], indices->dim[k]);
    for (int k = 0; k + 1 < indices->rank; k++)
        dims[rank++] = indices->dim[k];
    for (int k = (int)(batch + tuple); k < x->rank; k++)
        dims[rank++] = x->dim[k];
    return esk_set_out(c, 0, x->dtype, rank, dims);
}

/* ---- what the three have in common ---- */

/* Output index → place of the first index of its tuple in I, and offset in X without it. */
struct gathering {
    int rank; /* of the output as it is walked */
    int64_t dim[2 * ESK_MAX_RANK], stride[2 * ESK_MAX_RANK], place[2 * ESK_MAX_RANK];
    int tuple;
    int64_t axis_dim[ESK_MAX_RANK], axis_stride[ESK_MAX_RANK];
};

static void push(struct gathering *g, int64_t dim, int64_t stride, int64_t place) {
    int at = g->rank - 1;
    if (dim == 1)
        return;
    if (at >= 0 && g->stride[at] == stride * dim && g->place[at] == place * dim) {
        g->dim[at] *= dim;
        g->stride[at] = stride;
        g->place[at] = place;
        return;
    }
    g->dim[g->rank] = dim;
    g->stride[g->rank] = stride;
    g->place[g->rank++] = place;
}

static void close(struct gathering *g) {
    if (g->rank)
        return;
    g->dim[0] = 1;
    g->stride[0] = g->place[0] = 0;
    g->rank = 1;
}

typedef void (*describe_fn)(const struct esk_node *node, int rank, const int64_t *x,
                            const int64_t *x_strides, int i_rank, const int64_t *indices,
                            struct gathering *g);

static void describe_gather(const struct esk_node *node, int rank, const int64_t *x,
                            const int64_t *x_strides, int i_rank, const int64_t *indices,
                            struct gathering *g) {
    int axis = 0;
    int64_t strides[ESK_MAX_RANK];
    esk_shape_axis(esk_attr_int(node, "axis", 0), rank, &axis);
    esk_shape_strides(i_rank, indices, strides);
    for (int k = 0; k < axis; k++)
        push(g, x[k], x_strides[k], 0);
    for (int k = 0; k < i_rank; k++)
        push(g, indices[k], 0, strides[k]);
    for (int k = axis + 1; k < rank; k++)
        push(g, x[k], x_strides[k], 0);
    g->tuple = 1;
    g->axis_dim[0] = x[axis];
    g->axis_stride[0] = x_strides[axis];
    close(g);
}

static void describe_elements(const struct esk_node *node, int rank, const int64_t *x,
                              const int64_t *x_strides, int i_rank, const int64_t *indices,
                              struct gathering *g) {
    int axis = 0;
    int64_t strides[ESK_MAX_RANK];
    esk_shape_axis(esk_attr_int(node, "axis", 0), rank, &axis);
    esk_shape_strides(i_rank, indices, strides);
    for (int k = 0; k < rank; k++)
        push(g, indices[k], k == axis ? 0 : x_strides[k], strides[k]);
    g->tuple = 1;
    g->axis_dim[0] = x[axis];
    g->axis_stride[0] = x_strides[axis];
    close(g);
}

static void describe_nd(const struct esk_node *node, int rank, const int64_t *x,
                        const int64_t *x_strides, int i_rank, const int64_t *indices,
                        struct gathering *g) {
    int batch = (int)esk_attr_int(node, "batch_dims", 0);
    int64_t strides[ESK_MAX_RANK];
    esk_shape_strides(i_rank, indices, strides);
    g->tuple = (int)indices[i_rank - 1];
    for (int k = 0; k + 1 < i_rank; k++)
        push(g, indices[k], k < batch ? x_strides[k] : 0, strides[k]);
    for (int k = batch + g->tuple; k < rank; k++)
        push(g, x[k], x_strides[k], 0);
    for (int j = 0; j < g->tuple; j++) {
        g->axis_dim[j] = x[batch + j];
        g->axis_stride[j] = x_strides[batch + j];
    }
    close(g);
}

/* ---- cpu ---- */

static void copy_elements(size_t element, int64_t n, int64_t stride, char *to,
                          const char *from) {
    if (stride == 1)
        memcpy(to, from, (size_t)n * element);
    else
        for (int64_t i = 0; i < n; i++)
            memcpy(to + i * (int64_t)element, from + i * stride * (int64_t)element, element);
}

static esk_status run(struct esk_cpu *c, describe_fn describe) {
    const struct esk_tensor *x = c->in[0], *indices = c->in[1], *y = c->out[0];
    size_t element = esk_move_element(x->dtype);
    int64_t strides[ESK_MAX_RANK], index[2 * ESK_MAX_RANK] = {0};
    struct gathering g = {0};
    if (!y || !esk_shape_product(y->dim, 0, y->rank))
        return ESK_OK;
    if (!element)
        return esk_cpu_fail(c, ESK_UNSUPPORTED, "elements of type %s are not moved",
                            esk_dtype_name(x->dtype));
    esk_shape_strides(x->rank, x->dim, strides);
    describe(c->node, x->rank, x->dim, strides, indices->rank, indices->dim, &g);
    /* rows: the innermost dimension, if all of it has one tuple */
    int last = g.rank - 1;
    bool has_rows = g.place[last] == 0;
    int64_t row = has_rows ? g.dim[last] : 1, row_stride = has_rows ? g.stride[last] : 1;
    int outer = has_rows ? last : g.rank;
    int64_t rows = esk_shape_product(g.dim, 0, outer), from = 0, place = 0;
    char *to = y->data;
    for (int64_t r = 0; r < rows; r++, to += row * (int64_t)element) {
        int64_t at = from;
        for (int j = 0; j < g.tuple; j++) {
            int64_t i = indices->dtype == ESK_INT64
                            ? ((const int64_t *)indices->data)[place + j]
                            : ((const int32_t *)indices->data)[place + j];
            if (i < -g.axis_dim[j] || i >= g.axis_dim[j])
                return esk_cpu_fail(c, ESK_INVALID_ARGUMENT,
                                    "index %" PRId64 " out of range for %" PRId64, i,
                                    g.axis_dim[j]);
            at += (i < 0 ? i + g.axis_dim[j] : i) * g.axis_stride[j];
        }
        copy_elements(element, row, row_stride, to,
                      (const char *)x->data + at * (int64_t)element);
        for (int k = outer - 1; k >= 0; k--) {
            from += g.stride[k];
            place += g.place[k];
            if (++index[k] < g.dim[k])
                break;
            from -= g.stride[k] * g.dim[k];
            place -= g.place[k] * g.dim[k];
            index[k] = 0;
        }
    }
    return ESK_OK;
}

static esk_status gather_cpu(struct esk_cpu *c) {
    return run(c, describe_gather);
}

static esk_status elements_cpu(struct esk_cpu *c) {
    return run(c, describe_elements);
}

static esk_status nd_cpu(struct esk_cpu *c) {
    return run(c, describe_nd);
}

/* ---- gpu ---- */

static esk_status plan(struct esk_ctx *c, describe_fn describe, const char *label) {
    ESK_TRY(esk_move_ready(c));
    const struct esk_var *x = esk_in(c, 0), *indices = esk_in(c, 1), *y = esk_out(c, 0);
    if (!esk_var_count(x))
        return esk_unsupported(c, "the data has no elements to gather");
    enum esk_layout layout = esk_move_layout(c, 0);
    int64_t strides[ESK_MAX_RANK];
    struct gathering g = {0};
    esk_move_strides(layout, x->rank, x->dim, strides);
    describe(c->node, x->rank, x->dim, strides, indices->rank, indices->dim, &g);
    struct esk_recipe *r = esk_add_recipe(c, label);
    r->in_layout[0] = layout;
    if (!g.tuple) { /* GatherND of whole slices, none chosen */
        struct esk_move m = {0};
        for (int k = 0; k < g.rank; k++)
            esk_move_push(&m, g.dim[k], g.stride[k]);
        esk_move_kernel(c, r, &m, 0, 0);
        return ESK_OK;
    }
    enum esk_storage from = esk_storage_of(x->dtype, x->rank, x->dim, layout);
    enum esk_storage to = esk_storage_of(y->dtype, y->rank, y->dim, ESK_LAYOUT_DENSE);
    int last = g.rank - 1;
    bool vec4 = to != ESK_STORAGE_I64X2 && g.dim[last] % 4 == 0 && g.stride[last] == 1 &&
                g.place[last] == 0;
    for (int k = 0; k < last; k++)
        vec4 &= g.stride[k] % 4 == 0;
    for (int j = 0; j < g.tuple; j++)
        vec4 &= g.axis_stride[j] % 4 == 0;
    bool units = vec4 || from == ESK_STORAGE_I64X2;
    if (vec4) {
        g.dim[last] /= 4;
        for (int k = 0; k < last; k++)
            g.stride[k] /= 4;
        for (int j = 0; j < g.tuple; j++)
            g.axis_stride[j] /= 4;
    }
    struct esk_kernel *k = esk_recipe_kernel(r, "gather");
    esk_kernel_in(c, r, k, "X", 0, vec4 ? ESK_VEC4 : ESK_ELEMENT);
    esk_kernel_in(c, r, k, "I", 1, ESK_ELEMENT);
    esk_kernel_out(c, r, k, "Y", 0, units && !vec4 ? ESK_ELEMENT : ESK_VEC4);
    esk_kernel_define(k, "RANK", g.rank);
    esk_kernel_define(k, "TUPLE", g.tuple);
    if (indices->dtype == ESK_INT64)
        esk_kernel_define(k, "INDEX64", 1);
    if (units)
        esk_kernel_define(k, "UNITS", 1);
    esk_kernel_ints(k, "dim", (uint32_t)g.rank, g.dim);
    esk_kernel_ints(k, "stride", (uint32_t)g.rank, g.stride);
    esk_kernel_ints(k, "place", (uint32_t)g.rank, g.place);
    esk_kernel_ints(k, "axis_dim", (uint32_t)g.tuple, g.axis_dim);
    esk_kernel_ints(k, "axis_stride", (uint32_t)g.tuple, g.axis_stride);
    int64_t elements = esk_shape_product(g.dim, 0, g.rank);
    int unit = units ? 1 : 4;
    esk_move_step(k, "step", g.rank, g.dim, (int64_t)c->limits->group_1d * unit);
    esk_move_groups(k, c->limits, (elements + unit - 1) / unit);
    k->bytes = (double)elements * (vec4 ? 32 : 12);
    return ESK_OK;
}

/* A single known index: a slice without the axis. */
struct one {
    int axis, rank;    /* of the data */
    int between;       /* axes of the indices, all of size one */
    int64_t index;
};

static void map_one(const void *user, const int64_t *x_strides, int64_t *strides,
                    int64_t *offset) {
    const struct one *one = user;
    int at = 0;
    for (int k = 0; k < one->axis; k++)
        strides[at++] = x_strides[k];
    for (int k = 0; k < one->between; k++)
        strides[at++] = 4; /* any: the dimension is one */
    for (int k = one->axis + 1; k < one->rank; k++)
        strides[at++] = x_strides[k];
    *offset = one->index * x_strides[one->axis];
}

static esk_status gather_gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *indices = esk_in(c, 1);
    if (!indices->data || esk_var_count(indices) != 1)
        return plan(c, describe_gather, "gather");
    ESK_TRY(esk_move_ready(c));
    struct one one = {.rank = x->rank, .between = indices->rank};
    struct esk_tensor tensor = esk_var_tensor(indices);
    ESK_TRY(esk_check_axis(c, esk_attr_int(c->node, "axis", 0), x->rank, &one.axis));
    int64_t dim = x->dim[one.axis];
    one.index = esk_tensor_int(&tensor, 0);
    if (one.index < -dim || one.index >= dim)
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "index %" PRId64 " out of range for %" PRId64, one.index, dim);
    one.index += one.index < 0 ? dim : 0;
    esk_move_recipe(c, "gather one", map_one, &one, false);
    return ESK_OK;
}

static esk_status elements_gpu(struct esk_ctx *c) {
    return plan(c, describe_elements, "gather elements");
}

static esk_status nd_gpu(struct esk_ctx *c) {
    return plan(c, describe_nd, "gather nd");
}

const struct esk_op esk_op_Gather = {
    .domain = "",
    .name = "Gather",
    .since = (const uint8_t[]){1, 11, 13, 0},
    .min_in = 2,
    .min_out = 1,
    .infer = gather_infer,
    .cpu = gather_cpu,
    .gpu = gather_gpu,
};

const struct esk_op esk_op_GatherElements = {
    .domain = "",
    .name = "GatherElements",
    .since = (const uint8_t[]){11, 13, 0},
    .min_in = 2,
    .min_out = 1,
    .infer = elements_infer,
    .cpu = elements_cpu,
    .gpu = elements_gpu,
};

const struct esk_op esk_op_GatherND = {
    .domain = "",
    .name = "GatherND",
    .since = (const uint8_t[]){11, 12, 13, 0},
    .min_in = 2,
    .min_out = 1,
    .infer = nd_infer,
    .cpu = nd_cpu,
    .gpu = nd_gpu,
};
