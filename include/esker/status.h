/* Status codes and error reports.
 *
 * Every fallible call returns an `esk_status` and takes, as its last argument, a pointer
 * to an `esk_error` that receives the message; the pointer may be NULL. Results are
 * written through out-pointers, only on success. */
#ifndef ESKER_STATUS_H
#define ESKER_STATUS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define ESK_API __attribute__((visibility("default")))
#else
#define ESK_API
#endif

/* One row a code: name, value, text. Values never change. */
#define ESK_STATUS_LIST(X)                                   \
    X(OK, 0, "success")                                      \
    X(INVALID_ARGUMENT, 1, "invalid argument")               \
    X(INVALID_MODEL, 2, "invalid model")                     \
    X(UNSUPPORTED, 3, "unsupported")                         \
    X(NOT_FOUND, 4, "not found")                             \
    X(IO, 5, "input/output error")                           \
    X(OUT_OF_MEMORY, 6, "out of memory")                     \
    X(NO_DEVICE, 7, "no usable device")                      \
    X(DEVICE_LOST, 8, "device lost")                         \
    X(DEVICE_ERROR, 9, "device error")                       \
    X(TIMEOUT, 10, "time-out")                               \
    X(CANCELLED, 11, "cancelled")                            \
    X(FALLBACK, 12, "a node would fall back in strict mode") \
    X(INTERNAL, 13, "internal error")                        \
    X(VALIDATION, 14, "a check of validationMode full failed")

typedef enum esk_status {
#define ESK_STATUS_ENUM(name, value, text) ESK_##name = value,
    ESK_STATUS_LIST(ESK_STATUS_ENUM)
#undef ESK_STATUS_ENUM
} esk_status;

/* The name of a status ("INVALID_MODEL"); never NULL, static. */
ESK_API const char *esk_status_name(esk_status status);

/* The text of a status ("invalid model"); never NULL, static. */
ESK_API const char *esk_status_text(esk_status status);

/* What went wrong: what, where, the value and the limit. Lives in the caller's memory;
 * start with ESK_ERROR_INIT, finish with esk_error_clear. One thread at a time. */
typedef struct esk_error {
    esk_status status; /* ESK_OK until something failed */
    char *text;        /* owned; NULL if none, or if memory for it could not be had */
} esk_error;

#define ESK_ERROR_INIT \
    { ESK_OK, NULL }

/* The message, or the status's text when there is none; never NULL. Valid until the next
 * call with this error. */
ESK_API const char *esk_error_message(const esk_error *error);

/* Frees the message and makes the error ready for reuse. NULL is allowed. */
ESK_API void esk_error_clear(esk_error *error);

#ifdef __cplusplus
}
#endif
#endif
