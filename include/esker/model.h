/* Looking at a model without a device, and building one. */
#ifndef ESKER_MODEL_H
#define ESKER_MODEL_H

#include "esker/session.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A model: read from ONNX, or built here. Building is for one thread at a time; a model
 * handed to a session is not changed after. */
typedef struct esk_model esk_model;

/* Reads an ONNX file (IR 3 to 13), or bytes of one. Errors: IO, INVALID_MODEL with the
 * place, UNSUPPORTED, OUT_OF_MEMORY. `bytes` are copied unless `borrow` is set. */
ESK_API esk_status esk_model_load(const char *path, esk_model **model, esk_error *error);
ESK_API esk_status esk_model_load_from_memory(const void *bytes, size_t size, bool borrow,
                                              const char *directory, esk_model **model,
                                              esk_error *error);

/* The builder: the second door to a graph. */
ESK_API esk_status esk_model_create(const char *name, int opset, esk_model **model,
                                    esk_error *error);
/* A graph input; dims may hold -1 for free ones; rank -1: unknown. */
ESK_API esk_status esk_model_add_input(esk_model *model, const char *name,
                                       esk_dtype dtype, int rank, const int64_t *dims,
                                       esk_error *error);
/* A constant; its bytes are copied. */
ESK_API esk_status esk_model_add_constant(esk_model *model, const char *name,
                                          const esk_value *value, esk_error *error);

/* One attribute of a node; `kind` says which member holds. */
typedef struct esk_attribute {
    const char *name;
    char kind; /* 'i' int, 'f' float, 's' string, 'I' ints, 'F' floats, 't' tensor */
    int64_t i;
    float f;
    const char *s;
    size_t count; /* of ints and floats */
    const int64_t *ints;
    const float *floats;
    const esk_value *tensor;
} esk_attribute;

/* A node; inputs that no one made yet are an error. "" or NULL names an absent one. */
ESK_API esk_status esk_model_add_node(esk_model *model, const char *domain,
                                      const char *op_type, const char *name,
                                      const char *const *inputs, size_t n_inputs,
                                      const char *const *outputs, size_t n_outputs,
                                      const esk_attribute *attributes,
                                      size_t n_attributes, esk_error *error);
ESK_API esk_status esk_model_add_output(esk_model *model, const char *name,
                                        esk_error *error);

ESK_API void esk_model_destroy(esk_model *model);

/* A session over a model; the model is left usable and may be destroyed. */
ESK_API esk_status esk_session_create_from_model(esk_env *env, const esk_model *model,
                                                 const esk_session_options *options,
                                                 esk_session **session, esk_error *error);

/* Facts. Strings and arrays live as long as the model. */
ESK_API size_t esk_model_input_count(const esk_model *model);
ESK_API const esk_value_info *esk_model_input(const esk_model *model, size_t index);
ESK_API size_t esk_model_output_count(const esk_model *model);
ESK_API const esk_value_info *esk_model_output(const esk_model *model, size_t index);
ESK_API const char *esk_model_metadata(const esk_model *model, const char *key);
ESK_API const char *esk_model_metadata_key(const esk_model *model, size_t index);
/* Nodes of the main graph, and node `index`'s operator as "domain.Op" ("Op" for the
 * default domain). */
ESK_API size_t esk_model_node_count(const esk_model *model);
ESK_API const char *esk_model_node_op(const esk_model *model, size_t index);
/* Opset imports: domain ("" is the default one) and version; false past the end. */
ESK_API bool esk_model_opset(const esk_model *model, size_t index, const char **domain,
                             int64_t *version);

#ifdef __cplusplus
}
#endif
#endif
