/* In: a node with a table of row functions, host tensors; out: types, shapes, elements.
 * Must not know operators by name. */
#include "recipes/rows.h"

#include "base/half.h"

#include <string.h>

enum { INPUTS = 4, CHUNK = 256 };

static bool is_half(esk_dtype dtype) {
    return dtype == ESK_FLOAT16 || dtype == ESK_BFLOAT16;
}

/* Its own row, or float's for the halves (*by_float). */
static esk_row_fn row_of(const struct esk_rows *rows, esk_dtype dtype, bool *by_float) {
    esk_row_fn fn = (uint32_t)dtype <= ESK_BFLOAT16 ? rows->fn[dtype] : NULL;
    *by_float = !fn && is_half(dtype);
    return *by_float ? rows->fn[ESK_FLOAT] : fn;
}

esk_status esk_rows_infer(struct esk_ctx *c) {
    const struct esk_rows *rows = c->node->op->data;
    const struct esk_var *typed = esk_in(c, rows->typed_by), *first = esk_in(c, 0);
    bool by_float;
    if (!typed || !first)
        return esk_node_fail(c, ESK_INVALID_MODEL, "input %u is absent", rows->typed_by);
    if (!row_of(rows, typed->dtype, &by_float))
        return esk_node_fail(c, ESK_UNSUPPORTED, "type %s is not supported",
                             esk_dtype_name(typed->dtype));
    if (rows->typed_by && first->dtype != ESK_BOOL)
        return esk_node_fail(c, ESK_INVALID_MODEL, "input 0 is %s, it must be bool",
                             esk_dtype_name(first->dtype));
    int rank = first->rank;
    int64_t dims[ESK_MAX_RANK];
    memcpy(dims, first->dim, sizeof dims);
    for (uint32_t i = 1; i < c->node->n_in; i++) {
        const struct esk_var *var = esk_in(c, i);
        if (!var)
            continue;
        if (i >= rows->typed_by && var->dtype != typed->dtype)
            return esk_node_fail(c, ESK_INVALID_MODEL, "input %u is %s, input %u is %s",
                                 i, esk_dtype_name(var->dtype), rows->typed_by,
                                 esk_dtype_name(typed->dtype));
        if (!esk_shape_broadcast(rank, dims, var->rank, var->dim, &rank, dims) ||
            (rows->keeps_shape &&
             !esk_shape_equal(rank, dims, first->rank, first->dim))) {
            struct esk_text text = {0};
            esk_shape_print(&text, first->dtype, first->rank, first->dim);
            esk_text_add(&text, " and ");
            esk_shape_print(&text, var->dtype, var->rank, var->dim);
            esk_status status = esk_node_fail(c, ESK_INVALID_MODEL, "%s do not broadcast",
                                              esk_text_str(&text));
            esk_text_finish(&text);
            return status;
        }
    }
    return esk_set_out(c, 0, rows->to_bool ? ESK_BOOL : typed->dtype, rank, dims);
}

void esk_rows_each(const struct esk_cpu *c, uint32_t n_in, esk_rows_visit visit,
                   void *user) {
    const struct esk_tensor *y = c->out[0];
    int64_t dim[ESK_MAX_RANK + 1] = {1}, stride[INPUTS][ESK_MAX_RANK + 1] = {{0}};
    int rank = 0; /* dims kept; neighbours that every input walks as one become one */
    int64_t full[INPUTS][ESK_MAX_RANK];
    for (uint32_t k = 0; k < n_in; k++)
        if (k < c->n_in && c->in[k])
            esk_shape_broadcast_strides(c->in[k]->rank, c->in[k]->dim, y->rank, y->dim,
                                        full[k]);
        else
            memset(full[k], 0, sizeof full[k]);
    for (int i = 0; i < y->rank; i++) {
        if (y->dim[i] == 0)
            return;
        if (y->dim[i] == 1)
            continue;
        bool merge = rank > 0;
        for (uint32_t k = 0; k < n_in && merge; k++)
            merge = stride[k][rank - 1] == full[k][i] * y->dim[i];
        int to = merge ? rank - 1 : rank++;
        dim[to] = merge ? dim[to] * y->dim[i] : y->dim[i];
        for (uint32_t k = 0; k < n_in; k++)
            stride[k][to] = full[k][i];
    }
    int last = rank ? rank - 1 : 0;
    int64_t step[INPUTS], index[ESK_MAX_RANK] = {0}, offset[INPUTS] = {0};
    int64_t n = dim[last], rows = esk_shape_product(dim, 0, last);
    for (uint32_t k = 0; k < n_in; k++)
        step[k] = stride[k][last];
    for (int64_t row = 0; row < rows; row++) {
        visit(user, n, row * n, offset, step);
        for (int d = last - 1; d >= 0; d--) {
            index[d]++;
            for (uint32_t k = 0; k < n_in; k++)
                offset[k] += stride[k][d];
            if (index[d] < dim[d])
                break;
            for (uint32_t k = 0; k < n_in; k++)
                offset[k] -= stride[k][d] * dim[d];
            index[d] = 0;
        }
    }
}

struct walk {
    const struct esk_cpu *c;
    uint32_t n_in;
    esk_row_fn fn;
    size_t size[INPUTS], out_size; /* bytes of an element */
    bool half[INPUTS], half_out;   /* float for the row function */
    float p[3];
};

static void visit_plain(void *user, int64_t n, int64_t at, const int64_t *offset,
                        const int64_t *step) {
    struct walk *w = user;
    const void *in[INPUTS] = {0};
    for (uint32_t i = 0; i < w->n_in; i++)
        if (w->c->in[i])
            in[i] = (const char *)w->c->in[i]->data + (size_t)offset[i] * w->size[i];
    w->fn(n, (char *)w->c->out[0]->data + (size_t)at * w->out_size, in, step, w->p);
}

static void to_float(float *to, const uint16_t *from, int64_t n, esk_dtype dtype) {
    for (int64_t i = 0; i < n; i++)
        to[i] = dtype == ESK_FLOAT16 ? esk_half_to_float(from[i])
                                     : esk_bfloat_to_float(from[i]);
}

static void visit_half(void *user, int64_t n, int64_t at, const int64_t *offset,
                       const int64_t *step) {
    struct walk *w = user;
    float wide[INPUTS][CHUNK], result[CHUNK];
    esk_dtype out_dtype = w->c->out[0]->dtype;
    for (int64_t done = 0; done < n; done += CHUNK) {
        int64_t m = n - done < CHUNK ? n - done : CHUNK;
        const void *in[INPUTS] = {0};
        for (uint32_t i = 0; i < w->n_in; i++) {
            const struct esk_tensor *x = w->c->in[i];
            if (!x)
                continue;
            int64_t from = offset[i] + done * step[i];
            in[i] = (const char *)x->data + (size_t)from * w->size[i];
            if (w->half[i]) {
                to_float(wide[i], in[i], step[i] ? m : 1, x->dtype);
                in[i] = wide[i];
            }
        }
        char *y = (char *)w->c->out[0]->data + (size_t)(at + done) * w->out_size;
        w->fn(m, w->half_out ? (void *)result : y, in, step, w->p);
        if (w->half_out)
            for (int64_t i = 0; i < m; i++)
                ((uint16_t *)y)[i] = out_dtype == ESK_FLOAT16
                                         ? esk_float_to_half(result[i])
                                         : esk_float_to_bfloat(result[i]);
    }
}

esk_status esk_rows_cpu(struct esk_cpu *c) {
    const struct esk_rows *rows = c->node->op->data;
    const struct esk_elementwise *record = c->node->op->elementwise;
    struct walk w = {.c = c, .n_in = c->n_in < INPUTS ? c->n_in : INPUTS};
    bool by_float;
    w.fn = row_of(rows, c->in[rows->typed_by]->dtype, &by_float);
    if (!c->out[0])
        return ESK_OK;
    if (!w.fn)
        return esk_cpu_fail(c, ESK_UNSUPPORTED, "type %s is not supported",
                            esk_dtype_name(c->in[rows->typed_by]->dtype));
    for (size_t i = 0; record && i < 3 && record->attrs[i].name; i++)
        w.p[i] =
            esk_attr_float(c->node, record->attrs[i].name, record->attrs[i].fallback);
    for (uint32_t i = 0; i < w.n_in; i++)
        if (c->in[i]) {
            w.size[i] = esk_dtype_bits(c->in[i]->dtype) / 8;
            w.half[i] = is_half(c->in[i]->dtype);
        }
    w.out_size = esk_dtype_bits(c->out[0]->dtype) / 8;
    w.half_out = is_half(c->out[0]->dtype);
    esk_rows_each(c, w.n_in, by_float ? visit_half : visit_plain, &w);
    return ESK_OK;
}
