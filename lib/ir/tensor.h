/* Tensors in host memory, and the arithmetic of shapes. Plain data; knows no graph. */
#ifndef ESK_IR_TENSOR_H
#define ESK_IR_TENSOR_H

#include "base/error.h"
#include "base/text.h"
#include "esker/tensor.h"

/* A dense row-major tensor; `data` is aligned to its element and owned by somebody else.
 */
struct esk_tensor {
    esk_dtype dtype;
    int rank;
    int64_t dim[ESK_MAX_RANK]; /* known, ≥ 0 */
    void *data;                /* may be NULL when there are no elements */
    size_t bytes;
};

/* Elements; false if negative or over what 63 bits (and `size_t` bytes) hold. */
bool esk_shape_count(int rank, const int64_t *dims, int64_t *count);
/* Bytes of `count` elements, packed types rounded up; false on overflow. */
bool esk_dtype_bytes(esk_dtype dtype, int64_t count, size_t *bytes);
/* The product of dims[from, to); no check: the shape was checked when it entered. */
int64_t esk_shape_product(const int64_t *dims, int from, int to);
/* Row-major strides in elements. */
void esk_shape_strides(int rank, const int64_t *dims, int64_t *strides);
bool esk_shape_equal(int rank_a, const int64_t *a, int rank_b, const int64_t *b);
/* axis in [-rank, rank) → [0, rank); false outside. */
bool esk_shape_axis(int64_t axis, int rank, int *result);
/* ONNX (numpy) broadcasting of two shapes; false if they do not fit. `out` may be a or b.
 */
bool esk_shape_broadcast(int rank_a, const int64_t *a, int rank_b, const int64_t *b,
                         int *rank_out, int64_t *out);
/* Strides for reading a tensor of shape `dims` as one broadcast to `out_rank` dims: 0
 * where it is repeated; dims are aligned at the end. */
void esk_shape_broadcast_strides(int rank, const int64_t *dims, int out_rank,
                                 const int64_t *out_dims, int64_t *strides);
/* Appends "float[1,3,?]"; rank < 0 prints "float[...]". */
void esk_shape_print(struct esk_text *text, esk_dtype dtype, int rank,
                     const int64_t *dims);

/* Element i of a tensor of a numeric type, as double or int64 (bool counts as 0/1). Slow:
 * for small host values. */
double esk_tensor_double(const struct esk_tensor *tensor, int64_t i);
/* The first element that is NaN; -1: none is, or the type has none, or there are no data.
 */
int64_t esk_tensor_find_nan(const struct esk_tensor *tensor);
int64_t esk_tensor_int(const struct esk_tensor *tensor, int64_t i);
void esk_tensor_set_double(struct esk_tensor *tensor, int64_t i, double value);
void esk_tensor_set_int(struct esk_tensor *tensor, int64_t i, int64_t value);

bool esk_dtype_is_float(esk_dtype dtype);  /* float, double, float16, bfloat16 */
bool esk_dtype_is_int(esk_dtype dtype);    /* 8 to 64 bit, not bool */
bool esk_dtype_is_signed(esk_dtype dtype); /* the integers that are */

#endif
