/* Slabs, their views, the storage cache, weights. In: sizes and forms; out: GL buffers
 * and ranges of them. Must not know commands, programs or plans. */
#include "glcompute/buffer.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

#define MIB         ((uint64_t)1024 * 1024)
#define WEIGHT_SLAB (32 * MIB) /* of small forms together */
enum {
    FORM_ALIGN = 256, /* the most that ES lets a binding ask for */
    BUCKETS = sizeof((struct esk_gl_weights *)0)->buckets / sizeof(void *),
};

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

/* ---- weights ---- */

struct esk_gl_weight_slab {
    struct esk_gl_weight_slab *next;
    struct esk_gl_buffer *buffer;
    uint64_t used, bytes;
    uint32_t forms; /* alive */
};

void esk_gl_weights_settle(struct esk_gl_weights *weights) {
    esk_free(weights->staging);
    weights->staging = NULL;
    weights->staging_bytes = 0;
}

void esk_gl_weights_finish(struct esk_gl_weights *weights) {
    for (int i = 0; i < BUCKETS; i++)
        while (weights->buckets[i]) {
            struct esk_gl_form *form = weights->buckets[i];
            form->refs = 1;
            esk_gl_form_unref(weights, form);
        }
    esk_gl_weights_settle(weights);
}

static void add_bytes(struct esk_text *text, const void *data, size_t size) {
    esk_text_append(text, data, size);
}

/* Everything that the packed bytes depend on; sources by address: they stay alive as long
 * as a reference to the form does. */
static void make_key(const struct esk_graph *graph, const struct esk_form *form,
                     struct esk_text *key) {
    add_bytes(key, form->name, strlen(form->name) + 1);
    add_bytes(key, &form->pack, sizeof form->pack);
    int32_t storage = form->storage;
    uint64_t bytes = form->bytes;
    add_bytes(key, &storage, sizeof storage);
    add_bytes(key, &bytes, sizeof bytes);
    add_bytes(key, &form->n_params, sizeof form->n_params);
    add_bytes(key, form->params, form->n_params * sizeof *form->params);
    for (uint32_t i = 0; i < form->n_src; i++) {
        const struct esk_var *var =
            form->src[i] == ESK_NONE ? NULL : graph->vars[form->src[i]];
        const void *data = var ? var->data : NULL;
        int32_t facts[2] = {var ? (int32_t)var->dtype : -1, var ? var->rank : -1};
        add_bytes(key, &data, sizeof data);
        add_bytes(key, facts, sizeof facts);
        if (var)
            add_bytes(key, var->dim, (size_t)var->rank * sizeof *var->dim);
    }
}

esk_status esk_gl_form_upload(struct esk_gl_weights *weights,
                              const struct esk_graph *graph, const struct esk_form *form,
                              struct esk_gl_buffer *buffer, uint64_t offset,
                              esk_error *error) {
    struct esk_tensor tensors[4];
    const struct esk_tensor *sources[4] = {NULL};
    for (uint32_t i = 0; i < form->n_src && i < 4; i++) {
        if (form->src[i] == ESK_NONE)
            continue;
        const struct esk_var *var = graph->vars[form->src[i]];
        if (!var->data && var->bytes)
            return esk_fail(error, ESK_INTERNAL, "form '%s': '%s' has no known bytes",
                            form->name, var->name);
        tensors[i] = esk_var_tensor(var);
        sources[i] = &tensors[i];
    }
    if (!form->bytes)
        return ESK_OK;
    /* packed on the heap: a packing may read what it wrote, mapped memory may be slow at
     * it */
    if (weights->staging_bytes < form->bytes) {
        esk_gl_weights_settle(weights);
        weights->staging = esk_malloc(form->bytes);
        if (!weights->staging)
            return esk_fail_memory(error, "packing weights");
        weights->staging_bytes = form->bytes;
    }
    memset(weights->staging, 0, form->bytes);
    form->pack(weights->staging, form->bytes, sources, form->params);
    weights->memory->counters->uploads++;
    return esk_gl_buffer_write(weights->memory, buffer, offset, form->bytes,
                               weights->staging, error);
}

/* A slab with room for `bytes`. */
static esk_status find_slab(struct esk_gl_weights *weights, uint64_t bytes,
                            uint64_t expected, struct esk_gl_weight_slab **result,
                            esk_error *error) {
    for (struct esk_gl_weight_slab *s = weights->slabs; s; s = s->next)
        if (s->used <= s->bytes && s->bytes - s->used >= bytes) {
            *result = s;
            return ESK_OK;
        }
    uint64_t most = weights->memory->limits->max_slab;
    if (bytes > most)
        return esk_fail(error, ESK_UNSUPPORTED,
                        "a form of %llu bytes; one binding of the device holds %llu",
                        (unsigned long long)bytes, (unsigned long long)most);
    uint64_t size = expected < WEIGHT_SLAB ? expected : WEIGHT_SLAB;
    size = size > most ? most : size;
    size = size < bytes ? bytes : size;
    struct esk_gl_weight_slab *slab = esk_calloc(1, sizeof *slab);
    if (!slab)
        return esk_fail_memory(error, "a weight slab");
    slab->bytes = size;
    esk_status status = esk_gl_buffer_create(weights->memory, size, GL_STATIC_DRAW,
                                             "weights", &slab->buffer, error);
    if (status != ESK_OK) {
        esk_free(slab);
        return status;
    }
    slab->next = weights->slabs;
    weights->slabs = slab;
    *result = slab;
    return ESK_OK;
}

static void release_slab(struct esk_gl_weights *weights,
                         struct esk_gl_weight_slab *slab) {
    if (slab->forms)
        return;
    struct esk_gl_weight_slab **at = &weights->slabs;
    while (*at != slab)
        at = &(*at)->next;
    *at = slab->next;
    esk_gl_buffer_destroy(weights->memory, slab->buffer);
    esk_free(slab);
}

static esk_status add_form(struct esk_gl_weights *weights, const struct esk_graph *graph,
                           const struct esk_form *form, uint64_t expected,
                           struct esk_gl_form *made, esk_error *error) {
    struct esk_gl_weight_slab *slab = NULL;
    uint64_t bytes = esk_round_up(form->bytes, FORM_ALIGN);
    bytes = bytes > weights->memory->limits->max_slab ? form->bytes : bytes;
    ESK_TRY(find_slab(weights, bytes, expected, &slab, error));
    esk_status status =
        esk_gl_form_upload(weights, graph, form, slab->buffer, slab->used, error);
    if (status != ESK_OK) {
        release_slab(weights, slab);
        return status;
    }
    made->slab = slab;
    made->buffer = slab->buffer;
    made->offset = slab->used;
    made->bytes = form->bytes;
    slab->used += esk_round_up(bytes, FORM_ALIGN);
    slab->forms++;
    return ESK_OK;
}

esk_status esk_gl_form_ref(struct esk_gl_weights *weights, const struct esk_graph *graph,
                           const struct esk_form *form, uint64_t expected,
                           struct esk_gl_form **result, esk_error *error) {
    struct esk_text key = {0};
    make_key(graph, form, &key);
    struct esk_gl_form *made = key.failed ? NULL : esk_calloc(1, sizeof *made);
    if (!made) {
        esk_text_finish(&key);
        return esk_fail_memory(error, "a weight form");
    }
    made->hash = esk_hash(ESK_HASH_SEED, key.data, key.length);
    struct esk_gl_form **bucket = &weights->buckets[made->hash % BUCKETS];
    for (struct esk_gl_form *f = *bucket; f; f = f->next)
        if (f->hash == made->hash && f->key.length == key.length &&
            memcmp(f->key.data, key.data, key.length) == 0) {
            f->refs++;
            esk_free(made);
            esk_text_finish(&key);
            *result = f;
            return ESK_OK;
        }
    esk_status status = add_form(weights, graph, form, expected, made, error);
    if (status != ESK_OK) {
        esk_free(made);
        esk_text_finish(&key);
        esk_error_prefix(error, "form '%s'", form->name);
        return status;
    }
    made->key = key;
    made->refs = 1;
    made->next = *bucket;
    *bucket = made;
    weights->memory->counters->forms++;
    weights->memory->counters->form_bytes += made->bytes;
    *result = made;
    return ESK_OK;
}

void esk_gl_form_unref(struct esk_gl_weights *weights, struct esk_gl_form *form) {
    if (!form || --form->refs)
        return;
    struct esk_gl_form **at = &weights->buckets[form->hash % BUCKETS];
    while (*at != form)
        at = &(*at)->next;
    *at = form->next;
    weights->memory->counters->forms--;
    weights->memory->counters->form_bytes -= form->bytes;
    struct esk_gl_weight_slab *slab = form->slab;
    slab->forms--;
    /* what lies last can be used again at once; the rest when the slab is empty */
    if (form->offset + esk_round_up(form->bytes, FORM_ALIGN) == slab->used)
        slab->used = form->offset;
    release_slab(weights, slab);
    esk_text_finish(&form->key);
    esk_free(form);
}
