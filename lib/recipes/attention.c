/* Attention on the host: in double, a row of scores at a time. */
#include "recipes/attention.h"
#include "recipes/kv_cache.h"
#include "recipes/lines.h"

#include <math.h>
#include <string.h>

struct esk_heads esk_heads_rows(uint32_t input, int64_t length, int64_t width,
                                int64_t dim) {
    return (struct esk_heads){.input = input,
                              .batch = length * width,
                              .head = dim,
                              .row = width,
                              .col = 1,
                              .bias = ESK_NONE};
}

struct esk_heads esk_heads_major(uint32_t input, int64_t heads, int64_t length,
                                 int64_t dim) {
    return (struct esk_heads){.input = input,
                              .batch = heads * length * dim,
                              .head = length * dim,
                              .row = dim,
                              .col = 1,
                              .bias = ESK_NONE};
}

struct esk_attention esk_attention_none(void) {
    struct esk_heads none = {.input = ESK_NONE, .bias = ESK_NONE};
    return (struct esk_attention){
        .q = none,
        .k = none,
        .v = none,
        .past_k = none,
        .past_v = none,
        .present_k = ESK_NONE,
        .present_v = ESK_NONE,
        .rotary = {.cos = ESK_NONE, .sin = ESK_NONE, .ids = ESK_NONE, .scale = 1},
        .lengths = ESK_NONE,
        .mask = ESK_NONE,
        .bias = ESK_NONE,
        .sink = ESK_NONE,
        .scores = ESK_NONE,
    };
}

bool esk_attention_mask(const struct esk_attention *a, int rank, const int64_t *dims,
                        int64_t *strides, int64_t *width) {
    const int64_t full[4] = {a->batch, a->heads, a->length, a->total};
    int64_t stride = 1;
    *width = a->total;
    for (int i = 3; i >= 0; i--) {
        int at = i - (4 - rank);
        int64_t d = at < 0 ? 1 : dims[at];
        strides[i] = d == 1 && full[i] != 1 ? 0 : stride;
        if (i == 3 && d != 1 && d != a->total)
            *width = d < a->total ? d : a->total;
        else if (d != 1 && d != full[i])
            return false;
        stride *= d;
    }
    return rank <= 4;
}

static const struct esk_tensor *in_of(const struct esk_cpu *c, uint32_t i) {
    return i < c->n_in ? c->in[i] : NULL;
}
static struct esk_tensor *out_of(const struct esk_cpu *c, uint32_t i) {
    return i < c->n_out ? c->out[i] : NULL;
}

static int64_t length_of(const struct esk_cpu *c, const struct esk_attention *a,
                         int64_t b) {
    int64_t n = esk_tensor_int(c->in[a->lengths], b);
    if (n < -1 || n > a->total)
        n = n < 0 ? -1 : a->total;
    n += a->plus;
    return n < 0 ? 0 : n > a->total ? a->total : n;
}

/* Where the new tokens of a batch begin. */
static int64_t start_of(const struct esk_cpu *c, const struct esk_attention *a,
                        int64_t b) {
    if (a->lengths == ESK_NONE || !a->late)
        return a->past;
    int64_t at = length_of(c, a, b) - a->fresh;
    return at < 0 ? 0 : at;
}

/* Which row of the caches token s of batch b takes. */
static int64_t position_of(const struct esk_cpu *c, const struct esk_attention *a,
                           int64_t b, int64_t s) {
    const struct esk_rotary *r = &a->rotary;
    const struct esk_tensor *ids = in_of(c, r->ids);
    switch (r->positions) {
    case ESK_POSITIONS_CACHE:
        return b * a->length + s;
    case ESK_POSITIONS_IDS:
        return esk_tensor_int(ids, b * a->length + s);
    case ESK_POSITIONS_FIRST:
        return esk_tensor_int(ids, 0) + s;
    case ESK_POSITIONS_PLUS:
        return r->first + s;
    case ESK_POSITIONS_STREAMS: /* of the first; the others: turn */
        return esk_tensor_int(ids, b * a->length + s);
    case ESK_POSITIONS_LENGTHS:
        break;
    }
    int64_t at = esk_tensor_int(ids, b) + r->plus - a->length;
    return (at < 0 ? 0 : at) + s;
}

int64_t esk_stream_of(const struct esk_rotary *r, int64_t j) {
    if (r->woven) {
        int64_t k = j % 3;
        return k && j / 3 < r->section[k] ? k : 0;
    }
    return j < r->section[0] ? 0 : j < r->section[0] + r->section[1] ? 1 : 2;
}

static esk_status turn(struct esk_cpu *c, const struct esk_attention *a, int64_t b,
                       int64_t s, double *row, double *spare) {
    const struct esk_rotary *r = &a->rotary;
    int64_t at = position_of(c, a, b, s), half = r->half;
    if (r->split && position_of(c, a, b, a->length - 1) >= r->split)
        at += r->split;
    if (at < 0 || at >= r->rows)
        return esk_cpu_fail(c, ESK_INVALID_ARGUMENT,
                            "position %lld of token %lld, the caches have %lld rows",
                            (long long)at, (long long)s, (long long)r->rows);
    double *cosine = spare, *sine = spare + half;
    esk_read_doubles(c->in[r->cos], at * half, 1, half, cosine);
    esk_read_doubles(c->in[r->sin], at * half, 1, half, sine);
    for (int64_t j = 0; r->positions == ESK_POSITIONS_STREAMS && j < half; j++) {
        int64_t stream = esk_stream_of(r, j);
        at = esk_tensor_int(c->in[r->ids], (stream * a->batch + b) * a->length + s);
        if (at < 0 || at >= r->rows)
            return esk_cpu_fail(
                c, ESK_INVALID_ARGUMENT,
                "position %lld (stream %lld) of token %lld, the caches have "
                "%lld rows",
                (long long)at, (long long)stream, (long long)s, (long long)r->rows);
        esk_read_doubles(c->in[r->cos], at * half + j, 1, 1, cosine + j);
        esk_read_doubles(c->in[r->sin], at * half + j, 1, 1, sine + j);
    }
    for (int64_t j = 0; j < half; j++) {
        double *x = &row[r->interleaved ? 2 * j : j];
        double *y = &row[r->interleaved ? 2 * j + 1 : j + half];
        double first = *x * cosine[j] - *y * sine[j];
        *y = *x * sine[j] + *y * cosine[j];
        *x = first;
    }
    return ESK_OK;
}

/* Row s of head h of batch b, with bias and rotation. spare: 2 * half values, or dim. */
static esk_status read_row(struct esk_cpu *c, const struct esk_attention *a,
                           const struct esk_heads *x, bool rotate, int64_t dim, int64_t b,
                           int64_t h, int64_t s, double *row, double *spare) {
    esk_read_doubles(c->in[x->input], x->offset + b * x->batch + h * x->head + s * x->row,
                     x->col, dim, row);
    const struct esk_tensor *bias = in_of(c, x->bias);
    if (bias) {
        esk_read_doubles(bias, x->bias_offset + h * dim, 1, dim, spare);
        for (int64_t d = 0; d < dim; d++)
            row[d] += spare[d];
    }
    return rotate && a->rotary.cos != ESK_NONE ? turn(c, a, b, s, row, spare) : ESK_OK;
}

/* The same of caches that are kept quantised: what is looked at is what they keep. */
static esk_status gather_kept(struct esk_cpu *c, const struct esk_attention *a, bool keys,
                              int64_t b, int64_t g, double *rows, double *spare) {
    const struct esk_heads *past = keys ? &a->past_k : &a->past_v;
    int64_t dim = keys ? a->dim : a->v_dim, start = start_of(c, a, b);
    size_t words = (size_t)esk_kv_words(a->kv_bits, dim), bytes = 4 * words;
    const struct esk_tensor *old = in_of(c, past->input);
    uint32_t *row = ESK_ARENA_ARRAY(c->scratch, uint32_t, words);
    struct esk_tensor *out = out_of(c, keys ? a->present_k : a->present_v);
    int64_t head = b * a->kv_heads + g;
    if (!row)
        return esk_fail_memory(c->error, c->node->name);
    for (int64_t t = 0; t < a->present; t++) {
        memset(row, 0, bytes);
        if (t >= start && t - start < a->fresh) {
            ESK_TRY(read_row(c, a, keys ? &a->k : &a->v, keys, dim, b, g, t - start,
                             rows + t * dim, spare));
            esk_kv_keep(a->kv_bits, dim, rows + t * dim, row);
        } else if (old && t < a->past && t < start) {
            memcpy(row, (const char *)old->data + (size_t)(head * a->past + t) * bytes,
                   bytes);
        }
        if (out)
            memcpy((char *)out->data + (size_t)(head * a->present + t) * bytes, row,
                   bytes);
        esk_kv_open(a->kv_bits, dim, row, rows + t * dim);
    }
    return ESK_OK;
}

/* Keys or values of a head of a batch, old and new: [rows of present][dim]. */
static esk_status gather_rows(struct esk_cpu *c, const struct esk_attention *a, bool keys,
                              int64_t b, int64_t g, double *rows, double *spare) {
    const struct esk_heads *past = keys ? &a->past_k : &a->past_v;
    int64_t dim = keys ? a->dim : a->v_dim, start = start_of(c, a, b);
    const struct esk_tensor *old = in_of(c, past->input);
    if (a->kv_bits && (old || out_of(c, keys ? a->present_k : a->present_v)))
        return gather_kept(c, a, keys, b, g, rows, spare);
    memset(rows, 0, (size_t)(a->present * dim) * sizeof *rows);
    if (old)
        for (int64_t t = 0; t < a->past && t < a->present && t < start; t++)
            esk_read_doubles(
                old, past->offset + b * past->batch + g * past->head + t * past->row, 1,
                dim, rows + t * dim);
    for (int64_t s = 0; s < a->fresh && start + s < a->present; s++)
        ESK_TRY(read_row(c, a, keys ? &a->k : &a->v, keys, dim, b, g, s,
                         rows + (start + s) * dim, spare));
    struct esk_tensor *out = out_of(c, keys ? a->present_k : a->present_v);
    if (out)
        esk_write_doubles(out, (b * a->kv_heads + g) * a->present * dim, 1,
                          a->present * dim, rows);
    return ESK_OK;
}

static void fill_scores(const struct esk_attention *a, const struct esk_tensor *mask,
                        int64_t b, int64_t h, int64_t i, double *x, double *spare) {
    const int64_t *s = a->mask_stride;
    esk_read_doubles(mask, b * s[0] + h * s[1] + i * s[2], s[3], a->mask_width, spare);
    for (int64_t j = 0; j < a->total; j++)
        if (j >= a->mask_width || (spare[j] == 0) != a->mask_turned)
            x[j] = a->fill_sets     ? (double)a->fill
                   : isinf(a->fill) ? -INFINITY
                                    : x[j] + (double)a->fill;
}

/* Scores of one query, through softcap, masks and softmax; x[0, total). */
static void score_row(struct esk_cpu *c, const struct esk_attention *a, int64_t b,
                      int64_t h, int64_t i, int64_t offset, int64_t valid, double *x,
                      double *spare) {
    int64_t n = a->total, row = ((b * a->heads + h) * a->length + i) * n;
    struct esk_tensor *out = out_of(c, a->scores);
    const struct esk_tensor *mask = in_of(c, a->mask), *bias = in_of(c, a->bias);
    const struct esk_tensor *sink = in_of(c, a->sink);
    if (out && a->stage == 0)
        esk_write_doubles(out, row, 1, n, x);
    for (int64_t j = 0; j < n && a->softcap != 0; j++)
        x[j] = (double)a->softcap * tanh(x[j] / (double)a->softcap);
    if (out && a->stage == 1)
        esk_write_doubles(out, row, 1, n, x);
    if (mask && a->fill_sets)
        fill_scores(a, mask, b, h, i, x, spare);
    if (bias) {
        const int64_t *s = a->bias_stride;
        esk_read_doubles(bias, b * s[0] + h * s[1] + i * s[2], s[3], a->bias_width,
                         spare);
        for (int64_t j = 0; j < n; j++)
            x[j] = j < a->bias_width ? x[j] + spare[j] : -INFINITY;
    }
    if (mask && !a->fill_sets)
        fill_scores(a, mask, b, h, i, x, spare);
    int64_t first = a->starts ? esk_tensor_int(c->in[a->lengths], a->batch + b) : 0;
    bool one_more = sink || a->smooth;
    double least = sink ? esk_tensor_double(sink, h) : a->smooth ? 0 : -INFINITY;
    double top = least, sum = 0;
    for (int64_t j = 0; j < n; j++) {
        if (j >= valid || j < first || (a->causal && j > i + offset) ||
            (a->window > 0 && j <= i + offset - a->window))
            x[j] = -INFINITY;
        if (x[j] > top || isnan(x[j]))
            top = x[j];
    }
    if (out && a->stage == 2) {
        for (int64_t j = 0; j < n; j++)
            spare[j] = a->unseen_zero && x[j] == -INFINITY ? 0 : x[j];
        esk_write_doubles(out, row, 1, n, spare);
    }
    if (one_more)
        sum = exp(least - top);
    for (int64_t j = 0; j < n; j++) {
        x[j] = top == -INFINITY ? 0 : exp(x[j] - top);
        sum += x[j];
    }
    for (int64_t j = 0; j < n && sum != 0; j++)
        x[j] /= sum;
    for (int64_t j = 0; j < n && a->empty_nan; j++)
        if (sum == 0 || isnan(sum))
            x[j] = a->nan_zero ? 0 : NAN;
    if (out && a->stage == 3)
        esk_write_doubles(out, row, 1, n, x);
}

static double usual_scale(const struct esk_attention *a) {
    return a->scale != 0 ? (double)a->scale : 1 / sqrt((double)a->dim);
}

esk_status esk_attention_cpu(struct esk_cpu *c, const struct esk_attention *a) {
    int64_t most = a->dim > a->v_dim ? a->dim : a->v_dim, n = a->total;
    size_t spares = (size_t)(most + n + 2 * a->rotary.half + 4);
    double *spare = ESK_ARENA_ARRAY(c->scratch, double, spares);
    double *keys = ESK_ARENA_ARRAY(c->scratch, double, (size_t)(a->present * a->dim) + 1);
    double *values =
        ESK_ARENA_ARRAY(c->scratch, double, (size_t)(a->present * a->v_dim) + 1);
    double *q = ESK_ARENA_ARRAY(c->scratch, double, (size_t)a->dim + 1);
    double *x = ESK_ARENA_ARRAY(c->scratch, double, (size_t)n + 1);
    double *y = ESK_ARENA_ARRAY(c->scratch, double, (size_t)a->v_dim + 1);
    double scale = usual_scale(a);
    if (!spare || !keys || !values || !q || !x || !y)
        return esk_fail_memory(c->error, c->node->name);
    for (int64_t bh = 0; bh < a->batch * a->heads; bh++) {
        int64_t b = bh / a->heads, h = bh % a->heads, per = a->heads / a->kv_heads;
        if (h % per == 0) {
            ESK_TRY(gather_rows(c, a, true, b, h / per, keys, spare));
            ESK_TRY(gather_rows(c, a, false, b, h / per, values, spare));
        }
        int64_t valid = a->lengths == ESK_NONE ? n : length_of(c, a, b),
                offset = a->offset;
        if (a->lengths != ESK_NONE && a->late) /* may be negative */
            offset = valid - a->length;
        for (int64_t i = 0; i < a->length; i++) {
            ESK_TRY(read_row(c, a, &a->q, true, a->dim, b, h, i, q, spare));
            for (int64_t j = 0; j < n; j++) {
                double sum = 0;
                for (int64_t d = 0; d < a->dim; d++)
                    sum += q[d] * keys[j * a->dim + d];
                x[j] = sum * scale;
            }
            score_row(c, a, b, h, i, offset, valid, x, spare);
            memset(y, 0, (size_t)a->v_dim * sizeof *y);
            for (int64_t j = 0; j < n; j++)
                for (int64_t d = 0; d < a->v_dim && x[j] != 0; d++)
                    y[d] += x[j] * values[j * a->v_dim + d];
            int64_t at =
                a->y_major ? bh * a->length + i : (b * a->length + i) * a->heads + h;
            if (c->out[0])
                esk_write_doubles(c->out[0], at * a->v_dim, 1, a->v_dim, y);
        }
    }
    return ESK_OK;
}

esk_status esk_rotary_cpu(struct esk_cpu *c, const struct esk_attention *a) {
    double *row = ESK_ARENA_ARRAY(c->scratch, double, (size_t)a->dim + 1);
    double *spare = ESK_ARENA_ARRAY(c->scratch, double, (size_t)(2 * a->rotary.half) + 1);
    if (!row || !spare)
        return esk_fail_memory(c->error, c->node->name);
    for (int64_t i = 0; i < a->batch * a->heads * a->length; i++) {
        int64_t s = i % a->length, h = i / a->length % a->heads;
        int64_t b = i / a->length / a->heads;
        ESK_TRY(read_row(c, a, &a->q, true, a->dim, b, h, s, row, spare));
        for (int64_t d = 0; d < 2 * a->rotary.half; d++)
            row[d] *= (double)a->rotary.scale;
        int64_t at = a->y_major ? i : (b * a->length + s) * a->heads + h;
        esk_write_doubles(c->out[0], at * a->dim, 1, a->dim, row);
    }
    return ESK_OK;
}
