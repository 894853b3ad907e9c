/* Buffer caches: docs/design.md's table of modes, exactly; nothing grows. In: a model of one
 * slab; out: counters after each run and after destroy. */
#include "surface.h"

#include <stdio.h>

enum { STEPS = 7, SESSIONS = 2 };

/* Rows of [rows, 64] floats: A = 100, B = 300, A' = 110; then A in a second session. */
static const struct {
    const char *name;
    int rows, session; /* rows 0: that session is destroyed */
} steps[STEPS] = {{"A", 100, 0},        {"B", 300, 0},         {"A'", 110, 0},
                  {"A", 100, 0},        {"A in another", 100, 1}, {"one destroyed", 0, 0},
                  {"both destroyed", 0, 1}};

struct counts {
    unsigned created, destroyed, cached;
};

static bool run_rows(struct scene *s, esk_session *session, int rows) {
    char text[32];
    esk_value *x, *y;
    snprintf(text, sizeof(text), "float[%d,64]", rows);
    MUST(scene_value(s, text, &x));
    return scene_run(s, session, &y, 1, x);
}

static bool run_profiled(struct scene *s, esk_session *session, struct op_case *made,
                         int rows) {
    char text[32];
    esk_profile *profile;
    esk_value *x, *y = NULL;
    esk_error error = ESK_ERROR_INIT;
    snprintf(text, sizeof(text), "float[%d,64]", rows);
    MUST(scene_value(s, text, &x));
    CHECK(s, esk_profile_create(&profile, NULL) == ESK_OK, "no profile");
    esk_status status =
        esk_session_run(session, esk_run_options(.gpu_graph_id = -1, .profile = profile),
                        made->inputs.names, &x, 1, NULL, &y, 1, &error);
    esk_profile_destroy(profile);
    esk_value_destroy(y);
    CHECK(s, status == ESK_OK, "a profiled run: %s", esk_error_message(&error));
    return true;
}

static bool mode_row(struct scene *s, struct scene *own, const char *mode,
                     const struct counts *expected) {
    char settings[256], got[512] = "";
    esk_env *env;
    esk_session *witness, *sessions[SESSIONS];
    struct op_case *made;
    size_t used = 0;
    bool same = true;

    snprintf(settings, sizeof(settings),
             "strict=1,threads=pool,storageBufferCacheMode=%s,uniformBufferCacheMode=%s,"
             "defaultBufferCacheMode=%s",
             mode, mode, mode);
    MUST(scene_env(s, &env));
    MUST(scene_case(s, "Softmax(float[100,64]) free=1 axis=0 | Softmax() axis=1", &made));
    MUST(scene_session(s, env, made->model, "GLCompute", settings, &witness));
    for (int i = 0; i < SESSIONS; i++)
        MUST(scene_session(&own[i], env, made->model, "GLCompute", settings, &sessions[i]));
    for (int i = 0; i < STEPS; i++) {
        esk_session_stats stats;
        if (steps[i].rows)
            MUST(run_rows(s, sessions[steps[i].session], steps[i].rows));
        else
            scene_finish(&own[steps[i].session]);
        MUST(scene_stats(s, witness, &stats));
        used += (size_t)snprintf(got + used, sizeof(got) - used, "{%u, %u, %u}, ",
                                 (unsigned)stats.buffers_created,
                                 (unsigned)stats.buffers_destroyed,
                                 (unsigned)stats.cached_bytes);
        same &= stats.buffers_created == expected[i].created &&
                stats.buffers_destroyed == expected[i].destroyed;
        /* how far apart blocks of parameters lie is the device's */
        same &= stats.cached_bytes == expected[i].cached || scene_device_settings;
        if (i == STEPS - 1) /* what lives is what the caches have */
            same &= stats.device_bytes == stats.cached_bytes &&
                    stats.buffers_created - stats.buffers_destroyed == stats.cached_buffers;
    }
    CHECK(s, same, "%s: created, destroyed, bytes cached: %s", mode, got);
    return true;
}

bool cache_modes(struct scene *s) {
    static const struct {
        const char *mode;
        struct counts counts[STEPS];
    } rows[] = {
        {"disabled",
         {{4, 3, 0}, {8, 6, 0}, {12, 9, 0}, {15, 12, 0},
          {19, 15, 0}, {19, 18, 0}, {19, 19, 0}}},
        {"lazyRelease",
         {{4, 0, 76848}, {8, 3, 230448}, {12, 6, 84528}, {15, 9, 76848},
          {19, 12, 76848}, {19, 12, 77280}, {19, 12, 77424}}},
        {"simple",
         {{4, 0, 76848}, {8, 0, 307296}, {12, 0, 391824}, {12, 0, 391824},
          {13, 0, 391824}, {13, 0, 392256}, {13, 0, 392400}}},
        {"bucket",
         {{4, 0, 98352}, {8, 0, 491616}, {9, 0, 491616}, {9, 0, 491616},
          {10, 0, 491616}, {10, 0, 492048}, {10, 0, 492192}}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct scene own[SESSIONS] = {{.fault = s->fault}, {.fault = s->fault}};
        bool good = mode_row(s, own, rows[i].mode, rows[i].counts);
        for (int j = 0; j < SESSIONS; j++)
            scene_finish(&own[j]);
        MUST(good);
    }
    return true;
}

/* The same for pools of timer queries, which profiled runs lease. A piece of a dispatch has a
 * span, so with small pieces rows tell pools apart. Other caches keep all: what changes is
 * pools. */
static bool query_row(struct scene *s, struct scene *own, const char *mode,
                      const struct counts *expected) {
    char settings[256], got[512] = "";
    esk_env *env;
    esk_session *witness, *sessions[SESSIONS];
    esk_session_stats base = {0}, stats;
    struct op_case *made;
    size_t used = 0;
    bool same = true;

    snprintf(settings, sizeof(settings),
             "strict=1,threads=pool,maxGroups=1,storageBufferCacheMode=simple,"
             "queryResolveBufferCacheMode=%s",
             mode);
    MUST(scene_env(s, &env));
    MUST(scene_case(s, "Softmax(float[100,64]) free=1 axis=1", &made));
    MUST(scene_session(s, env, made->model, "GLCompute", settings, &witness));
    for (int i = 0; i < SESSIONS; i++) {
        MUST(scene_session(&own[i], env, made->model, "GLCompute", settings, &sessions[i]));
        for (int j = 0; j < 3; j++)
            MUST(run_rows(s, sessions[i], steps[j].rows));
    }
    MUST(scene_stats(s, witness, &base));
    for (int i = 0; i < STEPS - 2; i++) {
        MUST(run_profiled(s, sessions[steps[i].session], made, steps[i].rows));
        MUST(scene_stats(s, witness, &stats));
        const struct counts now = {
            (unsigned)(stats.buffers_created - base.buffers_created),
            (unsigned)(stats.buffers_destroyed - base.buffers_destroyed),
            (unsigned)(stats.cached_bytes - base.cached_bytes)};
        used += (size_t)snprintf(got + used, sizeof(got) - used, "{%u, %u, %u}, ",
                                 now.created, now.destroyed, now.cached);
        same &= now.created == expected[i].created &&
                now.destroyed == expected[i].destroyed && now.cached == expected[i].cached;
    }
    CHECK(s, same || scene_device_settings, "%s: created, destroyed, bytes cached: %s", mode,
          got);
    return true;
}

bool query_cache_modes(struct scene *s) {
    static const struct {
        const char *mode;
        struct counts counts[STEPS - 2];
    } rows[] = {
        {"disabled", {{1, 1, 0}, {2, 2, 0}, {3, 3, 0}, {4, 4, 0}, {5, 5, 0}}},
        {"lazyRelease", {{1, 0, 272}, {2, 1, 656}, {3, 2, 272}, {4, 3, 272}, {5, 4, 272}}},
        {"simple", {{1, 0, 272}, {2, 0, 928}, {2, 0, 928}, {2, 0, 928}, {2, 0, 928}}},
        {"bucket", {{1, 0, 272}, {2, 0, 2336}, {2, 0, 2336}, {2, 0, 2336}, {2, 0, 2336}}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct scene own[SESSIONS] = {{.fault = s->fault}, {.fault = s->fault}};
        bool good = query_row(s, own, rows[i].mode, rows[i].counts);
        for (int j = 0; j < SESSIONS; j++)
            scene_finish(&own[j]);
        MUST(good);
    }
    return true;
}

/* Where buffers are kept, the second run of a shape makes none; elsewhere it does. */
bool caches_of_steady_runs(struct scene *s) {
    static const char *const modes[] = {"disabled", "lazyRelease", "simple", "bucket"};
    static const char *const keys[] = {"storage", "default"};
    struct op_case *made;

    MUST(scene_case(s, "Softmax(float[100,64]) axis=0 | Softmax() axis=1", &made));
    for (int k = 0; k < 2; k++)
        for (int m = 0; m < 4; m++) {
            char settings[96];
            esk_session_stats before, after;
            esk_session *session;
            esk_value *first, *again;
            esk_env *env;

            snprintf(settings, sizeof(settings), "strict=1,poison=1,%sBufferCacheMode=%s",
                     keys[k], modes[m]);
            MUST(scene_env(s, &env));
            MUST(scene_session(s, env, made->model, "GLCompute", settings, &session));
            MUST(scene_run(s, session, &first, 1, made->inputs.values[0]));
            MUST(scene_stats(s, session, &before));
            for (int i = 0; i < 3; i++)
                MUST(scene_run(s, session, &again, 1, made->inputs.values[0]));
            MUST(scene_stats(s, session, &after));
            MUST(scene_same_bytes(s, settings, again, first));
            CHECK(s, (after.buffers_created == before.buffers_created) == (m >= 2),
                  "%s: %u buffers made in three steady runs", settings,
                  (unsigned)(after.buffers_created - before.buffers_created));
            CHECK(s, after.cache_hits > before.cache_hits, "%s: no hit", settings);
        }
    return true;
}
