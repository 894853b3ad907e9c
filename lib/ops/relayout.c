/* esker.Relayout: brings a var into a layout, inside choose. Output 0 is input 0 in
 * another layout, or walks it; c->from is the layout of input 0, c->to that of output 0.
 */
#include "recipes/walk.h"

static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *y = esk_out(c, 0);
    ESK_TRY(esk_move_ready(c));
    bool to_c4 = c->to == ESK_LAYOUT_C4;
    if (c->from == ESK_LAYOUT_FORM || c->to == ESK_LAYOUT_FORM ||
        (y->rank < 3 && to_c4) || (x == y && c->from == c->to))
        return esk_unsupported(c, "rank %d from layout %d to layout %d", y->rank,
                               (int)c->from, (int)c->to);
    enum esk_storage from = esk_storage_of(x->dtype, x->rank, x->dim, c->from);
    if (from == ESK_STORAGE_I64X2 && (to_c4 || c->from == ESK_LAYOUT_C4))
        return esk_unsupported(c, "64-bit integers have no C4 layout");
    struct esk_walk w =
        y->walk && x != y ? *y->walk : esk_walk_plain(c->from, x->rank, x->dim);
    w.base = esk_in_id(c, 0);
    struct esk_move m;
    if (!esk_walk_move(&w, c->to, y->rank, y->dim, &m))
        return esk_unsupported(c, "%lld channels in parts", (long long)y->dim[1]);
    struct esk_recipe *r = esk_add_recipe(c, to_c4 ? "to C4" : "to dense");
    r->in_layout[0] = c->from;
    r->out_layout[0] = c->to;
    if (esk_walk_range(c, &w, y, c->to, &r->alias_offset))
        r->alias = 0;
    else if (x != y && !to_c4 && c->from == ESK_LAYOUT_C4 &&
             esk_walk_in_order(&w, x->rank, x->dim) &&
             esk_storage_of(x->dtype, x->rank, x->dim, ESK_LAYOUT_DENSE) ==
                 esk_storage_of(y->dtype, y->rank, y->dim, ESK_LAYOUT_DENSE)) {
        r->in_layout[0] = ESK_LAYOUT_DENSE; /* others may share that */
        r->alias = 0;
    } else
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
