/* The bring-up ladder: GBM render nodes, EGL devices, surfaceless, default display.
 * In: options; out: candidates, or an open context. The only user of EGL and gbm, both
 * loaded at run time. Must not know limits (but for quirks that concern the context).
 * Why displays are never terminated but for gbm's, and what a fork means: see egl.h. */
#include "glcompute/egl.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/text.h"
#include "glcompute/egl_api.h"
#include "glcompute/limits.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* The walk. */

struct candidate {
    struct esk_egl *egl;  /* owned; its context is there if device.usable */
    EGLDeviceEXT device;  /* NULL if not known */
    bool software_device; /* EGL_MESA_device_software */
    int rank;             /* sort key: usable hardware, usable software, the rest */
    size_t order;         /* in the walk */
};

struct walk {
    const struct esk_egl_options *options;
    struct esk_egl_api api;
    struct esk_gbm_api gbm;
    struct candidate *items; /* owned */
    size_t count, capacity;
    bool first_hardware; /* stop at the first hardware */
    bool stop;
    bool one_software; /* the device rung has one device, in software */
};

static void reason_add(struct esk_egl *egl, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Appends to the reason why the candidate is not usable; "; " between two. */
static void reason_add(struct esk_egl *egl, const char *format, ...) {
    char *reason = egl->device.reason;
    size_t size = sizeof egl->device.reason, length = strlen(reason);
    if (length && length + 3 < size) {
        memcpy(reason + length, "; ", 3);
        length += 2;
    }
    va_list list;
    va_start(list, format);
    vsnprintf(reason + length, size - length, format, list);
    va_end(list);
}

/* "eglFoo failed: EGL_BAD_MATCH (0x3009)" */
static void reason_add_call(struct esk_egl *egl, const char *call) {
    unsigned code = (unsigned)egl->priv->api.GetError();
    reason_add(egl, "%s failed: %s (0x%04x)", call, esk_egl_error_name(code), code);
}

/* A new candidate with an empty device; NULL when out of memory. */
static struct candidate *candidate_add(struct walk *walk, const char *rung,
                                       const char *detail) {
    struct esk_egl *egl = esk_calloc(1, sizeof *egl);
    struct esk_egl_priv *priv = esk_calloc(1, sizeof *priv);
    if (!egl || !priv ||
        !esk_grow((void **)&walk->items, &walk->capacity, walk->count + 1,
                  sizeof *walk->items)) {
        esk_free(egl);
        esk_free(priv);
        return NULL;
    }
    egl->priv = priv;
    priv->api = walk->api;
    priv->gbm = walk->gbm;
    priv->fd = -1;
    priv->pid = getpid();
    snprintf(egl->device.rung, sizeof egl->device.rung, "%s", rung);
    snprintf(egl->device.place, sizeof egl->device.place, "%s%s%s", rung,
             *detail ? ":" : "", detail);
    struct candidate *item = &walk->items[walk->count];
    *item = (struct candidate){.egl = egl, .order = walk->count};
    walk->count++;
    return item;
}

static void candidate_drop_last(struct walk *walk) {
    esk_egl_close(walk->items[--walk->count].egl);
}

/* Making a context. */

static bool has_display(const struct esk_egl *egl, const char *extension) {
    return esk_gl_has_word(egl->priv->extensions, extension);
}

static bool egl_at_least(const struct esk_egl *egl, int major, int minor) {
    const struct esk_egl_priv *priv = egl->priv;
    return priv->major > major || (priv->major == major && priv->minor >= minor);
}

/* One try with the wishes granted; the API must be bound to ES. */
static EGLContext try_context(struct esk_egl *egl, EGLConfig config, EGLContext share,
                              bool robust, bool debug) {
    EGLint attributes[16];
    int n = 0;
    bool versions = egl_at_least(egl, 1, 5) || has_display(egl, "EGL_KHR_create_context");
    attributes[n++] = EGL_CONTEXT_MAJOR_VERSION; /* the same token as CLIENT_VERSION */
    attributes[n++] = 3;
    if (versions) {
        attributes[n++] = EGL_CONTEXT_MINOR_VERSION;
        attributes[n++] = 1;
    }
    if (robust) {
        attributes[n++] = EGL_CONTEXT_OPENGL_ROBUST_ACCESS_EXT;
        attributes[n++] = EGL_TRUE;
        attributes[n++] = EGL_CONTEXT_OPENGL_RESET_NOTIFICATION_STRATEGY_EXT;
        attributes[n++] = EGL_LOSE_CONTEXT_ON_RESET_EXT;
    }
    if (debug && egl_at_least(egl, 1, 5)) {
        attributes[n++] = EGL_CONTEXT_OPENGL_DEBUG;
        attributes[n++] = EGL_TRUE;
    } else if (debug) {
        attributes[n++] = EGL_CONTEXT_FLAGS_KHR;
        attributes[n++] = EGL_CONTEXT_OPENGL_DEBUG_BIT_KHR;
    }
    attributes[n] = EGL_NONE;
    return egl->priv->api.CreateContext(egl->display, config, share, attributes);
}

/* The wishes (robust, debug) are dropped one by one where they are refused: that an EGL
 * says it knows them does not mean that it takes them (facts/peers.md 2g). */
static bool create_context(const struct walk *walk, struct esk_egl *egl,
                           EGLConfig config) {
    const struct esk_egl_options *options = walk->options;
    enum { ROBUST = 1, DEBUG = 2, DROPS = 4 };
    int wanted = 0;
    if (options->robust && has_display(egl, "EGL_EXT_create_context_robustness"))
        wanted |= ROBUST;
    if (options->debug &&
        (egl_at_least(egl, 1, 5) || has_display(egl, "EGL_KHR_create_context")))
        wanted |= DEBUG;
    for (int drop = 0; drop < DROPS; drop++) {
        if (drop & ~wanted)
            continue;
        int now = wanted & ~drop;
        egl->context =
            try_context(egl, config, options->share_context, now & ROBUST, now & DEBUG);
        if (egl->context) {
            egl->priv->config = config;
            egl->robust = now & ROBUST;
            egl->debug = now & DEBUG;
            return true;
        }
    }
    reason_add_call(egl, "eglCreateContext for OpenGL ES 3.1");
    return false;
}

static bool choose_config(struct esk_egl *egl, EGLint surface_type, EGLConfig *config) {
    bool es3 = egl_at_least(egl, 1, 5) || has_display(egl, "EGL_KHR_create_context");
    const EGLint attributes[] = {EGL_SURFACE_TYPE, surface_type, EGL_RENDERABLE_TYPE,
                                 es3 ? EGL_OPENGL_ES3_BIT : EGL_OPENGL_ES2_BIT, EGL_NONE};
    EGLint count = 0;
    if (!egl->priv->api.ChooseConfig(egl->display, attributes, config, 1, &count)) {
        reason_add_call(egl, "eglChooseConfig");
        return false;
    }
    if (count < 1)
        reason_add(egl, "no config for OpenGL ES 3%s",
                   surface_type ? " with a pbuffer" : "");
    return count >= 1;
}

/* Undoes what a try made; the display stays. */
static void drop_context(struct esk_egl *egl) {
    struct esk_egl_priv *priv = egl->priv;
    if (priv->surface)
        priv->api.DestroySurface(egl->display, priv->surface);
    if (egl->context)
        priv->api.DestroyContext(egl->display, egl->context);
    priv->surface = EGL_NO_SURFACE;
    egl->context = EGL_NO_CONTEXT;
}

/* The strings of the new context, and whether it will do. It was never current before, so
 * this also proves that it can be. */
static bool read_device(struct esk_egl *egl, bool software_device, bool *needs_pbuffer) {
    esk_error error = ESK_ERROR_INIT;
    struct esk_egl_saved saved;
    if (esk_egl_make_current(egl, &saved, &error) != ESK_OK) {
        reason_add(egl, "%s", esk_error_message(&error));
        esk_error_clear(&error);
        return false;
    }
    struct esk_gl gl = {0};
    struct esk_gl_info info = {0};
    bool good = esk_gl_load(&gl, esk_egl_get_proc, egl, &error) == ESK_OK &&
                esk_gl_info_read(&gl, &info, &error) == ESK_OK;
    /* whatever happens, the caller's context comes back; a failure to do so is told */
    esk_status back = esk_egl_restore(egl, &saved, good ? &error : NULL);
    if (!good || back != ESK_OK) {
        reason_add(egl, "%s", esk_error_message(&error));
        esk_error_clear(&error);
        return false;
    }
    struct esk_egl_device *device = &egl->device;
    snprintf(device->vendor, sizeof device->vendor, "%s", info.vendor);
    snprintf(device->renderer, sizeof device->renderer, "%s", info.renderer);
    snprintf(device->version, sizeof device->version, "%s", info.version);
    if (info.driver[0])
        snprintf(device->driver, sizeof device->driver, "%s %u.%u.%u", info.driver,
                 info.driver_version[0], info.driver_version[1], info.driver_version[2]);
    device->major = info.major;
    device->minor = info.minor;
    device->software = esk_gl_is_software(info.renderer, software_device);
    device->slow = info.quirks & ESK_QUIRK_SLOW_DEVICE;
    *needs_pbuffer = info.quirks & ESK_QUIRK_PBUFFER;
    return true;
}

/* Without config and surface; else with a config but no surface; else with a pbuffer. */
static bool bring_up_context(const struct walk *walk, struct candidate *item) {
    struct esk_egl *egl = item->egl;
    struct esk_egl_priv *priv = egl->priv;
    const bool surfaceless = has_display(egl, "EGL_KHR_surfaceless_context");
    const bool no_config = has_display(egl, "EGL_KHR_no_config_context") ||
                           has_display(egl, "EGL_MESA_configless_context");
    enum { NO_CONFIG, NO_SURFACE, PBUFFER, TRIES };
    bool pbuffer_only = walk->options->force_pbuffer;
    for (int try = NO_CONFIG; try < TRIES; try++) {
        EGLConfig config = NULL; /* EGL_NO_CONFIG_KHR */
        bool needs_pbuffer = false;
        if (try != PBUFFER && (!surfaceless || pbuffer_only))
            continue;
        if (try == NO_CONFIG && !no_config)
            continue;
        if (try != NO_CONFIG &&
            !choose_config(egl, try == PBUFFER ? EGL_PBUFFER_BIT : 0, &config))
            continue;
        if (!create_context(walk, egl, config))
            continue;
        if (try == PBUFFER) {
            const EGLint size[] = {EGL_WIDTH, 1, EGL_HEIGHT, 1, EGL_NONE};
            priv->surface = priv->api.CreatePbufferSurface(egl->display, config, size);
            if (!priv->surface)
                reason_add_call(egl, "eglCreatePbufferSurface");
        }
        if ((try != PBUFFER || priv->surface) &&
            read_device(egl, item->software_device, &needs_pbuffer)) {
            if (try == PBUFFER || !needs_pbuffer) {
                egl->device.reason[0] = 0; /* of earlier tries */
                return true;
            }
            pbuffer_only = true;
        }
        drop_context(egl);
    }
    if (!egl->device.reason[0])
        reason_add(egl, "no EGL_KHR_surfaceless_context and no pbuffer");
    return false;
}

/* Identity. */

static void describe_egl_device(struct esk_egl_api *api, EGLDeviceEXT device,
                                struct candidate *item) {
    const char *extensions =
        api->QueryDeviceString ? api->QueryDeviceString(device, EGL_EXTENSIONS) : NULL;
    item->device = device;
    if (!extensions)
        return;
    item->software_device = esk_gl_has_word(extensions, "EGL_MESA_device_software");
    const char *node = NULL;
    if (esk_gl_has_word(extensions, "EGL_EXT_device_drm_render_node"))
        node = api->QueryDeviceString(device, EGL_DRM_RENDER_NODE_FILE_EXT);
    if (!node && esk_gl_has_word(extensions, "EGL_EXT_device_drm"))
        node = api->QueryDeviceString(device, EGL_DRM_DEVICE_FILE_EXT);
    if (node && !item->egl->device.node[0])
        snprintf(item->egl->device.node, sizeof item->egl->device.node, "%s", node);
}

/* The device behind an initialised display, where EGL can tell. */
static void describe_display(struct esk_egl_api *api, struct candidate *item) {
    EGLAttrib device = 0;
    if (!item->device && api->QueryDisplayAttrib && api->QueryDeviceString &&
        (esk_gl_has_word(api->client_extensions, "EGL_EXT_device_query") ||
         esk_gl_has_word(api->client_extensions, "EGL_EXT_device_base")) &&
        api->QueryDisplayAttrib(item->egl->display, EGL_DEVICE_EXT, &device) && device)
        describe_egl_device(api, (EGLDeviceEXT)device, item);
    const char *driver =
        has_display(item->egl, "EGL_MESA_query_driver") && api->GetDisplayDriverName
            ? api->GetDisplayDriverName(item->egl->display)
            : NULL;
    snprintf(item->egl->device.egl_driver, sizeof item->egl->device.egl_driver, "%s",
             driver ? driver : "");
}

/* An earlier candidate on the same EGL device: no need of a context (and, on llvmpipe, of
 * a second pool of threads) to know what it is. */
static const struct candidate *same_egl_device(const struct walk *walk,
                                               const struct candidate *item) {
    for (const struct candidate *old = walk->items; item->device && old < item; old++)
        if (old->device == item->device && old->egl->device.renderer[0])
            return old;
    return NULL;
}

/* Whether the last candidate is one that was seen on an earlier rung. Two GPUs of one
 * model have the same strings: nodes tell them apart, or their places on one rung. */
static const struct candidate *seen_before(const struct walk *walk) {
    const struct candidate *item = &walk->items[walk->count - 1];
    const struct esk_egl_device *device = &item->egl->device;
    for (const struct candidate *old = walk->items; old < item; old++) {
        const struct esk_egl_device *other = &old->egl->device;
        if (!other->renderer[0] || strcmp(other->renderer, device->renderer) != 0)
            continue;
        bool nodes = other->node[0] && device->node[0];
        if (nodes ? strcmp(other->node, device->node) == 0
                  : device->software || strcmp(other->rung, device->rung) != 0)
            return old;
    }
    return NULL;
}

/* One rung's display to a candidate: initialise, make a context, read, judge. The last
 * candidate of the walk is the one. */
static void probe(struct walk *walk, struct candidate *item, EGLDisplay display) {
    const struct esk_egl_options *options = walk->options;
    struct esk_egl *egl = item->egl;
    struct esk_egl_priv *priv = egl->priv;
    if (!display) {
        reason_add_call(egl, "getting the EGLDisplay");
        return;
    }
    egl->display = display;
    if (!priv->api.Initialize(display, &priv->major, &priv->minor)) {
        reason_add_call(egl, "eglInitialize");
        return;
    }
    priv->owns_display = priv->gbm_device != NULL;
    const char *extensions = priv->api.QueryString(display, EGL_EXTENSIONS);
    priv->extensions = extensions ? extensions : "";
    priv->symbols_first = !egl_at_least(egl, 1, 5) &&
                          !has_display(egl, "EGL_KHR_get_all_proc_addresses") &&
                          !esk_gl_has_word(walk->api.client_extensions,
                                           "EGL_KHR_client_get_all_proc_addresses");
    describe_display(&walk->api, item);

    const struct candidate *old = same_egl_device(walk, item);
    if (!old) {
        EGLenum api = priv->api.QueryAPI();
        if (!priv->api.BindAPI(EGL_OPENGL_ES_API)) {
            reason_add_call(egl, "eglBindAPI(EGL_OPENGL_ES_API)");
            return;
        }
        bool made = bring_up_context(walk, item);
        priv->api.BindAPI(api);
        if (!made)
            return;
        old = seen_before(walk);
    }
    struct esk_egl_device *device = &egl->device;
    if (old) {
        esk_log(options->logger, ESK_LOG_VERBOSE, "egl: %s is %s again", device->place,
                old->egl->device.place);
        candidate_drop_last(walk);
        return;
    }
    if (device->software && !options->allow_software)
        reason_add(egl, "'%s' is a software renderer, and software is not allowed",
                   device->renderer);
    else if (options->refuse_softpipe && device->slow)
        reason_add(egl, "'%s' is refused: orders of magnitude slower than llvmpipe",
                   device->renderer);
    else
        device->usable = true;
    walk->stop = walk->first_hardware && device->usable && !device->software;
}

/* Rungs. Each adds candidates; false: out of memory. */

static bool add_failure(struct walk *walk, const char *rung, const char *reason) {
    struct candidate *item = candidate_add(walk, rung, "");
    if (item)
        reason_add(item->egl, "%s", reason);
    return item != NULL;
}

static EGLDisplay platform_display(const struct walk *walk, EGLenum platform,
                                   void *native) {
    return walk->api.GetPlatformDisplay
               ? walk->api.GetPlatformDisplay(platform, native, NULL)
               : EGL_NO_DISPLAY;
}

/* Numbers of /dev/dri/renderD*, ascending; how many. readdir, not scandir: Mesa's
 * drm-shim (boards without the hardware) stands between here and readdir only. */
static int render_nodes(int *numbers, int limit) {
    DIR *folder = opendir("/dev/dri");
    int count = 0, number, end;
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        end = 0;
        if (sscanf(entry->d_name, "renderD%d%n", &number, &end) != 1 ||
            entry->d_name[end] || count == limit)
            continue;
        int at = count++;
        for (; at > 0 && numbers[at - 1] > number; at--)
            numbers[at] = numbers[at - 1];
        numbers[at] = number;
    }
    if (folder)
        closedir(folder);
    return count;
}

static bool rung_gbm(struct walk *walk) {
    int numbers[64];
    int count = render_nodes(numbers, (int)COUNT_OF(numbers));
    if (!count)
        return add_failure(walk, "gbm", "no node /dev/dri/renderD*");
    if (!esk_gl_has_word(walk->api.client_extensions, "EGL_KHR_platform_gbm") &&
        !esk_gl_has_word(walk->api.client_extensions, "EGL_MESA_platform_gbm"))
        return add_failure(walk, "gbm", "EGL has no EGL_KHR_platform_gbm");
    const char *name =
        walk->options->gbm_library ? walk->options->gbm_library : "libgbm.so.1";
    void *library = esk_egl_library(name);
    if (!library) {
        const char *why = dlerror();
        char reason[200];
        snprintf(reason, sizeof reason, "%s cannot be loaded: %s", name, why ? why : "?");
        return add_failure(walk, "gbm", reason);
    }
    esk_egl_symbol(library, "gbm_create_device", &walk->gbm.create_device);
    esk_egl_symbol(library, "gbm_device_destroy", &walk->gbm.destroy_device);
    if (!walk->gbm.create_device || !walk->gbm.destroy_device)
        return add_failure(walk, "gbm", "libgbm has no gbm_create_device");
    for (int i = 0; i < count && !walk->stop; i++) {
        char node[64];
        snprintf(node, sizeof node, "/dev/dri/renderD%d", numbers[i]);
        struct candidate *item = candidate_add(walk, "gbm", node);
        if (!item)
            return false;
        struct esk_egl *egl = item->egl;
        memcpy(egl->device.node, node, sizeof node);
        egl->priv->fd = open(node, O_RDWR | O_CLOEXEC);
        if (egl->priv->fd < 0) {
            reason_add(egl, "cannot be opened: %s", strerror(errno));
            continue;
        }
        egl->priv->gbm_device = walk->gbm.create_device(egl->priv->fd);
        if (!egl->priv->gbm_device) {
            reason_add(egl, "gbm_create_device failed: %s", strerror(errno));
            continue;
        }
        probe(walk, item,
              platform_display(walk, EGL_PLATFORM_GBM_KHR, egl->priv->gbm_device));
    }
    return true;
}

static bool has_device_rung(const struct walk *walk) {
    const char *extensions = walk->api.client_extensions;
    bool listed = esk_gl_has_word(extensions, "EGL_EXT_device_enumeration") ||
                  esk_gl_has_word(extensions, "EGL_EXT_device_base");
    return listed && esk_gl_has_word(extensions, "EGL_EXT_platform_device") &&
           walk->api.QueryDevices;
}

static bool rung_device(struct walk *walk) {
    if (!has_device_rung(walk))
        return add_failure(walk, "device",
                           "EGL has no EGL_EXT_device_enumeration and "
                           "EGL_EXT_platform_device");
    EGLDeviceEXT devices[32];
    EGLint count = 0;
    if (!walk->api.QueryDevices((EGLint)COUNT_OF(devices), devices, &count)) {
        struct candidate *item = candidate_add(walk, "device", "");
        if (item)
            reason_add_call(item->egl, "eglQueryDevicesEXT");
        return item != NULL;
    }
    if (!count)
        return add_failure(walk, "device", "eglQueryDevicesEXT finds none");
    for (EGLint i = 0; i < count && !walk->stop; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        struct candidate *item = candidate_add(walk, "device", number);
        if (!item)
            return false;
        describe_egl_device(&walk->api, devices[i], item);
        probe(walk, item, platform_display(walk, EGL_PLATFORM_DEVICE_EXT, devices[i]));
    }
    return true;
}

static bool has_surfaceless_rung(const struct walk *walk) {
    return esk_gl_has_word(walk->api.client_extensions, "EGL_MESA_platform_surfaceless");
}

static bool rung_surfaceless(struct walk *walk) {
    /* the same device for sure: its display stays as it is, for a twin */
    for (size_t i = 0; walk->one_software && i < walk->count; i++)
        if (walk->items[i].software_device && walk->items[i].egl->device.usable) {
            esk_log(walk->options->logger, ESK_LOG_VERBOSE,
                    "egl: surfaceless is %s again", walk->items[i].egl->device.place);
            return true;
        }
    if (!has_surfaceless_rung(walk))
        return add_failure(walk, "surfaceless",
                           "EGL has no EGL_MESA_platform_surfaceless");
    struct candidate *item = candidate_add(walk, "surfaceless", "");
    if (item)
        probe(walk, item,
              platform_display(walk, EGL_PLATFORM_SURFACELESS_MESA, EGL_DEFAULT_DISPLAY));
    return item != NULL;
}

static bool rung_default(struct walk *walk) {
    struct candidate *item = candidate_add(walk, "default", "");
    if (item)
        probe(walk, item, walk->api.GetDisplay(EGL_DEFAULT_DISPLAY));
    return item != NULL;
}

static bool rung_foreign(struct walk *walk) {
    struct candidate *item = candidate_add(walk, "foreign", "");
    if (item)
        probe(walk, item, walk->options->display);
    return item != NULL;
}

static const struct {
    const char *name;
    bool (*add)(struct walk *walk);
} rungs[] = {
    {"gbm", rung_gbm},
    {"device", rung_device},
    {"surfaceless", rung_surfaceless},
    {"default", rung_default},
};

/* Whether the comma-separated filter has `name`; without a filter, always. */
static bool filter_has(const char *filter, const char *name) {
    size_t length = strlen(name);
    if (!filter)
        return true;
    for (size_t part; *filter; filter += part + (filter[part] == ',')) {
        part = strcspn(filter, ",");
        if (part == length && memcmp(filter, name, length) == 0)
            return true;
    }
    return false;
}

static esk_status filter_check(const char *filter, esk_error *error) {
    for (size_t part; filter && *filter; filter += part + (filter[part] == ',')) {
        part = strcspn(filter, ",");
        bool known = false;
        for (size_t i = 0; i < COUNT_OF(rungs); i++)
            known = known || (strlen(rungs[i].name) == part &&
                              memcmp(rungs[i].name, filter, part) == 0);
        if (!known)
            return esk_fail(
                error, ESK_INVALID_ARGUMENT,
                "egl: unknown rung '%.*s', not gbm, device, surfaceless or default",
                (int)part, filter);
    }
    return ESK_OK;
}

/* The inline twin. */

static const char lp_variable[] = "LP_NUM_THREADS";

static bool has_one_software_device(const struct walk *walk) {
    EGLDeviceEXT devices[2];
    EGLint count = 0;
    if (!has_device_rung(walk) || !walk->api.QueryDeviceString ||
        !walk->api.QueryDevices((EGLint)COUNT_OF(devices), devices, &count) || count != 1)
        return false;
    const char *extensions = walk->api.QueryDeviceString(devices[0], EGL_EXTENSIONS);
    return extensions && esk_gl_has_word(extensions, "EGL_MESA_device_software");
}

/* Initialises a display with LP_NUM_THREADS=0. Where the variable cannot be put back, it
 * is not changed. */
static bool initialize_inline(const struct esk_egl_api *api, EGLDisplay display,
                              EGLDisplay other) {
    const char *value = getenv(lp_variable);
    char *before = value ? esk_strdup(value) : NULL;
    if ((value && !before) || setenv(lp_variable, "0", 1) != 0) {
        esk_free(before);
        return false;
    }
    EGLint major, minor;
    bool done = api->Initialize(display, &major, &minor);
    if (done && other)
        api->Initialize(other, &major, &minor);
    if (before)
        setenv(lp_variable, before, 1);
    else
        unsetenv(lp_variable);
    esk_free(before);
    return done;
}

/* The display of the device rung's first device. */
static EGLDisplay first_device_display(const struct walk *walk) {
    EGLDeviceEXT device;
    EGLint count = 0;
    return walk->api.QueryDevices(1, &device, &count) && count
               ? platform_display(walk, EGL_PLATFORM_DEVICE_EXT, device)
               : EGL_NO_DISPLAY;
}

/* The twin's display, initialised inline by this call or an earlier one; else NULL, and
 * why. Asked before the walk touches any display. */
static EGLDisplay twin_display(const struct walk *walk, const char **why) {
    const struct esk_egl_options *options = walk->options;
    const char *threads = getenv(lp_variable);
    EGLDisplay display = EGL_NO_DISPLAY;
    *why = NULL;
    if (!walk->one_software || !has_surfaceless_rung(walk) || options->display ||
        !filter_has(options->rung, "device"))
        *why = "there is not one software device that two displays reach";
    else if (threads && strcmp(threads, "0") == 0)
        *why = "LP_NUM_THREADS is 0: all displays compute inline";
    else if (!(display = platform_display(walk, EGL_PLATFORM_SURFACELESS_MESA,
                                          EGL_DEFAULT_DISPLAY)))
        *why = "no surfaceless display";
    else if (walk->api.QueryString(display, EGL_VERSION))
        return display; /* initialised already: its threads are what they are */
    else if (!options->force_setenv && !esk_process_has_one_thread())
        *why = "LP_NUM_THREADS cannot be set: the process has other threads (option "
               "allowSetenv)";
    else if (!initialize_inline(&walk->api, display,
                                options->all_inline ? first_device_display(walk) : NULL))
        *why = "the surfaceless display does not come up";
    if (*why)
        walk->api.GetError(); /* of the question: it is answered */
    return *why ? EGL_NO_DISPLAY : display;
}

/* Sorting. */

/* Whether the firmware drew its screen on this GPU: in machines with two, the integrated
 * one. -1: not known. */
static int boot_gpu(const char *node) {
    const char *name = strrchr(node, '/');
    char path[128];
    if (!name)
        return -1;
    snprintf(path, sizeof path, "/sys/class/drm%s/device/boot_vga", name);
    FILE *file = fopen(path, "re");
    int digit = file ? fgetc(file) : EOF;
    if (file)
        fclose(file);
    return digit == '0' ? 0 : digit == '1' ? 1 : -1;
}

static int compare_candidates(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static void sort_candidates(struct walk *walk) {
    enum { PREFERRED, HARDWARE, SOFTWARE, UNUSABLE };
    enum esk_egl_power power = walk->options->power;
    for (size_t i = 0; i < walk->count; i++) {
        struct candidate *item = &walk->items[i];
        const struct esk_egl_device *device = &item->egl->device;
        item->rank = !device->usable ? UNUSABLE : device->software ? SOFTWARE : HARDWARE;
        if (item->rank == HARDWARE && power != ESK_POWER_DEFAULT &&
            boot_gpu(device->node) == (power == ESK_POWER_LOW))
            item->rank = PREFERRED;
    }
    if (walk->count)
        qsort(walk->items, walk->count, sizeof *walk->items, compare_candidates);
}

static void walk_finish(struct walk *walk) {
    for (size_t i = 0; i < walk->count; i++)
        esk_egl_close(walk->items[i].egl);
    esk_free(walk->items);
    *walk = (struct walk){0};
}

/* All rungs, sorted. On failure the walk is finished already. */
static esk_status walk_ladder(struct walk *walk, esk_error *error) {
    const struct esk_egl_options *options = walk->options;
    ESK_TRY(filter_check(options->rung, error));
    ESK_TRY(esk_egl_api_load(&walk->api, options->egl_library, error));
    bool memory = true;
    walk->one_software = !options->display && has_one_software_device(walk);
    const char *why;
    if (options->prepare_inline && !twin_display(walk, &why))
        esk_log(options->logger, ESK_LOG_INFO, "egl: no inline screen: %s", why);
    if (options->display)
        memory = rung_foreign(walk);
    for (size_t i = 0; !options->display && memory && !walk->stop && i < COUNT_OF(rungs);
         i++)
        if (filter_has(options->rung, rungs[i].name))
            memory = rungs[i].add(walk);
    if (!memory) {
        walk_finish(walk);
        return esk_fail_memory(error, "EGL devices");
    }
    sort_candidates(walk);
    for (size_t i = 0; i < walk->count; i++) {
        const struct esk_egl_device *device = &walk->items[i].egl->device;
        esk_log(options->logger, ESK_LOG_VERBOSE, "egl: %s: %s", device->place,
                device->usable ? device->renderer : device->reason);
    }
    return ESK_OK;
}

/* The face. */

static const struct esk_egl_options default_options;

esk_status esk_egl_list(const struct esk_egl_options *options,
                        struct esk_egl_device **devices, size_t *count,
                        esk_error *error) {
    struct walk walk = {.options = options ? options : &default_options};
    ESK_TRY(walk_ladder(&walk, error));
    struct esk_egl_device *made = esk_calloc(walk.count, sizeof *made);
    if (!made) {
        walk_finish(&walk);
        return esk_fail_memory(error, "EGL devices");
    }
    for (size_t i = 0; i < walk.count; i++)
        made[i] = walk.items[i].egl->device;
    *count = walk.count;
    walk_finish(&walk);
    *devices = made;
    return ESK_OK;
}

static esk_status fail_no_device(const struct walk *walk, uint32_t index, size_t usable,
                                 esk_error *error) {
    struct esk_text text = {0};
    for (size_t i = 0; i < walk->count; i++) {
        const struct esk_egl_device *device = &walk->items[i].egl->device;
        esk_text_add(&text, "%s%s: %s", i ? "; " : "", device->place,
                     device->usable ? device->renderer : device->reason);
    }
    esk_status status =
        usable ? esk_fail(error, ESK_NO_DEVICE,
                          "device %u: there are %zu usable OpenGL ES 3.1 devices: %s",
                          index, usable, esk_text_str(&text))
               : esk_fail(error, ESK_NO_DEVICE, "no usable OpenGL ES 3.1 device: %s",
                          walk->count ? esk_text_str(&text) : "no rung was tried");
    esk_text_finish(&text);
    return status;
}

esk_status esk_egl_open(const struct esk_egl_options *options, uint32_t index,
                        struct esk_egl **egl, esk_error *error) {
    struct walk walk = {.options = options ? options : &default_options};
    options = walk.options;
    walk.first_hardware = index == 0 && options->power == ESK_POWER_DEFAULT;
    ESK_TRY(walk_ladder(&walk, error));
    size_t usable = 0;
    while (usable < walk.count && walk.items[usable].egl->device.usable)
        usable++;
    if (index >= usable) {
        esk_status status = fail_no_device(&walk, index, usable, error);
        walk_finish(&walk);
        return status;
    }
    struct esk_egl *chosen = walk.items[index].egl;
    walk.items[index].egl = NULL;
    walk_finish(&walk);

    const struct esk_egl_device *device = &chosen->device;
    esk_log(options->logger, ESK_LOG_INFO, "device %u: %s, %s, over %s%s", index,
            device->renderer, device->version, device->place,
            device->software ? ", software" : "");
    if (options->robust && !chosen->robust)
        esk_log(options->logger, ESK_LOG_INFO, "device %u: no robust context", index);
    if (options->debug && !chosen->debug)
        esk_log(options->logger, ESK_LOG_INFO, "device %u: no debug context", index);
    if (device->slow)
        esk_log(
            options->logger, ESK_LOG_WARNING,
            "device %u: '%s' is orders of magnitude slower than llvmpipe; for tests only",
            index, device->renderer);
    *egl = chosen;
    return ESK_OK;
}

esk_status esk_egl_open_inline(const struct esk_egl *egl,
                               const struct esk_egl_options *options,
                               struct esk_egl **twin, esk_error *error) {
    struct walk walk = {.options = options ? options : &default_options,
                        .api = egl->priv->api};
    walk.one_software = has_one_software_device(&walk);
    const char *why = NULL;
    EGLDisplay display = NULL;
    if (strcmp(egl->device.rung, "device") != 0)
        why = "the device is not on the device rung";
    else
        display = twin_display(&walk, &why);
    if (!display)
        return esk_fail(error, ESK_UNSUPPORTED, "no inline screen: %s", why);
    struct candidate *item = candidate_add(&walk, "surfaceless", "");
    if (!item)
        return esk_fail_memory(error, "an inline screen");
    probe(&walk, item, display);
    struct esk_egl *made = item->egl;
    bool good =
        made->device.usable && strcmp(made->device.renderer, egl->device.renderer) == 0;
    if (good) {
        item->egl = NULL;
        *twin = made;
    } else
        esk_fail(error, ESK_UNSUPPORTED, "no inline screen: surfaceless is '%s'%s%s",
                 made->device.renderer, made->device.reason[0] ? ", " : "",
                 made->device.reason);
    walk_finish(&walk);
    return good ? ESK_OK : ESK_UNSUPPORTED;
}

void esk_egl_close(struct esk_egl *egl) {
    if (!egl)
        return;
    struct esk_egl_priv *priv = egl->priv;
    if (priv->pid == getpid()) {
        if (egl->context && priv->api.GetCurrentContext() == egl->context)
            priv->api.MakeCurrent(egl->display, EGL_NO_SURFACE, EGL_NO_SURFACE,
                                  EGL_NO_CONTEXT);
        drop_context(egl);
        if (priv->owns_display)
            priv->api.Terminate(egl->display);
        if (priv->gbm_device)
            priv->gbm.destroy_device(priv->gbm_device);
    }
    if (priv->fd >= 0)
        close(priv->fd);
    esk_free(priv);
    esk_free(egl);
}

static esk_status fail_call(struct esk_egl *egl, const char *call, esk_error *error) {
    unsigned code = (unsigned)egl->priv->api.GetError();
    return esk_fail(error, code == EGL_CONTEXT_LOST ? ESK_DEVICE_LOST : ESK_DEVICE_ERROR,
                    "%s failed: %s (0x%04x)", call, esk_egl_error_name(code), code);
}

esk_status esk_egl_twin(const struct esk_egl *egl, struct esk_egl **result,
                        esk_error *error) {
    struct esk_egl *twin = esk_calloc(1, sizeof *twin);
    struct esk_egl_priv *priv = esk_calloc(1, sizeof *priv);
    esk_status status = !twin || !priv       ? esk_fail_memory(error, "a second context")
                        : egl->priv->surface ? esk_fail(error, ESK_UNSUPPORTED,
                                                        "contexts need a surface each")
                                             : ESK_OK;
    if (status == ESK_OK) {
        *twin = *egl;
        twin->priv = priv;
        *priv = *egl->priv;
        priv->owns_display = false;
        priv->gbm_device = priv->gles = NULL;
        priv->fd = -1;
        EGLenum api = priv->api.QueryAPI();
        priv->api.BindAPI(EGL_OPENGL_ES_API);
        twin->context = try_context(twin, priv->config, egl->context, egl->robust, false);
        if (!twin->context)
            status = fail_call(twin, "eglCreateContext", error);
        priv->api.BindAPI(api);
    }
    if (status == ESK_OK) {
        *result = twin;
        return ESK_OK;
    }
    esk_free(priv);
    esk_free(twin);
    return status;
}

esk_status esk_egl_make_current(struct esk_egl *egl, struct esk_egl_saved *saved,
                                esk_error *error) {
    struct esk_egl_priv *priv = egl->priv;
    const struct esk_egl_api *api = &priv->api;
    if (priv->pid != getpid())
        return esk_fail(error, ESK_DEVICE_LOST,
                        "device '%s': opened by process %ld, not usable in its forked "
                        "child %ld",
                        egl->device.renderer, (long)priv->pid, (long)getpid());
    struct esk_egl_saved was = {.api = api->QueryAPI(),
                                .context = api->GetCurrentContext()};
    /* An API that holds no context here may hide one of ES: desktop GL and ES share one
     * place in EGL 1.5, not in all older ones. */
    if (!was.context && was.api != EGL_OPENGL_ES_API) {
        if (!api->BindAPI(EGL_OPENGL_ES_API))
            return fail_call(egl, "eglBindAPI(EGL_OPENGL_ES_API)", error);
        was.context = api->GetCurrentContext();
    }
    esk_status status = ESK_OK;
    if (was.context == egl->context) {
        was.nested = true;
    } else {
        if (was.context) {
            was.display = api->GetCurrentDisplay();
            was.draw = api->GetCurrentSurface(EGL_DRAW);
            was.read = api->GetCurrentSurface(EGL_READ);
        }
        if (!api->MakeCurrent(egl->display, priv->surface, priv->surface, egl->context))
            status = fail_call(egl, "eglMakeCurrent", error);
    }
    if ((was.nested || status != ESK_OK) && was.api != api->QueryAPI())
        api->BindAPI(was.api);
    if (status == ESK_OK)
        *saved = was;
    return status;
}

esk_status esk_egl_restore(struct esk_egl *egl, const struct esk_egl_saved *saved,
                           esk_error *error) {
    const struct esk_egl_api *api = &egl->priv->api;
    if (saved->nested)
        return ESK_OK;
    esk_status status = ESK_OK;
    if (saved->context) {
        if (!api->MakeCurrent(saved->display, saved->draw, saved->read, saved->context))
            status = fail_call(egl, "eglMakeCurrent of the caller's context", error);
    } else {
        /* releasing goes by the bound API */
        api->BindAPI(EGL_OPENGL_ES_API);
        if (!api->MakeCurrent(egl->display, EGL_NO_SURFACE, EGL_NO_SURFACE,
                              EGL_NO_CONTEXT))
            status = fail_call(egl, "eglMakeCurrent of no context", error);
    }
    if (saved->api != api->QueryAPI())
        api->BindAPI(saved->api);
    return status;
}

esk_gl_proc esk_egl_get_proc(void *user, const char *name) {
    struct esk_egl *egl = user;
    struct esk_egl_priv *priv = egl->priv;
    esk_gl_proc proc = NULL;
    if (!priv->symbols_first && (proc = priv->api.GetProcAddress(name)))
        return proc;
    if (!priv->gles)
        priv->gles = esk_egl_library("libGLESv2.so.2");
    if (priv->gles)
        esk_egl_symbol(priv->gles, name, &proc);
    return proc || !priv->symbols_first ? proc : priv->api.GetProcAddress(name);
}
