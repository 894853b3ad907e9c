/* In: settings, a device, plans of one recipe; out: times, a file. Must not know recipes.
 */
#include "run/tuning.h"

#include "base/cache_dir.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum {
    MOST_BYTES = 16 << 20, /* of a file */
    RUNS = 5,              /* timed, after one that is not */
    LONG_US = 200000,      /* longer runs are timed once */
};

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static bool measure(void *user, const struct esk_plan *plan, double *us) {
    const struct esk_run_tuning *t = user;
    const struct esk_provider *provider = t->provider;
    static const struct esk_run_call call = {.graph_id = -1};
    struct esk_prepared *prepared = NULL;
    struct esk_lease *lease = NULL;
    esk_error error = ESK_ERROR_INIT;
    esk_status status = provider->prepare(t->device, plan, &prepared, &error);
    if (status == ESK_OK && provider->settle)
        provider->settle(prepared);
    if (status == ESK_OK)
        status = provider->lease(prepared, &lease, &error);
    double least = 0;
    for (int i = 0; status == ESK_OK && i <= RUNS; i++) {
        double start = now_us();
        status = provider->run_stage(lease, 0, NULL, &call, &error);
        double took = now_us() - start;
        if (i == 1 || (i && took < least))
            least = took;
        if (i && took > LONG_US)
            break;
    }
    if (status != ESK_OK)
        esk_log(t->logger, ESK_LOG_INFO, "a recipe cannot be timed: %s",
                esk_error_message(&error));
    provider->release(lease);
    provider->unprepare(prepared);
    esk_error_clear(&error);
    *us = least;
    return status == ESK_OK;
}

/* A line of text that tells one driver from another. */
static char *driver_name(const struct esk_device_facts *facts) {
    struct esk_text text = {0};
    esk_text_add(&text, "%s | %s | %s", facts->vendor, facts->renderer, facts->version);
    for (char *at = text.data; at && *at; at++)
        if (*at == '\n' || *at == '\t')
            *at = ' ';
    if (text.failed)
        esk_text_finish(&text);
    return text.data;
}

static esk_status load(struct esk_run_tuning *t, bool named, esk_error *error) {
    size_t size;
    bool must = named && t->tuner.effort == ESK_EFFORT_TABLE;
    char *text = t->path ? esk_cache_dir_read(t->path, MOST_BYTES, &size) : NULL;
    if (!text)
        return must ? esk_fail(error, ESK_INVALID_ARGUMENT, "tuningFile '%s': %s",
                               t->path, errno ? strerror(errno) : "it cannot be read")
                    : ESK_OK;
    esk_error why = ESK_ERROR_INIT;
    esk_status status = esk_tuning_read(&t->tuning, t->driver, text, &why);
    esk_free(text);
    if (status != ESK_OK && named) {
        esk_error_move(error, &why);
        esk_error_prefix(error, "tuningFile '%s'", t->path);
        return status;
    }
    esk_error_clear(&why); /* our own file, damaged: it is written anew */
    return ESK_OK;
}

/* In the user's cache folder unless an option says otherwise. */
static char *choose_path(const struct esk_settings *settings) {
    const char *file = settings->text[ESK_OPTION_TUNING_FILE];
    if (file && *file)
        return esk_strdup(file);
    char *root = esk_cache_dir(settings->text[ESK_OPTION_CACHE_DIR]);
    struct esk_text path = {0};
    if (root)
        esk_text_add(&path, "%s/tuning.txt", root);
    esk_free(root);
    if (path.failed)
        esk_text_finish(&path);
    return path.data;
}

esk_status esk_run_tuning_create(const struct esk_settings *settings,
                                 const struct esk_provider *provider,
                                 struct esk_device *device,
                                 const struct esk_logger *logger,
                                 struct esk_run_tuning **result, esk_error *error) {
    enum { OFF, HEURISTIC };
    int64_t mode = settings->number[ESK_OPTION_TUNING];
    const char *file = settings->text[ESK_OPTION_TUNING_FILE];
    *result = NULL;
    if (mode == OFF || !device)
        return ESK_OK;
    struct esk_run_tuning *t = esk_calloc(1, sizeof *t);
    if (!t)
        return esk_fail_memory(error, "tuning");
    esk_status status = esk_tuning_init(&t->tuning, error);
    if (status != ESK_OK) {
        esk_free(t);
        return status;
    }
    t->provider = provider;
    t->device = device;
    t->logger = logger;
    t->tuner = (struct esk_tuner){.tuning = &t->tuning,
                                  .effort = (enum esk_effort)(mode - HEURISTIC),
                                  .measure = measure,
                                  .user = t};
    t->path = choose_path(settings);
    t->driver = driver_name(provider->facts(device));
    status = t->driver ? load(t, file && *file, error) : esk_fail_memory(error, "tuning");
    if (status != ESK_OK) {
        esk_run_tuning_destroy(t);
        return status;
    }
    *result = t;
    return ESK_OK;
}

void esk_run_tuning_destroy(struct esk_run_tuning *tuning) {
    if (!tuning)
        return;
    esk_tuning_finish(&tuning->tuning);
    esk_free(tuning->path);
    esk_free(tuning->driver);
    esk_free(tuning);
}

void esk_run_tuning_save(struct esk_run_tuning *t) {
    if (!t || !t->path)
        return;
    pthread_mutex_lock(&t->tuning.lock);
    bool fresh = t->tuning.measured > t->saved;
    t->saved = t->tuning.measured;
    pthread_mutex_unlock(&t->tuning.lock);
    if (!fresh)
        return;
    size_t size;
    char *old = esk_cache_dir_read(t->path, MOST_BYTES, &size);
    if (old) /* what another process measured meanwhile */
        (void)esk_tuning_read(&t->tuning, t->driver, old, NULL);
    struct esk_text text = {0};
    esk_tuning_write(&t->tuning, t->driver, old, &text);
    char *folder = esk_strdup(t->path), *slash = folder ? strrchr(folder, '/') : NULL;
    if (slash && slash > folder) {
        *slash = 0;
        esk_cache_dir_make(folder);
    }
    if (text.failed || !esk_cache_dir_write(t->path, esk_text_str(&text), text.length))
        esk_log(t->logger, ESK_LOG_WARNING, "tuning results are not kept: '%s': %s",
                t->path, text.failed ? "out of memory" : strerror(errno));
    esk_free(folder);
    esk_free(old);
    esk_text_finish(&text);
}
