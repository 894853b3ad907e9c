/* InstanceNormalization and GroupNormalization. In: X [N, C, spatial…], scale, bias [C];
 * out: Y. In C4 both measure channels first, in parts that threads share; groups join
 * theirs. */
#include "recipes/floats.h"
#include "recipes/lanes.h"
#include "recipes/lines.h"
#include "recipes/norm.h"
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

/* The kernels that measure channels: mean and sum of squared deviations of parts of each,
 * and one that joins them, to which the caller gives what it makes of them. */
static struct esk_kernel *measure(struct esk_ctx *c, struct esk_recipe *r) {
    const struct esk_var *x = esk_in(c, 0);
    int64_t batch = x->dim[0], c4 = (x->dim[1] + 3) / 4, length;
    int64_t pixels = esk_shape_product(x->dim, 2, x->rank);
    int64_t parts = esk_pool_parts(pixels, &length);
    struct esk_ref_to some =
        esk_recipe_scratch(r, (size_t)(batch * parts * c4) * 32, ESK_STORAGE_F32);
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
    esk_kernel_int(k, "count", batch * c4);
    esk_kernel_int(k, "c4", c4);
    esk_kernel_int(k, "parts", parts);
    esk_kernel_int(k, "length", length);
    esk_kernel_int(k, "pixels", pixels);
    esk_kernel_flat(k, c->limits, (uint64_t)(batch * c4));
    k->loop_iterations = (uint64_t)parts;
    return k;
}

static bool fits_channels(const struct esk_var *x) {
    return x->rank >= 3 && esk_vec4_indices(x);
}

/* Room for two values a channel of each batch item. */
static struct esk_ref_to scratch_pairs(const struct esk_var *x, struct esk_recipe *r) {
    return esk_recipe_scratch(r, (size_t)(x->dim[0] * ((x->dim[1] + 3) / 4)) * 32,
                              ESK_STORAGE_F32);
}

static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *who;
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "type %s", esk_dtype_name(who->dtype));
    if (x->rank < 3)
        return esk_unsupported(c, "rank %d", x->rank);
    if (c->limits->planes) {
        struct esk_norm norm = {.rows = x->dim[0] * x->dim[1],
                                .channels = 1,
                                .spatial = esk_shape_product(x->dim, 2, x->rank),
                                .epsilon = esk_attr_float(c->node, "epsilon", 1e-5f),
                                .affine = ESK_NORM_ROWS,
                                .turn = x->dim[1]};
        if (c->group) /* rows take none */
            return esk_unsupported(c, "a group behind rows");
        if (esk_norm_gpu(c, &norm) == ESK_OK)
            return ESK_OK;
    }
    if (!fits_channels(x))
        return esk_unsupported(c, "a tensor of more than 2^28 vec4s");
    struct esk_recipe *r = esk_add_recipe(c, "instance norm");
    r->in_layout[0] = r->out_layout[0] = ESK_LAYOUT_C4;
    struct esk_ref_to params = scratch_pairs(x, r);
    struct esk_kernel *k = measure(c, r);
    esk_kernel_in(c, r, k, "S", 1, ESK_ELEMENT);
    esk_kernel_in(c, r, k, "B", 2, ESK_ELEMENT);
    esk_kernel_ref(k, "Y", r, params, ESK_WRITE, ESK_VEC4);
    esk_kernel_int(k, "c", x->dim[1]);
    esk_kernel_float(k, "epsilon", esk_attr_float(c->node, "epsilon", 1e-5f));

    esk_scale_shift(c, r, params, true);
    return ESK_OK;
}

/* Version 1 has an attribute more, which says nothing. */
static esk_status upgrade(struct esk_ctx *c) {
    esk_node_remove_attr(c->node, "consumed_inputs");
    return ESK_OK;
}

/* ---- GroupNormalization: scale and bias [C], before opset 21 [groups] */

static esk_status group_infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    int64_t groups = esk_attr_int(c->node, "num_groups", 0);
    if (x->rank < 2)
        return esk_node_fail(c, ESK_INVALID_MODEL, "X has rank %d, it must be at least 2",
                             x->rank);
    if (groups < 1 || x->dim[1] % groups)
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "num_groups %lld does not divide %lld channels",
                             (long long)groups, (long long)x->dim[1]);
    for (uint32_t i = 1; i < 3; i++) {
        const struct esk_var *v = esk_in(c, i);
        if (v->rank != 1 || (v->dim[0] != x->dim[1] && v->dim[0] != groups))
            return esk_node_fail(c, ESK_INVALID_MODEL, "input %u has no value a channel",
                                 i);
    }
    return esk_set_out_like(c, 0, 0);
}

static esk_status group_cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0];
    double epsilon = (double)esk_attr_float(c->node, "epsilon", 1e-5f), mean, inverse;
    int64_t groups = esk_attr_int(c->node, "num_groups", 1), per = x->dim[1] / groups;
    int64_t spatial = esk_shape_product(x->dim, 2, x->rank), size = per * spatial;
    double *v = ESK_ARENA_ARRAY(c->scratch, double, (size_t)size);
    if (!v)
        return esk_fail_memory(c->error, c->node->name);
    for (int64_t row = 0; row < x->dim[0] * groups && size; row++) {
        esk_read_doubles(x, row * size, 1, size, v);
        esk_norm_measure(v, size, epsilon, false, &mean, &inverse);
        for (int64_t ch = 0; ch < per; ch++) {
            double s, b;
            int64_t channel = row % groups * per + ch;
            int64_t at_s = c->in[1]->dim[0] == x->dim[1] ? channel : row % groups;
            int64_t at_b = c->in[2]->dim[0] == x->dim[1] ? channel : row % groups;
            esk_read_doubles(c->in[1], at_s, 1, 1, &s);
            esk_read_doubles(c->in[2], at_b, 1, 1, &b);
            for (int64_t k = 0; k < spatial; k++)
                v[ch * spatial + k] = (v[ch * spatial + k] - mean) * inverse * s + b;
        }
        esk_write_doubles(c->out[0], row * size, 1, size, v);
    }
    return ESK_OK;
}

/* Channels are measured as for InstanceNormalization, then those of a group are joined.
 */
static void add_joined(struct esk_ctx *c, int64_t groups) {
    const struct esk_var *x = esk_in(c, 0), *s = esk_in(c, 1);
    int64_t c4 = (x->dim[1] + 3) / 4, per = x->dim[1] / groups;
    struct esk_recipe *r = esk_add_recipe(c, "group norm");
    r->in_layout[0] = r->out_layout[0] = ESK_LAYOUT_C4;
    struct esk_ref_to moments = scratch_pairs(x, r), params = scratch_pairs(x, r);
    struct esk_kernel *k = measure(c, r);
    esk_kernel_define(k, "MOMENTS", 1);
    esk_kernel_ref(k, "Y", r, moments, ESK_WRITE, ESK_VEC4);

    k = esk_recipe_kernel(r, "group_norm_params");
    esk_kernel_ref(k, "X", r, moments, ESK_READ, ESK_VEC4);
    esk_kernel_in(c, r, k, "S", 1, ESK_ELEMENT);
    esk_kernel_in(c, r, k, "B", 2, ESK_ELEMENT);
    esk_kernel_ref(k, "Y", r, params, ESK_WRITE, ESK_VEC4);
    esk_kernel_int(k, "count", x->dim[0] * c4);
    esk_kernel_int(k, "c", x->dim[1]);
    esk_kernel_int(k, "c4", c4);
    esk_kernel_int(k, "per", per);
    esk_kernel_int(k, "shared", s->dim[0] == x->dim[1] ? 1 : per);
    esk_kernel_int(k, "pixels", esk_shape_product(x->dim, 2, x->rank));
    esk_kernel_float(k, "epsilon", esk_attr_float(c->node, "epsilon", 1e-5f));
    esk_kernel_flat(k, c->limits, (uint64_t)(x->dim[0] * c4));
    k->loop_iterations = (uint64_t)(8 * (per / 4 + 2));

    esk_scale_shift(c, r, params, true);
}

static esk_status group_gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *s = esk_in(c, 1), *b = esk_in(c, 2), *who;
    int64_t groups = esk_attr_int(c->node, "num_groups", 1);
    if (s->dim[0] != b->dim[0])
        return esk_unsupported(c, "scale and bias of different lengths");
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "type %s", esk_dtype_name(who->dtype));
    if (c->limits->planes && c->group)
        return esk_unsupported(c, "a group behind rows");
    if (!c->limits->planes && fits_channels(x))
        add_joined(c, groups);
    if (c->group) /* the rows below take none */
        return ESK_OK;
    struct esk_norm norm = {
        .rows = x->dim[0] * groups,
        .channels = x->dim[1] / groups,
        .spatial = esk_shape_product(x->dim, 2, x->rank),
        .epsilon = esk_attr_float(c->node, "epsilon", 1e-5f),
        .affine = s->dim[0] == x->dim[1] ? ESK_NORM_CHANNELS : ESK_NORM_ROWS,
        .turn = groups,
    };
    esk_status status = esk_norm_gpu(c, &norm);
    if (!c->limits->planes || !fits_channels(x))
        return status;
    add_joined(c, groups);
    return ESK_OK;
}

const struct esk_op esk_op_InstanceNormalization = {
    .domain = "",
    .name = "InstanceNormalization",
    .since = (const uint8_t[]){1, 6, 22, 0},
    .flags = ESK_OP_EPILOGUE,
    .min_in = 3,
    .alike = 0x7,
    .real = 0x7,
    .max_in = 3,
    .min_out = 1,
    .upgrade = upgrade,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};

const struct esk_op esk_op_GroupNormalization = {
    .domain = "",
    .name = "GroupNormalization",
    .since = (const uint8_t[]){18, 21, 0},
    .flags = ESK_OP_EPILOGUE,
    .min_in = 3,
    .alike = 0x7,
    .real = 0x7,
    .min_out = 1,
    .infer = group_infer,
    .cpu = group_cpu,
    .gpu = group_gpu,
};
