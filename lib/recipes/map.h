/* Kernels over glsl/lib/map.glsl: each output element on its own. */
#ifndef ESK_RECIPES_MAP_H
#define ESK_RECIPES_MAP_H

#include "ir/op.h"

/* Adds output operand Y (output `i` of the node, DENSE, ELEMENT view, or VEC4 where the
 * storage has four-element units and `vec4` is set), p_count, groups and local size. */
void esk_kernel_map(const struct esk_ctx *c, const struct esk_recipe *r,
                    struct esk_kernel *k, uint32_t i, bool vec4);

#endif
