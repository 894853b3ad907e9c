/* What a plan is estimated to take on a software renderer: with its pool of threads, and
 * inline on the caller's thread. In: a plan's kernels as data; out: seconds. Pure. Must
 * not know screens, nor what a kernel computes. */
#ifndef ESK_GLCOMPUTE_COST_H
#define ESK_GLCOMPUTE_COST_H

#include "base/text.h"
#include "ir/plan.h"

#include <stdbool.h>

struct esk_gl_cost {
    double pool, inlined, lanes; /* seconds */
    uint32_t threads;            /* of the pool */
    bool is_inline;              /* the choice between pool and inline */
    bool by_lanes;               /* inline, where there is a second lane: with it */
};

/* The choice is by the estimate. `threads`: of the pool, at least 1. */
struct esk_gl_cost esk_gl_cost_make(const struct esk_plan *plan, uint32_t threads);

/* The work of one command on one thread, in seconds. */
double esk_gl_cost_kernel(const struct esk_kernel *kernel);

/* In how many pieces a command is worth being dealt out to lanes, cut along *axis, the
 * outermost that has the groups; 1: it is not, or cannot. */
uint32_t esk_gl_cost_parts(const struct esk_kernel *kernel, uint32_t lanes, int *axis);

/* "screen: inline (estimated 0.31 ms, 4.90 ms with 2 threads)\n" */
void esk_gl_cost_print(const struct esk_gl_cost *cost, struct esk_text *text);

#endif
