/* Profiles. In: small models on both providers; out: records, traces as the header says.
 */
#include "report.h"
#include "message.h"
#include "surface.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const char conv_case[] = "Conv(float[1,4,9,9], float[8,4,3,3]!) | MaxPool() "
                                "kernel_shape=2,2 | Softmax() axis=-1";

static void destroy_profile(void *profile) {
    esk_profile_destroy(profile);
}

static bool make(struct scene *s, const char *text, const char *provider,
                 const char *settings, struct op_case **made, esk_session **session) {
    esk_env *env;

    MUST(scene_env(s, &env));
    MUST(scene_case(s, text, made));
    return scene_session(s, env, (*made)->model, provider, settings, session);
}

static bool run(struct scene *s, struct op_case *made, esk_session *session,
                esk_profile *profile) {
    esk_error error = ESK_ERROR_INIT;
    esk_value *y = NULL;

    CHECK(s,
          esk_session_run(session,
                          esk_run_options(.gpu_graph_id = -1, .profile = profile),
                          made->inputs.names, made->inputs.values, made->inputs.count,
                          NULL, &y, 1, &error) == ESK_OK,
          "%s", esk_error_message(&error));
    esk_value_destroy(y);
    return true;
}

/* What a profile holds of run `run`, checked record by record. */
static bool check_run(struct scene *s, const esk_profile *profile, uint32_t run,
                      size_t *nodes, size_t *kernels) {
    uint64_t begin = 0, end = 0;

    *nodes = *kernels = 0;
    for (size_t i = 0; i < esk_profile_count(profile); i++) {
        const esk_record *r = esk_profile_get(profile, i);

        if (r->run == run && !strcmp(r->name, "model_run")) {
            begin = r->start_ns;
            end = begin + r->duration_ns;
        }
    }
    CHECK(s, end, "run %u has no model_run", run);
    for (size_t i = 0; i < esk_profile_count(profile); i++) {
        const esk_record *r = esk_profile_get(profile, i);

        if (r->run != run || r->kind == ESK_RECORD_SESSION)
            continue;
        *nodes += r->kind == ESK_RECORD_NODE;
        *kernels += r->kind == ESK_RECORD_KERNEL;
        CHECK(s, *r->name && *r->op_type && *r->provider && *r->clock,
              "record %zu lacks a name", i);
        CHECK(s, r->start_ns >= begin && r->start_ns + r->duration_ns <= end,
              "'%s' ran outside of its run", r->name);
        if (r->kind == ESK_RECORD_KERNEL)
            CHECK(s, *r->kernel && r->groups[0] && r->bytes > 0, "kernel '%s' of '%s'",
                  r->kernel, r->name);
        if (!strcmp(r->provider, "GLCompute"))
            CHECK(s, r->dispatches && (*r->recipe || *r->op_type == '('),
                  "'%s': %u dispatches, recipe '%s'", r->name, r->dispatches, r->recipe);
    }
    return true;
}

bool profile_of_a_run(struct scene *s) {
    struct op_case *made;
    esk_session *session;
    esk_profile *profile;
    esk_session_stats stats;
    size_t nodes, kernels;
    double flops = 0;

    MUST(make(s, conv_case, "GLCompute", "strict=1", &made, &session));
    CHECK(s, esk_profile_create(&profile, NULL) == ESK_OK, "no profile");
    MUST(scene_keep(s, profile, destroy_profile));
    MUST(run(s, made, session, NULL));
    CHECK(s, !esk_profile_count(profile), "a run without profile left records");
    MUST(run(s, made, session, profile));
    MUST(run(s, made, session, profile));
    MUST(scene_stats(s, session, &stats));
    MUST(check_run(s, profile, 1, &nodes, &kernels));
    CHECK(s, kernels == stats.commands, "%zu kernels, the plan has %u commands", kernels,
          stats.commands);
    CHECK(s, nodes <= kernels && nodes >= stats.device_nodes, "%zu nodes", nodes);
    MUST(check_run(s, profile, 2, &nodes, &kernels));
    for (size_t i = 0; i < esk_profile_count(profile); i++) {
        const esk_record *r = esk_profile_get(profile, i);

        if (r->run != 1 || r->kind != ESK_RECORD_NODE || strcmp(r->op_type, "Conv"))
            continue;
        flops = r->flops;
        CHECK(s, r->n_inputs == 2 && r->inputs[1].rank == 4 && r->inputs[1].dims[0] == 8,
              "the shapes of Conv's inputs");
        CHECK(s, r->n_outputs == 1 && r->outputs[0].dims[3] == 7, "Conv's output");
    }
    CHECK(s, flops == 2.0 * 8 * 7 * 7 * 4 * 9, "Conv's operations: %.0f", flops);
    MUST(run(s, made, session, NULL));
    CHECK(s, !esk_profile_get(profile, esk_profile_count(profile)), "no end");
    return true;
}

bool profile_on_the_cpu(struct scene *s) {
    struct op_case *made;
    esk_session *session;
    esk_profile *profile;
    size_t nodes, kernels;

    MUST(make(s, conv_case, "CPU", NULL, &made, &session));
    CHECK(s, esk_profile_create(&profile, NULL) == ESK_OK, "no profile");
    MUST(scene_keep(s, profile, destroy_profile));
    MUST(run(s, made, session, profile));
    MUST(check_run(s, profile, 1, &nodes, &kernels));
    CHECK(s, nodes == 3 && !kernels, "%zu nodes, %zu kernels", nodes, kernels);
    return true;
}

/* One event of a trace in ONNX Runtime's shape. */
static bool check_event(struct scene *s, const json_t *event, int *counts) {
    static const char *const categories[] = {"Session", "Node", "Kernel"};
    const char *category = json_string_value(json_object_get(event, "cat"));
    const json_t *args = json_object_get(event, "args");

    CHECK(s, category && args && json_object_get(event, "name"),
          "an event lacks a member");
    if (!strcmp(category, "__metadata"))
        return true;
    CHECK(s, !strcmp(json_string_value(json_object_get(event, "ph")), "X"), "ph");
    CHECK(s,
          json_is_number(json_object_get(event, "ts")) &&
              json_number_value(json_object_get(event, "dur")) >= 0 &&
              json_is_integer(json_object_get(event, "pid")) &&
              json_is_integer(json_object_get(event, "tid")),
          "an event without times");
    for (int c = 0; c < 3; c++)
        counts[c] += !strcmp(category, categories[c]);
    if (strcmp(category, "Session"))
        CHECK(s,
              json_is_string(json_object_get(args, "op_name")) &&
                  json_is_string(json_object_get(args, "provider")),
              "args of an event");
    if (!strcmp(category, "Node"))
        CHECK(s,
              json_is_array(json_object_get(args, "input_type_shape")) &&
                  json_is_array(json_object_get(args, "output_type_shape")),
              "shapes of a node");
    return true;
}

bool profile_of_a_session(struct scene *s) {
    static const char text[] = "Relu(float[2,3]) | Exp()";
    char folder[] = "/tmp/esker-profile-XXXXXX", settings[128], *path = NULL;
    struct op_case *made;
    esk_session *session;
    esk_error error = ESK_ERROR_INIT;
    int counts[3] = {0};
    json_t *trace;
    bool good = true;

    CHECK(s, mkdtemp(folder), "no folder");
    snprintf(settings, sizeof(settings), "enableProfiling=1,profileFilePrefix=%s/t",
             folder);
    MUST(make(s, text, "CPU", settings, &made, &session));
    MUST(run(s, made, session, NULL));
    CHECK(s, esk_session_end_profiling(session, &path, &error) == ESK_OK, "%s",
          esk_error_message(&error));
    MUST(run(s, made, session, NULL));
    CHECK(s, esk_session_end_profiling(session, NULL, &error) == ESK_NOT_FOUND,
          "a profile ended twice");
    esk_error_clear(&error);
    CHECK(s, !strncmp(path, folder, strlen(folder)), "the trace is '%s'", path);
    trace = json_load_file(path, 0, NULL);
    CHECK(s, json_is_array(trace), "'%s' is no JSON array", path);
    for (size_t i = 0; good && i < json_array_size(trace); i++)
        good = check_event(s, json_array_get(trace, i), counts);
    json_decref(trace);
    unlink(path);
    rmdir(folder);
    esk_text_free(path);
    MUST(good);
    CHECK(s, counts[0] == 3 && counts[1] == 2 && !counts[2],
          "%d phases, %d nodes, %d kernels", counts[0], counts[1], counts[2]);
    return true;
}

/* ---- traces as files ---- */

/* y = Softmax(x * w); the product's name has what JSON must escape. */
static const char quoted[] = "the \"first\" \\ one";

static struct message quoted_model(void) {
    static const float w[48] = {1};
    const int64_t x[] = {4, 8}, w_dims[] = {8, 6}, y[] = {4, 6};
    struct message graph = {.size = 0}, part;

    part = message_node("MatMul", "x w", "p");
    message_text(&part, 3, quoted);
    message_add(&graph, 1, &part);
    part = message_node("Softmax", "p", "y");
    message_text(&part, 3, "second");
    message_add(&graph, 1, &part);
    message_text(&graph, 2, "main");
    part = message_tensor("w", 2, w_dims, w);
    message_add(&graph, 5, &part);
    part = message_value("x", ESK_FLOAT, 2, x);
    message_add(&graph, 11, &part);
    part = message_value("y", ESK_FLOAT, 2, y);
    message_add(&graph, 12, &part);
    return message_model(&graph);
}

static const char *member(const json_t *event, const char *key) {
    const char *text = json_string_value(json_object_get(event, key));

    return text ? text : "";
}

/* [{"float":[4,8]},…] as text. */
static bool shapes_are(struct scene *s, const json_t *args, const char *key,
                       const char *expected) {
    char *text = json_dumps(json_object_get(args, key), JSON_COMPACT | JSON_ENCODE_ANY);
    bool good = text && !strcmp(text, expected);

    if (!good)
        fault_set(s->fault, "%s is %s, not %s", key, text ? text : "none", expected);
    free(text);
    return good;
}

/* One event of a session on `provider` that made `runs` runs. `us`: how long it lived. */
static bool check_traced(struct scene *s, const json_t *event, const char *provider,
                         double us, double run_end[2]) {
    const json_t *args = json_object_get(event, "args");
    const char *category = member(event, "cat"), *name = member(event, "name");
    double ts = json_number_value(json_object_get(event, "ts")),
           end = ts + json_number_value(json_object_get(event, "dur"));
    bool second = strstr(name, "second") || !strcmp(member(args, "node"), "second");
    const char *node = second ? "second" : quoted;
    char text[64];

    if (!strcmp(category, "__metadata"))
        return true;
    CHECK(s, ts >= 0 && end <= us, "'%s' is from %g to %g us of %g", name, ts, end, us);
    if (!strcmp(name, "model_run"))
        run_end[0] = ts, run_end[1] = end;
    if (!strcmp(category, "Session"))
        return true;
    CHECK(s,
          !strcmp(member(args, "op_name"), second ? "Softmax" : "MatMul") &&
              !strcmp(member(args, "provider"), provider) && *member(args, "clock") &&
              !strcmp(member(args, "node_index"), second ? "1" : "0") &&
              !strcmp(member(args, "run"), "1"),
          "'%s': op_name %s, provider %s, clock '%s', node_index %s, run %s", name,
          member(args, "op_name"), member(args, "provider"), member(args, "clock"),
          member(args, "node_index"), member(args, "run"));
    if (!strcmp(category, "Kernel")) {
        CHECK(s, !strcmp(member(args, "node"), node) && strcmp(name, node) && *name,
              "kernel '%s' of '%s'", name, member(args, "node"));
        CHECK(s,
              strchr(member(args, "groups"), ',') && *member(args, "groups") != '0' &&
                  atoi(member(args, "dispatches")) >= 1,
              "'%s': groups '%s', dispatches '%s'", name, member(args, "groups"),
              member(args, "dispatches"));
        return true;
    }
    snprintf(text, sizeof(text), "%s_kernel_time", node);
    CHECK(s, !strcmp(name, text), "a node is '%s', not '%s'", name, text);
    return shapes_are(s, args, "input_type_shape",
                      second ? "[{\"float\":[4,6]}]"
                             : "[{\"float\":[4,8]},{\"float\":[8,6]}]") &&
           shapes_are(s, args, "output_type_shape", "[{\"float\":[4,6]}]");
}

static bool check_trace(struct scene *s, const char *path, const char *provider,
                        double us) {
    json_t *trace = json_load_file(path, 0, NULL);
    int counts[3] = {0};
    double run[2] = {-1, -1};
    bool good = true;

    CHECK(s, json_is_array(trace), "'%s' is no JSON array", path);
    for (size_t i = 0; good && i < json_array_size(trace); i++)
        good = check_event(s, json_array_get(trace, i), counts) &&
               check_traced(s, json_array_get(trace, i), provider, us, run);
    for (size_t i = 0; good && i < json_array_size(trace); i++) {
        const json_t *event = json_array_get(trace, i);
        double ts = json_number_value(json_object_get(event, "ts"));

        if (!strcmp(member(event, "cat"), "Node") && (ts < run[0] || ts > run[1]))
            good = fault_set(s->fault, "'%s' is at %g us, its run from %g to %g",
                             member(event, "name"), ts, run[0], run[1]);
    }
    json_decref(trace);
    MUST(good);
    /* bind is one; the run that had a profile of its own is not there */
    bool device = strcmp(provider, "CPU");
    CHECK(s, counts[0] == 3 && counts[1] == 2 && counts[2] == (device ? 2 : 0),
          "%s: %d phases, %d nodes, %d kernels", provider, counts[0], counts[1],
          counts[2]);
    return true;
}

struct told {
    int times;
    char path[200];
};

static void take_path(void *user, esk_log_level level, const char *text) {
    const char *begin = strstr(text, "the profile is in '");
    struct told *told = user;

    if (!begin || level != ESK_LOG_INFO)
        return;
    told->times++;
    snprintf(told->path, sizeof(told->path), "%s", begin + strlen("the profile is in '"));
    told->path[strcspn(told->path, "'")] = 0;
}

static uint64_t now_us(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000;
}

/* A session that is destroyed writes its trace, and says where; two never write one file.
 */
static bool write_traces(struct scene *s, const char *folder, const char *provider,
                         char paths[2][200]) {
    struct message model = quoted_model();
    struct told told = {.times = 0};
    char settings[128];
    esk_profile *own;
    esk_value *x, *y;
    esk_env *env;
    esk_error error = ESK_ERROR_INIT;

    snprintf(settings, sizeof(settings), "enableProfiling=1,profileFilePrefix=%s/t",
             folder);
    GOOD(s, esk_env_create(esk_env_options(.log = take_path, .log_user = &told,
                                           .log_level = ESK_LOG_INFO),
                           &env, &error));
    MUST(scene_keep(s, env, (void (*)(void *))esk_env_destroy));
    MUST(scene_value(s, "float[4,8]", &x));
    for (int i = 0; i < 2; i++) {
        struct scene inner = {.fault = s->fault};
        const char *name = "x";
        esk_session *session;
        uint64_t begin = now_us();
        bool good = scene_load_bytes(&inner, env, model.bytes, model.size, provider,
                                     settings, &session) &&
                    scene_run(&inner, session, &y, 1, x);

        GOOD(s, esk_profile_create(&own, &error));
        MUST(scene_keep(s, own, destroy_profile));
        y = NULL;
        good = good && esk_session_run(session, esk_run_options(.profile = own), &name,
                                       &x, 1, NULL, &y, 1, &error) == ESK_OK;
        esk_value_destroy(y);
        scene_finish(&inner);
        MUST(good);
        CHECK(s, told.times == i + 1, "the log tells %d times where a trace is",
              told.times);
        snprintf(paths[i], sizeof(paths[i]), "%s", told.path);
        size_t nodes, kernels;
        MUST(check_run(s, own, 1, &nodes, &kernels));
        CHECK(s, nodes == 2, "the run's own profile has %zu nodes", nodes);
        MUST(check_trace(s, told.path, provider, (double)(now_us() - begin)));
    }
    CHECK(s, strcmp(paths[0], paths[1]) && !access(paths[0], R_OK), "both are '%s'",
          paths[1]);
    return true;
}

bool traces_of_sessions(struct scene *s) {
    static const char *const providers[] = {"CPU", "GLCompute"};

    for (int p = 0; p < 2; p++) {
        char folder[] = "/tmp/esker-trace-XXXXXX", paths[2][200] = {"", ""};

        CHECK(s, mkdtemp(folder), "no folder");
        bool good = write_traces(s, folder, providers[p], paths);
        for (int i = 0; i < 2; i++)
            unlink(paths[i]);
        rmdir(folder);
        MUST(good);
    }
    return true;
}

/* The tables of tools/report.c: rows are nodes, medians over runs, groups add up. */
bool report_of_a_profile(struct scene *s) {
    static const char text[] = "Relu(float[8,9]) | Exp() | Relu() | Relu()";
    struct op_case *made;
    esk_session *session;
    esk_profile *profile;
    struct report nodes = {0}, groups = {0};
    struct report_summary summary;
    double ms = 0;
    bool good;

    MUST(make(s, text, "CPU", NULL, &made, &session));
    CHECK(s, esk_profile_create(&profile, NULL) == ESK_OK, "no profile");
    MUST(scene_keep(s, profile, destroy_profile));
    for (int i = 0; i < 3; i++)
        MUST(run(s, made, session, profile));
    good = report_make(&nodes, profile, ESK_RECORD_NODE, &summary, s->fault) &&
           report_group(&groups, &nodes, false, s->fault);
    for (size_t i = 0; good && i < nodes.count; i++)
        if (nodes.rows[i].count != 3)
            good = fault_set(s->fault, "row %zu has %zu times of 3 runs", i,
                             nodes.rows[i].count);
    for (size_t i = 0; good && i < groups.count; i++) {
        ms += groups.rows[i].ms;
        if (i && groups.rows[i].ms > groups.rows[i - 1].ms)
            good = fault_set(s->fault, "groups are not sorted");
    }
    if (good && (nodes.count != 4 || groups.count != 2 || summary.runs != 3 ||
                 ms > summary.nodes_ms * 1.001 || ms < summary.nodes_ms * 0.999))
        good = fault_set(s->fault, "%zu nodes, %zu groups, %zu runs, %g of %g ms",
                         nodes.count, groups.count, summary.runs, ms, summary.nodes_ms);
    report_finish(&groups);
    report_finish(&nodes);
    return good;
}

bool peak_of_a_device(struct scene *s) {
    esk_device_peak peak = {.struct_size = 4};
    esk_error error = ESK_ERROR_INIT;
    esk_env *env;
    esk_status status;

    MUST(scene_env(s, &env));
    CHECK(s, esk_device_measure(env, NULL, &peak, &error) == ESK_INVALID_ARGUMENT,
          "a struct of 4 bytes was taken");
    esk_error_clear(&error);
    peak.struct_size = sizeof(peak);
    status = esk_device_measure(env, NULL, &peak, &error);
    if (status == ESK_NO_DEVICE)
        return scene_skip(s, esk_error_message(&error));
    CHECK(s, status == ESK_OK, "%s", esk_error_message(&error));
    CHECK(s,
          peak.gflops > 0.1 && peak.gbytes_per_s > 0.01 && peak.stage_us > 0 &&
              peak.accumulators > 0,
          "%g GFLOP/s, %g GB/s, %g us", peak.gflops, peak.gbytes_per_s, peak.stage_us);
    return true;
}
