/* Models that sessions of an env loaded from one file: loaded once, so that weights are the
 * same bytes and devices hold their forms once. In: a path; out: a copy for the session. Must
 * not know devices. */
#include "run/env.h"

#include "base/mem.h"

#include <sys/stat.h>

static bool same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

struct esk_open_file {
    struct stat facts;
    struct esk_model *model; /* owned; nobody changes it */
    uint32_t refs;           /* guarded by the env's lock */
    struct esk_open_file *next;
};

/* With a reference more; NULL: none. */
static struct esk_open_file *find_file(struct esk_env *env, const struct stat *facts) {
    pthread_mutex_lock(&env->lock);
    struct esk_open_file *file = env->files;
    while (file && !same_file(&file->facts, facts))
        file = file->next;
    if (file)
        file->refs++;
    pthread_mutex_unlock(&env->lock);
    return file;
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
    if (!last)
        return;
    esk_model_destroy(file->model);
    esk_free(file);
}

esk_status esk_env_load(struct esk_env *env, const char *path, struct esk_open_file **file,
                        struct esk_model **model, esk_error *error) {
    struct stat before, after;
    struct esk_open_file *found = NULL;
    bool known = stat(path, &before) == 0;
    *file = NULL;
    if (known)
        found = find_file(env, &before);
    if (!found) {
        struct esk_model *loaded;
        ESK_TRY(esk_model_load_with(path, NULL, 0, &loaded, error));
        /* files of external data may change while this one does not; and a file that was
         * changed meanwhile is not what `before` says */
        known = known && !loaded->external && stat(path, &after) == 0 &&
                same_file(&before, &after);
        found = known ? esk_calloc(1, sizeof *found) : NULL;
        if (!found) {
            *model = loaded;
            return ESK_OK;
        }
        *found = (struct esk_open_file){.facts = before, .model = loaded, .refs = 1};
        pthread_mutex_lock(&env->lock);
        found->next = env->files;
        env->files = found;
        pthread_mutex_unlock(&env->lock);
    }
    esk_status status = esk_model_copy(found->model, model, error);
    if (status != ESK_OK) {
        esk_env_release_file(env, found);
        return status;
    }
    *file = found;
    return ESK_OK;
}
