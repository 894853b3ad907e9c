/* Faults and threads on the null driver (nullgl.c): lost devices, fences that never come,
 * no memory; threads × sessions for ThreadSanitizer. In: small models; out: statuses and
 * messages: results mean nothing here. */
#include "driver.h"
#include "table.h"

#include <pthread.h>
#include <time.h>

static esk_status run(esk_session *session, struct op_case *made, esk_value *x,
                      esk_error *error) {
    return driver_run(session, made, x, 0, error);
}

static const char two_ops[] = "MatMul(float[4,8], float[8,8]!) | Softmax() free=1";

static bool a_lost_device_is_named(struct scene *s) {
    esk_env *env;
    struct op_case *made;
    esk_session *session, *again;
    esk_value *x;

    MUST(driver_open(s, two_ops, "strict=1", &env, &made, &session));
    x = made->inputs.values[0];
    GIVES(s, run(session, made, x, error), ESK_OK, "");
    driver.set(&(struct nullgl_faults){.lose_after = 1});
    GIVES(s, run(session, made, x, error), ESK_DEVICE_LOST, "MatMul_0");
    GIVES(s, run(session, made, x, error), ESK_DEVICE_LOST, "lost");
    driver.set(&(struct nullgl_faults){0});
    GIVES(s, run(session, made, x, error), ESK_DEVICE_LOST, "lost");
    /* EGL may be the one to say so */
    MUST(scene_session(s, env, made->model, "GLCompute", "strict=1", &again));
    GIVES(s, run(again, made, x, error), ESK_OK, "");
    driver.set(&(struct nullgl_faults){.egl_lost = 1});
    GIVES(s, run(again, made, x, error), ESK_DEVICE_LOST, "EGL_CONTEXT_LOST");
    driver.set(&(struct nullgl_faults){0});
    /* a new session opens the device anew, while the old one is still there */
    MUST(scene_session(s, env, made->model, "GLCompute", "strict=1", &again));
    GIVES(s, run(again, made, x, error), ESK_OK, "");
    return true;
}

/* preserveDevice keeps no device that is lost. */
static bool a_lost_device_is_not_preserved(struct scene *s) {
    for (int lost = 0; lost < 2; lost++) {
        struct scene own = {.fault = s->fault};
        struct nullgl_live before, after;
        struct op_case *made;
        esk_session *session;
        esk_env *env;

        MUST(driver_find(s));
        MUST(scene_env(s, &env));
        driver.count(&before);
        MUST(scene_case(s, two_ops, &made));
        bool good = scene_session(&own, env, made->model, "GLCompute",
                                  "strict=1,preserveDevice=1", &session);
        driver.set(&(struct nullgl_faults){.lose_after = lost});
        esk_status status =
            good ? run(session, made, made->inputs.values[0], NULL) : ESK_INTERNAL;
        scene_finish(&own);
        driver.set(&(struct nullgl_faults){0});
        driver.count(&after);
        MUST(good);
        CHECK(s, status == (lost ? ESK_DEVICE_LOST : ESK_OK), "the run gave %s",
              esk_status_name(status));
        CHECK(s, (after.contexts > before.contexts) == !lost,
              "%ld contexts after a session, %ld before it; lost: %d", after.contexts,
              before.contexts, lost);
    }
    return true;
}

/* With recoverDevice the next run opens the device anew; what lay on the old one is
 * named. */
static bool a_session_recovers(struct scene *s) {
    static const int64_t dims[] = {4, 8};
    esk_env *env;
    struct op_case *made;
    struct lines lines = {.size = 0};
    esk_session *session;
    esk_value *x, *there, *again;
    esk_session_stats before, after;

    MUST(driver_find(s));
    MUST(driver_logging_env(s, &lines, &env));
    MUST(scene_case(s, two_ops, &made));
    MUST(scene_session(s, env, made->model, "GLCompute",
                       "strict=1,threads=pool,recoverDevice=1,enableGraphCapture=1",
                       &session));
    x = made->inputs.values[0];
    GIVES(s, esk_value_create_on_device(session, ESK_FLOAT, 2, dims, &there, error),
          ESK_OK, "");
    MUST(scene_keep(s, there, scene_drop_value));
    GIVES(s, esk_value_copy(x, there, error), ESK_OK, "");
    GIVES(s, driver_run(session, made, x, -1, error), ESK_OK, "");
    GIVES(s, driver_run(session, made, x, 4, error), ESK_OK, "");
    GIVES(s, driver_run(session, made, there, -1, error), ESK_OK, "");
    MUST(scene_stats(s, session, &before));
    driver.set(&(struct nullgl_faults){.lose_after = 1});
    GIVES(s, driver_run(session, made, x, -1, error), ESK_DEVICE_LOST, "MatMul_0");
    driver.set(&(struct nullgl_faults){.no_display = 1});
    GIVES(s, driver_run(session, made, x, -1, error), ESK_NO_DEVICE,
          "the device was lost and cannot be opened anew");
    /* what is opened anew is lost as well */
    driver.set(&(struct nullgl_faults){.lose_after = 1});
    GIVES(s, driver_run(session, made, x, -1, error), ESK_DEVICE_LOST, "MatMul_0");
    driver.set(&(struct nullgl_faults){0});
    CHECK(s, strstr(lines.text, "2 the device was lost; it is open again"), "logged: %s",
          lines.text);
    GIVES(s, driver_run(session, made, there, -1, error), ESK_DEVICE_LOST, "input '");
    esk_value *y = there;
    GIVES(s,
          esk_session_run(session, esk_run_options(.gpu_graph_id = -1),
                          made->inputs.names, &x, 1, NULL, &y, 1, error),
          ESK_DEVICE_LOST, "lay on a device that was lost; make another");
    GIVES(s, driver_run(session, made, x, -1, error), ESK_OK, "");
    GIVES(s, driver_run(session, made, x, -1, error), ESK_OK, "");
    GIVES(s, driver_run(session, made, there, -1, error), ESK_DEVICE_LOST, "input '");
    MUST(scene_stats(s, session, &after));
    CHECK(s, after.weight_bytes == before.weight_bytes && after.weight_bytes,
          "weights take %u bytes, before the loss %u", (unsigned)after.weight_bytes,
          (unsigned)before.weight_bytes);
    GIVES(s, driver_run(session, made, x, 4, error), ESK_DEVICE_LOST, "graph 4");
    GIVES(s, esk_session_release_graph(session, 4, error), ESK_OK, "");
    GIVES(s, driver_run(session, made, x, 4, error), ESK_OK, "");
    GIVES(s, esk_value_create_on_device(session, ESK_FLOAT, 2, dims, &again, error),
          ESK_OK, "");
    MUST(scene_keep(s, again, scene_drop_value));
    GIVES(s, driver_run(session, made, again, -1, error), ESK_OK, "");
    return true;
}

struct unlucky {
    esk_session *session;
    struct op_case *made;
    unsigned good, lost, other;
};

static void *run_often(void *user) {
    struct unlucky *u = user;

    for (int i = 0; i < 60; i++) {
        esk_status status =
            driver_run(u->session, u->made, u->made->inputs.values[0], -1, NULL);

        u->good += status == ESK_OK;
        u->lost += status == ESK_DEVICE_LOST;
        u->other += status != ESK_OK && status != ESK_DEVICE_LOST;
        if (status == ESK_DEVICE_LOST)
            driver.set(&(struct nullgl_faults){0});
    }
    return NULL;
}

/* The device is lost under runs of several threads: each run ends, and those after it
 * work. */
static bool threads_recover(struct scene *s) {
    enum { THREADS = 4 };
    struct unlucky unlucky[THREADS];
    pthread_t threads[THREADS];
    esk_env *env;
    struct op_case *made;
    esk_session *session;
    unsigned good = 0, lost = 0;

    MUST(driver_open(s, two_ops, "strict=1,recoverDevice=1", &env, &made, &session));
    driver.set(&(struct nullgl_faults){.lose_after = 60});
    for (int i = 0; i < THREADS; i++) {
        unlucky[i] = (struct unlucky){.session = session, .made = made};
        CHECK(s, !pthread_create(&threads[i], NULL, run_often, &unlucky[i]), "no thread");
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK(s, !unlucky[i].other, "%u runs failed otherwise", unlucky[i].other);
        good += unlucky[i].good;
        lost += unlucky[i].lost;
    }
    driver.set(&(struct nullgl_faults){0});
    CHECK(s, lost && good > lost, "%u runs were good, %u lost", good, lost);
    GIVES(s, driver_run(session, made, made->inputs.values[0], -1, error), ESK_OK, "");
    return true;
}

static bool a_fence_that_never_comes(struct scene *s) {
    esk_session_stats before, after;
    esk_env *env;
    struct op_case *made;
    esk_session *session;

    MUST(driver_open(s, two_ops, "strict=1,fenceTimeoutMs=50", &env, &made, &session));
    GIVES(s, run(session, made, made->inputs.values[0], error), ESK_OK, "");
    MUST(scene_stats(s, session, &before));
    driver.set(&(struct nullgl_faults){.hang = 1});
    GIVES(s, run(session, made, made->inputs.values[0], error), ESK_TIMEOUT, "MatMul_0");
    /* the device may write to its buffers still: nobody gets them again */
    MUST(scene_stats(s, session, &after));
    CHECK(s,
          after.buffers_destroyed - before.buffers_destroyed == 3 &&
              !after.cached_buffers,
          "%u buffers destroyed, %u in caches",
          (unsigned)(after.buffers_destroyed - before.buffers_destroyed),
          (unsigned)after.cached_buffers);
    GIVES(s, run(session, made, made->inputs.values[0], error), ESK_TIMEOUT,
          "within 50 ms");
    driver.set(&(struct nullgl_faults){0});
    GIVES(s, run(session, made, made->inputs.values[0], error), ESK_OK, "");
    return true;
}

static void *stop_soon(void *user) {
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    esk_terminate_set(user, true);
    return NULL;
}

static bool a_hanging_run_can_be_terminated(struct scene *s) {
    esk_env *env;
    struct op_case *made;
    esk_session *session;
    esk_terminate *stop;
    esk_value *y = NULL;
    esk_status status;
    pthread_t thread;

    MUST(driver_open(s, two_ops, "strict=1", &env, &made, &session));
    CHECK(s, esk_terminate_create(&stop, NULL) == ESK_OK, "no switch");
    MUST(scene_keep(s, stop, (void (*)(void *))esk_terminate_destroy));
    driver.set(&(struct nullgl_faults){.hang = 1});
    CHECK(s, !pthread_create(&thread, NULL, stop_soon, stop), "no thread");
    status =
        esk_session_run(session, esk_run_options(.terminate = stop), made->inputs.names,
                        made->inputs.values, 1, NULL, &y, 1, NULL);
    pthread_join(thread, NULL);
    CHECK(s, status == ESK_CANCELLED, "a hanging run gave %s", esk_status_name(status));
    driver.set(&(struct nullgl_faults){0});
    GIVES(s, run(session, made, made->inputs.values[0], error), ESK_OK, "");
    return true;
}

static bool out_of_device_memory(struct scene *s) {
    esk_env *env;
    struct op_case *made;
    esk_session *session;
    esk_value *large;

    MUST(driver_open(s, two_ops, "strict=1", &env, &made, &session));
    MUST(scene_value(s, "float[4096,8]", &large));
    driver.set(&(struct nullgl_faults){.buffer_most = 65536});
    GIVES(s, run(session, made, large, error), ESK_OUT_OF_MEMORY, "");
    GIVES(s, run(session, made, made->inputs.values[0], error), ESK_OK, "");
    GIVES(s, run(session, made, large, error), ESK_OUT_OF_MEMORY, "");
    driver.set(&(struct nullgl_faults){0});
    GIVES(s, run(session, made, large, error), ESK_OK, "");
    return true;
}

/* What caches keep goes before the device is said to be full; the error tells the size.
 */
static bool caches_make_room(struct scene *s) {
    esk_env *env;
    struct op_case *made;
    esk_session *session;
    esk_session_stats stats;
    esk_value *large, *larger;

    MUST(driver_open(s, two_ops, "strict=1,storageBufferCacheMode=simple", &env, &made,
                     &session));
    MUST(scene_value(s, "float[4096,8]", &large));
    MUST(scene_value(s, "float[4100,8]", &larger));
    GIVES(s, run(session, made, large, error), ESK_OK, "");
    MUST(scene_stats(s, session, &stats));
    CHECK(s, stats.cached_bytes > 3u * 4096 * 8 * 4, "%u bytes in caches",
          (unsigned)stats.cached_bytes);
    driver.set(&(struct nullgl_faults){.memory_most = (long)stats.device_bytes + 65536});
    GIVES(s, run(session, made, larger, error), ESK_OK, "");
    driver.set(&(struct nullgl_faults){.memory_most = 65536});
    MUST(scene_value(s, "float[5000,8]", &larger));
    GIVES(s, run(session, made, larger, error), ESK_OUT_OF_MEMORY, "of 160016 bytes");
    driver.set(&(struct nullgl_faults){0});
    GIVES(s, run(session, made, larger, error), ESK_OK, "");
    return true;
}

/* A reset ends the wait for a fence that will never come, long before its time is up. */
static bool a_reset_while_waiting(struct scene *s) {
    esk_env *env;
    struct op_case *made;
    esk_session *session;
    time_t start = time(NULL);

    MUST(driver_open(s, two_ops, "strict=1,fenceTimeoutMs=20000", &env, &made, &session));
    GIVES(s, run(session, made, made->inputs.values[0], error), ESK_OK, "");
    driver.set(&(struct nullgl_faults){.hang = 1, .lose_after = 1});
    GIVES(s, run(session, made, made->inputs.values[0], error), ESK_DEVICE_LOST,
          "this context caused it");
    CHECK(s, time(NULL) - start < 15, "it was noticed after %d s",
          (int)(time(NULL) - start));
    driver.set(&(struct nullgl_faults){0});
    return true;
}

static bool nothing_can_be_mapped(struct scene *s) {
    esk_env *env;
    struct op_case *made;
    esk_session *session;

    MUST(driver_open(s, two_ops, "strict=1", &env, &made, &session));
    driver.set(&(struct nullgl_faults){.no_map = 1});
    GIVES(s, run(session, made, made->inputs.values[0], error), ESK_DEVICE_ERROR, "");
    driver.set(&(struct nullgl_faults){0});
    GIVES(s, run(session, made, made->inputs.values[0], error), ESK_OK, "");
    return true;
}

/* ---- what is left ---- */

/* A session's life: plans of several shapes, a captured graph, values on the device, a
 * binding, a run by the queue, one that fails, one whose outputs are dropped. */
static bool live_once(struct scene *s, esk_env *env, struct op_case *made,
                      const char *settings) {
    struct scene own = {.fault = s->fault};
    esk_session *session;
    esk_value *x, *on = NULL, *late[1] = {NULL};
    esk_binding *binding = NULL;
    esk_async *async = NULL;
    esk_error error = ESK_ERROR_INIT;
    bool good = scene_session(&own, env, made->model, "GLCompute", settings, &session);

    for (int rows = 3; good && rows < 7; rows++) {
        char text[32];

        snprintf(text, sizeof(text), "float[%d,8]", rows);
        good = scene_value(&own, text, &x) &&
               driver_run(session, made, x, rows, &error) == ESK_OK;
    }
    if (good && esk_value_create_on_device(session, ESK_FLOAT, 2, esk_value_dims(x), &on,
                                           &error) == ESK_OK)
        good = scene_keep(&own, on, scene_drop_value);
    good = good && on && esk_value_copy(x, on, &error) == ESK_OK &&
           esk_binding_create(session, &binding, &error) == ESK_OK &&
           scene_keep(&own, binding, (void (*)(void *))esk_binding_destroy) &&
           esk_binding_input(binding, made->inputs.names[0], on, &error) == ESK_OK &&
           esk_binding_output_at(binding, esk_session_output(session, 0)->name,
                                 ESK_ON_DEVICE, &error) == ESK_OK &&
           esk_session_run_binding(session, esk_run_options(.gpu_graph_id = -1), binding,
                                   &error) == ESK_OK &&
           esk_session_run_async(session, esk_run_options(.gpu_graph_id = -1),
                                 made->inputs.names, &x, 1, NULL, late, 1, NULL, NULL,
                                 &async, &error) == ESK_OK;
    if (async && esk_async_wait(async, -1, &error) != ESK_OK)
        good = false;
    esk_async_destroy(async);
    esk_value_destroy(late[0]);
    driver.set(&(struct nullgl_faults){.no_map = 1});
    good = good && scene_value(&own, "float[9,8]", &x) &&
           driver_run(session, made, x, 9, &error) == ESK_DEVICE_ERROR;
    esk_error_clear(&error);
    driver.set(&(struct nullgl_faults){0});
    scene_finish(&own);
    return good ||
           (esk_error_message(&error)[0] && fault_take(s->fault, settings, &error)) ||
           fault_set(s->fault, "%s: a call failed", settings);
}

/* The driver's own count: nothing is left of an env; and of a session, in an env whose
 * caches keep nothing, but programs. */
static bool nothing_is_left(struct scene *s) {
    static const char *const rows[] = {
        "strict=1",
        "readPath=image",
        "enableGraphCapture=1,storageBufferCacheMode=simple",
        "storageBufferCacheMode=disabled,uniformBufferCacheMode=disabled,"
        "defaultBufferCacheMode=disabled",
        "readPath=image,enableGraphCapture=1,storageBufferCacheMode=disabled,"
        "uniformBufferCacheMode=disabled,defaultBufferCacheMode=disabled",
    };
    struct nullgl_live live[3], last;

    MUST(driver_find(s));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct scene own = {.fault = s->fault};
        struct op_case *made, *small;
        esk_env *env;
        esk_session *kept;
        bool good = scene_env(&own, &env) && scene_case(&own, two_ops, &made) &&
                    scene_case(&own, "Relu(float[3])", &small) &&
                    scene_session(&own, env, small->model, "GLCompute", rows[i], &kept);

        for (int cycle = 0; good && cycle < 3; cycle++) {
            good = live_once(s, env, made, rows[i]);
            driver.count(&live[cycle]);
        }
        bool keeps = !strstr(rows[i], "uniformBufferCacheMode=disabled");
        scene_finish(&own);
        driver.count(&last);
        MUST(good);
        for (int cycle = 1; cycle < 3; cycle++)
            CHECK(
                s, !memcmp(&live[cycle], &live[0], sizeof(last)),
                "%s: session %d left %ld buffers, %ld textures, %ld programs, the first "
                "%ld, %ld, %ld",
                rows[i], cycle, live[cycle].buffers, live[cycle].textures,
                live[cycle].programs, live[0].buffers, live[0].textures,
                live[0].programs);
        CHECK(s, !live[0].mapped && !live[0].fences && !live[0].shaders,
              "%s: after a session %ld mapped, %ld fences, %ld shaders", rows[i],
              live[0].mapped, live[0].fences, live[0].shaders);
        CHECK(s, keeps || live[0].buffers <= 2, "%s: %ld buffers after a session",
              rows[i], live[0].buffers);
        CHECK(s,
              !last.buffers && !last.mapped && !last.textures && !last.shaders &&
                  !last.programs && !last.fences && !last.contexts && !last.surfaces,
              "%s: after the env %ld buffers, %ld mapped, %ld textures, %ld shaders, %ld "
              "programs, %ld fences, %ld contexts, %ld surfaces",
              rows[i], last.buffers, last.mapped, last.textures, last.shaders,
              last.programs, last.fences, last.contexts, last.surfaces);
    }
    return true;
}

/* ---- threads ---- */

struct caller {
    esk_session *const *sessions;
    size_t n_sessions, first;
    struct op_case *made;
    esk_value *on; /* a value on the device that all of them read */
    bool good;
};

static void *call_all(void *user) {
    struct caller *c = user;

    c->good = true;
    for (int i = 0; i < 40 && c->good; i++) {
        esk_session *session = c->sessions[(c->first + (size_t)i) % c->n_sessions];
        esk_value *outputs[2] = {NULL}, *in = i & 1 ? c->on : c->made->inputs.values[0];
        esk_async *async = NULL;
        esk_binding *binding = NULL;

        c->good =
            esk_session_run_async(session, esk_run_options(.gpu_graph_id = i % 3),
                                  c->made->inputs.names, c->made->inputs.values, 1, NULL,
                                  &outputs[0], 0, NULL, NULL, &async, NULL) == ESK_OK;
        c->good = esk_session_run(session, esk_run_options(.gpu_graph_id = -1),
                                  c->made->inputs.names, &in, 1, NULL, &outputs[1], 0,
                                  NULL) == ESK_OK &&
                  c->good;
        c->good = async && esk_async_wait(async, -1, NULL) == ESK_OK && c->good;
        esk_async_destroy(async);
        if (esk_binding_create(session, &binding, NULL) == ESK_OK) {
            const char *name = esk_session_output(session, 0)->name;

            esk_binding_input(binding, c->made->inputs.names[0], in, NULL);
            esk_binding_output_at(binding, name, ESK_ON_DEVICE, NULL);
            c->good =
                esk_session_run_binding(session, esk_run_options(.gpu_graph_id = -1),
                                        binding, NULL) == ESK_OK &&
                esk_value_copy(esk_binding_value(binding, name), outputs[1], NULL) ==
                    ESK_OK &&
                c->good;
        }
        esk_binding_destroy(binding);
        for (int o = 0; o < 2; o++)
            esk_value_destroy(outputs[o]);
    }
    return NULL;
}

static bool threads_times_sessions(struct scene *s) {
    enum { THREADS = 6, SESSIONS = 5 };
    esk_env *env, *other;
    struct op_case *made;
    esk_session *sessions[SESSIONS];
    struct caller callers[THREADS];
    pthread_t threads[THREADS];
    esk_value *on;

    MUST(driver_open(s, "MatMul(float[4,8], float[8,8]!) | Softmax()", NULL, &env, &made,
                     &sessions[0]));
    MUST(scene_env(s, &other));
    for (int i = 1; i < SESSIONS; i++)
        MUST(scene_session(s, i == 3 ? other : env, made->model,
                           i == 2 ? "CPU" : "GLCompute",
                           i == 4 ? "enableGraphCapture=1" : NULL, &sessions[i]));
    CHECK(s,
          esk_value_create_on_device(sessions[0], ESK_FLOAT, 2,
                                     esk_value_dims(made->inputs.values[0]), &on,
                                     NULL) == ESK_OK,
          "no value on the device");
    MUST(scene_keep(s, on, scene_drop_value));
    CHECK(s, esk_value_copy(made->inputs.values[0], on, NULL) == ESK_OK, "no copy");
    for (int i = 0; i < THREADS; i++) {
        callers[i] = (struct caller){sessions, SESSIONS, (size_t)i, made, on, false};
        CHECK(s, !pthread_create(&threads[i], NULL, call_all, &callers[i]), "no thread");
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++)
        CHECK(s, callers[i].good, "thread %d: a run failed", i);
    return true;
}

/* Runs wait in queues while their sessions are destroyed from other threads. */
static void *destroy_it(void *user) {
    esk_session_destroy(user);
    return NULL;
}

static bool sessions_come_and_go(struct scene *s) {
    enum { SESSIONS = 8, RUNS = 12 };
    esk_env *env;
    struct op_case *made;
    esk_session *kept, *sessions[SESSIONS];
    static esk_value *outputs[SESSIONS][RUNS];
    pthread_t threads[SESSIONS];
    esk_session_stats stats;
    esk_session_options *options;

    MUST(driver_open(s, "MatMul(float[4,8], float[8,8]!) | Softmax()", NULL, &env, &made,
                     &kept));
    MUST(scene_options(s, "GLCompute", NULL, &options));
    for (int i = 0; i < SESSIONS; i++) {
        CHECK(s,
              esk_session_create_from_model(env, made->model, options, &sessions[i],
                                            NULL) == ESK_OK,
              "session %d", i);
        for (int r = 0; r < RUNS; r++)
            CHECK(s,
                  esk_session_run_async(sessions[i], NULL, made->inputs.names,
                                        made->inputs.values, 1, NULL, &outputs[i][r], 0,
                                        NULL, NULL, NULL, NULL) == ESK_OK,
                  "run %d", r);
    }
    for (int i = 0; i < SESSIONS; i++)
        CHECK(s, !pthread_create(&threads[i], NULL, destroy_it, sessions[i]),
              "no thread");
    for (int i = 0; i < SESSIONS; i++) {
        pthread_join(threads[i], NULL);
        for (int r = 0; r < RUNS; r++)
            esk_value_destroy(outputs[i][r]);
    }
    return scene_stats(s, kept, &stats);
}

static const struct table_test tests[] = {
#define ROW(name) \
    { #name, name }
    ROW(device_ids_count_hardware_first),
    ROW(power_preference_counts_one_first),
    ROW(sessions_of_other_devices),
    ROW(software_can_be_refused),
    ROW(no_device_falls_back_to_the_cpu),
    ROW(robust_contexts_where_asked),
    ROW(full_validation_talks_to_the_driver),
    ROW(gl_errors_of_a_run_are_seen),
    ROW(flushes_between_dispatches),
    ROW(poison_is_in_every_buffer),
    ROW(a_preserved_device_stays),
    ROW(device_wide_options_must_agree),
    ROW(a_callers_display_and_context),
    ROW(terminated_within_a_flush),
    ROW(bound_values_are_not_copied),
    ROW(threads_on_two_devices),
    ROW(callers_context_comes_back),
    ROW(a_forked_child_is_told),
    ROW(a_lost_device_is_named),
    ROW(a_lost_device_is_not_preserved),
    ROW(a_session_recovers),
    ROW(threads_recover),
    ROW(a_fence_that_never_comes),
    ROW(a_hanging_run_can_be_terminated),
    ROW(out_of_device_memory),
    ROW(caches_make_room),
    ROW(a_reset_while_waiting),
    ROW(nothing_can_be_mapped),
    ROW(nothing_is_left),
    ROW(a_lanes_error_is_the_runs),
    ROW(lanes_of_several_threads),
    ROW(threads_times_sessions),
    ROW(sessions_come_and_go),
#undef ROW
};

int main(int argc, char **argv) {
    return table_main(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
