/* One matrix product for all who need one: MatMul, Gemm, 1×1 convolution, attention. */
#ifndef ESK_RECIPES_GEMM_H
#define ESK_RECIPES_GEMM_H

#include "ir/op.h"

enum { ESK_GEMM_BATCH = ESK_MAX_RANK };

/* Where an operand lies that is no input or output of the node, dense: a var that a walk
 * goes over, scratch, or an output with rows apart. */
struct esk_gemm_at {
    bool given;
    struct esk_ref_to ref;  /* ESK_REF_VAR: its id */
    enum esk_layout layout; /* of a var */
    int64_t offset;         /* elements */
};

/* Y[z][m][n] = alpha * sum over k of A[z][m][k] * B[z][k][n] + beta * C[m][n]; Y is
 * output 0, dense. Strides are in elements and may be 0 (repeated). */
struct esk_gemm {
    uint32_t a, b, c; /* inputs of the node; c: ESK_NONE for none */
    int64_t m, n, k;
    int64_t a_row, a_col; /* from one m to the next, from one k to the next */
    int64_t b_row, b_col; /* from one k, from one n */
    int64_t c_row, c_col; /* from one m, from one n */
    int n_batch;          /* z in mixed radix, outermost first */
    int64_t batch[ESK_GEMM_BATCH], a_batch[ESK_GEMM_BATCH], b_batch[ESK_GEMM_BATCH];
    float alpha, beta;
    /* On the device alone: */
    struct esk_gemm_at a_at, b_at, y_at;
    bool a_whole; /* A's rows end with whole vec4s, whatever k is */
    int64_t y_row,
        y_batch[ESK_GEMM_BATCH]; /* if y_at is given, which has no offset; scratch
                                    has whole vec4s at the rows' ends */
};

/* Appends an axis of batches inside those there are; joined with the last where all lie
 * so. y: 0 where Y is dense. */
void esk_gemm_push_batch(struct esk_gemm *gemm, int64_t size, int64_t a, int64_t b,
                         int64_t y);

/* The product of numpy's matmul: 1-D operands are a row and a column, batch axes
 * broadcast; batch axes that lie alike are joined, a batch of A alone becomes rows. alpha
 * = beta = 1. false: the shapes do not fit. `rank` and `dims` are Y's. */
bool esk_gemm_of_shapes(int rank_a, const int64_t *a, int rank_b, const int64_t *b,
                        struct esk_gemm *gemm, int *rank, int64_t *dims);

/* Recipes: float and float16 tiled; these and 32- and 64-bit integers (without alpha and
 * beta) element by element. Takes epilogues. */
esk_status esk_gemm_gpu(struct esk_ctx *c, const struct esk_gemm *gemm);

/* The tiled kernels in a recipe of the caller's, between any operands; no epilogue. */
void esk_gemm_kernels(struct esk_ctx *c, struct esk_recipe *r,
                      const struct esk_gemm *gemm);

/* For `gpu`: operands a and b of rank 2 or more, where they lie as walks (recipes/walk):
 * strides of what they walk instead of their own, where that costs less than making them;
 * `a_t`, `b_t`: their last axes are swapped. Batches and rows are joined as they lie. */
void esk_gemm_walk(const struct esk_ctx *c, struct esk_gemm *gemm, bool a_t, bool b_t);

/* The same on the host: floats, double, half types (in float), 32- and 64-bit integers
 * (wrapping; alpha and beta truncate the product as a cast does). */
esk_status esk_gemm_cpu(struct esk_cpu *c, const struct esk_gemm *gemm);

#endif
