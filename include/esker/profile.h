/* Profiles: how long each node and kernel of a run took. The counterpart of ONNX
 * Runtime's profiling, with the same Chrome trace. */
#ifndef ESKER_PROFILE_H
#define ESKER_PROFILE_H

#include "esker/session.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- A session that profiles ----
 * Session entries (esk_session_options_set): "enableProfiling" = 1 records creation and
 * every run; "profileFilePrefix" (default "esker_profile") names the file. */

/* Ends it, as ONNX Runtime's EndProfiling: writes PREFIX_DATE_TIME.json in Chrome's trace
 * format and gives its name, which the caller frees with esk_text_free. Later runs leave
 * no record. Errors: NOT_FOUND (the session does not profile, or no more), IO,
 * OUT_OF_MEMORY. */
ESK_API esk_status esk_session_end_profiling(esk_session *session, char **path,
                                             esk_error *error);

/* ---- A profile of single runs: member `profile` of esk_run_options ----
 * Thread-safe: several runs may write to one at a time; reading needs them ended. A run
 * that is profiled is slower: where the device has no clock of its own, each dispatch is
 * waited for. Where two lanes compute (option "threads"), they share the pieces of one
 * command at a time: a command's time is from its first piece's begin to its last one's
 * end, as in a run that is not profiled but for what commands overlap. A run that is not
 * profiled pays nothing. */
typedef struct esk_profile esk_profile;

ESK_API esk_status esk_profile_create(esk_profile **profile, esk_error *error);
/* No run may write to it. NULL is allowed. */
ESK_API void esk_profile_destroy(esk_profile *profile);

typedef enum esk_record_kind {
    ESK_RECORD_SESSION, /* a phase: "model_run", "bind", "session_initialization" … */
    ESK_RECORD_NODE,    /* a node: all of its kernels, or its operator on the CPU */
    ESK_RECORD_KERNEL,  /* one kernel of a node on the device */
} esk_record_kind;

/* One record. Pointers live as long as the profile; strings are never NULL. */
typedef struct esk_record {
    esk_record_kind kind;
    uint32_t run;      /* runs of this profile are counted from 1; 0: before */
    uint64_t start_ns; /* of CLOCK_MONOTONIC */
    uint64_t duration_ns;
    int64_t thread;               /* of the system; that issued the work */
    const char *name;             /* the node's name, or the phase's */
    const char *op_type, *domain; /* "" for phases */
    const char *provider;         /* "GLCompute", "CPU"; "" for phases */
    const char *recipe;           /* how the node is computed; "" on the CPU */
    const char *kernel;           /* KERNEL: its template, "conv_1x1"; else "" */
    const char *clock;            /* what measured: "CPU", "GPU timestamps" … */
    uint32_t node;                /* its index in the graph after all passes */
    uint32_t kernels;             /* NODE: how many */
    uint32_t dispatches;          /* pieces that were dispatched */
    uint64_t groups[3];           /* KERNEL; zeros: known on the device only */
    double flops,
        bytes; /* estimated work: operations, bytes read and written; 0: unknown */
    size_t n_inputs, n_outputs; /* NODE: with what shapes */
    const esk_value_info *inputs, *outputs;
    const char *tag; /* SESSION: the tag of the run (esk_run_options); else "" */
} esk_record;

/* Records in the order in which they ended. */
ESK_API size_t esk_profile_count(const esk_profile *profile);
/* NULL when `index` is out of range. */
ESK_API const esk_record *esk_profile_get(const esk_profile *profile, size_t index);

/* Writes all as a Chrome trace (a JSON array of events, categories Session, Node and
 * Kernel, as ONNX Runtime's; opens in Perfetto and chrome://tracing). Errors: IO,
 * OUT_OF_MEMORY (also if records were lost for lack of memory). */
ESK_API esk_status esk_profile_write(const esk_profile *profile, const char *path,
                                     esk_error *error);

/* ---- What a device can do at most, to measure a profile by ---- */

typedef struct esk_device_peak {
    size_t struct_size; /* set by the caller */
    double gflops;    /* float32 multiply-adds in registers, two operations each; the best
                         of several kernels */
    int accumulators; /* vec4s that the best kernel held */
    double gbytes_per_s; /* copy of tensors larger than caches, bytes read and written */
    double dispatch_us;  /* one more dispatch of a group a thread, behind a barrier */
    double stage_us;     /* a run of one such dispatch, waited for */
    double inline_dispatch_us; /* the same where small plans run on the calling thread
                                  (llvmpipe, option "threads"); 0: they do not */
} esk_device_peak;

/* Measures now, in seconds: the machine should be idle. `options` (may be NULL) say which
 * GLCompute device, and how it is used. Errors: NO_DEVICE, INVALID_ARGUMENT,
 * OUT_OF_MEMORY, those of a run. */
ESK_API esk_status esk_device_measure(esk_env *env, const esk_session_options *options,
                                      esk_device_peak *peak, esk_error *error);

#ifdef __cplusplus
}
#endif
#endif
