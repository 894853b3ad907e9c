/* Reductions over any set of axes, on the host and as kernels. */
#ifndef ESK_RECIPES_REDUCE_H
#define ESK_RECIPES_REDUCE_H

#include "ir/op.h"

/* y = last(join over the elements of map(x)). The numbers are known to glsl/reduce.glsl.
 */
struct esk_reduction {
    enum { ESK_MAP_NONE, ESK_MAP_ABS, ESK_MAP_SQUARE } map;
    enum { ESK_JOIN_ADD, ESK_JOIN_MUL, ESK_JOIN_MAX, ESK_JOIN_MIN, ESK_JOIN_LSE } join;
    enum { ESK_LAST_NONE, ESK_LAST_SQRT, ESK_LAST_LOG, ESK_LAST_MEAN } last;
};

/* Input 0 reduced over the axes in `mask` (bit a: axis a) into output 0, whose shape
 * keeps or lacks them. LSE is log(sum(exp)). No elements: the join's neutral value. */
esk_status esk_reduce_cpu(struct esk_cpu *c, const struct esk_reduction *what,
                          uint32_t mask);

/* The same as recipes. An input in C4 whose axes are the spatial ones stays in C4. */
esk_status esk_reduce_gpu(struct esk_ctx *c, const struct esk_reduction *what,
                          uint32_t mask);

/* Runs of axes that are all reduced or all kept, sizes of 1 left out: returns their
 * number (at most the rank), outermost first. */
int esk_reduce_fold(int rank, const int64_t *dims, uint32_t mask, int64_t *sizes,
                    bool *reduced);

/* The neutral value of a join over an integer type. */
int64_t esk_reduce_neutral(const struct esk_reduction *what, esk_dtype dtype);

#endif
