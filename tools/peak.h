/* The ceilings of the device that options ask for.
 * In: setup. Out: figures, printed. Must not know any one subcommand. */
#ifndef ESKER_TOOLS_PEAK_H
#define ESKER_TOOLS_PEAK_H

#include "setup.h"

#include <jansson.h>

/* Measures on a device of `env`. */
bool peak_measure(const struct setup *setup, esk_env *env, esk_device_peak *peak,
                  struct fault *fault);
void peak_print(const esk_device_peak *peak);
json_t *peak_tree(const esk_device_peak *peak);

#endif
