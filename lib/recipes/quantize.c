/* Scales over elements, packed integers, and the nodes that quantized operators become.
 * In: attributes, shapes, a node to upgrade; out: numbers, nodes. Must not know kernels.
 */
#include "recipes/quantize.h"

#include "recipes/rows.h"

#include <string.h>

const char *esk_scales_read(const struct esk_node *node, int rank, const int64_t *dims,
                            int scale_rank, const int64_t *scale_dims,
                            struct esk_scales *scales) {
    int64_t block = esk_attr_int(node, "block_size", 0);
    int axis;
    *scales = (struct esk_scales){.one = true, .outer = 1, .axis = 1};
    scales->inner = esk_shape_product(dims, 0, rank);
    if (block < 0)
        return "block_size is negative";
    if (block == 0 && (scale_rank == 0 || (scale_rank == 1 && scale_dims[0] == 1)))
        return NULL;
    if (!esk_shape_axis(esk_attr_int(node, "axis", 1), rank, &axis))
        return "axis is out of range";
    scales->one = false;
    scales->outer = esk_shape_product(dims, 0, axis);
    scales->axis = dims[axis];
    scales->inner = esk_shape_product(dims, axis + 1, rank);
    scales->block = block;
    if (block == 0) {
        scales->blocks = dims[axis];
        if (scale_rank != 1 || scale_dims[0] != dims[axis])
            return "there must be one scale, or one for each item of the axis";
        return NULL;
    }
    scales->blocks = dims[axis] / block + (dims[axis] % block != 0);
    if (scale_rank != rank)
        return "scales of blocks must have the rank of the input";
    for (int k = 0; k < rank; k++)
        if (scale_dims[k] != (k == axis ? scales->blocks : dims[k]))
            return "the shape of the scales does not fit the blocks";
    return NULL;
}

bool esk_quantized_type(esk_dtype dtype) {
    switch (dtype) {
    case ESK_INT2:
    case ESK_UINT2:
    case ESK_INT4:
    case ESK_UINT4:
    case ESK_INT8:
    case ESK_UINT8:
    case ESK_INT16:
    case ESK_UINT16:
    case ESK_INT32:
        return true;
    default:
        return false;
    }
}

static bool is_signed(esk_dtype dtype) {
    return dtype == ESK_INT2 || dtype == ESK_INT4 || esk_dtype_is_signed(dtype);
}

void esk_quantized_range(esk_dtype dtype, int64_t *low, int64_t *high) {
    unsigned bits = esk_dtype_bits(dtype);
    *low = is_signed(dtype) ? -((int64_t)1 << (bits - 1)) : 0;
    *high = *low + ((int64_t)1 << bits) - 1;
}

void esk_quantized_load(const struct esk_tensor *x, int64_t from, int64_t n,
                        int64_t *to) {
    unsigned bits = esk_dtype_bits(x->dtype), sign;
    if (bits >= 8) {
        esk_rows_load_ints(x, from, 1, n, to);
        return;
    }
    const uint8_t *bytes = x->data;
    int64_t in_byte = 8 / bits, mask = (1 << bits) - 1;
    sign = is_signed(x->dtype) ? 1u << (bits - 1) : 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = from + i;
        int64_t v = bytes[at / in_byte] >> (unsigned)(at % in_byte) * bits & mask;
        to[i] = (v ^ (int64_t)sign) - (int64_t)sign;
    }
}

void esk_quantized_store(struct esk_tensor *y, int64_t at, int64_t n,
                         const int64_t *from) {
    unsigned bits = esk_dtype_bits(y->dtype);
    if (bits >= 8) {
        esk_rows_store_ints(y, at, n, from, false);
        return;
    }
    uint8_t *bytes = y->data;
    int64_t in_byte = 8 / bits;
    unsigned mask = (1u << bits) - 1;
    for (int64_t i = 0; i < n; i++) {
        unsigned shift = (unsigned)((at + i) % in_byte) * bits;
        uint8_t *byte = &bytes[(at + i) / in_byte];
        unsigned keep = shift == 0 ? 0 : *byte & ~(mask << shift);
        *byte = (uint8_t)(keep | ((unsigned)from[i] & mask) << shift);
    }
}

/* ---- nodes ---- */

esk_id esk_rewrite_in(const struct esk_rewrite *w, uint32_t i) {
    return i < w->c->node->n_in ? w->c->node->in[i] : ESK_NONE;
}

esk_id esk_rewrite_n(struct esk_rewrite *w, const char *op, uint32_t n,
                     const esk_id *in) {
    esk_id y = esk_graph_add_temp(w->c->graph, w->c->node->name), id = ESK_NONE;
    if (y != ESK_NONE)
        id = esk_graph_add_node(w->c->graph, "", op, NULL, n, in, 1, &y);
    if (id == ESK_NONE) {
        w->failed = true;
        return ESK_NONE;
    }
    w->last = w->c->graph->nodes[id];
    return y;
}

esk_id esk_rewrite_2(struct esk_rewrite *w, const char *op, esk_id a, esk_id b) {
    esk_id in[] = {a, b};
    return esk_rewrite_n(w, op, b == ESK_NONE ? 1 : 2, in);
}

void esk_rewrite_int(struct esk_rewrite *w, const char *name, int64_t value) {
    if (w->last && !esk_node_set_int(w->c->graph, w->last, name, value))
        w->failed = true;
}

esk_id esk_rewrite_cast(struct esk_rewrite *w, esk_id x, esk_dtype to) {
    if (x != ESK_NONE && w->c->graph->vars[x]->dtype == to)
        return x;
    esk_id y = esk_rewrite_2(w, "Cast", x, ESK_NONE);
    esk_rewrite_int(w, "to", to);
    return y;
}

static esk_id constant(struct esk_rewrite *w, esk_dtype dtype, int rank,
                       const int64_t *dims, const void *data) {
    esk_id id =
        esk_graph_add_const(w->c->graph, w->c->node->name, dtype, rank, dims, data);
    w->failed |= id == ESK_NONE;
    return id;
}

esk_id esk_rewrite_float(struct esk_rewrite *w, float value) {
    return constant(w, ESK_FLOAT, 0, NULL, &value);
}

esk_id esk_rewrite_ints(struct esk_rewrite *w, uint32_t n, const int64_t *values) {
    int64_t count = n;
    return constant(w, ESK_INT64, 1, &count, values);
}

esk_id esk_rewrite_centered(struct esk_rewrite *w, esk_id x, esk_id zero) {
    x = esk_rewrite_cast(w, x, ESK_INT32);
    return zero == ESK_NONE
               ? x
               : esk_rewrite_2(w, "Sub", x, esk_rewrite_cast(w, zero, ESK_INT32));
}

esk_id esk_rewrite_column(struct esk_rewrite *w, esk_id x) {
    if (x == ESK_NONE)
        return x;
    const struct esk_var *var = w->c->graph->vars[x];
    int64_t last = -1;
    return var->rank < 0 || (var->rank == 1 && var->dim[0] != 1)
               ? esk_rewrite_2(w, "Unsqueeze", x, esk_rewrite_ints(w, 1, &last))
               : x;
}

esk_id esk_rewrite_dequantize(struct esk_rewrite *w, esk_id x, esk_id scale,
                              esk_id zero) {
    esk_id in[] = {x, scale, zero};
    return esk_rewrite_n(w, "DequantizeLinear", zero == ESK_NONE ? 2 : 3, in);
}

esk_id esk_rewrite_quantize(struct esk_rewrite *w, esk_id x, esk_id scale, esk_id zero) {
    esk_id in[] = {x, scale, zero};
    return esk_rewrite_n(w, "QuantizeLinear", zero == ESK_NONE ? 2 : 3, in);
}

void esk_rewrite_dynamic(struct esk_rewrite *w, esk_id x, esk_id *y, esk_id *scale,
                         esk_id *zero) {
    esk_id none = esk_rewrite_float(w, 0), most = esk_rewrite_float(w, 255);
    esk_id low = esk_rewrite_2(w, "ReduceMin", x, ESK_NONE);
    esk_rewrite_int(w, "keepdims", 0);
    low = esk_rewrite_2(w, "Min", low, none);
    esk_id high = esk_rewrite_2(w, "ReduceMax", x, ESK_NONE);
    esk_rewrite_int(w, "keepdims", 0);
    high = esk_rewrite_2(w, "Max", high, none);
    esk_id range = esk_rewrite_2(w, "Sub", high, low);
    esk_id choice[] = {esk_rewrite_2(w, "Equal", range, none), esk_rewrite_float(w, 1),
                       esk_rewrite_2(w, "Div", range, most)};
    *scale = esk_rewrite_n(w, "Where", 3, choice);
    esk_id start = esk_rewrite_2(w, "Sub", none, esk_rewrite_2(w, "Div", low, *scale));
    esk_id clip[] = {start, none, most};
    start = esk_rewrite_2(w, "Round", esk_rewrite_n(w, "Clip", 3, clip), ESK_NONE);
    *zero = esk_rewrite_cast(w, start, ESK_UINT8);
    *y = esk_rewrite_quantize(w, x, *scale, *zero);
}

esk_status esk_rewrite_end(struct esk_rewrite *w, const char *op, uint32_t n,
                           const esk_id *in, bool keep) {
    struct esk_node *node = w->c->node;
    esk_id *list = esk_arena_copy(&w->c->graph->arena, in, n * sizeof *in);
    if (!list || w->failed)
        return esk_fail_memory(w->c->error, "nodes of an upgrade");
    node->in = list;
    node->n_in = n;
    node->op_type = op;
    node->domain = "";
    node->opset = 0;
    if (!keep)
        node->n_attrs = 0;
    return ESK_OK;
}
