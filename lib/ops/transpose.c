/* Transpose. Out: a strided copy, blocks of 4 × 4, or nothing where the bytes stay as
 * they are (C4 to NHWC and back). */
#include "recipes/move.h"

#include <inttypes.h>

/* The permutation; default: reversed. */
static bool read_perm(const struct esk_node *node, int rank, int *perm) {
    int64_t ints[ESK_MAX_RANK];
    size_t n = esk_attr_ints(node, "perm", ints, ESK_MAX_RANK);
    uint32_t seen = 0;
    if (!esk_node_attr(node, "perm")) {
        for (int k = 0; k < rank; k++)
            perm[k] = rank - 1 - k;
        return true;
    }
    if (n != (size_t)rank)
        return false;
    for (int k = 0; k < rank; k++) {
        if (ints[k] < -rank || ints[k] >= rank)
            return false;
        perm[k] = (int)(ints[k] < 0 ? ints[k] + rank : ints[k]);
        seen |= 1u << perm[k];
    }
    return seen == (1u << rank) - 1;
}

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    int perm[ESK_MAX_RANK];
    int64_t dims[ESK_MAX_RANK];
    if (!read_perm(c->node, x->rank, perm))
        return esk_node_fail(c, ESK_INVALID_MODEL, "perm is no permutation of %d axes",
                             x->rank);
    for (int k = 0; k < x->rank; k++)
        dims[k] = x->dim[perm[k]];
    return esk_set_out(c, 0, x->dtype, x->rank, dims);
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0];
    int perm[ESK_MAX_RANK];
    int64_t strides[ESK_MAX_RANK];
    struct esk_move m = {0};
    read_perm(c->node, x->rank, perm);
    esk_shape_strides(x->rank, x->dim, strides);
    for (int k = 0; k < x->rank; k++)
        esk_move_push(&m, x->dim[perm[k]], strides[perm[k]]);
    return esk_move_cpu_call(c, 0, 0, &m);
}

struct turn {
    int rank, perm[ESK_MAX_RANK];
};

static void map(const void *user, const int64_t *x_strides, int64_t *strides,
                int64_t *offset) {
    const struct turn *turn = user;
    (void)offset;
    for (int k = 0; k < turn->rank; k++)
        strides[k] = x_strides[turn->perm[k]];
}

/* NHWC to NCHW with whole vec4s: the same bytes, said to be C4. */
static bool is_c4_already(const struct esk_ctx *c, const struct turn *turn) {
    const struct esk_var *x = esk_in(c, 0), *y = esk_out(c, 0);
    if (x->rank < 3 || x->data || esk_move_layout(c, 0) != ESK_LAYOUT_DENSE ||
        y->dim[1] % 4 ||
        esk_storage_of(x->dtype, x->rank, x->dim, ESK_LAYOUT_DENSE) ==
            ESK_STORAGE_I64X2 ||
        esk_storage_of(x->dtype, x->rank, x->dim, ESK_LAYOUT_DENSE) !=
            esk_storage_of(y->dtype, y->rank, y->dim, ESK_LAYOUT_C4))
        return false;
    int64_t xs[ESK_MAX_RANK], dense = 1;
    esk_shape_strides(x->rank, x->dim, xs);
    struct esk_move m = {0}, as_is = {0};
    for (int k = 0; k < x->rank; k++) {
        dense *= y->dim[k];
        esk_move_push(&as_is, y->dim[k], xs[turn->perm[k]]);
        if (k != 1)
            esk_move_push(&m, y->dim[k], xs[turn->perm[k]]);
    }
    esk_move_push(&m, y->dim[1], xs[turn->perm[1]]);
    esk_move_collapse(&m);
    esk_move_collapse(&as_is);
    return dense && esk_move_is_copy(&m) && !esk_move_is_copy(&as_is);
}

static esk_status gpu(struct esk_ctx *c) {
    ESK_TRY(esk_move_ready(c));
    struct turn turn = {.rank = esk_in(c, 0)->rank};
    read_perm(c->node, turn.rank, turn.perm);
    if (is_c4_already(c, &turn)) {
        struct esk_recipe *r = esk_add_recipe(c, "view as C4");
        r->out_layout[0] = ESK_LAYOUT_C4;
        r->alias = 0;
        return ESK_OK;
    }
    esk_move_recipe(c, "transpose", map, &turn, true);
    return ESK_OK;
}

const struct esk_op esk_op_Transpose = {
    .domain = "",
    .name = "Transpose",
    .since = (const uint8_t[]){1, 13, 21, 23, 24, 25, 0},
    .min_in = 1,
    .min_out = 1,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
