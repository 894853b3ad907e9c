/* glcompute/limits without a GPU: version strings, quirks, clamp, read path, print. */
#include <criterion/criterion.h>

#include "glcompute/limits.h"

#include <stdio.h>
#include <string.h>

static struct esk_gl_info parsed(const char *renderer, const char *version) {
    struct esk_gl_info info = {0};
    snprintf(info.renderer, sizeof info.renderer, "%s", renderer);
    snprintf(info.version, sizeof info.version, "%s", version);
    esk_gl_info_parse(&info);
    return info;
}

/* What llvmpipe of Mesa 22.3.6 says. */
static struct esk_limits driver_limits(void) {
    return (struct esk_limits){
        .max_invocations = 1024,
        .max_local = {1024, 1024, 1024},
        .max_groups = {65535, 65535, 65535},
        .max_shared = 32768,
        .max_ssbos = 16,
        .max_images = 32,
        .max_outputs = 280,
        .max_ubo = 65536,
        .ubo_align = 16,
        .ssbo_align = 16,
        .max_binding = 1u << 27,
        .max_texels = 1u << 27,
    };
}

static const char llvmpipe[] = "llvmpipe (LLVM 15.0.6, 256 bits)";

Test(limits, version_strings) {
    static const struct {
        const char *version, *driver;
        int major, minor;
        uint32_t parts[3];
    } rows[] = {
        {"OpenGL ES 3.2 Mesa 22.3.6", "Mesa", 3, 2, {22, 3, 6}},
        {"OpenGL ES 3.1 Mesa 24.3.0-devel (git-1234567890)", "Mesa", 3, 1, {24, 3, 0}},
        {"OpenGL ES 3.2 NVIDIA 535.183.01", "NVIDIA", 3, 2, {535, 183, 1}},
        {"OpenGL ES 3.2 v1.r32p1-01eac0.2a893c04ca00", "Mali", 3, 2, {32, 1, 0}},
        {"OpenGL ES 3.2 V@415.0 (GIT@78ae4a0, 1579234570)", "Adreno", 3, 2, {415, 0, 0}},
        {"OpenGL ES 3.2 build 1.13@5720354", "PowerVR", 3, 2, {1, 13, 0}},
        {"OpenGL ES 3.1.0 (ANGLE 2.1.22 git hash: 0123)", "ANGLE", 3, 1, {2, 1, 22}},
        {"OpenGL ES 3.0 SwiftShader 4.1.0.7", "SwiftShader", 3, 0, {4, 1, 0}},
        {"OpenGL ES 3.1 something", "", 3, 1, {0, 0, 0}},
        {"4.5 (Core Profile) Mesa 22.3.6", "Mesa", 0, 0, {22, 3, 6}},
        {"OpenGL ES 3.1 .r7", "", 3, 1, {0, 0, 0}},
        {"", "", 0, 0, {0, 0, 0}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct esk_gl_info info = parsed("x", rows[i].version);
        cr_assert_str_eq(info.driver, rows[i].driver, "%s", rows[i].version);
        cr_assert_eq(info.major, rows[i].major, "%s", rows[i].version);
        cr_assert_eq(info.minor, rows[i].minor, "%s", rows[i].version);
        cr_assert_arr_eq(info.driver_version, rows[i].parts, sizeof rows[i].parts, "%s",
                         rows[i].version);
    }
}

Test(limits, software) {
    static const struct {
        const char *renderer;
        bool software_device, software;
    } rows[] = {
        {llvmpipe, true, true},
        {llvmpipe, false, true},
        {"softpipe", true, true},
        {"ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device (LLVM 16)))", false, true},
        {"Software Rasterizer", false, true},
        {"D3D12 (Microsoft Basic Render Driver)", true, true},
        {"D3D12 (NVIDIA GeForce RTX 3080)", true, false},
        {"zink (llvmpipe (LLVM 15.0.6, 256 bits))", true, true},
        {"zink Vulkan 1.3(NVIDIA GeForce RTX 3080 (NVIDIA_PROPRIETARY))", true, false},
        {"virgl (LLVMPIPE (LLVM 15.0.6, 256 bits))", true, true},
        {"virgl (Mesa Intel(R) HD Graphics 520)", true, false},
        {"some renderer", true, true},
        {"some renderer", false, false},
        {"V3D 4.2", false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_assert_eq(esk_gl_is_software(rows[i].renderer, rows[i].software_device),
                     rows[i].software, "%s", rows[i].renderer);
}

Test(limits, vector_bits) {
    const char *mesa = "OpenGL ES 3.2 Mesa 22.3.6";
    cr_assert_eq(parsed(llvmpipe, mesa).vector_bits, 256);
    cr_assert_eq(parsed("llvmpipe (LLVM 15.0.6, 512 bits)", mesa).vector_bits, 512);
    cr_assert_eq(parsed("llvmpipe (LLVM 15.0.6, bits)", mesa).vector_bits, 0);
    cr_assert_eq(parsed("softpipe", mesa).vector_bits, 0);
    cr_assert_eq(parsed("V3D 4.2, 256 bits", mesa).vector_bits, 0);
}

Test(limits, quirks) {
    enum {
        OLD = ESK_QUIRK_READ_IMAGE | ESK_QUIRK_LOOP_LIMIT | ESK_QUIRK_SLOW_SHARED,
        POOL = ESK_QUIRK_THREAD_POOL | ESK_QUIRK_LATE_COMPILE,
        ADRENO = ESK_QUIRK_READ_IMAGE | ESK_QUIRK_FLUSH_EACH | ESK_QUIRK_POLL_FENCE,
    };
    static const struct {
        const char *renderer, *version;
        uint32_t quirks;
    } rows[] = {
        {llvmpipe, "OpenGL ES 3.2 Mesa 22.3.6", OLD | POOL},
        {llvmpipe, "OpenGL ES 3.2 Mesa 25.0.7", OLD | POOL},
        {llvmpipe, "OpenGL ES 3.2 Mesa 25.1.0", ESK_QUIRK_SLOW_SHARED | POOL},
        {llvmpipe, "OpenGL ES 3.2 Mesa 26.0.1", ESK_QUIRK_SLOW_SHARED | POOL},
        {"zink (llvmpipe (LLVM 15.0.6, 256 bits))", "OpenGL ES 3.2 Mesa 22.3.6", OLD},
        {"ANGLE (Mesa, Vulkan 1.3 (llvmpipe (LLVM 15)))",
         "OpenGL ES 3.1.0 (ANGLE 2.1.22 git hash: 0)",
         ESK_QUIRK_LOOP_LIMIT | ESK_QUIRK_SLOW_SHARED},
        {"softpipe", "OpenGL ES 3.1 Mesa 22.3.6",
         ESK_QUIRK_SLOW_DEVICE | ESK_QUIRK_SLOW_SHARED},
        {"Adreno (TM) 630", "OpenGL ES 3.2 V@415.0 (GIT@78ae4a0)", ADRENO},
        {"FD630", "OpenGL ES 3.1 Mesa 22.3.6", ESK_QUIRK_READ_IMAGE},
        {"Mali-G52", "OpenGL ES 3.2 v1.r32p1-01eac0",
         ESK_QUIRK_POLL_FENCE | ESK_QUIRK_SLOW_SHARED},
        {"Mali-G52 (Panfrost)", "OpenGL ES 3.1 Mesa 22.3.6", ESK_QUIRK_SLOW_SHARED},
        {"PowerVR Rogue GE8320", "OpenGL ES 3.2 build 1.13@5720354", ESK_QUIRK_PBUFFER},
        {"V3D 4.2", "OpenGL ES 3.1 Mesa 22.3.6", ESK_QUIRK_SLOW_SHARED},
        {"NVIDIA GeForce RTX 3080/PCIe/SSE2", "OpenGL ES 3.2 NVIDIA 535.183.01", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_assert_eq(parsed(rows[i].renderer, rows[i].version).quirks, rows[i].quirks,
                     "%s, %s", rows[i].renderer, rows[i].version);
}

Test(limits, pool_threads) {
    struct esk_gl_info lp = parsed(llvmpipe, "OpenGL ES 3.2 Mesa 22.3.6");
    struct esk_gl_info soft = parsed("softpipe", "OpenGL ES 3.1 Mesa 22.3.6");
    cr_assert_eq(esk_gl_pool_threads(&lp, NULL, 2), 2);
    cr_assert_eq(esk_gl_pool_threads(&lp, NULL, 1), 0);
    cr_assert_eq(esk_gl_pool_threads(&lp, NULL, 128), 32);
    cr_assert_eq(esk_gl_pool_threads(&lp, "0", 8), 0);
    cr_assert_eq(esk_gl_pool_threads(&lp, "3", 8), 3);
    cr_assert_eq(esk_gl_pool_threads(&lp, "-1", 8), 0);
    cr_assert_eq(esk_gl_pool_threads(&soft, NULL, 8), 0);
}

Test(limits, quirk_rows_say_why) {
    size_t count;
    const struct esk_gl_quirk_row *rows = esk_gl_quirk_rows(&count);
    for (size_t i = 0; i < count; i++) {
        cr_assert(rows[i].quirks && *rows[i].reason && *rows[i].source, "%s",
                  rows[i].name);
        for (size_t j = 0; j < i; j++)
            cr_assert_str_neq(rows[i].name, rows[j].name);
    }
}

Test(limits, read_path) {
    static const struct {
        const char *renderer, *version;
        uint64_t texels;
        enum esk_read_choice choice;
        bool clamp;
        esk_status status;
        enum esk_read_path path;
    } rows[] = {
        {llvmpipe, "OpenGL ES 3.2 Mesa 22.3.6", 1 << 27, 0, false, 0, ESK_READ_IMAGE},
        {llvmpipe, "OpenGL ES 3.2 Mesa 25.0.7", 1 << 27, 0, false, 0, ESK_READ_IMAGE},
        {llvmpipe, "OpenGL ES 3.2 Mesa 25.1.0", 1 << 27, 0, false, 0, ESK_READ_SSBO},
        {llvmpipe, "OpenGL ES 3.2 Mesa 22.3.6", 0, 0, false, 0, ESK_READ_SSBO},
        {llvmpipe, "OpenGL ES 3.2 Mesa 22.3.6", 1 << 27, 0, true, 0, ESK_READ_SSBO},
        {llvmpipe, "OpenGL ES 3.2 Mesa 22.3.6", 1 << 27, ESK_READ_CHOICE_IMAGE, true, 0,
         ESK_READ_IMAGE},
        {llvmpipe, "OpenGL ES 3.2 Mesa 22.3.6", 1 << 27, ESK_READ_CHOICE_SSBO, false, 0,
         ESK_READ_SSBO},
        {"V3D 4.2", "OpenGL ES 3.1 Mesa 22.3.6", 0, 0, false, 0, ESK_READ_SSBO},
        {"V3D 4.2", "OpenGL ES 3.1 Mesa 22.3.6", 0, ESK_READ_CHOICE_IMAGE, false,
         ESK_UNSUPPORTED, ESK_READ_SSBO},
        {"Mali-G52 (Panfrost)", "OpenGL ES 3.1 Mesa 22.3.6", 65536, 0, false, 0,
         ESK_READ_SSBO},
        {"Mali-G52 (Panfrost)", "OpenGL ES 3.1 Mesa 22.3.6", 65536, ESK_READ_CHOICE_IMAGE,
         false, 0, ESK_READ_IMAGE},
        {"Adreno (TM) 630", "OpenGL ES 3.2 V@415.0", 65536, 0, false, 0, ESK_READ_IMAGE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct esk_gl_info info = parsed(rows[i].renderer, rows[i].version);
        struct esk_limits limits = driver_limits();
        limits.max_texels = rows[i].texels;
        struct esk_limits_options options = {.read = rows[i].choice,
                                             .clamp_es31 = rows[i].clamp};
        esk_error error = ESK_ERROR_INIT;
        cr_assert_eq(esk_limits_settle(&info, &options, &limits, &error), rows[i].status,
                     "row %zu", i);
        if (rows[i].status)
            cr_assert(strstr(esk_error_message(&error), "V3D 4.2"));
        else
            cr_assert_eq(limits.read_path, rows[i].path, "row %zu", i);
        esk_error_clear(&error);
    }
}

Test(limits, settle_llvmpipe) {
    struct esk_gl_info info = parsed(llvmpipe, "OpenGL ES 3.2 Mesa 22.3.6");
    struct esk_limits limits = driver_limits();
    cr_assert_eq(esk_limits_settle(&info, NULL, &limits, NULL), ESK_OK);
    cr_assert(limits.software && limits.slow_shared && !limits.clamped);
    cr_assert_eq(limits.lanes, 8);
    cr_assert_eq(limits.group_1d, 64);
    cr_assert_eq(limits.max_slab, 1u << 27);
    cr_assert_gt(limits.max_iterations, 32768);
    cr_assert_lt(limits.max_iterations, 65535);
}

Test(limits, clamp_to_minima) {
    struct esk_gl_info info = parsed("V3D 7.1", "OpenGL ES 3.1 Mesa 24.3.0");
    struct esk_limits limits = driver_limits();
    limits.max_binding = (uint64_t)1 << 31;
    struct esk_limits_options options = {.clamp_es31 = true};
    cr_assert_eq(esk_limits_settle(&info, &options, &limits, NULL), ESK_OK);
    struct esk_text text = {0};
    esk_limits_print(NULL, &limits, &text);
    cr_assert_str_eq(esk_text_str(&text), "software: no\n"
                                          "clamped: yes\n"
                                          "read path: ssbo\n"
                                          "max invocations: 128\n"
                                          "max local size: 128 128 64\n"
                                          "max groups: 65535 65535 65535\n"
                                          "max shared: 16384\n"
                                          "max ssbos: 4\n"
                                          "max images: 4\n"
                                          "max outputs: 4\n"
                                          "max ubo: 16384\n"
                                          "ubo align: 256\n"
                                          "ssbo align: 256\n"
                                          "max binding: 128 MiB\n"
                                          "max texels: 0\n"
                                          "max slab: 128 MiB\n"
                                          "max iterations: unlimited\n"
                                          "lanes: 32\n"
                                          "group 1d: 64\n"
                                          "slow shared: yes\n"
                                          "layout: NHWC\n");
    esk_text_finish(&text);
}

Test(limits, slab_bounds) {
    struct esk_gl_info info = parsed("x", "OpenGL ES 3.1");
    struct esk_limits limits = driver_limits();
    limits.max_binding = (uint64_t)1 << 40;
    limits.max_texels = 65536;
    struct esk_limits copy = limits;
    cr_assert_eq(esk_limits_settle(&info, NULL, &copy, NULL), ESK_OK);
    cr_assert_eq(copy.max_slab, 1u << 30);
    copy = limits;
    struct esk_limits_options options = {.read = ESK_READ_CHOICE_IMAGE};
    cr_assert_eq(esk_limits_settle(&info, &options, &copy, NULL), ESK_OK);
    cr_assert_eq(copy.max_slab, 65536 * 16);
    copy = limits;
    options = (struct esk_limits_options){.max_binding = 1 << 20};
    cr_assert_eq(esk_limits_settle(&info, &options, &copy, NULL), ESK_OK);
    cr_assert_eq(copy.max_binding, 1 << 20);
    cr_assert_eq(copy.max_slab, 1 << 20);
}
