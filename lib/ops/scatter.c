/* Scatter, ScatterElements, ScatterND: the data with updates at places that indices say.
 * Out: a copy, then a kernel over the updates; with a reduction, kernels over lines,
 * whose updates come one after the other, since several may have one place. */
#include "recipes/gathering.h"
#include "recipes/move.h"

#include "base/half.h"

#include <inttypes.h>
#include <string.h>

enum reduction { SET, ADD, MUL, MAX, MIN, UNKNOWN };

static enum reduction read_reduction(const struct esk_node *node) {
    static const char *const names[] = {"none", "add", "mul", "max", "min"};
    const char *name = esk_attr_string(node, "reduction", "none");
    int i = 0;
    while (i < UNKNOWN && strcmp(name, names[i]) != 0)
        i++;
    return (enum reduction)i;
}

/* ---- infer ---- */

static esk_status check(const struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *indices = esk_in(c, 1),
                         *updates = esk_in(c, 2);
    if (indices->dtype != ESK_INT64 && indices->dtype != ESK_INT32)
        return esk_node_fail(c, ESK_INVALID_MODEL, "indices are %s, not int32 or int64",
                             esk_dtype_name(indices->dtype));
    if (updates->dtype != x->dtype)
        return esk_node_fail(c, ESK_INVALID_MODEL, "updates are %s, the data %s",
                             esk_dtype_name(updates->dtype), esk_dtype_name(x->dtype));
    if (read_reduction(c->node) == UNKNOWN)
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "reduction '%s' is none of none, add, mul, max, min",
                             esk_attr_string(c->node, "reduction", "none"));
    return ESK_OK;
}

static esk_status elements_infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *indices = esk_in(c, 1),
                         *updates = esk_in(c, 2);
    int axis;
    ESK_TRY(check(c));
    ESK_TRY(esk_check_axis(c, esk_attr_int(c->node, "axis", 0), x->rank, &axis));
    if (indices->rank != x->rank ||
        !esk_shape_equal(indices->rank, indices->dim, updates->rank, updates->dim))
        return esk_node_fail(
            c, ESK_INVALID_MODEL,
            "indices and updates must have one shape and the data's rank %d", x->rank);
    for (int k = 0; k < x->rank; k++)
        if (k != axis && indices->dim[k] > x->dim[k])
            return esk_node_fail(c, ESK_INVALID_MODEL,
                                 "axis %d of the indices is %" PRId64
                                 ", that of the data %" PRId64,
                                 k, indices->dim[k], x->dim[k]);
    return esk_set_out_like(c, 0, 0);
}

static esk_status nd_infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *indices = esk_in(c, 1),
                         *updates = esk_in(c, 2);
    int64_t dims[2 * ESK_MAX_RANK];
    int rank = 0;
    ESK_TRY(check(c));
    int64_t tuple = indices->rank ? indices->dim[indices->rank - 1] : -1;
    if (tuple < 0 || tuple > x->rank)
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "index tuples of %" PRId64 " for rank %d", tuple, x->rank);
    for (int k = 0; k + 1 < indices->rank; k++)
        dims[rank++] = indices->dim[k];
    for (int k = (int)tuple; k < x->rank; k++)
        dims[rank++] = x->dim[k];
    if (!esk_shape_equal(rank, dims, updates->rank, updates->dim))
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "the updates' shape does not follow from indices and data");
    return esk_set_out_like(c, 0, 0);
}

/* ---- cpu ---- */

struct sink {
    char *data;
    const char *from;
    int64_t element;
    esk_dtype dtype;
    enum reduction reduction;
};

#define COMBINE(type, wide)                                          \
    static type combine_##type(enum reduction how, type a, type b) { \
        switch (how) {                                               \
        case ADD:                                                    \
            return (type)((wide)a + (wide)b);                        \
        case MUL:                                                    \
            return (type)((wide)a * (wide)b);                        \
        case MAX:                                                    \
            return a > b || a != a ? a : b;                          \
        case MIN:                                                    \
            return a < b || a != a ? a : b;                          \
        default:                                                     \
            return b;                                                \
        }                                                            \
    }
COMBINE(float, float)
COMBINE(double, double)
COMBINE(int8_t, int)
COMBINE(uint8_t, int)
COMBINE(int16_t, int)
COMBINE(uint16_t, uint32_t)
COMBINE(int32_t, uint32_t)
COMBINE(uint32_t, uint32_t)
COMBINE(int64_t, uint64_t)
COMBINE(uint64_t, uint64_t)
#undef COMBINE

static void combine(const struct sink *s, char *to, const char *from) {
    switch (s->dtype) {
#define ROW(name, type)                                                          \
    case ESK_##name:                                                             \
        *(type *)(void *)to = combine_##type(s->reduction, *(type *)(void *)to,  \
                                             *(const type *)(const void *)from); \
        return;
        ROW(FLOAT, float)
        ROW(DOUBLE, double)
        ROW(INT8, int8_t)
        ROW(UINT8, uint8_t)
        ROW(INT16, int16_t)
        ROW(UINT16, uint16_t)
        ROW(INT32, int32_t)
        ROW(UINT32, uint32_t)
        ROW(INT64, int64_t)
        ROW(UINT64, uint64_t)
#undef ROW
#define ROW(name, load, store)                                                 \
    case ESK_##name:                                                           \
        *(uint16_t *)(void *)to =                                              \
            store(combine_float(s->reduction, load(*(uint16_t *)(void *)to),   \
                                load(*(const uint16_t *)(const void *)from))); \
        return;
        ROW(FLOAT16, esk_half_to_float, esk_float_to_half)
        ROW(BFLOAT16, esk_bfloat_to_float, esk_float_to_bfloat)
#undef ROW
    case ESK_BOOL:
        *to = s->reduction == MUL || s->reduction == MIN ? *to && *from : *to || *from;
        return;
    default:
        return;
    }
}

static void put_row(void *user, int64_t at, int64_t n, int64_t stride) {
    struct sink *s = user;
    for (int64_t i = 0; i < n; i++, s->from += s->element) {
        char *to = s->data + (at + i * stride) * s->element;
        if (s->reduction == SET)
            memcpy(to, s->from, (size_t)s->element);
        else
            combine(s, to, s->from);
    }
}

static esk_status run(struct esk_cpu *c, esk_gathering_fn describe) {
    const struct esk_tensor *x = c->in[0], *indices = c->in[1], *updates = c->in[2];
    struct esk_tensor *y = c->out[0];
    int64_t strides[ESK_MAX_RANK];
    struct esk_gathering g = {0};
    if (!y || !y->bytes)
        return ESK_OK;
    memcpy(y->data, x->data, y->bytes);
    if (!esk_shape_product(updates->dim, 0, updates->rank))
        return ESK_OK;
    struct sink sink = {
        .data = y->data,
        .from = updates->data,
        .element = (int64_t)esk_move_element(x->dtype),
        .dtype = x->dtype,
        .reduction = read_reduction(c->node),
    };
    if (!sink.element || esk_dtype_bits(x->dtype) > 64)
        return esk_cpu_fail(c, ESK_UNSUPPORTED, "elements of type %s are not scattered",
                            esk_dtype_name(x->dtype));
    esk_shape_strides(x->rank, x->dim, strides);
    describe(c->node, x->rank, x->dim, strides, indices->rank, indices->dim, &g);
    return esk_gathering_walk(c, &g, indices, put_row, &sink);
}

static esk_status elements_cpu(struct esk_cpu *c) {
    return run(c, esk_gathering_elements);
}

static esk_status nd_cpu(struct esk_cpu *c) {
    return run(c, esk_gathering_nd);
}

/* ---- gpu ---- */

/* Dimensions of `g` without a stride in the data are walked one after the other, by each
 * line: an index into the others. */
static esk_status lines(struct esk_ctx *c, struct esk_recipe *r,
                        const struct esk_gathering *g, bool vec4) {
    static const uint8_t kinds[] = {
        [ESK_CLASS_F] = 0, [ESK_CLASS_I] = 1,  [ESK_CLASS_U] = 2,
        [ESK_CLASS_L] = 3, [ESK_CLASS_UL] = 4, [ESK_CLASS_B] = 5};
    const struct esk_var *x = esk_in(c, 0);
    struct esk_gathering line = {0};
    int64_t from[2 * ESK_MAX_RANK], n = 1, place_step = 0, from_step = 0, next = 1,
                                    count = 1;
    for (int k = g->rank - 1; k >= 0; next *= g->dim[k--])
        if (g->stride[k] == 0) {
            if (n != 1 && (place_step * n != g->place[k] || from_step * n != next))
                return esk_unsupported(c, "updates of a line lie apart in two ways");
            if (n == 1)
                place_step = g->place[k], from_step = next;
            n *= g->dim[k];
        }
    next = 1;
    for (int k = 0; k < g->rank; k++)
        if (g->stride[k] != 0) {
            line.dim[line.rank] = g->dim[k];
            line.stride[line.rank] = g->stride[k];
            line.place[line.rank] = g->place[k];
            from[line.rank++] = esk_shape_product(g->dim, k + 1, g->rank);
        }
    if (line.rank == 0) {
        line.dim[0] = 1;
        line.stride[0] = line.place[0] = from[0] = 0;
        line.rank = 1;
    }
    int last = line.rank - 1;
    enum esk_storage storage =
        esk_storage_of(x->dtype, x->rank, x->dim, ESK_LAYOUT_DENSE);
    int64_t many = line.dim[last];
    bool pairs = storage == ESK_STORAGE_F16X2 && !vec4 && line.stride[last] == 1;
    if (pairs)
        line.dim[last] = (many + 1) / 2;
    count = esk_shape_product(line.dim, 0, line.rank);
    int64_t each =
        (int64_t)(c->limits->max_iterations ? c->limits->max_iterations : 1 << 16);
    each /= (g->tuple + 1) * (pairs ? 2 : 1);
    if (n > 64 * each || count > INT32_MAX)
        return esk_unsupported(
            c, "reduction '%s' of %" PRId64 " updates one after the other",
            esk_attr_string(c->node, "reduction", "none"), n);
    for (int64_t first = 0; first < n; first += each) {
        struct esk_kernel *k = esk_recipe_kernel(r, "scatter_lines");
        enum esk_view view = vec4 ? ESK_VEC4 : ESK_ELEMENT;
        esk_kernel_in(c, r, k, "U", 2, view);
        esk_kernel_in(c, r, k, "I", 1, ESK_ELEMENT);
        esk_kernel_out(c, r, k, "Y", 0, view);
        k->operands[k->n_operands - 1].access = ESK_READ_WRITE;
        esk_kernel_define(k, "RANK", line.rank);
        esk_kernel_define(k, "TUPLE", g->tuple);
        if (esk_in(c, 1)->dtype == ESK_INT64)
            esk_kernel_define(k, "INDEX64", 1);
        esk_kernel_define(k, "HOW", read_reduction(c->node));
        esk_kernel_define(k, "KIND", kinds[esk_class_of(x->dtype)]);
        if (pairs)
            esk_kernel_define(k, "PAIRS", 1);
        esk_kernel_ints(k, "dim", (uint32_t)line.rank, line.dim);
        esk_kernel_ints(k, "stride", (uint32_t)line.rank, line.stride);
        esk_kernel_ints(k, "place", (uint32_t)line.rank, line.place);
        esk_kernel_ints(k, "from", (uint32_t)line.rank, from);
        esk_kernel_ints(k, "axis_dim", (uint32_t)g->tuple, g->axis_dim);
        esk_kernel_ints(k, "axis_stride", (uint32_t)g->tuple, g->axis_stride);
        esk_kernel_int(k, "count", count);
        esk_kernel_int(k, "many", many);
        esk_kernel_int(k, "first", first);
        esk_kernel_int(k, "n", n - first < each ? n - first : each);
        esk_kernel_int(k, "place_step", place_step);
        esk_kernel_int(k, "from_step", from_step);
        esk_kernel_flat(k, c->limits, (uint64_t)count);
        k->loop_iterations = (uint64_t)(each * (g->tuple + 1) * (pairs ? 2 : 1));
        k->bytes = (double)esk_var_count(esk_in(c, 2)) * 12;
    }
    return ESK_OK;
}

static esk_status plan(struct esk_ctx *c, esk_gathering_fn describe) {
    ESK_TRY(esk_move_ready(c));
    const struct esk_var *x = esk_in(c, 0), *indices = esk_in(c, 1),
                         *updates = esk_in(c, 2);
    int64_t strides[ESK_MAX_RANK];
    struct esk_gathering g = {0};
    esk_shape_strides(x->rank, x->dim, strides);
    if (esk_var_count(updates))
        describe(c->node, x->rank, x->dim, strides, indices->rank, indices->dim, &g);
    bool updated = esk_var_count(updates) > 0;
    if (updated && !g.tuple)
        return esk_unsupported(c, "index tuples have no entries");
    enum esk_storage storage =
        esk_storage_of(x->dtype, x->rank, x->dim, ESK_LAYOUT_DENSE);
    bool reduced = read_reduction(c->node) != SET;
    bool vec4 =
        updated && storage != ESK_STORAGE_I64X2 &&
        (!reduced || storage == ESK_STORAGE_F32 || storage == ESK_STORAGE_F16X2) &&
        esk_gathering_vec4(&g);
    struct esk_recipe *r = esk_add_recipe(c, reduced ? "scatter lines" : "scatter");
    struct esk_move m = {0};
    esk_move_push(&m, esk_var_count(x), 1);
    esk_move_kernel(c, r, &m, 0, 0);
    if (!updated)
        return ESK_OK;
    if (reduced || (!vec4 && storage == ESK_STORAGE_F16X2)) /* which shares words */
        return lines(c, r, &g, vec4);
    struct esk_kernel *k = esk_recipe_kernel(r, "scatter");
    enum esk_view view = vec4 ? ESK_VEC4 : ESK_ELEMENT;
    esk_kernel_in(c, r, k, "U", 2, view);
    esk_kernel_in(c, r, k, "I", 1, ESK_ELEMENT);
    esk_kernel_out(c, r, k, "Y", 0, view);
    esk_gathering_kernel(k, c->limits, &g, indices->dtype, true);
    k->bytes = (double)esk_var_count(updates) * 8;
    return ESK_OK;
}

static esk_status elements_gpu(struct esk_ctx *c) {
    return plan(c, esk_gathering_elements);
}

static esk_status nd_gpu(struct esk_ctx *c) {
    return plan(c, esk_gathering_nd);
}

const struct esk_op esk_op_Scatter = {
    .domain = "",
    .name = "Scatter",
    .since = (const uint8_t[]){9, 11, 0},
    .min_in = 3,
    .min_out = 1,
    .infer = elements_infer,
    .cpu = elements_cpu,
    .gpu = elements_gpu,
};

const struct esk_op esk_op_ScatterElements = {
    .domain = "",
    .name = "ScatterElements",
    .since = (const uint8_t[]){11, 13, 16, 18, 0},
    .min_in = 3,
    .min_out = 1,
    .infer = elements_infer,
    .cpu = elements_cpu,
    .gpu = elements_gpu,
};

const struct esk_op esk_op_ScatterND = {
    .domain = "",
    .name = "ScatterND",
    .since = (const uint8_t[]){11, 13, 16, 18, 0},
    .min_in = 3,
    .min_out = 1,
    .infer = nd_infer,
    .cpu = nd_cpu,
    .gpu = nd_gpu,
};
