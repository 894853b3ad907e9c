/* libEGL, loaded at run time, and what an opened display holds. In: a library's name;
 * out: its functions. For egl.c only; must not know devices. */
#ifndef ESK_GLCOMPUTE_EGL_API_H
#define ESK_GLCOMPUTE_EGL_API_H

#include "glcompute/egl.h"

#define EGL_NO_X11
#define MESA_EGL_NO_X11_HEADERS
#define EGL_EGL_PROTOTYPES 0
#include <EGL/egl.h>
#include <EGL/eglext.h>

#include <sys/types.h>

#define EGL_LIST(X)                                         \
    X(GetError, PFNEGLGETERRORPROC)                         \
    X(GetDisplay, PFNEGLGETDISPLAYPROC)                     \
    X(Initialize, PFNEGLINITIALIZEPROC)                     \
    X(Terminate, PFNEGLTERMINATEPROC)                       \
    X(QueryString, PFNEGLQUERYSTRINGPROC)                   \
    X(ChooseConfig, PFNEGLCHOOSECONFIGPROC)                 \
    X(CreateContext, PFNEGLCREATECONTEXTPROC)               \
    X(DestroyContext, PFNEGLDESTROYCONTEXTPROC)             \
    X(CreatePbufferSurface, PFNEGLCREATEPBUFFERSURFACEPROC) \
    X(DestroySurface, PFNEGLDESTROYSURFACEPROC)             \
    X(MakeCurrent, PFNEGLMAKECURRENTPROC)                   \
    X(GetCurrentContext, PFNEGLGETCURRENTCONTEXTPROC)       \
    X(GetCurrentDisplay, PFNEGLGETCURRENTDISPLAYPROC)       \
    X(GetCurrentSurface, PFNEGLGETCURRENTSURFACEPROC)       \
    X(BindAPI, PFNEGLBINDAPIPROC)                           \
    X(QueryAPI, PFNEGLQUERYAPIPROC)                         \
    X(GetProcAddress, PFNEGLGETPROCADDRESSPROC)

/* May be NULL; used only where an extension (or EGL 1.5) says that they are there. */
#define EGL_OPTIONAL_LIST(X)                                                           \
    X(GetPlatformDisplay, PFNEGLGETPLATFORMDISPLAYEXTPROC, "eglGetPlatformDisplayEXT") \
    X(QueryDevices, PFNEGLQUERYDEVICESEXTPROC, "eglQueryDevicesEXT")                   \
    X(QueryDeviceString, PFNEGLQUERYDEVICESTRINGEXTPROC, "eglQueryDeviceStringEXT")    \
    X(QueryDisplayAttrib, PFNEGLQUERYDISPLAYATTRIBEXTPROC, "eglQueryDisplayAttribEXT") \
    X(GetDisplayDriverName, PFNEGLGETDISPLAYDRIVERNAMEPROC, "eglGetDisplayDriverName")

/* Copied freely: libraries are loaded with RTLD_NODELETE and stay (Mesa and LLVM do not
 * survive an unload: thread-local destructors, atexit). */
struct esk_egl_api {
#define EGL_FIELD(name, type) type name;
    EGL_LIST(EGL_FIELD)
#undef EGL_FIELD
#define EGL_FIELD(name, type, symbol) type name;
    EGL_OPTIONAL_LIST(EGL_FIELD)
#undef EGL_FIELD
    const char *client_extensions; /* static in libEGL; "" on EGL 1.4 without them */
};

struct esk_gbm_api {
    void *(*create_device)(int fd);
    void (*destroy_device)(void *device);
};

/* The rest of struct esk_egl: what close must undo. */
struct esk_egl_priv {
    struct esk_egl_api api;
    struct esk_gbm_api gbm;
    void *gbm_device; /* owned; NULL off the gbm rung */
    int fd;           /* owned; -1 off the gbm rung */
    EGLSurface surface;
    EGLConfig config;       /* of the context */
    bool owns_display;      /* initialised, and ours alone: terminate it */
    bool symbols_first;     /* eglGetProcAddress does not promise core functions */
    void *gles;             /* libGLESv2's handle, loaded on demand; may be NULL */
    const char *extensions; /* the display's */
    int major, minor;       /* of EGL */
    pid_t pid;
};

/* A library that stays; NULL: dlerror() says why. */
void *esk_egl_library(const char *name);

/* Puts the address of a function (NULL if there is none) into the pointer at `to`. POSIX
 * lets an object pointer hold a function's; ISO C has no cast for it. */
void esk_egl_symbol(void *library, const char *name, void *to);

/* Loads libEGL; NULL: "libEGL.so.1". */
esk_status esk_egl_api_load(struct esk_egl_api *api, const char *name, esk_error *error);

#endif
