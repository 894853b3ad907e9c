/* In: a kernel whose inputs are set; out: its output, count and groups. */
#include "recipes/map.h"

void esk_kernel_map(const struct esk_ctx *c, const struct esk_recipe *r,
                    struct esk_kernel *k, uint32_t i, bool vec4) {
    const struct esk_var *y = esk_out(c, i);
    enum esk_storage storage =
        esk_storage_of(y->dtype, y->rank, y->dim, ESK_LAYOUT_DENSE);
    int64_t count = esk_var_count(y), unit = 1;
    if (vec4 && storage != ESK_STORAGE_I64X2)
        unit = 4;
    else if (storage == ESK_STORAGE_F16X2)
        unit = 2;
    esk_kernel_out(c, r, k, "Y", i, unit == 4 ? ESK_VEC4 : ESK_ELEMENT);
    esk_kernel_step(k, 0, c->limits->group_1d * unit, c->limits->group_1d * unit);
    esk_kernel_int(k, "count", count);
    esk_kernel_flat(k, c->limits, (uint64_t)((count + unit - 1) / unit));
}
