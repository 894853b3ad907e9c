/* What the library has to know of the process around it. */
#ifndef ESK_BASE_PROCESS_H
#define ESK_BASE_PROCESS_H

#include <stdbool.h>

/* Nobody else runs who could read the environment while it is changed; false also where
 * it cannot be told. */
bool esk_process_has_one_thread(void);

/* A function of OpenBLAS, which is loaded by the first call; NULL without it. Where its
 * own choice of kernels falls behind the CPU (Debian 12's 0.3.21 takes SSE3 ones on Xeons
 * newer than itself), in a process of one thread and unless OPENBLAS_CORETYPE is set, it
 * is loaded once more with kernels named. Any thread. */
void *esk_openblas(const char *function);

#endif
