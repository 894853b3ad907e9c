/* LinearAttention: attention whose memory is one matrix a head, updated token by token.
 * In: query, key, value (heads side by side), the state before, decay and beta; out: what
 * the queries read, and the state after. On the device an invocation owns a column of a
 * state. */
#include "recipes/facts.h"
#include "recipes/floats.h"
#include "recipes/move.h"

#include <math.h>
#include <string.h>

enum { QUERY, KEY, VALUE, PAST, DECAY, BETA };

struct shape {
    int64_t batch, length, heads, group, dk,
        dv; /* heads: of keys; group: queries a head */
    bool decays, delta;
    bool decay_a_key; /* decay has a value for each key dimension, not one a head */
    bool beta_a_head;
    float scale;
};

static const char *describe(const struct esk_facts *f, struct shape *s) {
    const char *rule = esk_attr_string(f->node, "update_rule", "gated_delta");
    int64_t q_heads = esk_attr_int(f->node, "q_num_heads", 0);
    const int64_t *q = f->dim[QUERY], *k = f->dim[KEY], *v = f->dim[VALUE];
    *s = (struct shape){.heads = esk_attr_int(f->node, "kv_num_heads", 0)};
    s->decays = strcmp(rule, "gated") == 0 || strcmp(rule, "gated_delta") == 0;
    s->delta = strcmp(rule, "delta") == 0 || strcmp(rule, "gated_delta") == 0;
    if (!s->decays && !s->delta && strcmp(rule, "linear") != 0)
        return "update_rule must be linear, gated, delta or gated_delta";
    if (f->rank[QUERY] != 3 || f->rank[KEY] != 3 || f->rank[VALUE] != 3)
        return "query, key and value must have rank 3";
    if (s->heads < 1 || q_heads < 1 || q_heads % s->heads)
        return "q_num_heads must be a multiple of kv_num_heads, both at least 1";
    s->batch = q[0], s->length = q[1], s->group = q_heads / s->heads;
    s->dk = k[2] / s->heads, s->dv = v[2] / s->heads;
    if (q[2] != q_heads * s->dk || k[2] != s->heads * s->dk || v[2] != s->heads * s->dv)
        return "the heads do not divide the widths of query, key and value alike";
    if (k[0] != q[0] || v[0] != q[0] || k[1] != q[1] || v[1] != q[1])
        return "query, key and value must have one batch size and length";
    if (s->dk < 1 || s->dv < 1)
        return "heads must have at least one element";
    for (uint32_t i = KEY; i <= BETA; i++)
        if (f->has[i] && i != PAST && f->dtype[i] != f->dtype[QUERY])
            return "query, key, value, decay and beta must have one type";
    if (f->has[PAST]) {
        const int64_t *p = f->dim[PAST];
        if (f->rank[PAST] != 4 || p[0] != s->batch || p[1] != s->heads || p[2] != s->dk ||
            p[3] != s->dv)
            return "past_state must be [batch, kv_num_heads, d_k, d_v]";
    }
    if (s->decays) {
        const int64_t *d = f->dim[DECAY];
        if (!f->has[DECAY] || f->rank[DECAY] != 3 || d[0] != s->batch ||
            d[1] != s->length || (d[2] != s->heads && d[2] != s->heads * s->dk))
            return "decay must be [batch, length, kv_num_heads] or have d_k values a "
                   "head";
        s->decay_a_key = d[2] != s->heads;
    }
    if (s->delta) {
        const int64_t *b = f->dim[BETA];
        if (!f->has[BETA] || f->rank[BETA] != 3 || b[0] != s->batch ||
            b[1] != s->length || (b[2] != s->heads && b[2] != 1))
            return "beta must be [batch, length, kv_num_heads] or [batch, length, 1]";
        s->beta_a_head = b[2] != 1 || s->heads == 1;
    }
    s->scale = esk_attr_float(f->node, "scale", 0);
    if (s->scale == 0)
        s->scale = 1.0f / sqrtf((float)s->dk);
    return NULL;
}

static esk_status infer(struct esk_ctx *c) {
    struct esk_facts f = esk_facts_of_vars(c);
    struct shape s;
    const char *wrong = describe(&f, &s);
    if (wrong)
        return esk_node_fail(c, ESK_INVALID_MODEL, "%s", wrong);
    int64_t window = esk_attr_int(c->node, "state_window", 0); /* com.microsoft */
    if (window)
        return esk_node_fail(c, ESK_UNSUPPORTED,
                             "state_window=%lld, states of 0 are known",
                             (long long)window);
    if (!esk_dtype_is_float(f.dtype[QUERY]) || f.dtype[QUERY] == ESK_DOUBLE)
        return esk_node_fail(c, ESK_UNSUPPORTED, "type %s",
                             esk_dtype_name(f.dtype[QUERY]));
    int64_t y[3] = {s.batch, s.length, s.heads * s.group * s.dv};
    int64_t state[4] = {s.batch, s.heads, s.dk, s.dv};
    ESK_TRY(esk_set_out(c, 0, f.dtype[QUERY], 3, y));
    return esk_set_out(c, 1, f.has[PAST] ? f.dtype[PAST] : f.dtype[QUERY], 4, state);
}

/* ---- cpu ---- */

/* One head of one batch entry through all tokens; m is its state [dk][dv]. */
static void walk(const struct shape *s, const float *const *in, int64_t b, int64_t h,
                 float *m, float *read, float *y) {
    int64_t width = s->heads * s->dk, wide = s->heads * s->dv;
    for (int64_t t = 0; t < s->length; t++) {
        int64_t token = b * s->length + t;
        const float *k = in[KEY] + token * width + h * s->dk;
        const float *v = in[VALUE] + token * wide + h * s->dv;
        for (int64_t i = 0; s->decays && i < s->dk; i++) {
            float g = expf(s->decay_a_key ? in[DECAY][token * width + h * s->dk + i]
                                          : in[DECAY][token * s->heads + h]);
            for (int64_t j = 0; j < s->dv; j++)
                m[i * s->dv + j] *= g;
        }
        float beta = !s->delta        ? 1
                     : s->beta_a_head ? in[BETA][token * s->heads + h]
                                      : in[BETA][token];
        memset(read, 0, (size_t)s->dv * sizeof *read);
        for (int64_t i = 0; s->delta && i < s->dk; i++)
            for (int64_t j = 0; j < s->dv; j++)
                read[j] += m[i * s->dv + j] * k[i];
        for (int64_t i = 0; i < s->dk; i++)
            for (int64_t j = 0; j < s->dv; j++)
                m[i * s->dv + j] += k[i] * (beta * (v[j] - read[j]));
        for (int64_t g = 0; g < s->group; g++) {
            int64_t head = h * s->group + g;
            const float *q = in[QUERY] + (token * s->heads * s->group + head) * s->dk;
            float *out = y + (token * s->heads * s->group + head) * s->dv;
            memset(out, 0, (size_t)s->dv * sizeof *out);
            for (int64_t i = 0; i < s->dk; i++)
                for (int64_t j = 0; j < s->dv; j++)
                    out[j] += q[i] * s->scale * m[i * s->dv + j];
        }
    }
}

static esk_status cpu(struct esk_cpu *c) {
    struct esk_facts f = esk_facts_of_tensors(c);
    struct shape s;
    describe(&f, &s);
    const float *in[BETA + 1] = {0};
    int64_t state = s.dk * s.dv, states = s.batch * s.heads * state;
    for (uint32_t i = 0; i < c->n_in && i <= BETA; i++)
        if (c->in[i] && !(in[i] = esk_floats_in(c->scratch, c->in[i])))
            return esk_fail_memory(c->error, c->node->name);
    float *m = ESK_ARENA_ARRAY(c->scratch, float, (size_t)states + 1);
    float *read = ESK_ARENA_ARRAY(c->scratch, float, (size_t)s.dv);
    float *y = c->out[0]
                   ? esk_floats_out(c->scratch, c->out[0])
                   : ESK_ARENA_ARRAY(
                         c->scratch, float,
                         (size_t)(s.batch * s.length * s.heads * s.group * s.dv) + 1);
    if (!m || !read || !y)
        return esk_fail_memory(c->error, c->node->name);
    memset(m, 0, (size_t)states * sizeof *m);
    if (in[PAST] && states)
        memcpy(m, in[PAST], (size_t)states * sizeof *m);
    for (int64_t b = 0; b < s.batch; b++)
        for (int64_t h = 0; h < s.heads; h++)
            walk(&s, in, b, h, m + (b * s.heads + h) * state, read, y);
    if (c->out[0])
        esk_floats_done(c->out[0], y);
    if (c->n_out > 1 && c->out[1])
        for (int64_t i = 0; i < states; i++)
            esk_tensor_set_double(c->out[1], i, (double)m[i]);
    return ESK_OK;
}

/* ---- gpu ---- */

/* Copies parts of the inputs into rows, one a token and head: [k dk][decay dk][v dv]
 * [q group dk][beta]. Three inputs a kernel at most. */
static void add_rows(struct esk_ctx *c, struct esk_recipe *r, const struct shape *s,
                     struct esk_ref_to rows, int64_t row, bool second) {
    int64_t count = s->batch * s->length * s->heads * row;
    struct esk_kernel *k = esk_recipe_kernel(r, "linear_attention_rows");
    esk_kernel_in(c, r, k, "A", second ? QUERY : KEY, ESK_ELEMENT);
    if (second)
        esk_kernel_in(c, r, k, "B", VALUE, ESK_ELEMENT);
    else if (s->decays)
        esk_kernel_in(c, r, k, "B", DECAY, ESK_ELEMENT);
    if (!second && s->delta)
        esk_kernel_in(c, r, k, "C", BETA, ESK_ELEMENT);
    esk_kernel_ref(k, "Y", r, rows, ESK_WRITE, ESK_ELEMENT);
    esk_kernel_define(k, "SECOND", second);
    esk_kernel_define(k, "HAS_B", second || s->decays);
    esk_kernel_define(k, "HAS_C", !second && s->delta);
    esk_kernel_int(k, "count", count);
    esk_kernel_int(k, "row", row);
    esk_kernel_int(k, "dk", s->dk);
    esk_kernel_int(k, "dv", s->dv);
    esk_kernel_int(k, "heads", s->heads);
    esk_kernel_int(k, "group", s->group);
    esk_kernel_int(k, "decay_a_key", s->decay_a_key);
    esk_kernel_int(k, "beta_a_head", s->beta_a_head);
    esk_kernel_flat(k, c->limits, (uint64_t)count);
    k->bytes = 8.0 * (double)count;
}

static esk_status gpu(struct esk_ctx *c) {
    struct esk_facts f = esk_facts_of_vars(c);
    const struct esk_var *who;
    struct shape s;
    describe(&f, &s);
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "%s is not kept on the device",
                               esk_dtype_name(who->dtype));
    int64_t row = s.dk * (2 + s.group) + s.dv + 1, columns = s.batch * s.heads * s.dv;
    int64_t rows = s.batch * s.length * s.heads, states = columns * s.dk;
    if (row * rows > INT32_MAX / 4 || states > INT32_MAX / 4)
        return esk_unsupported(c, "more elements than an int counts");
    if (!rows)
        return esk_unsupported(c, "there is no token");
    /* tokens a kernel, so that no invocation loops too often: leaving a loop counts too
     */
    uint64_t each = (uint64_t)((s.dk + 2) * (2 + s.group) + s.group + 4);
    int64_t chunk = s.length;
    if (c->limits->max_iterations)
        chunk = (int64_t)((uint64_t)c->limits->max_iterations / each);
    if (chunk < 1)
        return esk_unsupported(c, "heads of %lld elements, %lld queries a head",
                               (long long)s.dk, (long long)s.group);
    int64_t results = rows * s.group * s.dv;
    struct esk_recipe *r = esk_add_recipe(c, "linear attention, invocation a column");
    struct esk_ref_to packed =
        esk_recipe_scratch(r, (size_t)(rows * row) * 4, ESK_STORAGE_F32);
    struct esk_ref_to state = esk_recipe_scratch(r, (size_t)states * 4, ESK_STORAGE_F32);
    struct esk_ref_to wide = esk_recipe_scratch(r, (size_t)results * 4, ESK_STORAGE_F32);
    add_rows(c, r, &s, packed, row, false);
    add_rows(c, r, &s, packed, row, true);
    struct esk_kernel *k = esk_recipe_kernel(r, "copy_or_zero");
    if (f.has[PAST])
        esk_kernel_in(c, r, k, "X", PAST, ESK_ELEMENT);
    esk_kernel_define(k, "ZERO", !f.has[PAST]);
    esk_kernel_ref(k, "Y", r, state, ESK_WRITE, ESK_ELEMENT);
    esk_kernel_int(k, "count", states);
    esk_kernel_flat(k, c->limits, (uint64_t)states);
    for (int64_t t = 0; t < s.length; t += chunk) {
        int64_t tokens = s.length - t < chunk ? s.length - t : chunk;
        k = esk_recipe_kernel(r, "linear_attention");
        esk_kernel_ref(k, "P", r, packed, ESK_READ, ESK_ELEMENT);
        esk_kernel_ref(k, "S", r, state, ESK_READ_WRITE, ESK_ELEMENT);
        esk_kernel_ref(k, "Y", r, wide, ESK_WRITE, ESK_ELEMENT);
        esk_kernel_define(k, "DECAYS", s.decays);
        esk_kernel_define(k, "DELTA", s.delta);
        esk_kernel_int(k, "columns", columns);
        esk_kernel_int(k, "row", row);
        esk_kernel_int(k, "dk", s.dk);
        esk_kernel_int(k, "dv", s.dv);
        esk_kernel_int(k, "heads", s.heads);
        esk_kernel_int(k, "group", s.group);
        esk_kernel_int(k, "length", s.length);
        esk_kernel_int(k, "first", t);
        esk_kernel_int(k, "tokens", tokens);
        esk_kernel_float(k, "scale", s.scale);
        esk_kernel_flat(k, c->limits, (uint64_t)columns);
        k->loop_iterations = (uint64_t)tokens * each;
        k->flops = 2.0 * (double)(columns * tokens) * (double)(s.dk * (2 + s.group));
        k->bytes = 4.0 * (double)(columns * tokens) * (double)(s.dk * (4 + s.group));
    }
    for (uint32_t i = 0; i < 2; i++)
        if (esk_out(c, i)) {
            struct esk_move m = {0};
            esk_move_push(&m, esk_var_count(esk_out(c, i)), 1);
            esk_move_kernel_refs(c, r, &m, i ? state : wide, i);
        }
    return ESK_OK;
}

const struct esk_op esk_op_LinearAttention = {
    .domain = "",
    .name = "LinearAttention",
    .since = (const uint8_t[]){27, 0},
    .min_in = 3,
    .alike = 0x37,
    .real = 0x3f,
    .max_in = 6,
    .min_out = 1,
    .max_out = 2,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};

const struct esk_op esk_op_ms_LinearAttention = {
    .domain = "com.microsoft",
    .name = "LinearAttention",
    .since = (const uint8_t[]){1, 0},
    .min_in = 3,
    .max_in = 6,
    .min_out = 1,
    .max_out = 2,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
