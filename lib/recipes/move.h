/* Moving elements: output element i is input element f(i), f affine in the index of i.
 * Most shape operators are that; they differ in how they write down the strides. */
#ifndef ESK_RECIPES_MOVE_H
#define ESK_RECIPES_MOVE_H

#include "ir/op.h"

enum { ESK_MOVE_RANK = 2 * ESK_MAX_RANK };

/* The output, whole and in the order it lies in memory, outermost dimension first; its
 * element at index i is input element offset + Σ i[k] * stride[k]. */
struct esk_move {
    int rank;
    int64_t dim[ESK_MOVE_RANK], stride[ESK_MOVE_RANK];
    int64_t offset;
    int64_t valid; /* elements of the innermost dimension from here on are zero and read
                      nothing (pad channels); 0: all are real */
};

void esk_move_push(struct esk_move *move, int64_t dim, int64_t stride);
/* Drops dimensions of one, joins neighbours whose strides allow it; rank ≥ 1 afterwards.
 */
void esk_move_collapse(struct esk_move *move);
/* After collapse: element i is element i. */
bool esk_move_is_copy(const struct esk_move *move);

/* ---- on the host ---- */

/* Bytes of an element that the host can move one by one; 0: packed types, strings. */
size_t esk_move_element(esk_dtype dtype);
void esk_move_cpu(const struct esk_move *move, size_t element, void *dst,
                  const void *src);
/* The same from a `cpu` function, for input `in` and output `out`; dense strides. */
esk_status esk_move_cpu_call(const struct esk_cpu *c, uint32_t in, uint32_t out,
                             const struct esk_move *move);
/* At most `most` integers of a host tensor; NULL gives none. */
uint32_t esk_move_ints(const struct esk_tensor *tensor, int64_t *values, uint32_t most);

/* ---- on the device ---- */

/* Every tensor has a storage and element indices that fit an int; else UNSUPPORTED. */
esk_status esk_move_ready(const struct esk_ctx *c);
/* Bytes of an element. */
int64_t esk_move_unit(enum esk_storage storage);
/* Strides, in elements, of the ONNX dims of a tensor as it lies in a layout. */
void esk_move_strides(enum esk_layout layout, int rank, const int64_t *dims,
                      int64_t *strides);
/* The layout that a kernel can read input i in without cost: the current one. */
enum esk_layout esk_move_layout(const struct esk_ctx *c, uint32_t i);
/* The kernel that makes output `out` from input `in`, both in the recipe's layouts. */
void esk_move_kernel(const struct esk_ctx *c, struct esk_recipe *r,
                     const struct esk_move *move, uint32_t in, uint32_t out);
/* The same from one operand to another: for scratch. */
void esk_move_kernel_refs(const struct esk_ctx *c, struct esk_recipe *r,
                          const struct esk_move *move, struct esk_ref_to from,
                          uint32_t out);

/* Output `out` has dims y, whose dim k walks input `in` (in r->in_layout[in]) by
 * strides[k] from `offset`. `to_end`: its channels are the input's last, so that C4's pad
 * lanes are zeros. Says the output's layout in r and returns the move, collapsed. */
struct esk_move esk_move_output(const struct esk_ctx *c, struct esk_recipe *r,
                                uint32_t in, uint32_t out, const int64_t *strides,
                                int64_t offset, bool to_end);
/* Index arithmetic that kernels share: the decimal places of `count` in the mixed radix
 * `dims`, as a list parameter. */
void esk_move_step(struct esk_kernel *k, const char *name, int rank, const int64_t *dims,
                   int64_t count);
/* Groups of kernels whose invocations do four units each, LOCAL_SIZE apart; adds p_count.
 */
enum { ESK_MOVE_PER = 4 };
void esk_move_groups(struct esk_kernel *k, const struct esk_limits *limits,
                     int64_t units);

#endif
