/* OpenBLAS, where it is there, for large products. In: matrices; out: sums. Must not know
 * tensors. */
#include "recipes/blas.h"

#include "base/process.h"

#include <limits.h>
#include <string.h>

enum { SMALL = 1 << 16, ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };

typedef void sgemm_fn(int order, int a_trans, int b_trans, int m, int n, int k,
                      float alpha, const float *a, int lda, const float *b, int ldb,
                      float beta, float *c, int ldc);

bool esk_blas_sgemm(bool a_t, bool b_t, int64_t m, int64_t n, int64_t k, const float *a,
                    int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                    int64_t ldc) {
    if (m < 1 || n < 1 || k < 1 || m > INT_MAX || n > INT_MAX || k > INT_MAX ||
        lda > INT_MAX || ldb > INT_MAX || ldc > INT_MAX ||
        (double)m * (double)n * (double)k <= SMALL)
        return false;
    void *symbol = esk_openblas("cblas_sgemm");
    sgemm_fn *sgemm;
    memcpy(&sgemm, &symbol, sizeof sgemm); /* ISO C has no cast for it */
    if (symbol)
        sgemm(ROW_MAJOR, a_t ? TRANS : NO_TRANS, b_t ? TRANS : NO_TRANS, (int)m, (int)n,
              (int)k, 1, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
    return symbol;
}
