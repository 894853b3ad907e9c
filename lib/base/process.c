/* Threads of the process, and OpenBLAS in it. In: /proc, the environment, the CPU's
 * features; out: answers, functions. Linked in, OpenBLAS' threads would start with every
 * process. Must not know tensors. */
#include "base/process.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

bool esk_process_has_one_thread(void) {
    DIR *tasks = opendir("/proc/self/task");
    int count = 0;
    for (struct dirent *entry; tasks && (entry = readdir(tasks));)
        count += entry->d_name[0] != '.';
    if (tasks)
        closedir(tasks);
    return count == 1;
}

#ifdef ESK_OPENBLAS

#ifdef __x86_64__

static const char core_variable[] = "OPENBLAS_CORETYPE";

/* Kernels that this CPU certainly runs, better than those of before AVX2. */
static const char *better_core(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? "Haswell"
                                                                           : NULL;
}

static bool is_old(void *library) {
    static const char *const old[] = {"Prescott", "Core2",     "Penryn",     "Dunnington",
                                      "Nehalem",  "Barcelona", "Sandybridge"};
    void *symbol = dlsym(library, "openblas_get_corename");
    char *(*name)(void);
    memcpy(&name, &symbol, sizeof name); /* ISO C has no cast for it */
    for (size_t i = 0; symbol && i < sizeof old / sizeof *old; i++)
        if (strcmp(name(), old[i]) == 0)
            return true;
    return false;
}

static void choose_core(void) {
    const char *core = better_core();
    void *library = dlopen(ESK_OPENBLAS, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
    if (library) {
        dlclose(library);
        return;
    }
    if (!core || getenv(core_variable) || !esk_process_has_one_thread())
        return;
    library = dlopen(ESK_OPENBLAS, RTLD_NOW | RTLD_LOCAL);
    bool old = library && is_old(library);
    if (library && (!old || dlclose(library) != 0 || !esk_process_has_one_thread()))
        return; /* it stays as it is */
    if (old && setenv(core_variable, core, 1) == 0) {
        dlopen(ESK_OPENBLAS, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        unsetenv(core_variable);
    }
}

#else

static void choose_core(void) {
}

#endif

void *esk_openblas(const char *function) {
    /* a library that is there already costs a look by name */
    void *library = dlopen(ESK_OPENBLAS, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
    if (!library) {
        choose_core();
        library = dlopen(ESK_OPENBLAS, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    }
    void *symbol = library ? dlsym(library, function) : NULL;
    if (library)
        dlclose(library);
    return symbol;
}

#else

void *esk_openblas(const char *function) {
    (void)function;
    return NULL;
}

#endif
