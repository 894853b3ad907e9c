/* One line to the callback. In: level and format; out: a call. Allocates nothing for
 * lines under a kilobyte. */
#include "base/log.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

void esk_log(const struct esk_logger *logger, esk_log_level level, const char *format,
             ...) {
    if (!logger || !logger->callback || level < logger->level || level >= ESK_LOG_SILENT)
        return;
    char line[1024], *text = line;
    va_list list, again;
    va_start(list, format);
    va_copy(again, list);
    int length = vsnprintf(line, sizeof line, format, list);
    if (length >= (int)sizeof line && (text = esk_malloc((size_t)length + 1)))
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(list);
    logger->callback(logger->user, level, text ? text : line);
    if (text != line)
        esk_free(text);
}
