/* glcompute/timer over a fake driver: which clock, spans on the CPU's clock, disjoint. */
#include <criterion/criterion.h>

#include "glcompute/timer.h"

#include <time.h>

static GLint stamp_bits, elapsed_bits, disjoint_now;
static GLuint64 results[8]; /* by query name - 1 */
static GLuint available = 1;
static int finishes;

static void GL_APIENTRY get_queryiv(GLenum target, GLenum name, GLint *value) {
    (void)name;
    *value = target == GL_TIMESTAMP_EXT ? stamp_bits : elapsed_bits;
}

static void GL_APIENTRY gen_queries(GLsizei n, GLuint *ids) {
    for (GLsizei i = 0; i < n; i++)
        ids[i] = (GLuint)i + 1;
}

static void GL_APIENTRY delete_queries(GLsizei n, const GLuint *ids) {
    (void)n, (void)ids;
}

static void GL_APIENTRY query_counter(GLuint id, GLenum target) {
    (void)id, (void)target;
}

static void GL_APIENTRY begin_query(GLenum target, GLuint id) {
    (void)id, (void)target;
}

static void GL_APIENTRY end_query(GLenum target) {
    (void)target;
}

static void GL_APIENTRY get_result(GLuint id, GLenum name, GLuint64 *value) {
    (void)name;
    *value = results[id - 1];
}

static void GL_APIENTRY get_available(GLuint id, GLenum name, GLuint *value) {
    (void)id, (void)name;
    *value = available;
}

static void GL_APIENTRY get_integer(GLenum name, GLint *value) {
    *value = name == GL_GPU_DISJOINT_EXT ? disjoint_now : 0;
}

static void GL_APIENTRY get_integer64(GLenum name, GLint64 *value) {
    cr_assert_eq(name, GL_TIMESTAMP_EXT);
    *value = 1000;
}

static void GL_APIENTRY finish(void) {
    finishes++;
}

static GLenum GL_APIENTRY get_error(void) {
    return GL_NO_ERROR;
}

static struct esk_gl fake(bool extension) {
    return (struct esk_gl){
        .GetQueryiv = get_queryiv,
        .GenQueries = gen_queries,
        .DeleteQueries = delete_queries,
        .QueryCounter = query_counter,
        .BeginQuery = begin_query,
        .EndQuery = end_query,
        .GetQueryObjectui64v = get_result,
        .GetQueryObjectuiv = get_available,
        .GetIntegerv = get_integer,
        .GetInteger64v = get_integer64,
        .Finish = finish,
        .GetError = get_error,
        .ext.disjoint_timer = extension,
    };
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Two commands; their spans. */
static esk_status take(struct esk_gl *gl, bool cpu, enum esk_gl_clock clock,
                       struct esk_gl_span *spans, bool *disjoint) {
    struct esk_gl_timer *timer;
    cr_assert_eq(esk_gl_timer_create(gl, 2, cpu, &timer, NULL), ESK_OK);
    cr_assert_eq(timer->clock, clock);
    esk_gl_timer_reset(timer);
    for (int i = 0; i < 3; i++) { /* one past the capacity */
        esk_gl_timer_begin(timer);
        esk_gl_timer_end(timer);
    }
    cr_assert_eq(timer->count, 2);
    esk_status status = esk_gl_timer_collect(timer, spans, disjoint, NULL);
    esk_gl_timer_destroy(timer);
    return status;
}

Test(timer, stamps_lie_on_the_cpus_clock) {
    struct esk_gl gl = fake(true);
    struct esk_gl_span spans[2];
    bool disjoint;
    stamp_bits = 64;
    results[0] = 1500, results[1] = 1800, results[2] = 2000, results[3] = 1900;
    uint64_t before = now_ns();
    cr_assert_eq(take(&gl, false, ESK_GL_CLOCK_STAMPS, spans, &disjoint), ESK_OK);
    uint64_t after = now_ns();
    cr_assert(!disjoint);
    cr_assert(spans[0].start_ns >= before + 500 && spans[0].start_ns <= after + 500,
              "500 ns after the device's clock was read");
    cr_assert_eq(spans[0].ns, 300);
    cr_assert_eq(spans[1].start_ns - spans[0].start_ns, 500);
    cr_assert_eq(spans[1].ns, 0, "a clock that ran backwards gives no time");
}

Test(timer, elapsed_times_follow_each_other) {
    struct esk_gl gl = fake(true);
    struct esk_gl_span spans[2];
    bool disjoint;
    stamp_bits = 0, elapsed_bits = 32;
    results[0] = 70, results[2] = 30;
    cr_assert_eq(take(&gl, false, ESK_GL_CLOCK_ELAPSED, spans, &disjoint), ESK_OK);
    cr_assert(spans[0].ns == 70 && spans[1].ns == 30);
    cr_assert_eq(spans[1].start_ns, spans[0].start_ns + 70);
}

Test(timer, the_cpu_where_asked_or_nothing_else) {
    struct esk_gl gl = fake(true), poor = fake(false);
    struct esk_gl_span spans[2];
    bool disjoint;
    stamp_bits = 64;
    uint64_t before = now_ns();
    cr_assert_eq(take(&gl, true, ESK_GL_CLOCK_CPU, spans, &disjoint), ESK_OK);
    cr_assert(spans[0].start_ns >= before && spans[1].start_ns >= spans[0].start_ns);
    cr_assert_eq(finishes, 3, "one before, one after each");
    cr_assert_eq(take(&poor, false, ESK_GL_CLOCK_CPU, spans, &disjoint), ESK_OK);
}

Test(timer, disjoint_and_not_ready) {
    struct esk_gl gl = fake(true);
    struct esk_gl_span spans[2];
    bool disjoint;
    stamp_bits = 64;
    disjoint_now = 1;
    cr_assert_eq(take(&gl, false, ESK_GL_CLOCK_STAMPS, spans, &disjoint), ESK_OK);
    cr_assert(disjoint);
    available = 0;
    cr_assert_eq(take(&gl, false, ESK_GL_CLOCK_STAMPS, spans, &disjoint), ESK_TIMEOUT);
}
