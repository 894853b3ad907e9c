/* glcompute/egl without a GPU or a driver: names, options, missing libraries. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "glcompute/egl.h"

#include <string.h>

Test(egl, error_names) {
    cr_assert_str_eq(esk_egl_error_name(0x3001), "EGL_NOT_INITIALIZED");
    cr_assert_str_eq(esk_egl_error_name(0x3009), "EGL_BAD_MATCH");
    cr_assert_str_eq(esk_egl_error_name(0x1234), "unknown EGL error");
}

static void check_open(const struct esk_egl_options *options, esk_status status,
                       const char *part) {
    esk_error error = ESK_ERROR_INIT;
    struct esk_egl *egl = NULL;
    struct esk_egl_device *devices = NULL;
    size_t count = 0;
    cr_assert_eq(esk_egl_open(options, 0, &egl, &error), status);
    cr_assert_null(egl);
    cr_assert(strstr(esk_error_message(&error), part), "'%s' not in '%s'", part,
              esk_error_message(&error));
    esk_error_clear(&error);
    cr_assert_eq(esk_egl_list(options, &devices, &count, NULL), status);
    cr_assert_null(devices);
}

Test(egl, unknown_rung) {
    struct esk_egl_options options = {.rung = "gbm,surfacless"};
    check_open(&options, ESK_INVALID_ARGUMENT, "unknown rung 'surfacless', not gbm");
}

Test(egl, missing_library) {
    struct esk_egl_options options = {.egl_library = "libEGL-missing.so.1"};
    check_open(&options, ESK_NO_DEVICE, "libEGL-missing.so.1 cannot be loaded: ");
}

Test(egl, library_without_functions) {
    struct esk_egl_options options = {.egl_library = "libc.so.6"};
    check_open(&options, ESK_NO_DEVICE, "libc.so.6 has no function eglGetError");
}

Test(egl, close_null) {
    esk_egl_close(NULL);
}
