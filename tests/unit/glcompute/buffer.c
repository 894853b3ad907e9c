/* glcompute/buffer: the cache's policy, weights over a null driver; ir: packing of
 * storage. */
#include <criterion/criterion.h>

#include "base/half.h"
#include "base/mem.h"
#include "glcompute/weights.h"

#include <stdbool.h>
#include <string.h>

Test(buffer, round) {
    cr_assert_eq(esk_gl_buffer_round(0), 80);
    cr_assert_eq(esk_gl_buffer_round(1), 80);
    cr_assert_eq(esk_gl_buffer_round(64), 80);
    cr_assert_eq(esk_gl_buffer_round(65), 144);
    for (uint64_t bytes = 1; bytes < 1 << 20; bytes = bytes * 2 + 3) {
        uint64_t size = esk_gl_buffer_round(bytes), texels = size / 16;
        cr_assert(size >= bytes && texels & (texels - 1), "a power of two of texels");
        texels = size / 4;
        cr_assert(texels & (texels - 1), "a power of two of texels");
    }
}

enum { USAGE = GL_DYNAMIC_COPY };

static int sweep(struct esk_gl_cache *cache) {
    int n = 0;
    while (esk_gl_cache_sweep(cache))
        n++;
    return n;
}

Test(buffer, cache_simple) {
    struct esk_gl_cache cache = {.mode = ESK_CACHE_SIMPLE};
    struct esk_gl_buffer a = {.bytes = 80, .usage = USAGE}, b = a, c = a, d = a;
    b.bytes = 144;
    d.usage = GL_DYNAMIC_READ;
    cr_assert_null(esk_gl_cache_lease(&cache, 64, USAGE));
    esk_gl_cache_give(&cache, &a);
    esk_gl_cache_give(&cache, &b);
    esk_gl_cache_give(&cache, &c);
    esk_gl_cache_give(&cache, &d);
    esk_gl_cache_give(&cache, NULL);
    esk_gl_cache_end_run(&cache);
    cr_assert(cache.count == 4 && cache.bytes == 384 && !cache.hits);
    cr_assert_eq(esk_gl_cache_lease(&cache, 128, USAGE), &b, "by exact rounded size");
    cr_assert_null(esk_gl_cache_lease(&cache, 128, USAGE));
    cr_assert_eq(esk_gl_cache_lease(&cache, 10, USAGE), &c, "newest of its usage first");
    cr_assert(cache.hits == 2 && sweep(&cache) == 0);
    esk_gl_cache_empty(&cache);
    cr_assert_eq(sweep(&cache), 2);
    cr_assert(cache.count == 0 && cache.bytes == 0 && !a.next && !b.next);
}

Test(buffer, cache_disabled) {
    struct esk_gl_cache cache = {.mode = ESK_CACHE_DISABLED};
    struct esk_gl_buffer a = {.bytes = 80, .usage = USAGE};
    esk_gl_cache_give(&cache, &a);
    cr_assert(cache.count == 0 && cache.bytes == 0);
    cr_assert_null(esk_gl_cache_lease(&cache, 64, USAGE));
    cr_assert_eq(sweep(&cache), 1);
}

Test(buffer, cache_lazy_release) {
    struct esk_gl_cache cache = {.mode = ESK_CACHE_LAZY};
    struct esk_gl_buffer a = {.bytes = 80, .usage = USAGE}, b = a;
    esk_gl_cache_end_run(&cache);
    esk_gl_cache_give(&cache, &a);
    cr_assert(cache.count == 1 && cache.bytes == 80 && sweep(&cache) == 0);
    cr_assert_null(esk_gl_cache_lease(&cache, 64, USAGE), "never reused");
    esk_gl_cache_end_run(&cache);
    esk_gl_cache_give(&cache, &b);
    cr_assert_eq(esk_gl_cache_sweep(&cache), &a, "at the end of the next run");
    cr_assert(sweep(&cache) == 0 && cache.count == 1 && cache.bytes == 80);
}

Test(buffer, cache_bucket) {
    struct esk_gl_cache cache = {.mode = ESK_CACHE_BUCKET};
    static const uint64_t rows[][2] = {
        {0, 64},
        {64, 64},
        {65, 128},
        {513, 2048},
        {8193, 16384},
        {(8 << 20) + 1, 12 << 20},
        {17 << 20, 26214400},
        {(32 << 20) + 1, 44236800},
        {44236801, 58982400},
        {160 << 20, 160 << 20},
        {(160 << 20) + 1, (160 << 20) + 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_assert_eq(esk_gl_cache_size(&cache, rows[i][0]), rows[i][1], "row %zu", i);
    cache.most = 2048;
    cr_assert_eq(esk_gl_cache_size(&cache, 512), 512);
    cr_assert_eq(esk_gl_cache_size(&cache, 513), 513, "its class is past a binding");
    cache.most = 0;
    struct esk_gl_buffer many[51] = {0}, odd = {.bytes = 9040, .usage = USAGE};
    for (int i = 0; i < 51; i++) {
        many[i].bytes = esk_gl_buffer_round(8192);
        many[i].usage = USAGE;
        esk_gl_cache_give(&cache, &many[i]);
    }
    cr_assert_eq(cache.count, 50, "the class's cap");
    cr_assert_eq(esk_gl_cache_sweep(&cache), &many[50]);
    esk_gl_cache_give(&cache, &odd);
    cr_assert_eq(esk_gl_cache_sweep(&cache), &odd, "of no class's size: not kept");
    cr_assert_eq(esk_gl_cache_lease(&cache, 4097, USAGE), &many[49]);
    esk_gl_cache_give(&cache, &many[50]);
    cr_assert(cache.count == 50 && sweep(&cache) == 0, "there was room again");
    esk_gl_cache_empty(&cache);
    cr_assert(sweep(&cache) == 50 && cache.bytes == 0 && cache.count == 0);
    esk_gl_cache_give(&cache, &many[0]);
    cr_assert_eq(cache.count, 1);
}

/* A driver with memory for `budget` buffers. */
static int budget = 100, alive;
static GLenum pending = GL_NO_ERROR;

static void GL_APIENTRY gen(GLsizei n, GLuint *ids) {
    static GLuint next;
    (void)n;
    *ids = ++next;
    alive++;
}

static void GL_APIENTRY delete (GLsizei n, const GLuint *ids) {
    (void)n, (void)ids;
    alive--;
}

static void GL_APIENTRY bind(GLenum target, GLuint id) {
    (void)target, (void)id;
}

static void GL_APIENTRY data(GLenum target, GLsizeiptr size, const void *bytes,
                             GLenum usage) {
    (void)target, (void)size, (void)bytes, (void)usage;
    if (alive > budget)
        pending = GL_OUT_OF_MEMORY;
}

static unsigned char uploaded[4096];

static void GL_APIENTRY sub_data(GLenum target, GLintptr offset, GLsizeiptr size,
                                 const void *bytes) {
    (void)target;
    memcpy(uploaded + offset, bytes, (size_t)size);
}

static GLenum GL_APIENTRY get_error(void) {
    GLenum error = pending;
    pending = GL_NO_ERROR;
    return error;
}

static struct esk_gl gl = {.GenBuffers = gen,
                           .DeleteBuffers = delete,
                           .BindBuffer = bind,
                           .BufferData = data,
                           .BufferSubData = sub_data,
                           .GetError = get_error};
static struct esk_limits limits = {.max_slab = 1 << 20};

Test(buffer, out_of_memory) {
    struct esk_counters counters = {0};
    struct esk_gl_memory memory = {.gl = &gl, .limits = &limits, .counters = &counters};
    struct esk_gl_cache *cache = &memory.pools[ESK_GL_POOL_STORAGE];
    cache->mode = ESK_CACHE_SIMPLE;
    struct esk_gl_buffer *first, *second;
    esk_error error = ESK_ERROR_INIT;
    budget = 1;
    cr_assert_eq(esk_gl_buffer_create(&memory, 64, GL_STATIC_DRAW, "a", &first, NULL),
                 ESK_OK);
    cr_assert_eq(esk_gl_buffer_create(&memory, 64, GL_STATIC_DRAW, "b", &second, &error),
                 ESK_OUT_OF_MEMORY);
    cr_assert(strstr(esk_error_message(&error), "'b' of 80 bytes"), "%s",
              esk_error_message(&error));
    esk_error_clear(&error);
    esk_gl_cache_give(cache, first);
    cr_assert_eq(esk_gl_buffer_create(&memory, 200, GL_STATIC_DRAW, "b", &second, NULL),
                 ESK_OK, "what the cache held is given up");
    cr_assert(cache->count == 0 && counters.buffer_bytes == 272);
    esk_gl_buffer_destroy(&memory, second);
    cr_assert(counters.buffers_created == 2 && counters.buffers_destroyed == 2 && !alive);
}

Test(buffer, forms) {
    struct esk_counters counters = {0};
    struct esk_gl_memory memory = {.gl = &gl, .limits = &limits, .counters = &counters};
    struct esk_gl_weights weights = {.memory = &memory};
    struct esk_graph *graph = esk_graph_create("g");
    static float values[2][4] = {{1, 2, 3, 4}, {5, 6, 7, 8}};
    esk_id ids[2] = {esk_graph_add_var(graph, "a"), esk_graph_add_var(graph, "b")};
    for (int i = 0; i < 2; i++) {
        struct esk_var *var = graph->vars[ids[i]];
        var->dtype = ESK_FLOAT;
        var->rank = 1;
        var->dim[0] = 4;
        var->data = values[i];
        var->bytes = sizeof values[i];
    }
    struct esk_form form = {.name = "dense",
                            .pack = esk_pack_plain,
                            .n_src = 1,
                            .n_params = 2,
                            .src = {ids[0], ESK_NONE, ESK_NONE, ESK_NONE},
                            .params = {ESK_LAYOUT_DENSE, ESK_STORAGE_F32},
                            .bytes = 16,
                            .storage = ESK_STORAGE_F32,
                            .dtype = ESK_FLOAT};
    struct esk_gl_form *a, *again, *b;
    cr_assert_eq(esk_gl_form_ref(&weights, graph, &form, 512, &a, NULL), ESK_OK);
    cr_assert_eq(esk_gl_form_ref(&weights, graph, &form, 512, &again, NULL), ESK_OK);
    form.src[0] = ids[1];
    cr_assert_eq(esk_gl_form_ref(&weights, graph, &form, 256, &b, NULL), ESK_OK);
    cr_assert(a == again && a != b && a->refs == 2);
    cr_assert(a->buffer == b->buffer && a->offset == 0 && b->offset == 256);
    cr_assert_eq(esk_gl_weights_settle(&weights, 1, NULL), ESK_OK);
    cr_assert(memcmp(uploaded, values[0], 16) == 0);
    cr_assert(memcmp(uploaded + 256, values[1], 16) == 0);
    cr_assert(counters.uploads == 2 && weights.n_packs == 0);
    cr_assert(counters.forms == 2 && counters.form_bytes == 32 && alive == 1);
    form.bytes = 2 << 20;
    form.n_src = 1;
    struct esk_gl_form *large;
    cr_assert_eq(esk_gl_form_ref(&weights, graph, &form, 0, &large, NULL), ESK_OK);
    cr_assert(alive == 2 && large->offset == 0, "a form larger than a slab has its own");
    esk_gl_weights_forget(&weights);
    esk_gl_form_unref(&weights, large);
    cr_assert_eq(alive, 1);
    esk_gl_form_unref(&weights, a);
    esk_gl_form_unref(&weights, b);
    cr_assert_eq(alive, 1, "the slab is held");
    esk_gl_form_unref(&weights, again);
    cr_assert(alive == 0 && counters.forms == 0 && counters.form_bytes == 0);
    esk_graph_destroy(graph);
}

/* ---- packed by threads into mapped memory: a software renderer ---- */

enum { FORMS = 7, FORM_BYTES = 512 << 10 };
static unsigned char memory_of_gl[FORMS * (FORM_BYTES + 256)];
static bool refuse_to_map;

static void *GL_APIENTRY map_range(GLenum target, GLintptr offset, GLsizeiptr size,
                                   GLbitfield access) {
    (void)target, (void)access;
    cr_assert_leq((size_t)(offset + size), sizeof memory_of_gl);
    return refuse_to_map ? NULL : memory_of_gl + offset;
}

static GLboolean GL_APIENTRY unmap_buffer(GLenum target) {
    (void)target;
    return GL_TRUE;
}

/* Every other byte; the rest must have been zeroed. */
static void pack_half(void *dst, size_t bytes, const struct esk_tensor *const *src,
                      const int64_t *params) {
    unsigned char *to = dst;
    (void)src;
    for (size_t i = 0; i < bytes; i += 2)
        to[i] = (unsigned char)params[0];
}

Test(buffer, forms_are_packed_by_threads) {
    struct esk_gl software = gl;
    software.MapBufferRange = map_range;
    software.UnmapBuffer = unmap_buffer;
    struct esk_limits soft = {.max_slab = sizeof memory_of_gl, .software = true};
    struct esk_counters counters = {0};
    struct esk_gl_memory memory = {
        .gl = &software, .limits = &soft, .counters = &counters};
    struct esk_gl_weights weights = {.memory = &memory};
    struct esk_graph *graph = esk_graph_create("g");
    struct esk_form form = {
        .name = "half", .pack = pack_half, .n_params = 1, .bytes = FORM_BYTES};
    struct esk_gl_form *forms[FORMS];
    memset(memory_of_gl, 0xff, sizeof memory_of_gl);
    for (int i = 0; i < FORMS; i++) {
        form.params[0] = i + 1;
        cr_assert_eq(esk_gl_form_ref(&weights, graph, &form,
                                     (uint64_t)(FORMS - i) * FORM_BYTES, &forms[i], NULL),
                     ESK_OK);
    }
    cr_assert_eq(esk_gl_weights_settle(&weights, 4, NULL), ESK_OK);
    for (int i = 0; i < FORMS; i++)
        for (size_t b = 0; b < FORM_BYTES; b++)
            if (memory_of_gl[forms[i]->offset + b] != (b & 1 ? 0 : i + 1))
                cr_assert(false, "form %d, byte %zu", i, b);
    for (int i = 0; i < FORMS; i++)
        esk_gl_form_unref(&weights, forms[i]);
    cr_assert(!alive && !counters.forms);

    esk_error error = ESK_ERROR_INIT;
    refuse_to_map = true;
    cr_assert_eq(esk_gl_form_ref(&weights, graph, &form, 0, &forms[0], NULL), ESK_OK);
    cr_assert_eq(esk_gl_weights_settle(&weights, 4, &error), ESK_DEVICE_ERROR);
    esk_error_clear(&error);
    esk_gl_form_unref(&weights, forms[0]);
    esk_gl_weights_finish(&weights);
    cr_assert(!alive && !counters.forms && !weights.packs);
    esk_graph_destroy(graph);
}

/* ---- ir/storage_pack ---- */

static struct esk_tensor tensor(esk_dtype dtype, int rank, const int64_t *dims,
                                void *data) {
    struct esk_tensor t = {.dtype = dtype, .rank = rank, .data = data};
    memcpy(t.dim, dims, (size_t)rank * sizeof *dims);
    esk_dtype_bytes(dtype, esk_shape_product(dims, 0, rank), &t.bytes);
    return t;
}

Test(storage, round_trips) {
    static const esk_dtype types[] = {ESK_FLOAT, ESK_FLOAT16, ESK_INT8,  ESK_INT16,
                                      ESK_INT32, ESK_INT64,   ESK_UINT8, ESK_UINT16,
                                      ESK_BOOL,  ESK_UINT32,  ESK_UINT64};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        for (int64_t last = 6; last <= 7; last++) {
            _Alignas(16) unsigned char in[256] = {0}, device[256], out[256] = {0};
            const int64_t dims[] = {3, last};
            struct esk_tensor host = tensor(types[i], 2, dims, in);
            for (size_t b = 0; b < host.bytes; b++)
                in[b] = types[i] == ESK_BOOL ? b & 1 : (unsigned char)(b * 29 + 3);
            if (types[i] == ESK_FLOAT16)
                for (size_t b = 0; b < host.bytes; b++)
                    in[b] &=
                        0x3f; /* no NaN: the payload would not survive the widening */
            enum esk_storage storage =
                esk_storage_of(types[i], 2, dims, ESK_LAYOUT_DENSE);
            size_t bytes = esk_storage_bytes(storage, ESK_LAYOUT_DENSE, 2, dims);
            memset(device, 0xff, sizeof device);
            esk_storage_pack(device, bytes, storage, ESK_LAYOUT_DENSE, &host);
            cr_assert_eq(device[bytes], 0xff, "written past its end");
            struct esk_tensor back = host;
            back.data = out;
            esk_storage_unpack(device, storage, &back);
            cr_assert_eq(memcmp(in, out, sizeof in), 0, "%s", esk_dtype_name(types[i]));
        }
}

Test(storage, widening) {
    int8_t small[] = {-1, 127};
    uint8_t flags[] = {0, 7};
    uint16_t halves[] = {0x3c00, 0xc000, 0x3800};
    int64_t longs[] = {-2};
    int32_t ints[4];
    uint32_t words[4];
    float floats[4];
    struct esk_tensor t = tensor(ESK_INT8, 1, (const int64_t[]){2}, small);
    esk_storage_pack(ints, 16, ESK_STORAGE_I32, ESK_LAYOUT_DENSE, &t);
    cr_assert(ints[0] == -1 && ints[1] == 127 && ints[2] == 0 && ints[3] == 0);
    t = tensor(ESK_BOOL, 1, (const int64_t[]){2}, flags);
    esk_storage_pack(words, 16, ESK_STORAGE_U32, ESK_LAYOUT_DENSE, &t);
    cr_assert(words[0] == 0 && words[1] == 1, "a bool is 0 or 1");
    t = tensor(ESK_FLOAT16, 1, (const int64_t[]){3}, halves);
    esk_storage_pack(floats, 16, ESK_STORAGE_F32, ESK_LAYOUT_DENSE, &t);
    cr_assert(floats[0] == 1 && floats[1] == -2 && floats[2] == 0.5f);
    t = tensor(ESK_INT64, 1, (const int64_t[]){1}, longs);
    esk_storage_pack(words, 16, ESK_STORAGE_I64X2, ESK_LAYOUT_DENSE, &t);
    cr_assert(words[0] == 0xfffffffe && words[1] == 0xffffffff && !words[2] && !words[3]);
}

/* [1, 3, 2] in C4: two pixels of four channels, the last one zero. */
Test(storage, c4) {
    static const int64_t dims[] = {1, 3, 2};
    float values[] = {0, 1, 10, 11, 20, 21}, device[8];
    uint16_t halves[6], packed[8];
    static const float want[] = {0, 10, 20, 0, 1, 11, 21, 0};
    struct esk_tensor t = tensor(ESK_FLOAT, 3, dims, values);
    memset(device, 0xff, sizeof device);
    const struct esk_tensor *source = &t;
    esk_pack_plain(device, sizeof device, &source,
                   (const int64_t[]){ESK_LAYOUT_C4, ESK_STORAGE_F32});
    cr_assert_eq(memcmp(device, want, sizeof want), 0);
    for (int i = 0; i < 6; i++)
        halves[i] = esk_float_to_half(values[i]);
    t = tensor(ESK_FLOAT16, 3, dims, halves);
    memset(packed, 0xff, sizeof packed);
    esk_storage_pack(packed, sizeof packed, ESK_STORAGE_F16X2, ESK_LAYOUT_C4, &t);
    for (int i = 0; i < 8; i++)
        cr_assert_eq(esk_half_to_float(packed[i]), want[i], "%d", i);
}
