/* Captured graphs of a session: a plan pinned with its slots, replayed without a lookup.
 */
#ifndef ESK_RUN_CAPTURE_H
#define ESK_RUN_CAPTURE_H

#include "run/request.h"

/* Whether the session can capture: all reasons why not, and the nodes. Looks at the
 * newest plan; without one at the model. */
esk_status esk_capture_check(esk_session *session, esk_error *error);
/* A run with call.graph_id ≥ 0: the first with an id captures, the others replay. */
esk_status esk_capture_run(struct esk_request *request, esk_error *error);
/* All of them; no run may be in flight. */
void esk_capture_finish(esk_session *session);
/* The device is lost: what was captured is let go, and its runs are an error until it is
 * released. No run may be in flight. */
void esk_capture_lose(esk_session *session);

#endif
