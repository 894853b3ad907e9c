/* The version of the headers and of the library. */
#ifndef ESKER_VERSION_H
#define ESKER_VERSION_H

#include "esker/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ESK_VERSION_MAJOR 0
#define ESK_VERSION_MINOR 1
#define ESK_VERSION_PATCH 0

/* "0.1.0"; static. */
ESK_API const char *esk_version(void);

#ifdef __cplusplus
}
#endif
#endif
