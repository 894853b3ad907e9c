/* Running a session: at once or by a queue, with options. */
#ifndef ESKER_RUN_H
#define ESKER_RUN_H

#include "esker/profile.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Stopping runs. The counterpart of RunOptionsSetTerminate. ---- */

/* A switch that any number of runs watch. Thread-safe. */
typedef struct esk_terminate esk_terminate;

/* Off. Errors: OUT_OF_MEMORY. */
ESK_API esk_status esk_terminate_create(esk_terminate **terminate, esk_error *error);
/* on: each run that watches it fails with CANCELLED, within the commands of one flush
 * (option maxNumPendingDispatches) or one operator on the CPU; runs that start while it
 * is on do so at once. off: runs may start again. Its session stays usable. */
ESK_API void esk_terminate_set(esk_terminate *terminate, bool on);
ESK_API bool esk_terminate_is_set(const esk_terminate *terminate);
/* No run may watch it any more. NULL is allowed. */
ESK_API void esk_terminate_destroy(esk_terminate *terminate);

/* ---- Options of one run; everything is borrowed until the run has ended. ---- */
typedef struct esk_run_options {
    size_t struct_size; /* sizeof(esk_run_options) */
    const char *tag;    /* names the run: "run 'TAG': " in front of its errors and log
                           lines, "run_tag" in traces; may be NULL */
    esk_terminate *terminate; /* may be NULL */
    int gpu_graph_id;         /* of a session with enableGraphCapture: which of its graphs
                                 is recorded by the first run with this id and replayed by
                                 those after it; -1: run without */
    esk_profile *profile; /* gets the records of this run, instead of the session's own
                             profile; NULL: none (esker/profile.h) */
} esk_run_options;

#define esk_run_options(...) \
    (&(esk_run_options){.struct_size = sizeof(esk_run_options), __VA_ARGS__})

/* ---- Running ---- */

/* Runs the model on tensors. options may be NULL.
 * input_names[n_inputs], inputs[n_inputs]: every input without default, in any order;
 * output_names[n_outputs]: the wanted ones; NULL and 0: all, in the model's order.
 * outputs: room for that many. On entry an element may be NULL (the run makes a value) or
 * a value of the right type and shape, which is filled: so a steady run allocates
 * nothing. On failure no element of `outputs` is changed. Blocks until the results are
 * there. Errors: INVALID_ARGUMENT (names, types, shapes: with what the model declares),
 * UNSUPPORTED, FALLBACK, CANCELLED, DEVICE_LOST, TIMEOUT, OUT_OF_MEMORY. */
ESK_API esk_status esk_session_run(esk_session *session, const esk_run_options *options,
                                   const char *const *input_names,
                                   esk_value *const *inputs, size_t n_inputs,
                                   const char *const *output_names, esk_value **outputs,
                                   size_t n_outputs, esk_error *error);

/* The shape of one input. */
typedef struct esk_input_shape {
    const char *name;
    int rank;
    const int64_t *dims; /* rank sizes; may be NULL with rank 0 */
} esk_input_shape;

/* Makes the first run with these shapes as fast as those after it: plans, compiles,
 * uploads weights and runs once on zeros, whose results are dropped and nothing is
 * captured. Inputs without a free dimension and those with a default may be left out.
 * What inputs of zeros select (axes, counts, conditions) is what is made ready.
 * Thread-safe, as a run. Errors: those of esk_session_run; INVALID_ARGUMENT for an input
 * with a free dimension that has no shape, naming it. */
ESK_API esk_status esk_session_warm_up(esk_session *session,
                                       const esk_input_shape *shapes, size_t n_shapes,
                                       esk_error *error);

/* ---- Captured graphs (option enableGraphCapture). The first run with a gpu_graph_id
 * captures: it keeps the plan, its memory and what it was run with. Runs with the same id
 * replay it, one at a time. They must bring the same inputs: shapes, the very values for
 * those on a device (their content may change), and for the few whose bytes shapes depend
 * on, the same bytes; and the same outputs. Otherwise INVALID_ARGUMENT says what changed.
 * A session that cannot capture, since a node runs on the CPU or control flow is left, is
 * not created (with free dimensions: its first run fails): UNSUPPORTED lists every reason
 * and node. ---- */

/* Lets go of a captured graph and its memory; the next run with the id captures anew.
 * NOT_FOUND when there is none. */
ESK_API esk_status esk_session_release_graph(esk_session *session, int gpu_graph_id,
                                             esk_error *error);

/* ---- Running later. The counterpart of RunAsync. ---- */

/* What is under way: a run or a copy. Thread-safe. */
typedef struct esk_async esk_async;

/* Called once, by the session's own thread: status and error of the run, and the array of
 * outputs that the run was given, filled on success. A run whose session is destroyed
 * before its turn has status CANCELLED; it is then called by the thread that destroys. It
 * may start runs and destroy the session; it must not wait for its own handle. */
typedef void (*esk_run_fn)(void *user, esk_status status, const esk_error *error,
                           esk_value **outputs, size_t n_outputs);

/* As esk_session_run, but returns when names, types and shapes were checked; the run
 * stands in the session's queue and a thread of the session takes one after the other.
 * The array `outputs`, all values and what `options` points to are the library's until
 * the run has ended; the arrays of names and inputs are not. fn, async: either, both or
 * none; *async is the caller's to destroy. */
ESK_API esk_status esk_session_run_async(
    esk_session *session, const esk_run_options *options, const char *const *input_names,
    esk_value *const *inputs, size_t n_inputs, const char *const *output_names,
    esk_value **outputs, size_t n_outputs, esk_run_fn fn, void *user, esk_async **async,
    esk_error *error);

/* Waits until it has ended (the callback too) and gives its status and error. timeout_ms:
 * 0 just looks, -1 waits without end; TIMEOUT when it has not ended by then. */
ESK_API esk_status esk_async_wait(esk_async *async, int64_t timeout_ms, esk_error *error);
/* Lets go of the handle; what is under way goes on. NULL is allowed. */
ESK_API void esk_async_destroy(esk_async *async);

#ifdef __cplusplus
}
#endif
#endif
