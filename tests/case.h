/* Inline cases of tests/ops.txt: small models written on one line.
 * In: a line's text. Out: a model of the builder and its inputs, the same on every
 * machine. Must not know sessions or devices.
 *
 *   OP(ARG, ARG, …) KEY=VALUE … | OP(…) …
 *
 * ARG is TYPE[DIM,DIM,…], a run input of seeded random values; with `!` a constant
 * (initializer) instead; with `=V,V,…` the values (repeated to fill it; both: `!=`).
 * `_` is an absent input, `$` the first output of the node before the last `|`, `$K` that
 * of node K, from 0; without a `$`, the former is the first input. `@K` is ARG K of the
 * first node again. `~` before the first ARG: the node takes nothing from the one before.
 * KEY=VALUE is an attribute of the node: 3 int, 3.0 float, "x" string, 1,2 or [1] list,
 * TYPE[DIMS]=V tensor. Keys that are no attributes:
 *   out=N          outputs of the node (1); all of the last node's are the model's
 *   domain=D       of the node
 *   opset=N        of the model (21)
 *   range=LO,HI    of random values (floats -1,1; signed -4,4; unsigned 0,8)
 *   rtol=X atol=X  how far a device may be from the CPU (see tools/compare.h)
 *   free=1         inputs are declared with free dimensions
 *   fallback=1     nodes may fall back to the CPU
 *   commands=N     of the plan under the first standard setting: what is fused, what not
 */
#ifndef ESKER_TESTS_CASE_H
#define ESKER_TESTS_CASE_H

#include "compare.h"
#include "esker/model.h"
#include "feed.h"

/* What a case says besides its model. Zeroed memory is an empty one. */
struct op_case {
    esk_model *model;   /* owned */
    struct feed inputs; /* owned values */
    char names[32][8];  /* what inputs.names point to */
    struct tolerance tolerance;
    bool fallback;
    int commands; /* -1: any number */
};

/* Reads and builds the case. On failure `made` is left to case_finish. */
bool case_make(const char *text, struct op_case *made, struct fault *fault);
/* One value: "float[2,3]=1,2", or random. */
bool case_value(const char *text, esk_value **value, struct fault *fault);
void case_finish(struct op_case *made);

#endif
