/* libEGL at run time. In: a library's name; out: a table of its functions. Must not know
 * devices. */
#include "glcompute/egl_api.h"

#include "base/error.h"

#include <dlfcn.h>
#include <string.h>

void *esk_egl_library(const char *name) {
    return dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
}

void esk_egl_symbol(void *library, const char *name, void *to) {
    void *symbol = dlsym(library, name);
    memcpy(to, &symbol, sizeof symbol);
}

esk_status esk_egl_api_load(struct esk_egl_api *api, const char *name, esk_error *error) {
    const char *library_name = name ? name : "libEGL.so.1";
    void *library = esk_egl_library(library_name);
    if (!library) {
        const char *why = dlerror();
        return esk_fail(error, ESK_NO_DEVICE,
                        "no usable OpenGL ES 3.1 device: %s cannot be loaded: %s",
                        library_name, why ? why : "no reason given");
    }
#define EGL_LOAD(field, type)                                                  \
    esk_egl_symbol(library, "egl" #field, &api->field);                        \
    if (!api->field)                                                           \
        return esk_fail(error, ESK_NO_DEVICE, "%s has no function egl" #field, \
                        library_name);
    EGL_LIST(EGL_LOAD)
#undef EGL_LOAD
#define EGL_LOAD(field, type, symbol) api->field = (type)api->GetProcAddress(symbol);
    EGL_OPTIONAL_LIST(EGL_LOAD)
#undef EGL_LOAD
    if (!api->GetPlatformDisplay) /* EGL 1.5: other attributes, but here always NULL */
        api->GetPlatformDisplay =
            (PFNEGLGETPLATFORMDISPLAYEXTPROC)api->GetProcAddress("eglGetPlatformDisplay");
    const char *extensions = api->QueryString(EGL_NO_DISPLAY, EGL_EXTENSIONS);
    api->client_extensions = extensions ? extensions : "";
    return ESK_OK;
}
