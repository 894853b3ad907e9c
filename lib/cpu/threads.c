/* How many threads products of the CPU provider take. In: a number; out: the BLAS told. Must
 * not know models. */
#include "cpu/cpu.h"

#ifdef ESK_OPENBLAS
#include <dlfcn.h>
#include <string.h>

bool esk_cpu_set_threads(int threads) {
    void *library = dlopen(ESK_OPENBLAS, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    void *symbol = library ? dlsym(library, "openblas_set_num_threads") : NULL;
    void (*set)(int);
    memcpy(&set, &symbol, sizeof set); /* ISO C has no cast for it */
    if (symbol)
        set(threads);
    if (library)
        dlclose(library);
    return symbol;
}

#else

bool esk_cpu_set_threads(int threads) {
    (void)threads;
    return false;
}

#endif
