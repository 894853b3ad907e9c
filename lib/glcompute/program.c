/* Source text and compiled programs. In: kernels, the embedded shaders, a GL table; out:
 * source text, linked programs. Must not know plans, buffers or operators. */
#include "glcompute/program.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    INCLUDE_DEPTH = 8,
    EXCERPT_LINES = 3, /* before and after a line that the driver names */
    LOG_BYTES = 4096,  /* of a driver's log that an error quotes */
};

/* ---- the parameter block ---- */

uint32_t esk_gl_param_word(const struct esk_kernel *kernel) {
    return ESK_GL_BASE_WORD + kernel->n_operands;
}

uint32_t esk_gl_param_bytes(const struct esk_kernel *kernel) {
    return (esk_gl_param_word(kernel) + kernel->n_params + 3) / 4 * 16;
}

bool esk_gl_is_image(const struct esk_operand *operand, enum esk_read_path path) {
    return path == ESK_READ_IMAGE && operand->access == ESK_READ;
}

uint32_t esk_gl_binding_of(const struct esk_kernel *kernel, uint32_t operand,
                           const struct esk_reach *reach) {
    bool image = esk_gl_is_image(&kernel->operands[operand], reach->path);
    uint32_t binding = 0;
    for (uint32_t i = 0; i < operand; i++)
        if (esk_gl_is_image(&kernel->operands[i], reach->path) == image)
            binding += image || !reach->segments[i] ? 1 : reach->segments[i];
    return binding;
}

uint32_t esk_gl_unit_bytes(const struct esk_operand *operand) {
    bool vec4 = operand->view == ESK_VEC4;
    switch (operand->storage) {
    case ESK_STORAGE_F16X2:
        return vec4 ? 8 : 2;
    case ESK_STORAGE_I64X2:
        return 8;
    default:
        return vec4 ? 16 : 4;
    }
}

/* ---- source ---- */

static const char *find_shader(const struct esk_shader *shaders, const char *name,
                               size_t length) {
    for (const struct esk_shader *s = shaders; s->name; s++)
        if (strlen(s->name) == length && memcmp(s->name, name, length) == 0)
            return s->text;
    return NULL;
}

static const char *next_line(const char *line) {
    const char *end = strchr(line, '\n');
    return end ? end + 1 : line + strlen(line);
}

/* What replaces @X, @B, @O, @N, @V, @C, @K (and @J) and @S. */
struct words {
    const char *x, *n;
    unsigned b, v, k, s;
    char o[24], c;
};

static void add_word(struct esk_text *text, const struct words *words, char key) {
    switch (key) {
    case 'X':
        esk_text_add(text, "%s", words->x);
        break;
    case 'B':
        esk_text_add(text, "%u", words->b);
        break;
    case 'O':
        esk_text_add(text, "%s", words->o);
        break;
    case 'N':
        esk_text_add(text, "%s", words->n);
        break;
    case 'V':
        esk_text_add(text, "%u", words->v);
        break;
    case 'C':
        esk_text_append(text, &words->c, 1);
        break;
    case 'K':
        esk_text_add(text, "%u", words->k);
        break;
    case 'J':
        esk_text_add(text, "%u", words->k - 1);
        break;
    case 'S':
        esk_text_add(text, "%u", words->s);
        break;
    default:
        esk_text_add(text, "@%c", key);
    }
}

/* Appends a line with its words replaced; `words` NULL: as it is. */
static void add_line(struct esk_text *text, const char *line, const char *end,
                     const struct words *words) {
    while (line < end) {
        const char *at = words ? memchr(line, '@', (size_t)(end - line)) : NULL;
        if (!at || at + 1 >= end)
            at = end;
        esk_text_append(text, line, (size_t)(at - line));
        if (at < end) {
            add_word(text, words, at[1]);
            at += 2;
        }
        line = at;
    }
}

/* Appends section `name` of the prelude ("//: name" up to the next "//: "). */
static esk_status add_section(const struct esk_shader *shaders, const char *name,
                              const struct words *words, struct esk_text *text,
                              esk_error *error) {
    const char *line = find_shader(shaders, "prelude", 7);
    if (!line)
        return esk_fail(error, ESK_INTERNAL, "program: no shader 'prelude'");
    size_t length = strlen(name);
    while (*line && !(strncmp(line, "//: ", 4) == 0 &&
                      strncmp(line + 4, name, length) == 0 && line[4 + length] == '\n'))
        line = next_line(line);
    if (!*line)
        return esk_fail(error, ESK_INTERNAL, "program: the prelude has no section '%s'",
                        name);
    const char *end;
    for (line = next_line(line); *line && strncmp(line, "//: ", 4) != 0; line = end) {
        end = next_line(line);
        add_line(text, line, end, words);
    }
    return ESK_OK;
}

/* The name in `#include "lib/map.glsl"` (the ending may be missing); false: another line.
 */
static bool include_of(const char *line, const char **name, size_t *length) {
    line += strspn(line, " \t");
    if (strncmp(line, "#include", 8) != 0)
        return false;
    line += 8;
    line += strspn(line, " \t");
    if (*line != '"')
        return false;
    *name = line + 1;
    *length = strcspn(line + 1, "\"\n");
    if (line[1 + *length] != '"')
        return false;
    if (*length > 5 && memcmp(*name + *length - 5, ".glsl", 5) == 0)
        *length -= 5;
    return true;
}

/* A shader with its includes in it. Each is guarded rather than dropped when it comes
 * again: the first may stand in a branch that is not compiled. */
static esk_status add_shader(const struct esk_shader *shaders, const char *name,
                             size_t name_length, int depth, struct esk_text *text,
                             esk_error *error) {
    const char *line = find_shader(shaders, name, name_length);
    if (!line)
        return esk_fail(error, ESK_INTERNAL, "program: no shader '%.*s'",
                        (int)name_length, name);
    if (depth > INCLUDE_DEPTH)
        return esk_fail(error, ESK_INTERNAL, "program: includes of '%.*s' go too deep",
                        (int)name_length, name);
    for (; *line; line = next_line(line)) {
        const char *included;
        size_t length;
        if (!include_of(line, &included, &length)) {
            esk_text_append(text, line, (size_t)(next_line(line) - line));
            continue;
        }
        char guard[64];
        snprintf(guard, sizeof guard, "INCLUDED_%.*s", (int)length, included);
        for (char *c = guard; *c; c++)
            if (*c == '/' || *c == '.' || *c == '-')
                *c = '_';
        esk_text_add(text, "#ifndef %s\n#define %s\n", guard, guard);
        ESK_TRY(add_shader(shaders, included, length, depth + 1, text, error));
        esk_text_add(text, "\n#endif\n");
    }
    return ESK_OK;
}

static const char *narrowing(const struct esk_operand *operand) {
    switch (operand->dtype) {
    case ESK_FLOAT16:
        return operand->storage == ESK_STORAGE_F32 ? "as_half" : "as_plain";
    case ESK_INT8:
        return "as_int8";
    case ESK_INT16:
        return "as_int16";
    case ESK_UINT8:
        return "as_uint8";
    case ESK_UINT16:
        return "as_uint16";
    default:
        return "as_plain";
    }
}

/* The storage blocks of an operand. */
static esk_status add_blocks(const struct esk_shader *shaders, const char *access,
                             uint32_t count, struct words *words, struct esk_text *text,
                             esk_error *error) {
    char name[32];
    snprintf(name, sizeof name, count > 1 ? "segment 0 %s" : "block %s", access);
    ESK_TRY(add_section(shaders, name, words, text, error));
    if (count < 2)
        return ESK_OK;
    snprintf(name, sizeof name, "segment %s", access);
    while (++words->k < count) {
        words->b++;
        ESK_TRY(add_section(shaders, name, words, text, error));
    }
    words->k--;
    return add_section(shaders, "last segment", words, text, error);
}

static esk_status add_operand(const struct esk_shader *shaders,
                              const struct esk_kernel *kernel, uint32_t i,
                              const struct esk_reach *reach, struct esk_text *text,
                              esk_error *error) {
    const struct esk_operand *o = &kernel->operands[i];
    const char *storage = esk_storage_name(o->storage);
    static const char *const views[] = {"element", "vec4", "loose"};
    bool image = esk_gl_is_image(o, reach->path);
    const char *access = o->access == ESK_WRITE        ? "write"
                         : o->access == ESK_READ_WRITE ? "readwrite"
                                                       : "read";
    unsigned base = ESK_GL_BASE_WORD + i, unit = esk_gl_unit_bytes(o);
    struct words words = {
        .x = o->name,
        .n = narrowing(o),
        .b = esk_gl_binding_of(kernel, i, reach),
        .s = reach->segment / (unit < 4 ? 4 : unit), /* halves lie in words */
    };
    snprintf(words.o, sizeof words.o, "w_[%u].%c", base / 4, "xyzw"[base % 4]);
    char name[64];
    snprintf(name, sizeof name, "types %s %s", storage,
             views[o->view == ESK_LOOSE ? ESK_VEC4 : o->view]);
    ESK_TRY(add_section(shaders, "operand", &words, text, error));
    ESK_TRY(add_section(shaders, name, &words, text, error));
    snprintf(name, sizeof name, "memory %s %s", storage,
             views[o->view == ESK_LOOSE ? ESK_ELEMENT : o->view]);
    if (!image) {
        ESK_TRY(add_section(shaders, name, &words, text, error));
        ESK_TRY(add_blocks(shaders, access, reach->segments[i], &words, text, error));
    }
    snprintf(name, sizeof name, "%s%s %s %s", access,
             o->access != ESK_READ ? ""
             : image               ? " image"
                                   : " ssbo",
             storage, views[o->view]);
    return add_section(shaders, name, &words, text, error);
}

static esk_status add_params(const struct esk_shader *shaders,
                             const struct esk_kernel *kernel, struct esk_text *text,
                             esk_error *error) {
    uint32_t word = esk_gl_param_word(kernel);
    for (uint32_t i = 0; i < kernel->n_params; i++) {
        const struct esk_param *p = &kernel->params[i];
        if (!p->name)
            continue;
        unsigned at = word + i;
        struct words words = {
            .x = p->name, .n = "", .v = p->list ? at : at / 4, .c = "xyzw"[at % 4]};
        char name[32];
        snprintf(name, sizeof name, "param %s%s", p->is_float ? "float" : "int",
                 p->list ? "s" : "");
        ESK_TRY(add_section(shaders, name, &words, text, error));
    }
    return ESK_OK;
}

esk_status esk_gl_source_make(const struct esk_shader *shaders,
                              const struct esk_kernel *kernel,
                              const struct esk_reach *reach, int minor,
                              struct esk_text *text, esk_error *error) {
    bool image = reach->path == ESK_READ_IMAGE;
    /* buffer images are core in 3.20; a 3.10 shader names the extension as the driver has
     * it, and "enable" of the other name is a warning at most */
    esk_text_add(text, "#version %s es\n", image && minor >= 2 ? "320" : "310");
    if (image && minor < 2)
        esk_text_add(text, "#extension GL_EXT_texture_buffer : enable\n"
                           "#extension GL_OES_texture_buffer : enable\n");
    const uint32_t *local = kernel->local;
    esk_text_add(text,
                 "layout(local_size_x = %u, local_size_y = %u, local_size_z = %u) in;\n",
                 local[0], local[1], local[2]);
    esk_text_add(text,
                 "#define LOCAL_SIZE %u\n#define READ_IMAGE %d\n#define PARAM_VEC4S %u\n",
                 local[0] * local[1] * local[2], image, esk_gl_param_bytes(kernel) / 16);
    esk_text_append(text, esk_text_str(&kernel->defines), kernel->defines.length);

    struct esk_text body = {0};
    esk_status status = ESK_OK;
    if (strstr(esk_text_str(&kernel->defines), "#define EPILOGUE")) /* it calls these */
        status = add_shader(shaders, "lib/epilogue", 12, 0, &body, error);
    if (status == ESK_OK)
        status = add_shader(shaders, kernel->template, strlen(kernel->template), 0, &body,
                            error);
    if (status == ESK_OK)
        status = add_section(shaders, "common", NULL, text, error);
    if (status == ESK_OK)
        status = add_params(shaders, kernel, text, error);
    for (uint32_t i = 0; i < kernel->n_operands && status == ESK_OK; i++)
        status = add_operand(shaders, kernel, i, reach, text, error);
    esk_text_append(text, esk_text_str(&body), body.length);
    if (status == ESK_OK)
        status = add_section(shaders, "main", NULL, text, error);
    if (status == ESK_OK && (body.failed || text->failed || kernel->defines.failed))
        status = esk_fail_memory(error, "the source of a program");
    esk_text_finish(&body);
    if (status != ESK_OK && status != ESK_OUT_OF_MEMORY)
        esk_error_prefix(error, "kernel '%s' of '%s'", kernel->template,
                         kernel->label ? kernel->label : "?");
    return status;
}

/* Pieces of a key, without printf: each command of each new shape has its key made. */
static char *put_text(char *at, char *end, const char *text) {
    while (*text && at < end)
        *at++ = *text++;
    return at;
}

static char *put_number(char *at, char *end, uint32_t number) {
    for (; number >= 32 && at < end; number >>= 5)
        *at++ = (char)('`' + (number & 31));
    if (at < end)
        *at++ = (char)('@' + number); /* the last digit is of another kind */
    return at;
}

void esk_gl_source_key(const struct esk_kernel *kernel, const struct esk_reach *reach,
                       struct esk_text *text) {
    enum { ROOM = 256 }; /* names are words of ours, and short */
    char piece[ROOM], *at = piece;
    char *const end = piece + ROOM;
    at = put_text(at, end - 32, kernel->template);
    *at++ = reach->path == ESK_READ_IMAGE ? '+' : '-';
    for (int a = 0; a < 3; a++)
        at = put_number(at, end, kernel->local[a]);
    esk_text_append(text, piece, (size_t)(at - piece));
    for (uint32_t i = 0; i < kernel->n_operands; i++) {
        const struct esk_operand *o = &kernel->operands[i];
        at = put_text(piece, end - 32, o->name);
        *at++ = ' ';
        at = put_number(at, end, (uint32_t)o->access);
        at = put_number(at, end, (uint32_t)o->storage);
        at = put_number(at, end, (uint32_t)o->view);
        if (reach->segments[i] > 1)
            at = put_number(at, end, reach->segments[i]);
        at = put_text(at, end, narrowing(o));
        esk_text_append(text, piece, (size_t)(at - piece));
    }
    at = piece;
    for (uint32_t i = 0; i < kernel->n_params; i++) {
        const struct esk_param *p = &kernel->params[i];
        if (!p->name)
            continue;
        if (end - at < ROOM / 2) {
            esk_text_append(text, piece, (size_t)(at - piece));
            at = piece;
        }
        *at++ = ' ';
        at = put_number(at, end, i);
        at = put_text(at, end - 32, p->name);
        *at++ = ' ';
        at = put_number(at, end, p->count);
        *at++ = p->is_float ? 'f' : 'i';
        *at++ = p->list ? 'l' : '1';
    }
    *at++ = ' ';
    at = put_number(at, end, kernel->n_params);
    *at++ = '\n';
    esk_text_append(text, piece, (size_t)(at - piece));
    esk_text_append(text, esk_text_str(&kernel->defines), kernel->defines.length);
}

/* ---- programs ---- */

void esk_gl_programs_init(struct esk_gl_programs *programs, struct esk_gl *gl,
                          const struct esk_shader *shaders,
                          struct esk_counters *counters) {
    *programs =
        (struct esk_gl_programs){.gl = gl, .shaders = shaders, .counters = counters};
    if (gl->MaxShaderCompilerThreads)
        ESK_GL(gl, MaxShaderCompilerThreads(0xffffffffu)); /* as many as it likes */
}

void esk_gl_programs_keep(struct esk_gl_programs *programs, const char *folder,
                          const char *driver, const struct esk_logger *logger) {
    enum { MOST = sizeof programs->formats / sizeof *programs->formats };
    struct esk_gl *gl = programs->gl;
    GLint n = 0;
    ESK_GL(gl, GetIntegerv(GL_NUM_PROGRAM_BINARY_FORMATS, &n));
    if (n < 1 || n > MOST)
        return;
    programs->n_formats = n;
    ESK_GL(gl, GetIntegerv(GL_PROGRAM_BINARY_FORMATS, programs->formats));
    esk_program_cache_init(&programs->cache, folder, driver, logger);
}

static void destroy(struct esk_gl *gl, struct esk_gl_program *program) {
    if (program->shader)
        ESK_GL(gl, DeleteShader(program->shader));
    if (program->id)
        ESK_GL(gl, DeleteProgram(program->id));
    esk_free(program->source);
    esk_free(program->key);
    esk_free(program);
}

enum { BUCKETS = sizeof((struct esk_gl_programs *)0)->buckets / sizeof(void *) };

void esk_gl_programs_finish(struct esk_gl_programs *programs) {
    for (int i = 0; i < BUCKETS; i++)
        while (programs->buckets[i]) {
            struct esk_gl_program *program = programs->buckets[i];
            programs->buckets[i] = program->next;
            destroy(programs->gl, program);
        }
    esk_program_cache_finish(&programs->cache);
}

static void forget(struct esk_gl_programs *programs, struct esk_gl_program *program) {
    struct esk_gl_program **at = &programs->buckets[program->hash % BUCKETS];
    while (*at && *at != program)
        at = &(*at)->next;
    if (*at)
        *at = program->next;
    destroy(programs->gl, program);
}

void esk_gl_program_compile(struct esk_gl *gl, struct esk_gl_program *program) {
    const char *source = program->source;
    if (!source)
        return;
    ESK_GL_SET(gl, program->shader, CreateShader(GL_COMPUTE_SHADER));
    ESK_GL(gl, ShaderSource(program->shader, 1, &source, NULL));
    ESK_GL(gl, CompileShader(program->shader));
    ESK_GL_SET(gl, program->id, CreateProgram());
    if (program->kept)
        ESK_GL(gl, ProgramParameteri(program->id, GL_PROGRAM_BINARY_RETRIEVABLE_HINT, 1));
    ESK_GL(gl, AttachShader(program->id, program->shader));
    ESK_GL(gl, LinkProgram(program->id));
    program->pending = true;
    esk_free(program->source);
    program->source = NULL;
}

/* How much a program is unrolled, which is how long a driver compiles it: the product of
 * what its defines count. A guess, to have the longest begun first. */
static uint32_t weight_of(const struct esk_kernel *kernel) {
    enum { MOST = 1 << 24 };
    uint64_t weight = 1;
    for (const char *line = esk_text_str(&kernel->defines); *line;
         line = next_line(line)) {
        const char *value = line + strlen("#define ");
        if (strncmp(line, "#define ", strlen("#define ")) != 0)
            continue;
        value += strcspn(value, " \n");
        long n = strtol(value, NULL, 10); /* 0: no number */
        if (n > 1 && n < 100 && weight < MOST)
            weight *= (uint64_t)n;
    }
    return (uint32_t)weight;
}

/* The same from the disk; false: it is not there. */
static bool load(struct esk_gl_programs *programs, const char *source,
                 struct esk_gl_program *program) {
    struct esk_gl *gl = programs->gl;
    if (!programs->cache.folder)
        return false;
    program->file = esk_program_cache_key(&programs->cache, source);
    uint32_t format;
    size_t size;
    void *bytes = esk_program_cache_get(&programs->cache, &program->file, &format, &size);
    for (GLint i = 0; bytes && i < programs->n_formats; i++)
        if ((uint32_t)programs->formats[i] == format) {
            ESK_GL_SET(gl, program->id, CreateProgram());
            ESK_GL(gl, ProgramBinary(program->id, format, bytes, (GLsizei)size));
            program->binary = program->pending = true;
            break;
        }
    esk_free(bytes);
    return program->binary;
}

/* A linked program's binary, to the disk. */
static void keep(struct esk_gl_programs *programs, const struct esk_gl_program *program) {
    struct esk_gl *gl = programs->gl;
    GLint size = 0;
    ESK_GL(gl, GetProgramiv(program->id, GL_PROGRAM_BINARY_LENGTH, &size));
    void *bytes = size > 0 ? esk_malloc((size_t)size) : NULL;
    GLsizei length = 0;
    GLenum format = 0;
    if (bytes)
        ESK_GL(gl, GetProgramBinary(program->id, size, &length, &format, bytes));
    if (length > 0 && length <= size)
        esk_program_cache_put(&programs->cache, &program->file, format, bytes,
                              (size_t)length);
    esk_free(bytes);
}

esk_status esk_gl_program_start(struct esk_gl_programs *programs,
                                const struct esk_kernel *kernel,
                                const struct esk_reach *reach,
                                struct esk_gl_program **result, esk_error *error) {
    struct esk_gl *gl = programs->gl;
    struct esk_text key = {0}, source = {0};
    esk_gl_source_key(kernel, reach, &key);
    if (key.failed) {
        esk_text_finish(&key);
        return esk_fail_memory(error, "a program's key");
    }
    uint64_t hash = esk_hash_text(ESK_HASH_SEED, key.data);
    struct esk_gl_program **bucket = &programs->buckets[hash % BUCKETS];
    for (struct esk_gl_program *p = *bucket; p; p = p->next)
        if (p->hash == hash && strcmp(p->key, key.data) == 0) {
            esk_text_finish(&key);
            *result = p;
            return ESK_OK;
        }
    struct esk_gl_program *program = NULL;
    esk_status status =
        esk_gl_source_make(programs->shaders, kernel, reach, gl->minor, &source, error);
    if (status == ESK_OK && !(program = esk_calloc(1, sizeof *program)))
        status = esk_fail_memory(error, "a program");
    if (status == ESK_OK) {
        if (!load(programs, esk_text_str(&source), program)) {
            program->source = source.data; /* owned from here on */
            source = (struct esk_text){0};
            program->kept = programs->cache.folder != NULL;
            program->weight = weight_of(kernel);
            if (!programs->late)
                esk_gl_program_compile(gl, program);
        }
        program->key = key.data; /* owned from here on */
        key = (struct esk_text){0};
        program->hash = hash;
        program->next = *bucket;
        *bucket = program;
        programs->counters->programs++;
        *result = program;
    }
    esk_text_finish(&source);
    esk_text_finish(&key);
    return status;
}

/* Appends the lines of `source` around the first one that the log names, numbered.
 * Drivers write "0:12(5): error" (Mesa), "ERROR: 0:12:" (Mali, Adreno, ANGLE), "0(12) :"
 * (NVIDIA). */
static void add_excerpt(struct esk_text *text, const char *source, const char *log) {
    long wanted = 0;
    for (const char *at = log; *at && !wanted; at++)
        if (*at == '0' && (at == log || at[-1] == ' ' || at[-1] == '\n') &&
            (at[1] == ':' || at[1] == '('))
            wanted = strtol(at + 2, NULL, 10);
    long number = 1;
    for (const char *line = source; *line; line = next_line(line), number++)
        if (wanted && number >= wanted - EXCERPT_LINES &&
            number <= wanted + EXCERPT_LINES)
            esk_text_add(text, "\n%s%4ld %.*s", number == wanted ? ">" : " ", number,
                         (int)strcspn(line, "\n"), line);
}

static esk_status report(struct esk_gl_programs *programs,
                         const struct esk_kernel *kernel, const struct esk_reach *reach,
                         struct esk_gl_program *program, esk_error *error) {
    struct esk_gl *gl = programs->gl;
    char *log = esk_calloc(1, LOG_BYTES);
    struct esk_text source = {0}, text = {0};
    GLint compiled = 0;
    ESK_GL(gl, GetShaderiv(program->shader, GL_COMPILE_STATUS, &compiled));
    if (log && compiled)
        ESK_GL(gl, GetProgramInfoLog(program->id, LOG_BYTES - 1, NULL, log));
    else if (log)
        ESK_GL(gl, GetShaderInfoLog(program->shader, LOG_BYTES - 1, NULL, log));
    if (esk_gl_source_make(programs->shaders, kernel, reach, gl->minor, &source, NULL) ==
        ESK_OK)
        add_excerpt(&text, esk_text_str(&source), log ? log : "");
    for (size_t end = log ? strlen(log) : 0; end && log[end - 1] == '\n'; end--)
        log[end - 1] = 0;
    esk_status status = esk_gl_lost(gl, "compiling", error);
    if (status == ESK_OK)
        status =
            esk_fail(error, ESK_DEVICE_ERROR, "kernel '%s' of '%s' does not %s: %s%s",
                     kernel->template, kernel->label ? kernel->label : "?",
                     compiled ? "link" : "compile",
                     log && *log ? log : "the driver says nothing", esk_text_str(&text));
    esk_text_finish(&text);
    esk_text_finish(&source);
    esk_free(log);
    return status;
}

/* The driver refuses a binary that it made itself once: its source instead. */
static esk_status recompile(struct esk_gl_programs *programs,
                            const struct esk_kernel *kernel,
                            const struct esk_reach *reach, struct esk_gl_program *program,
                            esk_error *error) {
    struct esk_gl *gl = programs->gl;
    struct esk_text source = {0};
    esk_gl_status(gl, "a program's binary", NULL); /* some raise an error with it */
    esk_program_cache_drop(&programs->cache, &program->file);
    ESK_GL(gl, DeleteProgram(program->id));
    program->id = 0;
    program->binary = false;
    esk_status status =
        esk_gl_source_make(programs->shaders, kernel, reach, gl->minor, &source, error);
    if (status == ESK_OK) {
        program->source = source.data; /* owned from here on */
        program->kept = true;
        esk_gl_program_compile(gl, program);
    } else
        esk_text_finish(&source);
    return status;
}

esk_status esk_gl_program_link(struct esk_gl_programs *programs,
                               const struct esk_kernel *kernel,
                               const struct esk_reach *reach,
                               struct esk_gl_program *program, esk_error *error) {
    struct esk_gl *gl = programs->gl;
    esk_status status = ESK_OK;
    esk_gl_program_compile(gl, program);
    if (!program->pending)
        return ESK_OK;
    GLint linked = 0;
    ESK_GL(gl, GetProgramiv(program->id, GL_LINK_STATUS, &linked));
    if (!linked && program->binary) {
        status = recompile(programs, kernel, reach, program, error);
        if (status == ESK_OK)
            ESK_GL(gl, GetProgramiv(program->id, GL_LINK_STATUS, &linked));
    }
    if (!linked) {
        if (status == ESK_OK)
            status = report(programs, kernel, reach, program, error);
        forget(programs, program);
        return status;
    }
    program->pending = false;
    if (programs->labels && gl->ObjectLabel)
        ESK_GL(gl, ObjectLabel(GL_PROGRAM_KHR, program->id, -1, kernel->template));
    if (program->shader) {
        ESK_GL(gl, DetachShader(program->id, program->shader));
        ESK_GL(gl, DeleteShader(program->shader));
    }
    program->shader = 0;
    if (!program->binary && programs->cache.folder)
        keep(programs, program);
    return ESK_OK;
}
