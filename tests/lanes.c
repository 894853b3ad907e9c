/* Two lanes: bytes are the pool's, whatever the stage holds, and the second lane has its
 * part in them. In: nothing, or folders of models (test_lanes models FOLDER); each test
 * is a process of its own, since displays live as long as one. Out: lines; 77 without
 * llvmpipe or with one processor. */
#include "feed.h"
#include "scene.h"
#include "testset.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_BYTES = 64 << 20, RUNS = 3, PATIENCE_MS = 60000 };

static const char conv[] =
    "Conv(float[1,16,64,64], float[32,16,3,3]!, float[32]!) | Relu() | "
    "Conv(float[8,32,1,1]!) | MaxPool() kernel_shape=2,2";
static const char *const cases[] = {
    conv,
    "MatMul(float[160,256], float[256,320]!) | Softmax() axis=1",
    "Conv(float[1,64,48,48], float[64,1,3,3]!) group=64 pads=1,1,1,1 | HardSwish()",
    "ReduceMean(float[64,300,40], int64[1]!=2) | Sigmoid()",
    "Gather(float[300,64], int64[200]=5,7,299)",
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

/* ---- parts ---- */

/* The bytes of a run's outputs, one behind the other. */
static bool gather(struct scene *s, esk_session *session, const struct feed *inputs,
                   unsigned char *to, size_t *size) {
    esk_value *outputs[64] = {NULL};
    esk_error error = ESK_ERROR_INIT;
    size_t n = esk_session_output_count(session);

    CHECK(s, n <= 64, "%zu outputs", n);
    if (esk_session_run(session, NULL, inputs->names, inputs->values, inputs->count, NULL,
                        outputs, n, &error) != ESK_OK)
        return fault_take(s->fault, "run", &error);
    *size = 0;
    for (size_t i = 0; i < n; i++) {
        size_t bytes = esk_value_size(outputs[i]);

        CHECK(s, *size + bytes <= MOST_BYTES, "%zu bytes of outputs", *size + bytes);
        memcpy(to + *size, esk_value_const_data(outputs[i]), bytes);
        *size += bytes;
        esk_value_destroy(outputs[i]);
    }
    return true;
}

static uint64_t by_other_lane(const esk_session_stats *stats) {
    return stats->dispatches - stats->inline_dispatches;
}

static int64_t now_ms(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* What is compared: bytes of a session of its own on the pool, in a child. */
struct expected {
    size_t size;
    int failed;
    char text[256];
    unsigned char bytes[MOST_BYTES];
};

/* A model: a case's text, or a folder. `own` holds the inputs of the latter. */
static bool open_model(struct scene *s, const char *what, const char *settings,
                       esk_session **session, struct feed *own,
                       const struct feed **inputs) {
    static const struct setup none;
    esk_env *env;

    MUST(scene_env(s, &env));
    if (strchr(what, '(')) {
        struct op_case *made;

        MUST(scene_case(s, what, &made));
        *inputs = &made->inputs;
        return scene_session(s, env, made->model, "GLCompute", settings, session);
    }
    char path[TESTSET_PATH], data[TESTSET_PATH];
    const char *set = testset_model(what, path, data);

    *inputs = own;
    MUST(scene_load(s, env, path, "GLCompute", settings, session));
    return (!set || feed_data_set(own, *session, FEED_INPUTS, set, s->fault)) &&
           feed_random(own, *session, &none, 1, NULL, s->fault);
}

static void in_the_pool(struct scene *s, const char *what, struct expected *expected) {
    struct feed own = {0};
    const struct feed *inputs;
    esk_session *session;

    expected->failed =
        !open_model(s, what, "strict=1,threads=pool", &session, &own, &inputs) ||
        !gather(s, session, inputs, expected->bytes, &expected->size);
    snprintf(expected->text, sizeof(expected->text), "%.200s", s->fault->text);
    feed_finish(&own);
    scene_finish(s);
}

/* Runs until the other lane has taken part in some, and compares all. */
static bool by_lanes(struct scene *s, const char *what, const char *settings,
                     const struct expected *expected, struct feed *own) {
    static unsigned char bytes[MOST_BYTES];
    const struct feed *inputs;
    esk_session_stats stats = {0};
    esk_session *session;
    int64_t until = now_ms() + PATIENCE_MS;

    MUST(open_model(s, what, settings, &session, own, &inputs));
    for (int left = RUNS; left && now_ms() < until;) {
        uint64_t before = by_other_lane(&stats);
        size_t size;

        MUST(gather(s, session, inputs, bytes, &size));
        CHECK(s, size == expected->size && !memcmp(bytes, expected->bytes, size),
              "%s: other bytes than the pool's%s", what,
              before ? "" : ", by one lane already");
        MUST(scene_stats(s, session, &stats));
        left -= by_other_lane(&stats) > before;
    }
    CHECK(s, by_other_lane(&stats), "%s: the other lane had no part in %llu dispatches",
          what, (unsigned long long)stats.dispatches);
    return true;
}

static bool same_as_the_pool(struct scene *s, const char *what, const char *settings) {
    struct expected *expected = mmap(NULL, sizeof(*expected), PROT_READ | PROT_WRITE,
                                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct feed own = {0};
    int status;

    CHECK(s, expected != MAP_FAILED, "no memory");
    expected->failed = 1;
    pid_t pid = fork();
    if (!pid) {
        in_the_pool(s, what, expected);
        _exit(0);
    }
    bool done = pid > 0 && waitpid(pid, &status, 0) == pid && !expected->failed;
    if (!done)
        fault_set(s->fault, "%s: on the pool: %s", what, expected->text);
    done = done && by_lanes(s, what, settings, expected, &own);
    scene_finish(s);
    feed_finish(&own);
    munmap(expected, sizeof(*expected));
    return done;
}

/* ---- tests ---- */

static bool cases_by_lanes(struct scene *s, const char *settings) {
    for (size_t i = 0; i < CASES; i++) {
        pid_t pid = fork();
        int status;

        if (!pid) { /* a process each: the pool comes first, displays stay */
            bool done = same_as_the_pool(s, cases[i], settings);

            if (!done)
                printf("%s\n", s->fault->text);
            fflush(stdout);
            _exit(!done);
        }
        CHECK(s, pid > 0 && waitpid(pid, &status, 0) == pid && !status, "%s with %s",
              cases[i], settings);
    }
    return true;
}

static bool bytes_are_the_pools(struct scene *s) {
    return cases_by_lanes(s, "strict=1,threads=lanes,poison=1");
}

static bool pieces_are_the_pools(struct scene *s) {
    return cases_by_lanes(s, "strict=1,threads=lanes,poison=1,maxGroups=2") &&
           cases_by_lanes(s, "strict=1,threads=lanes,readPath=ssbo,maxGroups=3");
}

static bool opened(struct scene *s, const char *text, const char *settings,
                   esk_session **session, esk_value **x) {
    struct op_case *made;
    esk_env *env;

    MUST(scene_env(s, &env));
    MUST(scene_case(s, text, &made));
    MUST(scene_session(s, env, made->model, "GLCompute", settings, session));
    *x = made->inputs.values[0];
    return true;
}

/* Small plans stay on the caller's thread, and three threads are worth a pool. */
static bool auto_is_lanes_for_two_threads(struct scene *s) {
    static const struct {
        const char *text, *threads, *begins;
    } rows[] = {
        {"Relu(float[3,5])", "2", "screen: inline "},
        {conv, "2", "screen: two lanes "},
        {conv, "3", "screen: pool "},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pid_t pid = fork();
        int status;

        if (!pid) {
            esk_session *session;
            esk_value *x, *y;
            char *dump;

            setenv("LP_NUM_THREADS", rows[i].threads, 1);
            bool done = opened(s, rows[i].text, "strict=1", &session, &x) &&
                        scene_run(s, session, &y, 1, x) &&
                        scene_dump(s, session, "commands", &dump) &&
                        (!strncmp(dump, rows[i].begins, strlen(rows[i].begins)) ||
                         fault_set(s->fault, "it begins: %.60s", dump));
            if (!done)
                printf("%s\n", s->fault->text);
            fflush(stdout);
            _exit(!done);
        }
        CHECK(s, pid > 0 && waitpid(pid, &status, 0) == pid && !status,
              "%s on %s threads", rows[i].text, rows[i].threads);
    }
    return true;
}

/* In a process that has threads the environment stays, and so does the pool. */
static bool threads_keep_the_pool(struct scene *s) {
    esk_session_stats stats = {0};
    esk_session *session;
    esk_value *x, *y;

    MUST(scene_thread(s));
    MUST(opened(s, cases[0], "threads=lanes", &session, &x));
    MUST(scene_run(s, session, &y, 1, x));
    MUST(scene_stats(s, session, &stats));
    CHECK(s, stats.dispatches && !stats.inline_dispatches,
          "%llu dispatches of %llu inline", (unsigned long long)stats.inline_dispatches,
          (unsigned long long)stats.dispatches);
    CHECK(s, !getenv("LP_NUM_THREADS"), "LP_NUM_THREADS is set");
    return true;
}

/* Waits until the other lane takes part. */
static bool both_lanes(struct scene *s, esk_session *session, esk_value *x) {
    esk_session_stats stats = {0};
    int64_t until = now_ms() + PATIENCE_MS;

    while (now_ms() < until && !by_other_lane(&stats)) {
        esk_error error = ESK_ERROR_INIT;
        esk_value *y = NULL;
        const char *name = esk_session_input(session, 0)->name;

        if (esk_session_run(session, NULL, &name, &x, 1, NULL, &y, 1, &error) != ESK_OK)
            return fault_take(s->fault, "run", &error);
        esk_value_destroy(y);
        MUST(scene_stats(s, session, &stats));
    }
    CHECK(s, by_other_lane(&stats), "the other lane has no part");
    return true;
}

static void drop_profile(void *profile) {
    esk_profile_destroy(profile);
}

/* A profile has each command of the plan once, whoever took its pieces. */
static bool profiled(struct scene *s, esk_session *session, esk_value *x) {
    esk_error error = ESK_ERROR_INIT;
    const char *name = esk_session_input(session, 0)->name;
    esk_session_stats stats = {0};
    esk_profile *profile;
    esk_value *y = NULL;
    size_t kernels = 0, pieces = 0;

    GOOD(s, esk_profile_create(&profile, &error));
    MUST(scene_keep(s, profile, drop_profile));
    GOOD(s,
         esk_session_run(session, esk_run_options(.gpu_graph_id = -1, .profile = profile),
                         &name, &x, 1, NULL, &y, 1, &error));
    esk_value_destroy(y);
    for (size_t i = 0; i < esk_profile_count(profile); i++) {
        const esk_record *record = esk_profile_get(profile, i);

        if (record->kind != ESK_RECORD_KERNEL)
            continue;
        CHECK(s, record->duration_ns && record->dispatches,
              "'%s' has no time or no dispatch", record->kernel);
        kernels++;
        pieces += record->dispatches;
    }
    MUST(scene_stats(s, session, &stats));
    CHECK(s, kernels == stats.commands && pieces > kernels,
          "%zu kernels in %zu pieces, of %u commands", kernels, pieces, stats.commands);
    return true;
}

/* Counters stay still in steady runs. */
static bool steady_and_profiled(struct scene *s) {
    esk_session_stats before = {0}, after = {0};
    esk_session *session;
    esk_value *x, *y;

    MUST(opened(s, cases[0], "strict=1,threads=lanes", &session, &x));
    MUST(both_lanes(s, session, x));
    MUST(scene_stats(s, session, &before));
    for (int i = 0; i < 200; i++)
        MUST(scene_run(s, session, &y, 1, x));
    MUST(scene_stats(s, session, &after));
    MUST(profiled(s, session, x));
    CHECK(s,
          after.buffers_created == before.buffers_created &&
              after.programs == before.programs &&
              after.commands_recorded == before.commands_recorded,
          "200 runs made %llu buffers, %llu programs, %llu commands",
          (unsigned long long)(after.buffers_created - before.buffers_created),
          (unsigned long long)(after.programs - before.programs),
          (unsigned long long)(after.commands_recorded - before.commands_recorded));
    return true;
}

/* Programs of a first run come from the caches of an earlier process: the second lane has
 * them while the first is still at work. `told`: dispatches of it in the first run. */
static bool first_run(struct scene *s, const char *folder, uint64_t *told) {
    static const char model[] =
        "Conv(float[1,64,160,160], float[64,64,3,3]!) pads=1,1,1,1 | Relu() | "
        "Conv(float[64,64,3,3]!) pads=1,1,1,1 | Relu() | "
        "Conv(float[64,64,3,3]!) pads=1,1,1,1 | Relu()";
    char settings[TESTSET_PATH + 64];
    esk_session_stats stats = {0};
    esk_session *session;
    esk_value *x, *y;

    snprintf(settings, sizeof(settings), "strict=1,threads=lanes,programCacheDir=%s",
             folder);
    MUST(opened(s, model, settings, &session, &x));
    MUST(scene_run(s, session, &y, 1, x));
    MUST(scene_stats(s, session, &stats));
    *told = by_other_lane(&stats);
    return true;
}

static bool a_warm_first_run_is_of_both(struct scene *s) {
    enum { TRIES = 6 }; /* the machine may be busy, the first one fills the caches */
    char folder[] = "/tmp/esker-lanes-XXXXXX", command[64];
    uint64_t *told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    CHECK(s, told != MAP_FAILED && mkdtemp(folder), "no memory or no folder");
    setenv("MESA_SHADER_CACHE_DIR", folder, 1);
    bool done = true;
    for (int i = 0; i < TRIES && done && !*told; i++) {
        pid_t pid = fork();
        int status;

        if (!pid) {
            done = first_run(s, folder, told);
            *told = i ? *told : 0;
            if (!done)
                printf("%s\n", s->fault->text);
            fflush(stdout);
            scene_finish(s);
            _exit(!done);
        }
        done = pid > 0 && waitpid(pid, &status, 0) == pid && !status;
    }
    snprintf(command, sizeof(command), "rm -r %s", folder);
    CHECK(s, system(command) == 0, "'%s' failed", command);
    CHECK(s, done && *told, "first runs %s", done ? "are of one lane" : "fail");
    munmap(told, sizeof(*told));
    return true;
}

static bool envs_come_and_go(struct scene *s) {
    for (int i = 0; i < 6; i++) {
        esk_session *session;
        esk_value *x;

        MUST(opened(s, cases[0], "strict=1,threads=lanes", &session, &x));
        if (i % 2)
            MUST(both_lanes(s, session, x));
        scene_finish(s);
    }
    return true;
}

static bool a_forked_child_cannot_use_them(struct scene *s) {
    esk_session *session;
    esk_value *x, *y;
    int status;

    MUST(opened(s, cases[0], "strict=1,threads=lanes", &session, &x));
    MUST(both_lanes(s, session, x));
    pid_t pid = fork();
    if (!pid) {
        bool done = scene_run(s, session, &y, 1, x);
        esk_status failed = s->fault->status;

        scene_finish(s);
        _exit(!done && failed == ESK_DEVICE_LOST ? 0 : 1);
    }
    CHECK(s, pid > 0 && waitpid(pid, &status, 0) == pid && !status,
          "the child ran, or its end was bad");
    return scene_run(s, session, &y, 1, x);
}

/* ---- the table ---- */

static const struct test {
    const char *name;
    bool (*run)(struct scene *scene);
} tests[] = {
#define ROW(name) \
    { #name, name }
    ROW(bytes_are_the_pools),
    ROW(pieces_are_the_pools),
    ROW(threads_keep_the_pool),
    ROW(steady_and_profiled),
    ROW(envs_come_and_go),
    ROW(a_forked_child_cannot_use_them),
    ROW(auto_is_lanes_for_two_threads),
    ROW(a_warm_first_run_is_of_both),
#undef ROW
};
enum { TESTS = sizeof(tests) / sizeof(tests[0]) };

/* In a child; `folder`: a model instead of a test. */
static int in_child(const struct test *test, const char *folder) {
    const char *name = test ? test->name : folder;
    int status = 0;

    fflush(NULL);
    pid_t pid = fork();
    if (!pid) {
        struct fault fault = {0};
        struct scene scene = {.fault = &fault};
        bool done = test ? test->run(&scene)
                         : same_as_the_pool(&scene, folder, "strict=1,threads=lanes");

        scene_finish(&scene);
        printf("%s %s%s%s\n", done ? "PASS" : "FAIL", name, done ? "" : ": ",
               done ? "" : fault.text);
        exit(!done);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 1;
    if (WIFSIGNALED(status))
        printf("FAIL %s: signal %d\n", name, WTERMSIG(status));
    return status != 0;
}

static bool has_llvmpipe(void) {
    int status = 1;
    pid_t pid = fork();

    if (!pid) {
        esk_device_list *list;
        esk_env *env;
        bool found = false;

        if (esk_env_create(NULL, &env, NULL) == ESK_OK &&
            esk_device_list_create(env, &list, NULL, NULL) == ESK_OK) {
            const esk_device_info *info = esk_device_list_get(list, 0);

            found = info && !strncmp(info->renderer, "llvmpipe", 8);
            esk_device_list_destroy(list);
        }
        _exit(!found);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

int main(int argc, char **argv) {
    const char *required = getenv("ESKER_REQUIRE_DEVICE");
    int failed = 0;

    if (sysconf(_SC_NPROCESSORS_ONLN) < 2 || !has_llvmpipe()) {
        printf("skipped %d tests: no llvmpipe, or one processor\n", TESTS);
        return required && *required == '1' ? 1 : 77;
    }
    unsetenv("LP_NUM_THREADS");
    if (argc > 1 && !strcmp(argv[1], "models"))
        for (int i = 2; i < argc; i++)
            failed += in_child(NULL, argv[i]);
    else
        for (size_t i = 0; i < TESTS; i++)
            if (argc < 2 || !strcmp(argv[1], tests[i].name))
                failed += in_child(&tests[i], NULL);
    printf("%d failed\n", failed);
    return failed ? 1 : 0;
}
