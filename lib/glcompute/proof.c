/* Small programs that show what a driver does. In: a GL table; out: yes or no. Must not
 * know screens. */
#include "glcompute/proof.h"

#include "glcompute/shaders.h"

#include <assert.h>
#include <string.h>
#include <sys/resource.h>

static GLuint make_program(struct esk_gl *gl, const char *name) {
    const struct esk_shader *found = esk_shaders;
    while (found->name && strcmp(found->name, name) != 0)
        found++;
    assert(found->name);
    const char *text[] = {"#version 310 es\n", found->text};
    GLuint shader, program;
    ESK_GL_SET(gl, shader, CreateShader(GL_COMPUTE_SHADER));
    ESK_GL_SET(gl, program, CreateProgram());
    ESK_GL(gl, ShaderSource(shader, 2, text, NULL));
    ESK_GL(gl, CompileShader(shader));
    ESK_GL(gl, AttachShader(program, shader));
    ESK_GL(gl, LinkProgram(program));
    ESK_GL(gl, DeleteShader(shader)); /* with the program */
    ESK_GL(gl, UseProgram(program));
    return program;
}

static void drop_program(struct esk_gl *gl, GLuint program) {
    ESK_GL(gl, UseProgram(0));
    ESK_GL(gl, DeleteProgram(program));
}

/* Switches of this thread while it issues so many dispatches. */
static long count_switches(struct esk_gl *gl, int dispatches) {
    struct rusage before, after;
    getrusage(RUSAGE_THREAD, &before);
    for (int i = 0; i < dispatches; i++)
        ESK_GL(gl, DispatchCompute(1, 1, 1));
    getrusage(RUSAGE_THREAD, &after);
    /* a thread that it wakes on this core is counted as putting it aside */
    return after.ru_nvcsw - before.ru_nvcsw + after.ru_nivcsw - before.ru_nivcsw;
}

bool esk_gl_computes_inline(struct esk_gl *gl) {
    enum { DISPATCHES = 16, TIMES = 4 };
    GLuint program = make_program(gl, "lib/idle");
    ESK_GL(gl, DispatchCompute(1, 1, 1)); /* compiles */
    bool found =
        false; /* on a busy machine it may be put aside for others now and then */
    for (int i = 0; i < TIMES && !found; i++)
        found = count_switches(gl, DISPATCHES) < DISPATCHES / 4;
    drop_program(gl, program);
    return esk_gl_status(gl, "an inline screen", NULL) == ESK_OK && found;
}

bool esk_gl_writes_at_once(struct esk_gl *gl, const struct esk_gl_buffer *pin,
                           unsigned char *memory) {
    memset(memory, 0, ESK_GL_PROOF_BYTES);
    GLuint program = make_program(gl, "lib/proof");
    ESK_GL(gl, BindBufferBase(GL_SHADER_STORAGE_BUFFER, 0, pin->id));
    ESK_GL(gl, DispatchCompute(1, 1, 1));
    bool right = true;
    for (uint32_t i = 0; i < ESK_GL_PROOF_BYTES / 4; i++) {
        uint32_t word;
        memcpy(&word, memory + 4 * i, 4);
        right = right && word == i * 0x9E3779B9u + 1;
    }
    drop_program(gl, program);
    return esk_gl_status(gl, "another context's memory", NULL) == ESK_OK && right;
}
