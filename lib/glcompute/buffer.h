/* Device memory: buffers with their image views, and the caches they are leased from. In:
 * sizes; out: buffers. Must not know weights, commands or programs. All under the
 * screen's lock with the context current, but for the caches, which are pure. */
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
    GLenum usage;               /* GL_DYNAMIC_COPY …: reused for the same only */
    GLuint id;
    GLuint views[ESK_GL_VIEWS]; /* buffer textures; 0 until esk_gl_buffer_view */
    unsigned char *memory;      /* owned pages; NULL: the driver's, see pinned */
    uint64_t zeros_from;        /* nothing was written from here on, and it is zeros */
    struct esk_gl_buffer *pin; /* the same memory in the second lane's context; NULL until
                                  a run of it wants that */
};

/* ---- A cache: pure, no GL. Free buffers by size and usage. ---- */

/* What is allocated for `bytes`: a multiple of 64, and 16 more, so that no view has a
 * power of two of texels (llvmpipe compiles other code for those). */
uint64_t esk_gl_buffer_round(uint64_t bytes);

enum { ESK_GL_CLASSES = 26 };

/* Zeroed memory with `mode` and `most` set is an empty cache. Buffers in it are owned by
 * whoever made them. Those that it gives up wait in `dropped` until they are swept. */
struct esk_gl_cache {
    enum esk_cache_mode mode;
    uint64_t most; /* larger ones get no class: the limit of a binding; 0: none */
    struct esk_gl_buffer *free;    /* newest first */
    struct esk_gl_buffer *waiting; /* lazyRelease: for the end of the next run */
    struct esk_gl_buffer *dropped;
    uint64_t bytes, hits; /* in `free` and `waiting`; leases that found one */
    uint32_t count;
    uint32_t in_class[ESK_GL_CLASSES]; /* of the free ones, against the class's cap */
};

/* What to ask esk_gl_buffer_create for: `bytes`, or in mode bucket their class's size. */
uint64_t esk_gl_cache_size(const struct esk_gl_cache *cache, uint64_t bytes);
/* A free buffer for `bytes`, newest first, or NULL: make one. */
struct esk_gl_buffer *esk_gl_cache_lease(struct esk_gl_cache *cache, uint64_t bytes,
                                         GLenum usage);
/* Gives a buffer back; it may be dropped at once. NULL is allowed. */
void esk_gl_cache_give(struct esk_gl_cache *cache, struct esk_gl_buffer *buffer);
/* The end of a run, before it gives its buffers: drops those of the run before it. */
void esk_gl_cache_end_run(struct esk_gl_cache *cache);
/* Takes out a dropped buffer: destroy it; NULL when there is none. */
struct esk_gl_buffer *esk_gl_cache_sweep(struct esk_gl_cache *cache);
void esk_gl_cache_empty(struct esk_gl_cache *cache); /* drops all */

/* ---- Buffers ---- */

/* The caches of a screen, one an option. */
enum esk_gl_pool {
    ESK_GL_POOL_STORAGE, /* slabs of activations */
    ESK_GL_POOL_UNIFORM, /* blocks of params */
    ESK_GL_POOL_DEFAULT, /* what the host maps: inputs and outputs of runs */
    ESK_GL_POOL_QUERY,   /* timers (timer.h), by the bytes of their results */
    ESK_GL_POOLS
};

struct esk_gl_memory {
    struct esk_gl *gl;               /* borrowed */
    const struct esk_limits *limits; /* borrowed */
    struct esk_counters *counters;   /* borrowed */
    struct esk_gl_cache pools[ESK_GL_POOLS];
    bool labels; /* give objects labels, where KHR_debug is */
    bool pinned; /* buffers lie over pages of ours, which another context may have too */
    /* pins of buffers that are gone: the lane destroys them */
    struct esk_gl_buffer *unpinned;
};

void esk_gl_memory_finish(struct esk_gl_memory *memory); /* empties the caches */

/* A buffer of at least `bytes`; `usage`: GL_DYNAMIC_COPY …. Its content is undefined.
 * When the device has no memory, the caches are emptied and it tries again. */
esk_status esk_gl_buffer_create(struct esk_gl_memory *memory, uint64_t bytes,
                                GLenum usage, const char *label,
                                struct esk_gl_buffer **buffer, esk_error *error);
void esk_gl_buffer_destroy(struct esk_gl_memory *memory, struct esk_gl_buffer *buffer);

/* From a cache, or made. It goes back by esk_gl_cache_give. */
esk_status esk_gl_buffer_lease(struct esk_gl_memory *memory, enum esk_gl_pool pool,
                               uint64_t bytes, GLenum usage, const char *label,
                               struct esk_gl_buffer **buffer, esk_error *error);
/* Whether caches have dropped buffers, and destroying those. */
bool esk_gl_memory_dropped(const struct esk_gl_memory *memory);
void esk_gl_memory_sweep(struct esk_gl_memory *memory);

/* Makes a view, if it is not there yet. */
esk_status esk_gl_buffer_view(struct esk_gl_memory *memory, struct esk_gl_buffer *buffer,
                              enum esk_gl_view view, esk_error *error);

esk_status esk_gl_buffer_write(struct esk_gl_memory *memory, struct esk_gl_buffer *buffer,
                               uint64_t offset, uint64_t bytes, const void *data,
                               esk_error *error);

/* Where bytes of a buffer lie for the host; unmap it before commands use it. `access` as
 * glMapBufferRange has it; `what`: for an error, "mapping weights". */
esk_status esk_gl_buffer_map(struct esk_gl *gl, const struct esk_gl_buffer *buffer,
                             uint64_t offset, uint64_t bytes, GLbitfield access,
                             const char *what, void **mapped, esk_error *error);
esk_status esk_gl_buffer_unmap(struct esk_gl *gl, const struct esk_gl_buffer *buffer,
                               const char *what, esk_error *error);

/* A buffer of `memory`'s context over the pages of another context's. It is destroyed as
 * any, and holds no memory of its own. */
esk_status esk_gl_buffer_pin(struct esk_gl_memory *memory, struct esk_gl_buffer *buffer,
                             esk_error *error);

/* Fills it with words that are NaN, and no valid index either (tests). */
esk_status esk_gl_buffer_poison(struct esk_gl_memory *memory,
                                struct esk_gl_buffer *buffer, esk_error *error);

#endif
