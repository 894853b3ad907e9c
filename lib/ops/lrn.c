/* LRN: local response normalization across channels. In: X [N, C, …]; out: Y. */
#include "recipes/floats.h"
#include "recipes/lanes.h"
#include "recipes/map.h"

#include <inttypes.h>
#include <math.h>

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    int64_t size = esk_attr_int(c->node, "size", 0);
    if (x->rank < 2 || !esk_dtype_is_float(x->dtype))
        return esk_node_fail(c, ESK_INVALID_MODEL, "X is %s of rank %d",
                             esk_dtype_name(x->dtype), x->rank);
    if (size < 1 || size > INT32_MAX)
        return esk_node_fail(c, ESK_INVALID_MODEL, "size is %" PRId64, size);
    return esk_set_out_like(c, 0, 0);
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0];
    int64_t size = esk_attr_int(c->node, "size", 1), before = (size - 1) / 2;
    int64_t after = size - 1 - before, channels = x->dim[1];
    int64_t pixels = esk_shape_product(x->dim, 2, x->rank);
    double alpha = (double)esk_attr_float(c->node, "alpha", 1e-4f) / (double)size;
    double beta = (double)esk_attr_float(c->node, "beta", 0.75f);
    double bias = (double)esk_attr_float(c->node, "bias", 1.0f);
    bool doubles = x->dtype == ESK_DOUBLE;
    const double *in = x->data;
    const float *from = doubles ? NULL : esk_floats_in(c->scratch, x);
    float *to = doubles ? NULL : esk_floats_out(c->scratch, c->out[0]);
    double *sums = ESK_ARENA_ARRAY(c->scratch, double, (size_t)pixels);
    if (!sums || (!doubles && (!from || !to)))
        return esk_fail_memory(c->error, c->node->name);
    for (int64_t n = 0; n < x->dim[0]; n++)
        for (int64_t ch = 0; ch < channels; ch++) {
            int64_t first = ch > before ? ch - before : 0;
            int64_t last = channels - 1 - ch > after ? ch + after : channels - 1;
            for (int64_t i = 0; i < pixels; i++)
                sums[i] = 0;
            for (int64_t k = first; k <= last; k++)
                for (int64_t i = 0; i < pixels; i++) {
                    int64_t at = (n * channels + k) * pixels + i;
                    double v = doubles ? in[at] : (double)from[at];
                    sums[i] += v * v;
                }
            for (int64_t i = 0; i < pixels; i++) {
                int64_t at = (n * channels + ch) * pixels + i;
                double divisor = pow(bias + alpha * sums[i], beta);
                if (doubles)
                    ((double *)c->out[0]->data)[at] = in[at] / divisor;
                else
                    to[at] = (float)((double)from[at] / divisor);
            }
        }
    if (!doubles)
        esk_floats_done(c->out[0], to);
    return ESK_OK;
}

static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *who;
    int64_t size = esk_attr_int(c->node, "size", 1), before = (size - 1) / 2;
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "type %s", esk_dtype_name(who->dtype));
    int64_t loops = 2 * (size < x->dim[1] ? size : x->dim[1]); /* two elements a unit */
    if (!esk_element_indices(x))
        return esk_unsupported(c, "a tensor of more than 2^31 elements");
    if (c->limits->max_iterations && loops > c->limits->max_iterations)
        return esk_unsupported(c, "size %" PRId64, size);
    struct esk_recipe *r = esk_add_recipe(c, "lrn");
    struct esk_kernel *k = esk_recipe_kernel(r, "lrn");
    esk_kernel_in(c, r, k, "X", 0, ESK_ELEMENT);
    esk_kernel_map(c, r, k, 0, false);
    esk_kernel_int(k, "c", x->dim[1]);
    esk_kernel_int(k, "inner", esk_shape_product(x->dim, 2, x->rank));
    esk_kernel_int(k, "before", before);
    esk_kernel_int(k, "after", size - 1 - before);
    esk_kernel_float(k, "alpha", esk_attr_float(c->node, "alpha", 1e-4f) / (float)size);
    esk_kernel_float(k, "beta", esk_attr_float(c->node, "beta", 0.75f));
    esk_kernel_float(k, "bias", esk_attr_float(c->node, "bias", 1.0f));
    k->loop_iterations = (uint64_t)loops;
    return ESK_OK;
}

const struct esk_op esk_op_LRN = {
    .domain = "",
    .name = "LRN",
    .since = (const uint8_t[]){1, 13, 0},
    .min_in = 1,
    .min_out = 1,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
