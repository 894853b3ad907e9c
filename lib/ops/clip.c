/* Clip: min(max(x, low), high); NaN stays. Bounds are one element each, may be absent,
 * and need not be known before the run. */
#include "recipes/elementwise.h"
#include "recipes/rows.h"

#include <string.h>

/* Bounds of types that fit a parameter word may come late; others are operands. */
static uint32_t late_bounds(const struct esk_graph *graph, const struct esk_node *node) {
    for (uint32_t i = 0; i < node->n_in; i++)
        if (node->in[i] != ESK_NONE)
            switch (graph->vars[node->in[i]]->dtype) {
            case ESK_INT64:
            case ESK_UINT64:
            case ESK_UINT32:
            case ESK_DOUBLE:
                return 0;
            default:
                break;
            }
    return 1 << 1 | 1 << 2;
}

/* Opset 1 and 6: bounds were float attributes. */
static esk_status upgrade(struct esk_ctx *c) {
    static const char *const names[] = {NULL, "min", "max"};
    esk_dtype dtype = esk_in(c, 0) ? esk_in(c, 0)->dtype : ESK_FLOAT;
    if (c->node->since >= 11)
        return ESK_OK;
    for (uint32_t i = 1; i <= 2; i++) {
        const struct esk_attr *attr = esk_node_attr(c->node, names[i]);
        if (!attr)
            continue;
        if (attr->kind != ESK_ATTR_FLOAT)
            return esk_node_fail(c, ESK_INVALID_MODEL, "attribute '%s' must be a float",
                                 names[i]);
        uint64_t bytes = 0;
        struct esk_tensor bound = {.dtype = esk_dtype_is_float(dtype) ? dtype : ESK_FLOAT,
                                   .data = &bytes};
        esk_tensor_set_double(&bound, 0, (double)attr->f);
        char *stem = esk_arena_printf(&c->graph->arena, "%s.%s", c->node->name, names[i]);
        esk_id var =
            stem ? esk_graph_add_const(c->graph, stem, bound.dtype, 0, NULL, &bytes)
                 : ESK_NONE;
        if (var == ESK_NONE)
            return esk_fail_memory(c->error, "a constant");
        ESK_TRY(esk_upgrade_set_input(c, i, var));
        esk_node_remove_attr(c->node, names[i]);
    }
    return ESK_OK;
}

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    if (!x || !(esk_dtype_is_float(x->dtype) || esk_dtype_is_int(x->dtype)))
        return esk_node_fail(c, ESK_UNSUPPORTED, "type %s is not supported",
                             esk_dtype_name(x ? x->dtype : ESK_DTYPE_UNDEFINED));
    for (uint32_t i = 1; i < 3; i++) {
        const struct esk_var *bound = esk_in(c, i);
        if (!bound)
            continue;
        if (esk_var_count(bound) != 1)
            return esk_node_fail(c, ESK_INVALID_MODEL,
                                 "input %u has %lld elements, it must have one", i,
                                 (long long)esk_var_count(bound));
        /* a bound that was an attribute is float where x's type was not known */
        if (bound->dtype != x->dtype &&
            !(bound->dtype == ESK_FLOAT && esk_dtype_is_float(x->dtype)))
            return esk_node_fail(c, ESK_INVALID_MODEL, "input %u is %s, input 0 is %s", i,
                                 esk_dtype_name(bound->dtype), esk_dtype_name(x->dtype));
    }
    return esk_set_out_like(c, 0, 0);
}

#define CLIP(name, type, ctype, wide)                                    \
    static void name##_##type(int64_t n, void *y, const void *const *in, \
                              const int64_t *step, const float *p) {     \
        const ctype *x = in[0], *low = in[1], *high = in[2];             \
        ctype *r = y;                                                    \
        (void)step, (void)p;                                             \
        for (int64_t i = 0; i < n; i++) {                                \
            ctype v = x[i];                                              \
            v = low && v < *low ? *low : v;                              \
            r[i] = high && v > *high ? *high : v;                        \
        }                                                                \
    }
ESK_EACH_FLOAT(CLIP, clip)
ESK_EACH_INT(CLIP, clip)
static const struct esk_rows rows = {.fn = {ESK_FLOAT_ROWS(clip), ESK_INT_ROWS(clip)}};

static esk_status cpu(struct esk_cpu *c) {
    /* the bounds as scalars of x's type */
    uint64_t bytes[3] = {0};
    struct esk_tensor bound[3];
    const struct esk_tensor *in[3] = {c->in[0]};
    for (uint32_t i = 1; i < 3 && i < c->n_in; i++) {
        if (!c->in[i])
            continue;
        bound[i] = (struct esk_tensor){.dtype = c->in[0]->dtype, .data = &bytes[i]};
        in[i] = &bound[i];
        if (c->in[i]->dtype == c->in[0]->dtype)
            memcpy(&bytes[i], c->in[i]->data, esk_dtype_bits(bound[i].dtype) / 8);
        else
            esk_tensor_set_double(&bound[i], 0, esk_tensor_double(c->in[i], 0));
    }
    struct esk_cpu with = *c;
    with.in = in;
    with.n_in = 3;
    return esk_rows_cpu(&with);
}

static const struct esk_elementwise elementwise = {
    .exprs = {{ESK_CLASS_F, "clip($a, $b, $c)"},
              {ESK_CLASS_I, "min(max($a, $b), $c)"},
              {ESK_CLASS_U, "min(max($a, $b), $c)"},
              {ESK_CLASS_L, "min64(max64($a, $b), $c)"},
              {ESK_CLASS_UL, "min64u(max64u($a, $b), $c)"}},
};

const struct esk_op esk_op_Clip = {
    .domain = "",
    .name = "Clip",
    .since = ESK_SINCE(1, 6, 11, 12, 13),
    .flags = ESK_OP_ELEMENTWISE,
    .min_in = 1,
    .max_in = 3,
    .min_out = 1,
    .host_in = late_bounds,
    .host_late = late_bounds,
    .upgrade = upgrade,
    .infer = infer,
    .cpu = cpu,
    .gpu = esk_elementwise_gpu,
    .elementwise = &elementwise,
    .data = &rows,
};
