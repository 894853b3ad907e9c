/* What went wrong, in one text: the tool's counterpart of esk_error.
 * In: formats, or a library error. Out: text for stderr or a test's line. Knows no
 * command. */
#ifndef ESKER_TOOLS_FAULT_H
#define ESKER_TOOLS_FAULT_H

#include "esker/status.h"

#include <stdbool.h>

struct fault {
    esk_status status; /* ESK_OK when the fault is the tool's own, not the library's */
    char text[4096];   /* cut with "..." when longer */
};

/* Sets the text; returns false, so that one can write `return fault_set(fault, …);`. */
bool fault_set(struct fault *fault, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Takes status and message of `error`, with "what: " in front unless `what` is NULL, and
 * clears it. Returns false. */
bool fault_take(struct fault *fault, const char *what, esk_error *error);

/* Puts "what: " in front of the text. Returns false. */
bool fault_prefix(struct fault *fault, const char *what);

/* Prints "esker: text" on stderr; returns the exit code 1. */
int fault_report(const struct fault *fault);

#endif
