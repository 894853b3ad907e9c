/* glcompute/warm: which programs are dispatched, and with what bound, over a driver that
 * writes it down. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "glcompute/warm.h"

#include <stdio.h>
#include <string.h>

static char said[1024];
static int buffers, textures, formats;

static void say(const char *what, unsigned a, unsigned b) {
    size_t at = strlen(said);
    snprintf(said + at, sizeof said - at, "%s %u %x\n", what, a, b);
}

static void GL_APIENTRY get_integer(GLenum name, GLint *value) {
    *value = name == GL_NUM_PROGRAM_BINARY_FORMATS ? formats : 0;
}
static void GL_APIENTRY gen_buffers(GLsizei n, GLuint *ids) {
    buffers += n;
    *ids = 70;
}
static void GL_APIENTRY gen_textures(GLsizei n, GLuint *ids) {
    *ids = (GLuint)(80 + textures);
    textures += n;
}
static void GL_APIENTRY delete_buffers(GLsizei n, const GLuint *ids) {
    buffers -= *ids == 70 ? n : 100;
}
static void GL_APIENTRY delete_textures(GLsizei n, const GLuint *ids) {
    textures -= *ids >= 80 ? n : 100;
}
static void GL_APIENTRY buffer_data(GLenum target, GLsizeiptr size, const void *data,
                                    GLenum usage) {
    (void)target, (void)data, (void)usage;
    cr_assert(size & (size - 1), "a power of two is another variant");
}
static void GL_APIENTRY buffer_sub_data(GLenum target, GLintptr offset, GLsizeiptr size,
                                        const void *data) {
    static const char zeros[64];
    (void)target;
    cr_assert(offset == 0 && size >= 12 && !memcmp(data, zeros, (size_t)size));
}
static void GL_APIENTRY two(GLenum target, GLuint id) {
    (void)target, (void)id;
}
static void GL_APIENTRY tex_buffer(GLenum target, GLenum format, GLuint id) {
    (void)target, (void)format;
    cr_assert_eq(id, 70);
}
static void GL_APIENTRY use_program(GLuint id) {
    say("use", id, 0);
}
static void GL_APIENTRY bind_image(GLuint unit, GLuint texture, GLint level,
                                   GLboolean layered, GLint layer, GLenum access,
                                   GLenum format) {
    (void)level, (void)layered, (void)layer, (void)access;
    cr_assert(texture == 80 || texture == 81);
    say("image", unit, format);
}
static void GL_APIENTRY bind_base(GLenum target, GLuint index, GLuint id) {
    (void)target;
    say("block", index, id);
}
static void GL_APIENTRY bind_range(GLenum target, GLuint index, GLuint id,
                                   GLintptr offset, GLsizeiptr size) {
    (void)target, (void)index, (void)offset;
    say("params", id, (unsigned)size);
}
static void GL_APIENTRY dispatch(GLintptr offset) {
    say("dispatch", (unsigned)offset, 0);
}
static void GL_APIENTRY nothing(void) {
}
static GLuint GL_APIENTRY create(void) {
    return 3;
}
static GLuint GL_APIENTRY create_shader(GLenum type) {
    (void)type;
    return 9;
}
static void GL_APIENTRY shader_source(GLuint id, GLsizei n, const GLchar *const *text,
                                      const GLint *lengths) {
    (void)id, (void)n, (void)lengths;
    say(*text, 0, 0);
}
static void GL_APIENTRY one(GLuint id) {
    (void)id;
}
static void GL_APIENTRY get_program(GLuint id, GLenum name, GLint *value) {
    (void)id;
    cr_assert_eq(name, GL_LINK_STATUS);
    *value = strstr(said, "bad") == NULL;
}
static GLenum GL_APIENTRY no_error(void) {
    return GL_NO_ERROR;
}

static struct esk_gl gl = {
    .GetIntegerv = get_integer,
    .GenBuffers = gen_buffers,
    .DeleteBuffers = delete_buffers,
    .GenTextures = gen_textures,
    .DeleteTextures = delete_textures,
    .BufferData = buffer_data,
    .BufferSubData = buffer_sub_data,
    .BindBuffer = two,
    .BindTexture = two,
    .TexBuffer = tex_buffer,
    .UseProgram = use_program,
    .BindImageTexture = bind_image,
    .BindBufferBase = bind_base,
    .BindBufferRange = bind_range,
    .DispatchComputeIndirect = dispatch,
    .CreateProgram = create,
    .CreateShader = create_shader,
    .ShaderSource = shader_source,
    .CompileShader = one,
    .AttachShader = two,
    .LinkProgram = one,
    .GetProgramiv = get_program,
    .Flush = nothing,
    .GetError = no_error,
};

/* Three commands of two programs: each is dispatched once in the life of the device. */
Test(warm, each_program_once) {
    struct esk_gl_program programs[2] = {{.id = 1}, {.id = 2}};
    struct esk_gl_binding bindings[] = {
        {.slot = 0,
         .index = 0,
         .image = true,
         .view = ESK_GL_VIEW_VEC4,
         .format = GL_RGBA32F},
        {.slot = 1, .index = 0},
        {.slot = 0,
         .index = 1,
         .image = true,
         .view = ESK_GL_VIEW_ELEMENT,
         .format = GL_R32UI},
    };
    struct esk_gl_command commands[] = {
        {.program = &programs[0], .n_bindings = 2, .param_bytes = 48},
        {.program = &programs[0], .n_bindings = 2, .param_bytes = 48},
        {.program = &programs[1], .first_binding = 1, .n_bindings = 2, .param_bytes = 32},
    };
    struct esk_gl_record record = {
        .commands = commands, .bindings = bindings, .n_commands = 3, .n_bindings = 3};
    struct esk_gl_warm warm;
    formats = 1;
    esk_gl_warm_init(&warm, NULL, &gl, NULL);
    cr_assert_not(warm.alone);
    esk_gl_warm_up(&warm, &gl, &record);
    cr_assert_str_eq(said,
                     "use 1 0\nimage 0 8814\nblock 0 46\nparams 70 30\ndispatch 0 0\n"
                     "use 2 0\nblock 0 46\nimage 1 8236\nparams 70 20\ndispatch 0 0\n");
    cr_assert(buffers == 0 && textures == 0, "%d, %d are left", buffers, textures);
    said[0] = 0;
    esk_gl_warm_up(&warm, &gl, &record);
    cr_assert_str_eq(said, "", "all are warm");
    formats = 0;
    esk_gl_warm_init(&warm, NULL, &gl, NULL);
    cr_assert(warm.alone, "without a disk cache helpers cannot help");
}

static char *text_of(const char *text) {
    char *copy = esk_malloc(strlen(text) + 1);
    return copy ? strcpy(copy, text) : NULL;
}

/* Sources are compiled on the way, the longest first, before what comes from the disk;
 * what does not link is not dispatched: esk_gl_program_link says why. */
Test(warm, compiles_what_is_not) {
    struct esk_gl_program programs[4] = {{.id = 1},
                                         {.source = text_of("short"), .weight = 2},
                                         {.source = text_of("long"), .weight = 56},
                                         {.source = text_of("bad"), .weight = 1}};
    struct esk_gl_command commands[4];
    for (int i = 0; i < 4; i++)
        commands[i] = (struct esk_gl_command){.program = &programs[i], .param_bytes = 16};
    struct esk_gl_record record = {.commands = commands, .n_commands = 4};
    struct esk_gl_warm warm;
    formats = 1;
    esk_gl_warm_init(&warm, NULL, &gl, NULL);
    esk_gl_warm_up(&warm, &gl, &record);
    cr_assert_str_eq(said, "long 0 0\nuse 3 0\nparams 70 10\ndispatch 0 0\n"
                           "short 0 0\nuse 3 0\nparams 70 10\ndispatch 0 0\n"
                           "bad 0 0\n"
                           "use 1 0\nparams 70 10\ndispatch 0 0\n");
    for (int i = 1; i < 4; i++)
        cr_assert(!programs[i].source && programs[i].pending);
}

static char lines[4][256];
static int n_lines;

static void take_line(void *user, esk_log_level level, const char *text) {
    (void)user;
    if (level == ESK_LOG_VERBOSE && n_lines < 4)
        snprintf(lines[n_lines++], sizeof lines[0], "%s", text);
}

/* A line a program for those who ask where a cold start's time goes: kernel, defines, ms.
 */
Test(warm, says_what_each_program_took) {
    struct esk_gl_program program = {
        .id = 1,
        .key = text_of("conv+hAX @A 4i1 @\n#define TILE 14\n#define MASK\n"
                       "#define EPILOGUE(v, at) epilogue(v, at)\n")};
    struct esk_gl_command command = {.program = &program, .param_bytes = 16};
    struct esk_gl_record record = {.commands = &command, .n_commands = 1};
    struct esk_logger logger = {.callback = take_line, .level = ESK_LOG_VERBOSE};
    struct esk_gl_warm warm;
    formats = 1;
    esk_gl_warm_init(&warm, NULL, &gl, &logger);
    esk_gl_warm_up(&warm, &gl, &record);
    cr_assert_eq(n_lines, 1);
    cr_assert(strncmp(lines[0], "program conv TILE=14 MASK EPILOGUE: ", 36) == 0 &&
                  strstr(lines[0], " ms to compile, ") &&
                  strstr(lines[0], " ms for machine code"),
              "'%s'", lines[0]);
    program.warm = false;
    logger.level = ESK_LOG_INFO;
    esk_gl_warm_up(&warm, &gl, &record);
    cr_assert_eq(n_lines, 1, "only for those who ask");
    esk_free(program.key);
}
