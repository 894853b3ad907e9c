/* The environment: what sessions share. The counterpart of ONNX Runtime's OrtEnv.
 *
 * It owns one device per (provider, deviceId), opened when the first session asks for it
 * and, unless preserveDevice is set, closed with the last one. Make it early, in the
 * process's single-threaded moment if there is one. There is no other global state. */
#ifndef ESKER_ENV_H
#define ESKER_ENV_H

#include "esker/log.h"
#include "esker/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Thread-safe: any thread may use an env at any time.
 *
 * Fork: a device is its process's. In a child of fork, calls on devices and on their
 * values give DEVICE_LOST; sessions without a device run on, as do their queues (runs
 * that stood in a queue are cancelled in the child); destroying everything is safe, and
 * leaves the parent's devices alone. No call may be under way in another thread when the
 * process forks. A child should open a device only if its parent had opened none. */
typedef struct esk_env esk_env;

typedef struct esk_env_options {
    size_t struct_size;      /* sizeof(esk_env_options) */
    esk_log_fn log;          /* may be NULL: no log */
    void *log_user;          /* the caller's */
    esk_log_level log_level; /* lines below it are dropped; 0 is VERBOSE */
} esk_env_options;

#define esk_env_options(...) \
    (&(esk_env_options){.struct_size = sizeof(esk_env_options), __VA_ARGS__})

/* options may be NULL. Opens no device. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. */
ESK_API esk_status esk_env_create(const esk_env_options *options, esk_env **env,
                                  esk_error *error);

/* All sessions of the env must be gone. NULL is allowed. */
ESK_API void esk_env_destroy(esk_env *env);

#ifdef __cplusplus
}
#endif
#endif
