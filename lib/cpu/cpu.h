/* The CPU provider: its place in lists of devices. Its nodes run through esk_cpu_run. */
#ifndef ESK_CPU_CPU_H
#define ESK_CPU_CPU_H

#include "ir/provider.h"

/* Text facts of this machine's processor; static strings and `renderer`, which is written
 * into `buffer`. */
void esk_cpu_facts(struct esk_device_facts *facts, char *buffer, size_t size);

#endif
