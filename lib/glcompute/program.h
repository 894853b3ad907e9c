/* Programs: source text out of a kernel, the prelude and a template; compiled once for
 * each distinct kernel and device, all of a plan together. In: kernels as data, a GL
 * table; out: linked programs. Must not know plans, buffers or operators; the only GLSL
 * here is the version, extension and layout lines.
 *
 * The parameter block of a command, 32-bit words: 0…2 the group base, 3 spare, 4 + i the
 * base of operand i in units of its view, then the params (lists contiguous). */
#ifndef ESK_GLCOMPUTE_PROGRAM_H
#define ESK_GLCOMPUTE_PROGRAM_H

#include "glcompute/gl.h"
#include "glcompute/program_cache.h"
#include "glcompute/shaders.h"
#include "ir/kernel.h"
#include "ir/segments.h"
#include "ir/provider.h"

enum { ESK_GL_BASE_WORD = 4 }; /* of operand 0 */

/* The word of param 0, and the size of the whole block (a multiple of 16 bytes). */
uint32_t esk_gl_param_word(const struct esk_kernel *kernel);
uint32_t esk_gl_param_bytes(const struct esk_kernel *kernel);

/* Whether an operand is read as an image, and its number among the operands of its kind:
 * image unit or (first) storage block. */
bool esk_gl_is_image(const struct esk_operand *operand, enum esk_read_path path);
uint32_t esk_gl_binding_of(const struct esk_kernel *kernel, uint32_t operand,
                           const struct esk_reach *reach);

/* Bytes of the unit that an operand's base word counts. */
uint32_t esk_gl_unit_bytes(const struct esk_operand *operand);

/* The source of a kernel's program; appended to `text`. `shaders` ends with a row of
 * NULLs and has "prelude"; `minor`: of the context, ES 3.minor. A section, template or
 * include that is missing is ESK_INTERNAL, by name. Pure. */
esk_status esk_gl_source_make(const struct esk_shader *shaders,
                              const struct esk_kernel *kernel,
                              const struct esk_reach *reach, int minor,
                              struct esk_text *text, esk_error *error);

/* What tells one program from another, as text: all that the source depends on. Pure. */
void esk_gl_source_key(const struct esk_kernel *kernel, const struct esk_reach *reach,
                       struct esk_text *text);

struct esk_gl_program {
    GLuint id; /* 0 until linked */
    char *key; /* owned */
    uint64_t hash;
    struct esk_gl_program *next; /* of its bucket */
    GLuint shader;               /* 0 once linked */
    char *source;                /* owned; NULL once the driver has it */
    uint32_t weight;             /* of a source: a guess how long it compiles */
    bool kept;                   /* its binary goes to the disk */
    bool pending;                /* compiled, status not asked */
    bool binary;                 /* from the disk: no shader */
    struct esk_program_key file; /* where the disk cache is on */
    bool warm;                   /* see glcompute/warm.h */
};

/* One per device; under its lock, context current. Zeroed memory is an empty cache.
 * Programs stay until finish. */
struct esk_gl_programs {
    struct esk_gl *gl;                /* borrowed */
    const struct esk_shader *shaders; /* borrowed */
    struct esk_counters *counters;    /* borrowed */
    bool labels;                      /* give objects labels, where KHR_debug is */
    bool late; /* start leaves compiling to esk_gl_program_compile */
    struct esk_program_cache cache;
    GLint formats[8]; /* of binaries, n_formats of them */
    GLint n_formats;
    struct esk_gl_program *buckets[256];
};

void esk_gl_programs_init(struct esk_gl_programs *programs, struct esk_gl *gl,
                          const struct esk_shader *shaders,
                          struct esk_counters *counters);
/* Keeps binaries on disk, where the driver has a format for them: esk_program_cache_init.
 * Without this call none are. */
void esk_gl_programs_keep(struct esk_gl_programs *programs, const char *folder,
                          const char *driver, const struct esk_logger *logger);
void esk_gl_programs_finish(struct esk_gl_programs *programs);

/* Finds a program or starts to compile it, asking no status: start all of a plan, then
 * link each. */
esk_status esk_gl_program_start(struct esk_gl_programs *programs,
                                const struct esk_kernel *kernel,
                                const struct esk_reach *reach,
                                struct esk_gl_program **program, esk_error *error);

/* Hands the source to the driver, asking no status; nothing if that was done. `gl`: of
 * the current context, any that shares with the device's; no other thread has the
 * program. */
void esk_gl_program_compile(struct esk_gl *gl, struct esk_gl_program *program);

/* Waits for it. On failure the program is forgotten, and the error holds the driver's log
 * with the lines that it names. `kernel`: the one it was started for. */
esk_status esk_gl_program_link(struct esk_gl_programs *programs,
                               const struct esk_kernel *kernel,
                               const struct esk_reach *reach,
                               struct esk_gl_program *program, esk_error *error);

#endif
