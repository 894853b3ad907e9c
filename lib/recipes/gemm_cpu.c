/* The matrix product on the host. In: tensors and a struct esk_gemm; out: Y. Floats use
 * BLAS where it is there, else double sums. Must not know operators. */
#include "recipes/gemm.h"

#include "base/half.h"
#include "recipes/blas.h"
#include "recipes/lines.h"

enum { BLOCK = 128 }; /* columns summed at a time */

bool esk_gemm_of_shapes(int rank_a, const int64_t *a, int rank_b, const int64_t *b,
                        struct esk_gemm *g, int *rank, int64_t *dims) {
    static const int64_t one = 1;
    bool row = rank_a == 1, column = rank_b == 1;
    if (rank_a == 0 || rank_b == 0)
        return false;
    int batch_a = row ? 0 : rank_a - 2, batch_b = column ? 0 : rank_b - 2, n = 0;
    int64_t batch[ESK_MAX_RANK], sa[ESK_MAX_RANK], sb[ESK_MAX_RANK];
    const int64_t *m = row ? &one : &a[batch_a], *k = &a[rank_a - 1];
    if (*k != b[column ? 0 : batch_b] ||
        !esk_shape_broadcast(batch_a, a, batch_b, b, &n, batch))
        return false;
    *g = (struct esk_gemm){
        .b = 1,
        .c = ESK_NONE,
        .m = *m,
        .n = column ? 1 : b[rank_b - 1],
        .k = *k,
        .a_row = *k,
        .a_col = 1,
        .b_row = column ? 1 : b[rank_b - 1],
        .b_col = 1,
        .alpha = 1,
        .beta = 1,
    };
    *rank = 0;
    for (int i = 0; i < n; i++)
        dims[(*rank)++] = batch[i];
    if (!row)
        dims[(*rank)++] = g->m;
    if (!column)
        dims[(*rank)++] = g->n;
    esk_shape_broadcast_strides(batch_a, a, n, batch, sa);
    esk_shape_broadcast_strides(batch_b, b, n, batch, sb);
    for (int i = 0; i < n; i++) {
        int64_t stride_a = sa[i] * g->m * g->k, stride_b = sb[i] * g->k * g->n;
        int last = g->n_batch - 1;
        if (batch[i] == 1)
            continue;
        if (last >= 0 && g->a_batch[last] == stride_a * batch[i] &&
            g->b_batch[last] == stride_b * batch[i])
            g->batch[last] *= batch[i]; /* lies as the axis before goes on */
        else
            g->batch[++last] = batch[i], g->n_batch++;
        g->a_batch[last] = stride_a, g->b_batch[last] = stride_b;
    }
    /* the innermost batch axes of A alone are rows */
    int last = g->n_batch - 1;
    if (last >= 0 && g->b_batch[last] == 0 && g->a_batch[last] == g->m * g->k) {
        g->m *= g->batch[last];
        g->n_batch--;
    }
    return true;
}

/* The offsets of batch z. */
static void offsets(const struct esk_gemm *g, int64_t z, int64_t *a, int64_t *b) {
    *a = *b = 0;
    for (int i = g->n_batch - 1; i >= 0; i--) {
        *a += z % g->batch[i] * g->a_batch[i];
        *b += z % g->batch[i] * g->b_batch[i];
        z /= g->batch[i];
    }
}

/* One batch; sums in `wide`, which must not trap on overflow. */
#define PRODUCT(type, wide)                                                            \
    static void product_##type(const struct esk_gemm *g, const type *a, const type *b, \
                               type *y) {                                              \
        for (int64_t m = 0; m < g->m; m++)                                             \
            for (int64_t n0 = 0; n0 < g->n; n0 += BLOCK) {                             \
                int64_t many = g->n - n0 < BLOCK ? g->n - n0 : BLOCK;                  \
                wide sum[BLOCK] = {0};                                                 \
                for (int64_t k = 0; k < g->k; k++) {                                   \
                    wide v = (wide)a[m * g->a_row + k * g->a_col];                     \
                    const type *p = b + k * g->b_row + n0 * g->b_col;                  \
                    if (g->b_col == 1)                                                 \
                        for (int64_t n = 0; n < many; n++)                             \
                            sum[n] += v * (wide)p[n];                                  \
                    else                                                               \
                        for (int64_t n = 0; n < many; n++)                             \
                            sum[n] += v * (wide)p[n * g->b_col];                       \
                }                                                                      \
                for (int64_t n = 0; n < many; n++)                                     \
                    y[m * g->n + n0 + n] = (type)sum[n];                               \
            }                                                                          \
    }
PRODUCT(float, double)
PRODUCT(double, double)
PRODUCT(uint32_t, uint32_t)
PRODUCT(uint64_t, uint64_t)

static void floats(const struct esk_gemm *g, const float *a, const float *b, float *y) {
    bool a_t = g->a_col != 1, b_t = g->b_col != 1;
    int64_t lda = a_t ? g->a_col : g->a_row, ldb = b_t ? g->b_col : g->b_row;
    bool fits = lda >= (a_t ? g->m : g->k) && ldb >= (b_t ? g->k : g->n) &&
                (!a_t || g->a_row == 1) && (!b_t || g->b_row == 1);
    if (fits && esk_blas_sgemm(a_t, b_t, g->m, g->n, g->k, a, lda, b, ldb, 0, y, g->n))
        return;
    product_float(g, a, b, y);
}

/* y = alpha * y + beta * c, row by row. */
static void scale(const struct esk_gemm *g, struct esk_tensor *y,
                  const struct esk_tensor *t) {
    double v[BLOCK], w[BLOCK] = {0};
    if (g->alpha == 1 && !t)
        return;
    bool exact = !esk_dtype_is_float(y->dtype) && g->alpha == 1 && g->beta == 1;
    for (int64_t m = 0; m < g->m; m++)
        for (int64_t n = 0; n < g->n; n += BLOCK) {
            int64_t many = g->n - n < BLOCK ? g->n - n : BLOCK, at = m * g->n + n;
            int64_t from = m * g->c_row + n * g->c_col;
            if (exact) {
                int64_t i[BLOCK], j[BLOCK];
                esk_read_ints(y, at, 1, many, i);
                esk_read_ints(t, from, g->c_col, many, j);
                for (int64_t k = 0; k < many; k++)
                    i[k] = (int64_t)((uint64_t)i[k] + (uint64_t)j[k]);
                esk_write_ints(y, at, 1, many, i);
                continue;
            }
            esk_read_doubles(y, at, 1, many, v);
            if (t)
                esk_read_doubles(t, from, g->c_col, many, w);
            for (int64_t k = 0; k < many; k++)
                v[k] = (double)g->alpha * v[k] + (double)g->beta * w[k];
            esk_write_doubles(y, at, 1, many, v);
        }
}

/* A half tensor as float. */
static float *widen(struct esk_cpu *c, const struct esk_tensor *t) {
    int64_t count = esk_shape_product(t->dim, 0, t->rank);
    float *v = ESK_ARENA_ARRAY(c->scratch, float, (size_t)count);
    const uint16_t *p = t->data;
    for (int64_t i = 0; v && i < count; i++)
        v[i] =
            t->dtype == ESK_FLOAT16 ? esk_half_to_float(p[i]) : esk_bfloat_to_float(p[i]);
    return v;
}

esk_status esk_gemm_cpu(struct esk_cpu *c, const struct esk_gemm *g) {
    const struct esk_tensor *a = c->in[g->a], *b = c->in[g->b];
    const struct esk_tensor *t = g->c != ESK_NONE && g->c < c->n_in ? c->in[g->c] : NULL;
    struct esk_tensor *y = c->out[0], wide = *y;
    const void *pa = a->data, *pb = b->data;
    bool half = y->dtype == ESK_FLOAT16 || y->dtype == ESK_BFLOAT16;
    int64_t batches = esk_shape_product(g->batch, 0, g->n_batch), size = g->m * g->n;
    if (batches * size == 0)
        return ESK_OK;
    if (half) { /* products and sums in float, one rounding at the end */
        wide.dtype = ESK_FLOAT;
        wide.data = ESK_ARENA_ARRAY(c->scratch, float, (size_t)(batches * size));
        pa = widen(c, a);
        pb = widen(c, b);
        if (!pa || !pb || !wide.data)
            return esk_fail_memory(c->error, c->node->name);
    }
    for (int64_t z = 0; z < batches; z++) {
        int64_t za, zb;
        offsets(g, z, &za, &zb);
        struct esk_tensor part = wide;
        size_t unit = wide.dtype == ESK_DOUBLE || wide.dtype == ESK_INT64 ||
                              wide.dtype == ESK_UINT64
                          ? 8
                          : 4;
        part.data = (char *)wide.data + (size_t)(z * size) * unit;
        switch (wide.dtype) {
        case ESK_FLOAT:
            floats(g, (const float *)pa + za, (const float *)pb + zb, part.data);
            break;
        case ESK_DOUBLE:
            product_double(g, (const double *)pa + za, (const double *)pb + zb,
                           part.data);
            break;
        case ESK_INT32:
        case ESK_UINT32:
            product_uint32_t(g, (const uint32_t *)pa + za, (const uint32_t *)pb + zb,
                             part.data);
            break;
        case ESK_INT64:
        case ESK_UINT64:
            product_uint64_t(g, (const uint64_t *)pa + za, (const uint64_t *)pb + zb,
                             part.data);
            break;
        default:
            return esk_cpu_fail(c, ESK_UNSUPPORTED, "no product of %s",
                                esk_dtype_name(y->dtype));
        }
        scale(g, &part, t);
    }
    const float *sum = wide.data;
    for (int64_t i = 0; half && i < batches * size; i++)
        ((uint16_t *)y->data)[i] = y->dtype == ESK_FLOAT16 ? esk_float_to_half(sum[i])
                                                           : esk_float_to_bfloat(sum[i]);
    return ESK_OK;
}
