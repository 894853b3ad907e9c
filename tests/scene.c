/* What tests of sessions share. In: models as texts. Out: sessions, values, checks. Must
 * not know the tests. */
#include "scene.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *scene_device_settings;

void scene_finish(struct scene *scene) {
    while (scene->n_kept) {
        scene->n_kept--;
        scene->kept[scene->n_kept].destroy(scene->kept[scene->n_kept].object);
    }
}

bool scene_keep(struct scene *scene, void *object, void (*destroy)(void *)) {
    if (scene->n_kept == sizeof(scene->kept) / sizeof(scene->kept[0])) {
        destroy(object);
        return fault_set(scene->fault, "the test keeps too many objects");
    }
    scene->kept[scene->n_kept].object = object;
    scene->kept[scene->n_kept++].destroy = destroy;
    return true;
}

bool scene_skip(struct scene *scene, const char *why) {
    scene->skipped = true;
    return fault_set(scene->fault, "%s", why);
}

static void destroy_env(void *env) {
    esk_env_destroy(env);
}

static void destroy_session(void *session) {
    esk_session_destroy(session);
}

static void destroy_value(void *value) {
    esk_value_destroy(value);
}

static void destroy_case(void *made) {
    case_finish(made);
    free(made);
}

static void destroy_text(void *text) {
    esk_text_free(text);
}

bool scene_env(struct scene *scene, esk_env **env) {
    esk_error error = ESK_ERROR_INIT;

    if (esk_env_create(NULL, env, &error) != ESK_OK)
        return fault_take(scene->fault, NULL, &error);
    return scene_keep(scene, *env, destroy_env);
}

bool scene_case(struct scene *scene, const char *text, struct op_case **made) {
    *made = calloc(1, sizeof(**made));
    CHECK(scene, *made, "out of memory");
    MUST(scene_keep(scene, *made, destroy_case));
    return case_make(text, *made, scene->fault);
}

/* "key=value,key=value" */
static esk_status set_all(esk_session_options *options, const char *settings,
                          esk_error *error) {
    char text[512], *next = text;
    esk_status status = ESK_OK;

    snprintf(text, sizeof(text), "%s", settings ? settings : "");
    while (status == ESK_OK && next && *next) {
        char *key = strsep(&next, ","), *value = strchr(key, '=');

        *value++ = 0;
        status = esk_session_options_set(options, key, value, error);
    }
    return status;
}

static bool make_options(struct scene *scene, const char *provider, const char *settings,
                         esk_session_options **options) {
    esk_error error = ESK_ERROR_INIT;
    esk_status status = esk_session_options_create(options, &error);

    if (status == ESK_OK)
        status = esk_session_options_append_provider(*options, provider, NULL, NULL, 0,
                                                     &error);
    if (status == ESK_OK && !strcmp(provider, "GLCompute"))
        status = set_all(*options, scene_device_settings, &error);
    if (status == ESK_OK)
        status = set_all(*options, settings, &error);
    return status == ESK_OK || fault_take(scene->fault, "options", &error);
}

static void destroy_options(void *options) {
    esk_session_options_destroy(options);
}

bool scene_options(struct scene *scene, const char *provider, const char *settings,
                   esk_session_options **options) {
    return make_options(scene, provider, settings, options) &&
           scene_keep(scene, *options, destroy_options);
}

enum source { FROM_MODEL, FROM_FILE, FROM_MEMORY };

static bool open_session(struct scene *scene, esk_env *env, enum source source,
                         const void *from, size_t size, const char *provider,
                         const char *settings, esk_session **session) {
    esk_error error = ESK_ERROR_INIT;
    esk_session_options *options = NULL;
    esk_status status = ESK_INTERNAL;
    bool done = make_options(scene, provider, settings, &options);

    if (done && source == FROM_MODEL)
        status = esk_session_create_from_model(env, from, options, session, &error);
    else if (done && source == FROM_FILE)
        status = esk_session_create(env, from, options, session, &error);
    else if (done)
        status = esk_session_create_from_memory(env, from, size, false, NULL, options,
                                                session, &error);
    esk_session_options_destroy(options);
    if (done && status != ESK_OK)
        return fault_take(scene->fault, provider, &error);
    return done && scene_keep(scene, *session, destroy_session);
}

bool scene_session(struct scene *scene, esk_env *env, const esk_model *model,
                   const char *provider, const char *settings, esk_session **session) {
    return open_session(scene, env, FROM_MODEL, model, 0, provider, settings, session);
}

bool scene_load(struct scene *scene, esk_env *env, const char *path, const char *provider,
                const char *settings, esk_session **session) {
    return open_session(scene, env, FROM_FILE, path, 0, provider, settings, session);
}

bool scene_load_bytes(struct scene *scene, esk_env *env, const void *bytes, size_t size,
                      const char *provider, const char *settings, esk_session **session) {
    return open_session(scene, env, FROM_MEMORY, bytes, size, provider, settings,
                        session);
}

bool scene_value(struct scene *scene, const char *text, esk_value **value) {
    return case_value(text, value, scene->fault) &&
           scene_keep(scene, *value, destroy_value);
}

bool scene_run(struct scene *scene, esk_session *session, esk_value **output,
               size_t count, ...) {
    const char *names[16], *wanted;
    esk_value *values[16];
    esk_error error = ESK_ERROR_INIT;
    va_list list;

    va_start(list, count);
    for (size_t i = 0; i < count; i++) {
        names[i] = esk_session_input(session, i)->name;
        values[i] = va_arg(list, esk_value *);
    }
    va_end(list);
    wanted = esk_session_output(session, 0)->name;
    *output = NULL;
    if (esk_session_run(session, NULL, names, values, count, &wanted, output, 1,
                        &error) != ESK_OK)
        return fault_take(scene->fault, "run", &error);
    return scene_keep(scene, *output, destroy_value);
}

bool scene_stats(struct scene *scene, esk_session *session, esk_session_stats *stats) {
    esk_error error = ESK_ERROR_INIT;

    stats->struct_size = sizeof(*stats);
    if (esk_session_get_stats(session, stats, &error) != ESK_OK)
        return fault_take(scene->fault, "stats", &error);
    return true;
}

bool scene_near(struct scene *scene, const char *what, const esk_value *got,
                const esk_value *expected) {
    struct tolerance tolerance = {0};
    struct comparison result;

    compare_values(got, expected, &tolerance, &result);
    CHECK(scene, result.pass, "%s%s", what, result.text);
    return true;
}

bool scene_same_bytes(struct scene *scene, const char *what, const esk_value *got,
                      const esk_value *expected) {
    size_t size = esk_value_size(got);
    const unsigned char *a = esk_value_const_data(got),
                        *b = esk_value_const_data(expected);

    CHECK(scene, size == esk_value_size(expected), "%s: %zu bytes, expected %zu", what,
          size, esk_value_size(expected));
    for (size_t i = 0; i < size; i++)
        CHECK(scene, a[i] == b[i], "%s: byte %zu of %zu is %02x, expected %02x", what, i,
              size, a[i], b[i]);
    return true;
}

bool scene_dump(struct scene *scene, esk_session *session, const char *what,
                char **text) {
    esk_error error = ESK_ERROR_INIT;

    if (esk_session_dump(session, what, text, &error) != ESK_OK)
        return fault_take(scene->fault, what, &error);
    return scene_keep(scene, *text, destroy_text);
}

void scene_drop_value(void *value) {
    esk_value_destroy(value);
}

static void *sleep_long(void *user) {
    (void)user;
    pause();
    return NULL;
}

bool scene_thread(struct scene *scene) {
    pthread_t thread;

    if (pthread_create(&thread, NULL, sleep_long, NULL))
        return fault_set(scene->fault, "no thread");
    pthread_detach(thread);
    return true;
}
