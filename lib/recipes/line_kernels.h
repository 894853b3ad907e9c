/* Kernels over glsl/lib/lines.glsl: input 0 and output 0, of one shape, line by line. */
#ifndef ESK_RECIPES_LINE_KERNELS_H
#define ESK_RECIPES_LINE_KERNELS_H

#include "ir/op.h"
#include "recipes/lines.h"

/* How a tensor of the node's input 0 is taken in units of 4, 2 or 1 elements. */
struct esk_line_units {
    int lanes;                  /* elements of a unit */
    bool along;                 /* the unit lies along the line */
    int64_t size, inner, lines; /* in units */
};
struct esk_line_units esk_line_units_of(const struct esk_ctx *c, struct esk_lines lines);

/* Adds operands X and Y (input 0 and output 0, DENSE), the defines and parameters of the
 * library and groups: one invocation a line. */
void esk_kernel_lines(const struct esk_ctx *c, const struct esk_recipe *r,
                      struct esk_kernel *k, struct esk_lines lines);
/* The same without local size and groups. */
void esk_kernel_line_operands(const struct esk_ctx *c, const struct esk_recipe *r,
                              struct esk_kernel *k, const struct esk_line_units *u);

#endif
