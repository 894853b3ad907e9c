/* What a caller waits for: a run or a copy in a queue. */
#ifndef ESK_RUN_ASYNC_H
#define ESK_RUN_ASYNC_H

#include "esker/run.h"
#include "run/queue.h"

/* One reference for the queue, one for the caller's handle if there is one. */
struct esk_async;

esk_status esk_async_create(struct esk_async **async, esk_error *error);
/* The end: `report` is what the handle's waiters get (moved; may be NULL). */
void esk_async_end(struct esk_async *async, esk_status status, esk_error *report);

#endif
