/* Inside of the env: devices by id, shared by sessions. */
#ifndef ESK_RUN_ENV_H
#define ESK_RUN_ENV_H

#include "base/log.h"
#include "esker/env.h"
#include "front/model.h"
#include "run/options.h"

#include <pthread.h>

struct esk_open_device {
    const struct esk_provider *provider;
    struct esk_device *device;    /* owned */
    struct esk_settings settings; /* of the session that opened it */
    uint32_t refs;
    struct esk_open_device *next;
};

struct esk_env {
    struct esk_logger logger;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t left;  /* `leaving` became less */
    struct esk_open_device *devices;
    struct esk_open_file *files;
    struct esk_constant *constants;
    /* sessions whose destruction has begun, here or in their own thread */
    uint32_t leaving;
    uint64_t serial; /* the last that a value on a device was given */
};

/* Around a session's destruction: the env's own waits for its end. */
void esk_env_leave_begin(struct esk_env *env);
void esk_env_leave_end(struct esk_env *env);

/* The device that the settings ask for, opened or shared. Errors: NO_DEVICE …,
 * INVALID_ARGUMENT when a session before asked for it with other device-wide options. */
esk_status esk_env_device(struct esk_env *env, const struct esk_provider *provider,
                          const struct esk_settings *settings,
                          struct esk_open_device **device, esk_error *error);
/* One reference more to an open device, for a value on it: its serial number. */
uint64_t esk_env_share(struct esk_env *env, struct esk_open_device *device);
void esk_env_release(struct esk_env *env, struct esk_open_device *device);

/* A model for a session to change; what is given of initializers is not put in yet.
 * *file: what is kept of it while a session has a reference, NULL if nothing: sessions of
 * the same files, unchanged on the disk, or of the same borrowed bytes, share these.
 * Errors: of esk_model_load. */
esk_status esk_env_load(struct esk_env *env, const struct esk_source *source,
                        const struct esk_given *given, struct esk_open_file **file,
                        struct esk_model **model, esk_error *error);
void esk_env_release_file(struct esk_env *env,
                          struct esk_open_file *file); /* NULL: none */

/* Constants that only this graph has, its bodies' too, become those of other sessions
 * where the bytes are the same. */
void esk_env_share_constants(struct esk_env *env, struct esk_graph *graph);
/* Lets go of those that no session has any more. */
void esk_env_drop_constants(struct esk_env *env);

#endif
