/* Bring-up of a headless ES 3.1 context: the only user of EGL and gbm.
 * In: options; out: a list of devices, or one opened display and context. Libraries are
 * loaded at run time. Must not know limits beyond the quirk mask, buffers or programs.
 *
 * The ladder, first to last: "gbm" (each /dev/dri/renderD*), "device" (EGL device
 * platform), "surfaceless" (EGL_MESA_platform_surfaceless), "default"
 * (EGL_DEFAULT_DISPLAY). Hardware on any rung comes before software on any.
 *
 * Displays. EGL hands every caller in the process the same display for the same platform
 * and native handle, and eglTerminate is not counted: terminating one would end the
 * caller's own or another env's contexts. So a display that could be shared is never
 * terminated; it stays initialised until the process ends and the next open reuses it.
 * Only gbm displays are ours alone (their native handle is a gbm_device of ours): those
 * are terminated, destroyed and their fd closed, in this order. Libraries are never
 * unloaded.
 *
 * Threads. All functions may be called from any thread; EGL does its own locking, and
 * there is no state here outside struct esk_egl. One esk_egl is current in one thread at
 * a time: its owner locks it. Fork: a child cannot use what its parent opened (driver
 * threads are gone); make_current in a child is ESK_DEVICE_LOST, close frees memory only.
 * A child should not open one either if the parent did before the fork: the display is
 * inherited. */
#ifndef ESK_GLCOMPUTE_EGL_H
#define ESK_GLCOMPUTE_EGL_H

#include "base/log.h"
#include "esker/status.h"
#include "glcompute/gl.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum esk_egl_power { ESK_POWER_DEFAULT, ESK_POWER_LOW, ESK_POWER_HIGH };

/* Zero is the default of each. Strings and pointers are borrowed for the call. */
struct esk_egl_options {
    const struct esk_logger *logger; /* may be NULL */
    const char *rung;     /* rungs to use, e.g. "surfaceless" or "gbm,device"; NULL: all.
                             An unknown name is an error */
    bool allow_software;  /* false: a software renderer is ESK_NO_DEVICE */
    bool refuse_softpipe; /* softpipe is refused; else it is taken, with a warning */
    bool robust;          /* ask for a robust context; dropped if refused */
    bool debug;           /* ask for a debug context; dropped if refused */
    bool force_pbuffer;   /* current with a 1x1 pbuffer, not without a surface */
    enum esk_egl_power power; /* among several GPUs: LOW prefers the boot GPU, HIGH one
                                 that is not (sysfs boot_vga); else unchanged */
    bool prepare_inline;      /* prepare for esk_egl_open_inline, before other displays */
    bool all_inline; /* with it: the device's own display too, where nobody has it yet */
    bool force_setenv;   /* for it: change the environment though the process has other
                            threads. Without it that is not done, and logged */
    void *display;       /* the caller's initialised EGLDisplay: the only rung then
                            ("foreign"), never terminated */
    void *share_context; /* with `display`: an ES EGLContext to share objects with */
    const char *egl_library; /* NULL: "libEGL.so.1" */
    const char *gbm_library; /* NULL: "libgbm.so.1" */
};

/* One candidate. Text fields are NUL-terminated and "" when unknown. */
struct esk_egl_device {
    char rung[16];  /* "gbm", "device", "surfaceless", "default", "foreign" */
    char place[80]; /* "gbm:/dev/dri/renderD128", "device:0", "surfaceless" */
    char node[64];  /* DRM node path, "" if none */
    char vendor[96], renderer[192], version[160]; /* GL strings */
    char driver[48];                              /* "Mesa 22.3.6" */
    char egl_driver[32]; /* EGL_MESA_query_driver's name: "swrast", "v3d" */
    int major, minor;    /* of ES */
    bool software;
    bool slow;   /* for tests only (softpipe) */
    bool usable; /* if not, `reason` says why and it has no index */
    char reason[256];
};

/* All candidates: usable hardware, usable software, then the unusable, rung order inside
 * each. One device reached over two rungs counts once, the first rung wins. Index i of
 * esk_egl_open is entry i. `*devices` is owned by the caller: esk_free. Only a missing or
 * broken libEGL, a bad option and lack of memory are errors; *count may be 0. */
esk_status esk_egl_list(const struct esk_egl_options *options,
                        struct esk_egl_device **devices, size_t *count, esk_error *error);

struct esk_egl {
    void *display, *context; /* EGLDisplay, EGLContext; our own context */
    struct esk_egl_device device;
    bool robust, debug; /* granted */
    struct esk_egl_priv *priv;
};

/* Opens usable device `index` (see esk_egl_list). Failure names every rung that failed:
 * "gbm:/dev/dri/renderD128: eglInitialize failed: EGL_NOT_INITIALIZED (0x3001)". Nothing
 * is current, nor changed for the caller, afterwards. */
esk_status esk_egl_open(const struct esk_egl_options *options, uint32_t index,
                        struct esk_egl **egl, esk_error *error);

/* A second context of the same display that shares objects with the first: for another
 * thread. Closed with esk_egl_close, before the first. */
esk_status esk_egl_twin(const struct esk_egl *egl, struct esk_egl **twin,
                        esk_error *error);

/* The inline twin of llvmpipe: a second display of the same driver, initialised while
 * LP_NUM_THREADS is 0, so that the calling thread computes and a dispatch wakes nobody.
 * llvmpipe reads the variable when a display is initialised, so the twin's (surfaceless)
 * must be before anybody initialises it otherwise, and before llvmpipe has threads: every
 * walk with `prepare_inline` does that first. There is none where the device rung found
 * other devices than one in software (surfaceless would take a GPU), where `egl` is on
 * another rung, where the environment has LP_NUM_THREADS=0 already, or where it must not
 * be changed: ESK_UNSUPPORTED with the reason. That the twin computes inline is not
 * proved by this: the display may have been initialised by somebody else. `options`:
 * those of esk_egl_open. */
esk_status esk_egl_open_inline(const struct esk_egl *egl,
                               const struct esk_egl_options *options,
                               struct esk_egl **twin, esk_error *error);

/* Destroys the context; NULL is allowed. It must not be current in any thread. */
void esk_egl_close(struct esk_egl *egl);

/* What was current before; on the caller's stack. */
struct esk_egl_saved {
    void *display, *context, *draw, *read;
    unsigned api;
    bool nested; /* our context was current already: nothing to restore */
};

/* Makes the device's context current in this thread, remembering what was. Calls nest. */
esk_status esk_egl_make_current(struct esk_egl *egl, struct esk_egl_saved *saved,
                                esk_error *error);

/* Puts back what was current, and the bound API. */
esk_status esk_egl_restore(struct esk_egl *egl, const struct esk_egl_saved *saved,
                           esk_error *error);

/* For esk_gl_load: `user` is the struct esk_egl. */
esk_gl_proc esk_egl_get_proc(void *user, const char *name);

/* "EGL_BAD_MATCH"; "unknown EGL error" for what is none. Static. */
const char *esk_egl_error_name(unsigned code);

#endif
