/* Runs as only a driver sees them: when a terminated one ends, what is copied, which
 * device works. In: small models; out: calls that the driver counts. */
#include "driver.h"

#include <pthread.h>

static void stop(void *terminate) {
    esk_terminate_set(terminate, true);
}

/* ---- terminate ---- */

enum { LINKS = 64, STOP_AT = 10, FLUSH = 4 };

enum way { AT_ONCE, BY_BINDING, BY_QUEUE, REPLAYED, WAYS };

static esk_status run_by(enum way way, esk_session *session, struct op_case *made,
                         esk_binding *binding, esk_terminate *terminate, esk_value **y) {
    const esk_run_options *options =
        esk_run_options(.terminate = terminate, .gpu_graph_id = way == REPLAYED ? 2 : -1);
    esk_async *async = NULL;
    esk_status status;

    if (way == BY_BINDING)
        return esk_session_run_binding(session, options, binding, NULL);
    if (way != BY_QUEUE)
        return esk_session_run(session, options, made->inputs.names, made->inputs.values,
                               1, NULL, y, 1, NULL);
    status =
        esk_session_run_async(session, options, made->inputs.names, made->inputs.values,
                              1, NULL, y, 1, NULL, NULL, &async, NULL);
    if (status == ESK_OK)
        status = esk_async_wait(async, -1, NULL);
    esk_async_destroy(async);
    return status;
}

/* Commands that were issued when it was set, and not more than a flush of others. */
bool terminated_within_a_flush(struct scene *s) {
    char text[32 + LINKS * 24];
    size_t at = (size_t)snprintf(text, sizeof(text), "Softmax(float[4,8]) axis=0");
    esk_env *env;
    struct op_case *made;
    esk_session *session;
    esk_binding *binding;
    esk_terminate *terminate;
    struct nullgl_seen seen;
    esk_value *y[WAYS] = {NULL};

    for (int i = 1; i < LINKS; i++)
        at +=
            (size_t)snprintf(text + at, sizeof(text) - at, " | Softmax() axis=%d", i % 2);
    (void)at;
    MUST(driver_open(s, text, "strict=1,enableGraphCapture=1,maxNumPendingDispatches=4",
                     &env, &made, &session));
    CHECK(s, esk_terminate_create(&terminate, NULL) == ESK_OK, "no switch");
    MUST(scene_keep(s, terminate, (void (*)(void *))esk_terminate_destroy));
    CHECK(s, esk_binding_create(session, &binding, NULL) == ESK_OK, "no binding");
    MUST(scene_keep(s, binding, (void (*)(void *))esk_binding_destroy));
    CHECK(s,
          esk_binding_input(binding, made->inputs.names[0], made->inputs.values[0],
                            NULL) == ESK_OK,
          "no input");
    for (int round = 0; round < 2; round++)
        for (enum way way = AT_ONCE; way < WAYS; way++) {
            esk_status status;

            /* a whole run, one that is stopped, one that is before it begins, a whole one
             */
            for (int run = 0; run < 4; run++) {
                bool stopped = run == 1 || run == 2;

                driver.see(&seen);
                esk_terminate_set(terminate, run == 2);
                if (run == 1)
                    driver.set(&(struct nullgl_faults){
                        .call_after = STOP_AT, .call = stop, .user = terminate});
                status = run_by(way, session, made, binding, terminate, &y[way]);
                driver.set(&(struct nullgl_faults){0});
                esk_terminate_set(terminate, false);
                driver.see(&seen);
                CHECK(s, status == (stopped ? ESK_CANCELLED : ESK_OK),
                      "way %d, run %d: %s", way, run, esk_status_name(status));
                if (run == 1)
                    CHECK(s, seen.dispatches[0] <= STOP_AT + FLUSH,
                          "way %d: set after %d dispatches, %ld were issued", way,
                          STOP_AT, seen.dispatches[0]);
                else
                    CHECK(s, seen.dispatches[0] == (stopped ? 0 : LINKS),
                          "way %d, run %d: %ld dispatches", way, run, seen.dispatches[0]);
            }
        }
    for (int way = 0; way < WAYS; way++)
        esk_value_destroy(y[way]);
    return true;
}

/* ---- values on the device ---- */

static bool make_value(struct scene *s, esk_session *session, const esk_value *from,
                       esk_value **value) {
    CHECK(s,
          esk_value_create_on_device(session, ESK_FLOAT, 2, esk_value_dims(from), value,
                                     NULL) == ESK_OK,
          "no value on the device");
    MUST(scene_keep(s, *value, scene_drop_value));
    CHECK(s, esk_value_copy(from, *value, NULL) == ESK_OK, "no copy");
    return true;
}

static bool calls(struct scene *s, const char *what, long copies, long maps) {
    struct nullgl_seen seen;

    driver.see(&seen);
    CHECK(s, seen.copies == copies && seen.maps == maps,
          "%s: %ld copies and %ld maps, not %ld and %ld", what, seen.copies, seen.maps,
          copies, maps);
    return true;
}

bool bound_values_are_not_copied(struct scene *s) {
    esk_env *env;
    struct op_case *made;
    esk_session *sessions[2];
    esk_binding *bindings[2];
    esk_value *x, *on[3];
    const char *in, *out;

    MUST(driver_open(s, "Softmax(float[4,8]) axis=1", "strict=1,threads=pool", &env,
                     &made, &sessions[0]));
    MUST(scene_session(s, env, made->model, "GLCompute", "strict=1,threads=pool",
                       &sessions[1]));
    x = made->inputs.values[0];
    in = made->inputs.names[0];
    out = esk_session_output(sessions[0], 0)->name;
    for (int i = 0; i < 3; i++)
        MUST(make_value(s, sessions[i % 2], x, &on[i]));
    for (int i = 0; i < 2; i++) {
        CHECK(s, esk_binding_create(sessions[i], &bindings[i], NULL) == ESK_OK,
              "no binding");
        MUST(scene_keep(s, bindings[i], (void (*)(void *))esk_binding_destroy));
        CHECK(s,
              esk_binding_input(bindings[i], in, on[i], NULL) == ESK_OK &&
                  esk_binding_output(bindings[i], out, on[i + 1], NULL) == ESK_OK &&
                  esk_session_run_binding(sessions[i], NULL, bindings[i], NULL) == ESK_OK,
              "run %d", i);
    }
    MUST(calls(s, "the first runs", 0, 3)); /* the values' own bytes */
    for (int i = 0; i < 4; i++) /* what one session made is the other's input */
        CHECK(s,
              esk_session_run_binding(sessions[i % 2], NULL, bindings[i % 2], NULL) ==
                  ESK_OK,
              "run %d", i);
    MUST(calls(s, "runs on bound values", 0, 0));
    CHECK(s, esk_value_copy(on[0], on[2], NULL) == ESK_OK, "copy");
    MUST(calls(s, "a copy within the device", 1, 0));
    /* an output in its input's place waits for the end of the run */
    CHECK(s,
          esk_binding_output(bindings[0], out, on[0], NULL) == ESK_OK &&
              esk_session_run_binding(sessions[0], NULL, bindings[0], NULL) == ESK_OK,
          "an output that is the input");
    return calls(s, "an output that is the input", 1, 0);
}

/* ---- threads on several devices ---- */

struct caller {
    esk_session *session;
    struct op_case *made;
    esk_value *theirs; /* a value of the other device */
    bool good;
};

static void *call_often(void *user) {
    struct caller *c = user;

    c->good = true;
    for (int i = 0; i < 40 && c->good; i++) {
        esk_value *y = NULL, *in = i % 4 ? c->made->inputs.values[0] : c->theirs;

        c->good = esk_session_run(c->session, NULL, c->made->inputs.names, &in, 1, NULL,
                                  &y, 1, NULL) == ESK_OK;
        esk_value_destroy(y);
    }
    return NULL;
}

bool threads_on_two_devices(struct scene *s) {
    enum { THREADS = 6, SESSIONS = 4 };
    static const struct nullgl_devices two = {
        .items = {{"first", "/dev/dri/renderD128", 0, 0},
                  {"second", "/dev/dri/renderD129", 0, 0}},
        .count = 2};
    esk_env *env;
    struct op_case *made;
    esk_session *sessions[SESSIONS];
    esk_value *on[2];
    struct caller callers[THREADS];
    pthread_t threads[THREADS];
    struct nullgl_seen seen;

    MUST(driver_find(s));
    driver.list(&two);
    MUST(scene_env(s, &env));
    MUST(scene_case(s, "MatMul(float[4,8], float[8,8]!) | Softmax()", &made));
    for (int i = 0; i < SESSIONS; i++)
        MUST(scene_session(s, env, made->model, "GLCompute",
                           i % 2 ? "strict=1,deviceId=1" : "strict=1", &sessions[i]));
    for (int i = 0; i < 2; i++)
        MUST(make_value(s, sessions[i], made->inputs.values[0], &on[i]));
    driver.see(&seen);
    for (int i = 0; i < THREADS; i++) {
        callers[i] = (struct caller){sessions[i % SESSIONS], made, on[1 - i % 2], false};
        CHECK(s, !pthread_create(&threads[i], NULL, call_often, &callers[i]),
              "no thread");
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++)
        CHECK(s, callers[i].good, "thread %d: a run failed", i);
    driver.see(&seen);
    CHECK(s, seen.dispatches[0] == 3 * 40 * 2 && seen.dispatches[1] == 3 * 40 * 2,
          "%ld dispatches on one device, %ld on the other", seen.dispatches[0],
          seen.dispatches[1]);
    return true;
}
