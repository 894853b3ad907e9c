/* The index arithmetic of gathers and scatters. In: shapes; out: strides, a host walk,
 * kernel parameters. Must not know which operator asks. */
#include "recipes/gathering.h"

#include "recipes/move.h"

#include <inttypes.h>

static void push(struct esk_gathering *g, int64_t dim, int64_t stride, int64_t place) {
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

static void finish(struct esk_gathering *g) {
    if (g->rank)
        return;
    g->dim[0] = 1;
    g->stride[0] = g->place[0] = 0;
    g->rank = 1;
}

void esk_gathering_axis(const struct esk_node *node, int rank, const int64_t *dims,
                        const int64_t *strides, int i_rank, const int64_t *indices,
                        struct esk_gathering *g) {
    int axis = 0;
    int64_t places[ESK_MAX_RANK];
    esk_shape_axis(esk_attr_int(node, "axis", 0), rank, &axis);
    esk_shape_strides(i_rank, indices, places);
    for (int k = 0; k < axis; k++)
        push(g, dims[k], strides[k], 0);
    for (int k = 0; k < i_rank; k++)
        push(g, indices[k], 0, places[k]);
    for (int k = axis + 1; k < rank; k++)
        push(g, dims[k], strides[k], 0);
    g->tuple = 1;
    g->axis_dim[0] = dims[axis];
    g->axis_stride[0] = strides[axis];
    finish(g);
}

void esk_gathering_elements(const struct esk_node *node, int rank, const int64_t *dims,
                            const int64_t *strides, int i_rank, const int64_t *indices,
                            struct esk_gathering *g) {
    int axis = 0;
    int64_t places[ESK_MAX_RANK];
    esk_shape_axis(esk_attr_int(node, "axis", 0), rank, &axis);
    esk_shape_strides(i_rank, indices, places);
    for (int k = 0; k < rank; k++)
        push(g, indices[k], k == axis ? 0 : strides[k], places[k]);
    g->tuple = 1;
    g->axis_dim[0] = dims[axis];
    g->axis_stride[0] = strides[axis];
    finish(g);
}

void esk_gathering_nd(const struct esk_node *node, int rank, const int64_t *dims,
                      const int64_t *strides, int i_rank, const int64_t *indices,
                      struct esk_gathering *g) {
    int batch = (int)esk_attr_int(node, "batch_dims", 0);
    int64_t places[ESK_MAX_RANK];
    esk_shape_strides(i_rank, indices, places);
    g->tuple = (int)indices[i_rank - 1];
    for (int k = 0; k + 1 < i_rank; k++)
        push(g, indices[k], k < batch ? strides[k] : 0, places[k]);
    for (int k = batch + g->tuple; k < rank; k++)
        push(g, dims[k], strides[k], 0);
    for (int j = 0; j < g->tuple; j++) {
        g->axis_dim[j] = dims[batch + j];
        g->axis_stride[j] = strides[batch + j];
    }
    finish(g);
}

esk_status esk_gathering_walk(const struct esk_cpu *c, const struct esk_gathering *g,
                              const struct esk_tensor *indices, esk_gathering_row row,
                              void *user) {
    int64_t index[2 * ESK_MAX_RANK] = {0};
    /* rows: the innermost dimension, if all of it has one tuple */
    int last = g->rank - 1;
    bool has_rows = g->place[last] == 0;
    int64_t n = has_rows ? g->dim[last] : 1, stride = has_rows ? g->stride[last] : 1;
    int outer = has_rows ? last : g->rank;
    int64_t rows = esk_shape_product(g->dim, 0, outer), from = 0, place = 0;
    for (int64_t r = 0; r < rows; r++) {
        int64_t at = from;
        for (int j = 0; j < g->tuple; j++) {
            int64_t i = indices->dtype == ESK_INT64
                            ? ((const int64_t *)indices->data)[place + j]
                            : ((const int32_t *)indices->data)[place + j];
            if (i < -g->axis_dim[j] || i >= g->axis_dim[j])
                return esk_cpu_fail(c, ESK_INVALID_ARGUMENT,
                                    "index %" PRId64 " out of range for %" PRId64, i,
                                    g->axis_dim[j]);
            at += (i < 0 ? i + g->axis_dim[j] : i) * g->axis_stride[j];
        }
        row(user, at, n, stride);
        for (int k = outer - 1; k >= 0; k--) {
            from += g->stride[k];
            place += g->place[k];
            if (++index[k] < g->dim[k])
                break;
            from -= g->stride[k] * g->dim[k];
            place -= g->place[k] * g->dim[k];
            index[k] = 0;
        }
    }
    return ESK_OK;
}

bool esk_gathering_vec4(struct esk_gathering *g) {
    int last = g->rank - 1;
    bool vec4 = g->dim[last] % 4 == 0 && g->stride[last] == 1 && g->place[last] == 0;
    for (int k = 0; k < last; k++)
        vec4 &= g->stride[k] % 4 == 0;
    for (int j = 0; j < g->tuple; j++)
        vec4 &= g->axis_stride[j] % 4 == 0;
    if (!vec4)
        return false;
    g->dim[last] /= 4;
    for (int k = 0; k < last; k++)
        g->stride[k] /= 4;
    for (int j = 0; j < g->tuple; j++)
        g->axis_stride[j] /= 4;
    return true;
}

void esk_gathering_kernel(struct esk_kernel *k, const struct esk_limits *limits,
                          const struct esk_gathering *g, esk_dtype indices, bool units) {
    esk_kernel_define(k, "RANK", g->rank);
    esk_kernel_define(k, "TUPLE", g->tuple);
    if (indices == ESK_INT64)
        esk_kernel_define(k, "INDEX64", 1);
    if (units)
        esk_kernel_define(k, "UNITS", 1);
    esk_kernel_ints(k, "dim", (uint32_t)g->rank, g->dim);
    esk_kernel_ints(k, "stride", (uint32_t)g->rank, g->stride);
    esk_kernel_ints(k, "place", (uint32_t)g->rank, g->place);
    esk_kernel_ints(k, "axis_dim", (uint32_t)g->tuple, g->axis_dim);
    esk_kernel_ints(k, "axis_stride", (uint32_t)g->tuple, g->axis_stride);
    int64_t elements = esk_shape_product(g->dim, 0, g->rank);
    int unit = units ? 1 : 4;
    esk_move_step(k, "step", g->rank, g->dim, (int64_t)limits->group_1d * unit);
    esk_move_groups(k, limits, (elements + unit - 1) / unit);
}
