/* Kernels and recipes: pure data that says how a node is computed on a device. Written by
 * `gpu` functions of operators, read by compile/choose, compile/plan and the provider.
 *
 * The shader side of every name below is in glsl/prelude.glsl. */
#ifndef ESK_IR_KERNEL_H
#define ESK_IR_KERNEL_H

#include "ir/graph.h"
#include "ir/limits.h"

enum {
    ESK_KERNEL_OPERANDS = 8, /* most a kernel may have; portable recipes use 4 */
    ESK_RECIPE_INPUTS = 16,  /* inputs a recipe can give a layout; others are DENSE */
};

/* What an operand refers to. */
enum esk_ref { ESK_REF_VAR, ESK_REF_SCRATCH, ESK_REF_FORM };
enum esk_access { ESK_READ = 1, ESK_WRITE = 2, ESK_READ_WRITE = 3 };

/* What LOAD and STORE move: one element (ELEMENT), or four (VEC4). int64 has ELEMENT
 * only. A packed half is read by ELEMENT singly and stored two at a time (STORE2). LOOSE:
 * a VEC4 that is written where no vec4 can be: STORE parts it, up to parameter end_X
 * (compile/parts). */
enum esk_view { ESK_ELEMENT, ESK_VEC4, ESK_LOOSE };

struct esk_operand {
    const char *name; /* "X": the shader has LOAD_X, STORE_X, T_X, … */
    enum esk_ref ref;
    uint32_t id; /* VAR: var id; SCRATCH, FORM: index in the recipe */
    enum esk_access access;
    enum esk_view view;
    enum esk_storage storage;
    enum esk_layout layout; /* VAR: which of the var's layouts is meant */
    esk_dtype dtype;        /* narrow types are wrapped, wide halves rounded, on STORE */
    uint64_t offset; /* bytes into the tensor, a multiple of the view's unit: a part */
    uint64_t step[3], reach; /* group g touches its bytes Σ g[a] * step[a] … + reach and
                               no others; reach 0: any */
    bool in_place; /* READ: of it each invocation reads only the units that it then
                      stores into Y, which may take its bytes; no other
                      invocation stores these */
};

/* One 32-bit word of a kernel's parameter block. */
enum esk_param_kind {
    ESK_PARAM_CONST,
    ESK_PARAM_HOST_FLOAT, /* element of a host var, as float, written each run */
    ESK_PARAM_HOST_INT,   /* the same as int, saturated */
};
struct esk_param {
    /* "width": the shader has p_width; NULL: a further word of a list */
    const char *name;
    enum esk_param_kind kind;
    bool is_float;
    bool list;        /* p_NAME(i), even of one word; on its first word */
    uint32_t count;   /* words of this list (on its first word); 1 for scalars */
    uint32_t word;    /* CONST: the bits */
    esk_id var;       /* HOST_*: which host value … */
    uint32_t element; /* … and which element of it */
};

struct esk_kernel {
    const char *template;    /* "conv": glsl/conv.glsl */
    const char *label;       /* for people: node name, set by choose */
    struct esk_text defines; /* "#define K 3\n…"; finished with the recipe list */
    struct esk_operand operands[ESK_KERNEL_OPERANDS];
    uint32_t n_operands;
    struct esk_param *params;
    uint32_t n_params;
    size_t cap_params;
    uint32_t local[3];   /* local_size */
    uint64_t groups[3];  /* may exceed the device's: the provider cuts along split_axes */
    uint32_t split_axes; /* bit a: groups along axis a are independent (default: all) */
    int indirect;        /* operand whose bytes are the groups (3 words); -1: none */
    uint64_t loop_iterations; /* the most one invocation does; 0: few */
    double flops, bytes;      /* estimated work, for tuning and profiles */
};

/* Moves a dense host tensor into device storage, and back; layouts DENSE and C4 (to) or
 * DENSE (from). `device` has esk_storage_bytes bytes. */
void esk_storage_pack(void *device, size_t bytes, enum esk_storage storage,
                      enum esk_layout layout, const struct esk_tensor *host);
void esk_storage_unpack(const void *device, enum esk_storage storage,
                        struct esk_tensor *host);

/* A repacked weight. `pack` is pure: bytes out of the sources' bytes, `dst` is zeros
 * before; it runs once for each (sources, name, params) and screen of a device, on any
 * thread. */
typedef void (*esk_pack_fn)(void *dst, size_t bytes, const struct esk_tensor *const *src,
                            const int64_t *params);
/* The packing of a constant as it is: params layout, storage. */
void esk_pack_plain(void *dst, size_t bytes, const struct esk_tensor *const *src,
                    const int64_t *params);
struct esk_form {
    const char *name; /* "conv_oc4": names the packing; part of the key */
    esk_pack_fn pack;
    uint32_t n_src, n_params;
    esk_id src[4]; /* known vars; ESK_NONE: absent (pack gets NULL) */
    int64_t params[24];
    size_t bytes;
    enum esk_storage storage;
    esk_dtype dtype;
};

struct esk_scratch {
    size_t bytes;
    enum esk_storage storage;
};

/* Output 0 is put together from inputs, as they are: input `input` is its rows' bytes
 * [offset, offset + row). Rows are `pitch` bytes; pitch 0: there is one. */
struct esk_part {
    uint32_t input;
    uint64_t offset, row, pitch;
};

struct esk_recipe {
    const char *label; /* "conv k3 winograd" */
    struct esk_kernel *kernels;
    struct esk_scratch *scratch;
    struct esk_form *forms;
    uint32_t n_kernels, n_scratch, n_forms;
    size_t cap_kernels, cap_scratch, cap_forms;
    /* What inputs must be in when kernels name them, and what outputs come in. */
    enum esk_layout in_layout[ESK_RECIPE_INPUTS];
    enum esk_layout out_layout[ESK_RECIPE_INPUTS];
    int alias; /* output 0 is the bytes of this input, no kernel needed; -1: no alias */
    uint64_t alias_offset; /* from this byte of it on, a multiple of 16 */
    /* Outputs that can be had without kernels, as walks; choose makes what a consumer
     * needs of them when it needs it. With kernels besides, these are an alternative. */
    const struct esk_walk *walk[ESK_RECIPE_INPUTS];
    /* The parts of output 0, where they may be made in their places. The last n_parts
     * kernels copy one part each, in this order; the kernels before them copy all. */
    const struct esk_part *parts;
    uint32_t n_parts;
};

/* ---- Building, for `gpu` functions. All memory is the builder's; running out of it is
 * remembered in the list and reported by choose, so the calls need no checks. ---- */

struct esk_recipe_list {
    struct esk_recipe **items;
    size_t count, capacity;
    bool failed; /* memory */
};

void esk_recipe_list_finish(struct esk_recipe_list *list);

/* The value of a scratch or form operand: esk_operand_scratch(r, i). */
struct esk_ref_to {
    enum esk_ref ref;
    uint32_t id;
};

/* A new kernel of the recipe: template name, local size, groups 1×1×1, all axes
 * independent. The pointer is good until the next kernel is added. */
struct esk_kernel *esk_recipe_kernel(struct esk_recipe *recipe, const char *template);
/* Scratch memory: returns what kernels refer to. */
struct esk_ref_to esk_recipe_scratch(struct esk_recipe *recipe, size_t bytes,
                                     enum esk_storage storage);
/* A form; fill src and params of the returned index by the arguments. */
struct esk_ref_to esk_recipe_form(struct esk_recipe *recipe, const char *name,
                                  esk_pack_fn pack, uint32_t n_src, const esk_id *src,
                                  uint32_t n_params, const int64_t *params, size_t bytes,
                                  enum esk_storage storage, esk_dtype dtype);

void esk_kernel_local(struct esk_kernel *k, uint32_t x, uint32_t y, uint32_t z);
void esk_kernel_groups(struct esk_kernel *k, uint64_t x, uint64_t y, uint64_t z);
/* Groups for `items` invocations in a row, local size from the limits. */
void esk_kernel_flat(struct esk_kernel *k, const struct esk_limits *limits,
                     uint64_t items);
/* "#define NAME value" */
void esk_kernel_define(struct esk_kernel *k, const char *name, int64_t value);
void esk_kernel_define_text(struct esk_kernel *k, const char *name, const char *text);
/* Operands, in the order of binding. `var` operands take storage and dtype from the var.
 */
void esk_kernel_var(struct esk_kernel *k, const char *name, const struct esk_graph *graph,
                    esk_id var, enum esk_layout layout, enum esk_access access,
                    enum esk_view view);
void esk_kernel_ref(struct esk_kernel *k, const char *name,
                    const struct esk_recipe *recipe, struct esk_ref_to to,
                    enum esk_access access, enum esk_view view);
/* Moves the last operand's start by `bytes`: a part of a tensor. */
void esk_kernel_offset(struct esk_kernel *k, uint64_t bytes);
/* The last operand's step and reach, in elements of its storage: the next group of `axis`
 * begins `step` after the one before, and a group touches `reach`. Once an axis; those
 * that are not named do not move it. What is larger than a binding is cut by this. */
void esk_kernel_step(struct esk_kernel *k, int axis, int64_t step, int64_t reach);
/* The same elements as of the written operand before it. */
void esk_kernel_step_along(struct esk_kernel *k);
/* Parameters: p_NAME in the shader (int, float), p_NAME(i) for lists. */
void esk_kernel_int(struct esk_kernel *k, const char *name, int64_t value);
void esk_kernel_float(struct esk_kernel *k, const char *name, float value);
void esk_kernel_ints(struct esk_kernel *k, const char *name, uint32_t count,
                     const int64_t *values);
void esk_kernel_floats(struct esk_kernel *k, const char *name, uint32_t count,
                       const float *values);
/* Late parameters: element of a host var, read anew each run. */
void esk_kernel_host_float(struct esk_kernel *k, const char *name, esk_id var,
                           uint32_t element);
void esk_kernel_host_int(struct esk_kernel *k, const char *name, esk_id var,
                         uint32_t element);
/* A list: its first `count` elements. */
void esk_kernel_host_ints(struct esk_kernel *k, const char *name, uint32_t count,
                          esk_id var);

/* A stable listing of a kernel, for golden tests and `esker info`. */
void esk_kernel_print(const struct esk_kernel *k, struct esk_text *text);

#endif
