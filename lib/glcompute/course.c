/* Commands dealt out. In: limits, what is done; out: indexes. Must not know GL.
 *
 * A thread looks at the next command, waits until that may begin, and only then takes it:
 * one that the system has put aside while it waits holds up nobody. Waiting is spinning
 * for about as long as a wake-up takes, then giving way, then sleeping. */
#include "glcompute/course.h"

#include "base/error.h"

#include <sched.h>
#include <time.h>

enum { SPIN_NS = 20000, YIELD_NS = 200000, PAUSES = 16 };

esk_status esk_gl_course_init(struct esk_gl_course *course, esk_error *error) {
    *course = (struct esk_gl_course){.ended = true};
    if (pthread_mutex_init(&course->lock, NULL))
        return esk_fail_memory(error, "a lock");
    if (pthread_cond_init(&course->changed, NULL)) {
        pthread_mutex_destroy(&course->lock);
        return esk_fail_memory(error, "a lock");
    }
    return ESK_OK;
}

void esk_gl_course_finish(struct esk_gl_course *course) {
    pthread_cond_destroy(&course->changed);
    pthread_mutex_destroy(&course->lock);
}

void esk_gl_course_reset(struct esk_gl_course *course) {
    atomic_store(&course->next, 0);
    atomic_store(&course->over, 0);
    atomic_store(&course->limit, 0);
    atomic_store(&course->ended, false);
}

/* After each change that somebody may wait for. */
static void tell(struct esk_gl_course *course) {
    if (!atomic_load(&course->sleepers))
        return;
    pthread_mutex_lock(&course->lock);
    pthread_cond_broadcast(&course->changed);
    pthread_mutex_unlock(&course->lock);
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

/* What a thread waits for. */
struct wish {
    struct esk_gl_course *course;
    uint32_t over; /* so many done */
    bool more;     /* or rather: something to take */
};

static bool granted(const struct wish *wish) {
    struct esk_gl_course *c = wish->course;
    if (wish->more)
        return atomic_load(&c->ended) || atomic_load(&c->next) < atomic_load(&c->limit);
    return atomic_load(&c->over) >= wish->over;
}

static void wait_for(const struct wish *wish) {
    struct esk_gl_course *course = wish->course;
    uint64_t start = 0;
    while (!granted(wish)) {
        uint64_t now = now_ns();
        start = start ? start : now;
        if (now - start < SPIN_NS)
            for (int i = 0; i < PAUSES; i++)
                pause_briefly();
        else if (now - start < YIELD_NS)
            sched_yield();
        else {
            pthread_mutex_lock(&course->lock);
            atomic_fetch_add(&course->sleepers, 1);
            while (!granted(wish))
                pthread_cond_wait(&course->changed, &course->lock);
            atomic_fetch_sub(&course->sleepers, 1);
            pthread_mutex_unlock(&course->lock);
        }
    }
}

void esk_gl_course_extend(struct esk_gl_course *course, uint32_t limit) {
    atomic_store(&course->limit, limit);
    tell(course);
}

bool esk_gl_course_take(struct esk_gl_course *course, uint32_t i, uint32_t after) {
    if (atomic_load(&course->over) < after)
        wait_for(&(struct wish){.course = course, .over = after});
    return atomic_compare_exchange_strong(&course->next, &i, i + 1);
}

void esk_gl_course_done(struct esk_gl_course *course) {
    atomic_fetch_add(&course->over, 1);
    tell(course);
}

uint32_t esk_gl_course_next(struct esk_gl_course *course) {
    uint32_t next = atomic_load(&course->next), limit = atomic_load(&course->limit);
    return next < limit ? next : limit;
}

void esk_gl_course_wait(struct esk_gl_course *course, uint32_t count) {
    wait_for(&(struct wish){.course = course, .over = count});
}

bool esk_gl_course_more(struct esk_gl_course *course) {
    wait_for(&(struct wish){.course = course, .more = true});
    return !atomic_load(&course->ended);
}

uint32_t esk_gl_course_end(struct esk_gl_course *course) {
    atomic_store(&course->ended, true);
    uint32_t taken = atomic_exchange(&course->next, UINT32_MAX);
    tell(course);
    return taken;
}
