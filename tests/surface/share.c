/* A caller's own GL context: buffers shared with it, its state as before. In: EGL and GL
 * by hand; out: results through the caller's buffers. */
#include "surface.h"

#include <dlfcn.h>
#include <stdio.h>

struct theirs {
    void *(*get_platform_display)(unsigned, void *, const intptr_t *);
    unsigned (*initialize)(void *, int *, int *);
    unsigned (*bind_api)(unsigned);
    unsigned (*choose_config)(void *, const int *, void **, int, int *);
    void *(*create_context)(void *, void *, void *, const int *);
    unsigned (*make_current)(void *, void *, void *, void *);
    void *(*get_current_context)(void);
    void (*gen_buffers)(int, unsigned *);
    void (*bind_buffer)(unsigned, unsigned);
    void (*buffer_data)(unsigned, intptr_t, const void *, unsigned);
    void *(*map)(unsigned, intptr_t, intptr_t, unsigned);
    unsigned char (*unmap)(unsigned);
    void (*get_integer)(unsigned, int *);
    void (*finish)(void);
    unsigned (*get_error)(void);
    void *display, *context;
};

static bool open_theirs(struct theirs *t) {
    const int attributes[] = {0x3098, 3, 0x30FB, 1, 0x3038};
    const int config_attributes[] = {0x3033, 0, 0x3040, 0x40, 0x3038};
    void *egl = dlopen("libEGL.so.1", RTLD_NOW), *gl = dlopen("libGLESv2.so.2", RTLD_NOW);
    struct {
        void **to;
        void *from;
        const char *name;
    } rows[] = {
        {(void **)&t->get_platform_display, egl, "eglGetPlatformDisplay"},
        {(void **)&t->initialize, egl, "eglInitialize"},
        {(void **)&t->bind_api, egl, "eglBindAPI"},
        {(void **)&t->choose_config, egl, "eglChooseConfig"},
        {(void **)&t->create_context, egl, "eglCreateContext"},
        {(void **)&t->make_current, egl, "eglMakeCurrent"},
        {(void **)&t->get_current_context, egl, "eglGetCurrentContext"},
        {(void **)&t->gen_buffers, gl, "glGenBuffers"},
        {(void **)&t->bind_buffer, gl, "glBindBuffer"},
        {(void **)&t->buffer_data, gl, "glBufferData"},
        {(void **)&t->map, gl, "glMapBufferRange"},
        {(void **)&t->unmap, gl, "glUnmapBuffer"},
        {(void **)&t->get_integer, gl, "glGetIntegerv"},
        {(void **)&t->finish, gl, "glFinish"},
        {(void **)&t->get_error, gl, "glGetError"},
    };
    int n, major, minor;
    void *config = NULL;

    for (size_t i = 0; egl && gl && i < sizeof(rows) / sizeof(rows[0]); i++)
        if (!(*rows[i].to = dlsym(rows[i].from, rows[i].name)))
            return false;
    if (!egl || !gl)
        return false;
    t->display = t->get_platform_display(0x31DD, NULL, NULL);
    if (!t->display || !t->initialize(t->display, &major, &minor))
        return false;
    t->bind_api(0x30A0);
    t->choose_config(t->display, config_attributes, &config, 1, &n);
    t->context = t->create_context(t->display, config, NULL, attributes);
    return t->context && t->make_current(t->display, NULL, NULL, t->context);
}

static void drop_released(void *user, void *data) {
    (void)data;
    ++*(int *)user;
}

bool buffers_of_a_callers_context(struct scene *s) {
    enum { TARGET = 0x8892, BINDING = 0x8894, ROWS = 4, COLUMNS = 8, BYTES = 4 * 32 };
    static struct theirs t;
    static int released, again;
    const int64_t dims[] = {ROWS, COLUMNS};
    struct op_case *made;
    esk_env *env, *other;
    esk_session *session, *cpu, *plain;
    esk_value *x, *expected, *in, *out, *none = NULL, *copy;
    esk_binding *binding;
    esk_error error = ESK_ERROR_INIT;
    unsigned buffers[3];
    char settings[160];
    int bound = 0;

    if (!open_theirs(&t))
        return scene_skip(s, "the test itself gets no surfaceless EGL context");
    t.gen_buffers(3, buffers);
    for (int i = 0; i < 3; i++) {
        t.bind_buffer(TARGET, buffers[i]);
        t.buffer_data(TARGET, i == 2 ? 64 : BYTES, NULL, 0x88E8);
    }
    snprintf(settings, sizeof(settings), "strict=1,eglDisplay=%llu,eglContext=%llu",
             (unsigned long long)(uintptr_t)t.display,
             (unsigned long long)(uintptr_t)t.context);
    MUST(scene_env(s, &env));
    MUST(scene_case(s, "Softmax(float[4,8]) | Exp()", &made));
    MUST(scene_session(s, env, made->model, "GLCompute", settings, &session));
    MUST(scene_session(s, env, made->model, "CPU", NULL, &cpu));
    x = made->inputs.values[0];
    MUST(scene_run(s, cpu, &expected, 1, x));
    GOOD(s, esk_value_from_gl_buffer(session, ESK_FLOAT, 2, dims, buffers[0], BYTES,
                                     drop_released, &released, &in, &error));
    MUST(scene_keep(s, in, scene_drop_value));
    GOOD(s, esk_value_from_gl_buffer(session, ESK_FLOAT, 2, dims, buffers[1], BYTES, NULL,
                                     NULL, &out, &error));
    MUST(scene_keep(s, out, scene_drop_value));
    /* too small, no buffer, no shared context */
    CHECK(s,
          esk_value_from_gl_buffer(session, ESK_FLOAT, 2, dims, buffers[2], BYTES, NULL,
                                   NULL, &none, &error) == ESK_INVALID_ARGUMENT &&
              strstr(esk_error_message(&error), "64 bytes"),
          "a buffer of 64 bytes: %s", esk_error_message(&error));
    CHECK(s,
          esk_value_from_gl_buffer(session, ESK_FLOAT, 2, dims, buffers[1], BYTES - 4,
                                   NULL, NULL, &none, &error) == ESK_INVALID_ARGUMENT,
          "%d bytes of a buffer were taken for %d", BYTES - 4, BYTES);
    CHECK(s,
          esk_value_from_gl_buffer(session, ESK_FLOAT, 2, dims, 4711, BYTES, NULL, NULL,
                                   &none, &error) == ESK_INVALID_ARGUMENT,
          "buffer 4711 was taken");
    MUST(scene_env(s, &other));
    MUST(scene_session(s, other, made->model, "GLCompute", "strict=1", &plain));
    CHECK(s,
          esk_value_from_gl_buffer(plain, ESK_FLOAT, 2, dims, buffers[0], BYTES, NULL,
                                   NULL, &none, &error) == ESK_INVALID_ARGUMENT &&
              strstr(esk_error_message(&error), "eglContext"),
          "without a shared context: %s", esk_error_message(&error));
    esk_error_clear(&error);
    /* let go of once, by its value, and still the caller's */
    GOOD(s, esk_value_from_gl_buffer(session, ESK_FLOAT, 2, dims, buffers[1], BYTES,
                                     drop_released, &again, &copy, &error));
    CHECK(s, !again, "a buffer was let go of while its value lives");
    esk_value_destroy(copy);
    CHECK(s, again == 1, "a buffer was let go of %d times", again);

    GOOD(s, esk_binding_create(session, &binding, &error));
    MUST(scene_keep(s, binding, (void (*)(void *))esk_binding_destroy));
    GOOD(s, esk_binding_input(binding, made->inputs.names[0], in, &error));
    GOOD(s,
         esk_binding_output(binding, esk_session_output(session, 0)->name, out, &error));
    for (int run = 0; run < 3; run++) {
        esk_value *got;
        void *mapped;

        t.bind_buffer(TARGET, buffers[0]);
        mapped = t.map(TARGET, 0, BYTES, 0x2);
        CHECK(s, mapped, "the caller cannot map its buffer");
        memcpy(mapped, esk_value_const_data(x), BYTES);
        t.unmap(TARGET);
        t.finish();
        GOOD(s, esk_session_run_binding(session, NULL, binding, &error));
        CHECK(s, t.get_current_context() == t.context, "another context is current");
        t.get_integer(BINDING, &bound);
        CHECK(s, (unsigned)bound == buffers[0] && !t.get_error(),
              "the caller's binding is %d", bound);
        GOOD(s, esk_value_create(ESK_FLOAT, 2, dims, &got, &error));
        MUST(scene_keep(s, got, scene_drop_value));
        t.bind_buffer(TARGET, buffers[1]);
        mapped = t.map(TARGET, 0, BYTES, 0x1);
        CHECK(s, mapped, "the caller cannot map its buffer");
        memcpy(esk_value_data(got), mapped, BYTES);
        t.unmap(TARGET);
        MUST(scene_near(s, "through the caller's buffers", got, expected));
        MUST(scene_value(s, run ? "float[4,8]=3,1,-2" : "float[4,8]=1,-2,3,4", &x));
        MUST(scene_run(s, cpu, &expected, 1, x));
    }
    return true;
}

/* What the host must know of a caller's buffer is read in each run: the caller may have
 * written to it meanwhile, without a word to the library. */
bool shapes_in_a_callers_buffer(struct scene *s) {
    enum { TARGET = 0x8892, BYTES = 16 };
    static const int64_t shapes[][2] = {{3, 4}, {6, 2}, {3, 4}, {1, 12}}, dims[] = {2};
    static struct theirs t;
    struct op_case *made;
    esk_env *env;
    esk_session *sessions[2]; /* one captures */
    esk_value *shape, *y;
    esk_error error = ESK_ERROR_INIT;
    unsigned buffer;
    char settings[160];

    if (!open_theirs(&t))
        return scene_skip(s, "the test itself gets no surfaceless EGL context");
    t.gen_buffers(1, &buffer);
    t.bind_buffer(TARGET, buffer);
    t.buffer_data(TARGET, BYTES, NULL, 0x88E8);
    MUST(scene_env(s, &env));
    MUST(scene_case(s, "Relu(float[2,6]) | Reshape($, int64[2]=3,4) | Exp()", &made));
    for (int i = 0; i < 2; i++) {
        snprintf(settings, sizeof(settings),
                 "strict=1,eglDisplay=%llu,eglContext=%llu,enableGraphCapture=%d",
                 (unsigned long long)(uintptr_t)t.display,
                 (unsigned long long)(uintptr_t)t.context, i);
        MUST(scene_session(s, env, made->model, "GLCompute", settings, &sessions[i]));
    }
    GOOD(s, esk_value_from_gl_buffer(sessions[0], ESK_INT64, 1, dims, buffer, BYTES, NULL,
                                     NULL, &shape, &error));
    MUST(scene_keep(s, shape, scene_drop_value));
    esk_value *inputs[] = {made->inputs.values[0], shape};
    for (int i = 0; i < 4; i++) {
        void *mapped = t.map(TARGET, 0, BYTES, 0x2);

        CHECK(s, mapped, "the caller cannot map its buffer");
        memcpy(mapped, shapes[i], BYTES);
        t.unmap(TARGET);
        t.finish();
        y = NULL;
        GOOD(s, esk_session_run(sessions[0], NULL, made->inputs.names, inputs, 2, NULL,
                                &y, 1, &error));
        MUST(scene_keep(s, y, scene_drop_value));
        CHECK(s,
              esk_value_dims(y)[0] == shapes[i][0] &&
                  esk_value_dims(y)[1] == shapes[i][1],
              "run %d gave [%d,%d]", i, (int)esk_value_dims(y)[0],
              (int)esk_value_dims(y)[1]);
        y = NULL;
        esk_status status = esk_session_run(sessions[1], NULL, made->inputs.names, inputs,
                                            2, NULL, &y, 1, &error);
        if (y)
            MUST(scene_keep(s, y, scene_drop_value));
        CHECK(s, status == (i % 2 ? ESK_INVALID_ARGUMENT : ESK_OK), "replay %d gave %s",
              i, esk_status_name(status));
        CHECK(s, status == ESK_OK || strstr(esk_error_message(&error), "other bytes"),
              "'%s'", esk_error_message(&error));
        esk_error_clear(&error);
    }
    return true;
}
