/* The graph: vars (ONNX values) and nodes in arrays by id, over one arena. What the
 * loader builds, what passes rewrite, what a bind clones and fills with shapes.
 *
 * A `var` is one value of the graph; the public `esk_value` is a tensor at run time. Vars
 * and nodes never move: a pointer stays good as long as the graph; ids are what is
 * stored. Not thread-safe while it changes; const graphs may be read from any thread. */
#ifndef ESK_IR_GRAPH_H
#define ESK_IR_GRAPH_H

#include "base/arena.h"
#include "base/error.h"
#include "base/text.h"
#include "ir/tensor.h"

#include <stdatomic.h>

typedef uint32_t esk_id;
#define ESK_NONE UINT32_MAX

/* Bytes of constants: mapped file, heap, or the caller's memory. Refcounted, thread-safe.
 */
struct esk_blob {
    atomic_uint refs;
    void *data; /* must not be written */
    size_t size;
    void (*release)(void *user, void *data,
                    size_t size); /* may be NULL: nothing to free */
    void *user;
};

/* A blob with one reference; NULL when out of memory (then nothing was released). */
struct esk_blob *esk_blob_create(void *data, size_t size,
                                 void (*release)(void *, void *, size_t), void *user);
struct esk_blob *esk_blob_heap(size_t size); /* zeroed memory of its own */
struct esk_blob *esk_blob_ref(struct esk_blob *blob);
void esk_blob_unref(struct esk_blob *blob); /* NULL is allowed */

/* Attributes; kinds have the numbers of ONNX's AttributeProto.AttributeType. */
enum esk_attr_kind {
    ESK_ATTR_FLOAT = 1,
    ESK_ATTR_INT = 2,
    ESK_ATTR_STRING = 3,
    ESK_ATTR_TENSOR = 4,
    ESK_ATTR_GRAPH = 5,
    ESK_ATTR_FLOATS = 6,
    ESK_ATTR_INTS = 7,
    ESK_ATTR_STRINGS = 8,
    ESK_ATTR_TENSORS = 9,
    ESK_ATTR_GRAPHS = 10,
    ESK_ATTR_SPARSE_TENSOR = 11,
    ESK_ATTR_SPARSE_TENSORS = 12,
    ESK_ATTR_TYPE_PROTO = 13,
    ESK_ATTR_TYPE_PROTOS = 14,
};

struct esk_string {
    const char *data; /* NUL-terminated besides */
    size_t length;
};

struct esk_attr {
    const char *name;
    /* in a function body: the attribute of the caller it takes; or NULL */
    const char *ref;
    enum esk_attr_kind kind;
    size_t count; /* items of a list; 1 otherwise */
    union {
        int64_t i;
        float f;
        struct esk_string s;
        const int64_t *ints;
        const float *floats;
        const struct esk_string *strings;
        const struct esk_tensor *tensors; /* TENSOR (one) and TENSORS; bytes in the arena
                                             or in a blob that the graph holds */
        struct esk_graph *const *graphs;  /* GRAPH (one) and GRAPHS */
    };
};

/* How a device keeps a tensor's elements. One row: name, bytes of a unit, elements of it.
 */
#define ESK_STORAGE_LIST(X)                                                             \
    X(HOST, 0, 1)  /* none: host memory only */                                         \
    X(F32, 4, 1)   /* float; float16 whose innermost extent is odd, rounded on store */ \
    X(F16X2, 4, 2) /* two halves a word, first in the low bits */                       \
    X(I32, 4, 1)   /* int32; int8, int16 kept wide */                                   \
    X(U32, 4, 1)   /* uint32; uint8, uint16 kept wide; bool as 0 or 1 */                \
    X(I64X2, 8, 1) /* int64, uint64: low word, high word */

enum esk_storage {
#define ESK_STORAGE_ENUM(name, bytes, elements) ESK_STORAGE_##name,
    ESK_STORAGE_LIST(ESK_STORAGE_ENUM)
#undef ESK_STORAGE_ENUM
};
const char *esk_storage_name(enum esk_storage storage);

/* DENSE: row-major as in ONNX. C4: rank ≥ 3, [N, spatial…, C rounded up to 4], the pad
 * channels zero. FORM: a recipe's own (weights). */
enum esk_layout { ESK_LAYOUT_DENSE, ESK_LAYOUT_C4, ESK_LAYOUT_FORM };

enum esk_var_flag {
    ESK_VAR_INPUT = 1 << 0,       /* a graph input, fed by the caller */
    ESK_VAR_OUTPUT = 1 << 1,      /* a graph output */
    ESK_VAR_INITIALIZER = 1 << 2, /* has bytes in the model; with INPUT: unless fed */
    ESK_VAR_CAPTURE = 1 << 3,     /* of a body: taken from the graph around it, `outer` */
    ESK_VAR_BEYOND = 1 << 4,      /* in a bind: not to be had before the stage's end */
    ESK_VAR_FROM_INPUT =
        1 << 5,             /* in a bind: known because the caller's bytes were read */
    ESK_VAR_EARLY = 1 << 6, /* in a plan: the host makes it before the first stage */
    ESK_VAR_WORDS = 1 << 7, /* bits of something else: no numbers of its type */
};

/* A value that lies nowhere yet: it walks the bytes of another var, `base`, which is in
 * memory in `layout`. The element at ONNX index i is element offset + Σ digit * stride of
 * the base, where the index of axis k is written in the digits whose `axis` is k,
 * outermost first (all digits in order: the index of the element in row-major order). */
enum { ESK_WALK_DIGITS = 2 * ESK_MAX_RANK };
struct esk_walk {
    esk_id base;
    enum esk_layout layout;
    int n;
    int64_t dim[ESK_WALK_DIGITS], stride[ESK_WALK_DIGITS];
    int axis[ESK_WALK_DIGITS];
    int64_t offset;
    enum esk_layout prefer; /* in which it costs least to have in memory */
};

struct esk_var {
    const char *name;            /* unique in its graph, never empty */
    esk_dtype dtype;             /* UNDEFINED until known */
    int rank;                    /* -1 until known */
    int64_t dim[ESK_MAX_RANK];   /* ONNX order, always; -1 where not known */
    const char *const *dim_name; /* rank names, each may be NULL; NULL: no names */
    const char *const *dim_denotation;
    esk_id producer; /* node; ESK_NONE for inputs and constants */
    esk_id outer;    /* CAPTURE: the var of the graph around */
    uint32_t flags;
    /* known: the bytes, dense, aligned; of an initializer in `blob`, else in the arena */
    const void *data;
    size_t bytes;
    /* borrowed from the graph's list; NULL unless an initializer */
    struct esk_blob *blob;
    /* how the device has it; set by compile/choose before consumers' `gpu` is asked */
    enum esk_storage storage;
    enum esk_layout layout;      /* of a walk: what it prefers */
    const struct esk_walk *walk; /* NULL: it is in memory */
};

/* Of dead nodes: KNOWN: computed while planning; HEIR: a pattern put others in its place;
 * UNDONE: of a pattern that was given up; EARLIER, LATER: in the plan on the other side
 * of a cut. */
enum esk_home {
    ESK_HOME_NONE,
    ESK_HOME_DEVICE,
    ESK_HOME_HOST,
    ESK_HOME_KNOWN,
    ESK_HOME_HEIR,
    ESK_HOME_UNDONE,
    ESK_HOME_EARLIER,
    ESK_HOME_LATER,
};

struct esk_node {
    const char *name; /* the model's, or made: "Conv_12"; never empty */
    const char *domain, *op_type, *overload;
    const struct esk_op *op; /* NULL: unknown, or a function not yet expanded */
    int opset;               /* the version of the domain that the model imports */
    int since;               /* the version of the op that holds there; after upgrade the
                                newest known */
    uint32_t n_in, n_out, n_attrs;
    esk_id *in, *out; /* ESK_NONE: absent */
    struct esk_attr *attrs;
    uint32_t n_captures; /* vars of this graph that the node's bodies take */
    esk_id *captures;
    const esk_id *capture_keys; /* what the bodies call them (`outer`); NULL: the same.
                                   Set in clones, which share bodies */
    bool dead;                  /* dropped by a pass */
    enum esk_home home;         /* where it runs; set by compile/place */
    esk_id heir;        /* of home HEIR: the node that makes its output, or takes it in */
    bool fallback;      /* on the host, and strict mode would refuse it */
    const char *reason; /* why not on the device; NULL if it is */
    const char *label;  /* the recipe that was chosen */
    enum esk_layout layout; /* of what it writes, on the device */
};

struct esk_graph {
    struct esk_arena arena;
    const char *name;
    struct esk_var **vars;
    struct esk_node **nodes;
    /* node ids in an order of execution (after verify); may hold dead ones */
    esk_id *order;
    esk_id *inputs, *outputs; /* vars */
    uint32_t n_vars, n_nodes, n_order, n_inputs, n_outputs;
    uint32_t n_formal; /* inputs[0, n_formal) are the model's; behind them the captures */
    size_t cap_vars, cap_nodes, cap_order, cap_inputs, cap_outputs;
    struct esk_blob **blobs; /* references that the graph holds */
    size_t n_blobs, cap_blobs;
    struct esk_graph **bodies; /* owned: those that attributes of its nodes refer to */
    size_t n_bodies, cap_bodies;
    bool is_body;     /* an attribute of a node refers to it: its inputs may come from a
                         device */
    bool open_shapes; /* a bind: sizes of inputs were free, another run may have others */
    int64_t rotary_split; /* option multiRotaryCacheConcatOffset: the first so many rows
                             of rotary tables are for sequences that are no longer; those
                             behind them for longer ones. 0: tables have one part */
    int kv_bits; /* option kvCacheQuantizationBits: rows of caches are kept in 4 or 8 bits
                    an element; 0: as they are */
    bool frozen_blobs; /* a clone: blobs and bodies are borrowed from the original, which
                          lives on */
};

struct esk_graph *esk_graph_create(const char *name); /* NULL: memory */
void esk_graph_destroy(struct esk_graph *graph);      /* and its bodies */

/* A deep copy but for strings, bytes, bodies and blobs, which are borrowed from `graph`:
 * it must outlive the copy. */
struct esk_graph *esk_graph_clone(const struct esk_graph *graph);
/* A copy that stands alone, bodies too; blobs are shared by reference. Not of a clone. */
struct esk_graph *esk_graph_copy(const struct esk_graph *graph);

/* New things; ESK_NONE or NULL when out of memory. Names are copied. */
esk_id esk_graph_add_var(struct esk_graph *graph, const char *name);
esk_id esk_graph_add_temp(struct esk_graph *graph, const char *stem); /* a fresh name */
/* A node at the end of `order`. `in`, `out` are copied; producers of `out` are set. */
esk_id esk_graph_add_node(struct esk_graph *graph, const char *domain,
                          const char *op_type, const char *name, uint32_t n_in,
                          const esk_id *in, uint32_t n_out, const esk_id *out);
/* Bodies too. */
void esk_graph_set_caches(struct esk_graph *graph, int64_t rotary_split, int kv_bits);
bool esk_graph_add_input(struct esk_graph *graph, esk_id var);
bool esk_graph_add_output(struct esk_graph *graph, esk_id var);
bool esk_graph_hold(struct esk_graph *graph, struct esk_blob *blob); /* takes the ref */
/* The held blob that `data` lies in, or NULL. */
struct esk_blob *esk_graph_blob_of(const struct esk_graph *graph, const void *data);
/* The graph owns `body` from now on; on failure (memory) it stays the caller's. */
bool esk_graph_add_body(struct esk_graph *graph, struct esk_graph *body);
/* A known var over bytes copied into the arena; e.g. the int64 axes of an upgrade. */
esk_id esk_graph_add_const(struct esk_graph *graph, const char *stem, esk_dtype dtype,
                           int rank, const int64_t *dims, const void *data);

/* Moves the nodes that stand last in `order`, from index `from`, in front of position
 * `at`: an upgrade or a pass appends nodes, then puts them where they belong. */
void esk_graph_order_move(struct esk_graph *graph, uint32_t from, uint32_t at);

/* Copies the live nodes of `body`, in its order, to the end of the order, their names
 * under `prefix` ("call/Conv_3"); bodies of theirs are copied, blobs are shared.
 * map[body->n_vars] says which var of `graph` each var of `body` is; entries that are
 * ESK_NONE are filled with fresh vars, but for inputs without bytes: these stay absent.
 * false: memory. */
bool esk_graph_splice(struct esk_graph *graph, const struct esk_graph *body,
                      const char *prefix, esk_id *map);
/* A deep copy for another graph; tensors share blobs, bodies become `to`'s. */
bool esk_attr_copy(struct esk_graph *to, const struct esk_graph *from,
                   const struct esk_attr *attr, struct esk_attr *copy);

/* Every use of `from` (node inputs, captures, graph outputs) becomes `to`. */
void esk_graph_replace_uses(struct esk_graph *graph, esk_id from, esk_id to);
/* The number of uses by live nodes, bodies and as graph output. */
uint32_t esk_graph_count_uses(const struct esk_graph *graph, esk_id var);
/* The only live node that uses the var, when there is exactly one and the var is no graph
 * output and no capture; else ESK_NONE. */
esk_id esk_graph_only_user(const struct esk_graph *graph, esk_id var);

/* Attributes of a node. The getters return the default when the attribute is absent; the
 * loader has checked that kinds are what the attribute says. */
const struct esk_attr *esk_node_attr(const struct esk_node *node, const char *name);
int64_t esk_attr_int(const struct esk_node *node, const char *name, int64_t fallback);
float esk_attr_float(const struct esk_node *node, const char *name, float fallback);
const char *esk_attr_string(const struct esk_node *node, const char *name,
                            const char *fallback);
/* Copies at most `most` ints; returns how many there are (0 when absent). */
size_t esk_attr_ints(const struct esk_node *node, const char *name, int64_t *ints,
                     size_t most);
size_t esk_attr_floats(const struct esk_node *node, const char *name, float *floats,
                       size_t most);
/* NULL when absent. */
struct esk_graph *esk_attr_graph(const struct esk_node *node, const char *name);
/* Adding or replacing: a zeroed attribute to fill; NULL: memory. */
struct esk_attr *esk_node_add_attr(struct esk_graph *graph, struct esk_node *node,
                                   const char *name);
/* The same with its value; false: memory. */
bool esk_node_set_int(struct esk_graph *graph, struct esk_node *node, const char *name,
                      int64_t value);
bool esk_node_set_float(struct esk_graph *graph, struct esk_node *node, const char *name,
                        float value);
bool esk_node_set_ints(struct esk_graph *graph, struct esk_node *node, const char *name,
                       size_t count, const int64_t *values);
bool esk_node_set_string(struct esk_graph *graph, struct esk_node *node, const char *name,
                         const char *value);
void esk_node_remove_attr(struct esk_node *node, const char *name);

/* A var's facts as a host tensor (data: its known bytes, or NULL). */
struct esk_tensor esk_var_tensor(const struct esk_var *var);
int64_t esk_var_count(const struct esk_var *var); /* elements; the shape must be known */

/* Storage that a device gives a var of this type and innermost extent; HOST if none. */
enum esk_storage esk_storage_of(esk_dtype dtype, int rank, const int64_t *dims,
                                enum esk_layout layout);
/* The physical dims in a layout: DENSE: as they are; C4: [N, spatial…, C up to 4]. */
int esk_layout_dims(enum esk_layout layout, int rank, const int64_t *dims, int64_t *out);
/* Bytes that a tensor takes on the device, rounded up to 16; those behind its elements
 * may hold anything, except the pad channels of C4, which are zero. */
size_t esk_storage_bytes(enum esk_storage storage, enum esk_layout layout, int rank,
                         const int64_t *dims);

/* A stable listing, one line a node; for logs and golden tests. */
void esk_graph_print(const struct esk_graph *graph, struct esk_text *text);

#endif
