/* Convolutions of the CPU provider. In: dense host tensors; out: the same. One thread;
 * the product may be the BLAS's. Must not know devices. */
#include "recipes/conv_cpu.h"

#include "base/mem.h"
#include "recipes/blas.h"
#include "recipes/floats.h"

#include <string.h>

void esk_conv_gemm(bool transposed, int64_t m, int64_t n, int64_t k, const float *a,
                   int64_t lda, const float *b, int64_t ldb, float *c, int64_t ldc) {
    if (m == 0 || n == 0 || k == 0)
        return;
    if (esk_blas_sgemm(transposed, false, m, n, k, a, lda, b, ldb, 1, c, ldc))
        return;
    /* 4 x 8 sums in registers over panels of B that are packed on the stack */
    enum { ROWS = 4, COLUMNS = 8, DEPTH = 256 };
    float panel[DEPTH * COLUMNS];
    for (int64_t k0 = 0; k0 < k; k0 += DEPTH) {
        int64_t depth = k - k0 < DEPTH ? k - k0 : DEPTH;
        for (int64_t n0 = 0; n0 < n; n0 += COLUMNS) {
            int64_t columns = n - n0 < COLUMNS ? n - n0 : COLUMNS;
            for (int64_t q = 0; q < depth; q++)
                for (int64_t j = 0; j < COLUMNS; j++)
                    panel[q * COLUMNS + j] =
                        j < columns ? b[(k0 + q) * ldb + n0 + j] : 0.0f;
            for (int64_t i = 0; i < m; i += ROWS) {
                int64_t rows = m - i < ROWS ? m - i : ROWS;
                float sum[ROWS][COLUMNS] = {{0}};
                const float *from[ROWS]; /* a row that is missing is the last one again */
                for (int64_t r = 0; r < ROWS; r++) {
                    int64_t row = i + (r < rows ? r : rows - 1);
                    from[r] = transposed ? a + k0 * lda + row : a + row * lda + k0;
                }
                int64_t step = transposed ? lda : 1;
                for (int64_t q = 0; q < depth; q++)
                    for (int r = 0; r < ROWS; r++)
                        for (int j = 0; j < COLUMNS; j++)
                            sum[r][j] += from[r][q * step] * panel[q * COLUMNS + j];
                for (int64_t r = 0; r < rows; r++)
                    for (int64_t j = 0; j < columns; j++)
                        c[(i + r) * ldc + n0 + j] += sum[r][j];
            }
        }
    }
}

/* Where output positions [*from, *to) of an axis have their input i * stride + shift
 * inside [0, in). */
static void inside(int64_t in, int64_t out, int64_t stride, int64_t shift, int64_t *from,
                   int64_t *to) {
    *from = shift < 0 ? (-shift + stride - 1) / stride : 0;
    int64_t room = in - shift; /* i * stride < room */
    *to = room <= 0 ? 0 : (room + stride - 1) / stride;
    if (*to > out)
        *to = out;
    if (*from > *to)
        *from = *to;
}

/* The input row that output row `row` (all axes but the last, flattened) has at tap `tap`
 * (likewise); -1 outside. */
static int64_t row_of(const struct esk_window *w, int64_t row, const int64_t *tap) {
    int64_t at = 0, scale = 1;
    for (int i = w->dims - 2; i >= 0; i--) {
        int64_t o = row % w->out[i];
        int64_t y = o * w->stride[i] + tap[i] * w->dilation[i] - w->begin[i];
        row /= w->out[i];
        if (y < 0 || y >= w->in[i])
            return -1;
        at += y * scale;
        scale *= w->in[i];
    }
    return at;
}

static bool next_tap(const struct esk_window *w, int64_t *tap) {
    for (int i = w->dims - 1; i >= 0; i--) {
        if (++tap[i] < w->kernel[i])
            return true;
        tap[i] = 0;
    }
    return false;
}

/* One channel: y += w * x, each tap a shifted row. The transposed one, x of `out` and y
 * of `in` extents, scatters instead. */
#define SHIFTED(T, name)                                                                \
    static void name(const struct esk_window *w, const T *x, const T *weights, T *y,    \
                     bool scatter) {                                                    \
        int last = w->dims - 1;                                                         \
        int64_t rows = esk_window_out(w) / (w->out[last] ? w->out[last] : 1);           \
        int64_t tap[ESK_WINDOW_DIMS] = {0}, stride = w->stride[last];                   \
        do {                                                                            \
            T factor = *weights++;                                                      \
            int64_t from, to, shift = tap[last] * w->dilation[last] - w->begin[last];   \
            inside(w->in[last], w->out[last], stride, shift, &from, &to);               \
            for (int64_t row = 0; row < rows; row++) {                                  \
                int64_t other = row_of(w, row, tap);                                    \
                if (other < 0)                                                          \
                    continue;                                                           \
                int64_t here = row * w->out[last], there = other * w->in[last] + shift; \
                if (scatter)                                                            \
                    for (int64_t i = from; i < to; i++)                                 \
                        y[there + i * stride] += factor * x[here + i];                  \
                else                                                                    \
                    for (int64_t i = from; i < to; i++)                                 \
                        y[here + i] += factor * x[there + i * stride];                  \
            }                                                                           \
        } while (next_tap(w, tap));                                                     \
    }
SHIFTED(float, shifted_float)
SHIFTED(double, shifted_double)

/* Rows [from, to) of the outputs: column k of the matrix is (channel, tap), [K][pixels].
 */
static void im2col(const struct esk_window *w, const float *x, int64_t channels,
                   int64_t from, int64_t to, float *out) {
    int last = w->dims - 1;
    int64_t width = w->out[last], stride = w->stride[last], plane = esk_window_in(w);
    for (int64_t c = 0; c < channels; c++, x += plane) {
        int64_t tap[ESK_WINDOW_DIMS] = {0};
        do {
            int64_t lo, hi, shift = tap[last] * w->dilation[last] - w->begin[last];
            inside(w->in[last], width, stride, shift, &lo, &hi);
            for (int64_t row = from; row < to; row++, out += width) {
                int64_t at = row_of(w, row, tap);
                if (at < 0) {
                    memset(out, 0, sizeof(float) * (size_t)width);
                    continue;
                }
                const float *line = x + at * w->in[last] + shift;
                for (int64_t i = 0; i < lo; i++)
                    out[i] = 0.0f;
                for (int64_t i = lo; i < hi; i++)
                    out[i] = line[i * stride];
                for (int64_t i = hi; i < width; i++)
                    out[i] = 0.0f;
            }
        } while (next_tap(w, tap));
    }
}

/* The matrix of im2col added back to where its items came from. */
static void col2im(const struct esk_window *w, const float *matrix, int64_t channels,
                   int64_t from, int64_t to, float *y) {
    int last = w->dims - 1;
    int64_t width = w->out[last], stride = w->stride[last], plane = esk_window_in(w);
    for (int64_t c = 0; c < channels; c++, y += plane) {
        int64_t tap[ESK_WINDOW_DIMS] = {0};
        do {
            int64_t lo, hi, shift = tap[last] * w->dilation[last] - w->begin[last];
            inside(w->in[last], width, stride, shift, &lo, &hi);
            for (int64_t row = from; row < to; row++, matrix += width) {
                int64_t at = row_of(w, row, tap);
                if (at < 0)
                    continue;
                float *line = y + at * w->in[last] + shift;
                for (int64_t i = lo; i < hi; i++)
                    line[i * stride] += matrix[i];
            }
        } while (next_tap(w, tap));
    }
}

/* What both directions need to know. */
struct job {
    int64_t batch, group, icg, ocg, taps, in, out; /* in, out: pixels */
    int64_t rows, width, step;                     /* of what slides; rows of a chunk */
    float *matrix; /* [channels of a group * taps][pixels] */
};

static bool plan(struct esk_cpu *c, const struct esk_window *w, int64_t group,
                 int64_t depth, struct job *job) {
    enum { CHUNK = 1 << 20 }; /* floats of a matrix: it should stay in the second cache */
    job->batch = c->in[0]->dim[0];
    job->group = group;
    job->taps = esk_window_taps(w);
    job->in = esk_window_in(w);
    job->out = esk_window_out(w);
    job->width = w->out[w->dims - 1];
    job->rows = job->width ? job->out / job->width : 0;
    int64_t row = depth * job->width;
    job->step = row > 0 && CHUNK / row > 1 ? CHUNK / row : 1;
    if (job->step > job->rows)
        job->step = job->rows;
    size_t floats;
    if (!esk_mul_size((size_t)(row > 0 ? row : 1), (size_t)(job->step ? job->step : 1),
                      &floats))
        return false;
    job->matrix = ESK_ARENA_ARRAY(c->scratch, float, floats);
    return job->matrix != NULL;
}

static esk_status conv_double(struct esk_cpu *c, const struct esk_window *w,
                              int64_t group, bool transposed) {
    int64_t batch = c->in[0]->dim[0], ic = c->in[0]->dim[1], oc = c->out[0]->dim[1];
    int64_t taps = esk_window_taps(w), icg = ic / group, ocg = oc / group;
    int64_t x_plane = transposed ? esk_window_out(w) : esk_window_in(w);
    int64_t y_plane = transposed ? esk_window_in(w) : esk_window_out(w);
    const double *x = c->in[0]->data, *weights = c->in[1]->data;
    const double *bias = c->n_in > 2 && c->in[2] ? c->in[2]->data : NULL;
    double *y = c->out[0]->data;
    for (int64_t n = 0; n < batch; n++, x += ic * x_plane)
        for (int64_t o = 0; o < oc; o++, y += y_plane) {
            for (int64_t i = 0; i < y_plane; i++)
                y[i] = bias ? bias[o] : 0.0;
            int64_t g = o / ocg;
            for (int64_t i = 0; i < icg; i++) {
                int64_t at = transposed ? (g * icg + i) * ocg + o - g * ocg : o * icg + i;
                shifted_double(w, x + (g * icg + i) * x_plane, weights + at * taps, y,
                               transposed);
            }
        }
    return ESK_OK;
}

esk_status esk_conv_cpu(struct esk_cpu *c, const struct esk_window *w, int64_t group) {
    if (c->in[0]->dtype == ESK_DOUBLE)
        return conv_double(c, w, group, false);
    int64_t ic = c->in[0]->dim[1], oc = c->out[0]->dim[1], icg = ic / group,
            ocg = oc / group;
    const float *x = esk_floats_in(c->scratch, c->in[0]);
    const float *weights = esk_floats_in(c->scratch, c->in[1]);
    bool has_bias = c->n_in > 2 && c->in[2];
    const float *bias = has_bias ? esk_floats_in(c->scratch, c->in[2]) : NULL;
    float *y = esk_floats_out(c->scratch, c->out[0]);
    bool depthwise = icg == 1 && ocg <= 4, plain = true;
    for (int i = 0; i < w->dims; i++)
        plain = plain && w->kernel[i] == 1 && w->stride[i] == 1 && w->begin[i] == 0 &&
                w->end[i] == 0;
    struct job job = {0};
    if (!x || !weights || (has_bias && !bias) || !y ||
        (!plain && !depthwise && !plan(c, w, group, icg * esk_window_taps(w), &job)))
        return esk_fail_memory(c->error, c->node->name);
    int64_t taps = esk_window_taps(w), in = esk_window_in(w), out = esk_window_out(w);
    int64_t depth = icg * taps;
    float *result = y;
    for (int64_t n = 0; n < c->in[0]->dim[0]; n++)
        for (int64_t g = 0; g < group; g++, x += icg * in, result += ocg * out) {
            for (int64_t o = 0; o < ocg; o++)
                for (int64_t i = 0; i < out; i++)
                    result[o * out + i] = bias ? bias[g * ocg + o] : 0.0f;
            const float *own = weights + g * ocg * depth;
            if (depthwise)
                for (int64_t o = 0; o < ocg; o++)
                    shifted_float(w, x, own + o * taps, result + o * out, false);
            else if (plain)
                esk_conv_gemm(false, ocg, out, icg, own, icg, x, in, result, out);
            else
                for (int64_t row = 0; row < job.rows; row += job.step) {
                    int64_t to = row + job.step < job.rows ? row + job.step : job.rows;
                    int64_t pixels = (to - row) * job.width;
                    im2col(w, x, icg, row, to, job.matrix);
                    esk_conv_gemm(false, ocg, pixels, depth, own, depth, job.matrix,
                                  pixels, result + row * job.width, out);
                }
        }
    esk_floats_done(c->out[0], y);
    return ESK_OK;
}

esk_status esk_conv_cpu_transposed(struct esk_cpu *c, const struct esk_window *window,
                                   int64_t group) {
    /* the window slides over the output: seen from it, input and output change places */
    struct esk_window swapped = *window, *w = &swapped;
    memcpy(swapped.in, window->out, sizeof swapped.in);
    memcpy(swapped.out, window->in, sizeof swapped.out);
    if (c->in[0]->dtype == ESK_DOUBLE)
        return conv_double(c, w, group, true);
    int64_t ic = c->in[0]->dim[1], oc = c->out[0]->dim[1], icg = ic / group,
            ocg = oc / group;
    const float *x = esk_floats_in(c->scratch, c->in[0]);
    const float *weights = esk_floats_in(c->scratch, c->in[1]);
    bool has_bias = c->n_in > 2 && c->in[2];
    const float *bias = has_bias ? esk_floats_in(c->scratch, c->in[2]) : NULL;
    float *y = esk_floats_out(c->scratch, c->out[0]);
    struct job job = {0};
    if (!x || !weights || (has_bias && !bias) || !y ||
        !plan(c, w, group, ocg * esk_window_taps(w), &job))
        return esk_fail_memory(c->error, c->node->name);
    int64_t depth = ocg * job.taps;
    float *result = y;
    for (int64_t n = 0; n < job.batch; n++)
        for (int64_t g = 0; g < group; g++, x += icg * job.out, result += ocg * job.in) {
            for (int64_t o = 0; o < ocg; o++)
                for (int64_t i = 0; i < job.in; i++)
                    result[o * job.in + i] = bias ? bias[g * ocg + o] : 0.0f;
            const float *own = weights + g * icg * depth;
            for (int64_t row = 0; row < job.rows; row += job.step) {
                int64_t to = row + job.step < job.rows ? row + job.step : job.rows;
                int64_t pixels = (to - row) * job.width;
                memset(job.matrix, 0, sizeof(float) * (size_t)(depth * pixels));
                esk_conv_gemm(true, depth, pixels, icg, own, depth, x + row * job.width,
                              job.out, job.matrix, pixels);
                col2im(w, job.matrix, ocg, row, to, result);
            }
        }
    esk_floats_done(c->out[0], y);
    return ESK_OK;
}
