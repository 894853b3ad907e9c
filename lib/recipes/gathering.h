/* Indices that data says: what Gather, GatherElements, GatherND and the Scatters share.
 */
#ifndef ESK_RECIPES_GATHERING_H
#define ESK_RECIPES_GATHERING_H

#include "ir/op.h"

/* A walk over the output (of a gather) or the updates (of a scatter), outermost dimension
 * first. At index i the tuple of indices starts at element Σ i[k] * place[k] of the
 * indices; the data's element is Σ i[k] * stride[k] + Σ tuple[j] * axis_stride[j]. */
struct esk_gathering {
    int rank; /* ≥ 1 */
    int64_t dim[2 * ESK_MAX_RANK], stride[2 * ESK_MAX_RANK], place[2 * ESK_MAX_RANK];
    int tuple;
    int64_t axis_dim[ESK_MAX_RANK], axis_stride[ESK_MAX_RANK];
};

/* One for each operator: from its attributes, the data's dims and strides (of any layout)
 * and the indices' dims, all checked. */
typedef void (*esk_gathering_fn)(const struct esk_node *node, int rank,
                                 const int64_t *dims, const int64_t *strides, int i_rank,
                                 const int64_t *indices, struct esk_gathering *g);
void esk_gathering_axis(const struct esk_node *node, int rank, const int64_t *dims,
                        const int64_t *strides, int i_rank, const int64_t *indices,
                        struct esk_gathering *g);
void esk_gathering_elements(const struct esk_node *node, int rank, const int64_t *dims,
                            const int64_t *strides, int i_rank, const int64_t *indices,
                            struct esk_gathering *g);
void esk_gathering_nd(const struct esk_node *node, int rank, const int64_t *dims,
                      const int64_t *strides, int i_rank, const int64_t *indices,
                      struct esk_gathering *g);

/* Calls `row` for rows of `n` elements, in order: element i of a row is the data's
 * element at + i * stride. A bad index is an error. */
typedef void (*esk_gathering_row)(void *user, int64_t at, int64_t n, int64_t stride);
esk_status esk_gathering_walk(const struct esk_cpu *c, const struct esk_gathering *g,
                              const struct esk_tensor *indices, esk_gathering_row row,
                              void *user);

/* Turns all into units of vec4s if they are made of them. */
bool esk_gathering_vec4(struct esk_gathering *g);
/* Defines and parameters of lib/index.glsl and lib/pick.glsl, groups; operands are added.
 */
void esk_gathering_kernel(struct esk_kernel *k, const struct esk_limits *limits,
                          const struct esk_gathering *g, esk_dtype indices, bool units);

#endif
