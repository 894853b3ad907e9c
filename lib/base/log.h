/* Logging through the callback that the env was given. Thread-safe if the callback is. */
#ifndef ESK_BASE_LOG_H
#define ESK_BASE_LOG_H

#include "esker/log.h"

struct esk_logger {
    esk_log_fn callback; /* may be NULL: nothing is logged */
    void *user;          /* the caller's */
    esk_log_level level; /* lines below it are dropped */
};

/* Drops the line when `logger` is NULL. */
void esk_log(const struct esk_logger *logger, esk_log_level level, const char *format,
             ...) __attribute__((format(printf, 3, 4)));

#endif
