/* Pooling on the device, and reductions of all pixels of a channel. */
#ifndef ESK_RECIPES_POOL_H
#define ESK_RECIPES_POOL_H

#include "recipes/window.h"

enum esk_pool { ESK_POOL_MAX, ESK_POOL_AVERAGE, ESK_POOL_LP };

/* Appends the recipes of a pool over windows of up to three axes, input and output 0.
 * `padded`: of averages, pads count. `power`: of LP. */
esk_status esk_pool_recipes(struct esk_ctx *c, enum esk_pool kind,
                            const struct esk_window *w, bool padded, float power);
/* The same over all pixels. */
esk_status esk_pool_all_recipes(struct esk_ctx *c, enum esk_pool kind, float power);
/* MAX with output 1, the indices. */
esk_status esk_pool_index_recipes(struct esk_ctx *c, const struct esk_window *w,
                                  bool columns);

/* How `pixels` are cut for a reduction in two steps: parts of `length` each. One part:
 * one step is enough. */
int64_t esk_pool_parts(int64_t pixels, int64_t *length);

#endif
