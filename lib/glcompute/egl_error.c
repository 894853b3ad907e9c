/* Names of EGL's errors. In: a code; out: its name, static. */
#include "glcompute/egl.h"

#define EGL_NO_X11
#define MESA_EGL_NO_X11_HEADERS
#define EGL_EGL_PROTOTYPES 0
#include <EGL/egl.h>
#include <EGL/eglext.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

#define ROW(name) \
    { EGL_##name, "EGL_" #name }
static const struct {
    unsigned code;
    const char *name;
} error_names[] = {ROW(SUCCESS),       ROW(NOT_INITIALIZED),     ROW(BAD_ACCESS),
                   ROW(BAD_ALLOC),     ROW(BAD_ATTRIBUTE),       ROW(BAD_CONFIG),
                   ROW(BAD_CONTEXT),   ROW(BAD_CURRENT_SURFACE), ROW(BAD_DISPLAY),
                   ROW(BAD_MATCH),     ROW(BAD_NATIVE_PIXMAP),   ROW(BAD_NATIVE_WINDOW),
                   ROW(BAD_PARAMETER), ROW(BAD_SURFACE),         ROW(CONTEXT_LOST),
                   ROW(BAD_DEVICE_EXT)};
#undef ROW

const char *esk_egl_error_name(unsigned code) {
    for (size_t i = 0; i < COUNT_OF(error_names); i++)
        if (error_names[i].code == code)
            return error_names[i].name;
    return "unknown EGL error";
}
