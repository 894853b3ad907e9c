/* Reductions as kernels. In: a node, a reduction and a mask of axes; out: recipes of
 * glsl/reduce.glsl. Each kernel joins one run of axes, [outer, size, inner] to [outer,
 * chunks, inner]; several runs, and long lines cut into chunks, take several kernels with
 * fp32 (or whole) scratch between. Must not know operators. */
#include "recipes/reduce.h"

#include <math.h>

enum {
    LONGEST = 8192, /* elements that one invocation joins */
    SHORT = 64,     /* a line not worth a group */
};

struct step {
    int64_t outer, size, inner; /* in elements */
    int64_t chunks, chunk;
};

/* The kinds of glsl/reduce.glsl. */
static int kind_of(enum esk_storage storage) {
    return storage == ESK_STORAGE_I32     ? 1
           : storage == ESK_STORAGE_U32   ? 2
           : storage == ESK_STORAGE_I64X2 ? 3
                                          : 0;
}

/* Invocations that keep a device busy. */
static int64_t enough(const struct esk_limits *limits) {
    return limits->software ? 64 : 4096;
}

static int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

static int64_t min64(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t max64(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* Cuts lines so that there are enough invocations and none works too long. */
static void cut(struct step *s, const struct esk_limits *limits, bool vec4, bool group) {
    int64_t lanes = s->outer * s->inner / (vec4 && s->inner > 1 ? 4 : 1);
    int64_t longest = LONGEST * (vec4 && s->inner == 1 ? 4 : 1);
    int64_t chunks;
    if (group) {
        lanes *= limits->software ? 8 : 64;
        longest *= limits->software ? 8 : 64;
        chunks = s->size >= (limits->software ? 262144 : 32768)
                     ? ceil_div(enough(limits), lanes)
                     : 1;
    } else {
        chunks = min64(ceil_div(enough(limits), max64(lanes, 1)), s->size / SHORT);
    }
    chunks = max64(max64(chunks, 1), ceil_div(s->size, longest));
    s->chunk = ceil_div(s->size, chunks);
    if (vec4 && s->inner == 1)
        s->chunk = ceil_div(s->chunk, 4) * 4;
    s->chunks = ceil_div(s->size, s->chunk);
}

/* Lines that lie side by side and are long: a group joins one. However many there are: a
 * new shape must compile nothing. */
static bool by_group(const struct step *s) {
    return s->inner == 1 && s->size > SHORT;
}

/* One kernel. `from` NULL: reads input 0; `to` NULL: writes output 0. */
static void add_step(struct esk_ctx *c, struct esk_recipe *r, const struct step *s,
                     int map, int join, int last, int64_t members,
                     const struct esk_ref_to *from, const struct esk_ref_to *to) {
    struct esk_kernel *k = esk_recipe_kernel(r, "reduce");
    const struct esk_var *x = esk_in(c, 0);
    bool whole =
        esk_storage_of(x->dtype, x->rank, x->dim, ESK_LAYOUT_DENSE) == ESK_STORAGE_I64X2;
    bool columns = s->inner > 1;
    bool group = by_group(s);
    bool vec4 = !whole && (columns ? s->inner % 4 == 0 : s->size % 4 == 0);
    enum esk_view view = vec4 ? ESK_VEC4 : ESK_ELEMENT;
    enum esk_view y_view = vec4 && columns ? ESK_VEC4 : ESK_ELEMENT;
    if (from)
        esk_kernel_ref(k, "X", r, *from, ESK_READ, view);
    else
        esk_kernel_in(c, r, k, "X", 0, view);
    if (to)
        esk_kernel_ref(k, "Y", r, *to, ESK_WRITE, y_view);
    else
        esk_kernel_out(c, r, k, "Y", 0, y_view);
    enum esk_storage x_storage = k->operands[0].storage,
                     y_storage = k->operands[1].storage;
    esk_kernel_define(k, "SHAPE", columns ? 0 : group ? 2 : 1);
    esk_kernel_define(k, "MAP", map);
    esk_kernel_define(k, "JOIN", join);
    esk_kernel_define(k, "LAST", last);
    esk_kernel_define(k, "X_KIND", kind_of(x_storage));
    if (y_view == ESK_VEC4)
        esk_kernel_define(k, "COLUMNS4", 1);
    if (x->dtype == ESK_UINT64)
        esk_kernel_define(k, "UNSIGNED", 1);
    int along = vec4 && !columns ? 4 : 1, across = vec4 && columns ? 4 : 1;
    int64_t count = s->outer * s->chunks * s->inner;
    esk_kernel_int(k, "size", s->size / along);
    esk_kernel_int(k, "chunk", s->chunk / along);
    esk_kernel_int(k, "chunks", s->chunks);
    esk_kernel_int(k, "inner", s->inner / across);
    esk_kernel_int(k, "count", count);
    esk_kernel_int(k, "total", members);
    esk_kernel_float(k, "scale", 1.0f / (float)members);
    int64_t unit = across == 4 ? 4 : y_storage == ESK_STORAGE_F16X2 ? 2 : 1;
    uint64_t units = (uint64_t)ceil_div(count, unit);
    int64_t loop = s->chunk / along;
    if (group) {
        uint32_t local = c->limits->software ? 8 : 64;
        esk_kernel_local(k, local, 1, 1);
        esk_kernel_groups(k, units, 1, 1);
        loop = ceil_div(loop, local) * unit + local * unit;
    } else {
        esk_kernel_flat(k, c->limits, units);
        if (c->limits->software && k->groups[0] < 16) { /* lines for more threads */
            esk_kernel_local(k, 8, 1, 1);
            esk_kernel_groups(k, (units + 7) / 8, 1, 1);
        }
        loop *= across == 4 ? 1 : unit;
    }
    if (whole && last == ESK_LAST_MEAN)
        loop += 64; /* a division */
    k->loop_iterations = (uint64_t)(loop + loop / 128) * (join == ESK_JOIN_LSE ? 2 : 1);
    k->flops = (double)s->outer * (double)s->size * (double)s->inner;
    k->bytes = 4 * (k->flops + (double)count);
}

/* An input without elements: the join's neutral value, after `last`. */
static esk_status fill(struct esk_ctx *c, const struct esk_reduction *what) {
    struct esk_recipe *r = esk_add_recipe(c, "reduce nothing");
    struct esk_kernel *k = esk_recipe_kernel(r, "fill");
    const struct esk_var *y = esk_out(c, 0);
    int64_t count = esk_var_count(y);
    esk_kernel_out(c, r, k, "Y", 0, ESK_ELEMENT);
    esk_kernel_define(k, "MODE", 0);
    esk_kernel_define(k, "KIND", kind_of(k->operands[0].storage));
    esk_kernel_int(k, "count", count);
    if (esk_dtype_is_float(y->dtype)) {
        float value = what->join == ESK_JOIN_MUL;
        if (what->join == ESK_JOIN_MAX || what->join == ESK_JOIN_LSE ||
            what->last == ESK_LAST_LOG)
            value = -INFINITY;
        else if (what->join == ESK_JOIN_MIN)
            value = INFINITY;
        else if (what->last == ESK_LAST_MEAN)
            value = NAN;
        esk_kernel_float(k, "value", value);
    } else {
        uint64_t v = (uint64_t)esk_reduce_neutral(what, y->dtype);
        esk_kernel_int(k, "value", (int32_t)(uint32_t)v);
        esk_kernel_int(k, "value_high", (int32_t)(uint32_t)(v >> 32));
    }
    int64_t unit = k->operands[0].storage == ESK_STORAGE_F16X2 ? 2 : 1;
    esk_kernel_flat(k, c->limits, (uint64_t)ceil_div(count, unit));
    k->bytes = 4 * (double)count;
    return ESK_OK;
}

/* The kernels that join all reduced runs of `sizes`, the longest first. */
static void add_steps(struct esk_ctx *c, struct esk_recipe *r,
                      const struct esk_reduction *what, int n, int64_t *sizes,
                      bool *reduced, int64_t members) {
    const struct esk_var *x = esk_in(c, 0);
    static const enum esk_storage storages[] = {ESK_STORAGE_F32, ESK_STORAGE_I32,
                                                ESK_STORAGE_U32, ESK_STORAGE_I64X2};
    enum esk_storage storage =
        storages[kind_of(esk_storage_of(x->dtype, x->rank, x->dim, ESK_LAYOUT_DENSE))];
    int map = what->map;
    struct esk_ref_to from, to;
    for (bool first = true;; first = false) {
        int at = -1, left = 0;
        for (int g = 0; g < n; g++)
            if (reduced[g]) {
                at = at < 0 || sizes[g] > sizes[at] ? g : at;
                left++;
            }
        struct step s = {1, 1, esk_shape_product(sizes, 0, n), 1, 1};
        if (at >= 0) {
            s.outer = esk_shape_product(sizes, 0, at);
            s.size = sizes[at];
            s.inner = esk_shape_product(sizes, at + 1, n);
            bool vec4 = storage != ESK_STORAGE_I64X2 &&
                        (s.inner > 1 ? s.inner % 4 == 0 : s.size % 4 == 0);
            cut(&s, c->limits, vec4, by_group(&s));
        }
        bool end = left <= 1 && s.chunks == 1;
        if (!end)
            to = esk_recipe_scratch(r,
                                    (size_t)(s.outer * s.chunks * s.inner) *
                                        (storage == ESK_STORAGE_I64X2 ? 8 : 4),
                                    storage);
        add_step(c, r, &s, map, what->join, end ? (int)what->last : ESK_LAST_NONE,
                 members, first ? NULL : &from, end ? NULL : &to);
        if (end)
            return;
        from = to;
        map = ESK_MAP_NONE;
        if (s.chunks > 1) {
            sizes[at] = s.chunks;
            continue;
        }
        for (int g = at; g + 1 < n; g++)
            sizes[g] = sizes[g + 1], reduced[g] = reduced[g + 1];
        n--;
        if (at > 0 && at < n && reduced[at - 1] == reduced[at]) {
            sizes[at - 1] *= sizes[at];
            for (int g = at; g + 1 < n; g++)
                sizes[g] = sizes[g + 1], reduced[g] = reduced[g + 1];
            n--;
        }
    }
}

/* [N, S, C up to 4] over S: pad channels stay zero when f(0, 0 …) = 0. */
static void add_c4(struct esk_ctx *c, const struct esk_reduction *what, int64_t members) {
    const struct esk_var *x = esk_in(c, 0), *y = esk_out(c, 0);
    bool keep = y->rank == x->rank;
    if (what->join == ESK_JOIN_LSE || what->last == ESK_LAST_LOG)
        return;
    if (!keep && x->dim[1] % 4)
        return;
    struct esk_recipe *r = esk_add_recipe(c, "reduce c4");
    r->in_layout[0] = ESK_LAYOUT_C4;
    r->out_layout[0] = keep ? ESK_LAYOUT_C4 : ESK_LAYOUT_DENSE;
    int64_t sizes[3] = {x->dim[0], members, ceil_div(x->dim[1], 4) * 4};
    bool reduced[3] = {false, true, false};
    add_steps(c, r, what, 3, sizes, reduced, members);
}

esk_status esk_reduce_gpu(struct esk_ctx *c, const struct esk_reduction *what,
                          uint32_t mask) {
    const struct esk_var *x = esk_in(c, 0), *who;
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "%s is not kept on the device",
                               esk_dtype_name(who->dtype));
    bool is_float = esk_dtype_is_float(x->dtype);
    bool wide = x->dtype == ESK_INT64 || x->dtype == ESK_UINT64;
    if (!is_float && (what->join == ESK_JOIN_LSE || what->last == ESK_LAST_SQRT ||
                      what->last == ESK_LAST_LOG))
        return esk_unsupported(c, "no kernel for %s", esk_dtype_name(x->dtype));
    int64_t members = 1, count = esk_var_count(x);
    if (count == 0)
        return fill(c, what);
    if (count > INT32_MAX)
        return esk_unsupported(c, "%lld elements, the limit is 2147483647",
                               (long long)count);
    for (int a = 0; a < x->rank; a++)
        members *= mask >> a & 1 ? x->dim[a] : 1;
    if (!is_float && what->join == ESK_JOIN_ADD && what->last == ESK_LAST_MEAN &&
        !members)
        return esk_unsupported(c, "a mean of nothing");
    if (x->layout == ESK_LAYOUT_C4 && x->rank >= 3 &&
        mask == (((1u << x->rank) - 1) & ~3u) && !wide)
        add_c4(c, what, members);
    struct esk_recipe *r = esk_add_recipe(c, "reduce");
    int64_t sizes[ESK_MAX_RANK];
    bool reduced[ESK_MAX_RANK];
    int n = esk_reduce_fold(x->rank, x->dim, mask, sizes, reduced);
    add_steps(c, r, what, n, sizes, reduced, members);
    return ESK_OK;
}
