/* Convolutions in host memory: im2col and a product for floats, shifted sums for doubles
 * and depthwise kernels. Dense tensors in ONNX's order. */
#ifndef ESK_RECIPES_CONV_CPU_H
#define ESK_RECIPES_CONV_CPU_H

#include "recipes/window.h"

/* y = x * w + b: any float type, any group; b may be NULL. */
esk_status esk_conv_cpu(struct esk_cpu *c, const struct esk_window *window,
                        int64_t group);
/* The transposed one: w is [C, M / group, kernel…]. */
esk_status esk_conv_cpu_transposed(struct esk_cpu *c, const struct esk_window *window,
                                   int64_t group);

/* C[m][n] += A[m][k] * B[k][n], rows lda, ldb, ldc apart; `transposed`: A is [k][m]. */
void esk_conv_gemm(bool transposed, int64_t m, int64_t n, int64_t k, const float *a,
                   int64_t lda, const float *b, int64_t ldb, float *c, int64_t ldc);

#endif
