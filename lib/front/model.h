/* The model: graph, functions, opset imports, metadata; and the way from what a loader or
 * a caller built to the one dialect that the house speaks.
 *
 * load (front/onnx) or build (public model.h) → esk_model_verify → esk_model_upgrade. */
#ifndef ESK_FRONT_MODEL_H
#define ESK_FRONT_MODEL_H

#include "base/hash.h"
#include "base/log.h"
#include "esker/model.h"
#include "front/file.h"
#include "ir/op.h"

struct esk_opset {
    const char *domain; /* "" is the default domain ("ai.onnx" is folded into it) */
    int64_t version;
};

/* A function of the model (or of an operator): its graph's inputs and outputs are formal.
 */
struct esk_function {
    const char *domain, *name, *overload;
    struct esk_graph *graph;  /* owned */
    struct esk_opset *opsets; /* its own imports */
    size_t n_opsets;
    const char **attributes; /* names it takes without default */
    size_t n_attributes;
    struct esk_attr *defaults; /* attributes with default */
    size_t n_defaults;
};

struct esk_property {
    const char *key, *value;
};

struct esk_model {
    struct esk_arena arena;
    struct esk_graph *graph; /* owned */
    struct esk_opset *opsets;
    size_t n_opsets, cap_opsets;
    struct esk_function *functions;
    size_t n_functions, cap_functions;
    struct esk_property *metadata; /* the model's own, then nothing else */
    size_t n_metadata, cap_metadata;
    struct esk_property *facts; /* producer_name, ir_version, … */
    size_t n_facts, cap_facts;
    int64_t ir_version;
    esk_value_info *inputs,
        *outputs; /* as declared; made on demand by esk_model_describe */
    size_t n_inputs, n_outputs;
    const char **node_ops; /* "domain.Op" of the main graph's nodes as they were read */
    size_t n_node_ops, cap_node_ops;
    struct esk_map names;   /* building: var names to ids */
    struct esk_blob *bytes; /* the file, mapped or copied; tensors refer to it */
    /* that were mapped: the model's own, then external data */
    struct esk_model_file *files;
    size_t n_files, cap_files;
};

struct esk_model_file {
    const char *path; /* in the arena */
    struct esk_file_facts facts;
};

/* Memory that stands for files and initializers of a model: by the caller's promise
 * there, unchanged, for as long as the model, or one copied from it, lives. */
struct esk_given_file {
    char *name;
    const void *bytes;
    size_t size;
};
struct esk_given_initializer {
    char *name;
    struct esk_tensor tensor;
};
struct esk_given {
    struct esk_given_file *files; /* of external data */
    size_t n_files, cap_files;
    struct esk_given_initializer *initializers; /* of the main graph */
    size_t n_initializers, cap_initializers;
};

/* Where a model comes from: a path, or bytes, with the directory of its external data. */
struct esk_source {
    const char *path; /* NULL: bytes */
    const void *bytes;
    size_t size;
    bool borrow;
    const char *directory; /* may be NULL: external data are refused */
};

/* As the public functions. Initializers that are given are not read where their bytes are
 * in other files: such a model is whole after esk_model_give. given: NULL: nothing. */
esk_status esk_model_load_with(const struct esk_source *source,
                               const struct esk_given *given, struct esk_model **model,
                               esk_error *error);
/* Puts the given initializers in. Errors: INVALID_ARGUMENT for what the model does not
 * have, or has with another type or shape. */
esk_status esk_model_give(struct esk_model *model, const struct esk_given *given,
                          esk_error *error);

/* A model without graph; NULL: memory. */
struct esk_model *esk_model_new(void);
/* Adding facts; strings are copied. false: memory. */
bool esk_model_add_opset(struct esk_model *model, const char *domain, int64_t version);
bool esk_model_add_metadata(struct esk_model *model, const char *key, const char *value);
bool esk_model_add_fact(struct esk_model *model, const char *key, const char *value);
bool esk_model_add_file(struct esk_model *model, const char *path,
                        const struct esk_file_facts *facts);

/* A copy that stands alone (initializer bytes are shared by reference), for a session
 * over a model that somebody keeps. */
esk_status esk_model_copy(const struct esk_model *model, struct esk_model **copy,
                          esk_error *error);

/* Checks names, order (sorts the nodes topologically where the file did not), arities,
 * attribute kinds, types of initializers against their bytes, bodies; resolves operators
 * by name and version, outer names into captures. Unknown operators that are no function
 * are an error that lists all of them. Nesting deeper than 32 graphs is refused. */
esk_status esk_model_verify(struct esk_model *model, esk_error *error);

/* Calls each operator's `upgrade`, expands functions where no operator stands, turns
 * Constant nodes into constants, in the main graph and all bodies. After it `since` of
 * every node is the newest known version. */
esk_status esk_model_upgrade(struct esk_model *model, const struct esk_logger *log,
                             esk_error *error);

/* Fills inputs, outputs and node_ops with what is new; before verify. */
esk_status esk_model_describe(struct esk_model *model, esk_error *error);

#endif
