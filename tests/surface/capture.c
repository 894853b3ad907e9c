/* Capture and replay: results of uncaptured runs, several graphs, what changed is an error.
 * In: small models; out: bytes, messages, counts. */
#include "surface.h"

#include "base/mem.h"

#include <stdatomic.h>
#include <stdio.h>

static void drop_value(void *value) {
    esk_value_destroy(value);
}

#define GOOD(s, call)                                     \
    do {                                                  \
        if ((call) != ESK_OK)                             \
            return fault_take((s)->fault, #call, &error); \
    } while (0)

#define REFUSED(s, call, code, word)                                              \
    do {                                                                          \
        esk_status refused = (call);                                              \
        CHECK(s, refused == (code), "%s gave %s, not %s: %s", #call,              \
              esk_status_name(refused), esk_status_name(code),                    \
              esk_error_message(&error));                                         \
        CHECK(s, strstr(esk_error_message(&error), word), "no '%s' in '%s'", word, \
              esk_error_message(&error));                                         \
        esk_error_clear(&error);                                                  \
    } while (0)

static bool run_id(struct scene *s, esk_session *session, struct op_case *made, int id,
                   esk_value *const *inputs, esk_value **y) {
    esk_error error = ESK_ERROR_INIT;

    GOOD(s, esk_session_run(session, esk_run_options(.gpu_graph_id = id), made->inputs.names,
                            inputs, made->inputs.count, NULL, y, 1, &error));
    return true;
}

/* 100 random inputs through two graphs of two shapes; nothing is planned or recorded after
 * the first runs. */
bool replay_equals_a_run(struct scene *s) {
    struct op_case *made;
    esk_env *env;
    esk_session *captured, *plain;
    esk_session_stats before, after;
    esk_value *y[2] = {NULL, NULL};

    MUST(scene_env(s, &env));
    MUST(scene_case(s, "MatMul(float[3,8], float[8,6]!) | Relu() | Softmax() free=1", &made));
    MUST(scene_session(s, env, made->model, "GLCompute", "strict=1,enableGraphCapture=1",
                       &captured));
    MUST(scene_session(s, env, made->model, "GLCompute", "strict=1", &plain));
    for (int i = 0; i < 100; i++) {
        char text[64];
        esk_value *x, *expected;

        snprintf(text, sizeof(text), "float[%d,8]=%d,0.5,-%d,2,1,%d.25", 3 + i % 2, i % 7,
                 i % 5, i % 3);
        MUST(scene_value(s, text, &x));
        MUST(scene_run(s, plain, &expected, 1, x));
        if (i == 2)
            MUST(scene_stats(s, captured, &before));
        MUST(run_id(s, captured, made, i % 2 ? 7 : 0, &x, &y[i % 2]));
        if (i < 2)
            MUST(scene_keep(s, y[i % 2], drop_value));
        MUST(scene_same_bytes(s, "replay", y[i % 2], expected));
    }
    MUST(scene_stats(s, captured, &after));
    CHECK(s,
          after.binds == before.binds && after.commands_recorded == before.commands_recorded,
          "replays made plans or commands");
    return true;
}

static bool count_allocation(void *user, size_t size) {
    (void)size;
    atomic_fetch_add((atomic_size_t *)user, 1);
    return true;
}

bool replays_allocate_nothing(struct scene *s) {
    static atomic_size_t allocations;
    struct op_case *made;
    esk_env *env;
    esk_session *session;
    esk_value *y = NULL;
    bool good = true;

    MUST(scene_env(s, &env));
    MUST(scene_case(s, "MatMul(float[3,8], float[8,6]!) | Relu() | Softmax() free=1", &made));
    MUST(scene_session(s, env, made->model, "GLCompute", "strict=1,enableGraphCapture=1",
                       &session));
    MUST(run_id(s, session, made, 3, made->inputs.values, &y));
    MUST(scene_keep(s, y, drop_value));
    MUST(run_id(s, session, made, 3, made->inputs.values, &y));
    esk_mem_set_hook(count_allocation, &allocations);
    for (int i = 0; i < 100 && good; i++)
        good = run_id(s, session, made, 3, made->inputs.values, &y);
    esk_mem_set_hook(NULL, NULL);
    CHECK(s, !atomic_load(&allocations), "%zu allocations in 100 replays",
          atomic_load(&allocations));
    return good;
}

bool what_changed_is_an_error(struct scene *s) {
    struct op_case *made;
    esk_env *env;
    esk_session *session;
    esk_error error = ESK_ERROR_INIT;
    esk_value *x[2], *on[2], *y = NULL, *z, *expected;
    const esk_run_options *first = esk_run_options(.gpu_graph_id = 1);

    MUST(scene_env(s, &env));
    MUST(scene_case(s, "Softmax(float[3,8]) | Exp() free=1", &made));
    MUST(scene_session(s, env, made->model, "GLCompute", "strict=1,enableGraphCapture=1",
                       &session));
    MUST(scene_value(s, "float[3,8]", &x[0]));
    MUST(scene_value(s, "float[4,8]", &x[1]));
    for (int i = 0; i < 2; i++) {
        GOOD(s, esk_value_create_on_device(session, ESK_FLOAT, 2, esk_value_dims(x[0]),
                                           &on[i], &error));
        GOOD(s, esk_value_copy(x[0], on[i], &error));
    }
    MUST(scene_keep(s, on[1], drop_value));
    GOOD(s, esk_session_run(session, first, made->inputs.names, &on[0], 1, NULL, &y, 1,
                            &error));
    MUST(scene_keep(s, y, drop_value));
    REFUSED(s, esk_session_run(session, first, made->inputs.names, &x[1], 1, NULL, &y, 1,
                               &error),
            ESK_INVALID_ARGUMENT, "graph 1 was captured with another input");
    REFUSED(s, esk_session_run(session, first, made->inputs.names, &x[0], 1, NULL, &y, 1,
                               &error),
            ESK_INVALID_ARGUMENT, "it is on the host");
    REFUSED(s, esk_session_run(session, first, made->inputs.names, &on[1], 1, NULL, &y, 1,
                               &error),
            ESK_INVALID_ARGUMENT, "another value on the device");
    GOOD(s, esk_value_create_on_device(session, ESK_FLOAT, 2, esk_value_dims(x[0]), &z,
                                       &error));
    MUST(scene_keep(s, z, drop_value));
    REFUSED(s, esk_session_run(session, first, made->inputs.names, &on[0], 1, NULL, &z, 1,
                               &error),
            ESK_INVALID_ARGUMENT, "captured with another output");
    /* another value at the same address is another value */
    esk_value_destroy(on[0]);
    GOOD(s, esk_value_create_on_device(session, ESK_FLOAT, 2, esk_value_dims(x[0]), &on[0],
                                       &error));
    MUST(scene_keep(s, on[0], drop_value));
    REFUSED(s, esk_session_run(session, first, made->inputs.names, &on[0], 1, NULL, &y, 1,
                               &error),
            ESK_INVALID_ARGUMENT, "another value on the device");
    /* released, it is captured anew; other ids and -1 are not concerned */
    REFUSED(s, esk_session_release_graph(session, 5, &error), ESK_NOT_FOUND, "no graph 5");
    GOOD(s, esk_session_release_graph(session, 1, &error));
    GOOD(s, esk_value_copy(x[0], on[0], &error));
    GOOD(s, esk_session_run(session, first, made->inputs.names, &on[0], 1, NULL, &y, 1,
                            &error));
    MUST(run_id(s, session, made, -1, &x[0], &y));
    MUST(scene_run(s, session, &expected, 1, x[0]));
    return scene_same_bytes(s, "after release", y, expected);
}

/* An output that is taken from its binding is made anew by the next replay; the one after
 * that fills it again. */
bool replay_after_an_output_was_taken(struct scene *s) {
    struct op_case *made;
    esk_env *env;
    esk_session *captured;
    esk_error error = ESK_ERROR_INIT;
    esk_binding *binding;
    esk_value *on, *first, *second;
    const char *name;

    MUST(scene_env(s, &env));
    MUST(scene_case(s, "MatMul(float[3,8], float[8,6]!) | Softmax()", &made));
    MUST(scene_session(s, env, made->model, "GLCompute", "strict=1,enableGraphCapture=1",
                       &captured));
    GOOD(s, esk_binding_create(captured, &binding, &error));
    MUST(scene_keep(s, binding, (void (*)(void *))esk_binding_destroy));
    GOOD(s, esk_value_create_on_device(captured, ESK_FLOAT, 2,
                                       esk_value_dims(made->inputs.values[0]), &on, &error));
    MUST(scene_keep(s, on, drop_value));
    GOOD(s, esk_value_copy(made->inputs.values[0], on, &error));
    name = esk_session_output(captured, 0)->name;
    GOOD(s, esk_binding_input(binding, made->inputs.names[0], on, &error));
    GOOD(s, esk_binding_output_at(binding, name, ESK_ON_DEVICE, &error));
    GOOD(s, esk_session_run_binding(captured, NULL, binding, &error));
    first = esk_binding_take(binding, name);
    MUST(scene_keep(s, first, drop_value));
    GOOD(s, esk_session_run_binding(captured, NULL, binding, &error));
    second = esk_binding_value(binding, name);
    CHECK(s, first && second && first != second, "the value that was taken was filled again");
    for (int i = 0; i < 2; i++) {
        GOOD(s, esk_session_run_binding(captured, NULL, binding, &error));
        CHECK(s, esk_binding_value(binding, name) == second, "replay %d made another value", i);
    }
    return true;
}

/* The content of a bound value may change between replays. */
bool replay_sees_new_content(struct scene *s) {
    struct op_case *made;
    esk_env *env;
    esk_session *captured, *plain;
    esk_error error = ESK_ERROR_INIT;
    esk_binding *binding;
    esk_value *on, *x, *host, *expected;

    MUST(scene_env(s, &env));
    MUST(scene_case(s, "MatMul(float[3,8], float[8,6]!) | Relu() | Softmax()", &made));
    MUST(scene_session(s, env, made->model, "GLCompute", "strict=1,enableGraphCapture=1",
                       &captured));
    MUST(scene_session(s, env, made->model, "GLCompute", "strict=1", &plain));
    GOOD(s, esk_binding_create(captured, &binding, &error));
    MUST(scene_keep(s, binding, (void (*)(void *))esk_binding_destroy));
    x = made->inputs.values[0];
    GOOD(s, esk_value_create_on_device(captured, ESK_FLOAT, 2, esk_value_dims(x), &on,
                                       &error));
    MUST(scene_keep(s, on, drop_value));
    GOOD(s, esk_binding_input(binding, made->inputs.names[0], on, &error));
    GOOD(s, esk_binding_output_at(binding, esk_session_output(captured, 0)->name,
                                  ESK_ON_DEVICE, &error));
    for (int i = 0; i < 6; i++) {
        char text[64];

        snprintf(text, sizeof(text), "float[3,8]=%d,-1,2,0.5,%d", i, -2 * i);
        MUST(scene_value(s, text, &x));
        MUST(scene_run(s, plain, &expected, 1, x));
        GOOD(s, esk_value_copy(x, on, &error));
        GOOD(s, esk_session_run_binding(captured, NULL, binding, &error));
        MUST(scene_value(s, "float[3,6]", &host));
        GOOD(s, esk_value_copy(
                    esk_binding_value(binding, esk_session_output(captured, 0)->name), host,
                    &error));
        MUST(scene_same_bytes(s, "replay", host, expected));
    }
    return true;
}

static esk_status create(esk_env *env, const esk_model *model, const char *key,
                         const char *value, esk_session **session, esk_error *error) {
    esk_session_options *options;
    esk_status status = esk_session_options_create(&options, error);

    if (status == ESK_OK)
        status = esk_session_options_set(options, "enableGraphCapture", "1", error);
    if (status == ESK_OK && key)
        status = esk_session_options_set(options, key, value, error);
    if (status == ESK_OK)
        status = esk_session_create_from_model(env, model, options, session, error);
    esk_session_options_destroy(options);
    return status;
}

bool capture_lists_every_reason(struct scene *s) {
    struct op_case *made;
    esk_env *env;
    esk_session *session;
    esk_error error = ESK_ERROR_INIT;
    esk_value *y = NULL;

    MUST(scene_env(s, &env));
    MUST(scene_case(s, "Relu(float[3,8]) | Exp() | Neg() | Tanh()", &made));
    REFUSED(s, create(env, made->model, "forceCpuNodeNames", "Exp_1\nTanh_3", &session, &error),
            ESK_UNSUPPORTED, "This session cannot use the graph capture feature");
    create(env, made->model, "forceCpuNodeNames", "Exp_1\nTanh_3", &session, &error);
    CHECK(s,
          strstr(esk_error_message(&error), "Exp 'Exp_1'") &&
              strstr(esk_error_message(&error), "Tanh 'Tanh_3'"),
          "not every node in '%s'", esk_error_message(&error));
    esk_error_clear(&error);
    MUST(scene_case(s, "Relu(float[2,4]) | NonZero() | Cast() to=1", &made));
    REFUSED(s, create(env, made->model, NULL, NULL, &session, &error), ESK_UNSUPPORTED,
            "NonZero");
    /* free dimensions: the first run */
    MUST(scene_case(s, "Relu(float[3,8]) | Exp() free=1", &made));
    GOOD(s, create(env, made->model, "forceCpuNodeNames", "Exp_1", &session, &error));
    REFUSED(s, esk_session_run(session, NULL, made->inputs.names, made->inputs.values, 1,
                               NULL, &y, 1, &error),
            ESK_UNSUPPORTED, "Exp 'Exp_1'");
    esk_session_destroy(session);
    return true;
}
