/* The CPU provider: its place in lists of devices. Its nodes run through esk_cpu_run. */
#ifndef ESK_CPU_CPU_H
#define ESK_CPU_CPU_H

#include "ir/provider.h"

/* Text facts of this machine's processor; static strings and `renderer`, which is written
 * into `buffer`. */
void esk_cpu_facts(struct esk_device_facts *facts, char *buffer, size_t size);

/* Threads of the BLAS, which are the process's; false: there is no BLAS. Loads it, and
 * that starts its threads. */
bool esk_cpu_set_threads(int threads);

#endif
