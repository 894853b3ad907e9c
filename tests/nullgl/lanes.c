/* Two lanes on a driver like llvmpipe that computes nothing: an error of the second is
 * the run's; runs of several threads. In: a model; out: statuses. */
#include "driver.h"

#include <pthread.h>
#include <time.h>

static const char big[] = "MatMul(float[256,256], float[256,512]!) | Softmax() free=1";

struct both {
    struct op_case *made;
    esk_session *session;
};

static esk_status run(struct both *b, esk_error *error) {
    return driver_run(b->session, b->made, b->made->inputs.values[0], 0, error);
}

/* A session whose second lane has its programs, and takes part. */
static bool open_lanes(struct scene *s, struct both *b) {
    static const struct nullgl_devices machine = {
        .items = {{.renderer = "llvmpipe (LLVM 15.0.6, 256 bits)", .software = 1}},
        .count = 1,
        .surfaceless = 1};
    esk_session_stats stats = {0};
    esk_env *env;

    MUST(driver_find(s));
    driver.list(&machine);
    MUST(scene_env(s, &env));
    MUST(scene_case(s, big, &b->made));
    MUST(scene_session(s, env, b->made->model, "GLCompute", "strict=1,threads=lanes",
                       &b->session));
    bool both = false; /* the second may well have all of the first run */
    for (int i = 0; i < 20000 && !both; i++) {
        GIVES(s, run(b, error), ESK_OK, "");
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
        MUST(scene_stats(s, b->session, &stats));
        both = stats.inline_dispatches && stats.dispatches > stats.inline_dispatches;
    }
    CHECK(s, both, "%llu of %llu dispatches are the first lane's",
          (unsigned long long)stats.inline_dispatches,
          (unsigned long long)stats.dispatches);
    return true;
}

bool a_lanes_error_is_the_runs(struct scene *s) {
    struct both b;
    esk_status status = ESK_OK;

    MUST(open_lanes(s, &b));
    driver.set(&(struct nullgl_faults){.lane_error = 1});
    for (int i = 0; i < 20000 && status == ESK_OK; i++) { /* until it takes a dispatch */
        esk_error error = ESK_ERROR_INIT;

        status = run(&b, &error);
        bool named = strstr(esk_error_message(&error), "the second lane");
        esk_error_clear(&error);
        CHECK(s, status == ESK_OK || named, "the error does not name the lane");
    }
    CHECK(s, status == ESK_DEVICE_ERROR, "it gave %s", esk_status_name(status));
    driver.set(&(struct nullgl_faults){0});
    GIVES(s, run(&b, error), ESK_OK, "");
    return true;
}

static void *run_many(void *user) {
    long failed = 0;

    for (int i = 0; i < 200; i++)
        failed += run(user, NULL) != ESK_OK;
    return (void *)failed;
}

bool lanes_of_several_threads(struct scene *s) {
    struct both b;
    pthread_t threads[3];
    void *failed;
    long sum = 0;

    MUST(open_lanes(s, &b));
    for (int i = 0; i < 3; i++)
        CHECK(s, !pthread_create(&threads[i], NULL, run_many, &b), "no thread");
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], &failed);
        sum += (long)failed;
    }
    CHECK(s, !sum, "%ld runs failed", sum);
    return true;
}
