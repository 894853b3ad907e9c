/* ConstantOfShape, Range, EyeLike: tensors from parameters alone. Mostly folded; large
 * ones are filled on the device. */
#include "recipes/map.h"
#include "recipes/move.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum mode { CONSTANT, RANGE, EYE };

static int kind_of(const struct esk_var *y) {
    switch (esk_storage_of(y->dtype, y->rank, y->dim, ESK_LAYOUT_DENSE)) {
    case ESK_STORAGE_I64X2:
        return 3;
    case ESK_STORAGE_U32:
        return 2;
    case ESK_STORAGE_I32:
        return 1;
    default:
        return 0;
    }
}

static struct esk_kernel *add_fill(struct esk_ctx *c, const char *label, enum mode mode) {
    const struct esk_var *y = esk_out(c, 0);
    struct esk_recipe *r = esk_add_recipe(c, label);
    struct esk_kernel *k = esk_recipe_kernel(r, "fill");
    esk_kernel_define(k, "MODE", mode);
    esk_kernel_define(k, "KIND", kind_of(y));
    esk_kernel_map(c, r, k, 0, true);
    k->bytes = (double)esk_var_count(y) * 4;
    return k;
}

/* ---- ConstantOfShape ---- */

/* The attribute, or float 0. */
static struct esk_tensor constant_value(const struct esk_node *node, float *zero) {
    const struct esk_attr *attr = esk_node_attr(node, "value");
    *zero = 0;
    if (attr && attr->kind == ESK_ATTR_TENSOR)
        return attr->tensors[0];
    return (struct esk_tensor){
        .dtype = ESK_FLOAT, .rank = 1, .dim = {1}, .data = zero, .bytes = sizeof *zero};
}

static esk_status constant_infer(struct esk_ctx *c) {
    int64_t dims[ESK_MAX_RANK];
    uint32_t n;
    float zero;
    struct esk_tensor value = constant_value(c->node, &zero);
    ESK_TRY(esk_in_ints(c, 0, dims, ESK_MAX_RANK, &n));
    if (esk_shape_product(value.dim, 0, value.rank) != 1)
        return esk_node_fail(c, ESK_INVALID_MODEL, "value must have one element");
    return esk_set_out(c, 0, value.dtype, (int)n, dims);
}

static esk_status constant_cpu(struct esk_cpu *c) {
    struct esk_tensor *y = c->out[0];
    float zero;
    struct esk_tensor value = constant_value(c->node, &zero);
    size_t element = y ? esk_move_element(y->dtype) : 1;
    if (!element)
        return esk_cpu_fail(c, ESK_UNSUPPORTED, "elements of type %s are not filled",
                            esk_dtype_name(y->dtype));
    if (!y || !y->bytes)
        return ESK_OK;
    struct esk_move m = {0};
    esk_move_push(&m, esk_shape_product(y->dim, 0, y->rank), 0);
    esk_move_cpu(&m, element, y->data, value.data);
    return ESK_OK;
}

static esk_status constant_gpu(struct esk_ctx *c) {
    ESK_TRY(esk_move_ready(c));
    float zero;
    struct esk_tensor value = constant_value(c->node, &zero);
    struct esk_kernel *k = add_fill(c, "constant", CONSTANT);
    if (kind_of(esk_out(c, 0)) == 0) {
        esk_kernel_float(k, "value", (float)esk_tensor_double(&value, 0));
        return ESK_OK;
    }
    uint64_t bits = (uint64_t)esk_tensor_int(&value, 0);
    esk_kernel_int(k, "value", (int32_t)(uint32_t)bits);
    if (kind_of(esk_out(c, 0)) == 3)
        esk_kernel_int(k, "value_high", (int32_t)(uint32_t)(bits >> 32));
    return ESK_OK;
}

static uint32_t first_in(const struct esk_graph *graph, const struct esk_node *node) {
    (void)graph;
    (void)node;
    return 1;
}

/* ---- Range ---- */

static esk_status range_infer(struct esk_ctx *c) {
    struct esk_tensor in[3];
    for (uint32_t i = 0; i < 3; i++) {
        const struct esk_var *var = esk_in(c, i);
        if (esk_var_count(var) != 1 || var->dtype != esk_in(c, 0)->dtype)
            return esk_node_fail(c, ESK_INVALID_MODEL,
                                 "start, limit and delta must be scalars of one type");
        if (!var->data)
            return esk_node_fail(c, ESK_UNSUPPORTED, "input %u is not known yet", i);
        in[i] = esk_var_tensor(var);
    }
    int64_t count;
    if (esk_dtype_is_float(in[0].dtype)) {
        double start = esk_tensor_double(&in[0], 0), limit = esk_tensor_double(&in[1], 0);
        double delta = esk_tensor_double(&in[2], 0), n = ceil((limit - start) / delta);
        if (!(fabs(n) < 4e15))
            return esk_node_fail(c, ESK_INVALID_MODEL, "start %g, limit %g, delta %g",
                                 start, limit, delta);
        count = n > 0 ? (int64_t)n : 0;
    } else {
        int64_t start = esk_tensor_int(&in[0], 0), limit = esk_tensor_int(&in[1], 0);
        int64_t delta = esk_tensor_int(&in[2], 0);
        if (delta == 0)
            return esk_node_fail(c, ESK_INVALID_MODEL, "delta is 0");
        bool some = delta > 0 ? limit > start : limit < start;
        uint64_t span = delta > 0 ? (uint64_t)limit - (uint64_t)start
                                  : (uint64_t)start - (uint64_t)limit;
        uint64_t step = delta > 0 ? (uint64_t)delta : 0 - (uint64_t)delta;
        uint64_t n = some ? (span - 1) / step + 1 : 0;
        count = n > INT64_MAX / 8 ? INT64_MAX / 8 : (int64_t)n;
    }
    return esk_set_out(c, 0, in[0].dtype, 1, &count);
}

static esk_status range_cpu(struct esk_cpu *c) {
    struct esk_tensor *y = c->out[0];
    int64_t count = y ? y->dim[0] : 0;
    if (y && esk_dtype_is_float(y->dtype)) {
        double start = esk_tensor_double(c->in[0], 0),
               delta = esk_tensor_double(c->in[2], 0);
        bool wide = y->dtype == ESK_DOUBLE;
        for (int64_t i = 0; i < count; i++)
            esk_tensor_set_double(y, i,
                                  wide
                                      ? start + (double)i * delta
                                      : (double)((float)start + (float)i * (float)delta));
    } else if (y) {
        int64_t start = esk_tensor_int(c->in[0], 0), delta = esk_tensor_int(c->in[2], 0);
        for (int64_t i = 0; i < count; i++)
            esk_tensor_set_int(
                y, i, (int64_t)((uint64_t)start + (uint64_t)i * (uint64_t)delta));
    }
    return ESK_OK;
}

static esk_status range_gpu(struct esk_ctx *c) {
    ESK_TRY(esk_move_ready(c));
    struct esk_tensor start = esk_var_tensor(esk_in(c, 0)),
                      delta = esk_var_tensor(esk_in(c, 2));
    int kind = kind_of(esk_out(c, 0));
    if (kind == 0) {
        struct esk_kernel *k = add_fill(c, "range", RANGE);
        esk_kernel_float(k, "value", (float)esk_tensor_double(&start, 0));
        esk_kernel_float(k, "delta", (float)esk_tensor_double(&delta, 0));
        return ESK_OK;
    }
    int64_t first = esk_tensor_int(&start, 0), step = esk_tensor_int(&delta, 0), last;
    if (__builtin_mul_overflow(esk_var_count(esk_out(c, 0)), step, &last) ||
        __builtin_add_overflow(last, first, &last) || first < INT32_MIN ||
        first > INT32_MAX || last < INT32_MIN || last > INT32_MAX || step < INT32_MIN ||
        step > INT32_MAX)
        return esk_unsupported(
            c, "the range from %" PRId64 " by %" PRId64 " exceeds 32 bits", first, step);
    struct esk_kernel *k = add_fill(c, "range", RANGE);
    esk_kernel_int(k, "value", first);
    esk_kernel_int(k, "delta", step);
    return ESK_OK;
}

static uint32_t all_in(const struct esk_graph *graph, const struct esk_node *node) {
    (void)graph;
    (void)node;
    return 7;
}

/* ---- EyeLike ---- */

static esk_status eye_infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    int64_t dtype = esk_attr_int(c->node, "dtype", x->dtype);
    if (x->rank != 2)
        return esk_node_fail(c, ESK_INVALID_MODEL, "the input has rank %d, not 2",
                             x->rank);
    if (!esk_dtype_is_float((esk_dtype)dtype) && !esk_dtype_is_int((esk_dtype)dtype) &&
        dtype != ESK_BOOL)
        return esk_node_fail(c, ESK_UNSUPPORTED, "dtype %" PRId64, dtype);
    return esk_set_out(c, 0, (esk_dtype)dtype, 2, x->dim);
}

static esk_status eye_cpu(struct esk_cpu *c) {
    struct esk_tensor *y = c->out[0];
    if (!y || !y->bytes)
        return ESK_OK;
    int64_t diagonal = esk_attr_int(c->node, "k", 0);
    memset(y->data, 0, y->bytes);
    for (int64_t row = 0; row < y->dim[0]; row++) {
        int64_t column;
        if (__builtin_add_overflow(row, diagonal, &column) || column < 0 ||
            column >= y->dim[1])
            continue;
        if (esk_dtype_is_float(y->dtype))
            esk_tensor_set_double(y, row * y->dim[1] + column, 1);
        else
            esk_tensor_set_int(y, row * y->dim[1] + column, 1);
    }
    return ESK_OK;
}

static esk_status eye_gpu(struct esk_ctx *c) {
    const struct esk_var *y = esk_out(c, 0);
    int64_t diagonal = esk_attr_int(c->node, "k", 0);
    if (esk_storage_of(y->dtype, y->rank, y->dim, ESK_LAYOUT_DENSE) == ESK_STORAGE_HOST)
        return esk_unsupported(c, "%s has no device storage", esk_dtype_name(y->dtype));
    if (diagonal < -y->dim[0] || diagonal > y->dim[1])
        diagonal = y->dim[1];
    struct esk_kernel *k = add_fill(c, "eye", EYE);
    esk_kernel_int(k, "columns", y->dim[1]);
    esk_kernel_int(k, "diagonal", diagonal);
    return ESK_OK;
}

const struct esk_op esk_op_ConstantOfShape = {
    .domain = "",
    .name = "ConstantOfShape",
    .since = (const uint8_t[]){9, 20, 21, 23, 24, 25, 0},
    .min_in = 1,
    .min_out = 1,
    .host_in = first_in,
    .infer = constant_infer,
    .cpu = constant_cpu,
    .gpu = constant_gpu,
};

const struct esk_op esk_op_Range = {
    .domain = "",
    .name = "Range",
    .since = (const uint8_t[]){11, 27, 0},
    .min_in = 3,
    .min_out = 1,
    .host_in = all_in,
    .infer = range_infer,
    .cpu = range_cpu,
    .gpu = range_gpu,
};

const struct esk_op esk_op_EyeLike = {
    .domain = "",
    .name = "EyeLike",
    .since = (const uint8_t[]){9, 22, 0},
    .min_in = 1,
    .min_out = 1,
    .infer = eye_infer,
    .cpu = eye_cpu,
    .gpu = eye_gpu,
};
