/* What a device is and can do. In: a loaded GL table with its context current; out:
 * `struct esk_gl_info` (strings, versions, quirks) and `struct esk_limits`. Every glGet
 * of the library is here, asked once. The quirk table is the only place that tests device
 * names. */
#ifndef ESK_GLCOMPUTE_LIMITS_H
#define ESK_GLCOMPUTE_LIMITS_H

#include "base/log.h"
#include "base/text.h"
#include "esker/status.h"
#include "glcompute/gl.h"
#include "ir/limits.h"

#include <stdbool.h>
#include <stdint.h>

/* What a row of the quirk table does: name, bit, meaning. */
#define ESK_GL_QUIRK_LIST(X)                                                    \
    X(READ_IMAGE, 0, "reads through image buffers are faster")                  \
    X(LOOP_LIMIT, 1, "loops end silently after 65535 iterations")               \
    X(SLOW_SHARED, 2, "shared-memory tiles do not pay")                         \
    X(FLUSH_EACH, 3, "glFlush after each dispatch")                             \
    X(POLL_FENCE, 4, "poll glGetSynciv, do not block in glClientWaitSync")      \
    X(PBUFFER, 5, "make current with a pbuffer, never without a surface")       \
    X(SLOW_DEVICE, 6, "for tests only: orders of magnitude slower than others") \
    X(LATE_COMPILE, 7, "programs are compiled when first dispatched")           \
    X(THREAD_POOL, 8, "a dispatch wakes a pool of LP_NUM_THREADS threads")

enum esk_gl_quirk {
#define ESK_GL_QUIRK_ENUM(name, bit, text) ESK_QUIRK_##name = 1 << (bit),
    ESK_GL_QUIRK_LIST(ESK_GL_QUIRK_ENUM)
#undef ESK_GL_QUIRK_ENUM
};

/* Strings of the driver, as they are, and what is read out of them. Plain data. */
struct esk_gl_info {
    char vendor[96], renderer[192], version[160], glsl[96];
    int major, minor; /* of ES; 0 if `version` is none */
    char driver[16];  /* "Mesa", "NVIDIA", "Mali", "Adreno", "PowerVR", ... or "" */
    uint32_t driver_version[3]; /* 22, 3, 6; zeros if not known */
    bool software;              /* by renderer string */
    /* of a software renderer that says so (llvmpipe: 256), else 0 */
    uint32_t vector_bits;
    uint32_t quirks; /* esk_gl_quirk bits that match */
};

/* One row of the quirk table: driver bugs and habits, each with its reason and source. */
struct esk_gl_quirk_row {
    const char *name;
    const char *renderer; /* fnmatch pattern on GL_RENDERER, case ignored */
    const char *driver;   /* esk_gl_info.driver, "!Mesa": any but Mesa; NULL: any */
    uint32_t from[2];     /* first driver version (major, minor) that has it */
    uint32_t until[2];    /* first that has it no more; 0, 0: all */
    uint32_t quirks;      /* esk_gl_quirk bits */
    const char *reason, *source;
};

/* The table, *count rows; and whether a row matches `info` (its parsed fields). Pure. */
const struct esk_gl_quirk_row *esk_gl_quirk_rows(size_t *count);
bool esk_gl_quirk_match(const struct esk_gl_quirk_row *row,
                        const struct esk_gl_info *info);

/* Fills the parsed fields from the four strings; pure. */
void esk_gl_info_parse(struct esk_gl_info *info);

/* Whether a GL_RENDERER string is a software renderer's. `software_device`: EGL says so
 * of the device (EGL_MESA_device_software); believed, but for drivers that sit on another
 * API and reach hardware from there (D3D12, zink, virgl). Pure. */
bool esk_gl_is_software(const char *renderer, bool software_device);

/* Reads the strings from the current context and parses them. */
esk_status esk_gl_info_read(struct esk_gl *gl, struct esk_gl_info *info,
                            esk_error *error);

enum esk_read_choice {
    ESK_READ_CHOICE_AUTO,
    ESK_READ_CHOICE_SSBO,
    ESK_READ_CHOICE_IMAGE
};

/* Zero is the default of each. */
struct esk_limits_options {
    bool clamp_es31; /* cut to the ES 3.1 minima, no texture buffers (but see read) */
    enum esk_read_choice read; /* IMAGE keeps texture buffers when clamped, and is an
                                  error where there are none */
    uint64_t max_binding;      /* cap of one binding, bytes; 0: the driver's own */
};

/* Asks everything of the current context: glGet, then esk_limits_settle. A value below
 * the ES 3.1 minimum is taken as it is, and logged. */
esk_status esk_limits_read(struct esk_gl *gl, const struct esk_gl_info *info,
                           const struct esk_limits_options *options,
                           const struct esk_logger *logger, struct esk_limits *limits,
                           esk_error *error);

/* The rules: `limits` holds what the driver said (max_texels 0 without texture buffers);
 * quirks, caps, clamp, read path, lanes and slab size are applied. Pure. `options` may be
 * NULL. */
esk_status esk_limits_settle(const struct esk_gl_info *info,
                             const struct esk_limits_options *options,
                             struct esk_limits *limits, esk_error *error);

/* How many threads llvmpipe's pool has, counted as the driver does: `variable` is the
 * value of LP_NUM_THREADS, NULL: not set. 0: another driver, or none. Pure. */
uint32_t esk_gl_pool_threads(const struct esk_gl_info *info, const char *variable,
                             long processors);

/* One fact a line, "name: value", stable. `info` may be NULL. */
void esk_limits_print(const struct esk_gl_info *info, const struct esk_limits *limits,
                      struct esk_text *text);

/* The same to the log at INFO, one line each; matched quirks with reasons. */
void esk_limits_log(const struct esk_logger *logger, const struct esk_gl_info *info,
                    const struct esk_limits *limits);

#endif
