/* Device memory: slabs with their image views, and the cache they are leased from. In:
 * sizes; out: buffers. Must not know weights, commands or programs. All under the device's lock with the context current, but for the cache,
 * which is pure. */
#ifndef ESK_GLCOMPUTE_BUFFER_H
#define ESK_GLCOMPUTE_BUFFER_H

#include "glcompute/gl.h"
#include "ir/kernel.h"
#include "ir/limits.h"
#include "ir/provider.h"

/* The views through which images read a buffer; glBindImageTexture reinterprets them as
 * the float and integer formats of the same texel size. */
enum esk_gl_view { ESK_GL_VIEW_VEC4, ESK_GL_VIEW_ELEMENT, ESK_GL_VIEWS };

struct esk_gl_buffer {
    struct esk_gl_buffer *next; /* while it is free in a cache */
    uint64_t bytes;             /* as allocated: see esk_gl_buffer_round */
    GLuint id;
    GLuint views[ESK_GL_VIEWS]; /* buffer textures; 0 until esk_gl_buffer_view */
};

/* ---- The storage cache: pure, no GL. Free buffers by size. ---- */

/* What is allocated for `bytes`: a multiple of 64, and 16 more, so that no view has a
 * power of two of texels (llvmpipe compiles other code for those). */
uint64_t esk_gl_buffer_round(uint64_t bytes);

/* Zeroed memory is an empty cache. Now the one policy: buffers of exactly the size asked
 * for are reused, and none is given up before the device runs out. */
struct esk_gl_cache {
    struct esk_gl_buffer *free; /* owned by whoever made them, until drained */
    uint64_t bytes;             /* in `free` */
    uint32_t count;
};

/* A free buffer for `bytes`, newest first, or NULL: make one. */
struct esk_gl_buffer *esk_gl_cache_lease(struct esk_gl_cache *cache, uint64_t bytes);
/* Gives a buffer back. Returns one that the cache gives up: destroy it; or NULL. */
struct esk_gl_buffer *esk_gl_cache_give(struct esk_gl_cache *cache,
                                        struct esk_gl_buffer *buffer);
/* Takes any buffer out; NULL when empty. */
struct esk_gl_buffer *esk_gl_cache_drain(struct esk_gl_cache *cache);

/* ---- Buffers ---- */

struct esk_gl_memory {
    struct esk_gl *gl;               /* borrowed */
    const struct esk_limits *limits; /* borrowed */
    struct esk_counters *counters;   /* borrowed */
    struct esk_gl_cache cache;
    bool labels; /* give objects labels, where KHR_debug is */
};

void esk_gl_memory_finish(struct esk_gl_memory *memory); /* empties the cache */

/* A buffer of at least `bytes`; `usage`: GL_DYNAMIC_COPY …. Its content is undefined.
 * When the device has no memory, the cache is emptied and it tries again. */
esk_status esk_gl_buffer_create(struct esk_gl_memory *memory, uint64_t bytes,
                                GLenum usage, const char *label,
                                struct esk_gl_buffer **buffer, esk_error *error);
void esk_gl_buffer_destroy(struct esk_gl_memory *memory, struct esk_gl_buffer *buffer);

/* Makes a view, if it is not there yet. */
esk_status esk_gl_buffer_view(struct esk_gl_memory *memory, struct esk_gl_buffer *buffer,
                              enum esk_gl_view view, esk_error *error);

esk_status esk_gl_buffer_write(struct esk_gl_memory *memory, struct esk_gl_buffer *buffer,
                               uint64_t offset, uint64_t bytes, const void *data,
                               esk_error *error);

/* Fills it with words that are NaN, and no valid index either (tests). */
esk_status esk_gl_buffer_poison(struct esk_gl_memory *memory,
                                struct esk_gl_buffer *buffer, esk_error *error);

#endif
