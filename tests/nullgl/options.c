/* Options that only a driver can see: which device, which context, when it is flushed,
 * what lies in buffers. In: small models on the null driver; out: what it was asked for.
 */
#include "driver.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const char two_ops[] = "MatMul(float[4,8], float[8,8]!) | Softmax()";

/* ---- which device ---- */

/* The firmware's word on GPUs: a tree instead of /sys/class/drm. */
static char boot_folder[] = "/tmp/esker-boot-XXXXXX";

FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);

/* The linker puts this in the place of fopen, in the library too. */
FILE *__wrap_fopen(const char *path, const char *mode) {
    int node;
    char own[64];

    if (sscanf(path, "/sys/class/drm/renderD%d/device/boot_vga", &node) != 1)
        return __real_fopen(path, mode);
    snprintf(own, sizeof(own), "%s/%d", boot_folder, node);
    return __real_fopen(own, mode);
}

static bool say_boot(struct scene *s, int node, int boot) {
    char path[64];
    FILE *file;

    if (strstr(boot_folder, "XXXXXX")) /* a name made of it may hold an X too */
        CHECK(s, mkdtemp(boot_folder), "no folder");
    snprintf(path, sizeof(path), "%s/%d", boot_folder, node);
    file = fopen(path, "w");
    CHECK(s, file, "no %s", path);
    fprintf(file, "%d\n", boot);
    fclose(file);
    return true;
}

static void drop_boot(void) {
    for (int node = 128; node < 131; node++) {
        char path[64];

        snprintf(path, sizeof(path), "%s/%d", boot_folder, node);
        unlink(path);
    }
    rmdir(boot_folder);
}

/* Software before hardware, a broken one and two that differ by their nodes alone. */
static const struct nullgl_devices machine = {
    .items = {{.renderer = "some software rasterizer", .software = 1},
              {.renderer = "a card", .node = "/dev/dri/renderD128"},
              {.renderer = "a broken card", .node = "/dev/dri/renderD130", .broken = 1},
              {.renderer = "a card", .node = "/dev/dri/renderD129"}},
    .count = 4,
};

/* Opens a session with the settings and runs it: which device computed. */
static bool where_it_runs(struct scene *s, struct op_case *made, const char *settings,
                          int *device) {
    struct nullgl_seen seen;
    esk_env *env;
    esk_session *session;
    esk_value *y;

    MUST(scene_env(s, &env));
    MUST(scene_session(s, env, made->model, "GLCompute", settings, &session));
    driver.see(&seen);
    MUST(scene_run(s, session, &y, 1, made->inputs.values[0]));
    driver.see(&seen);
    *device = -1;
    for (int i = 0; i < NULLGL_DEVICES; i++)
        if (seen.dispatches[i]) {
            CHECK(s, *device < 0, "%s: devices %d and %d compute", settings, *device, i);
            *device = i;
        }
    return true;
}

bool device_ids_count_hardware_first(struct scene *s) {
    static const struct {
        const char *settings;
        int device;
    } rows[] = {{"strict=1", 1},
                {"deviceId=0", 1},
                {"deviceId=1", 3},
                {"deviceId=2", 0},
                {"allowSoftware=0,deviceId=1", 3}};
    struct op_case *made;
    esk_device_list *list;
    esk_session_options *options;
    esk_session *session;
    esk_env *env;
    const char *failed;
    size_t hardware = 0, broken = 0;

    MUST(driver_find(s));
    driver.list(&machine);
    MUST(scene_case(s, two_ops, &made));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int device;

        MUST(where_it_runs(s, made, rows[i].settings, &device));
        CHECK(s, device == rows[i].device, "%s: device %d computes, not %d",
              rows[i].settings, device, rows[i].device);
    }
    MUST(scene_env(s, &env));
    MUST(scene_options(s, "GLCompute", NULL, &options));
    GIVES(s, esk_session_options_set(options, "deviceId", "3", error), ESK_OK, "");
    GIVES(s, esk_session_create_from_model(env, made->model, options, &session, error),
          ESK_NO_DEVICE, "device 3: there are 3 usable");
    GIVES(s, esk_session_options_set(options, "deviceId", "2", error), ESK_OK, "");
    GIVES(s, esk_session_options_set(options, "allowSoftware", "0", error), ESK_OK, "");
    GIVES(s, esk_session_create_from_model(env, made->model, options, &session, error),
          ESK_NO_DEVICE, "software is not allowed");
    /* the same numbers in the list that people see */
    GIVES(s, esk_device_list_create(env, &list, &failed, error), ESK_OK, "");
    MUST(scene_keep(s, list, (void (*)(void *))esk_device_list_destroy));
    for (size_t i = 0; i < esk_device_list_count(list); i++) {
        const esk_device_info *info = esk_device_list_get(list, i);

        if (!strcmp(info->provider, "CPU"))
            continue;
        if (!info->unusable && !info->software) {
            CHECK(s,
                  info->device_id == (strstr(info->node, "129") ? 1 : 0) &&
                      info->limits[0],
                  "device %d is %s", info->device_id, info->node);
            hardware++;
        }
        CHECK(s, !info->unusable || info->device_id == -1,
              "one that cannot be used is %d", info->device_id);
        CHECK(s, !info->software || info->unusable || info->device_id == 2,
              "the software renderer is device %d", info->device_id);
        if (strstr(info->node, "130")) {
            CHECK(s, info->unusable && strstr(info->unusable, "EGL_NOT_INITIALIZED"),
                  "why the broken one is not used: '%s'",
                  info->unusable ? info->unusable : "");
            broken++;
        }
    }
    CHECK(s, hardware == 2 && broken == 1, "%zu cards, %zu broken", hardware, broken);
    CHECK(s, strstr(failed, "\ndevice:2: eglInitialize failed: EGL_NOT_INITIALIZED"),
          "what failed is told as '%s'", failed);
    return true;
}

bool power_preference_counts_one_first(struct scene *s) {
    static const struct {
        int boot; /* the node of the GPU that the firmware uses; 0: it does not say */
        const char *settings;
        int device;
    } rows[] = {
        {129, "", 1},
        {129, "powerPreference=low-power", 3},
        {129, "powerPreference=low-power,deviceId=1", 1},
        {129, "powerPreference=low-power,deviceId=2", 0}, /* software stays behind */
        {129, "powerPreference=high-performance", 1},
        {128, "powerPreference=low-power", 1},
        {0, "powerPreference=low-power", 1},
    };
    struct op_case *made;
    bool good = true;

    MUST(driver_find(s));
    driver.list(&machine);
    MUST(scene_case(s, two_ops, &made));
    for (size_t i = 0; good && i < sizeof(rows) / sizeof(rows[0]); i++) {
        int device = -1;

        for (int node = 128; good && node < 130; node++)
            good = rows[i].boot ? say_boot(s, node, node == rows[i].boot) : true;
        if (!rows[i].boot)
            drop_boot();
        good = good && where_it_runs(s, made, rows[i].settings, &device);
        if (good && device != rows[i].device)
            good = fault_set(s->fault, "row %zu, '%s': device %d computes, not %d", i,
                             rows[i].settings, device, rows[i].device);
    }
    drop_boot();
    return good;
}

/* Two in one env: each computes on its own device, and keeps its own options. */
bool sessions_of_other_devices(struct scene *s) {
    struct op_case *made;
    esk_env *env;
    esk_session *sessions[2];
    esk_session_stats before, after;
    esk_value *y, *there;
    struct nullgl_seen seen;

    MUST(driver_find(s));
    driver.list(&machine);
    MUST(scene_env(s, &env));
    MUST(scene_case(s, two_ops, &made));
    MUST(scene_session(s, env, made->model, "GLCompute", "deviceId=0", &sessions[0]));
    MUST(scene_session(s, env, made->model, "GLCompute",
                       "deviceId=1,maxNumPendingDispatches=1", &sessions[1]));
    for (int i = 0; i < 2; i++) {
        driver.see(&seen);
        MUST(scene_run(s, sessions[i], &y, 1, made->inputs.values[0]));
        driver.see(&seen);
        CHECK(s, seen.dispatches[i ? 3 : 1] && !seen.dispatches[i ? 1 : 3],
              "session %d runs on the other's device", i);
        CHECK(s, (seen.flushes >= 2) == (i == 1), "session %d: %ld flushes", i,
              seen.flushes);
    }
    /* a value of the one device goes to the other's over the host */
    GIVES(s,
          esk_value_create_on_device(sessions[0], ESK_FLOAT, 2,
                                     esk_value_dims(made->inputs.values[0]), &there,
                                     error),
          ESK_OK, "");
    MUST(scene_keep(s, there, (void (*)(void *))esk_value_destroy));
    GIVES(s, esk_value_copy(made->inputs.values[0], there, error), ESK_OK, "");
    MUST(scene_stats(s, sessions[0], &before));
    GIVES(s, driver_run(sessions[1], made, there, -1, error), ESK_OK, "");
    MUST(scene_stats(s, sessions[0], &after));
    CHECK(s, after.readbacks == before.readbacks + 1, "%llu readbacks",
          (unsigned long long)(after.readbacks - before.readbacks));
    return true;
}

bool software_can_be_refused(struct scene *s) {
    static const struct nullgl_devices soft = {
        .items = {{.renderer = "llvmpipe (LLVM 15.0.6, 256 bits)", .software = 1}},
        .count = 1};
    struct op_case *made;
    esk_session_options *options;
    esk_session *session;
    struct lines lines = {0};
    esk_env *env;

    MUST(driver_find(s));
    driver.list(&soft);
    MUST(driver_logging_env(s, &lines, &env));
    MUST(scene_case(s, two_ops, &made));
    MUST(scene_session(s, env, made->model, "GLCompute", NULL, &session));
    CHECK(s, strstr(lines.text, "is a software renderer"), "no warning in: %s",
          lines.text);
    MUST(scene_env(s, &env));
    MUST(scene_options(s, "GLCompute", NULL, &options));
    GIVES(s, esk_session_options_set(options, "allowSoftware", "0", error), ESK_OK, "");
    GIVES(s, esk_session_create_from_model(env, made->model, options, &session, error),
          ESK_NO_DEVICE, "software is not allowed");
    return true;
}

/* ---- without a device ---- */

static esk_status create(struct scene *s, esk_env *env, struct op_case *made,
                         const char *const *providers, const char *strict,
                         esk_session **session, esk_error *error) {
    esk_session_options *options;
    esk_status status = esk_session_options_create(&options, error);

    (void)s;
    *session = NULL;
    for (; status == ESK_OK && *providers; providers++)
        status = esk_session_options_append_provider(options, *providers, NULL, NULL, 0,
                                                     error);
    if (status == ESK_OK)
        status = esk_session_options_set(options, "strict", strict, error);
    if (status == ESK_OK)
        status = esk_session_create_from_model(env, made->model, options, session, error);
    esk_session_options_destroy(options);
    return status;
}

bool no_device_falls_back_to_the_cpu(struct scene *s) {
    static const struct {
        const char *providers[3], *strict;
        bool works, warns;
    } rows[] = {
        {{NULL, NULL, NULL}, "0", true, true},
        {{"GLCompute", "CPU", NULL}, "0", true, true},
        {{"CPU", NULL, NULL}, "0", true, false},
        {{"CPU", "GLCompute", NULL},
         "1",
         true,
         false}, /* what stands behind CPU gets nothing */
        {{"GLCompute", NULL, NULL}, "0", false, false},
        {{NULL, NULL, NULL}, "1", false, false},
        {{"GLCompute", "CPU", NULL}, "1", false, false},
    };
    struct op_case *made;
    esk_value *expected = NULL, *y;

    MUST(driver_find(s));
    driver.set(&(struct nullgl_faults){.no_display = 1});
    MUST(scene_case(s, two_ops, &made));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct lines lines = {0};
        esk_session *session;
        esk_env *env;
        const char *said;

        MUST(driver_logging_env(s, &lines, &env));
        if (!rows[i].works) {
            GIVES(
                s,
                create(s, env, made, rows[i].providers, rows[i].strict, &session, error),
                ESK_NO_DEVICE, "EGL_NOT_INITIALIZED");
            continue;
        }
        GIVES(s, create(s, env, made, rows[i].providers, rows[i].strict, &session, error),
              ESK_OK, "");
        MUST(scene_keep(s, session, (void (*)(void *))esk_session_destroy));
        MUST(scene_run(s, session, &y, 1, made->inputs.values[0]));
        if (expected)
            MUST(scene_same_bytes(s, "on the CPU", y, expected));
        expected = y;
        said = strstr(lines.text, "GLCompute has no device");
        CHECK(s, !said == !rows[i].warns, "row %zu: logged: %s", i, lines.text);
        if (said)
            CHECK(s,
                  said[-2] == '0' + ESK_LOG_WARNING &&
                      strstr(said, "EGL_NOT_INITIALIZED") &&
                      !strstr(said + 1, "GLCompute has no device"),
                  "row %zu: logged: %s", i, lines.text);
    }
    /* the driver comes back: so does the device */
    driver.set(&(struct nullgl_faults){0});
    int device;
    MUST(where_it_runs(s, made, "strict=1", &device));
    CHECK(s, device == 0, "no device after the driver came back");
    return true;
}

/* ---- which context ---- */

bool robust_contexts_where_asked(struct scene *s) {
    static const struct {
        const char *settings;
        int robust, refused, debug;
    } rows[] = {
        {"enableRobustness=0", 0, 0, 0},    {"", 0, 0, 0},
        {"enableRobustness=1", 1, 0, 0},    {"enableRobustness=1", 1, 1, 0},
        {"validationMode=full", 1, 0, 1},   {"validationMode=full", 1, 1, 1},
        {"validationMode=basic", 0, 0, 0},  {"validationMode=wgpuOnly", 0, 0, 0},
        {"validationMode=glOnly", 0, 0, 0}, {"validationMode=disabled", 0, 0, 0},
    };
    struct op_case *made;

    MUST(driver_find(s));
    MUST(scene_case(s, two_ops, &made));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct nullgl_seen seen;
        struct lines lines = {0};
        esk_session *session;
        esk_env *env;
        int got = rows[i].robust && !rows[i].refused;

        driver.set(&(struct nullgl_faults){.no_robust = rows[i].refused});
        MUST(driver_logging_env(s, &lines, &env));
        driver.see(&seen);
        MUST(scene_session(s, env, made->model, "GLCompute", rows[i].settings, &session));
        driver.see(&seen);
        CHECK(s,
              seen.context.robust == got && seen.context.lose_on_reset == got &&
                  seen.context.debug == rows[i].debug,
              "row %zu, '%s': robust %d, lost on reset %d, debug %d", i, rows[i].settings,
              seen.context.robust, seen.context.lose_on_reset, seen.context.debug);
        CHECK(s, !strstr(lines.text, "no robust context") == !rows[i].refused,
              "row %zu, '%s': logged: %s", i, rows[i].settings, lines.text);
        GIVES(s, driver_run(session, made, made->inputs.values[0], -1, error), ESK_OK,
              "");
    }
    return true;
}

bool full_validation_talks_to_the_driver(struct scene *s) {
    static const char *const modes[] = {"disabled", "glOnly", "wgpuOnly", "basic",
                                        "full"};
    struct op_case *made;

    MUST(driver_find(s));
    MUST(scene_case(s, two_ops, &made));
    for (int m = 0; m < 5; m++) {
        char settings[64];
        struct nullgl_seen opened, ran;
        esk_session *session;
        esk_env *env;
        bool full = m == 4;

        snprintf(settings, sizeof(settings), "strict=1,validationMode=%s", modes[m]);
        MUST(scene_env(s, &env));
        driver.see(&opened);
        MUST(scene_session(s, env, made->model, "GLCompute", settings, &session));
        driver.see(&opened);
        GIVES(s, driver_run(session, made, made->inputs.values[0], -1, error), ESK_OK,
              "");
        driver.see(&ran);
        CHECK(s, opened.listens == full, "%s: %d listens to messages", settings,
              opened.listens);
        CHECK(s, (ran.groups == ran.dispatches[0]) == full && (ran.groups > 0) == full,
              "%s: %ld groups for %ld dispatches", settings, ran.groups,
              ran.dispatches[0]);
        /* programs when they are made, buffers when a run needs them */
        CHECK(s, (opened.program_labels == 2) == full && (ran.buffer_labels > 1) == full,
              "%s: %ld labels of programs, %ld of buffers", settings,
              opened.program_labels, ran.buffer_labels);
    }
    return true;
}

/* An error of the driver is never a result; full names the call. */
bool gl_errors_of_a_run_are_seen(struct scene *s) {
    static const char *const modes[] = {"disabled", "glOnly", "wgpuOnly", "basic",
                                        "full"};
    struct op_case *made;

    MUST(driver_find(s));
    MUST(scene_case(s, two_ops, &made));
    for (int m = 0; m < 5; m++) {
        char settings[64], text[300];
        esk_session *session;
        esk_env *env;
        esk_error why = ESK_ERROR_INIT;

        snprintf(settings, sizeof(settings), "strict=1,validationMode=%s", modes[m]);
        driver.set(&(struct nullgl_faults){0});
        MUST(scene_env(s, &env));
        MUST(scene_session(s, env, made->model, "GLCompute", settings, &session));
        driver.set(&(struct nullgl_faults){.bad_dispatch = 1});
        esk_status status = driver_run(session, made, made->inputs.values[0], -1, &why);
        snprintf(text, sizeof(text), "%s", esk_error_message(&why));
        esk_error_clear(&why);
        CHECK(s, status == ESK_DEVICE_ERROR && strstr(text, "GL_INVALID_OPERATION"),
              "%s: %s: %s", settings, esk_status_name(status), text);
        CHECK(s, !strstr(text, "glDispatchCompute") == (m != 4), "%s: %s", settings,
              text);
        driver.set(&(struct nullgl_faults){0});
        GIVES(s, driver_run(session, made, made->inputs.values[0], -1, error), ESK_OK,
              "");
    }
    return true;
}

/* ---- runs ---- */

bool flushes_between_dispatches(struct scene *s) {
    static const struct {
        const char *settings;
        long flushes;
    } rows[] = {{"maxNumPendingDispatches=1", 9},  {"maxNumPendingDispatches=2", 4},
                {"maxNumPendingDispatches=3", 3},  {"maxNumPendingDispatches=9", 1},
                {"maxNumPendingDispatches=10", 0}, {"", 0}};
    struct op_case *made;

    MUST(driver_find(s));
    MUST(scene_case(
        s,
        "Softmax(float[4,8]) | Softmax() axis=0 | Softmax() | Softmax() axis=0 | "
        "Softmax() | Softmax() axis=0 | Softmax() | Softmax() axis=0 | Softmax()",
        &made));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct nullgl_seen seen;
        esk_session *session;
        esk_env *env;

        MUST(scene_env(s, &env));
        MUST(scene_session(s, env, made->model, "GLCompute", rows[i].settings, &session));
        driver.see(&seen);
        GIVES(s, driver_run(session, made, made->inputs.values[0], -1, error), ESK_OK,
              "");
        driver.see(&seen);
        CHECK(s, seen.dispatches[0] == 9, "%ld dispatches", seen.dispatches[0]);
        CHECK(s, seen.flushes == rows[i].flushes, "'%s': %ld flushes of 9 dispatches",
              rows[i].settings, seen.flushes);
    }
    return true;
}

/* The driver computes nothing, so a run's buffers hold at its end what they held when it
 * began: NaN, in what the run writes first and in what was used before. */
bool poison_is_in_every_buffer(struct scene *s) {
    enum { EVEN = 0x7fc00000, OTHERS = 0x42424242 };
    static const uint32_t odd = 0xffffffff;
    static const int64_t dims[] = {4, 8};
    struct op_case *made;

    MUST(driver_find(s));
    MUST(scene_case(s, two_ops, &made));
    for (int p = 0; p < 2; p++) {
        const char *settings = p ? "strict=1,poison=1" : "strict=1,poison=0";
        esk_session *session;
        esk_env *env;
        esk_value *there, *y;
        esk_binding *binding;

        MUST(scene_env(s, &env));
        MUST(scene_session(s, env, made->model, "GLCompute", settings, &session));
        for (int run = 0; run < 3; run++) {
            const uint32_t *words;
            long poisoned;

            MUST(scene_run(s, session, &y, 1, made->inputs.values[0]));
            words = esk_value_const_data(y);
            poisoned = driver.find(EVEN, odd);
            /* the slab between the two, and the output */
            CHECK(s, poisoned == (p ? 2 : 0), "%s, run %d: %ld buffers are full of NaN",
                  settings, run, poisoned);
            for (int i = 0; i < 32; i++)
                CHECK(s,
                      words[i] == (p     ? (i & 1 ? odd : EVEN)
                                   : run ? OTHERS
                                         : 0),
                      "%s, run %d: word %d of the output is %08x", settings, run, i,
                      words[i]);
            driver.fill(OTHERS & 0xff); /* what others leave */
        }
        /* values that live on the device */
        GIVES(s, esk_value_create_on_device(session, ESK_FLOAT, 2, dims, &there, error),
              ESK_OK, "");
        MUST(scene_keep(s, there, (void (*)(void *))esk_value_destroy));
        GIVES(s, esk_value_copy(there, y, error), ESK_OK, "");
        CHECK(s, !((const uint32_t *)esk_value_const_data(y))[0],
              "%s: a value that nobody wrote is %08x", settings,
              ((const uint32_t *)esk_value_const_data(y))[0]);
        GIVES(s, esk_binding_create(session, &binding, error), ESK_OK, "");
        MUST(scene_keep(s, binding, (void (*)(void *))esk_binding_destroy));
        GIVES(s,
              esk_binding_input(binding, made->inputs.names[0], made->inputs.values[0],
                                error),
              ESK_OK, "");
        GIVES(s,
              esk_binding_output(binding, esk_session_output(session, 0)->name, there,
                                 error),
              ESK_OK, "");
        GIVES(s,
              esk_session_run_binding(session, esk_run_options(.gpu_graph_id = -1),
                                      binding, error),
              ESK_OK, "");
        GIVES(s, esk_value_copy(there, y, error), ESK_OK, "");
        CHECK(s, (((const uint32_t *)esk_value_const_data(y))[0] == EVEN) == (p > 0),
              "%s: a value on the device is %08x", settings,
              ((const uint32_t *)esk_value_const_data(y))[0]);
    }
    return true;
}

/* ---- devices of an env ---- */

bool a_preserved_device_stays(struct scene *s) {
    static const struct {
        const char *first, *second; /* sessions, one after the other, or at a time */
        bool together, stays;
    } rows[] = {
        {"preserveDevice=0", NULL, false, false},
        {"preserveDevice=1", NULL, false, true},
        {"preserveDevice=0", "preserveDevice=1", true, true},
        {"preserveDevice=1", "preserveDevice=0", true, true},
        {"preserveDevice=0", "preserveDevice=0", true, false},
    };
    struct op_case *made;

    MUST(driver_find(s));
    MUST(scene_case(s, two_ops, &made));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct scene own = {.fault = s->fault}, inner = {.fault = s->fault};
        struct nullgl_live during, after, last;
        esk_session *session;
        esk_env *env;
        bool good =
            scene_env(&own, &env) &&
            scene_session(&inner, env, made->model, "GLCompute", rows[i].first,
                          &session) &&
            (!rows[i].second || scene_session(&inner, env, made->model, "GLCompute",
                                              rows[i].second, &session));

        driver.count(&during);
        scene_finish(&inner);
        driver.count(&after);
        /* the next session finds it, or opens it */
        good = good && scene_session(&inner, env, made->model, "GLCompute", "", &session);
        scene_finish(&inner);
        scene_finish(&own);
        driver.count(&last);
        MUST(good);
        CHECK(s,
              during.contexts && (after.contexts > 0) == rows[i].stays && !last.contexts,
              "row %zu: %ld contexts, %ld after the sessions, %ld after the env", i,
              during.contexts, after.contexts, last.contexts);
    }
    return true;
}

/* Each option of the device's: a second session that asks for another value is refused,
 * by name; one that does not care about sessions' own options is not. */
bool device_wide_options_must_agree(struct scene *s) {
    struct op_case *made;
    const esk_option_info *row;
    int device = 0, session = 0;

    MUST(driver_find(s));
    MUST(scene_case(s, two_ops, &made));
    for (size_t i = 0; (row = esk_option_at(i)); i++) {
        const char *other =
            !strcmp(row->type, "bool")   ? (*row->fallback == '0' ? "1" : "0")
            : !strcmp(row->type, "int")  ? (strcmp(row->key, "deviceId") ? "7" : NULL)
            : !strcmp(row->type, "enum") ? NULL
                                         : "/tmp/esker-none";
        char value[32], text[300];
        esk_session_options *options;
        esk_session *kept, *second = NULL;
        esk_env *env;
        esk_error why = ESK_ERROR_INIT;
        bool wide = !strcmp(row->scope, "device") && strcmp(row->key, "preserveDevice");

        if (!strcmp(row->type, "enum")) /* the first value, or the second */
            for (const char *at = row->values; !other; at += strcspn(at, "|") + 1) {
                snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, "|"), at);
                other = strcmp(value, row->fallback) ? value : NULL;
            }
        if (!other || !strncmp(row->key, "egl", 3) ||
            !strcmp(row->key, "enableProfiling") ||
            !strcmp(row->key, "disabledOptimizers") || !strcmp(row->key, "tuningFile") ||
            (scene_device_settings && strstr(scene_device_settings, row->key)))
            continue; /* a device of its own; a file; names and files that must be there;
                         what this test itself runs with */
        MUST(scene_env(s, &env));
        MUST(scene_session(s, env, made->model, "GLCompute", NULL, &kept));
        MUST(scene_options(s, "GLCompute", NULL, &options));
        GIVES(s, esk_session_options_set(options, row->key, other, error), ESK_OK, "");
        esk_status status =
            esk_session_create_from_model(env, made->model, options, &second, &why);
        snprintf(text, sizeof(text), "%s", esk_error_message(&why));
        esk_error_clear(&why);
        esk_session_destroy(second);
        CHECK(s,
              wide ? status == ESK_INVALID_ARGUMENT && strstr(text, row->key)
                   : status == ESK_OK,
              "%s=%s beside %s: %s: %s", row->key, other, row->fallback,
              esk_status_name(status), text);
        device += wide;
        session += !wide;
    }
    CHECK(s, device >= 16 && session >= 10, "%d options of devices, %d others", device,
          session);
    return true;
}

/* The caller's own: the number of the device is then a name, as in the WebGPU provider.
 */
bool a_callers_display_and_context(struct scene *s) {
    static const struct nullgl_devices two = {
        .items = {{.renderer = "one"}, {.renderer = "another"}}, .count = 2};
    struct op_case *made;
    struct nullgl_seen seen;
    esk_session_options *options;
    esk_session *sessions[2], *none;
    esk_env *env;
    esk_value *y;
    char displays[2][32], settings[96];
    int device;

    MUST(driver_find(s));
    driver.list(&two);
    MUST(scene_case(s, two_ops, &made));
    for (int i = 0; i < 2; i++)
        snprintf(displays[i], sizeof(displays[i]), "%llu",
                 (unsigned long long)(uintptr_t)driver.display(i));
    for (int id = 0; id < 2; id++) {
        snprintf(settings, sizeof(settings), "deviceId=%d,eglDisplay=%s", id,
                 displays[1]);
        MUST(where_it_runs(s, made, settings, &device));
        CHECK(s, device == 1, "%s: device %d computes", settings, device);
    }
    /* two of them in one env */
    MUST(scene_env(s, &env));
    for (int i = 0; i < 2; i++) {
        snprintf(settings, sizeof(settings), "deviceId=%d,eglDisplay=%s,eglContext=%d", i,
                 displays[i], 4711 + i);
        MUST(scene_session(s, env, made->model, "GLCompute", settings, &sessions[i]));
        driver.see(&seen);
        CHECK(s, seen.context.share == (void *)(uintptr_t)(4711 + i), "it shares with %p",
              seen.context.share);
    }
    for (int i = 0; i < 2; i++) {
        driver.see(&seen);
        MUST(scene_run(s, sessions[i], &y, 1, made->inputs.values[0]));
        driver.see(&seen);
        CHECK(s, seen.dispatches[i] && !seen.dispatches[1 - i],
              "session %d: other display", i);
    }
    MUST(scene_options(s, "GLCompute", NULL, &options));
    GIVES(s, esk_session_options_set(options, "eglDisplay", displays[1], error), ESK_OK,
          "");
    GIVES(s, esk_session_create_from_model(env, made->model, options, &none, error),
          ESK_INVALID_ARGUMENT, "another 'eglDisplay'");
    GIVES(s, esk_session_options_set(options, "eglDisplay", displays[0], error), ESK_OK,
          "");
    GIVES(s, esk_session_create_from_model(env, made->model, options, &none, error),
          ESK_INVALID_ARGUMENT, "another 'eglContext'");
    GIVES(s, esk_session_options_set(options, "eglContext", "4711", error), ESK_OK, "");
    GIVES(s, esk_session_options_set(options, "eglDisplay", "0", error), ESK_OK, "");
    GIVES(s, esk_session_create_from_model(env, made->model, options, &none, error),
          ESK_INVALID_ARGUMENT, "'eglContext' is given without 'eglDisplay'");
    driver.see(&seen);
    CHECK(s, !seen.terminated, "the caller's display was terminated");
    return true;
}

/* ---- the caller's thread ---- */

/* EGL of a caller that has a context of its own. */
struct caller {
    void *(*get_display)(void *);
    unsigned (*bind_api)(unsigned);
    unsigned (*query_api)(void);
    unsigned (*make_current)(void *, void *, void *, void *);
    void *(*context)(void);
    void *(*display)(void);
    void *(*surface)(int);
};

static bool load_caller(struct scene *s, struct caller *c) {
    void *egl = dlopen("libEGL.so.1", RTLD_NOW);
    const struct {
        void *to;
        const char *name;
    } rows[] = {
        {&c->get_display, "eglGetDisplay"},    {&c->bind_api, "eglBindAPI"},
        {&c->query_api, "eglQueryAPI"},        {&c->make_current, "eglMakeCurrent"},
        {&c->context, "eglGetCurrentContext"}, {&c->display, "eglGetCurrentDisplay"},
        {&c->surface, "eglGetCurrentSurface"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        void *symbol = egl ? dlsym(egl, rows[i].name) : NULL;

        CHECK(s, symbol, "no %s", rows[i].name);
        memcpy(rows[i].to, &symbol, sizeof(symbol));
    }
    return true;
}

struct standing {
    unsigned api;
    void *context, *display, *draw, *read;
};

static struct standing stand(const struct caller *c) {
    return (struct standing){c->query_api(), c->context(), c->display(),
                             c->surface(0x3059), c->surface(0x305A)};
}

#define STANDS(s, after)                                                                 \
    do {                                                                                 \
        struct standing now = stand(&c);                                                 \
        CHECK(s,                                                                         \
              now.api == was.api && now.context == was.context &&                        \
                  now.display == was.display && now.draw == was.draw &&                  \
                  now.read == was.read,                                                  \
              "caller %d, after %s: api %x, context %p, display %p, surfaces %p, %p", i, \
              after, now.api, now.context, now.display, now.draw, now.read);             \
    } while (0)

/* API, context, display and both surfaces of the caller, after each kind of call. */
bool callers_context_comes_back(struct scene *s) {
    enum { GLES = 0x30A0, DESKTOP = 0x30A2 };
    static int context, draw, read;
    static const struct {
        unsigned api;
        void *context, *draw, *read;
    } rows[] = {{GLES, NULL, NULL, NULL},
                {DESKTOP, NULL, NULL, NULL},
                {GLES, &context, &draw, &read},
                {GLES, &context, NULL, NULL},
                {DESKTOP, &context, &draw, &read}};
    static const int64_t dims[] = {4, 8};
    struct caller c;
    struct op_case *made;

    MUST(driver_find(s));
    MUST(load_caller(s, &c));
    MUST(scene_case(s, two_ops, &made));
    for (int i = 0; i < 5; i++) {
        struct scene own = {.fault = s->fault};
        esk_device_list *list;
        esk_env *env;
        esk_session *session;
        esk_value *y, *there;
        bool good;

        c.bind_api(rows[i].api);
        c.make_current(c.get_display(NULL), rows[i].draw, rows[i].read, rows[i].context);
        struct standing was = stand(&c);

        good = scene_env(&own, &env);
        GIVES(s, esk_device_list_create(env, &list, NULL, error), ESK_OK, "");
        esk_device_list_destroy(list);
        STANDS(s, "a list of devices");
        good = good && scene_session(&own, env, made->model, "GLCompute",
                                     "strict=1,enableGraphCapture=1", &session);
        STANDS(s, "a session's creation");
        for (int run = 0; good && run < 2; run++)
            good = scene_run(&own, session, &y, 1, made->inputs.values[0]);
        STANDS(s, "runs");
        GIVES(s, esk_value_create_on_device(session, ESK_FLOAT, 2, dims, &there, error),
              ESK_OK, "");
        GIVES(s, esk_value_copy(y, there, error), ESK_OK, "");
        GIVES(s, driver_run(session, made, there, -1, error), ESK_OK, "");
        GIVES(s, esk_value_copy(there, y, error), ESK_OK, "");
        STANDS(s, "copies");
        driver.set(&(struct nullgl_faults){.no_map = 1});
        GIVES(s, driver_run(session, made, there, -1, error), ESK_DEVICE_ERROR, "");
        driver.set(&(struct nullgl_faults){0});
        STANDS(s, "a run that failed");
        esk_value_destroy(there);
        STANDS(s, "the end of a value");
        scene_finish(&own);
        STANDS(s, "the end of all");
        MUST(good);
    }
    c.make_current(c.get_display(NULL), NULL, NULL, NULL);
    c.bind_api(GLES);
    return true;
}

/* What a child has of its parent's device is gone, and said to be. */
bool a_forked_child_is_told(struct scene *s) {
    struct op_case *made;
    esk_env *env;
    esk_session *session;
    int status = 0;

    MUST(driver_open(s, two_ops, "strict=1", &env, &made, &session));
    GIVES(s, driver_run(session, made, made->inputs.values[0], -1, error), ESK_OK, "");
    pid_t child = fork();
    CHECK(s, child >= 0, "no child");
    if (!child) {
        esk_error error = ESK_ERROR_INIT;
        struct nullgl_live before, after;
        esk_status got = driver_run(session, made, made->inputs.values[0], -1, &error);
        bool told =
            got == ESK_DEVICE_LOST && strstr(esk_error_message(&error), "forked child");

        /* what it lets go of is the parent's */
        driver.count(&before);
        esk_session_destroy(session);
        esk_env_destroy(env);
        driver.count(&after);
        _exit(told && after.contexts == before.contexts && before.contexts ? 7 : 8);
    }
    CHECK(s,
          waitpid(child, &status, 0) == child && WIFEXITED(status) &&
              WEXITSTATUS(status) == 7,
          "a run in a child ended with %d", status);
    GIVES(s, driver_run(session, made, made->inputs.values[0], -1, error), ESK_OK, "");
    return true;
}
