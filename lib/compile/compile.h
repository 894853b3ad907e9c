/* From a model's graph to a plan. Pure: no device is touched, but by a tuner that
 * measures.
 *
 * esk_model_passes once a model; esk_bind once a key (input shapes, and the bytes that
 * inference reads). Inside a bind: shapes and known values (bind.c) → device passes,
 * place and choose (choose.c) → stages, offsets, barriers (plan.c). */
#ifndef ESK_COMPILE_COMPILE_H
#define ESK_COMPILE_COMPILE_H

#include "base/log.h"
#include "ir/plan.h"

struct esk_tuner;

/* What a session says about compiling. Zero is the default of each. */
struct esk_compile_options {
    const struct esk_limits *limits; /* the device's; NULL: everything runs on the host */
    const struct esk_logger *logger;
    const char *const
        *host_names; /* nodes to keep on the host; NULL-terminated; may be NULL */
    const char *const *disabled; /* passes by name; NULL-terminated; may be NULL */
    int level;                   /* enum esk_level */
    bool strict;                 /* fallback is an error */
    /* compile/tuning.h; NULL: the first recipe that fits */
    const struct esk_tuner *tuner;
    bool no_int64; /* int64 made of int64 is made on the host */
};

/* The ordered table of passes. */
enum esk_phase { ESK_PHASE_MODEL, ESK_PHASE_BIND, ESK_PHASE_DEVICE };
enum esk_level { ESK_LEVEL_ALL, ESK_LEVEL_EXTENDED, ESK_LEVEL_BASIC, ESK_LEVEL_DISABLED };
struct esk_pass {
    const char *name;
    enum esk_phase phase;
    enum esk_level level; /* the lowest that has it */
    const char *why;      /* what it does and why it stands here */
    esk_status (*run)(
        struct esk_graph *graph, const struct esk_compile_options *options,
        esk_error *error); /* MODEL passes; others are driven by their stage */
};
const struct esk_pass *esk_pass_at(size_t index);        /* NULL past the end */
const struct esk_pass *esk_pass_named(const char *name); /* NULL: no such pass */
bool esk_pass_enabled(const struct esk_compile_options *options, const char *name);

/* The MODEL passes, on the main graph and all bodies. */
esk_status esk_model_passes(struct esk_graph *graph,
                            const struct esk_compile_options *options, esk_error *error);

/* One input of a bind: type and shape; `data` are its bytes where the caller has them on
 * the host. rank < 0: not fed; the initializer stands. Where `data` is NULL, `fetch`
 * brings the bytes from where they are; NULL besides: not to be had. */
struct esk_bind_input {
    struct esk_tensor tensor;
    esk_status (*fetch)(void *user, const void **data, esk_error *error);
    void *user;
};
/* The bytes, fetched or not; NULL when there are none to be had. */
esk_status esk_bind_input_bytes(const struct esk_bind_input *input, const void **data,
                                esk_error *error);

/* `inputs`: one for each graph input. The plan borrows bytes and bodies from `graph`,
 * which must outlive it. Errors: INVALID_MODEL, INVALID_ARGUMENT (shapes that do not
 * fit), UNSUPPORTED (nothing runs a node), FALLBACK (strict; names every node),
 * OUT_OF_MEMORY. */
esk_status esk_bind(const struct esk_graph *graph, const struct esk_bind_input *inputs,
                    const struct esk_compile_options *options, struct esk_plan **plan,
                    esk_error *error);

/* ---- between the files of lib/compile ---- */

/* Shapes and known values of one node whose inputs have shapes. */
esk_status esk_infer_node(struct esk_graph *graph, struct esk_node *node,
                          esk_error *error);

/* Computes a node whose inputs are known; its outputs become known, bytes in the graph's
 * arena. DATA_SIZED ops get their shapes so. */
esk_status esk_eval_node(struct esk_graph *graph, struct esk_node *node,
                         esk_error *error);

/* The same for good: the outputs become initializers with blobs that the graph holds, the
 * node is dropped. Model phase only. */
esk_status esk_fold_node(struct esk_graph *graph, struct esk_node *node,
                         esk_error *error);

/* Marks nodes that nothing needs as dead. `keep`: one flag a var, besides the outputs;
 * may be NULL. Known vars need no producer. */
esk_status esk_sweep(struct esk_graph *graph, const bool *keep, esk_error *error);

/* Replaces control node by the nodes of a body, in order; body inputs [0, n) become the
 * vars `in`. Outputs of the node are rewired to the body's. */
esk_status esk_inline_body(struct esk_graph *graph, struct esk_node *node,
                           const struct esk_graph *body, uint32_t n_in, const esk_id *in,
                           esk_error *error);

/* Places nodes and chooses recipes: fills plan->commands (stage in `stages_of`, one a
 * command, freed by the caller), buffers and forms. */
esk_status esk_choose(struct esk_plan *plan, const struct esk_compile_options *options,
                      const bool *keep, uint32_t **stages_of, esk_error *error);

/* Orders commands by stage, computes lifetimes, offsets and barriers. */
esk_status esk_plan_layout(struct esk_plan *plan,
                           const struct esk_compile_options *options, uint32_t *stages_of,
                           esk_error *error);

/* The pure planner: n intervals [first, last] of `bytes`; writes slab index and offset of
 * each; slabs are at most `max_slab` bytes (a larger interval has one of its own). */
struct esk_interval {
    uint64_t bytes;
    uint32_t first, last;
    uint32_t slab;
    uint64_t offset;
};
esk_status esk_assign_offsets(struct esk_interval *items, uint32_t count, uint64_t align,
                              uint64_t max_slab, uint64_t **slab_bytes, uint32_t *n_slabs,
                              esk_error *error);

#endif
