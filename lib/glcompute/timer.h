/* Time of commands: by EXT_disjoint_timer_query where that means something, else by the
 * CPU's clock. In: a GL table, begin and end marks; out: spans of nanoseconds. Must not
 * know what a command is. */
#ifndef ESK_GLCOMPUTE_TIMER_H
#define ESK_GLCOMPUTE_TIMER_H

#include "esker/status.h"
#include "glcompute/buffer.h"

#include <stdbool.h>
#include <stdint.h>

/* Which clock times commands; each start lies on CLOCK_MONOTONIC all the same. */
enum esk_gl_clock {
    ESK_GL_CLOCK_STAMPS,  /* two timestamps of the device a command */
    ESK_GL_CLOCK_ELAPSED, /* the device's elapsed time; starts are guessed: end to end */
    ESK_GL_CLOCK_CPU,     /* the caller's clock, and each command is waited for */
};
const char *esk_gl_clock_name(enum esk_gl_clock clock); /* a sentence for people */

struct esk_gl_span {
    uint64_t start_ns, ns;
};

/* A pool of spans: one for each command of a stage. Used under the device's lock, with
 * the context current in every call. */
struct esk_gl_timer {
    /* first: what a cache knows of it; zeros but for leased ones */
    struct esk_gl_buffer unit;
    struct esk_gl *gl;         /* borrowed; outlives the pool */
    GLuint *queries;           /* owned; NULL with the CPU's clock */
    struct esk_gl_span *spans; /* owned; with the CPU's clock */
    uint32_t capacity, count;
    enum esk_gl_clock clock;
    bool open;       /* between begin and end */
    uint64_t origin; /* CLOCK_MONOTONIC less the device's clock, at the last reset */
};

/* Timestamps where the driver has them, else elapsed times, else the CPU's clock. `cpu`
 * asks for the last at once: software renderers run a dispatch inside the call, and
 * llvmpipe's elapsed-time query says 1 ns for every one. */
esk_status esk_gl_timer_create(struct esk_gl *gl, uint32_t capacity, bool cpu,
                               struct esk_gl_timer **timer, esk_error *error);
void esk_gl_timer_destroy(struct esk_gl_timer *timer); /* NULL is allowed */

/* One for `commands` spans from the cache of the memory, or made; counted as a buffer of
 * 16 bytes a span. It goes back by esk_gl_cache_give, or, not to be used again, by
 * return. */
esk_status esk_gl_timer_lease(struct esk_gl_memory *memory, uint32_t commands, bool cpu,
                              struct esk_gl_timer **timer, esk_error *error);
void esk_gl_timer_return(struct esk_gl_memory *memory, struct esk_gl_timer *timer);

void esk_gl_timer_reset(struct esk_gl_timer *timer); /* before a stage */
/* Around one command; past the capacity, commands are not timed. They do not nest. */
void esk_gl_timer_begin(struct esk_gl_timer *timer);
void esk_gl_timer_end(struct esk_gl_timer *timer);

/* spans[i] of command i for timer->count commands; the device must have finished them (a
 * fence was waited for). `*disjoint` is set if the counter jumped: the numbers are
 * worthless. A result that is not there yet is ESK_TIMEOUT. */
esk_status esk_gl_timer_collect(struct esk_gl_timer *timer, struct esk_gl_span *spans,
                                bool *disjoint, esk_error *error);

#endif
