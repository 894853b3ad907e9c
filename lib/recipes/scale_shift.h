/* Y = X * scale + shift by channel: the last step of batch and instance normalization. */
#ifndef ESK_RECIPES_SCALE_SHIFT_H
#define ESK_RECIPES_SCALE_SHIFT_H

#include "ir/op.h"

/* Appends the kernel to recipe `r`: input 0 and output 0 in the layout that `r` says for
 * both, with the group's epilogue. `params`: float [2, C up to a multiple of 4], scale
 * and shift; with `each` one such for each batch item (C4 only). */
void esk_scale_shift(struct esk_ctx *c, struct esk_recipe *r, struct esk_ref_to params,
                     bool each);

#endif
