/* Faults and threads on the null driver (nullgl.c): lost devices, fences that never come, no
 * memory; threads × sessions for ThreadSanitizer. In: small models; out: statuses and
 * messages: results mean nothing here. */
#include "nullgl.h"
#include "table.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void (*set)(const struct nullgl_faults *faults);

static void drop_value(void *value) {
    esk_value_destroy(value);
}

/* Loads the driver as the library will; false: another libEGL is in the way. */
static bool find_driver(struct scene *s) {
    void *egl = dlopen("libEGL.so.1", RTLD_NOW);

    CHECK(s, egl, "no libEGL.so.1: %s", dlerror());
    *(void **)&set = dlsym(egl, "nullgl_set");
    CHECK(s, set, "libEGL.so.1 is not the null driver: see LD_LIBRARY_PATH");
    return true;
}

static bool open_one(struct scene *s, const char *text, const char *settings, esk_env **env,
                     struct op_case **made, esk_session **session) {
    MUST(find_driver(s));
    MUST(scene_env(s, env));
    MUST(scene_case(s, text, made));
    return scene_session(s, *env, (*made)->model, "GLCompute", settings, session);
}

static esk_status run(esk_session *session, struct op_case *made, esk_value *x,
                      esk_error *error) {
    esk_value *y = NULL;
    esk_status status = esk_session_run(session, NULL, made->inputs.names, &x, 1, NULL, &y,
                                        1, error);

    esk_value_destroy(y);
    return status;
}

#define GIVES(s, call, code, word)                                                    \
    do {                                                                              \
        esk_error gives_error = ESK_ERROR_INIT, *error = &gives_error;                \
        esk_status gives = (call);                                                    \
        char gives_text[512];                                                         \
        snprintf(gives_text, sizeof(gives_text), "%s", esk_error_message(error));     \
        esk_error_clear(error);                                                       \
        CHECK(s, gives == (code) && strstr(gives_text, word),                         \
              "%s gave %s, not %s with '%s': %s", #call, esk_status_name(gives),      \
              esk_status_name(code), word, gives_text);                               \
    } while (0)

static const char two_ops[] = "MatMul(float[4,8], float[8,8]!) | Softmax() free=1";

static bool a_lost_device_is_named(struct scene *s) {
    esk_env *env;
    struct op_case *made;
    esk_session *session, *again;
    esk_value *x;

    MUST(open_one(s, two_ops, "strict=1", &env, &made, &session));
    x = made->inputs.values[0];
    GIVES(s, run(session, made, x, error), ESK_OK, "");
    set(&(struct nullgl_faults){.lose_after = 1});
    GIVES(s, run(session, made, x, error), ESK_DEVICE_LOST, "MatMul_0");
    GIVES(s, run(session, made, x, error), ESK_DEVICE_LOST, "lost");
    set(&(struct nullgl_faults){0});
    GIVES(s, run(session, made, x, error), ESK_DEVICE_LOST, "lost");
    /* a new session opens the device anew, while the old one is still there */
    MUST(scene_session(s, env, made->model, "GLCompute", "strict=1", &again));
    GIVES(s, run(again, made, x, error), ESK_OK, "");
    return true;
}

static bool a_fence_that_never_comes(struct scene *s) {
    esk_env *env;
    struct op_case *made;
    esk_session *session;

    MUST(open_one(s, two_ops, "strict=1,fenceTimeoutMs=50", &env, &made, &session));
    GIVES(s, run(session, made, made->inputs.values[0], error), ESK_OK, "");
    set(&(struct nullgl_faults){.hang = 1});
    GIVES(s, run(session, made, made->inputs.values[0], error), ESK_TIMEOUT, "MatMul_0");
    set(&(struct nullgl_faults){0});
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

    MUST(open_one(s, two_ops, "strict=1", &env, &made, &session));
    CHECK(s, esk_terminate_create(&stop, NULL) == ESK_OK, "no switch");
    MUST(scene_keep(s, stop, (void (*)(void *))esk_terminate_destroy));
    set(&(struct nullgl_faults){.hang = 1});
    CHECK(s, !pthread_create(&thread, NULL, stop_soon, stop), "no thread");
    status = esk_session_run(session, esk_run_options(.terminate = stop), made->inputs.names,
                             made->inputs.values, 1, NULL, &y, 1, NULL);
    pthread_join(thread, NULL);
    CHECK(s, status == ESK_CANCELLED, "a hanging run gave %s", esk_status_name(status));
    set(&(struct nullgl_faults){0});
    GIVES(s, run(session, made, made->inputs.values[0], error), ESK_OK, "");
    return true;
}

static bool out_of_device_memory(struct scene *s) {
    esk_env *env;
    struct op_case *made;
    esk_session *session;
    esk_value *large;

    MUST(open_one(s, two_ops, "strict=1", &env, &made, &session));
    MUST(scene_value(s, "float[4096,8]", &large));
    set(&(struct nullgl_faults){.buffer_most = 65536});
    GIVES(s, run(session, made, large, error), ESK_OUT_OF_MEMORY, "");
    GIVES(s, run(session, made, made->inputs.values[0], error), ESK_OK, "");
    GIVES(s, run(session, made, large, error), ESK_OUT_OF_MEMORY, "");
    set(&(struct nullgl_faults){0});
    GIVES(s, run(session, made, large, error), ESK_OK, "");
    return true;
}

static bool nothing_can_be_mapped(struct scene *s) {
    esk_env *env;
    struct op_case *made;
    esk_session *session;

    MUST(open_one(s, two_ops, "strict=1", &env, &made, &session));
    set(&(struct nullgl_faults){.no_map = 1});
    GIVES(s, run(session, made, made->inputs.values[0], error), ESK_DEVICE_ERROR, "");
    set(&(struct nullgl_faults){0});
    GIVES(s, run(session, made, made->inputs.values[0], error), ESK_OK, "");
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

        c->good = esk_session_run_async(session, esk_run_options(.gpu_graph_id = i % 3),
                                        c->made->inputs.names, c->made->inputs.values, 1,
                                        NULL, &outputs[0], 0, NULL, NULL, &async,
                                        NULL) == ESK_OK;
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
            c->good = esk_session_run_binding(session, esk_run_options(.gpu_graph_id = -1),
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

    MUST(open_one(s, "MatMul(float[4,8], float[8,8]!) | Softmax()", NULL, &env, &made,
                  &sessions[0]));
    MUST(scene_env(s, &other));
    for (int i = 1; i < SESSIONS; i++)
        MUST(scene_session(s, i == 3 ? other : env, made->model, i == 2 ? "CPU" : "GLCompute",
                           i == 4 ? "enableGraphCapture=1" : NULL, &sessions[i]));
    CHECK(s,
          esk_value_create_on_device(sessions[0], ESK_FLOAT, 2,
                                     esk_value_dims(made->inputs.values[0]), &on,
                                     NULL) == ESK_OK,
          "no value on the device");
    MUST(scene_keep(s, on, drop_value));
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

    MUST(open_one(s, "MatMul(float[4,8], float[8,8]!) | Softmax()", NULL, &env, &made,
                  &kept));
    for (int i = 0; i < SESSIONS; i++) {
        CHECK(s,
              esk_session_create_from_model(env, made->model, NULL, &sessions[i], NULL) ==
                  ESK_OK,
              "session %d", i);
        for (int r = 0; r < RUNS; r++)
            CHECK(s,
                  esk_session_run_async(sessions[i], NULL, made->inputs.names,
                                        made->inputs.values, 1, NULL, &outputs[i][r], 0,
                                        NULL, NULL, NULL, NULL) == ESK_OK,
                  "run %d", r);
    }
    for (int i = 0; i < SESSIONS; i++)
        CHECK(s, !pthread_create(&threads[i], NULL, destroy_it, sessions[i]), "no thread");
    for (int i = 0; i < SESSIONS; i++) {
        pthread_join(threads[i], NULL);
        for (int r = 0; r < RUNS; r++)
            esk_value_destroy(outputs[i][r]);
    }
    return scene_stats(s, kept, &stats);
}

static const struct table_test tests[] = {
#define ROW(name) {#name, name}
    ROW(a_lost_device_is_named),
    ROW(a_fence_that_never_comes),
    ROW(a_hanging_run_can_be_terminated),
    ROW(out_of_device_memory),
    ROW(nothing_can_be_mapped),
    ROW(threads_times_sessions),
    ROW(sessions_come_and_go),
#undef ROW
};

int main(int argc, char **argv) {
    return table_main(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
