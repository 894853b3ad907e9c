/* Tests of the session surface, by file. */
#ifndef ESKER_TESTS_SURFACE_H
#define ESKER_TESTS_SURFACE_H

#include "scene.h"

#include <string.h>

/* run.c: run options */
bool run_options_sizes(struct scene *s);
bool run_tag_is_in_the_error(struct scene *s);
bool terminate_before_a_run(struct scene *s);
bool terminate_in_flight(struct scene *s);

#endif
