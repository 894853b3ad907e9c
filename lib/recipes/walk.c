/* Walks composed of the steps of shape operators, and brought into moves. In: a walk and
 * a step; out: the walk behind it. Must not know which operator asks. */
#include "recipes/walk.h"

#include <string.h>

struct esk_walk esk_walk_plain(enum esk_layout layout, int rank, const int64_t *dims) {
    struct esk_walk w = {.layout = layout, .n = rank};
    esk_move_strides(layout, rank, dims, w.stride);
    for (int k = 0; k < rank; k++) {
        w.dim[k] = dims[k];
        w.axis[k] = k;
    }
    return w;
}

struct esk_walk esk_walk_over(const struct esk_ctx *c, uint32_t i) {
    const struct esk_var *x = esk_in(c, i);
    struct esk_walk w = esk_walk_plain(esk_move_layout(c, i), x->rank, x->dim);
    w.base = esk_in_id(c, i);
    return w;
}

struct esk_walk esk_walk_of(const struct esk_ctx *c, uint32_t i) {
    const struct esk_var *x = esk_in(c, i);
    return x->walk ? *x->walk : esk_walk_over(c, i);
}

/* A digit more; false: no room. Digits of one value say nothing and are left out. */
static bool push(struct esk_walk *w, int64_t dim, int64_t stride, int axis) {
    if (dim == 1)
        return true;
    int last = w->n - 1;
    if (last >= 0 && w->axis[last] == axis && w->stride[last] == stride * dim) {
        w->dim[last] *= dim;
        w->stride[last] = stride;
        return true;
    }
    if (w->n == ESK_WALK_DIGITS)
        return false;
    w->dim[w->n] = dim;
    w->stride[w->n] = stride;
    w->axis[w->n++] = axis;
    return true;
}

static struct esk_walk without_digits(const struct esk_walk *w) {
    return (struct esk_walk){.base = w->base, .layout = w->layout, .offset = w->offset};
}

bool esk_walk_permute(struct esk_walk *w, int rank, const int *perm) {
    struct esk_walk to = without_digits(w);
    for (int k = 0; k < rank; k++)
        for (int i = 0; i < w->n; i++)
            if (w->axis[i] == perm[k] && !push(&to, w->dim[i], w->stride[i], k))
                return false;
    *w = to;
    return true;
}

bool esk_walk_reshape(struct esk_walk *w, int rank, const int64_t *dims) {
    struct esk_walk from = without_digits(w), to = from;
    for (int i = 0; i < w->n; i++)
        if (!push(&from, w->dim[i], w->stride[i], 0)) /* as one axis: joined */
            return false;
    int at = 0;
    for (int k = 0; k < rank; k++)
        for (int64_t rest = dims[k]; rest > 1;) {
            if (at == from.n)
                return false;
            int64_t have = from.dim[at], take = have;
            if (rest % have) {
                if (have % rest)
                    return false;
                take = rest;
            }
            if (!push(&to, take, from.stride[at] * (have / take), k))
                return false;
            rest /= take;
            from.dim[at] = have / take;
            at += from.dim[at] == 1;
        }
    if (at != from.n)
        return false;
    *w = to;
    return true;
}

bool esk_walk_slice(struct esk_walk *w, int axis, int64_t start, int64_t step,
                    int64_t size) {
    struct esk_walk to = without_digits(w);
    int first = 0, end = 0;
    while (first < w->n && w->axis[first] != axis)
        first++;
    for (end = first; end < w->n && w->axis[end] == axis;)
        end++;
    /* from the innermost digit outwards: whole; then one that is cut; then fixed */
    int64_t dim[ESK_WALK_DIGITS], stride[ESK_WALK_DIGITS], offset = 0;
    for (int i = end - 1; i >= first; i--) {
        int64_t have = w->dim[i];
        dim[i] = 1;
        stride[i] = w->stride[i];
        if (size == 1) {
            offset += start % have * w->stride[i];
            start /= have;
        } else if (step == 1 && start % have == 0 && size % have == 0) {
            dim[i] = have;
            start /= have;
            size /= have;
        } else if (step > 0 && step % have == 0) {
            offset += start % have * w->stride[i];
            start /= have;
            step /= have;
        } else {
            int64_t last = start + (size - 1) * step;
            if (last < 0 || start / have != last / have)
                return false;
            dim[i] = size;
            stride[i] *= step;
            offset += start % have * w->stride[i];
            start /= have;
            size = 1;
        }
    }
    if (size != 1)
        return false;
    for (int i = 0; i < w->n; i++) {
        bool cut = i >= first && i < end;
        if (!push(&to, cut ? dim[i] : w->dim[i], cut ? stride[i] : w->stride[i],
                  w->axis[i]))
            return false;
    }
    to.offset += offset;
    *w = to;
    return true;
}

bool esk_walk_expand(struct esk_walk *w, int rank, const int64_t *dims) {
    struct esk_walk to = without_digits(w);
    for (int k = 0, i = 0; k < rank; k++) {
        bool any = false;
        for (; i < w->n && w->axis[i] == k; i++) {
            any |= w->dim[i] != 1;
            if (!push(&to, w->dim[i], w->stride[i], k))
                return false;
        }
        if (!any && !push(&to, dims[k], 0, k))
            return false;
    }
    *w = to;
    return true;
}

/* C4 where the channels are what lies side by side. */
static enum esk_layout cheap_layout(const struct esk_walk *w, const struct esk_var *y) {
    int inner = -1;
    for (int i = 0; i < w->n; i++)
        if (w->stride[i] && (inner < 0 || w->stride[i] < w->stride[inner]))
            inner = i;
    bool c4 =
        y->rank >= 3 && inner >= 0 && w->axis[inner] == 1 && w->stride[inner] == 1 &&
        esk_storage_of(y->dtype, y->rank, y->dim, ESK_LAYOUT_C4) != ESK_STORAGE_I64X2;
    struct esk_move m;
    return c4 && esk_walk_move(w, ESK_LAYOUT_C4, y->rank, y->dim, &m) ? ESK_LAYOUT_C4
                                                                      : ESK_LAYOUT_DENSE;
}

void esk_walk_take(struct esk_ctx *c, struct esk_recipe *r, uint32_t i,
                   const struct esk_walk *w) {
    struct esk_walk *copy = ESK_ARENA_ARRAY(&c->graph->arena, struct esk_walk, 1);
    if (!copy) {
        c->recipes->failed = true;
        return;
    }
    *copy = *w;
    copy->prefer = c->limits->planes ? ESK_LAYOUT_DENSE : cheap_layout(w, esk_out(c, i));
    r->walk[i] = copy;
}

void esk_walk_recipe(struct esk_ctx *c, const char *label, const struct esk_walk *w) {
    struct esk_recipe *r = esk_add_recipe(c, label);
    esk_walk_take(c, r, 0, w);
}

bool esk_walk_move(const struct esk_walk *w, enum esk_layout layout, int rank,
                   const int64_t *dims, struct esk_move *move) {
    int channels = 0, last = -1;
    *move = (struct esk_move){.offset = w->offset};
    for (int i = 0; i < w->n; i++)
        if (layout == ESK_LAYOUT_C4 && w->axis[i] == 1) {
            channels++;
            last = i;
        } else
            esk_move_push(move, w->dim[i], w->stride[i]);
    if (layout == ESK_LAYOUT_C4 && rank > 1 && dims[1] % 4) {
        if (channels > 1)
            return false;
        esk_move_push(move, (dims[1] + 3) / 4 * 4, last < 0 ? 1 : w->stride[last]);
        move->valid = dims[1];
    } else
        for (int i = 0; i < w->n && channels; i++)
            if (w->axis[i] == 1)
                esk_move_push(move, w->dim[i], w->stride[i]);
    esk_move_collapse(move);
    return true;
}

bool esk_walk_range(const struct esk_ctx *c, const struct esk_walk *w,
                    const struct esk_var *y, enum esk_layout layout, uint64_t *offset) {
    const struct esk_var *base = c->graph->vars[w->base];
    enum esk_storage storage =
        esk_storage_of(base->dtype, base->rank, base->dim, w->layout);
    struct esk_move m;
    if (!esk_walk_move(w, layout, y->rank, y->dim, &m) || m.rank != 1 || m.valid ||
        (m.stride[0] != 1 && m.dim[0] != 1) ||
        storage != esk_storage_of(y->dtype, y->rank, y->dim, layout))
        return false;
    *offset = (uint64_t)(m.offset * esk_move_unit(storage));
    return *offset == 0 || (!base->data && *offset % 16 == 0);
}

bool esk_walk_in_order(const struct esk_walk *w, int rank, const int64_t *base_dims) {
    struct esk_walk plain = esk_walk_plain(w->layout, rank, base_dims);
    struct esk_walk a = without_digits(w), b = without_digits(&plain);
    bool fits = true;
    for (int i = 0; i < w->n; i++)
        fits &= push(&a, w->dim[i], w->stride[i], 0);
    for (int i = 0; i < plain.n; i++)
        fits &= push(&b, plain.dim[i], plain.stride[i], 0);
    return fits && a.n == b.n && a.offset == 0 &&
           memcmp(a.dim, b.dim, (size_t)a.n * sizeof *a.dim) == 0 &&
           memcmp(a.stride, b.stride, (size_t)a.n * sizeof *a.stride) == 0;
}
