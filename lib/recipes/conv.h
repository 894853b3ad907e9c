/* Convolutions on the device: how weights are packed, which kernel takes which case.
 * Shared by Conv and ConvTranspose; plain data in, kernels out. */
#ifndef ESK_RECIPES_CONV_H
#define ESK_RECIPES_CONV_H

#include "recipes/window.h"

/* The packing of weights [OC, IC / group, kernel…] (transposed: [IC, OC / group,
 * kernel…]) and a bias [OC]. In vec4s over four output channels:
 *   [blocks][rows][span][kw][4][block]   then the bias, [blocks * block]
 * rows: taps but those of a kernel row (kw); span: the input vec4s that a block reads,
 * from esk_conv_start on; [4]: the channels of an input vec4. Channels that are none are
 * zeros. Depthwise: [rows * kw][oc4], then the bias [oc4]. */
struct esk_conv_form {
    int64_t oc, icg, ocg; /* output channels; input and output channels of a group */
    int64_t ic4, oc4;     /* vec4s of a pixel */
    int64_t rows, kw;
    int64_t span, block, blocks;
    bool transposed, depthwise;
    /* Taps of the weights as they are: how many, the first that is taken, from one row to
     * the next. All are taken unless the caller says otherwise. */
    int64_t taps, tap, pitch;
};

enum {
    ESK_CONV_TRANSPOSED = 1,
    ESK_CONV_EVEN = 2,      /* span is rounded up to an even number */
    ESK_CONV_DEPTHWISE = 4, /* one channel a group: the depthwise packing */
};
struct esk_conv_form esk_conv_form(int64_t oc, int64_t ic, int64_t group, int64_t rows,
                                   int64_t kw, uint32_t flags);
/* The first input vec4 that output vec4 `oc4` reads. */
int64_t esk_conv_start(const struct esk_conv_form *f, int64_t oc4);
int64_t esk_conv_bias_at(const struct esk_conv_form *f); /* vec4s in front of the bias */

/* Adds to recipe `r` what yields the packed weights: a form when input `w` (and input
 * `b`, if present) are known, else a kernel that packs them into scratch. Must be called
 * before the recipe's other kernels are added. */
struct esk_ref_to esk_conv_weights(struct esk_ctx *c, struct esk_recipe *r,
                                   const struct esk_conv_form *f, uint32_t w, uint32_t b);

/* Appends the recipes of Conv; the node's inputs are X, W and, perhaps, B. */
esk_status esk_conv_recipes(struct esk_ctx *c, const struct esk_window *w, int64_t group);
/* Of one item, where input `factors` [1, C, 1…] multiplies X [1, C, …] first. */
esk_status esk_conv_scaled_recipes(struct esk_ctx *c, const struct esk_window *w,
                                   uint32_t factors);
esk_status esk_conv_transposed_recipes(struct esk_ctx *c, const struct esk_window *w,
                                       int64_t group);

#endif
