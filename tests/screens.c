/* The inline screen of llvmpipe: what it computes, when it is chosen, and that it is not
 * had by changing the environment of a process with threads. In: nothing; each test is a
 * process of its own, since displays live as long as one. Out: lines; 77 without llvmpipe
 * or with one processor. */
#include "scene.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char small[] = "Relu(float[3,5])";
static const char large[] = "MatMul(float[512,512], float[512,512]!)";

/* ---- parts ---- */

struct lines {
    char text[16384];
    size_t size;
};

static void log_line(void *user, esk_log_level level, const char *text) {
    struct lines *lines = user;
    int more = snprintf(lines->text + lines->size, sizeof(lines->text) - lines->size,
                        "%s\n", text);

    (void)level;
    if (more > 0 && lines->size + (size_t)more < sizeof(lines->text))
        lines->size += (size_t)more;
}

static void destroy_env(void *env) {
    esk_env_destroy(env);
}

static bool logging_env(struct scene *s, struct lines *lines, esk_env **env) {
    esk_env_options options = {.struct_size = sizeof(options),
                               .log = log_line,
                               .log_user = lines,
                               .log_level = ESK_LOG_INFO};

    CHECK(s, esk_env_create(&options, env, NULL) == ESK_OK, "no env");
    return scene_keep(s, *env, destroy_env);
}

/* Runs a case on a device of its own: how many dispatches, and how many inline. */
static bool dispatches(struct scene *s, esk_env *env, const char *text,
                       const char *settings, esk_session_stats *stats, esk_value **y) {
    struct op_case *made;
    esk_session *session;

    if (!env)
        MUST(scene_env(s, &env));
    MUST(scene_case(s, text, &made));
    MUST(scene_session(s, env, made->model, "GLCompute", settings, &session));
    MUST(scene_run(s, session, y, 1, made->inputs.values[0]));
    MUST(scene_stats(s, session, stats));
    CHECK(s, stats->dispatches, "%s: no dispatch", text);
    return true;
}

static bool runs_inline(struct scene *s, esk_env *env, const char *text,
                        const char *settings, bool expected) {
    esk_session_stats stats = {0};
    esk_value *y;

    MUST(dispatches(s, env, text, settings, &stats, &y));
    CHECK(s, stats.inline_dispatches == (expected ? stats.dispatches : 0),
          "%s with %s: %llu dispatches of %llu inline", text,
          settings ? settings : "no settings",
          (unsigned long long)stats.inline_dispatches,
          (unsigned long long)stats.dispatches);
    return true;
}

/* ---- tests ---- */

static bool both_screens_give_the_same_bytes(struct scene *s) {
    static const char *const cases[] = {
        "Relu(float[3,5])",
        "Conv(float[1,3,17,19], float[8,3,3,3]!, float[8]!) | Relu() | MaxPool() "
        "kernel_shape=2,2",
        "MatMul(float[65,130], float[130,67]!) | Softmax() axis=1",
        "Conv(float[1,16,14,14], float[16,1,3,3]!) group=16",
        "ReduceMean(float[2,7,65]) | Sigmoid()",
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        esk_session_stats stats[2] = {{0}};
        esk_value *y[2];

        /* inline first: with the pool the process has threads */
        MUST(dispatches(s, NULL, cases[i], "strict=1,threads=inline", &stats[1], &y[1]));
        MUST(dispatches(s, NULL, cases[i], "strict=1,threads=pool", &stats[0], &y[0]));
        CHECK(s,
              !stats[0].inline_dispatches &&
                  stats[1].inline_dispatches == stats[1].dispatches,
              "%s: the option was not followed", cases[i]);
        MUST(scene_same_bytes(s, cases[i], y[1], y[0]));
    }
    return true;
}

/* With more than two threads: two are replaced by lanes (tests/lanes.c). */
static bool auto_goes_by_the_work(struct scene *s) {
    esk_env *env;

    setenv("LP_NUM_THREADS", "3", 1);
    MUST(scene_env(s, &env));
    MUST(runs_inline(s, env, small, NULL, true));
    struct op_case *made;
    esk_session *session;
    esk_session_stats before = {0}, after = {0};
    esk_value *y;
    char *text;

    MUST(scene_case(s, large, &made));
    MUST(scene_session(s, env, made->model, "GLCompute", NULL, &session));
    MUST(scene_stats(s, session, &before));
    MUST(scene_run(s, session, &y, 1, made->inputs.values[0]));
    MUST(scene_stats(s, session, &after));
    CHECK(s, after.inline_dispatches == before.inline_dispatches, "%s ran inline", large);
    MUST(scene_dump(s, session, "commands", &text));
    CHECK(s, !strncmp(text, "screen: pool (estimated ", 24), "the dump begins: %.60s",
          text);
    return true;
}

/* The displays are as the first one left them, and the process has llvmpipe's threads. */
static bool a_second_env_has_it_too(struct scene *s) {
    MUST(runs_inline(s, NULL, small, NULL, true));
    scene_finish(s);
    MUST(runs_inline(s, NULL, small, NULL, true));
    return true;
}

static bool a_list_before_does_not_spoil_it(struct scene *s) {
    esk_device_list *list;
    esk_env *env;

    MUST(scene_env(s, &env));
    CHECK(s, esk_device_list_create(env, &list, NULL, NULL) == ESK_OK, "no list");
    esk_device_list_destroy(list);
    return runs_inline(s, env, small, NULL, true);
}

static bool threads_keep_the_environment(struct scene *s) {
    static struct lines lines; /* the env logs to its end */
    esk_env *env;

    MUST(scene_thread(s));
    MUST(logging_env(s, &lines, &env));
    MUST(runs_inline(s, env, small, NULL, false));
    CHECK(s, strstr(lines.text, "the process has other threads"), "the log: %s",
          lines.text);
    MUST(runs_inline(s, NULL, small, "threads=inline", false));
    CHECK(s, !getenv("LP_NUM_THREADS"), "LP_NUM_THREADS is set");
    /* what was refused before is still to be had */
    return runs_inline(s, NULL, small, "allowSetenv=1", true);
}

static bool the_environment_is_as_before(struct scene *s) {
    setenv("LP_NUM_THREADS", "2", 1);
    MUST(runs_inline(s, NULL, small, NULL, true));
    CHECK(s, !strcmp(getenv("LP_NUM_THREADS"), "2"), "LP_NUM_THREADS was 2, is %s",
          getenv("LP_NUM_THREADS"));
    return true;
}

static bool no_twin_where_all_is_inline(struct scene *s) {
    setenv("LP_NUM_THREADS", "0", 1);
    return runs_inline(s, NULL, small, NULL, false);
}

static bool a_forked_child_cannot_use_it(struct scene *s) {
    struct op_case *made;
    esk_env *env;
    esk_session *session;
    esk_value *y;
    int status;

    MUST(scene_env(s, &env));
    MUST(scene_case(s, small, &made));
    MUST(scene_session(s, env, made->model, "GLCompute", NULL, &session));
    MUST(scene_run(s, session, &y, 1, made->inputs.values[0]));
    pid_t pid = fork();
    if (!pid) {
        bool done = scene_run(s, session, &y, 1, made->inputs.values[0]);
        esk_status failed = s->fault->status;

        scene_finish(s);
        _exit(!done && failed == ESK_DEVICE_LOST ? 0 : 1);
    }
    CHECK(s, pid > 0 && waitpid(pid, &status, 0) == pid && !status,
          "the child ran, or its end was bad");
    return scene_run(s, session, &y, 1, made->inputs.values[0]);
}

/* ---- the table ---- */

static const struct test {
    const char *name;
    bool (*run)(struct scene *scene);
} tests[] = {
#define ROW(name) \
    { #name, name }
    ROW(both_screens_give_the_same_bytes), ROW(auto_goes_by_the_work),
    ROW(a_second_env_has_it_too),          ROW(a_list_before_does_not_spoil_it),
    ROW(threads_keep_the_environment),     ROW(the_environment_is_as_before),
    ROW(no_twin_where_all_is_inline),      ROW(a_forked_child_cannot_use_it),
#undef ROW
};

static int run_test(const struct test *test) {
    struct fault fault = {0};
    struct scene scene = {.fault = &fault};
    bool done = test->run(&scene);

    scene_finish(&scene);
    printf("%s %s%s%s\n", done ? "PASS" : "FAIL", test->name, done ? "" : ": ",
           done ? "" : fault.text);
    fflush(stdout);
    return done ? 0 : 1;
}

/* In a child: whether the first device is llvmpipe. */
static int has_llvmpipe(void) {
    esk_device_list *list;
    esk_env *env;
    bool found = false;

    if (esk_env_create(NULL, &env, NULL) != ESK_OK)
        return 1;
    if (esk_device_list_create(env, &list, NULL, NULL) == ESK_OK) {
        const esk_device_info *info = esk_device_list_get(list, 0);

        found = info && !strncmp(info->renderer, "llvmpipe", 8);
        esk_device_list_destroy(list);
    }
    esk_env_destroy(env);
    return found ? 0 : 1;
}

/* The exit status of a child that runs the test; NULL: that looks for llvmpipe. */
static int in_child(const struct test *test) {
    pid_t pid;
    int status = 0;

    fflush(NULL);
    pid = fork();
    if (!pid)
        exit(test ? run_test(test) : has_llvmpipe());
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 1;
    if (WIFSIGNALED(status))
        printf("FAIL %s: signal %d\n", test ? test->name : "devices", WTERMSIG(status));
    return status;
}

int main(int argc, char **argv) {
    const char *required = getenv("ESKER_REQUIRE_DEVICE");
    int failed = 0;

    if (sysconf(_SC_NPROCESSORS_ONLN) < 2 || in_child(NULL)) {
        printf("skipped %zu tests: no llvmpipe, or one processor\n",
               sizeof(tests) / sizeof(tests[0]));
        return required && *required == '1' ? 1 : 77;
    }
    unsetenv("LP_NUM_THREADS");
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        if (argc > 1 && strcmp(argv[1], tests[i].name))
            continue;
        failed += argc > 1 ? run_test(&tests[i]) != 0 : in_child(&tests[i]) != 0;
    }
    printf("%d failed\n", failed);
    return failed ? 1 : 0;
}
