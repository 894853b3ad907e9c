/* Reductions on the host. In: a tensor, a reduction and a mask of axes; out: a tensor.
 * Sums of floats are taken in double, integers exactly. Kernels are in reduce_gpu.c. */
#include "recipes/reduce.h"

#include "recipes/lines.h"

#include <math.h>

enum { BLOCK = 512 }; /* elements converted at a time */

int esk_reduce_fold(int rank, const int64_t *dims, uint32_t mask, int64_t *sizes,
                    bool *reduced) {
    int n = 0;
    for (int a = 0; a < rank; a++) {
        bool is = mask >> a & 1;
        if (dims[a] == 1)
            continue;
        if (n && reduced[n - 1] == is)
            sizes[n - 1] *= dims[a];
        else
            sizes[n] = dims[a], reduced[n++] = is;
    }
    return n;
}

/* Calls `run` for each innermost run of elements: x is its first element, y its first
 * place in the output; `many`: each element has a place of its own. */
struct walk {
    int n;
    int64_t sizes[ESK_MAX_RANK];
    bool reduced[ESK_MAX_RANK];
    void (*run)(struct walk *w, int64_t x, int64_t y, int64_t n, bool many);
    const struct esk_tensor *in;
    const struct esk_reduction *what;
    double *sum, *max; /* LSE: max is done before sum */
    int64_t *whole;
    int64_t flip; /* what makes unsigned 64-bit values compare as signed ones */
    int64_t ints[BLOCK];
    double doubles[BLOCK];
};

static void walk(struct walk *w) {
    int64_t length = w->n ? w->sizes[w->n - 1] : 1, runs = 1, at[ESK_MAX_RANK] = {0};
    int64_t step[ESK_MAX_RANK], stride = 1, x = 0, y = 0;
    for (int g = w->n - 1; g >= 0; g--) {
        step[g] = w->reduced[g] ? 0 : stride;
        stride *= w->reduced[g] ? 1 : w->sizes[g];
        if (g < w->n - 1)
            runs *= w->sizes[g];
    }
    bool many = w->n && !w->reduced[w->n - 1];
    for (int64_t r = 0; r < runs && length; r++, x += length) {
        for (int64_t k = 0; k < length; k += BLOCK)
            w->run(w, x + k, y + (many ? k : 0), length - k < BLOCK ? length - k : BLOCK,
                   many);
        for (int g = w->n - 2; g >= 0; g--) {
            y += step[g];
            if (++at[g] < w->sizes[g])
                break;
            at[g] = 0;
            y -= step[g] * w->sizes[g];
        }
    }
}

/* `into` joins value `v` with accumulator `a`; one place for all or one for each. */
#define JOIN(into)                    \
    for (int64_t i = 0; i < n; i++) { \
        into;                         \
        acc += many;                  \
    }                                 \
    break

static void run_doubles(struct walk *w, int64_t x, int64_t y, int64_t n, bool many) {
    double *v = w->doubles, *acc = w->sum + y;
    esk_read_doubles(w->in, x, 1, n, v);
    if (w->what->map == ESK_MAP_ABS)
        for (int64_t i = 0; i < n; i++)
            v[i] = fabs(v[i]);
    if (w->what->map == ESK_MAP_SQUARE)
        for (int64_t i = 0; i < n; i++)
            v[i] *= v[i];
    switch (w->what->join) {
    case ESK_JOIN_ADD:
        JOIN(*acc += v[i]);
    case ESK_JOIN_MUL:
        JOIN(*acc *= v[i]);
    case ESK_JOIN_MAX: /* NaN wins */
        JOIN(if (v[i] > *acc || v[i] != v[i]) *acc = v[i]);
    case ESK_JOIN_MIN:
        JOIN(if (v[i] < *acc || v[i] != v[i]) *acc = v[i]);
    case ESK_JOIN_LSE: {
        const double *max = w->max + y;
        JOIN(*acc += exp(v[i] - *max); max += many);
    }
    }
}

static void run_max(struct walk *w, int64_t x, int64_t y, int64_t n, bool many) {
    double *v = w->doubles, *acc = w->max + y;
    esk_read_doubles(w->in, x, 1, n, v);
    for (int64_t i = 0; i < n; i++, acc += many)
        if (v[i] > *acc)
            *acc = v[i];
}

static void run_ints(struct walk *w, int64_t x, int64_t y, int64_t n, bool many) {
    int64_t *v = w->ints, *acc = w->whole + y, flip = w->flip;
    esk_read_ints(w->in, x, 1, n, v);
    for (int64_t i = 0; i < n && w->what->map != ESK_MAP_NONE; i++) {
        uint64_t u = (uint64_t)v[i];
        if (w->what->map == ESK_MAP_SQUARE)
            v[i] = (int64_t)(u * u);
        else if (v[i] < 0 && !flip)
            v[i] = (int64_t)(0 - u);
    }
    switch (w->what->join) {
    case ESK_JOIN_ADD:
        JOIN(*acc = (int64_t)((uint64_t)*acc + (uint64_t)v[i]));
    case ESK_JOIN_MUL:
        JOIN(*acc = (int64_t)((uint64_t)*acc * (uint64_t)v[i]));
    case ESK_JOIN_MAX:
        JOIN(if ((v[i] ^ flip) > (*acc ^ flip)) *acc = v[i]);
    case ESK_JOIN_MIN:
        JOIN(if ((v[i] ^ flip) < (*acc ^ flip)) *acc = v[i]);
    case ESK_JOIN_LSE:
        break;
    }
}

int64_t esk_reduce_neutral(const struct esk_reduction *what, esk_dtype dtype) {
    unsigned bits = dtype == ESK_BOOL ? 1 : esk_dtype_bits(dtype);
    bool is_signed = esk_dtype_is_signed(dtype);
    if (what->join == ESK_JOIN_MAX)
        return is_signed ? (int64_t)(UINT64_MAX << (bits - 1)) : 0;
    if (what->join == ESK_JOIN_MIN)
        return (int64_t)(UINT64_MAX >> (64 - bits + is_signed));
    return what->join == ESK_JOIN_MUL;
}

static esk_status reduce_ints(struct esk_cpu *c, struct walk *w, int64_t count,
                              int64_t members) {
    struct esk_tensor *y = c->out[0];
    w->whole = ESK_ARENA_ARRAY(c->scratch, int64_t, (size_t)count);
    if (!w->whole)
        return esk_fail_memory(c->error, c->node->name);
    w->flip = y->dtype == ESK_UINT64 ? INT64_MIN : 0;
    int64_t start = esk_reduce_neutral(w->what, y->dtype);
    for (int64_t i = 0; i < count; i++)
        w->whole[i] = start;
    w->run = run_ints;
    walk(w);
    if (w->what->last == ESK_LAST_MEAN && members)
        for (int64_t i = 0; i < count; i++)
            w->whole[i] = w->flip ? (int64_t)((uint64_t)w->whole[i] / (uint64_t)members)
                                  : w->whole[i] / members;
    esk_write_ints(y, 0, 1, count, w->whole);
    return ESK_OK;
}

static esk_status reduce_doubles(struct esk_cpu *c, struct walk *w, int64_t count,
                                 int64_t members) {
    const struct esk_reduction *what = w->what;
    bool lse = what->join == ESK_JOIN_LSE;
    w->sum = ESK_ARENA_ARRAY(c->scratch, double, (size_t)count *(lse ? 2 : 1));
    if (!w->sum)
        return esk_fail_memory(c->error, c->node->name);
    double start = what->join == ESK_JOIN_MAX   ? -INFINITY
                   : what->join == ESK_JOIN_MIN ? INFINITY
                                                : what->join == ESK_JOIN_MUL;
    if (lse) {
        w->max = w->sum + count;
        for (int64_t i = 0; i < count; i++)
            w->max[i] = -INFINITY;
        w->run = run_max;
        walk(w);
        for (int64_t i = 0; i < count; i++)
            if (!isfinite(w->max[i]))
                w->max[i] = 0;
    }
    for (int64_t i = 0; i < count; i++)
        w->sum[i] = start;
    w->run = run_doubles;
    walk(w);
    for (int64_t i = 0; i < count; i++) {
        double v = w->sum[i];
        if (what->last == ESK_LAST_MEAN)
            v /= (double)members;
        else if (what->last == ESK_LAST_SQRT)
            v = sqrt(v);
        else if (what->last == ESK_LAST_LOG || lse)
            v = log(v) + (lse ? w->max[i] : 0);
        w->sum[i] = v;
    }
    esk_write_doubles(c->out[0], 0, 1, count, w->sum);
    return ESK_OK;
}

esk_status esk_reduce_cpu(struct esk_cpu *c, const struct esk_reduction *what,
                          uint32_t mask) {
    const struct esk_tensor *x = c->in[0];
    int64_t count = 1, members = 1;
    struct walk *w = ESK_ARENA_NEW(c->scratch, struct walk);
    if (!w)
        return esk_fail_memory(c->error, c->node->name);
    w->in = x;
    w->what = what;
    w->n = esk_reduce_fold(x->rank, x->dim, mask, w->sizes, w->reduced);
    for (int a = 0; a < x->rank; a++)
        *(mask >> a & 1 ? &members : &count) *= x->dim[a];
    if (!esk_dtype_is_float(x->dtype) && what->join != ESK_JOIN_LSE &&
        (what->last == ESK_LAST_NONE || what->last == ESK_LAST_MEAN))
        return reduce_ints(c, w, count, members);
    return reduce_doubles(c, w, count, members);
}
