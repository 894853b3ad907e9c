/* QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear. In: X, scale, zero point; out:
 * Y. One scale, one for each item of an axis, or one for each block along it. NaN becomes
 * 0. */
#include "recipes/elementwise.h"
#include "recipes/map.h"
#include "recipes/quantize.h"
#include "recipes/rows.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 256 };

static esk_status upgrade_dynamic(struct esk_ctx *c) {
    struct esk_rewrite w = {.c = c};
    esk_id y, scale, zero, *out = c->node->out;
    esk_rewrite_dynamic(&w, c->node->in[0], &y, &scale, &zero);
    if (w.failed)
        return esk_fail_memory(c->error, "nodes of an upgrade");
    const esk_id made[] = {ESK_NONE, scale, zero};
    for (uint32_t i = 1; i < c->node->n_out && i < 3; i++)
        if (out[i] != ESK_NONE && esk_graph_add_node(c->graph, "", "Identity", NULL, 1,
                                                     &made[i], 1, &out[i]) == ESK_NONE)
            return esk_fail_memory(c->error, "nodes of an upgrade");
    c->node->n_out = 1;
    esk_id in[] = {c->node->in[0], scale, zero};
    return esk_rewrite_end(&w, "QuantizeLinear", 3, in, false);
}

static esk_status infer_shapes(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *s = esk_in(c, 1), *z = esk_in(c, 2);
    struct esk_scales scales;
    if (!esk_dtype_is_float(s->dtype) || s->dtype == ESK_DOUBLE)
        return esk_node_fail(c, ESK_UNSUPPORTED, "scales of type %s",
                             esk_dtype_name(s->dtype));
    const char *wrong =
        esk_scales_read(c->node, x->rank, x->dim, s->rank, s->dim, &scales);
    if (wrong)
        return esk_node_fail(c, ESK_INVALID_MODEL, "%s (X has rank %d, the scales %d)",
                             wrong, x->rank, s->rank);
    if (z && esk_var_count(z) != esk_var_count(s))
        return esk_node_fail(c, ESK_INVALID_MODEL, "%lld zero points for %lld scales",
                             (long long)esk_var_count(z), (long long)esk_var_count(s));
    return ESK_OK;
}

static esk_status infer_quantize(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *z = esk_in(c, 2);
    esk_dtype to = (esk_dtype)esk_attr_int(c->node, "output_dtype", 0);
    if (!to)
        to = z ? z->dtype : ESK_UINT8;
    if (z && z->dtype != to)
        return esk_node_fail(c, ESK_INVALID_MODEL, "output_dtype %s, but zero point %s",
                             esk_dtype_name(to), esk_dtype_name(z->dtype));
    if (!esk_quantized_type(to) || to == ESK_INT32)
        return esk_node_fail(c, ESK_UNSUPPORTED, "output of type %s", esk_dtype_name(to));
    if (x->dtype != ESK_INT32 &&
        (!esk_dtype_is_float(x->dtype) || x->dtype == ESK_DOUBLE))
        return esk_node_fail(c, ESK_UNSUPPORTED, "X of type %s",
                             esk_dtype_name(x->dtype));
    ESK_TRY(infer_shapes(c));
    return esk_set_out(c, 0, to, x->rank, x->dim);
}

static esk_status infer_dequantize(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *s = esk_in(c, 1), *z = esk_in(c, 2);
    esk_dtype to = (esk_dtype)esk_attr_int(c->node, "output_dtype", 0);
    if (!to)
        to = s->dtype;
    if (!esk_quantized_type(x->dtype))
        return esk_node_fail(c, ESK_UNSUPPORTED, "X of type %s",
                             esk_dtype_name(x->dtype));
    if (z && z->dtype != x->dtype)
        return esk_node_fail(c, ESK_INVALID_MODEL, "X is %s, but the zero point %s",
                             esk_dtype_name(x->dtype), esk_dtype_name(z->dtype));
    if (!esk_dtype_is_float(to) || to == ESK_DOUBLE)
        return esk_node_fail(c, ESK_UNSUPPORTED, "output of type %s", esk_dtype_name(to));
    ESK_TRY(infer_shapes(c));
    return esk_set_out(c, 0, to, x->rank, x->dim);
}

/* Calls `run` for pieces of at most CHUNK elements; the piece's element i has scale
 * index + i * step. */
struct piece {
    struct esk_cpu *c;
    const float *scale;
    const int64_t *zero; /* NULL: none */
    int64_t low, high;
};

static void quantize(const struct piece *p, int64_t at, int64_t n, int64_t index,
                     int64_t step) {
    double x[CHUNK];
    int64_t y[CHUNK];
    const struct esk_tensor *in = p->c->in[0];
    if (in->dtype == ESK_INT32) {
        esk_rows_load_ints(in, at, 1, n, y);
        for (int64_t i = 0; i < n; i++)
            x[i] = (double)y[i];
    } else
        esk_rows_load_doubles(in, at, 1, n, x);
    for (int64_t i = 0; i < n; i++) {
        int64_t k = index + i * step;
        float v = rintf((float)x[i] / p->scale[k]) + (p->zero ? (float)p->zero[k] : 0.0f);
        if (isnan(v))
            v = 0;
        y[i] = v <= (float)p->low ? p->low : v >= (float)p->high ? p->high : (int64_t)v;
    }
    esk_quantized_store(p->c->out[0], at, n, y);
}

static void dequantize(const struct piece *p, int64_t at, int64_t n, int64_t index,
                       int64_t step) {
    int64_t x[CHUNK];
    double y[CHUNK];
    esk_quantized_load(p->c->in[0], at, n, x);
    for (int64_t i = 0; i < n; i++) {
        int64_t k = index + i * step;
        y[i] = (double)((float)(x[i] - (p->zero ? p->zero[k] : 0)) * p->scale[k]);
    }
    esk_rows_store_doubles(p->c->out[0], at, n, y);
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0], *s = c->in[1];
    const struct esk_tensor *z = c->n_in > 2 ? c->in[2] : NULL;
    struct esk_scales scales;
    struct piece p = {.c = c};
    bool back = strcmp(c->node->op->name, "DequantizeLinear") == 0;
    int64_t count = esk_shape_product(s->dim, 0, s->rank);
    if (!c->out[0] || esk_shape_product(x->dim, 0, x->rank) == 0)
        return ESK_OK;
    esk_scales_read(c->node, x->rank, x->dim, s->rank, s->dim, &scales);
    float *scale = ESK_ARENA_ARRAY(c->scratch, float, (size_t)count);
    int64_t *zero = z ? ESK_ARENA_ARRAY(c->scratch, int64_t, (size_t)count) : NULL;
    if (!scale || (z && !zero))
        return esk_fail_memory(c->error, "scales");
    for (int64_t i = 0; i < count; i++)
        scale[i] = (float)esk_tensor_double(s, i);
    if (z)
        esk_quantized_load(z, 0, count, zero);
    p.scale = scale;
    p.zero = zero;
    esk_quantized_range(c->out[0]->dtype == ESK_FLOAT || back ? ESK_INT8
                                                              : c->out[0]->dtype,
                        &p.low, &p.high);
    int64_t rows = scales.outer * scales.axis, inner = scales.inner, step = 0;
    bool columns = !scales.one && scales.block == 0 && inner == 1;
    if (columns) { /* rows of one element: the axis is the row */
        rows = scales.outer;
        inner = scales.axis;
        step = 1;
    }
    if (scales.block)
        step = 1;
    for (int64_t row = 0; row < rows; row++) {
        int64_t a = columns || scales.one ? 0 : row % scales.axis, index = a;
        if (scales.block)
            index = (row / scales.axis * scales.blocks + a / scales.block) * inner;
        for (int64_t done = 0; done < inner; done += CHUNK) {
            int64_t n = inner - done < CHUNK ? inner - done : CHUNK;
            (back ? dequantize : quantize)(&p, row * inner + done, n, index + done * step,
                                           step);
        }
    }
    return ESK_OK;
}

/* Scales that are not one for all: each element on its own. */
static esk_status gpu_each(struct esk_ctx *c, const struct esk_scales *scales,
                           bool back) {
    const struct esk_var *x = esk_in(c, 0), *y = esk_out(c, 0), *who;
    int64_t low, high;
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "type %s", esk_dtype_name(who->dtype));
    if (esk_var_count(x) > INT32_MAX)
        return esk_unsupported(c, "%lld elements", (long long)esk_var_count(x));
    struct esk_recipe *r = esk_add_recipe(c, back ? "dequantize" : "quantize");
    struct esk_kernel *k = esk_recipe_kernel(r, "quantize");
    if (back)
        esk_kernel_define(k, "DEQUANTIZE", 1);
    if (scales->block)
        esk_kernel_define(k, "BLOCKS", 1);
    if (esk_in(c, 2))
        esk_kernel_define(k, "ZERO", 1);
    esk_kernel_in(c, r, k, "X", 0, ESK_ELEMENT);
    esk_kernel_in(c, r, k, "S", 1, ESK_ELEMENT);
    if (esk_in(c, 2))
        esk_kernel_in(c, r, k, "Z", 2, ESK_ELEMENT);
    esk_kernel_map(c, r, k, 0, true);
    if (!back) {
        esk_quantized_range(y->dtype, &low, &high);
        esk_kernel_int(k, "low", low);
        esk_kernel_int(k, "high", high);
    }
    esk_kernel_int(k, "axis", scales->axis);
    esk_kernel_int(k, "inner", scales->inner);
    if (scales->block) {
        esk_kernel_int(k, "block", scales->block);
        esk_kernel_int(k, "blocks", scales->blocks);
    }
    k->flops = 4 * (double)esk_var_count(x);
    k->bytes = 8 * (double)esk_var_count(x);
    return ESK_OK;
}

static bool is_unsigned(const struct esk_var *v) {
    return esk_class_of(v->dtype) == ESK_CLASS_U;
}

static esk_status gpu_quantize(struct esk_ctx *c) {
    static const struct {
        esk_dtype to;
        const char *plain, *zero;
    } rows[] = {
#define VALUE "roundEven(to_float($a) / $b)"
#define ROW(type, before, low, high, after)                            \
    {type, before "clamp(int_of(" VALUE "), " low ", " high ")" after, \
     before "clamp(int_of(" VALUE " + to_float($c)), " low ", " high ")" after}
        ROW(ESK_UINT8, "to_uint(", "0", "255", ")"),
        ROW(ESK_INT8, "", "-128", "127", ""),
        ROW(ESK_UINT16, "to_uint(", "0", "65535", ")"),
        ROW(ESK_INT16, "", "-32768", "32767", ""),
    };
    const struct esk_var *x = esk_in(c, 0), *s = esk_in(c, 1), *y = esk_out(c, 0), *who;
    struct esk_scales scales;
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "type %s", esk_dtype_name(who->dtype));
    esk_scales_read(c->node, x->rank, x->dim, s->rank, s->dim, &scales);
    if (!scales.one || x->rank == 0)
        return gpu_each(c, &scales, false);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].to == y->dtype)
            return esk_in(c, 2) ? esk_elementwise_expr(c, rows[i].zero, 3, false)
                                : esk_elementwise_expr(c, rows[i].plain, 2, true);
    return esk_unsupported(c, "type %s", esk_dtype_name(y->dtype));
}

static esk_status gpu_dequantize(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *s = esk_in(c, 1), *who;
    struct esk_scales scales;
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "type %s", esk_dtype_name(who->dtype));
    esk_scales_read(c->node, x->rank, x->dim, s->rank, s->dim, &scales);
    if (!scales.one || x->rank == 0)
        return gpu_each(c, &scales, true);
    if (!esk_in(c, 2))
        return esk_elementwise_expr(c, "to_float($a) * $b", 2, true);
    return esk_elementwise_expr(c,
                                is_unsigned(x) ? "to_float(to_int($a) - to_int($c)) * $b"
                                               : "to_float($a - $c) * $b",
                                3, false);
}

const struct esk_op esk_op_QuantizeLinear = {
    .domain = "",
    .name = "QuantizeLinear",
    .since = ESK_SINCE(10, 13, 19, 21, 23, 24, 25, 28),
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .infer = infer_quantize,
    .cpu = cpu,
    .gpu = gpu_quantize,
};

const struct esk_op esk_op_DequantizeLinear = {
    .domain = "",
    .name = "DequantizeLinear",
    .since = ESK_SINCE(10, 13, 19, 21, 23, 24, 25, 28),
    .flags = ESK_OP_EPILOGUE,
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .infer = infer_dequantize,
    .cpu = cpu,
    .gpu = gpu_dequantize,
};

const struct esk_op esk_op_DynamicQuantizeLinear = {
    .domain = "",
    .name = "DynamicQuantizeLinear",
    .since = ESK_SINCE(11),
    .min_in = 1,
    .min_out = 3,
    .upgrade = upgrade_dynamic,
};
