/* LSTM, GRU, RNN. In: X, W, R, then B, sequence_lens, initial_h, and of LSTM initial_c
 * and peepholes P; out: Y, Y_h, and of LSTM Y_c. On the host all sums are in double. And
 * com.microsoft's DynamicQuantizeLSTM, of quantized W and R, which becomes an LSTM. */
#include "recipes/quantize.h"
#include "recipes/recurrent.h"
#include "recipes/rows.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { X, W, R, B, LENGTHS, H0, C0, P };

static enum esk_cell cell_of(const struct esk_node *node) {
    return *(const enum esk_cell *)node->op->data;
}

/* Version 1 of GRU had no linear_before_reset, and all of version 1 to 6 an
 * output_sequence that only said whether Y is wanted. */
static esk_status upgrade(struct esk_ctx *c) {
    if (c->node->since < 7)
        esk_node_remove_attr(c->node, "output_sequence");
    return ESK_OK;
}

/* Integer weights [directions, from, gates * hidden] as the LSTM's: scale and zero point
 * are one a direction, or one a column of it. */
static esk_id weights_of(struct esk_rewrite *w, uint32_t i, uint32_t scale_at) {
    static const int64_t axes[] = {1, 2}, perm[] = {0, 2, 1};
    esk_id facts[2];
    for (uint32_t j = 0; j < 2; j++) {
        facts[j] = esk_rewrite_in(w, scale_at + j);
        if (facts[j] == ESK_NONE)
            continue;
        bool columns = w->c->graph->vars[facts[j]]->rank == 2;
        facts[j] = esk_rewrite_2(w, "Unsqueeze", facts[j],
                                 esk_rewrite_ints(w, columns ? 1 : 2, axes));
    }
    esk_id v = esk_rewrite_centered(w, esk_rewrite_in(w, i), facts[1]);
    v = esk_rewrite_2(w, "Mul", esk_rewrite_cast(w, v, ESK_FLOAT), facts[0]);
    v = esk_rewrite_2(w, "Transpose", v, ESK_NONE);
    if (w->last && !esk_node_set_ints(w->c->graph, w->last, "perm", 3, perm))
        w->failed = true;
    return v;
}

/* The weights are kept as floats, and X and the states need not be rounded to 8 bits:
 * that is how one computes with integers, and nothing that a model could want. */
static esk_status upgrade_dynamic(struct esk_ctx *c) {
    enum { W_SCALE = 8, R_SCALE = 10 };
    struct esk_rewrite w = {.c = c};
    esk_id in[P + 1];
    for (uint32_t i = W_SCALE; i <= R_SCALE; i += 2)
        if (esk_rewrite_in(&w, i) == ESK_NONE)
            return esk_node_fail(c, ESK_INVALID_MODEL,
                                 "input %u, the scale of %s, is missing", i,
                                 i == W_SCALE ? "W" : "R");
    for (uint32_t i = 0; i <= P; i++)
        in[i] = esk_rewrite_in(&w, i);
    in[W] = weights_of(&w, W, W_SCALE);
    in[R] = weights_of(&w, R, R_SCALE);
    return esk_rewrite_end(&w, "LSTM", P + 1, in, true);
}

static esk_status expect(struct esk_ctx *c, uint32_t i, int rank, const int64_t *dims) {
    const struct esk_var *v = esk_in(c, i);
    if (!v || esk_shape_equal(v->rank, v->dim, rank, dims))
        return ESK_OK;
    struct esk_text is = {0}, must = {0};
    esk_shape_print(&is, v->dtype, v->rank, v->dim);
    esk_shape_print(&must, v->dtype, rank, dims);
    esk_node_fail(c, ESK_INVALID_MODEL, "input %u is %s, it must be %s", i,
                  esk_text_str(&is), esk_text_str(&must));
    esk_text_finish(&is);
    esk_text_finish(&must);
    return ESK_INVALID_MODEL;
}

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, X), *r = esk_in(c, R);
    struct esk_recurrent a;
    if (!esk_dtype_is_float(x->dtype))
        return esk_node_fail(c, ESK_INVALID_MODEL, "X is %s", esk_dtype_name(x->dtype));
    ESK_TRY(esk_recurrent_read(c->node, c->error, cell_of(c->node), x->rank, x->dim,
                               r->rank, r->dim, &a));
    int64_t d = a.directions, gh = a.gates * a.hidden;
    const int64_t state[3] = {a.batch_first ? a.batch : d, a.batch_first ? d : a.batch,
                              a.hidden};
    ESK_TRY(expect(c, W, 3, (const int64_t[]){d, gh, a.input}));
    ESK_TRY(expect(c, B, 2, (const int64_t[]){d, 2 * gh}));
    ESK_TRY(expect(c, LENGTHS, 1, (const int64_t[]){a.batch}));
    ESK_TRY(expect(c, H0, 3, state));
    ESK_TRY(expect(c, C0, 3, state));
    ESK_TRY(expect(c, P, 2, (const int64_t[]){d, 3 * a.hidden}));
    if (a.batch_first)
        ESK_TRY(esk_set_out(c, 0, x->dtype, 4,
                            (const int64_t[]){a.batch, a.steps, d, a.hidden}));
    else
        ESK_TRY(esk_set_out(c, 0, x->dtype, 4,
                            (const int64_t[]){a.steps, d, a.batch, a.hidden}));
    ESK_TRY(esk_set_out(c, 1, x->dtype, 3, state));
    return a.cell == ESK_CELL_LSTM ? esk_set_out(c, 2, x->dtype, 3, state) : ESK_OK;
}

/* ---- cpu ---- */

static double activate(const struct esk_activation *act, double clip, double v) {
    double alpha = (double)act->alpha, beta = (double)act->beta;
    v = v > clip ? clip : v < -clip ? -clip : v;
    switch (act->kind) {
    case ESK_ACT_RELU:
        return v > 0 || v != v ? v : 0;
    case ESK_ACT_TANH:
        return tanh(v);
    case ESK_ACT_SIGMOID:
        return 1 / (1 + exp(-v));
    case ESK_ACT_AFFINE:
        return alpha * v + beta;
    case ESK_ACT_LEAKY_RELU:
        return v < 0 ? alpha * v : v;
    case ESK_ACT_THRESHOLDED_RELU:
        return v > alpha ? v : 0;
    case ESK_ACT_SCALED_TANH:
        return alpha * tanh(beta * v);
    case ESK_ACT_HARD_SIGMOID:
        return fmin(1, fmax(0, alpha * v + beta));
    case ESK_ACT_ELU:
        return v < 0 ? alpha * (exp(v) - 1) : v;
    case ESK_ACT_SOFTSIGN:
        return v / (1 + fabs(v));
    case ESK_ACT_SOFTPLUS:
        return (v > 0 ? v : 0) + log1p(exp(-fabs(v)));
    }
    return v;
}

static double dot(const double *a, const double *b, int64_t n) {
    double s[4] = {0};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int e = 0; e < 4; e++)
            s[e] += a[i + e] * b[i + e];
    for (; i < n; i++)
        s[0] += a[i] * b[i];
    return s[0] + s[1] + s[2] + s[3];
}

/* What a step of one direction works with. */
struct walk {
    const struct esk_recurrent *a;
    const struct esk_activation *acts;
    const double *w, *r, *bias_w, *bias_r, *p; /* biases and p may be NULL */
    double *h, *c, *gates, *reset;
};

static double bias_of(const double *bias, int64_t at) {
    return bias ? bias[at] : 0;
}

static void step_lstm(struct walk *s) {
    int64_t n = s->a->hidden;
    double clip = (double)s->a->clip, *g = s->gates;
    const struct esk_activation *f = s->acts;
    for (int64_t j = 0; j < n; j++) {
        double c = s->c[j];
        double i = g[j] + (s->p ? s->p[j] * c : 0);
        i = activate(&f[0], clip, i);
        double forget = g[2 * n + j] + (s->p ? s->p[2 * n + j] * c : 0);
        forget = s->a->coupled ? 1 - i : activate(&f[0], clip, forget);
        c = forget * c + i * activate(&f[1], clip, g[3 * n + j]);
        double o = g[n + j] + (s->p ? s->p[n + j] * c : 0);
        s->c[j] = c;
        /* as in ONNX Runtime, clip does not touch the state */
        s->h[j] = activate(&f[0], clip, o) * activate(&f[2], INFINITY, c);
    }
}

static void step_gru(struct walk *s) {
    int64_t n = s->a->hidden;
    double clip = (double)s->a->clip, *g = s->gates;
    for (int64_t j = 0; j < 2 * n; j++)
        g[j] = activate(&s->acts[0], clip, g[j]);
    for (int64_t j = 0; j < n && !s->a->linear; j++)
        s->reset[j] = g[n + j] * s->h[j];
    for (int64_t j = 0; j < n; j++) {
        const double *row = s->r + (2 * n + j) * n;
        double v = s->a->linear
                       ? g[n + j] * (dot(row, s->h, n) + bias_of(s->bias_r, 2 * n + j))
                       : dot(row, s->reset, n) + bias_of(s->bias_r, 2 * n + j);
        g[2 * n + j] = activate(&s->acts[1], clip, g[2 * n + j] + v);
    }
    for (int64_t j = 0; j < n; j++)
        s->h[j] = (1 - g[j]) * g[2 * n + j] + g[j] * s->h[j];
}

static void step(struct walk *s, const double *x) {
    const struct esk_recurrent *a = s->a;
    int64_t n = a->hidden;
    for (int64_t g = 0; g < a->gates * n; g++) {
        double v = dot(s->w + g * a->input, x, a->input) + bias_of(s->bias_w, g);
        if (a->cell != ESK_CELL_GRU || g < 2 * n)
            v += dot(s->r + g * n, s->h, n) + bias_of(s->bias_r, g);
        s->gates[g] = v;
    }
    if (a->cell == ESK_CELL_LSTM)
        step_lstm(s);
    else if (a->cell == ESK_CELL_GRU)
        step_gru(s);
    else
        for (int64_t j = 0; j < n; j++)
            s->h[j] = activate(&s->acts[0], (double)a->clip, s->gates[j]);
}

/* Input i as doubles; *values stays NULL where absent. */
static bool load(struct esk_cpu *c, uint32_t i, double **values) {
    const struct esk_tensor *t = i < c->n_in ? c->in[i] : NULL;
    *values = NULL;
    if (!t)
        return true;
    int64_t count = esk_shape_product(t->dim, 0, t->rank);
    *values = ESK_ARENA_ARRAY(c->scratch, double, (size_t)count);
    if (*values)
        esk_rows_load_doubles(t, 0, 1, count, *values);
    return *values;
}

static esk_status cpu(struct esk_cpu *c) {
    struct esk_recurrent a;
    double *x, *w, *r, *b, *h0, *c0 = NULL, *p = NULL;
    enum esk_cell cell = cell_of(c->node);
    ESK_TRY(esk_recurrent_read(c->node, c->error, cell, c->in[X]->rank, c->in[X]->dim,
                               c->in[R]->rank, c->in[R]->dim, &a));
    int64_t n = a.hidden, gh = a.gates * n;
    struct walk s = {.a = &a};
    s.h = ESK_ARENA_ARRAY(c->scratch, double, (size_t)n);
    s.c = ESK_ARENA_ARRAY(c->scratch, double, (size_t)n);
    s.gates = ESK_ARENA_ARRAY(c->scratch, double, (size_t)gh);
    s.reset = ESK_ARENA_ARRAY(c->scratch, double, (size_t)n);
    double *zeros = ESK_ARENA_ARRAY(c->scratch, double, (size_t)n);
    if (!s.h || !s.c || !s.gates || !s.reset || !zeros || !load(c, X, &x) ||
        !load(c, W, &w) || !load(c, R, &r) || !load(c, B, &b) || !load(c, H0, &h0) ||
        (cell == ESK_CELL_LSTM && (!load(c, C0, &c0) || !load(c, P, &p))))
        return esk_fail_memory(c->error, c->node->name);
    const struct esk_tensor *lengths = c->n_in > LENGTHS ? c->in[LENGTHS] : NULL;
    for (int64_t item = 0; item < a.directions * a.batch; item++) {
        int64_t d = item / a.batch, at = item % a.batch;
        bool reverse = d == 1 || a.reverse;
        int64_t length = lengths ? esk_tensor_int(lengths, at) : a.steps;
        int64_t state = d * a.h_direction + at * a.h_batch;
        if (length < 0 || length > a.steps)
            return esk_cpu_fail(c, ESK_INVALID_ARGUMENT,
                                "sequence_lens has %" PRId64 ", there are %" PRId64
                                " steps",
                                length, a.steps);
        memcpy(s.h, h0 ? h0 + state : zeros, (size_t)n * sizeof *zeros);
        memcpy(s.c, c0 ? c0 + state : zeros, (size_t)n * sizeof *zeros);
        s.acts = a.acts[d];
        s.w = w + d * gh * a.input;
        s.r = r + d * gh * n;
        s.bias_w = b ? b + d * 2 * gh : NULL;
        s.bias_r = b ? s.bias_w + gh : NULL;
        s.p = p ? p + d * 3 * n : NULL;
        for (int64_t k = 0; k < a.steps; k++) {
            int64_t t = k < length && reverse ? length - 1 - k : k;
            if (k < length)
                step(&s, x + (t * a.x_step + at * a.x_batch) * a.input);
            if (c->out[0])
                esk_rows_store_doubles(c->out[0],
                                       t * a.y_step + at * a.y_batch + d * a.y_direction,
                                       n, k < length ? s.h : zeros);
        }
        if (c->n_out > 1 && c->out[1])
            esk_rows_store_doubles(c->out[1], state, n, s.h);
        if (c->n_out > 2 && c->out[2])
            esk_rows_store_doubles(c->out[2], state, n, s.c);
    }
    return ESK_OK;
}

static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, X), *r = esk_in(c, R), *who;
    struct esk_recurrent a;
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "%s is not kept on the device",
                               esk_dtype_name(who->dtype));
    ESK_TRY(esk_recurrent_read(c->node, c->error, cell_of(c->node), x->rank, x->dim,
                               r->rank, r->dim, &a));
    return esk_recurrent_gpu(c, &a);
}

#define RECURRENT(title, kind, inputs, outputs, ...) \
    const struct esk_op esk_op_##title = {           \
        .domain = "",                                \
        .name = #title,                              \
        .since = (const uint8_t[]){__VA_ARGS__, 0},  \
        .min_in = 3,                                 \
        .max_in = inputs,                            \
        .max_out = outputs,                          \
        .alike = ~(1u << LENGTHS),                   \
        .upgrade = upgrade,                          \
        .infer = infer,                              \
        .cpu = cpu,                                  \
        .gpu = gpu,                                  \
        .data = &(const enum esk_cell){kind},        \
    }

RECURRENT(LSTM, ESK_CELL_LSTM, 8, 3, 1, 7, 14, 22);
RECURRENT(GRU, ESK_CELL_GRU, 6, 2, 1, 3, 7, 14, 22);
RECURRENT(RNN, ESK_CELL_RNN, 6, 2, 1, 7, 14, 22);

const struct esk_op esk_op_DynamicQuantizeLSTM = {
    .domain = "com.microsoft",
    .name = "DynamicQuantizeLSTM",
    .since = (const uint8_t[]){1, 0},
    .min_in = 3,
    .max_in = 12,
    .max_out = 3,
    .upgrade = upgrade_dynamic,
};
