/* Sliding windows over spatial axes: what Conv, ConvTranspose and the pools have in
 * common. Attributes kernel_shape, strides, dilations, pads, auto_pad, ceil_mode,
 * output_padding and output_shape become numbers, checked. Knows no operator's
 * arithmetic. */
#ifndef ESK_RECIPES_WINDOW_H
#define ESK_RECIPES_WINDOW_H

#include "ir/op.h"

enum { ESK_WINDOW_DIMS = ESK_MAX_RANK - 2 };

struct esk_window {
    int dims; /* spatial axes */
    int64_t in[ESK_WINDOW_DIMS], out[ESK_WINDOW_DIMS];
    int64_t kernel[ESK_WINDOW_DIMS], stride[ESK_WINDOW_DIMS], dilation[ESK_WINDOW_DIMS];
    int64_t begin[ESK_WINDOW_DIMS], end[ESK_WINDOW_DIMS]; /* pads */
};

/* A window that slides over the input. `in`: the spatial sizes; `kernel`: of the weights,
 * or NULL: the attribute kernel_shape is needed. */
esk_status esk_window_read(const struct esk_node *node, esk_error *error, int dims,
                           const int64_t *in, const int64_t *kernel,
                           struct esk_window *w);
/* The same of a transposed convolution: it slides over the output. */
esk_status esk_window_transposed(const struct esk_node *node, esk_error *error, int dims,
                                 const int64_t *in, const int64_t *kernel,
                                 struct esk_window *w);

/* Products over the spatial axes. */
int64_t esk_window_taps(const struct esk_window *w);
int64_t esk_window_in(const struct esk_window *w);
int64_t esk_window_out(const struct esk_window *w);

/* Aligned to three axes, depth, height, width: those in front that are missing have
 * size 1. */
struct esk_window esk_window_three(const struct esk_window *w);

#endif
