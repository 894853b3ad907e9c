/* Buffer caches: docs/design.md's tables of modes, exactly; nothing grows. In: these
 * tables, a model of one slab; out: counters after each run and after destroy. */
#include "surface.h"

#include <stdio.h>

enum { STEPS = 7, SESSIONS = 2, MODES = 4 };

static const char *const modes[MODES] = {"disabled", "lazyRelease", "simple", "bucket"};

/* Rows of [rows, 64] floats: A = 100, B = 300, A' = 110; then A in a second session. */
static const struct {
    const char *name;
    int rows, session; /* rows 0: that session is destroyed */
} steps[STEPS] = {{"A", 100, 0},
                  {"B", 300, 0},
                  {"A'", 110, 0},
                  {"A", 100, 0},
                  {"A in another", 100, 1},
                  {"one destroyed", 0, 0},
                  {"both destroyed", 0, 1}};

struct counts {
    unsigned created, destroyed, cached;
};

struct table {
    struct counts rows[MODES][STEPS];
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
    uint64_t most = 0;
    bool same = true;

    snprintf(settings, sizeof(settings),
             "strict=1,threads=pool,storageBufferCacheMode=%s,uniformBufferCacheMode=%s,"
             "defaultBufferCacheMode=%s",
             mode, mode, mode);
    MUST(scene_env(s, &env));
    MUST(scene_case(s, "Softmax(float[100,64]) free=1 axis=0 | Softmax() axis=1", &made));
    MUST(scene_session(s, env, made->model, "GLCompute", settings, &witness));
    for (int i = 0; i < SESSIONS; i++)
        MUST(scene_session(&own[i], env, made->model, "GLCompute", settings,
                           &sessions[i]));
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
        /* blocks of parameters are kept then; how far apart they lie is the device's */
        same &= stats.cached_bytes == expected[i].cached ||
                (scene_device_settings && !steps[i].rows);
        same &= stats.device_peak_bytes >= stats.device_bytes &&
                stats.device_peak_bytes >= most;
        most = stats.device_peak_bytes; /* it never falls */
        if (i == STEPS - 1)             /* what lives is what the caches have */
            same &=
                most > 3 * 300 * 64 * 4 && stats.device_bytes == stats.cached_bytes &&
                stats.buffers_created - stats.buffers_destroyed == stats.cached_buffers;
    }
    CHECK(s, same, "%s: created, destroyed, bytes cached: %s", mode, got);
    return true;
}

/* The table of docs/design.md whose header has `columns` besides the mode: one row a
 * mode. */
static bool read_table(struct scene *s, int columns, struct table *table) {
    FILE *file = fopen(SOURCE_DIR "/docs/design.md", "r");
    char line[1024];
    bool inside = false;
    int n = 0;

    CHECK(s, file, "docs/design.md cannot be read");
    while (n < MODES && fgets(line, sizeof(line), file)) {
        int cells = 0;
        char *at = strstr(line, "| mode | after A |");

        for (const char *c = line; *c; c++)
            cells += *c == '|';
        if (at)
            inside = cells == columns + 2;
        at = strstr(line, modes[n]);
        if (!inside || !at || cells != columns + 2)
            continue;
        for (int i = 0; i < columns && (at = strchr(at, '|')); i++, at++) {
            struct counts *c = &table->rows[n][i];
            if (sscanf(at, "| %u, %u, %u", &c->created, &c->destroyed, &c->cached) != 3)
                break;
            if (i == columns - 1)
                n++;
        }
    }
    fclose(file);
    CHECK(s, n == MODES,
          "docs/design.md: row '%s' of the table of %d columns is not there",
          modes[n < MODES ? n : 0], columns);
    return true;
}

bool cache_modes(struct scene *s) {
    struct table table;

    MUST(read_table(s, STEPS, &table));
    for (int i = 0; i < MODES; i++) {
        struct scene own[SESSIONS] = {{.fault = s->fault}, {.fault = s->fault}};
        bool good = mode_row(s, own, modes[i], table.rows[i]);
        for (int j = 0; j < SESSIONS; j++)
            scene_finish(&own[j]);
        MUST(good);
    }
    return true;
}

/* The same for pools of timer queries, which profiled runs lease. A piece of a dispatch
 * has a span, so with small pieces rows tell pools apart. Other caches keep all: what
 * changes is pools. */
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
        MUST(scene_session(&own[i], env, made->model, "GLCompute", settings,
                           &sessions[i]));
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
                now.destroyed == expected[i].destroyed &&
                now.cached == expected[i].cached;
    }
    CHECK(s, same, "%s: created, destroyed, bytes cached: %s", mode, got);
    return true;
}

bool query_cache_modes(struct scene *s) {
    struct table table;

    MUST(read_table(s, STEPS - 2, &table));
    for (int i = 0; i < MODES; i++) {
        struct scene own[SESSIONS] = {{.fault = s->fault}, {.fault = s->fault}};
        bool good = query_row(s, own, modes[i], table.rows[i]);
        for (int j = 0; j < SESSIONS; j++)
            scene_finish(&own[j]);
        MUST(good);
    }
    return true;
}

/* Where buffers are kept, the second run of a shape makes none; elsewhere it does. */
bool caches_of_steady_runs(struct scene *s) {
    static const char *const keys[] = {"storage", "default"};
    struct op_case *made;

    MUST(scene_case(s, "Softmax(float[100,64]) axis=0 | Softmax() axis=1", &made));
    for (int k = 0; k < 2; k++)
        for (int m = 0; m < MODES; m++) {
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
