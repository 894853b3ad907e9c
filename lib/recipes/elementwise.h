/* Elementwise expressions as kernels, and as epilogues of other kernels. */
#ifndef ESK_RECIPES_ELEMENTWISE_H
#define ESK_RECIPES_ELEMENTWISE_H

#include "ir/op.h"

/* Appends the recipe(s) of an elementwise node (its op has an `elementwise` record) for
 * any number of members in c->group: any broadcast, DENSE and C4, every storage. */
esk_status esk_elementwise_gpu(struct esk_ctx *c);

/* The same for an expression of one's own over the node's first `n_in` inputs: written
 * like those of a record ($name: attributes of the op's record), for the class that the
 * inputs have. Inputs of one known element become parameters; so do those in the op's
 * `host_late` that are not known yet; an absent input 1 is the least value of input 0's
 * class, an absent input 2 the greatest. `pad_zero`: as in the record. */
esk_status esk_elementwise_expr(struct esk_ctx *c, const char *glsl, uint32_t n_in,
                                bool pad_zero);

/* For producers with ESK_OP_EPILOGUE (epilogue.c): writes the statements of c->group into
 * kernel `k` as
 *     EPILOGUE(v, at)    v: a T_Y value; at: its index in Y (a vec4 index, or an element
 *                        index, as Y's view has it)
 * with its parameters and, for each extra value of the group, an operand "E", "E1", … The
 * shader must apply it exactly once to each value that it stores into Y, before masking
 * pad lanes; no two invocations may store the same unit, for Y may lie where E does
 * (tiles that overlap at an edge must guard their stores). Without a group it does
 * nothing (the prelude's EPILOGUE is the identity). Call it after all other operands were
 * added, with r->out_layout set. Sets c->group_taken. */
void esk_epilogue_emit(struct esk_ctx *c, struct esk_recipe *r, struct esk_kernel *k,
                       enum esk_view view);

#endif
