/* Where nodes run: the placement as an API, names that are kept on the CPU. In: small
 * models; out: homes, recipes, reasons, errors of strict sessions. */
#include "surface.h"

#include "message.h"

#include <stdio.h>

static bool placement_of(struct scene *s, esk_session *session,
                         esk_placement **placement) {
    esk_error error = ESK_ERROR_INIT;

    GOOD(s, esk_session_placement(session, placement, &error));
    return scene_keep(s, *placement, (void (*)(void *))esk_placement_destroy);
}

/* What the placement says of a node; `recipe` and `reason` are words of it, "" for
 * nothing at all. */
static bool is_at(struct scene *s, const esk_placement *placement, const char *name,
                  const char *home, const char *recipe, const char *reason,
                  bool fallback) {
    for (size_t i = 0; i < esk_placement_count(placement); i++) {
        const esk_node_placement *p = esk_placement_get(placement, i);

        if (strcmp(p->name, name))
            continue;
        CHECK(s,
              !strcmp(p->home, home) && !*p->recipe == !*recipe &&
                  strstr(p->recipe, recipe) && !*p->reason == !*reason &&
                  strstr(p->reason, reason) && p->fallback == fallback && !*p->domain &&
                  !strncmp(name, p->op_type, strlen(p->op_type)),
              "%s (%s) is at %s, recipe '%s', reason '%s', fallback %d", p->name,
              p->op_type, p->home, p->recipe, p->reason, p->fallback);
        return true;
    }
    return fault_set(s->fault, "nobody says where %s is", name);
}

bool placement_says_where_and_why(struct scene *s) {
    struct op_case *made;
    esk_env *env;
    esk_session *session;
    esk_placement *placement;
    esk_session_stats stats;
    esk_value *y;
    esk_error error = ESK_ERROR_INIT;

    MUST(scene_env(s, &env));
    MUST(scene_case(s,
                    "MatMul(float[4,8], float[8,8]!) | Relu() | Softmax() | Shape() | "
                    "Cast() to=1 | Add(float[2])",
                    &made));
    MUST(scene_session(s, env, made->model, "GLCompute", "forceCpuNodeNames=Softmax_2",
                       &session));
    MUST(placement_of(s, session, &placement));
    MUST(is_at(s, placement, "Cast_4", "known", "", "", false));
    MUST(is_at(s, placement, "Add_5", "GLCompute", "elementwise", "", false));
    CHECK(s, !esk_placement_get(placement, esk_placement_count(placement)), "no end");
    MUST(scene_session(s, env, made->model, "CPU", NULL, &session));
    MUST(placement_of(s, session, &placement));
    MUST(is_at(s, placement, "Add_5", "CPU", "", "no device", false));
    MUST(scene_case(s, "MatMul(float[4,8], float[8,8]!) | Relu() | Softmax() | Exp()",
                    &made));
    MUST(scene_session(s, env, made->model, "GLCompute", "forceCpuNodeNames=Softmax_2",
                       &session));
    MUST(placement_of(s, session, &placement));
    MUST(is_at(s, placement, "MatMul_0", "GLCompute", "gemm", "", false));
    MUST(is_at(s, placement, "Relu_1", "GLCompute", "in 'MatMul_0'", "", false));
    MUST(is_at(s, placement, "Softmax_2", "CPU", "", "forceCpuNodeNames", true));
    MUST(is_at(s, placement, "Exp_3", "GLCompute", "elementwise", "", false));
    MUST(scene_case(s,
                    "MatMulNBits(float[1,128], uint8[12,4,16]!, float[48]!) "
                    "domain=com.microsoft K=128 N=12 bits=4 block_size=32",
                    &made));
    MUST(scene_session(s, env, made->model, "GLCompute", NULL, &session));
    MUST(placement_of(s, session, &placement));
    CHECK(s, !strcmp(esk_placement_get(placement, 0)->domain, "com.microsoft"),
          "its domain is '%s'", esk_placement_get(placement, 0)->domain);
    /* behind a cut once it was planned; with free dimensions nothing before a run */
    MUST(scene_case(s, "Relu(float[2,4]) | NonZero() | Cast() to=1 | Exp() free=1",
                    &made));
    MUST(scene_session(s, env, made->model, "GLCompute", NULL, &session));
    CHECK(s, esk_session_placement(session, &placement, &error) == ESK_NOT_FOUND,
          "a placement before the first run");
    esk_error_clear(&error);
    for (int run = 0; run < 2; run++) {
        if (run)
            MUST(scene_run(s, session, &y, 1, made->inputs.values[0]));
        else
            GOOD(s, esk_session_plan(session, 3, &error));
        MUST(placement_of(s, session, &placement));
        CHECK(s, esk_placement_count(placement) == 4, "%zu nodes, each once",
              esk_placement_count(placement));
        MUST(is_at(s, placement, "Relu_0", "GLCompute", "elementwise", "", false));
        MUST(is_at(s, placement, "NonZero_1", "CPU", "", "depend on data", false));
        MUST(is_at(s, placement, "Exp_3", run ? "GLCompute" : "later",
                   run ? "elementwise" : "", run ? "" : "depend on data", false));
        MUST(scene_stats(s, session, &stats));
        CHECK(s,
              stats.nodes == (run ? 4 : 2) && stats.host_nodes == 1 && !stats.known_nodes,
              "%u nodes, %u on the CPU, %u known", stats.nodes, stats.host_nodes,
              stats.known_nodes);
    }
    return true;
}

/* Nodes that patterns or the newest opset write otherwise: each of the model's is told
 * once, with what became of it, and nobody else; nothing of patterns that were given up.
 */
bool placement_knows_the_models_nodes(struct scene *s) {
    static const struct {
        const char *text, *names[8], *in; /* `in`: the recipe of the first; at home */
        const char *home;
    } rows[] = {
        {"MatMul(float[2,3,9,8], float[2,3,8,13]) | Softmax() axis=-1 | "
         "MatMul(float[2,3,13,8])",
         {"MatMul_0", "Softmax_1", "MatMul_2"},
         "in 'MatMul_2'",
         "GLCompute"},
        {"ReduceMean(float[5,24]) axes=-1 opset=13 | Sub(~@0, $0) | Mul($1, $1) | "
         "ReduceMean() axes=-1 | Add(float[]!=0.00001) | Sqrt() | Div(~$1, $5)",
         {"ReduceMean_0", "Sub_1", "Mul_2", "ReduceMean_3", "Add_4", "Sqrt_5", "Div_6"},
         "in 'Div_6'",
         "GLCompute"},
        {"Conv(float[1,3,6,6], float[6,3,1,1]!) | BatchNormalization(float[6]!, "
         "float[6]!, "
         "float[6]!, float[6]!) range=0.1,1",
         {"BatchNormalization_1", "Conv_0"},
         "in 'Conv_0'",
         "GLCompute"},
        {"Exp(float[600]!) | Mul($, float[600])", {"Exp_0", "Mul_1"}, "", "known"},
        /* a product by patterns of products that do not fit */
        {"Mul(float[9,8], float[9,1]) | MatMul(float[8,13])",
         {"Mul_0", "MatMul_1"},
         "elementwise",
         "GLCompute"},
    };
    esk_env *env;

    MUST(scene_env(s, &env));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct op_case *made;
        esk_session *session;
        esk_placement *placement;
        size_t names = 0;

        MUST(scene_case(s, rows[i].text, &made));
        MUST(scene_session(s, env, made->model, "GLCompute", "strict=1", &session));
        MUST(placement_of(s, session, &placement));
        while (names < 8 && rows[i].names[names])
            names++;
        for (size_t n = 0; n < names; n++) {
            size_t found = 0;

            for (size_t p = 0; p < esk_placement_count(placement); p++)
                found += !strcmp(esk_placement_get(placement, p)->name, rows[i].names[n]);
            CHECK(s, found == 1, "%s: %s is told %zu times", rows[i].text,
                  rows[i].names[n], found);
        }
        CHECK(s, esk_placement_count(placement) == names, "%s: %zu nodes", rows[i].text,
              esk_placement_count(placement));
        MUST(is_at(s, placement, rows[i].names[0], rows[i].home, rows[i].in, "", false));
    }
    return true;
}

/* One name a line; members of fused groups too; each counts as a fallback. */
bool forced_nodes_run_on_the_cpu(struct scene *s) {
    static const char text[] =
        "MatMul(float[4,8], float[8,8]!) | Relu() | Softmax() | Exp()";
    static const struct {
        const char *names;
        unsigned fallbacks;
        const char *homes[4];
    } rows[] = {
        {"", 0, {"GLCompute", "GLCompute", "GLCompute", "GLCompute"}},
        {"Relu_1", 1, {"GLCompute", "CPU", "GLCompute", "GLCompute"}},
        {"MatMul_0\nExp_3", 2, {"CPU", "GLCompute", "GLCompute", "CPU"}},
        {"\nSoftmax_2\n\nnobody\n", 1, {"GLCompute", "GLCompute", "CPU", "GLCompute"}},
        {"MatMul_0\nRelu_1\nSoftmax_2\nExp_3", 4, {"CPU", "CPU", "CPU", "CPU"}},
    };
    static const char *const nodes[] = {"MatMul_0", "Relu_1", "Softmax_2", "Exp_3"};
    struct op_case *made;
    esk_env *env, *other;
    esk_session *cpu;
    esk_value *expected, *y;

    MUST(scene_env(s, &env));
    MUST(scene_env(s, &other)); /* whose device has no options of this program's */
    MUST(scene_case(s, text, &made));
    MUST(scene_session(s, env, made->model, "CPU", NULL, &cpu));
    MUST(scene_run(s, cpu, &expected, 1, made->inputs.values[0]));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char settings[128], message[600];
        esk_session *session;
        esk_placement *placement;
        esk_session_stats stats;
        esk_session_options *options;
        esk_error error = ESK_ERROR_INIT;

        snprintf(settings, sizeof(settings), "forceCpuNodeNames=%s", rows[i].names);
        MUST(scene_session(s, env, made->model, "GLCompute", settings, &session));
        MUST(scene_run(s, session, &y, 1, made->inputs.values[0]));
        MUST(scene_near(s, settings, y, expected));
        MUST(scene_stats(s, session, &stats));
        CHECK(s, stats.fallbacks == rows[i].fallbacks, "%s: %u fallbacks", settings,
              stats.fallbacks);
        MUST(placement_of(s, session, &placement));
        for (int n = 0; n < 4; n++) {
            bool cpu_node = !strcmp(rows[i].homes[n], "CPU");
            const esk_node_placement *p = esk_placement_get(placement, (size_t)n);

            CHECK(s,
                  p && !strcmp(p->name, nodes[n]) && !strcmp(p->home, rows[i].homes[n]) &&
                      p->fallback == cpu_node,
                  "%s: %s is at %s", settings, nodes[n], p ? p->home : "none");
        }
        /* a strict session lists them all */
        MUST(scene_options(s, "GLCompute", "strict=1", &options));
        GOOD(s, esk_session_options_set(options, "forceCpuNodeNames", rows[i].names,
                                        &error));
        session = NULL;
        esk_status status =
            esk_session_create_from_model(other, made->model, options, &session, &error);
        snprintf(message, sizeof(message), "%s", esk_error_message(&error));
        esk_error_clear(&error);
        esk_session_destroy(session);
        CHECK(s, status == (rows[i].fallbacks ? ESK_FALLBACK : ESK_OK),
              "strict, %s: %s: %s", settings, esk_status_name(status), message);
        for (int n = 0; n < 4; n++)
            CHECK(s, !strstr(message, nodes[n]) == !!strcmp(rows[i].homes[n], "CPU"),
                  "strict, %s: '%s'", settings, message);
    }
    return true;
}

/* Settings that change how a device is used, not what comes out. */
bool device_settings_are_followed(struct scene *s) {
    static const char product[] = "MatMul(float[64,64], float[64,64]!)";
    static const char conv[] = "Conv(float[1,8,16,16], float[8,8,3,3]!) pads=1,1,1,1";
    static const struct {
        const char *settings, *text, *dump, *word;
        bool there;
    } rows[] = {
        {"readPath=ssbo", product, "commands", ":rgba32f", false},
        {"readPath=image,clamp=none", product, "commands", ":rgba32f", true},
        {"readPath=auto,clamp=es31", product, "commands", ":rgba32f", false},
        {"clamp=es31", product, "limits", "clamped: yes", true},
        {"clamp=es31", product, "limits", "max invocations: 128\n", true},
        {"clamp=none", product, "limits", "clamped: yes", false},
        {"winograd=always", conv, "commands", "conv_winograd", true},
        {"winograd=never", conv, "commands", "conv_winograd", false},
        {"sharedTiles=always", product, "commands", "gemm_shared", true},
        {"sharedTiles=never", product, "commands", "gemm_shared", false},
        {"maxStorageBufferBindingSize=8192", product, "limits", "max binding: 8192\n",
         true},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *text;
        struct op_case *made;
        esk_env *env;
        esk_session *session, *cpu;
        esk_value *expected, *y;

        MUST(scene_env(s, &env));
        MUST(scene_case(s, rows[i].text, &made));
        MUST(scene_session(s, env, made->model, "CPU", NULL, &cpu));
        MUST(scene_run(s, cpu, &expected, 1, made->inputs.values[0]));
        MUST(scene_session(s, env, made->model, "GLCompute", rows[i].settings, &session));
        MUST(scene_run(s, session, &y, 1, made->inputs.values[0]));
        MUST(scene_near(s, rows[i].settings, y, expected));
        MUST(scene_dump(s, session, rows[i].dump, &text));
        CHECK(s, !strstr(text, rows[i].word) == !rows[i].there, "%s: '%s' is %s in:\n%s",
              rows[i].settings, rows[i].word, rows[i].there ? "not" : "", text);
    }
    return true;
}

/* A value on the device that nobody wrote is zeros for a run too, whatever lay there. */
bool values_begin_as_zeros(struct scene *s) {
    static const int64_t dims[] = {4, 8};
    struct op_case *made;
    esk_env *env;
    esk_session *session;
    esk_value *y, *zeros, *expected;
    esk_error error = ESK_ERROR_INIT;

    MUST(scene_env(s, &env));
    MUST(scene_case(s, "Exp(float[4,8])", &made));
    MUST(scene_session(s, env, made->model, "GLCompute", "strict=1,poison=1", &session));
    GOOD(s, esk_value_create_on_device(session, ESK_FLOAT, 2, dims, &zeros, &error));
    MUST(scene_keep(s, zeros, (void (*)(void *))esk_value_destroy));
    MUST(scene_value(s, "float[4,8]=1", &expected));
    MUST(scene_run(s, session, &y, 1, zeros));
    MUST(scene_same_bytes(s, "of zeros", y, expected));
    MUST(scene_value(s, "float[4,8]=0", &expected));
    GOOD(s, esk_value_copy(zeros, y, &error));
    return scene_same_bytes(s, "zeros", y, expected);
}
