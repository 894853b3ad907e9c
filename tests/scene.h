/* What tests of sessions share: objects that are freed at the test's end, whatever
 * happened. In: models as texts (case.h). Out: sessions, values, checks that write a
 * fault and return false. Must not know the tests. */
#ifndef ESKER_TESTS_SCENE_H
#define ESKER_TESTS_SCENE_H

#include "case.h"

#include "esker/esker.h"

/* Zeroed memory with `fault` set is an empty one. One thread at a time. */
struct scene {
    struct fault *fault;
    bool skipped; /* `fault` says why */
    struct {
        void *object;
        void (*destroy)(void *);
    } kept[512]; /* destroyed from the last to the first */
    size_t n_kept;
};

void scene_finish(struct scene *scene);
/* Takes `object` over, on failure too. */
bool scene_keep(struct scene *scene, void *object, void (*destroy)(void *));
bool scene_skip(struct scene *scene, const char *why); /* false */

bool scene_env(struct scene *scene, esk_env **env);
bool scene_case(struct scene *scene, const char *text, struct op_case **made);
/* What sessions on GLCompute get before their own settings: "clamp=es31"; NULL: nothing.
 */
extern const char *scene_device_settings;

/* Kept. settings: "strict=1,poison=1", may be NULL; provider "GLCompute" or "CPU". */
bool scene_options(struct scene *scene, const char *provider, const char *settings,
                   esk_session_options **options);
/* settings: "strict=1,poison=1", may be NULL; provider "GLCompute" or "CPU". */
bool scene_session(struct scene *scene, esk_env *env, const esk_model *model,
                   const char *provider, const char *settings, esk_session **session);
bool scene_load(struct scene *scene, esk_env *env, const char *path, const char *provider,
                const char *settings, esk_session **session);
bool scene_load_bytes(struct scene *scene, esk_env *env, const void *bytes, size_t size,
                      const char *provider, const char *settings, esk_session **session);
/* "float[2,3]=1,2,3" or, without values, random ones. */
bool scene_value(struct scene *scene, const char *text, esk_value **value);
/* Runs with the first `count` inputs of the session; *output (kept) is the first one. */
bool scene_run(struct scene *scene, esk_session *session, esk_value **output,
               size_t count, ...);
bool scene_stats(struct scene *scene, esk_session *session, esk_session_stats *stats);

bool scene_near(struct scene *scene, const char *what, const esk_value *got,
                const esk_value *expected);
bool scene_same_bytes(struct scene *scene, const char *what, const esk_value *got,
                      const esk_value *expected);
/* The text of `what` (plan, commands …), kept. */
bool scene_dump(struct scene *scene, esk_session *session, const char *what, char **text);

#define CHECK(scene, condition, ...)                       \
    do {                                                   \
        if (!(condition))                                  \
            return fault_set((scene)->fault, __VA_ARGS__); \
    } while (0)
#define MUST(call)        \
    do {                  \
        if (!(call))      \
            return false; \
    } while (0)

/* For scene_keep. */
void scene_drop_value(void *value);
/* One that sleeps as long as the process lives, which then has more than one. */
bool scene_thread(struct scene *scene);

/* Ends the test where the call fails, with `error` as it left it. */
#define GOOD(s, call)                                     \
    do {                                                  \
        if ((call) != ESK_OK)                             \
            return fault_take((s)->fault, #call, &error); \
    } while (0)

#endif
