/* Runs by the queue: order, callbacks, handles, the end of a session while runs wait. In:
 * small models; out: results as of runs at once. */
#include "surface.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RUNS = 24 };

struct landed {
    atomic_int ok, cancelled, other;
    atomic_bool queued;      /* all runs are in the queue */
    esk_session *to_destroy; /* by the first callback */
};

static void land(void *user, esk_status status, const esk_error *error,
                 esk_value **outputs, size_t n_outputs) {
    struct landed *landed = user;
    esk_session *session = landed->to_destroy;

    (void)error;
    for (size_t i = 0; i < n_outputs; i++)
        if (status != ESK_OK && outputs[i])
            atomic_fetch_add(&landed->other, 1);
    atomic_fetch_add(status == ESK_OK          ? &landed->ok
                     : status == ESK_CANCELLED ? &landed->cancelled
                                               : &landed->other,
                     1);
    landed->to_destroy = NULL;
    while (session && !atomic_load(&landed->queued))
        sched_yield();
    esk_session_destroy(session);
}

static bool open_two(struct scene *s, struct op_case **made, esk_session **sessions) {
    static const char *const providers[] = {"GLCompute", "CPU"};
    esk_env *env;

    MUST(scene_env(s, &env));
    MUST(scene_case(s, "MatMul(float[64,64], float[64,64]!) | Softmax()", made));
    for (int i = 0; i < 2; i++)
        MUST(scene_session(s, env, (*made)->model, providers[i], NULL, &sessions[i]));
    return true;
}

bool async_runs_give_the_same(struct scene *s) {
    struct op_case *made;
    esk_session *sessions[2];
    esk_error error = ESK_ERROR_INIT;

    MUST(open_two(s, &made, sessions));
    for (int p = 0; p < 2; p++) {
        struct landed landed = {.ok = 0};
        esk_value *expected, *outputs[RUNS] = {NULL};
        esk_async *asyncs[RUNS];

        MUST(scene_run(s, sessions[p], &expected, 1, made->inputs.values[0]));
        for (int i = 0; i < RUNS; i++)
            if (esk_session_run_async(sessions[p], NULL, made->inputs.names,
                                      made->inputs.values, 1, NULL, &outputs[i], 0, land,
                                      &landed, &asyncs[i], &error) != ESK_OK)
                return fault_take(s->fault, "run_async", &error);
        for (int i = 0; i < RUNS; i++) {
            esk_status status = esk_async_wait(asyncs[i], -1, &error);

            esk_async_destroy(asyncs[i]);
            if (status != ESK_OK)
                return fault_take(s->fault, "wait", &error);
            scene_keep(s, outputs[i], (void (*)(void *))esk_value_destroy);
            MUST(scene_same_bytes(s, "async", outputs[i], expected));
        }
        CHECK(s, atomic_load(&landed.ok) == RUNS, "%d callbacks of %d",
              atomic_load(&landed.ok), RUNS);
    }
    return true;
}

bool async_argument_errors_come_at_once(struct scene *s) {
    struct op_case *made;
    esk_session *sessions[2];
    esk_error error = ESK_ERROR_INIT;
    esk_value *y = NULL;
    const char *name = "nobody";

    MUST(open_two(s, &made, sessions));
    CHECK(s,
          esk_session_run_async(sessions[1], NULL, &name, made->inputs.values, 1, NULL,
                                &y, 0, NULL, NULL, NULL, &error) == ESK_INVALID_ARGUMENT,
          "an unknown input was queued");
    CHECK(s, strstr(esk_error_message(&error), "nobody"), "'%s'",
          esk_error_message(&error));
    esk_error_clear(&error);
    return true;
}

/* ---- handles ---- */

struct gate {
    atomic_bool open;
    atomic_int order[RUNS], next;
};

static void hold(void *user, esk_status status, const esk_error *error,
                 esk_value **outputs, size_t n_outputs) {
    struct gate *gate = user;

    (void)status, (void)error, (void)outputs, (void)n_outputs;
    while (!atomic_load(&gate->open))
        sched_yield();
}

struct ticket {
    struct gate *gate;
    int number;
};

static void note(void *user, esk_status status, const esk_error *error,
                 esk_value **outputs, size_t n_outputs) {
    struct ticket *ticket = user;

    (void)error, (void)outputs, (void)n_outputs;
    if (status == ESK_OK)
        atomic_store(&ticket->gate->order[atomic_fetch_add(&ticket->gate->next, 1)],
                     ticket->number);
}

static double seconds(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* A queue that stands still behind its first run: starting another returns at once,
 * waiting for it ends when it was told to; then all come in their order. */
bool handles_wait_as_long_as_told(struct scene *s) {
    struct op_case *made;
    esk_session *sessions[2];
    esk_error error = ESK_ERROR_INIT;

    MUST(open_two(s, &made, sessions));
    for (int p = 0; p < 2; p++) {
        struct gate gate = {.open = false};
        struct ticket tickets[RUNS];
        esk_value *outputs[RUNS] = {NULL}, *first = NULL;
        esk_async *last = NULL;
        esk_status status[3];
        double start, took;

        if (esk_session_run_async(sessions[p], NULL, made->inputs.names,
                                  made->inputs.values, 1, NULL, &first, 1, hold, &gate,
                                  NULL, &error) != ESK_OK)
            return fault_take(s->fault, "run_async", &error);
        for (int i = 0; i < RUNS; i++) {
            tickets[i] = (struct ticket){&gate, i};
            if (esk_session_run_async(sessions[p], NULL, made->inputs.names,
                                      made->inputs.values, 1, NULL, &outputs[i], 1, note,
                                      &tickets[i], i == RUNS - 1 ? &last : NULL,
                                      &error) != ESK_OK)
                return fault_take(s->fault, "run_async", &error);
        }
        start = seconds();
        status[0] = esk_async_wait(last, 0, &error);
        double at_once = seconds() - start;
        start = seconds();
        status[1] = esk_async_wait(last, 30, &error);
        took = seconds() - start;
        bool said = strstr(esk_error_message(&error), "30 ms");
        esk_error_clear(&error);
        int before = atomic_load(&gate.next);
        atomic_store(&gate.open, true);
        status[2] = esk_async_wait(last, -1, &error);
        esk_status again = esk_async_wait(last, 0, NULL);
        esk_async_destroy(last);
        esk_value_destroy(first);
        for (int i = 0; i < RUNS; i++)
            esk_value_destroy(outputs[i]);
        CHECK(s, status[0] == ESK_TIMEOUT && status[1] == ESK_TIMEOUT && said && !before,
              "waiting 0 and 30 ms: %s and %s, %d runs ended", esk_status_name(status[0]),
              esk_status_name(status[1]), before);
        CHECK(s, at_once < 0.9 && took >= 0.03 && took < 10, "0 ms took %g s, 30 ms %g s",
              at_once, took);
        CHECK(s, status[2] == ESK_OK && again == ESK_OK, "waiting without end: %s, %s",
              esk_status_name(status[2]), esk_status_name(again));
        for (int i = 0; i < RUNS; i++)
            CHECK(s, atomic_load(&gate.order[i]) == i, "run %d ended as number %d",
                  atomic_load(&gate.order[i]), i);
    }
    return true;
}

/* Sessions that nothing else owns: these tests destroy them themselves. */
static bool own_session(struct scene *s, struct op_case **made, esk_session **session) {
    esk_env *env;
    esk_session_options *options;
    esk_error error = ESK_ERROR_INIT;

    MUST(scene_env(s, &env));
    MUST(scene_case(s, "MatMul(float[256,256], float[256,256]!) | Softmax()", made));
    MUST(scene_options(s, "GLCompute", NULL, &options));
    if (esk_session_create_from_model(env, (*made)->model, options, session, &error) !=
        ESK_OK)
        return fault_take(s->fault, "session", &error);
    return true;
}

bool destroy_while_runs_are_queued(struct scene *s) {
    for (int from_callback = 0; from_callback < 2; from_callback++) {
        struct op_case *made;
        esk_session *session;
        esk_error error = ESK_ERROR_INIT;
        struct landed landed = {.ok = 0};
        esk_value *outputs[RUNS] = {NULL};
        esk_async *last = NULL;

        MUST(own_session(s, &made, &session));
        landed.to_destroy = from_callback ? session : NULL;
        for (int i = 0; i < RUNS; i++)
            if (esk_session_run_async(session, NULL, made->inputs.names,
                                      made->inputs.values, 1, NULL, &outputs[i], 0, land,
                                      &landed, i == RUNS - 1 ? &last : NULL,
                                      &error) != ESK_OK)
                return fault_take(s->fault, "run_async", &error);
        atomic_store(&landed.queued, true);
        if (!from_callback)
            esk_session_destroy(session);
        esk_async_wait(last, -1, NULL);
        esk_async_destroy(last);
        int ok = atomic_load(&landed.ok), cancelled = atomic_load(&landed.cancelled);
        CHECK(s, ok + cancelled == RUNS && !atomic_load(&landed.other) && cancelled,
              "%d done, %d cancelled of %d", ok, cancelled, RUNS);
        for (int i = 0; i < RUNS; i++)
            esk_value_destroy(outputs[i]);
    }
    return true;
}

struct leaving {
    esk_session *session;
    atomic_bool begun, ended;
};

static void leave(void *user, esk_status status, const esk_error *error,
                  esk_value **outputs, size_t n_outputs) {
    struct leaving *leaving = user;

    (void)status, (void)error, (void)outputs, (void)n_outputs;
    esk_session_destroy(leaving->session);
    atomic_store(&leaving->begun, true);
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    atomic_store(&leaving->ended, true);
}

/* A session that a callback destroys goes on in its own thread; its env waits for it. */
bool an_env_waits_for_its_sessions(struct scene *s) {
    for (int p = 0; p < 2; p++) {
        struct leaving leaving = {.begun = false};
        struct op_case *made;
        esk_env *env;
        esk_session_options *options;
        esk_error error = ESK_ERROR_INIT;
        esk_value *y = NULL;

        MUST(scene_case(s, "MatMul(float[8,8], float[8,8]!) | Softmax()", &made));
        MUST(scene_options(s, p ? "CPU" : "GLCompute", NULL, &options));
        CHECK(s, esk_env_create(NULL, &env, NULL) == ESK_OK, "no env");
        esk_status status = esk_session_create_from_model(env, made->model, options,
                                                          &leaving.session, &error);
        if (status == ESK_OK)
            status = esk_session_run_async(leaving.session, NULL, made->inputs.names,
                                           made->inputs.values, 1, NULL, &y, 1, leave,
                                           &leaving, NULL, &error);
        while (status == ESK_OK && !atomic_load(&leaving.begun))
            sched_yield();
        esk_env_destroy(env);
        bool ended = atomic_load(&leaving.ended);
        esk_value_destroy(y);
        if (status != ESK_OK)
            return fault_take(s->fault, "a session", &error);
        CHECK(s, ended, "the env was gone before the thread of its session");
    }
    return true;
}

/* ---- a host that forks ---- */

/* What the child does: 0, or the number of the line that went wrong. */
static int in_a_child(struct op_case *made, esk_session **sessions, esk_value *there,
                      const esk_value *expected) {
    esk_error error = ESK_ERROR_INIT;
    esk_value *y[4] = {NULL};
    esk_async *async = NULL;

    alarm(60); /* what hangs is a failure too */
    if (esk_session_run(sessions[0], NULL, made->inputs.names, made->inputs.values, 1,
                        NULL, &y[0], 1, &error) != ESK_DEVICE_LOST ||
        !strstr(esk_error_message(&error), "forked"))
        return __LINE__;
    esk_error_clear(&error);
    if (esk_value_copy(made->inputs.values[0], there, NULL) != ESK_DEVICE_LOST)
        return __LINE__;
    if (esk_session_run(sessions[1], NULL, made->inputs.names, made->inputs.values, 1,
                        NULL, &y[1], 1, NULL) != ESK_OK)
        return __LINE__;
    for (int i = 0; i < 2; i++) {
        if (esk_session_run_async(sessions[i], NULL, made->inputs.names,
                                  made->inputs.values, 1, NULL, &y[2 + i], 1, NULL, NULL,
                                  &async, NULL) != ESK_OK)
            return __LINE__;
        if (esk_async_wait(async, -1, NULL) != (i ? ESK_OK : ESK_DEVICE_LOST))
            return __LINE__;
        esk_async_destroy(async);
    }
    for (int i = 1; i < 4; i += 2)
        if (memcmp(esk_value_const_data(y[i]), esk_value_const_data(expected),
                   esk_value_size(expected)))
            return __LINE__;
    for (int i = 0; i < 4; i++)
        esk_value_destroy(y[i]);
    return 0;
}

/* A child can end all that its parent made, queues too, and run what needs no device; the
 * parent goes on. */
bool a_host_that_forks(struct scene *s) {
    struct op_case *made;
    esk_session *sessions[2];
    esk_value *expected[2], *there;
    esk_error error = ESK_ERROR_INIT;

    MUST(open_two(s, &made, sessions));
    if (esk_value_create_on_device(sessions[0], ESK_FLOAT, 2,
                                   esk_value_dims(made->inputs.values[0]), &there,
                                   &error) != ESK_OK)
        return fault_take(s->fault, "value", &error);
    MUST(scene_keep(s, there, (void (*)(void *))esk_value_destroy));
    if (esk_value_copy(made->inputs.values[0], there, &error) != ESK_OK)
        return fault_take(s->fault, "copy", &error);
    for (int i = 0; i < 2; i++) { /* their queues have threads, at rest */
        esk_async *async;
        esk_value *y = NULL;

        MUST(scene_run(s, sessions[i], &expected[i], 1, made->inputs.values[0]));
        if (esk_session_run_async(sessions[i], NULL, made->inputs.names,
                                  made->inputs.values, 1, NULL, &y, 1, NULL, NULL, &async,
                                  &error) != ESK_OK)
            return fault_take(s->fault, "run_async", &error);
        esk_async_wait(async, -1, NULL);
        esk_async_destroy(async);
        esk_value_destroy(y);
    }
    fflush(NULL);
    for (int ends = 0; ends < 2; ends++) { /* the second one only ends */
        int status = -1;
        pid_t pid = fork();

        if (!pid) {
            int line = ends ? 0 : in_a_child(made, sessions, there, expected[1]);

            alarm(60);
            scene_finish(s);
            _exit(line % 256);
        }
        CHECK(s, pid > 0 && waitpid(pid, &status, 0) == pid, "no child");
        CHECK(s, WIFEXITED(status) && !WEXITSTATUS(status),
              "child %d: %s %d (a line of this file, modulo 256)", ends,
              WIFEXITED(status) ? "exit status" : "signal",
              WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    }
    for (int i = 0; i < 2; i++) {
        esk_value *y;

        MUST(scene_run(s, sessions[i], &y, 1, made->inputs.values[0]));
        MUST(scene_same_bytes(s, "the parent", y, expected[i]));
    }
    return true;
}

/* ---- threads × sessions ---- */

struct caller {
    esk_session *const *sessions;
    size_t n_sessions, first;
    struct op_case *made;
    esk_value *const *expected;
    bool good;
};

static void *call_all(void *user) {
    struct caller *c = user;

    c->good = true;
    for (int i = 0; i < 30 && c->good; i++) {
        size_t at = (c->first + (size_t)i) % c->n_sessions;
        esk_value *outputs[2] = {NULL};
        esk_async *async = NULL;
        esk_status now, later;

        later = esk_session_run_async(c->sessions[at], NULL, c->made->inputs.names,
                                      c->made->inputs.values, 1, NULL, &outputs[0], 0,
                                      NULL, NULL, &async, NULL);
        now = esk_session_run(c->sessions[at], NULL, c->made->inputs.names,
                              c->made->inputs.values, 1, NULL, &outputs[1], 0, NULL);
        if (later == ESK_OK)
            later = esk_async_wait(async, -1, NULL);
        esk_async_destroy(async);
        for (int o = 0; o < 2; o++) {
            c->good = c->good && now == ESK_OK && later == ESK_OK &&
                      !memcmp(esk_value_const_data(outputs[o]),
                              esk_value_const_data(c->expected[at]),
                              esk_value_size(c->expected[at]));
            esk_value_destroy(outputs[o]);
        }
    }
    return NULL;
}

bool threads_times_sessions(struct scene *s) {
    enum { THREADS = 6, SESSIONS = 5 };
    struct op_case *made;
    esk_session *sessions[SESSIONS];
    esk_value *expected[SESSIONS];
    struct caller callers[THREADS];
    pthread_t threads[THREADS];
    esk_env *envs[2];

    for (int i = 0; i < 2; i++)
        MUST(scene_env(s, &envs[i]));
    MUST(scene_case(s, "MatMul(float[16,32], float[32,24]!) | Softmax()", &made));
    for (int i = 0; i < SESSIONS; i++) {
        MUST(scene_session(s, envs[i % 2], made->model, i % 3 == 2 ? "CPU" : "GLCompute",
                           NULL, &sessions[i]));
        MUST(scene_run(s, sessions[i], &expected[i], 1, made->inputs.values[0]));
    }
    for (int i = 0; i < THREADS; i++) {
        callers[i] =
            (struct caller){sessions, SESSIONS, (size_t)i, made, expected, false};
        CHECK(s, !pthread_create(&threads[i], NULL, call_all, &callers[i]), "no thread");
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++)
        CHECK(s, callers[i].good, "thread %d: a run failed or gave another result", i);
    return true;
}
