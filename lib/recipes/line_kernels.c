/* In: a node and how its input falls into lines; out: operands, defines and parameters of
 * a kernel over glsl/lib/lines.glsl. Must not know operators. */
#include "recipes/line_kernels.h"

struct esk_line_units esk_line_units_of(const struct esk_ctx *c, struct esk_lines lines) {
    const struct esk_var *x = esk_in(c, 0);
    enum esk_storage storage =
        esk_storage_of(x->dtype, x->rank, x->dim, ESK_LAYOUT_DENSE);
    struct esk_line_units u = {.along = lines.inner == 1};
    int64_t extent = u.along ? lines.size : lines.inner;
    u.lanes = storage == ESK_STORAGE_I64X2   ? 1
              : extent % 4 == 0              ? 4
              : storage == ESK_STORAGE_F16X2 ? 2
                                             : 1;
    u.size = u.along ? lines.size / u.lanes : lines.size;
    u.inner = u.along ? 1 : lines.inner / u.lanes;
    u.lines = lines.outer * u.inner;
    return u;
}

void esk_kernel_line_operands(const struct esk_ctx *c, const struct esk_recipe *r,
                              struct esk_kernel *k, const struct esk_line_units *u) {
    enum esk_view view = u->lanes == 4 ? ESK_VEC4 : ESK_ELEMENT;
    esk_kernel_in(c, r, k, "X", 0, view);
    esk_kernel_out(c, r, k, "Y", 0, view);
    esk_kernel_define(k, "LANES", u->lanes);
    esk_kernel_define(k, "ALONG", u->along);
    esk_kernel_int(k, "size", u->size);
    esk_kernel_int(k, "inner", u->inner);
    esk_kernel_int(k, "lines", u->lines);
}

void esk_kernel_lines(const struct esk_ctx *c, const struct esk_recipe *r,
                      struct esk_kernel *k, struct esk_lines lines) {
    struct esk_line_units u = esk_line_units_of(c, lines);
    esk_kernel_line_operands(c, r, k, &u);
    esk_kernel_flat(k, c->limits, (uint64_t)u.lines);
    if (c->limits->software && k->groups[0] < 16) { /* lines for more threads */
        esk_kernel_local(k, 8, 1, 1);
        esk_kernel_groups(k, (uint64_t)(u.lines + 7) / 8, 1, 1);
    }
}
