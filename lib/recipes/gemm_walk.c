/* Products of operands that walk. In: a product of inputs as they are in ONNX's order;
 * out: the same over what the inputs walk, with its strides. Must not know operators. */
#include "recipes/gemm.h"
#include "recipes/walk.h"

/* A matrix operand: strides of its two last axes, digits of those before. */
struct side {
    struct esk_gemm_at at;
    int64_t row, col;
    int n; /* outermost first */
    int axis[ESK_WALK_DIGITS];
    int64_t dim[ESK_WALK_DIGITS], stride[ESK_WALK_DIGITS];
};

/* false: an axis of the matrix is walked in more than one digit. */
static bool take(const struct esk_walk *w, int rank, struct side *s) {
    *s = (struct side){.at = {.given = true,
                              .ref = {ESK_REF_VAR, w->base},
                              .layout = w->layout,
                              .offset = w->offset},
                       .col = 1};
    int rows = 0, columns = 0;
    for (int i = 0; i < w->n; i++) {
        if (w->dim[i] == 1)
            continue;
        if (w->axis[i] == rank - 1) {
            columns++;
            s->col = w->stride[i];
        } else if (w->axis[i] == rank - 2) {
            rows++;
            s->row = w->stride[i];
        } else {
            s->axis[s->n] = w->axis[i];
            s->dim[s->n] = w->dim[i];
            s->stride[s->n++] = w->stride[i];
        }
    }
    return rows < 2 && columns < 2;
}

static bool in_fours(const struct side *s, int64_t stride) {
    int64_t bits = stride | s->at.offset;
    for (int i = 0; i < s->n; i++)
        bits |= s->stride[i];
    return bits % 4 == 0;
}

/* What a copy first would save: each load of four elements takes 13 cycles more than one
 * of a vec4 (recipes/gemm); `times` loads of each vec4, eight lanes at once where they
 * differ. A dispatch is worth 200,000 cycles. */
static bool dearer(const struct esk_var *v, double times) {
    return (double)esk_var_count(v) / 4 * 13 * times > 2e5;
}

/* Input i as it lies: over what it walks, or as a dense var. `last`: reads of it along
 * its last axis are vec4s, and along the one before, too, if `both`. */
static void side_of(const struct esk_ctx *c, uint32_t i, bool both, double times,
                    struct side *s) {
    const struct esk_var *v = esk_in(c, i);
    struct esk_walk dense = esk_walk_plain(ESK_LAYOUT_DENSE, v->rank, v->dim);
    dense.base = esk_in_id(c, i);
    if (v->walk && !v->data && take(v->walk, v->rank, s)) {
        bool fours = (s->col == 1 && in_fours(s, s->row)) ||
                     (both && s->row == 1 && in_fours(s, s->col));
        bool dense_fours = v->dim[v->rank - 1] % 4 == 0;
        if (fours || !dense_fours || !dearer(v, times))
            return;
    }
    take(&dense, v->rank, s);
}

void esk_gemm_push_batch(struct esk_gemm *g, int64_t size, int64_t a, int64_t b,
                         int64_t y) {
    int last = g->n_batch - 1;
    if (size == 1)
        return;
    if (last >= 0 && g->a_batch[last] == a * size && g->b_batch[last] == b * size &&
        g->y_batch[last] == y * size)
        g->batch[last] *= size;
    else
        g->batch[++last] = size, g->n_batch++;
    g->a_batch[last] = a;
    g->b_batch[last] = b;
    g->y_batch[last] = y;
}

/* The digits of one axis from the innermost on; an axis that is not there repeats. */
struct reader {
    const struct side *s;
    int at, axis;
    int64_t left, stride; /* of the current digit */
};

static void next(struct reader *r) {
    bool more = r->at >= 0 && r->s->axis[r->at] == r->axis;
    r->left = more ? r->s->dim[r->at] : 0;
    r->stride = more ? r->s->stride[r->at] : 0;
    r->at--;
}

static struct reader reader_of(const struct side *s, int axis) {
    struct reader r = {.s = s, .at = s->n - 1, .axis = axis};
    while (r.at >= 0 && s->axis[r.at] != axis)
        r.at--;
    next(&r);
    return r;
}

/* Batch axes of both in digits that suit both, innermost first. false: they do not. */
static bool join(const struct side *a, int shift_a, const struct side *b, int shift_b,
                 int n, const int64_t *dims, struct esk_gemm *g) {
    int64_t size[2 * ESK_WALK_DIGITS], sa[2 * ESK_WALK_DIGITS], sb[2 * ESK_WALK_DIGITS];
    int many = 0;
    for (int axis = n - 1; axis >= 0; axis--) {
        struct reader x = reader_of(a, axis - shift_a), y = reader_of(b, axis - shift_b);
        for (int64_t left = dims[axis]; left > 1;) {
            int64_t step = left;
            if (x.left && x.left < step)
                step = x.left;
            if (y.left && y.left < step)
                step = y.left;
            if (left % step || x.left % step || y.left % step)
                return false;
            size[many] = step;
            sa[many] = x.stride;
            sb[many++] = y.stride;
            left /= step;
            x.left /= step, x.stride *= step;
            y.left /= step, y.stride *= step;
            if (x.left == 1)
                next(&x);
            if (y.left == 1)
                next(&y);
        }
    }
    g->n_batch = 0;
    while (many-- > 0) {
        if (g->n_batch == ESK_GEMM_BATCH)
            return false;
        esk_gemm_push_batch(g, size[many], sa[many], sb[many], 0);
    }
    return true;
}

void esk_gemm_walk(const struct esk_ctx *c, struct esk_gemm *g, bool a_t, bool b_t) {
    const struct esk_var *x = esk_in(c, g->a), *y = esk_in(c, g->b);
    if (x->rank < 2 || y->rank < 2 || (!x->walk && !y->walk))
        return;
    struct side a, b;
    bool known = esk_is_known(c, g->b);
    double columns = (double)((g->n + 127) / 128), rows = (double)((g->m + 15) / 16) / 8;
    side_of(c, g->a, false, columns, &a);
    side_of(c, g->b, true, rows, &b);
    if (a.at.ref.id == esk_in_id(c, g->a) && b.at.ref.id == esk_in_id(c, g->b))
        return;
    struct esk_gemm to = *g;
    int64_t dims[ESK_MAX_RANK];
    int n = 0, batch_a = x->rank - 2, batch_b = y->rank - 2;
    if (known && batch_b > 0)
        return;
    if (!esk_shape_broadcast(batch_a, x->dim, batch_b, y->dim, &n, dims) ||
        !join(&a, n - batch_a, &b, n - batch_b, n, dims, &to))
        return;
    to.m = x->dim[x->rank - (a_t ? 1 : 2)];
    to.a_at = a.at;
    to.a_row = a_t ? a.col : a.row;
    to.a_col = a_t ? a.row : a.col;
    if (!known) {
        to.b_at = b.at;
        to.b_row = b_t ? b.col : b.row;
        to.b_col = b_t ? b.row : b.col;
    }
    /* the innermost batch axes of A alone are rows */
    for (int last; (last = to.n_batch - 1) >= 0 && to.b_batch[last] == 0; to.n_batch--) {
        if (to.m != 1 && to.a_batch[last] != to.a_row * to.m)
            break;
        if (to.m == 1)
            to.a_row = to.a_batch[last];
        to.m *= to.batch[last];
    }
    *g = to;
}
