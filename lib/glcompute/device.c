/* Opening and listing devices; the provider's table. In: options; out: a device with its
 * context, limits and empty caches. Must not know plans. */
#include "glcompute/device.h"

#include "base/error.h"
#include "base/mem.h"
#include "glcompute/glcompute.h"

#include <string.h>

/* ---- the context ---- */

/* Calls that free objects of a context that is out of reach. */
static void GL_APIENTRY delete_objects(GLsizei n, const GLuint *ids) {
    (void)n, (void)ids;
}

static void GL_APIENTRY delete_object(GLuint id) {
    (void)id;
}

esk_status esk_gl_device_current(struct esk_device *device, struct esk_egl_saved *saved,
                                 esk_error *error) {
    if (device->lost)
        return esk_fail(error, ESK_DEVICE_LOST, "the device '%s' was lost",
                        device->facts.renderer);
    return esk_egl_make_current(device->egl, saved, error);
}

void esk_gl_device_current_to_free(struct esk_device *device,
                                   struct esk_egl_saved *saved) {
    if (esk_egl_make_current(device->egl, saved, NULL) == ESK_OK)
        return;
    device->lost = true;
    saved->nested = true; /* nothing to restore */
    device->gl.DeleteBuffers = delete_objects;
    device->gl.DeleteTextures = delete_objects;
    device->gl.DeleteShader = delete_object;
    device->gl.DeleteProgram = delete_object;
    device->gl.DeleteQueries = delete_objects;
    device->gl.validate = false;
}

void esk_gl_device_restore(struct esk_device *device, const struct esk_egl_saved *saved) {
    esk_error error = ESK_ERROR_INIT;
    if (!saved->nested && esk_egl_restore(device->egl, saved, &error) != ESK_OK)
        esk_log(&device->logger, ESK_LOG_ERROR, "the caller's context is not back: %s",
                esk_error_message(&error));
    esk_error_clear(&error);
}

/* ---- opening ---- */

static struct esk_egl_options egl_options(const struct esk_device_options *options,
                                          const struct esk_logger *log) {
    return (struct esk_egl_options){
        .logger = log,
        .allow_software = options->allow_software,
        .robust = options->robust,
        .debug = options->debug,
        .power = options->prefer_low_power ? ESK_POWER_LOW : ESK_POWER_DEFAULT,
    };
}

static struct esk_limits_options
limits_options(const struct esk_device_options *options) {
    return (struct esk_limits_options){
        .clamp_es31 = options->clamp,
        .read = options->read_path < 0                ? ESK_READ_CHOICE_AUTO
                : options->read_path == ESK_READ_SSBO ? ESK_READ_CHOICE_SSBO
                                                      : ESK_READ_CHOICE_IMAGE,
        .max_binding = options->max_binding,
    };
}

static void fill_facts(struct esk_device_facts *facts, const struct esk_egl_device *egl) {
    *facts = (struct esk_device_facts){
        .provider = "GLCompute",
        .rung = egl->rung,
        .vendor = egl->vendor,
        .renderer = egl->renderer,
        .version = egl->version,
        .driver = egl->driver,
        .node = egl->node,
        .software = egl->software,
        .unusable = egl->usable ? NULL : egl->reason,
    };
}

static void GL_APIENTRY debug_message(GLenum source, GLenum type, GLuint id,
                                      GLenum severity, GLsizei length,
                                      const GLchar *message, const void *user) {
    (void)source, (void)id, (void)length;
    if (type == GL_DEBUG_TYPE_PUSH_GROUP_KHR || type == GL_DEBUG_TYPE_POP_GROUP_KHR)
        return;
    esk_log(user,
            severity == GL_DEBUG_SEVERITY_HIGH_KHR ? ESK_LOG_WARNING : ESK_LOG_VERBOSE,
            "GL: %s", message);
}

/* With the context current: what the driver is and can do. */
static esk_status read_device(struct esk_device *device, esk_error *error) {
    const struct esk_device_options *options = &device->options;
    struct esk_limits_options wanted = limits_options(options);
    struct esk_gl *gl = &device->gl;
    ESK_TRY(esk_gl_load(gl, esk_egl_get_proc, device->egl, error));
    gl->validate = options->debug;
    ESK_TRY(esk_gl_info_read(gl, &device->info, error));
    device->info.software = device->egl->device.software;
    ESK_TRY(esk_limits_read(gl, &device->info, &wanted, &device->logger, &device->limits,
                            error));
    if (options->debug && gl->DebugMessageCallback) {
        ESK_GL(gl, DebugMessageCallback(debug_message, &device->logger));
        ESK_GL(gl, Enable(GL_DEBUG_OUTPUT_KHR));
        ESK_GL(gl, Enable(GL_DEBUG_OUTPUT_SYNCHRONOUS_KHR));
    }
    for (int a = 0; a < 3; a++) {
        device->max_groups[a] = device->limits.max_groups[a];
        if (options->max_groups && options->max_groups < device->max_groups[a])
            device->max_groups[a] = options->max_groups;
    }
    fill_facts(&device->facts, &device->egl->device);
    device->facts.limits = device->limits;
    device->facts.has_limits = true;
    return esk_gl_status(gl, "opening a device", error);
}

/* What a binary depends on besides its source. */
static void keep_programs(struct esk_device *device) {
    const struct esk_gl_info *info = &device->info;
    struct esk_text driver = {0};
    esk_text_add(&driver, "%s\n%s\n%s\n%s", info->vendor, info->renderer, info->version,
                 info->glsl);
    if (!driver.failed)
        esk_gl_programs_keep(&device->programs, device->options.cache_dir,
                             esk_text_str(&driver), &device->logger);
    esk_text_finish(&driver);
    device->options.cache_dir = NULL; /* the caller's */
}

static void gl_close(struct esk_device *device) {
    if (!device)
        return;
    if (device->programs.gl) {
        struct esk_egl_saved saved = {0};
        esk_gl_device_current_to_free(device, &saved);
        esk_gl_timer_destroy(device->timer);
        esk_gl_weights_finish(&device->weights);
        esk_gl_memory_finish(&device->memory);
        esk_gl_programs_finish(&device->programs);
        esk_gl_device_restore(device, &saved);
    }
    esk_egl_close(device->egl);
    pthread_mutex_destroy(&device->lock);
    esk_free(device);
}

static esk_status gl_open(const struct esk_device_options *options,
                          const struct esk_logger *log, struct esk_device **result,
                          esk_error *error) {
    struct esk_device *device = esk_calloc(1, sizeof *device);
    if (!device)
        return esk_fail_memory(error, "a device");
    device->options = *options;
    if (log)
        device->logger = *log;
    if (pthread_mutex_init(&device->lock, NULL) != 0) {
        esk_free(device);
        return esk_fail_memory(error, "a device's lock");
    }
    struct esk_egl_options wanted = egl_options(options, &device->logger);
    struct esk_egl_saved saved = {0};
    uint32_t index = options->device_id > 0 ? (uint32_t)options->device_id : 0;
    esk_status status = esk_egl_open(&wanted, index, &device->egl, error);
    if (status == ESK_OK)
        status = esk_egl_make_current(device->egl, &saved, error);
    if (status == ESK_OK) {
        status = read_device(device, error);
        if (status == ESK_OK) {
            device->memory = (struct esk_gl_memory){.gl = &device->gl,
                                                    .limits = &device->limits,
                                                    .counters = &device->counters,
                                                    .labels = options->debug};
            device->weights.memory = &device->memory;
            esk_gl_programs_init(&device->programs, &device->gl, esk_shaders,
                                 &device->counters);
            device->programs.labels = options->debug;
            keep_programs(device);
            esk_gl_warm_init(&device->warm, device->egl, &device->gl, &device->logger);
        }
        esk_gl_device_restore(device, &saved);
    }
    if (status != ESK_OK) {
        gl_close(device);
        return status;
    }
    esk_limits_log(&device->logger, &device->info, &device->limits);
    if (device->info.software)
        esk_log(&device->logger, ESK_LOG_WARNING,
                "device %u: '%s' is a software renderer: it computes on the CPU", index,
                device->facts.renderer);
    *result = device;
    return ESK_OK;
}

/* ---- listing ---- */

/* The limits of usable device `index`; without them if it does not open. */
static void list_limits(const struct esk_device_options *options,
                        const struct esk_logger *log, uint32_t index,
                        struct esk_device_facts *facts) {
    struct esk_egl_options wanted = egl_options(options, log);
    struct esk_limits_options limits_wanted = limits_options(options);
    struct esk_egl *egl = NULL;
    struct esk_egl_saved saved = {0};
    if (esk_egl_open(&wanted, index, &egl, NULL) != ESK_OK)
        return;
    if (esk_egl_make_current(egl, &saved, NULL) == ESK_OK) {
        struct esk_gl gl = {0};
        struct esk_gl_info info = {0};
        if (esk_gl_load(&gl, esk_egl_get_proc, egl, NULL) == ESK_OK &&
            esk_gl_info_read(&gl, &info, NULL) == ESK_OK) {
            info.software = egl->device.software;
            facts->has_limits = esk_limits_read(&gl, &info, &limits_wanted, log,
                                                &facts->limits, NULL) == ESK_OK;
        }
        esk_egl_restore(egl, &saved, NULL);
    }
    esk_egl_close(egl);
}

static esk_status gl_list(const struct esk_device_options *options,
                          const struct esk_logger *log, struct esk_device_facts **list,
                          size_t *count, esk_error *error) {
    struct esk_egl_options wanted = egl_options(options, log);
    struct esk_egl_device *devices = NULL;
    size_t n = 0;
    *list = NULL;
    *count = 0;
    esk_status status = esk_egl_list(&wanted, &devices, &n, error);
    if (status != ESK_OK) /* no libEGL: an empty list, and `error` says so */
        return status == ESK_OUT_OF_MEMORY || status == ESK_INVALID_ARGUMENT ? status
                                                                             : ESK_OK;
    /* the strings lie behind the list, in one piece */
    struct esk_device_facts *facts =
        n ? esk_calloc(n, sizeof *facts + sizeof *devices) : NULL;
    if (n && !facts) {
        esk_free(devices);
        return esk_fail_memory(error, "a list of devices");
    }
    struct esk_egl_device *strings = n ? (void *)(facts + n) : NULL;
    bool usable = false;
    for (size_t i = 0; i < n; i++) {
        strings[i] = devices[i];
        fill_facts(&facts[i], &strings[i]);
        if (!devices[i].usable)
            continue;
        usable = true;
        list_limits(options, log, (uint32_t)i, &facts[i]);
    }
    if (!usable) {
        struct esk_text why = {0};
        for (size_t i = 0; i < n; i++)
            esk_text_add(&why, "%s%s: %s", i ? "; " : "", devices[i].place,
                         devices[i].reason);
        esk_fail(error, ESK_NO_DEVICE, "%s",
                 n ? esk_text_str(&why) : "EGL offers no device");
        esk_text_finish(&why);
    }
    esk_free(devices);
    *list = facts;
    *count = n;
    return ESK_OK;
}

static void gl_list_free(struct esk_device_facts *list, size_t count) {
    (void)count;
    esk_free(list);
}

static const struct esk_device_facts *gl_facts(const struct esk_device *device) {
    return &device->facts;
}

static void gl_counters(struct esk_device *device, struct esk_counters *counters) {
    pthread_mutex_lock(&device->lock);
    *counters = device->counters;
    pthread_mutex_unlock(&device->lock);
}

const struct esk_provider esk_glcompute_provider = {
    .name = "GLCompute",
    .list = gl_list,
    .list_free = gl_list_free,
    .open = gl_open,
    .close = gl_close,
    .facts = gl_facts,
    .counters = gl_counters,
    .prepare = esk_gl_prepare,
    .unprepare = esk_gl_unprepare,
    .lease = esk_gl_lease,
    .release = esk_gl_release,
    .run_stage = esk_gl_run_stage,
    .watch = esk_gl_watch,
    .dump = esk_gl_dump,
    .source = esk_gl_source,
};
