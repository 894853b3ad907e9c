/* Profiles. In: small models on both providers; out: records, traces as the header says. */
#include "report.h"
#include "surface.h"

#include <jansson.h>
#include <stdlib.h>
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
          esk_session_run(session, esk_run_options(.gpu_graph_id = -1, .profile = profile),
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

    CHECK(s, category && args && json_object_get(event, "name"), "an event lacks a member");
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
        CHECK(s, json_is_string(json_object_get(args, "op_name")) &&
                     json_is_string(json_object_get(args, "provider")),
              "args of an event");
    if (!strcmp(category, "Node"))
        CHECK(s, json_is_array(json_object_get(args, "input_type_shape")) &&
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
    snprintf(settings, sizeof(settings), "enableProfiling=1,profileFilePrefix=%s/t", folder);
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
