/* The plan: what a bind yields. Stages of steps over buffers with offsets, pure data that
 * prints itself. compile/plan writes it, the runner and the provider read it. */
#ifndef ESK_IR_PLAN_H
#define ESK_IR_PLAN_H

#include "ir/op.h"

/* What a command names instead of a device object. */
enum esk_slot_kind {
    ESK_SLOT_ACTIVATION, /* slab i of this plan, leased for a run */
    ESK_SLOT_INPUT,      /* input i of the exec */
    ESK_SLOT_OUTPUT,     /* output i of the exec */
    ESK_SLOT_FORM,       /* form i of this plan: a range of a weight slab */
    ESK_SLOT_CONSTANT,   /* the plan's own small constants */
};
const char *esk_slot_name(enum esk_slot_kind kind);

/* Where a tensor lies: a range of a slot. Its rows of `row` bytes lie `pitch` bytes apart
 * in it; pitch 0: it is one run of bytes. */
struct esk_place {
    enum esk_slot_kind slot;
    uint32_t index;
    uint64_t offset, bytes;
    uint64_t row, pitch;
};

/* One tensor in one layout on the device. Several vars may share a buffer (aliases). A
 * buffer may lie inside another, its parent: a range of it (a Slice, a part of a Concat),
 * or all of it (an output that takes the place of an input which ends there). */
struct esk_buffer {
    esk_id var; /* the var that made it; ESK_NONE for scratch */
    enum esk_layout layout;
    enum esk_storage storage;
    esk_dtype dtype;
    uint64_t bytes;
    uint32_t parent; /* the buffer whose bytes these are; ESK_NONE: it has its own */
    uint64_t offset; /* into the parent, in bytes */
    uint64_t row,
        pitch; /* its rows, and from one to the next in the parent; pitch 0: one */
    uint32_t first,
        last; /* first and last command that touch it, counted over all stages */
    struct esk_place place;
};

struct esk_plan_form {
    struct esk_form form;
    bool shared;     /* all sources are initializers: the device's cache keeps it */
    uint64_t offset; /* else: where in the constants */
};

/* One kernel with its operands resolved to buffers. */
struct esk_command {
    const struct esk_kernel *kernel;
    uint32_t node;
    uint32_t buffers[ESK_KERNEL_OPERANDS]; /* ESK_COMMAND_FORM(i): form i */
    bool barrier;                          /* writes before it must be visible */
};
#define ESK_COMMAND_FORM(i)    (UINT32_MAX - 1 - (i)) /* and back: it is its own inverse */
#define ESK_COMMAND_IS_FORM(b) ((b) > UINT32_MAX - (1u << 24) && (b) != UINT32_MAX)

/* Host bytes ↔ device at a stage's border. */
struct esk_transfer {
    esk_id var;
    uint32_t buffer;
    uint64_t bytes; /* of the buffer, from its start; set by compile/plan */
};

struct esk_stage {
    uint32_t first_command, n_commands;
    struct esk_transfer *uploads;   /* before the commands: host vars that they read */
    struct esk_transfer *readbacks; /* after them */
    esk_id *host_nodes;             /* then: nodes that the host computes, in order */
    uint32_t n_uploads, n_readbacks, n_host_nodes;
    size_t cap_uploads, cap_readbacks, cap_host_nodes;
};

/* Where an output of the exec comes from. */
enum esk_output_from {
    ESK_OUTPUT_DEVICE, /* `buffer`, DENSE; read back after the last stage */
    ESK_OUTPUT_HOST,   /* a host var of this plan (host node or known bytes) */
    ESK_OUTPUT_LATER,  /* the plan ends in a cut: the rest delivers it */
};
struct esk_plan_output {
    esk_id var;
    enum esk_output_from from;
    uint32_t buffer;
};

/* A plan that ends in a cut: the host must know something that only a run gives. `rest`
 * is the graph that is left; its inputs are the vars `carry` of this plan's graph, read
 * back, then the outputs of the nodes `between`, which the host runs first (data-sized
 * operators and control flow). Its outputs are those outputs of the exec that are
 * ESK_OUTPUT_LATER, in order. */
struct esk_cut {
    struct esk_graph *rest; /* owned; NULL: no cut */
    esk_id *carry;
    esk_id *between; /* nodes */
    uint32_t n_carry, n_between;
    const char *why; /* "NonZero 'nz': the sizes of its outputs depend on data" */
};

struct esk_plan {
    struct esk_arena arena;
    struct esk_graph *graph;        /* owned: the bound clone */
    struct esk_recipe_list recipes; /* owned: what commands point into */
    struct esk_buffer *buffers;
    struct esk_command *commands;
    esk_id *early; /* nodes that the host computes before the first stage */
    struct esk_stage *stages;
    struct esk_plan_form *forms;
    uint32_t n_buffers, n_commands, n_early, n_stages, n_forms;
    size_t cap_early, cap_buffers, cap_commands, cap_stages, cap_forms;
    struct esk_plan_output *outputs; /* one an output of the exec's graph */
    uint32_t n_outputs;
    bool *input_read; /* for each input of the exec: bind read its bytes, so they are
                         part of the plan's key */
    uint32_t n_inputs;
    uint64_t *slab_bytes; /* activation slabs */
    uint32_t n_slabs;
    uint64_t constant_bytes;
    uint64_t peak, lower_bound; /* activation bytes: allocated; most alive at one step */
    uint32_t n_barriers;
    uint32_t n_relayouts; /* commands that only bring a value into another layout */
    uint32_t n_device_nodes, n_host_nodes, n_known_nodes;
    uint32_t n_fallbacks; /* host nodes that strict mode would refuse */
    struct esk_cut cut;
};

struct esk_plan *esk_plan_create(void);       /* NULL: memory */
void esk_plan_destroy(struct esk_plan *plan); /* NULL is allowed */
/* Bytes of a buffer without what rounds them up. */
uint64_t esk_plan_exact_bytes(const struct esk_plan *plan, uint32_t buffer);

/* A stable listing: stages, commands, buffers with offsets, barriers. */
void esk_plan_print(const struct esk_plan *plan, struct esk_text *text);

#endif
