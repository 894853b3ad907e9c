/* What Einsum and its pattern (patterns_einsum.c) share: an equation over shapes as
 * numbers. */
#ifndef ESK_OPS_EINSUM_H
#define ESK_OPS_EINSUM_H

#include "ir/op.h"

enum { ESK_EINSUM_LABELS = 24, ESK_EINSUM_TERMS = 16 };

/* Labels in the order of the output, then those that are summed. Strides are elements of
 * the dense inputs; 0: the input lacks the label, or has one item of it. */
struct esk_einsum {
    int n, n_out;
    int64_t dim[ESK_EINSUM_LABELS], stride[ESK_EINSUM_TERMS][ESK_EINSUM_LABELS];
};

/* `shapes`: of each input. */
esk_status esk_einsum_read(const struct esk_node *node, esk_error *error, uint32_t n_in,
                           const int *ranks, const int64_t *const *shapes,
                           struct esk_einsum *e);

/* Of two inputs: Einsum's own kernel is one product, nothing need be moved. */
bool esk_einsum_is_product(const struct esk_einsum *e);

#endif
