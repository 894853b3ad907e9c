/* Many inputs through one session, from several threads: runs of one session may overlap,
 * plans and weights are shared. Inputs are made up, each its own; prints how many a
 * second.
 *
 *   batch MODEL.onnx [--runs N] [--threads N] [--provider GLCompute|CPU] */
#include <esker/esker.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static esk_session *session;
static atomic_int next, failed;
static int runs = 64;

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Takes numbers of runs until none is left; the values are filled anew each time. */
static void *work(void *user) {
    esk_error error = ESK_ERROR_INIT;
    const char *names[16];
    esk_value *inputs[16] = {NULL}, *outputs[16] = {NULL};
    size_t n_in = esk_session_input_count(session), n = 0;
    size_t n_out = esk_session_output_count(session);
    (void)user;
    for (size_t i = 0; i < n_in && n < 16 && !failed; i++) {
        const esk_value_info *info = esk_session_input(session, i);
        int64_t dims[ESK_MAX_RANK];
        if (info->has_default)
            continue;
        for (int d = 0; d < info->rank; d++)
            dims[d] = info->dims[d] < 0 ? 1 : info->dims[d];
        names[n] = info->name;
        if (esk_value_create(info->dtype, info->rank, dims, &inputs[n++], &error) !=
            ESK_OK)
            failed = 1;
    }
    for (int run; !failed && (run = next++) < runs;) {
        for (size_t i = 0; i < n; i++) {
            float *data = esk_value_dtype(inputs[i]) == ESK_FLOAT
                              ? esk_value_data(inputs[i])
                              : NULL;
            for (int64_t k = 0; data && k < esk_value_count(inputs[i]); k++)
                data[k] = (float)((k * 7 + run) % 32) / 32;
        }
        if (esk_session_run(session, NULL, names, inputs, n, NULL, outputs,
                            n_out < 16 ? n_out : 16, &error) != ESK_OK)
            failed = 1;
    }
    if (failed && *esk_error_message(&error))
        fprintf(stderr, "%s\n", esk_error_message(&error));
    for (int i = 0; i < 16; i++) {
        esk_value_destroy(inputs[i]);
        esk_value_destroy(outputs[i]);
    }
    esk_error_clear(&error);
    return NULL;
}

int main(int argc, char **argv) {
    const char *provider = "GLCompute", *path = argc > 1 ? argv[1] : NULL;
    int threads = 4;
    for (int i = 2; path && i + 1 < argc; i += 2)
        if (!strcmp(argv[i], "--runs"))
            runs = atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--threads"))
            threads = atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--provider"))
            provider = argv[i + 1];
        else
            path = NULL;
    if (!path || runs < 1 || threads < 1 || threads > 64)
        return fprintf(stderr, "usage: batch MODEL.onnx [--runs N] [--threads 1…64] "
                               "[--provider GLCompute|CPU]\n"),
               2;
    esk_error error = ESK_ERROR_INIT;
    esk_env *env;
    esk_session_options *options;
    if (esk_env_create(NULL, &env, &error) != ESK_OK ||
        esk_session_options_create(&options, &error) != ESK_OK ||
        esk_session_options_append_provider(options, provider, NULL, NULL, 0, &error) !=
            ESK_OK ||
        esk_session_create(env, path, options, &session, &error) != ESK_OK)
        return fprintf(stderr, "%s\n", esk_error_message(&error)), 1;
    pthread_t ids[64];
    double start = seconds();
    for (int i = 0; i < threads; i++)
        if (pthread_create(&ids[i], NULL, work, NULL))
            return fprintf(stderr, "no thread\n"), 1;
    for (int i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    if (!failed)
        printf("%d runs by %d threads, %.1f a second\n", runs, threads,
               runs / (seconds() - start));
    esk_session_destroy(session);
    esk_session_options_destroy(options);
    esk_env_destroy(env);
    return failed;
}
