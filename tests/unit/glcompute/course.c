/* Commands dealt out among threads: each once, none before those it comes behind, an end
 * at any time. */
#include "glcompute/course.h"

#include <criterion/criterion.h>
#include <time.h>

enum { COMMANDS = 400, THREADS = 3, PHASE = 4 };

struct plan {
    struct esk_gl_course course;
    atomic_int done[COMMANDS];
    atomic_int wrong;
    bool slow;
};

/* A command is behind those of the phases before its own. */
static uint32_t behind(uint32_t i) {
    return i / PHASE * PHASE;
}

static void command(struct plan *plan, uint32_t i) {
    for (uint32_t j = 0; j < behind(i); j++)
        plan->wrong += atomic_load(&plan->done[j]) != 1;
    if (plan->slow && i % 97 == 0)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); /* others fall asleep */
    atomic_fetch_add(&plan->done[i], 1);
}

static void *take_part(void *user) {
    struct plan *plan = user;
    while (esk_gl_course_more(&plan->course)) {
        uint32_t i = esk_gl_course_next(&plan->course);
        if (i < COMMANDS && esk_gl_course_take(&plan->course, i, behind(i))) {
            command(plan, i);
            esk_gl_course_done(&plan->course);
        }
    }
    return NULL;
}

/* The first thread's part, `step` commands given out at a time. */
static void lead(struct plan *plan, uint32_t step, uint32_t until) {
    for (uint32_t limit = step; limit <= until; limit += step) {
        esk_gl_course_extend(&plan->course, limit);
        for (uint32_t i; (i = esk_gl_course_next(&plan->course)) < limit;)
            if (esk_gl_course_take(&plan->course, i, behind(i))) {
                command(plan, i);
                esk_gl_course_done(&plan->course);
            }
        esk_gl_course_wait(&plan->course, limit);
        for (uint32_t i = 0; i < limit; i++)
            plan->wrong += atomic_load(&plan->done[i]) != 1;
    }
}

static void run(uint32_t step, bool slow) {
    static struct plan plan;
    pthread_t threads[THREADS];
    cr_assert_eq(esk_gl_course_init(&plan.course, NULL), ESK_OK);
    for (int round = 0; round < 5; round++) {
        esk_gl_course_reset(&plan.course);
        for (int i = 0; i < COMMANDS; i++)
            atomic_store(&plan.done[i], 0);
        plan.slow = slow;
        for (int i = 0; i < THREADS; i++)
            cr_assert_eq(pthread_create(&threads[i], NULL, take_part, &plan), 0);
        lead(&plan, step, COMMANDS);
        esk_gl_course_end(&plan.course);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        cr_assert_eq(atomic_load(&plan.wrong), 0);
        for (int i = 0; i < COMMANDS; i++)
            cr_assert_eq(atomic_load(&plan.done[i]), 1, "command %d", i);
    }
    esk_gl_course_finish(&plan.course);
}

Test(course, each_command_once_and_in_order) {
    run(COMMANDS, false);
}

Test(course, given_out_bit_by_bit) {
    run(10, false);
}

Test(course, threads_that_sleep_are_woken) {
    run(COMMANDS, true);
    run(40, true);
}

Test(course, ended_in_the_middle) {
    static struct plan plan;
    pthread_t threads[THREADS];
    cr_assert_eq(esk_gl_course_init(&plan.course, NULL), ESK_OK);
    esk_gl_course_reset(&plan.course);
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, take_part, &plan), 0);
    esk_gl_course_extend(&plan.course, COMMANDS);
    while (esk_gl_course_next(&plan.course) < COMMANDS / 2)
        ;
    uint32_t taken = esk_gl_course_end(&plan.course);
    cr_assert(taken >= COMMANDS / 2 && taken <= COMMANDS);
    esk_gl_course_wait(&plan.course, taken);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (uint32_t i = 0; i < COMMANDS; i++)
        cr_assert_eq(atomic_load(&plan.done[i]), i < taken);
    cr_assert_not(esk_gl_course_more(&plan.course));
    esk_gl_course_finish(&plan.course);
}

Test(course, nobody_waits_for_who_has_nothing) {
    static struct esk_gl_course course;
    cr_assert_eq(esk_gl_course_init(&course, NULL), ESK_OK);
    esk_gl_course_reset(&course);
    esk_gl_course_extend(&course, 3);
    /* another one looked at command 0 and took it not */
    cr_assert_eq(esk_gl_course_next(&course), 0);
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert(esk_gl_course_take(&course, i, i));
        esk_gl_course_done(&course);
    }
    cr_assert_not(esk_gl_course_take(&course, 0, 0), "it was taken already");
    cr_assert_eq(esk_gl_course_next(&course), 3);
    esk_gl_course_wait(&course, 3);
    esk_gl_course_finish(&course);
}
