/* What holds for many runs: no allocation in a steady run, any thread may call, the
 * caller's own GL context stays as it is. In: small models. Knows the library's
 * allocation hook besides the public API. */
#include "runs.h"

#include "base/mem.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

/* ---- steady runs ---- */

static bool count_allocation(void *user, size_t size) {
    (void)size;
    atomic_fetch_add((atomic_size_t *)user, 1);
    return true;
}

bool steady_runs(struct scene *s) {
    static atomic_size_t allocations;
    struct op_case *made;
    esk_env *env;
    esk_session *session;
    esk_session_stats first = {0}, last = {0};
    esk_value *y, *again;
    esk_error error = ESK_ERROR_INIT;
    const char *names[2], *output;

    MUST(scene_env(s, &env));
    MUST(scene_case(
        s,
        "Conv(float[1,3,8,8], float[5,3,3,3]!) | Relu() | "
        "Clip(float[]=-1, float[]!=1) | Softmax() axis=1 | MatMul(float[6,3]!)",
        &made));
    MUST(scene_session(s, env, made->model, "GLCompute", "strict=1,validationMode=full",
                       &session));
    MUST(scene_run(s, session, &y, 2, made->inputs.values[0], made->inputs.values[1]));
    MUST(
        scene_run(s, session, &again, 2, made->inputs.values[0], made->inputs.values[1]));
    MUST(scene_stats(s, session, &first));
    for (int i = 0; i < 2; i++)
        names[i] = esk_session_input(session, (size_t)i)->name;
    output = esk_session_output(session, 0)->name;
    atomic_store(&allocations, 0);
    esk_mem_set_hook(count_allocation, &allocations);
    for (int i = 0; i < 1000; i++)
        if (esk_session_run(session, NULL, names, made->inputs.values, 2, &output, &again,
                            1, &error) != ESK_OK) {
            esk_mem_set_hook(NULL, NULL);
            return fault_take(s->fault, "steady run", &error);
        }
    esk_mem_set_hook(NULL, NULL);
    MUST(scene_stats(s, session, &last));
    CHECK(s, !atomic_load(&allocations), "%zu allocations in 1000 steady runs",
          atomic_load(&allocations));
    CHECK(s,
          last.buffers_created == first.buffers_created &&
              last.programs == first.programs && last.binds == first.binds,
          "steady runs made buffers, programs or binds");
    return scene_same_bytes(s, "run 1000", again, y);
}

/* ---- threads ---- */

/* One thread of runs: its own inputs, the same expected bytes. */
struct runs {
    esk_session *session;
    esk_value *x, *expected;
    struct fault fault;
    bool done;
};

static void *run_many(void *user) {
    struct runs *runs = user;
    struct scene s = {.fault = &runs->fault};

    runs->done = true;
    for (int i = 0; i < 50 && runs->done; i++) {
        esk_value *y;

        runs->done = scene_run(&s, runs->session, &y, 1, runs->x) &&
                     scene_same_bytes(&s, "a run among threads", y, runs->expected);
    }
    scene_finish(&s);
    return NULL;
}

static bool run_threads(struct scene *s, esk_session *const *sessions,
                        size_t n_sessions) {
    enum { THREADS = 4 };
    static struct runs runs[THREADS];
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++) {
        char text[64];

        snprintf(text, sizeof(text), "float[2,%d,8,8]=%d,1,-2,0.5", 3, i);
        runs[i] = (struct runs){.session = sessions[(size_t)i % n_sessions]};
        MUST(scene_value(s, text, &runs[i].x));
        MUST(scene_run(s, runs[i].session, &runs[i].expected, 1, runs[i].x));
    }
    for (int i = 0; i < THREADS; i++)
        CHECK(s, !pthread_create(&threads[i], NULL, run_many, &runs[i]), "no thread");
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++)
        CHECK(s, runs[i].done, "thread %d: %s", i, runs[i].fault.text);
    return true;
}

static const char threads_case[] =
    "Conv(float[2,3,8,8], float[5,3,3,3]!) | Relu() | "
    "GlobalAveragePool() | Flatten() | MatMul(float[5,3]!)";

bool threads_on_one_session(struct scene *s) {
    struct op_case *made;
    esk_env *env;
    esk_session *session;

    MUST(scene_env(s, &env));
    MUST(scene_case(s, threads_case, &made));
    MUST(scene_session(s, env, made->model, "GLCompute", "strict=1", &session));
    return run_threads(s, &session, 1);
}

bool threads_on_two_sessions_of_a_device(struct scene *s) {
    struct op_case *made;
    esk_env *env;
    esk_session *sessions[2];

    MUST(scene_env(s, &env));
    for (int i = 0; i < 2; i++) {
        MUST(scene_case(s, threads_case, &made));
        MUST(scene_session(s, env, made->model, "GLCompute", "strict=1", &sessions[i]));
    }
    return run_threads(s, sessions, 2);
}

/* ---- the caller's own context ---- */

/* The few EGL and GL calls of a caller, by hand: the tests link neither. */
struct caller {
    void *egl, *gles;
    void *(*get_display)(void *);
    void *(*get_platform_display)(unsigned, void *, const intptr_t *);
    unsigned (*initialize)(void *, int *, int *);
    unsigned (*bind_api)(unsigned);
    unsigned (*choose_config)(void *, const int *, void **, int, int *);
    void *(*create_context)(void *, void *, void *, const int *);
    unsigned (*make_current)(void *, void *, void *, void *);
    void *(*get_current_context)(void);
    void *(*get_current_display)(void);
    unsigned (*destroy_context)(void *, void *);
    void (*gen_buffers)(int, unsigned *);
    void (*bind_buffer)(unsigned, unsigned);
    void (*get_integer)(unsigned, int *);
    unsigned (*get_error)(void);
};

static bool load_caller(struct caller *c) {
    struct {
        void **to;
        void **from;
        const char *name;
    } rows[] = {
        {(void **)&c->get_display, &c->egl, "eglGetDisplay"},
        {(void **)&c->get_platform_display, &c->egl, "eglGetPlatformDisplay"},
        {(void **)&c->initialize, &c->egl, "eglInitialize"},
        {(void **)&c->bind_api, &c->egl, "eglBindAPI"},
        {(void **)&c->choose_config, &c->egl, "eglChooseConfig"},
        {(void **)&c->create_context, &c->egl, "eglCreateContext"},
        {(void **)&c->make_current, &c->egl, "eglMakeCurrent"},
        {(void **)&c->get_current_context, &c->egl, "eglGetCurrentContext"},
        {(void **)&c->get_current_display, &c->egl, "eglGetCurrentDisplay"},
        {(void **)&c->destroy_context, &c->egl, "eglDestroyContext"},
        {(void **)&c->gen_buffers, &c->gles, "glGenBuffers"},
        {(void **)&c->bind_buffer, &c->gles, "glBindBuffer"},
        {(void **)&c->get_integer, &c->gles, "glGetIntegerv"},
        {(void **)&c->get_error, &c->gles, "glGetError"},
    };

    c->egl = dlopen("libEGL.so.1", RTLD_NOW);
    c->gles = dlopen("libGLESv2.so.2", RTLD_NOW);
    for (size_t i = 0; c->egl && c->gles && i < sizeof(rows) / sizeof(rows[0]); i++) {
        *rows[i].to = dlsym(*rows[i].from, rows[i].name);
        if (!*rows[i].to)
            return false;
    }
    return c->egl && c->gles;
}

/* A current context on Mesa's surfaceless platform, or the default display. */
static bool make_context(struct caller *c, void **display, void **context) {
    enum { SURFACELESS = 0x31DD, ES_API = 0x30A0 };
    const int attributes[] = {0x3098, 3, 0x30FB, 1, 0x3038}; /* version 3.1 */
    const int config_attributes[] = {0x3033, 0, 0x3040, 0x40, 0x3038};
    int n, major, minor;
    void *config = NULL;

    *display = c->get_platform_display(SURFACELESS, NULL, NULL);
    if (!*display || !c->initialize(*display, &major, &minor)) {
        *display = c->get_display(NULL);
        if (!*display || !c->initialize(*display, &major, &minor))
            return false;
    }
    c->bind_api(ES_API);
    c->choose_config(*display, config_attributes, &config, 1, &n);
    *context = c->create_context(*display, config, NULL, attributes);
    return *context && c->make_current(*display, NULL, NULL, *context);
}

static bool use_esker(struct scene *s, struct caller *c, void *display, void *context) {
    struct scene inner = {.fault = s->fault};
    struct op_case *made;
    esk_env *env;
    esk_session *session;
    esk_value *y;
    bool done =
        scene_env(&inner, &env) &&
        scene_case(&inner, "Conv(float[1,3,8,8], float[4,3,3,3]!) | Relu()", &made) &&
        scene_session(&inner, env, made->model, "GLCompute", "strict=1", &session);

    for (int i = 0; done && i < 2; i++) {
        done = scene_run(&inner, session, &y, 1, made->inputs.values[0]);
        if (done &&
            (c->get_current_context() != context || c->get_current_display() != display))
            done = fault_set(s->fault, "another context is current after run %d", i);
    }
    scene_finish(&inner);
    if (done &&
        (c->get_current_context() != context || c->get_current_display() != display))
        done = fault_set(s->fault, "another context is current after the session's end");
    return done;
}

bool callers_context_is_untouched(struct scene *s) {
    enum {
        UNIFORM_BUFFER = 0x8A11,
        UNIFORM_BUFFER_BINDING = 0x8A28,
        CURRENT_PROGRAM = 0x8B8D
    };
    static struct caller c;
    void *display, *context;
    unsigned buffers[3], error;
    int bound = 0, program = -1;

    if (!load_caller(&c) || !make_context(&c, &display, &context))
        return scene_skip(s, "the test itself gets no EGL context");
    c.gen_buffers(3, buffers);
    c.bind_buffer(UNIFORM_BUFFER, buffers[2]);
    MUST(use_esker(s, &c, display, context));
    c.get_integer(UNIFORM_BUFFER_BINDING, &bound);
    c.get_integer(CURRENT_PROGRAM, &program);
    error = c.get_error();
    CHECK(s, (unsigned)bound == buffers[2] && !program && !error,
          "the caller's state changed: buffer %d, program %d, error 0x%x", bound, program,
          error);
    c.make_current(display, NULL, NULL, NULL);
    CHECK(s, !c.get_current_context(), "a context stayed current");
    c.destroy_context(display, context);
    return true;
}
