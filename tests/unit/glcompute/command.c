/* glcompute/command: recording as golden text, cutting of dispatches, replay and waiting
 * over a driver that counts. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "glcompute/command.h"

#include <string.h>

static const struct esk_limits limits = {
    .read_path = ESK_READ_IMAGE,
    .max_groups = {65535, 65535, 65535},
    .max_images = 4,
    .max_ssbos = 8,
    .max_outputs = 8,
    .max_ubo = 16384,
    .ubo_align = 64,
    .ssbo_align = 16,
    .max_binding = 1 << 27,
    .max_texels = 1 << 27,
};

/* Two kernels: T = f(X, form 0), Y = g(T, p late). */
static struct {
    struct esk_plan plan;
    struct esk_recipe recipe;
    struct esk_buffer buffers[3];
    struct esk_command commands[2];
    struct esk_stage stages[1];
    struct esk_plan_form forms[1];
    uint64_t slab_bytes[1];
} fix;
static const struct esk_gl_form_place places[] = {{512, 4096}};

static struct esk_operand operand(const char *name, enum esk_access access,
                                  enum esk_view view) {
    return (struct esk_operand){.name = name,
                                .access = access,
                                .view = view,
                                .storage = ESK_STORAGE_F32,
                                .dtype = ESK_FLOAT};
}

static void setup(void) {
    memset(&fix, 0, sizeof fix);
    struct esk_kernel *k = esk_recipe_kernel(&fix.recipe, "f");
    k->label = "one";
    k->operands[0] = operand("X", ESK_READ, ESK_VEC4);
    k->operands[1] = operand("W", ESK_READ, ESK_ELEMENT);
    k->operands[2] = operand("Y", ESK_WRITE, ESK_VEC4);
    k->operands[2].offset = 32;
    k->n_operands = 3;
    esk_kernel_groups(k, 5, 3, 1);
    esk_kernel_int(k, "n", 9);
    k = esk_recipe_kernel(&fix.recipe, "g");
    k->label = "two";
    k->operands[0] = operand("X", ESK_READ, ESK_ELEMENT);
    k->operands[1] = operand("Y", ESK_WRITE, ESK_ELEMENT);
    k->n_operands = 2;
    esk_kernel_host_int(k, "at", 0, 1);
    esk_kernel_groups(k, 4, 1, 1);
    fix.buffers[0].place = (struct esk_place){ESK_SLOT_INPUT, 0, 0, 256, 0, 0};
    fix.buffers[1].place = (struct esk_place){ESK_SLOT_ACTIVATION, 0, 256, 256, 0, 0};
    fix.buffers[2].place = (struct esk_place){ESK_SLOT_OUTPUT, 0, 0, 256, 0, 0};
    fix.slab_bytes[0] = 512;
    fix.forms[0] = (struct esk_plan_form){.form.bytes = 64, .shared = true};
    fix.commands[0] = (struct esk_command){.kernel = &fix.recipe.kernels[0],
                                           .buffers = {0, ESK_COMMAND_FORM(0), 1}};
    fix.commands[1] = (struct esk_command){
        .kernel = &fix.recipe.kernels[1], .buffers = {1, 2}, .barrier = true};
    fix.stages[0].n_commands = 2;
    fix.plan = (struct esk_plan){.buffers = fix.buffers,
                                 .commands = fix.commands,
                                 .stages = fix.stages,
                                 .forms = fix.forms,
                                 .n_buffers = 3,
                                 .n_commands = 2,
                                 .n_stages = 1,
                                 .n_forms = 1,
                                 .n_inputs = 1,
                                 .n_outputs = 1,
                                 .slab_bytes = fix.slab_bytes,
                                 .n_slabs = 1};
}

static void teardown(void) {
    for (uint32_t i = 0; i < fix.recipe.n_kernels; i++)
        esk_free(fix.recipe.kernels[i].params);
    esk_free(fix.recipe.kernels);
}

TestSuite(command, .init = setup, .fini = teardown);

static void check_print(const struct esk_gl_record *record, const char *want) {
    struct esk_text text = {0};
    esk_gl_record_print(record, &text);
    cr_assert_str_eq(esk_text_str(&text), want);
    esk_text_finish(&text);
}

Test(command, record) {
    struct esk_gl_record r;
    cr_assert_eq(esk_gl_record_make(&r, &fix.plan, &limits, NULL, places, 1, NULL),
                 ESK_OK);
    check_print(&r, "record: 2 commands, 5 slots, 96 bytes of parameters\n"
                    "slot 0: activation 0, 512 bytes element\n"
                    "slot 1: input 0, 256 bytes vec4\n"
                    "slot 2: output 0, 256 bytes\n"
                    "slot 4: form 0, 4096 bytes element\n"
                    "stage 0: 2 commands, 1 late words\n"
                    "  0 'one' f groups 5x3x1 params 0+32 X=input 0:rgba32f 0 "
                    "W=form 0+128:r32f 1 Y=activation 0+18:block 0\n"
                    "  1 'two' g groups 4x1x1 params 64+32 X=activation 0+64:r32f 0 "
                    "Y=output 0:block 0 barrier\n"
                    "  late 88: int 0 element 1\n");
    cr_assert(r.barriers & GL_SHADER_STORAGE_BARRIER_BIT);
    cr_assert(r.barriers & GL_SHADER_IMAGE_ACCESS_BARRIER_BIT);
    esk_gl_record_finish(&r);
}

Test(command, record_ssbo) {
    struct esk_limits l = limits;
    struct esk_gl_record r;
    l.read_path = ESK_READ_SSBO;
    cr_assert_eq(esk_gl_record_make(&r, &fix.plan, &l, NULL, places, 1, NULL), ESK_OK);
    for (uint32_t i = 0; i < r.n_bindings; i++)
        cr_assert(!r.bindings[i].image);
    cr_assert_eq(r.bindings[2].index, 2);
    esk_gl_record_finish(&r);
    l = limits;
    l.max_texels = 16; /* 256 bytes of vec4s, 64 of floats */
    cr_assert_eq(esk_gl_record_make(&r, &fix.plan, &l, NULL, places, 1, NULL), ESK_OK);
    cr_assert(r.commands[0].reach.path == ESK_READ_SSBO,
              "the form is out of an image's reach");
    esk_gl_record_finish(&r);
}

/* Every group runs once, whatever the limit; no barrier between the pieces of one. */
Test(command, cut) {
    for (uint32_t most = 1; most <= 6; most++) {
        const uint32_t caps[3] = {most, most, most};
        struct esk_gl_record r;
        int seen[5][3] = {{0}};
        cr_assert_eq(esk_gl_record_make(&r, &fix.plan, &limits, caps, places, 1, NULL),
                     ESK_OK);
        for (uint32_t i = 0; i < r.n_commands; i++) {
            const struct esk_gl_command *c = &r.commands[i];
            uint32_t base[3];
            memcpy(base, r.params + c->params, sizeof base);
            cr_assert_eq(c->params % limits.ubo_align, 0);
            cr_assert_eq(c->barrier,
                         i && c->source == 1 && r.commands[i - 1].source == 0);
            for (uint32_t y = 0; y < c->groups[1] && c->source == 0; y++)
                for (uint32_t x = 0; x < c->groups[0]; x++)
                    seen[base[0] + x][base[1] + y]++;
            cr_assert(c->groups[0] <= most && c->groups[1] <= most);
        }
        for (int x = 0; x < 5; x++)
            for (int y = 0; y < 3; y++)
                cr_assert_eq(seen[x][y], 1);
        cr_assert_eq(r.n_late, (4 + most - 1) / most, "each piece has its late words");
        esk_gl_record_finish(&r);
    }
}

Test(command, cut_not_allowed) {
    struct esk_limits l = limits;
    struct esk_gl_record r;
    esk_error error = ESK_ERROR_INIT;
    fix.recipe.kernels[0].split_axes = 6;
    cr_assert_eq(esk_gl_record_make(&r, &fix.plan, &l, (const uint32_t[]){2, 2, 2},
                                    places, 1, NULL),
                 ESK_OK);
    cr_assert(r.commands[0].groups[0] == 5 && r.commands[0].groups[1] == 2,
              "a cap for tests cuts only where it may");
    esk_gl_record_finish(&r);
    l.max_groups[0] = 4;
    cr_assert_eq(esk_gl_record_make(&r, &fix.plan, &l, NULL, places, 1, &error),
                 ESK_UNSUPPORTED);
    cr_assert(strstr(esk_error_message(&error), "'one': 5 groups on axis 0"), "%s",
              esk_error_message(&error));
    esk_error_clear(&error);
}

Test(command, no_groups) {
    struct esk_gl_record r;
    fix.commands[0].barrier = true;
    fix.commands[1].barrier = false;
    fix.recipe.kernels[0].groups[1] = 0;
    cr_assert_eq(esk_gl_record_make(&r, &fix.plan, &limits, NULL, places, 1, NULL),
                 ESK_OK);
    cr_assert(r.n_commands == 1 && r.commands[0].barrier, "its barrier is kept");
    esk_gl_record_finish(&r);
}

/* A slab larger than a binding is bound by a window. */
Test(command, window) {
    struct esk_limits l = limits;
    struct esk_gl_record r;
    l.read_path = ESK_READ_SSBO;
    l.max_binding = 1024;
    l.ssbo_align = 256;
    fix.slab_bytes[0] = 4096;
    fix.buffers[1].place.offset = 3 * 1024 + 128;
    cr_assert_eq(esk_gl_record_make(&r, &fix.plan, &l, NULL, places, 1, NULL), ESK_OK);
    const struct esk_gl_binding *b = &r.bindings[2];
    uint32_t word;
    memcpy(&word, r.params + r.commands[0].params + (ESK_GL_BASE_WORD + 2) * 4, 4);
    cr_assert(b->start == 3 * 1024 && b->size == 1024 && word == (128 + 32) / 16);
    esk_gl_record_finish(&r);
}

/* Operands larger than a binding: several blocks, or pieces whose windows move along. */
Test(command, segments) {
    struct esk_limits l = limits;
    struct esk_gl_record r;
    struct esk_kernel *k = &fix.recipe.kernels[0];
    l.read_path = ESK_READ_SSBO;
    l.max_binding = 1024;
    l.ssbo_align = 256;
    fix.slab_bytes[0] = 8192;
    fix.buffers[1].place = (struct esk_place){.offset = 1024 + 128, .bytes = 2560};
    for (uint32_t i = 0; i < k->n_operands; i++)
        k->operands[i].offset = 0;
    cr_assert_eq(esk_gl_record_make(&r, &fix.plan, &l, NULL, places, 1, NULL), ESK_OK);
    const struct esk_gl_command *c = &r.commands[0];
    const struct esk_gl_binding *b = &r.bindings[c->first_binding + 2];
    cr_assert(c->reach.segments[2] == 3 && c->n_bindings == 5 &&
              c->reach.segment == 1024);
    for (uint32_t i = 0; i < 3; i++)
        cr_assert(b[i].start == 1024 + i * 1024 && b[i].size == 1024 &&
                  b[i].index == b[0].index + i && b[i].operand == 2);
    esk_gl_record_finish(&r);
    /* Five groups of 512 bytes: one a piece. */
    k->operands[2].step[0] = k->operands[2].reach = 512;
    cr_assert_eq(esk_gl_record_make(&r, &fix.plan, &l, NULL, places, 1, NULL), ESK_OK);
    cr_assert_eq(r.commands[0].groups[0], 1);
    for (uint32_t i = 0; i < 5; i++) {
        c = &r.commands[i];
        b = &r.bindings[c->first_binding + 2];
        int32_t word;
        memcpy(&word, r.params + c->params + (ESK_GL_BASE_WORD + 2) * 4, 4);
        cr_assert(c->source == 0 && c->n_bindings == 3 && b->size == 1024 &&
                      b->start == 1024 + i * 512 && word == (128 - (int32_t)i * 512) / 16,
                  "piece %u: start %llu, word %d", i, (unsigned long long)b->start, word);
    }
    esk_gl_record_finish(&r);
}

Test(command, late) {
    struct esk_gl_record r;
    struct esk_var var = {.name = "v"};
    struct esk_var *vars[] = {&var};
    struct esk_graph graph = {.vars = vars, .n_vars = 1};
    int64_t values[] = {1, INT64_MAX};
    struct esk_tensor host = {.dtype = ESK_INT64,
                              .rank = 1,
                              .dim = {2},
                              .data = values,
                              .bytes = sizeof values};
    fix.plan.graph = &graph;
    cr_assert_eq(esk_gl_record_make(&r, &fix.plan, &limits, NULL, places, 1, NULL),
                 ESK_OK);
    cr_assert_eq(esk_gl_record_late(&r, 0, &host, r.params, NULL), ESK_OK);
    int32_t word;
    memcpy(&word, r.params + r.late[0].offset, 4);
    cr_assert_eq(word, INT32_MAX, "saturated");
    host.dim[0] = 1;
    cr_assert_eq(esk_gl_record_late(&r, 0, &host, r.params, NULL), ESK_INTERNAL);
    esk_gl_record_finish(&r);
}

/* ---- replay ---- */

static int used, blocks, images, dispatches, barriers, ranges;

static void GL_APIENTRY use_program(GLuint id) {
    (void)id;
    used++;
}

static void GL_APIENTRY bind_base(GLenum target, GLuint index, GLuint id) {
    (void)target, (void)index, (void)id;
    blocks++;
}

static void GL_APIENTRY bind_range(GLenum target, GLuint index, GLuint id,
                                   GLintptr offset, GLsizeiptr size) {
    (void)index, (void)id, (void)offset, (void)size;
    cr_assert_eq(target, GL_UNIFORM_BUFFER);
    ranges++;
}

static void GL_APIENTRY bind_image(GLuint unit, GLuint texture, GLint level,
                                   GLboolean layered, GLint layer, GLenum access,
                                   GLenum format) {
    (void)unit, (void)level, (void)layered, (void)layer, (void)access, (void)format;
    cr_assert_neq(texture, 0);
    images++;
}

static void GL_APIENTRY dispatch(GLuint x, GLuint y, GLuint z) {
    dispatches += (int)(x * y * z);
}

static void GL_APIENTRY memory_barrier(GLbitfield bits) {
    (void)bits;
    barriers++;
}

/* ---- fences that never signal */

static bool no_fence;
static GLenum waited = GL_TIMEOUT_EXPIRED;

static GLsync GL_APIENTRY fence_sync(GLenum condition, GLbitfield flags) {
    (void)condition, (void)flags;
    return no_fence ? NULL : (GLsync)(void *)&used;
}

static GLenum GL_APIENTRY client_wait(GLsync sync, GLbitfield flags, GLuint64 timeout) {
    (void)sync, (void)flags, (void)timeout;
    return waited;
}

static GLenum GL_APIENTRY get_error(void) {
    return GL_NO_ERROR;
}

static void GL_APIENTRY get_sync(GLsync sync, GLenum name, GLsizei size, GLsizei *length,
                                 GLint *value) {
    (void)sync, (void)name, (void)size, (void)length;
    *value = GL_UNSIGNALED;
}

static void GL_APIENTRY delete_sync(GLsync sync) {
    (void)sync;
}

static void GL_APIENTRY flush(void) {
}

static GLenum GL_APIENTRY reset_status(void) {
    return GL_GUILTY_CONTEXT_RESET_KHR;
}

static struct esk_gl gl = {.UseProgram = use_program,
                           .BindBufferBase = bind_base,
                           .BindBufferRange = bind_range,
                           .BindImageTexture = bind_image,
                           .DispatchCompute = dispatch,
                           .MemoryBarrier = memory_barrier,
                           .FenceSync = fence_sync,
                           .ClientWaitSync = client_wait,
                           .GetSynciv = get_sync,
                           .DeleteSync = delete_sync,
                           .GetError = get_error,
                           .Flush = flush};

static bool no_memory(void *user, size_t size) {
    (void)user, (void)size;
    return false;
}

Test(command, replay) {
    const uint32_t caps[3] = {2, 2, 2};
    struct esk_gl_record r;
    struct esk_gl_program programs[2] = {{.id = 1}, {.id = 2}};
    struct esk_gl_buffer buffers[5], *slots[5];
    cr_assert_eq(esk_gl_record_make(&r, &fix.plan, &limits, caps, places, 1, NULL),
                 ESK_OK);
    for (uint32_t i = 0; i < r.n_commands; i++)
        r.commands[i].program = &programs[r.commands[i].source];
    for (GLuint i = 0; i < 5; i++) {
        buffers[i] = (struct esk_gl_buffer){.id = i + 1, .views = {10 + i, 20 + i}};
        slots[i] = &buffers[i];
    }
    const struct esk_gl_replay replay = {.slots = slots, .params = 9};
    esk_mem_set_hook(no_memory, NULL);
    cr_assert_eq(esk_gl_replay(&gl, &r, 0, &replay), r.n_commands);
    esk_mem_set_hook(NULL, NULL);
    cr_assert_eq(dispatches, 15 + 4, "every group");
    cr_assert_eq(used, 2, "a program is used once for all its pieces");
    cr_assert(images == 3 && blocks == 2, "so are its bindings");
    cr_assert_eq(barriers, 1);
    cr_assert_eq(ranges, (int)r.n_commands);
    atomic_bool stop;
    atomic_init(&stop, true);
    const struct esk_gl_replay stopped = {.slots = slots, .params = 9, .stop = &stop};
    cr_assert_eq(esk_gl_replay(&gl, &r, 0, &stopped), 1, "a stopped run issues no more");
    esk_gl_record_finish(&r);
}

/* ---- two lanes, the second within the first one's first dispatch */

static struct {
    struct esk_gl_record record;
    struct esk_gl_course course;
    struct esk_gl_replay replay;
    GLintptr front[8], back[8];     /* where the pieces' parameters lie */
    uint32_t n_front, n_back, most; /* most: after so many the second lane ends all */
} pair;

static void GL_APIENTRY front_range(GLenum target, GLuint index, GLuint id,
                                    GLintptr offset, GLsizeiptr size) {
    (void)target, (void)index, (void)id, (void)size;
    pair.front[pair.n_front++] = offset;
}

static void GL_APIENTRY back_range(GLenum target, GLuint index, GLuint id,
                                   GLintptr offset, GLsizeiptr size) {
    (void)target, (void)index, (void)id, (void)size;
    pair.back[pair.n_back++] = offset;
}

static void GL_APIENTRY back_dispatch(GLuint x, GLuint y, GLuint z) {
    (void)x, (void)y, (void)z;
    if (pair.n_back == pair.most)
        esk_gl_course_end(&pair.course);
}

static void GL_APIENTRY front_dispatch(GLuint x, GLuint y, GLuint z) {
    (void)x, (void)y, (void)z;
    struct esk_gl back = gl;
    back.BindBufferRange = back_range;
    back.DispatchCompute = back_dispatch;
    if (pair.n_front == 1 && pair.most)
        cr_assert_eq(esk_gl_replay_along(&back, &pair.record, 0, &pair.replay),
                     pair.most);
}

/* Each lane begins at its own end of a command, so that it has the same part of each. */
Test(command, lanes_keep_to_their_ends) {
    static struct esk_gl_program program = {.id = 1};
    static struct esk_gl_buffer buffers[5], *slots[5];
    for (GLuint i = 0; i < 5; i++) {
        buffers[i] = (struct esk_gl_buffer){.id = i + 1, .views = {10 + i, 20 + i}};
        slots[i] = &buffers[i];
    }
    struct esk_gl front = gl;
    front.BindBufferRange = front_range;
    front.DispatchCompute = front_dispatch;
    fix.recipe.kernels[0].flops = 1e9;
    esk_kernel_groups(&fix.recipe.kernels[0], 1, 1, 6);
    fix.stages[0].n_commands = 1;
    struct esk_gl_record *r = &pair.record;
    cr_assert_eq(esk_gl_record_make(r, &fix.plan, &limits, NULL, places, 2, NULL),
                 ESK_OK);
    cr_assert_eq(r->n_commands, 6);
    for (uint32_t i = 0; i < 6; i++)
        r->commands[i].program = &program;
    cr_assert_eq(esk_gl_course_init(&pair.course, NULL), ESK_OK);
    pair.replay =
        (struct esk_gl_replay){.slots = slots, .params = 9, .course = &pair.course};
    for (pair.most = 0; pair.most <= 5; pair.most += 5) {
        pair.n_front = pair.n_back = 0;
        esk_gl_course_reset(&pair.course);
        cr_assert_eq(esk_gl_replay(&front, r, 0, &pair.replay), 6);
        cr_assert_eq(pair.n_back, pair.most);
        cr_assert_eq(pair.n_front, 6 - pair.most);
        for (uint32_t i = 0; i < pair.n_front; i++)
            cr_assert_eq(pair.front[i], r->commands[i].params);
        for (uint32_t i = 0; i < pair.n_back; i++)
            cr_assert_eq(pair.back[i], r->commands[5 - i].params);
    }
    esk_gl_course_finish(&pair.course);
    esk_gl_record_finish(r);
}

Test(command, wait) {
    for (int poll = 0; poll < 2; poll++) {
        struct esk_gl_record r;
        esk_error error = ESK_ERROR_INIT;
        cr_assert_eq(esk_gl_record_make(&r, &fix.plan, &limits, NULL, places, 1, NULL),
                     ESK_OK);
        gl.GetGraphicsResetStatus = NULL;
        cr_assert_eq(esk_gl_wait(&gl, &r, 0, 5, poll, NULL, &error), ESK_TIMEOUT);
        cr_assert_str_eq(esk_error_message(&error),
                         "stage 0 did not finish within 5 ms; in flight: 'one', 'two'");
        gl.GetGraphicsResetStatus = reset_status;
        cr_assert_eq(esk_gl_wait(&gl, &r, 0, 5, poll, NULL, &error), ESK_DEVICE_LOST);
        esk_error_clear(&error);
        esk_gl_record_finish(&r);
    }
}

/* A fence that there is not, and one that cannot be waited for, are no success. */
Test(command, fences_that_fail) {
    struct esk_gl_record r;
    esk_error error = ESK_ERROR_INIT;
    cr_assert_eq(esk_gl_record_make(&r, &fix.plan, &limits, NULL, places, 1, NULL),
                 ESK_OK);
    for (int none = 0; none < 2; none++) {
        no_fence = none;
        waited = GL_WAIT_FAILED;
        gl.GetGraphicsResetStatus = NULL;
        cr_assert_eq(esk_gl_wait(&gl, &r, 0, 5, false, NULL, &error), ESK_DEVICE_ERROR);
        cr_assert(
            strstr(esk_error_message(&error), none ? "glFenceSync" : "glClientWaitSync"),
            "%s", esk_error_message(&error));
        gl.GetGraphicsResetStatus = reset_status;
        cr_assert_eq(esk_gl_wait(&gl, &r, 0, 5, false, NULL, &error), ESK_DEVICE_LOST);
    }
    esk_error_clear(&error);
    esk_gl_record_finish(&r);
}
