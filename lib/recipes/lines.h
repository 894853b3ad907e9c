/* Tensors as lines along one axis, for operators that work line by line on the host:
 * softmax, norms, cumulative sums, reductions. Values travel as double or int64. */
#ifndef ESK_RECIPES_LINES_H
#define ESK_RECIPES_LINES_H

#include "ir/tensor.h"

/* Line (o, i) holds the elements (o * size + k) * inner + i, 0 ≤ k < size. */
struct esk_lines {
    int64_t outer, size, inner;
};

/* Along `axis`; a scalar is one line of one element. */
struct esk_lines esk_lines_along(int rank, const int64_t *dims, int axis);
/* The axes from `axis` on as one: inner is 1. axis may be `rank`: lines of one element.
 */
struct esk_lines esk_lines_from(int rank, const int64_t *dims, int axis);

/* Elements first, first + stride, … (n of them) of a float, integer or bool tensor, as
 * double; and back, rounded to the tensor's type as a cast would. */
void esk_read_doubles(const struct esk_tensor *tensor, int64_t first, int64_t stride,
                      int64_t n, double *values);
void esk_write_doubles(struct esk_tensor *tensor, int64_t first, int64_t stride,
                       int64_t n, const double *values);
/* The same for integers and bools, exact; unsigned 64-bit values by their bits. Stores
 * keep the low bits. */
void esk_read_ints(const struct esk_tensor *tensor, int64_t first, int64_t stride,
                   int64_t n, int64_t *values);
void esk_write_ints(struct esk_tensor *tensor, int64_t first, int64_t stride, int64_t n,
                    const int64_t *values);

#endif
