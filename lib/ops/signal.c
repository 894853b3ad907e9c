/* DFT, STFT, HannWindow, HammingWindow, BlackmanWindow, MelWeightMatrix. Windows and
 * matrices depend on sizes alone: they are made on the host. Transforms are direct sums.
 */
#include "recipes/map.h"
#include "recipes/rows.h"

#include <math.h>

static const double PI = 3.14159265358979323846;

/* ---- windows */

enum window { HANN, HAMMING, BLACKMAN };

static uint32_t all_on_host(const struct esk_graph *graph, const struct esk_node *node) {
    (void)graph, (void)node;
    return ~0u;
}

static esk_status known_int(const struct esk_ctx *c, uint32_t i, int64_t *value) {
    uint32_t count;
    ESK_TRY(esk_in_ints(c, i, value, 1, &count));
    if (count != 1)
        return esk_node_fail(c, ESK_INVALID_MODEL, "input %u has no value", i);
    return ESK_OK;
}

static esk_status window_infer(struct esk_ctx *c) {
    int64_t size;
    ESK_TRY(known_int(c, 0, &size));
    if (size < 0)
        return esk_node_fail(c, ESK_INVALID_MODEL, "size %lld", (long long)size);
    esk_dtype dtype = (esk_dtype)esk_attr_int(c->node, "output_datatype", ESK_FLOAT);
    if (!esk_rows_has_type(dtype))
        return esk_node_fail(c, ESK_UNSUPPORTED, "output_datatype %d", (int)dtype);
    return esk_set_out(c, 0, dtype, 1, &size);
}

static esk_status window_cpu(struct esk_cpu *c) {
    static const double terms[3][3] = {
        {0.5, 0.5, 0}, {25.0 / 46, 21.0 / 46, 0}, {0.42, 0.5, 0.08}};
    const double *a = terms[*(const enum window *)c->node->op->data];
    int64_t size = c->out[0]->dim[0];
    int64_t turn = esk_attr_int(c->node, "periodic", 1) ? size : size - 1;
    for (int64_t i = 0; i < size; i++) {
        double at = turn ? 2 * PI * (double)i / (double)turn : 0;
        double v = a[0] - a[1] * cos(at) + a[2] * cos(2 * at);
        esk_rows_store_doubles(c->out[0], i, 1, &v);
    }
    return ESK_OK;
}

/* ---- MelWeightMatrix */

static esk_status mel_infer(struct esk_ctx *c) {
    int64_t bins, length;
    ESK_TRY(known_int(c, 0, &bins));
    ESK_TRY(known_int(c, 1, &length));
    if (bins < 0 || length < 0)
        return esk_node_fail(c, ESK_INVALID_MODEL, "%lld bins, dft_length %lld",
                             (long long)bins, (long long)length);
    esk_dtype dtype = (esk_dtype)esk_attr_int(c->node, "output_datatype", ESK_FLOAT);
    if (!esk_rows_has_type(dtype))
        return esk_node_fail(c, ESK_UNSUPPORTED, "output_datatype %d", (int)dtype);
    return esk_set_out(c, 0, dtype, 2, (const int64_t[]){length / 2 + 1, bins});
}

static esk_status mel_cpu(struct esk_cpu *c) {
    struct esk_tensor *y = c->out[0];
    int64_t rows = y->dim[0], bins = y->dim[1], length = esk_tensor_int(c->in[1], 0);
    double rate = (double)esk_tensor_int(c->in[2], 0);
    double low = 2595 * log10(1 + esk_tensor_double(c->in[3], 0) / 700);
    double high = 2595 * log10(1 + esk_tensor_double(c->in[4], 0) / 700);
    int64_t *edge = ESK_ARENA_ARRAY(c->scratch, int64_t, (size_t)bins + 2);
    double *v = ESK_ARENA_ARRAY(c->scratch, double, (size_t)(rows * bins));
    if (!edge || !v)
        return esk_fail_memory(c->error, c->node->name);
    for (int64_t i = 0; i < bins + 2; i++) {
        double mel = low + (double)i * (high - low) / (double)(bins + 2);
        double at = floor((double)(length + 1) * 700 * (pow(10, mel / 2595) - 1) / rate);
        edge[i] = at >= 0 && at < (double)rows ? (int64_t)at : at < 0 ? 0 : rows;
    }
    for (int64_t i = 0; i < bins; i++) {
        int64_t from = edge[i], mid = edge[i + 1], to = edge[i + 2];
        if (mid == from && mid < rows)
            v[mid * bins + i] = 1;
        for (int64_t j = from; mid > from && j <= mid && j < rows; j++)
            v[j * bins + i] = (double)(j - from) / (double)(mid - from);
        for (int64_t j = mid; j < to && j < rows; j++)
            v[j * bins + i] = (double)(to - j) / (double)(to - mid);
    }
    esk_rows_store_doubles(y, 0, rows * bins, v);
    return ESK_OK;
}

/* ---- DFT and STFT */

/* Output [a][mid][inner][parts]; of its first element, part and frequency besides, the
 * first tap lies at a * a_stride + mid * mid_stride + inner * inner_stride; further ones
 * `tap` apart. The frequency is `inner` (STFT) or `mid`. */
struct transform {
    bool stft, inverse, real_out;
    int64_t length, taps, parts_in; /* taps: those that there are */
    int64_t a, mid, inner, parts;
    int64_t a_stride, mid_stride, inner_stride, tap;
};

static esk_status dft_upgrade(struct esk_ctx *c) {
    if (c->node->since >= 20)
        return ESK_OK;
    if (!esk_node_attr(c->node, "axis") &&
        !esk_node_set_int(c->graph, c->node, "axis", 1))
        return esk_fail_memory(c->error, c->node->name);
    return esk_upgrade_ints_to_input(c, "axis", 2);
}

static uint32_t dft_on_host(const struct esk_graph *graph, const struct esk_node *node) {
    (void)graph, (void)node;
    return 6;
}

static esk_status describe_dft(const struct esk_node *node, esk_error *error, int rank,
                               const int64_t *x, int64_t axis, int64_t length,
                               struct transform *t, int64_t *dims) {
    bool onesided = esk_attr_int(node, "onesided", 0) != 0;
    int at;
    *t = (struct transform){.inverse = esk_attr_int(node, "inverse", 0) != 0};
    if (rank < 2 || !esk_shape_axis(axis, rank, &at) || at == rank - 1)
        return esk_fail(error, ESK_INVALID_MODEL,
                        "DFT '%s': axis %lld out of range for rank %d", node->name,
                        (long long)axis, rank);
    t->parts_in = x[rank - 1];
    t->real_out = t->inverse && onesided;
    if (length < 0) /* not given */
        length = t->real_out ? 2 * (x[at] - 1) : x[at];
    if ((t->parts_in != 1 && t->parts_in != 2) || length < 1)
        return esk_fail(error, ESK_INVALID_MODEL, "DFT '%s': %lld parts, length %lld",
                        node->name, (long long)t->parts_in, (long long)length);
    t->length = length;
    t->taps = x[at] < length ? x[at] : length;
    if (t->real_out && t->taps > length / 2 + 1)
        t->taps = length / 2 + 1;
    t->a = esk_shape_product(x, 0, at);
    t->mid = onesided && !t->inverse ? length / 2 + 1 : length;
    t->inner = esk_shape_product(x, at + 1, rank - 1);
    t->parts = t->real_out ? 1 : 2;
    t->inner_stride = t->parts_in;
    t->tap = t->inner * t->parts_in;
    t->a_stride = x[at] * t->tap;
    for (int k = 0; k < rank; k++)
        dims[k] = x[k];
    dims[at] = t->mid;
    dims[rank - 1] = t->parts;
    return ESK_OK;
}

static esk_status describe_stft(const struct esk_node *node, esk_error *error, int rank,
                                const int64_t *x, int64_t step, int64_t length,
                                int64_t window, struct transform *t, int64_t *dims) {
    *t = (struct transform){.stft = true};
    if (length < 0)
        length = window;
    if (rank != 3 && rank != 2)
        return esk_fail(error, ESK_INVALID_MODEL, "STFT '%s': the signal has rank %d",
                        node->name, rank);
    t->parts_in = rank == 3 ? x[2] : 1;
    if (step < 1 || length < 1 || (window >= 0 && window != length) || length > x[1] ||
        (t->parts_in != 1 && t->parts_in != 2))
        return esk_fail(
            error, ESK_INVALID_MODEL,
            "STFT '%s': frames of %lld by %lld, a window of %lld, a signal of "
            "%lld, %lld parts",
            node->name, (long long)length, (long long)step, (long long)window,
            (long long)x[1], (long long)t->parts_in);
    t->length = t->taps = length;
    t->a = x[0];
    t->mid = (x[1] - length) / step + 1;
    t->inner = esk_attr_int(node, "onesided", 1) ? length / 2 + 1 : length;
    t->parts = 2;
    t->a_stride = x[1] * t->parts_in;
    t->mid_stride = step * t->parts_in;
    t->tap = t->parts_in;
    dims[0] = t->a, dims[1] = t->mid, dims[2] = t->inner, dims[3] = 2;
    return ESK_OK;
}

static esk_status optional_int(const struct esk_ctx *c, uint32_t i, int64_t fallback,
                               int64_t *value) {
    *value = fallback;
    return esk_in(c, i) ? known_int(c, i, value) : ESK_OK;
}

static esk_status dft_of(const struct esk_ctx *c, struct transform *t, int64_t *dims) {
    const struct esk_var *x = esk_in(c, 0);
    int64_t length, axis;
    ESK_TRY(optional_int(c, 1, -1, &length));
    ESK_TRY(optional_int(c, 2, -2, &axis));
    return describe_dft(c->node, c->error, x->rank, x->dim, axis, length, t, dims);
}

static esk_status dft_infer(struct esk_ctx *c) {
    struct transform t;
    int64_t dims[ESK_MAX_RANK];
    ESK_TRY(dft_of(c, &t, dims));
    return esk_set_out(c, 0, esk_in(c, 0)->dtype, esk_in(c, 0)->rank, dims);
}

static uint32_t stft_on_host(const struct esk_graph *graph, const struct esk_node *node) {
    (void)graph, (void)node;
    return 2 | 8;
}

static esk_status stft_of(const struct esk_ctx *c, struct transform *t, int64_t *dims) {
    const struct esk_var *x = esk_in(c, 0), *w = esk_in(c, 2);
    int64_t step, length;
    ESK_TRY(known_int(c, 1, &step));
    ESK_TRY(optional_int(c, 3, -1, &length));
    return describe_stft(c->node, c->error, x->rank, x->dim, step, length,
                         w ? esk_var_count(w) : -1, t, dims);
}

static esk_status stft_infer(struct esk_ctx *c) {
    struct transform t;
    int64_t dims[ESK_MAX_RANK];
    ESK_TRY(stft_of(c, &t, dims));
    return esk_set_out(c, 0, esk_in(c, 0)->dtype, 4, dims);
}

/* One output value: the sum over taps of x * e^(∓2πi·k·n/length). */
static void sum_of(const struct transform *t, const double *x, const double *window,
                   const double *cosine, int64_t k, double *v) {
    int64_t phase = 0, n = t->length;
    v[0] = v[1] = 0;
    for (int64_t i = 0; i < t->taps; i++, x += t->tap) {
        double w = window ? window[i] : 1;
        double re = x[0] * w, im = t->parts_in == 2 ? x[1] * w : 0;
        double cs = cosine[phase],
               sn = t->inverse ? cosine[n + phase] : -cosine[n + phase];
        double twice = t->real_out && i && 2 * i != n ? 2 : 1;
        v[0] += twice * (re * cs - im * sn);
        v[1] += re * sn + im * cs;
        phase += k;
        phase -= phase >= n ? n : 0;
    }
    if (t->inverse)
        v[0] /= (double)n, v[1] /= (double)n;
}

static esk_status transform_cpu(struct esk_cpu *c, const struct transform *t,
                                const struct esk_tensor *w) {
    const struct esk_tensor *in = c->in[0];
    int64_t n = t->length, count = esk_shape_product(in->dim, 0, in->rank), to = 0;
    double *x = ESK_ARENA_ARRAY(c->scratch, double, (size_t)count), *window = NULL;
    double *cosine = ESK_ARENA_ARRAY(c->scratch, double, (size_t)n * 2);
    if (w)
        window = ESK_ARENA_ARRAY(c->scratch, double, (size_t)n);
    if (!x || !cosine || (w && !window))
        return esk_fail_memory(c->error, c->node->name);
    esk_rows_load_doubles(in, 0, 1, count, x);
    if (w)
        esk_rows_load_doubles(w, 0, 1, n, window);
    for (int64_t i = 0; i < n; i++) {
        cosine[i] = cos(2 * PI * (double)i / (double)n);
        cosine[n + i] = sin(2 * PI * (double)i / (double)n);
    }
    for (int64_t a = 0; a < t->a; a++)
        for (int64_t mid = 0; mid < t->mid; mid++)
            for (int64_t inner = 0; inner < t->inner; inner++, to += t->parts) {
                double v[2];
                int64_t at =
                    a * t->a_stride + mid * t->mid_stride + inner * t->inner_stride;
                sum_of(t, x + at, window, cosine, t->stft ? inner : mid, v);
                esk_rows_store_doubles(c->out[0], to, t->parts, v);
            }
    return ESK_OK;
}

static esk_status dft_cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0];
    struct transform t;
    int64_t dims[ESK_MAX_RANK], length = -1, axis = -2;
    if (c->n_in > 1 && c->in[1])
        length = esk_tensor_int(c->in[1], 0);
    if (c->n_in > 2 && c->in[2])
        axis = esk_tensor_int(c->in[2], 0);
    ESK_TRY(describe_dft(c->node, c->error, x->rank, x->dim, axis, length, &t, dims));
    return transform_cpu(c, &t, NULL);
}

static esk_status stft_cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0], *w = c->n_in > 2 ? c->in[2] : NULL;
    struct transform t;
    int64_t dims[ESK_MAX_RANK], length = -1;
    if (c->n_in > 3 && c->in[3])
        length = esk_tensor_int(c->in[3], 0);
    ESK_TRY(describe_stft(c->node, c->error, x->rank, x->dim, esk_tensor_int(c->in[1], 0),
                          length, w ? esk_shape_product(w->dim, 0, w->rank) : -1, &t,
                          dims));
    return transform_cpu(c, &t, w);
}

static esk_status transform_gpu(struct esk_ctx *c, const struct transform *t,
                                bool window) {
    const struct esk_var *who;
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "%s is not kept on the device",
                               esk_dtype_name(who->dtype));
    if (esk_var_count(esk_in(c, 0)) > INT32_MAX ||
        esk_var_count(esk_out(c, 0)) > INT32_MAX)
        return esk_unsupported(c, "more than 2147483647 elements");
    uint64_t most = c->limits->max_iterations;
    if ((most && (uint64_t)t->taps * 4 > most) || t->length > 1 << 24)
        return esk_unsupported(c, "length %lld", (long long)t->length);
    struct esk_recipe *r = esk_add_recipe(c, "transform, direct sums");
    struct esk_kernel *k = esk_recipe_kernel(r, "dft");
    esk_kernel_in(c, r, k, "X", 0, ESK_ELEMENT);
    if (window) {
        esk_kernel_define(k, "WINDOW", 1);
        esk_kernel_in(c, r, k, "W", 2, ESK_ELEMENT);
    }
    if (t->stft)
        esk_kernel_define(k, "STFT", 1);
    if (t->inverse)
        esk_kernel_define(k, "INVERSE", 1);
    if (t->real_out)
        esk_kernel_define(k, "REAL_OUT", 1);
    esk_kernel_define(k, "PARTS", t->parts_in);
    esk_kernel_int(k, "length", t->length);
    esk_kernel_int(k, "taps", t->taps);
    esk_kernel_int(k, "mid", t->mid);
    esk_kernel_int(k, "inner", t->inner);
    esk_kernel_int(k, "a_stride", t->a_stride);
    esk_kernel_int(k, "mid_stride", t->mid_stride);
    esk_kernel_int(k, "inner_stride", t->inner_stride);
    esk_kernel_int(k, "tap", t->tap);
    esk_kernel_int(k, "nought", 0);
    esk_kernel_map(c, r, k, 0, true);
    double count = (double)esk_var_count(esk_out(c, 0));
    k->loop_iterations = (uint64_t)t->taps * 4;
    k->flops = 20 * count * (double)t->taps;
    k->bytes = 8 * count;
    return ESK_OK;
}

static esk_status dft_gpu(struct esk_ctx *c) {
    struct transform t;
    int64_t dims[ESK_MAX_RANK];
    ESK_TRY(dft_of(c, &t, dims));
    return transform_gpu(c, &t, false);
}

static esk_status stft_gpu(struct esk_ctx *c) {
    struct transform t;
    int64_t dims[ESK_MAX_RANK];
    ESK_TRY(stft_of(c, &t, dims));
    return transform_gpu(c, &t, esk_in(c, 2));
}

#define WINDOW(title, kind)                 \
    const struct esk_op esk_op_##title = {  \
        .domain = "",                       \
        .name = #title,                     \
        .since = (const uint8_t[]){17, 0},  \
        .min_in = 1,                        \
        .min_out = 1,                       \
        .host_in = all_on_host,             \
        .infer = window_infer,              \
        .cpu = window_cpu,                  \
        .data = &(const enum window){kind}, \
    }

WINDOW(HannWindow, HANN);
WINDOW(HammingWindow, HAMMING);
WINDOW(BlackmanWindow, BLACKMAN);

const struct esk_op esk_op_MelWeightMatrix = {
    .domain = "",
    .name = "MelWeightMatrix",
    .since = (const uint8_t[]){17, 0},
    .min_in = 5,
    .min_out = 1,
    .host_in = all_on_host,
    .infer = mel_infer,
    .cpu = mel_cpu,
};

const struct esk_op esk_op_DFT = {
    .domain = "",
    .name = "DFT",
    .since = (const uint8_t[]){17, 20, 0},
    .min_in = 1,
    .real = 0x1,
    .max_in = 3,
    .min_out = 1,
    .host_in = dft_on_host,
    .upgrade = dft_upgrade,
    .infer = dft_infer,
    .cpu = dft_cpu,
    .gpu = dft_gpu,
};

const struct esk_op esk_op_STFT = {
    .domain = "",
    .name = "STFT",
    .since = (const uint8_t[]){17, 0},
    .min_in = 2,
    .real = 0x5,
    .max_in = 4,
    .min_out = 1,
    .host_in = stft_on_host,
    .infer = stft_infer,
    .cpu = stft_cpu,
    .gpu = stft_gpu,
};
