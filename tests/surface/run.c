/* Run options. In: small models; out: statuses and messages as the header says. */
#include "surface.h"

#include "message.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const char small_case[] = "Relu(float[2,3]) | Exp()";

static bool small_session(struct scene *s, const char *provider, struct op_case **made,
                          esk_session **session) {
    esk_env *env;

    MUST(scene_env(s, &env));
    MUST(scene_case(s, small_case, made));
    return scene_session(s, env, (*made)->model, provider, NULL, session);
}

/* One run of the case with these options; the status. */
static esk_status run(struct op_case *made, esk_session *session,
                      const esk_run_options *options, esk_error *error) {
    esk_value *y = NULL;
    esk_status status =
        esk_session_run(session, options, made->inputs.names, made->inputs.values,
                        made->inputs.count, NULL, &y, 1, error);

    esk_value_destroy(y);
    return status;
}

bool run_options_sizes(struct scene *s) {
    struct op_case *made;
    esk_session *session;
    esk_error error = ESK_ERROR_INIT;
    esk_run_options options = {.struct_size = 8};
    esk_env_options env_options = {.struct_size = sizeof(env_options)};
    esk_session_stats stats;
    esk_env *env;

    MUST(small_session(s, "CPU", &made, &session));
    for (int more = -8; more <= 8; more += 16) {
        env_options.struct_size = sizeof(env_options) + (size_t)more;
        CHECK(s,
              esk_env_create(&env_options, &env, &error) == ESK_INVALID_ARGUMENT &&
                  strstr(esk_error_message(&error), "esk_env_options.struct_size"),
              "esk_env_options of %zu bytes were taken", env_options.struct_size);
        stats.struct_size = sizeof(stats) + (size_t)more;
        CHECK(s,
              esk_session_get_stats(session, &stats, &error) == ESK_INVALID_ARGUMENT &&
                  strstr(esk_error_message(&error), "esk_session_stats.struct_size"),
              "esk_session_stats of %zu bytes were taken", stats.struct_size);
    }
    CHECK(s, run(made, session, &options, &error) == ESK_INVALID_ARGUMENT,
          "a struct of 8 bytes was taken");
    options.struct_size = sizeof(options) + 8;
    CHECK(s, run(made, session, &options, &error) == ESK_INVALID_ARGUMENT,
          "a struct larger than the library's was taken");
    options = *esk_run_options(.gpu_graph_id = -2);
    CHECK(s, run(made, session, &options, &error) == ESK_INVALID_ARGUMENT,
          "gpu_graph_id -2 was taken");
    esk_error_clear(&error);
    CHECK(s, run(made, session, esk_run_options(.gpu_graph_id = -1), &error) == ESK_OK,
          "%s", esk_error_message(&error));
    return true;
}

/* Errors of arguments and of runs, by each way of running. */
bool run_tag_is_in_the_error(struct scene *s) {
    static const char *const providers[] = {"CPU", "GLCompute"};

    for (int i = 0; i < 2; i++) {
        struct op_case *made;
        esk_session *session;
        esk_binding *binding;
        esk_terminate *stop;
        esk_async *async = NULL;
        esk_value *y[3] = {NULL};
        const char *nobody = "nobody", *const * names;

        MUST(small_session(s, providers[i], &made, &session));
        names = made->inputs.names;
        CHECK(s, esk_terminate_create(&stop, NULL) == ESK_OK, "no switch");
        scene_keep(s, stop, (void (*)(void *))esk_terminate_destroy);
        esk_terminate_set(stop, true);
        CHECK(s, esk_binding_create(session, &binding, NULL) == ESK_OK, "no binding");
        scene_keep(s, binding, (void (*)(void *))esk_binding_destroy);
        const esk_run_options *tagged =
            esk_run_options(.tag = "frame 7", .terminate = stop, .gpu_graph_id = -1);
        for (int way = 0; way < 6; way++) {
            esk_error error = ESK_ERROR_INIT;
            esk_status status = ESK_OK;

            if (way < 2)
                status = esk_session_run(session, tagged, way ? names : &nobody,
                                         made->inputs.values, 1, NULL, y, 1, &error);
            else if (way < 4)
                status = esk_session_run_async(session, tagged, way > 2 ? names : &nobody,
                                               made->inputs.values, 1, NULL, y, 1, NULL,
                                               NULL, &async, &error);
            else
                status = esk_session_run_binding(session, tagged, binding, &error);
            if (way == 4)
                esk_binding_input(binding, names[0], made->inputs.values[0], NULL);
            if (status == ESK_OK) {
                status = esk_async_wait(async, -1, &error);
                esk_async_destroy(async);
            }
            bool there = !!strstr(esk_error_message(&error), "run 'frame 7': ");
            char text[200];
            snprintf(text, sizeof(text), "%s", esk_error_message(&error));
            esk_error_clear(&error);
            CHECK(s, status == (way % 2 ? ESK_CANCELLED : ESK_INVALID_ARGUMENT) && there,
                  "%s, way %d: %s '%s'", providers[i], way, esk_status_name(status),
                  text);
        }
    }
    return true;
}

static void take_line(void *user, esk_log_level level, const char *text) {
    (void)level;
    if (strstr(text, "run 'frame 8': "))
        ++*(int *)user;
}

/* Two inputs of one free dimension, and an output of each. */
static struct message two_inputs(void) {
    struct message graph = {.size = 0}, part;

    for (int i = 0; i < 2; i++) {
        struct message value = {.size = 0}, type = {.size = 0}, tensor = {.size = 0},
                       shape = {.size = 0}, dim = {.size = 0};

        part = message_node("Relu", i ? "b" : "a", i ? "y" : "x");
        message_add(&graph, 1, &part);
        message_text(&dim, 2, "n");
        message_add(&shape, 1, &dim);
        message_int(&tensor, 1, ESK_FLOAT);
        message_add(&tensor, 2, &shape);
        message_add(&type, 1, &tensor);
        for (int out = 0; out < 2; out++) {
            value = (struct message){.size = 0};
            message_text(&value, 1, out ? i ? "y" : "x" : i ? "b" : "a");
            message_add(&value, 2, &type);
            message_add(&graph, out ? 12 : 11, &value);
        }
    }
    message_text(&graph, 2, "main");
    return message_model(&graph);
}

bool run_tag_is_in_logs_and_traces(struct scene *s) {
    static int lines;
    char path[] = "/tmp/esker-tag-XXXXXX", text[4096] = "";
    struct message model = two_inputs();
    esk_env *env;
    esk_session *session;
    esk_profile *profile;
    esk_value *in[2], *y[2] = {NULL};
    const char *names[] = {"a", "b"};
    esk_error error = ESK_ERROR_INIT;
    int tagged = 0, file = mkstemp(path);

    CHECK(s, file >= 0, "no file");
    CHECK(s,
          esk_env_create(esk_env_options(.log = take_line, .log_user = &lines), &env,
                         NULL) == ESK_OK,
          "no env");
    MUST(scene_keep(s, env, (void (*)(void *))esk_env_destroy));
    MUST(scene_load_bytes(s, env, model.bytes, model.size, "CPU", NULL, &session));
    MUST(scene_value(s, "float[2]", &in[0]));
    MUST(scene_value(s, "float[3]", &in[1]));
    CHECK(s, esk_profile_create(&profile, NULL) == ESK_OK, "no profile");
    MUST(scene_keep(s, profile, (void (*)(void *))esk_profile_destroy));
    if (esk_session_run(session, esk_run_options(.tag = "frame 8", .profile = profile),
                        names, in, 2, NULL, y, 2, &error) != ESK_OK)
        return fault_take(s->fault, "run", &error);
    for (int i = 0; i < 2; i++)
        MUST(scene_keep(s, y[i], (void (*)(void *))esk_value_destroy));
    CHECK(s, lines == 1, "%d lines of the log have the tag", lines);
    for (size_t i = 0; i < esk_profile_count(profile); i++) {
        const esk_record *r = esk_profile_get(profile, i);

        tagged += !strcmp(r->name, "model_run") && !strcmp(r->tag, "frame 8");
        CHECK(s, r->kind == ESK_RECORD_SESSION || !*r->tag, "a node has a tag");
    }
    CHECK(s, tagged == 1, "%d phases have the tag", tagged);
    if (esk_profile_write(profile, path, &error) != ESK_OK)
        return fault_take(s->fault, "profile", &error);
    CHECK(s, read(file, text, sizeof(text) - 1) > 0 && !close(file) && !unlink(path),
          "the trace cannot be read");
    CHECK(s, strstr(text, "\"run_tag\":\"frame 8\""), "the trace: %s", text);
    return true;
}

bool terminate_before_a_run(struct scene *s) {
    static const char *const providers[] = {"CPU", "GLCompute"};

    for (int i = 0; i < 2; i++) {
        struct op_case *made;
        esk_session *session;
        esk_error error = ESK_ERROR_INIT;
        esk_terminate *stop;
        esk_status status;

        MUST(small_session(s, providers[i], &made, &session));
        CHECK(s, esk_terminate_create(&stop, NULL) == ESK_OK, "no switch");
        scene_keep(s, stop, (void (*)(void *))esk_terminate_destroy);
        esk_terminate_set(stop, true);
        status = run(made, session, esk_run_options(.terminate = stop), &error);
        CHECK(s, status == ESK_CANCELLED, "%s: a terminated run gave %s", providers[i],
              esk_status_name(status));
        esk_error_clear(&error);
        esk_terminate_set(stop, false);
        status = run(made, session, esk_run_options(.terminate = stop), &error);
        CHECK(s, status == ESK_OK, "%s: after it was unset: %s", providers[i],
              esk_error_message(&error));
    }
    return true;
}

static void *stop_soon(void *user) {
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    esk_terminate_set(user, true);
    return NULL;
}

static double seconds(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* A chain of products that takes much longer than the 20 ms after which it is stopped. */
bool terminate_in_flight(struct scene *s) {
    static const char *const providers[] = {"GLCompute", "CPU"};
    enum { LINKS = 64 };
    char text[64 + LINKS * 40];
    size_t at = (size_t)snprintf(text, sizeof(text),
                                 "MatMul(float[1024,1024], "
                                 "float[1024,1024])");

    for (int i = 1; i < LINKS; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at,
                               " | Softmax() | MatMul($, @1)");
    (void)at;
    for (int i = 0; i < 2; i++) {
        struct op_case *made;
        esk_env *env;
        esk_session *session;
        esk_error error = ESK_ERROR_INIT;
        esk_terminate *stop;
        esk_status status;
        pthread_t thread;

        MUST(scene_env(s, &env));
        MUST(scene_case(s, text, &made));
        MUST(scene_session(s, env, made->model, providers[i], NULL, &session));
        CHECK(s, esk_terminate_create(&stop, NULL) == ESK_OK, "no switch");
        scene_keep(s, stop, (void (*)(void *))esk_terminate_destroy);
        double start = seconds();
        CHECK(s, !pthread_create(&thread, NULL, stop_soon, stop), "no thread");
        status = run(made, session, esk_run_options(.terminate = stop), &error);
        double took = seconds() - start;
        pthread_join(thread, NULL);
        CHECK(s, status == ESK_CANCELLED,
              "%s: a run terminated after 20 ms gave %s after "
              "%.3f s",
              providers[i], esk_status_name(status), took);
        esk_error_clear(&error);
    }
    return true;
}

/* After a warm-up the first run plans and compiles nothing. */
bool warm_up_leaves_nothing_to_do(struct scene *s) {
    struct op_case *made;
    esk_env *env;
    esk_session *session, *cpu;
    esk_session_stats before, warm, after;
    esk_value *x, *y, *expected;
    esk_error error = ESK_ERROR_INIT;
    int64_t dims[] = {5, 8};
    esk_input_shape shape = {.rank = 2, .dims = dims}, wrong = {"nobody", 2, dims};

    MUST(scene_env(s, &env));
    MUST(scene_case(s, "MatMul(float[4,8], float[8,24]!) | Softmax() free=1", &made));
    MUST(scene_session(s, env, made->model, "GLCompute", "strict=1,enableGraphCapture=1",
                       &session));
    MUST(scene_session(s, env, made->model, "CPU", NULL, &cpu));
    MUST(scene_value(s, "float[5,8]", &x));
    MUST(scene_run(s, cpu, &expected, 1, x));
    shape.name = made->inputs.names[0];
    CHECK(s,
          esk_session_warm_up(session, NULL, 0, &error) == ESK_INVALID_ARGUMENT &&
              strstr(esk_error_message(&error), shape.name),
          "without a shape: %s", esk_error_message(&error));
    esk_error_clear(&error);
    CHECK(s,
          esk_session_warm_up(session, &wrong, 1, &error) == ESK_INVALID_ARGUMENT &&
              strstr(esk_error_message(&error), "nobody"),
          "an input that is not there: %s", esk_error_message(&error));
    esk_error_clear(&error);
    const esk_input_shape odd[] = {
        {shape.name, -1, dims}, {shape.name, 99, dims}, {shape.name, 2, NULL}};
    static const char *const words[] = {"rank -1", "rank 99", "dims is NULL"};
    for (int i = 0; i < 3; i++) {
        CHECK(s,
              esk_session_warm_up(session, &odd[i], 1, &error) == ESK_INVALID_ARGUMENT &&
                  strstr(esk_error_message(&error), words[i]),
              "not '%s': %s", words[i], esk_error_message(&error));
        esk_error_clear(&error);
    }
    MUST(scene_stats(s, session, &before));
    if (esk_session_warm_up(session, &shape, 1, &error) != ESK_OK)
        return fault_take(s->fault, "warm-up", &error);
    MUST(scene_stats(s, session, &warm));
    CHECK(s, warm.binds > before.binds && warm.dispatches > before.dispatches,
          "the warm-up did nothing");
    esk_value *out = NULL;
    if (esk_session_run(session, esk_run_options(.gpu_graph_id = -1), made->inputs.names,
                        &x, 1, NULL, &out, 1, &error) != ESK_OK)
        return fault_take(s->fault, "run", &error);
    MUST(scene_keep(s, out, (void (*)(void *))esk_value_destroy));
    MUST(scene_near(s, "after the warm-up", out, expected));
    MUST(scene_stats(s, session, &after));
    CHECK(s,
          after.binds == warm.binds && after.programs == warm.programs &&
              after.buffers_created == warm.buffers_created,
          "the run after it made plans, programs or buffers");
    /* nothing was captured: graph 0 is captured by the first run that asks for it */
    return scene_run(s, session, &y, 1, x) && scene_near(s, "captured", y, expected);
}
