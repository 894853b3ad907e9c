/* What the sources of this folder share: the reader's state and its steps. */
#ifndef ESK_FRONT_ONNX_READER_H
#define ESK_FRONT_ONNX_READER_H

#include "front/onnx/onnx.h"

#include "onnx.pb-c.h"

typedef Esker__Onnx__Model esk_pb_model;
typedef Esker__Onnx__Graph esk_pb_graph;
typedef Esker__Onnx__Node esk_pb_node;
typedef Esker__Onnx__Tensor esk_pb_tensor;
typedef Esker__Onnx__SparseTensor esk_pb_sparse;
typedef Esker__Onnx__Attribute esk_pb_attribute;
typedef Esker__Onnx__Type esk_pb_type;

struct esk_onnx_file {
    char *name; /* owned */
    struct esk_blob *blob;
};

struct esk_onnx_reader {
    struct esk_model *model;     /* notes the files; NULL: a tensor is read */
    struct esk_blob *bytes;      /* what raw ranges refer to */
    const char *directory;       /* of external data; NULL: refused */
    struct esk_onnx_file *files; /* external files mapped so far */
    size_t n_files, cap_files;
    const struct esk_given *given; /* may be NULL */
    bool inside;                   /* the main graph's initializers are behind us */
    esk_error *error;
};

/* Puts the place in front of the message when `call` fails. */
#define ESK_AT(error, call, ...)                    \
    do {                                            \
        esk_status esk_at_ = (call);                \
        if (esk_at_ != ESK_OK) {                    \
            esk_error_prefix((error), __VA_ARGS__); \
            return esk_at_;                         \
        }                                           \
    } while (0)

/* Optional strings may be NULL. */
static inline const char *esk_pb_text(const char *text) {
    return text ? text : "";
}
/* "ai.onnx" is the default domain's other name. */
const char *esk_onnx_domain(const char *domain);

/* tensor.c. *blob has one new reference; the tensor's data lie in it. */
esk_status esk_onnx_tensor_of(struct esk_onnx_reader *r, const esk_pb_tensor *t,
                              struct esk_tensor *tensor, struct esk_blob **blob);
/* Type and shape only; no data. */
esk_status esk_onnx_tensor_facts(struct esk_onnx_reader *r, const esk_pb_tensor *t,
                                 struct esk_tensor *tensor);
/* The same with its data, the blob held by `graph`. */
esk_status esk_onnx_tensor_in(struct esk_onnx_reader *r, struct esk_graph *graph,
                              const esk_pb_tensor *t, struct esk_tensor *tensor,
                              struct esk_blob **blob);
/* COO made dense. */
esk_status esk_onnx_sparse_in(struct esk_onnx_reader *r, struct esk_graph *graph,
                              const esk_pb_sparse *s, struct esk_tensor *tensor,
                              struct esk_blob **blob);
/* An external file that is in memory. */
esk_status esk_onnx_reader_give(struct esk_onnx_reader *r,
                                const struct esk_given_file *file);
void esk_onnx_reader_finish(struct esk_onnx_reader *r);

/* graph.c */
esk_status esk_onnx_attr_of(struct esk_onnx_reader *r, struct esk_graph *graph,
                            const esk_pb_attribute *a, struct esk_attr *attr);
esk_status esk_onnx_graph_of(struct esk_onnx_reader *r, const esk_pb_graph *g,
                             struct esk_graph **graph);
/* A function's body: formal names and nodes. */
esk_status esk_onnx_function_of(struct esk_onnx_reader *r, const Esker__Onnx__Function *f,
                                struct esk_graph **graph);

#endif
