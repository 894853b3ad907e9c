/* What the recipes of convolutions share, and these recipes: inside lib/recipes/conv*.c
 * only. Plain data in, kernels out. */
#ifndef ESK_RECIPES_CONV_KERNELS_H
#define ESK_RECIPES_CONV_KERNELS_H

#include "recipes/conv.h"

/* What the kernels of blocks have in common: lanes, tiles, channels. */
struct esk_conv_tiling {
    uint32_t lanes;  /* invocations of a group */
    uint32_t lo, nv; /* vec4s of channels: of a group's lanes, of an invocation */
    int64_t tile;
};
struct esk_conv_tiling esk_conv_tiling(const struct esk_limits *limits,
                                       const struct esk_conv_form *f, bool grouped,
                                       int64_t positions);
void esk_conv_define_tiling(struct esk_kernel *k, const struct esk_conv_tiling *t,
                            const struct esk_conv_form *f);
void esk_conv_window_params(struct esk_kernel *k, const struct esk_window *w,
                            bool volume);
/* The third axis of a window. */
void esk_conv_volume_params(struct esk_kernel *k, const struct esk_window *w);
int64_t esk_conv_form_vec4s(const struct esk_conv_form *f);

/* A kernel of one item that never meets padding; strides along two axes only. On a
 * software renderer the form's blocks are first made to fit so many pixels.
 * factors: the input that has one for each input channel, or 0. */
void esk_conv_1x1_form(struct esk_conv_form *f, const struct esk_limits *limits,
                       int64_t pixels);
/* The same of groups, where few of them together are whole vec4s and weights are known.
 * false: no kernel. */
bool esk_conv_1x1_groups(struct esk_ctx *c, const struct esk_window *w, int64_t batch,
                         int64_t group);
struct esk_ref_to esk_conv_group_weights(struct esk_ctx *c, struct esk_recipe *r,
                                         const struct esk_conv_form *f, int64_t groups,
                                         int64_t merged);
void esk_conv_1x1(struct esk_ctx *c, const struct esk_window *w,
                  const struct esk_conv_form *f, int64_t batch, uint32_t factors);
/* One channel and a long kernel along one axis that never meets padding, as a Fourier
 * transform of frames is: windows are rows of a matrix. false: it is none. */
bool esk_conv_signal(struct esk_ctx *c, const struct esk_window *w, int64_t oc,
                     int64_t batch);
/* An input of few channels that lies in memory as in the model, one group. false: no
 * kernel for this, or the input is in C4. */
bool esk_conv_dense(struct esk_ctx *c, const struct esk_window *w,
                    const struct esk_conv_form *f, int64_t batch);
/* Windows of a dense input that never meet padding and whose rows are whole vec4s, as a
 * vision transformer's patches are: rows of a matrix. false: others, or an input in C4.
 */
bool esk_conv_patches(struct esk_ctx *c, const struct esk_window *w, int64_t oc,
                      int64_t batch);
void esk_conv_depthwise(struct esk_ctx *c, const struct esk_window *w,
                        const struct esk_conv_form *f, int64_t batch);
/* From planes to planes, as both lie in the model: for limits->planes. false: no kernel.
 */
bool esk_conv_planes(struct esk_ctx *c, const struct esk_window *w,
                     const struct esk_conv_form *f, int64_t batch, int64_t group);
bool esk_conv_planes_depthwise(struct esk_ctx *c, const struct esk_window *w,
                               const struct esk_conv_form *f, int64_t batch);
/* Adds nothing where it does not pay. 3 × 3, strides and dilations 1, two axes, one
 * group. */
void esk_conv_winograd(struct esk_ctx *c, const struct esk_window *w, int64_t oc,
                       int64_t ic, int64_t batch);

#endif
