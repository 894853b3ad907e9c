/* JSON lines on stdout, by jansson.
 * In: json_t trees. Out: one object a line. Must not know sessions. */
#ifndef ESKER_TOOLS_JSON_H
#define ESKER_TOOLS_JSON_H

#include "esker/session.h"

#include <jansson.h>

/* Text of any bytes: what is no UTF-8 becomes '?'. NULL gives null. */
json_t *json_text(const char *text);

/* A number rounded to `digits` decimals; null when it is not finite. */
json_t *json_decimal(double value, int digits);

/* Sizes; a free one is its name, or null without a name. rank < 0 gives null. */
json_t *json_dims(int rank, const int64_t *dims, const char *const *names);

/* {"name", "type", "dims"} and, for inputs that may be left out, "default": true. */
json_t *json_value_info(const esk_value_info *info);

/* Prints the tree on one line, flushes, and drops it. false on failure. */
bool json_line(json_t *tree);

#endif
