/* Reshape, Flatten, Squeeze, Unsqueeze, Identity, Dropout: output 0 is the bytes of input
 * 0 under another shape. Out: an alias, a walk, or a copy where the device keeps the two
 * shapes differently (halves with an odd innermost extent). */
#include "recipes/map.h"
#include "recipes/walk.h"

#include <inttypes.h>
#include <string.h>

/* ---- upgrade ---- */

static esk_status reshape_upgrade(struct esk_ctx *c) {
    return c->node->since < 5 ? esk_upgrade_ints_to_input(c, "shape", 1) : ESK_OK;
}

static esk_status axes_upgrade(struct esk_ctx *c) {
    return c->node->since < 13 ? esk_upgrade_ints_to_input(c, "axes", 1) : ESK_OK;
}

/* Old masks have the data's type; the newest dialect's are bool. */
static esk_status dropout_upgrade(struct esk_ctx *c) {
    if (c->node->since < 10 &&
        !esk_node_set_int(c->graph, c->node, "esk_mask_like_data", 1))
        return esk_fail_memory(c->error, "an attribute");
    return ESK_OK;
}

/* ---- infer ---- */

static esk_status reshape_infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    int64_t dims[ESK_MAX_RANK], known = 1, count = esk_var_count(x);
    uint32_t n;
    int wild = -1;
    if (!esk_in(c, 1))
        return esk_node_fail(c, ESK_INVALID_MODEL, "there is no shape");
    ESK_TRY(esk_in_ints(c, 1, dims, ESK_MAX_RANK, &n));
    bool allow_zero = esk_attr_int(c->node, "allowzero", 0) != 0, zero = false;
    for (uint32_t i = 0; i < n; i++) {
        if (dims[i] == 0 && !allow_zero) {
            if ((int)i >= x->rank)
                return esk_node_fail(c, ESK_INVALID_MODEL,
                                     "shape[%u] is 0 but the input has rank %d", i,
                                     x->rank);
            dims[i] = x->dim[i];
        }
        zero |= dims[i] == 0;
        if (dims[i] == -1 && wild < 0) {
            wild = (int)i;
            continue;
        }
        if (dims[i] < 0)
            return esk_node_fail(c, ESK_INVALID_MODEL, "shape[%u] is %" PRId64 "%s", i,
                                 dims[i], dims[i] == -1 ? ", the second -1" : "");
        if (dims[i] && __builtin_mul_overflow(known, dims[i], &known))
            return esk_node_fail(c, ESK_INVALID_MODEL, "the shape has too many elements");
    }
    if (zero)
        known = 0;
    if (wild >= 0 && zero && allow_zero)
        return esk_node_fail(c, ESK_INVALID_MODEL, "shape has both 0 and -1");
    if (wild >= 0) {
        if (known ? count % known : count)
            return esk_node_fail(c, ESK_INVALID_MODEL,
                                 "%" PRId64 " elements do not divide by %" PRId64, count,
                                 known);
        dims[wild] = known ? count / known : 0;
    } else if (known != count)
        return esk_node_fail(c, ESK_INVALID_MODEL, "%" PRId64 " elements become %" PRId64,
                             count, known);
    return esk_set_out(c, 0, x->dtype, (int)n, dims);
}

static esk_status flatten_infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    int64_t axis = esk_attr_int(c->node, "axis", 1);
    if (axis < -x->rank || axis > x->rank)
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "axis %" PRId64 " out of range for rank %d", axis, x->rank);
    int at = (int)(axis < 0 ? axis + x->rank : axis);
    int64_t dims[2] = {esk_shape_product(x->dim, 0, at),
                       esk_shape_product(x->dim, at, x->rank)};
    return esk_set_out(c, 0, x->dtype, 2, dims);
}

/* Input 1 as a set of axes of `rank`. */
static esk_status axes_mask(struct esk_ctx *c, int rank, uint32_t *mask) {
    int64_t axes[2 * ESK_MAX_RANK];
    uint32_t n;
    *mask = 0;
    ESK_TRY(esk_in_ints(c, 1, axes, 2 * ESK_MAX_RANK, &n));
    for (uint32_t i = 0; i < n; i++) {
        int axis;
        ESK_TRY(esk_check_axis(c, axes[i], rank, &axis));
        if (*mask >> axis & 1)
            return esk_node_fail(c, ESK_INVALID_MODEL, "axis %" PRId64 " is named twice",
                                 axes[i]);
        *mask |= 1u << axis;
    }
    return ESK_OK;
}

static esk_status squeeze_infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    int64_t dims[ESK_MAX_RANK];
    uint32_t mask;
    int rank = 0;
    ESK_TRY(axes_mask(c, x->rank, &mask));
    bool all = !esk_in(c, 1);
    for (int k = 0; k < x->rank; k++) {
        bool named = mask >> k & 1;
        if (named && x->dim[k] != 1)
            return esk_node_fail(c, ESK_INVALID_MODEL,
                                 "axis %d has size %" PRId64 ", not 1", k, x->dim[k]);
        if (!named && !(all && x->dim[k] == 1))
            dims[rank++] = x->dim[k];
    }
    return esk_set_out(c, 0, x->dtype, rank, dims);
}

static esk_status unsqueeze_infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    int64_t dims[2 * ESK_MAX_RANK], axes[2 * ESK_MAX_RANK];
    uint32_t mask, n;
    ESK_TRY(esk_in_ints(c, 1, axes, 2 * ESK_MAX_RANK, &n));
    int rank = x->rank + (int)n;
    ESK_TRY(axes_mask(c, rank, &mask));
    for (int k = 0, at = 0; k < rank; k++)
        dims[k] = mask >> k & 1 ? 1 : x->dim[at++];
    return esk_set_out(c, 0, x->dtype, rank, dims);
}

static esk_status identity_infer(struct esk_ctx *c) {
    return esk_set_out_like(c, 0, 0);
}

static esk_status dropout_infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *training = esk_in(c, 2);
    if (training && training->data) {
        struct esk_tensor flag = esk_var_tensor(training);
        float ratio = 0.5f;
        uint32_t n;
        ESK_TRY(esk_in_floats(c, 1, &ratio, 1, &n));
        if (esk_var_count(training) > 0 && esk_tensor_int(&flag, 0) && ratio != 0)
            return esk_node_fail(c, ESK_UNSUPPORTED,
                                 "training_mode is true; Esker only infers");
    }
    ESK_TRY(esk_set_out_like(c, 0, 0));
    bool like = esk_attr_int(c->node, "esk_mask_like_data", 0);
    return esk_set_out(c, 1, like ? x->dtype : ESK_BOOL, x->rank, x->dim);
}

/* ---- cpu ---- */

static esk_status view_cpu(struct esk_cpu *c) {
    if (c->out[0] && c->out[0]->bytes)
        memcpy(c->out[0]->data, c->in[0]->data, c->out[0]->bytes);
    return ESK_OK;
}

static esk_status dropout_cpu(struct esk_cpu *c) {
    ESK_TRY(view_cpu(c));
    struct esk_tensor *mask = c->n_out > 1 ? c->out[1] : NULL;
    int64_t count = mask ? esk_shape_product(mask->dim, 0, mask->rank) : 0;
    if (mask && mask->dtype == ESK_BOOL)
        memset(mask->data, 1, (size_t)count);
    else
        for (int64_t i = 0; i < count; i++)
            esk_tensor_set_double(mask, i, 1);
    return ESK_OK;
}

/* ---- gpu ---- */

/* Elements in ONNX order, from the layout that they are in. */
static void in_order(const struct esk_var *x, enum esk_layout layout,
                     struct esk_move *move) {
    int64_t strides[ESK_MAX_RANK];
    esk_move_strides(layout, x->rank, x->dim, strides);
    *move = (struct esk_move){0};
    for (int k = 0; k < x->rank; k++)
        esk_move_push(move, x->dim[k], strides[k]);
    esk_move_collapse(move);
}

static bool keeps_shape(const struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *y = esk_out(c, 0);
    return esk_shape_equal(x->rank, x->dim, y->rank, y->dim);
}

static esk_status view_gpu(struct esk_ctx *c) {
    ESK_TRY(esk_move_ready(c));
    const struct esk_var *x = esk_in(c, 0), *y = esk_out(c, 0);
    enum esk_layout layout = esk_move_layout(c, 0);
    enum esk_storage to = esk_storage_of(y->dtype, y->rank, y->dim, ESK_LAYOUT_DENSE);
    struct esk_walk w = esk_walk_of(c, 0);
    struct esk_move m;
    if ((x->walk || (layout == ESK_LAYOUT_C4 && !keeps_shape(c))) &&
        esk_walk_reshape(&w, y->rank, y->dim)) {
        esk_walk_recipe(c, "view", &w);
        return ESK_OK;
    }
    struct esk_recipe *r = esk_add_recipe(c, "view");
    if (keeps_shape(c)) {
        r->in_layout[0] = r->out_layout[0] = layout;
        r->alias = 0;
    } else if (esk_storage_of(x->dtype, x->rank, x->dim, ESK_LAYOUT_DENSE) == to)
        r->alias = 0;
    else {
        r->label = "copy";
        r->in_layout[0] = layout;
        in_order(x, layout, &m);
        esk_move_kernel(c, r, &m, 0, 0);
    }
    return ESK_OK;
}

static esk_status dropout_gpu(struct esk_ctx *c) {
    const struct esk_var *mask = esk_out(c, 1);
    if (!mask)
        return view_gpu(c);
    ESK_TRY(esk_move_ready(c));
    enum esk_layout layout = esk_move_layout(c, 0);
    struct esk_recipe *r = esk_add_recipe(c, "copy and mask");
    struct esk_move m;
    r->in_layout[0] = layout;
    in_order(esk_in(c, 0), layout, &m);
    esk_move_kernel(c, r, &m, 0, 0);
    struct esk_kernel *k = esk_recipe_kernel(r, "fill");
    bool is_bool = mask->dtype == ESK_BOOL;
    esk_kernel_define(k, "MODE", 0);
    esk_kernel_define(k, "KIND", is_bool ? 2 : 0);
    if (is_bool)
        esk_kernel_int(k, "value", 1);
    else
        esk_kernel_float(k, "value", 1);
    esk_kernel_map(c, r, k, 1, true);
    return ESK_OK;
}

static uint32_t second_in(const struct esk_graph *graph, const struct esk_node *node) {
    (void)graph;
    (void)node;
    return 1 << 1;
}

static uint32_t dropout_host_in(const struct esk_graph *graph,
                                const struct esk_node *node) {
    (void)graph;
    return node->n_in > 2 && node->in[2] != ESK_NONE ? 3 << 1 : 0;
}

const struct esk_op esk_op_Reshape = {
    .domain = "",
    .name = "Reshape",
    .since = (const uint8_t[]){1, 5, 13, 14, 19, 21, 23, 24, 25, 0},
    .flags = ESK_OP_VIEW | ESK_OP_WALKS,
    .min_in = 1,
    .max_in = 2,
    .min_out = 1,
    .host_in = second_in,
    .upgrade = reshape_upgrade,
    .infer = reshape_infer,
    .cpu = view_cpu,
    .gpu = view_gpu,
};

const struct esk_op esk_op_Flatten = {
    .domain = "",
    .name = "Flatten",
    .since = (const uint8_t[]){1, 9, 11, 13, 21, 23, 24, 25, 0},
    .flags = ESK_OP_VIEW | ESK_OP_WALKS,
    .min_in = 1,
    .min_out = 1,
    .infer = flatten_infer,
    .cpu = view_cpu,
    .gpu = view_gpu,
};

const struct esk_op esk_op_Squeeze = {
    .domain = "",
    .name = "Squeeze",
    .since = (const uint8_t[]){1, 11, 13, 21, 23, 24, 25, 0},
    .flags = ESK_OP_VIEW | ESK_OP_WALKS,
    .min_in = 1,
    .max_in = 2,
    .min_out = 1,
    .host_in = second_in,
    .upgrade = axes_upgrade,
    .infer = squeeze_infer,
    .cpu = view_cpu,
    .gpu = view_gpu,
};

const struct esk_op esk_op_Unsqueeze = {
    .domain = "",
    .name = "Unsqueeze",
    .since = (const uint8_t[]){1, 11, 13, 21, 23, 24, 25, 0},
    .flags = ESK_OP_VIEW | ESK_OP_WALKS,
    .min_in = 1,
    .max_in = 2,
    .min_out = 1,
    .host_in = second_in,
    .upgrade = axes_upgrade,
    .infer = unsqueeze_infer,
    .cpu = view_cpu,
    .gpu = view_gpu,
};

const struct esk_op esk_op_Identity = {
    .domain = "",
    .name = "Identity",
    .since = (const uint8_t[]){1, 13, 14, 16, 19, 21, 23, 24, 25, 0},
    .flags = ESK_OP_VIEW | ESK_OP_WALKS,
    .min_in = 1,
    .min_out = 1,
    .infer = identity_infer,
    .cpu = view_cpu,
    .gpu = view_gpu,
};

const struct esk_op esk_op_Dropout = {
    .domain = "",
    .name = "Dropout",
    .since = (const uint8_t[]){1, 6, 7, 10, 12, 13, 22, 0},
    .flags = ESK_OP_VIEW | ESK_OP_WALKS,
    .min_in = 1,
    .max_in = 3,
    .min_out = 1,
    .max_out = 2,
    .host_in = dropout_host_in,
    .upgrade = dropout_upgrade,
    .infer = dropout_infer,
    .cpu = dropout_cpu,
    .gpu = dropout_gpu,
};
