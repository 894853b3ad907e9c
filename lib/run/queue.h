/* A queue of jobs with one thread, which starts with the first job. In: jobs; out: calls
 * of them, in order. Must not know what they do. */
#ifndef ESK_RUN_QUEUE_H
#define ESK_RUN_QUEUE_H

#include "base/error.h"

#include <stdbool.h>

struct esk_job {
    struct esk_job *next;
    /* Called once, by the queue's thread; or, with drop set, by whoever ends the queue
     * before its turn came. Frees the job. */
    void (*work)(struct esk_job *job, bool drop);
};

struct esk_queue;

esk_status esk_queue_create(struct esk_queue **queue, esk_error *error);
/* Errors: INTERNAL when no thread can be made. */
esk_status esk_queue_push(struct esk_queue *queue, struct esk_job *job, esk_error *error);

/* Drops what waits, lets the job at work end, ends the thread, frees the queue; then
 * calls `after` (may be NULL). From a job of the queue it returns at once and all of that
 * happens when the job has ended. A queue of NULL: just `after`. */
void esk_queue_destroy(struct esk_queue *queue, void (*after)(void *user), void *user);

#endif
