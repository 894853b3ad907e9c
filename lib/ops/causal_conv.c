/* CausalConvWithState: a depthwise convolution along the last axis that looks back only.
 * In: x [batch, channels, length], weights [channels, 1, k], a bias, the k - 1 values
 * before; out: the sums, and the last k - 1 values of the whole sequence. */
#include "recipes/facts.h"
#include "recipes/floats.h"
#include "recipes/map.h"

#include <math.h>
#include <string.h>

enum { X, W, BIAS, PAST };

struct shape {
    int64_t batch, channels, length, k;
    bool silu;
};

static const char *describe(const struct esk_facts *f, struct shape *s) {
    const char *activation = esk_attr_string(f->node, "activation", "none");
    *s = (struct shape){0};
    s->silu = strcmp(activation, "silu") == 0 || strcmp(activation, "swish") == 0;
    if (!s->silu && strcmp(activation, "none") != 0)
        return "activation must be silu, swish or none";
    if (f->rank[X] != 3 || f->rank[W] != 3)
        return "input and weight must have rank 3";
    s->batch = f->dim[X][0], s->channels = f->dim[X][1], s->length = f->dim[X][2];
    s->k = f->dim[W][2];
    if (f->dim[W][0] != s->channels || f->dim[W][1] != 1 || s->k < 1)
        return "weight must be [channels, 1, k] with k of at least 1";
    if (f->has[BIAS] && (f->rank[BIAS] != 1 || f->dim[BIAS][0] != s->channels))
        return "bias must have one value a channel";
    if (f->has[PAST]) {
        const int64_t *p = f->dim[PAST];
        if (f->rank[PAST] != 3 || p[0] != s->batch || p[1] != s->channels ||
            p[2] != s->k - 1)
            return "past_state must be [batch, channels, k - 1]";
    }
    for (uint32_t i = W; i <= PAST; i++)
        if (f->has[i] && f->dtype[i] != f->dtype[X])
            return "all inputs must have one type";
    return NULL;
}

static esk_status infer(struct esk_ctx *c) {
    struct esk_facts f = esk_facts_of_vars(c);
    struct shape s;
    static const struct {
        const char *name;
        int64_t usual;
    } later[] = {{"state_window", 0}, {"channels_last", 0}, {"dilation", 1}, {"ndim", 1}};
    for (int i = 0; i < 4; i++) { /* com.microsoft */
        int64_t value = esk_attr_int(c->node, later[i].name, later[i].usual);
        if (value != later[i].usual)
            return esk_node_fail(c, ESK_UNSUPPORTED, "%s=%lld, %lld is known",
                                 later[i].name, (long long)value,
                                 (long long)later[i].usual);
    }
    const char *wrong = describe(&f, &s);
    if (wrong)
        return esk_node_fail(c, ESK_INVALID_MODEL, "%s", wrong);
    if (!esk_dtype_is_float(f.dtype[X]) || f.dtype[X] == ESK_DOUBLE)
        return esk_node_fail(c, ESK_UNSUPPORTED, "type %s", esk_dtype_name(f.dtype[X]));
    int64_t state[3] = {s.batch, s.channels, s.k - 1};
    ESK_TRY(esk_set_out_like(c, 0, 0));
    return esk_set_out(c, 1, f.dtype[X], 3, state);
}

static esk_status cpu(struct esk_cpu *c) {
    struct esk_facts f = esk_facts_of_tensors(c);
    struct shape s;
    describe(&f, &s);
    const float *in[PAST + 1] = {0};
    for (uint32_t i = 0; i < c->n_in && i <= PAST; i++)
        if (c->in[i] && !(in[i] = esk_floats_in(c->scratch, c->in[i])))
            return esk_fail_memory(c->error, c->node->name);
    int64_t before = s.k - 1, whole = before + s.length;
    float *line = ESK_ARENA_ARRAY(c->scratch, float, (size_t)whole + 1);
    if (!line)
        return esk_fail_memory(c->error, c->node->name);
    for (int64_t n = 0; n < s.batch * s.channels; n++) {
        const float *w = in[W] + n % s.channels * s.k;
        for (int64_t t = 0; t < whole; t++)
            line[t] = t >= before ? in[X][n * s.length + t - before]
                      : in[PAST]  ? in[PAST][n * before + t]
                                  : 0;
        for (int64_t t = 0; c->out[0] && t < s.length; t++) {
            float sum = in[BIAS] ? in[BIAS][n % s.channels] : 0;
            for (int64_t i = 0; i < s.k; i++)
                sum += line[t + i] * w[i];
            esk_tensor_set_double(c->out[0], n * s.length + t,
                                  (double)(s.silu ? sum / (1 + expf(-sum)) : sum));
        }
        for (int64_t t = 0; c->n_out > 1 && c->out[1] && t < before; t++)
            esk_tensor_set_double(c->out[1], n * before + t, (double)line[s.length + t]);
    }
    return ESK_OK;
}

static void sizes(struct esk_kernel *k, const struct shape *s) {
    esk_kernel_int(k, "length", s->length);
    esk_kernel_int(k, "before", s->k - 1);
}

static esk_status gpu(struct esk_ctx *c) {
    struct esk_facts f = esk_facts_of_vars(c);
    const struct esk_var *who;
    struct shape s;
    describe(&f, &s);
    int64_t lines = s.batch * s.channels, count = lines * (s.length + s.k - 1);
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "%s is not kept on the device",
                               esk_dtype_name(who->dtype));
    if (count > INT32_MAX / 4)
        return esk_unsupported(c, "more elements than an int counts");
    if (c->limits->max_iterations && (uint64_t)s.k > c->limits->max_iterations / 2)
        return esk_unsupported(c, "%lld weights a channel", (long long)s.k);
    if (!lines || !s.length)
        return esk_unsupported(c, "the input is empty");
    struct esk_recipe *r = esk_add_recipe(c, "causal convolution");
    struct esk_ref_to all = esk_recipe_scratch(r, (size_t)count * 4, ESK_STORAGE_F32);
    struct esk_kernel *k = esk_recipe_kernel(r, "causal_join");
    esk_kernel_in(c, r, k, "X", X, ESK_ELEMENT);
    if (f.has[PAST] && s.k > 1)
        esk_kernel_in(c, r, k, "P", PAST, ESK_ELEMENT);
    esk_kernel_define(k, "PAST", f.has[PAST] && s.k > 1);
    esk_kernel_ref(k, "Y", r, all, ESK_WRITE, ESK_ELEMENT);
    sizes(k, &s);
    esk_kernel_int(k, "count", count);
    esk_kernel_flat(k, c->limits, (uint64_t)count);
    k->bytes = 8.0 * (double)count;
    if (esk_out(c, 0)) {
        k = esk_recipe_kernel(r, "causal_conv");
        esk_kernel_ref(k, "X", r, all, ESK_READ, ESK_ELEMENT);
        esk_kernel_in(c, r, k, "W", W, ESK_ELEMENT);
        if (f.has[BIAS])
            esk_kernel_in(c, r, k, "B", BIAS, ESK_ELEMENT);
        esk_kernel_define(k, "BIAS", f.has[BIAS]);
        esk_kernel_define(k, "SILU", s.silu);
        sizes(k, &s);
        esk_kernel_int(k, "channels", s.channels);
        esk_kernel_map(c, r, k, 0, false);
        k->loop_iterations = 2 * (uint64_t)s.k;
        k->flops = 2.0 * (double)(lines * s.length * s.k);
        k->bytes = 8.0 * (double)count;
    }
    if (esk_out(c, 1) && s.k > 1) {
        k = esk_recipe_kernel(r, "causal_state");
        esk_kernel_ref(k, "X", r, all, ESK_READ, ESK_ELEMENT);
        sizes(k, &s);
        esk_kernel_map(c, r, k, 1, false);
    }
    return ESK_OK;
}

const struct esk_op esk_op_CausalConvWithState = {
    .domain = "",
    .name = "CausalConvWithState",
    .since = (const uint8_t[]){27, 0},
    .min_in = 2,
    .alike = 0xf,
    .real = 0xf,
    .max_in = 4,
    .min_out = 1,
    .max_out = 2,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};

const struct esk_op esk_op_ms_CausalConvWithState = {
    .domain = "com.microsoft",
    .name = "CausalConvWithState",
    .since = (const uint8_t[]){1, 0},
    .min_in = 2,
    .max_in = 4,
    .min_out = 1,
    .max_out = 2,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
