/* What verify and upgrade share: finding what a node means. */
#ifndef ESK_FRONT_VERIFY_H
#define ESK_FRONT_VERIFY_H

#include "front/model.h"

/* Graphs in graphs and functions in functions, together. */
enum { ESK_MODEL_DEPTH = 64, ESK_MODEL_GRAPHS = 32 };

/* The function that the node calls, or NULL. */
struct esk_function *esk_model_function(const struct esk_model *model,
                                        const struct esk_node *node);
/* The newest version that the operator knows. */
int esk_op_newest(const struct esk_op *op);
/* Inputs and outputs against the operator's record, in its newest version; drops absent
 * inputs at the end. */
esk_status esk_verify_arity(const struct esk_graph *graph, struct esk_node *node,
                            esk_error *error);

#endif
