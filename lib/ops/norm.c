/* LpNormalization (one axis) and MeanVarianceNormalization (a set of axes). In: X; out: Y
 * of its shape. */
#include "recipes/line_kernels.h"
#include "recipes/reduce.h"

#include <math.h>

static esk_status check(const struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *who;
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "%s is not kept on the device",
                               esk_dtype_name(who->dtype));
    if (esk_var_count(x) > INT32_MAX)
        return esk_unsupported(c, "%lld elements, the limit is 2147483647",
                               (long long)esk_var_count(x));
    return ESK_OK;
}

/* ---- LpNormalization */

static esk_status lp_infer(struct esk_ctx *c) {
    int axis;
    int64_t p = esk_attr_int(c->node, "p", 2);
    if (p != 1 && p != 2)
        return esk_node_fail(c, ESK_INVALID_MODEL, "p is %lld, it must be 1 or 2",
                             (long long)p);
    ESK_TRY(
        esk_check_axis(c, esk_attr_int(c->node, "axis", -1), esk_in(c, 0)->rank, &axis));
    return esk_set_out_like(c, 0, 0);
}

static esk_status lp_cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0];
    bool absolute = esk_attr_int(c->node, "p", 2) == 1;
    int axis = 0;
    esk_shape_axis(esk_attr_int(c->node, "axis", -1), x->rank, &axis);
    struct esk_lines l = esk_lines_along(x->rank, x->dim, axis);
    double *v = ESK_ARENA_ARRAY(c->scratch, double, (size_t)l.size);
    if (!v)
        return esk_fail_memory(c->error, c->node->name);
    for (int64_t line = 0; line < l.outer * l.inner; line++) {
        int64_t first = line / l.inner * l.size * l.inner + line % l.inner;
        double norm = 0;
        esk_read_doubles(x, first, l.inner, l.size, v);
        for (int64_t k = 0; k < l.size; k++)
            norm += absolute ? fabs(v[k]) : v[k] * v[k];
        norm = absolute ? norm : sqrt(norm);
        for (int64_t k = 0; k < l.size; k++)
            v[k] = norm == 0 ? 0 : v[k] / norm;
        esk_write_doubles(c->out[0], first, l.inner, l.size, v);
    }
    return ESK_OK;
}

static esk_status lp_gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    int axis;
    ESK_TRY(check(c));
    ESK_TRY(esk_check_axis(c, esk_attr_int(c->node, "axis", -1), x->rank, &axis));
    struct esk_lines l = esk_lines_along(x->rank, x->dim, axis);
    struct esk_recipe *r = esk_add_recipe(c, "lp norm");
    struct esk_kernel *k = esk_recipe_kernel(r, "lp_norm");
    esk_kernel_define(k, "P", esk_attr_int(c->node, "p", 2));
    esk_kernel_lines(c, r, k, l);
    k->loop_iterations = (uint64_t)l.size * 2;
    if (c->limits->max_iterations && k->loop_iterations > c->limits->max_iterations)
        return esk_unsupported(c, "lines of %lld elements", (long long)l.size);
    k->flops = 4 * (double)esk_var_count(x);
    k->bytes = 12 * (double)esk_var_count(x);
    return ESK_OK;
}

/* ---- MeanVarianceNormalization */

/* The mask of axes; false if one is out of range. */
static bool mvn_axes(const struct esk_node *node, int rank, uint32_t *mask) {
    int64_t axes[ESK_MAX_RANK] = {0, 2, 3};
    size_t n = 3;
    if (esk_node_attr(node, "axes"))
        n = esk_attr_ints(node, "axes", axes, ESK_MAX_RANK);
    *mask = 0;
    for (size_t i = 0; i < n; i++) {
        int axis;
        if (i >= ESK_MAX_RANK || !esk_shape_axis(axes[i], rank, &axis))
            return false;
        *mask |= 1u << axis;
    }
    return true;
}

static esk_status mvn_infer(struct esk_ctx *c) {
    uint32_t mask;
    if (!mvn_axes(c->node, esk_in(c, 0)->rank, &mask))
        return esk_node_fail(c, ESK_INVALID_MODEL, "an axis is out of range for rank %d",
                             esk_in(c, 0)->rank);
    return esk_set_out_like(c, 0, 0);
}

/* Runs of axes as strides: place p of the kept axes, element e of the reduced ones. */
struct fold {
    int n;
    int64_t sizes[ESK_MAX_RANK], strides[ESK_MAX_RANK];
    bool reduced[ESK_MAX_RANK];
};

static struct fold fold_of(int rank, const int64_t *dims, uint32_t mask) {
    struct fold f;
    f.n = esk_reduce_fold(rank, dims, mask, f.sizes, f.reduced);
    esk_shape_strides(f.n, f.sizes, f.strides);
    return f;
}

/* Where place (or element) i lies, and the number of all. */
static int64_t fold_at(const struct fold *f, bool reduced, int64_t i) {
    int64_t at = 0;
    for (int g = f->n - 1; g >= 0; g--)
        if (f->reduced[g] == reduced) {
            at += i % f->sizes[g] * f->strides[g];
            i /= f->sizes[g];
        }
    return at;
}

static int64_t fold_count(const struct fold *f, bool reduced) {
    int64_t count = 1;
    for (int g = 0; g < f->n; g++)
        count *= f->reduced[g] == reduced ? f->sizes[g] : 1;
    return count;
}

static esk_status mvn_cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0];
    uint32_t mask = 0;
    mvn_axes(c->node, x->rank, &mask);
    struct fold f = fold_of(x->rank, x->dim, mask);
    int64_t places = fold_count(&f, false), size = fold_count(&f, true);
    /* the innermost reduced run is read at once */
    int64_t run = 1, step = 1;
    for (int g = 0; g < f.n; g++)
        if (f.reduced[g])
            run = f.sizes[g], step = f.strides[g];
    double *v = ESK_ARENA_ARRAY(c->scratch, double, (size_t)size);
    if (!v)
        return esk_fail_memory(c->error, c->node->name);
    for (int64_t p = 0; p < places && size; p++) {
        int64_t at = fold_at(&f, false, p);
        double mean = 0, square = 0;
        for (int64_t e = 0; e < size; e += run)
            esk_read_doubles(x, at + fold_at(&f, true, e), step, run, v + e);
        for (int64_t e = 0; e < size; e++)
            mean += v[e];
        mean /= (double)size;
        for (int64_t e = 0; e < size; e++)
            square += (v[e] - mean) * (v[e] - mean);
        double deviation = sqrt(square / (double)size) + 1e-9;
        for (int64_t e = 0; e < size; e++)
            v[e] = (v[e] - mean) / deviation;
        for (int64_t e = 0; e < size; e += run)
            esk_write_doubles(c->out[0], at + fold_at(&f, true, e), step, run, v + e);
    }
    return ESK_OK;
}

static esk_status mvn_gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    uint32_t mask = 0;
    ESK_TRY(check(c));
    mvn_axes(c->node, x->rank, &mask);
    struct fold f = fold_of(x->rank, x->dim, mask);
    int last = f.n - 1;
    bool along = last < 0 || f.reduced[last];
    int64_t extent = last < 0 ? 1 : f.sizes[last];
    enum esk_storage storage =
        esk_storage_of(x->dtype, x->rank, x->dim, ESK_LAYOUT_DENSE);
    int lanes = extent % 4 == 0 ? 4 : storage == ESK_STORAGE_F16X2 ? 2 : 1;
    /* [0]: outer, [1]: inner run of each kind, in units */
    int64_t sizes[2][2] = {{1, 1}, {1, 1}}, steps[2][2] = {{0, 0}, {0, 0}};
    for (int g = last, n[2] = {1, 1}; g >= 0; g--) {
        int kind = f.reduced[g], at = n[kind]--;
        if (at < 0)
            return esk_unsupported(c, "axes in more than two runs");
        sizes[kind][at] = g == last ? f.sizes[g] / lanes : f.sizes[g];
        steps[kind][at] = g == last ? 1 : f.strides[g] / lanes;
    }
    struct esk_recipe *r = esk_add_recipe(c, "mean and variance");
    struct esk_kernel *k = esk_recipe_kernel(r, "mvn");
    esk_kernel_in(c, r, k, "X", 0, lanes == 4 ? ESK_VEC4 : ESK_ELEMENT);
    esk_kernel_out(c, r, k, "Y", 0, lanes == 4 ? ESK_VEC4 : ESK_ELEMENT);
    esk_kernel_define(k, "LANES", lanes);
    esk_kernel_define(k, "ALONG", along);
    int64_t lines = sizes[0][0] * sizes[0][1];
    esk_kernel_int(k, "lines", lines);
    esk_kernel_int(k, "k1", sizes[0][1]);
    esk_kernel_int(k, "k0_step", steps[0][0]);
    esk_kernel_int(k, "k1_step", steps[0][1]);
    esk_kernel_int(k, "r0", sizes[1][0]);
    esk_kernel_int(k, "r1", sizes[1][1]);
    esk_kernel_int(k, "r0_step", steps[1][0]);
    esk_kernel_int(k, "r1_step", steps[1][1]);
    esk_kernel_float(k, "scale", 1.0f / (float)fold_count(&f, true));
    esk_kernel_local(k, 8, 1, 1);
    esk_kernel_groups(k, (uint64_t)(lines + 7) / 8, 1, 1);
    k->loop_iterations = 3 * (uint64_t)(sizes[1][0] * (sizes[1][1] + 1));
    if (c->limits->max_iterations && k->loop_iterations > c->limits->max_iterations)
        return esk_unsupported(c, "%lld elements for each mean",
                               (long long)fold_count(&f, true));
    k->flops = 6 * (double)esk_var_count(x);
    k->bytes = 16 * (double)esk_var_count(x);
    return ESK_OK;
}

const struct esk_op esk_op_LpNormalization = {
    .domain = "",
    .name = "LpNormalization",
    .since = (const uint8_t[]){1, 22, 0},
    .min_in = 1,
    .real = 0x1,
    .min_out = 1,
    .infer = lp_infer,
    .cpu = lp_cpu,
    .gpu = lp_gpu,
};

const struct esk_op esk_op_MeanVarianceNormalization = {
    .domain = "",
    .name = "MeanVarianceNormalization",
    .since = (const uint8_t[]){9, 13, 0},
    .min_in = 1,
    .real = 0x1,
    .min_out = 1,
    .infer = mvn_infer,
    .cpu = mvn_cpu,
    .gpu = mvn_gpu,
};
