/* Tests of tests/seams.c that are about many runs, threads and contexts. */
#ifndef ESKER_TESTS_RUNS_H
#define ESKER_TESTS_RUNS_H

#include "scene.h"

/* 1,000 runs on given outputs allocate nothing and cause no GL error. */
bool steady_runs(struct scene *s);
bool threads_on_one_session(struct scene *s);
bool threads_on_two_sessions_of_a_device(struct scene *s);
/* The caller's context, display and state are as before after each call. */
bool callers_context_is_untouched(struct scene *s);

#endif
