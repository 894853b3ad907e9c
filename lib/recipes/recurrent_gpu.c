/* LSTM, GRU, RNN as kernels. In: a node and its attributes; out: one recipe: the weights
 * packed (a form when they are known), the product of all inputs and W, then groups that
 * walk through time, one for each direction and item of the batch, with the hidden state
 * in shared memory. Between kernels the state lies in scratch. */
#include "recipes/recurrent.h"

#include "base/half.h"
#include "recipes/map.h"

#include <math.h>
#include <string.h>

enum { X, W, R, B, LENGTHS, H0, C0, P };
enum { MOST_HIDDEN = 1024 };

static int64_t ceil4(int64_t n) {
    return (n + 3) / 4 * 4;
}

static bool has(const struct esk_ctx *c, uint32_t i) {
    return esk_in(c, i);
}

/* ---- weights: [direction][k + 1][gate][hidden, padded to 4]; row `k` is a bias: of each
 * gate the sum of two elements of another tensor, each from an offset, or none (-1) */

enum {
    PACK_DIRECTIONS,
    PACK_GATES,
    PACK_HIDDEN,
    PACK_K,      /* columns of the weights */
    PACK_ROWS,   /* these, padded to 4 */
    PACK_STRIDE, /* elements of a direction in the other tensor */
    PACK_FIRST,  /* offsets, a gate */
    PACK_SECOND = PACK_FIRST + 4,
    PACK_PARAMS = PACK_SECOND + 4,
};

static float value_at(const struct esk_tensor *t, int64_t i) {
    return t->dtype == ESK_FLOAT16 ? esk_half_to_float(((const uint16_t *)t->data)[i])
                                   : ((const float *)t->data)[i];
}

static void pack(void *dst, size_t bytes, const struct esk_tensor *const *src,
                 const int64_t *p) {
    int64_t hidden = p[PACK_HIDDEN], wide = ceil4(hidden);
    float *to = dst;
    memset(dst, 0, bytes);
    for (int64_t d = 0; d < p[PACK_DIRECTIONS]; d++)
        for (int64_t k = 0; k <= p[PACK_ROWS]; k++)
            for (int64_t g = 0; g < p[PACK_GATES]; g++, to += wide)
                for (int64_t j = 0; j < hidden; j++) {
                    int64_t row = (d * p[PACK_GATES] + g) * hidden + j;
                    int64_t other = d * p[PACK_STRIDE] + j;
                    if (k < p[PACK_K])
                        to[j] = value_at(src[0], row * p[PACK_K] + k);
                    if (k < p[PACK_ROWS] || !src[1])
                        continue;
                    if (p[PACK_FIRST + g] >= 0)
                        to[j] += value_at(src[1], other + p[PACK_FIRST + g]);
                    if (p[PACK_SECOND + g] >= 0)
                        to[j] += value_at(src[1], other + p[PACK_SECOND + g]);
                }
}

static struct esk_ref_to add_weights(struct esk_ctx *c, struct esk_recipe *r, uint32_t w,
                                     uint32_t other, const int64_t *params) {
    int64_t count = params[PACK_DIRECTIONS] * (params[PACK_ROWS] + 1) *
                    params[PACK_GATES] * ceil4(params[PACK_HIDDEN]);
    if (esk_is_known(c, w) && (other == ESK_NONE || esk_is_known(c, other))) {
        const esk_id src[2] = {esk_in_id(c, w),
                               other == ESK_NONE ? ESK_NONE : esk_in_id(c, other)};
        return esk_recipe_form(r, "recurrent", pack, 2, src, PACK_PARAMS, params,
                               (size_t)count * 4, ESK_STORAGE_F32, ESK_FLOAT);
    }
    struct esk_ref_to to = esk_recipe_scratch(r, (size_t)count * 4, ESK_STORAGE_F32);
    struct esk_kernel *k = esk_recipe_kernel(r, "recurrent_pack");
    esk_kernel_in(c, r, k, "W", w, ESK_ELEMENT);
    if (other != ESK_NONE) {
        esk_kernel_define(k, "OTHER", 1);
        esk_kernel_in(c, r, k, "B", other, ESK_ELEMENT);
    }
    esk_kernel_ref(k, "Y", r, to, ESK_WRITE, ESK_VEC4);
    esk_kernel_int(k, "units", count / 4);
    esk_kernel_int(k, "gates", params[PACK_GATES]);
    esk_kernel_int(k, "hidden", params[PACK_HIDDEN]);
    esk_kernel_int(k, "k", params[PACK_K]);
    esk_kernel_int(k, "rows", params[PACK_ROWS]);
    esk_kernel_int(k, "other", params[PACK_STRIDE]);
    esk_kernel_ints(k, "first", 4, params + PACK_FIRST);
    esk_kernel_ints(k, "second", 4, params + PACK_SECOND);
    esk_kernel_flat(k, c->limits, (uint64_t)count / 4);
    k->bytes = 8.0 * (double)count;
    return to;
}

/* ---- parts */

static void define_activations(struct esk_kernel *k, const struct esk_activation *acts,
                               int count) {
    static const char *const names[3] = {"ACT_F", "ACT_G", "ACT_H"};
    static const char *const text[] = {
        [ESK_ACT_RELU] = "max(v, 0.0)",
        [ESK_ACT_TANH] = "tanh_(v)",
        [ESK_ACT_SIGMOID] = "sigmoid(v)",
        [ESK_ACT_AFFINE] = "(v * A + B)",
        [ESK_ACT_LEAKY_RELU] = "(max(v, 0.0) + min(v, 0.0) * A)",
        [ESK_ACT_THRESHOLDED_RELU] = "(v * vec4(greaterThan(v, vec4(A))))",
        [ESK_ACT_SCALED_TANH] = "(A * tanh_(B * v))",
        [ESK_ACT_HARD_SIGMOID] = "clamp(v * A + B, 0.0, 1.0)",
        [ESK_ACT_ELU] = "(max(v, 0.0) + A * (exp(min(v, 0.0)) - 1.0))",
        [ESK_ACT_SOFTSIGN] = "(v / (1.0 + abs(v)))",
        [ESK_ACT_SOFTPLUS] = "softplus(v)",
    };
    float numbers[6] = {0};
    for (int i = 0; i < count; i++) {
        struct esk_text t = {0};
        esk_text_add(&t, names[i]);
        esk_text_add(&t, "(v, A, B)");
        esk_kernel_define_text(k, esk_text_str(&t), text[acts[i].kind]);
        esk_text_finish(&t);
        numbers[2 * i] = acts[i].alpha;
        numbers[2 * i + 1] = acts[i].beta;
    }
    esk_kernel_floats(k, "act", 6, numbers);
}

static bool same_activations(const struct esk_recurrent *a) {
    for (int i = 0; i < 3; i++)
        if (a->acts[0][i].kind != a->acts[1][i].kind ||
            a->acts[0][i].alpha != a->acts[1][i].alpha ||
            a->acts[0][i].beta != a->acts[1][i].beta)
            return false;
    return true;
}

/* What the kernels of one recipe share. */
struct plan {
    const struct esk_recurrent *a;
    int64_t hidden4, gates4, rows; /* vec4s; rows of X */
    struct esk_ref_to w, r, products, state;
    bool fed;      /* the state does not start from zeros */
    int64_t cells; /* vec4s of a state: [direction][batch][hidden4]; h, c, lengths */
};

static void add_products(struct esk_ctx *c, struct esk_recipe *r, const struct plan *p) {
    const struct esk_recurrent *a = p->a;
    bool vec4 = a->input % 4 == 0;
    int64_t many = p->rows == 1 ? 1 : 4;
    struct esk_kernel *k = esk_recipe_kernel(r, "recurrent_in");
    esk_kernel_in(c, r, k, "X", X, vec4 ? ESK_VEC4 : ESK_ELEMENT);
    esk_kernel_ref(k, "W", r, p->w, ESK_READ, ESK_VEC4);
    esk_kernel_ref(k, "Y", r, p->products, ESK_WRITE, ESK_VEC4);
    if (vec4)
        esk_kernel_define(k, "WIDE", 1);
    esk_kernel_define(k, "ROWS", many);
    esk_kernel_int(k, "input", a->input);
    esk_kernel_int(k, "rows", p->rows);
    esk_kernel_int(k, "columns", p->gates4);
    uint32_t local = c->limits->software ? 8 : 32;
    esk_kernel_local(k, local, 1, 1);
    esk_kernel_groups(k, (uint64_t)(p->gates4 + local - 1) / local,
                      (uint64_t)((p->rows + many - 1) / many), (uint64_t)a->directions);
    k->loop_iterations = (uint64_t)a->input / 4 + 4;
    k->flops = 8.0 * (double)(p->rows * p->gates4 * a->input) * a->directions;
    k->bytes = k->flops / 4;
}

static void add_start(struct esk_ctx *c, struct esk_recipe *r, const struct plan *p) {
    const struct esk_recurrent *a = p->a;
    struct esk_kernel *k = esk_recipe_kernel(r, "recurrent_start");
    bool cell = a->cell == ESK_CELL_LSTM && has(c, C0);
    if (has(c, H0)) {
        esk_kernel_define(k, "HAS_H", 1);
        esk_kernel_in(c, r, k, "H", H0, ESK_ELEMENT);
    }
    if (cell) {
        esk_kernel_define(k, "HAS_C", 1);
        esk_kernel_in(c, r, k, "C", C0, ESK_ELEMENT);
    }
    if (has(c, LENGTHS)) {
        esk_kernel_define(k, "HAS_LENGTHS", 1);
        esk_kernel_in(c, r, k, "L", LENGTHS, ESK_ELEMENT);
    }
    esk_kernel_ref(k, "S", r, p->state, ESK_WRITE, ESK_VEC4);
    esk_kernel_int(k, "cells", p->cells);
    esk_kernel_int(k, "batch", a->batch);
    esk_kernel_int(k, "hidden", a->hidden);
    esk_kernel_int(k, "h_batch", a->h_batch);
    esk_kernel_int(k, "h_direction", a->h_direction);
    int64_t units = p->cells > a->batch ? p->cells : a->batch;
    esk_kernel_flat(k, c->limits, (uint64_t)units);
    k->bytes = 32.0 * (double)units;
}

/* Steps [from, to) of directions [d, d + n). */
static void add_steps(struct esk_ctx *c, struct esk_recipe *r, const struct plan *p,
                      uint32_t local, int64_t from, int64_t to, int d, int n) {
    static const char *const cells[] = {"RNN", "GRU", "LSTM"};
    const struct esk_recurrent *a = p->a;
    struct esk_kernel *k = esk_recipe_kernel(r, "recurrent_steps");
    esk_kernel_ref(k, "G", r, p->products, ESK_READ, ESK_VEC4);
    esk_kernel_ref(k, "R", r, p->r, ESK_READ, ESK_VEC4);
    esk_kernel_ref(k, "S", r, p->state, ESK_READ_WRITE, ESK_VEC4);
    if (esk_out(c, 0)) {
        esk_kernel_define(k, "HAS_Y", 1);
        if (a->hidden % 4 == 0)
            esk_kernel_define(k, "WIDE", 1);
        esk_kernel_out(c, r, k, "Y", 0, a->hidden % 4 == 0 ? ESK_VEC4 : ESK_ELEMENT);
    }
    esk_kernel_define(k, cells[a->cell], 1);
    esk_kernel_define(k, "GATES", a->gates);
    esk_kernel_define(k, "MOST", (p->hidden4 <= 64 ? 64 : MOST_HIDDEN / 4));
    if (a->linear)
        esk_kernel_define(k, "LINEAR", 1);
    if (a->coupled)
        esk_kernel_define(k, "COUPLED", 1);
    if (a->cell == ESK_CELL_LSTM && has(c, P))
        esk_kernel_define(k, "PEEPHOLES", 1);
    if (isfinite(a->clip)) {
        esk_kernel_define(k, "CLIP", 1);
        esk_kernel_float(k, "clip", a->clip);
    }
    if (has(c, LENGTHS))
        esk_kernel_define(k, "LENGTHS", 1);
    define_activations(k, a->acts[d], 3);
    esk_kernel_int(k, "from", from);
    esk_kernel_int(k, "to", to);
    esk_kernel_int(k, "steps", a->steps);
    esk_kernel_int(k, "zero", from == 0 && !p->fed);
    esk_kernel_int(k, "direction", d);
    esk_kernel_int(k, "reverse", a->reverse);
    esk_kernel_int(k, "batch", a->batch);
    esk_kernel_int(k, "hidden", a->hidden);
    esk_kernel_int(k, "cells", p->cells);
    esk_kernel_int(k, "rows", p->rows);
    esk_kernel_int(k, "x_step", a->x_step);
    esk_kernel_int(k, "x_batch", a->x_batch);
    int64_t unit = a->hidden % 4 == 0 ? 4 : 1;
    esk_kernel_int(k, "y_step", a->y_step / unit);
    esk_kernel_int(k, "y_batch", a->y_batch / unit);
    esk_kernel_int(k, "y_direction", a->y_direction / unit);
    esk_kernel_local(k, local, 1, 1);
    esk_kernel_groups(k, (uint64_t)a->batch, (uint64_t)n, 1);
    double work = (double)((to - from) * a->batch * n * a->hidden * a->hidden * a->gates);
    k->flops = 2 * work;
    k->bytes = 4 * work;
}

static void add_last(struct esk_ctx *c, struct esk_recipe *r, const struct plan *p,
                     uint32_t out, int64_t offset) {
    const struct esk_recurrent *a = p->a;
    if (!esk_out(c, out))
        return;
    struct esk_kernel *k = esk_recipe_kernel(r, "recurrent_last");
    esk_kernel_ref(k, "S", r, p->state, ESK_READ, ESK_ELEMENT);
    esk_kernel_int(k, "hidden", a->hidden);
    esk_kernel_int(k, "wide", p->hidden4 * 4);
    esk_kernel_int(k, "directions", a->batch_first ? a->directions : 1);
    esk_kernel_int(k, "stride", (a->batch_first ? a->batch : 1) * p->hidden4 * 4);
    esk_kernel_int(k, "offset", offset);
    esk_kernel_map(c, r, k, out, false);
    k->bytes = 8.0 * (double)esk_var_count(esk_out(c, out));
}

esk_status esk_recurrent_gpu(struct esk_ctx *c, const struct esk_recurrent *a) {
    if (!a->steps || !a->batch || !a->input || !a->hidden)
        return esk_unsupported(c, "nothing to walk through");
    struct plan p = {
        .a = a, .hidden4 = ceil4(a->hidden) / 4, .rows = a->steps * a->batch};
    p.gates4 = p.hidden4 * a->gates;
    p.cells = a->directions * a->batch * p.hidden4;
    p.fed = has(c, H0) || has(c, LENGTHS) || (a->cell == ESK_CELL_LSTM && has(c, C0));
    int64_t products = a->directions * p.rows * p.gates4, most = 1 << 29;
    int64_t k_in = ceil4(a->input), k_hidden = ceil4(a->hidden);
    if (a->hidden > MOST_HIDDEN)
        return esk_unsupported(c, "hidden_size %lld, the limit is %d",
                               (long long)a->hidden, MOST_HIDDEN);
    if (products >= most || a->directions * k_in * p.gates4 >= most ||
        p.rows * a->input > INT32_MAX || a->steps > most)
        return esk_unsupported(c, "tensors too large: %lld steps, %lld inputs",
                               (long long)a->steps, (long long)a->input);
    if (c->limits->max_iterations && (uint64_t)k_in > c->limits->max_iterations)
        return esk_unsupported(c, "%lld inputs", (long long)a->input);
    uint32_t local = c->limits->max_invocations < 128 ? c->limits->max_invocations : 128;
    if (p.hidden4 <= 32)
        local = p.hidden4 <= 8 ? 8 : 32;
    /* the iterations of a step, two products in a row and the loads of states */
    uint64_t each = (uint64_t)((p.hidden4 + local - 1) / local * (p.hidden4 * 2 + 8)) + 2;
    int64_t chunk = a->steps;
    if (c->limits->max_iterations)
        chunk = (int64_t)(c->limits->max_iterations / each) - 1;
    else if (chunk > 4096)
        chunk = 4096;
    if (chunk < 1)
        return esk_unsupported(c, "hidden_size %lld", (long long)a->hidden);

    struct esk_recipe *r = esk_add_recipe(c, "recurrent, group a sequence");
    int64_t h = a->hidden, gh = a->gates * h;
    int64_t in[PACK_PARAMS] = {
        a->directions, a->gates, h,  a->input, k_in,       2 * gh,    0, h,
        2 * h,         3 * h,    gh, gh + h,   gh + 2 * h, gh + 3 * h};
    int64_t back[PACK_PARAMS] = {
        a->directions, a->gates, h, h, k_hidden, 2 * gh, -1, -1, -1, -1, -1, -1, -1, -1};
    uint32_t other = ESK_NONE;
    if (a->cell == ESK_CELL_GRU && a->linear && has(c, B)) {
        in[PACK_SECOND + 2] = -1; /* within r * (…) */
        back[PACK_FIRST + 2] = gh + 2 * h;
        other = B;
    } else if (a->cell == ESK_CELL_LSTM && has(c, P)) {
        back[PACK_STRIDE] = 3 * h;
        for (int g = 0; g < 3; g++)
            back[PACK_FIRST + g] = g * h;
        other = P;
    }
    p.w = add_weights(c, r, W, has(c, B) ? B : ESK_NONE, in);
    p.r = add_weights(c, r, R, other, back);
    p.products = esk_recipe_scratch(r, (size_t)products * 16, ESK_STORAGE_F32);
    p.state =
        esk_recipe_scratch(r, (size_t)(2 * p.cells + a->batch) * 16, ESK_STORAGE_F32);
    add_products(c, r, &p);
    if (p.fed)
        add_start(c, r, &p);
    int apart = a->directions == 2 && !same_activations(a) ? 1 : a->directions;
    for (int64_t from = 0; from < a->steps; from += chunk)
        for (int d = 0; d < a->directions; d += apart) {
            int64_t to = from + chunk < a->steps ? from + chunk : a->steps;
            add_steps(c, r, &p, local, from, to, d, apart);
            r->kernels[r->n_kernels - 1].loop_iterations = each * (uint64_t)(to - from);
        }
    add_last(c, r, &p, 1, 0);
    if (a->cell == ESK_CELL_LSTM)
        add_last(c, r, &p, 2, p.cells * 4);
    return ESK_OK;
}
