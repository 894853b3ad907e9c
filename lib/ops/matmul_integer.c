/* Products of quantized matrices: all become MatMul of int32 and what is around it. */
#include "recipes/quantize.h"
#include "recipes/rows.h"

/* The int32 product of a and b; their zero points may be ESK_NONE. A's may be one a row,
 * B's one a column. */
static esk_id product(struct esk_rewrite *w, esk_id a, esk_id a_zero, esk_id b,
                      esk_id b_zero) {
    a = esk_rewrite_centered(w, a, esk_rewrite_column(w, a_zero));
    b = esk_rewrite_centered(w, b, b_zero);
    return esk_rewrite_2(w, "MatMul", a, b);
}

static esk_id scale_of(struct esk_rewrite *w, esk_id a, esk_id b) {
    a = esk_rewrite_cast(w, esk_rewrite_column(w, a), ESK_FLOAT);
    return esk_rewrite_2(w, "Mul", a, esk_rewrite_cast(w, b, ESK_FLOAT));
}

/* c->node becomes the last step: sum * scale + bias, of type `to` if that is a half. */
static esk_status end_float(struct esk_rewrite *w, esk_id sum, esk_id scale, esk_id bias,
                            esk_dtype to) {
    esk_id in[] = {esk_rewrite_cast(w, sum, ESK_FLOAT), scale};
    if (bias == ESK_NONE && to != ESK_FLOAT16)
        return esk_rewrite_end(w, "Mul", 2, in, false);
    esk_id y = esk_rewrite_n(w, "Mul", 2, in);
    if (bias != ESK_NONE) {
        in[0] = y;
        in[1] = esk_rewrite_cast(w, bias, ESK_FLOAT);
        if (to != ESK_FLOAT16)
            return esk_rewrite_end(w, "Add", 2, in, false);
        y = esk_rewrite_n(w, "Add", 2, in);
    }
    w->c->node->n_attrs = 0;
    if (!esk_node_set_int(w->c->graph, w->c->node, "to", to))
        w->failed = true;
    return esk_rewrite_end(w, "Cast", 1, &y, true);
}

/* The same: sum * scale / y_scale, rounded, + y_zero. */
static esk_status end_quantized(struct esk_rewrite *w, esk_id sum, esk_id scale,
                                esk_id y_scale, esk_id y_zero) {
    scale = esk_rewrite_2(w, "Div", scale, esk_rewrite_cast(w, y_scale, ESK_FLOAT));
    esk_id v = esk_rewrite_2(w, "Mul", esk_rewrite_cast(w, sum, ESK_FLOAT), scale);
    esk_id in[] = {v, esk_rewrite_float(w, 1), y_zero};
    return esk_rewrite_end(w, "QuantizeLinear", y_zero == ESK_NONE ? 2 : 3, in, false);
}

static esk_status upgrade_integer(struct esk_ctx *c) {
    struct esk_rewrite w = {.c = c};
    esk_id a_zero = esk_rewrite_column(&w, esk_rewrite_in(&w, 2));
    esk_id in[] = {
        esk_rewrite_centered(&w, esk_rewrite_in(&w, 0), a_zero),
        esk_rewrite_centered(&w, esk_rewrite_in(&w, 1), esk_rewrite_in(&w, 3))};
    return esk_rewrite_end(&w, "MatMul", 2, in, false);
}

static esk_status upgrade_qlinear(struct esk_ctx *c) {
    struct esk_rewrite w = {.c = c};
    esk_id *in = c->node->in;
    esk_id sum = product(&w, in[0], in[2], in[3], in[5]);
    return end_quantized(&w, sum, scale_of(&w, in[1], in[4]), in[6], in[7]);
}

static esk_status upgrade_to_float(struct esk_ctx *c) {
    struct esk_rewrite w = {.c = c};
    esk_id *in = c->node->in;
    esk_id sum = product(&w, in[0], esk_rewrite_in(&w, 4), in[1], esk_rewrite_in(&w, 5));
    return end_float(&w, sum, scale_of(&w, in[2], in[3]), esk_rewrite_in(&w, 6),
                     c->graph->vars[in[2]]->dtype);
}

static esk_status upgrade_dynamic(struct esk_ctx *c) {
    struct esk_rewrite w = {.c = c};
    esk_id *in = c->node->in, a, scale, zero;
    esk_rewrite_dynamic(&w, in[0], &a, &scale, &zero);
    esk_id sum = product(&w, a, zero, in[1], esk_rewrite_in(&w, 3));
    return end_float(&w, sum, scale_of(&w, scale, in[2]), esk_rewrite_in(&w, 4),
                     ESK_FLOAT);
}

static esk_status upgrade_qgemm(struct esk_ctx *c) {
    struct esk_rewrite w = {.c = c};
    esk_id *in = c->node->in, a = in[0], b = in[3];
    esk_id bias = esk_rewrite_in(&w, 6), y_scale = esk_rewrite_in(&w, 7);
    /* the rows' order does not matter to the Transpose of a matrix */
    if (esk_attr_int(c->node, "transA", 0))
        a = esk_rewrite_2(&w, "Transpose", a, ESK_NONE);
    if (esk_attr_int(c->node, "transB", 0))
        b = esk_rewrite_2(&w, "Transpose", b, ESK_NONE);
    float alpha = esk_attr_float(c->node, "alpha", 1);
    esk_id sum = product(&w, a, in[2], b, in[5]), scale = scale_of(&w, in[1], in[4]);
    if (bias != ESK_NONE)
        sum = esk_rewrite_2(&w, "Add", sum, bias);
    if (alpha != 1)
        scale = esk_rewrite_2(&w, "Mul", scale, esk_rewrite_float(&w, alpha));
    if (y_scale == ESK_NONE)
        return end_float(&w, sum, scale, ESK_NONE, ESK_FLOAT);
    return end_quantized(&w, sum, scale, y_scale, esk_rewrite_in(&w, 8));
}

const struct esk_op esk_op_MatMulInteger = {
    .domain = "",
    .name = "MatMulInteger",
    .since = ESK_SINCE(10),
    .min_in = 2,
    .max_in = 4,
    .min_out = 1,
    .upgrade = upgrade_integer,
};

const struct esk_op esk_op_QLinearMatMul = {
    .domain = "",
    .name = "QLinearMatMul",
    .since = ESK_SINCE(10, 21),
    .min_in = 8,
    .min_out = 1,
    .upgrade = upgrade_qlinear,
};

const struct esk_op esk_op_MatMulIntegerToFloat = {
    .domain = "com.microsoft",
    .name = "MatMulIntegerToFloat",
    .since = ESK_SINCE(1),
    .min_in = 4,
    .max_in = 7,
    .min_out = 1,
    .upgrade = upgrade_to_float,
};

const struct esk_op esk_op_DynamicQuantizeMatMul = {
    .domain = "com.microsoft",
    .name = "DynamicQuantizeMatMul",
    .since = ESK_SINCE(1),
    .min_in = 3,
    .max_in = 5,
    .min_out = 1,
    .upgrade = upgrade_dynamic,
};

const struct esk_op esk_op_QGemm = {
    .domain = "com.microsoft",
    .name = "QGemm",
    .since = ESK_SINCE(1),
    .min_in = 6,
    .max_in = 9,
    .min_out = 1,
    .upgrade = upgrade_qgemm,
};
