/* Shapes of a node's inputs, the same for infer and gpu (vars) and cpu (tensors), so that
 * an operator describes its work once. */
#ifndef ESK_RECIPES_FACTS_H
#define ESK_RECIPES_FACTS_H

#include "ir/op.h"

enum { ESK_FACTS = 12 };
struct esk_facts {
    const struct esk_node *node;
    bool has[ESK_FACTS];
    esk_dtype dtype[ESK_FACTS];
    int rank[ESK_FACTS];
    const int64_t *dim[ESK_FACTS]; /* borrowed from the var or tensor */
};

static inline struct esk_facts esk_facts_of_vars(const struct esk_ctx *c) {
    struct esk_facts f = {.node = c->node};
    for (uint32_t i = 0; i < ESK_FACTS; i++) {
        const struct esk_var *v = esk_in(c, i);
        f.has[i] = v != NULL;
        if (v)
            f.dtype[i] = v->dtype, f.rank[i] = v->rank, f.dim[i] = v->dim;
    }
    return f;
}

static inline struct esk_facts esk_facts_of_tensors(const struct esk_cpu *c) {
    struct esk_facts f = {.node = c->node};
    for (uint32_t i = 0; i < ESK_FACTS && i < c->n_in; i++) {
        const struct esk_tensor *t = c->in[i];
        f.has[i] = t != NULL;
        if (t)
            f.dtype[i] = t->dtype, f.rank[i] = t->rank, f.dim[i] = t->dim;
    }
    return f;
}

#endif
