/* Host tensors of float, float16, bfloat16 or double as arrays of float or double, for
 * `cpu` functions that have one loop for all of them. */
#ifndef ESK_RECIPES_FLOATS_H
#define ESK_RECIPES_FLOATS_H

#include "ir/op.h"

/* The tensor's elements: its own bytes when it is float, else a copy in `scratch`. NULL:
 * out of memory. Types that are no float types give NULL too: `infer` must have refused
 * them. */
const float *esk_floats_in(struct esk_arena *scratch, const struct esk_tensor *tensor);
/* Where to write the tensor's elements; esk_floats_done rounds them into the tensor if it
 * is not float. The memory holds anything. */
float *esk_floats_out(struct esk_arena *scratch, struct esk_tensor *tensor);
void esk_floats_done(struct esk_tensor *tensor, const float *values);

#endif
