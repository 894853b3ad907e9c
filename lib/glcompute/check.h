/* Values looked at as a run makes them, for validationMode full. */
#ifndef ESK_GLCOMPUTE_CHECK_H
#define ESK_GLCOMPUTE_CHECK_H

#include "glcompute/lease.h"

struct esk_gl_check;

/* For the runs of a lease; NULL: memory. Freed with it. */
struct esk_gl_check *esk_gl_check_create(struct esk_lease *lease);
void esk_gl_check_destroy(struct esk_gl_check *check); /* NULL is allowed */

/* A stage begins, the first one or a later one of the same run. `error` is the run's. */
void esk_gl_check_begin(struct esk_gl_check *check, uint32_t stage, esk_error *error);
/* For esk_gl_replay: command `source` of the plan is next, or was issued (`after`).
 * false: it made a NaN where it read none, or its buffers cannot be read. */
bool esk_gl_check_command(void *check, uint32_t source, bool after);
esk_status esk_gl_check_end(const struct esk_gl_check *check);

#endif
