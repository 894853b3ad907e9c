/* Slabs, their views, the storage cache. In: sizes; out: GL buffers. Must not know weights,
 * commands, programs or plans. */
#include "glcompute/buffer.h"

#include "base/error.h"
#include "base/mem.h"

#include <string.h>

/* ---- the storage cache ---- */

uint64_t esk_gl_buffer_round(uint64_t bytes) {
    uint64_t units = bytes / 64 + (bytes % 64 != 0);
    return (units ? units : 1) * 64 + 16;
}

struct esk_gl_buffer *esk_gl_cache_lease(struct esk_gl_cache *cache, uint64_t bytes) {
    uint64_t wanted = esk_gl_buffer_round(bytes);
    for (struct esk_gl_buffer **at = &cache->free; *at; at = &(*at)->next) {
        struct esk_gl_buffer *buffer = *at;
        if (buffer->bytes != wanted)
            continue;
        *at = buffer->next;
        buffer->next = NULL;
        cache->bytes -= buffer->bytes;
        cache->count--;
        return buffer;
    }
    return NULL;
}

struct esk_gl_buffer *esk_gl_cache_give(struct esk_gl_cache *cache,
                                        struct esk_gl_buffer *buffer) {
    buffer->next = cache->free;
    cache->free = buffer;
    cache->bytes += buffer->bytes;
    cache->count++;
    return NULL;
}

struct esk_gl_buffer *esk_gl_cache_drain(struct esk_gl_cache *cache) {
    struct esk_gl_buffer *buffer = cache->free;
    if (buffer) {
        cache->free = buffer->next;
        buffer->next = NULL;
        cache->bytes -= buffer->bytes;
        cache->count--;
    }
    return buffer;
}

/* ---- buffers ---- */

/* All work on contents goes through this target, which no dispatch looks at. */
#define TARGET GL_COPY_WRITE_BUFFER

static void drain(struct esk_gl_memory *memory) {
    for (struct esk_gl_buffer *b; (b = esk_gl_cache_drain(&memory->cache));)
        esk_gl_buffer_destroy(memory, b);
}

void esk_gl_memory_finish(struct esk_gl_memory *memory) {
    drain(memory);
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
    esk_status status = ESK_OK;
    for (int try = 0; try < 2; try++) {
        ESK_GL(gl, GenBuffers(1, &buffer->id));
        ESK_GL(gl, BindBuffer(TARGET, buffer->id));
        ESK_GL(gl, BufferData(TARGET, (GLsizeiptr)size, NULL, usage));
        status = esk_gl_status(gl, "buffer", error);
        if (status == ESK_OK && !buffer->id)
            status = esk_fail(error, ESK_DEVICE_ERROR, "buffer: glGenBuffers gives none");
        if (status == ESK_OK)
            break;
        ESK_GL(gl, DeleteBuffers(1, &buffer->id));
        buffer->id = 0;
        if (status != ESK_OUT_OF_MEMORY || !memory->cache.count)
            break;
        drain(memory);
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
    for (int i = 0; i < ESK_GL_VIEWS; i++)
        if (buffer->views[i])
            ESK_GL(gl, DeleteTextures(1, &buffer->views[i]));
    ESK_GL(gl, DeleteBuffers(1, &buffer->id));
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

esk_status esk_gl_buffer_poison(struct esk_gl_memory *memory,
                                struct esk_gl_buffer *buffer, esk_error *error) {
    struct esk_gl *gl = memory->gl;
    uint32_t *words;
    ESK_GL(gl, BindBuffer(TARGET, buffer->id));
    ESK_GL_SET(gl, words,
               MapBufferRange(TARGET, 0, (GLsizeiptr)buffer->bytes,
                              GL_MAP_WRITE_BIT | GL_MAP_INVALIDATE_BUFFER_BIT));
    if (words) {
        for (uint64_t i = 0; i < buffer->bytes / 4; i++)
            words[i] = i & 1 ? 0xffffffffu : 0x7fc00000u;
        ESK_GL(gl, UnmapBuffer(TARGET));
    }
    return esk_gl_status(gl, "poisoning a buffer", error);
}
