/* What went wrong, in one text.
 * In: formats, or a library error. Out: struct fault. Must not know any command. */
#include "fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void mark_cut(struct fault *fault, int length) {
    if (length >= (int)sizeof(fault->text))
        strcpy(fault->text + sizeof(fault->text) - 4, "...");
}

bool fault_set(struct fault *fault, const char *format, ...) {
    va_list list;

    va_start(list, format);
    fault->status = ESK_OK;
    mark_cut(fault, vsnprintf(fault->text, sizeof(fault->text), format, list));
    va_end(list);
    return false;
}

bool fault_take(struct fault *fault, const char *what, esk_error *error) {
    fault_set(fault, "%s%s%s", what ? what : "", what ? ": " : "",
              esk_error_message(error));
    fault->status = error->status;
    esk_error_clear(error);
    return false;
}

bool fault_prefix(struct fault *fault, const char *what) {
    esk_status status = fault->status;
    struct fault copy = *fault;

    fault_set(fault, "%s: %s", what, copy.text);
    fault->status = status;
    return false;
}

int fault_report(const struct fault *fault) {
    fprintf(stderr, "esker: %s\n", fault->text);
    return 1;
}
