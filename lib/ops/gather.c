/* Gather, GatherElements, GatherND: output elements at places that data says. Out: one
 * kernel that reads indices on the device; a slice where a single index is known. */
#include "ir/segments.h"
#include "recipes/gathering.h"
#include "recipes/walk.h"

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
                             "index tuples of %" PRId64
                             " for rank %d, batch_dims %" PRId64,
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

/* ---- cpu ---- */

struct sink {
    char *to;
    const char *data;
    int64_t element;
};

static void copy_row(void *user, int64_t at, int64_t n, int64_t stride) {
    struct sink *sink = user;
    int64_t size = sink->element;
    const char *from = sink->data + at * size;
    if (stride == 1)
        memcpy(sink->to, from, (size_t)(n * size));
    else
        for (int64_t i = 0; i < n; i++)
            memcpy(sink->to + i * size, from + i * stride * size, (size_t)size);
    sink->to += n * size;
}

static esk_status run(struct esk_cpu *c, esk_gathering_fn describe) {
    const struct esk_tensor *x = c->in[0], *indices = c->in[1], *y = c->out[0];
    int64_t strides[ESK_MAX_RANK];
    struct esk_gathering g = {0};
    if (!y || !esk_shape_product(y->dim, 0, y->rank))
        return ESK_OK;
    struct sink sink = {y->data, x->data, (int64_t)esk_move_element(x->dtype)};
    if (!sink.element)
        return esk_cpu_fail(c, ESK_UNSUPPORTED, "elements of type %s are not moved",
                            esk_dtype_name(x->dtype));
    esk_shape_strides(x->rank, x->dim, strides);
    describe(c->node, x->rank, x->dim, strides, indices->rank, indices->dim, &g);
    return esk_gathering_walk(c, &g, indices, copy_row, &sink);
}

static esk_status gather_cpu(struct esk_cpu *c) {
    return run(c, esk_gathering_axis);
}

static esk_status elements_cpu(struct esk_cpu *c) {
    return run(c, esk_gathering_elements);
}

static esk_status nd_cpu(struct esk_cpu *c) {
    return run(c, esk_gathering_nd);
}

/* ---- gpu ---- */

static void step_output(const struct esk_ctx *c, struct esk_kernel *k) {
    int64_t unit = k->operands[k->n_operands - 1].view == ESK_VEC4 ? 4 : 1,
            step = (int64_t)c->limits->group_1d * ESK_MOVE_PER * unit;
    esk_kernel_step(k, 0, step, step);
}

/* Data larger than a binding, for devices of few: of a piece of it each, all groups
 * again. */
static void pieces(struct esk_ctx *c, enum esk_layout layout,
                   const struct esk_gathering *g, esk_dtype indices, bool vec4) {
    const struct esk_var *x = esk_in(c, 0);
    struct esk_recipe *r = esk_add_recipe(c, "gather, piece by piece");
    r->in_layout[0] = layout;
    struct esk_kernel *k = esk_recipe_kernel(r, "gather");
    enum esk_view view = vec4 ? ESK_VEC4 : ESK_ELEMENT;
    esk_kernel_in(c, r, k, "X", 0, view);
    uint64_t bytes = esk_storage_bytes(k->operands[0].storage, layout, x->rank, x->dim);
    /* room for a start between two places where bindings may start */
    uint64_t room = esk_segment_bytes(c->limits),
             each = room > 512 ? room - 256 : room / 2;
    int64_t unit = vec4 ? 4 : 1, element = k->operands[0].storage == ESK_STORAGE_F16X2 ? 2
                                           : k->operands[0].storage == ESK_STORAGE_I64X2
                                               ? 8
                                               : 4;
    int64_t units = (int64_t)each / (element * unit);
    esk_kernel_step(k, 2, units * unit, units * unit);
    esk_kernel_in(c, r, k, "I", 1, ESK_ELEMENT);
    esk_kernel_out(c, r, k, "Y", 0, view);
    step_output(c, k);
    esk_kernel_define(k, "PIECES", 1);
    esk_kernel_int(k, "piece", units);
    esk_gathering_kernel(k, c->limits, g, indices, true);
    k->groups[2] = (bytes + each - 1) / each;
    k->bytes = (double)esk_var_count(esk_out(c, 0)) * 8;
}

static esk_status plan(struct esk_ctx *c, esk_gathering_fn describe, const char *label) {
    ESK_TRY(esk_move_ready(c));
    const struct esk_var *x = esk_in(c, 0), *indices = esk_in(c, 1), *y = esk_out(c, 0);
    if (!esk_var_count(x))
        return esk_unsupported(c, "the data has no elements to gather");
    enum esk_layout layout = esk_move_layout(c, 0);
    int64_t strides[ESK_MAX_RANK];
    struct esk_gathering g = {0};
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
    bool wide = esk_storage_of(x->dtype, x->rank, x->dim, layout) == ESK_STORAGE_I64X2;
    bool vec4 = !wide && esk_gathering_vec4(&g), units = vec4 || wide;
    struct esk_kernel *k = esk_recipe_kernel(r, "gather");
    esk_kernel_in(c, r, k, "X", 0, vec4 ? ESK_VEC4 : ESK_ELEMENT);
    /* the one token of a decoder's step: a word of the parameters */
    bool late = indices->flags & ESK_VAR_INPUT && esk_var_count(indices) == 1 &&
                g.tuple == 1 && !c->graph->is_body;
    if (late) {
        esk_kernel_define(k, "INDEX_LATE", 1);
        esk_kernel_host_int(k, "index", esk_in_id(c, 1), 0);
    } else {
        esk_kernel_in(c, r, k, "I", 1, ESK_ELEMENT);
    }
    esk_kernel_out(c, r, k, "Y", 0, wide ? ESK_ELEMENT : ESK_VEC4);
    step_output(c, k);
    esk_gathering_kernel(k, c->limits, &g, late ? ESK_INT32 : indices->dtype, units);
    k->bytes = (double)esk_var_count(y) * (vec4 ? 8 : 12);
    if (units && esk_storage_bytes(k->operands[0].storage, layout, x->rank, x->dim) >
                     c->limits->max_binding)
        pieces(c, layout, &g, indices->dtype, vec4);
    return ESK_OK;
}

/* A single known index: a slice, then without the axis. */
static esk_status gather_gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *indices = esk_in(c, 1);
    if (!indices->data || esk_var_count(indices) != 1)
        return plan(c, esk_gathering_axis, "gather");
    ESK_TRY(esk_move_ready(c));
    const struct esk_var *y = esk_out(c, 0);
    struct esk_tensor tensor = esk_var_tensor(indices);
    int axis;
    ESK_TRY(esk_check_axis(c, esk_attr_int(c->node, "axis", 0), x->rank, &axis));
    int64_t dim = x->dim[axis], index = esk_tensor_int(&tensor, 0);
    if (index < -dim || index >= dim)
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "index %" PRId64 " out of range for %" PRId64, index, dim);
    index += index < 0 ? dim : 0;
    struct esk_walk w = esk_walk_of(c, 0);
    esk_walk_slice(&w, axis, index, 1, 1);
    /* an axis of one value has no digits: this always fits */
    esk_walk_reshape(&w, y->rank, y->dim);
    esk_walk_recipe(c, "gather one", &w);
    return ESK_OK;
}

static esk_status elements_gpu(struct esk_ctx *c) {
    return plan(c, esk_gathering_elements, "gather elements");
}

static esk_status nd_gpu(struct esk_ctx *c) {
    return plan(c, esk_gathering_nd, "gather nd");
}

const struct esk_op esk_op_Gather = {
    .domain = "",
    .name = "Gather",
    .flags = ESK_OP_WALKS,
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
