/* Device time of commands, by timestamps or by elapsed-time queries. In: marks around
 * commands; out: nanoseconds. Must not know what a command is. */
#include "glcompute/timer.h"

#include "base/error.h"
#include "base/mem.h"

esk_status esk_gl_timer_create(struct esk_gl *gl, uint32_t capacity,
                               struct esk_gl_timer **timer, esk_error *error) {
    GLint stamp_bits = 0, elapsed_bits = 0;
    if (gl->ext.disjoint_timer) {
        ESK_GL(gl, GetQueryiv(GL_TIMESTAMP_EXT, GL_QUERY_COUNTER_BITS_EXT, &stamp_bits));
        ESK_GL(gl,
               GetQueryiv(GL_TIME_ELAPSED_EXT, GL_QUERY_COUNTER_BITS_EXT, &elapsed_bits));
    }
    if (stamp_bits <= 0 && elapsed_bits <= 0)
        return esk_fail(error, ESK_UNSUPPORTED, "timer: %s",
                        gl->ext.disjoint_timer
                            ? "GL_EXT_disjoint_timer_query has counters of 0 bits"
                            : "the driver lacks GL_EXT_disjoint_timer_query");
    struct esk_gl_timer *made = esk_calloc(1, sizeof *made);
    size_t queries_count = (size_t)capacity * 2; /* elapsed-time queries leave the half */
    GLuint *queries = esk_calloc(queries_count, sizeof *queries);
    if (!made || !queries) {
        esk_free(made);
        esk_free(queries);
        return esk_fail_memory(error, "timer queries");
    }
    *made = (struct esk_gl_timer){
        .gl = gl, .queries = queries, .capacity = capacity, .stamps = stamp_bits > 0};
    ESK_GL(gl, GenQueries((GLsizei)queries_count, queries));
    esk_status status = esk_gl_status(gl, "timer: glGenQueries", error);
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
    ESK_GL(timer->gl, DeleteQueries((GLsizei)timer->capacity * 2, timer->queries));
    esk_free(timer->queries);
    esk_free(timer);
}

void esk_gl_timer_reset(struct esk_gl_timer *timer) {
    GLint disjoint; /* reading it clears it */
    timer->count = 0;
    timer->open = false;
    ESK_GL(timer->gl, GetIntegerv(GL_GPU_DISJOINT_EXT, &disjoint));
}

void esk_gl_timer_begin(struct esk_gl_timer *timer) {
    if (timer->open || timer->count == timer->capacity)
        return;
    timer->open = true;
    GLuint query = timer->queries[timer->count * 2];
    if (timer->stamps)
        ESK_GL(timer->gl, QueryCounter(query, GL_TIMESTAMP_EXT));
    else
        ESK_GL(timer->gl, BeginQuery(GL_TIME_ELAPSED_EXT, query));
}

void esk_gl_timer_end(struct esk_gl_timer *timer) {
    if (!timer->open)
        return;
    timer->open = false;
    GLuint query = timer->queries[timer->count++ * 2 + 1];
    if (timer->stamps)
        ESK_GL(timer->gl, QueryCounter(query, GL_TIMESTAMP_EXT));
    else
        ESK_GL(timer->gl, EndQuery(GL_TIME_ELAPSED_EXT));
}

/* false: not there yet */
static bool read_query(struct esk_gl *gl, GLuint query, GLuint64 *value) {
    GLuint ready = 0;
    ESK_GL(gl, GetQueryObjectuiv(query, GL_QUERY_RESULT_AVAILABLE, &ready));
    if (ready)
        ESK_GL(gl, GetQueryObjectui64v(query, GL_QUERY_RESULT, value));
    return ready;
}

esk_status esk_gl_timer_collect(struct esk_gl_timer *timer, uint64_t *ns, bool *disjoint,
                                esk_error *error) {
    struct esk_gl *gl = timer->gl;
    for (uint32_t i = 0; i < timer->count; i++) {
        const GLuint *pair = &timer->queries[i * 2];
        GLuint64 begin = 0, end = 0;
        if (!read_query(gl, pair[0], timer->stamps ? &begin : &end) ||
            (timer->stamps && !read_query(gl, pair[1], &end)))
            return esk_fail(error, ESK_TIMEOUT,
                            "timer: command %u of %u has no result: the device has not "
                            "finished it",
                            i, timer->count);
        ns[i] = end > begin ? end - begin : 0;
    }
    GLint jumped = 0;
    ESK_GL(gl, GetIntegerv(GL_GPU_DISJOINT_EXT, &jumped));
    ESK_TRY(esk_gl_status(gl, "timer: collect", error));
    *disjoint = jumped != 0;
    return ESK_OK;
}
