/* What tests on the null driver share. In: models as texts; out: statuses. Must not know
 * the tests. */
#include "driver.h"

#include <dlfcn.h>

struct driver driver;

bool driver_find(struct scene *s) {
    void *egl = dlopen("libEGL.so.1", RTLD_NOW);
    const struct {
        void *to;
        const char *name;
    } rows[] = {
        {&driver.set, "nullgl_set"},         {&driver.list, "nullgl_list"},
        {&driver.count, "nullgl_count"},     {&driver.see, "nullgl_see"},
        {&driver.find, "nullgl_find"},       {&driver.fill, "nullgl_fill"},
        {&driver.display, "nullgl_display"},
    };

    CHECK(s, egl, "no libEGL.so.1: %s", dlerror());
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        void *symbol = dlsym(egl, rows[i].name);

        CHECK(s, symbol, "libEGL.so.1 is not the null driver: see LD_LIBRARY_PATH");
        memcpy(rows[i].to, &symbol, sizeof(symbol));
    }
    driver.set(&(struct nullgl_faults){0});
    driver.list(&(struct nullgl_devices){0});
    return true;
}

static void take_line(void *user, esk_log_level level, const char *text) {
    struct lines *lines = user;
    int more = snprintf(lines->text + lines->size, sizeof(lines->text) - lines->size,
                        "%d %s\n", (int)level, text);

    if (more > 0 && lines->size + (size_t)more < sizeof(lines->text))
        lines->size += (size_t)more;
}

static void drop_env(void *env) {
    esk_env_destroy(env);
}

bool driver_logging_env(struct scene *s, struct lines *lines, esk_env **env) {
    esk_error error = ESK_ERROR_INIT;

    if (esk_env_create(esk_env_options(.log = take_line, .log_user = lines), env,
                       &error) != ESK_OK)
        return fault_take(s->fault, "an env", &error);
    return scene_keep(s, *env, drop_env);
}

bool driver_open(struct scene *s, const char *text, const char *settings, esk_env **env,
                 struct op_case **made, esk_session **session) {
    MUST(driver_find(s));
    MUST(scene_env(s, env));
    MUST(scene_case(s, text, made));
    return scene_session(s, *env, (*made)->model, "GLCompute", settings, session);
}

esk_status driver_run(esk_session *session, struct op_case *made, esk_value *x, int graph,
                      esk_error *error) {
    esk_value *y = NULL;
    esk_status status = esk_session_run(session, esk_run_options(.gpu_graph_id = graph),
                                        made->inputs.names, &x, 1, NULL, &y, 1, error);

    esk_value_destroy(y);
    return status;
}
