/* Making error reports. Every fallible function of the library ends with an esk_error *.
 */
#ifndef ESK_BASE_ERROR_H
#define ESK_BASE_ERROR_H

#include "esker/status.h"

/* Sets the error (replacing an older one) and returns `status`, so that one can write
 * `return esk_fail(error, ESK_INVALID_MODEL, "…", …);`. `error` may be NULL. */
esk_status esk_fail(esk_error *error, esk_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* esk_fail with ESK_OUT_OF_MEMORY and what the memory was for. */
esk_status esk_fail_memory(esk_error *error, const char *what);

/* Puts "text: " in front of the message that is there; for callers that know the place.
 * Returns the error's status. */
esk_status esk_error_prefix(esk_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Hands the report over: `to` (may be NULL) gets what `from` has, `from` is empty after.
 */
void esk_error_move(esk_error *to, esk_error *from);

/* Returns from the calling function unless `call` gives ESK_OK. */
#define ESK_TRY(call)                 \
    do {                              \
        esk_status esk_try_ = (call); \
        if (esk_try_ != ESK_OK)       \
            return esk_try_;          \
    } while (0)

#endif
