/* THE operator contract. An operator is one const record; its functions see one node
 * through a context and nothing else. Four files make an operator: lib/ops/x.c,
 * glsl/x.glsl, a row in lib/ops/ops.def, rows in tests/ops.txt. */
#ifndef ESK_IR_OP_H
#define ESK_IR_OP_H

#include "ir/kernel.h"

/* The newest opset of the default domain whose operator versions the `since` lists know.
 */
#define ESK_OPSET_NEWEST 28

enum esk_op_flag {
    /* The sizes of the outputs depend on data: `cpu` makes the outputs (esk_cpu_make), at
     * a stage's start, when all inputs are known; there is no `infer`. */
    ESK_OP_DATA_SIZED = 1 << 0,
    /* Takes an epilogue: its `gpu` calls esk_epilogue_emit (recipes/elementwise.h). */
    ESK_OP_EPILOGUE = 1 << 1,
    /* Can be a member of a group: it has an `elementwise` record. */
    ESK_OP_ELEMENTWISE = 1 << 2,
    /* Output 0 is input 0 with another shape: bytes need no change (Reshape, Identity …).
     */
    ESK_OP_VIEW = 1 << 3,
    /* Different each time it runs (random): never folded. */
    ESK_OP_IMPURE = 1 << 4,
    /* Control flow that, its host_in known, runs one body once (If): `control` says RUN
     * with formal inputs FROM_NODE_IN only, then DONE with outputs FROM_BODY_OUT only. A
     * bind that knows the host_in puts the body in the node's place. */
    ESK_OP_ONE_BODY = 1 << 5,
    /* Its `gpu` takes inputs as walks (recipes/walk.h): to move their elements, or to
     * read them where they lie. */
    ESK_OP_WALKS = 1 << 6,
};

/* Type classes of elementwise expressions. */
enum esk_class {
    ESK_CLASS_NONE,
    ESK_CLASS_F,
    ESK_CLASS_I,
    ESK_CLASS_U,
    ESK_CLASS_L,
    ESK_CLASS_UL,
    ESK_CLASS_B
};
/* F: float, float16. I: int32 and narrower signed. U: uint32 and narrower unsigned. L:
 * int64, UL: uint64 (uvec2). B: bool (uint 0 or 1). NONE: others. */
enum esk_class esk_class_of(esk_dtype dtype);

/* One expression: GLSL over $a, $b, $c (operands) and $name (float attributes), valid for
 * scalars and vec4s alike (glsl/lib/integer.glsl has comparisons and select, math.glsl
 * the functions that need care). */
struct esk_expr {
    enum esk_class in; /* of operand a (Where: of b) */
    const char *glsl;
};
struct esk_elementwise {
    /* the first row whose class fits; glsl NULL ends the list */
    struct esk_expr exprs[6];
    struct {
        const char *name;
        float fallback;
    } attrs[3];    /* float attributes; name NULL ends the list */
    bool pad_zero; /* f(0) = 0, so C4 pad lanes stay zero by themselves */
    /* Instead of `exprs`, where the expression depends on more than input 0's class
     * (known inputs, the output's type); NULL from it: no expression. */
    const char *(*expr)(const struct esk_graph *graph, const struct esk_node *node);
};

struct esk_group; /* members behind a root: compile/passes, recipes/elementwise */

/* What an operator's function sees. `node` and `graph` are const to `gpu`; `infer` sets
 * facts of outputs through esk_set_out; `upgrade` may rewrite the node and add nodes. */
struct esk_ctx {
    struct esk_graph *graph;
    struct esk_node *node;
    esk_error *error;
    /* gpu only */
    const struct esk_limits *limits;
    struct esk_recipe_list *recipes; /* appended, best guess first */
    const struct esk_group *group;   /* NULL: the node alone */
    bool group_taken;                /* set by esk_epilogue_emit for each recipe */
    enum esk_layout from, to; /* esker.Relayout only: the layouts of input 0 and output 0,
                                 which are one var, or output 0 walks input 0 */
};

/* The root is the node of the context. Members are elementwise nodes of the root's output
 * shape, in an order of execution; inputs are the root's output, outputs of members
 * before, known scalars, and `extra` vars, which may be broadcast and of any 32-bit
 * class. */
enum { ESK_GROUP_MEMBERS = 16, ESK_GROUP_EXTRAS = 4 };
struct esk_group {
    uint32_t n_members;
    esk_id members[ESK_GROUP_MEMBERS];
    esk_id output; /* the var that the group's last member writes */
    uint32_t n_extra;
    esk_id extra[ESK_GROUP_EXTRAS];
};

/* One call of `cpu`. Inputs are dense, aligned, const. Outputs are allocated, not
 * cleared, as `infer` said, unless the op is DATA_SIZED. */
struct esk_cpu {
    const struct esk_graph *graph;
    const struct esk_node *node;
    uint32_t n_in, n_out;
    const struct esk_tensor *const *in; /* NULL entries: absent */
    struct esk_tensor *const *out;      /* NULL entries: nobody wants it */
    struct esk_arena *scratch;          /* freed after the call */
    esk_error *error;
    /* DATA_SIZED: allocates output i; its data pointer is written to out[i] */
    esk_status (*make)(struct esk_cpu *call, uint32_t i, esk_dtype dtype, int rank,
                       const int64_t *dims);
    void *make_user;
};

/* Calls node's `cpu` on tensors: `in` has node->n_in entries, `out` node->n_out with
 * their `data` set (NULL data: not wanted), except for DATA_SIZED ops: these allocate
 * with `make` through `user`. Both arrays are the caller's. */
typedef esk_status (*esk_make_fn)(void *user, uint32_t i, esk_dtype dtype, int rank,
                                  const int64_t *dims, struct esk_tensor *tensor,
                                  esk_error *error);
esk_status esk_cpu_run(const struct esk_graph *graph, const struct esk_node *node,
                       const struct esk_tensor *in, struct esk_tensor *out,
                       esk_make_fn make, void *user, struct esk_arena *scratch,
                       esk_error *error);

/* Control flow as a host state machine. The runner knows no names: it calls `control`
 * with the step's state until it says done. */
enum esk_control_say { ESK_CONTROL_RUN, ESK_CONTROL_DONE };
struct esk_control {
    const struct esk_graph *graph;
    const struct esk_node *node;
    esk_error *error;
    uint32_t n_in, n_out;
    const struct esk_tensor *const *in; /* host bytes of the inputs in `host_in`; of
                                           others type and shape; NULL: absent */
    /* the machine's own memory from call to call, zero at first */
    int64_t state[8];
    /* RUN: which body attribute, and what its formal inputs are */
    struct esk_graph *body;
    uint32_t n_body_in;
    struct esk_control_in {
        enum {
            ESK_FROM_NODE_IN,
            ESK_FROM_BODY_OUT,
            ESK_FROM_INT,
            ESK_FROM_BOOL,
            ESK_FROM_SLICE, /* of the node's input: position `value` of `axis`, which goes
                             */
            ESK_FROM_GATHERED, /* `out` only: what a gathered body output was, run after
                                  run along a new `axis`, the last run first if `value` */
        } from;
        uint32_t index; /* of the node's input, or of the last body run's output */
        int64_t value;  /* FROM_INT, FROM_BOOL: a scalar made by the host */
        int axis;       /* FROM_SLICE of [0, rank), FROM_GATHERED of [-rank, rank) */
    } * body_in;        /* room for 64 */
    /* mask over the body's outputs to be gathered; set at the first call */
    uint64_t gather;
    /* after a body ran: host bytes of its outputs that are scalars (conditions); else
     * NULL */
    uint32_t n_body_out;
    const struct esk_tensor *const *body_out;
    /* DONE: which body output (last run) or node input each output of the node is */
    struct esk_control_in *out; /* room for n_out */
};

struct esk_op {
    const char *domain; /* "" is the default domain */
    const char *name;
    const uint8_t *since; /* versions known, ascending, ends with 0. A model whose opset
                             is newer than ESK_OPSET_NEWEST is refused by name. */
    uint32_t flags;
    uint32_t min_in, max_in, min_out, max_out; /* max 0: as min; UINT32_MAX: variadic */
    /* Masks over inputs, looked at before `infer`: those given of `alike` must be of one
     * type, those of `real` of float types. */
    uint32_t alike, real;
    /* Masks over inputs. host_in: bytes that the host needs (infer, cpu or gpu read
     * them). host_late: those of host_in that may arrive as late as the run: `infer` does
     * not need them, and `gpu` puts them into late params, or reads them as an operand
     * after all (lengths that are best made on the host). NULL: none. */
    uint32_t (*host_in)(const struct esk_graph *graph, const struct esk_node *node);
    uint32_t (*host_late)(const struct esk_graph *graph, const struct esk_node *node);
    esk_status (*upgrade)(struct esk_ctx *c);
    esk_status (*infer)(struct esk_ctx *c);
    esk_status (*cpu)(struct esk_cpu *c);
    esk_status (*gpu)(struct esk_ctx *c);
    esk_status (*control)(struct esk_control *c, enum esk_control_say *say);
    const struct esk_elementwise *elementwise;
    const void *data; /* a family's own record (which reduction, which pool) */
};

/* The operator by name, or NULL (lib/ops/registry.c; its rows are lib/ops/ops.def). */
const struct esk_op *esk_op_find(const char *domain, const char *name);
const struct esk_op *const *esk_op_list(size_t *count);

/* ---- For infer, gpu and upgrade ---- */

/* Input i, or NULL when absent. */
const struct esk_var *esk_in(const struct esk_ctx *c, uint32_t i);
esk_id esk_in_id(const struct esk_ctx *c, uint32_t i); /* ESK_NONE when absent */
/* Output i, or NULL when absent. With a group, output 0 is the group's. */
struct esk_var *esk_out(const struct esk_ctx *c, uint32_t i);
esk_id esk_out_id(const struct esk_ctx *c, uint32_t i);
/* The bytes of input i are known (a constant, or computed at bind). */
bool esk_is_known(const struct esk_ctx *c, uint32_t i);

/* Fails with "Op 'name': text". */
esk_status esk_node_fail(const struct esk_ctx *c, esk_status status, const char *format,
                         ...) __attribute__((format(printf, 3, 4)));
/* In `gpu`: no recipe for this case; the reason is shown to users. */
esk_status esk_unsupported(const struct esk_ctx *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* In cpu. */
esk_status esk_cpu_fail(const struct esk_cpu *c, esk_status status, const char *format,
                        ...) __attribute__((format(printf, 3, 4)));

/* Sets type and shape of output i (no-op when absent); checks rank and size. */
esk_status esk_set_out(const struct esk_ctx *c, uint32_t i, esk_dtype dtype, int rank,
                       const int64_t *dims);
/* Output i like input j. */
esk_status esk_set_out_like(const struct esk_ctx *c, uint32_t i, uint32_t j);
/* The known integers of input i (int32 or int64, rank 0 or 1): at most `most`, else an
 * error. An absent input gives *count = 0 and no error. */
esk_status esk_in_ints(const struct esk_ctx *c, uint32_t i, int64_t *values,
                       uint32_t most, uint32_t *count);
esk_status esk_in_floats(const struct esk_ctx *c, uint32_t i, float *values,
                         uint32_t most, uint32_t *count);
/* An axis attribute or value in [-rank, rank): normalised, or an error that names it. */
esk_status esk_check_axis(const struct esk_ctx *c, int64_t axis, int rank, int *result);

/* ---- For upgrade ---- */

/* Turns attribute `name` (ints or int) into a constant int64 input i, 1-D; removes it. */
esk_status esk_upgrade_ints_to_input(struct esk_ctx *c, const char *name, uint32_t i);
/* Sets input i (the list grows; gaps are absent). */
esk_status esk_upgrade_set_input(struct esk_ctx *c, uint32_t i, esk_id var);

/* ---- For gpu ---- */

/* A new recipe: DENSE everywhere, no alias. Never NULL (running out of memory is
 * remembered and reported later). */
struct esk_recipe *esk_add_recipe(struct esk_ctx *c, const char *label);
/* A recipe without kernels: output 0 is input i's bytes in DENSE layout. */
void esk_add_alias(struct esk_ctx *c, uint32_t i);
/* Shorthands for kernel operands that are the node's inputs and outputs, in the layout
 * that the recipe says for them: set in_layout and out_layout before. */
void esk_kernel_in(const struct esk_ctx *c, const struct esk_recipe *r,
                   struct esk_kernel *k, const char *name, uint32_t i,
                   enum esk_view view);
void esk_kernel_out(const struct esk_ctx *c, const struct esk_recipe *r,
                    struct esk_kernel *k, const char *name, uint32_t i,
                    enum esk_view view);
/* True if every present tensor input and output has a device storage; else *who names
 * one. */
bool esk_all_storable(const struct esk_ctx *c, const struct esk_var **who);

#endif
