/* Time of commands, by timestamps, by elapsed-time queries or by the CPU's clock. In:
 * marks around commands; out: spans of nanoseconds. Must not know what a command is. */
#include "glcompute/timer.h"

#include "base/error.h"
#include "base/mem.h"

#include <string.h>
#include <time.h>

const char *esk_gl_clock_name(enum esk_gl_clock clock) {
    switch (clock) {
    case ESK_GL_CLOCK_STAMPS:
        return "GPU timestamps";
    case ESK_GL_CLOCK_ELAPSED:
        return "GPU elapsed time, starts guessed";
    case ESK_GL_CLOCK_CPU:
        break;
    }
    return "CPU time, each dispatch waited for";
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The best clock of the driver. */
static enum esk_gl_clock choose_clock(struct esk_gl *gl) {
    GLint stamp_bits = 0, elapsed_bits = 0;
    if (gl->ext.disjoint_timer) {
        ESK_GL(gl, GetQueryiv(GL_TIMESTAMP_EXT, GL_QUERY_COUNTER_BITS_EXT, &stamp_bits));
        ESK_GL(gl,
               GetQueryiv(GL_TIME_ELAPSED_EXT, GL_QUERY_COUNTER_BITS_EXT, &elapsed_bits));
    }
    return stamp_bits > 0     ? ESK_GL_CLOCK_STAMPS
           : elapsed_bits > 0 ? ESK_GL_CLOCK_ELAPSED
                              : ESK_GL_CLOCK_CPU;
}

esk_status esk_gl_timer_create(struct esk_gl *gl, uint32_t capacity, bool cpu,
                               struct esk_gl_timer **timer, esk_error *error) {
    struct esk_gl_timer *made = esk_calloc(1, sizeof *made);
    if (!made)
        return esk_fail_memory(error, "timer queries");
    *made = (struct esk_gl_timer){.gl = gl,
                                  .capacity = capacity,
                                  .clock = cpu ? ESK_GL_CLOCK_CPU : choose_clock(gl)};
    size_t queries = (size_t)capacity * 2; /* elapsed-time queries leave the half */
    if (made->clock == ESK_GL_CLOCK_CPU)
        made->spans = esk_calloc(capacity + 1u, sizeof *made->spans);
    else
        made->queries = esk_calloc(queries + 1, sizeof *made->queries);
    esk_status status =
        made->spans || made->queries ? ESK_OK : esk_fail_memory(error, "timer queries");
    if (made->queries) {
        ESK_GL(gl, GenQueries((GLsizei)queries, made->queries));
        status = esk_gl_status(gl, "timer: glGenQueries", error);
    }
    if (status != ESK_OK) {
        esk_gl_timer_destroy(made);
        return status;
    }
    *timer = made;
    return ESK_OK;
}

void esk_gl_timer_destroy(struct esk_gl_timer *timer) {
    if (!timer)
        return;
    if (timer->queries)
        ESK_GL(timer->gl, DeleteQueries((GLsizei)timer->capacity * 2, timer->queries));
    esk_free(timer->queries);
    esk_free(timer->spans);
    esk_free(timer);
}

enum { RESULT_BYTES = 16 }; /* two of 64 bits a span */

esk_status esk_gl_timer_lease(struct esk_gl_memory *memory, uint32_t commands, bool cpu,
                              struct esk_gl_timer **timer, esk_error *error) {
    struct esk_gl_cache *cache = &memory->pools[ESK_GL_POOL_QUERY];
    uint64_t bytes = (uint64_t)commands * RESULT_BYTES;
    struct esk_gl_buffer *unit =
        esk_gl_cache_lease(cache, bytes, GL_QUERY_COUNTER_BITS_EXT);
    if (unit) {
        *timer = (struct esk_gl_timer *)unit;
        return ESK_OK;
    }
    bytes = esk_gl_buffer_round(esk_gl_cache_size(cache, bytes));
    ESK_TRY(esk_gl_timer_create(memory->gl, (uint32_t)(bytes / RESULT_BYTES), cpu, timer,
                                error));
    (*timer)->unit.bytes = bytes;
    (*timer)->unit.usage = GL_QUERY_COUNTER_BITS_EXT;
    memory->counters->buffers_created++;
    memory->counters->buffer_bytes += bytes;
    if (memory->counters->buffer_bytes > memory->counters->buffer_peak)
        memory->counters->buffer_peak = memory->counters->buffer_bytes;
    return ESK_OK;
}

void esk_gl_timer_return(struct esk_gl_memory *memory, struct esk_gl_timer *timer) {
    if (!timer)
        return;
    memory->counters->buffers_destroyed++;
    memory->counters->buffer_bytes -= timer->unit.bytes;
    esk_gl_timer_destroy(timer);
}

void esk_gl_timer_reset(struct esk_gl_timer *timer) {
    struct esk_gl *gl = timer->gl;
    timer->count = 0;
    timer->open = false;
    timer->origin = 0;
    if (timer->clock == ESK_GL_CLOCK_CPU) {
        ESK_GL(gl, Finish()); /* what was queued before is not the first command's */
        return;
    }
    GLint disjoint; /* reading it clears it */
    ESK_GL(gl, GetIntegerv(GL_GPU_DISJOINT_EXT, &disjoint));
    GLint64 device = 0;
    if (timer->clock == ESK_GL_CLOCK_STAMPS)
        ESK_GL(gl, GetInteger64v(GL_TIMESTAMP_EXT, &device));
    timer->origin = now_ns() - (uint64_t)device; /* may wrap, and wraps back */
}

void esk_gl_timer_begin(struct esk_gl_timer *timer) {
    if (timer->open || timer->count == timer->capacity)
        return;
    timer->open = true;
    uint32_t i = timer->count;
    switch (timer->clock) {
    case ESK_GL_CLOCK_STAMPS:
        ESK_GL(timer->gl, QueryCounter(timer->queries[i * 2], GL_TIMESTAMP_EXT));
        break;
    case ESK_GL_CLOCK_ELAPSED:
        ESK_GL(timer->gl, BeginQuery(GL_TIME_ELAPSED_EXT, timer->queries[i * 2]));
        break;
    case ESK_GL_CLOCK_CPU:
        timer->spans[i].start_ns = now_ns();
    }
}

void esk_gl_timer_end(struct esk_gl_timer *timer) {
    if (!timer->open)
        return;
    timer->open = false;
    uint32_t i = timer->count++;
    switch (timer->clock) {
    case ESK_GL_CLOCK_STAMPS:
        ESK_GL(timer->gl, QueryCounter(timer->queries[i * 2 + 1], GL_TIMESTAMP_EXT));
        break;
    case ESK_GL_CLOCK_ELAPSED:
        ESK_GL(timer->gl, EndQuery(GL_TIME_ELAPSED_EXT));
        break;
    case ESK_GL_CLOCK_CPU:
        ESK_GL(timer->gl, Finish());
        timer->spans[i].ns = now_ns() - timer->spans[i].start_ns;
    }
}

/* false: not there yet */
static bool read_query(struct esk_gl *gl, GLuint query, GLuint64 *value) {
    GLuint ready = 0;
    ESK_GL(gl, GetQueryObjectuiv(query, GL_QUERY_RESULT_AVAILABLE, &ready));
    if (ready)
        ESK_GL(gl, GetQueryObjectui64v(query, GL_QUERY_RESULT, value));
    return ready;
}

esk_status esk_gl_timer_collect(struct esk_gl_timer *timer, struct esk_gl_span *spans,
                                bool *disjoint, esk_error *error) {
    struct esk_gl *gl = timer->gl;
    *disjoint = false;
    if (timer->clock == ESK_GL_CLOCK_CPU) {
        memcpy(spans, timer->spans, timer->count * sizeof *spans);
        return ESK_OK;
    }
    bool stamps = timer->clock == ESK_GL_CLOCK_STAMPS;
    uint64_t at = timer->origin;
    for (uint32_t i = 0; i < timer->count; i++) {
        const GLuint *pair = &timer->queries[i * 2];
        GLuint64 first = 0, second = 0; /* or: the time elapsed */
        if (!read_query(gl, pair[0], &first) ||
            (stamps && !read_query(gl, pair[1], &second)))
            return esk_fail(error, ESK_TIMEOUT,
                            "timer: command %u of %u has no result: the device has not "
                            "finished it",
                            i, timer->count);
        if (stamps)
            spans[i] = (struct esk_gl_span){first + timer->origin,
                                            second > first ? second - first : 0};
        else
            spans[i] = (struct esk_gl_span){at, first};
        at += first;
    }
    GLint jumped = 0;
    ESK_GL(gl, GetIntegerv(GL_GPU_DISJOINT_EXT, &jumped));
    ESK_TRY(esk_gl_status(gl, "timer: collect", error));
    *disjoint = jumped != 0;
    return ESK_OK;
}
