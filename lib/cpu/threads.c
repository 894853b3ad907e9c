/* How many threads products of the CPU provider take. In: a number; out: the BLAS told.
 * Must not know models. */
#include "cpu/cpu.h"

#include "base/process.h"

#include <string.h>

bool esk_cpu_set_threads(int threads) {
    void *symbol = esk_openblas("openblas_set_num_threads");
    void (*set)(int);
    memcpy(&set, &symbol, sizeof set); /* ISO C has no cast for it */
    if (symbol)
        set(threads);
    return symbol;
}
