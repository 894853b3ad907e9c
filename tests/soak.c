/* Long use: runs of many sessions by many threads with shapes that change, sessions that
 * come and go. In: small models, [--runs N] (2,000); out: results checked against the CPU
 * provider's, resident memory that stops growing, counters that return. */
#include "table.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SESSIONS = 8, THREADS = 4, SHAPES = 6, CYCLES = 50 };

static long runs_wanted = 2000;

static const char *const models[] = {
    "MatMul(float[4,8], float[8,24]!) | Softmax() free=1",
    "Conv(float[1,3,9,9], float[5,3,3,3]!) | Relu() | GlobalAveragePool() free=1",
    "Softmax(float[3,17]) | Exp() | Neg() free=1",
    "Gemm(float[2,40], float[40,7]!) | Tanh() free=1",
};
enum { MODELS = sizeof(models) / sizeof(models[0]) };

/* What the allocator keeps for later is given back first: whose thread's heap it lies in
 * differs from run to run. */
static long resident_kib(void) {
    malloc_trim(0);
    FILE *file = fopen("/proc/self/statm", "r");
    long pages = 0;

    if (!file || fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* ---- threads × sessions × shapes ---- */

struct soak {
    esk_session *sessions[SESSIONS];
    struct op_case *made[MODELS];
    esk_value *inputs[MODELS][SHAPES], *expected[MODELS][SHAPES];
    atomic_long next; /* the run that is to come */
    long until;
    atomic_bool failed;
};

struct soaker {
    struct soak *soak;
    struct fault fault;
};

static void *soak_runs(void *user) {
    struct soaker *soaker = user;
    struct soak *soak = soaker->soak;
    struct scene s = {.fault = &soaker->fault};
    long run;

    while ((run = atomic_fetch_add(&soak->next, 1)) < soak->until &&
           !atomic_load(&soak->failed)) {
        long which = run % SESSIONS, shape = run / SESSIONS % SHAPES, m = which % MODELS;
        esk_error error = ESK_ERROR_INIT;
        esk_value *y = NULL;
        esk_status status =
            esk_session_run(soak->sessions[which], NULL, soak->made[m]->inputs.names,
                            &soak->inputs[m][shape], 1, NULL, &y, 1, &error);

        if (status != ESK_OK)
            fault_take(s.fault, "run", &error);
        if (status != ESK_OK || !scene_near(&s, models[m], y, soak->expected[m][shape]))
            atomic_store(&soak->failed, true);
        esk_value_destroy(y);
    }
    return NULL;
}

/* Runs up to number `until`, by all threads. */
static bool soak_until(struct scene *s, struct soak *soak, long until) {
    static struct soaker soakers[THREADS];
    pthread_t threads[THREADS];

    soak->until = until;
    for (int i = 0; i < THREADS; i++) {
        soakers[i] = (struct soaker){.soak = soak};
        CHECK(s, !pthread_create(&threads[i], NULL, soak_runs, &soakers[i]), "no thread");
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++)
        CHECK(s, !soakers[i].fault.text[0], "thread %d: %s", i, soakers[i].fault.text);
    atomic_store(&soak->next, until);
    return true;
}

/* The sessions' runs: warm, then all. *one: what the device holds after one run of each
 * session and shape by one thread. */
static bool soak_all(struct scene *s, struct soak *soak, esk_session *kept) {
    long warm, after, warm_up = runs_wanted / 5;
    struct soaker alone = {.soak = soak};
    esk_session_stats one, last;

    soak->until = SESSIONS * SHAPES;
    soak_runs(&alone);
    CHECK(s, !alone.fault.text[0], "%s", alone.fault.text);
    MUST(scene_stats(s, kept, &one));
    MUST(soak_until(s, soak, warm_up));
    warm = resident_kib();
    MUST(soak_until(s, soak, runs_wanted));
    after = resident_kib();
    MUST(scene_stats(s, kept, &last));
    printf("%ld runs: resident %ld KiB after %ld, %ld KiB at the end; on the device %llu "
           "bytes after one round, %llu at the end\n",
           runs_wanted, warm, warm_up, after, (unsigned long long)one.device_bytes,
           (unsigned long long)last.device_bytes);
    CHECK(s, after <= warm + warm / 50, "resident memory went from %ld to %ld KiB", warm,
          after);
    /* each thread may have buffers of its own for each session and shape, not more */
    uint64_t buffers[] = {one.buffers_created - one.buffers_destroyed,
                          last.buffers_created - last.buffers_destroyed};
    CHECK(
        s,
        last.device_peak_bytes <= THREADS * one.device_bytes &&
            buffers[1] <= THREADS * buffers[0],
        "one round by one thread takes %llu bytes in %llu buffers; after %ld runs by %d: "
        "%llu in %llu, %llu at most",
        (unsigned long long)one.device_bytes, (unsigned long long)buffers[0], runs_wanted,
        THREADS, (unsigned long long)last.device_bytes, (unsigned long long)buffers[1],
        (unsigned long long)last.device_peak_bytes);
    CHECK(s, last.weight_bytes == one.weight_bytes,
          "weights went from %llu to %llu bytes", (unsigned long long)one.weight_bytes,
          (unsigned long long)last.weight_bytes);
    return true;
}

static bool runs_of_many_sessions(struct scene *s) {
    static struct soak soak;
    struct scene own = {.fault = s->fault}; /* the sessions that run */
    struct op_case *small;
    esk_env *env;
    esk_session *cpu, *kept;
    esk_session_stats before, after;
    bool good = true;

    MUST(scene_env(s, &env));
    for (int m = 0; m < MODELS; m++) {
        MUST(scene_case(s, models[m], &soak.made[m]));
        MUST(scene_session(s, env, soak.made[m]->model, "CPU", NULL, &cpu));
        for (int i = 0; i < SHAPES; i++) {
            const esk_value *given = soak.made[m]->inputs.values[0];
            const int64_t *dims = esk_value_dims(given);
            char text[64] = "float[";

            for (int d = 0; d < esk_value_rank(given); d++)
                snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%lld",
                         d ? "," : "", (long long)(dims[d] + (d ? 0 : i)));
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "]");
            MUST(scene_value(s, text, &soak.inputs[m][i]));
            MUST(scene_run(s, cpu, &soak.expected[m][i], 1, soak.inputs[m][i]));
        }
    }
    /* keeps the device open, and reads its counters */
    MUST(scene_case(s, "Relu(float[4])", &small));
    MUST(scene_session(s, env, small->model, "GLCompute", NULL, &kept));
    MUST(scene_stats(s, kept, &before));
    for (int i = 0; good && i < SESSIONS;
         i++) /* half of them with fewer plans than shapes */
        good = scene_session(&own, env, soak.made[i % MODELS]->model, "GLCompute",
                             i < MODELS ? "strict=1" : "strict=1,planCacheSize=3",
                             &soak.sessions[i]);
    good = good && soak_all(s, &soak, kept);
    scene_finish(&own);
    MUST(good);
    MUST(scene_stats(s, kept, &after));
    CHECK(
        s,
        after.weight_bytes == before.weight_bytes &&
            after.device_bytes - after.cached_bytes ==
                before.device_bytes - before.cached_bytes &&
            after.buffers_created - after.buffers_destroyed - after.cached_buffers ==
                before.buffers_created - before.buffers_destroyed - before.cached_buffers,
        "without the sessions %llu bytes are in use on the device (weights %llu), before "
        "them %llu (%llu)",
        (unsigned long long)(after.device_bytes - after.cached_bytes),
        (unsigned long long)after.weight_bytes,
        (unsigned long long)(before.device_bytes - before.cached_bytes),
        (unsigned long long)before.weight_bytes);
    return true;
}

/* ---- sessions that come and go ---- */

static bool come_and_go(struct scene *s, esk_env *env, struct op_case *made,
                        const esk_value *expected) {
    esk_error error = ESK_ERROR_INIT;
    esk_session *session = NULL;
    esk_value *y = NULL;
    bool good = true;

    if (esk_session_create_from_model(env, made->model, NULL, &session, &error) !=
            ESK_OK ||
        esk_session_run(session, NULL, made->inputs.names, made->inputs.values, 1, NULL,
                        &y, 1, &error) != ESK_OK)
        good = fault_take(s->fault, "a session", &error);
    good = good && scene_near(s, "a session", y, expected);
    esk_value_destroy(y);
    esk_session_destroy(session);
    return good;
}

static bool sessions_leave_nothing(struct scene *s) {
    struct op_case *made, *small;
    esk_env *env;
    esk_session *cpu, *kept;
    esk_value *expected;
    esk_session_stats early, late;
    long fifth = 0, last;

    MUST(scene_env(s, &env));
    MUST(scene_case(s, models[1], &made));
    MUST(scene_case(s, "Relu(float[4])", &small));
    MUST(scene_session(s, env, made->model, "CPU", NULL, &cpu));
    MUST(scene_run(s, cpu, &expected, 1, made->inputs.values[0]));
    /* keeps the device open, and reads its counters */
    MUST(scene_session(s, env, small->model, "GLCompute", NULL, &kept));
    for (int i = 1; i <= CYCLES; i++) {
        MUST(come_and_go(s, env, made, expected));
        if (i != 5)
            continue;
        fifth = resident_kib();
        MUST(scene_stats(s, kept, &early));
    }
    last = resident_kib();
    MUST(scene_stats(s, kept, &late));
    printf("%d sessions: resident %ld KiB after 5, %ld KiB at the end\n", CYCLES, fifth,
           last);
    CHECK(
        s,
        late.device_bytes == early.device_bytes &&
            late.weight_bytes == early.weight_bytes,
        "on the device %llu bytes (weights %llu) after 5 sessions, %llu (%llu) after %d",
        (unsigned long long)early.device_bytes, (unsigned long long)early.weight_bytes,
        (unsigned long long)late.device_bytes, (unsigned long long)late.weight_bytes,
        CYCLES);
    CHECK(s, !late.weight_bytes, "%llu bytes of weights are left",
          (unsigned long long)late.weight_bytes);
    CHECK(s, last <= fifth + fifth / 100, "resident memory went from %ld to %ld KiB",
          fifth, last);
    return true;
}

/* The same with a device that is opened each time. */
static bool devices_leave_nothing(struct scene *s) {
    struct op_case *made;
    esk_env *env;
    esk_session *cpu;
    esk_value *expected;
    long fifth = 0, last;

    MUST(scene_env(s, &env));
    MUST(scene_case(s, models[1], &made));
    MUST(scene_session(s, env, made->model, "CPU", NULL, &cpu));
    MUST(scene_run(s, cpu, &expected, 1, made->inputs.values[0]));
    for (int i = 1; i <= CYCLES; i++) {
        MUST(come_and_go(s, env, made, expected));
        if (i == 5)
            fifth = resident_kib();
    }
    last = resident_kib();
    printf("%d devices: resident %ld KiB after 5, %ld KiB at the end\n", CYCLES, fifth,
           last);
    CHECK(s, last <= fifth + fifth / 100, "resident memory went from %ld to %ld KiB",
          fifth, last);
    return true;
}

static const struct table_test tests[] = {
#define ROW(name) \
    { #name, name }
    ROW(runs_of_many_sessions),
    ROW(sessions_leave_nothing),
    ROW(devices_leave_nothing),
#undef ROW
};

int main(int argc, char **argv) {
    if (argc > 2 && !strcmp(argv[1], "--runs")) {
        runs_wanted = strtol(argv[2], NULL, 10);
        argv[2] = argv[0];
        argc -= 2, argv += 2;
    }
    return table_main(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
