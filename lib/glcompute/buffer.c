/* Buffers, their views, the caches. In: sizes; out: GL buffers. Must not know weights,
 * commands, programs or plans. */
#include "glcompute/buffer.h"

#include "glcompute/timer.h"

#include "base/error.h"
#include "base/mem.h"

#include <string.h>

#define KIB ((uint64_t)1024)
#define MIB (1024 * KIB)

/* ---- the caches ---- */

uint64_t esk_gl_buffer_round(uint64_t bytes) {
    uint64_t units = bytes / 64 + (bytes % 64 != 0);
    return (units ? units : 1) * 64 + 16;
}

/* Sizes and how many free ones are kept: the WebGPU provider's, so that what its users
 * know of memory holds here. */
static const struct {
    uint64_t bytes;
    uint32_t cap;
} classes[ESK_GL_CLASSES] = {
    {64, 250},       {128, 200},      {256, 200},      {512, 200},     {2 * KIB, 230},
    {4 * KIB, 200},  {8 * KIB, 50},   {16 * KIB, 50},  {32 * KIB, 50}, {64 * KIB, 50},
    {128 * KIB, 50}, {256 * KIB, 50}, {512 * KIB, 50}, {MIB, 50},      {2 * MIB, 30},
    {4 * MIB, 20},   {8 * MIB, 10},   {12 * MIB, 10},  {16 * MIB, 10}, {25 * MIB, 15},
    {32 * MIB, 22},  {44236800, 2},   {58982400, 6},   {64 * MIB, 6},  {128 * MIB, 6},
    {160 * MIB, 6},
};

/* The class of `bytes`, or ESK_GL_CLASSES: exact, and not kept. */
static uint32_t class_of(const struct esk_gl_cache *cache, uint64_t bytes) {
    uint32_t i = 0;
    while (i < ESK_GL_CLASSES && classes[i].bytes < bytes)
        i++;
    bool fits = i < ESK_GL_CLASSES &&
                (!cache->most || esk_gl_buffer_round(classes[i].bytes) <= cache->most);
    return fits ? i : ESK_GL_CLASSES;
}

/* The class that a buffer was made for. */
static uint32_t class_of_buffer(const struct esk_gl_cache *cache,
                                const struct esk_gl_buffer *buffer) {
    uint32_t i = class_of(cache, buffer->bytes - 16);
    return i < ESK_GL_CLASSES && esk_gl_buffer_round(classes[i].bytes) == buffer->bytes
               ? i
               : ESK_GL_CLASSES;
}

uint64_t esk_gl_cache_size(const struct esk_gl_cache *cache, uint64_t bytes) {
    uint32_t i =
        cache->mode == ESK_CACHE_BUCKET ? class_of(cache, bytes) : ESK_GL_CLASSES;
    return i < ESK_GL_CLASSES ? classes[i].bytes : bytes;
}

struct esk_gl_buffer *esk_gl_cache_lease(struct esk_gl_cache *cache, uint64_t bytes,
                                         GLenum usage) {
    uint64_t wanted = esk_gl_buffer_round(esk_gl_cache_size(cache, bytes));
    for (struct esk_gl_buffer **at = &cache->free; *at; at = &(*at)->next) {
        struct esk_gl_buffer *buffer = *at;
        if (buffer->bytes != wanted || buffer->usage != usage)
            continue;
        *at = buffer->next;
        buffer->next = NULL;
        cache->bytes -= buffer->bytes;
        cache->count--;
        cache->hits++;
        if (cache->mode == ESK_CACHE_BUCKET)
            cache->in_class[class_of_buffer(cache, buffer)]--;
        return buffer;
    }
    return NULL;
}

static void push(struct esk_gl_buffer **list, struct esk_gl_buffer *buffer) {
    buffer->next = *list;
    *list = buffer;
}

static struct esk_gl_buffer *pop(struct esk_gl_buffer **list) {
    struct esk_gl_buffer *buffer = *list;
    if (buffer) {
        *list = buffer->next;
        buffer->next = NULL;
    }
    return buffer;
}

void esk_gl_cache_give(struct esk_gl_cache *cache, struct esk_gl_buffer *buffer) {
    bool keep = buffer && cache->mode != ESK_CACHE_DISABLED;
    if (!buffer)
        return;
    if (cache->mode == ESK_CACHE_BUCKET) {
        uint32_t i = class_of_buffer(cache, buffer);
        keep = i < ESK_GL_CLASSES && cache->in_class[i] < classes[i].cap;
        if (keep)
            cache->in_class[i]++;
    }
    if (!keep) {
        push(&cache->dropped, buffer);
        return;
    }
    push(cache->mode == ESK_CACHE_LAZY ? &cache->waiting : &cache->free, buffer);
    cache->bytes += buffer->bytes;
    cache->count++;
}

static void drop(struct esk_gl_cache *cache, struct esk_gl_buffer **list) {
    for (struct esk_gl_buffer *b; (b = pop(list));) {
        cache->bytes -= b->bytes;
        cache->count--;
        push(&cache->dropped, b);
    }
}

void esk_gl_cache_end_run(struct esk_gl_cache *cache) {
    drop(cache, &cache->waiting);
}

struct esk_gl_buffer *esk_gl_cache_sweep(struct esk_gl_cache *cache) {
    return pop(&cache->dropped);
}

void esk_gl_cache_empty(struct esk_gl_cache *cache) {
    drop(cache, &cache->free);
    drop(cache, &cache->waiting);
    memset(cache->in_class, 0, sizeof cache->in_class);
}

/* ---- buffers ---- */

/* All work on contents goes through this target, which no dispatch looks at. */
#define TARGET GL_COPY_WRITE_BUFFER
#define PINNED 0x9160 /* GL_EXTERNAL_VIRTUAL_MEMORY_BUFFER_AMD */

bool esk_gl_memory_dropped(const struct esk_gl_memory *memory) {
    bool any = false;
    for (int i = 0; i < ESK_GL_POOLS; i++)
        any |= memory->pools[i].dropped != NULL;
    return any;
}

void esk_gl_memory_sweep(struct esk_gl_memory *memory) {
    for (int i = 0; i < ESK_GL_POOLS; i++)
        for (struct esk_gl_buffer *b; (b = esk_gl_cache_sweep(&memory->pools[i]));)
            if (i == ESK_GL_POOL_QUERY)
                esk_gl_timer_return(memory, (struct esk_gl_timer *)b);
            else
                esk_gl_buffer_destroy(memory, b);
}

/* Empties all caches; false: there was nothing in them. */
static bool drain(struct esk_gl_memory *memory) {
    for (int i = 0; i < ESK_GL_POOLS; i++)
        esk_gl_cache_empty(&memory->pools[i]);
    bool any = esk_gl_memory_dropped(memory);
    esk_gl_memory_sweep(memory);
    return any;
}

void esk_gl_memory_finish(struct esk_gl_memory *memory) {
    drain(memory);
}

esk_status esk_gl_buffer_lease(struct esk_gl_memory *memory, enum esk_gl_pool pool,
                               uint64_t bytes, GLenum usage, const char *label,
                               struct esk_gl_buffer **buffer, esk_error *error) {
    struct esk_gl_cache *cache = &memory->pools[pool];
    *buffer = esk_gl_cache_lease(cache, bytes, usage);
    return *buffer ? ESK_OK
                   : esk_gl_buffer_create(memory, esk_gl_cache_size(cache, bytes), usage,
                                          label, buffer, error);
}

/* Over `pages`; errors are GL's. */
static void pin(struct esk_gl *gl, struct esk_gl_buffer *buffer, void *pages) {
    ESK_GL(gl, BindBuffer(PINNED, buffer->id));
    ESK_GL(gl, BufferData(PINNED, (GLsizeiptr)buffer->bytes, pages, buffer->usage));
    ESK_GL(gl, BindBuffer(PINNED, 0));
}

/* The buffer and its memory. */
static esk_status allocate(struct esk_gl_memory *memory, struct esk_gl_buffer *buffer,
                           esk_error *error) {
    struct esk_gl *gl = memory->gl;
    if (memory->pinned && !(buffer->memory = esk_pages((size_t)buffer->bytes)))
        return esk_fail_memory(error, "a buffer's pages");
    buffer->zeros_from = memory->pinned ? 0 : UINT64_MAX;
    ESK_GL(gl, GenBuffers(1, &buffer->id));
    if (memory->pinned)
        pin(gl, buffer, buffer->memory);
    else {
        ESK_GL(gl, BindBuffer(TARGET, buffer->id));
        ESK_GL(gl, BufferData(TARGET, (GLsizeiptr)buffer->bytes, NULL, buffer->usage));
    }
    ESK_TRY(esk_gl_status(gl, "buffer", error));
    return buffer->id
               ? ESK_OK
               : esk_fail(error, ESK_DEVICE_ERROR, "buffer: glGenBuffers gives none");
}

static void release(struct esk_gl *gl, struct esk_gl_buffer *buffer) {
    ESK_GL(gl, DeleteBuffers(1, &buffer->id));
    esk_pages_free(buffer->memory, (size_t)buffer->bytes);
    buffer->memory = NULL;
    buffer->id = 0;
}

esk_status esk_gl_buffer_create(struct esk_gl_memory *memory, uint64_t bytes,
                                GLenum usage, const char *label,
                                struct esk_gl_buffer **result, esk_error *error) {
    struct esk_gl *gl = memory->gl;
    uint64_t size = esk_gl_buffer_round(bytes);
    if (size < bytes || size > INTPTR_MAX)
        return esk_fail(error, ESK_OUT_OF_MEMORY, "buffer '%s': %llu bytes are too many",
                        label, (unsigned long long)bytes);
    struct esk_gl_buffer *buffer = esk_calloc(1, sizeof *buffer);
    if (!buffer)
        return esk_fail_memory(error, "a buffer");
    buffer->bytes = size;
    buffer->usage = usage;
    esk_status status = ESK_OK;
    for (int try = 0; try < 2; try++) {
        status = allocate(memory, buffer, error);
        if (status == ESK_OK)
            break;
        release(gl, buffer);
        if (status != ESK_OUT_OF_MEMORY || !drain(memory))
            break;
    }
    if (status != ESK_OK) {
        esk_free(buffer);
        esk_error_prefix(error, "'%s' of %llu bytes", label, (unsigned long long)size);
        return status;
    }
    if (memory->labels && gl->ObjectLabel)
        ESK_GL(gl, ObjectLabel(GL_BUFFER_KHR, buffer->id, -1, label));
    struct esk_counters *counters = memory->counters;
    counters->buffers_created++;
    counters->buffer_bytes += size;
    if (counters->buffer_bytes > counters->buffer_peak)
        counters->buffer_peak = counters->buffer_bytes;
    *result = buffer;
    return ESK_OK;
}

void esk_gl_buffer_destroy(struct esk_gl_memory *memory, struct esk_gl_buffer *buffer) {
    if (!buffer)
        return;
    struct esk_gl *gl = memory->gl;
    if (buffer->pin)
        push(&memory->unpinned, buffer->pin);
    for (int i = 0; i < ESK_GL_VIEWS; i++)
        if (buffer->views[i])
            ESK_GL(gl, DeleteTextures(1, &buffer->views[i]));
    release(gl, buffer);
    memory->counters->buffers_destroyed++;
    memory->counters->buffer_bytes -= buffer->bytes;
    esk_free(buffer);
}

esk_status esk_gl_buffer_view(struct esk_gl_memory *memory, struct esk_gl_buffer *buffer,
                              enum esk_gl_view view, esk_error *error) {
    static const struct {
        GLenum format;
        uint64_t texel;
    } rows[ESK_GL_VIEWS] = {
        [ESK_GL_VIEW_VEC4] = {GL_RGBA32F, 16},
        [ESK_GL_VIEW_ELEMENT] = {GL_R32F, 4},
    };
    struct esk_gl *gl = memory->gl;
    if (buffer->views[view])
        return ESK_OK;
    if (!gl->TexBuffer || !gl->TexBufferRange)
        return esk_fail(error, ESK_INTERNAL, "buffer: no buffer textures on this device");
    GLuint texture = 0;
    uint64_t most = memory->limits->max_texels * rows[view].texel;
    ESK_GL(gl, GenTextures(1, &texture));
    ESK_GL(gl, BindTexture(GL_TEXTURE_BUFFER_EXT, texture));
    if (buffer->bytes > most)
        ESK_GL(gl, TexBufferRange(GL_TEXTURE_BUFFER_EXT, rows[view].format, buffer->id, 0,
                                  (GLsizeiptr)most));
    else
        ESK_GL(gl, TexBuffer(GL_TEXTURE_BUFFER_EXT, rows[view].format, buffer->id));
    ESK_GL(gl, BindTexture(GL_TEXTURE_BUFFER_EXT, 0));
    esk_status status = esk_gl_status(gl, "a view of a buffer", error);
    if (status != ESK_OK) {
        ESK_GL(gl, DeleteTextures(1, &texture));
        return status;
    }
    buffer->views[view] = texture;
    return ESK_OK;
}

esk_status esk_gl_buffer_write(struct esk_gl_memory *memory, struct esk_gl_buffer *buffer,
                               uint64_t offset, uint64_t bytes, const void *data,
                               esk_error *error) {
    struct esk_gl *gl = memory->gl;
    if (!bytes)
        return ESK_OK;
    ESK_GL(gl, BindBuffer(TARGET, buffer->id));
    ESK_GL(gl, BufferSubData(TARGET, (GLintptr)offset, (GLsizeiptr)bytes, data));
    return esk_gl_status(gl, "writing a buffer", error);
}

esk_status esk_gl_buffer_map(struct esk_gl *gl, const struct esk_gl_buffer *buffer,
                             uint64_t offset, uint64_t bytes, GLbitfield access,
                             const char *what, void **mapped, esk_error *error) {
    *mapped = NULL;
    if (buffer->memory) {
        *mapped = buffer->memory + offset;
        return ESK_OK;
    }
    ESK_GL(gl, BindBuffer(TARGET, buffer->id));
    ESK_GL_SET(gl, *mapped,
               MapBufferRange(TARGET, (GLintptr)offset, (GLsizeiptr)bytes, access));
    if (*mapped)
        return ESK_OK;
    ESK_TRY(esk_gl_status(gl, what, error));
    return esk_fail(error, ESK_DEVICE_ERROR, "%s: glMapBufferRange gives nothing", what);
}

esk_status esk_gl_buffer_unmap(struct esk_gl *gl, const struct esk_gl_buffer *buffer,
                               const char *what, esk_error *error) {
    GLboolean kept = GL_TRUE;
    if (!buffer->memory) {
        ESK_GL(gl, BindBuffer(TARGET, buffer->id));
        ESK_GL_SET(gl, kept, UnmapBuffer(TARGET));
    }
    if (kept)
        return ESK_OK;
    ESK_TRY(esk_gl_status(gl, what, error));
    return esk_fail(error, ESK_DEVICE_ERROR, "%s: the driver lost the buffer's contents",
                    what);
}

esk_status esk_gl_buffer_pin(struct esk_gl_memory *memory, struct esk_gl_buffer *buffer,
                             esk_error *error) {
    struct esk_gl *gl = memory->gl;
    struct esk_gl_buffer *made = esk_calloc(1, sizeof *made);
    if (!made)
        return esk_fail_memory(error, "a buffer's pin");
    made->bytes = buffer->bytes;
    made->usage = buffer->usage;
    ESK_GL(gl, GenBuffers(1, &made->id));
    pin(gl, made, buffer->memory);
    esk_status status = esk_gl_status(gl, "pinning a buffer", error);
    if (status != ESK_OK) {
        release(gl, made);
        esk_free(made);
        return status;
    }
    struct esk_counters *counters = memory->counters;
    counters->buffers_created++;
    counters->buffer_bytes += made->bytes;
    buffer->pin = made;
    return ESK_OK;
}

esk_status esk_gl_buffer_poison(struct esk_gl_memory *memory,
                                struct esk_gl_buffer *buffer, esk_error *error) {
    struct esk_gl *gl = memory->gl;
    void *mapped;
    ESK_TRY(esk_gl_buffer_map(gl, buffer, 0, buffer->bytes,
                              GL_MAP_WRITE_BIT | GL_MAP_INVALIDATE_BUFFER_BIT,
                              "poisoning a buffer", &mapped, error));
    uint32_t *words = mapped;
    for (uint64_t i = 0; i < buffer->bytes / 4; i++)
        words[i] = i & 1 ? 0xffffffffu : 0x7fc00000u;
    return esk_gl_buffer_unmap(gl, buffer, "poisoning a buffer", error);
}
