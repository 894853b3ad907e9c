/* Options of sessions: every valid value gives the results of the default, wrong ones are
 * refused with the nearest valid one. In: small models; out: results and messages. */
#include "surface.h"

#include "message.h"

#include <dirent.h>
#include <dlfcn.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

static void drop_session(void *session) {
    esk_session_destroy(session);
}

/* ---- all values ---- */

static bool one_value(struct scene *s, struct op_case *made, const char *key,
                      const char *value, const esk_value *expected) {
    char settings[160], what[200];
    esk_env *env;
    esk_session *session;
    esk_value *y;

    snprintf(settings, sizeof(settings), "%s=%s", key, value);
    snprintf(what, sizeof(what), "with %s", settings);
    MUST(scene_env(s, &env));
    MUST(scene_session(s, env, made->model, "GLCompute", settings, &session));
    for (int i = 0; i < 2; i++) {
        MUST(scene_run(s, session, &y, 1, made->inputs.values[0]));
        MUST(scene_near(s, what, y, expected));
    }
    return true;
}

bool every_value_of_every_option(struct scene *s) {
    static const struct {
        const char *key, *values;
    } numbers[] = {
        {"maxStorageBufferBindingSize", "0|4096|65536"},
        {"maxNumPendingDispatches", "1|2|4096"},
        {"maxGroups", "1|3"},
        {"planCacheSize", "1|1024"},
        {"fenceTimeoutMs", "3600000"},
    };
    struct op_case *made;
    esk_env *env;
    esk_session *cpu;
    esk_value *expected;
    const esk_option_info *row;

    MUST(scene_env(s, &env));
    MUST(scene_case(
        s,
        "Conv(float[1,3,9,9], float[5,3,3,3]!) | Relu() | GlobalAveragePool() | "
        "Flatten() | MatMul(float[5,6]!) | Softmax()",
        &made));
    MUST(scene_session(s, env, made->model, "CPU", NULL, &cpu));
    MUST(scene_run(s, cpu, &expected, 1, made->inputs.values[0]));
    for (size_t i = 0; (row = esk_option_at(i)); i++) {
        char values[160];

        if (!strcmp(row->type, "bool"))
            snprintf(values, sizeof(values), "0|1");
        else if (!strcmp(row->type, "enum"))
            snprintf(values, sizeof(values), "%s", row->values);
        else
            continue;
        for (char *next = values, *value; (value = strsep(&next, "|"));) {
            if (!strcmp(row->key, "allowSoftware") && value[0] == '0')
                continue;
            if (!strcmp(row->key, "enableProfiling"))
                continue; /* writes a file: profile.c */
            MUST(one_value(s, made, row->key, value, expected));
        }
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        char values[64];

        snprintf(values, sizeof(values), "%s", numbers[i].values);
        for (char *next = values, *value; (value = strsep(&next, "|"));)
            MUST(one_value(s, made, numbers[i].key, value, expected));
    }
    return true;
}

bool wrong_values_are_refused(struct scene *s) {
    static const struct {
        const char *key, *value, *word;
    } rows[] = {
        {"preferedLayout", "NHWC", "preferredLayout"},
        {"preferredLayout", "NHCW", "NHWC"},
        {"validationMode", "ful", "full"},
        {"graphOptimizationLevel", "extend", "extended"},
        {"storageBufferCacheMode", "buckets", "bucket"},
        {"enableGraphCapture", "2", "0,1"},
        {"maxNumPendingDispatches", "0", "1..4096"},
        {"maxNumPendingDispatches", "4097", "1..4096"},
        {"deviceId", "-1", "0..255"},
        {"ep.webgpuexecutionprovider.deviceId", "x", "0..255"},
        {"logSeverity", "warn", "warning"},
        {"intraOpNumThreads", "-1", "0..1024"},
    };
    esk_session_options *options;
    esk_error error = ESK_ERROR_INIT;
    struct op_case *made;
    esk_env *env;
    esk_session *session;

    GOOD(s, esk_session_options_create(&options, &error));
    MUST(scene_keep(s, options, (void (*)(void *))esk_session_options_destroy));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CHECK(s,
              esk_session_options_set(options, rows[i].key, rows[i].value, &error) ==
                  ESK_INVALID_ARGUMENT,
              "%s=%s was taken", rows[i].key, rows[i].value);
        CHECK(s, strstr(esk_error_message(&error), rows[i].word), "no '%s' in '%s'",
              rows[i].word, esk_error_message(&error));
    }
    /* a wrong name of an optimiser is known when the session is made */
    GOOD(s,
         esk_session_options_set(options, "disabledOptimizers", "fuse_epilogue", &error));
    MUST(scene_env(s, &env));
    MUST(scene_case(s, "Relu(float[2])", &made));
    CHECK(s,
          esk_session_create_from_model(env, made->model, options, &session, &error) ==
              ESK_INVALID_ARGUMENT,
          "an unknown optimiser was taken");
    CHECK(s, strstr(esk_error_message(&error), "nearest is 'fuse_epilogues'"), "'%s'",
          esk_error_message(&error));
    esk_error_clear(&error);
    return true;
}

/* ---- logs ---- */

struct lines {
    int count, with_id;
};

static void take_line(void *user, esk_log_level level, const char *text) {
    struct lines *lines = user;

    (void)level;
    lines->count++;
    lines->with_id += !strncmp(text, "mine: ", 6);
}

bool a_log_of_its_own(struct scene *s) {
    struct op_case *made;
    esk_error error = ESK_ERROR_INIT;

    MUST(scene_case(s, "Relu(float[2])", &made));
    for (int silent = 0; silent < 2; silent++) {
        struct lines lines = {0};
        esk_env *env;
        esk_session *session;
        esk_session_options *options;

        GOOD(s, esk_env_create(esk_env_options(.log = take_line, .log_user = &lines),
                               &env, &error));
        GOOD(s, esk_session_options_create(&options, &error));
        esk_session_options_append_provider(options, "CPU", NULL, NULL, 0, NULL);
        esk_session_options_set(options, "logId", "mine", NULL);
        esk_session_options_set(options, "dawnBackendType", "Vulkan", NULL);
        esk_session_options_set(options, "executionMode", "parallel", NULL);
        esk_session_options_set(options, "forceCpuNodeNames", "nobody", NULL);
        if (silent)
            esk_session_options_set(options, "logSeverity", "silent", NULL);
        esk_status status =
            esk_session_create_from_model(env, made->model, options, &session, &error);
        esk_session_options_destroy(options);
        if (status == ESK_OK)
            esk_session_destroy(session);
        esk_env_destroy(env);
        GOOD(s, status);
        CHECK(s, silent ? !lines.count : lines.count == 3 && lines.with_id == 3,
              "%d lines, %d with the id; one a key without meaning, one for the node",
              lines.count, lines.with_id);
    }
    return true;
}

struct tail {
    int count[ESK_LOG_SILENT + 1];
    char text[4096];
};

static void keep_line(void *user, esk_log_level level, const char *text) {
    struct tail *tail = user;
    size_t at = strlen(tail->text);

    tail->count[level]++;
    snprintf(tail->text + at, sizeof(tail->text) - at, "%s\n", text);
}

/* Severities of the env and of a session: the session's wins where it has one. */
bool lines_of_a_log(struct scene *s) {
    static const char *const severities[] = {"env",     "verbose", "info",
                                             "warning", "error",   "silent"};
    struct op_case *made;
    esk_error error = ESK_ERROR_INIT;

    MUST(scene_case(s, "Relu(float[2])", &made));
    for (int of_env = ESK_LOG_VERBOSE; of_env <= ESK_LOG_SILENT; of_env++)
        for (int own = 0; own < 6; own++) {
            struct tail tail = {.text = ""};
            int lowest = own ? own - 1 : of_env;
            esk_env *env;
            esk_session *session = NULL;
            esk_session_options *options;

            GOOD(s, esk_env_create(esk_env_options(.log = keep_line, .log_user = &tail,
                                                   .log_level = (esk_log_level)of_env),
                                   &env, &error));
            GOOD(s, esk_session_options_create(&options, &error));
            esk_session_options_append_provider(options, "CPU", NULL, NULL, 0, NULL);
            esk_session_options_set(options, "logSeverity", severities[own], NULL);
            /* of the WebGPU provider: without meaning; with one */
            esk_session_options_set(options, "enablePIXCapture", "1", NULL);
            esk_session_options_set(options, "enablePIXCapture", "0", NULL);
            esk_session_options_set(options, "enableInt64", "1", NULL);
            esk_status status = esk_session_create_from_model(env, made->model, options,
                                                              &session, &error);
            esk_session_options_destroy(options);
            esk_session_destroy(session);
            esk_env_destroy(env);
            GOOD(s, status);
            CHECK(s, tail.count[ESK_LOG_WARNING] == (lowest <= ESK_LOG_WARNING ? 1 : 0),
                  "env %d, session %s: %d warnings", of_env, severities[own],
                  tail.count[ESK_LOG_WARNING]);
            if (lowest > ESK_LOG_WARNING)
                continue;
            CHECK(s,
                  strstr(tail.text, "'enablePIXCapture' has no meaning here") &&
                      !strstr(tail.text, "enableInt64"),
                  "%s", tail.text);
        }
    return true;
}

/* As in ONNX Runtime: strings at the provider's call, with its prefix or without. */
bool options_of_a_provider_call(struct scene *s) {
    static const char *const keys[] = {"ep.webgpuexecutionprovider.enableInt64",
                                       "forceCpuNodeNames",
                                       "ep.webgpuexecutionprovider.enableGraphCapture"};
    static const char *const values[] = {"0", "Relu_2", "false"};
    static const char *const wrong[] = {"enableInt46"};
    struct op_case *made;
    esk_env *env;
    esk_session *session;
    esk_session_stats stats;
    esk_error error = ESK_ERROR_INIT;

    MUST(scene_env(s, &env));
    MUST(scene_case(s, "Add(int64[5], int64[5]) | Cast() to=1 | Relu()", &made));
    for (int given = 0; given < 2; given++) {
        esk_session_options *options;

        GOOD(s, esk_session_options_create(&options, &error));
        MUST(scene_keep(s, options, (void (*)(void *))esk_session_options_destroy));
        CHECK(s,
              esk_session_options_append_provider(options, "WebGPU", NULL, NULL, 0,
                                                  &error) == ESK_INVALID_ARGUMENT &&
                  strstr(esk_error_message(&error), "there are GLCompute and CPU"),
              "%s", esk_error_message(&error));
        CHECK(s,
              esk_session_options_append_provider(options, "GLCompute", wrong, values, 1,
                                                  &error) == ESK_INVALID_ARGUMENT &&
                  strstr(esk_error_message(&error), "nearest is 'enableInt64'"),
              "%s", esk_error_message(&error));
        esk_error_clear(&error);
        GOOD(s, esk_session_options_append_provider(options, "GLCompute", keys, values,
                                                    given ? 3 : 0, &error));
        GOOD(s,
             esk_session_create_from_model(env, made->model, options, &session, &error));
        MUST(scene_keep(s, session, drop_session));
        MUST(scene_stats(s, session, &stats));
        CHECK(s, stats.fallbacks == (given ? 2 : 0), "%u fallbacks", stats.fallbacks);
    }
    return true;
}

/* ---- plans ---- */

/* planCacheSize: the plan that was used longest ago makes room, and its buffers go. */
bool plans_kept(struct scene *s) {
    static const struct {
        int rows, binds; /* of a run's input; binds since the first with two plans kept */
    } runs[] = {{3, 1}, {4, 2}, {3, 2}, {5, 3}, {3, 3}, {5, 3}, {4, 4}, {5, 4}, {3, 5}};
    struct op_case *made;
    esk_session_stats stats, one = {0}, many = {0};

    MUST(scene_case(s, "MatMul(float[4,8], float[8,8]!) | Softmax() free=1", &made));
    for (int kept = 1; kept <= 3; kept++) {
        char settings[64];
        esk_env *env;
        esk_session *session, *cpu;

        snprintf(settings, sizeof(settings), "strict=1,planCacheSize=%d", kept);
        MUST(scene_env(s, &env));
        MUST(scene_session(s, env, made->model, "GLCompute", settings, &session));
        MUST(scene_session(s, env, made->model, "CPU", NULL, &cpu));
        for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
            char text[32];
            esk_value *x, *y, *expected;

            snprintf(text, sizeof(text), "float[%d,8]", runs[i].rows);
            MUST(scene_value(s, text, &x));
            MUST(scene_run(s, session, &y, 1, x));
            MUST(scene_run(s, cpu, &expected, 1, x));
            MUST(scene_near(s, settings, y, expected));
            MUST(scene_stats(s, session, &stats));
            CHECK(s, stats.plans <= (uint64_t)kept, "%s: %llu plans", settings,
                  (unsigned long long)stats.plans);
            if (kept == 2)
                CHECK(s, stats.binds == (uint64_t)runs[i].binds,
                      "run %zu: %llu binds, not %d", i, (unsigned long long)stats.binds,
                      runs[i].binds);
        }
        CHECK(s, kept == 2 || stats.binds == (kept == 1 ? 9 : 3), "%s: %llu binds",
              settings, (unsigned long long)stats.binds);
        if (kept == 1)
            one = stats;
        many = stats;
    }
    CHECK(s,
          many.buffers_created - many.buffers_destroyed >
              one.buffers_created - one.buffers_destroyed,
          "three plans hold no more buffers than one");
    return true;
}

/* How many files, and a sum that another file of the same name changes. */
static int files_in(const char *folder, uint64_t *sum) {
    DIR *list = opendir(folder);
    int count = 0;

    for (struct dirent *entry; list && (entry = readdir(list));)
        if (entry->d_name[0] != '.') {
            count++;
            *sum += entry->d_ino;
        }
    if (list)
        closedir(list);
    return count;
}

static int remove_one(const char *path, const struct stat *facts, int kind,
                      struct FTW *at) {
    (void)facts, (void)kind, (void)at;
    return remove(path);
}

/* programCacheDir: another process (here: env) finds the programs; none: nothing is kept;
 * without it: the user's cache. */
bool programs_are_kept_in_a_folder(struct scene *s) {
    char root[] = "/tmp/esker-programs-XXXXXX", folders[2][64], settings[96];
    const char *before = getenv("XDG_CACHE_HOME");
    struct op_case *made;
    uint64_t sums[4] = {0};
    int files[4][2] = {{0}};
    bool good = true;

    MUST(scene_case(s, "MatMul(float[5,8], float[8,9]!) | Softmax()", &made));
    CHECK(s, mkdtemp(root), "no folder");
    snprintf(folders[0], sizeof(folders[0]), "%s/esker/programs", root);
    snprintf(folders[1], sizeof(folders[1]), "%s/programs", root);
    setenv("XDG_CACHE_HOME", root, 1);
    for (int i = 0; good && i < 4; i++) {
        struct scene own = {.fault = s->fault};
        esk_env *env;
        esk_session *session;
        esk_value *y;

        snprintf(settings, sizeof(settings), "strict=1%s%s",
                 i == 3 ? "" : ",programCacheDir=",
                 i == 3 ? ""
                 : i    ? root
                        : "none");
        good = scene_env(&own, &env) &&
               scene_session(&own, env, made->model, "GLCompute", settings, &session) &&
               scene_run(&own, session, &y, 1, made->inputs.values[0]);
        scene_finish(&own);
        files[i][0] = files_in(folders[0], &(uint64_t){0});
        files[i][1] = files_in(folders[1], &sums[i]);
    }
    if (before)
        setenv("XDG_CACHE_HOME", before, 1);
    else
        unsetenv("XDG_CACHE_HOME");
    nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS); /* Mesa's cache lies there too */
    MUST(good);
    if (!files[3][0] && !files[1][1])
        return scene_skip(s, "the driver gives no programs to keep");
    CHECK(s, files[1][1] == 2 && files[2][1] == 2 && files[3][0] == 2,
          "of two programs %d, then %d are in the folder, %d in the user's", files[1][1],
          files[2][1], files[3][0]);
    CHECK(s, !files[0][0] && !files[0][1] && !files[2][0],
          "programs where none were to be");
    CHECK(s, sums[2] == sums[1], "programs were written again");
    return true;
}

/* ---- free dimensions ---- */

/* y = Relu(x), x [batch, 3 CHANNEL, width DATA_WIDTH]; z = Relu(w), w [batch, 3, width].
 */
static struct message dims_model(void) {
    struct message graph = {.size = 0}, part;

    for (int input = 0; input < 2; input++) {
        struct message shape = {.size = 0}, tensor = {.size = 0}, type = {.size = 0};

        for (int i = 0; i < 3; i++) {
            struct message dim = {.size = 0};

            if (i == 1)
                message_int(&dim, 1, 3);
            else
                message_text(&dim, 2, i ? "width" : "batch");
            if (i && !input)
                message_text(&dim, 3, i == 1 ? "CHANNEL" : "DATA_WIDTH");
            message_add(&shape, 1, &dim);
        }
        message_int(&tensor, 1, 1);
        message_add(&tensor, 2, &shape);
        message_add(&type, 1, &tensor);
        part = message_node("Relu", input ? "w" : "x", input ? "z" : "y");
        message_add(&graph, 1, &part);
        for (int out = 0; out < 2; out++) {
            struct message value = {.size = 0};

            message_text(&value, 1, out ? input ? "z" : "y" : input ? "w" : "x");
            message_add(&value, 2, &type);
            message_add(&graph, out ? 12 : 11, &value);
        }
    }
    message_text(&graph, 2, "main");
    return message_model(&graph);
}

/* The session shows these sizes, and takes no others. */
static bool inputs_are(struct scene *s, esk_session *session, const int *x,
                       const int *w) {
    const char *const names[] = {"x", "w"};
    esk_value *in[2];
    esk_error error = ESK_ERROR_INIT;

    for (size_t i = 0; i < 2; i++) {
        const int64_t *dims = esk_session_input(session, i)->dims;
        int64_t given[3];

        for (int a = 0; a < 3; a++) {
            int wanted = (i ? w : x)[a];

            CHECK(s, dims[a] == wanted, "axis %d of '%s' is %d, not %d", a, names[i],
                  (int)dims[a], wanted);
            given[a] = wanted < 0 ? 6 : wanted;
        }
        GOOD(s, esk_value_create(ESK_FLOAT, 3, given, &in[i], &error));
        MUST(scene_keep(s, in[i], (void (*)(void *))esk_value_destroy));
    }
    for (int wrong = 0; wrong < 3; wrong++) {
        esk_value *y[2] = {NULL}, *odd = NULL;
        int64_t dims[3];
        bool fixed = false;

        if (wrong) { /* one more on an axis of an input */
            memcpy(dims, esk_value_dims(in[wrong - 1]), sizeof(dims));
            for (int a = 0; a < 3 && !fixed; a += 2)
                if ((wrong == 1 ? x : w)[a] >= 0) {
                    dims[a]++;
                    fixed = true;
                }
            GOOD(s, esk_value_create(ESK_FLOAT, 3, dims, &odd, &error));
            MUST(scene_keep(s, odd, (void (*)(void *))esk_value_destroy));
        }
        esk_value *values[] = {wrong == 1 ? odd : in[0], wrong == 2 ? odd : in[1]};
        esk_status status =
            esk_session_run(session, NULL, names, values, 2, NULL, y, 2, &error);

        esk_value_destroy(y[0]);
        esk_value_destroy(y[1]);
        CHECK(s, status == (fixed ? ESK_INVALID_ARGUMENT : ESK_OK), "input %d: %s, %s",
              wrong, esk_status_name(status), esk_error_message(&error));
        esk_error_clear(&error);
    }
    return true;
}

bool overrides_of_free_dimensions(struct scene *s) {
    static const struct {
        const char *first;
        int first_denotes, first_size;
        const char *second;
        int second_denotes, second_size;
        const char *words[2]; /* of the error; NULL: none */
        int x[3], w[3];       /* what the inputs are then */
    } rows[] = {
        {"batch", 0, 2, "DATA_WIDTH", 1, 5, {NULL, NULL}, {2, 3, 5}, {2, 3, -1}},
        {"CHANNEL", 1, 3, "width", 0, 4, {NULL, NULL}, {-1, 3, 4}, {-1, 3, 4}},
        {"width", 0, 4, "DATA_WIDTH", 1, 4, {NULL, NULL}, {-1, 3, 4}, {-1, 3, 4}},
        {"batch", 0, 0, "width", 0, 7, {NULL, NULL}, {0, 3, 7}, {0, 3, 7}},
        {"width",
         0,
         4,
         "DATA_WIDTH",
         1,
         5,
         {"'width' = 4", "'DATA_WIDTH' = 5"},
         {0},
         {0}},
        {"batch", 0, 4, "batch", 0, 5, {"'batch' = 4", "'batch' = 5"}, {0}, {0}},
        {"CHANNEL", 1, 4, "batch", 0, 5, {"'CHANNEL' = 4", "declares 3"}, {0}, {0}},
        {"nobody", 0, 4, "batch", 0, 5, {"'nobody'", "no input"}, {0}, {0}},
        {"DATA_BATCH",
         1,
         4,
         "batch",
         0,
         5,
         {"denotation 'DATA_BATCH'", "no input"},
         {0},
         {0}},
    };
    struct message model = dims_model();
    esk_env *env;

    MUST(scene_env(s, &env));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        esk_error error = ESK_ERROR_INIT;
        esk_session *session = NULL;
        esk_session_options *options;

        GOOD(s, esk_session_options_create(&options, &error));
        CHECK(s,
              esk_session_options_override_dim(options, rows[i].first, -1, &error) ==
                      ESK_INVALID_ARGUMENT &&
                  strstr(esk_error_message(&error), rows[i].first) &&
                  esk_session_options_override_denotation(options, "D", -3, &error) ==
                      ESK_INVALID_ARGUMENT &&
                  strstr(esk_error_message(&error), "-3"),
              "a size below 0: %s", esk_error_message(&error));
        esk_error_clear(&error);
        esk_session_options_append_provider(options, "CPU", NULL, NULL, 0, NULL);
        GOOD(s, (rows[i].first_denotes ? esk_session_options_override_denotation
                                       : esk_session_options_override_dim)(
                    options, rows[i].first, rows[i].first_size, &error));
        GOOD(s, (rows[i].second_denotes ? esk_session_options_override_denotation
                                        : esk_session_options_override_dim)(
                    options, rows[i].second, rows[i].second_size, &error));
        esk_status status = esk_session_create_from_memory(
            env, model.bytes, model.size, false, NULL, options, &session, &error);
        esk_session_options_destroy(options);
        if (session)
            MUST(scene_keep(s, session, drop_session));
        if (!rows[i].words[0]) {
            GOOD(s, status);
            MUST(inputs_are(s, session, rows[i].x, rows[i].w));
            continue;
        }
        CHECK(s, status == ESK_INVALID_ARGUMENT, "row %zu: %s", i,
              esk_status_name(status));
        for (int w = 0; w < 2; w++)
            CHECK(s, strstr(esk_error_message(&error), rows[i].words[w]),
                  "no \"%s\" in \"%s\"", rows[i].words[w], esk_error_message(&error));
        esk_error_clear(&error);
    }
    return true;
}

/* ---- int64 ---- */

/* Rows [first, first + rows) of a table that is the same each time. */
static bool rotary_rows(struct scene *s, int first, int rows, esk_value **value) {
    char text[1024];
    int at = snprintf(text, sizeof(text), "float[%d,4]=", rows);

    for (int i = 4 * first; i < 4 * (first + rows); i++)
        at += snprintf(text + at, sizeof(text) - (size_t)at, "%d.%d,", i % 3 - 1,
                       i * 7 % 10);
    text[at - 1] = 0;
    return scene_value(s, text, value);
}

/* Six rows for sequences of up to six tokens, eight behind them for longer ones: as if
 * the model had only those. */
bool rotary_tables_of_two_parts(struct scene *s) {
    static const struct {
        int length, first, rows;
    } cases[] = {{5, 0, 6}, {6, 0, 6}, {7, 6, 8}, {8, 6, 8}};
    static const char *const providers[] = {"GLCompute", "CPU"};

    for (int i = 0; i < 16; i++) {
        int length = cases[i % 4].length, ids = i / 8;
        const char *provider = providers[i / 4 % 2];
        char positions[128] = "";
        esk_value *y[2];

        if (ids)
            snprintf(positions, sizeof(positions), ", int64[1,%d]=0,1,2,3,4,5,6,7",
                     length);
        for (int both = 0; both < 2; both++) {
            int first = both ? 0 : cases[i % 4].first,
                rows = both ? 14 : cases[i % 4].rows;
            char text[512];
            struct op_case *made;
            esk_env *env;
            esk_session *session;
            esk_value *in[6];

            snprintf(
                text, sizeof(text),
                "GroupQueryAttention(float[1,%d,16]=0.5,-1,2,0.25,1, "
                "float[1,%d,8]=1,-0.5,2, "
                "float[1,%d,8]=1,2,-3, _, _, int32[1]!=%d, int32[]!=%d, float[%d,4], "
                "float[%d,4]%s) domain=com.microsoft num_heads=2 kv_num_heads=1 "
                "do_rotary=1",
                length, length, length, length - 1, length, rows, rows, positions);
            MUST(scene_env(s, &env));
            MUST(scene_case(s, text, &made));
            MUST(scene_session(s, env, made->model, provider,
                               both ? "multiRotaryCacheConcatOffset=6" : NULL, &session));
            for (size_t k = 0; k < made->inputs.count; k++)
                in[k] = made->inputs.values[k];
            MUST(rotary_rows(s, first, rows, &in[3]));
            in[4] = in[3];
            MUST(scene_run(s, session, &y[both], made->inputs.count, in[0], in[1], in[2],
                           in[3], in[4], ids ? in[5] : NULL));
        }
        MUST(scene_near(s, provider, y[1], y[0]));
    }
    return true;
}

bool int64_off_goes_to_the_cpu(struct scene *s) {
    struct op_case *made;
    esk_env *env;
    esk_session *session, *cpu;
    esk_session_stats stats;
    esk_value *y, *expected;

    MUST(scene_env(s, &env));
    MUST(scene_case(s, "Add(int64[5], int64[5]) | Cast() to=1 | Relu()", &made));
    MUST(scene_session(s, env, made->model, "CPU", NULL, &cpu));
    MUST(scene_run(s, cpu, &expected, 2, made->inputs.values[0], made->inputs.values[1]));
    for (int on = 0; on < 2; on++) {
        esk_env *own;

        MUST(scene_env(s, &own));
        MUST(scene_session(s, own, made->model, "GLCompute",
                           on ? "enableInt64=1" : "enableInt64=0", &session));
        MUST(
            scene_run(s, session, &y, 2, made->inputs.values[0], made->inputs.values[1]));
        MUST(scene_same_bytes(s, "int64", y, expected));
        MUST(scene_stats(s, session, &stats));
        CHECK(s, stats.fallbacks == (on ? 0u : 1u), "%u fallbacks with enableInt64=%d",
              stats.fallbacks, on);
    }
    return true;
}

bool threads_of_the_blas(struct scene *s) {
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    int (*count)(void) = NULL;
    struct op_case *made;
    esk_env *env;
    esk_session *session;
    esk_value *y, *expected = NULL;

    if (library)
        *(void **)&count = dlsym(library, "openblas_get_num_threads");
    if (!count)
        return scene_skip(s, "no OpenBLAS");
    MUST(scene_env(s, &env));
    MUST(scene_case(s, "MatMul(float[64,64], float[64,64]!)", &made));
    for (int threads = 1; threads <= 2; threads++) {
        char settings[32];

        snprintf(settings, sizeof(settings), "intraOpNumThreads=%d", threads);
        MUST(scene_session(s, env, made->model, "CPU", settings, &session));
        CHECK(s, count() == threads, "%d threads with %s", count(), settings);
        MUST(scene_run(s, session, &y, 1, made->inputs.values[0]));
        if (expected)
            MUST(scene_near(s, settings, y, expected));
        expected = y;
    }
    /* 0: as it is */
    MUST(scene_session(s, env, made->model, "CPU", "intraOpNumThreads=0", &session));
    CHECK(s, count() == 2, "%d threads, not left as they were", count());
    return true;
}

/* What does not fit one binding is reached by several; what does not fit all that a
 * kernel has goes to the CPU, with the value, its size and the limit. */
bool a_binding_too_small_is_a_reason(struct scene *s) {
    struct op_case *made;
    esk_env *env;
    esk_session *session, *cpu;
    esk_value *y, *expected;
    esk_placement *placement;
    esk_error error = ESK_ERROR_INIT;
    bool walked = false;

    MUST(scene_env(s, &env));
    MUST(scene_case(s,
                    "Relu(float[1,16,12,12]) | Reshape(int64[5]!=1,2,8,12,12) | "
                    "Transpose() perm=0,2,1,3,4 | Reshape(int64[4]!=1,16,12,12) | "
                    "Slice(int64[1]!=0, int64[1]!=4, int64[1]!=1) | Exp()",
                    &made));
    MUST(scene_session(s, env, made->model, "CPU", NULL, &cpu));
    MUST(scene_session(s, env, made->model, "GLCompute",
                       "strict=1,maxStorageBufferBindingSize=8192", &session));
    MUST(scene_run(s, cpu, &expected, 1, made->inputs.values[0]));
    MUST(scene_run(s, session, &y, 1, made->inputs.values[0]));
    MUST(scene_near(s, "by several bindings", y, expected));
    MUST(scene_env(s, &env));
    MUST(scene_session(s, env, made->model, "GLCompute",
                       "maxStorageBufferBindingSize=1024,clamp=es31", &session));
    MUST(scene_run(s, session, &y, 1, made->inputs.values[0]));
    MUST(scene_near(s, "with bindings of 1024 bytes", y, expected));
    GOOD(s, esk_session_placement(session, &placement, &error));
    MUST(scene_keep(s, placement, (void (*)(void *))esk_placement_destroy));
    for (size_t i = 0; i < esk_placement_count(placement); i++) {
        const esk_node_placement *node = esk_placement_get(placement, i);

        if (strcmp(node->home, "CPU"))
            continue;
        walked |= !strcmp(node->op_type, "Transpose");
        CHECK(s,
              strstr(node->reason, " bytes, one binding") && strstr(node->reason, "1024"),
              "%s: '%s'", node->name, node->reason);
    }
    CHECK(s, walked, "the Transpose fits the bindings");
    return true;
}

/* ---- preferredLayout ---- */

/* Relayouts of the newest plan, and how many of its nodes on the device write that
 * layout. */
static bool layouts_of(struct scene *s, esk_session *session, const char *layout,
                       uint32_t *relayouts, size_t *nodes) {
    esk_session_stats stats;
    esk_placement *placement;
    esk_error error = ESK_ERROR_INIT;

    MUST(scene_stats(s, session, &stats));
    *relayouts = stats.relayouts;
    *nodes = 0;
    GOOD(s, esk_session_placement(session, &placement, &error));
    for (size_t i = 0; i < esk_placement_count(placement); i++) {
        const esk_node_placement *node = esk_placement_get(placement, i);

        *nodes += !strcmp(node->home, "GLCompute") && !strcmp(node->layout, layout);
    }
    esk_placement_destroy(placement);
    return true;
}

bool layouts_are_as_preferred(struct scene *s) {
    /* every node has kernels for both layouts; rows that are no multiple of four among
     * them */
    static const char text[] =
        "Conv(float[2,3,17,20], float[10,3,3,3]!) strides=2,2 pads=1,1,1,1 | Relu() | "
        "BatchNormalization(float[10]!, float[10]!, float[10]!, float[10]!=0.5,1,2) | "
        "Conv(float[10,1,3,3]!) group=10 pads=1,1,1,1 | MaxPool() kernel_shape=2,2 | "
        "Conv(float[12,5,1,1]!) group=2 | Clip(float[]!=0, float[]!=6) | "
        "Resize(float[0]!, float[4]!=1,1,2,2) | InstanceNormalization(float[12]!, "
        "float[12]!) | "
        "AveragePool() kernel_shape=3,3 strides=2,2 | Conv(float[7,12,3,3]!) "
        "dilations=2,1";
    static const struct {
        const char *settings;
        bool planes;
    } rows[] = {
        {NULL, false},
        {"preferredLayout=auto", false},
        {"preferredLayout=NHWC", false},
        {"preferredLayout=NCHW", true},
        {"ep.webgpuexecutionprovider.preferredLayout=NCHW", true},
        {"preferredLayout=NCHW,clamp=es31", true},
    };
    struct op_case *made;
    esk_env *env;
    esk_session *cpu;
    esk_value *expected;

    MUST(scene_env(s, &env));
    MUST(scene_case(s, text, &made));
    MUST(scene_session(s, env, made->model, "CPU", NULL, &cpu));
    MUST(scene_run(s, cpu, &expected, 1, made->inputs.values[0]));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *what = rows[i].settings ? rows[i].settings : "nothing set";
        esk_env *own;
        esk_session *session;
        esk_value *y;
        uint32_t relayouts;
        size_t planes, channels;

        MUST(scene_env(s, &own));
        MUST(scene_session(s, own, made->model, "GLCompute", rows[i].settings, &session));
        MUST(scene_run(s, session, &y, 1, made->inputs.values[0]));
        MUST(scene_near(s, what, y, expected));
        MUST(layouts_of(s, session, "NHWC", &relayouts, &channels));
        MUST(layouts_of(s, session, "NCHW", &relayouts, &planes));
        CHECK(s, !rows[i].planes == (relayouts > 0), "%s: %u relayouts", what, relayouts);
        CHECK(s, !rows[i].planes == (channels > 0), "%s: %zu nodes write NHWC", what,
              channels);
        CHECK(s, rows[i].planes == (planes > 8), "%s: %zu nodes write NCHW", what,
              planes);
    }
    /* sessions of one device may differ */
    esk_session *both[2];
    static const char *const wanted[] = {"preferredLayout=NHWC", "preferredLayout=NCHW"};

    for (int i = 0; i < 2; i++)
        MUST(scene_session(s, env, made->model, "GLCompute", wanted[i], &both[i]));
    for (int i = 0; i < 2; i++) {
        uint32_t relayouts;
        size_t nodes;

        MUST(layouts_of(s, both[i], "NHWC", &relayouts, &nodes));
        CHECK(s, (i == 0) == (nodes > 0), "%s beside the other: %zu nodes write NHWC",
              wanted[i], nodes);
    }
    return true;
}
