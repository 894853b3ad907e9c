/* Products of floats by OpenBLAS, where it is installed. In: matrices of rows; out: sums.
 * Must not know tensors. */
#ifndef ESK_RECIPES_BLAS_H
#define ESK_RECIPES_BLAS_H

#include <stdbool.h>
#include <stdint.h>

/* C = A·B + beta·C, A m×k and B k×n, rows lda, ldb, ldc apart; `a_t`, `b_t`: they lie
 * transposed. false, and nothing is done: there is no OpenBLAS, the product is too small
 * to ask it, or a size does not fit its int. Its threads start at the first call: until
 * then the process has none of them, which glcompute/egl.h counts on. Any thread. */
bool esk_blas_sgemm(bool a_t, bool b_t, int64_t m, int64_t n, int64_t k, const float *a,
                    int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                    int64_t ldc);

#endif
