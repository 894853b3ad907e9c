/* The commands of a stage, dealt out among the threads that replay it. In: how many, and
 * which must be over before each; out: one index after the other, to whoever asks first.
 * Nobody waits for a thread that has nothing in hand. Pure but for waiting: must not know
 * GL, nor what a command is. */
#ifndef ESK_GLCOMPUTE_COURSE_H
#define ESK_GLCOMPUTE_COURSE_H

#include "esker/status.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct esk_gl_course {
    atomic_uint next;  /* to be taken */
    atomic_uint over;  /* how many are done */
    atomic_uint limit; /* none from here on is given out yet */
    atomic_bool ended; /* none is given out any more */
    atomic_uint sleepers;
    pthread_mutex_t lock; /* of sleeping only */
    pthread_cond_t changed;
};

esk_status esk_gl_course_init(struct esk_gl_course *course, esk_error *error);
void esk_gl_course_finish(struct esk_gl_course *course);

/* Before a stage; nobody is in it. */
void esk_gl_course_reset(struct esk_gl_course *course);

/* Gives out commands up to `limit`, which grows. */
void esk_gl_course_extend(struct esk_gl_course *course, uint32_t limit);

/* Whether command `i` could be had, of those before the limit: it waits until the first
 * `after` commands are over (those that the command comes behind), but not for a limit to
 * grow. False: another thread has it, or the course was ended. */
bool esk_gl_course_take(struct esk_gl_course *course, uint32_t i, uint32_t after);
/* The command that was taken is done. */
void esk_gl_course_done(struct esk_gl_course *course);

/* The next command that nobody has; the limit where there is none. */
uint32_t esk_gl_course_next(struct esk_gl_course *course);

/* Waits until `count` commands are over. */
void esk_gl_course_wait(struct esk_gl_course *course, uint32_t count);
/* Waits until there is a command to take; false: the course was ended. */
bool esk_gl_course_more(struct esk_gl_course *course);

/* Gives out no more: returns how many were. They may not be over yet. */
uint32_t esk_gl_course_end(struct esk_gl_course *course);

#endif
