/* Device time of commands by EXT_disjoint_timer_query. In: a GL table, begin and end
 * marks; out: nanoseconds. Must not know what a command is. */
#ifndef ESK_GLCOMPUTE_TIMER_H
#define ESK_GLCOMPUTE_TIMER_H

#include "esker/status.h"
#include "glcompute/gl.h"

#include <stdbool.h>
#include <stdint.h>

/* A pool of queries: one for each command of a run. Used under the device's lock, with
 * the context current in every call. */
struct esk_gl_timer {
    struct esk_gl *gl; /* borrowed; outlives the pool */
    GLuint *queries;   /* owned */
    uint32_t capacity, count;
    bool stamps; /* two timestamps a command, else one elapsed-time query */
    bool open;   /* between begin and end */
};

/* Timestamps where the driver has them: llvmpipe's elapsed-time query sees the rasteriser
 * only and says 1 ns for every dispatch. ESK_UNSUPPORTED without the extension, or if its
 * counters have no bits. */
esk_status esk_gl_timer_create(struct esk_gl *gl, uint32_t capacity,
                               struct esk_gl_timer **timer, esk_error *error);
void esk_gl_timer_destroy(struct esk_gl_timer *timer); /* NULL is allowed */

void esk_gl_timer_reset(struct esk_gl_timer *timer); /* before a run */
/* Around one command; past the capacity, commands are not timed. They do not nest. */
void esk_gl_timer_begin(struct esk_gl_timer *timer);
void esk_gl_timer_end(struct esk_gl_timer *timer);

/* ns[i] of command i for timer->count commands; the device must have finished them (a
 * fence was waited for). `*disjoint` is set if the counter jumped: the numbers are
 * worthless. A result that is not there yet is ESK_TIMEOUT. */
esk_status esk_gl_timer_collect(struct esk_gl_timer *timer, uint64_t *ns, bool *disjoint,
                                esk_error *error);

#endif
