/* Records of a profile, as the runner makes them. A NULL profile takes nothing. */
#ifndef ESK_RUN_TRACE_H
#define ESK_RUN_TRACE_H

#include "esker/profile.h"
#include "ir/provider.h"

uint64_t esk_trace_now(void); /* CLOCK_MONOTONIC, nanoseconds */
/* The next run's number; 0 without a profile. */
uint32_t esk_trace_run(esk_profile *profile);

/* A phase that began at `start_ns` and ends now; tag: the run's, NULL: none. */
void esk_trace_phase(esk_profile *profile, uint32_t run, const char *tag,
                     const char *name, uint64_t start_ns);
/* A node that the host computed since `start_ns`. */
void esk_trace_host(esk_profile *profile, uint32_t run, const struct esk_graph *graph,
                    const struct esk_node *node, uint64_t start_ns);

/* Watches the lease for a run of the plan; `times` is finished by esk_trace_unwatch. */
esk_status esk_trace_watch(const struct esk_plan *plan,
                           const struct esk_provider *provider, struct esk_lease *lease,
                           struct esk_times *times, esk_error *error);
/* Records of the commands that ran since `first`. */
void esk_trace_commands(esk_profile *profile, uint32_t run, const struct esk_plan *plan,
                        const struct esk_provider *provider,
                        const struct esk_times *times, uint32_t first);
void esk_trace_unwatch(const struct esk_provider *provider, struct esk_lease *lease,
                       struct esk_times *times);

/* Writes what a session that ends has recorded, if nobody asked for it; a failure is
 * logged. */
void esk_session_write_profile(esk_session *session);

/* The work of a command: what its recipe says, and bytes no more than its operands have.
 */
void esk_trace_work(const struct esk_plan *plan, const struct esk_command *command,
                    double *flops, double *bytes);

#endif
