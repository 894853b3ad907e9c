/* Walks: values that are another's bytes in another order. Shape operators compose them
 * (`gpu` says what its output walks); esker.Relayout makes kernels of them. */
#ifndef ESK_RECIPES_WALK_H
#define ESK_RECIPES_WALK_H

#include "recipes/move.h"

/* Input i as a walk: the one that it is, or over itself as it lies in memory. */
struct esk_walk esk_walk_of(const struct esk_ctx *c, uint32_t i);
/* Over itself in any case. */
struct esk_walk esk_walk_over(const struct esk_ctx *c, uint32_t i);
/* As it would lie in `layout`. */
struct esk_walk esk_walk_plain(enum esk_layout layout, int rank, const int64_t *dims);

/* The steps of shape operators. false: this walk cannot do it, and is as it was. */
bool esk_walk_permute(struct esk_walk *w, int rank, const int *perm);
bool esk_walk_reshape(struct esk_walk *w, int rank, const int64_t *dims);
/* Of `axis` the elements start, start + step, …: `size` of them. */
bool esk_walk_slice(struct esk_walk *w, int axis, int64_t start, int64_t step,
                    int64_t size);
/* Sizes of one become those of `dims`, repeated; ranks are equal. */
bool esk_walk_expand(struct esk_walk *w, int rank, const int64_t *dims);

/* Says in r that output i is walked so. */
void esk_walk_take(struct esk_ctx *c, struct esk_recipe *r, uint32_t i,
                   const struct esk_walk *w);
/* A recipe of its own, for output 0. */
void esk_walk_recipe(struct esk_ctx *c, const char *label, const struct esk_walk *w);

/* The walk of a value of these dims as a move into `layout`. false: its channels, not a
 * multiple of four, are walked in more than one digit. */
bool esk_walk_move(const struct esk_walk *w, enum esk_layout layout, int rank,
                   const int64_t *dims, struct esk_move *move);
/* In `layout` y is one run of bytes of the base, from *offset on: it needs no kernel. */
bool esk_walk_range(const struct esk_ctx *c, const struct esk_walk *w,
                    const struct esk_var *y, enum esk_layout layout, uint64_t *offset);
/* The walk is in the order of the elements that `base` has in ONNX's row-major order. */
bool esk_walk_in_order(const struct esk_walk *w, int rank, const int64_t *base_dims);

#endif
