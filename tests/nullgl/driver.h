/* What tests on the null driver share: the driver's own functions, a session on it, runs
 * whose results mean nothing. In: models as texts; out: statuses. Must not know the
 * tests. */
#ifndef ESKER_TESTS_DRIVER_H
#define ESKER_TESTS_DRIVER_H

#include "nullgl.h"
#include "scene.h"

#include <stdio.h>
#include <string.h>

/* The loaded driver's; NULL before driver_find. */
extern struct driver {
    void (*set)(const struct nullgl_faults *faults);
    void (*list)(const struct nullgl_devices *devices);
    void (*count)(struct nullgl_live *live);
    void (*see)(struct nullgl_seen *seen);
    void *(*display)(int device);
    long (*find)(uint32_t even, uint32_t odd);
    void (*fill)(unsigned char byte);
} driver;

/* Loads the driver as the library will, without faults and devices; false: another libEGL
 * is in the way. */
bool driver_find(struct scene *s);
/* What an env logs: "level text" a line. */
struct lines {
    char text[8192];
    size_t size;
};
bool driver_logging_env(struct scene *s, struct lines *lines, esk_env **env);
bool driver_open(struct scene *s, const char *text, const char *settings, esk_env **env,
                 struct op_case **made, esk_session **session);
/* A run on input x, with a gpu_graph_id; its output is dropped. */
esk_status driver_run(esk_session *session, struct op_case *made, esk_value *x, int graph,
                      esk_error *error);

#define GIVES(s, call, code, word)                                                \
    do {                                                                          \
        esk_error gives_error = ESK_ERROR_INIT, *error = &gives_error;            \
        esk_status gives = (call);                                                \
        char gives_text[512];                                                     \
        snprintf(gives_text, sizeof(gives_text), "%s", esk_error_message(error)); \
        esk_error_clear(error);                                                   \
        CHECK(s, gives == (code) && strstr(gives_text, word),                     \
              "%s gave %s, not %s with '%s': %s", #call, esk_status_name(gives),  \
              esk_status_name(code), word, gives_text);                           \
    } while (0)

/* lanes.c */
bool a_lanes_error_is_the_runs(struct scene *s);
bool lanes_of_several_threads(struct scene *s);

/* options.c */
bool device_ids_count_hardware_first(struct scene *s);
bool power_preference_counts_one_first(struct scene *s);
bool sessions_of_other_devices(struct scene *s);
bool software_can_be_refused(struct scene *s);
bool no_device_falls_back_to_the_cpu(struct scene *s);
bool robust_contexts_where_asked(struct scene *s);
bool full_validation_talks_to_the_driver(struct scene *s);
bool gl_errors_of_a_run_are_seen(struct scene *s);
bool flushes_between_dispatches(struct scene *s);
bool poison_is_in_every_buffer(struct scene *s);
bool a_preserved_device_stays(struct scene *s);
bool device_wide_options_must_agree(struct scene *s);
bool a_callers_display_and_context(struct scene *s);
bool callers_context_comes_back(struct scene *s);
bool a_forked_child_is_told(struct scene *s);

/* runs.c */
bool terminated_within_a_flush(struct scene *s);
bool bound_values_are_not_copied(struct scene *s);
bool threads_on_two_devices(struct scene *s);

#endif
