/* Det: determinants of square matrices, by elimination with the greatest pivot. */
#include "recipes/map.h"
#include "recipes/rows.h"

#include <math.h>

enum { MOST = 8 }; /* size of a matrix that an invocation keeps to itself */

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    if (x->rank < 2 || x->dim[x->rank - 1] != x->dim[x->rank - 2])
        return esk_node_fail(c, ESK_INVALID_MODEL, "X is not made of square matrices");
    return esk_set_out(c, 0, x->dtype, x->rank - 2, x->dim);
}

static double det(double *m, int64_t n) {
    double result = 1;
    for (int64_t k = 0; k < n; k++) {
        int64_t pivot = k;
        for (int64_t i = k + 1; i < n; i++)
            if (fabs(m[i * n + k]) > fabs(m[pivot * n + k]))
                pivot = i;
        for (int64_t j = k; j < n && pivot != k; j++) {
            double v = m[k * n + j];
            m[k * n + j] = m[pivot * n + j];
            m[pivot * n + j] = v;
        }
        double head = m[k * n + k];
        result *= pivot == k ? head : -head;
        if (head == 0)
            return 0;
        for (int64_t i = k + 1; i < n; i++) {
            double f = m[i * n + k] / head;
            for (int64_t j = k + 1; j < n; j++)
                m[i * n + j] -= f * m[k * n + j];
        }
    }
    return result;
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0];
    int64_t n = x->dim[x->rank - 1], count = esk_shape_product(x->dim, 0, x->rank - 2);
    double *m = ESK_ARENA_ARRAY(c->scratch, double, (size_t)(n * n));
    if (!m)
        return esk_fail_memory(c->error, c->node->name);
    for (int64_t i = 0; i < count; i++) {
        esk_rows_load_doubles(x, i * n * n, 1, n * n, m);
        double v = det(m, n);
        esk_rows_store_doubles(c->out[0], i, 1, &v);
    }
    return ESK_OK;
}

static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *who;
    int64_t n = x->dim[x->rank - 1];
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "%s is not kept on the device",
                               esk_dtype_name(who->dtype));
    if (n > MOST || !n || esk_var_count(x) > INT32_MAX)
        return esk_unsupported(c, "matrices of %lld, the limit is %d", (long long)n,
                               MOST);
    struct esk_recipe *r = esk_add_recipe(c, "determinant, invocation a matrix");
    struct esk_kernel *k = esk_recipe_kernel(r, "det");
    esk_kernel_in(c, r, k, "X", 0, ESK_ELEMENT);
    esk_kernel_define(k, "MOST", MOST);
    esk_kernel_int(k, "size", n);
    esk_kernel_map(c, r, k, 0, false);
    k->loop_iterations = 4 * MOST * MOST * MOST;
    k->flops = (double)esk_var_count(x) * (double)n;
    k->bytes = 4 * (double)esk_var_count(x);
    return ESK_OK;
}

const struct esk_op esk_op_Det = {
    .domain = "",
    .name = "Det",
    .since = (const uint8_t[]){11, 22, 0},
    .min_in = 1,
    .real = 0x1,
    .min_out = 1,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
