/* glcompute/gl over a fake driver: resolving, gates by extension, recorded errors. */
#include <criterion/criterion.h>

#include "glcompute/gl.h"

#include <string.h>

/* The fake driver. Criterion runs each test in a process of its own. */
static const char *version = "OpenGL ES 3.1 Fake";
static const char *missing = "";
static const char *extensions[] = {"GL_KHR_parallel_shader_compile", "GL_KHR_debug"};
static GLenum errors[4];
static int error_count;

static void nothing(void) {
}

static const GLubyte *GL_APIENTRY get_string(GLenum name) {
    return (const GLubyte *)(name == GL_VERSION ? version : "fake");
}

static const GLubyte *GL_APIENTRY get_string_i(GLenum name, GLuint i) {
    (void)name;
    return (const GLubyte *)extensions[i];
}

static void GL_APIENTRY get_integer(GLenum name, GLint *value) {
    *value = name == GL_NUM_EXTENSIONS ? 2 : 0;
}

static GLenum GL_APIENTRY get_error(void) {
    return error_count ? errors[--error_count] : GL_NO_ERROR;
}

static void GL_APIENTRY bind_buffer(GLenum target, GLuint buffer) {
    if (target == GL_FALSE)
        errors[error_count++] = buffer == 9   ? GL_OUT_OF_MEMORY
                                : buffer == 8 ? GL_CONTEXT_LOST_KHR
                                              : GL_INVALID_ENUM;
}

static esk_gl_proc get_proc(void *user, const char *name) {
    (void)user;
    if (strcmp(name, missing) == 0)
        return NULL;
    if (strcmp(name, "glGetString") == 0)
        return (esk_gl_proc)get_string;
    if (strcmp(name, "glGetStringi") == 0)
        return (esk_gl_proc)get_string_i;
    if (strcmp(name, "glGetIntegerv") == 0)
        return (esk_gl_proc)get_integer;
    if (strcmp(name, "glGetError") == 0)
        return (esk_gl_proc)get_error;
    if (strcmp(name, "glBindBuffer") == 0)
        return (esk_gl_proc)bind_buffer;
    return nothing; /* a stub for any name, as real drivers give */
}

static void check_fails(const char *part) {
    struct esk_gl gl = {.major = 7};
    esk_error error = ESK_ERROR_INIT;
    cr_assert_eq(esk_gl_load(&gl, get_proc, NULL, &error), ESK_UNSUPPORTED);
    cr_assert(strstr(esk_error_message(&error), part), "%s", esk_error_message(&error));
    cr_assert_eq(gl.major, 7, "the table is written on success only");
    esk_error_clear(&error);
}

Test(gl, load) {
    struct esk_gl gl = {0};
    cr_assert_eq(esk_gl_load(&gl, get_proc, NULL, NULL), ESK_OK);
    cr_assert(gl.major == 3 && gl.minor == 1);
    cr_assert(gl.DispatchCompute && gl.ext.parallel_compile &&
              gl.MaxShaderCompilerThreads);
    cr_assert(gl.ext.debug && gl.PushDebugGroup);
    cr_assert(!gl.ext.texture_buffer && !gl.TexBuffer, "a stub is not a function");
    cr_assert(!gl.ext.disjoint_timer && !gl.QueryCounter);
}

Test(gl, load_es32_has_core) {
    version = "OpenGL ES 3.2 Fake";
    struct esk_gl gl = {0};
    cr_assert_eq(esk_gl_load(&gl, get_proc, NULL, NULL), ESK_OK);
    cr_assert(gl.ext.texture_buffer && gl.TexBuffer && gl.GetGraphicsResetStatus);
}

Test(gl, load_missing_required) {
    missing = "glDispatchCompute";
    check_fails("no function glDispatchCompute");
}

Test(gl, load_missing_optional) {
    missing = "glMaxShaderCompilerThreadsKHR";
    struct esk_gl gl = {0};
    cr_assert_eq(esk_gl_load(&gl, get_proc, NULL, NULL), ESK_OK);
    cr_assert(!gl.ext.parallel_compile && !gl.MaxShaderCompilerThreads && gl.ext.debug);
}

Test(gl, load_old_version) {
    version = "OpenGL ES 3.0 Fake";
    check_fails("OpenGL ES 3.0");
    version = "4.5 (Core Profile) Fake";
    check_fails("is not OpenGL ES");
}

Test(gl, words) {
    cr_assert(esk_gl_has_word("GL_A GL_AB", "GL_AB"));
    cr_assert(esk_gl_has_word("GL_AB GL_A", "GL_A"));
    cr_assert(!esk_gl_has_word("GL_AB XGL_A", "GL_A"));
    cr_assert(!esk_gl_has_word("", "GL_A") && !esk_gl_has_word("GL_A", ""));
}

Test(gl, errors) {
    struct esk_gl gl = {0};
    esk_error error = ESK_ERROR_INIT;
    cr_assert_eq(esk_gl_load(&gl, get_proc, NULL, NULL), ESK_OK);
    cr_assert_eq(esk_gl_status(&gl, "nothing", &error), ESK_OK);

    ESK_GL(&gl, BindBuffer(GL_FALSE, 1));
    cr_assert_eq(gl.error, GL_NO_ERROR, "not asked without validation");
    cr_assert_eq(esk_gl_status(&gl, "upload", &error), ESK_DEVICE_ERROR);
    cr_assert_str_eq(esk_error_message(&error), "upload: GL_INVALID_ENUM (0x0500)");

    gl.validate = true;
    ESK_GL(&gl, BindBuffer(GL_FALSE, 9));
    ESK_GL(&gl, BindBuffer(GL_FALSE, 1));
    cr_assert_eq(esk_gl_status(&gl, "upload", &error), ESK_OUT_OF_MEMORY);
    cr_assert(
        strstr(esk_error_message(&error),
               "upload: GL_OUT_OF_MEMORY (0x0505) in glBindBuffer(GL_FALSE, 9) at "),
        "%s", esk_error_message(&error));
    cr_assert_eq(esk_gl_status(&gl, "upload", &error), ESK_OK, "asked, so forgotten");
    ESK_GL(&gl, BindBuffer(GL_FALSE, 8));
    cr_assert_eq(esk_gl_status(&gl, "upload", &error), ESK_DEVICE_LOST);
    esk_error_clear(&error);
}

static GLenum reset;

static GLenum GL_APIENTRY reset_status(void) {
    return reset;
}

Test(gl, resets) {
    static const struct {
        GLenum code;
        const char *who;
    } rows[] = {{GL_GUILTY_CONTEXT_RESET_KHR, "this context caused it"},
                {GL_INNOCENT_CONTEXT_RESET_KHR, "another context caused it"},
                {GL_UNKNOWN_CONTEXT_RESET_KHR, "the cause is not known"}};
    struct esk_gl gl = {.GetGraphicsResetStatus = reset_status};
    esk_error error = ESK_ERROR_INIT;
    cr_assert_eq(esk_gl_lost(&gl, "a run", &error), ESK_OK);
    for (int i = 0; i < 3; i++) {
        reset = rows[i].code;
        cr_assert_eq(esk_gl_lost(&gl, "a run", &error), ESK_DEVICE_LOST);
        cr_assert(strstr(esk_error_message(&error), rows[i].who), "%s",
                  esk_error_message(&error));
    }
    gl.GetGraphicsResetStatus = NULL; /* a driver that cannot say */
    cr_assert_eq(esk_gl_lost(&gl, "a run", &error), ESK_OK);
    esk_error_clear(&error);
}
