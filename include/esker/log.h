/* Log levels and the log callback. */
#ifndef ESKER_LOG_H
#define ESKER_LOG_H

#ifdef __cplusplus
extern "C" {
#endif

/* The levels are those of ONNX Runtime. */
typedef enum esk_log_level {
    ESK_LOG_VERBOSE = 0,
    ESK_LOG_INFO = 1,
    ESK_LOG_WARNING = 2,
    ESK_LOG_ERROR = 3,
    ESK_LOG_SILENT = 4,
} esk_log_level;

/* Receives one line, without a newline, valid during the call only. May be called from
 * any thread that is inside an Esker call, from several at a time; must not call back
 * into Esker. */
typedef void (*esk_log_fn)(void *user, esk_log_level level, const char *text);

#ifdef __cplusplus
}
#endif
#endif
