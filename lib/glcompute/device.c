/* Opening and listing devices; screens; the provider's table. In: options; out: a device
 * with its limits, and screens with a context and empty caches. Must not know what plans
 * compute. */
#include "glcompute/device.h"

#include "base/error.h"
#include "base/mem.h"
#include "glcompute/glcompute.h"
#include "glcompute/proof.h"
#include "glcompute/tensor.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the context ---- */

/* Calls that free objects of a context that is out of reach. */
static void GL_APIENTRY delete_objects(GLsizei n, const GLuint *ids) {
    (void)n, (void)ids;
}

static void GL_APIENTRY delete_object(GLuint id) {
    (void)id;
}

esk_status esk_gl_screen_current(struct esk_gl_screen *screen,
                                 struct esk_egl_saved *saved, esk_error *error) {
    if (screen->lost)
        return esk_fail(error, ESK_DEVICE_LOST, "the device '%s' was lost",
                        screen->device->facts.renderer);
    return esk_egl_make_current(screen->egl, saved, error);
}

void esk_gl_screen_current_to_free(struct esk_gl_screen *screen,
                                   struct esk_egl_saved *saved) {
    if (esk_egl_make_current(screen->egl, saved, NULL) == ESK_OK)
        return;
    screen->lost = true;
    saved->nested = true; /* nothing to restore */
    screen->gl.DeleteBuffers = delete_objects;
    screen->gl.DeleteTextures = delete_objects;
    screen->gl.DeleteShader = delete_object;
    screen->gl.DeleteProgram = delete_object;
    screen->gl.DeleteQueries = delete_objects;
    screen->gl.validate = false;
}

void esk_gl_screen_restore(struct esk_gl_screen *screen,
                           const struct esk_egl_saved *saved) {
    esk_error error = ESK_ERROR_INIT;
    if (!saved->nested && esk_egl_restore(screen->egl, saved, &error) != ESK_OK)
        esk_log(&screen->device->logger, ESK_LOG_ERROR,
                "the caller's context is not back: %s", esk_error_message(&error));
    esk_error_clear(&error);
}

/* ---- opening ---- */

/* Auto: where the pool would be two threads, whose work two lanes do, and programs
 * come from the driver's cache. Known before a display is touched. */
static bool wants_lanes(const struct esk_device_options *options) {
    const struct esk_gl_info llvmpipe = {.quirks = ESK_QUIRK_THREAD_POOL};
    const char *no_cache = getenv("MESA_SHADER_CACHE_DISABLE");
    cpu_set_t cpus;
    if (options->threads != ESK_THREADS_AUTO)
        return options->threads == ESK_THREADS_LANES;
    if (no_cache && strcmp(no_cache, "0") != 0 && strcmp(no_cache, "false") != 0)
        return false;
    return sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) > 1 &&
           esk_gl_pool_threads(&llvmpipe, getenv("LP_NUM_THREADS"),
                               sysconf(_SC_NPROCESSORS_ONLN)) == 2;
}

static struct esk_egl_options egl_options(const struct esk_device_options *options,
                                          const struct esk_logger *log) {
    return (struct esk_egl_options){
        .logger = log,
        .allow_software = options->allow_software,
        .robust = options->robust,
        .debug = options->debug,
        .power = options->prefer_low_power ? ESK_POWER_LOW : ESK_POWER_DEFAULT,
        .display = options->display,
        .share_context = options->share_context,
        .prepare_inline = options->threads != ESK_THREADS_POOL,
        .all_inline = wants_lanes(options),
        .force_setenv = options->allow_setenv,
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

static void close_screen(struct esk_gl_screen *screen) {
    if (!screen)
        return;
    if (screen->programs.gl) {
        struct esk_egl_saved saved = {0};
        esk_gl_screen_current_to_free(screen, &saved);
        esk_gl_weights_finish(&screen->weights);
        esk_gl_memory_finish(&screen->memory);
        esk_gl_lane_close(screen->lane); /* behind all that it may have pinned */
        esk_gl_programs_finish(&screen->programs);
        esk_gl_screen_restore(screen, &saved);
    }
    esk_egl_close(screen->egl);
    pthread_mutex_destroy(&screen->lock);
    esk_free(screen);
}

/* What a binary depends on besides its source. */
static void keep_programs(struct esk_gl_screen *screen) {
    struct esk_device *device = screen->device;
    const struct esk_gl_info *info = &device->info;
    struct esk_text driver = {0};
    esk_text_add(&driver, "%s\n%s\n%s\n%s", info->vendor, info->renderer, info->version,
                 info->glsl);
    if (!driver.failed)
        esk_gl_programs_keep(&screen->programs, device->options.cache_dir,
                             esk_text_str(&driver), &device->logger);
    esk_text_finish(&driver);
}

/* With the context current. The device's first screen says what the driver can do. */
static esk_status fill_screen(struct esk_device *device, struct esk_gl_screen *screen,
                              esk_error *error) {
    const struct esk_device_options *options = &device->options;
    struct esk_gl *gl = &screen->gl;
    ESK_TRY(esk_gl_load(gl, esk_egl_get_proc, screen->egl, error));
    gl->validate = options->debug;
    if (!device->screen) {
        struct esk_limits_options wanted = limits_options(options);
        ESK_TRY(esk_gl_info_read(gl, &device->info, error));
        device->info.software = screen->egl->device.software;
        ESK_TRY(esk_limits_read(gl, &device->info, &wanted, &device->logger,
                                &device->limits, error));
    }
    if (options->debug && gl->DebugMessageCallback) {
        ESK_GL(gl, DebugMessageCallback(debug_message, &device->logger));
        ESK_GL(gl, Enable(GL_DEBUG_OUTPUT_KHR));
        ESK_GL(gl, Enable(GL_DEBUG_OUTPUT_SYNCHRONOUS_KHR));
    }
    screen->memory = (struct esk_gl_memory){.gl = gl,
                                            .limits = &device->limits,
                                            .counters = &screen->counters,
                                            .labels = options->debug};
    const enum esk_cache_mode modes[ESK_GL_POOLS] = {
        [ESK_GL_POOL_STORAGE] = options->cache_storage,
        [ESK_GL_POOL_UNIFORM] = options->cache_uniform,
        [ESK_GL_POOL_DEFAULT] = options->cache_default,
        [ESK_GL_POOL_QUERY] = options->cache_query,
    };
    for (int i = 0; i < ESK_GL_POOLS; i++)
        screen->memory.pools[i] =
            (struct esk_gl_cache){.mode = modes[i], .most = device->limits.max_binding};
    screen->weights.memory = &screen->memory;
    esk_gl_programs_init(&screen->programs, gl, esk_shaders, &screen->counters);
    screen->programs.labels = options->debug;
    screen->programs.late = device->info.quirks & ESK_QUIRK_LATE_COMPILE;
    keep_programs(screen);
    esk_gl_warm_init(&screen->warm, screen->egl, gl, &device->logger);
    return esk_gl_status(gl, "opening a device", error);
}

/* Takes `egl`, also on failure. */
static esk_status make_screen(struct esk_device *device, struct esk_egl *egl,
                              struct esk_gl_screen **result, esk_error *error) {
    struct esk_gl_screen *screen = esk_calloc(1, sizeof *screen);
    if (!screen || pthread_mutex_init(&screen->lock, NULL) != 0) {
        esk_free(screen);
        esk_egl_close(egl);
        return esk_fail_memory(error, "a screen");
    }
    screen->device = device;
    screen->egl = egl;
    struct esk_egl_saved saved = {0};
    esk_status status = esk_egl_make_current(egl, &saved, error);
    if (status == ESK_OK) {
        status = fill_screen(device, screen, error);
        esk_gl_screen_restore(screen, &saved);
    }
    if (status != ESK_OK) {
        close_screen(screen);
        return status;
    }
    *result = screen;
    return ESK_OK;
}

/* ---- how the first screen computes ---- */

/* With the screen current and inline. */
static esk_status open_lane(struct esk_gl_screen *screen, esk_error *error) {
    struct esk_device *device = screen->device;
    struct esk_egl_options wanted = egl_options(&device->options, &device->logger);
    struct esk_egl *egl;
    ESK_TRY(esk_egl_open_inline(screen->egl, &wanted, &egl, error));
    return esk_gl_lane_open(egl, &screen->memory, &screen->programs, &device->logger,
                            &screen->lane, error);
}

/* Whether the first screen's display has the driver's pool, as it is made, or was made
 * inline for lanes, by this env or an earlier one; then the second lane. On llvmpipe. */
static void settle_threads(struct esk_device *device) {
    struct esk_gl_screen *screen = device->screen;
    enum esk_threads threads = device->options.threads;
    struct esk_egl_saved saved;
    esk_error why = ESK_ERROR_INIT;
    if ((threads != ESK_THREADS_POOL && !wants_lanes(&device->options)) ||
        esk_gl_screen_current(screen, &saved, NULL) != ESK_OK)
        return;
    screen->is_inline = esk_gl_computes_inline(&screen->gl);
    if (threads == ESK_THREADS_POOL) {
        if (screen->is_inline)
            esk_log(&device->logger, ESK_LOG_WARNING,
                    "threads=pool: this process's display computes inline already");
    } else if (!screen->is_inline) {
        esk_log(&device->logger,
                threads == ESK_THREADS_LANES ? ESK_LOG_WARNING : ESK_LOG_INFO,
                "no second lane: the display has a pool of %u threads",
                device->limits.pool_threads);
    } else if (open_lane(screen, &why) != ESK_OK) {
        esk_log(&device->logger, ESK_LOG_WARNING,
                "no second lane, all is computed by the calling thread: %s",
                esk_error_message(&why));
    } else
        esk_log(&device->logger, ESK_LOG_INFO, "a second lane is open");
    esk_error_clear(&why);
    esk_gl_screen_restore(screen, &saved);
}

static void gl_close(struct esk_device *device) {
    if (!device)
        return;
    close_screen(device->twin);
    close_screen(device->screen);
    pthread_mutex_destroy(&device->lock);
    esk_free(device->cache_dir);
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
    if (options->cache_dir && !(device->cache_dir = esk_strdup(options->cache_dir))) {
        gl_close(device);
        return esk_fail_memory(error, "a device");
    }
    device->options.cache_dir = device->cache_dir;
    struct esk_egl_options wanted = egl_options(options, &device->logger);
    struct esk_egl *egl = NULL;
    /* on the caller's display there is one: its number is the caller's name for it */
    uint32_t index =
        options->device_id > 0 && !options->display ? (uint32_t)options->device_id : 0;
    esk_status status = esk_egl_open(&wanted, index, &egl, error);
    if (status == ESK_OK)
        status = make_screen(device, egl, &device->screen, error);
    if (status != ESK_OK) {
        gl_close(device);
        return status;
    }
    if (device->limits.pool_threads)
        settle_threads(device);
    device->limits.winograd = options->winograd;
    device->limits.shared_tiles = options->shared_tiles;
    for (int a = 0; a < 3; a++) {
        device->max_groups[a] = device->limits.max_groups[a];
        if (options->max_groups && options->max_groups < device->max_groups[a])
            device->max_groups[a] = options->max_groups;
    }
    fill_facts(&device->facts, &device->screen->egl->device);
    device->facts.limits = device->limits;
    device->facts.has_limits = true;
    esk_limits_log(&device->logger, &device->info, &device->limits);
    if (device->info.software)
        esk_log(&device->logger, ESK_LOG_WARNING,
                "device %u: '%s' is a software renderer: it computes on the CPU", index,
                device->facts.renderer);
    *result = device;
    return ESK_OK;
}

/* ---- the inline screen ---- */

static esk_status open_twin(struct esk_device *device, esk_error *error) {
    struct esk_egl_options wanted = egl_options(&device->options, &device->logger);
    struct esk_gl_screen *twin;
    struct esk_egl *egl;
    ESK_TRY(esk_egl_open_inline(device->screen->egl, &wanted, &egl, error));
    ESK_TRY(make_screen(device, egl, &twin, error));
    struct esk_egl_saved saved = {0};
    esk_status status = esk_gl_screen_current(twin, &saved, error);
    if (status == ESK_OK) {
        if (!esk_gl_computes_inline(&twin->gl))
            status = esk_fail(error, ESK_UNSUPPORTED,
                              "no inline screen: the display has threads already");
        esk_gl_screen_restore(twin, &saved);
    }
    if (status != ESK_OK) {
        close_screen(twin);
        return status;
    }
    twin->is_inline = true;
    esk_log(&device->logger, ESK_LOG_INFO, "an inline screen is open");
    device->twin = twin;
    return ESK_OK;
}

/* Bytes of a plan's weights that a screen (may be NULL) has already. */
static uint64_t held_bytes(struct esk_gl_screen *screen, const struct esk_plan *plan) {
    uint64_t bytes = 0;
    if (!screen)
        return 0;
    pthread_mutex_lock(&screen->lock);
    for (uint32_t i = 0; i < plan->n_forms; i++)
        if (plan->forms[i].shared)
            bytes +=
                esk_gl_form_held(&screen->weights, plan->graph, &plan->forms[i].form);
    pthread_mutex_unlock(&screen->lock);
    return bytes;
}

/* By the estimates, but weights are held twice only where that gains a third. */
static bool prefers_inline(struct esk_device *device, const struct esk_plan *plan,
                           const struct esk_gl_cost *cost) {
    enum esk_threads threads = device->options.threads;
    if (threads == ESK_THREADS_POOL || threads == ESK_THREADS_INLINE)
        return threads == ESK_THREADS_INLINE;
    double chosen = cost->is_inline ? cost->inlined : cost->pool;
    double other = cost->is_inline ? cost->pool : cost->inlined;
    if (chosen * 1.5 < other || !plan->n_forms)
        return cost->is_inline;
    pthread_mutex_lock(&device->lock);
    struct esk_gl_screen *twin = device->twin;
    pthread_mutex_unlock(&device->lock);
    uint64_t pool = held_bytes(device->screen, plan), inlined = held_bytes(twin, plan);
    return pool == inlined ? cost->is_inline : inlined > pool;
}

struct esk_gl_screen *esk_gl_device_choose(struct esk_device *device,
                                           const struct esk_plan *plan,
                                           struct esk_gl_cost *cost) {
    *cost = (struct esk_gl_cost){0};
    if (!device->limits.pool_threads)
        return device->screen;
    *cost = esk_gl_cost_make(plan, device->limits.pool_threads);
    if (device->screen->is_inline) { /* there is no pool */
        cost->is_inline = true;
        cost->by_lanes = device->screen->lane &&
                         (cost->by_lanes || device->options.threads == ESK_THREADS_LANES);
        return device->screen;
    }
    cost->by_lanes = false;
    cost->is_inline = prefers_inline(device, plan, cost);
    if (!cost->is_inline)
        return device->screen;
    pthread_mutex_lock(&device->lock);
    if (!device->twin && !device->no_twin) {
        esk_error why = ESK_ERROR_INIT;
        if (open_twin(device, &why) != ESK_OK) {
            esk_log(&device->logger,
                    device->options.threads == ESK_THREADS_INLINE ? ESK_LOG_WARNING
                                                                  : ESK_LOG_INFO,
                    "%s; plans run on the pool of %u threads", esk_error_message(&why),
                    device->limits.pool_threads);
            device->no_twin = true;
        }
        esk_error_clear(&why);
    }
    struct esk_gl_screen *twin = device->twin;
    pthread_mutex_unlock(&device->lock);
    cost->is_inline = twin != NULL;
    return twin ? twin : device->screen;
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
    struct esk_text why = {0};
    for (size_t i = 0; i < n; i++) {
        strings[i] = devices[i];
        fill_facts(&facts[i], &strings[i]);
        if (devices[i].usable)
            list_limits(options, log, (uint32_t)i, &facts[i]);
        else
            esk_text_add(&why, "%s%s: %s", why.length ? "\n" : "", devices[i].place,
                         devices[i].reason);
    }
    if (why.length || !n)
        esk_fail(error, ESK_NO_DEVICE, "%s",
                 n ? esk_text_str(&why) : "EGL offers no device");
    esk_text_finish(&why);
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

static void add_counters(struct esk_gl_screen *screen, struct esk_counters *sum) {
    pthread_mutex_lock(&screen->lock);
    const struct esk_counters *c = &screen->counters;
    sum->programs += c->programs;
    sum->dispatches += c->dispatches;
    sum->inline_dispatches += c->inline_dispatches;
    sum->recorded += c->recorded;
    sum->buffers_created += c->buffers_created;
    sum->buffers_destroyed += c->buffers_destroyed;
    sum->buffer_bytes += c->buffer_bytes;
    sum->buffer_peak += c->buffer_peak;
    for (int i = 0; i < ESK_GL_POOLS; i++) {
        const struct esk_gl_cache *pool = &screen->memory.pools[i];
        sum->cached_buffers += pool->count;
        sum->cached_bytes += pool->bytes;
        sum->cache_hits += pool->hits;
    }
    sum->form_bytes += c->form_bytes;
    sum->forms += c->forms;
    sum->uploads += c->uploads;
    sum->readbacks += c->readbacks;
    sum->upload_bytes += c->upload_bytes;
    sum->readback_bytes += c->readback_bytes;
    pthread_mutex_unlock(&screen->lock);
}

static bool gl_lost(struct esk_device *device) {
    pthread_mutex_lock(&device->lock);
    struct esk_gl_screen *screens[] = {device->screen, device->twin};
    pthread_mutex_unlock(&device->lock);
    bool lost = false;
    for (int i = 0; i < 2; i++)
        if (screens[i]) {
            pthread_mutex_lock(&screens[i]->lock);
            lost |= screens[i]->lost;
            pthread_mutex_unlock(&screens[i]->lock);
        }
    return lost;
}

static void gl_counters(struct esk_device *device, struct esk_counters *counters) {
    *counters = (struct esk_counters){0};
    add_counters(device->screen, counters);
    pthread_mutex_lock(&device->lock);
    struct esk_gl_screen *twin = device->twin;
    pthread_mutex_unlock(&device->lock);
    if (twin)
        add_counters(twin, counters);
}

const struct esk_provider esk_glcompute_provider = {
    .name = "GLCompute",
    .list = gl_list,
    .list_free = gl_list_free,
    .open = gl_open,
    .close = gl_close,
    .facts = gl_facts,
    .lost = gl_lost,
    .counters = gl_counters,
    .prepare = esk_gl_prepare,
    .unprepare = esk_gl_unprepare,
    .settle = esk_gl_settle,
    .lease = esk_gl_lease,
    .release = esk_gl_release,
    .bind = esk_gl_bind,
    .run_stage = esk_gl_run_stage,
    .watch = esk_gl_watch,
    .tensor_create = esk_gl_tensor_create,
    .tensor_wrap = esk_gl_tensor_wrap,
    .tensor_destroy = esk_gl_tensor_destroy,
    .tensor_write = esk_gl_tensor_write,
    .tensor_read = esk_gl_tensor_read,
    .tensor_copy = esk_gl_tensor_copy,
    .dump = esk_gl_dump,
    .source = esk_gl_source,
};
