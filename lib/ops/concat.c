/* Concat. Out: kernels of at most three inputs each, in vec4s where every part is made of
 * them; in C4 where the parts' channels are. Parts that can be made in their places need
 * none: choose knows which. */
#include "recipes/move.h"

#include <inttypes.h>
#include <string.h>

static esk_status upgrade(struct esk_ctx *c) {
    if (c->node->since < 4 && !esk_node_attr(c->node, "axis") &&
        !esk_node_set_int(c->graph, c->node, "axis", 1))
        return esk_fail_memory(c->error, "an attribute");
    return ESK_OK;
}

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    int64_t dims[ESK_MAX_RANK];
    int axis;
    if (!x)
        return esk_node_fail(c, ESK_INVALID_MODEL, "input 0 is absent");
    ESK_TRY(esk_check_axis(c, esk_attr_int(c->node, "axis", 0), x->rank, &axis));
    for (int k = 0; k < x->rank; k++)
        dims[k] = x->dim[k];
    for (uint32_t i = 1; i < c->node->n_in; i++) {
        const struct esk_var *part = esk_in(c, i);
        if (!part || part->rank != x->rank || part->dtype != x->dtype)
            return esk_node_fail(c, ESK_INVALID_MODEL,
                                 "input %u has another rank or type than input 0", i);
        for (int k = 0; k < x->rank; k++)
            if (k != axis && part->dim[k] != dims[k])
                return esk_node_fail(c, ESK_INVALID_MODEL,
                                     "axis %d of input %u is %" PRId64 ", not %" PRId64,
                                     k, i, part->dim[k], dims[k]);
        if (__builtin_add_overflow(dims[axis], part->dim[axis], &dims[axis]))
            return esk_node_fail(c, ESK_INVALID_MODEL, "the axis is too long");
    }
    return esk_set_out(c, 0, x->dtype, x->rank, dims);
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *y = c->out[0];
    int axis;
    if (!y || !esk_shape_axis(esk_attr_int(c->node, "axis", 0), y->rank, &axis))
        return ESK_OK;
    size_t element = esk_move_element(y->dtype);
    if (!element)
        return esk_cpu_fail(c, ESK_UNSUPPORTED, "elements of type %s are not moved",
                            esk_dtype_name(y->dtype));
    int64_t outer = esk_shape_product(y->dim, 0, axis);
    size_t inner = (size_t)esk_shape_product(y->dim, axis + 1, y->rank) * element;
    size_t row = (size_t)y->dim[axis] * inner, at = 0;
    for (uint32_t i = 0; i < c->n_in; i++) {
        size_t part = (size_t)c->in[i]->dim[axis] * inner;
        if (!part)
            continue;
        for (int64_t o = 0; o < outer; o++)
            memcpy((char *)y->data + (size_t)o * row + at,
                   (const char *)c->in[i]->data + (size_t)o * part, part);
        at += part;
    }
    return ESK_OK;
}

/* ---- gpu ---- */

enum { PARTS = 3 };

/* The parts that have elements, as rows in the layout at hand. */
struct parts {
    struct esk_ctx *c;
    uint32_t n;
    const uint32_t *in; /* of each: the node's input */
    const int64_t *len; /* of each: elements of a row */
    int64_t outer, row;
    enum esk_layout layout;
    enum esk_storage storage;
};

/* Y is larger than a binding. */
static bool large(const struct parts *p) {
    return (uint64_t)(p->outer * p->row) * (uint64_t)esk_move_unit(p->storage) >
           p->c->limits->max_binding;
}

/* Inputs [from, from + n) of the list: one kernel. `unit`: elements of a unit; 0: Y is
 * written whole, four elements a store, from inputs read singly. */
static void add_kernel(const struct parts *p, struct esk_recipe *r, uint32_t from,
                       uint32_t n, int unit, const struct esk_ref_to *scratch) {
    static const char *const names[] = {"A", "B", "C"}, *const params[] = {"a", "b", "c"};
    const struct esk_limits *limits = p->c->limits;
    struct esk_kernel *k = esk_recipe_kernel(r, "concat");
    enum esk_view view = unit == 4 ? ESK_VEC4 : ESK_ELEMENT;
    int64_t start = 0, len = 0, of = unit ? unit : 1;
    int64_t step =
        (int64_t)limits->group_1d * ESK_MOVE_PER * of; /* elements of a group */
    for (uint32_t i = 0; i < from; i++)
        start += p->len[i] / of;
    for (uint32_t i = from; i < from + n; i++) {
        esk_kernel_var(k, names[i - from], p->c->graph, esk_in_id(p->c, p->in[i]),
                       p->layout, ESK_READ, view);
        if (n == 1)
            esk_kernel_step(k, 0, step, step);
        esk_kernel_int(k, params[i - from], p->len[i] / of);
        len += p->len[i] / of;
    }
    if (scratch)
        esk_kernel_ref(k, "Y", r, *scratch, ESK_WRITE, view);
    else
        esk_kernel_out(p->c, r, k, "Y", 0, unit == 0 ? ESK_VEC4 : view);
    if (n == 1 && p->outer == 1 && large(p)) { /* a range, from its start on */
        esk_kernel_offset(k, (uint64_t)(start * of * esk_move_unit(p->storage)));
        esk_kernel_step(k, 0, step, step);
        start = 0;
    }
    esk_kernel_define(k, "PARTS", n);
    if (unit)
        esk_kernel_define(k, "UNITS", 1);
    int64_t dim[2] = {p->outer, len};
    esk_kernel_int(k, "row", p->row / of);
    esk_kernel_int(k, "start", start);
    esk_kernel_ints(k, "dim", 2, dim);
    esk_move_step(k, "step", 2, dim, (int64_t)limits->group_1d * (unit ? 1 : 4));
    esk_move_groups(k, limits, unit ? p->outer * len : (p->outer * len + 3) / 4);
    k->bytes = (double)(p->outer * len * of) * 8;
}

/* Each part by itself, and where it may be made. */
static void add_parts(const struct parts *p, struct esk_recipe *r, int unit) {
    struct esk_part *parts = ESK_ARENA_ARRAY(&p->c->graph->arena, struct esk_part, p->n);
    uint64_t at = 0, bytes = (uint64_t)esk_move_unit(p->storage);
    if (!parts) {
        p->c->recipes->failed = true;
        return;
    }
    for (uint32_t i = 0; i < p->n; i++) {
        uint64_t row = (uint64_t)p->len[i] * bytes;
        parts[i] = (struct esk_part){
            .input = p->in[i],
            .offset = at,
            .row = row,
            .pitch = p->outer > 1 ? (uint64_t)p->row * bytes : 0,
        };
        at += row;
        add_kernel(p, r, i, 1, unit, NULL);
    }
    r->parts = parts;
    r->n_parts = p->n;
}

static struct esk_recipe *new_recipe(const struct parts *p, const char *label) {
    struct esk_recipe *r = esk_add_recipe(p->c, label);
    r->out_layout[0] = p->layout;
    for (uint32_t i = 0; i < p->c->node->n_in && i < ESK_RECIPE_INPUTS; i++)
        r->in_layout[i] = p->layout;
    return r;
}

static void add_recipe(const struct parts *p) {
    struct esk_recipe *r = new_recipe(p, "concat");
    if (p->n == 1) {
        r->label = "view";
        r->alias = (int)p->in[0];
        return;
    }
    bool vec4 = p->storage != ESK_STORAGE_I64X2;
    for (uint32_t i = 0; i < p->n; i++)
        vec4 &= p->len[i] % 4 == 0;
    int unit = vec4 ? 4 : p->storage == ESK_STORAGE_I64X2 || p->n > PARTS ? 1 : 0;
    /* halves cannot be stored singly: by way of floats */
    bool halves = unit == 1 && p->storage == ESK_STORAGE_F16X2;
    struct esk_ref_to scratch = {0};
    if (halves)
        scratch = esk_recipe_scratch(r, (size_t)(p->outer * p->row) * 4, ESK_STORAGE_F32);
    for (uint32_t i = 0; i < p->n; i += PARTS)
        add_kernel(p, r, i, p->n - i < PARTS ? p->n - i : PARTS, unit,
                   halves ? &scratch : NULL);
    if (p->storage != ESK_STORAGE_F16X2 || unit == 4)
        add_parts(p, r, unit ? unit : 1);
    if (halves) {
        struct esk_move m = {0};
        esk_move_push(&m, p->outer * p->row, 1);
        esk_move_kernel_refs(p->c, r, &m, scratch, 0);
        return;
    }
    if (unit && large(p)) { /* each kernel knows of one part only */
        r = new_recipe(p, "concat, part by part");
        for (uint32_t i = 0; i < p->n; i++)
            add_kernel(p, r, i, 1, unit, NULL);
    }
}

/* Every part that has to be read in C4 can be: its channels end where a vec4 does, or it
 * is the last; and the greater part of the bytes is in C4 now. */
static bool wants_c4(const struct parts *p, int axis) {
    int64_t is = 0, is_not = 0;
    const struct esk_var *y = esk_out(p->c, 0);
    if (y->rank < 3 || p->storage == ESK_STORAGE_I64X2)
        return false;
    for (uint32_t i = 0; i < p->n; i++) {
        const struct esk_var *x = esk_in(p->c, p->in[i]);
        if (axis == 1 && i + 1 < p->n && x->dim[1] % 4)
            return false;
        if (p->n == 1 && p->in[i] >= ESK_RECIPE_INPUTS)
            return false; /* an alias names its layout in the recipe */
        if (!x->data)
            *(esk_move_layout(p->c, p->in[i]) == ESK_LAYOUT_C4 ? &is : &is_not) +=
                esk_var_count(x);
    }
    return is > 0 && is >= is_not;
}

static esk_status gpu(struct esk_ctx *c) {
    ESK_TRY(esk_move_ready(c));
    const struct esk_var *y = esk_out(c, 0);
    uint32_t n_in = c->node->n_in;
    int axis;
    ESK_TRY(esk_check_axis(c, esk_attr_int(c->node, "axis", 0), y->rank, &axis));
    uint32_t *in = ESK_ARENA_ARRAY(&c->graph->arena, uint32_t, n_in);
    int64_t *len = ESK_ARENA_ARRAY(&c->graph->arena, int64_t, n_in);
    if (!in || !len)
        return esk_fail_memory(c->error, "a list of parts");
    struct parts p = {.c = c, .in = in, .len = len};
    for (uint32_t i = 0; i < n_in; i++)
        if (esk_in(c, i)->dim[axis])
            in[p.n++] = i;
    p.storage = esk_storage_of(y->dtype, y->rank, y->dim, ESK_LAYOUT_DENSE);
    p.layout = wants_c4(&p, axis) ? ESK_LAYOUT_C4 : ESK_LAYOUT_DENSE;
    p.storage = esk_storage_of(y->dtype, y->rank, y->dim, p.layout);
    int64_t dims[ESK_MAX_RANK];
    int at = p.layout == ESK_LAYOUT_C4 ? (axis == 0   ? 0
                                          : axis == 1 ? y->rank - 1
                                                      : axis - 1)
                                       : axis;
    esk_layout_dims(p.layout, y->rank, y->dim, dims);
    p.outer = esk_shape_product(dims, 0, at);
    p.row = esk_shape_product(dims, at, y->rank);
    for (uint32_t i = 0; i < p.n; i++) {
        const struct esk_var *x = esk_in(c, in[i]);
        esk_layout_dims(p.layout, x->rank, x->dim, dims);
        len[i] = esk_shape_product(dims, at, x->rank);
    }
    add_recipe(&p);
    return ESK_OK;
}

const struct esk_op esk_op_Concat = {
    .domain = "",
    .name = "Concat",
    .since = (const uint8_t[]){1, 4, 11, 13, 0},
    .min_in = 1,
    .max_in = UINT32_MAX,
    .min_out = 1,
    .upgrade = upgrade,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
