/* Worker processes: many jobs each, replaced when a job kills one or takes too long.
 * In: a count of jobs and functions. Out: replies. Must not know what a job is. */
#ifndef ESKER_TOOLS_WORKERS_H
#define ESKER_TOOLS_WORKERS_H

#include "fault.h"

#include <stddef.h>

struct workers {
    size_t jobs;      /* 0 .. jobs-1 */
    int processes;    /* 0: all jobs run in this process, without a time limit */
    double timeout_s; /* of one job */
    void *user;       /* handed to every function; a worker has its own copy */
    /* In the worker: does one job, returns its reply on the heap (NULL: none). */
    char *(*work)(void *user, size_t job);
    /* In the worker, at its end; may be NULL. */
    void (*close)(void *user);
    /* In the parent, in any order of jobs: `reply` is NULL when the worker was lost, and
     * `why` says how ("killed by signal 11 (Segmentation fault)"). */
    void (*done)(void *user, size_t job, const char *reply, const char *why);
};

/* Runs all jobs. The parent must have one thread and nothing that a fork would break.
 * false when processes cannot be made, or one ended badly after its last job. */
bool workers_run(const struct workers *workers, struct fault *fault);

#endif
