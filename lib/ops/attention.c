/* Attention of the default domain. In: Q, K, V (3-D with heads side by side, or 4-D),
 * mask, past key and value, number of keys that are there; out: Y, present key and value,
 * the scores at a stage. */
#include "recipes/attention.h"
#include "recipes/facts.h"

#include <math.h>

enum { Q, K, V, MASK, PAST_K, PAST_V, LENGTHS };

/* NULL, or what is wrong. */
static const char *describe(const struct esk_facts *f, struct esk_attention *a) {
    const int64_t *q = f->dim[Q], *k = f->dim[K], *v = f->dim[V];
    int rank = f->rank[Q];
    *a = esk_attention_none();
    if ((rank != 3 && rank != 4) || f->rank[K] != rank || f->rank[V] != rank)
        return "Q, K and V must all have rank 3 or all have rank 4";
    a->batch = q[0];
    if (rank == 3) {
        a->heads = esk_attr_int(f->node, "q_num_heads", 0);
        a->kv_heads = esk_attr_int(f->node, "kv_num_heads", 0);
        if (a->heads < 1 || a->kv_heads < 1 || q[2] % a->heads || k[2] % a->kv_heads ||
            v[2] % a->kv_heads)
            return "q_num_heads or kv_num_heads does not divide the width";
        a->length = q[1], a->fresh = k[1];
        a->dim = q[2] / a->heads, a->v_dim = v[2] / a->kv_heads;
        if (k[2] / a->kv_heads != a->dim)
            return "heads of Q and K have different sizes";
        a->q = esk_heads_rows(Q, a->length, q[2], a->dim);
        a->k = esk_heads_rows(K, a->fresh, k[2], a->dim);
        a->v = esk_heads_rows(V, a->fresh, v[2], a->v_dim);
    } else {
        a->heads = q[1], a->kv_heads = k[1], a->length = q[2], a->fresh = k[2];
        a->dim = q[3], a->v_dim = v[3];
        if (v[1] != a->kv_heads || k[3] != a->dim)
            return "heads of Q, K and V do not fit";
        a->q = esk_heads_major(Q, a->heads, a->length, a->dim);
        a->k = esk_heads_major(K, a->kv_heads, a->fresh, a->dim);
        a->v = esk_heads_major(V, a->kv_heads, a->fresh, a->v_dim);
    }
    if (k[0] != a->batch || v[0] != a->batch || v[rank - 2] != a->fresh)
        return "batch or length of K and V do not fit";
    if (a->kv_heads < 1 || a->heads % a->kv_heads)
        return "the heads of K do not divide those of Q";
    if (f->has[PAST_K] != f->has[PAST_V])
        return "past key without past value";
    if (f->has[PAST_K]) {
        const int64_t *pk = f->dim[PAST_K], *pv = f->dim[PAST_V];
        if (f->rank[PAST_K] != 4 || f->rank[PAST_V] != 4 || pk[0] != a->batch ||
            pk[1] != a->kv_heads || pk[3] != a->dim || pv[0] != a->batch ||
            pv[1] != a->kv_heads || pv[2] != pk[2] || pv[3] != a->v_dim)
            return "past key and value do not fit";
        a->past = pk[2];
        a->past_k = esk_heads_major(PAST_K, a->kv_heads, a->past, a->dim);
        a->past_v = esk_heads_major(PAST_V, a->kv_heads, a->past, a->v_dim);
    }
    a->total = a->present = a->past + a->fresh;
    a->present_k = 1, a->present_v = 2, a->scores = 3;
    a->y_major = rank == 4;
    a->scale = esk_attr_float(f->node, "scale", 0);
    a->softcap = esk_attr_float(f->node, "softcap", 0);
    a->causal = esk_attr_int(f->node, "is_causal", 0);
    a->offset = a->past;
    a->stage = (int)esk_attr_int(f->node, "qk_matmul_output_mode", 0);
    if (a->stage < 0 || a->stage > 3)
        return "qk_matmul_output_mode must be 0 to 3";
    if (f->has[LENGTHS]) {
        if (f->rank[LENGTHS] != 1 || f->dim[LENGTHS][0] != a->batch)
            return "nonpad_kv_seqlen must have one value for each batch";
        a->lengths = LENGTHS, a->late = !f->has[PAST_K];
    }
    if (f->has[MASK]) {
        bool flags = f->dtype[MASK] == ESK_BOOL;
        if (!esk_attention_mask(a, f->rank[MASK], f->dim[MASK],
                                flags ? a->mask_stride : a->bias_stride,
                                flags ? &a->mask_width : &a->bias_width))
            return "attn_mask cannot be broadcast to the scores";
        a->fill = -INFINITY;
        if (flags)
            a->mask = MASK;
        else
            a->bias = MASK;
    }
    return NULL;
}

static esk_status infer(struct esk_ctx *c) {
    struct esk_facts f = esk_facts_of_vars(c);
    struct esk_attention a;
    const char *wrong = describe(&f, &a);
    if (wrong)
        return esk_node_fail(c, ESK_INVALID_MODEL, "%s", wrong);
    if (a.y_major)
        ESK_TRY(esk_set_out(c, 0, f.dtype[Q], 4,
                            (int64_t[]){a.batch, a.heads, a.length, a.v_dim}));
    else
        ESK_TRY(esk_set_out(c, 0, f.dtype[Q], 3,
                            (int64_t[]){a.batch, a.length, a.heads * a.v_dim}));
    ESK_TRY(esk_set_out(c, 1, f.dtype[K], 4,
                        (int64_t[]){a.batch, a.kv_heads, a.total, a.dim}));
    ESK_TRY(esk_set_out(c, 2, f.dtype[V], 4,
                        (int64_t[]){a.batch, a.kv_heads, a.total, a.v_dim}));
    return esk_set_out(c, 3, f.dtype[Q], 4,
                       (int64_t[]){a.batch, a.heads, a.length, a.total});
}

static esk_status cpu(struct esk_cpu *c) {
    struct esk_facts f = esk_facts_of_tensors(c);
    struct esk_attention a;
    describe(&f, &a);
    return esk_attention_cpu(c, &a);
}

static esk_status gpu(struct esk_ctx *c) {
    struct esk_facts f = esk_facts_of_vars(c);
    struct esk_attention a;
    describe(&f, &a);
    return esk_attention_gpu(c, &a);
}

const struct esk_op esk_op_Attention = {
    .domain = "",
    .name = "Attention",
    .since = (const uint8_t[]){23, 24, 0},
    .min_in = 3,
    .real = 0x37,
    .max_in = 7,
    .min_out = 1,
    .max_out = 4,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
