/* Inside of the session. */
#ifndef ESK_RUN_SESSION_H
#define ESK_RUN_SESSION_H

#include "esker/model.h"
#include "esker/profile.h"
#include "front/model.h"
#include "run/env.h"
#include "run/exec.h"
#include "run/queue.h"

#include <stdatomic.h>

struct esk_dim_override {
    char *name; /* owned */
    int64_t size;
    bool by_denotation;
};

struct esk_session_options {
    struct esk_settings settings;
    bool glcompute, cpu; /* providers that were appended */
    struct esk_dim_override *dims;
    size_t n_dims, cap_dims;
    struct esk_given given; /* lists and names owned */
};

struct esk_session {
    struct esk_env *env;
    struct esk_model *model;    /* owned; the declared face stays in it */
    struct esk_open_file *file; /* a reference; NULL: of no file that others may share */
    struct esk_settings settings;
    struct esk_logger logger;       /* the env's, with the session's id and severity */
    struct esk_open_device *device; /* NULL: CPU only */
    struct esk_exec_shared shared;
    struct esk_exec *exec;         /* owned */
    pthread_mutex_t lock;          /* guards `queue` */
    struct esk_queue *queue;       /* owned; NULL until something is queued */
    esk_profile *profile;          /* owned; NULL: the session does not profile */
    atomic_bool profiling;         /* until its end was asked for */
    pthread_mutex_t capture_lock;  /* guards `captured`; held while one of them runs */
    struct esk_captured *captured; /* owned */
    pthread_mutex_t recovery; /* guards what follows, and `device` and `shared` while they
                                 may change */
    pthread_cond_t landed;    /* a run ended */
    uint32_t in_flight;       /* runs, where the session recovers */
    char **lists[2];          /* owned: host names, disabled passes; NULL-terminated */
};

#endif
