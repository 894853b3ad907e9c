/* How the invocations of vec4 kernels over C4 tensors are laid out. */
#ifndef ESK_RECIPES_LANES_H
#define ESK_RECIPES_LANES_H

#include "ir/kernel.h"

static inline int64_t esk_divide_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

/* Kernels count vec4s of C4 tensors in int32, and "nowhere" is -2^28. Rank 2 or more. */
static inline bool esk_vec4_indices(const struct esk_var *v) {
    int64_t rest = esk_shape_product(v->dim, 2, v->rank) * v->dim[0];
    return rest < ((int64_t)1 << 28) / (esk_divide_up(v->dim[1], 4) + 1);
}
/* Elements of dense tensors likewise. */
static inline bool esk_element_indices(const struct esk_var *v) {
    return esk_var_count(v) <= INT32_MAX;
}

/* Invocations of a group: what runs in lock-step, 8 to 32. */
static inline uint32_t esk_lanes(const struct esk_limits *limits) {
    return limits->lanes < 8 ? 8 : limits->lanes > 32 ? 32 : limits->lanes;
}

/* How many of them lie along `c4` channel vec4s, a power of two up to 8: at most a fifth
 * idle. */
static inline uint32_t esk_channel_lanes(int64_t c4) {
    uint32_t lo = 8;
    while (lo > 1 && esk_divide_up(c4, lo) * lo * 4 > c4 * 5)
        lo /= 2;
    return lo;
}

/* The parameter of glsl/lib/lanes.glsl; `lo` is a power of two. */
static inline void esk_kernel_lanes(struct esk_kernel *k, uint32_t lo) {
    int64_t log = 0;
    while (1u << log < lo)
        log++;
    esk_kernel_int(k, "lo", log);
}

#endif
