/* glcompute/program: source text of small kernels, and the cache over a fake driver. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "glcompute/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct esk_reach ssbo = {.path = ESK_READ_SSBO},
                              image = {.path = ESK_READ_IMAGE};

static const char toy[] = "// toy\n"
                          "#if 1\n"
                          "#include \"lib/loop.glsl\"\n"
                          "#else\n"
                          "  #include \"lib/loop\"\n"
                          "#endif\n"
                          "int n = p_count + p_dims(0) + p_one(0);\n";

/* The real prelude, with a template of ours. */
static const struct esk_shader *shaders(void) {
    static struct esk_shader table[8] = {
        {"toy", toy},
        {"lib/loop", "int loop() { return 1; }\n"},
        {"loops", "#include \"loops\"\n"},
        {"lost", "#include \"lib/nowhere\"\n"},
    };
    for (const struct esk_shader *s = esk_shaders; s->name; s++)
        if (strcmp(s->name, "prelude") == 0)
            table[4] = *s;
    return table;
}

static struct esk_kernel *kernel(struct esk_recipe *recipe, const char *template) {
    struct esk_kernel *k = esk_recipe_kernel(recipe, template);
    k->label = "node";
    k->operands[0] = (struct esk_operand){.name = "X",
                                          .access = ESK_READ,
                                          .view = ESK_VEC4,
                                          .storage = ESK_STORAGE_F32,
                                          .dtype = ESK_FLOAT};
    k->operands[1] = (struct esk_operand){.name = "Y",
                                          .access = ESK_WRITE,
                                          .view = ESK_ELEMENT,
                                          .storage = ESK_STORAGE_U32,
                                          .dtype = ESK_UINT8};
    k->operands[2] = (struct esk_operand){.name = "I",
                                          .access = ESK_READ,
                                          .view = ESK_ELEMENT,
                                          .storage = ESK_STORAGE_I64X2,
                                          .dtype = ESK_INT64};
    k->n_operands = 3;
    esk_kernel_define(k, "TILE", 4);
    esk_kernel_int(k, "count", 7);
    esk_kernel_ints(k, "dims", 3, (const int64_t[]){2, 3, 4});
    esk_kernel_ints(k, "one", 1, (const int64_t[]){9});
    esk_kernel_float(k, "scale", 0.5f);
    esk_kernel_local(k, 8, 4, 1);
    return k;
}

static void finish(struct esk_recipe *recipe) {
    for (uint32_t i = 0; i < recipe->n_kernels; i++) {
        esk_text_finish(&recipe->kernels[i].defines);
        esk_free(recipe->kernels[i].params);
    }
    esk_free(recipe->kernels);
}

static void has(const struct esk_text *text, const char *part) {
    cr_assert(strstr(esk_text_str(text), part), "no '%s' in:\n%s", part,
              esk_text_str(text));
}

static void has_not(const struct esk_text *text, const char *part) {
    cr_assert_not(strstr(esk_text_str(text), part), "'%s' in:\n%s", part,
                  esk_text_str(text));
}

Test(program, source_ssbo) {
    struct esk_recipe recipe = {0};
    struct esk_kernel *k = kernel(&recipe, "toy");
    struct esk_text text = {0};
    cr_assert_eq(esk_gl_source_make(shaders(), k, &ssbo, 2, &text, NULL), ESK_OK);
    cr_assert_eq(strncmp(text.data, "#version 310 es\n", 16), 0);
    has_not(&text, "#extension");
    has_not(&text, "uniform highp imageBuffer");
    has(&text, "layout(local_size_x = 8, local_size_y = 4, local_size_z = 1) in;\n");
    has(&text, "#define LOCAL_SIZE 32\n#define READ_IMAGE 0\n#define PARAM_VEC4S 4\n");
    has(&text, "#define TILE 4\n");
    cr_assert_lt(strstr(text.data, "#define TILE"), strstr(text.data, "#ifndef EPILOGUE"),
                 "a kernel's EPILOGUE comes before the default");
    has(&text, "layout(std430, binding = 0) readonly buffer Buffer_X { E_X d_X[]; };");
    has(&text, "layout(std430, binding = 1) writeonly buffer Buffer_Y { E_Y d_Y[]; };");
    has(&text, "layout(std430, binding = 2) readonly buffer Buffer_I { E_I d_I[]; };");
    has(&text, "#define E_X vec4\n");
    has(&text, "#define E_I uvec2\n");
    has(&text, "PUT_Y(w_[1].y + AT_Y(i), as_uint8(v));");
    has(&text, "return GET_X(w_[1].x + AT_X(i));");
    has(&text, "#define p_count w_[1].w\n");
    has(&text, "#define p_dims(i) params_[(8 + (i)) >> 2][(8 + (i)) & 3]\n");
    has(&text, "#define p_one(i) params_[(11 + (i)) >> 2][(11 + (i)) & 3]\n");
    has(&text, "#define p_scale intBitsToFloat(w_[3].x)\n");
    has_not(&text, "@");
    has_not(&text, "//:");
    has(&text, "#ifndef INCLUDED_lib_loop\n#define INCLUDED_lib_loop\nint loop()");
    cr_assert_eq(esk_gl_param_bytes(k), 64);
    esk_text_finish(&text);
    finish(&recipe);
}

Test(program, source_image) {
    struct esk_recipe recipe = {0};
    struct esk_kernel *k = kernel(&recipe, "toy");
    struct esk_text text = {0};
    cr_assert_eq(esk_gl_source_make(shaders(), k, &image, 1, &text, NULL), ESK_OK);
    has(&text, "#version 310 es\n#extension GL_EXT_texture_buffer : enable\n");
    has(&text, "#define READ_IMAGE 1\n");
    cr_assert_lt(strstr(text.data, "int loop()"), strstr(text.data, "w_ = params_;"),
                 "words are read by the main function behind the template's");
    has(&text, "layout(rgba32f, binding = 0) readonly uniform highp imageBuffer d_X;");
    has(&text, "layout(std430, binding = 0) writeonly buffer Buffer_Y { E_Y d_Y[]; };");
    has(&text, "layout(rgba32ui, binding = 1) readonly uniform highp uimageBuffer d_I;");
    esk_text_clear(&text);
    cr_assert_eq(esk_gl_source_make(shaders(), k, &image, 2, &text, NULL), ESK_OK);
    cr_assert_eq(strncmp(text.data, "#version 320 es\n", 16), 0);
    esk_text_finish(&text);
    finish(&recipe);
}

static void check_fails(struct esk_kernel *k, const char *part) {
    struct esk_text text = {0};
    esk_error error = ESK_ERROR_INIT;
    cr_assert_eq(esk_gl_source_make(shaders(), k, &ssbo, 1, &text, &error), ESK_INTERNAL);
    cr_assert(strstr(esk_error_message(&error), part), "%s", esk_error_message(&error));
    esk_error_clear(&error);
    esk_text_finish(&text);
}

Test(program, source_errors) {
    struct esk_recipe recipe = {0};
    struct esk_kernel *k = kernel(&recipe, "toy");
    k->template = "none";
    check_fails(k, "kernel 'none' of 'node': program: no shader 'none'");
    k->template = "lost";
    check_fails(k, "no shader 'lib/nowhere'");
    k->template = "loops";
    check_fails(k, "go too deep");
    k->template = "toy";
    k->operands[2].view = ESK_VEC4;
    check_fails(k, "the prelude has no section 'types I64X2 vec4'");
    finish(&recipe);
}

/* Every (storage, view, access) that the kernel library may ask for has its sections. */
Test(program, sections) {
    struct esk_recipe recipe = {0};
    struct esk_kernel *k = kernel(&recipe, "toy");
    for (int storage = ESK_STORAGE_F32; storage <= ESK_STORAGE_I64X2; storage++)
        for (int view = ESK_ELEMENT; view <= ESK_VEC4; view++)
            for (int path = 0; path < 2; path++)
                for (int access = ESK_READ; access <= ESK_WRITE; access++) {
                    struct esk_text text = {0};
                    if (storage == ESK_STORAGE_I64X2 && view == ESK_VEC4)
                        continue;
                    k->operands[0].storage = (enum esk_storage)storage;
                    k->operands[0].view = (enum esk_view)view;
                    k->operands[0].access = (enum esk_access)access;
                    for (uint8_t segments = 1; segments <= 3; segments++) {
                        struct esk_reach reach = {
                            (enum esk_read_path)path, 65536, {segments}};
                        cr_assert_eq(
                            esk_gl_source_make(shaders(), k, &reach, 2, &text, NULL),
                            ESK_OK);
                        bool two = segments > 1 && !(path && access == ESK_READ);
                        cr_assert_eq(strstr(esk_text_str(&text), "Buffer_X_1 ") != NULL,
                                     two);
                    }
                    esk_text_finish(&text);
                }
    finish(&recipe);
}

Test(program, key) {
    struct esk_recipe recipe = {0};
    kernel(&recipe, "toy");
    kernel(&recipe, "toy");
    struct esk_kernel *a = &recipe.kernels[0], *b = &recipe.kernels[1];
    struct esk_text key_a = {0}, key_b = {0};
    b->groups[0] = 99, b->params[0].word = 5, b->label = "other",
    b->operands[0].offset = 64;
    esk_gl_source_key(a, &ssbo, &key_a);
    esk_gl_source_key(b, &ssbo, &key_b);
    cr_assert_str_eq(key_a.data, key_b.data, "a new shape compiles nothing");
    b->operands[1].dtype = ESK_UINT16;
    esk_text_clear(&key_b);
    esk_gl_source_key(b, &ssbo, &key_b);
    cr_assert_str_neq(key_a.data, key_b.data);
    esk_text_finish(&key_a);
    esk_text_finish(&key_b);
    finish(&recipe);
}

/* A driver that compiles everything but what says "broken". */
static int compiles, asked;
static bool broken;

static GLuint GL_APIENTRY create_shader(GLenum type) {
    (void)type;
    return 5;
}

static GLuint GL_APIENTRY create_program(void) {
    return 6;
}

static void GL_APIENTRY shader_source(GLuint shader, GLsizei n, const GLchar *const *text,
                                      const GLint *length) {
    (void)shader, (void)n, (void)length;
    broken = strstr(text[0], "broken") != NULL;
}

static void GL_APIENTRY compile_shader(GLuint shader) {
    (void)shader;
    compiles++;
}

static void GL_APIENTRY get_status(GLuint id, GLenum name, GLint *value) {
    (void)id, (void)name;
    asked++;
    *value = !broken;
}

static void GL_APIENTRY get_log(GLuint id, GLsizei size, GLsizei *length, GLchar *text) {
    (void)id, (void)length;
    cr_assert_gt(size, 32);
    strcpy(text, "0:3(1): error: it is broken\n");
}

static void GL_APIENTRY one(GLuint id) {
    (void)id;
}

static void GL_APIENTRY two(GLuint id, GLuint other) {
    (void)id, (void)other;
}

static GLenum GL_APIENTRY no_error(void) {
    return GL_NO_ERROR;
}

Test(program, cache) {
    struct esk_gl gl = {.minor = 1,
                        .CreateShader = create_shader,
                        .CreateProgram = create_program,
                        .ShaderSource = shader_source,
                        .CompileShader = compile_shader,
                        .GetShaderiv = get_status,
                        .GetProgramiv = get_status,
                        .GetShaderInfoLog = get_log,
                        .DeleteShader = one,
                        .DeleteProgram = one,
                        .LinkProgram = one,
                        .AttachShader = two,
                        .DetachShader = two,
                        .GetError = no_error};
    struct esk_counters counters = {0};
    struct esk_gl_programs programs;
    struct esk_gl_program *first, *second, *third;
    struct esk_recipe recipe = {0};
    struct esk_kernel *k = kernel(&recipe, "toy");
    esk_gl_programs_init(&programs, &gl, shaders(), &counters);
    cr_assert_eq(esk_gl_program_start(&programs, k, &ssbo, &first, NULL), ESK_OK);
    cr_assert_eq(esk_gl_program_start(&programs, k, &ssbo, &second, NULL), ESK_OK);
    cr_assert_eq(esk_gl_program_start(&programs, k, &image, &third, NULL), ESK_OK);
    cr_assert(first == second && first != third && compiles == 2 && asked == 0);
    cr_assert_eq(counters.programs, 2);
    cr_assert_eq(esk_gl_program_link(&programs, k, &ssbo, first, NULL), ESK_OK);
    cr_assert_eq(esk_gl_program_link(&programs, k, &ssbo, second, NULL), ESK_OK);
    cr_assert_eq(asked, 1, "linked once");

    esk_error error = ESK_ERROR_INIT;
    esk_kernel_define(k, "broken", 1);
    cr_assert_eq(esk_gl_program_start(&programs, k, &ssbo, &first, NULL), ESK_OK);
    cr_assert_eq(esk_gl_program_link(&programs, k, &ssbo, first, &error),
                 ESK_DEVICE_ERROR);
    cr_assert(strstr(esk_error_message(&error),
                     "kernel 'toy' of 'node' does not compile: "
                     "0:3(1): error: it is broken\n"),
              "%s", esk_error_message(&error));
    cr_assert(strstr(esk_error_message(&error), "\n>   3 #define LOCAL_SIZE 32"), "%s",
              esk_error_message(&error));
    cr_assert_eq(esk_gl_program_start(&programs, k, &ssbo, &first, NULL), ESK_OK);
    cr_assert_eq(compiles, 4, "a failed one is forgotten");
    esk_error_clear(&error);
    esk_gl_programs_finish(&programs);
    finish(&recipe);
}

/* The same with binaries: "good" is what this driver gives and takes. */
static bool refuses;
static int given, taken;
static GLuint last_program;
static bool linked_by_binary;

static void GL_APIENTRY one_format(GLenum name, GLint *value) {
    *value = name == GL_NUM_PROGRAM_BINARY_FORMATS ? 1 : 77;
}

static void GL_APIENTRY hint(GLuint id, GLenum name, GLint value) {
    cr_assert(id && name == GL_PROGRAM_BINARY_RETRIEVABLE_HINT && value == 1);
}

static void GL_APIENTRY program_state(GLuint id, GLenum name, GLint *value) {
    cr_assert_eq(id, last_program);
    *value = name == GL_PROGRAM_BINARY_LENGTH ? 5 : !(linked_by_binary && refuses);
}

static GLuint GL_APIENTRY next_program(void) {
    linked_by_binary = false;
    return ++last_program;
}

static void GL_APIENTRY get_binary(GLuint id, GLsizei most, GLsizei *length,
                                   GLenum *format, void *bytes) {
    cr_assert(id == last_program && most == 5);
    memcpy(bytes, "good", *length = 5);
    *format = 77;
    given++;
}

static void GL_APIENTRY take_binary(GLuint id, GLenum format, const void *bytes,
                                    GLsizei length) {
    cr_assert(id == last_program && format == 77 && length == 5 &&
              !strcmp(bytes, "good"));
    linked_by_binary = true;
    taken++;
}

/* A device of its own each time, as a process has it. */
static void open_and_link(const char *folder) {
    struct esk_gl gl = {.minor = 1,
                        .GetIntegerv = one_format,
                        .CreateShader = create_shader,
                        .CreateProgram = next_program,
                        .ProgramParameteri = hint,
                        .ShaderSource = shader_source,
                        .CompileShader = compile_shader,
                        .GetProgramiv = program_state,
                        .GetProgramBinary = get_binary,
                        .ProgramBinary = take_binary,
                        .DeleteShader = one,
                        .DeleteProgram = one,
                        .LinkProgram = one,
                        .AttachShader = two,
                        .DetachShader = two,
                        .GetError = no_error};
    struct esk_counters counters = {0};
    struct esk_gl_programs programs;
    struct esk_gl_program *program;
    struct esk_recipe recipe = {0};
    struct esk_kernel *k = kernel(&recipe, "toy");
    esk_gl_programs_init(&programs, &gl, shaders(), &counters);
    esk_gl_programs_keep(&programs, folder, "driver", NULL);
    cr_assert_eq(esk_gl_program_start(&programs, k, &ssbo, &program, NULL), ESK_OK);
    cr_assert_eq(esk_gl_program_link(&programs, k, &ssbo, program, NULL), ESK_OK);
    cr_assert(program->id == last_program && !program->pending);
    esk_gl_programs_finish(&programs);
    finish(&recipe);
}

Test(program, binaries) {
    char folder[] = "/tmp/esker_program_XXXXXX", command[64];
    cr_assert(mkdtemp(folder));
    open_and_link(folder);
    cr_assert(compiles == 1 && given == 1 && taken == 0);
    open_and_link(folder);
    cr_assert(compiles == 1 && given == 1 && taken == 1, "from the disk");
    refuses = true;
    open_and_link(folder);
    cr_assert(compiles == 2 && given == 2 && taken == 2, "refused: compiled, kept anew");
    open_and_link("none");
    cr_assert(compiles == 3 && given == 2 && taken == 2);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

/* What the option deterministic promises: no kernel adds in an order that is not its own.
 */
Test(program, kernels_have_no_atomics) {
    for (const struct esk_shader *s = esk_shaders; s->name; s++)
        cr_assert(!strstr(s->text, "atomic"), "%s", s->name);
}
