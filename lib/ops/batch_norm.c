/* BatchNormalization. In: X [N, C, …], scale, B, mean, variance [C]; out: Y, and in
 * training mode (CPU only) the running mean and variance. */
#include "recipes/floats.h"
#include "recipes/lanes.h"
#include "recipes/scale_shift.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Before opset 14 there is no training_mode: a second output meant training. */
static esk_status upgrade(struct esk_ctx *c) {
    if (c->node->since >= 14)
        return ESK_OK;
    if (c->node->since < 9 && esk_attr_int(c->node, "spatial", 1) == 0)
        return esk_node_fail(c, ESK_UNSUPPORTED, "spatial=0");
    for (uint32_t i = 1; i < c->node->n_out; i++)
        if (c->node->out[i] != ESK_NONE &&
            esk_graph_count_uses(c->graph, c->node->out[i]) > 0)
            return esk_node_fail(c, ESK_UNSUPPORTED, "output %u, of training", i);
    c->node->n_out = 1;
    esk_node_remove_attr(c->node, "spatial");
    esk_node_remove_attr(c->node, "is_test");
    esk_node_remove_attr(c->node, "consumed_inputs");
    return ESK_OK;
}

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    bool training = esk_attr_int(c->node, "training_mode", 0) != 0;
    if (x->rank < 1 || !esk_dtype_is_float(x->dtype))
        return esk_node_fail(c, ESK_INVALID_MODEL, "X is %s of rank %d",
                             esk_dtype_name(x->dtype), x->rank);
    int64_t channels = x->rank > 1 ? x->dim[1] : 1;
    for (uint32_t i = 1; i < 5; i++) {
        const struct esk_var *v = esk_in(c, i);
        if (!v || v->rank != 1 || v->dim[0] != channels || !esk_dtype_is_float(v->dtype))
            return esk_node_fail(c, ESK_INVALID_MODEL,
                                 "input %u must be a list of %" PRId64 " floats", i,
                                 channels);
    }
    if (!training && (esk_out(c, 1) || esk_out(c, 2)))
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "running statistics are asked for without training_mode");
    for (uint32_t i = 1; i < 3; i++)
        ESK_TRY(esk_set_out_like(c, i, i + 2));
    return esk_set_out_like(c, 0, 0);
}

/* Mean and variance of channel `ch` over batch and pixels. */
static void statistics(const float *x, int64_t batch, int64_t channels, int64_t ch,
                       int64_t pixels, double *mean, double *variance) {
    double sum = 0, squares = 0, count = (double)(batch * pixels);
    for (int64_t n = 0; n < batch; n++)
        for (int64_t i = 0; i < pixels; i++)
            sum += (double)x[(n * channels + ch) * pixels + i];
    *mean = sum / count;
    for (int64_t n = 0; n < batch; n++)
        for (int64_t i = 0; i < pixels; i++) {
            double d = (double)x[(n * channels + ch) * pixels + i] - *mean;
            squares += d * d;
        }
    *variance = squares / count;
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0];
    int64_t batch = x->dim[0], channels = x->rank > 1 ? x->dim[1] : 1;
    int64_t pixels = esk_shape_product(x->dim, 2, x->rank);
    double epsilon = (double)esk_attr_float(c->node, "epsilon", 1e-5f);
    double momentum = (double)esk_attr_float(c->node, "momentum", 0.9f);
    bool training = esk_attr_int(c->node, "training_mode", 0) != 0;
    bool doubles = x->dtype == ESK_DOUBLE && !training;
    const float *from = doubles ? NULL : esk_floats_in(c->scratch, x);
    struct esk_tensor nowhere = *x, *y = c->out[0] ? c->out[0] : &nowhere;
    if (!c->out[0] && !(nowhere.data = esk_arena_alloc(c->scratch, x->bytes)))
        return esk_fail_memory(c->error, c->node->name);
    float *to = doubles ? NULL : esk_floats_out(c->scratch, y);
    if (!doubles && (!from || !to))
        return esk_fail_memory(c->error, c->node->name);
    for (int64_t ch = 0; ch < channels; ch++) {
        double mean = esk_tensor_double(c->in[3], ch);
        double variance = esk_tensor_double(c->in[4], ch);
        if (training) {
            double m, v;
            statistics(from, batch, channels, ch, pixels, &m, &v);
            if (c->n_out > 1 && c->out[1])
                esk_tensor_set_double(c->out[1], ch,
                                      mean * momentum + m * (1 - momentum));
            if (c->n_out > 2 && c->out[2])
                esk_tensor_set_double(c->out[2], ch,
                                      variance * momentum + v * (1 - momentum));
            mean = m, variance = v;
        }
        double scale = esk_tensor_double(c->in[1], ch) / sqrt(variance + epsilon);
        double shift = esk_tensor_double(c->in[2], ch) - mean * scale;
        for (int64_t n = 0; n < batch; n++) {
            int64_t at = (n * channels + ch) * pixels;
            if (doubles)
                for (int64_t i = at; i < at + pixels; i++)
                    ((double *)y->data)[i] = ((const double *)x->data)[i] * scale + shift;
            else
                for (int64_t i = at; i < at + pixels; i++)
                    to[i] = from[i] * (float)scale + (float)shift;
        }
    }
    if (!doubles)
        esk_floats_done(y, to);
    return ESK_OK;
}

/* Form: float [2, C up to a multiple of 4]. params: C, the bits of epsilon. */
static void pack(void *dst, size_t bytes, const struct esk_tensor *const *src,
                 const int64_t *params) {
    float *out = dst;
    int64_t count = params[0], padded = (count + 3) / 4 * 4;
    uint32_t bits = (uint32_t)params[1];
    float epsilon;
    memcpy(&epsilon, &bits, sizeof epsilon);
    (void)bytes;
    for (int64_t i = 0; i < padded; i++) {
        out[i] = out[padded + i] = 0.0f;
        if (i >= count)
            continue;
        double scale = esk_tensor_double(src[0], i) /
                       sqrt(esk_tensor_double(src[3], i) + (double)epsilon);
        out[i] = (float)scale;
        out[padded + i] =
            (float)(esk_tensor_double(src[1], i) - esk_tensor_double(src[2], i) * scale);
    }
}

static uint32_t float_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *who;
    float epsilon = esk_attr_float(c->node, "epsilon", 1e-5f);
    if (esk_attr_int(c->node, "training_mode", 0) != 0)
        return esk_unsupported(c, "training_mode=1");
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "type %s", esk_dtype_name(who->dtype));
    if (!esk_element_indices(x))
        return esk_unsupported(c, "a tensor of more than 2^31 elements");
    int64_t channels = x->rank > 1 ? x->dim[1] : 1, c4 = (channels + 3) / 4;
    bool known = true;
    for (uint32_t i = 1; i < 5; i++)
        known = known && esk_is_known(c, i);
    struct esk_recipe *r = esk_add_recipe(c, "batch norm");
    if (x->rank >= 3 && !c->limits->planes)
        r->in_layout[0] = r->out_layout[0] = ESK_LAYOUT_C4;
    struct esk_ref_to params;
    if (known) {
        esk_id src[4] = {esk_in_id(c, 1), esk_in_id(c, 2), esk_in_id(c, 3),
                         esk_in_id(c, 4)};
        int64_t list[2] = {channels, (int64_t)float_bits(epsilon)};
        params = esk_recipe_form(r, "batch_norm", pack, 4, src, 2, list, (size_t)c4 * 32,
                                 ESK_STORAGE_F32, ESK_FLOAT);
    } else {
        params = esk_recipe_scratch(r, (size_t)c4 * 32, ESK_STORAGE_F32);
        for (int shift = 0; shift < 2; shift++) {
            struct esk_kernel *k = esk_recipe_kernel(r, "batch_norm_params");
            if (shift) {
                esk_kernel_define(k, "SHIFT", 1);
                esk_kernel_in(c, r, k, "B", 2, ESK_ELEMENT);
                esk_kernel_in(c, r, k, "M", 3, ESK_ELEMENT);
            } else {
                esk_kernel_in(c, r, k, "S", 1, ESK_ELEMENT);
                esk_kernel_in(c, r, k, "V", 4, ESK_ELEMENT);
            }
            esk_kernel_ref(k, "P", r, params, shift ? ESK_READ_WRITE : ESK_WRITE,
                           ESK_VEC4);
            esk_kernel_int(k, "c", channels);
            esk_kernel_int(k, "c4", c4);
            esk_kernel_float(k, "epsilon", epsilon);
            esk_kernel_flat(k, c->limits, (uint64_t)c4);
        }
    }
    esk_scale_shift(c, r, params, false);
    return ESK_OK;
}

const struct esk_op esk_op_BatchNormalization = {
    .domain = "",
    .name = "BatchNormalization",
    .since = (const uint8_t[]){1, 6, 7, 9, 14, 15, 0},
    .flags = ESK_OP_EPILOGUE,
    .min_in = 5,
    .max_in = 5,
    .min_out = 1,
    .max_out = 5,
    .upgrade = upgrade,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
