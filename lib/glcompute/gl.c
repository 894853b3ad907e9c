/* Resolving the GL table and reading its errors. In: a get_proc with a context current;
 * out: struct esk_gl. Must not know EGL, nor any limit or device name. */
#include "glcompute/gl.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

#ifndef GL_CONTEXT_LOST
#define GL_CONTEXT_LOST 0x0507
#endif

/* How many errors one look drains: a lost context may report one forever. */
enum { DRAIN_LIMIT = 16 };

const char *esk_gl_error_name(GLenum code) {
    switch (code) {
    case GL_NO_ERROR:
        return "GL_NO_ERROR";
    case GL_INVALID_ENUM:
        return "GL_INVALID_ENUM";
    case GL_INVALID_VALUE:
        return "GL_INVALID_VALUE";
    case GL_INVALID_OPERATION:
        return "GL_INVALID_OPERATION";
    case GL_INVALID_FRAMEBUFFER_OPERATION:
        return "GL_INVALID_FRAMEBUFFER_OPERATION";
    case GL_OUT_OF_MEMORY:
        return "GL_OUT_OF_MEMORY";
    case GL_CONTEXT_LOST:
        return "GL_CONTEXT_LOST";
    default:
        return "unknown GL error";
    }
}

bool esk_gl_has_word(const char *list, const char *name) {
    size_t length = strlen(name);
    for (const char *at = list; length && at && (at = strstr(at, name)); at += length)
        if ((at == list || at[-1] == ' ') && (at[length] == ' ' || !at[length]))
            return true;
    return false;
}

/* "glName" for the name of `length` bytes; NULL if it does not resolve. */
static esk_gl_proc resolve(esk_gl_get_proc get_proc, void *user, const char *name,
                           size_t length) {
    char full[64];
    int size = snprintf(full, sizeof full, "gl%.*s", (int)length, name);
    return size > 0 && size < (int)sizeof full ? get_proc(user, full) : NULL;
}

/* The first of the names that resolves. The bare one (without EXT, KHR or OES) is skipped
 * where the function is not core: drivers give stubs for functions of desktop GL. */
static esk_gl_proc resolve_any(esk_gl_get_proc get_proc, void *user, const char *names,
                               bool core) {
    for (size_t length; *names; names += length + (names[length] == ' ')) {
        length = strcspn(names, " ");
        const char *end = names + length - (length > 3 ? 3 : 0);
        bool bare =
            memcmp(end, "EXT", 3) && memcmp(end, "KHR", 3) && memcmp(end, "OES", 3);
        esk_gl_proc proc = bare && !core ? NULL : resolve(get_proc, user, names, length);
        if (proc)
            return proc;
    }
    return NULL;
}

static void read_extensions(struct esk_gl *gl) {
    GLint count = 0;
    gl->GetIntegerv(GL_NUM_EXTENSIONS, &count);
    for (GLint i = 0; i < count; i++) {
        const char *name = (const char *)gl->GetStringi(GL_EXTENSIONS, (GLuint)i);
        if (!name || !*name)
            continue;
#define EXTENSION(field, names, core_minor) \
    if (esk_gl_has_word(names, name))       \
        gl->ext.field = true;
        ESK_GL_EXT_LIST(EXTENSION)
#undef EXTENSION
    }
#define EXTENSION(field, names, core_minor) \
    if (gl->minor >= core_minor)            \
        gl->ext.field = true;
    ESK_GL_EXT_LIST(EXTENSION)
#undef EXTENSION
}

esk_status esk_gl_load(struct esk_gl *gl, esk_gl_get_proc get_proc, void *user,
                       esk_error *error) {
    struct esk_gl table = {0};
    esk_gl_proc proc;
#define REQUIRED(name, type)                                      \
    if (!(proc = resolve(get_proc, user, #name, strlen(#name))))  \
        return esk_fail(error, ESK_UNSUPPORTED,                   \
                        "GL: the driver has no function gl" #name \
                        ", which OpenGL ES 3.1 requires");        \
    table.name = (type)proc;
    ESK_GL_REQUIRED_LIST(REQUIRED)
#undef REQUIRED

    const char *version = (const char *)table.GetString(GL_VERSION);
    if (!version)
        return esk_fail(error, ESK_DEVICE_ERROR,
                        "GL: no GL_VERSION (is a context current?)");
    if (sscanf(version, "OpenGL ES %d.%d", &table.major, &table.minor) != 2)
        return esk_fail(error, ESK_UNSUPPORTED,
                        "GL: GL_VERSION '%s' is not OpenGL ES, version 3.1 is required",
                        version);
    if (table.major != 3 || table.minor < 1)
        return esk_fail(error, ESK_UNSUPPORTED,
                        "GL: OpenGL ES %d.%d ('%s'), version 3.1 is required",
                        table.major, table.minor, version);
    read_extensions(&table);

    struct esk_gl_ext core = {0};
#define EXTENSION(field, names, core_minor) core.field = table.minor >= core_minor;
    ESK_GL_EXT_LIST(EXTENSION)
#undef EXTENSION
    struct esk_gl_ext all = table.ext;
#define OPTIONAL(name, type, names, field)                                 \
    if (table.ext.field) {                                                 \
        table.name = (type)resolve_any(get_proc, user, names, core.field); \
        all.field = all.field && table.name;                               \
    }
    ESK_GL_OPTIONAL_LIST(OPTIONAL)
#undef OPTIONAL
    table.ext = all;

    for (int i = 0; i < DRAIN_LIMIT && table.GetError() != GL_NO_ERROR; i++)
        ;
    *gl = table;
    return ESK_OK;
}

void esk_gl_check(struct esk_gl *gl, const char *call, const char *file, int line) {
    GLenum first = GL_NO_ERROR, code;
    for (int i = 0; i < DRAIN_LIMIT && (code = gl->GetError()) != GL_NO_ERROR; i++)
        first = first == GL_NO_ERROR ? code : first;
    if (first == GL_NO_ERROR || gl->error != GL_NO_ERROR)
        return;
    gl->error = first;
    gl->error_call = call;
    gl->error_file = file;
    gl->error_line = line;
}

esk_status esk_gl_status(struct esk_gl *gl, const char *what, esk_error *error) {
    esk_gl_check(gl, NULL, NULL, 0);
    GLenum code = gl->error;
    const char *call = gl->error_call, *file = gl->error_file;
    int line = gl->error_line;
    gl->error = GL_NO_ERROR;
    gl->error_call = gl->error_file = NULL;
    gl->error_line = 0;
    if (code == GL_NO_ERROR)
        return ESK_OK;
    esk_status status = code == GL_OUT_OF_MEMORY  ? ESK_OUT_OF_MEMORY
                        : code == GL_CONTEXT_LOST ? ESK_DEVICE_LOST
                                                  : ESK_DEVICE_ERROR;
    if (!call)
        return esk_fail(error, status, "%s: %s (0x%04x)", what, esk_gl_error_name(code),
                        code);
    return esk_fail(error, status, "%s: %s (0x%04x) in gl%s at %s:%d", what,
                    esk_gl_error_name(code), code, call, file, line);
}

esk_status esk_gl_lost(struct esk_gl *gl, const char *what, esk_error *error) {
    GLenum reset =
        gl->GetGraphicsResetStatus ? gl->GetGraphicsResetStatus() : GL_NO_ERROR;
    const char *who;
    switch (reset) {
    case GL_NO_ERROR:
        return ESK_OK;
    case GL_GUILTY_CONTEXT_RESET_KHR:
        who = "this context caused it";
        break;
    case GL_INNOCENT_CONTEXT_RESET_KHR:
        who = "another context caused it";
        break;
    default:
        who = "the cause is not known";
        break;
    }
    return esk_fail(error, ESK_DEVICE_LOST, "%s: the device was reset (0x%04x): %s", what,
                    reset, who);
}
