/* What a device can do, as recipes and the planner see it. Plain data, no GL names:
 * filled once by the provider (glGet*, quirk table, caps for tests), const afterwards. */
#ifndef ESK_IR_LIMITS_H
#define ESK_IR_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

/* How shaders read operands: through storage buffers, or through rgba32f/rgba32ui image
 * buffers over the same memory. Stores are always to storage buffers. */
enum esk_read_path { ESK_READ_SSBO, ESK_READ_IMAGE };

/* Whether a kind of kernel is used, an option that recipes see; AUTO: where it pays. */
enum esk_when { ESK_WHEN_AUTO, ESK_WHEN_NEVER, ESK_WHEN_ALWAYS };

struct esk_limits {
    enum esk_read_path read_path;
    uint32_t max_invocations; /* per group, x*y*z; at least 128 */
    uint32_t max_local[3];    /* per axis; at least 128, 128, 64 */
    uint32_t max_groups[3];   /* per axis and dispatch; at least 65535 */
    uint32_t max_shared;      /* bytes of shared memory; at least 16384 */
    uint32_t max_ssbos;       /* storage blocks of a compute shader; at least 4 */
    uint32_t max_images;      /* image uniforms of a compute shader; at least 4 */
    uint32_t max_outputs;     /* storage blocks + images together; at least 4 */
    uint32_t max_ubo;         /* bytes of a uniform block; at least 16384 */
    uint32_t ubo_align;       /* alignment of a uniform range, bytes; at most 256 */
    uint32_t ssbo_align;      /* alignment of a storage range, bytes; at most 256 */
    uint64_t max_binding;     /* bytes of one storage binding; at least 128 MiB */
    uint64_t max_texels;      /* texels of a buffer texture; 0 without texture buffers */
    uint64_t max_view; /* bytes that one image reads at most, by an option; 0: texels */
    uint32_t max_iterations; /* loop iterations an invocation may do in one dispatch; 0:
                                unlimited (llvmpipe up to 25.0: 65535) */
    uint32_t lanes;        /* invocations that run in lock-step: 8 llvmpipe, 32 typical */
    uint32_t group_1d;     /* the usual local size of a kernel over a flat index */
    uint64_t max_slab;     /* bytes of one slab: min(max_binding, texels * 16, …) */
    uint32_t pool_threads; /* CPU threads that a dispatch is dealt out to (llvmpipe); 0:
                              not a CPU renderer, or inline */
    bool software;         /* a CPU renderer */
    bool slow_shared;      /* shared-memory tiles do not pay (llvmpipe) */
    bool clamped;          /* cut to the ES 3.1 minima by an option */
    bool planes; /* where they can, convolutions and their like keep [N, C, …] as
                    it is (preferredLayout=NCHW); else channels innermost, C4 */
    enum esk_when winograd;     /* 3x3 convolutions that lose a digit and save time */
    enum esk_when shared_tiles; /* products through shared memory */
};

struct esk_text;
/* Appends one "name: value" a line, stable. */
void esk_limits_text(const struct esk_limits *limits, struct esk_text *text);

#endif
