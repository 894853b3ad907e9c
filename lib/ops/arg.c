/* ArgMax and ArgMin. In: data; out: int64 places along `axis`. NaN is never better than
 * anything; of equal elements the first, or the last with select_last_index. */
#include "recipes/lines.h"
#include "ir/op.h"

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    int axis = 0, rank = 0;
    int64_t dims[ESK_MAX_RANK];
    bool keep = esk_attr_int(c->node, "keepdims", 1);
    if (x->rank || esk_attr_int(c->node, "axis", 0) < -1 ||
        esk_attr_int(c->node, "axis", 0) > 0)
        ESK_TRY(esk_check_axis(c, esk_attr_int(c->node, "axis", 0), x->rank, &axis));
    for (int a = 0; a < x->rank; a++)
        if (a != axis)
            dims[rank++] = x->dim[a];
        else if (keep)
            dims[rank++] = 1;
    if (x->rank && x->dim[axis] == 0 && esk_shape_product(dims, 0, rank) > 0)
        return esk_node_fail(c, ESK_INVALID_MODEL, "axis %d has no elements", axis);
    return esk_set_out(c, 0, ESK_INT64, rank, dims);
}

enum { BLOCK = 256 };

/* The best of up to BLOCK lines side by side, whose first elements are at `first`. */
#define SEARCH(type, read)                                                              \
    static void search_##type(const struct esk_tensor *x, int64_t first,                \
                              const struct esk_lines *l, int64_t n, int sign,           \
                              bool latest, int64_t *at) {                               \
        type best[BLOCK], v[BLOCK];                                                     \
        read(x, first, 1, n, best);                                                     \
        for (int64_t i = 0; i < n; i++)                                                 \
            at[i] = 0;                                                                  \
        for (int64_t k = 1; k < l->size; k++) {                                         \
            read(x, first + k * l->inner, 1, n, v);                                     \
            for (int64_t i = 0; i < n; i++)                                             \
                if ((sign > 0 ? v[i] > best[i] : v[i] < best[i]) ||                     \
                    (latest && v[i] == best[i]))                                        \
                    best[i] = v[i], at[i] = k;                                          \
        }                                                                               \
    }                                                                                   \
    /* The best of a line of neighbours. */                                             \
    static void search_row_##type(const struct esk_tensor *x, int64_t first,            \
                                  int64_t size, int sign, bool latest, int64_t *at) {   \
        type best, v[BLOCK];                                                            \
        read(x, first, 1, 1, &best);                                                    \
        *at = 0;                                                                        \
        for (int64_t k = 0; k < size; k += BLOCK) {                                     \
            int64_t n = size - k < BLOCK ? size - k : BLOCK;                            \
            read(x, first + k, 1, n, v);                                                \
            for (int64_t i = 0; i < n; i++)                                             \
                if ((sign > 0 ? v[i] > best : v[i] < best) || (latest && v[i] == best)) \
                    best = v[i], *at = k + i;                                           \
        }                                                                               \
    }

/* Unsigned 64-bit integers compare as signed ones with the top bit turned. */
static void read_ints(const struct esk_tensor *x, int64_t first, int64_t stride,
                      int64_t n, int64_t *values) {
    esk_read_ints(x, first, stride, n, values);
    for (int64_t i = 0; x->dtype == ESK_UINT64 && i < n; i++)
        values[i] ^= INT64_MIN;
}

SEARCH(double, esk_read_doubles)
SEARCH(int64_t, read_ints)

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0];
    int sign = *(const int *)c->node->op->data, axis = 0;
    bool latest = esk_attr_int(c->node, "select_last_index", 0);
    bool is_float = esk_dtype_is_float(x->dtype);
    if (x->rank)
        esk_shape_axis(esk_attr_int(c->node, "axis", 0), x->rank, &axis);
    struct esk_lines l = esk_lines_along(x->rank, x->dim, axis);
    int64_t *y = c->out[0]->data;
    for (int64_t o = 0; o < l.outer; o++)
        for (int64_t i = 0; i < l.inner; i += BLOCK) {
            int64_t first = o * l.size * l.inner + i, *at = y + o * l.inner + i;
            int64_t n = l.inner - i < BLOCK ? l.inner - i : BLOCK;
            if (l.inner == 1 && is_float)
                search_row_double(x, first, l.size, sign, latest, at);
            else if (l.inner == 1)
                search_row_int64_t(x, first, l.size, sign, latest, at);
            else if (is_float)
                search_double(x, first, &l, n, sign, latest, at);
            else
                search_int64_t(x, first, &l, n, sign, latest, at);
        }
    return ESK_OK;
}

static esk_status gpu(struct esk_ctx *c) {
    enum { SHORT = 64 }; /* a line not worth a group */
    const struct esk_var *x = esk_in(c, 0), *who;
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "%s is not kept on the device",
                               esk_dtype_name(who->dtype));
    bool wide = x->dtype == ESK_INT64 || x->dtype == ESK_UINT64;
    int64_t count = esk_var_count(x);
    int axis = 0;
    if (count > INT32_MAX)
        return esk_unsupported(c, "%lld elements, the limit is 2147483647",
                               (long long)count);
    if (x->rank)
        esk_shape_axis(esk_attr_int(c->node, "axis", 0), x->rank, &axis);
    struct esk_lines l = esk_lines_along(x->rank, x->dim, axis);
    struct esk_recipe *r = esk_add_recipe(c, "arg");
    struct esk_kernel *k = esk_recipe_kernel(r, "arg");
    bool many = c->limits->software && l.outer >= 64 && l.size <= 16384;
    int shape = l.inner > 1 ? 0 : l.size <= SHORT || many ? 1 : 2;
    bool vec4 = !wide && (l.inner > 1 ? l.inner : l.size) % 4 == 0;
    int64_t size = vec4 && shape ? l.size / 4 : l.size;
    int64_t inner = vec4 && !shape ? l.inner / 4 : l.inner;
    uint64_t loop = (uint64_t)size;
    esk_kernel_in(c, r, k, "X", 0, vec4 ? ESK_VEC4 : ESK_ELEMENT);
    esk_kernel_out(c, r, k, "Y", 0, ESK_ELEMENT);
    esk_kernel_define(k, "SHAPE", shape);
    if (wide)
        esk_kernel_define(k, "INT64", 1);
    if (x->dtype == ESK_UINT64)
        esk_kernel_define(k, "UNSIGNED", 1);
    if (*(const int *)c->node->op->data < 0)
        esk_kernel_define(k, "SMALLEST", 1);
    if (esk_attr_int(c->node, "select_last_index", 0))
        esk_kernel_define(k, "LATEST", 1);
    esk_kernel_int(k, "size", size);
    esk_kernel_int(k, "inner", inner);
    esk_kernel_int(k, "lines", l.outer * inner);
    if (shape == 2) {
        uint32_t local = c->limits->software ? 8 : 64;
        esk_kernel_local(k, local, 1, 1);
        esk_kernel_groups(k, (uint64_t)l.outer, 1, 1);
        loop = loop / local + local;
    } else {
        esk_kernel_flat(k, c->limits, (uint64_t)(l.outer * inner));
    }
    if (c->limits->max_iterations && loop > c->limits->max_iterations)
        return esk_unsupported(c, "lines of %lld elements", (long long)l.size);
    k->loop_iterations = loop;
    k->flops = (double)count;
    k->bytes = 4 * (double)count;
    return ESK_OK;
}

#define ARG(title, sign)                              \
    const struct esk_op esk_op_##title = {            \
        .domain = "",                                 \
        .name = #title,                               \
        .since = (const uint8_t[]){1, 11, 12, 13, 0}, \
        .min_in = 1,                                  \
        .min_out = 1,                                 \
        .infer = infer,                               \
        .cpu = cpu,                                   \
        .gpu = gpu,                                   \
        .data = &(const int){sign},                   \
    }

ARG(ArgMax, 1);
ARG(ArgMin, -1);
