/* The provider seam: one const table of functions a provider. The runner knows providers
 * only through it. */
#ifndef ESK_IR_PROVIDER_H
#define ESK_IR_PROVIDER_H

#include "base/log.h"
#include "ir/plan.h"

#include <stdatomic.h>

struct esk_device;        /* a provider's device */
struct esk_prepared;      /* a plan made ready on a device: programs, commands, params */
struct esk_lease;         /* what one run of a prepared plan holds: slots, staging */
struct esk_device_tensor; /* a tensor in a device's memory, DENSE, that outlives runs */

/* Facts of a device, for people and for choosing. Strings live as long as the list. */
struct esk_device_facts {
    const char *provider; /* "GLCompute" */
    const char *rung;     /* "gbm", "device", "surfaceless", "default"; "" for CPU */
    const char *vendor, *renderer, *version, *driver, *node;
    bool software;
    const char *unusable; /* NULL, or why it cannot be used */
    struct esk_limits limits;
    bool has_limits;
};

/* Where a software renderer computes: auto is by the plan's estimated work. */
enum esk_threads {
    ESK_THREADS_AUTO,
    ESK_THREADS_POOL,
    ESK_THREADS_INLINE,
    ESK_THREADS_LANES
};

/* What becomes of a buffer that a run gives back: destroyed at once; at the end of the
 * next run; kept for the same size; kept by size classes with a cap each. */
enum esk_cache_mode {
    ESK_CACHE_DISABLED,
    ESK_CACHE_LAZY,
    ESK_CACHE_SIMPLE,
    ESK_CACHE_BUCKET,
};

/* Options of a device, parsed; see run/options. */
struct esk_device_options {
    int device_id;
    bool allow_software, robust, debug, prefer_low_power;
    bool clamp;           /* to the ES 3.1 minima */
    int read_path;        /* -1: by device; else enum esk_read_path */
    uint32_t max_groups;  /* 0: the device's; smaller values cut dispatches (tests) */
    uint64_t max_binding; /* 0: the device's */
    enum esk_when winograd, shared_tiles;
    uint32_t fence_timeout_ms;
    uint32_t max_pending;  /* dispatches between flushes */
    const char *cache_dir; /* program binaries; NULL: the user's cache folder; "none":
                              nowhere; for the call of open only */
    bool poison;           /* fill leased slabs with NaN (tests) */
    void *display;         /* the caller's own; NULL: none */
    void *share_context;   /* on `display`: to share buffers with; NULL: none */
    enum esk_threads threads;
    enum esk_cache_mode cache_storage; /* slabs */
    enum esk_cache_mode cache_uniform; /* params blocks */
    enum esk_cache_mode cache_default; /* what the host maps: inputs and outputs */
    enum esk_cache_mode cache_query;   /* pools of timer queries */
    bool allow_setenv;                 /* for it, in a process that has threads already */
};

struct esk_counters {
    uint64_t programs;          /* compiled */
    uint64_t dispatches;        /* issued */
    uint64_t inline_dispatches; /* of them: computed by the caller's thread */
    uint64_t recorded;          /* commands recorded */
    uint64_t buffers_created, buffers_destroyed, buffer_bytes, buffer_peak;
    uint64_t cached_buffers, cached_bytes; /* free, now; live are created - destroyed */
    uint64_t cache_hits;                   /* buffers leased that were there already */
    uint64_t form_bytes, forms;
    uint64_t uploads, readbacks;           /* tensors, forms */
    uint64_t upload_bytes, readback_bytes; /* of these, as stored; late words too */
};

/* Times of a plan's commands, for a profile. Every time is CLOCK_MONOTONIC's. */
struct esk_command_time {
    uint32_t command;    /* of the plan */
    uint32_t dispatches; /* pieces it was cut in */
    uint64_t start_ns, ns;
};
struct esk_times {
    struct esk_command_time *items; /* the watcher's; room for each command of the plan */
    uint32_t count, capacity;
    const char *clock; /* set by the provider: what measured, for people; static */
};

/* What a run says besides its tensors. Borrowed for the run. */
struct esk_run_call {
    const char *tag;             /* NULL: none */
    const atomic_bool *stop;     /* when true the run ends with CANCELLED; NULL: none */
    int graph_id;                /* of a captured graph; -1: none */
    struct esk_profile *profile; /* the runner's; NULL: the run is not profiled */
    uint32_t run;                /* its number in the profile */
};

/* A device tensor in the place of an input or an output of a plan. */
struct esk_device_binding {
    bool output;    /* else an input */
    uint32_t index; /* of the plan's inputs, or outputs; such an output is OUTPUT_DEVICE
                       and not a form */
    struct esk_device_tensor *tensor; /* borrowed until the lease's release */
};

struct esk_provider {
    const char *name;

    /* Lists devices; *list is heap memory, freed by list_free. An empty list is no error:
     * `error` then says why (every rung). */
    esk_status (*list)(const struct esk_device_options *options,
                       const struct esk_logger *log, struct esk_device_facts **list,
                       size_t *count, esk_error *error);
    void (*list_free)(struct esk_device_facts *list, size_t count);

    esk_status (*open)(const struct esk_device_options *options,
                       const struct esk_logger *log, struct esk_device **device,
                       esk_error *error);
    void (*close)(struct esk_device *device); /* all plans and leases are gone */
    const struct esk_device_facts *(*facts)(const struct esk_device *device);
    bool (*lost)(struct esk_device *device); /* nothing can be done with it but closing */
    void (*counters)(struct esk_device *device, struct esk_counters *counters);

    /* Programs are compiled, forms uploaded, commands recorded. The plan must outlive it.
     * Any thread; takes the device's lock. */
    esk_status (*prepare)(struct esk_device *device, const struct esk_plan *plan,
                          struct esk_prepared **prepared, esk_error *error);
    void (*unprepare)(struct esk_prepared *prepared);
    /* Waits for what prepare left to be done behind the first runs, so that times are
     * those of later ones. May be NULL: nothing is. */
    void (*settle)(struct esk_prepared *prepared);

    /* A run holds one lease; leases are pooled, so a steady run allocates nothing. */
    esk_status (*lease)(struct esk_prepared *prepared, struct esk_lease **lease,
                        esk_error *error);
    void (*release)(struct esk_lease *lease);

    /* Device tensors for the runs of the lease until its release, in the place of memory
     * of its own: such inputs are not uploaded. A tensor may stand at an input and an
     * output: the output is then copied at the run's end. */
    esk_status (*bind)(struct esk_lease *lease, const struct esk_device_binding *bindings,
                       uint32_t count, esk_error *error);

    /* One stage: uploads and late params from `host` (tensor of var id, NULL data: not
     * there), commands, readbacks into those `host` tensors that have data. Blocks until
     * the readbacks are there, or call->stop is seen, which it looks at after each
     * dispatch. Takes the device's lock; the caller's context is untouched. */
    esk_status (*run_stage)(struct esk_lease *lease, uint32_t stage,
                            const struct esk_tensor *host,
                            const struct esk_run_call *call, esk_error *error);

    /* From now on the lease's stages add to `times` how long each command took; NULL ends
     * it, as release does. Commands may run apart from each other meanwhile: slower. */
    void (*watch)(struct esk_lease *lease, struct esk_times *times);

    /* ---- Device tensors. Any thread, one at a time for one tensor but for reading. They
     * must be gone before their device is closed. ---- */

    /* `shape`: type and dims; no data. Its content is undefined. UNSUPPORTED for a type
     * that the device does not store. */
    esk_status (*tensor_create)(struct esk_device *device, const struct esk_tensor *shape,
                                struct esk_device_tensor **tensor, esk_error *error);
    /* Over a GL buffer of the caller's (`name`, `bytes`), in a context that shares with
     * the device's. It is never deleted here. */
    esk_status (*tensor_wrap)(struct esk_device *device, const struct esk_tensor *shape,
                              uint32_t name, uint64_t bytes,
                              struct esk_device_tensor **tensor, esk_error *error);
    void (*tensor_destroy)(struct esk_device_tensor *tensor); /* NULL is allowed */
    esk_status (*tensor_write)(struct esk_device_tensor *tensor,
                               const struct esk_tensor *from, esk_error *error);
    esk_status (*tensor_read)(struct esk_device_tensor *tensor, struct esk_tensor *to,
                              esk_error *error);
    /* Two of one device and shape, not through the host. */
    esk_status (*tensor_copy)(struct esk_device_tensor *from,
                              struct esk_device_tensor *to, esk_error *error);

    /* Text of the recorded commands; source text of command i's program. */
    void (*dump)(struct esk_prepared *prepared, struct esk_text *text);
    esk_status (*source)(struct esk_prepared *prepared, uint32_t command,
                         struct esk_text *text, esk_error *error);
};

#endif
