/* Sessions: a model made ready to run. The counterpart of OrtSession. */
#ifndef ESKER_SESSION_H
#define ESKER_SESSION_H

#include "esker/env.h"
#include "esker/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Options. One thread at a time; may be destroyed once the session exists. ---- */
typedef struct esk_session_options esk_session_options;

/* Defaults everywhere. Errors: OUT_OF_MEMORY. */
ESK_API esk_status esk_session_options_create(esk_session_options **options,
                                              esk_error *error);
ESK_API void esk_session_options_destroy(esk_session_options *options);

/* Adds a provider: "GLCompute" or "CPU". Nodes go to the first that has a recipe for
 * them; CPU is always there at the end. Without any call: GLCompute, then CPU. keys,
 * values: `count` provider options as strings (esk_option_at lists them; those of ONNX
 * Runtime's WebGPU provider keep their names). Errors: INVALID_ARGUMENT for an unknown
 * provider, key or value, naming the nearest valid one. */
ESK_API esk_status esk_session_options_append_provider(esk_session_options *options,
                                                       const char *provider,
                                                       const char *const *keys,
                                                       const char *const *values,
                                                       size_t count, esk_error *error);

/* One session entry: any option of esk_option_at, which has each with its values, default
 * and a sentence. Besides those of providers: graphOptimizationLevel (all, extended,
 * basic, disabled), disabledOptimizers (one a line) strict (1: a node that would fall
 * back is an error that lists all of them) deterministic (the same bytes in every run,
 * which is so without it too) intraOpNumThreads (of the CPU provider's products),
 * planCacheSize (1..1024, default 16) logSeverity (env, verbose … silent), logId (text in
 * front of log lines) enableProfiling, profileFilePrefix; tuning (off, heuristic, quick,
 * full), tuningFile interOpNumThreads, enableMemPattern, enableCpuMemArena,
 * executionMode: a warning alone The last value of a key counts. Errors:
 * INVALID_ARGUMENT, with the nearest valid one. */
ESK_API esk_status esk_session_options_set(esk_session_options *options, const char *key,
                                           const char *value, esk_error *error);

/* Fixes a free dimension by its name in the model, or by its denotation ("DATA_BATCH"),
 * in all inputs that have it: esk_session_input shows the size. Errors: INVALID_ARGUMENT
 * for a size below 0. What no input has, a size that contradicts the model's, or two that
 * contradict each other are errors of session creation, which name both. */
ESK_API esk_status esk_session_options_override_dim(esk_session_options *options,
                                                    const char *name, int64_t size,
                                                    esk_error *error);
ESK_API esk_status esk_session_options_override_denotation(esk_session_options *options,
                                                           const char *denotation,
                                                           int64_t size,
                                                           esk_error *error);

/* Bytes that stand for a file of external data, by the name that the model's tensors give
 * (data_location, "location"). They are not copied and must outlive the session. */
ESK_API esk_status esk_session_options_add_external_file(esk_session_options *options,
                                                         const char *name,
                                                         const void *bytes, size_t size,
                                                         esk_error *error);

/* A value that stands for the model's initializer `name`, of the main graph, in or
 * outside of the model's file: bytes in a file of external data are not read then. It is
 * on the host; its bytes are not copied: they must outlive the session and not change.
 * Sessions of one env that are given the same value share its weights on the device.
 * Errors: INVALID_ARGUMENT for a name given twice; session creation gives it for a name
 * that the model does not have, and for another type or shape than the model's, naming
 * both. */
ESK_API esk_status esk_session_options_add_initializer(esk_session_options *options,
                                                       const char *name,
                                                       const esk_value *value,
                                                       esk_error *error);

/* ---- Sessions. Thread-safe: any thread may run, several at a time. ---- */
typedef struct esk_session esk_session;

/* options may be NULL. `env` must outlive the session. Loads, checks and optimises the
 * model; with static shapes also plans it, compiles its programs and uploads its weights;
 * with free dimensions the first run does. Errors: IO, INVALID_MODEL (with the place),
 * UNSUPPORTED (an operator that nothing runs), FALLBACK (strict), NO_DEVICE (with every
 * rung tried), OUT_OF_MEMORY, INVALID_ARGUMENT. */
ESK_API esk_status esk_session_create(esk_env *env, const char *path,
                                      const esk_session_options *options,
                                      esk_session **session, esk_error *error);

/* From memory. `bytes` are copied unless `borrow` is set: then they must outlive the
 * session. External data are looked for in `directory` (NULL: refused). */
ESK_API esk_status esk_session_create_from_memory(
    esk_env *env, const void *bytes, size_t size, bool borrow, const char *directory,
    const esk_session_options *options, esk_session **session, esk_error *error);

/* No esk_session_run may be in flight. Runs in its queue are cancelled, but for the one
 * at work, which is waited for. NULL is allowed. */
ESK_API void esk_session_destroy(esk_session *session);

/* ---- Model facts; strings and arrays live as long as the session. ---- */

/* One input or output as the model declares it; of a session's inputs, with the sizes
 * that overrides gave. */
typedef struct esk_value_info {
    const char *name;
    esk_dtype dtype;
    int rank;                     /* -1: not declared */
    const int64_t *dims;          /* -1: free */
    const char *const *dim_names; /* each NULL or the free dimension's name */
    bool has_default; /* an input that is an initializer too: may be left out */
} esk_value_info;

ESK_API size_t esk_session_input_count(const esk_session *session);
ESK_API const esk_value_info *esk_session_input(const esk_session *session, size_t index);
ESK_API size_t esk_session_output_count(const esk_session *session);
ESK_API const esk_value_info *esk_session_output(const esk_session *session,
                                                 size_t index);
/* Metadata by key ("producer_name", "producer_version", "domain", "description",
 * "graph_name", "ir_version", "opset", or a key of the model's own); NULL if there is
 * none. */
ESK_API const char *esk_session_metadata(const esk_session *session, const char *key);
/* The model's own metadata key `index`; NULL past the end. */
ESK_API const char *esk_session_metadata_key(const esk_session *session, size_t index);

/* ---- Looking inside ---- */

/* Where one node runs in the newest plan. Strings live until esk_placement_destroy. */
typedef struct esk_node_placement {
    const char *name, *op_type, *domain;
    /* "GLCompute", "CPU", "known" (computed while planning), "later" (behind a size or
     * condition that only a run tells; not planned yet) */
    const char *home;
    const char *recipe; /* how, on a device; "" elsewhere */
    const char *reason; /* why not on the device, or why later; "" else */
    bool fallback;      /* strict mode would refuse it */
    /* of what it writes, on a device: "NCHW", as ONNX has it (whatever the rank), or
     * "NHWC", channels innermost in fours; "" elsewhere */
    const char *layout;
} esk_node_placement;

/* A copy that outlives the session; read-only, so any thread may look at it. */
typedef struct esk_placement esk_placement;

/* The placement of the newest plan. Errors: NOT_FOUND when nothing was planned yet (free
 * dimensions: esk_session_plan, or run, first). */
ESK_API esk_status esk_session_placement(esk_session *session, esk_placement **placement,
                                         esk_error *error);
ESK_API size_t esk_placement_count(const esk_placement *placement);
ESK_API const esk_node_placement *esk_placement_get(const esk_placement *placement,
                                                    size_t index);
ESK_API void esk_placement_destroy(esk_placement *placement);

/* Plans for inputs of the declared shapes without running; free dimensions take
 * `fallback_size` (≥ 0). Inputs whose bytes planning needs are taken as zeros.
 * Thread-safe, as a run. Errors: those of esk_session_run. */
ESK_API esk_status esk_session_plan(esk_session *session, int64_t fallback_size,
                                    esk_error *error);

/* Counts since the session's device was opened (of all its sessions), and of the
 * session's newest plan. */
typedef struct esk_session_stats {
    size_t struct_size;    /* set by the caller */
    uint64_t plans, binds; /* plans in the cache; binds done */
    uint64_t programs;     /* compiled on the device */
    uint64_t dispatches; /* issued on the device; shared by two lanes, a command is one */
    uint64_t commands_recorded;
    uint64_t buffers_created, buffers_destroyed;
    uint64_t device_bytes, device_peak_bytes; /* live now, and most so far */
    uint64_t weight_bytes;                    /* forms held by the device */
    /* newest plan */
    uint32_t nodes, device_nodes, host_nodes, known_nodes, fallbacks, stages, commands;
    uint64_t activation_peak,
        activation_lower_bound;  /* bytes: allocated; most alive at once */
    uint32_t barriers;           /* commands that wait for what earlier ones wrote */
    uint64_t inline_dispatches;  /* of `dispatches`: computed by the calling thread; by
                                  two lanes: its share */
    uint64_t uploads, readbacks; /* transfers between host and device */
    uint64_t cached_buffers, cached_bytes; /* of the live ones: free, for the next run */
    uint64_t cache_hits;                   /* buffers that a run found in a cache */
    uint64_t upload_bytes,
        readback_bytes; /* of uploads and readbacks, as the device stores
                           them; parameters known late count, others not */
    /* newest plan: commands that only bring a value into another layout */
    uint32_t relayouts;
} esk_session_stats;

ESK_API esk_status esk_session_get_stats(esk_session *session, esk_session_stats *stats,
                                         esk_error *error);

/* Text of the newest plan: what is "graph", "plan", "kernels", "commands", "limits",
 * "tuning" or "source:N" (the shader of command N). Free it with esk_text_free. Errors:
 * NOT_FOUND when nothing was planned yet, INVALID_ARGUMENT for another word, or one that
 * needs a device. */
ESK_API esk_status esk_session_dump(esk_session *session, const char *what, char **text,
                                    esk_error *error);
ESK_API void esk_text_free(char *text);

#ifdef __cplusplus
}
#endif
#endif
