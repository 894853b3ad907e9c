/* Transpose. Out: a walk, which is no kernel where the bytes stay as they are (C4 to NHWC
 * and back). */
#include "recipes/walk.h"

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

static esk_status gpu(struct esk_ctx *c) {
    ESK_TRY(esk_move_ready(c));
    int perm[ESK_MAX_RANK], rank = esk_in(c, 0)->rank;
    struct esk_walk w = esk_walk_of(c, 0);
    read_perm(c->node, rank, perm);
    if (!esk_walk_permute(&w, rank, perm)) {
        w = esk_walk_over(c, 0);
        esk_walk_permute(&w, rank, perm);
    }
    esk_walk_recipe(c, "transpose", &w);
    return ESK_OK;
}

const struct esk_op esk_op_Transpose = {
    .domain = "",
    .name = "Transpose",
    .since = (const uint8_t[]){1, 13, 21, 23, 24, 25, 0},
    .flags = ESK_OP_WALKS,
    .min_in = 1,
    .min_out = 1,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
