/* Providers and their devices: `GLCompute` (OpenGL ES 3.1 compute) and `CPU`. */
#ifndef ESKER_PROVIDER_H
#define ESKER_PROVIDER_H

#include "esker/env.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One device. Strings are never NULL ("" where unknown) but for `unusable`; they live as
 * long as the list. */
typedef struct esk_device_info {
    const char *provider; /* "GLCompute", "CPU" */
    int device_id;        /* the value of the option deviceId that opens it */
    const char *rung;     /* how it was reached: gbm, device, surfaceless, default */
    const char *vendor, *renderer, *version; /* GL_VENDOR, GL_RENDERER, GL_VERSION */
    const char *driver;                      /* "Mesa 22.3.6" */
    const char *node;                        /* DRM render node, "" if none */
    bool software;                           /* a CPU renderer */
    const char *unusable;                    /* NULL, or why it cannot be used */
    const char *limits;                      /* text, one "name: value" a line */
} esk_device_info;

typedef struct esk_device_list esk_device_list;

/* Looks for devices of all providers; CPU is always there. `why`, if not NULL, gets a
 * text owned by the list that names every rung that failed, one a line, with its EGL code
 * ("" if none). Errors: OUT_OF_MEMORY. */
ESK_API esk_status esk_device_list_create(esk_env *env, esk_device_list **list,
                                          const char **why, esk_error *error);
ESK_API size_t esk_device_list_count(const esk_device_list *list);
/* NULL when `index` is out of range. */
ESK_API const esk_device_info *esk_device_list_get(const esk_device_list *list,
                                                   size_t index);
ESK_API void esk_device_list_destroy(esk_device_list *list);

/* One option of a provider or session: for --help and documentation. */
typedef struct esk_option_info {
    const char *key;      /* "allowSoftware" */
    const char *type;     /* "bool", "int", "enum", "string" */
    const char *values;   /* "0,1", "1..4096", "NCHW|NHWC" */
    const char *fallback; /* the default, as text */
    const char *scope;    /* "device", "session" */
    const char *doc;      /* one sentence */
} esk_option_info;

/* Row `index` of the table of provider options; NULL past its end. Static. */
ESK_API const esk_option_info *esk_option_at(size_t index);

#ifdef __cplusplus
}
#endif
#endif
