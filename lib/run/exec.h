/* Running one graph: plans by key, leases, stages, cuts, bodies. */
#ifndef ESK_RUN_EXEC_H
#define ESK_RUN_EXEC_H

#include "compile/compile.h"
#include "ir/provider.h"
#include "run/tuning.h"
#include "run/value.h"

#include <pthread.h>

/* What all graphs of a session share. Const once the session stands. */
struct esk_exec_shared {
    struct esk_compile_options options;
    struct esk_limits limits; /* the device's, as the session wants them */
    struct esk_env *env;
    struct esk_open_device *open; /* NULL: host only, as the next two */
    const struct esk_provider *provider;
    struct esk_device *device;
    uint32_t most_plans;
    bool validate;                 /* values are looked at as they are made */
    struct esk_run_tuning *tuning; /* owned by the session; NULL: off */
};

/* What one run holds of an entry: host tensors by var, memory for what crosses the host.
 */
struct esk_run_state {
    struct esk_run_state *next;
    struct esk_lease *lease; /* NULL without device work */
    struct esk_tensor *host; /* one a var */
    struct esk_arena memory; /* host tensors of this plan, made once */
    void **home;             /* one a var: its memory in `memory`; NULL: none needed */
    struct esk_device_binding *bindings; /* room for all inputs and outputs */
    struct esk_arena scratch;            /* of host nodes; emptied after each */
};

/* A plan with its key. Refcounted under the exec's lock; immutable once it stands but for
 * the pool. */
struct esk_entry {
    uint32_t refs;
    uint64_t stamp;         /* of its last use */
    struct esk_tensor *key; /* one an input; data: the bytes that bind read, or NULL */
    struct esk_plan *plan;  /* owned */
    bool *needed; /* one a var: a run needs its bytes on the host, wanted or not */
    struct esk_prepared *prepared; /* owned; NULL without device work */
    struct esk_exec *rest;         /* owned; NULL unless the plan ends in a cut */
    struct esk_run_state *idle;    /* states that wait for a run */
};

struct esk_exec {
    const struct esk_exec_shared *shared;
    const struct esk_graph *graph; /* borrowed from the model or a plan */
    pthread_mutex_t lock;          /* guards what follows */
    struct esk_entry **entries;
    uint32_t n_entries;
    size_t cap_entries;
    uint64_t clock, binds;
    struct esk_entry *newest; /* the last that was bound or used; one of the entries */
    struct esk_exec_body {
        const struct esk_graph *graph;
        struct esk_exec *exec; /* owned */
    } * bodies;
    uint32_t n_bodies;
    size_t cap_bodies;
};

esk_status esk_exec_create(const struct esk_exec_shared *shared,
                           const struct esk_graph *graph, struct esk_exec **exec,
                           esk_error *error);
void esk_exec_destroy(struct esk_exec *exec); /* no run may be in flight */
void esk_exec_forget(struct esk_exec *exec);  /* all plans, of bodies too; nor here */

/* The entry for these inputs, bound if there is none, with a reference. `ahead`: no run
 * stands behind it and inputs have no bytes, so a plan that a cut ends says nothing of
 * real runs: it is dropped and *entry is NULL. */
esk_status esk_exec_entry(struct esk_exec *exec, const struct esk_bind_input *inputs,
                          bool ahead, struct esk_entry **entry, esk_error *error);
void esk_exec_release(struct esk_exec *exec, struct esk_entry *entry);

/* One output of a run. */
struct esk_result {
    bool wanted;
    bool on_device; /* where a value that the run makes is to lie, if there is a device */
    bool made;      /* `value` was made by the run */
    esk_value *value;  /* filled; NULL: made */
    esk_value *staged; /* the run's own, for a value that commands do not write */
    /* Gives `value` once the shape is known; NULL: no one to ask. If it gives none the
     * run makes one, or with must_give ends. */
    esk_value *(*ask)(void *user, const struct esk_tensor *shape);
    void *user;
    bool must_give;
};

/* Runs the graph. results[n_outputs]: values that the run made are the caller's, on
 * failure too. */
esk_status esk_exec_run(struct esk_exec *exec, const struct esk_bind_input *inputs,
                        struct esk_result *results, const struct esk_run_call *call,
                        esk_error *error);
/* The same up to a cut, of an entry and with a state that the caller has. */
esk_status esk_exec_run_entry(struct esk_exec *exec, struct esk_entry *entry,
                              struct esk_run_state *state,
                              const struct esk_bind_input *inputs,
                              struct esk_result *results, const struct esk_run_call *call,
                              esk_error *error);
/* CANCELLED when the run was told to stop. */
esk_status esk_run_stopped(const struct esk_run_call *call, esk_error *error);

/* Inputs and outputs of one run of a plan: before its stages and after them. What begin
 * made, end frees, after a failure too. run/deliver.c */
esk_status esk_deliver_needs(struct esk_entry *entry, esk_error *error);
esk_status esk_deliver_begin(struct esk_exec *exec, struct esk_entry *entry,
                             struct esk_run_state *state,
                             const struct esk_bind_input *inputs,
                             struct esk_result *results, esk_error *error);
esk_status esk_deliver_end(struct esk_entry *entry, struct esk_run_state *state,
                           struct esk_result *results, esk_status status,
                           esk_error *error);

/* The state of a run, from the pool or new. run/state.c */
esk_status esk_state_take(struct esk_exec *exec, struct esk_entry *entry,
                          struct esk_run_state **state, esk_error *error);
void esk_state_give(struct esk_exec *exec, struct esk_entry *entry,
                    struct esk_run_state *state);
void esk_state_destroy(const struct esk_exec_shared *shared, struct esk_run_state *state);

/* The cut at the end of a plan: nodes between, then the rest. run/cut.c */
esk_status esk_cut_run(struct esk_exec *exec, struct esk_entry *entry,
                       struct esk_run_state *state, const struct esk_bind_input *inputs,
                       struct esk_result *results, const struct esk_run_call *call,
                       esk_error *error);

/* validate.c: VALIDATION for a node that makes NaN of numbers. */
esk_status esk_validate_node(const struct esk_graph *graph, const struct esk_node *node,
                             const struct esk_tensor *in, const struct esk_tensor *out,
                             esk_error *error);

#endif
