/* A session that goes on after its device was lost (option recoverDevice): the next run
 * opens the device anew; plans are bound again, and weights packed again from the model's
 * bytes. */
#ifndef ESK_RUN_RECOVER_H
#define ESK_RUN_RECOVER_H

#include "run/request.h"

/* Around a run with the option. Before it: while the device is lost, waits for other runs
 * of the session to end, and opens another. Values of the request that lie on a lost
 * device are an error that names them. enter fails: no leave. */
esk_status esk_recover_enter(struct esk_request *request, esk_error *error);
void esk_recover_leave(struct esk_session *session);

/* Around what looks at the session's device from any thread. */
void esk_recover_lock(struct esk_session *session);
void esk_recover_unlock(struct esk_session *session);

#endif
