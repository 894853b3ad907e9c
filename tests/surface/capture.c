/* Capture and replay: results of uncaptured runs, several graphs, what changed is an
 * error. In: small models; out: bytes, messages, counts. */
#include "surface.h"

#include "base/mem.h"
#include "message.h"

#include <stdatomic.h>
#include <stdio.h>

#define REFUSED(s, call, code, word)                                               \
    do {                                                                           \
        esk_status refused = (call);                                               \
        CHECK(s, refused == (code), "%s gave %s, not %s: %s", #call,               \
              esk_status_name(refused), esk_status_name(code),                     \
              esk_error_message(&error));                                          \
        CHECK(s, strstr(esk_error_message(&error), word), "no '%s' in '%s'", word, \
              esk_error_message(&error));                                          \
        esk_error_clear(&error);                                                   \
    } while (0)

static bool run_id(struct scene *s, esk_session *session, struct op_case *made, int id,
                   esk_value *const *inputs, esk_value **y) {
    esk_error error = ESK_ERROR_INIT;

    GOOD(s,
         esk_session_run(session, esk_run_options(.gpu_graph_id = id), made->inputs.names,
                         inputs, made->inputs.count, NULL, y, 1, &error));
    return true;
}

/* Numbers from -4 to 4, others for each seed. */
static void draw(esk_value *value, uint32_t seed) {
    float *data = esk_value_data(value);
    uint32_t state = seed * 2654435761u + 1;

    for (int64_t i = 0; i < esk_value_count(value); i++) {
        state = state * 1664525u + 1013904223u;
        data[i] = (float)(state >> 8) / (float)(1 << 21) - 4;
    }
}

/* 100 random inputs through two graphs of two shapes; nothing is planned or recorded
 * after the first runs. */
bool replay_equals_a_run(struct scene *s) {
    struct op_case *made;
    esk_env *env;
    esk_session *captured, *plain;
    esk_session_stats before, after;
    esk_value *y[2] = {NULL, NULL};

    MUST(scene_env(s, &env));
    MUST(scene_case(s, "MatMul(float[3,8], float[8,6]!) | Relu() | Softmax() free=1",
                    &made));
    MUST(scene_session(s, env, made->model, "GLCompute", "strict=1,enableGraphCapture=1",
                       &captured));
    MUST(scene_session(s, env, made->model, "GLCompute", "strict=1", &plain));
    for (int i = 0; i < 100; i++) {
        char text[64];
        esk_value *x, *expected;

        snprintf(text, sizeof(text), "float[%d,8]", 3 + i % 2);
        MUST(scene_value(s, text, &x));
        draw(x, (uint32_t)i);
        MUST(scene_run(s, plain, &expected, 1, x));
        if (i == 2)
            MUST(scene_stats(s, captured, &before));
        MUST(run_id(s, captured, made, i % 2 ? 7 : 0, &x, &y[i % 2]));
        if (i < 2)
            MUST(scene_keep(s, y[i % 2], scene_drop_value));
        MUST(scene_same_bytes(s, "replay", y[i % 2], expected));
    }
    MUST(scene_stats(s, captured, &after));
    CHECK(s,
          after.binds == before.binds &&
              after.commands_recorded == before.commands_recorded,
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
    MUST(scene_case(s, "MatMul(float[3,8], float[8,6]!) | Relu() | Softmax() free=1",
                    &made));
    MUST(scene_session(s, env, made->model, "GLCompute", "strict=1,enableGraphCapture=1",
                       &session));
    MUST(run_id(s, session, made, 3, made->inputs.values, &y));
    MUST(scene_keep(s, y, scene_drop_value));
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
    MUST(scene_keep(s, on[1], scene_drop_value));
    GOOD(s, esk_session_run(session, first, made->inputs.names, &on[0], 1, NULL, &y, 1,
                            &error));
    MUST(scene_keep(s, y, scene_drop_value));
    REFUSED(s,
            esk_session_run(session, first, made->inputs.names, &x[1], 1, NULL, &y, 1,
                            &error),
            ESK_INVALID_ARGUMENT, "graph 1 was captured with another input");
    REFUSED(s,
            esk_session_run(session, first, made->inputs.names, &x[0], 1, NULL, &y, 1,
                            &error),
            ESK_INVALID_ARGUMENT, "it is on the host");
    REFUSED(s,
            esk_session_run(session, first, made->inputs.names, &on[1], 1, NULL, &y, 1,
                            &error),
            ESK_INVALID_ARGUMENT, "another value on the device");
    GOOD(s, esk_value_create_on_device(session, ESK_FLOAT, 2, esk_value_dims(x[0]), &z,
                                       &error));
    MUST(scene_keep(s, z, scene_drop_value));
    REFUSED(s,
            esk_session_run(session, first, made->inputs.names, &on[0], 1, NULL, &z, 1,
                            &error),
            ESK_INVALID_ARGUMENT, "captured with another output");
    /* another value at the same address is another value */
    esk_value_destroy(on[0]);
    GOOD(s, esk_value_create_on_device(session, ESK_FLOAT, 2, esk_value_dims(x[0]),
                                       &on[0], &error));
    MUST(scene_keep(s, on[0], scene_drop_value));
    REFUSED(s,
            esk_session_run(session, first, made->inputs.names, &on[0], 1, NULL, &y, 1,
                            &error),
            ESK_INVALID_ARGUMENT, "another value on the device");
    /* another shape on the host */
    GOOD(s, esk_session_run(session, esk_run_options(.gpu_graph_id = 2),
                            made->inputs.names, &x[0], 1, NULL, &y, 1, &error));
    REFUSED(s,
            esk_session_run(session, esk_run_options(.gpu_graph_id = 2),
                            made->inputs.names, &x[1], 1, NULL, &y, 1, &error),
            ESK_INVALID_ARGUMENT, "float[3,8], now float[4,8]");
    /* released, it is captured anew; other ids and -1 are not concerned */
    REFUSED(s, esk_session_release_graph(session, 5, &error), ESK_NOT_FOUND,
            "no graph 5");
    GOOD(s, esk_session_release_graph(session, 1, &error));
    GOOD(s, esk_value_copy(x[0], on[0], &error));
    GOOD(s, esk_session_run(session, first, made->inputs.names, &on[0], 1, NULL, &y, 1,
                            &error));
    MUST(run_id(s, session, made, -1, &x[0], &y));
    MUST(scene_run(s, session, &expected, 1, x[0]));
    return scene_same_bytes(s, "after release", y, expected);
}

/* Bytes that shapes depend on, wanted outputs, inputs that may be left out. */
bool what_else_changed_is_an_error(struct scene *s) {
    struct op_case *made;
    esk_env *env;
    esk_session *session;
    esk_error error = ESK_ERROR_INIT;
    esk_value *x, *w, *shape[2], *y[3] = {NULL};
    const char *names[] = {"x", "w"};
    const esk_run_options *first = esk_run_options(.gpu_graph_id = 6);

    MUST(scene_env(s, &env));
    MUST(scene_case(s, "Relu(float[2,6]) | Reshape($, int64[2]=3,4) | Exp()", &made));
    MUST(scene_session(s, env, made->model, "GLCompute", "strict=1,enableGraphCapture=1",
                       &session));
    MUST(scene_value(s, "int64[2]=3,4", &shape[0]));
    MUST(scene_value(s, "int64[2]=6,2", &shape[1]));
    for (int i = 0; i < 3; i++) {
        esk_value *in[] = {made->inputs.values[0], shape[i == 1]};
        esk_status status = esk_session_run(session, first, made->inputs.names, in, 2,
                                            NULL, &y[i], 1, &error);

        if (i != 1) {
            if (status != ESK_OK)
                return fault_take(s->fault, "run", &error);
            MUST(scene_keep(s, y[i], scene_drop_value));
            continue;
        }
        CHECK(s,
              status == ESK_INVALID_ARGUMENT &&
                  strstr(esk_error_message(&error), made->inputs.names[1]) &&
                  strstr(esk_error_message(&error), "other bytes"),
              "other bytes: %s, '%s'", esk_status_name(status),
              esk_error_message(&error));
        esk_error_clear(&error);
    }
    MUST(scene_same_bytes(s, "the captured shape again", y[2], y[0]));

    /* outputs */
    MUST(scene_case(s, "Split(float[4,8]) num_outputs=2 out=2", &made));
    MUST(scene_session(s, env, made->model, "GLCompute", "strict=1,enableGraphCapture=1",
                       &session));
    const char *wanted = esk_session_output(session, 0)->name;
    const char *other = esk_session_output(session, 1)->name;
    for (int i = 0; i < 2; i++)
        y[i] = NULL;
    GOOD(s, esk_session_run(session, first, made->inputs.names, made->inputs.values, 1,
                            &wanted, y, 1, &error));
    MUST(scene_keep(s, y[0], scene_drop_value));
    REFUSED(s,
            esk_session_run(session, first, made->inputs.names, made->inputs.values, 1,
                            &other, &y[1], 1, &error),
            ESK_INVALID_ARGUMENT, "captured with another output");
    REFUSED(s,
            esk_session_run(session, first, made->inputs.names, made->inputs.values, 1,
                            NULL, y, 2, &error),
            ESK_INVALID_ARGUMENT, "captured with another output");

    /* an input with a default */
    const int64_t dims[] = {2, 3};
    const float ones[] = {1, 1, 1, 1, 1, 1};
    struct message graph = {.size = 0}, part, model;
    part = message_node("Add", "x w", "y");
    message_add(&graph, 1, &part);
    message_text(&graph, 2, "main");
    part = message_tensor("w", 2, dims, ones);
    message_add(&graph, 5, &part);
    for (int i = 0; i < 3; i++) {
        part = message_value(i == 2 ? "y" : names[i], ESK_FLOAT, 2, dims);
        message_add(&graph, i == 2 ? 12 : 11, &part);
    }
    model = message_model(&graph);
    MUST(scene_load_bytes(s, env, model.bytes, model.size, "GLCompute",
                          "strict=1,enableGraphCapture=1", &session));
    MUST(scene_value(s, "float[2,3]=1,2,3", &x));
    MUST(scene_value(s, "float[2,3]=9", &w));
    esk_value *in[] = {x, w};
    y[0] = NULL;
    GOOD(s, esk_session_run(session, first, names, in, 1, NULL, y, 1, &error));
    MUST(scene_keep(s, y[0], scene_drop_value));
    REFUSED(s, esk_session_run(session, first, names, in, 2, NULL, y, 1, &error),
            ESK_INVALID_ARGUMENT, "'w': not there, it is on the host");
    const esk_run_options *second = esk_run_options(.gpu_graph_id = 7);
    GOOD(s, esk_session_run(session, second, names, in, 2, NULL, y, 1, &error));
    REFUSED(s, esk_session_run(session, second, names, in, 1, NULL, y, 1, &error),
            ESK_INVALID_ARGUMENT, "'w': on the host, it is not there");
    return true;
}

/* What is captured, and what is not: -1, sessions without the option, runs that failed.
 */
bool only_what_was_asked_for_is_captured(struct scene *s) {
    struct op_case *made;
    esk_env *env;
    esk_session *session, *plain;
    esk_error error = ESK_ERROR_INIT;
    esk_terminate *stop;
    esk_value *x[3], *y = NULL, *z[3] = {NULL};

    MUST(scene_env(s, &env));
    MUST(scene_case(s, "Softmax(float[3,8]) | Exp() free=1", &made));
    MUST(scene_session(s, env, made->model, "GLCompute",
                       "strict=1,enableGraphCapture=1,planCacheSize=1", &session));
    MUST(scene_session(s, env, made->model, "GLCompute", "strict=1", &plain));
    for (int i = 0; i < 3; i++) {
        char text[32];

        snprintf(text, sizeof(text), "float[%d,8]", 3 + i);
        MUST(scene_value(s, text, &x[i]));
    }
    MUST(run_id(s, plain, made, 0, &x[0], &y));
    MUST(scene_keep(s, y, scene_drop_value));
    MUST(run_id(s, session, made, -1, &x[0], &y));
    REFUSED(s, esk_session_release_graph(session, -1, &error), ESK_NOT_FOUND,
            "no graph -1");
    REFUSED(s, esk_session_release_graph(session, 0, &error), ESK_NOT_FOUND,
            "no graph 0");
    REFUSED(s, esk_session_release_graph(plain, 0, &error), ESK_NOT_FOUND, "no graph 0");
    CHECK(s, esk_terminate_create(&stop, NULL) == ESK_OK, "no switch");
    MUST(scene_keep(s, stop, (void (*)(void *))esk_terminate_destroy));
    esk_terminate_set(stop, true);
    REFUSED(s,
            esk_session_run(session,
                            esk_run_options(.terminate = stop, .gpu_graph_id = 4),
                            made->inputs.names, &x[0], 1, NULL, &y, 1, &error),
            ESK_CANCELLED, "terminated");
    REFUSED(s, esk_session_release_graph(session, 4, &error), ESK_NOT_FOUND,
            "no graph 4");
    /* a run that fails half way */
    esk_value *wrong = x[1];
    REFUSED(s,
            esk_session_run(session, esk_run_options(.gpu_graph_id = 4),
                            made->inputs.names, &x[0], 1, NULL, &wrong, 1, &error),
            ESK_INVALID_ARGUMENT, "float[4,8]");
    REFUSED(s, esk_session_release_graph(session, 4, &error), ESK_NOT_FOUND,
            "no graph 4");
    /* what is captured stays, though the cache has room for one plan only */
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 3; i++) {
            esk_value *expected;

            MUST(scene_run(s, plain, &expected, 1, x[i]));
            MUST(run_id(s, session, made, i, &x[i], &z[i]));
            if (!round)
                MUST(scene_keep(s, z[i], scene_drop_value));
            MUST(scene_same_bytes(s, "three graphs", z[i], expected));
        }
    return true;
}

/* A scalar that a shader gets as a parameter may change between replays. */
bool replay_sees_late_parameters(struct scene *s) {
    struct op_case *made;
    esk_env *env;
    esk_session *captured;
    esk_value *x, *high, *y = NULL;
    esk_session_stats before, after;

    MUST(scene_env(s, &env));
    MUST(scene_case(s, "Clip(float[65], float[]!=-0.5, float[]=0.5)", &made));
    MUST(scene_session(s, env, made->model, "GLCompute", "strict=1,enableGraphCapture=1",
                       &captured));
    MUST(scene_value(s, "float[65]=0.125,1,-1,2", &x));
    for (int i = 0; i < 4; i++) {
        char text[32];
        esk_value *in[2] = {x};

        snprintf(text, sizeof(text), "float[]=%d.25", i % 3);
        MUST(scene_value(s, text, &high));
        in[1] = high;
        if (i == 1)
            MUST(scene_stats(s, captured, &before));
        MUST(run_id(s, captured, made, 0, in, &y));
        if (!i)
            MUST(scene_keep(s, y, scene_drop_value));
        const float *got = esk_value_const_data(y);
        float most = 0.25f + (float)(i % 3), one = most < 1 ? most : 1,
              two = most < 2 ? most : 2;
        CHECK(s, got[0] == 0.125f && got[1] == one && got[2] == -0.5f && got[3] == two,
              "replay %d with %g: %g %g %g %g", i, (double)most, (double)got[0],
              (double)got[1], (double)got[2], (double)got[3]);
    }
    MUST(scene_stats(s, captured, &after));
    CHECK(s,
          after.binds == before.binds &&
              after.commands_recorded == before.commands_recorded,
          "another limit of Clip was planned anew");
    return true;
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
    GOOD(s,
         esk_value_create_on_device(captured, ESK_FLOAT, 2,
                                    esk_value_dims(made->inputs.values[0]), &on, &error));
    MUST(scene_keep(s, on, scene_drop_value));
    GOOD(s, esk_value_copy(made->inputs.values[0], on, &error));
    name = esk_session_output(captured, 0)->name;
    GOOD(s, esk_binding_input(binding, made->inputs.names[0], on, &error));
    GOOD(s, esk_binding_output_at(binding, name, ESK_ON_DEVICE, &error));
    GOOD(s, esk_session_run_binding(captured, NULL, binding, &error));
    first = esk_binding_take(binding, name);
    MUST(scene_keep(s, first, scene_drop_value));
    GOOD(s, esk_session_run_binding(captured, NULL, binding, &error));
    second = esk_binding_value(binding, name);
    CHECK(s, first && second && first != second,
          "the value that was taken was filled again");
    for (int i = 0; i < 2; i++) {
        GOOD(s, esk_session_run_binding(captured, NULL, binding, &error));
        CHECK(s, esk_binding_value(binding, name) == second,
              "replay %d made another value", i);
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
    MUST(scene_keep(s, on, scene_drop_value));
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
                    esk_binding_value(binding, esk_session_output(captured, 0)->name),
                    host, &error));
        MUST(scene_same_bytes(s, "replay", host, expected));
    }
    return true;
}

static esk_status create(struct scene *s, esk_env *env, const esk_model *model,
                         const char *cpu_nodes, esk_session **session, esk_error *error) {
    esk_session_options *options;
    esk_status status = ESK_INTERNAL;

    if (scene_options(s, "GLCompute", "enableGraphCapture=1", &options))
        status = esk_session_options_set(options, "forceCpuNodeNames", cpu_nodes, error);
    if (status == ESK_OK)
        status = esk_session_create_from_model(env, model, options, session, error);
    return status;
}

static esk_status create_from(struct scene *s, esk_env *env, const struct message *model,
                              const char *provider, esk_session **session,
                              esk_error *error) {
    esk_session_options *options;

    if (!scene_options(s, provider, "enableGraphCapture=1", &options))
        return ESK_INTERNAL;
    return esk_session_create_from_memory(env, model->bytes, model->size, false, NULL,
                                          options, session, error);
}

/* y = If(cond) { Exp(x) } else { Neg(x) }, x [n] or [4]. */
static struct message if_model(bool free) {
    const int64_t dims[] = {free ? -1 : 4};
    struct message graph = {.size = 0}, part, body,
                   node = message_node("If", "cond", "y");

    for (int i = 0; i < 2; i++) {
        body = (struct message){.size = 0};
        part = message_node(i ? "Neg" : "Exp", "x", i ? "neg" : "exp");
        message_add(&body, 1, &part);
        message_text(&body, 2, "body");
        part = message_value(i ? "neg" : "exp", ESK_FLOAT, 1, dims);
        message_add(&body, 12, &part);
        message_body(&node, i ? "else_branch" : "then_branch", &body);
    }
    message_text(&node, 3, "choice");
    message_add(&graph, 1, &node);
    message_text(&graph, 2, "main");
    part = message_value("cond", ESK_BOOL, 0, NULL);
    message_add(&graph, 11, &part);
    part = message_value("x", ESK_FLOAT, 1, dims);
    message_add(&graph, 11, &part);
    part = message_value("y", ESK_FLOAT, 1, dims);
    message_add(&graph, 12, &part);
    return message_model(&graph);
}

bool capture_lists_every_reason(struct scene *s) {
    struct op_case *made;
    esk_env *env;
    esk_session *session;
    esk_error error = ESK_ERROR_INIT;
    esk_value *y = NULL;

    MUST(scene_env(s, &env));
    MUST(scene_case(s, "Relu(float[3,8]) | Exp() | Neg() | Tanh()", &made));
    REFUSED(s, create(s, env, made->model, "Exp_1\nTanh_3", &session, &error),
            ESK_UNSUPPORTED, "This session cannot use the graph capture feature");
    create(s, env, made->model, "Exp_1\nTanh_3", &session, &error);
    CHECK(s,
          strstr(esk_error_message(&error), "Exp 'Exp_1'") &&
              strstr(esk_error_message(&error), "Tanh 'Tanh_3'"),
          "not every node in '%s'", esk_error_message(&error));
    esk_error_clear(&error);
    /* sizes that depend on data, with and without free dimensions: at creation */
    MUST(scene_case(s, "Relu(float[2,4]) | NonZero() | Cast() to=1", &made));
    REFUSED(s, create(s, env, made->model, "", &session, &error), ESK_UNSUPPORTED,
            "NonZero 'NonZero_1': the sizes of its outputs depend on data");
    MUST(scene_case(s, "Relu(float[2,4]) | NonZero() | Cast() to=1 free=1", &made));
    REFUSED(s, create(s, env, made->model, "", &session, &error), ESK_UNSUPPORTED,
            "NonZero 'NonZero_1': the sizes of its outputs depend on data");
    /* control flow */
    for (int free = 0; free < 2; free++) {
        struct message model = if_model(free);
        REFUSED(s, create_from(s, env, &model, "GLCompute", &session, &error),
                ESK_UNSUPPORTED, "If 'choice': control flow");
        REFUSED(s, create_from(s, env, &model, "CPU", &session, &error), ESK_UNSUPPORTED,
                "the session has no device");
    }
    /* free dimensions: the first run */
    MUST(scene_case(s, "Relu(float[3,8]) | Exp() free=1", &made));
    GOOD(s, create(s, env, made->model, "Exp_1", &session, &error));
    REFUSED(s,
            esk_session_run(session, NULL, made->inputs.names, made->inputs.values, 1,
                            NULL, &y, 1, &error),
            ESK_UNSUPPORTED, "Exp 'Exp_1' runs on the CPU: ");
    REFUSED(s,
            esk_session_run(session, NULL, made->inputs.names, made->inputs.values, 1,
                            NULL, &y, 1, &error),
            ESK_UNSUPPORTED, "forceCpuNodeNames");
    esk_session_destroy(session);
    return true;
}
