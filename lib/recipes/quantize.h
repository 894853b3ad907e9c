/* Quantized tensors: how scales and zero points lie over elements, and how quantized
 * operators become nodes of plainer ones. */
#ifndef ESK_RECIPES_QUANTIZE_H
#define ESK_RECIPES_QUANTIZE_H

#include "ir/op.h"

/* Element (o, a, i) of [outer, axis, inner] has the scale
 *   0                                    where `one`
 *   a                                    where block = 0
 *   (o * blocks + a / block) * inner + i  else */
struct esk_scales {
    bool one;
    int64_t outer, axis, inner, block, blocks;
};
/* From attributes axis and block_size, and the shapes; NULL, or what is wrong. */
const char *esk_scales_read(const struct esk_node *node, int rank, const int64_t *dims,
                            int scale_rank, const int64_t *scale_dims,
                            struct esk_scales *scales);

/* Integers of 2 to 32 bits; the range of one. */
bool esk_quantized_type(esk_dtype dtype);
void esk_quantized_range(esk_dtype dtype, int64_t *low, int64_t *high);
/* n elements from `from`; types under 8 bits too. */
void esk_quantized_load(const struct esk_tensor *x, int64_t from, int64_t n, int64_t *to);
void esk_quantized_store(struct esk_tensor *y, int64_t at, int64_t n,
                         const int64_t *from);

/* ---- For upgrades: nodes in front of c->node. Running out of memory is remembered: the
 * calls need no checks, esk_rewrite_end tells. ---- */
struct esk_rewrite {
    struct esk_ctx *c;
    struct esk_node *last; /* the newest node, for attributes */
    bool failed;
};
/* op(a, b) (b may be ESK_NONE) and op of n inputs: the output's id. */
esk_id esk_rewrite_2(struct esk_rewrite *w, const char *op, esk_id a, esk_id b);
esk_id esk_rewrite_n(struct esk_rewrite *w, const char *op, uint32_t n, const esk_id *in);
esk_id esk_rewrite_cast(struct esk_rewrite *w, esk_id x, esk_dtype to);
esk_id esk_rewrite_float(struct esk_rewrite *w, float value); /* a scalar */
esk_id esk_rewrite_ints(struct esk_rewrite *w, uint32_t n, const int64_t *values);
void esk_rewrite_int(struct esk_rewrite *w, const char *name, int64_t value);
/* x as int32, less its zero point, if there is one. */
esk_id esk_rewrite_centered(struct esk_rewrite *w, esk_id x, esk_id zero);
/* A vector of several items as a column; others as they are, or with a last axis of 1. */
esk_id esk_rewrite_column(struct esk_rewrite *w, esk_id x);
/* (x - zero) * scale, and its inverse; `zero` may be ESK_NONE. */
esk_id esk_rewrite_dequantize(struct esk_rewrite *w, esk_id x, esk_id scale, esk_id zero);
esk_id esk_rewrite_quantize(struct esk_rewrite *w, esk_id x, esk_id scale, esk_id zero);
/* DynamicQuantizeLinear: y, scale and zero point. */
void esk_rewrite_dynamic(struct esk_rewrite *w, esk_id x, esk_id *y, esk_id *scale,
                         esk_id *zero);
/* c->node becomes op(in …), with attributes of its own only if `keep`. */
esk_status esk_rewrite_end(struct esk_rewrite *w, const char *op, uint32_t n,
                           const esk_id *in, bool keep);
/* Input i, ESK_NONE where absent. */
esk_id esk_rewrite_in(const struct esk_rewrite *w, uint32_t i);

#endif
