/* Tuning of a session: where results are kept, and how a recipe is timed on a device. In:
 * settings, a device; out: a tuner for lib/compile. Must not know recipes. */
#ifndef ESK_RUN_TUNING_H
#define ESK_RUN_TUNING_H

#include "compile/tuning.h"
#include "run/options.h"

struct esk_run_tuning {
    struct esk_tuning tuning;
    struct esk_tuner tuner;
    const struct esk_provider *provider; /* borrowed, as the next two */
    struct esk_device *device;
    const struct esk_logger *logger;
    char *path;     /* owned; NULL: results are not kept */
    char *driver;   /* owned */
    uint32_t saved; /* of tuning.measured */
};

/* *result NULL: tuning is off. A file that the option tuningFile names must be good, and
 * be there unless it is about to be written. */
esk_status esk_run_tuning_create(const struct esk_settings *settings,
                                 const struct esk_provider *provider,
                                 struct esk_device *device,
                                 const struct esk_logger *logger,
                                 struct esk_run_tuning **result, esk_error *error);
void esk_run_tuning_destroy(struct esk_run_tuning *tuning); /* NULL is allowed */

/* Writes what was measured since the last time; what goes wrong is one log line. */
void esk_run_tuning_save(struct esk_run_tuning *tuning);

#endif
