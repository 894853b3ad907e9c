/* Normalization of rows. In: a node and how its rows lie; out: recipes of
 * glsl/layer_norm.glsl. Must not know operators. */
#include "recipes/norm.h"

#include "recipes/line_kernels.h"

#include <math.h>

void esk_norm_measure(const double *values, int64_t n, double epsilon, bool rms,
                      double *mean, double *inverse) {
    double sum = 0, square = 0;
    for (int64_t i = 0; i < n && !rms; i++)
        sum += values[i];
    *mean = rms ? 0 : sum / (double)n;
    for (int64_t i = 0; i < n; i++)
        square += (values[i] - *mean) * (values[i] - *mean);
    *inverse = 1 / sqrt(square / (double)n + epsilon);
}

/* What scale or bias is to the elements of a row: 0 absent, 1 each its own, 2 one for
 * all; -1 neither. */
static int affine_of(const struct esk_ctx *c, uint32_t i, int64_t size) {
    const struct esk_var *v = esk_in(c, i);
    if (!v)
        return 0;
    int64_t count = esk_var_count(v);
    return count == 1 && size > 1 ? 2 : count == size ? 1 : -1;
}

/* Chooses between an invocation and a group for a row. */
static void spread(struct esk_ctx *c, struct esk_kernel *k,
                   const struct esk_line_units *u) {
    const struct esk_limits *limits = c->limits;
    int64_t loop = u->size * 3;
    bool grouped = u->size >= 16 && (!limits->software || u->lines < 8);
    if (limits->max_iterations && loop > limits->max_iterations)
        grouped = true;
    if (grouped) {
        uint32_t local = limits->software ? 8 : 32;
        esk_kernel_define(k, "GROUPED", 1);
        esk_kernel_local(k, local, 1, 1);
        esk_kernel_groups(k, (uint64_t)u->lines, 1, 1);
        loop = loop / local + 2 * local;
    } else {
        esk_kernel_flat(k, limits, (uint64_t)u->lines);
        if (limits->software) { /* groups for all threads */
            esk_kernel_local(k, 8, 1, 1);
            esk_kernel_groups(k, (uint64_t)(u->lines + 7) / 8, 1, 1);
        }
    }
    k->loop_iterations = (uint64_t)loop;
    k->flops = 8.0 * (double)u->lines * (double)u->size * u->lanes;
    k->bytes = k->flops;
}

static void add_common(struct esk_kernel *k, const struct esk_norm *norm) {
    esk_kernel_float(k, "epsilon", norm->epsilon);
    esk_kernel_float(k, "count", (float)(norm->channels * norm->spatial));
    if (norm->rms)
        esk_kernel_define(k, "RMS", 1);
}

static void add_stats(struct esk_ctx *c, struct esk_recipe *r,
                      const struct esk_norm *norm, const struct esk_line_units *u) {
    struct esk_kernel *k = esk_recipe_kernel(r, "layer_norm");
    esk_kernel_in(c, r, k, "X", 0, u->lanes == 4 ? ESK_VEC4 : ESK_ELEMENT);
    esk_kernel_define(k, "STATS", 1);
    esk_kernel_define(k, "SCALE", 0);
    esk_kernel_define(k, "BIAS", 0);
    esk_kernel_define(k, "LANES", u->lanes);
    esk_kernel_define(k, "ALONG", 1);
    for (uint32_t i = 1; i <= 2; i++)
        if (esk_out(c, i)) {
            esk_kernel_out(c, r, k, i == 1 ? "M" : "I", i, ESK_ELEMENT);
            esk_kernel_define(k, i == 1 ? "HAS_M" : "HAS_I", 1);
        }
    esk_kernel_int(k, "size", u->size);
    esk_kernel_int(k, "lines", u->lines);
    add_common(k, norm);
    spread(c, k, u);
}

esk_status esk_norm_gpu(struct esk_ctx *c, const struct esk_norm *norm) {
    const struct esk_var *x = esk_in(c, 0), *who;
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "%s is not kept on the device",
                               esk_dtype_name(who->dtype));
    int64_t count = esk_var_count(x), size = norm->channels * norm->spatial;
    if (count > INT32_MAX)
        return esk_unsupported(c, "%lld elements, the limit is 2147483647",
                               (long long)count);
    bool channels = norm->affine != ESK_NORM_ELEMENTS;
    int scale = affine_of(c, 1, size), bias = affine_of(c, 2, size);
    if (!channels && (scale < 0 || bias < 0))
        return esk_unsupported(c, "a scale or bias that is broadcast within a row");
    struct esk_recipe *r = esk_add_recipe(c, norm->rms ? "rms norm" : "norm");
    struct esk_kernel *k = esk_recipe_kernel(r, "layer_norm");
    struct esk_line_units u = esk_line_units_of(
        c, (struct esk_lines){norm->rows, channels ? norm->spatial : size, 1});
    if (u.size == 0)
        return esk_unsupported(c, "packed halves that are no runs");
    if (channels) {
        esk_kernel_define(k, "CHANNELS", 1);
        if (norm->affine == ESK_NORM_ROWS)
            esk_kernel_define(k, "PER_ROW", 1);
        esk_kernel_int(k, "channels", norm->channels);
        esk_kernel_int(k, "spatial", u.size);
        esk_kernel_int(k, "turn", norm->turn);
        u.size *= norm->channels;
    }
    esk_kernel_define(k, "SCALE", channels ? 0 : scale);
    esk_kernel_define(k, "BIAS", channels ? 0 : bias);
    esk_kernel_line_operands(c, r, k, &u);
    if (channels || scale)
        esk_kernel_in(c, r, k, "S", 1,
                      !channels && scale == 1 && u.lanes == 4 ? ESK_VEC4 : ESK_ELEMENT);
    if (channels || bias)
        esk_kernel_in(c, r, k, "B", 2,
                      !channels && bias == 1 && u.lanes == 4 ? ESK_VEC4 : ESK_ELEMENT);
    add_common(k, norm);
    spread(c, k, &u);
    uint64_t loop = k->loop_iterations;
    if (esk_out(c, 1) || esk_out(c, 2))
        add_stats(c, r, norm, &u);
    if (c->limits->max_iterations && loop > c->limits->max_iterations)
        return esk_unsupported(c, "rows of %lld elements", (long long)size);
    return ESK_OK;
}
