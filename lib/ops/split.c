/* Split. Out: walks; and kernels of at most three outputs each where every part is made
 * of vec4s, for outputs that are needed in memory and are no ranges of the input. */
#include "recipes/walk.h"

#include <inttypes.h>
#include <string.h>

/* ---- upgrade ---- */

static esk_status upgrade(struct esk_ctx *c) {
    if (c->node->since < 13)
        return esk_upgrade_ints_to_input(c, "split", 1);
    return ESK_OK;
}

/* ---- infer ---- */

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    int64_t dims[ESK_MAX_RANK];
    int axis;
    ESK_TRY(esk_check_axis(c, esk_attr_int(c->node, "axis", 0), x->rank, &axis));
    int64_t length = x->dim[axis], n = c->node->n_out, sum = 0;
    if (esk_attr_int(c->node, "num_outputs", n) != n)
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "num_outputs is %" PRId64 " but there are %" PRId64,
                             esk_attr_int(c->node, "num_outputs", n), n);
    const struct esk_var *sizes = esk_in(c, 1);
    struct esk_tensor list;
    if (sizes) {
        if (!sizes->data || sizes->rank != 1 || sizes->dim[0] != n)
            return esk_node_fail(c, ESK_INVALID_MODEL,
                                 "split must list the sizes of %" PRId64 " outputs", n);
        list = esk_var_tensor(sizes);
    }
    for (int k = 0; k < x->rank; k++)
        dims[k] = x->dim[k];
    int64_t each = length / n + (length % n != 0);
    if (!sizes && length % n && c->node->opset < 18)
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "%" PRId64 " do not split into %" PRId64 " equal parts",
                             length, n);
    for (uint32_t i = 0; i < n; i++) {
        int64_t left = length - sum;
        dims[axis] = sizes ? esk_tensor_int(&list, i) : each < left ? each : left;
        if (dims[axis] < 0 || dims[axis] > left)
            return esk_node_fail(c, ESK_INVALID_MODEL,
                                 "split[%u] is %" PRId64 ", there are %" PRId64 " left",
                                 i, dims[axis], left);
        sum += dims[axis];
        ESK_TRY(esk_set_out(c, i, x->dtype, x->rank, dims));
    }
    if (sum != length)
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "the split sizes are %" PRId64
                             " in sum, axis %d is %" PRId64,
                             sum, axis, length);
    return ESK_OK;
}

/* ---- cpu ---- */

/* Where output i begins on the axis. Absent outputs have no shape: by the sizes. */
static int64_t start_of(uint32_t i, const struct esk_tensor *sizes, int64_t length,
                        int64_t n) {
    int64_t start = 0, each = length / n + (length % n != 0);
    if (!sizes)
        return each * i < length ? each * i : length;
    for (uint32_t k = 0; k < i; k++)
        start += esk_tensor_int(sizes, k);
    return start;
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0], *sizes = c->n_in > 1 ? c->in[1] : NULL;
    int64_t strides[ESK_MAX_RANK];
    int axis;
    if (!esk_shape_axis(esk_attr_int(c->node, "axis", 0), x->rank, &axis))
        return ESK_OK;
    esk_shape_strides(x->rank, x->dim, strides);
    for (uint32_t i = 0; i < c->n_out; i++) {
        struct esk_move m = {.offset = start_of(i, sizes, x->dim[axis], c->n_out) *
                                       strides[axis]};
        if (!c->out[i])
            continue;
        for (int k = 0; k < x->rank; k++)
            esk_move_push(&m, c->out[i]->dim[k], strides[k]);
        ESK_TRY(esk_move_cpu_call(c, 0, i, &m));
    }
    return ESK_OK;
}

/* ---- gpu ---- */

enum { PARTS = 3 };

struct part {
    uint32_t out;
    int64_t start, len; /* in the row */
};

static void add_kernel(struct esk_ctx *c, struct esk_recipe *r, const struct part *parts,
                       uint32_t n, int64_t outer, int64_t row) {
    static const char *const names[] = {"A", "B", "C"}, *const params[] = {"a", "b", "c"};
    struct esk_kernel *k = esk_recipe_kernel(r, "split");
    int64_t len = 0;
    esk_kernel_in(c, r, k, "X", 0, ESK_VEC4);
    for (uint32_t i = 0; i < n; i++) {
        esk_kernel_out(c, r, k, names[i], parts[i].out, ESK_VEC4);
        esk_kernel_int(k, params[i], parts[i].len / 4);
        len += parts[i].len / 4;
    }
    int64_t dim[2] = {outer, len};
    esk_kernel_define(k, "PARTS", n);
    esk_kernel_int(k, "row", row / 4);
    esk_kernel_int(k, "start", parts[0].start / 4);
    esk_kernel_ints(k, "dim", 2, dim);
    esk_move_step(k, "step", 2, dim, c->limits->group_1d);
    esk_move_groups(k, c->limits, outer * len);
    k->bytes = (double)(outer * len) * 32;
}

/* Says what the outputs walk. false: not all can. *ranges: all are ranges of the input.
 */
static bool add_walks(struct esk_ctx *c, struct esk_recipe *r, const struct part *parts,
                      uint32_t n, int axis, bool *ranges) {
    *ranges = true;
    for (uint32_t i = 0; i < n; i++) {
        const struct esk_var *y = esk_out(c, parts[i].out);
        struct esk_walk w = esk_walk_of(c, 0);
        uint64_t offset;
        if (parts[i].out >= ESK_RECIPE_INPUTS ||
            !esk_walk_slice(&w, axis, parts[i].start, 1, y->dim[axis]))
            return false;
        esk_walk_take(c, r, parts[i].out, &w);
        *ranges =
            *ranges && esk_walk_range(c, &w, y, r->walk[parts[i].out]->prefer, &offset);
    }
    return true;
}

static esk_status gpu(struct esk_ctx *c) {
    ESK_TRY(esk_move_ready(c));
    const struct esk_var *x = esk_in(c, 0), *sizes = esk_in(c, 1);
    struct esk_tensor list;
    if (sizes)
        list = esk_var_tensor(sizes);
    uint32_t n_out = c->node->n_out, n = 0;
    int axis;
    ESK_TRY(esk_check_axis(c, esk_attr_int(c->node, "axis", 0), x->rank, &axis));
    struct part *parts = ESK_ARENA_ARRAY(&c->graph->arena, struct part, n_out);
    if (!parts)
        return esk_fail_memory(c->error, "a list of parts");
    enum esk_layout layout = esk_move_layout(c, 0);
    for (uint32_t i = 0; i < n_out; i++)
        if (esk_out(c, i) && esk_var_count(esk_out(c, i)))
            parts[n++] = (struct part){
                i, start_of(i, sizes ? &list : NULL, x->dim[axis], n_out), 0};
    bool c4 = layout == ESK_LAYOUT_C4 && n_out <= ESK_RECIPE_INPUTS;
    for (uint32_t i = 0; i < n && axis == 1; i++)
        c4 = c4 && parts[i].start % 4 == 0 &&
             (esk_out(c, parts[i].out)->dim[1] % 4 == 0 ||
              parts[i].start + esk_out(c, parts[i].out)->dim[1] == x->dim[1]);
    struct esk_recipe *r = esk_add_recipe(c, "split");
    bool ranges, walks = add_walks(c, r, parts, n, axis, &ranges);
    if (walks && (ranges || x->walk))
        return ESK_OK;
    if (!walks)
        memset(r->walk, 0, sizeof r->walk);
    r->in_layout[0] = layout;
    /* rows of the layout in which input and outputs are alike */
    enum esk_layout rows = c4 ? ESK_LAYOUT_C4 : ESK_LAYOUT_DENSE;
    int64_t dims[ESK_MAX_RANK];
    int at = !c4 || axis == 0 ? axis : axis == 1 ? x->rank - 1 : axis - 1;
    esk_layout_dims(rows, x->rank, x->dim, dims);
    int64_t outer = esk_shape_product(dims, 0, at),
            row = esk_shape_product(dims, at, x->rank);
    int64_t inner = esk_shape_product(dims, at + 1, x->rank);
    enum esk_storage storage = esk_storage_of(x->dtype, x->rank, x->dim, rows);
    bool vec4 = (c4 || layout == ESK_LAYOUT_DENSE) && storage != ESK_STORAGE_I64X2 &&
                row % 4 == 0 && n > 1;
    for (uint32_t i = 0; i < n; i++) {
        const struct esk_var *y = esk_out(c, parts[i].out);
        esk_layout_dims(rows, y->rank, y->dim, dims);
        parts[i].start *= inner;
        parts[i].len = dims[at] * inner;
        vec4 &= parts[i].start % 4 == 0 && parts[i].len % 4 == 0;
    }
    if (!vec4 && walks)
        return ESK_OK;
    if (!vec4) {
        int64_t strides[ESK_MAX_RANK];
        esk_move_strides(layout, x->rank, x->dim, strides);
        for (uint32_t i = 0; i < n; i++) {
            int64_t start =
                start_of(parts[i].out, sizes ? &list : NULL, x->dim[axis], n_out);
            bool to_end =
                axis != 1 || start + esk_out(c, parts[i].out)->dim[1] == x->dim[1];
            struct esk_move m = esk_move_output(c, r, 0, parts[i].out, strides,
                                                start * strides[axis], to_end);
            esk_move_kernel(c, r, &m, 0, parts[i].out);
        }
        return ESK_OK;
    }
    for (uint32_t i = 0; i < n_out && i < ESK_RECIPE_INPUTS; i++)
        r->out_layout[i] = rows;
    for (uint32_t i = 0, next; i < n; i = next) {
        next = i + 1; /* neighbours: no part is missing between them */
        while (next < n && next - i < PARTS &&
               parts[next].start == parts[next - 1].start + parts[next - 1].len)
            next++;
        add_kernel(c, r, parts + i, next - i, outer, row);
    }
    return ESK_OK;
}

static uint32_t host_in(const struct esk_graph *graph, const struct esk_node *node) {
    (void)graph;
    (void)node;
    return 1 << 1;
}

const struct esk_op esk_op_Split = {
    .domain = "",
    .name = "Split",
    .flags = ESK_OP_WALKS,
    .since = (const uint8_t[]){1, 2, 11, 13, 18, 0},
    .min_in = 1,
    .max_in = 2,
    .min_out = 1,
    .max_out = UINT32_MAX,
    .host_in = host_in,
    .upgrade = upgrade,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
