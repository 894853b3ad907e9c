/* InstanceNormalization. In: X [N, C, spatial…], scale, B [C]; out: Y. */
#include "recipes/floats.h"
#include "recipes/lanes.h"
#include "recipes/pool.h"
#include "recipes/scale_shift.h"

#include <inttypes.h>
#include <math.h>

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    if (x->rank < 2 || !esk_dtype_is_float(x->dtype))
        return esk_node_fail(c, ESK_INVALID_MODEL, "X is %s of rank %d",
                             esk_dtype_name(x->dtype), x->rank);
    for (uint32_t i = 1; i < 3; i++) {
        const struct esk_var *v = esk_in(c, i);
        if (!v || v->rank != 1 || v->dim[0] != x->dim[1] || v->dtype != x->dtype)
            return esk_node_fail(c, ESK_INVALID_MODEL,
                                 "input %u must be a list of %" PRId64 " items", i,
                                 x->dim[1]);
    }
    return esk_set_out_like(c, 0, 0);
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0];
    int64_t planes = x->dim[0] * x->dim[1],
            pixels = esk_shape_product(x->dim, 2, x->rank);
    double epsilon = (double)esk_attr_float(c->node, "epsilon", 1e-5f);
    bool doubles = x->dtype == ESK_DOUBLE;
    const double *in = x->data;
    const float *from = doubles ? NULL : esk_floats_in(c->scratch, x);
    float *to = doubles ? NULL : esk_floats_out(c->scratch, c->out[0]);
    if (!doubles && (!from || !to))
        return esk_fail_memory(c->error, c->node->name);
    for (int64_t i = 0; i < planes; i++) {
        double sum = 0, squares = 0;
        int64_t first = i * pixels, last = first + pixels, ch = i % x->dim[1];
        for (int64_t j = first; j < last; j++)
            sum += doubles ? in[j] : (double)from[j];
        double mean = sum / (double)pixels;
        for (int64_t j = first; j < last; j++) {
            double d = (doubles ? in[j] : (double)from[j]) - mean;
            squares += d * d;
        }
        double scale =
            esk_tensor_double(c->in[1], ch) / sqrt(squares / (double)pixels + epsilon);
        double shift = esk_tensor_double(c->in[2], ch) - mean * scale;
        for (int64_t j = first; j < last; j++)
            if (doubles)
                ((double *)c->out[0]->data)[j] = in[j] * scale + shift;
            else
                to[j] = (float)((double)from[j] * scale + shift);
    }
    if (!doubles)
        esk_floats_done(c->out[0], to);
    return ESK_OK;
}

static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *who;
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "type %s", esk_dtype_name(who->dtype));
    if (x->rank < 3)
        return esk_unsupported(c, "rank %d", x->rank);
    if (!esk_vec4_indices(x))
        return esk_unsupported(c, "a tensor of more than 2^28 vec4s");
    int64_t batch = x->dim[0], channels = x->dim[1], c4 = (channels + 3) / 4, length;
    int64_t pixels = esk_shape_product(x->dim, 2, x->rank);
    int64_t parts = esk_pool_parts(pixels, &length);
    struct esk_recipe *r = esk_add_recipe(c, "instance norm");
    r->in_layout[0] = r->out_layout[0] = ESK_LAYOUT_C4;
    struct esk_ref_to some =
        esk_recipe_scratch(r, (size_t)(batch * parts * c4) * 32, ESK_STORAGE_F32);
    struct esk_ref_to params =
        esk_recipe_scratch(r, (size_t)(batch * c4) * 32, ESK_STORAGE_F32);
    uint32_t lanes = esk_lanes(c->limits), lo = esk_channel_lanes(c4);
    struct esk_kernel *k = esk_recipe_kernel(r, "instance_norm_parts");
    esk_kernel_lanes(k, lo);
    esk_kernel_local(k, lanes, 1, 1);
    esk_kernel_in(c, r, k, "X", 0, ESK_VEC4);
    esk_kernel_ref(k, "Y", r, some, ESK_WRITE, ESK_VEC4);
    esk_kernel_int(k, "c4", c4);
    esk_kernel_int(k, "pixels", pixels);
    esk_kernel_int(k, "parts", parts);
    esk_kernel_int(k, "length", length);
    esk_kernel_groups(k, (uint64_t)esk_divide_up(c4, lo),
                      (uint64_t)esk_divide_up(parts, lanes / lo), (uint64_t)batch);
    k->loop_iterations = (uint64_t)(2 * length);
    k->flops = 4.0 * (double)esk_var_count(x);
    k->bytes = 8.0 * (double)esk_var_count(x);

    k = esk_recipe_kernel(r, "instance_norm_params");
    esk_kernel_ref(k, "X", r, some, ESK_READ, ESK_VEC4);
    esk_kernel_in(c, r, k, "S", 1, ESK_ELEMENT);
    esk_kernel_in(c, r, k, "B", 2, ESK_ELEMENT);
    esk_kernel_ref(k, "Y", r, params, ESK_WRITE, ESK_VEC4);
    esk_kernel_int(k, "count", batch * c4);
    esk_kernel_int(k, "c", channels);
    esk_kernel_int(k, "c4", c4);
    esk_kernel_int(k, "parts", parts);
    esk_kernel_int(k, "length", length);
    esk_kernel_int(k, "pixels", pixels);
    esk_kernel_float(k, "epsilon", esk_attr_float(c->node, "epsilon", 1e-5f));
    esk_kernel_flat(k, c->limits, (uint64_t)(batch * c4));
    k->loop_iterations = (uint64_t)parts;

    esk_scale_shift(c, r, params, true);
    return ESK_OK;
}

/* Version 1 has an attribute more, which says nothing. */
static esk_status upgrade(struct esk_ctx *c) {
    esk_node_remove_attr(c->node, "consumed_inputs");
    return ESK_OK;
}

const struct esk_op esk_op_InstanceNormalization = {
    .domain = "",
    .name = "InstanceNormalization",
    .since = (const uint8_t[]){1, 6, 22, 0},
    .flags = ESK_OP_EPILOGUE,
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
    .upgrade = upgrade,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
