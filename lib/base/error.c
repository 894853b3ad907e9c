/* Status names and error reports. In: codes and formats; out: text on the heap. */
#include "base/error.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *esk_status_name(esk_status status) {
    switch (status) {
#define ROW(name, value, text) \
    case ESK_##name:           \
        return #name;
        ESK_STATUS_LIST(ROW)
#undef ROW
    }
    return "UNKNOWN";
}

const char *esk_status_text(esk_status status) {
    switch (status) {
#define ROW(name, value, text) \
    case ESK_##name:           \
        return text;
        ESK_STATUS_LIST(ROW)
#undef ROW
    }
    return "unknown status";
}

const char *esk_error_message(const esk_error *error) {
    return error->text ? error->text : esk_status_text(error->status);
}

void esk_error_clear(esk_error *error) {
    if (!error)
        return;
    esk_free(error->text);
    *error = (esk_error)ESK_ERROR_INIT;
}

static char *format_text(const char *format, va_list list) {
    va_list again;
    va_copy(again, list);
    int length = vsnprintf(NULL, 0, format, list);
    char *text = length < 0 ? NULL : esk_malloc((size_t)length + 1);
    if (text)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

esk_status esk_fail(esk_error *error, esk_status status, const char *format, ...) {
    if (!error)
        return status;
    va_list list;
    va_start(list, format);
    char *text = format_text(format, list);
    va_end(list);
    esk_error_clear(error);
    error->status = status;
    error->text = text;
    return status;
}

esk_status esk_fail_memory(esk_error *error, const char *what) {
    return esk_fail(error, ESK_OUT_OF_MEMORY, "out of memory for %s", what);
}

esk_status esk_error_prefix(esk_error *error, const char *format, ...) {
    if (!error)
        return ESK_OK;
    va_list list;
    va_start(list, format);
    char *prefix = format_text(format, list);
    va_end(list);
    const char *old = esk_error_message(error);
    size_t head = prefix ? strlen(prefix) : 0, tail = strlen(old);
    char *text = prefix ? esk_malloc(head + tail + 3) : NULL;
    if (text) {
        memcpy(text, prefix, head);
        memcpy(text + head, ": ", 2);
        memcpy(text + head + 2, old, tail + 1);
        esk_free(error->text);
        error->text = text;
    }
    esk_free(prefix);
    return error->status;
}

void esk_error_move(esk_error *to, esk_error *from) {
    if (to) {
        esk_error_clear(to);
        *to = *from;
        *from = (esk_error)ESK_ERROR_INIT;
    } else
        esk_error_clear(from);
}
