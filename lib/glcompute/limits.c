/* What a device is (strings, versions, quirks) and can do (limits). In: a GL table with
 * its context current, or plain strings and numbers; out: esk_gl_info, esk_limits. The
 * quirk table below is the only place of the library that tests device names; nothing
 * else may. Must not know EGL, buffers or programs. */
#include "glcompute/limits.h"

#include "base/error.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB (1024u * 1024u)
enum {
    /* llvmpipe counts 65535 iterations of all loops together; keep room for the loops
     * that a kernel's count does not name */
    LOOP_LIMIT = 65000,
    GROUP_1D = 64,
    LANES = 32,
};
#define MAX_SLAB ((uint64_t)1024 * MIB)

/* The quirk table. */

static const struct esk_gl_quirk_row quirk_rows[] = {
    {"llvmpipe-image-reads",
     "llvmpipe*",
     "Mesa",
     {0, 0},
     {25, 1},
     ESK_QUIRK_READ_IMAGE,
     "an SSBO load is a loop over lanes with branches, imageLoad is one vector load",
     "mesa:src/gallium/auxiliary/gallivm/lp_bld_nir_soa.c, docs/relnotes/25.1.0.rst; "
     "measured"},
    /* not virgl over llvmpipe: one dispatch that reads a buffer through two images of
     * different formats gets wrong values there (virglrenderer 0.10.4, seen) */
    {"zink-llvmpipe-image-reads",
     "zink (llvmpipe*",
     "Mesa",
     {0, 0},
     {25, 1},
     ESK_QUIRK_READ_IMAGE,
     "an SSBO load is a loop over lanes with branches, imageLoad is one vector load",
     "mesa:src/gallium/auxiliary/gallivm/lp_bld_nir_soa.c, docs/relnotes/25.1.0.rst; "
     "measured"},
    {"llvmpipe-loop-limit",
     "*llvmpipe*",
     "Mesa",
     {0, 0},
     {25, 1},
     ESK_QUIRK_LOOP_LIMIT,
     "one counter for all loops of an invocation, then loops end without an error",
     "mesa:src/gallium/auxiliary/gallivm/lp_bld_limits.h, lp_bld_ir_common.c"},
    {"lavapipe-loop-limit",
     "*llvmpipe*",
     "!Mesa",
     {0, 0},
     {0, 0},
     ESK_QUIRK_LOOP_LIMIT,
     "ANGLE over lavapipe: the same code, of a Mesa version that is not told",
     "mesa:src/gallium/auxiliary/gallivm/lp_bld_limits.h"},
    {"llvmpipe-shared",
     "*llvmpipe*",
     NULL,
     {0, 0},
     {0, 0},
     ESK_QUIRK_SLOW_SHARED,
     "shared memory is the same memory, and a barrier spills all live values",
     "mesa:src/gallium/drivers/llvmpipe/lp_state_cs.c; measured: 6-8 against 61 GFLOP/s"},
    {"llvmpipe-late-compile",
     "llvmpipe*",
     "Mesa",
     {0, 0},
     {0, 0},
     ESK_QUIRK_LATE_COMPILE,
     "machine code is made in the first glDispatchCompute, on the caller's thread",
     "mesa:src/gallium/drivers/llvmpipe/lp_state_cs.c; measured: 20-1700 ms a program"},
    {"llvmpipe-pool",
     "llvmpipe*",
     "Mesa",
     {0, 0},
     {0, 0},
     ESK_QUIRK_THREAD_POOL,
     "a dispatch wakes the pool's threads and waits for them: 25-60 us, inline 0.4-4 us",
     "mesa:src/gallium/drivers/llvmpipe/lp_cs_tpool.c; measured"},
    {"softpipe-slow",
     "*softpipe*",
     NULL,
     {0, 0},
     {0, 0},
     ESK_QUIRK_SLOW_DEVICE | ESK_QUIRK_SLOW_SHARED,
     "an interpreter",
     "mesa:src/gallium/drivers/softpipe"},
    {"adreno-image-reads",
     "*Adreno*",
     NULL,
     {0, 0},
     {0, 0},
     ESK_QUIRK_READ_IMAGE,
     "no L1 cache in front of storage buffers",
     "ncnn:src/gpu.cpp; litert:gl/compiler.cc"},
    {"freedreno-image-reads",
     "FD[0-9]*",
     "Mesa",
     {0, 0},
     {0, 0},
     ESK_QUIRK_READ_IMAGE,
     "Adreno under Mesa: no L1 cache in front of storage buffers",
     "ncnn:src/gpu.cpp"},
    {"adreno-flush",
     "*Adreno*",
     "!Mesa",
     {0, 0},
     {0, 0},
     ESK_QUIRK_FLUSH_EACH,
     "a driver bug without a flush after each dispatch",
     "litert:gl/command_queue.cc"},
    {"adreno-fence-poll",
     "*Adreno*",
     "!Mesa",
     {0, 0},
     {0, 0},
     ESK_QUIRK_POLL_FENCE,
     "a blocking wait wakes tens of milliseconds late",
     "litert:gl/gl_sync.cc"},
    {"mali-fence-poll",
     "*Mali-*",
     "!Mesa",
     {0, 0},
     {0, 0},
     ESK_QUIRK_POLL_FENCE,
     "a blocking wait wakes tens of milliseconds late",
     "litert:gl/gl_sync.cc"},
    {"mali-shared",
     "*Mali*",
     NULL,
     {0, 0},
     {0, 0},
     ESK_QUIRK_SLOW_SHARED,
     "shared memory lies in the same memory and caches as buffers; Midgard's compiler "
     "spills",
     "Arm Mali GPU best practices: shared memory; panfrost of Mesa 22.3 on a T860, seen"},
    {"v3d-shared",
     "*V3D*",
     "Mesa",
     {0, 0},
     {0, 0},
     ESK_QUIRK_SLOW_SHARED,
     "shared memory is a buffer read through the texture unit",
     "mesa:src/broadcom/compiler/nir_to_vir.c"},
    {"powervr-pbuffer",
     "*PowerVR*",
     "!Mesa",
     {0, 0},
     {0, 0},
     ESK_QUIRK_PBUFFER,
     "glFenceSync crashes in a context without a surface",
     "litert:gl/egl_environment.cc"},
};

const struct esk_gl_quirk_row *esk_gl_quirk_rows(size_t *count) {
    *count = sizeof quirk_rows / sizeof quirk_rows[0];
    return quirk_rows;
}

/* a[0].a[1] < b[0].b[1] */
static bool version_before(const uint32_t *a, const uint32_t *b) {
    return a[0] < b[0] || (a[0] == b[0] && a[1] < b[1]);
}

bool esk_gl_quirk_match(const struct esk_gl_quirk_row *row,
                        const struct esk_gl_info *info) {
    if (fnmatch(row->renderer, info->renderer, FNM_CASEFOLD) != 0)
        return false;
    if (row->driver) {
        bool not = row->driver[0] == '!';
        if ((strcmp(row->driver + not, info->driver) == 0) == not )
            return false;
    }
    if (version_before(info->driver_version, row->from))
        return false;
    /* a version that could not be read counts as old: quirks are the safe side */
    return !(row->until[0] || row->until[1]) ||
           version_before(info->driver_version, row->until);
}

/* Strings. */

bool esk_gl_is_software(const char *renderer, bool software_device) {
    static const char *const patterns[] = {
        "*llvmpipe*",      "*softpipe*",
        "*swiftshader*",   "*swrast*",
        "*lavapipe*",      "*software rasterizer*",
        "*software rend*", "*microsoft basic rend*",
    };
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
        if (fnmatch(patterns[i], renderer, FNM_CASEFOLD) == 0)
            return true;
    static const char *const layered[] = {"*d3d12*", "zink*", "virgl*"};
    for (size_t i = 0; i < sizeof layered / sizeof layered[0]; i++)
        if (fnmatch(layered[i], renderer, FNM_CASEFOLD) == 0)
            return false;
    return software_device;
}

/* Where GL_VERSION tells the driver's version: what stands before the number, and the
 * name. The first that is found wins. */
static const struct {
    const char *before, *driver;
} version_marks[] = {
    {"ANGLE ", "ANGLE"}, {"SwiftShader ", "SwiftShader"},
    {"Mesa ", "Mesa"},   {"NVIDIA ", "NVIDIA"},
    {"V@", "Adreno"},    {"build ", "PowerVR"},
};

static void parse_driver(struct esk_gl_info *info) {
    uint32_t *version = info->driver_version;
    memset(version, 0, sizeof info->driver_version);
    info->driver[0] = 0;
    for (size_t i = 0; i < sizeof version_marks / sizeof version_marks[0]; i++) {
        const char *before = version_marks[i].before;
        const char *at = strstr(info->version, before);
        if (at && sscanf(at + strlen(before), "%u.%u.%u", &version[0], &version[1],
                         &version[2]) >= 1) {
            snprintf(info->driver, sizeof info->driver, "%s", version_marks[i].driver);
            return;
        }
    }
    /* Mali: "OpenGL ES 3.2 v1.r32p1-01eac0.2a893c04ca0026c2e6802dbe7d7af5c5" */
    const char *at = strstr(info->version, ".r");
    if (at && sscanf(at, ".r%up%u", &version[0], &version[1]) == 2)
        snprintf(info->driver, sizeof info->driver, "Mali");
    else
        memset(version, 0, sizeof info->driver_version);
}

void esk_gl_info_parse(struct esk_gl_info *info) {
    info->major = info->minor = 0;
    if (sscanf(info->version, "OpenGL ES %d.%d", &info->major, &info->minor) != 2)
        info->major = info->minor = 0;
    parse_driver(info);
    info->software = esk_gl_is_software(info->renderer, false);
    /* "llvmpipe (LLVM 15.0.6, 256 bits)" */
    info->vector_bits = 0;
    const char *comma = info->software ? strstr(info->renderer, ", ") : NULL;
    unsigned bits = 0;
    int end = 0;
    if (comma && sscanf(comma, ", %u bits%n", &bits, &end) == 1 && end && bits >= 32 &&
        bits <= 4096)
        info->vector_bits = bits;
    info->quirks = 0;
    for (size_t i = 0; i < sizeof quirk_rows / sizeof quirk_rows[0]; i++)
        if (esk_gl_quirk_match(&quirk_rows[i], info))
            info->quirks |= quirk_rows[i].quirks;
}

esk_status esk_gl_info_read(struct esk_gl *gl, struct esk_gl_info *info,
                            esk_error *error) {
    struct esk_gl_info made = {0};
    const struct {
        GLenum name;
        char *to;
        size_t size;
    } rows[] = {
        {GL_VENDOR, made.vendor, sizeof made.vendor},
        {GL_RENDERER, made.renderer, sizeof made.renderer},
        {GL_VERSION, made.version, sizeof made.version},
        {GL_SHADING_LANGUAGE_VERSION, made.glsl, sizeof made.glsl},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *text = (const char *)gl->GetString(rows[i].name);
        if (!text)
            return esk_fail(error, ESK_DEVICE_ERROR,
                            "limits: glGetString(0x%04x) gives nothing", rows[i].name);
        snprintf(rows[i].to, rows[i].size, "%s", text);
    }
    esk_gl_info_parse(&made);
    *info = made;
    return ESK_OK;
}

/* Limits. */

static uint64_t min_u64(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint32_t min_u32(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static uint32_t max_u32(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

/* What ES 3.1 guarantees (specification, tables 20.36 to 20.46): field, value. An
 * alignment is a maximum, the rest are minima. */
#define MINIMA(X)           \
    X(max_invocations, 128) \
    X(max_local[0], 128)    \
    X(max_local[1], 128)    \
    X(max_local[2], 64)     \
    X(max_groups[0], 65535) \
    X(max_groups[1], 65535) \
    X(max_groups[2], 65535) \
    X(max_shared, 16384)    \
    X(max_ssbos, 4)         \
    X(max_images, 4)        \
    X(max_outputs, 4)       \
    X(max_ubo, 16384)

static void clamp(struct esk_limits *limits, bool keep_texels) {
#define CLAMP(field, minimum) limits->field = min_u32(limits->field, minimum);
    MINIMA(CLAMP)
#undef CLAMP
    limits->ubo_align = max_u32(limits->ubo_align, 256);
    limits->ssbo_align = max_u32(limits->ssbo_align, 256);
    limits->max_binding = min_u64(limits->max_binding, 128 * MIB);
    if (!keep_texels)
        limits->max_texels = 0;
    limits->clamped = true;
}

esk_status esk_limits_settle(const struct esk_gl_info *info,
                             const struct esk_limits_options *options,
                             struct esk_limits *limits, esk_error *error) {
    static const struct esk_limits_options defaults;
    if (!options)
        options = &defaults;
    struct esk_limits l = *limits;
    bool images = options->read == ESK_READ_CHOICE_IMAGE;
    if (images && !l.max_texels)
        return esk_fail(error, ESK_UNSUPPORTED,
                        "limits: read path 'image' was asked for, but '%s' has no buffer "
                        "textures",
                        info->renderer);

    l.software = info->software;
    l.clamped = false;
    l.slow_shared = info->quirks & ESK_QUIRK_SLOW_SHARED;
    l.max_iterations = info->quirks & ESK_QUIRK_LOOP_LIMIT ? LOOP_LIMIT : 0;
    l.lanes = info->vector_bits ? info->vector_bits / 32 : LANES;
    if (options->max_binding) {
        l.max_binding = min_u64(l.max_binding, options->max_binding);
        l.max_view = l.max_binding;
    }
    if (options->clamp_es31)
        clamp(&l, images);
    l.group_1d = min_u32(GROUP_1D, l.max_invocations);

    if (options->read == ESK_READ_CHOICE_AUTO)
        images =
            (info->quirks & ESK_QUIRK_READ_IMAGE) && l.max_texels && l.max_images >= 4;
    l.read_path = images ? ESK_READ_IMAGE : ESK_READ_SSBO;
    l.max_slab = min_u64(l.max_binding, MAX_SLAB);
    if (images)
        l.max_slab = min_u64(l.max_slab, l.max_texels * 16);
    *limits = l;
    return ESK_OK;
}

uint32_t esk_gl_pool_threads(const struct esk_gl_info *info, const char *variable,
                             long processors) {
    enum { MOST = 32 };
    long long threads = processors > 1 ? processors : 0; /* one: inline */
    if (!(info->quirks & ESK_QUIRK_THREAD_POOL))
        return 0;
    if (variable && !esk_text_to_int(variable, &threads))
        threads = processors;
    return threads < 0 ? 0 : threads > MOST ? MOST : (uint32_t)threads;
}

static uint32_t get_u32(struct esk_gl *gl, GLenum name) {
    GLint value = 0;
    ESK_GL(gl, GetIntegerv(name, &value));
    return value > 0 ? (uint32_t)value : 0;
}

static uint64_t get_u64(struct esk_gl *gl, GLenum name) {
    GLint64 value = 0;
    ESK_GL(gl, GetInteger64v(name, &value));
    return value > 0 ? (uint64_t)value : 0;
}

static uint32_t get_indexed(struct esk_gl *gl, GLenum name, GLuint index) {
    GLint value = 0;
    ESK_GL(gl, GetIntegeri_v(name, index, &value));
    return value > 0 ? (uint32_t)value : 0;
}

esk_status esk_limits_read(struct esk_gl *gl, const struct esk_gl_info *info,
                           const struct esk_limits_options *options,
                           const struct esk_logger *logger, struct esk_limits *limits,
                           esk_error *error) {
    struct esk_limits l = {0};
    l.max_invocations = get_u32(gl, GL_MAX_COMPUTE_WORK_GROUP_INVOCATIONS);
    for (GLuint i = 0; i < 3; i++) {
        l.max_local[i] = get_indexed(gl, GL_MAX_COMPUTE_WORK_GROUP_SIZE, i);
        l.max_groups[i] = get_indexed(gl, GL_MAX_COMPUTE_WORK_GROUP_COUNT, i);
    }
    l.max_shared = get_u32(gl, GL_MAX_COMPUTE_SHARED_MEMORY_SIZE);
    l.max_ssbos = min_u32(get_u32(gl, GL_MAX_COMPUTE_SHADER_STORAGE_BLOCKS),
                          get_u32(gl, GL_MAX_SHADER_STORAGE_BUFFER_BINDINGS));
    l.max_images = min_u32(get_u32(gl, GL_MAX_COMPUTE_IMAGE_UNIFORMS),
                           get_u32(gl, GL_MAX_IMAGE_UNITS));
    l.max_outputs = get_u32(gl, GL_MAX_COMBINED_SHADER_OUTPUT_RESOURCES);
    l.max_ubo = get_u32(gl, GL_MAX_UNIFORM_BLOCK_SIZE);
    l.ubo_align = max_u32(get_u32(gl, GL_UNIFORM_BUFFER_OFFSET_ALIGNMENT), 1);
    l.ssbo_align = max_u32(get_u32(gl, GL_SHADER_STORAGE_BUFFER_OFFSET_ALIGNMENT), 1);
    l.max_binding = get_u64(gl, GL_MAX_SHADER_STORAGE_BLOCK_SIZE);
    l.max_texels =
        gl->ext.texture_buffer ? get_u32(gl, GL_MAX_TEXTURE_BUFFER_SIZE_EXT) : 0;
    l.pool_threads = esk_gl_pool_threads(info, getenv("LP_NUM_THREADS"),
                                         sysconf(_SC_NPROCESSORS_ONLN));
    ESK_TRY(esk_gl_status(gl, "limits: glGet", error));

#define BELOW(field, minimum)                                                           \
    if (l.field < minimum)                                                              \
        esk_log(logger, ESK_LOG_WARNING,                                                \
                "limits: " #field " is %u, below the %u that OpenGL ES 3.1 guarantees", \
                l.field, (unsigned)minimum);
    MINIMA(BELOW)
#undef BELOW
    ESK_TRY(esk_limits_settle(info, options, &l, error));
    *limits = l;
    return ESK_OK;
}

/* Printing. */

/* A byte count as "16384", "128 MiB", "1 GiB": whole MiB only. */
static void print_info(const struct esk_gl_info *info, struct esk_text *text) {
    esk_text_add(text, "vendor: %s\nrenderer: %s\nversion: %s\nglsl: %s\n", info->vendor,
                 info->renderer, info->version, info->glsl);
    esk_text_add(text, "driver: %s %u.%u.%u\n",
                 info->driver[0] ? info->driver : "unknown", info->driver_version[0],
                 info->driver_version[1], info->driver_version[2]);
    for (size_t i = 0; i < sizeof quirk_rows / sizeof quirk_rows[0]; i++)
        if (esk_gl_quirk_match(&quirk_rows[i], info))
            esk_text_add(text, "quirk %s: %s (%s)\n", quirk_rows[i].name,
                         quirk_rows[i].reason, quirk_rows[i].source);
}

void esk_limits_print(const struct esk_gl_info *info, const struct esk_limits *limits,
                      struct esk_text *text) {
    if (info)
        print_info(info, text);
    esk_limits_text(limits, text);
}

void esk_limits_log(const struct esk_logger *logger, const struct esk_gl_info *info,
                    const struct esk_limits *limits) {
    struct esk_text text = {0};
    esk_limits_print(info, limits, &text);
    for (const char *line = esk_text_str(&text); *line;) {
        size_t length = strcspn(line, "\n");
        esk_log(logger, ESK_LOG_INFO, "%.*s", (int)length, line);
        line += length + (line[length] == '\n');
    }
    esk_text_finish(&text);
}
