/* Models that sessions of an env loaded from one source: loaded once, so that weights are
 * the same bytes and devices hold their forms once. In: a source, and what is given in
 * place of parts of it; out: a copy for the session. Must not know devices. */
#include "run/env.h"

#include "base/mem.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct esk_open_file {
    struct esk_text key;     /* of the source, but for files on the disk */
    struct esk_model *model; /* owned; nobody changes it */
    uint32_t refs;           /* guarded by the env's lock */
    struct esk_open_file *next;
};

static void add_text(struct esk_text *key, const char *text) {
    size_t length = text ? strlen(text) : 0;
    esk_text_append(key, (const char *)&length, sizeof length);
    esk_text_append(key, text ? text : "", length);
}

static void add_range(struct esk_text *key, const void *bytes, size_t size) {
    esk_text_append(key, (const char *)&bytes, sizeof bytes);
    esk_text_append(key, (const char *)&size, sizeof size);
}

/* The folder as the system knows it, and the name in it, which may be a link: external
 * data are looked for beside the link. */
static void add_path(struct esk_text *key, const char *path) {
    const char *slash = strrchr(path, '/');
    struct esk_text folder = {0};
    if (slash)
        esk_text_append(&folder, path, (size_t)(slash - path) + 1);
    char real[PATH_MAX];
    bool found = !folder.failed && realpath(slash ? esk_text_str(&folder) : ".", real);
    add_text(key, found ? real : esk_text_str(&folder));
    add_text(key, slash ? slash + 1 : path);
    esk_text_finish(&folder);
}

/* What must be equal besides the files. Of initializers just the names: their bytes come
 * later. */
static bool make_key(const struct esk_source *source, const struct esk_given *given,
                     struct esk_text *key) {
    if (source->path)
        add_path(key, source->path);
    else {
        add_text(key, source->directory);
        add_range(key, source->bytes, source->size);
    }
    for (size_t i = 0; given && i < given->n_files; i++) {
        add_text(key, given->files[i].name);
        add_range(key, given->files[i].bytes, given->files[i].size);
    }
    for (size_t i = 0; given && i < given->n_initializers; i++)
        add_text(key, given->initializers[i].name);
    return !key->failed;
}

/* The files that it was read from are as they were. */
static bool is_unchanged(const struct esk_model *model) {
    for (size_t i = 0; i < model->n_files; i++) {
        struct esk_file_facts facts;
        if (!esk_file_look(model->files[i].path, &facts) ||
            !esk_file_same(&facts, &model->files[i].facts))
            return false;
    }
    return true;
}

/* With a reference more; NULL: none. */
static struct esk_open_file *find_file(struct esk_env *env, const struct esk_text *key) {
    pthread_mutex_lock(&env->lock);
    struct esk_open_file *file = env->files;
    while (file &&
           !(file->key.length == key->length &&
             memcmp(esk_text_str(&file->key), esk_text_str(key), key->length) == 0 &&
             is_unchanged(file->model)))
        file = file->next;
    if (file)
        file->refs++;
    pthread_mutex_unlock(&env->lock);
    return file;
}

static void destroy(struct esk_open_file *file) {
    esk_model_destroy(file->model);
    esk_text_finish(&file->key);
    esk_free(file);
}

void esk_env_release_file(struct esk_env *env, struct esk_open_file *file) {
    if (!file)
        return;
    pthread_mutex_lock(&env->lock);
    bool last = !--file->refs;
    if (last) {
        struct esk_open_file **at = &env->files;
        while (*at != file)
            at = &(*at)->next;
        *at = file->next;
    }
    pthread_mutex_unlock(&env->lock);
    if (last)
        destroy(file);
}

/* Loads it and lets others find it. */
static esk_status open_file(struct esk_env *env, const struct esk_source *source,
                            const struct esk_given *given, struct esk_text *key,
                            struct esk_open_file **file, esk_error *error) {
    struct esk_open_file *made = esk_calloc(1, sizeof *made);
    if (!made)
        return esk_fail_memory(error, "a model");
    esk_status status = esk_model_load_with(source, given, &made->model, error);
    if (status != ESK_OK) {
        esk_free(made);
        return status;
    }
    made->refs = 1;
    made->key = *key;
    *key = (struct esk_text){0};
    pthread_mutex_lock(&env->lock);
    made->next = env->files;
    env->files = made;
    pthread_mutex_unlock(&env->lock);
    *file = made;
    return ESK_OK;
}

esk_status esk_env_load(struct esk_env *env, const struct esk_source *source,
                        const struct esk_given *given, struct esk_open_file **file,
                        struct esk_model **model, esk_error *error) {
    struct esk_text key = {0};
    *file = NULL;
    if (!source->path && !source->borrow) /* bytes of its own: nobody can have them too */
        return esk_model_load_with(source, given, model, error);
    esk_status status =
        make_key(source, given, &key) ? ESK_OK : esk_fail_memory(error, "a model");
    struct esk_open_file *found = status == ESK_OK ? find_file(env, &key) : NULL;
    if (status == ESK_OK && !found)
        status = open_file(env, source, given, &key, &found, error);
    esk_text_finish(&key);
    if (status == ESK_OK)
        status = esk_model_copy(found->model, model, error);
    if (status == ESK_OK)
        *file = found;
    else
        esk_env_release_file(env, found);
    return status;
}
