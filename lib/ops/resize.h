/* What Resize's infer, cpu and gpu share: attributes and host inputs as numbers. */
#ifndef ESK_OPS_RESIZE_H
#define ESK_OPS_RESIZE_H

#include "ir/op.h"

enum resize_mode { RESIZE_NEAREST, RESIZE_LINEAR, RESIZE_CUBIC };
/* BY_AXIS: up where the axis shrinks, else down; of kernels, an axis has one of the
 * others. */
enum resize_round {
    ROUND_PREFER_FLOOR,
    ROUND_PREFER_CEIL,
    ROUND_FLOOR,
    ROUND_CEIL,
    ROUND_BY_AXIS
};

/* An output position i of an axis lies at (i * p + q) / d + r of the input. */
struct resize_axis {
    int64_t in, out;
    float scale;
    float p, q, d, r;
    enum resize_round round;
    bool moves; /* false: the axis stays as it is */
};

struct esk_resize {
    int rank;
    struct resize_axis axis[ESK_MAX_RANK];
    enum resize_mode mode;
    bool antialias, exclude_outside;
    bool crop; /* positions outside the input give `extrapolation` */
    float cubic, extrapolation;
};

/* Reads everything. `roi`, `scales`, `sizes` may be NULL. */
esk_status esk_resize_read(const struct esk_node *node, esk_error *error, int rank,
                           const int64_t *dims, const struct esk_tensor *roi,
                           const struct esk_tensor *scales,
                           const struct esk_tensor *sizes, struct esk_resize *r);
/* For infer and gpu: from known inputs. */
esk_status esk_resize_of(const struct esk_ctx *c, struct esk_resize *r);

/* Items of input that one output position takes, and their weights; clamped to the edge.
 * Returns how many: at most esk_resize_taps. *outside: the position lies outside. */
int64_t esk_resize_taps(const struct esk_resize *r, const struct resize_axis *a);
int64_t esk_resize_weights(const struct esk_resize *r, const struct resize_axis *a,
                           int64_t i, int64_t *index, float *weight, bool *outside);

esk_status esk_resize_gpu(struct esk_ctx *c);

#endif
