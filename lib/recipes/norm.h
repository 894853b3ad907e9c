/* Rows brought to mean 0 and variance 1: layer, RMS, group and instance normalization. */
#ifndef ESK_RECIPES_NORM_H
#define ESK_RECIPES_NORM_H

#include "ir/op.h"

struct esk_norm {
    int64_t rows, channels, spatial; /* a row is `channels` runs of `spatial` elements */
    float epsilon;
    bool rms; /* no mean is taken off */
    /* How inputs 1 (scale) and 2 (bias, may be absent) belong to elements: */
    enum {
        ESK_NORM_ELEMENTS, /* one for each element of a row, or one for all */
        ESK_NORM_CHANNELS, /* run c of row r: at r % turn * channels + c */
        ESK_NORM_ROWS,     /* row r: at r % turn */
    } affine;
    int64_t turn;
};

/* Y = normalized(X) * scale + bias into output 0; rows of glsl/layer_norm.glsl. Outputs 1
 * and 2, where there: mean and 1/deviation of each row. */
esk_status esk_norm_gpu(struct esk_ctx *c, const struct esk_norm *norm);

/* Mean and 1/deviation of n values (RMS: mean 0). */
void esk_norm_measure(const double *values, int64_t n, double epsilon, bool rms,
                      double *mean, double *inverse);

#endif
