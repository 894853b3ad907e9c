/* Slice: every step-th element between start and end, along some axes. Out: a walk;
 * strides may be negative. */
#include "recipes/walk.h"

#include <inttypes.h>

/* ---- upgrade ---- */

static esk_status upgrade(struct esk_ctx *c) {
    if (c->node->since >= 10)
        return ESK_OK;
    ESK_TRY(esk_upgrade_ints_to_input(c, "starts", 1));
    ESK_TRY(esk_upgrade_ints_to_input(c, "ends", 2));
    return esk_upgrade_ints_to_input(c, "axes", 3);
}

/* What each axis of the input gives. */
struct cut {
    int rank;
    int64_t start[ESK_MAX_RANK], step[ESK_MAX_RANK], size[ESK_MAX_RANK];
};

static int64_t between(int64_t value, int64_t low, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

static void cut_axis(int64_t dim, int64_t start, int64_t end, int64_t step,
                     int64_t *first, int64_t *count) {
    start += start < 0 ? dim : 0;
    end += end < 0 ? dim : 0;
    if (step > 0) {
        start = between(start, 0, dim);
        end = between(end, 0, dim);
        *count = end > start ? (end - start - 1) / step + 1 : 0;
    } else {
        start = between(start, 0, dim - 1);
        end = between(end, -1, dim - 1);
        *count = dim > 0 && start > end ? (start - end - 1) / -step + 1 : 0;
    }
    *first = *count ? start : 0;
}

/* `ints`: starts, ends, axes, steps; n of each (axes and steps may have none). NULL, or
 * what is wrong. */
static const char *read_cut(int rank, const int64_t *dims,
                            int64_t ints[4][2 * ESK_MAX_RANK], const uint32_t *n,
                            struct cut *cut) {
    uint32_t seen = 0;
    cut->rank = rank;
    for (int k = 0; k < rank; k++)
        cut->start[k] = 0, cut->step[k] = 1, cut->size[k] = dims[k];
    if (n[1] != n[0] || (n[2] && n[2] != n[0]) || (n[3] && n[3] != n[0]))
        return "starts, ends, axes and steps have different lengths";
    for (uint32_t i = 0; i < n[0]; i++) {
        int axis;
        int64_t step = n[3] ? ints[3][i] : 1;
        if (!esk_shape_axis(n[2] ? ints[2][i] : i, rank, &axis))
            return "an axis is out of range";
        if (seen >> axis & 1)
            return "an axis is named twice";
        if (step == 0)
            return "a step is 0";
        seen |= 1u << axis;
        step = step == INT64_MIN ? -INT64_MAX : step;
        cut_axis(dims[axis], ints[0][i], ints[1][i], step, &cut->start[axis],
                 &cut->size[axis]);
        cut->step[axis] = cut->size[axis] > 1 ? step : 1;
    }
    return NULL;
}

static esk_status plan(const struct esk_ctx *c, struct cut *cut) {
    const struct esk_var *x = esk_in(c, 0);
    int64_t ints[4][2 * ESK_MAX_RANK];
    uint32_t n[4];
    for (uint32_t i = 0; i < 4; i++)
        ESK_TRY(esk_in_ints(c, i + 1, ints[i], 2 * ESK_MAX_RANK, &n[i]));
    const char *wrong = read_cut(x->rank, x->dim, ints, n, cut);
    return wrong ? esk_node_fail(c, ESK_INVALID_MODEL, "%s (rank %d)", wrong, x->rank)
                 : ESK_OK;
}

static esk_status infer(struct esk_ctx *c) {
    struct cut cut;
    ESK_TRY(plan(c, &cut));
    return esk_set_out(c, 0, esk_in(c, 0)->dtype, cut.rank, cut.size);
}

static void map(const void *user, const int64_t *x_strides, int64_t *strides,
                int64_t *offset) {
    const struct cut *cut = user;
    for (int k = 0; k < cut->rank; k++) {
        strides[k] = x_strides[k] * cut->step[k];
        *offset += x_strides[k] * cut->start[k];
    }
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0];
    int64_t ints[4][2 * ESK_MAX_RANK], xs[ESK_MAX_RANK], strides[ESK_MAX_RANK];
    uint32_t n[4];
    struct cut cut;
    struct esk_move m = {0};
    for (uint32_t i = 0; i < 4; i++)
        n[i] = esk_move_ints(i + 1 < c->n_in ? c->in[i + 1] : NULL, ints[i],
                             2 * ESK_MAX_RANK);
    const char *wrong = read_cut(x->rank, x->dim, ints, n, &cut);
    if (wrong)
        return esk_cpu_fail(c, ESK_INVALID_ARGUMENT, "%s (rank %d)", wrong, x->rank);
    esk_shape_strides(x->rank, x->dim, xs);
    map(&cut, xs, strides, &m.offset);
    for (int k = 0; k < cut.rank; k++)
        esk_move_push(&m, cut.size[k], strides[k]);
    return esk_move_cpu_call(c, 0, 0, &m);
}

static bool slice(struct esk_walk *w, const struct cut *cut) {
    for (int k = 0; k < cut->rank; k++)
        if (!esk_walk_slice(w, k, cut->start[k], cut->step[k], cut->size[k]))
            return false;
    return true;
}

static esk_status gpu(struct esk_ctx *c) {
    struct cut cut;
    ESK_TRY(esk_move_ready(c));
    ESK_TRY(plan(c, &cut));
    struct esk_walk w = esk_walk_of(c, 0);
    if (!slice(&w, &cut)) {
        w = esk_walk_over(c, 0);
        slice(&w, &cut);
    }
    esk_walk_recipe(c, "slice", &w);
    return ESK_OK;
}

static uint32_t host_in(const struct esk_graph *graph, const struct esk_node *node) {
    (void)graph;
    (void)node;
    return 0xf << 1;
}

const struct esk_op esk_op_Slice = {
    .domain = "",
    .name = "Slice",
    .since = (const uint8_t[]){1, 10, 11, 13, 0},
    .flags = ESK_OP_WALKS,
    .min_in = 1,
    .max_in = 5,
    .min_out = 1,
    .host_in = host_in,
    .upgrade = upgrade,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
