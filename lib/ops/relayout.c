/* esker.Relayout: brings a var from one layout to the other, inside choose. Its node has
 * the var as input and as output; c->from and c->to say which of its layouts. */
#include "recipes/move.h"

static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    ESK_TRY(esk_move_ready(c));
    bool to_c4 = c->to == ESK_LAYOUT_C4;
    if (x->rank < 3 || c->from == c->to || (c->from == ESK_LAYOUT_C4) == to_c4 ||
        (c->from != ESK_LAYOUT_DENSE && c->to != ESK_LAYOUT_DENSE))
        return esk_unsupported(c, "rank %d from layout %d to layout %d", x->rank,
                               (int)c->from, (int)c->to);
    enum esk_storage from = esk_storage_of(x->dtype, x->rank, x->dim, c->from);
    enum esk_storage to = esk_storage_of(x->dtype, x->rank, x->dim, c->to);
    if (from == ESK_STORAGE_I64X2)
        return esk_unsupported(c, "64-bit integers have no C4 layout");
    struct esk_recipe *r = esk_add_recipe(c, to_c4 ? "to C4" : "from C4");
    r->in_layout[0] = c->from;
    r->out_layout[0] = c->to;
    int64_t strides[ESK_MAX_RANK];
    struct esk_move m = {0};
    esk_move_strides(c->from, x->rank, x->dim, strides);
    for (int k = 0; k < x->rank; k++)
        if (!to_c4 || k != 1)
            esk_move_push(&m, x->dim[k], strides[k]);
    if (to_c4) {
        esk_move_push(&m, (x->dim[1] + 3) / 4 * 4, strides[1]);
        m.valid = x->dim[1];
    }
    esk_move_collapse(&m);
    if (esk_move_is_copy(&m) && from == to && x->dim[1] % 4 == 0)
        r->alias = 0;
    else
        esk_move_kernel(c, r, &m, 0, 0);
    return ESK_OK;
}

const struct esk_op esk_op_Relayout = {
    .domain = "esker",
    .name = "Relayout",
    .since = (const uint8_t[]){1, 0},
    .min_in = 1,
    .min_out = 1,
    .gpu = gpu,
};
