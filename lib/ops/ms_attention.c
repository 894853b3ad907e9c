/* Attention, MultiHeadAttention and GroupQueryAttention of domain com.microsoft. What
 * they take is described once as struct esk_attention; recipes/attention computes it. */
#include "recipes/attention.h"
#include "recipes/facts.h"
#include "recipes/kv_cache.h"

#include <string.h>

/* ---- Attention: input, weights, bias, mask, past, attention bias. Its upgrade makes the
 * product with the weights and takes the past apart, so that inputs are 0 Q, K and V side
 * by side, 3 mask, 4 past key, 5 attention bias, 6 past value; outputs Y, present key,
 * present value. */

static esk_id add(struct esk_ctx *c, const char *type, uint32_t n, const esk_id *in,
                  esk_id out, int64_t axis) {
    if (out == ESK_NONE)
        out = esk_graph_add_temp(c->graph, type);
    if (out == ESK_NONE || in[0] == ESK_NONE || (n > 1 && in[1] == ESK_NONE))
        return ESK_NONE;
    esk_id id = esk_graph_add_node(c->graph, "", type, c->node->name, n, in, 1, &out);
    if (id == ESK_NONE ||
        (axis >= 0 && !esk_node_set_int(c->graph, c->graph->nodes[id], "axis", axis)))
        return ESK_NONE;
    return out;
}

static esk_status upgrade(struct esk_ctx *c) {
    if (esk_attr_int(c->node, "esk_split", 0))
        return ESK_OK;
    if (esk_attr_int(c->node, "do_rotary", 0) ||
        esk_attr_int(c->node, "past_present_share_buffer", 0))
        return esk_node_fail(c, ESK_UNSUPPORTED,
                             "do_rotary and past_present_share_buffer are not known");
    esk_id in[7] = {ESK_NONE, ESK_NONE,        ESK_NONE, esk_in_id(c, 3),
                    ESK_NONE, esk_in_id(c, 5), ESK_NONE};
    esk_id out[3] = {esk_out_id(c, 0), ESK_NONE, ESK_NONE};
    esk_id x =
        add(c, "MatMul", 2, (esk_id[]){esk_in_id(c, 0), esk_in_id(c, 1)}, ESK_NONE, -1);
    if (esk_in_id(c, 2) != ESK_NONE)
        x = add(c, "Add", 2, (esk_id[]){x, esk_in_id(c, 2)}, ESK_NONE, -1);
    in[0] = x;
    for (int64_t i = 0; i < 2 && esk_in_id(c, 4) != ESK_NONE; i++) {
        esk_id which = esk_graph_add_const(c->graph, "which", ESK_INT64, 0, NULL, &i);
        in[i ? 6 : 4] =
            add(c, "Gather", 2, (esk_id[]){esk_in_id(c, 4), which}, ESK_NONE, 0);
    }
    esk_id present = esk_out_id(c, 1), parts[2];
    if (present != ESK_NONE)
        out[1] = esk_graph_add_temp(c->graph, "key"),
        out[2] = esk_graph_add_temp(c->graph, "value");
    esk_id id = esk_graph_add_node(c->graph, "com.microsoft", "Attention", c->node->name,
                                   7, in, present == ESK_NONE ? 1 : 3, out);
    if (x == ESK_NONE || id == ESK_NONE)
        return esk_fail_memory(c->error, c->node->name);
    struct esk_node *node = c->graph->nodes[id];
    for (uint32_t i = 0; i < c->node->n_attrs; i++) {
        struct esk_attr *copy = esk_node_add_attr(c->graph, node, c->node->attrs[i].name);
        if (!copy)
            return esk_fail_memory(c->error, c->node->name);
        *copy = c->node->attrs[i];
    }
    if (!esk_node_set_int(c->graph, node, "esk_split", 1))
        return esk_fail_memory(c->error, c->node->name);
    if (present != ESK_NONE) {
        esk_id zero = esk_graph_add_const(c->graph, "axis", ESK_INT64, 1, (int64_t[]){1},
                                          &(int64_t){0});
        for (int i = 0; i < 2; i++)
            parts[i] = add(c, "Unsqueeze", 2, (esk_id[]){out[1 + i], zero}, ESK_NONE, -1);
        if (add(c, "Concat", 2, parts, present, 0) == ESK_NONE)
            return esk_fail_memory(c->error, c->node->name);
    }
    c->node->dead = true;
    return ESK_OK;
}

/* Masks of Attention and MultiHeadAttention: by their shape lengths, or 0 and 1. */
static const char *describe_mask(const struct esk_facts *f, uint32_t mask,
                                 struct esk_attention *a) {
    const int64_t *m = f->dim[mask];
    a->fill = esk_attr_float(f->node, "mask_filter_value", -10000);
    if (!f->has[mask])
        return NULL;
    if (f->rank[mask] == 1 && (m[0] == a->batch || m[0] == 3 * a->batch + 2)) {
        a->lengths = mask;
        return NULL;
    }
    if (f->rank[mask] == 1 && m[0] == 2 * a->batch) {
        a->lengths = mask, a->starts = true;
        return NULL;
    }
    a->mask = mask, a->mask_width = a->total;
    if (f->rank[mask] == 2 && m[0] == a->batch && m[1] == a->total) {
        memcpy(a->mask_stride, (int64_t[]){a->total, 0, 0, 1}, sizeof a->mask_stride);
        return NULL;
    }
    if (f->rank[mask] == 3 && m[0] == a->batch && m[1] == a->length && m[2] == a->total) {
        memcpy(a->mask_stride, (int64_t[]){a->length * a->total, 0, a->total, 1},
               sizeof a->mask_stride);
        return NULL;
    }
    return "a mask of this shape is not known";
}

static const char *describe_bias(const struct esk_facts *f, uint32_t bias,
                                 struct esk_attention *a) {
    if (!f->has[bias])
        return NULL;
    a->bias = bias;
    return esk_attention_mask(a, f->rank[bias], f->dim[bias], a->bias_stride,
                              &a->bias_width)
               ? NULL
               : "attention_bias cannot be broadcast to the scores";
}

static const char *describe_past(const struct esk_facts *f, uint32_t k, uint32_t v,
                                 struct esk_attention *a) {
    a->present_k = 1, a->present_v = 2;
    if (f->has[k] != f->has[v])
        return "past key without past value";
    if (f->has[k]) {
        if (f->rank[k] != 4 || f->rank[v] != 4 || f->dim[k][0] != a->batch ||
            f->dim[k][1] != a->kv_heads || f->dim[v][0] != a->batch ||
            f->dim[v][1] != a->kv_heads || f->dim[v][2] != f->dim[k][2] ||
            (!a->kv_bits && (f->dim[k][3] != a->dim || f->dim[v][3] != a->v_dim)))
            return "past key and value do not fit";
        a->past = f->dim[k][2];
        a->past_k = esk_heads_major(k, a->kv_heads, a->past, f->dim[k][3]);
        a->past_v = esk_heads_major(v, a->kv_heads, a->past, f->dim[v][3]);
    }
    a->offset = a->past;
    a->total = a->present = a->past + a->fresh;
    return NULL;
}

static const char *describe_plain(const struct esk_facts *f, struct esk_attention *a) {
    const int64_t *x = f->dim[0];
    int64_t sizes[3];
    *a = esk_attention_none();
    if (f->rank[0] != 3)
        return "the input must have rank 3";
    a->heads = a->kv_heads = esk_attr_int(f->node, "num_heads", 0);
    if (esk_attr_ints(f->node, "qkv_hidden_sizes", sizes, 3) != 3)
        sizes[0] = sizes[1] = sizes[2] = x[2] / 3;
    if (a->heads < 1 || sizes[0] < 0 || sizes[2] < 0 || sizes[0] % a->heads ||
        sizes[2] % a->heads || sizes[0] != sizes[1] || sizes[0] > x[2] ||
        sizes[2] > x[2] || 2 * sizes[0] + sizes[2] != x[2])
        return "num_heads or qkv_hidden_sizes do not fit the weights";
    a->batch = x[0], a->length = a->fresh = x[1];
    a->dim = sizes[0] / a->heads, a->v_dim = sizes[2] / a->heads;
    a->q = a->k = esk_heads_rows(0, x[1], x[2], a->dim);
    a->v = esk_heads_rows(0, x[1], x[2], a->v_dim);
    a->k.offset = sizes[0], a->v.offset = 2 * sizes[0];
    a->scale = esk_attr_float(f->node, "scale", 0);
    a->causal = esk_attr_int(f->node, "unidirectional", 0);
    const char *wrong = describe_past(f, 4, 6, a);
    if (!wrong)
        wrong = describe_mask(f, 3, a);
    return wrong ? wrong : describe_bias(f, 5, a);
}

/* ---- MultiHeadAttention: query, key, value, bias, key padding mask, attention bias,
 * past key, past value. Query [B, S, H * D], or with keys and values [B, S, H, 3, D]; key
 * [B, L, H * D], [B, H, L, D], or with values [B, L, H, 2, D]. */

static struct esk_heads mixed(uint32_t input, int64_t length, int64_t heads,
                              int64_t parts, int64_t dim, int64_t part) {
    struct esk_heads x = esk_heads_rows(input, length, heads * parts * dim, parts * dim);
    x.offset = part * dim;
    return x;
}

static const char *describe_multi(const struct esk_facts *f, struct esk_attention *a) {
    const int64_t *q = f->dim[0], *k = f->dim[1], *v = f->dim[2];
    *a = esk_attention_none();
    int64_t heads = a->heads = a->kv_heads = esk_attr_int(f->node, "num_heads", 0);
    if (heads < 1)
        return "num_heads must be positive";
    a->batch = q[0], a->length = a->fresh = q[1];
    if (f->rank[0] == 5) {
        if (q[2] != heads || q[3] != 3 || f->has[1] || f->has[2])
            return "packed queries must be [batch, length, num_heads, 3, size]";
        a->dim = a->v_dim = q[4];
        a->q = mixed(0, q[1], heads, 3, q[4], 0);
        a->k = mixed(0, q[1], heads, 3, q[4], 1);
        a->v = mixed(0, q[1], heads, 3, q[4], 2);
    } else if (f->rank[0] != 3 || q[2] % heads || !f->has[1]) {
        return "the query must be [batch, length, num_heads * size]";
    } else {
        a->dim = q[2] / heads;
        a->q = esk_heads_rows(0, q[1], q[2], a->dim);
        if (f->rank[1] == 5) {
            if (f->has[2] || k[2] != heads || k[3] != 2 || k[4] != a->dim)
                return "packed keys must be [batch, length, num_heads, 2, size]";
            a->fresh = k[1], a->v_dim = a->dim;
            a->k = mixed(1, k[1], heads, 2, a->dim, 0);
            a->v = mixed(1, k[1], heads, 2, a->dim, 1);
        } else if (f->rank[1] == 4 && f->rank[2] == 4) {
            if (k[1] != heads || k[3] != a->dim || v[1] != heads || v[2] != k[2])
                return "keys must be [batch, num_heads, length, size]";
            a->fresh = k[2], a->v_dim = v[3];
            a->k = esk_heads_major(1, heads, k[2], a->dim);
            a->v = esk_heads_major(2, heads, k[2], a->v_dim);
        } else if (f->rank[1] == 3 && f->rank[2] == 3) {
            if (k[2] != q[2] || v[2] % heads || v[1] != k[1])
                return "keys and values do not fit the query";
            a->fresh = k[1], a->v_dim = v[2] / heads;
            a->k = esk_heads_rows(1, k[1], k[2], a->dim);
            a->v = esk_heads_rows(2, k[1], v[2], a->v_dim);
        } else {
            return "keys and values of these ranks are not known";
        }
        if (k[0] != a->batch || (f->has[2] && v[0] != a->batch))
            return "the batch of keys and values is not the query's";
    }
    if (f->has[3]) {
        if (f->rank[3] != 1 || f->dim[3][0] != heads * (2 * a->dim + a->v_dim))
            return "the bias has not a value for each element of Q, K and V";
        a->q.bias = 3;
        if (f->rank[1] != 4 || !f->has[1]) {
            a->k.bias = a->v.bias = 3;
            a->k.bias_offset = heads * a->dim, a->v.bias_offset = 2 * heads * a->dim;
        }
    }
    a->scale = esk_attr_float(f->node, "scale", 0);
    a->causal = esk_attr_int(f->node, "unidirectional", 0);
    a->scores = 3, a->stage = 2;
    if (f->has[8] || f->has[9])
        return "past_sequence_length and cache_indirection are not known";
    const char *wrong = describe_past(f, 6, 7, a);
    if (!wrong)
        wrong = describe_mask(f, 4, a);
    return wrong ? wrong : describe_bias(f, 5, a);
}

/* The past takes part only where it is carried on, as in ONNX Runtime. */
static esk_status multi_upgrade(struct esk_ctx *c) {
    if (esk_out_id(c, 1) == ESK_NONE)
        for (uint32_t i = 6; i < 8 && i < c->node->n_in; i++)
            c->node->in[i] = ESK_NONE;
    return ESK_OK;
}

/* ---- GroupQueryAttention: query, key, value, past key, past value, last key of each
 * batch (its length - 1), total length, cos and sin caches, positions, attention bias,
 * sink. */

static const char *describe_group(const struct esk_facts *f, int64_t total, int kv_bits,
                                  struct esk_attention *a) {
    const int64_t *q = f->dim[0];
    *a = esk_attention_none();
    a->kv_bits = kv_bits;
    a->heads = esk_attr_int(f->node, "num_heads", 0);
    a->kv_heads = esk_attr_int(f->node, "kv_num_heads", 0);
    if (f->rank[0] != 3 || a->heads < 1 || a->kv_heads < 1 || a->heads % a->kv_heads)
        return "the query must have rank 3, and kv_num_heads divide num_heads";
    bool packed = !f->has[1];
    int64_t all = packed ? a->heads + 2 * a->kv_heads : a->heads;
    if (q[2] % all || f->has[1] != f->has[2])
        return "num_heads does not divide the width of the query";
    a->batch = q[0], a->length = a->fresh = q[1], a->dim = a->v_dim = q[2] / all;
    a->q = esk_heads_rows(0, q[1], q[2], a->dim);
    if (packed) {
        a->k = a->v = a->q;
        a->k.offset = a->heads * a->dim;
        a->v.offset = (a->heads + a->kv_heads) * a->dim;
    } else {
        int64_t width = a->kv_heads * a->dim;
        for (uint32_t i = 1; i < 3; i++)
            if (f->rank[i] != 3 || f->dim[i][0] != q[0] || f->dim[i][1] != q[1] ||
                f->dim[i][2] != width)
                return "key and value must be [batch, length, kv_num_heads * size]";
        a->k = esk_heads_rows(1, q[1], width, a->dim);
        a->v = esk_heads_rows(2, q[1], width, a->dim);
    }
    const char *wrong = describe_past(f, 3, 4, a);
    if (wrong)
        return wrong;
    int64_t room = a->past;
    if (total < a->length || total > INT32_MAX)
        return "total_sequence_length is less than the length of the query";
    a->total = total, a->present = room > total ? room : total;
    a->past = total - a->length;
    if (a->past > room)
        return "total_sequence_length needs more past than there is";
    a->offset = a->past;
    if (a->past > 0) { /* each batch its own length, of at most `total` */
        a->lengths = 5, a->plus = 1, a->late = true, a->zeros_behind = true;
        a->past = room;
        if (!f->has[5] || esk_shape_product(f->dim[5], 0, f->rank[5]) != a->batch)
            return "seqlens_k must have one value for each batch";
    }
    a->causal = esk_attr_int(f->node, "causal", 1);
    a->scale = esk_attr_float(f->node, "scale", 0);
    a->softcap = esk_attr_float(f->node, "softcap", 0);
    int64_t window = esk_attr_int(f->node, "local_window_size", -1);
    a->window = window < 0 ? 0 : window;
    if (a->window && !a->causal)
        return "local_window_size without causal";
    if (esk_attr_int(f->node, "do_rotary", 0)) {
        struct esk_rotary *r = &a->rotary;
        if (!f->has[7] || !f->has[8] || f->rank[7] != 2 || f->rank[8] != 2 ||
            !esk_shape_equal(2, f->dim[7], 2, f->dim[8]) || 2 * f->dim[7][1] > a->dim)
            return "do_rotary needs caches that fit the heads";
        r->cos = 7, r->sin = 8, r->rows = f->dim[7][0], r->half = f->dim[7][1];
        r->interleaved = esk_attr_int(f->node, "rotary_interleaved", 0);
        r->positions = ESK_POSITIONS_PLUS, r->first = a->offset;
        if (a->late)
            r->positions = ESK_POSITIONS_LENGTHS, r->ids = 5, r->plus = 1;
        if (f->has[9]) {
            if (esk_shape_product(f->dim[9], 0, f->rank[9]) != a->batch * a->length)
                return "position_ids must have one value for each token";
            r->positions = ESK_POSITIONS_IDS, r->ids = 9;
        }
    }
    if (f->has[11]) {
        if (f->rank[11] != 1 || f->dim[11][0] != a->heads)
            return "head_sink must have one value for each head";
        a->sink = 11;
    }
    int64_t shown = esk_attr_int(f->node, "qk_output", 0);
    if (shown < 0 || shown > 2)
        return "qk_output must be 0, 1 (before the softmax) or 2 (after it)";
    if (shown)
        a->scores = 3, a->stage = shown == 1 ? 2 : 3, a->unseen_zero = true;
    a->smooth = esk_attr_int(f->node, "smooth_softmax", 0) > 0;
    if (a->smooth && f->has[11])
        return "head_sink and smooth_softmax are given both";
    return describe_bias(f, 10, a);
}

/* Lengths that the host makes go to the device as they are, or as late words. */
static uint32_t group_late(const struct esk_graph *graph, const struct esk_node *node) {
    const struct esk_var *var =
        node->n_in > 5 && node->in[5] != ESK_NONE ? graph->vars[node->in[5]] : NULL;
    return var && var->rank >= 0 && esk_var_count(var) <= ESK_LATE_LENGTHS ? 1u << 5 : 0;
}

static uint32_t group_host(const struct esk_graph *graph, const struct esk_node *node) {
    return 1u << 6 | group_late(graph, node);
}

/* Caches that are kept quantised are declared as what they are. A model that names the
 * last axis says nothing of it; one that gives it the size of a head meant numbers. */
static void declare_kept(struct esk_ctx *c) {
    const esk_id caches[] = {esk_in_id(c, 3), esk_in_id(c, 4), esk_out_id(c, 1),
                             esk_out_id(c, 2)};
    int bits = c->graph->kv_bits;
    for (int i = 0; i < 4 && bits; i++) {
        struct esk_var *var = caches[i] == ESK_NONE ? NULL : c->graph->vars[caches[i]];
        if (!var || var->flags & ESK_VAR_WORDS)
            continue;
        var->flags |= ESK_VAR_WORDS;
        if (var->rank == 4 && !var->data && var->dim[3] > 0 &&
            esk_kv_fits(bits, var->dim[3]))
            var->dim[3] = esk_kv_width(bits, var->dim[3], var->dtype);
    }
}

/* Heads of `dim` elements, normalised each. */
static esk_id norm_heads(struct esk_ctx *c, esk_id x, esk_id weight, int64_t dim) {
    const int64_t apart[] = {0, 0, -1, dim}, two = 4, three = 3;
    esk_id shape = esk_graph_add_const(c->graph, "heads", ESK_INT64, 1, &two, apart);
    esk_id flat = esk_graph_add_const(c->graph, "width", ESK_INT64, 1, &three, apart);
    x = add(c, "Reshape", 2, (esk_id[]){x, shape}, ESK_NONE, -1);
    x = add(c, "RMSNormalization", 2, (esk_id[]){x, weight}, ESK_NONE, -1);
    if (x != ESK_NONE &&
        !esk_node_set_float(c->graph, c->graph->nodes[c->graph->vars[x]->producer],
                            "epsilon", esk_attr_float(c->node, "qk_norm_epsilon", 1e-6f)))
        return ESK_NONE;
    return add(c, "Reshape", 2, (esk_id[]){x, flat}, ESK_NONE, -1);
}

/* Weights that heads of queries and keys are normalised by: nodes of their own before it.
 */
static esk_status norm_queries(struct esk_ctx *c) {
    esk_id weights[] = {esk_in_id(c, 14), esk_in_id(c, 15)}, parts[3];
    int64_t heads = esk_attr_int(c->node, "num_heads", 0), three = 3;
    int64_t kv_heads = esk_attr_int(c->node, "kv_num_heads", 0);
    if (weights[0] == ESK_NONE && weights[1] == ESK_NONE)
        return ESK_OK;
    if (weights[0] == ESK_NONE || weights[1] == ESK_NONE)
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "one of q_norm_weight and k_norm_weight without the other");
    const struct esk_var *weight = c->graph->vars[weights[0]];
    if (weight->rank != 1 || weight->dim[0] < 1 || heads < 1 || kv_heads < 1)
        return esk_node_fail(c, ESK_UNSUPPORTED,
                             "q_norm_weight must have a known size, that of a head");
    int64_t dim = weight->dim[0];
    for (int i = 0; i < 3; i++)
        parts[i] = esk_in_id(c, (uint32_t)i);
    if (parts[1] == ESK_NONE) {
        int64_t sizes[] = {heads * dim, kv_heads * dim, kv_heads * dim};
        esk_id in[2] = {parts[0], esk_graph_add_const(c->graph, "sizes", ESK_INT64, 1,
                                                      &three, sizes)};
        for (int i = 0; i < 3; i++)
            if ((parts[i] = esk_graph_add_temp(c->graph, "part")) == ESK_NONE)
                return esk_fail_memory(c->error, c->node->name);
        esk_id id = in[1] == ESK_NONE
                        ? ESK_NONE
                        : esk_graph_add_node(c->graph, "", "Split", c->node->name, 2, in,
                                             3, parts);
        if (id == ESK_NONE ||
            !esk_node_set_int(c->graph, c->graph->nodes[id], "axis", -1))
            return esk_fail_memory(c->error, c->node->name);
    }
    for (int i = 0; i < 2; i++)
        if ((parts[i] = norm_heads(c, parts[i], weights[i], dim)) == ESK_NONE)
            return esk_fail_memory(c->error, c->node->name);
    for (uint32_t i = 0; i < 3; i++)
        c->node->in[i] = parts[i];
    c->node->in[14] = c->node->in[15] = ESK_NONE;
    return ESK_OK;
}

/* What later versions of the schema have, and would change results. */
static esk_status group_upgrade(struct esk_ctx *c) {
    static const char *const types[] = {"k_quant_type", "v_quant_type"};
    for (int i = 0; i < 2; i++) {
        const char *type = esk_attr_string(c->node, types[i], "NONE");
        if (strcmp(type, "NONE") != 0)
            return esk_node_fail(c, ESK_UNSUPPORTED, "%s=%s, NONE is known", types[i],
                                 type);
    }
    if (esk_attr_int(c->node, "sliding_window_cache", 0))
        return esk_node_fail(c, ESK_UNSUPPORTED, "sliding_window_cache is not known");
    declare_kept(c);
    return norm_queries(c);
}

/* ---- What is common */

typedef const char *(*describe_fn)(const struct esk_facts *f, struct esk_attention *a);
struct kind {
    describe_fn describe; /* NULL: GroupQueryAttention */
};

static const char *describe(const struct esk_facts *f, int64_t total, int kv_bits,
                            struct esk_attention *a) {
    const struct kind *kind = f->node->op->data;
    return kind->describe ? kind->describe(f, a) : describe_group(f, total, kv_bits, a);
}

static bool is_group(const struct esk_node *node) {
    return !((const struct kind *)node->op->data)->describe;
}

static esk_status total_of(const struct esk_ctx *c, int64_t *total) {
    uint32_t n;
    *total = 0;
    if (!is_group(c->node))
        return ESK_OK;
    ESK_TRY(esk_in_ints(c, 6, total, 1, &n));
    return n == 1 ? ESK_OK
                  : esk_node_fail(c, ESK_INVALID_MODEL, "no total_sequence_length");
}

/* Caches that are kept quantised are rows of words. */
static esk_status check_kept(const struct esk_ctx *c, const struct esk_facts *f,
                             const struct esk_attention *a) {
    int64_t width = a->kv_bits ? esk_kv_width(a->kv_bits, a->dim, f->dtype[0]) : 0;
    if (!a->kv_bits)
        return ESK_OK;
    if (!esk_kv_fits(a->kv_bits, a->dim))
        return esk_node_fail(
            c, ESK_UNSUPPORTED,
            "kvCacheQuantizationBits=%d: heads of %lld elements, it must be "
            "%s",
            a->kv_bits, (long long)a->dim,
            a->kv_bits == 4 ? "a power of two, at least 8" : "a multiple of 4");
    for (uint32_t i = 3; i < 5; i++)
        if (f->has[i] && f->dim[i][3] != width)
            return esk_node_fail(
                c, ESK_INVALID_ARGUMENT,
                "kvCacheQuantizationBits=%d: the last axis of past %s is "
                "%lld, a kept row of %lld elements takes %lld of type %s",
                a->kv_bits, i == 3 ? "keys" : "values", (long long)f->dim[i][3],
                (long long)a->dim, (long long)width, esk_dtype_name(f->dtype[0]));
    return ESK_OK;
}

static esk_status infer(struct esk_ctx *c) {
    struct esk_facts f = esk_facts_of_vars(c);
    struct esk_attention a;
    int64_t total;
    ESK_TRY(total_of(c, &total));
    const char *wrong = describe(&f, total, c->graph->kv_bits, &a);
    if (wrong)
        return esk_node_fail(c, ESK_INVALID_MODEL, "%s", wrong);
    ESK_TRY(check_kept(c, &f, &a));
    int64_t k_width = esk_kv_width(a.kv_bits, a.dim, f.dtype[0]);
    int64_t v_width = esk_kv_width(a.kv_bits, a.v_dim, f.dtype[0]);
    ESK_TRY(esk_set_out(c, 0, f.dtype[0], 3,
                        (int64_t[]){a.batch, a.length, a.heads * a.v_dim}));
    ESK_TRY(esk_set_out(c, 1, f.dtype[0], 4,
                        (int64_t[]){a.batch, a.kv_heads, a.present, k_width}));
    if (a.scores != ESK_NONE)
        ESK_TRY(esk_set_out(c, a.scores, f.dtype[0], 4,
                            (int64_t[]){a.batch, a.heads, a.length, a.total}));
    return esk_set_out(c, 2, f.dtype[0], 4,
                       (int64_t[]){a.batch, a.kv_heads, a.present, v_width});
}

static esk_status cpu(struct esk_cpu *c) {
    struct esk_facts f = esk_facts_of_tensors(c);
    struct esk_attention a;
    describe(&f, is_group(c->node) ? esk_tensor_int(c->in[6], 0) : 0, c->graph->kv_bits,
             &a);
    a.rotary.split = c->graph->rotary_split;
    return esk_attention_cpu(c, &a);
}

static esk_status gpu(struct esk_ctx *c) {
    struct esk_facts f = esk_facts_of_vars(c);
    struct esk_attention a;
    int64_t total;
    ESK_TRY(total_of(c, &total));
    describe(&f, total, c->graph->kv_bits, &a);
    a.rotary.split = c->graph->rotary_split;
    /* one small upload serves all layers; words of each kernel's parameters need no
     * binding */
    const struct esk_var *lengths = a.late ? esk_in(c, a.lengths) : NULL;
    a.lengths_late = lengths && f.has[10] && f.has[11] && a.batch <= ESK_LATE_LENGTHS &&
                     (lengths->data || lengths->flags & (ESK_VAR_INPUT | ESK_VAR_EARLY));
    return esk_attention_gpu(c, &a);
}

const struct esk_op esk_op_ms_Attention = {
    .domain = "com.microsoft",
    .name = "Attention",
    .since = (const uint8_t[]){1, 0},
    .min_in = 1,
    .max_in = 7,
    .real = 0x37,
    .min_out = 1,
    .max_out = 3,
    .upgrade = upgrade,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
    .data = &(const struct kind){describe_plain},
};

const struct esk_op esk_op_ms_MultiHeadAttention = {
    .domain = "com.microsoft",
    .name = "MultiHeadAttention",
    .since = (const uint8_t[]){1, 0},
    .min_in = 1,
    .max_in = 10,
    .real = 0xef,
    .min_out = 1,
    .max_out = 4,
    .upgrade = multi_upgrade,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
    .data = &(const struct kind){describe_multi},
};

const struct esk_op esk_op_ms_GroupQueryAttention = {
    .domain = "com.microsoft",
    .name = "GroupQueryAttention",
    .since = (const uint8_t[]){1, 0},
    .min_in = 1,
    .max_in = 16,
    .real = 0xfd9f,
    .min_out = 1,
    .max_out = 4,
    .host_in = group_host,
    .host_late = group_late,
    .upgrade = group_upgrade,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
    .data = &(const struct kind){NULL},
};
