/* Device time of commands by GL_TIME_ELAPSED_EXT queries. In: marks around commands; out:
 * nanoseconds. Must not know what a command is.
 * llvmpipe computes inside glDispatchCompute, and its query begins and ends in the
 * rasteriser's thread: see docs of the numbers in timer.h. */
#include "glcompute/timer.h"

#include "base/error.h"
#include "base/mem.h"

esk_status esk_gl_timer_create(struct esk_gl *gl, uint32_t capacity,
                               struct esk_gl_timer **timer, esk_error *error) {
    GLint bits = 0;
    if (gl->ext.disjoint_timer)
        ESK_GL(gl, GetQueryiv(GL_TIME_ELAPSED_EXT, GL_QUERY_COUNTER_BITS_EXT, &bits));
    if (bits <= 0)
        return esk_fail(error, ESK_UNSUPPORTED, "timer: %s",
                        gl->ext.disjoint_timer
                            ? "GL_TIME_ELAPSED_EXT has a counter of 0 bits"
                            : "the driver lacks GL_EXT_disjoint_timer_query");
    struct esk_gl_timer *made = esk_calloc(1, sizeof *made);
    GLuint *queries = esk_calloc(capacity, sizeof *queries);
    if (!made || !queries) {
        esk_free(made);
        esk_free(queries);
        return esk_fail_memory(error, "timer queries");
    }
    *made = (struct esk_gl_timer){.gl = gl, .queries = queries, .capacity = capacity};
    ESK_GL(gl, GenQueries((GLsizei)capacity, queries));
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
    ESK_GL(timer->gl, DeleteQueries((GLsizei)timer->capacity, timer->queries));
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
    ESK_GL(timer->gl, BeginQuery(GL_TIME_ELAPSED_EXT, timer->queries[timer->count]));
}

void esk_gl_timer_end(struct esk_gl_timer *timer) {
    if (!timer->open)
        return;
    timer->open = false;
    timer->count++;
    ESK_GL(timer->gl, EndQuery(GL_TIME_ELAPSED_EXT));
}

esk_status esk_gl_timer_collect(struct esk_gl_timer *timer, uint64_t *ns, bool *disjoint,
                                esk_error *error) {
    struct esk_gl *gl = timer->gl;
    for (uint32_t i = 0; i < timer->count; i++) {
        GLuint ready = 0;
        GLuint64 value = 0;
        ESK_GL(gl, GetQueryObjectuiv(timer->queries[i], GL_QUERY_RESULT_AVAILABLE, &ready));
        if (!ready)
            return esk_fail(error, ESK_TIMEOUT,
                            "timer: query %u of %u has no result: the device has not "
                            "finished the command",
                            i, timer->count);
        ESK_GL(gl, GetQueryObjectui64v(timer->queries[i], GL_QUERY_RESULT, &value));
        ns[i] = value;
    }
    GLint jumped = 0;
    ESK_GL(gl, GetIntegerv(GL_GPU_DISJOINT_EXT, &jumped));
    ESK_TRY(esk_gl_status(gl, "timer: collect", error));
    *disjoint = jumped != 0;
    return ESK_OK;
}
