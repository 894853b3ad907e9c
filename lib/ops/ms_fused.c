/* Fused operators of domain com.microsoft that are chains of plain ones: their `upgrade`
 * puts the chain in their place, so they need no kernels of their own. Must not know how
 * the parts are computed. */
#include "ir/op.h"

#include <string.h>

/* ---- Building chains. A failure to get memory makes every later id ESK_NONE. */

static esk_id chain(struct esk_ctx *c, const char *type, uint32_t n, const esk_id *in,
                    esk_id out, struct esk_node **node) {
    if (out == ESK_NONE)
        out = esk_graph_add_temp(c->graph, type);
    for (uint32_t i = 0; i == 0 && i < n; i++)
        if (in[i] == ESK_NONE)
            return ESK_NONE;
    if (out == ESK_NONE)
        return ESK_NONE;
    esk_id id = esk_graph_add_node(c->graph, "", type, c->node->name, n, in, 1, &out);
    if (id == ESK_NONE)
        return ESK_NONE;
    if (node)
        *node = c->graph->nodes[id];
    return out;
}

static esk_id chain1(struct esk_ctx *c, const char *type, esk_id a, esk_id out) {
    return chain(c, type, 1, &a, out, NULL);
}

static esk_id chain2(struct esk_ctx *c, const char *type, esk_id a, esk_id b,
                     esk_id out) {
    return chain(c, type, 2, (esk_id[]){a, b}, out, NULL);
}

static esk_status done(struct esk_ctx *c, esk_id last) {
    if (last == ESK_NONE)
        return esk_fail_memory(c->error, c->node->name);
    c->node->dead = true;
    return ESK_OK;
}

static esk_id float_like(struct esk_ctx *c, float value, esk_id like) {
    esk_id k = esk_graph_add_const(c->graph, "value", ESK_FLOAT, 0, NULL, &value);
    return chain2(c, "CastLike", k, like, ESK_NONE);
}

static esk_id ints(struct esk_ctx *c, int64_t value) {
    return esk_graph_add_const(c->graph, "ints", ESK_INT64, 1, (int64_t[]){1}, &value);
}

static bool wanted(struct esk_ctx *c, uint32_t i) {
    esk_id id = esk_out_id(c, i);
    return id != ESK_NONE && esk_graph_count_uses(c->graph, id) > 0;
}

/* ---- Activations */

static esk_id gelu(struct esk_ctx *c, esk_id x, bool tanh, esk_id out) {
    struct esk_node *node = NULL;
    out = chain(c, "Gelu", 1, &x, out, &node);
    if (node && tanh && !esk_node_set_float(c->graph, node, "esk_tanh", 1))
        return ESK_NONE;
    return out;
}

static esk_status activate(struct esk_ctx *c, esk_id x, const char *name,
                           const float *params, size_t n, esk_id out) {
    static const char *const plain[] = {"Relu", "Tanh", "Sigmoid", "HardSwish"};
    struct esk_node *node = NULL;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (strcmp(name, plain[i]) == 0)
            return done(c, chain1(c, plain[i], x, out));
    bool leaky = strcmp(name, "LeakyRelu") == 0, hard = strcmp(name, "HardSigmoid") == 0;
    if (leaky || hard) {
        out = chain(c, leaky ? "LeakyRelu" : "HardSigmoid", 1, &x, out, &node);
        if (node && n > 0 && !esk_node_set_float(c->graph, node, "alpha", params[0]))
            out = ESK_NONE;
        if (node && hard && n > 1 &&
            !esk_node_set_float(c->graph, node, "beta", params[1]))
            out = ESK_NONE;
        return done(c, out);
    }
    if (strcmp(name, "Clip") == 0 && n == 2) {
        esk_id in[3] = {x, float_like(c, params[0], x), float_like(c, params[1], x)};
        return done(c, chain(c, "Clip", 3, in, out, NULL));
    }
    return esk_node_fail(c, ESK_UNSUPPORTED, "activation %s is not known", name);
}

static esk_status upgrade_bias_gelu(struct esk_ctx *c) {
    esk_id x = esk_in_id(c, 0), b = esk_in_id(c, 1);
    if (b != ESK_NONE)
        x = chain2(c, "Add", x, b, ESK_NONE);
    return done(c, gelu(c, x, *(const bool *)c->node->op->data, esk_out_id(c, 0)));
}

static esk_status upgrade_quick_gelu(struct esk_ctx *c) {
    struct esk_node *node = NULL;
    esk_id x = esk_in_id(c, 0);
    esk_id y = chain(c, "Swish", 1, &x, esk_out_id(c, 0), &node);
    float alpha = esk_attr_float(c->node, "alpha", 1.702f);
    if (node && !esk_node_set_float(c->graph, node, "alpha", alpha))
        y = ESK_NONE;
    return done(c, y);
}

/* X + bias + skip */
static esk_status upgrade_bias_add(struct esk_ctx *c) {
    esk_id x = chain2(c, "Add", esk_in_id(c, 0), esk_in_id(c, 1), ESK_NONE);
    return done(c, chain2(c, "Add", x, esk_in_id(c, 2), esk_out_id(c, 0)));
}

/* (left, right) = X + bias; left * Gelu(right) */
static esk_status upgrade_bias_split_gelu(struct esk_ctx *c) {
    esk_id x = chain2(c, "Add", esk_in_id(c, 0), esk_in_id(c, 1), ESK_NONE);
    esk_id halves[2] = {esk_graph_add_temp(c->graph, "left"),
                        esk_graph_add_temp(c->graph, "right")};
    if (x == ESK_NONE || halves[0] == ESK_NONE || halves[1] == ESK_NONE)
        return done(c, ESK_NONE);
    esk_id id =
        esk_graph_add_node(c->graph, "", "Split", c->node->name, 1, &x, 2, halves);
    if (id == ESK_NONE || !esk_node_set_int(c->graph, c->graph->nodes[id], "axis", -1) ||
        !esk_node_set_int(c->graph, c->graph->nodes[id], "num_outputs", 2))
        return done(c, ESK_NONE);
    esk_id g = gelu(c, halves[1], false, ESK_NONE);
    return done(c, chain2(c, "Mul", halves[0], g, esk_out_id(c, 0)));
}

/* ---- Norms */

static esk_id norm(struct esk_ctx *c, bool rms, esk_id x, esk_id scale, esk_id bias,
                   float epsilon, uint32_t first_extra) {
    uint32_t n_out = 1;
    esk_id in[3] = {x, scale, bias}, out[3] = {esk_out_id(c, 0), ESK_NONE, ESK_NONE};
    for (uint32_t i = 1; i < 3 && !rms && first_extra; i++) {
        out[i] = esk_out_id(c, first_extra + i - 1);
        if (out[i] != ESK_NONE)
            n_out = i + 1;
    }
    esk_id id =
        esk_graph_add_node(c->graph, "", rms ? "RMSNormalization" : "LayerNormalization",
                           c->node->name, bias == ESK_NONE ? 2 : 3, in, n_out, out);
    if (id == ESK_NONE)
        return ESK_NONE;
    struct esk_node *node = c->graph->nodes[id];
    bool good =
        esk_node_set_float(c->graph, node, "epsilon", epsilon) &&
        esk_node_set_int(c->graph, node, "axis", esk_attr_int(c->node, "axis", -1));
    return good ? out[0] : ESK_NONE;
}

static esk_status upgrade_norm(struct esk_ctx *c) {
    bool rms = strcmp(c->node->op->name, "SimplifiedLayerNormalization") == 0;
    if (rms && wanted(c, 1))
        return esk_node_fail(c, ESK_UNSUPPORTED, "output inv_std_var is not known");
    return done(c, norm(c, rms, esk_in_id(c, 0), esk_in_id(c, 1), esk_in_id(c, 2),
                        esk_attr_float(c->node, "epsilon", 1e-5f), 1));
}

/* SkipLayerNormalization: input, skip, gamma, beta, bias; the Simplified one has no beta.
 * Outputs: Y, mean, 1/deviation, sum. */
static esk_status upgrade_skip_norm(struct esk_ctx *c) {
    bool rms = *(const bool *)c->node->op->data;
    esk_id beta = rms ? ESK_NONE : esk_in_id(c, 3), bias = esk_in_id(c, rms ? 3 : 4);
    esk_id sum = esk_out_id(c, 3);
    if (rms && (wanted(c, 1) || wanted(c, 2)))
        return esk_node_fail(c, ESK_UNSUPPORTED, "outputs 1 and 2 are not known");
    esk_id x = chain2(c, "Add", esk_in_id(c, 0), esk_in_id(c, 1),
                      bias == ESK_NONE ? sum : ESK_NONE);
    if (bias != ESK_NONE)
        x = chain2(c, "Add", x, bias, sum);
    if (x == ESK_NONE)
        return done(c, ESK_NONE);
    return done(c, norm(c, rms, x, esk_in_id(c, 2), beta,
                        esk_attr_float(c->node, "epsilon", 1e-12f), 1));
}

/* Inputs: ids, segment ids, word, position and segment embeddings, gamma, beta, mask,
 * position ids. Outputs: Y, mask index, sum. */
static esk_status upgrade_embed_norm(struct esk_ctx *c) {
    esk_id ids = esk_in_id(c, 0), segments = esk_in_id(c, 1), positions = esk_in_id(c, 8);
    esk_id mask = esk_in_id(c, 7), table = esk_in_id(c, 3), x, p, one = ints(c, 1);
    bool has_segments = segments != ESK_NONE && esk_in_id(c, 4) != ESK_NONE;
    struct esk_node *node = NULL;
    x = chain2(c, "Gather", esk_in_id(c, 2), ids, ESK_NONE);
    if (positions != ESK_NONE) {
        p = chain2(c, "Gather", table, positions, ESK_NONE);
    } else { /* the first rows, one for each column of ids */
        esk_id zero = ints(c, 0), shape = chain1(c, "Shape", ids, ESK_NONE);
        esk_id columns =
            chain(c, "Slice", 3, (esk_id[]){shape, one, ints(c, 2)}, ESK_NONE, NULL);
        p = chain(c, "Slice", 4, (esk_id[]){table, zero, columns, zero}, ESK_NONE, NULL);
    }
    x = chain2(c, "Add", x, p, has_segments ? ESK_NONE : esk_out_id(c, 2));
    if (has_segments)
        x = chain2(c, "Add", x, chain2(c, "Gather", esk_in_id(c, 4), segments, ESK_NONE),
                   esk_out_id(c, 2));
    if (x == ESK_NONE || one == ESK_NONE)
        return done(c, ESK_NONE);
    if (wanted(c, 1)) { /* how many ones a row of the mask has; without a mask zeros */
        if (mask == ESK_NONE)
            mask = chain2(c, "Sub", ids, ids, ESK_NONE);
        if (chain(c, "ReduceSum", 2, (esk_id[]){mask, one}, esk_out_id(c, 1), &node) ==
                ESK_NONE ||
            !esk_node_set_int(c->graph, node, "keepdims", 0))
            return done(c, ESK_NONE);
    }
    return done(c, norm(c, false, x, esk_in_id(c, 5), esk_in_id(c, 6),
                        esk_attr_float(c->node, "epsilon", 1e-12f), 0));
}

/* ---- FusedConv, FusedGemm: the plain node, then the activation */

static esk_status upgrade_fused(struct esk_ctx *c) {
    static const char *const own[] = {"activation", "activation_params",
                                      "activation_alpha", "activation_beta",
                                      "activation_gamma"};
    bool conv = strcmp(c->node->op->name, "FusedConv") == 0;
    float params[2] = {esk_attr_float(c->node, "activation_alpha", 0),
                       esk_attr_float(c->node, "activation_beta", 0)};
    size_t n = conv                                         ? 0
               : esk_node_attr(c->node, "activation_beta")  ? 2
               : esk_node_attr(c->node, "activation_alpha") ? 1
                                                            : 0;
    if (conv)
        n = esk_attr_floats(c->node, "activation_params", params, 2);
    const char *name = esk_attr_string(c->node, "activation", "");
    esk_id add = conv ? esk_in_id(c, 3) : ESK_NONE;
    bool acts = *name != 0;
    esk_id in[3] = {esk_in_id(c, 0), esk_in_id(c, 1), esk_in_id(c, 2)},
           y = esk_out_id(c, 0);
    struct esk_node *node = NULL;
    esk_id x = chain(c, conv ? "Conv" : "Gemm", in[2] == ESK_NONE ? 2 : 3, in,
                     acts || add != ESK_NONE ? ESK_NONE : y, &node);
    if (x == ESK_NONE || !node)
        return done(c, ESK_NONE);
    for (uint32_t i = 0; i < c->node->n_attrs; i++) {
        const struct esk_attr *attr = &c->node->attrs[i];
        bool mine = false;
        for (size_t j = 0; j < sizeof own / sizeof *own; j++)
            mine |= strcmp(attr->name, own[j]) == 0;
        if (mine)
            continue;
        struct esk_attr *copy = esk_node_add_attr(c->graph, node, attr->name);
        if (!copy)
            return done(c, ESK_NONE);
        *copy = *attr;
    }
    if (add != ESK_NONE)
        x = chain2(c, "Add", x, add, acts ? ESK_NONE : y);
    return acts ? activate(c, x, name, params, n, y) : done(c, x);
}

/* ---- Gates */

static esk_id cast(struct esk_ctx *c, esk_id x, esk_dtype to) {
    struct esk_node *node = NULL;
    esk_id y = chain(c, "Cast", 1, &x, ESK_NONE, &node);
    return node && !esk_node_set_int(c->graph, node, "to", to) ? ESK_NONE : y;
}

/* X + Y * gate */
static esk_status upgrade_gated_add(struct esk_ctx *c) {
    esk_id y = chain2(c, "Mul", esk_in_id(c, 1), esk_in_id(c, 2), ESK_NONE);
    return done(c, chain2(c, "Add", esk_in_id(c, 0), y, esk_out_id(c, 0)));
}

/* decay_scale * Softplus(a + bias), in float; Sigmoid(b) */
static esk_status upgrade_linear_gate(struct esk_ctx *c) {
    esk_id a = esk_in_id(c, 0), b = esk_in_id(c, 3), beta = esk_out_id(c, 1);
    if (beta != ESK_NONE && b == ESK_NONE)
        return esk_node_fail(c, ESK_INVALID_MODEL, "output beta without input b");
    esk_id x = chain2(c, "Add", cast(c, a, ESK_FLOAT), esk_in_id(c, 1), ESK_NONE);
    x = chain2(c, "Mul", chain1(c, "Softplus", x, ESK_NONE), esk_in_id(c, 2), ESK_NONE);
    x = chain2(c, "CastLike", x, a, esk_out_id(c, 0));
    if (beta != ESK_NONE && chain1(c, "Sigmoid", b, beta) == ESK_NONE)
        x = ESK_NONE;
    return done(c, x);
}

/* The rows of as many elements as the scale has, normalised, times an activation of the
 * gate. */
static esk_status upgrade_gated_norm(struct esk_ctx *c) {
    const char *name = esk_attr_string(c->node, "activation", "silu");
    bool silu = strcmp(name, "silu") == 0 || strcmp(name, "swish") == 0;
    if (!silu && strcmp(name, "sigmoid") != 0)
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "activation is '%s', not silu, swish or sigmoid", name);
    esk_id x = esk_in_id(c, 0), scale = esk_in_id(c, 1);
    struct esk_node *node = NULL;
    esk_id shape = chain(c, "Concat", 2,
                         (esk_id[]){ints(c, -1), chain1(c, "Shape", scale, ESK_NONE)},
                         ESK_NONE, &node);
    if (node && !esk_node_set_int(c->graph, node, "axis", 0))
        shape = ESK_NONE;
    esk_id rows = chain2(c, "Reshape", x, shape, ESK_NONE);
    node = NULL;
    esk_id y = chain(c, "RMSNormalization", 2, (esk_id[]){rows, scale}, ESK_NONE, &node);
    if (node && !esk_node_set_float(c->graph, node, "epsilon",
                                    esk_attr_float(c->node, "epsilon", 1e-6f)))
        y = ESK_NONE;
    y = chain2(c, "Reshape", y, chain1(c, "Shape", x, ESK_NONE), ESK_NONE);
    esk_id gate = chain1(c, silu ? "Swish" : "Sigmoid", esk_in_id(c, 2), ESK_NONE);
    return done(c, chain2(c, "Mul", y, gate, esk_out_id(c, 0)));
}

#define FUSED(space, title, symbol, fn, in_least, in_most, out_most, kind) \
    const struct esk_op esk_op_##symbol = {                                \
        .domain = space,                                                   \
        .name = title,                                                     \
        .since = (const uint8_t[]){1, 0},                                  \
        .min_in = in_least,                                                \
        .max_in = in_most,                                                 \
        .min_out = 1,                                                      \
        .max_out = out_most,                                               \
        .upgrade = fn,                                                     \
        .data = &(const bool){kind},                                       \
    };
#define MS(name, fn, in_least, in_most, out_most, kind) \
    FUSED("com.microsoft", #name, ms_##name, fn, in_least, in_most, out_most, kind)

MS(BiasAdd, upgrade_bias_add, 3, 3, 1, false)
MS(BiasGelu, upgrade_bias_gelu, 2, 2, 1, false)
MS(BiasSplitGelu, upgrade_bias_split_gelu, 2, 2, 1, false)
MS(EmbedLayerNormalization, upgrade_embed_norm, 1, 9, 3, false)
MS(FastGelu, upgrade_bias_gelu, 1, 2, 1, true)
MS(FusedConv, upgrade_fused, 2, 4, 1, false)
MS(FusedGemm, upgrade_fused, 2, 3, 1, false)
MS(GatedAdd, upgrade_gated_add, 3, 3, 1, false)
MS(GatedRMSNorm, upgrade_gated_norm, 3, 3, 1, false)
MS(Gelu, upgrade_bias_gelu, 1, 1, 1, false)
MS(LayerNormalization, upgrade_norm, 2, 3, 3, false)
MS(LinearAttentionGate, upgrade_linear_gate, 3, 4, 2, false)
MS(QuickGelu, upgrade_quick_gelu, 1, 1, 1, false)
MS(SimplifiedLayerNormalization, upgrade_norm, 2, 2, 2, true)
MS(SkipLayerNormalization, upgrade_skip_norm, 3, 5, 4, false)
MS(SkipSimplifiedLayerNormalization, upgrade_skip_norm, 3, 4, 4, true)
FUSED("", "SimplifiedLayerNormalization", SimplifiedLayerNormalization, upgrade_norm, 2,
      2, 2, true)
