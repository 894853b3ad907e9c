/* Einsum. In: any number of tensors; out: sums of their products over the labels that the
 * output lacks. On the device: a matrix product where two inputs make one, else element
 * by element. */
#include "ops/einsum.h"
#include "recipes/gemm.h"
#include "recipes/map.h"
#include "recipes/rows.h"

#include <string.h>

enum { LABELS = ESK_EINSUM_LABELS, TERMS = ESK_EINSUM_TERMS };
enum { DOTS = 128 /* names of the axes of "...": from here on */ };

static esk_status bad(const struct esk_node *node, esk_error *error, const char *why) {
    return esk_fail(error, ESK_INVALID_MODEL, "Einsum '%s': equation '%s': %s",
                    node->name, esk_attr_string(node, "equation", ""), why);
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The labels of a term, "..." as `dots` names; their number, or -1. `rank` < 0: not
 * known; then "..." has `dots` axes. */
static int read_term(const char **at, int rank, int dots, uint8_t *names) {
    int n = 0, dots_at = -1;
    for (; **at && **at != ',' && **at != '-'; ++*at) {
        if (**at == ' ')
            continue;
        if (n == LABELS)
            return -1;
        if (is_letter(**at)) {
            names[n++] = (uint8_t) * *at;
        } else if (strncmp(*at, "...", 3) == 0 && dots_at < 0) {
            *at += 2;
            dots_at = n;
        } else {
            return -1;
        }
    }
    if (rank >= 0 && (dots_at < 0 ? rank != n : rank < n))
        return -1;
    int more = rank >= 0 ? rank - n : dots_at < 0 ? 0 : dots;
    if (n + more > LABELS || more > ESK_MAX_RANK)
        return -1;
    if (more) {
        memmove(names + dots_at + more, names + dots_at, (size_t)(n - dots_at));
        for (int k = 0; k < more; k++)
            names[dots_at + k] = (uint8_t)(DOTS + ESK_MAX_RANK - more + k);
    }
    return n + more;
}

static int find(const uint8_t *names, int n, uint8_t name) {
    for (int i = 0; i < n; i++)
        if (names[i] == name)
            return i;
    return -1;
}

esk_status esk_einsum_read(const struct esk_node *node, esk_error *error, uint32_t n_in,
                           const int *ranks, const int64_t *const *shapes,
                           struct esk_einsum *e) {
    const char *at = esk_attr_string(node, "equation", "");
    uint8_t terms[TERMS][LABELS], names[LABELS], out[LABELS];
    int sizes[TERMS], n_out = 0, uses[256] = {0}, dots = 0;
    memset(e, 0, sizeof *e);
    if (n_in > TERMS)
        return bad(node, error, "more than 16 inputs");
    for (uint32_t i = 0; i < n_in; i++) {
        sizes[i] = read_term(&at, ranks[i], 0, terms[i]);
        if (sizes[i] < 0 || (i + 1 < n_in && *at != ','))
            return bad(node, error, "does not fit the inputs");
        at += i + 1 < n_in;
        for (int k = 0; k < sizes[i]; k++) {
            uses[terms[i][k]]++;
            if (terms[i][k] >= DOTS && DOTS + ESK_MAX_RANK - terms[i][k] > dots)
                dots = DOTS + ESK_MAX_RANK - terms[i][k];
        }
    }
    if (*at == ',')
        return bad(node, error, "more terms than inputs");
    if (strncmp(at, "->", 2) == 0) {
        at += 2;
        n_out = read_term(&at, -1, dots, out);
        if (n_out < 0 || *at)
            return bad(node, error, "the output cannot be read");
    } else {
        for (int k = 0; k < dots; k++)
            out[n_out++] = (uint8_t)(DOTS + ESK_MAX_RANK - dots + k);
        for (int name = 0; name < DOTS; name++)
            if (uses[name] == 1 && n_out < LABELS)
                out[n_out++] = (uint8_t)name;
    }
    for (int k = 0; k < n_out; k++) {
        if (!uses[out[k]] || find(out, k, out[k]) >= 0)
            return bad(node, error, "an output label is unknown, or there twice");
        names[e->n++] = out[k];
    }
    if (n_out > ESK_MAX_RANK)
        return bad(node, error, "the output has more than 8 axes");
    e->n_out = n_out;
    for (int name = 0; name < 256; name++)
        if (uses[name] && find(names, e->n, (uint8_t)name) < 0) {
            if (e->n == LABELS)
                return bad(node, error, "more than 24 labels");
            names[e->n++] = (uint8_t)name;
        }
    for (int l = 0; l < e->n; l++)
        e->dim[l] = 1;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < n_in; i++) {
            int64_t strides[ESK_MAX_RANK];
            esk_shape_strides(ranks[i], shapes[i], strides);
            for (int k = 0; k < sizes[i]; k++) {
                int l = find(names, e->n, terms[i][k]);
                int64_t dim = shapes[i][k];
                if (pass == 0 && dim != 1 && e->dim[l] == 1)
                    e->dim[l] = dim;
                if (dim != 1 && dim != e->dim[l])
                    return bad(node, error, "sizes of a label differ");
                if (pass == 1 && dim != 1)
                    e->stride[i][l] += strides[k];
            }
        }
    return ESK_OK;
}

static esk_status equation_of(const struct esk_ctx *c, struct esk_einsum *e) {
    int ranks[TERMS];
    const int64_t *shapes[TERMS];
    for (uint32_t i = 0; i < c->node->n_in && i < TERMS; i++) {
        const struct esk_var *v = esk_in(c, i);
        if (!v)
            return esk_node_fail(c, ESK_INVALID_MODEL, "input %u is absent", i);
        ranks[i] = v->rank;
        shapes[i] = v->dim;
    }
    return esk_einsum_read(c->node, c->error, c->node->n_in, ranks, shapes, e);
}

static esk_status infer(struct esk_ctx *c) {
    struct esk_einsum e;
    ESK_TRY(equation_of(c, &e));
    return esk_set_out(c, 0, esk_in(c, 0)->dtype, e.n_out, e.dim);
}

/* ---- cpu ---- */

/* Moves to the next index of labels [from, to); false after the last. */
static bool advance(const struct esk_einsum *e, uint32_t n_in, int from, int to,
                    int64_t *index, int64_t *at) {
    for (int l = to - 1; l >= from; l--) {
        for (uint32_t i = 0; i < n_in; i++)
            at[i] += e->stride[i][l];
        if (++index[l] < e->dim[l])
            return true;
        for (uint32_t i = 0; i < n_in; i++)
            at[i] -= e->stride[i][l] * e->dim[l];
        index[l] = 0;
    }
    return false;
}

static esk_status cpu(struct esk_cpu *c) {
    struct esk_einsum e;
    int ranks[TERMS];
    const int64_t *shapes[TERMS];
    void *values[TERMS];
    int64_t index[LABELS] = {0}, at[TERMS] = {0}, to = 0;
    bool floats = esk_dtype_is_float(c->in[0]->dtype);
    for (uint32_t i = 0; i < c->n_in && i < TERMS; i++) {
        ranks[i] = c->in[i]->rank;
        shapes[i] = c->in[i]->dim;
    }
    ESK_TRY(esk_einsum_read(c->node, c->error, c->n_in, ranks, shapes, &e));
    for (uint32_t i = 0; i < c->n_in; i++) {
        int64_t count = esk_shape_product(shapes[i], 0, ranks[i]);
        values[i] = esk_arena_array(c->scratch, (size_t)count, 8);
        if (!values[i])
            return esk_fail_memory(c->error, c->node->name);
        if (floats)
            esk_rows_load_doubles(c->in[i], 0, 1, count, values[i]);
        else
            esk_rows_load_ints(c->in[i], 0, 1, count, values[i]);
    }
    bool empty = esk_shape_product(e.dim, e.n_out, e.n) == 0;
    if (!esk_shape_product(e.dim, 0, e.n_out))
        return ESK_OK;
    do {
        double sum = 0;
        uint64_t whole = 0;
        if (!empty)
            do {
                double v = 1;
                uint64_t n = 1;
                for (uint32_t i = 0; i < c->n_in; i++) {
                    if (floats)
                        v *= ((const double *)values[i])[at[i]];
                    else
                        n *= ((const uint64_t *)values[i])[at[i]];
                }
                sum += v;
                whole += n;
            } while (advance(&e, c->n_in, e.n_out, e.n, index, at));
        if (floats)
            esk_rows_store_doubles(c->out[0], to++, 1, &sum);
        else
            esk_rows_store_ints(c->out[0], to++, 1, (const int64_t *)&whole, false);
    } while (advance(&e, c->n_in, 0, e.n_out, index, at));
    return ESK_OK;
}

/* ---- gpu ---- */

/* Labels [from, to) as one axis of `dim` with strides in a and b; false if they are not.
 */
static bool join(const struct esk_einsum *e, int from, int to, uint32_t a, uint32_t b,
                 int64_t *dim, int64_t *a_stride, int64_t *b_stride) {
    *dim = 1, *a_stride = 0, *b_stride = 0;
    for (int l = to - 1; l >= from; l--) {
        if (e->dim[l] == 1)
            continue;
        if (*dim == 1) {
            *a_stride = e->stride[a][l];
            *b_stride = e->stride[b][l];
        } else if (e->stride[a][l] != *a_stride * *dim ||
                   e->stride[b][l] != *b_stride * *dim) {
            return false;
        }
        *dim *= e->dim[l];
    }
    return true;
}

/* A known B is packed matrix by matrix: they must lie one behind the other. */
static bool packable(const struct esk_ctx *c, const struct esk_gemm *g) {
    int64_t matrix = g->k * g->n;
    if (!esk_is_known(c, g->b))
        return true;
    for (int i = 0; i < g->n_batch; i++)
        if (g->b_batch[i] % matrix)
            return false;
    return (g->k - 1) * g->b_row + (g->n - 1) * g->b_col < matrix;
}

/* The output is batch axes, then those of A alone, then those of B alone. */
static bool product_of(const struct esk_einsum *e, uint32_t a, uint32_t b,
                       struct esk_gemm *g) {
    int m = 0, n;
    int64_t none;
    *g = (struct esk_gemm){.a = a, .b = b, .c = ESK_NONE, .alpha = 1, .beta = 1};
    for (int l = e->n_out; l < e->n; l++)
        if (e->dim[l] != 1 && (!e->stride[a][l] || !e->stride[b][l]))
            return false;
    while (m < e->n_out && (e->dim[m] == 1 || (e->stride[a][m] && e->stride[b][m])))
        m++;
    for (n = m; n < e->n_out && (e->dim[n] == 1 || e->stride[a][n]); n++)
        if (e->stride[b][n])
            return false;
    for (int l = n; l < e->n_out; l++)
        if (e->dim[l] != 1 && (e->stride[a][l] || !e->stride[b][l]))
            return false;
    for (int l = 0; l < m; l++, g->n_batch++) {
        g->batch[l] = e->dim[l];
        g->a_batch[l] = e->stride[a][l];
        g->b_batch[l] = e->stride[b][l];
    }
    return join(e, m, n, a, b, &g->m, &g->a_row, &none) &&
           join(e, n, e->n_out, a, b, &g->n, &none, &g->b_col) &&
           join(e, e->n_out, e->n, a, b, &g->k, &g->a_col, &g->b_row);
}

bool esk_einsum_is_product(const struct esk_einsum *e) {
    struct esk_gemm gemm;
    return product_of(e, 0, 1, &gemm) || product_of(e, 1, 0, &gemm);
}

static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *who, *y = esk_out(c, 0);
    static const char *const names[] = {"A", "B", "C"};
    struct esk_einsum e;
    struct esk_gemm gemm;
    uint32_t n_in = c->node->n_in;
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "%s is not kept on the device",
                               esk_dtype_name(who->dtype));
    ESK_TRY(equation_of(c, &e));
    int64_t terms = esk_shape_product(e.dim, e.n_out, e.n);
    bool wide = y->dtype == ESK_INT64 || y->dtype == ESK_UINT64;
    if (n_in == 2 && terms > 1 &&
        ((product_of(&e, 0, 1, &gemm) && packable(c, &gemm)) ||
         (product_of(&e, 1, 0, &gemm) && packable(c, &gemm)))) {
        esk_status status = esk_gemm_gpu(c, &gemm);
        if (status != ESK_UNSUPPORTED || wide)
            return status;
    }
    if (n_in > 3 || wide || e.n > 16)
        return esk_unsupported(c, "%u inputs of %s, %d labels", n_in,
                               esk_dtype_name(y->dtype), e.n);
    for (uint32_t i = 0; i < n_in; i++)
        if (esk_var_count(esk_in(c, i)) > INT32_MAX)
            return esk_unsupported(c, "input %u is too large", i);
    uint64_t most = c->limits->max_iterations;
    uint64_t loop = ((uint64_t)terms + 1) * 4;
    if (esk_var_count(y) > INT32_MAX || (most && loop > most) || terms > INT32_MAX)
        return esk_unsupported(c, "%lld terms", (long long)terms);
    struct esk_recipe *r = esk_add_recipe(c, "einsum, invocation an element");
    struct esk_kernel *k = esk_recipe_kernel(r, "einsum");
    int labels = e.n ? e.n : 1;
    for (uint32_t i = 0; i < n_in; i++)
        esk_kernel_in(c, r, k, names[i], i, ESK_ELEMENT);
    esk_kernel_define(k, "INPUTS", n_in);
    esk_kernel_define(k, "KEPT", e.n_out);
    esk_kernel_define(k, "LABELS", e.n);
    if (!e.n)
        e.dim[0] = 1;
    esk_kernel_ints(k, "dim", (uint32_t)labels, e.dim);
    esk_kernel_ints(k, "a", (uint32_t)labels, e.stride[0]);
    esk_kernel_ints(k, "b", (uint32_t)labels, e.stride[1]);
    esk_kernel_ints(k, "c", (uint32_t)labels, e.stride[2]);
    esk_kernel_int(k, "terms", terms);
    esk_kernel_map(c, r, k, 0, true);
    k->loop_iterations = loop;
    k->flops = 2.0 * (double)terms * (double)esk_var_count(y);
    k->bytes = 4 * k->flops;
    return ESK_OK;
}

const struct esk_op esk_op_Einsum = {
    .domain = "",
    .name = "Einsum",
    .since = (const uint8_t[]){12, 28, 0},
    .min_in = 1,
    .max_in = TERMS,
    .min_out = 1,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
