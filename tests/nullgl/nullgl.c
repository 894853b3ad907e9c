/* A libEGL.so.1 whose driver computes nothing: buffers are memory, programs always link,
 * dispatches are counted. In: calls of the loader; out: the answers of a small ES 3.1
 * device, and faults on request (nullgl.h). For ThreadSanitizer and for what no driver
 * does on purpose; must not know Esker. */
#include "nullgl.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GL_GLES_PROTOTYPES 0
#include <GLES3/gl31.h>

#define EXPORT __attribute__((visibility("default")))

/* ---- state; one context is current in one thread, objects are behind a lock ---- */

enum { BUFFERS = 4096, TARGETS = 16 };

static bool unreachable; /* a context that could not be made current any more */

static int
    displays[NULLGL_DEVICES]; /* their addresses, and their devices', count alone */

static int surfaceless;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct buffer {
    unsigned char *data;
    GLsizeiptr size;
    int used, mapped;
    int pinned; /* the data is another's */
} buffers[BUFFERS];
static GLuint names;
static struct nullgl_faults faults;
static struct nullgl_devices devices;
static struct nullgl_seen seen;
static struct nullgl_live live; /* but for buffers, which are counted when asked */
static _Thread_local void *current, *current_display, *current_draw, *current_read;
static _Thread_local GLenum error;
static _Thread_local GLuint block;           /* storage block 0 */
static _Thread_local int egl_error = 0x3000; /* EGL_SUCCESS */
static _Thread_local struct {
    GLenum target;
    GLuint name;
} bound[TARGETS];
static _Thread_local unsigned api = 0x30A0;

EXPORT void nullgl_set(const struct nullgl_faults *wanted) {
    pthread_mutex_lock(&lock);
    faults = *wanted;
    pthread_mutex_unlock(&lock);
}

EXPORT void nullgl_list(const struct nullgl_devices *wanted) {
    pthread_mutex_lock(&lock);
    devices = *wanted;
    pthread_mutex_unlock(&lock);
}

EXPORT void *nullgl_display(int device) {
    return &displays[device];
}

EXPORT void nullgl_see(struct nullgl_seen *what) {
    pthread_mutex_lock(&lock);
    *what = seen;
    seen = (struct nullgl_seen){0};
    pthread_mutex_unlock(&lock);
}

EXPORT long nullgl_find(uint32_t even, uint32_t odd) {
    long found = 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < BUFFERS; i++) {
        const uint32_t *words = (const void *)buffers[i].data;
        GLsizeiptr n = buffers[i].size / 4, at = 0;
        while (at < n && words[at] == (at & 1 ? odd : even))
            at++;
        found += buffers[i].used && n && at == n;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

EXPORT void nullgl_fill(unsigned char byte) {
    pthread_mutex_lock(&lock);
    for (int i = 0; i < BUFFERS; i++)
        if (buffers[i].data)
            memset(buffers[i].data, byte, (size_t)buffers[i].size);
    pthread_mutex_unlock(&lock);
}

EXPORT void nullgl_count(struct nullgl_live *counts) {
    pthread_mutex_lock(&lock);
    *counts = live;
    for (int i = 0; i < BUFFERS; i++) {
        counts->buffers += buffers[i].used;
        counts->mapped += buffers[i].used && buffers[i].mapped;
    }
    pthread_mutex_unlock(&lock);
}

static void count(long *which, long change) {
    pthread_mutex_lock(&lock);
    *which += change;
    pthread_mutex_unlock(&lock);
}

/* The device of a display; the first where none is listed. */
static int device_of(const void *display) {
    for (int i = 0; i < NULLGL_DEVICES; i++)
        if (display == &displays[i])
            return i;
    return 0;
}

static struct nullgl_faults now(void) {
    pthread_mutex_lock(&lock);
    struct nullgl_faults copy = faults;
    pthread_mutex_unlock(&lock);
    return copy;
}

/* ---- GL ---- */

static GLenum get_error(void) {
    GLenum code = error;
    error = 0;
    return code;
}

static const GLubyte *get_string(GLenum name) {
    switch (name) {
    case GL_VENDOR:
        return (const GLubyte *)"nobody";
    case GL_RENDERER:
        return (const GLubyte *)(devices.count
                                     ? devices.items[device_of(current_display)].renderer
                                     : "null");
    case GL_VERSION:
        return (const GLubyte *)(devices.surfaceless ? "OpenGL ES 3.1 Mesa 22.3.6"
                                                     : "OpenGL ES 3.1 null");
    default:
        return (const GLubyte *)"OpenGL ES GLSL ES 3.10";
    }
}

static const char *const extensions[] = {"GL_KHR_robustness", "GL_EXT_texture_buffer",
                                         "GL_KHR_debug"};
enum { EXTENSIONS = sizeof extensions / sizeof *extensions };

static const GLubyte *get_stringi(GLenum name, GLuint index) {
    (void)name;
    return (const GLubyte *)(index < EXTENSIONS ? extensions[index] : "");
}

static void get_integer64(GLenum name, GLint64 *value) {
    switch (name) {
    case GL_NUM_EXTENSIONS:
        *value = EXTENSIONS;
        break;
    case 0x8C2B: /* GL_MAX_TEXTURE_BUFFER_SIZE */
        *value = 65536;
        break;
    case GL_MAX_COMPUTE_WORK_GROUP_INVOCATIONS:
        *value = 256;
        break;
    case GL_MAX_COMPUTE_SHARED_MEMORY_SIZE:
        *value = 32768;
        break;
    case GL_MAX_COMPUTE_SHADER_STORAGE_BLOCKS:
    case GL_MAX_SHADER_STORAGE_BUFFER_BINDINGS:
    case GL_MAX_COMPUTE_IMAGE_UNIFORMS:
    case GL_MAX_IMAGE_UNITS:
        *value = 8;
        break;
    case GL_MAX_COMBINED_SHADER_OUTPUT_RESOURCES:
        *value = 16;
        break;
    case GL_MAX_UNIFORM_BLOCK_SIZE:
        *value = 65536;
        break;
    case GL_UNIFORM_BUFFER_OFFSET_ALIGNMENT:
    case GL_SHADER_STORAGE_BUFFER_OFFSET_ALIGNMENT:
        *value = 16;
        break;
    case GL_MAX_SHADER_STORAGE_BLOCK_SIZE:
        *value = 128 << 20;
        break;
    default:
        *value = 0;
    }
}

static void get_integer(GLenum name, GLint *value) {
    GLint64 wide;
    get_integer64(name, &wide);
    *value = (GLint)wide;
}

static void get_indexed(GLenum name, GLuint index, GLint *value) {
    *value = name == GL_MAX_COMPUTE_WORK_GROUP_SIZE ? (index == 2 ? 64 : 256) : 65535;
}

static void gen_textures(GLsizei n, GLuint *ids) {
    static GLuint texture;
    pthread_mutex_lock(&lock);
    for (GLsizei i = 0; i < n; i++)
        ids[i] = ++texture;
    live.textures += n;
    pthread_mutex_unlock(&lock);
}

static void delete_textures(GLsizei n, const GLuint *ids) {
    for (GLsizei i = 0; i < n; i++)
        count(&live.textures, ids[i] ? -1 : 0);
}

static void gen(GLsizei n, GLuint *ids) {
    pthread_mutex_lock(&lock);
    for (GLsizei i = 0; i < n; i++) {
        do
            names = names % (BUFFERS - 1) + 1;
        while (buffers[names].used);
        buffers[names].used = 1;
        ids[i] = names;
    }
    pthread_mutex_unlock(&lock);
}

static void delete_buffers(GLsizei n, const GLuint *ids) {
    pthread_mutex_lock(&lock);
    for (GLsizei i = 0; i < n; i++)
        if (ids[i] && ids[i] < BUFFERS) {
            if (!buffers[ids[i]].pinned)
                free(buffers[ids[i]].data);
            buffers[ids[i]] = (struct buffer){0};
        }
    pthread_mutex_unlock(&lock);
}

static void bind_buffer(GLenum target, GLuint name) {
    int i = 0;
    while (i < TARGETS - 1 && bound[i].target && bound[i].target != target)
        i++;
    bound[i].target = target;
    bound[i].name = name;
}

static struct buffer *at(GLenum target) {
    for (int i = 0; i < TARGETS; i++)
        if (bound[i].target == target)
            return &buffers[bound[i].name];
    return NULL;
}

static void buffer_data(GLenum target, GLsizeiptr size, const void *data, GLenum usage) {
    (void)usage;
    struct nullgl_faults f = now();
    struct buffer *b = at(target);
    GLsizeiptr sum = size;
    pthread_mutex_lock(&lock);
    for (int i = 0; f.memory_most && i < BUFFERS; i++)
        sum += &buffers[i] == b ? 0 : buffers[i].size;
    pthread_mutex_unlock(&lock);
    if ((f.buffer_most && size > f.buffer_most) ||
        (f.memory_most && sum > f.memory_most)) {
        error = GL_OUT_OF_MEMORY;
        return;
    }
    if (target == 0x9160) { /* GL_EXTERNAL_VIRTUAL_MEMORY_BUFFER_AMD */
        b->data = (unsigned char *)(uintptr_t)data;
        b->size = size;
        b->pinned = 1;
        return;
    }
    free(b->data);
    b->data = calloc(1, (size_t)size + 1);
    b->size = size;
    if (data)
        memcpy(b->data, data, (size_t)size);
}

static void bind_base(GLenum target, GLuint index, GLuint name) {
    if (target == GL_SHADER_STORAGE_BUFFER && !index)
        block = name;
}

static void buffer_sub_data(GLenum target, GLintptr offset, GLsizeiptr size,
                            const void *data) {
    memcpy(at(target)->data + offset, data, (size_t)size);
}

static void copy_buffer(GLenum from, GLenum to, GLintptr read, GLintptr write,
                        GLsizeiptr size) {
    count(&seen.copies, 1);
    memmove(at(to)->data + write, at(from)->data + read, (size_t)size);
}

static void *map(GLenum target, GLintptr offset, GLsizeiptr size, GLbitfield access) {
    (void)size, (void)access;
    if (now().no_map) {
        error = GL_INVALID_OPERATION;
        return NULL;
    }
    count(&seen.maps, 1);
    at(target)->mapped = 1;
    return at(target)->data + offset;
}

static GLboolean unmap(GLenum target) {
    at(target)->mapped = 0;
    return GL_TRUE;
}

static void get_parameter64(GLenum target, GLenum name, GLint64 *value) {
    (void)name;
    *value = at(target)->size;
}

static GLuint create_shader(GLenum type) {
    (void)type;
    count(&live.shaders, 1);
    return 1;
}

static void delete_shader(GLuint shader) {
    count(&live.shaders, shader ? -1 : 0);
}

static GLuint create_program(void) {
    count(&live.programs, 1);
    return 1;
}

static void delete_program(GLuint program) {
    count(&live.programs, program ? -1 : 0);
}

static void get_object(GLuint object, GLenum name, GLint *value) {
    (void)object;
    *value = name == GL_INFO_LOG_LENGTH ? 0 : GL_TRUE;
}

static void get_log(GLuint object, GLsizei size, GLsizei *length, GLchar *text) {
    (void)object;
    if (length)
        *length = 0;
    if (size > 0)
        *text = 0;
}

static void dispatch(GLuint x, GLuint y, GLuint z) {
    (void)x, (void)y, (void)z;
    if (now().lane_error &&
        current_display != &surfaceless) /* so that it is not done first */
        nanosleep(&(struct timespec){.tv_nsec = 300000}, NULL);
    pthread_mutex_lock(&lock);
    seen.dispatches[device_of(current_display)]++;
    if (faults.bad_dispatch || (faults.lane_error && current_display == &surfaceless))
        error = GL_INVALID_OPERATION;
    struct buffer *b = &buffers[block];
    for (uint32_t i = 0; b->pinned && b->size < 128 && i < 8; i++)
        ((uint32_t *)(void *)b->data)[i] = i * 0x9E3779B9u + 1;
    if (faults.lose_after && !--faults.lose_after)
        faults.lost = 1;
    struct nullgl_faults f = faults;
    bool calls = faults.call_after && !--faults.call_after;
    pthread_mutex_unlock(&lock);
    if (calls)
        f.call(f.user);
}

static GLsync fence(GLenum condition, GLbitfield flags) {
    (void)condition, (void)flags;
    count(&live.fences, 1);
    return (GLsync)(intptr_t)1;
}

static void delete_sync(GLsync sync) {
    count(&live.fences, sync ? -1 : 0);
}

static GLenum client_wait(GLsync sync, GLbitfield flags, GLuint64 timeout) {
    (void)sync, (void)flags, (void)timeout;
    return now().hang ? GL_TIMEOUT_EXPIRED : GL_ALREADY_SIGNALED;
}

static void get_sync(GLsync sync, GLenum name, GLsizei size, GLsizei *length,
                     GLint *value) {
    (void)sync, (void)name, (void)size;
    if (length)
        *length = 1;
    *value = now().hang ? GL_UNSIGNALED : GL_SIGNALED;
}

static GLenum reset_status(void) {
    return now().lost ? 0x8253 /* GL_GUILTY_CONTEXT_RESET_KHR */ : GL_NO_ERROR;
}

static void flush(void) {
    count(&seen.flushes, 1);
}

static void push_group(GLenum source, GLuint id, GLsizei length, const GLchar *message) {
    (void)source, (void)id, (void)length;
    count(&seen.groups, message && *message);
}

static void label(GLenum kind, GLuint name, GLsizei length, const GLchar *text) {
    (void)name, (void)length;
    if (kind == 0x82E0 || kind == 0x82E2) /* GL_BUFFER_KHR, GL_PROGRAM_KHR */
        count(kind == 0x82E0 ? &seen.buffer_labels : &seen.program_labels, text && *text);
}

static void listen(const void *callback, const void *user) {
    (void)user;
    pthread_mutex_lock(&lock);
    seen.listens = callback != NULL;
    pthread_mutex_unlock(&lock);
}

/* Calls without an answer: C passes the arguments, nobody looks at them. */
static void nothing(void) {
}

typedef void (*proc)(void);

static proc find(const char *name) {
    static const struct {
        const char *name;
        proc function;
    } rows[] = {
        {"glGetError", (proc)get_error},
        {"glGetString", (proc)get_string},
        {"glGetStringi", (proc)get_stringi},
        {"glGetIntegerv", (proc)get_integer},
        {"glGetInteger64v", (proc)get_integer64},
        {"glGetIntegeri_v", (proc)get_indexed},
        {"glGenBuffers", (proc)gen},
        {"glDeleteBuffers", (proc)delete_buffers},
        {"glBindBuffer", (proc)bind_buffer},
        {"glGenTextures", (proc)gen_textures},
        {"glDeleteTextures", (proc)delete_textures},
        {"glBufferData", (proc)buffer_data},
        {"glBufferSubData", (proc)buffer_sub_data},
        {"glBindBufferBase", (proc)bind_base},
        {"glCopyBufferSubData", (proc)copy_buffer},
        {"glMapBufferRange", (proc)map},
        {"glUnmapBuffer", (proc)unmap},
        {"glGetBufferParameteri64v", (proc)get_parameter64},
        {"glCreateShader", (proc)create_shader},
        {"glCreateProgram", (proc)create_program},
        {"glDeleteShader", (proc)delete_shader},
        {"glDeleteProgram", (proc)delete_program},
        {"glDeleteSync", (proc)delete_sync},
        {"glGetShaderiv", (proc)get_object},
        {"glGetProgramiv", (proc)get_object},
        {"glGetShaderInfoLog", (proc)get_log},
        {"glGetProgramInfoLog", (proc)get_log},
        {"glDispatchCompute", (proc)dispatch},
        {"glFenceSync", (proc)fence},
        {"glClientWaitSync", (proc)client_wait},
        {"glGetSynciv", (proc)get_sync},
        {"glFlush", (proc)flush},
        {"glPushDebugGroupKHR", (proc)push_group},
        {"glObjectLabelKHR", (proc)label},
        {"glDebugMessageCallbackKHR", (proc)listen},
        {"glGetGraphicsResetStatusKHR", (proc)reset_status},
        {"glGetGraphicsResetStatusEXT", (proc)reset_status},
        {"glGetGraphicsResetStatus", (proc)reset_status},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].name, name))
            return rows[i].function;
    return strncmp(name, "gl", 2) ? NULL : nothing;
}

/* ---- EGL ---- */

static int configs[1], surfaces[1];

EXPORT int eglGetError(void) {
    int code = egl_error;
    egl_error = 0x3000;
    return code;
}

EXPORT void *eglGetDisplay(void *native) {
    (void)native;
    return &displays[0];
}

EXPORT unsigned eglInitialize(void *display, int *major, int *minor) {
    if (now().no_display || devices.items[device_of(display)].broken) {
        egl_error = 0x3001; /* EGL_NOT_INITIALIZED */
        return 0;
    }
    *major = 1;
    *minor = 5;
    return 1;
}

EXPORT unsigned eglTerminate(void *display) {
    (void)display;
    count(&seen.terminated, 1);
    return 1;
}

EXPORT const char *eglQueryString(void *display, int name) {
    (void)name;
    if (display)
        return "EGL_KHR_surfaceless_context EGL_KHR_no_config_context "
               "EGL_EXT_create_context_robustness";
    return devices.surfaceless ? "EGL_EXT_client_extensions EGL_EXT_device_base "
                                 "EGL_EXT_platform_device EGL_MESA_platform_surfaceless"
           : devices.count     ? "EGL_EXT_client_extensions EGL_EXT_device_base "
                                 "EGL_EXT_platform_device"
                               : "EGL_EXT_client_extensions";
}

/* A device is known by its display's address. */
static unsigned query_devices(int most, void **found, int *n) {
    *n = 0;
    while (*n < devices.count && *n < most) {
        found[*n] = &displays[*n];
        ++*n;
    }
    return 1;
}

static const char *query_device(void *device, int name) {
    const struct nullgl_device *d = &devices.items[device_of(device)];
    if (name == 0x3377) /* EGL_DRM_RENDER_NODE_FILE_EXT */
        return d->node;
    return d->software ? "EGL_MESA_device_software"
           : d->node   ? "EGL_EXT_device_drm_render_node"
                       : "";
}

static void *platform_display(unsigned platform, void *native, const int *attributes) {
    (void)attributes;
    if (devices.surfaceless && platform == 0x31DD) /* EGL_PLATFORM_SURFACELESS_MESA */
        return &surfaceless;
    return platform == 0x313F ? native : NULL; /* EGL_PLATFORM_DEVICE_EXT */
}

static unsigned query_display(void *display, int name, intptr_t *value) {
    bool has = name == 0x322C && devices.count && display != &surfaceless;
    *value = has ? (intptr_t)display : 0; /* EGL_DEVICE_EXT */
    return 1;
}

EXPORT unsigned eglChooseConfig(void *display, const int *attributes, void **found,
                                int size, int *n) {
    (void)display, (void)attributes;
    if (found && size)
        found[0] = configs;
    *n = 1;
    return 1;
}

EXPORT void *eglCreateContext(void *display, void *config, void *share,
                              const int *attributes) {
    (void)display, (void)config;
    struct nullgl_seen asked = {.context = {.share = share}};
    for (const int *at = attributes; at && *at != 0x3038; at += 2) {
        asked.context.robust |= at[0] == 0x30BF && at[1]; /* ROBUST_ACCESS_EXT */
        asked.context.lose_on_reset |= at[0] == 0x3138 && at[1] == 0x31BF;
        asked.context.debug |= at[0] == 0x31B0 && at[1]; /* OPENGL_DEBUG of EGL 1.5 */
    }
    if (asked.context.robust && now().no_robust) {
        egl_error = 0x3009; /* EGL_BAD_MATCH */
        return NULL;
    }
    pthread_mutex_lock(&lock);
    seen.context = asked.context;
    pthread_mutex_unlock(&lock);
    count(&live.contexts, 1);
    return calloc(1, 1);
}

EXPORT unsigned eglDestroyContext(void *display, void *context) {
    (void)display;
    count(&live.contexts, -1);
    free(context);
    pthread_mutex_lock(&lock);
    if (unreachable && !live.contexts) { /* nobody could delete them: they go with it */
        for (int i = 0; i < BUFFERS; i++) {
            if (!buffers[i].pinned)
                free(buffers[i].data);
            buffers[i] = (struct buffer){0};
        }
        live = (struct nullgl_live){.surfaces = live.surfaces};
        unreachable = false;
    }
    pthread_mutex_unlock(&lock);
    return 1;
}

EXPORT void *eglCreatePbufferSurface(void *display, void *config, const int *attributes) {
    (void)display, (void)config, (void)attributes;
    count(&live.surfaces, 1);
    return surfaces;
}

EXPORT unsigned eglDestroySurface(void *display, void *surface) {
    (void)display, (void)surface;
    count(&live.surfaces, -1);
    return 1;
}

EXPORT unsigned eglMakeCurrent(void *display, void *draw, void *read, void *context) {
    if (context && now().egl_lost) {
        egl_error = 0x300E; /* EGL_CONTEXT_LOST */
        unreachable = true;
        return 0;
    }
    current = context;
    current_display = context ? display : NULL;
    current_draw = draw;
    current_read = read;
    return 1;
}

EXPORT void *eglGetCurrentContext(void) {
    return current;
}

EXPORT void *eglGetCurrentDisplay(void) {
    return current_display;
}

EXPORT void *eglGetCurrentSurface(int which) {
    return which == 0x3059 ? current_draw : current_read; /* EGL_DRAW */
}

EXPORT unsigned eglBindAPI(unsigned wanted) {
    api = wanted;
    return 1;
}

EXPORT unsigned eglQueryAPI(void) {
    return api;
}

EXPORT proc eglGetProcAddress(const char *name) {
    static const struct {
        const char *name;
        proc function;
    } rows[] = {
        {"eglQueryDevicesEXT", (proc)query_devices},
        {"eglQueryDeviceStringEXT", (proc)query_device},
        {"eglGetPlatformDisplayEXT", (proc)platform_display},
        {"eglQueryDisplayAttribEXT", (proc)query_display},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].name, name))
            return rows[i].function;
    return find(name);
}
