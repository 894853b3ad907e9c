/* What a new shape costs: bind, weight forms, recording and programs of a model of about
 * a hundred nodes, over a GL table that does nothing. The first shape pays for forms and
 * programs; the second calls `second_shape`, which tests/bind_cost.sh counts instructions
 * in. In: nothing. Out: a line of figures; 1 if the second shape compiled or packed
 * anything. */
#include "base/mem.h"
#include "compile/compile.h"
#include "esker/model.h"
#include "front/model.h"
#include "glcompute/command.h"
#include "glcompute/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(call)                                                         \
    do {                                                                   \
        esk_error error = ESK_ERROR_INIT;                                  \
        if ((call) != ESK_OK) {                                            \
            fprintf(stderr, "%s: %s\n", #call, esk_error_message(&error)); \
            exit(1);                                                       \
        }                                                                  \
    } while (0)

static const struct esk_limits limits = {
    .read_path = ESK_READ_IMAGE,
    .max_invocations = 1024,
    .max_local = {1024, 1024, 1024},
    .max_groups = {65535, 65535, 65535},
    .max_shared = 32768,
    .max_ssbos = 16,
    .max_images = 32,
    .max_outputs = 280,
    .max_ubo = 65536,
    .ubo_align = 16,
    .ssbo_align = 16,
    .max_binding = 128 << 20,
    .max_texels = 1 << 27,
    .max_iterations = 65000,
    .lanes = 8,
    .group_1d = 64,
    .max_slab = 128 << 20,
    .software = true,
    .slow_shared = true,
};

/* ---- the model: sixteen inverted residuals, as MobileNet has them ---- */

static void constant(esk_model *model, const char *name, int rank, const int64_t *dims) {
    esk_value *value = NULL;
    MUST(esk_value_create(ESK_FLOAT, rank, dims, &value, &error));
    MUST(esk_model_add_constant(model, name, value, &error));
    esk_value_destroy(value);
}

static void node(esk_model *model, const char *op, const char *const *in, size_t n_in,
                 const char *out, const esk_attribute *attributes, size_t n_attributes) {
    MUST(esk_model_add_node(model, "", op, out, in, n_in, &out, 1, attributes,
                            n_attributes, &error));
}

static void conv(esk_model *model, const char *in, const char *out, int64_t from,
                 int64_t to, int64_t size) {
    static const int64_t ones[] = {1, 1, 1, 1};
    const int64_t groups = size > 1 ? from : 1;
    const esk_attribute attributes[] = {
        {.name = "group", .kind = 'i', .i = groups},
        {.name = "pads", .kind = 'I', .count = 4, .ints = ones},
    };
    char w[32], b[32];
    snprintf(w, sizeof w, "%s_w", out);
    snprintf(b, sizeof b, "%s_b", out);
    constant(model, w, 4, (const int64_t[]){to, from / groups, size, size});
    constant(model, b, 1, (const int64_t[]){to});
    node(model, "Conv", (const char *[]){in, w, b}, 3, out, attributes, 1 + (size > 1));
}

static esk_model *make_model(void) {
    esk_model *model = NULL;
    MUST(esk_model_create("inverted residuals", 21, &model, &error));
    MUST(esk_model_add_input(model, "x0", ESK_FLOAT, 4, (const int64_t[]){1, 16, -1, -1},
                             &error));
    constant(model, "low", 0, NULL);
    constant(model, "high", 0, NULL);
    for (int i = 0; i < 16; i++) {
        const char *steps = "abcdef";
        char names[7][16];
        snprintf(names[0], sizeof names[0], "x%d", i);
        for (int s = 0; s < 5; s++)
            snprintf(names[s + 1], sizeof names[0], "%c%d", steps[s], i);
        snprintf(names[6], sizeof names[0], "x%d", i + 1);
        conv(model, names[0], names[1], 16, 96, 1);
        node(model, "Clip", (const char *[]){names[1], "low", "high"}, 3, names[2], NULL,
             0);
        conv(model, names[2], names[3], 96, 96, 3);
        node(model, "Clip", (const char *[]){names[3], "low", "high"}, 3, names[4], NULL,
             0);
        conv(model, names[4], names[5], 96, 16, 1);
        node(model, "Add", (const char *[]){names[0], names[5]}, 2, names[6], NULL, 0);
    }
    node(model, "GlobalAveragePool", (const char *[]){"x16"}, 1, "pooled", NULL, 0);
    node(model, "Flatten", (const char *[]){"pooled"}, 1, "flat", NULL, 0);
    constant(model, "w", 2, (const int64_t[]){16, 10});
    constant(model, "b", 1, (const int64_t[]){10});
    node(model, "Gemm", (const char *[]){"flat", "w", "b"}, 3, "y", NULL, 0);
    node(model, "Softmax", (const char *[]){"y"}, 1, "z", NULL, 0);
    MUST(esk_model_add_output(model, "z", &error));
    return model;
}

/* ---- a driver that does nothing ---- */

static GLuint names;

static GLuint GL_APIENTRY create_shader(GLenum type) {
    (void)type;
    return ++names;
}
static GLuint GL_APIENTRY create_program(void) {
    return ++names;
}
static void GL_APIENTRY source(GLuint id, GLsizei n, const GLchar *const *text,
                               const GLint *length) {
    (void)id, (void)n, (void)text, (void)length;
}
static void GL_APIENTRY one(GLuint id) {
    (void)id;
}
static void GL_APIENTRY two(GLuint id, GLuint other) {
    (void)id, (void)other;
}
static void GL_APIENTRY get(GLuint id, GLenum name, GLint *value) {
    (void)id, (void)name;
    *value = 1;
}
static void GL_APIENTRY generate(GLsizei n, GLuint *ids) {
    for (GLsizei i = 0; i < n; i++)
        ids[i] = ++names;
}
static void GL_APIENTRY delete (GLsizei n, const GLuint *ids) {
    (void)n, (void)ids;
}
static void GL_APIENTRY data(GLenum target, GLsizeiptr size, const void *bytes,
                             GLenum usage) {
    (void)target, (void)size, (void)bytes, (void)usage;
}
static void GL_APIENTRY sub_data(GLenum target, GLintptr at, GLsizeiptr size,
                                 const void *bytes) {
    (void)target, (void)at, (void)size, (void)bytes;
}
static GLuint bound;
static void *mapped[1 << 12]; /* by buffer */
static void GL_APIENTRY bind_buffer(GLenum target, GLuint name) {
    (void)target;
    bound = name;
}
static void *GL_APIENTRY map(GLenum target, GLintptr at, GLsizeiptr size,
                             GLbitfield access) {
    (void)target, (void)at, (void)access;
    if (bound >= sizeof(mapped) / sizeof(*mapped) || mapped[bound])
        return NULL;
    return mapped[bound] = malloc((size_t)size);
}
static GLboolean GL_APIENTRY unmap(GLenum target) {
    (void)target;
    free(mapped[bound]);
    mapped[bound] = NULL;
    return 1;
}
static GLenum GL_APIENTRY no_error(void) {
    return GL_NO_ERROR;
}

static struct esk_gl gl = {
    .major = 3,
    .minor = 2,
    .CreateShader = create_shader,
    .CreateProgram = create_program,
    .ShaderSource = source,
    .CompileShader = one,
    .LinkProgram = one,
    .DeleteShader = one,
    .DeleteProgram = one,
    .AttachShader = two,
    .DetachShader = two,
    .BindBuffer = bind_buffer,
    .GetShaderiv = get,
    .GetProgramiv = get,
    .GenBuffers = generate,
    .DeleteBuffers = delete,
    .BufferData = data,
    .BufferSubData = sub_data,
    .MapBufferRange = map,
    .UnmapBuffer = unmap,
    .GetError = no_error,
};

/* ---- a shape ---- */

static struct {
    struct esk_model *model;
    struct esk_counters counters;
    struct esk_gl_memory memory;
    struct esk_gl_weights weights;
    struct esk_gl_programs programs;
} house;

struct bound {
    struct esk_plan *plan;
    struct esk_gl_form *forms[256];
    struct esk_gl_record record;
};

/* What compile and the provider's prepare do. */
static void bind(struct bound *bound, int64_t size) {
    const struct esk_compile_options options = {.limits = &limits, .strict = true};
    struct esk_bind_input input = {
        .tensor = {.dtype = ESK_FLOAT, .rank = 4, .dim = {1, 16, size, size}}};
    struct esk_gl_form_place places[256];
    input.tensor.bytes = (size_t)(16 * size * size * 4);
    MUST(esk_bind(house.model->graph, &input, &options, &bound->plan, &error));
    const struct esk_plan *plan = bound->plan;
    if (plan->n_forms > 256)
        exit(1);
    for (uint32_t i = 0; i < plan->n_forms; i++) {
        if (!plan->forms[i].shared)
            continue;
        MUST(esk_gl_form_ref(&house.weights, plan->graph, &plan->forms[i].form,
                             plan->forms[i].form.bytes, &bound->forms[i], &error));
        places[i] = (struct esk_gl_form_place){bound->forms[i]->offset,
                                               bound->forms[i]->buffer->bytes};
    }
    MUST(esk_gl_weights_settle(&house.weights, 1, &error));
    MUST(esk_gl_record_make(&bound->record, plan, &limits, NULL, places, 1, &error));
    for (uint32_t i = 0; i < bound->record.n_commands; i++) {
        struct esk_gl_command *c = &bound->record.commands[i];
        const struct esk_kernel *k = plan->commands[c->source].kernel;
        MUST(esk_gl_program_start(&house.programs, k, &c->reach, &c->program, &error));
        MUST(esk_gl_program_link(&house.programs, k, &c->reach, c->program, &error));
    }
}

static void unbind(struct bound *bound) {
    for (uint32_t i = 0; i < bound->plan->n_forms; i++)
        if (bound->forms[i])
            esk_gl_form_unref(&house.weights, bound->forms[i]);
    esk_gl_record_finish(&bound->record);
    esk_plan_destroy(bound->plan);
}

void second_shape(struct bound *bound);
__attribute__((noinline)) void second_shape(struct bound *bound) {
    bind(bound, 48);
}

int main(void) {
    static struct bound first, second;
    const struct esk_compile_options options = {.limits = &limits, .strict = true};
    house.model = make_model();
    MUST(esk_model_verify(house.model, &error));
    MUST(esk_model_upgrade(house.model, NULL, &error));
    MUST(esk_model_passes(house.model->graph, &options, &error));
    house.memory =
        (struct esk_gl_memory){.gl = &gl, .limits = &limits, .counters = &house.counters};
    house.weights.memory = &house.memory;
    esk_gl_programs_init(&house.programs, &gl, esk_shaders, &house.counters);
    bind(&first, 64);
    struct esk_counters before = house.counters;
    second_shape(&second);
    bool fresh =
        house.counters.programs > before.programs || house.counters.forms > before.forms;
    printf(
        "%u nodes, %u commands, %llu programs and %llu forms; the second shape made %llu "
        "and %llu more\n",
        house.model->graph->n_order, second.record.n_commands,
        (unsigned long long)before.programs, (unsigned long long)before.forms,
        (unsigned long long)(house.counters.programs - before.programs),
        (unsigned long long)(house.counters.forms - before.forms));
    unbind(&second);
    unbind(&first);
    esk_gl_weights_finish(&house.weights);
    esk_gl_memory_finish(&house.memory);
    esk_gl_programs_finish(&house.programs);
    esk_model_destroy(house.model);
    return fresh;
}
