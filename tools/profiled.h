/* Profiled runs of a session, and what is shown of them.
 * In: a session and its inputs. Out: a profile, tables on stdout. */
#ifndef ESKER_TOOLS_PROFILED_H
#define ESKER_TOOLS_PROFILED_H

#include "feed.h"
#include "report.h"

struct profiled {
    int64_t runs, top;
    const char *by; /* "op", "kernel", "node", "all" */
};

bool profiled_check(const struct profiled *options, struct fault *fault);

/* Runs on values that are kept; *profile is the caller's, on failure too (may be NULL).
 */
bool profiled_runs(const struct profiled *options, esk_session *session,
                   const struct feed *feed, esk_profile **profile, struct fault *fault);

/* The tables that `by` asks for; peak may be NULL. */
bool profiled_print(const struct profiled *options, const esk_profile *profile,
                    const esk_device_peak *peak, struct fault *fault);
/* {"run_ms", "nodes_ms", "runs", "clock", "ops", "kernels", "nodes"} into `tree`. */
bool profiled_tree(const esk_profile *profile, const esk_device_peak *peak, json_t *tree,
                   struct fault *fault);

#endif
