/* Seeded random tensors for inputs that nobody gave.
 * In: a seed and a name. Out: the same values on every machine. Must not know models. */
#ifndef ESKER_TOOLS_RANDOM_H
#define ESKER_TOOLS_RANDOM_H

#include "esker/tensor.h"

/* What random_fill does, for --help. */
#define RANDOM_TEXT "floats from [-1, 1), integers 0 or 1, booleans of either kind"

/* Fills `value` from a stream that depends on seed and name only. false when the type
 * cannot be filled. */
bool random_fill(esk_value *value, uint64_t seed, const char *name);

#endif
